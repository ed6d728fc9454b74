"""A task: pairs (source, target) where the target follows from the source by a rule that is known.

So 100 % is attainable, and what a model lacks is its own fault. Two splits, both by construction:

    train       structures seen,   every combination of content words seen
    test        structures seen,   at least one combination that training never shows
    structure   structures unseen, and at least one such combination too

A *combination* is a piece of content, such as "book red" or "1987-03-17". Its spelling decides
once and for all whether it is held out (one in twenty is), so no seed and no n can carry a
combination from test into training. The last two parts differ in their structures alone.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from itertools import combinations
from typing import NamedTuple, TypeVar

import numpy as np

PARTS = ("train", "test", "structure")
ONE_IN = 20  # of this many combinations, one is held out
PATIENCE = 1000  # draws in vain after which a structure counts as used up

Option = TypeVar("Option")


class Example(NamedTuple):
    source: str
    target: str


class Draft(NamedTuple):
    """What a grammar writes: an example, and the combinations of content words in it."""

    source: str
    target: str
    combinations: Sequence[str]


@dataclass(frozen=True)
class Task:
    """compose(structure, rng) writes one Draft of that structure; the rest is the same for all."""

    name: str
    compose: Callable[[str, np.random.Generator], Draft]
    structures: tuple[str, ...]
    unseen_structures: tuple[str, ...]
    tokenizers: tuple[str, str] = ("char", "char")  # what suits source and target, in TOKENIZERS

    def examples(self, n: int, seed: int, part: str = "train") -> list[Example]:
        """n examples with n different sources, in random order; every structure is as frequent.

        (Until it is used up: a structure stops when PATIENCE draws in a row bring nothing new.)
        More of the same seed begins with the same: examples(n, seed) == examples(m, seed)[:n] for
        n <= m. ValueError for a part not in PARTS, n < 0, a negative seed, n beyond what there is.

        >>> from minilm.text.tasks import TASKS
        >>> TASKS["reverse"].examples(1, seed=0)
        [Example(source='hbavxps', target='spxvabh')]
        """
        if part not in PARTS:
            raise ValueError(f"part: must be one of {', '.join(PARTS)}, got {part!r}")
        for name, value in (("n", n), ("seed", seed)):
            if isinstance(value, bool) or not isinstance(value, int | np.integer):
                raise TypeError(f"{name}: must be an int, got {value!r}")
            if value < 0:
                raise ValueError(f"{name}: must be at least 0, got {value}")
        rng = np.random.default_rng(seed)
        left = list(self.unseen_structures if part == "structure" else self.structures)
        found: dict[str, Example] = {}
        while len(found) < n:
            if not left:
                raise ValueError(
                    f"n: {n} asked for, but only {len(found)} different sources were found "
                    f"in part {part!r} of task {self.name!r}"
                )
            structure = pick(rng, left)
            for _ in range(PATIENCE):
                source, target, content = self.compose(structure, rng)
                if source not in found and any(map(held_out, content)) == (part != "train"):
                    found[source] = Example(source, target)
                    break
            else:
                left.remove(structure)
        return list(found.values())


@lru_cache(maxsize=2**16)
def held_out(combination: str) -> bool:
    """Whether training never shows this combination: its digest is a multiple of ONE_IN.

    Python's own hash differs from one run to the next; this one never does.
    """
    digest = blake2b(combination.encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") % ONE_IN == 0


def pairs(words: Iterable[str]) -> list[str]:
    """Every two of the words as one combination, whatever their order.

    A sentence is then for testing if some two of its words never meet in training. No training
    sentence contains all words of such a sentence, not even among others.

    >>> pairs(["book", "read", "book", "old"])
    ['book old', 'book read', 'old read']
    """
    return [f"{a} {b}" for a, b in combinations(sorted(set(words)), 2)]


def pick(rng: np.random.Generator, options: Sequence[Option]) -> Option:
    """One of the options, each with the same probability (rng.choice takes 50 times longer)."""
    return options[int(rng.random() * len(options))]


def pick_several(rng: np.random.Generator, options: Sequence[Option], n: int) -> list[Option]:
    """n different ones of the options, in random order."""
    return [options[i] for i in rng.permutation(len(options))[:n]]
