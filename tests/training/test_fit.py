import math

import numpy as np
import pytest

from minilm.models import LSTMLanguageModel, TransformerLanguageModel
from minilm.training import SGD, AdamW, constant, cross_entropy_loss, fit, warmup_cosine
from minilm.weights import Diagonal

V = 5
TEXT = np.tile([0, 1, 2, 3, 4, 3, 2, 1], 4)
BATCH = (TEXT[None, :16], TEXT[None, 1:17])
LSTM = LSTMLanguageModel(V, width=8)
TRANSFORMER = TransformerLanguageModel(V, width=8, layers=1, heads=2, context=16)


def random_batch(step):
    starts = np.random.default_rng([0, step]).integers(len(TEXT) - 9, size=3)
    windows = TEXT[starts[:, None] + np.arange(9)]
    return windows[:, :-1], windows[:, 1:]


@pytest.mark.parametrize("model", [LSTM, TRANSFORMER])
@pytest.mark.parametrize("optimizer", [AdamW(), SGD(momentum=0.9)])
def test_it_learns_a_tiny_text_by_heart(model, optimizer):
    """After 1 or 3 the text goes either way, depending on the token before: it takes a memory."""
    params = model.init(0)
    peak = 0.02 if isinstance(optimizer, AdamW) else 0.5
    schedule = warmup_cosine(peak, 10, 250)
    _, history = fit(model, params, [BATCH], steps=250, optimizer=optimizer, schedule=schedule)
    assert history[0]["loss"] > 1
    assert history[-1]["loss"] < 0.15


def test_the_parameters_given_are_left_as_they_are():
    params = LSTM.init(0)
    before = {name: p.copy() for name, p in params.items()}
    fitted, _ = fit(LSTM, params, [BATCH], steps=3)
    for name in params:
        np.testing.assert_array_equal(params[name], before[name])
        assert not np.array_equal(fitted[name], before[name])
        assert not np.shares_memory(fitted[name], params[name])
        assert fitted[name].dtype == np.float32
    assert list(fitted) == list(params)


def test_the_same_seed_gives_the_same_bits():
    model = LSTMLanguageModel(V, width=8, dropout=0.3)
    runs = [fit(model, model.init(0), random_batch, steps=5, seed=seed) for seed in (1, 1, 2)]
    for name, p in runs[0][0].items():
        np.testing.assert_array_equal(p, runs[1][0][name])
    assert runs[0][1] == runs[1][1]
    assert runs[0][1] != runs[2][1]  # other dropout


def test_every_step_has_randomness_of_its_own_and_not_that_of_the_data():
    drawn = []

    def loss(model, seen, batch, rng):
        drawn.append(rng.random())
        return cross_entropy_loss(model, seen, batch, rng)

    fit(LSTM, LSTM.init(0), [BATCH], steps=3, loss=loss, seed=5)
    data = [np.random.default_rng([5, step]).random() for step in range(3)]
    assert len({*drawn, *data}) == 6


def test_one_step_by_hand():
    params = LSTM.init(0)
    total, grads, count = cross_entropy_loss(LSTM, params, BATCH, None)
    norm = math.sqrt(sum(float(np.sum((g / count) ** 2)) for g in grads.values()))
    fitted, (entry,) = fit(
        LSTM, params, [BATCH], optimizer=SGD(), schedule=constant(0.1), clip_norm=norm / 2
    )
    assert entry["step"] == 1
    assert entry["loss"] == pytest.approx(total / count)
    assert entry["gradient_norm"] == pytest.approx(norm, rel=1e-5)
    assert entry["learning_rate"] == 0.1
    for name in params:
        expected = params[name] - 0.1 * grads[name] / count / 2
        np.testing.assert_allclose(fitted[name], expected, atol=1e-6)


def test_without_clipping_the_whole_gradient_is_taken():
    params = LSTM.init(0)
    _, grads, count = cross_entropy_loss(LSTM, params, BATCH, None)
    fitted, _ = fit(
        LSTM, params, [BATCH], optimizer=SGD(), schedule=constant(100.0), clip_norm=None
    )
    np.testing.assert_allclose(fitted["head.b"], -100 * grads["head.b"] / count, rtol=1e-4)


def test_batches_of_a_sequence_are_taken_in_turn():
    asked = []

    class Batches(list):
        def __getitem__(self, i):
            asked.append(i)
            return BATCH

    fit(LSTM, LSTM.init(0), Batches([None] * 3))
    fit(LSTM, LSTM.init(0), Batches([None] * 3), steps=5)
    assert asked == [0, 1, 2] + [0, 1, 2, 0, 1]


# ---- the two openings


def halved(params, step):
    """A toy view: the model sees half of each table and trains nothing else."""
    names = [name for name in params if name.endswith("embedding")]
    seen = {name: p / 2 if name in names else p for name, p in params.items()}
    return seen, lambda grads: {name: grads[name] / 2 for name in names}


def test_a_view_is_what_the_model_sees_and_what_is_trained():
    seen_by = []

    def loss(model, seen, batch, rng):
        seen_by.append(seen)
        return cross_entropy_loss(model, seen, batch, rng)

    judged = []
    params = LSTM.init(0)
    fitted, _ = fit(
        LSTM, params, [BATCH], steps=2, view=halved, loss=loss,
        evaluate=lambda seen: judged.append(seen) or 0.0,
    )  # fmt: skip
    np.testing.assert_array_equal(
        seen_by[0]["token_embedding"], params["token_embedding"] / 2
    )
    np.testing.assert_array_equal(judged[0]["token_embedding"], fitted["token_embedding"] / 2)
    for name in params:
        assert np.array_equal(fitted[name], params[name]) == (name != "token_embedding")


def test_leaves_are_seen_and_kept_and_what_is_float_beside_them_is_trained():
    frozen = Diagonal(np.full(8, 0.5, np.float32))
    model = LSTMLanguageModel(V, width=8, embedding_width=8, tied=False)
    params = {**model.init(0), "mask:companion": np.ones(3, bool), "frozen:leaf": frozen}
    fitted, _ = fit(model, params, [BATCH], steps=2)
    assert isinstance(fitted["frozen:leaf"], Diagonal)
    np.testing.assert_array_equal(fitted["frozen:leaf"].values, frozen.values)
    np.testing.assert_array_equal(fitted["mask:companion"], params["mask:companion"])
    assert not np.array_equal(fitted["head.w"], params["head.w"])


def test_a_loss_may_own_parameters_and_take_any_batch():
    def loss(model, seen, batch, rng):
        error = seen["hint:w"] - batch
        return float((error**2).sum()), {"hint:w": 2 * error}, error.size

    params = {**LSTM.init(0), "hint:w": np.zeros((1, 2), np.float32)}
    fitted, _ = fit(
        LSTM, params, lambda step: np.array([[1.0, 2.0]], np.float32), steps=200, loss=loss,
        schedule=constant(0.1), optimizer=SGD(), clip_norm=None,
    )  # fmt: skip
    np.testing.assert_allclose(fitted["hint:w"], [[1, 2]], atol=1e-4)
    np.testing.assert_array_equal(fitted["head.b"], params["head.b"])


def test_a_batch_that_counts_nothing_changes_nothing_but_by_decay():
    batch = (BATCH[0], np.full_like(BATCH[1], -100))
    fitted, (entry,) = fit(LSTM, LSTM.init(0), [batch], optimizer=AdamW(weight_decay=0))
    assert entry["loss"] == 0
    np.testing.assert_array_equal(fitted["token_embedding"], LSTM.init(0)["token_embedding"])


@pytest.mark.parametrize("workers", [1, 2])
def test_a_view_that_trains_more_from_some_step_on_is_refused(workers):
    def thawing(params, step):
        names = ["head.b"] if step < 2 else ["head.b", "token_embedding"]
        return params, lambda grads: {name: grads[name] for name in names}

    fit(LSTM, LSTM.init(0), random_batch, steps=2, view=thawing, workers=workers)
    with pytest.raises(ValueError, match="same at every step, and is not for token_embedding"):
        fit(LSTM, LSTM.init(0), random_batch, steps=3, view=thawing, workers=workers)


def test_an_optimizer_that_needs_to_know_the_parameters_is_given_them_by_name():
    class SignOfRows:
        def update(self, arrays, grads, state, learning_rate, step):
            assert grads.keys() == LSTM.init(0).keys()
            for name, grad in grads.items():
                assert grad.shape == arrays[name].shape
                arrays[name] -= learning_rate * np.sign(grad.sum(axis=-1, keepdims=True))

    params = LSTM.init(0)
    fitted, _ = fit(
        LSTM, params, [BATCH], steps=1, optimizer=SignOfRows(), schedule=constant(0.25)
    )
    moved = fitted["lstm.0.w_x"] - params["lstm.0.w_x"]
    np.testing.assert_allclose(np.abs(moved), 0.25, rtol=1e-5)


# ---- evaluation and progress


def test_evaluation_every_so_many_steps_and_at_the_end():
    _, history = fit(
        LSTM, LSTM.init(0), [BATCH], steps=7, evaluate=lambda seen: 1.5, evaluate_every=3
    )
    assert [entry["step"] for entry in history if "validation_loss" in entry] == [3, 6, 7]
    _, history = fit(LSTM, LSTM.init(0), [BATCH], steps=7, evaluate=lambda seen: np.float32(1.5))
    measured = [entry for entry in history if "validation_loss" in entry]
    assert [entry["step"] for entry in measured] == [7]
    assert type(measured[0]["validation_loss"]) is float


def test_the_progress_bar_is_shown_only_when_asked_for(capsys):
    fit(LSTM, LSTM.init(0), [BATCH], steps=2)
    assert capsys.readouterr() == ("", "")
    fit(LSTM, LSTM.init(0), [BATCH], steps=2, progress=True)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "2/2" in shown.err


# ---- errors


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"batches": random_batch, "steps": None}, "steps must be given"),
        ({"batches": []}, "batches"),
        ({"steps": 0}, "steps"),
        ({"steps": 2.5}, "steps"),
        ({"clip_norm": 0.0}, "clip_norm"),
        ({"clip_norm": math.nan}, "clip_norm"),
        ({"evaluate_every": 2}, "evaluate"),
        ({"evaluate_every": -1}, "evaluate_every"),
        ({"checkpoint_every": 2}, "checkpoint"),
        ({"view": lambda params, step: (params, lambda grads: {})}, "nothing to train"),
        (
            {"view": lambda params, step: (params, lambda grads: {"no.such": np.zeros(1)})},
            "no.such",
        ),
        (
            {"view": lambda params, step: (params, lambda grads: {"head.b": np.zeros(1)})},
            "head.b",
        ),
    ],
)
def test_settings_out_of_range_are_refused_by_name(settings, named):
    with pytest.raises(ValueError, match=named):
        fit(LSTM, LSTM.init(0), **{"batches": [BATCH], **settings})


def test_only_floats_are_trained():
    view = lambda params, step: (params, lambda grads: {"codes": np.ones(3)})  # noqa: E731
    with pytest.raises(TypeError, match="codes is int64"):
        fit(LSTM, {**LSTM.init(0), "codes": np.ones(3, np.int64)}, [BATCH], view=view)


def test_an_optimizer_by_name_is_refused():
    with pytest.raises(TypeError, match="optimizer"):
        fit(LSTM, LSTM.init(0), [BATCH], optimizer="adam")


def test_a_loss_that_is_not_finite_stops_the_run_and_names_the_step():
    def loss(model, seen, batch, rng):
        total, grads, count = cross_entropy_loss(model, seen, batch, rng)
        return (math.nan if batch is second else total), grads, count

    second = (BATCH[0], BATCH[1])
    with pytest.raises(FloatingPointError, match="step 2"):
        fit(LSTM, LSTM.init(0), [BATCH, second, BATCH], loss=loss)


def test_a_gradient_that_is_not_finite_stops_the_run_and_names_the_parameter():
    def loss(model, seen, batch, rng):
        total, grads, count = cross_entropy_loss(model, seen, batch, rng)
        return total, {**grads, "head.b": grads["head.b"] + np.inf}, count

    with pytest.raises(FloatingPointError, match=r"step 1.*head\.b$"):
        fit(LSTM, LSTM.init(0), [BATCH], loss=loss)


def test_a_run_that_diverges_ends_in_that_error_and_no_warning():
    params = TRANSFORMER.init(0)
    with pytest.raises(FloatingPointError, match="learning rate 1e"):
        fit(
            TRANSFORMER, params, [BATCH], steps=50, optimizer=SGD(), clip_norm=None,
            schedule=constant(1e30),
        )  # fmt: skip


def test_half_precision_is_refused_by_name():
    def loss(model, seen, batch, rng):
        return 1.0, {"w": np.ones(2, np.float16)}, 1

    with pytest.raises(TypeError, match="w is float16"):
        fit(None, {"w": np.ones(2, np.float16)}, [0], loss=loss)
