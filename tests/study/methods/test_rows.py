"""Every method once, on tiny models: it is made, measured, and says what it is."""

import ast
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import minilm
from minilm.compression.quantization.methods import METHODS
from minilm.study.cells import Cell, plan, run_cell
from minilm.study.methods import bench as benches
from minilm.study.methods.bench import Bench, bench_of
from minilm.study.methods.cell import method_row, numbers, relative_time
from minilm.study.methods.comparisons import QUANTIZATION
from minilm.study.methods.table import COMPARED, TRIED
from minilm.study.methods.trained import FURTHER, TRAINED
from minilm.study.methods.whole import WHOLE, whole_bits
from minilm.study.settings import LanguageModelRecipe, Settings, methods_study
from minilm.study.subjects import new_subject
from minilm.text import GRAMMAR
from minilm.weights import Weight, nbytes

TEXT = GRAMMAR.sample(150, seed=3)
TRAINING = {"steps": 3, "batch_size": 4, "context": 32, "learning_rate": 1e-2, "tuning_steps": 4}
SETTINGS = Settings(methods="quantization", language_models={
    "Transformer": LanguageModelRecipe(
        {"model": "TransformerLanguageModel", "width": 32, "layers": 1, "heads": 2, "context": 32},
        **TRAINING,
    ),
    "LSTM": LanguageModelRecipe({"model": "LSTMLanguageModel", "width": 32}, **TRAINING),
})  # fmt: skip


def trained(model, folder):
    subject = new_subject(SETTINGS, model, TEXT, folder / f"{model}.npz", seed=0)
    subject.train()
    return Bench(subject, windows=8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def transformer(folder):
    return trained("Transformer", folder)


@pytest.fixture(scope="module")
def lstm(folder):
    return trained("LSTM", folder)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr("minilm.study.methods.cell.TIMES", 1)
    monkeypatch.setattr("minilm.study.methods.cell.TIMED_TOKENS", 64)


def check(row, bench):
    assert np.isfinite(row["loss"])
    assert 0 < row["bits_per_weight"] <= 40
    assert row["file_bytes"] > 0 and row["inference_time"] > 0 and row["make_seconds"] >= 0


@pytest.mark.parametrize("name", [*TRAINED, *WHOLE])
def test_a_method_that_trains_or_is_of_the_whole_model_has_its_row(name, transformer):
    row = method_row(transformer, name, TRIED[name].amounts[-1])
    assert (row["method"], row["bits"]) == (name, TRIED[name].amounts[-1])
    if "loss" in row:
        check(row, transformer)
    else:
        assert name == "rotation of the stream" and "LayerNorm" in row["note"]


@pytest.mark.slow
@pytest.mark.parametrize("model", ["transformer", "lstm"])
@pytest.mark.parametrize("name", TRIED)
def test_every_method_at_all_its_widths_on_both_models(name, model, request):
    bench = request.getfixturevalue(model)
    for bits in TRIED[name].amounts:
        row = method_row(bench, name, bits)
        check(row, bench) if "loss" in row else row["note"]


@pytest.mark.parametrize("name", ["GPTQ", "entropy-coded", "AWQ", "rotation, then trellis"])
def test_a_row_of_the_table_is_rounded_after_training(name, lstm):
    row = method_row(lstm, name, 2)
    check(row, lstm)
    assert row["kind"] == "post-training"
    assert row["sqnr_db"] < 20


@pytest.mark.parametrize("name", [
    "SmoothQuant, folded", "equalization", "rotation of the stream", "key–value cache",
    "key–value cache, KIVI",
])  # fmt: skip
def test_what_has_no_place_in_an_lstm_is_refused_with_the_reason(name, lstm):
    row = method_row(lstm, name, 8)
    assert "loss" not in row
    assert len(row["note"]) > 40


def test_other_errors_are_not_taken_for_refusals(lstm):
    def broken(bench, bits):
        raise ValueError("a mistake")

    tried = dict(TRIED)
    tried["GPTQ"] = TRIED["GPTQ"].__class__("post-training", broken, (2,))
    with pytest.raises(ValueError, match="a mistake"):
        method_row(lstm, "GPTQ", 2, replace(QUANTIZATION, tried=tried))


def test_bits_and_bytes_are_of_all_that_is_kept(lstm):
    made = TRIED["in groups"].make(lstm, 4)
    row = method_row(lstm, "in groups", 4)
    assert row["memory_bytes"] == nbytes(made.params)
    assert row["bits_per_weight"] == pytest.approx(
        8 * nbytes(made.params) / sum(w.size for w in lstm.params.values()), abs=1e-4
    )
    assert numbers(lstm.params) == sum(w.size for w in lstm.params.values())
    # an ideal coder counts its codes, memory holds them packed
    coded = method_row(lstm, "codebook, coded", 4)
    assert coded["bits_per_weight"] < 0.97 * 8 * coded["memory_bytes"] / numbers(lstm.params)
    # a file of blocks is counted, not the floats that it is run with
    blocks = method_row(lstm, "gguf Q4_0", 4)
    assert blocks["bits_per_weight"] < 8 and blocks["memory_bytes"] < nbytes(lstm.params) / 3


def test_the_control_rounds_nothing_and_trains_as_long(transformer):
    made = TRIED[FURTHER].make(transformer, 32)
    assert not any(isinstance(w, Weight) for w in made.params.values())
    assert any((made.params[n] != w).any() for n, w in transformer.params.items())
    lengths = []
    fit = transformer.subject.fit

    class Counting:
        def __getattr__(self, name):
            return getattr(transformer.subject, name)

        def fit(self, params, steps, **how):
            lengths.append(steps)
            return fit(params, steps, **how)

    for name in (FURTHER, "straight-through", "in portions, least error first"):
        lengths.clear()
        bench = Bench(Counting(), windows=8)
        TRIED[name].make(bench, TRIED[name].amounts[-1])
        assert sum(lengths) == 4


def test_from_scratch_begins_with_the_fresh_parameters(transformer):
    begun = []

    class Watching:
        def __getattr__(self, name):
            return getattr(transformer.subject, name)

        def fit(self, params, steps, **how):
            begun.append(params)
            return params, []

    TRIED["binary, from scratch"].make(Bench(Watching(), windows=8), 1)
    fresh = transformer.model.init(0)
    for name, w in begun[0].items():
        np.testing.assert_array_equal(w, fresh[name])
    TRIED["straight-through"].make(Bench(Watching(), windows=8), 2)
    assert begun[1] is not transformer.params
    np.testing.assert_array_equal(begun[1]["token_embedding"],
                                  transformer.params["token_embedding"])  # fmt: skip


def test_calibration_reads_training_text_that_validation_does_not_repeat(lstm):
    subject = lstm.subject
    train, scored = (
        "".join(map(chr, part)) for part in (subject.tokens.train, subject.tokens.validation)
    )
    rows = [row for inputs, _ in lstm.batches for row in inputs]
    assert len(rows) == 8
    for row in rows:
        window = "".join(map(chr, row))
        assert window in train and window not in scored


def test_a_text_that_validation_repeats_whole_is_refused(folder):
    subject = new_subject(SETTINGS, "LSTM", "one two three. " * 300, folder / "x.npz", seed=0)
    with pytest.raises(ValueError, match="every window of its training text"):
        _ = Bench(subject).batches


def test_a_bench_is_opened_once_for_a_model_and_anew_for_another(lstm, transformer):
    first = bench_of(lstm.subject)
    assert bench_of(lstm.subject) is first
    assert bench_of(transformer.subject) is not first
    assert len(benches.LAST) == 1


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_bits_that_are_shared_out_cost_no_more_than_one_width_for_all(bits):
    weights = {"a": np.zeros((10, 100)), "b": np.zeros((10, 10)), "c": np.zeros((10, 30))}
    sizes = np.array([1000, 100, 300])
    chosen = whole_bits(np.array([0.01, 1.0, 0.2]), weights, bits)
    assert chosen[0] < chosen[2] < chosen[1]  # more where more is at stake
    assert (bits - 0.8) * 1400 < chosen @ sizes <= bits * 1400
    np.testing.assert_array_equal(whole_bits(np.ones(3), weights, bits), bits)
    # ideally 1.6 and 3 bits: rounded, that would be more than 2 for all
    two = {"a": np.zeros((10, 100)), "b": np.zeros((10, 40))}
    chosen = whole_bits(np.array([1, 4**1.4]), two, 2)
    assert 1800 < chosen @ np.array([1000, 400]) <= 2800


def test_time_is_relative_to_the_float_model(lstm, monkeypatch):
    clock = iter(np.cumsum([0, 2.0, 0, 6.0]).tolist())
    monkeypatch.setattr("minilm.study.methods.cell.time.process_time", lambda: next(clock))
    assert relative_time(lstm, lstm.model, lstm.params) == 3


def test_names_are_of_one_table_each_and_every_row_says_where_it_is_from():
    assert len(TRIED) == len(METHODS) + len(TRAINED) + len(WHOLE)
    assert all(row.source and row.does for row in [*TRAINED.values(), *WHOLE.values()])
    for name, method in METHODS.items():
        compared = [bits for bits in COMPARED if bits in method.bits]
        assert list(TRIED[name].amounts) == (compared or list(method.bits))


def test_nothing_asks_for_a_methods_name():
    names = set(TRIED) - {"entropy", "percentile", "trellis", "fp16", "bf16"}  # rows elsewhere too
    for file in Path(minilm.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Compare):
                asked = {c.value for c in ast.walk(node) if isinstance(c, ast.Constant)}
                assert not {a for a in asked if isinstance(a, str)} & names, (file, node.lineno)


def test_a_plan_has_every_method_of_each_model_and_seed_once():
    settings = methods_study()
    planned = plan(settings)
    assert settings.seeds == (0, 1, 2) and settings.models == ["Transformer", "LSTM"]
    assert len({cell.name for cell in planned}) == len(planned)
    wanted = {(name, bits) for name, tried in TRIED.items() for bits in tried.amounts}
    for model in settings.models:
        own = [c for c in planned if (c.model, c.seed) == (model, 1)]
        assert own[0].action == "train"
        assert {(c.method, c.amount) for c in own[1:]} == wanted


def test_a_cell_of_a_study_is_a_row(lstm, folder, tmp_path):
    (tmp_path / "corpus.txt").write_text(TEXT, encoding="utf-8")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "LSTM-0.npz").write_bytes((folder / "LSTM.npz").read_bytes())
    row = run_cell(SETTINGS, tmp_path, Cell("method", "LSTM", 0, "in groups", 4))
    assert (row["model"], row["seed"], row["method"], row["bits"]) == ("LSTM", 0, "in groups", 4)
    assert row["loss"] == pytest.approx(method_row(lstm, "in groups", 4)["loss"])
