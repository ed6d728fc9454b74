"""Dates in ten formats -> ISO 8601: "the 17th of March 1987" -> 1987-03-17.

Every day of the years 1900 to 2099, in English, with digits, and in Chinese: 73,049 days, 718,090
sources (May has no shorter form, so its 6,200 days can be written in eight ways, not ten). Years
are always written whole. Two rules make each format mean one day:

    3/17/1987    between slashes the month comes first, as in America: month/day/year
    17.3.1987    between full stops the day comes first, as in Germany: day.month.year

A structure is a format. Two more, made of parts that the ten contain, are never seen. A combination
is the day: one that is held out is held out in all formats.
"""

from collections.abc import Callable
from datetime import date, timedelta

import numpy as np

from minilm.text.tasks.task import Draft, Task

FIRST, DAYS = date(1900, 1, 1), 73_049
MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def ordinal(n: int) -> str:
    """1st, 2nd, 3rd, 4th … 11th, 12th, 13th … 21st.

    >>> " ".join(map(ordinal, (1, 2, 3, 4, 11, 12, 13, 22, 30, 31)))
    '1st 2nd 3rd 4th 11th 12th 13th 22nd 30th 31st'
    """
    ending = "th" if n % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{ending}"


def month(day: date) -> str:
    return MONTHS[day.month - 1]


def weekday(day: date) -> str:
    return WEEKDAYS[day.weekday()]


FORMATS: dict[str, Callable[[date], str]] = {
    "17 March 1987": lambda d: f"{d.day} {month(d)} {d.year}",
    "March 17, 1987": lambda d: f"{month(d)} {d.day}, {d.year}",
    "17 Mar 1987": lambda d: f"{d.day} {month(d)[:3]} {d.year}",
    "Mar 17, 1987": lambda d: f"{month(d)[:3]} {d.day}, {d.year}",
    "the 17th of March 1987": lambda d: f"the {ordinal(d.day)} of {month(d)} {d.year}",
    "Tuesday, 17 March 1987": lambda d: f"{weekday(d)}, {d.day} {month(d)} {d.year}",
    "17.3.1987": lambda d: f"{d.day}.{d.month}.{d.year}",
    "3/17/1987": lambda d: f"{d.month}/{d.day}/{d.year}",
    "19870317": lambda d: f"{d.year}{d.month:02}{d.day:02}",
    "1987年3月17日": lambda d: f"{d.year}年{d.month}月{d.day}日",
}
UNSEEN_FORMATS: dict[str, Callable[[date], str]] = {
    "March 17th, 1987": lambda d: f"{month(d)} {ordinal(d.day)}, {d.year}",
    "Tuesday, 17.3.1987": lambda d: f"{weekday(d)}, {d.day}.{d.month}.{d.year}",
}
EVERY_FORMAT = FORMATS | UNSEEN_FORMATS


def compose(structure: str, rng: np.random.Generator) -> Draft:
    day = FIRST + timedelta(days=int(rng.integers(DAYS)))
    return Draft(EVERY_FORMAT[structure](day), day.isoformat(), [day.isoformat()])


DATES = Task("dates", compose, tuple(FORMATS), tuple(UNSEEN_FORMATS))
