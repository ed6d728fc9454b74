import ctypes
import subprocess
import sys

import pytest

from minilm.training import keep_freed_memory


def test_it_may_be_called_again_and_again():
    keep_freed_memory.cache_clear()
    assert keep_freed_memory() is keep_freed_memory()


@pytest.mark.parametrize("trouble", [OSError("no libc.so.6"), AttributeError("no mallopt")])
def test_elsewhere_it_does_nothing(monkeypatch, trouble):
    def no_glibc(name):
        raise trouble

    monkeypatch.setattr(ctypes, "CDLL", no_glibc)
    keep_freed_memory.cache_clear()
    assert keep_freed_memory() is False
    keep_freed_memory.cache_clear()


PROGRAM = """
import resource
from concurrent.futures import ThreadPoolExecutor
import numpy as np
from minilm.training import keep_freed_memory

def work(number):
    held = [np.ones(3_500_000, np.float32) for _ in range(6)]  # 14 MB each: 3418 pages

keep_freed_memory()
with ThreadPoolExecutor(2) as pool:
    for round in range(4):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        list(pool.map(work, range(2)))
        print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not keep_freed_memory(), reason="no glibc here: nothing is promised")
def test_threads_take_up_the_memory_that_they_freed():
    ended = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, check=True)
    first, *_, last = map(int, ended.stdout.split())
    assert last < 0.2 * first
