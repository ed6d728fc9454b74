"""Rounding: which code a number becomes.

    table.py      one number at a time: nearest, stochastic; and ROUNDINGS, all by name
    channels.py   what those are given that choose the codes of a channel together:
    gptq.py       the error of each weight made good by the next ones
    adaround.py   up or down, learned
    trellis.py    the cheapest path through a trellis
"""

from minilm.compression.quantization.rounding.table import ROUNDINGS

__all__ = ["ROUNDINGS"]
