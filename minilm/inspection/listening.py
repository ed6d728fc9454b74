"""A weight that tells a listener what multiplies it: how one looks inside without hooks.

    def hear(name, x): ...
    model.forward(listening(params, hear), tokens)      # hear is told every x, in order

As a weight is anything that answers `x @ w`, a leaf may stand in its place that passes x on. What
is heard bears the name of the product in which it took part:

    "w"       x of x @ w            "w.T"     x of x @ w.T (the head of a tied table)
    "w[ids]"  the rows looked up    "∂w"      the gradient of that x, in a backward pass

`weights.Recorder` sums what it is told (for calibration); this one keeps nothing itself.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from minilm.nn.linear import input_gradient, unpacked, weight_gradient
from minilm.types import Array, Params
from minilm.weights import Weight, as_dense

Hear: TypeAlias = Callable[[str, Array], None]


@dataclass(frozen=True, eq=False, repr=False)
class Listening(Weight):
    """`weight`, an array or a leaf; its results bit for bit, and `hear(name, x)` for each product.

    A tool, not a kind of storage: it is not saved.
    """

    weight: Any
    name: str
    hear: Hear

    @property
    def shape(self) -> tuple[int, ...]:
        return self.weight.shape

    @property
    def nbytes(self) -> int:
        return self.weight.nbytes

    @property
    def T(self) -> "Listening":
        """The transposed weight under the name "w.T"; the transpose of that is "w" again."""
        turned = self.name[:-2] if self.name.endswith(".T") else self.name + ".T"
        return replace(self, weight=self.weight.T, name=turned)

    def dense(self) -> Array:
        return as_dense(self.weight)

    def unpacked(self) -> "Listening":
        """The same around the unpacked weight: a loop must be heard at every step."""
        return replace(self, weight=unpacked(self.weight))

    def __rmatmul__(self, x: Array) -> Array:
        y = x @ self.weight  # first: it refuses an x that does not fit
        self.hear(self.name, x)
        return y

    def __getitem__(self, ids: Array) -> Array:
        rows = self.weight[ids]
        self.hear(f"{self.name}[ids]", rows)
        return rows

    def input_gradient(self, dy: Array, x: Array) -> Array:
        dx = input_gradient(dy, x, self.weight)
        self.hear(f"∂{self.name}", dx)
        return dx

    def weight_gradient(self, dy: Array, x: Array) -> Array:
        return weight_gradient(dy, x, self.weight)


def listening(params: Params, hear: Hear) -> Params:
    """The parameters with every matrix listened to; vectors and companions stay as they are."""
    return {
        name: Listening(w, name, hear) if w.ndim == 2 and ":" not in name else w
        for name, w in params.items()
    }
