"""generate: let a saved model write, answer or judge.

A language model goes on with the prompt. An encoder–decoder reads it and writes its answer; a
classifier reads it and says how likely each label is.
"""

import argparse
import sys
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from minilm.cli.options import add, chosen, whole_number
from minilm.compression.quantization.key_value_cache import QuantizedKeyValueCache
from minilm.generation import beam_search, decode_pieces, stream, with_cache
from minilm.generation.pieces import LONGEST
from minilm.models import (
    Conditioned,
    Seq2SeqTransformer,
    TransformerLanguageModel,
    parameter_names,
)
from minilm.pretrained.prompts import end_id, prompt_ids
from minilm.study.saved import saved_parameters
from minilm.study.settings import Settings
from minilm.study.subjects import saved_language_model, saved_task_subject
from minilm.study.tasks import AnswerSubject, LabelSubject
from minilm.text import Tokenizer
from minilm.types import Array, Params
from minilm.weights import nbytes, read_header, thaw

LENGTH, TEMPERATURE = 200, 0.8  # of what a language model writes, if not said otherwise
DRAWING = ("temperature", "top_k", "top_p")


def add_generate(commands: Any) -> None:
    command = add(commands, "generate", run_generate, "let a saved model write, answer or judge")
    command.add_argument("file")
    add_writing(
        command, prompt="what is gone on with, answered, or labelled",
        length="; of an answer, the longest it was trained on", temperature="; of an answer, 0",
    )  # fmt: skip


def add_writing(command: Any, *, prompt: str, length: str = "", temperature: str = "") -> None:
    """The options of how a text is written. prompt: what that one is; the others: further defaults.
    """
    command.add_argument("--prompt", required=True, help=prompt)
    command.add_argument("--length", type=int, help=f"tokens to add (default: {LENGTH}{length})")
    command.add_argument(
        "--temperature", type=float,
        help=f"0 takes the likeliest (default: {TEMPERATURE}{temperature})",
    )
    command.add_argument("--top-k", type=int, help="draw among the k likeliest tokens")
    command.add_argument("--top-p", type=float, help="draw among the likeliest with this mass")
    command.add_argument(
        "--beams", type=partial(whole_number, least=1),
        help="draw nothing: write the likeliest text that a search with so many beams finds",
    )
    command.add_argument(
        "--alpha", type=float, default=0.6, help="what beam search gives for length (default: 0.6)"
    )
    command.add_argument("--seed", type=whole_number, default=0)
    command.add_argument("--packed", action="store_true", help="keep weights packed: small, slower")
    command.add_argument(
        "--cache-bits", type=int, choices=range(1, 9),
        help="a Transformer's memory of what was read, rounded to so many bits (8 or 4, say)",
    )


def run_generate(arguments: argparse.Namespace) -> None:
    check_drawing(arguments)
    if "task" in read_header(arguments.file):
        subject = saved_task_subject(Settings(), Path(arguments.file))
        params = subject.trained()
        if isinstance(subject, LabelSubject):
            judge(subject, params, arguments)
        elif isinstance(subject, AnswerSubject):
            answer(subject, params, arguments)
    else:
        params = go_on(arguments)
    report_bytes(arguments, params)


def check_drawing(arguments: argparse.Namespace) -> None:
    """Refuse options of drawing beside those of a search."""
    drawn = chosen(arguments, DRAWING)
    if arguments.beams and drawn:
        raise ValueError(
            f"--beams: a search draws nothing, so leave out --{min(drawn).replace('_', '-')}"
        )


def report_bytes(arguments: argparse.Namespace, params: Params) -> None:
    used = params if arguments.packed else thaw(params)
    print(f"[parameters: {nbytes(params):,} bytes held, {nbytes(used):,} in use]", file=sys.stderr)


def go_on(arguments: argparse.Namespace) -> Params:
    """Let the language model of a file write; its parameters."""
    model, tokenizer = saved_language_model(Path(arguments.file))
    params = saved_parameters(arguments.file, parameter_names(model))
    write(arguments, model, tokenizer, params)
    return params


def write(
    arguments: argparse.Namespace, model: Any, tokenizer: Tokenizer, params: Params
) -> None:
    """Write the prompt and what a language model adds, piece by piece, up to the text's end."""
    prompt, end = prompt_ids(tokenizer, arguments.prompt), end_id(tokenizer)
    length = LENGTH if arguments.length is None else arguments.length
    ids = written(arguments, model, params, prompt, length, end=end, temperature=TEMPERATURE)
    print(arguments.prompt, end="", flush=True)
    try:
        # a model's table may have more rows than there are pieces: those are not written
        known = (i for i in ids if i != end and i < tokenizer.vocab_size)
        for piece in added_pieces(tokenizer, prompt, known):
            print(piece, end="", flush=True)
    finally:  # after an interrupt too, what was written is a line
        print()


def added_pieces(tokenizer: Tokenizer, prompt: Array, ids: Iterable[int]) -> Iterator[str]:
    """The text that new ids add to the prompt's: a piece may depend on what stands before it."""
    marks = tokenizer.special_ids.values()
    last = [i for i in prompt[-LONGEST:].tolist() if i not in marks]
    given = len(tokenizer.decode(last))  # characters that belong to the prompt
    for piece in decode_pieces(tokenizer, chain(last, ids)):
        if len(piece) > given:
            yield piece[given:]
        given = max(0, given - len(piece))


def answer(subject: AnswerSubject, params: Params, arguments: argparse.Namespace) -> None:
    """Write what an encoder–decoder answers to the prompt."""
    tokenizer = subject.tokenizer
    source = tokenizer.encode_source([arguments.prompt])
    length = subject.longest if arguments.length is None else arguments.length
    ids = written(
        arguments, subject.model, params, np.array([tokenizer.begin_id]), length,
        source=source, end=tokenizer.end_id, temperature=0.0,
    )  # fmt: skip
    print(tokenizer.decode([i for i in ids if i != tokenizer.end_id]))


def judge(subject: LabelSubject, params: Params, arguments: argparse.Namespace) -> None:
    """Write the labels, the likeliest first, and how likely each is."""
    if arguments.beams or arguments.cache_bits:
        raise ValueError("--beams, --cache-bits: a classifier writes nothing")
    for label, p in subject.probabilities(params, arguments.prompt).items():
        print(f"{p:.4f}  {label}")


def written(
    arguments: argparse.Namespace, model: Any, params: Params, prompt: Any, length: int, *,
    temperature: float, source: Any = None, end: int | None = None,
) -> Iterator[int]:  # fmt: skip
    """The ids after the prompt, as the options ask for them."""
    if arguments.cache_bits:
        if not isinstance(model, TransformerLanguageModel | Seq2SeqTransformer):
            raise ValueError(f"--cache-bits: {type(model).__name__} keeps no keys and values")
        model = with_cache(model, partial(QuantizedKeyValueCache, bits=arguments.cache_bits))
    if source is not None:
        model = Conditioned(model, source)
    how = {"end": end, "packed": arguments.packed}
    if arguments.beams:
        best, *_ = beam_search(
            model, params, prompt, length, beams=arguments.beams, alpha=arguments.alpha, **how
        )
        return iter(best.ids.tolist())
    drawing = {"temperature": temperature, **chosen(arguments, DRAWING)}
    return stream(
        model, params, prompt, length, rng=np.random.default_rng(arguments.seed), **drawing, **how
    )
