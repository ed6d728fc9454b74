"""One notebook, run and judged in a process of its own: what grading.py starts for each hand-in.

    python -m minilm.course.worker NOTEBOOK.ipynb NAME RESULTS SEED [only-answers]

The code cells run in order in IPython's shell, without a Jupyter kernel; a cell that raises does
not stop those below it, and `check` does nothing (the exercises are asked afterwards, once, on
other data). Each verdict is one line of JSON in RESULTS, written as soon as it is known: what the
notebook prints goes elsewhere, and what has been judged stays when the process dies later. A line
whose exercise is null says why nothing could be judged.

The code has all rights of the person who starts it. See grading.py.
"""

import ast
import contextlib
import json
import os
import re
import signal
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, TextIO

from minilm.course.check import Exercise, verdict
from minilm.course.exercises import NOTEBOOKS

SECONDS_PER_EXERCISE = 30  # a check takes a fraction of a second
DEFINITIONS = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
LOOKED_UP = (ast.Name, ast.Call, ast.Attribute)
MEMORY = 4 * 2**30  # bytes; beyond, the notebook has a MemoryError and the machine goes on


class TooSlow(BaseException):
    """Not an Exception: neither a learner's `except` nor `verdict` takes it for an answer."""


def code_cells(notebook: Path) -> list[str]:
    """The sources of a notebook's code cells. ValueError if the file is no such thing."""
    content = json.loads(notebook.read_text(encoding="utf-8"))
    try:
        return ["".join(c["source"]) for c in content["cells"] if c["cell_type"] == "code"]
    except (KeyError, TypeError) as error:
        raise ValueError("it has no cells: is it a notebook of nbformat 4?") from error


def definitions(cell: str) -> str:
    """Of plain Python: its imports, functions, classes, and constants that name nothing else."""

    def kept(node: ast.stmt) -> bool:
        if isinstance(node, ast.Assign):
            return not any(isinstance(part, LOOKED_UP) for part in ast.walk(node.value))
        return isinstance(node, DEFINITIONS)

    try:
        return ast.unparse(ast.Module([node for node in ast.parse(cell).body if kept(node)], []))
    except SyntaxError:
        return cell  # to be told when it is run


def run(cells: Sequence[str], only_answers: bool) -> tuple[dict[str, Any], dict[int, str]]:
    """Run the cells: the names they leave, and what the cells that failed raised, by number."""
    shell = import_module("IPython.core.interactiveshell").InteractiveShell.instance()
    shell.enable_gui = lambda gui=None: None  # %matplotlib asks for it; there is no window
    import_module("minilm.course").check = lambda name, answer: False  # type: ignore[attr-defined]
    failed = {}
    for number, cell in enumerate(cells, start=1):
        if only_answers:
            cell = definitions(shell.transform_cell(cell))
        result = shell.run_cell(cell, silent=True, store_history=False)
        error = result.error_before_exec or result.error_in_exec
        if error is not None:
            failed[number] = f"cell {number} raised {type(error).__name__}: {error}"
    return shell.user_ns, failed


@contextlib.contextmanager
def at_most(seconds: int) -> Iterator[None]:
    """Raise TooSlow in the block after so many seconds, where the system has an alarm."""

    def ring(*_: object) -> None:
        raise TooSlow

    if hasattr(signal, "SIGALRM"):
        signal.signal(signal.SIGALRM, ring)
        signal.alarm(seconds)
    try:
        yield
    finally:
        if hasattr(signal, "SIGALRM"):
            signal.alarm(0)


def judged(exercise: Exercise, answer: object, seed: int) -> tuple[str, str]:
    """(state, hint) of one answer; "error" where it tried to end the process."""
    try:
        with at_most(SECONDS_PER_EXERCISE):
            given = verdict(exercise, answer, seed)
        return given.state, given.hint
    except TooSlow:
        return "timeout", f"its check was stopped after {SECONDS_PER_EXERCISE} s"
    except BaseException as error:  # SystemExit, KeyboardInterrupt
        return "error", f"it raised {type(error).__name__}: {error}"


def judge(notebook: Path, name: str, seed: int, results: TextIO, only_answers: bool) -> None:
    """Run a notebook and write a line for each exercise: its name, state and hint."""
    cells = code_cells(notebook)
    names, failed = run(cells, only_answers)
    for exercise in NOTEBOOKS[name]:
        defines = re.compile(rf"\bdef {re.escape(exercise.name)}\b")
        if exercise.name in names:
            state, hint = judged(exercise, names[exercise.name], seed)
            if state == "wrong" and "it raised" in hint and failed:
                hint += f" (before that, {next(iter(failed.values()))})"
        elif broken := [why for n, why in failed.items() if defines.search(cells[n - 1])]:
            state, hint = "error", broken[0]
        else:
            state, hint = "blank", "the notebook has no function of this name"
        results.write(json.dumps([exercise.name, state, hint]) + "\n")
        results.flush()


def limit_memory() -> None:
    """Where the system can: otherwise one notebook could take all of the machine's memory."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        resource = import_module("resource")
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def main() -> None:
    notebook, name, path, seed, *only = sys.argv[1:]
    sys.argv[1:] = []  # the notebook's code sees none of it
    with open(path, "a", encoding="utf-8") as results:
        limit_memory()
        try:
            judge(Path(notebook), name, int(seed), results, only_answers=bool(only))
        except Exception as error:  # no notebook, or one that takes the grader down with it
            why = f"it can't be judged: {type(error).__name__}: {error}"
            results.write(json.dumps([None, "error", why]) + "\n")
    os._exit(0)  # waits for no thread that the notebook has left behind


if __name__ == "__main__":
    main()
