# %% [markdown]
# # 07 · Quantization I: error against bit-width
#
# A trained language model is a heap of numbers, and each of them usually takes 32 bits. Does it
# need them? This notebook rounds the numbers to 8 bits, to 4, to 1, and measures what is lost:
# first in a single matrix, where theory says exactly how well one *could* do, then in a language
# model, trained here, for a language whose best possible loss is known.
#
# ## What you will do
#
# - write a quantizer in five lines and find the same codes, bit for bit, in `minilm.quantize`
# - count real bytes: in memory and in a file, scales included
# - round one matrix at 8, 7, … 1 bits in four ways, beside the limits of Shannon and of Lloyd and
#   Max
# - find out where the simplest way loses, and take a picture of it
# - train a small LSTM, round its weights, and watch its loss and its sentences
# - train it a little further *while* it is rounded, so that two bits are enough
# - derive the best place to clip, write codes into bytes, and find a zero point
#
# ## What you will learn
#
# - the formula $\hat{x} = s\,(q - z)$, and what a scale, a code and a group are
# - why each bit is worth about 6 dB, and what "4-bit" leaves out
# - why clipping a few large numbers helps all the others
# - why the error of the weights does not yet tell you the error of the model
#
# ## What you need
#
# NumPy arrays, logarithms, and a rough idea of gradient descent; for the best clip, derivatives and
# the normal distribution. [00](00_bits_losses_floors.ipynb) tells what a nat and an entropy are,
# [03](03_from_rnn_to_lstm.ipynb) what an LSTM is; here it is enough that it predicts text. All
# cells together run in about a minute on one processor core. Reading and running take about 60
# minutes, the exercises another 60.

# %%
from itertools import product
from pathlib import Path
from statistics import NormalDist
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import FormatStrFormatter

from minilm import LSTMLanguageModel, fit, load, quantize, save, thaw
from minilm.compression import affine_codes, straight_through
from minilm.compression.quantization.gguf import from_gguf, to_gguf
from minilm.course import BLACK, BLUE, GREEN, GREY, ORANGE, PINK, check, say, show, style, table
from minilm.generation import generate
from minilm.metrics import sqnr_db
from minilm.study.limits import lloyd_max_sqnr, shannon_sqnr
from minilm.text import GRAMMAR, CharTokenizer, load_corpus, split, windows, witten_bell_losses
from minilm.training import evaluate, warmup_cosine
from minilm.weights import nbytes

style()


def plural(bits):
    return f"{bits} bit{'s' * (bits > 1)}"


# %% [markdown]
# ## 1. Eight numbers, by hand
#
# With $b = 3$ bits you can write $2^3 = 8$ different codes $q$. We use seven of them, the whole
# numbers from −3 to 3, and one *scale* $s$ that says how far apart they stand. A number $x$ becomes
# a code, and the code becomes $\hat{x}$, which is near $x$:
#
# $$q = \mathrm{round}(x / s), \qquad \hat{x} = s\,q, \qquad
#   s = \frac{\max |x|}{2^{b-1} - 1}$$
#
# The scale is chosen so that the largest number lands exactly on the outermost code. This choice is
# called *absmax*. (The general formula is $\hat{x} = s\,(q - z)$; the zero point $z$ moves the
# codes where the numbers are not centred on zero. Ours are, so $z = 0$.)

# %%
def quantize_by_hand(x, bits):
    largest_code = 2 ** (bits - 1) - 1
    scale = np.float32(np.abs(x).max() / largest_code)
    codes = np.round(x / scale)                # half-way between two codes: the even one
    return codes.astype(int), scale, scale * codes


x = np.array([1.5, -0.4, 0.25, 0.75, -1.1, 0.05, -0.7, 0.9], dtype=np.float32)
codes, scale, x_hat = quantize_by_hand(x, bits=3)

print(f"scale s = {scale}\n")
print("     x     x/s    code    x_hat    error")
for row in zip(x, x / scale, codes, x_hat, x - x_hat, strict=True):
    print("{:6.2f}  {:6.2f}  {:6d}  {:7.2f}  {:7.2f}".format(*row))

# %% [markdown]
# Look at the third and the fourth number. Both lie half-way between two codes; 0.5 goes to 0 and
# 1.5 to 2, each to its *even* neighbour. That is the rule of floating-point arithmetic too (IEEE
# 754), and on average it neither enlarges nor shrinks.
#
# No error is larger than half a scale, because no number is farther than that from its nearest
# code. As a picture, rounding is a staircase:

# %% jupyter={"source_hidden": true} tags=["hide-input"]
def draw_staircase():
    figure, axes = plt.subplots(figsize=(6.4, 3.6))
    line = np.linspace(-1.75, 1.75, 2001, dtype=np.float32)
    stairs = scale * np.clip(np.round(line / scale), -3, 3)
    axes.fill_between(line, line - scale / 2, line + scale / 2, color=GREY, alpha=0.15, linewidth=0)
    axes.plot(line, stairs, color=BLUE)
    axes.plot(x, x_hat, "o", color=ORANGE)
    axes.annotate(r"limit: $|x - \hat{x}| \leq s/2$", (-1.8, -0.5), color=GREY)
    axes.annotate(r"$\hat{x}$ at 3 bits", (1.0, 1.0), (0.35, 1.3), color=BLUE)
    axes.annotate("the eight numbers", (0.88, 0.42), color=ORANGE)
    axes.set_yticks(scale * np.arange(-3, 4))
    axes.set_xlabel("number x (no unit)")
    axes.set_ylabel(r"stored as $\hat{x}$ (no unit)")
    codes_axis = axes.secondary_yaxis("right", functions=(lambda v: v / scale, lambda q: q * scale))
    codes_axis.set_yticks(range(-3, 4))
    codes_axis.set_ylabel("code q")
    show(figure)


assert np.abs(x - x_hat).max() <= scale / 2
draw_staircase()

# %% [markdown]
# `minilm.quantize` does the same, with the same bits in the result. From 2 to 8 bits:

# %%
q = quantize(x, bits=3)
assert np.array_equal(q.codes, codes) and q.scale == scale and np.array_equal(q.dense(), x_hat)

numbers = np.random.default_rng(1).standard_normal((64, 96)).astype(np.float32)
for bits in range(2, 9):
    by_hand, its_scale, restored = quantize_by_hand(numbers, bits)
    by_minilm = quantize(numbers, bits)
    assert np.array_equal(by_minilm.codes, by_hand)
    assert by_minilm.scale == its_scale
    assert np.array_equal(by_minilm.dense(), restored)
print("codes   ", q.codes)
print("scale   ", q.scale)
print("x_hat   ", q.dense())
print("the largest error:", q.max_error)

# %% [markdown]
# ## 2. Real bytes
#
# Now the part that is often skipped. `x_hat` is an array of float32: it is *rounded*, but not one
# byte smaller. Nor would an array of int8 be enough: it spends 8 bits on a 3-bit code. A 3-bit
# weight takes 3 bits only if someone writes the codes without gaps, eight codes into three bytes.
# A `QuantizedTensor` does that. It stores $u = q + 4$, which is never negative, lowest bit first.

# %%
gapless = np.unpackbits(q.packed, bitorder="little").reshape(8, 3)
print("code q      ", "  ".join(f"{code:3d}" for code in q.codes))
print("u = q + 4   ", "  ".join(f"{code + 4:3d}" for code in q.codes))
print("its 3 bits  ", "  ".join("".join(map(str, bits)) for bits in gapless))
print("the bytes   ", q.packed.ravel())
assert np.array_equal(gapless @ [1, 2, 4], q.codes + 4)
assert q.packed.nbytes == 3 and q.bits_per_weight > 2 * 3
say(f"Eight codes in {q.packed.nbytes} bytes, and with the scale, a float32, `q.nbytes` is "
    f"{q.nbytes}: **{q.bits_per_weight:g} bits per weight**.")

# %% [markdown]
# That is more than twice what the label says! Eight numbers are too few to share a scale. A matrix
# is not, and neither is its file:

# %%
rng = np.random.default_rng(0)
w = rng.standard_normal((512, 512)).astype(np.float32)          # σ = 1

rows = []
with TemporaryDirectory() as folder:
    file = Path(folder) / "weights.npz"
    for name, weight in {"float32": w, **{plural(b): quantize(w, b) for b in (8, 4, 3, 1)}}.items():
        save(file, {"w": weight})
        restored = load(file)["w"]
        dense = restored if name == "float32" else restored.dense()
        assert np.array_equal(dense, w if name == "float32" else weight.dense())
        rows.append((name, f"{weight.nbytes:,}", f"{file.stat().st_size:,}",
                     f"{8 * weight.nbytes / w.size:.4f}"))
fake = quantize(w, 3).dense()
assert fake.nbytes == w.nbytes
rows.append(("3 bits, but kept as float32", f"{fake.nbytes:,}", "", "32.0000"))
table(["512 × 512 weights", "bytes in memory", "bytes of the file", "true bits per weight"], rows)

# %% [markdown]
# From here on, an axis of bits shows **true bits per weight**: all bytes that are needed to get the
# weights back, times eight, divided by their number.
#
# ## 3. One matrix, four ways, and what theory allows
#
# How good is a rounded matrix? We compare the power of the weights with the power of the error, as
# one compares a signal with its noise, and in the same unit, the decibel:
#
# $$\mathrm{SQNR} = 10 \log_{10} \frac{\sum w^2}{\sum (w - \hat{w})^2} \;\; \text{dB}$$
#
# One bit more makes the steps half as wide, so the error's amplitude halves, and its power becomes
# a quarter: $10 \log_{10} 4$ decibels are gained.
#
# There are four ways to round in this notebook. They differ in how many weights share a scale, in
# how the scale is chosen, and in where the levels stand:
#
# | | one scale for | its choice | levels |
# |---|---|---|---|
# | **per-tensor absmax** | the whole matrix | the largest number fits | evenly spaced |
# | **per-channel absmax** | a column (one output) | the largest number fits | evenly spaced |
# | **per-group MSE** | 64 neighbours in a column | least mean squared error | evenly spaced |
# | **Lloyd–Max** | the whole matrix | the largest number fits | a codebook, fitted to the weights |
#
# And there are two limits, for numbers drawn from a Gaussian:
#
# - **Shannon** (1959): with $R$ bits a number, no method whatever gets the mean squared error below
#   $D(R) = \sigma^2\, 2^{-2R}$, even if it codes millions of numbers together.
# - **Lloyd–Max**: the best of all methods that round *each number by itself* to one of $2^R$
#   levels. A level is the mean of the numbers that are rounded to it, and a threshold lies half-way
#   between two levels.
#
# A group's scale is a float16, the other scales are float32.

# %%
SCHEMES = {
    "per-tensor absmax": {"axis": "tensor"},
    "per-channel absmax": {"axis": -1},
    "per-group MSE": {"axis": -1, "group_size": 64, "objective": "mse"},
    "Lloyd–Max": {"axis": "tensor", "grid": "lloyd_max"},
}
STYLES = {
    "per-tensor absmax": (ORANGE, "v"), "per-channel absmax": (BLUE, "o"),
    "per-group MSE": (GREEN, "s"), "Lloyd–Max": (PINK, "D"),
}
BITS = range(8, 0, -1)

measured = {}                                   # (scheme, bits) -> (true bits per weight, SQNR)
for name, how in SCHEMES.items():
    for bits in BITS:
        q = quantize(w, bits, **how)
        measured[name, bits] = (q.bits_per_weight, sqnr_db(w, q.dense()))
        assert (q.scale.dtype == np.float16) == ("group_size" in how)

table(
    ["SQNR in dB", *(plural(bits) for bits in BITS)],
    [[name, *(f"{measured[name, bits][1]:.1f}" for bits in BITS)] for name in SCHEMES]
    + [["*limit: Lloyd–Max*", *(f"{lloyd_max_sqnr(bits):.1f}" for bits in BITS)],
       ["*limit: Shannon*", *(f"{shannon_sqnr(bits):.1f}" for bits in BITS)]],
)

# %% jupyter={"source_hidden": true} tags=["hide-input"]
def draw_limits(axes, gap=False):
    """Both limits; with gap=True as distances below Shannon's."""
    rates = np.arange(1, 9)
    lloyd = np.array([lloyd_max_sqnr(int(rate)) for rate in rates])
    shannon = shannon_sqnr(rates)
    axes.plot(rates, shannon * (not gap), "-", color=GREY)
    axes.plot(rates, lloyd - shannon * gap, ":", color=BLACK)


def draw_schemes(axes, points, gap=False):
    for name, (colour, marker) in STYLES.items():
        bits, sqnr = np.array([points[name, b] for b in BITS]).T
        axes.plot(bits, sqnr - gap * shannon_sqnr(bits), marker=marker, markersize=5, color=colour)
    axes.set_xlabel("true bits per weight, scales included")
    axes.set_xticks(range(1, 9))


def draw_sqnr():
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.0, 4.4))
    for axes, gap in ((left, False), (right, True)):
        draw_limits(axes, gap)
        draw_schemes(axes, measured, gap)
    left.annotate("limit: Shannon", (6.6, shannon_sqnr(6.6)), (-6, 4), ha="right", color=GREY,
                  textcoords="offset points")
    left.set_ylabel("SQNR (dB)")
    right.set_ylabel("SQNR minus Shannon's limit (dB)")
    for text, height, colour in (
        ("limit: Shannon", -0.65, GREY), ("limit: Lloyd–Max (dotted)", -2.75, BLACK),
        ("Lloyd–Max codebook", -3.45, PINK), ("per-group MSE", -5.6, GREEN),
        ("per-channel absmax", -7.3, BLUE), ("per-tensor absmax", -10.1, ORANGE),
    ):
        right.annotate(text, (8.3, height), ha="right", color=colour)
    show(figure, "07-sqnr-against-bits")


draw_sqnr()

# %% [markdown]
# On the left the lines climb side by side and seem close together. The right panel subtracts
# Shannon's limit and shows how far apart they are. The fitted codebook lies on the line of Lloyd
# and Max, so as long as each number is rounded by itself, there is nothing left to gain. What is
# still missing to Shannon needs codes for many numbers together.

# %% jupyter={"source_hidden": true} tags=["hide-input"]
dB_per_bit = 10 * np.log10(4)
assert np.isclose(dB_per_bit, shannon_sqnr(1))
for (name, bits), (rate, sqnr) in measured.items():
    assert sqnr < shannon_sqnr(rate), (name, bits)          # nobody passes Shannon
at4 = {name: measured[name, 4][1] for name in SCHEMES}
assert abs(at4["Lloyd–Max"] - lloyd_max_sqnr(4)) < 0.1
one, two = (measured["per-tensor absmax", bits][1] for bits in (1, 2))
assert two < one
zeros = np.mean(quantize(w, 2).codes == 0)
worth = (at4["per-group MSE"] - at4["per-tensor absmax"]) / dB_per_bit

say(f"""
- One bit is worth {dB_per_bit:.2f} dB.
- At 4 bits, groups of 64 reach {at4['per-group MSE']:.1f} dB and per-tensor absmax
  {at4['per-tensor absmax']:.1f}. Absmax would need {worth:.2f} further bits per weight to gain as
  much; the groups pay {measured['per-group MSE', 4][0] - 4:.2f} for their scales.
- The fitted codebook lies {abs(at4['Lloyd–Max'] - lloyd_max_sqnr(4)):.2f} dB from the limit of
  Lloyd and Max, and {shannon_sqnr(4) - at4['Lloyd–Max']:.1f} dB from Shannon's.
- Odd, but true: with absmax, *two bits are worse than one*, {two:.1f} against {one:.1f} dB. At two
  bits {zeros:.1%} of the weights become 0.
""")

# %% [markdown]
# The last point has a simple reason. At two bits the codes are −1, 0 and 1; the outer two stand at
# the largest weight of all, and nearly everything is closer to 0. At one bit there is no code 0:
# minilm stores the signs and the mean magnitude. So the *scale* matters more than the bits. Where
# should it be?
#
# ## 4. Why absmax loses: the clip
#
# Absmax lets the largest weight of all decide how coarse the grid is for every other one. What if
# we place the outermost level at some smaller $c$, and push what lies beyond back to $c$? Two
# errors are then at odds:
#
# - the **granular** error of the numbers inside: spread evenly over $\pm s/2$, its mean square is
#   about $s^2/12$, with $s = c/7$ at 4 bits. It *grows* with $c$;
# - the **overload** error of the numbers outside, $\int_{|x| > c} (|x| - c)^2\, p(x)\, dx$: it
#   *shrinks* as $c$ grows.
#
# Their sum has a smallest value somewhere between. For our matrix, at 4 bits:

# %%
def clip_error(x, clip, bits):
    """Mean squared error inside and outside of ±clip, in units of the variance of x."""
    largest_code = 2 ** (bits - 1) - 1
    s = clip / largest_code
    error = (x - s * np.clip(np.round(x / s), -largest_code, largest_code)) ** 2
    outside = np.abs(x) > clip
    granular, overload = error[~outside].sum(), error[outside].sum()
    return np.array([granular, overload]) / x.size / np.var(x)


absmax_clip = float(np.abs(w).max())
clips = np.linspace(1.2, absmax_clip, 72)
granular, overload = np.array([clip_error(w, clip, bits=4) for clip in clips]).T
total = granular + overload
best = int(total.argmin())

# minilm's objective="mse" looks for the same place
found = 7 * float(quantize(w, 4, objective="mse").scale)
assert abs(found - clips[best]) < 0.1
assert np.isclose(granular[-1], (absmax_clip / 7) ** 2 / 12, rtol=0.02)
assert np.isclose(-10 * np.log10(total[-1]), measured["per-tensor absmax", 4][1], atol=0.01)

# %% jupyter={"source_hidden": true} tags=["hide-input"]
def draw_clip():
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.0, 4.0), width_ratios=(4, 5))
    left.hist(w.ravel(), bins=120, density=True, color=GREY, alpha=0.3)
    left.set_ylim(-0.19, 0.45)
    for y, clip, name, colour in (
        (-0.065, absmax_clip, "absmax", ORANGE), (-0.15, clips[best], "best clip", GREEN),
    ):
        left.plot(clip / 7 * np.arange(-7, 8), np.full(15, y), "|", markersize=13,
                  markeredgewidth=1.8, color=colour)
        left.annotate(f"15 levels, {name}", (-5, y + 0.024), color=colour, fontsize=9)
    left.set_yticks([0, 0.1, 0.2, 0.3, 0.4])
    left.set_xlabel("weight (σ)")
    left.set_ylabel("density (1/σ)")

    right.plot(clips, total, color=BLACK, linewidth=2)
    right.plot(clips, granular, "--", color=BLUE)
    right.plot(clips, overload, "-.", color=PINK)
    right.plot(clips[best], total[best], "s", color=GREEN, markersize=8)
    right.plot(absmax_clip, total[-1], "v", color=ORANGE, markersize=8)
    for sqnr, name, dash in (
        (lloyd_max_sqnr(4), "Lloyd–Max", ":"), (shannon_sqnr(4), "Shannon", "-"),
    ):
        limit = 10 ** (-sqnr / 10)
        right.axhline(limit, linestyle=dash, color=GREY)
        right.annotate(f"limit: {name}", (absmax_clip, limit), (0, 3), ha="right",
                       textcoords="offset points", color=GREY, fontsize=9)
    right.annotate("granular", (1.55, 0.0027), color=BLUE)
    right.annotate("overload", (2.6, 0.0022), color=PINK)
    right.annotate("total", (1.62, 0.075), color=BLACK)
    right.annotate("best clip", (clips[best], total[best]), (0, 12), textcoords="offset points",
                   color=GREEN, ha="center")
    right.annotate("absmax", (absmax_clip, total[-1]), (-6, 6), textcoords="offset points",
                   color=ORANGE, ha="right")
    right.set_yscale("log")
    right.set_ylim(1.5e-3, 0.2)
    right.set_xlabel("clip point c (σ)")
    right.set_ylabel("mean squared error (σ²)")
    show(figure, "07-best-clip")


draw_clip()

# %% jupyter={"source_hidden": true} tags=["hide-input"]
largest_of_64 = np.abs(w.T.reshape(-1, 64)).max(axis=1).mean()
gain = 10 * np.log10(total[-1] / total[best])
assert abs(largest_of_64 - clips[best]) < 0.3
say(f"""
The best clip lies at {clips[best]:.2f} σ, the largest weight at {absmax_clip:.2f} σ. Clipping there
moves {np.mean(np.abs(w) > clips[best]):.1%} of the weights, makes the grid
{absmax_clip / clips[best]:.1f} times finer for all the others, and gains {gain:.1f} dB. Within
groups of 64, the largest weight lies at {largest_of_64:.2f} σ on average.
""")

# %% [markdown]
# The last number explains why *groups* are so good even without a search: a group's absmax falls
# near the best clip all by itself. The price is one scale for every 64 weights.
#
# ## 5. A model whose best loss is known
#
# A matrix is not a model. What we want to know is how much worse a *language model* predicts text
# when its weights are rounded, so let us train one. Its text comes from a small grammar that draws
# village stories. Every sentence has a known probability, so the entropy of this language is known
# exactly: it is the loss below which no model can get.

# %%
text = load_corpus("grammar")
tokenizer = CharTokenizer.train(text)
tokens = split(tokenizer.encode(text), validation=0.1)
entropy = GRAMMAR.entropy_rate()                        # nats per character

print(text[:330].rsplit("\n", 1)[0])

# The grammar itself, asked about the held-out text, should lose about its own entropy.
held_out = text[-len(tokens.validation):].split("\n", 1)[1]
floor_here = -GRAMMAR.log_probability(held_out) / len(held_out)
assert abs(floor_here - entropy) < 0.01
say(f"{len(text):,} characters, {tokenizer.vocab_size} different ones. Exact entropy: "
    f"**{entropy:.4f} nats** per character. (On the held-out text the grammar itself loses "
    f"{floor_here:.4f}: a sample differs a little from its expectation.)")

# %% [markdown]
# The model is an LSTM with 128 cells that reads one character at a time. `fit` draws 32 windows of
# 64 characters per step and trains with AdamW, a kind of gradient descent; the learning rate rises
# to 5·10⁻³ and falls again. For comparison we also count: an *n-gram* model tells the next
# character from how often it followed the $n - 1$ before it.

# %%
model = LSTMLanguageModel(tokenizer.vocab_size, width=128, embedding_width=64)


def train(params, steps, learning_rate, seed, **how):
    return fit(
        model, params, windows(tokens.train, batch_size=32, context=64, seed=seed), steps=steps,
        schedule=warmup_cosine(learning_rate, warmup=steps // 20, steps=steps), seed=seed, **how,
    )


def loss_of(params):
    """Nats per character on the held-out text."""
    return evaluate(model, thaw(params), tokens.validation)     # thaw: all weights as float32


params, history = train(
    model.init(seed=0), steps=500, learning_rate=5e-3, seed=0,
    evaluate=lambda seen: evaluate(model, seen, tokens.validation, limit=16_000), evaluate_every=25,
)
float_loss = loss_of(params)
counted = witten_bell_losses(tokens.train, tokens.validation, tokenizer.vocab_size, max_order=5)

# %% jupyter={"source_hidden": true} tags=["hide-input"]
def draw_training():
    steps, losses = np.array([
        (entry["step"], entry["validation_loss"]) for entry in history if "validation_loss" in entry
    ]).T
    figure, axes = plt.subplots(figsize=(6.8, 3.8))
    axes.plot(steps, losses - entropy, "o-", markersize=4, color=BLUE)
    axes.annotate("LSTM (one seed)", (steps[3], losses[3] - entropy), (8, 6), color=BLUE,
                  textcoords="offset points")
    for order in (3, 4, 5):
        axes.axhline(counted[order - 1] - entropy, linestyle=":", color=GREY)
        axes.annotate(f"counting: {order}-grams", (500, counted[order - 1] - entropy), (0, 3),
                      textcoords="offset points", ha="right", color=GREY, fontsize=9)
    axes.axhline(0, color=BLACK)
    axes.annotate("limit: exact entropy of the grammar", (500, 0), (0, 3), ha="right", fontsize=9,
                  textcoords="offset points")
    axes.set_ylim(-0.02, 0.45)
    axes.set_xlabel("optimizer step")
    axes.set_ylabel("loss above the exact entropy\n(nats per character)")
    show(figure)


draw_training()

# %% jupyter={"source_hidden": true} tags=["hide-input"]
assert entropy < float_loss < min(counted)
say(f"""
After {len(history)} steps the loss is {float_loss:.4f} nats, **{float_loss - entropy:.3f} above the
exact entropy**. Counting 5-grams ends {counted[-1] - entropy:.3f} above it. The model's parameters
are {sum(weight.size for weight in params.values()):,} numbers, {nbytes(params):,} bytes.
""")

# %% [markdown]
# ## 6. The trained weights, rounded
#
# `quantize` takes a whole model too: a dict of parameters goes in, and a dict comes out in which
# every matrix is a `QuantizedTensor`. The embedding table has one scale for each row, so that a
# character can be looked up alone. Biases stay float32, and count in the true bits. The model's
# code does not change at all: it asks a weight only for `x @ w` and `w[ids]`, and a packed one can
# answer.

# %%
def true_bits(params):
    return 8 * nbytes(params) / sum(np.prod(weight.shape) for weight in params.values())


def weights_sqnr(original, rounded):
    names = [name for name in original if original[name].ndim == 2]
    flat = [np.concatenate([p[name].ravel() for name in names]) for p in (original, thaw(rounded))]
    return sqnr_db(*flat)


# As SCHEMES, but in a whole model channels are the default: columns of matrices, rows of the table
SCHEMES_OF_A_MODEL = {
    "per-tensor absmax": {"axis": "tensor"},
    "per-channel absmax": {},
    "per-group MSE": {"group_size": 64, "objective": "mse"},
    "Lloyd–Max": {"grid": "lloyd_max"},
}
weight_points, loss_points = {}, {}
for name, how in SCHEMES_OF_A_MODEL.items():
    for bits in BITS:
        rounded = quantize(params, bits, **how)
        weight_points[name, bits] = (true_bits(rounded), weights_sqnr(params, rounded))
        loss_points[name, bits] = (true_bits(rounded), loss_of(rounded) - float_loss)

# The packed weights give the same logits as their unpacked copies.
packed, some = quantize(params, 3, group_size=64), tokens.validation[None, :50]
assert np.allclose(model.forward(packed, some)[0], model.forward(thaw(packed), some)[0], atol=1e-4)

# %% jupyter={"source_hidden": true} tags=["hide-input"]
def draw_model():
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.0, 4.4))
    draw_limits(left)
    draw_schemes(left, weight_points)
    left.set_ylabel("SQNR of the weights (dB)")
    left.annotate("limits of Gaussians:\nShannon (solid)\nLloyd–Max (dotted)", (8.8, 1), ha="right",
                  color=GREY)
    for name, (colour, marker) in STYLES.items():
        bits, above = np.array([loss_points[name, b] for b in BITS]).T
        right.plot(bits, above, marker=marker, markersize=5, color=colour)
    for line, (name, (colour, marker)) in enumerate(STYLES.items()):
        place = 0.95 - 0.07 * line
        right.plot(0.4, place + 0.013, marker, color=colour, transform=right.transAxes)
        right.annotate(name, (0.44, place), xycoords="axes fraction", color=colour)
    right.axhline(0, color=GREY, linestyle="--")
    right.annotate("float32", (8.7, 0), (0, -12), textcoords="offset points", ha="right",
                   color=GREY, fontsize=9)
    right.axhline(entropy - float_loss, color=BLACK)
    right.annotate("limit: exact entropy", (8.7, entropy - float_loss), (0, 3), ha="right",
                   textcoords="offset points", fontsize=9)
    right.set_yscale("symlog", linthresh=0.01, linscale=0.7)
    right.set_ylim(-0.06, 5)
    right.yaxis.set_major_formatter(FormatStrFormatter("%g"))
    right.set_xticks(range(1, 9))
    right.set_ylabel("loss above float32 (nats per character)\n"
                     "linear within ±0.01, else logarithmic")
    for axes in (left, right):
        axes.set_xlabel("true bits per weight,\nscales and biases included")
    show(figure, "07-trained-weights")


draw_model()

# %% jupyter={"source_hidden": true} tags=["hide-input"]
eight, four, two = (
    {name: loss_points[name, bits][1] for name in STYLES} for bits in (8, 4, 2)
)
assert max(abs(loss) for loss in eight.values()) < 0.005
assert min(two.values()) > 5 * max(four["per-group MSE"], four["Lloyd–Max"])
guessing = np.log(tokenizer.vocab_size) - float_loss
say(f"""
- **Eight bits are free.** Whichever way we round, the loss changes by at most
  {max(abs(loss) for loss in eight.values()):.4f} nats.
- **Four bits cost little, if you choose well**: {four['Lloyd–Max']:.4f} nats with Lloyd–Max,
  {four['per-group MSE']:.4f} with groups, but {four['per-tensor absmax']:.4f} with one scale per
  tensor.
- **At two bits all break**: {two['Lloyd–Max']:.2f} nats with Lloyd–Max,
  {two['per-tensor absmax']:.2f} with one scale per tensor. (Giving every character the same
  probability would cost {guessing:.2f}.)
- **Small models carry luggage**: scales, biases and a codebook of 256 levels for each matrix make
  {loss_points['Lloyd–Max', 8][0]:.2f} bits of Lloyd–Max's 8.
""")

# %% [markdown]
# As bits are taken away, the SQNR falls along straight lines, but the loss stays where it is and
# then explodes. It hardly notices small errors, and later it notices nothing else: dB of the
# weights are not nats of the model.
#
# Two cautions. This is one model, trained from one seed, so do not read anything into differences
# of a few thousandths of a nat. And the limits on the left are those of Gaussian numbers, which
# trained weights are not. Shannon's line still means something for them, because of all
# distributions with a given variance the Gaussian is the hardest to code: their own limit lies at
# the line or above it. The Lloyd–Max line is a comparison only.
#
# Numbers are one thing; what does it *sound* like? Let each model write, and count how many of its
# sentences the grammar could have written.

# %%
def stories(params, length=2500):
    """What the model writes (whole sentences), and the share of it that is in the language."""
    start, rng = tokenizer.encode("\n"), np.random.default_rng(0)
    written = tokenizer.decode(generate(model, params, start, length, rng=rng))
    lines = written.split("\n")[:-1]
    right = [np.isfinite(GRAMMAR.log_probability(line + "\n")) for line in lines]
    return lines, np.mean(right)


how = SCHEMES_OF_A_MODEL["per-group MSE"]
grammatical, shown = {}, []
for name, weights in {
    "float32": params, **{f"{b} bits": quantize(params, b, **how) for b in (4, 3, 2)}
}.items():
    lines, grammatical[name] = stories(weights)
    shown.append(f"{name}: {grammatical[name]:.0%} of {len(lines)} sentences are grammatical")
    shown += [f"    {line[:92]}" for line in lines[:3]]
print("\n".join(shown))

# %% [markdown]
# ## 7. Training that knows it will be rounded
#
# Two bits are not hopeless. So far the model was trained as if its weights were exact, and rounded
# afterwards. **Quantization-aware training** lets it *see* its rounded weights while it is still
# learning. One obstacle: rounding is a staircase, and the slope of a staircase is 0 wherever it
# exists, so no gradient would come through. The **straight-through estimator** takes the slope to
# be 1 inside the range $\pm c$ of a weight's group instead, and 0 outside:
#
# $$\frac{\partial \hat{x}}{\partial x} := \mathbf{1}\left[\,|x| \leq c\,\right]$$
#
# Exact weights are kept underneath. There small steps add up, until a weight crosses over to the
# next level.
#
# In minilm this is a `view`, what the model sees of its parameters; the training loop is the same.
# To be fair, a second copy gets the *same* 100 further steps without the view: perhaps more
# training alone would do. Both start from the model above, three times, with three different draws
# of text.

# %%
two_bits = {"bits": 2, "group_size": 64, "objective": "mse"}
results = {
    "float32": [float_loss],
    "2 bits, rounded at the end": [loss_of(quantize(params, **two_bits))],
    "100 more steps, then rounded": [],
    "100 more steps while rounded": [],
}
for seed in (1, 2, 3):
    plain, _ = train(params, steps=100, learning_rate=3e-3, seed=seed)
    results["100 more steps, then rounded"].append(loss_of(quantize(plain, **two_bits)))
    aware, _ = train(params, steps=100, learning_rate=3e-3, seed=seed,
                     view=straight_through(**two_bits))
    aware = quantize(aware, **two_bits)                     # now truly packed
    results["100 more steps while rounded"].append(loss_of(aware))

# %% jupyter={"source_hidden": true} tags=["hide-input"]
def draw_results():
    figure, axes = plt.subplots(figsize=(7.6, 3.0))
    for height, runs in enumerate(reversed(results.values())):
        above = np.array(runs) - entropy
        colour = {0: GREEN, 3: BLACK}.get(height, ORANGE)
        axes.plot(above, np.full(len(above), height), "o", color=colour, markersize=8, alpha=0.6)
        spread = f"{above.min():.3f}"
        spread += f" to {above.max():.3f}" * (len(above) > 1)
        axes.annotate(spread, (above.max(), height), (10, -4), textcoords="offset points",
                      color=colour)
    axes.axvline(0, color=GREY)
    axes.annotate("limit: exact entropy", (0, 3.45), (4, 0), textcoords="offset points",
                  color=GREY, fontsize=9)
    axes.set_yticks(range(len(results)), list(results)[::-1])
    axes.set_ylim(-0.5, 3.8)
    axes.set_xlim(-0.01, 1.35 * max(max(runs) - entropy for runs in results.values()))
    axes.set_xlabel("loss above the exact entropy (nats per character)")
    show(figure)


draw_results()

# %% jupyter={"source_hidden": true} tags=["hide-input"]
start, control, aware_runs = (
    np.array(results[name]) - float_loss for name in list(results)[1:]
)
assert aware_runs.max() < 0.5 * min(control.min(), start.min())
lines, share = stories(aware)
without = {bits: loss_points["per-group MSE", bits][1] for bits in BITS}
as_good_as = min(without, key=lambda bits: abs(without[bits] - aware_runs.mean()))
say(f"""
Rounded at the end, two bits cost {start[0]:.3f} nats more than float32. After 100 steps of training
while rounded they cost {aware_runs.mean():.3f} (from {aware_runs.min():.3f} to
{aware_runs.max():.3f}), about what {as_good_as} bits cost without it. The same 100 steps without
the view leave {control.mean():.3f} (from {control.min():.3f} to {control.max():.3f}), so it is the
seeing that helps. Of the last model's sentences {share:.0%} are grammatical, where it was
{grammatical['2 bits']:.0%}. It takes {true_bits(aware):.2f} true bits per weight, {nbytes(aware):,}
bytes instead of {nbytes(params):,}.
""")

# %% [markdown]
# The three dots of a row show the spread of the *further* training alone. All begin with one model,
# trained from one seed; how much that first seed matters, this notebook does not say.
#
# ## On your own
#
# Each exercise is one function. The cell below it tries the function on data that you do not see,
# and says "Right" or gives a hint.
#
# **1. What does "4-bit" cost?** Every group of `group_size` weights shares one float16 scale, and
# a code has `bits` bits. How many true bits per weight is that? The number of weights is a multiple
# of the group size.

# %%
def bits_with_scales(bits, group_size):
    """True bits per weight (a number) of codes of `bits` bits and a float16 for each group."""
    ### BEGIN SOLUTION
    return bits + 16 / group_size
    ### END SOLUTION


# %%
check("bits_with_scales", bits_with_scales)

# %% [markdown]
# **2. Pack the codes.** Write codes into bytes as section 2 shows: store $u = q + 2^{b-1}$, the
# lowest bit of each $u$ first, the codes one after another, and the first bit as the lowest of a
# byte. (`u[:, None] >> np.arange(bits) & 1` gives the bits of `u` as numbers 0 and 1, one row per
# code; `np.packbits` makes bytes of bits and has an argument `bitorder`.)

# %%
def pack_codes(codes, bits):
    """Bytes without gaps. codes: (n,) int from −2^(bits−1) to 2^(bits−1) − 1, n a multiple of 8
    -> (n · bits / 8,) uint8.
    """
    ### BEGIN SOLUTION
    u = codes + 2 ** (bits - 1)
    digits = u[:, None] >> np.arange(bits) & 1                  # (n, bits)
    return np.packbits(digits.astype(np.uint8), bitorder="little")
    ### END SOLUTION


# %%
check("pack_codes", pack_codes)

# %% [markdown]
# **3. Find the zero point.** What comes out of a ReLU, $\max(x, 0)$, is never negative, and a
# symmetric quantizer leaves half of its codes unused there. The general formula
# $\hat{x} = s\,(q - z)$ uses all of them, $0 \ldots 2^b - 1$. Its range goes from
# $\min(x)$ to $\max(x)$, but is first stretched, where it has to be, so that it contains 0: then
# the number 0 has a code of its own, $z$, and is kept exactly. Write the quantizer:
#
# - $s$ is the length of the range over the number of steps that $2^b$ codes have between them;
# - $z$ is the code of the number 0, if the lower end of the range has code 0: a whole number;
# - $q = \mathrm{round}(x / s) + z$, kept within $0 \ldots 2^b - 1$.
#
# x is not constant.

# %%
def affine_quantize(x, bits):
    """codes: whole numbers 0 … 2^bits − 1 of the shape of x; scale: a number > 0; zero_point: a
    whole number. x: (n,) float  ->  codes, scale, zero_point
    """
    ### BEGIN SOLUTION
    low, high = min(x.min(), 0), max(x.max(), 0)
    scale = (high - low) / (2**bits - 1)
    zero_point = round(float(-low / scale))
    codes = np.clip(np.round(x / scale) + zero_point, 0, 2**bits - 1)
    return codes.astype(int), scale, zero_point
    ### END SOLUTION


# %%
check("affine_quantize", affine_quantize)

# %% [markdown]
# **4. Derive the best clip.** In section 4 we searched for it. For a Gaussian it can be calculated.
# Let σ = 1, and write $\varphi(c)$ for the density at $c$, $Q(c)$ for the probability of a number
# beyond $c$ on *one* side. There are $L = 2^{b-1} - 1$ steps between 0 and $c$, so $s = c / L$.
#
# - The granular error is about $s^2 / 12$ for all numbers. (The few outside hardly matter here.)
# - The overload error, both sides together, is
#   $2 \int_c^\infty (x - c)^2 \varphi(x)\, dx = 2\left[(1 + c^2)\,Q(c) - c\,\varphi(c)\right]$.
#
# Take the derivative of the sum with respect to $c$: you need $Q'(c) = -\varphi(c)$ and
# $\varphi'(c) = -c\,\varphi(c)$, and most terms cancel. Where it is 0 is the best clip. It can't be
# solved for $c$ by hand, but below the best clip the derivative is negative and above it positive:
# halve the interval from 0.1 to 10 forty times. At last think of σ: how does the best clip change
# if all numbers are three times as large?
#
# `NormalDist().pdf(c)` is $\varphi(c)$, and `NormalDist().cdf(-c)` is $Q(c)$.

# %%
def best_clip(bits, sigma):
    """The c of least granular + overload error for N(0, sigma²). bits from 3 to 8 -> float."""
    ### BEGIN SOLUTION
    steps, normal = 2 ** (bits - 1) - 1, NormalDist()
    low, high = 0.1, 10.0
    for _ in range(40):
        c = (low + high) / 2
        slope = c / (6 * steps**2) + 4 * (c * normal.cdf(-c) - normal.pdf(c))
        low, high = (c, high) if slope < 0 else (low, c)
    return sigma * low
    ### END SOLUTION


# %%
if check("best_clip", best_clip):
    largest = {b: 2 ** (b - 1) - 1 for b in (3, 4, 5, 6)}
    searched = [float(quantize(w, b, objective="mse").scale) * largest[b] for b in largest]
    derived = [best_clip(b, 1.0) for b in largest]
    assert np.allclose(searched, derived, atol=0.1)
    table(["best clip (σ)", *map(plural, largest)],
          [["searched on our matrix", *(f"{c:.2f}" for c in searched)],
           ["derived", *(f"{c:.2f}" for c in derived)]])

# %% [markdown]
# **Open questions**
#
# - *Heavier tails.* The Laplace density $\tfrac{1}{2} e^{-|x|}$, whose variance is 2, has larger
#   large numbers than the Gaussian. Does the best clip, in units of σ, move outwards or inwards?
#   Derive it: the overload error is $2\,e^{-c}$.
# - *Spend three bits well.* `quantize(params, {"head.w_project": 2, "lstm.0.w_h": 4}, **how)` takes
#   bits by name, and a matrix that is not named stays float. With groups of 64 and
#   `objective="mse"`, round one matrix at a time to 2 bits, and see which one hurts most. Then
#   choose bits for all four so that `true_bits` stays below 3.5 and the loss is as small as you can
#   make it. [09](09_quantized_inference.ipynb) goes on from here.

# %% [markdown] tags=["solution"]
# *Heavier tails.* The sum is $c^2 / (12 L^2) + 2 e^{-c}$, and its derivative
# $c / (6 L^2) - 2 e^{-c}$ is 0 where $c\,e^{c} = 12 L^2$; in units of σ that is $c / \sqrt{2}$.
# What lies far out costs more than with a Gaussian, so the clip moves outwards, and the steps are
# coarser for it.
#
# *Spend three bits well.* Trying all mixtures takes long. If the damages of single matrices simply
# add up, a table of four matrices × three widths is enough to choose from. They do so only roughly,
# so the choice is measured at the end.

# %% tags=["solution"]
laplace = np.linspace(2, 8, 60_001)
laplace = laplace[np.argmin(np.abs(laplace * np.exp(laplace) - 12 * 7**2))] / 2**0.5
assert laplace > clips[best]
say(f"At 4 bits the best clip of a Laplace density lies at {laplace:.2f} σ.")

matrices = [name for name in params if params[name].ndim == 2]
damage = {
    (name, bits): loss_of(quantize(params, {name: bits}, **how)) - float_loss
    for name in matrices for bits in (2, 3, 4)
}
mixtures = [dict(zip(matrices, bits, strict=True)) for bits in product((2, 3, 4), repeat=4)]
mixtures.sort(key=lambda mixture: sum(damage[one] for one in mixture.items()))
chosen = next(m for m in mixtures if true_bits(quantize(params, m, **how)) < 3.5)
mixed, uniform = quantize(params, chosen, **how), quantize(params, 3, **how)
table(["loss above float32 (nats)", "2 bits", "3 bits", "4 bits", "chosen"],
      [[f"`{name}`", *(f"{damage[name, b]:.4f}" for b in (2, 3, 4)), plural(chosen[name])]
       for name in matrices])
say(f"{true_bits(mixed):.2f} true bits cost {loss_of(mixed) - float_loss:.4f} nats; 3 bits for "
    f"all, {true_bits(uniform):.2f} true bits, cost {loss_of(uniform) - float_loss:.4f}.")

# %% [markdown]
# ## In practice
#
# The big libraries use the same parts in other mixtures. Here are three, written from their
# published rules, on our 512 × 512 matrix:
#
# - **PyTorch**, int8 weights per output channel (the default observer of eager-mode quantization):
#   the scale is $\max|w| / 127.5$ and all 256 codes, −128 … 127, are used. `quantize` keeps to
#   ±127, so that the grid is symmetric.
# - **llama.cpp, Q8_0**: blocks of 32 along the input, codes ±127, a float16 scale.
# - **llama.cpp, Q4_0**: blocks of 32, sixteen codes −8 … 7. The number with the largest magnitude,
#   whatever its sign, lands exactly on −8: the scale may be negative. `quantize` keeps to ±7.
#
# minilm writes files for llama.cpp as well (`minilm/compression/quantization/gguf.py`), so its Q8_0
# and Q4_0 must give what the rules give, to the last bit. The tests of this notebook compare all
# three with the libraries themselves.

# %%
def torch_int8_per_channel(w):
    scale = np.abs(w).max(axis=0) / np.float32(127.5)                      # one for each column
    codes = affine_codes(w, scale, 0, -128, 127, axis=1)
    return codes * scale, 8 * (codes.nbytes + scale.nbytes) / w.size


def q8_0(w):
    blocks = w.T.reshape(-1, 32)
    d = np.abs(blocks).max(axis=1, keepdims=True) / np.float32(127)
    v = blocks * (1 / d)
    codes = np.trunc(v + np.copysign(np.float32(0.5), v))                  # half-way: outwards
    restored = codes * d.astype(np.float16).astype(np.float32)
    return restored.reshape(w.T.shape).T, (32 * 8 + 16) / 32


def q4_0(w):
    blocks = w.T.reshape(-1, 32)
    largest = np.take_along_axis(blocks, np.abs(blocks).argmax(axis=1)[:, None], axis=1)
    d = largest / np.float32(-8)
    codes = np.clip(np.floor(blocks * (1 / d) + np.float32(8.5)), 0, 15) - 8
    restored = codes * d.astype(np.float16).astype(np.float32)
    return restored.reshape(w.T.shape).T, (32 * 4 + 16) / 32


for kind, rule in (("Q8_0", q8_0), ("Q4_0", q4_0)):                        # the same, bit for bit
    assert np.array_equal(rule(w)[0].T, from_gguf(to_gguf(w.T, kind), kind))

# %% jupyter={"source_hidden": true} tags=["hide-input"]
rows = []
for name, rule, settings in (
    ("PyTorch int8, per channel", torch_int8_per_channel, {"bits": 8, "axis": -1}),
    ("llama.cpp Q8_0", q8_0, {"bits": 8, "axis": -1, "group_size": 32}),
    ("llama.cpp Q4_0", q4_0, {"bits": 4, "axis": -1, "group_size": 32}),
):
    restored, its_bits = rule(w)
    ours = quantize(w, **settings)
    arguments = ", ".join(f"{key}={value}" for key, value in settings.items())
    rows.append([
        name, f"{its_bits:.4g}", f"{sqnr_db(w, restored):.2f}", f"`quantize(w, {arguments})`",
        f"{ours.bits_per_weight:.4g}", f"{sqnr_db(w, ours.dense()):.2f}",
    ])
    assert np.isclose(its_bits, ours.bits_per_weight)
    assert abs(sqnr_db(w, restored) - sqnr_db(w, ours.dense())) < 1.5
table(["rule", "true bits", "SQNR (dB)", "nearest in `quantize`", "true bits", "SQNR (dB)"], rows)
searched = quantize(w, 4, axis=-1, group_size=32, objective="mse")
by_q4_0 = q4_0(w)[0]
assert sqnr_db(w, quantize(w, 4, axis=-1, group_size=32).dense()) < sqnr_db(w, searched.dense())
assert sqnr_db(w, searched.dense()) < sqnr_db(w, by_q4_0)
say(f"""
So a "4-bit" Q4_0 weight takes {rows[-1][1]} bits. Its sixteenth code is worth more than a better
scale: with `objective="mse"` but only fifteen codes, `quantize` reaches
{sqnr_db(w, searched.dense()):.2f} dB in blocks of the same size.
""")

# %% [markdown]
# ## References
#
# - C. E. Shannon, *Coding theorems for a discrete source with a fidelity criterion*, IRE National
#   Convention Record, 1959: the limit $D(R)$.
# - J. Max, *Quantizing for minimum distortion*, IRE Transactions on Information Theory, 1960, and
#   S. P. Lloyd, *Least squares quantization in PCM*, IEEE Transactions on Information Theory, 1982:
#   the best levels.
# - R. M. Gray and D. L. Neuhoff, *Quantization*, IEEE Transactions on Information Theory, 1998: the
#   whole history.
# - Y. Bengio, N. Léonard and A. Courville, *Estimating or propagating gradients through stochastic
#   neurons for conditional computation*, arXiv:1308.3432, 2013: the straight-through estimator.
# - B. Jacob et al., *Quantization and training of neural networks for efficient
#   integer-arithmetic-only inference*, CVPR 2018: scales and zero points.
# - The rules of *In practice*: `PerChannelMinMaxObserver` in PyTorch, and `ggml-quants.c` in
#   llama.cpp.
