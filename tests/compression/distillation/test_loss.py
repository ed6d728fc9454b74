"""distil as a whole: every term's gradient, who learns, and what is refused."""

import numpy as np
import pytest

from minilm.compression import distil, quantize, straight_through
from minilm.compression.distillation import add_hint, drop_hint
from minilm.models import LSTMLanguageModel, TransformerLanguageModel
from minilm.training import cross_entropy_loss, fit, warmup_cosine


def has_attention(*models):
    return all("attend" in type(m).forward.__annotations__ for m in models)


def hinted(params, teacher, student):
    return add_hint(params, (student.width, teacher.width), seed=2)


def test_the_gradient_of_every_term_together(case, check_loss_gradient):
    teacher, teacher_params, student, params, batch = case
    how = {"temperature": 2.0, "alpha": 0.7, "hidden": 0.3}
    if has_attention(teacher, student):
        how["attention"] = 0.9
        how["values"] = 0.4 * same_groups(teacher, student, batch)
    wide = {n: p.astype(np.float64) for n, p in teacher_params.items()}
    loss = distil(teacher, wide, **how)
    start = hinted(params, teacher, student)
    total, _, count = check_loss_gradient(loss, student, start, batch)
    assert count == np.count_nonzero(batch[-1] != -100)
    plain = distil(teacher, wide, temperature=2.0, alpha=0.7)(
        student, {n: p.astype(np.float64) for n, p in params.items()}, batch, None
    )[0]
    assert total > plain + 1e-3


def same_groups(teacher, student, batch):
    groups = [getattr(m, "key_value_heads", None) or m.heads for m in (teacher, student)]
    return len(batch) == 2 and groups[0] == groups[1]


def test_hard_labels(case, check_loss_gradient):
    teacher, teacher_params, student, params, batch = case
    loss = distil(teacher, teacher_params, alpha=0.6, labels="hard")
    check_loss_gradient(loss, student, params, batch)
    *inputs, targets = batch
    answers = teacher.forward(teacher_params, *inputs)[0].argmax(axis=-1)
    answers = np.where(targets == -100, -100, answers)
    taught = distil(teacher, teacher_params, alpha=1, labels="hard")(student, params, batch, None)
    plain = cross_entropy_loss(student, params, (*inputs, answers), None)
    assert (taught[0], taught[2]) == (pytest.approx(plain[0]), plain[2])


def test_float32_stays(case):
    teacher, teacher_params, student, params, batch = case
    how = {"attention": 1.0} if has_attention(teacher, student) else {}
    loss = distil(teacher, teacher_params, alpha=0.5, hidden=1.0, **how)
    start = hinted(params, teacher, student)
    total, grads, _ = loss(student, start, batch, np.random.default_rng(0))
    assert isinstance(total, float)
    assert grads.keys() == start.keys()
    assert {g.dtype for g in grads.values()} == {np.dtype(np.float32)}


def test_neither_a_wide_teacher_nor_wide_numbers_widen_the_student(case):
    teacher, teacher_params, student, params, batch = case
    wide = {n: p.astype(np.float64) for n, p in teacher_params.items()}
    one = np.float64(1)
    how = {"attention": one} if has_attention(teacher, student) else {}
    loss = distil(teacher, wide, temperature=2 * one, alpha=0.5 * one, hidden=one, **how)
    total, grads, _ = loss(student, hinted(params, teacher, student), batch, None)
    assert type(total) is float
    assert {g.dtype for g in grads.values()} == {np.dtype(np.float32)}


def test_targets_that_are_all_ignored_teach_nothing(case):
    teacher, teacher_params, student, params, batch = case
    how = {"attention": 1.0} if has_attention(teacher, student) else {}
    loss = distil(teacher, teacher_params, alpha=0.5, hidden=1.0, **how)
    ignored = (*batch[:-1], np.full_like(batch[-1], -100))
    total, grads, count = loss(student, hinted(params, teacher, student), ignored, None)
    assert (total, count) == (0, 0)
    assert not any(g.any() for g in grads.values())


def test_a_compressed_teacher_teaches_too(case):
    """Its leaves answer x @ w like any others; here as it would be without rounding."""
    teacher, teacher_params, student, params, batch = case
    how = {"attention": 1.0} if has_attention(teacher, student) else {}
    start = hinted(params, teacher, student)
    exact, near = (
        distil(teacher, theirs, alpha=1, hidden=1, **how)(student, start, batch, None)[0]
        for theirs in (teacher_params, quantize(teacher_params, 8))
    )
    assert near == pytest.approx(exact, rel=0.1)
    assert near != exact


def test_a_student_learns_all_of_it_and_the_teacher_stays_bit_for_bit(case):
    teacher, teacher_params, student, params, batch = case
    frozen = {name: w.tobytes() for name, w in teacher_params.items()}
    for w in teacher_params.values():
        w.flags.writeable = False
    how = {"attention": 1.0} if has_attention(teacher, student) else {}
    loss = distil(teacher, teacher_params, alpha=1.0, hidden=1.0, **how)
    start = hinted(params, teacher, student)
    trained, _ = fit(
        student, start, [batch], steps=40, loss=loss, schedule=lambda step: 0.02, seed=3
    )
    before, after = (loss(student, p, batch, None)[0] for p in (start, trained))
    assert after < 0.5 * before
    assert not np.array_equal(trained["hint:w"], start["hint:w"])
    assert drop_hint(trained).keys() == params.keys()
    assert {name: w.tobytes() for name, w in teacher_params.items()} == frozen


def test_shares_of_a_batch_add_up(case):
    """fit with two workers: the sums over two halves are those over all."""
    teacher, teacher_params, student, params, batch = case
    how = {"attention": 1.0} if has_attention(teacher, student) else {}
    loss = distil(teacher, teacher_params, alpha=0.5, hidden=1.0, **how)
    start = hinted(params, teacher, student)
    whole = loss(student, start, batch, None)
    parts = [loss(student, start, tuple(a[rows] for a in batch), None)
             for rows in (slice(0, 1), slice(1, None))]
    assert parts[0][0] + parts[1][0] == pytest.approx(whole[0], rel=1e-4)
    for name, grad in whole[1].items():
        np.testing.assert_allclose(
            parts[0][1][name] + parts[1][1][name], grad, rtol=1e-3, atol=1e-4
        )


def text(step, rows=8):
    """A text with a rule: the next letter is one or two further on."""
    steps = np.random.default_rng(step).integers(1, 3, (rows, 9))
    tokens = (np.cumsum(steps, axis=1) % 11).astype(np.int32)
    return tokens[:, :-1], tokens[:, 1:]


def loss_of(model, params):
    total, _, count = cross_entropy_loss(model, params, text(10**6, rows=160), None)
    return total / count


@pytest.fixture(scope="module")
def taught():
    """A Transformer and an LSTM that know the rule: {name: (model, params)}."""
    models = {
        "transformer": TransformerLanguageModel(11, width=16, layers=1, heads=2, context=8),
        "lstm": LSTMLanguageModel(11, width=16),
    }
    return {name: (m, fit(m, m.init(0), text, **SCHEDULE)[0]) for name, m in models.items()}


SCHEDULE = {"steps": 200, "schedule": warmup_cosine(0.02, warmup=20, steps=200)}


@pytest.mark.parametrize(
    ("teacher", "student"),
    [("transformer", "lstm"), ("lstm", "transformer"), ("transformer", "transformer")],
)
def test_one_kind_teaches_another_and_itself(taught, teacher, student):
    """The third is self-distillation (born again): one architecture, fresh parameters. No student
    sees a target (α = 1)."""
    model, (its_model, its_params) = taught[student][0], taught[teacher]
    assert loss_of(its_model, its_params) < 0.75  # log 2 = 0.69 is the best; log 11 = 2.4
    loss = distil(its_model, its_params, alpha=1)
    params, _ = fit(model, model.init(5), text, loss=loss, **SCHEDULE)
    assert loss_of(model, params) < 0.76


@pytest.mark.parametrize("name", ["transformer", "lstm"])
def test_a_float_model_teaches_its_two_bit_copy(taught, name):
    """Quantization-aware distillation: the loss and the view are two openings, and know nothing of
    each other. Where there is little text, 64 letters here, the targets alone are learned by heart;
    the teacher says of each how sure one can be."""
    model, params = taught[name]
    how = {"steps": 100, "schedule": warmup_cosine(0.01, warmup=5, steps=100)}
    by_teacher, plain = (
        loss_of(model, quantize(
            fit(model, params, [text(0)], loss=loss, view=straight_through(2), **how)[0], 2
        ))
        for loss in (distil(model, params, alpha=1), cross_entropy_loss)
    )  # fmt: skip
    assert by_teacher < loss_of(model, quantize(params, 2)) - 0.05
    assert by_teacher < plain - 0.1


def test_the_hint_is_seen_whole_by_a_student_in_few_bits(taught):
    model, params = taught["transformer"]
    start = add_hint(params, (16, 16), seed=0)
    seen, _ = straight_through(2)(start, 0)
    np.testing.assert_array_equal(seen["hint:w"], start["hint:w"])
    trained, _ = fit(
        model, start, text, steps=3, loss=distil(model, params, alpha=1, hidden=1),
        view=straight_through(2),
    )  # fmt: skip
    assert not np.array_equal(trained["hint:w"], start["hint:w"])
    assert isinstance(quantize(trained, 2)["hint:w"], np.ndarray)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"temperature": 0}, ValueError, "temperature"),
        ({"alpha": 2}, ValueError, "alpha"),
        ({"labels": "soften"}, ValueError, "labels .*'soft', 'hard', got 'soften'"),
        ({"hidden": -1}, ValueError, "hidden .*-1"),
        ({"attention": float("nan")}, ValueError, "attention .*nan"),
        ({"values": float("inf")}, ValueError, "values .*inf"),
    ],
)
def test_settings_out_of_range(change, error, message):
    model = TransformerLanguageModel(7, width=8, layers=1, heads=2, context=8)
    with pytest.raises(error, match=message):
        distil(model, model.init(0), **{"alpha": 0.5, **change})


def test_models_that_do_not_meet():
    wide, narrow, lstm = (
        TransformerLanguageModel(7, width=8, layers=1, heads=4, context=8),
        TransformerLanguageModel(7, width=4, layers=1, heads=2, context=8),
        LSTMLanguageModel(7, width=4),
    )
    batch = (np.ones((2, 4), int), np.ones((2, 4), int))

    def run(teacher, student, **how):
        distil(teacher, teacher.init(0), alpha=1, **how)(student, student.init(0), batch, None)

    with pytest.raises(TypeError, match=r"teacher .*LSTMLanguageModel"):
        run(lstm, narrow, attention=1)
    with pytest.raises(TypeError, match=r"model .*LSTMLanguageModel"):
        run(narrow, lstm, attention=1)
    with pytest.raises(ValueError, match=r"as many heads .* 4 and 2"):
        run(wide, narrow, attention=1)
    with pytest.raises(ValueError, match=r"teacher_logits must have shape \(2, 4, 7\)"):
        run(LSTMLanguageModel(9, width=4), narrow)
    with pytest.raises(ValueError, match=r"hint:w must have shape \(4, 8\).* got none"):
        run(wide, narrow, hidden=1)
    with pytest.raises(ValueError, match="temperature must be 1"):
        run(narrow, narrow, temperature=2, labels="hard")
