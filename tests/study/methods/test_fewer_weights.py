"""Every way to fewer weights once, on tiny models: it leaves out what it says, and is measured."""

import numpy as np
import pytest

from minilm.compression import PRUNING
from minilm.study.cells import plan
from minilm.study.measure import numbers_kept
from minilm.study.methods.bench import Bench
from minilm.study.methods.cell import method_row, numbers
from minilm.study.methods.comparisons import FEWER_WEIGHTS
from minilm.study.methods.pruned import ONCE, PRUNED_ROWS, SAME_SCOPE
from minilm.study.settings import LanguageModelRecipe, Settings, methods_study
from minilm.study.subjects import new_subject
from minilm.text import GRAMMAR
from minilm.weights import Product, SparseTensor, Weight, as_dense

TEXT = GRAMMAR.sample(150, seed=3)
TRAINING = {"steps": 2, "batch_size": 4, "context": 16, "learning_rate": 1e-2, "tuning_steps": 3}
SETTINGS = Settings(methods="fewer-weights", language_models={
    "Transformer": LanguageModelRecipe(
        {"model": "TransformerLanguageModel", "width": 16, "layers": 1, "heads": 4, "context": 16},
        **TRAINING,
    ),
    "LSTM": LanguageModelRecipe({"model": "LSTMLanguageModel", "width": 16}, **TRAINING),
})  # fmt: skip
TRIED = FEWER_WEIGHTS.tried


@pytest.fixture(scope="module", params=["Transformer", "LSTM"])
def bench(request, tmp_path_factory):
    kept = tmp_path_factory.mktemp("models") / "model.npz"
    subject = new_subject(SETTINGS, request.param, TEXT, kept, seed=0)
    subject.train()
    return Bench(subject, windows=8)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr("minilm.study.methods.cell.TIMES", 1)
    monkeypatch.setattr("minilm.study.methods.cell.TIMED_TOKENS", 32)
    monkeypatch.setattr("minilm.study.methods.cell.evaluate", lambda *_, **__: 1.0)


def zeros(params):
    """The share of the numbers of pruned weights that are exactly zero."""
    pruned = [as_dense(w) for name, w in params.items() if isinstance(w, Weight)]
    return sum(np.count_nonzero(w == 0) for w in pruned) / sum(w.size for w in pruned)


@pytest.mark.parametrize("name", PRUNED_ROWS)
def test_what_prunes_leaves_out_the_share_it_was_asked_for(name, bench):
    percent = TRIED[name].amounts[-1]
    params = TRIED[name].make(bench, percent).params
    rounded_to_zero = 0.1 if "bits" in name else 0
    assert percent / 100 - 0.02 <= zeros(params) <= percent / 100 + 0.02 + rounded_to_zero
    assert np.isfinite(bench.model.forward(params, bench.batches[0][0])[0]).all()


def test_what_is_pruned_and_tuned_was_trained_and_stays_out(bench):
    at_once = TRIED["magnitude, global"].make(bench, 80).params
    tuned = TRIED["magnitude, global, tuned"].make(bench, 80).params
    moved = 0
    for name, w in at_once.items():
        if isinstance(w, SparseTensor):
            np.testing.assert_array_equal(w.kept, tuned[name].kept)
            moved += np.abs(w.dense() - tuned[name].dense()).max()
    assert moved > 0


def test_while_it_is_tuned_the_model_sees_what_is_left(bench):
    seen = []

    class Watching:
        def __getattr__(self, name):
            return getattr(bench.subject, name)

        def fit(self, params, steps, view, **how):
            assert steps == TRAINING["tuning_steps"]
            grown = {name: w + 1 for name, w in params.items()}
            seen.append([view(grown, step)[0] for step in range(steps)][-1])
            return params, []

    for name in ("magnitude, tuned", "gradual", "gradual, without regrowth"):
        TRIED[name].make(Bench(Watching(), windows=8), 80)
    for params in seen:
        left = [np.mean(w != 0) for w in params.values() if w.ndim > 1]
        np.testing.assert_allclose(left, 0.2, atol=0.02)
    assert len(seen) == 3


def test_the_ticket_begins_where_the_float_model_began(bench):
    begun = []

    class Watching:
        def __getattr__(self, name):
            return getattr(bench.subject, name)

        def fit(self, params, steps, **how):
            begun.append(params)
            return params, []

    ticket = TRIED["lottery ticket"].make(Bench(Watching(), windows=8), 80).params
    fresh = bench.fresh()
    assert len(begun) == 2
    for params in begun:
        assert all((params[name] == w).all() for name, w in fresh.items())
    assert zeros(ticket) == pytest.approx(0.8, abs=0.01)


@pytest.mark.parametrize("name", [name for name in TRIED if name not in PRUNED_ROWS])
def test_what_makes_a_model_narrower_has_its_row_or_a_reason(name, bench):
    row = method_row(bench, name, TRIED[name].amounts[-1], FEWER_WEIGHTS)
    lstm = "LSTM" in type(bench.model).__name__
    foreign = ("neurons", "heads", "student, attention") if lstm else ("units", "student, cut")
    if name.startswith(foreign):
        assert "loss" not in row and len(row["note"]) > 20
        return
    assert row["left_out"] == TRIED[name].amounts[-1] and np.isfinite(row["loss"])
    assert 0 < row["density"] <= 1 and row["coded_bytes"] > 0
    assert (row["density"] == 1) == (row["left_out"] == 0)
    assert row["bits_per_weight"] == pytest.approx(32 * row["density"], rel=0.01)


def test_two_factors_have_at_most_the_numbers_that_are_left(bench):
    made = TRIED["SVD, activation-aware"].make(bench, 75).params
    products = {name: w for name, w in made.items() if isinstance(w, Product)}
    assert products and "token_embedding" not in products
    for name, w in products.items():
        assert numbers_kept(w) <= 0.25 * bench.params[name].size


def test_density_counts_what_is_kept_of_all_there_was(bench):
    row = method_row(bench, "magnitude, 4 bits", 50, FEWER_WEIGHTS)
    vectors = sum(w.size for w in bench.params.values() if w.ndim < 2)
    scales = sum(w.shape[1] for w in bench.params.values() if w.ndim > 1)
    all_numbers = numbers(bench.params)
    kept = row["density"] * all_numbers
    assert (all_numbers - vectors) / 2 + vectors - 1 <= kept <= (
        (all_numbers - vectors) / 2 + vectors + 4 * scales)
    assert numbers_kept(Product(np.zeros((4, 1)), np.zeros((1, 6)))) == 10
    assert numbers_kept(SparseTensor.from_dense(np.eye(3), np.eye(3) > 0)) == 3


def test_every_scope_has_its_scores():
    for scope in ("local", "output", "global"):
        own = {row.score for row in ONCE.values()
               if (row.scope, row.structure) == (scope, "element")}  # fmt: skip
        assert {"magnitude", "wanda", "obs"} <= own
    assert not set(PRUNING) & set(SAME_SCOPE)


def test_a_plan_is_what_two_cores_do_in_about_an_hour():
    planned = plan(methods_study("fewer-weights"))
    assert len({cell.name for cell in planned}) == len(planned)
    own = [cell for cell in planned if (cell.model, cell.seed) == ("LSTM", 1)]
    long = [c for c in own[1:] if TRIED[c.method].control or "student" in c.method]
    assert len(own) < 125 and len(long) < 40
