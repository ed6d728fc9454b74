"""GloVe and PPMI on a text of 331,000 words: both rank word pairs more as people do than chance."""

from pathlib import Path

import pytest

from minilm.embeddings.glove import GloVe
from minilm.embeddings.keyed_vectors import KeyedVectors
from minilm.embeddings.ppmi import PPMI
from minilm.embeddings.skip_gram_model import SkipGram


@pytest.mark.oracle
@pytest.mark.slow
@pytest.mark.parametrize(("model", "spearman"), [(GloVe, 0.45), (PPMI, 0.6)])
def test_better_than_untrained(model, spearman):
    import gensim  # for the text and the word pairs that come with it

    data = Path(gensim.__file__).parent / "test" / "test_data"
    lines = (data / "head500.noblanks.cor").read_text(encoding="utf-8").splitlines()
    wv = model([line.split() for line in lines]).wv
    start = SkipGram(len(wv), 100).init(1)["input_embedding"]
    untrained = KeyedVectors(wv.index_to_key, start)
    for pairs, least in (("wordsim353.tsv", spearman), ("simlex999.txt", 0.15)):
        ours, theirs = (table.evaluate_word_pairs(data / pairs)[1][0] for table in (wv, untrained))
        assert ours > max(least, theirs + 0.1)
