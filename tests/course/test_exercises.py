"""Every exercise of every notebook: its solution is right, its blank is blank, on any data."""

import ast
import importlib.util
from functools import cache
from pathlib import Path

import pytest

from minilm.course import verdict
from minilm.course.exercises import EXERCISES, NOTEBOOKS

ROOT = Path(__file__).parents[2]
spec = importlib.util.spec_from_file_location("notebooks_build", ROOT / "notebooks" / "build.py")
build = importlib.util.module_from_spec(spec)
spec.loader.exec_module(build)


def is_literal(node):
    try:
        ast.literal_eval(node.value)
    except ValueError:
        return False
    return True


@cache
def names(notebook, edition):
    """What a notebook defines without being run: imports, functions, classes, literal constants."""
    written = build.notebook_from(ROOT / "notebooks" / "source" / f"{notebook}.py")
    found = {}
    for cell in getattr(build, edition)(written).cells:
        if cell.cell_type == "code":
            for node in ast.parse(cell.source).body:
                defines = isinstance(
                    node, (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)
                )
                if defines or (isinstance(node, ast.Assign) and is_literal(node)):
                    exec(compile(ast.Module([node], []), notebook, "exec"), found)
    return found


@pytest.mark.parametrize("name", EXERCISES)
def test_the_solution_is_right_and_the_blank_is_not(name):
    (notebook,) = [n for n, page in NOTEBOOKS.items() if name in [e.name for e in page]]
    for seed in (0, 1, 2):
        given = verdict(EXERCISES[name], names(notebook, "solved")[name], seed)
        assert given.state == "right", given.hint
    assert verdict(EXERCISES[name], names(notebook, "blanked")[name]).state == "blank"


@pytest.mark.slow
@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_solutions_are_right_on_many_data(notebook):
    """A hint for a mistake must not meet a right answer that by chance looks like it."""
    for exercise in NOTEBOOKS[notebook]:
        for seed in range(3, 40):
            given = verdict(exercise, names(notebook, "solved")[exercise.name], seed)
            assert given, f"{exercise.name}, seed {seed}: {given.hint}"


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_every_notebook_has_exercises_and_asks_for_each_once(notebook):
    source = (ROOT / "notebooks" / "source" / f"{notebook}.py").read_text(encoding="utf-8")
    page = NOTEBOOKS[notebook]
    assert len(page) >= 2
    for exercise in page:
        assert source.count(f'check("{exercise.name}", {exercise.name})') == 1
    assert source.count("### BEGIN SOLUTION") == len(page) == source.count("check(\"")


def test_names_and_points():
    assert len(EXERCISES) == sum(map(len, NOTEBOOKS.values())), "no two exercises of one name"
    for exercise in EXERCISES.values():
        assert exercise.points >= 1 and exercise.task[0].isupper() and exercise.task.endswith(".")
