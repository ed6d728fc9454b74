"""The error for a word that has no vector: it names the word and what is spelt like it."""

import difflib
from collections.abc import Sequence
from typing import Any

SEARCHED = 50_000  # words, the first of the table: a second


class UnknownWordError(KeyError):
    """A word that has no vector.

    Near spellings are sought when the message is read, and no earlier: whoever asks for a million
    words and catches the errors does not wait for them.
    """

    def __init__(self, word: Any, words: Sequence[str] = ()) -> None:
        super().__init__(word)
        self.words = words

    def __str__(self) -> str:
        words = [str(word) for word in self.words[:SEARCHED]]
        near = difflib.get_close_matches(str(self.args[0]), words, n=3)
        hint = f"; near spellings: {', '.join(near)}" if near else ""
        return f"no vector for the word {self.args[0]!r}{hint}"
