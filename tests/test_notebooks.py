"""The notebooks say what their sources say and were built without an error; CI runs them."""

import importlib.util
import json
from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
spec = importlib.util.spec_from_file_location("notebooks_build", NOTEBOOKS / "build.py")
build = importlib.util.module_from_spec(spec)
spec.loader.exec_module(build)
LESSON = """\
# %% [markdown]
# # A lesson

# %%
half = 0.5
half


# %%
def double(x):
    \"\"\"Twice x.\"\"\"
    ### BEGIN SOLUTION
    twice = 2 * x

    return twice
    ### END SOLUTION


# %%
check("double", double)

# %% tags=["uses-answer"]
double(1)

# %% [markdown] tags=["solution"]
# Because it is.
"""


def code_cells(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def test_every_notebook_agrees_with_its_source():
    sources = build.sources()
    for folder in (NOTEBOOKS, NOTEBOOKS / "solutions"):
        assert {path.stem for path in folder.glob("*.ipynb")} == {path.stem for path in sources}
    stale = [path.stem for path in sources if not build.is_current(path)]
    assert not stale, "run make notebooks"


def test_every_notebook_was_run_whole_and_without_an_error():
    for path in (NOTEBOOKS / "solutions").glob("*.ipynb"):
        code = code_cells(path)
        counts = [cell["execution_count"] for cell in code]
        assert counts == list(range(1, len(code) + 1)), path.name
        outputs = [output for cell in code for output in cell["outputs"]]
        # stderr would show a warning or a progress bar: it has a path or the time of day in it
        assert not [o for o in outputs if o["output_type"] == "error"], path.name
        assert not [o for o in outputs if o.get("name") == "stderr"], path.name


def test_the_learner_s_notebooks_keep_what_depends_on_no_answer_and_nothing_else():
    for path in NOTEBOOKS.glob("*.ipynb"):
        text = path.read_text(encoding="utf-8")
        assert "### BEGIN SOLUTION" not in text and "✓ Right" not in text, path.name
        blank = [cell for cell in code_cells(path) if cell["execution_count"] is None]
        shown = [cell for cell in code_cells(path) if cell["execution_count"] is not None]
        assert not [cell for cell in blank if cell["outputs"]], path.name
        assert any(build.BLANK[2:] in "".join(cell["source"]) for cell in blank), path.name
        assert not [cell for cell in shown if "# your code" in "".join(cell["source"])], path.name


@pytest.fixture
def lesson(tmp_path, monkeypatch):
    monkeypatch.setattr(build, "HERE", tmp_path)
    source = tmp_path / "source" / "lesson.py"
    source.parent.mkdir()
    source.write_text(LESSON, encoding="utf-8")
    return source


def test_two_editions_of_one_source(lesson):
    written = build.notebook_from(lesson)
    kinds = [cell.cell_type for cell in written.cells]
    assert kinds == ["markdown", "code", "code", "code", "code", "code", "markdown"]
    for cell in written.cells:
        if cell.cell_type == "code":
            cell.outputs = [nbformat.v4.new_output("stream", text="2.0")]
    solved, blanked = build.solved(written), build.blanked(written)
    head = 'def double(x):\n    """Twice x."""\n'
    assert solved.cells[3].source == head + "    twice = 2 * x\n\n    return twice"
    assert blanked.cells[3].source == head + "    ...  # your code"
    assert [len(cell.outputs) for cell in blanked.cells[1:]] == [1, 1, 0, 0, 0]
    assert len(solved.cells) == len(blanked.cells) + 1 == 7
    assert "### BEGIN" in written.cells[3].source, "the source itself stays as it was"
    assert solved.metadata.minilm.notebook == blanked.metadata.minilm.notebook == "lesson"


def test_an_edited_source_is_noticed(lesson):
    assert not build.is_current(lesson), "never built"
    written = build.notebook_from(lesson)
    (learner, _), (teacher, _) = build.editions(lesson)
    nbformat.write(build.blanked(written), learner)
    assert not build.is_current(lesson), "one edition is missing"
    teacher.parent.mkdir()
    nbformat.write(build.solved(written), teacher)
    assert build.is_current(lesson)
    for edited in (LESSON + "2 + 2\n", LESSON.replace("2 * x", "x + x")):
        lesson.write_text(edited, encoding="utf-8")
        assert not build.is_current(lesson)
