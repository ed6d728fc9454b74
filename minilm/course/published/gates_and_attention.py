"""Gates, attention and heads, as printed and right.

    i, f, o = σ(…),   g = tanh(…),   c' = f⊙c + i⊙g,   h' = o⊙tanh(c')
    y = softmax(q kᵀ / √d) v,   a head works on d of the features of every token
"""

import numpy as np

from minilm.course.published.entry import Printed, Value
from minilm.course.published.yardsticks import Rule, raised
from minilm.nn import attention, attention_weights, lstm_step, multi_head_attention, sigmoid, tanh
from minilm.types import Array


def printed_step(
    x: Array, h: Array, c: Array, w_x: Array, w_h: Array, b: Array
) -> tuple[Array, Array]:
    """i = σ(W_ii x + W_hi h + b_i),  f = σ(…),  g = tanh(…),  o = σ(…),  c = f⊙c + i⊙g, …"""
    W_ii, W_ff, W_gg, W_oo = np.split(w_x.T, 4)
    W_hi, W_hf, W_hg, W_ho = np.split(w_h.T, 4)
    b_i, b_f, b_g, b_o = np.split(b, 4)
    x, h, c = x[0], h[0], c[0]                       # the article's vectors are columns
    i = 1 / (1 + np.exp(-(W_ii @ x + W_hi @ h + b_i)))
    f = 1 / (1 + np.exp(-(W_ff @ x + W_hf @ h + b_f)))
    g = np.tanh(W_gg @ x + W_hg @ h + b_g)
    o = 1 / (1 + np.exp(-(W_oo @ x + W_ho @ h + b_o)))
    c = f * c + i * g
    return o * np.tanh(c), c


def fused_step(
    x: Array, h: Array, c: Array, w_x: Array, w_h: Array, b: Array
) -> tuple[Array, Array]:
    """a = x w_x + h w_h + b,  i, f, o = σ(a_i, a_f, a_o),  g = tanh(a_g): minilm.nn.lstm_step"""
    (h, c), _ = lstm_step(x, h, c, w_x, w_h, b)
    return h[0], c[0]


def state_after_a_step(step: Rule) -> Value:
    """The first number of h' and of c' from fixed random weights, to six digits."""
    rng = np.random.default_rng(0)
    shapes = ((1, 3), (1, 4), (1, 4), (3, 16), (4, 16), (16,))
    h, c = step(*(rng.standard_normal(shape) for shape in shapes))
    return round(float(h[0]), 6), round(float(c[0]), 6)


GATES = Printed(
    article="A",
    name="the gates of an LSTM",
    formula="i = σ(W_ii x + W_hi h + b_i), f = σ(W_ff x + …), g = tanh(…), o = σ(…), "
    "c = f⊙c + i⊙g, h = o⊙tanh c",
    verdict="right",
    why="It is the LSTM. minilm lays the four maps side by side in one matrix, in this order, "
    "because one large product is faster than four small ones.",
    as_printed=printed_step,
    right=fused_step,
    what="h and c after one step",
    measure=state_after_a_step,
)


def g_as_a_gate(a: Array) -> Array:
    """the "input gate" g:   σ(a), as a gate is"""
    return sigmoid(a)[0]


def g_as_a_candidate(a: Array) -> Array:
    """g = tanh(a): the candidate, what is written where the input gate i is open"""
    return tanh(a)[0]


def least_and_most(rule: Rule) -> Value:
    """Least and largest value over −5 … 5."""
    y = rule(np.linspace(-5, 5, 101))
    return round(float(y.min()), 2), round(float(y.max()), 2)


G_IS_NO_GATE = Printed(
    article="A",
    name="g called a gate",
    formula="input gate: i = σ(…);  input gate: g = tanh(…)",
    verdict="wrong",
    why="A gate is a share between 0 and 1. g has a sign: it is what is written. If it were a gate "
    "as well, nothing could ever be subtracted from the cell.",
    as_printed=g_as_a_gate,
    right=g_as_a_candidate,
    what="least and largest g",
    measure=least_and_most,
)


def values_transposed(q: Array, k: Array, v: Array) -> Array:
    """Softmax(QKᵀ / √d_k) Vᵀ"""
    return attention_weights(q, k) @ v.T


def values_as_rows(q: Array, k: Array, v: Array) -> Array:
    """softmax(q kᵀ / √d) v"""
    return attention(q, k, v)[0]


def shape_and_mean(attend: Rule) -> Value:
    """What five tokens of width 3 give; how far equal keys are from giving the mean of v."""
    rng = np.random.default_rng(0)
    five = [rng.standard_normal((5, 3)) for _ in range(3)]
    wrong = raised(lambda: attend(*five))
    v = rng.standard_normal((4, 4))                              # as many tokens as features
    y = attend(v, np.zeros((4, 4)), v)
    distance = float(np.abs(y - v.mean(axis=0)).max())
    return (wrong if wrong != "nothing" else str(attend(*five).shape), round(distance, 6))


VALUES_TRANSPOSED = Printed(
    article="A",
    name="attention with Vᵀ",
    formula="Attention(Q, K, V) = Softmax(QKᵀ / √d_k) Vᵀ",
    verdict="wrong",
    why="The weights say how much of each token to take, so they multiply the rows of V. With Vᵀ "
    "the shapes meet only if there are as many tokens as features, and then features are mixed "
    "and tokens are not.",
    as_printed=values_transposed,
    right=values_as_rows,
    what="result for 5 tokens of width 3; distance from the mean where all keys are equal",
    measure=shape_and_mean,
)


def heads_of_the_sequence(x: Array, heads: int) -> Array:
    """x cut into sub-sequences, one a head, each attending to itself"""
    pieces = np.split(x, heads, axis=1)
    return np.concatenate([attention(part, part, part)[0] for part in pieces], axis=1)


def heads_of_the_features(x: Array, heads: int) -> Array:
    """head_h = attention(q_h, k_h, v_h), D/H features each; here w_q = w_k = w_v = w_out = 1"""
    D = x.shape[-1]
    one = np.eye(D)
    w_qkv = np.concatenate([one, one, one], axis=1)
    return multi_head_attention(x, w_qkv, None, one, None, head_dim=D // heads)[0]


def positions_seen(attend: Rule) -> Value:
    """On how many of 8 positions the first result depends, with 4 heads."""
    x = np.random.default_rng(0).standard_normal((1, 8, 8))
    y = attend(x, 4)[0, 0]
    seen = 0
    for t in range(8):
        moved = x.copy()
        moved[0, t] += 1
        seen += not np.allclose(attend(moved, 4)[0, 0], y, atol=1e-12)
    return seen


HEADS_OF_THE_SEQUENCE = Printed(
    article="A",
    name="heads cut the sequence",
    formula="multi-head attention divides the input into sub-sequences, one for each head",
    verdict="wrong",
    why="It is the features that are shared out: each head projects every token to D/H numbers of "
    "its own and looks at all tokens. Cut along time, no token sees beyond its own piece.",
    as_printed=heads_of_the_sequence,
    right=heads_of_the_features,
    what="positions that the first result depends on, of 8, with 4 heads",
    measure=positions_seen,
)


def softmax_of_one(logits: Array) -> Array:
    """Dense(1, activation="softmax"):   e^a / e^a"""
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def sigmoid_of_one(logits: Array) -> Array:
    """σ(a) for a yes or no; for a number to predict, a itself"""
    return sigmoid(logits)[0]


def least_and_most_of_one(rule: Rule) -> Value:
    """Least and largest output for 101 logits (101, 1) from −5 to 5."""
    y = rule(np.linspace(-5, 5, 101)[:, None])
    return round(float(y.min()), 4), round(float(y.max()), 4)


SOFTMAX_OF_ONE = Printed(
    article="A",
    name="softmax over one unit",
    formula="Dense(1, activation=\"softmax\")",
    verdict="wrong",
    why="Shares of one thing: always 1. The output does not depend on the network, so no gradient "
    "reaches it either.",
    as_printed=softmax_of_one,
    right=sigmoid_of_one,
    what="least and largest output for logits from −5 to 5",
    measure=least_and_most_of_one,
)

ENTRIES = (
    GATES,
    G_IS_NO_GATE,
    VALUES_TRANSPOSED,
    HEADS_OF_THE_SEQUENCE,
    SOFTMAX_OF_ONE,
)
