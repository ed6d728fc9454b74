"""The integer LSTM: its ranges, its tables, its state, and what it refuses."""

import numpy as np
import pytest

from minilm import quantize
from minilm.compression.quantization.integers.models import IntegerLSTM, integer_only
from minilm.compression.quantization.integers.models.lstm import lstm_ranges
from minilm.models import LSTMLanguageModel
from minilm.nn import lstm_step

TIED = LSTMLanguageModel(13, width=6)


def test_ranges_are_those_of_the_float_model(lstm, example):
    params, tokens = example(lstm)
    ranges = lstm_ranges(lstm, params, [tokens[:, :4], (tokens, tokens)]).ends
    y, cache = lstm.forward(params, tokens)
    assert ranges["logits"] == (y.min(), y.max())
    last = f"lstm.{lstm.layers - 1}"
    assert ranges[f"{last}.h"] == (cache["hidden"].min(), cache["hidden"].max())
    c = cache["state"][-1][1]
    assert ranges[f"{last}.c"][0] <= c.min() and c.max() <= ranges[f"{last}.c"][1]


def test_ranges_of_gates_are_those_before_their_functions(example):
    """Step by step: h of the step before, not of the step itself."""
    model = TIED
    params, tokens = example(model, 3.0)
    w_x, w_h, b = (params[f"lstm.0.{part}"] for part in ("w_x", "w_h", "b"))
    h, c = np.zeros((2, 3, 6), np.float32)
    sums = []
    for t in range(tokens.shape[1]):
        x = params["token_embedding"][tokens[:, t]] * np.float32(6**0.5)
        sums.append(x @ w_x + h @ w_h + b)
        (h, c), _ = lstm_step(x, h, c, w_x, w_h, b)
    ranges = lstm_ranges(model, params, [tokens]).ends
    for gate, part in zip("ifgo", np.split(np.array(sums), 4, axis=-1), strict=True):
        expected = min(part.min(), 0), max(part.max(), 0)
        np.testing.assert_allclose(ranges[f"lstm.0.{gate}"], expected, rtol=1e-5)


def test_gates_codes_end_where_their_functions_do(example):
    params, tokens = example(TIED, 12.0)
    _, whole_params = integer_only(TIED, params, [tokens])
    for gate, end in (("i", 6.2), ("f", 6.2), ("g", 3.1), ("o", 6.2), ("c", 3.1)):
        x = end / 127
        y = np.tanh(x) if gate in "gc" else 1 / (1 + np.exp(-x))
        table = whole_params[f"lstm.0.{gate}:table"]
        assert table[1] == round(32767 * y) and table.dtype == np.int16
        assert table[127] > 32767 * 0.995


def test_a_state_is_that_of_the_whole_text(example):
    model = LSTMLanguageModel(13, width=6, embedding_width=4, layers=2)
    params, tokens = example(model)
    integers, params = integer_only(model, params, [tokens])
    assert params["lstm.0.w_h"].dtype == np.int8
    expected, state = integers.forward(params, tokens)[1]["state"], integers.fresh_state()
    for piece in (tokens[:, :1], tokens[:, 1:6], tokens[:, 6:]):
        state = integers.forward(params, piece, state=state)[1]["state"]
    for (h, c), (h2, c2) in zip(state, expected, strict=True):
        assert h.dtype == np.int8 and c.dtype == np.int16
        np.testing.assert_array_equal(h, h2)
        np.testing.assert_array_equal(c, c2)
    chosen = integers.chosen(state, np.array([2, 0]))
    np.testing.assert_array_equal(chosen[0][0], state[0][0][[2, 0]])


def test_codes_are_those_of_quantized_params(example):
    model = TIED
    params, tokens = example(model)
    small = quantize(params, 4)
    _, whole_params = integer_only(model, small, [tokens])
    np.testing.assert_array_equal(whole_params["lstm.0.w_x"], small["lstm.0.w_x"].codes)
    _, whole_params = integer_only(model, params, [tokens])
    np.testing.assert_array_equal(
        whole_params["lstm.0.w_x"], quantize(params, 8)["lstm.0.w_x"].codes
    )


def test_what_is_refused(example):
    model = TIED
    params, tokens = example(model)
    with pytest.raises(TypeError, match="LSTMLanguageModel or TransformerLanguageModel, got int"):
        integer_only(3, params, [tokens])
    with pytest.raises(ValueError, match="at least one batch"):
        integer_only(model, params, [])
    with pytest.raises(ValueError, match=r"lstm\.0\.w_x must be an array, or codes"):
        integer_only(model, quantize(params, {"lstm.0.w_x": 4}, group_size=2), [tokens])
    with pytest.raises(ValueError, match="must be finite"):
        integer_only(model, {**params, "head.b": np.full(13, np.nan, np.float32)}, [tokens])
    integers, whole_params = integer_only(model, params, [tokens])
    assert isinstance(integers, IntegerLSTM)
    with pytest.raises(ValueError, match="state must hold 1 pairs"):
        integers.forward(whole_params, tokens, state=[])


def test_an_open_forget_gate_keeps_every_cell_as_it_is(lstm, example, times_in_python):
    params, tokens = example(lstm)
    _, constants = integer_only(lstm, params, [tokens])
    cells = np.arange(-(2**15), 2**15).astype(object)
    for layer in range(lstm.layers):
        kept = times_in_python((2**15 - 1) * cells, constants, f"lstm.{layer}.f")  # σ = 1
        np.testing.assert_array_equal(kept, cells)
