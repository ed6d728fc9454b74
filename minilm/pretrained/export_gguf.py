"""Out again, as gguf: one file with weights, architecture and tokenizer, for llama.cpp and others.

    tensors    under llama.cpp's names, matrices in blocks of 32 numbers (compression/quantization/
               gguf.py), vectors and what has no whole blocks in F32
    metadata   the sizes by which the architecture is built, and the tokenizer (gguf_tokenizer.py)

The library `gguf` writes the container and knows the names; the blocks are ours, bit for bit those
of the library. Weights that were quantized here are rounded once more, unless their codes are
already such blocks (gguf_blocks.py): what a file says differs from ours by as much as export_gguf
answers.
"""

import os
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import numpy as np

from minilm.compression.quantization.gguf import BLOCK, FORMATS, from_gguf, to_gguf
from minilm.pretrained.gguf_blocks import Codes, blocks_of, codes_of
from minilm.pretrained.gguf_tokenizer import add_tokenizer
from minilm.pretrained.load import Pretrained
from minilm.pretrained.their_tensors import cut, family_of, places, shared_heads
from minilm.types import Array, Params
from minilm.weights import Weight, replacing

KINDS = ("Q8_0", "Q4_0", "Q4_1", "Q5_0", "F16", "F32")
FLOATS = {"F16": np.float16, "F32": np.float32}
ALWAYS_FLOAT = ("position_embd.weight", "token_types.weight")  # llama.cpp adds these up in F32
ACTIVATIONS = {"bert": ("exact_gelu", "gelu"), "gpt2": ("gelu",), "llama": ("swiglu",)}


def export_gguf(
    path: str | os.PathLike[str], pretrained: Pretrained, *, kind: str = "Q8_0"
) -> dict[str, float]:
    """Write a model to a gguf file, and tell what it cost: {tensor: largest |written − ours|}.

    kind: of the matrices, Q8_0, Q4_0, Q4_1, Q5_0, F16 or F32. A tensor is written exactly, and its
    number is 0, if it is in F32 or if its codes are blocks of this kind already: in groups of 32,
    symmetric codes of 8 bits are Q8_0's, those of 4 bits Q4_0's. With zero points codes of 4 bits
    are Q4_1's, whose min alone is rounded. What fills masked tokens in has no place in such a file,
    and is left out.
    Raises TypeError for a model or a tokenizer that the format does not know, ValueError for an
    unknown kind, an activation that readers do not compute or numbers beyond float16, and
    ModuleNotFoundError where the library is missing.
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    gguf = library()
    model, family = pretrained.model, family_of(pretrained.model)
    if model.activation not in ACTIVATIONS[family]:
        raise ValueError(f"readers of gguf compute {' or '.join(ACTIVATIONS[family])} in a "
                         f"{family}, not {model.activation}")  # fmt: skip
    blocks, errors = {}, {}
    for name, array, codes in gguf_tensors(gguf, model, pretrained.params, kind):
        blocks[name] = written(name, array, kind, codes)
        errors[name] = float(np.abs(read(*blocks[name]) - array).max(initial=0))
    with replacing(path) as file:
        writer = gguf.GGUFWriter(file.name, family)
        METADATA[family](writer, model, pretrained)
        writer.add_file_type(getattr(gguf.LlamaFileType, FILE_TYPES[kind]))
        writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
        if pretrained.tokenizer is not None:
            add_tokenizer(writer, gguf.TokenType, pretrained.tokenizer, model.vocab_size)
        for name, (data, used) in blocks.items():
            writer.add_tensor(name, data, raw_dtype=getattr(gguf.GGMLQuantizationType, used))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
    return errors


FILE_TYPES = {"F32": "ALL_F32"} | {kind: f"MOSTLY_{kind}" for kind in KINDS if kind != "F32"}


def library() -> Any:
    """The library `gguf`; ModuleNotFoundError that says how to get it."""
    try:
        return import_module("gguf")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "gguf files are written by the library gguf (extra `interop`): pip install gguf"
        ) from error


def gguf_tensors(
    gguf: Any, model: Any, params: Params, kind: str
) -> Iterator[tuple[str, Array, Codes]]:
    """Each tensor's name in llama.cpp, its float32 and its codes, each map (out, in).

    One parameter after the other: of all of them at once these would take 16 bytes a weight.
    """
    family = family_of(model)
    names = gguf.get_tensor_name_map(getattr(gguf.MODEL_ARCH, family.upper()), model.layers)
    for ours, parts in places(model, params).items():
        w = params[ours]
        dense = np.asarray(w.dense() if isinstance(w, Weight) else w, np.float32)
        cuts = [cut(ours, array, parts) for array in (dense, *codes_of(w, kind))]
        for theirs, *_ in parts:
            if theirs.startswith("cls."):
                continue  # a file holds BERT's vectors alone
            name = names.get_name(theirs.removeprefix("bert."), try_suffixes=(".weight", ".bias"))
            array, *codes = (in_llama_cpp(model, family, theirs, by[theirs]) for by in cuts)
            yield name, array, Codes(*codes)


def in_llama_cpp(model: Any, family: str, theirs: str, array: Array) -> Array:
    """A tensor of a checkpoint, turned the way that llama.cpp has it."""
    if family == "gpt2" and array.ndim == 2 and ".h." in theirs:
        return array.T  # GPT-2's own checkpoints keep maps as (in, out)
    if family == "llama" and ".q_proj." in theirs:
        return interleaved(array, model.heads)
    if family == "llama" and ".k_proj." in theirs:
        return interleaved(array, shared_heads(model))
    return array


def interleaved(array: Array, heads: int) -> Array:
    """The rows of each head with the halves as neighbours: a_0 b_0 a_1 b_1 … of a_0 a_1 … b_0 b_1.

    Rotary positions turn pairs of numbers. In Llama's files such a pair is (x_{2i}, x_{2i+1}), in
    transformers' and ours (x_i, x_{i+d/2}).
    """
    rows = array.reshape(heads, 2, array.shape[0] // heads // 2, *array.shape[1:])
    return rows.swapaxes(1, 2).reshape(array.shape)


def written(
    name: str, array: Array, kind: str, codes: Codes | None = None
) -> tuple[Array, str]:
    """A tensor as it is written, and its kind: F32 for vectors and what has no whole blocks.

    codes: what it was rounded to, where it was.
    """
    is_matrix = array.ndim == 2 and name not in ALWAYS_FLOAT
    if not is_matrix or (kind in FORMATS and array.shape[1] % BLOCK):
        kind = "F32"
    if kind == "F16" and not np.abs(array).max(initial=0) <= np.finfo(np.float16).max:
        raise ValueError(f"{name} must be within float16's ±65504 for F16")
    if kind in FLOATS:
        return np.ascontiguousarray(array, FLOATS[kind]), kind
    try:
        own = None if codes is None else blocks_of(codes, kind)
        return (to_gguf(array, kind) if own is None else own), kind
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def read(data: Array, kind: str) -> Array:
    """What the bytes stand for: float32."""
    return data.astype(np.float32) if kind in FLOATS else from_gguf(data, kind)


def add_bert(writer: Any, model: Any, pretrained: Pretrained) -> None:
    """BERT's sizes, and how one vector is made of a text's."""
    add_sizes(writer, model)
    writer.add_layer_norm_eps(model.norm_eps)
    writer.add_causal_attention(False)
    writer.add_pooling_type(
        library().PoolingType.CLS if pretrained.pooling == "first" else library().PoolingType.MEAN
    )
    writer.add_token_type_count(model.token_types)


def add_gpt2(writer: Any, model: Any, pretrained: Pretrained) -> None:
    """GPT-2's sizes."""
    add_sizes(writer, model)
    writer.add_layer_norm_eps(model.norm_eps)


def add_llama(writer: Any, model: Any, pretrained: Pretrained) -> None:
    """Llama's sizes."""
    add_sizes(writer, model)
    writer.add_vocab_size(model.vocab_size)
    writer.add_head_count_kv(shared_heads(model))
    writer.add_layer_norm_rms_eps(model.norm_eps)
    writer.add_rope_dimension_count(model.head_dim)
    writer.add_rope_freq_base(model.rotary_base)


def add_sizes(writer: Any, model: Any) -> None:
    """What all have."""
    writer.add_context_length(model.context)
    writer.add_embedding_length(model.width)
    writer.add_block_count(model.layers)
    writer.add_feed_forward_length(model.feed_forward)
    writer.add_head_count(model.heads)


METADATA: dict[str, Callable[[Any, Any, Pretrained], None]] = {
    "bert": add_bert,
    "gpt2": add_gpt2,
    "llama": add_llama,
}
