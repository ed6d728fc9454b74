"""Products of codes by float32 BLAS equal those of int64, bit for bit, at every block's edge."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from minilm.compression.quantization.integers.products import (
    affine_matmul,
    block_length,
    code_sums,
    integer_matmul,
    laid_out,
)

TYPES = [np.int8, np.uint8]


def codes(rng, shape, dtype):
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max, size=shape, dtype=dtype, endpoint=True)


def int64(a, b, z1=0, z2=0):
    return (a.astype(np.int64) - z1) @ (b.astype(np.int64) - z2)


def test_by_hand():
    a = np.array([[1, -2, 3]], np.int8)
    b = np.array([[4, 0], [5, -1], [-128, 127]], np.int8)
    acc = integer_matmul(a, b)
    assert acc.dtype == np.int32
    np.testing.assert_array_equal(acc, [[-390, 383]])
    # (1−2)(4−1) + (−2−2)(5−1) + (3−2)(−128−1)
    np.testing.assert_array_equal(affine_matmul(a, b, 2, 1)[0, 0], -3 - 16 - 129)


def test_how_many_products_are_exact():
    assert block_length(127, 127) == 1040
    assert block_length(128, 128) == 1024
    assert block_length(255, 128) == 514
    assert block_length(255, 255) == 258
    assert block_length(0, 255) > 0


@pytest.mark.parametrize("largest", [(127, 127), (-128, -128), (255, -128), (255, 255)])
@pytest.mark.parametrize("beyond", [-1, 0, 1, 2, 700, 3000])
def test_worst_sums_around_a_block(largest, beyond):
    """All products as large as can be, but for one odd one: the sum needs every bit of 2²⁴."""
    a_most, b_most = largest
    K = block_length(abs(a_most), abs(b_most)) + beyond
    a = np.full((3, K), a_most, np.uint8 if a_most > 127 else np.int8)
    b = np.full((K, 2), b_most, np.uint8 if b_most > 127 else np.int8)
    a[:, -1] = 1
    b[-1] = 1
    np.testing.assert_array_equal(integer_matmul(a, b), int64(a, b))


def test_one_block_more_would_not_be_exact():
    """What the blocks are for: float32 alone loses the last 1."""
    a, b = np.full((1, 1043), 127, np.int8), np.full((1043, 1), 127, np.int8)
    a[0, -1] = b[-1] = 1
    assert (a.astype(np.float32) @ b.astype(np.float32)) != int64(a, b)
    assert integer_matmul(a, b) == int64(a, b)


@given(
    st.sampled_from(TYPES), st.sampled_from(TYPES), st.integers(0, 5), st.integers(0, 2200),
    st.integers(0, 4), st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_equal_to_int64(first, second, M, K, N, seed):
    rng = np.random.default_rng(seed)
    a, b = codes(rng, (2, M, K), first), codes(rng, (K, N), second)
    z1, z2 = codes(rng, (2, M, 1), first), codes(rng, (N,), second)
    np.testing.assert_array_equal(integer_matmul(a, b), int64(a, b))
    np.testing.assert_array_equal(
        integer_matmul(laid_out(a), laid_out(b)), int64(a, b)
    )
    wide1, wide2 = z1.astype(np.int64), z2.astype(np.int64)
    np.testing.assert_array_equal(affine_matmul(a, b, z1, z2), int64(a, b, wide1, wide2))
    np.testing.assert_array_equal(affine_matmul(a, laid_out(b), z1, 0), int64(a, b, wide1))
    np.testing.assert_array_equal(affine_matmul(laid_out(a), b, 0, 3), int64(a, b, 0, 3))


def test_batches_of_matrices_and_strides():
    rng = np.random.default_rng(0)
    a, b = codes(rng, (4, 6, 5, 40), np.int8), codes(rng, (4, 6, 7, 40), np.int8).swapaxes(-1, -2)
    np.testing.assert_array_equal(integer_matmul(a[:, ::2], b[:, ::2]), int64(a, b)[:, ::2])


def test_sums_beyond_32_bits_are_refused():
    K = 140_000
    a, b = np.full((1, K), -128, np.int8), np.full((K, 1), -128, np.int8)
    with pytest.raises(ValueError, match="fit in 32 bits, got sums from 2293760000"):
        integer_matmul(a, b)
    b[: K // 2] = 127  # the same length, but the sum is small
    assert integer_matmul(a, b) == int64(a, b)
    # the plain product does not fit, what it stands for does
    a[:] = 127
    b[:] = 127
    assert affine_matmul(a, b, 127, 127) == 0
    with pytest.raises(ValueError, match="fit in 32 bits"):
        affine_matmul(a, b, 0, -1)
    # the plain product fits, what it stands for does not: 127·(127 + 128) of each
    with pytest.raises(ValueError, match="fit in 32 bits, got sums from 2590800000"):
        affine_matmul(a[:, :80_000], b[:80_000], 0, -128)


def test_sums_of_codes():
    q = np.full((300, 2), 255, np.uint8)
    np.testing.assert_array_equal(code_sums(q, 0), [[76500, 76500]])
    np.testing.assert_array_equal(code_sums(laid_out(q), 0), [[76500, 76500]])
    assert code_sums(q, -1).dtype == code_sums(laid_out(q), -1).dtype == np.int64


@pytest.mark.parametrize("kind", [np.int16, np.int64, np.float32, bool])
def test_other_types_are_refused(kind):
    a, b = np.ones((2, 3), kind), np.ones((3, 2), np.int8)
    with pytest.raises(TypeError, match="int8 or uint8"):
        integer_matmul(a, b)
    with pytest.raises(TypeError, match="int8 or uint8"):
        integer_matmul(b, a)


@pytest.mark.parametrize("z", [(0.5, 0), (0, 0.5), (True, 0), (0, np.full((1, 2), 1.0))])
def test_zero_points_that_are_not_whole_are_refused(z):
    with pytest.raises(TypeError, match=r"z[12] must be whole numbers, got (float64|bool)"):
        affine_matmul(np.ones((2, 3), np.int8), np.ones((3, 2), np.int8), *z)


@pytest.mark.parametrize("shapes", [((3,), (3, 2)), ((2, 3), (3,)), ((2, 3), (2, 3))])
def test_shapes_that_do_not_meet_are_refused(shapes):
    with pytest.raises(ValueError, match="a and b must be"):
        integer_matmul(*(np.ones(shape, np.int8) for shape in shapes))


@pytest.mark.oracle
@pytest.mark.parametrize("second", TYPES)
@pytest.mark.parametrize("first", TYPES)
@pytest.mark.parametrize("per", ["none", "tensor", "channel"])
def test_onnx_matmul_integer(first, second, per):
    from onnx import TensorProto, helper
    from onnx.reference import ReferenceEvaluator

    rng = np.random.default_rng(0)
    a, b = codes(rng, (2, 5, 700), first), codes(rng, (2, 700, 4), second)
    z1, z2 = {
        "none": (first(0), second(0)),
        "tensor": (codes(rng, (), first), codes(rng, (), second)),
        "channel": (codes(rng, (2, 5, 1), first), codes(rng, (2, 1, 4), second)),
    }[per]
    kinds = {np.int8: TensorProto.INT8, np.uint8: TensorProto.UINT8}
    names = ["a", "b", "za", "zb"][: 2 if per == "none" else 4]
    inputs = [
        helper.make_tensor_value_info(name, kinds[kind], None)
        for name, kind in zip(names, [first, second] * 2, strict=False)
    ]
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", names, ["y"])], "g", inputs,
        [helper.make_tensor_value_info("y", TensorProto.INT32, None)],
    )  # fmt: skip
    given = dict(zip(names, [a, b, np.asarray(z1), np.asarray(z2)], strict=False))
    y = ReferenceEvaluator(helper.make_model(graph)).run(None, given)[0]
    np.testing.assert_array_equal(affine_matmul(a, b, np.asarray(z1), np.asarray(z2)), y)
