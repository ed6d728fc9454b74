"""The integer LSTM: bit for bit that of Python's whole numbers, and near the float one."""

import numpy as np
import pytest

from minilm import load, quantize, save
from minilm.compression.quantization.integers.models import IntegerLSTM, integer_only
from minilm.compression.quantization.integers.models.lstm import lstm_ranges
from minilm.generation import generate
from minilm.models import LSTMLanguageModel
from minilm.nn import lstm_step
from minilm.training import evaluate

V = 11
MODELS = {
    "tied": LSTMLanguageModel(V, width=6),
    "projected": LSTMLanguageModel(V, width=6, embedding_width=4, layers=2),
    "untied": LSTMLanguageModel(V, width=5, embedding_width=7, tied=False),
}


def example(model, spread=1.0, seed=0):
    rng = np.random.default_rng(seed)
    params = {
        name: (spread * (w + 0.2 * rng.normal(size=w.shape))).astype(np.float32)
        for name, w in model.init(seed).items()
    }
    return params, rng.integers(V, size=(3, 9))


def whole(x):
    """As Python's integers, which are as long as need be."""
    return np.asarray(x).astype(object)


def times(x, params, name, rows=()):
    """round(x · M0 · 2^−shift), half-way up."""
    M0, shift = (whole(params[f"{name}:{part}"][rows]) for part in ("M0", "shift"))
    return (x * M0 + 2 ** (shift - 1)) // 2**shift


def clipped(x, bits):
    most = 2 ** (bits - 1)
    return np.minimum(np.maximum(x, -most), most - 1)


def sums(x, params, name):
    return x @ whole(params[name]) + whole(params[f"{name}:bias"])


def looked_up(q, params, name):
    return np.array([int(params[f"{name}:table"][x % 256]) for x in q], object)


def reference(model, params, tokens):
    """Codes of the logits, one text and one token at a time: (B, T, V)."""
    logits = [[] for _ in tokens]
    for text, written in zip(tokens, logits, strict=True):
        zeros = whole(np.zeros(model.width, int))
        states = [(zeros, zeros) for _ in range(model.layers)]
        for token in text:
            x = clipped(times(whole(params["token_embedding"][token]), params, "token_embedding",
                              token), 8)
            for layer, (h, c) in enumerate(states):
                name = f"lstm.{layer}"
                a = times(sums(x, params, f"{name}.w_x"), params, f"{name}.w_x")
                a = a + times(sums(h, params, f"{name}.w_h"), params, f"{name}.w_h")
                a = clipped((a + 128) // 256, 8)
                i, f, g, o = (
                    looked_up(part, params, f"{name}.{gate}")
                    for gate, part in zip("ifgo", np.split(a, 4), strict=True)
                )
                c = times(f * c, params, f"{name}.f") + times(i * g, params, f"{name}.i")
                c = clipped(c, 16)
                tanh_c = looked_up(clipped(times(c, params, f"{name}.c"), 8), params, f"{name}.c")
                x = h = clipped(times(o * tanh_c, params, f"{name}.o"), 8)
                states[layer] = h, c
            if "head.w_project" in params:
                x = clipped(times(sums(x, params, "head.w_project"), params, "head.w_project"), 8)
            w = params["token_embedding"].T if model.tied else params["head.w"]
            y = x @ whole(w) + whole(params["head.w:bias"])
            written.append(clipped(times(y, params, "head.w"), 16))
    return np.array(logits).astype(np.int64)


@pytest.mark.parametrize("spread", [1.0, 12.0])
@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_bit_for_bit(model, spread):
    """Calibrated on less than it reads, and with weights so large that codes saturate."""
    params, tokens = example(model, spread)
    integers, whole_params = integer_only(model, params, [tokens[:1, :2]])
    logits, cache = integers.forward(whole_params, tokens)
    assert cache["codes"].dtype == np.int16 and logits.dtype == np.float32
    np.testing.assert_array_equal(cache["codes"], reference(model, whole_params, tokens))
    np.testing.assert_array_equal(logits, cache["codes"] * whole_params["logits:scale"])


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_near_the_float_model(model):
    params, tokens = example(model, 2.0)
    integers, whole_params = integer_only(model, params, [tokens])
    y, _ = model.forward(params, tokens)
    error = integers.forward(whole_params, tokens)[0] - y
    assert np.sqrt(np.mean(error**2) / y.var()) < 0.05


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_ranges_are_those_of_the_float_model(model):
    params, tokens = example(model)
    ranges = lstm_ranges(model, params, [tokens[:, :4], (tokens, tokens)]).ends
    y, cache = model.forward(params, tokens)
    assert ranges["logits"] == (y.min(), y.max())
    last = f"lstm.{model.layers - 1}"
    assert ranges[f"{last}.h"] == (cache["hidden"].min(), cache["hidden"].max())
    c = cache["state"][-1][1]
    assert ranges[f"{last}.c"][0] <= c.min() and c.max() <= ranges[f"{last}.c"][1]


def test_ranges_of_gates_are_those_before_their_functions():
    """Step by step: h of the step before, not of the step itself."""
    model = MODELS["tied"]
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


def test_gates_codes_end_where_their_functions_do():
    params, tokens = example(MODELS["tied"], 12.0)
    _, whole_params = integer_only(MODELS["tied"], params, [tokens])
    for gate, end in (("i", 6.2), ("f", 6.2), ("g", 3.1), ("o", 6.2), ("c", 3.1)):
        x = end / 127
        y = np.tanh(x) if gate in "gc" else 1 / (1 + np.exp(-x))
        table = whole_params[f"lstm.0.{gate}:table"]
        assert table[1] == round(32767 * y) and table.dtype == np.int16
        assert table[127] > 32767 * 0.995


def test_in_pieces():
    model = MODELS["projected"]
    params, tokens = example(model)
    integers, params = integer_only(model, params, [tokens])
    expected = integers.forward(params, tokens)[1]
    state, codes = integers.fresh_state(), []
    for piece in (tokens[:, :1], tokens[:, 1:6], tokens[:, 6:]):
        _, cache = integers.forward(params, piece, state=state)
        state = cache["state"]
        codes.append(cache["codes"])
    np.testing.assert_array_equal(np.concatenate(codes, axis=1), expected["codes"])
    for (h, c), (h2, c2) in zip(state, expected["state"], strict=True):
        assert h.dtype == np.int8 and c.dtype == np.int16
        np.testing.assert_array_equal(h, h2)
        np.testing.assert_array_equal(c, c2)
    chosen = integers.chosen(state, np.array([2, 0]))
    np.testing.assert_array_equal(chosen[0][0], state[0][0][[2, 0]])


def test_params_are_integers_and_keep(tmp_path):
    model = MODELS["projected"]
    params, tokens = example(model)
    integers, whole_params = integer_only(model, params, [tokens])
    assert {name for name, w in whole_params.items() if w.dtype.kind == "f"} == {"logits:scale"}
    assert whole_params["lstm.0.w_h"].dtype == np.int8
    save(tmp_path / "integers.npz", whole_params)
    loaded = load(tmp_path / "integers.npz")
    np.testing.assert_array_equal(
        integers.forward(loaded, tokens)[1]["codes"],
        integers.forward(whole_params, tokens)[1]["codes"],
    )
    text = generate(integers, loaded, tokens[0, :3], 5, temperature=0)
    assert len(text) >= 5
    assert evaluate(integers, loaded, np.arange(20) % V) > 0


def test_codes_are_those_of_quantized_params():
    model = MODELS["tied"]
    params, tokens = example(model)
    small = quantize(params, 4)
    _, whole_params = integer_only(model, small, [tokens])
    np.testing.assert_array_equal(whole_params["lstm.0.w_x"], small["lstm.0.w_x"].codes)
    _, whole_params = integer_only(model, params, [tokens])
    np.testing.assert_array_equal(
        whole_params["lstm.0.w_x"], quantize(params, 8)["lstm.0.w_x"].codes
    )


def test_what_is_refused():
    model = MODELS["tied"]
    params, tokens = example(model)
    with pytest.raises(TypeError, match="LSTMLanguageModel or TransformerLanguageModel, got int"):
        integer_only(3, params, [tokens])
    with pytest.raises(ValueError, match="at least one batch"):
        integer_only(model, params, [])
    with pytest.raises(ValueError, match=r"lstm\.0\.w_x must be an array, or codes"):
        integer_only(model, quantize(params, {"lstm.0.w_x": 4}, group_size=2), [tokens])
    with pytest.raises(ValueError, match="must be finite"):
        integer_only(model, {**params, "head.b": np.full(V, np.nan, np.float32)}, [tokens])
    integers, whole_params = integer_only(model, params, [tokens])
    assert isinstance(integers, IntegerLSTM)
    with pytest.raises(ValueError, match=r"ids must lie in \[0, 11\)"):
        integers.forward(whole_params, tokens + 8)
    with pytest.raises(ValueError, match="state must hold 1 pairs"):
        integers.forward(whole_params, tokens, state=[])


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_an_open_forget_gate_keeps_every_cell_as_it_is(model):
    params, tokens = example(model)
    _, constants = integer_only(model, params, [tokens])
    cells = whole(np.arange(-(2**15), 2**15))
    for layer in range(model.layers):
        kept = times((2**15 - 1) * cells, constants, f"lstm.{layer}.f")  # σ = 1
        np.testing.assert_array_equal(kept, cells)
