"""nanoGPT's recipe for a CPU, trained to the end in minilm and in torch.

4 layers, 4 heads, width 128, windows of 64 characters, 12 of them a step, 2000 steps. AdamW with
β = (0.9, 0.99), the learning rate up to 1e-3 in 100 steps and down a cosine to 1e-4, a weight decay
of 0.1 on matrices and tables, gradients no longer than 1, no dropout. The first nine tenths of a
text are learned, the rest judges: the mean loss over all of it, in windows side by side.

Each library makes its network its own way (`benchmarks/nanogpt.py` says what torch's does
otherwise). So that nobody takes the difference for one of libraries, torch also trains minilm's
network from minilm's own first weights. All read the same windows in the same order. Runs take
turns, one thread and one process each; recipe.csv keeps the loss and the clock every 50 steps,
recipe.svg shows them. About twenty minutes for three seeds.

    python -m benchmarks recipe [--text FILE] [--seeds 3]    FILE: UTF-8; default: python-docs
"""

import argparse
import os
import platform
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from benchmarks import gpt, nanogpt, recipe_report
from benchmarks.recipe_report import Row
from benchmarks.training import BETAS, CLIP_NORM, LEARNING_RATE, WEIGHT_DECAY
from minilm import TransformerLanguageModel, fit
from minilm.nn import IGNORED, cross_entropy
from minilm.text import CharTokenizer, load_corpus, split, windows
from minilm.training import AdamW, warmup_cosine
from minilm.types import Array, Batch

SHAPE = {"width": 128, "layers": 4, "heads": 4, "context": 64}
BATCH_SIZE, STEPS, WARMUP = 12, 2000, 100
EVERY = 50  # steps for one row of recipe.csv
SCHEDULE = warmup_cosine(LEARNING_RATE, warmup=WARMUP, steps=STEPS)

Answer = Callable[[Array], Array]  # ids (B, T) -> logits (B, T, V)


def run(library: str, text: str, seed: int) -> list[Row]:
    """One run with one thread: its rows, the validation loss in the last."""
    torch.set_num_threads(1)
    tokenizer = CharTokenizer.train(text)
    learned, held_out, _ = split(tokenizer.encode(text))
    draw = windows(learned, BATCH_SIZE, SHAPE["context"], seed)
    clock = np.zeros(STEPS + 1)

    def batches(step: int) -> Batch:
        clock[step] = perf_counter()
        return draw(step)

    with threadpool_limits(1):
        losses, answer = LIBRARIES[library](tokenizer.vocab_size, batches, seed)
        clock[STEPS] = perf_counter()
        validation = validation_loss(answer, held_out)
    about = {"library": library, "seed": str(seed), "characters": str(len(text))}
    machine = {
        "cores": str(os.cpu_count()), "python": platform.python_version(),
        **{name: version(name) for name in ("numpy", "torch")},
    }  # fmt: skip
    return [
        {
            **about, "step": str(end), "seconds": f"{clock[end] - clock[0]:.2f}",
            "training_loss": f"{np.mean(losses[end - EVERY : end]):.4f}",
            "validation_loss": f"{validation:.4f}" if end == STEPS else "", **machine,
        }
        for end in range(EVERY, STEPS + 1, EVERY)
    ]  # fmt: skip


def with_minilm(
    vocab_size: int, batches: Callable[[int], Batch], seed: int
) -> tuple[list[float], Answer]:
    """The loss before each step, and the trained model."""
    model = TransformerLanguageModel(vocab_size, **SHAPE)
    params, history = fit(
        model, model.init(seed), batches, steps=STEPS, schedule=SCHEDULE, clip_norm=CLIP_NORM,
        optimizer=AdamW(*BETAS, weight_decay=WEIGHT_DECAY),
    )  # fmt: skip
    return [entry["loss"] for entry in history], lambda ids: model.forward(params, ids)[0]


def with_torch(
    vocab_size: int, batches: Callable[[int], Batch], seed: int
) -> tuple[list[float], Answer]:
    """The same for a network with nanoGPT's choices."""
    torch.manual_seed(seed)
    model = nanogpt.NanoGPT(vocab_size, **SHAPE)
    return nanogpt.train(model, batches, SCHEDULE, STEPS), partial(nanogpt.logits, model)


def with_torch_as_minilm(
    vocab_size: int, batches: Callable[[int], Batch], seed: int
) -> tuple[list[float], Answer]:
    """The same for minilm's network, beginning with minilm's numbers."""
    params = TransformerLanguageModel(vocab_size, **SHAPE).init(seed)
    model = gpt.TorchGPT(vocab_size=vocab_size, **SHAPE)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            given = torch.from_numpy(params[minilm_name(name)])
            parameter.copy_(given.T if name.startswith("blocks.") and given.ndim == 2 else given)
    return nanogpt.train(model, batches, SCHEDULE, STEPS), partial(nanogpt.logits, model)


def minilm_name(name: str) -> str:
    """blocks.0.qkv.weight -> block.0.attention.w_qkv, norm.weight -> norm.gain, …"""
    *path, part, kind = name.split(".")
    if part == "table":
        return "token_embedding"
    prefix = "".join(f"{p}." for p in path).replace("blocks", "block")
    if part.startswith("norm"):
        return f"{prefix}{part}.{'gain' if kind == 'weight' else 'bias'}"
    step = "attention" if part in ("qkv", "out") else "feed_forward"
    return f"{prefix}{step}.{kind[0]}_{part}"


LIBRARIES = {
    "minilm": with_minilm,
    "torch": with_torch,
    "torch, begun as minilm": with_torch_as_minilm,
}


def validation_loss(answer: Answer, tokens: Array, batch_size: int = 64) -> float:
    """Mean over tokens[1:] of −log p, in nats, each seen once in windows that do not overlap."""
    scored, length = len(tokens) - 1, SHAPE["context"]
    padding = (0, -scored % length)  # the last window's end is not counted
    inputs = np.pad(tokens[:-1], padding).reshape(-1, length)
    targets = np.pad(tokens[1:], padding, constant_values=IGNORED).reshape(-1, length)
    total = 0.0
    for start in range(0, len(inputs), batch_size):
        some = targets[start : start + batch_size]
        mean, _ = cross_entropy(answer(inputs[start : start + batch_size]), some)
        total += mean * np.count_nonzero(some != IGNORED)
    return total / scored


def main(arguments: list[str]) -> None:
    """Train with each library in turn for each seed, then write recipe.csv and recipe.svg."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks recipe")
    parser.add_argument("--text", default="python-docs", help="a corpus's name or a UTF-8 file")
    parser.add_argument("--seeds", type=int, default=3, help="runs of each library")
    options = parser.parse_args(arguments)
    text = load_corpus(options.text)
    rows: list[Row] = []
    for seed in range(options.seeds):
        for library in LIBRARIES:
            # A process each: the memory that one leaves kept changes the next.
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
                rows += process.submit(run, library, text, seed).result()
            seconds, loss = (rows[-1][name] for name in ("seconds", "validation_loss"))
            print(f"{library:>8}, seed {seed}: {seconds} s, validation loss {loss}", flush=True)
    for row in rows:
        row["text"] = Path(options.text).name
    recipe_report.save(rows)
    print("\n" + recipe_report.summary(rows), end="")
