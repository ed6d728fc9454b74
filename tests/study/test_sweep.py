"""The sweep with a stand-in for the work of a cell: what is run, kept and continued."""

import json
from concurrent.futures import Executor, Future

import pytest

from minilm.study import sweep as module
from minilm.study.cells import Cell, cells_of
from minilm.study.settings import BIT_WIDTHS, SCHEMES, Settings
from minilm.study.sweep import read_finished, sweep


class InThisProcess(Executor):
    """Runs a call when it is submitted, so that a test sees the order."""

    def submit(self, fn, /, *args, **kwargs):
        future = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


@pytest.fixture
def ran(monkeypatch):
    names = []

    def pretend(settings, folder, cell):
        names.append(cell.name)
        return {"model": cell.model, "method": cell.method, "amount": cell.amount}

    monkeypatch.setattr(module, "run_cell", pretend)
    return names


CELLS = list(cells_of("LSTM", 0))


def run(folder, cells=CELLS):
    return sweep(Settings(), folder, cells, InThisProcess(), progress=False)


def test_a_plan_holds_every_scheme_at_every_bit_width_once():
    assert len({cell.name for cell in CELLS}) == len(CELLS)
    for method in SCHEMES:
        assert [c.amount for c in CELLS if (c.action, c.method) == ("quantize", method)] == list(
            BIT_WIDTHS
        )


def test_training_comes_first_and_rows_in_the_order_of_the_plan(tmp_path, ran):
    backwards = CELLS[::-1]
    rows = run(tmp_path, backwards)
    assert ran[0] == Cell("train", "LSTM", 0).name
    assert [row["method"] for row in rows] == [cell.method for cell in backwards]


def test_an_interrupted_sweep_continues_and_gives_the_same_rows(tmp_path, ran, monkeypatch):
    whole = run(tmp_path / make(tmp_path, "a"))
    pretend = module.run_cell

    def stop_at_the_tenth(settings, folder, cell):
        if len(ran) == len(CELLS) + 9:
            raise KeyboardInterrupt
        return pretend(settings, folder, cell)

    monkeypatch.setattr(module, "run_cell", stop_at_the_tenth)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / make(tmp_path, "b"))
    before = len(ran)
    monkeypatch.setattr(module, "run_cell", pretend)
    path = tmp_path / "b" / "rows.jsonl"
    kept = len(read_finished(path))
    with path.open("a") as lines:
        lines.write('{"cell": "cut sho')  # as a power cut would leave it
    assert run(tmp_path / "b") == whole
    assert len(ran) - before == len(CELLS) - kept
    assert len(read_finished(path)) == len(CELLS)


def make(parent, name):
    (parent / name).mkdir()
    return name


def test_an_error_in_a_cell_is_raised_and_what_was_finished_is_kept(tmp_path, ran, monkeypatch):
    pretend = module.run_cell

    def fail_at_one_bit(settings, folder, cell):
        if (cell.action, cell.amount) == ("quantize", 1):
            raise ValueError("no")
        return pretend(settings, folder, cell)

    monkeypatch.setattr(module, "run_cell", fail_at_one_bit)
    with pytest.raises(ValueError, match="no"):
        run(tmp_path)
    finished = read_finished(tmp_path / "rows.jsonl")
    assert Cell("train", "LSTM", 0).name in finished
    assert not any(name.startswith("quantize") and " 1 seed" in name for name in finished)


def test_lines_are_json_that_a_person_can_read(tmp_path, ran):
    run(tmp_path)
    lines = (tmp_path / "rows.jsonl").read_text(encoding="utf-8").splitlines()
    assert {json.loads(line)["cell"] for line in lines} == {cell.name for cell in CELLS}
    assert any("Lloyd–Max" in line for line in lines)
