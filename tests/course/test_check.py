"""A verdict is right, wrong or blank, never an error, and draws the same data for the same seed."""

import numpy as np
import pytest

from minilm.course import Exercise, check, verdict, want
from minilm.course.check import Wrong
from minilm.course.exercises import EXERCISES


def check_double(double, rng):
    x = rng.standard_normal(3)
    want(double(x.copy()).shape == x.shape, "keep the shape")
    want(np.allclose(double(x.copy()), 2 * x), "it should be twice as large")


DOUBLE = Exercise("double", "Twice x.", check_double)


def test_right_wrong_and_blank():
    assert verdict(DOUBLE, lambda x: x + x).state == "right"
    assert verdict(DOUBLE, lambda x: x).hint == "it should be twice as large"
    assert verdict(DOUBLE, lambda x: x[:2]).hint == "keep the shape"
    for blank in (None, ..., lambda x: None, lambda x: ...):
        assert verdict(DOUBLE, blank).state == "blank"


def test_whatever_an_answer_does_there_is_a_verdict():
    def fails(x):
        raise KeyError("x")

    assert verdict(DOUBLE, 4).hint == "double should be a function, but is int"
    assert verdict(DOUBLE, fails).hint == "it raised KeyError: 'x'"
    assert verdict(DOUBLE, lambda: 1).hint.startswith("it raised TypeError")
    assert verdict(DOUBLE, lambda x: "four").state == "wrong"


def test_the_same_seed_draws_the_same_data_and_another_seed_other_data():
    seen = []
    for seed in (0, 0, 1):
        verdict(DOUBLE, lambda x: (seen.append(x), 2 * x)[1], seed)
    first, again, other = seen[::2]  # the check asks twice
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_check_says_it_and_a_build_of_solutions_stops_at_it(capsys, monkeypatch):
    monkeypatch.setitem(EXERCISES, "double", DOUBLE)
    monkeypatch.delenv("MINILM_STRICT", raising=False)
    assert check("double", lambda x: 2 * x)
    assert capsys.readouterr().out == "double: ✓ Right.\n"
    assert not check("double", lambda x: x)
    assert capsys.readouterr().out == "double: ✗ Not yet: it should be twice as large\n"
    given = check("double", None)
    assert not given and capsys.readouterr().out == "double: … not answered yet\n"
    assert given._ipython_display_() is None and capsys.readouterr().out == "", "not said twice"
    monkeypatch.setenv("MINILM_STRICT", "1")
    assert check("double", lambda x: 2 * x)
    for answer in (lambda x: x, None):
        with pytest.raises(Wrong, match="double: "):
            check("double", answer)
    with pytest.raises(ValueError, match="name: there is no exercise 'dubble'"):
        check("dubble", None)
