"""pretrained export: a pretrained model, quantized or not, as other programs open it.

    safetensors   a folder for transformers: floats that weights stand for, config.json, tokenizer
    packed        one .safetensors file with the codes and scales themselves
    gguf          one file for llama.cpp: blocks of 32 numbers, architecture, tokenizer
    llama2c       a Llama for llama2.c: floats, or int8 in groups
"""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from minilm.cli.options import add_of_pretrained, whole_number
from minilm.models import TransformerLanguageModel
from minilm.pretrained.export_gguf import KINDS, export_gguf
from minilm.pretrained.export_safetensors import export_packed, export_safetensors
from minilm.pretrained.load import Pretrained, load_pretrained
from minilm.pretrained.safetensors import SINGLE
from minilm.pretrained.write_llama2c import write_llama2c
from minilm.weights import check_target


def add_export(commands: Any) -> None:
    command = add_of_pretrained(
        commands, "export", run_export, "write a model as other programs open it"
    )
    command.add_argument(
        "--format", required=True, choices=FORMATS,
        help="safetensors: a folder for transformers, of floats; packed: codes and scales in one "
        ".safetensors file; gguf: a file for llama.cpp; llama2c: a .bin of a Llama",
    )
    command.add_argument(
        "--kind", choices=KINDS,
        help="with --format gguf: how matrices are kept (default: Q8_0, blocks of 8-bit codes)"
    )
    command.add_argument(
        "--group-size", type=partial(whole_number, least=1), metavar="N",
        help="with --format llama2c: int8 codes, one scale for so many (default: floats)",
    )
    command.add_argument("--out", required=True, help="the file; for safetensors the folder")


def run_export(arguments: argparse.Namespace) -> None:
    for option, only in (("kind", "gguf"), ("group_size", "llama2c")):
        if getattr(arguments, option) is not None and arguments.format != only:
            raise ValueError(f"--{option.replace('_', '-')}: goes with --format {only}, "
                             f"not with {arguments.format}")  # fmt: skip
    if arguments.format != "safetensors":
        check_target(arguments.out)
    FORMATS[arguments.format](load_pretrained(arguments.model), arguments)


def say_saved(path: Path, beside: str = "") -> None:
    print(f"saved {path}: {path.stat().st_size:,} bytes{beside}")


def as_safetensors(pretrained: Pretrained, arguments: argparse.Namespace) -> None:
    export_safetensors(arguments.out, pretrained)
    tokenizer = "" if pretrained.tokenizer is None else " and the tokenizer's files"
    say_saved(Path(arguments.out) / SINGLE, f", with config.json{tokenizer} beside it")


def as_packed(pretrained: Pretrained, arguments: argparse.Namespace) -> None:
    export_packed(arguments.out, pretrained.params)
    say_saved(Path(arguments.out))


def as_gguf(pretrained: Pretrained, arguments: argparse.Namespace) -> None:
    kind = arguments.kind or "Q8_0"
    errors = export_gguf(arguments.out, pretrained, kind=kind)
    worst = max(errors, key=errors.__getitem__)
    exact = sum(error == 0 for error in errors.values())
    print(f"{kind}: {exact} of {len(errors)} tensors exactly as they are; "
          f"largest error of a weight {errors[worst]:.3g}, in {worst}")  # fmt: skip
    say_saved(Path(arguments.out))


def as_llama2c(pretrained: Pretrained, arguments: argparse.Namespace) -> None:
    model = pretrained.model
    if not isinstance(model, TransformerLanguageModel):
        raise ValueError(f"--format llama2c: is for Llamas, not for a {type(model).__name__}")
    write_llama2c(arguments.out, model, pretrained.params, group_size=arguments.group_size)
    say_saved(Path(arguments.out))


FORMATS: dict[str, Callable[[Pretrained, argparse.Namespace], None]] = {
    "safetensors": as_safetensors,
    "packed": as_packed,
    "gguf": as_gguf,
    "llama2c": as_llama2c,
}
