"""Writing text with a language model.

    reading.py   what a model reads while it writes, and checks
    sampling.py  the next token drawn: greedy, temperature, top-k, top-p
    batches.py   many texts side by side, after prompts of any lengths
    beam.py      beam search: the likeliest text
    caches.py    another key–value cache, for any model that has one
    rescoring.py not writing but judging: the likeliest of several texts
    pieces.py    text while it is being written
    sequences.py the answer of a model that reads one sequence and writes another
"""

from minilm.generation.batches import generate_batch
from minilm.generation.beam import Hypothesis, beam_search, length_penalty
from minilm.generation.caches import with_cache
from minilm.generation.pieces import decode_pieces
from minilm.generation.rescoring import log_likelihoods
from minilm.generation.sampling import (
    Sampling,
    generate,
    likeliest,
    next_token_probabilities,
    stream,
)
from minilm.generation.sequences import answer

__all__ = [
    "Hypothesis",
    "Sampling",
    "answer",
    "beam_search",
    "decode_pieces",
    "generate",
    "generate_batch",
    "length_penalty",
    "likeliest",
    "log_likelihoods",
    "next_token_probabilities",
    "stream",
    "with_cache",
]
