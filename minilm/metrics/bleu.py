"""BLEU: which share of the runs of one to four words that a translation writes is in the reference?
"""

import math
import re
from collections.abc import Callable, Sequence

from minilm.metrics.strings import check_pairs, in_common, ngrams

LONGEST = 4  # words in a run

MARK = re.compile(r"([!\"#$%&()*+/:;<=>?@\[\\\]^_`{|}~])")
STOP_AFTER_NO_DIGIT = re.compile(r"([^0-9])([.,])")
STOP_BEFORE_NO_DIGIT = re.compile(r"([.,])([^0-9])")
DASH_AFTER_DIGIT = re.compile(r"([0-9])(-)")


def words_13a(text: str) -> list[str]:
    """Words as the program mteval-v13a cuts them: marks stand alone, 3.14 and don't stay whole.

    >>> words_13a("It's 3.14, or 2-3%.")
    ["It's", '3.14', ',', 'or', '2', '-', '3', '%', '.']
    """
    text = text.rstrip().replace("<skipped>", "").replace("-\n", "").replace("\n", " ")
    for entity, mark in (("&quot;", '"'), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">")):
        text = text.replace(entity, mark)
    text = MARK.sub(r" \1 ", f" {text} ")
    text = STOP_AFTER_NO_DIGIT.sub(r"\1 \2 ", text)
    text = STOP_BEFORE_NO_DIGIT.sub(r" \1 \2", text)
    text = DASH_AFTER_DIGIT.sub(r"\1 \2 ", text)
    return text.split()


def bleu(
    hypotheses: Sequence[str],
    references: Sequence[str],
    words: Callable[[str], Sequence[str]] = words_13a,
) -> float:
    """BLEU = 100 · BP · (p₁ p₂ p₃ p₄)^¼,    BP = min(1, e^(1 − r/c)),    0 to 100

    p_n = Σ_pairs n-grams in common / Σ_pairs n-grams of the hypothesis: a score of the corpus, not
    a mean over sentences. c and r: words of all hypotheses and of all references; BP punishes what
    is too short, which precision alone would praise. A p_n without any match counts as half of one
    match, the next such as a quarter, … (Chen and Cherry 2014, method 3). 0 if nothing matches, or
    if no hypothesis has four words. Papineni et al. 2002; equal to sacrebleu's with its settings
    tok:13a|smooth:exp (Post 2018), one reference each.

    words: how a string is cut; for Chinese, say words=characters (sacrebleu's tok:char).
    TypeError for what is not a sequence of strings, ValueError for unequal numbers of them or none.
    """
    check_pairs(hypotheses, references)
    matches, totals = [0] * LONGEST, [0] * LONGEST
    c = r = 0
    for hypothesis, reference in zip(hypotheses, references, strict=True):
        written, wanted = words(hypothesis), words(reference)
        c += len(written)
        r += len(wanted)
        for n in range(1, LONGEST + 1):
            matches[n - 1] += in_common(ngrams(written, n), ngrams(wanted, n))
            totals[n - 1] += max(len(written) - n + 1, 0)
    if not any(matches) or not all(totals):
        return 0.0
    log_precision, smallest = 0.0, 1.0
    for matched, total in zip(matches, totals, strict=True):
        if matched == 0:
            smallest /= 2
        log_precision += math.log((matched or smallest) / total) / LONGEST
    brevity_penalty = min(1.0, math.exp(1 - r / c))
    return 100 * brevity_penalty * math.exp(log_precision)
