"""The main job: train three models, compress each in every basic way, and show what a bit costs."""

import json
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from minilm.study import results
from minilm.study.baselines import exact_entropy, ngram_rows
from minilm.study.cells import plan
from minilm.study.plots import draw_figures
from minilm.study.report import write_report
from minilm.study.settings import Settings
from minilm.study.sweep import sweep
from minilm.text import load_corpus


def run_study(
    settings: Settings, folder: Path, *, workers: int | None = None, progress: bool = True
) -> list[results.Row]:
    """Run or continue a study in `folder`; write its table, figures and report; return its rows.

    workers: processes; by default one for each core that this process may use.
    Raises ValueError if the folder holds a study with other settings.
    """
    open_folder(settings, folder)
    context = multiprocessing.get_context("spawn")  # a fork would inherit BLAS threads in any state
    with ProcessPoolExecutor(workers or available_cores(), mp_context=context) as executor:
        rows = sweep(settings, folder, plan(settings), executor, progress=progress)
    text = (folder / "corpus.txt").read_text(encoding="utf-8")
    entropy = exact_entropy(settings.corpus)
    rows = results.complete(ngram_rows(text, settings.ngram_order) + rows, entropy)
    results.write(rows, folder / "results.csv")
    figures = draw_figures(rows, folder, entropy)
    write_report(rows, figures, settings, entropy, folder / "report.html")
    return rows


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
        return
    text = load_corpus(settings.corpus)
    (folder / "models").mkdir(parents=True, exist_ok=True)
    (folder / "corpus.txt").write_text(text, encoding="utf-8")
    written.write_text(wanted, encoding="utf-8")  # last: its presence says that the rest is there


def available_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
