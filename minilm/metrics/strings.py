"""What the scores of written answers share: pairs of strings, and the n-grams they have in common.
"""

from collections import Counter
from collections.abc import Sequence


def check_pairs(hypotheses: Sequence[str], references: Sequence[str]) -> None:
    """One reference for each hypothesis, at least one pair, all of them strings."""
    for name, strings in (("hypotheses", hypotheses), ("references", references)):
        if isinstance(strings, str):
            raise TypeError(f"{name}: must be a sequence of strings, got one string")
        odd = [string for string in strings if not isinstance(string, str)]
        if odd:
            raise TypeError(f"{name}: must be strings, got {odd[0]!r}")
    if len(hypotheses) != len(references):
        raise ValueError(
            f"hypotheses: must be as many as the references ({len(references)}), "
            f"got {len(hypotheses)}"
        )
    if len(references) == 0:
        raise ValueError("references: there is nothing to compare with")


def characters(text: str) -> list[str]:
    """All but the white space: the words of a language that puts no spaces between words."""
    return list("".join(text.split()))


def ngrams(units: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    """How often each run of n units stands in the sequence."""
    return Counter(tuple(units[i : i + n]) for i in range(len(units) - n + 1))


def in_common(a: Counter[tuple[str, ...]], b: Counter[tuple[str, ...]]) -> int:
    """Σ_g min(a[g], b[g]): an n-gram matches as often as both sides have it."""
    return sum(min(count, b[gram]) for gram, count in a.items())
