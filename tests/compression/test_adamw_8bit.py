import numpy as np
import pytest

from minilm.compression import adamw_8bit
from minilm.compression.adamw_8bit import AdamW8bit, dynamic_levels, nearest_level
from minilm.models import LSTMLanguageModel
from minilm.training import AdamW, cross_entropy_loss, fit, warmup_cosine


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_the_levels_are_dynamic():
    signed, unsigned = dynamic_levels(True), dynamic_levels(False)
    for levels in (signed, unsigned):
        assert len(levels) == 256
        assert (np.diff(levels) > 0).all()
        assert levels[-1] == 1 and 0 in levels
    # above 0.1: 64 of the one sign and as many of the other, or 128, and the 1
    assert np.count_nonzero(np.abs(signed) > 0.1) == 129
    assert np.count_nonzero(unsigned > 0.1) == 129
    np.testing.assert_allclose(signed[127:131], [0, 5.5e-7, 3.25e-6, 7.75e-6], rtol=1e-5)
    np.testing.assert_allclose(unsigned[:4], [0, 3.25e-7, 7.75e-7, 2.125e-6], rtol=1e-5)
    np.testing.assert_allclose(unsigned[-2], 1 - 0.9 / 256, rtol=1e-6)
    np.testing.assert_allclose(signed[:127], -signed[128:255][::-1])


@pytest.mark.parametrize("signed", [True, False])
def test_the_table_finds_the_nearest_level(signed):
    nearest, rng = nearest_level(signed), np.random.default_rng(0)
    v = rng.uniform(-1, 1, 100_000) * 10.0 ** -rng.integers(0, 9, 100_000)
    inner = nearest.thresholds[:-1]
    v = np.concatenate([v, inner, np.nextafter(inner, 2), np.nextafter(inner, -2), [1, 0, -0.0]])
    v = (v if signed else np.abs(v)).astype(np.float32)
    np.testing.assert_array_equal(nearest(v), np.searchsorted(inner, v))
    np.testing.assert_array_equal(nearest.levels[nearest(nearest.levels)], nearest.levels)


def steps_of(optimizer, gradients, shape, seed=0):
    arrays, state = {"w": normal(*shape, seed=seed)}, {}
    for step, g in enumerate(gradients):
        optimizer.update(arrays, {"w": g}, state, 1e-2, step)
    return arrays["w"], state


def test_one_step_is_adamws():
    # the first update reads means of zero, which are exact
    shape, settings = (70, 60), {"weight_decay": 0.3, "beta1": 0.8, "eps": 1e-4}
    ours, _ = steps_of(AdamW8bit(**settings), [normal(*shape, seed=1)], shape)
    theirs, _ = steps_of(AdamW(**settings), [normal(*shape, seed=1)], shape)
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


def test_many_steps_stay_near_adamws():
    shape = (130, 70)  # 9100: four blocks and a part of one
    gradients = [normal(*shape, seed=s) + 0.5 * normal(*shape, seed=99) for s in range(1, 30)]
    ours, _ = steps_of(AdamW8bit(), gradients, shape)
    theirs, _ = steps_of(AdamW(), gradients, shape)
    moved = np.abs(theirs - normal(*shape)).mean()
    assert np.abs(ours - theirs).mean() < 0.05 * moved


def test_the_state_takes_a_quarter_of_the_bytes():
    shape = (256, 300)
    _, ours = steps_of(AdamW8bit(), [normal(*shape)], shape)
    _, theirs = steps_of(AdamW(), [normal(*shape)], shape)
    bytes_of = [sum(a.nbytes for a in state.values()) for state in (ours, theirs)]
    blocks = -(-256 * 300 // 2048)
    assert bytes_of[0] == 2 * (256 * 300 + 4 * blocks)
    assert bytes_of[0] < 0.251 * bytes_of[1]
    assert {a.dtype for a in ours.values()} == {np.dtype(np.uint8), np.dtype(np.float32)}


def test_blocks_do_not_disturb_each_other():
    g = normal(3, 2048, seed=1)
    g[1] *= 1e6
    _, state = steps_of(AdamW8bit(), [g], (3, 2048))
    _, alone = steps_of(AdamW8bit(), [normal(3, 2048, seed=1)], (3, 2048))
    for role in ("mean", "square"):
        np.testing.assert_array_equal(state[f"{role}:w"][[0, 2]], alone[f"{role}:w"][[0, 2]])
        np.testing.assert_array_equal(
            state[f"{role}_absmax:w"][[0, 2]], alone[f"{role}_absmax:w"][[0, 2]]
        )


def test_means_of_the_next_step_are_read_from_their_codes():
    shape = (64, 64)
    _, state = steps_of(AdamW8bit(beta1=0.5, beta2=0.5), [normal(*shape)], shape)
    m = 0.5 * normal(*shape).reshape(2, 2048)
    absmax = np.abs(m).max(axis=1)
    np.testing.assert_allclose(state["mean_absmax:w"], absmax, rtol=1e-6)
    levels = nearest_level(True).levels
    read = levels[state["mean:w"]].reshape(2, 2048) * absmax[:, None]
    gap = 0.9 / 64 / 2 * absmax[:, None]
    assert (np.abs(read - m) <= gap * 1.01).all()


def test_a_square_that_is_not_zero_does_not_become_zero():
    g = np.full((64, 64), 1e-6, np.float32)
    g[0, 0] = 1e3
    w, state = steps_of(AdamW8bit(weight_decay=0), [g, g * 0.5, g * 0.1], (64, 64))
    assert (state["square:w"] > 0).all()
    assert np.abs(w - normal(64, 64)).max() < 0.1  # ten times the learning rate
    zeros = np.zeros((64, 64), np.float32)
    still, state = steps_of(AdamW8bit(weight_decay=0), [zeros, zeros], (64, 64))
    np.testing.assert_array_equal(still, normal(64, 64))
    assert not state["square:w"].any()


def test_small_parameters_are_adamws_own():
    gradients = [normal(8, 4, seed=s) for s in range(3)]
    ours, state = steps_of(AdamW8bit(), gradients, (8, 4))
    theirs, expected = steps_of(AdamW(), gradients, (8, 4))
    np.testing.assert_array_equal(ours, theirs)
    assert state.keys() == expected.keys()


def test_float64_stays():
    arrays, state = {"w": normal(64, 70).astype(np.float64)}, {}
    for step in range(2):
        grads = {"w": normal(64, 70, seed=step).astype(np.float64)}
        AdamW8bit().update(arrays, grads, state, 1e-2, step)
    assert arrays["w"].dtype == np.float64


MODEL = LSTMLanguageModel(vocab_size=7, width=24)


def batch(step):
    """A text with a rule: the next letter is one further on."""
    start = np.random.default_rng(step).integers(0, 7, (8, 1))
    tokens = ((start + np.arange(9)) % 7).astype(np.int32)
    return tokens[:, :-1], tokens[:, 1:]


def loss_of(params):
    total, _, count = cross_entropy_loss(MODEL, params, batch(999), None)
    return total / count


def test_a_model_learns_as_well(monkeypatch):
    monkeypatch.setattr(adamw_8bit, "SMALL", 0)
    how = {"steps": 100, "schedule": warmup_cosine(1e-2, warmup=10, steps=100)}
    ours, _ = fit(MODEL, MODEL.init(0), batch, optimizer=AdamW8bit(), **how)
    theirs, _ = fit(MODEL, MODEL.init(0), batch, optimizer=AdamW(), **how)
    assert loss_of(theirs) < 0.1
    assert loss_of(ours) < loss_of(theirs) + 0.02


def test_a_run_goes_on_from_its_checkpoint_bit_for_bit(tmp_path, monkeypatch):
    monkeypatch.setattr(adamw_8bit, "SMALL", 1000)  # w_x and w_h in 8 bits, the rest not
    path, how = tmp_path / "run.npz", {"schedule": warmup_cosine(2e-3, warmup=2, steps=8)}
    whole, _ = fit(MODEL, MODEL.init(0), batch, steps=8, optimizer=AdamW8bit(), **how)
    for steps in (3, 8):
        resumed, _ = fit(MODEL, MODEL.init(0), batch, steps=steps, optimizer=AdamW8bit(),
                         checkpoint=path, **how)  # fmt: skip
    for name, w in whole.items():
        np.testing.assert_array_equal(resumed[name], w)
    with pytest.raises(ValueError, match="optimizer"):
        fit(MODEL, MODEL.init(0), batch, steps=9, optimizer=AdamW(), checkpoint=path, **how)


def test_an_array_whose_update_would_be_lost_is_refused():
    for shape in ((70, 60), (3, 4)):  # coded, and AdamW's own
        array = np.asfortranarray(normal(*shape))
        with pytest.raises(ValueError, match="C-contiguous"):
            AdamW8bit().update({"w": array}, {"w": normal(*shape)}, {}, 1e-2, 0)


def test_weight_decay_is_for_matrices_as_in_adamw():
    arrays = {name: np.ones(shape, np.float32) for name, shape in (
        ("bias", (5000,)), ("w", (100, 50)), ("w:step", (100, 50)))}  # fmt: skip
    grads = {name: np.zeros_like(w) for name, w in arrays.items()}
    AdamW8bit(weight_decay=0.5).update(arrays, grads, {}, 0.1, 0)
    assert (arrays["bias"] == 1).all() and (arrays["w:step"] == 1).all()
    np.testing.assert_allclose(arrays["w"], 0.95, rtol=1e-6)


@pytest.mark.parametrize("size, kinds", [(4095, {"float32"}), (4096, {"float32", "uint8"})])
def test_small_parameters_keep_floats(size, kinds):
    state = {}
    AdamW8bit().update({"w": normal(size, 1)}, {"w": normal(size, 1, seed=1)}, state, 1e-2, 0)
    assert {array.dtype.name for array in state.values()} == kinds
