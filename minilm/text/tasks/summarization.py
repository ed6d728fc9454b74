"""Summarization: an event log -> the sentence that keeps the k most important events, in order.

    keep 2 : at 7 Anna drank tea ; at 9 Ben saw a fire ; at 11 in the hall Carl broke a window .
    Ben saw a fire and Carl broke a window .

The rule. ACTIONS lists what can happen from the most to the least important; no log has an action
twice, so importance never ties. The first number says how many events to keep. They come in the
order of the log, without hour and place, joined by commas and a last "and".

A structure is how many of how many: "2 of 4". Two are never trained, each with a k and a length
that are. A combination is who did what: "Anna broke a window" is held out, whole. With 16 people
and 16 actions logs of two events alone are 572 million.
"""

import numpy as np

from minilm.text.tasks.task import Draft, Task, pick, pick_several

ACTIONS = (  # the most important first
    "called an ambulance", "saw a fire", "smelled gas", "caught a thief", "crashed the car",
    "broke a window", "lost the keys", "missed the train", "found a wallet", "sold the piano",
    "painted the fence", "baked a cake", "watered the flowers", "read a novel", "fed the cat",
    "drank tea",
)  # fmt: skip
IMPORTANCE = {action: len(ACTIONS) - i for i, action in enumerate(ACTIONS)}
NAMES = (
    "Anna", "Ben", "Carl", "Dora", "Emma", "Frank", "Grace", "Henry", "Ida", "Jack", "Kate",
    "Leo", "Mary", "Nick", "Olga", "Paul",
)  # fmt: skip
PLACES = ("", "", "in the hall ", "in the street ", "at the office ", "at home ", "near the river ")

UNSEEN = ("2 of 4", "1 of 5")
SEEN = tuple(
    f"{k} of {n}" for n in range(2, 7) for k in range(1, min(n, 4)) if f"{k} of {n}" not in UNSEEN
)


def listed(events: list[str]) -> str:
    """
    >>> listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])
    ('a', 'a and b', 'a , b and c')
    """
    *others, last = events
    return f"{' , '.join(others)} and {last}" if others else last


def summary(events: list[tuple[str, str]], k: int) -> str:
    """(name, action) in the order of the log -> the k with the most important actions.

    >>> summary([("Anna", "drank tea"), ("Ben", "saw a fire")], k=1)
    'Ben saw a fire .'
    """
    if not 1 <= k <= len(events):
        raise ValueError(f"k: must be from 1 to {len(events)}, the number of events, got {k}")
    least = sorted(IMPORTANCE[action] for _, action in events)[-k]
    kept = [f"{name} {action}" for name, action in events if IMPORTANCE[action] >= least]
    return f"{listed(kept)} ."


def compose(structure: str, rng: np.random.Generator) -> Draft:
    k, n = (int(number) for number in structure.split(" of "))
    names, actions = pick_several(rng, NAMES, n), pick_several(rng, ACTIONS, n)
    hours = sorted(pick_several(rng, range(1, 25), n))
    events = list(zip(names, actions, strict=True))
    lines = [
        f"at {hour} {pick(rng, PLACES)}{name} {action}"
        for hour, (name, action) in zip(hours, events, strict=True)
    ]
    source = f"keep {k} : {' ; '.join(lines)} ."
    return Draft(source, summary(events, k), [f"{name} {action}" for name, action in events])


SUMMARIZATION = Task("summarization", compose, SEEN, UNSEEN, ("word", "word"))
