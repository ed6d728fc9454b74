"""Choosing among what a listener may have heard: four hypotheses that sound alike, one was said.

    i would here the bear their | eye wood hear the bare there | … -> i would hear the bear there

This is n-best rescoring: a recogniser of speech offers its best guesses, and a language model says
which of them is language. Train one on the targets of part "train", cut a source at SEPARATOR, and
choose the likeliest hypothesis; or train a model to write the target.

The rule. Every word of this language has one category (noun, determiner …), and a sentence is
grammatical if its categories form one of the ten structures. Words of a pair in SOUND_ALIKE have
different categories. The words of the sentence that have a sound-alike are divided in two groups;
the hypotheses are the sentence, with the first group exchanged, with the second, and with both.
Exactly one of the four is grammatical. Nothing but language tells which it is: for each word, two
hypotheses have the one spelling and two the other, and their order is random.

Two structures are never trained. A combination is two content words (nouns, verbs, adjectives) of
what was said. The structures have 5,670 to 2,916,000 sentences (a few with nothing to mishear).
"""

from collections.abc import Sequence

import numpy as np

from minilm.text.tasks.task import Draft, Task, pairs, pick

SEPARATOR = " | "
WORDS = {
    "DET": ("the", "our", "their"),
    "NUM": ("two", "four", "eight"),
    "ADJ": ("new", "red", "weak", "bare", "whole", "plain", "right", "old", "small", "quiet"),
    "N": ("sea", "bear", "maid", "hole", "road", "wood", "week", "hour", "meat", "plane", "knot",
          "eye", "king", "farmer", "garden"),
    "NS": ("birds", "letters", "apples", "houses", "horses"),
    "VT": ("ate", "knew", "read", "threw", "rode", "made", "found", "saw"),
    "VI": ("went", "came", "slept", "waited"),
    "VB": ("see", "meet", "hear", "buy", "write", "find", "love"),
    "PRON": ("i", "we", "they"),
    "MOD": ("would", "will"),
    "NOT": ("not",),
    "ADV": ("here", "there", "too"),
    "PREP": ("by", "through", "for", "near"),
}  # fmt: skip
CATEGORY = {word: category for category, words in WORDS.items() for word in words}
SOUND_ALIKE = (
    ("see", "sea"), ("ate", "eight"), ("two", "too"), ("four", "for"), ("their", "there"),
    ("write", "right"), ("hear", "here"), ("knew", "new"), ("buy", "by"), ("meet", "meat"),
    ("read", "red"), ("would", "wood"), ("bare", "bear"), ("made", "maid"), ("rode", "road"),
    ("threw", "through"), ("whole", "hole"), ("plain", "plane"), ("weak", "week"),
    ("our", "hour"), ("not", "knot"), ("i", "eye"),
)  # fmt: skip
OTHER = {a: b for pair in SOUND_ALIKE for a, b in (pair, pair[::-1])}
CONTENT = ("ADJ", "N", "NS", "VT", "VI", "VB")

SEEN = (
    "DET N VT DET ADJ N", "DET ADJ N VT NUM NS", "PRON MOD VB DET N ADV",
    "PRON MOD NOT VB DET ADJ N", "DET N VI PREP DET N", "DET N VT DET N PREP DET N",
    "NUM NS VI PREP DET ADJ N", "PRON MOD VB NUM ADJ NS ADV",
)  # fmt: skip
UNSEEN = ("DET ADJ N MOD VB DET N ADV", "PRON VT DET ADJ N PREP DET N")


def grammatical(sentence: str) -> bool:
    """Whether the sentence is in the language: its categories form one of the structures.

    >>> grammatical("i would hear the bear there"), grammatical("eye would hear the bear there")
    (True, False)
    """
    categories = " ".join(CATEGORY.get(word, "?") for word in sentence.split())
    return categories in SEEN + UNSEEN


def sounding_alike(said: Sequence[str], first: set[int], second: set[int]) -> list[str]:
    """The sentence, and with the words at the first, the second, and both places exchanged."""
    return [
        " ".join(OTHER[word] if i in exchanged else word for i, word in enumerate(said))
        for exchanged in (set(), first, second, first | second)
    ]


def compose(structure: str, rng: np.random.Generator) -> Draft:
    while True:
        said = [pick(rng, WORDS[category]) for category in structure.split()]
        first, second = set[int](), set[int]()
        for i, word in enumerate(said):
            if word in OTHER:
                pick(rng, (first, second)).add(i)
        hypotheses = sounding_alike(said, first, second)
        if first and second:
            break
    content = [word for word in said if CATEGORY[word] in CONTENT]
    source = SEPARATOR.join(hypotheses[i] for i in rng.permutation(len(hypotheses)))
    return Draft(source, " ".join(said), pairs(content))


HYPOTHESES = Task("hypotheses", compose, SEEN, UNSEEN, ("word", "word"))
