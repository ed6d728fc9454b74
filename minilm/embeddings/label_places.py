"""Places for labels beside their points, so that none covers another, nor a point.

One label after the other takes the first free place, tried in rings that widen about its point, in
so many directions (greedy: no label moves once it stands). Boxes overlap when they do so in both
directions:

    |centre − centre'| < (size + size') / 2    in x and in y
"""

import math

import numpy as np

from minilm.types import Array

DIRECTIONS = 16
GAP = 3.0  # least distance between labels, and a point's own half side, in the points' units


def label_places(points: Array, sizes: Array, bounds: Array) -> Array:
    """The lower left corner of each label, (n, 2); nan for one that has no free place.

    points: (n, 2); sizes: (n, 2) widths and heights, in the same units; bounds: (4,) the left,
    lower, right and upper side of what labels must stay in.
    """
    bounds = np.asarray(bounds, float)
    ways = rings(math.dist(bounds[:2], bounds[2:]))
    centres, taken = points.astype(float), np.full(points.shape, 2 * GAP)  # the points come first
    corners = np.full(points.shape, np.nan)
    for i, (point, size) in enumerate(zip(points, sizes, strict=True)):
        # the label's near side is as far from the point as the ring is wide
        tried = point + ways + np.sign(np.round(ways, 6)) * (size / 2 + GAP)
        inside = (tried - size / 2 >= bounds[:2]).all(1) & (tried + size / 2 <= bounds[2:]).all(1)
        tried = tried[inside]
        apart = np.abs(tried[:, None] - centres) >= (size + taken) / 2 + GAP / 2
        free = np.flatnonzero(apart.any(axis=-1).all(axis=-1))
        if len(free):
            place = tried[free[0]]
            corners[i] = place - size / 2
            centres, taken = np.append(centres, [place], 0), np.append(taken, [size], 0)
    return corners


def rings(widest: float) -> Array:
    """Steps from a point, nearest first, each ring from the right against the clock: (m, 2)."""
    angles = np.arange(DIRECTIONS) * (2 * math.pi / DIRECTIONS)
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    widths = np.concatenate([[GAP], np.arange(3 * GAP, widest, 3 * GAP)])
    return (widths[:, None, None] * circle).reshape(-1, 2)
