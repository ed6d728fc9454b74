"""Words and vectors in minilm's own file: exact, compressed tables as they are, nothing pickled.

The header holds the words, their counts, and what else the kind of vectors needs; the tables are
stored as `minilm.weights.save` stores parameters.
"""

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from minilm.types import Params
from minilm.weights import load, read_header, save

if TYPE_CHECKING:
    from minilm.embeddings.keyed_vectors import KeyedVectors


def save_vectors(
    path: str | os.PathLike[str], wv: "KeyedVectors", tables: Params, **about: Any
) -> None:
    """Write the tables, and words, counts and `about` beside them."""
    counts = None if wv.counts is None else wv.counts.tolist()
    kind = type(wv).__name__
    save(path, tables, {"kind": kind, "words": wv.index_to_key, "counts": counts, **about})


def load_vectors(path: str | os.PathLike[str], kind: str) -> tuple[dict[str, Any], Params]:
    """The header, counts as an array again, and the tables; ValueError for any other file."""
    header, tables = read_header(path), load(path)
    if header.get("kind") != kind:
        raise ValueError(
            f"{os.fspath(path)} holds no {kind}: what wv.save wrote is read here, what model.save "
            "wrote by the model's load"
        )
    if header["counts"] is not None:
        header["counts"] = np.array(header["counts"], np.int64)
    return header, tables
