"""Exercises of notebook 03: a cell's backward pass, its forget bias, clipping, the RNN's bound."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minilm.course.check import Exercise, want
from minilm.nn import check_gradient
from minilm.types import Array

Answer = Callable[..., Any]


def _close(got: Any, wanted: Any) -> bool:
    """Equal to 1e-4, as arrays of one shape; False for NaN."""
    x, y = np.asarray(got), np.asarray(wanted)
    return x.shape == y.shape and bool(np.allclose(x, y, rtol=1e-4, atol=1e-7))


# -- 1


def _cell(a: Array, c: Array) -> tuple[tuple[Array, Array], tuple[Array, ...]]:
    """The notebook's `lstm_cell`."""
    i, f, g, o = np.split(a, 4, axis=1)
    i, f, g, o = 1 / (1 + np.exp(-i)), 1 / (1 + np.exp(-f)), np.tanh(g), 1 / (1 + np.exp(-o))
    c_next = f * c + i * g
    return (o * np.tanh(c_next), c_next), (i, f, g, o, c, c_next)


def check_lstm_cell_backward(lstm_cell_backward: Answer, rng: np.random.Generator) -> None:
    B, H = 3, 4
    a, c = rng.standard_normal((B, 4 * H)), rng.standard_normal((B, H))
    dh, dc_next = rng.standard_normal((B, H)), rng.standard_normal((B, H))
    _, cache = _cell(a, c)

    def answer(dh: Array, dc_next: Array) -> tuple[dict[str, Array], Array]:
        given = lstm_cell_backward((dh.copy(), dc_next.copy()), tuple(x.copy() for x in cache))
        want(isinstance(given, tuple | list) and len(given) == 2, "return two arrays: da, dc")
        da, dc = map(np.asarray, given)
        want(da.shape == (B, 4 * H), f"da must have shape (B, 4H) = {(B, 4 * H)}, got {da.shape}")
        want(dc.shape == (B, H), f"dc must have shape (B, H) = {(B, H)}, got {dc.shape}")
        return dict(zip("ifgo", np.split(da, 4, axis=1), strict=True)), dc

    _check_old_cell(answer, dh, dc_next, cache)
    _check_gates(answer, dh, dc_next, cache)
    try:
        check_gradient(_cell, lambda dstate, cache: tuple(lstm_cell_backward(dstate, cache)), a, c)
    except AssertionError as error:
        want(False, f"the gradient check fails: {error}")


def _check_old_cell(answer: Answer, dh: Array, dc_next: Array, cache: tuple[Array, ...]) -> None:
    """dc, first with what comes through c' alone, then through h' alone, then both."""
    _, f, _, o, _, c_next = cache
    through_h = dh * o * (1 - np.tanh(c_next) ** 2)
    zeros = np.zeros_like(dh)

    _, dc = answer(zeros, dc_next)
    want(not _close(dc, dc_next), "dc: this is dc' itself. In c' = f·c + i·g, what is the old c "
         "multiplied by?")  # fmt: skip
    want(not _close(dc, zeros), "dc: what comes from the next step's cell, dc', gets lost")
    want(_close(dc, dc_next * f), "dc is wrong even when dh' = 0: look at c' = f·c + i·g only")

    _, dc = answer(dh, zeros)
    want(not _close(dc, zeros), "dc is 0 when dc' = 0: but c' reaches the loss through h' as well")
    want(not _close(dc, dh * o * f), "dc: the way through h' = o·tanh(c') misses the slope of tanh")
    want(not _close(dc, through_h), "dc: what comes through h' has to go on through c' = f·c + i·g")
    want(_close(dc, through_h * f), "dc is wrong when dc' = 0: what does h' = o·tanh(c') add to "
         "the gradient of c'?")  # fmt: skip

    _, dc = answer(dh, dc_next)
    want(_close(dc, (dc_next + through_h) * f), "dc: the two ways to the loss, dc' and the one "
         "through h', should add")  # fmt: skip


def _check_gates(answer: Answer, dh: Array, dc_next: Array, cache: tuple[Array, ...]) -> None:
    i, f, g, o, c, c_next = cache
    total = dc_next + dh * o * (1 - np.tanh(c_next) ** 2)
    before = {"i": total * g, "f": total * c, "g": total * i, "o": dh * np.tanh(c_next)}
    slopes = {"i": i * (1 - i), "f": f * (1 - f), "g": 1 - g**2, "o": o * (1 - o)}
    right = {gate: before[gate] * slopes[gate] for gate in "ifgo"}

    da, _ = answer(dh, dc_next)
    for gate in "ifgo":
        got = da[gate]
        places = [other for other in "ifgo" if other != gate and _close(got, right[other])]
        want(not places, f"where da_{gate} belongs you have da_{''.join(places)}: the order is i, "
             "f, g, o")  # fmt: skip
        want(not _close(got, before[gate]), f"da_{gate}: the slope of its gate is missing")
    want(not _close(da["g"], before["g"] * g * (1 - g)), "da_g: g is a tanh, whose slope is 1 − g²")
    want(not _close(da["f"], total * c_next * slopes["f"]), "da_f: the forget gate multiplies the "
         "old cell c, not the new one")  # fmt: skip
    want(not _close(da["o"], dh * c_next * slopes["o"]), "da_o: the output gate multiplies "
         "tanh(c'), not c'")  # fmt: skip
    for gate, other in (("i", g), ("f", c), ("g", i)):
        want(not _close(da[gate], dc_next * other * slopes[gate]), f"da_{gate}: use the whole "
             "gradient of c', with what comes through h'")  # fmt: skip
    for gate in "ifgo":
        want(_close(da[gate], right[gate]), f"da_{gate} is not right: what arrives at the "
             "product, times the other factor, times the slope of the gate")  # fmt: skip


# -- 2


def check_forget_bias(forget_bias: Answer, rng: np.random.Generator) -> None:
    cases = [(1, 0.75), (10, 0.5), (int(rng.integers(20, 200)), float(rng.uniform(0.05, 0.95)))]
    for steps, keep in cases:
        gate = keep ** (1 / steps)
        right = math.log(gate / (1 - gate))
        got = forget_bias(steps, keep)
        want(np.size(got) == 1, "return one number")
        b = float(np.asarray(got).reshape(-1)[0])
        case = f"steps = {steps}, keep = {keep:.3g}"
        want(not _close(b, -right), f"{case}: the sign is turned. A large b opens the gate")
        want(not _close(b, gate) or _close(gate, right), f"{case}: this is the gate σ(b) itself; "
             "which b has this σ(b)?")  # fmt: skip
        want(not _close(b, math.log(gate)), f"{case}: this is log σ(b): undo σ(b) = 1/(1 + e^−b), "
             "not the exponential alone")  # fmt: skip
        want(steps == 1 or not _close(b, math.log(keep / (1 - keep))), f"{case}: this b keeps so "
             "much after *one* step")  # fmt: skip
        shared = keep / steps
        want(steps == 1 or not _close(b, math.log(shared / (1 - shared))), f"{case}: the gate acts "
             "on what is left, again and again: a power, not a multiple")  # fmt: skip
        want(_close(b, right), f"{case}: with b = {b:.4g}, σ(b)^steps is "
             f"{(1 + math.exp(-min(max(b, -50), 50))) ** -float(steps):.3g}")  # fmt: skip


# -- 3


def check_clip_by_norm(clip_by_norm: Answer, rng: np.random.Generator) -> None:
    grads = {"w": 3 * rng.standard_normal((4, 3)), "b": rng.standard_normal(3),
             "table": 5 * rng.standard_normal((2, 2, 2))}  # fmt: skip
    norm = math.sqrt(sum(float((g**2).sum()) for g in grads.values()))
    limit = float(rng.uniform(0.5, 0.9)) * max(float(np.abs(g).max()) for g in grads.values())
    given = {name: grad.copy() for name, grad in grads.items()}
    got = clip_by_norm(given, limit)
    _same_shapes(got, grads)
    want(all(np.array_equal(given[name], grads[name]) for name in grads), "the arrays that were "
         "given have changed: make new ones")  # fmt: skip
    want(not _alike(got, grads), "nothing was clipped, although the gradient is longer than limit")
    each = {n: g * min(1, limit / np.linalg.norm(g)) for n, g in grads.items()}
    want(not _alike(got, each), "you clip each array by itself: take the length of all of them "
         "together")  # fmt: skip
    want(not _alike(got, {n: np.clip(g, -limit, limit) for n, g in grads.items()}), "you clip each "
         "number by itself, which turns the direction: multiply all by one factor")  # fmt: skip
    squared = {n: g * min(1, limit / norm**2) for n, g in grads.items()}
    want(not _alike(got, squared), "you divide by the squared length: take the root")
    summed = limit / sum(float(np.linalg.norm(g)) for g in grads.values())
    want(not _alike(got, {n: g * summed for n, g in grads.items()}), "lengths of parts don't add: "
         "add their squares, then take the root")  # fmt: skip
    right = {n: g * (limit / norm) for n, g in grads.items()}
    want(_alike(got, right), f"of length {norm:.4g}, clipped to {limit:.4g}: it should keep its "
         "direction and have just this length")  # fmt: skip

    short = {name: grad.copy() for name, grad in grads.items()}
    want(_alike(clip_by_norm(short, 2 * norm), grads), "a gradient that is short enough must stay "
         "as it is: never make one longer")  # fmt: skip
    zeros = {"w": np.zeros((2, 3)), "b": np.zeros(3)}
    with np.errstate(divide="ignore", invalid="ignore"):
        got = clip_by_norm({name: zero.copy() for name, zero in zeros.items()}, limit)
    want(_alike(got, zeros), "gradients that are all 0 must stay 0: mind the division")


def _same_shapes(got: Any, grads: dict[str, Array]) -> None:
    want(isinstance(got, dict) and set(got) == set(grads), "return a dict with the same names")
    for name, grad in grads.items():
        want(np.shape(got[name]) == grad.shape, f"{name!r} has another shape than its gradient")


def _alike(got: dict[str, Array], wanted: dict[str, Array]) -> bool:
    return all(_close(got[name], wanted[name]) for name in wanted)


# -- 4


def check_gradient_bound(gradient_bound: Answer, rng: np.random.Generator) -> None:
    # far from normal: its powers and its eigenvalues are much smaller than its spectral norm
    w_h = rng.standard_normal((5, 5)) / 3 + 1.5 * np.triu(rng.random((5, 5)), 1)
    spectral, lag = float(np.linalg.norm(w_h, 2)), int(rng.integers(4, 8))
    got = gradient_bound(w_h.copy(), lag)
    want(np.size(got) == 1, "return one number")
    bound = float(np.asarray(got).reshape(-1)[0])
    radius = float(np.abs(np.linalg.eigvals(w_h)).max())
    want(not _close(bound, np.linalg.norm(w_h) ** lag), "this is the root of the sum of squares, "
         "np.linalg.norm's default: a bound, but not the spectral norm")  # fmt: skip
    want(not _close(bound, radius**lag), "you take the largest eigenvalue: a matrix can stretch "
         "some vectors by more than that. Singular values tell by how much")  # fmt: skip
    power = np.linalg.matrix_power(w_h, lag)
    want(not _close(bound, np.linalg.norm(power, 2)), "this is the norm of the power of w_h: it "
         "would do without slopes, but with a slope between any two factors the product can be "
         "longer")  # fmt: skip
    want(not _close(bound, np.abs(w_h).max() ** lag), "this is the largest entry: by how much can "
         "the matrix stretch a vector?")  # fmt: skip
    want(not _close(bound, spectral), "this is the bound for one step: what about `lag` steps?")
    want(not _close(bound, spectral * lag), "each step multiplies: a power, not a multiple")
    want(not _close(bound, spectral ** (2 * lag)), "this is the square: the largest singular value "
         "is the root of the largest eigenvalue of w wᵀ")  # fmt: skip
    want(_close(bound, spectral**lag), f"for a spectral norm of {spectral:.4g} and lag {lag}, got "
         f"{bound:.4g}")  # fmt: skip


EXERCISES: list[Exercise] = [
    Exercise("lstm_cell_backward", "The gradients of an LSTM cell, with that of the old cell.",
             check_lstm_cell_backward, points=3),
    Exercise("forget_bias", "The forget-gate bias that keeps a given share for given steps.",
             check_forget_bias),
    Exercise("clip_by_norm", "All gradients together made no longer than a limit.",
             check_clip_by_norm, points=2),
    Exercise("gradient_bound", "The longest gradient of a plain RNN after so many steps back.",
             check_gradient_bound),
]  # fmt: skip
