"""Functions of the notebook on error against bit-width: by property, by hand, and against torch."""

import ast
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from minilm.compression import affine_codes, quantize

SOURCE = Path(__file__).parents[2] / "notebooks" / "source" / "07_error_against_bit_width.py"
TREE = ast.parse(SOURCE.read_text(encoding="utf-8"))


def from_notebook(name):
    """A function as the notebook defines it."""
    (found,) = [n for n in TREE.body if isinstance(n, ast.FunctionDef) and n.name == name]
    w = np.random.default_rng(0).standard_normal((512, 512)).astype(np.float32)
    names = {"np": np, "affine_codes": affine_codes, "quantize": quantize, "w": w}
    exec(compile(ast.Module([found], []), str(SOURCE), "exec"), names)
    return names[name]


@given(
    arrays(np.float32, array_shapes(max_dims=2), elements=st.floats(-1000, 1000, width=16)),
    st.integers(2, 8),
)
def test_the_quantizer_by_hand_is_minilm_s_bit_for_bit(x, bits):
    if not x.any():
        return  # a scale of 0 is more than five lines
    codes, scale, x_hat = from_notebook("quantize_by_hand")(x, bits)
    q = quantize(x, bits)
    assert np.array_equal(q.codes, codes)
    assert q.scale == scale
    assert np.array_equal(q.dense(), x_hat)


def test_the_exercise_tells_right_from_wrong_and_blank():
    check = from_notebook("check_bits_with_scales")
    assert "Not answered" in check(from_notebook("bits_with_scales"))
    assert check(lambda bits, group_size: bits + 16 / group_size) == "Right!"
    for wrong in (lambda b, g: b, lambda b, g: b + 32 / g, lambda b, g: b + g / 16):
        with pytest.raises(AssertionError, match="is not right"):
            check(wrong)


def test_q4_0_of_one_block_by_hand():
    # the largest magnitude, +4, lands on code −8: d = −0.5, and the error of −4 is one step
    block = np.zeros((32, 1), np.float32)
    block[:5, 0] = [4, -4, 1, 0.2, -0.7]
    restored, bits = from_notebook("q4_0")(block)
    assert restored[:6, 0].tolist() == [4, -3.5, 1, 0, -0.5, 0]
    assert bits == 4.5


@pytest.mark.oracle
def test_int8_per_channel_is_torch_s():
    import torch
    from torch.ao.quantization.observer import PerChannelMinMaxObserver

    w = np.random.default_rng(3).standard_normal((40, 7)).astype(np.float32)
    observer = PerChannelMinMaxObserver(
        ch_axis=1, dtype=torch.qint8, qscheme=torch.per_channel_symmetric
    )
    observer(torch.from_numpy(w))
    scale, zero_point = observer.calculate_qparams()
    theirs = torch.fake_quantize_per_channel_affine(
        torch.from_numpy(w), scale, zero_point.to(torch.int32), 1, -128, 127
    )
    restored, _ = from_notebook("torch_int8_per_channel")(w)
    assert np.array_equal(restored, theirs.numpy())
