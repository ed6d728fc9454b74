"""Every query of KeyedVectors, asked of gensim's too: the same vectors, the same answers."""

from pathlib import Path

import numpy as np
import pytest

from minilm.compression import quantize
from minilm.embeddings import KeyedVectors

pytestmark = pytest.mark.oracle
V, D = 400, 20


def words_of(lines, sides):
    return {word for line in lines for word in line.split()[:sides] if word.isalpha()}


@pytest.fixture(scope="module")
def data():
    import gensim

    return Path(gensim.__file__).parent / "test" / "test_data"


@pytest.fixture(scope="module")
def words(data):
    """Of the pairs and analogies that come with gensim, in no order; some in two spellings."""
    found = set()
    for name, sides in (("wordsim353.tsv", 2), ("simlex999.txt", 2), ("questions-words.txt", 4)):
        found |= words_of((data / name).read_text().splitlines(), sides)
    found |= {word.upper() for word in sorted(found)[::9]}
    return [str(word) for word in np.random.default_rng(1).permutation(sorted(found))]


def both(words, vectors):
    """The table in minilm and in gensim."""
    from gensim.models import KeyedVectors as Theirs

    theirs = Theirs(vectors.shape[1])
    theirs.add_vectors(words, vectors)
    return KeyedVectors(words, vectors), theirs


@pytest.fixture(scope="module", params=["floats", "6 bits"])
def tables(request, words):
    """minilm's on floats or on packed bytes; gensim's on the floats that these stand for."""
    vectors = np.random.default_rng(0).standard_normal((V, D)).astype(np.float32)
    if request.param == "floats":
        return both(words[:V], vectors)
    packed = quantize(vectors, bits=6, axis=0)
    return KeyedVectors(words[:V], packed), both(words[:V], packed.dense())[1]


def same(got, want):
    """Answers alike: words in the same order, numbers to 1e-6."""
    if isinstance(want, list | tuple):
        assert len(got) == len(want)
        for a, b in zip(got, want, strict=True):
            same(a, b)
    elif isinstance(want, str):
        assert got == want
    else:
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-6)


QUERIES = {
    "vector": lambda wv, a, b, c: wv[a],
    "vectors": lambda wv, a, b, c: wv[[a, b, 3]],
    "unit vector": lambda wv, a, b, c: wv.get_vector(a, norm=True),
    "unit table": lambda wv, a, b, c: wv.get_normed_vectors(),
    "index": lambda wv, a, b, c: [wv.get_index(a), wv.get_index("?", 7), len(wv), wv.vector_size],
    "name": lambda wv, a, b, c: str(wv),
    "in": lambda wv, a, b, c: [a in wv, 3 in wv, V in wv, "?" in wv, wv.has_index_for(b)],
    "iteration": lambda wv, a, b, c: [row for row, _ in zip(wv, range(5), strict=False)],
    "norms": lambda wv, a, b, c: (wv.fill_norms(), wv.norms)[1],
    "mean": lambda wv, a, b, c: wv.get_mean_vector([a, b, "?", wv[c]], [2, -1, 5, 1]),
    "plain mean": lambda wv, a, b, c: wv.get_mean_vector([a, b], None, False, True),
    "similarity": lambda wv, a, b, c: wv.similarity(a, b),
    "distance": lambda wv, a, b, c: wv.distance(a, b),
    "distances": lambda wv, a, b, c: wv.distances(a),
    "distances of a few": lambda wv, a, b, c: wv.distances(wv[a], [b, c]),
    "of lists": lambda wv, a, b, c: wv.n_similarity([a, b], [c]),
    "rank": lambda wv, a, b, c: [wv.rank(a, b), wv.rank(b, a), wv.rank(a, a)],
    "closer": lambda wv, a, b, c: wv.closer_than(a, b),
    "to given": lambda wv, a, b, c: wv.most_similar_to_given(a, [b, c, *wv.index_to_key[10:20]]),
    "odd one out": lambda wv, a, b, c: wv.doesnt_match([a, b, c, *wv.index_to_key[30:33]]),
    "like one": lambda wv, a, b, c: wv.most_similar(a),
    "like two": lambda wv, a, b, c: wv.most_similar([a, b], topn=V),
    "analogy": lambda wv, a, b, c: wv.most_similar(positive=[b, c], negative=[a], topn=3),
    "unlike": lambda wv, a, b, c: wv.most_similar(negative=[c]),
    "weighted": lambda wv, a, b, c: wv.most_similar([(a, 2.0), b], [(c, -0.5)]),
    "word and vector": lambda wv, a, b, c: wv.most_similar([a, 3 * wv[b]], topn=5),
    "by number": lambda wv, a, b, c: wv.most_similar([3, a]),
    "first words": lambda wv, a, b, c: wv.most_similar(a, restrict_vocab=50, topn=60),
    "all cosines": lambda wv, a, b, c: wv.most_similar(a, b, topn=None, restrict_vocab=50),
    "none": lambda wv, a, b, c: wv.most_similar(a, topn=0),
    "product": lambda wv, a, b, c: wv.most_similar_cosmul([a, b], [c]),
    "product of one": lambda wv, a, b, c: wv.most_similar_cosmul(a, topn=V),
    "by key": lambda wv, a, b, c: wv.similar_by_key(a, topn=3),
    "by word": lambda wv, a, b, c: wv.similar_by_word(a, 5, 300),
    "by vector": lambda wv, a, b, c: wv.similar_by_vector(wv[a] - wv[b] + wv[c], topn=5),
}


@pytest.mark.filterwarnings("ignore:Call to deprecated `init_sims`:DeprecationWarning")  # gensim's
@pytest.mark.parametrize("name", QUERIES)
def test_query(tables, words, name):
    ours, theirs = tables
    for a, b, c in np.random.default_rng(5).integers(V, size=(5, 3)):
        asked = words[a], words[b], words[c]
        same(QUERIES[name](ours, *asked), QUERIES[name](theirs, *asked))


@pytest.mark.parametrize("file", ["wordsim353.tsv", "simlex999.txt"])
@pytest.mark.parametrize(
    "how", [{}, {"restrict_vocab": 250}, {"dummy4unknown": True}, {"case_insensitive": False}]
)
def test_word_pairs(tables, data, file, how):
    ours, theirs = (wv.evaluate_word_pairs(str(data / file), **how) for wv in tables)
    for got, want in zip(ours[:2], theirs[:2], strict=True):
        assert got[0] == pytest.approx(want[0], abs=1e-6)
        assert got[1] == pytest.approx(want[1], rel=1e-4)
    assert ours[2] == pytest.approx(theirs[2])


@pytest.mark.parametrize(
    "how",
    [{}, {"restrict_vocab": 500}, {"restrict_vocab": 500, "dummy4unknown": True},
     {"case_insensitive": False}],
)  # fmt: skip
def test_analogies(data, words, how, tmp_path):
    # every tenth question; few dimensions and near neighbours, so that many are solved
    lines = (data / "questions-words.txt").read_text().splitlines()
    kept = [line for i, line in enumerate(lines) if line.startswith(":") or i % 10 == 0]
    path = tmp_path / "questions.txt"
    path.write_text("\n".join(kept))
    ours, theirs = both(words, related(kept, words))
    got, want = (wv.evaluate_word_analogies(str(path), **how) for wv in (ours, theirs))
    assert got == want
    assert 0 < got[0] < 1


def related(lines, words):
    """Vectors in which b is nearly a and a step of the section: (V, 12)."""
    rng = np.random.default_rng(3)
    vectors = dict(zip(words, rng.standard_normal((len(words), 12)), strict=True))
    for line in lines:
        if line.startswith(":"):
            step = rng.standard_normal(12)
        else:
            a, b, c, d = line.split()
            for x, y in ((a, b), (c, d)):
                vectors[y] = vectors[x] + step + 0.3 * rng.standard_normal(12)
    return np.stack([vectors[word] for word in words]).astype(np.float32)
