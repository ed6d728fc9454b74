"""The capstone: typical wrong answers get their hints; what it says of sizes is the library's."""

import ast
from pathlib import Path

import numpy as np
import pytest

from minilm import fake_quantize, prune, quantize
from minilm.course import verdict
from minilm.course.exercises import EXERCISES
from minilm.course.exercises.the_pareto_front import small_classifier

SOURCE = Path(__file__).parents[2] / "notebooks" / "source" / "13_the_pareto_front.py"
TREE = ast.parse(SOURCE.read_text(encoding="utf-8"))


def from_notebook(name, **names):
    """A function or a constant as the notebook defines it."""
    for node in TREE.body:
        named = isinstance(node, ast.FunctionDef) and node.name == name
        if named or (isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == name):
            exec(compile(ast.Module([node], []), str(SOURCE), "exec"), names)
            return names[name]
    raise KeyError(name)


def hint(name, answer):
    found = verdict(EXERCISES[name], answer)
    assert found.state == "wrong", found
    return found.hint


def front(points, dominates):
    return [
        i for i, b in enumerate(points)
        if not any(dominates(a, b) for j, a in enumerate(points) if j != i)
    ]  # fmt: skip


def test_fronts_too_small_and_too_large():
    def weakly(a, b):  # also a point that is equal
        return a[0] <= b[0] and a[1] >= b[1]

    def strictly(a, b):  # only one that is better in both
        return a[0] < b[0] and a[1] > b[1]

    def upside_down(a, b):
        return a[0] >= b[0] and a[1] <= b[1] and tuple(a) != tuple(b)

    def best_of_a_size(points):
        return [int(np.argmin(points[:, 0]))]

    def properly(a, b):
        return weakly(a, b) and tuple(a) != tuple(b)

    assert "equal" in hint("front_of", lambda points: front(points, weakly))
    assert "better in one" in hint("front_of", lambda points: front(points, strictly))
    assert "larger and worse" in hint("front_of", lambda points: list(range(len(points))))
    assert hint("front_of", lambda points: front(points, upside_down))
    assert "larger model" in hint("front_of", best_of_a_size)
    def by_itself(points):
        return [i for i, b in enumerate(points) if not any(weakly(a, b) for a in points)]

    assert "itself" in hint("front_of", by_itself)
    assert "not true and false" in hint("front_of", lambda p: p[:, 1] > 0.7)
    assert "sorted" in hint("front_of", lambda points: front(points, properly)[::-1])
    assert verdict(EXERCISES["front_of"], lambda p: np.array(front(p, properly))).state == "right"


def test_areas_counted_twice_or_outside():
    def each_by_itself(points, most, least):
        return sum((most - b) * (q - least) for b, q in points)

    def staircase(points, most, least, *, sort=True, best=True, inside=True):
        points = points[np.argsort(points[:, 0])] if sort else points
        if inside:
            points = points[(points[:, 0] < most) & (points[:, 1] > least)]
        heights = np.maximum.accumulate(points[:, 1]) if best else points[:, 1]
        ends = np.append(points[1:, 0], most)
        return float(((ends - points[:, 0]) * (heights - least)).sum())

    assert verdict(EXERCISES["hypervolume"], staircase).state == "right"
    assert "counts once" in hint("hypervolume", each_by_itself)
    assert "sort" in hint("hypervolume", lambda *a: staircase(*a, sort=False))
    assert "dominated" in hint("hypervolume", lambda *a: staircase(*a, best=False))
    assert "cover nothing" in hint("hypervolume", lambda *a: staircase(*a, inside=False))
    assert "least_quality" in hint("hypervolume", lambda points, most, least: 0.0)


def test_compression_that_does_not_compress_or_breaks_the_model():
    how = {"group_size": 32, "objective": "mse"}

    def in_place(params):
        params["head.w"] *= 2
        return quantize(params, 3, **how)

    def rounded(params):
        return {n: fake_quantize(w, 3) if w.ndim == 2 else w for n, w in params.items()}

    assert "nothing is compressed" in hint("compress", dict)
    assert "packs" in hint("compress", rounded)
    assert "fewer bits" in hint("compress", lambda params: quantize(params, 4, **how))
    assert "answers are lost" in hint("compress", lambda params: quantize(params, 2, **how))
    assert "answers are lost" in hint("compress", lambda params: prune(params, 0.9))
    assert "as they are" in hint("compress", in_place)
    assert "names" in hint("compress", lambda params: {"head.w": params["head.w"]})
    assert "shapes" in hint("compress", lambda params: {n: w[:2] for n, w in params.items()})
    assert "dict" in hint("compress", lambda params: list(params))


def test_the_check_s_classifier_is_nearly_always_right():
    for seed in range(3):
        params, right = small_classifier(np.random.default_rng(seed))
        assert right(params) > 0.97
        assert all(w.dtype == np.float32 for w in params.values())


def test_the_best_choice_spends_no_more_than_there_is():
    tasks, limits = ("a", "b", "c"), {"a": 1.0, "b": 1.0, "c": 0.5}
    choose = from_notebook("best_choice", np=np, EXAMPLES=tasks, LIMITS=limits)

    def row(task, size, quality):
        return {"task": task, "file_bytes": size, "quality": quality}

    rows = {t: [row(t, 10, 0.25 * limits[t]), row(t, 30, limits[t])] for t in tasks}
    score, size, chosen = choose(70, rows)
    assert size == 70 and np.isclose(score, (1 + 1 + 0.25) / 3)
    assert sum(r["file_bytes"] for r in chosen) == size
    assert np.isclose(choose(90, rows)[0], 1) and choose(29, rows)[0] == -np.inf


@pytest.mark.oracle
def test_the_blocks_are_llama_cpp_s():
    import gguf

    for kind, (weights, parts) in from_notebook("BLOCKS").items():
        block, size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[kind]]
        assert (block, size) == (weights, sum(parts)), kind
