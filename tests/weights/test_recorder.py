import numpy as np
import pytest

from minilm.weights import Recorder, flatten


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
