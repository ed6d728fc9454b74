"""One step of word2vec: a run of text, the rows that it touches, and how far each is moved.

Each step reads rows, asks for their gradients (`negative_sampling`, `hierarchical_softmax`) and
goes down them in place (`descend`). It returns the run's loss before the step if that is wanted,
which costs the products of the scores a second time; else 0.
"""

from typing import NamedTuple

import numpy as np

from minilm.embeddings.hierarchical_softmax import (
    HuffmanTree,
    cbow_path_gradients,
    cbow_path_loss,
    skip_gram_path_gradients,
    skip_gram_path_loss,
)
from minilm.embeddings.negative_sampling import (
    cbow_gradients,
    cbow_loss,
    descend,
    skip_gram_gradients,
    skip_gram_loss,
)
from minilm.embeddings.windows import window_means, window_means_backward
from minilm.embeddings.word_bias import biased_skip_gram_gradients, biased_skip_gram_loss
from minilm.types import Array, Params


class Run(NamedTuple):
    """M centres in a row. sight: (M + 2w,) ids; pairs: (M/b, b, b + 2w) weights (see `windows`);
    mean_size: the pairs of one centre on average; mean: whether CBOW divides by a window's size.
    """

    sight: Array
    pairs: Array
    mean_size: float
    mean: bool = True

    @property
    def centres(self) -> Array:
        window = (self.pairs.shape[2] - self.pairs.shape[1]) // 2
        return self.sight[window:-window]

    @property
    def paired(self) -> Array:
        """Which centres have a word in their window: (M, 1), 1 or 0."""
        return self.pairs.max(axis=-1).reshape(-1, 1)


def skip_gram_step(
    params: Params, run: Run, negatives: Array, negative: int, rate: float, want_loss: bool = False
) -> float:
    """v of the centres, u of the tokens in sight and of the negatives (N,)."""
    v_table, u_table, centres = params["input_embedding"], params["output_embedding"], run.centres
    read = v_table[centres], u_table[run.sight], u_table[negatives], run.pairs, negative
    dv, dcontext, dnoise = skip_gram_gradients(*read)
    v, context = read[:2]
    descend(v_table, centres, dv, rate, run.mean_size * (1 + negative), context)
    descend(u_table, run.sight, dcontext, rate, run.mean_size, v)
    owed = len(centres) * run.mean_size * negative
    descend(u_table, negatives, dnoise, rate, owed / len(negatives), v)
    return skip_gram_loss(*read) if want_loss else 0.0


def biased_skip_gram_step(
    params: Params, run: Run, negatives: Array, negative: int, rate: float, want_loss: bool = False
) -> float:
    """The same, and the bias of the centres."""
    v_table, u_table, centres = params["input_embedding"], params["output_embedding"], run.centres
    b = params["input_bias"]
    read = v_table[centres], b[centres], u_table[run.sight], u_table[negatives], run.pairs, negative
    dv, db, dcontext, dnoise = biased_skip_gram_gradients(*read)
    v, _, context = read[:3]
    descend(v_table, centres, dv, rate, run.mean_size * (1 + negative), context)
    descend(b[:, None], centres, db[:, None], rate, run.mean_size * (1 + negative))
    descend(u_table, run.sight, dcontext, rate, run.mean_size, v)
    owed = len(centres) * run.mean_size * negative
    descend(u_table, negatives, dnoise, rate, owed / len(negatives), v)
    return biased_skip_gram_loss(*read) if want_loss else 0.0


def cbow_step(
    params: Params, run: Run, negatives: Array, negative: int, rate: float, want_loss: bool = False
) -> float:
    """v of the tokens in sight, u of the centres and of the negatives (N,)."""
    v_table, u_table, centres = params["input_embedding"], params["output_embedding"], run.centres
    context = v_table[run.sight]
    h = window_means(context, run.pairs, run.mean)
    read = h, u_table[centres], u_table[negatives], run.paired, negative
    dh, du, dnoise = cbow_gradients(*read)
    descend_context(v_table, run, dh, rate, 1 + negative, read[1])
    descend(u_table, centres, du, rate, 1, context)
    owed = len(centres) * negative
    descend(u_table, negatives, dnoise, rate, owed / len(negatives), context)
    return cbow_loss(*read) if want_loss else 0.0


def skip_gram_path_step(
    params: Params, run: Run, tree: HuffmanTree, rate: float, want_loss: bool = False
) -> float:
    """v of the tokens in sight, u of the nodes on the centres' paths. pairs: (M, 1, 2w + 1)"""
    v_table, node_table = params["input_embedding"], params["node_embedding"]
    points, signs = tree.paths(run.centres)
    read = v_table[run.sight], node_table[points], signs, run.pairs
    dcontext, dnodes = skip_gram_path_gradients(*read)
    questions = float(np.count_nonzero(signs)) / len(points)  # of one path, on average
    context, nodes = read[0], read[1][signs != 0]
    descend(v_table, run.sight, dcontext, rate, run.mean_size * questions, nodes)
    descend_nodes(node_table, points, signs, dnodes, rate, run.mean_size, context)
    return skip_gram_path_loss(*read) if want_loss else 0.0


def cbow_path_step(
    params: Params, run: Run, tree: HuffmanTree, rate: float, want_loss: bool = False
) -> float:
    """v of the tokens in sight, u of the nodes on the centres' paths."""
    v_table, node_table = params["input_embedding"], params["node_embedding"]
    points, signs = tree.paths(run.centres)
    questions = float(np.count_nonzero(signs)) / len(points)
    context = v_table[run.sight]
    h = window_means(context, run.pairs, run.mean)
    read = h, node_table[points], signs * run.paired
    dh, dnodes = cbow_path_gradients(*read)
    descend_context(v_table, run, dh, rate, questions, read[1][signs != 0])
    descend_nodes(node_table, points, signs, dnodes, rate, 1, context)
    return cbow_path_loss(*read) if want_loss else 0.0


def descend_context(
    table: Array, run: Run, dh: Array, rate: float, terms: float, met: Array
) -> None:
    """CBOW's step of the words in sight; dh: (M, D); terms: what each centre's dh is the sum of.

    A word's share in a mean of n is 1/n, and so is its gradient. The published program leaves this
    1/n out: each of the n words takes the whole of dh. Its customary alpha counts on that, and so
    do texts whose sentences are of different lengths: with true gradients, made longer by the mean
    n, the words of short windows move too far and those of long ones too little. For sums, where
    no 1/n belongs, gensim puts one in. So the shares are those of the other form: `not run.mean`.
    """
    moves = window_means_backward(dh, run.pairs, not run.mean)
    descend(table, run.sight, moves, rate, terms * (run.mean_size if run.mean else 1), met)


def descend_nodes(
    table: Array, points: Array, signs: Array, gradient: Array, rate: float, terms: float,
    met: Array,
) -> None:  # fmt: skip
    """The step of the nodes on M paths, (M, L, D), without what is beyond a path's end."""
    on_path = signs != 0
    descend(table, points[on_path], gradient[on_path], rate, terms, met)
