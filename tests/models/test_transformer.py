import math

import numpy as np
import pytest

from minilm.models import TransformerLanguageModel
from minilm.models.block import block, block_backward, feed_forward, feed_forward_backward
from minilm.nn import (
    attention,
    causal_mask,
    check_gradient,
    check_model_gradient,
    cross_entropy,
)

TOKENS = np.random.default_rng(0).integers(11, size=(3, 5))

SMALL = {"vocab_size": 11, "width": 8, "layers": 2, "heads": 2, "context": 6}
MODELS = {
    "pre-norm": TransformerLanguageModel(**SMALL),
    "post-norm": TransformerLanguageModel(**SMALL, norm="post"),
    "untied": TransformerLanguageModel(**SMALL, tied=False),
}


def test_gradients_of_the_feed_forward():
    rng = np.random.default_rng(0)
    shapes = [(2, 3, 4), (4, 7), (7,), (7, 4), (4,)]
    check_gradient(feed_forward, feed_forward_backward, *map(rng.standard_normal, shapes))


def test_names_and_shapes():
    model = TransformerLanguageModel(7, width=4, layers=1, heads=2, feed_forward=5, tied=False)
    assert {name: p.shape for name, p in model.init(0).items()} == {
        "token_embedding": (7, 4),
        "block.0.norm_1.gain": (4,), "block.0.norm_1.bias": (4,),
        "block.0.attention.w_qkv": (4, 12), "block.0.attention.b_qkv": (12,),
        "block.0.attention.w_out": (4, 4), "block.0.attention.b_out": (4,),
        "block.0.norm_2.gain": (4,), "block.0.norm_2.bias": (4,),
        "block.0.feed_forward.w_up": (4, 5), "block.0.feed_forward.b_up": (5,),
        "block.0.feed_forward.w_down": (5, 4), "block.0.feed_forward.b_down": (4,),
        "norm.gain": (4,), "norm.bias": (4,), "head.w": (4, 7),
    }  # fmt: skip


def test_without_a_state_none_is_kept():
    model = MODELS["pre-norm"]
    assert model.forward(model.init(0), TOKENS)[1]["state"] is None


def test_a_new_model_is_unsure_and_its_signal_keeps_its_size():
    model = TransformerLanguageModel(100, width=64, layers=4)
    logits, cache = model.forward(model.init(0), np.arange(100).reshape(2, 50))
    assert 0.5 < np.std(cache["hidden"]) < 2
    assert 0.2 < np.std(logits) < 2
    loss, _ = cross_entropy(logits, np.random.default_rng(0).integers(100, size=(2, 50)))
    assert loss < math.log(100) + 0.3


def test_pruned_widths_run_through_the_same_forward():
    """Block 0 keeps 10 of 32 feed-forward columns, block 1 one of its two heads."""
    model = MODELS["pre-norm"]
    params = model.init(0)
    block = "block.0.feed_forward."
    params[block + "w_up"] = params[block + "w_up"][:, :10]
    params[block + "b_up"] = params[block + "b_up"][:10]
    params[block + "w_down"] = params[block + "w_down"][:10]
    block = "block.1.attention."
    kept = np.concatenate([np.arange(4), 8 + np.arange(4), 16 + np.arange(4)])
    params[block + "w_qkv"] = params[block + "w_qkv"][:, kept]
    params[block + "b_qkv"] = params[block + "b_qkv"][kept]
    params[block + "w_out"] = params[block + "w_out"][:4]
    check_model_gradient(model, params, TOKENS)


def test_attend_opens_the_attention(maps_of):
    maps = maps_of(MODELS["pre-norm"], TOKENS)
    assert [m.shape for m in maps] == [(3, 2, 5, 5)] * 2
    np.testing.assert_allclose(maps[0].sum(axis=-1), 1, rtol=1e-5)


def test_bad_tokens_are_refused():
    model = MODELS["pre-norm"]
    params = model.init(0)
    with pytest.raises(ValueError, match="context"):
        model.forward(params, np.zeros((1, 7), int))
    for tokens in ([1, 2], np.zeros((0, 3), int), [[11]], [[-1]]):
        with pytest.raises(ValueError, match=r"tokens|ids"):
            model.forward(params, np.array(tokens))
    with pytest.raises(TypeError, match="tokens"):
        model.forward(params, np.zeros((1, 2)))


@pytest.mark.oracle
@pytest.mark.parametrize("name", ["pre-norm", "post-norm", "untied"])
def test_a_training_step_agrees_with_torch(name):
    import torch
    import torch.nn.functional as F

    from minilm.nn import sinusoidal_positions
    from minilm.training import cross_entropy_loss

    model = MODELS[name]
    params = model.init(0)
    targets = np.random.default_rng(0).integers(11, size=TOKENS.shape)
    w = {n: torch.tensor(p, requires_grad=True) for n, p in params.items()}

    def norm(x, prefix):
        return F.layer_norm(x, (8,), w[prefix + ".gain"], w[prefix + ".bias"])

    def look(x, prefix):
        qkv = x @ w[prefix + ".w_qkv"] + w[prefix + ".b_qkv"]
        q, k, v = qkv.view(3, 5, 3, 2, 4).permute(2, 0, 3, 1, 4)
        heads = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return heads.transpose(1, 2).reshape(3, 5, 8) @ w[prefix + ".w_out"] + w[prefix + ".b_out"]

    def think(x, prefix):
        up = F.gelu(x @ w[prefix + ".w_up"] + w[prefix + ".b_up"], approximate="tanh")
        return up @ w[prefix + ".w_down"] + w[prefix + ".b_down"]

    x = w["token_embedding"][torch.tensor(TOKENS)] * math.sqrt(8)
    x = x + torch.tensor(sinusoidal_positions(5, 8))
    for prefix in ("block.0", "block.1"):
        steps = ((look, ".attention", ".norm_1"), (think, ".feed_forward", ".norm_2"))
        for step, inside, before_or_after in steps:
            if model.norm == "pre":
                x = x + step(norm(x, prefix + before_or_after), prefix + inside)
            else:
                x = norm(x + step(x, prefix + inside), prefix + before_or_after)
    if model.norm == "pre":
        x = norm(x, "norm")
    logits = x @ (w["token_embedding"].T if model.tied else w["head.w"])
    loss = F.cross_entropy(logits.transpose(1, 2), torch.tensor(targets))
    loss.backward()

    total, grads, count = cross_entropy_loss(model, params, (TOKENS, targets), None)
    ours, _ = model.forward(params, TOKENS)
    np.testing.assert_allclose(ours, logits.detach().numpy(), rtol=1e-4, atol=1e-5)
    assert total / count == pytest.approx(loss.item(), rel=1e-5)
    for n in params:
        theirs = w[n].grad.numpy()
        np.testing.assert_allclose(grads[n] / count, theirs, rtol=1e-3, atol=1e-6, err_msg=n)


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_a_block_leaves_its_input_and_its_gradient_alone(norm):
    model = TransformerLanguageModel(5, width=4, layers=1, heads=2, context=3, norm=norm)
    x, dy = np.random.default_rng(0).standard_normal((2, 2, 3, 4), dtype=np.float32)
    kept = x.copy(), dy.copy()
    mask = causal_mask(3)
    _, cache = block(
        x, model.init(0), "block.0", head_dim=2, norm=norm, mask=mask, attend=attention
    )
    first, _ = block_backward(dy, cache)
    second, _ = block_backward(dy, cache)
    np.testing.assert_array_equal((x, dy), kept)
    np.testing.assert_array_equal(first, second)


def test_a_new_model_adds_less_in_each_block_the_more_blocks_it_has():
    params = TransformerLanguageModel(9, width=64, layers=8, heads=2).init(0)
    for name, fan_in in (("attention.w_out", 64), ("feed_forward.w_down", 256)):
        std = params[f"block.3.{name}"].std()
        assert std == pytest.approx(1 / math.sqrt(fan_in * 2 * 8), rel=0.05)
