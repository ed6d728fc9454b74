import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from minilm.compression.quantization.grids.float_formats import BF16, FP16
from minilm.weights import HalfTensor, load, save, to_rows

KINDS = {"fp16": FP16, "bf16": BF16}


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_by_hand():
    # bf16 keeps seven bits after the leading one: near 1 the step is 1/128
    x = np.array([1, 1 + 1 / 256, 1 + 3 / 256, 1 + 1.01 / 256, -2.5, 0], np.float32)
    h = HalfTensor.from_dense(x, "bf16")
    assert h.dense().tolist() == [1, 1, 1 + 1 / 64, 1 + 1 / 128, -2.5, 0]  # halves go to even
    assert h.halves[0, 0] == 0x3F80
    assert h.max_error == 1 / 256
    # fp16 keeps ten; below 2^−14 its step is 2^−24
    x = np.array([1 + 1 / 2048, 1 + 3 / 2048, 1.5 * 2.0**-24, 65504], np.float32)
    h = HalfTensor.from_dense(x, "fp16")
    assert h.dense().tolist() == [1, 1 + 1 / 512, 2.0**-23, 65504]


def test_a_carry_reaches_the_next_power_of_two():
    assert HalfTensor.from_dense(np.array([1.999]), "bf16").dense().tolist() == [2]
    assert HalfTensor.from_dense(np.array([1.9999]), "fp16").dense().tolist() == [2]


def test_two_bytes_a_number_and_exactly_what_is_stored(tmp_path):
    for kind in KINDS:
        h = HalfTensor.from_dense(normal(6, 8), kind)
        assert (h.kind, h.nbytes, h.bits_per_weight) == (kind, 96, 16)
        again = HalfTensor.from_dense(h.dense(), kind)
        np.testing.assert_array_equal(again.halves, h.halves)
        assert again.max_error == 0
        save(tmp_path / "w.npz", {"w": h, "t": h.T})
        back = load(tmp_path / "w.npz")
        np.testing.assert_array_equal(back["w"].dense(), h.dense())
        np.testing.assert_array_equal(back["t"].dense(), h.dense().T)


@pytest.mark.parametrize("kind", KINDS)
def test_any_shape_and_order(kind):
    for x in (normal(5), normal(3, 4, 5), normal(7, 6).T, normal(8, 6)[::2, ::-1], normal(0, 3)):
        h = HalfTensor.from_dense(x, kind)
        np.testing.assert_array_equal(h.dense(), KINDS[kind].value(
            KINDS[kind].code(np.rint(KINDS[kind].position(x)))))
        assert h.shape == x.shape
        assert h.max_error == np.abs(h.dense() - x).max(initial=0)


@pytest.mark.parametrize("axis", [0, 1, -1, -2])
def test_a_product_in_parts_by_any_name_of_the_axis(monkeypatch, axis):
    monkeypatch.setattr("minilm.weights.rows.WHOLE", 16)
    w = np.arange(48, dtype=np.float32).reshape(6, 8)
    h = HalfTensor(to_rows(w, axis).astype(np.float16), (6, 8), axis)
    x = np.ones((2, 6), np.float32)
    np.testing.assert_array_equal(x @ h, x @ w)
    np.testing.assert_array_equal(w @ h.T, w @ w.T)
    np.testing.assert_array_equal(h[np.array([5, 0])], w[[5, 0]])


def test_a_large_product_is_made_in_parts():
    w, x = normal(1100, 1000), normal(3, 1100, seed=1)
    h = HalfTensor.from_dense(w, "bf16")
    np.testing.assert_allclose(x @ h, x @ h.dense(), rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(x[:, :1000] @ h.T, x[:, :1000] @ h.dense().T, rtol=1e-4, atol=1e-3)


anything = st.floats(-65504, 65504, width=32)


@given(arrays(np.float32, st.integers(1, 30), elements=anything), st.sampled_from(sorted(KINDS)))
def test_the_bits_are_those_of_the_grid(x, kind):
    """Two ways to the same bits: integer arithmetic on a float's bits, and the grid's position."""
    grid = KINDS[kind]
    h = HalfTensor.from_dense(x, kind)
    codes = grid.code(np.rint(grid.position(x)))
    np.testing.assert_array_equal(h.dense(), grid.value(codes))
    bits = h.halves[0].view(np.uint16)
    where = h.dense() != 0  # a grid has one zero
    np.testing.assert_array_equal(bits[where], codes[where])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 3.3961775e38, 1e300])
def test_what_has_no_half_is_refused(kind, bad):
    with pytest.raises(ValueError, match=f"x must be finite and within .* for {kind}"):
        HalfTensor.from_dense(np.array([1.0, bad]), kind)


def test_refusals():
    with pytest.raises(ValueError, match="65504 for fp16, got a largest magnitude of 65519"):
        HalfTensor.from_dense(np.array([65519.0], np.float32), "fp16")
    with pytest.raises(ValueError, match="kind must be one of fp16, bf16, got 'fp8'"):
        HalfTensor.from_dense(np.ones(3), "fp8")
    with pytest.raises(TypeError, match="real numbers, got complex"):
        HalfTensor.from_dense(np.ones(3, complex), "fp16")
    for halves in (np.ones((2, 3), np.float32), np.ones((3, 2), np.uint16)):
        with pytest.raises(ValueError, match=r"halves must be float16 or uint16 of shape \(2, 3\)"):
            HalfTensor(halves, (2, 3))


@pytest.mark.oracle
def test_torch_agrees():
    import torch

    x = normal(10_000) * np.exp(5 * normal(10_000, seed=1))
    x = np.clip(x, -65504, 65504)
    ties = np.arange(0x3F80, 0x4080, dtype=np.uint32) << 16 | 0x8000
    x = np.append(x, ties.view(np.float32))
    for kind, dtype in (("fp16", torch.float16), ("bf16", torch.bfloat16)):
        expected = torch.from_numpy(x).to(dtype)
        h = HalfTensor.from_dense(x, kind)
        np.testing.assert_array_equal(h.dense(), expected.float().numpy())
        bits = expected.view(torch.uint16).numpy()
        np.testing.assert_array_equal(h.halves[0].view(np.uint16), bits)
