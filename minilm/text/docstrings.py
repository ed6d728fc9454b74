"""The documentation strings of the standard library: English prose that every Python carries along.

Each module, class and function may begin with a string that says what it does. Python's own parser
finds these strings in the library's source files, without importing (running) any of them.
"""

import ast
import sysconfig
import tokenize
import warnings
from collections.abc import Iterator
from pathlib import Path

# Tests, demonstrations and installed packages are not the library's prose; python-docs has topics.
SKIPPED = {
    "test", "tests", "site-packages", "dist-packages", "lib-dynload", "__pycache__",
    "idlelib", "lib2to3", "pydoc_data", "turtledemo",
}  # fmt: skip
SHORTEST = 40  # characters: shorter strings ("Return the name.") repeat one another


def library_docstrings(root: Path | None = None) -> str:
    """All docstrings under root (default: this Python's standard library), joined by empty lines.

    Files in the order of their paths, strings in the order of their lines; each string once, only
    those of at least 40 characters and of ASCII alone (a few others would double the alphabet).
    About 1.6 million characters; the text differs a little between versions of Python, and between
    systems that ship parts of the library (tkinter, distutils) separately.
    Raises ValueError when there are no source files, as in a Python shipped as one zip archive.
    """
    root = Path(sysconfig.get_paths()["stdlib"]) if root is None else root
    kept: dict[str, None] = {}  # a dict keeps the order in which its keys came
    for path in sorted(root.rglob("*.py")):
        if not SKIPPED & set(path.relative_to(root).parts):
            kept.update((d, None) for d in docstrings(path) if len(d) >= SHORTEST and d.isascii())
    if not kept:
        raise ValueError(
            f"corpus 'python-library': found no source files with docstrings in {root}"
        )
    return "\n\n".join(kept)


def docstrings(path: Path) -> Iterator[str]:
    """The docstrings of one source file in the order of its lines; none if it does not parse."""
    try:
        with tokenize.open(path) as file, warnings.catch_warnings():  # open() honours "coding:"
            warnings.simplefilter("ignore")  # the library's own style is no concern of ours
            tree = ast.parse(file.read())
    except (OSError, SyntaxError, ValueError):  # ValueError: not UTF-8, or null bytes
        return
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node for node in ast.walk(tree) if isinstance(node, documented)]
    for node in sorted(nodes, key=lambda node: getattr(node, "lineno", 0)):
        docstring = ast.get_docstring(node)
        if docstring:
            yield docstring
