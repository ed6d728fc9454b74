import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg

from minilm.embeddings import KeyedVectors
from minilm.embeddings.label_places import GAP, label_places
from minilm.embeddings.plots import (
    principal_components,
    projection_figure,
    quality_figure,
    similarity_figure,
)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def overlap(a, b):
    """Of two boxes (left, lower, right, upper)."""
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def boxes_apart(boxes):
    return not any(overlap(a, b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_components_by_hand():
    # along (3, 4)/5 the places −10, 0, 10; across it ±1: variances 200 and 2
    along, across = np.array([3, 4]) / 5, np.array([4, -3]) / 5
    x = np.array([-10 * along, across, -across, 10 * along]) + [100, -7]
    places, shares = principal_components(x)
    np.testing.assert_allclose(np.abs(places), [[10, 0], [0, 1], [0, 1], [10, 0]], atol=1e-9)
    np.testing.assert_allclose(shares, [200 / 202, 2 / 202])
    assert places[np.abs(places).argmax(axis=0), [0, 1]].tolist() == pytest.approx([10, 1])
    np.testing.assert_allclose(principal_components(-x)[1], shares)


def test_components_are_those_of_the_covariance():
    x = normal(50, 6) * np.arange(1, 7, dtype=np.float32)
    places, shares = principal_components(x, 3)
    variances = np.linalg.eigvalsh(np.cov(x.T))[::-1]
    np.testing.assert_allclose(places.var(axis=0, ddof=1), variances[:3], rtol=1e-4)
    np.testing.assert_allclose(shares, variances[:3] / variances.sum(), rtol=1e-4)
    assert places.dtype == np.float32
    apart = np.linalg.norm(principal_components(x, 6)[0][0] - principal_components(x, 6)[0][1])
    assert apart == pytest.approx(np.linalg.norm(x[0] - x[1]), rel=1e-4)  # all of them: turned
    assert principal_components(np.ones((3, 4)), 2)[1].tolist() == [0, 0]
    with pytest.raises(ValueError, match="count must be from 1 to the sides of x, got 7"):
        principal_components(x, 7)


@given(st.integers(0, 1000), st.integers(1, 25))
@settings(max_examples=30)
def test_labels_never_overlap(seed, n):
    rng = np.random.default_rng(seed)
    points = rng.uniform(0, 300, (n, 2)) ** rng.uniform(0.2, 1)  # some in a heap
    sizes = rng.uniform(5, 60, (n, 2)) / [1, 4]
    corners = label_places(points, sizes, np.array([-50, -50, 350, 350]))
    placed = ~np.isnan(corners).any(axis=1)
    boxes = np.concatenate([corners, corners + sizes], axis=1)[placed].tolist()
    assert boxes_apart(boxes)
    for point in points:
        assert not any(overlap((*(point - GAP / 2), *(point + GAP / 2)), box) for box in boxes)
    assert all(min(box) >= -50 and max(box) <= 350 for box in boxes)
    assert placed.sum() >= min(n, 20)


def test_a_lone_label_stands_beside_its_point():
    corner = label_places(np.array([[50.0, 50]]), np.array([[20.0, 10]]), [0, 0, 100, 100])
    assert corner.tolist() == [[50 + 2 * GAP, 45]]
    at_the_edge = label_places(np.array([[99.0, 50]]), np.array([[20.0, 10]]), [0, 0, 100, 100])
    assert at_the_edge[0, 0] + 20 <= 100


def test_a_label_without_room_is_nan():
    points = np.array([[5.0, 5], [5, 5]])
    corners = label_places(points, np.full((2, 2), 8.0), [0, 0, 10, 10])
    assert np.isnan(corners).all()


@pytest.mark.parametrize("dpi", [72, 200])
def test_labels_of_a_map_do_not_overlap(dpi):
    """By the boxes that the renderer draws, also at another resolution, and in a heap of words."""
    vectors = np.concatenate([normal(20, 8), 4 + 0.01 * normal(20, 8, seed=1)])
    wv = KeyedVectors([f"word{i}" for i in range(40)], vectors)
    figure = projection_figure(wv, {"far": wv.index_to_key[:20], "near": wv.index_to_key[20:]})
    figure.set_dpi(dpi)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    axes = figure.axes[0]
    boxes = [t.get_window_extent(canvas.get_renderer()).extents for t in figure.texts]
    assert len(boxes) == 40 and boxes_apart(boxes)
    # the far ones stand beside their points, the near ones at the ends of lines or beside
    dots = axes.transData.transform(axes.lines[0].get_xydata())
    nearest = [np.clip(dot, box[:2], box[2:]) for dot, box in zip(dots, boxes, strict=False)]
    away = np.linalg.norm(dots - nearest, axis=1) / dpi
    assert len(dots) == 20 and np.median(away) < 0.08 and away.max() < 0.6
    frame = axes.get_window_extent().extents
    assert all(np.all(box[:2] >= frame[:2] - 1) and np.all(box[2:] <= frame[2:] + 1)
               for box in boxes)  # fmt: skip
    assert [text.get_text() for text in figure.legends[0].texts] == ["far", "near"]


def test_map_is_the_same_bytes_and_says_its_share():
    wv = KeyedVectors([f"word{i}" for i in range(6)], normal(6, 3))

    def drawn():
        file = io.StringIO()
        projection_figure(wv, wv.index_to_key).savefig(file, format="svg", metadata={"Date": None})
        return file.getvalue()

    assert drawn().count("word") == drawn().count("word") >= 6
    shares = principal_components(wv.vectors / np.linalg.norm(wv.vectors, axis=1)[:, None])[1]
    label = projection_figure(wv, wv.index_to_key).axes[0].get_xlabel()
    assert label == f"first component, {shares[0]:.0%} of the variance"
    with pytest.raises(ValueError, match="at least two words, got 1"):
        projection_figure(wv, ["word1"])
    with pytest.raises(KeyError, match="wird1"):
        projection_figure(wv, ["word1", "wird1"])


def test_heatmap_shows_the_cosines():
    wv = KeyedVectors(["a", "b", "c"], np.array([[2, -1e-4], [0, 3], [-1, 1]], np.float32))
    figure = similarity_figure(wv, ["a", "b", "c"])
    axes = figure.axes[0]
    shown = [text.get_text() for text in axes.texts]
    assert shown == ["1.00", "0.00", "−0.71", "0.00", "1.00", "0.71", "−0.71", "0.71", "1.00"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["a", "b", "c"]
    np.testing.assert_allclose(axes.images[0].get_array()[2], [-(0.5**0.5), 0.5**0.5, 1], rtol=1e-3)
    assert axes.images[0].get_clim() == pytest.approx((-(0.5**0.5), 1), rel=1e-3)
    colours = {text.get_text(): text.get_color() for text in axes.texts}
    assert (colours["1.00"], colours["−0.71"]) == ("black", "white")


def quality_rows():
    for seed, level in enumerate((0.5, 0.4)):
        for recipe, bits, score in (("float32", 32, level), ("integers: 2", 2.5, level - 0.2),
                                    ("integers: 8", 8.5, level), ("pieces: 3", 1, 0.1)):
            yield {"seed": seed, "recipe": recipe, "bits_per_weight": bits, "bytes": 1,
                   "times_smaller": 32 / bits, "people": score, "neighbours": score / 2}


def test_quality_shows_means_spread_and_the_level_of_floats():
    figure = quality_figure(list(quality_rows()))
    people, neighbours = (axes for axes in figure.axes if axes.get_visible())
    assert [axes.get_title(loc="left") for axes in (people, neighbours)] == ["people", "neighbours"]
    level, integers, pieces = people.get_lines()[0], *people.containers
    assert level.get_ydata() == pytest.approx([0.45, 0.45])
    band = people.patches[0].get_extents().transformed(people.transData.inverted())
    assert (band.y0, band.y1) == pytest.approx((0.4, 0.5))
    np.testing.assert_allclose(integers[0].get_xydata(), [[2.5, 0.25], [8.5, 0.45]])
    np.testing.assert_allclose(pieces[0].get_xydata(), [[1, 0.1]])
    ends = [segment[:, 1].tolist() for segment in integers[2][0].get_segments()]
    np.testing.assert_allclose(ends, [[0.2, 0.3], [0.4, 0.5]])
    legend = [text.get_text() for text in figure.legends[0].texts]
    assert legend == ["float32", "integers", "pieces"]
    np.testing.assert_allclose(neighbours.containers[0][0].get_ydata(), [0.125, 0.225])
    FigureCanvasAgg(figure).draw()
