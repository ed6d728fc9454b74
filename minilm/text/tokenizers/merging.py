"""Byte-pair encoding without its bytes: the most frequent pair of neighbours becomes one symbol.

    learn:  repeat
                times = Counter()
                for word, count in counts.items():
                    for a, b in zip(word, word[1:]):  times[a, b] += count
                (a, b) = the pair of the largest times, the smallest pair of several such
                in every word, from left to right:  a b -> a new symbol ab

    apply:  while pairs that were learned stand in the word
                (a, b) = the one of them that was learned first
                from left to right:  a b -> ab

    join:   the same one place at a time: after each  a b -> ab  look for the first pair again
            (SentencePiece; the same as long as no merge makes a pair that comes before it)

Gage 1994; Sennrich, Haddow and Birch 2016, section 3.2 and algorithm 1. This is the algorithm, and
tests/text/tokenizers/test_merging.py has it in full, to compare what follows with.

Written like this, every merge reads every word again. But a merge changes only what stands beside
it. So the words are kept as one chain in which each symbol knows its neighbours, with a list of the
places where each pair stands; a merge then visits its own places and corrects what it touched.
Learning and applying are the same walk over that chain, and cost in proportion to the merges made
(times a logarithm for the queue that says which pair is next), however long a word is.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from heapq import heapify, heappop, heappush
from itertools import pairwise
from typing import TypeAlias

Pair: TypeAlias = tuple[int, int]

BORDER = -1  # stands between two words: no pair reaches across
GONE = -2  # was swallowed by the symbol on its left


class Chain:
    """Words in one row, as symbols that know their neighbours.

    symbols: BORDER word BORDER word … BORDER;    before, after: places of the neighbours
    where[a, b]: places of a that had b on its right when they were written down
    """

    def __init__(self, words: Collection[Sequence[int]]) -> None:
        self.symbols = [BORDER]
        for word in words:
            self.symbols += word
            self.symbols.append(BORDER)
        self.before = list(range(-1, len(self.symbols) - 1))
        self.after = list(range(1, len(self.symbols) + 1))
        self.where: dict[Pair, list[int]] = defaultdict(list)
        for place, pair in enumerate(pairwise(self.symbols)):
            if BORDER not in pair:
                self.where[pair].append(place)

    def merge(self, pair: Pair, new: int) -> Iterator[tuple[int, int, int]]:
        """Write `new` wherever pair stands, from left to right.

        Yields for each place: the place, and the symbols now on the left and right of `new`.
        """
        a, b = pair
        symbols, before, after, where = self.symbols, self.before, self.after, self.where
        for place in sorted(where.pop(pair, ())):
            second = after[place]
            if symbols[place] != a or symbols[second] != b:
                continue  # another merge has been here; or in a a a, the one just before
            left, right = before[place], after[second]
            symbols[place], symbols[second] = new, GONE
            after[place], before[right] = right, place
            where[symbols[left], new].append(left)
            where[new, symbols[right]].append(place)
            yield place, symbols[left], symbols[right]

    def words(self) -> Iterator[tuple[int, ...]]:
        """The words as they stand now."""
        word: list[int] = []
        for symbol in self.symbols[1:]:
            if symbol == BORDER:
                yield tuple(word)
                word = []
            elif symbol != GONE:
                word.append(symbol)


def learn_merges(
    counts: Mapping[tuple[int, ...], int], n_symbols: int, n_merges: int, min_count: int
) -> list[Pair]:
    """At most n_merges pairs, in the order learned; merge number m makes the symbol n_symbols + m.

    counts: how often each word stands in the text; a word is symbols 0..n_symbols-1. Ties go to the
    smaller pair, so the result depends on nothing but the counts. Stops early when no pair occurs
    min_count times.
    """
    chain = Chain(counts)
    weight = [0]  # of each place: how often its word stands in the text; of the first BORDER, 0
    for word, n in counts.items():
        weight += [n] * (len(word) + 1)  # the word and the BORDER behind it
    pair_count: dict[Pair, int] = defaultdict(int)
    for pair, places in chain.where.items():
        pair_count[pair] = sum(weight[place] for place in places)
    queue = [(-count, pair) for pair, count in pair_count.items()]
    heapify(queue)
    merges: list[Pair] = []
    while queue and len(merges) < n_merges:
        queued, pair = heappop(queue)
        count = pair_count[pair]
        if -queued != count:  # places were merged away since: back into the queue with the truth
            heappush(queue, (-count, pair))
            continue
        if count < min_count:
            break
        new = n_symbols + len(merges)
        merges.append(pair)
        made = set()
        a, b = pair
        for place, left, right in chain.merge(pair, new):
            n = weight[place]
            pair_count[left, a] -= n
            pair_count[left, new] += n
            pair_count[b, right] -= n
            pair_count[new, right] += n
            made.add((left, new))
            made.add((new, right))
        pair_count[pair] = 0
        for fresh in made:
            if BORDER not in fresh:
                heappush(queue, (-pair_count[fresh], fresh))
    return merges


def apply_merges(
    words: Collection[Sequence[int]], ranks: Mapping[Pair, int], results: Sequence[int]
) -> Iterator[tuple[int, ...]]:
    """Each word after all merges that fit into it.

    ranks: pair -> when it was learned;  results: the symbol that the merge of each rank makes.
    """
    chain = Chain(words)
    pair_of = {ranks[pair]: pair for pair in chain.where if pair in ranks}
    queue = list(pair_of)
    heapify(queue)
    while queue:
        rank = heappop(queue)
        new = results[rank]
        made = set()
        for _, left, right in chain.merge(pair_of[rank], new):
            made.add((left, new))
            made.add((new, right))
        for pair in made:
            if pair in ranks:
                pair_of[ranks[pair]] = pair
                heappush(queue, ranks[pair])
    return chain.words()


def join_best(symbols: list[int], best: Mapping[Pair, tuple[float, int]]) -> tuple[int, ...]:
    """symbols after joining neighbours as long as a pair of them is in `best`, the least first.

    best: pair -> (its order, the symbol it makes). Of equal ones the leftmost is first. A join
    changes two pairs, so with a queue of pairs the cost is n log n for n symbols.

    >>> join_best([1, 2, 2, 3], {(2, 3): (0, 9), (1, 2): (1, 8), (8, 9): (2, 7)})
    (7,)
    """
    symbols = [GONE, *symbols, GONE]  # both ends, which are in no pair
    before, after = list(range(-1, len(symbols) - 1)), list(range(1, len(symbols) + 1))
    queue = [
        (best[pair][0], place, *pair)
        for place, pair in enumerate(pairwise(symbols))
        if pair in best
    ]
    heapify(queue)
    while queue:
        _, place, a, b = heappop(queue)
        second = after[place]
        if symbols[place] != a or symbols[second] != b:
            continue  # another join has been here
        symbols[place], symbols[second] = best[a, b][1], GONE
        after[place] = after[second]
        before[after[place]] = place
        for left in (before[place], place):
            pair = symbols[left], symbols[after[left]]
            if pair in best:
                heappush(queue, (best[pair][0], left, *pair))
    return tuple(symbol for symbol in symbols if symbol != GONE)
