"""Small hand-ins that go wrong in every way: each is marked, and the batch goes on."""

import csv
import json
import time

import pytest

from minilm.course import grading, worker
from minilm.course.exercises import EXERCISES, NOTEBOOKS
from minilm.course.grading import Graded, Mark, grade, harmless, notebook_name, save_csv

NAME = "07_error_against_bit_width"
NAMES = [exercise.name for exercise in NOTEBOOKS[NAME]]
RIGHT = "def bits_with_scales(bits, group_size):\n    return bits + 16 / group_size\n"


def notebook(path, *cells, name=NAME):
    content = {
        "cells": [{"cell_type": "markdown", "metadata": {}, "source": "Words."}]
        + [{"cell_type": "code", "metadata": {}, "outputs": [], "source": c} for c in cells],
        "metadata": {"minilm": {"notebook": name}} if name else {}, "nbformat": 4,
        "nbformat_minor": 5,
    }  # fmt: skip
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def test_a_class(tmp_path):
    """One batch, two at a time: a good one after many troubles, and four that are not."""
    notebook(
        tmp_path / "Åsa" / "it goes on.ipynb",
        ["import numpy as np\n", "%matplotlib inline\n", "from minilm.course import check"],
        "1 / 0",
        "import sys\nsys.exit(3)",
        "input('name?')",
        "for _ in range(20_000):\n    print('x' * 100)",
        "too_much = np.empty(6 * 2**30, np.uint8)",
        "import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()",
        "from minilm.course import saved_rows\nrows = saved_rows('benchmarks/results.csv')",
        "import matplotlib.pyplot as plt\nfrom minilm.course import show\nshow(plt.figure())",
        "import asyncio\nawait asyncio.sleep(0)",
        "import os\nhere = os.listdir()",
        "assert set(here) <= {'benchmarks', 'docs'} and rows and 'too_much' not in globals()\n"
        "sixteen = 16",
        RIGHT.replace("16", "sixteen"),
        "asked_twice = check('bits_with_scales', bits_with_scales)",
        "def pack_codes(codes, bits):\n    assert not asked_twice",
    )
    notebook(tmp_path / "deletes.ipynb", "import shutil\nshutil.rmtree('..', ignore_errors=True)")
    notebook(
        tmp_path / "Bo" / "07.ipynb",
        "import no_such_module as np\n",
        "def bits_with_scales(bits, group_size):\n    return np.add(bits, 1)",
        "def pack_codes(codes, bits):\n    raise SystemExit(1)",
        "def affine_quantize(x, bits):\n    return x +",
        name=None,
    )
    notebook(tmp_path / "exits.ipynb", RIGHT, "import os\nos._exit(0)")
    notebook(tmp_path / "of another course.ipynb", RIGHT, name=None)
    notebook(tmp_path / ".ipynb_checkpoints" / "07.ipynb", RIGHT)
    (tmp_path / "07-truncated.ipynb").write_text('{"cells": [{"cell_type": "co')

    files = {one.file: one for one in grade(tmp_path, timeout=100, jobs=2)}
    assert list(files) == sorted(files)
    assert files.pop("of another course.ipynb").notebook is None
    told = {
        file: {mark.exercise: (mark.state, mark.hint) for mark in one.marks}
        for file, one in files.items()
    }
    assert all(list(marks) == NAMES for marks in told.values())
    assert all(one.notebook == NAME and one.of == len(NAMES) for one in files.values())
    assert [one.points for one in files.values()] == [0, 0, 0, 0, 1]

    good, poor = told["Åsa/it goes on.ipynb"], told["Bo/07.ipynb"]
    assert good["bits_with_scales"] == ("right", "")
    assert good["pack_codes"][0] == "blank"
    assert good["best_clip"] == ("blank", "the notebook has no function of this name")
    state, hint = poor["bits_with_scales"]
    assert state == "wrong"
    assert "NameError: name 'np' is not defined (before that, cell 1 raised Module" in hint
    assert poor["pack_codes"] == ("error", "it raised SystemExit: 1")
    assert poor["affine_quantize"][0] == "error"
    assert "cell 4 raised SyntaxError" in poor["affine_quantize"][1]
    ended = ("error", "it ended its own process, with status 0")
    assert set(told["exits.ipynb"].values()) == {ended}
    ((state, hint),) = set(told["deletes.ipynb"].values())
    assert state == "error" and "No such file" in hint
    ((state, hint),) = set(told["07-truncated.ipynb"].values())
    assert state == "error" and "can't be judged: JSONDecodeError" in hint


def test_only_answers(tmp_path):
    notebook(
        tmp_path / "07.ipynb",
        "import numpy as np, time\ntime.sleep(3600)\n%matplotlib inline\n!sleep 3600",
        "BITS, SIXTEEN = (3, 4), 2**4\ntable = np.zeros(3)\n" + RIGHT.replace("16", "SIXTEEN"),
        "def pack_codes(codes, bits):\n    return table[codes]",
        "def affine_quantize(x, bits):\n    return x +",
    )
    (one,) = grade(tmp_path, timeout=100, only_answers=True)
    told = {mark.exercise: (mark.state, mark.hint) for mark in one.marks}
    assert told["bits_with_scales"] == ("right", "")
    assert told["pack_codes"][0] == "wrong"
    assert "NameError: name 'table' is not defined" in told["pack_codes"][1]
    assert "cell 4 raised SyntaxError" in told["affine_quantize"][1]
    assert told["best_clip"][0] == "blank"


@pytest.mark.parametrize(
    ("content", "error"),
    [(b'{"cells": [', ValueError), (b"[]", ValueError), (b"\xff\xfe\x00", UnicodeDecodeError),
     (b'{"cells": [{"cell_type": "code", "source": 3}]}', ValueError),
     (b'{"worksheets": []}', ValueError), (b"[" * 200_000, RecursionError)],
)
def test_a_damaged_file_is_no_notebook(tmp_path, content, error):
    path = tmp_path / "07.ipynb"
    path.write_bytes(content)
    with pytest.raises(error):
        worker.code_cells(path)
    assert notebook_name(path) == NAME


@pytest.mark.parametrize(
    ("file", "metadata", "name"),
    [
        ("work.ipynb", NAME, NAME), ("08.ipynb", NAME, NAME), ("07 (1).ipynb", None, NAME),
        ("07_error_against_bit_width-anna.ipynb", None, NAME), ("07-anna.ipynb", "no such", NAME),
        ("07-anna.ipynb", ["a", "list"], NAME), ("anna-07.ipynb", None, None),
        ("0712345.ipynb", None, None), ("99-anna.ipynb", None, None), ("x.ipynb", {"a": 1}, None),
    ],
)  # fmt: skip
def test_which_notebook_it_is(tmp_path, file, metadata, name):
    notebook(tmp_path / file, name=metadata)
    assert notebook_name(tmp_path / file) == name


def test_a_hang_is_stopped_with_all_that_it_started(tmp_path):
    beat = tmp_path / "beat"
    child = f"import time\nwhile True:\n    open({str(beat)!r}, 'a').write('.'); time.sleep(0.05)"
    started = f"import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', {child!r}])\n"
    notebook(tmp_path / "07.ipynb", RIGHT, started + "while True: pass")
    (hangs,) = grade(tmp_path, timeout=5)
    assert {(m.state, m.hint) for m in hangs.marks} == {("timeout", "stopped after 5 s")}
    assert hangs.points == 0
    if beat.exists():  # else the machine was too busy to come so far
        beats = beat.stat().st_size
        time.sleep(0.5)
        assert beat.stat().st_size == beats


def test_an_answer_that_hangs_is_stopped(monkeypatch):
    monkeypatch.setattr(worker, "SECONDS_PER_EXERCISE", 1)

    def endless(bits, group_size):
        while True:
            try:
                time.sleep(60)
            except Exception:
                return bits  # never: it is no Exception that ends it

    state, hint = worker.judged(EXERCISES["bits_with_scales"], endless, seed=1)
    assert (state, hint) == ("timeout", "its check was stopped after 1 s")


@pytest.mark.parametrize(
    ("status", "said"),
    [(0, "with status 0"), (7, "with status 7"), (-9, "enough memory"), (-11, "segmentation fault"),
     (-6, "signal 6")],
)
def test_how_a_process_ended(status, said):
    assert said in grading.ending(status)


def test_what_died_while_it_was_written_is_not_judged():
    lines = ['["a", "right", ""]', '["b", "wrong", "because"]', '["c", "ri', "3", "[1, 2]"]
    lines += ['[["a"], "right", ""]', '["a", "right", {}]']
    assert dict(grading.read(lines)) == {"a": ("right", ""), "b": ("wrong", "because")}


def test_no_folder_no_notebook_no_ipython(tmp_path, monkeypatch):
    for folder in (tmp_path / "missing", tmp_path):
        with pytest.raises(FileNotFoundError, match=r"no \.ipynb in"):
            list(grade(folder))
    notebook(tmp_path / "07.ipynb", RIGHT)
    monkeypatch.setattr(grading, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install -r requirements\.txt"):
        list(grade(tmp_path))


def test_the_csv_has_a_row_an_exercise_and_no_formula(tmp_path):
    path = tmp_path / "marks.csv"
    marks = (
        Mark("a", "right", 2, 2, ""), Mark("b", "wrong", 0, 1, '=HYPERLINK("x","y")'),
        Mark("c", "wrong", 0, 1, "\t-1\r\n, \ud800 x"),
    )  # fmt: skip
    save_csv(path, [Graded("@e.ipynb", NAME, marks), Graded("f, g.ipynb", None, ())])
    with open(path, encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["file", "notebook", "exercise", "state", "points", "of", "hint"]
    assert rows == [
        ["'@e.ipynb", NAME, "a", "right", "2", "2", ""],
        ["'@e.ipynb", NAME, "b", "wrong", "0", "1", "'=HYPERLINK(\"x\",\"y\")"],
        ["'@e.ipynb", NAME, "c", "wrong", "0", "1", "'-1 , x"],
        ["f, g.ipynb", "", "", "not recognised", "0", "0", ""],
    ]
    assert len(harmless("long " * 1000)) == grading.LONGEST_HINT
    assert [harmless(cell) for cell in ("+1", "＝1", " =1", "a=1", -1)] == [
        "'+1", "'＝1", "'=1", "a=1", -1,
    ]  # fmt: skip


def test_a_csv_that_fails_leaves_the_old_one(tmp_path):
    path = tmp_path / "marks.csv"
    path.write_text("old")

    def files():
        yield Graded("a.ipynb", None, ())
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        save_csv(path, files())
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["marks.csv"]
