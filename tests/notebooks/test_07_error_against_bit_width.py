"""Functions of the notebook on error against bit-width: by property, by hand, and against torch."""

import ast
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from minilm.compression import affine_codes, quantize
from minilm.course import verdict
from minilm.course.exercises import EXERCISES
from minilm.course.exercises.error_against_bit_width import least_error_clip

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


def digits(codes, bits):
    return (codes[:, None] + 2 ** (bits - 1) >> np.arange(bits) & 1).astype(np.uint8)


def affine(x, bits, low=None, high=None, steps=None, whole=round, clip=True):
    low = min(x.min(), 0) if low is None else low
    high = max(x.max(), 0) if high is None else high
    scale = (high - low) / (steps or 2**bits - 1)
    zero_point = whole(float(-low / scale))
    codes = np.round(x / scale) + round(zero_point)
    return np.clip(codes, 0, 2**bits - 1) if clip else codes, scale, zero_point


WRONG = [
    ("bits_with_scales", lambda b, g: b, "what else has to be stored"),
    ("bits_with_scales", lambda b, g: b + 32 / g, "does a float16 have"),
    ("bits_with_scales", lambda b, g: b + 2 / g, "in bytes"),
    ("bits_with_scales", lambda b, g: b + g / 16, "is not right"),
    ("pack_codes", lambda codes, bits: codes + 4, "dtype uint8"),
    ("pack_codes", lambda codes, bits: (codes + 4).astype(np.uint8), "no gaps"),
    ("pack_codes", lambda codes, bits: np.packbits(
        (codes[:, None] >> np.arange(bits) & 1).astype(np.uint8), bitorder="little"), "never neg"),
    ("pack_codes", lambda codes, bits: np.packbits(digits(codes, bits)[:, ::-1],
                                                   bitorder="little"), "lowest bit comes first"),
    ("pack_codes", lambda codes, bits: np.packbits(digits(codes, bits)), "bitorder"),
    ("pack_codes", lambda codes, bits: np.packbits(digits(codes, bits)[::-1]), "not right"),
    ("affine_quantize", lambda x, bits: x, "three things"),
    ("affine_quantize", lambda x, bits: affine(x, bits, x.min(), x.max()), "0 must have a code"),
    ("affine_quantize", lambda x, bits: affine(x, bits, steps=2**bits), "fewer steps than codes"),
    ("affine_quantize", lambda x, bits: affine(x, bits, whole=lambda z: z), "a whole number"),
    ("affine_quantize", lambda x, bits: affine(x, bits, -np.abs(x).max(), np.abs(x).max()),
     "the whole range takes"),
    ("affine_quantize", lambda x, bits: (*affine(x, bits)[:2], 1 - 2**bits), "the zero point"),
    ("affine_quantize", lambda x, bits: (affine(x, bits)[0] - 8, *affine(x, bits)[1:]), "go from"),
    ("affine_quantize", lambda x, bits: affine(x, bits, clip=False), "go from"),
    ("affine_quantize", lambda x, bits: (affine(x, bits)[0] // 2, *affine(x, bits)[1:]), "put"),
    ("best_clip", lambda bits, sigma: sigma * least_error_clip(bits, 2 ** (bits - 1)), "steps"),
    ("best_clip", lambda bits, sigma: sigma * least_error_clip(bits, 2**bits - 1), "steps"),
    ("best_clip", lambda bits, sigma: sigma * least_error_clip(bits, tails=1), "beyond −c as well"),
    ("best_clip", lambda bits, sigma: least_error_clip(bits), "want a smaller clip"),
    ("best_clip", lambda bits, sigma: sigma**2 * least_error_clip(bits), "in proportion"),
    ("best_clip", lambda bits, sigma: 4.7 * sigma, "slopes cancel"),
    ("best_clip", lambda bits, sigma: np.nan, "a positive number"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "answer", "hint"), WRONG)
def test_a_typical_mistake_is_told_by_its_hint(name, answer, hint):
    for seed in range(3):
        given = verdict(EXERCISES[name], answer, seed)
        assert given.state == "wrong"
        assert hint in given.hint


@given(st.integers(3, 8))
def test_the_best_clip_is_where_the_error_is_least(bits):
    """The sum itself, searched on a fine grid, instead of its derivative."""
    normal, steps = NormalDist(), 2 ** (bits - 1) - 1

    def total(c):
        overload = 2 * ((1 + c**2) * normal.cdf(-c) - c * normal.pdf(c))
        return (c / steps) ** 2 / 12 + overload

    clips = np.linspace(1, 5, 4001)
    assert abs(clips[np.argmin([total(c) for c in clips])] - least_error_clip(bits)) < 2e-3


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


@pytest.mark.oracle
def test_q8_0_and_q4_0_are_ggml_s():
    from gguf import GGMLQuantizationType, quants

    w = np.random.default_rng(4).standard_normal((64, 20)).astype(np.float32)
    for name in ("q8_0", "q4_0"):
        kind = GGMLQuantizationType[name.upper()]
        theirs = quants.dequantize(quants.quantize(np.ascontiguousarray(w.T), kind), kind)
        assert np.array_equal(from_notebook(name)(w)[0].T, theirs)
