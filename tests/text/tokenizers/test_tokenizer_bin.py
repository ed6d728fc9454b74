"""tokenizer.bin of llama2.c: read by hand, and nothing damaged let through."""

import random
import struct
from itertools import pairwise

import pytest

from minilm.text import load_corpus
from minilm.text.tokenizers import SentencePieceTokenizer
from minilm.text.tokenizers.sentencepiece import BYTES, SPECIALS
from minilm.text.tokenizers.tokenizer_bin import read_tokenizer_bin


def file_bytes(longest=7):
    """<unk>, <s>, </s>, the bytes, " ", "l", "o", "lo", " lo", as llama2.c writes them."""
    pieces = ["<unk>", "\n<s>\n", "\n</s>\n", *BYTES, " ", "l", "o", "lo", " lo"]
    data = struct.pack("<i", longest)
    for number, piece in enumerate(pieces):
        score = 0.0 if number < 259 else 259.0 - number
        data += struct.pack("<fi", score, len(piece.encode())) + piece.encode()
    return data


def test_by_hand(tmp_path):
    (tmp_path / "tokenizer.bin").write_bytes(file_bytes())
    tokenizer = read_tokenizer_bin(tmp_path / "tokenizer.bin")
    assert tokenizer.vocabulary[-5:] == ("▁", "l", "o", "lo", "▁lo")
    assert tokenizer.merges == (("l", "o", -3.0), ("▁", "lo", -4.0))
    assert tokenizer.specials == SPECIALS and tokenizer.prefix == "always"
    assert tokenizer.encode("lo ol\n").tolist() == [263, 259, 261, 260, 13]
    assert tokenizer.decode([263, 259, 261, 260, 13]) == "lo ol\n"


def test_damage_is_refused_with_the_byte(tmp_path):
    def refused(complaint, data):
        (tmp_path / "tokenizer.bin").write_bytes(data)
        with pytest.raises(ValueError, match=rf"tokenizer\.bin'.*{complaint}"):
            read_tokenizer_bin(tmp_path / "tokenizer.bin")

    whole = file_bytes()
    refused("must begin with the length of the longest piece, has 3 bytes", whole[:3])
    refused("lacks '<unk>'|must begin with the pieces", whole[:4])
    refused("byte 4: the file ends inside piece 0", whole[:11])
    refused("byte 4: the file ends inside piece 0", whole[:13])
    refused("the file ends inside piece 263", whole[:-1])
    refused("lacks '<0xFF>'", whole[: whole.index(b"<0xFF>") - 8])
    refused(r"piece 0 must have 1\.\.4 bytes .* got 5", file_bytes(longest=4))
    for length in (-1, 0, 2**31 - 1):
        refused(f"piece 0 must have .* got {length}", whole[:8] + struct.pack("<i", length))
    long = struct.pack("<ifi", 9_999, 0.0, 257) + b"a" * 257
    refused(r"piece 0 must have 1\.\.256 bytes .* 9999\), got 257", long)
    refused("piece 0 is not UTF-8", whole.replace(b"<unk>", b"<un\xff>"))
    refused("must begin with the pieces", whole.replace(b"\n<s>\n", b"\n<t>\n"))
    refused("vocabulary: must be distinct pieces", whole.replace(b"<0xFF>", b"<0xFE>"))
    nan = struct.pack("<f", float("nan"))
    refused("its score must be finite, got nan", whole[:-11] + nan + whole[-7:])


def test_mutated_files_give_a_tokenizer_or_a_valueerror(tmp_path):
    rng, path = random.Random(0), tmp_path / "tokenizer.bin"
    made = 0
    for _ in range(200):
        data = bytearray(file_bytes())
        for _ in range(rng.randrange(1, 4)):
            place = rng.randrange(len(data))
            data[place : place + rng.randrange(3)] = rng.choice((b"", b"\xff", rng.randbytes(2)))
        path.write_bytes(data[: rng.choice((len(data), rng.randrange(len(data) + 1)))])
        try:
            tokenizer = read_tokenizer_bin(path)
        except ValueError as error:
            assert "tokenizer.bin" in str(error)
        else:
            made += 1
            assert max(tokenizer.encode("a play lo é"), default=0) < tokenizer.vocab_size
    assert 0 < made < 100


@pytest.mark.oracle
def test_scores_and_the_merges_that_transformers_makes_of_them_agree():
    """tokenizer.bin against the library, its merges sorted by the score of what they make."""
    from tokenizers import Tokenizer, models

    docs = load_corpus("python-docs")
    learned = SentencePieceTokenizer.train(docs[:50_000], vocab_size=900)
    scores = [-float(i) for i in range(learned.vocab_size)]
    ours = SentencePieceTokenizer.from_scores(learned.vocabulary, scores)
    ids = {piece: i for i, piece in enumerate(learned.vocabulary)}
    ordered = sorted(ours.merges, key=lambda m: (-m[2], -len(m[0])))
    assert all(a[2] >= b[2] for a, b in pairwise(ordered)) and len(ordered) > len(learned.merges)
    theirs = Tokenizer(models.BPE(ids, [(a, b) for a, b, _ in ordered], byte_fallback=True,
                                  unk_token="<unk>", fuse_unk=True))  # fmt: skip
    rng = random.Random(3)
    for number in range(1_500):
        begin = rng.randrange(len(docs) - 200)
        text = docs[begin : begin + 200]
        if number % 2:
            text = "".join(rng.choices("aelnrst  .é北\n", k=rng.randrange(50)))
        spaced = text and "▁" + text.replace(" ", "▁")
        assert ours.encode(text).tolist() == theirs.encode(spaced).ids
