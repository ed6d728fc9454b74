"""Analogies: Athens is to Greece as Baghdad is to what?

    a : b = c : ?       the word of highest cosine with b − a + c, of unit vectors, but a, b, c

Mikolov et al. 2013a asked 19,544 of these. Their file, questions-words.txt, has sections:

    : capital-common-countries
    Athens Greece Baghdad Iraq
"""

import os
from collections import defaultdict
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from minilm.embeddings.line_sentence import numbered_lines
from minilm.embeddings.table_rows import rows_at_once
from minilm.embeddings.word_pairs import known_rows, spelling
from minilm.types import Array

if TYPE_CHECKING:
    from minilm.embeddings.keyed_vectors import KeyedVectors

Question: TypeAlias = tuple[str, ...]  # a, b, c and what is expected


def word_analogies(
    wv: "KeyedVectors",
    analogies: str | os.PathLike[str],
    *,
    restrict_vocab: int | None = 300_000,
    case_insensitive: bool = True,
    dummy4unknown: bool = False,
) -> tuple[float, list[dict[str, Any]]]:
    """See `KeyedVectors.evaluate_word_analogies`."""
    words = [spelling(word, case_insensitive) for word in wv.index_to_key[:restrict_vocab]]
    known = known_rows(words, case_insensitive=False)
    sections = [
        (name, [tuple(spelling(word, case_insensitive) for word in line) for line in lines])
        for name, lines in read_analogies(analogies)
    ]
    asked = [q for _, lines in sections for q in lines if all(word in known for word in q)]
    # by question: is the answer right? Of unknown words it is wrong, or there is none
    verdict = dict(zip(asked, right_answers(wv, asked, words, known), strict=True))
    otherwise = False if dummy4unknown else None
    results: list[dict[str, Any]] = [
        {
            "section": name,
            "correct": [q for q in lines if verdict.get(q, otherwise)],
            "incorrect": [q for q in lines if verdict.get(q, otherwise) is False],
        }
        for name, lines in sections
    ]
    total = {
        kind: [question for result in results for question in result[kind]]
        for kind in ("correct", "incorrect")
    }
    correct, count = len(total["correct"]), sum(map(len, total.values()))
    return correct / count if count else 0.0, [*results, {"section": "Total accuracy", **total}]


def right_answers(
    wv: "KeyedVectors", questions: list[Question], words: list[str], known: dict[str, int]
) -> list[bool]:
    """Is the expected word found, for each question of known words?

    words: the spelling of each row; known: the first row of each spelling.
    """
    alike = defaultdict(list)
    for row, word in enumerate(words):
        alike[word].append(row)
    right: list[bool] = []
    step = rows_at_once(len(words))
    for start in range(0, len(questions), step):
        part = questions[start : start + step]
        rows = np.array([[known[word] for word in question] for question in part])
        cosine = wv.cosines(offset(wv, rows), len(words))
        for scores, question in zip(cosine, part, strict=True):
            scores[[row for word in question[:3] for row in alike[word]]] = -np.inf
        best = cosine.argmax(axis=1)
        some = np.isfinite(cosine.max(axis=1))  # is there any word but a, b, c?
        right += [
            bool(ok) and words[i] == question[3]
            for i, ok, question in zip(best, some, part, strict=True)
        ]
    return right


def offset(wv: "KeyedVectors", rows: Array) -> Array:
    """b − a + c of unit vectors: rows (n, 4) -> (n, D)."""
    a, b, c = (wv.unit_vectors(rows[:, side]) for side in range(3))
    return b - a + c


def read_analogies(path: str | os.PathLike[str]) -> list[tuple[str, list[list[str]]]]:
    """(section, its lines of four words), in the file's order.

    Raises ValueError naming the line for one of another form, not UTF-8, or before any section.
    """
    sections: list[tuple[str, list[list[str]]]] = []
    for number, line in numbered_lines(path):
        words = line.split()
        if line.startswith(":"):
            sections.append((line[1:].strip(), []))
        elif words and not sections:
            raise ValueError(f"{path}, line {number}: no section (': name') before {line!r}")
        elif words:
            if len(words) != 4:
                raise ValueError(f"{path}, line {number}: must be four words, got {line!r}")
            sections[-1][1].append(words)
    if not any(lines for _, lines in sections):
        raise ValueError(f"{path} must hold at least one question, got none")
    return sections
