"""Numbers that say how good a model or an approximation is. Each has one formula and one unit.

language_models.py   perplexity, bits, bits per byte: how surprised a model is
classification.py    accuracy, macro F1: 0 to 1, the share of labels that is right
exact_match.py       exact match: 0 to 1, the share of strings that is right to the last character
bleu.py              BLEU-4: runs of words in common, 0 to 100
chrf.py              chrF2: runs of characters in common, 0 to 100
rouge.py             ROUGE-L: the longest common subsequence of words, 0 to 100
strings.py           what the last four share: pairs of strings, n-grams
approximation.py     signal-to-noise ratio, in decibels
"""

from minilm.metrics.approximation import sqnr_db
from minilm.metrics.bleu import bleu, words_13a
from minilm.metrics.chrf import chrf
from minilm.metrics.classification import accuracy, macro_f1
from minilm.metrics.exact_match import exact_match
from minilm.metrics.language_models import bits, bits_per_byte, perplexity
from minilm.metrics.rouge import rouge_l
from minilm.metrics.strings import characters

__all__ = [
    "accuracy",
    "bits",
    "bits_per_byte",
    "bleu",
    "characters",
    "chrf",
    "exact_match",
    "macro_f1",
    "perplexity",
    "rouge_l",
    "sqnr_db",
    "words_13a",
]
