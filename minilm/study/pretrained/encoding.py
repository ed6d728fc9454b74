"""What an encoder makes of sentences: their embeddings, and what every layer holds on the way.

    h_0 = norm(tables' rows),  h_l = block_l(h_{l−1}),  v = mean of h_L,  embedding = v / ‖v‖

Sentences of one length are read side by side, so that there is no padding: every row that is seen,
here and in calibration, is a token's.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from minilm.embeddings.table_rows import unit_rows
from minilm.nn import attention
from minilm.pretrained.sentences import encoder_of, pooled
from minilm.pretrained.texts import padded_ids
from minilm.types import Array, Params
from minilm.weights import thaw


class Encoded(NamedTuple):
    """embeddings: (N, D), rows of length 1. hidden: L + 1 arrays (tokens, D), after the norm of the
    embeddings and after each block, the tokens batch by batch."""

    embeddings: Array
    hidden: list[Array]


def batches_of(pretrained: Any, texts: Sequence[str]) -> list[tuple[Array, Array]]:
    """(places of the texts (n,), their ids (n, T)) for each length T that there is.

    Of a text longer than `pretrained.longest` tokens the beginning, as in `sentence_embeddings`.
    """
    padding_id = encoder_of(pretrained).padding_id
    ids = padded_ids(pretrained.tokenizer, list(texts), pretrained.longest)
    lengths = (ids != padding_id).sum(axis=1)
    places = [(np.flatnonzero(lengths == length), length) for length in np.unique(lengths)]
    return [(rows, ids[rows, :length]) for rows, length in places]


def encode(
    pretrained: Any, params: Params, batches: Sequence[tuple[Array, Array]], *,
    packed: bool = False, attend: Any = attention,
) -> Encoded:  # fmt: skip
    """The embeddings in the order of the texts, and the hidden states.

    params: floats, or compressed. packed: multiply by compressed weights as they are, which is
    needed where they round what multiplies them; otherwise they are unpacked once, which is faster.
    attend: what multiplies queries by keys and weights by values.
    """
    model = encoder_of(pretrained)
    params = params if packed else thaw(params)
    vectors = np.empty((sum(len(rows) for rows, _ in batches), model.width), np.float32)
    layers: list[list[Array]] = []
    for rows, tokens in batches:
        hidden, cache = model.forward(params, tokens, attend=attend, for_backward=False)
        layers.append([h.reshape(-1, h.shape[-1]) for h in cache["hidden_states"]])
        vectors[rows] = pooled(hidden, np.ones(tokens.shape, np.bool_), pretrained.pooling)
    return Encoded(unit_rows(vectors), [np.concatenate(each) for each in zip(*layers, strict=True)])
