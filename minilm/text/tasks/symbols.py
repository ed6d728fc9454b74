"""Copy, reverse, sort: the quickest lessons. Strings of a-z, read letter by letter.

    copy       qbay -> qbay
    reverse    qbay -> yabq
    sort       qbay -> abqy

A structure is a length: 2 to 10 letters are seen, 11 and 12 are not. A combination is the letters
whatever their order: if "qbay" is held out, so is "bayq". There are 26^L strings of length L: 676
of the shortest, 1.5 · 10^14 up to 10 letters.
"""

from collections.abc import Callable
from string import ascii_lowercase

import numpy as np

from minilm.text.tasks.task import Draft, Task, pick

LENGTHS = tuple(map(str, range(2, 11)))
UNSEEN_LENGTHS = ("11", "12")


def _letters(name: str, rule: Callable[[str], str]) -> Task:
    def compose(structure: str, rng: np.random.Generator) -> Draft:
        source = "".join(pick(rng, ascii_lowercase) for _ in range(int(structure)))
        return Draft(source, rule(source), ["".join(sorted(source))])

    return Task(name, compose, LENGTHS, UNSEEN_LENGTHS)


COPY = _letters("copy", lambda source: source)
REVERSE = _letters("reverse", lambda source: source[::-1])
SORT = _letters("sort", lambda source: "".join(sorted(source)))
