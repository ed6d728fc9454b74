"""pretrained quantize: a pretrained model as a file of fewer bytes, and what that costs."""

import argparse
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from minilm import compression
from minilm.cli.options import add_of_pretrained, whole_number
from minilm.compression import METHODS, calibrate, quantize_activations
from minilm.metrics import perplexity
from minilm.models import LSTMLanguageModel, TransformerLanguageModel
from minilm.pretrained.calibration import natural_sentences, sentence_batches, window_batches
from minilm.pretrained.load import Pretrained, load_pretrained, save_pretrained
from minilm.pretrained.sentences import sentence_embeddings, unpacked_maps
from minilm.text import CORPORA, load_corpus
from minilm.training import evaluate
from minilm.types import Params
from minilm.weights import Weight, check_target, nbytes

SENTENCES = 400  # half to calibrate with, half to compare on
WINDOWS = 32  # of a language model's calibration text
SCORED = 2000  # tokens that a language model is compared on
BITS = (*range(1, 9), 16)


def add_quantize(commands: Any) -> None:
    command = add_of_pretrained(
        commands, "quantize", run_quantize, "round a model's weights to few bits and save it"
    )
    command.add_argument("--bits", type=int, default=8, choices=BITS, help="of a code (default: 8)")
    command.add_argument(
        "--group-size", type=partial(whole_number, least=1), metavar="N",
        help="one scale for so many inputs of a channel (default: the method's)",
    )
    command.add_argument(
        "--method", choices=METHODS, default="round to nearest", metavar="NAME",
        help=f"one of: {'; '.join(METHODS)} (default: round to nearest)",
    )
    command.add_argument(
        "--activations", type=int, choices=range(2, 9), metavar="BITS",
        help="round what multiplies each weight, too, to 2 … 8 bits (8, say); generate does so "
        "with --packed",
    )
    command.add_argument(
        "--calibration", default="python-docs", metavar="TEXT",
        help=f"{', '.join(CORPORA)}, or a file of prose or of lines \"label, tab, sentence\": of "
        "the kind that the model will read: half of it to calibrate with, half to measure on "
        "(default: python-docs)",
    )
    command.add_argument("--out", required=True, help="the file, .npz")


def run_quantize(arguments: argparse.Namespace) -> None:
    check_target(arguments.out)
    method = METHODS[arguments.method]
    if arguments.bits not in method.bits:
        there_are = ", ".join(map(str, method.bits))
        raise ValueError(
            f"--bits: with {arguments.method} it can be {there_are}, got {arguments.bits}"
        )
    how = method.arguments
    if arguments.group_size:
        how["group_size"] = arguments.group_size
    pretrained = load_pretrained(arguments.model)
    if any(isinstance(weight, Weight) for weight in pretrained.params.values()):
        raise ValueError(f"{arguments.model} is compressed already: quantize the float model")
    halves = Halves(pretrained, load_corpus(arguments.calibration))
    if method.needs:
        how["calibration"] = calibrate(pretrained.model, pretrained.params, halves.batches())
    params = compression.quantize(pretrained.params, arguments.bits, **how)
    if arguments.activations:
        params = quantize_activations(params, arguments.activations)
    smaller = replace(pretrained, params=params)
    save_pretrained(arguments.out, smaller)
    print_sizes(pretrained.params, params, Path(arguments.out))
    halves.compare(smaller)
    print(f"saved {arguments.out}, which the other commands open: "
          f"python -m minilm pretrained info {arguments.out}")  # fmt: skip


def print_sizes(before: Params, after: Params, file: Path) -> None:
    count = sum(weight.size for weight in before.values())
    held = [nbytes(params) for params in (before, after)]
    print(f"{'in memory':>16}  {held[0]:,} -> {held[1]:,} bytes ({held[0] / held[1]:.1f} × less)")
    print(f"{'bits a weight':>16}  {8 * held[0] / count:.2f} -> {8 * held[1] / count:.2f}")
    print(f"{'file':>16}  {file.stat().st_size:,} bytes")


class Halves:
    """A text in two halves: one to calibrate a model with, one to compare it on.

    Sentences go to one and the other by turns, for a file may have one topic after another; what a
    language model reads is cut in the middle. Both halves are of one kind: text of another kind
    loses more by a method that calibrates.
    """

    def __init__(self, pretrained: Pretrained, text: str) -> None:
        """Raises ValueError for a text that is too short to be halved."""
        self.pretrained = pretrained
        self.writes = isinstance(pretrained.model, LSTMLanguageModel | TransformerLanguageModel)
        self.text, scored = text[: len(text) // 2], text[len(text) // 2 :]
        if not self.writes:
            self.sentences = natural_sentences(text, SENTENCES)
        elif pretrained.tokenizer is not None:
            self.ids = pretrained.tokenizer.encode(scored)
            if not self.text or len(self.ids) < 2:  # the second is predicted from the first
                raise ValueError("--calibration: each half of the text must have some tokens, "
                                 f"got {text!r}")  # fmt: skip

    def batches(self) -> list[Any]:
        """What the model reads to be calibrated."""
        if self.writes:
            return window_batches(self.pretrained, self.text, WINDOWS)
        return sentence_batches(self.pretrained, self.sentences[::2])

    def compare(self, smaller: Pretrained) -> None:
        """Print how near the smaller model comes, on the other half."""
        if self.pretrained.tokenizer is None:
            print(f"{'compared':>16}  not at all: without a tokenizer it reads no text")
        elif self.writes:
            before, after = (
                perplexity(evaluate(model.model, unpacked_maps(model.params), self.ids,
                                    limit=SCORED, batch_size=4))
                for model in (self.pretrained, smaller)
            )  # fmt: skip
            print(f"{'perplexity':>16}  {before:.3f} -> {after:.3f} "
                  f"(on {min(SCORED, len(self.ids) - 1):,} tokens)")  # fmt: skip
        else:
            texts = self.sentences[1::2]
            vectors = [sentence_embeddings(model, texts) for model in (self.pretrained, smaller)]
            cosines = np.sum(vectors[0] * vectors[1], axis=1)
            print(f"{'cosine':>16}  mean {cosines.mean():.5f}, least {cosines.min():.5f} "
                  f"(between float and quantized vectors of {len(texts)} sentences)")  # fmt: skip
