"""Activations, element by element, and softmax, over an axis.

A line such as `dx *= y` works in place on an array that the function made itself: on a CPU the
time goes into making and reading arrays, not into arithmetic.
"""

import math

import numpy as np

from minilm.nn.checks import require_float
from minilm.types import Array, Cache

# gelu(x) = ½ x (1 + tanh a) with a = √(2/π) (x + 0.044715 x³)
GELU_LINEAR = math.sqrt(2 / math.pi)
GELU_CUBIC = 0.044715 * GELU_LINEAR


def relu(x: Array) -> tuple[Array, Cache]:
    """y = max(x, 0).        x: (...)  ->  y: (...), cache"""
    require_float("x", x)
    y = np.maximum(x, 0)
    return y, y


def relu_backward(dy: Array, cache: Cache) -> Array:
    """The gradient of relu: dx (0 at x = 0)."""
    y = cache
    return dy * (y > 0)


def tanh(x: Array) -> tuple[Array, Cache]:
    """y = tanh x.        x: (...)  ->  y: (...), cache"""
    require_float("x", x)
    y = np.tanh(x)
    return y, y


def tanh_backward(dy: Array, cache: Cache) -> Array:
    """The gradient of tanh: dx = dy (1 − y²)."""
    y = cache
    dx = y * y
    np.subtract(1, dx, out=dx)
    dx *= dy
    return dx


def sigmoid_in_place(x: Array) -> Array:
    """Overwrite x by σ(x) = 1 / (1 + e^−x).

    Where e^−x overflows, σ(x) is below the smallest normal number and the quotient is a correct 0.
    """
    with np.errstate(over="ignore"):
        np.negative(x, out=x)
        np.exp(x, out=x)
        x += 1
        return np.reciprocal(x, out=x)


def sigmoid(x: Array) -> tuple[Array, Cache]:
    """y = 1 / (1 + e^−x).        x: (...)  ->  y: (...), cache"""
    require_float("x", x)
    y = sigmoid_in_place(x.copy())
    return y, y


def sigmoid_backward(dy: Array, cache: Cache) -> Array:
    """The gradient of sigmoid: dx = dy y (1 − y)."""
    y = cache
    dx = 1 - y
    dx *= y
    dx *= dy
    return dx


def gelu(x: Array) -> tuple[Array, Cache]:
    """y = x gate,  gate = ½ (1 + tanh a),  a = √(2/π) (x + 0.044715 x³).

    x: (...)  ->  y: (...), cache        Hendrycks & Gimpel 2016, the tanh form
    """
    require_float("x", x)
    with np.errstate(over="ignore"):  # a huge x: a overflows, and tanh a is a correct ±1
        gate = x * x  # x³ as a product: `x**3` takes many times as long
        gate *= GELU_CUBIC
        gate += GELU_LINEAR
        gate *= x  # a
    np.tanh(gate, out=gate)
    gate += 1
    gate *= 0.5
    y = x * gate
    return y, (x, gate, y)


def gelu_backward(dy: Array, cache: Cache) -> Array:
    """The gradient of gelu: dx = dy (gate + 2 y (1 − gate) da/dx).

    The slope of gate is 2 gate (1 − gate) da/dx, as it is a sigmoid: ½ (1 + tanh a) = σ(2a).
    """
    x, gate, y = cache
    # 2 da/dx = 2 GELU_LINEAR + 6 GELU_CUBIC x²
    dx = x * x
    dx *= 6 * GELU_CUBIC
    dx += 2 * GELU_LINEAR
    dx *= 1 - gate
    dx *= y
    dx += gate
    dx *= dy
    return dx


def silu(x: Array) -> tuple[Array, Cache]:
    """y = x σ(x).        x: (...)  ->  y: (...), cache        Elfwing et al. 2017"""
    require_float("x", x)
    gate = sigmoid_in_place(x.copy())
    y = x * gate
    return y, (gate, y)


def silu_backward(dy: Array, cache: Cache) -> Array:
    """The gradient of silu: dx = dy (σ + x σ (1 − σ)) = dy (gate + y (1 − gate)), gate = σ(x)."""
    gate, y = cache
    dx = 1 - gate
    dx *= y
    dx += gate
    dx *= dy
    return dx


def softmax(x: Array, axis: int = -1) -> tuple[Array, Cache]:
    """y_i = e^x_i / Σ_j e^x_j, over one axis.

    x: (...)  ->  y: (...), cache. The largest x is subtracted first: the quotient stays the same
    and no exponential overflows. An x of −inf gives 0; a row of nothing else gives NaN.
    """
    require_float("x", x)
    y = x - x.max(axis=axis, keepdims=True)
    np.exp(y, out=y)
    y /= y.sum(axis=axis, keepdims=True)
    return y, (y, axis)


def softmax_backward(dy: Array, cache: Cache) -> Array:
    """The gradient of softmax: dx = y (dy − Σ_j dy_j y_j)."""
    y, axis = cache
    dx = dy * y
    dx -= y * dx.sum(axis=axis, keepdims=True)
    return dx
