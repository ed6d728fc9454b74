"""Sensitivity: one part of the encoder is rounded, and all else stays float.

    drift(part, bits) = 1 − mean cosine of the embeddings

What costs most alone deserves most bits. Parts are the tables together and each block; and inside
the blocks each matrix by itself.
"""

from collections.abc import Sequence

from minilm.compression.parameters import matrices
from minilm.study.pretrained.bench import Bench
from minilm.types import Params

TABLES = "tables"


def parts(bench: Bench) -> dict[str, list[str]]:
    """{"tables": the embedding tables, "layer 1": the matrices of the first block, …}."""
    found: dict[str, list[str]] = {TABLES: bench.tables}
    for name in matrices(bench.params):
        if name not in bench.tables:
            layer = int(name.split(".")[1])  # encoder.l.attention.w_qkv
            found.setdefault(f"layer {layer + 1}", []).append(name)
    return found


def single_matrices(bench: Bench) -> dict[str, list[str]]:
    """{"layer 1, w_qkv": [its name], …} and {"token_embedding": …}."""
    return {
        (f"{part}, {name.rpartition('.')[2]}" if part != TABLES else name): [name]
        for part, names in parts(bench).items() for name in names
    }  # fmt: skip


def sensitivity(bench: Bench, rounded: Params, names: Sequence[str]) -> dict[str, float]:
    """The drift where only the named weights are those of `rounded`."""
    return bench.measured({**bench.params, **{name: rounded[name] for name in names}})
