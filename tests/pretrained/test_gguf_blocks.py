"""Codes chosen here, written as gguf's blocks without being rounded anew."""

import numpy as np
import pytest

from minilm import quantize
from minilm.compression.quantization.gguf import from_gguf
from minilm.pretrained.gguf_blocks import Codes, blocks_of, codes_of

OPTIONS = {
    "Q8_0": {"bits": 8, "group_size": 32},
    "Q4_0": {"bits": 4, "group_size": 64, "objective": "mse"},
    "Q4_1": {"bits": 4, "group_size": 32, "symmetric": False},
}


def transposed(codes):
    """As rows (out, in), which is how a file holds a map."""
    return Codes(*(part.T for part in codes))


def test_a_block_by_hand():
    q = np.arange(32, dtype=np.float32)[None] % 16
    codes = Codes(q, np.full((1, 32), 0.5, np.float32), np.full((1, 32), -2, np.float32))
    data = blocks_of(codes, "Q4_1")
    assert data[0, :4].tobytes() == np.array([0.5, -2], "<f2").tobytes()
    assert data[0, 4:].tolist() == [17 * i for i in range(16)]  # number i low, number i + 16 high
    assert (from_gguf(data, "Q4_1") == q * 0.5 - 2).all()


@pytest.mark.parametrize("kind", OPTIONS)
@pytest.mark.parametrize("axis", [-1, 0])
def test_what_was_rounded_in_groups_is_written_as_it_is(kind, axis):
    w = np.random.default_rng(0).standard_normal((128, 64), np.float32)
    leaf = quantize(w, axis=axis, **OPTIONS[kind])
    codes, dense = codes_of(leaf, kind), leaf.dense()
    if axis == -1:
        codes, dense = transposed(codes), dense.T
    values = from_gguf(blocks_of(codes, kind), kind)
    if kind == "Q4_1":  # min is rounded to float16
        least = codes.least
        assert (np.abs(values - dense) <= np.abs(least) * 2.0**-11 + 1e-6).all()
    else:
        assert (values == dense).all()


@pytest.mark.parametrize(("kind", "options"), [
    ("Q4_0", {"bits": 4, "group_size": 16}),  # two scales in a block
    ("Q4_0", {"bits": 4, "group_size": 32, "symmetric": False}),
    ("Q4_1", {"bits": 4, "group_size": 32}),
    ("Q4_0", {"bits": 3, "group_size": 32}),
    ("Q4_0", {"bits": 4, "group_size": 32, "grid": "nf"}),
    ("Q8_0", {"bits": 8, "axis": -1}),  # scales of float32
    ("F16", {"bits": 8, "group_size": 32}),
])  # fmt: skip
def test_other_codes_are_no_blocks(kind, options):
    w = np.random.default_rng(0).standard_normal((64, 3), np.float32)
    assert blocks_of(transposed(codes_of(quantize(w, **options), kind)), kind) is None
    assert blocks_of(transposed(codes_of(w, kind)), kind) is None


@pytest.mark.oracle
@pytest.mark.parametrize("kind", OPTIONS)
def test_the_library_reads_the_same_numbers(kind):
    from gguf import GGMLQuantizationType, quants

    w = np.random.default_rng(0).standard_normal((64, 5), np.float32)
    leaf = quantize(w, **OPTIONS[kind])
    data = blocks_of(transposed(codes_of(leaf, kind)), kind)
    values = quants.dequantize(data, getattr(GGMLQuantizationType, kind))
    assert np.abs(values - leaf.dense().T).max() <= (2e-3 if kind == "Q4_1" else 0)
