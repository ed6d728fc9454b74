"""An LSTM language model of another program: its layers (lstm_weights.py), a table and a head.

    theirs   x = table[ids]           logits = h Wᵀ + b
    ours     x = √E · table[ids]      logits = h w + b, or if tied h tableᵀ + b

    ids: (B, T), table: (V, E), x: (B, T, E), h: (B, T, H), W = wᵀ: (V, H), b: (V,)

Ours multiplies by √E so that one table suits both its ends. It would do so to a table that was
never trained for it; so the first w_x is divided by √E, and the table stays what it was, which a
tied head needs.
"""

import math
from collections.abc import Mapping

import numpy as np

from minilm.models import LSTMLanguageModel
from minilm.pretrained.lstm_weights import Source, float32, layers_of, opened
from minilm.pretrained.tensors import Noted, some_of
from minilm.types import Array, Params

EMBEDDINGS = ("embedding.weight", "encoder.weight", "embedding/embeddings")
HEADS = ("decoder.weight", "head.weight", "dense/kernel")


def read_lstm_language_model(
    source: Source,
    prefix: str = "",
    order: str | None = None,
    *,
    embedding: str | None = None,
    head: str | None = None,
) -> tuple[LSTMLanguageModel, Params]:
    """The model and its parameters of a table, LSTM layers and a head.

    source, prefix, order: as in `read_lstm_layers`. embedding: the name of the table (V, E), if it
    neither is nor ends in one of EMBEDDINGS. head: that of the last map, if it neither is nor ends
    in one of HEADS: (V, H), or (H, V) where the name ends in "kernel", as Keras has it; its bias,
    if there is one, has the same name with "bias" at the end. A model whose head is its table is
    tied (so head may name the table); and so is one that has no head, nor any other array that
    might be it.
    Raises as `read_lstm_layers`, and ValueError for arrays that are missing or do not fit.
    """
    with opened(source) as arrays:
        tensors = Noted(arrays)
        layers = layers_of(tensors, prefix, order)
        table = floats(tensors, EMBEDDINGS if embedding is None else (embedding,))
        E, H = len(layers[0][0]), len(layers[0][1])
        if any(len(w_h) != H for _, w_h, _ in layers):
            raise ValueError(
                f"all layers must have the same width, got {[len(w_h) for _, w_h, _ in layers]}"
            )
        if table.ndim != 2 or table.shape[1] != E:
            raise ValueError(
                f"the table must have shape (V, {E}), what the first layer reads, got {table.shape}"
            )
        head_name = found(tensors, HEADS) if head is None else head
        if head_name is None:
            w, b = tied_head(tensors, table, H)
        else:
            w, b = head_of(tensors, head_name, H, len(table))
    tied = np.array_equal(w, table.T)
    params: Params = {"token_embedding": table}
    for layer, (w_x, w_h, bias) in enumerate(layers):
        params[f"lstm.{layer}.w_x"] = w_x if layer else w_x / math.sqrt(E)
        params |= {f"lstm.{layer}.w_h": w_h, f"lstm.{layer}.b": bias}
    params |= {"head.b": b} if tied else {"head.w": np.ascontiguousarray(w), "head.b": b}
    model = LSTMLanguageModel(
        len(table), width=H, embedding_width=E, layers=len(layers), tied=tied
    )
    return model, params


def tied_head(tensors: Noted, table: Array, H: int) -> tuple[Array, Array]:
    """The table's own w (H, V) and b (V,) of zeros, if nothing else could be the head."""
    V, E = table.shape
    others = [name for name in tensors.unused if V in tensors[name].shape]
    if E != H or others:
        reason = f"the table of width {E} is no head for a state of width {H}"
        if E == H:
            reason = f"of {V} rows or columns, as a head has, {some_of(others)}"
        raise ValueError(f"no array is called {' or '.join(HEADS)}; {reason}: name one by head=")
    return table.T, np.zeros(V, np.float32)


def head_of(tensors: Mapping[str, Array], name: str, H: int, V: int) -> tuple[Array, Array]:
    """The head's w (H, V) and b (V,), which is 0 where there is none."""
    w = floats(tensors, (name,))
    base = (found(tensors, (name,)) or name).removesuffix(":0")
    shape, kind = ((H, V), "kernel") if base.endswith("kernel") else ((V, H), "weight")
    if w.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {w.shape}")
    b_names = [base.removesuffix(kind) + end for end in ("bias", "bias:0")]
    b_name = next((name for name in b_names if name in tensors), None)  # no other part's bias
    b = np.zeros(V, np.float32) if b_name is None else floats(tensors, (b_name,))
    if b.shape != (V,):
        raise ValueError(f"{b_name} must have shape {(V,)}, got {b.shape}")
    return (w if kind == "kernel" else w.T), b


def found(tensors: Mapping[str, Array], names: tuple[str, ...]) -> str | None:
    """The first of these names that is there, with TensorFlow's ":0" or without; else the only one
    that ends in one of them: Keras and torch put before it what it is a part of."""
    every = [full for name in names for full in (name, f"{name}:0")]
    ends = tuple(mark + name for name in every for mark in "/.")
    whole = [name for name in every if name in tensors]
    inside = [name for name in tensors if name.endswith(ends)]
    return whole[0] if whole else inside[0] if len(inside) == 1 else None


def floats(tensors: Mapping[str, Array], names: tuple[str, ...]) -> Array:
    """The array of one of these names as float32; ValueError if there is none, or for one that
    holds no floats, or some that are not finite."""
    name = found(tensors, names)
    if name is None:
        raise ValueError(f"no array is called {' or '.join(names)}; {some_of(tensors)}")
    return float32(name, np.asarray(tensors[name]))
