# %% [markdown]
# # 09 · Quantization II: inference
#
# Rounding the weights makes a model small. It does not make it fast: what is multiplied are still
# floats. Only when the *other* factor has 8 bits too, the numbers that flow through the network, is
# every product one of small integers, and a phone or a microcontroller can do it without any
# floating-point unit. How much does that cost, and who decides where the ranges end? And if you may
# spend three and a half bits a weight on average, on which weights?
#
# ## What you will do
#
# - multiply two matrices in 8-bit integers, by hand, with a zero point
# - choose ranges in four ways, by looking at what flows through a model
# - plant outliers into a model, see 8 bits fail, and repair it with SmoothQuant
# - run an LSTM in which no step but the last multiplication is a float's
# - round the weights of a layer one after another, as GPTQ does
# - measure how sensitive each layer is, and spend a budget of bits where it helps most
#
# ## What you will learn
#
# - $x W \approx s_x s_w\,(q_x - z)\, q_w$, and why the zero point costs almost nothing
# - how an integer is multiplied by a real number with integers alone
# - why error in the weights is not yet damage to the model
# - when bits are worth more in one place than in another
#
# ## What you need
#
# Scales, codes and mean squared errors from [07](07_error_against_bit_width.ipynb), the parts of a
# Transformer from [05](05_the_transformer.ipynb), and the LSTM from
# [03](03_from_rnn_to_lstm.ipynb). All cells run in about a minute; plan 120 minutes of your own.

# %%
import math

import matplotlib.pyplot as plt
import numpy as np

from minilm import LSTMLanguageModel, TransformerLanguageModel, fit, quantize, thaw
from minilm.compression import (
    calibrate,
    integer_only,
    mixed_precision,
    quantize_activations,
    true_bits,
    water_filling_bits,
)
from minilm.compression.quantization.integers import affine_matmul, requantize, to_fixed_point
from minilm.compression.second_order import sweep
from minilm.course import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PINK,
    SKY,
    check,
    saved_rows,
    say,
    show,
    style,
    table,
)
from minilm.text import GRAMMAR, CharTokenizer, load_corpus, split, windows
from minilm.training import evaluate, warmup_cosine
from minilm.weights import nbytes

style()

# %% [markdown]
# ## 1. A product of integers
#
# A layer of a network computes $y = x W$: $x$ are the **activations**, what comes in, a row for
# each token; $W$ are the weights, a column for each output. In
# [07](07_error_against_bit_width.ipynb) only $W$ became codes. Now both do:
#
# $$x \approx s_x\, q_x, \qquad W \approx s_w\, q_w \qquad\Longrightarrow\qquad
#   x W \approx s_x\, s_w\; \underbrace{q_x\, q_w}_{\text{integers}}$$
#
# Here is that with two tokens, four inputs and three outputs. The codes are 8-bit integers within
# ±127, and a column of $W$ has a scale of its own, because a scale may be taken out of the sum over
# the inputs only if all terms of that sum share it.

# %%
def symmetric_codes(x, axis=None):
    """q and s: x ≈ s q, q int8 within ±127; one scale for all numbers along the axis."""
    scale = np.abs(x).max(axis=axis, keepdims=axis is not None) / 127
    return np.rint(x / scale).astype(np.int8), scale


x = np.array([[0.9, -0.3, 0.5, -1.2], [0.1, 0.7, -0.2, 0.4]], np.float32)            # (2, 4)
w = np.array([[0.8, -0.1, 0.3], [-0.5, 0.2, 0.6], [0.4, 0.9, -0.7], [-1.0, 0.1, 0.5]], np.float32)
q_x, s_x = symmetric_codes(x)                    # (2, 4) and one number
q_w, s_w = symmetric_codes(w, axis=0)            # (4, 3) and (1, 3)

wrong = q_x @ q_w                                # int8 times int8 in NumPy: int8 again
sums = q_x.astype(np.int32) @ q_w.astype(np.int32)
print("codes of x\n", q_x, "\ncodes of w\n", q_w)
print("their product in int8\n", wrong, "\nand in int32\n", sums)
print("s_x s_w q_x q_w\n", np.round(s_x * s_w * sums, 3), "\nx w\n", np.round(x @ w, 3))
assert wrong.dtype == np.int8 and not np.array_equal(wrong, sums)

# %% [markdown]
# The first product is nonsense: one product of codes can be as large as $127 \cdot 127$, which an
# int8 does not hold, and NumPy wraps around without a word. So **sums are kept in 32 bits**. That
# is called the *accumulator*, and every processor with fast products of 8-bit integers has one.
#
# In minilm whatever stands in a weight's place and answers `x @ w` is called a *leaf*. The one for
# this product is made by `quantize_activations`. The model's line `x @ w` stays as it is;
# the weight rounds what multiplies it.

# %%
leaf = quantize_activations(quantize({"w": w}, bits=8), by="tensor")["w"]
assert np.allclose(x @ leaf, s_x * s_w * sums, atol=1e-6)
say(f"Largest difference to the product of floats: {np.abs(x @ leaf - x @ w).max():.4f}, where the "
    f"largest entry is {np.abs(x @ w).max():.2f}.")

# %% [markdown]
# ## 2. Three models, and what flows through them
#
# Real activations come from a real model. We train a Transformer with two blocks of width 48 on the
# small grammar whose entropy is known exactly, so that there is a floor under every loss. It is
# trained three times, from three seeds: the spread between them tells which differences mean
# something.

# %%
text = load_corpus("grammar")
tokenizer = CharTokenizer.train(text)
tokens = split(tokenizer.encode(text), validation=0.1)
entropy = GRAMMAR.entropy_rate()                                 # nats per character, exact
held_out, SEEDS = tokens.validation[:8000], range(3)

model = TransformerLanguageModel(
    tokenizer.vocab_size, width=48, layers=2, heads=4, context=32, positions="learned"
)


def train(model, seed, steps):
    batches = windows(tokens.train, batch_size=32, context=32, seed=seed)
    schedule = warmup_cosine(1e-2, warmup=steps // 20, steps=steps)
    return fit(model, model.init(seed), batches, steps=steps, schedule=schedule, seed=seed)[0]


def loss_of(params):
    """Nats per character on held-out text."""
    return evaluate(model, params, held_out)


# %%
trained = [train(model, seed, steps=600) for seed in SEEDS]
float_losses = np.array([loss_of(params) for params in trained])


def damage(compress):
    """By how much compress(params, seed) raises the loss, for each of the three models."""
    return np.array([
        loss_of(compress(params, seed)) - float_losses[seed] for seed, params in enumerate(trained)
    ])


def spread(values, digits=3):
    middle = round(float(np.mean(values)), digits) + 0.0                    # + 0.0: no "-0.000"
    return f"{middle:.{digits}f} ± {np.ptp(values) / 2:.{digits}f}"


assert (float_losses > entropy).all() and (float_losses < entropy + 0.15).all()
say(f"The exact entropy is {entropy:.4f} nats per character. The three models lose "
    f"{spread(float_losses - entropy)} more. (Mean ± half the distance from the lowest to the "
    "highest, here and below.)")

# %% [markdown]
# To see what multiplies each weight, let the model read a few batches of *training* text with
# weights that take notes. That is **calibration**. (Never calibrate on text that you will score:
# what has been chosen by looking at a text cannot be judged by it.)

# %%
calibration_batches = [
    windows(tokens.train, batch_size=32, context=32, seed=99)(step) for step in range(8)
]
seen = [calibrate(model, params, calibration_batches, histograms=True) for params in trained]

ATTENTION, GELU = "block.0.attention.w_qkv", "block.1.feed_forward.w_down"
of_norm, of_gelu = (seen[0][name].sample for name in (ATTENTION, GELU))  # some rows x of x @ w


# %% jupyter={"source_hidden": true} tags=["hide-input"]
def draw_levels(axes, x, title):
    """The distribution of x, and below it 4-bit levels of both kinds."""
    axes.hist(x.ravel(), bins=80, density=True, color=SKY, log=True)
    low, high = x.min(), x.max()
    ticks = {
        "symmetric": np.arange(-7, 8) * np.abs(x).max() / 7,
        "with a zero point": (np.arange(16) - round(-low / ((high - low) / 15)))
        * (high - low) / 15,
    }
    for height, colour, (name, levels) in zip((0.12, 0.04), (ORANGE, BLUE), ticks.items(),
                                              strict=True):
        axes.plot(levels, np.full(len(levels), height), "|", color=colour, markersize=11,
                  markeredgewidth=2, transform=axes.get_xaxis_transform(), clip_on=False)
        used = np.mean((levels >= low - 1e-6) & (levels <= high + 1e-6)) * len(levels)
        axes.text(0.98, height + 0.82, f"{name}: {used:.0f} of {len(levels)} used", color=colour,
                  ha="right", transform=axes.transAxes, fontsize=9)
    axes.set_ylim(axes.get_ylim()[0] / 60, axes.get_ylim()[1] * 30)
    axes.set_title(title, fontsize=10)
    axes.set_xlabel("activation x (no unit)")


def draw_activations():
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.0, 3.1))
    draw_levels(left, of_norm, "after a norm")
    draw_levels(right, of_gelu, "after the GELU")
    left.set_ylabel("density (logarithmic)")
    show(figure)


draw_activations()

# %% [markdown]
# On the left, what comes out of a norm: both signs, about alike. On the right, what comes out of
# the GELU, the bend between the two matrices of a feed-forward layer, which lets hardly anything
# negative through. There a symmetric grid lays half of its levels where no number ever is. So let
# the codes start at the smallest number instead:
#
# $$x \approx s_x\,(q_x - z), \qquad s_x = \frac{\max x - \min x}{2^b - 1}, \qquad
#   z = \mathrm{round}\!\left(\frac{-\min x}{s_x}\right), \qquad q_x \in \{0, …, 2^b - 1\}$$
#
# for $b$ bits. $z$, the **zero point**, is the code that stands for 0; min and max are extended to
# include 0, so that 0 always has a code of its own.
#
# ## 3. What the zero point costs
#
# Put that into the product, for one output column $j$, with $k$ running over the inputs:
#
# $$\sum_k s_x (q_{x,k} - z)\, s_{w,j}\, q_{w,kj} \;=\; s_x s_{w,j}\Big(\sum_k q_{x,k}\, q_{w,kj}
#   \;-\; z \underbrace{\sum_k q_{w,kj}}_{\text{known beforehand}}\Big)$$
#
# The second sum does not depend on the input at all. It is one number a column, computed once when
# the model is made. At run time a zero point costs one subtraction for each output.

# %%
def asymmetric_codes(x, bits=8):
    low, high = min(x.min(), 0), max(x.max(), 0)
    scale = (high - low) / (2**bits - 1)
    zero_point = int(np.rint(-low / scale))
    codes = np.clip(np.rint(x / scale) + zero_point, 0, 2**bits - 1)
    return codes.astype(np.uint8), scale, zero_point


w_down = trained[0][GELU]                                                     # (192, 48)
q_w, s_w = symmetric_codes(w_down, axis=0)                                    # (1, 48) scales
q_x, s_x, z = asymmetric_codes(of_gelu)                                       # (rows, 192)

column_sums = q_w.sum(axis=0, dtype=np.int32)                                 # (48,), once
sums = q_x.astype(np.int32) @ q_w.astype(np.int32) - z * column_sums          # (rows, 48)
assert np.array_equal(sums, affine_matmul(q_x, q_w, z))                       # minilm's, same bits
y = of_gelu @ w_down


def relative_error(y_hat):
    return np.sqrt(np.mean((y_hat - y) ** 2) / np.mean(y**2))


q_sym, s_sym = symmetric_codes(of_gelu)
without = s_sym * s_w * (q_sym.astype(np.int32) @ q_w.astype(np.int32))
errors = [relative_error(yh) for yh in (without, s_x * s_w * sums, of_gelu @ (s_w * q_w))]
assert errors[2] < errors[1] < errors[0]
table(["of the largest layer's output", "relative error"],
      [["x symmetric, 8 bits", f"{errors[0]:.3%}"],
       ["x with a zero point, 8 bits", f"{errors[1]:.3%}"],
       ["x exact, only w rounded", f"{errors[2]:.3%}"]])

# %% [markdown]
# NumPy's own product of integers is slow, because nobody tuned it. `affine_matmul` sends the codes
# through the float product instead, and loses nothing: a float32 counts every whole number up to
# $2^{24}$ exactly, and up to 1040 products of codes within ±127 cannot exceed that.
#
# ## 4. Where should the range end?
#
# If the range is fixed beforehand, from calibration, it is called **static**; if it is taken from
# each input while the model runs, **dynamic**. A static one is faster, and has to be chosen. The
# largest number ever seen is one choice. But one odd token makes the steps wide for all others, so
# there are three more. Let $t$ be the end of a symmetric range, and $\hat x$ what rounding makes of
# $x$:
#
# - **min–max**: $t = \max |x|$. Nothing is clipped.
# - **percentile**: 99.9 % of all $|x|$ lie inside, say.
# - **MSE**: the $t$ with the least $\sum (x - \hat{x})^2$, clipping and rounding together.
# - **entropy**: the $t$ for which the histogram of $\hat x$ looks most like that of $x$: least
#   divergence $\mathrm{KL}(P \,\Vert\, Q) = \sum_i P_i \log (P_i / Q_i)$. $P$ are the shares of the
#   bins of $|x|$, those beyond $t$ added to the last bin; $Q$ is the same with all bins that are
#   rounded to one level made equally high. (Empty bins stay empty.)

# %%
def rounded(x, t, bits):
    last = 2 ** (bits - 1) - 1
    return np.clip(np.rint(x / (t / last)), -last, last) * (t / last)


def mse_end(x, bits):
    candidates = np.abs(x).max() * np.linspace(0.1, 1, 91)
    return min(candidates, key=lambda t: np.mean((x - rounded(x, t, bits)) ** 2))


def entropy_end(x, bits, bins=1024):
    counts, edges = np.histogram(np.abs(x), bins=bins)
    middles = (edges[1:] + edges[:-1]) / 2

    def divergence(t):
        inside = middles <= t
        kept = np.where(inside, counts, 0).astype(float)
        p = kept.copy()
        p[inside.sum() - 1] += counts[~inside].sum()                  # what lies beyond t
        level = np.rint(np.minimum(middles, t) / (t / (2 ** (bits - 1) - 1))).astype(int)
        held = np.bincount(level, kept)                               # per level: how many numbers,
        used = np.bincount(level, kept > 0)                           # and in how many bins
        q = np.where(kept > 0, (held / np.maximum(used, 1))[level], 0)
        p, q = p / p.sum(), q / q.sum()
        there = p > 0
        return np.sum(p[there] * np.log(p[there] / np.maximum(q[there], 1e-9)))

    return min(edges[-1] * np.linspace(0.1, 1, 91), key=divergence)


OUT = "block.0.attention.w_out"
x, BITS_HERE = seen[0][OUT].sample, 4                            # rows that met this weight
ends = {"min–max": np.abs(x).max(), "percentile": np.quantile(np.abs(x), 0.999),
        "MSE": mse_end(x, BITS_HERE), "entropy": entropy_end(x, BITS_HERE)}


# %% jupyter={"source_hidden": true} tags=["hide-input"]
def draw_ends():
    colours = dict(zip(ends, (ORANGE, GREEN, BLUE, PINK), strict=True))
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.0, 3.1))
    left.hist(np.abs(x).ravel(), bins=100, color=SKY, log=True)
    left.set_ylim(0.6, left.get_ylim()[1] * 60)
    for height, (name, t) in zip((0.93, 0.84, 0.75, 0.66),
                                 sorted(ends.items(), key=lambda end: -end[1]), strict=True):
        left.axvline(t, ymax=height, color=colours[name], linestyle="--")
        left.annotate(f"{name}: {t:.2f}", (t, height), (-3, 0), textcoords="offset points",
                      xycoords=left.get_xaxis_transform(), ha="right", va="top",
                      color=colours[name], fontsize=9)
    left.set_xlabel("|x| (no unit)")
    left.set_ylabel("how many, of the sample")
    grid = np.linspace(0.12, 1, 60) * ends["min–max"]
    right.plot(grid, [np.mean((x - rounded(x, t, BITS_HERE)) ** 2) for t in grid], color=GREY)
    for (name, t), marker in zip(ends.items(), "vso^", strict=True):
        right.plot(t, np.mean((x - rounded(x, t, BITS_HERE)) ** 2), marker, markersize=8,
                   color=colours[name])
        up = {"percentile": 36, "entropy": 22}.get(name, 9)
        right.annotate(name, (t, np.mean((x - rounded(x, t, BITS_HERE)) ** 2)), (0, up),
                       textcoords="offset points", ha="center", color=colours[name], fontsize=9)
    right.set_ylim(0, 0.05)
    right.set_xlim(right.get_xlim()[0], 1.12 * ends["min–max"])
    right.set_xlabel("end of the range t (no unit)")
    right.set_ylabel("mean of (x − x̂)², 4 bits")
    show(figure)


draw_ends()

# %% [markdown]
# minilm chooses from a histogram that it gathered on the way, not from a sample of rows, so that
# its ends differ a little from ours. Do they agree?

# %%
rows = []
for name, objective in zip(ends, ("absmax", "percentile", "mse", "entropy"), strict=True):
    with_input = quantize_activations(
        trained[0], BITS_HERE, calibration=seen[0], objective=objective, percentile=99.9
    )
    theirs = float(with_input[OUT].scale) * 7                    # the outermost of the codes ±7
    rows.append([name, f"{ends[name]:.2f}", f"{theirs:.2f}"])
    assert 0.6 < theirs / ends[name] < 1.6, name
table(["end of the range, 4 bits", "by hand, of a sample", "minilm, of all numbers"], rows)

# %% [markdown]
# What do these choices do to the *model*? All weights have 8 bits a channel, which is as good as
# exact. What multiplies them has 8 bits, 6, 5, 4, 3. Beside three static ranges stands the dynamic
# one with a scale for every token.

# %%
ACTIVATIONS = {
    "static, min–max": {"objective": "absmax"},
    "static, entropy": {"objective": "entropy"},
    "static, MSE": {"objective": "mse"},
    "static, MSE, zero point": {"objective": "mse", "symmetric": False},
    "dynamic, by token": {"by": "token"},
}
WIDTHS = (8, 6, 5, 4, 3)
weights8 = [quantize(params, 8) for params in trained]


def with_activations(bits, how):
    static = "objective" in how
    return damage(lambda _, seed: quantize_activations(
        weights8[seed], bits, **how, **({"calibration": seen[seed]} if static else {})))


activation_damage = {
    name: [with_activations(bits, how) for bits in WIDTHS] for name, how in ACTIVATIONS.items()
}
table(["damage in nats per character", *(f"{bits} bits" for bits in WIDTHS)],
      [[name, *map(spread, values)] for name, values in activation_damage.items()])

# %% jupyter={"source_hidden": true} tags=["hide-input"]
at4 = {name: values[WIDTHS.index(4)] for name, values in activation_damage.items()}
assert max(values[0].max() for values in activation_damage.values()) < 0.005
assert at4["static, MSE"].max() < at4["static, min–max"].min()
assert at4["static, MSE, zero point"].mean() < at4["static, MSE"].mean()
say(f"""
- **At 8 bits it does not matter** how the range is chosen: nothing costs more than
  {max(values[0].max() for values in activation_damage.values()):.4f} nats.
- **At 4 bits it does.** The largest number seen costs {spread(at4['static, min–max'])} nats, the
  range of least squared error {spread(at4['static, MSE'])}, and with a zero point
  {spread(at4['static, MSE, zero point'])}.
- A scale for each token, taken at run time, needs no calibration and costs
  {spread(at4['dynamic, by token'])}.
""")

# %% [markdown]
# ## 5. Outliers
#
# Our models are small and well-behaved. In large language models a few *channels* of the
# activations are up to a hundred times larger than the others (Dettmers et al. 2022; Xiao et al.
# 2023), and 8 bits are suddenly not enough: the steps are made for the few, and everything else is
# rounded to 0.
#
# We can build that. A norm multiplies each of its outputs by a gain, and the next weight has a row
# for each of these outputs. Multiply one gain (and its bias) by 100, divide the row by 100: **the
# function is exactly the same**, and what flows between has an outlier. We do it to two of 48
# channels.

# %%
def with_outliers(params, factor=100, channels=(5, 17)):
    planted = {name: weight.copy() for name, weight in params.items()}
    for norm, weight in (("norm_1", "attention.w_qkv"), ("norm_2", "feed_forward.w_up")):
        for channel in channels:
            planted[f"block.1.{norm}.gain"][channel] *= factor
            planted[f"block.1.{norm}.bias"][channel] *= factor
            planted[f"block.1.{weight}"][channel] /= factor
    return planted


planted = [with_outliers(params) for params in trained]
planted_seen = [calibrate(model, params, calibration_batches) for params in planted]
assert np.abs(damage(lambda _, seed: planted[seed])).max() < 1e-4      # the same function

# %% [markdown]
# **SmoothQuant** (Xiao et al. 2023) goes the same way back. For every channel $j$ of the inputs
# take a factor $f_j$ out of the activations and into the weights,
#
# $$x W = \big(x\, \mathrm{diag}(1/f)\big)\big(\mathrm{diag}(f)\, W\big), \qquad
#   f_j = \frac{(\max |x_j|)^{\alpha}}{(\max |W_j|)^{1 - \alpha}}$$
#
# with $x_j$ column $j$ of $x$, $W_j$ row $j$ of $W$, and $\alpha$ between 0 and 1. At
# $\alpha = \tfrac12$ both sides end with the same largest number in channel $j$,
# $\sqrt{\max|x_j| \max|W_j|}$: what was hard on one side is shared out between both.

# %%
UP = "block.1.feed_forward.w_up"
x, w = planted_seen[0][UP].sample, planted[0][UP]                       # (rows, 48), (48, 192)
in_x, in_w = np.abs(x).max(axis=0), np.abs(w).max(axis=1)               # of each channel: (48,)
f = np.sqrt(in_x / in_w)                                                # α = 1/2
assert np.allclose((x / f) @ (f[:, None] * w), x @ w, atol=1e-3)        # nothing is rounded yet


def w8a8_error(x, w):
    """Relative error of the product of 8-bit codes, x with one scale, w with one a column."""
    (q_x, s_x), (q_w, s_w) = symmetric_codes(x), symmetric_codes(w, axis=0)
    error = s_x * s_w * affine_matmul(q_x, q_w) - x @ w
    return np.sqrt(np.mean(error**2) / np.mean((x @ w) ** 2))


before, after = w8a8_error(x, w), w8a8_error(x / f, f[:, None] * w)
assert after < before / 3


# %% jupyter={"source_hidden": true} tags=["hide-input"]
def draw_outliers():
    figure, panels = plt.subplots(1, 2, figsize=(8.0, 3.1), sharey=True)
    for axes, (of_x, of_w), title in zip(
        panels, ((in_x, in_w), (in_x / f, in_w * f)),
        (f"as it is: error {before:.1%}", f"smoothed: error {after:.1%}"), strict=True,
    ):
        axes.plot(of_x, "o", color=ORANGE, markersize=4)
        axes.plot(of_w, "s", color=BLUE, markersize=3)
        axes.axhline(of_x.max() / 254, color=GREY, linestyle="--")
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("input channel")
        axes.set_yscale("log")
    panels[0].set_ylabel("largest magnitude (no unit)")
    panels[0].set_ylim(panels[0].get_ylim()[0] / 3, panels[0].get_ylim()[1] * 2)
    panels[1].text(47, 30, "dashed: half a step of x; a channel\nbelow it is rounded to 0",
                   ha="right", color=GREY, fontsize=9)
    panels[0].text(25, 12, "activations x", color=ORANGE, fontsize=9)
    panels[0].text(25, 0.09, "weights w", color=BLUE, fontsize=9)
    show(figure)


draw_outliers()

# %% [markdown]
# On the right orange and blue lie on each other. In minilm smoothing is a `transform` of
# `quantize`, which also searches for the best $\alpha$. Now the whole model, weights and
# activations of 8 bits (W8A8 for short):

# %%
smooth = [
    quantize(params, 8, transform="smooth", calibration=seen_there)
    for params, seen_there in zip(planted, planted_seen, strict=True)
]
outliers = {
    "floats": damage(lambda _, seed: planted[seed]),
    "W8, float activations": damage(lambda _, seed: quantize(planted[seed], 8)),
    "W8A8, static": damage(lambda _, seed: quantize_activations(
        quantize(planted[seed], 8), calibration=planted_seen[seed])),
    "W8A8, dynamic by token": damage(lambda _, seed: quantize_activations(
        quantize(planted[seed], 8))),
    "smoothed, W8A8, static": damage(lambda _, seed: quantize_activations(
        smooth[seed], calibration=planted_seen[seed])),
    "smoothed, W8A8, dynamic": damage(lambda _, seed: quantize_activations(smooth[seed])),
}
table(["with outliers planted", "damage, nats per character"],
      [[name, spread(values, 4)] for name, values in outliers.items()])
assert outliers["W8A8, static"].min() > 10 * np.abs(outliers["smoothed, W8A8, static"]).max()
assert outliers["W8A8, static"].min() > outliers["W8A8, dynamic by token"].max()

# %% [markdown]
# A scale for each token helps only in part, because an outlier *channel* is there in every token.
#
# ## 6. A threshold, hard or soft
#
# To clip at $t$ is a **hard threshold**. One of the five articles behind this course (E) also names
# a *soft* one, and prints both so: hard, "$t$ if $x > t$, and $-t$ if $x < t$"; soft, "$t$ above
# $t$, and a smooth function below". The first is not a clip but a step with two values: a minus
# sign is missing. The second does not say which function. What is meant is
#
# $$\text{hard: } \mathrm{clip}(x, -t, t) \qquad\qquad \text{soft: } t \tanh(x / t)$$
#
# Since a weight is anything that answers `x @ w`, the printed rule can be tried in the whole model
# with a class of a few lines.

# %%
class AsPrinted:
    """x @ w with every x replaced by t or −t, as the article prints it."""

    __array_ufunc__ = None                       # leaves x @ self to this class

    def __init__(self, w, t):
        self.w, self.t, self.shape, self.ndim = w, t, w.shape, w.ndim

    def __rmatmul__(self, x):
        return np.where(x > self.t, self.t, -self.t).astype(x.dtype) @ self.w


INNER = [name for name in trained[0] if name.startswith("block") and trained[0][name].ndim == 2]
FRACTIONS = (0.125, 0.25, 0.5, 0.75, 1.0, 1.5)   # of the largest |x| seen


def clipped(params, seed, fraction, threshold):
    clips = {name: float(fraction * seen[seed][name].absmax.max()) for name in INNER}
    if threshold == "printed":
        return {**params, **{name: AsPrinted(params[name], t) for name, t in clips.items()}}
    inner = {name: params[name] for name in INNER}
    return {**params, **quantize_activations(
        inner, calibration=seen[seed], clip=clips, threshold=threshold)}


clip_damage = {
    threshold: np.array([
        damage(lambda params, seed, t=fraction, how=threshold: clipped(params, seed, t, how))
        for fraction in FRACTIONS
    ])
    for threshold in ("hard", "soft", "printed")
}


# %% jupyter={"source_hidden": true} tags=["hide-input"]
def draw_thresholds():
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.0, 3.0))
    u = np.linspace(-3, 3, 601)
    styles = {"hard": (BLUE, "-", "o"), "soft": (GREEN, "--", "s"), "printed": (ORANGE, ":", "v")}
    curves = {"hard": np.clip(u, -1, 1), "soft": np.tanh(u), "printed": np.where(u > 1, 1, -1)}
    left.plot(u, u, color=GREY, linewidth=0.8)
    for name, (colour, dash, marker) in styles.items():
        left.plot(u, curves[name], dash, color=colour, linewidth=2)
        low, high = clip_damage[name].min(axis=1), clip_damage[name].max(axis=1)
        right.fill_between(FRACTIONS, low, high, color=colour, alpha=0.2, linewidth=0)
        right.plot(FRACTIONS, clip_damage[name].mean(axis=1), dash, marker=marker, color=colour)
    left.set_ylim(-1.6, 1.6)
    left.set_xlabel("x, in units of t")
    left.set_ylabel("y, in units of t")
    left.text(-2.9, -0.9, "hard", color=BLUE)
    left.text(-1.0, -0.45, "soft", color=GREEN, ha="right")
    left.text(1.25, 1.1, "as printed", color=ORANGE)
    left.text(1.3, 1.42, "y = x", color=GREY, fontsize=9, ha="right")
    right.set_yscale("symlog", linthresh=0.001)
    right.set_ylim(-0.0005, 30)
    right.set_xlabel("t, in units of the largest |x| seen")
    right.set_ylabel("damage (nats per character)\nlinear below 0.001")
    right.text(1.5, clip_damage["printed"][-1].mean() * 1.6, "as printed", color=ORANGE, ha="right")
    right.text(1.03, clip_damage["soft"][4].mean() * 1.6, "soft", color=GREEN)
    right.text(1.03, -0.0004, "hard", color=BLUE)
    show(figure)


draw_thresholds()

# %% jupyter={"source_hidden": true} tags=["hide-input"]
hard, soft, printed = (clip_damage[name][4] for name in ("hard", "soft", "printed"))
assert hard.max() < soft.min() and clip_damage["printed"].min() > 1
say(f"""
With 8 bits and $t$ at the largest number seen, the hard threshold costs {spread(hard, 4)} nats, the
soft one {spread(soft, 4)}: it bends every number a little, also those that needed no clipping. As
printed the model is destroyed: {spread(printed, 2)} nats, and never less than
{clip_damage["printed"].min():.1f}, whatever $t$ is. Soft has its use in
*training*, where it lets some gradient through everywhere ([10](10_training_with_few_bits.ipynb)).
""")

# %% [markdown]
# ## 7. No float at all
#
# The sum of a product counts in units of $s_x s_w$. The next layer wants codes in units of its own
# scale $s_y$. In between stands one multiplication by a real number, $M = s_x s_w / s_y$, and it
# seems that here a float is needed after all. Jacob et al. (2018) do without. Every positive number
# can be written as
#
# $$M = M_0 \cdot 2^{-n}, \qquad M_0 \text{ an integer in } [2^{30}, 2^{31}), \; n \text{ whole}$$
#
# to 31 bits, nearly ten digits. Then $a \cdot M \approx (a\, M_0) / 2^n$: **multiply by an integer,
# then shift the bits to the right by $n$**. Before the shift, which rounds down, half a unit
# $2^{n-1}$ is added, so that it rounds to the nearest. For $M = 0.1$:

# %%
M = 0.1
M0, n = 1717986918, 34                                           # round(0.1 · 2^34), 34
assert round(M * 2**n) == M0 and 2**30 <= M0 < 2**31
for a in (100, 7, -4, 123456):
    print(f"{a:>7} · 0.1  ->  ({a} · {M0} + 2^{n - 1}) >> {n}  =  {(a * M0 + 2**(n - 1)) >> n}")

many = np.random.default_rng(0).integers(-(2**24), 2**24, 10_000)
by_hand = (many * M0 + 2 ** (n - 1)) >> n
assert (to_fixed_point(M).M0, to_fixed_point(M).shift) == (M0, n)
assert np.abs(by_hand - many * M).max() < 0.501                   # rounded to the nearest
assert np.array_equal(np.clip(by_hand, -128, 127), requantize(many.astype(np.int32), M0, n))

# %% [markdown]
# What remains are functions: σ, tanh, GELU, $e^x$. The input is an 8-bit code, so there are only
# 256 different inputs: **a table with 256 entries is the function**, exactly.
#
# That is all. `integer_only` puts it together, for an LSTM or a Transformer. Here is an LSTM with
# 48 cells, from three seeds. Its ranges come from the same calibration batches.

# %%
lstm = LSTMLanguageModel(tokenizer.vocab_size, width=48, embedding_width=32)
lstms = [train(lstm, seed, steps=400) for seed in SEEDS]
integers = [integer_only(lstm, params, calibration_batches) for params in lstms]

lstm_losses = np.array([evaluate(lstm, params, held_out) for params in lstms])
integer_losses = np.array([evaluate(m, p, held_out) for m, p in integers])
integer_model, integer_params = integers[0]

floats_left = [name for name, array in integer_params.items() if array.dtype.kind == "f"]
assert floats_left == ["logits:scale"]
assert np.abs(integer_losses - lstm_losses).max() < 0.01
table(["above the exact entropy, nats per character", *(f"seed {seed}" for seed in SEEDS)],
      [["floats", *(f"{loss - entropy:.4f}" for loss in lstm_losses)],
       ["integers", *(f"{loss - entropy:.4f}" for loss in integer_losses)]])
say(f"{nbytes(lstms[0]):,} bytes became {nbytes(integer_params):,}. The one float among them is "
    f"`{floats_left[0]}`, by which codes become logits at the very end.")

# %%
line = tokenizer.encode(text[-len(tokens.validation):].split("\n", 1)[1][:52])
probabilities = []
for its_model, its_params in ((lstm, lstms[0]), integers[0]):
    logits = its_model.forward(its_params, line[None])[0][0, :-1].astype(np.float64)
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    odds /= odds.sum(axis=1, keepdims=True)
    probabilities.append(odds[np.arange(len(line) - 1), line[1:]])


# %% jupyter={"source_hidden": true} tags=["hide-input"]
def draw_integer_lstm():
    figure, axes = plt.subplots(figsize=(8.0, 2.8))
    place = np.arange(len(line) - 1)
    axes.plot(place, probabilities[0], "o", color=GREY, markersize=8, markerfacecolor="none")
    axes.plot(place, probabilities[1], "x", color=ORANGE, markersize=5)
    letters = ["␣" if letter == " " else letter for letter in tokenizer.decode(line)]
    axes.set_xticks(place, [letter.replace("\n", "¶") for letter in letters[1:]], fontsize=9)
    axes.set_ylim(-0.05, 1.25)
    axes.set_ylabel("probability of the\nletter that came")
    axes.set_xlabel("the text, letter by letter (␣ is a space)")
    axes.text(0, 1.14, "o  floats", color=GREY)
    axes.text(7, 1.14, "×  integers", color=ORANGE)
    show(figure, "09-integer-lstm")


draw_integer_lstm()

# %% jupyter={"source_hidden": true} tags=["hide-input"]
gap = np.abs(probabilities[0] - probabilities[1])
assert gap.max() < 0.2
say(f"Letter by letter the probabilities differ by {gap.mean():.4f} on average and by at most "
    f"{gap.max():.3f}. (The picture shows one seed, the table all three.)")

# %% [markdown]
# ## 8. One weight after another: GPTQ
#
# Back to the weights, and to fewer than 8 bits. Rounding to the nearest makes the error of each
# *weight* least. But nobody looks at the weights; what counts is the error of the *output*,
#
# $$\lVert X w - X \hat{w} \rVert^2 = (w - \hat{w})^\top H\, (w - \hat{w}), \qquad H = X^\top X$$
#
# for one output column $w$ and the rows $X$ that multiply it. Take two weights, $w = (0.4, 0.4)$, a
# grid of whole numbers, and inputs that nearly always come together, $H_{12} = 0.9$ and
# $H_{11} = H_{22} = 1$. Both nearest codes are 0. But if the first is rounded *down* from 0.4 to 0,
# the second could make up for it: with an input that is almost the same, it should rise to
# $0.4 + 0.9 \cdot 0.4 = 0.76$, and *that* is rounded, to 1.

# %%
H = np.array([[1, 0.9], [0.9, 1]])
w = np.array([0.4, 0.4])


def output_error(w_hat):
    return (w - w_hat) @ H @ (w - w_hat)


nearest_error, gptq_error = output_error(np.array([0, 0])), output_error(np.array([0, 1]))
assert gptq_error < nearest_error / 6


# %% jupyter={"source_hidden": true} tags=["hide-input"]
def draw_two_weights():
    figure, axes = plt.subplots(figsize=(4.3, 3.6))
    u, v = np.meshgrid(np.linspace(-0.6, 1.6, 200), np.linspace(-0.6, 1.6, 200))
    d1, d2 = 0.4 - u, 0.4 - v
    error = d1**2 + d2**2 + 1.8 * d1 * d2
    axes.contour(u, v, error, [0.02, 0.088, 0.3, 0.608], colors=GREY, linewidths=0.8)
    grid = [(i, j) for i in (0, 1) for j in (0, 1)]
    axes.plot(*zip(*grid, strict=True), "s", color=BLACK, markersize=6)
    axes.plot(0.4, 0.4, "o", color=BLUE, markersize=8)
    for start, end in (((0.4, 0.4), (0, 0.76)), ((0, 0.76), (0, 1))):
        axes.annotate("", end, start, arrowprops={"arrowstyle": "->", "color": BLUE,
                                                  "linewidth": 2, "shrinkA": 5, "shrinkB": 2})
    axes.annotate("", (0, 0), (0.4, 0.4), arrowprops={
        "arrowstyle": "->", "color": ORANGE, "linewidth": 2, "linestyle": "--", "shrinkA": 5})
    axes.text(0.5, 0.4, "w", color=BLUE, fontsize=12)
    box = {"facecolor": "white", "edgecolor": "none", "pad": 1}
    axes.text(0.06, 1.08, f"one after another: error {gptq_error:.3f}", color=BLUE, bbox=box)
    axes.text(0.06, -0.16, f"nearest: error {nearest_error:.3f}", color=ORANGE, bbox=box)
    axes.set_xlabel("first weight, in steps")
    axes.set_ylabel("second weight, in steps")
    axes.set_aspect("equal")
    show(figure)


draw_two_weights()

# %% [markdown]
# The grey lines join points of equal output error. They are long along the direction in which one
# weight makes up for the other. GPTQ (Frantar et al. 2023) does this for a whole layer. With
# $P = H^{-1}$, for $j = 1, 2, …$:
#
# 1. round $w_j$ to $\hat w_j$, the error is $e = w_j - \hat w_j$;
# 2. change every weight that is not yet rounded by $-e\, P_{kj} / P_{jj}$: that is exactly the
#    change that leaves the least output error, given $\hat w_j$;
# 3. take row and column $j$ out of the problem: $P \leftarrow P - P_{\cdot j} P_{j \cdot} /
#    P_{jj}$, the inverse of $H$ without them.
#
# (So that the inverse exists, $H$ is *damped*: 1 % of the mean of its diagonal is added to the
# diagonal.)

# %%
def gptq_by_hand(w, X_gram, grid):
    """w: (inputs, outputs); X_gram = XᵀX; grid(row of weights) -> rounded row."""
    H = X_gram + 0.01 * np.mean(np.diag(X_gram)) * np.eye(len(w))
    P, w, rounded_w = np.linalg.inv(H), w.astype(np.float64), np.zeros(w.shape)
    for j in range(len(w)):
        rounded_w[j] = grid(w[j])
        error = w[j] - rounded_w[j]                                          # (outputs,)
        w[j + 1 :] -= np.outer(P[j + 1 :, j] / P[j, j], error)
        P -= np.outer(P[:, j], P[j]) / P[j, j]
    return rounded_w


# %%
BITS_HERE = 3
w, gram = trained[0][OUT].astype(np.float64), seen[0][OUT].gram              # (48, 48) both
step = np.abs(w).max(axis=0) / (2 ** (BITS_HERE - 1) - 1)                    # a step a column
last = 2 ** (BITS_HERE - 1) - 1


def to_grid(row):
    return np.clip(np.rint(row / step), -last, last) * step


compensated = gptq_by_hand(w, gram, to_grid)
by_minilm = sweep(w, gram, lambda rows, values: to_grid(values))
assert np.allclose(compensated, by_minilm)


def squares(w_hat):
    e = w - w_hat
    return np.sum(e**2) / np.sum(w**2), np.trace(e.T @ gram @ e) / np.trace(w.T @ gram @ w)


(plain_w, plain_y), (gptq_w, gptq_y) = squares(to_grid(w)), squares(compensated)
assert gptq_w > plain_w and gptq_y < plain_y
table([f"one layer at {BITS_HERE} bits, squared error relative to", "the weights", "the outputs"],
      [["to nearest", f"{plain_w:.3f}", f"{plain_y:.3f}"],
       ["one after another", f"{gptq_w:.3f}", f"{gptq_y:.3f}"]])

# %% [markdown]
# The weights are *farther* from where they were, and the outputs are nearer. minilm's `sweep` gives
# the same numbers without ever computing an inverse, and `quantize(…, rounding="gptq",
# calibration=…)` does it for a whole model. It is a greedy method, not an optimal one: the last
# weight has nobody to make up for it, and now and then plain rounding wins.
#
# ## 9. How sensitive is each layer?
#
# Round one matrix alone, leave all others as they are, and see how much worse the model gets. We
# measure that on 4000 characters of *training* text, because the next section will use it to
# choose.

# %%
choosing_text = tokens.train[:4000]
NAMES = [name for name in trained[0] if trained[0][name].ndim == 2]
CHOICES = (2, 3, 4, 5, 6)
alone = np.zeros((len(SEEDS), len(NAMES), len(CHOICES)))                # nats, for each seed
for seed, params in enumerate(trained):
    before = evaluate(model, params, choosing_text)
    for i, name in enumerate(NAMES):
        for k, bits in enumerate(CHOICES):
            only = quantize({name: params[name]}, bits, objective="mse")[name].dense()
            alone[seed, i, k] = evaluate(model, {**params, name: only}, choosing_text) - before


# %% jupyter={"source_hidden": true} tags=["hide-input"]
def draw_sensitivity():
    figure, axes = plt.subplots(figsize=(8.0, 3.6))
    order = np.argsort(alone[:, :, 0].mean(axis=0))
    for k, (bits, colour, marker) in enumerate(((2, ORANGE, "v"), (3, BLUE, "o"), (4, GREEN, "s"))):
        values = alone[:, order, k]
        for height in range(len(NAMES)):
            axes.plot(np.maximum(values[:, height], 1e-4), [height] * len(SEEDS), marker,
                      color=colour, markersize=5, alpha=0.6)
            axes.plot(max(values[:, height].mean(), 1e-4), height, "|", color=colour,
                      markersize=14, markeredgewidth=2)
        axes.text(max(values[:, -1].mean(), 1e-4), len(NAMES) - 0.4, f"{bits} bits", color=colour,
                  ha="center")
    axes.set_yticks(range(len(NAMES)), [f"{NAMES[i]}   " for i in order], fontsize=9)
    axes.set_xscale("log")
    axes.set_xlim(8e-5, 1.5)
    axes.set_ylim(-0.6, len(NAMES) + 0.2)
    axes.set_xlabel("loss above float when this matrix alone is rounded (nats per character)\n"
                    "three seeds and their mean; what is below 0.0001 stands at the left edge")
    show(figure, "09-sensitivity-per-layer")


draw_sensitivity()

# %% jupyter={"source_hidden": true} tags=["hide-input"]
mean_alone = alone.mean(axis=0)                                          # (names, choices)
worst, best = mean_alone[:, 0].argmax(), mean_alone[:, 0].argmin()
first_block = mean_alone[[n.startswith("block.0") for n in NAMES], 0].sum()
second_block = mean_alone[[n.startswith("block.1") for n in NAMES], 0].sum()
assert mean_alone[worst, 0] > 20 * mean_alone[best, 0] and first_block > 3 * second_block
tables = [n.endswith("embedding") for n in NAMES]
assert mean_alone[tables, 0].min() > np.median(mean_alone[:, 0])
say(f"""
At two bits `{NAMES[worst]}` alone costs {mean_alone[worst, 0]:.3f} nats, `{NAMES[best]}` only
{mean_alone[best, 0]:.4f}: a factor of {mean_alone[worst, 0] / mean_alone[best, 0]:.0f}, far more
than the spread between seeds. The matrices of the first block cost
{first_block / second_block:.0f} times as much as those of the second. One reason may be that what
they spoil, everything behind them reads. The tables of tokens and positions, where it all begins,
are dear too.
""")

# %% [markdown]
# ## 10. Spend 3.5 bits a weight best
#
# Then why give every matrix the same number of bits? **Mixed precision** gives each its own, such
# that the *average* keeps to a budget. Theory first. If rounding at $b$ bits costs a weight
# $g\,\sigma^2\, 2^{-2b}$, with $\sigma^2$ its variance and $g$ how much the loss suffers from an
# error, the best bits at an average of $\bar b$ are
#
# $$b_i = \bar{b} + \tfrac12 \log_2
#   \frac{g_i \sigma_i^2}{\text{geometric mean of all } g \sigma^2}$$
#
# Four times as much at stake, one bit more. (What would fall below 0 bits gets 0, and the others
# share what is left: *reverse water-filling*.) For three weights of equal size with $g\sigma^2$ of
# 1, 4 and 16, and 2 bits on average:

# %%
print(water_filling_bits(np.array([1.0, 4.0, 16.0]), np.array([100, 100, 100]), mean_bits=2))

# %% [markdown]
# Practice second. Bits are whole numbers, and we have *measured* what each choice costs. Start with
# the cheapest choice everywhere; then buy, again and again, the upgrade that undoes **the most
# damage per byte**, until the budget is spent. It supposes that damages add up, which they do while
# they are small. By hand, on the mean over the seeds, in bits instead of bytes:

# %%
sizes = np.array([trained[0][name].size for name in NAMES])


def buy_upgrades(costs, sizes, mean_bits, choices):
    """costs: (weights, choices) -> which choice each weight gets; greedy."""
    taken, budget = np.zeros(len(sizes), int), mean_bits * sizes.sum()
    while True:
        spent = (np.array(choices)[taken] * sizes).sum()
        offers = [
            ((costs[i, k] - costs[i, k + 1]) / sizes[i], i) for i, k in enumerate(taken)
            if k + 1 < len(choices) and spent + sizes[i] <= budget and costs[i, k + 1] < costs[i, k]
        ]
        if not offers:
            return np.array(choices)[taken]
        taken[max(offers)[1]] += 1


bought = buy_upgrades(mean_alone, sizes, 3.5, CHOICES)
average = (bought * sizes).sum() / sizes.sum()
assert 3.3 < average <= 3.5
table(["matrix", "weights", "bits"],
      [[f"`{name}`", f"{size:,}", str(bits)]
       for name, size, bits in zip(NAMES, sizes, bought, strict=True)]
      + [["average", f"{sizes.sum():,}", f"{average:.2f}"]])

# %% [markdown]
# `mixed_precision` does the same in bytes, for each model from its own measurements, and leaves out
# upgrades that are never worth their price. As its budget we give it the bytes that a uniform width
# would take, so that scales are counted on both sides; "3.5 bits" is the middle of 3 and 4.

# %%
def mixed(params, seed, budget):
    def measured(name, weight):
        return alone[seed, NAMES.index(name), CHOICES.index(weight.bits)]

    arguments = {str(bits): {"bits": bits, "objective": "mse"} for bits in CHOICES}
    return mixed_precision(params, arguments, measured, budget=budget)


def bytes_at(bits):
    low, high = (nbytes(quantize(trained[0], b, objective="mse"))
                 for b in (math.floor(bits), math.ceil(bits)))
    return (low + high) // 2


WEIGHTS = {
    "per-tensor absmax": {"axis": "tensor"},
    "per-channel absmax": {},
    "per-channel MSE": {"objective": "mse"},
    "GPTQ, MSE": {"objective": "mse", "rounding": "gptq"},
}
count = sum(weight.size for weight in trained[0].values())
weight_points = {}                                 # name -> [(true bits per weight, damages)]
for name, how in WEIGHTS.items():
    weight_points[name] = []
    for bits in (8, 6, 5, 4, 3):
        packed = [
            quantize(p, bits, **how, **({"calibration": seen[s]} if "rounding" in how else {}))
            for s, p in enumerate(trained)
        ]
        weight_points[name].append((
            true_bits(packed[0]) / count,
            damage(lambda _, seed, p=packed: thaw(p[seed])),     # thaw: unpacked once, for speed
        ))
weight_points["mixed, MSE"] = [
    (8 * bytes_at(bits) / count, damage(lambda p, s, b=bits: thaw(mixed(p, s, bytes_at(b)))))
    for bits in (5, 4.5, 4, 3.5, 3, 2.5)
]

# %% [markdown]
# ## 11. Loss against bits
#
# Now all of it in one picture. On the left only weights are rounded; true bits count scales, biases
# and gains too, which is much in so small a model. On the right weights have 8 bits and activations
# fewer. Bands reach from the lowest to the highest of three seeds.

# %% jupyter={"source_hidden": true} tags=["hide-input"]
def draw_band(axes, bits, damages, colour, marker, label):
    above = np.array(damages) + (float_losses - entropy)                  # (points, seeds)
    axes.fill_between(bits, above.min(axis=1), above.max(axis=1), color=colour, alpha=0.18,
                      linewidth=0)
    axes.plot(bits, above.mean(axis=1), marker=marker, markersize=5, color=colour, label=label)


def draw_loss_against_bits():
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.0, 3.5), sharey=True)
    for (name, points), colour, marker in zip(
        weight_points.items(), (ORANGE, PINK, BLUE, GREEN, BLACK), "vosD^", strict=True
    ):
        bits, damages = zip(*points, strict=True)
        draw_band(left, bits, damages, colour, marker, name)
    for (name, damages), colour, marker in zip(
        activation_damage.items(), (ORANGE, PINK, BLUE, GREEN, BLACK), "vosD^", strict=True
    ):
        draw_band(right, WIDTHS, damages, colour, marker, name)
    for axes in (left, right):
        axes.axhline(0, color=BLACK, linewidth=2)
        axes.axhline((float_losses - entropy).mean(), color=GREY, linestyle="--")
        axes.set_ylim(-0.035, 0.45)
        axes.legend(loc="upper right", fontsize=9)
    left.text(9.1, (float_losses - entropy).mean() - 0.024, "float32", color=GREY, ha="right")
    left.text(9.1, -0.025, "limit: exact entropy of the grammar", ha="right", fontsize=9)
    left.set_xlabel("true bits per weight")
    right.set_xlabel("bits per activation, weights 8 bits")
    left.set_ylabel("loss above the exact entropy\n(nats per character)")
    show(figure, "09-loss-against-bits")


draw_loss_against_bits()

# %% jupyter={"source_hidden": true} tags=["hide-input"]
three = {name: points[-1][1] for name, points in weight_points.items() if "mixed" not in name}
at_three = weight_points["mixed, MSE"][4][1]
half, four = weight_points["mixed, MSE"][3][1], weight_points["per-channel MSE"][3][1]
assert three["GPTQ, MSE"].mean() < three["per-channel MSE"].mean()
assert three["per-channel MSE"].mean() < three["per-channel absmax"].mean()
assert at_three.max() < three["per-channel MSE"].min()
assert at_three.mean() < three["GPTQ, MSE"].mean()
rounded_x = {bits: min(v[WIDTHS.index(bits)].mean() for v in activation_damage.values())
             for bits in (4, 3)}
assert rounded_x[4] > four.mean() and rounded_x[3] > three["GPTQ, MSE"].mean()
say(f"""
- With 3 bits everywhere, per-tensor absmax costs {spread(three['per-tensor absmax'])} nats (above
  the picture), a scale a channel {spread(three['per-channel absmax'])}, the range of least squared
  error {spread(three['per-channel MSE'])}, and GPTQ on top of it {spread(three['GPTQ, MSE'])}.
- **Here it counts for more where the bits are than how one rounds**: in the same bytes as 3 bits
  everywhere, mixed precision with plain rounding costs {spread(at_three)}.
- At 3.5 bits on average it costs {spread(half)}; 4 bits everywhere cost {spread(four)}.
- Activations need more bits than weights: the best of the five ways costs {rounded_x[4]:.3f} nats
  at 4 bits and {rounded_x[3]:.3f} at 3.
""")

# %% [markdown]
# Are these only the habits of a tiny model? The repository has measured the same methods on an LSTM
# and a Transformer that are about ten times larger, on English text, from three seeds
# (`docs/methods.md` has all of them):

# %%
ASKED = [("W8A8, dynamic", 8), ("W8A8, static, absmax", 8), ("W8A8, static, entropy", 8),
         ("W8A8, soft threshold", 8), ("integer-only", 8), ("round to nearest", 3),
         ("least squares", 3), ("GPTQ, least squares", 3), ("mixed precision", 3)]
saved = saved_rows("docs/methods.csv")


def saved_damage(name, bits, its_model):
    values = [row["loss_above_float"] for row in saved
              if (row["method"], row["bits"], row["model"]) == (name, bits, its_model)]
    assert len(values) == 3, (name, bits, its_model)
    return spread(values)


lstm_mean = {name: float(saved_damage(name, 3, "LSTM").split()[0]) for name, bits in ASKED[5:]}
assert lstm_mean["GPTQ, least squares"] < lstm_mean["mixed precision"] < lstm_mean["least squares"]
table(["damage in nats per character", "bits", "Transformer", "LSTM"],
      [[name, bits, *(saved_damage(name, bits, m) for m in ("Transformer", "LSTM"))]
       for name, bits in ASKED])

# %% [markdown]
# Two things differ. On the LSTM mixed precision is better than plain rounding, and GPTQ is better
# still: what matters more, where the bits are or how one rounds, depends on the model. And the
# range of least divergence ("entropy") costs something on the Transformer even at 8 bits, where the
# other ranges are free: it counts *how many* numbers are clipped, not how far they are moved. Try
# more than one, on text that you do not score.
#
# And time? In NumPy none of this is faster, since everything goes through float products in the end
# (`docs/methods.md` lists it). The gain is real where the processor multiplies 8-bit integers
# faster than floats; what minilm gives you here is the exact result that such a processor would
# give.
#
# ## On your own
#
# **1. A product with two zero points.** Some libraries give the weights a zero point, too. Write
#
# $$\sum_k (q_{x,k} - z_x)(q_{w,kj} - z_w)$$
#
# for codes `q_x`, an array (M, K) of uint8, `q_w`, (K, N) of int8, and whole numbers `z_x` and
# `z_w`. Return an array (M, N) of int32. It must be exact, for codes and zero points of any size
# that the types allow. (Multiply the parentheses out: which three corrections does the plain
# product need? Or find a simpler way, if time does not matter.)

# %%
def integer_product(q_x, q_w, z_x, z_w):
    """Σ_k (q_x − z_x)(q_w − z_w). q_x: (M, K) uint8, q_w: (K, N) int8 -> (M, N) int32."""
    ### BEGIN SOLUTION
    sums = q_x.astype(np.int32) @ q_w.astype(np.int32)                       # (M, N)
    rows = q_x.sum(axis=1, keepdims=True, dtype=np.int32)                    # (M, 1)
    columns = q_w.sum(axis=0, dtype=np.int32)                                # (N,)
    return sums - z_x * columns - z_w * rows + len(q_w) * z_x * z_w
    ### END SOLUTION


# %%
check("integer_product", integer_product)

# %% [markdown]
# **2. The multiplier.** Write a positive real number $M < 1$ as $M_0 \cdot 2^{-n}$ with a whole
# $M_0$ in $[2^{30}, 2^{31})$, as near to $M$ as possible. Return `(M0, n)`, two Python integers.
# `M` is a float between $2^{-20}$ and 1. (`math.frexp(M)` gives a fraction in $[\tfrac12, 1)$ and
# an exponent. Mind what happens when rounding reaches $2^{31}$.)

# %%
def fixed_point(M):
    """M ≈ M0 · 2^−n, M0 a whole number in [2³⁰, 2³¹) -> (M0, n)."""
    ### BEGIN SOLUTION
    fraction, exponent = math.frexp(M)                     # M = fraction · 2^exponent
    M0 = round(fraction * 2**31)
    if M0 == 2**31:
        M0, exponent = 2**30, exponent + 1
    return M0, 31 - exponent
    ### END SOLUTION


# %%
check("fixed_point", fixed_point)

# %% [markdown]
# **3. Spend 3.5 bits a weight best.** `costs` is an array (L, C): `costs[i, k]` is the damage, in
# nats, if layer `i` has `choices[k]` bits. `sizes` is (L,), how many weights each layer has;
# `choices` is (C,), whole numbers of bits. Return an array (L,) of the bits of each layer: the
# total damage, supposed to add up, must be *least*, and the average over all weights (large layers
# count more) at most `mean_bits`. There are never more than six layers and four choices. Buying
# upgrades, as above, is fast and nearly right; here the very best is asked for, and for six layers
# you can try everything (`itertools.product` in the standard library, or a loop that counts).

# %%
def spend_bits(costs, sizes, choices, mean_bits):
    """The bits of each layer, (L,): least total cost at an average of at most mean_bits."""
    ### BEGIN SOLUTION
    L, C = costs.shape
    best, least = None, np.inf
    for number in range(C**L):                             # its digits in base C: the choices
        k = number // C ** np.arange(L) % C                # (L,)
        total = costs[np.arange(L), k].sum()
        if choices[k] @ sizes <= mean_bits * sizes.sum() and total < least:
            best, least = choices[k], total
    return best
    ### END SOLUTION


# %%
if check("spend_bits", spend_bits):
    layers = [i for i, name in enumerate(NAMES) if name.startswith("block.0")]
    args = sizes[layers], np.array(CHOICES[:4]), 3.5
    costs = mean_alone[layers, :4]
    yours = spend_bits(costs, *args)
    greedy = buy_upgrades(costs, sizes[layers], 3.5, CHOICES[:4])
    table(["first block, 3.5 bits on average", *(NAMES[i].split(".")[-1] for i in layers), "nats"],
          [[name, *map(str, bits), f"{costs[np.arange(4), bits - 2].sum():.4f}"]
           for name, bits in (("every choice tried", yours), ("upgrades bought", greedy),
                              ("3 bits everywhere", np.full(4, 3)))])

# %% [markdown]
# **4. An open question.** Section 5 planted outliers into a few *channels* of the activations. Why
# can one not simply give every channel of $x$ a scale of its own, as every column of $W$ has? And
# why does a scale for each *token* work in integers, but help little here?

# %% [markdown] tags=["solution"]
# *An answer.* The product sums over the channels: $y_{tj} = \sum_k x_{tk} W_{kj}$. A scale $s_k$
# that differs from channel to channel stands inside the sum and cannot be taken out; the terms
# would have to be scaled one by one, in floats. A scale of a token, $s_t$, or of a column, $s_j$,
# is the same for all terms, and multiplies the finished sum. So scales may belong to rows of $x$
# and to columns of $W$, never to the axis that is summed over. An outlier channel is large in every
# token: each token's scale is made for it, and the other channels of that token are rounded
# coarsely all the same. SmoothQuant gets a scale for each channel in by the back door: it
# multiplies it into $W$ *before* $W$ is rounded.

# %% [markdown]
# ## In practice
#
# **ONNX Runtime and torch** quantize dynamically like this: a scale and a zero point for the whole
# tensor, taken from each input at run time, unsigned bytes for $x$, signed ones for $W$, sums in
# int32. In the ONNX standard the operators are called `DynamicQuantizeLinear` and `MatMulInteger`.
# Their rule, and minilm's leaf:

# %%
def onnx_dynamic(x, q_w, s_w):
    """DynamicQuantizeLinear, MatMulInteger, and the scales."""
    low, high = np.minimum(x.min(), 0), np.maximum(x.max(), 0)
    s_x = np.float32((high - low) / np.float32(255))
    z = np.uint8(np.clip(np.rint(-low / s_x), 0, 255))
    q_x = np.clip(np.rint(x / s_x) + z, 0, 255).astype(np.uint8)
    sums = (q_x.astype(np.int32) - z) @ q_w.astype(np.int32)
    return sums * (s_x * s_w)


x, packed = of_gelu[:64], quantize({"w": w_down}, 8)
onnx_y = onnx_dynamic(x, packed["w"].codes, packed["w"].scale)
our_y = x @ quantize_activations(packed, by="tensor", symmetric=False)["w"]
assert np.allclose(onnx_y, our_y, atol=1e-5)
say(f"Largest difference between the two: {np.abs(onnx_y - our_y).max():.0e}, the last bits of a "
    f"float32, in outputs as large as {np.abs(our_y).max():.1f}.")

# %% [markdown]
# torch's `quantize_dynamic` does the same, but on many processors lets $x$ have only 7 of the 8
# bits (`reduce_range`), because a sum of two products of full bytes can leave the 16 bits that some
# fast instructions have for it.
#
# **llama.cpp** keeps weights in blocks of 32 with a scale each, say Q4_0, and rounds the
# activations to blocks of 32, too, Q8_0. A block's product is a sum of integers; blocks are added
# as floats:
#
# $$y = \sum_{\text{blocks}} d_x\, d_w \sum_{k = 1}^{32} q_{x,k}\,(q_{w,k} - 8)$$

# %%
from minilm.compression.quantization.gguf import from_gguf, to_gguf


def q8_0(x):
    """Blocks of 32 along the last axis: codes within ±127 and a float16 scale, max|x| / 127."""
    blocks = x.reshape(*x.shape[:-1], -1, 32)
    d = np.abs(blocks).max(axis=-1, keepdims=True) / np.float32(127)
    v = blocks * np.where(d > 0, 1 / np.where(d > 0, d, 1), 0)
    codes = np.sign(v) * np.floor(np.abs(v) + np.float32(0.5))        # half-way: away from 0
    return codes.astype(np.int32), d.astype(np.float16).astype(np.float32)


def q4_0(w):
    """Codes 0 … 15 and a float16 scale: the largest magnitude, with its sign, gets code 0."""
    blocks = w.reshape(*w.shape[:-1], -1, 32)
    largest = np.take_along_axis(blocks, np.abs(blocks).argmax(-1)[..., None], -1)
    d = largest / np.float32(-8)
    v = blocks * np.where(d != 0, 1 / np.where(d != 0, d, 1), 0)
    codes = np.minimum(np.trunc(v + np.float32(8.5)), 15)
    return codes.astype(np.int32), d.astype(np.float16).astype(np.float32)


def q8_0_times_q4_0(x, w):
    """x: (rows, K), w: (K, outputs) -> (rows, outputs), as llama.cpp multiplies them."""
    (q_x, d_x), (q_w, d_w) = q8_0(x), q4_0(np.ascontiguousarray(w.T))
    sums = np.einsum("rbk,obk->rob", q_x, q_w - 8)                    # integers, per block
    return np.sum(sums * d_x[:, None, :, 0] * d_w[None, :, :, 0], axis=-1)


theirs = q8_0_times_q4_0(x, w_down)
restored_x = from_gguf(to_gguf(x, "Q8_0"), "Q8_0")
restored_w = from_gguf(to_gguf(np.ascontiguousarray(w_down.T), "Q4_0"), "Q4_0").T
assert np.allclose(theirs, restored_x @ restored_w, atol=1e-4)
off = np.sqrt(np.mean((theirs - x @ w_down) ** 2) / np.mean((x @ w_down) ** 2))
say(f"In blocks of integers or from restored floats: the same, but for the last bits. Against the "
    f"exact product the error is {off:.1%}, nearly all of it from the 4-bit weights.")

# %% [markdown]
# ## References
#
# - B. Jacob, S. Kligys, B. Chen et al. 2018. *Quantization and Training of Neural Networks for
#   Efficient Integer-Arithmetic-Only Inference.* CVPR. Sections 2.2 to 2.4: zero points, the
#   multiplier; 3.1: moving averages of ranges.
# - S. Migacz 2017. *8-bit Inference with TensorRT.* GTC. Calibration by entropy.
# - R. Banner, Y. Nahshan, D. Soudry 2019. *Post Training 4-bit Quantization of Convolutional
#   Networks for Rapid-Deployment.* NeurIPS. The clip of least squared error (ACIQ).
# - T. Dettmers, M. Lewis, Y. Belkada, L. Zettlemoyer 2022. *LLM.int8(): 8-bit Matrix Multiplication
#   for Transformers at Scale.* NeurIPS. Section 4: outlier channels.
# - G. Xiao, J. Lin, M. Seznec et al. 2023. *SmoothQuant.* ICML. Equation 4.
# - E. Frantar, S. Ashkboos, T. Hoefler, D. Alistarh 2023. *GPTQ.* ICLR. Equations 2 and 3,
#   algorithm 1. The step by step form is Optimal Brain Surgeon's (Hassibi and Stork 1992).
# - T. Cover, J. Thomas 2006. *Elements of Information Theory*, section 10.3.3: water-filling.
#   Y. Shoham, A. Gersho 1988. *Efficient Bit Allocation for an Arbitrary Set of Quantizers.* IEEE
#   Transactions on Acoustics, Speech, and Signal Processing 36(9): upgrades by gain per bit.
# - ONNX operators `DynamicQuantizeLinear` (opset 11) and `MatMulInteger` (opset 10); ggml's block
#   formats Q8_0 and Q4_0.
