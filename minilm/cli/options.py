"""What several commands share: their examples, corpora, and numbers that are in range."""

import argparse
import math
from collections.abc import Callable, Sequence
from typing import Any

EXAMPLES = {
    "study": "python -m minilm study --corpus grammar --name first",
    "train": "python -m minilm train lstm --corpus python-docs --steps 300 --out lstm.npz",
    "evaluate": "python -m minilm evaluate lstm.npz",
    "generate": 'python -m minilm generate lstm.npz --prompt "The " --length 200',
    "quantize": "python -m minilm quantize lstm.npz --bits 4 --group-size 64 --out lstm-4.npz",
    "prune": "python -m minilm prune lstm.npz --sparsity 0.5 --out lstm-half.npz",
    "distill": "python -m minilm distill lstm.npz --out student.npz",
    "compress": "python -m minilm compress lstm.npz --recipe data/recipes/deep-compression.toml "
    "--out small.npz",
    "pretrained": 'python -m minilm pretrained rank all-MiniLM-L6-v2 --query "A cat is asleep." '
    '"The kitten naps." "Shares fell again."',
}

TASK_EXAMPLES = {
    "study": "python -m minilm study --task translation",
    "train": "python -m minilm train transformer --task translation --out t.npz",
    "evaluate": "python -m minilm evaluate t.npz",
    "generate": 'python -m minilm generate t.npz --prompt "Her son likes those apples." --beams 4',
}

ENCODER = "python -m minilm pretrained {} all-MiniLM-L6-v2"
PRETRAINED_EXAMPLES = {  # of the commands of `pretrained`
    "info": ENCODER.format("info"),
    "embed": ENCODER.format("embed") + ' "A cat is asleep." --out cat.npy',
    "rank": EXAMPLES["pretrained"],
    "fill": "python -m minilm pretrained fill path/to/bert-base-uncased "
    '"Paris is the [MASK] of France."',
    "generate": 'python -m minilm pretrained generate stories15M.bin --prompt "Once upon a time"',
    "quantize": ENCODER.format("quantize") + ' --bits 4 --method "in groups" --out encoder-4.npz',
    "export": ENCODER.format("export") + " --format safetensors --out encoder",
}


def add(
    commands: Any, name: str, run: Callable[[argparse.Namespace], None], what: str,
    examples: dict[str, str] = EXAMPLES,
) -> argparse.ArgumentParser:  # fmt: skip
    """A command with its example; an option must be written out whole."""
    example = f"example:    {examples[name]}"
    if name in TASK_EXAMPLES and examples is EXAMPLES:
        example += f"\nof a task:  {TASK_EXAMPLES[name]}"
    command: argparse.ArgumentParser = commands.add_parser(
        name, help=what, description=what[0].upper() + what[1:] + ".", epilog=example,
        allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(run=run)
    return command


def add_of_pretrained(
    commands: Any, name: str, run: Callable[[argparse.Namespace], None], what: str
) -> argparse.ArgumentParser:
    """A command of `pretrained`: the first that it is told is which model."""
    command = add(commands, name, run, what, PRETRAINED_EXAMPLES)
    command.add_argument(
        "model", metavar="NAME_OR_PATH",
        help="an installed model, such as all-MiniLM-L6-v2; a folder with config.json, "
        "model.safetensors and a vocabulary; a llama2.c .bin; or what `pretrained quantize` saved. "
        "Nothing is downloaded",
    )
    return command


def add_corpus(command: Any, default: str | None, of_a_task: str = "asked whole") -> None:
    shown = default or "the one that the model was trained on"
    command.add_argument(
        "--corpus", default=default,
        help=f"python-docs, python-library, grammar, or a text file (default: {shown})"
        + ("" if default else f"; for a task, a file of two columns, {of_a_task}"),
    )


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
