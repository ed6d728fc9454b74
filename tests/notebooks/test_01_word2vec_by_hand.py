"""The notebook on word2vec: wrong answers get their hints, and gensim has the rules it is said to.

Each wrong answer is a mistake that learners make, and the words its hint must hold.
"""

import ast
from pathlib import Path

import numpy as np
import pytest

from minilm.course import verdict
from minilm.course.exercises import EXERCISES
from minilm.course.exercises.word2vec_by_hand import products, sigmoid, stepped
from minilm.embeddings import KeyedVectors
from minilm.embeddings.negative_sampling import pair_gradients
from minilm.embeddings.windows import window_chance

SOURCE = Path(__file__).parents[2] / "notebooks" / "source" / "01_word2vec_by_hand.py"
TREE = ast.parse(SOURCE.read_text(encoding="utf-8"))


def from_notebook(*names, **values):
    """Functions as the notebook defines them; values: what they use beside each other."""
    known = {"np": np, **values}
    for name in names:
        (found,) = [n for n in TREE.body if isinstance(n, ast.FunctionDef) and n.name == name]
        exec(compile(ast.Module([found], []), str(SOURCE), "exec"), known)
    return [known[name] for name in names]


def unique_negatives(v, u, centres, contexts, negatives, k, step):
    return stepped(v, u, centres, contexts, np.unique(negatives), k, step)


def in_place(v, u, *rest):
    v[:], u[:] = stepped(v, u, *rest)
    return v, u


def lost_centres(v, u, centres, contexts, negatives, k, step):
    _, new_u = stepped(v, u, centres, contexts, negatives, k, step)
    one_by_one = v.copy()
    for centre in np.unique(centres):
        some = np.flatnonzero(centres == centre)[-1:]
        one_by_one[centre] = stepped(v, u, centres[some], contexts[some], negatives, k, step)[0][
            centre
        ]
    return one_by_one, new_u


def uphill(v, u, *rest):
    return tuple(2 * old - new for old, new in zip((v, u), stepped(v, u, *rest), strict=True))


def cbow(context, u, noise, *, share=True, mean=True, truth=1.0, negatives=True):
    h = context.mean(axis=0) if mean else context.sum(axis=0)
    error, errors = sigmoid(h @ u) - truth, sigmoid(noise @ h)
    dh = error * u + negatives * (errors @ noise)
    rows = np.tile(dh / len(context) if share else dh, (len(context), 1))
    return rows, error * h, errors[:, None] * h


WRONG = [
    ("reach", lambda w: (w - np.arange(1, w + 1)) / w, "off by one"),
    ("reach", lambda w: np.full(w, 1 / w), "chance of one width"),
    ("reach", lambda w: 1 / np.arange(1, w + 1), "GloVe"),
    ("reach", lambda w: np.arange(1, w + 1) / w, "less often"),
    ("reach", lambda w: np.arange(w, -1, -1) / w, "shape"),
    ("reach", lambda w: np.ones(w), "count the widths"),
    ("best_products", lambda c, k, a: products(c, 1, a), "k is missing"),
    ("best_products", lambda c, k, a: -products(c, k, a), "sign"),
    ("best_products", lambda c, k, a: np.exp(products(c, k, a)), "logarithm"),
    ("best_products", lambda c, k, a: products(c, k, a) / np.log(2), "nats"),
    ("best_products", lambda c, k, a: products(c.T, k, a).T, "interchanged"),
    ("best_products", lambda c, k, a: products(c, k, 1), "no effect"),
    ("best_products", lambda c, k, a: np.log(
        c / (k * c.sum(axis=1, keepdims=True) * (c.sum(axis=0) / c.sum()) ** a)), "add up to 1"),
    ("best_products", lambda c, k, a: products(c, k, a).sum(axis=0), "one product for each pair"),
    ("mended_step", unique_negatives, "counts once"),
    ("mended_step", in_place, "have changed"),
    ("mended_step", lost_centres, "centre that is there twice"),
    ("mended_step", uphill, "uphill"),
    ("mended_step", lambda *a: stepped(*a)[0], "return both"),
    ("cbow_gradients", lambda *a: cbow(*a, share=False), "share of 1/n"),
    ("cbow_gradients", lambda *a: cbow(*a, mean=False), "not their sum"),
    ("cbow_gradients", lambda *a: cbow(*a, truth=0.0), "minus 1"),
    ("cbow_gradients", lambda *a: cbow(*a, negatives=False), "part of dh is missing"),
    ("cbow_gradients", lambda *a: cbow(*a)[1:], "return three"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "wrong", "hint"), WRONG)
def test_a_typical_mistake_is_named(name, wrong, hint):
    for seed in range(3):
        given = verdict(EXERCISES[name], wrong, seed)
        assert given.state == "wrong"
        assert hint in given.hint


def test_the_hasty_step_of_the_notebook_is_the_mistake_that_its_check_names():
    _, hasty = from_notebook("sigmoid", "hasty_step")
    given = verdict(EXERCISES["mended_step"], hasty)
    assert given.state == "wrong"
    assert "only one change is kept" in given.hint


def test_the_notebooks_gradients_are_those_of_the_package():
    rng = np.random.default_rng(0)
    v, u, noise = rng.standard_normal(6), rng.standard_normal(6), rng.standard_normal((4, 6))
    _, loss, backward, batch = from_notebook(
        "sigmoid", "pair_loss", "pair_loss_backward", "batch_gradients"
    )
    alone = backward(1.0, loss(v, u, noise)[1])
    together = batch(v[None], u[None], noise[None])
    for ours, many, theirs in zip(alone, together, pair_gradients(v, u, noise), strict=True):
        np.testing.assert_allclose(ours, theirs)
        np.testing.assert_allclose(many[0], theirs)


def test_moved_rows_count_every_repeated_id():
    (move_rows,) = from_notebook("move_rows")
    table = np.zeros((3, 2))
    move_rows(table, np.array([[0, 0], [0, 2]]), np.ones((2, 2, 2)), 0.5)
    assert table.tolist() == [[-1.5, -1.5], [0, 0], [-0.5, -0.5]]


def test_reach_is_the_weight_that_the_package_gives_a_pair():
    window = 5
    weights = window_chance(np.arange(1, window + 1), window)
    np.testing.assert_allclose(weights, np.arange(window, 0, -1) / window, rtol=1e-6)


SENTENCES = [["a", "b", "a", "c"], ["b", "a", "d"], ["a", "e", "f", "a", "b"]] * 40


@pytest.mark.oracle
def test_gensim_has_the_tickets_and_thresholds_of_the_notebook():
    from gensim.models import Word2Vec

    model = Word2Vec(vector_size=4, min_count=1, sample=1e-2, seed=1)
    model.build_vocab(SENTENCES)
    counts = np.array([model.wv.get_vecattr(w, "count") for w in model.wv.index_to_key], float)
    tickets = np.round(np.cumsum(counts**0.75) / (counts**0.75).sum() * (2**31 - 1))
    assert model.cum_table.tolist() == tickets.tolist()
    (keep,) = from_notebook("keep_probability")
    wanted = (keep(counts, 1e-2) * (2**32 - 1)).astype(np.uint32).astype(float)
    theirs = np.array([model.wv.get_vecattr(w, "sample_int") for w in model.wv.index_to_key], float)
    assert np.abs(theirs - wanted).max() <= 1  # float64's last bit, before it is cut to an integer
    assert (theirs < 2**32 - 2).any()


@pytest.mark.oracle
def test_gensim_looks_sigmoids_up_as_the_notebook_does():
    """One pair on one path of length 1: v moves by (1 − σ) alpha, of which σ is read off."""
    from gensim.models import Word2Vec
    from gensim.models.word2vec_inner import train_batch_sg

    _, table_of = from_notebook("sigmoid", "sigmoid_of_gensim", sigmoid_table=sigmoid(
        (np.arange(1000) / 1000 * 2 - 1) * 6))  # fmt: skip
    model = Word2Vec(vector_size=1, window=1, min_count=1, hs=1, negative=0, sg=1, sample=0, seed=1)
    model.build_vocab([["a", "b"]])
    code = int(model.wv.get_vecattr("a", "code")[0])
    for score in (-5.9, -3.5, -1.01, -0.013, 0.01, 0.4, 2.5, 5.9):
        model.wv.vectors[:], model.syn1[:] = np.float32(score), 1
        train_batch_sg(model, [["a", "b"]], 1e-3, np.zeros(1, np.float32), False)
        moved = model.wv.vectors[model.wv.key_to_index["b"], 0] - np.float32(score)
        wanted = 1e-3 * (1 - code - table_of(np.array([score]))[0])  # centre a, by the vector of b
        assert abs(moved - wanted) < 6e-7, score
    for score in (-6.5, 6.5):  # beyond: nothing is learned
        model.wv.vectors[:], model.syn1[:] = score, 1
        train_batch_sg(model, [["a", "b"]], 1e-3, np.zeros(1, np.float32), False)
        assert (model.wv.vectors == np.float32(score)).all()


@pytest.mark.oracle
def test_gensim_reads_and_writes_the_same_files(tmp_path):
    from gensim.models import KeyedVectors as Theirs

    words = ["left", "Überzug", "__init__"]
    ours = KeyedVectors(words, np.random.default_rng(0).standard_normal((3, 5)).astype(np.float32))
    for binary in (False, True):
        ours.save_word2vec_format(tmp_path / "ours", binary=binary)
        read = Theirs.load_word2vec_format(str(tmp_path / "ours"), binary=binary)
        assert read.index_to_key == words
        assert np.array_equal(read.vectors, ours.vectors)
        read.save_word2vec_format(str(tmp_path / "theirs"), binary=binary)
        again = KeyedVectors.load_word2vec_format(tmp_path / "theirs", binary=binary)
        assert np.array_equal(again.vectors, ours.vectors)
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()
