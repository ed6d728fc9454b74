# %% [markdown]
# # 00 · Bits, losses, floors
#
# Every model in this course is trained to make one number small: its *loss*. What is that number?
# It is a length. A model that predicts a text well can store the text in few bits, and the loss
# says in how many. In this notebook we count letters, compute losses, and then write real files
# whose bytes agree with them.
#
# The length has a floor. Some texts cannot be stored in fewer bits, however clever the model is,
# and for the small language of this course we can compute that floor *exactly*. So we shall always
# know how good a model is, and how good it could be.
#
# ## What you will do
#
# - measure surprise in three units: bits, nats, perplexity
# - write an entropy coder in ten lines, and compare its file with the loss
# - count n-grams by hand with a dictionary, then with arrays, and cure them of saying "impossible"
# - compute the entropy of a Markov chain and of a grammar, without any sampling
# - draw the loss of n-grams above the exact floor, for longer histories and for more text
#
# ## What you will learn
#
# - why a loss *is* a file size
# - why cross-entropy is entropy plus the Kullback–Leibler divergence
# - what over-fitting looks like when the best possible loss is known
# - why two perplexities can be compared only if the tokens are the same
#
# ## What you need
#
# Python, NumPy arrays, logarithms, and what a probability is. No earlier notebook. All cells run in
# less than a minute; reading and exercises take about 90 minutes.

# %%
import heapq
import random
from collections import Counter, defaultdict
from functools import cache

import matplotlib.pyplot as plt
import numpy as np

from minilm.compression.coding import entropy_of, huffman, rans
from minilm.course import BLACK, BLUE, GREEN, GREY, ORANGE, PINK, check, say, show, style, table
from minilm.metrics import bits, perplexity
from minilm.nn import cross_entropy
from minilm.text import GRAMMAR, CharTokenizer, Grammar, WordTokenizer, witten_bell_losses

style()

# %% [markdown]
# ## 1. Surprise
#
# A *language model* reads a text from left to right, and before it sees the next symbol $x_t$, it
# gives every possible symbol a probability, $p(\cdot \mid x_1 \dots x_{t-1})$. Then the symbol is
# shown. Was it likely? The model's **surprise** is
#
# $$-\log p(x_t \mid x_1 \dots x_{t-1})$$
#
# It is 0 if the model was certain, and infinite if it had said "impossible". Why the logarithm?
# Because probabilities of a row of symbols *multiply*, and we want surprises to *add*. The
# **loss** is the mean surprise over all $N$ symbols of a text:
#
# $$L = -\frac{1}{N} \sum_{t=1}^{N} \log p(x_t \mid x_1 \dots x_{t-1})$$
#
# The simplest model ignores what came before and gives each letter the same probability everywhere:
# its share in the text. In ABRACADABRA, five of eleven letters are an A:

# %%
word = "ABRACADABRA"
share = {letter: n / len(word) for letter, n in Counter(word).items()}
table(
    ["letter", "how often", "p", "surprise −log₂ p (bits)"],
    [[letter, Counter(word)[letter], f"{p:.3f}", f"{-np.log2(p):.2f}"]
     for letter, p in share.items()],
)

# %% [markdown]
# With the logarithm to base 2, surprise is measured in **bits**: one bit is the surprise about a
# fair coin. With the natural logarithm it is measured in **nats**, and this is what training
# programs use, because $\ln$ has the simpler derivative. One nat is $1 / \ln 2 \approx 1.44$ bits.
# A third way to say the same is the **perplexity** $e^{L}$ ($L$ in nats): a model of perplexity 6
# is as surprised as someone who chooses among 6 equally likely symbols each time.

# %%
loss_bits = -np.mean([np.log2(share[letter]) for letter in word])
loss_nats = -np.mean([np.log(share[letter]) for letter in word])

assert np.isclose(bits(loss_nats), loss_bits)                    # minilm.metrics: nats / ln 2
assert np.isclose(perplexity(loss_nats), 2**loss_bits)           # e^nats = 2^bits
say(f"""
The loss of {word} is **{loss_bits:.3f} bits** = {loss_nats:.3f} nats per letter: perplexity
{perplexity(loss_nats):.2f}. Without the shares, choosing among {len(share)} letters, it would be
{np.log2(len(share)):.3f} bits: perplexity {len(share)}.
""")

# %% [markdown]
# ## 2. A loss is a file size
#
# To store the word, give each letter a *code word* of 0s and 1s. Frequent letters should get short
# ones. But no code word may be the beginning of another one, or nobody could tell where one ends.
# How short can they be? Think of a stretch of length 1 that all code words have to share. The code
# word 0 takes all numbers that begin with $0.0\dots$ in binary: half of the stretch. A code word of
# $\ell$ bits takes $2^{-\ell}$. Together they can take no more than everything:
#
# $$\sum_{\text{letters}} 2^{-\ell} \leq 1 \qquad \text{(Kraft)}$$
#
# So a letter of $\ell$ bits is *treated as if* its probability were $2^{-\ell}$. The best would be
# $2^{-\ell} = p$, which is $\ell = -\log_2 p$: the surprise. Only, code words have whole numbers of
# bits. **Huffman's** method finds the best whole ones: join the two rarest symbols into one, and go
# on until a single one is left. With each join, the letters inside get one bit longer.

# %%
def huffman_lengths(counts):
    """Bits of each letter's code word; counts: {letter: how often}."""
    length = dict.fromkeys(counts, 0)
    heap = [(n, letter) for letter, n in counts.items()]        # smallest first
    heapq.heapify(heap)
    while len(heap) > 1:
        (n, some), (m, others) = heapq.heappop(heap), heapq.heappop(heap)
        for letter in some + others:
            length[letter] += 1
        heapq.heappush(heap, (n + m, some + others))
    return length


lengths = huffman_lengths(Counter(word))
letters = sorted(lengths)
counts = np.array([Counter(word)[letter] for letter in letters])
by_minilm = huffman.lengths_of(counts)
huffman_bits = sum(lengths[letter] for letter in word) / len(word)

assert sum(2.0**-length for length in lengths.values()) == 1                # nothing is wasted
assert counts @ by_minilm == huffman_bits * len(word)                       # minilm: just as short
assert np.isclose(entropy_of(counts), loss_bits) and loss_bits <= huffman_bits < loss_bits + 1

# %% jupyter={"source_hidden": true} tags=["hide-input"]
def draw_shares():
    figure, axes = plt.subplots(figsize=(7.6, 2.7))
    order = sorted(letters, key=lambda letter: (lengths[letter], letter))
    colours = dict(zip(order, (BLUE, ORANGE, GREEN, PINK, GREY), strict=True))
    for height, widths in ((1, share), (0, {a: 2.0**-lengths[a] for a in order})):
        left = 0.0
        for a in order:
            axes.barh(height, widths[a], left=left, height=0.62, color=colours[a], alpha=0.3,
                      edgecolor=BLACK, linewidth=0.8)
            size = -np.log2(widths[a])
            axes.text(left + widths[a] / 2, height, f"{a}\n{size:.2f}" if height else
                      f"{a}\n{size:.0f}", ha="center", va="center")
            left += widths[a]
    axes.set_yticks([0, 1], ["Huffman's\ncode words", "the letters"])
    axes.set_xlabel("share of everything (no unit); below a letter: its bits, −log₂ of its share")
    axes.grid(False)
    axes.set_xlim(0, 1)
    return figure


show(draw_shares())
say(f"""
With Huffman's code words the {len(word)} letters take {huffman_bits * len(word):.0f} bits,
**{huffman_bits:.3f}** per letter. The loss says **{loss_bits:.3f}**. The difference is what whole
bits cost: the lower shares are not quite the upper ones.
""")

# %% [markdown]
# ### Fractions of a bit
#
# How can a letter take a fraction of a bit? By not having a code word of its own. Write the *whole
# text as one whole number* $x$. Give each letter a share $f$ of $2^B$ slots, so that $p = f / 2^B$,
# and let $c$ be the slot where its share begins. To add a letter,
#
# $$x' = \lfloor x / f \rfloor \cdot 2^B + c + (x \bmod f)$$
#
# The new number is about $x \cdot 2^B / f = x / p$. So its length, $\log_2 x$, grows by
# $-\log_2 p$: just the surprise, fractions and all. And the step can be undone: $x' \bmod 2^B$ is a
# slot inside the share of the letter that was added. What was added last comes out first, so the
# writer begins at the end of the text. This is **rANS** (*range asymmetric numeral systems*,
# Duda 2013). Python's integers may be as long as they like, so that is all there is to it:

# %%
B = 32                                              # 2^32 slots


def slots(p):
    """{letter: (c, f)}: where its share begins, and how many of the 2^B slots it has."""
    spare = 2**B - len(p)                           # each letter gets one slot in any case
    edges = np.cumsum([0, *p.values()]) / sum(p.values()) * spare
    edges = np.round(edges).astype(np.int64).tolist()
    return {letter: (edges[k] + k, edges[k + 1] - edges[k] + 1) for k, letter in enumerate(p)}


def write(text, model):
    """The text as bytes. model: what came before -> {letter: p}."""
    x = 1
    for t in reversed(range(len(text))):
        c, f = slots_of(model, text[max(0, t - 9):t])[text[t]]      # 9 letters of history will do
        x = (x // f << B) + c + x % f
    return x.to_bytes((x.bit_length() + 7) // 8, "big")


def read(file, length, model):
    """The text of so many letters that `write` wrote with the same model."""
    x, text = int.from_bytes(file, "big"), ""
    for _ in range(length):
        share_of = slots_of(model, text[-9:])
        slot = x % 2**B
        letter = next(a for a, (c, f) in share_of.items() if c <= slot < c + f)
        c, f = share_of[letter]
        x = f * (x >> B) + slot - c
        text += letter
    return text


@cache                                              # the same history, the same slots
def slots_of(model, history):
    return slots(model(history))


# %% [markdown]
# The reader asks the model too, about the letters it already has, and so it needs the same model.
# But it needs nothing else. Our text from now on comes from a small language made for this course,
# village stories that a grammar draws at random. We count letters in one sample of it, the
# *training* text, and write another one, the *held-out* text, which the model has not seen.

# %%
train_text = GRAMMAR.sample(1000, seed=1)           # 1000 sentences
held_out = GRAMMAR.sample(300, seed=1001)
alphabet = sorted(set(train_text))                  # the letters, space, full stop, new line
tokenizer = CharTokenizer.train(train_text)
train_ids, held_out_ids = tokenizer.encode(train_text), tokenizer.encode(held_out)
V = tokenizer.vocab_size
print(held_out[:222])

letter_share = {a: n / len(train_text) for a, n in sorted(Counter(train_text).items())}


def shares_alone(history):
    """A model that ignores the history."""
    return letter_share


loss = -np.mean([np.log(letter_share[a]) for a in held_out])    # nats per letter
promised = bits(loss) * len(held_out) / 8                       # bytes
file = write(held_out, shares_alone)
assert read(file, len(held_out), shares_alone) == held_out

# minilm's rANS: the same steps in 32-bit arithmetic, so that it is fast
letter_shares = rans.shares_of(np.bincount(train_ids, minlength=V))
fast_file = rans.encode([held_out_ids], [letter_shares])
assert np.array_equal(rans.decode(fast_file, [letter_shares], [len(held_out)])[0], held_out_ids)
assert abs(len(file) - promised) <= 5
assert abs(len(fast_file) - promised) < 0.01 * promised

# %% jupyter={"source_hidden": true} tags=["hide-input"]
say(f"""
Of the {V} different characters, the held-out text has {len(held_out):,}. At 8 bits each it takes
{len(held_out):,} bytes.

| | bytes |
|---|---:|
| loss of {bits(loss):.4f} bits × {len(held_out):,} characters / 8 | **{promised:,.1f}** |
| our file, as one number | **{len(file):,}** |
| the file of `minilm.compression.coding.rans` | {len(fast_file):,} |

The loss is the size of the file. (minilm's file is a little longer: it works with several numbers
of 32 bits side by side, and has to store where each of them ended.)
""")

# %% [markdown]
# ## 3. Cross-entropy = entropy + divergence
#
# Let the symbols truly come with probabilities $p$, and a model believe in $q$. Its loss, in the
# mean over endlessly many symbols, is the **cross-entropy**
#
# $$H(p, q) = -\sum_x p(x) \log q(x)$$
#
# What is the best $q$? Split the logarithm, $-\log q = -\log p + \log (p / q)$:
#
# $$\underbrace{-\sum p \log q}_{\text{cross-entropy } H(p, q)}
#   = \underbrace{-\sum p \log p}_{\text{entropy } H(p)}
#   + \underbrace{\sum p \log \frac{p}{q}}_{\text{divergence } D(p \,\|\, q)}$$
#
# The **entropy** $H(p)$ does not depend on the model: it belongs to the source. The
# **Kullback–Leibler divergence** $D(p \| q)$ is never negative. (Because $\ln z \leq z - 1$,
# $-D = \sum p \ln \frac{q}{p} \leq \sum p\,(\frac{q}{p} - 1) \leq 1 - 1 = 0$.) It is 0 only
# for $q = p$. So **the entropy is the floor of every loss**, and the divergence is what a model
# wastes. In code, with $0 \log 0 = 0$ (what never comes costs nothing):

# %%
def entropy(p):
    return -sum(p[x] * np.log2(p[x]) for x in p if p[x] > 0)


def cross(p, q):
    return -sum(p[x] * np.log2(q[x]) for x in p if p[x] > 0)


def divergence(p, q):
    return sum(p[x] * np.log2(p[x] / q[x]) for x in p if p[x] > 0)


models = {
    "the shares themselves": share,
    "Huffman: 2^(−bits)": {a: 2.0**-lengths[a] for a in share},
    "all letters alike": dict.fromkeys(share, 1 / len(share)),
}
rows = []
for name, q in models.items():
    assert np.isclose(cross(share, q), entropy(share) + divergence(share, q))
    rows.append([name, f"{cross(share, q):.3f}", f"{entropy(share):.3f}",
                 f"{divergence(share, q):.3f}"])
table([f"{word} with (bits per letter)", "cross-entropy", "= entropy", "+ divergence"], rows)

# %% [markdown]
# The second row is Huffman's code again: whole bits are a wrong belief about the letters, and its
# divergence is the price. For two symbols the whole story fits in a picture. Let a coin show heads
# with probability $p = 0.2$; the model believes $q$.

# %%
def draw_coin(p=0.2):
    figure, axes = plt.subplots(figsize=(6.8, 3.6))
    q = np.linspace(0.005, 0.98, 400)
    cost = -(p * np.log2(q) + (1 - p) * np.log2(1 - q))
    floor = -(p * np.log2(p) + (1 - p) * np.log2(1 - p))
    axes.plot(q, cost, color=BLUE, linewidth=2)
    axes.axhline(floor, color=BLACK, linestyle="--")
    axes.plot(p, floor, "o", color=BLACK)
    axes.annotate("cross-entropy H(p, q)", (0.63, 1.4), color=BLUE, ha="right")
    axes.annotate(f"floor: entropy H(p) = {floor:.3f} bits", (0.98, floor - 0.11), ha="right")
    axes.annotate("", (0.5, 1), (0.5, floor), arrowprops={"arrowstyle": "<->", "color": ORANGE})
    axes.annotate("divergence at q = 0.5:\nwhat a wrong belief costs", (0.52, 0.8), color=ORANGE)
    axes.set_ylim(0.5, 2.2)
    axes.set_xlabel("believed probability q of heads (true: p = 0.2)")
    axes.set_ylabel("loss (bits per throw)")
    return figure


show(draw_coin())

# %% [markdown]
# ## 4. n-grams: counting what follows
#
# After `th` an `e` is likely, whatever its share in the whole text. An **n-gram model** of order
# $n$ looks at the $n - 1$ characters before, the *history* $h$, and counts in the training text
# what followed it:
#
# $$p(w \mid h) = \frac{c(h\,w)}{c(h)}$$
#
# $c(h\,w)$ is how often $w$ followed $h$, and $c(h)$ how often anything did. A dictionary of
# counters is all we need:

# %%
def count(text, order):
    """counts[h][w]: how often w followed h, for all histories of 0 … order − 1 characters."""
    counts = defaultdict(Counter)
    for length in range(order):
        for start in range(len(text) - length):
            history, w = text[start:start + length], text[start + length]
            counts[history][w] += 1
    return dict(counts)


counts = count(train_text, order=10)
for history in ("", "th", "the dogs "):
    followers = counts[history].most_common(5)
    print(f"after {history!r}:", ", ".join(f"{w!r} {n} times" for w, n in followers))


def babble(order, length, seed=0):
    """Each character drawn from what followed the order − 1 before it."""
    draw, text = random.Random(seed), "\n"
    while len(text) < length:
        followers = counts[text[max(0, len(text) - order + 1):]]
        text += draw.choices(list(followers), list(followers.values()))[0]
    return text[1:].replace("\n", " ")


for order in (1, 2, 3, 5, 9):
    print(f"\norder {order}: {babble(order, 85)}")

# %% [markdown]
# Counting alone learns spelling, then words, then grammar. Is the longest history the best? Not so
# fast. In a text that was not counted, some characters come after a history they never came after:

# %%
def by_counts(counts, text, order):
    """c(h w) and c(h) at each position of a text that has a whole history."""
    pairs = []
    for t in range(order - 1, len(text)):
        followers = counts.get(text[t - order + 1:t], {})
        pairs.append((followers.get(text[t], 0), sum(followers.values())))
    return np.array(pairs).T                                  # each (len(text) − order + 1,)


rows = []
for order in range(1, 11):
    own, of_history = by_counts(counts, train_text, order)
    new, _ = by_counts(counts, held_out, order)
    training_loss = -np.log(own / of_history).mean()
    never = np.mean(new == 0)
    rows.append([order, f"{training_loss:.3f}", f"{never:.2%}", "infinite" if never else "finite"])
table(["order", "loss on the training text (nats)", "held-out characters it calls impossible",
       "held-out loss"], rows)

# %% [markdown]
# On its own training text the model gets better and better. But a single "impossible" makes the
# held-out loss infinite: the file cannot be written. Some probability must be kept for what has
# never been seen. That is **smoothing**.
#
# **Add one** (Laplace): pretend that each of the $V$ characters followed each history once more.
#
# $$p(w \mid h) = \frac{c(h\,w) + 1}{c(h) + V}$$
#
# **Witten and Bell** ask: how often does something *new* follow $h$? Each of the $T(h)$ different
# characters seen after $h$ was new once. So, as if $T(h)$ of $c(h) + T(h)$ events had been
# novelties, give this share to the model whose history $h'$ is one character shorter:
#
# $$p_n(w \mid h) = \frac{c(h\,w) + T(h)\; p_{n-1}(w \mid h')}{c(h) + T(h)}, \qquad
#   p_0(w) = \frac{1}{V}$$
#
# The formula calls itself, and so does the code:

# %%
@cache
def witten_bell(history):
    """{w: p(w | history)} from the counts above."""
    if history is None:
        return dict.fromkeys(alphabet, 1 / len(alphabet))                           # p_0
    shorter = witten_bell(history[1:] if history else None)
    followers = counts.get(history)
    if followers is None:                                     # never seen: ask the shorter one
        return shorter
    c, T = sum(followers.values()), len(followers)
    return {w: (followers[w] + T * shorter[w]) / (c + T) for w in alphabet}


def of_order(order):
    """The model that sees order − 1 characters of history."""
    return lambda history: witten_bell(history[max(0, len(history) - order + 1):])


def loss_of(model, text):
    """Nats per character."""
    return -np.mean([np.log(model(text[max(0, t - 9):t])[text[t]]) for t in range(len(text))])


sentence = witten_bell("the d")
assert np.isclose(sum(sentence.values()), 1) and min(sentence.values()) > 0
by_hand = [loss_of(of_order(order), held_out) for order in range(1, 11)]
by_minilm = witten_bell_losses(train_ids, held_out_ids, V, max_order=10)
assert np.allclose(by_hand, by_minilm, atol=1e-6)

# %% [markdown]
# `minilm.text.witten_bell_losses` computes the same with sorted arrays instead of dictionaries. Now
# every loss is finite, so every order can write the file, and the reader, who counts the same
# training text, can read it:

# %%
orders_written = (1, 2, 3, 4, 6, 8, 10)
rows, excerpt = [], held_out[:6000]
for order in orders_written:
    model = of_order(order)
    loss = loss_of(model, excerpt)
    promised, file = bits(loss) * len(excerpt) / 8, write(excerpt, model)
    if order in (2, 6):
        assert read(file, len(excerpt), model) == excerpt
    assert abs(len(file) - promised) <= 5
    rows.append([order, f"{loss:.4f}", f"{bits(loss):.4f}", f"{perplexity(loss):.3f}",
                 f"{promised:,.1f}", f"{len(file):,}"])
table(["order", "loss (nats)", "bits per character", "perplexity",
       f"bytes promised for {len(excerpt):,} characters", "bytes of the file"], rows)

# %% [markdown]
# Two things are worth noticing. The file is as long as promised, for a model that never saw the
# text. (The few bytes more are what any number needs to begin: its first letter costs a whole 32
# bits.) And the loss falls, and then *rises* again. Before we look into that, we want to know how
# low it could fall at all.
#
# ## 5. The floor of a source with memory
#
# In 1913, A. A. Markov counted 20 000 letters of Pushkin's *Eugene Onegin*, by hand. He wrote down
# only whether each was a vowel or a consonant. Of 8 638 vowels, 1 104 were followed by another
# vowel; of 11 362 consonants, 7 535 were followed by a vowel.
#
# A source like this, in which the next symbol depends only on the present one, is a **Markov
# chain**. Put its probabilities into a matrix $P$, a row for each present symbol, with
# $P_{ij} = p(j \mid i)$. What does it tell about the floor?
#
# 1. In the long run, the chain is in state $i$ with some share $\pi_i$ of the time. The shares no
#    longer change with a further step: $\pi P = \pi$, $\sum_i \pi_i = 1$. This $\pi$ is the
#    **stationary distribution**.
# 2. In state $i$, the next symbol has the entropy of row $i$. So the mean surprise of a model that
#    knows everything, the **entropy rate**, is
#
# $$H = \sum_i \pi_i \Big( -\sum_j P_{ij} \log P_{ij} \Big)$$
#
# For two states, $\pi$ can be found without any algebra. As many vowels must become consonants as
# consonants become vowels: $\pi_v P_{vc} = \pi_c P_{cv}$.

# %%
vv, cv = 1104 / 8638, 7535 / 11362                # vowel after vowel, vowel after consonant
onegin = np.array([[vv, 1 - vv], [cv, 1 - cv]])   # rows: now a vowel, a consonant

vowels = cv / ((1 - vv) + cv)                     # from the balance, with π_c = 1 − π_v
pi = np.array([vowels, 1 - vowels])
assert np.allclose(pi @ onegin, pi)               # another step changes nothing

row_entropies = -(onegin * np.log(onegin)).sum(axis=1)
rate = pi @ row_entropies                         # nats per letter
no_memory = -(pi * np.log(pi)).sum()
say(f"""
Vowels make {vowels:.1%} of the letters, as Markov found. Knowing that alone costs
{bits(no_memory):.3f} bits per letter to say "vowel" or "consonant". Knowing the letter before, it
costs **{bits(rate):.3f} bits**: exactly that, and no model of this chain can do better.
""")

# %% [markdown]
# A chain of more states needs a system of linear equations for $\pi$ (that is the first exercise).
# It is tempting to multiply $P$ by itself until its rows become $\pi$. That works for Onegin's
# letters, but not for a chain that goes round like the hand of a clock: its powers never settle,
# though $\pi$ exists.
#
# Does the floor hold? Draw letters from the chain, count n-grams in one sample, and write another:

# %%
def draw_chain(P, length, rng):
    """States of a Markov chain: (length,)."""
    state, states, edges = 0, [], P.cumsum(axis=1)
    for number in rng.random(length):
        state = int(np.searchsorted(edges[state], number))
        states.append(min(state, len(P) - 1))
    return np.array(states)


losses = np.array([
    witten_bell_losses(draw_chain(onegin, 10_000, np.random.default_rng([0, seed])),
                       draw_chain(onegin, 100_000, np.random.default_rng([1, seed])), 2, 5)
    for seed in range(3)
])                                                # nats: (samples, orders)
table(
    ["order", *range(1, 6), "exact floor"],
    [[f"sample {k + 1}: bits per letter", *(f"{bits(x):.4f}" for x in row), f"{bits(rate):.4f}"]
     for k, row in enumerate(losses)],
)
assert np.all(np.abs(losses[:, 1] - rate) < 0.005) and np.all(losses[:, 0] - rate > 0.05)

# %% [markdown]
# Order 2 knows the letter before, and it lands on the floor (give or take the luck of a sample).
# Higher orders gain nothing: there is nothing left to know.
#
# ### The floor of a grammar
#
# Our village stories are no Markov chain of letters. They come from a **grammar**: rules with
# probabilities, which replace a symbol until only words are left. A tiny one:

# %%
tiny = Grammar.parse("""
Sentence -> 1 Noun Verb
Verb     -> 0.75 sleeps | 0.25 sees Noun
Noun     -> 0.5 dog | 0.25 cat | 0.25 bird
""")
print(tiny.sample(4, seed=0))

# %% [markdown]
# If a sentence can be derived in only one way, its surprise is the sum of the surprises of the
# choices that made it. So the entropy of a sentence needs only two numbers for each symbol: how
# surprising its choice of a rule is on average, and how often the symbol is expected to be used.
# A Sentence brings in one Noun and one Verb, and the Verb a second Noun with probability 0.25. So
# we expect one Verb and $1.25$ Nouns:
#
# $$H = \underbrace{1 \cdot \big(-0.75 \log 0.75 - 0.25 \log 0.25\big)}_{\text{Verb}}
#     + \underbrace{1.25 \cdot \big(-0.5 \log 0.5 - 2 \cdot 0.25 \log 0.25\big)}_{\text{Nouns}}$$
#
# This language has only twelve sentences. Let us check by adding up all of them:

# %%
nouns = {"dog": 0.5, "cat": 0.25, "bird": 0.25}
sentences = {f"{a} sleeps.\n": 0.75 * p for a, p in nouns.items()}
sentences |= {f"{a} sees {b}.\n": 0.25 * p * q for a, p in nouns.items() for b, q in nouns.items()}
one_by_one = -sum(p * np.log(p) for p in sentences.values())

of_verb = -0.75 * np.log(0.75) - 0.25 * np.log(0.25)
of_noun = -sum(p * np.log(p) for p in nouns.values())
assert np.isclose(of_verb + 1.25 * of_noun, one_by_one) and np.isclose(tiny.entropy(), one_by_one)
assert tiny.expected_uses() == {"Sentence": 1.0, "Verb": 1.0, "Noun": 1.25}
say(f"{len(sentences)} sentences one by one: {bits(one_by_one):.4f} bits per sentence. From the "
    f"rules: {bits(of_verb + 1.25 * of_noun):.4f}.")

# %% [markdown]
# The grammar of the village stories has more rules, and some of them bring themselves in again
# (*a dog that a cat that …*), so it has infinitely many sentences. The sum over rules is exact all
# the same. Divided by the expected length of a sentence, it gives the entropy per character.

# %%
print("".join(str(GRAMMAR).splitlines(keepends=True)[:6]), "…")
floor = GRAMMAR.entropy_rate()                                        # nats per character
assert np.isclose(floor, GRAMMAR.entropy() / GRAMMAR.expected_length())

samples = [GRAMMAR.sample(1000, seed=2000 + seed) for seed in range(5)]
of_grammar = [-GRAMMAR.log_probability(sample) / len(sample) for sample in samples]
assert abs(np.mean(of_grammar) - floor) < 0.01
say(f"""
The floor is **{floor:.4f} nats** per character, {bits(floor):.4f} bits, perplexity
{perplexity(floor):.4f}. On five samples of 1000 sentences the grammar itself, which knows
everything, loses {min(of_grammar):.4f} to {max(of_grammar):.4f}: a sample can be a little luckier
or unluckier than the mean.
""")

# %% [markdown]
# ## 6. Longer histories: the picture
#
# Dictionaries are slow. For many orders and several samples we want arrays. An n-gram of ids is a
# number with $n$ digits in base $V$, so equal n-grams are equal numbers, and `np.unique` counts
# them all at once:

# %%
def gram_numbers(ids, order):
    """Each run of `order` ids as one number in base V: (n,) -> (n − order + 1,)."""
    runs = np.lib.stride_tricks.sliding_window_view(ids.astype(np.int64), order)
    return runs @ V ** np.arange(order, dtype=np.int64)[::-1]


def how_often(train, ids, order):
    """How often each run of `order` ids comes in train: (n − order + 1,)."""
    seen, times = np.unique(gram_numbers(train, order), return_counts=True)
    numbers = gram_numbers(ids, order)
    place = np.searchsorted(seen, numbers).clip(max=len(seen) - 1)
    return np.where(seen[place] == numbers, times[place], 0)


def counts_of(train, ids, order):
    """c(h w) and c(h) at each position of ids that has a whole history."""
    return how_often(train, ids, order), how_often(train[:-1], ids[:-1], order - 1)


for order in (1, 2, 5):                           # the same as the dictionary, position by position
    for by_array, by_dictionary in zip(counts_of(train_ids, held_out_ids, order),
                                       by_counts(counts, held_out, order), strict=True):
        assert np.array_equal(by_array, by_dictionary)

# %%
ORDERS = range(1, 13)
curves = {"training": [], "add one": [], "Witten–Bell": []}          # nats: (samples, orders)
for seed in range(4):
    train = tokenizer.encode(GRAMMAR.sample(1000, seed=10 + seed))
    new = tokenizer.encode(GRAMMAR.sample(1000, seed=1010 + seed))
    own = [counts_of(train, train, order) for order in ORDERS]
    seen = [counts_of(train, new, order) for order in ORDERS]
    curves["training"].append([-np.log(c / h).mean() for c, h in own])
    curves["add one"].append([-np.log((c + 1) / (h + V)).mean() for c, h in seen])
    curves["Witten–Bell"].append(witten_bell_losses(train, new, V, len(ORDERS)))
curves = {name: np.array(runs) for name, runs in curves.items()}

# %% jupyter={"source_hidden": true} tags=["hide-input"]
def draw_orders():
    figure, axes = plt.subplots(figsize=(7.6, 4.6))
    looks = {"training": (ORANGE, "v", ":"), "add one": (PINK, "s", "--"),
             "Witten–Bell": (BLUE, "o", "-")}
    for name, (colour, marker, dash) in looks.items():
        runs = curves[name]
        axes.fill_between(ORDERS, runs.min(axis=0), runs.max(axis=0), color=colour, alpha=0.25,
                          linewidth=0)
        axes.plot(ORDERS, runs.mean(axis=0), dash, marker=marker, markersize=5, color=colour)
    axes.axhline(floor, color=BLACK, linewidth=1.5)
    axes.annotate(f"floor: exact entropy of the grammar, {floor:.3f} nats", (1, floor), (0, -13),
                  textcoords="offset points")
    mean = {name: runs.mean(axis=0) for name, runs in curves.items()}
    axes.annotate("held-out text, add one", (8, mean["add one"][7]), (-10, 12),
                  textcoords="offset points", color=PINK, ha="right")
    axes.annotate("held-out text,\nWitten–Bell", (12, mean["Witten–Bell"][11]), (0, 9),
                  textcoords="offset points", color=BLUE, ha="right")
    axes.annotate("training text, not smoothed:\nbelow the floor, learnt by heart",
                  (12, 0.03), color=ORANGE, ha="right")
    axes.set_xticks(ORDERS)
    axes.set_ylim(0, 3.05)
    axes.set_xlabel("order n (characters of history, plus one)")
    axes.set_ylabel("loss (nats per character)")
    right = axes.secondary_yaxis("right", functions=(
        np.exp, lambda p: np.log(np.maximum(p, 1e-9))))
    right.set_yticks([1, 1.5, 2, 3, 5, 10, 20], ["1", "1.5", "2", "3", "5", "10", "20"])
    right.set_ylabel("perplexity per character")
    return figure


show(draw_orders(), "00-ngrams-and-the-floor")

# %% jupyter={"source_hidden": true} tags=["hide-input"]
mean = {name: runs.mean(axis=0) for name, runs in curves.items()}
best_wb, best_one = (1 + int(mean[name].argmin()) for name in ("Witten–Bell", "add one"))
crosses = next(order for order, loss in zip(ORDERS, mean["training"], strict=True) if loss < floor)
assert curves["Witten–Bell"].min() > floor and curves["add one"].min() > floor
assert best_one < best_wb < ORDERS[-1] and mean["training"][-1] < 0.9 * floor
assert np.all(np.diff(mean["training"]) < 0)
spread = max(float(np.ptp(runs, axis=0).max()) for runs in curves.values())
say(f"""
Lines are means over four pairs of samples with 1000 sentences each; the bands, hardly wider than
the lines, reach from the least to the greatest (at most {spread:.3f} nats apart).

- **On held-out text nobody passes the floor.** The best Witten–Bell model, order {best_wb}, ends
  {mean["Witten–Bell"].min() - floor:.3f} nats above it: about its divergence from the grammar.
- **On the training text everybody may.** From order {crosses} on, the loss lies below the entropy.
  The model no longer describes the language; it recites its own training text.
- **Smoothing decides how much of a long history can be used.** Add-one takes too much from what was
  seen: it is best at order {best_one}, with {mean["add one"].min():.3f} nats, where Witten–Bell
  reaches {mean["Witten–Bell"].min():.3f}.
""")

# %% [markdown]
# ## 7. More text
#
# The right-hand side of the picture rises because most long histories are seen once or never. More
# text should help, and long histories most of all:

# %%
SIZES = (10, 30, 100, 300, 1000, 3000, 10_000)               # sentences
new = tokenizer.encode(GRAMMAR.sample(1000, seed=5000))
characters, by_size = [], []
for size in SIZES:
    texts = [tokenizer.encode(GRAMMAR.sample(size, seed=6000 + seed)) for seed in range(3)]
    characters.append(np.mean([len(ids) for ids in texts]))
    by_size.append([witten_bell_losses(ids, new, V, max_order=10) for ids in texts])
above = np.array(by_size) - floor                            # (sizes, samples, orders)

# %% jupyter={"source_hidden": true} tags=["hide-input"]
def draw_sizes():
    figure, axes = plt.subplots(figsize=(7.6, 4.4))
    looks = {2: (GREY, "s", "--"), 3: (PINK, "v", "-."), 4: (GREEN, "^", ":"),
             6: (ORANGE, "D", "--"), 10: (BLUE, "o", "-")}
    for order, (colour, marker, dash) in looks.items():
        runs = above[:, :, order - 1]
        axes.fill_between(characters, runs.min(axis=1), runs.max(axis=1), color=colour, alpha=0.2,
                          linewidth=0)
        axes.plot(characters, runs.mean(axis=1), dash, marker=marker, markersize=5, color=colour)
        axes.annotate(f"order {order}", (characters[-1], runs[-1].mean()), (8, -4),
                      textcoords="offset points", color=colour)
    axes.set_xscale("log")
    axes.set_xlim(300, 1.2e6)
    axes.set_yscale("log")
    axes.set_ylim(0.06, 3)
    axes.set_yticks([0.1, 0.2, 0.5, 1, 2], ["0.1", "0.2", "0.5", "1", "2"])
    axes.minorticks_off()
    axes.set_xlabel("training text (characters)")
    axes.set_ylabel("loss above the exact floor\n(nats per character)")
    return figure


show(draw_sizes(), "00-more-text")

# %% jupyter={"source_hidden": true} tags=["hide-input"]
best = 1 + above.mean(axis=1).argmin(axis=1)
assert np.all(np.diff(best) >= 0) and best[-1] > best[0]
flat = above[-3:, :, 1].mean(axis=1)
assert flat.max() - flat.min() < 0.01
say(f"""
Bands: three training texts each; one held-out text for all. A short history is learnt from little
text and then stands still: order 2 ends {above[-1, :, 1].mean():.2f} nats above the floor however
much it reads. A long one needs much text, and then goes on. So the best order depends on the text:
{", ".join(f"{order} for {round(n, -2):,.0f} characters" for order, n in
           zip(best[::2], characters[::2], strict=True))}.
""")

# %% [markdown]
# A verb in our stories agrees with a noun that may stand many words before it. No n-gram of a
# reasonable order sees that noun, and no reasonable amount of text contains every long history.
# What is needed is a model that keeps *what matters* of the history and forgets the rest. That is
# where neural networks come in, and the floor will stay in the pictures:
# [03](03_from_rnn_to_lstm.ipynb) and [06](06_a_small_gpt.ipynb).
#
# ## On your own
#
# **1. The entropy rate of any Markov chain.** `chain` is an array of shape (S, S); row $i$ holds
# the probabilities of the next state if the present one is $i$, and sums to 1. Return the entropy
# rate in **nats per step**, a float. Some probabilities may be 0. The stationary distribution
# solves $\pi P = \pi$, that is $(P^\top - I)\,\pi^\top = 0$: $S$ equations of which one is
# superfluous, while $\sum_i \pi_i = 1$ is missing. (`np.linalg.solve` solves a square system;
# every chain you will be given has one stationary distribution.)

# %%
def entropy_rate(chain):
    """Nats per step of a Markov chain; chain: (S, S), rows sum to 1 -> float."""
    ### BEGIN SOLUTION
    states = len(chain)
    system = chain.T - np.eye(states)
    system[-1] = 1                                # the last equation gives way to Σ π = 1
    right = np.zeros(states)
    right[-1] = 1
    pi = np.linalg.solve(system, right)
    surprise = -np.log(np.where(chain > 0, chain, 1))           # 0 log 0 = 0
    return float(pi @ (chain * surprise).sum(axis=1))
    ### END SOLUTION


# %%
check("entropy_rate", entropy_rate)

# %% [markdown]
# **2. Perplexity from probabilities.** A model gave the tokens of a text, one after the other, the
# probabilities in the array `probabilities`, of shape (N,). Return the text's perplexity per token,
# a float: infinite if a probability is 0. A text may be long: think of what a product of thousands
# of probabilities is in floating point.

# %%
def perplexity_of(probabilities):
    """Perplexity per token; probabilities: (N,), those of the tokens that came -> float."""
    ### BEGIN SOLUTION
    if np.any(probabilities == 0):
        return np.inf
    return float(np.exp(-np.mean(np.log(probabilities))))
    ### END SOLUTION


# %%
check("perplexity_of", perplexity_of)

# %% [markdown]
# **3. A bigram with Witten–Bell smoothing.** `counts` is an integer array of shape (V, V):
# `counts[h, w]` says how often $w$ followed $h$. Return the (V, V) probabilities
# $p_2(w \mid h)$ of section 4, rows sum to 1. You need $p_1$ first, which is the same formula with
# the empty history: its counts are the column sums of `counts`, and $p_0 = 1/V$. (So the very first
# token of the text, which followed nothing, is not counted. Never mind.) A row of zeros, a history
# that never came, must be $p_1$.

# %%
def witten_bell_bigram(counts):
    """p(w | h) by Witten and Bell; counts: (V, V) whole numbers -> (V, V), rows sum to 1."""
    ### BEGIN SOLUTION
    vocabulary = len(counts)
    unigrams = counts.sum(axis=0)                                     # (V,)
    novel = np.count_nonzero(unigrams)
    p1 = (unigrams + novel / vocabulary) / (unigrams.sum() + novel)
    c = counts.sum(axis=1, keepdims=True)                             # (V, 1)
    T = np.count_nonzero(counts, axis=1)[:, None]
    return np.where(c > 0, (counts + T * p1) / np.maximum(c + T, 1), p1)
    ### END SOLUTION


# %%
check("witten_bell_bigram", witten_bell_bigram)

# %% [markdown]
# **4. Bits per byte.** A program reports a loss of `nats_per_token` for a text that it cut into
# `tokens` tokens. Return the **bits per byte** of the text in UTF-8 (`len(text.encode())` bytes), a
# float: the unit in which models with different tokens can be compared.

# %%
def bits_per_byte_of(nats_per_token, tokens, text):
    """Bits for each byte of the text, from the mean loss of its tokens in nats -> float."""
    ### BEGIN SOLUTION
    return nats_per_token * tokens / np.log(2) / len(text.encode())
    ### END SOLUTION


# %%
check("bits_per_byte_of", bits_per_byte_of)

# %% [markdown]
# **5. To think about.** On a *held-out* text of a million characters of our stories, a model
# reports a loss that is 5 % below the exact entropy. What do you suspect, and how would you find
# out? And how low could a model's loss be on a held-out text of *one* sentence, without anything
# being wrong?

# %% [markdown] tags=["solution"]
# The mean loss of *any* model over endless fresh text is at least the entropy. Was it luck? The
# five samples of section 5, which are far shorter than a million characters, all stayed much closer
# to the entropy than 5 %, and a longer text stays closer still. So it was not. Suspect that the
# held-out text was in the training text (a *leak*), that the probabilities do not sum to 1, that
# the model saw the symbol it had to predict, or that the mean was taken over something else than
# characters. To find out, let it judge text drawn *after* the training was finished, and check
# $\sum_w p(w \mid h) = 1$. The surest test: let it write a file, and let someone else read it.
#
# One sentence may be short and likely. Its surprise may lie far below the mean without anything
# being wrong: the floor is a statement about the mean.

# %% [markdown]
# ## In practice
#
# **The loss of a training program.** A neural network gives each token a score, the *logits*
# $z \in \mathbb{R}^V$, and the softmax makes probabilities of them. `torch.nn.functional`'s
# `cross_entropy(logits, targets)` does both steps in one, in nats, and takes the mean over all
# tokens whose target is not −100 (*ignored*: padding, for instance). In NumPy, beside minilm's:

# %%
def torch_cross_entropy(logits, targets):
    """logits: (N, V), targets: (N,) -> mean nats over the targets that are not −100."""
    largest = logits.max(axis=1, keepdims=True)               # so that exp does not overflow
    log_p = logits - largest - np.log(np.exp(logits - largest).sum(axis=1, keepdims=True))
    counted = targets != -100
    return -log_p[counted, targets[counted]].mean()


rng = np.random.default_rng(0)
logits = rng.normal(0, 3, (8, V))
targets = np.where(np.arange(8) < 5, rng.integers(V, size=8), -100)      # the last three: ignored
mean_of_all = torch_cross_entropy(logits, targets)
assert np.isclose(mean_of_all, cross_entropy(logits, targets)[0])

two, one = (torch_cross_entropy(logits[part], targets[part]) for part in
            (slice(0, 4), slice(4, 8)))                       # 4 tokens, and 1 that counts
say(f"""
Loss: {mean_of_all:.4f} nats, by hand and by `minilm.nn.cross_entropy`. A frequent mistake: cut the
tokens into two batches, take each mean, and then the mean of the means:
{(two + one) / 2:.4f}. The batches had four tokens that count, and one. Add up sums and numbers of
tokens instead.
""")

# %% [markdown]
# **Perplexity depends on the tokens.** Programs report $e^{\text{nats per token}}$, or, if their
# logarithms are to base 2, $2^{\text{bits per token}}$: the same number. (KenLM prints logarithms
# to base 10.) But *which* tokens? The same source, cut into characters or into words, and the same
# kind of model, an n-gram of order 2 with Witten–Bell:

# %%
# The new line before each sentence, not after it: to a word tokenizer it is part of the first word.
long_text, new_text = ("\n" + GRAMMAR.sample(n, seed=n)[:-1] for n in (5000, 1001))
rows, rate_of = [], {}
for name, kind in (("character", CharTokenizer), ("word", WordTokenizer)):
    its = kind.train(long_text)
    ids, new_ids = its.encode(long_text), its.encode(new_text)
    assert its.decode(new_ids) == new_text
    nats = witten_bell_losses(ids, new_ids, its.vocab_size, max_order=2)[-1]
    rate_of[name] = bits(nats) * len(new_ids) / len(new_text.encode())
    rows.append([name, its.vocab_size, f"{len(new_ids):,}", f"{nats:.3f}",
                 f"{perplexity(nats):.2f}", f"**{rate_of[name]:.3f}**"])
    least = GRAMMAR.entropy_rate(name)
    rows.append([f"*floor, per {name}*", "", "", f"{least:.3f}", f"{perplexity(least):.2f}",
                 f"{bits(floor):.3f}"])
assert rate_of["word"] < 0.5 * rate_of["character"]
table(["one token is a", "different ones", "tokens of the text", "nats per token",
       "perplexity per token", "bits per byte"], rows)

# %% [markdown]
# By its perplexity the model of characters looks better. By bits per byte it needs more than twice
# as many, and the floor is one and the same. So when you read "perplexity 12.3", ask for the
# tokens; papers that compare models with different tokenizers give bits per byte instead.
#
# **Compressors** of everyday use are language models too, ones that learn while they read. And
# large language models, joined to an entropy coder as in section 2, compress text, and even images,
# better than the programs made for it (Delétang et al. 2024), as long as nobody counts the bytes
# of the model itself. In this course, we shall count them.
#
# ## References
#
# - C. E. Shannon, *A mathematical theory of communication*, Bell System Technical Journal 27, 1948:
#   entropy (section 6), the series of ever better n-grams (section 3), coding (section 9).
# - A. A. Markov, *An example of statistical investigation of the text "Eugene Onegin" concerning
#   the connection of samples in chains*, 1913; in English in Science in Context 19(4), 2006.
# - D. A. Huffman, *A method for the construction of minimum-redundancy codes*, Proceedings of the
#   IRE 40(9), 1952.
# - S. Kullback and R. A. Leibler, *On information and sufficiency*, Annals of Mathematical
#   Statistics 22(1), 1951.
# - I. H. Witten and T. C. Bell, *The zero-frequency problem*, IEEE Transactions on Information
#   Theory 37(4), 1991: method C.
# - S. F. Chen and J. Goodman, *An empirical study of smoothing techniques for language modeling*,
#   technical report TR-10-98, Harvard, 1998: section 2.5 (the interpolated form), and better
#   smoothing than ours.
# - J. Duda, *Asymmetric numeral systems*, arXiv:1311.2540, 2013: rANS.
# - T. M. Cover and J. A. Thomas, *Elements of Information Theory*, 2nd edition, 2006: chapters 2
#   (divergence), 4 (entropy rate) and 5 (codes).
# - G. Delétang et al., *Language modeling is compression*, ICLR 2024.
