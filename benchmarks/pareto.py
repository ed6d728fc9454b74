"""Bytes × time × quality of three small models:  python -m benchmarks pareto [--seeds 3]

A model that translates, one that summarizes and one that tells the sentiment of a sentence, each
small enough to be trained in a lesson, are compressed in several ways. A row of pareto.csv is one
of them from one seed: the bytes of its file as an archive and coded, the share of right answers
(of sentiment: expected with a tenth of the labels wrong, so that 90 % is the most), and the seconds
that one thread computes for 1,000 examples, with the weights as they are stored, unpacked once
before, and of the float32 model beside it. The course's last notebook reads these rows. --draw
measures nothing and only reports.
"""

import argparse
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.records import HERE, Row, read, write
from minilm import fit, prune, quantize, save, thaw
from minilm.compression import (
    add_steps,
    distil,
    learned_steps,
    quantize_with_steps,
    save_coded,
)
from minilm.generation import answer
from minilm.metrics import exact_match
from minilm.models import Seq2SeqLSTM, TransformerClassifier
from minilm.text import TASKS, LabelTokenizer, PairTokenizer, labelled_batches, pair_batches
from minilm.text.tasks.sentiment import sentiment
from minilm.training import AdamW, warmup_cosine
from minilm.types import Params
from minilm.weights import nbytes

RESULTS = HERE / "pareto.csv"
NOISE = 0.1  # of the labels that sentiment is trained on
TRAINED = {  # examples, width, steps, learning rate
    "translation": (15_000, 64, 500, 8e-3),
    "summarization": (15_000, 64, 500, 8e-3),
    "sentiment": (8_000, 32, 400, 3e-3),
}
ASKED = 300
TUNED = 300  # further steps with rounded weights
TIMED = 3  # rounds
GROUPS: dict[str, Any] = {"group_size": 32, "objective": "mse"}


class Task:
    """Examples, their tokenizer, a model of a width, how it is trained and how it is judged."""

    def __init__(self, name: str, seed: int) -> None:
        self.name, self.seed = name, seed
        count, self.width, self.steps, self.rate = TRAINED[name]
        labels = name == "sentiment"
        learned, asked = (sentiment(NOISE), sentiment(0)) if labels else (TASKS[name],) * 2
        self.train = learned.examples(count, seed, "train")
        self.test = asked.examples(ASKED, 0, "test")
        self.tokenizer: Any
        if labels:
            self.tokenizer = LabelTokenizer.train(self.train, "word")
            self.batches = labelled_batches(self.tokenizer, self.train, 64, seed)
        else:
            self.tokenizer = PairTokenizer.train(self.train, TASKS[name].tokenizers)
            self.batches = pair_batches(self.tokenizer, self.train, 64, seed)
            self.longest = self.tokenizer.longest_answer([*self.train, *self.test])

    def model(self, width: int) -> Any:
        if self.name == "sentiment":
            return TransformerClassifier(
                self.tokenizer.text.vocab_size, classes=2, width=width, layers=2, heads=4,
                context=self.tokenizer.context([*self.train, *self.test]),
                padding_id=self.tokenizer.padding_id,
            )  # fmt: skip
        return Seq2SeqLSTM(
            self.tokenizer.target.vocab_size, self.tokenizer.source.vocab_size, width=width,
            layers=1, padding_id=self.tokenizer.padding_id,
        )  # fmt: skip

    def fit(self, model: Any, params: Params, steps: int, rate: float, **how: Any) -> Params:
        schedule = warmup_cosine(rate, warmup=steps // 10, steps=steps)
        params, _ = fit(model, params, self.batches, steps=steps, seed=self.seed,
                        optimizer=AdamW(beta2=0.98), schedule=schedule, **how)  # fmt: skip
        return params

    def answers(self, model: Any, params: Params, packed: bool) -> Any:
        texts = [example.source for example in self.test]
        if self.name == "sentiment":
            params = params if packed else thaw(params)
            return model.forward(params, self.tokenizer.encode(texts))[0].argmax(axis=-1)
        return answer(
            model, params, self.tokenizer.encode_source(texts), length=self.longest,
            begin_id=self.tokenizer.begin_id, end_id=self.tokenizer.end_id, packed=packed,
        )  # fmt: skip

    def quality(self, model: Any, params: Params) -> float:
        """The share of right answers."""
        found, wanted = self.answers(model, params, False), [e.target for e in self.test]
        if self.name == "sentiment":
            right = float(np.mean(found == self.tokenizer.classes(wanted)))
            return (1 - NOISE) * right + NOISE * (1 - right)
        return exact_match([self.tokenizer.decode(ids) for ids in found], wanted)

    def seconds(self, *runs: tuple[Any, Params, bool]) -> list[float]:
        """Of 1,000 examples, as one thread computes for them: the median of a few rounds.

        runs: (model, params, packed) of each; they take turns, for a machine's speed drifts.
        """
        taken: list[list[float]] = [[] for _ in runs]
        for _ in range(TIMED):
            for run, seconds in zip(runs, taken, strict=True):
                start = time.process_time()
                self.answers(*run)
                seconds.append(time.process_time() - start)
        return [statistics.median(seconds) * 1000 / len(self.test) for seconds in taken]


def compressed(task: Task) -> Iterator[tuple[str, Any, Params]]:
    """(method, model, parameters) of all that is compared."""
    model = task.model(task.width)
    params = task.fit(model, model.init(task.seed), task.steps, task.rate)
    yield "float32", model, params
    yield "8 bits", model, quantize(params, 8)
    for bits in (4, 3, 2):
        yield f"{bits} bits", model, quantize(params, bits, **GROUPS)
    for bits in (3, 2):
        begun = add_steps(params, bits, group_size=32)
        tuned = task.fit(model, begun, TUNED, task.rate / 4, view=learned_steps(bits))
        yield f"{bits} bits, trained", model, quantize_with_steps(tuned, bits)
    half = prune(params, 0.5)
    yield "half pruned", model, half
    small = task.model(task.width // 2)
    longer = 2 * task.steps  # a small model needs more of them, and each is quicker
    alone = task.fit(small, small.init(task.seed), longer, task.rate)
    yield "half width, alone", small, alone
    taught = task.fit(small, small.init(task.seed), longer, task.rate,
                      loss=distil(model, params, alpha=0.5))  # fmt: skip
    yield "half width, distilled", small, taught
    for bits in (8, 4, 3):
        how = {**GROUPS, "group_size": 16} if bits < 8 else {}
        yield f"half width, distilled, {bits} bits", small, quantize(taught, bits, **how)


def bytes_of(writer: Callable[..., None], params: Params) -> int:
    """The size of the file that `save` or `save_coded` writes."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        writer(path, params)
        return path.stat().st_size


def measured(name: str, seed: int) -> list[Row]:
    """A row for each method."""
    task, rows = Task(name, seed), []
    about = {"asked": str(len(task.test)), "python": platform.python_version(),
             "numpy": version("numpy")}  # fmt: skip
    whole: tuple[Any, ...] = ()
    for method, model, params in compressed(task):
        whole = whole or (model, params, False)  # float32 comes first
        stored, thawed, beside = task.seconds((model, params, True), (model, params, False), whole)
        rows.append({
            "task": name, "seed": str(seed), "method": method,
            "numbers": str(sum(int(np.prod(w.shape)) for w in params.values())),
            "memory_bytes": str(nbytes(params)), "file_bytes": str(bytes_of(save, params)),
            "coded_bytes": str(bytes_of(save_coded, params)),
            "quality": f"{task.quality(model, params):.4f}",
            "stored_seconds": f"{stored:.4f}", "thawed_seconds": f"{thawed:.4f}",
            "float_seconds": f"{beside:.4f}", **about,
        })  # fmt: skip
        print(*list(rows[-1].values())[:10], sep="  ", flush=True)
    return rows


def report(rows: list[Row]) -> str:
    """A Markdown table of each task: means over seeds."""
    lines = []
    for task in TRAINED:
        lines += [f"| {task} | bytes of the file | coded | right, % | s as stored | s unpacked |",
                  "|---|---:|---:|---:|---:|---:|"]  # fmt: skip
        for method in dict.fromkeys(row["method"] for row in rows):
            own = [r for r in rows if (r["task"], r["method"]) == (task, method)]

            def mean(column: str, own: list[Row] = own) -> float:
                return statistics.mean(float(row[column]) for row in own)

            right = [100 * float(row["quality"]) for row in own]
            lines.append(
                f"| {method} | {mean('file_bytes'):,.0f} | {mean('coded_bytes'):,.0f} | "
                f"{statistics.mean(right):.1f} ({min(right):.1f} – {max(right):.1f}) | "
                f"{mean('stored_seconds'):.2f} | {mean('thawed_seconds'):.2f} |"
            )
        lines.append("")
    return "\n".join(lines)


def main(arguments: list[str]) -> None:
    """Measure, write, report."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks pareto", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--seeds", type=int, default=3, help="runs of each")
    parser.add_argument("--draw", action="store_true", help="the tables, from the csv file")
    asked = parser.parse_args(arguments)
    if not asked.draw:
        rows: list[Row] = []
        with threadpool_limits(1):
            for seed in range(asked.seeds):
                for name in TRAINED:
                    rows += measured(name, seed)
                    write(RESULTS, rows)
    print(report(read(RESULTS)))
