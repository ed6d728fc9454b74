"""The Transformer notebook: its exercises' hints, its functions, torch's conventions."""

import ast
import math
from pathlib import Path

import numpy as np
import pytest

from minilm.course import verdict
from minilm.course.exercises import EXERCISES
from minilm.models import Seq2SeqTransformer
from minilm.nn import attention, causal_mask, multi_head_attention, sinusoidal_positions

SOURCE = Path(__file__).parents[2] / "notebooks" / "source" / "05_the_transformer.py"
TREE = ast.parse(SOURCE.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def notebook():
    """The functions that the notebook defines, by name."""
    names = {"np": np, "math": math, "attention": attention, "causal_mask": causal_mask,
             "sinusoidal_positions": sinusoidal_positions}  # fmt: skip
    functions = [node for node in TREE.body if isinstance(node, ast.FunctionDef)]
    exec(compile(ast.Module(functions, []), str(SOURCE), "exec"), names)
    return names


def told(name, answer):
    given = verdict(EXERCISES[name], answer)
    assert given.state == "wrong"
    return given.hint


def masked(hide, scale=True):
    """An attention whose scores go through hide(scores, real), and weights through softmax."""

    def attend(q, k, v, real):
        scores = q @ k.swapaxes(-1, -2) / (math.sqrt(q.shape[-1]) if scale else 1)
        scores = hide(scores, real)
        e = np.exp(scores - scores.max(axis=-1, keepdims=True))
        return e / e.sum(axis=-1, keepdims=True) @ v

    return attend


def where(may_look):
    return lambda scores, real: np.where(may_look(real), scores, -1e9)


def test_the_mask_that_masks_nothing_is_told_so(notebook):
    assert "boolean index makes a copy" in told("causal_attention", notebook["masks_nothing"])


@pytest.mark.parametrize(
    ("hide", "hint"),
    [
        (where(lambda real: np.tri(7, dtype=bool)), "keys lie along the last axis"),
        (where(lambda real: np.tri(7, dtype=bool) & real[:, :, None]), "along the last axis"),
        (where(lambda real: np.tri(7, dtype=bool).T & real[:, None]), "the past that is hidden"),
        (where(lambda real: real[:, None]), "when a later word changes"),
        (where(lambda real: np.tri(7, k=-1, dtype=bool) & real[:, None]), "look at itself, too"),
        (lambda scores, real: scores * np.tri(7) * real[:, None], "are the hidden ones low"),
        (lambda scores, real: scores + 1e9 * np.triu(np.ones((7, 7)), 1), "raised where it should"),
    ],
)
def test_typical_masks_are_told_what_is_wrong(hide, hint):
    assert hint in told("causal_attention", masked(hide))


def test_other_mistakes_with_attention_are_told(notebook):
    may_look = where(lambda real: np.tri(7, dtype=bool) & real[:, None])
    assert "divided by √d" in told("causal_attention", masked(may_look, scale=False))

    def mask_after_softmax(q, k, v, real):
        weights = notebook["softmax"](q @ k.swapaxes(-1, -2) / math.sqrt(5))
        return np.where(np.tri(7, dtype=bool) & real[:, None], weights, 0) @ v

    assert "before the softmax" in told("causal_attention", mask_after_softmax)

    def without_itself(q, k, v, real):
        scores = q @ k.swapaxes(-1, -2)
        scores = np.where(np.tri(7, k=-1, dtype=bool) & real[:, None], scores, -np.inf)
        with np.errstate(invalid="ignore"):
            return notebook["softmax"](scores) @ v

    assert "may look at itself" in told("causal_attention", without_itself)


def test_mistakes_with_positions_are_told():
    def right(length, width):
        return sinusoidal_positions(length, width, np.float64)

    def halves(length, width):
        return np.concatenate([right(length, width)[:, part::2] for part in (0, 1)], axis=1)

    def every_column_its_own(length, width):
        angles = np.arange(length)[:, None] / 10000 ** (np.arange(width) / width)
        return np.where(np.arange(width) % 2, np.cos(angles), np.sin(angles))

    def half_the_exponent(length, width):
        angles = np.arange(length)[:, None] / 10000 ** (np.arange(width // 2) / width)
        return np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(length, width)

    assert "come first" in told("sinusoids", halves)
    assert "wrong speed" in told("sinusoids", every_column_its_own)
    assert "wrong speed" in told("sinusoids", half_the_exponent)
    assert "at t = 0" in told("sinusoids", lambda n, d: right(n + 1, d)[1:])
    assert "shape" in told("sinusoids", lambda n, d: right(n, d).T)


def size(source, target, D, F, L, *, biases=True, norms=True, cross=True, tied=True, last=True):
    b, norm = int(biases), 2 * D * norms
    attend, think = (D + b) * 4 * D, (D + b) * F + (F + b) * D
    blocks = L * (2 * attend + attend * cross + 2 * think + 5 * norm)
    return (source + target + target * (not tied)) * D + blocks + 2 * norm * last


@pytest.mark.parametrize(
    ("mistake", "hint"),
    [("biases", "has a bias"), ("norms", "norms have parameters"), ("cross", "cross-attention"),
     ("tied", "head is tied"), ("last", "ends in a norm")],
)  # fmt: skip
def test_mistakes_with_sizes_are_told(mistake, hint):
    assert verdict(EXERCISES["transformer_size"], size).state == "right"
    assert hint in told("transformer_size", lambda *sizes: size(*sizes, **{mistake: False}))


def test_the_transformer_by_hand_is_minilm_s(notebook):
    model = Seq2SeqTransformer(11, 9, width=16, layers=3, heads=2, feed_forward=24)
    rng = np.random.default_rng(2)
    params = {name: w + rng.normal(0, 0.1, w.shape).astype(np.float32)
              for name, w in model.init(1).items()}  # fmt: skip
    source, target = rng.integers(1, 9, 7), rng.integers(1, 11, 5)
    logits, _ = model.forward(params, source[None], target[None])
    by_hand = notebook["transformer_by_hand"](model, params, source, target)
    assert np.allclose(by_hand, logits[0], atol=1e-4)


@pytest.mark.oracle
def test_torch_s_masks_and_weights_are_as_the_notebook_says(notebook):
    import torch

    rng = np.random.default_rng(3)
    T, D, H = 6, 8, 2
    x = rng.standard_normal((T, D)).astype(np.float32)
    w_qkv, w_out = (rng.standard_normal((D, n * D)).astype(np.float32) for n in (3, 1))
    b_qkv, b_out = (rng.standard_normal(n * D).astype(np.float32) for n in (3, 1))
    mask = causal_mask(T)
    layer = torch.nn.MultiheadAttention(D, H, batch_first=True)
    with torch.no_grad():
        layer.in_proj_weight.copy_(torch.from_numpy(w_qkv.T.copy()))
        layer.in_proj_bias.copy_(torch.from_numpy(b_qkv))
        layer.out_proj.weight.copy_(torch.from_numpy(w_out.T.copy()))
        layer.out_proj.bias.copy_(torch.from_numpy(b_out))
        tensor = torch.from_numpy(x[None])
        theirs, _ = layer(tensor, tensor, tensor, attn_mask=torch.from_numpy(~mask))
    by_hand = notebook["torch_multihead"](x, w_qkv.T, b_qkv, w_out.T, b_out, H, ~mask)
    ours, _ = multi_head_attention(
        x[None], w_qkv, b_qkv, w_out, b_out, head_dim=D // H, mask=mask
    )
    assert np.allclose(by_hand, theirs[0].numpy(), atol=1e-4)
    assert np.allclose(ours, theirs.numpy(), atol=1e-4)

    q, k, v = rng.standard_normal((3, 2, H, T, 4)).astype(np.float32)
    theirs = torch.nn.functional.scaled_dot_product_attention(
        *map(torch.from_numpy, (q, k, v)), attn_mask=torch.from_numpy(mask)
    )
    assert np.allclose(attention(q, k, v, mask)[0], theirs.numpy(), atol=1e-5)
