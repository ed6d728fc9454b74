"""The main job: train models, compress each in every basic way, and show what a bit costs."""

import json
import multiprocessing
import os
import threading
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from minilm.study import results
from minilm.study.baselines import exact_entropy, ngram_rows
from minilm.study.cells import plan
from minilm.study.measures import measure_of
from minilm.study.methods.page import write_methods
from minilm.study.plots import draw_figures
from minilm.study.report import write_report
from minilm.study.settings import LANGUAGE, Settings
from minilm.study.subjects import new_subject
from minilm.study.sweep import sweep
from minilm.study.task_data import TaskData
from minilm.text import load_corpus


def run_study(
    settings: Settings, folder: Path, *, workers: int | None = None, progress: bool = True
) -> list[results.Row]:
    """Run or continue a study in `folder`; write its table, figures and report; return its rows.

    workers: processes; by default one for each core that this process may use.
    Raises ValueError for fewer than one worker, a corpus too short for one of the models, or a
    folder that holds a study with other settings or of another text.
    """
    if workers is not None and workers < 1:
        raise ValueError(f"workers must be at least 1, got {workers}")
    open_folder(settings, folder)
    context = multiprocessing.get_context("spawn")  # a fork would inherit BLAS threads in any state
    with ProcessPoolExecutor(
        workers or available_cores(), mp_context=context, initializer=end_with_parent
    ) as executor:
        rows = sweep(settings, folder, plan(settings), executor, progress=progress)
    if settings.methods:
        return write_methods(rows, settings, folder)
    measure = measure_of(settings)
    if settings.task != LANGUAGE:
        rows = results.complete(rows, None, measure.column)
        columns = results.task_columns(rows)
    else:
        text = (folder / "corpus.txt").read_text(encoding="utf-8")
        # counted characters beside a model's larger pieces: other units, so they are left out
        by_character = settings.tokenizer in (None, "char")
        counted = ngram_rows(text, settings.ngram_order) if by_character else []
        entropy = exact_entropy(settings.corpus) if by_character else None
        rows = results.complete(counted + rows, entropy)
        columns = results.COLUMNS
    results.write(rows, folder / "results.csv", columns)
    figures = draw_figures(rows, folder, measure)
    write_report(rows, figures, settings, measure, columns, folder / "report.html")
    return rows


def study_text(settings: Settings) -> str:
    """What is kept of the data beside the results: the corpus; of a task, all that is asked."""
    if settings.task == LANGUAGE:
        return load_corpus(settings.corpus)
    recipe = next(iter(settings.task_models.values()))
    data = TaskData(settings.task, settings.corpus, recipe.examples, settings.asked, seed=0)
    return "".join(f"{e.source}\t{e.target}\n" for e in [*data.test, *data.structure])


def open_folder(settings: Settings, folder: Path) -> None:
    """Create the folder with its settings and corpus, or check that it belongs to this study."""
    written = folder / "settings.json"
    wanted = json.dumps(settings.as_json(), indent=2, ensure_ascii=False)
    if written.exists():
        if written.read_text(encoding="utf-8") != wanted:
            raise ValueError(
                f"folder {str(folder)!r} holds a study with other settings ({written.name} says "
                "which); choose another --name, or delete that folder to start anew"
            )
        check_same_text(settings, folder)
        return
    text = study_text(settings)
    for model in settings.models:
        new_subject(settings, model, text, folder / "models" / model, seed=0).check()
    (folder / "models").mkdir(parents=True, exist_ok=True)
    (folder / "corpus.txt").write_text(text, encoding="utf-8")
    written.write_text(wanted, encoding="utf-8")  # last: its presence says that the rest is there


def check_same_text(settings: Settings, folder: Path) -> None:
    """Refuse to go on when the corpus has changed; one that is gone is read from the folder."""
    try:
        text = study_text(settings)
    except FileNotFoundError:
        return
    if (folder / "corpus.txt").read_text(encoding="utf-8") != text:
        raise ValueError(
            f"folder {str(folder)!r} holds a study of {settings.corpus!r} as it was then, and its "
            "text has changed; choose another --name, or delete that folder to start anew"
        )


def end_with_parent() -> None:
    """In a worker: end at once when the process that started it has been killed."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def available_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
