import numpy as np
import pytest

from minilm.compression import product_quantize, quantize
from minilm.embeddings import KeyedVectors
from minilm.embeddings.compressed_quality import FLOAT, quality_against_bits
from minilm.weights import ProductQuantizedTensor, QuantizedTensor

V, D = 60, 16


@pytest.fixture
def wv():
    table = np.random.default_rng(0).normal(size=(V, D)).astype(np.float32)
    return KeyedVectors([f"w{i}" for i in range(V)], table)


@pytest.fixture
def pairs(wv, tmp_path):
    """People who judge by the cosine."""
    path = tmp_path / "pairs.tsv"
    lines = [
        f"w{i}\tw{i + 1}\t{wv.similarity(f'w{i}', f'w{i + 1}'):.6f}" for i in range(0, V - 1, 2)
    ]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


RECIPES = {
    "integers: 8 bits": lambda table: quantize(table, 8, axis=0),
    "integers: 2 bits": lambda table: quantize(table, 2, axis=0),
    "subvectors: 2 x 5 bits": lambda table: product_quantize(table, 2, 5),
}


def test_rows(wv, pairs):
    rows = quality_against_bits(wv, RECIPES, {"people": pairs}, topn=5)
    assert [row["recipe"] for row in rows] == [FLOAT, *RECIPES]
    floats, int8, int2, product = rows
    assert floats == {
        "recipe": FLOAT, "bits_per_weight": 32, "bytes": 4 * V * D, "times_smaller": 1,
        "people": pytest.approx(1), "neighbours": 1,
    }  # fmt: skip
    assert int8["bytes"] == V * D + 4 * V and int2["bytes"] == V * D // 4 + 4 * V
    assert product["bytes"] == V * 5 + 4 * 32 * D
    for row in rows:
        assert row["times_smaller"] == pytest.approx(32 / row["bits_per_weight"])
    assert int8["people"] > 0.999 and int8["neighbours"] > 0.95
    assert 0.2 < int2["people"] < 0.95 and 0.2 < int2["neighbours"] < 0.9
    assert product["neighbours"] > int2["neighbours"]


def test_the_compressed_table_itself_is_asked(wv, pairs, monkeypatch):
    asked = []
    for leaf in (QuantizedTensor, ProductQuantizedTensor):
        own = leaf.__rmatmul__
        monkeypatch.setattr(
            leaf, "__rmatmul__",
            lambda self, x, own=own: asked.append(type(self)) or own(self, x),
        )  # fmt: skip
    quality_against_bits(wv, RECIPES, {"people": pairs}, words=["w1", "w2"])
    assert set(asked) == {QuantizedTensor, ProductQuantizedTensor}


def test_analogies(pairs, tmp_path):
    """A parallelogram is solved, and no longer where d has the vector of another."""
    wv = KeyedVectors(
        ["a", "b", "c", "d", "e"],
        np.array([[1, 0, 0.1], [1, 1, 0.1], [0.2, 0, 1], [0.2, 1, 1], [-1, 0.3, 0]], np.float32),
    )
    path, judged = tmp_path / "questions.txt", tmp_path / "people.txt"
    path.write_text(": all\na b c d\n", encoding="utf-8")
    judged.write_text("a b 1\nc d 2\na e 3\n", encoding="utf-8")
    wrong = {"wrong": lambda table: quantize(table[[0, 1, 2, 4, 3]], 8, axis=0)}
    floats, spoilt = quality_against_bits(wv, wrong, {"people": judged}, path, topn=2)
    assert list(floats)[-2:] == ["analogies", "neighbours"]
    assert (floats["analogies"], spoilt["analogies"]) == (1, 0)


def test_refusals(wv, pairs):
    packed = KeyedVectors(wv.index_to_key, quantize(wv.vectors, 8, axis=0))
    with pytest.raises(ValueError, match="wv must hold floats to begin with, got a QuantizedT"):
        quality_against_bits(packed, RECIPES, {})
    with pytest.raises(ValueError, match="the recipe 'half' must keep the shape"):
        quality_against_bits(wv, {"half": lambda table: table[:, :8]}, {})
    with pytest.raises(ValueError, match="recipes must leave the name 'float32'"):
        quality_against_bits(wv, {FLOAT: lambda table: table}, {})
