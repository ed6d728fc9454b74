"""What is narrower by as much as it says, and who is taught what."""

import numpy as np
import pytest

from minilm.compression.shrinking import groups_of, shrink
from minilm.study.methods import students
from minilm.study.methods.bench import Bench
from minilm.study.methods.narrower import NARROWER
from minilm.study.methods.students import ALONE, STUDENTS
from minilm.study.settings import LanguageModelRecipe, Settings
from minilm.study.subjects import new_subject
from minilm.text import GRAMMAR
from minilm.weights import Product

TRAINING = {"steps": 2, "batch_size": 4, "context": 16, "learning_rate": 1e-2, "tuning_steps": 3}
SETTINGS = Settings(methods="fewer-weights", language_models={
    "Transformer": LanguageModelRecipe(
        {"model": "TransformerLanguageModel", "width": 16, "layers": 1, "heads": 4, "context": 16},
        **TRAINING,
    ),
    "LSTM": LanguageModelRecipe({"model": "LSTMLanguageModel", "width": 16}, **TRAINING),
})  # fmt: skip


@pytest.fixture(scope="module", params=["Transformer", "LSTM"])
def bench(request, tmp_path_factory):
    kept = tmp_path_factory.mktemp("models") / "model.npz"
    subject = new_subject(SETTINGS, request.param, GRAMMAR.sample(150, seed=3), kept, seed=0)
    subject.train()
    return Bench(subject, windows=8)


def is_lstm(bench):
    return "LSTM" in type(bench.model).__name__


@pytest.mark.parametrize("percent", [25, 50])
def test_so_many_groups_are_left_out_and_what_is_left_may_be_tuned(bench, percent):
    for what in ("units",) if is_lstm(bench) else ("neurons", "heads"):
        before = groups_of(bench.model, bench.params, what)
        by_score = {}
        for how in ("by magnitude", "by activation", "tuned"):
            made = by_score[how] = NARROWER[f"{what}, {how}"].make(bench, percent)
            for name, groups in groups_of(made.model, made.params, what).items():
                assert groups.count == before[name].count * (100 - percent) / 100
        for scores in ("magnitude", "activation"):
            expected = shrink(bench.model, bench.params, percent / 100, what=what, scores=scores,
                              calibration=bench.seen)[1]  # fmt: skip
            for name, w in by_score[f"by {scores}"].params.items():
                np.testing.assert_array_equal(w, expected[name])
        untouched, tuned = by_score["by activation"].params, by_score["tuned"].params
        assert {n: w.shape for n, w in tuned.items()} == {n: w.shape for n, w in untouched.items()}
        assert any((w != untouched[name]).any() for name, w in tuned.items())


def test_factors_have_the_rank_of_the_share_that_is_left_and_may_be_tuned(bench):
    changes = {}
    for how in ("SVD", "SVD, activation-aware"):
        plain, tuned = (NARROWER[name].make(bench, 75).params for name in (how, f"{how}, tuned"))
        assert isinstance(plain["token_embedding"], np.ndarray)  # and the rest are products
        products = {name for name, w in plain.items() if isinstance(w, Product)}
        assert products == {
            name for name, w in plain.items() if w.ndim == 2 and not name.endswith("embedding")
        }
        for name in products:
            m, n = plain[name].shape
            assert plain[name].a.shape[1] == max(1, int(0.25 * m * n / (m + n)))
            assert tuned[name].a.shape == plain[name].a.shape
            assert (tuned[name].a != plain[name].a).any()
            assert (tuned[name].b != plain[name].b).any()
            change = bench.params[name] - plain[name].dense()
            cost = bench.seen[name].cost
            changes.setdefault(name, []).append((np.vdot(change, change),
                                                 np.vdot(change, cost @ change)))  # fmt: skip
    for (of_weights, of_outputs), (of_weights_aware, of_outputs_aware) in changes.values():
        assert of_weights < of_weights_aware and of_outputs_aware < of_outputs


LESSONS = {
    "student, soft targets": [{"alpha": 0.5}],
    "student, soft targets alone": [{"alpha": 1.0}],
    "student, soft targets, T = 2": [{"alpha": 0.5, "temperature": 2.0}],
    "student, hard labels": [{"alpha": 0.5, "labels": "hard"}],
    "student, hidden states": [{"alpha": 0.5, "hidden": 1.0}],
    "student, hidden states first": [{"alpha": 0.5, "hidden": 30.0}, {"alpha": 0.5}],
    "student, attention": [{"alpha": 0.5, "attention": 1.0, "values": 1.0}],
    "student, cut from its teacher": [{"alpha": 0.5}],
}


def test_every_student_but_the_controls_has_a_lesson():
    assert STUDENTS.keys() == LESSONS.keys() | {ALONE, "student alone, in two parts"}


@pytest.mark.parametrize("name", STUDENTS)
def test_students_of_half_the_width_learn_what_their_names_say(name, bench, monkeypatch):
    if name == ("student, attention" if is_lstm(bench) else "student, cut from its teacher"):
        return  # has no attention, or no units: refused
    lessons, distil = [], students.distil

    def watched(teacher, params, **lesson):
        assert teacher == bench.model
        assert params is bench.params
        lessons.append(lesson)
        return distil(teacher, params, **lesson)

    monkeypatch.setattr(students, "distil", watched)
    made = STUDENTS[name].make(bench, 50)
    assert lessons == LESSONS.get(name, [])
    assert made.model.width == 8
    assert made.params.keys() == made.model.init(0).keys()  # without what only taught
    fresh = made.model.init(bench.subject.seed)
    assert any((w != fresh[name]).any() for name, w in made.params.items())


def test_one_student_begins_as_a_part_of_its_teacher_and_all_learn_as_long(bench, monkeypatch):
    begun = []

    def fit(subject, params, steps, **how):
        begun.append((params, steps, sorted(how)))
        return params, []

    monkeypatch.setattr(type(bench.subject), "fit", fit)
    names = [ALONE, "student, soft targets"]
    names += ["student, cut from its teacher"] if is_lstm(bench) else []
    made = [STUDENTS[name].make(bench, 50) for name in names]
    assert {steps for _, steps, _ in begun} == {TRAINING["steps"]}
    assert [how for *_, how in begun] == [[], ["loss"], ["loss"]][: len(names)]
    fresh = made[0].model.init(bench.subject.seed)
    assert all((w == fresh[name]).all() for name, w in begun[0][0].items())
    for one, other in zip(made[0].params.values(), made[1].params.values(), strict=True):
        np.testing.assert_array_equal(one, other)  # both begin from the same numbers
    if is_lstm(bench):
        rows = bench.params["head.b"]
        np.testing.assert_array_equal(begun[2][0]["head.b"], rows)
        taken = np.isin(begun[2][0]["lstm.0.w_h"], bench.params["lstm.0.w_h"])
        assert taken.all()


@pytest.mark.parametrize("name", ["student alone, in two parts", "student, hidden states first"])
def test_parts_share_the_steps_and_the_second_begins_where_the_first_ended(
    name, bench, monkeypatch
):
    parts = []

    def fit(subject, params, steps, **how):
        parts.append((steps, "loss" in how, params))
        return {name: w + 1 for name, w in params.items()}, []

    monkeypatch.setattr(type(bench.subject), "fit", fit)
    made = STUDENTS[name].make(bench, 50)
    (first, taught, begun), (second, taught_too, went_on) = parts
    assert (first, second) == (1, 1)  # of 2, by 0.3 and 0.7
    assert taught == taught_too == ("hint:w" in begun) == (name != "student alone, in two parts")
    for name, w in begun.items():
        np.testing.assert_array_equal(went_on[name], w + 1)
    assert "hint:w" not in made.params
