"""What the tests of the operations share: numbers to feed them."""

from collections.abc import Callable

import numpy as np
import pytest


@pytest.fixture
def normal() -> Callable[..., np.ndarray]:
    """normal(2, 3) is a new float64 array of that shape; the same test draws the same numbers."""
    rng = np.random.default_rng(7)
    return lambda *shape: rng.standard_normal(shape)
