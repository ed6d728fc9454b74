"""Writing text with a language model.

    reading.py   what a model reads while it writes, and checks
    sampling.py  the next token drawn: greedy, temperature, top-k, top-p
    pieces.py    text while it is being written
"""

from minilm.generation.pieces import decode_pieces
from minilm.generation.sampling import draw, generate, likeliest, next_token_probabilities, stream

__all__ = [
    "decode_pieces",
    "draw",
    "generate",
    "likeliest",
    "next_token_probabilities",
    "stream",
]
