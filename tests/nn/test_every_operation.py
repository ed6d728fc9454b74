"""What holds for every pair: the dtype stays, inputs stay, any layout of memory will do."""

import copy
import math
from importlib import import_module
from pkgutil import iter_modules

import numpy as np
import pytest

import minilm.nn as nn


def floats(*shape, scale=1.0):
    return scale * np.random.default_rng(sum(shape)).standard_normal(shape)


IDS = np.array([[0, 2, 2, 4, 1], [3, 3, 0, 1, 2]])
LSTM = [floats(3, 16), floats(4, 16), floats(16)]
STATE = [floats(2, 4), floats(2, 4)]
MASK = nn.causal_mask(5)
GROUPS = [floats(2, 4, 5, 3), floats(2, 2, 5, 3), floats(2, 2, 5, 4)]
ADDITIVE = [floats(2, 5, 3), floats(2, 5, 4), floats(3, 6), floats(4, 6), floats(6)]
HEADS = [floats(2, 5, 6), floats(6, 18), floats(18), floats(6, 6), floats(6)]
CROSS = [floats(2, 3, 6), floats(2, 5, 4), floats(6, 6), floats(6), floats(4, 12), floats(12)]
CROSS += [floats(6, 6, scale=0.5), floats(6)]
READ = [floats(2, 3, 6), floats(2, 2, 2, 5, 3), floats(6, 6), floats(6), *CROSS[6:]]

# name of the pair -> arguments and options, each pair in each of its ways
CASES = [
    ("linear", [floats(2, 5, 3), floats(3, 4), floats(4)], {}),
    ("linear", [floats(2, 5, 3), floats(3, 4)], {}),
    ("embedding", [IDS, floats(5, 3)], {}),
    ("relu", [floats(2, 5)], {}),
    ("tanh", [floats(2, 5)], {}),
    ("sigmoid", [floats(2, 5)], {}),
    ("gelu", [floats(2, 5)], {}),
    ("exact_gelu", [floats(2, 5)], {}),
    ("silu", [floats(2, 5)], {}),
    ("softmax", [floats(2, 5)], {}),
    ("softmax", [floats(2, 5)], {"axis": 0}),
    ("layer_norm", [floats(2, 5, 6), floats(6), floats(6)], {}),
    ("layer_norm", [floats(2, 5, 6), floats(6), floats(6)], {"eps": 0.1}),
    ("layer_norm", [floats(1, 1, 6), floats(6), floats(6)], {}),
    ("rms_norm", [floats(2, 5, 6), floats(6)], {}),
    ("swiglu", [floats(2, 5, 3), floats(3, 4), floats(3, 4), floats(4, 3)], {}),
    ("dropout", [floats(2, 5), 0.3], {"rng": np.random.default_rng(0)}),
    ("dropout", [floats(2, 5), 0.3], {}),
    ("rotary", [floats(2, 5, 6)], {}),
    ("rotary", [floats(2, 5, 6), 7], {"base": 100.0}),
    ("attention", [floats(2, 5, 3), floats(2, 5, 3), floats(2, 5, 4)], {}),
    ("attention", [floats(2, 5, 3), floats(2, 5, 3), floats(2, 5, 4), MASK], {}),
    ("grouped_query_attention", GROUPS, {}),
    ("grouped_query_attention", [*GROUPS, MASK], {}),
    ("multi_head_attention", HEADS, {"head_dim": 3}),
    ("multi_head_attention", HEADS, {"head_dim": 3, "mask": MASK}),
    ("cross_attention", CROSS, {"head_dim": 3}),
    ("cross_attention", CROSS, {"head_dim": 3, "mask": MASK[:3]}),
    ("memory_keys_values", [floats(2, 5, 4), floats(4, 12), floats(12)], {"head_dim": 3}),
    ("read_memory", READ, {}),
    ("read_memory", READ, {"mask": MASK[:3]}),
    ("rnn_step", [floats(2, 3), floats(2, 4), floats(3, 4), floats(4, 4), floats(4)], {}),
    ("rnn", [floats(2, 5, 3), floats(3, 4), floats(4, 4), floats(4)], {}),
    ("rnn", [floats(2, 5, 3), floats(3, 4), floats(4, 4), floats(4), floats(2, 4)], {}),
    ("lstm_step", [floats(2, 3), *STATE, *LSTM], {}),
    ("lstm", [floats(2, 5, 3), *LSTM], {}),
    ("lstm", [floats(2, 5, 3), *LSTM, *STATE], {}),
    ("lstm", [floats(5, 3), *LSTM, *STATE, IDS], {}),
    ("lstm", [floats(2, 5, 3), *LSTM], {"lengths": np.array([3, 5])}),
    ("additive_attention", ADDITIVE, {}),
    ("additive_attention", ADDITIVE, {"mask": MASK}),
    ("cross_entropy", [floats(2, 5, 6), IDS], {}),
    ("cross_entropy", [floats(2, 5, 6), IDS], {"label_smoothing": 0.1, "ignore_index": 3}),
    ("binary_logistic_loss", [floats(2, 5), IDS % 2], {}),
    ("binary_logistic_loss", [floats(2, 5), np.full((2, 5), 0.3)], {}),
    ("squared_error", [floats(2, 5), IDS], {}),
]
cases = pytest.mark.parametrize("name, arguments, options", CASES)


def run(name, arguments, options):
    """Forward and backward: y, cache, gradients. Cotangents have the dtype of the outputs."""
    rng = np.random.default_rng(1)
    y, cache = getattr(nn, name)(*arguments, **copy.deepcopy(options))

    def cotangent(y):
        return 0.5 if isinstance(y, float) else rng.standard_normal(y.shape).astype(y.dtype)

    dy = tuple(map(cotangent, y)) if isinstance(y, tuple) else cotangent(y)
    kept = copy.deepcopy(dy)
    gradients = getattr(nn, f"{name}_backward")(dy, cache)
    assert_same(arrays(dy), arrays(kept))
    return y, cache, gradients


def arrays(tree):
    """All arrays and NumPy numbers in nested tuples, lists and dictionaries."""
    if isinstance(tree, np.ndarray | np.generic):
        return [tree]
    values = tree.values() if isinstance(tree, dict) else tree
    return [a for v in values for a in arrays(v)] if isinstance(tree, tuple | list | dict) else []


def assert_same(ours, theirs):
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(a, b)


def cast(arguments, dtype):
    def is_float(a):
        return isinstance(a, np.ndarray) and a.dtype.kind == "f"

    return [a.astype(dtype) if is_float(a) else a for a in arguments]


def test_every_pair_is_here():
    """Found by its `_backward` in any module of nn, whether or not it was given a row above."""
    modules = [import_module(f"minilm.nn.{m.name}") for m in iter_modules(nn.__path__)]
    names = {name for module in modules for name in vars(module) if not name.startswith("_")}
    pairs = {name.removesuffix("_backward") for name in names if name.endswith("_backward")}
    assert pairs == {name for name, _, _ in CASES}
    assert pairs | {f"{name}_backward" for name in pairs} <= set(nn.__all__)
    assert all(hasattr(nn, name) for name in nn.__all__)


@cases
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_stays(name, arguments, options, dtype):
    y, cache, gradients = run(name, cast(arguments, dtype), options)
    kept = [a for a in arrays(cache) if a.dtype.kind == "f"]
    for a in arrays(y) + arrays(gradients) + kept:
        assert a.dtype == dtype
    if isinstance(y, float):
        assert type(y) is float  # np.float64 is a float too, and would widen what it meets
    assert all(np.isfinite(a).all() for a in arrays(y) + arrays(gradients))


@cases
def test_no_temporary_is_wider(name, arguments, options, watched):
    arguments = [
        watched(a) if isinstance(a, np.ndarray) and a.dtype.kind == "f" else a
        for a in cast(arguments, np.float32)
    ]
    run(name, arguments, options)


def test_wider_temporaries_are_noticed(watched):
    x = watched(np.ones(3, np.float32))
    wide = np.full(1, 2.0)
    for calculation in (
        lambda: (x * wide).astype(np.float32),
        lambda: (x @ np.ones(3)).astype(np.float32),
        lambda: np.add.reduce(x, dtype=np.float64),
        lambda: ((x + 1) / 2 - wide).sum(),
    ):
        with pytest.raises(AssertionError, match="float64"):
            calculation()
    assert (x * 2.0 + math.pi).dtype == np.float32


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_stays_in_what_has_no_derivative(dtype):
    """The public functions that are no pairs."""
    x, w, dy = (floats(*shape).astype(dtype) for shape in ((2, 5, 3), (3, 4), (2, 5, 4)))
    answers = {
        "flat": nn.flat(x),
        "sum_to_last": nn.sum_to_last(x),
        "input_gradient": nn.input_gradient(dy, x, w),
        "weight_gradient": nn.weight_gradient(dy, x, w),
        "unpacked": nn.unpacked(w),
        "attention_weights": nn.attention_weights(x, x, MASK),
        "sinusoidal_positions": nn.sinusoidal_positions(5, 4, dtype),
    }
    of_floats = {name for name in nn.__all__ if callable(getattr(nn, name))} - {
        "causal_mask", "padding_mask", "check_gradient", "check_model_gradient",
    }  # fmt: skip
    pairs = {name for name, _, _ in CASES}
    assert of_floats - pairs - {f"{name}_backward" for name in pairs} == set(answers)
    for name, answer in answers.items():
        assert answer.dtype == dtype, name


@cases
def test_float32_is_float64_rounded(name, arguments, options):
    """One formula for both: no branch or tolerance depends on the dtype (a table does: the
    coefficients of exact_gelu, whose float32 ones are as near as float32 can tell)."""
    narrow = run(name, cast(arguments, np.float32), options)
    wide = run(name, cast(cast(arguments, np.float32), np.float64), options)
    if name == "binary_logistic_loss" or name == "cross_entropy":
        assert abs(narrow[0] - wide[0]) < 1e-5
        for a, b in zip(arrays(narrow[2]), arrays(wide[2]), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5)
    else:
        for a, b in zip(arrays(narrow[0]), arrays(wide[0]), strict=True):
            np.testing.assert_allclose(a, b, atol=2e-5)


@cases
def test_inputs_are_not_changed(name, arguments, options):
    arguments = [a.copy() if isinstance(a, np.ndarray) else a for a in arguments]
    before = copy.deepcopy(arguments)
    for a in arrays(arguments):
        a.flags.writeable = False
    run(name, arguments, options)
    assert_same(arrays(arguments), arrays(before))


@cases
def test_backward_can_be_run_again(name, arguments, options):
    y, cache, first = run(name, arguments, options)
    dy = 0.5 if isinstance(y, float) else copy.deepcopy(y)
    second, third = (getattr(nn, f"{name}_backward")(dy, cache) for _ in range(2))
    assert_same(arrays([second]), arrays([third]))
    assert len(arrays([first])) == len(arrays([second]))


@cases
def test_any_layout_of_memory(name, arguments, options):
    """Transposed, strided and reversed views give what contiguous arrays give."""

    def strided(a):
        wide = np.zeros([2 * n for n in a.shape], a.dtype)
        view = wide[tuple(slice(None, None, -2) for _ in a.shape)]
        view[...] = a
        return view

    y, _, gradients = run(name, arguments, options)
    for layout in (np.asfortranarray, strided):
        moved = [layout(a) if isinstance(a, np.ndarray) else a for a in arguments]
        y_moved, _, gradients_moved = run(name, moved, options)
        for a, b in zip(arrays([y, gradients]), arrays([y_moved, gradients_moved]), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-12)
