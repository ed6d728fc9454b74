"""Exercises of notebook 00: entropy rate, perplexity, a smoothed bigram, bits per byte."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minilm.course.check import Exercise, want
from minilm.types import Array

Answer = Callable[..., Any]


def _close(got: Any, wanted: Any) -> bool:
    """Equal to 1e-5 of the larger, whatever kind of number `got` is; False for NaN."""
    x, y = np.asarray(got), np.asarray(wanted)
    return x.shape == y.shape and bool(np.allclose(x, y, rtol=1e-5, atol=1e-9))


def _number(got: Any) -> float:
    want(np.size(got) == 1, f"return one number, not an array of shape {np.shape(got)}")
    return float(np.real_if_close(np.asarray(got).reshape(-1)[0]))  # eigenvectors may be complex


# -- 1


def _stationary(chain: Array) -> Array:
    """π with πP = π, Σπ = 1: least squares over all S + 1 equations."""
    states = len(chain)
    system = np.vstack([chain.T - np.eye(states), np.ones(states)])
    return np.linalg.lstsq(system, np.r_[np.zeros(states), 1.0], rcond=None)[0]


def _row_entropies(chain: Array) -> Array:
    return -(chain * np.log(np.where(chain > 0, chain, 1))).sum(axis=1)


def check_entropy_rate(entropy_rate: Answer, rng: np.random.Generator) -> None:
    fair = np.full((4, 4), 0.25)
    got = _number(entropy_rate(fair.copy()))
    want(not _close(got, 2), "a fair choice among 4 was given as 2, which is bits: return nats")
    want(not _close(abs(got), 2 * math.log(4)), "π does not sum to 1: an eigenvector of length 1 "
         "still has to be divided by its sum")  # fmt: skip
    want(_close(got, math.log(4)), f"a fair choice among 4 costs ln 4 = 1.386 nats, got {got:.4g}")

    for states in (2, 3, 5):
        chain = rng.dirichlet(np.full(states, 0.7), size=states)
        _judge(_number(entropy_rate(chain.copy())), chain)

    gaps = rng.dirichlet(np.ones(3), size=3) * (1 - np.eye(3))  # some steps never happen
    gaps /= gaps.sum(axis=1, keepdims=True)
    got = _number(entropy_rate(gaps.copy()))
    want(not np.isnan(got), "the result is NaN where a probability is 0: let 0 · log 0 count as 0")
    _judge(got, gaps)

    _check_clock(entropy_rate, rng)


def _judge(got: float, chain: Array) -> None:
    """Name the likely mistake in the entropy rate of a chain without special features."""
    pi, rows = _stationary(chain), _row_entropies(chain)
    right = float(pi @ rows)
    if _close(got, right):
        return  # a mistake may happen to give the same
    want(not _close(got, rows.mean()), "you weigh all rows alike: weigh each by how often the "
         "chain is in that state, in the long run")  # fmt: skip
    want(not _close(got, rows.sum()), "you add up the rows' entropies: they should be averaged, "
         "each weighed by how often the chain is in that state")  # fmt: skip
    want(not _close(got, -(pi * np.log(pi)).sum()), "this is the entropy of π, of a model without "
         "memory: average the entropies of the chain's rows")  # fmt: skip
    want(not _close(got, right / math.log(2)), "right, but in bits: return nats")
    want(not _close(got, -right), "right, but negative: surprise is −log p")
    want(not got > math.log(len(chain)) + 1e-9, f"{got:.4g} nats is more than a fair choice among "
         f"all {len(chain)} states would cost: is Σ π = 1?")  # fmt: skip
    want(False, "not the entropy rate of a chain that was drawn at random: does your "
         "π satisfy π @ chain = π and sum to 1? Then it is Σ π_i (entropy of row i)")  # fmt: skip


def _check_clock(entropy_rate: Answer, rng: np.random.Generator) -> None:
    """From state 0 to 1 or 2, and from both back to 0: powers of this chain never settle."""
    p = rng.uniform(0.1, 0.4)
    clock = np.array([[0, p, 1 - p], [1, 0, 0], [1, 0, 0]])
    got = _number(entropy_rate(clock.copy()))
    want(_close(got, float(_stationary(clock) @ _row_entropies(clock))), "wrong for a chain that "
         "goes to and fro for ever (0 → 1 or 2 → 0): its powers never settle, so solve for π "
         "instead")  # fmt: skip


# -- 2


def check_perplexity_of(perplexity_of: Answer, rng: np.random.Generator) -> None:
    p = rng.uniform(0.02, 0.9, size=12)
    got, nats = _number(perplexity_of(p.copy())), float(-np.log(p).mean())
    want(not _close(got, np.mean(1 / p)), "you take the mean of 1/p: take the mean of the "
         "surprises −log p, and only then the exponential")  # fmt: skip
    want(not _close(got, 1 / p.mean()), "you take the mean of the probabilities: take the mean of "
         "their logarithms")  # fmt: skip
    want(not _close(got, nats), "this is the loss in nats: the perplexity is e to its power")
    want(not _close(got, 2**nats), "2 to the power of nats: bases must agree, e for nats or 2 for "
         "bits")  # fmt: skip
    want(not _close(got, math.exp(nats / math.log(2))), "e to the power of bits: bases must agree, "
         "e for nats or 2 for bits")  # fmt: skip
    want(not _close(got, math.exp(nats * len(p))), "per token: divide the sum of the surprises by "
         "their number")  # fmt: skip
    eighth = _number(perplexity_of(np.full(7, 0.125)))
    want(_close(eighth, 8), f"seven tokens of probability 1/8 each: perplexity 8, got {eighth:.4g}")
    want(_close(got, math.exp(nats)), "right if all probabilities are alike, but wrong if not")

    long = rng.uniform(0.1, 0.3, size=4000)
    with np.errstate(divide="ignore"):
        got = _number(perplexity_of(long.copy()))
    want(np.isfinite(got) and got > 1, f"for 4000 tokens the result is {got}: their product is too "
         "small for a float. Add logarithms instead")  # fmt: skip
    want(_close(got, math.exp(-np.log(long).mean())), "wrong for 4000 tokens")

    impossible = np.r_[p, 0.0]
    with np.errstate(divide="ignore"):
        got = _number(perplexity_of(impossible.copy()))
    want(got == math.inf, f"a token of probability 0 makes the perplexity infinite, got {got}")


# -- 3


def _witten_bell(counts: Array, p1: Array, novel: Array) -> Array:
    c = counts.sum(axis=1, keepdims=True)
    return np.where(c > 0, (counts + novel * p1) / np.maximum(c + novel, 1), p1)


def check_witten_bell_bigram(witten_bell_bigram: Answer, rng: np.random.Generator) -> None:
    vocabulary = 6
    counts = rng.poisson(2.0, size=(vocabulary, vocabulary)) * (rng.random((6, 6)) < 0.6)
    counts[:, 4] = 0  # never comes
    counts[0] = np.maximum(counts[0], [1, 0, 2, 0, 0, 3])
    counts[2] = 0  # followed by nothing
    unigrams, c = counts.sum(axis=0), counts.sum(axis=1, keepdims=True)
    distinct = np.count_nonzero(unigrams)
    p1 = (unigrams + distinct / vocabulary) / (unigrams.sum() + distinct)
    novel = np.count_nonzero(counts, axis=1)[:, None]
    right = _witten_bell(counts, p1, novel)

    with np.errstate(divide="ignore", invalid="ignore"):
        got = np.asarray(witten_bell_bigram(counts.copy()))
    want(got.shape == counts.shape, f"return an array of shape (V, V) = {counts.shape}, "
         f"got {got.shape}")  # fmt: skip
    want(not np.isnan(got[2]).any(), "the row of a history that never came is NaN: it must be p_1")
    seen = np.arange(vocabulary) != 2
    want(not _close(got.sum(axis=0), np.ones(vocabulary)) or _close(got.sum(axis=1), 1 + 0 * p1),
         "the columns sum to 1 and the rows don't: counts[h, w] has a row for each history")
    plain = unigrams / unigrams.sum()
    want(not _close(got[seen], (counts / np.maximum(c, 1))[seen]), "these are the plain shares: "
         "nothing is kept for what was never seen")  # fmt: skip
    want(not _close(got[seen], ((counts + 1) / (c + vocabulary))[seen]), "this is add-one: use "
         "T(h), and let p_1 share it out")  # fmt: skip
    want(not _close(got[seen], _witten_bell(counts, plain, novel)[seen]), "your p_1 is not "
         "smoothed: apply the formula to the column sums, with p_0 = 1/V, first")  # fmt: skip
    want(not _close(got[seen], _witten_bell(counts, np.full(6, 1 / 6), novel)[seen]), "you give "
         "the share of what is new to 1/V: give it to p_1")  # fmt: skip
    want(not _close(got[seen], _witten_bell(counts, p1, c)[seen]), "T(h) is the number of "
         "*different* followers of h, not of all of them")  # fmt: skip
    of_words = np.count_nonzero(counts, axis=0)[:, None]
    want(not _close(got[seen], _witten_bell(counts, p1, of_words)[seen]), "your T(h) counts what h "
         "followed: count what followed h, along its row")  # fmt: skip
    want(_close(got[2], p1), "the row of a history that never came must be p_1: column sums, "
         "smoothed with T = the number of different characters seen and p_0 = 1/V")  # fmt: skip
    want(_close(got.sum(axis=1), np.ones(vocabulary)), f"rows must sum to 1, got "
         f"{np.round(got.sum(axis=1), 3)}")  # fmt: skip
    want(_close(got, right), "rows sum to 1, but it isn't (c(hw) + T(h) p_1(w)) / (c(h) + T(h))")


# -- 4


def check_bits_per_byte_of(bits_per_byte_of: Answer, rng: np.random.Generator) -> None:
    for text in ("a small dog sleeps near the house.\n", "你好, 小狗! ", "naïve café"):
        tokens, nats = int(rng.integers(3, 6)), float(rng.uniform(1, 3))
        n_bytes, right = len(text.encode()), nats * tokens / math.log(2) / len(text.encode())
        got = _number(bits_per_byte_of(nats, tokens, text))
        want(not _close(got, right * math.log(2)), "these are nats per byte: 1 bit is ln 2 nats")
        want(not _close(got, right * math.log(2) ** 2), "you multiply by ln 2: a nat is *more* "
             "than a bit, so there are more bits than nats")  # fmt: skip
        want(not _close(got, right / tokens), "the loss is a mean over tokens: what does the whole "
             "text cost?")  # fmt: skip
        want(not _close(got, nats / math.log(2)), "these are bits per token: how many tokens has "
             "the text, and how many bytes?")  # fmt: skip
        want(not _close(got, right / 8), "you divide by 8: bits per byte, not bytes per byte")
        want(not _close(got, right * n_bytes), "this is the whole text: divide by its bytes")
        want(len(text) == n_bytes or not _close(got, right * n_bytes / len(text)), "per byte, not "
             "per character: a character of this text may take several bytes")  # fmt: skip
        want(_close(got, right), f"{tokens} tokens of {nats:.3f} nats, {n_bytes} bytes: got "
             f"{got:.4g} bits per byte")  # fmt: skip


EXERCISES: list[Exercise] = [
    Exercise("entropy_rate", "The entropy rate of a Markov chain, in nats per step.",
             check_entropy_rate, points=2),
    Exercise("perplexity_of", "The perplexity per token, from the tokens' probabilities.",
             check_perplexity_of),
    Exercise("witten_bell_bigram", "A bigram smoothed by Witten and Bell's method, from counts.",
             check_witten_bell_bigram, points=2),
    Exercise("bits_per_byte_of", "Bits per byte of a text, from its tokens' mean loss in nats.",
             check_bits_per_byte_of),
]  # fmt: skip
