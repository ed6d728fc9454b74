import math

import numpy as np
import pytest

from minilm.generation import answer
from minilm.models import Seq2SeqTransformer
from minilm.models.decoder import (
    decoder,
    decoder_backward,
    decoder_memory,
    decoder_memory_backward,
)
from minilm.nn import (
    IGNORED,
    attention,
    causal_mask,
    check_model_gradient,
    cross_entropy,
)
from minilm.training import AdamW, cross_entropy_loss, fit

PADDING = 0
SOURCE = np.array([[3, 7, 1, 5], [2, 2, 0, 0], [9, 4, 6, 0]])
TARGET_INPUTS = np.random.default_rng(0).integers(1, 11, size=(3, 5))
BOTH = SOURCE, TARGET_INPUTS

SMALL = {"vocab_size": 11, "width": 8, "layers": 2, "heads": 2, "context": 6}
MODELS = {
    "pre-norm": Seq2SeqTransformer(**SMALL),
    "post-norm": Seq2SeqTransformer(**SMALL, norm="post"),
    "two tables": Seq2SeqTransformer(**SMALL, source_vocab_size=13, norm="post"),
    "two tables untied": Seq2SeqTransformer(**SMALL, source_vocab_size=13, tied=False),
}


def test_names_and_shapes():
    model = Seq2SeqTransformer(
        7, source_vocab_size=5, width=4, layers=1, heads=2, feed_forward=3, tied=False
    )
    block = {
        "norm_1.gain": (4,), "norm_1.bias": (4,),
        "attention.w_qkv": (4, 12), "attention.b_qkv": (12,),
        "attention.w_out": (4, 4), "attention.b_out": (4,),
        "norm_2.gain": (4,), "norm_2.bias": (4,),
        "feed_forward.w_up": (4, 3), "feed_forward.b_up": (3,),
        "feed_forward.w_down": (3, 4), "feed_forward.b_down": (4,),
    }  # fmt: skip
    more = {
        "norm_3.gain": (4,), "norm_3.bias": (4,),
        "cross_attention.w_q": (4, 4), "cross_attention.b_q": (4,),
        "cross_attention.w_kv": (4, 8), "cross_attention.b_kv": (8,),
        "cross_attention.w_out": (4, 4), "cross_attention.b_out": (4,),
    }  # fmt: skip
    assert {name: p.shape for name, p in model.init(0).items()} == {
        "token_embedding": (7, 4), "source_embedding": (5, 4), "head.w": (4, 7),
        **{f"encoder.0.{name}": shape for name, shape in block.items()},
        **{f"decoder.0.{name}": shape for name, shape in (block | more).items()},
        "encoder.norm.gain": (4,), "encoder.norm.bias": (4,),
        "decoder.norm.gain": (4,), "decoder.norm.bias": (4,),
    }  # fmt: skip


@pytest.mark.parametrize("name", ["pre-norm", "post-norm"])
def test_every_position_sees_the_whole_source_and_no_padding(name):
    model = MODELS[name]
    params = model.init(0)
    logits, _ = model.forward(params, *BOTH)
    for place in range(3):  # of the last source, which has three tokens
        source = SOURCE.copy()
        source[2, place] = 10
        changed, _ = model.forward(params, source, TARGET_INPUTS)
        assert not np.isclose(changed[2], logits[2]).all(axis=-1).any()
    longer = np.pad(SOURCE, ((0, 0), (0, 2)), constant_values=PADDING)
    np.testing.assert_allclose(model.forward(params, longer, TARGET_INPUTS)[0], logits, atol=1e-5)
    alone, _ = model.forward(params, SOURCE[1:2, :2], TARGET_INPUTS[1:2])
    np.testing.assert_allclose(alone, logits[1:2], atol=1e-5)


def test_what_padding_looks_like_does_not_matter():
    """Its row of a table of its own: no logit reads it, and no gradient reaches it."""
    model = MODELS["two tables"]
    params = model.init(0)
    logits, cache = model.forward(params, *BOTH)
    grads = model.backward(np.ones_like(logits), cache)
    assert not grads["source_embedding"][PADDING].any()
    params["source_embedding"][PADDING] = 7
    np.testing.assert_array_equal(model.forward(params, *BOTH)[0], logits)


def test_a_new_model_is_unsure_and_its_signal_keeps_its_size():
    model = Seq2SeqTransformer(100, width=64, layers=4)
    ids = np.arange(1, 97).reshape(2, 48)
    logits, cache = model.forward(model.init(0), ids, ids)
    for kept in ("hidden", "memory"):
        assert 0.5 < np.std(cache[kept]) < 2
    loss, _ = cross_entropy(logits, np.random.default_rng(0).integers(100, size=(2, 48)))
    assert loss < math.log(100) + 0.3


def test_pruned_widths_run_through_the_same_forward(of_pairs):
    """The decoder's first block keeps 10 feed-forward columns, and one head that reads."""
    model = MODELS["pre-norm"]
    params = model.init(0)
    inside = "decoder.0.feed_forward."
    params[inside + "w_up"] = params[inside + "w_up"][:, :10]
    params[inside + "b_up"] = params[inside + "b_up"][:10]
    params[inside + "w_down"] = params[inside + "w_down"][:10]
    inside = "decoder.0.cross_attention."
    kept = np.concatenate([np.arange(4), 8 + np.arange(4)])
    params[inside + "w_q"] = params[inside + "w_q"][:, :4]
    params[inside + "b_q"] = params[inside + "b_q"][:4]
    params[inside + "w_kv"] = params[inside + "w_kv"][:, kept]
    params[inside + "b_kv"] = params[inside + "b_kv"][kept]
    params[inside + "w_out"] = params[inside + "w_out"][:4]
    check_model_gradient(of_pairs(model), params, BOTH)


def test_attend_opens_the_attention(maps_of):
    maps = maps_of(MODELS["pre-norm"], *BOTH)
    encoder, written, read = (3, 2, 4, 4), (3, 2, 5, 5), (3, 2, 5, 4)
    assert [m.shape for m in maps] == [encoder, encoder, written, read, written, read]
    for m in (maps[0], maps[3]):
        assert not m[1, ..., 2:].any()  # the padding of the second source
        np.testing.assert_allclose(m.sum(axis=-1), 1, rtol=1e-5)


def test_bad_tokens_are_refused():
    model = MODELS["two tables"]
    params = model.init(0)
    ones = np.ones((3, 7), int)
    for source, target_inputs, message in [
        (ones, TARGET_INPUTS, "context=6 long, got 7"),
        (SOURCE, ones, "context=6 long, got 7"),
        (SOURCE[:2], TARGET_INPUTS, "3 rows for 2 sources"),
        (SOURCE[:, :0], TARGET_INPUTS, "tokens"),
        (SOURCE, TARGET_INPUTS[:, :0], "tokens"),
        (SOURCE * [[1], [0], [1]], TARGET_INPUTS, "only padding in row 1"),
        (SOURCE + 10, TARGET_INPUTS, "ids"),
        (SOURCE, TARGET_INPUTS + 10, "ids"),
    ]:
        with pytest.raises(ValueError, match=message):
            model.forward(params, source, target_inputs)
    with pytest.raises(TypeError, match="tokens"):
        model.forward(params, SOURCE, TARGET_INPUTS * 1.0)


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_a_decoder_leaves_its_inputs_and_its_gradient_alone(norm):
    model = Seq2SeqTransformer(5, width=4, layers=2, heads=2, context=3, norm=norm)
    params = model.init(0)
    x, memory, dy = np.random.default_rng(0).standard_normal((3, 2, 3, 4), dtype=np.float32)
    kept = x.copy(), memory.copy(), dy.copy()
    kvs, kv_cache = decoder_memory(memory, params, "decoder", layers=2, head_dim=2)
    _, cache = decoder(
        x, kvs, params, "decoder", head_dim=2, norm=norm, mask=causal_mask(3), memory_mask=None,
        attend=attention, caches=(None, None),
    )  # fmt: skip
    dx, dkvs, _ = decoder_backward(dy, cache)
    dmemory, _ = decoder_memory_backward(dkvs, kv_cache)
    again, dkvs_again, _ = decoder_backward(dy, cache)
    dmemory_again, _ = decoder_memory_backward(dkvs_again, kv_cache)
    np.testing.assert_array_equal((x, memory, dy), kept)
    np.testing.assert_array_equal(dx, again)
    np.testing.assert_array_equal(dmemory, dmemory_again)


def test_the_loss_counts_what_is_not_ignored():
    model = MODELS["pre-norm"]
    params = model.init(0)
    targets = np.random.default_rng(1).integers(11, size=TARGET_INPUTS.shape)
    targets[1, 2:] = IGNORED
    total, grads, count = cross_entropy_loss(model, params, (*BOTH, targets), None)
    assert count == 12
    halves = [
        cross_entropy_loss(model, params, (SOURCE[rows], TARGET_INPUTS[rows], targets[rows]), None)
        for rows in (slice(0, 1), slice(1, 3))
    ]
    assert total == pytest.approx(sum(half[0] for half in halves), rel=1e-5)
    for name, grad in grads.items():
        np.testing.assert_allclose(grad, sum(h[1][name] for h in halves), atol=2e-4, err_msg=name)


@pytest.mark.slow
def test_it_learns_to_write_backwards(reversals):
    model = Seq2SeqTransformer(10, width=32, layers=1, heads=2, context=6)
    batches = reversals(longest=5, rows=64)
    params, _ = fit(model, model.init(0), batches, steps=600, optimizer=AdamW())
    source, _, _ = batches(10_000, rows=500)
    answers = answer(model, params, source, begin_id=9, end_id=9, length=6)
    right = [
        np.array_equal(written, digits[digits != PADDING][::-1])
        for written, digits in zip(answers, source, strict=True)
    ]
    assert np.mean(right) > 0.95


def test_a_new_model_adds_less_in_each_block_the_more_blocks_it_has():
    params = Seq2SeqTransformer(9, width=64, layers=8, heads=2).init(0)
    for side, steps in (("encoder", 2), ("decoder", 3)):  # in a block
        for name, fan_in in (("attention.w_out", 64), ("feed_forward.w_down", 256)):
            std = params[f"{side}.3.{name}"].std()
            assert std == pytest.approx(1 / math.sqrt(fan_in * steps * 8), rel=0.05)
