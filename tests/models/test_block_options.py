"""What no shape tells a block: the eps of its norms and its activation, in the whole model too."""

import math
from dataclasses import replace

import numpy as np
import pytest

from minilm.models import TransformerLanguageModel
from minilm.models.block import block
from minilm.nn import attention, layer_norm

SMALL = {"vocab_size": 11, "width": 16, "layers": 2, "heads": 4, "context": 7}
TOKENS = np.random.default_rng(0).integers(11, size=(3, 7))


def moved(params):
    """Every parameter moved off its fresh value, so that no gain is 1 and no bias 0, in float64."""
    rng = np.random.default_rng(3)
    return {n: p + 0.1 * rng.standard_normal(p.shape) for n, p in params.items()}


@pytest.mark.parametrize("normalization", ["layer", "rms"])
def test_norm_eps_is_that_of_every_norm(normalization):
    """Where eps is all there is to divide by, a norm gives its bias, whatever it reads."""
    model = TransformerLanguageModel(**SMALL, normalization=normalization, norm_eps=1e30)
    params = moved(model.init(0))
    logits, cache = model.forward(params, TOKENS)
    hidden = np.broadcast_to(params.get("norm.bias", 0), (3, 7, 16))
    np.testing.assert_allclose(cache["hidden"], hidden, atol=1e-12)
    np.testing.assert_allclose(logits, hidden @ params["token_embedding"].T, atol=1e-12)
    options = {"head_dim": 4, "norm": "pre", "mask": None, "attend": attention, "eps": 1e30}
    added = [
        block(x, params, "block.0", **options)[0] - x
        for x in np.random.default_rng(0).standard_normal((2, 3, 7, 16))
    ]
    np.testing.assert_allclose(added[0], np.broadcast_to(added[1][0, 0], (3, 7, 16)), atol=1e-12)


@pytest.mark.parametrize(
    ("activation", "written"),
    [
        ("gelu", lambda u: u / (1 + np.exp(-2 * math.sqrt(2 / math.pi) * (u + 0.044715 * u**3)))),
        ("exact_gelu", np.vectorize(lambda u: u * (1 + math.erf(u / math.sqrt(2))) / 2)),
        ("relu", lambda u: np.maximum(u, 0)),
    ],
)
def test_activation_is_that_of_the_feed_forward_layer(activation, written):
    model = TransformerLanguageModel(**SMALL, activation=activation)
    p = moved(model.init(0))
    for weights in [n for n in p if n.startswith("block.1") or "attention" in n]:
        p[weights] = np.zeros_like(p[weights])  # but for one feed-forward layer, nothing is added
    x = np.random.default_rng(1).standard_normal((3, 7, 16))
    names = [f"block.0.feed_forward.{n}" for n in ("w_up", "b_up", "w_down", "b_down")]
    w_up, b_up, w_down, b_down = (p[n] for n in names)
    normed, _ = layer_norm(x, p["block.0.norm_2.gain"], p["block.0.norm_2.bias"])
    y, _ = block(
        x, p, "block.0", head_dim=4, norm="pre", mask=None, attend=attention,
        activation=activation,
    )  # fmt: skip
    expected = x + written(normed @ w_up + b_up) @ w_down + b_down
    np.testing.assert_allclose(y, expected, atol=1e-6)
    # and the model says so to its blocks: no two forms have the same logits
    others = {"gelu", "exact_gelu", "relu"} - {activation}
    logits, _ = model.forward(p, TOKENS)
    for other in others:
        others_logits, _ = replace(model, activation=other).forward(p, TOKENS)
        assert np.abs(logits - others_logits).max() > 1e-6
