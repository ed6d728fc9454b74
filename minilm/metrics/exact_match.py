"""Exact match: how many answers are the right string? For tasks that have one right answer each."""

from collections.abc import Sequence

from minilm.metrics.strings import check_pairs


def exact_match(hypotheses: Sequence[str], references: Sequence[str]) -> float:
    """The share of hypotheses that equal their reference to the last character, 0 to 1.

    Nothing is forgiven: not case, not white space. Errors as in bleu.
    """
    check_pairs(hypotheses, references)
    equal = sum(h == r for h, r in zip(hypotheses, references, strict=True))
    return equal / len(references)
