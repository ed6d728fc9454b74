"""Subjects train on the first nine tenths of the text and are judged on the last, as told."""

import pytest

from minilm.embeddings import SkipGram
from minilm.models import Seq2SeqTransformer
from minilm.study import fitted
from minilm.study.language_models import new_tokenizer
from minilm.study.settings import LanguageModelRecipe, Settings, Word2VecRecipe
from minilm.study.subjects import new_subject, saved_language_model
from minilm.text import TOKENIZERS, CharTokenizer
from minilm.training import as_is, evaluate
from minilm.weights import save

SETTINGS = Settings(
    temperature=3.0,
    alpha=0.25,
    language_models={
        "LSTM": LanguageModelRecipe(
            {"model": "LSTMLanguageModel", "width": 8}, steps=3, batch_size=4, context=8,
            learning_rate=0.01, tuning_steps=2,
        )
    },
    word2vec=Word2VecRecipe(
        {"vector_size": 8, "window": 2, "min_count": 1, "sg": 1, "negative": 2, "epochs": 1},
        steps=3, batch_size=8, learning_rate=0.01, tuning_steps=2,
    ),
)  # fmt: skip
LETTERS = "ab" * 450 + "cd" * 50  # c and d are in the last tenth alone


@pytest.fixture
def fits(monkeypatch):
    """What `fit` is asked for by the subject of a language model."""
    asked = []

    def remember(model, params, batches, **how):
        asked.append({"batches": batches, **how})
        return params, []

    monkeypatch.setattr(fitted, "fit", remember)
    return asked


@pytest.fixture
def letters(tmp_path):
    return new_subject(SETTINGS, "LSTM", LETTERS, tmp_path / "lstm.npz", seed=0)


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_a_tokenizer_of_any_kind_is_learned_and_has_no_marks(kind):
    tokenizer = new_tokenizer(kind, LETTERS)
    assert tokenizer.special_ids == {} and len(tokenizer.encode(LETTERS))


def test_a_language_model_is_judged_on_the_last_tenth(letters):
    params = letters.model.init(0)
    held_out = letters.tokenizer.encode(LETTERS[900:])
    loss = evaluate(letters.model, params, held_out)
    assert letters.judge(params, params)["loss"] == loss != evaluate(
        letters.model, params, letters.tokenizer.encode(LETTERS[:900])
    )


def test_no_training_sees_the_last_tenth(letters, fits, tmp_path):
    params = letters.model.init(0)
    letters.tune(params, as_is)
    letters.student(None)
    letters.student(params)
    (tmp_path / "lstm.npz.checkpoint").touch()
    letters.train()
    assert len(fits) == 4
    for asked in fits:
        for step in range(20):
            assert all(part.max() <= 1 for part in asked["batches"](step))


def test_tuning_goes_on_at_a_fifth_of_the_learning_rate(letters, fits):
    letters.tune(letters.model.init(0), as_is)
    assert max(map(fits[0]["schedule"], range(2))) == pytest.approx(0.01 / 5)
    assert (fits[0]["steps"], fits[0]["view"]) == (2, as_is)


def test_a_student_is_half_as_wide_and_taught_as_the_settings_say(letters, fits, monkeypatch):
    told = {}
    monkeypatch.setattr(
        fitted, "distil", lambda model, params, **how: told.update(how, params=params)
    )
    teacher = letters.model.init(0)
    student, params = letters.student(teacher)
    assert told == {"temperature": 3.0, "alpha": 0.25, "params": teacher}
    assert student.model.width == 4
    assert params["token_embedding"].shape[1] * 2 == teacher["token_embedding"].shape[1]


def test_word_vectors_are_judged_on_the_last_sentences(tmp_path):
    text = "red green. " * 89 + "green blue. " * 11
    subject = new_subject(SETTINGS, "word2vec", text, tmp_path / "w.npz", seed=0)
    assert subject.vocabulary.words == ["green", "red", "blue"]
    pairs = subject.held_out  # of the last ten sentences: no red
    assert set(pairs.centres) | set(pairs.outputs[:, 0]) == {0, 2}


def test_neighbours_are_compared_with_those_of_the_float_vectors(tmp_path):
    text = " ".join(f"w{i % 40} w{i % 40 + 1}." for i in range(400))
    subject = new_subject(SETTINGS, "word2vec", text, tmp_path / "w.npz", seed=0)
    params, other = (SkipGram(41, 8).init(seed) for seed in (0, 1))
    assert subject.judge(params, params)["neighbour_agreement"] == 1
    assert subject.judge(params, other)["neighbour_agreement"] < 0.5


def test_a_saved_model_that_is_no_language_model_is_refused_by_name(tmp_path):
    model, tokenizer = Seq2SeqTransformer(3, width=4, heads=1), CharTokenizer("abc")
    header = {"model": model.config(), "tokenizer": tokenizer.to_dict()}
    save(tmp_path / "pairs.npz", model.init(0), header=header)
    with pytest.raises(ValueError, match=r"pairs\.npz.* Seq2SeqTransformer, which is no language"):
        saved_language_model(tmp_path / "pairs.npz")
