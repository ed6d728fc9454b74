import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minilm.compression.pruning import as_schedule, cubic


def test_by_hand():
    sparsity = cubic(0.8, end=100)
    assert sparsity(0) == 0
    assert sparsity(50) == pytest.approx(0.8 * (1 - 1 / 8))
    assert [round(sparsity(t), 2) for t in (25, 50, 75)] == [0.46, 0.7, 0.79]
    assert sparsity(100) == sparsity(10**6) == 0.8


@given(st.floats(0, 1), st.floats(0, 1), st.integers(0, 50), st.integers(1, 80),
       st.integers(1, 100))  # fmt: skip
def test_begins_ends_and_only_rises(a, b, start, length, every):
    initial, final = sorted((a, b))
    sparsity = cubic(final, start=start, end=start + length, initial=initial, every=every)
    shares = [sparsity(t) for t in range(start + length + 5)]
    assert all(share == pytest.approx(initial) for share in shares[: start + 1])
    assert all(share == final for share in shares[start + length :])
    assert (np.diff(shares) >= -1e-12).all()
    changes = np.flatnonzero(np.diff(shares)) + 1  # at these steps it is another
    assert all((t - start) % every == 0 or t == start + length for t in changes)


def test_a_number_is_a_schedule():
    assert [as_schedule(0.3)(t) for t in (0, 7)] == [0.3, 0.3]
    assert as_schedule(lambda t: t / 10)(3) == 0.3


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: cubic(1.1, end=10), "final must lie in"),
        (lambda: cubic(0.5, end=10, initial=-1), "initial must lie in"),
        (lambda: cubic(0.5, end=0), "end must come after start"),
        (lambda: cubic(0.5, start=-1, end=3), "end must come after start"),
        (lambda: cubic(0.5, end=10, every=0), "every must be at least 1, got 0"),
        (lambda: as_schedule(1.5), "sparsity must lie in"),
        (lambda: as_schedule(lambda t: 2.0, "masks")(4), "masks at step 4 must lie in"),
    ],
)
def test_bad_input_is_refused_by_name(make, message):
    with pytest.raises(ValueError, match=message):
        make()
