"""What an encoder–decoder writes when the likeliest token is always taken."""

import numpy as np
import pytest

from minilm.generation import answer
from minilm.models import Seq2SeqTransformer

MODEL = Seq2SeqTransformer(7, width=8, layers=1, heads=2, context=9, tied=False)
SOURCE = np.array([[1, 2, 3, 4], [5, 6, 0, 0], [3, 3, 3, 0], [6, 0, 0, 0], [2, 6, 1, 0]])
IDS = {"begin_id": 5, "end_id": 6, "length": 9}


def parameters(seed=1):
    """Large weights, so that what is written depends on what was read."""
    params = MODEL.init(seed)
    return {name: 6 * p if p.ndim == 2 else p for name, p in params.items()}


def test_every_token_is_the_likeliest_after_those_before_it():
    params = parameters()
    answers = answer(MODEL, params, SOURCE, **IDS)
    assert len({tuple(written) for written in answers}) > 1
    for source, written in zip(SOURCE, answers, strict=True):
        assert 6 not in written
        inputs = np.concatenate([[5], written])[None, :9]
        likeliest = MODEL.forward(params, source[None], inputs)[0][0].argmax(axis=-1)
        np.testing.assert_array_equal(likeliest[: len(written)], written)
        assert len(written) == 9 or likeliest[len(written)] == 6


@pytest.mark.parametrize("seed", range(8))
def test_a_source_alone_gets_the_same_answer(seed):
    params = parameters(seed)
    for source, written in zip(SOURCE, answer(MODEL, params, SOURCE, **IDS), strict=True):
        alone = answer(MODEL, params, source[source != 0][None], **IDS)
        np.testing.assert_array_equal(alone[0], written)


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
    "wrong", [{"begin_id": 7}, {"end_id": -1}, {"length": -1}, {"length": 10}]
)
def test_errors(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        answer(MODEL, parameters(), SOURCE, **IDS | wrong)


def test_numbers_that_are_not_finite_are_refused():
    params = parameters()
    params["decoder.norm.bias"][1] = np.nan
    with pytest.raises(FloatingPointError, match="not finite"):
        answer(MODEL, params, SOURCE, **IDS)
