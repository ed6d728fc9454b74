"""However a text is written, the logits are those of a model that reads it all again each time."""

import numpy as np
import pytest

from minilm.generation import beam_search, generate, generate_batch
from minilm.models import Conditioned, LSTMLanguageModel, Seq2SeqTransformer
from minilm.models import TransformerLanguageModel as Transformer

V = 9
SMALL = {"width": 8, "layers": 2, "heads": 2}
SOURCE = np.array([[1, 2, 3, 0], [4, 5, 6, 7]])
MODELS = {
    "lstm": LSTMLanguageModel(V, width=8, layers=2),
    "transformer": Transformer(V, **SMALL, context=30),
    "windows": Transformer(V, **SMALL, context=5),
    "encoder–decoder": Conditioned(Seq2SeqTransformer(V, **SMALL, context=30), SOURCE),
}
SAMPLING = {
    "greedy": {"temperature": 0},
    "temperature": {"temperature": 0.7},
    "top-k": {"top_k": 3},
    "top-p": {"top_p": 0.8},
}


class Watched:
    """A model whose last logits are written down."""

    def __init__(self, model):
        self.model, self.logits = model, []

    def __getattr__(self, name):
        return getattr(self.model, name)

    def forward(self, params, tokens, *, state=None):
        logits, cache = self.model.forward(params, tokens, state=state)
        self.logits.append(logits[:, -1])
        return logits, cache


class Uncached(Watched):
    """Its state is all that has been read, and is read again."""

    def fresh_state(self):
        return None

    def chosen(self, state, rows):
        ids, source = state
        return ids[rows], None if source is None else source[rows]

    def forward(self, params, tokens, *, state=None):
        model = self.model
        ids, source = (tokens, getattr(model, "source", None)) if state is None else (
            np.concatenate([state[0], tokens], axis=1), state[1]
        )  # fmt: skip
        whole = model if source is None else Conditioned(model.model, source)
        logits, _ = whole.forward(params, ids)
        self.logits.append(logits[:, -1])
        return logits[:, -tokens.shape[1] :], {"state": (ids, source)}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("how", [*SAMPLING, "beam"])
def test_cached_is_uncached(name, how):
    model = MODELS[name]
    params = {n: 2 * p for n, p in model.init(0).items()}
    one = Conditioned(model.model, SOURCE[:1]) if isinstance(model, Conditioned) else model

    def write(alone, batch):
        if how == "beam":
            hypotheses = beam_search(alone, params, [1, 2], 12, beams=3, end=4)
            return [h.ids.tolist() for h in hypotheses]
        rngs = [np.random.default_rng(seed) for seed in (1, 2)]
        first = generate(alone, params, [1, 2, 3], 12, rng=rngs[0], **SAMPLING[how])
        texts = generate_batch(batch, params, [[1], [2, 3]], 12, rng=rngs[1], **SAMPLING[how])
        return [ids.tolist() for ids in (first, *texts)]

    cached, uncached = ((kind(one), kind(model)) for kind in (Watched, Uncached))
    assert write(*cached) == write(*uncached)
    for a, b in zip(cached, uncached, strict=True):
        assert len(a.logits) == len(b.logits)
        for x, y in zip(a.logits, b.logits, strict=True):
            np.testing.assert_allclose(x, y, rtol=0, atol=1e-5)
