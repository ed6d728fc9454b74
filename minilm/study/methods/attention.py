"""Methods for what has no weight: attention's two products, and the cache of keys and values.

Each is the same Transformer with another answer to one of its openings, `attend` or `state`.
"""

from dataclasses import dataclass
from functools import partial
from inspect import signature
from typing import Any

from minilm.compression import quantize
from minilm.compression.quantization import (
    METHODS,
    QuantizedKeyValueCache,
    integer_attention,
    quantize_activations,
)
from minilm.generation import with_cache
from minilm.study.methods.bench import Bench, Made
from minilm.types import Array, Cache, Params


@dataclass(frozen=True)
class IntegerAttention:
    """A Transformer whose attention multiplies integers."""

    model: Any

    @property
    def context(self) -> int:
        return int(self.model.context)

    def forward(self, params: Params, tokens: Array) -> tuple[Array, Cache]:
        logits, cache = self.model.forward(params, tokens, attend=integer_attention)
        return logits, cache


def attending(bench: Bench, bits: int) -> Made:
    """Weights and activations of `bits` bits, attention of 8."""
    if "attend" not in signature(bench.model.forward).parameters:
        raise TypeError(f"model must have attention, a {type(bench.model).__name__} has none")
    rounded = quantize(bench.params, bits, **METHODS["round to nearest"].arguments)
    return Made(quantize_activations(rounded, bits), IntegerAttention(bench.model))


@dataclass(frozen=True)
class WithCache:
    """A Transformer whose every look goes through its key–value cache, filled from each window."""

    model: Any

    @property
    def context(self) -> int:
        return int(self.model.context)

    def forward(self, params: Params, tokens: Array) -> tuple[Array, Cache]:
        logits, cache = self.model.forward(params, tokens, state=self.model.fresh_state())
        return logits, cache


def cached(bench: Bench, bits: int, **how: Any) -> Made:
    new_cache = partial(QuantizedKeyValueCache, bits=bits, **how)
    model = WithCache(with_cache(bench.model, new_cache))
    tokens = bench.batches[0][0][:1]
    sizes = []
    for each in (bench.model, model.model):
        _, cache = each.forward(bench.params, tokens, state=each.fresh_state())
        sizes.append(cache["state"].nbytes)
    note = f"cache of {tokens.shape[1]} tokens: {sizes[1]} bytes, in float {sizes[0]}"
    return Made(bench.params, model, note=note)
