"""python -m minilm …: the main job, and each of its steps by hand on saved files."""

import argparse
import math
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from minilm import compression, study
from minilm.generation import decode_pieces, stream
from minilm.study.measure import compressed_size, weight_sqnr
from minilm.study.saved import saved_parameters
from minilm.study.subjects import Subject, new_subject, saved_language_model, saved_subject
from minilm.text import load_corpus
from minilm.types import Params
from minilm.weights import check_target, nbytes, read_header, save, thaw

MODELS = {"lstm": "LSTM", "transformer": "Transformer", "word2vec": "word2vec"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Exit status: 0; 2 for a bad command line; 1 for bad input or a failed write.

    An error that the person at the keyboard can mend is one line, without a traceback.
    """
    arguments = parser().parse_args(argv)
    try:
        arguments.run(arguments)
    except (ValueError, TypeError, OSError, FloatingPointError, BrokenExecutor) as error:
        print(f"minilm {arguments.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        goes_on = "; it goes on where it stopped when called again"
        more = goes_on if arguments.command == "study" else ""
        print(f"\nminilm {arguments.command}: interrupted{more}", file=sys.stderr)
        return 130
    return 0


def run_study(arguments: argparse.Namespace) -> None:
    settings = study.thorough() if arguments.thorough else study.default()
    name = arguments.name or default_name(arguments)
    if Path(name).name != name or name == "..":
        raise ValueError(f"--name must be the name of a folder, without a slash, got {name!r}")
    folder = Path("runs") / name
    study.run_study(replace(settings, corpus=arguments.corpus), folder, workers=arguments.workers)
    print(f"{folder / 'report.html'}: the figures, and what the numbers say")
    print(f"{folder / 'results.csv'}: every measurement")


def default_name(arguments: argparse.Namespace) -> str:
    return Path(arguments.corpus).stem + ("-thorough" if arguments.thorough else "")


def run_train(arguments: argparse.Namespace) -> None:
    name = MODELS[arguments.model]
    settings = replace(study.default(), corpus=arguments.corpus)
    settings = settings.changed(name, chosen(arguments, RECIPE_OPTIONS))
    out = Path(arguments.out)
    check_target(out)
    text = load_corpus(arguments.corpus)
    subject = new_subject(settings, name, text, out, arguments.seed, progress=True)
    subject.check()
    report(subject, subject.train())
    print(f"saved {out}")


def run_evaluate(arguments: argparse.Namespace) -> None:
    subject = saved_subject(study.default(), Path(arguments.file), arguments.corpus)
    report(subject, subject.trained())


def report(subject: Subject, params: Params) -> None:
    """Print what a study would measure, one line a measurement."""
    measured = {**subject.judge(params, params), **compressed_size(params)}
    for name, value in measured.items():
        print(f"{name:>20}  {value:.4f}" if isinstance(value, float) else f"{name:>20}  {value}")


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


def run_quantize(arguments: argparse.Namespace) -> None:
    how = {
        "symmetric": not arguments.asymmetric, "axis": arguments.axis,
        "group_size": arguments.group_size, "grid": arguments.grid,
        "objective": arguments.objective,
    }
    compress(arguments, lambda params: compression.quantize(params, arguments.bits, **how))


def run_prune(arguments: argparse.Namespace) -> None:
    how = {"threshold": arguments.threshold, "structure": arguments.structure,
           "scope": arguments.scope}
    compress(arguments, lambda params: compression.prune(params, arguments.sparsity, **how))


def compress(arguments: argparse.Namespace, change: Callable[[Any], Any]) -> None:
    """Load, change, save under another name, and say what became smaller and by how much."""
    params = saved_parameters(arguments.file)
    changed = change(params)
    save(arguments.out, changed, header=read_header(arguments.file))
    before, after = compressed_size(params), compressed_size(changed)
    print(f"{'file':>20}  {before['file_bytes']:,} -> {after['file_bytes']:,} bytes "
          f"({after['file_bytes'] / before['file_bytes']:.3f})")
    print(f"{'bits per weight':>20}  {before['bits_per_weight']:.3f} -> "
          f"{after['bits_per_weight']:.3f}")
    sqnr = weight_sqnr(params, changed)
    print(f"{'weight SQNR':>20}  {'exact' if sqnr is None else f'{sqnr:.2f} dB'}")
    print(f"saved {arguments.out}; what it costs: python -m minilm evaluate {arguments.out}")


def run_distill(arguments: argparse.Namespace) -> None:
    check_target(arguments.out)
    settings = replace(study.default(), **chosen(arguments, ("temperature", "alpha")))
    teacher = saved_subject(settings, Path(arguments.file), arguments.corpus, progress=True)
    student, params = teacher.student(teacher.trained())
    student.keep(params, Path(arguments.out))
    report(student, params)
    print(f"saved {arguments.out}")


def whole_number(text: str, least: int = 0) -> int:
    """An option's value as argparse reads it; a seed below 0 is none."""
    if int(text) < least:
        raise argparse.ArgumentTypeError(f"must be {least} or more, got {text}")
    return int(text)


def positive_number(text: str) -> float:
    if not 0 < float(text) < math.inf:
        raise argparse.ArgumentTypeError(f"must be a positive number, got {text}")
    return float(text)


def chosen(arguments: argparse.Namespace, names: Sequence[str]) -> dict[str, Any]:
    """The options that were given; an option left out keeps its default."""
    options = {name: getattr(arguments, name) for name in names}
    return {name: value for name, value in options.items() if value is not None}


EXAMPLES = {
    "study": "python -m minilm study --corpus grammar --name first",
    "train": "python -m minilm train lstm --corpus python-docs --steps 300 --out lstm.npz",
    "evaluate": "python -m minilm evaluate lstm.npz",
    "generate": 'python -m minilm generate lstm.npz --prompt "The " --length 200',
    "quantize": "python -m minilm quantize lstm.npz --bits 4 --group-size 64 --out lstm-4.npz",
    "prune": "python -m minilm prune lstm.npz --sparsity 0.5 --out lstm-half.npz",
    "distill": "python -m minilm distill lstm.npz --out student.npz",
}
RECIPE_OPTIONS = ("width", "layers", "heads", "context", "steps", "batch_size", "learning_rate")
STUDENT_OPTIONS = ("steps", "batch_size", "learning_rate")  # word2vec itself is trained by epochs


def parser() -> argparse.ArgumentParser:
    """The commands and their options; each one's --help shows an example that runs."""
    top = argparse.ArgumentParser(
        prog="python -m minilm",
        description="Small language models and their compression, in NumPy that can be read.",
    )
    commands = top.add_subparsers(dest="command", required=True)

    command = add(commands, "study", run_study, "train three models, compress each, write a report")
    add_corpus(command, default="python-docs")
    command.add_argument("--name", help="folder under runs/ (default: the corpus' name)")
    command.add_argument("--thorough", action="store_true", help="larger models, three seeds")
    command.add_argument("--workers", type=int, help="processes (default: one a core)")

    command = add(commands, "train", run_train, "train one model and save it")
    command.add_argument("model", choices=MODELS)
    add_corpus(command, default="python-docs")
    for name in RECIPE_OPTIONS:
        kind = positive_number if name == "learning_rate" else partial(whole_number, least=1)
        option = "--" + name.replace("_", "-")
        whose = "; of word2vec, a student's" if name in STUDENT_OPTIONS else ""
        command.add_argument(option, type=kind, help=f"(default: as in the study{whose})")
    command.add_argument("--seed", type=whole_number, default=0)
    command.add_argument("--out", required=True)

    command = add(commands, "evaluate", run_evaluate, "measure a saved model on validation text")
    command.add_argument("file")
    add_corpus(command, default=None)

    command = add(commands, "generate", run_generate, "let a saved language model write")
    command.add_argument("file")
    command.add_argument("--prompt", required=True)
    command.add_argument("--length", type=int, default=200, help="tokens to add")
    command.add_argument("--temperature", type=float, default=0.8, help="0 takes the likeliest")
    command.add_argument("--top-k", type=int, help="draw among the k likeliest tokens")
    command.add_argument("--top-p", type=float, help="draw among the likeliest with this mass")
    command.add_argument("--seed", type=whole_number, default=0)
    command.add_argument("--packed", action="store_true", help="keep weights packed: small, slower")

    command = add(commands, "quantize", run_quantize, "round a saved model's weights to few bits")
    command.add_argument("file")
    command.add_argument("--bits", type=int, default=8, choices=range(1, 9))
    command.add_argument("--asymmetric", action="store_true", help="with a zero point")
    command.add_argument("--axis", choices=("tensor",), help="one scale a tensor, not a channel")
    command.add_argument("--group-size", type=int, help="one scale for so many inputs of a channel")
    command.add_argument("--grid", choices=("int", "lloyd_max"), default="int")
    command.add_argument("--objective", choices=("absmax", "percentile", "mse"), default="absmax")
    command.add_argument("--out", required=True)

    command = add(commands, "prune", run_prune, "set a saved model's smallest weights to zero")
    command.add_argument("file")
    command.add_argument("--sparsity", type=float, help="share of weights to remove, 0 to 1")
    command.add_argument("--threshold", type=float, help="instead: remove below this magnitude")
    command.add_argument("--structure", choices=("element", "row", "column"), default="element")
    command.add_argument("--scope", choices=("local", "global"), default="local")
    command.add_argument("--out", required=True)

    command = add(commands, "distill", run_distill, "train a model of half the width")
    command.add_argument("file", help="the teacher: a saved model")
    add_corpus(command, default=None)
    command.add_argument("--temperature", type=float, help="softens both (default: 1)")
    command.add_argument("--alpha", type=float, help="share of the teacher, 0 to 1 (default: 0.5)")
    command.add_argument("--out", required=True)
    return top


def add(
    commands: Any, name: str, run: Callable[[argparse.Namespace], None], what: str
) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(
        name, help=what, description=what.capitalize() + ".",
        epilog=f"example:  {EXAMPLES[name]}", allow_abbrev=False,
    )
    command.set_defaults(run=run)
    return command


def add_corpus(command: argparse.ArgumentParser, default: str | None) -> None:
    shown = default or "the one that the model was trained on"
    command.add_argument(
        "--corpus", default=default,
        help=f"python-docs, python-library, grammar, or a text file (default: {shown})",
    )
