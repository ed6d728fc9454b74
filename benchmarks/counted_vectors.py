"""GloVe and PPMI–SVD beside skip-gram and an untrained table:  python -m benchmarks.counted_vectors

On the text that comes with gensim, 331,000 words: Spearman's correlation of the vectors' cosines
with people's judgement of word pairs, the mean over seeds and in brackets the lowest and the
highest; seconds of processor time from sentences to vectors.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence

from benchmarks.word2vec import PAIRS, sentences
from minilm.embeddings.glove import GloVe
from minilm.embeddings.keyed_vectors import KeyedVectors
from minilm.embeddings.ppmi import PPMI
from minilm.embeddings.skip_gram_model import SkipGram
from minilm.embeddings.vocabulary import read_corpus
from minilm.embeddings.word2vec import Word2Vec

WIDTH = 100
Train = Callable[[Sequence[Sequence[str]], int], KeyedVectors]


def untrained(text: Sequence[Sequence[str]], seed: int) -> KeyedVectors:
    """The table that training starts from."""
    words = read_corpus(text, min_count=5)[0].words
    return KeyedVectors(words, SkipGram(len(words), WIDTH).init(seed)["input_embedding"])


MODELS: dict[str, Train] = {
    "untrained": untrained,
    "PPMI, truncated SVD": lambda text, seed: PPMI(text, vector_size=WIDTH, seed=seed).wv,
    "GloVe": lambda text, seed: GloVe(text, vector_size=WIDTH, seed=seed).wv,
    "skip-gram": lambda text, seed: Word2Vec(text, vector_size=WIDTH, sg=1, seed=seed).wv,
}


def main() -> None:
    """A row of a Markdown table for each model."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    asked = parser.parse_args()
    text = sentences()
    print(f"| | {' | '.join(PAIRS)} | CPU seconds |\n|---|{'---:|' * (len(PAIRS) + 1)}")
    for name in asked.models:
        found: dict[str, list[float]] = {pairs: [] for pairs in PAIRS}
        start = time.process_time()
        for seed in range(1, asked.seeds + 1):
            vectors = MODELS[name](text, seed)
            for pairs, path in PAIRS.items():
                found[pairs].append(vectors.evaluate_word_pairs(path).spearman.statistic)
        seconds = (time.process_time() - start) / asked.seeds
        cells = (f"{statistics.mean(x):.3f} ({min(x):.3f}–{max(x):.3f})" for x in found.values())
        print(f"| {name} | {' | '.join(cells)} | {seconds:.1f} |", flush=True)


if __name__ == "__main__":
    main()
