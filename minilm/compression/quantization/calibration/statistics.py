"""Calibration: what multiplies each weight, gathered in one pass over a few batches.

    seen = calibrate(model, params, batches)
    seen["block.0.attention.w_out"].gram       XᵀX of every row x that met this weight

The error that a rounded weight makes is not Σ(w − ŵ)² but that of its products, over the x that
really come:

    ‖X(W − Ŵ)‖² = tr((W − Ŵ)ᵀ H (W − Ŵ)),   H = XᵀX

so H, with means, ranges and channels' maxima, is all that any method here asks of the data. A tied
table E serves twice: as the head, h @ E.T with H = Σ hᵀh, and as the embedding, whose rows are read
as they are, so that an error costs the same in every direction. `Seen.cost` is the sum of both, in
equal parts: with H alone errors would go where no h looks, and the model would misread its tokens.

**Calibration data are training data, never test data**: what is chosen by looking at a text cannot
be judged by it. `apart_from` refuses batches that repeat what is to be scored.
"""

import inspect
import sys
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from minilm.compression.parameters import is_table, matrices
from minilm.types import Array, Batch, Params
from minilm.weights import Recorder, Seen


def calibrate(
    model: Any,
    params: Params,
    batches: Iterable[Batch],
    *,
    histograms: bool = False,
    apart_from: Iterable[Any] | None = None,
) -> dict[str, Seen]:
    """Statistics of the vectors that multiply each weight while the model reads the batches.

    batches: a finite list or iterator; where `fit` is given a function of the step, for instance
        [batches(step) for step in range(8)]. Each is what model.forward reads: ids alone, or a
        tuple of its inputs; what follows them (the targets) is left alone. Padding counts too.
    histograms: count all numbers too (`Seen.histogram`), which costs about as much as the pass.
    apart_from: texts to be scored later; see `check_apart`.

    -> {name: Seen} for the weights that were multiplied. Seen is as wide as a channel is long: of
    w (in, out), whose channels are columns, it has the rows x of x @ w; of a table E (V, D), whose
    channels are rows, the rows h of h @ E.T. A table whose rows are only taken has no entry.

    One thread, dropout off. The float model's own vectors are seen; give quantized params to see
    theirs. ValueError for no batches, a batch that is too short, or numbers that are not finite;
    TypeError for a function of the step.
    """
    if callable(batches):
        raise TypeError("batches must be a list or iterator of batches, got a function of the "
                        "step: [batches(step) for step in range(8)] takes eight of them")
    weights = {name: w for name, w in matrices(params).items() if w.ndim == 2}
    recorders = {name: Recorder(w, histograms) for name, w in weights.items()}
    readers = {**params, **recorders}
    scored = None if apart_from is None else Scored(apart_from)
    count = 0
    for count, batch in enumerate(batches, 1):
        inputs = read_by(model, batch)
        if scored is not None:
            scored.refuse(batch, count - 1)
        model.forward(readers, *inputs)
        for recorder in recorders.values():
            recorder.inputs.end_batch()
            recorder.outputs.end_batch()
    if not count:
        raise ValueError("batches must hold at least one batch to calibrate with, got none")
    sides = {name: channel_side(name, recorder) for name, recorder in recorders.items()}
    seen = {name: side for name, side in sides.items() if side.count}
    for name, side in seen.items():
        check_seen(name, side)
        if recorders[name].id_counts.any():
            side.taken = np.diagonal(side.gram).mean() * np.eye(side.width)  # type: ignore[arg-type]
    return seen


def channel_side(name: str, recorder: Recorder) -> Seen:
    """What met the side of a weight along which the numbers of one channel run."""
    return recorder.outputs if is_table(name) else recorder.inputs


def read_by(model: Any, batch: Batch) -> tuple[Array, ...]:
    """The first entries of a batch, as many as model.forward has to be given beside its params."""
    given = batch if isinstance(batch, tuple | list) else (batch,)
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    wanted = [
        parameter.name
        for parameter in inspect.signature(model.forward).parameters.values()
        if parameter.kind in kinds and parameter.default is inspect.Parameter.empty
    ][1:]
    if len(given) < len(wanted):
        raise ValueError(
            f"a batch of batches must hold {', '.join(wanted)}, got {len(given)} of {len(wanted)}"
        )
    return tuple(given[: len(wanted)])


def as_seen(calibration: Any, width: int, name: str = "x") -> Seen:
    """A Seen as it is, or that of example rows X (..., width).

    name: of what they multiply. ValueError where the width does not fit, there are no rows, or they
    are not finite; TypeError for something else.
    """
    if isinstance(calibration, Seen):
        seen = calibration
    else:
        rows = np.asarray(calibration)
        if rows.dtype.kind not in "fiu" or rows.ndim < 2:
            raise TypeError(f"calibration of {name} must be a Seen or rows X (N, {width}) of "
                            f"real numbers, got {type(calibration).__name__} {rows.shape}")
        seen = Seen(rows.shape[-1])
        seen.add(rows)
        seen.end_batch()
    if seen.width != width:
        raise ValueError(f"calibration of {name} must have rows of width {width}, "
                         f"got {seen.width}")
    check_seen(name, seen)
    return seen


def check_seen(name: str, seen: Seen) -> None:
    """Refuse by name statistics of nothing, and of numbers that are not finite."""
    if not seen.count:
        raise ValueError(f"calibration of {name} must hold at least one row, got none")
    # a diagonal entry Σx² is finite only if every x of its column is
    if seen.gram is None or not np.isfinite(np.diagonal(seen.gram)).all():
        raise ValueError(f"what multiplies {name} in calibration must be finite and its squares "
                         "too, got NaN, infinity or larger numbers")


def check_apart(batches: Iterable[Batch], scored: Iterable[Any]) -> None:
    """ValueError if a row of the batches occurs in what is to be scored.

    batches: arrays of ids (B, T), or tuples of which the first is one: each of its rows is sought.
    scored: arrays of ids, or tuples of which the first is looked at: a stream (N,) or rows (B, T).
    A row occurs if its ids, padding too, stand there side by side in its order. In a corpus that
    repeats itself some rows do by chance: leave these out.
    """
    texts = Scored(scored)
    for number, batch in enumerate(batches):
        texts.refuse(batch, number)


class Scored:
    """Texts of ids that calibration must not contain."""

    def __init__(self, texts: Iterable[Any]) -> None:
        self.texts = [row for text in texts for row in rows_as_text(text)]

    def refuse(self, batch: Batch, number: int) -> None:
        """ValueError if a row of the first array of batch `number` occurs in the texts."""
        for place, row in enumerate(rows_as_text(batch)):
            if any(row in text for text in self.texts):
                raise ValueError("calibration data must not overlap the data to be scored: row "
                                 f"{place} of batch {number} occurs there")


def rows_as_text(batch: Any) -> Iterator[str]:
    """Each row of ids as a string with a character for an id, in which Python seeks fast."""
    ids = np.asarray(batch[0] if isinstance(batch, tuple | list) else batch)
    if ids.dtype.kind not in "iu" or ids.ndim < 1 or not ids.size:
        raise TypeError(f"only rows of integer ids can be sought, got {ids.dtype} {ids.shape}")
    if ids.min() < 0 or ids.max() > sys.maxunicode:
        raise ValueError(f"ids that are sought must lie in [0, {sys.maxunicode}], "
                         f"got [{ids.min()}, {ids.max()}]")
    for row in ids.reshape(-1, ids.shape[-1]):
        yield "".join(map(chr, row.tolist()))
