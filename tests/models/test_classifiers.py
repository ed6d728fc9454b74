"""The LSTM classifier and the bag of words."""

import numpy as np
import pytest

from minilm import prune, quantize
from minilm.compression import straight_through
from minilm.models import BagOfWordsClassifier, LSTMClassifier
from minilm.models.pooling import mean_of_tokens, mean_of_tokens_backward
from minilm.nn import check_gradient
from minilm.training import AdamW, fit

TOKENS = np.array([[3, 7, 1, 5], [2, 2, 0, 0], [9, 4, 6, 0]])

MODELS = {
    "mean": LSTMClassifier(11, 3, width=6),
    "last": LSTMClassifier(11, 3, width=6, embedding_width=4, pooling="last"),
    "two levels": LSTMClassifier(11, 3, width=6, layers=2, pooling="last"),
    "dropout": LSTMClassifier(11, 3, width=6, layers=2, dropout=0.3),
    "bag": BagOfWordsClassifier(11, 3, width=4),
    "bag dropout": BagOfWordsClassifier(11, 3, width=4, dropout=0.3),
}
names = pytest.mark.parametrize("name", MODELS)


@names
def test_padding_changes_nothing(name):
    model = MODELS[name]
    params = model.init(0)
    logits, _ = model.forward(params, TOKENS)
    longer, _ = model.forward(params, np.pad(TOKENS, ((0, 0), (0, 3))))
    np.testing.assert_allclose(longer, logits, atol=1e-6)
    for row, length in enumerate((4, 2, 3)):
        alone, _ = model.forward(params, TOKENS[row : row + 1, :length])
        np.testing.assert_allclose(alone[0], logits[row], atol=1e-6)


def test_a_bag_of_words_is_linear_in_the_words_shares_and_blind_to_their_order():
    model = MODELS["bag"]
    params = model.init(0)
    logits, _ = model.forward(params, TOKENS)
    shares = np.stack([np.bincount(row[row != 0], minlength=11) for row in TOKENS]) * 1.0
    shares /= shares.sum(axis=1, keepdims=True)
    by_word = params["token_embedding"] @ params["head.w"]
    np.testing.assert_allclose(shares @ by_word + params["head.b"], logits, atol=1e-6)
    turned, _ = model.forward(params, TOKENS[:, ::-1])
    np.testing.assert_allclose(turned, logits, atol=1e-6)
    order = MODELS["mean"]
    first, _ = order.forward(order.init(0), TOKENS[:1])
    second, _ = order.forward(order.init(0), TOKENS[:1, ::-1])
    assert not np.allclose(first, second, atol=1e-4)


def test_the_mean_is_over_tokens():
    y = np.arange(12.0).reshape(2, 3, 2)
    mask = np.array([[True, True, False], [True, True, True]])
    np.testing.assert_allclose(mean_of_tokens(y, mask)[0], [[1, 2], [8, 9]])
    check_gradient(mean_of_tokens, mean_of_tokens_backward, y, mask)


@pytest.mark.parametrize("name", ["mean", "bag"])
def test_bad_tokens_are_refused(name):
    model = MODELS[name]
    for tokens, message in [
        (TOKENS[:, :0], "tokens"),
        (TOKENS * [[1], [0], [1]], "only padding in row 1"),
        (TOKENS + 8, "ids"),
    ]:
        with pytest.raises(ValueError, match=message):
            model.forward(model.init(0), tokens)


def which_is_first(step, rows=32):
    """Label 1 where token 1 stands before token 2, 0 where behind: no bag of words can tell."""
    rng = np.random.default_rng([2, step])
    tokens = rng.integers(3, 9, size=(rows, 6))
    places = np.sort(rng.permuted(np.tile(np.arange(6), (rows, 1)), axis=1)[:, :2], axis=1)
    labels = rng.integers(2, size=rows)
    tokens[np.arange(rows), places[:, 0]] = 2 - labels
    tokens[np.arange(rows), places[:, 1]] = 1 + labels
    return tokens, labels


@pytest.mark.parametrize("pooling", ["mean", "last", None])
def test_order_is_learnt_by_an_lstm_alone_and_compression_needs_no_new_code(pooling):
    lstm = pooling is not None
    model = LSTMClassifier(9, 2, width=16, pooling=pooling) if lstm else BagOfWordsClassifier(9, 2)
    params, _ = fit(
        model, model.init(0), which_is_first, steps=120, optimizer=AdamW(),
        schedule=lambda step: 2e-2, view=straight_through(bits=8),
    )  # fmt: skip
    tokens, labels = which_is_first(10_000, rows=400)

    def accuracy(params):
        return (model.forward(params, tokens)[0].argmax(axis=-1) == labels).mean()

    found = accuracy(params)
    assert found > 0.95 if lstm else found < 0.6
    assert abs(accuracy(quantize(params, bits=8)) - found) < 0.05
    assert np.isfinite(accuracy(prune(params, 0.5)))
