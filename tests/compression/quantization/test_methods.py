import numpy as np
import pytest

from minilm.compression import dequantize, fake_quantize, quantize
from minilm.compression.quantization.coders import CODERS, true_bits
from minilm.compression.quantization.methods import METHODS, Method
from minilm.compression.quantization.scheme import TABLES, Scheme
from minilm.weights import load, save

SLOW = {"trellis", "trellis, 4 states", "rotation, then trellis"}  # of one width only
EVERY = [
    (name, bits)
    for name, method in METHODS.items()
    for bits in (method.bits[1:2] if name in SLOW else method.bits)
]


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.fixture(scope="module")
def params():
    return {
        "token_embedding": normal(24, 64, seed=1),
        "head.w": normal(64, 16, seed=2) * np.exp(normal(1, 16, seed=3)),
        "head.b": normal(16),
    }


@pytest.fixture(scope="module")
def seen():
    x = normal(200, 64, seed=4) * np.exp(normal(1, 64, seed=5))
    return {"token_embedding": x, "head.w": x}


def sqnr_db(x, rounded):
    x = x.astype(float)
    return 10 * np.log10((x**2).sum() / ((x - rounded) ** 2).sum())


@pytest.mark.parametrize(("name", "bits"), EVERY)
def test_every_method_does_what_it_says(name, bits, params, seen, tmp_path):
    method = METHODS[name]
    how = {**method.arguments, "calibration": seen if method.needs == "calibration" else None}
    small = quantize(params, bits, **how)
    assert small["head.b"] is params["head.b"]
    fake, dense = fake_quantize(params, bits, **how), dequantize(small)
    for weight in ("token_embedding", "head.w"):
        x, q = params[weight], small[weight]
        x_hat = q.dense()
        np.testing.assert_allclose(x_hat, fake[weight], rtol=1e-5, atol=1e-5)
        assert x_hat.shape == q.shape == x.shape
        assert sqnr_db(x, x_hat) > min(3 * bits - 12, 30)
        assert q.bits_per_weight >= bits
        ids = np.array([3, 0, 3])
        np.testing.assert_allclose(q[ids], x_hat[ids], rtol=1e-4, atol=1e-5)
        v = normal(3, len(x))
        np.testing.assert_allclose(v @ q, v @ x_hat, rtol=1e-3, atol=1e-3)
        np.testing.assert_array_equal(q.T.dense(), x_hat.T)
    save(tmp_path / "w.npz", small)
    back = load(tmp_path / "w.npz")
    assert true_bits(back, method.coder) == true_bits(small, method.coder)
    for weight, x in dequantize(back).items():
        np.testing.assert_array_equal(x, dense[weight])


@pytest.mark.parametrize("name", METHODS)
def test_a_method_is_nothing_but_rows_of_the_tables(name):
    method = METHODS[name]
    for table, rows in TABLES.items():
        assert getattr(method, table) in rows
    assert method.coder in CODERS
    assert method.source and method.bits
    assert Scheme(**method.arguments).transform == method.transform


@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if method.needs])
def test_what_a_method_needs_is_named(name, params):
    how = METHODS[name].arguments
    if name == "codebook, weighted":  # which is then not weighted
        return
    with pytest.raises(ValueError, match="calibration"):
        quantize(params, METHODS[name].bits[-1], **how)


def test_no_row_of_a_table_lacks_a_method():
    # rows for training: a norm and stochastic rounding for gradients, where a learned step begins
    for table, rows in TABLES.items():
        used = {getattr(method, table) for method in METHODS.values()}
        inside = {"mean_magnitude", "unit", "rate"}  # named by the grid itself
        assert set(rows) - used <= inside | {"norm", "lsq"}


def test_methods_differ():
    rows = [(m.arguments, m.coder, m.needs, m.bits) for m in METHODS.values()]
    assert all(rows.count(row) == 1 for row in rows)


def test_the_table_cannot_be_changed():
    with pytest.raises(TypeError):
        METHODS["new"] = Method("nobody")
