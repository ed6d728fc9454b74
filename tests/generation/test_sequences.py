"""What an encoder–decoder writes when the likeliest token is always taken."""

import numpy as np
import pytest

from minilm.generation import answer, beam_search, sequences
from minilm.models import Conditioned, Seq2SeqLSTM, Seq2SeqTransformer
from minilm.weights import SparseTensor

MODEL = Seq2SeqTransformer(7, width=8, layers=1, heads=2, context=9, tied=False)
SOURCE = np.array([[1, 2, 3, 4], [5, 6, 0, 0], [3, 3, 3, 0], [6, 0, 0, 0], [2, 6, 1, 0]])
IDS = {"begin_id": 5, "end_id": 6, "length": 9}


MODELS = {"transformer": MODEL, "lstm": Seq2SeqLSTM(7, width=8)}
by_model = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)


def parameters(seed=1, model=MODEL):
    """Large weights, so that what is written depends on what was read."""
    params = model.init(seed)
    return {name: 6 * p if p.ndim == 2 else p for name, p in params.items()}


@by_model
def test_every_token_is_the_likeliest_after_those_before_it(model):
    params = parameters(model=model)
    answers = answer(model, params, SOURCE, **IDS)
    assert len({tuple(written) for written in answers}) > 1
    for source, written in zip(SOURCE, answers, strict=True):
        assert 6 not in written
        inputs = np.concatenate([[5], written])[None, :9]
        likeliest = model.forward(params, source[None], inputs)[0][0].argmax(axis=-1)
        np.testing.assert_array_equal(likeliest[: len(written)], written)
        assert len(written) == 9 or likeliest[len(written)] == 6


@by_model
@pytest.mark.parametrize("beams", [1, 3])
@pytest.mark.parametrize("seed", range(4))
def test_a_source_alone_gets_the_same_answer(model, seed, beams, monkeypatch):
    params = parameters(seed, model)
    monkeypatch.setattr(sequences, "BATCH", 2)  # and in batches, too
    answers = answer(model, params, SOURCE, beams=beams, **IDS)
    for source, written in zip(SOURCE, answers, strict=True):
        alone = answer(model, params, source[source != 0][None], beams=beams, **IDS)
        np.testing.assert_array_equal(alone[0], written)


def log_p(model, params, source, written):
    """log p(written, and the end token if there is room | source), all read at once."""
    text = [*written, 6][:9]
    logits, _ = model.forward(params, source[None], np.array([[5, *text[:-1]]]))
    z = logits[0].astype(np.float64)
    z -= z.max(-1, keepdims=True)
    z -= np.log(np.exp(z).sum(-1, keepdims=True))
    return z[np.arange(len(text)), text].sum(), len(text)


@by_model
def test_beams_find_likelier_answers(model):
    """The best text of a beam search, whose probability is that of the uncached model."""
    gains = []
    for seed in range(3):
        params = {name: p / 2 for name, p in parameters(seed, model).items()}
        answers = answer(model, params, SOURCE, beams=4, alpha=0.0, **IDS)
        greedy = answer(model, params, SOURCE, **IDS)
        for source, written, first in zip(SOURCE, answers, greedy, strict=True):
            best, *_ = beam_search(
                Conditioned(model, source[None]), params, [5], 9, beams=4, alpha=0.0, end=6
            )
            assert 6 not in written and [*written, 6][: len(best.ids)] == best.ids.tolist()
            found, n = log_p(model, params, source, written)
            assert n == len(best.ids) and best.log_probability == pytest.approx(found, abs=1e-4)
            gains.append(found - log_p(model, params, source, first)[0])
    assert max(gains) > 1e-3 and np.mean(gains) > 0


def test_each_token_is_read_once_and_what_is_over_no_more(monkeypatch):
    params, shapes, write = parameters(), [], Seq2SeqTransformer.write

    def watched(self, params, target_inputs, state, **how):
        shapes.append(target_inputs.shape)
        return write(self, params, target_inputs, state, **how)

    monkeypatch.setattr(Seq2SeqTransformer, "write", watched)
    lengths = np.array([len(written) for written in answer(MODEL, params, SOURCE, **IDS)])
    assert len(set(lengths)) > 1
    assert shapes == [((lengths >= t).sum(), 1) for t in range(lengths.max() + 1) if t < 9]


def test_compressed_weights_are_thawed_unless_asked_not_to(monkeypatch):
    params = parameters()
    params["decoder.0.feed_forward.w_up"] = SparseTensor.from_dense(
        params["decoder.0.feed_forward.w_up"], np.ones((8, 32), dtype=bool)
    )
    seen, write = [], Seq2SeqTransformer.write

    def watched(self, params, *arguments, **how):
        seen.append(type(params["decoder.0.feed_forward.w_up"]))
        return write(self, params, *arguments, **how)

    monkeypatch.setattr(Seq2SeqTransformer, "write", watched)
    for beams in (1, 2):
        for packed, kind in ((False, np.ndarray), (True, SparseTensor)):
            seen.clear()
            answer(MODEL, params, SOURCE, beams=beams, packed=packed, **IDS)
            assert set(seen) == {kind}


def test_length_and_end():
    params = parameters()
    full = answer(MODEL, params, SOURCE, **IDS)
    short_ones = answer(MODEL, params, SOURCE, **IDS | {"length": 2})
    for short, written in zip(short_ones, full, strict=True):
        np.testing.assert_array_equal(short, written[:2])
    assert [len(w) for w in answer(MODEL, params, SOURCE, **IDS | {"length": 0})] == [0] * 5
    first = int(full[0][0])
    assert len(answer(MODEL, params, SOURCE[:1], **IDS | {"end_id": first})[0]) == 0


@pytest.mark.parametrize(
    "wrong", [{"begin_id": 7}, {"end_id": -1}, {"length": -1}, {"length": 10}, {"beams": 0}]
)
def test_errors(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        answer(MODEL, parameters(), SOURCE, **IDS | wrong)


def test_numbers_that_are_not_finite_are_refused():
    params = parameters()
    params["decoder.norm.bias"][1] = np.nan
    with pytest.raises(FloatingPointError, match="not finite"):
        answer(MODEL, params, SOURCE, **IDS)
