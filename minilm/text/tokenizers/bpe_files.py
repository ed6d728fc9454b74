"""vocab.json and merges.txt: a byte-pair vocabulary as GPT-2 keeps it on disk.

    vocab.json   {"!": 0, "\\"": 1, …, "Ġthe": 262, …}     token -> number, 0..V-1 each once
    merges.txt   #version: 0.2
                 Ġ t                                       one merge a line, in the order learned
                 h e

A line that cannot be meant is refused with its number: a merge misread is text encoded wrongly,
and no later step would notice.
"""

import json
from collections.abc import Container, Sequence
from pathlib import Path

from minilm.text.tokenizers.json_files import by_number, read_json
from minilm.text.tokenizers.text_files import read_text, write_text

VERSION = "#version:"  # how the first line begins; "#" alone could be the first half of a merge


def read_vocabulary(path: Path) -> tuple[str, ...]:
    """The tokens in the order of their numbers."""
    numbers = read_json(path)
    if not isinstance(numbers, dict):
        raise ValueError(f"{str(path)!r}: must be one JSON object, of tokens and their numbers")
    return by_number(numbers, repr(str(path)))


def read_merges(path: Path, vocabulary: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """The merges in order. Every token in them must be in the vocabulary."""
    tokens = set(vocabulary)
    line_of: dict[tuple[str, str], int] = {}
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line or (number == 1 and line.startswith(VERSION)):
            continue
        where = f"{str(path)!r}, line {number}"
        parts = line.split(" ")
        if len(parts) != 2 or not all(parts):
            raise ValueError(f"{where}: must be two tokens with a space between, got {line!r}")
        pair = parts[0], parts[1]
        check_merge(pair, tokens, where)
        if pair in line_of:
            raise ValueError(f"{where}: the merge {line!r} stands in line {line_of[pair]} already")
        line_of[pair] = number
    return tuple(line_of)


def check_merge(pair: tuple[str, str], vocabulary: Container[str], where: str) -> None:
    """Both parts and what they make must be tokens."""
    for token in (*pair, "".join(pair)):
        if token not in vocabulary:
            raise ValueError(
                f"{where}: the merge {' '.join(pair)!r} needs {token!r}, "
                "which is not in the vocabulary"
            )


def write_files(
    folder: Path, vocabulary: Sequence[str], merges: Sequence[tuple[str, str]]
) -> None:
    ids = {token: number for number, token in enumerate(vocabulary)}
    lines = [f"{VERSION} 0.2", *map(" ".join, merges)]
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "vocab.json", json.dumps(ids, ensure_ascii=False))
    write_text(folder / "merges.txt", "\n".join(lines) + "\n")
