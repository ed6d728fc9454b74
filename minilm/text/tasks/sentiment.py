"""Sentiment of a review: the scope of "not" decides, and a known share of the labels is wrong.

    The plot was dull but the music was not bad.         positive
    The plot was not bad but the music was dull.         negative, with the very same words

The rules. A clause "the A was X" has the sign of X; "was not X" the other one; and "I do not think
that the A was X" too, but its "not" reaches no further than the first clause. The sentence has the
sign of its clauses if they agree (and), of the last if they do not (but), and with "although" of
the clause that "although" does not begin.

Then each label is flipped with probability p, independently. So no classifier is right more often
than 1 − p, which the rules reach: that is Bayes accuracy, exactly. On a finite sample it wavers by
√(p(1 − p)/n); with a = accuracy on true labels (noise=0), (1 − p) a + p (1 − a) has no such error.

Why no bag of words gets there. A classifier that sees only which words a sentence has, and how
often, must answer the same for a sentence and for its *twin*: the same words with another sign.
bag_twin builds it: swap the two clauses of a "but" or "although"; move the "not" of an "and". Twins
are equally likely and in the same part (their content words are the same), so on sentences with
twins every such classifier, linear or not, is right exactly half of the time:

    accuracy of a bag of words <= t · ½ + (1 − t) · (1 − p),    t = share of structures with twins

A structure is such a pattern; two are never trained. A combination is two of the sentence's nouns
and adjectives. There are 2,532,480 sentences of the ten trained structures, 1,556,480 of the two.
"""

import re
from typing import NamedTuple

import numpy as np

from minilm.text.tasks.task import Draft, Task, pairs, pick, pick_several

LABELS = ("negative", "positive")
ASPECTS = (
    "acting", "plot", "music", "script", "ending", "opening", "story", "cast", "dialogue",
    "scenery", "lighting", "photography", "editing", "title", "pace", "humour", "direction",
    "sound", "hero", "villain",
)  # fmt: skip
GOOD = (
    "good", "great", "wonderful", "lovely", "excellent", "pleasant", "charming", "impressive",
    "enjoyable", "memorable", "remarkable", "superb", "delightful", "perfect", "clever", "splendid",
)  # fmt: skip
BAD = (
    "bad", "terrible", "awful", "horrible", "poor", "annoying", "dull", "disappointing", "boring",
    "forgettable", "mediocre", "dreadful", "weak", "flawed", "stupid", "silly",
)  # fmt: skip
SIGN = dict.fromkeys(GOOD, 1) | dict.fromkeys(BAD, -1)
CLAUSE = re.compile(r"(?<=he )(?P<aspect>\w+) was (?P<denied>not )?(?P<adjective>\w+)")  # the, The


class Pattern(NamedTuple):
    """form: with {0} and {1} for clauses; agree: whether these have the same sign (None: one)."""

    form: str
    agree: bool | None
    denials: tuple[tuple[bool, ...], ...]  # in which clauses "not" stands: one is picked
    outer: bool = False  # whether the form itself denies its first clause
    twins: bool = False


ONE_NOT = ((True, False), (False, True))
ANY_NOT = ((False, False), *ONE_NOT, (True, True))
PATTERNS = {
    "plain": Pattern("The {0}.", None, ((False,),)),
    "not": Pattern("The {0}.", None, ((True,),)),
    "think": Pattern("I think that the {0}.", None, ((False,), (True,))),
    "think not": Pattern("I do not think that the {0}.", None, ((False,),), outer=True),
    "and": Pattern("The {0} and the {1}.", True, ((False, False),)),
    "and not": Pattern("The {0} and the {1}.", True, ONE_NOT, twins=True),
    "do think": Pattern(
        "I do think that the {0}, and the {1}.", True, ((False, True),), twins=True
    ),
    "do not think": Pattern(
        "I do not think that the {0}, and the {1}.", True, ((False, False),), True, twins=True
    ),
    "but": Pattern("The {0} but the {1}.", False, ANY_NOT, twins=True),
    "although": Pattern("Although the {0}, the {1}.", False, ANY_NOT, twins=True),
    "although last": Pattern("The {0}, although the {1}.", False, ANY_NOT, twins=True),
    "think but": Pattern("I think that the {0} but the {1}.", False, ANY_NOT, twins=True),
}  # fmt: skip
UNSEEN = ("although last", "think but")
SEEN = tuple(name for name in PATTERNS if name not in UNSEEN)


def sentiment_of(sentence: str) -> str:
    """The true label of a sentence of this task, by the rules above.

    >>> sentiment_of("I do not think that the plot was dull, and the music was good.")
    'positive'
    >>> sentiment_of("The plot was good, although the music was dull.")
    'positive'
    """
    signs = []
    for clause in CLAUSE.finditer(sentence):
        if clause["adjective"] not in SIGN:
            raise ValueError(f"sentence: {clause['adjective']!r} is not an adjective of this task")
        signs.append(-SIGN[clause["adjective"]] if clause["denied"] else SIGN[clause["adjective"]])
    if not signs:
        raise ValueError(f"sentence: has no clause 'the … was …': {sentence!r}")
    if sentence.startswith("I do not think"):
        signs[0] = -signs[0]
    return LABELS[(signs[0] if ", although" in sentence else signs[-1]) > 0]


def bag_twin(sentence: str) -> str | None:
    """The sentence with the same words and the other sentiment; None where there is none.

    >>> bag_twin("The plot was not bad and the music was good.")
    'The plot was bad and the music was not good.'
    >>> bag_twin("I do not think that the plot was dull, and the music was good.")
    'I do think that the plot was dull, and the music was not good.'
    """
    clauses = [clause.group() for clause in CLAUSE.finditer(sentence)]
    if len(clauses) < 2:
        return None
    first, last = clauses
    if " and " not in sentence:
        return sentence.replace(first, "\0").replace(last, first).replace("\0", last)
    if sentence.count(" not ") != 1:
        return None
    if " not " in last:
        moved = sentence.replace(last, last.replace(" not ", " "))
        return moved.replace("I do ", "I do not ") if " do " in sentence else moved.replace(
            first, first.replace(" was ", " was not ")
        )  # fmt: skip
    moved = sentence.replace(" not ", " ", 1)
    return moved.replace(last, last.replace(" was ", " was not "))


def bag_of_words_ceiling(noise: float, part: str = "train") -> float:
    """The most that any function of the bag of words can be right, by the argument above.

    All structures are as frequent while none is used up. Those that are used up first (640 or 1,280
    sentences, 42 or 84 of them for testing) have one clause and no twin: the ceiling only falls.
    """
    _check(noise)
    names = UNSEEN if part == "structure" else SEEN
    share = sum(PATTERNS[name].twins for name in names) / len(names)
    return share / 2 + (1 - share) * (1 - noise)


def _compose(structure: str, rng: np.random.Generator) -> tuple[str, list[str]]:
    """A sentence and its content words."""
    form, agree, denials, outer, _ = PATTERNS[structure]
    denied = pick(rng, denials)
    aspects = pick_several(rng, ASPECTS, len(denied))
    first = pick(rng, (-1, 1))
    signs = [first] if agree is None else [first, first if agree else -first]
    clauses, adjectives = [], []
    for i, (aspect, sign, not_) in enumerate(zip(aspects, signs, denied, strict=True)):
        flips = not_ != (outer and i == 0)
        adjective = pick(rng, GOOD if (sign > 0) != flips else BAD)
        clauses.append(f"{aspect} was {'not ' * not_}{adjective}")
        adjectives.append(adjective)
    return form.format(*clauses), [*aspects, *adjectives]


def _check(noise: float) -> None:
    if not 0 <= noise < 0.5:
        raise ValueError(f"noise: must be at least 0 and below 0.5, got {noise!r}")


def sentiment(noise: float = 0.1) -> Task:
    """The task with labels wrong at this rate: Bayes accuracy is 1 − noise."""
    _check(noise)

    def compose(structure: str, rng: np.random.Generator) -> Draft:
        sentence, content = _compose(structure, rng)
        label = sentiment_of(sentence)
        if rng.random() < noise:
            label = LABELS[label == "negative"]
        return Draft(sentence, label, pairs(content))

    return Task("sentiment", compose, SEEN, UNSEEN, ("word", "word"))


SENTIMENT = sentiment()
