"""Neurons, heads and hidden units that are removed, of every model that has them."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minilm.compression import calibrate, prune, quantize
from minilm.compression.shrinking import groups_of, keep, shrink, silence
from minilm.compression.shrinking.groups import Cut, Groups
from minilm.compression.shrinking.scores import activation, magnitude
from minilm.generation import answer, generate
from minilm.models import (
    BagOfWordsClassifier,
    LSTMClassifier,
    LSTMLanguageModel,
    LSTMRegressor,
    Seq2SeqLSTM,
    Seq2SeqTransformer,
    TransformerClassifier,
    TransformerLanguageModel,
    build,
)
from minilm.training import cross_entropy_loss, fit
from minilm.weights import load, nbytes, save

SOURCE = np.array([[3, 7, 1, 5], [2, 2, 0, 0], [9, 4, 6, 0]])
TARGET = np.random.default_rng(0).integers(1, 11, size=(3, 5))
TOKENS = np.random.default_rng(1).integers(0, 11, size=(3, 6))
NUMBERS = np.random.default_rng(2).normal(size=(4, 5, 3))
SMALL = {"vocab_size": 11, "width": 16, "layers": 2, "heads": 4, "context": 6}
LLAMA = {
    "positions": "rotary", "normalization": "rms", "activation": "swiglu", "key_value_heads": 2,
    "biases": False, "tied": False, "feed_forward": 12,
}  # fmt: skip
MODELS = {
    "transformer": (TransformerLanguageModel(**SMALL), (TOKENS,)),
    "transformer, post": (TransformerLanguageModel(**SMALL, norm="post"), (TOKENS,)),
    "llama": (TransformerLanguageModel(**SMALL, **LLAMA), (TOKENS,)),
    "encoder–decoder": (Seq2SeqTransformer(**SMALL), (SOURCE, TARGET)),
    "classifier": (TransformerClassifier(**SMALL, classes=3), (SOURCE,)),
    "lstm": (LSTMLanguageModel(11, width=8, layers=2), (TOKENS,)),
    "lstm, projected": (LSTMLanguageModel(11, width=8, embedding_width=6), (TOKENS,)),
    "lstm, untied": (LSTMLanguageModel(11, width=8, layers=3, tied=False), (TOKENS,)),
    "lstm classifier": (LSTMClassifier(11, 3, width=12, layers=2), (SOURCE,)),
    "lstm classifier, last": (LSTMClassifier(11, 3, width=12, pooling="last"), (SOURCE,)),
    "lstm regressor": (LSTMRegressor(3, width=8), (NUMBERS,)),
    "lstm encoder–decoder": (Seq2SeqLSTM(11, width=12, layers=2), (SOURCE, TARGET)),
    "lstm encoder–decoder, untied": (
        Seq2SeqLSTM(11, source_vocab_size=13, width=8, tied=False), (SOURCE, TARGET)
    ),
}  # fmt: skip
CASES = [
    (name, what)
    for name in MODELS
    for what in (("units",) if "lstm" in name else ("neurons", "heads"))
]
by_case = pytest.mark.parametrize(("name", "what"), CASES)


def float64(params):
    """With biases that are not zero."""
    rng = np.random.default_rng(3)
    return {name: w + rng.normal(size=w.shape) / 4 for name, w in params.items()}


def some_of_each(layers, seed=0):
    """Different numbers of groups in every layer, two at least of those that have more."""
    rng = np.random.default_rng(seed)
    return {
        name: rng.permutation(groups.count)[: rng.integers(1, groups.count)]
        for name, groups in layers.items()
    }


def with_silent_writers(params, layers, kept):
    """Whatever the others write with at zero: values, states and so all they say are zero then."""
    params = {name: w.copy() for name, w in params.items()}
    for name, groups in layers.items():
        removed = np.setdiff1d(np.arange(groups.count), kept[name])
        for cut in groups.writers:
            np.moveaxis(params[cut.name], cut.axis, 0)[cut.places[removed].ravel()] = 0
    return params


@by_case
def test_shrinking_is_masking(name, what):
    model, inputs = MODELS[name]
    params = float64(model.init(0))
    layers = groups_of(model, params, what)
    for seed in range(3):
        kept = some_of_each(layers, seed)
        before = {n: w.copy() for n, w in params.items()}
        smaller, small = keep(model, params, kept, what)
        said, _ = smaller.forward(small, *inputs)
        for masked in (
            silence(model, params, kept, what), with_silent_writers(params, layers, kept)
        ):  # fmt: skip
            np.testing.assert_allclose(said, model.forward(masked, *inputs)[0], atol=1e-12)
        assert not np.allclose(said, model.forward(params, *inputs)[0], atol=1e-3)
        assert all(w.dtype == np.float64 for w in small.values())
        assert all((w == before[n]).all() for n, w in params.items())
        for layer, groups in groups_of(smaller, small, what).items():
            assert groups.count == len(kept[layer])


@st.composite
def transformers(draw):
    """A small Transformer of any make."""
    heads = draw(st.sampled_from([1, 2, 4]))
    return TransformerLanguageModel(
        7, width=8 * draw(st.integers(1, 2)), layers=draw(st.integers(1, 2)), heads=heads,
        context=6, feed_forward=draw(st.integers(1, 9)),
        key_value_heads=draw(st.sampled_from([g for g in (1, 2, 4) if heads % g == 0])),
        norm=draw(st.sampled_from(["pre", "post"])), tied=draw(st.booleans()),
        positions=draw(st.sampled_from(["sinusoidal", "learned", "rotary"])),
        normalization=draw(st.sampled_from(["layer", "rms"])),
        activation=draw(st.sampled_from(["gelu", "swiglu"])), biases=draw(st.booleans()),
    )  # fmt: skip


@st.composite
def lstms(draw):
    """A small LSTM of any make."""
    return LSTMLanguageModel(
        7, width=draw(st.integers(1, 6)), layers=draw(st.integers(1, 3)), tied=draw(st.booleans()),
        embedding_width=draw(st.sampled_from([None, 3])),
    )  # fmt: skip


def mixed(draw, model, what):
    """float64 parameters, and any groups of every layer, one at least."""
    params = float64(model.init(0))
    kept = {
        name: draw(st.lists(st.integers(0, groups.count - 1), min_size=1, unique=True))
        for name, groups in groups_of(model, params, what).items()
    }
    return params, kept


@settings(max_examples=60, deadline=None)
@given(st.one_of(transformers(), lstms()), st.data())
def test_whatever_the_model_and_whatever_is_kept_shrinking_is_masking(model, data):
    is_lstm = isinstance(model, LSTMLanguageModel)
    what = "units" if is_lstm else data.draw(st.sampled_from(["neurons", "heads"]))
    params, kept = mixed(data.draw, model, what)
    smaller, small = keep(model, params, kept, what)
    tokens = TOKENS % 7
    masked = silence(model, params, kept, what)
    said = smaller.forward(small, tokens)[0]
    np.testing.assert_allclose(said, model.forward(masked, tokens)[0], atol=1e-9)
    left = groups_of(smaller, small, what)
    assert {name: groups.count for name, groups in left.items()} == {
        name: len(numbers) for name, numbers in kept.items()
    }


def test_every_attention_of_an_encoder_decoder_has_heads():
    model, _ = MODELS["encoder–decoder"]
    params = model.init(0)
    attentions = {name.removesuffix(".w_out") for name in params if name.endswith(".w_out")}
    assert groups_of(model, params, "heads").keys() == attentions
    assert len(attentions) == 6  # of two layers: the encoder's, the decoder's, between the two


def test_silence_leaves_what_writes_as_it_is():
    model, _ = MODELS["transformer"]
    params = model.init(0)
    layers = groups_of(model, params, "heads")
    silent = silence(model, params, some_of_each(layers), "heads")
    assert {name for name, w in silent.items() if w is not params[name]} == {
        f"{layer}.w_out" for layer in layers
    }


@by_case
def test_half_is_left(name, what):
    model, _ = MODELS[name]
    params = model.init(0)
    smaller, small = shrink(model, params, 0.5, what=what)
    left = groups_of(smaller, small, what)
    for layer, groups in groups_of(model, params, what).items():
        assert left[layer].count == groups.count / 2
    assert sum(w.size for w in small.values()) < sum(w.size for w in params.values())
    assert all(w.dtype == np.float32 for w in small.values())
    same_model, by_number = shrink(
        model, params, number=next(iter(left.values())).count, what=what
    )
    assert same_model == smaller
    for n, w in by_number.items():
        np.testing.assert_array_equal(w, small[n])
    if what != "heads" and not isinstance(model, Seq2SeqLSTM):  # the configuration says it too
        fresh = build(smaller.config()).init(0)
        assert {n: w.shape for n, w in fresh.items()} == {n: w.shape for n, w in small.items()}
    else:
        assert smaller is model
    assert shrink(model, params, 0.0, what=what)[1].keys() == params.keys()


@by_case
def test_a_shrunk_model_is_a_model(name, what, tmp_path):
    """It is saved, trained, quantized, and written with."""
    model, inputs = MODELS[name]
    model, small = shrink(model, model.init(0), 0.5, what=what, scope="global")
    inputs = [x.astype(np.float32) if x.dtype == np.float64 else x for x in inputs]
    logits, _ = model.forward(small, *inputs)
    save(tmp_path / "small.npz", small)
    np.testing.assert_array_equal(model.forward(load(tmp_path / "small.npz"), *inputs)[0], logits)
    q = quantize(small, 8)
    assert nbytes(q) < nbytes(small)
    near = model.forward(q, *inputs)[0]
    assert np.abs(near - logits).max() < 0.2 * np.abs(logits).max()
    if isinstance(model, LSTMRegressor):
        return
    targets = logits.argmin(axis=-1)  # what it believes least
    batch = (*inputs, targets)
    trained, _ = fit(model, small, [batch], steps=15, schedule=lambda step: 0.01)
    before, after = (cross_entropy_loss(model, p, batch, None) for p in (small, trained))
    assert after[0] < before[0]
    if len(inputs) == 2:
        answers = answer(model, small, SOURCE, begin_id=1, end_id=2, length=4)
        assert len(answers) == 3
    elif hasattr(model, "fresh_state"):
        assert len(generate(model, small, [1, 2], 3, temperature=0)) == 3


def test_neurons_by_hand():
    model = TransformerLanguageModel(5, width=2, layers=1, heads=1, context=4, feed_forward=3)
    params = model.init(0)
    params["block.0.feed_forward.w_up"] = np.array([[1, 5, 3], [0, 5, 2]], np.float32)
    params["block.0.feed_forward.b_up"] = np.array([7, 8, 9], np.float32)
    params["block.0.feed_forward.w_down"] = np.array([[1, 0], [6, 6], [0, 9]], np.float32)
    smaller, small = shrink(model, params, number=2)
    assert smaller.feed_forward == 2
    assert small["block.0.feed_forward.w_up"].tolist() == [[5, 3], [5, 2]]
    assert small["block.0.feed_forward.b_up"].tolist() == [8, 9]
    assert small["block.0.feed_forward.w_down"].tolist() == [[6, 6], [0, 9]]


def test_grouped_heads_go_with_their_key_and_value():
    model = TransformerLanguageModel(5, width=8, layers=1, heads=4, key_value_heads=2, context=4)
    params = model.init(0)
    columns = np.arange(16)  # q of four heads, k of two, v of two, each two wide
    params["block.0.attention.b_qkv"] = columns.astype(np.float32)
    _, small = keep(model, params, {"block.0.attention": [1]}, "heads")
    assert small["block.0.attention.b_qkv"].tolist() == [4, 5, 6, 7, 10, 11, 14, 15]
    assert small["block.0.attention.w_out"].shape == (4, 8)


def test_units_by_hand():
    model = LSTMRegressor(1, width=2)
    params = model.init(0)
    params["lstm.b"] = np.arange(8, dtype=np.float32)  # i f g o, two units each
    params["lstm.w_h"] = np.arange(16, dtype=np.float32).reshape(2, 8)
    smaller, small = keep(model, params, {"lstm": [1]}, "units")
    assert smaller.width == 1
    assert small["lstm.b"].tolist() == [1, 3, 5, 7]
    assert small["lstm.w_h"].tolist() == [[9, 11, 13, 15]]
    np.testing.assert_array_equal(small["head.w"], params["head.w"][1:])


def test_scopes():
    model = TransformerLanguageModel(**SMALL, feed_forward=8)
    params = model.init(0)
    params["block.1.feed_forward.w_up"] *= 100
    assert [g.count for g in groups_of(*shrink(model, params, 0.5), "neurons").values()] == [4, 4]
    same, small = shrink(model, params, 0.5, scope="global")
    assert [g.count for g in groups_of(same, small).values()] == [1, 7]  # one at least
    assert same is model
    _, least = shrink(model, params, number=1, scope="global")
    assert [g.count for g in groups_of(model, least).values()] == [1, 1]


def test_given_scores_and_ties():
    model, _ = MODELS["transformer"]
    params = model.init(0)
    scores = {"block.0.attention": [3, 1, 4, 1], "block.1.attention": np.array([2.0, 7, 1, 8])}
    _, small = shrink(model, params, 0.5, what="heads", scores=scores)
    for layer, kept in (("block.0", [0, 2]), ("block.1", [1, 3])):
        rows = params[f"{layer}.attention.w_out"].reshape(4, 4, 16)[kept].reshape(8, 16)
        np.testing.assert_array_equal(small[f"{layer}.attention.w_out"], rows)
    tied = {name: np.ones(4) for name in scores}
    for scope in ("local", "global"):
        _, small = shrink(model, params, 0.25, what="heads", scores=tied, scope=scope)
        counts = [g.count for g in groups_of(model, small, "heads").values()]
        assert sum(counts) == 6


def test_of_equal_scores_the_first_stay():
    model, _ = MODELS["transformer"]
    scores = {f"block.{i}.feed_forward": np.arange(64) % 2 for i in range(2)}
    params = model.init(0)
    first = sorted([*range(1, 64, 2), *range(0, 16, 2)])  # all of the higher score, 8 of the lower
    _, small = shrink(model, params, number=np.int64(40), scores=scores)
    for name in scores:
        np.testing.assert_array_equal(small[f"{name}.b_up"], params[f"{name}.b_up"][first])
        np.testing.assert_array_equal(small[f"{name}.w_down"], params[f"{name}.w_down"][first])


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.float16])
@pytest.mark.parametrize("scope", ["local", "global"])
def test_scores_of_any_kind_of_numbers(dtype, scope):
    """Of unsigned numbers 0 is the lowest, though its negative is not the highest."""
    model, _ = MODELS["transformer"]
    params = model.init(0)
    scores = {f"block.{i}.attention": np.array([0, 3, 1, 2], dtype) for i in range(2)}
    _, small = shrink(model, params, 0.5, what="heads", scores=scores, scope=scope)
    for name in scores:
        rows = params[f"{name}.w_out"].reshape(4, 4, 16)[[1, 3]].reshape(8, 16)
        np.testing.assert_array_equal(small[f"{name}.w_out"], rows)


def test_magnitude_by_hand():
    """The root mean square of the matrices' entries, whatever the sizes of the groups."""
    params = {"w": np.array([[3.0, 0, 1], [4, 0, 1]]), "v": np.array([[0.0], [6], [1]]),
              "b": np.array([9.0, 9, 9])}  # fmt: skip
    each = np.arange(3)[:, None]
    writers = (Cut("w", 1, each), Cut("b", 0, each))
    groups = Groups(writers, (Cut("v", 0, each),))
    expected = np.sqrt([25 / 3, 36 / 3, 1])
    np.testing.assert_allclose(magnitude(params, groups, None), expected)


def test_what_cancels_out_leaves_no_negative_square():
    """The rows of a group say opposite things, and rounding made of XᵀX what no X has."""
    groups = Groups((), (Cut("v", 0, np.array([[0, 1]])),))
    seen = SimpleNamespace(gram=np.array([[1, 1 + 1e-12], [1 + 1e-12, 1]]), width=2, count=4)
    params = {"v": np.array([[1.0], [-1]])}
    assert activation(params, groups, {"v": seen}) == 0


@pytest.mark.parametrize(("name", "what"), [case for case in CASES if "regressor" not in case[0]])
def test_activation_scores_are_what_leaves_with_a_group(name, what):
    """Of the first layer's reader: the mean square of the difference that its silence makes."""
    model, inputs = MODELS[name]
    params = model.init(0)
    seen = calibrate(model, params, [inputs])
    layers = groups_of(model, params, what)
    for groups in layers.values():
        scores = activation(params, groups, seen)
        by_hand = np.zeros(groups.count)
        for cut in groups.readers:
            w = params[cut.name].T if cut.axis else params[cut.name]
            rows = seen[cut.name].sample.astype(np.float64)  # so few that they are all there
            assert len(rows) == seen[cut.name].count
            for g, owned in enumerate(cut.places):
                by_hand[g] += np.square(rows[:, owned] @ w[owned]).mean()
        np.testing.assert_allclose(scores, np.sqrt(by_hand), rtol=1e-4)
    smaller, small = shrink(
        model, params, 0.5, what=what, scores="activation", calibration=seen, scope="global"
    )
    assert np.isfinite(smaller.forward(small, *inputs)[0]).all()


def test_activation_scores_see_what_weights_do_not():
    """A neuron that never fires is worth nothing, however large its weights."""
    model, inputs = MODELS["transformer"]
    params = model.init(0)
    for layer in range(2):
        params[f"block.{layer}.feed_forward.w_up"][:, ::2] *= 3
        params[f"block.{layer}.feed_forward.b_up"][::2] = -60  # gelu gives zero
    exact = model.forward(params, *inputs)[0]
    _, small = shrink(
        model, params, 0.5, scores="activation", calibration=calibrate(model, params, [inputs])
    )
    np.testing.assert_allclose(model.forward(small, *inputs)[0], exact, atol=1e-5)
    _, small = shrink(model, params, 0.5)
    assert not np.allclose(model.forward(small, *inputs)[0], exact, atol=1e-2)


T, L = MODELS["transformer"][0], MODELS["lstm"][0]


@pytest.mark.parametrize(
    ("model", "how", "message"),
    [
        (T, {"share": 0.5, "what": "units"}, "what='units': a TransformerLanguageModel has none"),
        (L, {"share": 0.5}, "what='neurons': a LSTMLanguageModel has none"),
        (L, {"share": 0.5, "what": "heads"}, "what='heads': a LSTMLanguageModel has none"),
        (BagOfWordsClassifier(5, 2), {"share": 0.5}, "a BagOfWordsClassifier has none"),
        (T, {"share": 0.5, "what": "rows"}, "what must be one of 'neurons', 'heads', 'units'"),
        (T, {"share": 1.0}, r"share must lie in \[0, 1\), got 1.0"),
        (T, {"share": -0.1}, "share must lie"),
        (T, {"share": float("nan")}, "share must lie"),
        (T, {"share": 0.9, "what": "heads"}, "leave 0 of 4 in block.0.attention"),
        (T, {"share": 0.99, "what": "heads", "scope": "global"}, "leave 0 of 8 in all layers"),
        (T, {"share": 0.85, "what": "heads", "scope": "global"}, "1 of 8 in .* from 2 to 8"),
        (T, {"number": 0}, "number=0 would leave 0 of 64"),
        (T, {"number": 65}, "number=65 would leave 65 of 64"),
        (T, {"number": 2.0}, "number must be an integer"),
        (T, {"number": True}, "number must be an integer"),
        (T, {}, "give one of share and number"),
        (T, {"share": 0.5, "number": 3}, "give one of share and number"),
        (T, {"share": 0.5, "scope": "layer"}, "scope must be one of local, global"),
        (T, {"share": 0.5, "scores": "random"}, "scores must be one of 'magnitude', 'activation'"),
        (T, {"share": 0.5, "scores": {"a": [1]}}, "scores must have the layers block.0.feed_forw"),
        (T, {"share": 0.5, "scores": "activation"}, "scores 'activation' needs to know"),
        (
            Seq2SeqLSTM(11, width=8, attention="dot"),
            {"share": 0.5, "what": "units"},
            "attention='additive' only",
        ),
    ],
)
def test_bad_input(model, how, message):
    with pytest.raises(ValueError, match=message):
        shrink(model, model.init(0), **how)


def test_bad_scores_groups_and_weights():
    params = T.init(0)
    for bad in (np.ones(3), np.array([1, np.nan, 1, 1]), 1j * np.ones(4), [True] * 4, [*"abcd"]):
        scores = {f"block.{layer}.attention": bad for layer in range(2)}
        with pytest.raises(ValueError, match=r"scores of block\.0\.attention must be 4 finite"):
            shrink(T, params, 0.5, what="heads", scores=scores)
    with pytest.raises(ValueError, match="scores must have the layers"):
        shrink(T, params, 0.5, scores=[1, 2])
    with pytest.raises(TypeError, match=r"calibration of params must be a dict by name"):
        shrink(T, params, 0.5, scores="activation", calibration=np.ones((3, 64)))
    other = TransformerLanguageModel(**{**SMALL, "width": 8})
    seen = calibrate(other, other.init(0), [TOKENS])
    with pytest.raises(ValueError, match=r"w_down must be of rows of width 64, got .* width 32"):
        shrink(T, params, 0.5, scores="activation", calibration=seen)
    for kept in ([], [4], [-1], [1, 1], [True, False, True, True], [0.5], [[1]]):
        with pytest.raises(ValueError, match=r"kept of block\.0\.attention must be different"):
            keep(T, params, {"block.0.attention": kept}, "heads")
    with pytest.raises(ValueError, match=r"kept must name layers of .* got block\.7"):
        silence(T, params, {"block.7": [0]}, "heads")
    for compressed in (quantize(params, 4), prune(params, 0.5)):
        with pytest.raises(TypeError, match="compressed already"):
            shrink(T, compressed, 0.5)
    companion = {**params, "block.0.feed_forward.w_up:step": np.ones(1)}
    with pytest.raises(ValueError, match=r"call shrink\(\) before companions"):
        shrink(T, companion, 0.5)


def test_a_layer_that_is_not_named_stays_whole():
    params = T.init(0)
    _, small = keep(T, params, {"block.1.attention": [0]}, "heads")
    assert small["block.0.attention.w_out"] is params["block.0.attention.w_out"]
    assert small["block.1.attention.w_out"].shape == (4, 16)
