"""What printed formulas are measured on, and in what: used by more than one page.

Most rules for numbers are tried on 4096 Gaussian weights of standard deviation 0.05, about as large
as those of a trained network, and judged by the signal-to-noise ratio that they leave.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from minilm.compression import fake_quantize
from minilm.metrics import sqnr_db
from minilm.types import Array

Rule = Callable[..., Any]
SIGMA = 0.05


def gaussian_weights(sigma: float = SIGMA) -> Array:
    """4096 draws from N(0, σ²), float32; always the same."""
    return (sigma / SIGMA * np.random.default_rng(0).normal(0, SIGMA, 4096)).astype(np.float32)


def absmax(x: Array, bits: int) -> Array:
    """s = max|x| / (2^(b−1) − 1),   q = round(x / s),   x̂ = s·q"""
    return fake_quantize(x, bits)


def min_max(x: Array, bits: int) -> Array:
    """s = (max − min) / (2^b − 1), range extended to 0;   q = round(x/s) + z,   x̂ = s·(q − z)"""
    return fake_quantize(x, bits, symmetric=False)


def db_at_8_and_4(rule: Rule, sigma: float = SIGMA) -> tuple[float, float]:
    """SQNR of rule(x, bits) -> x̂ at 8 and at 4 bits."""
    x = gaussian_weights(sigma)
    return sqnr_db(x, rule(x, 8)), sqnr_db(x, rule(x, 4))


def raised(action: Callable[[], Any]) -> str:
    """The name of the exception that ends the action, or "nothing"."""
    try:
        action()
    except Exception as error:  # whatever it is: its name is the result
        return type(error).__name__
    return "nothing"
