"""A training step of an LSTM language model: minilm against `nn.LSTM`.

Both have an embedding, the layers, and a head of its own (untied) with a bias.
"""

from functools import partial

from torch import Tensor, nn

from benchmarks.timing import Comparison, Run
from benchmarks.training import minilm_step, random_batches, torch_step
from minilm import LSTMLanguageModel


class TorchLSTM(nn.Module):
    """The network of `LSTMLanguageModel`."""

    def __init__(self, vocab_size: int, embedding_width: int, width: int, layers: int) -> None:
        super().__init__()
        self.table = nn.Embedding(vocab_size, embedding_width)
        self.lstm = nn.LSTM(embedding_width, width, layers, batch_first=True)
        self.head = nn.Linear(width, vocab_size)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, T) -> (B, T, V)"""
        hidden, _ = self.lstm(self.table(tokens))
        return self.head(hidden)


def make(
    vocab_size: int, embedding_width: int, width: int, layers: int, batch_size: int, length: int
) -> tuple[Run, Run]:
    """A step of each on the same batches."""
    batches = random_batches(vocab_size, batch_size, length)
    ours = LSTMLanguageModel(vocab_size, width, embedding_width, layers, tied=False)
    theirs = TorchLSTM(vocab_size, embedding_width, width, layers)
    return minilm_step(ours, batches), torch_step(theirs, batches)


COMPARISONS = (
    Comparison(
        work="LSTM step, small",
        sizes="width 128 → 256, batch 32, 64 tokens, vocabulary 65",
        peer="torch, nn.LSTM", amount=32 * 64, unit="tokens", at_most=1.0, rounds=41,
        make=partial(make, vocab_size=65, embedding_width=128, width=256, layers=1,
                     batch_size=32, length=64),
    ),
    Comparison(
        work="LSTM step, large",
        sizes="2 layers of width 512, batch 20, 35 tokens, vocabulary 10,000",
        peer="torch, nn.LSTM", amount=20 * 35, unit="tokens", at_most=0.95, rounds=15,
        make=partial(make, vocab_size=10_000, embedding_width=512, width=512, layers=2,
                     batch_size=20, length=35),
    ),
)  # fmt: skip
