import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minilm.compression.recipes import pareto_front

ROWS = [
    {"name": "large", "file_bytes": 100, "loss": 1.0, "total_seconds": 0.0},
    {"name": "small", "file_bytes": 10, "loss": 1.2, "total_seconds": 50.0},
    {"name": "wasteful", "file_bytes": 20, "loss": 1.3, "total_seconds": 60.0},
    {"name": "quick", "file_bytes": 20, "loss": 1.3, "total_seconds": 5.0},
]


def names(rows):
    return [row["name"] for row in rows]


def test_by_hand():
    assert names(pareto_front(ROWS)) == ["small", "quick", "large"]
    assert names(pareto_front(ROWS, ("file_bytes", "loss"))) == ["small", "large"]
    assert names(pareto_front(ROWS, ("loss",), highest=("loss",))) == ["wasteful"]
    assert pareto_front([]) == []


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 4)), max_size=12))
def test_each_row_is_on_the_front_or_undercut_by_one_that_is(points):
    rows = [{"a": a, "b": b, "c": c} for a, b, c in points]
    front = pareto_front(rows, ("a", "b", "c"), highest=("c",))
    places = [(r["a"], r["b"], -r["c"]) for r in front]
    assert places == sorted(set(places))
    for row in rows:
        place = row["a"], row["b"], -row["c"]
        better = [p for p in places if all(x <= y for x, y in zip(p, place, strict=True))]
        assert better and (place in better or place not in places)
        assert place not in places or better == [place]


def test_rows_without_a_number_are_refused():
    with pytest.raises(ValueError, match="a number for loss"):
        pareto_front([{"file_bytes": 1, "total_seconds": 2, "loss": None}])
    for loss in (float("nan"), np.float32("nan")):
        with pytest.raises(ValueError, match="a number for loss"):
            pareto_front([{"loss": loss}], ("loss",))
    assert len(pareto_front([{"loss": np.float32(2)}, {"loss": float("inf")}], ("loss",))) == 1
    with pytest.raises(ValueError, match="highest"):
        pareto_front(ROWS, ("loss",), highest=("accuracy",))
