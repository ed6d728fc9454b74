import numpy as np
import pytest

from minilm import prune, quantize
from minilm.compression import straight_through
from minilm.models import Conditioned, Seq2SeqLSTM
from minilm.nn import IGNORED
from minilm.training import AdamW, fit

SOURCE = np.array([[3, 7, 1, 5], [2, 2, 0, 0], [9, 4, 6, 0]])
TARGET_INPUTS = np.random.default_rng(0).integers(1, 11, size=(3, 5))
BOTH = SOURCE, TARGET_INPUTS

MODELS = {
    "additive": Seq2SeqLSTM(11, width=6),
    "dot": Seq2SeqLSTM(11, width=6, attention="dot"),
    "two tables": Seq2SeqLSTM(11, source_vocab_size=13, width=6, layers=2),
    "untied": Seq2SeqLSTM(11, width=6, layers=2, attention="dot", tied=False),
    "dropout": Seq2SeqLSTM(11, width=6, layers=2, dropout=0.3),
}
names = pytest.mark.parametrize("name", MODELS)


def test_names_and_shapes():
    model = Seq2SeqLSTM(7, source_vocab_size=5, width=4, tied=False)
    half = {"w_x": (4, 8), "w_h": (2, 8), "b": (8,)}
    whole = {"w_x": (4, 16), "w_h": (4, 16), "b": (16,)}
    assert {name: p.shape for name, p in model.init(0).items()} == {
        "token_embedding": (7, 4), "source_embedding": (5, 4),
        **{f"encoder.0.forwards.{part}": shape for part, shape in half.items()},
        **{f"encoder.0.backwards.{part}": shape for part, shape in half.items()},
        **{f"decoder.0.{part}": shape for part, shape in whole.items()},
        "attention.w_q": (4, 4), "attention.w_k": (4, 4), "attention.v": (4,),
        "combine.w": (8, 4), "head.w": (4, 7), "head.b": (7,),
    }  # fmt: skip


@names
def test_padding_changes_nothing(name):
    model = MODELS[name]
    params = model.init(0)
    logits, cache = model.forward(params, *BOTH)
    longer = np.pad(SOURCE, ((0, 0), (0, 2)))
    np.testing.assert_allclose(model.forward(params, longer, TARGET_INPUTS)[0], logits, atol=1e-5)
    for row, length in enumerate((4, 2, 3)):
        one = slice(row, row + 1)
        alone, _ = model.forward(params, SOURCE[one, :length], TARGET_INPUTS[one])
        np.testing.assert_allclose(alone, logits[one], atol=1e-5)
        assert not cache["alignment"][row, :, length:].any()
    assert cache["alignment"].shape == (3, 5, 4)
    np.testing.assert_allclose(cache["alignment"].sum(axis=-1), 1, rtol=1e-5)


def test_every_step_sees_the_whole_source():
    model = MODELS["additive"]
    params = model.init(0)
    logits, _ = model.forward(params, *BOTH)
    for place in range(3):  # of the last source, which has three tokens
        source = SOURCE.copy()
        source[2, place] = 10
        changed, _ = model.forward(params, source, TARGET_INPUTS)
        assert (np.abs(changed[2] - logits[2]).max(axis=-1) > 1e-5).all()
        np.testing.assert_array_equal(changed[:2], logits[:2])


@names
def test_written_token_by_token_equals_forward(name):
    model = MODELS[name]
    params = model.init(0)
    logits, _ = model.forward(params, *BOTH)
    state = model.read(params, SOURCE)
    for t in range(5):
        written, cache = model.write(params, TARGET_INPUTS[:, t : t + 1], state)
        np.testing.assert_allclose(written[:, 0], logits[:, t], atol=1e-5)
        state = cache["state"]


@names
def test_chosen_rows_go_on_each_with_its_own_source(name):
    model = MODELS[name]
    params, rows = model.init(0), np.array([2, 0, 0])
    _, cache = model.write(params, TARGET_INPUTS[:, :2], model.read(params, SOURCE))
    state = model.chosen(cache["state"], rows)
    written, _ = model.write(params, TARGET_INPUTS[:, 2:], state)
    texts = np.concatenate([TARGET_INPUTS[rows, :2], TARGET_INPUTS[:, 2:]], axis=1)
    expected, _ = model.forward(params, SOURCE[rows], texts)
    np.testing.assert_allclose(written, expected[:, 2:], atol=1e-5)


def test_with_its_source_it_is_a_language_model():
    model = MODELS["additive"]
    params, conditioned = model.init(0), Conditioned(model, SOURCE)
    state, pieces = conditioned.fresh_state(), []
    for piece in np.split(TARGET_INPUTS, [2], axis=1):
        logits, cache = conditioned.forward(params, piece, state=state)
        pieces.append(logits)
        state = cache["state"]
    whole, _ = model.forward(params, *BOTH)
    np.testing.assert_allclose(np.concatenate(pieces, axis=1), whole, atol=1e-5)


def test_bad_tokens_are_refused():
    model = MODELS["two tables"]
    params = model.init(0)
    for source, target_inputs, message in [
        (SOURCE[:2], TARGET_INPUTS, "3 rows for 2 sources"),
        (SOURCE[:, :0], TARGET_INPUTS, "tokens"),
        (SOURCE, TARGET_INPUTS[:, :0], "tokens"),
        (SOURCE * [[1], [0], [1]], TARGET_INPUTS, "only padding in row 1"),
        (SOURCE[:, ::-1], TARGET_INPUTS, "padding must stand after"),
        (SOURCE + 10, TARGET_INPUTS, "ids"),
        (SOURCE, TARGET_INPUTS + 10, "ids"),
    ]:
        with pytest.raises(ValueError, match=message):
            model.forward(params, source, target_inputs)


def test_what_is_no_state_and_what_has_no_source_is_refused():
    model, source = MODELS["two tables"], np.array([[1, 2]])
    params = model.init(0)
    for state in (None, {}, [source]):
        with pytest.raises(TypeError, match="state must come from read"):
            model.write(params, source, state)
    logits, cache = model.write(params, source, model.read(params, source))
    with pytest.raises(ValueError, match="backward needs forward's cache"):
        model.backward(logits, cache)


@pytest.mark.parametrize("attention", ["additive", "dot"])
def test_compressed_it_runs_and_learns_with_no_new_code(attention, reversals):
    model = Seq2SeqLSTM(10, width=16, attention=attention)
    batches = reversals(longest=4, rows=32)
    source, target_inputs, _ = batches(10_000)
    params, history = fit(
        model, model.init(0), batches, steps=30, optimizer=AdamW(),
        view=straight_through(bits=4),
    )  # fmt: skip
    assert history[-1]["loss"] < history[0]["loss"]
    logits, cache = model.forward(params, source, target_inputs)
    for packed, tolerance in ((quantize(params, bits=8), 0.2), (prune(params, 0.5), None)):
        state = model.read(packed, source)
        compressed, _ = model.write(packed, target_inputs, state)
        assert np.isfinite(compressed).all()
        assert tolerance is None or np.abs(compressed - logits).max() < tolerance
    grads = model.backward(logits, cache)
    assert set(grads) == set(params)


@pytest.mark.slow
@pytest.mark.parametrize("attention", ["additive", "dot"])
def test_it_learns_to_write_backwards(attention, reversals):
    model = Seq2SeqLSTM(10, width=32, attention=attention)
    batches = reversals(longest=4, rows=32)
    params, _ = fit(
        model, model.init(0), batches, steps=1500, optimizer=AdamW(), schedule=lambda step: 5e-3
    )
    source, target_inputs, targets = batches(10_000, rows=500)
    logits, _ = model.forward(params, source, target_inputs)
    right = (logits.argmax(axis=-1) == targets) | (targets == IGNORED)
    assert right.all(axis=1).mean() > 0.95
