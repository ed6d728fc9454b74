"""Exercises of notebook 01: windows, the optimum, the lost negatives, CBOW."""

from collections.abc import Callable
from typing import Any

import numpy as np

from minilm.course.check import Exercise, want
from minilm.types import Array


def check_reach(reach: Callable[[int], Any], rng: np.random.Generator) -> None:
    """(w − d + 1)/w: of the widths 1..w, those from d on reach as far as d."""
    for window in (int(rng.integers(4, 12)), 1):
        given = np.asarray(reach(window), float)
        want(given.shape == (window,), f"window={window} has {window} distances, 1 … {window}: "
             f"return that many chances, not an array of shape {given.shape}")
        if window > 1:
            hint_reach(given, window)
        want(np.allclose(given, np.arange(window, 0, -1) / window, atol=1e-6),
             f"with window={window}, distance {window} is inside for one width of {window} only, "
             "and distance 1 for all: count the widths that are at least d")


def hint_reach(given: Array, window: int) -> None:
    distance = np.arange(1, window + 1)
    want(not np.allclose(given, (window - distance) / window),
         "off by one: a width equal to the distance still reaches it")
    want(not np.allclose(given, 1 / window),
         "1/w is the chance of one width; several widths reach as far as d")
    want(not np.allclose(given, 1 / distance),
         "1/d is GloVe's weight; here count which of the widths 1 … w are at least d")
    want(not np.allclose(given, distance / window), "a far word is inside less often, not more")


def products(counts: Array, k: int, exponent: float) -> Array:
    hat = counts.sum(axis=0) ** exponent
    return np.log(counts / (k * counts.sum(axis=1, keepdims=True) * hat / hat.sum()))


def check_best_products(best_products: Callable[..., Any], rng: np.random.Generator) -> None:
    """log X_ij / (X_i P_α(j)) − log k; first α = 1, then others, of a matrix without symmetry."""
    counts = rng.integers(1, 60, (5, 5)).astype(float)
    k, exponent = int(rng.integers(2, 8)), float(rng.uniform(0.4, 0.9))
    given = np.asarray(best_products(counts.copy(), k, 1.0), float)
    right = products(counts, k, 1.0)
    want(given.shape == (5, 5), f"one product for each pair: (5, 5) here, not {given.shape}")
    want(not np.allclose(given, right + np.log(k)), "k is missing: each true pair has k negatives")
    want(not np.allclose(given, -right), "the sign is turned: frequent pairs have large products")
    want(not np.allclose(given, np.exp(right)), "the logarithm is missing: σ(s)/(1 − σ(s)) = e^s")
    want(not np.allclose(given, right / np.log(2)), "in nats: the natural logarithm")
    want(np.allclose(given, right, atol=1e-4),
         "not right for exponent 1, where it is log X_ij / (X_i P_j) − log k with P_j the share of "
         "column j")
    given = np.asarray(best_products(counts.copy(), k, exponent), float)
    right = products(counts, k, exponent)
    plain = counts.sum(axis=0) ** exponent / counts.sum()
    unnormed = np.log(counts / (k * counts.sum(axis=1, keepdims=True) * plain))
    want(not np.allclose(given, products(counts, k, 1.0)), "the exponent has no effect")
    want(not np.allclose(given, products(counts.T, k, exponent).T),
         "X_i is the sum of row i, and the hat's X_j that of column j: they are interchanged")
    shares = (counts.sum(axis=0) / counts.sum()) ** exponent
    powers = np.log(counts / (k * counts.sum(axis=1, keepdims=True) * shares))
    want(not np.allclose(given, unnormed) and not np.allclose(given, powers),
         "right for exponent 1 only: the chances of the hat must add up to 1 after the power, too")
    want(np.allclose(given, right, atol=1e-4),
         "right for exponent 1, not for others: only the hat has the power, the row sums have none")


Move = Callable[[Array, Array, Array], None]  # table, ids, change


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def stepped(
    v_table: Array, u_table: Array, centres: Array, contexts: Array, negatives: Array, k: int,
    step: float, move: Move = np.subtract.at,
) -> tuple[Array, Array]:  # fmt: skip
    """The right step; `move` is how the negatives' rows are changed."""
    new_v, new_u = v_table.copy(), u_table.copy()
    v, u, noise = v_table[centres], u_table[contexts], u_table[negatives]
    error = sigmoid((v * u).sum(axis=1, keepdims=True)) - 1
    errors = sigmoid(v @ noise.T) * (k / len(negatives))
    np.subtract.at(new_v, centres, step * (error * u + errors @ noise))
    np.subtract.at(new_u, contexts, step * (error * v))
    move(new_u, negatives, step * (errors.T @ v))
    return new_v, new_u


Batch = tuple[Array, Array, Array]  # centres, contexts, negatives


def only_one(table: Array, ids: Array, change: Array) -> None:
    table[ids] -= change


def check_mended_step(mended_step: Callable[..., Any], rng: np.random.Generator) -> None:
    """A batch without repeats, then repeated centres and contexts, then repeated negatives."""
    V, D, k, step = 12, 5, 3, 0.3
    tables = rng.standard_normal((2, V, D))

    def asked(centres: Array, contexts: Array, negatives: Array) -> tuple[Any, Any]:
        v_table, u_table = (t.copy() for t in tables)
        ids = [centres.copy(), contexts.copy(), negatives.copy()]
        new = mended_step(v_table, u_table, *ids, k, step)
        want(isinstance(new, tuple) and len(new) == 2, "return both new tables: v_table, u_table")
        want(np.array_equal(v_table, tables[0]) and np.array_equal(u_table, tables[1]),
             "the tables that were given have changed: work on copies and return these")
        want(all(np.shape(t) == (V, D) for t in new), "the new tables have the shapes of the old")
        return new

    def same(new: Any, right: Array) -> bool:
        return np.allclose(new, right, atol=1e-4)

    def right(ids: Batch, move: Move = np.subtract.at) -> tuple[Array, Array]:
        return stepped(tables[0], tables[1], *ids, k, step, move)

    order = rng.permutation(V)
    ids: Batch = (order[:3], order[3:6], order[6:10])
    (v, u), (right_v, right_u) = asked(*ids), right(ids)
    want(not same(u, 2 * tables[1] - right_u), "the steps go uphill: subtract step · gradient")
    want(same(v, right_v) and same(u, right_u),
         "wrong already where all ids differ: there hasty_step was right. Keep its gradients")

    ids = (np.repeat(order[:3], 2), np.repeat(order[3:6], 2), order[6:10])
    (v, u), (right_v, right_u) = asked(*ids), right(ids)
    want(same(v, right_v), "a centre that is there twice must be moved by both of its gradients")
    want(same(u, right_u), "a context that is there twice must be moved by both of its gradients")

    repeated = np.array([*order[6:8], *order[6:9], order[6]])
    ids = (order[:4], order[2:6], repeated)
    (v, u), (right_v, right_u) = asked(*ids), right(ids)
    want(not same(u, right(ids, only_one)[1]),
         "of a negative drawn three times only one change is kept (or the three are averaged): "
         "table[ids] −= … reads all, then writes the same row three times")
    alone = right((order[:4], order[2:6], np.unique(repeated)))
    want(not (same(u, alone[1]) or same(v, alone[0])),
         "a word drawn three times counts three times; here it counts once")
    want(same(v, right_v), "v moves wrongly where negatives repeat")
    want(same(u, right_u), "u moves wrongly where negatives repeat: every draw has its own change")

    ids = (order[:4], order[4:8], np.array([*order[4:6], *order[4:6]]))
    want(same(asked(*ids)[1], right(ids)[1]),
         "a word that is a context and a negative in one batch must take both changes, and both "
         "gradients are those of the old tables")


def check_cbow_gradients(cbow_gradients: Callable[..., Any], rng: np.random.Generator) -> None:
    """The chain rule through the mean."""
    n, D, k = int(rng.integers(3, 6)), 7, 4
    context, u, noise = (rng.standard_normal(s) for s in ((n, D), D, (k, D)))
    given = cbow_gradients(context.copy(), u.copy(), noise.copy())
    want(isinstance(given, tuple) and len(given) == 3, "return three: dcontext, du, dnoise")
    dcontext, du, dnoise = (np.asarray(x, float) for x in given)
    want(dcontext.shape == (n, D), f"dcontext has a row for each word of the window: {(n, D)} "
         f"here, not {dcontext.shape}")
    want(du.shape == (D,) and dnoise.shape == (k, D), "du and dnoise have the shape of u, noise")
    h = context.mean(axis=0)
    error, errors = sigmoid(h @ u) - 1, sigmoid(noise @ h)
    dh = error * u + errors @ noise
    want(not np.allclose(du, context.sum(axis=0) * (sigmoid(context.sum(axis=0) @ u) - 1)),
         "h is the mean of the window's vectors, not their sum")
    want(not np.allclose(du, -error * h), "du has the wrong sign: answer minus truth, times h")
    want(not np.allclose(du, (error + 1) * h), "the centre is a true answer: σ minus 1")
    want(np.allclose(du, error * h, atol=1e-5), "du is not right: the slope at h·u, times h")
    want(np.allclose(dnoise, errors[:, None] * h, atol=1e-5),
         "dnoise is not right: for each negative its own slope, σ(h·n), times h")
    want(not np.allclose(dcontext, dh), "each word has only a share of 1/n in h, and so in dh")
    want(not np.allclose(dcontext, error * u / n), "the negatives' part of dh is missing")
    want(np.allclose(dcontext, np.tile(dh / n, (n, 1)), atol=1e-5),
         "dcontext is not right: derive dL/dh first, and then what each v_i has to do with h")


EXERCISES: list[Exercise] = [
    Exercise("reach", "The chance that a drawn window reaches as far as d.", check_reach),
    Exercise("best_products", "PMI − log k where the noise has an exponent.", check_best_products),
    Exercise("mended_step", "Fix the duplicate-negative bug.", check_mended_step, points=2),
    Exercise("cbow_gradients", "The gradients of CBOW.", check_cbow_gradients),
]
