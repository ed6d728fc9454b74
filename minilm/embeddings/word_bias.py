"""A bias for every word, and why the sign before it must change with the dot product's.

With a bias b_w of the centre word, skip-gram with negative sampling lowers

    L = −log σ(v_w·u_c + b_w) − Σ_n log σ(−v_w·u_n − b_w)

Each term asks the same question, "does this word stand near w?", of one score s = v·u + b, and
σ(−s) = 1 − σ(s) is the answer "no": so −s has the bias in it, with the dot product's own sign. b_w
then learns what is common to all of w's scores: with vectors of zeros it comes to σ(b) = 1/(1 + K),
the share of true pairs among those that w is shown.

An article prints + b_w in the second term as well:

    L' = −log σ(v_w·u_c + b_w) − Σ_n log σ(−v_w·u_n + b_w)            (wrong)

There the two terms ask for different scores, and dL'/db = −σ(−v·u_c − b) − Σ_n σ(v·u_n − b) is
negative everywhere: L' falls for ever as b grows, to 0, for any vectors whatever. What is lowest
when nothing has been learned teaches nothing.

In products a bias costs no line of its own: it is one more number of v against a 1 in u,

    v·u + b = [v, b]·[u, 1]
"""

import numpy as np

from minilm.embeddings.negative_sampling import skip_gram_gradients, skip_gram_loss
from minilm.types import Array


def biased_skip_gram_loss(
    v: Array, bias: Array, context: Array, noise: Array, pair_weights: Array, negative: int
) -> float:
    """skip_gram_loss with v_i·u + b_i for every score.    bias: (M,); the rest as there"""
    v, context, noise = with_bias(v, bias), with_one(context), with_one(noise)
    return skip_gram_loss(v, context, noise, pair_weights, negative)


def biased_skip_gram_gradients(
    v: Array, bias: Array, context: Array, noise: Array, pair_weights: Array, negative: int
) -> tuple[Array, Array, Array, Array]:
    """The gradients of biased_skip_gram_loss: dv, dbias, dcontext, dnoise."""
    v, context, noise = with_bias(v, bias), with_one(context), with_one(noise)
    dv, dcontext, dnoise = skip_gram_gradients(v, context, noise, pair_weights, negative)
    return dv[:, :-1], dv[:, -1], dcontext[:, :-1], dnoise[:, :-1]


def with_bias(v: Array, bias: Array) -> Array:
    """[v, b]: (M, D), (M,) -> (M, D + 1)"""
    return np.column_stack((v, bias))


def with_one(u: Array) -> Array:
    """[u, 1]: (M, D) -> (M, D + 1)"""
    return np.column_stack((u, np.ones(len(u), u.dtype)))
