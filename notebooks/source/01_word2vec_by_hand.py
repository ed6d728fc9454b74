# %% [markdown]
# # 01 · word2vec by hand
#
# *You shall know a word by the company it keeps*, wrote the linguist J. R. Firth in 1957. In 2013 a
# small C program took him at his word. It read a text once or a few times, and in the end every
# word was a list of a hundred numbers, near the lists of words with like company. The program has
# one formula. Here you derive it, program it three times (one pair, a loop, many pairs at once) and
# then find out what those numbers *are*.
#
# ## What you will do
#
# - cut a text into pairs of neighbours, and draw false neighbours for each true one
# - derive the gradient of the loss, and let finite differences check it
# - train pair by pair, then in batches, and meet a bug that NumPy will not tell you about
# - lay what was learned beside the one value that theory allows
# - train on a real text, and compare with counting
#
# ## What you will learn
#
# - why each word has two vectors, and what negative sampling is
# - what the exponents and thresholds of word2vec do to frequent words
# - that the product of two vectors comes to $\mathrm{PMI} - \log k$, and when it does not
# - what gensim does differently, down to its table of 1000 sigmoids
#
# ## What you need
#
# NumPy with index arrays (`table[ids]`), the chain rule, logarithms. No earlier notebook is needed.
# All cells run in about a minute on one core; reading and exercises take about two hours.

# %%
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import numpy as np

from minilm import Word2Vec, check_gradient
from minilm.course import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    check,
    saved_rows,
    say,
    show,
    style,
    table,
)
from minilm.embeddings import PPMI, KeyedVectors, SkipGram, read_corpus
from minilm.embeddings.negative_sampling import pair_gradients
from minilm.embeddings.optimum import sentence_counts
from minilm.text import load_corpus, sentences

style()

# %% [markdown]
# ## 1. Words and their company
#
# A word's company is what stands at most $w$ places from it, in the same sentence. The number $w$
# is called the **window**; the word itself is the **centre**, each neighbour a **context**.

# %%
def pairs_of(sentence, window):
    """All (centre, context) of a list of words."""
    pairs = []
    for i, centre in enumerate(sentence):
        for j in range(max(0, i - window), min(len(sentence), i + window + 1)):
            if j != i:
                pairs.append((centre, sentence[j]))
    return pairs


sentence = "the cat sat on the mat"
for pair in pairs_of(sentence.split(), window=2)[:9]:
    print("{:>4} – {}".format(*pair))

# %% [markdown]
# Nothing else of the text is kept: no order, no grammar, no sentence. What can be learned, is
# learned from a heap of such pairs.
#
# Look at `.split()` in that cell. A well-read article gives its sentences to the library as plain
# strings, without it. Python can go through a string, too, one *character* at a time:

# %%
article = ["the cat sat on the mat", "the dog sat on the log"]
print("with strings:", pairs_of(article[0], window=1)[:3])

try:
    Word2Vec(article, min_count=1)
except TypeError as error:
    print("\nminilm says:", error)
letters = {centre for text in article for centre, _ in pairs_of(text, 1)}
assert max(map(len, letters)) == 1

# %% [markdown]
# gensim only warns here, and then learns vectors for letters. Whoever sees a vocabulary of some
# thirty "words" has met this mistake.
#
# Our real text is the language reference that comes with every Python, the one that `help()`
# prints.

# %%
text = sentences(load_corpus("python-docs"))         # lists of lower-cased words
counted = Counter(word for sentence in text for word in sentence)
say(f"It has {len(text):,} sentences and {sum(counted.values()):,} words, {len(counted):,} of them "
    f"different. The most frequent are *{', '.join(w for w, _ in counted.most_common(8))}*. With a "
    f"window of 5 there are {sum(len(pairs_of(s, 5)) for s in text):,} pairs. For word2vec this is "
    "a very small text: it was made for billions of words.")

# %% [markdown]
# ## 2. True pair or false?
#
# How do pairs become vectors? By a game. Someone shows you two words. Either they are a pair from
# the text, or the second one was merely drawn from a hat. You answer with a number between 0 and 1:
# how sure you are that the pair is true.
#
# Give every word as a centre a vector $v$, and every word as a context another vector $u$, of $D$
# numbers each. The answer is
#
# $$\sigma(v \cdot u), \qquad \sigma(s) = \frac{1}{1 + e^{-s}}.$$
#
# For each true pair, $k$ **negatives** $n_1 \dots n_k$ are drawn from the hat. The loss is minus
# the logarithm of the probability given to the right answers. With the natural logarithm its unit
# is called the **nat**:
#
# $$L = -\log \sigma(v \cdot u) - \sum_{i=1}^{k} \log \sigma(-v \cdot n_i)$$
#
# The minus inside the second term is all there is to "false", since $1 - \sigma(s) = \sigma(-s)$.
# This is **skip-gram with negative sampling** (Mikolov et al. 2013b, eq. 4).

# %%
def sigmoid(x):
    return (1 + np.tanh(x / 2)) / 2           # 1 / (1 + e^−x), and it never overflows


x = np.linspace(-20, 20, 9)
assert np.allclose(sigmoid(x), 1 / (1 + np.exp(-x))) and np.allclose(1 - sigmoid(x), sigmoid(-x))


# %% jupyter={"source_hidden": true} tags=["hide-input"]
def draw_two_terms():
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.8, 3.1))
    s = np.linspace(-6, 6, 241)
    left.plot(s, -np.log(sigmoid(s)), color=BLUE)
    left.plot(s, -np.log(sigmoid(-s)), "--", color=ORANGE)
    left.text(-3.9, 4.8, r"true pair: $-\log\,\sigma(s)$", color=BLUE)
    left.text(2.9, 3.6, r"drawn: $-\log\,\sigma(-s)$", color=ORANGE, ha="right")
    left.set_ylim(0, 6.2)
    left.set_ylabel("loss (nats)")
    right.plot(s, sigmoid(s) - 1, color=BLUE)
    right.plot(s, sigmoid(s), "--", color=ORANGE)
    right.text(5.9, -0.5, r"true pair: $\sigma(s) - 1$", color=BLUE, ha="right")
    right.text(-5.8, 0.25, r"drawn: $\sigma(s)$", color=ORANGE)
    right.axhline(0, color=GREY, linewidth=1)
    right.set_ylabel("slope (nats per unit of s)")
    for axes in (left, right):
        axes.set_xlabel("score s = v·u (no unit)")
    show(figure)


draw_two_terms()

# %% [markdown]
# On the left: being sure and wrong is expensive, being sure and right is free. On the right, the
# slopes. They are the whole derivative of the game: **answer minus truth**, where the truth is 1
# for a true pair and 0 for a drawn one. To see it, write $-\log\sigma(s) = \log(1 + e^{-s})$. Then
#
# $$\frac{d}{ds} \log(1 + e^{-s}) = \frac{-e^{-s}}{1 + e^{-s}} = -\sigma(-s) = \sigma(s) - 1,$$
#
# and the other term is its mirror image. A score is a product, $s = v \cdot u$, so the chain rule
# gives for $u$ the slope times $v$, and for $v$ the slope times $u$:
#
# $$\frac{\partial L}{\partial v} = (\sigma(v \cdot u) - 1)\,u + \sum_i \sigma(v \cdot n_i)\,n_i,
#   \qquad \frac{\partial L}{\partial u} = (\sigma(v \cdot u) - 1)\,v,
#   \qquad \frac{\partial L}{\partial n_i} = \sigma(v \cdot n_i)\,v$$
#
# As code, an operation and below it its derivative:

# %%
def pair_loss(v, u, noise):
    """One true pair and its k negatives.    v, u: (D,), noise: (k, D)  ->  nats, cache"""
    loss = -np.log(sigmoid(v @ u)) - np.log(sigmoid(-(noise @ v))).sum()
    return loss, (v, u, noise)


def pair_loss_backward(dy, cache):
    """Gradients of pair_loss, in its argument order: dv, du, dnoise."""
    v, u, noise = cache
    error = dy * (sigmoid(v @ u) - 1)                # answer minus 1
    errors = dy * sigmoid(noise @ v)                 # (k,) answers minus 0
    return error * u + errors @ noise, error * v, errors[:, None] * v


rng = np.random.default_rng(0)
v, u, noise = rng.standard_normal(4), rng.standard_normal(4), rng.standard_normal((3, 4))
worst = check_gradient(pair_loss, pair_loss_backward, v, u, noise)
theirs = pair_gradients(v, u, noise)                 # minilm's own three lines
for ours, same in zip(pair_loss_backward(1.0, pair_loss(v, u, noise)[1]), theirs, strict=True):
    assert np.allclose(ours, same)
assert worst < 1e-6
say("`check_gradient` moves each input a little and measures how the loss changes. Our formula "
    f"agrees to a relative error of {worst:.0e}.")

# %% [markdown]
# ### Why two vectors for a word?
#
# It is tempting to use one table, and many explanations print one. Try it on the smallest text
# there is: two words, *a* and *b*, that always stand beside each other and never beside themselves.
# True pairs are (a, b) and (b, a); false are (a, a) and (b, b).

# %%
def best_loss(tables, steps=300):
    """Nats per question after gradient descent. tables(rng) -> v, u: (2, D) each"""
    v, u = tables(np.random.default_rng(0))
    truth = np.array([[0.0, 1.0], [1.0, 0.0]])
    for _ in range(steps):
        error = (sigmoid(v @ u.T) - truth) / truth.size          # (2, 2) answers minus truth
        dv, du = error @ u, error.T @ v
        v -= dv                                                  # in place: if v and u are one
        u -= du                                                  # table, both changes meet in it
    answers = np.where(truth == 1, sigmoid(v @ u.T), 1 - sigmoid(v @ u.T))
    return -np.log(answers).mean()


def one_table(rng):
    v = rng.normal(0, 0.5, (2, 4))
    return v, v


two = best_loss(lambda rng: rng.normal(0, 0.5, (2, 2, 4)))
one = best_loss(one_table)
assert two < 0.1 < 0.6 < one
say(f"With two tables the loss falls to {two:.3f} nats, with one it stays at {one:.3f}. Guessing "
    f"costs log 2 = {np.log(2):.3f}.")

# %% [markdown]
# With one table the score of (a, a) is $v_a \cdot v_a = |v_a|^2$, which is never negative: the
# model can't say that a word does *not* stand beside itself, though hardly any word does. With a
# second table it can. (What is called "the word vectors" later is the first table; the second one
# is thrown away by most programs.)
#
# ### A sign to watch
#
# One could add a bias to every score, $s = v \cdot u + b$. The article mentioned above does so, and
# prints
#
# $$-\sum \log \sigma(v \cdot u + b) - \sum \log \sigma(-v \cdot n \;\mathbf{+}\; b).$$
#
# The second term should have $-b$, since all of $s$ changes sign. Does it matter? Take vectors that
# know nothing (all zeros), so that only the bias is left, and $k = 5$:

# %%
b = np.linspace(-5, 8, 261)
right_loss = -np.log(sigmoid(b)) - 5 * np.log(sigmoid(-b))       # −b in the second term
printed = -np.log(sigmoid(b)) - 5 * np.log(sigmoid(b))           # +b in both
assert abs(b[right_loss.argmin()] - np.log(1 / 5)) < 0.05
assert np.all(np.diff(printed) < 0)                              # ever lower


# %% jupyter={"source_hidden": true} tags=["hide-input"]
def draw_bias():
    figure, axes = plt.subplots(figsize=(6.6, 3.2))
    axes.plot(b, right_loss, color=BLUE)
    axes.plot(b, printed, "--", color=ORANGE)
    axes.axhline(0, color=GREY, linewidth=1)
    best, lowest = np.log(1 / 5), right_loss.min()
    axes.plot(best, lowest, "o", color=BLUE)
    axes.annotate("best b = log(1/k)", (best, lowest), (-4.8, 6.6), color=BLUE,
                  arrowprops={"arrowstyle": "-", "color": BLUE})
    axes.text(1.8, 8.2, r"right: $-b$ in the second term", color=BLUE)
    axes.text(7.9, 1.5, "as printed: falls to 0 for ever", color=ORANGE, ha="right")
    axes.set_ylim(-0.5, 12)
    axes.set_xlabel("bias b (no unit)")
    axes.set_ylabel("loss of one pair and\nits 5 negatives (nats)")
    show(figure)


draw_bias()

# %% [markdown]
# With the right sign the bias comes to $\log(1/k)$, the logarithm of the odds of a true pair, one
# to $k$. As printed, a large $b$ answers "yes" to the first question and "no" to the second *at
# once*, and the loss falls to 0 with vectors that know nothing. A loss that is lowest where nothing
# was learned teaches nothing. (`minilm/embeddings/word_bias.py` has both.)
#
# ## 3. The hat, and words that say too little
#
# Which words does the hat hold? Word2vec draws a word in proportion to its count to the power of
# 0.75, so that rare words come a little more often than in the text. And it *skips* some places of
# very frequent words altogether: with $f$ a word's share of the text and a threshold $t$ (here
# 0.001), one place of it is read with the chance
#
# $$\min\left(1, \sqrt{t/f} + t/f\right).$$
#
# Next to *the* stands everything. It says little about its neighbours, and would take up most of
# the time.

# %%
def noise_probability(counts, exponent=0.75):
    return counts**exponent / (counts**exponent).sum()


def keep_probability(counts, t=1e-3):
    f = counts / counts.sum()
    return np.minimum(1, np.sqrt(t / f) + t / f)


vocabulary, ids, sentence_of = read_corpus(text, min_count=5)   # rarer words are left out
counts_of_words = vocabulary.counts.astype(float)               # (V,) most frequent first
drawn, kept = noise_probability(counts_of_words), keep_probability(counts_of_words)
assert np.allclose(np.cumsum(drawn), vocabulary.noise_cdf())
assert np.allclose(kept, vocabulary.keep_probability())


# %% jupyter={"source_hidden": true} tags=["hide-input"]
def draw_three_shares():
    share = counts_of_words / counts_of_words.sum()
    read = share * kept / (share * kept).sum()
    rank = np.arange(1, len(share) + 1)
    figure, axes = plt.subplots(figsize=(7.4, 3.8))
    axes.loglog(rank, 100 * share, color=BLACK)
    axes.loglog(rank, 100 * drawn, "--", color=ORANGE)
    axes.loglog(rank, 100 * read, "-.", color=BLUE)
    axes.axhline(100 / len(share), color=GREY, linewidth=1, linestyle=":")
    axes.text(1.1, 100 / len(share) * 1.12, "all words alike", color=GREY)
    axes.text(3.2, 100 * share[2] * 1.25, "share of the text", color=BLACK)
    axes.text(rank[-1], 100 * drawn[-1] * 1.7, "in the hat: count$^{0.75}$", color=ORANGE)
    axes.text(1.1, 100 * read[0] * 0.5, "left after skipping", color=BLUE, va="top")
    for i, place, side in ((0, (4, 6), "left"), (15, (4, 6), "left"), (400, (-4, -10), "right")):
        axes.annotate(vocabulary.words[i], (rank[i], 100 * share[i]), place, ha=side,
                      textcoords="offset points", fontsize=9, style="italic")
    axes.set_xlim(0.8, 12_000)
    axes.set_xlabel("rank of the word, most frequent first")
    axes.set_ylabel("share (%)")
    show(figure)


draw_three_shares()
most = counts_of_words[0] / counts_of_words.sum()
say(f"*{vocabulary.words[0]}* alone makes up {most:.1%} of this text; one place of it in "
    f"{1 / kept[0]:.0f} is read, the others are skipped. {np.mean(kept == 1):.0%} of the "
    f"{len(vocabulary):,} words are so rare that they are always read.")

# %% [markdown]
# ## 4. A text whose answer is known
#
# Before a real text, one where we know what *should* come out. Its sentences have two words each,
# from a vocabulary of 24, and a table says how often each sentence stands in the text. With
# $X_{ij}$ the times that $i$ and $j$ were a pair, $X_i$ the pairs of $i$, and $P_j$ the share of
# $j$ in the text, a pair is shown as true $X_{ij}$ times and drawn as a negative
# $k\,X_i\,P_j$ times on average (draws by the share itself, exponent 1, to keep the formulas
# short). Everything in the loss that depends on one score $s = v_i \cdot u_j$ is
#
# $$\ell(s) = -X_{ij} \log \sigma(s) - k\,X_i\,P_j \log \sigma(-s).$$
#
# Its slope, with what we derived above, is $X_{ij}\,(\sigma(s) - 1) + k\,X_i\,P_j\,\sigma(s)$. It
# is zero where $\sigma(s) / (1 - \sigma(s)) = X_{ij} / (k\,X_i\,P_j)$, and since the left side is
# $e^s$,
#
# $$s^* = \log \frac{X_{ij}}{X_i\,P_j} - \log k = \mathrm{PMI}(i, j) - \log k.$$
#
# **PMI**, pointwise mutual information, says how many times more often two words meet than chance
# would have it, as a logarithm. It is from statistics, decades older than word2vec. That word2vec
# computes it was noticed by Levy and Goldberg (2014).

# %%
K = 2                                                # negatives of each pair, here
sentence_table = sentence_counts(vocab_size=24)      # (24, 24) how often each sentence is there
X = sentence_table + sentence_table.T                # each sentence "i j" has pairs (i, j), (j, i)
W = len(X)
share = X.sum(axis=0) / X.sum()                      # P
owed = K * X.sum(axis=1, keepdims=True) * share      # k X_i P_j: how often drawn
optimum = np.log(X / owed)                           # PMI − log k


def expected_loss(scores):
    """Nats per true pair, exactly: no sampling.    scores: (W, W)"""
    return float((X * np.logaddexp(0, -scores) + owed * np.logaddexp(0, scores)).sum() / X.sum())


floor = expected_loss(optimum)
all_pairs = np.repeat(np.argwhere(X), X[X > 0], axis=0)          # (N, 2) centre, context
start = expected_loss(np.zeros_like(optimum))
assert np.isclose(start, (1 + K) * np.log(2)) and len(all_pairs) == X.sum()
say(f"{len(all_pairs):,} pairs. Vectors of zeros cost (1 + k) log 2 = {start:.3f} nats a pair; the "
    f"best that any vectors can reach is **{floor:.3f}**. The optimum runs from "
    f"{optimum.min():.1f} to {optimum.max():.1f}.")

# %% [markdown]
# ## 5. One pair after another
#
# The naive program: take a pair, draw $k$ negatives, go a small step down the gradient, take the
# next pair. The vectors $v$ begin as small random numbers, the vectors $u$ as zeros, and the
# **learning rate**, by which a gradient is multiplied to make a step, falls in a line to 0: all as
# in word2vec.

# %%
def fresh_tables(width, rng):
    v_table = (2 * rng.random((W, width)) - 1) / width
    return v_table.astype(np.float32), np.zeros((W, width), np.float32)


def draw_negatives(shape, rng):
    """Word ids, each with its share as probability, by looking up a number in 0..1."""
    return np.searchsorted(np.cumsum(share), rng.random(shape) * share.sum())


def train_in_a_loop(pairs, width=24, rate=0.2, seed=0, look=1000):
    """One pair after another  ->  (pairs seen, loss above the floor) every `look` pairs."""
    rng = np.random.default_rng(seed)
    v_table, u_table = fresh_tables(width, rng)
    seen = []
    for done, (i, j) in enumerate(pairs[rng.permutation(len(pairs))]):
        if done % look == 0:
            seen.append((done, expected_loss(v_table @ u_table.T) - floor))
        step = np.float32(rate * (1 - done / len(pairs)))
        negatives = draw_negatives(K, rng)
        _, cache = pair_loss(v_table[i], u_table[j], u_table[negatives])
        dv, du, dnoise = pair_loss_backward(1.0, cache)
        v_table[i] -= step * dv
        u_table[j] -= step * du
        for n, dn in zip(negatives, dnoise, strict=True):
            u_table[n] -= step * dn
    return np.array(seen)


some = all_pairs[np.random.default_rng(0).permutation(len(all_pairs))[:20_000]]
loop_curves = [train_in_a_loop(some, seed=seed) for seed in (0, 1, 2)]

# %% [markdown]
# It works, and it is slow: each pair asks for dozens of calls into NumPy, each for a handful of
# numbers. The remedy is always the same, many pairs at once.
#
# ## 6. Many pairs at once, and a bug that keeps quiet
#
# With $B$ pairs the vectors become matrices: $v, u$ of shape $(B, D)$ and $n$ of shape
# $(B, k, D)$. The formulas stay as they are.

# %%
def batch_gradients(v, u, noise):
    """v, u: (B, D), noise: (B, k, D)  ->  dv, du, dnoise, of the same shapes"""
    error = sigmoid((v * u).sum(axis=1, keepdims=True)) - 1              # (B, 1)
    errors = sigmoid(noise @ v[:, :, None])                              # (B, k, 1)
    dv = error * u + (errors * noise).sum(axis=1)
    return dv, error * v, errors * v[:, None]


v, u, noise = (rng.standard_normal(s) for s in ((5, 4), (5, 4), (5, 3, 4)))
for b in range(5):
    one_by_one = pair_loss_backward(1.0, pair_loss(v[b], u[b], noise[b])[1])
    for alone, together in zip(one_by_one, batch_gradients(v, u, noise), strict=True):
        assert np.allclose(alone, together[b])

# %% [markdown]
# Then the rows are moved. Every row that is named in `ids` gets its change, and that is one line,
# `table[ids] -= change`. Try it on a table of three rows, where row 0 is to be lowered three times:

# %%
ids_to_move = np.array([0, 0, 0, 2])
small = np.zeros(3)
small[ids_to_move] -= 1
print("table[ids] -= 1          ", small)

small = np.zeros(3)
np.subtract.at(small, ids_to_move, 1)
print("np.subtract.at           ", small)

order = np.argsort(ids_to_move, kind="stable")       # equal ids side by side, ...
first = np.flatnonzero(np.diff(ids_to_move[order], prepend=-1))
sums = np.add.reduceat(np.ones(4)[order], first)     # ... added up, ...
small = np.zeros(3)
small[ids_to_move[order][first]] -= sums             # ... and now every id is there once
print("sorted sums              ", small)
assert small.tolist() == [-3, 0, -1]

# %% [markdown]
# The first line *reads* all four numbers, subtracts, and then *writes* four times. Row 0 is written
# three times with the same −1. Two changes are lost, and there is no error and no warning. NumPy
# works as documented; the line is simply not what it looks like.
#
# `np.subtract.at` (and `np.add.at`) does each change after the other. Sorting, and adding up equal
# neighbours, is the other cure. minilm uses both.
#
# In natural text repeated words are the rule, and not the exception:

# %%
taken = np.random.default_rng(0).permutation(len(ids))[:256]
repeats = 1 - len(np.unique(ids[taken])) / len(taken)
draws = np.random.default_rng(0).choice(len(drawn), size=256 * 5, p=drawn)
repeated_draws = 1 - len(np.unique(draws)) / len(draws)
assert repeats > 0.2
say(f"Of 256 centres drawn from our real text, {repeats:.0%} repeat another one, and of their "
    f"{len(draws):,} negatives {repeated_draws:.0%}. So much of each step would be lost.")

# %%
def move_rows(table, ids, gradient, step):
    """table[ids] −= step · gradient, in place, where every one of repeated ids counts."""
    np.subtract.at(table, ids, step * gradient)


def train_in_batches(pairs, width=24, size=256, rate=0.05, epochs=20, seed=0, look=None):
    """->  learned products v·u (W, W), and (pairs seen, loss above the floor) every `look` steps"""
    rng = np.random.default_rng(seed)
    v_table, u_table = fresh_tables(width, rng)
    steps, seen, order = epochs * (len(pairs) // size), [], []
    for done in range(steps):
        if len(order) < size:
            order = rng.permutation(len(pairs))                          # a new epoch
        centres, contexts = pairs[order[:size]].T                        # (B,) each
        order = order[size:]
        negatives = draw_negatives((size, K), rng)                       # (B, k)
        if look and done % look == 0:
            seen.append((done * size, expected_loss(v_table @ u_table.T) - floor))
        dv, du, dnoise = batch_gradients(v_table[centres], u_table[contexts], u_table[negatives])
        step = np.float32(rate * (1 - done / steps))
        move_rows(v_table, centres, dv, step)
        move_rows(u_table, contexts, du, step)
        move_rows(u_table, negatives, dnoise, step)
    return v_table @ u_table.T, np.array(seen)


batch_curves = {
    size: [train_in_batches(some, size=size, rate=rate, epochs=1, seed=seed, look=look)[1]
           for seed in (0, 1, 2)]
    for size, rate, look in ((32, 0.2, 32), (256, 0.2, 4))
}


# %% jupyter={"source_hidden": true} tags=["hide-input"]
def draw_curves():
    figure, axes = plt.subplots(figsize=(7.2, 3.8))
    for name, curves, colour, dash in (
        ("pair by pair", loop_curves, BLUE, "-"), ("batches of 32", batch_curves[32], GREEN, "--"),
        ("batches of 256,\nsame rate", batch_curves[256], ORANGE, "-."),
    ):
        seen, above = curves[0][:, 0], np.array([curve[:, 1] for curve in curves])
        if above.max() < 1:                          # the third leaves the picture at once
            axes.fill_between(seen, above.min(axis=0), above.max(axis=0), color=colour, alpha=0.25,
                              linewidth=0)
        axes.plot(seen, above.mean(axis=0), dash, color=colour, label=name)
    axes.axhline(0, color=BLACK)
    axes.text(20_000, 0.003, "limit: the optimum", ha="right", va="bottom")
    axes.axhline(start - floor, color=GREY, linewidth=1, linestyle=":")
    axes.text(20_000, start - floor + 0.006, "vectors of zeros", color=GREY, ha="right")
    axes.set_ylim(-0.01, 0.42)
    axes.set_xlabel("pairs seen")
    axes.set_ylabel("exact loss above the limit (nats a pair)")
    axes.legend(loc="upper right", bbox_to_anchor=(1, 0.64))
    show(figure)


draw_curves()
last, small = (np.array([curve[-1, 1] for curve in curves])
               for curves in (loop_curves, batch_curves[32]))
assert abs(last.mean() - small.mean()) < 0.02 and max(last.max(), small.max()) < 0.1
assert min(curve[:, 1].max() for curve in batch_curves[256]) > start - floor

# %% [markdown]
# Lines are means over three seeds of the random numbers, bands go from the lowest to the highest.
# Small batches do what the loop does. Batches of 256 at the same learning rate do not: all their
# gradients are taken at the *same old* vectors, nobody sees what the neighbour has corrected, and
# on a row that is named thirty times the sum goes too far. Large batches need smaller steps.
# (`minilm.Word2Vec` takes 256 centres at once and shortens the step of a row that is named too
# often: `descend` in `minilm/embeddings/negative_sampling.py`.)
#
# ## 7. What has it learned?
#
# Now to the question of the beginning. Train for 20 **epochs** (readings of all pairs), and lay the
# product of each pair beside its optimum. In the left panel the vectors have 24 numbers, as many as
# there are words, so that any table of products could be reached; in the right one they have 4.

# %%
learned = {
    width: np.array([train_in_batches(all_pairs, width=width, seed=seed)[0] for seed in (0, 1, 2)])
    for width in (24, 4)
}                                                    # width -> (3 seeds, W, W)


# %% jupyter={"source_hidden": true} tags=["hide-input"]
def draw_products():
    figure, panels = plt.subplots(1, 2, figsize=(8.0, 4.3), sharex=True, sharey=True)
    rare = np.less(X, np.median(X))
    for axes, (width, products) in zip(panels, learned.items(), strict=True):
        low, middle, high = np.sort(products, axis=0)
        for chosen, colour, marker, name in (
            (rare, ORANGE, "v", "rarer half of the pairs"),
            (~rare, BLUE, "o", "more frequent half"),
        ):
            axes.vlines(optimum[chosen], low[chosen], high[chosen], color=colour, alpha=0.35,
                        rasterized=True)             # else the exported file is huge
            axes.plot(optimum[chosen], middle[chosen], marker, color=colour, markersize=3.5,
                      label=name, rasterized=True)
        axes.axline((0, 0), slope=1, color=BLACK, linewidth=1)
        axes.set_title(f"vectors of {width} numbers", fontsize=10)
        axes.set_xlabel(r"PMI $-$ log k (nats)")
        axes.set_aspect("equal")
    panels[0].annotate("limit: learned = optimum", (-2.1, -2.1), (-1.35, -2.4), fontsize=9,
                       arrowprops={"arrowstyle": "-"})
    panels[0].legend(loc="upper left", fontsize=9)
    panels[0].set_ylabel("learned product v·u (nats)")
    show(figure, "01-learned-product-against-pmi")


draw_products()

# %% jupyter={"source_hidden": true} tags=["hide-input"]
def distance(products):
    return np.median(np.abs(products - optimum))


rare = np.less(X, np.median(X))
far_rare, far_frequent = (np.median(np.abs(learned[4] - optimum)[:, half])
                          for half in (rare, ~rare))
assert far_frequent < 0.85 * far_rare
above_floor = {w: [expected_loss(p) - floor for p in ps] for w, ps in learned.items()}
correlation = {w: [np.corrcoef(p.ravel(), optimum.ravel())[0, 1] for p in ps]
               for w, ps in learned.items()}
assert min(correlation[24]) > 0.97 and distance(learned[24][0]) < 0.1
assert distance(learned[4][0]) > 3 * distance(learned[24][0])
saved = saved_rows("benchmarks/known_optimum.csv")
of_minilm = np.corrcoef([r["learned"] for r in saved], [r["optimum"] for r in saved])[0, 1]
say(f"""
- **Wide enough, the products are PMI − log k.** The correlation over all {X.size} pairs is
  {min(correlation[24]):.3f} to {max(correlation[24]):.3f} (three seeds), the median distance
  {distance(learned[24][0]):.3f} nats. What is left, {np.mean(above_floor[24]):.4f} nats a pair
  above the limit, is unfinished learning of the rare pairs.
- **Too narrow, they are a compromise.** With 4 numbers a word the correlation is
  {np.mean(correlation[4]):.2f}: {W * 4 * 2} numbers can't hold {X.size} products. The
  frequent half of the pairs ends nearer to its optimum, {far_frequent:.2f} nats in the median where
  the rarer half has {far_rare:.2f}: it stands in the loss most often.
- `minilm.Word2Vec`, with its runs of text and shared negatives, reaches {of_minilm:.3f} on the same
  text (saved rows of a longer run, drawn in `docs/word-vectors.md`).
""")

# %% [markdown]
# On the left the bars from the lowest to the highest of three seeds are short, although their
# *vectors* have nothing in common: only the products are determined. Turn all vectors $v$ and $u$
# by the same rotation and not one product changes. On the right some bars are long: with too few
# numbers, different seeds come to different compromises.
#
# Two things make this exact here and a rule of thumb elsewhere. In a real text most pairs are never
# seen: their optimum is $-\infty$. And the vectors are always too narrow, on purpose. The
# compromise of the right panel is where words of like company are pushed together.
#
# ## 8. A real text
#
# `minilm.Word2Vec` has the arguments and the life of gensim's class of that name. `sg=1` asks for
# skip-gram. On the Python reference, ten epochs. Two words are compared by the **cosine** of the
# angle between their vectors $v$: 1 if they point the same way, 0 at a right angle.

# %%
model = Word2Vec(text, vector_size=64, window=5, min_count=5, sg=1, negative=5, epochs=10, seed=0)
rows = []
for word in ("left", "true", "float", "tuple", "import", "except", "python"):
    nearest = model.wv.most_similar(word, topn=4)
    rows.append([f"**{word}**", ", ".join(f"{other} {cosine:.2f}" for other, cosine in nearest)])
table(["word", "nearest, with their cosine"], rows)
say(f"{len(model.wv):,} words are frequent enough to have a vector.")

# %% [markdown]
# Some of it is pleasing and some is chance. Let us not pick the pleasing part. Here are nine groups
# of words that belong together by what they mean, chosen by the author of this page. Our measure
# is: *take two words of one group, and two words of different groups; how often is the cosine of
# the first two larger?* 50 % is guessing, 100 % is a perfect separation. And we compare with
# **counting**: PPMI, the PMI of each pair where it is positive and 0 elsewhere, shortened to 64
# numbers by a truncated singular value decomposition (the best such table in 64 directions; how, is
# told in [02](02_small_embeddings.ipynb)). It learns nothing, it counts.

# %%
GROUPS = """integer float complex int decimal; list tuple set dictionary sequence;
    try except finally raise raised; import module package imported; true false boolean not;
    left right side hand; coroutine async await generator;
    string character characters str unicode; class instance method attribute subclass"""
groups = [[w for w in group.split() if w in vocabulary.index] for group in GROUPS.split(";")]
chosen = [word for group in groups for word in group]
group_of = np.repeat(np.arange(len(groups)), [len(group) for group in groups])


def separation(wv):
    """How often two words of one group are nearer than two of different groups: 0 to 1."""
    x = wv.unit_vectors(np.array([wv.get_index(word) for word in chosen]))
    i, j = np.triu_indices(len(chosen), k=1)
    cosine, same = (x @ x.T)[i, j], group_of[i] == group_of[j]
    return float((cosine[same][:, None] > cosine[~same]).mean())


settings = {"vector_size": 64, "window": 5, "min_count": 5}
untrained = [
    separation(KeyedVectors(model.wv.index_to_key, SkipGram(len(model.wv), 64).init(s)
                            ["input_embedding"])) for s in (0, 1, 2)
]
counting = [separation(PPMI(text, seed=s, **settings).wv) for s in (0, 1, 2)]
learning = {
    epochs: [separation(Word2Vec(text, sg=1, epochs=epochs, seed=s, **settings).wv)
             for s in (0, 1, 2)]
    for epochs in (1, 3, 10, 30)
}


# %% jupyter={"source_hidden": true} tags=["hide-input"]
def draw_separation():
    figure, axes = plt.subplots(figsize=(7.2, 3.8))
    epochs = np.array(list(learning))
    low, middle, high = (100 * np.sort(list(learning.values()), axis=1)).T
    axes.fill_between(epochs, low, high, color=BLUE, alpha=0.25, linewidth=0)
    axes.plot(epochs, middle, "o-", color=BLUE)
    axes.text(3.3, middle[1] - 6, "skip-gram", color=BLUE)
    axes.axhspan(100 * min(counting), 100 * max(counting), color=ORANGE, alpha=0.35, linewidth=0)
    axes.axhline(100 * np.median(counting), color=ORANGE, linestyle="--")
    axes.text(1, 100 * max(counting) + 0.6, "counting: PPMI, 64 numbers", color=ORANGE,
              va="bottom")
    axes.axhline(100, color=BLACK)
    axes.text(30, 99.2, "limit: perfect separation", ha="right", va="top")
    axes.axhline(50, color=GREY, linestyle=":")
    axes.text(30, 50.6, "guessing", color=GREY, ha="right", va="bottom")
    axes.set_xscale("log")
    axes.set_xticks(epochs, [str(e) for e in epochs])
    axes.minorticks_off()
    axes.set_ylim(47, 102)
    axes.set_xlabel("times the text was read (epochs)")
    axes.set_ylabel("pairs of pairs in\nthe right order (%)")
    show(figure)


draw_separation()

# %% jupyter={"source_hidden": true} tags=["hide-input"]
best = max(learning, key=lambda epochs: np.median(learning[epochs]))
assert np.median(learning[1]) < 0.7 < np.median(learning[10])
assert np.median(learning[best]) < np.median(counting) + 0.05
assert np.median(learning[30]) < np.median(learning[10])
say(f"""
- One reading teaches next to nothing: {np.median(learning[1]):.0%}, where untrained vectors have
  {min(untrained):.0%} to {max(untrained):.0%}.
- Ten readings come to {np.median(learning[10]):.0%}. **Counting has {np.median(counting):.0%}, at
  once, without any learning rate.**
- Thirty readings give {np.median(learning[30]):.0%}. More of so small a text is not better,
  perhaps because the vectors begin to fit its accidents.

These are {len(chosen)} words and one small text: enough to compare these lines, and nothing more.
""")

# %% [markdown]
# Does that hold for more text and for judgements of people? The repository keeps a longer run: 331
# thousand words of Wikipedia, and word pairs whose relatedness people have scored (WordSim-353).
# The number is Spearman's rank correlation: 1 if cosines and people put all pairs in the same
# order, 0 if there is no relation.

# %%
longer = saved_rows("benchmarks/counted_vectors.csv")
scores = {}
for row in longer:
    scores.setdefault(row["model"], []).append(row["WordSim-353"])
asked = ("untrained", "skip-gram", "skip-gram, 25 epochs", "PPMI, truncated SVD")
table(["vectors of 100 numbers", "Spearman, mean of 3 seeds", "lowest – highest"], [
    [name, f"{np.mean(scores[name]):.3f}", f"{min(scores[name]):.3f} – {max(scores[name]):.3f}"]
    for name in asked
])
assert max(scores["skip-gram"]) < min(scores["PPMI, truncated SVD"])
assert np.mean(scores["skip-gram, 25 epochs"]) < np.mean(scores["PPMI, truncated SVD"])

# %% [markdown]
# Here, too, learning comes near only after more readings, and does not pass. On small texts
# counting is hard to beat, because it uses every pair at once.
# What learning has in its favour are texts whose table of counts would not fit into memory, and
# that it goes on when more text comes in.
#
# ## On your own
#
# **1. How far does a window reach?** Word2vec does not use the same window everywhere. At each
# centre it draws a width from $1, 2, \dots, w$, all equally likely, and takes the words up to that
# distance. With which chance is a word at distance $d$ inside? Write `reach(window)`, which returns
# the chances for $d = 1, 2, \dots, w$ as an array of `window` numbers. `window` is an integer of at
# least 1.

# %%
def reach(window):
    """window: w  ->  (w,) the chance that a word at distance 1, 2, …, w is inside"""
    ### BEGIN SOLUTION
    distance = np.arange(1, window + 1)
    return (window - distance + 1) / window           # widths d, d + 1, …, w of the w possible
    ### END SOLUTION


# %%
check("reach", reach)

# %% [markdown]
# **2. Where does the product go, really?** In section 4 the hat held each word by its share. In
# word2vec it holds words by count to the power of 0.75. Repeat the derivation for any exponent
# $\alpha$ (the hat holds word $j$ with probability
# $P_\alpha(j) = X_j^\alpha / \sum_m X_m^\alpha$, where $X_j$ is the sum of *column* $j$), and
# return the optimal products.
#
# `counts`: $(V, V)$ array of how often each pair was seen, all above 0, not necessarily symmetric;
# `k`: negatives of each pair; `exponent`: $\alpha$. Returns a $(V, V)$ array, in nats.

# %%
def best_products(counts, k, exponent):
    """(V, V) counts of pairs  ->  (V, V) products v_i·u_j at which the loss is least"""
    ### BEGIN SOLUTION
    rows = counts.sum(axis=1, keepdims=True)          # X_i: pairs of each centre
    hat = counts.sum(axis=0) ** exponent
    return np.log(counts / (k * rows * hat / hat.sum()))
    ### END SOLUTION


# %%
check("best_products", best_products)

# %% [markdown]
# **3. Fix the bug.** Here is a step that someone wrote to be quick: all pairs of the batch *share*
# one set of $N$ negatives, so that their scores are one matrix product. Each negative then stands
# for $k/N$ of what a pair is owed. A fine idea (minilm does it, too), and the program runs without
# complaint. But look at what it learns.

# %%
def hasty_step(v_table, u_table, centres, contexts, negatives, k, step):
    """centres, contexts: (B,), negatives: (N,) ids, shared  ->  the two new tables"""
    v_table, u_table = v_table.copy(), u_table.copy()
    v, u, noise = v_table[centres], u_table[contexts], u_table[negatives]
    error = sigmoid((v * u).sum(axis=1, keepdims=True)) - 1              # (B, 1)
    errors = sigmoid(v @ noise.T) * (k / len(negatives))                 # (B, N)
    np.subtract.at(v_table, centres, step * (error * u + errors @ noise))
    np.subtract.at(u_table, contexts, step * (error * v))
    u_table[negatives] -= step * (errors.T @ v)
    return v_table, u_table


def products_after(one_step, epochs=5, size=256, shared=64, seed=0):
    """The products v·u that training with such a step comes to: (W, W)."""
    rng = np.random.default_rng(seed)
    v_table, u_table = fresh_tables(24, rng)
    steps = epochs * (len(all_pairs) // size)
    for done in range(steps):
        pairs = all_pairs[rng.integers(0, len(all_pairs), size)]
        v_table, u_table = one_step(v_table, u_table, *pairs.T, draw_negatives(shared, rng), K,
                                    np.float32(0.05 * (1 - done / steps)))
    return v_table @ u_table.T


hasty = products_after(hasty_step)
too_large = np.median(hasty - optimum)
assert too_large > 0.5
say(f"Half of its products are more than **{too_large:.2f} nats too large**, so words seem to meet "
    f"{np.exp(too_large):.1f} times as often as they do. The loss falls all the same, from "
    f"{start:.3f} to {expected_loss(hasty):.3f}; only who knows the limit, {floor:.3f}, sees that "
    "something is wrong.")

# %% [markdown]
# Write the step as it should be. Arguments: `v_table`, `u_table`: $(V, D)$ floats; `centres`,
# `contexts`: $(B,)$ integers; `negatives`: $(N,)$ integers, in which a word may be there several
# times and then counts as often; `k`: negatives owed to each pair; `step`: the learning rate.
# Return the two new tables, and leave those that were given as they are. All gradients are taken at
# the old tables.

# %%
def mended_step(v_table, u_table, centres, contexts, negatives, k, step):
    """centres, contexts: (B,), negatives: (N,) ids, shared  ->  the two new tables"""
    ### BEGIN SOLUTION
    v_table, u_table = v_table.copy(), u_table.copy()
    v, u, noise = v_table[centres], u_table[contexts], u_table[negatives]
    error = sigmoid((v * u).sum(axis=1, keepdims=True)) - 1
    errors = sigmoid(v @ noise.T) * (k / len(negatives))
    np.subtract.at(v_table, centres, step * (error * u + errors @ noise))
    np.subtract.at(u_table, contexts, step * (error * v))
    np.subtract.at(u_table, negatives, step * (errors.T @ v))    # each of equal ones counts
    return v_table, u_table
    ### END SOLUTION


# %% tags=["uses-answer"]
def draw_mended():
    figure, axes = plt.subplots(figsize=(4.9, 4.0))
    for products, colour, marker, name in (
        (hasty, ORANGE, "v", "hasty step"), (products_after(mended_step), BLUE, "o", "your step"),
    ):
        axes.plot(optimum, products, marker, color=colour, markersize=3, label=name)
    axes.axline((0, 0), slope=1, color=BLACK, linewidth=1)
    handles, names = axes.get_legend_handles_labels()
    axes.legend(handles[::W], names[::W], loc="upper left")
    axes.set_xlabel(r"limit: PMI $-$ log k (nats)")
    axes.set_ylabel("learned product v·u (nats)")
    show(figure)


if check("mended_step", mended_step):
    draw_mended()

# %% [markdown]
# **4. The other word2vec.** CBOW (*continuous bag of words*) turns the question round: the mean
# $h = \frac{1}{n} \sum_i v_i$ of the vectors of the $n$ words in the window is asked for the
# centre, with the loss $-\log \sigma(h \cdot u) - \sum_j \log \sigma(-h \cdot n_j)$. Derive its
# gradients.
#
# `context`: $(n, D)$, the rows $v_i$; `u`: $(D,)$, the centre's; `noise`: $(k, D)$. Return
# `dcontext`, `du`, `dnoise`, each in the shape of its argument.

# %%
def cbow_gradients(context, u, noise):
    """context: (n, D), u: (D,), noise: (k, D)  ->  dcontext (n, D), du (D,), dnoise (k, D)"""
    ### BEGIN SOLUTION
    h = context.mean(axis=0)
    dh, du, dnoise = pair_loss_backward(1.0, pair_loss(h, u, noise)[1])  # h in the place of v
    return np.tile(dh / len(context), (len(context), 1)), du, dnoise     # dh/dv_i = 1/n
    ### END SOLUTION


# %%
check("cbow_gradients", cbow_gradients)

# %% [markdown]
# **5. To think about.** gensim throws a drawn negative away if it happens to be the pair's own
# context. Repeat the derivation of section 4 for that rule: how often is $(i, j)$ then drawn as a
# negative, and where is the optimum? For which pairs does the difference matter?

# %% [markdown] tags=["solution"]
# *An answer.* A negative $j$ is thrown away when it was drawn for a true pair $(i, j)$. So it
# counts only where the true context was another word: $k\,(X_i - X_{ij})\,P_j$ times, where it was
# $k\,X_i\,P_j$. The optimum is
#
# $$\log \frac{X_{ij}}{(X_i - X_{ij})\,P_j} - \log k,$$
#
# that is $-\log(1 - X_{ij}/X_i)$ more than before. This matters for pairs that make up a good part
# of a word's company, such as *left* with *right*; for two words that never have another neighbour
# it is infinite. For most pairs of a real text $X_{ij}/X_i$ is tiny and nothing changes.

# %% [markdown]
# ## In practice
#
# **The same calls.** This is how gensim is called, and it runs here with another import:
#
#     from gensim.models import Word2Vec                 # or: from minilm import Word2Vec
#     model = Word2Vec(sentences, vector_size=64, window=5, min_count=5, sg=1, epochs=10)
#     model.wv.most_similar("tuple"); model.wv["tuple"]
#     model.wv.save_word2vec_format("vectors.bin", binary=True)
#
# **The same files.** The published C program wrote two formats, and they are what all libraries
# exchange: one line with $V$ and $D$, then each word with its numbers, as text or as float32.

# %%
with TemporaryDirectory() as folder:
    as_text, as_binary = Path(folder) / "vectors.txt", Path(folder) / "vectors.bin"
    model.wv.save_word2vec_format(as_text)
    model.wv.save_word2vec_format(as_binary, binary=True)
    for path, binary in ((as_text, False), (as_binary, True)):
        again = KeyedVectors.load_word2vec_format(path, binary=binary)
        assert again.index_to_key == model.wv.index_to_key
        assert np.array_equal(again.vectors, model.wv.vectors)          # not one bit is lost
    print("text begins with  ", as_text.read_text(encoding="utf-8")[:52].split("\n"))
    print("binary begins with", as_binary.read_bytes()[:28])
    V, D = model.wv.vectors.shape
    letters = sum(len(word.encode()) for word in model.wv.index_to_key)
    assert as_binary.stat().st_size == len(f"{V} {D}\n") + letters + V + 4 * V * D
    say(f"{V:,} words: {as_text.stat().st_size:,} bytes as text, {as_binary.stat().st_size:,} "
        "binary. Both give back every bit.")

# %% [markdown]
# **The same hat.** gensim keeps $2^{31}$ tickets: word $j$ owns the integers up to `cum_table[j]`.
# And it skips frequent words by comparing a 32-bit random number with `sample_int`. The rules in
# NumPy, beside section 3:

# %%
tickets = np.round(np.cumsum(counts_of_words**0.75) / (counts_of_words**0.75).sum() * (2**31 - 1))
sample_int = (keep_probability(counts_of_words) * (2**32 - 1)).astype(np.uint32)
by_tickets = np.diff(tickets, prepend=0) / (2**31 - 1)
assert np.abs(by_tickets - drawn).max() < 1e-9
assert np.abs(sample_int / (2**32 - 1) - kept).max() < 1e-9
table(["word", "tickets", "chance in the hat", "sample_int", "read with chance"], [
    [vocabulary.words[i], f"{np.diff(tickets, prepend=0)[i]:,.0f}", f"{drawn[i]:.4%}",
     f"{sample_int[i]:,}", f"{kept[i]:.3f}"] for i in (0, 1, 50, 500)
])

# %% [markdown]
# **Drawn windows.** gensim draws each centre's width; minilm gives a pair the weight of its chance
# instead (your `reach`), because the gradient is a sum over pairs: the same on average, with less
# noise.
#
# **A table of sigmoids.** In 2013 `exp` was thought too slow for the inner loop. So the C program,
# and gensim until today, looks σ up in a table of 1000 values between −6 and 6, and *skips* pairs
# with a score beyond. The place in the table is `(int)((s + 6) * (1000 / 6 / 2))`, and in C
# `1000 / 6 / 2` is a division of integers: 83, not 83⅓.

# %%
places = np.arange(1000)
sigmoid_table = sigmoid((places / 1000 * 2 - 1) * 6)


def sigmoid_of_gensim(s):
    """σ by table for −6 < s < 6, as in gensim and the published program."""
    return sigmoid_table[((s + 6) * (1000 // 6 // 2)).astype(int)]


s = np.linspace(-5.999, 5.999, 4801)
error = sigmoid_of_gensim(s) - sigmoid(s)
ideal = sigmoid_table[((s + 6) * 1000 / 12).astype(int)] - sigmoid(s)


# %% jupyter={"source_hidden": true} tags=["hide-input"]
def draw_table_error():
    figure, axes = plt.subplots(figsize=(7.2, 3.6))
    axes.plot(s, 100 * error, color=ORANGE)
    axes.plot(s, 100 * ideal, color=BLUE, linewidth=1)
    axes.plot(s, -100 * 0.012 * sigmoid(s) * sigmoid(-s), "--", color=BLACK, linewidth=1)
    axes.axhline(0, color=GREY, linewidth=1)
    axes.text(3.0, -0.62, "gensim: 83 places\nfor each unit", color=ORANGE)
    axes.text(-5.9, -0.21, "with 83⅓", color=BLUE)
    axes.annotate("limit of 83⅓: slope of σ\ntimes the table's step", (-1.3, -0.2), (-5.9, -0.62),
                  fontsize=9, arrowprops={"arrowstyle": "-"})
    axes.set_xlabel("score s (no unit)")
    axes.set_ylabel("table minus σ(s)\n(percentage points)")
    show(figure)


draw_table_error()
assert np.abs(ideal).max() <= 0.012 / 4 + 1e-9 < np.abs(error).max() < 0.01
say(f"The table answers at most {100 * np.abs(error).max():.2f} percentage points too little, with "
    f"83⅓ it would be {100 * np.abs(ideal).max():.2f}. It never answers too much. Beyond ±6, where "
    f"σ is within {100 * sigmoid(-6.0):.2f} points of 0 or 1, nothing is learned at all, not even "
    "by a pair that is as wrong as can be.")

# %% [markdown]
# That error harms nobody: it is far below the noise of drawing five negatives. But it shows why two
# programs with one formula do not give one result, and why minilm's vectors are compared with
# gensim's by quality (`docs/word-vectors.md`) and not bit by bit.
#
# ## References
#
# - T. Mikolov, K. Chen, G. Corrado and J. Dean, *Efficient estimation of word representations in
#   vector space*, arXiv:1301.3781, 2013 (2013a): skip-gram and CBOW, section 3.
# - T. Mikolov, I. Sutskever, K. Chen, G. Corrado and J. Dean, *Distributed representations of words
#   and phrases and their compositionality*, NeurIPS 2013 (2013b): negative sampling, eq. 4;
#   skipping frequent words, section 2.3. (The paper prints another formula for skipping than its
#   program has; libraries follow the program.)
# - O. Levy and Y. Goldberg, *Neural word embedding as implicit matrix factorization*, NeurIPS 2014:
#   the optimum, eqs. 4 to 7.
# - O. Levy, Y. Goldberg and I. Dagan, *Improving distributional similarity with lessons learned
#   from word embeddings*, TACL 2015: counting against learning, fairly.
# - J. R. Firth, *A synopsis of linguistic theory 1930–1955*, in Studies in Linguistic Analysis,
#   1957.
# - R. Řehůřek and P. Sojka, *Software framework for topic modelling with large corpora*, LREC
#   workshop 2010: gensim; its rules of *In practice* are in `word2vec.py` and `word2vec_inner.pyx`.
