"""Transforms: x = left @ x', exactly, where x' is easier to round.

    x @ w = (x @ left) @ w'        w = left @ w',  and only w' is rounded

The answer is Product(left, Q(w')). A transform sees a matrix as what multiplies it does: (in, out),
each column a channel; an embedding table (V, D) is turned for it, as in h @ E.T, and the answer is
turned back: Product(Q(E'), left.T).

A row of TRANSFORMS is None (x as it is), or a function

    transform(name, x, seen, quantized) -> left, x', seen'

    name        what errors call the array
    x           (in, out) float
    seen        Seen of the vectors that multiply x (width in), or None where there is no
                calibration: ValueError by `needed`, if the transform cannot do without
    quantized   (in, out) -> its x̂ by the same grid and scales, rounded to nearest: to search with
    left        a leaf (in, in), or None where x is left as it is
    seen'       of the vectors v @ left, which multiply x', or None
"""

from collections.abc import Callable
from typing import Any, TypeAlias

from minilm.types import Array
from minilm.weights import Seen

Quantized: TypeAlias = Callable[[Array], Array]
Transform: TypeAlias = Callable[
    [str, Array, Seen | None, Quantized], tuple[Any, Array, Seen | None]
]

TRANSFORMS: dict[str, Transform | None] = {
    "none": None,
}
