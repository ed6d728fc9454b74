"""The phrases of the translation task: people who act, things that are acted on, and places.

    thing   determiner (adjective) noun     three big red hats     三顶红色的大帽子
    person  pronoun, family, the, this, a   these doctors          这些医生
    place   at the market                   在市场
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from minilm.text.tasks import translation_words as words
from minilm.text.tasks.task import pick
from minilm.text.tasks.translation_words import Noun

Rng = np.random.Generator

KNOWN = tuple(words.POINTING)
NEW = ("a", "a", "a", *words.NUMBERS, *words.LOOSELY, *words.ROUGHLY)  # often "a"
MEASURED = {"a": "一", "this": "这", "that": "那", "how many": "几"} | words.NUMBERS | words.ROUGHLY
UNMEASURED = words.LOOSELY | {"these": "这些", "those": "那些"}
ONE = ("a", "this", "that")
# "many cups of tea" would be 很多杯茶, against the rule that many takes no measure word
FOR_PORTIONS = (*ONE, *words.NUMBERS, "how many")


class Thing(NamedTuple):
    english: str
    chinese: str
    be: str
    content: Sequence[str]
    noun: Noun

    def joined(self, other: "Thing") -> "Thing":
        return Thing(
            f"{self.english} and {other.english}", f"{self.chinese}和{other.chinese}", "are",
            [*self.content, *other.content], self.noun,
        )  # fmt: skip


class Person(NamedTuple):
    english: str
    chinese: str
    be: str
    content: Sequence[str]
    new: bool = False

    def at(self, when: str, first: bool = False) -> str:
        """S T, the Chinese sentence's beginning; but T S if T is first, and T 有 S if S is new."""
        if self.new:
            return f"{when}有{self.chinese}"
        return when + self.chinese if first else self.chinese + when


class Place(NamedTuple):
    """Both empty, or " at the market" and 在市场."""

    english: str = ""
    chinese: str = ""
    content: Sequence[str] = ()


def article(noun: str) -> str:
    """a or an; in this vocabulary the first letter decides."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def adjectives(rng: Rng, kind: str) -> tuple[list[str], str]:
    """None, one, or a short one and a colour; English, in its order, and Chinese, in its own."""
    short, colours, loose, _ = words.KINDS[kind]
    chance = rng.random()
    if chance < 0.4:
        return [], ""
    if chance < 0.6 and short and colours:
        first, second = pick(rng, short), pick(rng, colours)
        return [first, second], words.COLOURS[second] + words.SHORT[first]
    adjective = pick(rng, short + colours + loose)
    return [adjective], (words.SHORT | words.COLOURS | words.LOOSE)[adjective]


def named(noun: Noun, described: list[str], many: bool) -> str:
    """The English noun with its adjectives: "big red apples", "pair of blue trousers".

    >>> named(words.NOUNS[13], ["blue"], many=False)
    'pair of blue trousers'
    """
    *measure, head = (noun.many if many else noun.one).split()
    return " ".join([*measure, *described, head])


def thing(rng: Rng, kinds: Sequence[str], determiners: Sequence[str], plain: bool = False) -> Thing:
    """A noun of one of the kinds, with one of the determiners and, unless plain, adjectives."""
    noun = pick(rng, [noun for noun in words.NOUNS if noun.kind in kinds])
    if noun.portion:
        determiners = [d for d in determiners if d in FOR_PORTIONS]
    determiner = pick(rng, determiners)
    described, how = ([], "") if plain else adjectives(rng, noun.kind)
    many = determiner not in ONE
    name = named(noun, described, many)
    english = article(name) if determiner == "a" else f"{determiner} {name}"
    if determiner in MEASURED:
        counted = MEASURED[determiner] + noun.measure
    else:
        counted = UNMEASURED[determiner]
    be = "are" if many else "is"
    return Thing(english, counted + how + noun.chinese, be, [noun.head, *described], noun)


def two_things(rng: Rng, kinds: Sequence[str]) -> tuple[Thing, Thing]:
    """Two new things, with different nouns."""
    first, second = thing(rng, kinds, NEW), thing(rng, kinds, NEW)
    while second.noun == first.noun:
        second = thing(rng, kinds, NEW)
    return first, second


def bare(rng: Rng, kinds: Sequence[str]) -> Thing:
    """Things in general: apples, red shoes, tea."""
    noun = pick(rng, [noun for noun in words.NOUNS if noun.kind in kinds])
    described, how = adjectives(rng, noun.kind)
    english = " ".join([*described, noun.many.split()[-1]])
    return Thing(english, how + noun.chinese, "are", [noun.head, *described], noun)


def known_person(rng: Rng) -> Person:
    """Somebody with a noun: family, the doctor, the doctors, this doctor, those doctors."""
    if rng.random() < 0.3:
        whose, of = pick(rng, list(words.FAMILY_OF.items()))
        who, chinese = pick(rng, list(words.FAMILY.items()))
        return Person(f"{whose} {who}", of + chinese, "is", [who])
    who, (chinese, measure) = pick(rng, list(words.PEOPLE.items()))
    determiner = pick(rng, ("the", "the one", *words.POINTING))
    if determiner == "the":
        return Person(f"the {who}s", chinese + "们", "are", [who])
    if determiner == "the one":
        return Person(f"the {who}", chinese, "is", [who])
    pointing = words.POINTING[determiner]
    if determiner in ONE:
        return Person(f"{determiner} {who}", pointing + measure + chinese, "is", [who])
    return Person(f"{determiner} {who}s", pointing + chinese, "are", [who])


def person(rng: Rng) -> Person:
    """A known person or a pronoun."""
    if rng.random() < 0.6:
        return known_person(rng)
    english, (chinese, be) = pick(rng, list(words.PRONOUNS.items()))
    return Person(english, chinese, be, [])


def new_or_known_person(rng: Rng) -> Person:
    """Also a doctor, two doctors …"""
    if rng.random() < 0.75:
        return person(rng)
    who, (chinese, measure) = pick(rng, list(words.PEOPLE.items()))
    number, count = pick(rng, [("a", "一"), *words.NUMBERS.items()])
    if number == "a":
        return Person(article(who), f"一{measure}{chinese}", "is", [who], new=True)
    return Person(f"{number} {who}s", f"{count}{measure}{chinese}", "are", [who], new=True)


def place_for(rng: Rng, places: Sequence[str], wanted: bool) -> Place:
    if not wanted:
        return Place()
    place = pick(rng, places)
    english, chinese = words.PLACES[place]
    return Place(f" {english}", f"在{chinese}", [place])
