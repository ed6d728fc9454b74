"""A weight that writes down what multiplies it: the whole of calibration, without hooks.

    params["block.0.feed_forward.w_up"] = recorder = Recorder(params["block.0.feed_forward.w_up"])
    model.forward(params, tokens)
    recorder.inputs.gram        # XᵀX, X: every row that was multiplied by the weight

The results are those of the inner weight, bit for bit. Run forward passes only, and on one thread:
a backward pass multiplies by `.T` and so adds to `outputs`, and two threads would lose rows.
`minilm.compression.calibrate` does this for all weights of a model.
"""

from typing import Any

import numpy as np

from minilm.types import Array
from minilm.weights.combinators import Diagonal
from minilm.weights.histogram import Histogram
from minilm.weights.protocol import Weight, as_dense, row_ids

SAMPLE = 256  # rows kept, at least, of those that were seen


class Seen:
    """Statistics of the rows x that met one side of a weight. width: how long a row is.

    count: rows seen. minimum, maximum: (width,), ±inf before the first row. total,
    total_magnitude: Σ x and Σ|x|, (width,) float64. gram: Σ xᵀx, (width, width) float64, None
    before the first row. batch_ranges: the smallest and largest number of each batch, in order.
    sample: some of the rows, (k, width) float32: the first 3·SAMPLE, later every 3^j-th, evenly
    spread and out of step with windows of 2^i positions. histogram: a Histogram of all numbers, if
    it was asked for. All are updated in place.
    taken: (width, width), None but for a table whose rows are taken by their ids too: see `cost`.
    """

    def __init__(self, width: int, histogram: bool = False) -> None:
        self.count = 0
        self.minimum = np.full(width, np.inf, np.float32)
        self.maximum = np.full(width, -np.inf, np.float32)
        self.total, self.total_magnitude = np.zeros(width), np.zeros(width)
        self.gram: Array | None = None
        self.histogram = Histogram() if histogram else None
        self.taken: Array | None = None
        self.batch_ranges: list[tuple[float, float]] = []
        self.sample, self._every = np.empty((0, width), np.float32), 1
        self._batch = np.inf, -np.inf

    @property
    def width(self) -> int:
        """How long a row is."""
        return len(self.minimum)

    @property
    def absmax(self) -> Array:
        """The largest |x| of each column, (width,); 0 before the first row."""
        return np.maximum(np.maximum(self.maximum, -self.minimum), 0)

    @property
    def mean(self) -> Array:
        """E[x] of each column, (width,) float64; 0 before the first row."""
        return self.total / max(self.count, 1)

    @property
    def mean_magnitude(self) -> Array:
        """E|x| of each column, (width,) float64; 0 before the first row."""
        return self.total_magnitude / max(self.count, 1)

    @property
    def cost(self) -> Array | None:
        """H: an error e in a channel of the weight costs eᵀHe. It is the gram; for a table whose
        rows are taken too, gram + taken, taken = mean(diag(gram))·I: alike in all directions."""
        return self.gram if self.gram is None or self.taken is None else self.gram + self.taken

    def moving_range(self, rate: float = 0.1) -> tuple[float, float]:
        """Moving averages of the batches' ranges: m ← m + rate·(new − m), from the first on.

        Less moved by one odd batch than the range of all numbers (Jacob et al. 2018, §3.1).
        ValueError before the first batch or for a rate outside (0, 1].
        """
        if not 0 < rate <= 1:
            raise ValueError(f"rate must lie in (0, 1], got {rate!r}")
        if not self.batch_ranges:
            raise ValueError("there is no range before the first batch has ended")
        (low, high), *later = self.batch_ranges
        for batch_low, batch_high in later:
            low += rate * (batch_low - low)
            high += rate * (batch_high - high)
        return low, high

    def add(self, x: Array) -> None:
        """Take in x: (..., width), real numbers. ValueError for another width."""
        if x.shape[-1:] != (self.width,):
            raise ValueError(f"x must have shape (..., {self.width}), got {x.shape}")
        rows = x.reshape(-1, self.width)
        if not len(rows):
            return
        rows = rows.astype(np.result_type(rows, np.float32), copy=False)  # x² of small types wraps
        if self.gram is None:  # not earlier: a table's other side would take V × V numbers
            self.gram = np.zeros((self.width, self.width))
        self._keep(rows)
        self.count += len(rows)
        low, high = rows.min(axis=0), rows.max(axis=0)
        np.minimum(self.minimum, low, out=self.minimum)
        np.maximum(self.maximum, high, out=self.maximum)
        self._batch = min(self._batch[0], float(low.min())), max(self._batch[1], float(high.max()))
        self.total += rows.sum(axis=0, dtype=np.float64)
        self.total_magnitude += np.abs(rows).sum(axis=0, dtype=np.float64)
        with np.errstate(over="ignore", invalid="ignore"):  # who uses it refuses it, by name
            self.gram += rows.T @ rows
        if self.histogram is not None:
            self.histogram.add(rows)

    def _keep(self, rows: Array) -> None:
        """Every `_every`-th row, counted over all that came, joins the sample."""
        while self.count + len(rows) > 3 * SAMPLE * self._every:
            self._every *= 3
            self.sample = self.sample[::3]
        kept = rows[-self.count % self._every :: self._every]
        self.sample = np.concatenate([self.sample, kept.astype(np.float32, copy=False)])

    def through(self, left: Any) -> "Seen":
        """Statistics of x @ left, for the x that were seen. left: a weight (width, width').

        The mean and the gram are exact; ranges and magnitudes are so for a Diagonal, and otherwise
        those of the sample. The histogram and the batches' ranges stay behind.
        """
        other = Seen(left.shape[1])
        if self.gram is None:
            return other
        other.add(self.sample @ left)
        other.total_magnitude *= self.count / len(self.sample)
        if isinstance(left, Diagonal):
            ends = self.minimum * left.values, self.maximum * left.values
            other.minimum, other.maximum = np.minimum(*ends), np.maximum(*ends)
            other.total_magnitude = self.total_magnitude @ Diagonal(np.abs(left.values))
        other.count, other.total, other._batch = self.count, self.total @ left, (np.inf, -np.inf)
        other.gram = (self.gram @ left).T @ left  # leftᵀ (Σ xᵀx) left
        other.taken = None if self.taken is None else (self.taken @ left).T @ left
        return other

    def end_batch(self) -> None:
        """What was added since the last call was one batch: its range is written down."""
        if self._batch[0] <= self._batch[1]:
            self.batch_ranges.append(self._batch)
        self._batch = np.inf, -np.inf


class Recorder(Weight):
    """`weight`, recording: `inputs` for x @ w, `outputs` for x @ w.T, `id_counts` for w[ids].

    weight: an array or a leaf, (in, out). inputs: Seen of width in; outputs: Seen of width out;
    id_counts: (in,) int64, how often each row was asked for. histograms: whether all numbers are
    counted too, which takes as long as the product. A recorder is a tool, not a kind of storage: it
    is not saved; take `recorder.weight` back when done.
    """

    def __init__(self, weight: Any, histograms: bool = False) -> None:
        if weight.ndim != 2:
            raise ValueError(f"weight must be a matrix, got shape {weight.shape}")
        self.weight = weight
        self.inputs, self.outputs = (Seen(side, histograms) for side in weight.shape)
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
