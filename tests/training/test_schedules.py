import math

import pytest

from minilm.training import constant, warmup_cosine


def test_constant():
    assert [constant(0.5)(step) for step in (0, 7, 10**6)] == [0.5] * 3


def test_warmup_cosine_by_hand():
    """Up to 1 in 4 steps, then half a cosine from 1 to 0.1 over the next 4, then flat."""
    rate = warmup_cosine(1.0, warmup=4, steps=8)
    rising = [0.25, 0.5, 0.75, 1.0]
    falling = [1.0, 0.55 + 0.45 * math.sqrt(0.5), 0.55, 0.55 - 0.45 * math.sqrt(0.5)]
    flat = [0.1, 0.1]
    assert [rate(step) for step in range(10)] == pytest.approx(rising + falling + flat)


def test_no_warmup_no_floor_and_nothing_but_warmup():
    assert [warmup_cosine(2.0, 0, 2, floor=0)(s) for s in range(3)] == pytest.approx([2, 1, 0])
    assert [warmup_cosine(2.0, 2, 2)(s) for s in range(3)] == pytest.approx([1, 2, 2])


@pytest.mark.parametrize("rate", [0, -1, math.inf, math.nan])
def test_rates_that_are_not_positive_numbers_are_refused(rate):
    with pytest.raises(ValueError, match="learning_rate"):
        constant(rate)
    with pytest.raises(ValueError, match="peak"):
        warmup_cosine(rate, 1, 2)


@pytest.mark.parametrize(
    ("settings", "named"),
    [({"warmup": 9}, "warmup"), ({"warmup": -1}, "warmup"), ({"floor": 1.5}, "floor")],
)
def test_settings_out_of_range_are_refused_by_name(settings, named):
    with pytest.raises(ValueError, match=named):
        warmup_cosine(**{"peak": 1.0, "warmup": 2, "steps": 8, **settings})
