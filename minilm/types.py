"""Names for what the type hints mean; nothing here does anything at run time.

A parameter is "anything that answers `x @ w`" (an array, or a leaf of `minilm.weights`), so the
values of `Params` stay open on purpose: the models must not care which of them they are given.
"""

from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray
Params: TypeAlias = dict[str, Any]  # name -> weight
Cache: TypeAlias = Any  # what a forward pass keeps for its backward pass
Batch: TypeAlias = Any  # whatever the loss in use understands
