"""Natural sentences of a text, and batches without padding."""

import numpy as np
import pytest

from minilm.models import TransformerEncoder, TransformerLanguageModel
from minilm.pretrained.calibration import natural_sentences, sentence_batches, window_batches
from minilm.pretrained.load import Pretrained
from minilm.text import CharTokenizer, WordPieceTokenizer

TEXT = """The cat sat on the mat. It slept.
See f(x) = x + 1 and its derivative too. The cat sat on the mat. Did the dog
   run home that night? no capital begins this sentence here. "Quoted" words do not begin one.

A heading ends at an empty line

The bird, which was small (and old), sang all day! """ + "Word " * 41 + "."
FOUND = [
    "The cat sat on the mat", "Did the dog run home that night",
    "A heading ends at an empty line", "The bird, which was small (and old), sang all day",
]  # fmt: skip


def test_sentences_are_prose_of_some_length_and_each_once():
    assert natural_sentences(TEXT, 100) == FOUND
    assert natural_sentences(TEXT, 4) == FOUND
    assert natural_sentences(TEXT, 2) == [FOUND[0], FOUND[3]]
    with pytest.raises(ValueError, match=r"at least two sentences of 5 to 40 words, .*got 1"):
        natural_sentences("The cat sat on the mat. The cat sat on the mat. No.", 4)


def test_lines_of_a_label_and_a_sentence():
    lines = "food\tToo much salt.\n\nstars\tA comet!\nfood\tToo much salt.\nstars\tIt is 3 a.m.\n"
    lines += "of nothing\t \n"
    assert natural_sentences(lines, 9) == ["Too much salt.", "A comet!", "It is 3 a.m."]
    with pytest.raises(ValueError, match="a label, a tab and a sentence, got 1"):
        natural_sentences("food\tToo much salt.\n", 9)


def test_batches_of_sentences_have_no_padding_and_hold_each():
    specials = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
    pieces = WordPieceTokenizer.train(TEXT, 120, specials=specials)
    model = TransformerEncoder(pieces.vocab_size, width=8, heads=2, context=64)
    texts = [*FOUND, *FOUND, "the cat", "the mat", "the day", ""]
    encoder = Pretrained(model, {}, pieces, "mean", 64)
    batches = sentence_batches(encoder, texts, batch_size=2)
    assert all(len(batch) <= 2 and (batch != 0).all() for batch in batches)
    marks = pieces.special_ids
    rows = [tuple(row[1:-1]) for batch in batches for row in batch.tolist()]
    assert sorted(rows) == sorted(tuple(pieces.encode(text).tolist()) for text in texts)
    assert all((b[:, 0] == marks["[CLS]"]).all() and (b[:, -1] == marks["[SEP]"]).all()
               for b in batches)  # fmt: skip
    short = sentence_batches(Pretrained(model, {}, pieces, "mean", 4), texts)
    assert max(batch.shape[1] for batch in short) == 4


@pytest.mark.parametrize(("longest", "length"), [(10, 10), (50, 32), (0, 32)])
def test_windows_are_spread_over_the_text(longest, length):
    letters = CharTokenizer.train(TEXT)
    model = TransformerLanguageModel(letters.vocab_size, width=8, heads=2)
    batches = window_batches(Pretrained(model, {}, letters, "mean", longest), TEXT, 9, 32, 4)
    assert [batch.shape for batch in batches] == [(4, length), (4, length), (1, length)]
    windows = [letters.decode(row) for batch in batches for row in batch]
    assert windows[0] == TEXT[:length] and windows[-1] == TEXT[-length:]
    assert all(window in TEXT for window in windows)
    (short,) = window_batches(Pretrained(model, {}, letters, "mean", 64), "The cat", 3, 32)
    np.testing.assert_array_equal(short, np.tile(letters.encode("The cat"), (3, 1)))
