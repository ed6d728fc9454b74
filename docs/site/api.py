"""The reference: a page for each module of minilm, written from what stands in its file.

A page names the module's public functions, classes and constants in the order of the file; Sphinx
fills in signatures and docstrings. A package's page lists its files and the names that it gives on.
"""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import minilm

PACKAGE = Path(minilm.__file__).resolve().parent
LONGEST_CONSTANT = 12  # lines of it that are shown


def pages() -> Iterator[tuple[str, str]]:
    """(name, reStructuredText) of each page: of minilm and of all below it."""
    names = sorted(module_name(path) for path in PACKAGE.rglob("*.py") if is_public(path))
    for name in names:
        below = [other for other in names if other.rpartition(".")[0] == name]
        yield name, page(name, below)


def is_public(path: Path) -> bool:
    return path.name == "__init__.py" or not path.name.startswith("_")


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def file_of(name: str) -> Path:
    folder = PACKAGE.parent.joinpath(*name.split("."))
    return folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")


def page(name: str, below: list[str]) -> str:
    """The page of one module; `below`: the modules in it, if it is a package.

    Packages alone stand in the tree at the side: with every module in it, each page would carry
    hundreds of lines of tree, and the site would take minutes more to build.
    """
    where = file_of(name).relative_to(PACKAGE.parent).as_posix()
    if is_package(name):
        inner = "".join(f"   {last_part(n)}/ <{n}>\n" for n in below if is_package(n))
        tree = f".. toctree::\n   :hidden:\n\n{inner}\n" if inner else ""
        listed = "".join(f"* :doc:`{last_part(n)}.py <{n}>`: {first_line(n)}\n"
                         for n in below if not is_package(n))  # fmt: skip
        start = titled(name) + f"``{where}``\n"
        return "\n".join([start, f".. automodule:: {name}\n", tree, listed, given_on(name)])
    above = name.rpartition(".")[0]
    start = f":orphan:\n\n{titled(last_part(name))}``{where}``, in :doc:`{above}`\n"
    return "\n".join([start, f".. automodule:: {name}\n", *members(file_of(name))])


def is_package(name: str) -> bool:
    return file_of(name).name == "__init__.py"


def last_part(name: str) -> str:
    return name.rpartition(".")[2]


def first_line(name: str) -> str:
    """Of a module's docstring, with what reStructuredText would read as marks taken literally."""
    docstring = ast.get_docstring(ast.parse(file_of(name).read_text(encoding="utf-8"))) or ""
    return re.sub(r"([\\*`|_<>])", r"\\\1", docstring.partition("\n")[0])


def members(path: Path) -> Iterator[str]:
    """Directives for what a file defines, in its order."""
    text = path.read_text(encoding="utf-8")
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield f".. autofunction:: {node.name}\n"
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield f".. autoclass:: {node.name}\n   :members:\n   :show-inheritance:\n"
        elif constant := name_of_constant(node):
            yield f".. py:data:: {constant}\n\n{source_of(node, text)}"


def name_of_constant(node: ast.stmt) -> str | None:
    """X of `X = ...` or `X: Type = ...`, if X is public."""
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    public = [t.id for t in targets if isinstance(t, ast.Name) and not t.id.startswith("_")]
    is_one = len(targets) == 1 and public and isinstance(node, (ast.Assign, ast.AnnAssign))
    return public[0] if is_one else None


def source_of(node: ast.stmt, text: str) -> str:
    lines = text.splitlines()[node.lineno - 1 : node.end_lineno]
    if len(lines) > LONGEST_CONSTANT:
        lines = [*lines[: LONGEST_CONSTANT - 1], "    ..."]
    return "   .. code-block:: python\n\n" + "".join(f"      {line}\n" for line in lines)


def given_on(package: str) -> str:
    """The names in a package's `__all__`, each a link to where it is defined."""
    module = importlib.import_module(package)
    lines = []
    for name in sorted(getattr(module, "__all__", []), key=str.lower):
        home = getattr(getattr(module, name), "__module__", None)
        target = f"{home}.{name}" if str(home).startswith("minilm") else name
        lines.append(f":py:obj:`{name} <{target}>`")
    return f"Names to import from here: {', '.join(lines)}\n" if lines else ""


def titled(text: str) -> str:
    return f"{text}\n{'=' * len(text)}\n\n"
