"""Do two tables of vectors, of one model before and after compression, name the same neighbours?"""

from collections.abc import Sequence

from minilm.embeddings.keyed_vectors import KeyedVectors


def neighbour_agreement(
    wv_a: KeyedVectors, wv_b: KeyedVectors, topn: int = 10, words: Sequence[str] | None = None
) -> float:
    """The share of a word's topn nearest words that both tables name, the mean over `words`.

    1: the same neighbours; topn/(V − 1): chance. words: default, all with a row in both tables.
    """
    if words is None:
        words = [word for word in wv_a.index_to_key if wv_b.has_index_for(word)]
    if not words:
        raise ValueError("words must hold at least one word that both tables have, got none")
    both = zip(wv_a.nearest(words, topn), wv_b.nearest(words, topn), strict=True)
    return sum(len(a & b) for a, b in both) / (topn * len(words))
