"""Write a checkpoint that llama2.c's programs open: `run` the floats, `runq` the int8 groups.

The inverse of llama2c.py. `runq` multiplies codes by codes and so needs groups that end where a row
ends; a weight that is already kept in groups of that size, of 8 bits or fewer, is written as it is.
"""

import os
from typing import Any

import numpy as np

from minilm.compression.quantization import quantize
from minilm.models import TransformerLanguageModel
from minilm.pretrained.llama2c import Rows
from minilm.pretrained.llama2c_format import Header, pairs
from minilm.types import Array, Params
from minilm.weights import QuantizedTensor, as_dense, replacing

# What llama2.c's programs do, and its files do not say
LLAMA = {
    "norm_eps": 1e-5,
    "norm": "pre",
    "positions": "rotary",
    "rotary_base": 10000.0,
    "normalization": "rms",
    "activation": "swiglu",
    "biases": False,
}
MATRICES = {
    "wo": "attention.w_out",
    "w1": "feed_forward.w_gate",
    "w2": "feed_forward.w_down",
    "w3": "feed_forward.w_up",
}
VECTORS = {"rms_att": "norm_1.gain", "rms_ffn": "norm_2.gain"}


def write_llama2c(
    path: str | os.PathLike[str],
    model: TransformerLanguageModel,
    params: Params,
    *,
    group_size: int | None = None,
) -> None:
    """Write a version 1 file of floats; with a group_size version 2, int8 with float32 scales.

    group_size must divide the width and the feed-forward width (llama2.c itself takes 64). Raises
    ValueError that names what llama2.c cannot run: another kind of Transformer, heads that were
    pruned, numbers that are not finite.
    """
    header = header_of(model, group_size)
    tensors = tensors_of(header, params)
    with replacing(path) as file:
        file.write(header.to_bytes())
        for name, (_, shape) in header.tensors().items():
            for rows in tensors.get(name, []):
                if rows[0].shape != shape:
                    raise ValueError(f"{name} must have shape {shape}, got {rows[0].shape}")
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
    if group_size is not None and (model.width % group_size or model.feed_forward % group_size):
        raise ValueError(
            f"group_size must divide the widths {model.width} and {model.feed_forward}, "
            f"got {group_size}"
        )
    return Header(
        model.width, model.feed_forward, model.layers, model.heads,
        model.key_value_heads or model.heads, model.vocab_size, model.context,
        model.tied, version=1 if group_size is None else 2, group_size=group_size,
    )  # fmt: skip


def tensors_of(header: Header, params: Params) -> dict[str, list[Rows]]:
    """The file's tensors of our parameters: {name: one for each layer}."""
    group = header.group_size
    found: dict[str, list[Rows]] = {name: [] for name in header.tensors()}
    found["token_embedding"].append(rows_of(params["token_embedding"].T, group))
    if not header.tied:
        found["wcls"].append(rows_of(params["head.w"], group))
    found["rms_final"].append(vector(params["norm.gain"]))
    D = header.dim
    few = D // header.n_heads * header.n_kv_heads
    for layer in range(header.n_layers):
        block = f"block.{layer}"
        qkv = rows_of(params[f"{block}.attention.w_qkv"], group)
        found["wq"].append(tuple(pairs(part[:D], header.n_heads) for part in qkv))
        found["wk"].append(tuple(pairs(part[D : D + few], header.n_kv_heads) for part in qkv))
        found["wv"].append(tuple(part[D + few :] for part in qkv))
        for name, ours in MATRICES.items():
            found[name].append(rows_of(params[f"{block}.{ours}"], group))
        for name, ours in VECTORS.items():
            found[name].append(vector(params[f"{block}.{ours}"]))
    return found


def vector(gain: Array) -> Rows:
    """A vector as its file has it."""
    return (np.asarray(gain, "<f4"),)


def rows_of(weight: Any, group_size: int | None) -> Rows:
    """A weight (in, out) as its file has it: floats (out, in), or codes and scales (out, groups).

    A QuantizedTensor whose groups these are gives its own; another weight is quantized.
    """
    if group_size is None:
        return (np.asarray(as_dense(weight).T, "<f4"),)
    groups = weight.shape[0] // group_size
    if not is_grouped(weight, groups):
        weight = quantize(as_dense(weight), 8, axis=-1, group_size=group_size)
    scales = np.broadcast_to(weight.scale.T, (weight.shape[1], groups))
    return weight.codes.T.astype(np.int8), scales.astype("<f4")


def is_grouped(weight: Any, groups: int) -> bool:
    """Whether a weight is made of symmetric codes of at most 8 bits, with a scale for each group of
    a column, each whole column or all."""
    if not isinstance(weight, QuantizedTensor) or weight.bits > 8:
        return False
    scales = weight.scale.T.shape
    plain = weight.zero_points is None and weight.levels is None
    return plain and scales in {(), (weight.shape[1], 1), (weight.shape[1], groups)}
