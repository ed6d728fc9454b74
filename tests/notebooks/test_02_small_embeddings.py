"""The notebook on small embeddings: wrong answers get their hints, gensim has the stated rules."""

import ast
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from minilm import fake_quantize, quantize
from minilm.compression import product_quantize
from minilm.course import verdict
from minilm.course.exercises import EXERCISES
from minilm.course.exercises.small_embeddings import agreement
from minilm.embeddings.cooccurrence import cooccurrences, inverse_distance
from minilm.embeddings.glove import pair_gradients
from minilm.embeddings.ppmi import shifted_pmi
from minilm.embeddings.subwords import character_ngrams, fnv1a

SOURCE = Path(__file__).parents[2] / "notebooks" / "source" / "02_small_embeddings.py"
TREE = ast.parse(SOURCE.read_text(encoding="utf-8"))


def from_notebook(*names):
    """Functions as the notebook defines them, knowing each other."""
    known = {"np": np, "math": math, "Counter": Counter}
    for name in names:
        (found,) = [n for n in TREE.body if isinstance(n, ast.FunctionDef) and n.name == name]
        exec(compile(ast.Module([found], []), str(SOURCE), "exec"), known)
    return [known[name] for name in names]


def runs(text, low, high, ends=0):
    return [text[i : i + n] for n in range(low, high + 1) for i in range(len(text) - n + 1 + ends)]


def pmi(counts):
    with np.errstate(divide="ignore"):
        return np.log(counts * counts.sum() / np.outer(counts.sum(axis=1), counts.sum(axis=0)))


def without_total(counts):
    with np.errstate(divide="ignore"):
        return np.maximum(np.log(counts / np.outer(counts.sum(axis=1), counts.sum(axis=0))), 0)


def noisy(counts):
    return np.maximum(np.log(counts * counts.sum()
                             / np.outer(counts.sum(axis=1), counts.sum(axis=0))), 0)  # fmt: skip


WRONG = [
    ("ngrams_of", lambda w, a, b: runs(w, a, b), "between < and >"),
    ("ngrams_of", lambda w, a, b: runs(f"<{w}>", a, b - 1), "max_n is one of the lengths"),
    ("ngrams_of", lambda w, a, b: runs(f"<{w}>", a, b, ends=-1), "ends in '>'"),
    ("ngrams_of", lambda w, a, b: runs(f"<{w}>", a, b, ends=1), "shorter or longer"),
    ("ngrams_of", lambda w, a, b: sorted(set(runs(f"<{w}>", a, b))), "listed twice"),
    ("ngrams_of", lambda w, a, b: "".join(w), "return a list"),
    ("ppmi_table", pmi, "0 here, not −∞"),
    ("ppmi_table", lambda c: np.where(c > 0, pmi(c), 0), "that is the PMI"),
    ("ppmi_table", without_total, "sum of all counts is missing"),
    ("ppmi_table", lambda c: np.maximum(pmi(c), 0) / np.log(2), "nats"),
    ("ppmi_table", lambda c: np.exp(pmi(c)), "logarithm is missing"),
    ("ppmi_table", noisy, "with a warning"),
    ("best_scale", lambda x, q: np.abs(x).max() / max(np.abs(q).max(), 1), "fits the largest"),
    ("best_scale", lambda x, q: x @ q / len(x), "not by D"),
    ("best_scale", lambda x, q: x @ q / (x @ x), "Σ q²"),
    ("best_scale", lambda x, q: (q @ q) / (x @ q), "upside down"),
    ("best_scale", lambda x, q: np.mean(x[q != 0] / q[q != 0]), "mean of x/q"),
    ("best_scale", lambda x, q: np.divide(x @ q, np.float64(q @ q)) if q.any() else 1.0,
     "scale is to be 0"),
    ("small_table", lambda t: fake_quantize(t, 4, axis=0), "however few values"),
    ("small_table", lambda t: t.astype(np.float16), "however few values"),
    ("small_table", lambda t: quantize(t, 5, axis=0), "5.50 true bits"),
    ("small_table", lambda t: quantize(t, 3, axis=0), "as many bits as are allowed"),
    ("small_table", lambda t: product_quantize(t, 2, 8), "true bits"),
    ("small_table", lambda t: quantize(t, 4, axis=0, objective="mse"), "who shares it"),
    ("small_table", lambda t: quantize(t, 4, axis=-1), "How many rows share a scale"),
    ("small_table", lambda t: t.tolist(), "return a compressed table"),
    ("small_table", lambda t: quantize(t.T.copy(), 4, axis=-1), "has the shape"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "wrong", "hint"), WRONG)
def test_a_typical_mistake_is_named(name, wrong, hint):
    for seed in range(3):
        given = verdict(EXERCISES[name], wrong, seed)
        assert given.state == "wrong", given
        assert hint in given.hint


@pytest.mark.parametrize("objective", ["absmax", "mse"])
def test_groups_are_enough_for_the_small_table(objective):
    def answer(table):
        return quantize(table, 4, axis=0, group_size=32, objective=objective)

    assert all(verdict(EXERCISES["small_table"], answer, s).state == "right" for s in range(5))


def test_agreement_is_1_for_a_table_and_its_multiple_only():
    table = np.random.default_rng(0).standard_normal((30, 4)).astype(np.float32)
    assert agreement(table, 3 * table) > 0.9999
    assert abs(agreement(table, np.random.default_rng(1).standard_normal((30, 4)))) < 0.5


def test_ppmi_right_is_the_packages():
    rng = np.random.default_rng(0)
    ids, sentence_of = rng.integers(0, 6, 300), np.arange(300) // 10
    counts = cooccurrences(ids, sentence_of, 6, inverse_distance(3))
    (answer,) = from_notebook("ppmi_table")
    wanted = np.zeros((6, 6))
    wanted[counts.rows, counts.columns] = np.maximum(shifted_pmi(counts), 0)
    np.testing.assert_allclose(answer(counts.dense()), wanted, atol=1e-12)


def test_the_notebooks_gradients_are_those_of_the_package():
    rng = np.random.default_rng(0)
    v, u, b, c = (rng.standard_normal(n) for n in (5, 5, 1, 1))
    weight, loss, backward = from_notebook("glove_weight", "pair_loss", "pair_loss_backward")
    dv, du, db, dc = backward(1.0, loss(v, u, b, c, 3.0)[1])
    theirs = pair_gradients(v, u, b[0], c[0], 3.0, weight(3.0))
    for ours, same in zip((dv, du, db[0]), theirs, strict=True):
        np.testing.assert_allclose(ours, same)
    assert db == dc


def test_the_naive_count_is_the_packages():
    rng = np.random.default_rng(0)
    ids, sentence_of = rng.integers(0, 9, 200), np.arange(200) // 7
    (count,) = from_notebook("count_naively")
    dense = np.zeros((9, 9))
    for (i, j), x in count(ids, sentence_of, 4).items():
        dense[i, j] = x
    theirs = cooccurrences(ids, sentence_of, 9, inverse_distance(4))
    np.testing.assert_allclose(theirs.dense(), dense)


TRICKY = ("the", "a", "über", "naïve", "词典", "__init__", "aaaa")


@pytest.mark.oracle
def test_gensim_cuts_and_hashes_as_the_notebook_says():
    from gensim.models.fasttext_inner import compute_ngrams, ft_hash_bytes

    (hashed,) = from_notebook("fasttext_hash")
    for word in TRICKY:
        ours = character_ngrams(word, 3, 6)
        assert sorted(ours) == sorted(compute_ngrams(word, 3, 6))
        for ngram in ours:
            assert hashed(ngram) == fnv1a(ngram) == ft_hash_bytes(ngram.encode())


@pytest.mark.oracle
def test_gensim_holds_a_row_for_every_bucket_and_takes_the_mean():
    from gensim.models import FastText

    text = [["left", "right", "over"], ["right", "under", "left"]] * 20
    model = FastText(text, vector_size=4, min_count=1, epochs=1, bucket=500, seed=1, workers=1)
    wv = model.wv
    assert wv.vectors_ngrams.shape == (500, 4)
    rows = [fnv1a(ngram) % 500 for ngram in character_ngrams("left", 3, 6)]
    own = wv.vectors_vocab[wv.key_to_index["left"]]
    wanted = (own + wv.vectors_ngrams[rows].sum(axis=0)) / (1 + len(rows))
    np.testing.assert_allclose(wv["left"], wanted, atol=1e-6)
    rows = [fnv1a(ngram) % 500 for ngram in character_ngrams("leftover", 3, 6)]
    np.testing.assert_allclose(wv["leftover"], wv.vectors_ngrams[rows].mean(axis=0), atol=1e-6)
