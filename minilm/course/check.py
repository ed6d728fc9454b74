"""Checks of the notebooks' exercises: at once, on data the learner has not seen, with a hint.

    check("entropy_rate", entropy_rate)      ->  "Right." or what to think about next

An exercise asks for one function. Its check calls that function with data drawn from a generator,
compares the results with what they should be, and says by `want` what a wrong one suggests:

    def check_entropy_rate(entropy_rate, rng):
        chain = rng.dirichlet(np.ones(3), size=3)
        want(np.isclose(entropy_rate(chain), …), "weigh each row by how often the chain is there")

A check guards against mistakes. It can't guard against code that sets out to deceive it.
"""

import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

STRICT = "MINILM_STRICT"  # set where a wrong answer is an error: when the solutions are run


@dataclass(frozen=True)
class Exercise:
    """`name`: the function a learner writes; `task`: what it does; `check`: raises Wrong if not."""

    name: str
    task: str
    check: Callable[[Callable[..., Any], np.random.Generator], None]
    points: int = 1


@dataclass(frozen=True)
class Verdict:
    """What became of an answer: `state` is "right", "wrong" or "blank"; `hint` says more.

    It counts as true if the answer is right: `if check(...): draw(...)`.
    """

    name: str
    state: str
    hint: str

    def __bool__(self) -> bool:
        return self.state == "right"

    def _ipython_display_(self) -> None:
        """Nothing below a cell that ends in `check(...)`: it has been printed."""


class Wrong(Exception):
    """The answer is not right; the message is a hint."""


class Blank(Exception):
    """The answer has not been written yet."""


def want(condition: object, hint: str) -> None:
    """Raise Wrong(hint) unless the condition holds."""
    if not condition:
        raise Wrong(hint)


def verdict(exercise: Exercise, answer: object, seed: int = 0) -> Verdict:
    """The verdict on an answer; whatever the answer does or raises, this returns.

    The same seed draws the same data. An answer that returns nothing, or `...`, is blank.
    """
    if answer is None or answer is ...:
        return Verdict(exercise.name, "blank", "not answered yet")
    if not callable(answer):
        hint = f"{exercise.name} should be a function, but is {type(answer).__name__}"
        return Verdict(exercise.name, "wrong", hint)

    def asked(*arguments: Any, **options: Any) -> Any:
        given = answer(*arguments, **options)
        if given is None or given is ...:
            raise Blank
        return given

    rng = np.random.default_rng([seed, zlib.crc32(exercise.name.encode())])
    try:
        exercise.check(asked, rng)
    except Blank:
        return Verdict(exercise.name, "blank", "not answered yet: the function returns nothing")
    except Wrong as hint:
        return Verdict(exercise.name, "wrong", str(hint))
    except Exception as error:  # the learner's code may raise anything
        return Verdict(exercise.name, "wrong", f"it raised {type(error).__name__}: {error}")
    return Verdict(exercise.name, "right", "")


def check(name: str, answer: object) -> Verdict:
    """Say whether the answer to the exercise `name` is right, and if not, a hint.

    ValueError if there is no such exercise.
    """
    from minilm.course.exercises import EXERCISES  # it holds what this page defines

    if name not in EXERCISES:
        raise ValueError(f"name: there is no exercise {name!r}; there are {', '.join(EXERCISES)}")
    given = verdict(EXERCISES[name], answer)
    said = {"right": "✓ Right.", "wrong": f"✗ Not yet: {given.hint}", "blank": f"… {given.hint}"}
    print(f"{name}: {said[given.state]}")
    if os.environ.get(STRICT) and not given:
        raise Wrong(f"{name}: {given.hint}")
    return given
