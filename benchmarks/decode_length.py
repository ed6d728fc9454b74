"""What a key–value cache is worth:  python -m benchmarks decode_length

Texts of several lengths written by a small GPT, the likeliest token each time: with the cache that
`generate` has, and by reading the whole text again for each new token. Both write the same ids. The
two take turns; a row of decode_length.csv is one text, and its seconds are those that the process
computed for, with one thread. --draw measures nothing and only reports.
"""

import argparse
import platform
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.records import HERE, Row, read, write
from minilm import TransformerLanguageModel
from minilm.generation import generate
from minilm.types import Array, Params
from minilm.weights import nbytes

RESULTS = HERE / "decode_length.csv"
LENGTHS = (8, 16, 32, 64, 128, 256, 512)
ROUNDS = 5
SIZES = {"vocab_size": 512, "width": 128, "layers": 4, "heads": 4, "context": 512}
FIRST = 1  # the token that the text begins with

Writer = Callable[[TransformerLanguageModel, Params, int], Array]


def with_cache(model: TransformerLanguageModel, params: Params, length: int) -> Array:
    """Each token is read once."""
    return generate(model, params, [FIRST], length, temperature=0)


def read_again(model: TransformerLanguageModel, params: Params, length: int) -> Array:
    """All tokens so far are read for each new one."""
    text = np.full((1, length + 1), FIRST, dtype=np.int32)
    for t in range(1, length + 1):
        logits, _ = model.forward(params, text[:, :t])
        text[0, t] = logits[0, -1].argmax()
    return text[0, 1:]


WRITERS: dict[str, Writer] = {"with a cache": with_cache, "read again": read_again}


def measured(rounds: int) -> list[Row]:
    """A row for each writer, length and round. RuntimeError if the two write different texts."""
    model = TransformerLanguageModel(**SIZES)
    params = model.init(0)
    about = {**{name: str(size) for name, size in SIZES.items()}, "threads": "1",
             "weight_bytes": str(nbytes(params)),
             "python": platform.python_version(), "numpy": version("numpy")}  # fmt: skip
    rows = []
    with threadpool_limits(1):
        for length in LENGTHS:
            one, other = (writer(model, params, length) for writer in WRITERS.values())
            if not np.array_equal(one, other):
                raise RuntimeError(f"the cache changes a text of {length} tokens")
            for number in range(rounds):
                for name, writer in WRITERS.items():
                    start = time.process_time()
                    writer(model, params, length)
                    seconds = time.process_time() - start
                    rows.append({
                        "writer": name, "tokens": str(length), "round": str(number),
                        "seconds": f"{seconds:.5f}", **about,
                    })  # fmt: skip
            print(f"{length} tokens: {rows[-2]['seconds']} s, {rows[-1]['seconds']} s", flush=True)
    return rows


def report(rows: list[Row]) -> str:
    """A Markdown table of tokens a second: the median over rounds (lowest – highest)."""
    lines = [f"| tokens written | {' | '.join(WRITERS)} |", "|---:|---:|---:|"]
    for length in LENGTHS:
        cells = []
        for name in WRITERS:
            rates = [
                length / float(row["seconds"])
                for row in rows
                if (row["writer"], row["tokens"]) == (name, str(length))
            ]
            cells.append(f"{statistics.median(rates):,.0f} ({min(rates):,.0f} – {max(rates):,.0f})")
        lines.append(f"| {length} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> None:
    """Measure, write, report."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks decode_length", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="texts of each kind")
    parser.add_argument("--draw", action="store_true", help="the table, from the csv file")
    asked = parser.parse_args(arguments)
    if not asked.draw:
        write(RESULTS, measured(asked.rounds))
    print(report(read(RESULTS)))
