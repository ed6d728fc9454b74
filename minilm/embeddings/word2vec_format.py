"""Words and their vectors as the files of the published word2vec program, which gensim reads too.

    text       V D⏎  then V lines:  word x₁ x₂ … x_D⏎
    binary     V D⏎  then V times:  word␣, then D little-endian float32; some programs add ⏎

A text file without its first line is GloVe's (`header=False`). A name that ends in .gz is packed.
Text holds the shortest decimals that give the same float32 again, so nothing is lost either way.
"""

import contextlib
import gzip
import os
import warnings
import zlib
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, BinaryIO, cast

import numpy as np

from minilm.embeddings.table_rows import batches
from minilm.types import Array
from minilm.weights import replacing

LONGEST_WORD = 10_000  # bytes, and
LONGEST_VECTOR = 1_000_000  # numbers: a file that asks for more is no such file


def write_word2vec(
    path: str | os.PathLike[str],
    words: Sequence[str],
    vectors: Any,
    *,
    binary: bool = False,
    header: bool = True,
) -> None:
    """Write words and vectors (V, D), an array or a compressed table, as float32.

    The file is written under another name and renamed when complete. Raises ValueError for a word
    with a space or a line end in it, which the format cannot hold, and for binary without header.
    """
    check_header(binary, header)
    for word in words:
        if " " in word or "\n" in word:
            raise ValueError(f"words must hold no space and no line end, got {word!r}")
    with replacing(path) as file, packed(file, path) as out:
        if header:
            out.write(f"{len(words)} {vectors.shape[1]}\n".encode())
        for ids in batches(len(words)):
            for i, row in zip(ids, vectors[ids].astype("<f4"), strict=True):
                numbers = row.tobytes() if binary else f"{' '.join(map(str, row))}\n".encode()
                out.write(f"{words[i]} ".encode() + numbers)


def read_word2vec(
    path: str | os.PathLike[str],
    *,
    binary: bool = False,
    header: bool = True,
    limit: int | None = None,
    unicode_errors: str = "strict",
) -> tuple[list[str], Array]:
    """The words and their vectors, (V, D) float32; only the first `limit` of them if given.

    A word that comes twice keeps its first vector, with a warning. unicode_errors: "strict",
    "ignore" or "replace": what to do with bytes of words that are not UTF-8.
    Raises EOFError for a file that ends too early, ValueError naming the file and the place for
    one of another form, FileNotFoundError.
    """
    check_header(binary, header)
    if limit is not None and limit < 1:
        raise ValueError(f"limit must be None (all) or at least 1, got {limit}")
    name, words, numbers = os.fspath(path), [], bytearray()
    with opened(path) as file:
        total, size = read_header(file, name) if header else (None, None)
        wanted = min((n for n in (total, limit) if n is not None), default=None)
        found = binary_vectors(file, name, size or 0) if binary else text_vectors(file, name, size)
        for number, (word, vector) in enumerate(islice(found, wanted), start=1):
            try:
                words.append(word.decode("utf-8", unicode_errors))
            except UnicodeDecodeError:
                raise ValueError(
                    f"{name}, word {number}: {word[:40]!r} is not UTF-8; try binary={not binary}, "
                    "or unicode_errors='ignore' or 'replace'"
                ) from None
            numbers += vector
        if total is not None and len(words) < (wanted or 0):
            raise EOFError(f"{name} ends after {len(words)} of the {total} vectors that it says")
        if wanted == total is not None and file.read(1000).strip():
            raise ValueError(
                f"{name} holds more than the {total} vectors that it says: is it binary={binary}?"
            )
    vectors = np.frombuffer(numbers, "<f4").reshape(len(words), -1 if words else size or 0)
    return without_repeats(words, vectors.astype(np.float32, copy=False), name)


def read_header(file: BinaryIO, name: str) -> tuple[int, int]:
    """(V, D) from the first line."""
    line = file.readline(LONGEST_WORD)
    try:
        total, size = map(int, line.split())
        if total < 0 or not 1 <= size <= LONGEST_VECTOR or not line.endswith(b"\n"):
            raise ValueError
    except ValueError:
        if not line.endswith(b"\n") and len(line) < LONGEST_WORD:
            raise EOFError(f"{name} ends in its first line, {line[:40]!r}") from None
        raise ValueError(
            f"{name}: the first line must be the number of vectors and their size, "
            f"got {line[:40]!r}; a text file without that line is read by no_header=True"
        ) from None
    return total, size


def text_vectors(file: BinaryIO, name: str, size: int | None) -> Iterator[tuple[bytes, bytes]]:
    """(word, the bytes of its vector) of each line; size None: as many numbers as the first has.

    A last line without its end may have lost digits, too: EOFError.
    """
    for line in file:
        if not line.endswith(b"\n"):
            raise EOFError(f"{name} ends in the middle of the line {line[:40]!r}")
        word, *numbers = line.rstrip().split(b" ")
        size = size or len(numbers)
        try:
            if len(numbers) != size:
                raise ValueError
            with np.errstate(over="ignore"):  # an infinity is refused where vectors are checked
                vector = np.array([float(x) for x in numbers], "<f4")
        except ValueError:
            raise ValueError(
                f"{name}: each line must hold a word and {size} numbers, parted by single spaces, "
                f"got {line[:40]!r}"
            ) from None
        yield word, vector.tobytes()


def binary_vectors(file: BinaryIO, name: str, size: int) -> Iterator[tuple[bytes, bytes]]:
    """(word, the bytes of its vector), one after the other."""
    while True:
        word = bytearray()
        while (letter := file.read(1)) != b" ":
            if not letter:
                if word.strip():
                    raise EOFError(f"{name} ends in the middle of the word {bytes(word[:40])!r}")
                return
            word += letter
            if len(word) > LONGEST_WORD:
                raise ValueError(f"{name}: no space after {bytes(word[:40])!r}, is it binary?")
        vector = file.read(4 * size)
        if len(vector) < 4 * size:
            raise EOFError(f"{name} ends in the middle of the vector of {bytes(word[:40])!r}")
        yield bytes(word.lstrip(b"\n")), vector


def without_repeats(words: list[str], vectors: Array, name: str) -> tuple[list[str], Array]:
    """Each word once, with its first vector; a warning where there was anything to leave out."""
    first: dict[str, int] = {}
    for i, word in enumerate(words):
        first.setdefault(word, i)
    if len(first) == len(words):
        return words, vectors
    again = next(word for i, word in enumerate(words) if first[word] != i)
    warnings.warn(
        f"{name}: {len(words) - len(first)} words come again, the first is {again!r}; "
        "their first vectors are kept",
        stacklevel=3,
    )
    return list(first), vectors[list(first.values())]


def check_header(binary: bool, header: bool) -> None:
    if binary and not header:
        raise ValueError("a binary file must have its header: without it, its size is not known")


@contextlib.contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """The file to be read, unpacked if its name ends in .gz."""
    try:
        with gzip.open(path) if os.fspath(path).endswith(".gz") else open(path, "rb") as file:
            yield cast(BinaryIO, file)
    except (gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{os.fspath(path)} is damaged, or no gzip file: {error}") from error


def packed(
    file: BinaryIO, path: str | os.PathLike[str]
) -> contextlib.AbstractContextManager[BinaryIO]:
    """`file` to be written to, through gzip if the path ends in .gz."""
    if not os.fspath(path).endswith(".gz"):
        return contextlib.nullcontext(file)
    return cast(BinaryIO, gzip.GzipFile("", "wb", fileobj=file, mtime=0))
