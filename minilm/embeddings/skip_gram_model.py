"""Skip-gram as a model that `fit` can train, so that every view and every teacher works on it too.

`Word2Vec` trains fast from nothing. What compression adds to training (rounded weights in sight, a
larger model as teacher) goes through `fit`, and for `fit` skip-gram is one loss over two tables:

    scores = v_centre · [u_context, u_n1 … u_nK]      labels = [1, 0 … 0]      L = Σ_k BCE

    params, history = fit(
        SkipGram(V, D), params, pair_batches(vocabulary, ids, sentence_of), steps=1000,
        loss=negative_sampling_loss,                 # or distilled_negative_sampling_loss(teacher)
        view=straight_through(bits=2),
        evaluate=lambda seen: validation_loss(seen, held_out),
    )
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from minilm.embeddings.vocabulary import Vocabulary, draw_noise
from minilm.models.language_model import check_positive
from minilm.nn import (
    binary_logistic_loss,
    binary_logistic_loss_backward,
    embedding,
    embedding_backward,
    sigmoid,
)
from minilm.types import Array, Cache, Params

STREAM = 0x706169  # a stream of its own: views and dropout draw from [seed, step, …] too


@dataclass(frozen=True)
class SkipGram:
    """Two tables of vocab_size rows of `width` numbers.

    Parameters: input_embedding (V, D), the word vectors; output_embedding (V, D).
    """

    vocab_size: int
    width: int = 100

    def __post_init__(self) -> None:
        check_positive(vocab_size=self.vocab_size, width=self.width)

    def init(self, seed: int) -> Params:
        """Input rows uniform in ±1/D, output rows 0, as in gensim; float32.

        (The published program has ±1/(2D). After few epochs such vectors solve fewer analogies.)
        """
        rng = np.random.default_rng(seed)
        rows = rng.random((self.vocab_size, self.width), dtype=np.float32)
        return {
            "input_embedding": (2 * rows - 1) / self.width,
            "output_embedding": np.zeros_like(rows),
        }

    def forward(self, params: Params, centres: Array, outputs: Array) -> tuple[Array, Cache]:
        """scores_bk = v_b · u_bk.    centres: (B,), outputs: (B, K) ids  ->  (B, K), cache"""
        v, v_cache = embedding(centres, params["input_embedding"])
        u, u_cache = embedding(outputs, params["output_embedding"])
        return (u @ v[:, :, None])[:, :, 0], (v, u, v_cache, u_cache)

    def backward(self, dscores: Array, cache: Cache) -> Params:
        """Gradients of both tables, dense.    dscores: (B, K)"""
        v, u, v_cache, u_cache = cache
        dv = (dscores[:, None, :] @ u)[:, 0]
        du = dscores[:, :, None] * v[:, None, :]
        return {
            "input_embedding": embedding_backward(dv, v_cache),
            "output_embedding": embedding_backward(du, u_cache),
        }


class Pairs(NamedTuple):
    """B groups of one pair and its negatives: centres (B,), outputs (B, 1 + K), the context first.

    All are word ids.
    """

    centres: Array
    outputs: Array


def negative_sampling_loss(
    model: SkipGram, seen: Params, batch: Pairs, rng: np.random.Generator | None = None
) -> tuple[float, Params, int]:
    """Σ over groups of −log σ(v·u_o) − Σ_n log σ(−v·u_n), its gradients, the number of groups."""
    return logistic_group_loss(model, seen, batch, hard_labels(batch))


def distilled_negative_sampling_loss(
    teacher_params: Params, *, alpha: float = 1.0
) -> Callable[..., tuple[float, Params, int]]:
    """A loss whose labels are the teacher's: α σ(v·u of the teacher) + (1 − α) [1, 0 … 0].

    teacher_params: tables over the same words, of any width, packed or not; alpha: in [0, 1].
    A student that equals the teacher still has the entropy of the soft labels as its loss.
    """
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha must be in [0, 1], got {alpha!r}")
    teacher = SkipGram(*teacher_params["input_embedding"].shape)

    def loss(
        model: SkipGram, seen: Params, batch: Pairs, rng: np.random.Generator | None = None
    ) -> tuple[float, Params, int]:
        soft, _ = sigmoid(teacher.forward(teacher_params, *batch)[0])
        labels = alpha * soft + (1 - alpha) * hard_labels(batch)
        return logistic_group_loss(model, seen, batch, labels)

    return loss


def logistic_group_loss(
    model: SkipGram, seen: Params, batch: Pairs, labels: Array
) -> tuple[float, Params, int]:
    """Σ over a batch of the logistic losses of its scores: total, gradients, number of groups."""
    scores, cache = model.forward(seen, *batch)
    mean, loss_cache = binary_logistic_loss(scores, labels)
    dscores = binary_logistic_loss_backward(scores.size, loss_cache)  # total = mean · size
    return mean * scores.size, model.backward(dscores, cache), len(scores)


def hard_labels(batch: Pairs) -> Array:
    """1 for the word that stood there, 0 for the drawn ones: (B, 1 + K) float32."""
    labels = np.zeros(batch.outputs.shape, np.float32)
    labels[:, 0] = 1
    return labels


def validation_loss(params: Params, pairs: Pairs, batch_size: int = 4096) -> float:
    """Nats per group (a pair and its K negatives), the mean over `pairs`.

    For any tables that answer `E[ids]`. Draw the pairs once from held-out text,
    `pair_batches(vocabulary, *vocabulary.encode(held_out), batch_size=20_000, seed=0)(0)`, and
    every model is asked the same. Tables of zeros have (1 + K) log 2.
    """
    model, total = SkipGram(*params["input_embedding"].shape), 0.0
    for start in range(0, len(pairs.centres), batch_size):
        batch = Pairs(*(ids[start : start + batch_size] for ids in pairs))
        scores, _ = model.forward(params, *batch)
        total += binary_logistic_loss(scores, hard_labels(batch))[0] * scores.size
    return total / len(pairs.centres)


def pair_batches(
    vocabulary: Vocabulary,
    ids: Array,
    sentence_of: Array,
    *,
    batch_size: int = 1024,
    window: int = 5,
    negative: int = 5,
    sample: float = 1e-3,
    ns_exponent: float = 0.75,
    seed: int = 0,
) -> Callable[[int], Pairs]:
    """step -> Pairs, drawn afresh at each step from the text ids, sentence_of: (N,) each.

    A pair at distance d is drawn in proportion to (w − d + 1) · keep(centre) · keep(context): the
    dynamic window and the subsampling of frequent words, as chances. The same step always has the
    same pairs. Raises ValueError for a text in which no two words stand in one sentence.
    """
    check_positive(batch_size=batch_size, window=window, negative=negative)
    keep = vocabulary.keep_probability(sample)[ids]
    left, right, chance = [], [], []
    for distance in range(1, window + 1):
        first = np.flatnonzero(sentence_of[distance:] == sentence_of[:-distance])
        left.append(first)
        right.append(first + distance)
        chance.append((window - distance + 1) * keep[first] * keep[first + distance])
    pairs = np.stack((np.concatenate(left), np.concatenate(right)))
    if not pairs.size:
        raise ValueError(f"ids must hold two known words of one sentence, got {len(ids)} words")
    cdf = np.cumsum(np.concatenate(chance))
    noise = vocabulary.noise_cdf(ns_exponent)

    def batch(step: int) -> Pairs:
        rng = np.random.default_rng([seed, step, STREAM])
        drawn = np.searchsorted(cdf, rng.random(batch_size) * cdf[-1], side="right")
        turn = rng.integers(2, size=batch_size)  # either of the two may be the centre
        centres, contexts = ids[pairs[turn, drawn]], ids[pairs[1 - turn, drawn]]
        negatives = draw_noise(noise, (batch_size, negative), rng)
        return Pairs(centres, np.concatenate((contexts[:, None], negatives), axis=1))

    return batch
