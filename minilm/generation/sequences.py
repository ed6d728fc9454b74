"""Answering with a model that reads one sequence and writes another.

    p(token_t | source, token_1 … token_{t−1})

An encoder–decoder that has its source is a language model (`minilm.models.Conditioned`), and its
prompt is the token that means "begin". So to answer is to generate, greedily or by beam search:
each source is encoded once, each token of an answer read once, and what is over is read no more.
"""

import numpy as np

from minilm.generation.batches import generate_batch
from minilm.generation.beam import beam_search
from minilm.generation.reading import check_end, check_length
from minilm.models import Conditioned, Seq2SeqModel
from minilm.types import Array, Params
from minilm.weights import thaw

BATCH = 128  # sources side by side: enough to make a token cheap, little enough for any memory


def answer(
    model: Seq2SeqModel,
    params: Params,
    source: Array,
    *,
    begin_id: int,
    end_id: int,
    length: int,
    beams: int = 1,
    alpha: float = 0.6,
    packed: bool = False,
) -> list[Array]:
    """What the model writes to each source: the likeliest token each time, or the likeliest text.

    source: (B, S) integer ids, filled up with the model's padding id  ->  B arrays of int32 ids,
    each of at most `length` tokens, without the begin and end tokens.
    length: at most the model's context, if it has one, for as many tokens are read to write the
    last of them. beams: 1 is greedy; more: the best text that `beam_search` finds with so many and
    this alpha. packed: compute with compressed weights as they are, as in `generate`.
    Raises ValueError for a length or an id that the model has no place for, and
    FloatingPointError if its logits are not finite.
    """
    check_length(length)
    context = getattr(model, "context", None)
    if context is not None and length > context:
        raise ValueError(f"length must be at most context={context}, got {length}")
    for name, token in (("begin_id", begin_id), ("end_id", end_id)):
        check_end(token, model.vocab_size, name)
    if not packed:
        params = thaw(params)  # once for all batches
    source, begin = np.asarray(source), np.array([begin_id])
    written: list[Array] = []
    if beams == 1:
        for start in range(0, len(source), BATCH):
            some = source[start : start + BATCH]
            written += generate_batch(
                Conditioned(model, some), params, [begin] * len(some), length,
                end=end_id, temperature=0, packed=True,
            )  # fmt: skip
    else:
        for row in source:
            best, *_ = beam_search(
                Conditioned(model, row[None]), params, begin, length,
                beams=beams, alpha=alpha, end=end_id, packed=True,
            )  # fmt: skip
            written.append(best.ids)
    return [ids[ids != end_id] for ids in written]
