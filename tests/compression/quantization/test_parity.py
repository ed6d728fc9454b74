"""The affine map against onnx.reference and torch, bit for bit."""

import numpy as np
import pytest

from minilm.compression import affine_codes, affine_values, dequantize, fake_quantize, quantize
from minilm.compression.quantization.grids.float_formats import E2M1, E4M3, E5M2

pytestmark = pytest.mark.oracle

RANGES = {
    "INT2": (-2, 1), "UINT2": (0, 3), "INT4": (-8, 7), "UINT4": (0, 15), "INT8": (-128, 127),
    "UINT8": (0, 255), "INT16": (-(2**15), 2**15 - 1), "UINT16": (0, 2**16 - 1),
}  # fmt: skip


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def run(operator, *inputs, outputs=1, opset=25, **attributes):
    """What onnx.reference answers for one operator."""
    import onnx
    from onnx.helper import make_graph, make_model, make_node, make_opsetid, make_tensor_value_info
    from onnx.reference import ReferenceEvaluator

    names = [f"x{i}" for i in range(len(inputs))]
    results = [f"y{i}" for i in range(outputs)]
    node = make_node(operator, names, results, **attributes)
    values = [make_tensor_value_info(n, onnx.TensorProto.UNDEFINED, None) for n in names + results]
    graph = make_graph([node], "one", values[: len(names)], values[len(names) :])
    model = make_model(graph, opset_imports=[make_opsetid("", opset)])
    return ReferenceEvaluator(model).run(None, dict(zip(names, inputs, strict=True)))


def typed(values, kind):
    """Whole numbers in one of onnx's types, of which NumPy lacks those of 2 and 4 bits."""
    from onnx import TensorProto
    from onnx.helper import tensor_dtype_to_np_dtype

    return np.asarray(values).astype(tensor_dtype_to_np_dtype(getattr(TensorProto, kind)))


def laid_out(shape, rng, low, high, axis=None, block_size=None):
    """Random scales and zero points of the shape that (axis, block_size) ask for."""
    size = () if axis is None else shape[axis]
    if block_size is not None:
        size = tuple(-(-n // block_size) if a == axis else n for a, n in enumerate(shape))
    # some powers of two, so that x / s has exact ties too
    scale = np.exp2(rng.integers(-6, 2, size)) * rng.choice([1, 0.7], size)
    return np.float32(scale), rng.integers(max(low, -100), min(high, 100) + 1, size)


@pytest.mark.parametrize("kind", RANGES)
@pytest.mark.parametrize("where", [{}, {"axis": 0}, {"axis": 1}, {"axis": 2},
                                   {"axis": 1, "block_size": 4}, {"axis": 0, "block_size": 3},
                                   {"axis": 2, "block_size": 2}])
def test_onnx_quantize_and_dequantize_linear(kind, where):
    low, high = RANGES[kind]
    rng = np.random.default_rng([low % 997, *where.values()])
    x = np.round(normal(6, 8, 4) * 3 * 64) / np.float32(64)  # ties among them
    x[0, 0] *= 1000  # some beyond the range
    scale, zero_point = laid_out(x.shape, rng, low, high, **where)
    typed_zero = typed(zero_point, kind)
    (expected,) = run("QuantizeLinear", x, np.asarray(scale), typed_zero, **where)
    codes = affine_codes(x, scale, zero_point, low, high, **where)
    np.testing.assert_array_equal(codes, expected.astype(np.int64))
    assert len(np.unique(codes)) >= min(4, high - low + 1)
    (back,) = run("DequantizeLinear", expected, np.asarray(scale), typed_zero, **where)
    values = affine_values(codes, scale, zero_point, **where)
    assert values.dtype == back.dtype == np.float32
    np.testing.assert_array_equal(values, back)


@pytest.mark.parametrize("seed", range(40))
def test_onnx_dynamic_quantize_linear_is_8_bits_asymmetric(seed):
    x = normal(16, 24, seed=seed) * np.float32(10.0 ** (seed % 7 - 3)) + np.float32(seed % 3 - 1)
    x = np.abs(x) if seed % 5 == 0 else -np.abs(x) if seed % 5 == 1 else x
    codes, scale, zero_point = run("DynamicQuantizeLinear", x, outputs=3)
    q = quantize(x, 8, symmetric=False)
    np.testing.assert_array_equal(q.scale, scale)
    np.testing.assert_array_equal(q.zero_point, zero_point)
    np.testing.assert_array_equal(q.codes, codes)


@pytest.mark.parametrize(("grid", "kind"), [(E2M1, "FLOAT4E2M1"), (E4M3, "FLOAT8E4M3FN"),
                                            (E5M2, "FLOAT8E5M2")])
def test_onnx_quantize_linear_to_small_floats(grid, kind):
    scale = np.float32(0.3)
    ties = (grid.levels[1 : grid.last + 1] + grid.levels[: grid.last]) / 2 * scale
    x = np.concatenate([normal(5000) * 10, ties, -ties, grid.levels[: grid.last + 1] * scale,
                        np.float32([1e6, -1e6, 0])])
    (expected,) = run("QuantizeLinear", x, scale, typed(0, kind))
    values = grid.value(grid.code(np.rint(grid.position(x / scale))))
    np.testing.assert_array_equal(values, expected.astype(np.float32))


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor:UserWarning")  # will be removed
def test_torch_quantize_per_channel():
    import torch

    x = normal(12, 20)
    for axis in (0, 1):
        scale = np.abs(x).max(axis=1 - axis) / np.float32(127)
        theirs = torch.quantize_per_channel(
            torch.from_numpy(x), torch.from_numpy(scale), torch.zeros(len(scale)), axis,
            torch.qint8,
        )
        codes = affine_codes(x, scale, 0, -128, 127, axis=axis)
        # torch multiplies by 1/s: a number so near a tie goes either way
        sides = np.expand_dims(scale, 1 - axis)
        off = np.abs(np.abs(x / sides) % 1 - 0.5) > 1e-4
        assert off.mean() > 0.99
        np.testing.assert_array_equal(codes[off], theirs.int_repr().numpy()[off])
        np.testing.assert_allclose(affine_values(codes, scale, 0, axis=axis)[off],
                                   theirs.dequantize().numpy()[off], rtol=0, atol=0)
        q = quantize(x, 8, axis=axis)
        np.testing.assert_array_equal(q.codes[off], codes[off])
        np.testing.assert_array_equal(q.scale.reshape(-1), scale)


@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("symmetric", [True, False])
def test_torch_fake_quantize(bits, symmetric):
    import torch

    x = normal(40, 16)
    q = quantize(x, bits, symmetric=symmetric, axis=0)
    low, high = (1 - 2 ** (bits - 1), 2 ** (bits - 1) - 1) if symmetric else (0, 2**bits - 1)
    zero = np.zeros(40, np.int32) if symmetric else q.zero_point.reshape(-1).astype(np.int32)
    theirs = torch.fake_quantize_per_channel_affine(
        torch.from_numpy(x), torch.from_numpy(q.scale.reshape(-1).copy()), torch.from_numpy(zero),
        0, low, high,
    ).numpy()
    off = np.abs(np.abs(x / q.scale) % 1 - 0.5) > 1e-4
    assert off.mean() > 0.99
    fake = fake_quantize(x, bits, symmetric=symmetric, axis=0)
    np.testing.assert_array_equal(fake[off], theirs[off])
    np.testing.assert_array_equal(fake, dequantize(q))
