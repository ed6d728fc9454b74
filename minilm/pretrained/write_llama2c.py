"""Write a checkpoint that llama2.c's programs open: `run` the floats, `runq` the int8 groups.

The inverse of llama2c.py. `runq` multiplies codes by codes and so needs groups that end where a row
ends; a weight that is already kept in groups of that size, of 8 bits or fewer, is written as it is.
"""

import os
from typing import Any

import numpy as np

from minilm.compression.quantization import quantize
from minilm.compression.quantization.scheme import is_integer
from minilm.models import TransformerLanguageModel
from minilm.pretrained.llama2c import Rows
from minilm.pretrained.llama2c_format import Header, pairs
from minilm.pretrained.tensors import check_finite
from minilm.types import Params
from minilm.weights import QuantizedTensor, as_dense, replacing

# What llama2.c's programs do, and its files do not say
LLAMA: dict[str, Any] = {
    "norm_eps": 1e-5,
    "norm": "pre",
    "positions": "rotary",
    "rotary_base": 10000.0,
    "normalization": "rms",
    "activation": "swiglu",
    "biases": False,
}
BLOCK = {
    "rms_att": "norm_1.gain",
    "rms_ffn": "norm_2.gain",
    "wo": "attention.w_out",
    "w1": "feed_forward.w_gate",
    "w2": "feed_forward.w_down",
    "w3": "feed_forward.w_up",
}


def write_llama2c(
    path: str | os.PathLike[str],
    model: TransformerLanguageModel,
    params: Params,
    *,
    group_size: int | None = None,
) -> None:
    """Write a version 0 file of floats; with a group_size version 2, int8 with float32 scales.

    group_size must divide the width and the feed-forward width (llama2.c itself takes 64). Raises
    ValueError that names what llama2.c cannot run: another kind of Transformer, heads that were
    pruned, numbers that are not finite. The same parameters give the same bytes.
    """
    header = header_of(model, group_size)
    tensors = tensors_of(header, params)
    with replacing(path) as file:
        file.write(header.to_bytes())
        for name in header.tensors():
            for rows in tensors[name]:
                for part in rows:
                    file.write(part.tobytes())


def header_of(model: Any, group_size: int | None) -> Header:
    """The header of the file; ValueError for a model that llama2.c cannot run."""
    if not isinstance(model, TransformerLanguageModel):
        raise ValueError(f"llama2.c runs a TransformerLanguageModel only, got {model!r}")
    for name, needed in LLAMA.items():
        if getattr(model, name) != needed:
            raise ValueError(f"llama2.c needs {name}={needed!r}, got {getattr(model, name)!r}")
    assert model.feed_forward is not None
    widths = model.width, model.feed_forward
    if group_size is not None and (
        not is_integer(group_size) or group_size < 1 or any(n % group_size for n in widths)
    ):
        raise ValueError(
            f"group_size must be a whole number that divides the widths {widths[0]} and "
            f"{widths[1]}, or None, got {group_size!r}"
        )
    return Header(
        model.width, model.feed_forward, model.layers, model.heads,
        model.key_value_heads or model.heads, model.vocab_size, model.context,
        model.tied, version=0 if group_size is None else 2, group_size=group_size,
    )  # fmt: skip


def tensors_of(header: Header, params: Params) -> dict[str, list[Rows]]:
    """The file's tensors of our parameters: {name: one for each layer}."""

    def rows(name: str, out: int, *shape: int) -> Rows:
        """Of our parameter `name`, which must be (*shape, out): (in, out), or a vector's (out,)."""
        weight = params.get(name)
        if weight is None or weight.shape != (*shape, out):
            got = "nothing of that name" if weight is None else weight.shape
            raise ValueError(f"{name} must have shape {(*shape, out)}, got {got}")
        return rows_of(name, weight.T if name == "token_embedding" else weight, header.group_size)

    kinds = header.tensors()
    D, d, V = header.dim, header.dim // header.n_heads, header.vocab_size
    few = d * header.n_kv_heads
    found: dict[str, list[Rows]] = {name: [] for name in kinds}
    found["token_embedding"].append(rows("token_embedding", D, V))
    if not header.tied:
        found["wcls"].append(rows("head.w", V, D))
    found["rms_final"].append(rows("norm.gain", D))
    if header.version == 0:
        found["angles"] += angles(header.seq_len, d)
    for layer in range(header.n_layers):
        block = f"block.{layer}"
        qkv = rows(f"{block}.attention.w_qkv", D + 2 * few, D)
        found["wq"].append(tuple(pairs(part[:D], header.n_heads) for part in qkv))
        found["wk"].append(tuple(pairs(part[D : D + few], header.n_kv_heads) for part in qkv))
        found["wv"].append(tuple(part[D + few :] for part in qkv))
        for name, ours in BLOCK.items():
            found[name].append(rows(f"{block}.{ours}", *kinds[name][1]))
    return found


def angles(length: int, d: int) -> list[Rows]:
    """The cosines and the sines of t / 10000^(2i/d), which llama2.c's first programs read."""
    by_place = np.arange(length)[:, None] / LLAMA["rotary_base"] ** (np.arange(0, d, 2) / d)
    return [(np.cos(by_place).astype("<f4"),), (np.sin(by_place).astype("<f4"),)]


def rows_of(name: str, weight: Any, group_size: int | None) -> Rows:
    """A weight (in, out) as its file has it: floats (out, in), or codes and scales (out, groups).

    A vector stays floats; a QuantizedTensor whose groups these are gives its own codes; another
    weight is quantized.
    """
    if group_size is None or weight.ndim == 1:
        floats = np.asarray(as_dense(weight).T, "<f4")
        check_finite(name, floats)
        return (floats,)
    groups = weight.shape[0] // group_size
    if not is_grouped(weight, groups):
        weight = quantize(as_dense(weight), 8, axis=-1, group_size=group_size)
    scales = np.broadcast_to(weight.scale.T, (weight.shape[1], groups))
    check_finite(f"the scales of {name}", scales)
    return weight.codes.T.astype(np.int8), scales.astype("<f4")


def is_grouped(weight: Any, groups: int) -> bool:
    """Whether a weight is made of symmetric codes of at most 8 bits, with a scale for each group of
    a column, each whole column or all."""
    if not isinstance(weight, QuantizedTensor) or weight.bits > 8:
        return False
    scales = weight.scale.T.shape
    plain = weight.zero_points is None and weight.levels is None
    return plain and scales in {(), (weight.shape[1], 1), (weight.shape[1], groups)}
