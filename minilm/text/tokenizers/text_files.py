"""Vocabularies and settings on disk: read with clear errors, written whole or not at all."""

from pathlib import Path

from minilm.weights.files import replacing

LARGEST = 2**26  # bytes: twice the largest vocabulary known; a file of the wrong kind may be larger


def read_bytes(path: Path, largest: int = LARGEST) -> bytes:
    """All bytes of a file. ValueError if there are more than `largest`, or it is no plain file."""
    size = path.stat().st_size
    if not path.is_file():  # to open a pipe would be to wait for who writes into it
        raise ValueError(f"{str(path)!r}: is not a file")
    if size > largest:
        raise ValueError(f"{str(path)!r}: has {size:,} bytes, at most {largest:,} are read")
    return path.read_bytes()


def read_text(path: Path, largest: int = LARGEST) -> str:
    """The text of a file, line ends as "\\n". ValueError if it is not UTF-8, naming the line."""
    data = read_bytes(path, largest)
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
