"""The notebook on printed formulas: its exercise tells right from wrong, its table escapes text."""

import ast
from pathlib import Path

import numpy as np
import pytest

from minilm import quantize
from minilm.course.published.yardsticks import gaussian_weights

SOURCE = Path(__file__).parents[2] / "notebooks" / "source" / "08_published_formulas.py"
TREE = ast.parse(SOURCE.read_text(encoding="utf-8"))


def from_notebook(name):
    """A function as the notebook defines it."""
    (found,) = [n for n in TREE.body if isinstance(n, ast.FunctionDef) and n.name == name]
    names = {"np": np, "quantize": quantize, "w": gaussian_weights()}
    exec(compile(ast.Module([found], []), str(SOURCE), "exec"), names)
    return names[name]


def quantized(w, bits):
    largest = 2 ** (bits - 1) - 1
    scale = np.abs(w).max() / largest
    return np.rint(w / scale), scale


def dequantized(codes, scale):
    return codes * scale


def test_the_repair_is_told_from_what_was_printed_and_from_nothing():
    check = from_notebook("check_repair")
    assert "Not answered" in check(from_notebook("quantized"), from_notebook("dequantized"))
    assert check(quantized, dequantized) == "Right!"
    for wrong, back in (
        (lambda w, bits: (np.rint(w / 2 ** (bits - 1)), 2 ** (bits - 1)), dequantized),
        (lambda w, bits: (w / quantized(w, bits)[1], quantized(w, bits)[1]), dequantized),
        (lambda w, bits: (2 * quantized(w, bits)[0], quantized(w, bits)[1]), dequantized),
        (quantized, lambda codes, scale: np.rint(codes * scale)),
    ):
        with pytest.raises(AssertionError, match="bits: "):
            check(wrong, back)


def test_what_markdown_would_read_as_its_own_is_escaped():
    assert from_notebook("cell")("|w_q| * 2") == "\\|w\\_q\\| \\* 2"
