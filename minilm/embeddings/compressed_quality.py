"""What word vectors lose when they are compressed: similarity, analogies, neighbours against bits.

    similarity    Spearman's correlation of cosines with people's scores, for each list of pairs
    analogies     the share of a : b = c : ? that is solved
    neighbours    the share of a word's nearest words that are still its nearest

Every question is asked of the compressed table itself, not of floats made of it. Bits and bytes are
those that the table holds, scales and codebooks included.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from minilm.embeddings.agreement import neighbour_agreement
from minilm.embeddings.keyed_vectors import KeyedVectors
from minilm.types import Array

FLOAT = "float32"  # the row of the table as it was
SIZES = ("bits_per_weight", "bytes", "times_smaller")  # the columns that say how large a table is

Recipe = Callable[[Array], Any]  # the table (V, D) -> a leaf that stands for it


def quality_against_bits(
    wv: KeyedVectors,
    recipes: Mapping[str, Recipe],
    pairs: Mapping[str, str | os.PathLike[str]],
    analogies: str | os.PathLike[str] | None = None,
    *,
    topn: int = 10,
    words: Sequence[str] | None = None,
) -> list[dict[str, Any]]:
    """A row for the table of wv as it is, and one for each recipe's.

        recipes = {"integers: 4 bits": lambda table: quantize(table, 4, axis=0), …}
        quality_against_bits(wv, recipes, {"WordSim-353": path})

    pairs: files of word pairs by name, as `evaluate_word_pairs` reads them; analogies: a file, as
    `evaluate_word_analogies`; topn: how many nearest words, of each of `words` (default: all).
    ->  [{"recipe", "bits_per_weight", "bytes", "times_smaller", each list of pairs,
          "analogies" (where a file was given), "neighbours"}, …], the first "float32".
    Raises ValueError where wv is compressed already, or a recipe makes another shape.
    """
    table = wv.vectors
    if not isinstance(table, np.ndarray):
        raise ValueError(f"wv must hold floats to begin with, got a {type(table).__name__}")
    if FLOAT in recipes:
        raise ValueError(f"recipes must leave the name {FLOAT!r} to the table as it is")
    rows = []
    for recipe, compress in {FLOAT: lambda table: table, **recipes}.items():
        compressed = compress(table)
        if compressed.shape != table.shape:
            raise ValueError(f"the recipe {recipe!r} must keep the shape {table.shape}, "
                             f"got {compressed.shape}")
        own = KeyedVectors(wv.index_to_key, compressed)
        row = {"recipe": recipe, **sizes(compressed, table)}
        for name, path in pairs.items():
            row[name] = own.evaluate_word_pairs(path).spearman.statistic
        if analogies is not None:
            row["analogies"] = own.evaluate_word_analogies(analogies)[0]
        row["neighbours"] = neighbour_agreement(wv, own, topn, words)
        rows.append(row)
    return rows


def sizes(compressed: Any, table: Array) -> dict[str, float]:
    """What a compressed table holds, and how many times less that is than the floats."""
    held = compressed.nbytes
    return {
        "bits_per_weight": 8 * held / table.size, "bytes": held,
        "times_smaller": table.nbytes / held,
    }  # fmt: skip
