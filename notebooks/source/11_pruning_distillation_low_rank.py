# %% [markdown]
# # 11 · Pruning, distillation, low rank
#
# Half of the numbers in a trained model can often be thrown away, and hardly anyone notices. Which
# half? Throw away a tenth, but the wrong tenth, and nothing is left. And when you have thrown half
# of them away, is the file really half as large?
#
# This notebook makes models smaller by *fewer numbers* instead of fewer bits. There are three ways:
# **pruning** leaves single weights out, **low rank** replaces a matrix by two thin ones, and
# **distillation** teaches a small model what a large one knows.
#
# ## What you will do
#
# - prune a matrix by hand, exactly as many weights as you want, and see a simpler way go wrong
# - find out which weights a language model needs, by scores that know more and more
# - weigh real files: a bitmask, a list of places, an entropy coder, and the limit below all of them
# - train what is left after pruning
# - cut a matrix into two thin ones, as well as is possible at all
# - teach a small model with a large one's answers, at six temperatures
#
# ## What you will learn
#
# - why a small weight is not always an unimportant one
# - from which sparsity on zeros save bytes, and why they save no time
# - the theorem of Eckart and Young, and what to do when not the weight counts but its output
# - where the factor $T^2$ in every distillation code comes from, and which temperature is best here
#
# ## What you need
#
# NumPy, logarithms, gradients, and matrix products; the singular value decomposition is explained.
# [00](00_bits_losses_floors.ipynb) (losses and entropies) and
# [07](07_error_against_bit_width.ipynb) (what quantization is) help. All cells run in a little
# over a minute on one processor core; for you it is about 100 minutes with the exercises.

# %%
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import numpy as np

from minilm import LSTMLanguageModel, distillation_loss, fit, prune, quantize, save, thaw
from minilm.compression import calibrate, distil, factorize, masked, save_coded, shrink
from minilm.compression.coding import entropy_of
from minilm.compression.low_rank import break_even
from minilm.compression.pruning import keep_masks
from minilm.course import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PINK,
    SKY,
    YELLOW,
    check,
    saved_rows,
    say,
    show,
    style,
    table,
)
from minilm.course.published import PUBLISHED
from minilm.course.published import table as tried
from minilm.text import GRAMMAR, CharTokenizer, load_corpus, split, windows
from minilm.training import evaluate, warmup_cosine
from minilm.weights import nbytes

style()
SEEDS = (0, 1, 2)


def spread(values):
    """The smallest and the largest of several seeds."""
    return f"{min(values):.3f} … {max(values):.3f}"


# %% [markdown]
# ## 1. Exactly so many
#
# *Magnitude pruning* sets the weights of least magnitude $|w|$ to zero (Han et al. 2015). The share
# of zeros is called **sparsity**, the share that is kept **density**. The obvious way is to find
# the magnitude that half of the weights lie below, and to cut there:

# %%
def prune_below_percentile(w, sparsity):
    threshold = np.percentile(np.abs(w), 100 * sparsity)
    return np.where(np.abs(w) < threshold, 0, w)


rng = np.random.default_rng(0)
gaussian = rng.standard_normal((64, 64)).astype(np.float32)
few_levels = quantize(gaussian, 3, axis=None).dense()        # at most seven different numbers

for name, w in {"Gaussian numbers": gaussian, "the same, in 3 bits": few_levels}.items():
    before, after = np.mean(w == 0), np.mean(prune_below_percentile(w, 0.75) == 0)
    print(f"{name:20}: {before:4.0%} zeros before, wanted 75%, got {after:.1%}")

# %% [markdown]
# With different numbers it works. With numbers that are often *equal*, as those of a quantized or a
# pruned model, a threshold takes all of them or none. So do not ask for a threshold, ask for the
# $k$ smallest. `np.argpartition` finds them without sorting all the others:

# %%
def prune_by_hand(w, sparsity):
    """w (any shape) with exactly k = round(sparsity · n) of its n numbers at zero."""
    k = round(sparsity * w.size)
    pruned = w.copy().ravel()                               # a copy: what was given stays
    if k > 0:
        smallest = np.argpartition(np.abs(pruned), k - 1)[:k]
        pruned[smallest] = 0
    return pruned.reshape(w.shape)


for w in (gaussian, few_levels):
    assert np.sum(prune_by_hand(w, 0.75) == 0) == round(0.75 * w.size)
    assert np.sum(prune(w, 0.75).dense() == 0) == round(0.75 * w.size)
assert np.array_equal(prune_by_hand(gaussian, 0.75), prune(gaussian, 0.75).dense())
print("exactly as many as wanted, and minilm.prune gives the same:", prune(gaussian, 0.75))

# %% [markdown]
# Among equal magnitudes it does not matter which ones go. What `minilm.prune` gives is a
# `SparseTensor`: the numbers that are left, and where they stand. We come to its bytes below.
#
# ## 2. A model with a known floor
#
# Does a model miss them? We train an LSTM ([03](03_from_rnn_to_lstm.ipynb)) on village stories that
# a small grammar writes. Every sentence has a known probability, and so the **entropy** of this
# language is known exactly: the loss, in nats per character, below which no model can get. All
# losses here are printed as their distance from that floor. We train three times, from three
# seeds, to see what is chance.

# %%
text = load_corpus("grammar")
tokenizer = CharTokenizer.train(text)
tokens = split(tokenizer.encode(text), validation=0.1)
entropy = GRAMMAR.entropy_rate()                            # nats per character

model = LSTMLanguageModel(tokenizer.vocab_size, width=96, embedding_width=32)


def train(model, params, steps, seed, batches=None, **how):
    batches = batches or windows(tokens.train, batch_size=32, context=64, seed=seed)
    schedule = warmup_cosine(1e-2, warmup=steps // 20, steps=steps)
    return fit(model, params, batches, steps=steps, schedule=schedule, seed=seed, **how)[0]


def above(model, params):
    """The loss on held-out text, in nats per character above the exact entropy."""
    unpacked = thaw(params)                                 # all weights as plain arrays
    return evaluate(model, unpacked, tokens.validation, limit=20_000) - entropy


floats = [train(model, model.init(seed), steps=300, seed=seed) for seed in SEEDS]
float_losses = [above(model, params) for params in floats]
guessing = np.log(tokenizer.vocab_size) - entropy           # all characters equally likely

print(text[:185].rsplit("\n", 1)[0])
say(f"Exact entropy: **{entropy:.4f} nats** per character. The three models lose "
    f"{spread(float_losses)} more; guessing would lose {guessing:.2f} more. Each has "
    f"{sum(w.size for w in floats[0].values()):,} parameters, {nbytes(floats[0]):,} bytes.")

# %% [markdown]
# Now prune all matrices of all three. A first comparison:
#
# - **random**: weights drawn by lot, as a control
# - **larger first**: one of the five articles that this course goes through
#   ([08](08_published_formulas.ipynb)) says to prune "nodes with larger weights"
# - **magnitude, each matrix**: the smallest half (or tenth, …) of each matrix
# - **magnitude, all together**: the smallest of all matrices laid end to end. One matrix may lose
#   more than another; only the total is fixed.

# %%
def larger_first(params):
    """Scores by which the largest weights go first: the lowest score is pruned."""
    return {name: np.abs(w).max() - np.abs(w) for name, w in params.items() if w.ndim == 2}


def pruned_losses(how, sparsity):
    """Of the three models. how: a function, seed -> the arguments of prune."""
    return [above(model, prune(floats[seed], sparsity, **how(seed))) for seed in SEEDS]


HOW = {
    "random": lambda seed: {"score": "random", "seed": seed},
    "larger first": lambda seed: {"score": larger_first(floats[seed])},
    "magnitude, each matrix": lambda seed: {},
    "magnitude, all together": lambda seed: {"scope": "global"},
}
SPARSITIES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
losses = {(name, s): pruned_losses(how, s) for name, how in HOW.items() for s in SPARSITIES}

table(
    ["loss above the entropy, three seeds", *(f"{s:.0%} pruned" for s in (0.1, 0.5, 0.8))],
    [[name, *(spread(losses[name, s]) for s in (0.1, 0.5, 0.8))] for name in HOW],
)

# %% jupyter={"source_hidden": true} tags=["hide-input"]
tenth = losses["larger first", 0.1]
half = {name: np.mean(losses[name, 0.5]) for name in HOW}
assert min(tenth) > max(losses["random", 0.2])
assert half["magnitude, all together"] < half["magnitude, each matrix"] < half["random"] / 4
say(f"""
- Without the **largest tenth** of its weights the model is {np.mean(tenth):.2f} nats above the
  floor, most of the way to guessing ({guessing:.2f}). "Larger first" is worse than throwing dice:
  it is the opposite of magnitude pruning.
- Without the **smallest half**, each matrix by itself, it is {half['magnitude, each matrix']:.2f}
  above the floor; if the matrices compete, {half['magnitude, all together']:.2f}, where the float
  models have {np.mean(float_losses):.2f}.
""")

# %% [markdown]
# What does competition change? Look where the half that goes comes from:

# %%
masks = keep_masks({n: w for n, w in floats[0].items() if w.ndim == 2}, 0.5, scope="global")
table(["matrix", "shape", "pruned, of all together half"],
      [(f"`{name}`", f"{mask.shape[0]} × {mask.shape[1]}", f"{1 - mask.mean():.0%}")
       for name, mask in masks.items()])


def but_the_table(params):
    return {name: w for name, w in params.items() if name != "token_embedding"}


spared = [above(model, {**p, **prune(but_the_table(p), 0.5)}) for p in floats]
assert np.mean(spared) < half["magnitude, each matrix"] / 1.5
say(f"The table of characters gives up less than the others, though it is the smallest. It serves "
    f"twice: to read a character and to predict the next. Leave it whole, and let every *other* "
    f"matrix give half: the loss is {spread(spared)}. So most of the damage of "
    f"{half['magnitude, each matrix']:.2f} came from that one small matrix.")

# %% [markdown]
# ## 3. Scores that know more
#
# Is a small weight unimportant? It multiplies something. Take $y = 0.5\,x_1 + 0.2\,x_2$, where
# $x_2$ is usually ten times as large as $x_1$: the *smaller* weight contributes more. What counts
# is the error of the output. With the inputs that a weight meets as the rows of $X$, and
# $H = X^\top X$:
#
# $$\lVert X(w - \hat{w}) \rVert^2 = (w - \hat{w})^\top H\, (w - \hat{w})$$
#
# If weight $j$ alone becomes zero, this is $w_j^2 H_{jj}$. **Wanda** (Sun et al. 2023) takes its
# square root as the score:
#
# $$|w_j| \cdot \lVert x_j \rVert \qquad x_j:\ \text{column } j \text{ of } X$$
#
# But inputs are often alike, and then the other weights can *make up* for the one that goes.
# Minimise the error over all other weights, with $\hat{w}_j = 0$ fixed (one Lagrange multiplier
# does it), and you get the score and the cure of the **optimal brain surgeon**, OBS (Hassibi and
# Stork 1992):
#
# $$\text{score}_j = \frac{w_j^2}{[H^{-1}]_{jj}}, \qquad
#   \hat{w} = w - \frac{w_j}{[H^{-1}]_{jj}}\, H^{-1} e_j$$
#
# $e_j$ is the vector with a 1 at place $j$; $H^{-1} e_j$ is column $j$ of the inverse.

# %%
def remove_one(w, H, j):
    """Weight j goes, the others make up for it.   w: (n,), H: (n, n) -> new w, its error"""
    inverse = np.linalg.inv(H)
    return w - w[j] / inverse[j, j] * inverse[:, j], w[j] ** 2 / inverse[j, j]


x_1 = rng.standard_normal(1000)
x_2, x_4, noise = rng.standard_normal((3, 1000))
X = np.stack([x_1, 10 * x_2, x_1 + 0.3 * noise, x_4], axis=1)       # x_3 is nearly x_1
w, H = np.array([0.5, 0.2, 0.4, 0.3]), X.T @ X

rows, by = [], {"magnitude": np.abs(w), "Wanda": [], "OBS": []}
for j in range(4):
    cured, error = remove_one(w, H, j)
    assert abs(cured[j]) < 1e-12 and np.isclose(error, (w - cured) @ H @ (w - cured))
    alone = w[j] ** 2 * H[j, j]                             # nobody makes up for it
    assert error <= alone * (1 + 1e-9)
    by["Wanda"].append(alone), by["OBS"].append(error)
    rows.append((f"w_{j + 1} = {w[j]}", f"{abs(w[j]):.1f}", f"{np.sqrt(alone):.1f}",
                 f"{np.sqrt(error):.1f}", np.array2string(cured, precision=2, suppress_small=True)))
table(["which goes", "magnitude", "Wanda: error without a cure", "OBS: error with the cure",
       "the weights after the cure"], rows)
assert [int(np.argmin(scores)) + 1 for scores in by.values()] == [2, 4, 3]

# %% [markdown]
# Three scores, three answers. Magnitude gives up $w_2$, the one that matters *most*. Wanda gives up
# $w_4$. OBS gives up $w_3$ and lets $w_1$, whose input is nearly the same, take over its work; the
# error is less than half of Wanda's.
#
# For a matrix with thousands of weights one cannot invert $H$ anew after each. **SparseGPT**
# (Frantar and Alistarh 2023) goes through the inputs once, from the first to the last, decides for
# each weight whether it goes, and corrects those that come *after* it. `calibrate` reads a few
# batches of training text and gathers $H$ for each weight; `prune` does the rest. One matrix first,
# with half of its weights pruned. For a given choice of weights that stay there is a **limit**: no
# values for them do better than the least-squares solution, which we can compute.

# %%
training_text = windows(tokens.train, batch_size=32, context=64, seed=9)
seen = [calibrate(model, params, [training_text(i) for i in range(4)]) for params in floats]
w, H = floats[0]["lstm.0.w_h"], seen[0]["lstm.0.w_h"].gram     # (96, 384), XᵀX (96, 96)


def output_error(w_hat):
    """‖X(W − Ŵ)‖² as a share of ‖XW‖²."""
    error = w - w_hat
    return np.vdot(error, H @ error) / np.vdot(w, H @ w)


def refitted(kept):
    """The best values that weights at these places can have: least squares, column by column."""
    best = np.zeros(w.shape)
    for column in range(w.shape[1]):
        rows = np.flatnonzero(kept[:, column])
        best[rows, column] = np.linalg.solve(H[np.ix_(rows, rows)], H[rows] @ w[:, column])
    return best


errors, limits = {}, {}
for name, how in {
    "magnitude": {}, "Wanda": {"score": "wanda"}, "OBS, no cure": {"score": "obs"},
    "OBS, all places first, then the cure": {"score": "obs", "compensate": True},
    "SparseGPT, 32 inputs at a time": {"score": "obs", "compensate": True, "block": 32},
}.items():                              # damping: H gets a little more diagonal, to be invertible
    sparse = prune(w, 0.5, calibration=seen[0]["lstm.0.w_h"], damping=1e-4, **how)
    errors[name] = output_error(sparse.dense())
    limits[name] = output_error(refitted(sparse.kept))
    assert limits[name] <= errors[name] * (1 + 1e-6)
assert min(errors, key=errors.get).startswith("SparseGPT")
assert max(errors, key=errors.get) == "OBS, no cure"
assert max(limits.values()) < 1.6 * min(limits.values()) < min(errors.values())
table(["half of `lstm.0.w_h`", "error of its outputs", "limit for the same places"],
      [(name, f"{errors[name]:.2%}", f"{limits[name]:.2%}") for name in errors])

# %% [markdown]
# Two things can make the error small: better places, and better values at those places. The last
# column tells them apart. With the best values all of these places would do nearly equally well, so
# in this matrix it is the *values* that count. And a score belongs to its cure: that of OBS
# *without* it is the worst here, as it counts on a help that does not come. Now all matrices of all
# three models, from 10 to 90 %:

# %%
HOW |= {
    "Wanda, all together":
        lambda seed: {"score": "wanda", "scope": "global", "calibration": seen[seed]},
    "SparseGPT, all together":
        lambda seed: {"score": "obs", "scope": "global", "compensate": True, "block": 32,
                      "calibration": seen[seed]},
}
for name in list(HOW)[4:]:
    losses |= {(name, s): pruned_losses(HOW[name], s) for s in SPARSITIES}

# %% jupyter={"source_hidden": true} tags=["hide-input"]
LOOKS = {
    "random": (GREY, "x", "-"), "larger first": (BLACK, "P", "--"),
    "magnitude, each matrix": (ORANGE, "v", "-"), "magnitude, all together": (YELLOW, "^", "-"),
    "Wanda, all together": (BLUE, "o", "-"), "SparseGPT, all together": (GREEN, "s", "-"),
}


def draw_losses(axes, name, losses):
    colour, marker, dash = LOOKS[name]
    places = [100 * s for s in SPARSITIES]
    runs = np.array([losses[name, s] for s in SPARSITIES])
    axes.fill_between(places, runs.min(axis=1), runs.max(axis=1), color=colour, alpha=0.25,
                      linewidth=0)
    axes.plot(places, runs.mean(axis=1), dash, marker=marker, color=colour, markersize=5)


def draw_sparsity_against_loss():
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.6, 4.0))
    for name in list(LOOKS)[:4]:
        draw_losses(left, name, losses)
    for name in list(LOOKS)[2:]:
        draw_losses(right, name, losses)
    left.axhline(0, color=BLACK)
    left.annotate("limit: exact entropy of the grammar", (88, 0), (0, -12), ha="right",
                  textcoords="offset points", fontsize=9)
    left.axhline(guessing, color=GREY, linestyle=":")
    left.annotate("guessing", (88, guessing), (0, 3), ha="right", textcoords="offset points",
                  color=GREY, fontsize=9)
    left.annotate("larger first", (22, 2.4), color=BLACK)
    left.annotate("random", (31, 1.5), color=GREY)
    left.annotate("magnitude,\neach matrix", (52, 1.2), color=ORANGE, ha="center")
    left.annotate("magnitude,\nall together", (75, 0.42), color="#8A6100", ha="left")
    left.set_ylim(-0.22, 3.1)
    left.set_ylabel("loss above the exact entropy\n(nats per character)")
    right.axhline(np.mean(float_losses), color=GREY, linestyle="--")
    right.annotate("float32, nothing pruned", (91, np.mean(float_losses)), (0, -12), ha="right",
                   textcoords="offset points", color=GREY, fontsize=9)
    for words, place, colour in (
        ("magnitude, as on the left:", (9, 2.2), BLACK), ("▼ each matrix", (9, 1.6), ORANGE),
        ("▲ all together", (9, 1.16), "#8A6100"), ("all together, other scores:", (9, 0.78), BLACK),
        ("● Wanda", (9, 0.56), BLUE), ("■ SparseGPT", (9, 0.41), GREEN),
    ):
        right.annotate(words, place, color=colour)
    right.set_yscale("log")
    right.set_yticks([0.05, 0.1, 0.2, 0.5, 1, 2], ["0.05", "0.1", "0.2", "0.5", "1", "2"])
    right.set_ylabel("the same, logarithmic")
    for axes in (left, right):
        axes.set_xlabel("weights pruned (%)")
        axes.set_xticks(range(10, 91, 20))
    show(figure, "11-sparsity-against-loss")


draw_sparsity_against_loss()

# %% jupyter={"source_hidden": true} tags=["hide-input"]
at60 = {name: np.mean(losses[name, 0.6]) - np.mean(float_losses) for name in HOW}
order = ["SparseGPT, all together", "Wanda, all together", "magnitude, all together",
         "magnitude, each matrix", "random"]
assert all(at60[a] < at60[b] for a, b in pairwise(order))
say(f"""
At 60 % the damage, mean of three models, is {at60['magnitude, each matrix']:.3f} nats for magnitude
in each matrix, {at60['magnitude, all together']:.3f} for magnitude over all,
{at60['Wanda, all together']:.3f} for Wanda and {at60['SparseGPT, all together']:.3f} for SparseGPT.
Letting the matrices compete saves most; a score that knows the inputs, and weights that make up for
others, save more. At 90 % none of them is any good. (The bands are three seeds.)
""")

# %% [markdown]
# ## 4. What goes together
#
# So far every weight went by itself. That is hard to use for a processor, so weights are also
# pruned in patterns:
#
# - **2:4**: of every four neighbours along the inputs of one output, two stay. Some graphics
#   processors multiply such matrices up to twice as fast.
# - **rows**: an input with all its weights. Then the matrix can really be made smaller.

# %%
masks = {
    name: keep_masks({"w": floats[0]["lstm.0.w_h"]}, sparsity, structure=structure)["w"]
    for name, sparsity, structure in (
        ("single weights", 0.5, "element"), ("2:4", None, "2:4"), ("rows", 0.5, "row"))
}
assert all(mask.mean() == 0.5 for mask in masks.values())
assert (masks["2:4"].reshape(-1, 4, 384).sum(axis=1) == 2).all()

figure, panels = plt.subplots(1, 3, figsize=(7.0, 2.7))
for axes, (name, mask) in zip(panels, masks.items(), strict=True):
    axes.imshow(mask[:24, :24], cmap="Greys", vmin=0, vmax=1.2)
    axes.set_title(name, fontsize=10)
    axes.grid(False)
    axes.set_xlabel("output (number)")
    axes.set_yticks(range(0, 24, 4))
panels[0].set_ylabel("input (number)")
show(figure)

# %% [markdown]
# Dark is kept: a corner of one matrix, half of it pruned three times. A pattern has fewer choices,
# so it must cost more. It also needs fewer bits to *say* which choice was made: of the
# $\binom{4}{2} = 6$ ways to keep two of four, one takes $\log_2 6$ bits for four weights, where a
# bit for each weight says any choice.

# %%
rows, by_structure = [], {}
for name, sparsity, structure, index in (
    ("single weights", 0.5, "element", 1.0),
    ("2:4", None, "2:4", np.log2(6) / 4),
    ("rows", 0.5, "row", 0.0),
):
    by_structure[name] = [
        above(model, {**p, **prune(but_the_table(p), sparsity, structure=structure)})
        for p in floats
    ]
    rows.append((name, spread(by_structure[name]), f"{index:.2f}"))
narrow = [shrink(model, p, 0.5, what="units", scores="activation", calibration=s)
          for p, s in zip(floats, seen, strict=True)]
by_structure["units"] = [above(*each) for each in narrow]
rows.append(("half of the LSTM's cells, by what they add", spread(by_structure["units"]), "0.00"))
assert np.mean(by_structure["single weights"]) < np.mean(by_structure["2:4"])
assert np.mean(by_structure["2:4"]) < min(map(np.mean, (by_structure["rows"],
                                                         by_structure["units"])))
table(["half of each matrix but the table, by magnitude", "loss above the entropy",
       "index, bits a weight"], rows)
kept = sum(w.size for w in narrow[0][1].values()) / sum(w.size for w in floats[0].values())
say(f"The last row is `shrink`: a cell of the LSTM leaves with *everything* that it is read by and "
    f"reads, and the matrices get smaller. {kept:.0%} of the numbers stay. None of these models "
    "has been trained since; section 6 does that.")

# %% [markdown]
# (The table is left whole again: one of its rows is a character.) Why would one pay so much for
# whole cells? Because **zeros save bytes and no time**. A product with a sparse matrix in NumPy
# multiplies the zeros as well; and first they have to be filled in, at each call, so that it takes
# even *longer*. The repository has measured it, on larger models than these:

# %%
saved = saved_rows("docs/fewer-weights.csv")
rows = []
for method in ("magnitude", "SparseGPT, global", "SVD", "units, by activation",
               "student, soft targets"):
    ratio = [row["inference_time"] for row in saved if row["model"] == "LSTM"
             and row["method"] == method and row["left_out"] == 50 and row["inference_time"]]
    rows.append((method, f"{np.median(ratio):.2f}"))
table(["LSTM, half left out", "time of reading a text, float model = 1"], rows)

# %% [markdown]
# (*SVD* and *student* come in sections 7 and 8.)
#
# ## 5. Real bytes
#
# Half of the weights are gone: is half of the file gone? Whoever stores a sparse matrix must say
# *where* the numbers are that are left. Two ways, for a matrix whose share $1 - s$ is kept, with
# $b$ bits for each kept value:
#
# | | a weight takes (bits) |
# |---|---|
# | dense, zeros written out | $b$ |
# | **bitmask**: one bit for each weight, kept or not | $1 + (1 - s)\, b$ |
# | **CSR** (compressed sparse rows): the column's number beside each value | $(1 - s)(b + c)$ |
#
# $c$ is 8 in rows of up to 256 numbers and 16 in longer ones; CSR also says where each row begins.
# Below all of them lies a limit. Which weights are kept is a coin that falls on *kept* with
# probability $1 - s$, so on average nobody can write it down in fewer bits than its entropy:
#
# $$\text{limit} = H(s) + (1 - s)\, b, \qquad H(s) = -s \log_2 s - (1 - s) \log_2 (1 - s)$$
#
# We prune a matrix of 512 × 512, write it to files and count their bytes.

# %%
def coin(s):
    """The entropy of a coin in bits: H(s), for 0 < s < 1."""
    return -s * np.log2(s) - (1 - s) * np.log2(1 - s)


def file_bits(w, write=save):
    """Bits of a real file for each weight. write: minilm.save, or save_coded."""
    with TemporaryDirectory() as folder:
        write(Path(folder) / "w.npz", {"w": w})
        return 8 * (Path(folder) / "w.npz").stat().st_size / np.prod(w.shape)


w = rng.standard_normal((512, 512)).astype(np.float32)
densities = np.array([0.9, 0.75, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01])
rows_of, files = {}, {name: [] for name in ("float32", "4 bits", "4 bits, dense, coded")}
limit_4 = []                                        # H(s) + (1 − s)·b for the 4-bit codes
for density in densities:
    sparse = prune(w, 1 - density)
    files["float32"].append(file_bits(sparse))
    four = quantize({"w": sparse}, 4, axis="tensor")["w"]       # only kept values get codes
    files["4 bits"].append(file_bits(four))
    dense = quantize({"w": sparse.dense()}, 4, axis="tensor")["w"]        # zeros have a code, too
    files["4 bits, dense, coded"].append(file_bits(dense, save_coded))
    zero = dense.codes == 0                         # pruned, or small enough to be rounded to 0
    b = float(entropy_of(np.bincount(dense.codes[~zero] + 8)))
    limit_4.append(coin(zero.mean()) + (1 - zero.mean()) * b)

by_formula = np.minimum(1 + 32 * densities, (32 + 16) * densities + 32 / 512)
assert np.allclose(files["float32"], by_formula, atol=0.1), "the formulas, and headers beside"
assert (np.array(files["float32"]) > coin(densities) + 32 * densities).all(), "nobody below it"

# %% jupyter={"source_hidden": true} tags=["hide-input"]
def draw_bytes():
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.6, 3.9))
    fine = np.geomspace(0.01, 0.99, 200)
    for axes, b in ((left, 32), (right, 4)):
        axes.axhline(b, color=GREY, linestyle=":")
        axes.plot(100 * fine, 1 + b * fine, color=ORANGE)
        axes.plot(100 * fine, (b + 16) * fine, "--", color=BLUE)
        axes.set(xscale="log", yscale="log")
        axes.set_xticks([100, 50, 20, 10, 5, 2, 1], ["100", "50", "20", "10", "5", "2", "1"])
        axes.set_xlim(110, 0.9)
        axes.set_xlabel("weights kept (%)")
        axes.minorticks_off()
    left.plot(100 * fine, coin(fine) + 32 * fine, color=BLACK)
    left.plot(100 * densities, files["float32"], "o", color=GREEN, markersize=6, zorder=3)
    left.set_yticks([0.5, 1, 2, 5, 10, 20, 32], ["0.5", "1", "2", "5", "10", "20", "32"])
    left.set_ylabel("bits of the file for each weight")
    left.set_title("values of 32 bits", fontsize=10)
    right.plot(100 * densities, limit_4, color=BLACK)
    right.plot(100 * densities, files["4 bits"], "o", color=GREEN, markersize=6, zorder=3)
    right.plot(100 * densities, files["4 bits, dense, coded"], "D", color=PINK, markersize=5,
               zorder=4)
    right.set_yticks([0.1, 0.2, 0.5, 1, 2, 4], ["0.1", "0.2", "0.5", "1", "2", "4"])
    right.set_ylim(0.08, 14)
    right.set_title("values of 4 bits", fontsize=10)
    for axes, words, place, colour, side in (
        (left, "dense", (2, 34), GREY, "center"), (left, "bitmask", (1.6, 1.95), ORANGE, "center"),
        (left, "CSR", (38, 22), BLUE, "left"), (left, "limit", (2.6, 0.72), BLACK, "right"),
        (left, "dots: minilm's file,\nwhichever is smaller", (9, 11), GREEN, "left"),
        (right, "dense", (2, 4.2), GREY, "center"),
        (right, "bitmask", (1.6, 1.15), ORANGE, "center"),
        (right, "CSR", (38, 9.5), BLUE, "left"), (right, "limit", (8, 0.33), BLACK, "right"),
        (right, "minilm's\nfile", (106, 5.6), GREEN, "left"),
        (right, "dense codes,\nentropy-coded", (95, 0.75), PINK, "left"),
    ):
        axes.annotate(words, place, color=colour, ha=side, fontsize=9)
    show(figure, "11-file-bytes")


draw_bytes()

# %% [markdown]
# - **Floats**: pruning pays at once, because a mask is small beside 32 bits. Down to one weight in
#   sixteen the bitmask is smaller, below that CSR; both formulas without the constant cross where
#   $1 = 16\,(1 - s)$.
# - **4 bits**: here a bit of mask is a quarter of the weight. The bitmask pays only when
#   $1 + 4(1 - s) < 4$, that is when less than three quarters are kept, and at 1 bit it never would.
# - **An entropy coder needs no mask.** The diamonds are *dense* 4-bit codes, zeros included, each
#   written in about as many bits as it is surprising ([07](07_error_against_bit_width.ipynb)). The
#   zeros cost their $H(s)$, and the file lies on the limit, by itself. (In the black line on the
#   right $1 - s$ is the share of codes that are not 0, and $b$ is their entropy; it is below 4, as
#   they are not equally frequent.)

# %% jupyter={"source_hidden": true} tags=["hide-input"]
coded = np.array(files["4 bits, dense, coded"])
assert (coded > limit_4).all() and (coded - limit_4).max() < 0.05
pays = {b: float(densities[np.array(files[name]) < b].max())
        for name, b in (("float32", 32), ("4 bits", 4))}      # the largest density that pays
assert pays[4] < 0.75 < pays[32]
say(f"The coded files lie at most {(coded - limit_4).max():.3f} bits above the limit. Of the "
    f"densities tried, the plain sparse file is smaller than the dense one from {pays[32]:.0%} "
    f"kept for floats, and from {pays[4]:.0%} kept for 4 bits.")

# %% [markdown]
# The two savings also work together. One trained model, whole, as real files:

# %%
def model_file(params, write=save):
    with TemporaryDirectory() as folder:
        write(Path(folder) / "model.npz", params)
        return (Path(folder) / "model.npz").stat().st_size


best = HOW["SparseGPT, all together"](0)
versions = {
    "float32": floats[0],
    "half pruned": prune(floats[0], 0.5, **best),
    "4 bits": quantize(floats[0], 4),
    "half pruned, then 4 bits": quantize(prune(floats[0], 0.5, **best), 4),
}
size = {name: (model_file(p), model_file(p, save_coded)) for name, p in versions.items()}
loss = {name: above(model, p) for name, p in versions.items()}
table(["one model", "file, bytes", "entropy-coded, bytes", "loss above the entropy"],
      [(name, *(f"{each:,}" for each in size[name]), f"{loss[name]:.3f}") for name in versions])
less = 1 - size["half pruned, then 4 bits"][1] / size["4 bits"][1]
assert size["4 bits"][0] < 0.5 * size["half pruned"][0] and 0 < less < 0.5
assert loss["4 bits"] < loss["half pruned"] + 0.01
say(f"Four bits save far more than half of the weights do, and cost no more. Pruning on top of "
    f"them takes another {less:.0%} off the coded file, for "
    f"{loss['half pruned, then 4 bits'] - loss['4 bits']:.3f} nats.")

# %% [markdown]
# ## 6. Training what is left
#
# A pruned model has just been hurt, and it has not been allowed to recover. So train on, with the
# zeros held at zero. What the model sees is $w \odot m$ with the mask $m$ of zeros and ones, so by
# the chain rule the gradient is multiplied by the same mask:
#
# $$\hat{w} = w \odot m, \qquad
#   \frac{\partial L}{\partial w} = \frac{\partial L}{\partial \hat{w}} \odot m$$
#
# In minilm that is a *view*, what `fit` shows to the model instead of its weights. The fair
# comparison is not the model as it was, but the same model trained for **as many steps more**
# without a mask: the control.

# %%
STEPS = 80
control = [above(model, train(model, floats[s], STEPS, seed=10 + s)) for s in SEEDS]
TUNED = (0.5, 0.7, 0.8, 0.9)
tuned = {}
for sparsity in TUNED:
    for seed in SEEDS:
        kept = keep_masks({n: w for n, w in floats[seed].items() if w.ndim == 2}, sparsity,
                          scope="global")
        trained = train(model, floats[seed], STEPS, seed=10 + seed, view=masked(kept))
        sparse = {name: w * kept.get(name, True) for name, w in trained.items()}
        tuned.setdefault(sparsity, []).append(above(model, sparse))
zeros = sum((sparse[name] == 0).sum() for name in kept) / sum(m.size for m in kept.values())
print(f"zeros after training with 90% pruned: {zeros:.1%}")

# %%
figure, axes = plt.subplots(figsize=(6.6, 3.9))
draw_losses(axes, "magnitude, all together", losses)
places = [100 * s for s in TUNED]
axes.fill_between(places, [min(tuned[s]) for s in TUNED], [max(tuned[s]) for s in TUNED],
                  color=BLUE, alpha=0.25, linewidth=0)
axes.plot(places, [np.mean(tuned[s]) for s in TUNED], "-o", color=BLUE, markersize=5)
axes.axhspan(min(control), max(control), color=GREY, alpha=0.4, linewidth=0)
axes.annotate("control: as many steps more,\nnothing pruned", (22, np.mean(control)), (10, 0.2),
              color=GREY, fontsize=9, arrowprops={"arrowstyle": "-", "color": GREY})
axes.axhline(0, color=BLACK)
axes.annotate("limit: exact entropy", (10, 0), (0, -12), textcoords="offset points", fontsize=9)
axes.annotate("pruned by magnitude,\nall together", (59, 0.42), color="#8A6100", ha="right")
axes.annotate("pruned,\nthen trained", (81, 0.18), color=BLUE, ha="right")
axes.set_ylim(-0.05, 0.8)
axes.set_xlabel("weights pruned (%)")
axes.set_ylabel("loss above the exact entropy\n(nats per character)")
show(figure)

# %% jupyter={"source_hidden": true} tags=["hide-input"]
before, after = (np.mean(each[0.8] if each is tuned else each["magnitude, all together", 0.8])
                 for each in (losses, tuned))


def saved_mean(method, left_out=(0, 50)):
    """The mean over seeds of the loss above float32, larger LSTM."""
    return np.mean([row["loss_above_float"] for row in saved if row["model"] == "LSTM"
                    and row["method"] == method and row["left_out"] in left_out])


assert saved_mean("float, trained further") < saved_mean("magnitude, tuned") < 0
assert after < 0.2 * before and np.mean(tuned[0.5]) < np.mean(float_losses) + 0.01
say(f"""
With 80 % pruned, {STEPS} steps of training bring the loss from {before:.2f} to {after:.3f} nats
above the floor. With half pruned it ends at {np.mean(tuned[0.5]):.3f}: as good as the float models
at {np.mean(float_losses):.3f}, with half of their weights. The control, with all of them, is at
{np.mean(control):.3f}.

Why insist on a control? In the repository's longer runs (saved; an LSTM, three seeds, as many steps
again as it was trained for) the model that was pruned by half and trained ends
{-saved_mean('magnitude, tuned'):.3f} nats *below* its float model. It sounds as if pruning had
improved it, until one sees the control: {-saved_mean('float, trained further'):.3f} below.
""")

# %% [markdown]
# ## 7. Two thin matrices
#
# Another way to fewer numbers: write a matrix $W$ of shape $(m, n)$ as a product of two thin ones,
#
# $$W \approx A B, \qquad A: (m, r), \quad B: (r, n), \qquad r\,(m + n)
#   \text{ numbers instead of } m n$$
#
# The number $r$ is the **rank**. It pays below the *break-even* rank $mn / (m + n)$. Which $A$ and
# $B$ are best? Every matrix has a **singular value decomposition** (SVD) $W = U \Sigma V^\top$,
# with orthonormal columns in $U$ and $V$ and numbers $\sigma_1 \geq \sigma_2 \geq \dots \geq 0$ on
# the diagonal of $\Sigma$. Eckart and Young (1936) proved that to keep the first $r$ is the best
# that anything of rank $r$ can do:
#
# $$\min_{\text{rank } r} \lVert W - AB \rVert^2 = \sum_{i > r} \sigma_i^2$$
#
# But again it is $XW$ that counts, not $W$. The same theorem, for the matrix $XW$: its best
# approximation keeps its first $r$ right singular vectors $V_r$, and that is a product
# $X A B$ with $A = W V_r$, $B = V_r^\top$. We need not even keep $X$: any $R$ with $R^\top R = H$
# gives the same $V$.

# %%
w, H = floats[0]["lstm.0.w_h"].astype(np.float64), seen[0]["lstm.0.w_h"].gram


def thin(w, rank, R=None):
    """A (m, r), B (r, n). R: with RᵀR = XᵀX, so that X W counts; None: W itself does."""
    _, sigma, v_t = np.linalg.svd(w if R is None else R @ w, full_matrices=False)
    v_r = v_t[:rank]
    return w @ v_r.T, v_r, sigma


values, vectors = np.linalg.eigh(H)
R = np.sqrt(np.maximum(values, 0))[:, None] * vectors.T     # RᵀR = H
ranks = [4, 8, 16, 24, 32, 48, 64, 76]
errors = {name: [] for name in ("W, plain", "W, aware", "XW, plain", "XW, aware")}
for rank in ranks:
    for name, root in (("plain", None), ("aware", R)):
        a, b, sigma = thin(w, rank, root)
        errors[f"W, {name}"].append(np.square(w - a @ b).sum() / np.square(w).sum())
        errors[f"XW, {name}"].append(output_error(a @ b))
        own = errors["W, plain" if root is None else "XW, aware"][-1]
        assert np.isclose(own, np.square(sigma[rank:]).sum() / np.square(sigma).sum(), rtol=1e-6)
by_minilm = factorize(floats[0]["lstm.0.w_h"], rank=32, calibration=seen[0]["lstm.0.w_h"])
assert np.allclose(by_minilm.dense(), np.matmul(*thin(w, 32, R)[:2]), atol=1e-4)

# %% jupyter={"source_hidden": true} tags=["hide-input"]
def draw_ranks():
    figure, panels = plt.subplots(1, 2, figsize=(7.4, 3.3), sharey=True)
    for axes, what, best, low in zip(
        panels, ("W", "XW"), ("plain", "aware"), (0.0006, 0.015), strict=True
    ):
        axes.plot(ranks, errors[f"{what}, plain"], "-v", color=ORANGE, markersize=5)
        axes.plot(ranks, errors[f"{what}, aware"], "--o", color=BLUE, markersize=5)
        axes.axvline(break_even(w.shape), color=GREY, linestyle=":")
        axes.annotate("break-even rank", (break_even(w.shape), low), (-3, 0), rotation=90,
                      ha="right", textcoords="offset points", color=GREY, fontsize=9)
        axes.set_yscale("log")
        axes.set_xlabel("rank r")
        axes.set_title(f"error of {what}: the limit is the {best} line", fontsize=10)
    panels[0].set_yticks([0.001, 0.01, 0.1, 1], ["0.1 %", "1 %", "10 %", "100 %"])
    panels[0].set_ylabel("squared error, share of the whole")
    panels[0].annotate("plain SVD\n= limit (Eckart–Young)", (6, 0.03), color=ORANGE)
    panels[0].annotate("activation-aware", (36, 0.36), color=BLUE)
    panels[1].annotate("plain SVD", (38, 0.08), color=ORANGE)
    panels[1].annotate("activation-aware\n= limit (Eckart–Young)", (6, 0.0016), color=BLUE)
    show(figure)


draw_ranks()

# %% [markdown]
# Each line is the limit of its own question, and the wrong answer to the other one. The right-hand
# question is the one that a model asks. (Beyond the dotted line the two factors together are larger
# than the matrix.) Whole models, at about the same bytes as half pruned ones:

# %%
rows, thin_losses = [], {}
names = [name for name, w in floats[0].items() if w.ndim == 2 and name != "token_embedding"]
for share in (0.75, 0.5, 0.35):
    for how in ("plain", "activation-aware"):
        made = [factorize(p, share=dict.fromkeys(names, share),
                          calibration=None if how == "plain" else {n: s[n] for n in names})
                for p, s in zip(floats, seen, strict=True)]
        thin_losses[how, share] = [above(model, p) for p in made]
        rows.append((f"{share:.0%} of the numbers, {how}", f"{nbytes(made[0]):,}",
                     spread(thin_losses[how, share])))
half_pruned = [prune(floats[s], 0.5, **HOW["SparseGPT, all together"](s)) for s in SEEDS]
rows.append(("*half pruned, SparseGPT*", f"{nbytes(half_pruned[0]):,}",
             spread(losses["SparseGPT, all together", 0.5])))
assert all(np.mean(thin_losses["activation-aware", s]) < np.mean(thin_losses["plain", s])
           for s in (0.75, 0.5, 0.35))
pruned_half = losses["SparseGPT, all together", 0.5]
assert np.mean(pruned_half) < np.mean(thin_losses["activation-aware", 0.5])
table(["all matrices but the table", "bytes held", "loss above the entropy"], rows)

# %% [markdown]
# At the same bytes pruning wins here, before any further training. What speaks for two factors is
# time: two thin products are less work than one, and no zeros are multiplied.
#
# ## 8. A teacher and a student
#
# The third way starts from nothing. Take a small model, the **student**, and train it; but not on
# text alone, where after *"the ca"* there comes just one next character. Let it see what the large
# model, the **teacher**, thinks of *every* next character: *t* very likely, *r* possible, *x*
# never. Hinton, Vinyals and Dean (2015) called these **soft targets**. With a **temperature** $T$
# both distributions are made flatter before they are compared:
#
# $$p = \mathrm{softmax}(v / T), \quad q = \mathrm{softmax}(z / T), \qquad
#   L = \alpha\, T^2\, \mathrm{KL}(p \,\Vert\, q) + (1 - \alpha)\, \mathrm{CE}(z, y)$$
#
# $v$ are the teacher's logits, $z$ the student's, $y$ the character that really came.
# $\mathrm{KL}(p \Vert q) = \sum_i p_i \log (p_i / q_i)$ is 0 if both agree. The teacher stands
# first, so the student pays where the teacher sees something likely and it does not.
#
# **Where does $T^2$ come from?** For one position, with $\partial q_i / \partial z_k =
# q_i (\delta_{ik} - q_k) / T$, the gradient is as simple as that of cross-entropy:
#
# $$\frac{\partial\, \mathrm{KL}}{\partial z_k}
#   = -\sum_i \frac{p_i}{q_i} \frac{\partial q_i}{\partial z_k}
#   = \frac{q_k - p_k}{T}$$
#
# For large $T$, $e^{z/T} \approx 1 + z/T$, so with $V$ characters $q_k - p_k \approx
# \big((z_k - \bar{z}) - (v_k - \bar{v})\big) / (V T)$: a second factor $1/T$. The whole gradient
# shrinks as $1/T^2$, and without the factor $T^2$ the choice of $T$ would silently change how much
# the teacher counts. Check it:

# %%
z, v = rng.standard_normal((2, 1, 8))                       # one position, eight characters
y = np.array([3])


def kl_gradient(temperature):
    p, q = (np.exp(logits / temperature) for logits in (v, z))
    return (q / q.sum() - p / p.sum()) / temperature


matching = ((z - z.mean()) - (v - v.mean())) / 8            # what the limit says for T² · gradient
rows = []
for temperature in (1, 2, 4, 8, 16, 64):
    gradient = kl_gradient(temperature)
    _, by_minilm = distillation_loss(z, v, y, temperature=temperature, alpha=1)
    assert np.allclose(temperature**2 * gradient, by_minilm)
    rows.append((f"T = {temperature}", f"{np.linalg.norm(gradient):.5f}",
                 f"{np.linalg.norm(temperature**2 * gradient):.3f}"))
rows.append(("limit", "", f"{np.linalg.norm(matching):.3f}"))
assert np.allclose(by_minilm, matching, atol=0.01)
table(["length of the gradient", "of KL alone", "times T²"], rows)

# %% [markdown]
# Is the formula of the gradient right? The test that never fails to tell: move one logit a little,
# and see how much the loss changes.

# %%
step, total = 1e-5, {"temperature": 2.0, "alpha": 0.7}
_, gradient = distillation_loss(z, v, y, **total)
for k in range(8):
    up, down = z.copy(), z.copy()
    up[0, k] += step
    down[0, k] -= step
    slope = (distillation_loss(up, v, y, **total)[0]
             - distillation_loss(down, v, y, **total)[0]) / (2 * step)
    assert np.isclose(slope, gradient[0, k], atol=1e-8)
print("the gradient agrees with finite differences in all eight logits")

# %% [markdown]
# ### When does a teacher help?
#
# Our student has half of the teacher's cells, and it is given **little text**: about 6,000
# characters, read again and again. The teacher has read about a hundred times as much. For each
# window of text we ask the teacher once, and keep its logits; `fit` takes any loss that returns a
# sum, gradients, and how many terms were summed.

# %%
student = LSTMLanguageModel(tokenizer.vocab_size, width=48, embedding_width=16)
teacher = floats[0]
STUDENT_STEPS = 240

context = 64
some = tokens.train[: 96 * context + 1]                     # what the student may read
inputs, targets = some[:-1].reshape(-1, 8, context), some[1:].reshape(-1, 8, context)
lessons = [(x, model.forward(teacher, x)[0], y) for x, y in zip(inputs, targets, strict=True)]


def taught(temperature, alpha):
    """A loss for fit: batches are (ids, the teacher's logits, the true next ids)."""
    def loss(model, seen, batch, rng):
        ids, teacher_logits, targets = batch
        logits, cache = model.forward(seen, ids, rng=rng)
        mean, dlogits = distillation_loss(logits, teacher_logits, targets,
                                          temperature=temperature, alpha=alpha)
        return mean * targets.size, model.backward(dlogits * targets.size, cache), targets.size
    return loss


# minilm's distil does the same, and asks the teacher itself
start = student.init(0)
ours = taught(2, 0.5)(student, start, lessons[0], None)
theirs = distil(model, teacher, temperature=2, alpha=0.5)(student, start, lessons[0][::2], None)
assert np.isclose(ours[0], theirs[0], rtol=1e-4) and ours[2] == theirs[2]


def students(temperature=1, alpha=1, seeds=SEEDS):
    return [above(student, train(student, student.init(s), STUDENT_STEPS, s, batches=lessons,
                                 loss=taught(temperature, alpha))) for s in seeds]


# %%
TEMPERATURES = (0.5, 0.7, 1, 2, 4, 8)
swept = {temperature: students(temperature) for temperature in TEMPERATURES}
alone = students(alpha=0)
both = students(alpha=0.5)
all_text = [windows(tokens.train, batch_size=8, context=context, seed=s) for s in SEEDS]
more_text = [above(student, train(student, student.init(s), STUDENT_STEPS, s, batches=all_text[s]))
             for s in SEEDS]                                # as many characters in each step

# %% jupyter={"source_hidden": true} tags=["hide-input"]
def draw_temperatures():
    figure, axes = plt.subplots(figsize=(7.0, 4.1))
    for runs, colour, words, place in (
        (alone, ORANGE, "alone, on the same little text", 1.45),
        (more_text, GREY, "alone, on all the text", 4),
    ):
        axes.axhspan(min(runs), max(runs), color=colour, alpha=0.25, linewidth=0)
        axes.annotate(words, (place, max(runs)), (0, 3), ha="center",
                      textcoords="offset points", color=colour, fontsize=9)
    axes.axhline(float_losses[0], color=BLACK, linestyle="--")
    axes.annotate("teacher", (8.6, float_losses[0]), (0, 3), ha="right",
                  textcoords="offset points", fontsize=9)
    axes.axhline(0, color=BLACK)
    axes.annotate("limit: exact entropy", (8.6, 0), (0, 3), ha="right",
                  textcoords="offset points", fontsize=9)
    runs = np.array([swept[t] for t in TEMPERATURES])
    axes.plot(TEMPERATURES, runs.mean(axis=1), "-", color=BLUE)
    axes.plot(TEMPERATURES, runs, "o", color=BLUE, markersize=5, alpha=0.6)
    axes.annotate("taught by the teacher\nalone (α = 1)", (0.66, 0.8 * runs[0].mean()), color=BLUE)
    axes.set_xscale("log", base=2)
    axes.set_xticks(TEMPERATURES, [f"{t:g}" for t in TEMPERATURES])
    axes.minorticks_off()
    axes.set_xlim(0.46, 9)
    axes.set_ylim(-0.01, 1.08 * runs.max())
    axes.set_xlabel("temperature T (no unit)")
    axes.set_ylabel("loss above the exact entropy\n(nats per character)")
    show(figure, "11-temperature-sweep")


draw_temperatures()

# %% jupyter={"source_hidden": true} tags=["hide-input"]
means = {temperature: np.mean(runs) for temperature, runs in swept.items()}
assert min(means, key=means.get) == 1 and max(swept[1]) < min(alone)
assert min(means[8], means[0.5]) > max(alone)
assert max(swept[1]) < min(more_text) and max(more_text) < min(alone)
say(f"""
- **With little text a teacher is worth much.** Alone the student ends {np.mean(alone):.3f} nats
  above the floor, taught at T = 1 it ends at {means[1]:.3f}. That is even better than the same
  student alone with *all* the text to read, as many characters in each step
  ({np.mean(more_text):.3f}): a teacher's answer says more than the one character that came. Half
  text, half teacher (α = ½): {np.mean(both):.3f}.
- **T = 1 is best here.** At T = 2 it is {means[2]:.3f}, at T = 8 {means[8]:.3f}, and at T = 0.5
  {means[0.5]:.3f}: with a bad temperature a teacher is worse than none.

(Dots and bands are three students of one teacher.)
""")

# %% [markdown]
# Why is a higher temperature no help, when so much code sets $T = 4$ by habit? A likely reason: our
# measure *is* the cross-entropy at $T = 1$, so the teacher's own probabilities are just what the
# student has to copy. At a high $T$ it works on the logits of characters that never come, and has
# no cells to spare for that; at a low one it learns only the likeliest answer, and forgets what
# else is possible. Where the *right class* is all that counts, the optimum can lie elsewhere. So:
# sweep it.
#
# And with plenty of text? The repository has tried that at length, on a larger LSTM whose students
# have half of its cells and read all of the text, for as long as the teacher did:

# %%
rows, average = [], {}
for method in ("student alone", "student, soft targets", "student, soft targets, T = 2",
               "student, hard labels", "student, cut from its teacher", "units, tuned"):
    found = [row["loss_above_float"] for row in saved if row["model"] == "LSTM"
             and row["method"] == method and row["left_out"] == 50]
    average[method] = np.mean(found)
    rows.append((method, f"{min(found):+.3f} … {max(found):+.3f}"))
assert sorted(average, key=average.get)[-1] == "student, hard labels"
assert average["units, tuned"] < 0.5 * average["student, soft targets"] < average["student alone"]
table(["LSTM, half of the cells; saved measurements", "loss above the teacher's, three seeds"],
      rows)

# %% [markdown]
# There soft targets at $T = 1$ help little, hard labels (only the teacher's likeliest character)
# harm, and what helps most is to *begin* as half of the teacher (*units, tuned* is section 4's
# `shrink`, trained on): a teacher does not make up for steps.
#
# ### What articles print
#
# The articles of [08](08_published_formulas.ipynb) also describe pruning and distillation. Their
# formulas, to the letter, each beside the right form, under one yardstick:

# %%
names = ["the larger nodes are pruned", "a student with its weights halved", "the student's loss",
         "the student reads the teacher", "the large model is updated"]
table(["article", "printed", "measured", "as printed", "right form"],
      [(row.article, row.formula, row.measured, row.printed, row.right)
       for row in tried([PUBLISHED[name] for name in names])])
halved = {name: w / 2 for name, w in teacher.items()}
assert above(model, halved) > 5 * above(model, teacher) and nbytes(halved) == nbytes(teacher)
say(f"Our own teacher with its weights halved is {above(model, halved):.2f} nats above the floor "
    f"instead of {above(model, teacher):.2f}, and takes the same {nbytes(halved):,} bytes.")

# %% [markdown]
# Half of a model is half of its *numbers*, not its numbers divided by two. A loss without the
# teacher in it teaches nothing of the teacher. If the student reads the teacher's answers, both
# have to run for each prediction. And it is the student that is updated.
#
# ## 9. Fewer numbers or fewer bits?
#
# The last picture has one dot for each method and size that the repository has measured on the
# larger LSTM, the mean of three seeds each, together with quantization without any training
# ([09](09_quantized_inference.ipynb)). Further left is smaller, further down is better; what loses
# 0.9 nats or more is left out.

# %% jupyter={"source_hidden": true} tags=["hide-input"]
KINDS = {
    "pruned": (("pruned",), ORANGE, "v"), "low rank": (("low rank",), PINK, "P"),
    "pruned, then 4 bits": (("pruned and rounded",), SKY, "^"),
    "pruned or low rank, trained": (("pruned, trained", "low rank, trained"), BLUE, "o"),
    "student": (("student",), YELLOW, "*"),
}


def mean_points(rows):
    """(true bits, mean loss above float) of each method and amount, of those below 0.9 nats."""
    groups = {}
    for row in rows:
        key = row["method"], row.get("left_out"), row.get("bits")
        if row["bits_per_weight"] is not None and row["loss_above_float"] is not None:
            groups.setdefault(key, []).append((row["bits_per_weight"], row["loss_above_float"]))
    points = np.array([np.mean(each, axis=0) for each in groups.values() if len(each) >= 3])
    return points[points[:, 1] < 0.9]


def draw_all():
    figure, axes = plt.subplots(figsize=(7.0, 3.9))
    quantized = [row for row in saved_rows("docs/methods.csv")
                 if row["model"] == "LSTM" and row["kind"] == "post-training"]
    axes.plot(*mean_points(quantized).T, ".", color=GREY, markersize=5, label="quantized alone")
    for name, (kinds, colour, marker) in KINDS.items():
        own = [row for row in saved if row["model"] == "LSTM" and row["kind"] in kinds]
        axes.plot(*mean_points(own).T, marker, color=colour, markersize=7, alpha=0.8, label=name,
                  markeredgecolor="white", markeredgewidth=0.4)
    further = [row["loss_above_float"] for row in saved
               if row["model"] == "LSTM" and row["method"] == "float, trained further"]
    axes.axhline(0, color=BLACK)
    axes.annotate("float32", (32, 0), (0, 3), textcoords="offset points", ha="right", fontsize=9)
    axes.axhspan(min(further), max(further), color=GREY, alpha=0.4, linewidth=0)
    axes.annotate("control: float32, trained as many steps more", (32, min(further)), (0, -11),
                  textcoords="offset points", ha="right", color=GREY, fontsize=9)
    axes.set_xscale("log", base=2)
    axes.set_xticks([2, 4, 8, 16, 32], ["2", "4", "8", "16", "32"])
    axes.set_ylim(-0.16, 0.9)
    axes.set_xlabel("true bits per weight of the float model, indices and scales included")
    axes.set_ylabel("loss above float32 (nats per character)")
    figure.legend(loc="outside upper center", ncols=3, fontsize=9)
    show(figure)


draw_all()
points = {kind: mean_points([row for row in rows if row["model"] == "LSTM" and row["kind"] == kind])
          for kind, rows in (("pruned", saved),
                             ("post-training", saved_rows("docs/methods.csv")))}
few, many = points["post-training"], points["pruned"]
assert few[few[:, 0] < 5, 1].min() < many[many[:, 0] < 18, 1].min(), "at a third of the bytes"

# %% [markdown]
# At the same bytes quantization alone lies lower than pruning alone, by far: 4 bits are eight times
# fewer bytes at a small loss. To prune floats to the same size would mean to give up nine weights
# of ten, as $1 + 32\,(1 - s) = 4$ says. So the usual order is: bits first; zeros or narrower layers
# if that is not enough, or if it is time and not bytes that is short; and whatever is done, train
# afterwards.
#
# ## On your own
#
# **1. Exactly k of all.** Section 2 found that matrices should compete. Write
# `prune_exactly(weights, k)`. `weights` is a list of float arrays of any shapes; together,
# *exactly* `k` of their numbers become zero, those of the smallest magnitude, wherever they stand.
# Return a list of new arrays with the same shapes; the arrays given stay as they are.
# $0 \leq k \leq$ the number of all weights; no weight is zero beforehand; many may be equal (then
# any of them may go). *Hint:* `np.concatenate`, then the idea of `prune_by_hand`, then cut it up
# again.

# %%
def prune_exactly(weights, k):
    """The k smallest of all arrays together at zero -> a list of new arrays."""
    ### BEGIN SOLUTION
    flat = np.concatenate([np.ravel(w) for w in weights])
    if k > 0:
        flat[np.argpartition(np.abs(flat), k - 1)[:k]] = 0
    ends = np.cumsum([w.size for w in weights])[:-1]
    return [part.reshape(w.shape) for part, w in zip(np.split(flat, ends), weights, strict=True)]
    ### END SOLUTION


# %%
check("prune_exactly", prune_exactly)

# %% [markdown]
# **2. The loss of distillation, and its gradient.** Write `taught_loss(student, teacher, targets,
# temperature, alpha)`: the loss $L$ of section 8, as a *mean* over $N$ positions, and its gradient
# for the student's logits. `student` and `teacher` are logits $(N, V)$, `targets` $(N,)$ integers.
# Return `(loss, gradient)`, a number in nats and an array $(N, V)$. The gradient of the second
# term, for each position, is $\mathrm{softmax}(z) - \text{one-hot}(y)$. Logits may be as large as
# 1000, so subtract each row's maximum before you take exponentials. The check looks at your loss
# first, and then compares your gradient with finite differences of it.

# %%
def taught_loss(student, teacher, targets, temperature, alpha):
    """α·T²·KL(p ‖ q) + (1 − α)·CE, mean over N rows -> (loss, gradient (N, V))."""
    ### BEGIN SOLUTION
    def log_softmax(logits):
        shifted = logits - logits.max(axis=1, keepdims=True)
        return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))

    n = len(targets)
    log_p, log_q = log_softmax(teacher / temperature), log_softmax(student / temperature)
    log_own = log_softmax(student)
    kl = np.sum(np.exp(log_p) * (log_p - log_q)) / n
    ce = -log_own[np.arange(n), targets].mean()
    one_hot = np.eye(student.shape[1])[targets]
    gradient = (alpha * temperature * (np.exp(log_q) - np.exp(log_p))
                + (1 - alpha) * (np.exp(log_own) - one_hot)) / n
    return alpha * temperature**2 * kl + (1 - alpha) * ce, gradient
    ### END SOLUTION


# %%
check("taught_loss", taught_loss)

# %% [markdown]
# **3. The best rank for your bytes.** You may spend `budget` bytes on a matrix, and what counts is
# its output. Write `best_factors(w, x, budget)`: `w` $(m, n)$ is the matrix, `x` $(N, m)$ are rows
# that multiply it, `budget` is a number of bytes. Return `(a, b)`, shapes $(m, r)$ and $(r, n)$, so
# that both *stored as float32* (4 bytes a number) take at most `budget` bytes and
# $\lVert XW - XAB \rVert$ is as small as possible. The budget always suffices for rank 1.

# %%
def best_factors(w, x, budget):
    """The two factors within so many bytes whose outputs are nearest to x @ w -> a, b."""
    ### BEGIN SOLUTION
    m, n = w.shape
    rank = min(m, n, budget // (4 * (m + n)))
    _, _, v_t = np.linalg.svd(x @ w, full_matrices=False)
    return w @ v_t[:rank].T, v_t[:rank]
    ### END SOLUTION


# %%
check("best_factors", best_factors)

# %% [markdown]
# **4. Beat direct training at equal size.** A classifier with $D$ inputs and $K$ classes is to be
# as small as a single matrix $w$ of shape $(D, K)$: it answers $\mathrm{softmax}(x w)$. You have
# few examples with noisy labels, and many inputs without labels, for which a large teacher was
# asked. Below is direct training: gradient descent on the labels. Write
# `better_student(x, labels, pool, teacher)`:
#
# - `x` (48, D) and `labels` (48,): inputs and the class that was *drawn* for each, integers
# - `pool` (1500, D): inputs without labels
# - `teacher` (1500, K): the teacher's *probabilities* for `pool`
#
# Return your `w` (D, K). On fresh data it must lose at most 0.03 nats more than the best matrix of
# this size would. Direct training, as below, misses that by far. It may take a second at most.

# %%
def softmax(z):
    z = np.exp(z - z.max(axis=1, keepdims=True))
    return z / z.sum(axis=1, keepdims=True)


def direct_student(x, labels, classes, steps=300, rate=0.5):
    """w (D, K) by gradient descent on the cross-entropy of the labels."""
    w, wanted = np.zeros((x.shape[1], classes)), np.eye(classes)[labels]        # one-hot (N, K)
    for _ in range(steps):
        w -= rate * x.T @ (softmax(x @ w) - wanted) / len(x)
    return w


# %%
def better_student(x, labels, pool, teacher):
    """A matrix (D, K) that predicts better than one trained on the labels alone."""
    ### BEGIN SOLUTION
    w = np.zeros((pool.shape[1], teacher.shape[1]))
    for _ in range(300):
        w -= 0.5 * pool.T @ (softmax(pool @ w) - teacher) / len(pool)
    return w
    ### END SOLUTION


# %%
check("better_student", better_student)

# %% [markdown]
# **5. Think.** A telephone has room for a tenth of your model's float32 file, and it must answer in
# half of the time that the model takes now. Which of this notebook's methods would you use, in
# which order, and what would you measure to be sure? And: an article reports that a model pruned by
# half and trained on for ten epochs is *better* than the original. What do you ask its authors?

# %% [markdown] tags=["solution"]
# One good answer. Time first, as it is harder: only what makes matrices smaller saves time with
# ordinary products, so `shrink` (half of the cells or neurons) or a narrower student, or thin
# factors; then training, best with the large model as a teacher and from a start cut out of it,
# because a student that begins from nothing needs many steps. That leaves a third to a half of the
# bytes. Then bits: 8 are nearly free and 4 cost little with groups or with a second-order method,
# and that passes a tenth. Entropy coding takes a little more off the file, for nothing. Single
# zeros only if the file is still too large; they need a mask of a bit each, or the entropy coder.
# Measure the bytes of the real file, the time on the real device, and the loss on text that nothing
# was chosen with, over several seeds, beside a control.
#
# To the authors: where is the control, the original trained for the same ten epochs more? How many
# seeds, and was the test set used to choose anything?

# %% [markdown]
# ## In practice
#
# **PyTorch's `torch.nn.utils.prune`** does what section 1 did by hand:
# `l1_unstructured(layer, "weight", amount=0.5)` zeroes exactly `round(amount · n)` numbers of least
# magnitude. But look at what it *keeps*: the original weight, a mask of floats, and their product.
# The saved file does not shrink, it doubles; and after `prune.remove` it is a dense tensor with
# zeros in it, as large as before. To save bytes you have to store it in another form yourself.
#
# **`weight.to_sparse_csr()`** is such a form, with column numbers of 64 bits: each kept float32
# takes 12 bytes, so it pays only below a third of the weights.
#
# **Distillation** in most code around is one line with several traps:
#
#     T**2 * F.kl_div(F.log_softmax(z / T, 1), F.softmax(v / T, 1), reduction="batchmean")
#
# `kl_div` wants the *student first*, in logarithms, and the teacher second, as probabilities: the
# other way round than the formula is written. And `reduction="mean"`, its default, divides by
# $N \cdot V$ instead of $N$ (torch warns of it). The same in NumPy:

# %%
def torch_l1_unstructured(w, amount):
    """torch.nn.utils.prune.l1_unstructured -> (the mask, bytes in the state_dict)."""
    k = round(amount * w.size)
    mask = np.ones(w.size, np.float32)
    mask[np.argpartition(np.abs(w).ravel(), k - 1)[:k]] = 0
    return mask.reshape(w.shape), w.nbytes + mask.nbytes            # weight_orig, weight_mask


def torch_csr_bytes(w):
    """w.to_sparse_csr(): float32 values, 64-bit columns, 64-bit starts of the rows."""
    return np.count_nonzero(w) * (4 + 8) + (len(w) + 1) * 8


def common_kd_loss(z, v, T, reduction="batchmean"):
    """T² · F.kl_div(log_softmax(z / T), softmax(v / T), reduction)."""
    p, q = softmax(v / T), softmax(z / T)
    divided_by = {"batchmean": len(z), "mean": z.size}[reduction]
    return T**2 * np.sum(p * (np.log(p) - np.log(q))) / divided_by


w = rng.standard_normal((256, 256)).astype(np.float32)
mask, state_dict = torch_l1_unstructured(w, 0.5)
sparse = prune(w, 0.5)
assert np.array_equal(mask * w, sparse.dense())
z, v = 3 * rng.standard_normal((2, 16, 10))
y = np.zeros(16, int)
for temperature in (1, 2, 4):
    loss, _ = distillation_loss(z, v, y, temperature=temperature, alpha=1)
    assert np.isclose(common_kd_loss(z, v, temperature), loss)
swapped = common_kd_loss(v, z, 2)                           # KL(student ‖ teacher)
table(["256 × 256 weights, half of them zero", "bytes"], [
    ("dense float32", f"{w.nbytes:,}"),
    ("torch.nn.utils.prune, its state_dict", f"{state_dict:,}"),
    ("torch's CSR", f"{torch_csr_bytes(sparse.dense()):,}"),
    ("minilm's SparseTensor", f"{sparse.nbytes:,}"),
])
by_default = common_kd_loss(z, v, 2, "mean")
say(f"On 16 random rows, T = 2: the right order gives {common_kd_loss(z, v, 2):.3f}, as minilm "
    f"does; the arguments swapped, {swapped:.3f}; the default reduction, {by_default:.3f}.")

# %% [markdown]
# ## References
#
# - Han, Pool, Tran, Dally 2015, *Learning both weights and connections for efficient neural
#   networks*, NeurIPS, section 3 (magnitude pruning, training what is left)
# - Hassibi, Stork 1992, *Second order derivatives for network pruning: optimal brain surgeon*,
#   NeurIPS, eq. 5; LeCun, Denker, Solla 1989, *Optimal brain damage*, NeurIPS
# - Frantar, Alistarh 2023, *SparseGPT*, ICML, section 3; Sun, Liu, Bair, Kolter 2023, *A simple and
#   effective pruning approach for large language models* (Wanda), eq. 1
# - Mishra et al. 2021, *Accelerating sparse deep neural networks* (2:4), section 3
# - Eckart, Young 1936, *The approximation of one matrix by another of lower rank*, Psychometrika;
#   Wang et al. 2024, *SVD-LLM*, section 3 (activation-aware)
# - Hinton, Vinyals, Dean 2015, *Distilling the knowledge in a neural network*, sections 2 and 2.1
# - Shannon 1948, *A mathematical theory of communication* (the entropy of a coin)
# - In this repository: `docs/fewer-weights.md` (all methods, two models, three seeds),
#   `minilm/compression/pruning/`, `low_rank.py`, `distillation/`, `coding/`
