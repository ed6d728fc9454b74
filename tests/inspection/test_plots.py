import warnings

import matplotlib
import numpy as np
import pytest
from matplotlib.font_manager import fontManager

from minilm.compression import quantize
from minilm.inspection import (
    activation_change,
    activation_statistics,
    attention_maps,
    gradient_norms,
    head_change,
    labels,
    plots,
)
from minilm.inspection.labels import FONTS, drawable, installed, spelled
from minilm.training import cross_entropy_loss


def drawn(figure):
    """Laid out as for a file; a character that no font has would warn."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure.draw_without_rendering()
    return figure


def texts(ticks):
    return [tick.get_text() for tick in ticks]


def test_a_map_for_each_head_with_its_tokens(transformer):
    model, params, (ids,) = transformer
    weights = attention_maps(model, params, ids)["block.1.attention"][0]
    tokens = ["the", " cost", "$x_{$", "中", "\n", "\ufffe"]
    figure = drawn(plots.attention_figure(weights, tokens, tokens, "$ as it is"))
    *panels, bar = figure.axes
    assert [panel.get_title() for panel in panels] == ["head 0", "head 1"]
    for panel, head in zip(panels, weights, strict=True):
        np.testing.assert_array_equal(panel.images[0].get_array(), head)
    assert texts(panels[0].get_yticklabels()) == drawable(tokens)[1][0]
    assert bar.get_ylabel()
    with pytest.raises(ValueError, match=r"\(H, 6, 5\)"):
        plots.attention_figure(weights, tokens, tokens[:5])


def test_as_many_panels_as_heads():
    weights = np.full((3, 4, 20), 1 / 20)
    figure = drawn(plots.attention_figure(weights, ["a"] * 4, ["b"] * 20))
    *panels, _ = figure.axes
    assert [panel.axison for panel in panels] == [True, True, True, False]
    assert [panel.get_title() for panel in panels] == ["head 0", "head 1", "head 2", ""]
    assert figure.get_size_inches()[0] < 12


def test_labels_are_drawn_or_named_never_boxes():
    bare = [FONTS[0]]  # comes with matplotlib, and has no Chinese characters
    assert spelled("中", bare) == "U+4E2D"
    assert spelled(" a\té∂\n\x00\xad", bare) == "␣a\\té∂\\nU+0000U+00AD"  # \xad: not seen
    fonts, (first, second) = drawable(["a b"], ["c"])
    assert (first, second) == (["a␣b"], ["c"])
    assert fonts == installed() and fonts[0] == FONTS[0]
    assert set(fonts) <= {font.name for font in fontManager.ttflist}


def test_a_font_that_has_the_character_is_used(monkeypatch):
    has = {"Latin": frozenset(map(ord, "ab")), "Chinese": frozenset(map(ord, "中"))}
    monkeypatch.setattr(labels, "characters", has.get)
    assert spelled("a中国", ["Latin", "Chinese"]) == "a中U+56FD"
    assert spelled("a中", ["Latin"]) == "aU+4E2D"


def test_statistics_by_weight(lstm):
    model, params, inputs = lstm
    shown = {
        "float32": activation_statistics(model, params, *inputs),
        "4 bits": activation_statistics(model, quantize(params, bits=4), *inputs),
    }
    figure = drawn(plots.statistics_figure(shown))
    assert texts(figure.axes[0].get_yticklabels()) == list(shown["float32"])
    for panel, field in zip(figure.axes, plots.PANELS, strict=True):
        assert panel.get_xlabel()
        for line, by_name in zip(panel.lines, shown.values(), strict=True):
            expected = [s[field] for s in by_name.values()]
            finite = np.isfinite(expected)
            np.testing.assert_array_equal(line.get_xdata()[finite], np.array(expected)[finite])


def test_changes_by_bits(transformer):
    model, params, (ids,) = transformer
    packed = {f"{bits} bits": quantize(params, bits=bits) for bits in (8, 2)}
    errors = {
        column: {n: c["error"] for n, c in activation_change(model, params, p, ids).items()}
        for column, p in packed.items()
    }
    figure = drawn(plots.change_figure(errors, "‖x′ − x‖ / ‖x‖"))
    table, bar = figure.axes
    assert texts(table.get_xticklabels()) == ["8 bits", "2 bits"]
    assert texts(table.get_yticklabels()) == list(errors["2 bits"])
    expected = np.array([list(by_name.values()) for by_name in errors.values()]).T
    np.testing.assert_array_equal(table.images[0].get_array(), expected)
    assert texts(table.texts) == [f"{value:.2g}" for value in expected.ravel()]
    assert bar.get_ylabel() == "‖x′ − x‖ / ‖x‖"

    maps = attention_maps(model, params, ids)
    heads = plots.by_head(head_change(maps, maps))
    assert heads == {
        f"block.{layer}.attention, head {head}": 0.0 for layer in (0, 1) for head in (0, 1)
    }
    drawn(plots.change_figure({"as it was": heads}, "share moved"))  # all 0


def test_gradients_by_parameter_and_by_lag(transformer):
    model, params, (ids,) = transformer
    norms = gradient_norms(model, params, (ids, ids), cross_entropy_loss)
    figure = drawn(plots.gradient_figure({"float32": norms}))
    left, right = figure.axes
    assert texts(left.get_yticklabels()) == list(params)
    np.testing.assert_array_equal(left.lines[0].get_xdata(), [n["norm"] for n in norms.values()])
    assert np.isnan(right.lines[0].get_xdata()).any()  # new biases are 0: no ratio to draw
    lags = drawn(plots.lag_figure({"float32": np.array([1, 0.1]), "2 bits": np.array([2, 0.3])}))
    assert lags.axes[0].lines[1].get_xydata().tolist() == [[1, 2], [2, 0.3]]


def test_drawing_leaves_matplotlib_as_it_was():
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # whatever was drawn before
        before = dict(matplotlib.rcParams)
        drawn(plots.attention_figure(np.ones((1, 1, 1)), ["a"], ["b"]))
        drawn(plots.change_figure({"4 bits": {"w": 0.1}}, "change"))
        assert dict(matplotlib.rcParams) == before
