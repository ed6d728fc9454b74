"""Some rows of a batch: an array, or a tuple, list or dict of arrays with as many rows each."""

import numpy as np

from minilm.types import Array, Batch


def arrays_of(batch: Batch) -> list[Array]:
    """The arrays of a batch, which is one, or a tuple, list or dict of them."""
    if isinstance(batch, np.ndarray):
        return [batch]
    return list(batch.values() if isinstance(batch, dict) else batch)


def number_of_rows(batch: Batch) -> int:
    """The length of the first axis that all arrays of a batch have in common.

    Raises TypeError for a batch of another form, ValueError for arrays of different lengths, or 0.
    """
    if isinstance(batch, np.ndarray | tuple | list | dict):
        arrays = arrays_of(batch)
        if arrays and all(isinstance(a, np.ndarray) and a.ndim for a in arrays):
            lengths = {len(array) for array in arrays}
            if len(lengths) == 1 and lengths != {0}:
                return lengths.pop()
            raise ValueError(f"a batch must have as many rows in each array to be shared out, "
                             f"at least one, got shapes {[array.shape for array in arrays]}")
    raise TypeError(f"a batch must be an array, or a tuple, list or dict of arrays, to be shared "
                    f"out over workers, got {type(batch).__name__}")


def rows_of(batch: Batch, rows: range) -> Batch:
    """The same batch with these rows only: views of its arrays, in what held them."""
    place = slice(rows.start, rows.stop)
    if isinstance(batch, np.ndarray):
        return batch[place]
    if isinstance(batch, dict):
        return {name: array[place] for name, array in batch.items()}
    parts = [array[place] for array in batch]
    return type(batch)(*parts) if hasattr(batch, "_fields") else type(batch)(parts)  # a NamedTuple?
