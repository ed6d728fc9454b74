import numpy as np
import pytest

from minilm.compression import quantize
from minilm.compression.quantized_gradients import QuantizedGradients
from minilm.models import LSTMLanguageModel
from minilm.training import SGD, AdamW, cross_entropy_loss, fit, warmup_cosine


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


class Listening:
    """An optimizer that only writes down what it is sent."""

    def __init__(self):
        self.sent = []

    def update(self, arrays, grads, state, learning_rate, step):
        self.sent.append({name: g.copy() for name, g in grads.items()})


def run(gradients, **how):
    """What was sent of these gradients of `w`, and what is left at the end."""
    listening, state = Listening(), {}
    wrapped = QuantizedGradients(listening, **how)
    for step, g in enumerate(gradients):
        kept = g.copy()
        wrapped.update({"w": np.zeros_like(g)}, {"w": g}, state, 0.1, step)
        np.testing.assert_array_equal(g, kept)
    return [sent["w"] for sent in listening.sent], state


def test_one_bit_with_error_feedback_by_hand():
    g = np.array([[1, -3], [2, 2]], np.float32)
    sent, state = run([g, g], bits=1, axis="tensor")
    assert sent[0].tolist() == [[2, -2], [2, 2]]  # sign times mean|g|
    # left: [[−1, −1], [0, 0]]; with the next gradient [[0, −4], [2, 2]], mean 2
    assert sent[1][0, 1] == -2 and sent[1][1].tolist() == [2, 2]
    np.testing.assert_array_equal(state["residual:w"], 2 * g - sent[0] - sent[1])


@pytest.mark.parametrize("rounding", ["nearest", "stochastic"])
@pytest.mark.parametrize("bits", [2, 4])
def test_what_is_sent_and_what_is_left_is_all_there_was(bits, rounding):
    # eighths, and steps of 1, so that no sum is rounded; far beyond the grid, too
    rng = np.random.default_rng(0)
    gradients = [rng.integers(-64, 65, (16, 4)).astype(np.float32) / 8 for _ in range(20)]
    sent, state = run(gradients, bits=bits, rounding=rounding, objective="unit")
    np.testing.assert_array_equal(sum(sent) + state["residual:w"], sum(gradients))
    assert (state["residual:w"] % 1 != 0).any()


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("rounding", ["nearest", "stochastic"])
def test_nothing_is_lost_of_any_gradients(bits, rounding):
    gradients = [normal(32, 6, seed=s) for s in range(20)]
    sent, state = run(gradients, bits=bits, rounding=rounding)
    total = sum(g.astype(np.float64) for g in gradients)
    got = sum(s.astype(np.float64) for s in sent) + state["residual:w"]
    largest = max(np.abs(s).max() for s in sent)
    np.testing.assert_allclose(got, total, atol=40 * 2.0**-24 * largest)
    assert np.abs(state["residual:w"]).max() > 0


def test_without_error_feedback_nothing_is_kept():
    sent, state = run([normal(8, 4)], bits=3, error_feedback=False)
    assert not state
    np.testing.assert_array_equal(sent[0], quantize(normal(8, 4), 3, axis=-1).dense())


def mean_sent(g, draws=2000, **how):
    """The mean of many draws of Q(g), and how far off it may be by chance."""
    (sent,), _ = run([np.tile(g, draws)], error_feedback=False, rounding="stochastic", **how)
    sent = sent.reshape(len(g), draws, -1)
    return sent.mean(axis=1, dtype=np.float64), sent.std(axis=1) / np.sqrt(draws)


@pytest.mark.parametrize("objective", ["norm", "absmax"])
def test_stochastic_rounding_is_right_on_average(objective):
    g = normal(8, 3)
    mean, spread = mean_sent(g, bits=3, objective=objective)
    assert (np.abs(mean - g) <= 5 * spread + 1e-6).all()
    assert 0.004 < spread.max() < 0.02


def test_it_is_not_where_numbers_are_clipped():
    g = normal(40, 1)
    mean, spread = mean_sent(g, bits=3, objective="mse")
    off = np.abs(mean - g) > 5 * spread + 1e-6
    largest = np.abs(g) > np.abs(mean).max() + 1e-6
    assert off.any()
    assert (off == largest).all()


def test_the_variance_of_the_norm_is_within_alistarhs_bound():
    g, s = normal(64, 1), 7  # 4 bits
    sent, _ = run([g] * 500, bits=4, error_feedback=False, rounding="stochastic",
                  objective="norm")
    squared_error = np.mean([np.square(q - g).sum() for q in sent])
    assert squared_error <= min(64 / s**2, 8 / s) * np.square(g).sum()


def test_error_feedback_stays_bounded_with_nearest_rounding_only():
    gradients = [normal(4096, 1, seed=s) for s in range(60)]
    lengths = {}
    for rounding in ("nearest", "stochastic"):
        _, state = run(gradients, bits=2, rounding=rounding, objective="norm")
        lengths[rounding] = np.linalg.norm(state["residual:w"])
    assert lengths["nearest"] < 60 * 64
    assert lengths["stochastic"] > 1e6 * lengths["nearest"]


def test_vectors_and_companions_pass_as_they_are():
    grads = {"w": normal(4, 4), "b": normal(4), "w:step": normal(4, 1)}
    listening = Listening()
    QuantizedGradients(listening, 2).update(grads, grads, {}, 0.1, 0)
    assert listening.sent[0].keys() == grads.keys()
    for name in ("b", "w:step"):
        np.testing.assert_array_equal(listening.sent[0][name], grads[name])
    assert (listening.sent[0]["w"] != grads["w"]).any()


def test_the_bytes_of_a_message():
    grads = {"w": normal(64, 32), "b": normal(32)}
    # 64·32 codes of 2 bits, 32 scales, and 32 floats as they are
    assert QuantizedGradients(SGD(), 2).bytes_sent(grads) == 64 * 32 // 4 + 32 * 4 + 32 * 4


@pytest.mark.parametrize(
    "how", [{"bits": 0}, {"bits": 2, "rounding": "up"}, {"bits": 2, "objective": "l2"}]
)
def test_what_is_refused(how):
    with pytest.raises(ValueError, match="must"):
        QuantizedGradients(SGD(), **how)


MODEL = LSTMLanguageModel(vocab_size=7, width=12)
WAYS = {
    "4 bits, error feedback": {"bits": 4},
    "1-bit SGD": {"bits": 1},
    "QSGD": {"bits": 4, "rounding": "stochastic", "objective": "norm", "error_feedback": False},
}


def batch(step):
    """A text with a rule: the next letter is one further on."""
    start = np.random.default_rng(step).integers(0, 7, (8, 1))
    tokens = ((start + np.arange(9)) % 7).astype(np.int32)
    return tokens[:, :-1], tokens[:, 1:]


def loss_of(params):
    total, _, count = cross_entropy_loss(MODEL, params, batch(999), None)
    return total / count


@pytest.mark.parametrize("way", WAYS)
def test_models_learn_from_them(way):
    schedule = warmup_cosine(1e-2, warmup=10, steps=100)
    plain, _ = fit(MODEL, MODEL.init(0), batch, steps=100, schedule=schedule)
    optimizer = QuantizedGradients(AdamW(), **WAYS[way])
    trained, _ = fit(
        MODEL, MODEL.init(0), batch, steps=100, schedule=schedule, optimizer=optimizer
    )
    assert loss_of(MODEL.init(0)) > 1.8
    assert loss_of(trained) < loss_of(plain) + 0.2


@pytest.mark.parametrize("way", WAYS)
def test_a_run_goes_on_from_its_checkpoint_bit_for_bit(tmp_path, way):
    path = tmp_path / "run.npz"
    how = {"schedule": warmup_cosine(2e-3, warmup=2, steps=8)}
    optimizer = QuantizedGradients(AdamW(), **WAYS[way])
    whole, _ = fit(MODEL, MODEL.init(0), batch, steps=8, optimizer=optimizer, **how)
    for steps in (3, 8):
        resumed, _ = fit(MODEL, MODEL.init(0), batch, steps=steps, optimizer=optimizer,
                         checkpoint=path, **how)  # fmt: skip
    for name, w in whole.items():
        np.testing.assert_array_equal(resumed[name], w)
    other = QuantizedGradients(AdamW(beta1=0.8), **WAYS[way])
    with pytest.raises(ValueError, match="optimizer"):
        fit(MODEL, MODEL.init(0), batch, steps=9, optimizer=other, checkpoint=path, **how)
