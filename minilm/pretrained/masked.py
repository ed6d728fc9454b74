"""What may stand in a gap: BERT's own task, which a model with its head still knows.

    Paris is the [MASK] of France.      ->      p(token | all other tokens) at the [MASK]

Devlin et al. 2018, section 3.1. Each of several gaps is judged as if the others stayed gaps.
"""

from typing import Any

import numpy as np

from minilm.generation import likeliest, next_token_probabilities
from minilm.models import MaskedLanguageModel
from minilm.models.language_model import check_positive
from minilm.pretrained.load import Pretrained
from minilm.pretrained.prompts import tokenizer_of
from minilm.pretrained.texts import marks
from minilm.text.tokenizers import CharTokenizer, Tokenizer, WordTokenizer
from minilm.types import Array

MASK = "[MASK]"


def predict_masked(pretrained: Pretrained, text: str, k: int = 5) -> list[list[tuple[str, float]]]:
    """For each [MASK] of the text, from left to right, its k likeliest tokens, the likeliest first.

    pretrained: what `load_pretrained` gives of a model that has the head for it, as
    bert-base-uncased has. A token is a piece: with ## before it, it goes on in a word. Of equally
    likely ones the lower id comes first; k beyond the vocabulary gives all of it.
    Raises TypeError for a model without the head, a tokenizer of characters or words, or a text
    that is no string; ValueError for a text without [MASK] or longer than the model's context, no
    tokenizer or one without [MASK], or a k below 1; FloatingPointError for logits that are not
    finite.
    """
    model = pretrained.model
    check_has_head(model)
    tokenizer = tokenizer_of(pretrained)
    if isinstance(tokenizer, CharTokenizer | WordTokenizer):
        raise TypeError(f"tokenizer must be one of pieces, got {type(tokenizer).__name__}")
    check_positive(k=k)
    ids = masked_ids(tokenizer, text)
    if len(ids) > model.context:
        raise ValueError(f"text must have at most {model.context} pieces, [CLS] and [SEP] "
                         f"among them, got {len(ids)}")
    gaps = np.flatnonzero(ids == tokenizer.special_ids[MASK])
    logits = model.forward(pretrained.params, ids[None], for_backward=False)[0][0, gaps]
    logits = logits[:, : tokenizer.vocab_size]  # the table may have more rows, of no piece
    if not np.isfinite(logits).all():
        raise FloatingPointError("the model's logits are not finite: its parameters may not be")
    k = min(k, tokenizer.vocab_size)
    return [
        [(tokenizer.vocabulary[i], float(p[i])) for i in likeliest(p, k)]
        for p in (next_token_probabilities(row, temperature=1.0) for row in logits)
    ]


def masked_ids(tokenizer: Tokenizer, text: str) -> Array:
    """[CLS], the pieces of the text with its gaps, [SEP]: (T,) int32.

    No text spells a special token, so a text is cut where [MASK] is written, and its parts encoded.
    """
    if not isinstance(text, str):
        raise TypeError(f"text must be a string, got {type(text).__name__}")
    first, *others = text.split(MASK)
    if not others:
        raise ValueError(f"text must have a {MASK} where a token is to be found, got {text[:60]!r}")
    begin, mask, end = marks(tokenizer, ("[CLS]", MASK, "[SEP]"))
    parts = [[begin], tokenizer.encode(first)]
    for part in others:
        parts += [[mask], tokenizer.encode(part)]
    return np.concatenate([*parts, [end]]).astype(np.int32)


def check_has_head(model: Any) -> None:
    """TypeError for a model that cannot say what stands in a gap."""
    if not isinstance(model, MaskedLanguageModel):
        raise TypeError(
            f"pretrained must have a head for masked tokens, got a {type(model).__name__} without "
            "one: sentence encoders such as all-MiniLM-L6-v2 are published without it; "
            "bert-base-uncased and other BertForMaskedLM checkpoints have it"
        )
