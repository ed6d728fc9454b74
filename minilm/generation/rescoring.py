"""Rescoring: a language model does not write, but says which of several texts is the likeliest.

    log p(text) = Σ_t log p(token_t | begin, token_1 … token_{t−1})

What hears speech, or translates, offers n hypotheses that fit what came in about equally well; a
language model knows which of them is language. Each token adds to the sum, so a longer text starts
behind: compare texts of about equal length, or take the mean.
"""

from collections.abc import Sequence

import numpy as np

from minilm.generation.beam import log_softmax
from minilm.generation.reading import check_end, check_prompt
from minilm.models import LanguageModel
from minilm.types import Array, Params


def log_likelihoods(
    model: LanguageModel,
    params: Params,
    texts: Sequence[Array | Sequence[int]],
    *,
    begin_id: int,
) -> Array:
    """log p of each text after the token `begin_id`, in nats: (n,) float64.

    texts: n sequences of integer ids, each of any length >= 1; with the token that ends a text as
    their last, the chance that they end there counts too.
    All are read in one pass, filled up at the end, where no token that counts can see it.
    Raises ValueError for no texts, an empty one, ids outside the vocabulary, or one longer than the
    model's context; TypeError for ids that are not integers; FloatingPointError for logits that are
    not finite.
    """
    vocab_size = params["token_embedding"].shape[0]
    check_end(begin_id, vocab_size, "begin_id")
    rows = [check_prompt(ids, vocab_size, f"texts[{i}]") for i, ids in enumerate(texts)]
    if not rows:
        raise ValueError("texts must hold at least one text, got none")
    lengths = np.array([len(row) for row in rows])
    targets = np.full((len(rows), lengths.max()), begin_id, dtype=np.int32)
    for target, row in zip(targets, rows, strict=True):
        target[: len(row)] = row
    begin = np.full((len(rows), 1), begin_id, dtype=np.int32)
    logits, _ = model.forward(params, np.concatenate([begin, targets[:, :-1]], axis=1))
    counted = np.arange(lengths.max()) < lengths[:, None]
    if not np.isfinite(logits[counted]).all():
        raise FloatingPointError("the model's logits are not finite: its parameters may not be")
    log_p = np.take_along_axis(log_softmax(logits), targets[..., None], axis=-1)[..., 0]
    return log_p.sum(axis=1, where=counted)
