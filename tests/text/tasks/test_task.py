"""What all tasks promise: seeds, sizes, parts that share nothing."""

import doctest
import importlib
import pkgutil

import numpy as np
import pytest

import minilm.text.tasks as tasks
from minilm.text.tasks import PARTS, TASKS, Example
from minilm.text.tasks.task import ONE_IN, Draft, Task, held_out, pairs, pick

N = 150
every_task = pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)


def toy(structure, rng):
    """64 sources "s0a" … "s7h" of each structure; a source is its own combination."""
    source = structure + pick(rng, "01234567") + pick(rng, "abcdefgh")
    return Draft(source, source.upper(), [source])


TOY = Task("toy", toy, ("s", "t"), ("u",))


@pytest.mark.parametrize("page", [m.name for m in pkgutil.iter_modules(tasks.__path__)])
def test_the_examples_in_docstrings_are_true(page):
    module = importlib.import_module(f"minilm.text.tasks.{page}")
    assert doctest.testmod(module).failed == 0


@every_task
def test_sources_differ_and_answers_are_a_function_of_them(task):
    for part in PARTS:
        examples = task.examples(N, seed=1, part=part)
        assert len({source for source, _ in examples}) == len(examples) == N
        assert all(isinstance(e, Example) and e.source.strip() and e.target for e in examples)
        assert all(line == line.strip() and "\n" not in line for e in examples for line in e)


@every_task
def test_the_same_seed_gives_the_same_and_more_begins_with_less(task):
    for part in PARTS:
        assert task.examples(50, seed=3, part=part) == task.examples(90, seed=3, part=part)[:50]
        assert task.examples(50, seed=3, part=part) != task.examples(50, seed=4, part=part)
        assert task.examples(0, seed=3, part=part) == []


@every_task
def test_parts_share_no_source_whatever_the_seeds(task):
    seen = {e.source for seed in range(3) for e in task.examples(2 * N, seed)}
    for part in ("test", "structure"):
        assert not seen & {e.source for e in task.examples(N, seed=0, part=part)}


@every_task
def test_no_structure_is_seen_and_unseen(task):
    assert task.unseen_structures and not set(task.structures) & set(task.unseen_structures)
    assert len(set(task.structures + task.unseen_structures)) == len(
        task.structures + task.unseen_structures
    )


@pytest.mark.parametrize("part", ["train", "test"])
def test_structures_are_equally_frequent_though_one_is_held_out_more_often(part):
    def lopsided(structure, rng):  # "t" has ten combinations, "s" one
        numbers = [str(i) for i in rng.integers(10**6, size=10 if structure == "t" else 1)]
        return Draft(" ".join([structure, *numbers]), "-", numbers)

    examples = Task("lopsided", lopsided, ("s", "t"), ("u",)).examples(1000, seed=0, part=part)
    assert abs(sum(e.source[0] == "s" for e in examples) - 500) < 4 * np.sqrt(250)


def test_a_structure_that_is_used_up_stops():
    few = Task("few", lambda s, rng: Draft(s + pick(rng, "abc" if s == "s" else "0123456789abcdef"),
                                           "-", []), ("s", "t"), ("u",))  # fmt: skip
    assert {e.source for e in few.examples(19, seed=0)} == {
        *("s" + c for c in "abc"), *("t" + c for c in "0123456789abcdef")
    }  # fmt: skip


def test_held_out_combinations_by_hand():
    sources = [f"{s}{i}{c}" for s in "stu" for i in range(8) for c in "abcdefgh"]
    held = {source for source in sources if held_out(source)}
    train = {e.source for e in TOY.examples(128 - len([s for s in held if s[0] != "u"]), seed=0)}
    assert train == {s for s in sources if s[0] != "u"} - held
    for part, first in (("test", "st"), ("structure", "u")):
        expected = {s for s in held if s[0] in first}
        assert {e.source for e in TOY.examples(len(expected), 5, part)} == expected != set()


def test_about_one_combination_in_twenty_is_held_out_and_always_the_same():
    share = np.mean([held_out(f"{i} {j}") for i in range(100) for j in range(200)])
    assert share == pytest.approx(1 / ONE_IN, abs=4 * np.sqrt(0.05 * 0.95 / 20_000))
    assert [i for i in range(60) if held_out(str(i))] == [0, 14, 46, 49, 50, 51, 56]


def test_pairs_do_not_depend_on_order_or_repetition():
    assert pairs("cab") == pairs("abcabc") == ["a b", "a c", "b c"]
    assert pairs(["alone"]) == pairs([]) == []


@pytest.mark.parametrize(
    ("arguments", "error", "complaint"),
    [
        ({"n": 200, "seed": 0}, ValueError, "n: 200 asked for, but only .* of task 'toy'"),
        ({"n": -1, "seed": 0}, ValueError, "n: must be at least 0, got -1"),
        ({"n": 1.5, "seed": 0}, TypeError, "n: must be an int, got 1.5"),
        ({"n": True, "seed": 0}, TypeError, "n: must be an int, got True"),
        ({"n": 1, "seed": -2}, ValueError, "seed: must be at least 0, got -2"),
        ({"n": 1, "seed": None}, TypeError, "seed: must be an int, got None"),
        ({"n": 1, "seed": 0, "part": "dev"}, ValueError, "part: must be one of train, test, struc"),
    ],
)
def test_bad_arguments_are_named(arguments, error, complaint):
    with pytest.raises(error, match=complaint):
        TOY.examples(**arguments)
