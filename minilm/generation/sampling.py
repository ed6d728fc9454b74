"""Sampling: draw the next token, read it, and again.

    p = softmax(logits / temperature)        below 1 sharper, above 1 flatter, 0: the likeliest
    top-k    keep the k likeliest tokens                                   Fan et al. 2018
    top-p    keep the fewest likeliest tokens of joint probability >= p    Holtzman et al. 2020

What is kept is scaled to sum to one, and the next token is drawn from it.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minilm.generation.reading import Reader, check_end, check_length, check_prompt
from minilm.models import LanguageModel
from minilm.nn import softmax
from minilm.types import Array, Params
from minilm.weights import thaw


@dataclass(frozen=True)
class Sampling:
    """How the next token is drawn: the keyword arguments of `generate`, checked.

    temperature: 0 takes the likeliest token each time and needs no generator.
    top_k, top_p: how many tokens are kept, and of what joint probability; None: all.
    Raises ValueError for settings out of range.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None

    def __post_init__(self) -> None:
        if not (self.temperature >= 0 and math.isfinite(self.temperature)):
            raise ValueError(
                f"temperature must be 0 (greedy) or a positive number, got {self.temperature}"
            )
        if self.top_k is not None and self.top_k < 1:
            raise ValueError(f"top_k must be at least 1, got {self.top_k}")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise ValueError(f"top_p must be in (0, 1], got {self.top_p}")

    def draw(self, logits: Array, rng: np.random.Generator | None) -> int:
        """One id from the logits of the next token, (V,), all finite."""
        if self.temperature == 0:
            return int(logits.argmax())
        assert rng is not None  # check_rng
        p = next_token_probabilities(logits, self.temperature, self.top_k, self.top_p)
        cumulative = np.cumsum(p)
        # scaled by the last sum, which rounding may leave just off one
        return int(np.searchsorted(cumulative, rng.random() * cumulative[-1], side="right"))

    def check_rng(self, rng: np.random.Generator | None) -> None:
        """Refuse to draw without a generator."""
        if self.temperature > 0 and rng is None:
            raise ValueError("rng must be given (np.random.default_rng(seed)) unless temperature "
                             "is 0")


def generate(
    model: LanguageModel, params: Params, prompt_ids: Array | Sequence[int], length: int, **how: Any
) -> Array:
    """New ids after the prompt, when all are written: those of `stream`, int32.

    (length,), or fewer if the `end` token came. Takes and raises what `stream` does.
    """
    return np.fromiter(stream(model, params, prompt_ids, length, **how), dtype=np.int32)


def stream(
    model: LanguageModel,
    params: Params,
    prompt_ids: Array | Sequence[int],
    length: int,
    *,
    end: int | None = None,
    rng: np.random.Generator | None = None,
    packed: bool = False,
    **sampling: Any,
) -> Iterator[int]:
    """`length` new ids after the prompt, which is not repeated, each as soon as it is drawn.

    prompt_ids: (N,) integer ids, N >= 1
    end: the id after which the text is over, itself the last; None: nothing ends it before `length`
    rng: what is drawn with, unless the temperature is 0
    packed: compute with compressed weights as they are: small and slow. By default they are
    unpacked once before the first token (`minilm.thaw`).
    sampling: temperature, top_k, top_p; see `Sampling`.
    Raises, when called, ValueError for an empty prompt, ids outside the vocabulary, or settings out
    of range, TypeError for a prompt that is not integers or a setting that there is not;
    FloatingPointError at the first logits that are not finite.
    """
    vocab_size = params["token_embedding"].shape[0]
    prompt = check_prompt(prompt_ids, vocab_size)
    check_length(length)
    check_end(end, vocab_size)
    next_token = Sampling(**sampling)
    next_token.check_rng(rng)
    if not packed:
        params = thaw(params)

    def new_ids() -> Iterator[int]:  # what is above runs when `stream` is called
        reader = Reader(model, params, len(prompt))
        text = np.concatenate([prompt, np.zeros(length, dtype=np.int32)])
        for t in range(len(prompt), len(text)):
            text[t] = next_token.draw(reader.next_logits(text[None, :t])[0], rng)
            yield int(text[t])
            if text[t] == end:
                return

    return new_ids()


def next_token_probabilities(
    logits: Array, temperature: float, top_k: int | None = None, top_p: float | None = None
) -> Array:
    """softmax(logits / temperature), cut to the top k and then to the top p, scaled to sum to 1.

    logits: (V,), temperature > 0  ->  p: (V,) float64, zero outside what is kept
    Of equal logits the lower ids are kept first, so that exactly k remain.
    """
    logits = np.asarray(logits, dtype=np.float64)
    logits = (logits - logits.max()) / temperature
    if top_k is None and top_p is None:
        return softmax(logits)[0]
    kept = likeliest(logits, min(top_k or len(logits), len(logits)))
    of_kept, _ = softmax(logits[kept])
    if top_p is not None:
        before = np.cumsum(of_kept) - of_kept  # the probability of what is likelier
        of_kept = of_kept[before < top_p]
        of_kept /= of_kept.sum()
    p = np.zeros_like(logits)
    p[kept[: len(of_kept)]] = of_kept
    return p


def likeliest(logits: Array, k: int) -> Array:
    """The ids of the k largest logits, the largest first; of equal ones the lower id first.

    (V,), 1 <= k <= V  ->  (k,). Only what may be among the k is sorted.
    """
    threshold = np.partition(logits, -k)[-k]  # the k-th largest
    candidates = np.flatnonzero(logits >= threshold)  # more than k if several equal it
    return candidates[np.argsort(-logits[candidates], kind="stable")[:k]]
