"""The notebook on sequence to sequence: its exercises' hints, its functions, two libraries."""

import ast
import math
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest

from minilm.course import verdict
from minilm.course.exercises import EXERCISES
from minilm.course.exercises.sequence_to_sequence import best_of_beams
from minilm.generation import beam_search
from minilm.metrics import bleu
from minilm.nn import additive_attention

SOURCE = Path(__file__).parents[2] / "notebooks" / "source" / "04_sequence_to_sequence.py"
TREE = ast.parse(SOURCE.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def notebook():
    """The functions, the class and the literal constants that the notebook defines, by name."""
    names = {"np": np, "math": math, "pairwise": pairwise, "product": product,
             "beam_search": beam_search}  # fmt: skip
    wanted = [
        node for node in TREE.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        or (isinstance(node, ast.Assign) and ast.unparse(node.targets[0])
            in ("REFERENCE", "WRITTEN", "LETTERS", "CANDIDATES"))
    ]  # fmt: skip
    exec(compile(ast.Module(wanted, []), str(SOURCE), "exec"), names)
    return names


def told(name, answer):
    given = verdict(EXERCISES[name], answer)
    assert given.state == "wrong"
    return given.hint


def searching(keep="likeliest", per_beginning=False):
    """Beam search with one mistake."""

    def search(log_first, log_next, length, beams):
        kept = [([int(i)], log_first[i], log_first[i]) for i in np.argsort(-log_first)[:beams]]
        for _ in range(length - 1):
            continued = []
            for ids, log_p, _ in kept:
                mine = [([*ids, i], log_p + log_next[ids[-1], i], log_next[ids[-1], i])
                        for i in range(len(log_first))]  # fmt: skip
                mine.sort(key=lambda one: -one[1])
                continued += mine[: 1 if keep == "one of each" else None]
            by = 2 if keep == "last step" else 1
            kept = sorted(continued, key=lambda one: -one[by])
            if not per_beginning:
                kept = kept[:beams]
        ids, log_p, _ = max(kept, key=lambda one: one[1])
        return ids, log_p

    return search


def from_one_letter(log_first, log_next, length, beams):
    """Begins with the likeliest letter alone, and widens from there."""
    first = np.full(log_first.shape, -1e9)
    first[log_first.argmax()] = log_first.max()
    return searching()(first, log_next, length, beams)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (searching("last step"), "last letter"),
        (searching("one of each"), "25 beams keep"),
        (searching(per_beginning=True), "greedy"),
        (lambda first, after, length, beams: searching()(first, after, length, 1), "25 beams"),
        (from_one_letter, "second likeliest letter"),
        (lambda *given: (searching()(*given)[0], 0.0), "add up to"),
        (lambda *given: searching()(*given)[0], "two things"),
    ],
)
def test_mistakes_with_beams_are_told(answer, hint):
    assert verdict(EXERCISES["search_with_beams"], searching()).state == "right"
    assert hint in told("search_with_beams", answer)


def test_the_two_classic_prunings_get_hints_of_their_own():
    def wide(keep):
        def search(log_first, log_next, length, beams):
            return searching("likeliest" if beams in (1, 25) else keep)(
                log_first, log_next, length, beams
            )

        return search

    assert "last letter" in told("search_with_beams", wide("last step"))
    assert "one way only" in told("search_with_beams", wide("one of each"))
    assert "more than three beams can" in told(
        "search_with_beams",
        lambda first, after, length, beams: searching()(
            first, after, length, 12 if beams == 3 else beams
        ),
    )


def test_mistakes_with_a_masked_softmax_are_told():
    def softmax(scores, axis=-1):
        e = np.exp(scores - scores.max(axis=axis, keepdims=True))
        return e / e.sum(axis=axis, keepdims=True)

    def hidden(scores, allowed):
        return np.where(allowed, scores, -np.inf)

    def unshifted(scores, allowed):
        e = np.exp(scores) * allowed
        return e / np.maximum(e.sum(axis=-1, keepdims=True), 1e-300)

    def wrong_maximum(scores, allowed):
        e = np.exp(scores - scores.max(axis=-1, keepdims=True)) * allowed
        return e / np.maximum(e.sum(axis=-1, keepdims=True), 1e-300)

    for answer, hint in (
        (lambda scores, allowed: softmax(scores), "no effect"),
        (lambda scores, allowed: softmax(scores) * allowed, "not after it"),
        (lambda scores, allowed: softmax(np.where(allowed, scores, 0)), "have the weight 0"),
        (lambda scores, allowed: np.nan_to_num(softmax(hidden(scores, allowed), 0)), "each row"),
        (unshifted, "scores near 1000"),
        (wrong_maximum, "must be an allowed one"),
        (lambda scores, allowed: softmax(hidden(scores, allowed)), "all zeros"),
    ):
        assert hint in told("masked_softmax", answer)


def test_mistakes_with_clipped_matches_are_told():
    def runs_of(words, n):
        return [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]

    def clipped(written, reference, n):
        ours, theirs = runs_of(written, n), runs_of(reference, n)
        return sum(min(ours.count(r), theirs.count(r)) for r in set(ours)), len(ours)

    def unclipped(written, reference, n):
        theirs = runs_of(reference, n)
        return sum(run in theirs for run in runs_of(written, n)), len(runs_of(written, n))

    def of_reference(written, reference, n):
        return clipped(written, reference, n)[0], len(runs_of(reference, n))

    def always_one_more(written, reference, n):
        matched, total = clipped(written, reference, n)
        return matched, total + (total > 1)

    def as_sets(written, reference, n):
        ours = runs_of(written, n)
        return len(set(ours) & set(runs_of(reference, n))), len(ours)

    assert verdict(EXERCISES["clipped_matches"], clipped).state == "right"
    assert "at most as often" in told("clipped_matches", unclipped)
    assert "no run of two" in told("clipped_matches", of_reference)
    assert "of what was *written*" in told("clipped_matches", always_one_more)
    assert "do not make a set" in told("clipped_matches", as_sets)


def test_the_tables_search_is_minilm_s(notebook):
    rng = np.random.default_rng(0)
    for _ in range(5):
        rows = np.log(rng.dirichlet(np.ones(4), size=5))
        for beams in (1, 2, 3):
            ids, log_p = notebook["beams_on_table"](rows[0], rows[1:], 5, beams)
            assert np.isclose(log_p, best_of_beams(rows[0], rows[1:], 5, beams))
            assert np.isclose(log_p, notebook["log_probability"](ids, rows[0], rows[1:]))
        every = notebook["all_log_probabilities"](rows[0], rows[1:], 3)
        best = notebook["likeliest"](rows[0], rows[1:], 3)
        assert every.shape == (4, 4, 4) and np.unravel_index(every.argmax(), every.shape) == best


def test_a_look_up_by_hand_is_additive_attention(notebook):
    rng = np.random.default_rng(1)
    h, memory, w_q, w_k, v = (rng.standard_normal(shape) for shape in ((3,), (5, 4), (3, 6),
                                                                       (4, 6), (6,)))  # fmt: skip
    context, weights = notebook["look_up"](h, memory, w_q, w_k, v)
    theirs, cache = additive_attention(h[None, None], memory[None], w_q, w_k, v)
    assert np.allclose(context, theirs[0, 0]) and np.allclose(weights, cache["weights"][0, 0])


def test_wilson_s_interval_by_hand(notebook):
    low, high = notebook["wilson"](0, 10, z=2.0)  # 0 … z² / (n + z²)
    assert np.isclose(low, 0) and np.isclose(high, 4 / 14)
    low, high = notebook["wilson"](5, 10, z=2.0)
    assert np.isclose(low + high, 1)


@pytest.mark.oracle
def test_sacrebleu_agrees_on_the_notebook_s_sentences(notebook):
    import sacrebleu

    for written in notebook["WRITTEN"]:
        theirs = sacrebleu.corpus_bleu([written], [[notebook["REFERENCE"]]]).score
        assert np.isclose(bleu([written], [notebook["REFERENCE"]]), theirs)


@pytest.mark.oracle
@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0])
def test_transformers_scores_texts_as_the_notebook_says(notebook, alpha):
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    begin, end = 0, 1
    torch.manual_seed(0)
    model = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=7, n_positions=16, n_embd=16, n_layer=1, n_head=2, initializer_range=0.6,
            bos_token_id=begin, eos_token_id=end,
        )
    ).eval()  # fmt: skip
    found = model.generate(
        torch.tensor([[begin]]), attention_mask=torch.ones(1, 1, dtype=torch.long), num_beams=4,
        num_return_sequences=4, length_penalty=alpha, max_new_tokens=8, do_sample=False,
        output_scores=True, return_dict_in_generate=True, pad_token_id=end,
    )  # fmt: skip
    lengths = set()
    for sequence, score in zip(found.sequences, found.sequences_scores, strict=True):
        ids = sequence.tolist()[1:]
        ids = ids[: ids.index(end) + 1] if end in ids else ids
        with torch.no_grad():
            log_p = torch.log_softmax(model(torch.tensor([[begin, *ids]])).logits[0], dim=-1)
        total = sum(float(log_p[place, token]) for place, token in enumerate(ids))
        lengths.add(len(ids))
        rule = notebook["transformers_score"](total, len(ids), alpha)
        assert np.isclose(rule, float(score), atol=1e-4)
    assert alpha or len(lengths) > 1, "texts of several lengths, one of which has ended"
