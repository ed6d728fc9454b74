"""What a Transformer's blocks are made of, as printed and right.

    x = norm_1(x + dropout(attention(x)))
    x = norm_2(x + dropout(W₂ gelu(W₁ x + b₁) + b₂))           Vaswani et al. 2017 (with a ReLU)
    and in a decoder, under a causal mask, between the two: reading of the source
"""

from typing import Any

import numpy as np

from minilm.course.published.entry import Printed, Value
from minilm.course.published.yardsticks import Rule
from minilm.models.block import ATTENTION, FEED_FORWARD, block, feed_forward, new_block, parts
from minilm.models.decoder_block import block_memory, decoder_block, new_decoder_block
from minilm.nn import (
    attention,
    causal_mask,
    dropout,
    gelu,
    gelu_backward,
    layer_norm,
    multi_head_attention,
    sigmoid,
    sigmoid_backward,
)
from minilm.types import Array, Cache, Params

D, HEAD_DIM, WIDE, T = 8, 4, 32, 5
PLAIN: dict[str, Any] = {"head_dim": HEAD_DIM, "norm": "post", "attend": attention}


def tokens(seed: int = 0) -> Array:
    """(1, T, D) random features."""
    return np.random.default_rng(seed).standard_normal((1, T, D)).astype(np.float32)


def encoder_weights() -> Params:
    """A fresh block's parameters, under "b"."""
    return new_block(np.random.default_rng(1), "b", D, WIDE, 1.0)


def normed(x: Array) -> Array:
    """LayerNorm(x), gain 1 and bias 0."""
    return layer_norm(x, np.ones(D, np.float32), np.zeros(D, np.float32))[0]


def feed_forward_without_b2(x: Array, w1: Array, b1: Array, w2: Array, b2: Array) -> Array:
    """Feed-Forward = LayerNorm(x + W₂ σ(W₁ x + b₁))"""
    return normed(x + sigmoid(x @ w1 + b1)[0] @ w2)


def feed_forward_whole(x: Array, w1: Array, b1: Array, w2: Array, b2: Array) -> Array:
    """LayerNorm(x + W₂ gelu(W₁ x + b₁) + b₂)"""
    return normed(x + feed_forward(x, w1, b1, w2, b2)[0])


def constant_part(network: Rule) -> Value:
    """The first of 8 features, where x, W₁, b₁ and W₂ are 0 and b₂ = (1, 0, 0, …)."""
    w1, w2 = np.zeros((D, WIDE), np.float32), np.zeros((WIDE, D), np.float32)
    b1, b2 = np.zeros(WIDE, np.float32), np.eye(1, D, dtype=np.float32)[0]
    return round(float(network(np.zeros((1, D), np.float32), w1, b1, w2, b2)[0, 0]), 2)


FEED_FORWARD_WITHOUT_B2 = Printed(
    article="A",
    name="feed-forward without b₂",
    formula="Feed-Forward = LayerNorm(x + W₂ σ(W₁ x + b₁))",
    verdict="incomplete",
    why="The residual and the norm around it are right (post-norm). b₂ is missing: what is to be "
    "added whatever the input is, W₂ has to take out of the hidden units.",
    as_printed=feed_forward_without_b2,
    right=feed_forward_whole,
    what="first output where all is 0 but b₂ = 1",
    measure=constant_part,
)


def sigmoid_layer(x: Array) -> tuple[Array, Array]:
    """σ(x), and its slope"""
    y, cache = sigmoid(x)
    return y, sigmoid_backward(np.ones_like(x), cache)


def gelu_layer(x: Array) -> tuple[Array, Array]:
    """gelu(x) (max(0, x) in the paper), and its slope"""
    y, cache = gelu(x)
    return y, gelu_backward(np.ones_like(x), cache)


def slope_and_rest(layer: Rule) -> Value:
    """The largest slope over −5 … 5; the same through 6 layers; what comes out where x is −5."""
    y, slope = layer(np.linspace(-5, 5, 1001))
    largest = float(slope.max())
    return largest, largest**6, round(float(y[0]), 3)


SIGMOID_INSIDE = Printed(
    article="A",
    name="feed-forward with a sigmoid",
    formula="σ(W₁ x + b₁), σ the sigmoid",
    verdict="wrong",
    why="The paper has a ReLU there. A sigmoid's slope is a quarter at most, so each layer passes "
    "on less than that of its gradient; and its units say ½ where they have nothing to say.",
    as_printed=sigmoid_layer,
    right=gelu_layer,
    what="largest slope, of one layer and of six; output at x = −5",
    measure=slope_and_rest,
)


def side_by_side(x: Array, params: Params) -> Array:
    """Sublayer = attention ∥ feed-forward"""
    looked = multi_head_attention(x, *parts(params, "b.attention", ATTENTION), head_dim=HEAD_DIM)[0]
    thought = feed_forward(x, *parts(params, "b.feed_forward", FEED_FORWARD))[0]
    return np.concatenate([looked, thought], axis=-1)


def one_after_the_other(x: Array, params: Params) -> Array:
    """x = norm(x + attention(x)),   x = norm(x + feed_forward(x))"""
    return block(x, params, "b", mask=None, **PLAIN)[0]


def width_of_the_output(rule: Rule) -> Value:
    """How wide the output is for an input of width 8, to which it is to be added."""
    return int(rule(tokens(), encoder_weights()).shape[-1])


SIDE_BY_SIDE = Printed(
    article="A",
    name="sublayers side by side",
    formula="Sublayer = attention ∥ feed-forward",
    verdict="wrong",
    why="∥ puts both results beside each other: twice as wide, it can neither be added to x nor "
    "enter the next block. They are composed: the second reads what the first has made.",
    as_printed=side_by_side,
    right=one_after_the_other,
    what="width of the output for width 8",
    measure=width_of_the_output,
)


Rng = np.random.Generator | None


def norm_inside(x: Array, layer: Rule, w3: Array, rate: float = 0, rng: Rng = None) -> Array:
    """Block = LayerNorm(x + W₃ LayerNorm(Dropout(Layer x + b₃)))"""
    return normed(x + normed(dropout(layer(x), rate, rng)[0]) @ w3)


def norm_outside(x: Array, layer: Rule, w3: Array, rate: float = 0, rng: Rng = None) -> Array:
    """Block = LayerNorm(x + Dropout(Layer x))"""
    return normed(x + dropout(layer(x), rate, rng)[0])


def silenced(rule: Rule) -> Value:
    """Mean square of block − LayerNorm(x), first as it is, then if its layer says a hundredth."""
    x, params, one = tokens(), encoder_weights(), np.eye(D, dtype=np.float32)
    weights = parts(params, "b.feed_forward", FEED_FORWARD)

    def distance(loudness: float) -> float:
        def layer(x: Array) -> Array:
            return loudness * feed_forward(x, *weights)[0]

        return round(float(np.square(rule(x, layer, one) - normed(x)).mean()), 4)

    return distance(1), distance(0.01)


NORM_INSIDE = Printed(
    article="A",
    name="a norm around the layer",
    formula="Block = LayerNorm(x + W₃ LayerNorm(Dropout(Layer x + b₃)))",
    verdict="wrong",
    why="The inner norm makes whatever the layer says equally loud, so a block can never learn to "
    "add little; and under it a dropped number rescales all the others. There is no W₃ either: "
    "the layer ends in a matrix of its own.",
    as_printed=norm_inside,
    right=norm_outside,
    what="distance of the block from LayerNorm(x): as it is, and with its layer at a hundredth",
    measure=silenced,
)


def decoder_weights() -> Params:
    """A fresh decoder block's parameters, under "b"."""
    return new_decoder_block(np.random.default_rng(1), "b", D, WIDE, 1.0)


def decoder_as_an_encoder(x: Array, source: Array) -> Array:
    """decoder = encoder: x = norm(x + attention(x)),   x = norm(x + feed_forward(x))"""
    return block(x, decoder_weights(), "b", mask=None, **PLAIN)[0]


def decoder_whole(x: Array, source: Array) -> Array:
    """attention under a causal mask; cross-attention to the source; feed-forward"""
    params = decoder_weights()
    kv: Cache = block_memory(source, params, "b", HEAD_DIM)[0]
    mask = causal_mask(x.shape[1])
    return decoder_block(x, kv, params, "b", mask=mask, memory_mask=None, **PLAIN)[0]


def leak_from_the_future(decoder: Rule) -> Value:
    """How far the first position moves if the last one is changed."""
    x, source = tokens(), tokens(seed=2)
    changed = x.copy()
    changed[0, -1] += 1
    return float(np.abs(decoder(changed, source)[0, 0] - decoder(x, source)[0, 0]).max())


def influence_of_the_source(decoder: Rule) -> Value:
    """How far the output moves if the source is another."""
    x = tokens()
    return float(np.abs(decoder(x, tokens(seed=2)) - decoder(x, tokens(seed=3))).max())


NO_CAUSAL_MASK = Printed(
    article="A",
    name="a decoder without a causal mask",
    formula="Decoder block = Encoder block",
    verdict="wrong",
    why="The decoder is taught to say the next token. Without a mask it can look at it: the loss "
    "falls to nothing and it has learned to copy what will not be there when it writes.",
    as_printed=decoder_as_an_encoder,
    right=decoder_whole,
    what="how far the first position moves if the last is changed",
    measure=leak_from_the_future,
)

NO_CROSS_ATTENTION = Printed(
    article="A",
    name="a decoder without cross-attention",
    formula="Decoder block = Encoder block",
    verdict="incomplete",
    why="Nothing in the formula reads the encoder's output: the translation would be the same for "
    "every source.",
    as_printed=decoder_as_an_encoder,
    right=decoder_whole,
    what="how far the output moves if the source is another",
    measure=influence_of_the_source,
)

ENTRIES = (
    FEED_FORWARD_WITHOUT_B2,
    SIGMOID_INSIDE,
    SIDE_BY_SIDE,
    NORM_INSIDE,
    NO_CAUSAL_MASK,
    NO_CROSS_ATTENTION,
)
