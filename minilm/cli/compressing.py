"""quantize, prune: load a saved model, make it smaller, save it under another name."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from minilm import compression
from minilm.cli.options import add, whole_number
from minilm.compression.pruning import SCOPES, SCORES
from minilm.study.measure import compressed_size, weight_sqnr
from minilm.study.saved import saved_parameters
from minilm.weights import read_header, save

# scores that are read off the weights alone: a file holds no data to calibrate with
NEED_NOTHING = tuple(name for name, score in SCORES.items() if not score.needs)


def add_quantize(commands: Any) -> None:
    command = add(commands, "quantize", run_quantize, "round a saved model's weights to few bits")
    command.add_argument("file")
    command.add_argument("--bits", type=int, default=8, choices=range(1, 9))
    command.add_argument("--asymmetric", action="store_true", help="with a zero point")
    command.add_argument("--axis", choices=("tensor",), help="one scale a tensor, not a channel")
    command.add_argument("--group-size", type=int, help="one scale for so many inputs of a channel")
    command.add_argument("--grid", choices=("int", "lloyd_max"), default="int")
    command.add_argument("--objective", choices=("absmax", "percentile", "mse"), default="absmax")
    command.add_argument("--out", required=True)


def run_quantize(arguments: argparse.Namespace) -> None:
    how = {
        "symmetric": not arguments.asymmetric, "axis": arguments.axis,
        "group_size": arguments.group_size, "grid": arguments.grid,
        "objective": arguments.objective,
    }
    compress(arguments, lambda params: compression.quantize(params, arguments.bits, **how))


def add_prune(commands: Any) -> None:
    command = add(commands, "prune", run_prune, "set a saved model's smallest weights to zero")
    command.add_argument("file")
    command.add_argument("--sparsity", type=float, help="share of weights to remove, 0 to 1")
    command.add_argument("--threshold", type=float, help="instead: remove below this magnitude")
    command.add_argument("--structure", default="element",
                         help="element, row, column, or n:m: 2:4 keeps 2 of 4 inputs")
    command.add_argument("--scope", choices=tuple(SCOPES), default="local")
    command.add_argument("--score", choices=NEED_NOTHING, default="magnitude")
    command.add_argument("--seed", type=whole_number, default=0, help="of random scores")
    command.add_argument("--out", required=True)


def run_prune(arguments: argparse.Namespace) -> None:
    how = {"threshold": arguments.threshold, "structure": arguments.structure,
           "scope": arguments.scope, "score": arguments.score, "seed": arguments.seed}
    compress(arguments, lambda params: compression.prune(params, arguments.sparsity, **how))


def compress(arguments: argparse.Namespace, change: Callable[[Any], Any]) -> None:
    """Load, change, save under another name, and say what became smaller and by how much."""
    params = saved_parameters(arguments.file)
    changed = change(params)
    save(arguments.out, changed, header=read_header(arguments.file))
    before, after = compressed_size(params), compressed_size(changed)
    whole, small = (Path(file).stat().st_size for file in (arguments.file, arguments.out))
    print(f"{'file':>20}  {whole:,} -> {small:,} bytes ({small / whole:.3f})")
    print(f"{'bits per weight':>20}  {before['bits_per_weight']:.3f} -> "
          f"{after['bits_per_weight']:.3f}")
    sqnr = weight_sqnr(params, changed)
    print(f"{'weight SQNR':>20}  {'exact' if sqnr is None else f'{sqnr:.2f} dB'}")
    print(f"saved {arguments.out}; what it costs: python -m minilm evaluate {arguments.out}")
