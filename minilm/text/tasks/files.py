"""A person's own task: a UTF-8 file of two columns with one tab between them, an example a line.

    Parallel, source and target:    She sleeps.<tab>她睡觉。
    Labelled, text and label:       a dull film<tab>negative

A byte-order mark and either form of line end are fine, and so are empty lines, which are skipped;
white space around a column is dropped. Quotation marks are characters like any other. All else is
refused with its line number: a line without a tab or with two, and an empty column.
"""

from collections.abc import Collection, Iterable
from pathlib import Path

from minilm.text.tasks.task import Example
from minilm.text.tokenizers.text_files import read_text, write_text

SHOWN = 60  # characters of a bad line that an error message quotes


def load_pairs(path: str | Path) -> list[Example]:
    """The sentence pairs of a parallel file, in its order, repetitions and all.

    FileNotFoundError for a missing file; ValueError for a folder, for a file without examples or
    not UTF-8, and for a bad line.
    """
    return [Example(*columns) for _, columns in _rows(path, ("source", "target"))]


def load_labelled(path: str | Path, labels: Collection[str] | None = None) -> list[Example]:
    """The texts and labels of a labelled file: Example(source=text, target=label).

    With `labels` given (those a model was trained on), ValueError for any other, naming the line.
    """
    if isinstance(labels, str):
        raise TypeError(f"labels: must be a collection of labels, got one string {labels!r}")
    examples = []
    for line, (text, label) in _rows(path, ("text", "label")):
        if labels is not None and label not in labels:
            known = ", ".join(sorted(labels))
            raise ValueError(f"{str(path)!r}, line {line}: unknown label {label!r}, not in {known}")
        examples.append(Example(text, label))
    return examples


def save_pairs(path: str | Path, examples: Iterable[Example]) -> None:
    """Write the file that load_pairs (or load_labelled) reads back; one of that name is replaced.

    ValueError, and nothing written, for an example that such a file cannot hold: one with an empty
    column, a tab or a line end, or white space at a column's begin or end.
    """
    lines = []
    for i, columns in enumerate(examples):
        for column in columns:
            if not column or column != column.strip() or set("\t\n\r") & set(column):
                raise ValueError(f"examples: number {i} cannot be a line of two columns: {columns}")
        lines.append("\t".join(columns) + "\n")
    write_text(Path(path), "".join(lines))


def _rows(path: str | Path, names: tuple[str, str]) -> list[tuple[int, tuple[str, str]]]:
    """(line number, the two columns) of each line that is not empty."""
    path = Path(path)
    if path.is_dir():
        raise ValueError(f"path: {str(path)!r} is a folder, not a file")
    rows = []
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip(" "):
            continue
        columns = [column.strip() for column in line.split("\t")]
        where = f"{str(path)!r}, line {number}"
        if len(columns) != 2:
            raise ValueError(
                f"{where}: must be {names[0]}, one tab, {names[1]}; "
                f"got {len(columns)} column{'s' * (len(columns) > 1)}: {line[:SHOWN]!r}"
            )
        first, second = columns
        if not first or not second:
            raise ValueError(f"{where}: the {names[bool(first)]} is empty: {line[:SHOWN]!r}")
        rows.append((number, (first, second)))
    if not rows:
        raise ValueError(f"path: {str(path)!r} has no examples")
    return rows
