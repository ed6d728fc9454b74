"""What a teacher writes becomes what a student learns from."""

import numpy as np
import pytest

from minilm.compression.distillation import answered_examples, sequences, written_texts
from minilm.generation import answer
from minilm.models import LSTMLanguageModel, Seq2SeqLSTM, Seq2SeqTransformer
from minilm.text import PairTokenizer, pair_batches, windows
from minilm.text.tasks import Example
from minilm.training import fit

EXAMPLES = [Example(s, s[::-1]) for s in ("ab", "abc", "cab", "bb", "ca", "bca")]
SOURCES = [e.source for e in EXAMPLES]
TOKENIZER = PairTokenizer.train(EXAMPLES, kinds=("char", "char"))


def new_model(kind, width):
    sizes = {"vocab_size": TOKENIZER.target.vocab_size,
             "source_vocab_size": TOKENIZER.source.vocab_size, "width": width}  # fmt: skip
    if kind == "lstm":
        return Seq2SeqLSTM(**sizes, padding_id=TOKENIZER.padding_id)
    return Seq2SeqTransformer(
        **sizes, layers=1, heads=2, context=6, padding_id=TOKENIZER.padding_id
    )


def trained(model, examples, steps, seed=0):
    batches = pair_batches(TOKENIZER, examples, batch_size=6, seed=0)
    return fit(model, model.init(seed), batches, steps=steps, schedule=lambda step: 0.01)[0]


def answers(model, params, **how):
    ids = answer(
        model, params, TOKENIZER.encode_source(SOURCES), length=5,
        begin_id=TOKENIZER.begin_id, end_id=TOKENIZER.end_id, **how,
    )  # fmt: skip
    return [TOKENIZER.decode(row) for row in ids]


@pytest.fixture(scope="module")
def teacher():
    """It has learned only half of it, so that what it says is its own."""
    model = new_model("transformer", 16)
    return model, trained(model, EXAMPLES, steps=15)


@pytest.mark.parametrize("beams", [1, 3])
def test_the_teachers_answers_are_the_targets(teacher, beams):
    model, params = teacher
    taught = answered_examples(model, params, TOKENIZER, SOURCES, length=5, beams=beams)
    said = answers(model, params, beams=beams)
    assert taught == [Example(s, a) for s, a in zip(SOURCES, said, strict=True) if a]
    assert taught != EXAMPLES  # it has not learned everything
    assert len(taught) >= 4


def test_a_student_of_another_kind_comes_to_say_what_the_teacher_says(teacher):
    taught = answered_examples(*teacher, TOKENIZER, SOURCES, length=5)
    student = new_model("lstm", 16)
    params = trained(student, taught, steps=120, seed=1)
    said = dict(zip(SOURCES, answers(student, params), strict=True))
    assert [said[e.source] for e in taught] == [e.target for e in taught]


def test_settings_of_the_search_and_of_the_drawing_are_passed_on(teacher, monkeypatch):
    passed = []

    def answer(*_, **how):
        passed.append(how)
        return [[] for _ in SOURCES]

    def generate_batch(*_, **how):
        passed.append(how)
        return [np.zeros(3, np.int32)]

    monkeypatch.setattr(sequences, "answer", answer)
    monkeypatch.setattr(sequences, "generate_batch", generate_batch)
    answered_examples(*teacher, TOKENIZER, SOURCES, length=5, beams=3, alpha=0.25)
    written_texts(*teacher, np.arange(9), texts=1, length=3, seed=0, temperature=0.5, top_k=2)
    assert {name: passed[0][name] for name in ("length", "beams", "alpha")} == {
        "length": 5, "beams": 3, "alpha": 0.25
    }  # fmt: skip
    assert {name: passed[1][name] for name in ("temperature", "top_k")} == {
        "temperature": 0.5, "top_k": 2
    }  # fmt: skip


def test_each_seed_draws_its_own_text_even_after_one_prompt():
    model = LSTMLanguageModel(11, width=4)
    how = {"texts": 2, "length": 12, "prompt": 9}
    drawn = [written_texts(model, model.init(0), np.arange(9), **how, seed=s) for s in (0, 1)]
    assert not np.array_equal(*drawn)


def test_nothing_is_no_answer():
    model = new_model("transformer", 16)
    params = model.init(0)
    always_end = params["token_embedding"].copy()
    always_end[:] = 0
    always_end[TOKENIZER.end_id] = 1
    params |= {"token_embedding": always_end, "decoder.norm.bias": np.ones(16, np.float32)}
    assert answered_examples(model, params, TOKENIZER, SOURCES, length=5) == []
    with pytest.raises(ValueError):
        answered_examples(model, params, TOKENIZER, [], length=5)


def test_texts_of_a_language_model():
    """A rule that the teacher knows is in what it writes; the same seed writes the same."""
    def text(step):
        start = np.random.default_rng(step).integers(0, 11, (8, 1))
        tokens = ((start + np.arange(9)) % 11).astype(np.int32)
        return tokens[:, :-1], tokens[:, 1:]

    model = LSTMLanguageModel(11, width=16)
    params, _ = fit(model, model.init(0), text, steps=100, schedule=lambda step: 0.02)
    tokens = np.arange(50) % 11
    how = {"texts": 6, "length": 20, "prompt": 3}
    written = written_texts(model, params, tokens, **how, seed=0)
    assert written.shape == (120,)
    assert written.dtype == np.int32
    by_rule = (np.diff(written.reshape(6, 20), axis=1) - 1) % 11 == 0
    assert by_rule.mean() > 0.9
    assert len(set(written[::20])) > 2  # they go on from several places
    np.testing.assert_array_equal(written, written_texts(model, params, tokens, **how, seed=0))
    assert not np.array_equal(written, written_texts(model, params, tokens, **how, seed=1))
    inputs, targets = windows(written, 4, 8, seed=0)(0)
    assert inputs.shape == targets.shape == (4, 8)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"texts": 0}, "texts"), ({"length": 0}, "length"), ({"prompt": 0}, "prompt"),
        ({"prompt": 51}, "51 ids or more"), ({"tokens": np.ones((2, 30), int)}, r"\(2, 30\)"),
    ],
)  # fmt: skip
def test_bad_sizes(change, message):
    model = LSTMLanguageModel(11, width=4)
    given = {"tokens": np.arange(50) % 11, "texts": 2, "length": 3, "prompt": 4, "seed": 0}
    with pytest.raises(ValueError, match=message):
        written_texts(model, model.init(0), **{**given, **change})
