"""Beam search: the likeliest text, rather than the likeliest next token.

    log p(y) = Σ_t log p(y_t | y_1 … y_{t−1})
    score(y) = log p(y) / ((5 + |y|) / 6)^α                            Wu et al. 2016, equation 14

To write V^n texts out is too much, and to take the likeliest token each time may lead away from
the likeliest text. So the k likeliest beginnings are kept, each is continued in all V ways, and of
these the k likeliest are kept again. A text that has written the end token leaves the search and
keeps its place among the k (Sutskever et al. 2014): the search is over when all have ended.

Every token makes a text less likely, so without a penalty short ones win. Equation 14 rather than
|y|^α, which at α = 1 doubles from the first token to the second, so that a text of one token loses
to nearly any that goes on: equation 14 is 1 at the first token, 7/6 at the second, and grows like
|y|^α in the end. α = 0 compares log p itself. Scores are compared when the search is over; within
it all texts are equally long.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from minilm.generation.reading import Reader, check_end, check_length, check_prompt
from minilm.generation.sampling import likeliest
from minilm.models import LanguageModel
from minilm.models.language_model import check_positive
from minilm.types import Array, Params
from minilm.weights import thaw


class Hypothesis(NamedTuple):
    """One text that a beam search found."""

    ids: Array  # (n,) int32, after the prompt; the end token, if it was written, is the last
    log_probability: float  # log p(ids | prompt) in nats, the end token's included
    score: float  # log_probability / length_penalty(n, alpha)


def beam_search(
    model: LanguageModel,
    params: Params,
    prompt_ids: Array | Sequence[int],
    length: int,
    *,
    beams: int = 4,
    alpha: float = 0.6,
    end: int | None = None,
    packed: bool = False,
) -> list[Hypothesis]:
    """At most `beams` texts after the prompt, the highest score first.

    prompt_ids: (N,) integer ids, N >= 1; length: the most tokens that are written
    beams: k, 1 is greedy; alpha: α >= 0 (with the defaults as in Vaswani et al. 2017)
    end: the id after which a text is over; None: all have `length` tokens.
    packed: compute with compressed weights as they are, as in `generate`.
    Fewer than `beams` come back only where fewer exist. Of equally likely texts the one from the
    likelier beginning comes first, then the one with the lower id. Memory: k states, twice while
    they are reordered.
    Raises ValueError for an empty prompt, ids outside the vocabulary, or settings out of range,
    TypeError for a prompt that is not integers, FloatingPointError for logits that are not finite.
    """
    vocab_size = params["token_embedding"].shape[0]
    prompt = check_prompt(prompt_ids, vocab_size)
    check_length(length)
    check_end(end, vocab_size)
    check_positive(beams=beams)
    if not (alpha >= 0 and math.isfinite(alpha)):
        raise ValueError(f"alpha must be 0 (no penalty) or a positive number, got {alpha}")
    length_penalty(length, alpha)  # refuses an α whose penalty no float holds
    if not packed:
        params = thaw(params)
    reader = Reader(model, params, len(prompt))
    texts, log_p = prompt[None], np.zeros(1)  # those that have not ended, the likeliest first
    ended: list[tuple[Array, float]] = []
    for _ in range(length):
        continued = log_p[:, None] + log_softmax(reader.next_logits(texts))  # (texts, V)
        places = min(beams - len(ended), continued.size)
        best = likeliest(continued.ravel(), places)
        rows, ids = np.divmod(best, vocab_size)
        texts = np.concatenate([texts[rows], ids[:, None].astype(np.int32)], axis=1)
        log_p = continued[rows, ids]
        ends = np.zeros(places, dtype=bool) if end is None else ids == end
        ended += zip(texts[ends], log_p[ends].tolist(), strict=True)
        texts, log_p = texts[~ends], log_p[~ends]
        if len(texts) == 0:
            break
        reader.choose(rows[~ends])
    found = [*ended, *zip(texts, log_p.tolist(), strict=True)]
    hypotheses = [
        Hypothesis(text[len(prompt) :], p, p / length_penalty(len(text) - len(prompt), alpha))
        for text, p in found
    ]
    return sorted(hypotheses, key=lambda hypothesis: -hypothesis.score)


def length_penalty(length: int, alpha: float) -> float:
    """((5 + length) / 6)^α, what the log-probability of a text of `length` tokens is divided by.

    Raises ValueError if that is larger than any float.
    """
    try:
        return math.pow((5 + length) / 6, alpha)
    except OverflowError:
        raise ValueError(
            f"alpha must be smaller for texts of {length} tokens: ((5 + {length}) / 6)^alpha is "
            f"more than a float holds, got {alpha}"
        ) from None


def log_softmax(logits: Array) -> Array:
    """z − log Σ_j e^{z_j}, over the last axis, in float64 as many are added up: (B, V) -> (B, V)"""
    z = logits.astype(np.float64)
    z -= z.max(axis=-1, keepdims=True)
    z -= np.log(np.exp(z).sum(axis=-1, keepdims=True))
    return z
