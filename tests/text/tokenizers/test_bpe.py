"""Byte-level BPE: any text comes back, quickly, and as the `tokenizers` library cuts it."""

import json
import random
import time
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minilm.text import BPETokenizer, load_corpus, tokenizer_from_dict
from minilm.text.tokenizers import memory
from minilm.text.tokenizers.pre_tokens import LETTER_OF_BYTE


@cache
def english():
    return BPETokenizer.train(load_corpus("python-docs")[:60_000], vocab_size=600)


def any_unicode(rng, length):
    """Letters and marks of many scripts, and runs of white space."""
    blocks = ((0, 0x250), (0x370, 0x530), (0x900, 0x980), (0x3040, 0x3100), (0x4E00, 0x4E80),
              (0x1F600, 0x1F640), (0x20, 0x30))  # fmt: skip
    return "".join(chr(rng.randrange(*rng.choice(blocks))) for _ in range(length))


def test_training_by_hand():
    # "low" 3 times: l-o 3, o-w 3; " low" twice. Ties go to the lower numbers: "l" comes before "o".
    tokenizer = BPETokenizer.train("low lower lowest", vocab_size=300)
    assert tokenizer.merges == (("l", "o"), ("lo", "w"), ("Ġ", "low"), ("Ġlow", "e"))
    assert tokenizer.vocab_size == 256 + 4  # no other pair occurs twice
    assert tokenizer.vocabulary[:2] == ("!", '"') and tokenizer.vocabulary[256:258] == ("lo", "low")
    ids = tokenizer.encode("low slow lowly")
    assert ids.dtype == np.int32
    shown = [tokenizer.vocabulary[i] for i in ids]
    assert shown == ["low", "Ġ", "s", "low", "Ġlow", "l", "y"]
    assert tokenizer.decode(ids) == "low slow lowly"
    once = BPETokenizer.train("low lower lowest", vocab_size=300, min_count=1)
    assert "Ġlowest" in once.vocabulary


def test_specials_stand_in_front_of_the_bytes():
    plain = BPETokenizer.train("low lower lowest")
    tokenizer = BPETokenizer.train("low lower lowest", specials=("<pad>", "<eos>"))
    assert tokenizer.vocabulary[:3] == ("<pad>", "<eos>", "!") and tokenizer.merges == plain.merges
    assert (tokenizer.encode("lowest <eos>") == plain.encode("lowest <eos>") + 2).all()
    assert tokenizer.decode([0, 2, 1]) == "<pad>!<eos>"
    assert BPETokenizer.train("low", specials=("<é 完>",)).decode([0, 1]).endswith("完>!")


@given(st.text())
def test_any_text_comes_back(text):
    ids = english().encode(text)
    assert english().decode(ids) == text
    assert len(ids) <= len(text.encode())


@given(st.text(alphabet="aab '\u0bf2\n", min_size=1), st.integers(256, 270))
def test_any_vocabulary_gives_the_text_back(text, vocab_size):
    tokenizer = BPETokenizer.train(text, vocab_size, min_count=1)
    assert tokenizer.vocab_size <= vocab_size
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    assert tokenizer == BPETokenizer.train(text, vocab_size, min_count=1)
    assert tokenizer.encode(text).tolist() == ids.tolist()  # remembered pieces are the same pieces


def test_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr(memory, "MOST", 5)
    tokenizer = BPETokenizer.train("low lower lowest")
    for text in ("a b c d e f", "g h i j k l", "a b c d e f", "x" * 1000):
        assert tokenizer.decode(tokenizer.encode(text)) == text
    assert 0 < len(tokenizer._ids_of) <= 5 and max(map(len, tokenizer._ids_of)) == 2


def test_digits_that_stand_alone_are_not_merged():
    plain = BPETokenizer.train("a12 a12")
    alone = BPETokenizer(plain.vocabulary, plain.merges, digits_alone=True)
    assert [plain.vocabulary[i] for i in plain.encode("a12")] == ["a", "12"]
    assert [plain.vocabulary[i] for i in alone.encode("a12")] == ["a", "1", "2"]
    assert tokenizer_from_dict(alone.to_dict()) == alone
    before = {key: value for key, value in plain.to_dict().items() if key != "digits_alone"}
    assert tokenizer_from_dict(before) == plain  # headers of earlier files do not say it


def test_files_that_cannot_say_that_digits_stand_alone_are_not_written(tmp_path):
    plain = BPETokenizer.train("12 12")
    with pytest.raises(ValueError, match="digits_alone: must be False for vocab"):
        BPETokenizer(plain.vocabulary, plain.merges, digits_alone=True).write(tmp_path)
    assert not list(tmp_path.iterdir())


def test_lone_surrogates_are_refused():
    for text in ("a\ud800", "\udfff", "b \ud83d\n"):
        for use in (english().encode, BPETokenizer.train):
            with pytest.raises(ValueError, match=r"'\\ud...' is half of a surrogate pair"):
                use(text)


def test_half_a_character_decodes_to_the_replacement_character():
    euro = english().encode("€")
    assert len(euro) == 3
    assert english().decode(euro[:2]) == "\ufffd" and english().decode(euro[1:]) == "\ufffd\ufffd"


def test_frequent_words_become_one_token():
    tokens = set(BPETokenizer.train(load_corpus("grammar")[:50_000], vocab_size=600).vocabulary)
    assert {"Ġfarmer", "Ġforest", "Ġhouses"[:-1]} <= tokens


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        "".join(random.Random(0).choices("etaoinshrdlucm", k=1_000_000)),
        "a" * 1_000_000,
        " " * 1_000_000,
        "一是" * 166_667,
        " ".join(map(str, range(150_000))),
    ],
    ids=["one word", "one letter", "spaces", "chinese", "no word twice"],
)
def test_a_megabyte_takes_seconds_whatever_is_in_it(text):
    docs = load_corpus("python-docs")
    for training_text in (docs, text):
        tokenizer = BPETokenizer.train(training_text, vocab_size=256 + 1000)
        for read in (text, (docs * 3)[:1_000_000]):
            begin = time.process_time()
            ids = tokenizer.encode(read)
            assert time.process_time() - begin < 5
            assert tokenizer.decode(ids) == read


def test_files_come_back(tmp_path):
    tokenizer = BPETokenizer.train("low lower é# #é #e #e #é", specials=("<pad>",))
    assert ("Ġ", "#") in tokenizer.merges
    tokenizer.write(tmp_path / "new" / "folder")
    assert BPETokenizer.read(tmp_path / "new" / "folder", specials=["<pad>"]) == tokenizer
    tokenizer.write(tmp_path / "new" / "folder")  # over the old ones
    assert sorted(path.name for path in (tmp_path / "new" / "folder").iterdir()) == [
        "merges.txt", "vocab.json",
    ]  # fmt: skip
    with pytest.raises(ValueError, match=r"nothing makes '<pad>' \(1 such"):
        BPETokenizer.read(tmp_path / "new" / "folder")


def test_a_folder_in_gpt2s_order_is_read(tmp_path):
    """Specials at the end, Windows line ends, no version line, a merge that begins with #."""
    tokens = [*LETTER_OF_BYTE.values(), "##", "##a", "<|endoftext|>"]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    (tmp_path / "vocab.json").write_bytes(json.dumps(vocabulary).encode())
    (tmp_path / "merges.txt").write_bytes(b"# #\r\n## a\r\n")
    tokenizer = BPETokenizer.read(tmp_path, specials=("<|endoftext|>",))
    assert tokenizer.special_ids == {"<|endoftext|>": 258}
    assert tokenizer.merges == (("#", "#"), ("##", "a"))
    assert tokenizer.encode("###").tolist() == [256, tokens.index("#")]


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("merges.txt", "#version: 0.2\nl o\nlo\n", "txt', line 3: must be two tokens"),
        ("merges.txt", "#version: 0.2\nl o w\n", "txt', line 2: must be two tokens .* got 'l o w'"),
        ("merges.txt", "l  o\n", "txt', line 1: must be two tokens"),
        ("merges.txt", "l o\n\n\no z\n", "txt', line 4: the merge 'o z' needs 'oz', which is not"),
        ("merges.txt", "lo l\n", "line 1: the merge 'lo l' needs 'lol'"),
        ("merges.txt", "l o\nlo w\nl o\n", "line 3: the merge 'l o' stands in line 1 already"),
        ("merges.txt", "l o\n", r"nothing makes 'low' \(1 such tokens\)"),
        ("merges.txt", b"l o\nlo \xe4\n", "merges.txt', line 2: is not UTF-8"),
        ("vocab.json", '{"a": 0,\n "b": }', "vocab.json', line 2: no JSON"),
        ("vocab.json", "[1, 2]", "must be one JSON object"),
        ("vocab.json", '{"a": 0, "b": 2}', r"2 tokens, so the number of 'b' must lie in 0\.\.1"),
        ("vocab.json", '{"a": 0, "b": 0}', "'a' and 'b' both have the number 0"),
        ("vocab.json", '{"a": 0, "a": 1}', "vocab.json': 'a' stands there twice"),
        ("vocab.json", '{"a": 0.0}', "the number of 'a' must"),
        ("vocab.json", '{"a": 0}', "txt', line 2: the merge 'l o' needs 'l'"),
        ("vocab.json", "{}", "needs 'l', which is not in the vocabulary"),
    ],
)
def test_malformed_files_are_refused_with_the_line(tmp_path, name, content, complaint):
    BPETokenizer.train("low low", vocab_size=258).write(tmp_path)
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError, match=complaint):
        BPETokenizer.read(tmp_path)


def test_missing_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"vocab\.json"):
        BPETokenizer.read(tmp_path)


def test_a_vocabulary_may_lack_bytes_that_texts_do_not_need():
    tokens = tuple(letter for byte, letter in LETTER_OF_BYTE.items() if byte not in (0xF1, 0x21))
    tokenizer = BPETokenizer((*tokens, "ab"), (("a", "b"),))
    assert tokenizer.decode(tokenizer.encode("abc é北😀")) == "abc é北😀"
    for text, byte in (("ab!", "0x21"), ("ab \U00046131", "0xF1")):
        with pytest.raises(ValueError, match=f"text: .* needs the byte {byte}, which the vocabul"):
            tokenizer.encode(text)


def test_wrong_vocabularies_are_refused():
    tokens = tuple(LETTER_OF_BYTE.values())
    for vocabulary, merges, specials, complaint in (
        (tokens, (), ("<pad>",), "vocabulary: lacks '<pad>'"),
        ((*tokens, "ab"), (("a", "b"),), ("ab",), "must be no pieces of text, got 'ab'"),
        ((*tokens, "!"), (), (), "distinct tokens"),
        ((*tokens, "ab"), (), (), r"nothing makes 'ab' \(1 such"),
        (tokens, (("a", "b"),), (), r"merges\[0\]: the merge 'a b' needs 'ab'"),
        ((*tokens, "ab"), (("a", "b"), ("a", "b")), (), "distinct pairs"),
    ):
        with pytest.raises(ValueError, match=complaint):
            BPETokenizer(vocabulary, merges, specials)
    with pytest.raises(ValueError, match=r"vocab_size: must be at least 257 \(the 256 bytes and"):
        BPETokenizer.train("abc", vocab_size=256, specials=("<pad>",))
    with pytest.raises(ValueError, match="min_count: must be at least 1, got 0"):
        BPETokenizer.train("abc", min_count=0)


def reference(vocabulary, merges):
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    ids = {token: number for number, token in enumerate(vocabulary)}
    tokenizer = Tokenizer(models.BPE(ids, list(merges)))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


@pytest.mark.oracle
def test_encoding_equals_the_tokenizers_library():
    ours = english()
    theirs = reference(ours.vocabulary, ours.merges)
    rng, docs = random.Random(1), load_corpus("python-docs")
    for _ in range(5_000):
        begin = rng.randrange(len(docs) - 200)
        for text in (docs[begin : begin + 200], any_unicode(rng, rng.randrange(40))):
            assert ours.encode(text).tolist() == theirs.encode(text).ids, text


@pytest.mark.oracle
@pytest.mark.parametrize("corpus", ["python-docs", "grammar"])
def test_training_learns_the_tokenizers_librarys_merges(corpus):
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    text = load_corpus(corpus)[:200_000]
    theirs = Tokenizer(models.BPE())
    theirs.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=1200, min_frequency=2, special_tokens=["<pad>"], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    theirs.train_from_iterator([text], trainer)
    ours = BPETokenizer.train(text, vocab_size=1200, specials=("<pad>",))
    assert {token: i for i, token in enumerate(ours.vocabulary)} == theirs.get_vocab()
    assert [list(pair) for pair in json.loads(theirs.to_str())["model"]["merges"]] == [
        list(pair) for pair in ours.merges
    ]


@pytest.mark.oracle
def test_files_are_exchanged_with_the_tokenizers_library(tmp_path):
    from tokenizers import models

    ours = english()
    reference(ours.vocabulary, ours.merges).model.save(str(tmp_path))
    assert BPETokenizer.read(tmp_path) == ours
    ours.write(tmp_path)
    models.BPE.from_file(str(tmp_path / "vocab.json"), str(tmp_path / "merges.txt"))
