"""The notebook on quantized inference: wrong answers get their hints, and the libraries its rules.

Each wrong answer is a mistake that learners make, and the words its hint must hold.
"""

import ast
import math
from pathlib import Path

import numpy as np
import pytest

from minilm import quantize
from minilm.compression import quantize_activations
from minilm.compression.second_order import sweep
from minilm.course import verdict
from minilm.course.exercises import EXERCISES

SOURCE = Path(__file__).parents[2] / "notebooks" / "source" / "09_quantized_inference.py"
TREE = ast.parse(SOURCE.read_text(encoding="utf-8"))


def from_notebook(*names):
    """Functions as the notebook defines them."""
    known = {"np": np, "math": math}
    for name in names:
        (found,) = [n for n in TREE.body if isinstance(n, ast.FunctionDef) and n.name == name]
        exec(compile(ast.Module([found], []), str(SOURCE), "exec"), known)
    return [known[name] for name in names]


def hint(exercise, answer, seed=0):
    given = verdict(EXERCISES[exercise], answer, seed)
    assert given.state == "wrong"
    return given.hint


def wide(q_x, q_w):
    return q_x.astype(np.int64), q_w.astype(np.int64)


def plain_product(q_x, q_w, z_x, z_w):
    x, w = wide(q_x, q_w)
    return x @ w


def wrapped(q_x, q_w, z_x, z_w):
    return (q_x @ q_w.view(np.uint8)).view(np.int8).astype(np.int32)


def without_the_constant(q_x, q_w, z_x, z_w):
    x, w = wide(q_x, q_w)
    return x @ w - z_x * w.sum(axis=0) - z_w * x.sum(axis=1, keepdims=True)


def constant_once(q_x, q_w, z_x, z_w):
    return without_the_constant(q_x, q_w, z_x, z_w) + z_x * z_w


def only_x(q_x, q_w, z_x, z_w):
    x, w = wide(q_x, q_w)
    return x @ w - z_x * w.sum(axis=0)


def plus_signs(q_x, q_w, z_x, z_w):
    x, w = wide(q_x, q_w)
    return (x + z_x) @ (w + z_w)


def widened_too_late(q_x, q_w, z_x, z_w):
    x, w = q_x - np.uint8(z_x), q_w - np.int8(z_w)
    return x.astype(np.int32) @ w.astype(np.int32)


def minus_the_constant(q_x, q_w, z_x, z_w):
    return without_the_constant(q_x, q_w, z_x, z_w) - q_x.shape[1] * z_x * z_w


def in_floats(q_x, q_w, z_x, z_w):
    x, w = wide(q_x, q_w)
    return ((x - z_x) @ (w - z_w)).astype(np.float64)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (plain_product, "not in it yet"),
        (wrapped, "wrapped around"),
        (widened_too_late, "wrapped around"),
        (minus_the_constant, "is a plus"),
        (without_the_constant, "once for each k"),
        (constant_once, "K times"),
        (only_x, "that of w is not"),
        (plus_signs, "signs"),
        (in_floats, "whole numbers"),
        (lambda q_x, q_w, z_x, z_w: np.zeros((4, 3), np.int32), "(3, 4)"),
    ],
)
def test_wrong_products_are_told_what_is_missing(answer, said):
    assert said in hint("integer_product", answer)


def test_widening_before_subtracting_is_right_too():
    def simple(q_x, q_w, z_x, z_w):
        return (q_x.astype(np.int32) - z_x) @ (q_w.astype(np.int32) - z_w)

    assert verdict(EXERCISES["integer_product"], simple).state == "right"


def cut_off(M):
    fraction, exponent = math.frexp(M)
    return int(fraction * 2**31), 31 - exponent


def not_normalized(M):
    return round(M * 2**31), 31


def carried_wrong(M):
    fraction, exponent = math.frexp(M)
    return round(fraction * 2**31), 31 - exponent


def wrong_sign(M):
    M0, n = carried_wrong(M)
    return M0, -n


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (cut_off, "nearest"),
        (not_normalized, "not in [2^30"),
        (carried_wrong, "2^31, which is one too many"),
        (wrong_sign, "to the right"),
        (lambda M: M * 2.0**31, "two numbers"),
        (lambda M: (31, round(M * 2.0**31)), "in this order"),
        (lambda M: (M * 2.0**31 + 0.5, 31), "whole number"),
    ],
)
def test_wrong_multipliers_are_told_why(answer, said):
    assert said in hint("fixed_point", answer)


def by_layers(costs, sizes, choices, mean_bits):
    """The best choice if every layer counted alike."""
    solution = from_notebook("spend_bits")[0]
    return solution(costs, np.ones_like(sizes), choices, mean_bits)


def greedy(costs, sizes, choices, mean_bits):
    return from_notebook("buy_upgrades")[0](costs, sizes, mean_bits, tuple(choices))


def backwards(costs, sizes, choices, mean_bits):
    """More bits where they help least."""
    return from_notebook("spend_bits")[0](-costs, sizes, choices, mean_bits)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda costs, sizes, choices, mean: np.full(len(sizes), 3), "unspent"),
        (lambda costs, sizes, choices, mean: np.full(len(sizes), 5), "more than the 3.5"),
        (lambda costs, sizes, choices, mean: np.full(len(sizes), 3.5), "one of the choices"),
        (by_layers, "count weights"),
        (greedy, "try all"),
        (backwards, "most damage"),
    ],
)
def test_wrong_allocations_are_told_why(answer, said):
    hints = [verdict(EXERCISES["spend_bits"], answer, seed).hint for seed in range(8)]
    assert any(said in given for given in hints), hints


def test_gptq_by_hand_is_the_sweep_for_any_layer():
    (gptq,) = from_notebook("gptq_by_hand")
    rng = np.random.default_rng(1)
    for inputs in (1, 7, 30):
        X, w = rng.standard_normal((100, inputs)), rng.standard_normal((inputs, 5))
        by_hand = gptq(w, X.T @ X, np.rint)
        assert np.allclose(by_hand, sweep(w, X.T @ X, lambda rows, values: np.rint(values)))
        np.testing.assert_array_equal(by_hand, np.rint(by_hand))


def test_the_codes_by_hand_have_the_ends_of_their_types():
    symmetric, asymmetric = from_notebook("symmetric_codes", "asymmetric_codes")
    x = np.array([[-1.0, 3.0], [0.0, 0.5]])
    q, s = symmetric(x)
    assert q.dtype == np.int8 and q.max() == 127 and s == 3 / 127
    q, s, z = asymmetric(x)
    assert q.dtype == np.uint8 and (q.min(), q.max()) == (0, 255) and z == 64
    assert q[1, 0] == z                                                     # 0 is a code


def onnx_model(q_w):
    """x -> DynamicQuantizeLinear, MatMulInteger: codes, scale and zero point, sums."""
    from onnx import TensorProto, helper, numpy_helper

    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "s", "z"]),
        helper.make_node("MatMulInteger", ["q", "w", "z"], ["sums"]),
    ]
    graph = helper.make_graph(
        nodes, "dynamic", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, None])],
        [helper.make_tensor_value_info("sums", TensorProto.INT32, [None, None]),
         helper.make_tensor_value_info("s", TensorProto.FLOAT, [])],
        [numpy_helper.from_array(q_w, "w")],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])


@pytest.mark.oracle
def test_the_dynamic_rule_is_onnx_s():
    from onnx.reference import ReferenceEvaluator

    (dynamic,) = from_notebook("onnx_dynamic")
    rng = np.random.default_rng(2)
    for shift in (-2.0, 0.0, 0.4, 3.0):
        x = (rng.standard_normal((5, 24)) + shift).astype(np.float32)
        w = quantize({"w": rng.standard_normal((24, 6)).astype(np.float32)}, 8)
        codes, scale = w["w"].codes.astype(np.int8), w["w"].scale
        sums, s_x = ReferenceEvaluator(onnx_model(codes)).run(None, {"x": x})
        assert np.allclose(dynamic(x, codes, scale), sums * (s_x * scale), rtol=1e-6, atol=1e-6)
        ours = x @ quantize_activations(w, by="tensor", symmetric=False)["w"]
        assert np.allclose(ours, sums * (s_x * scale), rtol=1e-5, atol=1e-5)


@pytest.mark.oracle
def test_the_blocks_are_ggml_s():
    from gguf import quants
    from gguf.constants import GGMLQuantizationType

    rng = np.random.default_rng(4)
    x = rng.standard_normal((6, 96)).astype(np.float32)
    x[0, :32] = 0                                                           # a block of zeros
    for rule, kind, offset in (("q8_0", "Q8_0", 0), ("q4_0", "Q4_0", 8)):
        codes, d = from_notebook(rule)[0](x)
        data = quants.quantize(x, GGMLQuantizationType[kind])
        theirs = quants.dequantize(data, GGMLQuantizationType[kind])
        assert np.array_equal(((codes - offset) * d).reshape(x.shape).astype(np.float32), theirs)
    w = rng.standard_normal((96, 7)).astype(np.float32)
    (_, _, product) = from_notebook("q8_0", "q4_0", "q8_0_times_q4_0")
    restored = [
        quants.dequantize(quants.quantize(a, GGMLQuantizationType[k]), GGMLQuantizationType[k])
        for a, k in ((x, "Q8_0"), (np.ascontiguousarray(w.T), "Q4_0"))
    ]
    assert np.allclose(product(x, w), restored[0] @ restored[1].T, atol=1e-4)
