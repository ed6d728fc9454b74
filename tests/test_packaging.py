"""The set-up: what is declared is installed, and what is missing is named in one line."""

import os
import shutil
import subprocess
import sys
from importlib.metadata import metadata, version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NEEDS_MAKE = pytest.mark.skipif(not shutil.which("make"), reason="set up by pip, without make")


def test_the_changelog_opens_with_the_installed_version():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = next(line for line in text.splitlines() if line.startswith("## "))
    assert newest == f"## {version('minilm')}"
    assert metadata("minilm")["Requires-Python"] == ">=3.10"


def make_test(folder, python, **environment):
    """Run `make test` in a folder that has no .venv, with a given Python."""
    for name in ("Makefile", "pyproject.toml", "requirements.txt"):
        shutil.copy(ROOT / name, folder)
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    run = subprocess.run(
        ["make", "test", f"PYTHON={python}"],
        cwd=folder,
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode != 0
    assert not (folder / ".venv").exists()
    return run.stdout.strip().splitlines()


@NEEDS_MAKE
def test_a_missing_venv_module_is_named_in_one_line(tmp_path):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "ensurepip.py").write_text("raise ImportError('left out by Debian')")
    lines = make_test(tmp_path, sys.executable, PYTHONPATH=str(tmp_path / "broken"))
    assert len(lines) == 1
    assert "sudo apt install python3-venv" in lines[0]


@NEEDS_MAKE
def test_a_missing_python_is_named_in_one_line(tmp_path):
    lines = make_test(tmp_path, "no-such-python")
    assert len(lines) == 1
    assert "no-such-python" in lines[0] and "PYTHON=" in lines[0]


@NEEDS_MAKE
def test_an_old_python_is_refused_in_one_line(tmp_path):
    old = tmp_path / "old-python"
    old.write_text("#!/bin/sh\nexit 1\n")  # answers no to "are you 3.10 or newer?"
    old.chmod(0o755)
    lines = make_test(tmp_path, str(old))
    assert len(lines) == 1
    assert "Python 3.10 or newer" in lines[0]
