"""What the operations refuse, said once: an argument's name, what came, and what is allowed."""

from typing import Any

import numpy as np


def describe(value: Any) -> str:
    """A short account of a value for an error message: 'int64 array of shape (2, 3)'."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype} array of shape {value.shape}"
    return f"{type(value).__name__} {value!r}"[:80]


def require_float(name: str, value: Any) -> None:
    """TypeError unless the argument is an array of floats."""
    if not (isinstance(value, np.ndarray) and value.dtype.kind == "f"):
        raise TypeError(f"{name} must be a float array, got {describe(value)}")


def require_integers(name: str, value: Any) -> None:
    """TypeError unless the argument is an array of integers."""
    if not (isinstance(value, np.ndarray) and value.dtype.kind in "iu"):
        raise TypeError(f"{name} must be an integer array, got {describe(value)}")


def require_mask(mask: Any, shape: tuple[int, ...]) -> None:
    """TypeError unless the mask is an array of bools, ValueError unless it broadcasts to shape."""
    if not (isinstance(mask, np.ndarray) and mask.dtype == bool):
        raise TypeError(f"mask must be a bool array (True = may look), got {describe(mask)}")
    try:
        fits = np.broadcast_shapes(mask.shape, shape) == shape
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(f"mask must broadcast to {shape}, got {mask.shape}")


def require_below(limit: int, name: str, value: Any) -> None:
    """ValueError unless every number of the argument lies in [0, limit)."""
    if value.size and not (value.min() >= 0 and value.max() < limit):
        wrong = value[(value < 0) | (value >= limit)].flat[0]
        raise ValueError(f"{name} must lie in [0, {limit}), got {wrong}")


def require_shape(expected: tuple[int, ...], **arrays: Any) -> None:
    """ValueError unless every argument that is not None has this shape."""
    for name, value in arrays.items():
        if value is not None and value.shape != expected:
            raise ValueError(f"{name} must have shape {expected}, got {tuple(value.shape)}")
