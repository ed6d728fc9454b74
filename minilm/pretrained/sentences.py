"""A vector for each sentence, near another where the sentences mean much the same.

    h = encoder([CLS] pieces [SEP])         (T, D): a vector for each token
    v = mean of h, or h of [CLS]            as the model was trained: its pooling
    u = v / ‖v‖                             so that u · u' is the cosine of two sentences

Sentences of like length are read side by side, so that hardly any padding is multiplied; what there
is of it counts in no mean. Reimers and Gurevych 2019 (Sentence-BERT).
"""

from collections.abc import Sequence

import numpy as np

from minilm.compression.parameters import is_table
from minilm.embeddings.table_rows import unit_rows
from minilm.models import MaskedLanguageModel, TransformerEncoder
from minilm.models.language_model import check_positive
from minilm.models.pooling import mean_of_tokens
from minilm.nn.linear import unpacked
from minilm.pretrained.load import Pretrained
from minilm.pretrained.prompts import tokenizer_of
from minilm.pretrained.texts import padded_ids
from minilm.training import keep_freed_memory
from minilm.types import Array, Params


def sentence_embeddings(
    pretrained: Pretrained, texts: Sequence[str], batch_size: int = 32, unit: bool = True,
    packed: bool = False,
) -> Array:  # fmt: skip
    """One vector for each text, in the order of the texts: (N, D) float32.

    pretrained: what `load_pretrained` gives of an encoder. batch_size: texts read side by side.
    unit: of length 1; a vector of zeros stays zero. packed: compute with compressed weights as they
    are; by default they are unpacked once for all texts.
    Of a text that has more tokens than `pretrained.longest` only the beginning counts; `cut_texts`
    tells which these are. A text that stands in `texts` twice has the same vector, bit for bit.
    Raises TypeError for a model that is no encoder, one string in the place of several, or what is
    no string; ValueError for no texts, no tokenizer or a batch_size below 1; FloatingPointError for
    vectors that are not finite.
    """
    model = encoder_of(pretrained)
    texts = check_texts(texts)
    check_positive(batch_size=batch_size)
    keep_freed_memory()
    params = pretrained.params if packed else unpacked_maps(pretrained.params)
    places = {text: i for i, text in enumerate(dict.fromkeys(texts))}  # each text is read once
    ids = padded_ids(tokenizer_of(pretrained), list(places), pretrained.longest)
    lengths = (ids != model.padding_id).sum(axis=1)
    order = np.argsort(lengths, kind="stable")
    vectors = np.empty((len(ids), model.width), np.float32)
    for start in range(0, len(ids), batch_size):
        rows = order[start : start + batch_size]
        tokens = ids[rows, : lengths[rows[-1]]]
        hidden, _ = model.forward(params, tokens, for_backward=False)
        vectors[rows] = pooled(hidden, tokens != model.padding_id, pretrained.pooling)
    if not np.isfinite(vectors).all():
        raise FloatingPointError("the model's vectors are not finite: its parameters may not be")
    if unit:
        vectors = unit_rows(vectors)
    return vectors[[places[text] for text in texts]]


def unpacked_maps(params: Params) -> Params:
    """Weights that are multiplied, unpacked once; of tables only rows are taken, at no great cost.

    What rounds its input goes on doing so, which `minilm.thaw` would undo.
    """
    return {name: w if is_table(name) else unpacked(w) for name, w in params.items()}


def pooled(hidden: Array, mask: Array, pooling: str) -> Array:
    """One vector for each text: "mean" of its tokens, or the "first" token's.

    hidden: (B, T, D), mask: (B, T) bool, True at a token  ->  (B, D)
    """
    return hidden[:, 0] if pooling == "first" else mean_of_tokens(hidden, mask)[0]


def similarity(a: Array, b: Array) -> Array:
    """The cosine of each row of a with each row of b, 0 where one is zero.

    a: (N, D), b: (M, D)  ->  (N, M). Raises ValueError for other shapes.
    """
    a, b = np.asarray(a), np.asarray(b)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise ValueError(f"a and b must have shapes (N, D) and (M, D), got {a.shape}, {b.shape}")
    return unit_rows(a) @ unit_rows(b).T


def rank(
    pretrained: Pretrained, query: str, texts: Sequence[str], k: int | None = None
) -> list[tuple[float, int]]:
    """The k texts that are most like the query (None: all): (cosine, index in texts), best first.

    Of equally similar texts the one of the lower index comes first. Raises as
    `sentence_embeddings`; ValueError for a k below 1.
    """
    if not isinstance(query, str):
        raise TypeError(f"query must be a string, got {type(query).__name__}")
    texts = check_texts(texts)
    if k is not None:
        check_positive(k=k)
    vectors = sentence_embeddings(pretrained, [query, *texts])
    cosines = (vectors[1:] * vectors[0]).sum(axis=1)  # row by row: equal texts, equal bits
    best = np.argsort(-cosines, kind="stable")[:k]
    return [(float(cosines[i]), int(i)) for i in best]


def cut_texts(pretrained: Pretrained, texts: Sequence[str]) -> list[int]:
    """The indices of the texts that have more than `pretrained.longest` tokens, and so are cut."""
    model, longest = encoder_of(pretrained), pretrained.longest
    ids = padded_ids(tokenizer_of(pretrained), check_texts(texts), longest + 1)
    return np.flatnonzero((ids != model.padding_id).sum(axis=1) > longest).tolist()


def encoder_of(pretrained: Pretrained) -> TransformerEncoder:
    """The encoder, without its head for masked tokens if it has one. TypeError for another model.
    """
    model = pretrained.model
    if isinstance(model, MaskedLanguageModel):
        return model.encoder
    if not isinstance(model, TransformerEncoder):
        raise TypeError(
            f"pretrained must hold an encoder (of BERT's kind), got a {type(model).__name__}, "
            "which writes text and makes no vector of it"
        )
    return model


def check_texts(texts: Sequence[str]) -> list[str]:
    """The texts as a list, refused unless there is one and all are strings."""
    if isinstance(texts, str):
        raise TypeError(f"texts must be a list of strings, got the string {texts[:40]!r}")
    texts = list(texts)
    wrong = next((i for i, text in enumerate(texts) if not isinstance(text, str)), None)
    if wrong is not None:
        raise TypeError(f"texts[{wrong}] must be a string, got {type(texts[wrong]).__name__}")
    if not texts:
        raise ValueError("texts must hold at least one text, got none")
    return texts
