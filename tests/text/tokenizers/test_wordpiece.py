"""WordPiece: the longest piece first, and the same numbers as the `tokenizers` library gives."""

import random
import time
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minilm.text import WordPieceTokenizer, load_corpus
from minilm.text.tokenizers import wordpiece
from minilm.text.tokenizers.bert_words import bert_words

BERTS = ("[PAD]", "[CLS]", "[SEP]", "[MASK]")
HAND = WordPieceTokenizer(
    ("[PAD]", "[UNK]", "un", "##aff", "##able", "##ab", "##f", "##able!", ","), specials=("[PAD]",)
)


@cache
def english():
    return WordPieceTokenizer.train(load_corpus("python-docs")[:60_000], 600, specials=BERTS)


def test_encoding_by_hand():
    def shown(text):
        return [HAND.vocabulary[i] for i in HAND.encode(text)]

    assert HAND.encode("unaffable").tolist() == [2, 3, 4] and HAND.encode("").dtype == np.int32
    assert shown("UNaff, ünable") == ["un", "##aff", ",", "un", "##able"]
    assert shown("unabl un##f able") == ["[UNK]", "un", "[UNK]", "[UNK]", "[UNK]", "[UNK]"]
    assert shown("[PAD]") == ["[UNK]"] * 3  # the characters, not the mark
    assert HAND.special_ids == {"[PAD]": 0} and HAND.unknown_id == 1


def test_the_longest_piece_is_found_and_a_special_is_not():
    tokenizer = WordPieceTokenizer(("[UNK]", "somethings", "pad"), specials=("pad",))
    assert tokenizer.encode("somethings pad").tolist() == [1, 0]


def test_greed_may_miss_a_spelling_that_exists():
    tokenizer = WordPieceTokenizer(("[UNK]", "a", "ab", "##bc"))
    assert tokenizer.encode("abc").tolist() == [0]  # a ##bc would do, but ab is longer


def test_decoding_by_hand():
    assert HAND.decode([2, 3, 4, 8, 2, 1, 0]) == "unaffable , un [UNK] [PAD]"
    assert HAND.decode([4]) == "able" and HAND.decode([]) == ""


def test_words_of_more_than_100_characters_are_unknown():
    tokenizer = WordPieceTokenizer(("[UNK]", "a", "##a"))
    assert tokenizer.encode("a" * 100).tolist() == [1] + 99 * [2]
    assert tokenizer.encode("a" * 101).tolist() == [0]
    assert WordPieceTokenizer.train("a" * 101 + " b").vocabulary == ("[UNK]", "b")


def test_training_by_hand():
    # low 4 times: l ##o 4, ##o ##w 4; then lo ##w 4; low ##e 2 against ##e ##r once, ...
    tokenizer = WordPieceTokenizer.train("Low, low lower lowest", specials=("[PAD]",))
    alphabet = ("##e", "##o", "##r", "##s", "##t", "##w", ",", "l")
    learned = ("##ow", "low", "lowe")
    assert tokenizer.vocabulary == ("[UNK]", "[PAD]", *alphabet, *learned)
    assert tokenizer.lower_case
    berts = WordPieceTokenizer.train("low", specials=("[PAD]", "[UNK]"))
    assert berts.vocabulary[:2] == ("[PAD]", "[UNK]") and berts.encode("x").tolist() == [1]
    with pytest.raises(ValueError, match="must be no pieces of text, got 'low'"):
        WordPieceTokenizer.train("low low", specials=("low",))
    cased = WordPieceTokenizer.train("Low, low", lower_case=False)
    assert "L" in cased.vocabulary and cased.encode("LOW").tolist() == [cased.unknown_id]


@given(st.text(min_size=1, max_size=90), st.booleans())
def test_the_training_text_has_no_unknown_word(text, lower_case):
    tokenizer = WordPieceTokenizer.train(text, min_count=1, lower_case=lower_case)
    ids = tokenizer.encode(text)
    assert tokenizer.unknown_id not in ids
    assert tokenizer.decode(ids).split() == bert_words(text, lower_case)
    assert tokenizer.encode(text).tolist() == ids.tolist()


def test_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr(wordpiece, "MOST_REMEMBERED", 5)
    tokenizer = WordPieceTokenizer.train("abc")
    for text in ("a b c d e f", "g h i j k l", "a b c d e f", "x" * 1000):
        tokenizer.encode(text)
    assert sum(map(len, tokenizer._remembered)) < 10


@pytest.mark.slow
def test_a_megabyte_takes_seconds_whatever_is_in_it():
    docs = load_corpus("python-docs")
    tokenizer = WordPieceTokenizer.train(docs, vocab_size=2000)
    rng = random.Random(0)
    for text in (
        (docs * 3)[:1_000_000],
        "a" * 1_000_000,
        " ".join("".join(rng.choices("etaoinshrd", k=99)) for _ in range(10_000)),
    ):
        begin = time.process_time()
        tokenizer.encode(text)
        assert time.process_time() - begin < 5


def test_files_come_back(tmp_path):
    english().write(tmp_path / "new")
    assert WordPieceTokenizer.read(tmp_path / "new", specials=BERTS) == english()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["vocab.txt"]
    (tmp_path / "vocab.txt").write_bytes("[PAD]\r\n[UNK]\r\né".encode())
    read = WordPieceTokenizer.read(tmp_path, lower_case=False)
    assert read == WordPieceTokenizer(("[PAD]", "[UNK]", "é"), lower_case=False)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"[UNK]\na\n\nb\n", "vocab.txt', line 3: is empty"),
        (b"", "vocab.txt', line 1: is empty"),
        (b"[UNK]\na\nb\na\n", "vocab.txt', line 4: 'a' stands in line 2 already"),
        (b"[UNK]\n\xe4\n", "vocab.txt', line 2: is not UTF-8"),
        (b"a\nb\n", r"vocabulary: lacks '\[UNK\]', '\[PAD\]'"),
    ],
)
def test_malformed_files_are_refused_with_the_line(tmp_path, content, complaint):
    (tmp_path / "vocab.txt").write_bytes(content)
    with pytest.raises(ValueError, match=complaint):
        WordPieceTokenizer.read(tmp_path, specials=("[PAD]",))


def test_wrong_arguments_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"vocab\.txt"):
        WordPieceTokenizer.read(tmp_path)
    for vocabulary in (("[UNK]", "a", "a"), ("[UNK]", "")):
        with pytest.raises(ValueError, match="vocabulary: must be distinct pieces"):
            WordPieceTokenizer(vocabulary)
    with pytest.raises(ValueError, match=r"vocab_size: must be at least 3 \(\[UNK\], the specials"):
        WordPieceTokenizer.train("ab", vocab_size=2)
    with pytest.raises(ValueError, match="min_count: must be at least 1, got 0"):
        WordPieceTokenizer.train("ab", min_count=0)
    with pytest.raises(TypeError, match="text: must be a str"):
        english().encode(b"abc")


@pytest.mark.oracle
@pytest.mark.parametrize("lower_case", [True, False])
def test_encoding_equals_the_tokenizers_library(lower_case):
    from tokenizers import BertWordPieceTokenizer

    docs = load_corpus("python-docs")
    ours = WordPieceTokenizer.train(
        docs[:60_000] + "北京é", vocab_size=600, lower_case=lower_case, specials=BERTS
    )
    vocabulary = {piece: number for number, piece in enumerate(ours.vocabulary)}
    theirs = BertWordPieceTokenizer(vocabulary, lowercase=lower_case)
    rng = random.Random(1)
    alphabet = "aabcdeeéÉginorstTHE  \t\n.,'#[]_5½Σß北京ツ\u0301\u200b\ufffd😀"
    for _ in range(5_000):
        begin = rng.randrange(len(docs) - 200)
        for text in (
            docs[begin : begin + 200],
            "".join(rng.choices(alphabet, k=rng.randrange(60))),
            "".join(rng.choices("ing", k=rng.randrange(90, 110))),
        ):
            expected = theirs.encode(text, add_special_tokens=False).ids
            assert ours.encode(text).tolist() == expected, ascii(text)
