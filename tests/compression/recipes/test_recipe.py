"""Recipes from end to end, on tiny models of every kind."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minilm.compression import quantize
from minilm.compression.recipes import Recipe, stage
from minilm.compression.recipes import recipe as recipes
from minilm.compression.recipes.stages import shrink, tune
from minilm.compression.recipes.state import State, gathered, kept_alone, spread
from minilm.models import (
    LSTMLanguageModel,
    Seq2SeqLSTM,
    Seq2SeqTransformer,
    TransformerClassifier,
    TransformerLanguageModel,
    build,
)
from minilm.study.settings import default
from minilm.study.subjects import new_subject, saved_subject
from minilm.text import GRAMMAR
from minilm.training import cross_entropy_loss, fit
from minilm.weights import (
    QuantizedTensor,
    SparseTensor,
    as_dense,
    flatten,
    load,
    read_header,
    save,
    thaw,
)

RECIPES = Path(__file__).parents[3] / "data" / "recipes"
rng = np.random.default_rng(0)
IDS = rng.integers(0, 11, size=(3, 7))
LANGUAGE = (IDS[:, :-1], IDS[:, 1:])
PAIRS = (IDS[:, :5] % 10 + 1, *rng.integers(1, 11, size=(2, 3, 5)))
LABELLED = (IDS, np.array([2, 0, 1]))
SMALL = {"vocab_size": 11, "width": 16, "layers": 1, "heads": 2, "context": 8}
CASES = {
    "Transformer": (TransformerLanguageModel(**SMALL), LANGUAGE),
    "LSTM": (LSTMLanguageModel(11, width=16, embedding_width=8), LANGUAGE),
    "encoder–decoder": (Seq2SeqTransformer(**SMALL), PAIRS),
    "LSTM encoder–decoder": (Seq2SeqLSTM(11, width=16, layers=1), PAIRS),
    "classifier": (TransformerClassifier(**SMALL, classes=3), LABELLED),
}
DEEP = (
    stage("prune", sparsity=0.5),
    stage("tune", steps=2),
    stage("quantize", bits=3, train="levels"),
    stage("tune", steps=2),
    stage("code", vectors="bf16"),
)
BEYOND = (
    stage("tune", steps=2),
    stage("distil", width=8, steps=2),
    stage("low_rank", share=0.9),
    stage("prune", sparsity=0.5, steps=2),
    stage("quantize", bits=[2, 4], mean_bits=12.0, train="steps", grid="mid_rise"),
    stage("tune", steps=2, alpha=0.5, temperature=2.0),
    stage("code", coder="huffman"),
)


@dataclass(frozen=True)
class Toy:
    """A bench of one batch. fitted: the parameters after each training; runs: the keywords."""

    model: Any
    batch: Any
    seed: int = 0
    fitted: list[Any] = field(default_factory=list)
    runs: list[Any] = field(default_factory=list)

    def trained(self):
        return self.model.init(0)

    def batches(self):
        return lambda step: self.batch

    def sized(self, **fields):
        return replace(self, model=build({**self.model.config(), **fields}))

    def fit(self, params, steps, *, learning_rate=None, **how):
        params, history = fit(self.model, params, self.batches(), steps=steps, **how)
        self.fitted.append(params)
        self.runs.append({"learning_rate": learning_rate, **how})
        return params, history

    def judge(self, params, reference):
        total, _, count = cross_entropy_loss(self.model, thaw(params), self.batch, None)
        return {"loss": total / count}

    def keep(self, params, path):
        save(path, params, header={"model": self.model.config()})


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("stages", [DEEP, BEYOND], ids=["deep", "beyond"])
def test_all_stages_run_on_every_model_and_the_file_is_what_was_measured(name, stages, tmp_path):
    bench, reported = Toy(*CASES[name]), []
    rows, last, params = Recipe(*stages).run(bench, tmp_path / "out", report=reported.append)
    assert rows == reported
    assert [row["do"] for row in rows] == ["float32", *map(str, stages)]
    assert [row["stage"] for row in rows] == list(range(len(stages) + 1))
    assert rows[-1]["file_bytes"] == (tmp_path / "out").stat().st_size
    assert rows[-1]["smaller"] == rows[0]["file_bytes"] / rows[-1]["file_bytes"] > 1
    numbers = sum(np.prod(w.shape) for w in params.values())
    assert rows[0]["bits_per_weight"] == 32
    assert rows[-2]["bits_per_weight"] == 8 * rows[-2]["memory_bytes"] / numbers
    assert rows[-1]["bits_per_weight"] == 8 * rows[-1]["file_bytes"] / numbers
    assert rows[-1]["total_seconds"] == pytest.approx(sum(row["seconds"] for row in rows))
    read = load(tmp_path / "out")
    assert flatten(read)[1] == flatten(params)[1]
    for ours, theirs in zip(flatten(params)[0].values(), flatten(read)[0].values(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    for w in read.values():
        if w.ndim == 1 and stages is DEEP:
            assert not (w.view(np.uint32) & 0xFFFF).any()  # bf16
    assert last.judge(read, None)["loss"] == rows[-1]["loss"]
    assert read_header(tmp_path / "out") == {"model": last.model.config()}


@pytest.mark.parametrize("score", ["magnitude", "random", "wanda", "taylor"])
def test_what_is_pruned_stays_zero_and_only_the_rest_is_trained(score):
    bench = Toy(*CASES["Transformer"])
    prune = stage("prune", sparsity=0.5, score=score)
    more = stage("prune", sparsity=0.75, score=score, seed=1)
    tune = stage("tune", steps=3)
    _, _, first = Recipe(prune).run(bench)
    _, _, tuned = Recipe(prune, tune).run(bench)
    _, _, twice = Recipe(prune, tune, more, tune, stage("quantize", bits=4), tune).run(bench)
    for name, w in first.items():
        if w.ndim < 2:
            continue
        assert isinstance(w, SparseTensor) and w.sparsity == pytest.approx(0.5, abs=0.01)
        np.testing.assert_array_equal(tuned[name].kept, w.kept)
        assert (tuned[name].dense()[w.kept] != w.dense()[w.kept]).all()
        assert isinstance(twice[name], SparseTensor) and twice[name].sparsity > 0.74
        assert not (twice[name].kept & ~w.kept).any()  # within what was kept before
        assert not twice[name].dense()[~w.kept].any()


def test_gradual_pruning_prunes_more_and_more_of_factors_too():
    bench = Toy(*CASES["Transformer"])
    prune = stage("prune", sparsity=0.5, steps=6)
    _, _, params = Recipe(stage("low_rank", share=0.9), prune).run(bench)
    assert params["block.0.feed_forward.w_up"].a.sparsity == pytest.approx(0.5, abs=0.02)
    view = bench.runs[0]["view"]
    start = bench.fitted[0]
    seen = [view(start, step)[0]["token_embedding"].a for step in (0, 3, 6)]
    zeros = [np.mean(factor == 0) for factor in seen]
    assert zeros[0] == 0 < zeros[1] < zeros[2]


def test_gradual_pruning_of_what_is_pruned_counts_all_zeros():
    bench = Toy(*CASES["Transformer"])
    again = stage("prune", sparsity=0.75, steps=6)
    _, _, params = Recipe(stage("prune", sparsity=0.5), again).run(bench)
    w = bench.runs[0]["view"](bench.fitted[0], 6)[0]["block.0.feed_forward.w_up"]
    assert np.mean(w == 0) == params["block.0.feed_forward.w_up"].sparsity == 0.75


QUANTIZED = {
    "straight-through": stage("quantize", bits=3),
    "asymmetric": stage("quantize", bits=2, symmetric=False),
    "steps": stage("quantize", bits=2, train="steps", grid="mid_rise"),
    "levels": stage("quantize", bits=3, train="levels"),
    "halves": stage("quantize", bits=16, grid="fp16"),
}
BEFORE = {
    "whole": [],
    "pruned": [stage("prune", sparsity=0.5)],
    "factors": [stage("low_rank", share=0.9)],
    "pruned factors": [stage("low_rank", share=0.9), stage("prune", sparsity=0.5)],
}


@pytest.mark.parametrize("quantized", QUANTIZED)
@pytest.mark.parametrize("before", BEFORE)
def test_the_model_is_packed_as_training_saw_it(quantized, before):
    bench = Toy(*CASES["Transformer"])
    tune = stage("tune", steps=3)
    _, _, params = Recipe(*BEFORE[before], QUANTIZED[quantized], tune).run(bench)
    seen, _ = bench.runs[-1]["view"](bench.fitted[-1], 3)
    assert seen.keys() == params.keys()
    for name, w in params.items():
        np.testing.assert_allclose(as_dense(w), as_dense(seen[name]), rtol=1e-5, atol=1e-7)
    if "pruned" in before:  # nothing is spent on the zeros
        sparse = params["block.0.feed_forward.w_up"]
        sparse = sparse.a if "factors" in before else sparse
        assert sparse.values.size < 0.51 * sparse.size


def test_groups_of_a_pruned_weight_are_of_its_kept_numbers():
    bench = Toy(*CASES["Transformer"])
    groups = stage("quantize", bits=3, axis="tensor", group_size=8)
    _, _, params = Recipe(stage("prune", sparsity=0.5), groups).run(bench)
    assert params["token_embedding"].values.scales.shape == (1, 11 * 16 // 2 // 8)


def test_training_before_quantization_and_after_it_lowers_the_loss_at_that_stage():
    bench = Toy(*CASES["LSTM"])
    rows, *_ = Recipe(
        stage("quantize", bits=2, train="steps", grid="mid_rise"), stage("tune", steps=30)
    ).run(bench)
    assert rows[2]["loss"] < rows[1]["loss"] - 0.1
    assert rows[2]["file_bytes"] == pytest.approx(rows[1]["file_bytes"], rel=0.01)


def test_the_teacher_is_the_large_float_model_as_it_was_last():
    bench, taught = Toy(*CASES["Transformer"]), []
    tune = stage("tune", steps=2, alpha=0.5)

    def loss(*arguments):
        return cross_entropy_loss(*arguments)

    def remembered(model, params, **how):
        taught.append((model, params))
        return loss

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("minilm.compression.recipes.stages.taught_by", remembered)
        for small in ("distil", "prune", "low_rank", "quantize"):
            options = {"distil": {"width": 8, "steps": 2}, "prune": {"sparsity": 0.5},
                       "low_rank": {"share": 0.9}, "quantize": {"bits": 4}}[small]
            rest = [] if small == "quantize" else [stage("quantize", bits=4)]
            bench.fitted.clear()
            taught.clear()
            Recipe(stage("tune", steps=2), stage(small, **options), tune, *rest, tune).run(bench)
            real = taught[len(taught) // 2 :]  # before them, the rehearsal's
            assert len(real) in (2, 3)
            for model, params in real:
                assert model == bench.model and params is bench.fitted[0]
            assert [run["loss"] for run in bench.runs[-len(real) :]] == [loss] * len(real)


def test_what_is_drawn_is_of_the_bench_s_seed_unless_a_stage_has_its_own():
    stages = {"distil": {"width": 8, "steps": 2}, "prune": {"sparsity": 0.5, "score": "random"}}
    for do, options in stages.items():

        def first(whose, do=do, **options):
            bench = replace(Toy(*CASES["Transformer"]), seed=whose)
            return as_dense(Recipe(stage(do, **options)).run(bench).params["token_embedding"])

        ours = first(1, **options)
        np.testing.assert_array_equal(ours, first(0, seed=1, **options))
        assert (ours != first(0, **options)).any() and (ours != first(1, seed=0, **options)).any()


def test_what_is_shrunk_does_not_become_the_teacher():
    bench = Toy(*CASES["Transformer"])
    large = bench.model, bench.trained()
    state = tune(shrink(State(bench, large[1], teacher=large), share=0.5), steps=1)
    assert state.teacher is large


def test_kept_numbers_keep_their_precision():
    mask = np.array([[True, False], [True, True]])
    seen, _ = spread({"w": mask})({"w": np.array([[0.1], [0.2], [0.3]])}, 0)
    assert seen["w"].tolist() == [[0.1, 0], [0.2, 0.3]]  # float64


def test_each_training_has_the_learning_rate_of_its_stage():
    bench = Toy(*CASES["classifier"])
    rates = [0.1, 0.2, 0.3, None]
    stages = (
        stage("distil", width=8, steps=1, learning_rate=rates[0]),
        stage("prune", sparsity=0.5, steps=1, learning_rate=rates[1]),
        stage("tune", steps=1, learning_rate=rates[2]),
        stage("tune", steps=1),
    )
    Recipe(*stages).run(bench)
    assert [run["learning_rate"] for run in bench.runs[-4:]] == rates


HELD = [
    {"bits": 4},
    {"bits": 3, "symmetric": False},
    {"bits": 4, "grid": "nf", "group_size": 8},
    {"bits": 4, "grid": "e2m1", "group_size": 16, "scale_format": "e4m3"},  # a tensor_scale too
    {"bits": 16, "grid": "bf16"},
    {"bits": 16, "grid": "fp16"},
]


@pytest.mark.parametrize("name", ["w", "embedding"])
@pytest.mark.parametrize("how", HELD, ids=str)
def test_the_codes_of_kept_numbers_stand_for_the_same_with_a_mask(how, name):
    mask = np.random.default_rng(0).permutation(96).reshape(8, 12) < 48
    dense = 100 * np.random.default_rng(1).standard_normal(mask.shape, np.float32)
    channel = kept_alone({name: dense}, {name: mask})[name]
    coded = quantize({name: channel}, **how)[name]
    leaf = gathered(coded, mask)
    np.testing.assert_array_equal(leaf.kept, mask)
    np.testing.assert_array_equal(leaf.dense()[mask], coded.dense().reshape(-1))
    assert leaf.values.nbytes == coded.nbytes
    if isinstance(coded, QuantizedTensor):
        assert leaf.values.largest_error == coded.largest_error > 0
        assert leaf.values.scale_format == coded.scale_format


def test_several_bits_for_trained_levels_are_chosen_by_the_errors_of_levels():
    chosen = []
    for grid in ({}, {"grid": "lloyd_max"}):
        options = {"bits": [2, 3, 4, 6], "mean_bits": 6.0, "train": "levels", **grid}
        *_, params = Recipe(stage("quantize", **options)).run(Toy(*CASES["Transformer"]))
        chosen.append([w.bits for w in params.values() if w.ndim > 1])
    assert chosen[0] == chosen[1] and len({*chosen[0]}) > 1


def test_mixed_precision_keeps_to_its_bits_and_spends_them_where_they_help():
    bench = Toy(*CASES["Transformer"])
    rows, _, params = Recipe(
        stage("quantize", bits=[2, 8], mean_bits=6.0, objective="mse")
    ).run(bench)
    matrices = {name: w for name, w in params.items() if w.ndim > 1}
    assert {w.bits for w in matrices.values()} == {2, 8}
    sizes = sum(w.size for w in matrices.values())
    assert 8 * sum(w.nbytes for w in matrices.values()) <= 6 * sizes
    alike, *_ = Recipe(stage("quantize", bits=4, objective="mse")).run(bench)
    assert rows[-1]["loss"] <= alike[-1]["loss"] + 0.05


def test_bf16_is_for_vectors_alone():
    bench = Toy(*CASES["Transformer"])
    *_, params = Recipe(stage("tune", steps=2), stage("code", vectors="bf16")).run(bench)
    for name, w in bench.fitted[0].items():
        lower = params[name].view(np.uint32) & 0xFFFF
        assert lower.any() if w.ndim > 1 else not lower.any()
        np.testing.assert_allclose(params[name], w, rtol=0 if w.ndim > 1 else 2**-8)


def test_what_is_compressed_already_stays_so_while_the_rest_is_trained():
    bench, model = Toy(*CASES["Transformer"]), CASES["Transformer"][0]
    begun = quantize(model.init(0), {"token_embedding": 4})
    object.__setattr__(bench, "trained", lambda: begun)
    *_, params = Recipe(stage("tune", steps=2), stage("code")).run(bench)
    np.testing.assert_array_equal(params["token_embedding"].packed, begun["token_embedding"].packed)
    up = "block.0.feed_forward.w_up"
    assert (params[up] != begun[up]).any()


@pytest.mark.parametrize("before", [name for name in BEFORE if name != "whole"])
def test_mixed_precision_of_what_is_pruned_or_in_factors(before):
    mixed = stage("quantize", bits=[2, 8], mean_bits=7.0)
    *_, params = Recipe(*BEFORE[before], mixed).run(Toy(*CASES["Transformer"]))
    leaves = [leaf for w in params.values() if w.ndim > 1
              for leaf in ((w.a, w.b) if hasattr(w, "a") else (w,))]  # fmt: skip
    assert {getattr(leaf, "values", leaf).bits for leaf in leaves} == {2, 8}


def test_shrinking_makes_another_model_that_is_trained_and_saved(tmp_path):
    bench = Toy(*CASES["Transformer"])
    rows, last, params = Recipe(
        stage("shrink", share=0.5, scores="activation"),
        stage("shrink", what="heads", share=0.5),
        stage("tune", steps=2),
    ).run(bench, tmp_path / "out.npz")
    assert last.model.feed_forward * 2 == 64
    assert params["block.0.feed_forward.w_up"].shape == (16, 32)
    assert rows[1]["memory_bytes"] > rows[2]["memory_bytes"] == rows[3]["memory_bytes"]
    assert load(tmp_path / "out.npz")["block.0.feed_forward.w_up"].shape == (16, 32)


def test_what_the_end_refuses_is_refused_before_any_training(tmp_path):
    bench = Toy(*CASES["Transformer"])
    long = (stage("tune", steps=10**9), stage("quantize", bits=4, group_size=7))
    with pytest.raises(ValueError, match=r"stage 2, quantize: .*group_size.*7"):
        Recipe(*long).run(bench, tmp_path / "out")
    with pytest.raises(ValueError, match="stage 2, quantize: bits must be"):
        Recipe(long[0], stage("quantize", bits=9)).run(bench)
    with pytest.raises(ValueError, match=r"stage 2, prune: .*sparsity"):
        Recipe(long[0], stage("prune", sparsity=1.5)).run(bench)
    with pytest.raises(ValueError, match="stage 2, code: coder must be one of"):
        Recipe(long[0], stage("code", coder="zip")).run(bench)
    with pytest.raises(ValueError, match="stage 2, prune: learning_rate is of pruning while"):
        Recipe(long[0], stage("prune", sparsity=0.5, learning_rate=0.1)).run(bench)
    for asked in ({"temperature": 2.0}, {"labels": "hard"}):
        with pytest.raises(ValueError, match="stage 2, tune: temperature and labels are of a te"):
            Recipe(long[0], stage("tune", steps=1, **asked)).run(bench)
    with pytest.raises(ValueError, match="stage 2, tune: alpha"):
        Recipe(long[0], stage("tune", steps=1, alpha=2.0)).run(bench)
    for foreign in ({"train": "steps", "symmetric": False}, {"train": "levels", "axis": "tensor"}):
        message = f"stage 2, quantize: train '{foreign['train']}' has no {[*foreign][1]}; it has"
        with pytest.raises(ValueError, match=message):
            Recipe(long[0], stage("quantize", bits=4, **foreign)).run(bench)
    pruned, thin = stage("prune", sparsity=0.5), stage("low_rank", share=0.9)
    for first in (pruned, thin):
        with pytest.raises(ValueError, match="stage 3, quantize: calibrated goes with weights"):
            Recipe(long[0], first, stage("quantize", bits=4, calibrated=True)).run(bench)
    with pytest.raises(ValueError, match="stage 3, prune: what multiplies the factors of low_rank"):
        Recipe(long[0], thin, stage("prune", sparsity=0.5, score="wanda")).run(bench)
    with pytest.raises(ValueError, match=r"stage 2, quantize: .*group_size"):
        Recipe(stage("distil", width=8, steps=2), long[1]).run(bench)
    with pytest.raises(FileNotFoundError):
        Recipe(long[0]).run(bench, tmp_path / "nowhere" / "out")
    with pytest.raises(ValueError, match="path must name a file"):
        Recipe(long[0]).run(bench, tmp_path)
    assert bench.fitted == [] and not list(tmp_path.iterdir())


def test_training_that_diverges_names_its_stage(tmp_path):
    class Diverging(Toy):
        def fit(self, params, steps, **how):
            raise FloatingPointError("the loss is nan at step 3")

    with pytest.raises(FloatingPointError, match="stage 2, tune: the loss is nan at step 3"):
        Recipe(stage("prune", sparsity=0.5), stage("tune", steps=5)).run(
            Diverging(*CASES["LSTM"]), tmp_path / "out"
        )
    assert not list(tmp_path.iterdir())


def test_a_file_that_gives_something_else_back_is_noticed(monkeypatch, tmp_path):
    bench = Toy(*CASES["LSTM"])

    def damaged(path):
        params = load(path)
        codes = params["token_embedding"]
        (codes if isinstance(codes, np.ndarray) else codes.packed)[0, 0] += 1
        return params

    recipe = Recipe(stage("quantize", bits=4), stage("code"))
    recipe.run(bench, tmp_path / "out")
    monkeypatch.setattr(recipes, "load", damaged)
    with pytest.raises(RuntimeError, match="does not give back"):
        recipe.run(bench, tmp_path / "out")
    ones = {"a": np.ones((2, 3), np.float32), "b": np.ones(2, np.float32)}
    recipes.check_same(ones, dict(reversed(ones.items())))
    wrong = ({}, {**ones, "c": ones["b"]}, {**ones, "a": ones["a"].reshape(3, 2)},
             {**ones, "a": ones["a"].view(np.int32)}, {**ones, "b": ones["b"] + 1})  # fmt: skip
    for read in wrong:
        with pytest.raises(RuntimeError, match="does not give back"):
            recipes.check_same(ones, read)


def test_a_recipe_leaves_what_it_begins_with_as_it_is():
    params = CASES["LSTM"][0].init(0)
    before = {name: w.copy() for name, w in params.items()}
    bench = Toy(*CASES["LSTM"])
    object.__setattr__(bench, "trained", lambda: params)
    Recipe(*BEYOND).run(bench)
    for name, w in params.items():
        np.testing.assert_array_equal(w, before[name])


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.toml")), ids=lambda path: path.stem)
def test_the_recipes_that_come_along_are_read_and_end_in_a_coded_file(path):
    assert Recipe.read(path).stages[-1].do == "code"


@pytest.fixture(scope="module")
def word_vectors(tmp_path_factory):
    kept = tmp_path_factory.mktemp("vectors") / "word2vec.npz"
    settings = default().changed("word2vec", {"width": 16})
    subject = new_subject(settings, "word2vec", GRAMMAR.sample(100, seed=1), kept, 0)
    subject.train()
    return subject


def test_word_vectors_are_compressed_without_training(word_vectors, tmp_path):
    stages = (stage("prune", sparsity=0.3), stage("quantize", bits=4, objective="mse"))
    rows, *_ = Recipe(*stages, stage("code")).run(word_vectors, tmp_path / "out")
    assert rows[-1]["smaller"] > 3 and rows[-1]["neighbour_agreement"] > 0.3
    assert read_header(tmp_path / "out")["vocabulary"]


@pytest.mark.parametrize("trains", [
    stage("tune", steps=5), stage("prune", sparsity=0.5, steps=5),
    stage("distil", width=8, steps=5), stage("shrink", share=0.5),
    stage("prune", sparsity=0.5, score="wanda"),
    stage("prune", sparsity=0.5, compensate=True), stage("low_rank", share=0.5, calibrated=True),
    stage("quantize", bits=[2, 3], mean_bits=2.5),
], ids=str)  # fmt: skip
def test_stages_that_ask_the_model_are_refused_for_word_vectors_by_name(word_vectors, trains):
    with pytest.raises(ValueError, match=rf"stage 1, {trains.do}: WordVectorSubject has no "):
        Recipe(trains).run(word_vectors)


def test_a_subject_of_a_study_is_a_bench_and_its_file_is_opened_as_any_other(tmp_path):
    options = {"width": 16, "layers": 1, "heads": 2, "context": 8, "steps": 3, "batch_size": 2}
    settings = default().changed("Transformer", options)
    text = GRAMMAR.sample(50, seed=1)
    (tmp_path / "text.txt").write_text(text, encoding="utf-8")
    settings = replace(settings, corpus=str(tmp_path / "text.txt"))
    subject = new_subject(settings, "Transformer", text, tmp_path / "model.npz", 0)
    subject.train()
    rows, last, _ = Recipe(*BEYOND).run(subject, tmp_path / "out")
    assert rows[0]["file_bytes"] == (tmp_path / "model.npz").stat().st_size
    opened = saved_subject(settings, tmp_path / "out")
    assert opened.model == last.model and opened.model.width == 8
    assert opened.judge(opened.trained(), {})["loss"] == rows[-1]["loss"]
