"""The benchmarks' tables and figures show what their csv files hold. Nothing is timed here."""

import re
from importlib import import_module
from pathlib import Path

import matplotlib
import numpy as np
import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def load(monkeypatch):
    """A file of benchmarks/ that needs neither torch nor gensim."""
    monkeypatch.syspath_prepend(ROOT)
    return lambda name: import_module(f"benchmarks.{name}")


def result(**changed):
    """A row of results.csv."""
    return {
        "work": "a step", "sizes": "small", "peer": "torch", "amount": "10", "unit": "tokens",
        "threads": "1", "rounds": "5", "minilm_seconds": "0.02", "peer_seconds": "0.025",
        "ratio": "0.8", "first_quartile": "0.75", "third_quartile": "0.9", "at_most": "0.9",
        "flops": "", "product_limit": "", "cores": "2", "python": "3.11", "numpy": "2.4",
        "torch": "2.13", "gensim": "4.4", **changed,
    }  # fmt: skip


def scored(minilm, peer, name="pairs"):
    """Rows of scores.csv, a round for each number."""
    return [
        {"work": "a step", "threads": "1", "round": str(number), "score": name,
         "minilm": str(ours), "peer": str(theirs)}
        for number, (ours, theirs) in enumerate(zip(minilm, peer, strict=True))
    ]  # fmt: skip


def test_the_tables_are_made_of_the_files(load):
    table, records = load("table"), load("records")
    shown = table.README.read_text(encoding="utf-8").split(table.BEGIN)[1].split(table.END)[0]
    assert shown == table.report(records.read(records.RESULTS), records.read(records.SCORES))


def test_the_figures_are_made_of_the_files(load, tmp_path):
    # Another release of matplotlib may draw another way, but it writes the same words and numbers.
    figure, records = load("figure"), load("records")
    with matplotlib.rc_context(figure.RC):
        for path, drawn in (
            (figure.RATIOS_SVG, figure.ratios(records.read(records.RESULTS))),
            (figure.SCALE_SVG, figure.scale(records.read(records.SCALE))),
        ):
            figure.write(drawn, tmp_path / "again.svg")
            again = (tmp_path / "again.svg").read_text(encoding="utf-8")
            assert words(again) == words(path.read_text(encoding="utf-8"))


def words(svg):
    return re.findall(r"<text[^>]*>(.*?)</text>", svg)


def test_a_figure_is_the_same_bytes_every_time(load, tmp_path):
    figure = load("figure")
    with matplotlib.rc_context(figure.RC):
        for name in ("one.svg", "two.svg"):
            figure.write(figure.ratios([result()]), tmp_path / name)
    one, two = ((tmp_path / name).read_bytes() for name in ("one.svg", "two.svg"))
    assert one == two and b"<dc:date>" not in one


def test_dots_bars_and_aims_stand_where_the_rows_say(load):
    rows = [result(), result(threads="2", ratio="1.2", third_quartile="1.3", at_most="")]
    (axes,) = load("figure").ratios(rows).axes
    lines = [tuple(map(float, line.get_xdata())) for line in axes.lines]
    assert [x for x in lines if x] == [
        (0.75, 0.9), (0.8,), (0.9,), (0.75, 1.3), (1.2,), (1.0, 1.0),
    ]  # fmt: skip
    assert [text.get_text() for text in axes.texts] == ["0.80", "1.20"]


def test_curves_and_guides_of_a_growing_size(load):
    rows = [
        {"model": "Transformer", "varied": "batch_size", "value": value, "library": library,
         "seconds": seconds, "bytes": memory}
        for value, library, seconds, memory in (
            ("2", "minilm", "0.1", "3e6"), ("2", "torch", "0.2", ""),
            ("8", "minilm", "0.2", "8e6"), ("8", "torch", "0.4", ""),
        )
    ]  # fmt: skip
    top, bottom = load("figure").scale(rows).axes
    assert [[tuple(p) for p in line.get_xydata()] for line in top.lines] == [
        [(2, 100), (8, 200)],
        [(4, 100), (8, 200)],  # ∝ B, no lower than the lowest point
        [(2, 200), (8, 400)],
    ]
    memory = [line.get_ydata().tolist() for line in bottom.lines]
    assert memory == [[3, 8], [3, 8], []]  # what was not measured is not drawn


def test_an_aim_is_met_at_equality_and_missed_above(load):
    table = load("table")
    rows = [result(ratio="0.9"), result(ratio="0.91"), result(ratio="5", at_most="")]
    shown = [line.split(" | ")[-2:] for line in table.report(rows, []).splitlines()[2:5]]
    assert shown == [["0.90", "yes |"], ["0.90", "no |"], ["none", " |"]]
    verdict = table.verdict(rows, [])
    assert verdict.endswith("1 of 2 aims are met. Not met: a step (0.91 where 0.90 is the aim).\n")


def test_quicker_but_worse_does_not_meet_an_aim(load):
    table = load("table")
    theirs = [0.1, 0.2, 0.3]  # 0.2 ± 0.1
    just = scored([0.05, 0.1, 0.15001], theirs)
    worse = scored([0.05, 0.1, 0.14], theirs, "more pairs")
    assert table.is_met(result(), just)
    assert not table.is_met(result(), just + worse)
    assert table.is_met(result(threads="2"), just + worse)  # its own scores count, no others
    verdict = table.verdict([result()], just + worse)
    assert verdict.endswith("Not met: a step (0.80, but what it makes is not as good).\n")
    lines = table.report([result()], just + worse).splitlines()
    assert "| a step | pairs | 3 | 0.100 ± 0.050 | 0.200 ± 0.100 | yes |" in lines
    assert "| a step | more pairs | 3 | 0.097 ± 0.045 | 0.200 ± 0.100 | no |" in lines


def test_distance_from_the_limit(load):
    row = result(flops="2e9", product_limit="2e11")
    line = load("table").report([row], []).splitlines()[-3]
    assert line == "| a step | 1 | 2.0 GFLOP | 200 GFLOP/s | 100 GFLOP/s (50%) | 80 GFLOP/s (40%) |"


def test_the_median_ratio_is_taken_over_rounds(load):
    # the machine is ten times slower in the last round, for both
    seconds = np.array([[1.0, 2.0], [3.0, 4.0], [10.0, 10.0]])
    assert load("timing").summary(seconds) == pytest.approx({
        "minilm_seconds": 3.0, "peer_seconds": 4.0,
        "ratio": 0.75, "first_quartile": 0.625, "third_quartile": 0.875,
    })  # fmt: skip


def test_the_profile_on_the_page_is_that_of_the_file(load):
    profile, records = load("profile"), load("records")
    page = profile.README.read_text(encoding="utf-8")
    shown = page.split(profile.BEGIN)[1].split(profile.END)[0]
    assert shown == profile.table(records.read(profile.PROFILE))


def test_what_is_called_counts_in_the_file_that_calls_it(load):
    profile = load("profile")
    linear, block = ((str(profile.PACKAGE / file), 1, "f") for file in ("nn/a.py", "models/b.py"))
    product, of_product = ("~", 0, "<matmul>"), ("/lib/numpy/x.py", 9, "g")
    wrapper = ("/lib/functools.py", 2, "h")
    stats = {  # calls twice, own time, time with callees, callers
        block: (1, 1, 1.0, 10.0, {}),
        linear: (4, 4, 2.0, 9.0, {block: (4, 4, 2.0, 9.0)}),  # a file of its own, not its caller's
        product: (5, 5, 6.0, 7.0, {linear: (4, 4, 5.0, 6.0), block: (1, 1, 1.0, 1.0)}),
        of_product: (1, 1, 1.0, 1.0, {product: (1, 1, 1.0, 1.0)}),  # goes where the product goes
        wrapper: (1, 1, 0.0, 9.0, {block: (1, 1, 0.0, 9.0)}),  # calls linear back: own time only
    }
    shares = profile.shares_by_file(stats)
    assert shares == pytest.approx({"nn/a.py": 0.8, "models/b.py": 0.2})


def test_small_shares_are_added_up(load):
    rows = [{"work": "a step", "file": file, "share": share}
            for file, share in (("a.py", "0.9"), ("b.py", "0.03"), ("c.py", "0.025"))]  # fmt: skip
    assert load("profile").table(rows).endswith("| a step | a.py 90%, b.py 3% | 2% |\n")


def test_only_what_stands_between_the_marks_is_replaced(load, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("before\n<a>\nold\n<b>\nafter\n", encoding="utf-8")
    load("records").replace_between(page, "<a>\n", "<b>\n", "new – ∝\n")
    assert page.read_text(encoding="utf-8") == "before\n<a>\nnew – ∝\n<b>\nafter\n"


@pytest.mark.oracle
def test_equal_settings_give_equal_rows(load):
    scale, asked = load("scale"), []

    def measure(model, sizes):
        asked.append((model, *sizes.values()))
        return {library: {"seconds": str(len(asked)), "bytes": ""} for library in ("a", "b")}

    rows = scale.curves(measure)
    assert len(rows) == 2 * sum(len(values) for _, _, values in scale.CURVES)
    assert len(set(asked)) == len(asked)  # nothing is measured twice
    by_settings = {}
    for row in rows:
        sizes = {**scale.BASE[row["model"]], row["varied"]: int(row["value"])}
        settings = row["model"], row["library"], *sizes.values()
        assert by_settings.setdefault(settings, row["seconds"]) == row["seconds"]


@pytest.mark.oracle
@pytest.mark.slow
def test_a_point_of_a_curve_is_measured_for_both_libraries(load, monkeypatch):
    scale = load("scale")
    monkeypatch.setattr(scale, "ROUNDS", 2)
    monkeypatch.setattr(scale, "SECONDS", 0)
    sizes = {**scale.BASE["LSTM"], "vocab_size": 8, "width": 8, "length": 4}
    rows = scale.point("LSTM", sizes)
    assert list(rows) == ["minilm", "torch"]
    assert all(0 < float(row["seconds"]) < 10 for row in rows.values())


def test_calls_take_turns_and_are_looked_at(load):
    calls, looked = [], []

    def call(name):
        return lambda: calls.append(name) or name + str(len(calls))

    seconds = load("timing").interleave(call("A"), call("B"), 2, lambda *at: looked.append(at))
    assert "".join(calls) == "AB" * 3  # the first of each is not counted
    assert looked == [(0, "A3"), (1, "B4"), (0, "A5"), (1, "B6")]
    assert seconds.shape == (2, 2) and (seconds >= 0).all()


@pytest.mark.oracle
def test_every_subject_can_be_made(load):
    program, timing = load("__main__"), load("timing")
    for subject in program.SUBJECTS:
        found = program.comparisons(subject)
        assert all(isinstance(comparison, timing.Comparison) for comparison in found)
        threads = {comparison.threads for comparison in found}
        assert threads == ({1} if subject in program.ONE_THREAD else {1, 2})


@pytest.mark.oracle
def test_operations_counted_by_hand(load):
    # D = 2, T = 3, V = 5, one layer, one window: qkv 12, out 4, up and down 32; scores and values
    # 2·3·2 for each token; head 10; multiply-adds, so twice; forward and two products back
    sizes = {"vocab_size": 5, "width": 2, "layers": 1, "heads": 1, "context": 3, "batch_size": 1}
    assert load("gpt").flops(**sizes) == 3 * 2 * 3 * (12 + 4 + 32 + 12 + 10)
    # E = 2, H = 3: four gates of (2 + 3)·3, above them four of (3 + 3)·3; head 3·5
    sizes = {"vocab_size": 5, "embedding_width": 2, "width": 3, "layers": 2,
             "batch_size": 1, "length": 7}  # fmt: skip
    assert load("lstm").flops(**sizes) == 3 * 2 * 7 * (60 + 72 + 15)
