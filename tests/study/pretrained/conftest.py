"""A small random encoder, and sentences of a few words with topics."""

import numpy as np
import pytest

from minilm.models import TransformerEncoder
from minilm.pretrained.load import Pretrained
from minilm.study.pretrained import Bench, Sentence, halves
from minilm.text import WordPieceTokenizer

SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
TOPICS = {
    "sea": ["ship", "wave", "mast", "sail", "tide", "reef"],
    "town": ["street", "house", "tower", "market", "bus", "square"],
    "wood": ["tree", "moss", "fox", "owl", "fern", "path"],
}
WORDS = ("the", "a", "by", *(word for own in TOPICS.values() for word in own))


@pytest.fixture(scope="session")
def sentences():
    """Eight of each topic, of three to eight words, no two alike."""
    rng = np.random.default_rng(0)
    found = {}
    while len(found) < 24:
        topic = list(TOPICS)[len(found) % 3]
        words = rng.choice(["the", "a", "by", *TOPICS[topic]], rng.integers(3, 9))
        found.setdefault(" ".join(words), topic)
    return [Sentence(topic, text) for text, topic in found.items()]


@pytest.fixture(scope="session")
def pretrained():
    tokenizer = WordPieceTokenizer((*SPECIALS, *WORDS), specials=SPECIALS)
    model = TransformerEncoder(tokenizer.vocab_size, width=64, layers=2, heads=2, context=16,
                               feed_forward=128)  # fmt: skip
    rng = np.random.default_rng(1)
    params = {name: w + 0.3 * rng.standard_normal(w.shape, np.float32)
              for name, w in model.init(0).items()}  # fmt: skip
    return Pretrained(model, params, tokenizer, "mean", 16)


@pytest.fixture(scope="session")
def bench(pretrained, sentences):
    return Bench(pretrained, *halves(sentences))
