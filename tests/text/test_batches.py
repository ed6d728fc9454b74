"""Windows: the right shapes, targets one further on, every step reproducible by itself."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minilm.text import windows


@given(st.integers(1, 5), st.integers(1, 8), st.integers(0, 20), st.integers(0, 9), st.data())
def test_targets_are_the_next_tokens(batch_size, context, more, seed, data):
    step = data.draw(st.integers(0, 10**6))
    tokens = np.arange(context + 1 + more) * 3  # each token tells where it stood
    inputs, targets = windows(tokens, batch_size, context, seed)(step)
    assert inputs.shape == targets.shape == (batch_size, context)
    assert inputs.dtype == targets.dtype == np.int32
    np.testing.assert_array_equal(targets, inputs + 3)
    np.testing.assert_array_equal(np.diff(inputs, axis=1), 3)


def test_a_step_is_a_function_of_seed_and_step_alone():
    tokens = np.arange(1000)
    first, second = windows(tokens, 4, 8, seed=5), windows(tokens, 4, 8, seed=5)
    for step in (0, 1, 2):
        first(step)
    np.testing.assert_array_equal(first(7)[0], second(7)[0])
    assert not np.array_equal(first(7)[0], first(8)[0])
    assert not np.array_equal(first(7)[0], windows(tokens, 4, 8, seed=6)(7)[0])


def test_windows_share_no_randomness_with_a_training_step():
    tokens = np.arange(10_000)
    starts = windows(tokens, 8, 1, seed=3)(5)[0][:, 0]
    for stream in ([3, 5], [3, 5, 0], [3, 5, 1]):  # what fit draws dropout from
        drawn = np.random.default_rng(stream).integers(9_999, size=8)
        assert not np.array_equal(starts, drawn)


def test_every_window_is_equally_likely_the_last_one_too():
    tokens = np.arange(6)
    inputs, targets = windows(tokens, 8000, 2, seed=0)(0)
    counts = np.bincount(inputs[:, 0], minlength=4)
    assert counts.shape == (4,) and targets.max() == 5
    np.testing.assert_allclose(counts / 8000, 0.25, atol=0.03)


def test_a_corpus_of_exactly_one_window_will_do_and_a_shorter_one_will_not():
    inputs, targets = windows(np.array([7, 8, 9]), 2, 2, seed=0)(0)
    assert inputs.tolist() == [[7, 8]] * 2 and targets.tolist() == [[8, 9]] * 2
    with pytest.raises(ValueError, match="3 tokens is too short; context=3 needs at least 4"):
        windows(np.array([7, 8, 9]), 2, 3, seed=0)
    with pytest.raises(ValueError, match="0 tokens is too short"):
        windows(np.array([], dtype=np.int32), 2, 3, seed=0)


def test_wrong_arguments_are_named():
    tokens = np.arange(10)
    for name, arguments in (
        ("batch_size", (0, 3, 0)),
        ("context", (1, 0, 0)),
        ("seed", (1, 3, -1)),
    ):
        with pytest.raises(ValueError, match=f"{name}: must be at least"):
            windows(tokens, *arguments)
    with pytest.raises(ValueError, match="step: must be at least 0"):
        windows(tokens, 1, 3, 0)(-1)
    for bad in (tokens / 2, tokens.reshape(2, 5), tokens > 3):
        with pytest.raises(TypeError, match="tokens: must be integers"):
            windows(bad, 1, 3, 0)
