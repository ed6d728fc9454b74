"""What is tried on an encoder: all of it runs, and does what it says."""

import numpy as np
import pytest

from minilm.compression.parameters import matrices
from minilm.compression.quantization import METHODS
from minilm.metrics import sqnr_db
from minilm.study.pretrained import measure
from minilm.study.pretrained.activations import BENT, outliers
from minilm.study.pretrained.encoding import batches_of, encode
from minilm.study.pretrained.methods import (
    CURVES,
    EVERY,
    LEFT_OUT,
    SAME_GRID,
    TRIED,
    shared_out,
)
from minilm.study.pretrained.sensitivity import parts, sensitivity, single_matrices
from minilm.weights import QuantizedTensor, Weight, as_dense, nbytes

QUICK = {"round to nearest", "GPTQ, codebook, of 32", "rotation", "fp16", "entropy-coded",
         "bias correction", "scale correction in groups", "all but the word table"}  # fmt: skip


def test_every_row_of_methods_is_tried_or_left_out_with_a_reason():
    assert set(METHODS) <= set(TRIED) | set(LEFT_OUT)
    assert not set(TRIED) & set(LEFT_OUT)
    assert all(TRIED[name].bits == EVERY for name in CURVES)


def slow_but(quick, names):
    return [name if name in quick else pytest.param(name, marks=pytest.mark.slow)
            for name in names]  # fmt: skip


@pytest.mark.parametrize("method", slow_but(QUICK, TRIED))
def test_every_method_makes_weights_of_the_same_shapes(bench, method):
    bits = TRIED[method].bits[0]
    made = TRIED[method].make(bench, bits)
    assert list(made) == list(bench.params)
    for name, w in made.items():
        assert w.shape == bench.params[name].shape
        float_on_purpose = "segments float" in method and name == "type_embedding"
        rounded = name in matrices(bench.params) and not float_on_purpose
        assert isinstance(w, Weight) == rounded or "word table" in method
    assert bench.measured(made)["cosine"] > 0.2


def test_more_bits_drift_less(bench):
    for method in ("round to nearest", "GPTQ, least squares"):
        found = [bench.measured(TRIED[method].make(bench, bits))["drift"] for bits in (8, 4, 2)]
        assert found[0] < found[1] / 10 < found[2] / 10


def test_tables_are_rounded_without_calibration(bench):
    gptq, nearest = (bench.rounded(3, method) for method in ("GPTQ, least squares", SAME_GRID))
    for name in bench.tables:
        np.testing.assert_array_equal(gptq[name].dense(), nearest[name].dense())
    w = "encoder.0.attention.w_qkv"
    assert (gptq[w].dense() != nearest[w].dense()).any()


def test_what_is_not_named_stays_float(bench):
    made = bench.rounded({"token_embedding": 4}, "in groups")
    assert [n for n, w in made.items() if isinstance(w, Weight)] == ["token_embedding"]


def test_block_by_block_sees_what_is_rounded_already(bench):
    made = TRIED["GPTQ, block by block"].make(bench, 2)
    plain = bench.rounded(2, "GPTQ, least squares")
    first, last = "encoder.0.feed_forward.w_up", "encoder.1.feed_forward.w_up"
    assert list(made) == list(bench.params)
    assert all(made[name].bits == 2 for name in matrices(made))
    assert (made[last].dense() != plain[last].dense()).any() and made[first].shape == (64, 128)


def test_bits_are_shared_out_in_the_bytes_of_one_width(bench):
    bits = shared_out(bench, 3)
    assert set(bits) == set(matrices(bench.params)) and len(set(bits.values())) > 1
    made, alike = (TRIED[name].make(bench, 3) for name in ("mixed precision", SAME_GRID))
    assert 0.9 * nbytes(alike) < nbytes(made) <= nbytes(alike)


def test_sensitivity_of_parts(bench):
    assert list(parts(bench)) == ["tables", "layer 1", "layer 2"]
    assert len(single_matrices(bench)) == 3 + 2 * 4
    rounded = bench.rounded(2, "in groups")
    none, one = (sensitivity(bench, rounded, names)["drift"] for names in ([], bench.tables))
    assert none == 0 < one < bench.measured(rounded)["drift"]


@pytest.mark.parametrize("method", slow_but(
    {"one scale, rotation", "static, percentile", "by token, weights by channel, attention too"},
    BENT))  # fmt: skip
def test_activations_are_rounded(bench, method):
    bent = BENT[method]
    bits, activation_bits = bent.widths[0]
    params = bent.make(bench, bench.rounded(bits, bent.weights), activation_bits)
    drift = bench.measured(params, packed=True, attend=bent.attend)["drift"]
    assert 0 < drift < 0.3
    assert drift != bench.measured(params, attend=bent.attend)["drift"]  # unpacked, x is not
    w = "encoder.0.feed_forward.w_up"
    x = bench.floats.hidden[0][:3]
    dense = as_dense(params[w])
    assert np.abs(x @ params[w] - x @ dense).max() > 0  # x was rounded too


def test_outliers_are_found_and_cured(bench):
    loud = dict(bench.params)
    gain = "encoder.0.norm_1.gain"
    loud[gain] = loud[gain] * np.where(np.arange(64) == 5, 40, 1).astype(np.float32)
    pretrained = type(bench.pretrained)(
        bench.model, loud, bench.pretrained.tokenizer, "mean", 16)
    rows = outliers(type(bench)(pretrained, bench.calibrating, bench.scored))
    assert len(rows) == 8
    row = next(row for row in rows if row["where"] == "encoder.0.feed_forward.w_up")
    assert row["channel"] == 5 and row["outlier"] > 20
    assert row["smooth_outlier"] < row["outlier"] / 2
    assert row["rotated_outlier"] < row["outlier"] / 2 and row["rotated_kurtosis"] < row["kurtosis"]


def test_the_largest_number_is_found_at_its_token(bench):
    texts = [s.text for s in bench.calibrating]
    batches = batches_of(bench.pretrained, texts)
    x = encode(bench.pretrained, bench.params, batches).hidden[0]
    place, channel = np.unravel_index(np.abs(x).argmax(), x.shape)
    ids = np.concatenate([tokens.ravel() for _, tokens in batches])
    row = outliers(bench)[0]
    assert row["where"] == "encoder.0.attention.w_qkv" and row["channel"] == channel
    assert row["token"] == bench.pretrained.tokenizer.vocabulary[ids[place]]
    assert row["absmax"] == pytest.approx(abs(x[place, channel]), rel=1e-5)


def test_all_parts_are_measured_and_read_again(bench, tmp_path):
    rules = {"halved": lambda w, bits: w / 2}
    rows = [measure.float_row(bench), measure.weights_row(bench, "in groups", 4),
            *list(measure.printed(bench, rules)), *list(measure.one_part(bench)),
            *list(measure.inputs(bench))]  # fmt: skip
    measure.write(rows, tmp_path / "p.csv")
    back = measure.read(tmp_path / "p.csv")
    assert [row["part"] for row in back] == [row["part"] for row in rows]
    assert back[1]["cosine"] == pytest.approx(rows[1]["cosine"], rel=1e-5)
    assert back[0]["activation_bits"] is None and back[0]["bits"] == 32
    assert rows[1]["bits_per_weight"] < 8 and rows[1]["file_bytes"] > rows[1]["memory_bytes"]
    packed = bench.rounded(4, "in groups")
    assert isinstance(packed["token_embedding"], QuantizedTensor)
    before, after = (np.concatenate([as_dense(params[name]).ravel() for name in matrices(params)])
                     for params in (bench.params, packed))  # fmt: skip
    assert rows[1]["sqnr_db"] == pytest.approx(sqnr_db(before, after), abs=1e-3)
