# %% [markdown]
# # 03 · From RNN to LSTM
#
# An n-gram forgets everything that is older than its few characters. A *recurrent network* reads a
# text symbol by symbol and carries a vector of numbers along, its state. In principle the state can
# remember anything for any time. In practice, the plain recurrent network of 1990 has great trouble
# to learn to keep a single letter for some dozens of steps.
#
# Why? The answer is one product of many factors. The cure, the *long short-term memory* (LSTM), is
# to make these factors nearly 1. In this notebook you build both networks by hand, measure how far
# back their gradients reach, and watch one learn what the other cannot.
#
# ## What you will do
#
# - write a recurrent network and its backward pass as plain loops, and prove the gradient right
# - measure the gradient's norm against the time it travels, beside the limit that theory sets
# - write an LSTM cell with its three gates, and its one big product instead of eight small ones
# - let both learn to remember a symbol, with several seeds, above the floor of guessing
# - drive a gradient over a cliff, and clip it
#
# ## What you will learn
#
# - backpropagation through time: why it is the chain rule and nothing else
# - why gradients vanish or explode, and what a spectral norm has to do with it
# - how the forget gate keeps a road open for the gradient, and what its bias should be
# - how torch, Keras and ONNX order the gates, and what happens if you mix them up
#
# ## What you need
#
# NumPy, matrix products, the chain rule; cross-entropy from [00](00_bits_losses_floors.ipynb). All
# cells run in about a minute; reading and exercises take about two hours.

# %%
import matplotlib.pyplot as plt
import numpy as np

from minilm import check_gradient, fit, nn
from minilm.course import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PINK,
    check,
    saved_rows,
    say,
    show,
    style,
    table,
)
from minilm.pretrained import read_lstm_layers
from minilm.training import AdamW, global_norm, warmup_cosine

style()


def power_of_ten(x):
    """The nearest one: 0.0012 -> $10^{-3}$."""
    return f"$10^{{{np.log10(x):.0f}}}$"


# %% [markdown]
# ## 1. A network that reads
#
# At step $t$ the network sees an input $x_t$, a vector of $D$ numbers, and has a state $h_{t-1}$ of
# $H$ numbers from the step before. It mixes both into a new state:
#
# $$h_t = \tanh(x_t W_x + h_{t-1} W_h + b)$$
#
# $W_x$ has shape $(D, H)$, $W_h$ $(H, H)$ and $b$ $(H,)$, and they are *the same at every step*.
# That is what makes it recurrent: one rule, applied again and again, to texts of any length. We let
# $B$ texts run side by side, so the state is an array of shape $(B, H)$.

# %%
def rnn_by_hand(x, w_x, w_h, b):
    """x: (B, T, D), w_x: (D, H), w_h: (H, H), b: (H,) -> all states h_0 … h_T: (T + 1, B, H)."""
    B, T, _ = x.shape
    states = [np.zeros((B, len(w_h)))]                                # h_0
    for t in range(T):
        states.append(np.tanh(x[:, t] @ w_x + states[t] @ w_h + b))
    return np.array(states)


rng = np.random.default_rng(0)
B, T, D, H = 2, 6, 3, 4
x = rng.standard_normal((B, T, D))
w_x, w_h, b = rng.standard_normal((D, H)), rng.standard_normal((H, H)), rng.standard_normal(H)

states = rnn_by_hand(x, w_x, w_h, b)
hs, cache = nn.rnn(x, w_x, w_h, b)                                       # minilm's: (B, T, H)
one, _ = nn.rnn_step(x[:, 0], states[0], w_x, w_h, b)                    # and a single step of it
assert np.allclose(hs, states[1:].transpose(1, 0, 2)) and np.allclose(one, states[1])
say(f"{B} texts of {T} steps: states {states.shape}, the same numbers as `minilm.nn.rnn` to "
    "rounding.")

# %% [markdown]
# ## 2. Backwards through time
#
# To train the network we need the gradient of a loss $L$. Say we know $\partial L / \partial h_t$,
# as the part of the network that reads the states hands it to us, and call it $dh_t$. (In this
# course, $dz$ always stands for $\partial L / \partial z$, an array of the shape of $z$.)
#
# One step back is the chain rule. Let $a_t = x_t W_x + h_{t-1} W_h + b$, so $h_t = \tanh(a_t)$. The
# slope of tanh is $1 - \tanh^2$, hence
#
# $$da_t = dh_t \odot (1 - h_t^2), \qquad
#   dh_{t-1} \mathrel{+}= da_t W_h^\top, \qquad
#   dx_t = da_t W_x^\top$$
#
# ($\odot$ multiplies entry by entry.) Note the $\mathrel{+}=$. The state $h_{t-1}$ reaches the loss
# in *two* ways: directly, through whatever reads it, and through $h_t$. **Where something is used
# twice, its gradients add.** The weights are used $T$ times, so theirs add up as well:
#
# $$dW_h = \sum_t h_{t-1}^\top\, da_t, \qquad dW_x = \sum_t x_t^\top\, da_t, \qquad
#   db = \sum_t da_t$$
#
# This loop from the last step to the first is called *backpropagation through time*.

# %%
def rnn_by_hand_backward(dhs, x, states, w_x, w_h):
    """dhs: (B, T, H), what reaches each h_t directly -> dx, dw_x, dw_h, db."""
    dx, dw_x, dw_h = np.zeros_like(x), np.zeros_like(w_x), np.zeros_like(w_h)
    db, from_later = np.zeros(len(w_h)), 0
    for t in reversed(range(x.shape[1])):
        dh = dhs[:, t] + from_later                     # two ways: they add
        da = dh * (1 - states[t + 1] ** 2)              # (B, H)
        dx[:, t] = da @ w_x.T
        dw_x += x[:, t].T @ da
        dw_h += states[t].T @ da
        db += da.sum(axis=0)
        from_later = da @ w_h.T
    return dx, dw_x, dw_h, db


dhs = rng.standard_normal((B, T, H))
by_hand = rnn_by_hand_backward(dhs, x, states, w_x, w_h)
by_minilm = nn.rnn_backward(dhs, cache)[:4]
assert all(np.allclose(ours, theirs) for ours, theirs in zip(by_hand, by_minilm, strict=True))

# %% [markdown]
# Do they agree because both are right, or because both are wrong? A derivative can be *measured*.
# Draw a random $dy$ of the output's shape and let $L = \sum dy \odot y$. Move one input $z$ a
# little along a random direction $v$; then $L$ must change at the rate $\sum v \odot dz$:
#
# $$\frac{L(z + \varepsilon v) - L(z - \varepsilon v)}{2 \varepsilon} \approx \sum v \odot dz$$
#
# `check_gradient` does this for each input, and raises an error if the two differ by more than
# 1 part in 100 000. It wants the pair `op` and `op_backward`: forward returns its result and a
# `cache`, anything that the backward pass needs.

# %%
def forward(x, w_x, w_h, b):
    states = rnn_by_hand(x, w_x, w_h, b)
    return states[1:].transpose(1, 0, 2), (x, states, w_x, w_h)


def backward(dhs, cache):
    return rnn_by_hand_backward(dhs, *cache)


def forgetful(dhs, cache):
    """As above, with a mistake: it forgets what comes from later steps."""
    x, states, w_x, _ = cache
    da = dhs.transpose(1, 0, 2) * (1 - states[1:] ** 2)               # (T, B, H)
    return ((da @ w_x.T).transpose(1, 0, 2), np.einsum("btd,tbh->dh", x, da),
            np.einsum("tbg,tbh->gh", states[:-1], da), da.sum(axis=(0, 1)))


print(f"largest relative error: {check_gradient(forward, backward, x, w_x, w_h, b):.0e}")
try:
    check_gradient(forward, forgetful, x, w_x, w_h, b)
except AssertionError as error:
    print("with the mistake:", str(error).split(" (")[0])
else:
    raise RuntimeError("the mistake went unnoticed")

# %% [markdown]
# ## 3. How far back does a gradient reach?
#
# Suppose that only the *last* state is judged, and what matters was said $k$ steps before. Then all
# that the network can learn from has to pass through $k$ steps:
#
# $$dh_{T-k} = \Big(\cdots\big((dh_T \odot s_T)\, W_h^\top \odot s_{T-1}\big) W_h^\top \cdots\Big)
#   W_h^\top, \qquad s_t = 1 - h_t^2$$
#
# Again and again it is multiplied by the same matrix, and by slopes $s_t$ between 0 and 1. How much
# longer can a product with $W_h^\top$ make a vector? At most by the **spectral norm**
# $\|W_h\|_2$, the largest singular value: the most by which the matrix stretches any vector. And
# a slope never makes anything longer. So
#
# $$\|dh_{T-k}\| \leq \|W_h\|_2^{\,k}\; \|dh_T\|$$
#
# If $\|W_h\|_2 < 1$, the gradient *must* vanish, and exponentially fast. If it is above 1, the
# gradient *may* explode, but need not: the slopes work against it. (Pascanu et al. 2013.)
#
# Let us measure. As $W_h$ take $\gamma$ times a random *orthogonal* matrix (a rotation, perhaps
# with a reflection): it stretches every vector by exactly $\gamma$, so $\|W_h\|_2 = \gamma$.

# %%
def rotation(size, rng):
    """A random orthogonal matrix: Q Qᵀ = I."""
    return np.linalg.qr(rng.standard_normal((size, size)))[0]


def rnn_norms(gain, seed, lags=60, H=64, D=16, B=16):
    """‖dh_{T−k}‖ for k = 0 … lags, when ‖dh_T‖ = 1: the mean over B texts."""
    rng = np.random.default_rng(seed)
    w_h, w_x = gain * rotation(H, rng), rng.standard_normal((D, H)) / np.sqrt(D)
    states = rnn_by_hand(0.3 * rng.standard_normal((B, lags, D)), w_x, w_h, np.zeros(H))
    dh = rng.standard_normal((B, H))
    dh /= np.linalg.norm(dh, axis=1, keepdims=True)
    norms = [1.0]
    for t in reversed(range(lags)):
        dh = (dh * (1 - states[t + 1] ** 2)) @ w_h.T
        norms.append(np.linalg.norm(dh, axis=1).mean())
    return np.array(norms)


GAINS = {0.8: (ORANGE, "--"), 1.0: (BLACK, "-"), 2.0: (PINK, "-.")}
lags = np.arange(61)
rnn_runs = {gain: np.array([rnn_norms(gain, seed) for seed in range(5)]) for gain in GAINS}
for gain, runs in rnn_runs.items():
    assert np.all(runs <= gain**lags * (1 + 1e-9))                    # nobody passes the bound
assert rnn_runs[0.8][:, -1].max() < 1e-6 and rnn_runs[2.0][:, -1].min() > 100

# %% jupyter={"source_hidden": true} tags=["hide-input"]
def draw_runs(axes, runs, theory, looks, labels):
    """A band over the seeds and their median for each setting; the theory as thin grey lines."""
    for setting, (colour, dash) in looks.items():
        axes.plot(lags, theory(setting), ":", color=colour, linewidth=1.2)
        middle = np.median(runs[setting], axis=0)
        axes.fill_between(lags, runs[setting].min(axis=0), runs[setting].max(axis=0), color=colour,
                          alpha=0.25, linewidth=0)
        axes.plot(lags, middle, dash, color=colour, linewidth=1.8)
        text, place, shift, side = labels[setting]
        axes.annotate(text, (place, middle[place]), shift, textcoords="offset points",
                      color=colour, ha=side)
    axes.set_yscale("log")
    axes.set_ylim(1e-17, 1e13)
    axes.set_yticks(10.0 ** np.arange(-16, 13, 4))
    axes.minorticks_off()
    axes.set_xlim(0, 60)
    axes.set_xlabel("lag k (steps back)")


def draw_rnn(axes):
    draw_runs(axes, rnn_runs, lambda gain: gain**lags, GAINS, {
        0.8: ("γ = 0.8", 36, (-8, -16), "right"), 1.0: ("γ = 1", 44, (0, 8), "left"),
        2.0: ("γ = 2", 44, (0, -16), "left"),
    })
    axes.annotate("dotted: the bound γᵏ", (2, 1e12), va="top", color=GREY)


figure, axes = plt.subplots(figsize=(6.6, 4.2))
draw_rnn(axes)
axes.set_ylabel("norm of the gradient ‖dh‖ at T − k\n(it is 1 at T)")
show(figure)

# %% jupyter={"source_hidden": true} tags=["hide-input"]
median = {gain: np.median(runs, axis=0) for gain, runs in rnn_runs.items()}
say(f"""
Five seeds each, as a band around the median (often no wider than the line). At γ = 0.8 about
{power_of_ten(median[0.8][20])} of the gradient is left after 20 steps, and
{power_of_ten(median[0.8][60])} after 60. At γ = 2 it is {power_of_ten(median[2.0][60])} times too
*long* after 60 steps. Even the rotation, γ = 1, which by itself keeps every length, leaves
{power_of_ten(median[1.0][60])}: the slopes of tanh eat the rest.
""")

# %% [markdown]
# So the plain network has two ways to fail and only a knife's edge in between. It is no use to make
# the step size larger for a vanished gradient: what came from step $T - 1$ is still there, and a
# million times louder.
#
# ## 4. A cell that keeps
#
# Hochreiter and Schmidhuber asked: what must a state look like for the gradient to pass it
# unchanged? $c_t = c_{t-1}$ would do: its factor is 1. But then nothing could be learnt. So they
# *added* to it, $c_t = c_{t-1} + \dots$, and let the network decide when. The **LSTM** has two
# vectors of $H$ numbers: the **cell** $c$, which keeps, and the state $h$, which the rest of the
# network sees. Three **gates**, numbers between 0 (shut) and 1 (open), say what happens:
#
# | | | |
# |---|---|---|
# | input gate | $i = \sigma(a_i)$ | how much is written |
# | forget gate | $f = \sigma(a_f)$ | how much is kept (1: everything) |
# | new content | $g = \tanh(a_g)$ | what is written |
# | output gate | $o = \sigma(a_o)$ | how much is shown |
#
# $$c_t = f \odot c_{t-1} + i \odot g, \qquad h_t = o \odot \tanh(c_t)$$
#
# Here $\sigma(z) = 1 / (1 + e^{-z})$ is the *sigmoid*, and each of the four $a$ is like the RNN's,
# $x_t W_x + h_{t-1} W_h + b$, with weights of its own. (The forget gate came later, with Gers et
# al. in 2000. In 1997, $f$ was 1.)

# %% jupyter={"source_hidden": true} tags=["hide-input"]
def draw_cell():
    figure, axes = plt.subplots(figsize=(7.4, 3.5))
    axes.axis("off")
    axes.set_xlim(-0.4, 10.6)
    axes.set_ylim(0, 5)
    box = {"boxstyle": "round,pad=0.3", "facecolor": "white", "edgecolor": BLACK}
    ring = {"boxstyle": "circle,pad=0.25", "facecolor": "white", "edgecolor": BLACK}

    def arrow(start, end, colour=BLACK, width=1.2):
        axes.annotate("", end, start, arrowprops={
            "arrowstyle": "->", "color": colour, "linewidth": width, "shrinkA": 0, "shrinkB": 0})

    arrow((0.35, 4.3), (10, 4.3), BLUE, 3.5)                              # the cell's road
    axes.text(0.2, 4.3, "$c_{t-1}$", ha="right", va="center", color=BLUE)
    axes.text(10.1, 4.3, "$c_t$", va="center", color=BLUE)
    for x, gate in ((1.8, "σ\nforget f"), (3.5, "σ\ninput i"), (5.2, "tanh\nnew g"),
                    (7.6, "σ\noutput o")):
        arrow((x, 0.5), (x, 1.36))
        axes.text(x, 1.7, gate, ha="center", va="center", bbox=box)
    axes.plot([0.35, 7.6], [0.5, 0.5], color=BLACK, linewidth=1.2)
    axes.text(0.2, 0.5, "$x_t,\\ h_{t-1}$", ha="right", va="center")
    arrow((1.8, 2.04), (1.8, 4.12))
    arrow((3.5, 2.04), (4.22, 2.9))
    arrow((5.2, 2.04), (4.48, 2.9))
    arrow((4.35, 3.22), (4.35, 4.12))
    arrow((7.6, 2.04), (8.66, 2.93))
    arrow((8.8, 4.3), (8.8, 3.23))
    arrow((8.97, 3.05), (10, 3.05))
    axes.text(10.1, 3.05, "$h_t$", va="center")
    axes.text(8.7, 3.75, "tanh", ha="right", va="center")
    for x, y, sign in ((1.8, 4.3, "×"), (4.35, 4.3, "+"), (4.35, 3.05, "×"), (8.8, 3.05, "×")):
        axes.text(x, y, sign, ha="center", va="center", bbox=ring)
    return figure


show(draw_cell())

# %% [markdown]
# In code, first as naively as the equations: four gates, and for each of them two products.

# %%
def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def lstm_step_by_hand(x, h, c, gate_weights):
    """x: (B, D), h and c: (B, H); gate_weights: {"i", "f", "g", "o": (W_x, W_h, b)} -> h', c'."""
    a = {gate: x @ W_x + h @ W_h + b for gate, (W_x, W_h, b) in gate_weights.items()}   # (B, H)
    i, f, o = sigmoid(a["i"]), sigmoid(a["f"]), sigmoid(a["o"])
    g = np.tanh(a["g"])
    c_next = f * c + i * g
    h_next = o * np.tanh(c_next)
    return h_next, c_next


gate_weights = {gate: (rng.standard_normal((D, H)), rng.standard_normal((H, H)),
                       rng.standard_normal(H)) for gate in "ifgo"}
h, c = rng.standard_normal((B, H)), rng.standard_normal((B, H))
h_next, c_next = lstm_step_by_hand(x[:, 0], h, c, gate_weights)

# %% [markdown]
# ### Eight products in one
#
# The four products with $h$ have the same left side. Put the four matrices side by side, in the
# order **i, f, g, o**, and one product gives all:
#
# $$[\,a_i\; a_f\; a_g\; a_o\,] = x\,[\,W_x^i\; W_x^f\; W_x^g\; W_x^o\,] +
#   h\,[\,W_h^i\; W_h^f\; W_h^g\; W_h^o\,] + b, \qquad \text{shape } (B, 4H)$$
#
# And the inputs do not wait for anything: all $T$ of them can be multiplied by $W_x$ at once,
# before the loop. This is how `minilm.nn.lstm` and every fast library do it.

# %%
w_x4, w_h4, b4 = (np.concatenate([gate_weights[gate][k] for gate in "ifgo"], axis=-1)
                  for k in range(3))                        # (D, 4H), (H, 4H), (4H,)


def lstm_by_hand(x, w_x, w_h, b):
    """x: (B, T, D) -> all h and c: (T + 1, B, H) each."""
    B, T, _ = x.shape
    from_inputs = x @ w_x + b                               # (B, T, 4H): one product for all steps
    hs, cs = [np.zeros((B, len(w_h)))], [np.zeros((B, len(w_h)))]
    for t in range(T):
        i, f, g, o = np.split(from_inputs[:, t] + hs[t] @ w_h, 4, axis=1)
        cs.append(sigmoid(f) * cs[t] + sigmoid(i) * np.tanh(g))
        hs.append(sigmoid(o) * np.tanh(cs[t + 1]))
    return np.array(hs), np.array(cs)


(fused_h, fused_c), _ = nn.lstm_step(x[:, 0], h, c, w_x4, w_h4, b4)      # minilm's step
assert np.allclose(fused_h, h_next) and np.allclose(fused_c, c_next)
hs, cs = lstm_by_hand(x, w_x4, w_h4, b4)
by_minilm, cache = nn.lstm(x, w_x4, w_h4, b4)                            # minilm's loop
assert np.allclose(hs[1:], by_minilm.transpose(1, 0, 2)) and np.allclose(cs[-1], cache["state"][1])

# %% [markdown]
# What does it bring? The arithmetic is the same; there are only fewer and larger pieces of it.
# Times differ from machine to machine, so these come from a saved benchmark of this repository:

# %%
TRICKS = {
    "Project all inputs before the loop": "all $x_t W_x$ at once, 35 steps of 20 texts, 512 → 512",
    "Gates as whole arrays": "each gate a whole (B, H) array, not a strip of (B, 4H)",
    "A weight laid out once for a loop": "$W_h$ put into the order the processor likes, once",
}
gain_of = {row["trick"]: row["gain"] for row in saved_rows("benchmarks/tricks.csv")}
table(["trick", "how many times as fast"],
      [[text, f"{gain_of[name]:.2f}"] for name, text in TRICKS.items()])
(against_torch,) = [row["ratio"] for row in saved_rows("benchmarks/results.csv")
                    if row["work"] == "LSTM step, small" and row["threads"] == 1]
at_once = gain_of["Project all inputs before the loop"]
assert at_once < 1.2
say(f"""
Not every trick pays. Projecting all inputs at once made this loop {at_once:.2f} times as fast on
the machine that was measured, which is to say: it gained nothing there. It stays because it makes
other tricks possible. All in all, one training step of minilm's small LSTM took
{against_torch:.2f} times as long as torch's on one core.
""")

# %% [markdown]
# ## 5. The open road
#
# Now the gradient. The cell's own update, $c_t = f \odot c_{t-1} + i \odot g$, has a very simple
# derivative if the gates are held fixed: what arrives at $c_t$ goes on to $c_{t-1}$, times $f$.
# No matrix, no slope. Over $k$ steps:
#
# $$dc_{T-k} \approx dc_T \odot f_T \odot f_{T-1} \odot \dots \odot f_{T-k+1}$$
#
# "$\approx$", because the gates are *not* fixed. They depend on $h_{t-1}$, and so on $c_{t-1}$:
# there are side roads. They go through a slope and a $W_h$ and, with small weights, carry little.
#
# A fresh network has $a_f \approx b_f$, so its forget gates stand at $\sigma(b_f)$. With the bias 0
# that is one half, and after $k$ steps $2^{-k}$ is left: worse than the RNN! That is why one sets
# the **forget-gate bias** to 1 or more before training begins (Gers et al. 2000; Jozefowicz et al.
# 2015). We measure what `minilm.nn.lstm_backward` lets through, with all roads, and compare it with
# the product of the gates alone, $\sigma(b_f)^k$.

# %%
def lstm_norms(forget_bias, seed, lags=60, H=64, D=16, B=16):
    """‖dc_{T−k}‖ for k = 0 … lags, when dc_T has length 1: the mean over B texts."""
    rng = np.random.default_rng(seed)
    w_x, w_h = rng.standard_normal((D, 4 * H)) / np.sqrt(D), rng.standard_normal((H, 4 * H))
    w_h *= 0.3 / np.sqrt(H)                                           # small recurrent weights
    b = np.zeros(4 * H)
    b[H:2 * H] = forget_bias
    x = rng.standard_normal((B, lags, D))
    dc = rng.standard_normal((B, H))
    dc /= np.linalg.norm(dc, axis=1, keepdims=True)
    dh, caches, h, c = np.zeros((B, H)), [], None, None
    for t in range(lags):                                             # step by step, to look inside
        _, cache = nn.lstm(x[:, t:t + 1], w_x, w_h, b, h, c)
        h, c = cache["state"]
        caches.append(cache)
    norms = [1.0]
    for cache in reversed(caches):
        *_, dh, dc = nn.lstm_backward(np.zeros((B, 1, H)), cache, (dh, dc))
        norms.append(np.linalg.norm(dc, axis=1).mean())
    return np.array(norms)


BIASES = {0: (ORANGE, "--"), 1: (GREEN, "-."), 3: (BLUE, "-")}
lstm_runs = {bias: np.array([lstm_norms(bias, seed) for seed in range(5)]) for bias in BIASES}
for bias, runs in lstm_runs.items():
    predicted = 60 * np.log10(sigmoid(bias))                          # powers of ten after 60 steps
    assert np.all(np.abs(np.log10(runs[:, 60]) / predicted - 1) < 0.4)

# %% jupyter={"source_hidden": true} tags=["hide-input"]
def draw_both():
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.0, 4.2), sharey=True)
    figure.get_layout_engine().set(wspace=0.08)              # "60" and "0" must not touch
    draw_rnn(left)
    draw_runs(right, lstm_runs, lambda bias: sigmoid(bias) ** lags, BIASES, {
        0: ("forget bias 0", 30, (-8, -16), "right"), 1: ("forget bias 1", 37, (6, 6), "left"),
        3: ("forget bias 3", 37, (0, 8), "left"),
    })
    right.annotate("dotted: the gates alone, σ(bias)ᵏ", (58, 1e12), ha="right", va="top",
                   color=GREY)
    left.set_ylabel("norm of the gradient at T − k (it is 1 at T)")
    left.set_title("RNN: state h, weights γ · rotation", fontsize=10)
    right.set_title("LSTM: cell c", fontsize=10)
    return figure


show(draw_both(), "03-gradient-against-lag")

# %% jupyter={"source_hidden": true} tags=["hide-input"]
left_over = {bias: np.median(runs, axis=0) for bias, runs in lstm_runs.items()}
off = {bias: left_over[bias][60] / sigmoid(bias) ** 60 for bias in BIASES}
assert left_over[3][60] > 1e-3 and left_over[0][60] < 1e-10
assert off[0] > 10 and max(off[1], 1 / off[1], off[3], 1 / off[3]) < 10
say(f"""
Bands: five seeds. After 60 steps, the LSTM with forget bias 3 still has **{left_over[3][60]:.2f}**
of its gradient; with bias 1 about {power_of_ten(left_over[1][60])}, and with bias 0
{power_of_ten(left_over[0][60])}, where the RNN with γ = 1 had {power_of_ten(median[1.0][60])}. So
it is not the gates as such that help: it is a gate that is *open*.

The product of the gates predicts the upper two curves within a factor of
{max(off[1], 1 / off[1], off[3], 1 / off[3]):.1f}, over 60 steps. The lowest lies {off[0]:.0f} times
above it: where the main road is all but closed, the side roads carry more.
""")

# %% [markdown]
# ### The backward pass of a cell
#
# To train an LSTM we need all of it. Here is the cell again, as a function of the fused
# $a = [a_i\, a_f\, a_g\, a_o]$ and of $c$, and how one begins to go back. Two things arrive: $dh'$,
# from all that reads the new state, and $dc'$, from the next step's cell.
#
# - $h' = o \odot \tanh(c')$ has two factors. So $do = dh' \odot \tanh(c')$, and through the other
#   one, $c'$ gets $dh' \odot o \odot (1 - \tanh^2 c')$. *Where something is used twice …*
# - A gate's slope: for $y = \sigma(a)$ it is $\sigma' = y\,(1 - y)$, for $y = \tanh(a)$ it is
#   $1 - y^2$. So $da_o = do \odot o \odot (1 - o)$.
#
# The rest, what goes from $c' = f \odot c + i \odot g$ on to $i$, $f$, $g$ and $c$, is the heart of
# the LSTM, and your first exercise below.

# %%
def lstm_cell(a, c):
    """a: (B, 4H) in the order i, f, g, o; c: (B, H) -> (h', c'), each (B, H); cache."""
    a_i, a_f, a_g, a_o = np.split(a, 4, axis=1)
    i, f, g, o = sigmoid(a_i), sigmoid(a_f), np.tanh(a_g), sigmoid(a_o)
    c_next = f * c + i * g
    h_next = o * np.tanh(c_next)
    return (h_next, c_next), (i, f, g, o, c, c_next)


# %% [markdown]
# ## 6. Can it learn to remember?
#
# A gradient is a means to an end. Here is the end: the first token of a text is one of 8 symbols.
# Then come distractors, of 4 kinds at random, and at last a question mark. The network has to name
# the first token. Whoever guesses is right once in 8 times: that is the floor of this task.
#
# Both networks get 32 units (which makes four times as many weights for the LSTM), the same
# optimizer (Adam) and the same 300 steps of 32 texts. A loss for `fit` returns sums: the loss, the
# gradients, and the number of terms.

# %%
SYMBOLS, DISTRACTORS, UNITS, STEPS = 8, 4, 32, 300
tokens = np.eye(SYMBOLS + DISTRACTORS + 1, dtype=np.float32)          # a token is a unit vector


def texts(lag, seed, count=32):
    """step -> ids: (count, lag + 1), and the answers: (count,)."""
    def batch(step):
        rng = np.random.default_rng([seed, step, 3])
        ids = SYMBOLS + rng.integers(DISTRACTORS, size=(count, lag + 1))
        ids[:, 0] = rng.integers(SYMBOLS, size=count)
        ids[:, -1] = SYMBOLS + DISTRACTORS                            # the question mark
        return ids, ids[:, 0].copy()
    return batch


def logits_of(params, ids):
    """The network's scores for each answer, (count, SYMBOLS), and caches."""
    weights = params["w_x"], params["w_h"], params["b"]
    reads = nn.lstm if len(params["b"]) == 4 * UNITS else nn.rnn
    hs, cache = reads(tokens[ids], *weights)                          # (count, lag + 1, UNITS)
    logits, head = nn.linear(hs[:, -1], params["w_out"], params["b_out"])
    return logits, (reads, hs.shape, cache, head)


def memory_loss(model, params, batch, rng):
    ids, answers = batch
    logits, (reads, shape, cache, head) = logits_of(params, ids)
    loss, loss_cache = nn.cross_entropy(logits, answers)
    count = len(answers)
    dlogits = nn.cross_entropy_backward(float(count), loss_cache)     # of the sum: count · mean
    dh, dw_out, db_out = nn.linear_backward(dlogits, head)
    dhs = np.zeros(shape, np.float32)
    dhs[:, -1] = dh                                                   # only the end is judged
    _, dw_x, dw_h, db, *_ = (nn.lstm_backward if reads is nn.lstm else nn.rnn_backward)(dhs, cache)
    grads = {"w_x": dw_x, "w_h": dw_h, "b": db, "w_out": dw_out, "b_out": db_out}
    return loss * count, grads, count


# %%
def fresh(kind, seed):
    """Parameters: kind is "RNN", "RNN, rotation", or an LSTM's forget bias."""
    rng = np.random.default_rng(seed)
    gates = 1 if str(kind).startswith("RNN") else 4
    w_h = rng.standard_normal((UNITS, gates * UNITS)) / np.sqrt(UNITS)
    params = {"w_x": 0.5 * rng.standard_normal((len(tokens), gates * UNITS)),
              "w_h": rotation(UNITS, rng) if kind == "RNN, rotation" else w_h,
              "b": np.zeros(gates * UNITS),
              "w_out": rng.standard_normal((UNITS, SYMBOLS)) / np.sqrt(UNITS),
              "b_out": np.zeros(SYMBOLS)}
    if gates == 4:
        params["b"][UNITS:2 * UNITS] = kind
    return {name: value.astype(np.float32) for name, value in params.items()}


def learn(kind, lag, seed, rate=1e-2):
    """The share of 512 new texts that the trained network answers rightly."""
    params, _ = fit(None, fresh(kind, seed), texts(lag, seed), steps=STEPS, loss=memory_loss,
                    optimizer=AdamW(weight_decay=0), clip_norm=1.0, seed=seed,
                    schedule=warmup_cosine(rate, warmup=STEPS // 20, steps=STEPS))
    ids, answers = texts(lag, seed=1000, count=512)(0)
    return np.mean(logits_of(params, ids)[0].argmax(axis=1) == answers)


# %%
params = {name: value.astype(np.float64) for name, value in fresh(1, seed=0).items()}
ids, answers = texts(6, seed=0)(0)


def mean_loss(w_h):                                          # is the gradient of all of it right?
    total, grads, count = memory_loss(None, {**params, "w_h": w_h}, (ids, answers), None)
    return total / count, grads["w_h"] / count


check_gradient(mean_loss, lambda dloss, gradient: dloss * gradient, params["w_h"], tolerance=1e-4)

LAGS, KINDS = (5, 10, 20, 40, 80), ("RNN", "RNN, rotation", 1, 5)
right = {kind: np.array([[learn(kind, lag, seed) for lag in LAGS] for seed in range(3)])
         for kind in KINDS}                                  # (seeds, lags)
faster = np.array([[learn("RNN", lag, seed, rate=2e-2) for lag in (40, 80)] for seed in range(3)])

# %% jupyter={"source_hidden": true} tags=["hide-input"]
def draw_memory():
    figure, axes = plt.subplots(figsize=(7.2, 4.2))
    looks = {"RNN": (ORANGE, "v", "--"), "RNN, rotation": (PINK, "s", "-."),
             1: (GREEN, "^", ":"), 5: (BLUE, "o", "-")}
    names = {"RNN": "RNN, random start", "RNN, rotation": "RNN, a rotation at the start",
             1: "LSTM, forget bias 1", 5: "LSTM, forget bias 5"}
    shift = dict(zip(KINDS, (-0.045, -0.015, 0.015, 0.045), strict=True))
    for kind, (colour, marker, dash) in looks.items():
        at = np.array(LAGS) * (1 + shift[kind])              # side by side, so that all are seen
        axes.plot(at, right[kind].mean(axis=0), dash, color=colour, linewidth=1.8)
        axes.plot(at, right[kind].T, marker, color=colour, markersize=6, alpha=0.6)
        axes.plot([], [], dash, marker=marker, color=colour, label=names[kind])
    axes.axhline(1 / SYMBOLS, color=BLACK)
    axes.annotate("floor: guessing, 1/8", (4.7, 1 / SYMBOLS), (0, -13),
                  textcoords="offset points")
    axes.set_xscale("log")
    axes.set_xticks(LAGS, [str(lag) for lag in LAGS])
    axes.minorticks_off()
    axes.set_ylim(0, 1.05)
    axes.set_xlabel("lag: steps between the symbol and the question")
    axes.set_ylabel("right answers (share of 512 new texts)")
    axes.legend(loc="lower left", bbox_to_anchor=(0.02, 0.2))
    return figure


show(draw_memory(), "03-remembering")

# %% jupyter={"source_hidden": true} tags=["hide-input"]
n_right = {kind: (runs > 0.9).sum(axis=0) for kind, runs in right.items()}
table(["of 3 seeds, more than 90 % right", *(f"lag {lag}" for lag in LAGS)],
      [[kind if str(kind).startswith("RNN") else f"LSTM, forget bias {kind}", *n_right[kind]]
       for kind in KINDS])
assert right[5][:, 3].min() > 0.9 and right[5][:, 4].max() > 0.9      # lags 40 and 80
assert right["RNN"][:, 4].max() < 0.5 and right[1][:, 3:].max() < 0.9
assert min(runs[:, 0].min() for runs in right.values()) > 0.9         # lag 5 is easy
say(f"""
Lines are means of three seeds, each of which is a dot.

- Short lags are easy, for all of them.
- **The LSTM whose forget gates begin open goes farthest**: at lag 80 it answers
  {right[5][:, 4].mean():.0%} rightly in the mean, where the plain RNN guesses.
- But the LSTM with forget bias 1, which is the usual default, does not learn lag 40 any more than
  the RNN does. After 40 steps about {power_of_ten(sigmoid(1) ** 40)} of its gradient is left, where
  $\\sigma(5)^{{40}}$ = {sigmoid(5) ** 40:.2f}. Being an LSTM is not enough.
- The learning rate was the same for all. With twice that rate, {(faster[:, 0] > 0.9).sum()} of 3
  plain RNNs learn lag 40, and {(faster[:, 1] > 0.9).sum()} lag 80.
""")

# %% [markdown]
# Three seeds are few, and with more steps or another learning rate some of the failures do learn.
# So do not read a ranking into those in the middle. But none of this helps for long: with a factor
# below 1 at every step, each doubling of the lag *squares* what is left of the gradient.
#
# ## 7. The cliff
#
# So much for gradients that vanish. An exploding one does its harm in a single step. The smallest
# recurrent network has one unit: $h_t = \tanh(w\,h_{t-1} - 1)$, with $h_0 = 0.5$. After ten steps
# we want $h_{10} = -0.95$; the loss is the squared distance. As a function of its only weight $w$:

# %%
def one_unit(w, steps=10):
    """Loss and ∂loss/∂w of h_t = tanh(w h − 1), by the loops of sections 1 and 2."""
    h = [0.5]
    for _ in range(steps):
        h.append(np.tanh(w * h[-1] - 1))
    dh, dw = 2 * (h[-1] + 0.95), 0.0
    for t in reversed(range(steps)):
        da = dh * (1 - h[t + 1] ** 2)
        dw += da * h[t]
        dh = da * w
    return (h[-1] + 0.95) ** 2, dw


grid = np.linspace(2.9, 3.3, 4001)
loss, slope = np.array([one_unit(w) for w in grid]).T
edge = int(np.abs(slope).argmax())
rate, limit = 0.1, 1.0
plain = grid[edge] - rate * slope[edge]
clipped = grid[edge] - rate * slope[edge] * min(1, limit / abs(slope[edge]))
assert one_unit(plain)[0] > 3 and one_unit(clipped)[0] < 0.1
assert abs(one_unit(plain)[1]) < 1e-6                        # and no slope leads back from there

# %% jupyter={"source_hidden": true} tags=["hide-input"]
def draw_cliff():
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.0, 3.6))
    left.plot(grid, loss, color=BLUE, linewidth=2)
    left.plot(grid[edge], loss[edge], "o", color=BLACK)
    left.annotate("here", (grid[edge], loss[edge]), (8, -3), textcoords="offset points")
    left.annotate(f"unclipped:\nto w = −{-plain:.0f}", (2.9, loss[edge] + 0.15), color=ORANGE)
    left.annotate("", (2.895, loss[edge]), (grid[edge], loss[edge]),
                  arrowprops={"arrowstyle": "->", "color": ORANGE, "linewidth": 2})
    left.annotate("", (clipped, one_unit(clipped)[0]), (grid[edge], loss[edge]),
                  arrowprops={"arrowstyle": "->", "color": GREEN, "linewidth": 2})
    left.annotate("clipped", (clipped - 0.005, 0.75), color=GREEN, ha="right")
    left.set_ylabel("loss (no unit)")
    right.plot(grid, np.abs(slope), color=BLUE, linewidth=2)
    right.axhline(limit, color=GREEN, linestyle="--")
    right.annotate("clipped at 1", (2.9, limit), (0, 4), textcoords="offset points", color=GREEN)
    right.set_yscale("log")
    right.set_ylabel("size of the gradient |∂loss/∂w|")
    for axes in (left, right):
        axes.set_xlabel("weight w")
    return figure


show(draw_cliff())
say(f"""
Left and right of the cliff the gradient is small, on the edge it is **{slope[edge]:,.0f}**. With a
learning rate of {rate}, one step from there goes to w = −{-plain:.0f}, where the loss is
{one_unit(plain)[0]:.1f} and the slope is 0: the training is over, and lost. Clipped to length
{limit:g}, the step goes to w = {clipped:.2f}, where the loss is {one_unit(clipped)[0]:.3f}.
""")

# %% [markdown]
# **Clipping by norm**: take the gradients of *all* parameters as one long vector $\mathbf{g}$. If
# it is longer than a limit, shorten it to the limit. Its direction stays.
#
# $$\mathbf{g} \leftarrow \mathbf{g} \cdot \min\Big(1, \frac{\text{limit}}{\|\mathbf{g}\|}\Big)$$
#
# `fit` does it at each step if you give it a `clip_norm` (section 6 did).
#
# ## On your own
#
# **1. The backward pass of the cell.** Take the equations of section 5 to the end: derive $\partial
# c$ and pass the gradient check. `dstate` is the pair ($dh'$, $dc'$), each of shape (B, H); `cache`
# is what `lstm_cell` returned, (i, f, g, o, c, c_next). Return the pair ($da$, $dc$): the gradient
# of `a`, shape (B, 4H), in the order i, f, g, o, and the gradient of the *old* cell `c`, (B, H).

# %%
def lstm_cell_backward(dstate, cache):
    """dstate = (dh', dc'), cache of lstm_cell -> da: (B, 4H), dc: (B, H)."""
    ### BEGIN SOLUTION
    dh_next, dc_next = dstate
    i, f, g, o, c, c_next = cache
    tanh_c = np.tanh(c_next)
    do = dh_next * tanh_c
    dc_next = dc_next + dh_next * o * (1 - tanh_c**2)         # two ways: they add
    di, df, dg = dc_next * g, dc_next * c, dc_next * i
    da = np.concatenate(
        [di * i * (1 - i), df * f * (1 - f), dg * (1 - g**2), do * o * (1 - o)], axis=1
    )
    return da, dc_next * f
    ### END SOLUTION


# %%
if check("lstm_cell_backward", lstm_cell_backward):
    a, c = rng.standard_normal((3, 20)), rng.standard_normal((3, 5))
    error = check_gradient(lstm_cell, lstm_cell_backward, a, c)
    print(f"check_gradient: largest relative error {error:.0e}")

# %% [markdown] tags=["solution"]
# The derivation. $c'$ reaches the loss through the next step ($dc'$) and through $h' = o \odot
# \tanh(c')$. Both add:
#
# $$\overline{dc} = dc' + dh' \odot o \odot (1 - \tanh^2 c')$$
#
# Now $c' = f \odot c + i \odot g$ is a sum of two products. Each factor gets what arrives at the
# sum, times the other factor:
#
# $$di = \overline{dc} \odot g, \quad df = \overline{dc} \odot c, \quad dg = \overline{dc} \odot i,
#   \quad dc = \overline{dc} \odot f$$
#
# The last one is the open road of section 5. It remains to multiply each gate's gradient by the
# slope of its gate. It is worth a look that $df$ has the *old* cell in it: a forget gate can learn
# only where there is something to forget.

# %% [markdown]
# **2. How open must the gate be?** Only the forget gate acts on a cell: after `steps` steps,
# $\sigma(b)^{\text{steps}}$ of its content is left, and as much of its gradient. Return the bias
# $b$, a float, with which the share `keep` (between 0 and 1) is left after `steps` steps.

# %%
def forget_bias(steps, keep):
    """The b with σ(b)^steps = keep -> float."""
    ### BEGIN SOLUTION
    gate = keep ** (1 / steps)
    return float(np.log(gate / (1 - gate)))
    ### END SOLUTION


# %%
check("forget_bias", forget_bias)

# %% [markdown]
# **3. Clip by norm.** `grads` is a dict of arrays of any shapes. Return a new dict of the same
# names, in which all arrays together have at most the length `limit`, by the formula of section 7.
# Leave the arrays that were given to you as they are. Gradients may all be 0.

# %%
def clip_by_norm(grads, limit):
    """{name: gradient} -> {name: gradient}, not longer than limit all together."""
    ### BEGIN SOLUTION
    norm = np.sqrt(sum(np.sum(grad**2) for grad in grads.values()))
    factor = min(1, limit / norm) if norm > 0 else 1
    return {name: grad * factor for name, grad in grads.items()}
    ### END SOLUTION


# %%
check("clip_by_norm", clip_by_norm)

# %% [markdown]
# **4. The bound.** Return the bound of section 3 on the length of $dh_{T-k}$ in a plain RNN, if
# $dh_T$ has length 1. It has to hold for whatever inputs and states. `w_h` has shape (H, H) and is
# no rotation in general; `lag` is $k$. Return a float. (`np.linalg.norm` and `np.linalg.svd` may
# help; read what `norm` does by default.)

# %%
def gradient_bound(w_h, lag):
    """The most that is left of a gradient of length 1 after so many steps back -> float."""
    ### BEGIN SOLUTION
    return float(np.linalg.norm(w_h, 2) ** lag)               # the largest singular value
    ### END SOLUTION


# %%
check("gradient_bound", gradient_bound)

# %% [markdown]
# **5. To think about.** A forget gate is at most 1, so on the open road no gradient can grow. Does
# that mean that an LSTM's gradient cannot explode? Change the factor 0.3 in `lstm_norms` to 3, look
# at the curve of forget bias 3, and explain it with the picture of the cell.

# %% [markdown] tags=["solution"]
# It can explode. The gates and the new content are computed from $h_{t-1}$, and $h_{t-1}$ comes
# from $c_{t-1}$: the side roads lead through $W_h$, just as in an RNN. With large recurrent weights
# their factors are above 1, and nothing limits their sum. The forget gate cures the vanishing, not
# the exploding. That is why LSTMs are trained with clipped gradients all the same.

# %% [markdown]
# ## In practice
#
# **Whose gates come first?** Every program computes the same LSTM, and each stores it in its own
# way. With weights from another program you have to know its order:
#
# | program | arrays | order of the gates |
# |---|---|---|
# | minilm | `w_x` (D, 4H), `w_h` (H, 4H), `b` (4H,) | i, f, g, o |
# | torch | `weight_ih` (4H, D), `weight_hh` (4H, H), *two* biases (4H,), added up | i, f, g, o |
# | Keras | `kernel` (D, 4H), `recurrent_kernel` (H, 4H), `bias` (4H,) | i, f, c, o (c: our g) |
# | ONNX | `W` (1, 4H, D), `R` (1, 4H, H), `B` (1, 8H): both biases in a row | i, o, f, c |
#
# We write our weights down in all three forms, let `read_lstm_layers` read them, and get the same
# outputs. Then we make the classic mistake and read ONNX's gates as if they were torch's.

# %%
def in_order(array, order):
    """The four gates of (…, 4H), put from i, f, g, o into another order."""
    gate = dict(zip("ifgo", np.split(array, 4, axis=-1), strict=True))
    return np.concatenate([gate[name] for name in order], axis=-1)


def torch_lstm(x, weight_ih, weight_hh, bias_ih, bias_hh):
    """torch.nn.LSTM(batch_first=True) with one layer, in NumPy: x: (B, T, D) -> (B, T, H)."""
    h = c = np.zeros((len(x), weight_hh.shape[1]), x.dtype)
    outputs = []
    for t in range(x.shape[1]):
        a = x[:, t] @ weight_ih.T + bias_ih + h @ weight_hh.T + bias_hh
        i, f, g, o = np.split(a, 4, axis=1)
        c = 1 / (1 + np.exp(-f)) * c + 1 / (1 + np.exp(-i)) * np.tanh(g)
        h = 1 / (1 + np.exp(-o)) * np.tanh(c)
        outputs.append(h)
    return np.stack(outputs, axis=1)


# %%
ours = [array.astype(np.float32) for array in (w_x4, w_h4, b4)]
split_bias = (0.25 * ours[2], 0.75 * ours[2])                # any two that add up
x32 = x.astype(np.float32)
in_torch = dict(zip(("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"),
                    (ours[0].T, ours[1].T, *split_bias), strict=True))
in_keras = dict(zip(("lstm/kernel", "lstm/recurrent_kernel", "lstm/bias"), ours, strict=True))
in_onnx = {"W": in_order(ours[0], "iofg").T[None], "R": in_order(ours[1], "iofg").T[None],
           "B": np.concatenate([in_order(half, "iofg") for half in split_bias])[None]}

wanted, _ = nn.lstm(x32, *ours)
assert np.allclose(torch_lstm(x32, *in_torch.values()), wanted, atol=1e-6)
rows = []
for name, arrays, order in (("torch", in_torch, None), ("Keras", in_keras, None),
                            ("ONNX", in_onnx, None), ("ONNX, read as i, f, g, o", in_onnx, "ifgo")):
    ((*weights,),) = read_lstm_layers(arrays, order=order)
    difference = np.abs(nn.lstm(x32, *weights)[0] - wanted).max()
    assert (difference < 1e-5) == (order is None)
    rows.append([name, ", ".join(str(array.shape) for array in arrays.values()),
                 "no" if difference < 1e-5 else f"**{difference:.2f}**"])
table(["stored as", "shapes", "outputs differ by"], rows)

# %% [markdown]
# All shapes fit, all numbers are finite, and the last row is nonsense. Only a comparison of outputs
# shows such a mistake.
#
# **The forget bias.** `torch.nn.LSTM` draws all its weights and biases evenly from
# $\pm 1/\sqrt{H}$, so its forget gates begin near $\sigma(0) = 0.5$. Keras adds 1
# (`unit_forget_bias=True`), and so does minilm. You have seen what the difference means.
#
# **Clipping.** `torch.nn.utils.clip_grad_norm_` multiplies by
# $\min(1, \text{limit} / (\|\mathbf{g}\| + 10^{-6}))$. The tiny number avoids a division by 0, and
# makes the result a trifle shorter than the limit:

# %%
def torch_clip(grads, limit):
    norm = np.sqrt(sum(np.sum(grad**2) for grad in grads.values()))
    return {name: grad * min(1, limit / (norm + 1e-6)) for name, grad in grads.items()}


grads = {"w": np.array([[3.0, 0.0], [0.0, 4.0]]), "b": np.array([0.0, 12.0])}
shortened = global_norm(torch_clip(grads, 1.0))
assert abs(shortened - 1) < 1e-6
say(f"Length {global_norm(grads):g} before, {shortened:.9f} after clipping to 1.")

# %% [markdown]
# ## References
#
# - J. L. Elman, *Finding structure in time*, Cognitive Science 14(2), 1990: the plain network.
# - P. J. Werbos, *Backpropagation through time: what it does and how to do it*, Proceedings of the
#   IEEE 78(10), 1990.
# - Y. Bengio, P. Simard and P. Frasconi, *Learning long-term dependencies with gradient descent is
#   difficult*, IEEE Transactions on Neural Networks 5(2), 1994.
# - S. Hochreiter and J. Schmidhuber, *Long short-term memory*, Neural Computation 9(8), 1997.
# - F. A. Gers, J. Schmidhuber and F. Cummins, *Learning to forget: continual prediction with LSTM*,
#   Neural Computation 12(10), 2000: the forget gate.
# - R. Pascanu, T. Mikolov and Y. Bengio, *On the difficulty of training recurrent neural networks*,
#   ICML 2013: the bound (section 2), the cliff (section 2.3) and clipping (algorithm 1).
# - R. Jozefowicz, W. Zaremba and I. Sutskever, *An empirical exploration of recurrent network
#   architectures*, ICML 2015: the forget-gate bias.
# - C. Tallec and Y. Ollivier, *Can recurrent neural networks warp time?*, ICLR 2018: a bias to fit
#   the lag, as in exercise 2.
