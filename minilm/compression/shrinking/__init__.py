"""Structured pruning that makes the matrices smaller: neurons, heads, hidden units.

    groups.py    what belongs together: Groups, Cut; neurons and heads
    units.py     the same for the hidden units of LSTMs
    scores.py    how much a group matters
    shrink.py    shrink: the lowest go; keep: these stay; silence: zeros instead; groups_of
"""

from minilm.compression.shrinking.groups import Cut, Groups
from minilm.compression.shrinking.shrink import groups_of, keep, shrink, silence

__all__ = ["Cut", "Groups", "groups_of", "keep", "shrink", "silence"]
