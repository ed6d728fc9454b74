"""Sentences with topics: one half to calibrate with, the other to be scored.

    cooking<TAB>Fry the onions slowly until they are soft and golden.

What is chosen by looking at sentences cannot be judged by them, so each topic's first, third, …
sentence calibrates, and its second, fourth, … is scored. A *draw* is a random half of those that
calibrate, of every topic alike: what a method makes of several draws tells how far its result
depends on the sentences that it happened to be given.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np


class Sentence(NamedTuple):
    """One line: what it is about, and what it says."""

    topic: str
    text: str


def read_sentences(path: str | Path) -> list[Sentence]:
    """The lines of a file, in their order. ValueError for a line without its tab, or none at all.
    """
    sentences = []
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), 1):
        topic, tab, text = line.partition("\t")
        if not (topic and tab and text):
            raise ValueError(f"{path}, line {number}: must be a topic, a tab and a sentence, "
                             f"got {line[:60]!r}")
        sentences.append(Sentence(topic, text))
    if not sentences:
        raise ValueError(f"{path} must hold sentences, it is empty")
    return sentences


def halves(sentences: Sequence[Sentence]) -> tuple[list[Sentence], list[Sentence]]:
    """(those that calibrate, those that are scored), by turns in each topic.

    ValueError for a text that would be in both.
    """
    parts: tuple[list[Sentence], list[Sentence]] = [], []
    met: dict[str, int] = {}
    for sentence in sentences:
        turn = met.get(sentence.topic, 0)
        met[sentence.topic] = turn + 1
        parts[turn % 2].append(sentence)
    both = {s.text for s in parts[0]} & {s.text for s in parts[1]}
    if both:
        raise ValueError("no sentence may calibrate and be scored too, got twice "
                         f"{min(both)[:60]!r}")
    return parts


def draw(sentences: Sequence[Sentence], seed: int) -> list[Sentence]:
    """A random half of each topic's sentences, in their order."""
    rng = np.random.default_rng(seed)
    topics: dict[str, list[int]] = {}
    for i, sentence in enumerate(sentences):
        topics.setdefault(sentence.topic, []).append(i)
    taken = [i for own in topics.values() for i in rng.permutation(own)[: (len(own) + 1) // 2]]
    return [sentences[i] for i in sorted(taken)]
