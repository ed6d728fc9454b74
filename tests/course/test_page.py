"""Text, tables and figures of the notebooks; rows that were saved."""

import re

import matplotlib
import pytest
from matplotlib.figure import Figure

from minilm.course import page


@pytest.fixture
def shown(monkeypatch):
    """What would be displayed below a cell."""
    found = []
    monkeypatch.setattr(
        page, "import_module",
        lambda name: type("Module", (), {
            "display": staticmethod(found.append), "Markdown": staticmethod(str),
            "close": staticmethod(lambda figure: None),
        }),
    )  # fmt: skip
    return found


def test_a_table_by_hand(shown):
    page.table(["bits", "|x| in dB"], [["8", 49.5], ["a|b", 1]])
    assert shown == ["| bits | \\|x\\| in dB |\n| --- | ---: |\n| 8 | 49.5 |\n| a\\|b | 1 |"]


def test_a_named_figure_is_kept_where_a_build_asks_for_it(shown, tmp_path, monkeypatch):
    monkeypatch.delenv(page.FIGURES, raising=False)
    with matplotlib.rc_context(page.RC):
        figure = Figure()
        figure.subplots().plot([1, 2], label="x")
        page.show(figure, "00-x")
        monkeypatch.setenv(page.FIGURES, str(tmp_path))
        page.show(figure)
        assert not list(tmp_path.iterdir())
        page.show(figure, "00-x")
        first = (tmp_path / "00-x.svg").read_bytes()
        page.show(figure, "00-x")
    assert (tmp_path / "00-x.svg").read_bytes() == first, "the same bytes every time"
    assert not re.search(rb"<text|dc:date", first)
    assert shown == [figure] * 4


def test_rows_are_found_from_within_the_repository_and_read_as_numbers(tmp_path, monkeypatch):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "rows.csv").write_text("name,bits,loss\nLSTM,4,\nx,1e-3,nan\n")
    inside = tmp_path / "notebooks" / "solutions"
    inside.mkdir(parents=True)
    monkeypatch.chdir(inside)
    first, second = page.saved_rows("docs/rows.csv")
    assert first == {"name": "LSTM", "bits": 4.0, "loss": None}
    assert second["bits"] == 1e-3 and second["loss"] != second["loss"]
    with pytest.raises(FileNotFoundError, match="open it inside its repository"):
        page.saved_rows("docs/none.csv")
