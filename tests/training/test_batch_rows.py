import numpy as np

from minilm.embeddings.skip_gram_model import Pairs
from minilm.training.batch_rows import number_of_rows, rows_of


def test_rows_by_hand():
    a, b = np.arange(6).reshape(3, 2), np.arange(3)
    np.testing.assert_array_equal(rows_of(a, range(1, 3)), [[2, 3], [4, 5]])
    assert [part.tolist() for part in rows_of([a, b], range(0, 1))] == [[[0, 1]], [0]]
    assert isinstance(rows_of((a, b), range(0, 1)), tuple)
    pairs = rows_of(Pairs(b, a), range(2, 3))
    assert type(pairs) is Pairs
    assert pairs.centres.tolist() == [2]
    assert rows_of({"x": b}, range(1, 2))["x"].tolist() == [1]
    assert number_of_rows({"x": a, "y": b}) == 3
