"""Is this really the derivative? Step a little along a random direction and measure the slope.

For an output y and a random dy of its shape, L = Σ dy ⊙ y is one number, whose gradient at y is dy.
Moving one input x by a small step ε along a random direction v must change it at the rate

    (L(x + εv) − L(x − εv)) / 2ε  =  Σ v ⊙ dL/dx

to about ε² in float64. That dy is random matters: with all ones, the gradient of a softmax or a
LayerNorm is zero, and a backward pass that returns zeros would be believed.
"""

import copy
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from minilm.types import Array, Params

SMALLEST_SLOPE = 1e-4  # slopes below this are compared absolutely: ε leaves noise of about 1e-10


def check_gradient(
    op: Callable[..., Any],
    op_backward: Callable[..., Any],
    *inputs: Any,
    seed: int = 0,
    step: float = 1e-6,
    tolerance: float = 1e-5,
    **options: Any,
) -> float:
    """Check `op_backward` against finite differences of `op`, one floating input at a time.

    op(*inputs, **options) -> y, cache with y an array, a number or a tuple of them;
    op_backward(dy, cache) -> one gradient for each floating input, in the order of the inputs
    (other inputs, such as ids and masks, have none; options are not differentiated).
    Inputs are copied to float64; an rng among the options starts anew at every call.

        >>> check_gradient(layer_norm, layer_norm_backward, x, gain, bias) < 1e-5
        True

    Returns the largest relative error; AssertionError, naming the input, where it exceeds
    `tolerance` or where a gradient is missing or has the wrong shape.
    """
    rng = np.random.default_rng(seed)
    inputs = tuple(x.astype(np.float64) if _is_float_array(x) else x for x in inputs)

    def outputs(args: tuple[Any, ...]) -> tuple[tuple[Any, ...], bool, Any]:
        y, cache = _call(op, args, options)
        return (y, True, cache) if isinstance(y, tuple) else ((y,), False, cache)

    ys, is_tuple, cache = outputs(inputs)
    dys = tuple(rng.standard_normal(np.shape(y)) for y in ys)
    gradients = op_backward(dys if is_tuple else dys[0], cache)
    gradients = list(gradients) if isinstance(gradients, tuple) else [gradients]

    worst = 0.0
    for position, (name, x) in enumerate(zip(_names(op, inputs), inputs, strict=True)):
        if x is None and gradients:
            gradients.pop(0)  # an optional parameter that was left out: db of b = None
        if not _is_float_array(x):
            continue
        gradient = gradients.pop(0) if gradients else None

        def loss(moved: Array, position: int = position) -> float:
            args = inputs[:position] + (moved,) + inputs[position + 1 :]
            return _dot(dys, outputs(args)[0])

        worst = max(worst, _compare(name, loss, x, gradient, rng, step, tolerance))
    return worst


def check_model_gradient(
    model: Any,
    params: Params,
    tokens: Array,
    *,
    seed: int = 0,
    step: float = 1e-6,
    tolerance: float = 1e-5,
    **options: Any,
) -> float:
    """Check `model.backward` for every float array among the parameters, as check_gradient does.

    model.forward(params, tokens, **options) -> logits, cache and model.backward(dlogits, cache)
    -> gradients by name. Returns the largest relative error, AssertionError names the parameter.
    """
    rng = np.random.default_rng(seed)
    params = {n: p.astype(np.float64) if _is_float_array(p) else p for n, p in params.items()}

    def forward(params: Params) -> tuple[Array, Any]:
        return _call(model.forward, (params, tokens), options)

    logits, cache = forward(params)
    dlogits = rng.standard_normal(logits.shape)
    gradients = model.backward(dlogits, cache)

    worst = 0.0
    for name, p in params.items():
        if not _is_float_array(p) or ":" in name:  # a leaf, or a companion such as w:step
            continue

        def loss(moved: Array, name: str = name) -> float:
            return _dot((dlogits,), (forward({**params, name: moved})[0],))

        gradient = gradients.get(name)
        worst = max(worst, _compare(name, loss, p, gradient, rng, step, tolerance))
    return worst


def _compare(
    name: str,
    loss: Callable[[Array], float],
    x: Array,
    gradient: Array | None,
    rng: np.random.Generator,
    step: float,
    tolerance: float,
) -> float:
    """The relative error of one gradient along one random direction."""
    if gradient is None or np.shape(gradient) != x.shape:
        got = "none" if gradient is None else f"one of shape {np.shape(gradient)}"
        raise AssertionError(f"gradient of {name}: expected one of shape {x.shape}, got {got}")
    direction = rng.standard_normal(x.shape)
    measured = (loss(x + step * direction) - loss(x - step * direction)) / (2 * step)
    claimed = float(np.sum(gradient * direction))
    error = abs(claimed - measured) / max(abs(claimed), abs(measured), SMALLEST_SLOPE)
    if not error <= tolerance:  # so that NaN fails too
        raise AssertionError(
            f"gradient of {name}: backward says {claimed:.9g}, finite differences say "
            f"{measured:.9g} (relative error {error:.2g}, allowed {tolerance:.2g})"
        )
    return error


def _dot(dys: tuple[Any, ...], ys: tuple[Any, ...]) -> float:
    return float(sum(np.sum(dy * y) for dy, y in zip(dys, ys, strict=True)))


def _is_float_array(x: Any) -> bool:
    return isinstance(x, np.ndarray) and x.dtype.kind == "f"


def _call(op: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """op(*args, **options) with each generator copied, so that every call draws the same."""

    def renewed(value: Any) -> Any:
        return copy.deepcopy(value) if isinstance(value, np.random.Generator) else value

    return op(*map(renewed, args), **{name: renewed(value) for name, value in options.items()})


def _names(op: Callable[..., Any], inputs: tuple[Any, ...]) -> list[str]:
    """What the operation calls its positional arguments."""
    names = list(inspect.signature(op).parameters)
    return [names[i] if i < len(names) else f"argument {i}" for i in range(len(inputs))]
