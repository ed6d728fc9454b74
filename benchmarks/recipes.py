"""Whole recipes of compression on the default models, stage after stage, from several seeds.

    python -m benchmarks recipes [models] [--seeds 3] [--processes 2]     --draw: measures nothing

RECIPES says which file of data/recipes is tried on which model: the default language models
(`minilm.study.default()`), and a Transformer that translates. The control is a language model that
is trained further in float32, whole, for as many steps as the last of its recipes trains in all.
Every run is a process of its own with one thread, and its seconds are those that this thread
computed for; inference time is an evaluation's with the weights as they are stored, over that of
the float model beside it.

recipes.csv gets a row for each stage as soon as a run ends. A run that is there already, of the
same model and with the same recipe, is not repeated: what was stopped goes on. Trained models and
compressed files are kept in runs/recipes.
"""

import argparse
import math
import os
import platform
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from benchmarks import recipes_report
from benchmarks.recipes_report import CONTROL, FILES
from benchmarks.records import HERE, Row, read, write
from minilm.compression.recipes import Recipe, stage
from minilm.study import default
from minilm.study.language_models import LanguageModelSubject
from minilm.study.methods.cell import TIMED_TOKENS, time_ratio
from minilm.study.results import shown
from minilm.study.settings import Settings, task_settings
from minilm.study.subjects import new_subject
from minilm.text import load_corpus
from minilm.training import evaluate
from minilm.types import Params
from minilm.weights import read_header

TRANSLATION = "translation"
RECIPES: dict[str, tuple[str, ...]] = {
    "Transformer": ("deep-compression", "ternary", "whole"),
    "LSTM": ("deep-compression", "ternary", "whole-lstm"),
    TRANSLATION: ("translation",),
}
KEPT = HERE.parent / "runs" / "recipes"
ASKED = 1000  # sentences to translate
MODEL = "Transformer"  # that translates


def recipe_of(model: str, name: str) -> Recipe:
    """A file's recipe; of the control, further training and nothing else."""
    if name == CONTROL:
        last = recipe_of(model, RECIPES[model][-1])
        return Recipe(stage("tune", steps=sum(s.options.get("steps", 0) for s in last.stages)))
    return Recipe.read(FILES / f"{name}.toml")


def settings_of(model: str) -> Settings:
    """What the float model is built and trained by, and what it is asked."""
    return replace(task_settings(TRANSLATION), asked=ASKED) if model == TRANSLATION else default()


def texts(model: str, name: str) -> tuple[str, str]:
    """How the float model is trained, and the stages: by these two a finished run is known."""
    settings = settings_of(model)
    return (
        plain(recipe_in(settings, model)) + f" {settings.corpus}",
        "; ".join(map(str, recipe_of(model, name).stages)),
    )


def recipe_in(settings: Settings, model: str) -> Any:
    return settings.task_models[MODEL] if model == TRANSLATION else settings.language_models[model]


def plain(recipe: Any) -> str:
    """How a float model is trained, in one line."""
    fields = asdict(recipe)
    fields = {**fields.pop("config"), **fields}
    return " ".join(f"{name}={value}" for name, value in fields.items())


def opened(model: str, seed: int, kept: Path) -> Any:
    """The subject of a study; its float model is trained unless the folder has it."""
    settings = settings_of(model)
    text = "" if model == TRANSLATION else load_corpus(settings.corpus)
    path = kept / f"{model}-{seed}.npz"
    name = MODEL if model == TRANSLATION else model
    subject: Any = new_subject(settings, name, text, path, seed)
    if not (path.exists() and read_header(path)["recipe"] == asdict(recipe_in(settings, model))):
        subject.train()
    return subject


def train(model: str, seed: int, kept: Path) -> str:
    """The float model of a seed, which all its recipes begin with."""
    with threadpool_limits(1):
        opened(model, seed, kept)
    return f"{model}, seed {seed}: trained"


def run(model: str, name: str, seed: int, kept: Path) -> list[Row]:
    """One recipe, with one thread: a row for the start and one for each stage."""
    with threadpool_limits(1):
        bench = Timed(opened(model, seed, kept))
        measured = recipe_of(model, name).run(bench, kept / f"{model}-{name}-{seed}.npz").rows
    of_model, of_recipe = texts(model, name)
    begun, seconds, rows = measured[0], 0.0, []
    for found in measured:
        own = 0.0 if found is begun else found["stage_seconds"]
        seconds += own
        answers = "exact_match" in found
        rows.append({
            "model": model, "recipe": name, "seed": seed, "stage": found["stage"],
            "do": found["do"], "file_bytes": found["file_bytes"], "smaller": found["smaller"],
            "memory_bytes": found["memory_bytes"], "bits_per_weight": found["bits_per_weight"],
            "loss": found["loss"],
            "perplexity_ratio": "" if answers else math.exp(found["loss"] - begun["loss"]),
            "exact_match": found.get("exact_match", ""),
            "structure_exact_match": found.get("structure_exact_match", ""),
            "points_lost": 100 * (begun["exact_match"] - found["exact_match"]) if answers else "",
            "inference_time": found["inference_time"], "seconds": own, "total_seconds": seconds,
            "model_text": of_model, "recipe_text": of_recipe, "cores": os.cpu_count(),
            "python": platform.python_version(), "numpy": version("numpy"),
        })  # fmt: skip
    return [{column: str(shown(value)) for column, value in row.items()} for row in rows]


@dataclass
class Clock:
    """Processor time since it was last started."""

    started: float = field(default_factory=time.process_time)

    def seconds(self) -> float:
        return time.process_time() - self.started

    def start(self) -> None:
        self.started = time.process_time()


@dataclass
class Timed:
    """A bench that also says, where it judges, how long the stage computed and inference takes.

    whole: the bench of the float model; None: this one. Judging itself is not counted.
    """

    bench: Any
    whole: Any = None
    clock: Clock = field(default_factory=Clock)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.bench, name)

    def sized(self, **fields: Any) -> "Timed":
        return Timed(self.bench.sized(**fields), self.whole or self.bench, self.clock)

    def judge(self, params: Params, reference: Params) -> dict[str, Any]:
        seconds, whole = self.clock.seconds(), self.whole or self.bench
        ratio = time_ratio(
            lambda: inference(self.bench, params), lambda: inference(whole, reference)
        )
        judged = self.bench.judge(params, reference)
        self.clock.start()
        return {**judged, "stage_seconds": seconds, "inference_time": ratio}


def inference(bench: Any, params: Params) -> None:
    """What is timed: a text read, or every right answer, with the weights as they are stored."""
    if isinstance(bench, LanguageModelSubject):
        evaluate(bench.model, params, bench.tokens.validation, limit=TIMED_TOKENS)
    else:
        bench.loss(params)


def jobs(models: Sequence[str], seeds: int) -> list[tuple[str, str, int]]:
    """(model, recipe, seed) of all that is asked for."""
    return [
        (model, name, seed) for seed in range(seeds) for model in models for name in names(model)
    ]


def names(model: str) -> tuple[str, ...]:
    """The recipes tried on a model, and for a language model the control."""
    return RECIPES[model] + (() if model == TRANSLATION else (CONTROL,))


def current(row: Row) -> bool:
    """Whether a row's run would be the same now: its model's and its recipe's text are."""
    model, name = row["model"], row["recipe"]
    known = model in RECIPES and name in names(model)
    return known and (row["model_text"], row["recipe_text"]) == texts(model, name)


def place(row: Row) -> tuple[int, ...]:
    """Rows by model, recipe, seed, stage."""
    model = row["model"]
    order = list(RECIPES).index(model), names(model).index(row["recipe"])
    return *order, int(row["seed"]), int(row["stage"])


def measure(models: Sequence[str], seeds: int, processes: int, path: Path, kept: Path) -> list[Row]:
    """Train what float models are missing, then run what is left, each in a new process."""
    kept.mkdir(parents=True, exist_ok=True)
    # of a recipe that has changed, the old runs say nothing of the new one
    rows = [row for row in read(path) if current(row)] if path.exists() else []
    done = {(row["model"], row["recipe"], int(row["seed"])) for row in rows}
    left = [job for job in jobs(models, seeds) if job not in done]
    for model, name, _ in left:
        recipe_of(model, name)  # a file that cannot be read is told before any time is spent
    floats = dict.fromkeys((model, seed) for model, _, seed in left)
    with ThreadPoolExecutor(processes) as threads:
        for told in threads.map(lambda which: apart(train, *which, kept), floats):
            print(told, flush=True)
        for future in as_completed([threads.submit(apart, run, *job, kept) for job in left]):
            rows = sorted([*rows, *future.result()], key=place)
            write(path, rows)
            print(recipes_report.line(future.result()), flush=True)
    return rows


def apart(function: Callable[..., Any], *arguments: Any) -> Any:
    """A call in a process of its own: the memory that one leaves kept changes the next."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(function, *arguments).result()


def main(arguments: list[str]) -> None:
    """Measure, draw the figure, write the tables."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks recipes", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    there = f"any of {', '.join(RECIPES)}"
    parser.add_argument("models", nargs="*", metavar="model", help=there)
    parser.add_argument("--seeds", type=int, default=3, help="runs of each")
    parser.add_argument("--processes", type=int, default=2, help="runs at a time, a core each")
    parser.add_argument("--draw", action="store_true", help="tables and figure from recipes.csv")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.models if name not in RECIPES]:
        parser.error(f"there is no {', '.join(unknown)}; give {there}")
    if not options.draw:
        os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before a new process makes more
        measure(options.models or list(RECIPES), options.seeds, options.processes,
                recipes_report.RESULTS, KEPT)  # fmt: skip
    recipes_report.save()
    print("\n" + recipes_report.section(), end="")
