"""Each task of minilm.text learned by each architecture, to the end, from several seeds.

    python -m benchmarks tasks [names] [--seeds 3] [--processes 2]

Without names: translation, dates, sentiment, summarization. Every run is a process of its own with
one thread, and its seconds are those that this thread computed for: what one core needs that has
nothing else to do (two run side by side on two). A run is
judged by 1,000 examples that share no combination of content words with what was trained on (test)
and by 1,000 whose sentence structure was not trained on either (structure).

tasks.csv gets a row as soon as a run ends. A run that is there already, with the same recipe, is
not repeated: what was stopped goes on. docs/tasks.svg is drawn of what is there.
"""

import argparse
import os
import platform
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from dataclasses import replace
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks import tasks_report
from benchmarks.records import Row, read, write
from minilm.metrics import bleu, characters, chrf, exact_match, rouge_l, words_13a
from minilm.nn import IGNORED
from minilm.study.settings import task_settings
from minilm.study.subjects import new_task_subject
from minilm.study.task_recipes import TASK_RECIPES, TaskRecipe
from minilm.study.tasks import LabelSubject, TaskSubject
from minilm.types import Params

NAMES = ("translation", "dates", "sentiment", "summarization")
ASKED = 1000  # examples of each part


def recipe_text(recipe: TaskRecipe) -> str:
    """A recipe in one line, by which a finished run is known."""
    config = " ".join(f"{name}={value}" for name, value in recipe.config.items())
    return (
        f"{config} steps={recipe.steps} batch={recipe.batch_size} "
        f"rate={recipe.learning_rate} examples={recipe.examples}"
    )


def run(task: str, architecture: str, seed: int, recipe: TaskRecipe, asked: int = ASKED) -> Row:
    """Train once, with one thread, and judge."""
    with threadpool_limits(1), TemporaryDirectory() as folder:
        settings = replace(task_settings(task), asked=asked)
        subject = new_task_subject(settings, recipe, Path(folder) / "model.npz", seed)
        begun = process_time()
        params, _ = subject.fit(subject.model.init(seed), recipe.steps)
        seconds = process_time() - begun
        scores = judged(subject, params)
    batches = subject.batches()
    sample = range(0, recipe.steps, max(1, recipe.steps // 50))
    tokens = float(np.mean([tokens_of(batches(step), subject) for step in sample]))
    return {
        "task": task, "architecture": architecture, "seed": str(seed), **scores,
        "limit": f"{1 - subject.data.noise:g}", "seconds": f"{seconds:.1f}",
        "tokens_per_second": f"{tokens * recipe.steps / seconds:.0f}",
        "parameters": str(sum(weight.size for weight in params.values())),
        "recipe": recipe_text(recipe), "cores": str(os.cpu_count()),
        "python": platform.python_version(), "numpy": version("numpy"),
    }  # fmt: skip


def tokens_of(batch: Sequence[np.ndarray], subject: TaskSubject) -> int:
    """The tokens that a batch's rows hold, source and target; what fills them up is not counted."""
    tokens = int(np.count_nonzero(batch[0] != subject.tokenizer.padding_id))
    if isinstance(subject, LabelSubject):
        return tokens
    return tokens + int(np.count_nonzero(batch[-1] != IGNORED))


def judged(subject: Any, params: Params) -> Row:
    """Exact match or expected accuracy on both parts; of answers, how near the wrong ones are."""
    scores = {"test": "", "structure": "", "bleu": "", "chrf": "", "rouge_l": ""}
    if isinstance(subject, LabelSubject):
        for part, examples in (("test", subject.data.test), ("structure", subject.data.structure)):
            scores[part] = f"{subject.accuracy(subject.logits(params, examples), examples):.4f}"
        return scores
    for part, examples in (("test", subject.data.test), ("structure", subject.data.structure)):
        answers, wanted = subject.answers(params, examples), [e.target for e in examples]
        scores[part] = f"{exact_match(answers, wanted):.4f}"
        if part == "test" and subject.data.task in ("translation", "summarization"):
            words = characters if subject.data.task == "translation" else words_13a  # Chinese
            scores |= {
                "bleu": f"{bleu(answers, wanted, words=words):.2f}",
                "chrf": f"{chrf(answers, wanted):.2f}",
                "rouge_l": f"{rouge_l(answers, wanted, words=words):.2f}",
            }
    return scores


def key(row: Row) -> tuple[str, ...]:
    """What makes two rows the same run."""
    return tuple(row[name] for name in ("task", "architecture", "seed", "recipe"))


def still_to_run(
    names: Sequence[str], seeds: int, rows: list[Row]
) -> list[tuple[str, str, int, TaskRecipe]]:
    """(task, architecture, seed, recipe) of all that is asked for and not there yet."""
    done = {key(row) for row in rows}
    return [
        (task, architecture, seed, recipe)
        for seed in range(seeds)
        for task in names
        for architecture, recipe in TASK_RECIPES[task].items()
        if (task, architecture, str(seed), recipe_text(recipe)) not in done
    ]


def measure(
    names: Sequence[str], seeds: int, processes: int, path: Path, asked: int = ASKED
) -> list[Row]:
    """Run what is left, each run in a new process; after each, write all rows that are there."""
    rows = read(path) if path.exists() else []
    left = still_to_run(names, seeds, rows)
    # of a recipe that has changed, the old runs say nothing of the new one
    rows = [row for row in rows if row["recipe"] == current_recipe(row)]
    with ThreadPoolExecutor(processes) as threads:
        for future in as_completed([threads.submit(run_apart, *what, asked) for what in left]):
            row = future.result()
            rows = sorted([*rows, row], key=key)
            write(path, rows)
            print(
                f"{row['task']}, {row['architecture']}, seed {row['seed']}: test {row['test']}, "
                f"structure {row['structure']}, {row['seconds']} s", flush=True,
            )  # fmt: skip
    return rows


def run_apart(*arguments: Any) -> Row:
    """`run` in a process of its own: the memory that one leaves kept changes the next."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(run, *arguments).result()


def current_recipe(row: Row) -> str:
    """The recipe that a row's run would have now; none if there is no such run any more."""
    recipe = TASK_RECIPES.get(row["task"], {}).get(row["architecture"])
    return recipe_text(recipe) if recipe else ""


def main(arguments: list[str]) -> None:
    """Measure, and draw the figure."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks tasks", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    there = f"any of {', '.join(TASK_RECIPES)}"
    parser.add_argument("names", nargs="*", metavar="name", help=there)
    parser.add_argument("--seeds", type=int, default=3, help="runs of each")
    parser.add_argument("--processes", type=int, default=2, help="runs at a time, a core each")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.names if name not in TASK_RECIPES]:
        parser.error(f"there is no {', '.join(unknown)}; give {there}")
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before a new process makes more
    rows = measure(options.names or NAMES, options.seeds, options.processes, tasks_report.RESULTS)
    if rows:
        tasks_report.save()
        print("\n" + tasks_report.summary(rows), end="")
