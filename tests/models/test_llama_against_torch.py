"""A Llama-style block and a whole model against one written in torch: outputs, every gradient."""

import numpy as np
import pytest

from minilm.models import TransformerLanguageModel
from minilm.models.block import block, block_backward, new_block
from minilm.nn import attention, causal_mask, rotary

B, T, D, F, H, G, d = 3, 6, 16, 20, 4, 2, 4
EPS = 1e-5


def moved(params):
    """In float64, every parameter moved off its fresh value, so that no gain is 1."""
    rng = np.random.default_rng(3)
    return {name: p + 0.1 * rng.standard_normal(p.shape) for name, p in params.items()}


def norm(x, gain):
    return gain * x / (x.pow(2).mean(-1, keepdim=True) + EPS).sqrt()


def turned(x, base=10000.0):
    """Complex numbers a + ib, the halves of each head, times e^(i t θ)."""
    import torch

    speeds = base ** (-torch.arange(0, d, 2, dtype=torch.float64) / d)
    angles = torch.arange(x.shape[-2], dtype=torch.float64)[:, None] * speeds
    numbers = torch.complex(x[..., : d // 2], x[..., d // 2 :])
    numbers = numbers * torch.polar(torch.ones_like(angles), angles)
    return torch.cat([numbers.real, numbers.imag], dim=-1)


def torch_block(x, w, base=10000.0):
    """w: torch tensors by the names of block.py, without a prefix."""
    import torch
    from torch.nn import functional

    n = norm(x, w["norm_1.gain"])
    q, k, v = (n @ w["attention.w_qkv"]).split([H * d, G * d, G * d], dim=-1)
    q, k, v = (a.view(*x.shape[:2], -1, d).transpose(1, 2) for a in (q, k, v))
    q, k = turned(q, base), turned(k, base)
    k, v = (torch.repeat_interleave(a, H // G, dim=1) for a in (k, v))
    heads = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
    x = x + heads.transpose(1, 2).reshape(*x.shape[:2], H * d) @ w["attention.w_out"]
    n = norm(x, w["norm_2.gain"])
    gate = functional.silu(n @ w["feed_forward.w_gate"])
    return x + (gate * (n @ w["feed_forward.w_up"])) @ w["feed_forward.w_down"]


@pytest.mark.oracle
@pytest.mark.parametrize("base", [10000.0, 50.0])
def test_a_block(base):
    import torch

    rng = np.random.default_rng(0)
    x, dy = rng.standard_normal((2, B, T, D))
    params = moved(
        new_block(
            rng, "layer", D, F, 1.0,
            key_value_width=G * d, normalization="rms", activation="swiglu", biases=False,
        )
    )  # fmt: skip
    w = {n.removeprefix("layer."): torch.tensor(p, requires_grad=True) for n, p in params.items()}
    tx = torch.tensor(x, requires_grad=True)
    ty = torch_block(tx, w, base)
    ty.backward(torch.tensor(dy))

    y, cache = block(
        x, params, "layer", head_dim=d, norm="pre", mask=causal_mask(T), attend=attention,
        turn=lambda qk: rotary(qk, base=base),
    )  # fmt: skip
    dx, grads = block_backward(dy, cache)
    np.testing.assert_allclose(y, ty.detach(), rtol=0, atol=1e-10)
    np.testing.assert_allclose(dx, tx.grad, rtol=0, atol=1e-10)
    assert set(grads) == set(params)
    for name, theirs in w.items():
        np.testing.assert_allclose(
            grads[f"layer.{name}"], theirs.grad, rtol=0, atol=1e-10, err_msg=name
        )


@pytest.mark.oracle
@pytest.mark.parametrize("tied", [True, False])
def test_a_whole_model(tied):
    import torch

    model = TransformerLanguageModel(
        11, width=D, layers=2, heads=H, key_value_heads=G, context=T, feed_forward=F, tied=tied,
        positions="rotary", normalization="rms", activation="swiglu", biases=False,
        rotary_base=50.0,
    )  # fmt: skip
    params = moved(model.init(0))
    w = {name: torch.tensor(p, requires_grad=True) for name, p in params.items()}
    tokens = np.random.default_rng(0).integers(11, size=(B, T))
    x = w["token_embedding"][torch.tensor(tokens)]
    for layer in range(2):
        prefix = f"block.{layer}."
        x = torch_block(x, {n.removeprefix(prefix): p for n, p in w.items() if prefix in n}, 50.0)
    x = norm(x, w["norm.gain"])
    theirs = x @ (w["token_embedding"].T if tied else w["head.w"])
    dlogits = np.random.default_rng(1).standard_normal(theirs.shape)
    theirs.backward(torch.tensor(dlogits))

    logits, cache = model.forward(params, tokens)
    np.testing.assert_allclose(logits, theirs.detach(), rtol=0, atol=1e-9)
    grads = model.backward(dlogits, cache)
    for name in params:
        np.testing.assert_allclose(grads[name], w[name].grad, rtol=0, atol=1e-9, err_msg=name)


@pytest.mark.oracle
def test_learned_positions_are_gpt_2_s():
    """x = E[ids] + W[t], and a gradient for the rows of W that were used."""
    import torch

    model = TransformerLanguageModel(
        11, width=D, layers=1, heads=H, context=T + 2, positions="learned"
    )
    params = moved(model.init(0))
    tokens = np.random.default_rng(0).integers(11, size=(B, T))
    w = {n: torch.tensor(p, requires_grad=True) for n, p in params.items()}
    x = w["token_embedding"][torch.tensor(tokens)] + w["position_embedding"][:T]
    layer = torch.nn.TransformerEncoderLayer(
        D, H, 4 * D, 0.0, lambda u: torch.nn.functional.gelu(u, approximate="tanh"),
        batch_first=True, norm_first=True, dtype=torch.float64,
    )  # fmt: skip
    ours = {
        "self_attn.in_proj_weight": params["block.0.attention.w_qkv"].T,
        "self_attn.in_proj_bias": params["block.0.attention.b_qkv"],
        "self_attn.out_proj.weight": params["block.0.attention.w_out"].T,
        "self_attn.out_proj.bias": params["block.0.attention.b_out"],
        "linear1.weight": params["block.0.feed_forward.w_up"].T,
        "linear1.bias": params["block.0.feed_forward.b_up"],
        "linear2.weight": params["block.0.feed_forward.w_down"].T,
        "linear2.bias": params["block.0.feed_forward.b_down"],
        "norm1.weight": params["block.0.norm_1.gain"], "norm1.bias": params["block.0.norm_1.bias"],
        "norm2.weight": params["block.0.norm_2.gain"], "norm2.bias": params["block.0.norm_2.bias"],
    }  # fmt: skip
    layer.load_state_dict({name: torch.tensor(p) for name, p in ours.items()})
    x = layer(x, src_mask=torch.tensor(~causal_mask(T)))
    x = torch.nn.functional.layer_norm(x, (D,), w["norm.gain"], w["norm.bias"])
    theirs = x @ w["token_embedding"].T
    dlogits = np.random.default_rng(1).standard_normal(theirs.shape)
    theirs.backward(torch.tensor(dlogits))

    logits, cache = model.forward(params, tokens)
    np.testing.assert_allclose(logits, theirs.detach(), rtol=0, atol=1e-9)
    grads = model.backward(dlogits, cache)
    for name in ("token_embedding", "position_embedding"):
        np.testing.assert_allclose(grads[name], w[name].grad, rtol=0, atol=1e-9, err_msg=name)
    assert not grads["position_embedding"][T:].any()
