"""pretrained: a real model by its installed name, from a folder or a file. Its commands:

    info        what it is made of               fill       what may stand in a [MASK]
    generate    let a language model write       quantize   fewer bits a weight, and what that costs
    embed       vectors of sentences             export     a file that other programs open
    rank        sentences most like another

The first two are here; embed, rank and fill in encoders.py; pretrained_quantize.py and
pretrained_export.py have the others.
"""

import argparse
from typing import Any

from minilm.cli.encoders import add_embed, add_fill, add_rank
from minilm.cli.options import add, add_of_pretrained
from minilm.cli.pretrained_export import add_export
from minilm.cli.pretrained_quantize import add_quantize
from minilm.cli.writing import add_writing, check_drawing, report_bytes, write
from minilm.models import (
    LSTMLanguageModel,
    MaskedLanguageModel,
    TransformerEncoder,
    TransformerLanguageModel,
)
from minilm.pretrained.load import Pretrained, load_pretrained
from minilm.pretrained.prompts import tokenizer_of
from minilm.weights import Weight, nbytes
from minilm.weights.protocol import weight_fields


def add_pretrained(commands: Any) -> None:
    what = "read, run, quantize and export real pretrained models"
    command = add(commands, "pretrained", lambda _: command.print_help(), what)
    parts = command.add_subparsers(title="commands", metavar="COMMAND")
    add_info(parts)
    add_embed(parts)
    add_rank(parts)
    add_fill(parts)
    add_generate(parts)
    add_quantize(parts)
    add_export(parts)


def add_info(commands: Any) -> None:
    command = add_of_pretrained(commands, "info", run_info, "what a model is made of")
    command.add_argument(
        "--tensors", action="store_true", help="list every parameter: shape, bytes, bits a weight"
    )


def run_info(arguments: argparse.Namespace) -> None:
    pretrained = load_pretrained(arguments.model)
    lines = about(pretrained)
    width = max(map(len, lines))
    for name, value in lines.items():
        print(f"{name:>{width}}  {value}")
    if arguments.tensors:
        print_tensors(pretrained.params)


def about(pretrained: Pretrained) -> dict[str, str]:
    """What a person would ask of a model, by name: its configuration, size, tokenizer and so on."""
    model, params, tokenizer = pretrained.model, pretrained.params, pretrained.tokenizer
    config = {name: value for name, value in model.config().items() if value is not None}
    count = sum(weight.size for weight in params.values())
    lines = {"source": pretrained.source}
    for name, value in config.items():
        lines[name.replace("_", " ")] = f"{value:,}" if type(value) is int else str(value)
    lines["parameters"] = f"{count:,}"
    lines["bytes"] = f"{nbytes(params):,}  ({8 * nbytes(params) / count:.2f} bits a parameter)"
    lines["tokenizer"] = "none"
    if tokenizer is not None:
        lines["tokenizer"] = f"{type(tokenizer).__name__}, {tokenizer.vocab_size:,} pieces"
    if isinstance(model, TransformerEncoder | MaskedLanguageModel):
        lines["vector of a text"] = f"{pretrained.pooling} of at most {pretrained.longest:,} tokens"
    lines["not used of the file"] = ", ".join(pretrained.unused) or "nothing"
    return lines


def print_tensors(params: dict[str, Any]) -> None:
    """A line a parameter: its name, shape, bytes, true bits a weight, and how it is kept."""
    rows = [("parameter", "shape", "bytes", "bits", "kept as")]
    for name, w in params.items():
        shape = " × ".join(map(str, w.shape))
        rows.append((name, shape, f"{w.nbytes:,}", f"{8 * w.nbytes / w.size:.2f}", kept_as(w)))
    a, b, c, d, _ = (max(map(len, column)) for column in zip(*rows, strict=True))
    print()
    for name, shape, size, bits, kept in rows:
        print(f"{name:<{a}}  {shape:>{b}}  {size:>{c}}  {bits:>{d}}  {kept}")


def kept_as(weight: Any) -> str:
    """An array's type, or a leaf's name with those of the leaves it is made of."""
    if not isinstance(weight, Weight):
        return str(weight.dtype)
    parts = [kept_as(part) for _, part in weight_fields(weight) if isinstance(part, Weight)]
    return type(weight).__name__ + (f" of {' and '.join(parts)}" if parts else "")


def add_generate(commands: Any) -> None:
    command = add_of_pretrained(commands, "generate", run_generate, "let a language model write")
    add_writing(command, prompt="the text's beginning, which the model goes on with; may be empty")


def run_generate(arguments: argparse.Namespace) -> None:
    check_drawing(arguments)
    pretrained = load_pretrained(arguments.model)
    if not isinstance(pretrained.model, LSTMLanguageModel | TransformerLanguageModel):
        raise ValueError(
            f"{arguments.model} is a {type(pretrained.model).__name__}, which reads text and "
            "writes none; those of GPT-2's and Llama's kinds write"
        )
    write(arguments, pretrained.model, tokenizer_of(pretrained), pretrained.params)
    report_bytes(arguments, pretrained.params)
