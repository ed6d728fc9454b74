"""How surprised a language model is by a text, in three units of one quantity."""

import math


def perplexity(nats: float) -> float:
    """exp(nats): among how many equally likely tokens the model in effect chooses.

    Infinite beyond what a float holds (a loss above 709 nats).
    """
    try:
        return math.exp(nats)
    except OverflowError:
        return math.inf


def bits(nats: float) -> float:
    """nats / ln 2. For a character model, mean nats per token give bits per character."""
    return nats / math.log(2)


def bits_per_byte(nats: float, text: str | int) -> float:
    """Σ_tokens −ln p(token) / ln 2 / bytes: how many bits a byte of the text costs.

    nats: summed over all tokens of the text (the mean times their number); text: the text itself,
    or the number of its UTF-8 bytes. The one unit in which models with different tokenizers can be
    compared (if these lose nothing of the text): a longer piece costs more, but fewer are needed.
    8 is no model at all; 8 divided by it is how many times smaller the text becomes when compressed
    with the model's predictions (Shannon 1948).
    ValueError for a text without bytes or with lone surrogates; TypeError for other kinds of text.
    """
    if isinstance(text, bool) or not isinstance(text, str | int):
        raise TypeError(f"text: must be a str or a number of bytes, got {text!r}")
    n_bytes = len(text.encode()) if isinstance(text, str) else text
    if n_bytes < 1:
        raise ValueError(f"text: must have at least one byte, got {n_bytes}")
    return bits(nats) / n_bytes
