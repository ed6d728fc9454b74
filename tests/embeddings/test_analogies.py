"""Analogies in gensim's file form, on plain and packed tables."""

import numpy as np
import pytest

from minilm.compression import quantize
from minilm.embeddings import KeyedVectors, table_rows

COUNTRIES = {"Athens": "Greece", "Oslo": "Norway", "Bern": "Switzerland"}
FILE = """: capitals
Athens Greece Oslo Norway
athens greece bern switzerland

Athens Greece Paris France
: the other way
Norway Oslo Greece Bern
: nothing known
Rome Italy Paris France
"""


@pytest.fixture
def path(tmp_path):
    (tmp_path / "questions.txt").write_text(FILE)
    return tmp_path / "questions.txt"


def table(D=8, seed=0):
    """Each country is its capital plus the same step."""
    rng = np.random.default_rng(seed)
    cities, step = rng.standard_normal((3, D)), 0.5 * rng.standard_normal(D)
    words = [*COUNTRIES, *COUNTRIES.values()]
    return KeyedVectors(words, np.concatenate((cities, cities + step)).astype(np.float32))


def upper(line):
    return tuple(line.upper().split())


@pytest.mark.parametrize("bits", [None, 8, 4])
def test_by_hand(path, bits):
    wv = table()
    if bits:
        wv = KeyedVectors(wv.index_to_key, quantize(wv.vectors, bits=bits, axis=0))
    score, sections = wv.evaluate_word_analogies(path)
    assert [section["section"] for section in sections] == [
        "capitals", "the other way", "nothing known", "Total accuracy",
    ]  # fmt: skip
    right = [upper("Athens Greece Oslo Norway"), upper("Athens Greece Bern Switzerland")]
    wrong = [upper("Norway Oslo Greece Bern")]
    assert sections[0] == {"section": "capitals", "correct": right, "incorrect": []}
    assert sections[1] == {"section": "the other way", "correct": [], "incorrect": wrong}
    assert sections[2] == {"section": "nothing known", "correct": [], "incorrect": []}
    assert sections[3] == {"section": "Total accuracy", "correct": right, "incorrect": wrong}
    assert score == 2 / 3


def test_what_counts_as_known(path):
    wv = table()
    assert wv.evaluate_word_analogies(path, dummy4unknown=True)[0] == 2 / 5
    score, sections = wv.evaluate_word_analogies(path, case_insensitive=False)
    assert score == 1 / 2
    assert sections[0]["correct"] == [("Athens", "Greece", "Oslo", "Norway")]
    score, sections = wv.evaluate_word_analogies(path, restrict_vocab=5)  # no Switzerland
    assert score == 1 / 2
    assert wv.evaluate_word_analogies(path, restrict_vocab=2)[0] == 0


@pytest.mark.parametrize(("late", "score"), [("oslo", 1), ("NORWAY", 1), ("Bergen", 0)])
def test_other_spellings_of_the_words_asked_with_are_no_answers(path, late, score):
    wv = table()
    a, b, c = (wv.get_vector(word, norm=True) for word in ("Athens", "Greece", "Oslo"))
    words = [*wv.index_to_key, late]  # it stands exactly where the answer is looked for
    wider = KeyedVectors(words, np.concatenate((wv.vectors, (b - a + c)[None])))
    path.write_text(": one\nAthens Greece Oslo Norway\n")
    assert wider.evaluate_word_analogies(path)[0] == score


def test_no_other_word_than_those_asked_with(path):
    wv = KeyedVectors(["a", "b", "c"], np.eye(3, dtype=np.float32))
    path.write_text(": one\na b c a\n")
    assert wv.evaluate_word_analogies(path)[0] == 0


def test_a_few_questions_at_a_time(path, monkeypatch):
    expected = table().evaluate_word_analogies(path)
    monkeypatch.setattr(table_rows, "CELLS", 1)
    assert table().evaluate_word_analogies(path) == expected


def test_a_file_that_is_not_utf8(path):
    path.write_bytes(": one\r\n\r\nAthens Greece Zürich Suisse\r\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"questions\.txt, line 3: byte 0xfc is not UTF-8.* iconv"):
        table().evaluate_word_analogies(path)
    path.write_bytes(FILE.encode("utf-8-sig"))
    assert table().evaluate_word_analogies(path)[0] == 2 / 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Athens Greece Oslo Norway\n", "line 1: no section .': name'. before 'Athens"),
        (": one\n\nAthens Greece Oslo\n", "line 3: must be four words, got 'Athens Greece Oslo'"),
        (": one\n", "at least one question"),
        ("", "at least one question"),
    ],
)
def test_files_of_another_form(path, text, message):
    path.write_text(text)
    with pytest.raises(ValueError, match=rf"questions\.txt.*{message}"):
        table().evaluate_word_analogies(path)
