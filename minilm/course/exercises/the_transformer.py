"""Exercises of notebook 05: a mask that hides, positions, the size of a Transformer."""

from collections.abc import Callable
from typing import Any

import numpy as np

from minilm.course.check import Exercise, want
from minilm.models import Seq2SeqTransformer
from minilm.nn import attention, causal_mask, sinusoidal_positions
from minilm.types import Array

Answer = Callable[..., Any]


def check_causal_attention(causal_attention: Answer, rng: np.random.Generator) -> None:
    B, T, d = 3, 7, 5
    q, k, v = rng.standard_normal((3, B, T, d)).astype(np.float32)
    real = np.arange(T) >= np.array([[0], [2], [3]])  # the words 3 … 6 are real in every text

    def answer(k: Array, v: Array) -> Array:
        with np.errstate(all="ignore"):  # the filling of a text may look nowhere: 0 / 0
            y = np.asarray(causal_attention(q.copy(), k.copy(), v.copy(), real.copy()))
        want(y.shape == v.shape, f"the result should have shape {v.shape}, got {y.shape}")
        want(
            np.isfinite(y[real]).all(),
            "outputs of real words are not finite: a word that may look nowhere has no weights to "
            "share out. Every word may look at itself",
        )
        return np.where(real[..., None], y, 0)  # what is computed at the filling is not read

    def with_changed(word: int) -> Array:
        other = np.arange(T)[:, None] == word
        return answer(k + 3 * other, v + 3 * other)

    y = answer(k, v)
    want(
        np.allclose(answer(k, np.ones_like(v))[real], 1, atol=1e-4),
        "with all values 1 the result is not 1: the weights of a row must sum to 1, also when "
        "something is hidden. Hide the scores, before the softmax, not the weights after it",
    )
    sees_past = not np.allclose(with_changed(3)[:, 4 : T - 1], y[:, 4 : T - 1], atol=1e-5)
    sees_future = not np.allclose(with_changed(T - 1)[:, 3 : T - 1], y[:, 3 : T - 1], atol=1e-5)
    want(
        sees_past,
        "no output changes when an earlier word changes: it is the past that is hidden (or a "
        "score is raised where it should be lowered)",
    )
    want(
        not np.allclose(with_changed(4)[:, 4], y[:, 4], atol=1e-5),
        "no output changes when its own word changes: a word may look at itself, too",
    )
    want(
        not sees_future,
        "an output changes when a later word changes. Print the scores after they have been "
        "masked: are the hidden ones low at all? A boolean index makes a copy",
    )
    filling = 3 * ~real[..., None]
    want(
        np.allclose(answer(k + filling, v + filling), y, atol=1e-5),
        "outputs of real words change when the filling changes: `real` must say which *keys* may "
        "be looked at, and keys lie along the last axis of the scores",
    )
    right, _ = attention(q, k, v, causal_mask(T) & real[:, None])
    want(
        np.allclose(y[real], right[real], atol=1e-4),
        "the mask is right, the weights are not: are the scores divided by √d, d the width of a "
        "query, and is the softmax taken along the keys?",
    )


def check_sinusoids(sinusoids: Answer, rng: np.random.Generator) -> None:
    length, width = int(rng.integers(9, 30)), 2 * int(rng.integers(4, 12))
    P = np.asarray(sinusoids(length, width), dtype=float)
    want(P.shape == (length, width), f"want shape {(length, width)}, got {P.shape}")
    right = sinusoidal_positions(length, width, np.float64)
    halves = np.concatenate([right[:, 0::2], right[:, 1::2]], axis=1)
    want(
        not np.allclose(P, halves, atol=1e-3),
        "all sines come first, then all cosines: each cosine should stand right of its sine",
    )
    swapped = np.stack([right[:, 1::2], right[:, 0::2]], axis=-1).reshape(right.shape)
    want(not np.allclose(P, swapped, atol=1e-3), "sines belong in columns 0, 2, 4, … (t = 0: 0)")
    want(np.allclose(P[0], right[0], atol=1e-3), "at t = 0 a sine is 0 and a cosine is 1")
    want(
        np.allclose(P[:, 0], right[:, 0], atol=1e-3),
        "the first column is sin(t), t = 0, 1, 2, …: its exponent 2i/width is 0",
    )
    want(
        np.allclose(P[1], right[1], atol=1e-3),
        "the later columns turn at the wrong speed: a pair of columns 2i and 2i + 1 has one "
        "exponent, 2i / width, where 2i is the even column's own number",
    )
    want(np.allclose(P, right, atol=1e-3), "row t should hold the sines and cosines of t · speed")


def check_transformer_size(transformer_size: Answer, rng: np.random.Generator) -> None:
    for _ in range(3):
        source, target, layers = (int(n) for n in rng.integers((12, 12, 3), (30, 30, 6)))
        D = 4 * int(rng.integers(2, 6))
        F = 3 * D + 4
        model = Seq2SeqTransformer(
            target, source, width=D, heads=2, feed_forward=F, layers=layers
        )
        right = sum(weight.size for weight in model.init(0).values())
        found = transformer_size(source, target, D, F, layers)
        biases = layers * (12 * D + 2 * (F + D))  # of 4D, 4D and 4D outputs; F and D, twice
        mistakes = {
            right - layers * 4 * D * (D + 1): "the decoder's cross-attention is missing",
            right - 4 * D: "each side ends in a norm of its own",
            right - 2 * D: "each side ends in a norm of its own",
            right + target * D: "the head is tied: it uses the target's table, and adds nothing",
            right - biases: "each map has a bias, one number for each output",
            right - layers * 10 * D - 4 * D: "the norms have parameters too, a gain and a bias",
            right - layers * 2 * D: "a decoder block has three norms",
            right - source * D: "the source's tokens have a table of their own",
            right - target * D: "the target's tokens have a table of their own",
        }
        want(found not in mistakes or found == right, mistakes.get(found, ""))
        want(
            found == right,
            f"V = {source} and {target}, D = {D}, F = {F}, L = {layers}: there are {right} "
            f"parameters, you count {found}",
        )


EXERCISES: list[Exercise] = [
    Exercise(
        "causal_attention",
        "Attention whose mask really hides the future and the filling.",
        check_causal_attention,
        points=3,
    ),
    Exercise("sinusoids", "The sinusoidal positions from their formula.", check_sinusoids, 2),
    Exercise(
        "transformer_size",
        "Count the parameters of an encoder–decoder Transformer.",
        check_transformer_size,
        2,
    ),
]
