"""The teacher's logits on disk: where the same batches come again, it need not read them again.

    key = sha256(teacher, its parameters, the batch's shapes and bytes)      a file for each

Worth it where a teacher is slow and batches return: several students of one teacher, a list of
batches gone through more than once. `fit` with several workers cuts batches up, and each share is
an entry of its own.

A file is written whole or not at all, and has checksums (minilm.weights.save). One that is damaged,
or holds something else, is computed and written anew: nothing in it is ever believed unchecked.
"""

import hashlib
import json
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minilm.types import Array, Params
from minilm.weights import flatten, load, save

LARGEST_HALF = float(np.finfo(np.float16).max)


class LogitCache:
    """Logits in a folder, for `distil(..., cache=LogitCache("teacher-logits"))`.

    folder: made if it is not there; its .npz files count as the cache's.
    max_bytes: the most that they may take together (default: 1 GiB). What comes after that is
        computed each time; what is there stays. Of several processes each counts for itself.
    half: keep float16, half the bytes at a relative error of up to 2⁻¹¹. The student is then taught
        by the rounded logits from the first time on, so that what was kept makes no difference.
        By default logits are kept as they are, bit for bit.

    ValueError for a folder that is a file, max_bytes below 0.
    """

    def __init__(
        self, folder: str | os.PathLike[str], *, max_bytes: int = 2**30, half: bool = False
    ) -> None:
        if not max_bytes >= 0:
            raise ValueError(f"max_bytes must be at least 0, got {max_bytes!r}")
        self.folder, self.max_bytes, self.half = Path(folder), max_bytes, half
        if self.folder.exists() and not self.folder.is_dir():
            raise ValueError(f"folder must not be a file, got {os.fspath(folder)!r}")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.nbytes = sum(file.stat().st_size for file in self.folder.glob("*.npz"))
        self._counting = threading.Lock()

    def logits(self, teacher: bytes, inputs: Sequence[Any], compute: Callable[[], Array]) -> Array:
        """The logits of this teacher for these inputs: read, or computed and kept.

        teacher: its `fingerprint`; compute() -> float logits, all of them finite where `half`.
        ValueError for logits that a float16 does not hold.
        """
        kind = b"half" if self.half else b"whole"
        key = hashlib.sha256(b"".join([teacher, kind, *map(described, inputs)])).hexdigest()
        file = self.folder / f"{key}.npz"
        try:
            kept = load(file)
        except FileNotFoundError:
            kept = {}
        except (ValueError, OSError):  # damaged: it is written anew below
            kept = {}
        if kept.keys() == {key, "as"}:
            return kept[key].astype(kept["as"].dtype, copy=False)
        computed = compute()
        stored = in_half(computed) if self.half else computed
        dtype = np.empty(0, computed.dtype)  # what they are given back as, half or not
        self._keep(file, {key: stored, "as": dtype}, stored.nbytes)
        return stored.astype(computed.dtype, copy=False)

    def _keep(self, file: Path, arrays: Params, size: int) -> None:
        """Write the file if there is room for it."""
        with self._counting:
            before = file.stat().st_size if file.exists() else 0
            if self.nbytes - before + size + OVERHEAD > self.max_bytes:
                return
            save(file, arrays)
            self.nbytes += file.stat().st_size - before


OVERHEAD = 2000  # bytes of a file beside the numbers, at the most


def in_half(logits: Array) -> Array:
    """As float16. ValueError for numbers that it does not hold."""
    largest = float(np.abs(logits).max(initial=0))
    if not largest <= LARGEST_HALF:
        raise ValueError(f"half holds logits up to {LARGEST_HALF:.0f}, got {largest:.4g}")
    return logits.astype(np.float16)


def fingerprint(model: Any, params: Params) -> bytes:
    """32 bytes that change with a model's configuration, and with any bit of its parameters."""
    arrays, kinds = flatten(params)
    digest = hashlib.sha256(json.dumps([model.config(), kinds]).encode())
    for name, array in arrays.items():
        digest.update(name.encode() + described(array))
    return digest.digest()


def described(array: Any) -> bytes:
    """The kind, shape and bytes of an array, so that no two different ones read alike."""
    array = np.asarray(array)
    return f"{array.dtype.str}{array.shape};".encode() + array.tobytes()
