"""The state between two stages: float numbers that can still be trained, and what is fixed of them.

    params        the numbers that are left: floats, and companions such as `w:step`
    → rounded     after a quantize stage: to the values that their codes will stand for
    → spread      after prune: pruned weights get their zeros back, in their places
    → joined      after low_rank: two factors become one product

The model sees the last in training (`view`). `packed` goes the same way with leaves in the place of
arrays, codes and masks: that is what is judged and written.

Of a pruned weight only the kept numbers are stored, as one channel: (kept, 1), or of a table
(1, kept). What was pruned is not there, so no later training brings it back, and a scale or
codebook is of the kept numbers alone.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from minilm.compression.coding import save_coded
from minilm.compression.low_rank import in_factors, joined
from minilm.compression.parameters import is_table
from minilm.compression.recipes.roundings import Rounding
from minilm.compression.views import compose
from minilm.training import View, as_is
from minilm.training.openings import Pullback
from minilm.types import Array, Params
from minilm.weights import HalfTensor, QuantizedTensor, SparseTensor, Weight, read_header


@dataclass(frozen=True)
class State:
    """bench: of the model as it is now. teacher: the large float model and its parameters.
    resized: after distil or shrink. factored: after low_rank. masks: {name: bool of the weight's
    shape}, after prune. rounding: after quantize. vectors, coder: after code; before, the file is
    an archive.
    """

    bench: Any
    params: Params
    teacher: tuple[Any, Params]
    resized: bool = False
    factored: bool = False
    masks: Mapping[str, Array] = field(default_factory=dict)
    rounding: Rounding | None = None
    vectors: str = "float32"
    coder: str | None = None

    @property
    def whole(self) -> bool:
        """Whether each weight is still one array of floats."""
        return not (self.masks or self.factored or self.rounding)

    @property
    def seed(self) -> int:
        """Of what a stage draws at random, unless it has one of its own: that of the bench."""
        return getattr(self.bench, "seed", 0)

    def view(self, *more: View) -> View:
        """What the model sees of `params` in training. more: views of the numbers once spread."""
        views = [] if self.rounding is None else [self.rounding.view]
        views += [spread(self.masks), *more]
        return compose(*views, *([in_factors()] if self.factored else []))

    def dense(self) -> Params:
        """The float numbers, those that were pruned in their places as zeros."""
        return spread(self.masks)(self.params, 0)[0]

    def packed(self) -> Params:
        """The parameters as they are to be held: codes after quantize, masks after prune."""
        params = self.params if self.rounding is None else self.rounding.pack(self.params)
        params = {name: gathered(w, self.masks.get(name)) for name, w in params.items()}
        params = joined(params) if self.factored else params
        return {name: VECTORS[self.vectors](w) for name, w in params.items()}

    def write(self, path: Path, packed: Params) -> None:
        """The file that the bench writes; after a code stage, its contents coded."""
        if self.coder is None:
            self.bench.keep(packed, path)
            return
        with TemporaryDirectory() as folder:
            archive = Path(folder) / "model.npz"
            self.bench.keep(packed, archive)
            save_coded(path, packed, read_header(archive), self.coder)


def floats_as_they_are(w: Any) -> Any:
    return w


def upper_halves(w: Any) -> Any:
    """A vector of floats rounded to bf16: its lower bytes are all 0, which a coder writes for free.
    """
    if not isinstance(w, np.ndarray) or w.dtype != np.float32 or w.ndim > 1:
        return w
    return HalfTensor.from_dense(w).dense()


VECTORS: dict[str, Callable[[Any], Any]] = {
    "float32": floats_as_they_are,
    "bf16": upper_halves,
}


def spread(masks: Mapping[str, Array]) -> View:
    """The model sees the kept numbers in their places, and zeros elsewhere; companions it does not
    see.

        seen[mask] = kept,    ∂/∂kept = (∂/∂seen)[mask]
    """

    def view(params: Params, step: int) -> tuple[Params, Pullback]:
        seen = {name: w for name, w in params.items() if ":" not in name}
        for name, mask in masks.items():
            seen[name] = np.zeros(mask.shape, params[name].dtype)
            seen[name][mask] = params[name].reshape(-1)

        def pullback(grads: Params) -> Params:
            return as_is(params, step)[1](kept_alone(grads, masks))

        return seen, pullback

    return view


def kept_alone(dense: Params, masks: Mapping[str, Array]) -> Params:
    """Of each masked weight the kept numbers, as one channel; all else as it is: the inverse of
    `spread`."""
    return {
        name: as_channel(name, w[masks[name]]) if name in masks else w for name, w in dense.items()
    }


def as_channel(name: str, numbers: Array) -> Array:
    """(n,) -> (n, 1), a column, or of a table (1, n), a row."""
    return numbers[None] if is_table(name) else numbers[:, None]


def gathered(w: Any, mask: Array | None) -> Any:
    """The kept numbers, floats or codes, with their mask, as one leaf."""
    if mask is None:
        return w
    sparse = SparseTensor.from_dense(mask.astype(np.float32), mask)
    if isinstance(w, Weight):
        return replace(sparse, values=flat_codes(w))
    return replace(sparse, values=w.reshape(-1))


def flat_codes(w: Weight) -> Weight:
    """The codes of one channel, in whichever direction it ran, as (n,)."""
    if isinstance(w, HalfTensor):
        return HalfTensor.from_dense(w.dense().reshape(-1), w.kind)
    if not isinstance(w, QuantizedTensor):
        raise ValueError(f"after prune there must be a code for each number, not a "
                         f"{type(w).__name__}")
    return QuantizedTensor.from_codes(
        w.codes.reshape(1, -1), w.scales, w.zero_points, w.levels, w.bits, array_shape=(w.size,),
        largest_error=w.largest_error, scale_format=w.scale_format, tensor_scale=w.tensor_scale,
    )  # fmt: skip
