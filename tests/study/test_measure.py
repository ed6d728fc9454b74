"""Sizes and errors of compressed parameters."""

import math

import numpy as np

from minilm import quantize
from minilm.metrics import sqnr_db
from minilm.study.measure import weight_sqnr


def test_the_sqnr_of_all_compressed_weights_together():
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal(shape, np.float32) for shape in ((8, 4), (3, 5, 4)))
    params = {"a": a, "b": 100 * b, "float": np.ones(3, np.float32)}
    small = {"a": quantize(a, bits=3), "b": quantize(100 * b, bits=4), "float": params["float"]}
    before = np.concatenate([a.ravel(), 100 * b.ravel()])
    after = np.concatenate([small["a"].dense().ravel(), small["b"].dense().ravel()])
    assert math.isclose(weight_sqnr(params, small), sqnr_db(before, after), abs_tol=1e-4)


def test_where_there_is_no_such_number():
    ones = np.ones((2, 4), np.float32)
    exact, rounded = quantize(np.zeros_like(ones), bits=8), quantize(ones * [1, 2, 3, 3.3], bits=2)
    assert weight_sqnr({"w": ones}, {"w": ones}) is None  # nothing compressed
    assert weight_sqnr({"w": exact.dense()}, {"w": exact}) is None
    assert weight_sqnr({"w": exact.dense()}, {"w": rounded}) is None  # nothing but noise
    for number in (np.nan, np.inf):
        assert weight_sqnr({"w": ones * np.float32(number)}, {"w": rounded}) is None
