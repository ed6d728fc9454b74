"""Learned levels: each weight's code stays, and the levels that codes stand for are trained.

    ŵ_i = level[code_i],    ∂/∂level_k = Σ over i with code_i = k of ∂/∂ŵ_i

Han et al. 2016 (Deep Compression), section 3 and figure 3: k-means chooses the codes of a weight's
numbers (in one dimension, that is Lloyd and Max), and its 2^b levels are then trained as any
parameter. As no code changes, this is the true derivative, and no straight-through estimate.

    params = add_levels(trained, bits=3)
    params, _ = fit(model, params, batches, view=learned_levels)
    packed = quantize_with_levels(params, bits=3)          exactly what the model saw last

Companions: `w:level` (2^b,) float32, and `w:code`, whole numbers of w's shape, which nothing
trains. The weight itself stays as it was.
"""

from collections.abc import Iterator

import numpy as np

from minilm.compression.parameters import is_table, plain_array
from minilm.compression.quantization import lloyd_max
from minilm.compression.quantization.quantize import Bits, bits_by_name
from minilm.compression.views.combining import trainable
from minilm.training.openings import Pullback, as_is
from minilm.types import Array, Params
from minilm.weights import QuantizedTensor
from minilm.weights.packing import check_bits, code_type
from minilm.weights.rows import to_rows


def add_levels(params: Params, bits: Bits) -> Params:
    """The parameters with companions `w:level` and `w:code` for each weight that is to be rounded.

    bits: as for `quantize`, up to 8. ValueError as there. Weights that are compressed already get
    none.
    """
    added: dict[str, Array] = {}
    for name, b in bits_by_name(trainable(params), bits).items():
        w = plain_array(name, params[name])
        level = lloyd_max(w, check_bits(b))
        nearest = np.searchsorted((level[1:] + level[:-1]) / 2, w)
        added |= {f"{name}:level": level, f"{name}:code": nearest.astype(code_type(b))}
    return {**params, **added}


def learned_levels(params: Params, step: int) -> tuple[Params, Pullback]:
    """A view: the model sees level[code], and the levels are trained. See `add_levels`.

    What has no `w:level` is seen and trained as it is. ValueError if nothing has one.
    """
    coded = dict(codes_and_levels(params))
    seen = {**params, **{name: level[code] for name, (code, level) in coded.items()}}

    def pullback(grads: Params) -> Params:
        pulled = {name: g for name, g in grads.items() if name not in coded}
        for name, (code, level) in coded.items():  # in their order: a set's changes with each run
            if name not in grads:
                continue
            of_level = np.bincount(code.ravel(), grads[name].ravel(), minlength=len(level))
            pulled[f"{name}:level"] = of_level.astype(level.dtype)
        return as_is(params, step)[1](pulled)

    return seen, pullback


def quantize_with_levels(params: Params, bits: Bits) -> Params:
    """Each weight that has levels as their codes, packed; its companions are gone.

    bits: as given to `add_levels`, ValueError for others. All else is as it was.
    """
    chosen, packed = bits_by_name(trainable(params), bits), dict(params)
    for name, (code, level) in codes_and_levels(params):
        axis = 0 if is_table(name) else -1
        if len(level) != 2 ** chosen.get(name, 0):
            raise ValueError(f"bits must be those of add_levels: {name} has {len(level)} levels, "
                             f"got {chosen.get(name)!r}")
        packed[name] = QuantizedTensor.from_codes(
            to_rows(code, axis),
            np.ones((1, 1), np.float32),
            levels=level.astype(np.float32),
            bits=chosen[name],
            array_shape=code.shape,
            axis=axis,
            largest_error=float(np.abs(params[name] - level[code]).max()),
        )
        del packed[f"{name}:level"], packed[f"{name}:code"]
    return packed


def codes_and_levels(params: Params) -> Iterator[tuple[str, tuple[Array, Array]]]:
    """(name, (codes, levels)) of each weight that has them."""
    coded = [name for name in params if f"{name}:level" in params]
    if not coded:
        raise ValueError("params must have companions w:level and w:code: add_levels makes them")
    for name in coded:
        if f"{name}:code" not in params:
            raise ValueError(f"params must have {name}:code beside {name}:level")
        yield name, (params[f"{name}:code"], params[f"{name}:level"])
