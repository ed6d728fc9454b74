"""Of several parts: no deadlines, every array in a cache, and arrays that watch their dtype."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from threadpoolctl import threadpool_limits

# How long an example takes says more of what else runs on the machine than of the code.
settings.register_profile("minilm", deadline=None)
settings.load_profile("minilm")

# Matrices as small as these gain nothing from threads; a second process of tests needs the core.
threadpool_limits(1)


class Watched(np.ndarray):
    """A float32 array that fails the test when a calculation with it gives wider floats.

    What is calculated from it is watched too, so temporaries that never leave a function are seen.
    """

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **options):
        def plain(a):
            return a.view(np.ndarray) if isinstance(a, Watched) else a

        if out is not None:
            options["out"] = tuple(map(plain, out))
        options = {name: plain(value) for name, value in options.items()}
        answer = getattr(ufunc, method)(*map(plain, inputs), **options)
        if out is not None:
            return out[0] if len(out) == 1 else out
        for a in answer if isinstance(answer, tuple) else [answer]:
            if a.dtype.kind == "f" and a.dtype != np.float32:
                dtypes = [str(getattr(a, "dtype", type(a))) for a in inputs]
                raise AssertionError(f"{ufunc.__name__} of {', '.join(dtypes)} gives {a.dtype}")
        if isinstance(answer, tuple):
            return tuple(a.view(Watched) for a in answer)
        return answer.view(Watched) if isinstance(answer, np.ndarray) else answer


@pytest.fixture
def watched() -> Callable[[np.ndarray], np.ndarray]:
    """watched(a): the same float32 numbers, as an array that no calculation may widen."""
    return lambda a: a.view(Watched)


def arrays_of(tree: Any) -> Iterator[Any]:
    if isinstance(tree, np.ndarray | np.generic):
        yield tree
    elif isinstance(tree, dict):
        for value in tree.values():
            yield from arrays_of(value)
    elif isinstance(tree, tuple | list):
        for value in tree:
            yield from arrays_of(value)
    elif type(tree).__module__.split(".")[0] == "minilm":  # an object of ours
        for name in getattr(tree, "__slots__", None) or vars(tree):
            yield from arrays_of(getattr(tree, name))


@pytest.fixture
def arrays_in() -> Callable[[Any], Iterator[Any]]:
    """Every array and NumPy number in nested tuples, lists, dicts and minilm's own objects."""
    return arrays_of
