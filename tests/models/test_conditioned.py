"""Writing piece by piece against the whole at once, and every writer on a model with its source."""

import math
from itertools import product

import numpy as np
import pytest

from minilm.generation import beam_search, generate, stream
from minilm.models import Conditioned, Seq2SeqLSTM, Seq2SeqTransformer
from minilm.models.key_value_cache import KeyValueCache
from minilm.nn import attention

V = 6
SOURCE = np.array([[3, 5, 1, 4], [2, 2, 0, 0], [5, 4, 1, 0]])
TARGET = np.array([[1, 4, 2, 5, 3], [1, 3, 3, 2, 0], [1, 2, 5, 0, 0]])
BEGIN, END = 1, 2
SIZES = {"width": 8, "layers": 2, "heads": 2, "context": 9}
MODELS = {
    f"{norm} {positions} {'shared' if shared else 'separate'}{' tied' if tied else ''}": (
        Seq2SeqTransformer(
            V,
            source_vocab_size=None if shared else 7,
            norm=norm,
            tied=tied,
            positions=positions,
            dropout=0.2,
            **SIZES,
        )
    )
    for norm, positions, shared, tied in product(
        ("pre", "post"), ("sinusoidal", "learned"), (True, False), (True, False)
    )
}
MODELS["lstm additive"] = Seq2SeqLSTM(V, width=8, layers=2, dropout=0.2)
MODELS["lstm dot"] = Seq2SeqLSTM(V, source_vocab_size=7, width=8, attention="dot", tied=False)
by_model = pytest.mark.parametrize("name", MODELS)
ANY = "pre sinusoidal shared tied"


def sharp(model, seed=0):
    """Parameters of a model with opinions: fresh ones find everything about equally likely."""
    return {name: 3 * p for name, p in model.init(seed).items()}


def log_probability(model, params, source, ids):
    """log p(ids | source, BEGIN), as the whole model has it in one pass."""
    text = np.array([[BEGIN, *ids]])
    logits, _ = model.forward(params, source, text[:, :-1])
    z = logits[0].astype(np.float64)
    log_p = z - np.log(np.exp(z).sum(axis=-1, keepdims=True))
    return log_p[np.arange(len(ids)), ids].sum()


# ---- piece by piece


@by_model
@pytest.mark.parametrize("pieces", [(1, 1, 1, 1, 1), (5,), (2, 1, 2)])
def test_written_piece_by_piece_it_is_the_whole(name, pieces):
    model = MODELS[name]
    params = model.init(0)
    expected, _ = model.forward(params, SOURCE, TARGET)
    state, logits, start = model.read(params, SOURCE), [], 0
    for length in pieces:
        piece, cache = model.write(params, TARGET[:, start : start + length], state)
        state, start = cache["state"], start + length
        logits.append(piece)
    np.testing.assert_allclose(np.concatenate(logits, axis=1), expected, rtol=0, atol=1e-5)


@by_model
def test_chosen_rows_go_on_by_themselves(name):
    """Reordered, one twice, one not at all; and the state they are chosen from stays as it is."""
    model = MODELS[name]
    params = model.init(0)
    expected, _ = model.forward(params, SOURCE, TARGET)
    _, cache = model.write(params, TARGET[:, :2], model.read(params, SOURCE))
    rows = np.array([2, 0, 2])
    chosen = model.chosen(cache["state"], rows)
    for state, target, logits in (
        (chosen, TARGET[rows], expected[rows]),
        (cache["state"], TARGET, expected),
    ):
        rest, _ = model.write(params, target[:, 2:], state)
        np.testing.assert_allclose(rest, logits[:, 2:], rtol=0, atol=1e-5)


def test_rows_may_be_chosen_before_anything_is_written():
    model = MODELS[ANY]
    params = model.init(0)
    rows = np.array([1, 1])
    state = model.chosen(model.read(params, SOURCE), rows)
    logits, _ = model.write(params, TARGET[rows], state)
    expected, _ = model.forward(params, SOURCE[rows], TARGET[rows])
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-5)


def test_the_source_is_read_once_and_a_token_alone():
    """Products of attention: the encoder's in read only; in write a query for each new token."""
    model = MODELS[ANY]
    params = model.init(0)
    shapes = []

    def attend(q, k, v, mask):
        shapes.append((q.shape[2], k.shape[2]))
        return attention(q, k, v, mask)

    state = model.read(params, SOURCE, attend=attend)
    assert shapes == [(4, 4)] * 2
    for length in (1, 2):
        shapes.clear()
        token = TARGET[:, length - 1 : length]
        _, cache = model.write(params, token, state, attend=attend)
        state = cache["state"]
        assert shapes == [(1, length), (1, 4)] * 2


def test_the_cache_of_the_self_attention_is_the_callers_choice():
    made = []

    class Counted(KeyValueCache):
        def __init__(self, context):
            super().__init__(context)
            made.append(context)

    model = MODELS[ANY]
    state = model.read(model.init(0), SOURCE, new_cache=Counted)
    assert made == [9, 9] and all(type(c) is Counted for c in state.written.caches)


def test_states_that_are_refused():
    model = MODELS[ANY]
    params = model.init(0)
    state = model.read(params, SOURCE)
    with pytest.raises(ValueError, match="2 rows for 3 sources"):
        model.write(params, TARGET[:2], state)
    _, cache = model.write(params, TARGET, state)
    with pytest.raises(ValueError, match="has been read on from"):
        model.write(params, TARGET, state)
    with pytest.raises(ValueError, match="has been read on from"):
        model.chosen(state, np.array([0]))
    with pytest.raises(ValueError, match="context=9 long, got 10"):
        model.write(params, TARGET, cache["state"])
    with pytest.raises(ValueError, match=r"forward's cache, not that of write"):
        model.backward(np.ones((3, 5, V)), cache)
    with pytest.raises(TypeError, match="state must come from read"):
        model.write(params, TARGET, None)
    with pytest.raises(ValueError, match="only padding in row 1"):
        model.read(params, SOURCE * [[1], [0], [1]])


# ---- a model with its source is a language model


@by_model
def test_without_a_state_it_is_the_model_itself(name):
    model = MODELS[name]
    params, given = model.init(0), Conditioned(MODELS[name], SOURCE)
    for seed in (None, 3):
        rngs = [None if seed is None else np.random.default_rng(seed) for _ in range(2)]
        logits, cache = given.forward(params, TARGET, rng=rngs[0])
        expected, expected_cache = model.forward(params, SOURCE, TARGET, rng=rngs[1])
        np.testing.assert_array_equal(logits, expected)
    grads, expected_grads = given.backward(logits, cache), model.backward(logits, expected_cache)
    assert all(np.array_equal(grads[n], expected_grads[n]) for n in expected_grads)
    assert given.config() == model.config()
    assert all(np.array_equal(p, params[n]) for n, p in given.init(0).items())


def test_the_first_forward_reads_the_source_and_no_other_does(monkeypatch):
    model = MODELS[ANY]
    params, reads = model.init(0), []
    read = Seq2SeqTransformer.read

    def watched(self, params, source, **how):
        reads.append(source.tolist())
        return read(self, params, source, **how)

    monkeypatch.setattr(Seq2SeqTransformer, "read", watched)
    given = Conditioned(model, SOURCE)
    state = given.chosen(given.fresh_state(), np.array([2, 0]))
    assert reads == []
    logits, cache = given.forward(params, TARGET[[2, 0], :3], state=state)
    more, _ = given.forward(params, TARGET[[2, 0], 3:], state=cache["state"])
    assert reads == [SOURCE[[2, 0]].tolist()]
    expected, _ = model.forward(params, SOURCE, TARGET)
    ours = np.concatenate([logits, more], axis=1)
    np.testing.assert_allclose(ours, expected[[2, 0]], rtol=0, atol=1e-5)


def test_dropout_needs_the_whole_text():
    given = Conditioned(MODELS[ANY], SOURCE)
    with pytest.raises(ValueError, match="rng"):
        given.forward(
            given.init(0), TARGET, state=given.fresh_state(), rng=np.random.default_rng(0)
        )


@by_model
def test_generate_writes_the_likeliest_token_each_time(name):
    model, source = MODELS[name], SOURCE[2:]
    params = sharp(model)
    written = generate(Conditioned(model, source), params, [BEGIN], 8, temperature=0)
    text = [BEGIN]
    for _ in range(8):
        logits, _ = model.forward(params, source, np.array([text]))
        text.append(int(logits[0, -1].argmax()))
    assert written.tolist() == text[1:]


def test_stream_draws_what_generate_draws():
    given = Conditioned(MODELS[ANY], SOURCE[1:2])
    params = given.init(0)
    streams = [
        list(stream(given, params, [BEGIN], 8, rng=np.random.default_rng(seed))) for seed in (0, 1)
    ]
    drawn = generate(given, params, [BEGIN], 8, rng=np.random.default_rng(0)).tolist()
    assert streams[0] == drawn != streams[1]


@by_model
@pytest.mark.parametrize("end", [None, END])
def test_one_beam_is_greedy(name, end):
    given = Conditioned(MODELS[name], SOURCE[:1])
    params = sharp(given)
    greedy = generate(given, params, [BEGIN], 8, temperature=0).tolist()
    if end in greedy:
        greedy = greedy[: greedy.index(end) + 1]
    (found,) = beam_search(given, params, [BEGIN], 8, beams=1, end=end)
    assert found.ids.tolist() == greedy


@by_model
def test_the_log_probability_of_a_beam_is_that_of_the_whole_model(name):
    model, source = MODELS[name], SOURCE[2:]
    params = sharp(model)
    found = beam_search(Conditioned(model, source), params, [BEGIN], 8, beams=4, end=END)
    assert len({tuple(h.ids) for h in found}) == 4
    for h in found:
        expected = log_probability(model, params, source, h.ids)
        assert h.log_probability == pytest.approx(expected, abs=1e-4)


def test_a_beam_wide_enough_finds_the_likeliest_text_of_all():
    model, source = MODELS["post sinusoidal separate"], SOURCE[:1]
    params = sharp(model)
    best, *_ = beam_search(
        Conditioned(model, source), params, [BEGIN], 3, beams=V**3, end=None, alpha=0
    )
    expected = {
        text: log_probability(model, params, source, list(text))
        for text in product(range(V), repeat=3)
    }
    assert tuple(best.ids.tolist()) == max(expected, key=expected.get)
    assert sum(math.exp(p) for p in expected.values()) == pytest.approx(1, abs=1e-6)


def test_a_text_longer_than_the_context_is_refused_and_not_cut():
    given = Conditioned(MODELS[ANY], SOURCE[:1])
    with pytest.raises(ValueError, match="context=9"):
        generate(given, given.init(0), [BEGIN], 12, temperature=0)
