"""Addition of two numbers of one to four digits, read digit by digit: 27+145 -> 172.

A structure says how many digits the numbers have, "2+3" for the line above; "2+4" and "4+2" are
never seen. A combination is the two numbers whatever their order: if 27+145 is held out, so is
145+27. There are 10,000² = 100,000,000 sums, 1,620,000 of them of the unseen structures.
"""

import numpy as np

from minilm.text.tasks.task import Draft, Task

UNSEEN = ("2+4", "4+2")
SEEN = tuple(
    f"{a}+{b}" for a in range(1, 5) for b in range(1, 5) if f"{a}+{b}" not in UNSEEN
)


def _number(digits: int, rng: np.random.Generator) -> int:
    return int(rng.integers(10 ** (digits - 1) if digits > 1 else 0, 10**digits))


def compose(structure: str, rng: np.random.Generator) -> Draft:
    a, b = (_number(int(digits), rng) for digits in structure.split("+"))
    return Draft(f"{a}+{b}", str(a + b), [f"{min(a, b)}+{max(a, b)}"])


ADDITION = Task("addition", compose, SEEN, UNSEEN)
