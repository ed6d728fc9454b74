"""Hold a finished study against what minilm promises:  python .ci/measures.py runs/NAME

Prints every measure with its limit; exit status 1 if one is missed. Means are over seeds.
"""

import csv
import sys
from itertools import pairwise
from pathlib import Path

SCHEMES = ("per-tensor absmax", "per-channel absmax", "per-group MSE")


def main(folder: Path) -> int:
    with (folder / "results.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))

    def mean(column: str, **wanted: str) -> float:
        values = [float(r[column]) for r in rows if all(r[k] == v for k, v in wanted.items())]
        return sum(values) / len(values)

    missed = 0

    def check(name: str, value: float, limit: float) -> None:
        nonlocal missed
        met = value < limit
        missed += not met
        print(f"{'met   ' if met else 'MISSED'}  {name}: {value:.4f} < {limit:.4f}")

    thorough = len({row["seed"] for row in rows if row["model"] != "n-gram"}) > 1
    ngram = min(float(row["loss"]) for row in rows if row["model"] == "n-gram")
    for model in ("LSTM", "Transformer", "word2vec"):
        damage = "loss_above_float"
        if model != "word2vec":
            limit = ngram if thorough else 1.80
            check(f"{model}, validation loss", mean("loss", model=model, method="float32"), limit)
        eight = mean(damage, model=model, method="per-channel absmax", bits="8")
        check(f"{model}, change by 8 bits per channel", abs(eight), 0.01)
        for bits in "432":
            falls = [mean(damage, model=model, method=method, bits=bits) for method in SCHEMES]
            for (worse, high), (better, low) in pairwise(zip(SCHEMES, falls, strict=True)):
                check(f"{model}, {bits} bits, {better} against {worse}", low, high)
        after = mean(damage, model=model, method="per-group MSE", bits="2")
        trained = mean(damage, model=model, method="per-group MSE, trained", bits="2")
        check(f"{model}, 2 bits, trained with rounding, of the damage", trained / after, 0.5)
        alone, taught = (
            mean("loss", model=model, method=f"student {how}") for how in ("alone", "distilled")
        )
        check(f"{model}, student taught against alone", taught, alone)
    size = mean("file_bytes", model="Transformer", method="per-group MSE", bits="4")
    whole = mean("file_bytes", model="Transformer", method="float32")
    check("Transformer, 4-bit file, of the float32 file", size / whole, 0.16)
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
