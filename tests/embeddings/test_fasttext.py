"""FastText: steps through rows, misspelt and unseen words, more text, files, the same in gensim."""

import math

import numpy as np
import pytest

from minilm.compression import quantize
from minilm.embeddings import KeyedVectors, Word2Vec, negative_sampling, neighbour_agreement
from minilm.embeddings.fasttext import FastText, SubwordTraining
from minilm.embeddings.fasttext_vectors import FastTextKeyedVectors
from minilm.embeddings.subwords import character_ngrams
from minilm.embeddings.windows import RUN

TOLERANCE = 0.03  # in Spearman's correlation, that ours may fall short of gensim's


def spelt_words(count, seed=0):
    """Different words of four syllables."""
    rng = np.random.default_rng(seed)
    words = set()
    while len(words) < count:
        words.add("".join(rng.choice(list("bdfgklmnprst")) + rng.choice(list("aeiou"))
                          for _ in range(4)))  # fmt: skip
    return sorted(words)


WORDS = spelt_words(40)  # the first twenty are one topic, the others another


def two_topics(sentences=300, seed=0):
    rng = np.random.default_rng(seed)
    return [[WORDS[20 * (n % 2) + k] for k in rng.integers(0, 20, 8)] for n in range(sentences)]


def walks(sentences=300, seed=0):
    """Eight words on end from a ring of all: each word's company is its own."""
    rng = np.random.default_rng(seed)
    return [[WORDS[(start + k) % 40] for k in range(8)] for start in rng.integers(0, 40, sentences)]


def misspelt(word):
    """One letter left out, or two exchanged, inside the word."""
    for i in range(1, len(word) - 1):
        yield word[:i] + word[i + 1 :]
        yield word[:i] + word[i + 1] + word[i] + word[i + 2 :]


@pytest.fixture(scope="module")
def model():
    return FastText(walks(), vector_size=16, window=3, sg=1, epochs=10, sample=0)


@pytest.mark.parametrize("how", [{"sg": 1}, {"sg": 0}, {"sg": 1, "hs": 1, "negative": 0},
                                 {"sg": 0, "hs": 1, "cbow_mean": 0}])  # fmt: skip
def test_two_topics_are_found(how):
    wv = FastText(two_topics(150), vector_size=16, epochs=12, sample=0, alpha=0.05, **how).wv
    topic = {word: i // 20 for i, word in enumerate(WORDS)}
    assert set(wv.index_to_key) == set(WORDS)
    agree = [topic[word] == topic[other]
             for word, near in zip(WORDS, wv.nearest(WORDS, 5), strict=True)
             for other in near]  # fmt: skip
    assert np.mean(agree) > 0.97


@pytest.mark.parametrize("sg", [0, 1])
def test_a_misspelt_words_nearest_neighbour_is_the_word_meant(model, sg):
    if not sg:
        model = FastText(walks(), vector_size=16, window=3, sg=0, epochs=10, sample=0)
    tries = [(word, bad) for word in WORDS for bad in misspelt(word) if bad not in WORDS]
    right = [model.wv.most_similar(bad, topn=1)[0][0] == word for word, bad in tries]
    assert len(right) > 400 and np.mean(right) > 0.95


def test_vectors_are_means_of_rows(model):
    table, subwords = model.params["subword_embedding"], model.subwords
    for i, word in enumerate(model.wv.index_to_key):
        rows = [i, *subwords.rows_of_unseen(word)]
        assert len(rows) == 1 + len(character_ngrams(word))
        np.testing.assert_allclose(model.wv[word], table[rows].mean(axis=0), atol=1e-6)
    unseen = WORDS[0] + WORDS[1]
    known = subwords.rows_of_unseen(unseen)
    assert 0 < len(known) < len(character_ngrams(unseen))  # those across the seam are unknown
    np.testing.assert_allclose(model.wv[unseen], table[known].mean(axis=0), atol=1e-6)
    assert model.wv[unseen].dtype == table.dtype == np.float32


def test_memory_is_that_of_the_buckets_in_use(model):
    ngrams = {ngram for word in WORDS for ngram in character_ngrams(word)}
    assert model.bucket == 2_000_000
    shapes = {name: table.shape for name, table in model.params.items()}
    assert shapes["input_embedding"] == shapes["output_embedding"] == (40, 16)
    assert 40 + len(ngrams) - 1 <= len(model.params["subword_embedding"]) <= 40 + len(ngrams)
    assert model.wv.vectors is model.params["input_embedding"]
    assert model.wv.table is model.params["subword_embedding"]


@pytest.mark.parametrize("sg", [0, 1])
def test_a_step_by_finite_differences(sg):
    """Every row of a word moves by the whole gradient of the word's vector.

    CBOW's windows are all of two words here: a mean's whole gradient is twice each word's.
    """
    model = FastText(vector_size=3, window=2 if sg else 1, min_count=1, sg=sg, sample=0)
    model.build_vocab([["she", "the", "he", "dog", "she", "other"]])
    rng = np.random.default_rng(1)
    start = {name: rng.standard_normal(table.shape) for name, table in model.params.items()}
    size = RUN + 2 * model.window
    numbers = np.repeat([0, 1], size // 2) if sg else np.zeros(size, int)  # two sentences, or one
    sight = rng.integers(0, 5, size)

    def step(table, rate=1e-15):
        model.params = {name: x.copy() for name, x in start.items()} | {"subword_embedding": table}
        training = SubwordTraining(model, 0.025, np.random.default_rng(2), want_loss=True)
        return training.step(sight, numbers, rate)

    def slope(row, column, h=1e-5):
        ahead, behind = (start["subword_embedding"].copy() for _ in range(2))
        ahead[row, column] += h
        behind[row, column] -= h
        return (step(ahead) - step(behind)) / (2 * h)

    subwords, rate = model.subwords, 1e-4
    table = start["subword_embedding"].copy()
    step(table, rate)
    moved = (table - start["subword_embedding"]) / -rate
    uses = np.zeros((5, len(table)))  # of each row in each word
    for word in range(5):
        np.add.at(uses[word], subwords.rows[subwords.starts[word] : subwords.starts[word + 1]], 1)
    size = uses.sum(axis=1)
    # no other word has a word's own row, so dL/dv_w = |R_w| dL/dz_w
    dv = np.array([[size[word] * slope(word, k) for k in range(3)] for word in range(5)])
    shared = np.flatnonzero((uses > 0).sum(axis=0) > 1)
    assert len(shared) >= 2  # "he>" and "the"
    for row in (5, *shared):
        np.testing.assert_allclose(
            [slope(row, k) for k in range(3)], (uses[:, row] / size) @ dv, rtol=1e-5, atol=1e-6
        )
    longer = 1 if sg else 2  # see `descend_context`
    np.testing.assert_allclose(moved, longer * uses.T @ dv, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("sg", [0, 1])
def test_shared_rows_do_not_diverge_and_divergence_is_said(sg, monkeypatch):
    # all n-grams share one row, which takes what all centres of a run ask for
    text = [[f"interchangeable{k}" for k in sentence]
            for sentence in np.random.default_rng(0).integers(0, 60, (50, 10))]  # fmt: skip
    options = {"vector_size": 8, "sg": sg, "alpha": 1.0, "epochs": 6 if sg else 20, "min_count": 1,
               "sample": 0, "negative": 3, "bucket": 1}  # fmt: skip
    assert np.abs(FastText(text, **options).wv.table).max() < 10
    for guard, none in (("LIMIT", 1e6), ("LONG", np.inf)):
        monkeypatch.setattr(negative_sampling, guard, none)
    with pytest.raises(FloatingPointError, match=r"alpha below 1\.0"):
        FastText(text, **options)


@pytest.mark.parametrize(
    ("settings", "terms"),
    [
        ({"sg": 1}, 4 * 6), ({"sg": 0}, 4 * 6), ({"sg": 0, "cbow_mean": 0}, 6),
        ({"sg": 1, "shrink_windows": False}, 6 * 6),
        ({"sg": 1, "hs": 1, "negative": 0}, 4 * 1.5), ({"sg": 0, "hs": 1}, 4 * (6 + 1.5)),
    ],
)  # fmt: skip
def test_room_in_a_step(settings, terms):
    model = FastText(window=3, min_count=1, **settings)
    model.build_vocab([["a", "b", "a", "c"]])  # paths of 1, 2 and 2 questions: 1.5 on average
    training = SubwordTraining(model, 0.025, np.random.default_rng(0))
    for name in ("output_embedding", "node_embedding"):
        if name in model.params:
            model.params[name][:] = 0
    sight = np.array([0, 1, 2, 0])
    room = negative_sampling.LIMIT / (0.1 * terms)
    assert training.room(sight, 0.1) == pytest.approx(room)
    # where the vectors to be multiplied with are long, there is room for fewer
    name = "node_embedding" if settings.get("hs") else "output_embedding"
    model.params[name][:] = math.sqrt(3 * negative_sampling.LONG / model.vector_size)
    assert training.room(sight, 0.1) == pytest.approx(room / 3)


def test_the_same_seed_gives_the_same_bits():
    options = {"vector_size": 8, "epochs": 1}
    a, b, c = (FastText(two_topics(40), seed=seed, **options).params for seed in (1, 1, 2))
    for name in ("input_embedding", "subword_embedding", "output_embedding"):
        assert np.array_equal(a[name], b[name]) and not np.array_equal(a[name], c[name])


def test_more_text_keeps_what_was_learned():
    grown = FastText(vector_size=8, min_count=1, sg=1, sample=0)
    grown.build_vocab(two_topics(40))
    grown.train(two_topics(40), total_examples=40, epochs=2)
    before, old = grown.wv, dict(grown.params)
    new = [["語言", WORDS[0], WORDS[0] + "s"]] * 5
    grown.build_vocab(new, update=True)
    assert grown.wv.index_to_key == [*before.index_to_key, *new[0][::2]]
    assert len(grown.params["subword_embedding"]) > len(old["subword_embedding"]) + 2
    for word in (*before.index_to_key, WORDS[0][:-1]):  # read, and unseen
        np.testing.assert_allclose(grown.wv[word], before[word], atol=1e-6)
    grown.train(new, total_examples=5, epochs=3)
    assert not np.allclose(grown.wv[WORDS[0]], before[WORDS[0]], atol=1e-5)


def test_saved_and_loaded(model, tmp_path):
    model.save(tmp_path / "model")
    again = FastText.load(tmp_path / "model")
    assert isinstance(again, FastText) and (again.min_n, again.max_n) == (3, 6)
    for word in (WORDS[3], "unseen" + WORDS[3]):
        np.testing.assert_array_equal(again.wv[word], model.wv[word])
    again.train(two_topics(20), total_examples=20, epochs=1)
    small = FastText(two_topics(20), vector_size=4, min_n=2, max_n=3, bucket=50, epochs=1)
    small.save(tmp_path / "small")
    loaded = FastText.load(tmp_path / "small")
    assert (loaded.min_n, loaded.max_n, loaded.bucket) == (2, 3, 50)
    np.testing.assert_array_equal(loaded.wv["xbax"], small.wv["xbax"])


def test_words_that_were_never_read(model):
    wv, bad = model.wv, WORDS[7][:-1]
    assert bad in wv and not wv.has_index_for(bad) and wv.has_index_for(WORDS[7])
    assert "語" not in wv and "" not in wv and 3 in wv and 10_000 not in wv
    assert wv.similarity(bad, WORDS[7]) == pytest.approx(1 - wv.distance(WORDS[7], bad))
    assert wv.similarity(bad, bad) == pytest.approx(1)
    assert wv[[bad, WORDS[7]]].shape == (2, 16)
    assert wv.most_similar_to_given(bad, [WORDS[30], WORDS[7], WORDS[31]]) == WORDS[7]
    assert wv.rank(bad, WORDS[7]) == 1 and wv.closer_than(bad, WORDS[7]) == []
    assert bad not in [word for word, _ in wv.most_similar(bad, topn=40)]
    found = [word for word, _ in wv.most_similar([bad], [WORDS[30] + "s"], topn=40)]
    assert len(found) == 40  # those asked with are left out, and neither is in the table


def test_words_without_a_known_ngram(model):
    for word in ("語", "", "xyzzy", 10_000, -1):
        with pytest.raises(KeyError, match="no vector for the word"):
            model.wv[word]
    with pytest.raises(KeyError, match="xyzzy"):
        model.wv.most_similar(["xyzzy"])


def test_the_empty_word_has_no_vector_even_where_every_ngram_is_known():
    wv = FastText(walks(10), vector_size=4, epochs=1, min_count=1, min_n=2, bucket=1).wv
    assert character_ngrams("", 2, 6) == ["<>"] and "語" in wv and "" not in wv
    with pytest.raises(KeyError, match="''"):
        wv[""]


def test_unseen_words_are_asked_with_and_never_answered(model):
    wv, bad = model.wv, WORDS[7][:-1]
    assert wv.nearest([bad, WORDS[7]], 1)[0] == {WORDS[7]}
    assert wv.nearest([bad, WORDS[7]], 1)[1] != {WORDS[7]}
    # words without a row are no part of an agreement, though they have vectors
    other = KeyedVectors([*WORDS[:20], bad], wv[[*WORDS[:20], bad]])
    agreed = neighbour_agreement(other, wv, topn=3, words=WORDS[:20])
    assert neighbour_agreement(other, wv, topn=3) == agreed
    assert neighbour_agreement(other, wv, topn=3, words=[*WORDS[:20], bad]) != agreed
    own = KeyedVectors(wv.index_to_key, wv.vectors)
    assert neighbour_agreement(own, wv, topn=3) == 1


def test_files_of_vectors_hold_no_rows_of_ngrams(model, tmp_path):
    model.wv.save_word2vec_format(tmp_path / "vectors", binary=True)
    read = FastTextKeyedVectors.load_word2vec_format(tmp_path / "vectors", binary=True)
    assert type(read) is KeyedVectors
    np.testing.assert_array_equal(read.vectors, model.wv.vectors)
    with pytest.raises(KeyError, match="no vector"):
        read[WORDS[7][:-1]]


def test_models_of_one_kind_are_not_read_as_another(model, tmp_path):
    model.save(tmp_path / "parts")
    Word2Vec([["a", "b"]], min_count=1, vector_size=4).save(tmp_path / "words")
    with pytest.raises(ValueError, match="parts holds no Word2Vec model"):
        Word2Vec.load(tmp_path / "parts")
    with pytest.raises(ValueError, match="words holds no FastText model"):
        FastText.load(tmp_path / "words")
    assert str(model).startswith(f"FastText<vocab={len(model.wv)}, ")


def test_a_word_too_short_for_ngrams_has_its_own_row():
    wv = FastText([["a", "bb", "cc"]] * 3, vector_size=4, min_count=1, min_n=5, epochs=1).wv
    assert wv.table.shape == (3, 4)
    np.testing.assert_array_equal(wv.vectors, wv.table)
    with pytest.raises(KeyError, match="'aa'"):
        wv["aa"]


def test_compressed_tables_are_asked_as_they_are(model):
    wv = model.wv
    packed = FastTextKeyedVectors(
        wv.index_to_key, quantize(wv.vectors, bits=8, axis=0),
        quantize(wv.table, bits=8, axis=0), wv.subwords,
    )  # fmt: skip
    bad = WORDS[7][:-1]
    assert packed.table.nbytes < wv.table.nbytes / 2
    np.testing.assert_allclose(packed[bad], wv[bad], atol=0.02)
    assert packed.most_similar(bad, topn=1)[0][0] == WORDS[7]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_n": 4, "max_n": 3}, "min_n must be at most max_n, got min_n=4 and max_n=3"),
        ({"min_n": 0}, "min_n must be an integer of at least 1, got 0"),
        ({"bucket": 0}, "bucket must be an integer of at least 1, got 0"),
        ({"window": 0}, "window"),
        ({"min_count": 1000}, "min_count=1000 leaves no word"),
    ],
)
def test_bad_settings(options, message):
    with pytest.raises(ValueError, match=message):
        FastText(two_topics(10), **options)


def test_tables_that_do_not_fit(model):
    wv = model.wv
    with pytest.raises(ValueError, match="rows of subwords and the width 16"):
        FastTextKeyedVectors(wv.index_to_key, wv.vectors, wv.table[1:], wv.subwords)
    with pytest.raises(ValueError, match="subwords the 2 words"):
        FastTextKeyedVectors(["a", "b"], wv.vectors[:2], wv.table, wv.subwords)


@pytest.mark.oracle
def test_the_same_rows_give_the_same_vectors_in_gensim():
    from gensim.models.fasttext import FastTextKeyedVectors as Theirs

    bucket = 60  # so few that every one is in use, and no n-gram of any word is unknown
    ours = FastText(walks(40), vector_size=8, epochs=1, bucket=bucket).wv
    assert ours.subwords.buckets.tolist() == list(range(bucket))
    theirs = Theirs(8, 3, 6, bucket)
    theirs.add_vectors(ours.index_to_key, np.zeros((len(ours), 8), np.float32))
    theirs.vectors_vocab, theirs.vectors_ngrams = ours.table[: len(ours)], ours.table[len(ours) :]
    theirs.recalc_char_ngram_buckets()
    theirs.adjust_vectors()
    np.testing.assert_allclose(ours.vectors, theirs.vectors, atol=1e-6)
    for word in ("unseen", "misspelt", WORDS[0] + "s", "语言模型", "🙂"):
        np.testing.assert_allclose(ours[word], theirs[word], atol=1e-6)
        got, want = ours.most_similar(word, topn=3), theirs.most_similar(word, topn=3)
        assert [near for near, _ in got] == [near for near, _ in want]
    assert ours.similarity("unseen", WORDS[0]) == pytest.approx(
        float(theirs.similarity("unseen", WORDS[0])), abs=1e-5
    )


@pytest.mark.oracle
@pytest.mark.parametrize("library", ["gensim.models", "minilm.embeddings.fasttext"])
def test_code_written_for_gensim_runs(library):
    from importlib import import_module

    FastText = import_module(library).FastText
    sentences = two_topics(60)
    model = FastText(vector_size=10, window=3, min_count=1, min_n=2, max_n=4, bucket=1000, sg=1)
    model.build_vocab(corpus_iterable=sentences)
    model.train(corpus_iterable=sentences, total_examples=len(sentences), epochs=5)
    wv, word = model.wv, WORDS[0]
    assert word in wv.key_to_index and "unseen" not in wv.key_to_index
    assert model.wv["unseenword"].shape == (10,) and wv.vector_size == 10
    assert len(wv.most_similar(word + "s", topn=4)) == 4
    assert -1 <= wv.similarity(word, word[:-1]) <= 1
    assert wv.doesnt_match([word, word[:-1], WORDS[30]]) in (word, word[:-1], WORDS[30])
    new = [[word, "newcomer", "newcomers"]] * 3
    model.build_vocab(new, update=True)
    model.train(new, total_examples=len(new), epochs=model.epochs)
    assert "newcomers" in wv.key_to_index or "newcomers" in model.wv.key_to_index


@pytest.mark.oracle
@pytest.mark.slow
def test_word_similarity_is_as_good_as_gensims():
    from pathlib import Path

    import gensim

    data = Path(gensim.__file__).parent / "test" / "test_data"
    lines = (data / "head500.noblanks.cor").read_text(encoding="utf-8").splitlines()
    sentences = [line.split() for line in lines]
    options = {"vector_size": 100, "window": 5, "negative": 5, "epochs": 5, "sg": 1, "seed": 1}
    ours = FastText(sentences, **options).wv
    theirs = gensim.models.FastText(sentences, workers=1, bucket=200_000, **options).wv
    spearman = theirs.evaluate_word_pairs(str(data / "wordsim353.tsv"))[1][0]
    assert ours.evaluate_word_pairs(data / "wordsim353.tsv")[1][0] > spearman - TOLERANCE
    meant = [word for word in ours.index_to_key[50:2000] if len(word) > 7]
    shares = []
    for wv in (ours, theirs):
        found = [[near for near, _ in wv.most_similar(word[:4] + word[5:])] for word in meant]
        shares.append(np.mean([word in near for word, near in zip(meant, found, strict=True)]))
    assert shares[0] > shares[1] and shares[0] > 0.25
