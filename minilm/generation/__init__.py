"""Writing text with a language model.

    reading.py   what a model reads while it writes, and checks
    sampling.py  the next token drawn: greedy, temperature, top-k, top-p
    beam.py      beam search: the likeliest text
    pieces.py    text while it is being written
    sequences.py the answer of a model that reads one sequence and writes another
"""

from minilm.generation.beam import Hypothesis, beam_search, length_penalty
from minilm.generation.pieces import decode_pieces
from minilm.generation.sampling import draw, generate, likeliest, next_token_probabilities, stream
from minilm.generation.sequences import answer

__all__ = [
    "Hypothesis",
    "answer",
    "beam_search",
    "decode_pieces",
    "draw",
    "generate",
    "length_penalty",
    "likeliest",
    "next_token_probabilities",
    "stream",
]
