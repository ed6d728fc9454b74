"""The LSTM regressor: read a sequence of vectors, then say numbers.

    h_1 … h_T = lstm(x)              (B, T, H)
    y = h_T W + b                    (B, outputs): a linear ("dense") layer on the last state

Its inputs are real numbers, measurements say, so there is no table. With 10 steps of 10 numbers and
128 units it is the usual first example of a recurrent network.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from minilm.models.language_model import check_dropout, check_positive, normal
from minilm.nn import dropout, dropout_backward, linear, linear_backward, lstm, lstm_backward
from minilm.types import Array, Cache, Params


@dataclass(frozen=True)
class LSTMRegressor:
    """An LSTM over real vectors, and a linear map of its last state.

    inputs: D, numbers a step; width: H; outputs: numbers to say. dropout: rate at the head's input,
    on exactly when an `rng` is passed.

    Parameters: lstm.w_x (D, 4H), lstm.w_h (H, 4H), lstm.b (4H,), gates in the order i, f, g, o;
    head.w (H, outputs); head.b (outputs,).
    Raises ValueError for a size below 1 or a dropout rate outside [0, 1).
    """

    inputs: int = 10
    width: int = 128
    outputs: int = 1
    dropout: float = 0.0

    def __post_init__(self) -> None:
        check_positive(inputs=self.inputs, width=self.width, outputs=self.outputs)
        check_dropout(self.dropout)

    def config(self) -> dict[str, Any]:
        """Plain data from which `build` makes this model again."""
        return {"model": type(self).__name__, **asdict(self)}

    def init(self, seed: int) -> Params:
        """Fresh float32 parameters: std 1/√fan_in, biases 0, forget bias 1 (Jozefowicz 2015)."""
        rng = np.random.default_rng(seed)
        width = self.width
        bias = np.zeros(4 * width, dtype=np.float32)
        bias[width : 2 * width] = 1  # a new cell remembers
        return {
            "lstm.w_x": normal(rng, (self.inputs, 4 * width), 1 / math.sqrt(self.inputs)),
            "lstm.w_h": normal(rng, (width, 4 * width), 1 / math.sqrt(width)),
            "lstm.b": bias,
            "head.w": normal(rng, (width, self.outputs), 1 / math.sqrt(width)),
            "head.b": np.zeros(self.outputs, dtype=np.float32),
        }

    def forward(
        self, params: Params, x: Array, *, rng: np.random.Generator | None = None
    ) -> tuple[Array, Cache]:
        """What the model says of each sequence.

        x: (B, T, D) finite floats, T ≥ 1  ->  y: (B, outputs), cache; cache["hidden"]: (B, H), the
        last state, which the head reads. TypeError or ValueError for another x.
        """
        check_sequences(x, self.inputs)
        w_x, w_h, b = (params[f"lstm.{part}"] for part in ("w_x", "w_h", "b"))
        _, lstm_cache = lstm(x, w_x, w_h, b)
        hidden, dropout_cache = dropout(lstm_cache["state"][0], self.dropout, rng)
        y, head_cache = linear(hidden, params["head.w"], params["head.b"])
        return y, {"hidden": hidden, "layers": (x.shape, lstm_cache, dropout_cache, head_cache)}

    def backward(self, dy: Array, cache: Cache, dhidden: Array | None = None) -> Params:
        """Gradients of every parameter, by name.

        dy: (B, outputs); dhidden: (B, H) or None, a gradient that reaches cache["hidden"] by
        another way and is added there.
        """
        (B, T, _), lstm_cache, dropout_cache, head_cache = cache["layers"]
        dh, dw, db = linear_backward(dy, head_cache)
        if dhidden is not None:
            dh = dh + dhidden
        dh = dropout_backward(dh, dropout_cache)
        # only the last state was read: all of the gradient enters there
        unread = np.zeros((B, T, dh.shape[1]), dh.dtype)
        _, dw_x, dw_h, db_lstm, _, _ = lstm_backward(unread, lstm_cache, (dh, np.zeros_like(dh)))
        return {
            "lstm.w_x": dw_x, "lstm.w_h": dw_h, "lstm.b": db_lstm, "head.w": dw, "head.b": db,
        }  # fmt: skip


def check_sequences(x: Array, width: int) -> None:
    """Refuse by name what is no batch of sequences of so wide, finite vectors."""
    if not (isinstance(x, np.ndarray) and x.dtype.kind == "f"):
        raise TypeError(f"x must be a float array, got {getattr(x, 'dtype', type(x).__name__)}")
    if x.ndim != 3 or x.shape[2] != width or x.size == 0:
        raise ValueError(f"x must have shape (B, T, {width}) with B, T >= 1, got {x.shape}")
    if not np.isfinite(x).all():
        raise ValueError("x must be finite, got NaN or infinity in it")
