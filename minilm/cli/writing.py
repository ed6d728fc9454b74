"""generate: let a saved model write, answer or judge.

A language model goes on with the prompt. An encoder–decoder reads it and writes its answer; a
classifier reads it and says how likely each label is.
"""

import argparse
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from minilm.cli.options import add, chosen, whole_number
from minilm.compression.quantization.key_value_cache import QuantizedKeyValueCache
from minilm.generation import beam_search, decode_pieces, stream, with_cache
from minilm.models import Conditioned, Seq2SeqTransformer, TransformerLanguageModel
from minilm.study.saved import saved_parameters
from minilm.study.settings import Settings
from minilm.study.subjects import saved_language_model, saved_task_subject
from minilm.study.tasks import AnswerSubject, LabelSubject
from minilm.types import Params
from minilm.weights import nbytes, read_header, thaw

LENGTH, TEMPERATURE = 200, 0.8  # of what a language model writes, if not said otherwise
DRAWING = ("temperature", "top_k", "top_p")


def add_generate(commands: Any) -> None:
    command = add(commands, "generate", run_generate, "let a saved model write, answer or judge")
    command.add_argument("file")
    command.add_argument(
        "--prompt", required=True, help="what is gone on with, answered, or labelled"
    )
    command.add_argument(
        "--length", type=int,
        help=f"tokens to add (default: {LENGTH}; of an answer, the longest it was trained on)",
    )
    command.add_argument(
        "--temperature", type=float,
        help=f"0 takes the likeliest (default: {TEMPERATURE}; of an answer, 0)",
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
    drawn = chosen(arguments, DRAWING)
    if arguments.beams and drawn:
        raise ValueError(
            f"--beams: a search draws nothing, so leave out --{min(drawn).replace('_', '-')}"
        )
    if "task" in read_header(arguments.file):
        subject = saved_task_subject(Settings(), Path(arguments.file))
        params = subject.trained()
        if isinstance(subject, LabelSubject):
            judge(subject, params, arguments)
        elif isinstance(subject, AnswerSubject):
            answer(subject, params, arguments)
    else:
        params = go_on(arguments)
    used = params if arguments.packed else thaw(params)
    print(f"[parameters: {nbytes(params):,} bytes held, {nbytes(used):,} in use]", file=sys.stderr)


def go_on(arguments: argparse.Namespace) -> Params:
    """Write the prompt and what a language model adds, piece by piece; its parameters."""
    model, tokenizer = saved_language_model(Path(arguments.file))
    params = saved_parameters(arguments.file, model.init(0))
    prompt = tokenizer.encode(arguments.prompt)
    length = LENGTH if arguments.length is None else arguments.length
    ids = written(arguments, model, params, prompt, length, temperature=TEMPERATURE)
    print(arguments.prompt, end="", flush=True)
    try:
        for piece in decode_pieces(tokenizer, ids):
            print(piece, end="", flush=True)
    finally:  # after an interrupt too, what was written is a line
        print()
    return params


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
