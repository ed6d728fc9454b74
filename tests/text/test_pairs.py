import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minilm.nn import IGNORED
from minilm.text import (
    BEGIN,
    END,
    PADDING,
    TASKS,
    CharTokenizer,
    Example,
    LabelTokenizer,
    PairTokenizer,
    labelled_batches,
    pair_batches,
)
from minilm.text.rows import POOL, filled, like_lengths
from minilm.text.tasks import load_labelled, load_pairs, save_pairs

PAIRS = [
    Example("she sleeps", "她睡觉"), Example("he sleeps", "他睡觉"),
    Example("we see her", "我们看见她"), Example("he", "他"),
    Example("she sees him now", "她现在看见他"),
]  # fmt: skip
LABELLED = [Example("a dull film", "bad"), Example("a joy", "good"), Example("not dull", "good")]


def test_a_batch_by_hand():
    tokenizer = PairTokenizer(
        CharTokenizer("ab", (PADDING,)), CharTokenizer("xyz", (PADDING, BEGIN, END))
    )
    batch = pair_batches(tokenizer, [Example("ab", "x"), Example("bab", "zy")], 2, seed=0)(0)
    for found, expected in zip(
        batch,
        (
            [[1, 2, 0], [2, 1, 2]],  # sorted by length: ab <pad>, bab
            [[1, 3, 0], [1, 5, 4]],  # <bos> x <pad>, <bos> z y
            [[3, 2, IGNORED], [5, 4, 2]],  # x <eos>, z y <eos>
        ),
        strict=True,
    ):
        assert found.tolist() == expected
        assert found.dtype == np.int32


@pytest.mark.parametrize(
    "kinds", [("word", "char"), ("char", "word"), ("bpe", "bpe"), ("sentencepiece",) * 2]
)
def test_targets_come_back_exactly(kinds):
    examples = [*TASKS["summarization"].examples(60, 0), Example("two  spaces", " first, last ")]
    tokenizer = PairTokenizer.train(examples, kinds, vocab_size=400)
    for example in examples:
        assert tokenizer.decode(tokenizer.encode_target(example.target)) == example.target


@pytest.mark.parametrize("kind", ["bpe", "sentencepiece"])
def test_pieces_are_as_many_as_asked_for_and_a_word_begins_with_one(kind):
    examples = TASKS["summarization"].examples(60, 0)
    tokenizer = PairTokenizer.train(examples, (kind, kind), vocab_size=320)
    assert tokenizer.source.vocab_size == tokenizer.target.vocab_size == 320
    word = max(examples[0].target.split(), key=len)
    inside = tokenizer.encode_target(f"{word} {word}").tolist()
    assert inside == tokenizer.encode_target(word).tolist() * 2


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_target_comes_back_from_pieces(text):
    tokenizer = PairTokenizer.train(PAIRS, ("bpe", "bpe"), vocab_size=300)
    assert tokenizer.decode(tokenizer.encode_target(text)) == text


def test_a_first_word_is_the_same_token_as_a_later_one():
    tokenizer = PairTokenizer.train([Example("she sees her", "a"), Example("her", "b")])
    ids = tokenizer.encode_source(["she sees her", "her"])
    assert ids[0, 2] == ids[1, 0]
    assert ids[1, 1:].tolist() == [tokenizer.padding_id] * 2


def test_a_saved_tokenizer_is_the_same():
    for kinds in (("word", "char"), ("bpe", "wordpiece")):
        tokenizer = PairTokenizer.train(PAIRS, kinds, vocab_size=300)
        assert PairTokenizer.from_dict(tokenizer.to_dict()) == tokenizer
    tokenizer = LabelTokenizer.train(LABELLED)
    assert LabelTokenizer.from_dict(tokenizer.to_dict()) == tokenizer


@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=70), st.integers(1, 5), st.integers(0, 3)
)
def test_an_epoch_has_every_example_once_and_then_some_of_its_first_again(lengths, size, seed):
    batch = like_lengths((np.array(lengths),), size, seed)
    steps = -(-len(lengths) // size)
    for epoch in (0, 1):
        seen = np.concatenate([batch(epoch * steps + step) for step in range(steps)])
        assert len(seen) == steps * size
        assert set(seen) == set(range(len(lengths)))
        counts = np.bincount(seen)
        assert len(lengths) < size or counts.max() <= 2


def test_any_step_alone_is_what_it_is_in_order():
    tokenizer = PairTokenizer.train(PAIRS)
    in_order = pair_batches(tokenizer, PAIRS, 2, seed=3)
    found = [in_order(step) for step in range(9)]
    for step in (8, 0, 5):
        alone = pair_batches(tokenizer, PAIRS, 2, seed=3)(step)
        for one, other in zip(alone, found[step], strict=True):
            np.testing.assert_array_equal(one, other)
    assert any(
        a.shape != b.shape or (a != b).any()
        for step in range(9)
        for a, b in zip(pair_batches(tokenizer, PAIRS, 2, seed=4)(step), found[step], strict=True)
    )


def test_rows_of_like_length_stand_together():
    lengths = np.random.default_rng(0).integers(1, 40, size=32 * POOL)
    batch = like_lengths((lengths,), 32, seed=0)
    spans = [np.ptp(lengths[batch(step)]) for step in range(POOL)]
    assert np.mean(spans) < 40 / POOL + 2  # a batch drawn at random spans 38 or so
    first = [lengths[batch(step)].min() for step in range(POOL)]
    assert first != sorted(first)  # and the short ones do not all come first


def test_equal_sources_are_sorted_by_target():
    lengths = np.array([1, 1, 1, 1]), np.array([4, 1, 4, 1])
    batch = like_lengths(lengths, 2, seed=0)
    assert {tuple(lengths[1][batch(step)]) for step in range(2)} == {(1, 1), (4, 4)}


def test_the_first_length_counts_most():
    lengths = np.array([1, 2, 1, 2]), np.array([9, 8, 1, 2])
    batch = like_lengths(lengths, 2, seed=0)
    assert {tuple(lengths[0][batch(step)]) for step in range(2)} == {(1, 1), (2, 2)}


def test_pairs_of_one_source_length_are_sorted_by_target():
    lengths = zip("acde", (9, 1, 9, 1), strict=True)
    examples = [Example(f"{word} b", "x" * length) for word, length in lengths]
    batch = pair_batches(PairTokenizer.train(examples), examples, 2, seed=0)
    assert {batch(step)[2].shape for step in range(2)} == {(2, 2), (2, 10)}


def test_epochs_differ_in_their_order():
    batch = like_lengths((np.arange(20),), 5, seed=0)
    first, second = (np.concatenate([batch(4 * e + step) for step in range(4)]) for e in (0, 1))
    assert (first != second).any()


def test_who_shares_a_batch_is_drawn_anew_in_each_epoch():
    batch = like_lengths((np.ones(40, int),), 5, seed=0)
    first, second = ({frozenset(batch(8 * e + step)) for step in range(8)} for e in (0, 1))
    assert not first & second


def test_filled():
    rows = [np.array([1, 2]), np.array([3])]
    assert filled(rows, -100).tolist() == [[1, 2], [3, -100]]


def test_labels_are_numbers_and_a_text_begins_with_begin():
    tokenizer = LabelTokenizer.train(LABELLED)
    assert tokenizer.labels == ("bad", "good")
    assert LabelTokenizer.train(LABELLED[::-1]).labels == ("bad", "good")
    ids = tokenizer.encode(["a joy", "a dull film"])
    begin = tokenizer.text.special_ids[BEGIN]
    assert ids[:, 0].tolist() == [begin, begin]
    assert ids[0, 3] == tokenizer.padding_id
    assert ids[0, 1] == ids[1, 1]
    assert tokenizer.context(LABELLED) == 4
    tokens, labels = labelled_batches(tokenizer, LABELLED, 3, seed=0)(0)
    assert tokens.shape == (3, 4)
    rows = {
        (*(int(i) for i in row if i != tokenizer.padding_id), tokenizer.labels[label])
        for row, label in zip(tokens, labels, strict=True)
    }
    assert rows == {(*tokenizer.encode([e.source])[0].tolist(), e.target) for e in LABELLED}


def test_a_persons_own_files_take_the_same_road(tmp_path):
    save_pairs(tmp_path / "pairs.tsv", PAIRS)
    examples = load_pairs(tmp_path / "pairs.tsv")
    tokenizer = PairTokenizer.train(examples, ("bpe", "bpe"), vocab_size=300)
    source, _, targets = pair_batches(tokenizer, examples, 5, seed=0)(0)
    said = {tokenizer.decode(row[(row != IGNORED)][:-1]) for row in targets}
    assert said == {example.target for example in PAIRS}
    assert len(source) == 5

    save_pairs(tmp_path / "labelled.tsv", LABELLED)
    examples = load_labelled(tmp_path / "labelled.tsv")
    _, labels = labelled_batches(LabelTokenizer.train(examples), examples, 3, seed=0)(0)
    assert sorted(labels) == [0, 1, 1]


TOKENIZER = PairTokenizer.train(PAIRS)
LABELS = LabelTokenizer.train(LABELLED)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: PairTokenizer.train([]), "examples: there are none"),
        (lambda: LabelTokenizer.train([]), "examples: there are none"),
        (lambda: PairTokenizer.train(PAIRS, ("word", "letters")), "'letters'"),
        (lambda: TOKENIZER.encode_source(["she", ""]), "sources: number 1 is empty: ''"),
        (lambda: TOKENIZER.encode_source([]), "sources: there are none"),
        (lambda: LABELS.encode([""]), "texts: number 0 is empty"),
        (lambda: LABELS.classes(["good", "fair"]), "'fair' is unknown; there are 'bad', 'good'"),
        (lambda: LabelTokenizer.train(LABELLED[:1]), "at least two, got .'bad',."),
        (lambda: labelled_batches(LABELS, [Example("a", "fair")], 1, 0), "'fair' is unknown"),
        (lambda: labelled_batches(LABELS, LABELLED, 2, 0, context=3), "4 positions.*context=3: 'a"),
        (lambda: labelled_batches(LABELS, [], 2, 0), "there are none"),
        (lambda: pair_batches(TOKENIZER, [], 2, 0), "there are none"),
        (lambda: pair_batches(TOKENIZER, [Example("", "她")], 2, 0), "sources: number 0 is empty"),
        (lambda: pair_batches(TOKENIZER, [Example("he", "")], 2, 0), "targets: number 0 is empty"),
        (
            lambda: pair_batches(TOKENIZER, PAIRS, 2, 0, context=3),
            "sources: number 4 takes 4 positions, more than context=3: 'she sees him now'",
        ),
        (lambda: pair_batches(TOKENIZER, PAIRS, 2, 0, context=6), "targets: number 4 takes 7"),
        (lambda: pair_batches(TOKENIZER, PAIRS, 0, 0), "batch_size: must be at least 1, got 0"),
        (lambda: pair_batches(TOKENIZER, PAIRS, 2, -1), "seed: must be at least 0, got -1"),
        (lambda: pair_batches(TOKENIZER, PAIRS, 2, 0)(-1), "step: must be at least 0, got -1"),
        (lambda: PairTokenizer(CharTokenizer("a"), TOKENIZER.target), "source: .*<pad>"),
        (lambda: PairTokenizer(TOKENIZER.source, TOKENIZER.source), "target: .*<bos>, <eos>"),
    ],
)  # fmt: skip
def test_what_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_the_longest_that_fits_is_taken():
    assert TOKENIZER.context(PAIRS) == 7  # six characters, and <bos> or <eos>
    assert pair_batches(TOKENIZER, PAIRS, 5, 0, context=7)(0)[1].shape == (5, 7)
