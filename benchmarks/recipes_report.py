"""What `benchmarks/recipes.py` found: docs/recipes.svg, a table of all stages, and one of the last.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from benchmarks.figure import RC
from benchmarks.figure import write as write_figure
from benchmarks.records import HERE, Row, read, replace_between
from minilm.study.measures import EXACT_MATCH, LOSS, Measure
from minilm.study.recipes import draw_recipes, legend

ROOT = HERE.parent
RESULTS, FIGURE, FILES = HERE / "recipes.csv", ROOT / "docs" / "recipes.svg", ROOT / "data/recipes"
README, GUIDE, HOME = HERE / "README.md", ROOT / "docs" / "guide.md", ROOT / "README.md"
BEGIN, END = "<!-- recipes -->\n", "<!-- end of recipes -->\n"
CONTROL, SHOWN = "control", "whole"  # the recipe that the guide prints
NUMBERS = ("seed", "stage", "file_bytes", "smaller", "bits_per_weight", "loss", "perplexity_ratio",
           "exact_match", "structure_exact_match", "points_lost", "inference_time", "seconds",
           "total_seconds")  # fmt: skip

Run = Sequence[Mapping[str, Any]]  # its stages
Found = dict[str, dict[str, list[Run]]]  # {model: {recipe: a run for each seed}}


def found(rows: list[Row]) -> Found:
    """The rows of recipes.csv as runs, with numbers for numbers; in their order."""
    grouped: dict[str, dict[str, dict[str, list[dict[str, Any]]]]] = {}
    for row in rows:
        numbers = {name: float(row[name]) for name in NUMBERS if row.get(name)}
        runs = grouped.setdefault(row["model"], {}).setdefault(row["recipe"], {})
        runs.setdefault(row["seed"], []).append({**row, **numbers})
    return {
        model: {name: list(runs.values()) for name, runs in recipes.items()}
        for model, recipes in grouped.items()
    }


def measure_of(recipes: Mapping[str, Sequence[Run]]) -> Measure:
    """Answers are judged by exact match, text by its loss."""
    first = next(iter(recipes.values()))[0][0]
    return EXACT_MATCH if first["exact_match"] != "" else LOSS


def figure(rows: list[Row]) -> Figure:
    """A panel for each model, one below the other."""
    models = found(rows)
    control = any(CONTROL in recipes for recipes in models.values())
    drawing = Figure(figsize=(8.6, 0.5 + 3.7 * len(models)), layout="constrained",
                     facecolor="white")  # fmt: skip
    panels = drawing.subplots(len(models), 1, squeeze=False)[:, 0]
    for axes, (model, recipes) in zip(panels, models.items(), strict=True):
        tried = {name: runs for name, runs in recipes.items() if name != CONTROL}
        axes.set_title(model, loc="left")
        if tried:
            draw_recipes(axes, tried, measure_of(recipes), recipes.get(CONTROL, ()))
    drawing.legend(handles=legend(control), loc="outside upper center", ncols=2)
    return drawing


def stages(rows: list[Row]) -> str:
    """Markdown: for each model a table, a line for each stage of each recipe; means over seeds."""
    parts = [table(model, recipes) for model, recipes in found(rows).items()]
    first = rows[0]
    seeds = len({row["seed"] for row in rows})
    itself = np.array([float(row["inference_time"]) for row in rows if float(row["stage"]) == 0])
    return (
        "\n".join(parts) + f"\n{seeds} seed{'s' * (seeds > 1)}: means, and after ± half the "
        "distance from the lowest to the highest. Files as `ls` shows them. Bits a weight: of all "
        "that is held, after `code` of the file, over the numbers that the model has by then: a "
        "student has fewer than its teacher, what is pruned counts. Seconds of one thread, of the "
        "stage and of all so far; inference: processor time of an evaluation with the "
        "weights as they are stored, over that of the float32 model, which over itself, run by "
        f"run, came to {itself.min():.2f} – {itself.max():.2f}. On a machine of "
        f"{first['cores']} cores with Python {first['python']}, NumPy {first['numpy']}.\n"
        + of_new_structures(rows)
    )


def table(model: str, recipes: Mapping[str, Sequence[Run]]) -> str:
    """All stages of one model's recipes; what all begin with comes first, and once."""
    measure = measure_of(recipes)
    quality, change = ("exact match", "change") if measure.score else ("loss", "perplexity")
    lines = [
        f"| {model}: recipe | stage | file, bytes | smaller | bits a weight | {quality} | {change} "
        "| seconds | in all | inference |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    first = next(iter(recipes.values()))
    for name, runs in [("", [run[:1] for run in first]), *recipes.items()]:
        for number in range(len(runs[0]))[bool(name) :]:
            at = [run[number] for run in runs]
            cells = (
                name, at[0]["do"], f"{mean(at, 'file_bytes'):,.0f}",
                f"{mean(at, 'smaller'):.1f} ×", f"{mean(at, 'bits_per_weight'):.2f}",
                level(at, measure), changed(at, measure) if name else "",
                f"{mean(at, 'seconds'):.0f}", f"{mean(at, 'total_seconds'):.0f}",
                f"{mean(at, 'inference_time'):.2f}",
            )  # fmt: skip
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def values(at: Run, column: str) -> np.ndarray:
    return np.array([row[column] for row in at])


def mean(at: Run, column: str) -> float:
    return float(values(at, column).mean())


def level(at: Run, measure: Measure) -> str:
    """The loss in nats, or the exact match in per cent."""
    if measure.score:
        return spread(100 * values(at, "exact_match"), "{:.1f}", " %")
    return spread(values(at, "loss"), "{:.3f}")


def changed(at: Run, measure: Measure) -> str:
    """Against the float model of the same seed: of perplexity in per cent, of answers in points."""
    if measure.score:
        return spread(-values(at, "points_lost"), "{:+.1f}", " points")
    return spread(100 * (values(at, "perplexity_ratio") - 1), "{:+.1f}", " %")


def spread(numbers: np.ndarray, written: str, unit: str = "") -> str:
    """Mean ± half the distance from the lowest to the highest."""
    digits = int(written[written.index(".") + 1])
    middle = round(float(numbers.mean()), digits) + 0.0  # + 0.0: no "-0.0"
    half = f"{(numbers.max() - numbers.min()) / 2:.{digits}f}"
    return f"{written.format(middle).replace('-', '−')} ± {half}{unit}"


def ends(rows: list[Row]) -> str:
    """Markdown: a line for each recipe, from the float file to the last; and for the control."""
    lines = [
        "| model | recipe | float32 file | last file | smaller | quality | inference |",
        "|---|---|---|---|---|---|---|",
    ]
    for model, recipes in found(rows).items():
        measure = measure_of(recipes)
        for name, runs in recipes.items():
            at = [run[-1] for run in runs]
            begun = mean([run[0] for run in runs], "file_bytes")
            cells = (
                model, f"[{name}](data/recipes/{name}.toml)" if name != CONTROL else name,
                f"{begun:,.0f} bytes", f"{mean(at, 'file_bytes'):,.0f} bytes",
                f"{mean(at, 'smaller'):.1f} ×",
                ("exact match " if measure.score else "perplexity ") + changed(at, measure),
                f"{mean(at, 'inference_time'):.2f} ×",
            )  # fmt: skip
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def of_the_control(rows: list[Row]) -> str:
    """What further training gains without compression, in a sentence; nothing without a control."""
    gains = [
        f"{changed([run[-1] for run in recipes[CONTROL]], LOSS)} of perplexity for the {model} "
        f"({int(recipes[CONTROL][0][-1]['do'].split('steps=')[1]):,} steps)"
        for model, recipes in found(rows).items() if CONTROL in recipes
    ]  # fmt: skip
    if not gains:
        return ""
    return (
        "A recipe trains the model further, and that alone changes it. The control is the float32 "
        "model, as large as before, trained for as many further steps as the last recipe of its "
        f"model takes in all: {'; '.join(gains)}. The other recipes train for "
        "fewer steps, and have no control of that length here.\n"
    )


def of_new_structures(rows: list[Row]) -> str:
    """Where sentences of structures that are new were asked too: what became of them."""
    told = []
    for model, recipes in found(rows).items():
        for name, runs in recipes.items():
            if not all("structure_exact_match" in row and row["structure_exact_match"] != ""
                       for run in runs for row in (run[0], run[-1])):  # fmt: skip
                continue
            begun, last = (
                100 * values([run[place] for run in runs], "structure_exact_match")
                for place in (0, -1)
            )
            each = ", ".join(f"{own:+.1f}" for own in last - begun).replace("-", "−")
            told.append(
                f"{model if name == model else f'{model}, {name}'}: "
                f"{spread(begun, '{:.1f}', ' %')} before, {spread(last, '{:.1f}', ' %')} after; "
                f"seed by seed {each} points"
            )
    if not told:
        return ""
    return f"\nExact match where the sentence's structure is new as well, {'; '.join(told)}.\n"


def section() -> str:
    """What benchmarks/README.md shows of recipes.csv."""
    if not RESULTS.exists():
        return ""
    picture = f"![{alternative(read(RESULTS))}](../docs/{FIGURE.name})\n\n"
    return picture + stages(read(RESULTS))


def guide_section() -> str:
    """What docs/guide.md shows: a recipe, how it is run, and every stage of every recipe."""
    printed = (
        f"```toml\n{(FILES / f'{SHOWN}.toml').read_text(encoding='utf-8')}```\n\n"
        "    python -m minilm train transformer --out transformer.npz\n"
        f"    python -m minilm compress transformer.npz --recipe data/recipes/{SHOWN}.toml "
        "--out small.npz\n"
    )
    if not RESULTS.exists():
        return printed
    rows = read(RESULTS)
    seeds = len({row["seed"] for row in rows})
    return (
        f"{printed}\n![{alternative(rows)}]({FIGURE.name})\n\n"
        "*Each dot is a stage: the file as `ls` shows it, and what is lost against the float32 "
        f"model of the same seed. Means of {seeds} seed{'s' * (seeds > 1)}, bars from the lowest "
        "to the highest; axes are linear up to the dashed line, then logarithmic. A full mark at "
        "the end: no other recipe's end undercuts it in bytes, quality and the time to make "
        f"it.*\n{of_new_structures(rows)}"
    )


def home_section() -> str:
    """What the first README shows: where each recipe begins and ends."""
    rows = read(RESULTS) if RESULTS.exists() else []
    return f"{ends(rows)}\n{of_the_control(rows)}" if rows else ""


def alternative(rows: list[Row]) -> str:
    """The figure in words."""
    models = ", ".join(found(rows))
    return f"Size of the file and loss of quality after each stage of each recipe: {models}"


def line(rows: list[Row]) -> str:
    """A finished run in a line."""
    (run,) = (run for recipes in found(rows).values() for runs in recipes.values() for run in runs)
    last = run[-1]
    quality = changed([last], measure_of({"": [run]})).split(" ±")[0]
    kind = "points" if last["exact_match"] != "" else "% of perplexity"
    return (
        f"{last['model']}, {last['recipe']}, seed {last['seed']:.0f}: "
        f"{last['file_bytes']:,.0f} bytes, {last['smaller']:.1f} ×, {quality} {kind}, "
        f"{last['total_seconds']:.0f} s"
    )


def save() -> None:
    """Draw the figure, and put what is there into both READMEs and the guide."""
    if RESULTS.exists():
        with matplotlib.rc_context(RC):
            write_figure(figure(read(RESULTS)), FIGURE)
    put: dict[Any, Callable[[], str]] = {
        README: section, GUIDE: guide_section, HOME: home_section,
    }  # fmt: skip
    for path, content in put.items():
        replace_between(path, BEGIN, END, content())
