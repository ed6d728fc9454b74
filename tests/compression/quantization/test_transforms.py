import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minilm.compression import quantize
from minilm.compression.quantization.activations.rounded_input import quantize_activations
from minilm.compression.quantization.transforms import TRANSFORMS, eight_bits, relative
from minilm.weights import Diagonal, Hadamard, Product, Seen, as_dense, load, save

ROWS = [name for name, function in TRANSFORMS.items() if function is not None]


def example(seed=0, n=24, out=10, rows=300, spread=1.0):
    """v, w: the channels of v are of very different sizes."""
    rng = np.random.default_rng(seed)
    sizes = np.exp(spread * rng.normal(size=n))
    return (rng.normal(size=(rows, n)) * sizes).astype(np.float32), rng.normal(
        size=(n, out)
    ).astype(np.float32)


def seen_of(v):
    seen = Seen(v.shape[1])
    seen.add(v)
    return seen


def damage(v, w, q):
    """‖V Q − V W‖², what calibration sees of it."""
    return float(np.square(v.astype(np.float64) @ q - v.astype(np.float64) @ w).sum())


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_exact_before_rounding(name, dtype):
    v, w = example()
    w = w.astype(dtype)
    seen = seen_of(v)
    before = w.copy(), seen.gram.copy()
    left, turned, then = TRANSFORMS[name]("w", w, seen, lambda x: np.round(x))
    assert turned.dtype == dtype
    assert left is not None
    tolerance = 1e-4 if dtype == np.float32 else 1e-5  # left itself is kept in float32
    v = v.astype(np.float64)
    np.testing.assert_allclose(v @ left @ turned, v @ w, rtol=tolerance, atol=tolerance)
    direct = seen_of(v @ left)
    np.testing.assert_allclose(then.gram, direct.gram, rtol=1e-3, atol=1e-3)
    assert then.count == len(v)
    np.testing.assert_array_equal(w, before[0])
    np.testing.assert_array_equal(seen.gram, before[1])


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("how", [{}, {"axis": -1}, {"axis": -1, "group_size": 8}, {"axis": 0}])
def test_what_quantize_makes_of_it(name, how, tmp_path):
    """The weight, packed: a table's transform stands on its right."""
    v, w = example()
    x = w.T if how.get("axis") == 0 else w
    q = quantize(x, 6, transform=name, calibration=v, **how)
    assert isinstance(q, Product)
    assert q.shape == x.shape
    assert isinstance(q.b if how.get("axis") == 0 else q.a, Diagonal | Hadamard)
    np.testing.assert_allclose(q.dense(), x, atol=0.25)
    answer = v @ (q.T if how.get("axis") == 0 else q)
    assert np.linalg.norm(answer - v @ w) < 0.05 * np.linalg.norm(v @ w)
    np.testing.assert_allclose(q[np.array([3, 0])], q.dense()[[3, 0]], rtol=1e-5, atol=1e-5)
    save(tmp_path / "q", {"w": q})
    np.testing.assert_array_equal(load(tmp_path / "q")["w"].dense(), q.dense())


@given(
    st.integers(0, 2**32), st.sampled_from([2, 3, 4, 8]), st.sampled_from([None, 6]), st.booleans()
)
@settings(max_examples=60)
def test_awq_is_never_worse_than_rounding_on_what_it_was_calibrated_with(seed, bits, size, even):
    v, w = example(seed, n=12, out=6, rows=60, spread=0.1 if even else 2.0)
    how = {"axis": -1, "group_size": size}
    plain = damage(v, w, quantize(w, bits, **how))
    assert damage(v, w, quantize(w, bits, transform="awq", calibration=v, **how)) <= plain * (
        1 + 1e-4
    )


def test_awq_halves_the_damage_where_channels_differ():
    v, w = example(n=64, out=32, spread=2.0)
    plain = damage(v, w, quantize(w, 3, axis=-1))
    assert damage(v, w, quantize(w, 3, axis=-1, transform="awq", calibration=v)) < plain / 2


def test_scales_of_awq_are_its_formula():
    """w is such that rounding leaves only the first row to err: what α is found, s must be m^α."""
    v, w = example(n=16, spread=2.0)
    left, turned, _ = TRANSFORMS["awq"]("w", w, seen_of(v), lambda x: np.round(3 * x) / 3)
    s = 1 / left.values.astype(np.float64)
    np.testing.assert_allclose(turned, w * s[:, None], rtol=1e-5)
    assert s.max() * s.min() == pytest.approx(1, rel=1e-5)
    magnitude = abs(v).mean(axis=0)
    alpha = np.log(s.max() / s.min()) / np.log(magnitude.max() / magnitude.min())
    assert alpha * 20 == pytest.approx(round(alpha * 20), abs=1e-3)
    np.testing.assert_allclose(s / s.max(), (magnitude / magnitude.max()) ** alpha, rtol=1e-4)


def test_scales_of_smoothquant_are_its_formula():
    v, w = example(n=16, spread=2.0)
    left, _, _ = TRANSFORMS["smooth"]("w", w, seen_of(v), lambda x: np.round(40 * x) / 40)
    s = 1 / left.values.astype(np.float64)
    in_v, in_w = abs(v).max(axis=0), abs(w).max(axis=1)
    # log s = α log in_v − (1 − α) log in_w + c
    unknown = np.stack([np.log(in_v) + np.log(in_w), np.ones(16)], axis=1)
    (alpha, c), *_ = np.linalg.lstsq(unknown, np.log(s) + np.log(in_w), rcond=None)
    np.testing.assert_allclose(unknown @ [alpha, c], np.log(s) + np.log(in_w), atol=1e-4)
    assert alpha * 20 == pytest.approx(round(alpha * 20), abs=1e-3)
    assert 0 < alpha < 1


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("static", [False, True])
def test_outliers_in_v_at_8_bits_each(seed, static):
    """W8A8: two channels a hundred times larger take all codes of a vector from the others."""
    v, w = example(seed, n=64, out=48, spread=0.1)
    v[:, [5, 40]] *= 100
    w[[5, 40]] /= 100
    seen = {"w": seen_of(v)}
    seen["w"].end_batch()

    def wrong(transform):
        params = quantize({"w": w}, 8, transform=transform, calibration=seen)
        rounded = quantize_activations(params, 8, calibration=seen if static else None)
        return damage_of(v @ rounded["w"], v @ w), damage_of(v @ params["w"], v @ w)

    (plain, _), (smoothed, weights_alone) = wrong("none"), wrong("smooth")
    assert smoothed < plain / 10
    # and not, as another α would, by making the weights the worse of the two
    assert smoothed < 5 * weights_alone


def test_smoothquant_counts_the_rounding_of_v():
    """Of a weight that is not rounded at all: of all α, the one with which v loses least."""
    v, w = example(n=32, spread=2.0)
    left, _, _ = TRANSFORMS["smooth"]("w", w, seen_of(v), lambda x: x)
    errors, scales = [], []
    for alpha in np.arange(21) / 20:
        s = abs(v).max(axis=0) ** alpha / abs(w).max(axis=1) ** (1 - alpha)
        errors.append(damage_of(eight_bits(v / s) @ (s[:, None] * w), v @ w))
        scales.append(s / s[0])
    best = int(np.argmin(errors))
    assert 0 < best < 20
    np.testing.assert_allclose(left.values[0] / left.values, scales[best], rtol=1e-4)


def damage_of(y, exact):
    return float(np.square(y - exact).sum())


@pytest.mark.parametrize("name", ["awq", "smooth"])
@pytest.mark.parametrize("of_w, of_v", [(-90, 0), (90, 0), (0, -60), (0, 40), (90, 40)])
def test_sizes_are_immaterial_to_the_search(name, of_w, of_v):
    v, w = example(n=16, spread=2.0)
    usual = quantize(w, 4, axis=-1, transform=name, calibration=v)
    w, v = w * np.float32(2.0**of_w), v * np.float32(2.0**of_v)
    found = quantize(w, 4, axis=-1, transform=name, calibration=v)
    np.testing.assert_allclose(found.a.values, usual.a.values, rtol=1e-5)


def test_awq_counts_the_rows_taken_from_a_table():
    """Vectors that see one channel alone: by them it gets all digits, by the rows it may not."""
    v, table = np.zeros((64, 8), np.float32), example(n=8, out=40)[1].T
    v[:, 2] = 1
    seen = seen_of(v)
    read = quantize(table, 4, axis=0, transform="awq", calibration=seen)
    seen.taken = np.diagonal(seen.gram).mean() * np.eye(8)
    both = quantize(table, 4, axis=0, transform="awq", calibration=seen)
    assert np.abs(as_dense(read) - table).mean() > 2 * np.abs(as_dense(both) - table).mean()


def test_outliers_in_the_weight_are_flattened_by_a_rotation():
    v, w = example(n=64, out=48, spread=0.0)
    w[7] *= 50
    left, turned, then = TRANSFORMS["hadamard"]("w", w, None, np.round)
    assert then is None
    peak = abs(w).max(axis=0) / w.std(axis=0)
    assert (peak > 7).mean() > 0.5
    assert (abs(turned).max(axis=0) / turned.std(axis=0) < 4).all()
    plain, rotated = quantize(w, 4, axis=-1), quantize(w, 4, axis=-1, transform="hadamard")
    assert damage(v, w, rotated) < damage(v, w, plain) / 5
    assert rotated.a.nbytes == 8
    np.testing.assert_array_equal(rotated.a.signs, left.signs)


def test_where_a_scale_of_one_is_best_nothing_stands_before_the_weight():
    v, w = example()
    # a weight that is not rounded cannot be rounded better
    left, same, then = TRANSFORMS["awq"]("w", w, seen_of(v), lambda x: x)
    assert left is None
    assert same is w
    assert then.count == len(v)
    left, same, _ = TRANSFORMS["hadamard"]("w", w[:23], None, np.round)  # an odd height
    assert left is None
    np.testing.assert_array_equal(same, w[:23])


@pytest.mark.parametrize("name", ["awq", "smooth"])
def test_channels_that_are_always_zero(name):
    v, w = example()
    v[:, 3], w[5] = 0, 0
    for x, y in ((v, w), (0 * v, w), (v, 0 * w)):
        q = quantize(y, 4, axis=-1, transform=name, calibration=x)
        dense = q.dense()
        assert np.isfinite(dense).all()
        assert damage(x, y, q) <= damage(x, y, quantize(y, 4, axis=-1)) * (1 + 1e-4) + 1e-9


@pytest.mark.parametrize("name", ["awq", "smooth"])
def test_calibration_is_asked_for(name):
    with pytest.raises(ValueError, match=rf"transform '{name}' needs to know what multiplies x"):
        quantize(np.eye(4), 4, transform=name)
    with pytest.raises(ValueError, match="width 4, got 5"):
        quantize(np.eye(4), 4, transform=name, calibration=np.ones((3, 5)))


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_weight_that_is_not_finite_is_refused(name, bad):
    v, w = example()
    w[2, 3] = bad
    with pytest.raises(ValueError, match="x must be finite"):
        quantize(w, 4, axis=-1, transform=name, calibration=v)
    w[2, 3] = 1e31
    with pytest.raises(ValueError, match=r"x must not exceed 1e\+30"):
        quantize(w, 4, axis=-1, transform=name, calibration=v)


def test_whole_numbers_are_weights_too():
    v, _ = example()
    w = np.arange(24 * 10).reshape(24, 10) % 17
    for name in ROWS:
        q = quantize(w, 8, axis=-1, transform=name, calibration=v)
        np.testing.assert_allclose(q.dense(), w, atol=0.5)


def test_parts_of_the_largest():
    assert relative(np.array([4.0, 1.0, 0.0])).tolist() == [1, 0.25, 1e-4]
    assert relative(np.zeros(2)).tolist() == [1, 1]
    v = np.array([[127.0, 1.4, -0.6], [0, 0, 0]], np.float32)
    assert eight_bits(v).tolist() == [[127, 1, -1], [0, 0, 0]]
