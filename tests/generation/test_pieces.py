"""Text in pieces: as soon as no later id can change it, the last as quickly as the first."""

from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minilm.generation import decode_pieces
from minilm.text import BPETokenizer, CharTokenizer, WordPieceTokenizer, WordTokenizer

STORY = "the theory of thé 日本 日 café 🙂🙂 is there, the end"
TOKENIZERS = {
    "char": CharTokenizer.train(STORY + "\ufffd"),
    "word": WordTokenizer.train(STORY),
    "bpe": BPETokenizer.train(STORY, 270),
    "wordpiece": WordPieceTokenizer.train(STORY, 60),
}


@pytest.mark.parametrize("kind", TOKENIZERS)
@given(ids=st.lists(st.integers(0, 10_000), max_size=40))
def test_pieces_joined_are_the_text(kind, ids):
    tokenizer = TOKENIZERS[kind]
    ids = [i % tokenizer.vocab_size for i in ids]
    assert "".join(decode_pieces(tokenizer, iter(ids))) == tokenizer.decode(ids)


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_pieces_come_as_soon_as_no_later_id_can_change_them(kind):
    tokenizer = TOKENIZERS[kind]
    ids = tokenizer.encode(STORY).tolist()
    asked = []
    pieces = decode_pieces(tokenizer, (asked.append(i) or i for i in ids))
    written = ""
    for piece in pieces:
        written += piece
        assert written == tokenizer.decode(asked)
        assert "\ufffd" not in piece
    assert asked == ids and written == tokenizer.decode(ids)


def test_bytes_of_one_character_by_hand():
    tokenizer = BPETokenizer.train("a", 257)
    ids = tokenizer.encode("a日b").tolist()
    assert len(ids) == 5
    assert list(decode_pieces(tokenizer, ids)) == ["a", "日", "b"]
    assert list(decode_pieces(tokenizer, ids[:3])) == ["a", "\ufffd"]  # the rest never came
    assert list(decode_pieces(tokenizer, [ids[1], ids[4]])) == ["\ufffdb"]
    assert list(decode_pieces(tokenizer, [])) == []


BYTES = BPETokenizer.train("a", 256)


@given(st.lists(st.sampled_from(["a", "é", "日", "🙂", b"\x80", b"\xe6\x97", b"\xf0\x9f\x99"])))
def test_whatever_bytes_come_the_pieces_joined_are_the_text(parts):
    """Whole characters, cut ones and stray bytes, in any order."""
    data = b"".join(part.encode() if isinstance(part, str) else part for part in parts)
    id_of_byte = {BYTES._bytes[i]: i for i in range(256)}
    ids = [id_of_byte[data[i : i + 1]] for i in range(len(data))]
    pieces = list(decode_pieces(BYTES, ids))
    assert "".join(pieces) == BYTES.decode(ids) == data.decode(errors="replace")
    assert all(pieces)


def test_bytes_that_never_make_a_character_are_not_all_held_back():
    """Held back they would be decoded again with every new one: a minute for these."""
    ids = [BYTES.encode("é")[1]] * 20_000
    start = process_time()
    pieces = list(decode_pieces(BYTES, ids))
    assert pieces == ["\ufffd"] * 20_000 and process_time() - start < 5
