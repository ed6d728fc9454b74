"""A notebook is built from a text: notebooks/source/NAME.py becomes two notebooks.

    notebooks/solutions/NAME.ipynb    with every exercise solved, and run
    notebooks/NAME.ipynb              for the learner: exercises blank, pictures and results kept

The source is plain Python in the py:percent form ("# %%" opens a cell, "# %% [markdown]" a cell of
prose), so that it can be reviewed and compared line by line. What stands between the lines
`### BEGIN SOLUTION` and `### END SOLUTION`, and each cell tagged "solution", is left out for the
learner. Only the solutions are run; a cell that depends on the learner's answers (it has a solution
in it, or a `check`, or the tag "uses-answer") is given to the learner without its outputs.

Cell numbers, metadata and the number of BLAS threads are fixed: building twice on one machine gives
the same bytes.

    python notebooks/build.py                  build every notebook, and docs/figures
    python notebooks/build.py 07_error_against_bit_width    that one alone
    python notebooks/build.py --check          run every notebook once and write nothing; fail on an
                                               error in a cell, an exercise whose solution is not
                                               right, or a notebook older than its source
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jupytext
import nbformat

HERE = Path(__file__).resolve().parent
SECONDS_PER_CELL = 600  # on a machine that does other work as well
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
SOLUTION = re.compile(r"^( *)### BEGIN SOLUTION\n(.*?)^ *### END SOLUTION$", re.M | re.S)
BLANK = r"\1...  # your code"
SET_UP = """\
# Only where minilm is not installed, as on Colab: put in your repository's address and run this.
# !git clone --depth 1 https://github.com/OWNER/minilm && pip install -q ./minilm
# %cd minilm/notebooks"""


def sources(names: list[str] | None = None) -> list[Path]:
    """The py:percent sources: all of them, or those named. FileNotFoundError if there is none."""
    found = [HERE / "source" / f"{name}.py" for name in names or []]
    found = found or sorted((HERE / "source").glob("*.py"))
    missing = [str(path) for path in found if not path.is_file()]
    if missing or not found:
        raise FileNotFoundError(f"no notebook source {', '.join(missing) or HERE / 'source'}")
    return found


def editions(source: Path) -> Iterator[tuple[Path, bool]]:
    """Where the two notebooks of a source stand, and whether each has the solutions."""
    yield HERE / f"{source.stem}.ipynb", False
    yield HERE / "solutions" / f"{source.stem}.ipynb", True


def tags(cell: Any) -> list[str]:
    return cell.metadata.get("tags", [])


def notebook_from(source: Path) -> Any:
    """The notebook of a source as it is written, not yet run, with fixed cell ids and metadata."""
    notebook = jupytext.read(source, fmt="py:percent")
    notebook.metadata = metadata(source)
    notebook.nbformat, notebook.nbformat_minor = 4, 5  # the first form that has cell ids
    notebook.cells.insert(1, nbformat.v4.new_code_cell(SET_UP))  # below the title
    for number, cell in enumerate(notebook.cells, start=1):
        cell.id = f"cell-{number}"
    return notebook


def metadata(source: Path) -> Any:
    """A copy that a learner has renamed still says which notebook it is."""
    return nbformat.from_dict({**METADATA, "minilm": {"notebook": source.stem}})


def solved(notebook: Any) -> Any:
    """The notebook for the teacher: the marks around solutions go, the solutions stay."""
    teacher = nbformat.from_dict(notebook)
    for cell in teacher.cells:
        cell.source = SOLUTION.sub(lambda found: found[2].rstrip("\n"), cell.source)
    return teacher


def blanked(notebook: Any) -> Any:
    """The notebook for the learner: blanks for solutions, no output that depends on an answer."""
    learner = nbformat.from_dict(notebook)
    learner.cells = [cell for cell in learner.cells if "solution" not in tags(cell)]
    for cell in learner.cells:
        if cell.cell_type == "code" and depends_on_answers(cell):
            cell.source = SOLUTION.sub(BLANK, cell.source)
            cell.outputs, cell.execution_count = [], None
    return learner


def depends_on_answers(cell: Any) -> bool:
    """Whether the cell holds a solution, a check of one, or is said to use one."""
    checks = re.search(r"^\s*(if )?check\(", cell.source, re.M)
    return bool(SOLUTION.search(cell.source) or checks or "uses-answer" in tags(cell))


def execute(notebook: Any) -> Any:
    """Run every cell, in notebooks/ as Jupyter does. CellExecutionError at the first that fails."""
    from nbclient import NotebookClient  # reading and comparing do without a kernel

    name = notebook.metadata.minilm
    client = NotebookClient(
        notebook,
        timeout=SECONDS_PER_CELL,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,  # else the same prints may come out as one output or several
        extra_arguments=["--log-level=ERROR"],  # the kernel's own log, not the cells' output
        resources={"metadata": {"path": str(HERE)}},
    )
    client.execute()
    notebook.metadata = nbformat.from_dict({**METADATA, "minilm": name})  # not the kernel's version
    return notebook


def text_of(notebook: Any) -> list[tuple[str, str, str]]:
    """What the author wrote: (id, type, source) of each cell. Outputs are the machine's."""
    return [(cell.id, cell.cell_type, cell.source) for cell in notebook.cells]


def is_current(source: Path) -> bool:
    """Whether the committed notebooks, of both editions, say what their source says."""
    written = notebook_from(source)
    for path, has_solutions in editions(source):
        if not path.is_file():
            return False
        wanted = solved(written) if has_solutions else blanked(written)
        if text_of(nbformat.read(path, as_version=4)) != text_of(wanted):
            return False
    return True


def build(source: Path, check: bool = False) -> float:
    """Run the solutions of one source; write both editions unless `check`. Seconds taken."""
    start = time.perf_counter()
    written = notebook_from(source)
    ran = execute(solved(written))
    if not check:
        # The learner's cells are those of the source, with the outputs that the solutions had.
        for cell, done in zip(written.cells, ran.cells, strict=True):
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = done.outputs, done.execution_count
        for path, has_solutions in editions(source):
            path.parent.mkdir(exist_ok=True)
            nbformat.write(ran if has_solutions else blanked(written), path)
    return time.perf_counter() - start


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Build the notebooks from notebooks/source.")
    parser.add_argument("names", nargs="*", help="which notebooks (default: all of them)")
    parser.add_argument("--check", action="store_true", help="run and compare, write nothing")
    options = parser.parse_args(arguments)
    # The sum of a product depends on the number of threads, in its last bits; the kernel inherits.
    os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", PYTHONHASHSEED="0")
    os.environ.update(MINILM_STRICT="1")  # a solution that is not right is an error
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")  # keeps the kernel's log quiet
    if not options.check:
        os.environ["MINILM_FIGURES"] = str(HERE.parent / "docs" / "figures")
        Path(os.environ["MINILM_FIGURES"]).mkdir(exist_ok=True)

    chosen = sources(options.names)
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # a kernel is a process of its own
        for source, seconds in zip(
            chosen, pool.map(lambda path: build(path, options.check), chosen), strict=True
        ):
            print(f"{source.stem}: ran in {seconds:.0f} s", flush=True)
    stale = [source.stem for source in chosen if options.check and not is_current(source)]
    if stale:
        print(f"older than their source, run make notebooks: {', '.join(stale)}", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
