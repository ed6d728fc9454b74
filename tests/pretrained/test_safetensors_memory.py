"""Two hundred megabytes pass through a process that never holds more than one tensor of them."""

import os
import subprocess
import sys
from collections.abc import Mapping

import numpy as np
import pytest

from minilm.pretrained import SafetensorsFile, write_safetensors

TENSORS, SIZE = 20, 10_000_000  # bytes of each


class Made(Mapping):
    """Arrays that are made when they are asked for."""

    def __init__(self, dtype):
        self.dtype = np.dtype(dtype)

    def __getitem__(self, name):
        return np.full(SIZE // self.dtype.itemsize, int(name[1:]), self.dtype)

    def __iter__(self):
        return (f"w{number}" for number in range(TENSORS))

    def __len__(self):
        return TENSORS


def write(path, dtype):
    named = dict.fromkeys(Made(dtype), "BF16") if dtype == "u2" else None
    write_safetensors(path, Made(dtype), dtypes=named)


def copy_each(path, dtype):
    for name, array in SafetensorsFile(path).items():
        copied = array.copy()
        del array
        assert copied.any() or name == "w0"
        del copied


def keep_all(path, dtype):
    kept = dict(SafetensorsFile(path))
    assert sum(array.any() for array in kept.values()) == TENSORS - 1


MEASURED = """
import pathlib, runpy, sys

def peak():  # MB that this program ever held at once: resource.getrusage would count its parent's
    status = pathlib.Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1000

_, tests, task, path, dtype = sys.argv
run = runpy.run_path(tests)[task]
before = peak()
run(pathlib.Path(path), dtype)
print(peak() - before)
"""


def peak_of(task, path, dtype):
    """The MB that a task in a process of its own holds above what its imports do."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, __file__, task.__name__, str(path), dtype],
        capture_output=True, text=True, timeout=120, env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    return float(done.stdout)


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="needs Linux")
@pytest.mark.parametrize(("dtype", "as_read"), [("f4", 10), ("u2", 20)])
def test_one_tensor_at_a_time(tmp_path, dtype, as_read):
    path = tmp_path / "f.safetensors"
    try:
        assert 5 < peak_of(write, path, dtype) < 25, "one array; a second while it is made"
        assert path.stat().st_size >= TENSORS * SIZE
        mapped = SIZE / 1e6
        assert as_read < peak_of(copy_each, path, dtype) < mapped + 2 * as_read + 6
        kept = peak_of(keep_all, path, dtype)
        assert TENSORS * as_read - 5 < kept < TENSORS * as_read + mapped + 10, "what is held counts"
    finally:
        path.unlink(missing_ok=True)
