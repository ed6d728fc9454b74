"""Read a checkpoint of llama2.c: a Llama as small as a story, in one file without names.

    theirs (out, in)            ours (in, out)
    wq, wk, wv                  attention.w_qkv = [(P wq)ᵀ | (P wk)ᵀ | wvᵀ], P: llama2c_format.py
    wo                          attention.w_out
    w1, w3, w2                  feed_forward.w_gate, .w_up, .w_down
    rms_att, rms_ffn, rms_final norm_1.gain, norm_2.gain of a block, norm.gain
    token_embedding, wcls       token_embedding, head.w

The file is mapped into memory, and its length compared with its header before anything else is
done. A table or a vector of floats stays a view of it, which comes from the disk as it is used. A
matrix is copied, turned round: OpenBLAS multiplies a few rows by it up to twice as fast. Where the
file holds int8 codes the weights are QuantizedTensors of those very codes and scales: P is a
permutation of output channels, and to put matrices side by side is to put channels below one
another. So nothing is rounded twice. What has been looked at is dropped from memory again until it
is used.

The format is Karpathy's (llama2.c, 2023); trained there are TinyStories (Eldan & Li 2023).
"""

import math
import os
from typing import Any

import numpy as np

from minilm.models import TransformerLanguageModel
from minilm.pretrained.llama2c_format import HEADER_BYTES, Header, halves, parsed_header
from minilm.pretrained.tensors import check_finite, forget
from minilm.types import Array, Params
from minilm.weights import QuantizedTensor
from minilm.weights.quantized import stored_codes

CHUNK = 4096  # rows whose codes are copied at once

# A matrix by rows: (floats,), or (codes, scales), to each of which is done what is done to rows
Rows = tuple[Array, ...]


def read_llama2c(path: str | os.PathLike[str]) -> tuple[TransformerLanguageModel, Params]:
    """The model of a llama2.c `.bin` file, version 0, 1 or 2, and its parameters.

    A table of floats and the gains are views of the file, not to be written to, and the file must
    stay as it is while they are in use. Raises FileNotFoundError, and ValueError that names the
    file, what was found and what was expected: no such header, a length that does not fit it,
    numbers that are not finite.
    """
    try:
        with open(path, "rb") as file:
            header = parsed_header(file.read(HEADER_BYTES))
            data = np.memmap(file, np.uint8, "r").view(np.ndarray)
        if len(data) != header.file_bytes():
            raise ValueError(
                f"{header} takes {header.file_bytes()} bytes, the file has {len(data)}"
            )
        return model_of(header), params_of(header, read_tensors(header, data))
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)} is no checkpoint of llama2.c: {error}") from error


def model_of(header: Header) -> TransformerLanguageModel:
    """The configuration that a header describes; what it does not say is the same in all."""
    return TransformerLanguageModel(
        header.vocab_size,
        width=header.dim,
        layers=header.n_layers,
        heads=header.n_heads,
        context=header.seq_len,
        feed_forward=header.hidden_dim,
        tied=header.tied,
        key_value_heads=None if header.n_kv_heads == header.n_heads else header.n_kv_heads,
        positions="rotary",
        normalization="rms",
        activation="swiglu",
        biases=False,
        norm_eps=1e-5,
    )


def read_tensors(header: Header, data: Array) -> dict[str, list[Rows]]:
    """The tensors of a whole file, data: (bytes,) uint8, as views: {name: one for each layer}."""
    found: dict[str, list[Rows]] = {}
    at = header.start
    for name, (count, shape) in header.tensors().items():
        found[name] = []
        for _ in range(count):
            end = at + header.tensor_bytes(shape)
            found[name].append(one_tensor(data[at:end], shape, header.group_size))
            at = end
    return found


def one_tensor(data: Array, shape: tuple[int, ...], group_size: int | None) -> Rows:
    """One tensor of its bytes: (floats,), or where there are groups (codes, scales).

    codes: (rows, n) int8, scales: (rows, n / group) float32. Groups are counted through the whole
    matrix, so one may begin in a row and end in the next, if its size does not divide n. Then it
    is cut into smaller ones, which share its scale.
    """
    if group_size is None or len(shape) == 1:
        return (data.view("<f4").reshape(shape),)
    rows, n = shape
    codes, scales = data[: rows * n].view(np.int8), data[rows * n :].view("<f4")
    part = math.gcd(group_size, n)
    if part < group_size:
        scales = np.repeat(scales, group_size // part)
    return codes.reshape(shape), scales.reshape(rows, n // part)


def params_of(header: Header, tensors: dict[str, list[Rows]]) -> Params:
    """Our parameters of the file's tensors."""
    params: Params = {"token_embedding": weight("token_embedding", *tensors["token_embedding"])}
    for layer in range(header.n_layers):
        q, k, v, out, gate, down, up = (
            tensors[name][layer] for name in ("wq", "wk", "wv", "wo", "w1", "w2", "w3")
        )
        q = tuple(halves(part, header.n_heads) for part in q)
        k = tuple(halves(part, header.n_kv_heads) for part in k)
        for name, rows in {
            "norm_1.gain": (tensors["rms_att"][layer],),
            "norm_2.gain": (tensors["rms_ffn"][layer],),
            "attention.w_qkv": (q, k, v),
            "attention.w_out": (out,),
            "feed_forward.w_gate": (gate,),
            "feed_forward.w_up": (up,),
            "feed_forward.w_down": (down,),
        }.items():
            name = f"block.{layer}.{name}"
            params[name] = weight(name, *rows)
    params["norm.gain"] = weight("norm.gain", *tensors["rms_final"])
    if not header.tied:
        params["head.w"] = weight("head.w", *tensors["wcls"])
    return params


def weight(name: str, *tensors: Rows) -> Any:
    """The weight (in, out) of tensors (out_i, in), whose rows are its columns.

    "token_embedding" is a table, whose rows they stay, and a vector has no sides to change. Raises
    ValueError that names the weight for floats or scales that are not finite, or negative scales.
    """
    is_table = name == "token_embedding"
    parts = list(tensors[0])
    if len(tensors) > 1:
        parts = [np.concatenate(part) for part in zip(*tensors, strict=True)]
    if len(parts) == 1:
        check_finite(name, parts[0])
        return np.ascontiguousarray(parts[0] if is_table else parts[0].T, np.float32)
    codes, scales = parts
    return quantized(name, codes, scales, axis=0 if is_table else -1)


def quantized(name: str, codes: Array, scales: Array, axis: int) -> QuantizedTensor:
    """The leaf of codes (rows, n) and scales (rows, groups), which are copied.

    axis: 0 where its rows are these, -1 where its columns are.
    """
    # a code of 8 bits fills a byte, so that the stored codes are the packed ones
    stored = np.empty(codes.shape, np.uint8)
    for start in range(0, len(codes), CHUNK):  # of a large table never two copies
        chunk = slice(start, start + CHUNK)
        stored_codes(codes[chunk], 8, symmetric=True, out=stored[chunk])
        forget(codes)
    scales = scales.astype(np.float32)  # at odd bytes they may stand in a file, but not in a leaf
    shape = codes.shape if axis == 0 else codes.shape[::-1]
    leaf = QuantizedTensor(stored, scales, None, None, 8, shape, axis)
    try:
        leaf.check()
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
    return leaf
