"""SentencePiece: by hand, against the plain algorithm, and against the `tokenizers` library."""

import random
import time
from functools import cache
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minilm.generation import decode_pieces
from minilm.text import load_corpus
from minilm.text.tokenizers import (
    SentencePieceTokenizer,
    memory,
    sentencepiece,
    tokenizer_from_dict,
)
from minilm.text.tokenizers.sentencepiece import BYTES, PREFIXES, SPACE, SPECIALS

FRONT = (*SPECIALS, *BYTES)


def scored(*pieces):
    """Pieces, the best first."""
    return SentencePieceTokenizer.from_scores(
        (*FRONT, *pieces), [0.0] * len(FRONT) + [-float(i) for i in range(len(pieces))]
    )


def shown(tokenizer, text):
    return " ".join(tokenizer.vocabulary[i] for i in tokenizer.encode(text))


@cache
def english():
    return SentencePieceTokenizer.train(load_corpus("python-docs")[:60_000], vocab_size=800)


def joined(symbols, scores):
    """The algorithm as it is written: the best pair, of equal ones the leftmost, until none."""
    symbols = list(symbols)
    while True:
        pairs = [
            (-scores[a + b], i) for i, (a, b) in enumerate(pairwise(symbols))
            if a + b in scores
        ]  # fmt: skip
        if not pairs:
            return " ".join(symbols)
        _, i = min(pairs)
        symbols[i : i + 2] = [symbols[i] + symbols[i + 1]]


def test_encoding_by_hand():
    tokenizer = scored("▁a", "ab", "▁", "a", "b", "bc", "c")
    assert shown(tokenizer, "ab abc") == "▁a b ▁a bc"  # ▁a is better than ab
    tokenizer = scored("ab", "▁ab", "▁a", "▁", "a", "b", "bc", "c")
    assert shown(tokenizer, "ab") == "▁ab" and shown(tokenizer, "abc") == "▁ab c"
    assert shown(tokenizer, "bc  a") == "▁ bc ▁ ▁a"
    assert shown(tokenizer, "é\n") == "▁ <0xC3> <0xA9> <0x0A>"
    assert shown(tokenizer, "<s>") == "▁ <0x3C> <0x73> <0x3E>"  # the characters, not the mark
    assert shown(tokenizer, "") == ""
    assert tokenizer.special_ids == {"<unk>": 0, "<s>": 1, "</s>": 2}
    assert tokenizer.vocab_size == 259 + 8


def test_decoding_by_hand():
    tokenizer = scored("▁", "a", "▁a")
    ids = [tokenizer.vocabulary.index(p) for p in ("▁a", "▁a", "<0xC3>", "<0xA9>", "▁", "<0xC3>")]
    assert tokenizer.decode(ids) == "a aé \ufffd"
    assert tokenizer.decode([1, *ids[:1], 2]) == "<s> a</s>"
    assert tokenizer.decode([]) == "" == tokenizer.decode(tokenizer.encode(""))
    assert tokenizer.decode(tokenizer.encode("▁a")) == " a"  # ▁ is a space, whoever wrote it


def test_no_text_encodes_to_a_special():
    tokenizer = SentencePieceTokenizer((*FRONT, "▁", "x"), (), (*SPECIALS, "x"))
    assert shown(tokenizer, "x") == "▁ <0x78>"
    assert scored("▁", "<", "s>").merges == ()  # two pieces that would make <s>


@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_dict_says_all(prefix):
    plain = english()
    tokenizer = SentencePieceTokenizer(plain.vocabulary, plain.merges, SPECIALS[:2], prefix)
    assert tokenizer_from_dict(tokenizer.to_dict()) == tokenizer


def test_of_equal_scores_the_leftmost_is_first():
    tokenizer = scored("aa", "aaa", "▁", "a")
    assert shown(tokenizer, "aaaa") == "▁ aa aa" and shown(tokenizer, "aaaaa") == "▁ aa aaa"
    pieces = (*FRONT, "aa", "aaa", "a")
    ties = SentencePieceTokenizer.from_scores(pieces, [0.0] * len(pieces))
    assert shown(ties, "aaaa") == "<0xE2> <0x96> <0x81> aaa a"
    assert ties.decode(ties.encode(" a aa ")) == " a aa "  # a ▁ in bytes is a space too


LONGER = ("aa", "ab", "ba", "aaa", "aba", "▁a", "b▁", "▁▁", "abab", "aaaa", "bb", "▁ab")


@given(st.text("ab ", max_size=40), st.permutations(LONGER))
def test_joining_is_what_the_algorithm_says(text, pieces):
    tokenizer = scored("▁", "a", "b", *pieces)
    scores = {piece: -float(i) for i, piece in enumerate(pieces)}
    spaced = text and SPACE + text.replace(" ", SPACE)
    assert shown(tokenizer, text) == joined(spaced, scores)


@given(st.text(st.characters(codec="utf-8", exclude_characters=SPACE)), st.sampled_from(PREFIXES))
def test_any_text_comes_back(text, prefix):
    plain = english()
    tokenizer = SentencePieceTokenizer(plain.vocabulary, plain.merges, prefix=prefix)
    back = tokenizer.decode(tokenizer.encode(text))
    assert back == (text.removeprefix(" ") if prefix == "unless there" else text)


@given(st.lists(st.integers(0, 799), max_size=30))
def test_pieces_of_generated_text_joined_are_the_text(ids):
    assert "".join(decode_pieces(english(), iter(ids))) == english().decode(ids)


def test_training_by_hand():
    # ▁low, ▁lower, ▁lowest: l-o and ▁-l 3 times each, and l has the lower number
    tokenizer = SentencePieceTokenizer.train("low lower lowest", vocab_size=300)
    assert [a + b for a, b, _ in tokenizer.merges] == ["lo", "▁lo", "▁low", "▁lowe"]
    assert tokenizer.vocabulary[:259] == FRONT
    assert "".join(tokenizer.vocabulary[259:267]) == "elorstw▁"
    assert shown(tokenizer, "lowest slow") == "▁lowe s t ▁ s lo w"
    small = SentencePieceTokenizer.train("low lower lowest", vocab_size=268)
    assert small.merges == tokenizer.merges[:1]
    assert tokenizer._words_stand_alone


def test_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr(memory, "MOST", 5)
    tokenizer = SentencePieceTokenizer.train("abc")
    for text in ("a b c d e f", "g h i j k l", "a b c d e f", "x" * 1000):
        assert tokenizer.decode(tokenizer.encode(text)) == text
    assert 0 < len(tokenizer._ids_of) <= 5 and max(map(len, tokenizer._ids_of)) == 2


def test_a_word_that_comes_again_is_joined_once(monkeypatch):
    joined_words = []
    monkeypatch.setattr(sentencepiece, "join_best", lambda ids, _: joined_words.append(ids) or (0,))
    tokenizer = SentencePieceTokenizer(FRONT, ())
    assert tokenizer.encode("ab " * 50 + "ab").tolist() == [0] * 51 and len(joined_words) == 1


@pytest.mark.slow
def test_a_megabyte_takes_seconds_whatever_is_in_it():
    docs = load_corpus("python-docs")
    trained = SentencePieceTokenizer.train(docs, vocab_size=2000)
    across = scored("a▁", "e▁", "t▁", "th", "▁t", "s▁", "e", "s", "t", "h", "▁", "a", "aa")
    assert trained._words_stand_alone and not across._words_stand_alone
    for tokenizer in (trained, across):
        for text in ((docs * 3)[:1_000_000], "".join(docs.split()), "a" * 1_000_000,
                     "the " * 250_000, "th" * 500_000, "é" * 500_000, " " * 1_000_000):  # fmt: skip
            begin = time.process_time()
            tokenizer.encode(text)
            assert time.process_time() - begin < 15


def test_pieces_that_make_up_each_other_in_millions_of_ways_are_refused(monkeypatch):
    pieces = ["a" * n for n in range(1, 60)]  # n - 1 ways to cut one of n letters
    zeros = [0.0] * (len(FRONT) + len(pieces))
    monkeypatch.setattr(sentencepiece, "MOST_MERGES", 59 * 58 // 2)
    assert len(SentencePieceTokenizer.from_scores([*FRONT, *pieces], zeros).merges) == 59 * 58 // 2
    with pytest.raises(ValueError, match="pieces: over 1,711 pairs of them make a third one"):
        SentencePieceTokenizer.from_scores([*FRONT, *pieces, "a" * 60], [*zeros, 0.0])


def test_wrong_arguments_are_named():
    def refused(match, *fields):
        with pytest.raises(ValueError, match=match):
            SentencePieceTokenizer(*fields)

    refused("vocabulary: must be distinct pieces", (*FRONT, "a", "a"), ())
    refused("vocabulary: must be distinct pieces", (*FRONT, ""), ())
    refused("vocabulary: lacks '<s>', '</s>', '<0x00>'", ("<unk>",), ())
    refused("prefix: must be one of", FRONT, (), SPECIALS, "sometimes")
    refused(r"merges\[0\]: the merge 'a b' needs 'ab'", (*FRONT, "a", "b"), (("a", "b", 0.0),))
    refused(r"merges\[0\]: '<s>' is no piece that a text spells", (*FRONT, "<", "s>"),
            (("<", "s>", 0.0),))  # fmt: skip
    refused(r"merges\[0\]: its score must be finite", (*FRONT, "a", "aa"),
            (("a", "a", float("nan")),))  # fmt: skip
    refused("merges: must be distinct pairs", (*FRONT, "a", "aa"), (("a", "a", 0.0),) * 2)
    with pytest.raises(ValueError, match="scores: must be 259, one a piece, got 1"):
        SentencePieceTokenizer.from_scores(FRONT, [1.0])
    with pytest.raises(ValueError, match=r"'\\ud800' is half of a surrogate pair"):
        english().encode("a\ud800")
    with pytest.raises(ValueError, match="half of a surrogate pair"):
        SentencePieceTokenizer.train("a\ud800")
    with pytest.raises(TypeError, match="text: must be a str"):
        english().encode(b"abc")
    with pytest.raises(ValueError, match=r"vocab_size: must be at least 261 \(the specials, the"):
        SentencePieceTokenizer.train("a", vocab_size=260)


def random_texts(rng, natural, count):
    """Prose, few letters in many orders, runs of spaces, and characters of all planes."""
    alphabet = "aaeeinost   TH.,\n\t▁é北😀ßab"
    for _ in range(count):
        begin = rng.randrange(len(natural) - 200)
        yield natural[begin : begin + rng.randrange(200)]
        yield "".join(rng.choices(alphabet, k=rng.randrange(60)))
        yield "".join(rng.choices("ab ", k=rng.randrange(40)))
        codes = (rng.randrange(0x110000 - 0x800) for _ in range(rng.randrange(10)))
        yield " ".join(chr(c if c < 0xD800 else c + 0x800) for c in codes)


@pytest.mark.oracle
@pytest.mark.parametrize("prefix", PREFIXES)
def test_ids_and_texts_equal_the_tokenizers_librarys(prefix):
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

    trained = english()
    periodic = ("▁▁", "▁▁▁", "▁▁▁▁", "aa", "aaa", "aaaa", "a▁", "▁a▁", "abab")
    numbers = {"a", "b", *trained.vocabulary}.union(periodic)
    vocabulary = (*trained.vocabulary, *sorted(numbers - set(trained.vocabulary)))
    ids = {piece: i for i, piece in enumerate(vocabulary)}
    rng = random.Random(7)
    extra = [(p[:cut], p[cut:]) for p in periodic for cut in range(1, len(p))
             if p[:cut] in ids and p[cut:] in ids]  # fmt: skip
    for some in ([], extra):  # pieces inside words alone; and ones that reach from word to word
        merges = [(a, b) for a, b, _ in trained.merges if (a, b) not in some] + some
        if some:
            rng.shuffle(merges)  # not in an order in which they could have been learned
        theirs = Tokenizer(models.BPE(ids, merges, byte_fallback=True, fuse_unk=True,
                                      unk_token="<unk>"))  # fmt: skip
        if prefix == "always":
            theirs.normalizer = normalizers.Sequence(
                [normalizers.Prepend(SPACE), normalizers.Replace(" ", SPACE)]
            )
        else:
            theirs.pre_tokenizer = pre_tokenizers.Metaspace(
                prepend_scheme="never" if prefix == "never" else "first", split=False
            )
        theirs.decoder = decoders.Sequence(
            [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse(),
             *([] if prefix == "never" else [decoders.Strip(" ", 1, 0)])]
        )  # fmt: skip
        ranked = tuple((a, b, -float(rank)) for rank, (a, b) in enumerate(merges))
        ours = SentencePieceTokenizer(vocabulary, ranked, prefix=prefix)
        assert ours._words_stand_alone == (not some)
        for text in random_texts(rng, load_corpus("python-docs"), 1_000):
            found = ours.encode(text).tolist()
            assert found == theirs.encode(text).ids, ascii(text)
            assert ours.decode(found) == theirs.decode(found), ascii(text)
