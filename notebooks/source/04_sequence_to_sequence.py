# %% [markdown]
# # 04 · Sequence to sequence with attention
#
# "Saturday, 14 August 1976" → `1976-08-14`. A child can do it: look for the year, copy it; look for
# the month, turn it into a number; look for the day. This notebook teaches it to an LSTM, twice.
# The first one has to read the whole text, remember it, and write from memory. The second may look
# back while it writes. And then there is the question how to *write* at all: to take the likeliest
# character each time is not the way to the likeliest text.
#
# ## What you will do
#
# - squeeze a text through one vector, and measure what that costs
# - write attention by hand, train with it, and look at where it looks
# - compare a model that is shown the truth at every step with one that reads its own writing
# - find a table of twelve probabilities in which the greedy way fails, and search it with beams
# - put an honest interval around "600 of 600 are right"
#
# ## What you will learn
#
# - what an encoder, a decoder, a context and an alignment are
# - what teacher forcing is, and what it hides
# - what beam search finds and what it does not, and why long texts need a bonus
# - what exact match and BLEU count
#
# ## What you need
#
# [03](03_from_rnn_to_lstm.ipynb): what an LSTM reads and keeps; [00](00_bits_losses_floors.ipynb):
# nats. All cells together run for about a minute on one processor core; with the exercises, plan on
# two hours.

# %%
import math
from datetime import date
from itertools import pairwise, product

import matplotlib.pyplot as plt
import numpy as np

from minilm import fit
from minilm.course import (
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
from minilm.generation import answer, beam_search, length_penalty
from minilm.metrics import bleu, exact_match
from minilm.models import Seq2SeqLSTM
from minilm.nn import additive_attention, attention_weights, lstm_step
from minilm.text import TASKS, PairTokenizer, pair_batches
from minilm.text.tasks.dates import FORMATS
from minilm.training import AdamW, warmup_cosine

style()

# %% [markdown]
# ## 1. The task
#
# A *sequence-to-sequence* task has a source and a target, of any lengths. Ours is small, and has
# exactly one right answer for each source: dates in ten formats. minilm writes as many examples as
# one likes, and keeps some *days* back. A day that is held out is never seen in training, in any
# format. Two more formats are kept back as well.

# %%
task = TASKS["dates"]
examples = task.examples(20_000, seed=0)                     # to train on
test = task.examples(600, seed=0, part="test")               # days that training never shows
unseen = task.examples(600, seed=0, part="structure")        # in two formats it never shows either
assert not {e.target for e in examples} & {e.target for e in [*test, *unseen]}
table(["source", "target"], [[f"`{e.source}`", f"`{e.target}`"] for e in [*test[:5], *unseen[:2]]])

# %% [markdown]
# Both sides are read and written character by character. A *tokenizer* gives each character a
# number. Two numbers have a special meaning in the target: one says *begin*, one says *end*; in the
# source one says *filling*, because the texts of a batch stand in one array and the shorter ones
# are filled up.

# %%
tokenizer = PairTokenizer.train(examples, kinds=task.tokenizers)
LONGEST = tokenizer.longest_answer(test)                     # 10 characters and the end: 11
begin, end, filling = tokenizer.begin_id, tokenizer.end_id, tokenizer.padding_id
ids = tokenizer.encode_source(["8/14/1976", "14.8.1976", "19760814"])
print(ids, "  source: (B, S) = (3, 9), the last row is filled up with", filling)

# %% [markdown]
# ## 2. Everything through one vector
#
# The first sequence-to-sequence networks (Sutskever et al. 2014) have two parts. An **encoder**, an
# LSTM, reads the source and ends in a state. A **decoder**, another LSTM, begins in that state and
# writes: it is told *begin*, says a character, is told that character, says the next, until it says
# *end*. In other words, it is a language model of the target whose first state is not 0 but the
# source. The encoder is a loop, whatever the length of the source:

# %%
def encode_in_a_loop(ids, embedding, w_x, w_h, b):
    """ids: (S,) of one source  ->  h: (H,), the state after the last character"""
    h = c = np.zeros((1, len(w_h)), np.float32)              # (1, H)
    for i in ids:
        (h, c), _ = lstm_step(embedding[[i]], h, c, w_x, w_h, b)
    return h[0]


rng = np.random.default_rng(0)
H = 48
weights = [rng.standard_normal(shape).astype(np.float32) / 7
           for shape in ((60, H), (H, 4 * H), (H, 4 * H), (4 * H,))]
for text in ("19760814", "Saturday, 14 August 1976"):
    print(f"{len(text):2} characters -> a state of shape",
          encode_in_a_loop(tokenizer.encode_source([text])[0], *weights).shape)

# %% [markdown]
# Eight characters or twenty-four, all that the decoder gets is a vector of the same size: a
# **bottleneck**. Is it too narrow? Count: there are 73,049 days, so a day is $\log_2 73049 \approx
# 16.2$ bits. The 48 numbers of $h$ alone, of 32 bits each, have 1536. There is room enough. But
# room is not all: the network has to *learn* to pack everything into that room and to unpack it
# again.
#
# We measure it. minilm's `Seq2SeqLSTM` has attention, the subject of section 3. What its decoder
# says at step $t$ comes from two vectors, its own state $h_t$ and the *context* $c_t$ that
# attention brings from the source:
#
# $$\text{hidden}_t = \tanh\!\left([\,h_t \,|\, c_t\,]\; W\right), \qquad
#   \text{logits}_t = \text{hidden}_t\, E^\top + b$$
#
# (The logits are the scores of all characters before the softmax; $E$ is the table of the target's
# characters.) If the lower half of $W$, which reads $c_t$, is 0, nothing comes through, and only
# the bottleneck is left. `fit` has an opening for exactly this: a *view* says what the model sees
# of the parameters, and how gradients come back.

# %%
WIDTH = 48


def no_context(params, step=0):
    """A view: W's lower half is seen as 0, and gets no gradient."""
    keep = np.repeat(np.float32([1, 0]), WIDTH)[:, None]     # (2 · 48, 1)
    seen = {**params, "combine.w": params["combine.w"] * keep}
    return seen, lambda grads: {**grads, "combine.w": grads["combine.w"] * keep}


model = Seq2SeqLSTM(tokenizer.target.vocab_size, tokenizer.source.vocab_size, width=WIDTH,
                    padding_id=filling)
BATCH = 48


def train(seed, steps=400, **options):
    """-> parameters, the loss at each step"""
    params, history = fit(
        model, model.init(seed), pair_batches(tokenizer, examples, BATCH, seed), steps=steps,
        seed=seed, optimizer=AdamW(beta2=0.98),
        schedule=warmup_cosine(8e-3, warmup=steps // 10, steps=steps), **options,
    )
    return params, [entry["loss"] for entry in history]


runs = {"attention": [train(seed) for seed in range(3)],
        "bottleneck": [train(seed, view=no_context) for seed in range(3)]}
runs["bottleneck"] = [(no_context(params)[0], losses) for params, losses in runs["bottleneck"]]
patient, _ = train(0, steps=1200, view=no_context)           # three times as long
patient, _ = no_context(patient)


# %%
def texts(params, examples, beams=1, alpha=0.0):
    """What the model writes to these sources."""
    source = tokenizer.encode_source([e.source for e in examples])
    written = answer(model, params, source, begin_id=begin, end_id=end, length=LONGEST,
                     beams=beams, alpha=alpha)
    return [tokenizer.decode(ids) for ids in written]


def share_right(params, examples, **options):
    """The share that is right to the last character."""
    return exact_match(texts(params, examples, **options), [e.target for e in examples])


right = {name: [share_right(params, test) for params, _ in seeds] for name, seeds in runs.items()}
right_patient = share_right(patient, test)

# %% jupyter={"source_hidden": true} tags=["hide-input"]
LOOKS = {"attention": (BLUE, "o", "-"), "bottleneck": (ORANGE, "^", "--")}


def draw_bottleneck():
    figure, (left, axes) = plt.subplots(1, 2, figsize=(8, 3.5), width_ratios=(1.25, 1))
    for name, (colour, marker, dash) in LOOKS.items():
        for seed, (_, losses) in enumerate(runs[name]):
            left.plot(range(1, 401), losses, dash, color=colour, linewidth=1)
            axes.plot(seed, right[name][seed], marker, color=colour)
    left.axhline(0, color=GREY)
    left.text(400, -0.14, "limit 0: one right answer", color=GREY, ha="right")
    left.text(95, 1.05, "through one vector, 3 seeds", color=ORANGE)
    left.text(-8, 0.08, "with\nattention,\n3 seeds", color=BLUE)
    left.set_ylim(-0.2, 2.6)
    left.set_xlabel("training step (48 dates each)")
    left.set_ylabel("loss (nats per character)")
    axes.axhline(1, color=GREY)
    axes.text(2.3, 1.02, "limit: all right", color=GREY, ha="right")
    axes.text(1, 0.91, "with attention", color=BLUE, ha="center")
    axes.text(1, np.mean(right["bottleneck"]) + 0.08, "through one vector", color=ORANGE,
              ha="center")
    axes.set_ylim(0, 1.12)
    axes.set_xlim(-0.4, 2.4)
    axes.set_xticks(range(3), ("seed 0", "seed 1", "seed 2"))
    axes.set_ylabel("share of 600 dates exactly right")
    return figure


assert min(right["attention"]) > 0.9 and max(right["bottleneck"]) < 0.8
show(draw_bottleneck(), "04-bottleneck")
say(f"After 400 steps the bottleneck gets {min(right['bottleneck']):.1%} to "
    f"{max(right['bottleneck']):.1%} of the held-out days right, attention "
    f"{min(right['attention']):.1%} to {max(right['attention']):.1%}. It is not that a day does "
    f"not fit: trained three times as long (one seed), the bottleneck reaches {right_patient:.1%}.")

# %% [markdown]
# ## 3. Attention: look again
#
# Why remember what one can look up? Bahdanau, Cho and Bengio (2015) kept *all* states of the
# encoder, one for each character of the source: $m_1, \dots, m_S$, the **memory**. Before it writes
# a character, the decoder compares its state $h_t$ with each of them. The scores become weights
# that sum to 1, and the context is the weighted mean:
#
# $$e_{ts} = v^\top \tanh(W_q^\top h_t + W_k^\top m_s), \qquad
#   a_{ts} = \frac{e^{e_{ts}}}{\sum_j e^{e_{tj}}}, \qquad
#   c_t = \sum_s a_{ts}\, m_s$$
#
# This is a look-up in a dictionary, but a soft one, so that it has a derivative. The weights
# $a_{ts}$, a row for each character written and a column for each character read, are called the
# **alignment**. The score $e_{ts}$ is a small network here (*additive attention*); it can also be a
# plain product, $h_t \cdot m_s$ (*dot attention*, Luong et al. 2015), which is what Transformers
# use ([05](05_the_transformer.ipynb)).

# %%
def softmax(scores):
    """e^score / their sum, over the last axis; the largest is taken off first: none is huge."""
    e = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def look_up(h, memory, w_q, w_k, v):
    """One query h: (D,), memory: (S, M)  ->  context: (M,), weights: (S,)"""
    scores = np.array([v @ np.tanh(h @ w_q + m @ w_k) for m in memory])
    weights = softmax(scores)
    context = sum(weight * m for weight, m in zip(weights, memory, strict=True))
    return context, weights


S, D = 6, 8
memory, h = rng.standard_normal((S, D)), rng.standard_normal(D)
w_q, w_k, v = (rng.standard_normal(shape) for shape in ((D, D), (D, D), (D,)))
context, by_hand = look_up(h, memory, w_q, w_k, v)

by_minilm, cache = additive_attention(h[None, None], memory[None], w_q, w_k, v)   # B = T = 1
assert np.allclose(context, by_minilm[0, 0]) and np.allclose(by_hand, cache["weights"][0, 0])
dot = softmax(memory @ h / math.sqrt(D))                     # √D: why, says notebook 05
assert np.allclose(dot, attention_weights(h[None], memory)[0])
print("additive:", by_hand.round(3), " sum", by_hand.sum().round(6))
print("dot:     ", dot.round(3), " sum", dot.sum().round(6))

# %% [markdown]
# One more detail: nobody should look at the filling of a shorter text. A *mask* says which $s$ may
# be looked at; where it says no, the score is set to $-\infty$ **before** the softmax, so that the
# weight is exactly 0 and the others still sum to 1. (Exercise 2 is about this.)
#
# Now look at a trained model. It has never seen this day, in any format:

# %%
SHOWN = [FORMATS[name](date(1976, 8, 14))
         for name in ("Tuesday, 17 March 1987", "3/17/1987", "March 17, 1987")]
DAY = "1976-08-14"
assert DAY not in {e.target for e in examples}
trained = runs["attention"][0][0]
target = tokenizer.encode_target(DAY)
alignments = {}
for written in SHOWN:
    source = tokenizer.encode_source([written])
    _, cache = model.forward(trained, source, np.append(begin, target)[None])
    alignments[written] = cache["alignment"][0]              # (T, S): (11, characters read)
    assert np.allclose(alignments[written].sum(axis=1), 1, atol=1e-5)


# %% jupyter={"source_hidden": true} tags=["hide-input"]
def draw_alignment():
    figure, all_axes = plt.subplot_mosaic("AA;BC", figsize=(8, 7), width_ratios=(9, 15))
    for axes, (text, weights) in zip(all_axes.values(), alignments.items(), strict=True):
        image = axes.imshow(weights, vmin=0, vmax=1, cmap="cividis", aspect="auto")
        axes.grid(False)
        axes.tick_params(length=0)
        axes.set_xticks(range(len(text)), text.replace(" ", "␣"), fontsize=11)
        axes.set_yticks(range(11), [*DAY, "end"], fontsize=11)
        axes.set_xlabel("character read")
    for name in "AB":
        all_axes[name].set_ylabel("character written next")
    figure.colorbar(image, ax=list(all_axes.values()), fraction=0.03, shrink=0.6,
                    label="alignment weight (a row sums to 1)")
    return figure


show(draw_alignment(), "04-alignment")

# %% [markdown]
# Read the rows from top to bottom. To write the year, the model looks at the end of the source
# in all three; for the month it goes back to the month's name or number, for the day to
# the day. Nobody told it that the order is different: it follows from the loss. The weights are not
# always on the very character: the memory $m_s$ is the state of an LSTM that reads in both
# directions, so each place knows something of its neighbours.
#
# How often does the model look at the right *part* of the source? For each of three formats we know
# where day, month and year stand:

# %%
PART_WRITTEN = ["year"] * 4 + [None] + ["month"] * 2 + [None] + ["day"] * 2 + [None]
PARTS_READ = {
    "Saturday, 14 August 1976": {"day": (10, 12), "month": (13, 19), "year": (20, 24)},
    "8/14/1976": {"month": (0, 1), "day": (2, 4), "year": (5, 9)},
    "August 14, 1976": {"month": (0, 6), "day": (7, 9), "year": (11, 15)},
}
rows = []
for text, parts in PARTS_READ.items():
    shares = {part: np.mean([alignments[text][t, slice(*parts[part])].sum()
                             for t in range(11) if PART_WRITTEN[t] == part]) for part in parts}
    alike = {part: (stop - start) / len(text) for part, (start, stop) in parts.items()}
    assert all(shares[part] > alike[part] for part in parts)
    rows.append([f"`{text}`", *(f"{shares[part]:.2f} ({alike[part]:.2f})"
                                for part in ("year", "month", "day"))])
table(["weight on its own part (if all were alike)", "year", "month", "day"], rows)

# %% [markdown]
# ## 4. Teacher forcing, and running free
#
# In training the decoder is always told the *right* characters so far, whatever it said itself.
# That is called **teacher forcing**. All steps of a target can be trained side by side, and an
# early mistake does not spoil the rest. But when the model writes, nobody tells it: it reads its
# own characters, right or wrong. It **runs free**:

# %%
def write_greedily(params, text):
    """The likeliest character at each step, which is then read: running free."""
    state = model.read(params, tokenizer.encode_source([text]))          # the encoder, once
    token, written = begin, []
    while len(written) < LONGEST:
        logits, cache = model.write(params, np.array([[token]]), state)  # (1, 1, V)
        state, token = cache["state"], int(logits[0, -1].argmax())
        if token == end:
            break
        written.append(token)
    return tokenizer.decode(written)


bottleneck = runs["bottleneck"][0][0]
some = [e.source for e in test[:20]]
assert [write_greedily(bottleneck, text) for text in some] == texts(bottleneck, test[:20])

# %% [markdown]
# The difference can be measured place by place, in the model that makes mistakes: the bottleneck.
# *Forced*, it reads the right characters and we note what it would say next. *Free*, it reads its
# own.

# %%
wanted = np.array([[*tokenizer.encode_target(e.target), end] for e in test])    # (600, 11)
inputs = np.insert(wanted[:, :-1], 0, begin, axis=1)                            # one behind
sources = tokenizer.encode_source([e.source for e in test])


def right_by_place(params):
    """Which characters are right, forced and free: two (600, 11) arrays of True and False."""
    forced = model.forward(params, sources, inputs)[0].argmax(axis=-1)
    free = np.full_like(wanted, -1)                          # -1: nothing was written there
    for row, ids in enumerate(answer(model, params, sources, begin_id=begin, end_id=end,
                                     length=LONGEST)):
        free[row, : len(ids)] = ids
        free[row, len(ids) : len(ids) + 1] = end
    return forced == wanted, free == wanted


places = [right_by_place(params) for params, _ in runs["bottleneck"]]

# %% jupyter={"source_hidden": true} tags=["hide-input"]
def draw_forcing():
    figure, axes = plt.subplots(figsize=(7, 3.4))
    for forced, free in places:
        axes.plot(forced.mean(axis=0), "o-", color=BLUE, linewidth=0.8, markersize=5)
        axes.plot(free.mean(axis=0), "^--", color=ORANGE, linewidth=0.8, markersize=5)
    axes.axhline(1, color=GREY)
    axes.text(10.4, 1.015, "limit: all right", color=GREY, ha="right")
    axes.text(0, 0.72, "circles: forced, reads the truth", color=BLUE)
    axes.text(0, 0.65, "triangles: free, reads its own characters", color=ORANGE)
    axes.set_xticks(range(11), ["Y", "Y", "Y", "Y", "-", "M", "M", "-", "D", "D", "end"])
    axes.set_ylim(0.5, 1.07)
    axes.set_xlabel("place in the target")
    axes.set_ylabel("share of 600 right")
    return figure


show(draw_forcing())
gaps = [(forced[:, 9].mean(), free[:, 9].mean()) for forced, free in places]
whole = [(forced.all(axis=1).mean(), free.all(axis=1).mean()) for forced, free in places]
assert all(forced > free for forced, free in gaps)
say("The last digit of the day, forced and free: "
    + "; ".join(f"{forced:.1%} and {free:.1%}" for forced, free in gaps)
    + " (3 seeds). The loss in training is the forced kind, so it looks better than the writing.")

# %% [markdown]
# The second digit of a day depends on the first: if the model has wrongly written `2`, the right
# second digit of `14` is of no use. Now a question: of the *whole* dates, how many are right when
# forced, and how many when free?

# %%
table(["whole dates right", "seed 0", "seed 1", "seed 2"],
      [[name, *(f"{pair[i]:.1%}" for pair in whole)] for i, name in enumerate(("forced", "free"))])
assert all(abs(forced - free) < 0.005 for forced, free in whole)

# %% [markdown]
# The same, and not by chance. Until its first mistake a greedy writer has read exactly the truth.
# So it gets a text right as a whole if and only if it is right at every place when forced. What
# running free costs is the rest of a text *after* a mistake; in long texts that is nearly
# everything.
#
# ## 5. The likeliest text
#
# A decoder gives the probability of the next character. The probability of a whole text $y$ is a
# product, its logarithm a sum:
#
# $$\log p(y) = \sum_t \log p(y_t \mid y_1 \dots y_{t-1})$$
#
# Which $y$ has the largest? The **greedy** way takes the likeliest character each time. Is that the
# likeliest text? Here is a small counterexample: a language of three letters, in which the next
# letter depends only on the last one.

# %%
LETTERS = "ABC"
first = np.array([0.50, 0.40, 0.10])                         # p(first letter)
following = np.array([[0.40, 0.30, 0.30],                    # p(next | A)
                      [0.05, 0.05, 0.90],                    # p(next | B)
                      [0.90, 0.05, 0.05]])                   # p(next | C)
log_first, log_next = np.log(first), np.log(following)


def log_probability(ids, log_first, log_next):
    return log_first[ids[0]] + sum(log_next[last, new] for last, new in pairwise(ids))


def greedy(log_first, log_next, length):
    ids = [int(log_first.argmax())]
    while len(ids) < length:
        ids.append(int(log_next[ids[-1]].argmax()))
    return ids


def likeliest(log_first, log_next, length):
    """Write all texts out, and take the best: V^length of them."""
    every = product(range(len(log_first)), repeat=length)
    return max(every, key=lambda ids: log_probability(ids, log_first, log_next))


def as_letters(ids):
    return "".join(LETTERS[i] for i in ids)


# %% jupyter={"source_hidden": true} tags=["hide-input"]
def draw_all_texts():
    every = sorted(product(range(3), repeat=3),
                   key=lambda ids: -log_probability(ids, log_first, log_next))
    heights = [math.exp(log_probability(ids, log_first, log_next)) for ids in every]
    names = [as_letters(ids) for ids in every]
    best, found = 0, names.index(as_letters(greedy(log_first, log_next, 3)))
    figure, axes = plt.subplots(figsize=(7.4, 3))
    axes.set_axisbelow(True)
    axes.grid(axis="x", visible=False)
    bars = axes.bar(range(27), heights, color="#BBBBBB")
    bars[best].set_color(BLUE)
    bars[found].set_color(ORANGE)
    axes.text(0.8, heights[0] - 0.02, f"the likeliest: {heights[0]:.3f}", color=BLUE, va="top")
    axes.annotate(f"greedy: {heights[found]:.3f}", (found, heights[found]), (8, 18),
                  textcoords="offset points", color=ORANGE,
                  arrowprops={"arrowstyle": "-", "color": ORANGE})
    axes.set_xticks(range(27), names, rotation=90, fontsize=9)
    axes.set_xlim(-0.7, 26.7)
    axes.set_xlabel("all 27 texts of three letters")
    axes.set_ylabel("probability")
    return figure


show(draw_all_texts())
by_greed, by_hand = greedy(log_first, log_next, 3), list(likeliest(log_first, log_next, 3))
assert as_letters(by_greed) == "AAA" and as_letters(by_hand) == "BCA"

# %% [markdown]
# A is the likeliest *first* letter, but after A everything is open, while B leads to C and C to A
# with near certainty. Greed can't see that: it never looks beyond the next letter.
#
# To write all texts out is no way either: there are $V^n$. **Beam search** keeps the $k$ likeliest
# *beginnings* instead of one:
#
# 1. begin with the $k$ likeliest first letters;
# 2. continue each of them in all $V$ ways, which makes $k V$ longer beginnings;
# 3. of *all* these together keep the $k$ with the largest sum of logarithms; again from 2.
#
# Here is one such step on the table, with $k = 2$:

# %%
kept = [(as_letters([i]), log_first[i]) for i in np.argsort(-log_first)[:2]]     # A and B
continued = [(text + LETTERS[i], log_p + log_next[LETTERS.index(text[-1]), i])
             for text, log_p in kept for i in range(3)]                          # 2 × 3 of them
continued.sort(key=lambda pair: -pair[1])
table(["beginning", "probability", "kept (k = 2)"],
      [[text, f"{math.exp(log_p):.3f}", "yes" if rank < 2 else ""]
       for rank, (text, log_p) in enumerate(continued)])
assert [text for text, _ in continued[:2]] == ["BC", "AA"]

# %% [markdown]
# BC has overtaken what began with A. You will write the whole search below. minilm's `beam_search`
# works with any language model, so we make our table answer as one: its "logits" are the row of the
# last letter, and there is nothing to remember.

# %%
class Table:
    """A language model of V letters and a token "begin", number V, which is never written."""

    def fresh_state(self):
        return 0

    def chosen(self, state, rows):
        return state

    def forward(self, params, tokens, *, state=None, rng=None):
        return params["token_embedding"][tokens], {"state": state}       # (B, T, V + 1)


def beams_on_table(log_first, log_next, length, beams):
    """minilm's beam search on a table  ->  ids of the best text, its log p"""
    V = len(log_first)
    rows = np.full((V + 1, V + 1), -1e9)                     # −1e9: never
    rows[:V, :V], rows[V, :V] = log_next, log_first
    best, *_ = beam_search(Table(), {"token_embedding": rows}, [V], length, beams=beams, alpha=0)
    return best.ids.tolist(), best.log_probability


assert beams_on_table(log_first, log_next, 3, beams=1)[0] == by_greed
assert beams_on_table(log_first, log_next, 3, beams=2)[0] == by_hand

# %% [markdown]
# How many beams does it take? We draw tables at random, five letters each, and let texts of six
# letters be written. All $5^6 = 15\,625$ texts can still be written out, so we know the best.

# %%
BEAMS, TABLES, V, N = (1, 2, 3, 5, 8, 12), 60, 5, 6


def all_log_probabilities(log_first, log_next, length):
    """(V, V, … V): log p of every text, one axis for each letter."""
    total = log_first
    for _ in range(length - 1):
        total = total[..., None] + log_next                  # (…, last, new)
    return total


assert math.isclose(all_log_probabilities(log_first, log_next, 3).max(),
                    log_probability(by_hand, log_first, log_next))
found = {k: [] for k in BEAMS}                               # the share that is the best, by seed
for seed in range(3):
    rng = np.random.default_rng(seed)
    hits = dict.fromkeys(BEAMS, 0)
    for _ in range(TABLES):
        rows = np.log(rng.dirichlet(np.full(V, 0.5), size=V + 1) + 1e-9)
        best = all_log_probabilities(rows[0], rows[1:], N).max()
        for k in BEAMS:
            _, log_p = beams_on_table(rows[0], rows[1:], N, k)
            hits[k] += log_p > best - 1e-6
    for k in BEAMS:
        found[k].append(hits[k] / TABLES)

# %% jupyter={"source_hidden": true} tags=["hide-input"]
def draw_beams():
    figure, axes = plt.subplots(figsize=(6.4, 3.4))
    for seed in range(3):
        axes.plot(BEAMS, [found[k][seed] for k in BEAMS], "o-", color=BLUE, linewidth=0.8)
    axes.axhline(1, color=GREY)
    axes.text(1, 1.02, "limit: all 15 625 texts written out", color=GREY)
    axes.annotate("greedy", (1, np.mean(found[1])), (12, -4), textcoords="offset points",
                  color=BLUE)
    axes.text(8, 0.8, "3 seeds of 60 tables", color=BLUE, ha="center")
    axes.set_xticks(BEAMS)
    axes.set_ylim(0, 1.12)
    axes.set_xlabel("beams k")
    axes.set_ylabel("share of tables whose\nlikeliest text is found")
    return figure


assert np.mean(found[1]) < 0.8 and np.mean(found[12]) > 0.95
show(draw_beams(), "04-beams")
say(f"Greedy finds the likeliest text of {np.mean(found[1]):.0%} of the tables, two beams of "
    f"{np.mean(found[2]):.0%}, eight of {np.mean(found[8]):.0%}. To be certain, whatever the "
    "language, one needs all $V^{n-1}$ beginnings as beams.")

# %% [markdown]
# Does that help with dates? With attention, greedy is (nearly) always right and there is nothing to
# gain. The bottleneck, which is unsure, is the better question:

# %%
half = test[:300]
by_beams = {k: [share_right(params, half, beams=k) for params, _ in runs["bottleneck"]]
            for k in (1, 4)}
assert np.mean(by_beams[4]) > np.mean(by_beams[1])
table(["exactly right of 300, through one vector", "seed 0", "seed 1", "seed 2"],
      [[f"{k} beam{'s' * (k > 1)}", *(f"{share:.1%}" for share in by_beams[k])] for k in by_beams])

# %% [markdown]
# ## 6. Long texts and short ones
#
# Every further token multiplies the probability by something below 1. So when texts of different
# lengths compete, the short one has an advantage that has nothing to do with its quality. The usual
# cure divides $\log p$ by a *length penalty* before the texts are compared (Wu et al. 2016,
# equation 14), with $\alpha$ between 0 (no cure) and about 1:
#
# $$\text{score}(y) = \frac{\log p(y)}{\left(\frac{5 + |y|}{6}\right)^{\alpha}}$$
#
# Three candidate answers, with the probability of each of their tokens (the *end* is one of them):

# %%
CANDIDATES = {                                               # made up
    "Yes.": [0.45, 0.55],
    "Yes, by train.": [0.45, 0.70, 0.75, 0.75, 0.80],
    "Yes, by the early train on Monday.": [0.45, 0.70, 0.70, 0.80, 0.85, 0.85, 0.85, 0.90, 0.90],
}
ALPHAS = np.linspace(0, 2, 41)


def wu_score(log_p, length, alpha):
    return log_p / ((5 + length) / 6) ** alpha


scores, rows = {}, []
for text, probabilities in CANDIDATES.items():
    log_p, length = sum(map(math.log, probabilities)), len(probabilities)
    assert math.isclose(wu_score(log_p, length, 0.6), log_p / length_penalty(length, 0.6))
    scores[text] = [wu_score(log_p, length, alpha) for alpha in ALPHAS]
    rows.append([text, length, f"{log_p:.2f}", f"{wu_score(log_p, length, 0.6):.2f}",
                 f"{wu_score(log_p, length, 1.5):.2f}"])
table(["answer", "tokens", "log p (nats)", "score, α = 0.6", "score, α = 1.5"], rows)


# %% jupyter={"source_hidden": true} tags=["hide-input"]
def draw_lengths():
    figure, axes = plt.subplots(figsize=(7, 3.6))
    for (text, line), colour, dash in zip(scores.items(), (ORANGE, GREEN, BLUE),
                                          ("--", "-.", "-"), strict=True):
        axes.plot(ALPHAS, line, dash, color=colour)
        axes.text(2.03, line[-1], f"{len(CANDIDATES[text])} tokens", color=colour, va="center")
    best = np.argmax(list(scores.values()), axis=0)
    for change in np.flatnonzero(np.diff(best)):
        axes.axvline(ALPHAS[change] + 0.025, color=GREY, linestyle=":")
    axes.axhline(0, color=GREY)
    axes.text(0, -0.1, "limit 0: a text that is certain", color=GREY, va="top")
    axes.set_xlim(-0.03, 2.35)
    axes.set_ylim(None, 0.08)
    axes.set_xlabel("α of the length penalty (dotted: another text wins)")
    axes.set_ylabel("score (nats / penalty)")
    return figure


winners = [list(CANDIDATES)[i] for i in np.argmax(list(scores.values()), axis=0)]
assert winners[0] == "Yes." and winners[-1] == list(CANDIDATES)[-1]
show(draw_lengths())

# %% [markdown]
# There is no right $\alpha$: it is chosen on held-out data, like the number of beams. And there is
# a warning in the picture. Without a penalty, the *likeliest* text tends to be short, and the
# better one searches, the more surely one finds it. In a real translation model the likeliest text
# of all is often the empty one (Stahlberg and Byrne 2019).
#
# ## 7. How right is it?
#
# A date is right or wrong; the share of answers that are right to the last character is called
# **exact match**. We asked 600 of some 36,000 questions (one day in twenty, in ten formats). How
# sure can we be of the share? If $p$ is measured on $n$ examples, the textbook's interval is $p \pm
# 1.96 \sqrt{p (1 - p) / n}$: with 600 of 600 right it has the width 0, as if nothing could be wrong
# any more. Wilson's interval (1927) does not make that mistake. It asks which true shares would
# make what we saw not too unlikely:
#
# $$\frac{p + \frac{z^2}{2n} \pm z \sqrt{\frac{p (1 - p)}{n} + \frac{z^2}{4 n^2}}}
#   {1 + \frac{z^2}{n}}, \qquad z = 1.96 \text{ for } 95\,\%$$

# %%
def wilson(right, n, z=1.96):
    """right of n: the interval that holds the true share, about 95 times in 100."""
    p = right / n
    middle = p + z**2 / (2 * n)
    reach = z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return (middle - reach) / (1 + z**2 / n), (middle + reach) / (1 + z**2 / n)


def textbook(right, n, z=1.96):
    p = right / n
    reach = z * np.sqrt(p * (1 - p) / n)
    return p - reach, p + reach


n, draws, rows = 600, np.random.default_rng(0), []
for share in (0.5, 0.9, 0.99, 0.999):
    right_of_n = draws.binomial(n, share, size=20_000)       # 20 000 times 600 questions
    held = []
    for interval in (textbook, wilson):
        low, high = interval(right_of_n, n)
        held.append(np.mean((low <= share) & (share <= high)))
    assert abs(held[1] - 0.95) < 0.04
    rows.append([f"{share:.1%}", *(f"{h:.1%}" for h in held), "95%"])
table(["true share", "textbook's interval holds it", "Wilson's", "promised"], rows)

# %%
saved = [row for row in saved_rows("benchmarks/tasks.csv")
         if row["task"] == "dates" and row["architecture"] == "LSTM"]
results = []
for name in ("attention", "bottleneck"):
    for part, those in (("new days", test), ("new days, new formats", unseen)):
        shares = [share_right(params, those) for params, _ in runs[name]]
        low, high = wilson(round(shares[0] * len(those)), len(those))
        results.append([f"{name}, {part}", f"{min(shares):.1%} … {max(shares):.1%}",
                        f"{low:.1%} … {high:.1%}"])
table(["exactly right of 600", "three seeds", "Wilson's interval, seed 0"], results)
low = {part: min(row[part] for row in saved) for part in ("test", "structure")}
say(f"A longer training of a wider model, saved in `benchmarks/tasks.csv`, gets "
    f"{low['test']:.1%} of 1000 new days right, and {low['structure']:.1%} in new formats, in the "
    f"worst of {len(saved)} seeds.")

# %% [markdown]
# The two columns answer two questions. Wilson: what would *this model* get on other dates? The
# seeds: what would *another training* get?
#
# ### When there are many right answers
#
# A translation can be good without being the reference, word for word. **BLEU** (Papineni et al.
# 2002) counts runs of words in common. Of all runs of $n$ words ($n$-grams) in what was written,
# $p_n$ is the share that stands in the reference, for $n$ = 1, 2, 3, 4:
#
# $$\mathrm{BLEU} = 100 \cdot \mathrm{BP} \cdot (p_1\, p_2\, p_3\, p_4)^{1/4}, \qquad
#   \mathrm{BP} = \min\!\left(1,\; e^{1 - r / c}\right)$$
#
# ($c$ and $r$: words of what was written, and of the reference; BP punishes what is too short. A
# $p_n$ without any match counts as a small fraction instead of 0.)
#
# A run counts **at most as often as it stands in the reference**. Otherwise "the the the the" would
# have a perfect $p_1$ against any sentence with a "the".

# %%
REFERENCE = "the teacher bought two red umbrellas at the market yesterday"
WRITTEN = (
    "the teacher bought two red umbrellas at the market yesterday",
    "the teacher bought two red umbrellas at the market",
    "yesterday the teacher bought two red umbrellas at the market",
    "the teacher sold two red umbrellas at the market yesterday",
    "market red the yesterday bought at umbrellas two teacher the",
    "the the the the the the the the the the",
)
table(["written", "BLEU (0 to 100)", "exact match"],
      [[text, f"{bleu([text], [REFERENCE]):.1f}", f"{exact_match([text], [REFERENCE]):.0f}"]
       for text in WRITTEN])
assert bleu([WRITTEN[0]], [REFERENCE]) > 99.99 and bleu([WRITTEN[-1]], [REFERENCE]) < 10

# %% [markdown]
# Read the third and the fourth line. Words in another order cost little, and so does one wrong
# word, even if it is *sold* for *bought*. BLEU was made to compare systems over thousands of
# sentences; of a single sentence it does not say whether it is right.

# %% [markdown]
# ## On your own
#
# **1. Beam against greedy.** Write the search of section 5. A language of $V$ letters is given by
# two arrays of logarithms: `log_first`, of shape $(V,)$, for the first letter, and `log_next`, of
# shape $(V, V)$, whose row is the last letter and whose column is the next. The function
# `search_with_beams(log_first, log_next, length, beams)` keeps `beams` beginnings (or all, where
# there are fewer) and returns the best text of `length` letters that it finds: a list of ids, and
# its $\log p$, a float.

# %%
def search_with_beams(log_first, log_next, length, beams):
    """log_first: (V,), log_next: (V, V)  ->  ids, a list of `length` integers, and their log p"""
    ### BEGIN SOLUTION
    V = len(log_first)
    kept = [([i], log_first[i]) for i in np.argsort(-log_first)[:beams]]
    for _ in range(length - 1):
        continued = [(ids + [i], log_p + log_next[ids[-1], i])
                     for ids, log_p in kept for i in range(V)]
        kept = sorted(continued, key=lambda pair: -pair[1])[:beams]
    return kept[0]
    ### END SOLUTION


# %%
if check("search_with_beams", search_with_beams):
    for k in (1, 2):
        ids, log_p = search_with_beams(log_first, log_next, 3, k)
        print(f"{k} beam{'s' * (k > 1)}: {as_letters(ids)}, probability {math.exp(log_p):.3f}")

# %% [markdown]
# **2. A softmax with a mask.** `masked_softmax(scores, allowed)` takes `scores` of shape $(T, S)$
# and `allowed`, booleans of the same shape, and returns weights of that shape: a softmax along each
# row, over the allowed places alone. What is not allowed has the weight 0, and a row in which
# nothing is allowed is all zeros. Scores may be as large as $\pm 1000$, where $e^{\text{score}}$ is
# more than a float holds (or nothing).

# %%
def masked_softmax(scores, allowed):
    """scores: (T, S), allowed: (T, S) bool  ->  weights: (T, S)"""
    ### BEGIN SOLUTION
    lowest = np.where(allowed, scores, -np.inf)
    largest = lowest.max(axis=-1, keepdims=True)
    largest = np.where(np.isfinite(largest), largest, 0)     # a row without any place
    e = np.exp(lowest - largest)                             # e^(−∞) = 0
    total = e.sum(axis=-1, keepdims=True)
    return e / np.where(total == 0, 1, total)
    ### END SOLUTION


# %%
check("masked_softmax", masked_softmax)

# %% [markdown]
# **3. What BLEU counts.** `clipped_matches(written, reference, n)` takes two lists of words and
# returns two integers, the numerator and the denominator of $p_n$: how many of the $n$-grams of
# `written` are matched (each at most as often as it stands in `reference`), and how many $n$-grams
# `written` has. If it has fewer than $n$ words, both are 0.

# %%
def clipped_matches(written, reference, n):
    """Two lists of words  ->  n-grams matched, n-grams in all"""
    ### BEGIN SOLUTION
    def runs_of(words):
        return [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]

    ours, theirs = runs_of(written), runs_of(reference)
    matched = sum(min(ours.count(run), theirs.count(run)) for run in set(ours))
    return matched, len(ours)
    ### END SOLUTION


# %%
check("clipped_matches", clipped_matches)

# %% [markdown]
# **4. To think about.** The bottleneck got better with four beams. Suppose you go on to a thousand
# beams. What will happen to the probability of the texts that are found, and what to the share that
# is right? Can a text that is *found* only with many beams be a worse answer?

# %% [markdown] tags=["solution"]
# **An answer.** With enough beams the search finds the likeliest text, so its probability rises to
# a limit (not always step by step: a wider search can drop, on the way, a beginning that a narrower
# one has kept). The share that is right rises only as far as the model's likeliest text is the
# right one. What is left then is the model's error, no longer the search's. And yes: a model that
# gives too much probability to short or empty texts is *protected* by a narrow search, which never
# gets to see them. That is why translation quality often falls with very many beams (Koehn and
# Knowles 2017), and why one asks of every wrong answer: did the search fail, or did the model?
# Compare its $\log p$ with that of the right answer.

# %% [markdown]
# ## In practice
#
# **transformers** (`model.generate(num_beams=…, length_penalty=α)`) divides by another penalty, the
# length itself to the power α, where the length counts the tokens written, the end included:
#
# $$\text{score}(y) = \frac{\log p(y)}{|y|^{\alpha}}$$
#
# In NumPy, for the three answers of section 6, beside the rule of minilm (which is that of Wu et
# al.):

# %%
def transformers_score(log_p, length, alpha):
    return log_p / length**alpha


rows, chosen = [], {}
for alpha in (0.0, 0.3, 0.6, 1.0):
    for name, rule in (("minilm", wu_score), ("transformers", transformers_score)):
        by_rule = {text: rule(sum(map(math.log, ps)), len(ps), alpha)
                   for text, ps in CANDIDATES.items()}
        chosen[name, alpha] = max(by_rule, key=by_rule.get)
    rows.append([f"{alpha:g}", chosen["minilm", alpha], chosen["transformers", alpha]])
assert chosen["minilm", 0.0] == chosen["transformers", 0.0] == "Yes."
assert chosen["minilm", 0.6] != chosen["transformers", 0.6]
table(["α", "best by minilm's rule", "best by transformers' rule"], rows)
rise = length_penalty(2, 1) / length_penalty(1, 1) - 1
say(f"The same α means different things. From the first token to the second, transformers' penalty "
    f"doubles at α = 1; Wu's rises by {rise:.0%}.")

# %% [markdown]
# With $\alpha = 0$ both rules compare $\log p$ itself, and the searches find the same texts.
#
# **sacrebleu** is the program whose BLEU is reported in papers (Post 2018). minilm's `bleu` cuts a
# text into words as sacrebleu does (`tok:13a`) and gives the same number for each of the sentences
# above. Both claims, on transformers' scores and on sacrebleu's numbers, are checked by tests of
# this repository (`tests/notebooks/test_04_sequence_to_sequence.py`).
#
# **torch** has LSTMs and attention, but neither a sequence-to-sequence model of recurrent parts nor
# a beam search: there one writes the loop of section 4.
#
# ## References
#
# - I. Sutskever, O. Vinyals and Q. V. Le, *Sequence to sequence learning with neural networks*,
#   NeurIPS 2014: encoder, decoder, beam search.
# - D. Bahdanau, K. Cho and Y. Bengio, *Neural machine translation by jointly learning to align and
#   translate*, ICLR 2015: additive attention, section 3.1 and appendix A.1.2.
# - M.-T. Luong, H. Pham and C. D. Manning, *Effective approaches to attention-based neural machine
#   translation*, EMNLP 2015: dot attention, and the form of the decoder used here.
# - R. J. Williams and D. Zipser, *A learning algorithm for continually running fully recurrent
#   neural networks*, Neural Computation, 1989: teacher forcing.
# - Y. Wu et al., *Google's neural machine translation system*, arXiv:1609.08144, 2016: equation 14.
# - P. Koehn and R. Knowles, *Six challenges for neural machine translation*, 2017: more beams,
#   worse translations.
# - F. Stahlberg and B. Byrne, *On NMT search errors and model errors: cat got your tongue?*, EMNLP
#   2019.
# - E. B. Wilson, *Probable inference, the law of succession, and statistical inference*, Journal of
#   the American Statistical Association, 1927.
# - K. Papineni et al., *BLEU: a method for automatic evaluation of machine translation*, ACL 2002;
#   M. Post, *A call for clarity in reporting BLEU scores*, WMT 2018.
