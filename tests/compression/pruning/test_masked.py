"""Training through masks: schedules, regrowth on and off, movement."""

import numpy as np
import pytest

from minilm.compression import add_scores, cubic, learned_masks, masked, prune, prune_by_scores
from minilm.models import LSTMLanguageModel
from minilm.training import AdamW, constant, fit


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def seen_by(view, w, step):
    return view({"w": w}, step)[0]["w"]


def test_a_schedule_says_how_much_at_each_step():
    w, schedule = normal(20, 10), cubic(0.8, end=10)
    view = masked(schedule)
    for step in (0, 3, 10, 99):
        np.testing.assert_array_equal(
            seen_by(view, w, step), prune(w, schedule(step)).dense()
        )


def test_scores_and_structures_of_masks():
    w, x = normal(8, 6), normal(40, 8, seed=1) * np.arange(1, 9)
    how = {"score": "wanda", "scope": "output", "calibration": {"w": x}}
    np.testing.assert_array_equal(
        seen_by(masked(0.5, **how), w, 0), prune({"w": w}, 0.5, **how)["w"].dense()
    )
    seen = seen_by(masked(0.5, structure="2:4"), w, 0)
    assert ((seen != 0).reshape(2, 4, 6).sum(axis=1) == 2).all()
    drawn = masked(0.5, score="random", seed=1)
    np.testing.assert_array_equal(seen_by(drawn, w, 0) != 0, seen_by(drawn, w, 1) != 0)


def test_regrowth_on_and_off():
    first, second = np.array([[1.0, 2, 3, 4]]), np.array([[9.0, 1, 3, 4]])
    on, off = masked(0.25), masked(0.25, regrow=False)
    for view in (on, off):
        assert seen_by(view, first, 0).tolist() == [[0, 2, 3, 4]]
    assert seen_by(on, second, 1).tolist() == [[9, 0, 3, 4]]
    assert seen_by(off, second, 1).tolist() == [[0, 1, 3, 4]]
    assert seen_by(off, second, 1).tolist() == [[0, 1, 3, 4]]  # `fit` looks twice to evaluate
    assert seen_by(off, second, 0).tolist() == [[9, 0, 3, 4]]  # another run


def test_without_regrowth_less_and_less_is_kept():
    view, before = masked(cubic(0.9, end=8), regrow=False), np.ones((10, 10), bool)
    for step in range(10):
        kept = seen_by(view, normal(10, 10, seed=step), step) != 0
        assert not (kept & ~before).any()
        assert (~kept).sum() == round(100 * cubic(0.9, end=8)(step))
        before = kept


def test_a_run_that_goes_on_without_the_masks_is_refused(tmp_path):
    with pytest.raises(ValueError, match="regrow=False must have seen every step, and met step 4"):
        seen_by(masked(0.5, regrow=False), normal(3, 3), 4)
    seen_by(masked(cubic(0.5, start=9, end=12), regrow=False), normal(3, 3), 4)  # nothing yet
    view = masked(0.5, regrow=False)
    seen_by(view, normal(3, 3), 0)
    seen_by(view, normal(3, 3), 6)
    with pytest.raises(ValueError, match="met step 5 after 6"):
        seen_by(view, normal(3, 3), 5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((lambda step: 1.5),), "at step 0 must lie in"),
        ((0.5, {"score": "size"}), "score must be one of"),
        ((0.5, {"structure": "3:2"}), "structure must be"),
        ((0.4, {"structure": "2:4"}), "sparsity of structure 2:4 is 0.5, got 0.4"),
        (({"w": np.ones((2, 2), bool)}, {"scope": "global"}), "scope: settings by which masks"),
        (("half",), "must lie in"),
    ],
)
def test_settings_are_refused_when_the_view_is_made(arguments, message):
    masks, how = (*arguments, {})[:2]
    with pytest.raises(ValueError, match=message):
        masked(masks, **how)


def test_movement_by_hand():
    params = {"w": np.array([[1, -2], [3, 4]], np.float32), "b": np.ones(2, np.float32),
              "w:score": np.array([[0.3, -5], [-0.1, 0.2]], np.float32)}
    seen, pullback = learned_masks(lambda step: step / 4, weights=True)(params, 2)
    assert seen["w"].tolist() == [[1, 0], [0, 4]]
    grads = pullback({"w": np.array([[10, 20], [30, 40]], np.float32), "b": np.ones(2, np.float32)})
    assert grads.keys() == {"w", "w:score", "b"}
    assert grads["w"].tolist() == [[10, 0], [0, 40]]
    assert grads["w:score"].tolist() == [[10, -40], [90, 160]]


def test_scores_of_movement_begin_at_zero():
    scores = add_scores({"w": normal(4, 4)}, zeros=True)["w:score"]
    assert scores.dtype == np.float32 and not scores.any()
    with pytest.raises(ValueError, match="one of zeros and seed, got seed 0"):
        add_scores({"w": normal(4, 4)}, zeros=True, seed=0)


def test_what_moves_away_from_zero_is_kept_however_small():
    """loss = −Σ|w| where `grow`, +Σ|w| elsewhere: sizes say one thing, movements another."""
    w = np.array([[0.1, 5, -0.1, -5]], np.float32)
    grow = np.array([[1, -1, 1, -1]])
    trained, _ = fit(
        None, add_scores({"w": w}, zeros=True), [None] * 20,
        loss=lambda model, seen, batch, rng: (0.0, {"w": (-grow * np.sign(w)).astype(w.dtype)}, 1),
        view=learned_masks(cubic(0.5, end=10), weights=True), schedule=constant(1e-2),
        optimizer=AdamW(weight_decay=0),
    )  # fmt: skip
    assert prune_by_scores(trained, 0.5)["w"].dense().astype(bool).tolist() == [[1, 0, 1, 0]]
    assert (np.abs(trained["w"]) > np.abs(w)).tolist() == [[True, False, True, False]]


@pytest.mark.parametrize("regrow", [True, False])
def test_pruned_little_by_little_costs_less_than_at_once(regrow):
    model = LSTMLanguageModel(vocab_size=7, width=16)

    def batch(step):
        start = np.random.default_rng(step).integers(0, 7, (8, 1))
        tokens = ((start + np.arange(9)) % 7).astype(np.int32)
        return tokens[:, :-1], tokens[:, 1:]

    def loss_of(params):
        return np.mean([entry["loss"] for entry in
                        fit(model, params, batch, steps=2, schedule=constant(1e-12))[1]])

    trained, _ = fit(model, model.init(0), batch, steps=60, schedule=constant(1e-2))
    view = masked(cubic(0.8, end=40), regrow=regrow)
    tuned, _ = fit(model, trained, batch, steps=60, view=view, schedule=constant(5e-3))
    at_once = loss_of({n: w.dense() if w.ndim > 1 else w for n, w in prune(trained, 0.8).items()})
    assert loss_of(view(tuned, 60)[0]) < 0.7 * at_once
