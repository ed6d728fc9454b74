"""What the tasks' recipes reach, for those that take no more than two minutes: slow, one seed."""

from importlib import import_module
from pathlib import Path

import pytest

from minilm.study.task_recipes import BAG_OF_WORDS, LSTM, NOISE, TASK_RECIPES
from minilm.text.tasks import bag_of_words_ceiling

pytestmark = pytest.mark.slow
ASKED = 1000


@pytest.fixture
def reached(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[1])
    run = import_module("benchmarks.tasks").run
    return lambda task, model: float(run(task, model, 0, TASK_RECIPES[task][model], ASKED)["test"])


@pytest.mark.parametrize(
    ("task", "least"), [("translation", 0.99), ("dates", 0.995), ("sentiment", 1 - NOISE - 0.005)]
)
def test_the_lstm_learns_the_task(reached, task, least):
    assert reached(task, LSTM) >= least


def test_a_bag_of_words_stays_below_its_ceiling(reached):
    """Far below Bayes accuracy: the order of the words decides."""
    deviation = (NOISE * (1 - NOISE) / ASKED) ** 0.5
    assert reached("sentiment", BAG_OF_WORDS) <= bag_of_words_ceiling(NOISE) + 3 * deviation
