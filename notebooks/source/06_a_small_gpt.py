# %% [markdown]
# # 06 · A small GPT: tokens, cache, sampling
#
# A GPT does three things: it cuts a text into pieces, it says how likely every piece is to come
# next, and it draws one. This notebook does all three by hand. The model is small enough to be
# trained here in seconds, and it learns a language whose best possible loss is known *exactly*, so
# that for once you can say how good it is, and not only how much better than before.
#
# ## What you will do
#
# - learn byte-pair encoding from a handful of words, and find the same pieces in minilm's tokenizer
# - train a small Transformer on characters and on those pieces, and draw both losses over the floor
# - write greedy decoding, temperature and top-k, and draw text with them
# - give the model a memory of what it has read, prove that it changes nothing, see what it saves
#
# ## What you will learn
#
# - why losses of two tokenizers are compared per *character*
# - what temperature, top-k and top-p cut away, and what each costs
# - why reading again costs $O(T^2)$ and a key–value cache $O(T)$
#
# ## What you need
#
# Attention and the causal mask, as in [05](05_the_transformer.ipynb); entropy, as in
# [00](00_bits_losses_floors.ipynb). All cells together run in about a minute on one processor core.
# You need about 100 minutes.

# %%
import re
from collections import Counter
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np

from minilm import TransformerLanguageModel, fit
from minilm.course import (
    BLACK,
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
from minilm.generation import generate, next_token_probabilities
from minilm.inspection import listening
from minilm.nn import attention, causal_mask
from minilm.text import GRAMMAR, BPETokenizer, CharTokenizer, windows, witten_bell_losses
from minilm.training import evaluate, warmup_cosine

style()

# %% [markdown]
# ## 1. Pieces of text: byte-pair encoding
#
# A model reads whole numbers, so a text must become some. One number for each *character* makes
# few numbers but long texts. One for each *word* makes short texts, but no number for a word that
# was never seen. **Byte-pair encoding** (BPE) starts with characters and lets the text itself say
# what belongs together:
#
# > Count all pairs of neighbours. Make the most frequent pair one new symbol. Repeat.
#
# Two details before the code. The text is first cut into words, and no pair reaches across the cut;
# the space *before* a word belongs to it. And as a space cannot be seen, it is written Ġ, a new
# line Ċ. Both habits are GPT-2's.

# %%
def cut(text):
    """Words with the space before them, full stops and new lines, in visible letters."""
    pieces = re.findall(r" ?[a-z]+|\.|\n", text)
    assert "".join(pieces) == text                     # nothing is lost
    return [piece.replace(" ", "Ġ").replace("\n", "Ċ") for piece in pieces]


def count_pairs(words):
    """words: {tuple of symbols: how often the word stands in the text}."""
    times = Counter()
    for word, count in words.items():
        for pair in pairwise(word):
            times[pair] += count
    return times


tiny = "the cats see the cat that sees the dogs"
tiny_words = Counter(tuple(word) for word in cut(tiny))
print(cut(tiny))
for pair, count in count_pairs(tiny_words).most_common(4):
    print(pair, "stands", count, "times")

# %% [markdown]
# The pair that comes first is merged everywhere; then everything is counted anew. If several pairs
# are equally frequent, some rule must choose, or two people get two tokenizers: here the pair whose
# symbols came into the vocabulary first (the characters stand there in alphabetical order).

# %%
def merged(word, pair):
    """The word with every `pair`, from left to right, made one symbol."""
    symbols, i = [], 0
    while i < len(word):
        together = word[i : i + 2] == pair
        symbols.append(word[i] + word[i + 1] if together else word[i])
        i += 2 if together else 1
    return tuple(symbols)


def train_bpe(text, merges, min_count=2):
    """The pairs that are merged, in the order learned; fewer if no pair stands there so often."""
    words = Counter(tuple(word) for word in cut(text))
    vocabulary = sorted({symbol for word in words for symbol in word})
    learned = []
    for _ in range(merges):
        number = {symbol: i for i, symbol in enumerate(vocabulary)}
        times = count_pairs(words)
        most = max(times.values(), default=0)
        if most < min_count:
            break
        pair = min((p for p in times if times[p] == most), key=lambda p: (number[p[0]],
                                                                          number[p[1]]))
        words = {merged(word, pair): count for word, count in words.items()}
        vocabulary.append(pair[0] + pair[1])
        learned.append(pair)
    return learned


for number, (a, b) in enumerate(train_bpe(tiny, merges=6), start=1):
    print(f"merge {number}:  {a} + {b}  ->  {a + b}")

# %% [markdown]
# Now a real text, or nearly: *village stories*, drawn from a small grammar (you met it in
# [00](00_bits_losses_floors.ipynb)). It has a few dozen words, and its sentences nest. minilm's
# `BPETokenizer` works on *bytes*, 256 of them, so that nothing at all is ever unknown; beyond those
# it must learn what our loops learn.

# %%
text = GRAMMAR.sample(12_000, seed=0)                  # to train on
test_text = GRAMMAR.sample(400, seed=99)               # to be judged by
print(text[:230])

bpe = BPETokenizer.train(text, vocab_size=1000)
by_hand = train_bpe(text, merges=1000 - 256)
assert by_hand == list(bpe.merges)

say(f"Both make the same **{len(by_hand)} merges** in the same order, until no pair is left: the "
    f"first are {', '.join(f'`{a + b}`' for a, b in by_hand[:6])}, the last `{bpe.vocabulary[-1]}`."
    f" With the 256 bytes that is a vocabulary of {bpe.vocab_size}. By then every word is one "
    "token, and what repeats *across* words BPE must not see.")

# %% [markdown]
# To encode a new word, cut it into characters and do the merges that were learned, in that order.
# What did each merge buy? We measure how many tokens the test text takes after 0, 1, 2, … merges.

# %%
test_words = Counter(tuple(word) for word in cut(test_text))
tokens_after = [sum(len(word) * n for word, n in test_words.items())]
example = tuple(cut(" teaches")[0])
spelled = [(0, " ".join(example))]
for number, pair in enumerate(by_hand, start=1):
    test_words = Counter({merged(word, pair): n for word, n in test_words.items()})
    tokens_after.append(sum(len(word) * n for word, n in test_words.items()))
    if merged(example, pair) != example:
        example = merged(example, pair)
        spelled.append((number, " ".join(example)))
assert tokens_after[-1] == len(bpe.encode(test_text))

per_token = len(test_text) / np.array(tokens_after)
longest = len(test_text) / len(cut(test_text))          # every word one token
table(["merges done", "` teaches` in pieces"], spelled)

# %% jupyter={"source_hidden": true} tags=["hide-input"]
def draw_vocabulary():
    figure, axes = plt.subplots(figsize=(7, 3.6))
    axes.plot(256 + np.arange(len(per_token)), per_token, color=BLUE)
    axes.annotate("byte-pair encoding", (300, per_token[44]), (10, -12), color=BLUE,
                  textcoords="offset points")
    axes.axhline(longest, color=GREY, linestyle=":")
    axes.annotate("limit: every word one token", (256, longest), (0, 5), color=GREY,
                  textcoords="offset points")
    axes.plot(256, 1, "o", color=ORANGE)
    axes.annotate("bytes alone", (256, 1), (8, -3), color=ORANGE, textcoords="offset points")
    axes.set_xlabel("tokens in the vocabulary")
    axes.set_ylabel("characters per token")
    axes.set_ylim(0.7, 1.12 * longest)
    show(figure, "06-characters-per-token")


draw_vocabulary()

# %% [markdown]
# A token more in the vocabulary is a row more in the model's table, but a text of half as many
# tokens is read in half the time. Real languages never reach the dotted line: they always have
# another rare word.
#
# ## 2. A model, and how far it is from the floor
#
# The model is the Transformer of notebook 05: a table of vectors, two blocks with causal
# self-attention, and the table again to score what comes next. It is trained on windows of 64
# tokens to say each next one. We train it on characters and on BPE's tokens, three times each with
# different first weights and different windows. The step size rises at first, then falls
# (`warmup_cosine`).
#
# A loss is in nats (natural logarithms, as in 00) *per token*, and a token of four characters has
# more to it than one of one. So both are turned into the same currency:
#
# $$\text{nats per character} = \text{nats per token} \cdot
#   \frac{\text{tokens of the text}}{\text{characters of the text}}$$
#
# And the floor? The grammar that wrote the text gives every sentence a probability, so we know what
# the *true* model loses on this very test text. No model can be expected to do better.

# %%
STEPS, SEEDS = 300, (0, 1, 2)
tokenizers = {"characters": CharTokenizer.train(text), "BPE": bpe}
floor = -GRAMMAR.log_probability(test_text) / len(test_text)
entropy = GRAMMAR.entropy_rate()                        # its mean over all texts, exactly
assert abs(floor - entropy) < 0.02


def model_for(tokenizer):
    return TransformerLanguageModel(tokenizer.vocab_size, width=64, layers=2, heads=4, context=64)


def loss_per_character(model, params, tokenizer):
    ids = tokenizer.encode(test_text)
    return evaluate(model, params, ids) * len(ids) / len(test_text)


def train(tokenizer, seed):
    model = model_for(tokenizer)
    batches = windows(tokenizer.encode(text), batch_size=16, context=64, seed=seed)
    params, history = fit(
        model, model.init(seed), batches, steps=STEPS, seed=seed,
        schedule=warmup_cosine(4e-3, warmup=30, steps=STEPS), evaluate_every=50,
        evaluate=lambda seen: loss_per_character(model, seen, tokenizer),
    )  # fmt: skip
    curve = [(h["step"], h["validation_loss"]) for h in history if "validation_loss" in h]
    return params, np.array(curve)


trained = {(name, seed): train(tokenizer, seed)
           for name, tokenizer in tokenizers.items() for seed in SEEDS}

# %% [markdown]
# There is one more line to beat: counting. An *n-gram* predicts the next token from the n − 1
# before it, by how often each followed them in training (smoothed as in notebook 00). We take the
# best n for each tokenizer.

# %%
best_ngram = {}
for name, tokenizer in tokenizers.items():
    ids, test_ids = tokenizer.encode(text), tokenizer.encode(test_text)
    losses = np.array(witten_bell_losses(ids, test_ids, tokenizer.vocab_size, max_order=12))
    losses *= len(test_ids) / len(test_text)
    best_ngram[name] = (losses.min(), 1 + int(losses.argmin()))

final = {name: np.array([trained[name, seed][1][-1, 1] for seed in SEEDS]) for name in tokenizers}

# %% jupyter={"source_hidden": true} tags=["hide-input"]
def draw_losses():
    figure, axes = plt.subplots(figsize=(7.6, 4.6))
    for name, colour, marker in (("characters", ORANGE, "s"), ("BPE", BLUE, "o")):
        curves = np.array([trained[name, seed][1] for seed in SEEDS])       # (seeds, points, 2)
        steps, losses = curves[0, :, 0], curves[:, :, 1]
        axes.fill_between(steps, losses.min(0), losses.max(0), color=colour, alpha=0.25, lw=0)
        axes.plot(steps, losses.mean(0), marker=marker, color=colour)
        axes.annotate(f"{name}: {losses[:, -1].mean():.3f}", (steps[-1], losses[:, -1].mean()),
                      (8, -4), textcoords="offset points", color=colour)
        count, order = best_ngram[name]
        axes.axhline(count, color=colour, linestyle="--", lw=1)
        what = "characters" if name == "characters" else "BPE tokens"
        axes.annotate(f"{order}-gram of {what}: {count:.3f}", (375, count),
                      (0, 4 if name == "characters" else -12), ha="right", color=colour,
                      textcoords="offset points", fontsize=9)
    axes.axhline(floor, color=BLACK, lw=1.2)
    axes.annotate(f"floor: {floor:.3f}", (375, floor), (0, -13), color=BLACK, ha="right",
                  textcoords="offset points")
    axes.set_xlim(40, 376)
    axes.set_xticks(range(50, 301, 50))
    axes.set_ylim(0.375, 0.75)
    axes.set_xlabel("training steps of 1,024 tokens each")
    axes.set_ylabel("loss (nats per character)")
    show(figure, "06-loss-against-floor")


draw_losses()

# %% jupyter={"source_hidden": true} tags=["hide-input"]
gap = {name: values.mean() - floor for name, values in final.items()}
assert final["BPE"].max() < final["characters"].min() and final["BPE"].min() > floor
counted = min(loss for loss, _ in best_ngram.values())
assert final["BPE"].max() < counted and final["characters"].min() > best_ngram["characters"][0]
own, per_piece = (len(test_text) / len(t.encode(test_text)) for t in tokenizers.values())
say(f"""
Bands: the lowest and the highest of {len(SEEDS)} runs.

- With BPE the model ends **{gap['BPE']:.3f} nats per character above the floor**
  ({final['BPE'].min():.3f} to {final['BPE'].max():.3f}), below every n-gram. In its own currency
  that is {final['BPE'].mean() * per_piece:.2f} nats per token: more than the
  {final['characters'].mean():.2f} per token of the characters' model, which is the worse one. A
  loss per token says nothing across tokenizers.
- On characters, after as many steps, it is {gap['characters']:.3f} above. It has not even passed
  counting: the best n-gram of characters looks back {best_ngram['characters'][1] - 1} of them.
- Part of the reason is plain. A step reads 1,024 tokens: {1024 * per_piece:,.0f} characters with
  BPE, 1,024 without. And a window of 64 tokens sees {64 * per_piece:.0f} characters back instead
  of 64. That is what a tokenizer buys; characters would get further with more steps.
- The exact entropy of the language is {entropy:.4f} nats per character; this test text happens to
  cost the true model {floor:.4f}.
""")

# %% [markdown]
# ## 3. Drawing the next token
#
# The model's last layer answers with one number $z_i$ for each token $i$ of the vocabulary, its
# *logit*. The softmax makes them probabilities. Before it, they may be divided by a **temperature**
# $\tau$:
#
# $$p_i = \frac{e^{z_i / \tau}}{\sum_j e^{z_j / \tau}}$$
#
# With $\tau = 1$ these are the probabilities that the model was trained to have. Below 1, what is
# likely becomes likelier still; as $\tau \to 0$ only the likeliest is left, and to take that one
# every time is called **greedy**. Above 1 the differences shrink.
#
# The tail is long: hundreds of tokens with a little probability each, most of them wrong. **Top-k**
# keeps the $k$ likeliest tokens and scales them to sum to 1.

# %%
def probabilities(logits, temperature=1.0):
    z = logits.astype(np.float64) / temperature
    e = np.exp(z - z.max())                             # the largest is e⁰: nothing overflows
    return e / e.sum()


def keep_top_k(p, k):
    kept = np.argsort(-p, kind="stable")[:k]            # of equal ones the lower number first
    cut_p = np.zeros_like(p)
    cut_p[kept] = p[kept]
    return cut_p / cut_p.sum()


model, params = model_for(bpe), trained["BPE", 0][0]
prompt = "every dog that the farmers see"
logits, _ = model.forward(params, bpe.encode(prompt)[None])
z = logits[0, -1]                                       # (V,), V tokens in the vocabulary

for temperature in (0.5, 1.0, 2.0):
    ours = keep_top_k(probabilities(z, temperature), k=5)
    assert np.allclose(ours, next_token_probabilities(z, temperature, top_k=5))
print("greedy: after", repr(prompt), "comes", repr(bpe.decode([z.argmax()])))

# %% [markdown]
# Five tokens are too few where many would do, and too many where only one is right. **Top-p** (the
# *nucleus*, Holtzman et al. 2020) lets the probabilities decide how many to keep: the fewest of the
# likeliest tokens that have a joint probability of at least $p$. You will write it below; here is
# what minilm's `next_token_probabilities` does to our prompt, with one of the models. *Every dog
# that the farmers see* must go on with a verb, and one for a single dog; the grammar lists them.

# %%
right_verbs = {word for symbol in ("ActsOnSg", "ActsSg")
               for _, (word,) in GRAMMAR.rules[symbol]}
right_ids = [bpe.encode(f" {verb}").item() for verb in sorted(right_verbs)]
print("may follow:", ", ".join(sorted(right_verbs)))

# %% jupyter={"source_hidden": true} tags=["hide-input"]
def draw_cuts():
    figure, grid = plt.subplots(1, 4, figsize=(8, 4), sharey=True, sharex=True)
    order = np.argsort(-z)[:14]
    may_follow = np.array([bpe.vocabulary[i].removeprefix("Ġ") in right_verbs for i in order])
    settings = [("temperature 1", {"temperature": 1.0}), ("temperature 2", {"temperature": 2.0}),
                ("top-k 5", {"temperature": 1.0, "top_k": 5}),
                ("top-p 0.9", {"temperature": 1.0, "top_p": 0.9})]
    for axes, (title, how) in zip(grid, settings, strict=True):
        p = next_token_probabilities(z, **how)
        for chosen, colour, hatch in ((may_follow, BLUE, ""), (~may_follow, ORANGE, "////")):
            axes.barh(np.flatnonzero(chosen), p[order][chosen], color=colour, hatch=hatch,
                      edgecolor="white", linewidth=0)
        axes.barh(14, 1 - p[order].sum(), color=GREY)
        axes.set_title(f"{title}\n{np.count_nonzero(p > 0)} tokens kept\n"
                       f"right: {p[right_ids].sum():.0%}", fontsize=10)
        axes.grid(axis="y", visible=False)
    grid[0].set_yticks(range(15), [*(bpe.vocabulary[i] for i in order), "all others"])
    grid[0].invert_yaxis()
    grid[3].annotate("may follow", (0.97, 0.42), ha="right", xycoords="axes fraction", color=BLUE)
    grid[3].annotate("may not (hatched)", (0.97, 0.34), ha="right", xycoords="axes fraction",
                     color=ORANGE)
    figure.supxlabel("probability of the next token", fontsize=10)
    show(figure, "06-cutting-the-tail")


draw_cuts()

# %% [markdown]
# This is a hard place: the verb must agree with *dog*, across *farmers*, which stand nearer. Heat
# spreads the probability over what cannot follow; a cut takes the tail away, but not the likely
# mistakes.
#
# To draw a token we need one uniform number: lay the probabilities end to end from 0 to 1 and see
# in which stretch the number falls. Draw, append, read again: that is all that "generating" means.

# %%
def write(model, params, prompt_ids, length, rng, temperature=1.0, top_k=None):
    """`length` new ids; everything is read again for each of them."""
    ids = list(prompt_ids)
    for _ in range(length):
        logits, _ = model.forward(params, np.array([ids]))
        p = probabilities(logits[0, -1], temperature)
        p = p if top_k is None else keep_top_k(p, top_k)
        ends = np.cumsum(p)
        ids.append(int(np.searchsorted(ends, rng.random() * ends[-1], side="right")))
    return np.array(ids[len(prompt_ids):])


start = bpe.encode("\n")
ours = write(model, params, start, 60, np.random.default_rng(0), 0.8, top_k=20)
theirs = generate(model, params, start, 60, rng=np.random.default_rng(0), temperature=0.8, top_k=20)
assert np.array_equal(ours, theirs)
print(bpe.decode(theirs))

# %% [markdown]
# The same 60 tokens, so `generate` draws as we do. Now to the question: how much of what is written
# is right, and how much of it is new? For each setting each of the three models writes a few dozen
# sentences. *Right* is the share that the grammar can make. *Variety* is what the right ones cost
# the true grammar, in nats per character: were they drawn from the language itself, that would be
# the entropy, on average; a writer who always says the same likely things stays below it.

# %%
def judge(params, seed, length=700, **how):
    ids = generate(model, params, start, length, rng=np.random.default_rng(seed), **how)
    lines = [line + "\n" for line in bpe.decode(ids).split("\n")[:-1]]
    right = [line for line in lines if np.isfinite(GRAMMAR.log_probability(line))]
    cost = -sum(map(GRAMMAR.log_probability, right)) / max(1, sum(map(len, right)))
    return len(right) / len(lines), cost, len(set(lines)) / len(lines)


def judge_all(**how):
    """(seeds, 3): right, variety, share of different sentences."""
    return np.array([judge(trained["BPE", seed][0], seed, **how) for seed in SEEDS])


temperatures = [0.4, 0.6, 0.8, 1.0, 1.3]
by_temperature = np.array([judge_all(temperature=t) for t in temperatures])
others = {
    "greedy": judge_all(temperature=0), "top-k 5": judge_all(top_k=5),
    "top-p 0.9": judge_all(top_p=0.9), "no cut, temperature 1": by_temperature[3],
}  # fmt: skip
table(["setting", "right", "variety, nats per character", "different sentences"],
      [[name, f"{m[:, 0].mean():.0%} ({m[:, 0].min():.0%} – {m[:, 0].max():.0%})",
        f"{m[:, 1].mean():.3f}", f"{m[:, 2].mean():.0%}"] for name, m in others.items()])

# %% jupyter={"source_hidden": true} tags=["hide-input"]
def draw_temperature():
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.5))
    for axes, column, colour in ((left, 0, BLUE), (right, 1, GREEN)):
        values = by_temperature[:, :, column] * (100 if column == 0 else 1)
        axes.fill_between(temperatures, values.min(1), values.max(1), color=colour, alpha=0.2, lw=0)
        axes.plot(temperatures, values.mean(1), "o-", color=colour)
        axes.set_xlabel("temperature (1: as trained)")
        axes.set_xticks(temperatures)
    left.axhline(100, color=GREY, linestyle=":")
    left.set_ylim(0, 109)
    left.annotate("limit", (0.4, 100), (0, 3), textcoords="offset points", color=GREY)
    left.set_ylabel("grammatical sentences (%)")
    right.axhline(entropy, color=GREY, linestyle=":")
    right.annotate("the language's entropy", (0.4, entropy), (0, 4), color=GREY,
                   textcoords="offset points")
    right.set_ylabel("variety (nats per character)")
    right.set_ylim(0.3, 0.45)
    show(figure, "06-temperature")


draw_temperature()

# %% jupyter={"source_hidden": true} tags=["hide-input"]
mean = by_temperature.mean(axis=1)
right, variety = by_temperature[:, :, 0], by_temperature[:, :, 1]       # (temperatures, seeds)
assert right[-1].max() < right[:-1].min() and variety[0].max() < variety[3].min()
assert others["greedy"][:, 2].max() < 0.5
say(f"""
Bands: three models. Heat does harm: {mean[-1, 0]:.0%} are right at 1.3, {mean[3, 0]:.0%} at 1.
Cooling helps less ({mean[1, 0]:.0%} at 0.6, {mean[0, 0]:.0%} at 0.4; the bands overlap), for the
model's likely mistakes stay likely, and it says less: {mean[0, 1]:.2f} nats per character at 0.4,
where the language has {entropy:.2f}. Greedy is an extreme of this kind: of its sentences only
{others['greedy'][:, 2].mean():.0%} differ from one another, it goes round in circles. Top-p cuts
the tail and lets the rest be as it is: {others['top-p 0.9'][:, 0].mean():.0%} right at
{others['top-p 0.9'][:, 1].mean():.2f} nats.
""")

# %% [markdown]
# ## 4. The key–value cache
#
# `write` reads everything again for every new token. To write $T$ tokens it reads
# $1 + 2 + \dots + T \approx T^2/2$ of them. Almost all of that was read before, and here is why
# nothing new can come of it.
#
# Attention gives position $t$ the mean $y_t$ of the values $v_s$ of the positions $s \le t$,
# weighted by how well their keys $k_s$ fit its query $q_t$ ($d$ numbers each):
#
# $$y_t = \sum_{s \le t} \frac{e^{q_t \cdot k_s / \sqrt{d}}}
#                             {\sum_{r \le t} e^{q_t \cdot k_r / \sqrt{d}}} \; v_s$$
#
# The causal mask lets nothing flow from later to earlier positions. So $k_s$ and $v_s$, in every
# layer, depend on the tokens up to $s$ alone: a token that is appended changes *none* of them. They
# can be kept. A new token then needs its own $q$, $k$ and $v$, and one look back at the rows that
# are there. Those rows are the **key–value cache**.
#
# As a picture, for a text of twelve tokens: each row is one step of writing, each square a token
# that is read in this step.

# %% jupyter={"source_hidden": true} tags=["hide-input"]
def draw_what_is_read(steps=12):
    figure, grid = plt.subplots(1, 2, figsize=(6.4, 3.3), sharey=True)
    places = [(t, s) for t in range(1, steps + 1) for s in range(1, t + 1)]
    for axes, title, cached in zip(grid, ("read again", "with a cache"), (False, True),
                                   strict=True):
        new = [(t, s) for t, s in places if s == t or not cached]
        old = [(t, s) for t, s in places if (t, s) not in new]
        axes.scatter(*np.array(new)[:, ::-1].T, marker="s", s=70, color=ORANGE)
        if old:
            axes.scatter(*np.array(old)[:, ::-1].T, marker="s", s=70, facecolor="white",
                         edgecolor=BLUE)
        axes.set_title(f"{title}: {len(new)} tokens read", fontsize=10)
        axes.set_xlabel("token (number in the text)")
        axes.set_xticks(range(2, steps + 1, 2))
        axes.grid(False)
    grid[0].set_ylabel("step (number)")
    grid[0].set_yticks(range(2, steps + 1, 2))
    grid[0].invert_yaxis()
    grid[1].annotate("kept: only looked\nback at", (12.4, 1.8), ha="right", va="center",
                     color=BLUE)
    grid[0].annotate("read", (12.4, 1.8), ha="right", va="center", color=ORANGE)
    show(figure)


draw_what_is_read()

# %% [markdown]
# First, one attention by itself: all positions at once with a mask, then one after the other.

# %%
rng = np.random.default_rng(7)
T, d = 9, 16
q, k, v = rng.standard_normal((3, T, d))                            # float64

at_once, _ = attention(q, k, v, causal_mask(T))                     # (T, d)
one_by_one = [attention(q[t : t + 1], k[: t + 1], v[: t + 1])[0][0] for t in range(T)]

difference = np.abs(at_once - np.array(one_by_one)).max()
assert difference < 1e-14
say(f"The largest difference is {difference:.0e}: what rounding leaves of 64-bit numbers.")

# %% [markdown]
# Note that the loop needs no mask: what comes later is simply not there yet. Now the whole model.
# Its `forward` takes a *state*, the caches of all layers, and answers with the next one. We read
# 40 tokens at once and one by one, in 32-bit numbers as always, and in 64-bit ones to see that what
# differs is rounding and nothing else.

# %%
def logits_one_by_one(params, ids):
    state, rows = model.fresh_state(), []
    for token in ids:
        logits, cache = model.forward(params, np.array([[token]]), state=state)
        state = cache["state"]
        rows.append(logits[0, 0])
    return np.array(rows), state


ids = bpe.encode(test_text)[:40]
gaps = {}
for dtype in (np.float32, np.float64):
    exact = {name: w.astype(dtype) for name, w in params.items()}
    whole, _ = model.forward(exact, ids[None])
    pieces, state = logits_one_by_one(exact, ids)
    gaps[dtype] = np.abs(whole[0] - pieces).max()
assert gaps[np.float32] < 1e-3 and gaps[np.float64] < 1e-11
say(f"Largest difference of any logit: {gaps[np.float32]:.0e} in float32, {gaps[np.float64]:.0e} "
    f"in float64. The logits themselves reach {np.abs(whole).max():.0f}.")

# %% [markdown]
# A proof has two halves: the argument above says why they *must* be equal, the numbers say that the
# program does it. If the difference had not shrunk with the precision, the argument or the program
# would be wrong.
#
# ### What it saves
#
# We count multiplications, exactly: every weight tells what multiplies it (that is what `listening`
# is for), and `attend` stands where the products without a weight happen.

# %%
def multiplications(length, cached):
    """In products of matrices, to write `length` tokens after one."""
    total = 0

    def hear(name, x):                       # x: (rows, in) met a weight: rows · in · out products
        nonlocal total
        if not name.endswith("[ids]"):       # a row that is looked up multiplies nothing
            weight = params[name.removesuffix(".T")]
            total += x.size // x.shape[-1] * weight.shape[0] * weight.shape[1]

    def attend(q, k, v, mask=None):
        nonlocal total
        total += 2 * q.shape[-2] * k.shape[-2] * q.shape[-1] * q.shape[1]   # q kᵀ, weights v
        return attention(q, k, v, mask)

    told, state = listening(params, hear), model.fresh_state()
    for t in range(1, length + 1):
        read = np.ones((1, 1 if cached else t), dtype=int)
        _, cache = model.forward(told, read, state=state if cached else None, attend=attend)
        state = cache["state"] if cached else state
    return total


lengths = [4, 8, 16, 32, 64]
counts = np.array([[multiplications(n, cached) for n in lengths] for cached in (False, True)])
table(["tokens written", *lengths],
      [["read again, million products", *(f"{c / 1e6:.1f}" for c in counts[0])],
       ["with a cache, million products", *(f"{c / 1e6:.1f}" for c in counts[1])],
       ["times as many", *(f"{a / b:.1f}" for a, b in counts.T)]])
growth = counts[:, -1] / counts[:, -2]
assert 3.9 < growth[0] < 4.5 and 2.0 <= growth[1] < 2.2
say(f"From {lengths[-2]} to {lengths[-1]} tokens the count grows {growth[0]:.2f} times without a "
    f"cache and {growth[1]:.2f} times with one. Twice as long: four times and twice. (A little "
    "more, because each token looks back at more rows; in a very long text that part rules, and "
    "the orders become $T^3$ and $T^2$.)")

# %% [markdown]
# Fewer products is not yet less time: small products are quick for their size, and each call costs
# something by itself. So the time was measured, on a somewhat larger model (4 layers, width 128,
# 512 places): `python -m benchmarks decode_length` writes five texts of each length both ways. Its
# rows are in the repository; times differ from machine to machine, and a notebook that printed its
# own would never be the same twice.

# %%
rows = saved_rows("benchmarks/decode_length.csv")


def rates(writer):
    """tokens written -> tokens per second of each round."""
    found = {}
    for row in rows:
        if row["writer"] == writer:
            found.setdefault(int(row["tokens"]), []).append(row["tokens"] / row["seconds"])
    return found


with_cache, read_again = rates("with a cache"), rates("read again")

# %% jupyter={"source_hidden": true} tags=["hide-input"]
def draw_rates():
    figure, axes = plt.subplots(figsize=(7.4, 4.2))
    for found, colour, marker, name, offset in (
        (with_cache, BLUE, "o", "with a key–value cache", (-60, 12)),
        (read_again, ORANGE, "s", "everything read again", (-230, 18)),
    ):
        x = np.array(list(found))
        y = np.array([np.median(r) for r in found.values()])
        axes.fill_between(x, [min(r) for r in found.values()], [max(r) for r in found.values()],
                          color=colour, alpha=0.25, lw=0)
        axes.plot(x, y, marker=marker, color=colour)
        axes.annotate(name, (x[4], y[4]), offset, textcoords="offset points", color=colour)
    x = np.array([64, 700])
    last = np.median(read_again[512])
    axes.plot(x, last * 512 / x, ":", color=GREY)
    axes.annotate("theory: ∝ 1/T", (128, last * 4), (-4, -14), ha="right", color=GREY,
                  textcoords="offset points")
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks(list(with_cache), [str(n) for n in with_cache])
    axes.set_yticks([100, 300, 1000, 3000], ["100", "300", "1,000", "3,000"])
    axes.minorticks_off()
    axes.set_ylim(0.6 * last, 2.2 * max(np.median(r) for r in with_cache.values()))
    axes.set_xlabel("length T of the text written (tokens)")
    axes.set_ylabel("tokens per second, one core")
    show(figure, "06-tokens-per-second")


draw_rates()

# %% jupyter={"source_hidden": true} tags=["hide-input"]
gain = {n: np.median(with_cache[n]) / np.median(read_again[n]) for n in (8, 64, 512)}
kept = np.median(with_cache[512]) / np.median(with_cache[8])
assert 1 < gain[8] < gain[64] < gain[512] and 0.5 < kept < 1.5
say(f"""
Bands: the slowest and the fastest of {len(with_cache[8])} rounds. At 8 tokens the cache is worth
{gain[8]:.1f} times, at 64 {gain[64]:.1f} times, at 512 **{gain[512]:.0f} times**. With it, the
speed at 512 tokens is {kept:.0%} of that at 8: at these lengths a token costs nearly the same
wherever it stands. Without it the speed falls more slowly than 1/T at first: a call has costs that
do not grow with T, and larger products use a processor better.
""")

# %% [markdown]
# ### What it costs
#
# Nothing is free. For each of $L$ layers, $T$ tokens and $D$ columns (all heads together) there are
# two numbers, a key and a value:
#
# $$\text{bytes} = 2 \cdot L \cdot T \cdot D \cdot \text{bytes per number}$$
#
# For our model with all of its 64 places:

# %%
by_formula = 2 * model.layers * model.context * model.width * 4     # float32
_, state = logits_one_by_one(params, ids)
assert state.nbytes == by_formula
larger = 2 * 32 * 4096 * 4096 * 2                       # Llama 2 7B: 32 layers, D = 4096, float16
say(f"{by_formula:,} bytes, which is what `state.nbytes` says too. A Llama 2 of 7 billion weights "
    f"that has read 4,096 tokens keeps {larger / 2**30:.0f} GiB, for each text. That is why its "
    "successors let several heads share their keys and values, and why caches are rounded to fewer "
    "bits, too.")

# %% [markdown]
# ## On your own
#
# **1. Encode a word.** You have the merges; now use them. `encode_word(word, merges)` takes a word,
# a `str` such as `"Ġcats"`, and a list of pairs in the order learned. Start with single characters.
# While any neighbours are a pair that was learned, merge the one that was learned *first*,
# everywhere in the word. Return the list of pieces. (`merged` above may help; it wants a tuple.)

# %%
def encode_word(word, merges):
    """word: str, merges: list of (a, b) in the order learned -> list of str."""
    ### BEGIN SOLUTION
    symbols = tuple(word)
    for pair in merges:                     # a later merge never makes an earlier pair
        symbols = merged(symbols, pair)
    return list(symbols)
    ### END SOLUTION


# %%
check("encode_word", encode_word)

# %% [markdown]
# **2. The nucleus.** `top_p_set(p, limit)` takes probabilities `p`, shape `(V,)`, that sum to 1,
# and a `limit` between 0 and 1. Return the numbers (ids) of the tokens that top-p keeps, the
# likeliest first: the *fewest* whose probabilities sum to at least `limit`. Of equally likely
# tokens the lower id comes first. At least one token is always kept.

# %%
def top_p_set(p, limit):
    """p: (V,), 0 < limit <= 1 -> (n,) ids, the likeliest first."""
    ### BEGIN SOLUTION
    order = np.argsort(-p, kind="stable")
    before = np.cumsum(p[order]) - p[order]  # the probability of all that is likelier
    return order[before < limit]
    ### END SOLUTION


# %%
if check("top_p_set", top_p_set):
    p = probabilities(z)
    print([bpe.vocabulary[i] for i in top_p_set(p, 0.5)])

# %% [markdown]
# **3. Temperature without logits.** Sometimes the logits are gone and only the probabilities are
# left. `at_temperature(p, temperature)` takes probabilities at temperature 1, shape `(V,)`, some
# perhaps exactly 0, and a temperature above 0. Return the probabilities, shape `(V,)`, that the
# softmax would have given at that temperature.

# %%
def at_temperature(p, temperature):
    """p: (V,) at temperature 1 -> (V,) at the temperature given."""
    ### BEGIN SOLUTION
    powers = p ** (1 / temperature)         # e^(z/τ) = (e^z)^(1/τ); what is constant cancels
    return powers / powers.sum()
    ### END SOLUTION


# %%
check("at_temperature", at_temperature)

# %% [markdown]
# **4. Prove cached = uncached.** Write the attention of *one* new token with a cache.
# `read_one(x, cache, w_q, w_k, w_v)` takes the token's vector `x`, shape `(D,)`; the `cache`, a
# pair `(K, V)` of shapes `(t, d)`, with the keys and values of the $t$ tokens before it (at first
# $t = 0$, and the token sees only itself); and three matrices of shape `(D, d)`. The query is
# `x @ w_q`, and so on; there is one head and no bias. Return `(y, new_cache)`: $y_t$ as in the
# formula of section 4, shape `(d,)`, and the pair `(K, V)` with one row more. Do not write into the
# arrays you were given. The check reads a text with your function, token by token, and compares it
# with the whole text read at once.

# %%
def read_one(x, cache, w_q, w_k, w_v):
    """x: (D,), cache: (K, V) of (t, d) each -> y: (d,), (K, V) of (t + 1, d) each."""
    ### BEGIN SOLUTION
    K = np.vstack([cache[0], x @ w_k])      # the token sees itself, so its own row goes in first
    V = np.vstack([cache[1], x @ w_v])
    scores = K @ (x @ w_q) / np.sqrt(K.shape[1])                    # (t + 1,)
    weights = np.exp(scores - scores.max())
    return weights / weights.sum() @ V, (K, V)
    ### END SOLUTION


# %%
check("read_one", read_one)

# %% [markdown]
# **5. To think about.** An encoder such as BERT has no causal mask: every token sees all others,
# the later ones too. Could it have a key–value cache? And a GPT whose window of 64 places is full:
# may it drop the oldest row of the cache and go on?

# %% [markdown] tags=["solution"]
# *One answer.* Without a causal mask a new token changes what the earlier ones see, so their keys
# and values in the second layer and above change as well: nothing can be kept, and cached =
# uncached fails. (Only the first layer's keys and values depend on one token alone.)
#
# Dropping the oldest row is *possible*, but it is not the same as reading the last 63 tokens again.
# The rows that stay were computed when the dropped token could still be seen; in the layers above
# the first they remember it. And each row was made with its position in the window, which would now
# be one too large. minilm therefore begins a new window with the later half of the old one, and
# reads that again once (`minilm/generation/reading.py`).

# %% [markdown]
# ## In practice
#
# **GPT-2's tokenizer** is the one above, on bytes, with a longer rule for cutting a text into words
# (numbers, 's and 't, other signs) and 50,000 merges; its two files hold the vocabulary and
# the merges in order, and `BPETokenizer.read` reads them.
#
# **transformers** divides by the temperature, then cuts to the top k, then to the top p. Its top-p
# is written from the other end: sort upwards, and remove what together has at most $1 - p$.
#
# **llama.cpp** has a *chain* of samplers, and its usual order cuts first and heats last: top-k,
# top-p (and others), then the temperature. That is not the same. A high temperature before the cut
# flattens the probabilities, and top-p must keep more tokens to reach its sum; after the cut it can
# only redistribute among those that were kept at temperature 1.

# %%
def transformers_rule(logits, temperature, top_k, top_p):
    z = logits.astype(np.float64) / temperature
    z = np.where(z < np.sort(z)[-top_k], -np.inf, z)                # top-k
    order = np.argsort(z, kind="stable")                            # upwards
    removed = np.cumsum(probabilities(z[order])) <= 1 - top_p       # top-p
    z[order[removed]] = -np.inf
    return probabilities(z)


def llama_cpp_rule(logits, temperature, top_k, top_p):
    p = transformers_rule(logits, 1.0, top_k, top_p)                # the same cuts, unheated
    powers = p ** (1 / temperature)                                 # then the temperature
    return powers / powers.sum()


lines, kept = [], {}
for temperature in (0.5, 1.0, 2.0):
    how = {"temperature": temperature, "top_k": 40, "top_p": 0.9}
    hot_first, cut_first = transformers_rule(z, **how), llama_cpp_rule(z, **how)
    assert np.allclose(hot_first, next_token_probabilities(z, **how))
    kept[temperature] = [int(np.count_nonzero(p)) for p in (hot_first, cut_first)]
    lines.append([temperature, *kept[temperature],
                  f"{hot_first.max():.3f}", f"{cut_first.max():.3f}"])
assert kept[0.5][0] <= kept[0.5][1] and kept[1.0][0] == kept[1.0][1]
assert kept[2.0][0] > kept[2.0][1]
table(["temperature (top-k 40, top-p 0.9)", "kept, temperature first", "kept, temperature last",
       "likeliest token, first", "likeliest token, last"], lines)
say("`next_token_probabilities` is the first of the two, to the last digits. At temperature 1 both "
    "agree. So *temperature 2, top-p 0.9* means one thing in one program and another in the next: "
    "when you report settings, report the order.")

# %% [markdown]
# ## References
#
# - P. Gage, *A new algorithm for data compression*, The C Users Journal, 1994; R. Sennrich,
#   B. Haddow and A. Birch, *Neural machine translation of rare words with subword units*, ACL 2016,
#   section 3.2 and algorithm 1: byte-pair encoding.
# - A. Radford et al., *Language models are unsupervised multitask learners*, 2019, section 2.2:
#   bytes instead of characters, and GPT-2.
# - A. Fan, M. Lewis and Y. Dauphin, *Hierarchical neural story generation*, ACL 2018: top-k.
# - A. Holtzman et al., *The curious case of neural text degeneration*, ICLR 2020, section 3.1:
#   top-p.
# - R. Pope et al., *Efficiently scaling Transformer inference*, MLSys 2023: what decoding and its
#   cache cost.
# - J. Ainslie et al., *GQA*, EMNLP 2023: heads that share their keys and values.
# - I. H. Witten and T. C. Bell, *The zero-frequency problem*, IEEE Transactions on Information
#   Theory, 1991: the n-grams' smoothing (method C).
# - The rules of *In practice*: `TemperatureLogitsWarper`, `TopKLogitsWarper`, `TopPLogitsWarper` in
#   transformers; the sampler chain in llama.cpp's `common/sampling.cpp`.
