"""Low rank: a matrix as the product of two thin ones, W ≈ A B.

    W: (m, n) ≈ A B,  A: (m, r), B: (r, n)       r(m + n) numbers instead of mn
    break-even rank mn / (m + n): from there on the product is as large as W, or larger

Nothing of rank r is nearer to W than its singular value decomposition cut off (Eckart and Young
1936): W = U Σ Vᵀ, of which the r largest σ are kept, and

    ‖W − A B‖² = Σ_{i>r} σ_i²

But W multiplies rows X, and what counts is ‖X W − X A B‖². Let U Σ Vᵀ be the SVD of X W this time.
Nothing of rank r is nearer to X W than

    X W V_r V_rᵀ = X A B,   A = W V_r,  B = V_rᵀ          V_r: the first r columns of V

So these are the best A and B for these X, and the error of the outputs is Σ_{i>r} σ_i² of X W: what
is cut off is exactly what is lost, as in SVD-LLM (Wang et al. 2024, section 3.1), which multiplies
by the Cholesky factor of XᵀX and afterwards by its inverse. Here nothing is inverted. H = XᵀX is
all that it takes: where RᵀR = H, R W has the V and σ of X W. With H = I it is the plain SVD. Of
directions that X does not have, as its rows are too few or zeros, the plain SVD decides.

Each matrix is the best for itself, with the inputs of the float model; what the error of one does
to the next is not asked. A small vocabulary's table has the σ that fall slowest, and is best left
whole:

    names = [name for name, w in params.items() if w.ndim == 2 and not name.endswith("embedding")]
    params = factorize(params, share=dict.fromkeys(names, 0.5), calibration=seen)
    params, _ = fit(model, split_factors(params), batches, view=in_factors())      and trained on
    params = joined(quantize(params, 8))
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
UNMET = 1e-12  # weight of an error in a direction that X lacks, over that of its largest one


def factorize(
    x: Array | Params,
    rank: int | dict[str, int] | None = None,
    *,
    share: float | dict[str, float] | None = None,
    energy: float | dict[str, float] | None = None,
    calibration: Any = None,
) -> Any:
    """W ≈ A B: a matrix -> Product, a params dict -> params dict with Products.

    Give one of these; for a params dict, a number for all matrices, or a dict by name, and what is
    not in it stays as it is:
    rank: r;
    share: the largest r with at most this share of W's numbers, at least 1, e.g. 0.5;
    energy: the smallest r that keeps this share of Σ σ², e.g. 0.9.
    calibration: the vectors that multiply W, as a Seen or as rows X (N, m); of a params dict a dict
        of these by name, as `calibrate` makes it. None: the plain SVD.

    A W (in, out) is used as x @ W; a table E (its name ends in `embedding`) as h @ E.T and E[ids],
    and there E.T takes the place of W. Vectors, companions `w:role` and tensors of more axes stay
    as they are. With share or energy, so does a matrix that no rank, or none that is enough, makes
    smaller.

    A and B are float64 where W is, else float32. Not their signs, but their product and its error
    are the same on all machines, up to rounding.
    ValueError: a rank at or above break-even, not finite, empty, no matrix, settings out of range,
    calibration of another width or of no weight. TypeError: not real numbers, compressed already.
    """
    wanted = {"rank": rank, "share": share, "energy": energy}
    given = {how: much for how, much in wanted.items() if much is not None}
    if len(given) != 1:
        raise ValueError(f"give one of rank, share and energy, got {rank!r}, {share!r}, {energy!r}")
    ((how, much),) = given.items()
    if not isinstance(x, dict):
        w = matrix("x", x)
        if isinstance(much, dict):
            raise TypeError(f"{how} must be one number for a matrix, got a dict by name")
        pair = factors_of("x", w, how, much, calibration)
        if pair is None:
            raise ValueError(f"x {w.shape} must need a rank below mn / (m + n) = "
                             f"{break_even(w.shape):.4g}, where it becomes smaller")
        return Product(*pair)
    weights = {name: w for name, w in matrices(x).items() if w.ndim == 2}
    by_name = much if isinstance(much, dict) else dict.fromkeys(weights, much)
    check_names(how, by_name, weights)
    if not isinstance(calibration, dict | None):
        raise TypeError("calibration of params must be a dict by name, as calibrate makes it")
    seen = calibration or {}
    check_names("calibration", seen, weights)
    check_alone(x, by_name, "factorize")
    factorized = dict(x)
    for name, amount in by_name.items():
        w = matrix(name, weights[name])
        pair = factors_of(name, w, how, amount, seen.get(name))
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
    name: str, w: Array, how: str, much: Any, calibration: Any
) -> tuple[Array, Array] | None:
    """A and B of one matrix; None where it should stay as it is. how: a row of RANKS."""
    table = is_table(name)
    used = (w.T if table else w).astype(np.float64)  # as it is multiplied: x @ used
    seen = None if calibration is None else as_seen(calibration, len(used), name)
    v_t, errors = directions(used, None if seen is None else seen.cost)
    r = RANKS[how](name, w.shape, much, errors)
    if r > largest_rank(w.shape):
        return None
    a, b = used @ v_t[:r].T, v_t[:r]
    a, b = (b.T, a.T) if table else (a, b)
    dtype = float_type(w)
    return np.ascontiguousarray(a, dtype), np.ascontiguousarray(b, dtype)


def directions(w: Array, cost: Array | None) -> tuple[Array, Array]:
    """Vᵀ and σ² of R W, the largest σ first; RᵀR = cost, which is H (None, or 0: R = I).

    w: (m, n), cost: (m, m)  ->  vᵀ: (min(m, n), n), σ²: what each row costs if it is cut off
    """
    if cost is not None and cost.any():
        values, vectors = np.linalg.eigh(cost)
        # cost = QΛQᵀ, so R = √Λ Qᵀ. XᵀX has no λ below 0 but by rounding
        values = np.maximum(values, 0) + UNMET * values.max()
        w = np.sqrt(values)[:, None] * (vectors.T @ w)
    _, sigma, v_t = np.linalg.svd(w, full_matrices=False)
    return v_t, sigma**2


def given_rank(name: str, shape: tuple[int, ...], rank: int, squares: Array) -> int:
    """The rank itself; ValueError if it is no whole number from 1 on, or at or above break-even."""
    if isinstance(rank, bool) or not isinstance(rank, int | np.integer) or rank < 1:
        raise ValueError(f"rank of {name} must be an integer of at least 1, got {rank!r}")
    if rank > largest_rank(shape):
        raise ValueError(
            f"rank of {name} {shape} must be below mn / (m + n) = {break_even(shape):.4g}, where "
            f"two factors take as much as the matrix, got {rank}"
        )
    return int(rank)


def rank_of_share(name: str, shape: tuple[int, ...], share: float, squares: Array) -> int:
    """⌊share · mn / (m + n)⌋, and at least 1."""
    check_part("share", name, share)
    return max(1, math.floor(share * break_even(shape)))


def rank_of_energy(name: str, shape: tuple[int, ...], energy: float, squares: Array) -> int:
    """The smallest r with Σ_{i≤r} σ_i² ≥ energy · Σ σ_i². squares: σ², the largest first."""
    check_part("energy", name, energy)
    kept = np.cumsum(squares)
    return 1 + int(np.searchsorted(kept, energy * kept[-1]))


RANKS: dict[str, Callable[[str, tuple[int, ...], Any, Array], int]] = {
    "rank": given_rank,
    "share": rank_of_share,
    "energy": rank_of_energy,
}


def check_part(what: str, name: str, part: float) -> None:
    """Refuse a part that is none, or all."""
    if not 0 < part < 1:
        raise ValueError(f"{what} of {name} must lie in (0, 1), got {part!r}")


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
    tables too, so that the rows of E[ids] stay rows. All else is passed on. ValueError for a name
    that is taken.
    """
    split: Params = {}
    for name, w in params.items():
        parts = {LEFT + name: w.a, RIGHT + name: w.b} if isinstance(w, Product) else {name: w}
        taken = [part for part in parts if part != name and part in params]
        if taken:
            raise ValueError(f"params must not have {taken[0]}, the name of a factor of {name}")
        split |= parts
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
