"""The file of sentences, its two halves, and draws."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minilm.study.pretrained.sentences import Sentence, draw, halves, read_sentences

FILE = Path(__file__).parents[3] / "data" / "sentences.txt"


def test_the_file_has_twenty_topics_of_twenty_sentences():
    sentences = read_sentences(FILE)
    assert set(Counter(s.topic for s in sentences).values()) == {20}
    assert len({s.topic for s in sentences}) == 20
    assert len({s.text for s in sentences}) == 400
    words = [len(s.text.split()) for s in sentences]
    assert min(words) == 1 and 25 < max(words) <= 40
    said = (FILE.parent / "README.md").read_text(encoding="utf-8")
    assert f"from one word to {max(words)}" in said


def test_halves_take_turns_in_each_topic():
    four = [Sentence("a", "1"), Sentence("b", "2"), Sentence("a", "3"), Sentence("b", "4")]
    assert halves(four) == ([four[0], four[1]], [four[2], four[3]])
    calibrating, scored = halves(read_sentences(FILE))
    assert len(calibrating) == len(scored) == 200
    assert not {s.text for s in calibrating} & {s.text for s in scored}


def test_a_sentence_in_both_halves_is_refused():
    with pytest.raises(ValueError, match="calibrate and be scored too"):
        halves([Sentence("a", "the same"), Sentence("a", "the same")])


@settings(max_examples=30)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=4), st.integers(0, 5))
def test_a_draw_is_half_of_each_topic_in_order(counts, seed):
    sentences = [Sentence(str(t), f"{t} {i}") for t, n in enumerate(counts) for i in range(n)]
    drawn = draw(sentences, seed)
    assert Counter(s.topic for s in drawn) == {str(t): (n + 1) // 2 for t, n in enumerate(counts)}
    assert [s for s in sentences if s in drawn] == drawn == draw(sentences, seed)


def test_draws_differ():
    sentences = read_sentences(FILE)
    assert draw(sentences, 0) != draw(sentences, 1)


@pytest.mark.parametrize("text, message", [("no tab here", "line 1: must be a topic"),
                                           ("a\tb\n\tc", "line 2"), ("a\t", "line 1"),
                                           ("", "is empty")])  # fmt: skip
def test_a_broken_file_is_refused(tmp_path, text, message):
    (tmp_path / "s.txt").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        read_sentences(tmp_path / "s.txt")
