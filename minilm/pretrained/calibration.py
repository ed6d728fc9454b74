"""What a pretrained model is calibrated and judged with: natural sentences, and windows of text.

An encoder reads sentences, those of one length side by side, so that no padding is among what is
seen; a language model reads windows of the text as it is. Calibration takes one half, what is
measured of the quantized model the other: nothing is judged by what it was chosen with.
"""

import re
from collections.abc import Sequence

import numpy as np

from minilm.pretrained.load import Pretrained
from minilm.pretrained.prompts import tokenizer_of
from minilm.pretrained.texts import padded_ids
from minilm.text.sentences import SENTENCE_END
from minilm.types import Array

SENTENCE = re.compile(r"[A-Z][\w\s,;:'\"()-]*")  # prose: it begins with a capital, no code inside
FEWEST_WORDS, MOST_WORDS = 5, 40


def natural_sentences(text: str, count: int) -> list[str]:
    """At most `count` different sentences, spread evenly over the text.

    Of prose those of 5 to 40 words; of lines `label<TAB>sentence` what follows the tab. Raises
    ValueError for a text that has fewer than two.
    """
    lines = [line.split("\t") for line in text.splitlines() if line.strip()]
    if lines and all(len(line) == 2 for line in lines):
        sentences = (sentence.strip() for _, sentence in lines)
        found = list(dict.fromkeys(filter(None, sentences)))
    else:
        parts = (" ".join(part.split()) for part in SENTENCE_END.split(text))
        prose = (part for part in parts if SENTENCE.fullmatch(part))
        found = [s for s in dict.fromkeys(prose) if FEWEST_WORDS <= len(s.split()) <= MOST_WORDS]
    if len(found) < 2:
        raise ValueError(
            f"text must have at least two sentences of {FEWEST_WORDS} to {MOST_WORDS} words, or "
            f"lines of a label, a tab and a sentence, got {len(found)}"
        )
    places = np.linspace(0, len(found) - 1, min(count, len(found))).astype(int)
    return [found[i] for i in places]


def sentence_batches(
    pretrained: Pretrained, texts: Sequence[str], batch_size: int = 32
) -> list[Array]:
    """Batches for `calibrate`: ids (B, T) of sentences of one length, so without padding."""
    model = pretrained.model
    ids = padded_ids(tokenizer_of(pretrained), texts, pretrained.longest)
    lengths = (ids != model.padding_id).sum(axis=1)
    groups = [ids[lengths == length, :length] for length in np.unique(lengths)]
    return [group[i : i + batch_size] for group in groups for i in range(0, len(group), batch_size)]


def window_batches(
    pretrained: Pretrained, text: str, windows: int, length: int = 128, batch_size: int = 8
) -> list[Array]:
    """Batches for `calibrate`: ids (B, T) of windows of the text, spread evenly over it.

    T: length, or the longest the model reads, or the whole text if these are shorter.
    """
    ids = tokenizer_of(pretrained).encode(text)
    length = min(length, pretrained.longest or length, len(ids))
    starts = np.linspace(0, len(ids) - length, windows).astype(int)
    places = starts[:, None] + np.arange(length)
    return [ids[places[i : i + batch_size]] for i in range(0, windows, batch_size)]
