"""Word2Vec from sentences to vectors: topics found, seeds, edges of the text, bad input."""

import numpy as np
import pytest

from minilm import embeddings
from minilm.embeddings import Word2Vec
from minilm.embeddings.windows import runs


def two_topics(sentences=200, seed=0):
    """Sentences that draw all their words from one of two topics, a0 … a9 or b0 … b9."""
    rng = np.random.default_rng(seed)
    return [[f"{'ab'[n % 2]}{k}" for k in rng.integers(0, 10, 6)] for n in range(sentences)]


@pytest.mark.parametrize("sg", [0, 1])
def test_two_topics_are_found(sg):
    model = Word2Vec(two_topics(), vector_size=16, sg=sg, epochs=20, sample=0)
    words = model.wv.index_to_key
    assert sorted(words) == sorted(f"{topic}{k}" for topic in "ab" for k in range(10))
    for word, near in zip(words, model.wv.nearest(words, topn=9), strict=True):
        assert {other[0] for other in near} == {word[0]}  # all nine of its own topic
    across = [model.wv.similarity("a0", f"b{k}") for k in range(10)]
    within = [model.wv.similarity("a0", f"a{k}") for k in range(1, 10)]
    assert min(within) > max(across) + 0.2


@pytest.mark.parametrize("hs", [0, 1])
@pytest.mark.parametrize("sg", [0, 1])
def test_better_than_untrained(sg, hs):
    """How many of a word's nine nearest are of its topic? All; of an untrained table, by chance."""
    options = {"vector_size": 16, "sg": sg, "hs": hs, "negative": 5 * (1 - hs), "sample": 0}
    model = Word2Vec(**options)
    model.build_vocab(two_topics())
    words = model.wv.index_to_key

    def share():
        near = model.wv.nearest(words, topn=9)
        own = [x[0] == word[0] for word, xs in zip(words, near, strict=True) for x in xs]
        return sum(own) / len(own)

    untrained = share()
    model.train(two_topics(), total_examples=model.corpus_count, epochs=20)
    assert untrained < 0.7 and share() > 0.95


@pytest.mark.parametrize("sg", [0, 1])
def test_the_same_seed_gives_the_same_bits(sg):
    a, b, c = (
        Word2Vec(two_topics(40), vector_size=8, sg=sg, epochs=2, seed=seed).params
        for seed in (1, 1, 2)
    )
    for name in ("input_embedding", "output_embedding"):
        assert a[name].dtype == np.float32 and a[name].shape == (20, 8)
        assert np.array_equal(a[name], b[name])
        assert not np.array_equal(a[name], c[name])


def test_tables_and_vectors_are_one():
    model = Word2Vec(two_topics(40), vector_size=8, sg=1, epochs=1)
    assert model.wv.vectors is model.params["input_embedding"]
    assert model.wv.index_to_key == model.vocabulary.words
    assert model.params["output_embedding"].any()


def test_no_window_crosses_from_one_sentence_to_the_next():
    # "x" and "y" alternate but never share a sentence; the lone z's stand between them
    sentences = [["x", "x"], ["z"], ["y", "y"], ["z"]] * 50
    model = Word2Vec(sentences, vector_size=4, sg=1, epochs=20, sample=0, negative=1, alpha=0.1)
    u, v = model.params["output_embedding"], model.params["input_embedding"]
    x, y, z = (model.wv.key_to_index[word] for word in "xyz")
    assert v[x] @ u[x] > 0 > v[x] @ u[y]
    start = embeddings.SkipGram(3, 4).init(1)["input_embedding"]
    assert np.array_equal(v[z], start[z])  # a word that has no neighbours is never a centre


@pytest.mark.parametrize(("n", "length"), [(1, 8), (8, 8), (19, 8)])
def test_runs_cover_every_token_once(n, length):
    ids, sentence_of = np.arange(1, n + 1, dtype=np.int32), np.arange(n, dtype=np.int32) // 4
    window, centres, numbers = 2, [], []
    shares = []
    for done, sight, sentences in runs(ids, sentence_of, length, window):
        assert len(sight) == len(sentences) == length + 2 * window
        shares.append(done)
        centres.extend(sight[window:-window])
        numbers.extend(sentences[window:-window])
    assert centres[:n] == ids.tolist() and numbers[:n] == sentence_of.tolist()
    beyond = numbers[n:]
    assert len(set(beyond)) == len(beyond) and all(number < 0 for number in beyond)
    assert shares == [start / n for start in range(0, n, length)]


def test_a_window_wider_than_a_block():
    model = Word2Vec(two_topics(60), vector_size=8, sg=1, window=40, epochs=1)
    assert np.isfinite(model.wv.vectors).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"vector_size": 0}, "vector_size must be an integer of at least 1, got 0"),
        ({"vector_size": 2.5}, "vector_size"),
        ({"window": 0}, "window"),
        ({"negative": 0}, "negative"),
        ({"epochs": 0}, "epochs"),
        ({"min_count": -1}, "min_count must be an integer of at least 0, got -1"),
        ({"min_count": 10_000}, "min_count=10000 leaves no word"),
        ({"sg": 2}, "sg must be 1 .skip-gram. or 0 .CBOW., got 2"),
        ({"alpha": 0.0, "min_alpha": 0.0}, "alpha"),
        ({"alpha": float("nan")}, "alpha"),
        ({"alpha": 2.0}, "alpha <= 1, got 2.0"),
        ({"alpha": 0.01, "min_alpha": 0.02}, "min_alpha <= alpha"),
        ({"sample": -1.0}, "sample"),
    ],
)
def test_bad_settings(options, message):
    with pytest.raises(ValueError, match=message):
        Word2Vec(two_topics(10), **{"vector_size": 4, "min_count": 1, **options})


def test_bad_sentences():
    with pytest.raises(TypeError, match="split it first"):
        Word2Vec(["the cat sat on the mat"], min_count=1)
    with pytest.raises(ValueError, match="at least one word"):
        Word2Vec([])
    with pytest.raises(ValueError, match="each alone"):
        Word2Vec([["a"], ["b"], ["a"]], min_count=1)


@pytest.mark.parametrize(("sg", "hs"), [(0, 0), (1, 0), (0, 1), (1, 1)])
def test_a_text_of_few_words_does_not_diverge(sg, hs):
    """As in a first notebook: every word comes dozens of times in a run."""
    rng = np.random.default_rng(0)
    sentences = [[f"{'ab'[n % 2]}{k}" for k in rng.integers(0, 4, 6)] for n in range(300)]
    model = Word2Vec(
        sentences, vector_size=24, window=3, sg=sg, hs=hs, negative=0 if hs else 5, alpha=0.05,
        sample=0, epochs=20,
    )  # fmt: skip
    assert np.abs(model.wv.vectors).max() < 20
    assert model.wv.similarity("a0", "a1") > model.wv.similarity("a0", "b1") + 0.2


@pytest.mark.parametrize("sg", [0, 1])
def test_high_rates_do_not_diverge_and_divergence_is_said(sg, monkeypatch):
    options = {"vector_size": 8, "sg": sg, "alpha": 1.0, "epochs": 50}
    sentences = two_topics(100)
    assert np.abs(Word2Vec(sentences, **options).wv.vectors).max() < 1000
    for bound in ("LIMIT", "LONG"):  # without either, the sums of crowded rows are taken in full
        monkeypatch.setattr(embeddings.negative_sampling, bound, np.inf if bound == "LONG" else 1e6)
    with pytest.raises(FloatingPointError, match=r"alpha below 1\.0"):
        Word2Vec(sentences, **options)
