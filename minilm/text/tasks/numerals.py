"""Numbers -> numerals, for every number from 0 to 999,999.

    30507 -> 三万零五百零七
    30507 -> thirty thousand five hundred seven

Chinese counts in ten thousands (万): 千 百 十 before 万 and after it. Zeros between two digits are
read as one 零; zeros that end the number, or end what stands before 万, are not read (205000 is
二十万五千). A numeral begins with 十, not 一十 (15 is 十五), but 115 is 一百一十五. Two is 二.

English counts in thousands, American style: no "and", and a hyphen in twenty-one to ninety-nine.

A structure is where the zeros are, "x0x0x" for 30507; six of the 64 are never seen. A combination
is two parts of the number, such as 30000 and 500: some pairs of parts never meet in training. (A
number with one part, such as 400, has no pair and is for training alone.)
"""

from collections.abc import Callable
from itertools import product

import numpy as np

from minilm.text.tasks.task import Draft, Task, pairs, pick

CHINESE_DIGITS = "零一二三四五六七八九"
SMALL = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen",
    "nineteen",
)  # fmt: skip
TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")

PATTERNS = ("0", *("x" + "".join(rest) for n in range(6) for rest in product("x0", repeat=n)))
UNSEEN_PATTERNS = ("x0x0", "xx0x", "x00xx", "x0x0x", "x0xx0x", "xx00x0")


def chinese_numeral(n: int) -> str:
    """
    >>> [chinese_numeral(n) for n in (0, 10, 12, 110, 1001, 20000, 100010, 205000)]
    ['零', '十', '十二', '一百一十', '一千零一', '二万', '十万零一十', '二十万五千']
    """
    _check(n)
    high, low = divmod(n, 10_000)
    numeral = below_ten_thousand(high) + "万" if high else ""
    if high and 0 < low < 1000:
        numeral += "零"
    numeral += below_ten_thousand(low)
    return numeral.removeprefix("一") if numeral.startswith("一十") else numeral or "零"


def below_ten_thousand(n: int) -> str:
    """With 一十 for ten, and nothing for zero."""
    numeral, gap = "", False
    for place, unit in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit = n // place % 10
        if digit:
            numeral += ("零" if numeral and gap else "") + CHINESE_DIGITS[digit] + unit
        gap = not digit
    return numeral


def english_numeral(n: int) -> str:
    """
    >>> [english_numeral(n) for n in (0, 13, 40, 342, 100021)]
    ['zero', 'thirteen', 'forty', 'three hundred forty-two', 'one hundred thousand twenty-one']
    """
    _check(n)
    thousands, rest = divmod(n, 1000)
    words = [*below_thousand(thousands), "thousand"] if thousands else []
    return " ".join(words + below_thousand(rest)) or "zero"


def below_thousand(n: int) -> list[str]:
    hundreds, rest = divmod(n, 100)
    words = [SMALL[hundreds], "hundred"] if hundreds else []
    if rest >= 20:
        words.append(TENS[rest // 10] + (f"-{SMALL[rest % 10]}" if rest % 10 else ""))
    elif rest:
        words.append(SMALL[rest])
    return words


def _check(n: int) -> None:
    if not 0 <= n < 1_000_000:
        raise ValueError(f"n: must be from 0 to 999,999, got {n}")


def _numerals(name: str, numeral: Callable[[int], str], target_tokenizer: str) -> Task:
    def compose(structure: str, rng: np.random.Generator) -> Draft:
        source = "".join(pick(rng, "123456789") if place == "x" else "0" for place in structure)
        parts = [d + "0" * place for place, d in enumerate(reversed(source)) if d != "0"]
        return Draft(source, numeral(int(source)), pairs(parts))

    seen = tuple(pattern for pattern in PATTERNS if pattern not in UNSEEN_PATTERNS)
    return Task(name, compose, seen, UNSEEN_PATTERNS, ("char", target_tokenizer))


NUMBERS_CHINESE = _numerals("numbers-chinese", chinese_numeral, "char")
NUMBERS_ENGLISH = _numerals("numbers-english", english_numeral, "word")
