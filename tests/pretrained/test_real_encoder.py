"""all-MiniLM-L6-v2, 22 million real parameters: every hidden state is that of transformers."""

import numpy as np
import pytest

from minilm.pretrained import find_model, load_pretrained
from minilm.pretrained.texts import padded_ids

NAME = "all-MiniLM-L6-v2"
LONG = (
    "The ferry leaves at seven, and whoever is late stands at the quay and counts the gulls. "
    "On the island there is one road, one shop, and more opinions about the weather than people. "
)
SENTENCES = [
    "",
    " ",
    "a",
    ".",
    "The cat sleeps on the warm stove.",
    "A dog is running through the snow.",
    "How do I reset the password of my account?",
    "I have forgotten my login, what can I do?",
    "The bank raised its interest rates on Thursday.",
    "We sat on the bank of the river and ate plums.",
    "Nobody has ever seen this key before.",
    "He said he'd be back by 5:30 p.m., but he wasn't.",
    "Bread needs flour, water, salt and time.",
    "Unbelievably counterintuitive antidisestablishmentarianism!",
    "WHY ARE YOU SHOUTING?",
    "1 + 1 = 2, 3.14159 < 22/7, and 2^31 - 1 = 2147483647.",
    "It costs $1,299.99 (or 1.150 EUR), plus 19% tax.",
    "naïve café, jalapeño, Ångström, Dvořák, Żółć",
    "NAÏVE CAFÉ, JALAPEÑO, ÅNGSTRÖM, DVOŘÁK, ŻÓŁĆ",
    "cafe\u0301 is spelled with a mark of its own",
    "straße, œuvre, æther, ĳs, ﬁne ligatures",
    "今天天气很好。",
    "我们在河边吃了李子，然后回家。",
    "東京タワーは高いです。",
    "한국어 문장도 하나 있습니다.",
    "Привет, как дела?",
    "Καλημέρα κόσμε, τι ώρα είναι;",
    "مرحبا بالعالم",
    "שלום עולם",
    "नमस्ते दुनिया",
    "สวัสดีชาวโลก",
    "I love it 😍😍 but the queue was long 😴",
    "👩\u200d👩\u200d👧 and 🇫🇷 and 👍🏽 are several characters each",
    "😀",
    "def f(x: int) -> int:\n    return x ** 2 if x > 0 else -x",
    "for (int i = 0; i < n; ++i) { sum += a[i] * b[i]; }",
    "SELECT name, COUNT(*) FROM users GROUP BY name HAVING COUNT(*) > 1;",
    '{"model_type": "bert", "hidden_size": 384, "layers": [1, 2, 3]}',
    "<div class='note'><b>bold</b> &amp; quiet</div>",
    "https://example.org/a/b?c=d&e=%20f#g and mail to someone@example.org",
    "tabs\tand\nnew lines\r\nand   many    spaces",
    "zero\u200bwidth, non\u00a0breaking, soft\u00adhyphen",
    "[CLS] [SEP] [MASK] [PAD] [UNK] as a person may type them",
    "##ing is no word",
    "x" * 300,
    "ab " * 60,
    "!?" * 80,
    LONG,
    LONG * 4,
    LONG * 20,
]


@pytest.fixture(scope="module")
def found():
    return load_pretrained(NAME)


@pytest.fixture(scope="module")
def theirs():
    from transformers import BertModel

    return BertModel.from_pretrained(find_model(NAME)).eval()


def states_of_transformers(theirs, ids):
    """Seven arrays (B, T, D): after the embedding's norm, and after each block."""
    import torch

    mask = torch.tensor((ids != 0).astype(np.int64))
    with torch.no_grad():
        states = theirs(torch.tensor(ids), mask, output_hidden_states=True).hidden_states
    return [state.numpy() for state in states]


@pytest.mark.oracle
def test_what_the_folder_says(found):
    model = found.model
    assert (model.vocab_size, model.width, model.layers, model.heads) == (30522, 384, 6, 12)
    assert (model.context, model.activation, model.norm_eps) == (512, "exact_gelu", 1e-12)
    assert (found.pooling, found.longest) == ("mean", 256)
    assert found.unused == ("embeddings.position_ids", "pooler.dense.bias", "pooler.dense.weight")
    assert sum(value.size for value in found.params.values()) == 22_565_376


@pytest.mark.oracle
@pytest.mark.parametrize(("texts", "longest"), [
    (range(44), 128), (range(44, 49), 512), ([49, 0, 31], 512), ([49, 4], 130), ([0], 512),
])  # fmt: skip
def test_hidden_states_equal_those_of_transformers(found, theirs, texts, longest):
    """Of every layer, at real tokens; short texts beside long ones, and each batch padded."""
    ids = padded_ids(found.tokenizer, [SENTENCES[i] for i in texts], longest)
    states = found.model.forward(found.params, ids)[1]["hidden_states"]
    expected = states_of_transformers(theirs, ids.astype(np.int64))
    assert len(states) == len(expected) == 7
    is_token = ids != 0
    differences = [
        float(np.abs(ours - those)[is_token].max())
        for ours, those in zip(states, expected, strict=True)
    ]
    print(f"{ids.shape}: largest differences by layer", *(f"{d:.1e}" for d in differences))
    assert max(differences) < 5e-5


@pytest.mark.oracle
def test_the_sentences_are_of_all_kinds(found):
    lengths = [len(found.tokenizer.encode(text)) for text in SENTENCES]
    assert len(SENTENCES) == 50
    assert lengths[0] == 0 and max(lengths) > 510 and sum(n > 128 for n in lengths) >= 3
