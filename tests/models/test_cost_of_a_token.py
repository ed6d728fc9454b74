"""With its keys and values kept, a token costs the more the more came before it: along a line."""

from typing import ClassVar

import numpy as np
import pytest

from minilm.models import TransformerLanguageModel
from minilm.nn import attention

SMALL = {"vocab_size": 11, "width": 16, "layers": 2, "heads": 4, "context": 24}
LLAMA = {"positions": "rotary", "normalization": "rms", "activation": "swiglu", "biases": False}
MODELS = {
    "sinusoidal": TransformerLanguageModel(**SMALL),
    "learned": TransformerLanguageModel(**SMALL, positions="learned"),
    "Llama": TransformerLanguageModel(**SMALL, **LLAMA, key_value_heads=2),
}


class Counted(np.ndarray):
    """An array whose operations are counted: multiply-adds of products, numbers of all else."""

    counts: ClassVar = {"multiply-adds": 0, "numbers": 0}

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **how):
        plain = [np.asarray(x) if isinstance(x, Counted) else x for x in inputs]
        if out is not None:
            how["out"] = tuple(np.asarray(x) for x in out)
        y = getattr(ufunc, method)(*plain, **how)
        if ufunc is np.matmul:
            self.counts["multiply-adds"] += np.size(y) * plain[0].shape[-1]
        else:
            self.counts["numbers"] += max(map(np.size, (y, *plain)))
        if out is not None:
            return out[0]
        return y.view(Counted) if isinstance(y, np.ndarray) else y


def attend(q, k, v, mask=None):
    """`attention`, counted: where heads are copied side by side, plain arrays come out."""
    return attention(*(a.view(Counted) for a in (q, k, v)), mask)


def costs(model, cached):
    """Of the last of 1 … context tokens: [(multiply-adds, numbers)]."""
    params = {name: p.view(Counted) for name, p in model.init(0).items()}
    tokens = np.random.default_rng(0).integers(11, size=(1, model.context))
    state, found = model.fresh_state(), []
    for t in range(model.context):
        before = dict(Counted.counts)
        if cached:
            _, cache = model.forward(params, tokens[:, t : t + 1], state=state, attend=attend)
            state = cache["state"]
        else:
            model.forward(params, tokens[:, : t + 1], attend=attend)
        found.append([Counted.counts[kind] - before[kind] for kind in before])
    return np.array(found)


@pytest.mark.parametrize("name", MODELS)
def test_a_cached_token_costs_a_line(name):
    """What grows is attention: one more score, weight in a sum, and value for each head."""
    multiply_adds, numbers = costs(MODELS[name], cached=True).T
    layers, heads, head_dim = 2, 4, 4
    assert set(np.diff(multiply_adds)) == {layers * heads * (head_dim + 1 + head_dim)}
    assert len(set(np.diff(numbers))) == 1


def test_without_a_cache_it_is_a_parabola_and_dearer():
    model = MODELS["sinusoidal"]
    cached, whole = (costs(model, way)[:, 0] for way in (True, False))
    assert whole[-1] > 20 * cached[-1]
    assert (np.diff(whole, 2)[1:] > 0).all()
