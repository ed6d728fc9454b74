"""Parameters on disk: a `.npz` that any NumPy opens, written whole or not at all.

    minilm.json        format, version, the kind of each parameter in order, the caller's header
    NAME.npy           a plain parameter
    NAME/FIELD.npy     a field of a leaf: packed codes, scales, …

Arrays are stored as they are in memory, so the file is as large as the bytes held, plus about 280
for each array and one compressed page of JSON. Nothing is ever unpickled. The same parameters give
the same bytes: the archive carries no dates.

Who writes another form of file adds its reader to READERS, by the file's first bytes: then `load`
and `read_header` know it, too.
"""

import contextlib
import io
import json
import os
import threading
import uuid
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from minilm.types import Array, Params
from minilm.weights.protocol import Weight
from minilm.weights.tree import flatten, unflatten

FORMAT, VERSION, INDEX = "minilm weights", 1, "minilm.json"

# An open file -> its index (`parsed_index`), and what reads its arrays when they are asked for
Reader = Callable[[BinaryIO], tuple[dict[str, Any], Callable[[], dict[str, Array]]]]
MAGIC_BYTES = 8
READERS: dict[bytes, Reader] = {}  # by a file's first MAGIC_BYTES; all others are archives

# NumPy reads an array's header with Python's own parser, which two threads must not use at once in
# Python 3.11.7, for one: now and then one of them gets a SystemError (CPython issue 106905).
PARSING = threading.RLock()

# What the standard library raises on bytes that are no archive, or a damaged one
DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    KeyError,
    MemoryError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    TypeError,
    ValueError,
)


def save(
    path: str | os.PathLike[str], params: Params, header: dict[str, Any] | None = None
) -> None:
    """Write params, and a JSON-able dict `header` beside them, to exactly this path.

    The file is written under another name and renamed when complete: on any failure (a full disk,
    an interrupt) an earlier file of that name is left as it was, and nothing else is left behind.
    Raises OSError where the disk refuses, TypeError or ValueError for what cannot be saved.
    """
    arrays, kinds = flatten(params)
    text = index_text(kinds, header)
    with replacing(path) as file, zipfile.ZipFile(file, "w") as archive:
        archive.writestr(zipfile.ZipInfo(INDEX), text, zipfile.ZIP_DEFLATED)
        for name, array in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, array, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(name + ".npy"), member.getvalue())


def load(path: str | os.PathLike[str]) -> Params:
    """The parameters that `save` wrote, leaves and their order included.

    Raises FileNotFoundError, and ValueError naming the file for one that is truncated, damaged,
    of another version, holds codes or scales that stand for no number, or is not ours at all.
    """
    with _opened(path) as (index, arrays):
        params = unflatten(arrays(), index["kinds"])
        for name, weight in params.items():
            if isinstance(weight, Weight):
                try:
                    weight.check()
                except ValueError as error:
                    raise ValueError(f"{name}: {error}") from error
        return params


def read_header(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The header that `save` was given, without reading the arrays. Errors as `load`."""
    with _opened(path) as (index, _):
        return index["header"]


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A binary file that takes the place of `path` when the block ends well, and vanishes when
    it does not. Raises as `check_target`, and OSError where the disk refuses.
    """
    check_target(path)
    target = Path(os.path.realpath(path))  # a link stays a link
    temporary = target.with_name(f"{target.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        with open(temporary, "wb") as file:
            yield file
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def check_target(path: str | os.PathLike[str]) -> None:
    """Refuse a path that no file can be written to; to be asked before hours of work, too.

    Raises ValueError for something else than a file (a device, a folder), FileNotFoundError where
    the folder is missing, PermissionError where it may not be written to.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        raise ValueError(f"path must name a file, got {os.fspath(path)!r}")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"no folder {str(target.parent)!r} to write {target.name!r} in")
    if not os.access(target.parent, os.W_OK):
        raise PermissionError(f"folder {str(target.parent)!r} may not be written to")


@contextlib.contextmanager
def _opened(
    path: str | os.PathLike[str],
) -> Iterator[tuple[dict[str, Any], Callable[[], dict[str, Array]]]]:
    """The index and the arrays of a file; whatever is wrong inside becomes one ValueError that
    names the file."""
    with open(path, "rb") as file:
        try:
            first = file.read(MAGIC_BYTES)
            file.seek(0)
            yield READERS.get(first, read_archive)(file)
        except DAMAGED as error:
            reason = str(error)
            if isinstance(error, zipfile.BadZipFile):
                reason = f"it is truncated, damaged, or not written by minilm ({error})"
            raise ValueError(f"{os.fspath(path)} cannot be loaded: {reason}") from error


def read_archive(file: BinaryIO) -> tuple[dict[str, Any], Callable[[], dict[str, Array]]]:
    """The Reader of what `save` writes."""
    archive = zipfile.ZipFile(file)
    if INDEX not in archive.namelist():
        raise ValueError(f"it was not written by minilm (no {INDEX} inside)")

    def arrays() -> dict[str, Array]:
        found = {}
        for member in archive.namelist():
            if member != INDEX:
                # the whole member first: only then has its checksum been compared
                data = io.BytesIO(archive.read(member))
                with PARSING:
                    array = np.lib.format.read_array(data, allow_pickle=False)
                found[member.removesuffix(".npy")] = array
        return found

    return parsed_index(archive.read(INDEX)), arrays


def index_text(kinds: dict[str, Any], header: dict[str, Any] | None, **more: Any) -> bytes:
    """The index of a file as JSON. TypeError for a header that JSON cannot carry."""
    if not isinstance(header, dict | None):
        raise TypeError(f"header must be a dict of what JSON can carry, got {header!r}")
    index = {"format": FORMAT, "version": VERSION, "kinds": kinds, "header": header or {}, **more}
    try:
        return json.dumps(index, default=np.generic.item).encode()  # NumPy's numbers are Python's
    except (TypeError, ValueError) as error:
        raise TypeError(f"header must be a dict of what JSON can carry: {error}") from error


def parsed_index(text: bytes) -> dict[str, Any]:
    """The inverse of `index_text`. ValueError for what is no index of ours."""
    index = json.loads(text)
    if not isinstance(index, dict) or index.get("format") != FORMAT:
        raise ValueError(f"its {INDEX} does not say {FORMAT!r}")
    if index.get("version") != VERSION:
        raise ValueError(
            f"it has version {index.get('version')!r} of the format, this program reads {VERSION}"
        )
    if not isinstance(index.get("kinds"), dict) or not isinstance(index.get("header"), dict):
        raise ValueError(f"its {INDEX} lacks the kinds or the header")
    return index
