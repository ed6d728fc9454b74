"""Code that does not run or changes nothing, and claims: in plain Python, and against torch."""

import numpy as np
import pytest

from minilm.compression import quantize
from minilm.course.published import calls, claims, costs
from minilm.course.published.yardsticks import gaussian_weights, raised


def test_a_model_that_hands_out_copies_hears_of_nothing():
    model = calls.Network()
    before = [w.copy() for w in model.arrays]
    calls.written_into_copies(model, np.zeros_like)
    assert all(map(np.array_equal, before, model.arrays))
    calls.handed_back(model, np.zeros_like)
    assert not any(w.any() for w in model.arrays)


def test_a_rebound_variable_changes_no_dict_and_a_new_dict_no_array():
    params = calls.weights()
    assert calls.variable_rebound(params, np.zeros_like) is params
    assert all(w.any() for w in params.values())
    made = calls.made_anew(params, np.zeros_like)
    assert not any(w.any() for w in made.values()) and all(w.any() for w in params.values())


def test_what_can_be_written_to_is_changed_in_place():
    params = calls.weights()
    calls.changed_in_place(params, np.zeros_like)
    assert not any(w.any() for w in params.values())


def test_an_argument_twice_is_no_python():
    with pytest.raises(SyntaxError, match="keyword argument repeated"):
        calls.argument_twice()
    calls.argument_once()


def test_what_was_raised():
    assert raised(lambda: 1 / 0) == "ZeroDivisionError"
    assert raised(lambda: 1) == "nothing"


def test_the_best_on_the_test_set_is_reported_or_the_best_on_the_other():
    validation, test = np.array([0.7, 0.6]), np.array([0.5, 0.8])
    assert calls.chosen_by_the_test_set(validation, test) == 0.8
    assert calls.chosen_by_validation(validation, test) == 0.5


def test_rounding_has_derivative_zero_or_jumps():
    w = gaussian_weights().astype(np.float64).reshape(64, 64)
    s = float(quantize(w, 4).scale)
    derivative = claims.derivative_of_rounding(w)
    assert set(np.unique(derivative)) <= {0.0, s / 2e-6}


def test_a_range_too_small_and_one_too_large_are_both_worse_than_the_best():
    w = gaussian_weights()
    (_, narrow), (_, best), (_, wide) = map(
        claims.range_and_db,
        (claims.smallest_range, claims.best_range, lambda w, bits: float(np.abs(w).max())),
    )
    assert narrow < best - 3 and wide < best - 2
    assert np.abs(claims.clipped_and_rounded(w, 0.05, 4)).max() == pytest.approx(0.05)


def test_every_multiplication_is_counted():
    x, codes = np.ones((3, 4)), np.arange(8.0).reshape(4, 2)
    scaled_first = costs.Counted(0.5)
    counted = np.frompyfunc(costs.Counted, 1, 1)
    for product, wanted in (
        (costs.restored_then_multiplied, 4 * 2 + 3 * 4 * 2),
        (costs.multiplied_then_scaled, 3 * 4 * 2 + 3 * 2),
    ):
        costs.Counted.multiplications = 0
        y = product(counted(x), counted(codes), scaled_first)
        assert costs.Counted.multiplications == wanted
        assert np.array_equal(y.astype(float), x @ codes * 0.5)


def test_finer_steps_with_a_bit_more_reach_as_far():
    assert claims.range_by_both(0.5, 5) > claims.range_by_both(1, 4)


@pytest.mark.oracle
def test_torch_refuses_to_change_a_leaf_in_place():
    import torch

    leaf = torch.nn.Parameter(torch.ones(2, 3))
    with pytest.raises(RuntimeError, match="in-place"):
        calls.changed_in_place({"w": leaf}, torch.zeros_like)


@pytest.mark.oracle
def test_torch_s_byte_cast_leaves_the_same_codes():
    import torch

    from minilm.course.published.casts import cast_to_bytes

    w = gaussian_weights()
    theirs = (torch.from_numpy(w) * (127 / 64) - 127 / 128).to(torch.int64).byte().numpy()
    assert np.array_equal(theirs, cast_to_bytes(w))
