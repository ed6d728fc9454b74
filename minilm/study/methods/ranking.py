"""In the order of damage: places, ties, and what no other method undercuts.

    damage     loss above the float model of the same seed, nats; mean, lowest and highest of seeds
    place      1 + the methods of the same amount whose highest damage is below this one's lowest

Two methods tie where their ranges over the seeds overlap; so several may have one place, and a
difference that one seed could turn around moves nobody down.

Further training lessens the loss by itself. So what trains stands against what does not only beside
its control: the float model, trained as long.
"""

from collections.abc import Iterable, Mapping, Sequence
from string import ascii_letters
from typing import Any, NamedTuple

import numpy as np

from minilm.study.methods.comparisons import QUANTIZATION, Comparison
from minilm.study.methods.kinds import TRAINING_KINDS

Row = Mapping[str, Any]  # of results.csv: strings, or numbers

DAMAGE = "loss_above_float"
WITHOUT, WITH = "without training", "with training"


class Entry(NamedTuple):
    """A method on one model, asked for an amount: of bits, or what else its comparison counts.

    damage: by seed; values: means of other columns. whole: whether the weights are all there, in
    float.
    """

    model: str
    method: str
    kind: str
    amount: int
    damage: tuple[float, ...]
    values: dict[str, float]
    note: str
    whole: bool

    @property
    def mean(self) -> float:
        return float(np.mean(self.damage))

    @property
    def spread(self) -> float:
        """Half the distance from the lowest to the highest."""
        return (max(self.damage) - min(self.damage)) / 2


NUMBERS = (
    "loss", "bits_per_weight", "file_bytes", "memory_bytes", "sqnr_db", "inference_time",
    "make_seconds", "density", "coded_bytes",
)  # fmt: skip


def entries(rows: Iterable[Row], comparison: Comparison = QUANTIZATION) -> list[Entry]:
    """What was measured, seeds together, in the order of the rows; what was refused has none."""
    grouped: dict[tuple[str, str, str, int], list[Row]] = {}
    for row in rows:
        if row.get(DAMAGE) not in (None, ""):
            key = (row["model"], row["method"], row["kind"], int(row[comparison.amount]))
            grouped.setdefault(key, []).append(row)
    for seeds in grouped.values():
        seeds.sort(key=lambda row: int(row["seed"]))
    found = []
    for key, seeds in grouped.items():
        values = means(seeds)
        found.append(Entry(
            *key, tuple(float(row[DAMAGE]) for row in seeds), values,
            str(seeds[0].get("note") or ""), comparison.whole(key[-1], values["bits_per_weight"]),
        ))  # fmt: skip
    return found


def refusals(rows: Iterable[Row]) -> list[tuple[str, str, str]]:
    """(model, method, reason) of each method that a model has no place for."""
    found = {
        (row["model"], row["method"], str(row["note"]))
        for row in rows
        if row.get(DAMAGE) in (None, "") and row.get("note")
    }
    return sorted(found)


def means(seeds: Sequence[Row]) -> dict[str, float]:
    """The mean over seeds of each column that has numbers."""
    return {
        name: float(np.mean([float(row[name]) for row in seeds]))
        for name in NUMBERS
        if all(row.get(name) not in (None, "") for row in seeds)
    }


def places(compared: Sequence[Entry]) -> dict[str, int]:
    """{method: place} among entries of one model and amount."""
    return {
        one.method: 1 + sum(max(other.damage) < min(one.damage) for other in compared)
        for one in compared
    }


def at(found: Iterable[Entry], model: str, amount: int) -> list[Entry]:
    """The entries of one model and amount, the least damage first."""
    own = (e for e in found if (e.model, e.amount) == (model, amount))
    return sorted(own, key=lambda e: e.mean)


def amounts(found: Iterable[Entry], comparison: Comparison = QUANTIZATION) -> list[int]:
    """The amounts there are, from what leaves most of a model."""
    return sorted({entry.amount for entry in found}, reverse=comparison.falling)


def models_of(found: Iterable[Entry]) -> list[str]:
    return list(dict.fromkeys(entry.model for entry in found))


def order_of_damage(found: Sequence[Entry], amount: int) -> list[str]:
    """The methods at one amount by the sum of their mean damage over the models.

    Those that a model has no place for come by what they cost the others.
    """
    total: dict[str, list[float]] = {}
    for entry in found:
        if entry.amount == amount:
            total.setdefault(entry.method, []).append(entry.mean)
    return sorted(total, key=lambda method: float(np.mean(total[method])))


def compressing(found: Iterable[Entry]) -> list[Entry]:
    """Those that make the weights smaller, which alone stand in one order."""
    return [e for e in found if not e.whole]


def leaving_float(found: Iterable[Entry]) -> list[Entry]:
    """The others: controls, gradients, optimizer states, caches, masks, a table alone."""
    return [e for e in found if e.whole]


def by_training(found: Iterable[Entry]) -> dict[str, list[Entry]]:
    """Those that leave the trained model as it is, and those that train."""
    parts: dict[str, list[Entry]] = {WITHOUT: [], WITH: []}
    for entry in found:
        parts[WITH if entry.kind in TRAINING_KINDS else WITHOUT].append(entry)
    return parts


def above(entry: Entry, control: Entry) -> Entry:
    """The same with the control's damage counted off, seed by seed."""
    pairs = zip(entry.damage, control.damage, strict=True)
    return entry._replace(damage=tuple(own - other for own, other in pairs))


def marked_fronts(own: Iterable[Entry]) -> dict[str, list[tuple[str, Entry]]]:
    """Both Pareto fronts of one model: numbers mark what does not train, letters what does."""
    parts = by_training(own)
    numbers = (str(number) for number in range(1, len(parts[WITHOUT]) + 1))
    fronts = {name: pareto_front(part) for name, part in parts.items()}
    return {
        WITHOUT: list(zip(numbers, fronts[WITHOUT], strict=False)),
        WITH: list(zip(ascii_letters, fronts[WITH], strict=False)),
    }


def pareto_front(found: Iterable[Entry]) -> list[Entry]:
    """Those that no other undercuts in both true bits and mean damage, by rising bits."""
    front: list[Entry] = []
    for entry in sorted(found, key=lambda e: (e.values["bits_per_weight"], e.mean)):
        if not front or entry.mean < front[-1].mean:
            front.append(entry)
    return front
