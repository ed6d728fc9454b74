"""Low rank: a matrix as the product of two thin ones, W ≈ A B.

    W: (m, n) ≈ A B,  A: (m, r), B: (r, n)       r(m + n) numbers instead of mn
    break-even rank mn / (m + n): from there on the product is as large as W, or larger

Nothing of rank r is nearer to W than its singular value decomposition cut off (Eckart and Young
1936): W = U Σ Vᵀ, of which the r largest σ are kept, and

    ‖W − A B‖² = Σ_{i>r} σ_i²

But W multiplies X, and what counts is ‖X W − X A B‖². Nothing of rank r is nearer to X W than

    X W = U Σ Vᵀ,   X W V_r V_rᵀ                  V_r: the first r columns of V

and that is X times Ŵ = (W V_r) V_rᵀ, a matrix of rank r. So A = W V_r and B = V_rᵀ are the best
that there is for these X, and the output error is Σ_{i>r} σ_i² of X W: what is cut off is exactly
what is lost, as in SVD-LLM (Wang et al. 2024, section 3.1), which whitens by the Cholesky factor of
XᵀX and undoes that by its inverse. Here nothing is inverted, and too few rows X do no harm. It
takes H = XᵀX alone, as any R with RᵀR = H has the V and σ of R W. With H = I it is the plain SVD.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minilm.compression.parameters import (
    check_alone,
    check_finite,
    float_type,
    is_table,
    matrices,
    plain_array,
)
from minilm.compression.quantization.calibration.statistics import as_seen
from minilm.training.openings import Pullback, View, as_is
from minilm.types import Array, Params
from minilm.weights import Product

LEFT, RIGHT = "left.", "right."


def factorize(
    x: Array | Params,
    rank: int | dict[str, int] | None = None,
    *,
    share: float | None = None,
    energy: float | None = None,
    calibration: Any = None,
) -> Any:
    """W ≈ A B: a matrix -> Product, a params dict -> params dict with Products.

    Give one of
    rank: r, for a params dict one of all matrices or a dict by name (the others stay as they are);
    share: the largest r with at most this share of W's numbers, at least 1, e.g. 0.5;
    energy: the smallest r that keeps this share of Σ σ², e.g. 0.9.
    calibration: the vectors that multiply W, as a Seen or as rows X (N, m); of a params dict a dict
        of these by name, as `calibrate` makes it. None: the plain SVD.

    A W (in, out) is multiplied as x @ W, a table E (its name ends in `embedding`) as h @ E.T, and
    its rows are taken, for which E.T has the place of W. Of a params dict all matrices are
    factorized; vectors, companions `w:role` and tensors of more axes stay as they are. With share
    or energy, so does a matrix of which no rank, or none that is enough, is below break-even.

    A and B are float64 where W is, else float32. Not their signs, but their product and its error
    are the same on all machines, up to rounding.
    ValueError: a rank at or above break-even, not finite, empty, no matrix, settings out of range,
    calibration of another width or of no weight. TypeError: not real numbers, compressed already.
    """
    if not isinstance(x, dict):
        w = matrix("x", x)
        if isinstance(rank, dict):
            raise TypeError("rank must be one number for a matrix, got a dict by name")
        pair = factors_of("x", w, rank_rule(rank, share, energy), calibration)
        if pair is None:
            raise ValueError(f"x {w.shape} must need a rank below mn / (m + n) = "
                             f"{break_even(w.shape):.4g}, where it becomes smaller")
        return Product(*pair)
    chosen = {name: w for name, w in matrices(x).items() if w.ndim == 2}
    if isinstance(rank, dict):
        check_names("rank", rank, chosen)
        chosen = {name: chosen[name] for name in rank}
    if calibration is not None:
        if not isinstance(calibration, dict):
            raise TypeError("calibration of params must be a dict by name, as calibrate makes it")
        check_names("calibration", calibration, x)
    check_alone(x, chosen, "factorize")
    factorized = dict(x)
    for name, w in chosen.items():
        own = rank[name] if isinstance(rank, dict) else rank
        pair = factors_of(name, matrix(name, w), rank_rule(own, share, energy),
                          None if calibration is None else calibration.get(name))
        if pair is not None:
            factorized[name] = Product(*pair)
    return factorized


def break_even(shape: tuple[int, ...]) -> float:
    """mn / (m + n): a product of this rank has as many numbers as the matrix."""
    m, n = shape
    return m * n / (m + n)


def largest_rank(shape: tuple[int, ...]) -> int:
    """The largest rank below break-even: 0 for a matrix that no product is smaller than."""
    return math.ceil(break_even(shape)) - 1


def factors_of(
    name: str, w: Array, choose: Callable[..., int | None], calibration: Any
) -> tuple[Array, Array] | None:
    """A and B of one matrix; None where it should stay as it is."""
    table = is_table(name)
    wide = (w.T if table else w).astype(np.float64)
    seen = None if calibration is None else as_seen(calibration, len(wide), name)
    v_t, errors = directions(wide, None if seen is None else seen.cost)
    r = choose(name, w.shape, errors)
    if r is None:
        return None
    a, b = wide @ v_t[:r].T, v_t[:r]
    a, b = (b.T, a.T) if table else (a, b)
    dtype = float_type(w)
    return np.ascontiguousarray(a, dtype), np.ascontiguousarray(b, dtype)


def directions(w: Array, cost: Array | None) -> tuple[Array, Array]:
    """Vᵀ and σ² of R W, RᵀR = cost (None: R = I): rows of Vᵀ with the largest σ first.

    w: (m, n), cost: (m, m)  ->  vᵀ: (min(m, n), n), what each costs if it is cut off
    """
    if cost is not None:
        values, vectors = np.linalg.eigh(cost)
        values = np.maximum(values, 0)                # XᵀX has none below 0 but by rounding
        w = np.sqrt(values)[:, None] * (vectors.T @ w)
    _, sigma, v_t = np.linalg.svd(w, full_matrices=False)
    return v_t, sigma**2


def rank_rule(
    rank: int | None, share: float | None, energy: float | None
) -> Callable[[str, tuple[int, ...], Array], int | None]:
    """rule(name, shape, σ²) -> the rank, or None where the matrix stays as it is."""
    if sum(given is not None for given in (rank, share, energy)) != 1:
        raise ValueError(f"give one of rank, share and energy, got {rank!r}, {share!r}, {energy!r}")
    for name, part in (("share", share), ("energy", energy)):
        if part is not None and not 0 < part < 1:
            raise ValueError(f"{name} must lie in (0, 1), got {part!r}")

    def rule(name: str, shape: tuple[int, ...], squares: Array) -> int | None:
        most = largest_rank(shape)
        if rank is not None:
            check_rank(name, rank, shape)
            return rank
        if share is not None:
            wanted = max(1, math.floor(share * break_even(shape)))
        else:
            kept = np.cumsum(squares)
            wanted = 1 + int(np.searchsorted(kept, energy * kept[-1]))
        return wanted if wanted <= most else None

    return rule


def check_rank(name: str, rank: int, shape: tuple[int, ...]) -> None:
    """Refuse a rank that is no whole number from 1 on, or at which nothing becomes smaller."""
    if isinstance(rank, bool) or not isinstance(rank, int | np.integer) or rank < 1:
        raise ValueError(f"rank of {name} must be an integer of at least 1, got {rank!r}")
    if rank > largest_rank(shape):
        raise ValueError(
            f"rank of {name} {shape} must be below mn / (m + n) = {break_even(shape):.4g}, where "
            f"two factors take as much as the matrix, got {rank}"
        )


def check_names(what: str, by_name: dict[str, Any], known: Params) -> None:
    """Refuse a name that no matrix has."""
    unknown = [name for name in by_name if name not in known]
    if unknown:
        raise ValueError(f"{what} must name matrices, got {', '.join(unknown)}; there are "
                         f"{', '.join(known)}")


def matrix(name: str, x: Any) -> Array:
    """x as a matrix of finite floats, refused by name if it is none."""
    w = plain_array(name, x)
    if w.ndim != 2:
        raise ValueError(f"{name} must be a matrix, got shape {w.shape}")
    check_finite(name, w)
    return w


def split_factors(params: Params) -> Params:
    """Each Product as two parameters, left.NAME and right.NAME: to compress or train them.

    joined(quantize(split_factors(params), 4)) has both factors of each in four bits: a table's are
    tables too, so that the rows of E[ids] stay rows. All else is passed on.
    """
    split: Params = {}
    for name, w in params.items():
        split |= {LEFT + name: w.a, RIGHT + name: w.b} if isinstance(w, Product) else {name: w}
    return split


def joined(params: Params) -> Params:
    """The inverse of `split_factors`. ValueError where one of two factors is missing."""
    together: Params = {}
    for name, w in params.items():
        own = name.removeprefix(LEFT)
        if name.startswith(LEFT) and RIGHT + own in params:
            together[own] = Product(w, params[RIGHT + own])
        elif name.startswith(LEFT) or (
            name.startswith(RIGHT) and LEFT + name.removeprefix(RIGHT) not in params
        ):
            raise ValueError(f"params must have both factors of a product, got {name} alone")
        elif not name.startswith(RIGHT):
            together[name] = w
    return together


def in_factors() -> View:
    """The model sees the products of what `split_factors` made; both factors are trained.

        y = x A B:   ∂/∂A = ∂/∂W Bᵀ,   ∂/∂B = Aᵀ ∂/∂W

    params, _ = fit(model, split_factors(factorize(params, share=0.5)), batches, view=in_factors())
    params = joined(params)
    """

    def view(params: Params, step: int) -> tuple[Params, Pullback]:
        seen = joined(params)

        def pullback(grads: Params) -> Params:
            pulled = {}
            for name, grad in grads.items():
                if LEFT + name in params:
                    product = seen[name]
                    pulled[LEFT + name] = grad @ product.b.T
                    pulled[RIGHT + name] = product.a.T @ grad
                else:
                    pulled[name] = grad
            return as_is(params, step)[1](pulled)

        return seen, pullback

    return view
