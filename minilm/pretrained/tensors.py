"""From a checkpoint's tensors to parameters: a table of names, ours <- theirs.

    table = {"head.w": turned("lm_head.weight", "vocab_size", "hidden_size"), ...}
    params = read_params(table, tensors, sizes)

Torch keeps a map as (out, in), for y = x Wᵀ; here it is (in, out), for y = x w. Such a weight is
copied, turned round: a transposed view would need no memory, but OpenBLAS takes up to twice as long
to multiply a few rows by it. Queries, keys and values are put side by side into one weight. All
else stays a view of the file, which the system reads in as it is used. What has been copied or
checked is dropped from memory again, so that loading takes little more than the bytes of the file.

float16 and bfloat16 are widened to float32 tensor by tensor: twice the bytes of such a file.
"""

import difflib
import math
import mmap
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from minilm.types import Array, Params


class Theirs(NamedTuple):
    """A tensor of a checkpoint: the names it goes by, its sizes by name, and which way round.

    With two names it may be there by either, or by both if both are the same numbers: files of
    other years, or one weight that a model uses twice. Without a name it is one that the family
    does not have: zeros.
    """

    names: tuple[str, ...]
    shape: tuple[str, ...]
    is_turned: bool = False


Table = dict[str, Theirs | tuple[Theirs, ...]]  # several stand side by side along our last axis
Sizes = dict[str, int]


def plain(name: str, *shape: str, also: str | None = None) -> Theirs:
    """A tensor that is kept as it is. also: another name that it may have."""
    return Theirs((name,) if also is None else (name, also), shape)


def turned(name: str, *shape: str) -> Theirs:
    """A map that is (out, in) there, the shape given here, and (in, out) with us."""
    return Theirs((name,), shape, is_turned=True)


def zeros(*shape: str) -> Theirs:
    """A tensor that this family does not have, where zeros in its place change nothing."""
    return Theirs((), shape)


class Noted(Mapping[str, Array]):
    """A checkpoint's tensors that notes which of them have been asked for."""

    def __init__(self, tensors: Mapping[str, Array]) -> None:
        self.tensors = tensors
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> Array:
        array = self.tensors[name]
        self.asked.add(name)
        return array

    def __contains__(self, name: object) -> bool:
        return name in self.tensors  # the inherited one would ask for it

    def __iter__(self) -> Iterator[str]:
        return iter(self.tensors)

    def __len__(self) -> int:
        return len(self.tensors)

    @property
    def unused(self) -> tuple[str, ...]:
        """The names that nobody asked for, in order."""
        return tuple(sorted(set(self.tensors) - self.asked))


def read_params(table: Table, tensors: Mapping[str, Array], sizes: Sizes) -> Params:
    """The parameters of a table, float32, in its order.

    sizes: what the table's names of sizes stand for, called as config.json calls them.
    Raises ValueError for a tensor that is missing, has another shape, holds no floats, holds a
    number that is not finite, or is there by two names and not the same.
    """
    return {
        ours: placed((theirs,) if isinstance(theirs, Theirs) else theirs, tensors, sizes)
        for ours, theirs in table.items()
    }


def placed(parts: tuple[Theirs, ...], tensors: Mapping[str, Array], sizes: Sizes) -> Array:
    """One parameter: a tensor as it lies in the file, or a new array that its parts are put in."""
    if not parts[0].names:
        return np.zeros([sizes[size] for size in parts[0].shape], np.float32)
    arrays = [take(tensors, part, sizes) for part in parts]
    if len(arrays) == 1 and not parts[0].is_turned and arrays[0].dtype == np.float32:
        return arrays[0]
    arrays = [a.T if part.is_turned else a for part, a in zip(parts, arrays, strict=True)]
    whole = np.empty((*arrays[0].shape[:-1], sum(a.shape[-1] for a in arrays)), np.float32)
    end = 0
    for array in arrays:
        start, end = end, end + array.shape[-1]
        with np.errstate(over="ignore"):  # float64 beyond float32 is found below
            whole[..., start:end] = array
    if any(array.dtype == np.float64 for array in arrays):
        check_finite(f"{parts[0].names[0]} as float32", whole)
    return whole


def take(tensors: Mapping[str, Array], theirs: Theirs, sizes: Sizes) -> Array:
    """A tensor as the file holds it, every number of it finite. ValueError as in read_params."""
    there = [name for name in theirs.names if name in tensors]
    if not there:
        raise missing(tensors, theirs.names)
    name, *others = there
    array = tensors[name]
    for other in others:
        if not np.array_equal(tensors[other], array):
            raise ValueError(f"{other} must be the same as {name}: the two are one weight here")
    expected = tuple(sizes[size] for size in theirs.shape)
    if array.shape != expected:
        raise ValueError(
            f"tensor {name} must have shape {expected} = ({', '.join(theirs.shape)}) of "
            f"config.json, got {array.shape}"
        )
    if array.dtype.kind != "f":
        raise ValueError(f"tensor {name} must hold floats, got {array.dtype}")
    check_finite(name, array)
    return array


def prefix_of(tensors: Mapping[str, Array], prefixes: tuple[str, ...], name: str) -> str:
    """The prefix with which `name` is there: a model saved with a head has one, others have none.

    Raises ValueError if it is there with none of them.
    """
    for prefix in prefixes:
        if prefix + name in tensors:
            return prefix
    raise missing(tensors, tuple(prefix + name for prefix in prefixes))


def check_layers(tensors: Mapping[str, Array], name: str, layers: int) -> None:
    """ValueError unless the last layer is there, and none after it; asked before all are listed.

    name: of a tensor that each layer has, {} in the place of its number.
    """
    last, beyond = name.format(layers - 1), name.format(layers)
    if last not in tensors:
        raise missing(tensors, (last,))
    if beyond in tensors:
        raise ValueError(f"config.json says {layers} layers, but the checkpoint holds {beyond}")


def missing(tensors: Mapping[str, Array], names: tuple[str, ...]) -> ValueError:
    """The error for a tensor that is not there, with the names that are most like it."""
    near = difflib.get_close_matches(names[0], list(tensors), n=3)
    found = f"much like it: {', '.join(near)}" if near else some_of(tensors)
    return ValueError(f"no tensor {' or '.join(names)} in the checkpoint; {found}")


def some_of(names: Collection[str], most: int = 5) -> str:
    """What is there instead, for an error message: a few of the names."""
    shown = ", ".join(sorted(names)[:most]) or "nothing"
    return f"there are {len(names)}: {shown}{', …' if len(names) > most else ''}"


def check_finite(name: str, array: Array) -> None:
    """ValueError if a number is NaN or infinite: then the smallest or the largest of them is.

    The array's pages, where it is a mapped file, are dropped again.
    """
    if array.size == 0:
        return
    with np.errstate(invalid="ignore"):
        ends = array.min(), array.max()
    if not all(map(math.isfinite, ends)):
        bad = np.count_nonzero(~np.isfinite(array))
        raise ValueError(f"{name} holds {bad} numbers that are not finite")
    forget(array)


def forget(array: Array) -> None:
    """Drop a mapped file's pages from memory: the system reads them anew where they are used.

    Of a file that is mapped to be read only; in another, pages may hold what was written to them.
    """
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, memoryview):
        base = base.obj
    if isinstance(base, mmap.mmap) and hasattr(base, "madvise") and memoryview(base).readonly:
        base.madvise(mmap.MADV_DONTNEED)
