"""Weights made of weights: a product, a sum, a diagonal.

    low rank                  A B             Product(a, b)
    scaled before rounding    (1/s) Q(s w)    Product(Diagonal(1/s), q)
    rotated before rounding   R Q(Rᵀ w)       Product(Hadamard, q)      hadamard.py
    LoRA; sparse + dense      Q + A B         Sum(q, Product(a, b))

The parts may be arrays or leaves of any kind. `.T` transposes the parts, (AB)ᵀ = Bᵀ Aᵀ, and a
derivative passes through the parts too, so that a part with a gradient of its own keeps it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from minilm.types import Array
from minilm.weights.hadamard import Hadamard
from minilm.weights.protocol import Weight, as_dense, row_ids


@dataclass(frozen=True, eq=False, repr=False)
class Diagonal(Weight):
    """The square matrix with `values` on its diagonal. values: (n,) float."""

    values: Array

    def __post_init__(self) -> None:
        if self.values.ndim != 1:
            raise ValueError(f"values must have shape (n,), got {self.values.shape}")

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.values), len(self.values)

    @property
    def T(self) -> "Diagonal":
        return self

    def dense(self) -> Array:
        return np.diag(self.values)

    def check(self) -> None:
        """Refuse what no transform makes: see `Weight.check`."""
        if not np.isfinite(self.values).all():
            raise ValueError("values of a Diagonal must be finite")

    def unpacked(self) -> "Diagonal":
        return self

    def __rmatmul__(self, x: Array) -> Array:
        """x diag(v) = x ⊙ v."""
        x = np.asarray(x)
        if x.shape[-1:] != self.values.shape:
            raise ValueError(f"x must have shape (..., {len(self.values)}), got {x.shape}")
        return x * self.values


TRANSFORM = Diagonal | Hadamard  # square, and multiplied by without making its matrix


@dataclass(frozen=True, eq=False, repr=False)
class Product(Weight):
    """The matrix a b, never multiplied out: x @ (a b) = (x @ a) @ b.

    a: (in, r), b: (r, out)  ->  (in, out). ValueError where the inner sides differ.
    """

    a: Any
    b: Any

    def __post_init__(self) -> None:
        if self.a.ndim != 2 or self.b.ndim != 2 or self.a.shape[1] != self.b.shape[0]:
            raise ValueError(
                f"a and b must be (in, r) and (r, out), got {self.a.shape} and {self.b.shape}"
            )

    @property
    def shape(self) -> tuple[int, int]:
        return self.a.shape[0], self.b.shape[1]

    @property
    def T(self) -> "Product":
        return Product(self.b.T, self.a.T)

    def dense(self) -> Array:
        if isinstance(self.b, TRANSFORM):  # without its square matrix, here and below
            return as_dense(self.a) @ self.b
        if isinstance(self.a, TRANSFORM):  # a b = (bᵀ aᵀ)ᵀ
            return np.ascontiguousarray((as_dense(self.b).T @ self.a.T).T)
        return as_dense(self.a) @ as_dense(self.b)

    def unpacked(self) -> Any:
        """The product of what the factors unpack to: two thin products stay two thin products.

        A transform is multiplied into the other factor, if that is an array then: one product of
        the same size is left for a loop.
        """
        product = Product(_unpacked(self.a), _unpacked(self.b))
        factors = product.a, product.b
        transformed = any(isinstance(factor, TRANSFORM) for factor in factors)
        arrays = any(isinstance(factor, np.ndarray) for factor in factors)
        return product.dense() if transformed and arrays else product

    def __rmatmul__(self, x: Array) -> Array:
        return np.asarray(x) @ self.a @ self.b

    def __getitem__(self, ids: Array) -> Array:
        ids = row_ids(ids)
        if isinstance(self.a, Diagonal):
            return self.a.values[ids][..., None] * self.b[ids]
        return self.a[ids] @ self.b

    def input_gradient(self, dy: Array, x: Array) -> Array:
        """The chain rule through h = x @ a: dh from b, then dx from a."""
        return _input_gradient(_input_gradient(dy, x @ self.a, self.b), x, self.a)


@dataclass(frozen=True, eq=False, repr=False)
class Sum(Weight):
    """The matrix a + b, kept apart: x @ (a + b) = x @ a + x @ b.

    a, b: (in, out). ValueError where the shapes differ.
    """

    a: Any
    b: Any

    def __post_init__(self) -> None:
        if self.a.ndim != 2 or self.a.shape != self.b.shape:
            raise ValueError(
                f"a and b must be matrices of one shape, got {self.a.shape} and {self.b.shape}"
            )

    @property
    def shape(self) -> tuple[int, int]:
        return self.a.shape

    @property
    def T(self) -> "Sum":
        return Sum(self.a.T, self.b.T)

    def dense(self) -> Array:
        return as_dense(self.a) + as_dense(self.b)

    def unpacked(self) -> "Sum":
        return Sum(_unpacked(self.a), _unpacked(self.b))

    def __rmatmul__(self, x: Array) -> Array:
        x = np.asarray(x)
        return x @ self.a + x @ self.b

    def __getitem__(self, ids: Array) -> Array:
        ids = row_ids(ids)
        return self.a[ids] + self.b[ids]

    def input_gradient(self, dy: Array, x: Array) -> Array:
        return _input_gradient(dy, x, self.a) + _input_gradient(dy, x, self.b)


def _unpacked(weight: Any) -> Any:
    return weight.unpacked() if isinstance(weight, Weight) else weight


def _input_gradient(dy: Array, x: Array, weight: Any) -> Array:
    return weight.input_gradient(dy, x) if isinstance(weight, Weight) else dy @ weight.T
