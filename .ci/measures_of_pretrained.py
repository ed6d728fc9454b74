"""Hold the measurements of a real encoder against what minilm promises of it:

    python .ci/measures_of_pretrained.py docs/pretrained.csv

Prints every measure with its limit; exit status 1 if one is missed. All are of sentences that
nothing was calibrated with.
"""

import csv
import sys
from pathlib import Path

GROUPS_OF_4 = 5.0  # true bits per weight that 4-bit codes and their groups' scales may take
DOWN_TO = 2
THREE = "GPTQ, least squares"


def main(path: Path) -> int:
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    weights = [row for row in rows if row["part"] == "weights"
               and row["method"] not in ("word table alone", "all but the word table")]
    missed = 0

    def at(bits: int, *methods: str) -> list[dict[str, str]]:
        return [row for row in weights if row["bits"] == str(bits)
                and (not methods or row["method"] in methods)]

    def check(name: str, value: float, least: float) -> None:
        nonlocal missed
        met = value >= least
        missed += not met
        print(f"{'met   ' if met else 'MISSED'}  {name}: {value:.5f} >= {least:g}")

    (eight,) = at(8, "round to nearest")
    check("8 bits per channel, mean cosine", float(eight["cosine"]), 0.999)
    # every weight in 4 bits: mixed precision gives some more, and segments may be left float
    four = [row for row in at(4) if float(row["bits_per_weight"]) < GROUPS_OF_4
            and "mixed" not in row["method"] and "segments float" not in row["method"]]
    best = max(four, key=lambda row: float(row["cosine"]))
    check(f"4 bits, {best['method']}, {float(best['bits_per_weight']):.2f} true bits, mean cosine",
          float(best["cosine"]), 0.99)
    check("3 bits, GPTQ is there", len(at(3, THREE)), 1)
    check("methods at 2 bits", len(at(DOWN_TO)), 20)
    for bits in (8, 4, 3, 2):
        first = max(at(bits), key=lambda row: float(row["cosine"]))
        print(f"        {bits} bits, least drift: {first['method']}, mean cosine "
              f"{float(first['cosine']):.5f}, worst {float(first['worst_cosine']):.4f}, "
              f"{float(first['bits_per_weight']):.2f} true bits")
    activations = {(row["method"], row["bits"], row["activation_bits"]): float(row["drift"])
                   for row in rows if row["part"] == "activations"}
    plain = activations["one scale", "16", "8"]
    for cure in ("SmoothQuant", "rotation"):
        cured = activations[f"one scale, {cure}", "16", "8"]
        check(f"activations of 8 bits with one scale: drift undone by {cure}", 1 - cured / plain,
              0.5)
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
