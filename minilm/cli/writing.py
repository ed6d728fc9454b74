"""generate: let a saved model write."""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

from minilm.cli.options import add, whole_number
from minilm.generation import decode_pieces, stream
from minilm.study.saved import saved_parameters
from minilm.study.subjects import saved_language_model
from minilm.weights import nbytes, thaw


def add_generate(commands: Any) -> None:
    command = add(commands, "generate", run_generate, "let a saved language model write")
    command.add_argument("file")
    command.add_argument("--prompt", required=True)
    command.add_argument("--length", type=int, default=200, help="tokens to add")
    command.add_argument("--temperature", type=float, default=0.8, help="0 takes the likeliest")
    command.add_argument("--top-k", type=int, help="draw among the k likeliest tokens")
    command.add_argument("--top-p", type=float, help="draw among the likeliest with this mass")
    command.add_argument("--seed", type=whole_number, default=0)
    command.add_argument("--packed", action="store_true", help="keep weights packed: small, slower")


def run_generate(arguments: argparse.Namespace) -> None:
    model, tokenizer = saved_language_model(Path(arguments.file))
    params = saved_parameters(arguments.file, model.init(0))
    prompt = tokenizer.encode(arguments.prompt)
    ids = stream(
        model, params, prompt, arguments.length, packed=arguments.packed,
        temperature=arguments.temperature, top_k=arguments.top_k, top_p=arguments.top_p,
        rng=np.random.default_rng(arguments.seed),
    )  # fmt: skip
    print(arguments.prompt, end="", flush=True)
    try:
        for piece in decode_pieces(tokenizer, ids):
            print(piece, end="", flush=True)
    finally:  # after an interrupt too, what was written is a line
        print()
    used = params if arguments.packed else thaw(params)
    print(f"[parameters: {nbytes(params):,} bytes held, {nbytes(used):,} in use]", file=sys.stderr)
