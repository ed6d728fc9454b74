"""pretrained embed, rank, fill: what an encoder makes of sentences."""

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from minilm.cli.options import add_of_pretrained, whole_number
from minilm.pretrained.load import Pretrained, load_pretrained
from minilm.pretrained.masked import predict_masked
from minilm.pretrained.sentences import cut_texts, rank, sentence_embeddings
from minilm.text.tokenizers.text_files import read_text
from minilm.weights import check_target, replacing

SHOWN = 6  # numbers of a vector that are printed
at_least_one = partial(whole_number, least=1)


def add_texts(command: Any) -> None:
    # "*" would be content with no text before an option, and then refuse those after it
    texts = command.add_argument(
        "texts", nargs="+", metavar="TEXT", default=[], help="one or more, or --file"
    )
    texts.required = False  # a file may hold them
    command.add_argument("--file", metavar="LINES", help="a file with a text on each line")


def texts_of(arguments: argparse.Namespace) -> list[str]:
    """The texts that were typed, or the lines of the file."""
    if (arguments.file is None) == (not arguments.texts):
        raise ValueError("give texts on the command line or a --file of them: one of the two")
    if arguments.file is None:
        return arguments.texts
    lines = [line.strip() for line in read_text(Path(arguments.file)).split("\n")]
    texts = [line for line in lines if line]
    if not texts:
        raise ValueError(f"--file {arguments.file}: has no line with a text")
    return texts


def say_what_was_cut(pretrained: Pretrained, texts: list[str]) -> None:
    """A line to stderr if the model could not read all of a text."""
    cut = len(cut_texts(pretrained, texts))
    if cut:
        print(f"[{cut} of {len(texts)} texts cut to their first {pretrained.longest} tokens, the "
              "most that this model reads]", file=sys.stderr)  # fmt: skip


def add_embed(commands: Any) -> None:
    command = add_of_pretrained(commands, "embed", run_embed, "a vector for each text")
    add_texts(command)
    command.add_argument(
        "--out", metavar="NPY", help="write the vectors as .npy, (texts, width) float32"
    )


def run_embed(arguments: argparse.Namespace) -> None:
    texts = texts_of(arguments)
    if arguments.out:
        check_target(arguments.out)
    pretrained = load_pretrained(arguments.model)
    vectors = sentence_embeddings(pretrained, texts)
    say_what_was_cut(pretrained, texts)
    if arguments.out:
        with replacing(arguments.out) as file:
            np.save(file, vectors)
        print(f"saved {arguments.out}: {len(vectors):,} vectors of {vectors.shape[1]:,} numbers, "
              f"{Path(arguments.out).stat().st_size:,} bytes")  # fmt: skip
        return
    for text, vector in zip(texts, vectors, strict=True):
        print(" ".join(f"{x:8.4f}" for x in vector[:SHOWN]) + f" …  {text}")
    print(f"[the first {SHOWN} of {vectors.shape[1]} numbers; --out vectors.npy writes all]",
          file=sys.stderr)  # fmt: skip


def add_rank(commands: Any) -> None:
    command = add_of_pretrained(commands, "rank", run_rank, "texts, most like a query first")
    command.add_argument("--query", required=True, metavar="TEXT", help="what they are to be like")
    add_texts(command)
    command.add_argument(
        "--top", type=at_least_one, metavar="K", help="only the K most similar (default: all)"
    )


def run_rank(arguments: argparse.Namespace) -> None:
    texts = texts_of(arguments)
    pretrained = load_pretrained(arguments.model)
    ranked = rank(pretrained, arguments.query, texts, arguments.top)
    say_what_was_cut(pretrained, [arguments.query, *texts])
    print("similarity  text")
    for cosine, i in ranked:
        print(f"{cosine:10.4f}  {texts[i]}")


def add_fill(commands: Any) -> None:
    command = add_of_pretrained(commands, "fill", run_fill, "what may stand where [MASK] stands")
    command.add_argument("text", metavar="TEXT", help="with [MASK] in it, once or more")
    command.add_argument("--top", type=at_least_one, metavar="K", default=5,
                         help="so many tokens for each gap (default: 5)")  # fmt: skip


def run_fill(arguments: argparse.Namespace) -> None:
    found = predict_masked(load_pretrained(arguments.model), arguments.text, arguments.top)
    for number, tokens in enumerate(found, 1):
        which = f" (the {number}. [MASK])" if len(found) > 1 else ""
        print(f"probability  token{which}")
        for token, probability in tokens:
            print(f"{probability:11.4f}  {token}")
