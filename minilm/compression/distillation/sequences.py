"""What the teacher writes: its texts take the place of the data that the student learns from.

    Σ_y p_teacher(y | x) · −log p_student(y | x)   ≈   −log p_student(ŷ | x),   ŷ = teacher's answer

Taught word by word (labels.py), a student copies the teacher's next word after texts that people
wrote. Here it copies whole texts. What people say in several ways, a teacher mostly says in one,
and that is easier to learn for a small model. No new loss: train on what these functions return,
with `cross_entropy_loss` or with `distil`.

Kim and Rush 2016, section 3.2. The sum over all y is replaced by its likeliest term, found greedily
or by beam search; for texts of a language model, whose likeliest text repeats itself without end,
by texts drawn from it.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from minilm.generation import answer, generate_batch
from minilm.models import LanguageModel, Seq2SeqModel
from minilm.text import PairTokenizer
from minilm.text.tasks import Example
from minilm.types import Array, Params


def answered_examples(
    teacher: Seq2SeqModel,
    params: Params,
    tokenizer: PairTokenizer,
    sources: Sequence[str],
    *,
    length: int,
    beams: int = 1,
    alpha: float = 0.6,
) -> list[Example]:
    """Each source with the teacher's answer: training pairs, for `pair_batches` as any others.

    length: the most tokens of an answer; one that is not over by then is kept as it stands.
    beams: 1 is greedy; more, beam search. alpha: its length penalty (minilm.generation.answer).
    Sources to which the teacher answers nothing are left out: there may be fewer than sources.
    ValueError for no sources, and what `answer` raises.
    """
    ids = tokenizer.encode_source(sources)
    written = answer(
        teacher, params, ids, begin_id=tokenizer.begin_id, end_id=tokenizer.end_id,
        length=length, beams=beams, alpha=alpha,
    )  # fmt: skip
    texts = map(tokenizer.decode, written)
    return [Example(source, text) for source, text in zip(sources, texts, strict=True) if text]


def written_texts(
    teacher: LanguageModel,
    params: Params,
    tokens: Array,
    *,
    texts: int,
    length: int,
    prompt: int = 8,
    seed: int,
    **sampling: Any,
) -> Array:
    """Texts that the teacher writes, one after the other: (texts · length,) int32, for `windows`.

    tokens: (N,) ids of a true text; each text goes on from `prompt` of its tokens, anywhere in it,
    which are not repeated. sampling: temperature (default 1: as likely as the teacher thinks them),
    top_k, top_p, as in `generate`.
    ValueError for a text that is too short, sizes below 1, and what `generate_batch` raises.
    """
    tokens = np.asarray(tokens)
    for name, size in (("texts", texts), ("length", length), ("prompt", prompt)):
        if size < 1:
            raise ValueError(f"{name} must be at least 1, got {size!r}")
    if tokens.ndim != 1 or len(tokens) < prompt:
        raise ValueError(f"tokens must hold {prompt} ids or more, (N,), got {tokens.shape}")
    rng = np.random.default_rng(seed)
    starts = rng.integers(len(tokens) - prompt + 1, size=texts)
    prompts = list(tokens[starts[:, None] + np.arange(prompt)])
    written = generate_batch(teacher, params, prompts, length, rng=rng, **sampling)
    return np.concatenate(written)
