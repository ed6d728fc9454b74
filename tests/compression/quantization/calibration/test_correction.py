import numpy as np
import pytest

from minilm.compression import quantize
from minilm.compression.quantization.calibration.correction import (
    bias_of,
    correct_biases,
    correct_scales,
    names_read,
)
from minilm.compression.quantization.calibration.statistics import as_seen, calibrate
from minilm.inspection import activations
from minilm.models import (
    LSTMClassifier,
    LSTMLanguageModel,
    Seq2SeqLSTM,
    Seq2SeqTransformer,
    TransformerClassifier,
    TransformerLanguageModel,
)
from minilm.weights import Diagonal, Product, thaw

SMALL = {"vocab_size": 11, "width": 8, "layers": 2, "heads": 2, "context": 6}
rng = np.random.default_rng(0)
SOURCE, TARGETS = rng.integers(1, 11, (2, 7, 6))
CASES = {
    "LSTM, tied": (LSTMLanguageModel(11, width=8), (SOURCE,)),
    "LSTM, projected": (LSTMLanguageModel(11, width=8, embedding_width=6, layers=2), (SOURCE,)),
    "LSTM, untied": (LSTMLanguageModel(11, width=8, tied=False), (SOURCE,)),
    "Transformer": (TransformerLanguageModel(**SMALL), (SOURCE,)),
    "without biases": (TransformerLanguageModel(**SMALL, biases=False), (SOURCE,)),
    "SwiGLU": (TransformerLanguageModel(**SMALL, activation="swiglu", tied=False), (SOURCE,)),
    "encoder–decoder": (Seq2SeqTransformer(**SMALL), (SOURCE, TARGETS)),
    "LSTM encoder–decoder": (Seq2SeqLSTM(11, width=8), (SOURCE, TARGETS)),
    "classifier": (TransformerClassifier(**SMALL, classes=3), (SOURCE,)),
    "LSTM classifier": (LSTMClassifier(11, 3, width=8), (SOURCE,)),
}
# whose products nothing is added to, though their model has parameters
WITHOUT = {"w_project", "w_gate", "attention.w_q", "attention.w_k", "combine.w"}


@pytest.mark.parametrize("case", CASES)
def test_the_mean_error_of_every_output_becomes_zero(case):
    model, inputs = CASES[case]
    params = {name: w + rng.normal(size=w.shape).astype(np.float32) / 9
              for name, w in model.init(0).items()}
    quantized = quantize(params, 2)
    seen = calibrate(model, params, [inputs])
    read = names_read(model, quantized, inputs)
    corrected = correct_biases(quantized, params, seen, read)
    heard = activations(model, params, *inputs)
    made = corrected.keys() - quantized.keys()
    errors = {}  # of what is added to one bias
    for name in seen:
        table = name.endswith("embedding")
        x = heard[f"{name}.T" if table else name].astype(np.float64)
        error = params[name] - quantized[name].dense()
        output_error = x @ (error.T if table else error)
        errors.setdefault(bias_of(name), []).append(output_error.mean(axis=0))
    for bias, parts in errors.items():
        if bias in corrected:
            moved = corrected[bias] - quantized.get(bias, 0)
            np.testing.assert_allclose(moved, sum(parts), atol=1e-6)
            assert abs(sum(parts)).max() > 1e-4 and corrected[bias].dtype == np.float32
    kept = {name for name in seen if bias_of(name) not in corrected}
    for name in kept:
        assert any(name.endswith(end) for end in WITHOUT) or "head" in bias_of(name) or (
            case == "SwiGLU" and "feed_forward" in name
        )
    assert made == (
        {f"block.{i}.{part}" for i in (0, 1) for part in (
            "attention.b_qkv", "attention.b_out", "feed_forward.b_up", "feed_forward.b_down"
        )} if case == "without biases" else set()
    )
    # the model reads what was corrected and made: the first map's mean output is the float one's
    outputs = model.forward(corrected, *inputs)[0], model.forward(quantized, *inputs)[0]
    assert not np.allclose(*outputs)
    assert quantized.keys() >= params.keys()


def test_the_mean_output_of_a_layer_is_that_of_the_float_layer():
    """A whole model of one layer: a bag of words' head would do; here its rows are given."""
    x = rng.normal(1, 1, size=(50, 6)).astype(np.float32)
    params = {"l.w_up": rng.normal(size=(6, 4)).astype(np.float32),
              "l.b_up": rng.normal(size=4).astype(np.float32)}
    quantized = quantize(params, 2)
    corrected = correct_biases(quantized, params, {"l.w_up": as_seen(x, 6)})

    def mean(p):
        return (x @ p["l.w_up"] + p["l.b_up"]).mean(axis=0)

    np.testing.assert_allclose(mean(corrected), mean(params), atol=1e-6)
    assert abs(mean(quantized) - mean(params)).max() > 0.01
    assert corrected["l.w_up"] is quantized["l.w_up"]
    assert quantized["l.b_up"] is params["l.b_up"]  # and not written into


def test_names_of_biases():
    for weight, bias in {
        "block.0.attention.w_qkv": "block.0.attention.b_qkv", "lstm.1.w_x": "lstm.1.b",
        "lstm.1.w_h": "lstm.1.b", "head.w": "head.b", "token_embedding": "head.b",
        "head.w_project": "head.b_project", "w": "b", "w_1": "b_1",
    }.items():  # fmt: skip
        assert bias_of(weight) == bias


def error(w, w_hat, x):
    return np.square(x.astype(np.float64) @ (w - w_hat.dense())).sum(axis=0)


HOW = {
    "by channel": {}, "in groups": {"group_size": 4}, "one scale": {"axis": "tensor"},
    "asymmetric": {"symmetric": False, "group_size": 6},
    "codebook": {"grid": "lloyd_max"}, "one number a group": {"group_size": 1},
}  # fmt: skip


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("bits", [1, 2, 3, 8])
def test_scales_by_least_squares(how, bits):
    mixed = np.eye(24) + 0.3 * rng.normal(size=(24, 24))
    x = (rng.normal(size=(200, 24)) @ mixed).astype(np.float32)
    params = {"w": rng.normal(size=(24, 9)).astype(np.float32)}
    quantized = quantize(params, bits, **HOW[how])
    q = quantized["w"]
    found = correct_scales(quantized, params, {"w": as_seen(x, 24)})["w"]
    np.testing.assert_array_equal(found.packed, q.packed)
    assert found.nbytes == q.nbytes and found.scales.dtype == q.scales.dtype
    ours, before = error(params["w"], found, x), error(params["w"], q, x)
    if how == "one scale":
        ours, before = ours.sum(keepdims=True), before.sum(keepdims=True)
    # the gram matrix of what was seen is a float32 product, the errors here are not
    assert (ours <= before * (1 + 1e-5)).all()
    if bits < 3 and how != "one scale":
        assert ours.sum() < 0.99 * before.sum()
    assert found.max_error == pytest.approx(abs(params["w"] - found.dense()).max())
    # no other factor is better: each channel alone, against all of 200
    if how == "by channel":
        for factor in np.linspace(0.5, 1.5, 200):
            tried = np.square(x @ (params["w"] - factor * q.dense())).sum(axis=0)
            assert (ours <= tried * (1 + 1e-4)).all()


def test_scales_of_a_table_and_of_a_transformed_weight():
    x = rng.normal(size=(200, 12)) @ (np.eye(12) + 0.3 * rng.normal(size=(12, 12)))
    x = x.astype(np.float32)
    w, sizes = rng.normal(size=(12, 7)).astype(np.float32), np.exp(rng.normal(size=12))
    sizes = sizes.astype(np.float32)
    left = Diagonal(1 / sizes)
    seen = as_seen(x, 12)
    params = {"w": w, "token_embedding": np.ascontiguousarray(w.T)}
    by_channel = quantize(params, 2)
    scaled = quantize(params, 2, axis=None) | {
        "w": Product(left, quantize(sizes[:, None] * w, 2, axis=-1)),
        "token_embedding": Product(quantize(w.T * sizes, 2, axis=0), left),
    }
    for quantized in (by_channel, scaled):
        found = correct_scales(quantized, params, dict.fromkeys(params, seen))
        errors = error(w, found["w"], x)
        before = error(w, quantized["w"], x)
        assert (errors <= before * (1 + 1e-5)).all() and errors.sum() < 0.99 * before.sum()
        np.testing.assert_allclose(  # the same numbers as a table: the same correction
            found["token_embedding"].dense(), found["w"].dense().T, rtol=1e-5, atol=1e-6
        )
        assert type(found["w"]) is type(quantized["w"])


def test_scales_of_a_table_that_is_above_all_read():
    x = rng.normal(size=(50, 8)) @ rng.normal(size=(8, 8))
    params = {"token_embedding": rng.normal(size=(20, 8)).astype(np.float32)}
    quantized, seen = quantize(params, 2), as_seen(x, 8)
    seen.taken = 1e9 * np.eye(8)
    found = correct_scales(quantized, params, {"token_embedding": seen})["token_embedding"]
    w, w_hat = params["token_embedding"], quantized["token_embedding"].dense()
    plain = (w * w_hat).sum(axis=1) / np.square(w_hat).sum(axis=1)
    np.testing.assert_allclose(found.dense(), plain[:, None] * w_hat, rtol=1e-5)


def test_what_has_no_scale_to_correct_stays():
    x = rng.normal(size=(50, 8)).astype(np.float32)
    params = {"w": rng.normal(size=(8, 4)).astype(np.float32), "dead": np.zeros((8, 4), np.float32)}
    seen = {"w": as_seen(x, 8)}
    byte = quantize(params, 3, group_size=4, scale_format="e8m0")
    for quantized in (params, byte, {**params, "w": Product(params["w"][:, :2], params["w"][:2])}):
        assert correct_scales(quantized, params, seen)["w"] is quantized["w"]
    for axis in (0, "tensor"):  # a scale for each input, which all channels share; a table's one
        square = {"w": params["w"][:4], "token_embedding": params["w"][:4]}
        quantized = quantize(square, 3, axis=axis)
        found = correct_scales(quantized, square, dict.fromkeys(square, as_seen(x[:, :4], 4)))
        name = "w" if axis == 0 else "token_embedding"
        assert found[name] is quantized[name]
    turned = {"w": quantize(square["w"], 3, axis=-1).T}  # its scales belong to rows, then
    assert correct_scales(turned, square, {"w": as_seen(x[:, :4], 4)})["w"] is turned["w"]
    nothing = quantize(params, 3)
    for given in ({"dead": as_seen(x, 8)}, {"w": as_seen(0 * x, 8)}):
        found = correct_scales(nothing, params, given)
        for name in params:
            np.testing.assert_array_equal(found[name].dense(), nothing[name].dense())
    # a channel whose codes point away from it would need a negative scale
    turned = {**nothing, "w": quantize(-params["w"], 3, axis=-1)}
    found = correct_scales(turned, params, seen)["w"]
    np.testing.assert_array_equal(found.scales, turned["w"].scales)


def test_both_together_and_what_they_do_to_a_model():
    model = TransformerLanguageModel(**SMALL)
    params = {n: w * 3 if w.ndim == 2 else w for n, w in model.init(0).items()}
    quantized = quantize(params, 2)
    seen = calibrate(model, params, [(SOURCE,)])
    corrected = correct_biases(correct_scales(quantized, params, seen), params, seen)
    exact = model.forward(params, SOURCE)[0]
    errors = [np.square(model.forward(thaw(p), SOURCE)[0] - exact).mean()
              for p in (corrected, quantized)]
    assert errors[0] < errors[1]


def test_another_model_s_statistics_are_refused():
    params = {"w": np.ones((4, 2), np.float32)}
    quantized = quantize(params, 4)
    seen = as_seen(np.ones((3, 4)), 4)
    for correct in (correct_biases, correct_scales):
        with pytest.raises(ValueError, match="v is not in quantized"):
            correct(quantized, params, {"v": seen})
        with pytest.raises(ValueError, match="w is not in params"):
            correct(quantized, {}, {"w": seen})
        with pytest.raises(ValueError, match=r"w must have .* with 3 numbers to a channel, got"):
            correct(quantized, params, {"w": as_seen(np.ones((3, 3)), 3)})
        with pytest.raises(ValueError, match=r"got \(4, 3\) and \(4, 2\)"):
            correct(quantized, {"w": np.ones((4, 3), np.float32)}, {"w": seen})


def test_a_scale_is_kept_where_storing_the_better_one_would_lose_more():
    """Two opposite inputs, a scale for each: errors that cancel may not after float16."""
    first = rng.normal(size=(50, 1))
    x = np.hstack([first, 1e-3 * rng.normal(size=(50, 1)) - first])
    params = {"w": rng.uniform(0.5, 1, size=(2, 300)).astype(np.float32)}
    quantized = quantize(params, 4, group_size=1)
    found = correct_scales(quantized, params, {"w": as_seen(x, 2)})["w"]
    ours, before = error(params["w"], found, x), error(params["w"], quantized["w"], x)
    assert (ours <= before * (1 + 1e-3)).all()
    assert (ours < 0.9 * before).any() and (ours == before).any()
