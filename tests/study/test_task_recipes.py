import numpy as np
import pytest

from minilm.models import Seq2SeqTransformer
from minilm.study.task_recipes import TASK_RECIPES, TaskRecipe
from minilm.text import (
    TASKS,
    Example,
    LabelTokenizer,
    PairTokenizer,
    labelled_batches,
    pair_batches,
)
from minilm.training import fit

TINY = TaskRecipe(
    {"model": "Seq2SeqTransformer", "width": 8, "layers": 1, "heads": 2}, 3, 4, 1e-2, 20, 1
)
EVERY = [(task, name) for task, recipes in TASK_RECIPES.items() for name in recipes]


@pytest.mark.parametrize(("task", "architecture"), EVERY)
def test_every_recipe_trains_a_small_step(task, architecture):
    """Its model can be built for its task's tokenizers, and reads its task's batches."""
    recipe = TASK_RECIPES[task][architecture].changed(width=8, steps=1, batch_size=2)
    examples = TASKS[task].examples(20, 0)
    kinds = TASKS[task].tokenizers
    if "Classifier" in recipe.config["model"]:
        tokenizer = LabelTokenizer.train(examples, kinds[0])
        batches = labelled_batches(tokenizer, examples, 2, 0)
    else:
        tokenizer = PairTokenizer.train(examples, kinds)
        batches = pair_batches(tokenizer, examples, 2, 0)
    model = recipe.model(tokenizer, tokenizer.context(examples))
    _, history = fit(model, model.init(0), batches, **recipe.training())
    assert np.isfinite(history[0]["loss"])


def test_the_model_is_what_the_recipe_and_the_examples_say():
    tokenizer = PairTokenizer.train([Example("a b c", "xy")])
    model = TINY.model(tokenizer, context=9)
    assert model == Seq2SeqTransformer(
        tokenizer.target.vocab_size, tokenizer.source.vocab_size, width=8, layers=1, heads=2,
        context=9, padding_id=tokenizer.padding_id,
    )  # fmt: skip


def test_a_changed_recipe():
    changed = TINY.changed(steps=5, width=16)
    assert (changed.steps, changed.config["width"], changed.config["heads"]) == (5, 16, 2)
    assert changed.half() == TINY.changed(steps=5)
    assert (TINY.steps, TINY.config["width"]) == (3, 8)


def test_the_learning_rate_rises_for_a_tenth_of_the_steps():
    training = TINY.changed(steps=40).training()
    rates = [training["schedule"](step) for step in range(40)]
    assert training["steps"] == 40
    assert max(rates) == pytest.approx(1e-2)
    assert rates.index(max(rates)) in (3, 4)
