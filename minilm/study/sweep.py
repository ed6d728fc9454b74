"""Run a plan of cells on any executor, keep what is finished, and continue where it stopped.

Every finished cell is one line of `rows.jsonl`. A run that is interrupted loses at most the cells
under way; started again, it reads the lines that are there and runs the rest.
"""

import json
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from pathlib import Path

from threadpoolctl import threadpool_limits
from tqdm import tqdm

from minilm.study.cells import Cell, Row, run_cell
from minilm.study.settings import Settings


def sweep(settings: Settings, folder: Path, cells: list[Cell], executor: Executor, *,
          progress: bool = True) -> list[Row]:
    """Run the cells that `folder/rows.jsonl` does not hold yet; all rows, in the order of `cells`.

    executor: concurrent.futures' interface (processes, a cluster's client). A cell starts once the
    cell it needs has finished. The first error of a cell is raised; finished cells are kept.
    """
    path = folder / "rows.jsonl"
    finished = read_finished(path)
    waiting = [cell for cell in cells if cell.name not in finished]
    running: dict[Future[Row], Cell] = {}
    with path.open("a", encoding="utf-8") as lines, tqdm(
        total=len(cells), initial=len(cells) - len(waiting), unit="cell", disable=not progress
    ) as bar:
        try:
            while waiting or running:
                for cell in [c for c in waiting if c.needs is None or c.needs.name in finished]:
                    running[executor.submit(run_alone, settings, folder, cell)] = cell
                    waiting.remove(cell)
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    cell = running.pop(future)
                    finished[cell.name] = future.result()
                    line = {"cell": cell.name, "row": finished[cell.name]}
                    lines.write(json.dumps(line, ensure_ascii=False) + "\n")
                    lines.flush()
                    bar.set_postfix_str(cell.name)
                    bar.update()
        finally:
            for future in running:
                future.cancel()
    return [finished[cell.name] for cell in cells]


def run_alone(settings: Settings, folder: Path, cell: Cell) -> Row:
    """One BLAS thread a cell: two cells side by side are faster, and the sums always the same."""
    with threadpool_limits(1):
        return run_cell(settings, folder, cell)


def read_finished(path: Path) -> dict[str, Row]:
    """Finished rows by cell name; a last line that an interruption cut short is taken off."""
    if not path.exists():
        return {}
    text = path.read_text(encoding="utf-8")
    complete = text[: text.rfind("\n") + 1]
    if complete != text:
        path.write_text(complete, encoding="utf-8")
    entries = [json.loads(line) for line in complete.splitlines()]
    return {entry["cell"]: entry["row"] for entry in entries}
