"""The second-order sweep: what rounding one weight spoils, the weights after it make good.

    loss(Ŵ) = tr(Eᵀ H E),   E = W − Ŵ,  H = XᵀX + λI          ‖X(W − Ŵ)‖², damped by λ

For instance w = (0.4, 0.4), whole numbers, H = [[1, 0.9], [0.9, 1]]. To nearest it is (0, 0), with
a loss of 0.608. The sweep rounds 0.4 to 0, then 0.4 + 0.9·0.4 = 0.76 to 1: (0, 1) loses 0.088.

A product x @ w sums over the rows of w. H = V Vᵀ with V upper triangular; M is V, each column
divided by its diagonal entry. With r = Mᵀ E,

    loss = Σ_j V_jj² ‖r_j‖²,     r_j = w_j + Σ_{i<j} M_ij E_i − ŵ_j

Row by row, the j-th term depends on the rows before it and on ŵ_j: whatever they have spoilt is
known, so project w_j + Σ_{i<j} M_ij E_i instead of w_j; r_j is what the projection takes off. No
inverse is needed. The papers' numbers come from H⁻¹ = UᵀU with U = V⁻¹: e_j = r_j / U_jj, and
Σ‖e_j‖² is the loss.

OBS (Hassibi and Stork 1992), OBQ and GPTQ (Frantar et al. 2022, Algorithm 1), in the form of LDLQ
(Chee et al. 2023, eq. 4). `project` rounds to a grid, or sets to zero, or both. It is greedy: what
comes last has nobody to make it good, and now and then rounding to nearest is better.
"""

import math
import warnings
from collections.abc import Callable

import numpy as np

from minilm.types import Array

Project = Callable[[slice, Array], Array]
BeforeBlock = Callable[[Array, Array, Array], None]
MOST_DAMPING = 1e4  # a true XᵀX, however rounded, is positive definite long before


def sweep(
    w: Array,
    gram: Array,
    project: Project,
    *,
    damping: float = 0.01,
    block: int = 128,
    order: Array | None = None,
    before_block: BeforeBlock | None = None,
) -> Array:
    """ŵ, each row of it project(its place, what it should be by then).

    w: (n, out) floats; gram: XᵀX (n, n), of any scale; project(slice of one row, values (1, out))
    -> (1, out); damping: λ in units of the mean of gram's diagonal; order: in which the rows are
    visited, a permutation of 0 … n−1 (None: as they stand); block: rows after which what has been
    spoilt is carried over to all others, one large product in the place of many small ones;
    before_block(rows, values (b, out), costs (b,)): called before the first row of a block is
    projected, with the numbers of its rows, what they will be if all of them are kept, and V_jj²,
    what a square of r_j costs
      ->  (n, out), of w's dtype
    ValueError for shapes that do not fit, numbers that are not finite, an order that is none, or a
    gram that is no XᵀX, which `feedback` tells; TypeError for a w that is not of floats.
    """
    if w.ndim != 2 or not len(w) or gram.shape != (len(w), len(w)):
        raise ValueError(f"w and gram must be (n, out) and (n, n), got {w.shape} and {gram.shape}")
    if w.dtype.kind != "f":
        raise TypeError(f"w must be of floats, got dtype {w.dtype}")
    if not np.isfinite(w).all():
        raise ValueError("w must be finite, got NaN or infinity")
    if block < 1:
        raise ValueError(f"block must be at least 1, got {block}")
    n = len(w)
    visited = np.arange(n) if order is None else np.asarray(order)
    if visited.dtype.kind not in "iu" or not np.array_equal(np.sort(visited), np.arange(n)):
        raise ValueError(f"order must be a permutation of 0 … {n - 1}, got {order!r}")
    m_t, costs = feedback(gram[np.ix_(visited, visited)], damping)      # Mᵀ, V_jj²
    m_t = m_t.astype(w.dtype)
    wanted, errors = w[visited], np.zeros_like(w)
    for start in range(0, n, block):
        stop = min(start + block, n)
        wanted[start:stop] += m_t[start:stop, :start] @ errors[:start]
        if before_block is not None:
            # all of them kept: every r_j = 0, so S (now − w) = wanted − w, S the block of Mᵀ
            change = wanted[start:stop] - w[visited[start:stop]]
            now = w[visited[start:stop]] + np.linalg.solve(m_t[start:stop, start:stop], change)
            before_block(visited[start:stop], now, costs[start:stop])
        for j in range(start, stop):
            place = slice(visited[j], visited[j] + 1)
            now = wanted[j : j + 1] + m_t[j : j + 1, start:j] @ errors[start:j]
            wanted[j] = project(place, now)[0]
            errors[j] = w[visited[j]] - wanted[j]
    projected = np.empty_like(w)
    projected[visited] = wanted
    return projected


def inverse_diagonal(gram: Array, damping: float = 0.01) -> Array:
    """[H⁻¹]_jj, (n,) float64: 1 / what a square of w_j costs if all the others make up for it.

    gram: (n, n), damping: as for `sweep`, which says what is refused. H⁻¹ = M⁻ᵀ D⁻¹ M⁻¹.
    """
    m_t, costs = feedback(gram, damping)
    inverse = np.linalg.inv(m_t)  # (M⁻¹)ᵀ
    return np.square(inverse) @ (1 / costs)


def feedback(gram: Array, damping: float = 0.01) -> tuple[Array, Array]:
    """Mᵀ and D = V_jj² of H = M D Mᵀ: (n, n), lower triangular with a diagonal of 1, and (n,).

    Both float64. ValueError for a gram that is not finite or symmetric or has a negative diagonal.
    If H is not positive definite, because rows of X were too few or rounded, it is damped ten times
    as much, and again, with a RuntimeWarning that says how much; ValueError if that does not help.
    """
    used = damping
    unit = 2.0 ** (math.frexp(abs(np.diagonal(gram)).max(initial=0))[1] - 1)
    gram = gram / unit  # M stays the same, and no sum of huge numbers overflows
    if not np.allclose(gram, gram.T, rtol=0, atol=1e-3, equal_nan=True):
        raise ValueError("gram must be symmetric, as XᵀX is")
    while True:
        # the Cholesky factor of H turned about both axes, turned back, is upper: H = V Vᵀ
        try:
            lower = np.linalg.cholesky(damped(gram, used)[::-1, ::-1])
        except np.linalg.LinAlgError:
            used = max(10 * used, 1e-6)
            if used > MOST_DAMPING:
                raise ValueError(
                    f"gram must be XᵀX: damped by {MOST_DAMPING:.0e} of the mean of its diagonal "
                    "it is not positive definite"
                ) from None
            continue
        break
    if used != damping:
        warnings.warn(
            f"gram with damping {damping:g} is not positive definite: damping {used:g} was used",
            RuntimeWarning,
            stacklevel=3,
        )
    upper = lower[::-1, ::-1]
    return (upper / np.diagonal(upper)).T, unit * np.square(np.diagonal(upper))


def damped(gram: Array, damping: float = 0.01) -> Array:
    """H = gram + λI, λ = damping · mean of gram's diagonal: (n, n) float64.

    A channel of x that was always 0 (H_jj = 0) says nothing of its weights: it gets the mean as its
    diagonal, and so is projected as it is.
    """
    if not 0 <= damping < np.inf:
        raise ValueError(f"damping must be a finite number of at least 0, got {damping!r}")
    h = np.array(gram, np.float64)
    diagonal = np.diagonal(h).copy()
    if not np.isfinite(h).all() or diagonal.min(initial=0) < 0:
        raise ValueError("gram must be finite, with a diagonal that is nowhere negative")
    mean = diagonal.mean() or 1.0
    np.fill_diagonal(h, np.where(diagonal == 0, mean, diagonal + damping * mean))
    return h
