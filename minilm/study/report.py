"""One self-contained HTML page: the figures, the headline table, and what the numbers say."""

from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from minilm.study.measures import LOSS, Measure
from minilm.study.plots import compressed_models
from minilm.study.results import Row
from minilm.study.settings import (
    ALONE,
    DISTILLED,
    FLOAT,
    FLOAT_BITS,
    FLOAT_FURTHER,
    LANGUAGE,
    PRUNED,
    SCHEMES,
    TRAINED,
    TRAINED_BITS,
    TRAINED_SCHEME,
    Settings,
)
from minilm.study.task_recipes import NOISE

QUOTED = {("per-channel absmax", 8), ("per-group MSE", 4)}  # of the sweeps

CAPTIONS = {
    "error-versus-bits": (
        "Error against bit-width",
        "Above, how far the weights moved; below, what that costs. The grey lines are the limits "
        "for a Gaussian source. Trained weights are not one Gaussian, and scales for each channel "
        "or group use that, so a curve may pass such a line. At 2 bits ±(2^(b−1) − 1) leaves three "
        "levels and a range set by the largest weight: 1 bit, sign times mean, can do better.",
    ),
    "training": (
        "Training",
        "What is measured on held-out data while training, beside what limits it and, for models "
        "of characters, n-grams counted on the same text.",
    ),
    "pruning": (
        "Pruning",
        "The smallest weights are set to zero, without training afterwards.",
    ),
    "neighbours": (
        "Neighbours of word vectors",
        "What is asked of word vectors is who is near whom. (The trained vectors move with the "
        "text as well as with the rounding, so some of their neighbours change for the better.)",
    ),
    "size-versus-loss": (
        "Bytes against loss",
        "Every point is a file on disk. A pruned one holds a bitmask and the kept weights as "
        "float32, so below about 3 % of zeros it is larger than the model it came from.",
    ),
}
CAPTIONS["size-versus-score"] = ("Bytes against score", CAPTIONS["size-versus-loss"][1])
TRAINING_OF_A_TASK = "Right answers to what training never shows, and what limits them."


def write_report(rows: list[Row], figures: dict[str, Path], settings: Settings,
                 measure: Measure, columns: dict[str, str], path: Path) -> None:
    """Write the page to `path`, figures inside it; nothing is loaded from elsewhere."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True,
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )
    page = environment.get_template("report.html").render(
        settings=settings,
        measure=measure,
        about=about(settings, measure, rows),
        figures=[(*caption(name, measure), inline_svg(svg)) for name, svg in figures.items()],
        baselines=[row for row in rows if row["model"] == "n-gram"],
        headline=headline_table(rows, measure),
        findings=findings(rows, measure),
        rows=rows,
        columns=columns,
    )
    path.write_text(page, encoding="utf-8")


def caption(name: str, measure: Measure) -> tuple[str, str]:
    """A figure's title, and what is said below it."""
    title, text = CAPTIONS[name]
    return title, TRAINING_OF_A_TASK if name == "training" and measure.score else text


def inline_svg(path: Path) -> Markup:
    """The drawing alone, without the XML declaration that only a file of its own needs."""
    text = path.read_text(encoding="utf-8")
    return Markup(text[text.index("<svg"):])  # our own drawing, so nothing in it needs escaping


def about(settings: Settings, measure: Measure, rows: list[Row]) -> str:
    """What was studied, in what unit, and what is known of the best that there can be."""
    number = {1: "One model was", 2: "Two models were", 3: "Three models were"}
    models = len(settings.models)
    text = (
        f"{number.get(models, f'{models} models were')} trained from nothing and compressed in "
        f"every basic way; seeds: {', '.join(map(str, settings.seeds))}. "
    )
    if settings.task == LANGUAGE:
        text += f"Losses are in {measure.unit}"
        if settings.word2vec:
            text += " (word2vec: nats per pair with its negative samples)"
        text += " on text that no model was trained on."
        for entropy in measure.limits.values():
            text += (
                " The source is a grammar whose entropy is known exactly: "
                f"{entropy:.4f} nats per character. No model can be below it."
            )
        return text
    text += (
        f"They are judged by {measure.name} on up to {settings.asked} examples with combinations "
        "of words that training never shows."
    )
    if f"structure_{measure.column}" in rows[0]:
        text += " Columns named structure_… are of sentence patterns that it never shows."
    if settings.task == "sentiment":
        text += (
            f" Of the labels that they learn from {NOISE:.0%} are wrong on purpose; accuracy is "
            "the share of right answers to be expected where as many are wrong. A coin's is 50 %."
        )
    for name, value in measure.limits.items():
        text += f" The {' '.join(name.split())}: {measure.shown(value)}."
    return text


def headline_table(rows: list[Row], measure: Measure = LOSS) -> list[dict[str, Any]]:
    """What the report quotes, averaged over seeds: all but the sweeps, and two rows of those."""
    groups: dict[tuple[str, str, Any], list[Row]] = {}
    for row in rows:
        swept = row["method"] in (*SCHEMES, PRUNED)
        quoted = (row["method"], row.get("bits")) in QUOTED
        if row["model"] != "n-gram" and (quoted or not swept):
            groups.setdefault((row["model"], row["method"], row.get("bits")), []).append(row)
    return [
        {
            "model": model, "method": method, "bits": bits,
            "bits_per_weight": mean(seeds, "bits_per_weight"),
            "kilobytes": mean(seeds, "file_bytes") / 1000,
            "quality": measure.shown(mean(seeds, measure.column)),
            "spread": measure.shown(spread(seeds, measure.column)),
            "change": measure.shown_change(mean(seeds, measure.change)).removesuffix(" nats"),
            "seeds": len(seeds),
        }
        for (model, method, bits), seeds in groups.items()
    ]


def findings(rows: list[Row], measure: Measure = LOSS) -> dict[str, list[str]]:
    """For each model, sentences made of its numbers, whichever way the numbers fell."""
    return {
        model: [
            *(float_score(rows, model, measure) if measure.score else above_entropy(rows, model)),
            eight_bits(rows, model, measure),
            *(recovery(rows, model, bits, measure) for bits in TRAINED_BITS),
            control(rows, model, measure),
            distillation(rows, model, measure),
        ]
        for model in compressed_models(rows)
    }


def above_entropy(rows: list[Row], model: str) -> list[str]:
    """What the float32 model has not learnt, where the entropy of the source is known."""
    floats = [row for row in rows if (row["model"], row["method"]) == (model, FLOAT)]
    if "loss_above_entropy" not in floats[0]:
        return []
    above = mean(floats, "loss_above_entropy")
    return [f"In float32 it ends {above:.4f} nats per character above the entropy of the source."]


def float_score(rows: list[Row], model: str, measure: Measure) -> list[str]:
    """How much of what can be reached the float32 model reaches."""
    floats = [row for row in rows if (row["model"], row["method"]) == (model, FLOAT)]
    text = f"In float32: {measure.name} {measure.shown(mean(floats, measure.column))}"
    structure = f"structure_{measure.column}"
    if structure in floats[0]:
        text += f"; where the sentence pattern is new too, {measure.shown(mean(floats, structure))}"
    return [text + "."]


def eight_bits(rows: list[Row], model: str, measure: Measure = LOSS) -> str:
    change = mean_where(rows, model, "per-channel absmax", 8, measure.change)
    said = measure.shown_change(change)
    return f"Rounding to 8 bits per channel changes the {measure.name} by {said}."


def recovery(rows: list[Row], model: str, bits: int, measure: Measure = LOSS) -> str:
    """How much of the damage of rounding after training is undone by training with rounding."""
    after, trained = (
        measure.damage(mean_where(rows, model, method, bits, measure.change))
        for method in (TRAINED_SCHEME, TRAINED)
    )
    share = f": {1 - trained / after:.0%} of the damage is undone" if after > trained > 0 else ""
    return (
        f"{bits} bit{'s' if bits > 1 else ''} per group cost {measure.shown_change(after, 3)} "
        f"after training, {measure.shown_change(trained, 3).removesuffix(' nats')} with "
        f"quantization-aware training{share}."
    )


def control(rows: list[Row], model: str, measure: Measure = LOSS) -> str:
    """What the further training of quantization-aware training does to the float model."""
    change = mean_where(rows, model, FLOAT_FURTHER, FLOAT_BITS, measure.change)
    said = measure.shown_change(change)
    return f"The same further training without rounding changes float32 by {said}."


def distillation(rows: list[Row], model: str, measure: Measure = LOSS) -> str:
    alone, taught = (
        [row[measure.column] for row in rows if (row["model"], row["method"]) == (model, method)]
        for method in (ALONE, DISTILLED)
    )
    gain = measure.damage(float(np.mean(alone) - np.mean(taught)))
    said = f"{measure.shown_change(abs(gain)).removeprefix('+')} "
    than = said + ("better than" if gain > 0 else "worse than") if gain else "as good as"
    return (
        f"Of half the width and taught by this model, a student ends at "
        f"{measure.shown(float(np.mean(taught)))}, {than} the same student trained "
        f"alone (mean of {len(alone)} seed{'s' if len(alone) > 1 else ''})."
    )


def spread(rows: list[Row], column: str) -> float:
    return max(row[column] for row in rows) - min(row[column] for row in rows)


def mean_where(rows: list[Row], model: str, method: str, bits: int, column: str) -> float:
    wanted = (model, method, bits)
    return mean([r for r in rows if (r["model"], r["method"], r.get("bits")) == wanted], column)


def mean(rows: list[Row], column: str) -> float:
    return float(np.mean([row[column] for row in rows]))
