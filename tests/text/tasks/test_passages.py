"""Summaries and answers found again from the words of the source alone; both splits by looking."""

import re
from collections import defaultdict

import pytest

from minilm.text.tasks import TASKS
from minilm.text.tasks.questions import NAMES, PLACES, THINGS
from minilm.text.tasks.summarization import ACTIONS, summary
from minilm.text.tasks.task import PARTS, held_out, pairs

EVENT = re.compile(r"at \d+ (?:.* )?([A-Z]\w+) ([a-z].*)")


def three_parts(name, n):
    sizes = {"train": 4 * n, "test": n, "structure": n}
    return [TASKS[name].examples(sizes[part], seed=0, part=part) for part in PARTS]


def log(source):
    """k, and (who, what) of each event, read off the log."""
    head, events = source.removesuffix(" .").split(" : ")
    return int(head.split()[1]), [EVENT.fullmatch(event).groups() for event in events.split(" ; ")]


def test_a_log_by_hand():
    source = "keep 2 : at 7 Anna drank tea ; at 9 Ben saw a fire ; at 11 at home Leo fed the cat ."
    events = [("Anna", "drank tea"), ("Ben", "saw a fire"), ("Leo", "fed the cat")]
    assert log(source) == (2, events)
    assert summary(events, 2) == "Ben saw a fire and Leo fed the cat ."
    with pytest.raises(ValueError, match="k: must be from 1 to 3, the number of events, got 4"):
        summary(events, 4)


def test_summaries_keep_the_most_important_in_order():
    train, test, structure = three_parts("summarization", 400)
    for source, target in train + test + structure:
        k, events = log(source)
        hours = [int(hour) for hour in re.findall(r"at (\d+) ", source)]
        assert hours == sorted(set(hours)) and len(hours) == len(events) > k
        kept = re.split(" , | and ", target.removesuffix(" ."))
        told = [f"{who} {what}" for who, what in events]
        assert kept == [event for event in told if event in kept] and len(kept) == k
        best = sorted((what for _, what in events), key=ACTIONS.index)[:k]
        assert {event.split(" ", 1)[1] for event in kept} == set(best)
    seen = {event for source, _ in train for event in log(source)[1]}
    assert not any(held_out(f"{who} {what}") for who, what in seen)
    for source, _ in test + structure:
        assert set(log(source)[1]) - seen
    shapes = [{(log(s)[0], len(log(s)[1])) for s, _ in part} for part in (train, test, structure)]
    assert shapes[0] == shapes[1] and shapes[2] == {(2, 4), (1, 5)} and not shapes[2] & shapes[0]


def answer(source):
    """The answer to a question, by another world: a thing's place may be a person."""
    *sentences, question = re.split(r" [.?] ?", source)[:-1]
    where, before = {}, {}
    for sentence in sentences:
        words = sentence.split()
        if "went" in words:
            before[words[0]] = where.get(words[0])
            where[words[0]] = words[-1]
        elif "took" in words:
            where[words[-1]] = words[0]
        elif "put" in words:
            where[words[-1]] = where[words[0]]
        else:
            assert where[words[3]] == words[0] and where[words[0]] == where[words[-1]]
            where[words[3]] = words[-1]
    asked = question.split()[-2 if question.endswith("before") else -1]
    if question.endswith("before"):
        return before[asked]
    place = where[asked]
    if question.startswith("who"):
        return place if place in NAMES else "nobody"
    return where.get(place, place)


def test_answers_by_hand():
    story = "Anna went to the hall . Ben went to the hall . Anna took the key . "
    given = "Anna gave the key to Ben . Ben went to the park . "
    for text, expected in (
        (story + "who has the key ?", "Anna"),
        (story + given + "where is the key ?", "park"),
        (story + given + "where was Ben before ?", "hall"),
        (story + "Anna put down the key . who has the key ?", "nobody"),
    ):
        assert answer(text) == expected


def test_questions_are_answered_by_the_passage():
    train, test, structure = three_parts("questions", 400)
    content = {*NAMES, *PLACES, *THINGS}

    def words(source):
        return [word for word in source.split() if word in content]

    def script(source):
        roles = defaultdict(lambda: str(len(roles)))
        kinds = dict.fromkeys(NAMES, "N") | dict.fromkeys(PLACES, "P") | dict.fromkeys(THINGS, "T")
        return " ".join(kinds[w] + roles[w] if w in content else w for w in source.split())

    for source, target in train + test + structure:
        assert answer(source) == target
    together = {pair for source, _ in train for pair in pairs(words(source))}
    assert not any(map(held_out, together))
    for source, _ in test + structure:
        assert any(map(held_out, set(pairs(words(source))) - together))
    seen, unseen = ({script(s) for s, _ in part} for part in (train, structure))
    assert len(seen) == 20 and len(unseen) == 3 and not seen & unseen
    assert {script(s) for s, _ in test} == seen
    assert len({target for _, target in train}) == 12 + 10 + 1


def test_no_answer_is_the_commonest_by_far():
    targets = [target for _, target in TASKS["questions"].examples(2000, seed=3)]
    assert max(map(targets.count, set(targets))) < 0.15 * len(targets)
