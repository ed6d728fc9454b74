import math

import numpy as np
import pytest

from minilm.compression import quantize
from minilm.inspection import attention_maps, head_change, head_entropy
from minilm.models import Seq2SeqLSTM, TransformerLanguageModel
from minilm.nn import attention, attention_weights, layer_norm, sinusoidal_positions


def test_two_tokens_by_hand():
    """One head of width 2 that compares the second token with itself and with the first."""
    model = TransformerLanguageModel(3, width=2, layers=1, heads=1, context=2, norm="post")
    params = model.init(0)
    table = np.array([[1, 0], [0, 1], [0, 0]], np.float32)
    w_qkv = np.zeros((2, 6), np.float32)
    w_qkv[:, 0:2] = w_qkv[:, 2:4] = np.eye(2)  # q = k = x
    params |= {"token_embedding": table, "block.0.attention.w_qkv": w_qkv}
    # x = √2 · table + (sin t, cos t), t = 0, 1
    first = np.array([math.sqrt(2) + 0, 1])
    second = np.array([math.sin(1), math.sqrt(2) + math.cos(1)])
    to_first, to_second = (math.exp(second @ key / math.sqrt(2)) for key in (first, second))
    share = to_first / (to_first + to_second)
    maps = attention_maps(model, params, np.array([[0, 1]]))
    assert list(maps) == ["block.0.attention"]
    np.testing.assert_allclose(
        maps["block.0.attention"], [[[[1, 0], [share, 1 - share]]]], rtol=1e-6
    )


def test_every_layer_is_named_like_its_parameters(attentive):
    model, params, inputs = attentive
    names = [n.removesuffix(".w_out") for n in params if n.endswith("attention.w_out")]
    # the order of the parameters says nothing: each map is named by the weight that it met
    maps = attention_maps(model, dict(reversed(params.items())), *inputs)
    assert list(maps) == names
    for name in names:
        rows = {"source": inputs[0].shape[1], "target": inputs[-1].shape[1]}
        T = rows["source" if name.startswith("encoder") else "target"]
        S = rows["target" if name.startswith(("decoder", "block")) and "cross" not in name
                 else "source"]
        assert maps[name].shape == (3, model.heads, T, S)
        np.testing.assert_allclose(maps[name].sum(axis=-1), 1, rtol=1e-6)


def test_what_is_hidden_has_weight_0_and_all_else_has_some(seq2seq):
    model, params, (source, target) = seq2seq
    maps = attention_maps(model, params, source, target)
    visible = np.broadcast_to((source != 0)[:, None, None, :], (3, 2, 4, 4))
    np.testing.assert_array_equal(maps["encoder.1.attention"] > 0, visible)
    visible = np.broadcast_to(visible[:, :, :1], (3, 2, 6, 4))
    np.testing.assert_array_equal(maps["decoder.0.cross_attention"] > 0, visible)
    np.testing.assert_array_equal(
        maps["decoder.0.attention"] > 0, np.broadcast_to(np.tri(6, dtype=bool), (3, 2, 6, 6))
    )


def test_the_map_is_the_one_by_which_the_values_were_weighted(transformer):
    """The first layer's map, from its own parameters in float64."""
    model, params, (ids,) = transformer
    params = {name: p.astype(np.float64) for name, p in params.items()}
    x = math.sqrt(8) * params["token_embedding"][ids] + sinusoidal_positions(6, 8, np.float64)
    normed, _ = layer_norm(x, params["block.0.norm_1.gain"], params["block.0.norm_1.bias"])
    qkv = normed @ params["block.0.attention.w_qkv"]
    maps = attention_maps(model, params, ids)["block.0.attention"]
    assert maps.dtype == np.float64
    for head in range(2):
        q, k = (qkv[..., at + 4 * head : at + 4 * head + 4] for at in (0, 8))
        scores = np.where(np.tri(6, dtype=bool), np.einsum("btd,bsd->bts", q, k) / 2, -np.inf)
        weights = np.exp(scores)
        weights /= weights.sum(axis=-1, keepdims=True)
        np.testing.assert_allclose(maps[:, head], weights, rtol=1e-10)


def test_float32_and_float64_agree(attentive):
    model, params, inputs = attentive
    exact = attention_maps(model, {n: p.astype(np.float64) for n, p in params.items()}, *inputs)
    for name, a in attention_maps(model, params, *inputs).items():
        assert a.dtype == np.float32
        np.testing.assert_allclose(a, exact[name], atol=1e-6)


def test_looking_changes_nothing(attentive):
    """Every layer's map is the one that this layer's own q and k give in a plain forward pass."""
    model, params, inputs = attentive
    expected = []

    def attend(q, k, v, mask=None):
        expected.append(attention_weights(q, k, mask))
        return attention(q, k, v, mask)

    model.forward(params, *inputs, attend=attend)
    for found, weights in zip(
        attention_maps(model, params, *inputs).values(), expected, strict=True
    ):
        np.testing.assert_array_equal(found, weights.reshape(found.shape))


def test_heads_that_share_keys_have_each_their_own_map():
    """As in the model in which the shared keys and values stand twice."""
    model = TransformerLanguageModel(11, width=8, layers=1, heads=4, key_value_heads=2)
    params, ids = model.init(0), np.arange(10).reshape(2, 5)
    columns = np.arange(16).reshape(8, 2)  # by head: q_0 … q_3, k_0, k_1, v_0, v_1
    twice = columns[[0, 1, 2, 3, 4, 4, 5, 5, 6, 6, 7, 7]].ravel()
    whole = {
        f"block.0.attention.{part}": params[f"block.0.attention.{part}"][..., twice]
        for part in ("w_qkv", "b_qkv")
    }
    same = TransformerLanguageModel(11, width=8, layers=1, heads=4)
    expected = attention_maps(same, params | whole, ids)["block.0.attention"]
    found = attention_maps(model, params, ids)["block.0.attention"]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert not np.allclose(found[:, 0], found[:, 1])


@pytest.mark.parametrize("attention", ["additive", "dot"])
def test_the_alignment_of_a_recurrent_model_is_a_map_of_one_head(attention):
    model = Seq2SeqLSTM(11, 10, width=6, attention=attention, padding_id=0)
    params, source = model.init(0), np.array([[1, 2, 3], [4, 5, 0]])
    target = np.array([[1, 2, 3, 4], [5, 6, 7, 8]])
    maps = attention_maps(model, params, source, target)
    assert list(maps) == ["alignment"]
    assert maps["alignment"].shape == (2, 1, 4, 3)
    np.testing.assert_allclose(maps["alignment"].sum(axis=-1), 1, rtol=1e-6)
    visible = np.broadcast_to((source != 0)[:, None, None], (2, 1, 4, 3))
    np.testing.assert_array_equal(maps["alignment"] > 0, visible)
    after = attention_maps(model, quantize(params, bits=3), source, target)
    assert head_change(maps, after)["alignment"].shape == (1,)
    assert head_entropy(maps)["alignment"][0] <= math.log(3)


def test_no_attention(lstm):
    model, params, inputs = lstm
    with pytest.raises(TypeError, match="LSTMLanguageModel has none"):
        attention_maps(model, params, *inputs)


def maps_of(rows):
    return {"layer": np.array(rows, np.float32)[None]}


def test_head_change_by_hand():
    before = maps_of([[[1, 0], [0.5, 0.5]], [[1, 0], [0.25, 0.75]]])
    after = maps_of([[[1, 0], [0.8, 0.2]], [[1, 0], [0.25, 0.75]]])
    # the first query sees one key and does not count
    np.testing.assert_allclose(head_change(before, after)["layer"], [0.3, 0], rtol=1e-6)
    apart = maps_of([[[1, 0, 0], [0, 1, 0]]]), maps_of([[[0, 1, 0], [0, 0, 1]]])
    assert head_change(*apart)["layer"].tolist() == [1]


def test_head_entropy_by_hand():
    maps = maps_of([[[1, 0], [0.5, 0.5]], [[1, 0], [1, 0]]])
    np.testing.assert_allclose(head_entropy(maps)["layer"], [math.log(2), 0], rtol=1e-6)
    assert head_entropy(maps_of([[[1], [1]]]))["layer"].tolist() == [0]  # nowhere else to look


def test_only_counted_queries_count():
    before = {"layer": np.full((1, 1, 2, 2), 0.5)}
    after = {"layer": np.array([[[[0.5, 0.5], [1, 0]]]])}
    assert head_change(before, after)["layer"].tolist() == [0.25]
    counted = {"layer": np.array([[False, True]])}
    assert head_change(before, after, counted)["layer"].tolist() == [0.5]
    assert head_entropy(after, counted)["layer"].tolist() == [0]
    with pytest.raises(ValueError, match=r"counted\['layer'\].*\(1, 2\)"):
        head_change(before, after, {"layer": np.array([True])})


def test_maps_that_do_not_belong_together_are_refused():
    one, other = maps_of([[[1]]]), maps_of([[[1], [1]]])
    with pytest.raises(ValueError, match="layer must have maps of one shape"):
        head_change(one, other)
    with pytest.raises(ValueError, match="must have the maps"):
        head_change(one, {})


def test_heads_stay_where_nothing_is_compressed_and_move_more_with_fewer_bits(attentive):
    model, params, inputs = attentive
    before = attention_maps(model, params, *inputs)
    assert not any(c.any() for c in head_change(before, before).values())
    moved = []
    for bits in (8, 4, 2):
        after = attention_maps(model, quantize(params, bits=bits), *inputs)
        changes = head_change(before, after)
        assert all(c.shape == (model.heads,) for c in changes.values())
        assert all((c > 0).all() and (c < 1).all() for c in changes.values())
        moved.append(np.mean([c.mean() for c in changes.values()]))
    assert moved[0] < moved[1] < moved[2]


def test_a_query_with_one_key_does_not_count_even_if_it_is_asked_for():
    maps = {"attention": np.array([[[[1.0, 0.0], [0.5, 0.5]]]])}
    counted = {"attention": np.ones((1, 2), bool)}
    assert head_entropy(maps, counted)["attention"] == pytest.approx(np.log(2))
