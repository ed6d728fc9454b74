# %% [markdown]
# # 13 · Capstone: the Pareto front
#
# Smaller, faster, better: which of a dozen compressed models should you ship? There is rarely *one*
# answer, but there are always many wrong ones, and they can be told apart. This notebook brings the
# course together: three small models for three tasks, every kind of compression, and a picture that
# shows what is worth choosing and how far it is from the best that anyone could do.
#
# ## What you will do
#
# - train a model that translates, one that summarizes and one that hears a sentence's mood
# - compress them by rounding, pruning and distillation, and weigh the *files*
# - look inside: where a model looks, and where its gradient points, before and after
# - draw the front of bytes and quality, and put a clock beside it
# - fit all three models into 100 kB, on a leaderboard that a class can share
#
# ## What you will learn
#
# - what it means that one model *dominates* another, and what a Pareto front is
# - why a model of few bytes need not be a quick one
# - why rounding *during* training can give back what rounding afterwards takes
# - what to report, so that others can compare
#
# ## What you need
#
# Rounding as in [07](07_error_against_bit_width.ipynb) and [10](10_training_with_few_bits.ipynb),
# pruning and distillation as in [11](11_pruning_distillation_low_rank.ipynb), attention as in
# [04](04_sequence_to_sequence.ipynb). All cells together run in about a minute and a half on one
# processor core. You need about 120 minutes.

# %%
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import numpy as np

from minilm import fit, load, prune, quantize, save
from minilm.compression import (
    Recipe,
    add_steps,
    learned_steps,
    pareto_front,
    quantize_with_steps,
    save_coded,
    stage,
    straight_through,
)
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
from minilm.generation import answer
from minilm.inspection import attention_maps, gradient_change, gradients, head_change
from minilm.metrics import exact_match
from minilm.models import Seq2SeqLSTM, TransformerClassifier
from minilm.text import TASKS, LabelTokenizer, PairTokenizer, labelled_batches, pair_batches
from minilm.text.tasks.sentiment import sentiment
from minilm.training import AdamW, as_is, cross_entropy_loss, warmup_cosine
from minilm.weights import nbytes

style()

# %% [markdown]
# ## 1. Three tasks, three models
#
# The tasks are written by small grammars, so that each has exactly one right answer, and no test
# sentence was ever trained on. That is what makes a limit known:
#
# - **translation**, English to Chinese, and **summarization** of an event log: an answer is right
#   if it is right to the last character. The limit is 100 %.
# - **sentiment**: is a sentence positive or negative? "Not" turns the meaning round. One label in
#   ten was flipped by a coin. Nobody can foresee a coin, so no classifier is right more often than
#   90 %: that is *Bayes accuracy*.

# %%
NOISE = 0.1                                            # share of sentiment labels that are wrong
EXAMPLES = {"translation": 15_000, "summarization": 15_000, "sentiment": 8_000}
LIMITS = {"translation": 1.0, "summarization": 1.0, "sentiment": 1 - NOISE}

train_on, test_on = {}, {}
for name, count in EXAMPLES.items():
    learned, asked = (sentiment(NOISE), sentiment(0)) if name == "sentiment" else (TASKS[name],) * 2
    train_on[name] = learned.examples(count, 0, "train")
    test_on[name] = asked.examples(300, 0, "test")
    print(f"{name}\n    {test_on[name][0].source}\n    {test_on[name][0].target}")

# %% [markdown]
# The first two tasks get a recurrent encoder–decoder with attention (notebook 04), the third a
# Transformer with two layers that reads the sentence and is asked once. All are small: a table of
# vectors 64 or 32 numbers wide, a few matrices.

# %%
tokenizers, batches, models = {}, {}, {}
for name in ("translation", "summarization"):
    t = PairTokenizer.train(train_on[name], TASKS[name].tokenizers)
    tokenizers[name], batches[name] = t, pair_batches(t, train_on[name], 64, seed=0)
    models[name] = Seq2SeqLSTM(t.target.vocab_size, t.source.vocab_size, width=64, layers=1,
                               padding_id=t.padding_id)
t = LabelTokenizer.train(train_on["sentiment"], "word")
tokenizers["sentiment"], batches["sentiment"] = t, labelled_batches(t, train_on["sentiment"], 64, 0)
models["sentiment"] = TransformerClassifier(
    t.text.vocab_size, classes=2, width=32, layers=2, heads=4, padding_id=t.padding_id,
    context=t.context([*train_on["sentiment"], *test_on["sentiment"]]),
)  # fmt: skip


def train(name, params, steps, learning_rate, view=as_is, loss=cross_entropy_loss):
    schedule = warmup_cosine(learning_rate, warmup=steps // 10, steps=steps)
    return fit(models[name], params, batches[name], steps=steps, schedule=schedule, seed=0,
               optimizer=AdamW(beta2=0.98), view=view, loss=loss)[0]


STEPS = {"translation": (500, 8e-3), "summarization": (500, 8e-3), "sentiment": (400, 3e-3)}
trained = {name: train(name, models[name].init(0), *STEPS[name]) for name in EXAMPLES}

# %% [markdown]
# *Quality* is the share of right answers. For sentiment we ask for the true labels and then count
# what flipped ones would have done: of a share $a$ of right answers, a tenth would have been called
# wrong, and a tenth of the wrong ones right.

# %%
def answers(name, params):
    model, t = models[name], tokenizers[name]
    texts = [example.source for example in test_on[name]]
    if name == "sentiment":
        logits, _ = model.forward(params, t.encode(texts))              # (300, 2)
        return [t.labels[i] for i in logits.argmax(axis=-1)]
    longest = t.longest_answer([*train_on[name], *test_on[name]])
    written = answer(model, params, t.encode_source(texts), length=longest,
                     begin_id=t.begin_id, end_id=t.end_id)              # always the likeliest token
    return [t.decode(ids) for ids in written]


def quality(name, params):
    a = exact_match(answers(name, params), [example.target for example in test_on[name]])
    return (1 - NOISE) * a + NOISE * (1 - a) if name == "sentiment" else a


def file_bytes(params, writer=save_coded):
    """What a file of these parameters takes on disk, everything included."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        writer(path, params)
        assert load(path).keys() == params.keys()
        return path.stat().st_size


numbers = {name: sum(w.size for w in params.values()) for name, params in trained.items()}
float_quality = {name: quality(name, params) for name, params in trained.items()}
table(["model", "numbers", "bytes of the file, float32", "right answers", "limit"],
      [[name, f"{numbers[name]:,}", f"{file_bytes(params, save):,}",
        f"{float_quality[name]:.1%}", f"{LIMITS[name]:.0%}"] for name, params in trained.items()])
assert all(float_quality[name] > 0.75 * LIMITS[name] for name in EXAMPLES)

# %% [markdown]
# ## 2. The same models, smaller
#
# A compression is a function `params -> params`; the model itself does not know of it. Here are
# five, from the notebooks before. Scales are shared by 32 weights each (a *group*) and chosen for
# the least squared error. Each file is written twice: as an archive (`save`), and by an **entropy
# coder** (`save_coded`), which gives frequent codes fewer bits.

# %%
GROUPS = {"group_size": 32, "objective": "mse"}
compressions = {
    "8 bits": lambda params: quantize(params, 8),
    "4 bits": lambda params: quantize(params, 4, **GROUPS),
    "3 bits": lambda params: quantize(params, 3, **GROUPS),
    "2 bits": lambda params: quantize(params, 2, **GROUPS),
    "half pruned": lambda params: prune(params, 0.5),
}

own_rows = []
for name, params in trained.items():
    for how, compress in {"float32": lambda params: params, **compressions}.items():
        small = compress(params)
        own_rows.append({"task": name, "method": how, "archive": file_bytes(small, save),
                         "file_bytes": file_bytes(small), "quality": quality(name, small)})

table(["compression", *(f"{name}: coded bytes, right" for name in EXAMPLES)],
      [[how, *(f"{r['file_bytes']:,}, {r['quality']:.1%}" for r in own_rows if r["method"] == how)]
       for how in ("float32", *compressions)])

# %% jupyter={"source_hidden": true} tags=["hide-input"]
own = {(r["task"], r["method"]): r for r in own_rows}
for name in EXAMPLES:
    assert own[name, "8 bits"]["quality"] > own[name, "float32"]["quality"] - 0.03
    assert own[name, "2 bits"]["quality"] < own[name, "4 bits"]["quality"] - 0.1
    assert own[name, "half pruned"]["quality"] < own[name, "4 bits"]["quality"]
    assert own[name, "half pruned"]["file_bytes"] > own[name, "float32"]["file_bytes"] / 2
share = {how: np.mean([own[name, how]["file_bytes"] / own[name, how]["archive"]
                       for name in EXAMPLES]) for how in ("float32", "4 bits", "2 bits")}
assert share["2 bits"] < share["4 bits"] < share["float32"]
say(f"""
Eight bits are free in all three tasks and four cost little; two bits hurt all of them. Pruning
half of the weights at once, without training further, saves less than half of the file (a mask says
which half is there) and costs more than four bits do. And the coder? Of an archive of floats it
leaves {share['float32']:.0%}, of one of 4-bit codes {share['4 bits']:.0%}, of 2-bit codes
{share['2 bits']:.0%}: the fewer values there are, the more often the likeliest comes. (An archive
also spends some bytes on each array by itself, which tells in files this small.) All this is one
seed, and of 300 questions three are a point: section 5 does it better.
""")

# %% [markdown]
# ## 3. Looking inside: where does it look?
#
# *Why* does two bits break a translation? A translator with attention says, for every character it
# writes, at which word of the source it looks. So take one sentence whose words change places, and
# draw where the float model and its rounded copies look while they are made to write the right
# answer. (The picture names the Chinese characters in Latin letters, their *pinyin*.)

# %%
sentence = "My mother read a book in the library yesterday."
right = "我妈妈昨天在图书馆读了一本书。"
PINYIN = ["wǒ", "mā", "ma", "zuó", "tiān", "zài", "tú", "shū", "guǎn", "dú", "le", "yì", "běn",
          "shū", "."]

t = tokenizers["translation"]
source = t.encode_source([sentence])                               # (1, S)
target = t.encode_target(right)                                    # (T,)
so_far = np.append(t.begin_id, target)[None, :-1]                  # what is written already
words = [t.source.decode([i]).strip() for i in source[0]]

looks, written = {}, []
for how in ("float32", "4 bits", "3 bits", "2 bits"):
    params = trained["translation"]
    params = params if how == "float32" else compressions[how](params)
    looks[how] = attention_maps(models["translation"], params, source, so_far)
    [ids] = answer(models["translation"], params, source, length=40, begin_id=t.begin_id,
                   end_id=t.end_id)
    written.append([how, t.decode(ids)])
table([sentence, "what the model writes by itself"], written)

# %% jupyter={"source_hidden": true} tags=["hide-input"]
def draw_attention():
    figure, grid = plt.subplots(1, 3, figsize=(8, 4.5), sharey=True)
    for axes, how in zip(grid, ("float32", "3 bits", "2 bits"), strict=True):
        image = axes.imshow(looks[how]["alignment"][0, 0], cmap="cividis", vmin=0, vmax=1,
                            aspect="auto")
        axes.set_xticks(range(len(words)), words, rotation=90)
        axes.set_yticks(range(len(PINYIN)), PINYIN)
        axes.set_title(how, fontsize=10)
        axes.grid(False)
    grid[0].set_ylabel("written, one character a row (pinyin)")
    figure.supxlabel("read", fontsize=10)
    figure.colorbar(image, ax=grid, label="share of the attention", shrink=0.8)
    show(figure, "13-attention-before-and-after")


draw_attention()

# %% [markdown]
# On the left you can read the reordering: *yesterday* is the third word written and the last one
# read, *library* comes before *read*. One number for the difference of two such maps is the share
# of the attention that has gone elsewhere, $\frac12 \sum_s |A'_{ts} - A_{ts}|$, as a mean over the
# rows. $A_{ts}$ is what row $t$ gives to word $s$, and $A'$ is the map after rounding. It is 0 for
# the same map, and 1 for two maps that have no word in common. We take it over 64 test sentences.

# %%
some = test_on["translation"][:64]
source, so_far, _ = pair_batches(t, some, batch_size=64, seed=0)(0)
float_maps = attention_maps(models["translation"], trained["translation"], source, so_far)
moved = {}
for how, compress in compressions.items():
    maps = attention_maps(models["translation"], compress(trained["translation"]), source, so_far)
    moved[how] = head_change(float_maps, maps)["alignment"][0]
table(["compression", "attention moved", "right translations"],
      [[how, f"{moved[how]:.1%}", f"{own['translation', how]['quality']:.1%}"] for how in moved])
assert moved["8 bits"] < moved["4 bits"] < moved["3 bits"] < moved["2 bits"]

# %% jupyter={"source_hidden": true} tags=["hide-input"]
lost = own["translation", "float32"]["quality"] - own["translation", "4 bits"]["quality"]
say(f"""
The more the map moves, the fewer answers are right; but one number does not give the other. At 4
bits {moved['4 bits']:.0%} of the attention looks elsewhere and {lost:.1%} of the answers are lost.
Two bits move {moved['2 bits']:.0%} and pruning {moved['half pruned']:.0%}; they leave
{own['translation', '2 bits']['quality']:.0%} and
{own['translation', 'half pruned']['quality']:.0%} right answers. Judge by the answers; use the map
to understand.
""")

# %% [markdown]
# ## 4. Where does the gradient point?
#
# A model that was rounded after training has no gradients: nobody trains it. But one can train
# *on*, while the weights are rounded: the loss is taken at the rounded weights, and its gradient is
# given to the exact ones beneath, as if rounding were not there (*straight-through*, notebook 10).
# Is that a lie that matters? We compare that gradient $g'$ with the true one, $g$, by two numbers
# for each matrix, the ratio of their lengths and the cosine of the angle between them:
#
# $$\frac{\|g'\|}{\|g\|} \qquad\text{and}\qquad
#   \cos(g', g) = \frac{\langle g', g\rangle}{\|g'\|\,\|g\|}$$
#
# We take the translation model early in its training (after 100 steps), where the gradient still
# has a clear direction, and three batches of 64 sentences. What cosine is a small one? For
# comparison we take two *different batches* at the same exact weights.

# %%
early = train("translation", models["translation"].init(0), 100, 8e-3)
matrices = [name for name, w in early.items() if w.ndim == 2]
drawn = [batches["translation"](10_000 + i) for i in range(3)]


def gradient(params, batch, view=None):
    return gradients(models["translation"], params, batch, cross_entropy_loss, view=view)


def turned_by(params, bits):
    """For each batch: how rounding to so many bits changes the gradient of every matrix."""
    view = straight_through(bits, **GROUPS)
    return [gradient_change(gradient(params, b), gradient(params, b, view)) for b in drawn]


turned = {bits: turned_by(early, bits) for bits in (8, 4, 3, 2)}
other_batch = [gradient_change(gradient(early, drawn[i]), gradient(early, drawn[i - 1]))
               for i in range(3)]


def mean_of(changes, what):
    return np.mean([[batch[name][what] for name in matrices] for batch in changes])

# %% jupyter={"source_hidden": true} tags=["hide-input"]
def draw_gradients():
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 4.6), sharey=True)
    places = np.arange(len(matrices))
    for bits, colour, marker in ((8, GREEN, "s"), (4, BLUE, "o"), (3, PINK, "D"), (2, ORANGE, "v")):
        for axes, what in ((left, "ratio"), (right, "cosine")):
            values = np.array([[batch[name][what] for name in matrices] for batch in turned[bits]])
            axes.plot(values.mean(axis=0), places, marker, color=colour, label=f"{bits} bits")
            axes.hlines(places, values.min(axis=0), values.max(axis=0), color=colour, lw=1)
    left.axvline(1, color=GREY, linestyle=":")
    right.axvline(1, color=GREY, linestyle=":")
    noise = mean_of(other_batch, "cosine")
    right.axvline(noise, color=BLACK, linestyle="--", lw=1)
    right.annotate("another batch", (noise, 4.5), (3, 0), color=BLACK, fontsize=9,
                   textcoords="offset points", rotation=90, va="center")
    left.set_yticks(places, matrices, fontsize=9)
    left.set_xlabel("length of the gradient, rounded / exact")
    right.set_xlabel("cosine with the exact gradient")
    left.set_ylim(-0.6, len(matrices) - 0.4)
    figure.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=4)
    show(figure, "13-gradients-before-and-after")


draw_gradients()

# %% jupyter={"source_hidden": true} tags=["hide-input"]
cosines = {bits: mean_of(changes, "cosine") for bits, changes in turned.items()}
noise = mean_of(other_batch, "cosine")
late = turned_by(trained["translation"], 2)
assert cosines[8] > cosines[4] > cosines[3] > cosines[2] > noise
assert mean_of(late, "ratio") > 5 and mean_of(late, "cosine") < cosines[2]
say(f"""
Dots: means of three batches of one model, and their range; dotted: no change. Mean cosine of all
matrices: {cosines[8]:.3f} at 8 bits, {cosines[4]:.2f} at 4, {cosines[3]:.2f} at 3 and
{cosines[2]:.2f} at 2; of two batches {noise:.2f}. So rounding, even to
2 bits, turns the gradient less than the luck of the draw does, with which training lives all the
time.

At the end of training it is another story. There the exact gradient is short, for there is little
left to learn; at 2 bits the rounded one is
{mean_of(late, 'ratio'):.0f} times longer, with a cosine of {mean_of(late, 'cosine'):.2f}. It is no
noisy copy of $g$ any more: it is the gradient of *another, damaged model*, and says how to mend it.
""")

# %% [markdown]
# Does following it help? We try it where it is quick. Two bits left the sentiment model with little
# more than guessing. Give it 150 further steps while it sees its rounded weights; the scales are
# trained along (*learned steps*, Esser et al. 2020). The control gets the same 150 steps unrounded
# and is rounded at the end.

# %%
exact = trained["sentiment"]
begun = add_steps(exact, bits=2, group_size=32)
aware = quantize_with_steps(train("sentiment", begun, 150, 3e-3 / 4, view=learned_steps(2)), 2)
control = compressions["2 bits"](train("sentiment", exact, 150, 3e-3 / 4))
results = {"2 bits, rounded at the end": own["sentiment", "2 bits"]["quality"],
           "150 more steps, then 2 bits": quality("sentiment", control),
           "150 more steps while at 2 bits": quality("sentiment", aware)}
table(["sentiment", "right answers", "coded bytes"],
      [[how, f"{q:.1%}", f"{file_bytes(small):,}"] for (how, q), small in zip(
          results.items(), (compressions["2 bits"](exact), control, aware), strict=True)])
assert results["150 more steps while at 2 bits"] > max(list(results.values())[:2]) + 0.1

# %% [markdown]
# ## 5. The front
#
# Now there are many models for one task. Some are out of the question: whoever has one that is
# smaller *and* better needs no other. This is all there is to the idea:
#
# > $a$ **dominates** $b$ if $a$ is at least as good as $b$ in every respect, and better in one.
# > The **Pareto front** is what nobody dominates.
#
# On the front you cannot get better in one respect without paying in another. Which of its points
# to take is for you to say; that it should be *one of them* is not.
#
# One seed is not enough to call a model better. `python -m benchmarks pareto` therefore trained
# each of our models from three seeds, and compressed it in more ways: trained while rounded, and
# **distilled** into a student of half the width, who learned from the labels and from the teacher's
# probabilities alike (beside one who learned from the labels alone; both for twice as many steps,
# as a small model needs). Its rows are in the repository.

# %%
rows = saved_rows("benchmarks/pareto.csv")
means = {}                                             # task -> a row for each method
for name in EXAMPLES:
    means[name] = []
    for method in dict.fromkeys(row["method"] for row in rows):
        runs = [row for row in rows if (row["task"], row["method"]) == (name, method)]
        means[name].append({
            "task": name, "method": method, "seeds": len(runs),
            "file_bytes": np.mean([row["coded_bytes"] for row in runs]),
            "quality": np.mean([row["quality"] for row in runs]),
            "lowest": min(row["quality"] for row in runs),
            "highest": max(row["quality"] for row in runs),
            "stored": np.mean([row["stored_seconds"] for row in runs]),
            "thawed": np.mean([row["thawed_seconds"] for row in runs]),
        })
fronts = {name: pareto_front(found, columns=("file_bytes", "quality"), highest=("quality",))
          for name, found in means.items()}

# %% jupyter={"source_hidden": true} tags=["hide-input"]
FAMILIES = {  # what a method's name ends or begins with: colour, marker
    "whole": (BLACK, "*"), "rounded": (BLUE, "o"), "rounded while trained": (GREEN, "s"),
    "half pruned": (PINK, "X"), "half width": (ORANGE, "^"), "half width, rounded": (SKY, "v"),
}


def family(method):
    if method.startswith("half width"):
        return "half width, rounded" if method.endswith("bits") else "half width"
    if method == "half pruned":
        return method
    if method == "float32":
        return "whole"
    return "rounded while trained" if method.endswith("trained") else "rounded"


def short(method):
    """What stands beside a point of the front."""
    bits = [word for word in method.split() if word.isdigit()]
    return f"{bits[0]} bits" if bits else {"float32": "float32"}.get(method, "")


def draw_fronts():
    figure, grid = plt.subplots(3, 1, figsize=(7.6, 9.6))
    for axes, name in zip(grid, EXAMPLES, strict=True):
        limit, lowest = 100 * LIMITS[name], 50
        for row in means[name]:
            colour, marker = FAMILIES[family(row["method"])]
            x, y = row["file_bytes"] / 1000, 100 * row["quality"]
            axes.vlines(x, 100 * row["lowest"], 100 * row["highest"], color=colour, lw=1)
            if y < lowest:                                 # far below: at the edge, with its value
                axes.annotate(f"{y:.0f} %", (x, lowest + 1.5), (8, -3), textcoords="offset points",
                              color=colour, fontsize=9)
            axes.plot(x, max(y, lowest + 1.5), marker, color=colour, markersize=8,
                      label=family(row["method"]))
        before, raised = 0, 0
        for row in fronts[name]:                           # nothing can stand above and to the left
            x, y = row["file_bytes"] / 1000, 100 * row["quality"]
            last = row is fronts[name][-1]                 # above its right there is nothing either
            raised = raised + 12 if x < 1.25 * before and not last else 6
            before = x
            if y >= lowest:
                axes.annotate(short(row["method"]), (x, y), (5 if last else -5, raised), fontsize=9,
                              ha="left" if last else "right", textcoords="offset points",
                              color=FAMILIES[family(row["method"])][0])
        x = [row["file_bytes"] / 1000 for row in fronts[name]]
        y = [100 * row["quality"] for row in fronts[name]]
        axes.step([*x, 1000], [*y, y[-1]], where="post", color=GREY, lw=1, zorder=0)
        axes.axhline(limit, color=GREY, linestyle=":")
        axes.annotate("limit: " + ("Bayes accuracy" if name == "sentiment" else "all right"),
                      (0.995, limit), (0, 8), xycoords=("axes fraction", "data"), ha="right",
                      textcoords="offset points", color=GREY, fontsize=9)
        axes.set_title(name, fontsize=11, loc="left")
        axes.set_xscale("log")
        kilobytes = [4, 8, 16, 32, 64, 128, 256, 512]
        axes.set_xticks(kilobytes, [str(k) for k in kilobytes])
        axes.minorticks_off()
        own_x = [row["file_bytes"] / 1000 for row in means[name]]
        axes.set_xlim(0.7 * min(own_x), 1.25 * max(own_x))
        axes.set_ylim(lowest, limit + 7)
        axes.set_ylabel("right answers (%)")
    grid[-1].set_xlabel("bytes of the coded file (kB, 1 kB = 1,000 bytes)")
    handles = dict(zip(*reversed(grid[0].get_legend_handles_labels()), strict=True))
    figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=3)
    show(figure, "13-pareto-fronts")


draw_fronts()

# %% jupyter={"source_hidden": true} tags=["hide-input"]
lines = []
for name in EXAMPLES:
    whole = next(row for row in means[name] if row["method"] == "float32")
    for row in fronts[name]:
        lines.append([name, row["method"], f"{row['file_bytes']:,.0f}",
                      f"{whole['file_bytes'] / row['file_bytes']:.1f}",
                      f"{row['quality']:.1%} ({row['lowest']:.1%} – {row['highest']:.1%})"])
table(["front of", "method", "bytes of the file", "times smaller", "right (lowest – highest)"],
      lines)

# %% jupyter={"source_hidden": true} tags=["hide-input"]
of = {(row["task"], row["method"]): row for found in means.values() for row in found}
for name in EXAMPLES:
    assert of[name, "2 bits, trained"]["quality"] > of[name, "2 bits"]["quality"] + 0.05
    on_front = {row["method"] for row in fronts[name]}
    assert "half pruned" not in on_front and "float32" not in on_front
    student = of[name, "half width, distilled, 4 bits"]
    assert student["file_bytes"] < of[name, "2 bits"]["file_bytes"]
    assert student["quality"] > of[name, "2 bits"]["quality"]
enough = {}                                            # the smallest within two points of float32
for name in EXAMPLES:
    floor = of[name, "float32"]["quality"] - 0.02
    enough[name] = min((row for row in means[name] if row["quality"] >= floor),
                       key=lambda row: row["file_bytes"])
gain = {name: 100 * (of[name, "half width, distilled"]["quality"]
                     - of[name, "half width, alone"]["quality"]) for name in EXAMPLES}
for name in EXAMPLES:                                  # less than from seed to seed
    students = [of[name, f"half width, {how}"] for how in ("alone", "distilled")]
    assert abs(gain[name]) < 100 * max(row["highest"] - row["lowest"] for row in students)
within = "; ".join(
    f"{name} *{row['method']}*, {row['file_bytes']:,.0f} bytes, "
    f"{of[name, 'float32']['file_bytes'] / row['file_bytes']:.0f} times smaller"
    for name, row in enough.items())
say(f"""
Bars: the lowest and the highest of {of['sentiment', 'float32']['seeds']} seeds; the grey staircase
is the front, and its points are in the table. A mark at the lower edge stands for a value below it.

- The smallest file that stays within two points of float32: {within}.
- float32 itself is on no front, and neither is *half pruned* without training: something is smaller
  and at least as good, every time.
- Two bits are worth little when a model is rounded at the end (of the translations
  {of['translation', '2 bits']['quality']:.1%} are right) and a lot when it was trained to bear them
  ({of['translation', '2 bits, trained']['quality']:.1%}).
- Compressions combine. In every task a student of half the width and four bits is smaller and
  better than the whole model rounded to two: first fewer numbers, then fewer bits for each.
- The front does not ask how a model came about, so do ask. What was trained while rounded had 300
  further steps, which float32 had not; that alone may make some better than float32.
- The teacher changes the students by {gain['translation']:+.1f} (translation),
  {gain['summarization']:+.1f} (summarization) and {gain['sentiment']:+.1f} points (sentiment)
  against learning alone, no more than seeds differ. Where labels are plenty there is little left
  for a teacher to add.
- Means hide the spread. Where two bars overlap, another seed may say otherwise.
""")

# %% [markdown]
# ## 6. And the clock
#
# A smaller file is quicker to send and to load. Is it quicker to *run*? A processor multiplies
# floats (or whole bytes); three-bit codes must be unpacked first. So there are two ways to run a
# compressed model: unpack it once and keep the floats (`thaw`), or keep it small and unpack at
# every product. The benchmark measured both, on one thread. We draw each time against the float
# model's own, seed by seed.

# %%
def time_ratios(name, method, column):
    """Each seed's time over that of its float model, which took turns with it."""
    return np.array([row[column] / row["float_seconds"] for row in rows
                     if (row["task"], row["method"]) == (name, method)])


TIMED = ("8 bits", "4 bits", "2 bits", "half pruned", "half width, distilled",
         "half width, distilled, 4 bits")

# %% jupyter={"source_hidden": true} tags=["hide-input"]
def draw_times():
    figure, grid = plt.subplots(1, 3, figsize=(8, 3.6), sharey=True, sharex=True)
    for axes, name in zip(grid, EXAMPLES, strict=True):
        for place, method in enumerate(TIMED):
            for column, colour, marker, shift in (("stored_seconds", ORANGE, "s", -0.13),
                                                  ("thawed_seconds", BLUE, "o", 0.13)):
                ratios = time_ratios(name, method, column)
                axes.hlines(place + shift, ratios.min(), ratios.max(), color=colour)
                axes.plot(np.median(ratios), place + shift, marker, color=colour)
        axes.axvline(1, color=GREY, linestyle=":")
        axes.set_title(f"{name}\nfloat32: {of[name, 'float32']['thawed']:.2f} s", fontsize=10)
    grid[0].set_yticks(range(len(TIMED)), TIMED)
    grid[0].set_ylim(len(TIMED) + 0.1, -0.5)
    grid[0].annotate("kept as stored", (0.97, 0.02), ha="right", xycoords="axes fraction",
                     color=ORANGE, fontsize=9)
    grid[1].annotate("unpacked once", (0.97, 0.02), ha="right", xycoords="axes fraction",
                     color=BLUE, fontsize=9)
    figure.supxlabel("time for 1,000 examples, as a multiple of float32's (dotted: equal)",
                     fontsize=10)
    show(figure, "13-time")


draw_times()

# %% jupyter={"source_hidden": true} tags=["hide-input"]
stored = np.median([time_ratios(n, m, "stored_seconds") for n in EXAMPLES
                    for m in ("8 bits", "4 bits", "2 bits")])
thawed = np.median([time_ratios(n, m, "thawed_seconds") for n in EXAMPLES
                    for m in ("8 bits", "4 bits", "2 bits")])
student = np.median([time_ratios(n, "half width, distilled", "thawed_seconds") for n in EXAMPLES])
assert student < 1 and stored > 0.9 and 0.75 < thawed < 1.25
say(f"""
Marks: medians of the seeds, with their range. Fewer bits alone make nothing quicker here: unpacked
once, a rounded model takes {thawed:.2f} times the float model's time (median), kept as stored
{stored:.2f} times, for the unpacking. What *is*
quicker is a model with less to multiply: the student of half the width takes {student:.2f} times.
Speed from few bits needs a program that multiplies codes (as llama.cpp's do), or a machine that
waits for memory more than it computes. When someone says "4 bits, four times as fast", ask what was
measured. The times themselves are this benchmark's machine's: seconds of one core for 1,000
examples stand above the panels.
""")

# %% [markdown]
# ## 7. A recipe: stages in a row
#
# Compressions combine: fewer weights, fewer bits for what is left, and fewer bytes for those bits.
# Each stage can be repaired by some training before the next. minilm calls that a *recipe*. It
# needs a **bench**: whoever trains and judges the model. Ours is short:

# %%
class Bench:
    """The sentiment model on its data, as a recipe wants it."""

    def __init__(self):
        self.model, self.seed = models["sentiment"], 0

    def trained(self):                                 # what the recipe begins with
        return trained["sentiment"]

    def batches(self):
        return batches["sentiment"]

    def fit(self, params, steps, *, learning_rate=None, view=as_is, loss=cross_entropy_loss):
        return train("sentiment", params, steps, learning_rate or 3e-3 / 4, view, loss), []

    def judge(self, params, reference):                # what is said of each stage
        return {"quality": quality("sentiment", params)}

    def keep(self, params, path):
        save(path, params)


recipes = {
    "deep compression": Recipe(
        stage("prune", sparsity=0.5), stage("tune", steps=100),
        stage("quantize", bits=3, train="levels"), stage("tune", steps=100), stage("code")),
    "ternary": Recipe(
        stage("quantize", bits=2, train="steps", grid="int", group_size=32),
        stage("tune", steps=200), stage("code", vectors="bf16")),
}
ran = {name: recipe.run(Bench()).rows for name, recipe in recipes.items()}
table(["recipe", "stage", "bytes of the file", "times smaller", "right answers"],
      [[name, row["do"], f"{row['file_bytes']:,}", f"{row['smaller']:.1f}", f"{row['quality']:.1%}"]
       for name, stages in ran.items() for row in stages])

# %% [markdown]
# Every stage's file was written, read again, and compared bit for bit, before its row was made. The
# first recipe is *Deep Compression* (Han et al. 2016): prune, retrain, share values (a codebook),
# train the shared values, code. The second knows three values, −1, 0 and 1, and a scale for each 32
# weights; what is no matrix is written in 16 bits (`bf16`).

# %% jupyter={"source_hidden": true} tags=["hide-input"]
every = [row for stages in ran.values() for row in stages]
columns = ("file_bytes", "quality")
best = pareto_front([*every, *fronts["sentiment"]], columns=columns, highest=("quality",))
ends = {name: stages[-1] for name, stages in ran.items()}
assert min(row["quality"] for row in ends.values()) > 0.8
by_recipe = [row for row in best if "do" in row]
large = [row for row in saved_rows("benchmarks/recipes.csv") if row["model"] == "translation"]
end = max(row["stage"] for row in large)
first, last = ([row for row in large if row["stage"] == s] for s in (0, end))
say(f"""
Draw the front of both recipes and the points above together: of its {len(best)} points
{len(by_recipe)} come from a recipe. At the end {ends['deep compression']['smaller']:.0f} and
{ends['ternary']['smaller']:.0f} times are saved. (The recipes ran here from one seed.)

The same with a larger model: the repository's Transformer that translates, trained to the end,
shrinks from {np.mean([r['file_bytes'] for r in first]):,.0f} to
{np.mean([r['file_bytes'] for r in last]):,.0f} bytes by the second recipe, and
{np.mean([r['exact_match'] for r in first]):.1%} right answers become
{np.mean([r['exact_match'] for r in last]):.1%}: means of three seeds, from
`benchmarks/recipes.csv`, which `data/recipes/translation.toml` made.
""")

# %% [markdown]
# ## 8. Three models in 100 kB
#
# A microcontroller has 100 kB for all three models. Which compression for which? The score is the
# mean, over the tasks, of the share of the attainable that is attained: quality divided by its
# limit. Each method for one model goes with each for another: few enough to try them all.

# %%
def best_choice(budget, candidates):
    """The best score of one row for each task, within the budget of bytes."""
    a, b, c = (candidates[name] for name in EXAMPLES)
    size = np.add.outer(np.add.outer([r["file_bytes"] for r in a], [r["file_bytes"] for r in b]),
                        [r["file_bytes"] for r in c])              # (ways, ways, ways)
    gain = [[r["quality"] / LIMITS[r["task"]] / 3 for r in part] for part in (a, b, c)]
    score = np.add.outer(np.add.outer(gain[0], gain[1]), gain[2])
    score = np.where(size <= budget, score, -np.inf)
    i, j, k = np.unravel_index(score.argmax(), score.shape)
    return score.max(), size[i, j, k], (a[i], b[j], c[k])


lines = []
for budget in (40_000, 50_000, 60_000, 80_000, 100_000):
    score, size, chosen = best_choice(budget, fronts)
    assert np.isclose(score, best_choice(budget, means)[0])    # only the fronts matter
    lines.append([f"{budget:,}", f"{size:,.0f}", f"{100 * score:.1f}",
                  *(row["method"] for row in chosen)])
table(["budget, bytes", "used", "score, of 100", *EXAMPLES], lines)
say("We looked at the points of the three fronts alone, and the best of *all* combinations scores "
    "no more: whatever is dominated can be exchanged for what dominates it, at no cost. That is "
    "what a front is *for*.")

# %% [markdown]
# Here is the **leaderboard** for your class. An entry is one line of a csv file; collect the lines
# of all, and sort. Two entries to begin with, made with the models trained above:

# %%
COLUMNS = ("name", "bytes", *EXAMPLES, "score")


def entry(name, compress):
    """A line of the leaderboard: compress every model by `compress`, write it, judge it."""
    small = {task: compress(params) for task, params in trained.items()}
    right = {task: quality(task, small[task]) for task in EXAMPLES}
    score = 100 * np.mean([right[task] / LIMITS[task] for task in EXAMPLES])
    size = sum(file_bytes(params) for params in small.values())
    return {"name": name, "bytes": size, **right, "score": score}


def leaderboard(entries, limit=100_000):
    """Best first; what is over the limit comes last, with no rank."""
    ranked = sorted(entries, key=lambda e: (e["bytes"] > limit, -e["score"], e["bytes"]))
    table(["rank", *COLUMNS],
          [[place if e["bytes"] <= limit else "too large", e["name"], f"{e['bytes']:,}",
            *(f"{e[task]:.1%}" for task in EXAMPLES), f"{e['score']:.1f}"]
           for place, e in enumerate(ranked, start=1)])


entries = [entry("4 bits for all", compressions["4 bits"]),
           entry("2 bits for all", compressions["2 bits"])]
leaderboard(entries)

# %% [markdown]
# ## On your own
#
# **1. The front.** `front_of(points)` takes an array `points` of shape `(n, 2)`: bytes, where fewer
# are better, and quality, where more is better. Return the indices of the points that no other
# point dominates, as a sorted list. Of several equal points all stay, for none of them is better
# than another.

# %%
def front_of(points):
    """points: (n, 2), bytes and quality -> sorted list of the indices on the front."""
    ### BEGIN SOLUTION
    def dominated(b):
        as_good = (points[:, 0] <= b[0]) & (points[:, 1] >= b[1])
        better = (points[:, 0] < b[0]) | (points[:, 1] > b[1])
        return (as_good & better).any()

    return [i for i, point in enumerate(points) if not dominated(point)]
    ### END SOLUTION


# %%
check("front_of", front_of)

# %% [markdown]
# **2. One number for a whole front.** To compare two people's fronts, measure the area below them.
# `hypervolume(points, most_bytes, least_quality)` takes `points` as above. A point $(b, q)$ covers
# the rectangle from $b$ to `most_bytes` and from `least_quality` to $q$; if it lies outside, it
# covers nothing. Return the area of all rectangles *together*, each place counted once, in bytes ×
# quality. (Sort by bytes: how far up are you covered between one file size and the next?)

# %%
def hypervolume(points, most_bytes, least_quality):
    """points: (n, 2), bytes and quality -> the area that they cover, a float."""
    ### BEGIN SOLUTION
    inside = points[(points[:, 0] < most_bytes) & (points[:, 1] > least_quality)]
    inside = inside[np.argsort(inside[:, 0])]
    ends = np.append(inside[1:, 0], most_bytes)                     # where the next one begins
    heights = np.maximum.accumulate(inside[:, 1]) - least_quality   # the best so far
    return float(((ends - inside[:, 0]) * heights).sum())
    ### END SOLUTION


# %%
check("hypervolume", hypervolume)

# %% [markdown]
# **3. Onto the leaderboard.** Write `compress(params)`: it takes the float32 parameters of any
# model, a `dict` of arrays, and returns a dict with the same names, whose matrices may be
# compressed. The check tries it on a small classifier that you have not seen: the file that
# `save_coded` writes must be at most an *eighth* of the float32 archive, and no more than two
# percentage points of right answers may be lost. (Sections 2 and 5 say what to expect from how many
# bits. Groups must divide the number of rows of a matrix; the sizes of all models here can be
# divided by 32.) If you pass, the cell after it enters you on the board.

# %%
def compress(params):
    """params: {name: float32 array} -> {name: array or compressed weight}."""
    ### BEGIN SOLUTION
    return quantize(params, 3, group_size=32, objective="mse")
    ### END SOLUTION


# %%
check("compress", compress)

# %% tags=["uses-answer"]
if compress(trained["sentiment"]) is not None:
    mine = entry("my name", compress)
    leaderboard([*entries, mine])
    print(",".join(COLUMNS))
    print(",".join(f"{value:.4f}" if isinstance(value, float) else str(value)
                   for value in mine.values()))

# %% [markdown]
# How much better can it be? `compress` may give different names different bits (`quantize` takes a
# dict), or train: `train` and the views of section 4 are there. Whatever you do, the file decides.
#
# **4. To think about.** A colleague shows a table: "Model A: 4 bits, 98 % of the quality, 8 times
# smaller." Which five questions do you ask before you believe that A belongs on your front?

# %% [markdown] tags=["solution"]
# *Some answers.*
#
# - 8 times smaller *counted how*: 32/4, or the bytes of a file with scales, tables that stayed
#   float, and headers? (Four bits with a 16-bit scale for each 32 weights are 4.5 bits.)
# - 98 % of *which* quality, on which test data, chosen before or after looking? How far was the
#   float model from the limit?
# - From how many seeds, and how large is the spread? How many test examples: with 300 of them, one
#   point is three answers.
# - Smaller than *what*? A float model of the same size, or a student, may be better still: the
#   competitors decide the front, not the original.
# - Was it trained further while it was rounded? Then what did the same training do for the float
#   model?
# - How long does it take, on which machine, with how many threads, and how much memory does it need
#   at its peak, unpacked or not?

# %% [markdown]
# ## In practice
#
# **llama.cpp**'s `quantize` tool lists its types with *bits per weight*, and the number follows
# from how a block is laid out. Q4_0: 32 codes of 4 bits and one float16 scale, 18 bytes. Q8_0: 32
# codes of 8 bits and a scale, 34 bytes. Q4_K: 256 codes of 4 bits; 8 scales and 8 minima of 6 bits;
# two float16 that scale those, 144 bytes. Q2_K: 256 codes of 2 bits, 16 scales and minima of 4
# bits, two float16. The first two have the size of a group of 32 in minilm, to the byte.

# %%
BLOCKS = {  # weights in a block, bytes of its parts
    "Q8_0": (32, [32, 2]),
    "Q4_K": (256, [128, 12, 2 + 2]),
    "Q4_0": (32, [16, 2]),
    "Q2_K": (256, [64, 16, 2 + 2]),
}
matrix = np.random.default_rng(0).standard_normal((256, 64)).astype(np.float32)
lines = []
for kind, (weights, parts) in BLOCKS.items():
    bits_per_weight = 8 * sum(parts) / weights
    bits = {"Q8_0": 8, "Q4_0": 4}.get(kind)
    ours = quantize(matrix, bits, axis=-1, group_size=32).bits_per_weight if bits else None
    assert ours is None or ours == bits_per_weight
    lines.append([kind, f"{sum(parts)} bytes for {weights}", f"{bits_per_weight:g}",
                  "" if ours is None else f"{ours:g}"])
table(["llama.cpp type", "block", "bits per weight", "minilm, groups of 32"], lines)

# %% [markdown]
# The tool then prints the size of the whole model and *its* bits per weight, in which tensors that
# stayed larger are counted; a **model card** on Hugging Face often names parameters, the type, and
# scores of the *unrounded* model. What should you report, so that others can place you on their
# front? At least this, and each line comes from a measurement:

# %%
def card(task, method):
    runs = [row for row in rows if (row["task"], row["method"]) == (task, method)]
    right = [row["quality"] for row in runs]
    one = runs[0]

    def mean(column):
        return np.mean([row[column] for row in runs])

    return [
        ["numbers", f"{mean('numbers'):,.0f}"],
        ["bytes of the file, coded", f"{mean('coded_bytes'):,.0f}"],
        ["bytes in memory, as stored", f"{mean('memory_bytes'):,.0f}"],
        ["true bits per weight, in the file", f"{8 * mean('coded_bytes') / mean('numbers'):.2f}"],
        ["right answers, mean (lowest – highest)",
         f"{np.mean(right):.1%} ({min(right):.1%} – {max(right):.1%})"],
        ["the float model's", f"{of[task, 'float32']['quality']:.1%}"],
        ["limit", f"{LIMITS[task]:.0%}"],
        ["seeds, test examples", f"{len(runs)}, {one['asked']:.0f}"],
        ["seconds for 1,000 examples, as stored / unpacked",
         f"{mean('stored_seconds'):.2f} / {mean('thawed_seconds'):.2f}"],
        ["measured with", f"one thread, Python {one['python']}, NumPy {one['numpy']}"],
    ]  # fmt: skip


table(["translation, 2 bits, trained while rounded", ""], card("translation", "2 bits, trained"))
thawed_bytes, stored_bytes = nbytes(trained["sentiment"]), nbytes(aware)
say(f"What is missing is the *peak* of memory while it runs. Unpacked, a two-bit model needs what "
    f"the float model needs: for sentiment {thawed_bytes:,} bytes of weights instead of the "
    f"{stored_bytes:,} that are stored.")

# %% [markdown]
# ## References
#
# - V. Pareto, *Manuale di economia politica*, 1906: the idea of the front.
# - E. Zitzler and L. Thiele, *Multiobjective evolutionary algorithms: a comparative case study and
#   the strength Pareto approach*, IEEE Transactions on Evolutionary Computation, 1999: the area
#   below a front as one number.
# - S. Han, H. Mao and W. Dally, *Deep compression*, ICLR 2016, figure 1: prune, share, code.
# - S. Esser et al., *Learned step size quantization*, ICLR 2020: the steps of the grid are trained.
# - G. Hinton, O. Vinyals and J. Dean, *Distilling the knowledge in a neural network*,
#   arXiv:1503.02531, 2015.
# - D. Bahdanau, K. Cho and Y. Bengio, *Neural machine translation by jointly learning to align and
#   translate*, ICLR 2015: the attention that is drawn.
# - S. Jain and B. Wallace, *Attention is not explanation*, NAACL 2019: why a map is no proof.
# - M. Mitchell et al., *Model cards for model reporting*, FAT* 2019.
# - The blocks of *In practice*: `ggml-common.h` in llama.cpp.
