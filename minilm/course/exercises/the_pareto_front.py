"""Exercises of notebook 13."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from minilm.compression import save_coded
from minilm.compression.recipes import pareto_front
from minilm.course.check import Exercise, want
from minilm.types import Array, Params
from minilm.weights import Weight, load, save

Answer = Callable[..., Any]
Rng = np.random.Generator

TIMES_SMALLER = 8
MAY_BE_LOST = 0.02  # of the right answers
LEEWAY = 0.005  # 1,000 questions are few


def check_front_of(front_of: Answer, rng: Rng) -> None:
    # five points: 0 and 1 are on the front, 2 and 3 are not, 4 is a second 1
    points = np.array([[10, 0.5], [20, 0.8], [30, 0.7], [20, 0.6], [20, 0.8]])
    answer = np.ravel(front_of(points.copy()))
    want(answer.dtype != bool, "return the indices, not true and false (`np.flatnonzero` helps)")
    want(len(answer) > 0,
         "no point is left: did each dominate itself? It must be better in one thing")  # fmt: skip
    found = indices(answer)
    want(found != [2, 3], "those are the points that are dominated: return the others")
    want(4 not in found or 1 in found, "of equal points all stay")
    want(found != [0, 1], "a point does not dominate one that is equal to it: both stay")
    want(found != [0], "a larger model that is better stays, and of equal points neither dominates "
                       "the other")  # fmt: skip
    want(2 not in found, "a point that is larger and worse than another is dominated")
    want(3 not in found, "as many bytes and worse is dominated, too: better in one is enough")
    want(0 in found, "fewer bytes are better, so the smallest model is on the front, unless one "
                     "of its size is better")  # fmt: skip
    want(1 in found, "more quality is better, so the best model is on the front")
    want(found == [0, 1, 4], "return the indices of the points that no other dominates")
    want(found == [int(i) for i in front_of(points.copy())], "return the indices sorted")
    lone = np.array([[5.0, 0.1]])
    want(indices(front_of(lone)) == [0], "a single point is its own front")
    for _ in range(10):
        points = np.column_stack([rng.integers(1, 20, 25), rng.integers(1, 20, 25) / 20])
        places = [{"bytes": b, "quality": q} for b, q in points.tolist()]
        kept = pareto_front(places, columns=("bytes", "quality"), highest=("quality",))
        right = [i for i, place in enumerate(places) if place in kept]
        want(indices(front_of(points.copy())) == right,
             "on other points it keeps too many or too few: compare each point with all others")


def indices(answer: Any) -> list[int]:
    return sorted(int(i) for i in np.ravel(answer))


def check_hypervolume(hypervolume: Answer, rng: Rng) -> None:
    one = np.array([[40.0, 0.9]])
    want(np.isclose(hypervolume(one.copy(), 100, 0.5), 60 * 0.4),
         "one point covers (most_bytes − b) · (q − least_quality)")  # fmt: skip
    two = np.array([[40.0, 0.9], [20.0, 0.6]])
    found, alone = hypervolume(two.copy(), 100, 0.5), 60 * 0.4 + 80 * 0.1
    want(not np.isclose(found, alone), "where rectangles overlap the place counts once")
    want(np.isclose(found, 60 * 0.4 + 20 * 0.1),
         "sort the points by bytes: between one and the next you are covered up to the best "
         "quality so far")  # fmt: skip
    want(np.isclose(hypervolume(two[::-1].copy(), 100, 0.5), found),
         "the order of the points must not matter")  # fmt: skip
    dominated = np.vstack([two, [[60.0, 0.7]]])
    want(np.isclose(hypervolume(dominated.copy(), 100, 0.5), found),
         "a point that is dominated adds nothing: of the qualities so far take the best")
    outside = np.vstack([two, [[120.0, 1.0]], [[10.0, 0.4]]])
    want(np.isclose(hypervolume(outside.copy(), 100, 0.5), found),
         "points with too many bytes or too little quality cover nothing")  # fmt: skip
    want(np.isclose(hypervolume(outside[2:].copy(), 100, 0.5), 0), "no point inside: the area is 0")
    for _ in range(10):
        points = np.column_stack([rng.integers(1, 30, 12), rng.integers(0, 10, 12)]).astype(float)
        # each unit square of the grid is covered or it is not
        squares = [(x, y) for x in range(25) for y in range(2, 10)]
        area = sum(any(b <= x and q > y for b, q in points) for x, y in squares)
        want(np.isclose(hypervolume(points.copy(), 25, 2), area),
             "on other points the area is another: are there points with as many bytes, or one "
             "that is dominated?")  # fmt: skip


def check_compress(compress: Answer, rng: Rng) -> None:
    params, right = small_classifier(rng)
    given = {name: w.copy() for name, w in params.items()}
    small = compress(given)
    want(isinstance(small, dict), f"return a dict of parameters, not {type(small).__name__}")
    want(list(small) == list(params) or sorted(small) == sorted(params),
         f"the names must stay: {', '.join(params)}")  # fmt: skip
    want(all(np.array_equal(given[name], w) for name, w in params.items()),
         "the arrays you were given must stay as they are")  # fmt: skip
    want(all(tuple(small[name].shape) == w.shape for name, w in params.items()),
         "the shapes must stay: the model is the same")  # fmt: skip
    before, after = (written(writer, p) for writer, p in ((save, params), (save_coded, small)))
    lost = right(params) - right(load_again(small))
    size = f"the file is {before / after:.1f} times smaller, and must be {TIMES_SMALLER}"
    rounded = any(not np.array_equal(small[n], w) for n, w in params.items()
                  if isinstance(small[n], np.ndarray))  # fmt: skip
    if after * TIMES_SMALLER > before and not any(isinstance(w, Weight) for w in small.values()):
        want(not rounded, f"rounded floats are floats: {size}. `quantize` packs the codes")
        want(False, f"nothing is compressed: {size}")
    want(after * TIMES_SMALLER <= before,
         f"{size}: fewer bits, or fewer scales (right answers lost: {100 * lost:.1f} points)")
    want(lost <= MAY_BE_LOST + LEEWAY,
         f"{100 * lost:.1f} points of right answers are lost, {100 * MAY_BE_LOST:.0f} may be "
         f"({size}): choose the scales better, or spend a bit more")  # fmt: skip


def small_classifier(rng: Rng) -> tuple[Params, Callable[[Params], float]]:
    """A classifier solved by least squares, and the share of right answers of its parameters.

    Ten classes of three clouds each in 32 dimensions; 512 random units, and their best readout.
    """
    inputs, units, classes = 32, 512, 10
    centres = 0.9 * rng.standard_normal((3 * classes, inputs))

    def draw(n: int) -> tuple[Array, Array]:
        cloud = rng.integers(3 * classes, size=n)
        x = centres[cloud] + 0.75 * rng.standard_normal((n, inputs))
        return x.astype(np.float32), cloud % classes

    def hidden(params: Params, x: Array) -> Array:
        h: Array = np.maximum(x @ params["hidden.w"] + params["hidden.b"], 0)
        return h

    params: Params = {
        "hidden.w": (rng.standard_normal((inputs, units)) / np.sqrt(inputs)).astype(np.float32),
        "hidden.b": (0.3 * rng.standard_normal(units)).astype(np.float32),
    }
    x, labels = draw(2000)
    h = hidden(params, x)
    wanted = h.T @ np.eye(classes, dtype=np.float32)[labels]
    params["head.w"] = np.linalg.solve(h.T @ h + 30 * np.eye(units, dtype=np.float32), wanted)
    asked, asked_labels = draw(1000)

    def right(params: Params) -> float:
        scores = hidden(params, asked) @ params["head.w"]
        return float(np.mean(scores.argmax(axis=-1) == asked_labels))

    return params, right


def written(writer: Callable[[Path, Params], None], params: Params) -> int:
    """Bytes of the file."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        writer(path, params)
        return path.stat().st_size


def load_again(params: Params) -> Params:
    """What a reader of the coded file gets: that is what is judged."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        save_coded(path, params)
        return load(path)


EXERCISES: list[Exercise] = [
    Exercise("front_of", "Find the points that no other dominates.", check_front_of),
    Exercise("hypervolume", "Measure the area below a front.", check_hypervolume),
    Exercise("compress", "Compress a model eight times.", check_compress, 2),
]
