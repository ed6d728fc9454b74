"""The notebook on printed formulas: its exercises tell right from wrong, its table escapes text."""

import ast
from pathlib import Path

import numpy as np
import pytest

from minilm.course import verdict
from minilm.course.exercises import EXERCISES
from minilm.course.published import PUBLISHED
from minilm.metrics import sqnr_db

SOURCE = Path(__file__).parents[2] / "notebooks" / "source" / "08_published_formulas.py"
TREE = ast.parse(SOURCE.read_text(encoding="utf-8"))


def from_notebook(name, **names):
    """A function as the notebook defines it."""
    (found,) = [n for n in TREE.body if isinstance(n, ast.FunctionDef) and n.name == name]
    names = {"np": np, "sqnr_db": sqnr_db, "PUBLISHED": PUBLISHED, **names}
    exec(compile(ast.Module([found], []), str(SOURCE), "exec"), names)
    return names[name]


def quantized(w, bits, steps=None):
    scale = np.abs(w).max() / (steps or 2 ** (bits - 1) - 1)
    codes = np.rint(w / scale)
    return codes, scale, codes * scale


def cut_off(w, bits):
    scale = quantized(w, bits)[1]
    codes = np.trunc(w / scale)
    return codes, scale, codes * scale


def as_printed(w, bits):
    codes = np.rint(w / 2 ** (bits - 1))
    return codes, 2 ** (bits - 1), np.rint(codes * 2 ** (bits - 1))


def with_zero(x, bits):
    low, high = min(x.min(), 0), max(x.max(), 0)
    step = (high - low) / (2**bits - 1) or 1
    return step * np.rint(x / step)


def between_the_ends(x, bits, levels=None):
    low, step = x.min(), np.ptp(x) / (levels or 2**bits - 1)
    return low + step * np.rint((x - low) / step)


WRONG = [
    ("repaired_quantizer", as_printed, "knows nothing of the weights"),
    ("repaired_quantizer", lambda w, bits: quantized(w, bits)[:2], "three things"),
    ("repaired_quantizer", lambda w, bits: quantized(w, bits, 1), "not code 1"),
    ("repaired_quantizer", lambda w, bits: quantized(w, bits, 2 ** (bits - 1)), "on one side of 0"),
    ("repaired_quantizer", lambda w, bits: quantized(w, bits, 2**bits), "which code is the larg"),
    ("repaired_quantizer", lambda w, bits: (w / quantized(w, bits)[1], *quantized(w, bits)[1:]),
     "a whole number"),
    ("repaired_quantizer", lambda w, bits: (2 * quantized(w, bits)[0], *quantized(w, bits)[1:]),
     "beyond their range"),
    ("repaired_quantizer", lambda w, bits: (-quantized(w, bits)[0], *quantized(w, bits)[1:]),
     "the codes are not right"),
    ("repaired_quantizer", cut_off, "fractions are cut off"),
    ("repaired_quantizer",
     lambda w, bits: (*quantized(w, bits)[:2], np.rint(quantized(w, bits)[2])), "no whole numbers"),
    ("repaired_quantizer", lambda w, bits: (*quantized(w, bits)[:2], w), "not scale · codes"),
    ("mapped_to_range", lambda x, B, M: (x - B) / (2 * B) * 2 * M - M, "what was printed"),
    ("mapped_to_range", lambda x, B, M: (x + B) / (2 * B) * 2 * M, "one shift is missing"),
    ("mapped_to_range", lambda x, B, M: x / B, "where has M gone"),
    ("mapped_to_range", lambda x, B, M: x, "−B becomes"),
    ("mapped_to_range", lambda x, B, M: M * (x / B) ** 3, "a straight line"),
    ("mapped_to_range", lambda x, B, M: M * x[-3:] / B, "one number for each"),
    ("min_max", lambda x, bits: np.rint((x - x.min()) / (np.ptp(x) or 1) * (2**bits - 1)), "codes"),
    ("min_max", lambda x, bits: x + 0.001, "levels, but"),
    ("min_max", lambda x, bits: between_the_ends(x, bits, 2**bits - 2), "half a step"),
    ("min_max", between_the_ends, "what is divided by it"),
    ("min_max", lambda x, bits: between_the_ends(x, bits) if np.ptp(x) else 0 * x, "comes back as"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "answer", "hint"), WRONG)
def test_a_typical_mistake_is_told_by_its_hint(name, answer, hint):
    for seed in range(3):
        with np.errstate(all="ignore"):
            given = verdict(EXERCISES[name], answer, seed)
        assert given.state == "wrong"
        assert hint in given.hint


def test_a_range_stretched_to_0_is_not_min_max():
    """Right only where the numbers lie on both sides of 0: some seed finds one that do not."""
    assert "wrong" in {verdict(EXERCISES["min_max"], with_zero, seed).state for seed in range(3)}


def test_what_markdown_would_read_as_its_own_is_escaped():
    cell = from_notebook("cell")
    assert cell("|w_q| * 2") == "\\|w\\_q\\| \\* 2"
    assert cell("a < b, $x$, \\") == "a \\< b, \\$x\\$, \\\\"


def test_every_right_form_has_a_formula_for_the_table():
    right_form = from_notebook("right_form", inspect=__import__("inspect"))
    assert all(5 < len(right_form(name)) < 100 for name in PUBLISHED)


@pytest.mark.oracle
def test_absmax_is_torch_s_fake_quantize():
    import torch

    x = np.random.default_rng(5).normal(0, 0.05, 4096).astype(np.float32)
    scale = np.abs(x).max() / np.float32(127)
    theirs = torch.fake_quantize_per_tensor_affine(torch.from_numpy(x), float(scale), 0, -127, 127)
    ours = from_notebook("fake_quantize_per_tensor_affine")(x, scale, 0, -127, 127)
    assert np.array_equal(ours, theirs.numpy())
