"""All kinds of word vectors beside an untrained table:  python -m benchmarks counted_vectors

On the text that comes with gensim, 331,000 words, three seeds, each model with its own defaults and
vectors of 100, word2vec also with five times as many epochs: Spearman's correlation of cosines with
people's judgement of word pairs, the share of analogies solved, and the seconds of processor time
from sentences to vectors. A row of the csv file is one model with one seed; --draw measures nothing
and only reports.

Counting alone (PPMI and its truncated SVD) is the baseline. Analogies are asked of words only.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from benchmarks.records import HERE, Row, read, write
from minilm.embeddings import PPMI, FastText, GloVe, KeyedVectors, SkipGram, Word2Vec
from minilm.embeddings.vocabulary import read_corpus

WIDTH = 100
SEEDS = (0, 1, 2)
RESULTS = HERE / "counted_vectors.csv"
SCORES = ("WordSim-353", "SimLex-999", "analogies")
Text = Sequence[Sequence[str]]
Train = Callable[[Text, int], KeyedVectors]


def untrained(text: Text, seed: int) -> KeyedVectors:
    """The table that training starts from."""
    words = read_corpus(text, min_count=5)[0].words
    return KeyedVectors(words, SkipGram(len(words), WIDTH).init(seed)["input_embedding"])


def trained(text: Text, seed: int, *, model: Callable[..., Any], **settings: int) -> KeyedVectors:
    """A model's vectors."""
    wv: KeyedVectors = model(text, vector_size=WIDTH, seed=seed, **settings).wv
    return wv


MODELS: dict[str, Train] = {
    "untrained": untrained,
    "PPMI, truncated SVD": partial(trained, model=PPMI),
    "GloVe": partial(trained, model=GloVe),
    "skip-gram": partial(trained, model=Word2Vec, sg=1),
    "skip-gram, 25 epochs": partial(trained, model=Word2Vec, sg=1, epochs=25),
    "CBOW": partial(trained, model=Word2Vec, sg=0),
    "CBOW, 25 epochs": partial(trained, model=Word2Vec, sg=0, epochs=25),
    "fastText, skip-gram": partial(trained, model=FastText, sg=1),
}


def measured() -> list[Row]:
    """Train and ask: a row for each model and seed."""
    from benchmarks.word2vec import ANALOGIES, PAIRS, sentences  # here: --draw needs no gensim

    text, rows = sentences(), []
    for name, train in MODELS.items():
        for seed in SEEDS:
            start = time.process_time()
            wv = train(text, seed)
            seconds = time.process_time() - start
            found = {pairs: wv.evaluate_word_pairs(path)[1][0] for pairs, path in PAIRS.items()}
            found["analogies"] = wv.evaluate_word_analogies(ANALOGIES)[0]
            numbers = {score: f"{value:.4f}" for score, value in found.items()}
            rows.append({"model": name, "seed": str(seed), **numbers, "seconds": f"{seconds:.2f}"})
            print(*rows[-1].values(), sep="  ", flush=True)
    return rows


def report(rows: list[Row]) -> str:
    """A Markdown table: means over seeds, and (lowest – highest)."""
    lines = [f"| | {' | '.join(SCORES)} | seconds of a core |", "|---|---:|---:|---:|---:|"]
    for model in dict.fromkeys(row["model"] for row in rows):
        own = [row for row in rows if row["model"] == model]
        cells = [spread([float(row[score]) for row in own]) for score in SCORES]
        seconds = statistics.mean(float(row["seconds"]) for row in own)
        lines.append(f"| {model} | {' | '.join(cells)} | {seconds:.1f} |")
    return "\n".join(lines) + "\n"


def spread(values: list[float]) -> str:
    """Mean (lowest – highest)."""
    return f"{statistics.mean(values):.3f} ({min(values):.3f} – {max(values):.3f})"


def main(arguments: list[str]) -> None:
    """Measure, write, report."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks counted_vectors", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--draw", action="store_true", help="the table, from the csv file")
    if not parser.parse_args(arguments).draw:
        write(RESULTS, measured())
    print(report(read(RESULTS)))
