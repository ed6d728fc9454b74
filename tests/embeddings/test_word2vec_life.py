"""Word2Vec's arguments and life cycle: build_vocab, train, more of both, callbacks, saving."""

import math
from weakref import WeakSet

import numpy as np
import pytest

from minilm.embeddings import KeyedVectors, Word2Vec, word2vec_training
from minilm.embeddings.callbacks import CallbackAny2Vec
from minilm.embeddings.line_sentence import LineSentence
from minilm.weights import save

SMALL = {"vector_size": 8, "min_count": 1}


def sentences(number=60, seed=0):
    """Six words each, of a0 … a9 in every other sentence, of b0 … b9 in the rest."""
    rng = np.random.default_rng(seed)
    return [[f"{'ab'[n % 2]}{k}" for k in rng.integers(0, 10, 6)] for n in range(number)]


def equal(a, b):
    assert a.params.keys() == b.params.keys()
    return all(np.array_equal(a.params[name], b.params[name]) for name in a.params)


def test_the_constructor_is_build_vocab_and_train():
    text = sentences()
    at_once = Word2Vec(text, epochs=3, **SMALL)
    model = Word2Vec(epochs=3, **SMALL)
    model.build_vocab(iter(text))  # one reading: a generator will do
    assert (model.corpus_count, model.corpus_total_words) == (60, 360)
    assert model.wv.index_to_key == at_once.wv.index_to_key and model.train_count == 0
    learned, read = model.train(text, total_examples=model.corpus_count, epochs=model.epochs)
    assert 0 < learned < read == 3 * 360  # `sample` left some out
    assert equal(model, at_once)
    assert np.array_equal(model.wv["a0"], at_once.wv["a0"])


def test_the_rate_falls_alike_by_sentences_and_by_words():
    text = sentences(300)  # all of one length
    totals = {"total_examples": 300}, {"total_words": 1800}, {"total_words": 3600}
    models = [Word2Vec(sample=0, **SMALL) for _ in totals]
    for model, total in zip(models, totals, strict=True):
        model.build_vocab(text)
        model.train(text, epochs=2, **total)
    assert equal(models[0], models[1]) and not equal(models[0], models[2])


def test_rates_of_one_call():
    text = sentences()
    a, b, c = (Word2Vec(alpha=alpha, **SMALL) for alpha in (0.025, 0.1, 0.025))
    for model in (a, b, c):
        model.build_vocab(text)
    a.train(text, total_examples=60, epochs=2, start_alpha=0.1, end_alpha=0.05)
    assert a.alpha == 0.025 and a.min_alpha == 1e-4
    b.min_alpha = 0.05
    b.train(text, total_examples=60, epochs=2)
    c.train(text, total_examples=60, epochs=2)
    assert equal(a, b) and not equal(a, c)
    a.alpha = 3.0  # settings may be changed between calls; they are looked at again
    with pytest.raises(ValueError, match=r"alpha <= 1, got 3\.0"):
        a.train(text, total_examples=60, epochs=2)


def test_more_epochs_go_on_from_where_it_was():
    text = sentences()
    model = Word2Vec(text, epochs=1, **SMALL)
    before = {name: table.copy() for name, table in model.params.items()}
    model.train(text, total_examples=60, epochs=4)
    assert model.epochs == 4 and model.train_count == 2
    again = Word2Vec(text, epochs=1, **SMALL)
    again.params = before
    again.train_count = 0  # the same draws a second time would be another course
    again.train(text, total_examples=60, epochs=4)
    assert not equal(model, again)


@pytest.mark.parametrize("hs", [0, 1])
def test_more_sentences_bring_more_words(hs):
    model = Word2Vec(sentences(), hs=hs, epochs=2, **{**SMALL, "min_count": 2})
    words, counts = list(model.wv.index_to_key), model.vocabulary.counts.copy()
    old = {name: table.copy() for name, table in model.params.items()}
    more = [["a0", "new", "rare"], ["new", "newer", "a0"], ["newer", "new"]]
    model.build_vocab(more, update=True)
    assert model.wv.index_to_key == [*words, "new", "newer"]
    gained = np.array([2 if word == "a0" else 0 for word in words])
    assert model.vocabulary.counts.tolist() == [*(counts + gained).tolist(), 3, 2]
    assert model.corpus_count == 3 and model.corpus_total_words == 8
    for name in ("input_embedding", "output_embedding"):
        assert np.array_equal(model.params[name][: len(words)], old[name])
    assert model.params["input_embedding"][len(words) :].any(axis=1).all()
    if hs:  # another tree, other nodes
        assert not model.params["node_embedding"].any()
        assert len(model.params["node_embedding"]) == len(words) + 1
    model.train(more, total_examples=model.corpus_count, epochs=20)
    assert not np.array_equal(model.wv["new"], model.params["input_embedding"][0])
    assert model.params["output_embedding"][len(words) :].any(axis=1).all()


def test_which_words():
    text = [["a"] * 9 + ["b"] * 5 + ["c"] * 5 + ["d"] * 3 + ["e"]]
    cases = [
        ({}, "abcde"), ({"min_count": 4}, "abc"), ({"max_final_vocab": 4}, "abcd"),
        ({"max_final_vocab": 2}, "a"),  # b and c are equally frequent: neither
        ({"max_final_vocab": 4, "min_count": 4}, "abc"), ({"max_final_vocab": 9}, "abcde"),
    ]  # fmt: skip
    for options, words in cases:
        model = Word2Vec(**{**SMALL, **options})
        model.build_vocab(text)
        assert model.wv.index_to_key == list(words)
    with pytest.raises(ValueError, match="max_final_vocab=1 leaves no word"):
        Word2Vec(**SMALL, max_final_vocab=1).build_vocab([["a", "b"]])


@pytest.mark.parametrize("sg", [0, 1])
@pytest.mark.parametrize("hs", [0, 1])
def test_two_topics_are_found_by_every_objective(sg, hs):
    for negative in {0, 5} if hs else {5}:
        model = Word2Vec(
            sentences(200), vector_size=16, sg=sg, hs=hs, negative=negative, epochs=20, sample=0
        )
        assert ("node_embedding" in model.params) == bool(hs)
        assert ("output_embedding" in model.params) == bool(negative)
        words = model.wv.index_to_key
        for word, near in zip(words, model.wv.nearest(words, topn=9), strict=True):
            assert {other[0] for other in near} == {word[0]}


@pytest.mark.parametrize(
    "options",
    [{"cbow_mean": 0}, {"shrink_windows": False}, {"shrink_windows": False, "sg": 1}, {"hs": 1}],
)
def test_each_option_changes_what_is_learned(options):
    usual = {"vector_size": 16, "epochs": 20, "sample": 0, "sg": options.get("sg", 0)}
    a, b = (Word2Vec(sentences(200), **{**usual, **more}) for more in ({}, options))
    assert not np.array_equal(a.wv.vectors, b.wv.vectors)
    within, across = (b.wv.similarity("a0", other) for other in ("a1", "b1"))
    assert within > across + 0.2


def test_workers_change_nothing():
    assert equal(*(Word2Vec(sentences(), workers=n, **SMALL) for n in (1, 4)))


class Words(list):
    """A sentence that can be watched."""

    __hash__ = object.__hash__


class Stream:
    """Sentences made anew at each reading; `most`: how many of them were alive at once."""

    def __init__(self, number):
        self.number, self.alive, self.most, self.readings = number, WeakSet(), 0, 0

    def __iter__(self):
        self.readings += 1
        for words in sentences(self.number):
            self.alive.add(sentence := Words(words))
            self.most = max(self.most, len(self.alive))
            yield sentence
            del sentence


def test_a_text_is_read_in_pieces_and_never_held(monkeypatch):
    monkeypatch.setattr(word2vec_training, "PIECE", 60)
    text = Stream(200)
    model = Word2Vec(text, sample=0, alpha=0.1, epochs=3, **SMALL)
    assert text.readings == 1 + 3
    assert text.most < 2 * 10 + 5  # the piece that was just learned from, and the next
    assert model.train(text, total_words=1200, epochs=1) == (1200, 1200)


def test_a_file_of_lines(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("\n".join(map(" ".join, sentences())))
    models = [
        Word2Vec(sentences(), **SMALL), Word2Vec(LineSentence(path), **SMALL),
        Word2Vec(corpus_file=path, **SMALL),
    ]  # fmt: skip
    assert equal(models[0], models[1]) and equal(models[0], models[2])
    with pytest.raises(TypeError, match=r"exactly one of .* got both"):
        Word2Vec(sentences(), corpus_file=path)
    with pytest.raises(TypeError, match="got neither"):
        models[0].train(total_examples=60, epochs=1)


class Recorder(CallbackAny2Vec):
    def __init__(self):
        self.events, self.cosines, self.losses = [], [], []

    def on_train_begin(self, model):
        self.events.append("train begins")

    def on_epoch_begin(self, model):
        self.events.append("epoch begins")

    def on_epoch_end(self, model):
        self.events.append("epoch ends")
        self.cosines.append(model.wv.similarity("a0", "a1"))
        self.losses.append(model.get_latest_training_loss())

    def on_train_end(self, model):
        self.events.append("train ends")


def test_callbacks_and_the_loss():
    seen = Recorder()
    options = {**SMALL, "epochs": 3, "alpha": 0.1, "sg": 1, "sample": 0}
    model = Word2Vec(sentences(200), callbacks=[seen], compute_loss=True, **options)
    epoch = ["epoch begins", "epoch ends"]
    assert seen.events == ["train begins", *epoch * 3, "train ends"]
    assert len(set(seen.cosines)) == 3 and seen.cosines[-1] == model.wv.similarity("a0", "a1")
    each = np.diff(seen.losses, prepend=0)
    assert (np.diff(each) < 0).all() and each[-1] > 0  # it is learning
    assert model.get_latest_training_loss() == seen.losses[-1]
    assert equal(model, Word2Vec(sentences(200), **options))  # looking on changes nothing
    model.train(sentences(200), total_examples=200, epochs=1)
    assert model.get_latest_training_loss() == 0  # not asked for


@pytest.mark.parametrize(
    ("options", "pairs", "terms"),
    [
        ({"sg": 1}, 12, 6), ({"sg": 1, "negative": 9}, 12, 10), ({}, 4, 6),
        ({"sg": 1, "hs": 1, "negative": 0}, 12, 2), ({"hs": 1, "negative": 5}, 4, 8),
    ],
)  # fmt: skip
def test_the_loss_of_a_model_that_has_learned_nothing(options, pairs, terms):
    """Every score is 0 and each pair, negative or question costs log 2."""
    text = [["a", "b", "c", "d"]] * 3  # all equally frequent: two questions each
    options = {**SMALL, "epochs": 1, "shrink_windows": False, "sample": 0, **options}
    model = Word2Vec(text, compute_loss=True, window=3, alpha=1e-9, min_alpha=0, **options)
    want = 3 * pairs * terms * math.log(2)
    assert model.get_latest_training_loss() == pytest.approx(want, rel=1e-4)


def test_likely_centres():
    model = Word2Vec(sentences(200), vector_size=16, epochs=20, sample=0)
    words = model.predict_output_word(["a1", "a2", "unknown"], topn=5)
    assert len(words) == 5 and {word[0] for word, _ in words} == {"a"}
    assert [p for _, p in words] == sorted((p for _, p in words), reverse=True)
    every = model.predict_output_word(["a1"], topn=20)
    assert math.isclose(sum(p for _, p in every), 1, rel_tol=1e-5)
    assert model.predict_output_word(["unknown"]) is None
    with pytest.raises(RuntimeError, match="negative > 0"):
        Word2Vec(sentences(), hs=1, negative=0, **SMALL).predict_output_word(["a1"])


@pytest.mark.parametrize("options", [{"sg": 1, "bias": True}, {"hs": 1, "negative": 0}])
def test_a_saved_model_goes_on_as_if_nothing_had_happened(options, tmp_path):
    model = Word2Vec(sentences(), **options, **SMALL)
    model.save(tmp_path / "model")
    copy = Word2Vec.load(tmp_path / "model")
    assert equal(model, copy) and str(copy) == str(model) == (
        "Word2Vec<vocab=20, vector_size=8, alpha=0.025>"
    )
    for each in (model, copy):
        each.build_vocab([["a0", "new"]], update=True)
        each.train([["a0", "new"]], total_examples=each.corpus_count, epochs=each.epochs)
    assert equal(model, copy) and isinstance(copy.wv, KeyedVectors) and "new" in copy.wv
    save(tmp_path / "other", model.params)
    with pytest.raises(ValueError, match="other holds no Word2Vec model"):
        Word2Vec.load(tmp_path / "other")


def test_what_is_refused_when_and_why():
    text, model = sentences(), Word2Vec(**SMALL)
    with pytest.raises(RuntimeError, match="train needs a vocabulary"):
        model.train(text, total_examples=60, epochs=1)
    with pytest.raises(RuntimeError, match="update needs a vocabulary"):
        model.build_vocab(text, update=True)
    model.build_vocab(text)
    with pytest.raises(ValueError, match=r"epochs must be given .* epochs=model\.epochs"):
        model.train(text, total_examples=60)
    with pytest.raises(ValueError, match=r"total_examples=model\.corpus_count"):
        model.train(text, epochs=1)
    with pytest.raises(ValueError, match="total_words"):
        model.train(text, epochs=1, total_words=0)
    with pytest.raises(TypeError, match="readable 6 times, got a generator"):
        Word2Vec((s for s in text), **SMALL)
    with pytest.raises(TypeError, match="int without on_train_begin, on_epoch_begin"):
        Word2Vec(text, callbacks=[3], **SMALL)
    with pytest.raises(ValueError, match="each alone"):
        model.train([["unknown", "words"], ["a0"]], total_examples=2, epochs=1)
    assert model.train(iter(text), total_examples=60, epochs=1)[1] == 360


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": 0}, "workers"), ({"max_vocab_size": 0}, "max_vocab_size"),
        ({"max_final_vocab": 2.5}, "max_final_vocab"), ({"cbow_mean": 2}, "cbow_mean"),
        ({"hs": "yes"}, "hs must be 0 .no. or 1 .yes., got 'yes'"),
        ({"shrink_windows": None}, "shrink_windows"), ({"compute_loss": 7}, "compute_loss"),
        ({"negative": -1}, "negative"), ({"seed": -1}, "seed"), ({"seed": 1.5}, "seed"),
        ({"ns_exponent": math.inf}, "ns_exponent"), ({"sample": 1.0}, "sample must be 0"),
        ({"hs": 0, "negative": 0}, "hs or negative must be set"),
        ({"bias": True, "sg": 0}, "bias belongs to skip-gram"),
        ({"bias": True, "sg": 1, "hs": 1, "negative": 0}, "bias belongs to skip-gram"),
    ],
)  # fmt: skip
def test_bad_settings(options, message):
    with pytest.raises(ValueError, match=message):
        Word2Vec(**{**SMALL, **options})
