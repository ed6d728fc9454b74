"""ROUGE-L: how much of a summary stands in the reference in the same order, gaps allowed?"""

import re
from collections.abc import Callable, Sequence

from minilm.metrics.strings import check_pairs

WORD = re.compile(r"[^\W_]+")


def lower_case_words(text: str) -> list[str]:
    """Runs of letters and digits, in lower case: marks do not count."""
    return WORD.findall(text.lower())


def rouge_l(
    hypotheses: Sequence[str],
    references: Sequence[str],
    words: Callable[[str], Sequence[str]] = lower_case_words,
) -> float:
    """ROUGE-L = 100 · mean over pairs of F1 = 2 P R / (P + R),    0 to 100

    P = LCS / words of the hypothesis, R = LCS / words of the reference, so F1 = 2 LCS / (sum of
    both); LCS is the length of their longest common subsequence. A pair of which either side has
    no words counts 0. Lin 2004, section 3.1, with β = 1 and the summary read as one sentence; equal
    to the package rouge-score's rougeL (which gives 0 to 1) without stemming, for ASCII text.

    words: how a string is cut; for Chinese, say words=characters. Errors as in bleu.
    """
    check_pairs(hypotheses, references)
    total = 0.0
    for hypothesis, reference in zip(hypotheses, references, strict=True):
        written, wanted = words(hypothesis), words(reference)
        if written and wanted:
            total += 2 * lcs_length(written, wanted) / (len(written) + len(wanted))
    return 100 * total / len(references)


def lcs_length(a: Sequence[str], b: Sequence[str]) -> int:
    """The length of the longest common subsequence, in len(a) · len(b) steps.

    best[j]: that of what was read of a so far and b[:j].
    """
    best = [0] * (len(b) + 1)
    for x in a:
        shorter = 0  # best[j - 1] as it was before x
        for j, y in enumerate(b, start=1):
            before = best[j]
            best[j] = shorter + 1 if x == y else max(before, best[j - 1])
            shorter = before
    return best[-1]
