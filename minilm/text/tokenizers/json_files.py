"""JSON that others wrote: read with errors that name the file and the place in it."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from reprlib import Repr
from typing import Any

from minilm.text.tokenizers.text_files import LARGEST, read_text


def read_json(path: Path, largest: int = LARGEST) -> Any:
    """What a file of at most `largest` bytes says. ValueError where it is no JSON, nested too deep,
    or has a key twice.
    """
    text = read_text(path, largest)
    try:
        return json.loads(text, object_pairs_hook=_distinct)
    except json.JSONDecodeError as error:
        raise ValueError(f"{str(path)!r}, line {error.lineno}: no JSON: {error.msg}") from error
    except RecursionError as error:
        raise ValueError(f"{str(path)!r}: is nested too deep") from error
    except ValueError as error:
        raise ValueError(f"{str(path)!r}: {error}") from error


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        twice = next(key for key, n in Counter(key for key, _ in pairs).items() if n > 1)
        raise ValueError(f"{shown(twice)} stands there twice")
    return fields


def by_number(numbers: Mapping[str, Any], where: str) -> tuple[str, ...]:
    """{token: its number} -> the tokens in their order. ValueError unless those are 0..V-1, and
    for a token that has no UTF-8 bytes.
    """
    token_of: dict[int, str] = {}
    for token, number in numbers.items():
        if type(number) is not int or not 0 <= number < len(numbers):
            raise ValueError(
                f"{where}: there are {len(numbers)} tokens, so the number of {shown(token)} must "
                f"lie in 0..{len(numbers) - 1}, got {shown(number)}"
            )
        if number in token_of:
            both = f"{shown(token_of[number])} and {shown(token)}"
            raise ValueError(f"{where}: {both} both have the number {number}")
        try:
            token.encode()
        except UnicodeEncodeError as error:  # JSON may write half of a surrogate pair: \ud800
            raise ValueError(f"{where}: {shown(token)} has no UTF-8 bytes") from error
        token_of[number] = token
    return tuple(token_of[number] for number in range(len(numbers)))


@dataclass(frozen=True)
class Part:
    """An object of a JSON file, and where it stands: "'…/tokenizer.json', model"."""

    where: str
    fields: Mapping[str, Any]

    @classmethod
    def of(cls, value: Any, where: str) -> "Part":
        if not isinstance(value, dict):
            raise ValueError(f"{where}: must be a JSON object, got {shown(value)}")
        return cls(where, value)

    def part(self, key: str) -> "Part":
        return Part.of(self.fields.get(key), f"{self.where}, {key}")

    def parts(self, key: str) -> list["Part"]:
        """The objects of a list, which may be missing."""
        value = self.fields.get(key) or []
        if not isinstance(value, list):
            raise ValueError(f"{self.where}, {key}: must be a list, got {shown(value)}")
        return [Part.of(one, f"{self.where}, {key}[{i}]") for i, one in enumerate(value)]

    def choice(self, key: str, allowed: Sequence[Any]) -> Any:
        """The value, one of those allowed; a key that is missing has the value None."""
        value = self.fields.get(key)
        for one in allowed:
            if value == one and isinstance(value, bool) == isinstance(one, bool):
                return value
        raise ValueError(f"{self.where}, {key}: must be {' or '.join(map(shown, allowed))}, "
                         f"got {shown(value)}")  # fmt: skip


SHORT = Repr()
SHORT.maxstring = SHORT.maxother = 100
SHORT.maxdict = SHORT.maxlist = 8


def shown(value: Any) -> str:
    """A value, shortened: what is wrong may be a hundred thousand tokens."""
    return SHORT.repr(value)
