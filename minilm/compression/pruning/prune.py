"""Pruning: the weights that matter least become exactly zero, and a bitmask says where.

    pruning = score × structure × scope × schedule (× what the other weights do about it)

    prune(params, 0.5)                                          the smallest half of each weight
    prune(params, 0.5, **PRUNING["Wanda"].arguments, calibration=calibrate(model, params, batches))

Each part is a row of a table in a file of its own; the combinations that have a name are in PRUNING
(methods.py).
"""

from typing import Any

import numpy as np

from minilm.compression.parameters import matrices, needed
from minilm.compression.pruning.compensation import compensated, pruned_in_blocks
from minilm.compression.pruning.evidence import Evidence
from minilm.compression.pruning.masks import check_choice, floats, keep_masks
from minilm.compression.pruning.structures import columns, from_columns, pattern_of
from minilm.compression.quantization.scheme import is_integer
from minilm.types import Array, Params
from minilm.weights import SparseTensor

ARRAY = "x"  # what an array is called in messages, which has no name


def prune(
    x: Array | Params,
    sparsity: float | None = None,
    *,
    threshold: float | None = None,
    structure: str = "element",
    scope: str = "local",
    score: str | dict[str, Array] = "magnitude",
    compensate: bool = False,
    block: int | None = None,
    calibration: Any = None,
    gradients: Any = None,
    damping: float = 0.01,
    seed: int = 0,
) -> Any:
    """Zero the weights that score lowest: an array -> SparseTensor, a params dict -> params dict.

    Give one of sparsity (the share in [0, 1] to prune: exactly round(sparsity · n) of n elements,
    rows or columns; among equals, which of them is not specified) and threshold (prune what scores
    below it).

    structure (structures.py): "element", "row", "column", or n:m as "2:4": of 4 neighbours along
        the inputs of an output 2 are kept; neither sparsity nor threshold is needed then.
    scope: which scores are compared: "local", those of each weight; "output", of each output of it
        (elements); "global", of all weights together, the lowest wherever they are.
    score (scores.py): "magnitude"; "random", drawn by seed; with calibration "wanda" and "obs";
        with gradients "taylor" and "obd"; or scores by name, as `measured_effect` makes them.
    compensate: whether the weights that stay make good what pruning the others spoils, as far as
        the calibration goes (compensation.py). block: None, the masks are chosen beforehand; else
        for so many rows at a time on the way (score "obs", elements or n:m; with scope "global" it
        is settled beforehand how many of each weight go).
    calibration: what multiplies x, a Seen or rows X (N, n); of a params dict a dict of these by
        name, as `calibrate` makes it. gradients: Gradients, or a dict of them by name, as
        `gather_gradients` makes it. Both of training data. damping: of H = XᵀX, see `sweep`.

    Of a params dict every array of two or more axes is pruned, embeddings too; vectors and
    companions named `w:role` stay as they are. A SparseTensor of floats is pruned further.
    ValueError: settings out of range or that do not go together, weights that are empty or not
    finite, calibration or gradients that are missing or do not fit. TypeError: a leaf of another
    kind, such as a QuantizedTensor, or a SparseTensor of one (prune first, then quantize), or not
    real numbers.
    """
    weights = matrices(x) if isinstance(x, dict) else {ARRAY: x}
    dense = {name: floats(name, w) for name, w in weights.items()}
    if not isinstance(x, dict):
        calibration, gradients, score = map(by_name, (calibration, gradients, score))
    known: dict[str, Any] = {
        "calibration": calibration, "gradients": gradients, "damping": damping, "seed": seed,
    }  # fmt: skip
    how: dict[str, Any] = {
        "threshold": threshold, "structure": structure, "scope": scope, "score": score,
    }  # fmt: skip
    check_names(known, x if isinstance(x, dict) else weights)
    if block is not None:
        check_choice(sparsity, threshold, structure, scope, score)
        check_block(block, compensate, how)
    masks = keep_masks(dense, sparsity, **how, **known)
    found = {name: (w, masks[name]) for name, w in dense.items()}
    if block is not None:
        found = in_blocks(found, how, block, Evidence(dense, **known))
    elif compensate:
        found = made_good(found, Evidence(dense, **known))
    pruned = {name: SparseTensor.from_dense(*both) for name, both in found.items()}
    return {**x, **pruned} if isinstance(x, dict) else pruned[ARRAY]


Found = dict[str, tuple[Array, Array]]  # a weight as it is to be, and its mask


def made_good(found: Found, evidence: Evidence) -> Found:
    """The weights under masks that are chosen already, each compensated."""
    changed = {}
    for name, (w, kept) in found.items():
        by_output = columns(name, w)
        gram = needed(evidence.gram(name, len(by_output)), name, "compensate")
        values = compensated(by_output, gram, columns(name, kept), damping=evidence.damping)
        changed[name] = from_columns(name, values, w.shape), kept
    return changed


def in_blocks(found: Found, how: dict[str, Any], block: int, evidence: Evidence) -> Found:
    """As many of each weight as its mask leaves out; which, is chosen anew in the sweep that
    compensates."""
    changed = {}
    for name, (w, mask) in found.items():
        by_output = columns(name, w)
        gram = needed(evidence.gram(name, len(by_output)), name, "compensate")
        both = pruned_in_blocks(
            name, by_output, gram, np.count_nonzero(~mask) / mask.size, block=block,
            pattern=pattern_of(how["structure"]), scope=how["scope"], damping=evidence.damping,
        )  # fmt: skip
        values, kept = (from_columns(name, part, w.shape) for part in both)
        changed[name] = values, kept
    return changed


def check_block(block: int, compensate: bool, how: dict[str, Any]) -> None:
    """Refuse, by name, what masks that are chosen on the way cannot be."""
    pattern = pattern_of(how["structure"])
    if not is_integer(block) or block < 1:
        raise ValueError(f"block must be None or a positive integer, got {block!r}")
    if not compensate:
        raise ValueError("block is of the sweep that compensates: pass compensate=True")
    if how["score"] != "obs":
        raise ValueError(f"block goes with score 'obs', got {how['score']!r}")
    if how["threshold"] is not None:
        raise ValueError("block goes with a sparsity, got a threshold")
    if how["structure"] in ("row", "column"):
        raise ValueError("block goes with structure 'element' or n:m, got "
                         f"{how['structure']!r}")
    if pattern is not None and block % pattern[1]:
        raise ValueError(f"block must be a multiple of {pattern[1]} for structure "
                         f"{how['structure']}, got {block}")


def check_names(known: dict[str, Any], params: Params) -> None:
    """Refuse calibration and gradients of what is no parameter: they are of another model."""
    for argument in ("calibration", "gradients"):
        given = known[argument]
        unknown = [name for name in given if name not in params] if isinstance(given, dict) else []
        if unknown:
            raise ValueError(f"{argument} has {', '.join(unknown)}, no parameter")


def by_name(given: Any) -> Any:
    """What is given for an array alone, under the array's name; a setting stays as it is."""
    return given if given is None or isinstance(given, str | dict) else {ARRAY: given}
