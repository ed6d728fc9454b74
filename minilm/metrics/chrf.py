"""chrF: BLEU's idea with characters for words, and with what was left out as well as what is wrong.
"""

from collections.abc import Sequence

from minilm.metrics.strings import characters, check_pairs, in_common, ngrams

LONGEST = 6  # characters in a run
BETA = 2  # recall weighs β times as much as precision


def chrf(hypotheses: Sequence[str], references: Sequence[str]) -> float:
    """chrF2 = 100 · (1 + β²) P R / (β² P + R),    β = 2,    0 to 100

    P and R: means over n = 1 … 6 of precision and recall,

        precision_n = Σ_pairs n-grams in common / Σ_pairs n-grams of the hypothesis
        recall_n    = Σ_pairs n-grams in common / Σ_pairs n-grams of the reference

    over runs of n characters, white space removed (so it asks for no cutting into words, in any
    language). An n for which either side has no n-gram is left out of the means; a pair whose
    reference is too short for n adds nothing to that n. 0 if nothing matches. Popović 2015, 2016;
    equal to sacrebleu's chrF2 with its settings nc:6|nw:0|space:no, one reference each.
    Errors as in bleu.
    """
    check_pairs(hypotheses, references)
    precisions, recalls = [], []
    pairs = [
        (characters(hypothesis), characters(reference))
        for hypothesis, reference in zip(hypotheses, references, strict=True)
    ]
    for n in range(1, LONGEST + 1):
        matches = written_total = wanted_total = 0
        for written, wanted in pairs:
            if len(wanted) >= n:
                matches += in_common(ngrams(written, n), ngrams(wanted, n))
                written_total += max(len(written) - n + 1, 0)
                wanted_total += len(wanted) - n + 1
        if written_total and wanted_total:
            precisions.append(matches / written_total)
            recalls.append(matches / wanted_total)
    if not any(precisions):
        return 0.0
    p, r = sum(precisions) / len(precisions), sum(recalls) / len(recalls)
    return 100 * (1 + BETA**2) * p * r / (BETA**2 * p + r)
