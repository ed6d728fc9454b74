import math

import pytest

from minilm.study.measures import EXACT_MATCH, LOSS
from minilm.study.recipes import allowed, end, lost, on_the_front, recipes_figure


def row(do, file_bytes, loss, score, seconds):
    return {
        "do": do, "file_bytes": file_bytes, "loss": loss, "exact_match": score,
        "total_seconds": seconds,
    }  # fmt: skip


def run(*last, loss=1.0):
    """From a float model with this loss, by way of a quantized one."""
    return [row("float32", 1_600_000, loss, 0.9, 0.0), row("quantize bits=3", 90_000, 1.5, 0.5, 1),
            row("code", *last)]  # fmt: skip


MADE = {
    "small": [run(50_000, 1.1, 0.85, 40), run(52_000, 1.3, 0.83, 44, loss=1.1)],
    "slow": [run(60_000, 1.2, 0.95, 90)],
}


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def beside(figure):
    return [text.get_text() for text in figure.axes[0].get_legend().get_texts()]


def full(figure):
    """The recipes whose last mark is full."""
    named = [line for line in figure.axes[0].lines if not line.get_label().startswith("_")]
    return {line.get_label().split("\n")[0] for line in named
            if line.get_markerfacecolor() == line.get_color()}  # fmt: skip


def test_what_is_lost_is_lost_against_the_float_model_of_the_same_run():
    first, second = MADE["small"]
    assert lost(first) == pytest.approx([0, 0.5, 0.1])
    assert lost(second) == pytest.approx([0, 0.4, 0.2])
    assert lost(first, EXACT_MATCH) == pytest.approx([0, 40, 5])
    assert end(MADE["small"]) == pytest.approx(
        {"file_bytes": 51_000, "lost": 0.15, "total_seconds": 42}
    )


def test_what_may_be_lost():
    assert math.exp(allowed(LOSS)) == pytest.approx(1.01)
    assert allowed(EXACT_MATCH) == 0.5


def test_full_marks_are_those_on_the_front():
    assert on_the_front(MADE) == {"small"}
    assert full(recipes_figure(MADE)) == {"small"}


def test_a_score_is_better_the_higher_it_is():
    assert on_the_front(MADE, EXACT_MATCH) == full(recipes_figure(MADE, EXACT_MATCH)) == set(MADE)


def test_stages_have_names_and_recipes_their_last_bytes():
    figure = recipes_figure(MADE)
    assert figure.axes[0].xaxis_inverted()
    assert sorted(texts(figure)) == ["code", "code", "quantize", "quantize"]
    assert beside(figure) == [
        "small\n51,000 bytes, 31.4 ×, +0.15", "slow\n60,000 bytes, 26.7 ×, +0.20"]
    figure.canvas.draw()


def test_the_limits_are_lines_and_the_control_is_one():
    control = [[row("float32", 1_600_000, 1.0, 0.9, 0), row("tune", 1_600_000, 0.7, 0.9, 60)]]
    figure = recipes_figure(MADE, control=control)
    levels = [line.get_ydata()[0] for line in figure.axes[0].lines if line.get_xdata()[0] == 0]
    assert levels == pytest.approx([0, math.log(1.01), -0.3])
    assert "control\n1,600,000 bytes, −0.30" in beside(figure)
    assert figure.axes[0].get_ylim()[0] < -0.3
    assert not any("control" in text for text in beside(recipes_figure(MADE)))
