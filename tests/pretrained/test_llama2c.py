import dataclasses
import math
import os
import struct
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minilm.compression import quantize
from minilm.models import LSTMLanguageModel, TransformerLanguageModel
from minilm.nn import rotary
from minilm.pretrained.llama2c import read_llama2c
from minilm.pretrained.llama2c_format import HEADER_BYTES, MAGIC, Header, halves, pairs
from minilm.pretrained.llama2c_format import parsed_header as parsed
from minilm.pretrained.write_llama2c import write_llama2c
from minilm.weights import QuantizedTensor, as_dense, flatten, thaw

SIZES = {"dim": 24, "hidden_dim": 32, "n_layers": 2, "n_heads": 4, "n_kv_heads": 2,
         "vocab_size": 20, "seq_len": 11}  # fmt: skip
TOKENS = np.random.default_rng(5).integers(0, 20, (2, 9))


def theirs(seed=0, tied=True, **other):
    """Random tensors as llama2.c calls and lays them out, each (layers, out, in)."""
    rng = np.random.default_rng(seed)
    sizes = SIZES | other
    D, F, L, H, G, V, _ = sizes.values()
    few = D // H * G
    shapes = {
        "token_embedding": (V, D), "rms_att": (L, D), "wq": (L, D, D), "wk": (L, few, D),
        "wv": (L, few, D), "wo": (L, D, D), "rms_ffn": (L, D), "w1": (L, F, D), "w2": (L, D, F),
        "w3": (L, F, D), "rms_final": (D,), "wcls": (V, D),
    }  # fmt: skip
    scales = {"token_embedding": 1.0, "rms_att": 0.3, "rms_ffn": 0.3, "rms_final": 0.3}
    w = {
        name: (scales.get(name, 0.4) * rng.normal(size=shape)).astype(np.float32)
        for name, shape in shapes.items()
    }
    if tied:
        del w["wcls"]
    return w, sizes


def sevens(sizes):
    return struct.pack("<7i", *sizes.values())


def version_0(w, sizes):
    tied = "wcls" not in w
    V = sizes["vocab_size"]
    d = sizes["dim"] // sizes["n_heads"]
    t, i = np.arange(sizes["seq_len"]), np.arange(0, d, 2)
    circles = np.exp(1j * t[:, None] / 10000 ** (i / d))
    angles = np.stack([circles.real, circles.imag]).astype(np.float32)
    order = ["token_embedding", "rms_att", "wq", "wk", "wv", "wo", "rms_ffn", "w1", "w2", "w3",
             "rms_final"]  # fmt: skip
    floats = [w[name] for name in order] + [angles] + ([] if tied else [w["wcls"]])
    header = sevens(sizes | {"vocab_size": V if tied else -V})
    return header + b"".join(a.tobytes() for a in floats)


MATRICES = ["token_embedding", "wq", "wk", "wv", "wo", "w1", "w2", "w3"]


def version_1(w, sizes):
    tied = "wcls" not in w
    order = ["rms_att", "rms_ffn", "rms_final", *MATRICES] + ([] if tied else ["wcls"])
    header = b"24ka" + struct.pack("<i", 1) + sevens(sizes) + bytes([tied])
    return header.ljust(256, b"\0") + b"".join(w[name].tobytes() for name in order)


def version_2(w, sizes, group=8):
    """The file, and the floats that its codes stand for."""
    tied = "wcls" not in w
    header = b"24ka" + struct.pack("<i", 2) + sevens(sizes) + bytes([tied])
    file = (header + struct.pack("<i", group)).ljust(256, b"\0")
    file += b"".join(w[name].tobytes() for name in ("rms_att", "rms_ffn", "rms_final"))
    meant = dict(w)
    for name in MATRICES + ([] if tied else ["wcls"]):
        layers = w[name] if w[name].ndim == 3 else w[name][None]
        meant[name] = np.empty(w[name].shape, np.float32)
        for layer, out in zip(layers, meant[name].reshape(layers.shape), strict=True):
            groups = layer.reshape(-1, group)
            scales = np.abs(groups).max(axis=1) / np.float32(127)
            codes = np.rint(groups / scales[:, None]).astype(np.int8)
            file += codes.tobytes() + scales.tobytes()
            out[:] = (codes * scales[:, None]).reshape(out.shape)
    return file, meant


def every_version(tied=True, **other):
    """(file, the floats meant, the sizes) of versions 0, 1 and 2."""
    w, sizes = theirs(tied=tied, **other)
    file, meant = version_2(w, sizes)
    return [(version_0(w, sizes), w, sizes), (version_1(w, sizes), w, sizes), (file, meant, sizes)]


def written(path, file):
    path.unlink(missing_ok=True)  # ten times as fast as to write over it
    path.write_bytes(file)
    return path


def llama(w, sizes, tokens):
    """The logits in float64, in complex numbers: q e^(i t θ), of neighbours (x_{2i}, x_{2i+1})."""
    D, _, L, H, G, _, _ = sizes.values()
    d = D // H
    turn = np.exp(1j * np.arange(len(tokens))[:, None, None] / 10000 ** (np.arange(0, d, 2) / d))

    def norm(x, gain):
        return x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-5) * gain

    def turned(x, heads):
        x = x.reshape(len(x), heads, d // 2, 2)
        return (x[..., 0] + 1j * x[..., 1]) * turn

    w = {name: a.astype(np.float64) for name, a in w.items()}
    x = w["token_embedding"][tokens]
    for layer in range(L):
        now = {name: a[layer] for name, a in w.items() if name.startswith(("w", "rms_a", "rms_ff"))}
        y = norm(x, now["rms_att"])
        q, k = turned(y @ now["wq"].T, H), turned(y @ now["wk"].T, G)
        v = (y @ now["wv"].T).reshape(len(x), G, d)
        heads = []
        for h in range(H):
            g = h // (H // G)
            scores = (q[:, h] @ k[:, g].conj().T).real / math.sqrt(d)
            scores[np.triu_indices(len(x), 1)] = -np.inf
            p = np.exp(scores - scores.max(-1, keepdims=True))
            heads.append(p / p.sum(-1, keepdims=True) @ v[:, g])
        x = x + np.concatenate(heads, -1) @ now["wo"].T
        y = norm(x, now["rms_ffn"])
        gate = y @ now["w1"].T
        x = x + (gate / (1 + np.exp(-gate)) * (y @ now["w3"].T)) @ now["w2"].T
    return norm(x, w["rms_final"]) @ w.get("wcls", w["token_embedding"]).T


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("kv_heads", [4, 2, 1])
def test_the_logits_are_those_of_the_equations(tmp_path, tied, kv_heads):
    for file, w, sizes in every_version(tied, n_kv_heads=kv_heads):
        model, params = read_llama2c(written(tmp_path / "m.bin", file))
        logits, _ = model.forward(params, TOKENS)
        assert logits.dtype == np.float32
        for row, tokens in zip(logits, TOKENS, strict=True):
            np.testing.assert_allclose(row, llama(w, sizes, tokens), atol=1e-4)


def test_without_the_permutation_nothing_fails_but_the_logits(tmp_path):
    (file, w, sizes), *_ = every_version()
    model, params = read_llama2c(written(tmp_path / "m.bin", file))
    for layer in range(2):
        qkv = [w[name][layer].T for name in ("wq", "wk", "wv")]
        params[f"block.{layer}.attention.w_qkv"] = np.concatenate(qkv, axis=1)
    logits, _ = model.forward(params, TOKENS)
    assert np.abs(logits[0] - llama(w, sizes, TOKENS[0])).max() > 0.1


def test_the_model_is_what_the_header_says(tmp_path):
    for file, _, _ in every_version(tied=False):
        model, params = read_llama2c(written(tmp_path / "m.bin", file))
        assert model == TransformerLanguageModel(
            20, width=24, layers=2, heads=4, key_value_heads=2, context=11, feed_forward=32,
            tied=False, positions="rotary", normalization="rms", activation="swiglu",
            biases=False, norm_eps=1e-5,
        )  # fmt: skip
        expected = {name: a.shape for name, a in model.init(0).items()}
        assert {name: a.shape for name, a in params.items()} == expected


def test_pairs_become_halves_head_by_head():
    rows = np.array(list("abcdABCD"))[:, None]  # two heads of four
    assert "".join(halves(rows, 2)[:, 0]) == "acbdACBD"
    assert "".join(pairs(halves(rows, 2), 2)[:, 0]) == "abcdABCD"


@given(st.integers(1, 4), st.integers(1, 5), st.integers(0, 99))
def test_ours_of_halves_is_halves_of_theirs(heads, pairs_each, seed):
    rng = np.random.default_rng(seed)
    d, T = 2 * pairs_each, 6
    x = rng.normal(size=(heads * d, T))  # each column is what the rows of w_q make at one place
    t, i = np.arange(T), np.arange(pairs_each)
    turn = np.exp(1j * t / 10000 ** (2 * i[:, None] / d))
    by_pair = x.reshape(heads, pairs_each, 2, T)
    complex_x = (by_pair[:, :, 0] + 1j * by_pair[:, :, 1]) * turn
    turned = np.stack([complex_x.real, complex_x.imag], axis=2).reshape(x.shape)
    ours, _ = rotary(halves(x, heads).reshape(heads, d, T).swapaxes(1, 2))
    np.testing.assert_allclose(ours.swapaxes(1, 2).reshape(x.shape), halves(turned, heads))


def test_codes_and_scales_are_those_of_the_file(tmp_path):
    w, sizes = theirs(tied=False)
    file, meant = version_2(w, sizes)
    _, params = read_llama2c(written(tmp_path / "m.bin", file))
    for name, leaf in params.items():
        assert isinstance(leaf, QuantizedTensor) == ("gain" not in name)
    assert params["token_embedding"].group_size == 8
    assert params["token_embedding"].axis == 0
    np.testing.assert_array_equal(params["token_embedding"].dense(), meant["token_embedding"])
    np.testing.assert_array_equal(params["head.w"].dense(), meant["wcls"].T)
    np.testing.assert_array_equal(params["block.1.feed_forward.w_down"].dense(), meant["w2"][1].T)
    fused = params["block.1.attention.w_qkv"].dense()
    np.testing.assert_array_equal(fused[:, 36:], meant["wv"][1].T)
    np.testing.assert_array_equal(fused[:, :3], meant["wq"][1][[0, 2, 4]].T)
    np.testing.assert_array_equal(fused[:, 3:6], meant["wq"][1][[1, 3, 5]].T)


def test_groups_that_begin_in_one_row_and_end_in_the_next_share_their_scale(tmp_path):
    w, sizes = theirs(hidden_dim=20)
    file, meant = version_2(w, sizes)
    model, params = read_llama2c(written(tmp_path / "m.bin", file))
    down = params["block.0.feed_forward.w_down"]
    assert down.group_size == 4
    np.testing.assert_array_equal(down.dense(), meant["w2"][0].T)
    logits, _ = model.forward(params, TOKENS)
    np.testing.assert_allclose(logits[0], llama(meant, sizes, TOKENS[0]), atol=1e-4)


def test_scales_at_odd_bytes(tmp_path):
    w, sizes = theirs(dim=6, n_heads=1, n_kv_heads=1, hidden_dim=3, vocab_size=7, n_layers=1)
    file, meant = version_2(w, sizes, group=3)
    _, params = read_llama2c(written(tmp_path / "m.bin", file))
    table = params["token_embedding"]
    np.testing.assert_array_equal(table.dense(), meant["token_embedding"])
    assert table.scales.flags.aligned


def test_a_table_of_many_rows(tmp_path):
    w, sizes = theirs(dim=8, n_heads=1, n_kv_heads=1, hidden_dim=8, vocab_size=9001, n_layers=1)
    file, meant = version_2(w, sizes)
    _, params = read_llama2c(written(tmp_path / "m.bin", file))
    np.testing.assert_array_equal(params["token_embedding"].dense(), meant["token_embedding"])


PEAK = """
import os, sys
from minilm.pretrained.llama2c import read_llama2c
def kilobytes(of):
    return int(next(line for line in open("/proc/self/status") if line.startswith(of)).split()[1])
before = kilobytes("VmRSS")
model, params = read_llama2c(sys.argv[1])
print((kilobytes("VmHWM") - before) * 1024 / os.path.getsize(sys.argv[1]))
"""


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="asks Linux for the peak")
@pytest.mark.parametrize("tied", [True, False])
def test_the_peak_of_memory_is_little_more_than_the_file(tmp_path, tied):
    model = TransformerLanguageModel(
        32000, width=288, layers=4, heads=6, context=256, feed_forward=768, tied=tied,
        positions="rotary", normalization="rms", activation="swiglu", biases=False,
    )  # fmt: skip
    params = model.init(0)
    for group in (None, 32):
        write_llama2c(tmp_path / "m.bin", model, params, group_size=group)
        command = [sys.executable, "-c", PEAK, str(tmp_path / "m.bin")]
        peak = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert float(peak) < 1.15


def test_the_size_of_a_model_of_fifteen_million():
    header = Header(288, 768, 6, 6, 6, 32000, 256, tied=True, version=0)
    # 28 bytes, the table, six layers, the last norm, two tables of angles
    layer = 2 * 288 + 4 * 288 * 288 + 3 * 288 * 768
    assert header.file_bytes() == 28 + 4 * (32000 * 288 + 6 * layer + 288 + 2 * 256 * 24)
    assert header.file_bytes() == 60_816_028
    assert dataclasses.replace(header, version=1).file_bytes() == 60_816_028 + 228 - 8 * 256 * 24


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("group", [None, 4, 8])
@pytest.mark.parametrize("kv_heads", [4, 2])
def test_what_is_written_is_read_again(tmp_path, tied, group, kv_heads):
    (file, _, _), *_ = every_version(tied, n_kv_heads=kv_heads)
    model, params = read_llama2c(written(tmp_path / "m.bin", file))
    write_llama2c(tmp_path / "a.bin", model, params, group_size=group)
    again, back = read_llama2c(tmp_path / "a.bin")
    assert again == model
    if group is None:
        for name, w in params.items():
            np.testing.assert_array_equal(back[name], w)
        assert (tmp_path / "a.bin").read_bytes() == file
    else:
        for name, w in params.items():
            table = name == "token_embedding"
            if w.ndim == 2:
                w = quantize(w, 8, axis=0 if table else -1, group_size=group).dense()
            np.testing.assert_array_equal(as_dense(back[name]), w)
    write_llama2c(tmp_path / "b.bin", again, back, group_size=group)
    assert (tmp_path / "a.bin").read_bytes() == (tmp_path / "b.bin").read_bytes()


def test_codes_of_the_format_are_written_as_they_are(tmp_path):
    file, _ = version_2(*theirs(tied=False))
    model, params = read_llama2c(written(tmp_path / "m.bin", file))
    write_llama2c(tmp_path / "a.bin", model, params, group_size=8)
    assert (tmp_path / "a.bin").read_bytes() == file
    # fewer bits fit into eight, and a channel's one scale is that of each of its groups
    for scheme in ({"bits": 8}, {"bits": 3, "group_size": 8}, {"bits": 1}):
        other = quantize(thaw(params), **scheme)
        write_llama2c(tmp_path / "b.bin", model, other, group_size=8)
        for name, w in read_llama2c(tmp_path / "b.bin")[1].items():
            np.testing.assert_array_equal(as_dense(w), as_dense(other[name]))


@pytest.mark.parametrize("scheme", [
    {"symmetric": False}, {"bits": 16}, {"grid": "lloyd_max"}, {"group_size": 4},
])
def test_codes_of_another_kind_are_quantized_anew(tmp_path, scheme):
    (file, _, _), *_ = every_version(tied=False)
    model, params = read_llama2c(written(tmp_path / "m.bin", file))
    other = quantize(params, **{"bits": 8, "group_size": 8, **scheme})
    write_llama2c(tmp_path / "a.bin", model, other, group_size=8)
    for name, w in read_llama2c(tmp_path / "a.bin")[1].items():
        meant = as_dense(other[name])
        np.testing.assert_allclose(as_dense(w), meant, atol=np.abs(meant).max() / 250)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"norm_eps": 1e-6}, "norm_eps=1e-05, got 1e-06"),
        ({"activation": "gelu"}, "activation='swiglu', got 'gelu'"),
        ({"rotary_base": 500.0}, "rotary_base=10000.0"),
        ({"normalization": "layer"}, "normalization='rms'"),
        ({"biases": True}, "biases=False"),
        ({"positions": "learned"}, "positions='rotary'"),
        ({"norm": "post"}, "norm='pre'"),
        ({"feed_forward": 16}, r"w_gate must have shape \(24, 16\), got \(24, 32\)"),
    ],
)
def test_what_llama2c_cannot_run_is_not_written(tmp_path, change, message):
    (file, _, _), *_ = every_version()
    model, params = read_llama2c(written(tmp_path / "m.bin", file))
    with pytest.raises(ValueError, match=message):
        write_llama2c(tmp_path / "a.bin", dataclasses.replace(model, **change), params)
    for size in (5, 16, 0, -8, 8.0, "8"):
        with pytest.raises(ValueError, match=f"divides the widths 24 and 32, .* got {size!r}"):
            write_llama2c(tmp_path / "a.bin", model, params, group_size=size)
    assert not (tmp_path / "a.bin").exists()


@pytest.mark.parametrize("group", [None, 8])
def test_parameters_that_are_not_the_models_are_not_written(tmp_path, group):
    (file, _, _), *_ = every_version()
    model, params = read_llama2c(written(tmp_path / "m.bin", file))
    path, w_qkv = tmp_path / "a.bin", "block.1.attention.w_qkv"
    for name, w, message in [
        (w_qkv, params[w_qkv][:, :36], r"w_qkv must have shape \(24, 48\), got \(24, 36\)"),
        (w_qkv, None, r"w_qkv must have shape \(24, 48\), got nothing"),
        (w_qkv, params[w_qkv] * np.inf, "inite"),
        ("norm.gain", params["norm.gain"] * np.nan, r"norm\.gain holds 24"),
        ("norm.gain", np.ones(8, np.float32), r"norm\.gain must have shape \(24,\), got \(8,\)"),
        ("token_embedding", params["token_embedding"].T, r"shape \(20, 24\), got \(24, 20\)"),
    ]:
        with pytest.raises(ValueError, match=message):
            write_llama2c(path, model, params | {name: w}, group_size=group)
    assert not path.exists()


def test_what_is_no_such_model_or_has_no_finite_scales_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="runs a TransformerLanguageModel only, got LSTM"):
        write_llama2c(tmp_path / "a.bin", LSTMLanguageModel(20, width=8), {})
    (file, _, _), *_ = every_version()
    model, params = read_llama2c(written(tmp_path / "m.bin", file))
    name = "block.1.attention.w_out"
    leaf = quantize(params[name], 8, axis=-1, group_size=8)
    leaf.scales[3] = np.inf
    with pytest.raises(ValueError, match=r"scales of block\.1\.attention\.w_out holds 3"):
        write_llama2c(tmp_path / "a.bin", model, params | {name: leaf}, group_size=8)
    assert not (tmp_path / "a.bin").exists()


def header_with(version=1, tied=1, group=0, **sizes):
    header = struct.pack("<Ii", MAGIC, version) + sevens(SIZES | sizes)
    return (header + struct.pack("<Bi", tied, group)).ljust(HEADER_BYTES, b"\0")


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (b"", "at least 28 bytes, got 0"),
        (b"\0" * 256, "dim must be at least 1, got 0"),
        (b"PK\3\4" * 64, "n_heads must split|must divide"),
        (header_with()[:100], "has 256 bytes, got 100"),
        (header_with(version=3), "version must be 1 or 2, got 3"),
        (header_with(version=-1), "version must be 1 or 2, got -1"),
        (header_with(tied=2), "must be 0 or 1, got 2"),
        (header_with(group=8), "filled up with zeros"),
        (header_with(vocab_size=-20), "vocab_size must be at least 1, got -20"),
        (header_with(n_layers=0), "n_layers must be at least 1"),
        (header_with(n_heads=5), "n_heads must split dim=24 .* got 5"),
        (header_with(n_heads=8), "heads of an even width, got 8"),
        (header_with(n_kv_heads=3), "n_kv_heads must divide 4, got 3"),
        (header_with(seq_len=2**31 - 1), "seq_len must be at most 16777216"),
        (header_with(version=2, group=0), "group_size must divide .* got 0"),
        (header_with(version=2, group=-8), "group_size must divide .* got -8"),
        (header_with(version=2, group=7), "divide the 20 × 24 numbers of token_embedding, got 7"),
    ],
)
def test_a_header_that_is_none_is_named(tmp_path, header, message):
    with pytest.raises(ValueError, match=message):
        parsed(header)
    with pytest.raises(ValueError, match=f"m.bin is no checkpoint of llama2.c: .*({message})"):
        read_llama2c(written(tmp_path / "m.bin", header))


def test_the_length_must_fit_the_header(tmp_path):
    for file, _, _ in every_version():
        for wrong in (file[:-1], file + b"\0", file[:300]):
            message = f"takes {len(file)} bytes, the file has {len(wrong)}"
            with pytest.raises(ValueError, match=message):
                read_llama2c(written(tmp_path / "m.bin", wrong))
    with pytest.raises(FileNotFoundError):
        read_llama2c(tmp_path / "none.bin")


def test_numbers_that_are_not_finite_are_named(tmp_path):
    w, sizes = theirs()
    w["w2"][1, 3, 4] = np.nan
    with pytest.raises(ValueError, match=r"block\.1\.feed_forward\.w_down holds 1"):
        read_llama2c(written(tmp_path / "m.bin", version_1(w, sizes)))
    w, sizes = theirs()
    w["rms_ffn"][1, 3] = np.inf
    with pytest.raises(ValueError, match=r"block\.1\.norm_2\.gain holds 1"):
        read_llama2c(written(tmp_path / "m.bin", version_0(w, sizes)))
    file, _ = version_2(*theirs())
    file = file[:-4] + struct.pack("<f", -1.0)  # the last scale of the last layer's w3
    with pytest.raises(ValueError, match=r"block\.1\.feed_forward\.w_up: scales must be finite"):
        read_llama2c(written(tmp_path / "m.bin", file))


def test_a_header_that_claims_much_costs_nothing(tmp_path):
    huge = {"dim": 2**30, "hidden_dim": 2**31 - 1, "n_layers": 2**31 - 1, "vocab_size": 2**31 - 1,
            "n_heads": 2**29, "n_kv_heads": 1}  # fmt: skip
    tracemalloc.start()
    try:
        for header in (header_with(**huge), header_with(version=2, group=1, **huge)):
            with pytest.raises(ValueError, match="bytes, the file has 256"):
                read_llama2c(written(tmp_path / "m.bin", header))
        assert tracemalloc.get_traced_memory()[1] < 1e6
    finally:
        tracemalloc.stop()


def test_five_hundred_damaged_files_are_refused_or_read(tmp_path):
    rng = np.random.default_rng(0)
    small = {"dim": 8, "n_heads": 2, "n_kv_heads": 1, "hidden_dim": 8, "vocab_size": 5,
             "n_layers": 1, "seq_len": 4}  # fmt: skip
    files = [file for file, _, _ in every_version(tied=False, **small)]
    read = 0
    for trial in range(500):
        file = bytearray(files[trial % 3])
        kind = trial // 3 % 4
        if kind == 0:
            del file[rng.integers(len(file)) :]
        elif kind == 1:  # one whole number of the header
            at = 4 * int(rng.integers(11))
            file[at : at + 4] = struct.pack("<i", int(rng.choice([0, -1, 1, 2**31 - 1, 8, 64, 5])))
        else:
            end = len(file) if kind == 2 else 48
            for at in rng.integers(0, end, rng.integers(1, 9)):
                file[at] = rng.integers(256)
        try:
            model, params = read_llama2c(written(tmp_path / "m.bin", bytes(file)))
        except ValueError:
            continue
        read += 1
        assert {name: w.shape for name, w in params.items()} == {
            name: w.shape for name, w in model.init(0).items()
        }
    assert 20 < read < 300  # both happen


def test_the_table_is_a_view_of_the_file(tmp_path):
    (file, *_), (other, *_), _ = every_version()
    for data in (file, other):
        _, params = read_llama2c(written(tmp_path / "m.bin", data))
        table = params["token_embedding"]
        assert not table.flags.owndata
        assert not table.flags.writeable
        assert type(table) is np.ndarray
        arrays, _ = flatten(params)
        for name, a in arrays.items():
            assert a.dtype == np.float32, name
            assert a.flags.c_contiguous, name


@pytest.mark.oracle
@pytest.mark.parametrize("tied", [True, False])
def test_the_logits_are_torchs(tmp_path, tied):
    import torch
    from torch.nn.functional import rms_norm, scaled_dot_product_attention, silu

    def turned(x):  # (T, heads, d) -> (heads, T, d)
        T, heads, d = x.shape
        angles = torch.outer(torch.arange(T), 10000.0 ** (-torch.arange(0, d, 2) / d))
        circle = torch.polar(torch.ones_like(angles), angles)[:, None]
        x = torch.view_as_complex(x.reshape(T, heads, d // 2, 2)) * circle
        return torch.view_as_real(x).reshape(T, heads, d).transpose(0, 1)

    for file, w, sizes in every_version(tied):
        D, _, L, H, G, _, _ = sizes.values()
        w = {name: torch.from_numpy(a) for name, a in w.items()}
        model, params = read_llama2c(written(tmp_path / "m.bin", file))
        logits, _ = model.forward(params, TOKENS)
        for row, tokens in zip(logits, TOKENS, strict=True):
            x = w["token_embedding"][torch.from_numpy(tokens)]
            for layer in range(L):
                y = rms_norm(x, (D,), w["rms_att"][layer], 1e-5)
                q, k, v = (
                    (y @ w[name][layer].T).reshape(len(x), heads, D // H)
                    for name, heads in (("wq", H), ("wk", G), ("wv", G))
                )
                k, v = (a.repeat_interleave(H // G, dim=0) for a in (turned(k), v.transpose(0, 1)))
                y = scaled_dot_product_attention(turned(q), k, v, is_causal=True)
                x = x + y.transpose(0, 1).reshape(len(x), D) @ w["wo"][layer].T
                y = rms_norm(x, (D,), w["rms_ffn"][layer], 1e-5)
                gated = silu(y @ w["w1"][layer].T) * (y @ w["w3"][layer].T)
                x = x + gated @ w["w2"][layer].T
            expected = rms_norm(x, (D,), w["rms_final"], 1e-5)
            expected = expected @ w.get("wcls", w["token_embedding"]).T
            np.testing.assert_allclose(row, expected.numpy(), atol=1e-4)


@pytest.mark.oracle
def test_the_logits_are_transformers(tmp_path):
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    (file, w, sizes), *_ = every_version(tied=False)
    D, F, L, H, G, V, T = sizes.values()
    config = LlamaConfig(
        hidden_size=D, intermediate_size=F, num_hidden_layers=L, num_attention_heads=H,
        num_key_value_heads=G, vocab_size=V, max_position_embeddings=T, rms_norm_eps=1e-5,
        tie_word_embeddings=False,
    )  # fmt: skip
    peer = LlamaForCausalLM(config).eval()

    def by_halves(a, heads):  # as Meta's weights are converted for it
        a = torch.from_numpy(a)
        return a.view(heads, D // H // 2, 2, D).transpose(1, 2).reshape(a.shape)

    state = {"model.embed_tokens.weight": w["token_embedding"], "model.norm.weight": w["rms_final"],
             "lm_head.weight": w["wcls"]}  # fmt: skip
    for layer in range(L):
        prefix = f"model.layers.{layer}"
        state |= {
            f"{prefix}.self_attn.q_proj.weight": by_halves(w["wq"][layer], H),
            f"{prefix}.self_attn.k_proj.weight": by_halves(w["wk"][layer], G),
            f"{prefix}.self_attn.v_proj.weight": w["wv"][layer],
            f"{prefix}.self_attn.o_proj.weight": w["wo"][layer],
            f"{prefix}.mlp.gate_proj.weight": w["w1"][layer],
            f"{prefix}.mlp.down_proj.weight": w["w2"][layer],
            f"{prefix}.mlp.up_proj.weight": w["w3"][layer],
            f"{prefix}.input_layernorm.weight": w["rms_att"][layer],
            f"{prefix}.post_attention_layernorm.weight": w["rms_ffn"][layer],
        }
    peer.load_state_dict({name: torch.as_tensor(a) for name, a in state.items()})
    with torch.no_grad():
        expected = peer(torch.from_numpy(TOKENS)).logits.numpy()
    model, params = read_llama2c(written(tmp_path / "m.bin", file))
    np.testing.assert_allclose(model.forward(params, TOKENS)[0], expected, atol=1e-4)
