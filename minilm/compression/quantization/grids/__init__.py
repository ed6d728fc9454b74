"""Grids: the numbers that codes stand for, before any scale.

v = x / s, a tensor divided by its scale, is rounded to a grid of levels. A grid says four things,
and knows nothing of how the scale was chosen or of how one rounds:

    position(v)   where v lies, counted so that the grid's levels stand at whole numbers
    code(i)       the code q of the level at position i
    value(q)      the level that code q stands for
    inside(v)     where the grid does not clip v

so that rounding, of whatever kind, is a map from positions to whole numbers. On the levels 0, 1, 2,
4, say, v = 3.5 lies at position 2.75, which is rounded to 3: the level 4. A grid has besides

    low, high     the lowest and the highest code
    levels        the table by which stored codes are read; None where a code is its own level
    reach         the level that the end of a symmetric range is laid on
    affine        codes count from 0, and a zero point stands beside the scale
    real_zero     the zero point is any number, and not a code
    objective     how its scale is chosen, where only one way is right (scales/); else None

The files:

    integers.py        evenly spaced: integers, signs, half-integers
    float_formats.py   e2m1, e4m3, e5m2, fp16, bf16; powers of two
    codebooks.py       normal floats, logarithmic
    lloyd_max.py       fitted to the data
    entropy_coded.py   integers as fine as a coder of their entropy allows
    table.py           GRIDS, all by name
"""

from minilm.compression.quantization.grids.codebooks import Codebook
from minilm.compression.quantization.grids.integers import Integers, MidRise, Signs
from minilm.compression.quantization.grids.lloyd_max import lloyd_max
from minilm.compression.quantization.grids.table import GRIDS, Grid, GridKind

__all__ = ["GRIDS", "Codebook", "Grid", "GridKind", "Integers", "MidRise", "Signs", "lloyd_max"]
