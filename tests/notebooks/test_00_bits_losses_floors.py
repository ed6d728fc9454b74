"""The notebook on bits, losses and floors: wrong answers are told which mistake they made."""

import ast
import math
from collections import Counter, defaultdict
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from minilm.course import verdict
from minilm.course.exercises import EXERCISES

SOURCE = Path(__file__).parents[2] / "notebooks" / "source" / "00_bits_losses_floors.py"
TREE = ast.parse(SOURCE.read_text(encoding="utf-8"))


def from_notebook(*names, **given):
    """Functions and constants as the notebook defines them."""
    wanted = [
        node
        for node in TREE.body
        if getattr(node, "name", None) in names
        or (isinstance(node, ast.Assign) and getattr(node.targets[0], "id", None) in names)
    ]
    space = {"np": np, "cache": cache, "Counter": Counter, "defaultdict": defaultdict} | given
    exec(compile(ast.Module(wanted, []), str(SOURCE), "exec"), space)
    return [space[name] for name in names]


def stationary(chain):
    values, vectors = np.linalg.eig(chain.T)
    pi = vectors[:, np.abs(values - 1).argmin()]
    return pi / pi.sum()  # of complex numbers, as a learner may have it


def row_entropies(chain, log=np.log):
    return -(chain * log(np.where(chain > 0, chain, 1))).sum(axis=1)


def by_power(chain):
    return np.linalg.matrix_power(chain, 1001)[0] @ row_entropies(chain)


def of_length_one(chain):
    pi = stationary(chain).real
    return pi / np.linalg.norm(pi) @ row_entropies(chain)


def without_zeros(chain):
    with np.errstate(divide="ignore", invalid="ignore"):
        return stationary(chain).real @ -(chain * np.log(chain)).sum(axis=1)


def no_memory(chain):
    if np.allclose(chain, chain[0]):
        return np.log(len(chain))
    pi = stationary(chain).real
    return -(pi * np.log(pi)).sum()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("name", "wrong", "hint"),
    [
        ("entropy_rate", lambda P: stationary(P).real @ row_entropies(P, np.log2), "return nats"),
        ("entropy_rate", lambda P: row_entropies(P).mean(), "weigh each by how often"),
        ("entropy_rate", no_memory, "entropy of π"),
        ("entropy_rate", by_power, "never settle"),
        ("entropy_rate", without_zeros, "0 · log 0"),
        ("entropy_rate", lambda P: row_entropies(P), "one number"),
        ("entropy_rate", of_length_one, "divided by its sum"),
        ("perplexity_of", lambda p: np.mean(1 / p), "mean of 1/p"),
        ("perplexity_of", lambda p: 1 / np.mean(p), "mean of the probabilities"),
        ("perplexity_of", lambda p: np.prod(p) ** (-1 / len(p)), "Add logarithms"),
        ("perplexity_of", lambda p: np.exp(-np.mean(np.log2(p))), "bases must agree"),
        ("perplexity_of", lambda p: 2 ** (-np.mean(np.log(p))), "bases must agree"),
        ("perplexity_of", lambda p: np.exp(-np.mean(np.log(p + 1e-10))), "infinite"),
        ("bits_per_byte_of", lambda x, n, t: x * n / len(t.encode()), "nats per byte"),
        ("bits_per_byte_of", lambda x, n, t: x * n * np.log(2) / len(t.encode()), "multiply by"),
        ("bits_per_byte_of", lambda x, n, t: x / np.log(2) / len(t.encode()), "mean over tokens"),
        ("bits_per_byte_of", lambda x, n, t: x * n / np.log(2) / len(t), "per character"),
        ("bits_per_byte_of", lambda x, n, t: x * n / np.log(256) / len(t.encode()), "divide by 8"),
    ],
)
def test_a_wrong_answer_is_told_its_mistake(name, wrong, hint, seed):
    told = verdict(EXERCISES[name], wrong, seed)
    assert told.state == "wrong" and hint in told.hint


def smoothed(counts, p1=None, novel=None):
    unigrams = counts.sum(axis=0)
    if p1 is None:
        T = np.count_nonzero(unigrams)
        p1 = (unigrams + T / len(counts)) / (unigrams.sum() + T)
    c = counts.sum(axis=1, keepdims=True)
    novel = np.count_nonzero(counts, axis=1)[:, None] if novel is None else novel
    return np.where(c > 0, (counts + novel * p1) / np.maximum(c + novel, 1), p1)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda n: n / n.sum(axis=1, keepdims=True), "NaN"),
        (lambda n: n / np.maximum(n.sum(axis=1, keepdims=True), 1), "plain shares"),
        (lambda n: (n + 1) / (n.sum(axis=1, keepdims=True) + len(n)), "add-one"),
        (lambda n: smoothed(n, p1=n.sum(axis=0) / n.sum()), "not smoothed"),
        (lambda n: smoothed(n, p1=np.full(len(n), 1 / len(n))), "give it to p_1"),
        (lambda n: smoothed(n, novel=n.sum(axis=1, keepdims=True)), "different"),
        (lambda n: smoothed(n, novel=np.count_nonzero(n, axis=0)[:, None]), "along its row"),
        (lambda n: smoothed(n.T).T, "columns sum to 1"),
        (lambda n: smoothed(n)[0], "shape"),
        (lambda n: 2 * smoothed(n), "must be p_1"),
    ],
)
def test_a_wrong_bigram_is_told_its_mistake(wrong, hint, seed):
    def quiet(counts):
        with np.errstate(all="ignore"):
            return wrong(counts)

    told = verdict(EXERCISES["witten_bell_bigram"], quiet, seed)
    assert told.state == "wrong" and hint in told.hint


def test_other_ways_to_be_right_are_right():
    for name, answer in (
        ("entropy_rate", lambda P: stationary(P) @ row_entropies(P)),  # complex, as eig gives it
        ("entropy_rate", lambda P: np.float32(stationary(P).real @ row_entropies(P))),
        ("perplexity_of", lambda p: 2 ** -np.log2(p).mean()),
        ("perplexity_of", lambda p: np.inf if 0 in p else math.exp(-np.log(p).mean())),
        ("witten_bell_bigram", lambda n: smoothed(n).astype(np.float32)),
        ("bits_per_byte_of", lambda x, n, t: np.float32(x * n / np.log(2) / len(t.encode()))),
    ):
        with np.errstate(divide="ignore"):
            for seed in range(100):  # by chance, data may make a mistake look right
                told = verdict(EXERCISES[name], answer, seed)
                assert told.state == "right", (name, told.hint)


def test_what_is_written_as_one_number_is_read_again_and_as_long_as_the_surprise():
    names = ("B", "slots", "slots_of", "write", "read")
    *_, write, read = from_notebook(*names)
    rng = np.random.default_rng(0)

    @cache
    def model(history):
        p = np.random.default_rng(len(history)).dirichlet(np.full(3, 0.3)) + 1e-6
        return dict(zip("abc", p / p.sum(), strict=True))

    text = "".join(rng.choice(list("abc"), size=300))
    bits = -sum(math.log2(model(text[max(0, t - 9):t])[a]) for t, a in enumerate(text))
    file = write(text, model)
    assert read(file, len(text), model) == text
    assert abs(8 * len(file) - bits) < 48
    assert read(write("", model), 0, model) == ""


@pytest.mark.oracle
def test_torch_takes_the_mean_over_the_targets_that_count():
    import torch

    (by_hand,) = from_notebook("torch_cross_entropy")
    rng = np.random.default_rng(1)
    logits, targets = rng.normal(0, 5, (20, 7)), rng.integers(7, size=20)
    targets[[3, 8, 9]] = -100
    theirs = torch.nn.functional.cross_entropy(torch.tensor(logits), torch.tensor(targets))
    assert np.isclose(by_hand(logits, targets), theirs.item(), rtol=1e-12)
