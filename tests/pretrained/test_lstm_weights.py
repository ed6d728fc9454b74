import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minilm.models import LSTMLanguageModel
from minilm.nn import lstm
from minilm.pretrained import read_lstm_language_model, read_lstm_layers, write_safetensors
from minilm.pretrained.lstm_weights import reordered


def gates(seed, inputs, H):
    """One layer by gates: {"i": (w_x (in, H), w_h (H, H), b (H,)), ...}."""
    rng = np.random.default_rng(seed)
    return {
        gate: tuple(
            rng.normal(size=shape).astype(np.float32) for shape in ((inputs, H), (H, H), (H,))
        )
        for gate in "ifco"
    }


def side_by_side(layer, order):
    """w_x (in, 4H), w_h (H, 4H), b (4H,) with the gates in this order."""
    return tuple(np.concatenate([layer[gate][i] for gate in order], axis=-1) for i in range(3))


def keras(layers):
    found = {}
    for i, layer in enumerate(layers):
        path = f"sequential/lstm{f'_{i}' if i else ''}/lstm_cell"
        parts = side_by_side(layer, "ifco")
        for name, a in zip(("kernel", "recurrent_kernel", "bias"), parts, strict=True):
            found[f"{path}/{name}"] = a
    return found


def torch_named(layers, prefix="lstm."):
    found = {}
    for i, layer in enumerate(layers):
        w_x, w_h, b = side_by_side(layer, "ifco")
        half = np.random.default_rng(i).normal(size=b.shape).astype(np.float32)
        found |= {
            f"{prefix}weight_ih_l{i}": w_x.T, f"{prefix}weight_hh_l{i}": w_h.T,
            f"{prefix}bias_ih_l{i}": b - half, f"{prefix}bias_hh_l{i}": half,
        }  # fmt: skip
    return found


def onnx_named(layers):
    found = {}
    for i, layer in enumerate(layers):
        w_x, w_h, b = side_by_side(layer, "iofc")
        both = np.concatenate([b / 4, 3 * b / 4])
        found |= {f"{i}/W": w_x.T[None], f"{i}/R": w_h.T[None], f"{i}/B": both[None]}
    return found


PROGRAMS = {"keras": keras, "torch": torch_named, "onnx": onnx_named}


def by_the_equations(layers, x):
    """h of the last layer at each step, in float64, gate by gate as the programs document them."""

    def sigmoid(a):
        return 1 / (1 + np.exp(-a))

    for layer in layers:
        w = {gate: [a.astype(np.float64) for a in parts] for gate, parts in layer.items()}
        H = layer["i"][1].shape[0]
        h, c, out = np.zeros((len(x), H)), np.zeros((len(x), H)), []
        for t in range(x.shape[1]):
            a = {gate: x[:, t] @ w_x + h @ w_h + b for gate, (w_x, w_h, b) in w.items()}
            c = sigmoid(a["f"]) * c + sigmoid(a["i"]) * np.tanh(a["c"])
            h = sigmoid(a["o"]) * np.tanh(c)
            out.append(h)
        x = np.stack(out, axis=1)
    return x


def ours(layers, x):
    for w_x, w_h, b in layers:
        x, _ = lstm(x, w_x, w_h, b)
    return x


def some_input(inputs=5, seed=9):
    return np.random.default_rng(seed).normal(size=(2, 7, inputs)).astype(np.float32)


def three_layers():
    return [gates(0, 5, 4), gates(1, 4, 3), gates(2, 3, 6)]


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_outputs_are_those_of_the_equations(program, count):
    layers, x = three_layers()[:count], some_input()
    found = read_lstm_layers(PROGRAMS[program](layers))
    assert len(found) == count
    for parts in found:
        assert all(a.dtype == np.float32 and a.flags.c_contiguous for a in parts)
    np.testing.assert_allclose(ours(found, x), by_the_equations(layers, x), atol=1e-5)


@pytest.mark.parametrize("program", PROGRAMS)
def test_files_of_both_kinds_give_the_same(tmp_path, program):
    arrays = PROGRAMS[program](three_layers())
    np.savez(tmp_path / "lstm.npz", **arrays)
    write_safetensors(tmp_path / "lstm.safetensors", arrays)
    expected = read_lstm_layers(arrays)
    for name in ("lstm.npz", "lstm.safetensors"):
        for found, layer in zip(read_lstm_layers(tmp_path / name), expected, strict=True):
            for a, b in zip(found, layer, strict=True):
                np.testing.assert_array_equal(a, b)


def test_gates_by_hand():
    # one number in, one unit: the four gates of ONNX are i, o, f, c
    W, R = np.array([[[1.0], [2], [3], [4]]]), np.array([[[5.0], [6], [7], [8]]])
    B = np.array([[10.0, 20, 30, 40, 1, 2, 3, 4]])
    ((w_x, w_h, b),) = read_lstm_layers({"W": W, "R": R, "B": B})
    assert w_x.tolist() == [[1, 3, 4, 2]]  # i, f, g, o
    assert w_h.tolist() == [[5, 7, 8, 6]]
    assert b.tolist() == [11, 33, 44, 22]


def test_the_wrong_order_fits_and_is_wrong():
    layers, x = [gates(0, 5, 4)], some_input()
    arrays = onnx_named(layers)
    right, wrong = read_lstm_layers(arrays), read_lstm_layers(arrays, order="ifco")
    assert [a.shape for a in right[0]] == [a.shape for a in wrong[0]]
    h = ours(wrong, x)
    assert np.isfinite(h).all()
    assert np.abs(h - by_the_equations(layers, x)).max() > 0.3


def test_an_order_of_its_own():
    layers, x = [gates(0, 5, 4)], some_input()
    w_x, w_h, b = side_by_side(layers[0], "icfo")  # i, j, f, o in TensorFlow 1
    arrays = {"kernel": w_x, "recurrent_kernel": w_h, "bias": b}
    found = read_lstm_layers(arrays, order="igfo")
    np.testing.assert_allclose(ours(found, x), by_the_equations(layers, x), atol=1e-5)
    for order in ("ifg", "ifgg", "ifgoo", "keras", ""):
        with pytest.raises(ValueError, match=f"order must have each .* got '{order}'"):
            read_lstm_layers(arrays, order=order)


@given(st.permutations("ifgo"), st.integers(1, 4))
def test_reordered_finds_every_gate(order, H):
    a = np.repeat(np.array([ord(gate) for gate in order]), H)
    assert "".join(map(chr, reordered(a, "".join(order))[::H])) == "ifgo"


def test_layers_are_counted_not_spelled():
    layers = [gates(i, 2 + i % 2, 3 - i % 2) for i in range(12)]
    for program in PROGRAMS.values():
        found = read_lstm_layers(dict(sorted(program(layers).items())))
        for (_, w_h, _), layer in zip(found, layers, strict=True):
            np.testing.assert_array_equal(w_h[:, :2], side_by_side(layer, "ifco")[1][:, :2])


def test_tensorflows_names_end_in_a_number():
    layers = three_layers()
    arrays = {f"{name}:0": a for name, a in keras(layers).items()}
    for found, layer in zip(read_lstm_layers(arrays), layers, strict=True):
        np.testing.assert_array_equal(found[2], side_by_side(layer, "ifco")[2])


@pytest.mark.parametrize("program", PROGRAMS)
def test_without_biases_they_are_zero(program):
    arrays = PROGRAMS[program](three_layers())
    arrays = {name: a for name, a in arrays.items() if "bias" not in name and name[-1] != "B"}
    for w_x, _, b in read_lstm_layers(arrays):
        assert b.shape == w_x.shape[1:]
        assert not b.any()


def test_a_prefix_chooses():
    one, two = three_layers()[:1], [gates(5, 7, 2)]
    arrays = torch_named(one, "encoder.") | torch_named(two, "decoder.")
    with pytest.raises(ValueError, match=r"several LSTMs, \['decoder.', 'encoder.'\]"):
        read_lstm_layers(arrays)
    assert read_lstm_layers(arrays, "decoder.")[0][0].shape == (7, 8)
    assert read_lstm_layers(arrays, prefix="encoder.")[0][0].shape == (5, 16)
    with pytest.raises(ValueError, match="with prefix 'other'; there are 0"):
        read_lstm_layers(arrays, "other")


@pytest.mark.parametrize("program", [keras, onnx_named])
def test_layers_of_two_names_are_not_taken_for_a_stack(program):
    # either could be the first, and each fits on the other
    one, two = program([gates(0, 4, 4)]), program([gates(1, 4, 4)])
    arrays = {f"reader/{name}": a for name, a in one.items()}
    arrays |= {f"writer/{name}": a for name, a in two.items()}
    with pytest.raises(ValueError, match=r"several LSTMs, \['reader/.*', 'writer/.*'\]: choose"):
        read_lstm_layers(arrays)
    np.testing.assert_array_equal(
        read_lstm_layers(arrays, "writer/")[0][0], read_lstm_layers(two)[0][0]
    )


def test_other_floats_become_float32():
    for dtype in (np.float16, np.float64):
        arrays = {name: a.astype(dtype) for name, a in keras(three_layers()).items()}
        for layer in read_lstm_layers(arrays):
            assert {a.dtype for a in layer} == {np.dtype(np.float32)}


def changed(arrays, **new):
    """The arrays with some replaced, or taken out by None, by the ends of their names."""
    arrays = dict(arrays)
    for end, a in new.items():
        (name,) = (name for name in arrays if name.endswith(end))
        if a is None:
            del arrays[name]
        else:
            arrays[name] = a(arrays[name])
    return arrays


ONE = [gates(0, 5, 4)]
WRONG = {
    "nothing": ({}, r"no array is called .*torch.*Keras.*ONNX.*there are 0"),
    "another naming": ({"w": np.ones(3)}, "there are 1: w"),
    "GRU of torch": (
        {"weight_ih_l0": np.ones((12, 5)), "weight_hh_l0": np.ones((12, 4))},
        r"must have shape \(5, 16\), got \(5, 12\) \(3 gates, a GRU\?\)",
    ),
    "RNN of torch": (
        {"weight_ih_l0": np.ones((4, 5)), "weight_hh_l0": np.ones((4, 4))}, r"\(1 gate, a plain"
    ),
    "GRU of Keras": (
        {"kernel": np.ones((5, 12)), "recurrent_kernel": np.ones((4, 12)),
         "bias": np.ones((2, 12))}, "a GRU",
    ),
    "bias of two rows": (
        changed(keras(ONE), bias=lambda b: np.stack([b, b])), r"bias 1 must have shape \(16,\)"
    ),
    "bias of cuDNN": (
        changed(keras(ONE), bias=lambda b: np.concatenate([b, b])), r"shape \(16,\), got \(32,\)"
    ),
    "both directions, torch": (
        torch_named(ONE) | {"lstm.weight_ih_l0_reverse": np.ones(3)}, "reads both ways"
    ),
    "both directions, Keras": (
        {name.replace("/lstm", "/twice/backward_lstm"): a for name, a in keras(ONE).items()},
        "reads both ways",
    ),
    "both directions, ONNX": (
        {name: np.repeat(a, 2, axis=0) for name, a in onnx_named(ONE).items()},
        r"one direction, \(1, …\), got shape \(2, 16, 5\)",
    ),
    "projection": (torch_named(ONE) | {"lstm.weight_hr_l0": np.ones((2, 4))}, "proj_size"),
    "peepholes": (onnx_named(ONE) | {"0/P": np.ones((1, 12))}, "peepholes"),
    "no direction, ONNX": (changed(onnx_named(ONE), B=lambda b: b[0, :1]), r"got shape \(1,\)"),
    "odd bias": (changed(onnx_named(ONE), B=lambda b: b[:, 1:]), "bias 2 must have shape"),
    "one bias": (changed(torch_named(ONE), bias_hh_l0=None), "only one is among"),
    "no kernel": (changed(torch_named(ONE), weight_ih_l0=None), "no 'lstm.weight_ih_l0' among"),
    "a layer missing": (
        {name: a for name, a in torch_named(three_layers()).items() if "l1" not in name},
        r"counted from 0, got \[0, 2\]",
    ),
    "layers that do not meet": (
        torch_named([gates(0, 5, 4), gates(1, 3, 3)]), "l1 reads 3 numbers, .* has width 4"
    ),
    "whole numbers": (
        changed(keras(ONE), bias=lambda b: b.astype(int)), "bias 1 .* must hold floats, got int64"
    ),
    "NaN": (changed(keras(ONE), bias=lambda b: b * np.nan), "bias 1 .* not finite"),
    "beyond float32": (
        changed(keras(ONE), recurrent_kernel=lambda w: w.astype(float) * 1e39), "w_h .* not finite"
    ),
    "three axes": (
        {"kernel": np.ones((2, 5, 16)), "recurrent_kernel": np.ones((4, 16))}, "w_x must have shape"
    ),
    "empty": ({"kernel": np.ones((5, 0)), "recurrent_kernel": np.ones((0, 0))}, "is no LSTM's"),
    "numbers alone": ({"kernel": np.float32(1), "recurrent_kernel": np.float32(1)}, "no LSTM's"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_is_no_lstm_is_named(case):
    arrays, message = WRONG[case]
    with pytest.raises(ValueError, match=message):
        read_lstm_layers({name: np.asarray(a) for name, a in arrays.items()})


def test_files_that_cannot_be_read_are_named(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_lstm_layers(tmp_path / "none.npz")
    for name in ("a.npz", "model.h5", "model.keras"):
        (tmp_path / name).write_bytes(b"PK\3\4 or so")
        reason = "it is neither a .npz nor" if name == "a.npz" else r"Keras' own .* np\.savez"
        with pytest.raises(ValueError, match=f"{name} cannot be read: {reason}"):
            read_lstm_layers(tmp_path / name)
    (tmp_path / "c.safetensors").write_bytes(b"\0" * 20)
    with pytest.raises(ValueError, match=r"c\.safetensors"):
        read_lstm_layers(tmp_path / "c.safetensors")


def test_nothing_is_unpickled(tmp_path):
    arrays = keras(ONE)
    np.savez(tmp_path / "a.npz", **arrays, history=np.array([{"loss": 1}], object))
    assert len(read_lstm_layers(tmp_path / "a.npz")) == 1  # nobody asked for it
    arrays = changed(arrays, bias=lambda b: b.astype(object))
    np.savez(tmp_path / "b.npz", **arrays)
    with pytest.raises(ValueError, match=r"b\.npz cannot be read: Object arrays cannot be loaded"):
        read_lstm_layers(tmp_path / "b.npz")


def test_a_damaged_archive_is_named(tmp_path):
    np.savez(tmp_path / "a.npz", **keras(three_layers()))
    whole = (tmp_path / "a.npz").read_bytes()
    rng = np.random.default_rng(0)
    failed = 0
    for trial in range(200):
        data = bytearray(whole)
        if trial % 2:
            del data[rng.integers(len(data)) :]
        else:
            for at in rng.integers(0, len(data), 20):
                data[at] = rng.integers(256)
        (tmp_path / "b.npz").unlink(missing_ok=True)  # ten times as fast as to write over it
        (tmp_path / "b.npz").write_bytes(data)
        try:
            read_lstm_layers(tmp_path / "b.npz")
        except ValueError:
            failed += 1
    assert failed > 150


TOKENS = np.array([[3, 1, 4, 1, 5], [9, 2, 6, 5, 3]])


def language_model(E=5, H=6, tied=False):
    rng = np.random.default_rng(3)
    layers = [gates(0, E, H), gates(1, H, H)]
    table = rng.normal(size=(11, E)).astype(np.float32)
    head = table if tied else rng.normal(size=(11, H)).astype(np.float32)
    return layers, table, head, rng.normal(size=11).astype(np.float32)


@pytest.mark.parametrize("tied", ["no", "by name", "by absence"])
def test_the_logits_are_those_of_the_equations(tied):
    layers, table, head, bias = language_model(E=5 if tied == "no" else 6, tied=tied != "no")
    logits = by_the_equations(layers, table[TOKENS]) @ head.T
    tables = {"encoder.weight": table, "decoder.weight": head, "decoder.bias": bias}
    if tied == "by absence":
        tables = {"encoder.weight": table}
    else:
        logits += bias
    model, params = read_lstm_language_model(torch_named(layers, "rnn.") | tables)
    assert model == LSTMLanguageModel(
        11, width=6, embedding_width=table.shape[1], layers=2, tied=tied != "no"
    )
    expected = {name: a.shape for name, a in model.init(0).items()}
    assert {name: a.shape for name, a in params.items()} == expected
    np.testing.assert_array_equal(params["token_embedding"], table)
    np.testing.assert_allclose(model.forward(params, TOKENS)[0], logits, atol=2e-5)


def test_a_language_model_of_keras(tmp_path):
    layers, table, head, bias = language_model()
    logits = by_the_equations(layers, table[TOKENS]) @ head.T + bias
    arrays = keras(layers) | {
        "sequential/embedding/embeddings": table, "sequential/dense/kernel": head.T,
        "sequential/dense/bias": bias,
    }  # fmt: skip
    np.savez(tmp_path / "a.npz", **arrays)
    named = {"embedding": "sequential/embedding/embeddings", "head": "sequential/dense/kernel"}
    for names in ({}, named):  # the ends of the names say it, too
        model, params = read_lstm_language_model(tmp_path / "a.npz", **names)
        np.testing.assert_allclose(model.forward(params, TOKENS)[0], logits, atol=2e-5)
    with pytest.raises(ValueError, match="no array is called embedding"):  # which of two?
        read_lstm_language_model(arrays | {"other/embedding/embeddings": table})
    arrays = {f"{name.removeprefix('sequential/')}:0": a for name, a in arrays.items()}
    model, params = read_lstm_language_model(arrays)  # the names that TensorFlow gave
    np.testing.assert_allclose(model.forward(params, TOKENS)[0], logits, atol=2e-5)


def test_the_bias_of_another_part_is_not_the_head_s():
    layers, table, head, bias = language_model()
    arrays = torch_named(layers) | {"embedding.weight": table, "decoder.weight": head}
    _, params = read_lstm_language_model(arrays | {"other.decoder.bias": bias})
    assert not params["head.b"].any()
    inside = {"embedding.weight": table, "model.decoder.weight": head, "model.decoder.bias": bias}
    _, params = read_lstm_language_model(torch_named(layers) | inside)
    assert (params["head.b"] == bias).all()


def test_a_head_named_by_its_end_keeps_its_bias():
    layers, table, head, bias = language_model()
    arrays = torch_named(layers[:1]) | {"embedding.weight": table}  # one layer is enough, too
    for named, w in (("fc.weight", head), ("fc/kernel", head.T), ("fc/kernel:0", head.T)):
        b_name = named.replace("weight", "bias").replace("kernel", "bias")
        inside = {f"model.{named}": w, f"model.{b_name}": bias}
        model, params = read_lstm_language_model(arrays | inside, head=named.removesuffix(":0"))
        assert (model.layers, model.width) == (1, 6)
        np.testing.assert_array_equal(params["head.w"], head.T)
        np.testing.assert_array_equal(params["head.b"], bias)


def test_an_unscaled_embedding_would_be_another_model():
    layers, table, head, bias = language_model()
    arrays = torch_named(layers) | {"embedding.weight": table, "head.weight": head,
                                    "head.bias": bias}  # fmt: skip
    model, params = read_lstm_language_model(arrays)
    params["lstm.0.w_x"] = params["lstm.0.w_x"] * math.sqrt(5)
    wrong, _ = model.forward(params, TOKENS)
    logits = by_the_equations(layers, table[TOKENS]) @ head.T + bias
    assert np.abs(wrong - logits).max() > 0.1


@pytest.mark.parametrize(
    ("change", "names", "message"),
    [
        ({"embedding.weight": None}, {}, "no array is called embedding.weight or encoder.weight"),
        ({}, {"embedding": "table"}, "no array is called table; there are 11"),
        ({}, {"head": "out"}, "no array is called out"),
        ({"head.weight": None, "head.bias": None}, {}, "of width 5 is no head .* of width 6"),
        ({"head.weight": None}, {}, "head.weight or dense/kernel; the table of width 5 is no"),
        ({"head.weight": np.ones((6, 11))}, {}, r"head.weight must have shape \(11, 6\)"),
        ({"head.bias": np.ones(6)}, {}, r"head.bias must have shape \(11,\), got \(6,\)"),
        ({"embedding.weight": np.ones((11, 4))}, {}, r"table must have shape \(V, 5\)"),
        ({"embedding.weight": np.ones((11, 5, 1))}, {}, r"table must have shape \(V, 5\)"),
        ({"embedding.weight": np.ones(11)}, {}, r"shape \(V, 5\), .* got \(11,\)"),
        ({"head.weight": np.full((11, 6), np.inf)}, {}, "head.weight holds 66"),
        ({"embedding.weight": np.ones((11, 5), int)}, {}, "embedding.weight must hold floats"),
    ],
)
def test_tables_that_do_not_fit_are_named(change, names, message):
    layers, table, head, bias = language_model()
    arrays = torch_named(layers) | {"embedding.weight": table, "head.weight": head,
                                    "head.bias": bias}  # fmt: skip
    arrays |= change
    arrays = {name: a for name, a in arrays.items() if a is not None}
    with pytest.raises(ValueError, match=message):
        read_lstm_language_model(arrays, **names)


def test_a_head_of_another_name_is_not_passed_over():
    layers, table, head, bias = language_model(E=6)
    arrays = torch_named(layers) | {"embedding.weight": table, "fc.weight": head, "fc.bias": bias}
    with pytest.raises(ValueError, match=r"of 11 rows .* there are 2: fc\.bias, fc\.weight: name"):
        read_lstm_language_model(arrays)
    model, params = read_lstm_language_model(arrays, head="fc.weight")
    assert not model.tied
    np.testing.assert_array_equal(params["head.w"], head.T)
    assert read_lstm_language_model(arrays, head="embedding.weight")[0].tied


def test_layers_of_several_widths_are_no_language_model_of_ours():
    arrays = torch_named(three_layers()) | {"embedding.weight": np.ones((11, 5), np.float32)}
    with pytest.raises(ValueError, match=r"the same width, got \[4, 3, 6\]"):
        read_lstm_language_model(arrays)


@pytest.mark.oracle
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("bias", [True, False])
def test_the_outputs_are_torchs(tmp_path, layers, bias):
    import torch

    torch.manual_seed(layers)
    peer = torch.nn.LSTM(5, 6, num_layers=layers, batch_first=True, bias=bias)
    np.savez(tmp_path / "a.npz", **{name: w.numpy() for name, w in peer.state_dict().items()})
    x = some_input()
    with torch.no_grad():
        expected, _ = peer(torch.from_numpy(x))
    for source in (tmp_path / "a.npz", peer.state_dict()):
        found = read_lstm_layers(source)
        np.testing.assert_allclose(ours(found, x), expected.numpy(), atol=1e-5)


@pytest.mark.oracle
def test_the_logits_are_torchs(tmp_path):
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    peer = torch.nn.ModuleDict({
        "encoder": torch.nn.Embedding(11, 5),
        "rnn": torch.nn.LSTM(5, 6, num_layers=2, batch_first=True),
        "decoder": torch.nn.Linear(6, 11),
    })
    save_file(peer.state_dict(), tmp_path / "a.safetensors")
    with torch.no_grad():
        h, _ = peer["rnn"](peer["encoder"](torch.from_numpy(TOKENS)))
        expected = peer["decoder"](h).numpy()
    model, params = read_lstm_language_model(tmp_path / "a.safetensors")
    np.testing.assert_allclose(model.forward(params, TOKENS)[0], expected, atol=1e-5)


@pytest.mark.oracle
def test_the_outputs_are_onnxs():
    from onnx import TensorProto, helper
    from onnx.reference import ReferenceEvaluator

    arrays, x = onnx_named([gates(0, 5, 4)]), some_input()
    names = ["X", "W", "R", "B"]
    node = helper.make_node("LSTM", names, ["Y", "Y_h", "Y_c"], hidden_size=4)
    graph = helper.make_graph(
        [node], "lstm",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names],
        [helper.make_tensor_value_info("Y", TensorProto.FLOAT, None)],
    )  # fmt: skip
    evaluator = ReferenceEvaluator(helper.make_model(graph))
    inputs = {"X": x.swapaxes(0, 1), **{name: arrays[f"0/{name}"] for name in "WRB"}}
    (y,) = evaluator.run(["Y"], inputs)  # (T, directions, B, H)
    np.testing.assert_allclose(
        ours(read_lstm_layers(arrays), x), np.asarray(y)[:, 0].swapaxes(0, 1), atol=1e-5
    )
