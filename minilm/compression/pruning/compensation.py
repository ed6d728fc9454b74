"""Compensation: what pruning one weight spoils, the weights after it make good.

    ŵ = sweep(w, H):   row by row, each row set to 0 where it is pruned, and what that spoils in
                       x @ w added to the rows that follow

The sweep is minilm.compression.second_order's; here it projects onto a mask. The mask is either
chosen beforehand, by any score, structure and scope, or block by block of rows as the sweep gets
there, when it is known what the rows before have left to be made good:

    score of row j = V_jj²·w_j² = w_j² / U_jj²         H = VVᵀ, H⁻¹ = UᵀU

which is OBS where the rows before j are past changing. Frantar and Alistarh 2023 (SparseGPT),
section 3.2: blocks of 128 rows, for n:m of m. LeCun et al. 1990 and Hassibi and Stork 1992 before.
"""

import numpy as np

from minilm.compression.pruning.masks import all_but_lowest
from minilm.compression.pruning.structures import kept_of_each
from minilm.compression.second_order import sweep
from minilm.types import Array


def compensated(w: Array, gram: Array, kept: Array, *, damping: float = 0.01) -> Array:
    """ŵ with zeros where `kept` is False: w, kept (n, out), gram (n, n) -> (n, out)."""
    return sweep(w, gram, lambda place, values: values * kept[place], damping=damping)


def pruned_in_blocks(
    name: str,
    w: Array,
    gram: Array,
    sparsity: float,
    *,
    block: int,
    pattern: tuple[int, int] | None = None,
    scope: str = "local",
    damping: float = 0.01,
) -> tuple[Array, Array]:
    """ŵ and its mask, which is chosen in the sweep, for `block` rows at a time.

    w: (n, out), gram: (n, n) -> both (n, out). By the end of each block round(sparsity · numbers so
    far) are pruned, with scope "output" so many of each column's. pattern: (n, m), instead of a
    sparsity.
    """
    kept = np.ones(w.shape, np.bool_)
    seen_by = np.diagonal(gram) > 0  # an input that was always 0 makes its weights worth nothing

    def choose(rows: Array, values: Array, costs: Array) -> None:
        scores = np.square(values, dtype=np.float64) * (costs * seen_by[rows])[:, None]
        if pattern is not None:
            kept[rows] = kept_of_each(name, scores, pattern)
            return
        compared = scores if scope == "output" else scores.reshape(-1, 1)
        each = compared.shape[0] // len(rows)  # numbers of a row that are compared with others
        before, after = (round(sparsity * each * row) for row in (rows[0], rows[-1] + 1))
        kept[rows] = all_but_lowest(compared, after - before).reshape(scores.shape)

    pruned = sweep(
        w, gram, lambda place, values: values * kept[place],
        damping=damping, block=block, before_block=choose,
    )  # fmt: skip
    return pruned, kept
