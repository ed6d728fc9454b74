"""The same text, settings and word pairs in gensim."""

from pathlib import Path

import numpy as np
import pytest

from minilm.embeddings import KeyedVectors, Word2Vec

TOLERANCE = 0.03  # in Spearman's correlation, that ours may fall short of gensim's


@pytest.mark.oracle
def test_queries_agree_with_gensim():
    import gensim

    data = Path(gensim.__file__).parent / "test" / "test_data"
    words = sorted({w for line in (data / "wordsim353.tsv").read_text().splitlines()
                    if not line.startswith("#") for w in line.split("\t")[:2]})[:300]  # fmt: skip
    vectors = np.random.default_rng(0).standard_normal((len(words), 20)).astype(np.float32)
    theirs = gensim.models.KeyedVectors(20)
    theirs.add_vectors(words, vectors)
    ours = KeyedVectors(words, vectors)

    for name in ("wordsim353.tsv", "simlex999.txt"):
        pearson, spearman, unknown = theirs.evaluate_word_pairs(str(data / name))
        scores = ours.evaluate_word_pairs(data / name)
        assert scores.pearson == pytest.approx(pearson[0], abs=1e-5)
        assert scores.spearman == pytest.approx(spearman[0], abs=1e-5)
        assert 100 * scores.oov_ratio == pytest.approx(unknown)
    a, b, c = words[3], words[50], words[200]
    for query in ({"positive": a}, {"positive": [a, b], "negative": [c]}, {"negative": [c]}):
        got, want = ours.most_similar(**query), theirs.most_similar(**query)
        assert [word for word, _ in got] == [word for word, _ in want]
        assert [x for _, x in got] == pytest.approx([x for _, x in want], abs=1e-5)
    assert ours.similarity(a, b) == pytest.approx(float(theirs.similarity(a, b)), abs=1e-6)


@pytest.mark.oracle
@pytest.mark.slow
def test_word_similarity_is_as_good_as_gensims():
    import gensim

    data = Path(gensim.__file__).parent / "test" / "test_data"
    lines = (data / "head500.noblanks.cor").read_text(encoding="utf-8").splitlines()
    sentences = [line.split() for line in lines]
    options = {"vector_size": 100, "window": 5, "negative": 5, "epochs": 5, "sg": 1, "seed": 1}
    ours = Word2Vec(sentences, **options).wv
    theirs = gensim.models.Word2Vec(sentences, workers=1, **options).wv
    assert sorted(ours.index_to_key) == sorted(theirs.index_to_key)
    spearman = theirs.evaluate_word_pairs(str(data / "wordsim353.tsv"))[1][0]
    assert ours.evaluate_word_pairs(data / "wordsim353.tsv").spearman > spearman - TOLERANCE
