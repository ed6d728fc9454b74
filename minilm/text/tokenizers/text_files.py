"""Vocabularies on disk are UTF-8 text: read with clear errors, written whole or not at all."""

from pathlib import Path

from minilm.weights.files import replacing

LARGEST = 2**26  # bytes: twice the largest vocabulary known; a file of the wrong kind may be larger


def read_bytes(path: Path) -> bytes:
    """All bytes of a file. ValueError if there are more than any vocabulary has."""
    size = path.stat().st_size
    if size > LARGEST:
        raise ValueError(f"{str(path)!r}: has {size:,} bytes, and no vocabulary over {LARGEST:,}")
    return path.read_bytes()


def read_text(path: Path) -> str:
    """The text of a file, line ends as "\\n". ValueError if it is not UTF-8, naming the line."""
    data = read_bytes(path)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(f"{str(path)!r}, line {line}: is not UTF-8 ({error.reason})") from error
    return text.replace("\r\n", "\n")


def write_text(path: Path, text: str) -> None:
    """An earlier file of that name is replaced when the new one is complete."""
    with replacing(path) as file:
        file.write(text.encode())
