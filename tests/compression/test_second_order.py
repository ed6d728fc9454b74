import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minilm.compression.second_order import damped, feedback, inverse_diagonal, sweep

STEP = 0.5


def to_grid(place, values):
    return np.clip(np.rint(values / STEP), -3, 3) * STEP


def problem(n, out, samples=None, seed=0, dtype=np.float64):
    """w (n, out) and XᵀX of correlated inputs."""
    rng = np.random.default_rng([seed, n, out])
    x = rng.normal(size=(samples or 4 * n, n)) @ (np.eye(n) + 0.4 * rng.normal(size=(n, n)))
    return rng.normal(size=(n, out)).astype(dtype), x.T @ x


def loss(w, w_hat, h):
    return np.einsum("io,ij,jo->", w - w_hat, h, w - w_hat)


def optimal_brain_quantizer(w, h, order):
    """The published algorithm, row by row: e_j = (w_j − q_j) / U_jj, w_{j:} −= U_{j,j:}ᵀ e_j."""
    w, h = w[order].copy(), h[np.ix_(order, order)]
    u = np.linalg.cholesky(np.linalg.inv(h)).T  # H⁻¹ = UᵀU
    q, e = np.empty_like(w), np.empty_like(w)
    for j in range(len(w)):
        q[j] = to_grid(j, w[j])
        e[j] = (w[j] - q[j]) / u[j, j]
        w[j:] -= np.outer(u[j, j:], e[j])
    back = np.argsort(order)
    return q[back], np.square(e).sum()


def test_two_weights_by_hand():
    """The first is rounded down by 0.2; H says the second counts for it half, and takes 0.1."""
    w = np.array([[1.2], [2.42]])
    gram = np.array([[2.0, 1.0], [1.0, 2.0]])
    whole = sweep(w, gram, lambda place, values: np.rint(values), damping=0)
    assert whole.tolist() == [[1.0], [3.0]]  # 2.42 + 0.2·½ = 2.52
    assert np.rint(w).tolist() == [[1.0], [2.0]]


@given(st.integers(1, 24), st.integers(1, 4), st.integers(0, 10**6), st.booleans())
def test_is_the_published_algorithm_and_its_errors_are_the_loss(n, out, seed, shuffled):
    w, gram = problem(n, out, seed=seed)
    order = np.random.default_rng(seed).permutation(n) if shuffled else np.arange(n)
    h = damped(gram, 0.01)
    expected, errors = optimal_brain_quantizer(w, h, order)
    met = []

    def project(place, values):
        met.append(values)
        return to_grid(place, values)

    found = sweep(w, gram, project, order=order)
    np.testing.assert_allclose(found, expected, atol=1e-9)
    np.testing.assert_allclose(loss(w, found, h), errors, rtol=1e-7)  # Σ e² = tr(E H Eᵀ)
    # e_j = r_j / U_jj, and 1 / U_jj² is D_jj of H = M D Mᵀ
    u = np.linalg.cholesky(np.linalg.inv(h[np.ix_(order, order)])).T
    left = np.concatenate(met) - found[order]
    np.testing.assert_allclose(np.square(left / np.diag(u)[:, None]).sum(), errors, rtol=1e-7)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_diagonal_gram_is_rounding_to_nearest_bit_for_bit(dtype):
    w, _ = problem(300, 7, dtype=dtype)
    gram = np.diag(np.random.default_rng(0).uniform(0.1, 9, 300))
    for order in (None, np.random.default_rng(1).permutation(300)):
        found = sweep(w, gram, to_grid, order=order)
        np.testing.assert_array_equal(found, to_grid(None, w))
        assert found.dtype == dtype


def test_blocks_change_nothing():
    w, gram = problem(150, 9)
    whole = sweep(w, gram, to_grid, block=150)
    for block in (1, 7, 64, 149, 1000):
        np.testing.assert_array_equal(sweep(w, gram, to_grid, block=block), whole)


def test_makes_good_what_rounding_spoils():
    losses = []
    for seed in range(50):
        w, gram = problem(40, 12, seed=seed)
        found = sweep(w, gram, to_grid), to_grid(None, w)
        losses.append([loss(w, w_hat, gram) for w_hat in found])
    ours, nearest = np.transpose(losses)
    assert (ours < nearest).all()  # of layers: of single channels that is no theorem
    assert np.mean(ours / nearest) < 0.8


def test_a_projection_that_keeps_everything_keeps_everything():
    w, gram = problem(20, 3)
    np.testing.assert_array_equal(sweep(w, gram, lambda place, values: values), w)


def test_can_prune():
    """Rows that may not be used are made good by the others: least squares, if these are free."""
    w, gram = problem(30, 4)
    gone = np.arange(30) < 12
    found = sweep(w, gram, lambda place, values: values * ~gone[place][:, None], damping=0)
    kept = np.linalg.solve(gram[~gone][:, ~gone], gram[~gone] @ w)
    np.testing.assert_allclose(found[~gone], kept, rtol=1e-6, atol=1e-8)
    assert not found[gone].any()


@pytest.mark.parametrize("block", [1, 5, 8, 30])
def test_before_a_block_its_rows_are_told_as_they_will_be_if_all_are_kept(block):
    w, gram = problem(30, 4)
    gone, order = np.arange(30) < 8, np.random.default_rng(0).permutation(30)
    order = np.concatenate([order[order < 8], order[order >= 8]])
    told = {}

    def note(rows, values, costs):
        for row, value, cost in zip(rows, values, costs, strict=True):
            told[int(row)] = value.copy(), cost

    def without(place, values):
        return values * ~gone[place][:, None]

    found = sweep(w, gram, without, order=order, block=block, before_block=note)
    assert list(told) == order.tolist()
    for row in range(8, 30):  # of which all are kept
        if row in order[-(-8 // block) * block :]:  # and whose block began after the last was gone
            np.testing.assert_allclose(told[row][0], found[row], atol=1e-9)
    u = np.linalg.cholesky(np.linalg.inv(damped(gram)[np.ix_(order, order)])).T
    np.testing.assert_allclose([told[row][1] for row in order], 1 / np.diag(u) ** 2, rtol=1e-9)


def test_the_diagonal_of_the_inverse():
    _, gram = problem(12, 1)
    np.testing.assert_allclose(
        inverse_diagonal(gram, 0.05), np.diag(np.linalg.inv(damped(gram, 0.05))), rtol=1e-9
    )
    np.testing.assert_allclose(inverse_diagonal(np.diag([4.0, 0.5]), 0), [0.25, 2])


def test_inputs_that_were_always_zero():
    w, gram = problem(12, 3)
    dead = np.arange(12) % 3 == 1
    gram[dead], gram[:, dead] = 0, 0
    found = sweep(w, gram, to_grid)
    np.testing.assert_array_equal(found[dead], to_grid(None, w[dead]))
    # to the others it is as if these were not there, but for the mean that λ is measured by
    alive = sweep(w[~dead], gram[~dead][:, ~dead], to_grid, damping=0.01 * 8 / 12)
    np.testing.assert_array_equal(found[~dead], alive)
    undamped = sweep(w, gram, to_grid, damping=0)  # which is no reason to be damped, and say so
    np.testing.assert_array_equal(undamped[dead], to_grid(None, w[dead]))
    np.testing.assert_array_equal(sweep(w, np.zeros((12, 12)), to_grid), to_grid(None, w))


def test_damping_is_the_same_for_all_channels():
    h = damped(np.array([[4.0, 1.0], [1.0, 2.0]]), 0.1)
    np.testing.assert_allclose(h, [[4.3, 1], [1, 2.3]])  # a tenth of the mean, 3
    h = damped(np.diag([4.0, 0.0]), 0.1)
    np.testing.assert_allclose(h, np.diag([4.2, 2]))  # what was always 0 gets the mean itself


def test_damped_ten_times_as_much_until_it_is_positive_definite():
    with pytest.warns(RuntimeWarning, match="damping 1e-05 was used"):
        feedback(np.array([[1, 1 + 3e-6], [1 + 3e-6, 1]]), damping=0)


def test_too_few_rows_are_damped_and_said():
    w, gram = problem(30, 4, samples=10)
    gram = gram.astype(np.float32).astype(np.float64)  # rank 10, and rounded
    with pytest.warns(RuntimeWarning, match=r"not positive definite: damping 1e-0\d was used"):
        found = sweep(w, gram, to_grid, damping=0)
    assert np.isfinite(found).all()
    sweep(w, gram, to_grid)  # the usual damping suffices, and nothing is said
    with pytest.raises(ValueError, match="gram must be XᵀX"):
        feedback(np.array([[1.0, 1e9], [1e9, 1.0]]))
    with pytest.warns(RuntimeWarning, match="damping 1000 was used"):  # 10⁴ is the last to be tried
        feedback(np.array([[1.0, 500.0], [500.0, 1.0]]))


def test_does_not_touch_its_inputs():
    w, gram = problem(10, 3)
    kept = w.copy(), gram.copy()
    sweep(w, gram, to_grid)
    np.testing.assert_array_equal(w, kept[0])
    np.testing.assert_array_equal(gram, kept[1])


def test_bad_input_is_refused():
    w, gram = problem(5, 2)
    for bad, message in (
        ({"gram": gram[:4, :4]}, r"\(n, out\) and \(n, n\), got \(5, 2\) and \(4, 4\)"),
        ({"w": w[:, 0]}, r"got \(5,\)"),
        ({"block": 0}, "block must be at least 1, got 0"),
        ({"order": [0, 1, 2, 3, 3]}, "order must be a permutation"),
        ({"order": [0, 1]}, "order must be a permutation"),
        ({"damping": -1}, "damping must be a finite number of at least 0, got -1"),
        ({"gram": np.where(gram > 0, np.nan, gram)}, "gram must be finite"),
        ({"gram": -gram}, "nowhere negative"),
        ({"gram": np.triu(gram)}, "gram must be symmetric"),
        ({"w": np.float32(1)}, r"got \(\)"),
        ({"w": w[:0], "gram": gram[:0, :0]}, r"got \(0, 2\)"),
        ({"w": np.where(w > 0, np.nan, w)}, "w must be finite"),
        ({"order": [0.0, 1.0, 2.0, 3.0, 4.0]}, "order must be a permutation"),
    ):
        arguments = {"w": w, "gram": gram, "project": to_grid, **bad}
        with pytest.raises(ValueError, match=message):
            sweep(**arguments)
    with pytest.raises(TypeError, match="w must be of floats, got dtype int64"):
        sweep(w.astype(np.int64), gram, to_grid)


@pytest.mark.parametrize("size", [2.0**-1040, 2.0**-60, 2.0**1023])
def test_the_size_of_the_gram_is_immaterial(size):
    w, gram = problem(24, 8)
    gram /= 2 * gram.max()
    np.testing.assert_allclose(
        sweep(w, gram * size, to_grid), sweep(w, gram, to_grid), atol=STEP / 4
    )


@pytest.mark.slow
def test_a_thousand_by_a_thousand_takes_seconds():
    w, gram = problem(1024, 1024, dtype=np.float32)
    start = time.perf_counter()
    sweep(w, gram, to_grid)
    assert time.perf_counter() - start < 5  # 0.1 s on a quiet core


def test_rows_are_projected_in_the_precision_of_the_weights():
    w, gram = problem(10, 3, dtype=np.float32)
    kinds = []
    sweep(w, gram, lambda place, values: kinds.append(values.dtype) or values, block=4)
    assert set(kinds) == {np.dtype(np.float32)}
