"""Question answering: a passage of short sentences, a question at its end, a one-word answer.

    Anna went to the kitchen . Anna took the ball . Anna went to the garden . where is the ball ?
    garden

The world is simulated. Who goes somewhere takes along what he holds; a thing that is given changes
its holder, one that is put down stays where it is. Four questions: where somebody is, where a thing
is, who has a thing (nobody, if it lies somewhere), where somebody was before.

A structure is a script, with letters for people, digits for places and x, y for things:

    a>1  a went to place 1     a+x  a took x     a-x  a put x down     a*x*b   a gave x to b
    ?a   where is a ?          ?x   where is x ?     !x  who has x ?   <a  where was a before ?

Three scripts are never trained. A combination is two of the passage's people, places and things.
With 12 names, 10 places and 10 things even the smallest script, a>1 b>2 ?a, has 11,880 passages.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from minilm.text.tasks.task import Draft, Task, pairs, pick_several

NAMES = (
    "Anna", "Ben", "Carl", "Dora", "Emma", "Frank", "Grace", "Henry", "Ida", "Jack", "Kate", "Leo",
)  # fmt: skip
PLACES = (
    "kitchen", "garden", "hall", "cellar", "library", "garage", "school", "office", "barn", "park",
)  # fmt: skip
THINGS = ("ball", "book", "key", "lamp", "hat", "cup", "map", "coin", "pen", "bag")
NOBODY = "nobody"

SEEN = (
    "a>1 b>2 ?a", "a>1 b>2 ?b", "a>1 b>2 a>3 ?a", "a>1 b>2 a>3 ?b", "a>1 a>2 b>3 <a",
    "a>1 a>2 a>3 <a", "a>1 a+x a>2 ?x", "a>1 b>2 a+x ?x", "a>1 b>2 b+x b>3 ?x",
    "a>1 a+x a>2 a-x a>3 ?x", "a>1 a+x a-x a>2 ?x", "a>1 b>1 a+x a*x*b ?x", "a>1 b>1 a+x a*x*b !x",
    "a>1 b>1 b+x b*x*a !x", "a>1 a+x b>2 !x", "a>1 a+x b>2 a-x !x", "a>1 b>2 a+x b+y !x",
    "a>1 b>2 a+x b+y !y", "a>1 b>2 a+x b+y ?x", "a>1 b>1 a+x a*x*b a>2 ?x",
)  # fmt: skip
UNSEEN = ("a>1 b>1 a+x a*x*b b>2 ?x", "a>1 a+x a>2 a-x !x", "a>1 b>2 a+x b>3 b+y ?y")


def tell(script: str, names: Mapping[str, str]) -> str:
    """The passage and the question, in words.

    >>> tell("a>1 a+x ?x", {"a": "Anna", "1": "hall", "x": "key"})
    'Anna went to the hall . Anna took the key . where is the key ?'
    """
    *events, question = script.split()
    told = []
    for event in events:
        a, act, b = names[event[0]], event[1], names[event[2]]
        told.append({
            ">": f"{a} went to the {b} .",
            "+": f"{a} took the {b} .",
            "-": f"{a} put down the {b} .",
            "*": f"{a} gave the {b} to {names[event[-1]]} .",
        }[act])  # fmt: skip
    kind, letter = question[0], question[1]
    asked = names[letter] if letter in "ab" else f"the {names[letter]}"
    told.append({
        "?": f"where is {asked} ?", "!": f"who has {asked} ?", "<": f"where was {asked} before ?"
    }[kind])  # fmt: skip
    return " ".join(told)


def solve(script: str) -> str:
    """The letter or digit of the answer: the script's events, run in a small world.

    >>> solve("a>1 a+x a>2 ?x"), solve("a>1 b>1 a+x a*x*b !x"), solve("a>1 a>2 <a")
    ('2', 'b', '1')
    """
    been: dict[str, list[str]] = {}  # person -> places in order
    holder: dict[str, str] = {}
    lies: dict[str, str] = {}  # thing put down -> place
    *events, question = script.split()
    for event in events:
        a, act, b = event[0], event[1], event[2]
        if act == ">":
            been.setdefault(a, []).append(b)
        elif act == "+":
            holder[b] = a
        elif act == "-":
            del holder[b]
            lies[b] = been[a][-1]
        else:
            holder[b] = event[-1]
    kind, asked = question[0], question[1]
    if kind == "!":
        return holder.get(asked, NOBODY)
    if kind == "<":
        return been[asked][-2]
    if asked in been:
        return been[asked][-1]
    return been[holder[asked]][-1] if asked in holder else lies[asked]


def compose(structure: str, rng: np.random.Generator) -> Draft:
    roles: Sequence[tuple[str, Sequence[str]]] = (("ab", NAMES), ("123", PLACES), ("xy", THINGS))
    names: dict[str, str] = {}
    for letters, options in roles:
        used = [letter for letter in letters if letter in structure]
        names |= zip(used, pick_several(rng, options, len(used)), strict=True)
    answer = solve(structure)
    return Draft(tell(structure, names), names.get(answer, answer), pairs(names.values()))


QUESTIONS = Task("questions", compose, SEEN, UNSEEN, ("word", "word"))
