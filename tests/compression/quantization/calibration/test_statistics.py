import numpy as np
import pytest

from minilm.compression import quantize
from minilm.compression.quantization.calibration.statistics import as_seen, calibrate, check_apart
from minilm.embeddings.skip_gram_model import Pairs, SkipGram
from minilm.inspection import activations
from minilm.models import (
    BagOfWordsClassifier,
    LSTMClassifier,
    LSTMLanguageModel,
    Seq2SeqLSTM,
    Seq2SeqTransformer,
    TransformerClassifier,
    TransformerLanguageModel,
)
from minilm.weights import Seen

SMALL = {"vocab_size": 11, "width": 8, "layers": 2, "heads": 2, "context": 6}
LLAMA = {
    "normalization": "rms", "activation": "swiglu", "positions": "rotary",
    "biases": False, "tied": False, "key_value_heads": 1,
}  # fmt: skip
rng = np.random.default_rng(0)
TOKENS = rng.integers(1, 11, (2, 3, 6))
SOURCE = np.array([[3, 7, 1, 5], [2, 2, 0, 0], [9, 4, 6, 0]])
PAIRS = [(SOURCE, *rng.integers(1, 11, (2, 3, 5))), (SOURCE[::-1], *rng.integers(1, 11, (2, 3, 5)))]
WINDOWS = [(tokens[:, :-1], tokens[:, 1:]) for tokens in TOKENS]
LABELLED = [(SOURCE, np.array([2, 0, 1])), (SOURCE[:1], np.array([1]))]
CASES = {
    "LSTM, tied": (LSTMLanguageModel(11, width=8, embedding_width=6, layers=2), WINDOWS),
    "LSTM, untied": (LSTMLanguageModel(11, width=8, tied=False), WINDOWS),
    "Transformer": (TransformerLanguageModel(**SMALL), WINDOWS),
    "Llama": (TransformerLanguageModel(**SMALL, **LLAMA), WINDOWS),
    "encoder–decoder": (Seq2SeqTransformer(**SMALL, source_vocab_size=13), PAIRS),
    "LSTM encoder–decoder": (Seq2SeqLSTM(11, width=8), PAIRS),
    "Transformer classifier": (TransformerClassifier(**SMALL, classes=3), LABELLED),
    "LSTM classifier": (LSTMClassifier(11, 3, width=8), LABELLED),
    "bag of words": (BagOfWordsClassifier(11, 3, width=8), LABELLED),
}


@pytest.mark.parametrize("case", CASES)
def test_every_weight_s_statistics_are_those_of_what_multiplied_it(case):
    model, batches = CASES[case]
    params = model.init(0)
    seen = calibrate(model, params, batches, histograms=True)
    # all rows, as another witness heard them: products over many tokens may differ in the last bit
    heard = {}
    for *inputs, _ in batches:
        for name, x in activations(model, params, *inputs).items():
            heard.setdefault(name, []).append(x)
    tables = {f"{name}.T": name for name in params if name.endswith("embedding")}
    rows = {tables.get(n, n): np.concatenate(x) for n, x in heard.items() if "[ids]" not in n}
    assert seen.keys() == rows.keys() != set()
    for name, x in rows.items():
        side = seen[name]
        assert side.width == x.shape[1] == params[name].shape[name in tables.values()]
        assert side.count == len(x)
        np.testing.assert_allclose(side.gram, x.T @ x, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(side.mean, x.mean(axis=0), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(side.absmax, abs(x).max(axis=0), rtol=1e-5)
        assert len(side.batch_ranges) == len(batches)
        assert side.histogram.counts.sum() == x.size
    heads = {"LSTM, tied", "Transformer", "encoder–decoder", "LSTM encoder–decoder"}
    assert ("token_embedding" in seen) == (case in heads)  # as h @ E.T
    assert "source_embedding" not in seen  # its rows are only taken


def test_the_first_layer_s_rows_are_counted_by_token():
    """The LSTM may multiply the rows of its table instead of the tokens: not when it is watched."""
    model = LSTMLanguageModel(5, width=8)
    tokens = np.zeros((4, 6), np.int64)
    tokens[0, 0] = 1
    params = model.init(0)
    seen = calibrate(model, params, [tokens])["lstm.0.w_x"]
    x = np.sqrt(8) * params["token_embedding"]
    assert seen.count == 24
    np.testing.assert_allclose(
        seen.gram, 23 * np.outer(x[0], x[0]) + np.outer(x[1], x[1]), rtol=1e-5, atol=1e-5
    )


def test_a_tied_table_costs_what_it_writes_and_what_it_reads():
    model = TransformerLanguageModel(**SMALL)
    seen = calibrate(model, model.init(0), WINDOWS)
    table, w = seen["token_embedding"], seen["block.0.attention.w_qkv"]
    added = table.cost - table.gram
    np.testing.assert_allclose(added, np.diagonal(table.gram).mean() * np.eye(8))
    assert w.cost is w.gram
    # seen through a transform, as the gram is
    left = rng.normal(size=(8, 8))
    np.testing.assert_allclose(table.through(left).cost, left.T @ table.cost @ left)
    untied = TransformerLanguageModel(**SMALL, tied=False)
    head = calibrate(untied, untied.init(0), WINDOWS)["head.w"]
    assert head.cost is head.gram
    assert Seen(3).cost is None


def test_tables_whose_rows_are_only_taken_have_no_statistics():
    model = SkipGram(9, 4)
    pairs = Pairs(np.array([1, 2]), np.array([[3, 4], [5, 6]]))
    assert calibrate(model, model.init(0), [pairs]) == {}


def test_leaves_companions_and_batches_without_targets():
    model = TransformerLanguageModel(**SMALL)
    params = quantize(model.init(0), 4)
    params["block.0.attention.w_qkv:step"] = np.ones((8, 24), np.float32)
    bare = calibrate(model, params, iter([tokens for tokens, _ in WINDOWS]))
    both = calibrate(model, params, WINDOWS)
    assert "block.0.attention.w_qkv:step" not in bare
    for name, seen in both.items():
        np.testing.assert_array_equal(seen.gram, bare[name].gram)
        assert seen.histogram is None
    assert not np.allclose(
        bare["block.1.feed_forward.w_up"].gram,
        calibrate(model, model.init(0), WINDOWS)["block.1.feed_forward.w_up"].gram,
    )


def test_bad_calibration_is_refused():
    model = Seq2SeqTransformer(**SMALL)
    params = model.init(0)
    with pytest.raises(ValueError, match="batches must hold at least one batch"):
        calibrate(model, params, [])
    with pytest.raises(ValueError, match="source, target_inputs, got 1 of 2"):
        calibrate(model, params, [(SOURCE,)])
    params["decoder.0.feed_forward.w_up"][0, 0] = np.nan
    with (
        pytest.raises(ValueError, match=r"what multiplies token_embedding .* must be finite"),
        np.errstate(all="ignore"),
    ):
        calibrate(model, params, PAIRS)


def test_calibration_that_repeats_what_is_scored_is_refused():
    model = TransformerLanguageModel(**SMALL)
    params = model.init(0)
    stream = rng.integers(1, 11, 300)
    windows = [(stream[None, start : start + 6], None) for start in range(0, 60, 6)]
    calibrate(model, params, windows, apart_from=[stream[60:]])
    with pytest.raises(ValueError, match=r"must not overlap .* row 0 of batch 9"):
        calibrate(model, params, windows, apart_from=[stream[54:]])
    check_apart(LABELLED, [LABELLED[0][0][:, ::-1]])
    with pytest.raises(ValueError, match="row 1 of batch 0"):
        check_apart(LABELLED, [(SOURCE[1:2], np.array([0]))])
    with pytest.raises(TypeError, match="integer ids"):
        check_apart([np.ones((2, 2))], [])
    for wrong in (-1, 2**21):
        with pytest.raises(ValueError, match=r"ids that are sought must lie in \[0, 1114111\]"):
            check_apart([np.array([[1, wrong]])], [])


def test_example_rows_instead_of_a_model():
    x = rng.normal(size=(4, 5, 6)).astype(np.float32)
    seen = as_seen(x, 6)
    assert seen.count == 20 and as_seen(seen, 6) is seen
    np.testing.assert_allclose(seen.gram, np.einsum("abi,abj->ij", x, x), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(as_seen(np.eye(3, dtype=np.int64), 3).gram, np.eye(3))
    for bad, message in (
        (x[..., :5], "calibration of x must have rows of width 6, got 5"),
        (x[:0], "calibration of x must hold at least one row"),
        (Seen(6), "calibration of x must hold at least one row"),
        (np.where(x > 2, np.inf, x), "must be finite"),
        (np.where(x > 2, np.nan, x), "must be finite"),
    ):
        with pytest.raises(ValueError, match=message):
            as_seen(bad, 6)
    for bad in (x[0, 0], [["a", "b"]], None):
        with pytest.raises(TypeError, match="calibration of w must be a Seen or rows X"):
            as_seen(bad, 6, "w")


def test_a_function_of_the_step_is_refused_with_what_to_write():
    with pytest.raises(TypeError, match=r"\[batches\(step\) for step in range\(8\)\]"):
        calibrate(None, {}, lambda step: step)


def test_calibration_must_name_every_matrix_that_is_quantized_and_nothing_else():
    rng = np.random.default_rng(0)
    params = {name: rng.standard_normal((8, 4)).astype(np.float32)
              for name in ("a", "b", "word_embedding")}  # fmt: skip
    x = rng.standard_normal((50, 8)).astype(np.float32)
    with pytest.raises(ValueError, match="calibration has aa, no parameter"):
        quantize(params, 3, rounding="gptq", calibration={"aa": x, "a": x, "b": x})
    with pytest.raises(ValueError, match="calibration lacks b"):
        quantize(params, 3, rounding="gptq", calibration={"a": x})
    seen = {"a": x}  # b stays float; a table that only is looked up multiplies nothing
    small = quantize(params, {"a": 3, "word_embedding": 3}, rounding="gptq", calibration=seen)
    assert small["b"] is params["b"]
