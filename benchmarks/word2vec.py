"""Word2vec: minilm against gensim with one worker, on a text that comes with gensim.

Skip-gram with negative sampling, the vocabulary counted first: what the constructor does, from
sentences to vectors. Every setting is the same and the default of both. A quicker way that gave
worse vectors would be no gain, so each run is also scored: how well do the cosines of its vectors
put pairs of words in the order that people do (Spearman's correlation), and what share of the
analogies whose words it knows does it solve? Each round has a new seed.
"""

from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import gensim

from benchmarks.timing import Comparison, Run, Scores
from minilm import Word2Vec
from minilm.embeddings import KeyedVectors

DATA = Path(gensim.__file__).parent / "test" / "test_data"
TEXT = DATA / "head500.noblanks.cor"
PAIRS = {"WordSim-353": DATA / "wordsim353.tsv", "SimLex-999": DATA / "simlex999.txt"}
ANALOGIES = DATA / "questions-words.txt"
EPOCHS = 5  # after one the scores are still noise
SETTINGS = {
    "vector_size": 100, "window": 5, "min_count": 5, "negative": 5, "sg": 1, "epochs": EPOCHS,
}  # fmt: skip


def sentences() -> list[list[str]]:
    """A sentence a line, its words between spaces."""
    return [line.split() for line in TEXT.read_text(encoding="utf-8").splitlines()]


def make() -> tuple[Run, Run]:
    """A training of each; the next call has the next seed."""
    text = sentences()

    def training(library: Callable[..., Any], **more: int) -> Run:
        seeds = count()
        return lambda: library(text, seed=next(seeds), **SETTINGS, **more).wv

    return training(Word2Vec), training(gensim.models.Word2Vec, workers=1)


def scores(vectors: Any) -> Scores:
    """What is asked of minilm's vectors or of gensim's, by the same code.

    Spearman's correlation with each list of pairs; the share of the analogies that is solved.
    """
    if not isinstance(vectors, KeyedVectors):
        vectors = KeyedVectors(vectors.index_to_key, vectors.vectors)
    found = {name: vectors.evaluate_word_pairs(path)[1][0] for name, path in PAIRS.items()}
    solved, sections = vectors.evaluate_word_analogies(ANALOGIES)
    total = sections[-1]
    known = len(total["correct"]) + len(total["incorrect"])
    return {**found, f"analogies ({known:,} questions)": solved}


COMPARISONS = (
    Comparison(
        work="word2vec at equal quality",
        sizes=f"skip-gram, vectors of 100, {EPOCHS} epochs of head500.noblanks.cor",
        peer="gensim, 1 worker", amount=EPOCHS * sum(map(len, sentences())), unit="words",
        at_most=0.6, rounds=5, make=make, scores=scores,
    ),
)  # fmt: skip
