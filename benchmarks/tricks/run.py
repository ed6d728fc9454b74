"""python -m benchmarks tricks [word …]: time the tricks and write tricks.csv and the page anew.

With words only the tricks whose names hold one of them are timed; the other rows stay. --draw
times nothing: it writes the page from tricks.csv.
"""

import os
import sys

from benchmarks.records import read, write
from benchmarks.tricks import page
from benchmarks.tricks.catalogue import TRICKS
from benchmarks.tricks.trick import measure


def main(words: list[str]) -> None:
    """Time, print, save."""
    if words == ["--draw"]:
        return page.save()
    rows = {row["trick"]: row for row in read(page.RESULTS)} if page.RESULTS.exists() else {}
    chosen = [t for t in TRICKS if not words or any(w.lower() in t.name.lower() for w in words)]
    if not chosen:
        sys.exit(f"No trick's name holds {' or '.join(words)}.")
    for trick in chosen:
        if cores() < trick.cores:
            print(f"   left   {trick.name}: needs {trick.cores} cores", flush=True)
            continue
        row = rows[trick.name] = measure(trick)
        before, after = page.times(row)
        print(f"{float(row['gain']):6.2f} ×  {trick.name}: {before} → {after}", flush=True)
    write(page.RESULTS, [rows[trick.name] for trick in TRICKS if trick.name in rows])
    if missing := [trick.name for trick in TRICKS if trick.name not in rows]:
        sys.exit(f"Not yet timed, so the page stays as it is: {', '.join(missing)}.")
    page.save()


def cores() -> int:
    """Those that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # only Linux can tell
        return os.cpu_count() or 1
