"""A weight is anything that answers `x @ w`.

Parameters are a dict of weights. An ndarray is one; so is every *leaf*, an object of this package
that stands for an array. The models ask a weight only for

    x @ w    w[ids]    w.T    w.shape    w.ndim    w.nbytes

so packed, sparse and low-rank weights run through the same forward line as floats. A leaf is a
frozen dataclass whose fields are arrays, other weights, or numbers, strings, None and tuples of
them (what JSON can carry); it holds no cache, so its `nbytes` is the truth.

NumPy must never turn a leaf into floats behind the reader's back. `__array_ufunc__ = None` lets
`x @ w` come here and refuses `np.matmul(x, w)`; an `__array__` that raises stops `np.asarray`,
`np.dot` and `np.savez`; without `__iter__` and `__len__` a leaf is no sequence.
"""

import dataclasses
import math
from collections.abc import Iterator
from typing import Any, ClassVar, NoReturn

import numpy as np

from minilm.types import Array


class Weight:
    """What every leaf inherits. A leaf gives at least `shape`, `T` and `dense()`."""

    classes: ClassVar[dict[str, type["Weight"]]] = {}  # every kind of leaf, by name, for loading
    __array_ufunc__ = None
    __iter__ = None

    def __init_subclass__(cls) -> None:
        Weight.classes[cls.__name__] = cls

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the array this weight stands for."""
        raise NotImplementedError

    @property
    def T(self) -> "Weight":
        """The transposed weight; it shares every byte with this one."""
        raise NotImplementedError

    def dense(self) -> Array:
        """The array this weight stands for, as floats."""
        raise NotImplementedError

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        """How many numbers the weight stands for."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """The bytes held: the sum over the fields, scales and masks included."""
        return sum(part.nbytes for _, part in weight_fields(self))

    @property
    def bits_per_weight(self) -> float:
        """8·nbytes / size: the true bits per weight, everything included (0 when empty)."""
        return 8 * self.nbytes / self.size if self.size else 0.0

    def __rmatmul__(self, x: Array) -> Array:
        """x: (..., in) @ self: (in, out)  ->  (..., out), float64 when x is, else float32."""
        return np.asarray(x) @ self.dense()

    def __getitem__(self, ids: Array) -> Array:
        """Rows, as floats. ids: integers (...,)  ->  (..., out)."""
        return self.dense()[row_ids(ids)]

    def unpacked(self) -> Any:
        """What a loop should multiply by: the floats, made once for all its steps.

        A leaf whose `x @ w` does more than multiply (a Recorder) returns itself.
        """
        return self.dense()

    def input_gradient(self, dy: Array, x: Array) -> Array:
        """∂/∂x of x @ w. dy: (..., out), x: (..., in)  ->  (..., in).

        A leaf that does more to x than multiply it (rounds it, say) has its own.
        """
        return dy @ self.T

    def weight_gradient(self, dy: Array, x: Array) -> Array:
        """∂/∂w of x @ w. dy: (..., out), x: (..., in)  ->  (in, out)."""
        return x.reshape(-1, x.shape[-1]).T @ dy.reshape(-1, dy.shape[-1])

    def check(self) -> None:
        """Refuse by ValueError contents that nothing in this package makes, such as a scale that
        is NaN: asked once, when a file has been read. (Shapes and dtypes are always checked.)"""
        if not isinstance(getattr(self, "transposed", False), bool):
            raise ValueError("transposed must be true or false")
        for _, part in weight_fields(self):
            if isinstance(part, Weight):
                part.check()

    def __array__(self, dtype: Any = None, copy: Any = None) -> NoReturn:
        raise TypeError(
            f"a {type(self).__name__} does not turn into an array by itself; "
            "call its dense() to get one"
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}(shape={self.shape}, nbytes={self.nbytes})"


def weight_fields(leaf: Weight) -> Iterator[tuple[str, Any]]:
    """The fields of a leaf that are arrays or weights, as (name, value)."""
    if not dataclasses.is_dataclass(leaf):
        raise TypeError(f"a weight must be a dataclass, {type(leaf).__name__} is not")
    for field in dataclasses.fields(leaf):
        value = getattr(leaf, field.name)
        if isinstance(value, np.ndarray | Weight):
            yield field.name, value


def as_dense(weight: Any) -> Array:
    """The floats of any weight: a leaf's dense(), an array as it is."""
    return weight.dense() if isinstance(weight, Weight) else weight


def row_ids(ids: Any) -> Array:
    """`ids` as an integer array. Slices, masks and tuples are refused: say np.arange(T)."""
    array = None if isinstance(ids, tuple) else np.asarray(ids)
    if array is None or not np.issubdtype(array.dtype, np.integer):
        raise TypeError(f"a weight is indexed by an integer array of row numbers, got {ids!r}")
    return array
