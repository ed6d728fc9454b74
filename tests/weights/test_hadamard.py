import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minilm.weights import Diagonal, Hadamard, Product, Recorder, load, save
from minilm.weights.hadamard import largest_block, walsh

WIDTHS = [1, 2, 3, 8, 20, 24, 64, 96, 192, 256]


def rotation(width, seed=0):
    return Hadamard.random(width, np.random.default_rng(seed))


def test_by_hand():
    turn = Hadamard(np.array([0b0100], np.uint8), width=4, block=4)  # the third sign is −1
    x = np.array([1.0, 2.0, 3.0, 4.0], np.float32)
    # (1, 2, −3, 4) H / 2: sums and differences of neighbours (3, −1, 1, −7), then of pairs
    assert (x @ turn).tolist() == [2, -4, 1, 3]
    assert (x @ turn @ turn.T).tolist() == x.tolist()
    assert (2 * turn.dense()).tolist() == [
        [1, 1, 1, 1], [1, -1, 1, -1], [-1, -1, 1, 1], [1, -1, -1, 1]
    ]  # fmt: skip
    assert turn[np.array([2, -1])].tolist() == turn.dense()[[2, 3]].tolist()
    assert turn.nbytes == 1


def test_walsh_is_its_definition():
    h = walsh(8)
    i, j = np.indices((8, 8))
    ones = np.array([bin(n).count("1") for n in range(8)])
    np.testing.assert_array_equal(h, (-1.0) ** ones[i & j])
    np.testing.assert_array_equal(h @ h, 8 * np.eye(8))


@pytest.mark.parametrize("width", WIDTHS)
def test_orthonormal_and_undone_by_its_transpose(width):
    turn = rotation(width)
    assert turn.block == largest_block(width)
    assert turn.nbytes == (width + 7) // 8
    dense = np.eye(width) @ turn  # float64 in, float64 out
    np.testing.assert_allclose(dense @ dense.T, np.eye(width), atol=1e-12)
    np.testing.assert_allclose(np.eye(width) @ turn.T, dense.T, atol=1e-12)
    # within a block every entry has the same size: that is what spreads an outlier evenly
    blocks = abs(dense).reshape(width // turn.block, turn.block, -1, turn.block)
    diagonal = blocks[np.arange(width // turn.block), :, np.arange(width // turn.block)]
    np.testing.assert_allclose(diagonal, 1 / np.sqrt(turn.block), atol=1e-12)
    signs = np.sign(dense[:, 0][: turn.block])
    assert turn.block < 20 or 0 < (signs < 0).sum() < turn.block


@given(st.integers(1, 64), st.integers(0, 10), st.lists(st.integers(0, 3), max_size=2))
@settings(max_examples=60)
def test_lengths_stay_and_the_transpose_turns_back(width, seed, lead):
    turn = rotation(width, seed)
    x = np.random.default_rng(seed).normal(size=(*lead, width)).astype(np.float32)
    before = x.copy()
    turned = x @ turn
    assert turned.dtype == np.float32
    assert turned.shape == x.shape
    np.testing.assert_allclose(turned @ turn.T, x, atol=1e-5)
    np.testing.assert_allclose((turned**2).sum(-1), (x**2).sum(-1), rtol=1e-5)
    np.testing.assert_allclose(turned, x @ turn.dense(), atol=1e-5)
    np.testing.assert_array_equal(x, before)


def test_whole_numbers_and_other_strides_are_turned_too():
    turn = rotation(24)
    x = np.arange(24 * 5).reshape(24, 5)
    np.testing.assert_allclose(x.T @ turn, x.T.astype(np.float64) @ turn.dense(), rtol=1e-6)
    wide = np.random.default_rng(0).normal(size=(5, 48))[:, ::2]
    np.testing.assert_allclose(wide @ turn, np.ascontiguousarray(wide) @ turn, rtol=1e-12)


def test_an_outlier_is_spread():
    x = np.zeros(64, np.float32)
    x[5] = 8
    np.testing.assert_allclose(abs(x @ rotation(64)), np.ones(64), rtol=1e-6)


def test_signs_follow_the_generator():
    assert rotation(64, 1).signs.tolist() == rotation(64, 1).signs.tolist()
    assert rotation(64, 1).signs.tolist() != rotation(64, 2).signs.tolist()


def test_saved_and_loaded(tmp_path):
    turn = rotation(20)
    save(tmp_path / "turn", {"turn": turn.T, "w": Product(turn, np.eye(20, dtype=np.float32))})
    back = load(tmp_path / "turn")
    np.testing.assert_array_equal(back["turn"].dense(), turn.T.dense())
    np.testing.assert_array_equal(back["w"].dense(), turn.dense())
    assert back["turn"].nbytes == turn.nbytes == 3


def test_a_loop_multiplies_once(make):
    """What lstm multiplies by at every step: the transform is multiplied into the matrix."""
    w, x = make.quantized((24, 20), 4), make.normal(3, 24)
    for left in (rotation(24), Diagonal(make.normal(24))):
        product = Product(left, w)
        merged = product.unpacked()
        assert isinstance(merged, np.ndarray)
        np.testing.assert_allclose(x @ merged, x @ left @ w, rtol=1e-5, atol=1e-5)
        assert isinstance(Product(w.T, left).unpacked(), np.ndarray)
        recorder = Recorder(w)  # no array: it must be gone through at every step
        x @ Product(left, recorder).unpacked()
        assert recorder.inputs.count == 3
    assert rotation(24).unpacked().nbytes == 3


@pytest.mark.parametrize(
    ("signs", "width", "block", "message"),
    [
        (np.zeros(3, np.uint8), 24, 3, "block must be a power of two, got 3"),
        (np.zeros(3, np.uint8), 24, 0, "block must be a power of two, got 0"),
        (np.zeros(3, np.uint8), 24, 16, "block must divide width 24, got 16"),
        (np.zeros(2, np.uint8), 24, 8, r"signs must be uint8 of shape \(3,\)"),
        (np.zeros(3, np.int8), 24, 8, r"got int8 \(3,\)"),
        (np.zeros(0, np.uint8), 0, 1, "width 0"),
    ],
)
def test_what_does_not_fit(signs, width, block, message):
    with pytest.raises(ValueError, match=message):
        Hadamard(signs, width, block)


def test_an_x_that_does_not_fit(make):
    with pytest.raises(ValueError, match=r"x must have shape \(..., 24\), got \(3, 20\)"):
        make.normal(3, 20) @ rotation(24)
    with pytest.raises(IndexError):
        rotation(24)[np.array([24])]
    with pytest.raises(TypeError, match="integer array"):
        rotation(24)[np.array([0.5])]
