"""The encoder's and the decoder's block against torch's layers: outputs and every gradient."""

from functools import partial

import numpy as np
import pytest

from minilm.models.block import block, block_backward, new_block
from minilm.models.decoder_block import (
    block_memory,
    block_memory_backward,
    decoder_block,
    decoder_block_backward,
    new_decoder_block,
)
from minilm.nn import attention, causal_mask, padding_mask

B, T, S, D, F = 3, 5, 4, 8, 12
SOURCE = np.array([[3, 7, 1, 5], [2, 2, 0, 0], [9, 4, 6, 0]])
TARGET = np.array([[1, 2, 3, 4, 5], [1, 2, 3, 0, 0], [1, 2, 3, 4, 0]])
norms = pytest.mark.parametrize("norm", ["pre", "post"])
masks = pytest.mark.parametrize("masked", [False, True])


def float64(params):
    """Every parameter moved off its fresh value, so that no gain is 1 and no bias 0."""
    rng = np.random.default_rng(3)
    return {name: p + 0.1 * rng.standard_normal(p.shape) for name, p in params.items()}


def layer(kind, norm):
    import torch

    gelu = partial(torch.nn.functional.gelu, approximate="tanh")
    return kind(
        D, 2, F, 0.0, gelu, batch_first=True, norm_first=norm == "pre", dtype=torch.float64
    )


def pairs(theirs, arrays, decoder):
    """(torch's parameter, our array laid out as torch's is), of all parameters or gradients."""
    a = {name.removeprefix("layer."): array for name, array in arrays.items()}
    last = 3 if decoder else 2
    yield theirs.self_attn.in_proj_weight, a["attention.w_qkv"].T
    yield theirs.self_attn.in_proj_bias, a["attention.b_qkv"]
    yield theirs.self_attn.out_proj.weight, a["attention.w_out"].T
    yield theirs.self_attn.out_proj.bias, a["attention.b_out"]
    if decoder:
        w_qkv = np.concatenate([a["cross_attention.w_q"], a["cross_attention.w_kv"]], axis=1)
        b_qkv = np.concatenate([a["cross_attention.b_q"], a["cross_attention.b_kv"]])
        yield theirs.multihead_attn.in_proj_weight, w_qkv.T
        yield theirs.multihead_attn.in_proj_bias, b_qkv
        yield theirs.multihead_attn.out_proj.weight, a["cross_attention.w_out"].T
        yield theirs.multihead_attn.out_proj.bias, a["cross_attention.b_out"]
    yield theirs.linear1.weight, a["feed_forward.w_up"].T
    yield theirs.linear1.bias, a["feed_forward.b_up"]
    yield theirs.linear2.weight, a["feed_forward.w_down"].T
    yield theirs.linear2.bias, a["feed_forward.b_down"]
    for number in range(1, last + 1):
        yield getattr(theirs, f"norm{number}").weight, a[f"norm_{number}.gain"]
        yield getattr(theirs, f"norm{number}").bias, a[f"norm_{number}.bias"]


def copy_into(theirs, params, decoder):
    import torch

    copied = list(pairs(theirs, params, decoder))
    assert len(copied) == len(list(theirs.parameters()))
    with torch.no_grad():
        for parameter, array in copied:
            parameter.copy_(torch.tensor(array))


def assert_same_gradients(theirs, grads, decoder):
    for parameter, grad in pairs(theirs, grads, decoder):
        np.testing.assert_allclose(grad, parameter.grad, atol=1e-9)


@pytest.mark.oracle
@norms
@masks
def test_encoder_block(norm, masked):
    import torch

    rng = np.random.default_rng(0)
    x, dy = rng.standard_normal((2, B, S, D))
    params = float64(new_block(rng, "layer", D, F, 1.0))
    theirs = layer(torch.nn.TransformerEncoderLayer, norm)
    copy_into(theirs, params, decoder=False)
    tx = torch.tensor(x, requires_grad=True)
    ty = theirs(tx, src_key_padding_mask=torch.tensor(SOURCE == 0) if masked else None)
    ty.backward(torch.tensor(dy))

    mask = padding_mask(SOURCE, 0) if masked else None
    y, cache = block(x, params, "layer", head_dim=4, norm=norm, mask=mask, attend=attention)
    dx, grads = block_backward(dy, cache)
    np.testing.assert_allclose(y, ty.detach(), atol=1e-9)
    np.testing.assert_allclose(dx, tx.grad, atol=1e-9)
    assert_same_gradients(theirs, grads, decoder=False)


@pytest.mark.oracle
@norms
@masks
def test_decoder_block(norm, masked):
    import torch

    rng = np.random.default_rng(0)
    x, dy = rng.standard_normal((2, B, T, D))
    memory = rng.standard_normal((B, S, D))
    params = float64(new_decoder_block(rng, "layer", D, F, 1.0))
    theirs = layer(torch.nn.TransformerDecoderLayer, norm)
    copy_into(theirs, params, decoder=True)
    tx, tm = torch.tensor(x, requires_grad=True), torch.tensor(memory, requires_grad=True)
    hidden = {
        "tgt_mask": torch.tensor(~causal_mask(T)),
        "tgt_key_padding_mask": torch.tensor(TARGET == 0),
        "memory_key_padding_mask": torch.tensor(SOURCE == 0),
    }
    ty = theirs(tx, tm, **(hidden if masked else {}))
    ty.backward(torch.tensor(dy))

    kv, kv_cache = block_memory(memory, params, "layer", 4)
    y, cache = decoder_block(
        x, kv, params, "layer", head_dim=4, norm=norm, attend=attention,
        mask=causal_mask(T) & padding_mask(TARGET, 0) if masked else None,
        memory_mask=padding_mask(SOURCE, 0) if masked else None,
    )  # fmt: skip
    dx, dkv, grads = decoder_block_backward(dy, cache)
    dmemory, memory_grads = block_memory_backward(dkv, kv_cache)
    np.testing.assert_allclose(y, ty.detach(), atol=1e-9)
    np.testing.assert_allclose(dx, tx.grad, atol=1e-9)
    np.testing.assert_allclose(dmemory, tm.grad, atol=1e-9)
    assert_same_gradients(theirs, grads | memory_grads, decoder=True)
