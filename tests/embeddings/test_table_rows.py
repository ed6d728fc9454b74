"""The highest of many values, the first of equals first."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from minilm.embeddings.table_rows import highest


@given(st.lists(st.integers(-2, 2), min_size=1, max_size=40), st.integers(0, 45))
def test_the_highest_are_those_of_a_stable_sort(values, count):
    x = np.array(values, dtype=np.float32)
    expected = sorted(range(len(values)), key=lambda i: -values[i])[:count]
    np.testing.assert_array_equal(highest(x, count), expected)
