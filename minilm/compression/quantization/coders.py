"""Coders: how many bits codes take when they are written down.

    packed     as held in memory: b bits a code
    entropy    Σ −log2 p_q over all codes, p_q the share of the tensor's codes that are q: what an
               ideal coder that knows the shares would need (Shannon 1948), and what Huffman's or an
               arithmetic one comes near to. The shares count as well, 16 bits for each code in use.

Scales, zero points, codebooks and masks count in full with either.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from minilm.compression.coding.entropy import entropy_of
from minilm.types import Params
from minilm.weights import QuantizedTensor, Weight
from minilm.weights.packing import unpack
from minilm.weights.protocol import weight_fields

SHARE_BITS = 16


def packed_bits(weight: Any) -> float:
    """8 times the bytes held."""
    return 8.0 * weight.nbytes


def entropy_bits(weight: Any) -> float:
    """The same, but for the codes of quantized tensors, wherever they are inside."""
    if isinstance(weight, QuantizedTensor):
        codes = unpack(weight.packed, weight.bits, weight.stored_shape[1])
        counts = np.bincount(codes.reshape(-1))
        ideal = weight.size * float(entropy_of(counts))
        shares = SHARE_BITS * int(np.count_nonzero(counts))
        return 8.0 * (weight.nbytes - weight.packed.nbytes) + ideal + shares
    if isinstance(weight, Weight):
        return sum(entropy_bits(part) for _, part in weight_fields(weight))
    return packed_bits(weight)


CODERS: dict[str, Callable[[Any], float]] = {
    "packed": packed_bits,
    "entropy": entropy_bits,
}


def true_bits(weights: Any | Params, coder: str = "packed") -> float:
    """The bits that a weight, or all parameters of a dict, take with a coder, everything included.

    True bits per weight: true_bits(w) / w.size. ValueError for a coder that CODERS has not.
    """
    if coder not in CODERS:
        raise ValueError(f"coder must be one of {', '.join(map(repr, CODERS))}, got {coder!r}")
    parts = weights.values() if isinstance(weights, dict) else [weights]
    return sum(CODERS[coder](part) for part in parts)
