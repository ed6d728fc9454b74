"""Hold a finished study of methods against what minilm promises:

    python .ci/measures_of_methods.py docs/methods.csv

Prints every measure with its limit; exit status 1 if one is missed. Means are over seeds.
"""

import sys
from pathlib import Path

from measures_of_a_study import Study

RTN = "in groups"  # round to nearest: integers, the largest magnitude, groups
SAME_GRID = "least squares, asymmetric in groups"  # what GPTQ's best row adds its rounding to
TRAINED = "trained"
SHARED_OUT = "mixed precision"  # so begin the names of those that share bits out between weights
MODELS = ("LSTM", "Transformer")


def main(path: Path) -> int:
    study = Study(path)
    check = study.check

    def damages(model: str, bits: int, kind: str | None = None) -> dict[str, float]:
        """{method: mean damage} of what rounds every weight to so many bits."""
        by_method: dict[str, list[float]] = {}
        for row in study.rows:
            wanted = row["model"] == model and row["bits"] == str(bits)
            wanted = wanted and not row["method"].startswith(SHARED_OUT)
            if wanted and kind in (None, row["kind"]) and float(row["bits_per_weight"]) < 24:
                by_method.setdefault(row["method"], []).append(float(row["loss_above_float"]))
        return {method: sum(each) / len(each) for method, each in by_method.items()}

    def damage(model: str, method: str, bits: int) -> float:
        return study.damage(model=model, method=method, bits=bits)

    for model in MODELS:
        of_training = damages(model, 4, TRAINED)
        four = {name: d for name, d in damages(model, 4).items() if name not in of_training}
        best = min(four, key=four.__getitem__)
        check(f"{model}, 4 bits, best after training ({best})", four[best], 0.02)
        three = damages(model, 3)
        cured = {name: d for name, d in three.items() if "GPTQ" in name or "AWQ" in name}
        best = min(cured, key=cured.__getitem__)
        check(f"{model}, 3 bits, {best} of {RTN}", cured[best], three[RTN] / 2)
        print(f"        of the damage with the same grid and objective, {SAME_GRID}: "
              f"{cured[best] / three[SAME_GRID]:.2f}; of {RTN}: {cured[best] / three[RTN]:.2f}")
        trained = damages(model, 2, TRAINED)
        after = {name: d for name, d in damages(model, 2).items() if name not in trained}
        best, first = (min(d, key=d.__getitem__) for d in (trained, after))
        check(f"{model}, 2 bits, {best} of {first}", trained[best], after[first] / 4)
        control = damage(model, "float, trained further", 32)
        print(f"        the control, {control:+.4f}, counted off: {trained[best] - control:+.4f}")
        print(f"        {SHARED_OUT}, in the same bytes: {damage(model, SHARED_OUT, 2):+.4f}")
        check(f"{model}, integer-only, 8 bits", damage(model, "integer-only", 8), 0.01)
        check(f"{model}, gradients at 4 bits with error feedback",
              damage(model, "gradients, error feedback", 4), 0.02)
    return int(study.missed > 0)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
