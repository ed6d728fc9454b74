"""Printed code that does not run, or runs and changes nothing; and data used twice.

Shown in plain Python and NumPy: a read-only array stands for a tensor that refuses to be changed,
a model that hands out copies for one that does so.
"""

from collections.abc import Callable

import numpy as np

from minilm.compression import fake_quantize
from minilm.course.published.entry import Printed, Value
from minilm.course.published.yardsticks import Rule, raised
from minilm.types import Array, Params

Rounding = Callable[[Array], Array]


def weights() -> Params:
    """Two small matrices."""
    rng = np.random.default_rng(0)
    return {"w_1": rng.normal(0, 0.05, (8, 16)), "w_2": rng.normal(0, 0.05, (16, 4))}


def to_4_bits(w: Array) -> Array:
    return fake_quantize(w, 4)


class Network:
    """A model that owns its weights: get_weights hands out copies, as a well-known library does."""

    def __init__(self) -> None:
        self.arrays = list(weights().values())

    def get_weights(self) -> list[Array]:
        return [w.copy() for w in self.arrays]

    def set_weights(self, arrays: list[Array]) -> None:
        self.arrays = [w.copy() for w in arrays]


def written_into_copies(model: Network, rounding: Rounding) -> None:
    """for w in model.get_weights(): w[...] = round(w)"""
    for w in model.get_weights():
        w[...] = rounding(w)


def handed_back(model: Network, rounding: Rounding) -> None:
    """model.set_weights([round(w) for w in model.get_weights()])"""
    model.set_weights([rounding(w) for w in model.get_weights()])


def share_changed_in_the_model(apply: Rule) -> Value:
    """The share of the model's weights that are others afterwards."""
    model = Network()
    apply(model, to_4_bits)
    return share_changed(weights(), dict(zip(weights(), model.arrays, strict=True)))


def share_changed(before: Params, after: Params) -> float:
    changed = sum(int((before[name] != after[name]).sum()) for name in before)
    return round(changed / sum(w.size for w in before.values()), 2)


WRITTEN_INTO_COPIES = Printed(
    article="A",
    name="written into copies",
    formula="for w in model.get_weights(): w = clip(round(w / 2**(bits-1)), …)",
    verdict="wrong",
    why="get_weights hands out copies, so the model never hears of it: it is exactly as accurate, "
    "and exactly as large, as before.",
    as_printed=written_into_copies,
    right=handed_back,
    what="share of the model's weights changed",
    measure=share_changed_in_the_model,
)


def changed_in_place(params: Params, rounding: Rounding) -> Params:
    """for w in model.parameters(): w[...] = round(w)"""
    for w in params.values():
        w[...] = rounding(w)
    return params


def made_anew(params: Params, rounding: Rounding) -> Params:
    """params -> params: new arrays by the same names, the old ones untouched"""
    return {name: rounding(w) for name, w in params.items()}


def raised_by_leaves(apply: Rule) -> Value:
    """What is raised by parameters that may not be changed in place."""
    params = weights()
    for w in params.values():
        w.flags.writeable = False
    return raised(lambda: apply(params, to_4_bits))


CHANGED_IN_PLACE = Printed(
    article="A",
    name="leaves changed in place",
    formula="for param in model.parameters(): param[...] = round(param / 2**(bits-1))",
    verdict="wrong",
    why="A parameter whose gradient is wanted refuses to be changed in place: torch raises a "
    "RuntimeError, a read-only array a ValueError. A function params -> params asks nothing of "
    "the old ones.",
    as_printed=changed_in_place,
    right=made_anew,
    what="raised by a read-only array; by torch: RuntimeError",
    measure=raised_by_leaves,
)


def variable_rebound(params: Params, rounding: Rounding) -> Params:
    """for name, param in params.items(): param = round(param)"""
    for _name, param in params.items():
        param = rounding(param)
    return params


def share_changed_in_the_dict(apply: Rule) -> Value:
    """The share of numbers that are others in what comes back."""
    return share_changed(weights(), apply(weights(), to_4_bits))


VARIABLE_REBOUND = Printed(
    article="D",
    name="a loop variable rebound",
    formula="for name, param in model.named_parameters(): param = (param * …).byte()",
    verdict="wrong",
    why="An assignment to the loop's variable gives the name `param` to another array; the model "
    "still holds the old one, and keeps its floats.",
    as_printed=variable_rebound,
    right=made_anew,
    what="share of the model's weights changed",
    measure=share_changed_in_the_dict,
)

CALL_TWICE = "model.fit(x, y, batch_size=32, epochs=10, batch_size=64)"
CALL_ONCE = "model.fit(x, y, batch_size=32, epochs=10)"


def argument_twice() -> object:
    """model.fit(…, batch_size=32, …, batch_size=64)"""
    return compile(CALL_TWICE, "printed", "eval")


def argument_once() -> object:
    """model.fit(…, batch_size=32, …)"""
    return compile(CALL_ONCE, "right", "eval")


ARGUMENT_TWICE = Printed(
    article="C",
    name="an argument given twice",
    formula="model.fit(…, batch_size=…, …, batch_size=…)",
    verdict="wrong",
    why="A SyntaxError: nothing of the file is run at all, so no result printed below it came "
    "from it.",
    as_printed=argument_twice,
    right=argument_once,
    what="raised",
    measure=raised,
)


def class_that_is_not_there() -> None:
    """from library import Quantizer"""
    exec("from statistics import Quantizer")


def function_that_is_there() -> None:
    """from minilm import quantize"""
    exec("from minilm import quantize")


CLASS_THAT_IS_NOT_THERE = Printed(
    article="E",
    name="a class that does not exist",
    formula="from library import Quantizer",
    verdict="wrong",
    why="The library named has no such class, so the example was never run: its output is made up. "
    "(Here one of Python's own modules stands for the library.)",
    as_printed=class_that_is_not_there,
    right=function_that_is_there,
    what="raised",
    measure=raised,
)


def chosen_by_the_test_set(validation: Array, test: Array) -> float:
    """validation_data = test data:   choose by it, report it"""
    return float(test.max())


def chosen_by_validation(validation: Array, test: Array) -> float:
    """choose by the validation data, report the test data's"""
    return float(test[validation.argmax()])


def accuracy_of_coins(report: Rule) -> Value:
    """The accuracy reported of the best of 100 coins on 100 examples; the mean of 200 times."""
    rng = np.random.default_rng(0)
    hits = rng.binomial(100, 0.5, (200, 2, 100)) / 100
    return round(float(np.mean([report(*both) for both in hits])), 3)


CHOSEN_BY_THE_TEST_SET = Printed(
    article="C",
    name="the test set as validation data",
    formula="model.fit(…, validation_data=(x_test, y_test)); model.evaluate(x_test, y_test)",
    verdict="wrong",
    why="What is chosen because it is good on the test set looks good on the test set: a leak. "
    "Even the best of many coins does; on data that it was not chosen by, it is a coin again.",
    as_printed=chosen_by_the_test_set,
    right=chosen_by_validation,
    what="accuracy reported of the best of 100 coins",
    measure=accuracy_of_coins,
)

ENTRIES = (
    WRITTEN_INTO_COPIES,
    CHANGED_IN_PLACE,
    VARIABLE_REBOUND,
    ARGUMENT_TWICE,
    CLASS_THAT_IS_NOT_THERE,
    CHOSEN_BY_THE_TEST_SET,
)
