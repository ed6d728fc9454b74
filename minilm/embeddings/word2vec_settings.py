"""What Word2Vec's settings may be; each that may not is refused by its name."""

import math
from typing import Any

import numpy as np

from minilm.models.language_model import check_positive

COUNTS = ("vector_size", "window", "epochs", "workers")
FROM_ZERO = ("min_count", "negative", "seed")
LIMITS = ("max_vocab_size", "max_final_vocab")  # None: no limit
SWITCHES = ("cbow_mean", "shrink_windows", "compute_loss", "bias", "hs")
SETTINGS = (
    *COUNTS, *FROM_ZERO, *LIMITS, *SWITCHES, "sg", "alpha", "min_alpha", "sample", "ns_exponent",
)  # fmt: skip


def settings_of(model: Any) -> dict[str, Any]:
    """What the model was made with, by name, NumPy's numbers as Python's; `save` keeps it."""
    values = {name: getattr(model, name) for name in model.settings}
    return {n: v.item() if isinstance(v, np.generic) else v for n, v in values.items()}


def check_settings(model: Any, **instead: float) -> None:
    """ValueError for the first of a model's settings that is out of range."""
    values = settings_of(model) | instead
    check_positive(**{name: values[name] for name in COUNTS})
    check_positive(**{name: values[name] for name in LIMITS if values[name] is not None})
    for name in FROM_ZERO:
        value = values[name]
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise ValueError(f"{name} must be an integer of at least 0, got {value!r}")
    if values["sg"] not in (0, 1):
        raise ValueError(f"sg must be 1 (skip-gram) or 0 (CBOW), got {values['sg']!r}")
    for name in SWITCHES:
        if values[name] not in (0, 1):
            raise ValueError(f"{name} must be 0 (no) or 1 (yes), got {values[name]!r}")
    alpha, min_alpha = values["alpha"], values["min_alpha"]
    if not (0 <= min_alpha <= alpha and 0 < alpha <= 1):
        raise ValueError(
            "alpha and min_alpha must satisfy 0 <= min_alpha <= alpha and 0 < alpha <= 1, "
            f"got {alpha!r} and {min_alpha!r}"
        )
    if not 0 <= values["sample"] < 1:
        raise ValueError(
            f"sample must be 0 (read every word) or a share < 1, got {values['sample']!r}"
        )
    if not math.isfinite(values["ns_exponent"]):
        raise ValueError(f"ns_exponent must be finite, got {values['ns_exponent']!r}")
    if not values["hs"] and not values["negative"]:
        raise ValueError("hs or negative must be set, got hs=0 and negative=0: nothing to learn")
    if values["bias"] and not (values["sg"] and values["negative"]):
        raise ValueError(
            "bias belongs to skip-gram with negative sampling, "
            f"got sg={values['sg']!r}, negative={values['negative']!r}"
        )


def check_totals(
    epochs: Any, total_examples: int | None, total_words: int | None
) -> tuple[int, int]:
    """epochs, and the text's size; ValueError where train was not told them."""
    if epochs is None:
        raise ValueError("epochs must be given to train, got none; usually epochs=model.epochs")
    check_positive(epochs=epochs)
    if total_examples is None and total_words is None:
        raise ValueError(
            "total_examples or total_words must be given to train, by which the learning rate "
            "falls; for the text of build_vocab: total_examples=model.corpus_count"
        )
    if total_examples is not None:
        check_positive(total_examples=total_examples)
        return int(epochs), int(total_examples)
    check_positive(total_words=total_words)  # type: ignore[arg-type]
    return int(epochs), int(total_words)  # type: ignore[arg-type]
