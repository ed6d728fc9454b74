"""What every model must do, whatever it reads: gradients, dtypes, seeds, dropout, settings."""

import json
import math

import numpy as np
import pytest

from minilm.models import (
    BagOfWordsClassifier,
    LSTMClassifier,
    LSTMLanguageModel,
    MaskedLanguageModel,
    Seq2SeqLSTM,
    Seq2SeqTransformer,
    TransformerClassifier,
    TransformerEncoder,
    TransformerLanguageModel,
    build,
)
from minilm.nn import check_model_gradient

TEXT = np.random.default_rng(0).integers(11, size=(3, 5))
SOURCE = np.array([[3, 7, 1, 5], [2, 2, 0, 0], [9, 4, 6, 0]])  # 0 fills up
TARGET_INPUTS = np.random.default_rng(0).integers(1, 11, size=(3, 5))

SMALL = {"vocab_size": 11, "width": 8, "layers": 2, "heads": 2, "context": 6}
LSTMS = {
    "one layer": {},
    "two layers": {"layers": 2},
    "untied": {"embedding_width": 4, "layers": 2, "tied": False},
    "projection": {"embedding_width": 4},
    "dropout": {"embedding_width": 4, "layers": 2, "dropout": 0.4},
}
TRANSFORMERS = {
    "pre-norm": {},
    "post-norm": {"norm": "post"},
    "untied": {"tied": False},
    "untied post-norm": {"tied": False, "norm": "post"},
    "dropout": {"dropout": 0.3},
    "post-norm dropout": {"norm": "post", "dropout": 0.3},
}
CLASSIFIERS = {
    "mean": {},
    "mean, post-norm dropout": {"norm": "post", "dropout": 0.3},
    "mean, learned dropout": {"positions": "learned", "dropout": 0.3},
    "mean, learned post-norm": {"positions": "learned", "norm": "post"},
    "first, dropout": {"pooling": "first", "dropout": 0.3},
    "first, learned post-norm": {"pooling": "first", "positions": "learned", "norm": "post"},
}
MASKED = {
    "exact gelu": {},
    "gelu, eps": {"activation": "gelu", "norm_eps": 0.1},
    "relu": {"activation": "relu", "token_types": 1},
    "dropout": {"dropout": 0.3},
}
LSTM_CLASSIFIERS = {
    "mean": {},
    "last": {"embedding_width": 4, "pooling": "last"},
    "two levels": {"layers": 2, "pooling": "last"},
    "dropout": {"layers": 2, "dropout": 0.3},
}
SEQ2SEQ_LSTMS = {
    "additive": {},
    "dot": {"attention": "dot"},
    "two tables": {"source_vocab_size": 13, "layers": 2},
    "untied": {"layers": 2, "attention": "dot", "tied": False},
    "dropout": {"layers": 2, "dropout": 0.3},
}
SEQ2SEQ_TRANSFORMERS = {
    "pre-norm": {},
    "post-norm": {"norm": "post"},
    "untied": {"tied": False},
    "two tables": {"source_vocab_size": 13, "norm": "post"},
    "two tables untied": {"source_vocab_size": 13, "tied": False},
    "learned": {"positions": "learned"},
    "learned untied": {
        "source_vocab_size": 13, "positions": "learned", "norm": "post", "tied": False,
    },
    "dropout": {"dropout": 0.3},
    "post-norm dropout": {"norm": "post", "dropout": 0.3},
}  # fmt: skip
MODELS = {
    **{f"LSTM, {n}": LSTMLanguageModel(11, width=6, **more) for n, more in LSTMS.items()},
    **{f"Transformer, {n}": TransformerLanguageModel(**SMALL, **more)
       for n, more in TRANSFORMERS.items()},
    **{f"Transformer classifier, {n}": TransformerClassifier(**SMALL, classes=3, **more)
       for n, more in CLASSIFIERS.items()},
    **{f"masked, {n}": MaskedLanguageModel(**SMALL, **more) for n, more in MASKED.items()},
    **{f"LSTM classifier, {n}": LSTMClassifier(11, 3, width=6, **more)
       for n, more in LSTM_CLASSIFIERS.items()},
    "bag of words": BagOfWordsClassifier(11, 3, width=4),
    "bag of words, dropout": BagOfWordsClassifier(11, 3, width=4, dropout=0.3),
    **{f"LSTM encoder-decoder, {n}": Seq2SeqLSTM(11, width=6, **more)
       for n, more in SEQ2SEQ_LSTMS.items()},
    **{f"encoder-decoder, {n}": Seq2SeqTransformer(**SMALL, **more)
       for n, more in SEQ2SEQ_TRANSFORMERS.items()},
}  # fmt: skip
DROPPING = [name for name, model in MODELS.items() if model.dropout]
WRITING = [
    name for name, model in MODELS.items()
    if not (hasattr(model, "classes") or isinstance(model, MaskedLanguageModel))
]  # fmt: skip
each_model = pytest.mark.parametrize("name", MODELS)


def example(name):
    """model, inputs, shape of its logits"""
    model = MODELS[name]
    if hasattr(model, "classes"):
        return model, (SOURCE,), (3, 3)
    if isinstance(model, MaskedLanguageModel):
        return model, (SOURCE,), (3, 4, 11)
    inputs = (SOURCE, TARGET_INPUTS) if hasattr(model, "source_vocab_size") else (TEXT,)
    return model, inputs, (3, 5, 11)


@pytest.fixture
def as_one(of_pairs):
    """as_one(model, inputs): both as check_model_gradient wants them, one array of tokens or one
    tuple of arrays."""
    return lambda model, inputs: (
        (model, *inputs) if len(inputs) == 1 else (of_pairs(model), inputs)
    )


@pytest.mark.parametrize(
    ("name", "seed"), [*((name, None) for name in MODELS), *((name, 1) for name in DROPPING)]
)
def test_gradients_of_the_whole_model(name, seed, as_one):
    model, tokens = as_one(*example(name)[:2])
    rng = None if seed is None else np.random.default_rng(seed)
    check_model_gradient(model, MODELS[name].init(0), tokens, rng=rng)


@each_model
def test_gradients_that_reach_the_hidden_state_another_way(name, as_one, reads_hidden):
    model, tokens = as_one(*example(name)[:2])
    check_model_gradient(reads_hidden(model), MODELS[name].init(0), tokens)


@each_model
def test_float32_in_float32_out_and_one_gradient_per_parameter(name, arrays_in):
    model, inputs, shape = example(name)
    params = model.init(0)
    before = {n: p.copy() for n, p in params.items()}
    logits, cache = model.forward(params, *inputs, rng=np.random.default_rng(0))
    dlogits, dhidden = np.ones_like(logits), np.ones_like(cache["hidden"])
    grads = model.backward(dlogits, cache, dhidden=dhidden)
    again = model.backward(dlogits, cache, dhidden=dhidden)
    assert logits.shape == shape
    assert cache["hidden"].shape == (*shape[:-1], model.width)
    if len(inputs) == 2:
        assert cache["memory"].shape == (3, 4, model.width)
    assert grads.keys() == params.keys()
    for array in (logits, cache["hidden"], *params.values(), *grads.values()):
        assert array.dtype == np.float32
    public = [cache[kept] for kept in ("state", "memory", "alignment") if kept in cache]
    for array in arrays_in(public):
        assert array.dtype == np.float32 or array.dtype.kind in "ib"
    for n, p in params.items():
        assert grads[n].shape == p.shape
        np.testing.assert_array_equal(grads[n], again[n])
        np.testing.assert_array_equal(p, before[n])
    assert (dlogits == 1).all() and (dhidden == 1).all()


@each_model
def test_the_same_seed_gives_the_same_bits_and_no_memory_is_shared(name):
    model = MODELS[name]
    first, second, other = model.init(3), model.init(3), model.init(4)
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert not np.array_equal(first["token_embedding"], other["token_embedding"])
    params = list(first.values())
    for i, p in enumerate(params):
        assert not any(np.shares_memory(p, earlier) for earlier in params[:i])


@each_model
def test_a_configuration_survives_being_written(name):
    assert build(json.loads(json.dumps(MODELS[name].config()))) == MODELS[name]


@pytest.mark.parametrize("name", DROPPING)
def test_dropout_is_on_exactly_when_an_rng_is_passed(name):
    model, inputs, _ = example(name)
    params = model.init(0)
    off = [model.forward(params, *inputs)[0] for _ in range(2)]
    on = [model.forward(params, *inputs, rng=np.random.default_rng(s))[0] for s in (1, 1, 2)]
    assert np.array_equal(off[0], off[1])
    assert np.array_equal(on[0], on[1])
    assert not np.array_equal(on[0], off[0])
    assert not np.array_equal(on[0], on[2])


@pytest.mark.parametrize("name", WRITING)
def test_no_position_sees_what_comes_after_it(name):
    model, (*source, text), _ = example(name)
    params, changed = model.init(0), text.copy()
    changed[:, 3] = (changed[:, 3] + 1) % 11
    before, _ = model.forward(params, *source, text)
    after, _ = model.forward(params, *source, changed)
    np.testing.assert_array_equal(before[:, :3], after[:, :3])
    assert not np.isclose(before[:, 3:], after[:, 3:]).all(axis=-1).any()


OUT_OF_RANGE = {
    LSTMLanguageModel: {
        "vocab_size": [0], "width": [-1, 2.5], "embedding_width": [0], "layers": [0],
        "dropout": [1.0, math.nan],
    },
    TransformerLanguageModel: {
        "vocab_size": [0], "width": [0], "heads": [3], "layers": [True], "context": [0],
        "feed_forward": [0], "norm": ["middle"], "dropout": [-0.1],
    },
    TransformerEncoder: {
        "vocab_size": [0], "width": [0], "heads": [3], "layers": [True], "context": [0],
        "feed_forward": [0], "activation": ["swiglu"], "token_types": [0],
        "norm_eps": [0, math.inf], "dropout": [1.0], "padding_id": [5],
    },
    MaskedLanguageModel: {"heads": [3], "activation": ["swiglu"], "norm_eps": [-1e-5]},
    TransformerClassifier: {
        "vocab_size": [0], "classes": [0], "heads": [3], "layers": [True], "norm": ["middle"],
        "positions": ["rotary"], "pooling": ["last"], "dropout": [1.0], "padding_id": [5, None],
    },
    LSTMClassifier: {
        "classes": [0], "width": [7], "embedding_width": [0], "pooling": ["first"],
        "dropout": [1.0], "padding_id": [5],
    },
    BagOfWordsClassifier: {"classes": [0], "dropout": [-1], "padding_id": [-1]},
    Seq2SeqLSTM: {
        "vocab_size": [0], "source_vocab_size": [0], "width": [7], "layers": [0],
        "attention": ["general"], "dropout": [1.0], "padding_id": [5],
    },
    Seq2SeqTransformer: {
        "vocab_size": [0], "source_vocab_size": [0], "heads": [3], "layers": [True],
        "norm": ["middle"], "dropout": [1.0], "positions": ["rotary"], "padding_id": [5, -1, None],
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "setting", "value"),
    [(kind, setting, value) for kind, settings in OUT_OF_RANGE.items()
     for setting, values in settings.items() for value in values],
)  # fmt: skip
def test_settings_out_of_range_are_refused_by_name(kind, setting, value):
    settings = {"vocab_size": 5, "width": 8, setting: value}
    if "Classifier" in kind.__name__:
        settings = {"classes": 2, **settings}
    with pytest.raises(ValueError, match="width must be even" if value == 7 else setting):
        kind(**settings)
