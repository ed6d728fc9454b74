import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minilm.training.rows_generator import RowsGenerator


@given(
    ends=st.lists(st.integers(0, 7), min_size=2, max_size=2, unique=True),
    a_row=st.integers(1, 3),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_shares_of_what_one_generator_draws(ends, a_row, dtype):
    """Call after call, also of odd sizes and mixed dtypes."""
    start, stop = sorted(ends)
    whole, share = np.random.default_rng([1, 2]), RowsGenerator([1, 2], range(start, stop), 7)
    for shape in ((3,), (), (2, 5)):
        drawn = whole.random((7 * a_row, *shape), dtype)
        own = share.random(((stop - start) * a_row, *shape), dtype=dtype)
        assert own.dtype == dtype
        np.testing.assert_array_equal(own, drawn[start * a_row : stop * a_row])
    assert share.random() == whole.random()  # one number for all


def test_what_would_be_the_same_in_each_share_is_refused():
    rng = RowsGenerator([1], range(0, 2), 5)
    for draw in (lambda: rng.integers(3), lambda: rng.normal(size=2), lambda: rng.permutation(2)):
        with pytest.raises(NotImplementedError, match="shared out over workers"):
            draw()
    with pytest.raises(ValueError, match=r"2 rows, got shape \(3, 4\)"):
        rng.random((3, 4))
    with pytest.raises(ValueError, match="out"):
        rng.random(2, out=np.zeros(2))
    assert rng.random(4).shape == (4,)
