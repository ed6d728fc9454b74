from minilm.study.measures import EXACT_MATCH
from minilm.study.recipes import recipes_figure

START = {"file_bytes": 1_600_000, "loss": 1.0, "exact_match": 0.9, "total_seconds": 0.0}
MADE = {
    "small": [START, {"file_bytes": 50_000, "loss": 1.1, "exact_match": 0.85, "total_seconds": 40}],
    "slow": [START, {"file_bytes": 60_000, "loss": 1.2, "exact_match": 0.95, "total_seconds": 90}],
}


def ends(figure):
    """{label: whether its last dot is full}"""
    lines = [line for line in figure.axes[0].lines if not line.get_label().startswith("_")]
    return {
        line.get_label().split(":")[0]: line.get_markerfacecolor() == line.get_color()
        for line in lines
    }


def test_full_dots_are_those_on_the_front():
    figure = recipes_figure(MADE)
    assert ends(figure) == {"small": True, "slow": False}
    assert figure.axes[0].xaxis_inverted()
    figure.canvas.draw()


def test_a_score_is_better_the_higher_it_is():
    assert ends(recipes_figure(MADE, EXACT_MATCH)) == {"small": True, "slow": True}
