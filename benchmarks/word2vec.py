"""Word2vec: minilm against gensim with one worker, on a text that comes with gensim.

One epoch of skip-gram with negative sampling, the vocabulary counted first: what the constructor
does, from sentences to vectors. Every setting is the same and the default of both.
"""

from pathlib import Path

import gensim

from benchmarks.timing import Comparison, Run
from minilm import Word2Vec

TEXT = Path(gensim.__file__).parent / "test" / "test_data" / "head500.noblanks.cor"
SETTINGS = {"vector_size": 100, "window": 5, "min_count": 5, "negative": 5, "sg": 1, "epochs": 1}


def sentences() -> list[list[str]]:
    """A sentence a line, its words between spaces."""
    return [line.split() for line in TEXT.read_text(encoding="utf-8").splitlines()]


def make() -> tuple[Run, Run]:
    """One epoch of each."""
    text = sentences()
    return (
        lambda: Word2Vec(text, seed=1, **SETTINGS),
        lambda: gensim.models.Word2Vec(text, seed=1, workers=1, **SETTINGS),
    )


COMPARISONS = (
    Comparison(
        work="word2vec",
        sizes="skip-gram, vectors of 100, one epoch of head500.noblanks.cor",
        peer="gensim, 1 worker", amount=sum(map(len, sentences())), unit="words",
        at_most=0.6, rounds=9, make=make,
    ),
)  # fmt: skip
