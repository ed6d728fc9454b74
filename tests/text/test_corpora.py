"""Corpora and splits: every name loads, every bad file is refused by name, no block overlaps."""

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minilm.text import CORPORA, GRAMMAR, load_corpus, split


def test_python_docs_is_technical_english():
    text = load_corpus("python-docs")
    assert len(text) > 300_000 and "statement" in text and "\r" not in text
    assert text == load_corpus("python-docs")


def test_the_grammar_corpus_is_in_the_language_of_the_grammar():
    text = load_corpus("grammar")
    assert len(text) > 500_000 and text.endswith(".\n")
    assert np.isfinite(GRAMMAR.log_probability(text))


@pytest.mark.slow
def test_python_library_ends_with_python_docs_and_does_not_leak_its_end():
    library, docs = load_corpus("python-library"), load_corpus("python-docs")
    assert library.endswith("\n\n" + docs) and len(library) > 2 * len(docs)
    held_out = len(docs) // 10
    assert split(library, held_out).validation == split(docs, held_out).validation
    docstrings = library.removesuffix(docs).split("\n\n")
    foretold = [d for d in docstrings if len(d) > 60 and d in docs[-held_out:]]
    assert foretold == []


def test_a_python_without_its_topics_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)
    with pytest.raises(ValueError, match="without pydoc_data"):
        load_corpus("python-docs")


def test_a_file_gives_the_same_text_on_every_system(tmp_path):
    path = tmp_path / "story.txt"
    path.write_bytes("\ufeffein Bär\r\nläuft\n".encode())
    assert load_corpus(path) == load_corpus(str(path)) == "ein Bär\nläuft\n"


def test_bad_files_are_refused_by_name(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"'no-such' is neither a file nor one of python-docs"
    ):
        load_corpus("no-such")
    with pytest.raises(ValueError, match="is a folder"):
        load_corpus(tmp_path)
    for name, content, complaint in (
        ("empty.txt", b"", r"empty\.txt' is empty"),
        ("blank.txt", b" \n\n", r"blank\.txt' is empty"),
        ("latin.txt", b"B\xe4r", r"latin\.txt' is not UTF-8 text \(byte 1"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=complaint):
            load_corpus(tmp_path / name)


def test_names_come_before_files_of_the_same_name(tmp_path, monkeypatch):
    (tmp_path / "grammar").write_text("not this")
    monkeypatch.chdir(tmp_path)
    assert load_corpus("grammar") == CORPORA["grammar"]()
    assert load_corpus("./grammar") == "not this"


def test_split_by_hand():
    text = "abcdefghij"
    assert split(text) == ("abcdefghi", "j", "")
    assert split(text, validation=0.2, test=0.3) == ("abcde", "ij", "fgh")
    assert split(text, validation=3) == ("abcdefg", "hij", "")
    assert split(text, validation=0) == (text, "", "")


@given(st.integers(10, 300), st.floats(0, 0.6), st.floats(0, 0.3))
def test_blocks_are_contiguous_and_never_overlap(length, validation, test):
    ids = np.arange(length)
    try:
        blocks = split(ids, validation, test)
    except ValueError as error:
        assert "less than one element" in str(error) or "nothing to train on" in str(error)
        return
    joined = np.concatenate([blocks.train, blocks.test, blocks.validation])
    np.testing.assert_array_equal(joined, ids)
    assert len(blocks.train) > 0
    assert abs(len(blocks.validation) - validation * length) <= 0.5
    assert abs(len(blocks.test) - test * length) <= 0.5


@pytest.mark.parametrize(
    ("length", "sizes", "complaint"),
    [
        (0, {}, "0.1 of 0 elements is less than one"),
        (4, {}, "0.1 of 4 elements is less than one"),
        (10, {"test": 0.01}, "test: 0.01 of 10 elements is less than one"),
        (10, {"validation": 5, "test": 5}, "10 elements leave nothing to train on"),
        (10, {"validation": 11}, "nothing to train on"),
        (10, {"validation": 1.0}, "a fraction must be below 1"),
        (10, {"validation": -0.1}, "validation: must be"),
        (10, {"test": float("nan")}, "test: must be"),
        (10, {"validation": True}, "validation: must be"),
    ],
)
def test_impossible_splits_are_refused(length, sizes, complaint):
    with pytest.raises(ValueError, match=complaint):
        split(np.arange(length), **sizes)
