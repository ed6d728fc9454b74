# %% [markdown]
# # 10 · Training with few bits
#
# Round a trained model to two bits and it falls apart. Let it *see* its rounded weights while it is
# still learning, and it copes with two bits. But how can anything learn through rounding, whose
# slope is zero? And if the weights, the activations, the gradients and even the optimizer's memory
# are kept in a few bits: which of them notices, and why does one innocent line, "round to the
# nearest", bring all learning to a halt?
#
# ## What you will do
#
# - measure the derivative of rounding, and replace it by one that teaches
# - train weights of 4 bits, of three values and of two, from scratch
# - learn the step of a grid by gradient descent
# - round by chance, and check its mean and its variance against theory
# - bring gradient descent to a standstill with biased rounding, and cure it
# - send gradients of 2 bits, and keep an optimizer's state in single bytes
#
# ## What you will learn
#
# - the straight-through estimator, and what its mask is for
# - why float weights are kept underneath, or else rounding must be stochastic
# - that "unbiased" has a price, which is variance
# - what is true of the sentence "quantization makes gradients vanish"
#
# ## What you need
#
# Scales and codes from [07](07_error_against_bit_width.ipynb), the LSTM from
# [03](03_from_rnn_to_lstm.ipynb), gradient descent. All cells run in about a minute; plan 110
# minutes of your own.

# %%
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np

from minilm import LSTMLanguageModel, fit, quantize
from minilm.compression import (
    AdamW8bit,
    QuantizedGradients,
    gather_gradients,
    quantize_activations,
    straight_through,
)
from minilm.compression.adamw_8bit import dynamic_levels
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
from minilm.training import SGD, AdamW, evaluate, warmup_cosine
from minilm.training.openings import as_is, cross_entropy_loss

style()

# %% [markdown]
# ## 1. Rounding has no slope
#
# A model with rounded weights computes $L(\hat w)$, with $\hat w = s \cdot \mathrm{round}(w / s)$.
# To learn $w$ by gradient descent we need, by the chain rule,
#
# $$\frac{\partial L}{\partial w} = \frac{\partial L}{\partial \hat w} \cdot
#   \frac{\partial \hat w}{\partial w}$$
#
# The first factor is what every backward pass computes. And the second? Take differences at a
# thousand points:

# %%
STEP, LAST = 0.5, 3                                     # the codes are −3 … 3: three bits


def on_grid(w):
    return STEP * np.clip(np.rint(w / STEP), -LAST, LAST)


points, h = np.random.default_rng(0).uniform(-2, 2, 1000), 1e-6
slopes = (on_grid(points + h) - on_grid(points - h)) / (2 * h)
assert (slopes == 0).mean() > 0.99
say(f"At {(slopes == 0).mean():.1%} of the points the slope of rounding is exactly 0.")

# %% [markdown]
# A staircase is flat on every step, and at its edges it has no slope at all. So the true gradient
# says: *no change of $w$ matters*. For a change of $10^{-6}$ that is right. For the change that a
# thousand steps of training add up to, it is not.
#
# ## 2. Straight through
#
# The **straight-through estimator** (Bengio et al. 2013) puts another slope in the place of the
# true one: that of the line which the staircase follows. Inside the range of the grid the slope is
# 1. Outside, where $w$ is clipped, it is 0: pushing a weight farther out really changes nothing.
#
# $$\frac{\partial \hat w}{\partial w} := \mathbf 1\big[\,|w / s| \leq Q\,\big]
#   \qquad Q \text{ the outermost code}$$
#
# The exact weights $w$ are kept underneath, as **master weights**. Small steps add up there, until
# a weight crosses to the next level.

# %%
def seen_and_mask(w):
    """What the model sees of w, and where its gradient passes."""
    return on_grid(w), np.abs(w / STEP) <= LAST


# %% jupyter={"source_hidden": true} tags=["hide-input"]
def draw_straight_through():
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.0, 3.1))
    w = np.linspace(-2.4, 2.4, 961)
    seen, inside = seen_and_mask(w)
    left.plot(w, w, "--", color=GREY, linewidth=1)
    left.plot(w, seen, color=BLUE)
    left.set_xlabel("weight w (no unit)")
    left.set_ylabel("seen as ŵ (no unit)")
    left.text(1.3, 2.05, "w itself", color=GREY, ha="right")
    right.plot(w, np.zeros_like(w), color=BLUE)
    right.plot(w, inside, "--", color=ORANGE)
    right.set_ylim(-0.15, 1.35)
    right.text(0, 1.08, "straight through", color=ORANGE, ha="center")
    right.text(0, 0.07, "true, but for the jumps", color=BLUE, ha="center")
    right.set_xlabel("weight w (no unit)")
    right.set_ylabel("slope ∂ŵ/∂w")
    show(figure)


draw_straight_through()

# %% [markdown]
# A small problem on which everything can be known: predict $y$ from 5 numbers, $y = X w^\ast$, with
# weights that must lie on the grid. There are $7^5$ choices of weights, so we can try them all: the
# best of them is the floor. Gradient descent starts from zeros, once with the true slope and once
# straight through. (The loss of the float weights would be 0.)

# %%
rng = np.random.default_rng(1)
X = rng.standard_normal((200, 5)) @ rng.standard_normal((5, 5)) / 2          # correlated inputs
w_star = np.array([0.31, -0.72, 1.13, 0.12, -0.41])                          # not on the grid
H = X.T @ X / len(X)


def loss_at(w_hat):
    return (w_hat - w_star) @ H @ (w_hat - w_star)                           # mean squared error


levels = STEP * np.arange(-LAST, LAST + 1)
every = np.stack(np.meshgrid(*[levels] * 5, indexing="ij"), -1).reshape(-1, 5)       # (7⁵, 5)
floor = np.einsum("nk,kj,nj->n", every - w_star, H, every - w_star).min()


def descend(slope, steps=150, learning_rate=0.02):
    w, losses = np.zeros(5), []
    for _ in range(steps):
        w_hat, inside = seen_and_mask(w)
        losses.append(loss_at(w_hat))
        w = w - learning_rate * 2 * H @ (w_hat - w_star) * slope(inside)
    return np.array(losses)


true_losses, through_losses = descend(lambda inside: 0), descend(lambda inside: inside)
nearest = loss_at(on_grid(w_star))
assert through_losses.min() < 1.05 * floor + 1e-9 and np.ptp(true_losses) == 0

# %% jupyter={"source_hidden": true} tags=["hide-input"]
figure, axes = plt.subplots(figsize=(6.4, 3.3))
axes.plot(true_losses, "--", color=BLUE)
axes.plot(through_losses, color=ORANGE, linewidth=0.8, alpha=0.6)
axes.plot(np.minimum.accumulate(through_losses), color=ORANGE, linewidth=2.5)
axes.axhline(floor, color=BLACK, linewidth=2)
axes.axhline(nearest, color=GREY, linestyle=":")
axes.set_yscale("log")
axes.set_ylim(floor / 2.5, true_losses[0] * 2.2)
axes.text(149, true_losses[0] * 1.15, "true slope", color=BLUE, ha="right")
axes.text(9, through_losses[0] / 2, "straight through (thick: the best so far)", color=ORANGE)
axes.text(1, nearest * 1.04, "float solution, rounded", color=GREY, va="bottom", fontsize=9)
axes.text(1, floor / 1.12, "limit: the best of all on the grid", va="top")
axes.set_xlabel("step of gradient descent")
axes.set_ylabel("mean squared error")
show(figure)
say(f"The true slope stays at {true_losses[0]:.3f} for ever. Straight through, the best loss on "
    f"the way is {through_losses.min():.4f}, and the best there is on the grid {floor:.4f}. "
    f"Rounding the float solution gives {nearest:.4f}.")

# %% [markdown]
# Look at the thin line's unrest. A weight whose best value lies between two levels is drawn upwards
# as long as it is seen below, and downwards as soon as it is seen above: it swings. With five
# coarse weights every swing shows. A model has thousands of them, and a learning rate that falls
# makes the crossings rare.
#
# In minilm this is a *view*: what the model sees of its parameters, and a pullback that takes the
# gradient back. `fit` knows nothing else about it.

# %%
w = rng.standard_normal((64, 16))
seen, pullback = straight_through(bits=3, axis="tensor", objective="mse")({"w": w}, 0)
dw_hat = rng.standard_normal(w.shape)                     # what arrives at ŵ from a backward pass

scale = float(quantize(w, 3, objective="mse").scale)
by_hand = dw_hat * (np.abs(w / scale) <= 3)
assert np.allclose(seen["w"], scale * np.clip(np.rint(w / scale), -3, 3), atol=1e-6)
assert np.array_equal(pullback({"w": dw_hat})["w"], by_hand)
say(f"Of {w.size:,} Gaussian weights {np.mean(by_hand == 0):.1%} are clipped and get no gradient.")

# %% [markdown]
# ## 3. A language model of few values
#
# Now a model that predicts text: an LSTM with 48 cells, trained from scratch on the small grammar
# whose exact entropy is known. The optimizer is AdamW, gradient descent that divides each entry of
# the gradient by its own running size; its learning rate falls towards the end. Each training is
# repeated from three seeds. It is short, so that many of them fit into a minute; what counts is how
# the lines lie to each other.

# %%
text = load_corpus("grammar")
tokenizer = CharTokenizer.train(text)
tokens = split(tokenizer.encode(text), validation=0.1)
entropy = GRAMMAR.entropy_rate()                          # nats per character, exact
model = LSTMLanguageModel(tokenizer.vocab_size, width=48, embedding_width=32)
STEPS, SEEDS = 200, range(3)


def training(learning_rate=1e-2, **how):
    """(loss above the entropy at several steps, for each seed), and the last parameters."""
    curves, params = [], None
    for seed in SEEDS:
        params, history = fit(
            model, model.init(seed), windows(tokens.train, batch_size=32, context=24, seed=seed),
            steps=STEPS, schedule=warmup_cosine(learning_rate, warmup=10, steps=STEPS), seed=seed,
            evaluate=lambda seen: evaluate(model, seen, tokens.validation, limit=5000),
            evaluate_every=25, **how,
        )
        curves.append([entry["validation_loss"] - entropy for entry in history
                       if "validation_loss" in entry])
    return np.array(curves), params                                  # (seeds, times)


def spread(values, digits=3):
    return f"{np.mean(values):.{digits}f} ± {np.ptp(values) / 2:.{digits}f}"


floats, trained = training()
assert (floats > 0).all() and floats[:, -1].max() < 0.25
say(f"Floats end {spread(floats[:, -1])} nats per character above the exact entropy. (Mean ± half "
    "the distance from the lowest to the highest seed, here and below.)")

# %% [markdown]
# How few values can a weight have? Three rules for a column of weights:
#
# - **4 bits**: whole numbers from −7 to 7 times a scale.
# - **ternary** (Li et al. 2016): −1, 0 or 1 times a scale. Weights with $|w| > \Delta =
#   0.7\,\mathrm{mean}|w|$ count as large; the scale is the mean of their magnitudes, and each
#   weight goes to the nearest of the three levels. (Li et al. let $\Delta$ decide that, too.)
# - **binary** (Rastegari et al. 2016): the sign times a scale. The scale with the least squared
#   error is the mean of all magnitudes: $\frac{\partial}{\partial s}\sum (w -
#   s\,\mathrm{sign}\,w)^2 = 0$ gives $s = \mathrm{mean}|w|$.

# %%
def ternary(w):
    """w: (inputs, outputs) -> the same on −s, 0, s; a scale s for each column."""
    magnitude = np.abs(w)
    large = magnitude > 0.7 * magnitude.mean(axis=0)
    scale = (magnitude * large).sum(axis=0) / large.sum(axis=0)
    return scale * np.clip(np.rint(w / scale), -1, 1)


def binary(w):
    return np.where(w >= 0, 1, -1) * np.abs(w).mean(axis=0)


w = trained["lstm.0.w_h"]
assert np.allclose(ternary(w), quantize({"w": w}, 2, objective="twn")["w"].dense(), atol=1e-6)
assert np.allclose(binary(w), quantize({"w": w}, 1, objective="mean_magnitude")["w"].dense(),
                   atol=1e-6)


def true_slope(params, step):
    """A view with the true derivative of rounding: matrices get no gradient at all."""
    seen, _ = straight_through(4)(params, step)
    return seen, lambda grads: {n: g * (g.ndim < 2) for n, g in grads.items()}


weight_runs = {
    "float32": floats,
    "4 bits": training(view=straight_through(4))[0],
    "ternary": training(view=straight_through(2, objective="twn"))[0],
    "binary": training(view=straight_through(1, objective="mean_magnitude"))[0],
    "4 bits, true slope": training(view=true_slope)[0],
}

# %%
rounded_after = {
    "4 bits": quantize(trained, 4), "ternary": quantize(trained, 2, objective="twn"),
    "binary": quantize(trained, 1, objective="mean_magnitude"),
}
after = {name: evaluate(model, packed, tokens.validation, limit=5000) - entropy
         for name, packed in rounded_after.items()}
table(["above the exact entropy, nats per character", "rounded while training",
       "rounded afterwards (one seed)"],
      [["float32", spread(floats[:, -1]), "–"],
       *([name, spread(weight_runs[name][:, -1]), f"{after[name]:.3f}"] for name in after),
       ["4 bits, true slope", spread(weight_runs["4 bits, true slope"][:, -1]), "–"]])
assert weight_runs["ternary"][:, -1].max() < after["ternary"] / 2
assert weight_runs["binary"][:, -1].max() < after["binary"] / 2
assert weight_runs["4 bits, true slope"][:, -1].min() > 1

# %% [markdown]
# With the true slope only the biases learn, which can tell frequent letters from rare ones and no
# more. With two or three values a weight, a model that has seen them from the start is far better
# than one that was rounded afterwards, if not as good as floats.
#
# ## 4. Learn the step, too
#
# Where does the scale come from? So far from a formula, anew at each step. **LSQ** (Esser et al.
# 2020) makes the step $s$ a parameter and trains it with the rest. With $v = w / s$, the rounded
# weight is $\hat w = s \cdot \mathrm{round}(\mathrm{clip}(v, -Q, Q))$. Apply the product rule, and
# let the slope of `round` be 1:
#
# $$\frac{\partial \hat w}{\partial s} := \begin{cases}
#   \mathrm{round}(v) - v & |v| \leq Q \quad \text{(where in its cell is the weight?)} \\
#   \pm Q & \text{outside} \quad \text{(a wider grid would reach farther)} \end{cases}$$
#
# To see that it works, let it do a task with a known answer: find the step for 4096 Gaussian
# numbers at 2 bits (levels $-s, 0, s$) that makes the squared error least. The best step can be
# found by trying many.

# %%
def lsq_step_gradient(w, s, Q):
    """Gradient of mean (ŵ − w)² with respect to s, by LSQ's rule. w: (n,)"""
    v = w / s
    w_hat = s * np.rint(np.clip(v, -Q, Q))
    slope = np.where(np.abs(v) <= Q, np.rint(v) - v, np.sign(v) * Q)
    return np.mean(2 * (w_hat - w) * slope)


def grid_error(w, s, Q):
    return np.mean((s * np.rint(np.clip(w / s, -Q, Q)) - w) ** 2)


w, Q = rng.standard_normal(4096), 1
tried = np.linspace(0.3, 3.2, 200)
errors = np.array([grid_error(w, s, Q) for s in tried])
best_step = tried[errors.argmin()]

path = [3.0]
for _ in range(60):
    path.append(path[-1] - 0.3 * lsq_step_gradient(w, path[-1], Q))
learned = path[-1]
assert abs(learned - best_step) < 0.1

# %% jupyter={"source_hidden": true} tags=["hide-input"]
figure, axes = plt.subplots(figsize=(6.4, 3.3))
axes.plot(tried, errors, color=GREY)
axes.plot(path, [grid_error(w, s, Q) for s in path], "o", color=ORANGE, markersize=5)
axes.axhline(errors.min(), color=BLACK, linewidth=1.5)
axes.text(3.2, errors.min() - 0.012, "limit: the best step of all", ha="right", va="top")
axes.annotate("start", (path[0], grid_error(w, path[0], Q)), (4, -14),
              textcoords="offset points", color=ORANGE)
axes.text(1.0, 0.55, "every dot a step\nof gradient descent", color=ORANGE)
axes.set_ylim(0, 0.8)
axes.set_xlabel("step s of the grid (standard deviations)")
axes.set_ylabel("mean squared error (variances)")
show(figure)
gap = grid_error(w, learned, Q) / errors.min() - 1
assert 0 <= gap < 0.02
say(f"The learned step is {learned:.2f}, the best of all {best_step:.2f}. Not the same: LSQ's rule "
    f"is not the true gradient. But the error is only {gap:.1%} above the least.")

# %% [markdown]
# In this task a search (`objective="mse"`) does better than learning. In a model LSQ has an
# advantage: it does not ask for the least error of the *weights* but follows the loss. Does it
# help? The repository has trained both on its two default models, from three seeds
# (`docs/methods.md`):

# %%
saved = saved_rows("docs/methods.csv")


def saved_damage(name, bits, its_model):
    values = [row["loss_above_float"] for row in saved
              if (row["method"], row["bits"], row["model"]) == (name, bits, its_model)]
    assert len(values) == 3, (name, bits, its_model)
    return spread(values)


table(["damage in nats per character", "bits", "Transformer", "LSTM"],
      [[name, bits or 32, *(saved_damage(name, bits or 32, m) for m in ("Transformer", "LSTM"))]
       for name, bits in (("float, trained further", 0), ("straight-through", 2), ("LSQ", 2),
                          ("LSQ, mid-rise", 2))])
for its_model in ("Transformer", "LSTM"):
    grid_of_four, formula = (float(saved_damage(name, 2, its_model).split()[0])
                             for name in ("LSQ, mid-rise", "straight-through"))
    assert grid_of_four < formula

# %% [markdown]
# (A damage below 0 means: better than the float model that training began from. The control is the
# first line, the float model trained as much further.) "Straight-through" has four levels here,
# with a scale and a zero point for each group, found anew at each step. LSQ with its three levels
# is no better than that. With four, $\pm s/2$ and $\pm 3s/2$ ("mid-rise"), it is. The grid counts
# for more than who chooses its step.
#
# ## 5. Rounding by chance
#
# Now to numbers that are *added up*: gradients, and changes of weights. There a second kind of
# rounding is better. **Stochastic rounding** goes up or down by chance, and the nearer level is the
# likelier one. Let $f$ be the part of the step by which $x$ lies above the level below it:
#
# $$\hat x = \begin{cases} s\,(\lfloor x/s \rfloor + 1) & \text{with probability } f \\
#   s\,\lfloor x/s \rfloor & \text{with probability } 1 - f \end{cases}
#   \qquad f = x/s - \lfloor x/s \rfloor$$
#
# Its mean is exactly $x$: it is **unbiased**. Its variance is that of a coin with probability $f$,
#
# $$\mathrm{E}[\hat x] = x, \qquad \mathrm{Var}[\hat x] = s^2 f (1 - f) \;\leq\; \frac{s^2}{4}$$
#
# To write it is your first exercise. Here minilm's own does it, on a step of 1: `quantize` with
# `rounding="stochastic"`. (One number of 127 among the others makes its scale 1.)

# %%
x = np.linspace(0, 2, 41).astype(np.float32)                        # in steps
copies = np.append(np.tile(x, 4000), np.float32(127))               # 4000 draws of each
draws = [
    quantize(copies, 8, rounding="stochastic", seed=seed).dense()[:-1].reshape(4000, -1)
    for seed in SEEDS
]
means, variances = (np.array([getattr(d, what)(axis=0) for d in draws]) for what in ("mean", "var"))
f = x - np.floor(x)
assert np.abs(means - x).max() < 0.05 and np.abs(variances - f * (1 - f)).max() < 0.03


# %% jupyter={"source_hidden": true} tags=["hide-input"]
def draw_stochastic():
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.0, 3.6))
    fine = np.linspace(0, 2, 801)
    part = fine - np.floor(fine)
    left.plot(fine, np.rint(fine), color=BLUE)
    left.plot(fine, fine, color=BLACK, linewidth=1)
    right.plot(fine, (fine - np.rint(fine)) ** 2, color=BLUE)
    right.plot(fine, part * (1 - part), color=BLACK, linewidth=1)
    for m, v in zip(means, variances, strict=True):
        left.plot(x, m, "o", color=ORANGE, markersize=3)
        right.plot(x, v, "o", color=ORANGE, markersize=3)
    left.text(0.06, 1.62, "stochastic: on the line\nE[x̂] = x", color=ORANGE)
    left.text(1.05, 0.85, "nearest", color=BLUE)
    left.set_xlabel("x (steps)")
    left.set_ylabel("mean of x̂ (steps)")
    right.axhline(0.25, color=GREY, linestyle="--")
    right.set_ylim(-0.01, 0.41)
    right.text(0.02, 0.255, "limit: s²/4", color=GREY)
    right.text(1.0, 0.33, "stochastic: variance, three seeds\n(black line: f (1 − f))",
               color=ORANGE, ha="center")
    right.text(1.0, 0.29, "nearest: squared error", color=BLUE, ha="center")
    right.set_xlabel("x (steps)")
    right.set_ylabel("squared error (steps²)")
    show(figure, "10-stochastic-rounding")


draw_stochastic()

# %% [markdown]
# So being unbiased has a price. Averaged over all $f$, the squared error of stochastic rounding is
# $s^2 \int_0^1 f(1 - f)\,df = s^2/6$, that of rounding to the nearest $s^2/12$: **twice as much
# noise**. For a weight that is rounded once and then used as it fell, that is a bad bargain
# (docs/methods.md has it near the bottom at every width). It pays where many roundings are added
# up: noise averages out, and bias does not.
#
# ## 6. Biased rounding stalls
#
# Suppose the float weights underneath are too dear, and the weights themselves are kept on the
# grid. After each step of gradient descent the new weight is rounded:
#
# $$w \leftarrow \mathrm{round}_s\big(w - \eta\, g\big)$$
#
# where $\eta$ is the learning rate and $g$ the gradient. If the change $\eta |g|$ is smaller than
# $s/2$, the nearest level is the one that $w$ is on already. Nothing happens, and *the next step
# starts from the same place, with the same gradient*. So it stays for ever. For the loss
# $\frac12 (w - 1)^2$, whose gradient is $w - 1$:

# %%
def kept_on_grid(step, learning_rate, steps, rounding):
    w, path = 0.0, [0.0]
    for _ in range(steps):
        w = step * rounding((w - learning_rate * (w - 1)) / step)
        path.append(w)
    return np.array(path)


STEP_HERE, RATE = 0.03, 0.05                         # 1 is not a multiple of 0.03
float_path = kept_on_grid(STEP_HERE, RATE, 200, lambda v: v)              # nothing is rounded
nearest_path = kept_on_grid(STEP_HERE, RATE, 200, np.rint)
chance_paths = []
for seed in SEEDS:
    chance = np.random.default_rng(seed)
    chance_paths.append(
        kept_on_grid(STEP_HERE, RATE, 200, lambda v, c=chance: np.floor(v + c.random())))
stalls_at = 1 - STEP_HERE / (2 * RATE)                                    # where η |g| = s / 2
assert abs(nearest_path[-1] - stalls_at) <= STEP_HERE * 1.001
assert np.abs(np.mean([p[100:] for p in chance_paths]) - 1) < 0.1

# %% jupyter={"source_hidden": true} tags=["hide-input"]
figure, axes = plt.subplots(figsize=(7.0, 3.5))
for p in chance_paths:
    axes.plot(p, color=GREEN, alpha=0.5, linewidth=1)
axes.plot(float_path, "--", color=BLACK)
axes.plot(nearest_path, color=ORANGE, linewidth=2)
axes.axhline(stalls_at, color=GREY, linestyle=":")
axes.axhline(1, color=GREY, linewidth=0.8)
axes.text(200, stalls_at - 0.02, "theory: 1 − s / 2η", color=GREY, ha="right", va="top")
axes.text(60, 0.54, "on the grid, to nearest: stalls", color=ORANGE)
axes.text(6, 1.04, "floats (dashed)", ha="left")
axes.text(198, 1.13, "on the grid, stochastic (three seeds)", color=GREEN, ha="right")
axes.set_ylim(0, 1.25)
axes.set_xlabel("step of gradient descent")
axes.set_ylabel("weight (its best value is 1)")
show(figure, "10-biased-rounding-stalls")
say(f"Rounding to the nearest stops at {nearest_path[-1]:.3f}, theory says within a step of "
    f"{stalls_at:.3f}. Stochastic rounding comes to "
    f"{np.mean([p[100:] for p in chance_paths]):.2f} on average, and never rests.")

# %% [markdown]
# The same happens to a whole model, and not only on artificial grids: a bfloat16 number has 8
# significant bits, so adding less than 1/512 of a weight to it is lost. Here is our LSTM with
# matrices kept on the grid of multiples of 1/32 within ±4 (8 bits): the optimizer is wrapped in one
# that rounds what it has updated.

# %%
GRID = 1 / 32


class KeptOnGrid:
    """An optimizer whose matrices lie on a grid after every update: no floats underneath."""

    def __init__(self, optimizer, stochastic):
        self.optimizer, self.stochastic = optimizer, stochastic

    def update(self, arrays, grads, state, learning_rate, step):
        self.optimizer.update(arrays, grads, state, learning_rate, step)
        rng = np.random.default_rng([7, step])
        for w in arrays.values():
            if w.ndim == 2:
                v = w / GRID
                v = np.floor(v + rng.random(v.shape)) if self.stochastic else np.rint(v)
                w[:] = GRID * np.clip(v, -127, 127)


def seen_on_grid(params, step):
    """The cure that keeps floats underneath: seen on the grid, trained straight through."""
    seen = {n: np.float32(GRID) * np.clip(np.rint(w / GRID), -127, 127) if w.ndim == 2 else w
            for n, w in params.items()}
    return seen, as_is(params, step)[1]


stored_runs = {
    "float32": floats,
    "8 bits seen, floats kept": training(view=seen_on_grid)[0],
    "8 bits kept, stochastic": training(optimizer=KeptOnGrid(AdamW(), stochastic=True))[0],
    "8 bits kept, to nearest": training(optimizer=KeptOnGrid(AdamW(), stochastic=False))[0],
}

# %% jupyter={"source_hidden": true} tags=["hide-input"]
ends = {name: run[:, -1] for name, run in stored_runs.items()}
assert ends["8 bits kept, to nearest"].min() > 10 * ends["8 bits kept, stochastic"].max()
assert ends["8 bits kept, to nearest"].min() > 0.9 * weight_runs["4 bits, true slope"][:, -1].min()
say(f"""
Seen on the grid with floats underneath, the model ends {spread(ends['8 bits seen, floats kept'])}
above the entropy. Kept on the grid with stochastic rounding:
{spread(ends['8 bits kept, stochastic'])}, without a single float in a matrix. Kept with rounding to
the nearest:
**{spread(ends['8 bits kept, to nearest'], 2)}**, no better than with biases alone (the true slope
of section 3). AdamW
changes a weight by about its learning rate, at most 0.01 here; half a step of the grid is
{GRID / 2:.4f}.
""")

# %% [markdown]
# ## 7. Gradients in few bits
#
# If several machines train together, they send each other gradients, and the wire is slow. So
# gradients are rounded. Three ways, with one scale a matrix, $s = \max|g| / (2^{b-1} - 1)$:
#
# - **to nearest**: biased. At 2 bits all but the largest entries become 0, at every step again.
# - **stochastic**: unbiased, with a variance up to $s^2/4$ in *every* entry.
# - **error feedback** (Seide et al. 2014): what was not sent is kept and added to the next
#   gradient, $p = g + e$, send $Q(p)$, keep $e \leftarrow p - Q(p)$. Nothing is lost for good:
#   $\sum \text{sent} + e = \sum g$, exactly.

# %%
def with_feedback(gradients, Q):
    """gradients: (steps, n) -> what is sent at each step, and what is left at the end."""
    sent, e = [], np.zeros(gradients.shape[1])
    for g in gradients:
        p = g + e
        sent.append(Q(p))
        e = p - sent[-1]
    return np.array(sent), e


def two_bits(p):
    s = np.abs(p).max()
    return s * np.rint(p / s)


g = np.full((100, 4), [1.0, 0.3, 0.1, -0.2])                       # the same gradient at each step
sent, left_over = with_feedback(g, two_bits)
assert np.allclose(sent.sum(axis=0) + left_over, g.sum(axis=0))
table(["sum over 100 steps", *(f"entry {k}" for k in range(1, 5))],
      [["gradients", *(f"{v:.1f}" for v in g.sum(axis=0))],
       ["sent, to nearest", *(f"{v + 0:.1f}" for v in 100 * two_bits(g[0]))],
       ["sent, error feedback", *(f"{v:.1f}" for v in sent.sum(axis=0))]])

# %% [markdown]
# Now the model. The optimizer is plain gradient descent with momentum, which takes gradients as
# they are. In minilm an optimizer can be wrapped in another that rounds what it gets.

# %%
def rounding_gradients(bits, axis="tensor", **how):
    optimizer = QuantizedGradients(SGD(momentum=0.9), bits, axis=axis, **how)
    return training(learning_rate=1.0, optimizer=optimizer)[0]


gradient_runs = {
    "float32": training(learning_rate=1.0, optimizer=SGD(momentum=0.9))[0],
    "4 bits, to nearest": rounding_gradients(4, error_feedback=False),
    "2 bits, error feedback": rounding_gradients(2),
    "2 bits, to nearest": rounding_gradients(2, error_feedback=False),
    "2 bits, stochastic": rounding_gradients(2, rounding="stochastic", error_feedback=False),
}
by_column = rounding_gradients(2, axis=None, error_feedback=False)         # to nearest
adam_by_column = training(optimizer=QuantizedGradients(AdamW(), 2, error_feedback=False))[0]

# %% jupyter={"source_hidden": true} tags=["hide-input"]
ends = {name: run[:, -1] for name, run in gradient_runs.items()}
assert ends["2 bits, error feedback"].max() < ends["2 bits, to nearest"].min()
assert ends["2 bits, to nearest"].max() < ends["2 bits, stochastic"].min()
assert by_column[:, -1].max() < ends["2 bits, to nearest"].min()
assert adam_by_column[:, -1].max() < floats[:, -1].max() + 0.03
say(f"""
- 4 bits are nearly free: {spread(ends['4 bits, to nearest'])} above the entropy, floats
  {spread(ends['float32'])}.
- At 2 bits rounding to the nearest costs much ({spread(ends['2 bits, to nearest'])}), and error
  feedback wins most of it back ({spread(ends['2 bits, error feedback'])}).
- **Unbiased is not always better**: stochastic rounding ends at
  {spread(ends['2 bits, stochastic'])}. With one scale for a whole matrix, set by its largest entry,
  the noise in all the small entries drowns the signal.
- **The scale comes first, here too.** With a scale for each column in the place of one for the
  matrix, and nothing else changed, 2 bits to nearest end at {spread(by_column[:, -1])}. With AdamW,
  which divides each entry by its own running size, they end at
  {spread(adam_by_column[:, -1])}; with float gradients it was {spread(floats[:, -1])}.
""")

# %% [markdown]
# ## 8. Activations in few bits
#
# What multiplies the weights can be rounded during training as well, straight through again: the
# product is computed from $\hat x$, and its gradient is handed to $x$. The weights learn to live
# with the coarse inputs. A view of two lines is enough: `quantize_activations` puts an object in
# the place of each weight that answers `x @ w`, rounds its $x$, and knows its own gradients. The
# scale is that of each token's largest number. (PACT trains the end of the range, too; in minilm
# that is `learned_clips`.)

# %%
def rounded_activations(bits):
    def view(params, step):
        return quantize_activations(params, bits), as_is(params, step)[1]

    return view


activation_runs = {
    "float32": floats,
    "4 bits": training(view=rounded_activations(4))[0],
    "2 bits": training(view=rounded_activations(2))[0],
}
after = {bits: evaluate(model, quantize_activations(trained, bits), tokens.validation, limit=5000)
         - entropy for bits in (4, 2)}
assert activation_runs["2 bits"][:, -1].max() < after[2]
table(["activations, above the exact entropy", "rounded while training",
       "rounded afterwards (one seed)"],
      [[f"{bits} bits", spread(activation_runs[f"{bits} bits"][:, -1]), f"{after[bits]:.3f}"]
       for bits in (4, 2)])

# %% [markdown]
# ## 9. All curves
#
# The four places where bits can be saved, with bands from the lowest to the highest of three seeds.
# The thick line at 0 is the exact entropy of the grammar: no model gets below it. What lies above 3
# is not shown.

# %% jupyter={"source_hidden": true} tags=["hide-input"]
def place_labels(heights, gap):
    """Heights moved apart so that neighbours are at least `gap` from each other."""
    order = np.argsort(heights)
    placed = np.array(heights, float)
    for below, above in pairwise(order):
        placed[above] = max(placed[above], placed[below] + gap)
    return placed


# %% jupyter={"source_hidden": true} tags=["hide-input"]
def draw_runs(axes, runs, title):
    steps = np.append(np.arange(25, STEPS, 25), STEPS)
    colours, dashes = (GREY, BLUE, GREEN, ORANGE, PINK), ("--", "-", "-", "-", "-")
    ends = [np.sqrt(run[:, -1].mean()) for run in runs.values()]
    for (name, run), colour, dash, marker, height in zip(
        runs.items(), colours, dashes, "xosvD", place_labels(ends, 0.13), strict=False
    ):
        axes.fill_between(steps, run.min(axis=0), run.max(axis=0), color=colour, alpha=0.2,
                          linewidth=0)
        axes.plot(steps, run.mean(axis=0), dash, marker=marker, markersize=4, color=colour)
        axes.text(STEPS + 8, height**2, name, color=colour, va="center", fontsize=9)
    axes.axhline(0, color=BLACK, linewidth=3)
    axes.set_yscale("function", functions=(lambda v: np.sqrt(np.maximum(v, 0)), np.square))
    axes.set_yticks([0, 0.1, 0.25, 0.5, 1, 2], ["0", "0.1", "0.25", "0.5", "1", "2"])
    axes.set_ylim(0, 3)
    axes.set_xlim(0, STEPS * 1.78)
    axes.set_xticks(range(0, STEPS + 1, 50))
    axes.set_title(title, fontsize=10)


def draw_all_runs():
    figure, panels = plt.subplots(2, 2, figsize=(8.0, 6.3), sharex=True, sharey=True)
    for axes, (title, runs) in zip(panels.flat, {
        "weights seen in few bits": weight_runs, "activations in few bits": activation_runs,
        "gradients in few bits (momentum)": gradient_runs,
        "weights kept in 8 bits": stored_runs,
    }.items(), strict=True):
        short = {name.replace("8 bits seen, floats kept", "floats kept")
                 .replace("8 bits kept, ", "").replace("4 bits, true slope", "true slope"): run
                 for name, run in runs.items()}
        draw_runs(axes, short, title)
    panels[0, 0].text(4, 0.004, "limit: exact entropy", va="bottom", fontsize=9)
    for axes in panels[1]:
        axes.set_xlabel("step of training")
    for axes in panels[:, 0]:
        axes.set_ylabel("loss above the exact entropy (nats\nper character, square-root scale)")
    show(figure, "10-loss-curves")


draw_all_runs()

# %% [markdown]
# ## 10. An optimizer's memory in bytes
#
# AdamW keeps two running means for each weight, of its gradient ($m$) and of the gradient's square
# ($v$): twice as much memory as the weights themselves. Dettmers et al. (2022) keep each in one
# byte. Blocks of 2048 numbers are divided by their largest magnitude, and a byte says which of 256
# levels is nearest. *Which* levels is the whole point, since $v$ spans many powers of ten:

# %%
batch = windows(tokens.train, batch_size=32, context=24, seed=5)
gradients = gather_gradients(model, trained, [batch(step) for step in range(8)])
v = gradients["lstm.0.w_h"].mean_square.ravel()                      # as AdamW's v, 9216 numbers
v = v / v.max()

even, dynamic = np.linspace(0, 1, 256), dynamic_levels(signed=False).astype(np.float64)


def to_levels(v, levels):
    return levels[np.abs(v[:, None] - levels).argmin(axis=1)]


lost = {name: np.mean(to_levels(v, levels) == 0) for name, levels in
        (("256 even levels", even), ("256 dynamic levels", dynamic))}
assert lost["256 even levels"] > 0.1 and lost["256 dynamic levels"] < 0.01

# %% jupyter={"source_hidden": true} tags=["hide-input"]
figure, axes = plt.subplots(figsize=(7.4, 3.3))
axes.hist(np.log10(v), bins=80, color=SKY)
top = axes.get_ylim()[1]
for height, colour, levels, name in (
    (-0.07, ORANGE, even, "even"), (-0.16, BLUE, dynamic, "dynamic")
):
    axes.plot(np.log10(levels[levels > 0]), np.full((levels > 0).sum(), height * top), "|",
              color=colour, markersize=9, markeredgewidth=0.8)
    axes.text(-6.7, height * top, f"{name} levels", color=colour, va="center", ha="right",
              fontsize=9)
axes.axvline(np.log10(even[1] / 2), color=ORANGE, linestyle="--")
axes.text(np.log10(even[1] / 2) - 0.08, 0.93 * top, f"even levels: all below is 0\n"
          f"({lost['256 even levels']:.0%} of the numbers)", color=ORANGE, ha="right", va="top")
axes.set_xlim(-8.6, 0.2)
axes.set_ylim(-0.24 * top, top)
axes.set_yticks([tick for tick in axes.get_yticks() if 0 <= tick <= top])
axes.set_xlabel("mean squared gradient, in units of the largest (powers of ten)")
axes.set_ylabel("how many of 9216")
show(figure)

# %% [markdown]
# With $v = 0$, AdamW would divide by nothing but its small ε, and such weights would jump. The
# dynamic levels give half of the codes to the first decimal place, a quarter to the second, and so
# on for seven of them. Does the model notice?

# %%
eight_bit_states = training(optimizer=AdamW8bit())[0]
assert np.abs(eight_bit_states - floats)[:, -1].max() < 0.02
say(f"AdamW with float states ends {spread(floats[:, -1], 4)} above the entropy, with states of a "
    f"byte {spread(eight_bit_states[:, -1], 4)}. The states take "
    f"{1 + 1 + 8 / 2048:.2f} bytes a weight instead of 8.")

# %% [markdown]
# ## 11. Two claims, tried
#
# Two of the articles behind this course write about training with few bits.
#
# **"Quantization causes vanishing or exploding gradients"** (article B). After training there are
# no gradients. In training, the true slope of rounding gives a gradient of exactly 0: not smaller
# with every layer, as the word *vanishing* suggests, but gone at once. Straight through it is there
# again. How large? We compare the length of the gradient of each matrix, on one batch and at one
# trained float model, seen through weights of few bits:

# %%
probe = batch(100)


def gradient_lengths(view):
    seen, pullback = view(trained, 0)
    _, grads, count = cross_entropy_loss(model, seen, probe, None)
    return {n: np.linalg.norm(g) / count for n, g in pullback(grads).items() if g.ndim == 2}


lengths = {"floats": gradient_lengths(as_is), "true slope": gradient_lengths(true_slope)}
for bits in (8, 4, 3):
    lengths[f"straight through, {bits} bits"] = gradient_lengths(straight_through(bits))
lengths["straight through, ternary"] = gradient_lengths(straight_through(2, objective="twn"))

names = list(lengths["floats"])
table(["length of the gradient", *(f"`{name}`" for name in names)],
      [[what, *(f"{values[name]:.4f}" for name in names)] for what, values in lengths.items()])
assert all(value == 0 for value in lengths["true slope"].values())
ratios = {what: np.array([lengths[f"straight through, {what}"][n] / lengths["floats"][n]
                          for n in names]) for what in ("8 bits", "4 bits", "ternary")}
assert (np.abs(ratios["8 bits"] - 1) < 0.2).all() and ratios["ternary"].min() > 1
say(f"At 8 bits the gradients are those of floats, to {np.abs(ratios['8 bits'] - 1).max():.0%}. "
    f"With fewer bits they become *longer*, up to {ratios['ternary'].max():.0f} times: the rounded "
    "model is worse, and its gradient says so. That is no explosion.")

# %% [markdown]
# **"Quantize, train, dequantize, predict"** (article A), with $w_q = \mathrm{round}(w / 2^{b-1})$
# as the quantizer. Two things are wrong with it. The printed formula makes every code 0, because
# weights are much smaller than $2^{b-1}$. And the *order*: if one quantizes first and then trains
# as ever, the first step of the optimizer moves every weight off the grid, and what one has trained
# is a float model from a bad start.

# %%
fresh = model.init(0)
printed_codes = np.concatenate([np.rint(w / 2**7).ravel() for w in fresh.values() if w.ndim == 2])
start = {n: w.dense() if w.ndim == 2 else w for n, w in quantize(fresh, 4).items()}
moved, _ = fit(model, start, batch, steps=1, schedule=lambda step: 1e-3, seed=0)
still = np.mean([np.mean(moved[n] == start[n]) for n in start if start[n].ndim == 2])
assert not printed_codes.any() and still < 0.3
say(f"Codes other than 0 by the printed formula at 8 bits: {np.count_nonzero(printed_codes)} of "
    f"{len(printed_codes):,}. Weights that are still on their level after *one* ordinary step: "
    f"{still:.0%}. What works is to train *while* quantized, with a view, and to pack at the end.")

# %% [markdown]
# ## On your own
#
# **1. Round by chance.** `x` is an array of floats of any shape, `step` the distance of the levels,
# and `rng` a NumPy generator. Return an array of the same shape whose entries are multiples of
# `step`: the level below or the level above, drawn for each entry by itself so that the mean is
# `x`. A number on a level stays there. Mind negative numbers.

# %%
def stochastic_round(x, step, rng):
    """x: (…) -> multiples of step, unbiased."""
    ### BEGIN SOLUTION
    down = np.floor(x / step)
    up = rng.random(x.shape) < x / step - down
    return step * (down + up)
    ### END SOLUTION


# %%
check("stochastic_round", stochastic_round)

# %% [markdown]
# **2. The pullback.** The forward pass was $\hat w = s\,(q - z)$ with $q =
# \mathrm{clip}(\mathrm{round}(w / s) + z, 0, 2^b - 1)$, a grid *with a zero point* $z$. `dw_hat` is
# the gradient that arrives at $\hat w$. Return the straight-through gradient at $w$, an array of
# `w`'s shape: `dw_hat` wherever $\mathrm{round}(w / s) + z$ is one of the codes without clipping
# (the first and the last code included), and 0 elsewhere.

# %%
def straight_through_gradient(w, dw_hat, scale, zero_point, bits):
    """The gradient at w, given that at ŵ; arrays of one shape, three numbers."""
    ### BEGIN SOLUTION
    code = np.rint(w / scale) + zero_point
    return dw_hat * ((code >= 0) & (code <= 2**bits - 1))
    ### END SOLUTION


# %%
check("straight_through_gradient", straight_through_gradient)

# %% [markdown]
# **3. Show that biased rounding stalls.** The loss is $\frac12 (w - t)^2$ with a target $t$. Start
# at `start`, a level of the grid; at each step take the gradient, move by the learning rate, and
# round to the nearest multiple of `step` (`np.rint`). Return the weight at which this stops, that
# is, which a further step leaves as it is. A float.

# %%
def stall_point(start, target, learning_rate, step):
    """Where gradient descent on ½(w − target)², kept on the grid, comes to rest."""
    ### BEGIN SOLUTION
    w = start
    while True:
        moved = step * np.rint((w - learning_rate * (w - target)) / step)
        if moved == w:
            return w
        w = moved
    ### END SOLUTION


# %%
if check("stall_point", stall_point):
    rates = np.geomspace(0.02, 0.9, 30)
    figure, axes = plt.subplots(figsize=(6.4, 3.2))
    for grid, colour, marker in ((1 / 16, ORANGE, "v"), (1 / 64, BLUE, "o"), (1 / 256, GREEN, "s")):
        far = [1 - stall_point(0.0, 1.0, rate, grid) for rate in rates]
        axes.plot(rates, np.minimum(grid / (2 * rates), 1), "-", color=colour, linewidth=1)
        axes.plot(rates, np.maximum(far, 1e-3), marker, color=colour, markersize=4)
        axes.text(rates[0] * 0.93, min(grid / (2 * rates[0]), 1), f"s = 1/{round(1 / grid)}",
                  color=colour, ha="right", va="center", fontsize=9)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(0.0105, 1)
    axes.set_ylim(7e-4, 2)
    axes.set_xlabel("learning rate η")
    axes.set_ylabel("distance from the target\nwhen it stalls (it began at 1)")
    axes.text(0.9, 0.6, "lines: s / 2η", color=GREY, ha="right")
    axes.text(0.45, 1e-3, "it arrives:", color=GREY, ha="right", va="center")
    show(figure)

# %% [markdown]
# A smaller learning rate makes it *worse*: the smaller the steps, the earlier they are lost.
#
# **4. The best three values.** Ternary weights are $-s$, 0 or $s$. If you know *which* weights are
# not 0, the best $s$ is the mean of their magnitudes. Li et al. guess them by a threshold; you can
# do better. Return the ternary version of `w`, an array (n,), with the least possible squared
# error, as an array (n,). (Which weights will the best choice keep: the largest, the smallest, any?
# Then there are only n candidates.)

# %%
def best_ternary(w):
    """w: (n,) -> ŵ: (n,) with values −s, 0, s, and the least Σ(w − ŵ)²."""
    ### BEGIN SOLUTION
    magnitude = np.sort(np.abs(w))[::-1]
    totals, count = np.cumsum(magnitude), np.arange(1, len(w) + 1)
    kept = np.argmax(totals**2 / count) + 1        # Σ(w − ŵ)² = Σw² − (sum of the kept)² / kept
    return np.where(np.abs(w) >= magnitude[kept - 1], np.sign(w) * totals[kept - 1] / kept, 0)
    ### END SOLUTION


# %%
check("best_ternary", best_ternary)

# %% [markdown]
# **5. An open question.** Stochastic rounding ruined the 2-bit gradients of section 7, and saved
# the 8-bit weights of section 6. Both times it is unbiased. What is the difference? And which of
# them would profit from 16 machines whose gradients are averaged?

# %% [markdown] tags=["solution"]
# *An answer.* Compare the noise with the signal. A gradient of 2 bits has levels $-\max|g|$, 0 and
# $\max|g|$: a typical entry, a hundredth of the largest, becomes 0 or a hundred times itself, and
# its standard deviation is ten times its value. Momentum averages over about ten steps, which is
# not enough. On the grid of the weights a step is 1/32, and one rounding moves a weight by less
# than that, a small part of its own size; the next gradients push it back, so that errors do not
# pile up. An average over 16 independent machines divides the variance of stochastic gradients by
# 16, and leaves the bias of nearest rounding as it is, because all machines lose the same small
# entries. The grid of the weights gains nothing: the weights are rounded after the average.

# %% [markdown]
# ## In practice
#
# **torch** trains through rounding with `torch.fake_quantize_per_tensor_affine` (inside its
# `FakeQuantize` modules). Its gradient is the one of your second exercise: it passes where the
# *rounded* code is within the range. So with a zero point half a step beyond either end is still
# inside. minilm's rule for grids with a zero point is the same, and for symmetric grids it is the
# paper's, $|w/s| \leq Q$. Both in NumPy:

# %%
def torch_fake_quantize(w, scale, zero_point, low, high):
    """ŵ, and the mask by which torch multiplies the gradient."""
    code = np.rint(w * np.float32(1 / scale)) + zero_point
    return (np.clip(code, low, high) - zero_point) * scale, (code >= low) & (code <= high)


w = np.random.default_rng(3).standard_normal((40, 30)).astype(np.float32)
q = quantize(w, 4, symmetric=False, objective="mse")
theirs, mask = torch_fake_quantize(w, q.scale, q.zero_point, 0, 15)
seen, pullback = straight_through(4, axis="tensor", symmetric=False, objective="mse")({"w": w}, 0)
assert np.allclose(theirs, seen["w"], atol=1e-6)
assert np.array_equal(mask, pullback({"w": np.ones_like(w)})["w"] != 0)
say(f"The same values, and the same mask: {np.mean(~mask):.2%} of the weights get no gradient.")

# %% [markdown]
# **bitsandbytes** has the 8-bit optimizers that people use. Its table of levels is built decade by
# decade: for $d = 0, …, 6$ the interval from 0.1 to 1 is cut into $2^d$ parts ($2^{d+1}$ without
# signs), and their middles are multiplied by $10^{d-6}$; 0 and 1 are added.

# %%
def bitsandbytes_levels(signed):
    levels = [0.0, 1.0]
    for d in range(7):
        edges = np.linspace(0.1, 1, 2 ** (d if signed else d + 1) + 1)
        middles = 10.0 ** (d - 6) * (edges[1:] + edges[:-1]) / 2
        levels += [*middles, *(-middles if signed else [])]
    return np.sort(levels).astype(np.float32)


for signed in (True, False):
    assert np.allclose(bitsandbytes_levels(signed), dynamic_levels(signed), rtol=1e-6)
say(f"The same {len(bitsandbytes_levels(True))} levels as minilm's, signed and unsigned.")

# %% [markdown]
# ## References
#
# - Y. Bengio, N. Léonard, A. Courville 2013. *Estimating or Propagating Gradients Through
#   Stochastic Neurons.* arXiv:1308.3432. Section 3: straight through.
# - S. Gupta, A. Agrawal, K. Gopalakrishnan, P. Narayanan 2015. *Deep Learning with Limited
#   Numerical Precision.* ICML. Stochastic rounding of weights.
# - F. Li, B. Zhang, B. Liu 2016. *Ternary Weight Networks.* arXiv:1605.04711. Equations 5 and 6.
# - M. Rastegari, V. Ordonez, J. Redmon, A. Farhadi 2016. *XNOR-Net.* ECCV. Equation 6: binary
#   weights.
# - S. Esser, J. McKinstry, D. Bablani et al. 2020. *Learned Step Size Quantization.* ICLR. Section
#   2.
# - F. Seide, H. Fu, J. Droppo et al. 2014. *1-Bit Stochastic Gradient Descent.* Interspeech. Error
#   feedback. S. P. Karimireddy et al. 2019. *Error Feedback Fixes SignSGD.* ICML.
# - D. Alistarh, D. Grubic, J. Li et al. 2017. *QSGD.* NeurIPS. Stochastic gradients.
# - J. Choi, Z. Wang, S. Venkataramani et al. 2018. *PACT.* arXiv:1805.06085. Equations 1 to 3.
# - T. Dettmers, M. Lewis, S. Shleifer, L. Zettlemoyer 2022. *8-bit Optimizers via Block-wise
#   Quantization.* ICLR. Section 2.
