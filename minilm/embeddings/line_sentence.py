"""Text from a disk, a sentence a line, of which only a piece is in memory at any time."""

import bz2
import codecs
import gzip
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from minilm.models.language_model import check_positive

LONGEST = 10_000  # words of one sentence
CHARACTERS = 1 << 16  # read at a time, for lines of any length
OPEN: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open}


class LineSentence:
    """The lines of a UTF-8 file as lists of words, their words between spaces; read as often as
    it is iterated over.

        for words in LineSentence("text.txt"): ...

    source: a path (.gz and .bz2 are unpacked), or an open file that has seek(0), text or bytes.
    A line of more than max_sentence_length words comes as several sentences; empty lines are left
    out; limit: the first lines only. Memory is that of one sentence, even if the file is one line.

    Raises OSError where there is no such file, EOFError for a truncated .gz or .bz2, ValueError
    with the line's number for what is not UTF-8: open such a file with its own encoding.
    """

    def __init__(
        self, source: Any, max_sentence_length: int = LONGEST, limit: int | None = None
    ) -> None:
        check_positive(max_sentence_length=max_sentence_length)
        if limit is not None:
            check_positive(limit=limit)
        if not isinstance(source, str | os.PathLike) and not hasattr(source, "seek"):
            raise TypeError(
                f"source must be a path or an open file with seek, got {type(source).__name__}"
            )
        self.source, self.max_sentence_length, self.limit = source, max_sentence_length, limit

    def __iter__(self) -> Iterator[list[str]]:
        decoder = codecs.getincrementaldecoder("utf-8")()  # a part may end inside a character
        words: list[str] = []
        line, rest, more = 1, "", True  # rest: a word that the end of a part may have cut
        with self._opened() as file:
            file.seek(0)
            while more and (self.limit is None or line <= self.limit):
                try:
                    part = file.readline(CHARACTERS)
                    more = bool(part)
                    text = part if isinstance(part, str) else decoder.decode(part, final=not more)
                except UnicodeDecodeError as error:
                    raise not_utf8(self.source, line, error) from error
                ended = not more or text.endswith("\n")
                found = (rest + text).split()
                rest = "" if ended or not found or text[-1:].isspace() else found.pop()
                words += found
                while len(words) >= self.max_sentence_length:
                    yield words[: self.max_sentence_length]
                    words = words[self.max_sentence_length :]
                if ended:
                    if words:
                        yield words
                    words, line = [], line + 1

    def _opened(self) -> AbstractContextManager[Any]:
        if not isinstance(self.source, str | os.PathLike):
            return nullcontext(self.source)
        return OPEN.get(Path(self.source).suffix, open)(self.source, "rb")


def numbered_lines(path: str | os.PathLike[str]) -> Iterator[tuple[int, str]]:
    """(1, first line), (2, second), … of a small UTF-8 file; ValueError for what is not UTF-8."""
    text = Path(path).read_bytes().removeprefix(codecs.BOM_UTF8)  # some editors begin with it
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            yield number, line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise not_utf8(path, number, error) from error


def not_utf8(source: Any, line: int, error: UnicodeDecodeError) -> ValueError:
    """The error that names the file, the line and the byte, and says what to do."""
    name = getattr(source, "name", source)  # of an open file
    byte = error.object[error.start]
    return ValueError(
        f"{name}, line {line}: byte 0x{byte:02x} is not UTF-8. Save the file as UTF-8, or convert "
        "it from what it is in: iconv -f LATIN1 -t UTF-8 old > new"
    )


def pieces(sentences: Iterable[Sequence[str]], words: int) -> Iterator[list[Sequence[str]]]:
    """Sentences in lists of at least `words` words each (the last may have fewer)."""
    piece: list[Sequence[str]] = []
    size = 0
    for sentence in sentences:
        piece.append(sentence)
        size += len(sentence)
        if size >= words:
            yield piece
            piece, size = [], 0
    if piece:
        yield piece


def check_rereadable(sentences: Iterable[Sequence[str]], times: int) -> None:
    """Refuse what is spent after one reading (a generator) where it is to be read several times."""
    if times > 1 and iter(sentences) is sentences:
        raise TypeError(
            f"sentences must be readable {times} times, got a {type(sentences).__name__}, which "
            "is spent after one: pass a list, or what starts anew when iterated (LineSentence)"
        )
