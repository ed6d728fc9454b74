"""Both integer models: bit for bit those of Python's whole numbers, near the floats, kept."""

import numpy as np
import pytest

from minilm import load, save
from minilm.compression.quantization.integers.models import integer_only
from minilm.generation import generate
from minilm.models import LSTMLanguageModel
from minilm.training import evaluate


@pytest.mark.parametrize("wide", [False, True])
def test_bit_for_bit(any_model, wide, example, codes_in_python):
    """Calibrated on less than it reads, and with weights so large that codes saturate."""
    saturating = 12.0 if isinstance(any_model, LSTMLanguageModel) else 4.0
    params, tokens = example(any_model, saturating if wide else 1.0)
    integers, whole_params = integer_only(any_model, params, [tokens[:1, :2]])
    logits, cache = integers.forward(whole_params, tokens)
    assert cache["codes"].dtype == np.int16 and logits.dtype == np.float32
    np.testing.assert_array_equal(cache["codes"], codes_in_python(any_model, whole_params, tokens))
    np.testing.assert_array_equal(logits, cache["codes"] * whole_params["logits:scale"])


def test_near_the_float_model(any_model, example):
    spread, near = (2.0, 0.05) if isinstance(any_model, LSTMLanguageModel) else (1.0, 0.06)
    params, tokens = example(any_model, spread)
    integers, whole_params = integer_only(any_model, params, [tokens])
    y, _ = any_model.forward(params, tokens)
    error = integers.forward(whole_params, tokens)[0] - y
    assert np.sqrt(np.mean(error**2) / y.var()) < near


def test_in_pieces(any_model, example):
    params, tokens = example(any_model)
    integers, params = integer_only(any_model, params, [tokens])
    expected = integers.forward(params, tokens)[1]["codes"]
    state, codes = integers.fresh_state(), []
    for piece in (tokens[:, :1], tokens[:, 1:6], tokens[:, 6:7], tokens[:, 7:]):
        _, cache = integers.forward(params, piece, state=state)
        state = cache["state"]
        codes.append(cache["codes"])
    np.testing.assert_array_equal(np.concatenate(codes, axis=1), expected)


def test_params_are_integers_and_keep(any_model, example, tmp_path):
    params, tokens = example(any_model)
    integers, whole_params = integer_only(any_model, params, [tokens])
    assert {name for name, w in whole_params.items() if w.dtype.kind == "f"} == {"logits:scale"}
    save(tmp_path / "integers.npz", whole_params)
    loaded = load(tmp_path / "integers.npz")
    np.testing.assert_array_equal(
        integers.forward(loaded, tokens)[1]["codes"],
        integers.forward(whole_params, tokens)[1]["codes"],
    )
    assert len(generate(integers, loaded, tokens[0, :3], 5, temperature=0)) >= 5
    assert evaluate(integers, loaded, np.arange(30) % any_model.vocab_size) > 0
    with pytest.raises(ValueError, match=r"ids must lie in \[0, 13\)"):
        integers.forward(whole_params, tokens + 9)
