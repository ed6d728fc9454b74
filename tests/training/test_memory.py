import ctypes

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
