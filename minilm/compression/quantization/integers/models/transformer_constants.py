"""What IntegerTransformer computes with: ranges from a walk in floats, then integers by name.

The walk is TransformerLanguageModel.forward, with every site's numbers written down. The sites:

    stream                                   what blocks add to
    block.l.attention, block.l.feed_forward, head      what a step reads of the stream
    block.l.attention.q, .k, .v, .heads
    block.l.feed_forward.up, .active, and of SwiGLU .gate, .silu (what silu makes of it)
    logits
"""

import math
from collections.abc import Callable, Iterable

import numpy as np

from minilm.compression.quantization.calibration.statistics import read_by
from minilm.compression.quantization.integers.models.codes import (
    WIDE,
    Ranges,
    Site,
    linear_constants,
    multiplier_constants,
    table_constants,
    weight_codes,
)
from minilm.compression.quantization.integers.models.steps import MEAN_BITS, NORM_BITS
from minilm.compression.quantization.integers.models.transformer import CIRCLE_BITS, TURN_BITS
from minilm.models import TransformerLanguageModel
from minilm.models.block import ACTIVATIONS, NORM, normalize, parts
from minilm.models.embed import embed, window_positions
from minilm.models.language_model import check_tokens
from minilm.nn import attention, causal_mask, linear, rotary, silu
from minilm.nn.grouped_attention import grouped_query_attention
from minilm.nn.multi_head_attention import by_head, head_counts, side_by_side
from minilm.types import Array, Batch, Params

SOFTMAX_END = 6.3  # e^−6.3 · 255 is less than half a code
E_MAX = 255  # the code of e^0 = 1
See = Callable[[str, Array], Array]  # Ranges.see


def transformer_ranges(
    model: TransformerLanguageModel, params: Params, batches: Iterable[Batch]
) -> Ranges:
    """The range of what passes at each site while the float model reads the batches."""
    ranges = Ranges()
    for batch in batches:
        (tokens,) = read_by(model, batch)
        walk(model, params, check_tokens(tokens), ranges)
    return ranges


def walk(model: TransformerLanguageModel, params: Params, tokens: Array, ranges: Ranges) -> Array:
    """model.forward in floats, seen by `ranges`: its logits."""
    see = ranges.see
    x, _ = embed(
        tokens, params["token_embedding"], positions=model.positions, context=model.context,
        position_table=params.get("position_embedding"),
    )  # fmt: skip
    x = see("stream", x)
    for layer in range(model.layers):
        name = f"block.{layer}"
        for part, norm, step in (
            ("attention", "norm_1", attention_step),
            ("feed_forward", "norm_2", feed_forward_step),
        ):
            x = residual(model, params, x, see, f"{name}.{part}", f"{name}.{norm}", step)
    if model.norm == "pre":
        x, _ = normalize(x, *parts(params, "norm", NORM), eps=model.norm_eps)
    w = params["token_embedding"].T if model.tied else params["head.w"]
    return see("logits", linear(see("head", x), w)[0])


def residual(
    model: TransformerLanguageModel, params: Params, x: Array, see: See, name: str, norm: str,
    step: Callable[..., Array],
) -> Array:  # fmt: skip
    """A residual step of either form: see models/block.py."""
    weights = parts(params, norm, NORM)

    def normed(x: Array) -> Array:
        return normalize(x, *weights, eps=model.norm_eps)[0]

    entering = normed(x) if model.norm == "pre" else x
    x = see("stream", x + step(model, params, see(name, entering), see, name))
    return x if model.norm == "pre" else see("stream", normed(x))


def attention_step(
    model: TransformerLanguageModel, params: Params, y: Array, see: See, name: str
) -> Array:
    """Attention, as in nn/multi_head_attention.py."""
    w_qkv, b_qkv, w_out, b_out = parts(params, name, ("w_qkv", "b_qkv", "w_out", "b_out"))
    H, G = head_counts(w_qkv.shape[1], w_out.shape[0], model.head_dim)
    qkv = by_head(linear(y, w_qkv, b_qkv)[0], model.head_dim)
    qk, v = qkv[:, : H + G], qkv[:, H + G :]
    if model.positions == "rotary":
        qk, _ = rotary(qk, base=model.rotary_base)
    q, k, v = see(f"{name}.q", qk[:, :H]), see(f"{name}.k", qk[:, H:]), see(f"{name}.v", v)
    attend = attention if G == H else grouped_query_attention
    heads, _ = attend(q, k, v, causal_mask(q.shape[2]))
    return linear(see(f"{name}.heads", side_by_side(heads)), w_out, b_out)[0]


def feed_forward_step(
    model: TransformerLanguageModel, params: Params, y: Array, see: See, name: str
) -> Array:
    """The feed-forward layer of either kind."""
    b_up, b_down = params.get(f"{name}.b_up"), params.get(f"{name}.b_down")
    up = see(f"{name}.up", linear(y, params[f"{name}.w_up"], b_up)[0])
    if f"{name}.w_gate" in params:
        gate = see(f"{name}.gate", linear(y, params[f"{name}.w_gate"])[0])
        active = see(f"{name}.silu", silu(gate)[0]) * up
    else:
        active = ACTIVATIONS[model.activation][0](up)[0]
    return linear(see(f"{name}.active", active), params[f"{name}.w_down"], b_down)[0]


def transformer_constants(
    model: TransformerLanguageModel, params: Params, ranges: Ranges
) -> Params:
    """The integers that IntegerTransformer computes with, by name."""
    stream = ranges.wide("stream")
    constants = embedding_constants(model, params, stream)
    for layer in range(model.layers):
        name = f"block.{layer}"
        for part, norm, made in (
            ("attention", "norm_1", attention_constants),
            ("feed_forward", "norm_2", feed_forward_constants),
        ):
            entering = ranges.affine(f"{name}.{part}")
            constants |= made(model, params, f"{name}.{part}", ranges, entering, stream)
            constants |= entering_constants(
                model, params, f"{name}.{part}", f"{name}.{norm}", stream, entering
            )
    entering, logits = ranges.affine("head"), ranges.wide("logits")
    if model.norm == "pre":
        constants |= norm_constants("norm", params, stream, entering, model.norm_eps)
    else:
        constants |= narrowing_constants("head", stream, entering)
    w = params["token_embedding"] if model.tied else params["head.w"]
    constants |= linear_constants("head.w", w, None, entering, logits, model.tied)
    return constants | {"logits:scale": np.array(logits.scale, np.float32)}


def embedding_constants(model: TransformerLanguageModel, params: Params, stream: Site) -> Params:
    """The table, its multipliers, and the positions in the stream's scale or as a circle's."""
    table, scales = weight_codes("token_embedding", params["token_embedding"])
    D = table.shape[1]
    root = math.sqrt(D) if model.positions == "sinusoidal" else 1.0
    M = multiplier_constants("token_embedding", root * scales / stream.scale)
    constants = {"token_embedding": table, **M}
    if model.positions == "rotary":
        half = model.head_dim // 2
        ones = np.zeros((1, 1, model.context, 2 * half))
        ones[..., :half] = 1  # turned, (1, 0) is (cos, sin)
        circle = rotary(ones, base=model.rotary_base)[0][0, 0] * 2**CIRCLE_BITS
        cos, sin = np.rint(np.split(circle, 2, axis=-1)).astype(np.int16)
        return constants | {"rotary:cos": cos, "rotary:sin": sin}
    if model.positions == "learned":
        positions = params["position_embedding"]
        positions = positions if isinstance(positions, np.ndarray) else positions.dense()
    else:
        positions = window_positions(model.context, D, np.dtype(np.float64))
    codes = np.clip(np.rint(positions / stream.scale), -WIDE - 1, WIDE)
    return constants | {"position_embedding": codes.astype(np.int16)}


def attention_constants(
    model: TransformerLanguageModel, params: Params, name: str, ranges: Ranges, entering: Site,
    stream: Site,
) -> Params:  # fmt: skip
    """Those of one attention: q, k and v each leave by a scale of their own."""
    w_qkv, b_qkv, w_out, b_out = parts(params, name, ("w_qkv", "b_qkv", "w_out", "b_out"))
    d = model.head_dim
    H, G = head_counts(w_qkv.shape[1], w_out.shape[0], d)
    q, k, v = (ranges.symmetric(f"{name}.{part}") for part in ("q", "k", "v"))
    heads = ranges.affine(f"{name}.heads")
    leaving = np.repeat([q.scale, k.scale, v.scale], [H * d, G * d, G * d])
    if model.positions == "rotary":
        leaving = leaving / 2**TURN_BITS
    step = SOFTMAX_END / E_MAX
    e = np.rint(E_MAX * np.exp(-step * np.arange(256))).astype(np.uint8)
    return {
        **linear_constants(f"{name}.w_qkv", w_qkv, b_qkv, entering, Site(leaving)),
        f"{name}.heads:table": e,
        **multiplier_constants(f"{name}.heads:score", q.scale * k.scale / math.sqrt(d) / step),
        **multiplier_constants(f"{name}.heads", v.scale / 2**MEAN_BITS / heads.scale),
        f"{name}.heads:zero_point": np.array(heads.zero_point, np.int8),
        **linear_constants(f"{name}.w_out", w_out, b_out, heads, stream),
    }


def feed_forward_constants(
    model: TransformerLanguageModel, params: Params, name: str, ranges: Ranges, entering: Site,
    stream: Site,
) -> Params:  # fmt: skip
    """Those of one feed-forward layer, of either kind."""
    up, active = ranges.affine(f"{name}.up"), ranges.affine(f"{name}.active")
    b_up, b_down = params.get(f"{name}.b_up"), params.get(f"{name}.b_down")
    constants = linear_constants(f"{name}.w_up", params[f"{name}.w_up"], b_up, entering, up)
    if f"{name}.w_gate" in params:
        before, gate = ranges.affine(f"{name}.gate"), ranges.affine(f"{name}.silu")
        w_gate = params[f"{name}.w_gate"]
        constants |= linear_constants(f"{name}.w_gate", w_gate, None, entering, before)
        constants |= table_constants(f"{name}.gate", lambda x: silu(x)[0], before, gate, np.int8)
        constants |= multiplier_constants(f"{name}.active", up.scale * gate.scale / active.scale)
        constants[f"{name}.active:zeros"] = np.array([up.zero_point, gate.zero_point], np.int8)
        constants[f"{name}.active:zero_point"] = np.array(active.zero_point, np.int8)
    else:
        activate = ACTIVATIONS[model.activation][0]
        table = table_constants(f"{name}.active", lambda x: activate(x)[0], up, active, np.int8)
        constants |= table
    return constants | linear_constants(
        f"{name}.w_down", params[f"{name}.w_down"], b_down, active, stream
    )


def entering_constants(
    model: TransformerLanguageModel, params: Params, name: str, norm: str, stream: Site,
    entering: Site,
) -> Params:  # fmt: skip
    """From the stream to what a step reads, and (post-norm) from its end to the stream."""
    if model.norm == "pre":
        return norm_constants(norm, params, stream, entering, model.norm_eps)
    to_8_bits = narrowing_constants(name, stream, entering)
    return to_8_bits | norm_constants(norm, params, stream, stream, model.norm_eps, wide=True)


def narrowing_constants(name: str, stream: Site, entering: Site) -> Params:
    """From the stream's 16 bits to 8."""
    return {
        **multiplier_constants(name, stream.scale / entering.scale),
        f"{name}:zero_point": np.array(entering.zero_point, np.int8),
    }


def norm_constants(
    name: str, params: Params, stream: Site, leaving: Site, norm_eps: float, wide: bool = False,
) -> Params:  # fmt: skip
    """A norm's: gain and bias as integers in one scale, small enough that n·gain + bias fits.

    |n| ≤ √D · 2^10, and |n·gain|, |bias| ≤ 2³⁰.
    """
    gain, bias = parts(params, name, NORM)
    D = len(gain)
    reach = min(WIDE, 2**30 // math.ceil(math.sqrt(D) * 2**NORM_BITS))
    scale = float(np.abs(gain).max()) / reach
    if bias is not None:
        scale = max(scale, float(np.abs(bias).max()) * 2**NORM_BITS / 2**30)
    scale = scale or 1.0
    constants = {name: np.rint(gain / scale).astype(np.int16)}
    if bias is not None:
        constants[f"{name}:bias"] = np.rint(bias / scale * 2**NORM_BITS).astype(np.int32)
    eps = max(1, round(D * D * norm_eps / stream.scale**2))
    return {
        **constants,
        f"{name}:eps": np.array(eps, np.int64),
        **multiplier_constants(name, scale / 2**NORM_BITS / leaving.scale),
        f"{name}:zero_point": np.array(leaving.zero_point, np.int8),
        f"{name}:ends": np.array([-(2**15), 2**15 - 1] if wide else [-128, 127], np.int16),
    }
