"""Exercises of notebook 06."""

from collections.abc import Callable
from typing import Any

import numpy as np

from minilm.course.check import Exercise, want
from minilm.generation import next_token_probabilities
from minilm.nn import attention, causal_mask, softmax
from minilm.text import BPETokenizer

Answer = Callable[..., Any]
Rng = np.random.Generator


def check_encode_word(encode_word: Answer, rng: Rng) -> None:
    merges = [("a", "b"), ("b", "c"), ("ab", "c")]
    want(list(encode_word("c", list(merges))) == ["c"],
         "a word of one character is one piece, a list of one string")  # fmt: skip
    pieces = list(encode_word("bcab", [("a", "b"), ("b", "c")]))
    want("".join(map(str, pieces)) == "bcab", "the pieces, joined, must be the word again")
    want(pieces != list("bcab"), "some neighbours are a pair that was learned: merge them")
    want(pieces == ["bc", "ab"], "merge wherever the pair stands, at the word's end too")
    want(list(encode_word("abcab", [("a", "b")])) == ["ab", "c", "ab"],
         "merge a pair everywhere in the word, not only where it stands first")  # fmt: skip
    order = list(encode_word("abc", [("b", "c"), ("a", "b")]))
    want(order != ["abc"],
         "`a` and `bc` are no pair that was learned: compare whole pieces, not the letters where "
         "two of them meet")  # fmt: skip
    want(order != ["ab", "c"],
         "of two pairs that overlap the one that was learned first goes first, not the one that "
         "stands further left")  # fmt: skip
    want(order == ["a", "bc"], "merge in the order in which the pairs were learned")
    want(list(encode_word("abc", [("a", "b"), ("b", "c")])) == ["ab", "c"],
         "the pair that was learned first goes first: the first in the list, not the last")
    want(list(encode_word("abc", list(merges))) == ["abc"],
         "pieces that were just merged can be part of a later pair")  # fmt: skip
    long = list(encode_word("xyz", [("y", "z"), ("x", "yy"), ("yy", "z"), ("x", "y"), ("xy", "z")]))
    want(long != ["xyz"],
         "the longest piece that would fit is not what BPE looks for: only merges, in their order")
    want(list(encode_word("aaa", [("a", "a")])) == ["aa", "a"], "merge from left to right")
    words = ["".join(rng.choice(list("abc"), size=rng.integers(2, 9))) for _ in range(60)]
    learned = BPETokenizer.train(" ".join(words), vocab_size=290)
    for word in words[:20]:
        right = [learned.vocabulary[i] for i in learned.encode(word)]
        want(list(encode_word(word, list(learned.merges))) == right,
             "on words that a tokenizer was trained on some come out otherwise: go through the "
             "merges in order, and after each through the whole word")  # fmt: skip


def check_top_p_set(top_p_set: Answer, rng: Rng) -> None:
    p = np.array([0.125, 0.5, 0.125, 0.25])
    found = np.asarray(top_p_set(p.copy(), 0.6)).ravel().tolist()
    want(found != [1], "the sum must reach the limit: the token that passes it is kept, too")
    want(found != [0.5, 0.25], "return the numbers of the tokens, not their probabilities")
    want(found != [0, 2] and found != [2, 0], "keep the likeliest, not the least likely ones")
    want(sorted(found) != [1] * len(found) or len(found) < 2, "each token at most once")
    want(sorted(found) == [1, 3], "keep the fewest likeliest tokens whose sum reaches the limit")
    want(found == [1, 3], "the likeliest token first")
    exact = np.asarray(top_p_set(p.copy(), 0.75)).ravel().tolist()
    want(exact == [1, 3], "where the sum is exactly the limit, that is enough")
    want(len(np.ravel(top_p_set(p.copy(), 1e-6))) == 1, "at least one token is always kept")
    tie = np.asarray(top_p_set(p.copy(), 0.8)).ravel().tolist()
    want(tie == [1, 3, 0], "of equally likely tokens the lower id comes first (a stable sort)")
    for _ in range(20):
        # sixty-fourths: their sums are exact, whatever the order
        parts = rng.multinomial(64, rng.dirichlet(np.full(12, 0.5)))
        p, limit = parts / 64, (int(rng.integers(1, 64)) + 0.5) / 64
        order = np.argsort(-p, kind="stable")
        right = order[np.cumsum(p[order]) - p[order] < limit]
        assert set(right) == set(np.flatnonzero(cut(p, limit)))
        found = np.ravel(top_p_set(p.copy(), limit)).astype(int)
        want(np.array_equal(found, right) or not np.array_equal(p[found], p[right]),
             "of equally likely tokens the lower id comes first: argsort promises that only with "
             "kind='stable'")  # fmt: skip
        want(np.array_equal(found, right),
             "on other probabilities it keeps too many or too few")  # fmt: skip


def cut(p: np.ndarray, limit: float) -> np.ndarray:
    """minilm's own top-p."""
    with np.errstate(divide="ignore"):
        return next_token_probabilities(np.log(p), 1.0, top_p=limit)


def check_at_temperature(at_temperature: Answer, rng: Rng) -> None:
    z = rng.standard_normal(9) * 2
    p = softmax(z)[0]
    for temperature in (2.0, 0.5, 0.8):
        right = softmax(z / temperature)[0]
        found = np.asarray(at_temperature(p.copy(), temperature))
        want(found.shape == right.shape, f"return shape {right.shape}, one number for each token")
        want(not np.allclose(found, p), "the temperature must change something")
        want(np.isclose(found.sum(), 1, atol=1e-5), "probabilities must sum to 1")
        want(not np.allclose(found, softmax(z * temperature)[0], atol=1e-6),
             "above 1 the differences must shrink: it is the other way round")
        want(not np.allclose(found, softmax(p / temperature)[0], atol=1e-6),
             "p is no logit: e^(p/τ) is not what the softmax of z/τ is. What is z in terms of p?")
        want(np.allclose(found, right, atol=1e-5),
             "that is not softmax(z/τ); write e^(z/τ) with e^z, which p is, but for a factor")
    zero = np.array([0.5, 0.0, 0.25, 0.25])
    found = np.asarray(at_temperature(zero.copy(), 0.5))
    want(np.isfinite(found).all(), "a probability of 0 stays 0: mind log(0)")
    want(np.allclose(found, [2 / 3, 0, 1 / 6, 1 / 6], atol=1e-5), "a probability of 0 stays 0")


def check_read_one(read_one: Answer, rng: Rng) -> None:
    T, D, d = 7, 6, 4
    x, maps = rng.standard_normal((T, D)), rng.standard_normal((3, D, d)) / np.sqrt(D)
    q, k, v = (x @ w for w in maps)
    right, _ = attention(q, k, v, causal_mask(T))
    unscaled, _ = attention(2 * q, k, v, causal_mask(T))  # √d = 2: as if never divided
    by_d, _ = attention(q / 2, k, v, causal_mask(T))
    by_width, _ = attention(q * np.sqrt(d / D), k, v, causal_mask(T))
    cache = np.zeros((0, d)), np.zeros((0, d))
    for t in range(T):
        given = tuple(part.copy() for part in cache)
        answer = read_one(x[t].copy(), given, *maps.copy())
        want(isinstance(answer, tuple) and len(answer) == 2, "return a pair: y, (K, V)")
        y, new = answer
        want(len(new) == 2, "return the new cache as a pair (K, V)")
        K, V = (np.asarray(part) for part in new)
        want(all(np.array_equal(a, b) for a, b in zip(given, cache, strict=True)),
             "the arrays you are given must stay as they are: make new ones")  # fmt: skip
        want(K.shape == V.shape, "K and V have as many rows")
        want(K.shape == (t + 1, d),
             f"after token {t + 1} the cache must have {t + 1} rows of {d}, it has shape {K.shape}")
        want(np.allclose(K[-1], k[t], atol=1e-5) or not np.allclose(K[-1], v[t], atol=1e-5),
             "keys and values are exchanged: the cache is (K, V)")  # fmt: skip
        want(np.allclose(K, k[: t + 1], atol=1e-5) and np.allclose(V, v[: t + 1], atol=1e-5),
             "the rows must be x @ w_k and x @ w_v of each token, in the order they were read")
        y = np.asarray(y)
        want(y.shape == (d,), f"y must have shape ({d},), it has {y.shape}")
        want(np.isfinite(y).all(), "y is not finite: the first token has only itself to look at")
        if t and not np.allclose(y, right[t], atol=1e-5):
            others, _ = attention(q[t : t + 1], k[:t], v[:t])
            want(not np.allclose(y, others[0], atol=1e-5),
                 "the token may look at itself, too: its own key and value go in first")
            want(not np.allclose(y, unscaled[t], atol=1e-5), "divide the scores by √d")
            want(not np.allclose(y, by_d[t], atol=1e-5), "divide by √d, not by d")
            want(not np.allclose(y, by_width[t], atol=1e-5),
                 "the d in √d is how many numbers a key has, not how many x has")  # fmt: skip
        want(np.allclose(y, right[t], atol=1e-4),
             f"token {t + 1}: not what attention over the whole text gives at this place; are the "
             "weights a softmax over the rows of K, and is y their mean of the rows of V?")
        cache = K.copy(), V.copy()


EXERCISES: list[Exercise] = [
    Exercise("encode_word", "Encode a word with byte-pair merges.", check_encode_word),
    Exercise("top_p_set", "Find the fewest tokens of a joint probability.", check_top_p_set),
    Exercise("at_temperature", "Apply a temperature to probabilities.", check_at_temperature),
    Exercise("read_one", "Write the attention of one token with a cache.", check_read_one, 2),
]
