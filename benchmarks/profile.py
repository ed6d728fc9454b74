"""Where the time of minilm's side goes:  python -m benchmarks profile

Each function's own time, with that of the NumPy calls it makes itself, added up by file. cProfile
slows Python code, not the loops inside NumPy, so what is called often looks somewhat too large;
shares are shown, not times. One thread. Writes profile.csv and the table in README.md.
"""

import cProfile
import pstats
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path

import minilm
from benchmarks.records import HERE, Row, replace_between, write
from benchmarks.table import README, markdown
from benchmarks.timing import Comparison

PROFILE = HERE / "profile.csv"
BEGIN, END = "<!-- profile -->\n", "<!-- end of the profile -->\n"
PACKAGE = Path(minilm.__file__).parent
CALLS = 10
DEEPEST = 10  # calls between one function of minilm and the next, inside NumPy or Python
SHOWN = 0.03  # the smallest share of a call with a column of its own

Function = tuple[str, int, str]  # file, line, name: as pstats has it


def main(arguments: list[str]) -> None:
    """Profile every comparison of one thread that has an aim."""
    rows: list[Row] = []
    for subject in ("gpt", "lstm", "decode", "quantize"):
        for number, comparison in enumerate(import_module(f"benchmarks.{subject}").COMPARISONS):
            if comparison.threads == 1 and comparison.at_most is not None:
                with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
                    shares = process.submit(profiled, subject, number).result()
                rows += [
                    {"work": comparison.work, "file": file, "share": f"{share:.3f}"}
                    for file, share in shares.items()
                ]
                print(comparison.work, shares, flush=True)
    write(PROFILE, rows)
    replace_between(README, BEGIN, END, table(rows))


def profiled(subject: str, number: int) -> dict[str, float]:
    """The share of each file of minilm in some calls of one comparison, the largest first."""
    import torch
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(1)
    comparison: Comparison = import_module(f"benchmarks.{subject}").COMPARISONS[number]
    with threadpool_limits(1):
        ours, _ = comparison.make()
        ours()
        profiler = cProfile.Profile()
        profiler.enable()
        for _ in range(CALLS):
            ours()
        profiler.disable()
    return shares_by_file(pstats.Stats(profiler).stats)  # type: ignore[attr-defined]


def shares_by_file(stats: dict[Function, tuple]) -> dict[str, float]:
    """Own times by file; what minilm calls in NumPy or Python counts where it is called.

    stats: function -> (…, calls, own time, time with callees, its callers: function -> the same
    four of what that one called).
    """
    times: Counter[str] = Counter()

    def charge(function: Function, time: float, depth: int = 0) -> None:
        """To its file; to its callers' if it is not minilm's, by the time it took for each."""
        callers = stats[function][4]
        if file := file_of(function):
            times[file] += time
        elif callers and depth < DEEPEST:
            for_all = sum(caller[3] for caller in callers.values()) or 1
            for caller, (_, _, _, for_this) in callers.items():
                charge(caller, time * for_this / for_all, depth + 1)

    for function, (_, _, own, _, _) in stats.items():
        charge(function, own)
    whole = sum(times.values())
    return {file: time / whole for file, time in times.most_common()}


def file_of(function: Function) -> str:
    """nn/attention.py, say; empty for what is not minilm's."""
    path = Path(function[0])
    return path.relative_to(PACKAGE).as_posix() if path.is_relative_to(PACKAGE) else ""


def table(rows: list[Row]) -> str:
    """For the README: a line for each work, its files in the order of their shares."""
    works = dict.fromkeys(row["work"] for row in rows)
    lines = []
    for work in works:
        of_work = [(row["file"], float(row["share"])) for row in rows if row["work"] == work]
        large = [f"{file} {share:.0%}" for file, share in of_work if share >= SHOWN]
        rest = sum(share for _, share in of_work if share < SHOWN)
        lines.append((work, ", ".join(large), f"{rest:.0%}"))
    return markdown(("work", "where its time goes", "all else"), lines)
