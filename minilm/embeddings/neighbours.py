"""The nearest words of a query: of a word, a vector, or several of them added and taken away.

    cos(v, x),  x = Σ w_i x_i / Σ |w_i|                                 most_similar
    Π (1 + cos(v, p_i)) / 2  /  (Π (1 + cos(v, n_j)) / 2 + ε)           most_similar_cosmul

The second multiplies where the first adds, so that no single large cosine decides alone (Levy &
Goldberg 2014, "Linguistic regularities", eq. 4; cosines are moved to [0, 1], as they propose). The
word of a list that doesn't match the others is the farthest from their mean.
"""

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minilm.embeddings.mean_vector import KEY, Key, checked
from minilm.embeddings.table_rows import highest, rows_at_once, unit_rows
from minilm.types import Array

if TYPE_CHECKING:
    from minilm.embeddings.keyed_vectors import KeyedVectors

EPSILON = 1e-6


def most_similar(
    wv: "KeyedVectors", positive: Any, negative: Any, topn: int | None, restrict_vocab: int | None
) -> Any:
    """See `KeyedVectors.most_similar`."""
    items = [(key, 1.0) for key in as_list(positive)]
    items += [(key, -1.0) for key in as_list(negative)]
    check_query(items, topn, restrict_vocab)
    keys, weights = zip(
        *(key if isinstance(key, tuple) else (key, sign) for key, sign in items), strict=True
    )
    mean = wv.get_mean_vector(keys, weights, post_normalize=True, ignore_missing=False)
    return answer(wv, keys, wv.cosines(mean[None], restrict_vocab or None)[0], topn)


def most_similar_cosmul(
    wv: "KeyedVectors", positive: Any, negative: Any, topn: int | None, restrict_vocab: int | None
) -> Any:
    """See `KeyedVectors.most_similar_cosmul`."""
    near, far = as_list(positive), as_list(negative)
    keys = near + far
    check_query(keys, topn, restrict_vocab)
    x = [checked(k, wv.vector_size) if isinstance(k, np.ndarray) else wv[k] for k in keys]
    share = (1 + wv.cosines(np.stack(x), restrict_vocab or None)) / 2  # (n, V)
    score = share[: len(near)].prod(axis=0) / (share[len(near) :].prod(axis=0) + EPSILON)
    return answer(wv, keys, score, topn)


def nearest(wv: "KeyedVectors", words: Sequence[Key], topn: int) -> list[set[str]]:
    """See `KeyedVectors.nearest`."""
    if not 1 <= topn < len(wv):
        raise ValueError(f"topn must be from 1 to {len(wv) - 1} (all others), got {topn}")
    found, step = [], rows_at_once(len(wv))
    for start in range(0, len(words), step):
        part = words[start : start + step]
        cosine = wv.cosines(wv.vectors_of(part))
        for scores, word in zip(cosine, part, strict=True):
            if wv.has_index_for(word):
                scores[wv.get_index(word)] = -np.inf
        for row in np.argpartition(-cosine, topn - 1, axis=1)[:, :topn]:
            found.append({wv.index_to_key[i] for i in row})
    return found


def doesnt_match(wv: "KeyedVectors", words: Sequence[Key]) -> Key:
    """See `KeyedVectors.doesnt_match`."""
    known = [] if isinstance(words, str) else [word for word in words if word in wv]
    if not known:
        raise ValueError(f"words must be a list with at least one known word, got {words!r}")
    if len(known) < len(words):
        unknown = [word for word in words if word not in wv]
        warnings.warn(f"words without a vector are left out: {unknown}", stacklevel=3)
    rows = unit_rows(wv.vectors_of(known))
    return min(zip(rows @ unit_rows(rows.mean(axis=0)[None])[0], known, strict=True))[1]


def check_query(keys: Sequence[Any], topn: int | None, restrict_vocab: int | None) -> None:
    """ValueError for no key at all, and for counts that are none."""
    for name, value in (("topn", topn), ("restrict_vocab", restrict_vocab)):
        if value is not None and (not isinstance(value, int | np.integer) or value < 0):
            raise ValueError(f"{name} must be None or an integer >= 0, got {value!r}")
    if not keys:
        raise ValueError("positive or negative must hold a word or a vector, got neither")


def answer(wv: "KeyedVectors", keys: Sequence[Any], scores: Array, topn: int | None) -> Any:
    """The topn words of highest score but those asked with, or all scores for topn=None."""
    if topn is None:
        return scores
    asked = {wv.get_index(key, -1) for key in keys if not isinstance(key, np.ndarray)}
    found = (i for i in highest(scores, topn + len(asked)) if i not in asked)
    return [(wv.index_to_key[i], float(scores[i])) for i in found][:topn]


def as_list(keys: Any) -> list[Any]:
    """None as no key; a word, a number or a vector on its own as a list of one."""
    if keys is None:
        return []
    alone = isinstance(keys, KEY) or (isinstance(keys, np.ndarray) and keys.ndim == 1)
    return [keys] if alone else list(keys)
