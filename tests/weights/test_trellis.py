"""TrellisTensor: the register by hand, the protocol of every leaf, what is refused."""

import dataclasses

import numpy as np
import pytest

from minilm.weights import load, save
from minilm.weights.packing import pack
from minilm.weights.trellis import TrellisTensor, level_indices


def tensor(bits=2, shape=(8, 5), axis=-1, groups=1, states=8, seed=0):
    rng = np.random.default_rng(seed)
    rows, n = (shape[1], shape[0]) if axis == -1 else shape
    codes = rng.integers(0, 2**bits, (rows, n)).astype(np.uint8)
    scales = rng.uniform(0.5, 2, (rows, groups)).astype(np.float32)
    levels = np.sort(rng.standard_normal(2 ** (bits + 1))).astype(np.float32)
    return TrellisTensor(pack(codes, bits), scales, levels, bits, shape, axis, states)


def test_the_register_by_hand():
    # eight states: z1 = b[t] ^ b[t-1] ^ b[t-3], z0 = b[t-2]; the row is a ring
    codes = np.array([[1, 0, 0, 2, 0]], np.uint8)
    # t       b = 1 0 0 0 0,  j = 0 0 0 1 0
    # z1      t=0: 1;  t=1: b[0] = 1;  t=2: 0;  t=3: b[0] = 1;  t=4: 0
    # z0      only at t=2
    assert level_indices(codes, 8).tolist() == [[2, 2, 1, 4 + 2, 0]]
    # four states: z1 = b[t] ^ b[t-2], z0 = b[t-1]
    assert level_indices(codes, 4).tolist() == [[2, 1, 2, 4, 0]]


def test_levels_of_eight_bits():
    codes = np.array([[255, 254, 1]], np.uint8)  # j = 127, 127, 0 and b = 1, 0, 1
    # z1 = b[t] ^ b[t-1] ^ b[t-3]: 1^1^1, 0^1^0, 1^0^1;   z0 = b[t-2]: 0, 1, 1
    assert level_indices(codes, 8).tolist() == [[4 * 127 + 2, 4 * 127 + 3, 1]]


@pytest.mark.parametrize("states", [4, 8])
def test_every_state_reaches_two_subsets_two_apart(states):
    codes = np.random.default_rng(0).integers(0, 2, (1, 4096)).astype(np.uint8)
    subsets = level_indices(codes, states)[0]
    reached = {}
    for t in range(8, 4096):
        state = tuple(codes[0, t - states.bit_length() + 1 : t])
        reached.setdefault(state, set()).add(int(subsets[t]))
    assert len(reached) == states
    assert all(sorted(found) in ([0, 2], [1, 3]) for found in reached.values())


@pytest.mark.parametrize("axis", [0, -1])
@pytest.mark.parametrize("groups", [1, 2])
def test_products_rows_and_transposes_are_those_of_its_floats(axis, groups):
    q = tensor(shape=(8, 6), axis=axis, groups=groups)
    x = np.random.default_rng(1).standard_normal((3, 8)).astype(np.float32)
    dense = q.dense()
    assert dense.shape == (8, 6) and dense.dtype == np.float32
    np.testing.assert_array_equal(x @ q, x @ dense)
    np.testing.assert_array_equal(q.T.dense(), dense.T)
    ids = np.array([[0, 3], [7, 0]])
    np.testing.assert_array_equal(q[ids], dense[ids])


def test_a_scale_serves_its_group():
    q = tensor(shape=(6, 8), axis=0, groups=2)
    unscaled = TrellisTensor(q.packed, np.ones_like(q.scales), q.levels, 2, (6, 8), 0)
    np.testing.assert_allclose(q.dense(), unscaled.dense() * np.repeat(q.scales, 4, axis=1))


def test_saved_and_loaded(tmp_path):
    params = {"w": tensor()}
    save(tmp_path / "a.npz", params)
    again = load(tmp_path / "a.npz")
    np.testing.assert_array_equal(again["w"].dense(), params["w"].dense())
    assert again["w"].nbytes == params["w"].nbytes


@pytest.mark.parametrize("field, bad, said", [
    ("scales", np.nan, "scales must be finite"),
    ("scales", -1, "not negative"),
    ("levels", np.inf, "levels must be finite"),
])  # fmt: skip
def test_numbers_that_no_quantizer_writes_are_refused_in_a_file(tmp_path, field, bad, said):
    q = tensor()
    array = getattr(q, field).copy()
    array[1] = bad
    save(tmp_path / "a.npz", {"w": dataclasses.replace(q, **{field: array})})
    with pytest.raises(ValueError, match=said):
        load(tmp_path / "a.npz")


def test_bytes_are_those_of_its_codes_scales_and_levels():
    assert tensor(bits=3, shape=(8, 5)).nbytes == 5 * 3 + 5 * 4 + 16 * 4


@pytest.mark.parametrize("wrong, said", [
    ({"states": 16}, "states must be one of"),
    ({"levels": np.zeros(4, np.float32)}, "levels must be"),
    ({"packed": np.zeros((5, 3), np.uint8)}, "packed must be"),
    ({"scales": np.ones((5, 3), np.float32)}, "do not divide"),
    ({"bits": 9}, "bits must be"),
    ({"array_shape": (2, 5), "packed": np.zeros((5, 1), np.uint8)}, "at least 3 codes, got 2"),
])  # fmt: skip
def test_what_does_not_fit_is_refused(wrong, said):
    q = tensor()
    fields = {"packed": q.packed, "scales": q.scales, "levels": q.levels, "bits": 2,
              "array_shape": (8, 5), "axis": -1, "states": 8}  # fmt: skip
    with pytest.raises(ValueError, match=said):
        TrellisTensor(**{**fields, **wrong})
