"""grade, as a teacher types it."""

import csv
import json
import shlex
import signal
import subprocess
import sys
import time

import pytest

from minilm import cli
from minilm.cli import grading
from minilm.course.grading import Graded, Mark

GRADED = [
    Graded("anna.ipynb", "00_a", (Mark("first", "right", 1, 1, ""),)),
    Graded("bo.ipynb", "00_a", (Mark("first", "wrong", 0, 1, "=1"),)),
    Graded("shopping.ipynb", None, ()),
]


def test_marks_are_printed_and_saved(tmp_path, monkeypatch, capsys):
    asked = {}

    def grade(folder, **options):
        asked.update(options, folder=folder)
        yield from GRADED

    monkeypatch.setattr(grading, "grade", grade)
    out = tmp_path / "marks.csv"
    line = f"grade class --csv {out} --timeout 2.5 --seed 3 --jobs 4 --only-answers"
    assert cli.main(shlex.split(line)) == 0
    assert asked == {
        "folder": "class", "timeout": 2.5, "seed": 3, "jobs": 4, "only_answers": True,
    }  # fmt: skip
    printed = capsys.readouterr().out
    assert "anna.ipynb (00_a): 1 of 1 points\nbo.ipynb (00_a): 0 of 1 points" in printed
    assert "first: wrong: =1" in printed
    assert "Not recognised as a notebook of the course: shopping.ipynb." in printed
    rows = list(csv.DictReader(out.read_text(encoding="utf-8").splitlines()))
    assert [row["state"] for row in rows] == ["right", "wrong", "not recognised"]


def test_where_to_write_is_asked_before_anything_is_run(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(grading, "grade", None)
    assert cli.main(["grade", "class", "--csv", str(tmp_path / "no" / "marks.csv")]) == 1
    assert "no folder" in capsys.readouterr().err


def test_an_empty_folder_is_an_error(tmp_path, capsys):
    assert cli.main(["grade", str(tmp_path), "--csv", str(tmp_path / "marks.csv")]) == 1
    assert "there is no .ipynb in" in capsys.readouterr().err
    assert not (tmp_path / "marks.csv").exists()


@pytest.mark.parametrize("option", ["--timeout 0", "--timeout nan", "--jobs 0", "--seed -1"])
def test_numbers_out_of_range_are_a_bad_command_line(option, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(shlex.split(f"grade class --csv x.csv {option}"))
    assert stop.value.code == 2
    assert "must be" in capsys.readouterr().err


def test_help_shows_an_example_that_parses(capsys):
    with pytest.raises(SystemExit):
        cli.main(["grade", "--help"])
    (example,) = grading.EXAMPLE.values()
    assert example in capsys.readouterr().out
    assert cli.parser().parse_args(shlex.split(example)[3:]).command == "grade"


@pytest.mark.slow
def test_an_interrupted_batch_ends_what_it_runs(tmp_path):
    """The files that wait are never begun, what runs is ended, and no csv is written."""
    beat, began = tmp_path / "beat", tmp_path / "began-{}"
    for number in (0, 1):
        source = f"open({str(began).format(number)!r}, 'w').close()\nimport time\n"
        source += f"while True:\n    open({str(beat)!r}, 'a').write('.')\n    time.sleep(0.1)"
        content = json.dumps({"cells": [{"cell_type": "code", "source": source}]})
        (tmp_path / f"07-{number}.ipynb").write_text(content, encoding="utf-8")
    out = tmp_path / "marks.csv"
    # A shell's background job ignores Ctrl-C, and so would its children: not this one.
    heeded = signal.signal(signal.SIGINT, signal.default_int_handler)
    batch = subprocess.Popen(
        [sys.executable, "-m", "minilm", "grade", str(tmp_path), "--csv", str(out)],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    signal.signal(signal.SIGINT, heeded)
    try:
        while not beat.exists():
            assert batch.poll() is None
            time.sleep(0.1)
        batch.send_signal(signal.SIGINT)
        _, said = batch.communicate(timeout=30)
    finally:
        batch.kill()
    assert batch.returncode == 130 and "interrupted" in said
    beats = beat.stat().st_size
    time.sleep(1)
    assert beat.stat().st_size == beats
    assert not out.exists() and not (tmp_path / "began-1").exists()
