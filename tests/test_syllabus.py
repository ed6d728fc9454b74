"""The syllabus says what there is: every notebook, its exercises, every figure for slides."""

import json
import re
from pathlib import Path

import pytest

from minilm.course.exercises import NOTEBOOKS

ROOT = Path(__file__).parent.parent
SYLLABUS = (ROOT / "notebooks" / "README.md").read_text(encoding="utf-8")


def part(name):
    """The lines between <!-- name --> and <!-- end of name -->."""
    return SYLLABUS.split(f"<!-- {name} -->")[1].split(f"<!-- end of {name} -->")[0]


def rows(name):
    """The cells of a table's rows, without its header."""
    lines = [line for line in part(name).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" |")] for line in lines[2:]]


def links_to(text):
    return re.findall(r"\]\((?!https?:)([^)#]*)(#[^)]*)?\)", text)


def test_every_notebook_is_in_the_table_in_order():
    named = [link for row in rows("notebooks") for link, _ in links_to(row[1])]
    assert named == [f"{name}.ipynb" for name in sorted(NOTEBOOKS)]
    assert [row[0] for row in rows("notebooks")] == [name[:2] for name in sorted(NOTEBOOKS)]


@pytest.mark.parametrize("name", sorted(NOTEBOOKS))
def test_a_row_has_the_notebooks_title_and_its_exercises(name):
    (row,) = [row for row in rows("notebooks") if f"({name}.ipynb)" in row[1]]
    notebook = json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8"))
    title = "".join(notebook["cells"][0]["source"]).splitlines()[0]
    assert title == f"# {row[0]} · {row[1].partition(']')[0].removeprefix('[')}"
    assert re.findall(r"`(\w+)`", row[4]) == [exercise.name for exercise in NOTEBOOKS[name]]
    assert row[3].isdecimal() and 20 <= int(row[3]) <= 240, "minutes"


@pytest.mark.parametrize("name", sorted(NOTEBOOKS))
def test_what_a_notebook_builds_on_comes_before_it(name):
    (row,) = [row for row in rows("notebooks") if row[0] == name[:2]]
    before = re.findall(r"\d\d", row[2])
    assert before or row[2] == "–"
    assert all(number < name[:2] for number in before)


@pytest.mark.parametrize("name", sorted(NOTEBOOKS))
def test_two_or_three_objectives_for_each(name):
    (theirs,) = [cells[1] for cells in rows("objectives") if cells[0] == name[:2]]
    assert 2 <= len(theirs.split(";")) <= 3


def test_every_figure_for_slides_is_listed_beside_its_notebook():
    listed = {link: row[0] for row in rows("figures") for link, _ in links_to(row[1])}
    figures = sorted((ROOT / "docs" / "figures").glob("*.svg"))
    assert sorted(listed) == [f"../docs/figures/{path.name}" for path in figures]
    assert all(Path(link).name.startswith(f"{number}-") for link, number in listed.items())


def test_all_five_articles_are_placed():
    assert sorted({row[0] for row in rows("articles")}) == list("ABCDE")
    placed = set(re.findall(r"\b\d\d\b", " ".join(row[2] for row in rows("articles"))))
    assert placed <= {name[:2] for name in NOTEBOOKS}


def test_links_lead_somewhere():
    headings = {
        "#" + re.sub(r"[^\w\- ]", "", title).strip().lower().replace(" ", "-")
        for title in re.findall(r"^##+ (.*)$", SYLLABUS, re.M)
    }
    for link, anchor in links_to(SYLLABUS):
        assert not link or (ROOT / "notebooks" / link).exists(), link
        assert link or anchor in headings, anchor


def test_sections_that_are_named_exist():
    """'07, sections 1, 3 and 6' in the tables: that notebook has sections of these numbers."""
    tables = [line for line in SYLLABUS.splitlines() if line.startswith("|")]
    named = re.findall(r"(\d\d), sections? ([\d, and to]+)", "\n".join(tables))
    assert named
    for number, sections in named:
        (path,) = (ROOT / "notebooks").glob(f"{number}_*.ipynb")
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        text = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
        have = set(re.findall(r"^## (\d+)\. ", text, re.M))
        assert set(re.findall(r"\d+", sections)) <= have, f"{number}, sections {sections}"
