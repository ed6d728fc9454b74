"""Sentence vectors: pooling, padding, order, ranking; the real encoder against transformers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minilm.compression import quantize, quantize_activations
from minilm.models import MaskedLanguageModel, TransformerEncoder, TransformerLanguageModel
from minilm.pretrained.load import Pretrained
from minilm.pretrained.sentences import (
    cut_texts,
    pooled,
    rank,
    sentence_embeddings,
    similarity,
)
from minilm.text import WordPieceTokenizer

WORDS = ["the", "a", "cat", "dog", "sat", "ran", "on", "under", "big", "old", "mat", "tree", "home"]
TOKENIZER = WordPieceTokenizer(
    ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS),
    specials=("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),
)
MODEL = TransformerEncoder(TOKENIZER.vocab_size, width=16, layers=2, heads=2, context=12)
PARAMS = MODEL.init(3)
MANY = ["the cat", "a dog ran home", "", "the big old tree and the mat", "unknowable", "the cat"]


def encoder(pooling="mean", model=MODEL, params=PARAMS, longest=12):
    return Pretrained(model, params, TOKENIZER, pooling, longest)


def by_hand(text, pooling):
    """One text by itself, without padding."""
    special = TOKENIZER.special_ids
    pieces = TOKENIZER.encode(text)[: MODEL.context - 2]
    ids = np.array([[special["[CLS]"], *pieces, special["[SEP]"]]])
    hidden = MODEL.forward(PARAMS, ids)[0][0]
    return hidden.mean(axis=0) if pooling == "mean" else hidden[0]


@pytest.mark.parametrize("pooling", ["mean", "first"])
@pytest.mark.parametrize("batch_size", [1, 2, 100])
def test_the_vector_of_a_text_does_not_hang_on_its_neighbours(pooling, batch_size):
    vectors = sentence_embeddings(encoder(pooling), MANY, batch_size, unit=False)
    assert vectors.shape == (6, 16) and vectors.dtype == np.float32
    for text, vector in zip(MANY, vectors, strict=True):
        np.testing.assert_allclose(vector, by_hand(text, pooling), atol=2e-6)
    unit = sentence_embeddings(encoder(pooling), MANY, batch_size)
    np.testing.assert_allclose(np.linalg.norm(unit, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(similarity(unit, vectors).diagonal(), 1, atol=1e-6)


@given(st.lists(st.lists(st.sampled_from(WORDS), max_size=14).map(" ".join), min_size=1,
                max_size=8), st.integers(1, 5), st.randoms())  # fmt: skip
def test_vectors_come_back_in_the_order_asked(texts, batch_size, random):
    vectors = sentence_embeddings(encoder(), texts, batch_size)
    order = list(range(len(texts)))
    random.shuffle(order)
    shuffled = sentence_embeddings(encoder(), [texts[i] for i in order], batch_size)
    np.testing.assert_allclose(shuffled, vectors[order], atol=2e-6)


def test_a_mean_by_hand():
    hidden = np.array([[[1, 2], [3, 4], [50, 60]], [[0, 3], [6, 3], [3, 0]]], np.float32)
    mask = np.array([[True, True, False], [True, True, True]])
    assert pooled(hidden, mask, "mean").tolist() == [[2, 3], [3, 2]]
    assert pooled(hidden, mask, "first").tolist() == [[1, 2], [0, 3]]


def test_similarity_by_hand():
    a, b = [[3.0, 4.0], [0.0, 0.0]], [[1.0, 0.0], [6.0, 8.0], [-3.0, -4.0]]
    np.testing.assert_allclose(similarity(a, b), [[0.6, 1, -1], [0, 0, 0]])
    for bad in ([[1.0]], [1.0, 2.0]):
        with pytest.raises(ValueError, match=r"must have shapes \(N, D\) and \(M, D\)"):
            similarity(a, bad)


def test_a_vector_of_zeros_stays_zero():
    dead = {name: np.zeros_like(w) for name, w in PARAMS.items()}
    vectors = sentence_embeddings(encoder(params=dead), ["the cat", "a dog"])
    assert not vectors.any()
    assert rank(encoder(params=dead), "the", ["a", "cat"]) == [(0.0, 0), (0.0, 1)]


def test_ranking_is_by_cosine_and_ties_by_place():
    texts = ["a dog ran home", "the cat", "the mat", "the cat", "the big old tree"]
    ranked = rank(encoder(), "the cat", texts)
    assert [i for _, i in ranked[:2]] == [1, 3]
    assert ranked[0][0] == ranked[1][0] == pytest.approx(1, abs=1e-6)
    assert sorted(i for _, i in ranked) == [0, 1, 2, 3, 4]
    assert [cosine for cosine, _ in ranked] == sorted((c for c, _ in ranked), reverse=True)
    assert rank(encoder(), "the cat", texts, 3) == ranked[:3]
    vectors = sentence_embeddings(encoder(), ["the cat", *texts])
    for cosine, i in ranked:
        assert cosine == pytest.approx(float(vectors[0] @ vectors[1 + i]), abs=1e-6)


def test_a_long_text_is_cut_and_that_is_told():
    just, longer = " ".join(["cat"] * 10), " ".join(["cat"] * 10 + ["dog"])
    assert cut_texts(encoder(), ["a", longer, just, longer + " dog"]) == [1, 3]
    first, second = sentence_embeddings(encoder(), [just, longer], unit=False)
    np.testing.assert_allclose(first, second, atol=2e-6)
    shorter = encoder(longest=5)  # than the model's context: it was not trained on more
    first, second = sentence_embeddings(shorter, ["the cat sat", "the cat sat home"], unit=False)
    np.testing.assert_allclose(first, second, atol=2e-6)
    assert cut_texts(shorter, ["the cat sat", "the cat sat home"]) == [1]


def test_a_model_with_a_head_is_read_without_it():
    model = MaskedLanguageModel(TOKENIZER.vocab_size, width=16, layers=2, heads=2, context=12)
    params = {**model.init(0), **PARAMS}
    found = sentence_embeddings(encoder(model=model, params=params), MANY)
    np.testing.assert_array_equal(found, sentence_embeddings(encoder(), MANY))


def test_compressed_weights_unpacked_or_packed_give_the_same():
    params = quantize(PARAMS, 4, group_size=8)
    unpacked, packed = (
        sentence_embeddings(encoder(params=params), MANY, packed=packed) for packed in (False, True)
    )
    np.testing.assert_allclose(unpacked, packed, atol=1e-5)
    cosines = (unpacked * sentence_embeddings(encoder(), MANY)).sum(axis=1)
    assert 0.5 < cosines.min() < 0.9999


def test_what_rounds_its_input_goes_on_doing_so():
    params = quantize_activations(quantize(PARAMS, 8), 2)
    rounded = sentence_embeddings(encoder(params=params), MANY)
    only_weights = sentence_embeddings(encoder(params=quantize(PARAMS, 8)), MANY)
    assert (rounded * only_weights).sum(axis=1).max() < 0.999
    packed = sentence_embeddings(encoder(params=params), MANY, packed=True)
    np.testing.assert_allclose(rounded, packed, atol=1e-5)


def test_what_is_no_list_of_texts_is_refused():
    for texts, error, said in (
        ("the cat", TypeError, "list of strings, got the string 'the cat'"),
        (["a", 3], TypeError, r"texts\[1\] must be a string, got int"),
        ([], ValueError, "at least one text"),
    ):
        with pytest.raises(error, match=said):
            sentence_embeddings(encoder(), texts)
        with pytest.raises(error, match=said):
            rank(encoder(), "a", texts)
    with pytest.raises(TypeError, match="query must be a string"):
        rank(encoder(), ["a"], ["a"])
    with pytest.raises(ValueError, match="k must be an integer of at least 1, got 0"):
        rank(encoder(), "a", ["a"], 0)
    with pytest.raises(ValueError, match="batch_size must be"):
        sentence_embeddings(encoder(), ["a"], 0)


def test_models_that_cannot_are_refused():
    model = TransformerLanguageModel(20, width=8, layers=1, heads=2)
    with pytest.raises(TypeError, match=r"must hold an encoder .* got a TransformerLanguageModel"):
        sentence_embeddings(encoder(model=model), ["a"])
    with pytest.raises(ValueError, match="must have a tokenizer to read text"):
        sentence_embeddings(Pretrained(MODEL, PARAMS, None, "mean", 12), ["a"])
    broken = {**PARAMS, "encoder.1.norm_2.bias": np.full(16, np.nan, np.float32)}
    with pytest.raises(FloatingPointError, match="vectors are not finite"):
        sentence_embeddings(encoder(params=broken), ["a"])


RELATED = [  # by twos
    "The cat is sleeping on the sofa.", "A kitten takes a nap on the couch.",
    "Shares fell sharply on Monday.", "The stock market dropped at the start of the week.",
    "He is boiling pasta for dinner.", "Tonight he cooks spaghetti.",
    "The train was two hours late.", "Our railway journey was badly delayed.",
    "She plays the violin in an orchestra.", "The musician performs with a symphony ensemble.",
    "It will rain all day tomorrow.", "The forecast says wet weather is coming.",
]  # fmt: skip


@pytest.mark.oracle
def test_the_real_encoder_finds_the_sentence_that_means_the_same():
    from minilm.pretrained import load_pretrained

    real = load_pretrained("all-MiniLM-L6-v2")
    for i, query in enumerate(RELATED):
        others = [text for text in RELATED if text != query]
        (best, found), (second, _), *_ = rank(real, query, others)
        assert others[found] == RELATED[i ^ 1]
        assert best > second + 0.1
    assert cut_texts(real, ["word " * 254, "word " * 255]) == [1]


@pytest.mark.oracle
def test_the_vectors_of_the_real_encoder_are_those_of_transformers():
    import torch
    import transformers

    from minilm.pretrained import find_model, load_pretrained

    texts = [*RELATED, "", "a", "日本語の文です。", "naïve café 🙂", "word " * 700, "x" * 300]
    folder = find_model("all-MiniLM-L6-v2")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder, attn_implementation="eager").eval()
    read = tokenizer(texts, padding=True, truncation=True, max_length=256, return_tensors="pt")
    with torch.no_grad():
        hidden = model(**read).last_hidden_state
        mask = read["attention_mask"][..., None].float()
        mean = (hidden * mask).sum(1) / mask.sum(1)
        expected = torch.nn.functional.normalize(mean, dim=1).numpy()
    found = sentence_embeddings(load_pretrained("all-MiniLM-L6-v2"), texts, batch_size=4)
    np.testing.assert_allclose(found, expected, atol=1e-5)
