"""The notebook on a small GPT: wrong answers get their hints; its rules are the libraries'."""

import ast
import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from minilm.course import verdict
from minilm.course.exercises import EXERCISES
from minilm.generation import next_token_probabilities
from minilm.text import GRAMMAR, BPETokenizer

SOURCE = Path(__file__).parents[2] / "notebooks" / "source" / "06_a_small_gpt.py"
TREE = ast.parse(SOURCE.read_text(encoding="utf-8"))


def notebook():
    """The functions that the notebook defines."""
    names = {"np": np, "re": re, "Counter": Counter, "pairwise": pairwise}
    functions = [node for node in TREE.body if isinstance(node, ast.FunctionDef)]
    exec(compile(ast.Module(functions, []), str(SOURCE), "exec"), names)
    return names


NOTEBOOK = notebook()
merged = NOTEBOOK["merged"]


def hint(name, answer):
    found = verdict(EXERCISES[name], answer)
    assert found.state == "wrong", found
    return found.hint


def test_the_notebook_s_merges_are_the_tokenizer_s():
    for text in ("low lower lowest", GRAMMAR.sample(40, seed=3), "aaa aaaa. bab\n"):
        tokenizer = BPETokenizer.train(text, vocab_size=400)
        assert NOTEBOOK["train_bpe"](text, 400 - 256) == list(tokenizer.merges)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_the_notebook_s_probabilities_are_minilm_s(temperature):
    z = np.random.default_rng(0).standard_normal(40) * 3
    p = NOTEBOOK["probabilities"](z, temperature)
    assert np.allclose(p, next_token_probabilities(z, temperature))
    assert np.allclose(NOTEBOOK["keep_top_k"](p, 7), next_token_probabilities(z, temperature, 7))


def test_words_encoded_wrongly():
    def in_any_order(word, merges):  # the leftmost pair that was learned, whichever it is
        symbols = list(word)
        while True:
            places = [i for i, pair in enumerate(pairwise(symbols)) if pair in merges]
            if not places:
                return symbols
            i = places[0]
            symbols[i : i + 2] = [symbols[i] + symbols[i + 1]]

    def longest_first(word, merges):
        pieces, known = [], {a + b for a, b in merges}
        while word:
            n = max(n for n in range(1, len(word) + 1) if n == 1 or word[:n] in known)
            pieces.append(word[:n])
            word = word[n:]
        return pieces

    def last_learned_first(word, merges):
        symbols = tuple(word)
        for pair in reversed(merges):
            symbols = merged(symbols, pair)
        return list(symbols)

    def characters_alone(word, merges):
        return list(word)

    def letters_that_meet(word, merges):
        spaced = " ".join(word)
        for a, b in merges:
            spaced = spaced.replace(f"{a} {b}", a + b)
        return spaced.split()

    def once(word, merges):
        symbols = list(word)
        for pair in merges:
            if pair in (places := list(pairwise(symbols))):
                i = places.index(pair)
                symbols[i : i + 2] = [symbols[i] + symbols[i + 1]]
        return symbols

    assert "whole pieces" in hint("encode_word", letters_that_meet)
    assert "everywhere" in hint("encode_word", once)
    assert "learned first" in hint("encode_word", in_any_order)
    assert "learned first" in hint("encode_word", longest_first)
    assert "learned first" in hint("encode_word", last_learned_first)
    assert "merge them" in hint("encode_word", characters_alone)


def test_nuclei_too_small_and_too_large():
    def stops_short(p, limit):
        order = np.argsort(-p, kind="stable")
        return order[np.cumsum(p[order]) <= limit]

    def one_too_many(p, limit):
        order = np.argsort(-p, kind="stable")
        return order[np.cumsum(p[order]) - p[order] <= limit]

    def in_order_of_ids(p, limit):
        order = np.argsort(-p, kind="stable")
        return np.sort(order[np.cumsum(p[order]) - p[order] < limit])

    def from_below(p, limit):
        order = np.argsort(p, kind="stable")
        return order[np.cumsum(p[order]) - p[order] < limit]

    def ties_reversed(p, limit):
        order = np.argsort(p, kind="stable")[::-1]
        return order[np.cumsum(p[order]) - p[order] < limit]

    assert "reach the limit" in hint("top_p_set", stops_short)
    assert "exactly the limit" in hint("top_p_set", one_too_many)
    assert "likeliest token first" in hint("top_p_set", in_order_of_ids) or "lower" in hint(
        "top_p_set", in_order_of_ids
    )
    assert "likeliest" in hint("top_p_set", from_below)
    assert "lower id" in hint("top_p_set", ties_reversed)
    assert "not their probabilities" in hint("top_p_set", lambda p, limit: np.array([0.5, 0.25]))


def test_temperatures_the_wrong_way_round_and_from_logits():
    def softmax(z):
        e = np.exp(z - z.max())
        return e / e.sum()

    def through_logs(p, temperature):
        with np.errstate(divide="ignore", invalid="ignore"):
            z = np.log(p) / temperature
            return np.exp(z - z.sum()) / np.exp(z - z.sum()).sum()

    assert "sum to 1" in hint("at_temperature", lambda p, t: p ** (1 / t))
    assert "other way" in hint("at_temperature", lambda p, t: p**t / (p**t).sum())
    assert "no logit" in hint("at_temperature", lambda p, t: softmax(p / t))
    assert "something" in hint("at_temperature", lambda p, t: p)
    assert "log(0)" in hint("at_temperature", through_logs)


def read_one(x, cache, w_q, w_k, w_v, *, scale=0.5, own=True, write=False):
    K, V = np.vstack([cache[0], x @ w_k]), np.vstack([cache[1], x @ w_v])
    if write and len(cache[0]):
        cache[0][-1] = 0
    n = len(K) if own or len(K) == 1 else len(K) - 1
    scores = K[:n] @ (x @ w_q) * scale
    weights = np.exp(scores - scores.max())
    return weights / weights.sum() @ V[:n], (K, V)


def test_caches_that_forget_and_scores_that_are_not_scaled():
    def answer(**how):
        return lambda *arguments: read_one(*arguments, **how)

    assert verdict(EXERCISES["read_one"], answer()).state == "right"
    assert "√d" in hint("read_one", answer(scale=1))
    assert "not by d" in hint("read_one", answer(scale=0.25))
    assert "a key has" in hint("read_one", answer(scale=6**-0.5))
    assert "itself" in hint("read_one", answer(own=False))
    assert "as they are" in hint("read_one", answer(write=True))
    assert "rows" in hint("read_one", lambda *a: (read_one(*a)[0], a[1]))
    assert "exchanged" in hint("read_one", lambda *a: (read_one(*a)[0], read_one(*a)[1][::-1]))


@pytest.mark.oracle
def test_the_order_of_cuts_is_that_of_transformers():
    import torch
    from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

    rng = np.random.default_rng(1)
    for temperature, top_k, top_p in ((0.5, 40, 0.9), (1.0, 5, 0.5), (2.0, 20, 0.95)):
        z = rng.standard_normal(60) * 2
        scores = torch.from_numpy(z)[None]
        for warper in (
            TemperatureLogitsWarper(temperature), TopKLogitsWarper(top_k), TopPLogitsWarper(top_p),
        ):  # fmt: skip
            scores = warper(torch.zeros((1, 1), dtype=torch.long), scores)
        theirs = torch.softmax(scores, dim=-1)[0].numpy()
        ours = NOTEBOOK["transformers_rule"](z, temperature, top_k, top_p)
        assert np.allclose(ours, theirs)
        assert np.allclose(ours, next_token_probabilities(z, temperature, top_k, top_p))


@pytest.mark.oracle
def test_the_merges_are_those_of_the_tokenizers_library():
    from tokenizers import ByteLevelBPETokenizer

    text = GRAMMAR.sample(300, seed=5)
    theirs = ByteLevelBPETokenizer()
    theirs.train_from_iterator([text], vocab_size=330, min_frequency=2, show_progress=False)
    ours = BPETokenizer.train(text, vocab_size=330)
    assert theirs.encode(text).tokens == [ours.vocabulary[i] for i in ours.encode(text)]
