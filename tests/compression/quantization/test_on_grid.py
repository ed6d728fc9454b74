"""How the parts meet: transforms, roundings of whole channels, rows that make their own leaf."""

import numpy as np
import pytest

from minilm.compression import fake_quantize, quantize
from minilm.compression.quantization.affine import nearest
from minilm.compression.quantization.grids import GRIDS, GridKind, lloyd_max
from minilm.compression.quantization.grids.integers import integers
from minilm.compression.quantization.on_grid import place_on_grid
from minilm.compression.quantization.rounding.table import ROUNDINGS, RoundingKind
from minilm.compression.quantization.scheme import Scheme
from minilm.compression.quantization.transforms import TRANSFORMS
from minilm.weights import Diagonal, HalfTensor, Product, Seen

HOW = [
    {},
    {"group_size": 8},
    {"objective": "mse"},
    {"symmetric": False, "group_size": 4},
    {"symmetric": False, "grid": "int_real_zero", "group_size": 8},
    {"grid": "lloyd_max"},
    {"grid": "e2m1", "group_size": 8, "scale_format": "e8m0"},
    {"grid": "nf", "group_size": 8},
    {"grid": "mid_rise"},
]


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def whole(rows, seen, rng):
    """Rounding to nearest, column after column: what a sweep does that carries nothing over."""
    return np.concatenate([
        rows.project(slice(j, j + 1), rows.numbers[:, j : j + 1])
        for j in range(rows.numbers.shape[1])
    ], axis=1)  # fmt: skip


@pytest.fixture
def row(monkeypatch):
    """Put a row into a table for one test."""
    return lambda table, name, kind: monkeypatch.setitem(table, name, kind)


@pytest.mark.parametrize("how", HOW, ids=str)
@pytest.mark.parametrize("axis", [None, 0, -1])
def test_a_rounding_of_whole_channels_gets_the_channels_and_their_scales(row, how, axis):
    x = normal(24, 40)
    row(ROUNDINGS, "sweep", RoundingKind(nearest, np.rint, np.rint, whole=whole))
    q = quantize(x, 4, axis=axis, rounding="sweep", **how)
    same = quantize(x, 4, axis=axis, **how)
    np.testing.assert_array_equal(q.packed, same.packed)
    np.testing.assert_array_equal(q.scales, same.scales)
    assert q.max_error == same.max_error
    np.testing.assert_array_equal(
        fake_quantize(x, 4, axis=axis, rounding="sweep", **how), q.dense()
    )


def test_the_error_is_that_of_the_numbers_and_not_of_what_was_rounded(row):
    def one_more(rows, seen, rng):
        return rows.project(slice(None), rows.numbers + 1)

    row(ROUNDINGS, "up", RoundingKind(nearest, np.rint, np.rint, whole=one_more))
    x = np.array([[0, 1, 2], [7, 1, 0]], np.float32)
    q = quantize(x, 4, axis=0, rounding="up")
    assert q.max_error == np.abs(x - q.dense()).max() == pytest.approx(1, abs=0.15)


def test_rows_have_the_scales_beside_them():
    x = normal(24, 40)
    for axis, channels in ((0, 24), (-1, 40), (None, 40)):
        for size, wide in ((None, 1), (8, 64 - channels)):
            scheme = Scheme(axis=axis, group_size=size, symmetric=False)
            rows = place_on_grid("x", x, 4, scheme).rows()
            assert rows.numbers.shape == (channels, 64 - channels)
            alone = axis is None and size is None
            assert rows.scale.shape == rows.zero_point.shape == (1 if alone else channels, wide)
            part = rows.project(slice(8, 12), rows.numbers[:, 8:12])
            np.testing.assert_array_equal(part, rows.project(slice(None), rows.numbers)[:, 8:12])


def test_a_rounding_of_whole_channels_sees_what_multiplies_them(row):
    met = {}

    def remember(rows, seen, rng):
        met[seen.width] = seen
        return rows.project(slice(None), rows.numbers)

    row(ROUNDINGS, "sweep", RoundingKind(nearest, np.rint, np.rint, whole=remember))
    params = {"a_embedding": normal(24, 40), "w": normal(30, 8), "b": normal(8)}
    seen = Seen(40)
    seen.add(normal(5, 40))
    quantize(params, 4, rounding="sweep", calibration={"a_embedding": seen, "w": normal(6, 30)})
    assert met[40] is seen
    assert (met[30].count, met[30].gram.shape) == (6, (30, 30))
    quantize(normal(4, 3), 4, axis=0, rounding="sweep", calibration=np.ones((2, 3)))
    assert met[3].count == 2


@pytest.mark.parametrize("how", [*HOW, {"grid": "bf16"}], ids=str)
@pytest.mark.parametrize("axis", [None, 0, -1])
def test_a_transform_turns_what_is_multiplied(row, how, axis):
    """Tables by rows, weights by columns: both are seen as (in, out)."""
    x, size = normal(24, 40), 40 if axis == 0 else 24
    bits = 16 if how.get("grid") == "bf16" else 4
    s = np.exp2(np.arange(size) % 4).astype(np.float32)
    other = Seen(size)
    other.add(np.ones((1, size), np.float32))

    def double(name, w, seen, quantized):
        assert w.shape[0] == seen.width == size
        plain = fake_quantize(w.T if axis == 0 else w, bits, axis=axis, **how)
        np.testing.assert_array_equal(quantized(w), plain.T if axis == 0 else plain)
        return Diagonal(1 / s), w * s[:, None], other

    row(TRANSFORMS, "double", double)
    given = {"axis": axis, "calibration": normal(7, size), **how}
    q = quantize(x, bits, transform="double", **given)
    inner, outer = (q.a, q.b) if axis == 0 else (q.b, q.a)
    assert isinstance(outer, Diagonal) and q.shape == x.shape
    scaled = x * s if axis == 0 else x * s[:, None]
    np.testing.assert_array_equal(
        inner.dense(), quantize(scaled, bits, **{**given, "calibration": other}).dense()
    )
    np.testing.assert_array_equal(fake_quantize(x, bits, transform="double", **given), q.dense())


def test_a_transform_may_leave_the_weight_alone(row):
    row(TRANSFORMS, "nothing", lambda name, x, seen, quantized: (None, x, seen))
    x = normal(8, 6)
    np.testing.assert_array_equal(
        quantize(x, 4, transform="nothing").packed, quantize(x, 4).packed
    )


def test_transforms_by_name():
    params = {"a_embedding": normal(24, 32), "head.w": normal(32, 8), "head.b": normal(8)}
    small = quantize(params, 8, transform="hadamard")
    assert isinstance(small["head.w"], Product) and small["head.b"] is params["head.b"]
    ids = np.array([3, 3, 0])
    np.testing.assert_allclose(small["a_embedding"][ids], params["a_embedding"][ids], atol=0.05)
    h = normal(5, 32)
    np.testing.assert_allclose(h @ small["a_embedding"].T, h @ params["a_embedding"].T, atol=0.3)


def test_a_row_may_make_its_own_leaf(row):
    x = normal(8, 6)
    row(GRIDS, "own", GridKind(integers, tensor=lambda on_grid, scheme, rng: HalfTensor.from_dense(
        on_grid.values(scheme, rng), "fp16")))  # fmt: skip
    row(ROUNDINGS, "own", RoundingKind(
        nearest, np.rint, np.rint, tensor=lambda on_grid, scheme, rng: Diagonal(np.ones(3))))
    q = quantize(x, 3, grid="own")
    assert isinstance(q, HalfTensor)
    np.testing.assert_array_equal(q.dense(), fake_quantize(x, 3, grid="own"))
    np.testing.assert_allclose(q.dense(), fake_quantize(x, 3), rtol=1e-3)
    assert isinstance(quantize(x, 3, rounding="own"), Diagonal)


def test_a_codebook_is_fitted_to_what_is_multiplied_by_much():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 4000)).astype(np.float32)
    x[1] += 5
    how = {"grid": "lloyd_max", "axis": 0, "calibration": np.r_[[1.0] * 2000, [0.01] * 2000][None]}
    x = np.where(np.arange(4000) < 2000, x[:1], x[1:]).astype(np.float32)
    error = np.square(x - fake_quantize(x, 2, **how))
    plain = np.square(x - fake_quantize(x, 2, grid="lloyd_max", axis=0))
    assert error[:, :2000].mean() < 0.6 * plain[:, :2000].mean()
    assert error[:, 2000:].mean() > plain[:, 2000:].mean()


def test_a_codebook_for_all_is_fitted_to_the_groups_of_large_scales():
    """An error counts in units of x: where the scale is ten times as large, a hundred times."""
    x = np.concatenate([normal(1, 2000), 10 * np.abs(normal(1, 2000, seed=1))], axis=1)
    how = {"grid": "lloyd_max", "axis": 0, "group_size": 2000}
    on_grid = place_on_grid("x", x, 2, Scheme(**how))
    v, s = on_grid.rows().numbers / on_grid.rows().scale, on_grid.rows().scale
    weighted = lloyd_max(v, 2, weights=(s / s.max()) ** 2)
    np.testing.assert_allclose(on_grid.grid.levels, weighted, rtol=0.01)
    assert np.abs(weighted / lloyd_max(v, 2) - 1).min() > 0.1


@pytest.mark.parametrize("how", [{}, {"group_size": 8}, {"rounding": "gptq"}], ids=str)
def test_calibration_that_was_all_zero_says_nothing_of_a_codebook(how):
    x, nothing = normal(24, 40), np.zeros((5, 40))
    same = {"grid": "lloyd_max", "axis": 0, **how}
    q = quantize(x, 4, calibration=nothing, **same)
    plain = quantize(x, 4, **{**same, "rounding": "nearest"})
    np.testing.assert_array_equal(q.dense(), plain.dense())
