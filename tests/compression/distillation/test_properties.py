"""What holds of the labels' losses for any logits, and what they refuse."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minilm.compression.distillation import distillation_loss, hard_label_loss, labels

ALPHAS = st.floats(0, 1)
TEMPERATURES = st.floats(0.2, 50)


@st.composite
def lessons(draw):
    """Student's and teacher's logits (N, V) float64, targets (N,), some of them ignored."""
    n, v = draw(st.integers(1, 6)), draw(st.integers(1, 8))
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    scale = draw(st.sampled_from([0.1, 1, 10]))
    targets = rng.integers(0, v, n)
    targets[rng.random(n) < 0.3] = -100
    return scale * rng.normal(size=(n, v)), scale * rng.normal(size=(n, v)), targets


def both(lesson, temperature, alpha):
    """Of soft and of hard labels: (loss as a function of the logits, its answer at these)."""
    z, v, targets = lesson

    def soft(z):
        return distillation_loss(z, v, targets, temperature=temperature, alpha=alpha)

    def hard(z):
        return hard_label_loss(z, v, targets, alpha=alpha)

    return [(soft, *soft(z)), (hard, *hard(z))]


@settings(max_examples=80, deadline=None)
@given(lessons(), TEMPERATURES, ALPHAS, st.integers(0, 99))
def test_losses_and_gradients(lesson, temperature, alpha, seed):
    """No loss is below 0, and its gradient moves no token's sum; each is the slope of its loss."""
    z, _, targets = lesson
    direction = np.random.default_rng(seed).normal(size=z.shape)
    step = 1e-5
    for of, loss, gradient in both(lesson, temperature, alpha):
        assert loss >= -1e-9
        np.testing.assert_allclose(gradient.sum(axis=-1), 0, atol=1e-9)
        assert not gradient[targets == -100].any()
        slope = (of(z + step * direction)[0] - of(z - step * direction)[0]) / (2 * step)
        assert np.vdot(gradient, direction) == pytest.approx(slope, rel=1e-4, abs=1e-5)


@settings(max_examples=60, deadline=None)
@given(lessons(), TEMPERATURES, ALPHAS)
def test_alpha_mixes_the_teacher_and_the_targets(lesson, temperature, alpha):
    parts = [both(lesson, temperature, share) for share in (alpha, 1, 0)]
    for (_, loss, gradient), (_, taught, by_it), (_, right, by_them) in zip(*parts, strict=True):
        assert loss == pytest.approx(alpha * taught + (1 - alpha) * right, abs=1e-9)
        mixed = alpha * by_it + (1 - alpha) * by_them
        np.testing.assert_allclose(gradient, mixed, atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(lessons(), TEMPERATURES, st.sampled_from([np.float16, np.float32, np.float64]))
def test_the_students_dtype_is_kept_and_no_layout_matters(lesson, temperature, dtype):
    z, v, targets = lesson
    z, v = z.astype(dtype), v.astype(dtype)
    kept = z.copy(), v.copy(), targets.copy()
    how = {"temperature": np.float64(temperature), "alpha": np.float64(0.5)}
    loss, gradient = distillation_loss(z, v, targets, **how)
    strided = distillation_loss(np.asfortranarray(z), np.repeat(v, 2, axis=0)[::2], targets, **how)
    assert type(loss) is float
    assert gradient.dtype == dtype
    rounding = 10 * float(np.finfo(dtype).eps)  # of the KL, which T² multiplies
    assert strided[0] == pytest.approx(loss, rel=rounding, abs=rounding * max(1, temperature**2))
    for one, other in zip((z, v, targets), kept, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("piece", [1, 7, 15])
def test_in_pieces_as_at_once(piece, monkeypatch):
    rng = np.random.default_rng(0)
    z, v, targets = *rng.normal(size=(2, 3, 4, 7)), rng.integers(0, 7, (3, 4))
    targets[1, 2] = -100
    how = {"temperature": 3, "alpha": 0.6}
    loss, gradient = distillation_loss(z, v, targets, **how)
    monkeypatch.setattr(labels, "PIECE", piece)
    parts, of_parts = distillation_loss(z, v, targets, **how)
    assert parts == pytest.approx(loss, rel=1e-12)
    np.testing.assert_allclose(of_parts, gradient, atol=1e-15)


def test_nothing_and_one_class():
    for loss in (distillation_loss, hard_label_loss):
        how = {"temperature": 1, "alpha": 0.5}
        empty = np.zeros((0, 3), np.float32)
        assert loss(empty, empty, np.zeros(0, int), **how)[0] == 0
        total, gradient = loss(*np.ones((2, 4, 1)), np.zeros(4, int), **how)
        assert total == 0
        assert not gradient.any()
        with pytest.raises(ValueError, match=r"targets must lie in \[0, 0\)"):
            loss(*np.ones((2, 4, 0)), np.zeros(4, int), **how)


def test_float32_is_enough_up_to_high_temperatures():
    rng = np.random.default_rng(0)
    z, v, targets = *rng.normal(0, 2, (2, 200, 50)).astype(np.float32), rng.integers(0, 50, 200)
    for temperature, digits in ((1, 6), (20, 5), (100, 4), (1000, 2)):
        how = {"temperature": temperature, "alpha": 1}
        wide = distillation_loss(z.astype(np.float64), v.astype(np.float64), targets, **how)
        loss, gradient = distillation_loss(z, v, targets, **how)
        assert loss == pytest.approx(wide[0], rel=10.0**-digits)
        assert np.abs(gradient - wide[1]).max() < 1e-4 * np.abs(wide[1]).max()


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_a_teacher_that_is_not_finite_is_named(number):
    """NaN would be the likeliest answer otherwise: a hard label like any other."""
    z, v, targets = np.zeros((4, 3)), np.zeros((4, 3)), np.array([0, 1, 2, -100])
    v[1, 2] = number
    for loss in (distillation_loss, hard_label_loss):
        message = "teacher_logits must be finite, got 1 NaN or infinite of 12"
        with np.errstate(invalid="ignore"), pytest.raises(ValueError, match=message):
            loss(z, v, targets, temperature=1, alpha=0.5)


def test_logits_are_floats():
    z, targets = np.zeros((4, 3), np.float32), np.array([0, 1, 2, 0])
    for loss in (distillation_loss, hard_label_loss):
        for bad in (z.astype(int), z > 0, z.tolist()):
            with pytest.raises(TypeError, match="teacher_logits must be a float array"):
                loss(z, bad, targets, temperature=1, alpha=0.5)
            with pytest.raises(TypeError, match="student_logits must be a float array"):
                loss(bad, z, targets, temperature=1, alpha=0.5)
        with pytest.raises(TypeError, match="targets must be an integer array"):
            loss(z, z, targets.tolist(), temperature=1, alpha=0.5)
