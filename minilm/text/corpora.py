"""A corpus is one long string; a split cuts it into blocks that share nothing.

    |---------------- train ----------------|-- test --|-- validation --|

The blocks are contiguous, because shuffled lines of one text predict each other: a model would be
praised for what it remembers. The validation block is always the end of the text.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from minilm.text.docstrings import library_docstrings
from minilm.text.grammar import GRAMMAR


def python_docs() -> str:
    """The language reference that help() prints: about 465,000 characters of technical English."""
    try:
        from pydoc_data.topics import topics
    except ImportError as error:
        raise ValueError(
            "corpus 'python-docs': this Python comes without pydoc_data.topics; "
            "install the whole standard library, or give the path of a text file"
        ) from error
    return "\n\n".join(topics[name] for name in sorted(topics))


def python_library() -> str:
    """The standard library's docstrings, then python-docs: the end of both corpora is the same.

    So a model trained on this larger text can be validated on the last part of python-docs: give
    split the number of tokens to hold out, not a fraction.
    """
    return library_docstrings() + "\n\n" + python_docs()


def grammar_text() -> str:
    """20,000 sentences of text/grammar.py, whose entropy is known: about 789,000 characters."""
    return GRAMMAR.sample(20_000, seed=0)


CORPORA: dict[str, Callable[[], str]] = {
    "python-docs": python_docs,
    "python-library": python_library,
    "grammar": grammar_text,
}


def load_corpus(name_or_path: str | Path) -> str:
    """The text of a corpus: one of CORPORA by name, anything else is the path of a UTF-8 file.

    Line ends become "\\n" and a byte-order mark is dropped, so that a file gives the same text on
    every system. The two Python corpora belong to this Python: another version has another text.

    Raises FileNotFoundError for a path that does not exist, ValueError for one that is a folder,
    empty (or white space alone), or not UTF-8.
    """
    if isinstance(name_or_path, str) and name_or_path in CORPORA:
        return CORPORA[name_or_path]()
    path = Path(name_or_path)
    if not path.exists():
        raise FileNotFoundError(
            f"corpus: {str(path)!r} is neither a file nor one of {', '.join(CORPORA)}"
        )
    if path.is_dir():
        raise ValueError(f"corpus: {str(path)!r} is a folder; give the path of a text file")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"corpus: {str(path)!r} is not UTF-8 text (byte {error.start}: {error.reason})"
        ) from error
    if not text.strip():
        raise ValueError(f"corpus: {str(path)!r} is empty")
    return text


class Split(NamedTuple):
    """Three blocks of the same kind as what was split (for an array: views, no copies)."""

    train: Any
    validation: Any
    test: Any


def split(sequence: Any, validation: float = 0.1, test: float = 0.0) -> Split:
    """Cut a sequence (ids, a text, a list) into contiguous blocks: train, test, validation.

    A size is a fraction of the whole if it is a float, a number of elements if it is an int.
    ValueError when a size is negative, when a block that was asked for would have no element, or
    when nothing would be left to train on.
    """
    length = len(sequence)
    held_out = {"validation": validation, "test": test}
    sizes = {name: _block_size(name, size, length) for name, size in held_out.items()}
    n_train = length - sizes["validation"] - sizes["test"]
    if n_train < 1:
        raise ValueError(
            f"sequence: {length} elements leave nothing to train on "
            f"with validation={validation} and test={test}"
        )
    n_seen = n_train + sizes["test"]
    return Split(
        train=sequence[:n_train], validation=sequence[n_seen:], test=sequence[n_train:n_seen]
    )


def _block_size(name: str, size: float, length: int) -> int:
    if isinstance(size, bool) or not size >= 0:  # `not >=` also refuses NaN
        raise ValueError(f"{name}: must be a fraction or a number of elements >= 0, got {size!r}")
    if not isinstance(size, int) and size >= 1:
        raise ValueError(f"{name}: a fraction must be below 1, got {size!r} (give an int to count)")
    elements = size if isinstance(size, int) else round(size * length)
    if size > 0 and elements == 0:
        raise ValueError(f"{name}: {size} of {length} elements is less than one element")
    return elements
