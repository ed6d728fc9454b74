"""Encoder and decoder, block by block and whole, against torch's: outputs and every gradient."""

from functools import partial

import numpy as np
import pytest

from minilm.models.block import block, block_backward, new_block
from minilm.models.decoder import (
    decoder,
    decoder_backward,
    decoder_memory,
    decoder_memory_backward,
    new_decoder,
)
from minilm.models.decoder_block import (
    block_memory,
    block_memory_backward,
    decoder_block,
    decoder_block_backward,
    new_decoder_block,
)
from minilm.models.encoder import encoder, encoder_backward, new_encoder
from minilm.nn import attention, causal_mask, padding_mask

B, T, S, D, F = 3, 5, 4, 8, 12
SOURCE = np.array([[3, 7, 1, 5], [2, 2, 0, 0], [9, 4, 6, 0]])
TARGET = np.array([[1, 2, 3, 4, 5], [1, 2, 3, 0, 0], [1, 2, 3, 4, 0]])
norms = pytest.mark.parametrize("norm", ["pre", "post"])
masks = pytest.mark.parametrize("masked", ["", "causal", "padding", "causal and padding"])
heads = pytest.mark.parametrize("heads", [1, 2])


def float64(params):
    """Every parameter moved off its fresh value, so that no gain is 1 and no bias 0."""
    rng = np.random.default_rng(3)
    return {name: p + 0.1 * rng.standard_normal(p.shape) for name, p in params.items()}


def layer(kind, norm, heads):
    import torch

    gelu = partial(torch.nn.functional.gelu, approximate="tanh")
    return kind(
        D, heads, F, 0.0, gelu, batch_first=True, norm_first=norm == "pre", dtype=torch.float64
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


def stack_pairs(theirs, arrays, side):
    """`pairs` of every block of a stack, and of its last norm."""
    for number, own_layer in enumerate(theirs.layers):
        prefix = f"{side}.{number}."
        own = {n.replace(prefix, "layer."): a for n, a in arrays.items() if n.startswith(prefix)}
        yield from pairs(own_layer, own, side == "decoder")
    if theirs.norm is not None:
        yield theirs.norm.weight, arrays[f"{side}.norm.gain"]
        yield theirs.norm.bias, arrays[f"{side}.norm.bias"]


def copy_stack(theirs, params, side):
    import torch

    copied = list(stack_pairs(theirs, params, side))
    assert len(copied) == len(list(theirs.parameters()))
    with torch.no_grad():
        for parameter, array in copied:
            parameter.copy_(torch.tensor(array))


def assert_same_gradients(theirs, grads, decoder):
    for parameter, grad in pairs(theirs, grads, decoder):
        np.testing.assert_allclose(grad, parameter.grad, atol=1e-9)


def seen(masks, ids):
    """Our mask of who may look where, and torch's two of what is hidden, for a text of ids."""
    import torch

    T = ids.shape[1]
    ours, hidden, hidden_keys = None, None, None
    if "causal" in masks:
        ours, hidden = causal_mask(T), torch.tensor(~causal_mask(T))
    if "padding" in masks:
        padding = padding_mask(ids, 0)
        ours, hidden_keys = padding if ours is None else ours & padding, torch.tensor(ids == 0)
    return ours, hidden, hidden_keys


@pytest.mark.oracle
@norms
@masks
@heads
def test_encoder_block(norm, masked, heads):
    import torch

    rng = np.random.default_rng(0)
    x, dy = rng.standard_normal((2, B, S, D))
    params = float64(new_block(rng, "layer", D, F, 1.0))
    theirs = layer(torch.nn.TransformerEncoderLayer, norm, heads)
    copy_into(theirs, params, decoder=False)
    mask, hidden, hidden_keys = seen(masked, SOURCE)
    tx = torch.tensor(x, requires_grad=True)
    ty = theirs(tx, src_mask=hidden, src_key_padding_mask=hidden_keys)
    ty.backward(torch.tensor(dy))

    y, cache = block(
        x, params, "layer", head_dim=D // heads, norm=norm, mask=mask, attend=attention
    )
    dx, grads = block_backward(dy, cache)
    np.testing.assert_allclose(y, ty.detach(), atol=1e-9)
    np.testing.assert_allclose(dx, tx.grad, atol=1e-9)
    assert_same_gradients(theirs, grads, decoder=False)


@pytest.mark.oracle
@norms
@masks
@pytest.mark.parametrize("memory_masked", [False, True])
@heads
def test_decoder_block(norm, masked, memory_masked, heads):
    import torch

    rng = np.random.default_rng(0)
    x, dy = rng.standard_normal((2, B, T, D))
    memory = rng.standard_normal((B, S, D))
    params = float64(new_decoder_block(rng, "layer", D, F, 1.0))
    theirs = layer(torch.nn.TransformerDecoderLayer, norm, heads)
    copy_into(theirs, params, decoder=True)
    mask, hidden, hidden_keys = seen(masked, TARGET)
    tx, tm = torch.tensor(x, requires_grad=True), torch.tensor(memory, requires_grad=True)
    ty = theirs(
        tx, tm, tgt_mask=hidden, tgt_key_padding_mask=hidden_keys,
        memory_key_padding_mask=torch.tensor(SOURCE == 0) if memory_masked else None,
    )  # fmt: skip
    ty.backward(torch.tensor(dy))

    kv, kv_cache = block_memory(memory, params, "layer", D // heads)
    y, cache = decoder_block(
        x, kv, params, "layer", head_dim=D // heads, norm=norm, attend=attention, mask=mask,
        memory_mask=padding_mask(SOURCE, 0) if memory_masked else None,
    )  # fmt: skip
    dx, dkv, grads = decoder_block_backward(dy, cache)
    dmemory, memory_grads = block_memory_backward(dkv, kv_cache)
    np.testing.assert_allclose(y, ty.detach(), atol=1e-9)
    np.testing.assert_allclose(dx, tx.grad, atol=1e-9)
    np.testing.assert_allclose(dmemory, tm.grad, atol=1e-9)
    assert_same_gradients(theirs, grads | memory_grads, decoder=True)


@pytest.mark.oracle
@norms
def test_both_stacks_one_upon_the_other(norm):
    """Encoder, memory and decoder of two blocks each, with their last norms, as in torch."""
    import torch

    rng = np.random.default_rng(0)
    source, target, dy = (rng.standard_normal((B, n, D)) for n in (S, T, T))
    sizes = {"layers": 2, "width": D, "wide": F, "norm": norm}
    params = float64(new_encoder(rng, "encoder", **sizes) | new_decoder(rng, "decoder", **sizes))
    stacks = {}
    encoder_stack = partial(torch.nn.TransformerEncoder, enable_nested_tensor=False)
    for side, kind, stack in (
        ("encoder", torch.nn.TransformerEncoderLayer, encoder_stack),
        ("decoder", torch.nn.TransformerDecoderLayer, torch.nn.TransformerDecoder),
    ):
        last = torch.nn.LayerNorm(D, dtype=torch.float64) if norm == "pre" else None
        stacks[side] = stack(layer(kind, norm, 2), 2, norm=last)
        copy_stack(stacks[side], params, side)
    ts, tt = torch.tensor(source, requires_grad=True), torch.tensor(target, requires_grad=True)
    hidden_source = torch.tensor(SOURCE == 0)
    tm = stacks["encoder"](ts, src_key_padding_mask=hidden_source)
    ty = stacks["decoder"](
        tt, tm, tgt_mask=torch.tensor(~causal_mask(T)), memory_key_padding_mask=hidden_source
    )
    ty.backward(torch.tensor(dy))

    how = {"head_dim": D // 2, "norm": norm, "attend": attention}
    source_mask = padding_mask(SOURCE, 0)
    memory, encoder_cache = encoder(
        source, params, "encoder", layers=2, mask=source_mask, **how
    )
    kvs, memory_cache = decoder_memory(memory, params, "decoder", layers=2, head_dim=D // 2)
    y, decoder_cache = decoder(
        target, kvs, params, "decoder", mask=causal_mask(T), memory_mask=source_mask,
        caches=(None, None), **how,
    )  # fmt: skip
    dtarget, dkvs, grads = decoder_backward(dy, decoder_cache)
    dmemory, memory_grads = decoder_memory_backward(dkvs, memory_cache)
    dsource, encoder_grads = encoder_backward(dmemory, encoder_cache)
    grads |= memory_grads | encoder_grads
    assert set(grads) == set(params)
    np.testing.assert_allclose(memory, tm.detach(), atol=1e-9)
    np.testing.assert_allclose(y, ty.detach(), atol=1e-9)
    np.testing.assert_allclose(dtarget, tt.grad, atol=1e-9)
    np.testing.assert_allclose(dsource, ts.grad, atol=1e-9)
    for side, theirs in stacks.items():
        for parameter, grad in stack_pairs(theirs, grads, side):
            np.testing.assert_allclose(grad, parameter.grad, atol=1e-9)
