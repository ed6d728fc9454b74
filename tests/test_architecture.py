"""The house stands as drawn: imports run one way, pages stay short, loading never unpickles."""

import ast
import sys
from functools import cache
from graphlib import TopologicalSorter
from importlib.metadata import requires
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[1] / "minilm"
FILES = sorted(HOUSE.rglob("*.py"))

# From the top floor down: a part imports from its own floor or from a lower one.
FLOORS = [
    {"__init__", "__main__", "cli"},
    {"study", "course"},
    {"compression", "pretrained", "inspection"},
    {"training", "generation", "embeddings"},
    {"models"},
    {"nn", "weights", "text", "metrics"},
    {"types"},
]
FLOOR_OF = {part: number for number, floor in enumerate(FLOORS) for part in floor}
# A model need not know how its weights are stored: that is the first of the four ideas.
NEVER = {"nn": {"weights"}, "models": {"weights"}, "weights": {"nn"}}
NUMPY_ALONE = {"nn", "weights", "models", "metrics", "types"}
UNPICKLING = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
LONGEST_FILE, LONGEST_FUNCTION = 320, 70


@cache
def tree(file):
    return ast.parse(file.read_text(encoding="utf-8"), filename=str(file))


def part_of(file):
    """minilm/nn/linear.py -> nn, minilm/metrics.py -> metrics."""
    return file.relative_to(HOUSE).with_suffix("").parts[0]


@cache
def imported(file):
    """Full names of all that a file imports, inside functions too: `from a import b` -> a.b."""
    package = ["minilm", *file.relative_to(HOUSE).parts[:-1]]
    names = set()
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            origin = package[: len(package) + 1 - node.level] if node.level else []
            origin += node.module.split(".") if node.module else []
            names |= {".".join([*origin, alias.name]) for alias in node.names}
    return names


@cache
def parts_imported(file):
    """Parts of minilm that a file imports; `from minilm import fit` asks the roof, __init__."""
    inside = [name.split(".")[1:2] for name in imported(file) if name.split(".")[0] == "minilm"]
    return {part[0] if part and part[0] in FLOOR_OF else "__init__" for part in inside}


@cache
def declared_libraries():
    declared = {line.split(";")[0] for line in requires("minilm") if "extra ==" not in line}
    return {"".join(c if c.isalnum() else " " for c in line).split()[0] for line in declared}


def named(file):
    return str(file.relative_to(HOUSE))


def test_every_part_has_a_floor():
    assert {part_of(file) for file in FILES} <= set(FLOOR_OF)


@pytest.mark.parametrize("file", FILES, ids=named)
def test_imports_run_downwards(file):
    part = part_of(file)
    upwards = {other for other in parts_imported(file) if FLOOR_OF[other] < FLOOR_OF[part]}
    assert not upwards
    assert not parts_imported(file) & NEVER.get(part, set())


@pytest.mark.parametrize("file", FILES, ids=named)
def test_formulas_that_are_wrong_on_purpose_are_imported_by_nothing(file):
    if file.parent != HOUSE / "course" / "published":
        assert not any(name.startswith("minilm.course.published") for name in imported(file))


def test_no_two_parts_import_each_other():
    below = {}
    for file in FILES:
        others = parts_imported(file) - {part_of(file), "__init__"}
        below.setdefault(part_of(file), set()).update(others)
    list(TopologicalSorter(below).static_order())  # raises CycleError


@pytest.mark.parametrize("file", FILES, ids=named)
def test_no_library_but_those_declared(file):
    allowed = declared_libraries()
    if part_of(file) in NUMPY_ALONE:
        allowed = {"numpy"}
    outside = {name.split(".")[0] for name in imported(file)}
    assert outside <= allowed | {"minilm"} | sys.stdlib_module_names


@pytest.mark.parametrize("file", FILES, ids=named)
def test_a_file_is_a_page_and_a_function_a_paragraph(file):
    lines = file.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= LONGEST_FILE
    assert lines == [] or ast.get_docstring(tree(file)), "says what its one idea is"
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.FunctionDef):
            length = node.end_lineno - node.lineno + 1
            assert length <= LONGEST_FUNCTION, f"{node.name}: {length} lines"


@pytest.mark.parametrize("file", FILES, ids=named)
def test_nothing_unpickles(file):
    assert not {name.split(".")[0] for name in imported(file)} & UNPICKLING
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            assert isinstance(node.value, ast.Constant) and node.value.value is False
