import numpy as np
import pytest

from minilm.compression import quantize
from minilm.compression.coding import entropy_of
from minilm.compression.quantization.coders import true_bits
from minilm.weights import Product


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def entropy(codes):
    return float(entropy_of(np.unique(codes, return_counts=True)[1]))


def test_the_bits_of_all_parameters():
    q = quantize(normal(40, 30), 4, axis=-1, group_size=20)
    params = {"a": q, "b": np.zeros(10, np.float32), "c": Product(np.eye(40, dtype=np.float32), q)}
    assert true_bits(params) == 8 * sum(w.nbytes for w in params.values())
    # scales and plain arrays stay; 4 bits of a uniform code would stay as well
    less = true_bits(q) - true_bits(q, "entropy")
    assert less == pytest.approx(q.size * (4 - entropy(q.codes)) - 16 * len(np.unique(q.codes)))
    assert true_bits(params) - true_bits(params, "entropy") == pytest.approx(2 * less)


def test_an_unknown_coder_is_refused():
    with pytest.raises(ValueError, match="coder must be one of 'packed', 'entropy', got 'zip'"):
        true_bits({}, "zip")
