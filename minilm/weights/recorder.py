"""A weight that writes down what multiplies it: the whole of calibration, without hooks.

    params["block.0.feed_forward.w_up"] = recorder = Recorder(params["block.0.feed_forward.w_up"])
    model.forward(params, tokens)
    recorder.inputs.gram        # XᵀX, X: every row that was multiplied by the weight

The results are those of the inner weight, bit for bit. Run forward passes only, and on one thread:
a backward pass multiplies by `.T` and so adds to `outputs`, and two threads would lose rows.
"""

from typing import Any

import numpy as np

from minilm.types import Array
from minilm.weights.protocol import Weight, as_dense, row_ids


class Seen:
    """Statistics of the rows x that met one side of a weight. width: how long a row is.

    count: rows seen. minimum, maximum: (width,), ±inf before the first row. gram: Σ xᵀx,
    (width, width) float64, None before the first row. All are updated in place.
    """

    def __init__(self, width: int) -> None:
        self.count = 0
        self.minimum = np.full(width, np.inf, np.float32)
        self.maximum = np.full(width, -np.inf, np.float32)
        self.gram: Array | None = None

    @property
    def absmax(self) -> Array:
        """The largest |x| of each column, (width,); 0 before the first row."""
        return np.maximum(np.maximum(self.maximum, -self.minimum), 0)

    def add(self, x: Array) -> None:
        """Take in x: (..., width)."""
        rows = x.reshape(-1, x.shape[-1])
        if not len(rows):
            return
        if self.gram is None:  # not earlier: a table's other side would take V × V numbers
            self.gram = np.zeros((len(self.minimum), len(self.minimum)))
        self.count += len(rows)
        np.minimum(self.minimum, rows.min(axis=0), out=self.minimum)
        np.maximum(self.maximum, rows.max(axis=0), out=self.maximum)
        self.gram += rows.T @ rows


class Recorder(Weight):
    """`weight`, recording: `inputs` for x @ w, `outputs` for x @ w.T, `id_counts` for w[ids].

    weight: an array or a leaf, (in, out). inputs: Seen of width in; outputs: Seen of width out;
    id_counts: (in,) int64, how often each row was asked for. A recorder is a tool, not a kind of
    storage: it is not saved; take `recorder.weight` back when done.
    """

    def __init__(self, weight: Any) -> None:
        if weight.ndim != 2:
            raise ValueError(f"weight must be a matrix, got shape {weight.shape}")
        self.weight = weight
        self.inputs, self.outputs = Seen(weight.shape[0]), Seen(weight.shape[1])
        self.id_counts = np.zeros(weight.shape[0], np.int64)
        self._transposed: Recorder | None = None

    @property
    def shape(self) -> tuple[int, int]:
        return self.weight.shape

    @property
    def nbytes(self) -> int:
        return self.weight.nbytes

    @property
    def T(self) -> "Recorder":
        """The transposed weight, recording into the same statistics with the sides swapped."""
        if self._transposed is None:
            other = Recorder(self.weight.T)
            other.inputs, other.outputs = self.outputs, self.inputs
            self._transposed, other._transposed = other, self
        return self._transposed

    def dense(self) -> Array:
        return as_dense(self.weight)

    def unpacked(self) -> "Recorder":
        """Itself: a loop must go through the recorder at every step."""
        return self

    def __rmatmul__(self, x: Array) -> Array:
        x = np.asarray(x)
        y = x @ self.weight  # first: it refuses an x that does not fit
        self.inputs.add(x)
        return y

    def __getitem__(self, ids: Array) -> Array:
        ids = row_ids(ids)
        rows = self.weight[ids]
        height = len(self.id_counts)
        self.id_counts += np.bincount(ids.reshape(-1) % height, minlength=height)  # −1 is the last
        return rows

    def input_gradient(self, dy: Array, x: Array) -> Array:
        """The inner weight's, which may have one of its own."""
        if isinstance(self.weight, Weight):
            return self.weight.input_gradient(dy, x)
        return dy @ self.weight.T

    def weight_gradient(self, dy: Array, x: Array) -> Array:
        if isinstance(self.weight, Weight):
            return self.weight.weight_gradient(dy, x)
        return super().weight_gradient(dy, x)
