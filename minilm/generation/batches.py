"""Many texts at once: a step reads one token of each, which costs little more than one of one.

    prompts     a b c d        token t of a row:  its prompt's own, as long as the prompt goes on,
                e f                               after that the one drawn from the logits

The rows stand side by side from their first token on, each at its true positions, and are read
from the end of the shortest prompt token by token: a longer prompt is then still being read while
a shorter one is already written on. No row ever looks at what fills up a shorter one, since it is
overwritten before it is read; so there is nothing to mask, and any model with a state will do.
A row that is over leaves the batch, and its state with it.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from minilm.generation.reading import Reader, check_end, check_length, check_prompt
from minilm.generation.sampling import Sampling
from minilm.models import LanguageModel
from minilm.types import Array, Params
from minilm.weights import thaw


def generate_batch(
    model: LanguageModel,
    params: Params,
    prompts: Sequence[Array | Sequence[int]],
    length: int,
    *,
    end: int | None = None,
    rng: np.random.Generator | None = None,
    packed: bool = False,
    **sampling: Any,
) -> list[Array]:
    """For each prompt what `generate` writes after it: B arrays of at most `length` int32 ids.

    prompts: B sequences of integer ids, of any lengths >= 1; the rest as in `stream`
    Row i is drawn with rng.spawn(B)[i], so it is the text of `generate` with that generator alone,
    but that float sums may differ in their last digits where rows are added up in another order.
    Raises ValueError if there are no prompts, and what `stream` raises.
    """
    vocab_size = params["token_embedding"].shape[0]
    prompts = [check_prompt(ids, vocab_size, f"prompts[{i}]") for i, ids in enumerate(prompts)]
    if not prompts:
        raise ValueError("prompts must hold at least one prompt, got none")
    check_length(length)
    check_end(end, vocab_size)
    next_token = Sampling(**sampling)
    next_token.check_rng(rng)
    if not packed:
        params = thaw(params)
    context = getattr(model, "context", None)
    if context is not None:  # all that `generate` would read of them, too
        prompts = [prompt[-context:] for prompt in prompts]

    rngs = [None] * len(prompts) if rng is None else rng.spawn(len(prompts))
    starts = np.array([len(prompt) for prompt in prompts])
    ends = starts + length  # of what each row writes
    texts = np.zeros((len(prompts), ends.max()), dtype=np.int32)
    for text, prompt in zip(texts, prompts, strict=True):
        text[: len(prompt)] = prompt
    reader = Reader(model, params, starts.min())
    going = np.arange(len(prompts)) if length else np.arange(0)  # the rows that are read
    t = starts.min()
    while len(going):
        logits = reader.next_logits(texts[going, :t])
        for row, of_next in zip(going, logits, strict=True):
            if t >= starts[row]:
                texts[row, t] = next_token.draw(of_next, rngs[row])
                if texts[row, t] == end:
                    ends[row] = t + 1
        t += 1
        kept = np.flatnonzero(ends[going] > t)
        if 0 < len(kept) < len(going):
            reader.choose(kept)
        going = going[kept]
    return [texts[row, starts[row] : ends[row]] for row in range(len(prompts))]
