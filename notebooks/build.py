"""A notebook is built from a text: notebooks/source/NAME.py becomes notebooks/NAME.ipynb.

The source is plain Python in the py:percent form ("# %%" opens a cell, "# %% [markdown]" a cell of
prose), so that it can be reviewed and compared line by line. Cell numbers, metadata and the number
of BLAS threads are fixed: building twice on one machine gives the same bytes.

    python notebooks/build.py                  build every notebook, outputs included
    python notebooks/build.py quantization     build notebooks/quantization.ipynb alone
    python notebooks/build.py --check          run every notebook once and write nothing; fail on an
                                               error in a cell, or a notebook older than its source
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any

import jupytext
import nbformat

HERE = Path(__file__).resolve().parent
SECONDS_PER_CELL = 600
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def sources(names: list[str] | None = None) -> list[Path]:
    """The py:percent sources: all of them, or those named. FileNotFoundError if there is none."""
    found = [HERE / "source" / f"{name}.py" for name in names or []]
    found = found or sorted((HERE / "source").glob("*.py"))
    missing = [str(path) for path in found if not path.is_file()]
    if missing or not found:
        raise FileNotFoundError(f"no notebook source {', '.join(missing) or HERE / 'source'}")
    return found


def built_path(source: Path) -> Path:
    return HERE / f"{source.stem}.ipynb"


def notebook_from(source: Path) -> Any:
    """The notebook of a source, not yet run, with fixed cell ids and metadata."""
    notebook = jupytext.read(source, fmt="py:percent")
    notebook.metadata = nbformat.from_dict(METADATA)
    notebook.nbformat, notebook.nbformat_minor = 4, 5  # the first form that has cell ids
    for number, cell in enumerate(notebook.cells, start=1):
        cell.id = f"cell-{number}"
    return notebook


def execute(notebook: Any) -> Any:
    """Run every cell, in notebooks/ as Jupyter does. CellExecutionError at the first that fails."""
    from nbclient import NotebookClient  # reading and comparing do without a kernel

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
    notebook.metadata = nbformat.from_dict(METADATA)  # the kernel has added its version number
    return notebook


def text_of(notebook: Any) -> list[tuple[str, str, str]]:
    """What the author wrote: (id, type, source) of each cell. Outputs are the machine's."""
    return [(cell.id, cell.cell_type, cell.source) for cell in notebook.cells]


def is_current(source: Path) -> bool:
    """Whether the committed notebook says what its source says."""
    path = built_path(source)
    if not path.is_file():
        return False
    return text_of(nbformat.read(path, as_version=4)) == text_of(notebook_from(source))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Build the notebooks from notebooks/source.")
    parser.add_argument("names", nargs="*", help="which notebooks (default: all of them)")
    parser.add_argument("--check", action="store_true", help="run and compare, write nothing")
    options = parser.parse_args(arguments)
    # The sum of a product depends on the number of threads, in its last bits; the kernel inherits.
    os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", PYTHONHASHSEED="0")
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")  # keeps the kernel's log quiet

    stale = []
    for source in sources(options.names):
        start = time.perf_counter()
        notebook = execute(notebook_from(source))
        if not options.check:
            nbformat.write(notebook, built_path(source))
        elif not is_current(source):
            stale.append(source.stem)
        print(f"{source.stem}: ran in {time.perf_counter() - start:.0f} s")
    if stale:
        print(f"older than their source, run make notebooks: {', '.join(stale)}", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
