"""The notebook on training with few bits: wrong answers get their hints, and torch has its rule.

Each wrong answer is a mistake that learners make, and the words its hint must hold.
"""

import ast
from pathlib import Path

import numpy as np
import pytest

from minilm.compression.adamw_8bit import dynamic_levels
from minilm.compression.quantization.grids import GRIDS
from minilm.compression.views.learned_steps import learned_step, learned_step_backward
from minilm.course import verdict
from minilm.course.exercises import EXERCISES

SOURCE = Path(__file__).parents[2] / "notebooks" / "source" / "10_training_with_few_bits.py"
TREE = ast.parse(SOURCE.read_text(encoding="utf-8"))


def from_notebook(name):
    """A function as the notebook defines it."""
    known = {"np": np}
    (found,) = [n for n in TREE.body if isinstance(n, ast.FunctionDef) and n.name == name]
    exec(compile(ast.Module([found], []), str(SOURCE), "exec"), known)
    return known[name]


def hint(exercise, answer):
    given = verdict(EXERCISES[exercise], answer)
    assert given.state == "wrong"
    return given.hint


def by_coin(rounding=np.floor, chance=lambda f, rng: rng.random(f.shape) < f):
    def answer(x, step, rng):
        down = rounding(x / step)
        return step * (down + chance(x / step - down, rng))

    return answer


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda x, step, rng: step * np.rint(x / step), "not by chance"),
        (lambda x, step, rng: np.floor(x / step + rng.random(x.shape)), "multiples of step"),
        (by_coin(rounding=np.trunc, chance=lambda f, rng: np.sign(f) * (rng.random(f.shape) < 0.5)),
         "mean"),
        (by_coin(chance=lambda f, rng: rng.random(f.shape) > f), "exchanged"),
        (by_coin(chance=lambda f, rng: (rng.random(f.shape) > f) & (f > 1e-9) & (f < 1 - 1e-9)),
         "exchanged"),
        (by_coin(chance=lambda f, rng: (rng.random(f.shape) < 0.5) & (f > 1e-9)),
         "the mean is not"),
        (by_coin(chance=lambda f, rng: rng.random() < f), "the same"),
        (by_coin(chance=lambda f, rng: rng.random((len(f), *[1] * (f.ndim - 1))) < f),
         "same way at once"),
        (by_coin(rounding=np.trunc, chance=lambda f, rng: rng.random(f.shape) < np.abs(f)),
         "np.floor"),
        (lambda x, step, rng: step * np.rint(x / step + rng.random(x.shape)), "stay"),
        (by_coin(chance=lambda f, rng: (f > 1e-9) * (rng.random() < f)), "same way at once"),
    ],
)
def test_wrong_coins_are_told_why(answer, said):
    assert said in hint("stochastic_round", answer)


def masked(mask):
    def answer(w, dw_hat, scale, zero_point, bits):
        return dw_hat * mask(w / scale, zero_point, 2**bits - 1)

    return answer


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (masked(lambda v, z, last: 1), "should get 0"),
        (masked(lambda v, z, last: 0), "true slope"),
        (masked(lambda v, z, last: (np.rint(v) + z > 0) & (np.rint(v) + z < last)), "first and"),
        (masked(lambda v, z, last: (np.rint(v) >= 0) & (np.rint(v) <= last)), "zero point"),
        (masked(lambda v, z, last: np.abs(np.rint(v) + z) <= last // 2), "0 … 2^b − 1"),
        (masked(lambda v, z, last: (np.rint(v) + z >= 0) & (np.rint(v) + z <= last + 1)),
         "last code"),
        (masked(lambda v, z, last: (v + z >= 0) & (v + z <= last)), "half"),
        (masked(lambda v, z, last: np.abs(v) <= last // 2), "symmetric grid"),
        (masked(lambda v, z, last: (np.rint(v) >= z) & (np.rint(v) - z <= last)), "*plus*"),
        (lambda w, dw_hat, scale, z, bits:
         (np.rint(w / scale) + z >= 0) & (np.rint(w / scale) + z < 2**bits), "mask alone"),
        (lambda w, dw_hat, scale, z, bits: dw_hat * scale * (
            (np.rint(w / scale) + z >= 0) & (np.rint(w / scale) + z < 2**bits)), "as it is"),
    ],
)
def test_wrong_masks_are_told_why(answer, said):
    assert said in hint("straight_through_gradient", answer)


def descended(rounding):
    def answer(start, target, learning_rate, step):
        w = start
        for _ in range(5000):
            w = rounding(w - learning_rate * (w - target), step)
        return w

    return answer


def rounded_at_the_end(start, target, learning_rate, step):
    return step * np.rint(target / step)


def by_formula(start, target, learning_rate, step):
    return target + np.sign(start - target) * step / (2 * learning_rate)


def gradient_of_w_alone(start, target, learning_rate, step):
    return descended(lambda w, s: s * np.rint(w / s))(start, 0.0, learning_rate, step)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (descended(lambda w, step: w), "round after"),
        (rounded_at_the_end, "stops earlier"),
        (lambda start, target, learning_rate, step: start, "where it began"),
        (descended(lambda w, step: step * np.floor(w / step)), "not down"),
        (by_formula, "let it run"),
        (gradient_of_w_alone, "not at rest"),
    ],
)
def test_wrong_resting_places_are_told_why(answer, said):
    hints = [verdict(EXERCISES["stall_point"], answer, seed).hint for seed in range(6)]
    assert any(said in given for given in hints), hints


def li(w):
    kept = np.abs(w) > 0.7 * np.abs(w).mean()
    return np.sign(w) * kept * np.abs(w[kept]).mean()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (li, "Li's threshold"),
        (lambda w: w, "one s"),
        (lambda w: np.sign(w) * np.abs(w).mean(), "every weight is kept"),
        (lambda w: np.zeros_like(w), "not all"),
        (lambda w: -li(w), "signs"),
        (lambda w: np.sign(li(w)) * np.abs(w).max(), "mean of their"),
        (lambda w: w[:3], "shape"),
    ],
)
def test_wrong_ternary_weights_are_told_why(answer, said):
    hints = [verdict(EXERCISES["best_ternary"], answer, seed).hint for seed in range(6)]
    assert any(said in given for given in hints), hints


def test_the_step_s_gradient_by_hand_is_minilm_s():
    gradient = from_notebook("lsq_step_gradient")
    rng = np.random.default_rng(0)
    for bits in (2, 3, 4):
        w, s, grid = rng.standard_normal(500), 0.4, GRIDS["int"].start(bits, True)
        w_hat, cache = learned_step(w[None], np.array([[s]]), grid)
        _, ds = learned_step_backward(2 * (w_hat - w) / len(w), cache)
        factor = 1 / np.sqrt(len(w) * grid.reach)                # LSQ's own, left out by hand
        assert np.isclose(gradient(w, s, grid.reach) * factor, ds[0, 0])


def test_error_feedback_loses_nothing_for_good():
    feedback = from_notebook("with_feedback")
    gradients = np.random.default_rng(3).standard_normal((50, 9))
    sent, left = feedback(gradients, np.rint)
    assert np.allclose(sent.sum(axis=0) + left, gradients.sum(axis=0))
    assert np.abs(left).max() <= 0.5 + 1e-12


def test_the_levels_built_by_decades_are_minilm_s():
    levels = from_notebook("bitsandbytes_levels")
    for signed in (True, False):
        assert len(levels(signed)) == 256
        assert np.allclose(levels(signed), dynamic_levels(signed), rtol=1e-6)


@pytest.mark.oracle
def test_the_mask_is_torch_s():
    import torch

    rule = from_notebook("torch_fake_quantize")
    rng = np.random.default_rng(5)
    w = np.concatenate([rng.standard_normal(2000), np.arange(-40, 40) / 16]).astype(np.float32)
    grids = ((0.125, 5, 0, 15), (0.25, 0, -7, 7), (0.0625, 100, 0, 255))
    for scale, zero_point, low, high in grids:
        tensor = torch.from_numpy(w.copy()).requires_grad_()
        theirs = torch.fake_quantize_per_tensor_affine(tensor, scale, zero_point, low, high)
        theirs.sum().backward()
        w_hat, mask = rule(w, scale, zero_point, low, high)
        assert np.allclose(w_hat, theirs.detach().numpy(), atol=1e-6)
        assert np.array_equal(mask, tensor.grad.numpy() == 1)
