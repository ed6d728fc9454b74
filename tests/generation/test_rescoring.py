"""Which of several texts a language model takes for the likeliest."""

import math

import numpy as np
import pytest

from minilm import LSTMLanguageModel, TransformerLanguageModel, fit
from minilm.generation import beam_search, log_likelihoods
from minilm.models import Conditioned, Seq2SeqTransformer
from minilm.text import TASKS, Example, PairTokenizer, pair_batches
from minilm.text.tasks.hypotheses import SEPARATOR

MODELS = {
    "lstm": LSTMLanguageModel(7, width=8),
    "transformer": TransformerLanguageModel(7, width=8, layers=1, heads=2, context=6),
}
by_model = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
TEXTS = [[1, 2, 3, 4, 5, 6], [6], [2, 2, 1]]


def parameters(model):
    return {name: 3 * p.astype(np.float64) for name, p in model.init(0).items()}


@by_model
def test_the_sum_over_the_tokens_one_by_one(model):
    params = parameters(model)
    expected = []
    for text in TEXTS:
        total = 0.0
        for t, token in enumerate(text):
            logits = model.forward(params, np.array([[0, *text[:t]]]))[0][0, -1]
            total += logits[token] - math.log(np.exp(logits).sum())
        expected.append(total)
    found = log_likelihoods(model, params, TEXTS, begin_id=0)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@by_model
def test_all_texts_of_one_length_have_probability_one_together(model):
    texts = [[a, b] for a in range(7) for b in range(7)]
    found = log_likelihoods(model, parameters(model), texts, begin_id=3)
    assert np.exp(found).sum() == pytest.approx(1, abs=1e-12)


def test_a_beam_has_the_log_probability_of_its_text():
    model = Seq2SeqTransformer(7, width=8, layers=1, heads=2, context=6)
    params = parameters(model)
    given = Conditioned(model, np.array([[4, 2, 5]]))
    beams = beam_search(given, params, [1], 4, beams=3)
    repeated = Conditioned(model, np.array([[4, 2, 5]] * 3))
    found = log_likelihoods(repeated, params, [beam.ids for beam in beams], begin_id=1)
    np.testing.assert_allclose(found, [beam.log_probability for beam in beams], rtol=1e-10)


@pytest.mark.parametrize(
    ("texts", "begin_id", "error", "said"),
    [
        ([], 0, ValueError, "texts must hold at least one text"),
        ([[1], []], 0, ValueError, r"texts\[1\] must hold at least one id"),
        ([[1], [9]], 0, ValueError, r"texts\[1\] must be in 0 … 6, got 9"),
        ([[0.5]], 0, TypeError, r"texts\[0\] must be integers"),
        ([[1]], 7, ValueError, "begin_id must be an id in 0 … 6"),
        ([[1] * 7], 0, ValueError, "context=6"),
    ],
)
def test_what_is_refused(texts, begin_id, error, said):
    model = MODELS["transformer"]
    with pytest.raises(error, match=said):
        log_likelihoods(model, model.init(0), texts, begin_id=begin_id)


def test_logits_that_are_not_finite():
    model = MODELS["lstm"]
    params = {**model.init(0), "head.b": np.full(7, np.nan, np.float32)}
    with pytest.raises(FloatingPointError):
        log_likelihoods(model, params, TEXTS, begin_id=0)


@pytest.mark.slow
def test_a_language_model_chooses_what_was_said():
    """Four sentences that sound alike, one of them grammatical; trained on grammatical ones."""
    task = TASKS["hypotheses"]
    said = [Example(e.target, e.target) for e in task.examples(5000, seed=0)]
    tokenizer = PairTokenizer.train(said, kinds=("word", "word"))
    batches = pair_batches(tokenizer, said, batch_size=64, seed=0)
    model = LSTMLanguageModel(tokenizer.target.vocab_size, width=64)
    params, _ = fit(model, model.init(0), lambda step: batches(step)[1:], steps=400)
    right = 0
    examples = task.examples(200, seed=0, part="test")
    for source, target in examples:
        offered = source.split(SEPARATOR)
        ids = [np.append(tokenizer.encode_target(text), tokenizer.end_id) for text in offered]
        log_p = log_likelihoods(model, params, ids, begin_id=tokenizer.begin_id)
        right += offered[log_p.argmax()] == target
    assert right / len(examples) > 0.95
