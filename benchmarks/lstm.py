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


def minilm_lstm(
    vocab_size: int, embedding_width: int, width: int, layers: int,
    batch_size: int, length: int, workers: int = 1,
) -> Run:  # fmt: skip
    """A step of minilm's."""
    model = LSTMLanguageModel(vocab_size, width, embedding_width, layers, tied=False)
    return minilm_step(model, random_batches(vocab_size, batch_size, length), workers)


def torch_lstm(
    vocab_size: int, embedding_width: int, width: int, layers: int, batch_size: int, length: int
) -> Run:
    """A step of torch's, on the same batches."""
    model = TorchLSTM(vocab_size, embedding_width, width, layers)
    return torch_step(model, random_batches(vocab_size, batch_size, length))


def flops(
    vocab_size: int, embedding_width: int, width: int, layers: int, batch_size: int, length: int
) -> int:
    """Of the matrix products of a step, 2 for each multiply-add.

    For each token 4H (E + H) in the first layer, 8 H² in the others, V H in the head; the backward
    pass has two products for each one of the forward pass. minilm's first layer multiplies the V
    rows of its table instead of all tokens where that is less: it is judged by the same count.
    """
    first, other = 4 * width * (embedding_width + width), 8 * width**2
    forward = first + (layers - 1) * other + vocab_size * width
    return 3 * 2 * forward * batch_size * length


def step(
    work: str, shape: str, rounds: int, threads: int, at_most: float | None, **sizes: int
) -> Comparison:
    """Two steps of some sizes; minilm's second thread is a worker with half of the batch."""
    return Comparison(
        work=work,
        sizes=shape + ", batch {batch_size}, {length} tokens, vocabulary {vocab_size:,}".format(
            **sizes
        ),
        peer="torch, nn.LSTM", amount=sizes["batch_size"] * sizes["length"], unit="tokens",
        threads=threads, at_most=at_most, rounds=rounds, flops=flops(**sizes),
        make=partial(make, threads, **sizes),
    )  # fmt: skip


def make(threads: int, **sizes: int) -> tuple[Run, Run]:
    """A step of each on the same batches."""
    return minilm_lstm(workers=threads, **sizes), torch_lstm(**sizes)


SMALL = {"vocab_size": 65, "embedding_width": 128, "width": 256, "layers": 1,
         "batch_size": 32, "length": 64}  # fmt: skip
LARGE = {"vocab_size": 10_000, "embedding_width": 512, "width": 512, "layers": 2,
         "batch_size": 20, "length": 35}  # fmt: skip
SHAPES = "width 128 → 256", "2 layers of width 512"

COMPARISONS = (
    step("LSTM step, small", SHAPES[0], 101, threads=1, at_most=1.0, **SMALL),
    step("LSTM step, small", SHAPES[0], 101, threads=2, at_most=None, **SMALL),
    step("LSTM step, large", SHAPES[1], 25, threads=1, at_most=0.95, **LARGE),
    step("LSTM step, large", SHAPES[1], 25, threads=2, at_most=None, **LARGE),
)
