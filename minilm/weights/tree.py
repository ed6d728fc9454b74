"""A dict of weights taken apart into plain arrays and put together again, and thawed.

    flatten    params        ->  arrays   {name or name/field: ndarray}
                                 kinds    {name: what it was}, plain JSON, in the params' order
    unflatten  arrays, kinds ->  params

`save`, `fit` and resume see only the arrays. `name/field` is a leaf's field, and leaves nest:
`w/a/packed`. So a parameter's name has no slash. A name with a colon (`w:step`) is a companion that
the model never reads; here it is a parameter like any other.
"""

import dataclasses
import re
from typing import Any

import numpy as np

from minilm.types import Array, Params
from minilm.weights.protocol import Weight

ARRAY = {"class": "array"}  # the kind of a plain array


def flatten(params: Params) -> tuple[dict[str, Array], dict[str, Any]]:
    """params -> arrays, kinds; nothing is copied.

    A kind is {"class": "array"}, or a leaf's class name with the kind or the value of each field.
    Raises ValueError for a name with a slash or an empty one, TypeError for a value that is
    neither an array nor a leaf.
    """
    arrays: dict[str, Array] = {}
    kinds = {}
    for name, weight in params.items():
        text = isinstance(name, str) and name.isprintable()
        if not text or not re.fullmatch(r"[^/\\]+", name):
            raise ValueError(f"a parameter's name must be text without slashes, got {name!r}")
        kinds[name] = _take_apart(name, weight, arrays)
    return arrays, kinds


def unflatten(arrays: dict[str, Array], kinds: dict[str, Any]) -> Params:
    """The inverse of `flatten`. Raises ValueError for a missing or an extra array, an unknown
    class, or fields that do not fit together."""
    left = dict(arrays)
    params = {name: _put_together(name, kind, left) for name, kind in kinds.items()}
    if left:
        raise ValueError(f"arrays that belong to no parameter: {', '.join(sorted(left))}")
    return params


def _take_apart(name: str, weight: Any, arrays: dict[str, Array]) -> dict[str, Any]:
    if isinstance(weight, np.generic):  # what arithmetic makes of a 0-d array
        weight = np.asarray(weight)
    if isinstance(weight, np.ndarray):
        if weight.dtype.hasobject:
            raise TypeError(f"{name} must hold numbers, got an array of Python objects")
        arrays[name] = weight
        return ARRAY
    if not isinstance(weight, Weight) or not dataclasses.is_dataclass(weight):
        raise TypeError(
            f"{name} must be an array or a leaf made of arrays, got {type(weight).__name__}"
        )
    kind: dict[str, Any] = {"class": type(weight).__name__}
    for field in dataclasses.fields(weight):
        value = getattr(weight, field.name)
        where = f"{name}/{field.name}"
        kind[field.name] = (
            _take_apart(where, value, arrays)
            if isinstance(value, np.ndarray | Weight)
            else _scalar(where, value)
        )
    return kind


def _scalar(where: str, value: Any) -> Any:
    """The value, once it is known that JSON gives it back unchanged."""
    if isinstance(value, tuple):
        return tuple(_scalar(where, item) for item in value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(
        f"{where} must be an array, a leaf, a number, a string, None or a tuple of these, "
        f"got {type(value).__name__}"
    )


def _put_together(name: str, kind: Any, left: dict[str, Array]) -> Any:
    if kind == ARRAY:
        if name not in left:
            raise ValueError(f"the array {name} is missing")
        return left.pop(name)
    if not isinstance(kind, dict):  # a scalar; JSON made lists of its tuples
        return _tuples(kind)
    fields = dict(kind)
    cls = Weight.classes.get(str(fields.pop("class", None)))
    if cls is None:
        known = ", ".join(sorted(Weight.classes))
        raise ValueError(f"{name} is a {kind.get('class')!r}, known are array, {known}")
    values = {field: _put_together(f"{name}/{field}", k, left) for field, k in fields.items()}
    try:
        return cls(**values)
    except (TypeError, AttributeError) as error:
        raise ValueError(f"{name} does not make a {cls.__name__}: {error}") from error


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list | tuple) else value


def thaw(params: Params, budget: int | None = None) -> Params:
    """Leaves replaced by the C-contiguous floats they stand for: more bytes, faster products.

    budget: the most bytes that all parameters may take together (None: no limit). In the order of
    params, each leaf is replaced where the sum stays within it. Plain arrays are passed on as
    they are, not copied.
    """
    total = nbytes(params)
    thawed = {}
    for name, weight in params.items():
        thawed[name] = weight
        if isinstance(weight, Weight):
            # row by row, whichever way its codes lie: a few rows of x times it are fastest so
            dense = np.asarray(weight.dense(), order="C")
            if budget is None or total - weight.nbytes + dense.nbytes <= budget:
                total += dense.nbytes - weight.nbytes
                thawed[name] = dense
    return thawed


def nbytes(params: Params) -> int:
    """The bytes that all parameters hold, companions included."""
    return sum(weight.nbytes for weight in params.values())
