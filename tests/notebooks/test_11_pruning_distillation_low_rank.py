"""Notebook 11: its functions against minilm and torch; the hints that wrong answers get."""

import ast
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minilm import distillation_loss, prune
from minilm.course import verdict
from minilm.course.exercises import EXERCISES
from minilm.course.exercises.pruning_distillation_low_rank import descended

SOURCE = (
    Path(__file__).parents[2] / "notebooks" / "source" / "11_pruning_distillation_low_rank.py"
)
TREE = ast.parse(SOURCE.read_text(encoding="utf-8"))


def from_notebook(*names):
    """Functions as the notebook defines them."""
    wanted = (*names, "softmax")
    found = [n for n in TREE.body if isinstance(n, ast.FunctionDef) and n.name in wanted]
    space = {"np": np}
    exec(compile(ast.Module(found, []), str(SOURCE), "exec"), space)
    return [space[name] for name in names]


def hint(name, answer):
    given = verdict(EXERCISES[name], answer)
    assert given.state == "wrong", given
    return given.hint


@given(st.integers(0, 60), st.integers(0, 10**6))
def test_exactly_k_are_pruned_however_many_are_equal(k, seed):
    (prune_by_hand,) = from_notebook("prune_by_hand")
    w = np.random.default_rng(seed).choice([-2.0, -1.0, 1.0, 2.0], (5, 12))
    pruned = prune_by_hand(w, k / 60)
    assert (pruned == 0).sum() == (prune(w, k / 60).dense() == 0).sum() == k
    assert np.abs(pruned).sum() == np.abs(prune(w, k / 60).dense()).sum()


def test_the_percentile_takes_equal_numbers_all_or_none():
    (prune_below_percentile,) = from_notebook("prune_below_percentile")
    assert not (prune_below_percentile(np.ones((4, 4)), 0.5) == 0).any()


def test_remove_one_is_the_least_squares_solution():
    (remove_one,) = from_notebook("remove_one")
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((50, 4)) @ rng.standard_normal((4, 4)), rng.standard_normal(4)
    for j in range(4):
        others = [i for i in range(4) if i != j]
        best = np.linalg.lstsq(x[:, others], x @ w, rcond=None)[0]
        cured, error = remove_one(w, x.T @ x, j)
        assert np.allclose(cured[others], best) and abs(cured[j]) < 1e-12
        assert np.isclose(error, np.square(x @ (w - cured)).sum())


def by_threshold(weights, k):
    sizes = np.sort(np.concatenate([np.abs(w).ravel() for w in weights]))
    limit = sizes[k - 1] if k else -1
    return [np.where(np.abs(w) <= limit, 0, w) for w in weights]


def each_by_itself(weights, k):
    share = k / sum(w.size for w in weights)
    return [prune(w, share).dense() for w in weights]


def largest(weights, k):
    flat = np.concatenate([w.ravel() for w in weights])
    flat[np.argsort(-np.abs(flat))[:k]] = 0
    ends = np.cumsum([w.size for w in weights])[:-1]
    return [p.reshape(w.shape) for p, w in zip(np.split(flat, ends), weights, strict=True)]


def in_place(weights, k):
    for w in weights:
        w[...] = 0
    return weights


def minus_one(weights, k):
    flat = np.concatenate([w.ravel() for w in weights])
    flat[np.argpartition(np.abs(flat), k - 1)[: k or len(flat)]] = 0
    ends = np.cumsum([w.size for w in weights])[:-1]
    return [p.reshape(w.shape) for p, w in zip(np.split(flat, ends), weights, strict=True)]


@pytest.mark.parametrize(
    "answer, words",
    [(by_threshold, "threshold takes all"), (each_by_itself, "same share"),
     (largest, "the largest went"), (in_place, "work on a copy"), (minus_one, "k = 0"),
     (lambda weights, k: np.concatenate([w.ravel() for w in weights]), "a list of 3 arrays")],
)  # fmt: skip
def test_hints_for_exactly_k(answer, words):
    assert words in hint("prune_exactly", answer)


def taught(loss=lambda value, *_: value, gradient=lambda value, *_: value, turned=False):
    """minilm's loss with a mistake made in it."""

    def answer(z, v, y, t, alpha):
        first, second = (v, z) if turned else (z, v)
        value, slopes = distillation_loss(first, second, y, temperature=t, alpha=alpha)
        return loss(value, z, v, y, t, alpha), gradient(slopes, t, len(y))

    return answer


def parts(z, v, y, t):
    return (distillation_loss(z, v, y, temperature=t, alpha=1)[0],
            distillation_loss(z, v, y, temperature=1, alpha=0)[0])


def without_square(value, z, v, y, t, alpha):
    kl, ce = parts(z, v, y, t)
    return alpha * kl / t**2 + (1 - alpha) * ce


def other_share(value, z, v, y, t, alpha):
    kl, ce = parts(z, v, y, t)
    return (1 - alpha) * kl + alpha * ce


def reverse(value, z, v, y, t, alpha):
    return alpha * parts(v, z, y, t)[0] + (1 - alpha) * parts(z, v, y, t)[1]


@pytest.mark.parametrize(
    "answer, words",
    [(taught(loss=without_square), "T² is missing"), (taught(loss=other_share), "α is the teacher"),
     (taught(loss=reverse), "teacher's p first"),
     (taught(loss=lambda value, z, *_: value * len(z)), "mean over the N"),
     (taught(loss=lambda value, z, *_: value / z.shape[1]), "not by all N·V"),
     (taught(gradient=lambda g, t, n: -g), "wrong sign"),
     (taught(gradient=lambda g, t, n: n * g), "1 / N, too"),
     (taught(gradient=lambda g, t, n: g * t), "T is left"),
     (taught(gradient=lambda g, t, n: 0 * g), "not that of your loss"),
     (taught(gradient=lambda g, t, n: g[0]), "student's shape")],
)  # fmt: skip
def test_hints_for_the_loss_of_distillation(answer, words):
    assert words in hint("taught_loss", answer)


def test_a_softmax_that_overflows_is_told_so():
    def overflowing(z, v, y, t, alpha):
        if np.abs(z).max() > 100:
            return np.nan, np.full(z.shape, np.nan)
        return distillation_loss(z, v, y, temperature=t, alpha=alpha)

    assert "maximum" in hint("taught_loss", overflowing)


def of_rank(rank, aware=True):
    def answer(w, x, budget):
        r = rank(budget // (4 * sum(w.shape)))
        v_t = np.linalg.svd(x @ w if aware else w, full_matrices=False)[2][:r]
        return w @ v_t.T, v_t

    return answer


@pytest.mark.parametrize(
    "answer, words",
    [(of_rank(lambda r: r + 1), "bytes as float32"), (of_rank(lambda r: r - 1), "still fits"),
     (of_rank(lambda r: r, aware=False), "best for w alone"),
     (lambda w, x, b: of_rank(lambda r: r)(w, x, b)[::-1], "should be"),
     (lambda w, x, b: (w[:, : b // (4 * sum(w.shape))],
                       np.eye(b // (4 * sum(w.shape)), w.shape[1])), "could be nearer")],
)  # fmt: skip
def test_hints_for_the_best_factors(answer, words):
    assert words in hint("best_factors", answer)


def on_labels(x, labels, pool, teacher):
    (direct_student,) = from_notebook("direct_student")
    return direct_student(x, labels, teacher.shape[1])


def on_first_choices(x, labels, pool, teacher):
    return descended(pool, np.eye(teacher.shape[1])[teacher.argmax(axis=1)])


@pytest.mark.parametrize(
    "answer, words",
    [(on_labels, "use the pool"), (on_first_choices, "probabilities say more"),
     (lambda x, labels, pool, teacher: -descended(pool, teacher), "guessing would be better"),
     (lambda x, labels, pool, teacher: descended(pool, teacher, steps=4), "long enough"),
     (lambda x, labels, pool, teacher: teacher, "shape")],
)  # fmt: skip
def test_hints_for_the_better_student(answer, words):
    assert words in hint("better_student", answer)


@pytest.mark.oracle
def test_torch_prunes_the_same_weights_and_keeps_all_bytes():
    import torch
    from torch.nn.utils import prune as torch_prune

    (torch_l1_unstructured,) = from_notebook("torch_l1_unstructured")
    layer = torch.nn.Linear(32, 48, bias=False)
    w = layer.weight.detach().numpy().copy()
    torch_prune.l1_unstructured(layer, "weight", amount=0.3)
    mask, held = torch_l1_unstructured(w, 0.3)
    assert np.array_equal(layer.weight.detach().numpy(), mask * w)
    assert np.array_equal(layer.weight.detach().numpy(), prune(w, 0.3).dense())
    assert held == sum(t.numel() * t.element_size() for t in layer.state_dict().values())
    torch_prune.remove(layer, "weight")
    assert sum(t.numel() * t.element_size() for t in layer.state_dict().values()) == w.nbytes


@pytest.mark.oracle
@pytest.mark.filterwarnings("ignore:Sparse CSR:UserWarning")  # "is in beta state"
def test_torch_csr_takes_twelve_bytes_a_number():
    import torch

    (torch_csr_bytes,) = from_notebook("torch_csr_bytes")
    w = prune(np.random.default_rng(0).standard_normal((40, 60)).astype(np.float32), 0.7).dense()
    csr = torch.from_numpy(w).to_sparse_csr()
    parts = csr.values(), csr.col_indices(), csr.crow_indices()
    assert torch_csr_bytes(w) == sum(t.numel() * t.element_size() for t in parts)


@pytest.mark.oracle
@pytest.mark.filterwarnings("ignore:reduction:UserWarning")  # 'mean' is what it warns of
def test_the_common_distillation_line_is_torch_s_and_ours():
    import torch
    import torch.nn.functional as F

    (common_kd_loss,) = from_notebook("common_kd_loss")
    z, v = 3 * np.random.default_rng(0).standard_normal((2, 16, 10))
    student, teacher = (torch.from_numpy(each) for each in (z, v))
    for t in (1, 4):
        log_q, p = F.log_softmax(student / t, 1), F.softmax(teacher / t, 1)
        for reduction in ("batchmean", "mean"):
            theirs = t**2 * float(F.kl_div(log_q, p, reduction=reduction))
            assert np.isclose(common_kd_loss(z, v, t, reduction), theirs)
        ours = distillation_loss(z, v, np.zeros(16, int), temperature=t, alpha=1)[0]
        assert np.isclose(common_kd_loss(z, v, t), ours)
