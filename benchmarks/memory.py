"""How much memory a process has had, as the operating system says; on Linux only."""

import re
from pathlib import Path


def highest_resident_size() -> int | None:
    """Bytes. (getrusage would count what the parent process had in memory as well.)"""
    status = Path("/proc/self/status")
    found = re.search(r"VmHWM:\s*(\d+) kB", status.read_text()) if status.exists() else None
    return None if found is None else 1024 * int(found[1])
