"""One self-contained HTML page: the figures, the headline table, and what the numbers say."""

from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from minilm.study.plots import compressed_models
from minilm.study.results import COLUMNS, Row
from minilm.study.settings import (
    ALONE,
    DISTILLED,
    FLOAT,
    FLOAT_BITS,
    FLOAT_FURTHER,
    PRUNED,
    SCHEMES,
    TRAINED,
    TRAINED_BITS,
    TRAINED_SCHEME,
    Settings,
)

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
        "Validation loss while training, beside n-grams counted on the same text.",
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


def write_report(rows: list[Row], figures: dict[str, Path], settings: Settings,
                 entropy: float | None, path: Path) -> None:
    """Write the page to `path`, figures inside it; nothing is loaded from elsewhere."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True,
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )
    page = environment.get_template("report.html").render(
        settings=settings,
        entropy=entropy,
        figures=[(*CAPTIONS[name], inline_svg(svg)) for name, svg in figures.items()],
        baselines=[row for row in rows if row["model"] == "n-gram"],
        headline=headline_table(rows),
        findings=findings(rows),
        rows=rows,
        columns=COLUMNS,
    )
    path.write_text(page, encoding="utf-8")


def inline_svg(path: Path) -> Markup:
    """The drawing alone, without the XML declaration that only a file of its own needs."""
    text = path.read_text(encoding="utf-8")
    return Markup(text[text.index("<svg"):])  # our own drawing, so nothing in it needs escaping


def headline_table(rows: list[Row]) -> list[dict[str, Any]]:
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
            "loss": mean(seeds, "loss"),
            "spread": max(row["loss"] for row in seeds) - min(row["loss"] for row in seeds),
            "above": mean(seeds, "loss_above_float"),
            "seeds": len(seeds),
        }
        for (model, method, bits), seeds in groups.items()
    ]


def findings(rows: list[Row]) -> dict[str, list[str]]:
    """For each model, sentences made of its numbers, whichever way the numbers fell."""
    return {
        model: [
            *above_entropy(rows, model),
            eight_bits(rows, model),
            *(recovery(rows, model, bits) for bits in TRAINED_BITS),
            control(rows, model),
            distillation(rows, model),
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


def eight_bits(rows: list[Row], model: str) -> str:
    change = mean_where(rows, model, "per-channel absmax", 8, "loss_above_float")
    return f"Rounding to 8 bits per channel changes the loss by {change:+.4f} nats."


def recovery(rows: list[Row], model: str, bits: int) -> str:
    """How much of the damage of rounding after training is undone by training with rounding."""
    after = mean_where(rows, model, TRAINED_SCHEME, bits, "loss_above_float")
    trained = mean_where(rows, model, TRAINED, bits, "loss_above_float")
    share = f": {1 - trained / after:.0%} of the damage is undone" if after > trained > 0 else ""
    return (
        f"{bits} bit{'s' if bits > 1 else ''} per group cost {after:+.3f} nats after training, "
        f"{trained:+.3f} with quantization-aware training{share}."
    )


def control(rows: list[Row], model: str) -> str:
    """What the further training of quantization-aware training does to the float model."""
    change = mean_where(rows, model, FLOAT_FURTHER, FLOAT_BITS, "loss_above_float")
    return f"The same further training without rounding changes float32 by {change:+.4f} nats."


def distillation(rows: list[Row], model: str) -> str:
    alone, taught = (
        [row["loss"] for row in rows if (row["model"], row["method"]) == (model, method)]
        for method in (ALONE, DISTILLED)
    )
    gain = float(np.mean(alone) - np.mean(taught))
    return (
        f"Of half the width and taught by this model, a student ends at {np.mean(taught):.4f}, "
        f"{abs(gain):.4f} nats {'better' if gain > 0 else 'worse'} than the same student trained "
        f"alone (mean of {len(alone)} seed{'s' if len(alone) > 1 else ''})."
    )


def mean_where(rows: list[Row], model: str, method: str, bits: int, column: str) -> float:
    wanted = (model, method, bits)
    return mean([r for r in rows if (r["model"], r["method"], r.get("bits")) == wanted], column)


def mean(rows: list[Row], column: str) -> float:
    return float(np.mean([row[column] for row in rows]))
