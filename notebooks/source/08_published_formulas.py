# %% [markdown]
# # What the articles print
#
# Five articles on making language models smaller were the occasion for minilm. Like much that is
# written on this subject, they print formulas and code that are not quite what was meant: a step
# that is a range, a sign that did not change, a loop that changes nothing. This notebook runs every
# printed line beside the right one and measures both.
#
# ## What you will do
#
# - read one printed formula closely, and see in a picture what became of it
# - run all of them, and read what each yields in one table
# - repair one yourself
#
# ## What you will learn
#
# - five questions that find most such errors before any code is run
# - why a formula that looks right can still do nothing at all
#
# ## What you need
#
# The [notebook on bit-widths](error_against_bit_width.ipynb): scales, codes, decibels. For some
# rows of the table also attention, word2vec or distillation. All cells together run in some
# seconds.

# %%
import inspect
from collections import Counter

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Markdown, display

from minilm import quantize
from minilm.course.published import ARTICLES, PUBLISHED, VERDICTS, table
from minilm.course.published.yardsticks import gaussian_weights
from minilm.metrics import sqnr_db
from minilm.study.limits import lloyd_max_sqnr, shannon_sqnr

plt.rcParams.update({
    "figure.dpi": 110, "font.size": 10, "figure.constrained_layout.use": True,
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.alpha": 0.25,
    "legend.frameon": False,
})
GREY = "#555555"
# The colours of Okabe and Ito, which stay distinct under every common colour blindness
ORANGE, BLUE, GREEN, PINK, YELLOW = "#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00"


def say(text):
    """Show text; the numbers in it come from the cells above, never from the keyboard."""
    display(Markdown(text))


def source(form):
    return f"```python\n{inspect.getsource(form)}```"


def show(name):
    """One entry: the formula as printed, both forms as code, and what they yield."""
    entry = PUBLISHED[name]
    (row,) = table([entry])
    say(f"**{entry.name}** (article {entry.article}): `{entry.formula}`\n\n"
        f"As printed:\n\n{source(entry.as_printed)}\n\nRight:\n\n{source(entry.right)}\n\n"
        f"*{row.measured}:* **{row.printed}** as printed, **{row.right}** right.\n\n"
        f"Verdict: **{entry.verdict}**. {entry.why}")


# %% [markdown]
# ## 1. One formula, closely
#
# "$x_q = \mathrm{round}(x / \Delta)$, where $\Delta = \max - \min$." It looks like quantization:
# numbers, a step, a rounding. Ask it five questions:
#
# 1. **Where are the bits?** A quantizer of 8 bits and one of 4 must not be the same formula.
# 2. **Where are the data?** If the weights were ten times smaller, would it still do?
# 3. **Which unit?** Weights, steps and codes are three kinds of number.
# 4. **What becomes of the ends?** Put in the smallest and the largest number, and 0.
# 5. **Who keeps the result?** In code: is it ever stored where the model looks?
#
# This one fails at the first: no bits occur in it.

# %%
show("the step is the range")

# %% [markdown]
# Every weight is rounded to a multiple of the whole range, and nearly all are closest to 0. The
# other rules for numbers fail in other ways. Here are those that take a number of bits, on the same
# 4096 Gaussian weights with σ = 0.05, under what theory allows:

# %%
RULES = {
    "right: absmax": (PUBLISHED["the step is the range"].right, BLUE, "o"),
    "ŵ = round(w · 2^(b−1)) / 2^(b−1)":
        (PUBLISHED["a grid that ignores the data"].as_printed, GREEN, "s"),
    "standardise, cast, then map": (PUBLISHED["cast before mapping"].as_printed, PINK, "D"),
    "x_q = round(x / (max − min))":
        (PUBLISHED["the step is the range"].as_printed, ORANGE, "v"),
    "w_q = round(w / 2^(b−1))":
        (PUBLISHED["divided by a power of two"].as_printed, "black", "x"),
    "x_q = round((x − min) / (max − min))":
        (PUBLISHED["the step is the range, from the minimum"].as_printed, YELLOW, "^"),
}
BITS = np.arange(2, 9)
w = gaussian_weights()
measured = {name: [sqnr_db(w, rule(w, int(b))) for b in BITS] for name, (rule, *_) in RULES.items()}

figure, axes = plt.subplots(figsize=(8.4, 4.6))
axes.plot(BITS, shannon_sqnr(BITS), "-", color=GREY, label="limit: Shannon")
axes.plot(BITS, [lloyd_max_sqnr(int(b)) for b in BITS], ":", color=GREY, label="limit: Lloyd–Max")
for name, (_, colour, marker) in RULES.items():
    style = "--" if colour == "black" else "-"              # two lines lie at 0 dB
    axes.plot(BITS, measured[name], style, marker=marker, markersize=5, color=colour, label=name)
axes.set_xlabel("bits")
axes.set_ylabel("SQNR (dB): higher is better")
axes.set_xticks(BITS)
figure.legend(loc="outside right upper")
plt.show()

# %% jupyter={"source_hidden": true} tags=["hide-input"]
flat = [name for name, values in measured.items() if values[-1] - values[2] < 1]    # from 4 bits on
absmax, fixed = measured["right: absmax"], measured["ŵ = round(w · 2^(b−1)) / 2^(b−1)"]
assert len(flat) == 4
for values in measured.values():
    assert all(db < limit for db, limit in zip(values, shannon_sqnr(BITS), strict=True))
say(f"""
Of the five printed rules, {len(flat)} gain nothing from a fifth bit, or from four more. The other,
a fixed grid, climbs as it should and stays {absmax[-1] - fixed[-1]:.0f} dB below: it asks for the
bits, but not for the data.
""")

# %% [markdown]
# ## 2. A sign, and a name
#
# Outside arithmetic the errors are of another kind. In the first example one sign did not turn; the
# loss falls nicely all the same, and nothing is learned. The second runs without an error, too.

# %%
show("a bias of the same sign")

# %%
show("a loop variable rebound")

# %% [markdown]
# ## 3. All of them
#
# The articles are called A to E here; "often" is for what is met in many places. Nothing in the
# table was typed in: each form was run just now. `show(name)` shows any of them as above.

# %%
ROWS = table()


def cell(text):
    return text.replace("|", "\\|").replace("*", "\\*").replace("_", "\\_")


for article, subject in ARTICLES.items():
    lines = ["| printed | verdict | measured | as printed | right |", "|---|---|---|---:|---:|"]
    for row in ROWS:
        if row.article == article:
            told = f"**{cell(row.name)}**: {cell(row.formula)}"
            parts = (row.verdict, cell(row.measured), cell(row.printed), cell(row.right))
            lines.append(f"| {told} | " + " | ".join(parts) + " |")
    title = f"Article {article}: {subject}" if len(article) == 1 else f"Met {article}"
    say(f"### {title}\n\n" + "\n".join(lines))

# %%
verdicts = Counter(row.verdict for row in ROWS)
assert sum(verdicts.values()) == len(PUBLISHED)
say(f"{len(ROWS)} printed lines:\n\n"
    + "\n".join(f"- **{verdicts[name]} {name}**: {means}" for name, means in VERDICTS.items()))

# %% [markdown]
# ## On your own
#
# **1. Repair a quantizer.** An article prints `w_q = round(w / 2**(bits-1))`, then clips the codes
# to half the largest weight, and restores by `round(w_q * 2**(bits-1))`. Write what was meant: two
# functions, for symmetric codes with one scale. The cell below compares them with `quantize`.

# %%
def quantized(w, bits):
    ...                                                     # -> codes, scale


def dequantized(codes, scale):
    ...                                                     # -> weights


# %%
def check_repair(quantized, dequantized):
    if quantized(w, 4) is None:
        return "Not answered yet: the functions above return nothing."
    for bits in (8, 4, 3, 2):
        codes, scale = quantized(w, bits)
        wanted = quantize(w, bits)
        assert np.isclose(scale, wanted.scale, rtol=1e-5), (
            f"{bits} bits: the scale {scale} is not right; which code is the largest weight to get?"
        )
        assert np.abs(codes).max() <= 2 ** (bits - 1) - 1, f"{bits} bits: codes beyond their range"
        assert np.mean(np.asarray(codes) != wanted.codes) < 1e-3, f"{bits} bits: the codes differ"
        assert np.allclose(dequantized(codes, scale), wanted.dense(), atol=scale / 100), (
            f"{bits} bits: the weights that come back differ"
        )
    return "Right!"


print(check_repair(quantized, dequantized))

# %% [markdown]
# **2. Find the data that hide it.** For which weights is `w_q = round(w / 2**(bits-1))` a good
# quantizer at 4 bits? Scale `w` until it is within 1 dB of absmax, and look at the codes: do they
# fit into 4 bits?
#
# **3. Make a claim true.** "Quantization improves accuracy" is a false claim, but on a small test
# set it can seem so. Draw 50 points in the place of 4000 in `accuracy_in_bits` (in
# `minilm/course/published/claims.py`) for a hundred seeds. How often does the 4-bit model win?
#
# ## In practice
#
# Before you believe a formula, this one's or another's: put in the ends of the range, make the data
# ten times smaller, change the number of bits, and count what is stored. Each takes a line, and
# together they find most of what stands in the table above.
#
# ## References
#
# - B. Jacob et al., *Quantization and training of neural networks for efficient
#   integer-arithmetic-only inference*, CVPR 2018: scales, zero points, ranges.
# - A. Vaswani et al., *Attention is all you need*, NeurIPS 2017: attention, heads, blocks.
# - T. Mikolov et al., *Distributed representations of words and phrases and their
#   compositionality*, NeurIPS 2013: two tables, negative sampling.
# - J. Pennington, R. Socher and C. Manning, *GloVe: global vectors for word representation*, EMNLP
#   2014: weighted least squares.
# - S. Han et al., *Learning both weights and connections for efficient neural networks*, NeurIPS
#   2015: which weights are pruned.
# - G. Hinton, O. Vinyals and J. Dean, *Distilling the knowledge in a neural network*,
#   arXiv:1503.02531, 2015: who teaches whom.
