"""Keep freed memory for the next step.

A training step makes and frees the same large arrays again and again. glibc gives every freed
block above 128 kB back to the system, which must clear and map a new one at the next use: for
NumPy code written as pure functions that costs nearly as much as the arithmetic in between. Two
settings tell it to keep them; a third lets all threads share one such store, because those that
threads have of their own give back what is empty whatever the settings say.
"""

import ctypes
import functools

# From glibc's <malloc.h>
M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
M_ARENA_MAX = -8
LARGEST_INT = 2**31 - 1


@functools.cache
def keep_freed_memory() -> bool:
    """Let glibc's malloc reuse large blocks; elsewhere (macOS, Windows, musl) do nothing.

    Returns whether the settings were taken. It concerns the whole process, and costs no more
    memory than the largest step has needed.
    """
    try:
        libc = ctypes.CDLL("libc.so.6")
        libc.gnu_get_libc_version  # noqa: B018 (musl may answer to the name too, but has no such)
        mallopt = libc.mallopt
    except (OSError, AttributeError):
        return False
    # glibc before 2.35 takes no more than 32 MB
    mapped_above = mallopt(M_MMAP_THRESHOLD, 1 << 30) or mallopt(M_MMAP_THRESHOLD, 1 << 25)
    trimmed_above = mallopt(M_TRIM_THRESHOLD, LARGEST_INT)
    shared = mallopt(M_ARENA_MAX, 1)
    return bool(mapped_above and trimmed_above and shared)
