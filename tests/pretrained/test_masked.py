"""What may stand in a gap: each gap, its probabilities, and which models can say."""

from dataclasses import replace

import numpy as np
import pytest

from minilm.models import MaskedLanguageModel, TransformerEncoder
from minilm.pretrained.load import Pretrained, load_pretrained
from minilm.pretrained.masked import masked_ids, predict_masked
from minilm.text import BPETokenizer, CharTokenizer, WordPieceTokenizer

SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
WORDS = ["paris", "is", "the", "capital", "of", "france", "##s", ",", "a", "city"]
TOKENIZER = WordPieceTokenizer((*SPECIALS, *WORDS), specials=SPECIALS)
MODEL = MaskedLanguageModel(TOKENIZER.vocab_size, width=16, layers=2, heads=2, context=12)
PARAMS = {name: 3 * w for name, w in MODEL.init(1).items()}  # not all tokens alike
GAP = Pretrained(MODEL, PARAMS, TOKENIZER, "mean", 12)


def ids_of(*pieces):
    return [TOKENIZER.vocabulary.index(piece) for piece in pieces]


def test_the_text_is_read_with_its_gaps():
    found = masked_ids(TOKENIZER, "Paris is[MASK] capitals of [MASK]")
    assert found.dtype == np.int32
    assert found.tolist() == ids_of(
        "[CLS]", "paris", "is", "[MASK]", "capital", "##s", "of", "[MASK]", "[SEP]"
    )
    assert masked_ids(TOKENIZER, "[MASK][MASK]").tolist() == ids_of(
        "[CLS]", "[MASK]", "[MASK]", "[SEP]"
    )
    other = masked_ids(TOKENIZER, "[CLS] [MASK]")  # only [MASK] is a mark: this is a [ and so on
    assert other.tolist().count(ids_of("[CLS]")[0]) == 1


def test_the_likeliest_tokens_of_each_gap():
    text = "paris is the [MASK] of [MASK]"
    found = predict_masked(GAP, text, k=4)
    ids = masked_ids(TOKENIZER, text)
    logits = MODEL.forward(PARAMS, ids[None])[0][0].astype(np.float64)
    for place, tokens in zip((4, 6), found, strict=True):
        p = np.exp(logits[place]) / np.exp(logits[place]).sum()
        best = np.argsort(-p, kind="stable")[:4]
        assert [token for token, _ in tokens] == [TOKENIZER.vocabulary[i] for i in best]
        assert [q for _, q in tokens] == pytest.approx(p[best], rel=1e-5)
    everything = predict_masked(GAP, text, k=1000)
    assert [len(tokens) for tokens in everything] == [TOKENIZER.vocab_size] * 2
    assert sum(p for _, p in everything[0]) == pytest.approx(1)


def test_of_equally_likely_tokens_the_lower_id_comes_first():
    params = {name: np.zeros_like(w) for name, w in PARAMS.items()}
    (found,) = predict_masked(replace(GAP, params=params), "a [MASK]", k=3)
    assert found == [(name, pytest.approx(1 / 15)) for name in SPECIALS[:3]]


@pytest.mark.parametrize(
    ("text", "k", "error", "said"),
    [
        ("paris is", 5, ValueError, r"must have a \[MASK\]"),
        ("", 5, ValueError, r"must have a \[MASK\]"),
        (["[MASK]"], 5, TypeError, "text must be a string, got list"),
        ("[MASK]" + " a" * 10, 5, ValueError, "at most 12 pieces, .* got 13"),
        ("[MASK]", 0, ValueError, "k must be an integer of at least 1"),
    ],
)
def test_bad_input(text, k, error, said):
    with pytest.raises(error, match=said):
        predict_masked(GAP, text, k)


def test_a_model_without_the_head_says_who_has_it():
    encoder = TransformerEncoder(TOKENIZER.vocab_size, width=16, heads=2)
    bare = replace(GAP, model=encoder, params=encoder.init(0))
    with pytest.raises(TypeError, match=r"got a TransformerEncoder without one.*bert-base"):
        predict_masked(bare, "a [MASK]")


def test_a_tokenizer_without_such_a_mark_or_without_pieces_is_refused():
    other = BPETokenizer.train("paris is the [MASK]", 260, specials=("[CLS]",))
    with pytest.raises(ValueError, match=r"lacks the special \[MASK\]; it has \['\[CLS\]'\]"):
        predict_masked(replace(GAP, tokenizer=other), "a [MASK]")
    letters = CharTokenizer.train("a ", specials=("[CLS]", "[MASK]", "[SEP]"))
    with pytest.raises(TypeError, match="must be one of pieces, got CharTokenizer"):
        predict_masked(replace(GAP, tokenizer=letters), "a [MASK]")


def test_logits_that_are_no_numbers_are_refused():
    broken = {**PARAMS, "prediction.output_bias": np.full(15, np.inf, np.float32)}
    with pytest.raises(FloatingPointError, match="logits are not finite"):
        predict_masked(replace(GAP, params=broken), "a [MASK]")


@pytest.mark.oracle
def test_gaps_are_filled_as_transformers_fills_them(bert_folder):
    import torch
    import transformers

    folder = bert_folder().path
    pretrained = load_pretrained(folder)
    text = "The [MASK] ran home under the [MASK]."
    found = predict_masked(pretrained, text, k=10)
    tokenizer = transformers.BertTokenizer.from_pretrained(folder)
    read = tokenizer(text, return_tensors="pt")
    model = transformers.BertForMaskedLM.from_pretrained(folder).eval()
    with torch.no_grad():
        p = model(**read).logits[0].double().softmax(-1)
    gaps = (read["input_ids"][0] == tokenizer.mask_token_id).nonzero()[:, 0]
    for gap, tokens in zip(gaps, found, strict=True):
        best = p[gap].topk(10)
        assert [token for token, _ in tokens] == tokenizer.convert_ids_to_tokens(best.indices)
        assert [q for _, q in tokens] == pytest.approx(best.values.tolist(), rel=1e-4)
