"""Which parameters are compressed, and which arrays are refused."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from minilm.types import Array, Params
from minilm.weights import Weight


def matrices(params: Params) -> Params:
    """Weights of two or more axes. Vectors, and companions named `w:role`, are left out."""
    return {name: w for name, w in params.items() if ":" not in name and w.ndim >= 2}


def is_table(name: str) -> bool:
    """Whether rows of this parameter are looked up: its rows are its channels, and it multiplies
    transposed, as in h @ E.T."""
    return name.endswith("embedding")


def check_alone(params: Params, names: Iterable[str], function: str) -> None:
    """Refuse a weight with companions `w:role`: its steps, clips or scores would be of another."""
    changed = set(names)
    for companion in params:
        name, colon, _ = companion.partition(":")
        if colon and name in changed:
            raise ValueError(f"{companion} belongs to {name} as it is: call {function}() before "
                             "companions are added")


def plain_array(name: str, x: Any) -> Array:
    """x as an array of real numbers, at least one. TypeError for a leaf: it is compressed already.

    ValueError when x is empty or has no axis, TypeError when it is not of real numbers.
    """
    if isinstance(x, Weight):
        raise TypeError(f"{name} must be an array, got a {type(x).__name__}: it is compressed "
                        "already; dense() gives its floats")
    array = np.asarray(x)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{name} must be an array of real numbers, got dtype {array.dtype}")
    if array.size == 0 or array.ndim == 0:
        raise ValueError(f"{name} must have numbers along one axis or more, "
                         f"got shape {array.shape}")
    return array


def check_finite(name: str, x: Array, largest: float = float(np.finfo(np.float32).max)) -> None:
    """Refuse NaN, infinity, and magnitudes above `largest`."""
    magnitude = max(abs(float(x.min())), abs(float(x.max())))
    if not np.isfinite(magnitude):
        bad = np.count_nonzero(~np.isfinite(x))
        raise ValueError(f"{name} must be finite, got {bad} NaN or infinite of {x.size} numbers")
    if magnitude > largest:
        raise ValueError(f"{name} must not exceed {largest:.3g} in magnitude, got {magnitude:.3g}")


def float_type(x: Array) -> type[np.floating[Any]]:
    """float64 for float64, float32 for all else."""
    return np.float64 if x.dtype.newbyteorder("=") == np.float64 else np.float32


def needed(seen: Any, name: str, part: str) -> Any:
    """What calibration has seen; ValueError where `part`, say "rounding 'gptq'", goes without."""
    if seen is None:
        raise ValueError(
            f"{part} needs to know what multiplies {name}: pass calibration=, a Seen or example "
            "rows X (N, n), for params a dict of these by name, as `calibrate` makes it"
        )
    return seen
