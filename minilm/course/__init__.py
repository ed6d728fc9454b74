"""What the notebooks are made with, and nothing else in the house needs.

    page.py       text, tables and figures in one style; rows that longer runs have saved
    check.py      an exercise, and the verdict on an answer to it
    exercises/    the exercises of each notebook
    published/    formulas as articles print them, run beside the right ones
"""

from minilm.course.check import Exercise, Verdict, check, verdict, want
from minilm.course.page import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PINK,
    SKY,
    YELLOW,
    saved_rows,
    say,
    show,
    style,
    table,
)

__all__ = [
    "BLACK", "BLUE", "GREEN", "GREY", "ORANGE", "PINK", "SKY", "YELLOW",
    "Exercise", "Verdict", "check", "saved_rows", "say", "show", "style", "table", "verdict",
    "want",
]  # fmt: skip
