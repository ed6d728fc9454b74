"""The notebooks say what their sources say and were built without an error; CI runs them."""

import importlib.util
import json
from pathlib import Path

import nbformat

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
spec = importlib.util.spec_from_file_location("notebooks_build", NOTEBOOKS / "build.py")
build = importlib.util.module_from_spec(spec)
spec.loader.exec_module(build)


def test_every_notebook_agrees_with_its_source():
    sources = build.sources()
    assert {path.stem for path in NOTEBOOKS.glob("*.ipynb")} == {path.stem for path in sources}
    stale = [path.stem for path in sources if not build.is_current(path)]
    assert not stale, "run make notebooks"


def test_every_notebook_was_run_whole_and_without_an_error():
    for path in NOTEBOOKS.glob("*.ipynb"):
        code = [
            cell
            for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]
            if cell["cell_type"] == "code"
        ]
        counts = [cell["execution_count"] for cell in code]
        assert counts == list(range(1, len(code) + 1)), path.name
        outputs = [output for cell in code for output in cell["outputs"]]
        # stderr would show a warning or a progress bar: it has a path or the time of day in it
        assert not [o for o in outputs if o["output_type"] == "error"], path.name
        assert not [o for o in outputs if o.get("name") == "stderr"], path.name


def test_an_edited_source_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr(build, "HERE", tmp_path)
    source = tmp_path / "source" / "lesson.py"
    source.parent.mkdir()
    source.write_text("# %% [markdown]\n# # A lesson\n\n# %%\n1 + 1\n", encoding="utf-8")
    assert not build.is_current(source), "never built"
    notebook = build.notebook_from(source)
    assert [cell.cell_type for cell in notebook.cells] == ["markdown", "code"]
    nbformat.write(notebook, build.built_path(source))
    assert build.is_current(source)
    source.write_text(source.read_text(encoding="utf-8") + "2 + 2\n", encoding="utf-8")
    assert not build.is_current(source)
