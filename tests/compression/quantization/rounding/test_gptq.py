import numpy as np
import pytest

from minilm.compression import quantize
from minilm.compression.quantization.calibration.statistics import as_seen, calibrate
from minilm.models import LSTMLanguageModel, Seq2SeqTransformer, TransformerLanguageModel

ARRAYS = {
    "by channel": {"axis": -1},
    "in groups": {"axis": -1, "group_size": 16},
    "one scale": {},
    "asymmetric": {"axis": -1, "symmetric": False, "group_size": 16},
    "least squares": {"axis": -1, "objective": "mse"},
    "codebook": {"axis": -1, "grid": "lloyd_max"},
}


def problem(n=64, out=48, seed=0):
    """w (n, out), and correlated rows X of uneven size."""
    rng = np.random.default_rng(seed)
    sizes = np.exp(rng.normal(size=n) / 2)
    x = rng.normal(size=(4 * n, n)) @ (np.diag(sizes) + 0.1 * rng.normal(size=(n, n)))
    return rng.normal(size=(n, out)).astype(np.float32), x.astype(np.float32)


def output_error(w, q, x):
    return np.square(x @ (w - q.dense()).astype(np.float64)).sum()


@pytest.mark.parametrize("how", ARRAYS)
@pytest.mark.parametrize("bits", [2, 3, 4])
def test_products_err_less_than_rounded_to_nearest(how, bits):
    w, x = problem()
    found = quantize(w, bits, rounding="gptq", calibration=x, **ARRAYS[how])
    nearest = quantize(w, bits, calibration=x, **ARRAYS[how])
    np.testing.assert_array_equal(found.scale, nearest.scale)  # fixed beforehand
    assert output_error(w, found, x) < 0.75 * output_error(w, nearest, x)
    assert found.max_error == pytest.approx(abs(w - found.dense()).max(), rel=1e-5)


@pytest.mark.parametrize("how", ARRAYS)
def test_uncorrelated_inputs_mean_rounding_to_nearest_bit_for_bit(how):
    w, _ = problem()
    x = np.diag(np.random.default_rng(0).uniform(0.1, 9, len(w)))
    found = quantize(w, 3, rounding="gptq", calibration=x, **ARRAYS[how])
    nearest = quantize(w, 3, calibration=x, **ARRAYS[how])
    np.testing.assert_array_equal(found.packed, nearest.packed)


def test_a_table_is_swept_along_its_rows():
    w, x = problem()
    found = quantize(w.T, 3, axis=0, rounding="gptq", calibration=x)
    as_columns = quantize(w, 3, axis=-1, rounding="gptq", calibration=as_seen(x, 64))
    np.testing.assert_array_equal(found.dense(), as_columns.dense().T)


def test_channels_of_zeros_and_inputs_that_never_came():
    w, x = problem()
    w[:, 3] = 0
    x[:, 5] = 0
    found = quantize(w, 3, axis=-1, rounding="gptq", calibration=x)
    assert not found.dense()[:, 3].any()
    nearest = quantize(w, 3, axis=-1)
    np.testing.assert_array_equal(found.codes[5], nearest.codes[5])
    none_came = quantize(w, 3, axis=-1, rounding="gptq", calibration=np.zeros_like(x))
    np.testing.assert_array_equal(none_came.packed, nearest.packed)


@pytest.mark.parametrize("model", [
    LSTMLanguageModel(11, width=8, embedding_width=6, layers=2),
    TransformerLanguageModel(11, width=8, layers=2, heads=2, context=6),
    Seq2SeqTransformer(11, width=8, layers=1, heads=2, context=6, source_vocab_size=13),
], ids=lambda model: type(model).__name__)  # fmt: skip
@pytest.mark.parametrize("rounding", ["gptq", "adaround"])
def test_whole_models(model, rounding):
    params = model.init(0)
    rng = np.random.default_rng(0)
    inputs = [rng.integers(1, 11, (8, 6)) for _ in range(1 + ("Seq2Seq" in type(model).__name__))]
    seen = calibrate(model, params, [inputs])
    found = quantize(params, 3, rounding=rounding, calibration=seen)
    nearest = quantize(params, 3)
    better = 0
    for name in seen:
        w, *both = (p[name] if isinstance(p[name], np.ndarray) else p[name].dense()
                    for p in (params, found, nearest))
        gram = seen[name].gram
        errors = [(w - q).T if "embedding" not in name else w - q for q in both]
        ours, theirs = (np.einsum("ci,ij,cj->", e, gram, e) for e in errors)
        better += ours < theirs
    assert better >= len(seen) - 1  # greedy: that each gets better is no theorem
    model.forward(found, *inputs)
    if "source_embedding" in params:  # only taken: nothing can make up for anything
        np.testing.assert_array_equal(
            found["source_embedding"].packed, nearest["source_embedding"].packed
        )


@pytest.mark.parametrize("rounding", ["gptq", "adaround"])
def test_a_table_that_is_above_all_read_is_rounded_to_nearest(rounding):
    w, x = problem()
    seen, nearest = as_seen(x, 64), quantize(w.T, 3, axis=0)
    written = quantize(w.T, 3, axis=0, rounding=rounding, calibration=seen)
    seen.taken = 1e9 * np.eye(64)
    read = quantize(w.T, 3, axis=0, rounding=rounding, calibration=seen)
    np.testing.assert_array_equal(read.packed, nearest.packed)
    assert (written.packed != nearest.packed).any()


@pytest.mark.parametrize("rounding", ["gptq", "adaround"])
def test_missing_calibration_is_said(rounding):
    w, x = problem()
    with pytest.raises(ValueError, match=f"rounding '{rounding}' needs to know what multiplies"):
        quantize(w, 3, axis=-1, rounding=rounding)
    with pytest.raises(ValueError, match="calibration of x must have rows of width 64, got 63"):
        quantize(w, 3, axis=-1, rounding=rounding, calibration=x[:, 1:])
