import numpy as np
import pytest

from minilm.weights import Diagonal, Hadamard, Recorder, Seen, flatten
from minilm.weights.recorder import SAMPLE


def test_records_what_multiplies_it_and_changes_nothing(make):
    for weight in (make.normal(6, 4), make.quantized((6, 4), 3), make.sparse(6, 4)):
        recorder = Recorder(weight)
        x, last = make.normal(2, 5, 6), make.normal(6)
        np.testing.assert_array_equal(x @ recorder, x @ weight)
        np.testing.assert_array_equal(last @ recorder.unpacked(), last @ weight)
        every = np.concatenate([x.reshape(-1, 6), last[None]])
        seen = recorder.inputs
        assert seen.count == 11
        np.testing.assert_array_equal(seen.minimum, every.min(axis=0))
        np.testing.assert_array_equal(seen.maximum, every.max(axis=0))
        np.testing.assert_array_equal(seen.absmax, abs(every).max(axis=0))
        np.testing.assert_allclose(seen.gram, every.T @ every, rtol=1e-5, atol=1e-5)
        assert recorder.outputs.count == 0
        assert recorder.nbytes == weight.nbytes


def test_a_tied_table_records_both_uses(make):
    table = make.quantized((7, 4), 4, axis=0)
    recorder = Recorder(table)
    ids, h = np.array([[0, 3], [3, -1]]), make.normal(5, 4)
    np.testing.assert_array_equal(recorder[ids], table[ids])
    np.testing.assert_array_equal(h @ recorder.T, h @ table.T)
    assert recorder.id_counts.tolist() == [1, 0, 0, 2, 0, 0, 1]
    assert recorder.outputs.count == 5
    np.testing.assert_allclose(recorder.outputs.gram, h.T @ h, rtol=1e-5)
    assert recorder.inputs.gram is None  # no V × V matrix for a table that is only looked up
    assert recorder.T.T is recorder
    assert recorder.T.inputs is recorder.outputs


def test_nothing_seen_and_nothing_wrong_recorded(make):
    recorder = Recorder(make.normal(6, 4))
    assert recorder.inputs.absmax.tolist() == [0] * 6
    make.normal(0, 6) @ recorder
    with pytest.raises(ValueError):
        make.normal(2, 5) @ recorder
    with pytest.raises(IndexError):
        recorder[np.array([6])]
    assert recorder.inputs.count == 0
    assert recorder.id_counts.sum() == 0


def test_sums_do_not_drift():
    recorder = Recorder(np.ones((1, 1), np.float32))
    np.full((1, 1), 2**12, np.float32) @ recorder
    for _ in range(10):
        np.ones((1, 1), np.float32) @ recorder
    assert recorder.inputs.gram[0, 0] == 2**24 + 10  # float32 would have stood still


@pytest.mark.parametrize("dtype, large", [(np.int8, 100), (np.float16, 300), (np.int64, 2**33)])
def test_squares_of_small_types_do_not_wrap(dtype, large):
    seen = Seen(3)
    seen.add(np.full((2, 3), large, dtype))
    assert (seen.gram == 2.0 * large**2).all()
    assert seen.sample.dtype == np.float32
    with pytest.raises(ValueError, match=r"x must have shape \(..., 3\), got \(2, 1\)"):
        seen.add(np.ones((2, 1), np.float32))


def test_gradients_are_the_inner_weight_s(make):
    weight = make.normal(6, 4)
    x, dy = make.normal(3, 6), make.normal(3, 4)
    for inner in (weight, make.quantized((6, 4))):
        recorder = Recorder(inner)
        np.testing.assert_array_equal(recorder.input_gradient(dy, x), dy @ inner.T)
        np.testing.assert_array_equal(recorder.weight_gradient(dy, x), x.T @ dy)
        assert recorder.outputs.count == 0


def test_is_no_storage(make):
    with pytest.raises(TypeError, match="w must be an array or a leaf made of arrays"):
        flatten({"w": Recorder(make.normal(2, 2))})
    with pytest.raises(ValueError, match="weight must be a matrix"):
        Recorder(make.normal(2))
    with pytest.raises(TypeError, match="dense"):
        np.asarray(Recorder(make.normal(2, 2)))


def test_means_and_ranges_of_what_was_seen(make):
    recorder = Recorder(make.normal(6, 4))
    first, second, third = (make.normal(3, 6, seed=seed) for seed in (1, 2, 3))
    seen = recorder.inputs
    assert seen.mean.tolist() == seen.mean_magnitude.tolist() == [0] * 6
    with pytest.raises(ValueError, match="before the first batch"):
        seen.moving_range()
    seen.end_batch()  # of nothing
    for batch in ([first, second], [third]):
        for x in batch:
            x @ recorder
        seen.end_batch()
    every = np.concatenate([first, second, third])
    np.testing.assert_allclose(seen.mean, every.mean(axis=0), rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(seen.mean_magnitude, abs(every).mean(axis=0), rtol=1e-5)
    low, high = min(first.min(), second.min()), max(first.max(), second.max())
    assert seen.batch_ranges == [(low, high), (third.min(), third.max())]
    moved = 0.75 * low + 0.25 * third.min(), 0.75 * high + 0.25 * third.max()
    np.testing.assert_allclose(seen.moving_range(rate=0.25), moved, rtol=1e-6)
    assert seen.moving_range(rate=1) == (third.min(), third.max())
    with pytest.raises(ValueError, match="rate must lie in"):
        seen.moving_range(rate=0)
    assert seen.histogram is None


def test_histograms_when_asked_for(make):
    recorder = Recorder(make.normal(6, 4), histograms=True)
    x = make.normal(5, 6)
    x @ recorder
    x[:, :4] @ recorder.T
    assert recorder.inputs.histogram.counts.sum() == 30
    assert recorder.outputs.histogram.counts.sum() == 20


@pytest.mark.oracle
def test_moving_range_is_torchs(make):
    import torch
    from torch.ao.quantization import MovingAverageMinMaxObserver

    observer = MovingAverageMinMaxObserver(averaging_constant=0.1)
    recorder = Recorder(make.normal(6, 4))
    for seed in range(5):
        x = make.normal(3, 6, seed=seed)
        x @ recorder
        recorder.inputs.end_batch()
        observer(torch.from_numpy(x))
    expected = observer.min_val.item(), observer.max_val.item()
    np.testing.assert_allclose(recorder.inputs.moving_range(0.1), expected, rtol=1e-6)


def test_the_sample_is_spread_evenly_over_all_rows():
    for pieces in ([2000] * 10, [1] * 700, [5000], [300, 1, 0, 4699], [64] * 200):
        seen, rows = Seen(2), np.arange(2.0 * sum(pieces)).reshape(-1, 2)
        for piece in np.split(rows, np.cumsum(pieces)[:-1]):
            seen.add(piece)
        step = (seen.sample[1] - seen.sample[0])[0] / 2
        np.testing.assert_array_equal(seen.sample, rows[:: int(step)])
        assert min(len(rows), SAMPLE) <= len(seen.sample) <= 3 * SAMPLE
        assert seen.sample.dtype == np.float32
    positions = seen.sample[:, 0] // 2 % 64  # windows of 64: none of their positions is left out
    assert len(np.unique(positions)) == 64


@pytest.mark.parametrize("rows", [100, 2000])
def test_what_was_seen_seen_through_a_transform(make, rows):
    x = make.normal(rows, 24) + make.normal(24)
    seen = Seen(24)
    for part in np.array_split(x, 7):
        seen.add(part)
        seen.end_batch()
    for left in (
        Diagonal(make.normal(24)),
        Hadamard.random(24, np.random.default_rng(0)),
        make.normal(24, 5),
    ):
        direct, through = Seen(left.shape[1]), seen.through(left)
        direct.add(x @ left)
        assert through.count == rows
        np.testing.assert_allclose(through.mean, direct.mean, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(through.gram, direct.gram, rtol=1e-4, atol=1e-3 * rows)
        np.testing.assert_allclose(through.sample, direct.sample, rtol=1e-4, atol=1e-4)
        exact = isinstance(left, Diagonal) or rows < SAMPLE
        tolerance = 1e-4 if exact else 0.4
        for name in ("minimum", "maximum", "mean_magnitude"):
            expected = getattr(direct, name)
            np.testing.assert_allclose(getattr(through, name), expected, rtol=tolerance)
        assert through.histogram is None and through.batch_ranges == []
    assert Seen(24).through(left).count == 0


def test_the_cost_of_taken_rows_is_seen_through_a_transform_too(make):
    seen, e = Seen(4), make.normal(4)
    seen.add(make.normal(9, 4))
    taken = make.normal(4, 4)
    seen.taken = taken.T @ taken
    turn = Hadamard.random(4, np.random.default_rng(0))
    for left in (Diagonal(np.array([1, 2, 4, 0.5], np.float32)), turn):
        # an error e after the transform is an error e @ left.T before it
        before = e @ left.T
        np.testing.assert_allclose(
            e @ seen.through(left).cost @ e, before @ seen.cost @ before, rtol=1e-4
        )
