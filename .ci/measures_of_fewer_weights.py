"""Hold a finished study of fewer weights against what minilm promises:

    python .ci/measures_of_fewer_weights.py runs/python-docs-fewer-weights/results.csv

Prints every measure with its limit; exit status 1 if one is missed. Means are over seeds, and means
alone are compared: which differences the seeds do not tell apart, docs/fewer-weights.md says.

Pruned by magnitude and trained: the best of five ways (at once or gradually, each weight by itself
or all together, one of them twice as long) is held to the limit, and all are printed.

The order of scores is held against twice: in the scopes that their papers have (magnitude: each
weight, Wanda: each output, SparseGPT: each weight), and in one scope for all, that of the whole
model, where a score says too from which weights how much is taken.
"""

import sys
from itertools import pairwise
from pathlib import Path

from measures_of_a_study import Study

MODELS = ("LSTM", "Transformer")
FURTHER = "float, trained further"
TUNED = {50: 0.01, 80: 0.05}  # % left out: nats above float
MAGNITUDE = ("magnitude, tuned", "magnitude, global, tuned", "gradual", "gradual, global",
             "gradual, global, twice as long")
CONTROLS = {"gradual, global, twice as long": "float, trained twice as far"}  # the others: FURTHER
FAR = 0.5  # "≪": at most this part of
ORDERS = {
    "as in their papers": ("random", "magnitude", "Wanda", "SparseGPT"),
    "all over all weights": (
        "random, global", "magnitude, global", "Wanda, global", "SparseGPT, global"),
}  # fmt: skip
ALONE, CLOSED = "student alone", 0.3
# told, not measured by: a control, and one that does not begin from nothing
TOLD = ("student alone, in two parts", "student, cut from its teacher")


def main(path: Path) -> int:
    study = Study(path)
    check = study.check

    def damage(model: str, method: str, left_out: int) -> float:
        return study.damage(model=model, method=method, left_out=left_out)

    for model in MODELS:
        for left_out, limit in TUNED.items():
            there = {row["method"] for row in study.rows if row["left_out"] == str(left_out)}
            found = {name: damage(model, name, left_out) for name in MAGNITUDE if name in there}
            best = min(found, key=found.__getitem__)
            check(f"{model}, {left_out} % left out, {best}", found[best], limit)
            beside = {name: damage(model, CONTROLS.get(name, FURTHER), 0) for name in found}
            print("        the control counted off: " + ", ".join(
                f"{name} {own - beside[name]:+.4f}" for name, own in found.items()))
        for scope, order in ORDERS.items():
            for left_out in (50, 60, 70):
                chance, first, *_ = falls = [damage(model, name, left_out) for name in order]
                check(f"{model}, {left_out} %, {scope}, {order[1]} of {order[0]}",
                      first, FAR * chance)
                for (worse, high), (better, low) in pairwise(
                    list(zip(order, falls, strict=True))[1:]
                ):
                    check(f"{model}, {left_out} %, {scope}, {better} against {worse}", low, high)
        taught = {row["method"]: damage(model, row["method"], 50) for row in study.rows
                  if (row["model"], row["kind"]) == (model, "student")}
        alone = taught.pop(ALONE)
        closed = {method: 1 - own / alone for method, own in taught.items()}
        from_nothing = {name: share for name, share in closed.items() if name not in TOLD}
        best = max(from_nothing, key=from_nothing.__getitem__)
        check(f"{model}, {best}, of the gap to its teacher not closed", 1 - closed[best],
              1 - CLOSED)
        print("        gap closed: "
              + ", ".join(f"{name} {share:.0%}" for name, share in closed.items()))
    return int(study.missed > 0)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
