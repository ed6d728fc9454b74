"""Scores: by hand, the reductions OBS → Wanda → magnitude, and what is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minilm.compression import keep_masks, prune
from minilm.compression.allocation import Gradients
from minilm.compression.pruning.scores import SCORES, Known, obs, wanda
from minilm.weights import Seen


def rng(seed=0):
    return np.random.default_rng(seed)


def seen(x):
    found = Seen(x.shape[-1])
    found.add(x)
    return found


def correlated(n, rows, seed=0):
    """X (rows, n), its columns of different sizes and correlated."""
    mixed = rng(seed).normal(size=(rows, n)) @ (np.eye(n) + 0.5 * rng(seed + 1).normal(size=(n, n)))
    return mixed * np.exp(rng(seed + 2).normal(size=n))


W = np.array([[1, -4], [2, 3]], np.float32)


def score(name, w=W, **known):
    return SCORES[name].of(w, Known("w", rng(), **known))


def test_by_hand():
    assert score("magnitude").tolist() == [[1, 4], [2, 3]]
    gram = np.array([[9.0, 2], [2, 4]])  # ‖X_1‖ = 3, ‖X_2‖ = 2
    assert score("wanda", gram=gram).tolist() == [[3, 12], [4, 6]]
    slopes = np.array([[-1.0, 0], [2, 0.5]])
    assert score("taylor", gradient=slopes).tolist() == [[1, 0], [4, 1.5]]
    assert score("obd", fisher=slopes**2).tolist() == [[0.5, 0], [8, 1.125]]
    # [H⁻¹] of [[2, 1], [1, 2]] is [[2, −1], [−1, 2]] / 3
    h = np.array([[2.0, 1], [1, 2]])
    np.testing.assert_allclose(score("obs", gram=h, damping=0), W**2 * 1.5, rtol=1e-12)


@given(st.integers(2, 12), st.integers(0, 10**6))
def test_obs_is_the_loss_when_all_others_of_the_column_make_up_for_it(n, seed):
    x = correlated(n, 4 * n, seed)
    h, w = x.T @ x, rng(seed).normal(size=(n, 1))
    j = seed % n
    others = np.arange(n) != j
    change = np.linalg.solve(h[others][:, others], h[others, j] * w[j, 0])
    lost = x[:, j] * w[j, 0] - x[:, others] @ change
    np.testing.assert_allclose(
        obs(w, Known("w", rng(), h, damping=0))[j, 0], np.square(lost).sum(), rtol=1e-4
    )


@given(st.integers(1, 16), st.integers(1, 5), st.integers(0, 10**6))
def test_obs_of_a_diagonal_h_is_the_square_of_wanda_and_of_the_identity_magnitude(n, out, seed):
    w = rng(seed).normal(size=(n, out))
    known = Known("w", rng(), np.diag(rng(seed).uniform(0.1, 9, n)), damping=0)
    np.testing.assert_allclose(obs(w, known), wanda(w, known) ** 2, rtol=1e-12)
    alike = Known("w", rng(), 3.0 * np.eye(n), damping=0)
    np.testing.assert_allclose(obs(w, alike), 3 * w**2, rtol=1e-12)
    np.testing.assert_allclose(wanda(w, alike), np.sqrt(3) * np.abs(w), rtol=1e-12)


@pytest.mark.parametrize("scope", ["local", "output", "global"])
def test_masks_reduce_alike(scope):
    w, sizes = rng().normal(size=(24, 10)).astype(np.float32), np.arange(1.0, 25)
    apart = np.diag(sizes)  # rows of X that are unit vectors, of different lengths
    masks = {
        name: keep_masks({"w": w}, 0.5, score=name, scope=scope, calibration={"w": apart},
                         damping=0)["w"] for name in ("obs", "wanda")
    }  # fmt: skip
    np.testing.assert_array_equal(masks["obs"], masks["wanda"])
    plain = keep_masks({"w": w}, 0.5, scope=scope)["w"]
    assert (masks["wanda"] != plain).any()
    for name in ("obs", "wanda"):
        alike = keep_masks({"w": w}, 0.5, score=name, scope=scope, calibration={"w": np.eye(24)})
        np.testing.assert_array_equal(alike["w"], plain)


def test_what_was_never_seen_is_worth_nothing():
    """A weight whose input is always 0 goes first, however large it is."""
    x = correlated(8, 60)
    x[:, 3] = 0
    w = rng().normal(size=(8, 5)).astype(np.float32)
    w[3] = 100
    for name in ("wanda", "obs"):
        assert not prune(w, 1 / 8, score=name, calibration=x).dense()[3].any()
        for block in (None, 8) if name == "obs" else (None,):
            pruned = prune(w, 1 / 8, score=name, calibration=x, compensate=True, block=block)
            assert not pruned.dense()[3].any()


def test_a_table_is_seen_as_the_head_uses_it():
    """E (V, D) multiplies as h @ E.T: its calibration is of width D, its outputs are rows."""
    table = rng().normal(size=(7, 4)).astype(np.float32)
    h = correlated(4, 50)
    by_rows = keep_masks({"token_embedding": table}, 0.5, score="wanda", scope="output",
                         calibration={"token_embedding": seen(h)})["token_embedding"]
    as_weight = keep_masks({"w": np.ascontiguousarray(table.T)}, 0.5, score="wanda",
                           scope="output", calibration={"w": seen(h)})["w"]
    np.testing.assert_array_equal(by_rows, as_weight.T)
    assert (by_rows.sum(axis=1) == 2).all()


def test_a_table_that_multiplies_nothing_goes_by_magnitude():
    table = rng().normal(size=(7, 4)).astype(np.float32)
    for name in ("wanda", "obs"):
        pruned = prune({"position_embedding": table}, 0.5, score=name, calibration={})
        np.testing.assert_array_equal(pruned["position_embedding"].dense(),
                                      prune(table, 0.5).dense())


def test_random_is_drawn_by_its_seed():
    params = {"a": rng().normal(size=(20, 20)), "b": rng(1).normal(size=(20, 20))}
    masks = [keep_masks(params, 0.5, score="random", seed=seed) for seed in (3, 3, 4)]
    assert masks[0]["a"].sum() == 200
    for name in "ab":
        np.testing.assert_array_equal(masks[0][name], masks[1][name])
        assert (masks[0][name] != masks[2][name]).any()
    assert (masks[0]["a"] != masks[0]["b"]).any()
    kept = np.abs(params["a"][masks[0]["a"]])  # whatever the size
    assert abs(kept.mean() / np.abs(params["a"]).mean() - 1) < 0.1


def test_random_rows_of_any_length_are_as_likely():
    params = {"long": np.ones((500, 100), np.float32), "short": np.ones((500, 2), np.float32)}
    kept = keep_masks(params, 0.9, score="random", structure="row", scope="global")
    assert 20 < kept["long"][:, 0].sum() < 80  # of 50


def test_groups_add_up_what_their_numbers_would_cost():
    fisher = np.array([[1.0, 1], [0, 3]])
    gradients = Gradients(np.zeros((2, 2)), fisher)
    w = np.ones((2, 2), np.float32)  # rows cost 2/2 and 3/2
    assert prune(w, 0.5, score="obd", structure="row", gradients=gradients).dense().tolist() == [
        [0, 0], [1, 1]]  # fmt: skip
    assert prune(w, 0.5, score="obd", structure="column", gradients=gradients).dense().tolist() == [
        [0, 1], [0, 1]]  # fmt: skip


@pytest.mark.parametrize("size", [1e-30, 1e30])  # whose squares are no float32
def test_squares_of_huge_and_tiny_weights_are_told_apart(size):
    w = size * np.array([[1, 2], [3, 4]], np.float32)
    ones = Gradients(np.ones((2, 2)), np.ones((2, 2)))
    known = {"obd": {"gradients": ones}, "obs": {"calibration": np.eye(2)}}
    for name, data in known.items():
        for block in (None, 2) if name == "obs" else (None,):
            pruned = prune(w, 0.5, score=name, block=block, compensate=block is not None, **data)
            assert pruned.kept.tolist() == [[False, False], [True, True]]


def test_scores_that_are_given():
    w = np.ones((2, 3), np.float32)
    given = np.array([[-1.0, 5, 2], [3, 0, 4]])
    assert prune(w, 0.5, score=given).dense().tolist() == [[0, 1, 0], [1, 0, 1]]
    rows = {"w": np.array([[2.0], [1.0]])}
    pruned = prune({"w": w}, 0.5, score=rows, structure="row")["w"].dense()
    assert pruned.tolist() == [[1, 1, 1], [0, 0, 0]]


X = np.ones((5, 2))
ONES = np.ones((2, 3), np.float32)
GRADIENTS = Gradients(np.ones((2, 3)), np.ones((2, 3)))


@pytest.mark.parametrize(
    ("how", "error", "message"),
    [
        ({"score": "wanda"}, ValueError, "score 'wanda' needs to know what multiplies w"),
        ({"score": "obs"}, ValueError, "score 'obs' needs to know what multiplies w"),
        ({"score": "taylor"}, ValueError, "score 'taylor' needs the gradients of w"),
        ({"score": "obd"}, ValueError, "score 'obd' needs the gradients of w"),
        ({"score": "size"}, ValueError, "score must be one of magnitude, random, wanda"),
        ({"score": {"v": ONES}}, ValueError, "score must hold w, got v"),
        ({"score": {"w": ONES.T}}, ValueError, r"score of w must have shape \(2, 3\), got \(3, 2"),
        ({"score": {"w": ONES * np.nan}}, ValueError, "score of w must be finite"),
        ({"score": "wanda", "calibration": {}}, ValueError, "calibration lacks w"),
        ({"score": "wanda", "calibration": {"w": X, "v": X}}, ValueError, "has v, no parameter"),
        ({"score": "wanda", "calibration": {"w": X.T}}, ValueError, "of w must have .* width 2"),
        ({"score": "wanda", "calibration": {"w": X * np.inf}}, ValueError, "w in calibration must"),
        ({"score": "wanda", "calibration": X}, TypeError, "calibration must be a dict by name"),
        ({"score": "obs", "calibration": {"w": X}, "damping": -1}, ValueError, "damping must"),
        ({"score": "obs", "calibration": {"w": X}, "damping": "a"}, ValueError, "damping must"),
        ({"score": "obs", "calibration": {"w": X}, "damping": np.inf}, ValueError, "damping must"),
        ({"score": "obd", "gradients": {"w": Gradients(ONES, prune(ONES, 0.5))}}, TypeError,
         "gradients of w must be an array, got a SparseTensor"),
        ({"score": "obd", "gradients": {}}, TypeError, "gradients of w must be Gradients"),
        ({"score": "obd", "gradients": {"w": ONES}}, TypeError, "gradients of w must be Gradients"),
        ({"score": "obd", "gradients": {"v": GRADIENTS}}, ValueError, "has v, no parameter"),
        ({"score": "obd", "gradients": {"w": Gradients(ONES.T, ONES)}}, ValueError,
         r"gradients of w must have its shape \(2, 3\), got \(3, 2\)"),
        ({"score": "obd", "gradients": {"w": Gradients(ONES, ONES * np.nan)}}, ValueError,
         "score of w must be finite"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_by_name(how, error, message):
    with pytest.raises(error, match=message):
        prune({"w": ONES}, 0.5, **how)
