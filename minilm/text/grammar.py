"""A language whose entropy is known exactly: the floor below which no model of it can get.

A probabilistic context-free grammar rewrites a symbol A by one of its rules r with probability p_r,
until only words are left. If every sentence has exactly one derivation, then

    log p(sentence) = Σ over the rules used in its derivation of log p_r

and, since expectations add, the entropy of a sentence needs only how often each symbol is expected:

    H = Σ_A u_A · Σ_{r of A} p_r · (−log p_r)                                          in nats

    u_A = [A is the start] + Σ_B u_B · m_BA,    m_BA = Σ_{r of B} p_r · (number of A in r)

(u is a linear system: A is used once for each time a rule brings it in.) The expected length is the
same kind of sum, with the characters that r writes in place of −log p_r. In an endless text of such
sentences, all drawn alike, the entropy per character is H / E[characters of a sentence].

One derivation each: in the grammars accepted here the next word always tells which rule was used
(they are LL(1)), which a table of first words proves for the whole language, not for samples of it.
"""

import math
import re
from bisect import bisect
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import NamedTuple

import numpy as np

from minilm.types import Array

NOTHING = "ε"  # how a rule that writes nothing is printed
STOP = "."  # ends every sentence; then comes a new line


class Rule(NamedTuple):
    probability: float
    right: tuple[str, ...]  # words (lower case) and symbols (capitalised) that replace the left


@dataclass(frozen=True)
class Grammar:
    """Symbol -> its rules; the first symbol is the start. Grammar.parse reads the printed form.

    ValueError for probabilities that are not positive or do not sum to 1, symbols without rules,
    words other than a-z, two rules that can begin with the same word, and grammars whose expected
    sentence is endless (or may be empty).
    """

    rules: dict[str, tuple[Rule, ...]]
    _rule_for: dict[tuple[str, str], Rule] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _check_rules(self.rules)
        object.__setattr__(self, "_rule_for", _first_word_table(self.rules, self.start))
        if max(abs(np.linalg.eigvals(self._mean_offspring()))) >= 1 - 1e-9:
            raise ValueError("rules: symbols multiply faster than they end; sentences are endless")

    @classmethod
    def parse(cls, text: str) -> "Grammar":
        """Read lines such as `Noun -> 0.75 dog | 0.25 Adjective Noun`."""
        rules = {}
        for line in filter(str.strip, text.splitlines()):
            left, arrow, right = line.partition("->")
            left = left.strip()
            if not arrow or left in rules:
                raise ValueError(f"text: not a line `Symbol -> rules`, or a second one: {line!r}")
            fields = [alternative.split() for alternative in right.split("|")]
            try:
                rules[left] = tuple(
                    Rule(float(p), tuple(symbol for symbol in symbols if symbol != NOTHING))
                    for p, *symbols in fields
                )
            except ValueError as error:
                raise ValueError(f"text: a rule must be `probability words…`: {line!r}") from error
        return cls(rules)

    def __str__(self) -> str:
        width = max(map(len, self.rules))
        return "".join(
            f"{left:<{width}} -> "
            + " | ".join(f"{p:g} {' '.join(right) or NOTHING}" for p, right in rules)
            + "\n"
            for left, rules in self.rules.items()
        )

    @property
    def start(self) -> str:
        return next(iter(self.rules))

    def sample(self, sentences: int, seed: int) -> str:
        """A text of so many independent sentences, each "words between single spaces.\\n"."""
        rng = np.random.default_rng(seed)
        thresholds = {
            left: list(accumulate(p for p, _ in rules))[:-1] for left, rules in self.rules.items()
        }
        text = []
        for _ in range(sentences):
            words, pending = [], [self.start]  # a stack: what comes next lies on top
            while pending:
                symbol = pending.pop()
                if symbol in self.rules:
                    chosen = bisect(thresholds[symbol], rng.random())
                    pending.extend(reversed(self.rules[symbol][chosen].right))
                else:
                    words.append(symbol)
            text.append(" ".join(words) + STOP + "\n")
        return "".join(text)

    def log_probability(self, text: str) -> float:
        """log p of a text of whole sentences, in nats; −inf if one is not in the language.

        The probability that as many sentences, drawn one after another, are these. Per character,
        its negative is what the true model loses on this very text; its mean is entropy_rate().
        """
        if not text:
            return 0.0
        if not text.endswith("\n"):
            return -math.inf
        return sum(self._log_probability(line) for line in text[:-1].split("\n"))

    def _log_probability(self, line: str) -> float:
        if not line.endswith(STOP):
            return -math.inf
        total, pending = 0.0, [self.start]
        for word in [*line[: -len(STOP)].split(" "), STOP]:
            while pending and pending[-1] in self.rules:
                rule = self._rule_for.get((pending.pop(), word))  # no choice: that is the point
                if rule is None:
                    return -math.inf
                total += math.log(rule.probability)
                pending.extend(reversed(rule.right))
            if word != (pending.pop() if pending else STOP):
                return -math.inf
        return total

    def _mean_offspring(self) -> Array:
        """m[B, A]: how many A one use of B is expected to bring in."""
        return np.array(
            [[sum(p * right.count(a) for p, right in rules) for a in self.rules]
             for rules in self.rules.values()]
        )  # fmt: skip

    def expected_uses(self) -> dict[str, float]:
        """u: how often each symbol is expected in one derivation; u = e_start + mᵀu."""
        start = np.array([float(symbol == self.start) for symbol in self.rules])
        uses = np.linalg.solve(np.eye(len(start)) - self._mean_offspring().T, start)
        return dict(zip(self.rules, uses.tolist(), strict=True))

    def entropy(self) -> float:
        """Nats per sentence, exactly."""
        uses = self.expected_uses()
        return sum(
            uses[left] * sum(-p * math.log(p) for p, _ in rules)
            for left, rules in self.rules.items()
        )

    def expected_length(self, unit: str = "character") -> float:
        """Expected length of a sentence, exactly, in characters or in words.

        A word counts its letters and the space or new line beside it, the full stop one character.
        In words, the full stop is one too: these are the tokens that WordTokenizer makes.
        """
        sizes = {"character": lambda word: len(word) + 1, "word": lambda word: 1}
        if unit not in sizes:
            raise ValueError(f"unit: must be one of {sorted(sizes)}, got {unit!r}")
        uses, size = self.expected_uses(), sizes[unit]
        return 1 + sum(
            uses[left] * p * sum(size(word) for word in right if word not in self.rules)
            for left, rules in self.rules.items()
            for p, right in rules
        )

    def entropy_rate(self, unit: str = "character") -> float:
        """Nats per character (or per word) of the endless text, exactly: a model's lowest loss."""
        return self.entropy() / self.expected_length(unit)


def _check_rules(rules: dict[str, tuple[Rule, ...]]) -> None:
    if not rules:
        raise ValueError("rules: there are none")
    for left, alternatives in rules.items():
        if not left[:1].isupper():
            raise ValueError(f"rules: symbols are capitalised, got {left!r}")
        total = sum(p for p, _ in alternatives)
        if not all(p > 0 for p, _ in alternatives) or abs(total - 1) > 1e-9:
            raise ValueError(f"rules: {left}: probabilities must be > 0 and sum to 1, got {total}")
        for symbol in (symbol for _, right in alternatives for symbol in right):
            if symbol not in rules and not re.fullmatch("[a-z]+", symbol):
                raise ValueError(f"rules: {left}: {symbol!r} has no rules and is not a word of a-z")


def _first_word_table(
    rules: dict[str, tuple[Rule, ...]], start: str
) -> dict[tuple[str, str], Rule]:
    """(symbol, next word) -> the only rule that can have been used: proof of unambiguity.

    first[A]: words that what A writes can begin with, "" if it can be nothing; follow[A]: words
    that can stand after A. Both grow until nothing changes. Aho, Sethi and Ullman 1986, sec. 4.4.
    """
    first: dict[str, set[str]] = {left: set() for left in rules}
    follow: dict[str, set[str]] = {left: set() for left in rules}
    follow[start] = {STOP}

    def beginnings(symbols: Sequence[str]) -> set[str]:
        words: set[str] = set()
        for symbol in symbols:
            words |= first.get(symbol, {symbol}) - {""}
            if "" not in first.get(symbol, {symbol}):
                return words
        return words | {""}

    def words_known() -> int:
        return sum(len(words) for sets in (first, follow) for words in sets.values())

    before = -1
    while words_known() > before:
        before = words_known()
        for left, alternatives in rules.items():
            for _, right in alternatives:
                first[left] |= beginnings(right)
                for i, symbol in enumerate(right):
                    if symbol in rules:
                        after = beginnings(right[i + 1 :])
                        follow[symbol] |= after - {""} | (follow[left] if "" in after else set())
    if "" in first[start]:
        raise ValueError(f"rules: {start}, the start, must write at least one word")

    table: dict[tuple[str, str], Rule] = {}
    for left, alternatives in rules.items():
        for rule in alternatives:
            begins = beginnings(rule.right)
            for word in begins - {""} | (follow[left] if "" in begins else set()):
                if (left, word) in table:
                    raise ValueError(f"rules: {left}: {word!r} does not tell which rule was used")
                table[left, word] = rule
    return table


# Village stories. Verbs agree with their subjects across adjectives and relative clauses, which
# nest: "the cats that a dog that sings follows sleep" needs a memory longer than an n-gram's.
# The choice between one and many is put off to the noun where "the" leaves it open.
GRAMMAR = Grammar.parse("""
Sentence  -> 1 Clause More
More      -> 0.85 ε | 0.1 and Sentence | 0.05 but Sentence
Clause    -> 0.5 the Subject | 0.3 One SubjectSg | 0.2 Many SubjectPl
Subject   -> 0.2 Adjective Subject | 0.48 NounSg RelSg PredSg | 0.32 NounPl RelPl PredPl
SubjectSg -> 0.2 Adjective SubjectSg | 0.8 NounSg RelSg PredSg
SubjectPl -> 0.2 Adjective SubjectPl | 0.8 NounPl RelPl PredPl
PredSg    -> 0.6 ActsOnSg Object | 0.4 ActsSg Place
PredPl    -> 0.6 ActsOnPl Object | 0.4 ActsPl Place
Object    -> 0.5 the Thing | 0.3 One ThingSg | 0.2 Many ThingPl
Thing     -> 0.2 Adjective Thing | 0.48 NounSg RelSg | 0.32 NounPl RelPl
ThingSg   -> 0.2 Adjective ThingSg | 0.8 NounSg RelSg
ThingPl   -> 0.2 Adjective ThingPl | 0.8 NounPl RelPl
RelSg     -> 0.8 ε | 0.2 that WhichSg
RelPl     -> 0.8 ε | 0.2 that WhichPl
WhichSg   -> 0.6 PredSg | 0.4 Agent
WhichPl   -> 0.6 PredPl | 0.4 Agent
Agent     -> 0.5 the Doer | 0.3 One DoerSg | 0.2 Many DoerPl
Doer      -> 0.2 Adjective Doer | 0.48 NounSg RelSg ActsOnSg | 0.32 NounPl RelPl ActsOnPl
DoerSg    -> 0.2 Adjective DoerSg | 0.8 NounSg RelSg ActsOnSg
DoerPl    -> 0.2 Adjective DoerPl | 0.8 NounPl RelPl ActsOnPl
Place     -> 0.7 ε | 0.3 Near the Spot
One       -> 0.7 a | 0.3 every
Many      -> 0.5 some | 0.3 many | 0.2 two
Adjective -> 0.35 small | 0.25 young | 0.2 clever | 0.12 happy | 0.08 quiet
NounSg    -> 0.3 dog | 0.22 cat | 0.18 girl | 0.12 farmer | 0.1 bird | 0.08 king
NounPl    -> 0.3 dogs | 0.22 cats | 0.18 girls | 0.12 farmers | 0.1 birds | 0.08 kings
ActsOnSg  -> 0.35 sees | 0.25 likes | 0.2 follows | 0.12 hears | 0.08 teaches
ActsOnPl  -> 0.35 see | 0.25 like | 0.2 follow | 0.12 hear | 0.08 teach
ActsSg    -> 0.4 sleeps | 0.3 sings | 0.2 waits | 0.1 dances
ActsPl    -> 0.4 sleep | 0.3 sing | 0.2 wait | 0.1 dance
Near      -> 0.6 in | 0.4 near
Spot      -> 0.4 garden | 0.3 house | 0.2 forest | 0.1 barn
""")
