"""A person's own sentence pairs, from the file to BLEU: the whole road, at its full length.

    python -m benchmarks pairs [--file FILE] [--pairs 29000] [--steps N]

Without a file of one's own, 29,000 pairs of the translation task are written to one. From there on
all is as for any other: the lines are read, every tenth is held out, byte-pair encoding is learned
on both sides, and the Transformer of the translation task is trained, one thread, with a checkpoint
every 100 steps. Beside it, on the other core, a second run is stopped between two checkpoints and
goes on in a new process; it must end with the same bits. pairs.csv keeps what was found.
"""

import argparse
import os
import platform
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from hashlib import sha256
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any

from threadpoolctl import threadpool_limits

from benchmarks import tasks_report
from benchmarks.memory import highest_resident_size
from benchmarks.records import Row, write
from benchmarks.tasks import tokens_of
from minilm.metrics import bleu, exact_match
from minilm.study.settings import task_settings
from minilm.study.subjects import new_task_subject
from minilm.study.task_recipes import TRANSFORMER, TaskRecipe
from minilm.study.tasks import cutting
from minilm.text import TASKS
from minilm.text.tasks import save_pairs
from minilm.types import Params

EVERY = 100  # steps from one checkpoint to the next
ASKED = 1000  # held-out pairs that are translated


class Stopped(Exception):
    """What stops a run here; anything would do, a cut of the power too."""


def train(
    file: Path, checkpoint: Path, recipe: TaskRecipe, stop_at: int = 0, every: int = EVERY,
    asked: int = ASKED,
) -> tuple[Row, str]:  # fmt: skip
    """Train from the file, going on from the checkpoint if it is there: what was found, its bits.

    stop_at: raise Stopped after this many steps, before they are saved; 0: train to the end.
    """
    with threadpool_limits(1):
        settings = replace(task_settings("pairs", str(file)), asked=asked)
        subject: Any = new_task_subject(settings, recipe, checkpoint, seed=0)
        batches, begun = subject.batches(), process_time()

        def stop(params: Params) -> float:
            raise Stopped

        how: dict[str, Any] = {"evaluate": stop, "evaluate_every": stop_at} if stop_at else {}
        params, _ = subject.fit(
            subject.model.init(0), recipe.steps,
            checkpoint=checkpoint, checkpoint_every=every, **how,
        )  # fmt: skip
        seconds = process_time() - begun
        peak = highest_resident_size()  # of reading, training and saving
        answers = subject.answers(params, subject.data.test)
    wanted = [example.target for example in subject.data.test]
    tokens = sum(tokens_of(batches(step), subject) for step in range(recipe.steps))
    row = {
        "pairs": str(len(subject.data.own)), "trained": str(len(subject.data.train)),
        "tokens_each": f"{tokens / recipe.steps / recipe.batch_size:.1f}",
        "vocabularies": f"{subject.tokenizer.source.vocab_size} and "
        f"{subject.tokenizer.target.vocab_size}",
        "steps": str(recipe.steps), "batch_size": str(recipe.batch_size),
        "seconds": f"{seconds:.1f}", "tokens_per_second": f"{tokens / seconds:.0f}",
        "peak_bytes": "" if peak is None else str(peak), "asked": str(len(wanted)),
        "bleu": f"{bleu(answers, wanted, words=cutting(wanted)):.2f}",
        "exact_match": f"{exact_match(answers, wanted):.4f}",
    }  # fmt: skip
    return row, digest(params)


def digest(params: Params) -> str:
    """A name for these bits."""
    found = sha256()
    for name in sorted(params):
        found.update(name.encode() + params[name].tobytes())
    return found.hexdigest()


def apart(*arguments: Any) -> tuple[Row, str]:
    """`train` in a process of its own, whose memory is then that of this training."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(train, *arguments).result()


def stopped_and_continued(
    file: Path, checkpoint: Path, recipe: TaskRecipe, *sizes: int
) -> tuple[Row, str]:
    """The same run, stopped between two checkpoints a little after its middle."""
    try:
        apart(file, checkpoint, recipe, recipe.steps // 2 + 1, *sizes)
    except Stopped:
        return apart(file, checkpoint, recipe, 0, *sizes)
    raise AssertionError("the run was to be stopped, and was not")


def measure(file: Path, folder: Path, recipe: TaskRecipe, *sizes: int) -> Row:
    """Both runs side by side, a core each."""
    with ThreadPoolExecutor(2) as threads:
        whole = threads.submit(apart, file, folder / "whole", recipe, 0, *sizes)
        broken = threads.submit(stopped_and_continued, file, folder / "broken", recipe, *sizes)
        (row, bits), (_, again) = whole.result(), broken.result()
    same = "yes" if bits == again else "no"
    return {
        **row, "same_bits_when_resumed": same, "cores": str(os.cpu_count()),
        "python": platform.python_version(), "numpy": version("numpy"),
    }  # fmt: skip


def main(arguments: list[str]) -> None:
    """Measure and keep."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks pairs", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    recipe = task_settings("pairs").task_models[TRANSFORMER]
    parser.add_argument("--file", type=Path, help="UTF-8, a source, one tab and a target a line")
    parser.add_argument("--pairs", type=int, default=29_000, help="to generate, without --file")
    parser.add_argument("--steps", type=int, default=recipe.steps)
    options = parser.parse_args(arguments)
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before a new process makes more
    with TemporaryDirectory() as folder:
        file = options.file or Path(folder) / "pairs.tsv"
        if options.file is None:
            save_pairs(file, TASKS["translation"].examples(options.pairs, seed=0))
        row = measure(file, Path(folder), recipe.changed(steps=options.steps))
    write(tasks_report.PAIRS, [row])
    tasks_report.save()
    print(tasks_report.pairs_summary(row), end="")
