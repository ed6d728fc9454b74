"""The table of a study: one row a measurement, as `results.csv`.

A tidy table has one meaning a column, and an empty field where a measurement does not apply (a
perplexity of word2vec, a bit-width of a pruned model).
"""

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from minilm.study.settings import FLOAT

Row = dict[str, Any]

COLUMNS = {
    "model": "LSTM, Transformer, word2vec, or a baseline",
    "method": "what was done to the model",
    "bits": "bit-width of the rounded weights; 32 is float32",
    "sparsity": "share of weights set to zero",
    "bits_per_weight": "all bytes held / number of parameters × 8",
    "file_bytes": "size of the saved file",
    "sqnr_db": "10·log10(Σw² / Σ(w − ŵ)²), dB",
    "loss": "validation loss, nats per token (word2vec: per pair with its negatives)",
    "loss_above_float": "loss − loss of the same model in float32, nats",
    "loss_above_entropy": "loss − exact entropy of the source, nats (grammar corpus)",
    "bits_per_character": "loss / ln 2 · tokens / characters",
    "bits_per_byte": "loss / ln 2 · tokens / bytes",
    "perplexity": "exp(loss)",
    "neighbour_agreement": "share of the ten nearest words kept (word2vec)",
    "seed": "of initialisation and batches",
    "seconds": "that the measurement took, training included",
}

SHARED = ("model", "method", "bits", "sparsity", "bits_per_weight", "file_bytes", "sqnr_db", "loss",
          "loss_above_float")  # fmt: skip
OF_ANSWERS = {
    "exact_match": "share of answers that are right to the last character, 0 to 1",
    "bleu": "BLEU of the answers, 0 to 100",
    "rouge_l": "ROUGE-L of the answers, 0 to 100",
}
OF_LABELS = {
    "accuracy": "share of labels that are right, 0 to 1 (sentiment: were some wrong on purpose)",
    "macro_f1": "mean over labels of F1, 0 to 1",
}


def task_columns(rows: list[Row]) -> dict[str, str]:
    """The columns of a study of a task: how answers are judged, in the place of perplexity."""
    judged = {name: what for name, what in (OF_ANSWERS | OF_LABELS).items() if name in rows[0]}
    unseen = {
        f"structure_{name}": f"{name}, where training never showed the sentence pattern"
        for name in judged if f"structure_{name}" in rows[0]
    }  # fmt: skip
    first = {name: what for name, what in COLUMNS.items() if name in SHARED}
    return {
        **first, "model": "an encoder–decoder or a classifier",
        "loss": "nats per token of the right answers, or per label",
        **judged, **unseen,
        "score_above_float": "the score that the study shows − that of the model in float32",
        **{name: COLUMNS[name] for name in ("seed", "seconds")},
    }  # fmt: skip


def complete(
    rows: list[Row], entropy: float | None, score: str | None = None
) -> list[Row]:
    """Fill in what one row cannot know alone: its distance to the float model and to the floor.

    score: the column of a score, where there is one.
    """
    floats = {(row["model"], row["seed"]): row for row in rows if row["method"] == FLOAT}
    completed = []
    for row in rows:
        row = dict(row)
        own_float = floats.get((row["model"], row["seed"]))
        if own_float is not None:
            row["loss_above_float"] = row["loss"] - own_float["loss"]
            if score is not None:
                row["score_above_float"] = row[score] - own_float[score]
        if entropy is not None and "bits_per_character" in row:
            row["loss_above_entropy"] = row["loss"] - entropy
        completed.append(row)
    return completed


def write(rows: list[Row], path: Path, columns: Iterable[str] = COLUMNS) -> None:
    """Write `path`, floats with six significant digits."""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, fieldnames=list(columns), lineterminator="\n")
        table.writeheader()
        for row in rows:
            table.writerow({key: shown(value) for key, value in row.items()})


def shown(value: Any) -> Any:
    return f"{value:.6g}" if isinstance(value, float) else value
