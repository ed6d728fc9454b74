"""A saved model, checked before anything is computed with it: a file may come from anywhere."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minilm.types import Params
from minilm.weights import flatten, load, read_header


def saved_fields(path: Path, fields: Sequence[str]) -> dict[str, Any]:
    """The header of a file that has these fields. ValueError for one saved by something else."""
    header = read_header(path)
    missing = [field for field in fields if field not in header]
    if missing:
        raise ValueError(
            f"file {str(path)!r} does not say what its parameters belong to (no "
            f"{', '.join(missing)}): it was not saved by `train`, `distill` or a study"
        )
    return header


def saved_parameters(path: Path, names: Iterable[str] = ()) -> Params:
    """The parameters of a file. ValueError if one of `names` is not there, or a number not finite.
    """
    params = load(path)
    missing = [name for name in names if name not in params]
    if missing:
        raise ValueError(f"file {str(path)!r} lacks the parameters {', '.join(missing)}")
    for name, array in flatten(params)[0].items():
        # fp8 has NaN among its levels; load has refused codes that stand for one
        levels = name.endswith("/levels")
        if array.dtype.kind == "f" and not levels and not np.isfinite(array).all():
            bad = np.count_nonzero(~np.isfinite(array))
            raise ValueError(
                f"file {str(path)!r}: {name} must be finite, got {bad} NaN or infinite of "
                f"{array.size} numbers"
            )
    return params
