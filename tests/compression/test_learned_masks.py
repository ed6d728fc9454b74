import numpy as np
import pytest

from minilm.compression import prune, quantize
from minilm.compression.views import add_scores, learned_masks, prune_by_scores
from minilm.models import LSTMLanguageModel
from minilm.training import AdamW, cross_entropy_loss, fit, warmup_cosine
from minilm.weights import SparseTensor


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_the_mask_and_the_gradients_by_hand():
    params = {
        "w": np.array([[1, -2], [3, 4]], np.float32),
        "w:score": np.array([[0.3, -5], [-0.1, 0.2]], np.float32),
        "b": np.ones(2, np.float32),
    }
    seen, pullback = learned_masks(0.5)(params, 0)
    assert seen["w"].tolist() == [[1, 0], [0, 4]]
    grads = pullback({"w": np.array([[10, 20], [30, 40]], np.float32), "b": np.ones(2, np.float32)})
    assert list(grads) == ["b", "w:score"]  # the weights are not trained
    assert grads["w:score"].tolist() == [[10, -40], [90, 160]]  # of those left out, too


def test_gradients_come_in_the_order_of_the_parameters():
    """A norm over all of them is summed in this order: the same bits in every run."""
    names = [f"w{i}" for i in range(12)]
    params = add_scores({name: normal(2, 2) for name in names}, seed=0)
    grads = learned_masks(0.5)(params, 0)[1]({name: normal(2, 2) for name in reversed(names)})
    assert list(grads) == [f"{name}:score" for name in names]
    assert learned_masks(0.5)(params, 0)[1]({"w3": normal(2, 2)}).keys() == {"w3:score"}


@pytest.mark.parametrize("sparsity", [0.0, 0.3, 0.9, 1.0])
def test_exactly_so_many_are_kept_and_pruned_so(sparsity):
    params = add_scores({"token_embedding": normal(10, 7), "b": normal(3)}, seed=1)
    seen, _ = learned_masks(sparsity)(params, 0)
    assert np.count_nonzero(seen["token_embedding"]) == 70 - round(sparsity * 70)
    sparse = prune_by_scores(params, sparsity)
    assert sparse.keys() == {"token_embedding", "b"}
    assert isinstance(sparse["token_embedding"], SparseTensor)
    np.testing.assert_array_equal(sparse["token_embedding"].dense(), seen["token_embedding"])


def test_scores_drawn_and_scores_of_magnitude():
    params = {"w": normal(24, 50), "b": normal(50), "frozen": quantize(normal(4, 4), 4)}
    drawn = add_scores(params, seed=3)
    assert drawn.keys() == {*params, "w:score"}
    assert drawn["w:score"].dtype == np.float32
    assert 0.49 < np.abs(drawn["w:score"]).max() <= 0.5  # √(6 / 24)
    assert abs(drawn["w:score"].mean()) < 0.05
    np.testing.assert_array_equal(drawn["w:score"], add_scores(params, seed=3)["w:score"])
    seen, _ = learned_masks(0.4)(add_scores(params), 0)
    np.testing.assert_array_equal(seen["w"], prune({"w": params["w"]}, 0.4)["w"].dense())


def test_what_is_refused():
    with pytest.raises(ValueError, match="sparsity"):
        learned_masks(1.5)
    with pytest.raises(ValueError, match="sparsity"):
        prune_by_scores({}, -0.1)
    with pytest.raises(ValueError, match="add_scores"):
        learned_masks(0.5)({"w": normal(2, 2)}, 0)
    with pytest.raises(ValueError, match="w:score must have the shape"):
        learned_masks(0.5)({"w": normal(2, 2), "w:score": normal(2, 1)}, 0)
    bad = {"w": normal(2, 2), "w:score": np.full((2, 2), np.nan, np.float32)}
    with pytest.raises(ValueError, match="w:score must be finite"):
        prune_by_scores(bad, 0.5)
    with pytest.raises(ValueError, match="w must be finite"):
        prune_by_scores({"w": bad["w:score"], "w:score": bad["w"]}, 0.5)
    with pytest.raises(ValueError, match="finite"):
        add_scores({"w": np.full((2, 2), np.nan, np.float32)})


MODEL = LSTMLanguageModel(vocab_size=7, width=48)


def batch(step):
    """A text with a rule: the next letter is one further on."""
    start = np.random.default_rng(step).integers(0, 7, (8, 1))
    tokens = ((start + np.arange(9)) % 7).astype(np.int32)
    return tokens[:, :-1], tokens[:, 1:]


def loss_of(params):
    total, _, count = cross_entropy_loss(MODEL, params, batch(999), None)
    return total / count


def test_a_network_of_random_weights_learns_by_choosing_among_them():
    start = add_scores(MODEL.init(0), seed=0)
    trained, _ = fit(
        MODEL, start, batch, steps=150, view=learned_masks(0.5), optimizer=AdamW(weight_decay=0),
        schedule=warmup_cosine(5e-2, warmup=10, steps=150),
    )  # fmt: skip
    for name in ("token_embedding", "lstm.0.w_x", "lstm.0.w_h"):
        np.testing.assert_array_equal(trained[name], start[name])
    at_random = loss_of(prune_by_scores(start, 0.5))
    assert at_random > 1.9  # log 7 = 1.95
    assert loss_of(prune_by_scores(trained, 0.5)) < 0.5


def test_a_run_goes_on_from_its_checkpoint_bit_for_bit(tmp_path):
    path = tmp_path / "run.npz"
    how = {"view": learned_masks(0.5), "schedule": warmup_cosine(2e-3, warmup=2, steps=8)}
    start = add_scores(MODEL.init(0), seed=0)
    whole, _ = fit(MODEL, start, batch, steps=8, **how)
    fit(MODEL, start, batch, steps=3, checkpoint=path, **how)
    resumed, _ = fit(MODEL, start, batch, steps=8, checkpoint=path, **how)
    for name, w in whole.items():
        np.testing.assert_array_equal(resumed[name], w)
