"""Grade a class's notebooks: each runs in a process of its own, and the batch goes on.

    for graded in grade("hand-ins"):
        print(graded.file, graded.points, "of", graded.of)

A notebook that hangs, crashes, ends its process, or is no notebook at all scores 0 where it was
not judged, with the reason, and the next one is run. Which notebook of the course a file is says
its metadata, else a name that begins with the notebook's or with its number: 07-anna.ipynb.

This guards against mistakes, not against deceit. A hand-in's code runs with all rights of the
person who grades: it can read and delete files, use the network, start processes that outlive it,
and write itself a verdict. Grade in a container or as a user of its own whatever you would not run
yourself.
"""

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from minilm.course.exercises import NOTEBOOKS
from minilm.weights import check_target, replacing

ROOT = Path(__file__).parents[2]
COLUMNS = ("file", "notebook", "exercise", "state", "points", "of", "hint")
LONGEST_HINT = 400
FORMULA = tuple("=+-@＝＋－＠")  # what a spreadsheet would take for one
TOLD = {9: "was killed: was there enough memory?", 11: "crashed: a segmentation fault"}  # signals
Judged = dict[str | None, tuple[str, str]]  # exercise -> (state, hint); None: of all others
Running = set[subprocess.Popen[bytes]]


@dataclass(frozen=True)
class Mark:
    """One exercise of one file. state: right, wrong, blank, timeout or error; hint: why."""

    exercise: str
    state: str
    points: int
    of: int
    hint: str


@dataclass(frozen=True)
class Graded:
    """One file: `notebook` is the name of the course's notebook, None if it was not recognised."""

    file: str
    notebook: str | None
    marks: tuple[Mark, ...]

    @property
    def points(self) -> int:
        return sum(mark.points for mark in self.marks)

    @property
    def of(self) -> int:
        return sum(mark.of for mark in self.marks)


def grade(
    folder: str | os.PathLike[str],
    *,
    timeout: float = 300,
    seed: int = 1,
    jobs: int = 1,
    only_answers: bool = False,
) -> Iterator[Graded]:
    """Run every .ipynb in the folder and below it, in the order of their names, `jobs` at a time.

    timeout: seconds a notebook may take. seed: of the data that the answers are tried on; a
    learner's own check draws those of seed 0. only_answers: run no more of a notebook than its
    imports, functions, classes and plain constants, which takes seconds instead of minutes; an
    answer that needs what another cell computes is then wrong. Hidden folders are left out
    (.ipynb_checkpoints).

    FileNotFoundError if there is no notebook, ModuleNotFoundError where IPython is missing.
    """
    folder = Path(folder)
    found = [path for path in folder.rglob("*.ipynb") if path.is_file()]
    files = sorted(path for path in found if not hidden(path.relative_to(folder)))
    if not files:
        raise FileNotFoundError(f"folder: there is no .ipynb in {str(folder)!r}")
    if find_spec("IPython") is None:
        raise ModuleNotFoundError("notebooks need IPython: pip install -r requirements.txt")
    running: Running = set()
    options = [str(seed), *["only-answers"] * only_answers]
    work = partial(graded, folder=folder, timeout=timeout, options=options, running=running)
    pool = ThreadPoolExecutor(jobs)
    try:
        yield from pool.map(work, files)
    finally:  # interrupted, perhaps: what has not begun does not, what runs is ended
        pool.shutdown(wait=False, cancel_futures=True)
        for process in list(running):
            end(process)


def hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def graded(
    path: Path, folder: Path, timeout: float, options: list[str], running: Running
) -> Graded:
    """One file, run and judged."""
    file = path.relative_to(folder).as_posix()
    name = notebook_name(path)
    if name is None:
        return Graded(file, None, ())
    try:
        judged, (state, reason) = run(path, name, timeout, options, running)
    except OSError as error:  # no process could be started, or the notebook deleted its results
        judged, state, reason = {}, "error", f"it can't be judged: {error}"
    marks = []
    for exercise in NOTEBOOKS[name]:
        its_state, hint = judged.get(exercise.name, (state, reason))
        points = exercise.points if its_state == "right" else 0
        marks.append(Mark(exercise.name, its_state, points, exercise.points, plain(hint)))
    return Graded(file, name, tuple(marks))


def notebook_name(path: Path) -> str | None:
    """Which of the course's notebooks it is: its metadata say, else its name; None if neither."""
    try:
        name = json.loads(path.read_text(encoding="utf-8"))["metadata"]["minilm"]["notebook"]
        if name in NOTEBOOKS:
            return str(name)
    except (ValueError, KeyError, TypeError, RecursionError, OSError):
        pass  # damaged, or without metadata: its name may tell
    digits = re.match(r"(\d\d)(?!\d)", path.name)
    return next((name for name in NOTEBOOKS if digits and name.startswith(digits[1])), None)


def run(
    path: Path, name: str, timeout: float, options: list[str], running: Running
) -> tuple[Judged, tuple[str, str]]:
    """({exercise: (state, hint)}, (state, hint) of those not judged), from a process of its own.

    It works in an empty folder that is thrown away, and leads a session, so that what it starts is
    ended with it.
    """
    with TemporaryDirectory(prefix="minilm-", ignore_cleanup_errors=True) as scratch:
        results, desk = Path(scratch, "results"), Path(scratch, "desk")
        results.touch()
        desk.mkdir()
        for shelf in ("benchmarks", "docs"):  # the saved rows that notebooks draw from
            if (ROOT / shelf).is_dir():
                (desk / shelf).symlink_to(ROOT / shelf)
        words = ["-m", "minilm.course.worker", str(path.resolve()), name, str(results), *options]
        process = subprocess.Popen(
            [sys.executable, *words], cwd=desk, env=environment(scratch), start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        running.add(process)
        try:
            process.wait(timeout)
            otherwise = "error", ending(process.returncode)
        except subprocess.TimeoutExpired:
            otherwise = "timeout", f"stopped after {timeout:g} s"
        finally:
            end(process)
            running.discard(process)
        lines = results.read_text(encoding="utf-8", errors="replace").splitlines()
    judged = dict(read(lines))
    return judged, judged.get(None, otherwise)


def environment(scratch: str) -> dict[str, str]:
    """The worker's: no window, one thread, minilm wherever it is run from, nothing of a build."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("MINILM_")}
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return ours | {
        "PYTHONPATH": os.pathsep.join(paths), "IPYTHONDIR": scratch, "MPLBACKEND": "Agg",
        "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1",
    }  # fmt: skip


def ending(status: int) -> str:
    """Why a process ended before all was judged; below 0 the status is a signal's number."""
    if status < 0:
        return f"its process {TOLD.get(-status, f'was ended by signal {-status}')}"
    return f"it ended its own process, with status {status}"


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process and all others of its session."""
    try:
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    except ProcessLookupError:
        pass  # it has ended by itself, and left none behind
    process.wait()


def read(lines: Iterable[str]) -> Iterator[tuple[str | None, tuple[str, str]]]:
    """(exercise, (state, hint)) of each whole line."""
    for line in lines:
        try:
            exercise, state, hint = json.loads(line)
        except (ValueError, TypeError):
            continue  # the process died while it wrote
        if all(isinstance(part, str) for part in (exercise or "", state, hint)):
            yield exercise, (state, hint)


def plain(text: str) -> str:
    """One line of printable characters, not longer than a cell can show."""
    line = "".join(c if c.isprintable() else " " for c in text)
    line = " ".join(line.split())
    return line if len(line) <= LONGEST_HINT else line[: LONGEST_HINT - 1] + "…"


def save_csv(path: str | os.PathLike[str], files: Iterable[Graded]) -> None:
    """A row for each exercise of each file; a file that was not recognised has one that says so.

    The file is whole or not there. A text that a spreadsheet would take for a formula is given an
    apostrophe in front. Raises as `check_target` where it can't be written.
    """
    check_target(path)
    written = io.StringIO()
    rows = csv.writer(written)
    rows.writerow(COLUMNS)
    for one in files:
        for m in one.marks:
            row = one.file, one.notebook or "", m.exercise, m.state, m.points, m.of, m.hint
            rows.writerow([harmless(cell) for cell in row])
        if one.notebook is None:
            rows.writerow([harmless(one.file), "", "", "not recognised", 0, 0, ""])
    with replacing(path) as file:
        file.write(written.getvalue().encode("utf-8", errors="backslashreplace"))


def harmless(cell: str | int) -> str | int:
    """A text that no spreadsheet takes for a formula, on one line."""
    if isinstance(cell, str):
        cell = plain(cell)
        return f"'{cell}" if cell.startswith(FORMULA) else cell
    return cell
