"""Notebook 12: its functions against transformers, ONNX and gguf; the hints of wrong answers.

Only tests marked `oracle` read the real model's files.
"""

import ast
import math
from pathlib import Path

import numpy as np
import pytest

from minilm import quantize
from minilm.compression import quantize_activations
from minilm.course import verdict
from minilm.course.exercises import EXERCISES

SOURCE = Path(__file__).parents[2] / "notebooks" / "source" / "12_a_real_bert.py"
TREE = ast.parse(SOURCE.read_text(encoding="utf-8"))


def from_notebook(*names, **given):
    """Functions as the notebook defines them; given: what else they need."""
    found = [n for n in TREE.body if isinstance(n, ast.FunctionDef) and n.name in names]
    space = {"np": np, "math": math, **given}
    exec(compile(ast.Module(found, []), str(SOURCE), "exec"), space)
    return space[names[0]]


def hint(name, answer):
    given = verdict(EXERCISES[name], answer)
    assert given.state == "wrong", given
    return given.hint


def test_pieces_of_a_word_by_hand():
    pieces_of = from_notebook("pieces_of", vocabulary={"play", "##ing", "##i", "##ng", "pl"})
    assert pieces_of("playing") == ["play", "##ing"]
    assert pieces_of("plays") == ["[UNK]"]
    assert pieces_of("play") == ["play"]


def mean_of(weights):
    return lambda hidden, mask: np.einsum("btd,bt->bd", hidden, weights(mask))


@pytest.mark.parametrize(
    "answer, words",
    [(lambda h, m: h.mean(axis=1), "padding was counted"),
     (mean_of(lambda m: m / m.shape[1]), "divided by T"),
     (mean_of(lambda m: m / m.sum()), "own number of tokens"),
     (mean_of(lambda m: m.astype(float)), "sum of the tokens"),
     (mean_of(lambda m: ~m / np.maximum(6 - m.sum(axis=1, keepdims=True), 1)), "True at a token"),
     (lambda h, m: h[:, 0], "first token"),
     (lambda h, m: h, "should give (B, D)"),
     (lambda h, m: h[:, 0] / np.linalg.norm(h[:, 0], axis=1, keepdims=True), "should have")],
)  # fmt: skip
def test_hints_for_mean_pooling(answer, words):
    assert words in hint("mean_pooling", answer)


def cosines(a, b):
    return (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


@pytest.mark.parametrize(
    "answer, words",
    [(lambda a, b: cosines(a, b).mean(), "one minus it"),
     (lambda a, b: 1 - (a * b).sum(axis=1).mean(), "by its length"),
     (lambda a, b: 1 - (a * b).sum() / np.linalg.norm(a) / np.linalg.norm(b), "of its own"),
     (lambda a, b: 1 - cosines(a.mean(axis=0)[None], b.mean(axis=0)[None])[0], "mean vectors"),
     (lambda a, b: (1 - cosines(np.float64(a), np.float64(b))).sum(), "not the sum"),
     (lambda a, b: 1 - cosines(a, b).sum(), "not their sum"),
     (lambda a, b: 1 - cosines(a, b), "one number"),
     (lambda a, b: 1 - cosines(a, b).mean(), "float64")],
)  # fmt: skip
def test_hints_for_the_drift(answer, words):
    assert words in hint("cosine_drift", answer)


def test_float64_is_enough_without_any_trick():
    assert verdict(
        EXERCISES["cosine_drift"],
        lambda a, b: 1 - cosines(a.astype(np.float64), b.astype(np.float64)).mean(),
    ).state == "right"


def sticking_out(size, middle=np.median):
    def answer(x, factor):
        found = size(x)
        return [c for c in np.argsort(-found) if found[c] > factor * middle(found)]

    return answer


@pytest.mark.parametrize(
    "answer, words",
    [(sticking_out(lambda x: x.max(axis=0)), "take magnitudes"),
     (sticking_out(lambda x: np.abs(x).max(axis=0), np.mean), "enlarge the mean"),
     (sticking_out(lambda x: np.abs(x).mean(axis=0)), "not its mean one"),
     (sticking_out(lambda x: np.abs(x).max(axis=0), lambda _: 0.5), "median of all numbers"),
     (lambda x, f: sticking_out(lambda x: np.abs(x).max(axis=0))(x, f)[::-1], "largest first"),
     (lambda x, f: [-1], "counted from 0"),
     (lambda x, f: [], "should be 4")],
)  # fmt: skip
def test_hints_for_outliers(answer, words):
    assert words in hint("outlier_channels", answer)


def in_four_bits(bits=4, **how):
    return lambda w, x: quantize(w, bits, **how)


@pytest.mark.parametrize(
    "answer, words",
    [(lambda w, x: quantize(w, 4, axis=-1).dense(), "32 bits a weight"),
     (in_four_bits(5, axis=-1), "4.6 are"), (in_four_bits(axis=-1, group_size=16), "groups"),
     (in_four_bits(axis=None), "scale of its own"), (in_four_bits(axis=-1), "inputs help most"),
     (in_four_bits(axis=-1, group_size=64, objective="mse"), "let x say"),
     (lambda w, x: quantize(w.T, 4, axis=-1), "shape"), (lambda w, x: "w", "return a weight")],
)  # fmt: skip
def test_hints_for_four_bits(answer, words):
    assert words in hint("rescue", answer)


@pytest.mark.parametrize("group_size", [None, 64, 128])
def test_any_grid_of_gptq_rescues_four_bits(group_size):
    def answer(w, x):
        return quantize(w, 4, axis=-1, group_size=group_size, rounding="gptq", calibration=x)

    assert verdict(EXERCISES["rescue"], answer).state == "right"


@pytest.mark.oracle
def test_the_forward_pass_by_hand_gives_the_hidden_states_of_transformers():
    import torch
    from transformers import BertModel

    from minilm.pretrained import find_model, load_pretrained

    name = "all-MiniLM-L6-v2"
    encoder = load_pretrained(name)
    phi = np.vectorize(lambda x: 0.5 * (1 + math.erf(x / math.sqrt(2))), otypes=[np.float32])
    bert = from_notebook("bert", "norm", "attention", "feed_forward", params=encoder.params,
                         phi=phi, HEADS=12)
    text = "The snail was embarrassed by 3 zyzzyvas."
    ids = np.array([101, *encoder.tokenizer.encode(text), 102])
    theirs = BertModel.from_pretrained(find_model(name), add_pooling_layer=False).eval()
    with torch.no_grad():
        states = theirs(torch.from_numpy(ids)[None], output_hidden_states=True).hidden_states
    ours = bert(ids)
    minilm_s = encoder.model.forward(encoder.params, ids[None])[1]["hidden_states"]
    assert len(ours) == len(states) == len(minilm_s) == 7
    for by_hand, own, state in zip(ours, minilm_s, states, strict=True):
        wanted = state[0].numpy()
        for found in (by_hand, own[0]):
            assert np.abs(found - wanted).max() <= 1e-5 * np.abs(wanted).max()


@pytest.mark.oracle
def test_dynamic_quantize_linear_is_onnx_s():
    import onnx
    from onnx.reference import ReferenceEvaluator

    dynamic_quantize_linear = from_notebook("dynamic_quantize_linear")
    f, u = onnx.TensorProto.FLOAT, onnx.TensorProto.UINT8
    node = onnx.helper.make_node("DynamicQuantizeLinear", ["x"], ["codes", "scale", "zero"])
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [node], "one", [value("x", f, [None, None])],
        [value("codes", u, [None, None]), value("scale", f, []), value("zero", u, [])],
    )  # fmt: skip
    opset = [onnx.helper.make_opsetid("", 13)]
    run = ReferenceEvaluator(onnx.helper.make_model(graph, opset_imports=opset, ir_version=8))
    rng = np.random.default_rng(0)
    for shift in (0, 3, -40):
        x = (rng.standard_normal((20, 64)) + shift).astype(np.float32)
        codes, scale, zero = run.run(None, {"x": x})
        ours = dynamic_quantize_linear(x)
        assert np.array_equal(codes, ours[0])
        assert np.isclose(scale, ours[1]) and zero == ours[2]
        identity = {"w": np.eye(64, dtype=np.float32)}
        rounding = quantize_activations(identity, 8, by="tensor", symmetric=False)["w"]
        assert np.allclose(x @ rounding, scale * (codes.astype(np.float32) - zero), atol=1e-5)


@pytest.mark.oracle
def test_q8_0_is_gguf_s():
    from gguf import GGMLQuantizationType, quants

    x = np.random.default_rng(0).standard_normal((8, 64)).astype(np.float32)
    x[0, 3], x[1, :32] = 40, 0
    kind = GGMLQuantizationType.Q8_0
    theirs = quants.dequantize(quants.quantize(x, kind), kind)
    assert np.array_equal(from_notebook("q8_0")(x), theirs)
