# %% [markdown]
# # 05 · The Transformer
#
# An LSTM reads a sentence word by word and carries what it has read in one vector. A Transformer
# lays all the words side by side, and each of them looks at all the others at once. That is one
# idea, *attention*, and a handful of careful details around it. Forget any one of the details, and
# nothing crashes: the model just learns the wrong thing, sometimes with a wonderfully low loss.
#
# ## What you will do
#
# - write attention with three loops, then as two matrix products
# - measure why the scores are divided by $\sqrt{d}$
# - take the mask away, watch a model beat a limit that nobody can beat, and find out how it cheats
# - build one block, then the whole encoder–decoder, in plain NumPy, and get minilm's numbers
# - train it to translate English into Chinese, and look at where its heads look
#
# ## What you will learn
#
# - what queries, keys and values are, and what a head is (and is not)
# - what masks, positions, residual connections and layer norm are for
# - four errors that are printed in articles about the Transformer, and how each one shows
#
# ## What you need
#
# Matrix products and the softmax. [04](04_sequence_to_sequence.ipynb) helps: it has attention
# between two sentences. All cells together run for about a minute on one processor core; with the
# exercises, plan on two hours.

# %%
import math

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Rectangle

from minilm import Seq2SeqTransformer, TransformerLanguageModel, fit
from minilm.course import BLUE, GREEN, GREY, ORANGE, check, saved_rows, say, show, style, table
from minilm.generation import answer
from minilm.inspection import attention_maps
from minilm.metrics import exact_match
from minilm.models.block import block, new_block
from minilm.nn import (
    attention,
    attention_weights,
    causal_mask,
    cross_entropy,
    cross_entropy_backward,
    layer_norm,
    multi_head_attention,
    sinusoidal_positions,
)
from minilm.text import TASKS, PairTokenizer, pair_batches
from minilm.training import AdamW, warmup_cosine

style()

# %% [markdown]
# ## 1. Attention is a soft look-up
#
# A dictionary answers a *query* by comparing it with its *keys*; where one fits, it hands out the
# *value*. Attention does the same, softly: it compares the query with every key, and hands out a
# mean of all values, weighted by how well their keys fit.
#
# Each of $T$ words has three vectors: a query $q_t$ (what I look for), a key $k_s$ (what I can be
# found by) and a value $v_s$ (what I pass on). For the word $t$:
#
# $$\text{score}_{ts} = \frac{q_t \cdot k_s}{\sqrt{d}}, \qquad
#   w_{ts} = \frac{e^{\text{score}_{ts}}}{\sum_j e^{\text{score}_{tj}}}, \qquad
#   y_t = \sum_s w_{ts}\, v_s$$
#
# $d$ is the number of features of a query and of a key. Why the scores are divided by its root is
# the subject of section 2. In loops, just as it is written:

# %%
def softmax(scores):
    """e^score / their sum, over the last axis. The largest is taken off first: none is huge."""
    e = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def attention_in_loops(q, k, v):
    """q, k: (T, d), v: (T, d_v)  ->  y: (T, d_v)"""
    T, d = q.shape
    y = np.zeros_like(v)
    for t in range(T):
        scores = np.zeros(T, q.dtype)
        for s in range(T):
            for i in range(d):
                scores[s] += q[t, i] * k[s, i]
            scores[s] /= math.sqrt(d)
        weights = softmax(scores)
        for s in range(T):
            y[t] += weights[s] * v[s]
    return y


# %% [markdown]
# The inner loops are matrix products. All scores together are $Q K^\top$, a $T \times T$ matrix,
# and all weighted means together are the weights times $V$:
#
# $$Y = \mathrm{softmax}\!\left(\frac{Q K^\top}{\sqrt{d}}\right) V$$
#
# That is equation 1 of the paper that introduced the Transformer (Vaswani et al. 2017). The softmax
# runs along each *row*: a row is one query, and its weights sum to 1.

# %%
def attention_by_hand(q, k, v, mask=None):
    """q: (T, d), k: (S, d), v: (S, d_v), mask: (T, S) or None  ->  y: (T, d_v)"""
    scores = q @ k.T / math.sqrt(q.shape[-1])               # (T, S)
    if mask is not None:                                    # True: may look. See section 3
        scores = np.where(mask, scores, -math.inf)
    return softmax(scores) @ v


# Four words with hand-made features. Keys say what a word is: a person, an action, a thing.
WORDS = ["She", "bought", "red", "umbrellas"]
k = np.array([[2, 0, 0], [0, 2, 0], [0, 0, 0.5], [0, 0, 2]], dtype=np.float32)
# Queries say what a word looks for: "bought" looks for a person and a thing, "red" for a thing.
q = np.array([[0, 2, 0], [2, 0, 2], [0, 0, 3], [0, 2, 0]], dtype=np.float32)
v = np.random.default_rng(0).standard_normal((4, 5)).astype(np.float32)

y = attention_by_hand(q, k, v)
assert np.allclose(y, attention_in_loops(q, k, v), atol=1e-6)
assert np.allclose(y, attention(q, k, v)[0], atol=1e-6)      # minilm.nn.attention
weights = attention_weights(q, k)                            # minilm's softmax(q kᵀ / √d)
assert np.allclose(weights.sum(axis=1), 1)


# %% jupyter={"source_hidden": true} tags=["hide-input"]
def draw_weights(axes, weights, words):
    """A weight in each cell: rows look, columns are looked at; what is exactly 0 stays empty."""
    axes.imshow(weights, vmin=0, vmax=1, cmap="cividis")
    axes.grid(False)
    for (t, s), weight in np.ndenumerate(weights):
        if weight > 0:
            axes.text(s, t, f"{weight:.2f}", ha="center", va="center",
                      color="black" if weight > 0.55 else "white")
    axes.set_xticks(range(len(words)), words)
    axes.set_yticks(range(len(words)), words)
    axes.set_xlabel("key: the word looked at")
    axes.set_ylabel("query: the word that looks")


figure, axes = plt.subplots(figsize=(4.6, 3.6))
draw_weights(axes, weights, WORDS)
axes.set_title("attention weights (a row sums to 1)", fontsize=10)
show(figure)

# %% [markdown]
# "bought" divides its attention between its person and its thing, "red" finds its noun. Nobody
# wrote a rule for that; it follows from which vectors point the same way. In a trained model,
# queries, keys and values come from learned matrices.
#
# ### A misprint: $V$ transposed
#
# One of the articles behind [08](08_published_formulas.ipynb) prints $\mathrm{softmax}(Q K^\top /
# \sqrt{d})\, V^\top$. Most of the time that can't even be computed. The dangerous case is the other
# one:

# %%
def with_v_transposed(q, k, v):
    return softmax(q @ k.T / math.sqrt(q.shape[-1])) @ v.T


try:
    with_v_transposed(q, k, v)                               # weights (4, 4), vᵀ (5, 4)
except ValueError:
    print("4 words, 5 features in v: ValueError, the shapes do not fit")

square = v[:, :4] + np.float32([0, 10, 20, 30])              # 4 words with 4 features: it "works"
right, wrong = attention_by_hand(q, k, square), with_v_transposed(q, k, square)
print("4 words, 4 features in v: no error")
print("  right:   ", right[2].round(1))
print("  misprint:", wrong[2].round(1))

# %% [markdown]
# How can one tell that the second is wrong without knowing the right answer? A weighted mean of the
# words' values lies between the smallest and the largest of them, feature by feature. So whatever
# the weights are, attention can't leave that range:

# %%
low, high = square.min(axis=0) - 1e-4, square.max(axis=0) + 1e-4
assert ((low <= right) & (right <= high)).all()
assert not ((low <= wrong) & (wrong <= high)).all()
print("right stays between the values:   ", bool(((low <= right) & (right <= high)).all()))
print("misprint stays between the values:", bool(((low <= wrong) & (wrong <= high)).all()))

# %% [markdown]
# ## 2. Why $\sqrt{d}$
#
# Suppose the features of queries and keys are independent, with mean 0 and variance 1. A score
# before the division is then a sum of $d$ products, each with mean 0 and variance 1, so
#
# $$\mathrm{Var}(q \cdot k) = d, \qquad \mathrm{Var}\!\left(\frac{q \cdot k}{\sqrt{d}}\right) = 1.$$
#
# Without the division the scores grow with the width of the model, and the softmax, which looks at
# differences of scores, puts all its weight on one key. There its derivative is nearly 0 (a weight
# $w$ changes by $w (1 - w)$ per unit of its score), and the model can't learn to look elsewhere.
# Measured, with three seeds:

# %%
WIDTHS = 2 ** np.arange(11)                                  # d = 1, 2, 4, … 1024
KEYS = 16
variance, largest = {}, {}                                   # (scaled, d) -> one number per seed
for d in WIDTHS:
    for scaled in (False, True):
        variance[scaled, d], largest[scaled, d] = [], []
        for seed in range(3):
            rng = np.random.default_rng([seed, d])
            scores = rng.standard_normal((200, d)) @ rng.standard_normal((KEYS, d)).T
            scores = scores / np.sqrt(d) if scaled else scores
            variance[scaled, d].append(scores.var())
            largest[scaled, d].append(softmax(scores).max(axis=-1).mean())


# %% jupyter={"source_hidden": true} tags=["hide-input"]
def draw_scaling():
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.4))
    left.plot(WIDTHS, WIDTHS, "-", color=GREY)
    left.plot(WIDTHS, np.ones(len(WIDTHS)), "-", color=GREY)
    styles = {False: (ORANGE, "^", "$q \\cdot k$"), True: (BLUE, "o", "$q \\cdot k / \\sqrt{d}$")}
    for scaled, (colour, marker, name) in styles.items():
        for axes, measured in ((left, variance), (right, largest)):
            for seed in range(3):
                heights = [measured[scaled, d][seed] for d in WIDTHS]
                axes.plot(WIDTHS, heights, marker, color=colour, markersize=4)
        right.text(1000, largest[scaled, 1024][0] + (0.06 if scaled else -0.1), name,
                   color=colour, ha="right")
    left.text(60, 200, "$q \\cdot k$;  line: theory, $d$", color=ORANGE, ha="right")
    left.text(1000, 1.8, "$q \\cdot k / \\sqrt{d}$;  line: theory, 1", color=BLUE, ha="right")
    left.set_yscale("log")
    left.set_ylabel("variance of the scores (no unit)")
    for limit, name in ((1, "limit: all on one key"), (1 / KEYS, "limit: all keys alike")):
        right.axhline(limit, color=GREY, linestyle="--")
        right.text(1, limit + 0.02, name, color=GREY)
    right.set_ylim(0, 1.12)
    right.set_ylabel(f"mean of the largest of {KEYS} weights")
    for axes in (left, right):
        axes.set_xscale("log", base=2)
        axes.set_xlabel("features of a query, d")
    return figure


for d in WIDTHS[4:]:
    assert np.allclose(variance[False, d], d, rtol=0.3)
    assert np.allclose(variance[True, d], 1, rtol=0.3)
show(draw_scaling())
say(f"With d = 1024 the largest of {KEYS} weights is {np.mean(largest[False, 1024]):.2f} on "
    f"average without the division, and {np.mean(largest[True, 1024]):.2f} with it, much as for "
    "any other d.")

# %% [markdown]
# ## 3. The mask: who may look at whom
#
# A model that writes must not see what it has not written yet. When it is *trained*, the whole
# target is there at once, and that is the Transformer's great advantage: all $T$ positions are
# predicted in one pass. But then position $t$ has to be kept from looking at $t + 1, t + 2, \dots$
# That is what the *causal mask* does. A score that may not be seen becomes $-\infty$ **before** the
# softmax, so its weight is exactly 0 and the others still sum to 1.

# %%
mask = causal_mask(4)                                        # (4, 4) bool, True: may look
assert np.array_equal(mask, np.arange(4)[:, None] >= np.arange(4))   # query t ≥ key s
assert np.allclose(attention_by_hand(q, k, v, mask), attention(q, k, v, mask)[0], atol=1e-6)

figure, axes = plt.subplots(figsize=(4.6, 3.6))
draw_weights(axes, attention_weights(q, k, mask), WORDS)
axes.set_title("the same words under a causal mask", fontsize=10)
show(figure)

# %% [markdown]
# The first word can only look at itself, so its weight is 1 whatever its query says.
#
# A mask is easily wrong, and a wrong mask raises no error. There is a test that never fails to
# notice: **change the future, and see whether the past changes.**

# %%
def is_causal(attend, q, k, v):
    """Whether the outputs before the last word stay the same when the last word changes."""
    changed_k, changed_v = k.copy(), v.copy()
    changed_k[-1] += 1
    changed_v[-1] -= 1
    return np.allclose(attend(q, k, v)[:-1], attend(q, changed_k, changed_v)[:-1])


assert is_causal(lambda q, k, v: attention(q, k, v, mask)[0], q, k, v)
assert not is_causal(lambda q, k, v: attention(q, k, v)[0], q, k, v)

# %% [markdown]
# ### A misprint: a decoder without a mask
#
# The same article prints the decoder exactly like the encoder. What would that cost? We train two
# tiny Transformers on a text that can't be predicted: **random digits**. Every digit is one of ten,
# with equal probability, whatever came before. So no honest model has a loss below
# $\ln 10 \approx 2.30$ nats per digit (the entropy of the source, see
# [00](00_bits_losses_floors.ipynb)). One of the two has a mask, the other has none.
#
# `attend` is minilm's opening for this: a function that takes the place of `attention`.

# %%
T = 16                                                       # digits in a window


def without_mask(q, k, v, mask=None):
    return attention(q, k, v)                                # the mask that it is given is ignored


def loss_without_mask(model, params, batch, rng):
    """minilm's cross-entropy loss, but with an attention that sees everything."""
    digits, targets = batch
    logits, cache = model.forward(params, digits, attend=without_mask)
    mean, loss_cache = cross_entropy(logits, targets)
    dlogits = cross_entropy_backward(targets.size, loss_cache)
    return float(mean) * targets.size, model.backward(dlogits, cache), targets.size


def random_digits(step, seed=0):
    digits = np.random.default_rng([seed, step]).integers(10, size=(32, T + 1))
    return digits[:, :-1], digits[:, 1:]                     # each target is the digit after


tiny = TransformerLanguageModel(vocab_size=10, width=32, layers=1, heads=2, context=T)
runs = {}                                                    # (name, seed) -> losses, params
for seed in range(3):
    for name, options in (("mask", {}), ("no mask", {"loss": loss_without_mask})):
        params, history = fit(tiny, tiny.init(seed), random_digits, steps=300, seed=seed,
                              schedule=warmup_cosine(1e-2, warmup=30, steps=300), **options)
        runs[name, seed] = [entry["loss"] for entry in history], params

# %% [markdown]
# The cheater has a limit of its own: in a window of $T$ digits, the target of position $t$ stands
# at position $t + 1$, in plain sight, except for the last one, which lies outside. So the best it
# can do is $\tfrac{1}{T} \ln 10$.

# %% jupyter={"source_hidden": true} tags=["hide-input"]
def draw_cheater():
    figure, axes = plt.subplots(figsize=(6.6, 3.4))
    for name, (colour, dash) in {"mask": (BLUE, "-"), "no mask": (ORANGE, "--")}.items():
        for seed in range(3):
            losses = runs[name, seed][0]
            axes.plot(range(1, 301), losses, dash, color=colour, linewidth=1)
    axes.axhline(np.log(10), color=GREY)
    axes.axhline(np.log(10) / T, color=GREY, linestyle=":")
    axes.text(300, np.log(10) - 0.2, "limit of all who do not see the future: ln 10", color=GREY,
              ha="right")
    axes.text(300, np.log(10) / T - 0.21, "limit of who sees 15 of 16 targets: (ln 10) / 16",
              color=GREY, ha="right")
    axes.text(300, np.log(10) + 0.07, "with the causal mask, 3 seeds", color=BLUE, ha="right")
    axes.text(120, 0.55, "without a mask, 3 seeds", color=ORANGE)
    axes.set_ylim(-0.15, 2.75)
    axes.set_xlabel("training step")
    axes.set_ylabel("training loss (nats per digit)")
    return figure


show(draw_cheater(), "05-decoder-without-mask")

# %% [markdown]
# The loss is wonderful, and the model is worthless. When it *writes*, the next digit is not there
# to be copied. We measure that by giving both models fresh digits and only what came before, as in
# writing:

# %%
digits, targets = random_digits(step=0, seed=1000)
rows, writing = [], {}
for name in ("mask", "no mask"):
    trained = [np.mean(runs[name, seed][0][-20:]) for seed in range(3)]
    writing[name] = [float(cross_entropy(tiny.forward(runs[name, seed][1], digits)[0], targets)[0])
                     for seed in range(3)]
    rows.append([f"trained with {'the' if name == 'mask' else 'no'} mask",
                 f"{min(trained):.2f} … {max(trained):.2f}",
                 f"{min(writing[name]):.2f} … {max(writing[name]):.2f}"])
rows.append(["*limit: ln 10*", f"{np.log(10):.2f}", f"{np.log(10):.2f}"])
table(["nats per digit, 3 seeds", "end of training", "when it must write"], rows)
assert min(writing["no mask"]) > np.log(10) + 1 and max(writing["mask"]) < np.log(10) + 0.1
assert max(np.mean(runs["no mask", seed][0][-20:]) for seed in range(3)) < 0.5

# %% [markdown]
# **A loss below the entropy of the source means that the model sees its targets.** Wherever a limit
# is known, draw it: it finds errors that no exception reports.
#
# ## 4. Several heads: subspaces, not pieces of the sentence
#
# One attention makes one set of weights per word. "umbrellas" may want to find its number *and* its
# verb, with different weights. So the model has $H$ *heads*, and every head is an attention of its
# own, on $d = D / H$ features that a learned matrix picks out of the $D$ features of a word:
#
# $$\text{head}_h = \text{attention}(X W^Q_h,\; X W^K_h,\; X W^V_h), \qquad
#   Y = [\text{head}_1 \,|\, \dots \,|\, \text{head}_H]\; W^O$$
#
# $X: (T, D)$ holds a word in each row; each $W_h: (D, d)$ *projects* all words to a smaller space.
# In practice the $W_h$ stand side by side in one $(D, D)$ matrix, and head $h$ owns a few columns
# of the product.

# %%
def heads_by_hand(q, k, v, heads, mask=None):
    """q: (T, D), k, v: (S, D)  ->  (T, D): attention in each block of D / heads columns."""
    d = q.shape[-1] // heads
    outputs = []
    for h in range(heads):
        own = slice(h * d, (h + 1) * d)                      # the columns of this head
        outputs.append(attention_by_hand(q[:, own], k[:, own], v[:, own], mask))
    return np.concatenate(outputs, axis=-1)


rng = np.random.default_rng(0)
T, D, H = 8, 16, 2
x = rng.standard_normal((T, D)).astype(np.float32)
w_q, w_k, w_v, w_o = rng.standard_normal((4, D, D)).astype(np.float32) / np.float32(np.sqrt(D))

by_hand = heads_by_hand(x @ w_q, x @ w_k, x @ w_v, H) @ w_o
w_qkv = np.concatenate([w_q, w_k, w_v], axis=1)              # minilm: one product for all three
by_minilm, _ = multi_head_attention(x[None], w_qkv, None, w_o, None, head_dim=D // H)
assert np.allclose(by_hand, by_minilm[0], atol=1e-5)

# %% [markdown]
# ### A misprint: heads that split the sentence
#
# The article says that multi-head attention "divides the input into sub-sequences". It does not
# divide the words; each head sees *all* of them, in fewer features. The difference is easily made
# visible: change one word, and look at which outputs change.

# %%
def heads_that_split_the_sentence(q, k, v, heads):
    """As printed: each head gets its own piece of the sentence, with all features."""
    pieces = (np.split(a, heads, axis=0) for a in (q, k, v))
    return np.concatenate([attention_by_hand(*piece) for piece in zip(*pieces, strict=True)])


def influence(attend, x):
    """(T, T): how much output t changes when word s is changed."""
    before = attend(x)
    changes = np.zeros((len(x), len(x)))
    for s in range(len(x)):
        other = x.copy()
        other[s] += 1
        changes[:, s] = np.abs(attend(other) - before).max(axis=-1)
    return changes


def as_it_is(x):
    return heads_by_hand(x @ w_q, x @ w_k, x @ w_v, H) @ w_o


def as_printed(x):
    return heads_that_split_the_sentence(x @ w_q, x @ w_k, x @ w_v, H) @ w_o


# %% jupyter={"source_hidden": true} tags=["hide-input"]
def draw_influence(panels):
    """Filled where a change of word s changes output t."""
    figure, all_axes = plt.subplots(1, len(panels), figsize=(6, 6 / len(panels)),
                                    squeeze=False)
    for axes, (title, changes) in zip(all_axes[0], panels.items(), strict=True):
        words = np.arange(1, len(changes) + 1)
        axes.grid(False)
        axes.pcolormesh(words, words, changes > 1e-6, cmap="Blues", vmin=0, vmax=1.4,
                        edgecolors="white", linewidth=2)
        axes.set_xticks(words)
        axes.set_yticks(words)
        axes.invert_yaxis()
        axes.set_aspect("equal")
        axes.set_xlabel("word that is changed")
        axes.set_title(title, fontsize=10)
    all_axes[0][0].set_ylabel("output that changes (blue)")
    return figure


everyone, pieces = influence(as_it_is, x), influence(as_printed, x)
assert (everyone > 1e-6).all()
assert not (pieces[:4, 4:] > 1e-6).any() and not (pieces[4:, :4] > 1e-6).any()
show(draw_influence({"2 heads, 8 features each": everyone, "as printed: 4 words each": pieces}))

# %% [markdown]
# As printed, the first half of the sentence never learns that there is a second.
#
# ## 5. Where a word stands
#
# Attention has no idea of order. Shuffle the words, and the outputs are the same vectors, shuffled:
# to this function "dog bites man" and "man bites dog" are one and the same.

# %%
shuffle = np.random.default_rng(3).permutation(T)
assert np.allclose(as_it_is(x[shuffle]), as_it_is(x)[shuffle], atol=1e-5)

# %% [markdown]
# So each word is told where it stands, by adding a vector that depends on its position $t$ alone
# ($i = 0, 1, \dots$ counts pairs of features):
#
# $$P_{t,\,2i} = \sin\!\left(t / 10000^{2i/D}\right), \qquad
#   P_{t,\,2i+1} = \cos\!\left(t / 10000^{2i/D}\right)$$
#
# Each pair is the hand of a clock. The first turns once in $2\pi \approx 6$ words, the last nearly
# stands still: like seconds, minutes and hours, together they tell one position from every other.
# You will write the function yourself below; here is minilm's.

# %%
positions = sinusoidal_positions(64, 32)                     # 64 positions, 32 features
products = positions @ positions.T                           # how alike two positions are
for shift in (0, 1, 5, 20):                                  # it depends on their distance alone
    assert np.allclose(np.diag(products, shift), products[0, shift], atol=1e-4)


# %% jupyter={"source_hidden": true} tags=["hide-input"]
def draw_positions():
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.6, 3.2), width_ratios=(1.2, 1))
    image = left.imshow(positions.T, cmap="cividis", aspect="auto", vmin=-1, vmax=1)
    left.grid(False)
    left.set_xlabel("position t (words)")
    left.set_ylabel("feature")
    figure.colorbar(image, ax=left, label="$P_t$ (no unit)", ticks=(-1, 0, 1))
    for centre, colour, marker in ((16, BLUE, "o"), (32, ORANGE, "^"), (48, GREEN, "s")):
        distance = np.arange(-15, 16)
        right.plot(distance, products[centre, centre + distance], color=colour, marker=marker,
                   markersize=9 - centre / 8, linewidth=1, label=f"t = {centre}")
    right.axhline(16, color=GREY, linestyle="--")
    right.text(-15, 16.3, "limit: $D/2$, the same position", color=GREY)
    right.set_ylim(None, 18.5)
    right.set_xlabel("distance s − t (words)")
    right.set_ylabel("$P_t \\cdot P_s$ (no unit)")
    right.legend(loc="lower center", bbox_to_anchor=(0.5, 0.0))
    return figure


show(draw_positions())

# %% [markdown]
# On the right three curves lie on each other: how alike two positions are depends only on how far
# apart they are. A head can learn "look three words back" once, and it works everywhere.
#
# ## 6. One block
#
# Attention mixes words. A *feed-forward network* then works on each word by itself: widen from $D$
# to $F$ features, bend, and go back. Two more parts make it possible to stack many of these:
#
# - **Layer norm** takes each word's vector to mean 0 and variance 1 over its features, then
#   stretches and shifts it by learned numbers, gain $g$ and bias $b$:
#   $\;g \odot (x - \text{mean}) / \sqrt{\text{variance} + \epsilon} + b$.
# - A **residual connection** *adds* what a step found to what was there: $x + \text{step}(x)$.
#
# Where does the norm stand? There are two answers:
#
# $$\text{post-norm:}\; x \leftarrow \text{norm}(x + \text{step}(x)) \qquad\qquad
#   \text{pre-norm:}\; x \leftarrow x + \text{step}(\text{norm}(x))$$
#
# Post-norm is the original paper's. Pre-norm leaves a path from the last block down to the first
# that nothing rescales; it is what most models since GPT-2 have, and minilm's default.

# %%
def norm_by_hand(x, gain, bias):
    centred = x - x.mean(axis=-1, keepdims=True)
    return gain * centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5) + bias


def gelu(x):
    """x, bent at 0 like a ReLU, max(0, x), but smoothly: the tanh form."""
    return x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2


def look(x, p, name, heads, mask=None):
    """The attention step of the block `name`: (T, D) -> (T, D)."""
    q, k, v = np.split(x @ p[f"{name}.attention.w_qkv"] + p[f"{name}.attention.b_qkv"], 3, axis=-1)
    return (heads_by_hand(q, k, v, heads, mask) @ p[f"{name}.attention.w_out"]
            + p[f"{name}.attention.b_out"])


def think(x, p, name):
    """The feed-forward step: (T, D) -> (T, F) -> (T, D), each word by itself."""
    up = gelu(x @ p[f"{name}.feed_forward.w_up"] + p[f"{name}.feed_forward.b_up"])
    return up @ p[f"{name}.feed_forward.w_down"] + p[f"{name}.feed_forward.b_down"]


def block_by_hand(x, p, name, heads, norm="pre", mask=None):
    def norm_of(number, x):
        return norm_by_hand(x, p[f"{name}.norm_{number}.gain"], p[f"{name}.norm_{number}.bias"])

    if norm == "pre":
        x = x + look(norm_of(1, x), p, name, heads, mask)
        return x + think(norm_of(2, x), p, name)
    x = norm_of(1, x + look(x, p, name, heads, mask))
    return norm_of(2, x + think(x, p, name))


# %%
params = new_block(np.random.default_rng(1), "block.0", width=D, wide=4 * D, outer=1.0)
for key in params:                                           # fresh biases are 0: make them count
    params[key] = params[key] + np.float32(0.1)
gain, bias = params["block.0.norm_1.gain"], params["block.0.norm_1.bias"]
assert np.allclose(norm_by_hand(x, gain, bias), layer_norm(x, gain, bias)[0], atol=1e-5)
for norm in ("pre", "post"):
    ours = block_by_hand(x, params, "block.0", H, norm, causal_mask(T))
    theirs, _ = block(x[None], params, "block.0", head_dim=D // H, norm=norm,
                      mask=causal_mask(T), attend=attention)
    assert np.allclose(ours, theirs[0], atol=1e-4)
print("one block by hand = minilm's, pre-norm and post-norm")
table(["parameter of a block", "shape", "numbers"],
      [[f"`{key}`", " × ".join(map(str, value.shape)), value.size]
       for key, value in params.items()])

# %% [markdown]
# ### A misprint: side by side instead of one after the other
#
# The article sets "Sublayer = attention ∥ feed-forward", where ∥ means concatenation. But the two
# are *composed*: the feed-forward network reads what attention has found. Side by side, the result
# has twice the width, and can't be added to $x$ any more, let alone enter the next block:

# %%
side_by_side = np.concatenate([look(x, params, "block.0", H), think(x, params, "block.0")], axis=-1)
print("x:", x.shape, "  attention ∥ feed-forward:", side_by_side.shape)
try:
    x + side_by_side
except ValueError:
    print("x + (attention ∥ feed-forward): ValueError, the shapes do not fit")

# %% [markdown]
# ### What residual connections save
#
# Attention is a mean, and a mean of means of means forgets who was who. We send 32 random words
# through 24 fresh blocks and measure how much of the vectors still tells the words apart: the part
# of $x$ that differs from the mean word, $\lVert x - \bar{x} \rVert / \lVert x \rVert$.

# %%
def told_apart(x):
    return float(np.linalg.norm(x - x.mean(axis=0)) / np.linalg.norm(x))


def block_without_residuals(x, p, name, heads):
    x = norm_by_hand(look(x, p, name, heads), 1, 0)
    return norm_by_hand(think(x, p, name), 1, 0)


DEPTH, WIDE = 24, 64
kept = {}                                                    # (kind, seed) -> one number per depth
for seed in range(3):
    rng = np.random.default_rng(seed)
    start = rng.standard_normal((32, WIDE))                  # float64: less is lost to rounding
    blocks = [new_block(rng, "b", WIDE, 4 * WIDE, 1.0) for _ in range(DEPTH)]
    for kind in ("pre-norm", "post-norm", "no residuals"):
        words, kept[kind, seed] = start, [told_apart(start)]
        for p in blocks:
            if kind == "no residuals":
                words = block_without_residuals(words, p, "b", heads=4)
            else:
                words = block_by_hand(words, p, "b", 4, norm=kind.removesuffix("-norm"))
            kept[kind, seed].append(told_apart(words))


# %% jupyter={"source_hidden": true} tags=["hide-input"]
def draw_collapse():
    figure, axes = plt.subplots(figsize=(6.4, 3.3))
    styles = {"pre-norm": (BLUE, "o", -11), "post-norm": (GREEN, "s", -3),
              "no residuals": (ORANGE, "^", 4)}
    for kind, (colour, marker, up) in styles.items():
        for seed in range(3):
            axes.plot(range(DEPTH + 1), kept[kind, seed], color=colour, marker=marker,
                      markersize=4, linewidth=0.8)
        axes.annotate(kind, (DEPTH, kept[kind, 0][-1]), (6, up), textcoords="offset points",
                      color=colour)
    axes.axhline(1, color=GREY, linestyle="--")
    axes.text(0, 4, "limit: nothing in common", color=GREY)
    axes.axhline(np.finfo(float).eps, color=GREY, linestyle=":")
    axes.text(0, 6 * np.finfo(float).eps, "rounding", color=GREY)
    axes.set_yscale("log")
    axes.set_xlim(-0.5, DEPTH + 5.5)
    axes.set_ylim(None, 100)
    axes.set_xticks(range(0, DEPTH + 1, 4))
    axes.set_xlabel("blocks passed (fresh weights, 3 seeds)")
    axes.set_ylabel("share that tells words apart")
    return figure


left = {kind: [kept[kind, seed][-1] for seed in range(3)]
        for kind in ("pre-norm", "post-norm", "no residuals")}
assert max(left["no residuals"]) < 1e-8 < 1e-5 < min(left["post-norm"])
assert max(left["post-norm"]) < 0.1 < min(left["pre-norm"])
gone = max(next(depth for depth, share in enumerate(kept["no residuals", seed]) if share < 1e-12)
           for seed in range(3))
show(draw_collapse())
say(f"After {DEPTH} blocks, pre-norm keeps at least {min(left['pre-norm']):.2f}, post-norm "
    f"{min(left['post-norm']):.4f}. Without residual connections, all words have become one and "
    f"the same vector after {gone} blocks, up to rounding, and nothing can be learned from it.")

# %% [markdown]
# ## 7. Encoder and decoder
#
# To translate, two stacks work together. The **encoder** reads the source; its words all see each
# other. What comes out, one vector per word, is called the *memory*. The **decoder** writes the
# target, and each of its blocks has three steps: look back at what is written (with the causal
# mask), **read the memory**, think. To read is *cross-attention*: the queries come from the target,
# the keys and values from the memory.
#
# (The article's decoder has no such step either. Then what it writes can't depend on the source.)
#
# Here is the whole Transformer. Its result, the *logits*, are the scores of all possible next
# tokens before the softmax. Names such as `decoder.0.cross_attention.w_kv` are minilm's.

# %%
def read(x, memory, p, name, heads):
    """Cross-attention. x: (T, D) asks, memory: (S, D) answers  ->  (T, D)"""
    name = f"{name}.cross_attention"
    q = x @ p[f"{name}.w_q"] + p[f"{name}.b_q"]                                       # (T, D)
    k, v = np.split(memory @ p[f"{name}.w_kv"] + p[f"{name}.b_kv"], 2, axis=-1)       # (S, D)
    return heads_by_hand(q, k, v, heads) @ p[f"{name}.w_out"] + p[f"{name}.b_out"]


def transformer_by_hand(model, p, source, target_inputs):
    """source: (S,) ids, target_inputs: (T,) ids  ->  logits: (T, V) of each next token"""
    def norm(x, name):
        return norm_by_hand(x, p[f"{name}.gain"], p[f"{name}.bias"])

    def embed(ids, table):
        return math.sqrt(model.width) * p[table][ids] + sinusoidal_positions(len(ids), model.width)

    memory = embed(source, "source_embedding")
    for layer in range(model.layers):
        memory = block_by_hand(memory, p, f"encoder.{layer}", model.heads)
    memory = norm(memory, "encoder.norm")

    x, mask = embed(target_inputs, "token_embedding"), causal_mask(len(target_inputs))
    for layer in range(model.layers):
        name = f"decoder.{layer}"
        x = x + look(norm(x, f"{name}.norm_1"), p, name, model.heads, mask)
        x = x + read(norm(x, f"{name}.norm_2"), memory, p, name, model.heads)
        x = x + think(norm(x, f"{name}.norm_3"), p, name)
    return norm(x, "decoder.norm") @ p["token_embedding"].T


# %%
model = Seq2SeqTransformer(vocab_size=30, source_vocab_size=20, width=32, layers=2, heads=4)
fresh = model.init(seed=0)
source, target_inputs = np.array([3, 1, 4, 1, 5, 9]), np.array([2, 7, 1, 8])
logits, _ = model.forward(fresh, source[None], target_inputs[None])      # a batch of one
assert np.allclose(transformer_by_hand(model, fresh, source, target_inputs), logits[0], atol=1e-4)
say(f"A Transformer of {model.layers} + {model.layers} blocks, by hand: its {logits[0].size} "
    "logits are those of `minilm.Seq2SeqTransformer`.")

# %% [markdown]
# The last line uses the table of the target's tokens once more, transposed: a logit says how well
# what the decoder found fits a token's vector. The head is *tied* to the embedding, and needs no
# parameters of its own.
#
# ## 8. English → Chinese
#
# minilm writes its own sentence pairs, with one right translation each, so that 100 % can be
# reached. English is read word by word, Chinese is written character by character. The two
# languages disagree about the order of nearly everything:

# %%
task = TASKS["translation"]
examples = task.examples(20_000, seed=0)                     # to train on
test = task.examples(400, seed=0, part="test")               # combinations of words never trained
unseen = task.examples(400, seed=0, part="structure")        # and sentence patterns never trained
tokenizer = PairTokenizer.train(examples, kinds=task.tokenizers)
context = tokenizer.context([*examples, *test, *unseen])
assert not {e.source for e in examples} & {e.source for e in [*test, *unseen]}

SENTENCE = "The doctors who bought two red umbrellas last week are very busy."
CHARACTERS = (                # as written, how it sounds, what it says, the English word it renders
    ("上", "shàng", "last", "last"), ("个", "gè", "(measure)", None),
    ("星", "xīng", "week", "week"), ("期", "qī", "", "week"),
    ("买", "mǎi", "buy", "bought"), ("了", "le", "(past)", "bought"),
    ("两", "liǎng", "two", "two"), ("把", "bǎ", "(measure)", "umbrellas"),
    ("红", "hóng", "red", "red"), ("色", "sè", "", "red"), ("的", "de", "(link)", None),
    ("雨", "yǔ", "umbrella", "umbrellas"), ("伞", "sǎn", "", "umbrellas"),
    ("的", "de", "(who)", "who"), ("那", "nà", "those", None), ("些", "xiē", "", None),
    ("医", "yī", "doctor", "doctors"), ("生", "shēng", "", "doctors"),
    ("很", "hěn", "very", "very"), ("忙", "máng", "busy", "busy"), ("。", ".", "(stop)", "."),
)  # fmt: skip
TRANSLATION = "".join(character for character, *_ in CHARACTERS)
assert SENTENCE not in {e.source for e in examples}
table(["character", "sounds", "says"], [row[:3] for row in CHARACTERS])

# %% [markdown]
# Word by word: *last week bought two red umbrellas who those doctors very busy*. The relative
# clause comes first, the time comes before the verb, and a number needs a *measure word* that
# depends on the noun (把 is for things with a handle).
#
# We train a small model three times, from three seeds. A longer run of a larger one, whose results
# are saved in `benchmarks/tasks.csv`, is drawn beside it.

# %%
translator = Seq2SeqTransformer(
    tokenizer.target.vocab_size, tokenizer.source.vocab_size, width=64, layers=1, heads=4,
    feed_forward=128, context=context, padding_id=tokenizer.padding_id,
)
STEPS, BATCH = 600, 64
trained = []                                                 # (params, losses) of each seed
for seed in range(3):
    params, history = fit(
        translator, translator.init(seed), pair_batches(tokenizer, examples, BATCH, seed),
        steps=STEPS, seed=seed, optimizer=AdamW(beta2=0.98),
        schedule=warmup_cosine(5e-3, warmup=STEPS // 10, steps=STEPS),
    )
    trained.append((params, [entry["loss"] for entry in history]))


def translate(params, sentences):
    ids = answer(
        translator, params, tokenizer.encode_source(sentences), length=context,
        begin_id=tokenizer.begin_id, end_id=tokenizer.end_id,
    )
    return [tokenizer.decode(one) for one in ids]


def share_right(params, examples):
    """The share of translations that are right to the last character."""
    return exact_match(translate(params, [e.source for e in examples]),
                       [e.target for e in examples])


right = {part: [share_right(params, those) for params, _ in trained]
         for part, those in (("test", test), ("structure", unseen))}

# %% jupyter={"source_hidden": true} tags=["hide-input"]
longer = [row for row in saved_rows("benchmarks/tasks.csv")
          if row["task"] == "translation" and row["architecture"] == "Transformer"]


def draw_training():
    figure, (left, axes) = plt.subplots(1, 2, figsize=(8, 3.4), width_ratios=(1, 1.1))
    for _, losses in trained:
        left.plot(range(1, STEPS + 1), losses, color=BLUE, linewidth=0.8)
    know_nothing = math.log(translator.vocab_size)
    left.axhline(know_nothing, color=GREY, linestyle="--")
    left.text(STEPS, know_nothing + 0.1, "knows nothing: ln V", color=GREY, ha="right")
    left.axhline(0, color=GREY)
    left.text(STEPS, 0.25, "limit 0: one right answer", color=GREY, ha="right")
    left.text(STEPS * 0.25, 2, "3 seeds", color=BLUE)
    left.set_xlabel("training step")
    left.set_ylabel("loss (nats per character)")
    for y, part in ((1, "test"), (0, "structure")):
        axes.plot(right[part], [y + 0.12] * 3, "o", color=BLUE)
        axes.plot([row[part] for row in longer], [y - 0.12] * len(longer), "s", color=ORANGE)
    axes.text(np.mean(right["test"]) - 0.05, 1.2, "here, 3 seeds", color=BLUE, ha="center")
    axes.text(0.97, 0.72, "width 128, 2 + 2 blocks,\n2000 steps, 3 seeds", color=ORANGE,
              ha="right", va="top")
    axes.axvline(1, color=GREY, linestyle="--")
    axes.text(0.99, 1.55, "limit: all right", color=GREY, ha="right")
    axes.set_yticks((1, 0), ("new\ncombinations\nof words", "new sentence\npatterns, too"))
    axes.set_ylim(-0.5, 1.7)
    axes.set_xlabel("share of sentences exactly right")
    return figure


assert min(right["test"]) > 0.6
show(draw_training())

# %%
written = translate(trained[0][0], [e.source for e in test])
wrong = [(e, w) for e, w in zip(test, written, strict=True) if w != e.target]
table(["English", "written", "right"], [
    *([e.source, w, "yes"] for e, w in list(zip(test, written, strict=True))[:4] if w == e.target),
    *([e.source, w, f"no: {e.target}"] for e, w in wrong[:3]),
])
say(f"Of 400 sentences with new combinations of words, the three seeds translate "
    f"{', '.join(f'{share:.1%}' for share in right['test'])} exactly; with new sentence patterns "
    f"as well, {', '.join(f'{share:.1%}' for share in right['structure'])}.")

# %% [markdown]
# ### Where the heads look
#
# `attention_maps` runs the model with an `attend` that keeps the weights. Here are the four heads
# of the cross-attention, while the model of seed 0 is given the right translation: each row is the
# moment *before* a character is written. Orange squares mark the English word that a character
# renders, so a head that looks at what is to be translated next is bright inside them. (The
# characters are shown as they sound, for not every computer can draw them in a figure.)

# %%
source = tokenizer.encode_source([SENTENCE])
target = tokenizer.encode_target(TRANSLATION)
target_inputs = np.append(tokenizer.begin_id, target)
maps = attention_maps(translator, trained[0][0], source, target_inputs[None])
cross = maps["decoder.0.cross_attention"][0, :, : len(CHARACTERS)]       # (H, T, S)
english = [tokenizer.source.decode([i]).strip() for i in source[0]]
renders = [(t, english.index(word)) for t, (*_, word) in enumerate(CHARACTERS) if word]


# %% jupyter={"source_hidden": true} tags=["hide-input"]
def draw_heads(maps):
    figure, panels = plt.subplots(1, len(maps), figsize=(7.8, 5.4), sharey=True)
    for head, (axes, weights) in enumerate(zip(panels, maps, strict=True)):
        image = axes.imshow(weights, vmin=0, vmax=1, cmap="cividis", aspect="auto")
        for t, s in renders:
            axes.add_patch(Rectangle((s - 0.5, t - 0.5), 1, 1, fill=False, edgecolor=ORANGE,
                                     linewidth=1.3))
        axes.grid(False)
        axes.tick_params(length=0)
        axes.set_title(f"head {head}", fontsize=10)
        names = [*english[:-1], "(stop)"]
        axes.set_xticks(range(len(names)), names, rotation=90, fontsize=9)
    panels[0].set_yticks(range(len(CHARACTERS)),
                         [f"{means}  {sound}" for _, sound, means, _ in CHARACTERS], fontsize=9)
    panels[0].set_ylabel("the character that is written next")
    figure.supxlabel("the English word that is looked at", fontsize=10)
    figure.colorbar(image, ax=panels, label="attention weight (a row sums to 1)", shrink=0.6,
                    fraction=0.03)
    return figure


show(draw_heads(cross), "05-heads")

# %%
on_its_word = [np.mean([cross[h, t, s] for t, s in renders]) for h in range(len(cross))]
by_best = np.mean([cross[:, t, s].max() for t, s in renders])
assert by_best > 2 / len(english)
say("Weight on the English word that a character renders, on average: "
    + ", ".join(f"head {h}: {weight:.2f}" for h, weight in enumerate(on_its_word))
    + f". The best head of each row: {by_best:.2f}. A head that looks everywhere alike would have "
    f"{1 / len(english):.2f}.")

# %% [markdown]
# Read one row: before "shàng" (*last*) is written, the model has to jump over the whole relative
# clause. No head does all the work, and not every bright cell has an explanation. A picture of
# weights is a hint at what a model does, not a proof (Jain and Wallace 2019). A test is better:
# take one head away, that is, set the rows of $W^O$ that read it to 0, and count again.

# %%
def without_head(params, name, head):
    """The parameters, but w_out of this attention does not read this head."""
    w_out = params[f"{name}.w_out"].copy()                   # (H · d, D)
    d = translator.head_dim
    w_out[head * d : (head + 1) * d] = 0
    return {**params, f"{name}.w_out": w_out}


few = test[:200]
rows = []
for name in maps:
    shares = [share_right(without_head(trained[0][0], name, head), few) for head in range(4)]
    rows.append([f"`{name}`", *(f"{share:.2f}" for share in shares)])
table(["exactly right without …", "head 0", "head 1", "head 2", "head 3"], rows)
say(f"With all heads it is {share_right(trained[0][0], few):.2f} (200 sentences, seed 0).")

# %% [markdown]
# ## On your own
#
# **1. Find the mask that masks nothing.** The function below attends within a batch of texts that
# end at the same place; the shorter ones are filled up at their *beginnings* (so that a model can
# go on writing all of them at once). `real` says which words are real. The function was meant to
# hide two things, the future and the filling. It hides neither, and no line of it fails.

# %%
def masks_nothing(q, k, v, real):
    """q, k, v: (B, T, d), real: (B, T) bool, False where a text is filled up  ->  (B, T, d)"""
    scores = q @ k.swapaxes(-1, -2) / math.sqrt(q.shape[-1])         # (B, T, T)
    T = q.shape[1]
    future = np.triu(np.ones((T, T), dtype=bool), k=1)               # True above the diagonal
    scores[:, future].fill(-1e9)                                     # hide the future
    scores = np.where(real[:, :, None], scores, -1e9)                # hide the filling
    return softmax(scores) @ v


# %% jupyter={"source_hidden": true} tags=["hide-input"]
def influence_in_a_text(attend):
    """Of 8 words, the first two are filling: which output changes with which word?"""
    words = np.random.default_rng(5).standard_normal((8, 4)).astype(np.float32)
    real = np.arange(8)[None] >= 2
    changes = influence(lambda x: attend(x[None], x[None], x[None], real)[0], words)
    changes[~real[0]] = 0                                    # what is computed there: never read
    return changes


real = np.arange(8) >= 2
wanted = np.tri(8, dtype=bool) & real & real[:, None]
leaking = influence_in_a_text(masks_nothing)
show(draw_influence({"what was wanted": wanted, "what it does": leaking}))

# %% [markdown]
# Words 1 and 2 are the filling. (What is computed *at* the filling nobody reads; the pictures leave
# these two rows empty.)
#
# Find out why each of the two lines has no effect, and write the function so that it works.
# `causal_attention(q, k, v, real)` takes and returns what `masks_nothing` does. A word may look at
# itself and at what came before, but never at filling. A finite number, such as −1e9, serves as
# −∞ here: a row in which *everything* is hidden, as at the filling, would otherwise become 0 / 0.

# %%
def causal_attention(q, k, v, real):
    """q, k, v: (B, T, d), real: (B, T) bool  ->  y: (B, T, d)"""
    ### BEGIN SOLUTION
    T = q.shape[1]
    scores = q @ k.swapaxes(-1, -2) / math.sqrt(q.shape[-1])
    # `scores[:, future]` picks by a boolean array, which makes a copy: it was the copy that was
    # filled. `real[:, :, None]` speaks of queries, the rows: it puts one number in a whole row, or
    # none. Which *keys* may be looked at is said along the last axis.
    may_look = np.tri(T, dtype=bool) & real[:, None, :]              # (B, T, T)
    return softmax(np.where(may_look, scores, -1e9)) @ v
    ### END SOLUTION


# %%
if check("causal_attention", causal_attention):
    yours = influence_in_a_text(causal_attention)
    show(draw_influence({"what was wanted": wanted, "your causal_attention": yours}))

# %% [markdown]
# **2. Positions.** Write section 5's formula: `sinusoids(length, width)` returns an array of shape
# `(length, width)`, whose row $t$ is $P_t$. `width` is even. Sines stand in the even columns 0, 2,
# 4, …, and each cosine stands right of its sine.

# %%
def sinusoids(length, width):
    """P[t, 2i] = sin(t / 10000^(2i/width)), P[t, 2i + 1] = cos(the same)  ->  (length, width)"""
    ### BEGIN SOLUTION
    t = np.arange(length)[:, None]                           # (length, 1)
    two_i = np.arange(0, width, 2)                           # 0, 2, 4, …: (width / 2,)
    angles = t / 10000 ** (two_i / width)                    # (length, width / 2)
    P = np.zeros((length, width))
    P[:, 0::2] = np.sin(angles)
    P[:, 1::2] = np.cos(angles)
    return P
    ### END SOLUTION


# %%
check("sinusoids", sinusoids)

# %% [markdown]
# **3. How large is it?** Before one trains a model one should know its size. Write
# `transformer_size(source_vocab, target_vocab, width, wide, layers)`: how many numbers the
# parameters of section 7's Transformer hold ($D$ = `width`, $F$ = `wide`, $L$ = `layers` on either
# side). It has
#
# - a table of tokens for each side, with a row of $D$ numbers for each token; the head is tied;
# - $L$ encoder blocks: two norms (gain and bias), attention ($W^{QKV}: D \times 3D$ and
#   $W^O: D \times D$, each with a bias), feed-forward ($D \times F$ and $F \times D$, each with a
#   bias), as in the table of section 6;
# - $L$ decoder blocks: all that, one norm more, and cross-attention ($W^Q: D \times D$,
#   $W^{KV}: D \times 2D$, $W^O: D \times D$, each with a bias);
# - a last norm on either side. Sinusoidal positions are computed, not stored.

# %%
def transformer_size(source_vocab, target_vocab, width, wide, layers):
    """-> the number of parameters, an int"""
    ### BEGIN SOLUTION
    D, F = width, wide
    norm = 2 * D
    attention = (D + 1) * 3 * D + (D + 1) * D                # each map: (inputs + 1 bias) × outputs
    feed_forward = (D + 1) * F + (F + 1) * D
    cross_attention = (D + 1) * D + (D + 1) * 2 * D + (D + 1) * D
    encoder_block = 2 * norm + attention + feed_forward
    decoder_block = 3 * norm + attention + cross_attention + feed_forward
    tables = (source_vocab + target_vocab) * D
    return tables + layers * (encoder_block + decoder_block) + 2 * norm
    ### END SOLUTION


# %%
check("transformer_size", transformer_size)

# %% [markdown]
# **4. To think about.** Section 5 showed that attention without positions cannot tell "dog bites
# man" from "man bites dog". That was without a mask. Suppose a *decoder* has the causal mask but no
# positions at all. Are the two sentences still the same to it? Does it matter whether it has one
# block or two?

# %% [markdown] tags=["solution"]
# **An answer.** The mask breaks the symmetry: the first word sees one key, the second two, the
# third three, so words are not interchangeable any more. With *one* block, though, the last word's
# output is still a mean over the *set* of words before it, and the order of those does not matter
# to it. With two blocks it does: after the first, "man" in "dog bites man" has looked at a dog and
# a bite, and in "man bites dog" only at itself, so the second block reads different vectors. Causal
# models without any positions do learn where they are (Haviv et al. 2022), though they are usually
# a little worse. One can count by it: a head that looks at all words alike gives the first word,
# which every query sees, the weight $1/t$.

# %% [markdown]
# ## In practice
#
# The same two equations run in every library, but two conventions differ, and to mix them up is
# the most common way to get a mask that does the opposite.
#
# | | a boolean mask says `True` where … | weights of the three projections |
# | --- | --- | --- |
# | minilm | the query **may look** | `w_qkv`: $(D, 3D)$, `x @ w_qkv` |
# | torch, `scaled_dot_product_attention` | the query **may look** | |
# | torch, `nn.MultiheadAttention` | the key is **hidden** | `in_proj_weight`: $(3D, D)$, `x @ wᵀ` |
#
# So the same library has both meanings. Here is `nn.MultiheadAttention`'s rule in NumPy, given
# minilm's weights in torch's layout. (That torch itself gives these numbers is checked by a test of
# this repository, `tests/notebooks/test_05_the_transformer.py`.)

# %%
def torch_multihead(x, in_proj_weight, in_proj_bias, out_weight, out_bias, heads, attn_mask):
    """As torch.nn.MultiheadAttention: x: (T, D), attn_mask: (T, T) bool, True = hidden."""
    q, k, v = np.split(x @ in_proj_weight.T + in_proj_bias, 3, axis=-1)
    return heads_by_hand(q, k, v, heads, ~attn_mask) @ out_weight.T + out_bias


rng = np.random.default_rng(7)
b_qkv, b_out = rng.standard_normal(3 * D).astype(np.float32), np.zeros(D, np.float32)
mask = causal_mask(T)
ours, _ = multi_head_attention(x[None], w_qkv, b_qkv, w_o, b_out, head_dim=D // H, mask=mask)
hidden = ~mask
theirs = torch_multihead(x, w_qkv.T, b_qkv, w_o.T, b_out, H, hidden)
upside_down = torch_multihead(x, w_qkv.T, b_qkv, w_o.T, b_out, H, hidden.T)
assert np.allclose(ours[0], theirs, atol=1e-5)
assert not np.allclose(ours[0], upside_down, atol=0.1)
say(f"minilm's numbers and those of torch's rule are the same, up to rounding. With the mask the "
    f"wrong way round they differ by up to {np.abs(ours[0] - upside_down).max():.1f}, and no "
    "exception is raised.")

# %% [markdown]
# Libraries also compute the product of softmax and $V$ in tiles that never hold the $T \times T$
# matrix of weights (*FlashAttention*). The numbers are the same up to rounding; the memory is not.
#
# ## References
#
# - A. Vaswani et al., *Attention is all you need*, NeurIPS 2017: equation 1 (attention), section
#   3.2.1 and its footnote ($\sqrt{d}$), 3.2.2 (heads), 3.2.3 (masks, cross-attention), 3.5
#   (positions).
# - J. L. Ba, J. R. Kiros and G. E. Hinton, *Layer normalization*, arXiv:1607.06450, 2016.
# - D. Hendrycks and K. Gimpel, *Gaussian error linear units*, arXiv:1606.08415, 2016.
# - R. Xiong et al., *On layer normalization in the Transformer architecture*, ICML 2020: pre-norm
#   and post-norm.
# - Y. Dong, J.-B. Cordonnier and A. Loukas, *Attention is not all you need: pure attention loses
#   rank doubly exponentially with depth*, ICML 2021.
# - S. Jain and B. C. Wallace, *Attention is not explanation*, NAACL 2019.
# - A. Haviv et al., *Transformer language models without positional encodings still learn
#   positional information*, Findings of EMNLP 2022.
# - T. Dao et al., *FlashAttention: fast and memory-efficient exact attention with IO-awareness*,
#   NeurIPS 2022.
