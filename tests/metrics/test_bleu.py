"""BLEU by hand, and equal to sacrebleu's."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minilm.metrics import bleu, characters, words_13a

ALPHABET = ["the", "cat", "sat", "on", "a", "mat", "Mat", "don't", "3.14", "1,000", "a.b", "2-3",
            ".", ",", "!", "&quot;", "&amp;lt;", "<skipped>", "-\n", "\n", "$5", "é", "北京", "x-y",
            "...", "5.", ".5", "\u2028", "\t"]  # fmt: skip


def random_pairs(seed, n):
    """Sentences and copies of them with words dropped, shuffled, replaced; some empty or short."""
    rng = random.Random(seed)
    pairs = []
    for _ in range(n):
        wanted = rng.choices(ALPHABET, k=rng.choice([0, 1, 2, 3, 5, 10, 20]))
        written = [rng.choice(ALPHABET) if rng.random() < 0.2 else w for w in wanted]
        written = [word for word in written if rng.random() < 0.9]
        if rng.random() < 0.2:
            rng.shuffle(written)
        joint = rng.choice([" ", " ", ""])
        pairs.append((joint.join(written), " ".join(wanted)))
    return pairs


def test_by_hand():
    # 4 of 5 words, 2 of 4 pairs, 1 of 3 triples, no four in a row (half a match of 2); as long
    # as the reference
    expected = 100 * (4 / 5 * 2 / 4 * 1 / 3 * 0.5 / 2) ** 0.25
    assert bleu(["a b c x e"], ["a b c d e"]) == pytest.approx(expected)
    # the whole corpus is one score: the second pair's words add to the first's
    expected = 100 * math.exp(1 - 10 / 9) * (8 / 9 * 5 / 7 * 3 / 5 * 1 / 3) ** 0.25
    assert bleu(["a b c x e", "q r s t"], ["a b c d e", "q r s t u"]) == pytest.approx(expected)


def test_a_word_matches_no_more_often_than_the_reference_has_it():
    expected = 100 * (2 / 7 * 1 / 6 * 0.5 / 5 * 0.25 / 4) ** 0.25
    assert bleu(["the the the the the the the"], ["the the cat is on a mat"]) == pytest.approx(
        expected
    )


def test_what_is_too_long_is_punished_by_precision_alone():
    assert bleu(["a b c d e"], ["a b c d"]) == pytest.approx(
        100 * (4 / 5 * 3 / 4 * 2 / 3 * 1 / 2) ** 0.25
    )


def test_without_four_words_there_is_no_bleu():
    assert bleu(["one two three"], ["one two three"]) == 0


def test_characters_for_words():
    assert bleu(["我在北京"], ["我在北京"]) == 0
    assert bleu(["我在北京"], ["我 在北京"], words=characters) == pytest.approx(100)


def test_words_by_hand():
    for text, cut in (
        ('Mr. Smith said: "It cost $1,000.50 (5%)!"',
         'Mr . Smith said : " It cost $ 1,000.50 ( 5 % ) ! "'),
        ("&lt;b&gt; R&amp;D &quot;x&quot; co-\noperate\n1-2 a-b .5",
         '< b > R & D " x " cooperate 1 - 2 a-b . 5'),
        ("&amp;lt;", "<"),
    ):  # fmt: skip
        assert words_13a(text) == cut.split()
    assert words_13a("") == words_13a(" \n") == []


@given(st.text())
def test_cutting_moves_white_space_alone(text):
    cut = words_13a(text)
    assert all(word and not any(c.isspace() for c in word) for word in cut)
    if not {"&", "<", "-"} & set(text):
        assert "".join(cut) == "".join(text.split())


@pytest.mark.oracle
def test_equals_sacrebleu():
    from sacrebleu.metrics import BLEU
    from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

    theirs, by_character = BLEU(force=True), BLEU(force=True, tokenize="char")
    for pair in random_pairs(seed=0, n=1000):
        hypotheses, references = [pair[0]], [pair[1]]
        expected = theirs.corpus_score(hypotheses, [references]).score
        assert bleu(hypotheses, references) == pytest.approx(expected, abs=1e-6), pair
        expected = by_character.corpus_score(hypotheses, [references]).score
        found = bleu(hypotheses, references, words=characters)
        assert found == pytest.approx(expected, abs=1e-6), pair
    for seed in range(1, 11):
        hypotheses, references = zip(*random_pairs(seed, n=50), strict=True)
        expected = theirs.corpus_score(hypotheses, [references]).score
        assert bleu(hypotheses, references) == pytest.approx(expected, abs=1e-6)
    rng = random.Random(0)
    for _ in range(5_000):
        text = "".join(rng.choices("ab5 .,-&;<>'\"ltgampquo\n\té。!", k=rng.randrange(30)))
        assert words_13a(text) == Tokenizer13a()(text.rstrip()).split(), ascii(text)
