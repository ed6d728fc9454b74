"""Letters, sums, dates and numerals: answers again in another way, splits by looking."""

import re
from collections import Counter
from datetime import date, datetime

import pytest

from minilm.text.tasks import TASKS
from minilm.text.tasks.dates import DAYS, EVERY_FORMAT, FIRST, FORMATS
from minilm.text.tasks.numerals import chinese_numeral, english_numeral
from minilm.text.tasks.task import PARTS


def three_parts(name, n=600):
    return (TASKS[name].examples(n, seed=0, part=part) for part in PARTS)


@pytest.mark.parametrize("name", ["copy", "reverse", "sort"])
def test_letters(name):
    train, test, structure = three_parts(name)
    for source, target in train + test + structure:
        letters = list(source)
        if name == "reverse":
            letters.reverse()
        if name == "sort":
            letters.sort()
        assert list(target) == letters
    seen = {tuple(sorted(source)) for source, _ in train}
    assert not seen & {tuple(sorted(source)) for source, _ in test}
    assert {len(source) for source, _ in train} == {len(source) for source, _ in test}
    assert {len(source) for source, _ in train} == set(range(2, 11))
    assert {len(source) for source, _ in structure} == {11, 12}


def test_addition():
    train, test, structure = three_parts("addition")
    for source, target in train + test + structure:
        a, b = source.split("+")
        assert target == str(int(a) + int(b)) and source == f"{int(a)}+{int(b)}"
    assert not {frozenset(s.split("+")) for s, _ in train} & {
        frozenset(s.split("+")) for s, _ in test
    }
    digits = [{tuple(map(len, s.split("+"))) for s, _ in part} for part in (train, test, structure)]
    assert {number for s, _ in train for number in s.split("+") if len(number) == 1} == set(
        "0123456789"
    )
    assert digits[0] >= digits[1] and len(digits[0]) == 14 and digits[2] == {(2, 4), (4, 2)}


def test_each_format_names_its_own_day():
    day = date(1987, 3, 17)
    assert [write(day) for write in EVERY_FORMAT.values()] == list(EVERY_FORMAT)
    assert len(FORMATS) == 10 and (date(2099, 12, 31) - FIRST).days + 1 == DAYS


def test_dates_are_read_again_by_the_standard_library():
    patterns = {
        "17 March 1987": "%d %B %Y", "March 17, 1987": "%B %d, %Y", "17 Mar 1987": "%d %b %Y",
        "Mar 17, 1987": "%b %d, %Y", "the 17th of March 1987": "the %d of %B %Y",
        "Tuesday, 17 March 1987": "%A, %d %B %Y", "17.3.1987": "%d.%m.%Y",
        "3/17/1987": "%m/%d/%Y", "19870317": "%Y%m%d", "1987年3月17日": "%Y年%m月%d日",
        "March 17th, 1987": "%B %d, %Y", "Tuesday, 17.3.1987": "%A, %d.%m.%Y",
    }  # fmt: skip
    assert list(patterns) == list(EVERY_FORMAT)
    task = TASKS["dates"]
    days = {part: set() for part in PARTS}
    for part in PARTS:
        for source, target in task.examples(600, seed=1, part=part):
            plain = re.sub(r"(\d)(st|nd|rd|th)\b", r"\1", source)
            day = date.fromisoformat(target)
            written = [name for name, write in EVERY_FORMAT.items() if write(day) == source]
            fits = (task.unseen_structures if part == "structure" else task.structures)
            assert set(written) <= set(fits) and written
            assert datetime.strptime(plain, patterns[written[0]]).date() == day
            days[part].add(target)
    assert not days["train"] & days["test"] and not days["train"] & days["structure"]


def test_no_source_can_mean_two_days():
    meant = {}
    for offset in range(0, DAYS, 7):
        day = date.fromordinal(FIRST.toordinal() + offset)
        for write in EVERY_FORMAT.values():
            assert meant.setdefault(write(day), day) == day
        assert len({write(day) for write in FORMATS.values()}) == (8 if day.month == 5 else 10)


def chinese_value(numeral):
    """The number that a Chinese numeral names, its units evaluated from the left."""
    total = section = digit = 0
    for character in numeral:
        if character in "零一二三四五六七八九":
            digit = "零一二三四五六七八九".index(character)
        elif character == "万":
            total, section, digit = (section + digit) * 10_000, 0, 0
        else:
            section += (digit or 1) * {"十": 10, "百": 100, "千": 1000}[character]
            digit = 0
    return total + section + digit


def english_value(numeral):
    names = {english_numeral(n): n for n in [*range(20), *range(20, 100, 10)]}
    total = section = 0
    for word in numeral.replace("-", " ").split():
        if word == "thousand":
            total, section = section * 1000, 0
        elif word == "hundred":
            section *= 100
        else:
            section += names[word]
    return total + section


def test_numerals_by_hand():
    for n, chinese, english in (
        (2, "二", "two"),
        (19, "十九", "nineteen"),
        (20, "二十", "twenty"),
        (105, "一百零五", "one hundred five"),
        (115, "一百一十五", "one hundred fifteen"),
        (1010, "一千零一十", "one thousand ten"),
        (2200, "二千二百", "two thousand two hundred"),
        (10_010, "一万零一十", "ten thousand ten"),
        (30_507, "三万零五百零七", "thirty thousand five hundred seven"),
        (110_000, "十一万", "one hundred ten thousand"),
        (200_500, "二十万零五百", "two hundred thousand five hundred"),
        (999_999, "九十九万九千九百九十九",
         "nine hundred ninety-nine thousand nine hundred ninety-nine"),
    ):  # fmt: skip
        assert (chinese_numeral(n), english_numeral(n)) == (chinese, english)


def test_numerals_are_read_back():
    for n in [*range(2000), *range(2000, 1_000_000, 997)]:
        chinese = chinese_numeral(n)
        assert chinese_value(chinese) == n and english_value(english_numeral(n)) == n
        assert "零零" not in chinese and not chinese.startswith("一十")
        assert n == 0 or not chinese.endswith("零")


@pytest.mark.parametrize("n", [-1, 1_000_000])
def test_numbers_out_of_range_are_refused(n):
    for numeral in (chinese_numeral, english_numeral):
        with pytest.raises(ValueError, match="n: must be from 0 to 999,999"):
            numeral(n)


@pytest.mark.parametrize("name", ["numbers-chinese", "numbers-english"])
def test_pairs_of_parts_and_patterns_of_zeros_are_held_out(name):
    train, test, structure = three_parts(name)

    def parts(source):
        return {d + "0" * i for i, d in enumerate(reversed(source)) if d != "0"}

    def together(source):
        return {frozenset((a, b)) for a in parts(source) for b in parts(source) if a != b}

    seen = set().union(*(together(source) for source, _ in train))
    for source, target in test + structure:
        assert together(source) - seen, source
        value = chinese_value if name == "numbers-chinese" else english_value
        assert value(target) == int(source)
    # every part of a number is met in training, often
    met = Counter(part for source, _ in train for part in parts(source))
    assert len(met) == 54 and min(met.values()) > 10
    zeros = [{re.sub("[1-9]", "x", s) for s, _ in part} for part in (train, test, structure)]
    assert not zeros[2] & (zeros[0] | zeros[1]) and len(zeros[0]) == 58 and len(zeros[2]) == 6
