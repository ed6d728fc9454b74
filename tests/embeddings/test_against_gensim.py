"""The same text, settings and word pairs in gensim."""

from pathlib import Path

import pytest

from minilm.embeddings import Word2Vec

TOLERANCE = 0.03  # in Spearman's correlation, that ours may fall short of gensim's


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
    assert ours.evaluate_word_pairs(data / "wordsim353.tsv")[1][0] > spearman - TOLERANCE
