"""Entropy coding: codes that come unequally often, in as many bits as they are worth.

    entropy.py   H, and what symbols take when they are written by other shares than their own
    huffman.py   whole bits a symbol, canonical codes
    rans.py      fractions of a bit, many lanes at a time
    arrays.py    an array as streams of symbols, each coded where that makes it less
    files.py     save_coded: a file of coded parameters, which `minilm.load` reads
"""

from minilm.compression.coding.entropy import bits_with, entropy_of
from minilm.compression.coding.files import save_coded

__all__ = ["bits_with", "entropy_of", "save_coded"]
