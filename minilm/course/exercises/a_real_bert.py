"""Exercises of notebook 12: a mean without padding, drift, outliers, a matrix in four bits.

All data are drawn here: no file of a pretrained model is needed.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from minilm.compression import quantize
from minilm.course.check import Exercise, want
from minilm.types import Array

Answer = Callable[..., Any]


def check_mean_pooling(mean_pooling: Answer, rng: np.random.Generator) -> None:
    """Padding holds large numbers, so that whoever counts it is seen."""
    hidden = rng.standard_normal((3, 6, 5)).astype(np.float32)
    lengths = np.array([6, 4, 1])
    mask = np.arange(6) < lengths[:, None]
    hidden[~mask] = 50 + 10 * rng.random((int((~mask).sum()), 5))
    right = np.stack([h[m].mean(axis=0) for h, m in zip(hidden, mask, strict=True)])
    found = np.asarray(mean_pooling(hidden.copy(), mask.copy()))
    want(found.shape == right.shape,
         f"(B, T, D) = {hidden.shape} should give (B, D) = {right.shape}, got {found.shape}")
    zeroed = np.where(mask[:, :, None], hidden, 0)
    padding = (hidden - zeroed).sum(axis=1)[1:] / (6 - lengths[1:, None])
    want(not np.allclose(found[1:], padding, rtol=1e-4),
         "that is the mean of the padding: the mask is True at a token")
    unit = right / np.linalg.norm(right, axis=1, keepdims=True)
    for mistake, hint in (
        (hidden.mean(axis=1), "padding was counted: what does the mask say?"),
        (zeroed.mean(axis=1), "padding is left out of the sum, but the sum is divided by T: how "
                              "many tokens does each sentence have?"),
        (zeroed.sum(axis=1) / lengths.sum(), "divide by each sentence's own number of tokens"),
        (zeroed.sum(axis=1), "that is the sum of the tokens, not their mean"),
        (hidden[:, 0], "that is the first token's vector, not the mean of all"),
        (unit, "leave the vectors as long as they are"),
    ):
        want(not np.allclose(found, mistake, rtol=1e-4, atol=1e-5), hint)
    want(np.allclose(found, right, rtol=1e-4, atol=1e-5),
         f"a sentence with {lengths[1]} tokens should have {right[1, :2]} …, got {found[1, :2]} …")


def check_cosine_drift(cosine_drift: Answer, rng: np.random.Generator) -> None:
    """A large drift first, by its mistakes; then one that float32 cannot tell from 0."""
    sizes = np.exp(rng.standard_normal((2, 30, 1)))
    before = rng.standard_normal((30, 16))
    after = before + 0.6 * rng.standard_normal((30, 16)) + 0.3
    a, b = (sizes * (before, after)).astype(np.float32)
    right = drift_of(a, b)
    given = np.asarray(cosine_drift(a.copy(), b.copy()))
    want(given.size == 1, f"return one number, the mean over all sentences, got {given.shape}")
    found = float(given.item())
    total = float((a * b).sum() / np.linalg.norm(a) / np.linalg.norm(b))
    means = a.mean(axis=0), b.mean(axis=0)
    for mistake, hint in (
        (1 - right, "that is the mean cosine; the drift is one minus it"),
        (1 - float((a * b).sum(axis=1).mean()), "divide each row by its length: the vectors are "
                                                "not of length 1"),
        (1 - total, "each sentence has a cosine of its own, and all count alike: take the mean of "
                    "N cosines, not one for all numbers together"),
        (drift_of(means[0][None], means[1][None]), "that is the cosine of two mean vectors: take "
                                                   "the mean of N cosines"),
        (1 - 30 * (1 - right), "take the mean of the cosines, not their sum"),
        (30 * right, "take the mean over the sentences, not the sum"),
    ):
        want(not np.isclose(found, mistake, rtol=1e-3), hint)
    want(np.isclose(found, right, rtol=1e-3), f"the drift should be {right:.4f}, got {found:.4f}")
    tiny = (a * (1 + 1e-4 * rng.standard_normal(a.shape))).astype(np.float32)
    right, found = drift_of(a, tiny), float(cosine_drift(a.copy(), tiny))
    want(np.isclose(found, right, rtol=0.02, atol=0),
         f"a drift of {right:.2e} came out as {found:.2e}: one minus a float32 near 1 has no "
         "digits left; go over to float64 before anything else")


def drift_of(a: Array, b: Array) -> float:
    a, b = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (np.float64(a), np.float64(b)))
    return float(np.square(a - b).sum(axis=1).mean() / 2)


def check_outlier_channels(outlier_channels: Answer, rng: np.random.Generator) -> None:
    """Four channels stick out, one of them at a negative number."""
    x = rng.uniform(-1, 1, (40, 24))
    x[0] = np.sign(x[0])  # every channel's size is 1
    places = [int(place) for place in rng.permutation(24)[:4]]
    for place, size in zip(places, (30.0, -60.0, 9.0, 4.0), strict=True):
        x[int(rng.integers(1, 40)), place] = size
    x = x.astype(np.float32)
    for factor, right in ((3, [places[i] for i in (1, 0, 2, 3)]), (20, [places[1], places[0]]),
                          (100, [])):
        given = outlier_channels(x.copy(), factor)
        found = [int(channel) for channel in given]
        want(len(set(found)) == len(found), "each channel should be named once")
        want(all(0 <= channel < 24 for channel in found),
             "channels are the columns of x, counted from 0")
        sizes = np.abs(x).max(axis=0)
        if set(found) != set(right):
            middle = float(np.median(np.abs(x)))
            want(set(found) != set(np.flatnonzero(sizes > factor * middle).tolist()),
                 "that is the median of all numbers: take the median of the channels' sizes")
            signed = x.max(axis=0)
            want(set(found) != set(np.flatnonzero(signed > factor * np.median(signed)).tolist()),
                 "a channel whose outlier is negative is missing: take magnitudes first")
            by_mean = [int(c) for c in np.flatnonzero(sizes > factor * sizes.mean())]
            want(set(found) != set(by_mean),
                 "compare with the median channel: the outliers themselves enlarge the mean")
            rows = np.abs(x).max(axis=1)
            want(set(found) != set(np.flatnonzero(rows > factor * np.median(rows)).tolist()),
                 "these are rows: a channel is a column, its size a maximum over the tokens")
            by_mean_size = np.abs(x).mean(axis=0)
            want(set(found) != set(np.flatnonzero(
                by_mean_size > factor * np.median(by_mean_size)).tolist()),
                 "a channel's size is its largest magnitude, not its mean one")
        want(set(found) == set(right),
             f"of factor {factor} there should be {len(right)} channels, got {len(found)}")
        want(found == right, "the largest first, please")


BITS, SHARE = 4.6, 0.25


def layer(rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """w (128, 48), x (600, 128) with one channel that sticks out, and other such rows.

    The inputs of x are alike, as those of a real layer: 24 things that happen, seen 128 times.
    """
    w = rng.standard_normal((128, 48)) * np.exp(0.4 * rng.standard_normal(48))
    mixing = rng.standard_normal((24, 128)) / 5
    sizes = np.exp(0.5 * rng.standard_normal(128))
    sizes[rng.integers(128)] *= 8
    rows = rng.standard_normal((1200, 24)) @ mixing + 0.3 * rng.standard_normal((1200, 128))
    rows = (rows * sizes).astype(np.float32)
    return w.astype(np.float32), rows[:600], rows[600:]


def check_rescue(rescue: Answer, rng: np.random.Generator) -> None:
    """Few enough bits, then the error on rows that were not shown."""
    w, x, others = layer(rng)
    made = rescue(w.copy(), x.copy())
    want(not isinstance(made, np.ndarray), "that is an array of floats: 32 bits a weight, however "
                                           "few values it has. Return what quantize returns")
    want(hasattr(made, "nbytes") and hasattr(made, "__rmatmul__"),
         f"return a weight, as quantize gives it, got {type(made).__name__}")
    want(tuple(made.shape) == w.shape, f"its shape should be {w.shape}, got {tuple(made.shape)}")
    bits = 8 * made.nbytes / w.size
    want(bits <= BITS, f"it takes {bits:.2f} true bits a weight, scales included; {BITS} are "
                       "allowed. How large are the groups?")

    def error(weight: Any) -> float:
        return float(np.square(others @ weight - others @ w).sum() / np.square(others @ w).sum())

    share = error(made) / error(quantize(w, 4, axis=-1))
    got = f"its error is {share:.2f} of that of rounding to nearest by channel; {SHARE} are allowed"
    want(share < 1.5, f"{got}. Does every channel have a scale of its own, and 4 bits?")
    want(share < 0.9, f"{got}. Groups and a better range would help a little; the inputs help most")
    want(share <= SHARE, f"{got}. The scales are good; now let x say where errors do no harm")


EXERCISES: list[Exercise] = [
    Exercise("mean_pooling", "The mean of the tokens, without padding.", check_mean_pooling),
    Exercise("cosine_drift", "How far vectors have turned.", check_cosine_drift),
    Exercise("outlier_channels", "The channels that stick out.", check_outlier_channels),
    Exercise("rescue", "Four bits with a quarter of the error.", check_rescue, 2),
]
