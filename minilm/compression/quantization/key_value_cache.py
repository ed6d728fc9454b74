"""A key–value cache of b-bit codes: what a Transformer has read, in fewer bytes.

    x̂ = s·(q − z),  q in 0 … 2^b − 1        asymmetric, each scale its own zero point

    by token      a scale for the d numbers of one head's key (or value) of one token
    by channel    a scale for one of these d numbers over GROUP tokens in a row; the last tokens,
                  which fill no group yet, stay floats

Long texts make this cache larger than the weights: 2·L·H·d floats a token. A token's numbers come
together, so by token is the simplest. But some channels of keys are large in every token, and by
token they alone set the scale; by channel each has its own. Values have no such channels, so KIVI
rounds keys by channel and values by token (Liu et al. 2024, section 3).

Codes are packed, scales are float16. K and V are unpacked whole for every token that is read, for
all layers in turn: this saves memory, not time.
"""

from typing import Any

import numpy as np

from minilm.compression.parameters import check_finite
from minilm.compression.quantization.quantize import quantize
from minilm.compression.quantization.scales.from_ranges import LARGEST
from minilm.models.key_value_cache import Attend, check_fit
from minilm.models.language_model import check_choice
from minilm.types import Array
from minilm.weights import QuantizedTensor
from minilm.weights.packing import check_bits

GROUP = 32  # tokens that share a scale by channel
FIELDS = ("packed", "scales", "zero_points")  # what is kept of quantized rows


class QuantizedKeyValueCache:
    """`KeyValueCache` in so many bits: for `model.fresh_state(new_cache)`, by `with_cache`.

    context: the most tokens it takes; bits: 1 … 8; by: "token" or "channel"; values_by: the same
    for the values, if they differ from the keys: KIVI is by="channel", values_by="token".
    What comes back by token does not depend on the pieces in which a text was read; by channel
    tokens are rounded when their group is full. Raises ValueError for other bits or another `by`.
    """

    def __init__(
        self, context: int, bits: int = 8, by: str = "token", values_by: str | None = None
    ) -> None:
        values_by = by if values_by is None else values_by
        check_choice("by", by, ("token", "channel"))
        check_choice("values_by", values_by, ("token", "channel"))
        self.context, self.length = context, 0
        self.keys = QuantizedTokens(check_bits(bits), by)
        self.values = QuantizedTokens(bits, values_by)

    def append(self, k: Array, v: Array) -> tuple[Array, Array]:
        """Take in the keys and values of T new tokens; answer with all so far, K and V, rounded.

        k: (B, H, T, d), v: (B, H, T, d_v)  ->  K: (B, H, length, d), V: (B, H, length, d_v)
        Raises ValueError as `KeyValueCache.append` does, and for numbers that are not finite or
        beyond 8·10³⁷; the cache is then as it was.
        """
        end = self.length + k.shape[2]
        if end > self.context:
            raise ValueError(f"a cache with room for {self.context} tokens cannot hold {end}")
        check_fit("v", v[..., :0], k[..., :0])
        for name, new, held in (("k", k, self.keys), ("v", v, self.values)):
            if held.floats is not None:
                check_fit(name, new[:, :, :0], held.floats[:, :, :0])
            if new.size:  # before anything is taken in
                check_finite(name, new, LARGEST / 4)
        self.length = end
        return self.keys.append(k), self.values.append(v)

    def chosen(self, rows: Array) -> "QuantizedKeyValueCache":
        """A new cache that holds the texts `rows` of this one's batch; see `KeyValueCache`."""
        cache = QuantizedKeyValueCache(self.context)
        cache.length = self.length
        cache.keys, cache.values = self.keys.chosen(rows), self.values.chosen(rows)
        return cache

    def looking_back(self, attend: Attend) -> Attend:
        """`attend`, but over all keys and values so far in the place of the new ones alone."""
        return lambda q, k, v, mask=None: attend(q, *self.append(k, v), mask)

    @property
    def nbytes(self) -> int:
        """The bytes held: codes, scales, zero points, and what is not rounded yet."""
        return self.keys.nbytes + self.values.nbytes


class QuantizedTokens:
    """The keys or the values of so many tokens, (B, H, length, d), in blocks of rows.

    A row of n codes shares a scale: by token a block is one token and has one row of its d numbers,
    by channel it is GROUP tokens and has a row of them for each of its d channels.
    """

    def __init__(self, bits: int, by: str) -> None:
        self.bits, self.by = bits, by
        self.blocks: dict[str, Array] = {}  # FIELDS: (B, H, blocks, rows, …)
        self.floats: Array | None = None  # (B, H, fewer than a block's tokens, d)

    def append(self, x: Array) -> Array:
        """Take in tokens (B, H, T, d); answer with all so far, rounded where blocks are full."""
        if self.floats is not None:
            x = np.concatenate([self.floats, x], axis=2)
        size = 1 if self.by == "token" else GROUP
        full = x.shape[2] // size * size
        if full:
            rows = x[:, :, :full].reshape(*x.shape[:2], -1, size, x.shape[3])
            self._add(rows if self.by == "token" else rows.swapaxes(-1, -2))
        self.floats = x[:, :, full:].copy()
        if not self.blocks:
            return x
        return np.concatenate([self._rounded(x), self.floats], axis=2)

    def _add(self, rows: Array) -> None:
        """Quantize (B, H, blocks, rows, n), a scale for each row, and keep the codes."""
        n = rows.shape[-1]
        q = quantize(rows.reshape(-1, n), self.bits, symmetric=False, axis=0, group_size=n)
        for field in FIELDS:
            new = getattr(q, field).reshape(*rows.shape[:-1], -1)
            held = self.blocks.get(field)
            self.blocks[field] = new if held is None else np.concatenate([held, new], axis=2)

    def _rounded(self, like: Array) -> Array:
        """x̂ of all full blocks: (B, H, tokens, d), of the dtype and width of `like`."""
        held: dict[str, Any] = {
            field: x.reshape(-1, x.shape[-1]) for field, x in self.blocks.items()
        }
        d, outer = like.shape[-1], self.blocks["packed"].shape[:3]
        n = d if self.by == "token" else GROUP
        shape = len(held["packed"]), n
        rows = QuantizedTensor(**held, levels=None, bits=self.bits, array_shape=shape, axis=0)
        x = rows.decode().astype(like.dtype, copy=False).reshape(*outer, -1, n)
        if self.by == "channel":
            x = x.swapaxes(-1, -2)
        return x.reshape(*outer[:2], -1, d)

    def chosen(self, rows: Array) -> "QuantizedTokens":
        """The tokens of these texts alone, copied."""
        tokens = QuantizedTokens(self.bits, self.by)
        tokens.blocks = {field: x[rows] for field, x in self.blocks.items()}
        tokens.floats = None if self.floats is None else self.floats[rows]
        return tokens

    @property
    def nbytes(self) -> int:
        held = [*self.blocks.values(), *([] if self.floats is None else [self.floats])]
        return sum(x.nbytes for x in held)
