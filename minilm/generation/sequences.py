"""Answering with a model that reads one sequence and writes another: the likeliest next token.

    memory = encoder(source),   token_t = argmax decoder(begin, token_1 … token_{t−1}; memory)

The source is encoded once. What is written is read again from its beginning at every step, which
costs T times a step over T tokens: fine for sentences.
"""

import numpy as np

from minilm.generation.reading import check_length
from minilm.models import Seq2SeqTransformer
from minilm.types import Array, Params


def answer(
    model: Seq2SeqTransformer,
    params: Params,
    source: Array,
    *,
    begin_id: int,
    end_id: int,
    length: int,
) -> list[Array]:
    """What the model writes to each source, by always taking the likeliest token.

    source: (B, S) integer ids, filled up with the model's padding id  ->  B arrays of ids, each
    of at most `length` tokens, without the begin and end tokens.
    length: at most the model's context, for as many tokens are read to write the last of them.
    Raises ValueError for a length or an id that the model has no place for, and
    FloatingPointError if its logits are not finite.
    """
    check_length(length)
    if length > model.context:
        raise ValueError(f"length must be at most context={model.context}, got {length}")
    for name, token in (("begin_id", begin_id), ("end_id", end_id)):
        if not 0 <= token < model.vocab_size:
            raise ValueError(f"{name} must be in 0 … {model.vocab_size - 1}, got {token}")
    memory, memory_mask, _ = model.encode(params, source)
    written = np.full((len(memory), 1), begin_id)
    while written.shape[1] <= length and not (written[:, 1:] == end_id).any(axis=1).all():
        logits, _ = model.decode(params, written, memory, memory_mask)
        if not np.isfinite(logits[:, -1]).all():
            raise FloatingPointError("the model's logits are not finite: its parameters may not be")
        written = np.concatenate([written, logits[:, -1:].argmax(axis=-1)], axis=1)
    return [row[: np.argmax(np.append(row, end_id) == end_id)] for row in written[:, 1:]]
