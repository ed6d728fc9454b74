"""Word2Vec beside gensim's: the same code, words, counts, losses; hierarchical softmax near."""

from pathlib import Path

import numpy as np
import pytest

from minilm.embeddings import CallbackAny2Vec, KeyedVectors, LineSentence, Word2Vec, vocabulary

# What course notebooks do; the names that it needs are given to it from one library or the other.
NOTEBOOK = """
class Progress(CallbackAny2Vec):
    def __init__(self):
        self.epoch, self.losses = 0, []

    def on_epoch_end(self, model):
        self.epoch += 1
        self.losses.append(model.get_latest_training_loss())
        model.running_training_loss = 0.0

progress = Progress()
model = Word2Vec(
    sentences=LineSentence(str(path)), vector_size=24, window=3, min_count=2, workers=1, sg=1,
    hs=0, negative=5, ns_exponent=0.75, alpha=0.05, min_alpha=0.001, sample=0, seed=3, epochs=8,
    max_vocab_size=None, max_final_vocab=None, shrink_windows=True, cbow_mean=1,
    compute_loss=True, callbacks=[progress],
)
first = model.wv.most_similar("cat", topn=3)

model = Word2Vec(vector_size=24, window=3, min_count=2, workers=1, sample=0)
sentences = [line.split() for line in path.read_text().splitlines()]
model.build_vocab(sentences, progress_per=100)
model.train(
    sentences, total_examples=model.corpus_count, epochs=30, report_delay=1,
)
again = model.wv.most_similar(positive=["cat"], topn=3)

model.build_vocab([["fox", "cat", "dog"]] * 4, update=True)
model.train([["fox", "cat", "dog"]] * 4, total_examples=model.corpus_count, epochs=model.epochs)
guess = model.predict_output_word(["dog", "horse"], topn=5)

model.save(str(saved))
model = Word2Vec.load(str(saved))
wv = model.wv
wv.save_word2vec_format(str(saved) + ".bin", binary=True)
read = KeyedVectors.load_word2vec_format(str(saved) + ".bin", binary=True)
wv.save(str(saved) + ".wordvectors")
kept = KeyedVectors.load(str(saved) + ".wordvectors", mmap="r")
kept.add_vectors(["<pad>"], [2 * wv["fox"]])
share, sections = read.evaluate_word_analogies(str(questions))
result = {
    "words": set(wv.index_to_key), "shape": wv.vectors.shape, "vector": wv["fox"].shape,
    "first": {word for word, _ in first}, "again": {word for word, _ in again},
    "guess": {word for word, _ in guess}, "epochs": progress.epoch,
    "counts": (model.corpus_count, model.corpus_total_words, model.epochs),
    "text": str(model), "near": wv.similarity("cat", "dog") > wv.similarity("cat", "bread") + 0.2,
    "odd": wv.doesnt_match("cat dog horse bread".split()),
    "often": {word: int(kept.get_vecattr(word, "count")) for word in wv.key_to_index},
    "kept": bool((kept["fox"] == wv["fox"]).all()),
    "added": bool((kept["<pad>"] == 2 * wv["fox"]).all()),
    "by": [len(kept.similar_by_key("cat", topn=2)), len(kept.similar_by_vector(wv["cat"]))],
    "odd_pair": kept.most_similar_cosmul(positive=["cat", "dog"], negative=["rice"], topn=1)[0][0]
    in {"cow", "horse", "fox", "<pad>"},
    "again_read": read["fox"].tolist() == wv["fox"].tolist(),
    "asked": [(s["section"], len(s["correct"] + s["incorrect"])) for s in sections],
    "share": 0 <= share <= 1, "unknown": "unicorn" in wv,
    "losses": bool(progress.losses[0] > progress.losses[-1] > 0),
}
"""


@pytest.mark.oracle
@pytest.mark.filterwarnings("ignore:Call to deprecated `init_sims`:DeprecationWarning")  # gensim's
def test_a_notebook_written_for_gensim_runs_with_another_import(tmp_path):
    from gensim.models import KeyedVectors as GensimKeyedVectors
    from gensim.models import Word2Vec as GensimWord2Vec
    from gensim.models.callbacks import CallbackAny2Vec as GensimCallback
    from gensim.models.word2vec import LineSentence as GensimLineSentence

    rng = np.random.default_rng(0)
    topics = [["cat", "dog", "horse", "cow"], ["bread", "soup", "rice", "cake"]]
    lines = [" ".join(rng.choice(topics[n % 2], 6)) for n in range(400)] + ["once"]
    (tmp_path / "text.txt").write_text("\n".join(lines))
    (tmp_path / "questions.txt").write_text(": animals\ncat dog cow horse\ncat dog cow unicorn\n")
    theirs = {
        "Word2Vec": GensimWord2Vec, "CallbackAny2Vec": GensimCallback,
        "LineSentence": GensimLineSentence, "KeyedVectors": GensimKeyedVectors,
    }  # fmt: skip
    ours = {
        "Word2Vec": Word2Vec, "CallbackAny2Vec": CallbackAny2Vec, "LineSentence": LineSentence,
        "KeyedVectors": KeyedVectors,
    }  # fmt: skip
    results = []
    for name, library in (("theirs", theirs), ("ours", ours)):
        files = {"path": "text.txt", "saved": name, "questions": "questions.txt"}
        scope = {**library, **{file: tmp_path / at for file, at in files.items()}}
        exec(NOTEBOOK, scope)
        results.append(scope["result"])
    assert results[0] == results[1]


@pytest.mark.oracle
@pytest.mark.parametrize("limit", [None, 30, 100])
def test_words_are_counted_as_by_gensim(limit):
    import gensim

    text = [[f"w{i}" for i in np.random.default_rng(n).zipf(1.4, 20)] for n in range(100)]
    theirs = gensim.models.Word2Vec(max_vocab_size=limit)
    theirs.scan_vocab(text)
    counts = vocabulary.count_words(text, max_vocab_size=limit)
    assert counts.of == dict(theirs.raw_vocab)
    for options in ({}, {"max_final_vocab": 10}, {"max_final_vocab": 10, "min_count": 40}):
        theirs = gensim.models.Word2Vec(min_count=options.get("min_count", 2), **{
            name: value for name, value in options.items() if name != "min_count"
        })  # fmt: skip
        theirs.build_vocab(text)
        ours = Word2Vec(**{"min_count": 2, **options})
        ours.build_vocab(text)
        assert ours.effective_min_count == theirs.effective_min_count
        assert set(ours.wv.index_to_key) == set(theirs.wv.index_to_key)
        keep = ours.vocabulary.keep_probability(1e-3)
        for word, chance in zip(ours.vocabulary.words, keep, strict=True):
            theirs_chance = theirs.wv.get_vecattr(word, "sample_int") / 2**32
            assert chance == pytest.approx(theirs_chance, abs=1e-6)


@pytest.mark.oracle
@pytest.mark.parametrize("sg", [0, 1])
def test_the_loss_of_negative_sampling_is_gensims(sg):
    import gensim

    text = [[f"w{i}" for i in np.random.default_rng(n).integers(0, 500, 20)] for n in range(300)]
    options = {
        "vector_size": 10, "min_count": 1, "sg": sg, "sample": 0, "epochs": 1, "alpha": 1e-6,
        "min_alpha": 1e-7, "compute_loss": True,
    }  # fmt: skip
    ours, theirs = Word2Vec(text, **options), gensim.models.Word2Vec(text, workers=1, **options)
    # gensim draws its windows, and skips negatives that are the pair's own word
    loss = theirs.get_latest_training_loss()
    assert ours.get_latest_training_loss() == pytest.approx(loss, rel=0.02)


def trained_on_the_text(library, seed=1, **options):
    """Spearman's correlation with WordSim-353 after learning from the text that gensim has."""
    import gensim

    data = Path(gensim.__file__).parent / "test" / "test_data"
    lines = (data / "head500.noblanks.cor").read_text(encoding="utf-8").splitlines()
    wv = library([line.split() for line in lines], vector_size=100, seed=seed, **options).wv
    return wv.evaluate_word_pairs(str(data / "wordsim353.tsv"))[1][0]


@pytest.mark.oracle
@pytest.mark.slow
@pytest.mark.parametrize("sg", [0, 1])
def test_hierarchical_softmax_is_within_three_hundredths_of_gensims(sg):
    """In the mean of three seeds: those of CBOW are up to 0.03 apart, in both libraries."""
    import gensim

    options = {"epochs": 5, "sg": sg, "hs": 1, "negative": 0}
    seeds = (1, 2, 3)
    ours = np.mean([trained_on_the_text(Word2Vec, seed, **options) for seed in seeds])
    theirs = np.mean([
        trained_on_the_text(gensim.models.Word2Vec, seed, workers=1, **options) for seed in seeds
    ])  # fmt: skip
    assert ours > theirs - 0.03


@pytest.mark.oracle
@pytest.mark.slow
def test_cbow_learns_next_to_nothing_from_five_readings_and_so_does_gensims():
    import gensim

    ours = trained_on_the_text(Word2Vec, sg=0, epochs=5)
    theirs = trained_on_the_text(gensim.models.Word2Vec, workers=1, sg=0, epochs=5)
    assert abs(ours) < 0.15 and abs(theirs) < 0.15
