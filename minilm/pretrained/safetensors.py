"""safetensors: named arrays in a file that can be read without trusting whoever wrote it.

    8 bytes      n, the header's length: an unsigned integer, little end first
    n bytes      the header, JSON in UTF-8, spaces at its end
    the rest     the numbers of all tensors, little end first, row by row, nothing in between

    {"__metadata__": {"format": "pt"},
     "w": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
     "b": {"dtype": "F16", "shape": [3],    "data_offsets": [24, 30]}}

data_offsets says where among the rest a tensor's bytes begin, and where they end.
That is all of it. Nothing in such a file is a program, so reading one cannot run one, as unpickling
can. What remains to be feared is a header that lies; so all of it is checked before a single number
is looked at: each tensor's bytes are as many as its shape and dtype say, and the tensors fill the
rest of the file exactly, without a hole and without overlap.

A tensor is then a place in the file. The file is mapped into memory: its pages are read when they
are looked at, and given back when the array that shows them dies, so that all of a large file can
be looked at in little memory. BF16, which NumPy lacks, is widened to float32.

    x = SafetensorsFile("model.safetensors")["w"]
"""

import mmap
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from weakref import finalize

import numpy as np

from minilm.pretrained.config import listed, read_object
from minilm.pretrained.safetensors_header import (
    DTYPES,
    METADATA,
    NAMES,
    ORDER,
    Entry,
    check_cover,
    checked_entry,
    checked_metadata,
    header_bytes,
    header_text,
    parsed_header,
)
from minilm.pretrained.tensors import forget
from minilm.text.tokenizers.json_files import shown
from minilm.types import Array
from minilm.weights import replacing

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
PLAIN_NAME = re.compile(r"[^/\\\0:]+\.safetensors")  # leads nowhere else


class SafetensorsFile(Mapping[str, Array]):
    """A file's tensors by name, read-only, each shown where it lies in the mapped file.

    entries: {name: Entry}, metadata: {str: str}. F16 stays float16, BF16 becomes float32; a tensor
    that does not begin at a multiple of its item's size is copied (and all are on a processor that
    keeps the big end first).

    Raises FileNotFoundError, and ValueError naming the file, the tensor, what was found and what is
    allowed. The file may be replaced or removed while its arrays live (but not on Windows, which
    refuses that); cut short, it must not be.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        if os.path.exists(path) and not os.path.isfile(path):
            raise ValueError(f"{self.path} is a folder or a device, expected a safetensors file")
        with open(path, "rb") as file:
            try:
                # one mapping for all: each holds one of the few files that a process may open
                self._pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
                text, start = header_bytes(self._pages)
                self._data = np.frombuffer(self._pages, np.uint8)[start:]
                header = parsed_header(text)
                self.metadata = checked_metadata(header.pop(METADATA, None))
                self.entries = {name: checked_entry(name, header[name]) for name in header}
                check_cover(self.entries, len(self._data))
            except (ValueError, MemoryError) as error:
                raise ValueError(f"{self.path} is not a sound safetensors file: {error}") from error

    def __getitem__(self, name: str) -> Array:
        entry = self.entries[name]
        if self._pages.size() != len(self._pages):
            raise ValueError(f"{self.path} has another length than when it was opened")
        place = self._data[entry.begin : entry.end]
        array = place.view(DTYPES[entry.dtype]).reshape(entry.shape)
        finalize(array, forget, place).atexit = False
        if entry.dtype == "BOOL" and (array.view(np.uint8) > 1).any():
            raise ValueError(f"{self.path}: BOOL tensor {shown(name)} holds other than 0 and 1")
        if entry.dtype == "BF16":
            array = widened(array)
        else:
            array = np.require(array, array.dtype.newbyteorder("="), "A")
        array.flags.writeable = False
        return array

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def __contains__(self, name: object) -> bool:
        return name in self.entries

    def __repr__(self) -> str:
        return f"SafetensorsFile({str(self.path)!r}: {len(self)} tensors)"


def widened(halves: Array) -> Array:
    """float32 of BF16: its bits are the upper half, zeros the lower."""
    bits = halves.astype(np.uint32)
    bits <<= np.uint32(16)  # for NumPy 1, a bare 16 would widen a single number to int64
    return bits.view(np.float32)


def write_safetensors(
    path: str | os.PathLike[str],
    arrays: Mapping[str, Array],
    metadata: Mapping[str, str] | None = None,
    dtypes: Mapping[str, str] | None = None,
) -> None:
    """Write arrays, byte for byte as the safetensors library does, whole or not at all.

    arrays: NumPy's bools, integers of 8 to 64 bits and floats of 16 to 64, of any layout and byte
    order, NaN and infinity included. dtypes: names for what NumPy lacks: {"w": "BF16"} says that
    w's uint16 are the upper halves of float32. Raises TypeError or ValueError naming the array,
    and as `minilm.weights.replacing`.
    """
    entries = planned(arrays, dtypes or {})
    text = header_text(entries, metadata)
    with replacing(path) as file:
        file.write(len(text).to_bytes(8, "little"))
        file.write(text)
        for name, entry in entries.items():
            file.write(np.ascontiguousarray(arrays[name], DTYPES[entry.dtype]).data)


def planned(arrays: Mapping[str, Array], dtypes: Mapping[str, str]) -> dict[str, Entry]:
    """Where each array goes. The largest items come first, and the header's length is a multiple
    of 8: so each tensor begins at a multiple of its item's size, and can be used where it is."""
    unknown = dtypes.keys() - arrays.keys()
    if unknown:
        raise ValueError(f"dtypes names {shown(sorted(unknown))}, which arrays do not hold")
    sizes = {}
    for name, array in arrays.items():  # one at a time: they may be read as they are asked for
        sizes[name] = dtype_name(name, array, dtypes.get(name)), array.shape, array.nbytes
    entries, end = {}, 0
    for name in sorted(sizes, key=lambda name: (-ORDER[sizes[name][0]], name)):
        dtype, shape, nbytes = sizes[name]
        begin, end = end, end + nbytes
        entries[name] = Entry(dtype, shape, begin, end)
    return entries


def dtype_name(name: str, array: Array, wanted: str | None) -> str:
    """The format's name of an array's dtype: `wanted`, if that is stored alike."""
    if not isinstance(name, str) or name == METADATA:
        raise ValueError(f"{shown(name)} cannot name a tensor")
    if not isinstance(array, np.ndarray | np.generic):
        raise TypeError(f"{name}: must be a NumPy array, got {type(array).__name__}")
    code = array.dtype.newbyteorder("<").str
    if code not in NAMES:
        raise TypeError(f"{name}: dtype {array.dtype} cannot be written, "
                        f"only {', '.join(str(np.dtype(code)) for code in NAMES)}")
    if wanted is not None and DTYPES.get(wanted) != code:
        raise ValueError(f"{name}: {array.dtype} cannot be written as {wanted!r}")
    return wanted or NAMES[code]


def open_tensors(folder: str | os.PathLike[str]) -> Mapping[str, Array]:
    """The tensors of a model's folder: model.safetensors, or the files that its index lists.

    Raises FileNotFoundError that says which files there are, ValueError as SafetensorsFile.
    """
    folder = Path(folder)
    if (folder / SINGLE).exists():
        return SafetensorsFile(folder / SINGLE)
    if (folder / INDEX).exists():
        return ShardedTensors(folder / INDEX)
    advice = ""
    if any(folder.glob("*.bin")) or any(folder.glob("*.pt")) or any(folder.glob("*.ckpt")):
        advice = (
            "; pickled files are never read, since they can run anything: where their origin is "
            "trusted, transformers' AutoModel.from_pretrained(folder).save_pretrained(new_folder) "
            "writes safetensors"
        )
    raise FileNotFoundError(
        f"no {SINGLE} or {INDEX} in {str(folder)!r}{listed(folder)}{advice}"
    )


class ShardedTensors(Mapping[str, Array]):
    """Tensors spread over several files beside an index, {"weight_map": {name: file}}.

    All files are checked when it is opened. ValueError for an index that points outside its
    folder or to a tensor that is not there.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        places = read_object(self.path).get("weight_map")
        if not isinstance(places, dict) or not all(isinstance(f, str) for f in places.values()):
            raise ValueError(f"{self.path}: weight_map is {shown(places)}, "
                             f"expected an object of file names")
        self._files = {file: self._shard(file) for file in sorted(set(places.values()))}
        for name, file in places.items():
            if name not in self._files[file]:
                raise ValueError(f"{self.path}: tensor {shown(name)} is not in {file}")
        self._places = places

    def _shard(self, file: str) -> SafetensorsFile:
        if not PLAIN_NAME.fullmatch(file):
            raise ValueError(f"{self.path}: file {shown(file)}, expected the plain name of a "
                             f".safetensors file in the same folder")
        if not (self.path.parent / file).exists():
            raise FileNotFoundError(
                f"{self.path} lists {file}, which is missing{listed(self.path.parent)}"
            )
        return SafetensorsFile(self.path.parent / file)

    def __getitem__(self, name: str) -> Array:
        return self._files[self._places[name]][name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, name: object) -> bool:
        return name in self._places
