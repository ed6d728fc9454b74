"""Side by side with other libraries:  python -m benchmarks [gpt lstm word2vec int8]

Without a name all are run, and results.csv and README.md are written anew; with names only those
are run, and the table is only printed.
"""

import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from benchmarks import gpt, int8, lstm, table, word2vec
from benchmarks.measure import measure

SUBJECTS = {
    "gpt": gpt.COMPARISONS,
    "lstm": lstm.COMPARISONS,
    "word2vec": word2vec.COMPARISONS,
    "int8": int8.COMPARISONS,
}


def main(names: list[str]) -> None:
    unknown = [name for name in names if name not in SUBJECTS]
    if unknown:
        sys.exit(f"There is no {', '.join(unknown)}; there are {', '.join(SUBJECTS)}.")
    comparisons = [comparison for name in names or SUBJECTS for comparison in SUBJECTS[name]]
    rows = []
    for comparison in comparisons:
        # A process each: what one leaves behind (memory kept by the allocator) changes the next.
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            rows.append(process.submit(measure, comparison).result())
        print(f"{rows[-1]['ratio']:>8}  {comparison.work}", flush=True)
    print("\n" + table.report(rows), end="")
    if not names:
        table.save(rows)


if __name__ == "__main__":
    main(sys.argv[1:])
