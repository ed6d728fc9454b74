"""Where a text begins and ends for a pretrained language model.

    Llama    <s> pieces …            and </s> when it is over
    GPT-2    pieces …                and <|endoftext|>, which also stands before an empty prompt

A model that was trained with a token before every text writes nonsense without it.
"""

import numpy as np

from minilm.pretrained.load import Pretrained
from minilm.text.tokenizers import Tokenizer
from minilm.types import Array

BEGINS = ("<s>", "<|begin_of_text|>")
ENDS = ("</s>", "<|end_of_text|>", "<|endoftext|>")


def prompt_ids(tokenizer: Tokenizer, text: str) -> Array:
    """The ids that a language model is to go on with: (N,) int32.

    N is 0 only for an empty text of a tokenizer that has no token for a text's ends.
    """
    special = tokenizer.special_ids
    before = next((special[name] for name in BEGINS if name in special), None)
    ids = tokenizer.encode(text)
    if before is None and not len(ids):
        before = end_id(tokenizer)
    return ids if before is None else np.concatenate([[before], ids]).astype(np.int32)


def tokenizer_of(pretrained: Pretrained) -> Tokenizer:
    """The tokenizer of a pretrained model. ValueError where it came without one."""
    if pretrained.tokenizer is None:
        raise ValueError(
            "pretrained must have a tokenizer to read text, and this model came without one: "
            "put its vocabulary's files beside its weights"
        )
    return pretrained.tokenizer


def end_id(tokenizer: Tokenizer) -> int | None:
    """The id after which a text is over; None where the tokenizer has none."""
    special = tokenizer.special_ids
    return next((special[name] for name in ENDS if name in special), None)
