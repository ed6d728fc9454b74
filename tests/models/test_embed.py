"""Tokens and positions: the three forms by hand, their gradients, pieces."""

import math

import numpy as np
import pytest

from minilm.models.embed import POSITIONS, embed, embed_backward
from minilm.nn import check_gradient, sinusoidal_positions

IDS = np.array([[3, 0, 3], [1, 1, 2]])
kinds = pytest.mark.parametrize("positions", POSITIONS)


def tables(positions):
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((5, 4)) if positions == "learned" else None
    return rng.standard_normal((6, 4)), rows


@kinds
def test_the_formula(positions):
    table, rows = tables(positions)
    x, _ = embed(IDS, table, positions=positions, context=5, position_table=rows, start=1)
    expected = {
        "sinusoidal": math.sqrt(4) * table[IDS] + sinusoidal_positions(5, 4, np.float64)[1:4],
        "learned": table[IDS] + (0 if rows is None else rows[1:4]),
        "rotary": table[IDS],
    }[positions]
    np.testing.assert_allclose(x, expected, rtol=0, atol=1e-15)


@kinds
@pytest.mark.parametrize("rate", [0.0, 0.3])
def test_gradients(positions, rate):
    """... of both tables; a row that was not used gets zeros."""
    table, rows = tables(positions)

    def op(table, rows, rng):
        return embed(
            IDS, table, positions=positions, context=5, position_table=rows, start=1, rate=rate,
            rng=rng,
        )  # fmt: skip

    check_gradient(op, embed_backward, table, rows, rng=np.random.default_rng(1))
    x, cache = op(table, rows, None)
    dtable, dpositions = embed_backward(np.ones_like(x), cache)
    assert not dtable[[4, 5]].any() and dtable[:4].all()
    if positions == "learned":
        assert dpositions.tolist() == [[0] * 4, [2] * 4, [2] * 4, [2] * 4, [0] * 4]
    else:
        assert dpositions is None


@kinds
def test_tables_are_left_alone(positions):
    table, rows = tables(positions)
    kept = table.copy(), None if rows is None else rows.copy()
    x, cache = embed(IDS, table, positions=positions, context=5, position_table=rows)
    dx = np.ones_like(x)
    embed_backward(dx, cache)
    np.testing.assert_array_equal(table, kept[0])
    if rows is not None:
        np.testing.assert_array_equal(rows, kept[1])
    assert (dx == 1).all()


@kinds
def test_dtype_stays(positions):
    table, rows = (None if a is None else a.astype(np.float32) for a in tables(positions))
    x, cache = embed(IDS, table, positions=positions, context=5, position_table=rows)
    grads = [g for g in embed_backward(x, cache) if g is not None]
    assert {a.dtype for a in (x, *grads)} == {np.dtype(np.float32)}


def test_more_tokens_than_positions_are_refused():
    table, _ = tables("rotary")
    for start, context in ((0, 2), (3, 5)):
        with pytest.raises(ValueError, match=f"at most context={context} long, got {start + 3}"):
            embed(IDS, table, positions="rotary", context=context, start=start)
