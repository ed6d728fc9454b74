"""Skip-gram and CBOW with negative sampling, a run of text at a time, as matrix products.

Word2vec gives every word two vectors: v, a row of the input table, and u, of the output table. For
a centre word, the word o beside it, and K words n drawn from noise, skip-gram lowers

    L = −log σ(v·u_o) − Σ_n log σ(−v·u_n)                      Mikolov et al. 2013b, eq. 4

and CBOW the same, with the mean vector of the window's words for v and the centre's u for u_o.
One pair's gradients are three lines, `pair_gradients`. The rest of this page is those three lines
for M centres in a row at once, in a few large products instead of many small ones:

- Windows of neighbouring centres overlap. A block of b centres has b + 2w tokens in sight (w: the
  window), so all its scores are one product (b, D) @ (D, b + 2w), of which a band counts: see
  `windows`.
- The centres of a run share N drawn negatives: one product (M, D) @ (D, N). A centre whose pairs
  weigh p together is owed K·p negatives, so each of the N counts K·p/N times.

One gradient comes back for each row that was read, duplicates and all; `descend` adds them up.
"""

import numpy as np

from minilm.embeddings.windows import sum_of_windows, windows_of
from minilm.nn.activations import sigmoid_in_place
from minilm.types import Array

LIMIT = 4  # learning rate × pairs that one row takes in a step; at 5 a run with alpha=0.1 diverged
LONG = 8  # mean |x|² of the vectors multiplied with, above which it takes fewer


def pair_gradients(v: Array, u: Array, noise: Array) -> tuple[Array, Array, Array]:
    """The naive form: one pair's gradients, by dL/dscore = σ(score) − label.

    v, u: (D,), noise: (K, D)  ->  dv (D,), du (D,), dnoise (K, D)
    """
    error = 1 / (1 + np.exp(-(v @ u))) - 1
    noise_error = 1 / (1 + np.exp(-(noise @ v)))
    return error * u + noise_error @ noise, error * v, noise_error[:, None] * v


def minus_log_sigmoid(x: Array) -> Array:
    """−log σ(x) = log(1 + e^−x), however large x is."""
    return np.logaddexp(0, -x)


def skip_gram_loss(
    v: Array, context: Array, noise: Array, pair_weights: Array, negative: int
) -> float:
    """Σ_ij −pair_weights_ij log σ(v_i·u_j), and the negatives that these pairs owe.

    v: (M, D) input rows of the centres; context: (M + 2w, D) output rows of the tokens in sight;
    noise: (N, D) output rows of the negatives; pair_weights: (M/b, b, b + 2w) weights; negative: K
    """
    blocks, block, sight = pair_weights.shape
    u_blocks = windows_of(context, block, sight)
    scores = v.reshape(blocks, block, -1) @ u_blocks.transpose(0, 2, 1)
    owed = pair_weights.sum(axis=-1).reshape(-1, 1) * (negative / len(noise))      # (M, 1)
    pairs = pair_weights * minus_log_sigmoid(scores)
    return float(pairs.sum() + (owed * minus_log_sigmoid(-v @ noise.T)).sum())


def skip_gram_gradients(
    v: Array, context: Array, noise: Array, pair_weights: Array, negative: int
) -> tuple[Array, Array, Array]:
    """The gradients of skip_gram_loss: dv, dcontext, dnoise, in the shapes of v, context, noise."""
    blocks, block, sight = pair_weights.shape
    v_blocks = v.reshape(blocks, block, -1)
    u_blocks = windows_of(context, block, sight)
    error = pair_weights * (sigmoid_in_place(v_blocks @ u_blocks.transpose(0, 2, 1)) - 1)
    owed = pair_weights.sum(axis=-1).reshape(-1, 1) * (negative / len(noise))      # (M, 1)
    noise_error = owed * sigmoid_in_place(v @ noise.T)                      # (M, N)

    dv = (error @ u_blocks).reshape(v.shape) + noise_error @ noise
    dcontext = sum_of_windows(error.transpose(0, 2, 1) @ v_blocks, block)
    return dv, dcontext, noise_error.T @ v


def cbow_loss(h: Array, u: Array, noise: Array, paired: Array, negative: int) -> float:
    """Σ_i −log σ(h_i·u_i), and K negatives each.

    h: (M, D) means of the centres' windows (`window_means`); u: (M, D) output rows of the centres;
    noise: (N, D) output rows of the negatives; paired: (M, 1), 0 for a centre with an empty window,
    which has no part in the loss, else 1; negative: K
    """
    noise_loss = (negative / len(noise)) * minus_log_sigmoid(-h @ noise.T)
    pairs = minus_log_sigmoid((h * u).sum(axis=-1, keepdims=True))
    return float((paired * pairs).sum() + (paired * noise_loss).sum())


def cbow_gradients(
    h: Array, u: Array, noise: Array, paired: Array, negative: int
) -> tuple[Array, Array, Array]:
    """The gradients of cbow_loss: dh, du, dnoise, in the shapes of h, u, noise."""
    error = paired * (sigmoid_in_place((h * u).sum(axis=-1, keepdims=True)) - 1)    # (M, 1)
    owed = paired * (negative / len(noise))                                 # (M, 1)
    noise_error = owed * sigmoid_in_place(h @ noise.T)                      # (M, N)
    return error * u + noise_error @ noise, error * h, noise_error.T @ h


def row_limit(met: Array) -> float:
    """The learning rate × pairs that one row takes in a step, met: (n, D) being multiplied with."""
    if not len(met):
        return float(LIMIT)
    return LIMIT / max(1.0, float(np.vdot(met, met)) / (len(met) * LONG))


def descend(
    table: Array, ids: Array, gradient: Array, rate: float, terms: float, met: Array | None = None
) -> None:
    """table[ids] −= rate · gradient, in place, all gradients of a row added up.

    (`table[ids] -= …` itself would keep only one of them.) terms: how many pairs, negatives
    included, one of these gradients is the sum of; met: (n, D) the vectors in those pairs' scores.

    Published word2vec updates after every pair, so each pair sees what the last one corrected.
    Here all gradients of a run are taken at the same old vectors, and the sum of very many of them
    overshoots. So the rate is lower for a row on which more than LIMIT / rate pairs come together.
    A pair's loss has the curvature |x|² σ(1 − σ) along a row that meets x: where the vectors met
    are long, fewer pairs are too many. (Without this CBOW diverged on texts of eight words.)
    """
    limit = LIMIT if met is None else row_limit(met)
    row_rate = np.minimum(rate, limit / (terms * np.bincount(ids)[ids]))
    change = gradient * -row_rate.astype(gradient.dtype)[:, None]
    # add.at is quick in one dimension only: hence every number by its place in the flat table
    places = ids.astype(np.intp)[:, None] * table.shape[1] + np.arange(table.shape[1])
    np.add.at(table.reshape(-1), places.reshape(-1), change.reshape(-1))
