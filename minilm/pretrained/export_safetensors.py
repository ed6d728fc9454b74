"""Out again, as safetensors: a folder that transformers opens, or our codes as they are.

    export_safetensors   floats: what the weights stand for, under the names and turned the way that
                         others know, with config.json and the tokenizer's files beside them
    export_packed        codes and scales: NAME/FIELD for each array of a leaf; any program that
                         knows safetensors shows them, `read_packed` makes the leaves again

The first shows any program what a quantized model computes, at the size of the float one; the
second is as small as the codes are.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np

from minilm.pretrained.load import Pretrained
from minilm.pretrained.safetensors import SINGLE, SafetensorsFile, write_safetensors
from minilm.pretrained.their_tensors import family_of, their_config, their_tensors
from minilm.pretrained.write_tokenizer import write_json, write_tokenizer
from minilm.types import Array, Params
from minilm.weights import HalfTensor, Weight, flatten, unflatten
from minilm.weights.files import index_text, parsed_index
from minilm.weights.half import to_bf16

PACKED = "minilm"  # the key of __metadata__ that says what leaves the arrays make


def export_safetensors(folder: str | os.PathLike[str], pretrained: Pretrained) -> None:
    """Write model.safetensors, config.json and the tokenizer's files into a folder, made if needed.

    Compressed weights are written as the floats that they stand for, F32; half-precision ones as
    they are, F16 or BF16. Where a leaf also rounds what multiplies it, other programs will not.
    Raises TypeError for a model or a tokenizer that others do not know, ValueError for parameters
    of other sizes than its configuration says, and as `minilm.weights.replacing`.
    """
    folder, model = Path(folder), pretrained.model
    tensors = their_tensors(model, arrays_of(pretrained.params))
    config = their_config(model)
    folder.mkdir(parents=True, exist_ok=True)
    if pretrained.tokenizer is not None:
        write_tokenizer(folder, pretrained.tokenizer)
    halves = {name: "BF16" for name, array in tensors.items() if array.dtype == np.uint16}
    write_safetensors(folder / SINGLE, tensors, {"format": "pt"}, dtypes=halves)
    write_json(folder / "config.json", config)
    if family_of(model) == "bert":
        write_pooling(folder, pretrained, model.width)


def arrays_of(params: Params) -> Params:
    """Each parameter as one array: floats; float16 for fp16; for bf16 uint16, its bits.

    Companions (`w:step`), which the model never reads, are left out.
    """
    return {name: array_of(w) for name, w in params.items() if ":" not in name}


def array_of(w: Any) -> Array:
    """A weight as one array."""
    if isinstance(w, HalfTensor):  # its floats are halves already: nothing is rounded again
        floats = w.dense()
        return floats.astype(np.float16) if w.kind == "fp16" else to_bf16(floats)
    dense: Array = w.dense() if isinstance(w, Weight) else w
    return dense


def write_pooling(folder: Path, pretrained: Pretrained, width: int) -> None:
    """How sentence-transformers makes one vector of a text's: 1_Pooling/config.json."""
    (folder / "1_Pooling").mkdir(exist_ok=True)
    is_first = pretrained.pooling == "first"
    write_json(folder / "1_Pooling" / "config.json", {
        "word_embedding_dimension": width,
        "pooling_mode_cls_token": is_first, "pooling_mode_mean_tokens": not is_first,
    })  # fmt: skip
    if pretrained.longest:
        longest = {"max_seq_length": pretrained.longest, "do_lower_case": False}
        write_json(folder / "sentence_bert_config.json", longest)


def export_packed(path: str | os.PathLike[str], params: Params) -> None:
    """Every array that the parameters hold, as it is, and in __metadata__ what they make.

    Names are those of `minilm.weights.flatten`. Raises as it does, TypeError for a dtype that the
    format lacks, and as `minilm.weights.replacing`.
    """
    arrays, kinds = flatten(params)
    write_safetensors(path, arrays, {PACKED: index_text(kinds, None).decode()})


def read_packed(path: str | os.PathLike[str]) -> Params:
    """The parameters that `export_packed` wrote, leaves and their order included.

    Arrays are views of the file, read-only. Raises FileNotFoundError, and ValueError naming the
    file for one that is damaged, is not of this kind, or whose codes or scales stand for no number.
    """
    file = SafetensorsFile(path)
    if PACKED not in file.metadata:
        raise ValueError(f"{os.fspath(path)} does not say what leaves its tensors make: "
                         f"__metadata__ lacks {PACKED!r}")  # fmt: skip
    try:
        kinds = parsed_index(file.metadata[PACKED].encode())["kinds"]
        params = unflatten(dict(file), kinds)
        for w in params.values():
            if isinstance(w, Weight):
                w.check()
    except (TypeError, KeyError, RecursionError, ValueError) as error:
        raise ValueError(f"{os.fspath(path)} cannot be read: {error}") from error
    return params
