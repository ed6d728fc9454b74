import math

import numpy as np
import pytest

from minilm.models import TransformerClassifier
from minilm.nn import cross_entropy
from minilm.training import AdamW, fit

PADDING = 0
TOKENS = np.array([[3, 7, 1, 5], [2, 2, 0, 0], [9, 4, 6, 0]])
SMALL = {"vocab_size": 11, "classes": 3, "width": 8, "layers": 2, "heads": 2, "context": 6}
MODELS = {
    f"{norm} {positions} {pooling}": TransformerClassifier(
        **SMALL, norm=norm, positions=positions, pooling=pooling, dropout=dropout
    )
    for norm, positions, pooling, dropout in [
        ("pre", "sinusoidal", "mean", 0.0),
        ("post", "sinusoidal", "mean", 0.3),
        ("pre", "learned", "mean", 0.3),
        ("post", "learned", "mean", 0.0),
        ("pre", "sinusoidal", "first", 0.3),
        ("post", "learned", "first", 0.0),
    ]
}
by_model = pytest.mark.parametrize("name", MODELS)
ANY = "pre sinusoidal mean"


def test_names_and_shapes():
    sizes = {"width": 4, "layers": 1, "heads": 2, "context": 5, "feed_forward": 3}
    model = TransformerClassifier(7, 2, positions="learned", **sizes)
    block = {
        "norm_1.gain": (4,), "norm_1.bias": (4,),
        "attention.w_qkv": (4, 12), "attention.b_qkv": (12,),
        "attention.w_out": (4, 4), "attention.b_out": (4,),
        "norm_2.gain": (4,), "norm_2.bias": (4,),
        "feed_forward.w_up": (4, 3), "feed_forward.b_up": (3,),
        "feed_forward.w_down": (3, 4), "feed_forward.b_down": (4,),
    }  # fmt: skip
    expected = {
        "token_embedding": (7, 4), "position_embedding": (5, 4),
        **{f"encoder.0.{name}": shape for name, shape in block.items()},
        "encoder.norm.gain": (4,), "encoder.norm.bias": (4,),
        "head.w": (4, 2), "head.b": (2,),
    }  # fmt: skip
    assert {name: p.shape for name, p in model.init(0).items()} == expected
    other = set(TransformerClassifier(7, 2, norm="post", **sizes).init(0))
    assert other == set(expected) - {
        "position_embedding", "encoder.norm.gain", "encoder.norm.bias"
    }  # fmt: skip


# ---- padding and pooling


@by_model
def test_padding_changes_nothing(name):
    """A text alone, in a batch of longer ones, and filled up further: the same logits."""
    model = MODELS[name]
    params = model.init(0)
    params["token_embedding"][PADDING] = 100  # what padding looks like does not matter either
    logits, _ = model.forward(params, TOKENS)
    for text, expected in zip(TOKENS, logits, strict=True):
        alone, _ = model.forward(params, text[text != PADDING][None])
        np.testing.assert_allclose(alone[0], expected, rtol=0, atol=1e-6)
    longer, _ = model.forward(params, np.pad(TOKENS, ((0, 0), (0, 2))))
    np.testing.assert_allclose(longer, logits, rtol=0, atol=1e-6)


@by_model
def test_no_gradient_reaches_padding(name):
    model = MODELS[name]
    logits, cache = model.forward(model.init(0), TOKENS)
    grads = model.backward(np.ones_like(logits) * [1, -2, 3], cache)
    assert not grads["token_embedding"][PADDING].any()
    assert grads["token_embedding"][9].any()


@by_model
def test_every_token_counts(name):
    model = MODELS[name]
    params = model.init(0)
    logits, _ = model.forward(params, TOKENS)
    for place in range(3):  # of the last text, which has three tokens
        tokens = TOKENS.copy()
        tokens[2, place] = 10
        changed, _ = model.forward(params, tokens)
        assert not np.isclose(changed[2], logits[2], rtol=1e-4).any()
        np.testing.assert_array_equal(changed[:2], logits[:2])


def test_pooling_is_the_mean_of_the_tokens_or_the_first():
    """Both read the same encoder; where a text is one token long they agree."""
    params = MODELS["pre sinusoidal mean"].init(0)
    hidden = {
        pooling: MODELS[f"pre sinusoidal {pooling}"].forward(params, TOKENS)[1]["hidden"]
        for pooling in ("mean", "first")
    }
    assert not np.isclose(hidden["mean"], hidden["first"]).all(axis=-1).any()
    one = TOKENS[:, :1]
    same = [
        MODELS[f"pre sinusoidal {pooling}"].forward(params, one)[0] for pooling in ("mean", "first")
    ]
    np.testing.assert_allclose(*same, rtol=0, atol=1e-6)


def test_the_mean_by_hand():
    """With nothing written to x by the blocks, hidden is the mean of the tokens' own vectors."""
    model = TransformerClassifier(11, 2, width=8, layers=1, heads=2, positions="learned")
    params = model.init(0)
    for name in params:
        if name.endswith(("w_out", "w_down")):
            params[name] *= 0
    x = params["token_embedding"][TOKENS] + params["position_embedding"][:4]
    x -= x.mean(axis=-1, keepdims=True)
    normed = x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + 1e-5)
    expected = [normed[0].mean(axis=0), normed[1, :2].mean(axis=0), normed[2, :3].mean(axis=0)]
    logits, cache = model.forward(params, TOKENS)
    np.testing.assert_allclose(cache["hidden"], expected, rtol=0, atol=1e-5)
    np.testing.assert_allclose(logits, np.array(expected) @ params["head.w"], rtol=0, atol=1e-5)


# ---- what else it answers


def test_a_new_model_is_unsure_and_its_signal_keeps_its_size():
    model = TransformerClassifier(100, 5, width=64, layers=4, pooling="first")
    ids = np.arange(1, 97).reshape(2, 48)
    logits, cache = model.forward(model.init(0), ids)
    assert 0.5 < np.std(cache["hidden"]) < 2
    assert cross_entropy(logits, np.array([1, 4]))[0] < math.log(5) + 1


def test_attend_opens_the_attention(maps_of):
    maps = maps_of(MODELS[ANY], TOKENS)
    assert [m.shape for m in maps] == [(3, 2, 4, 4)] * 2
    for m in maps:
        assert not m[1, ..., 2:].any()  # the padding of the second text
        np.testing.assert_allclose(m.sum(axis=-1), 1, rtol=1e-5)


def test_bad_tokens_are_refused():
    mean, first = MODELS[ANY], MODELS["post learned first"]
    for model, tokens, message in [
        (mean, np.ones((3, 7), int), "context=6 long, got 7"),
        (first, np.ones((3, 7), int), "context=6 long, got 7"),
        (mean, TOKENS[:, :0], "tokens"),
        (mean, TOKENS[0], "tokens"),
        (mean, TOKENS * [[1], [0], [1]], "only padding in row 1"),
        (mean, TOKENS + 10, "ids"),
        (first, TOKENS[:, ::-1], "token in first place, not so in row 1"),
    ]:
        with pytest.raises(ValueError, match=message):
            model.forward(model.init(0), tokens)
    with pytest.raises(TypeError, match="tokens"):
        mean.forward(mean.init(0), TOKENS * 1.0)


def in_order(step, rows=64):
    """Does 1 stand before 2?  Both do once in each text of 4 to 8 tokens; token 3 comes first."""
    rng = np.random.default_rng([1, step])
    tokens, labels = np.zeros((rows, 9), int), np.zeros(rows, int)
    tokens[:, 0] = 3
    for row, length in enumerate(rng.integers(4, 9, size=rows)):
        tokens[row, 1 : length + 1] = rng.integers(4, 10, size=length)
        places = 1 + rng.choice(length, 2, replace=False)
        tokens[row, places] = 1, 2
        labels[row] = places[0] < places[1]
    return tokens, labels


@pytest.mark.slow
@pytest.mark.parametrize("pooling", ["mean", "first"])
def test_it_learns_what_a_bag_of_words_cannot(pooling):
    model = TransformerClassifier(10, 2, width=32, layers=2, heads=2, context=9, pooling=pooling)
    params, _ = fit(model, model.init(0), in_order, steps=400, optimizer=AdamW())
    tokens, labels = in_order(10_000, rows=500)
    assert (model.forward(params, tokens)[0].argmax(axis=-1) == labels).mean() > 0.95
