"""Gates, attention and blocks: by hand, and against the library's own."""

import numpy as np
import pytest

from minilm.course.published import blocks, gates_and_attention
from minilm.models.block import FEED_FORWARD, parts
from minilm.nn import attention, relu


def test_both_steps_of_the_lstm_are_the_same_everywhere():
    rng = np.random.default_rng(3)
    for D, H in ((1, 1), (5, 2), (2, 7)):
        shapes = ((1, D), (1, H), (1, H), (D, 4 * H), (H, 4 * H), (4 * H,))
        given = [rng.standard_normal(shape) for shape in shapes]
        printed = gates_and_attention.printed_step(*given)
        assert np.allclose(printed, gates_and_attention.fused_step(*given), atol=1e-12)


def test_values_transposed_mix_features_in_the_place_of_tokens():
    v = np.array([[1.0, 10.0], [2.0, 20.0]])
    q, k = np.zeros((2, 2)), np.ones((2, 2))
    assert gates_and_attention.values_as_rows(q, k, v).tolist() == [[1.5, 15], [1.5, 15]]
    assert gates_and_attention.values_transposed(q, k, v).tolist() == [[5.5, 11], [5.5, 11]]
    with pytest.raises(ValueError):
        gates_and_attention.values_transposed(*np.ones((3, 5, 3)))


def test_heads_of_the_features_attend_to_every_token():
    x = np.random.default_rng(0).standard_normal((2, 6, 4))
    y = gates_and_attention.heads_of_the_features(x, 2)
    for head in (slice(0, 2), slice(2, 4)):
        alone, _ = attention(x[..., head], x[..., head], x[..., head])
        assert np.allclose(y[..., head], alone)
    pieces = gates_and_attention.heads_of_the_sequence(x, 2)
    assert np.allclose(pieces[:, :3], attention(x[:, :3], x[:, :3], x[:, :3])[0])


def test_a_softmax_of_one_unit_has_no_gradient():
    logits = np.array([[-700.0], [0.0], [3.0]])
    assert gates_and_attention.softmax_of_one(logits).tolist() == [[1], [1], [1]]
    assert gates_and_attention.sigmoid_of_one(np.zeros((1, 1))).tolist() == [[0.5]]


def test_the_paper_s_relu_passes_its_gradient_whole():
    assert blocks.sigmoid_layer(np.zeros(1))[1] == 0.25
    assert relu(np.array([2.0]))[0] == 2
    y, slope = blocks.gelu_layer(np.array([8.0]))
    assert y == pytest.approx(8) and slope == pytest.approx(1)


def test_a_norm_around_the_layer_undoes_any_factor():
    x, one = blocks.tokens(), np.eye(blocks.D, dtype=np.float32)
    weights = parts(blocks.encoder_weights(), "b.feed_forward", FEED_FORWARD)

    def layer(factor):
        return lambda x: factor * blocks.feed_forward(x, *weights)[0]

    loud, louder = (blocks.norm_inside(x, layer(f), one) for f in (10, 1000))
    assert np.allclose(loud, louder, atol=1e-3)
    loud, louder = (blocks.norm_outside(x, layer(f), one) for f in (10, 1000))
    assert not np.allclose(loud, louder, atol=1e-2)


def test_under_the_inner_norm_one_dropped_number_moves_those_that_stay():
    x, one = np.zeros((1, 8), np.float32), np.eye(8, dtype=np.float32)

    def layer(x):
        return x + np.arange(8, dtype=np.float32)

    rng = np.random.default_rng(0)
    dropped = blocks.norm_inside(x, layer, one, 0.2, rng)
    assert not np.allclose(dropped, blocks.norm_inside(x, layer, one))
    assert np.isfinite(dropped).all()


def test_side_by_side_cannot_be_added_to_x():
    x, params = blocks.tokens(), blocks.encoder_weights()
    with pytest.raises(ValueError):
        x + blocks.side_by_side(x, params)
    assert (x + blocks.one_after_the_other(x, params)).shape == x.shape


def test_the_right_decoder_reads_the_past_and_the_source_and_not_the_future():
    x, source = blocks.tokens(), blocks.tokens(seed=2)
    y = blocks.decoder_whole(x, source)
    for t in range(blocks.T):
        moved = x.copy()
        moved[0, t] += 1
        changed = np.abs(blocks.decoder_whole(moved, source) - y).max(axis=-1)[0] > 1e-6
        assert changed.tolist() == [position >= t for position in range(blocks.T)]
    assert np.array_equal(
        blocks.decoder_as_an_encoder(x, source), blocks.decoder_as_an_encoder(x, source + 1)
    )
