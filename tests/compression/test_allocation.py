"""Bits by water-filling and by greedy gain: by hand, against the best of all, and refused."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minilm.compression import prune, quantize
from minilm.compression.allocation import (
    Choice,
    convex_hull,
    error_damage,
    gather_gradients,
    greedy,
    loss_damage,
    mixed_precision,
    sensitivities,
    water_filling_bits,
)
from minilm.models import TransformerLanguageModel
from minilm.weights import HalfTensor, QuantizedTensor, SparseTensor, nbytes


def test_water_filling_by_hand():
    # variances 16 and 1, as many weights: half of log2(16 / 4) = 1 bit more, 1 bit less
    assert water_filling_bits([16, 1], [100, 100], 3).tolist() == [4, 2]
    # b = ½·log2 v − level, and 3·(level) = 3·(0) + 1·(2) − 4·1
    np.testing.assert_allclose(water_filling_bits([1, 16], [300, 100], 1), [0.5, 2.5])


def test_what_lies_under_water_gets_no_bits_and_the_budget_is_spent():
    bits = water_filling_bits([1e-12, 4, 1], [50, 50, 50], 1)
    assert bits[0] == 0
    np.testing.assert_allclose(bits[1:], [2, 1])


@given(st.lists(st.tuples(st.floats(1e-6, 1e6), st.integers(1, 1000)), min_size=1, max_size=6),
       st.floats(0, 8))  # fmt: skip
def test_water_filling_is_the_least_of_its_neighbours(weights, mean):
    variances, sizes = map(np.array, zip(*weights, strict=True))
    bits = water_filling_bits(variances, sizes, mean)
    assert bits.min() >= 0
    assert sizes @ bits == pytest.approx(mean * sizes.sum(), abs=1e-6)

    def cost(b):
        return (sizes * variances * 2.0 ** (-2 * b)).sum()

    for i, j in itertools.permutations(range(len(bits)), 2):
        moved = bits.copy()  # a little from one to the other, as many bits altogether
        step = min(1e-3 / sizes[i], bits[i] / sizes[i]) * min(sizes)
        moved[i] -= step
        moved[j] += step * sizes[i] / sizes[j]
        assert cost(bits) <= cost(moved) * (1 + 1e-9)


def made(*points):
    return [Choice(str(i), None, size, damage) for i, (size, damage) in enumerate(points)]


def test_the_hull_by_hand():
    hull = convex_hull(made((1, 10), (2, 9), (3, 2), (4, 3), (5, 1)))
    assert [(c.size, c.damage) for c in hull] == [(1, 10), (3, 2), (5, 1)]


def test_greedy_by_hand():
    # first a's upgrade (9 a byte), then b's (3 a byte), then nothing that fits
    choices = {"a": made((1, 10), (2, 1)), "b": made((1, 7), (3, 1)), "c": made((1, 1), (4, 0))}
    taken = greedy(choices, 6)
    assert {name: choice.size for name, choice in taken.items()} == {"a": 2, "b": 3, "c": 1}


def test_after_an_upgrade_that_does_not_fit_none_of_that_weight_follows():
    taken = greedy({"a": made((1, 10), (5, 2), (6, 1))}, 2)
    assert taken["a"].size == 1


@given(st.lists(st.lists(st.tuples(st.integers(1, 20), st.floats(0, 10)), min_size=1, max_size=4),
                min_size=1, max_size=4), st.integers(0, 60))  # fmt: skip
def test_greedy_is_the_best_of_all_that_cost_what_it_spends(table, extra):
    choices = {str(i): made(*points) for i, points in enumerate(table)}
    budget = sum(min(c.size for c in options) for options in choices.values()) + extra
    taken = greedy(choices, budget)
    spent, damage = (sum(getattr(c, field) for c in taken.values()) for field in ("size", "damage"))
    assert spent <= budget
    # no upgrade that would have come first was left out, unless something did not fit
    left_out = any(
        len(hull) > hull.index(taken[name]) + 1
        for name, hull in ((n, convex_hull(o)) for n, o in choices.items())
    )
    best = min(
        sum(c.damage for c in combination)
        for combination in itertools.product(*choices.values())
        if sum(c.size for c in combination) <= spent
    )
    if not left_out:
        assert damage == pytest.approx(best)
    assert damage >= best - 1e-9


def test_greedy_is_optimal_at_each_budget_that_its_upgrades_spend():
    rng = np.random.default_rng(0)
    choices = {str(i): made(*((s, float(v)) for s, v in zip(
        (1, 2, 4, 8), np.sort(rng.exponential(size=4))[::-1], strict=True))) for i in range(4)}
    hulls = {name: convex_hull(options) for name, options in choices.items()}
    upgrades = sorted(((a.damage - b.damage) / (b.size - a.size), b.size - a.size)
                      for hull in hulls.values() for a, b in itertools.pairwise(hull))[::-1]
    spent = sum(hull[0].size for hull in hulls.values())
    for _, size in upgrades:
        spent += size
        damage = sum(c.damage for c in greedy(choices, spent).values())
        assert damage == pytest.approx(min(
            sum(c.damage for c in combination) for combination in itertools.product(
                *choices.values()) if sum(c.size for c in combination) <= spent))


def test_upgrades_of_equal_gain_are_one():
    line = made((1, 10), (2, 8), (3, 6))
    assert [c.size for c in convex_hull(line)] == [1, 3]
    assert greedy({"a": line}, 3)["a"].size == 3


def test_a_budget_too_small_says_what_is_possible():
    with pytest.raises(ValueError, match="at least 7 bytes"):
        greedy({"a": made((7, 1), (9, 0))}, 6)


def params():
    rng = np.random.default_rng(0)
    return {
        "loud": rng.standard_normal((16, 8)).astype(np.float32),
        "quiet": rng.standard_normal((16, 8)).astype(np.float32),
        "bias": np.zeros(8, np.float32),
    }


CHOICES = {str(bits): {"bits": bits} for bits in (2, 4, 8)} | {"float": {}}


def test_the_sensitive_weight_gets_more_bits():
    floats = params()
    damage = error_damage(floats, {"loud": 100.0, "quiet": 1.0})
    mixed = mixed_precision(floats, CHOICES, damage, budget=32 + 96 + 64)
    assert mixed["loud"].bits > mixed["quiet"].bits
    assert nbytes(mixed) <= 32 + 96 + 64
    assert mixed["bias"] is floats["bias"]


def halved_squares(model, params, batch, rng):
    """Σ ½(x·w − y)²."""
    x, y = batch
    error = x @ params["w"] - y
    return float(np.square(error).sum() / 2), {"w": x.T @ error, "b": error.sum(0)}, len(x)


def test_sensitivities_by_hand():
    params = {"w": np.array([[1.0], [0.0]])}
    batches = [(np.array([[1.0, 2], [1, 0]]), np.array([[0.0], [2]])),  # errors 1 and −1
               (np.array([[0.0, 3]]), np.array([[-1.0]]))]  # 1
    # gradients of the sums: (1 − 1, 2) and (0, 3), of three terms
    assert sensitivities(None, params, batches, loss=halved_squares) == {"w": (2 + 4.5) / 3}


@pytest.mark.parametrize("terms", [1, 16])
def test_damage_by_sensitivity_is_the_rise_of_the_loss(terms):
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((40_000, 6)), rng.standard_normal((6, 1))
    y = x @ w + rng.standard_normal((len(x), 1))
    batches = [(x[i : i + terms], y[i : i + terms]) for i in range(0, len(x), terms)]
    found = sensitivities(None, {"w": w}, batches, loss=halved_squares)
    moved = w + 0.1 * rng.standard_normal(w.shape)

    def mean_loss(params):
        return halved_squares(None, params, (x, y), None)[0] / len(x)

    measured = loss_damage({"w": w}, mean_loss)("w", moved)
    assert error_damage({"w": w}, found)("w", moved) == pytest.approx(measured, rel=0.1)


def test_sensitivities_of_a_model():
    model = TransformerLanguageModel(vocab_size=7, width=8, layers=1, heads=2, context=4)
    params, ids = model.init(0), np.random.default_rng(0).integers(0, 7, (3, 5))
    batches = [(row[None, :-1], row[None, 1:]) for row in ids]
    found = sensitivities(model, params, batches)
    assert found.keys() == {name for name, w in params.items() if w.ndim == 2}
    assert all(g > 0 for g in found.values())
    packed = quantize(params, {"block.0.attention.w_qkv": 4})
    assert found.keys() >= sensitivities(model, packed, batches).keys()


def test_half_floats_are_a_choice_between_codes_and_floats():
    """Of 448 bytes 32 are the bias's and 160 the least for the quiet one: 256 are left."""
    floats = params()
    choices = {"8": {"bits": 8}, "fp16": {"bits": 16, "grid": "fp16"}, "float": {}}
    damage = error_damage(floats, {"loud": 1e6, "quiet": 1e-6})
    mixed = mixed_precision(floats, choices, damage, budget=32 + 256 + 160)
    assert isinstance(mixed["loud"], HalfTensor) and mixed["loud"].nbytes == 256
    assert isinstance(mixed["quiet"], QuantizedTensor)


def test_with_bytes_enough_all_stays_float():
    floats = params()
    damage = error_damage(floats, {"loud": 1.0, "quiet": 1.0})
    mixed = mixed_precision(floats, CHOICES, damage, budget=nbytes(floats))
    assert all(mixed[name] is floats[name] for name in floats)


def test_damage_is_the_rise_of_the_loss():
    floats = params()
    damage = loss_damage(floats, lambda p: float(np.abs(p["loud"]).sum()))
    assert damage("loud", np.zeros((16, 8))) == pytest.approx(-np.abs(floats["loud"]).sum())
    assert damage("quiet", np.zeros((16, 8))) == 0


@pytest.mark.parametrize("call, said", [
    (lambda: water_filling_bits([1, 0], [1, 1], 3), "variances must be positive"),
    (lambda: water_filling_bits([1, math.nan], [1, 1], 3), "variances must be positive"),
    (lambda: water_filling_bits([1], [1], -1), "mean_bits must be 0 or more"),
    (lambda: water_filling_bits([1, 2], [1], 1), r"\(k,\), one for each weight, got \(2,\) and"),
    (lambda: water_filling_bits([1, 2], [1, 0], 1), "sizes must be positive"),
    (lambda: water_filling_bits([], [], 1), "variances must be positive"),
    (lambda: sensitivities(None, {}, []), "batches must hold at least one term"),
    (lambda: sensitivities(None, {"w": np.ones((1, 1))}, [(np.ones((1, 1)), np.full(1, np.nan))],
                           loss=halved_squares), "gradient of w must be finite"),
    (lambda: error_damage({"w": np.ones(2)}, {"v": 1.0})("w", np.ones(2)), "must hold w, got v"),
    (lambda: mixed_precision(params(), CHOICES, lambda n, w: 0.0, budget=9),
     "at least 160 bytes, of which 32 stay as they are, got 9"),
    (lambda: mixed_precision(params(), {}, lambda n, w: 0.0, budget=10**6), "one choice or more"),
    (lambda: mixed_precision(params(), CHOICES, lambda n, w: math.nan, budget=10**6),
     "damage of loud at '2' must be finite"),
])  # fmt: skip
def test_what_is_refused(call, said):
    with pytest.raises(ValueError, match=said):
        call()


def test_a_budget_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match="budget must be at least"):
        greedy({"a": made((7, 1), (9, 0))}, math.nan)
    with pytest.raises(ValueError, match="budget must be at least"):
        mixed_precision(params(), CHOICES, lambda n, w: 0.0, budget=math.nan)
    with pytest.raises(ValueError, match="one or more for each weight, got none for b"):
        greedy({"a": made((7, 1)), "b": []}, 9)


def test_what_is_pruned_is_given_bits_too():
    floats = params()
    pruned = {**floats, "loud": prune(floats["loud"], 0.5)}
    damage = error_damage(pruned, {"loud": 1e4, "quiet": 1.0})
    assert damage("loud", pruned["loud"]) == 0
    choices = {str(bits): {"bits": bits, "axis": "tensor"} for bits in (2, 4, 8)}
    mixed = mixed_precision(pruned, choices, damage, budget=32 + 84 + 40)
    assert isinstance(mixed["loud"], SparseTensor)
    assert not mixed["loud"].dense()[~pruned["loud"].kept].any()
    assert mixed["loud"].values.bits > mixed["quiet"].bits


def test_gradients_are_gathered_in_float64():
    """Of many batches: squares of float32 would be lost beside the sum."""
    found = gather_gradients(
        None, {}, [None], loss=lambda *_: (0.0, {"w": np.full((1, 2), 1e-30, np.float32)}, 1)
    )["w"]
    assert found.mean.dtype == found.mean_square.dtype == np.float64
    assert found.mean_square.min() > 0
