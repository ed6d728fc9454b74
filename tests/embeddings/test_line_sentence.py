"""A file's lines as sentences, as often as asked for, whatever their length."""

import bz2
import gzip
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minilm.embeddings import line_sentence
from minilm.embeddings.line_sentence import LineSentence, check_rereadable, pieces

TEXT = "the cat  sat\r\n\n  \non the\u3000mat \u00e9t\u00e9\nthe end"
SENTENCES = [["the", "cat", "sat"], ["on", "the", "mat", "été"], ["the", "end"]]


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "text.txt"
    path.write_bytes(TEXT.encode())
    return path


def test_lines_are_sentences_as_often_as_asked(path):
    lines = LineSentence(path)
    assert list(lines) == SENTENCES == list(lines)
    assert list(LineSentence(str(path), limit=4)) == SENTENCES[:2]
    assert list(LineSentence(path, max_sentence_length=2)) == [
        ["the", "cat"], ["sat"], ["on", "the"], ["mat", "été"], ["the", "end"],
    ]  # fmt: skip


def test_open_files_and_compressed_ones(path, tmp_path):
    for file in (io.StringIO(TEXT, newline="\n"), io.BytesIO(TEXT.encode())):
        lines = LineSentence(file)
        assert list(lines) == SENTENCES == list(lines)
    for library, suffix in ((gzip, ".gz"), (bz2, ".bz2")):
        packed = tmp_path / f"text{suffix}"
        packed.write_bytes(library.compress(TEXT.encode()))
        assert list(LineSentence(packed)) == SENTENCES


@settings(max_examples=50)
@given(
    text=st.text(alphabet="aé \n\u3000漢\t", max_size=60),
    size=st.integers(1, 7), longest=st.integers(1, 5), as_bytes=st.booleans(),
)  # fmt: skip
def test_parts_of_any_size_give_the_same_words(text, size, longest, as_bytes):
    file = io.BytesIO(text.encode()) if as_bytes else io.StringIO(text, newline="\n")
    want = []
    for line in text.split("\n"):
        words = line.split()
        want += [words[k : k + longest] for k in range(0, len(words), longest)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(line_sentence, "CHARACTERS", size)
        assert list(LineSentence(file, max_sentence_length=longest)) == want


def test_broken_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        list(LineSentence(tmp_path / "nowhere.txt"))
    latin = tmp_path / "latin.txt"
    latin.write_bytes(b"one line\n\xe9t\xe9 two\n")
    with pytest.raises(ValueError, match=r"latin\.txt, line 2: byte 0xe9 is not UTF-8\. .*iconv"):
        list(LineSentence(latin))
    with latin.open(encoding="utf-8") as file, pytest.raises(ValueError, match=r"latin\.txt, line"):
        list(LineSentence(file))  # which byte it is, Python says in its own way
    with latin.open(encoding="latin-1") as file:
        assert list(LineSentence(file)) == [["one", "line"], ["été", "two"]]
    cut = tmp_path / "cut.gz"
    cut.write_bytes(gzip.compress(TEXT.encode() * 50)[:-12])
    with pytest.raises(EOFError):
        list(LineSentence(cut))


@pytest.mark.parametrize(
    ("source", "options", "error", "message"),
    [
        ([["a"]], {}, TypeError, "source must be a path or an open file with seek, got list"),
        ("x", {"max_sentence_length": 0}, ValueError, "max_sentence_length"),
        ("x", {"limit": 0}, ValueError, "limit"),
    ],
)
def test_bad_arguments(source, options, error, message):
    with pytest.raises(error, match=message):
        LineSentence(source, **options)


def test_pieces_hold_whole_sentences():
    sentences = [["a"] * n for n in (3, 0, 4, 1, 9, 2)]
    found = list(pieces(iter(sentences), 5))
    assert [[len(s) for s in piece] for piece in found] == [[3, 0, 4], [1, 9], [2]]
    assert list(pieces([], 5)) == []


def test_what_is_spent_after_one_reading():
    check_rereadable(iter([["a"]]), 1)
    for many in ([["a"]], (["a"],), np.array([["a"]]), LineSentence("x")):
        check_rereadable(many, 6)
    with pytest.raises(TypeError, match="readable 6 times, got a generator"):
        check_rereadable((s for s in [["a"]]), 6)
    with pytest.raises(TypeError, match="got a map"):
        check_rereadable(map(str.split, ["a b"]), 2)
