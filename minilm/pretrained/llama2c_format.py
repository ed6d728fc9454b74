"""The layout of llama2.c's checkpoints: a header of whole numbers, then every tensor's bytes.

    version 0   7 × int32                               28 bytes, no magic number
    version 1   MAGIC, 1, 7 × int32, tied: 1 byte       zeros up to byte 256
    version 2   MAGIC, 2, 7 × int32, tied: 1 byte, group size: int32, zeros up to byte 256

All numbers are little end first, so that MAGIC, "ak42", stands in the file as 24ka.
`run` reads version 0 and `runq` version 2. The seven are D, F, L, H, G, V and T: width, feed-
forward width, layers, heads, heads of keys and values, vocabulary and longest window. Version 0 has
no byte to say that the head is a matrix of its own, and so says it by a negative V. Nothing else
tells what follows: names, shapes and places are agreed on (ORDER), and a tensor of L layers is L
tensors in a row.

A matrix is stored as rows, one for each *output*: (out, in). Version 2 stores a matrix as int8
codes and then float32 scales, one for each `group_size` codes in a row; a vector stays float32.

Where the head turns (x_{2i}, x_{2i+1}) by the i-th angle, ours turns (x_i, x_{i+d/2}). It is the
same rotation with the d numbers of a head named otherwise: let P be the permutation that puts the
even places first. Then ours(P x) = P theirs(x), and as P leaves a product alone, (P q)·(P k) = q·k,
the two attend alike. So P is applied once, to the rows of w_q and w_k that make these numbers, and
nothing of it is left while the model runs. For d = 4: P x = (x_0, x_2, x_1, x_3), and what were
the pairs (x_0, x_1) and (x_2, x_3) are now a number of the first half and one of the second.
"""

import math
import struct
from dataclasses import dataclass, fields

from minilm.types import Array

MAGIC, HEADER_BYTES = 0x616B3432, 256
LONGEST = 2**24  # a window longer than this is no window but a damaged header
LAYERS = ("rms_att", "wq", "wk", "wv", "wo", "rms_ffn", "w1", "w2", "w3")
MAPS = ("wq", "wk", "wv", "wo", "w1", "w2", "w3")
ORDER = {
    0: ("token_embedding", *LAYERS, "rms_final", "angles", "wcls"),
    1: ("rms_att", "rms_ffn", "rms_final", "token_embedding", *MAPS, "wcls"),
    2: ("rms_att", "rms_ffn", "rms_final", "token_embedding", *MAPS, "wcls"),
}


@dataclass(frozen=True)
class Header:
    """What a file says of itself; the seven sizes in the order of the file, by their names there.

    tied: whether the head is the table; group_size: None but in version 2.
    Raises ValueError for sizes that no model has.
    """

    dim: int
    hidden_dim: int
    n_layers: int
    n_heads: int
    n_kv_heads: int
    vocab_size: int
    seq_len: int
    tied: bool
    version: int = 1
    group_size: int | None = None

    def __post_init__(self) -> None:
        for field in fields(self)[:7]:
            size = getattr(self, field.name)
            if size < 1:
                raise ValueError(f"{field.name} must be at least 1, got {size}")
        if self.dim % self.n_heads or self.dim // self.n_heads % 2:
            raise ValueError(
                f"n_heads must split dim={self.dim} into heads of an even width, got {self.n_heads}"
            )
        if self.n_heads % self.n_kv_heads:
            raise ValueError(f"n_kv_heads must divide {self.n_heads}, got {self.n_kv_heads}")
        if self.seq_len > LONGEST:
            raise ValueError(f"seq_len must be at most {LONGEST}, got {self.seq_len}")
        if self.group_size is not None:
            for name, (_, shape) in self.tensors().items():
                if len(shape) == 2 and (self.group_size < 1 or math.prod(shape) % self.group_size):
                    raise ValueError(
                        f"group_size must divide the {shape[0]} × {shape[1]} numbers of {name}, "
                        f"got {self.group_size}"
                    )

    @property
    def start(self) -> int:
        """The byte at which the first tensor begins."""
        return HEADER_BYTES if self.version else struct.calcsize("<7i")

    def tensors(self) -> dict[str, tuple[int, tuple[int, ...]]]:
        """How many of each kind, and their shape, in the order of the file: {name: (L, shape)}."""
        D, F, L, V = self.dim, self.hidden_dim, self.n_layers, self.vocab_size
        d = D // self.n_heads
        few = self.n_kv_heads * d
        every: dict[str, tuple[int, tuple[int, ...]]] = {
            "token_embedding": (1, (V, D)), "wcls": (0 if self.tied else 1, (V, D)),
            "rms_att": (L, (D,)), "rms_ffn": (L, (D,)), "rms_final": (1, (D,)),
            "wq": (L, (D, D)), "wk": (L, (few, D)), "wv": (L, (few, D)), "wo": (L, (D, D)),
            "w1": (L, (F, D)), "w2": (L, (D, F)), "w3": (L, (F, D)),
            "angles": (2, (self.seq_len * (d // 2),)),  # cosines and sines, which nobody needs
        }  # fmt: skip
        return {name: every[name] for name in ORDER[self.version]}

    def tensor_bytes(self, shape: tuple[int, ...]) -> int:
        """Bytes of one tensor of this shape: floats, or where there are groups codes and scales."""
        numbers = math.prod(shape)
        if self.group_size is None or len(shape) == 1:
            return 4 * numbers
        return numbers + 4 * (numbers // self.group_size)

    def file_bytes(self) -> int:
        """How long the file must be."""
        kinds = self.tensors().values()
        return self.start + sum(count * self.tensor_bytes(shape) for count, shape in kinds)

    def to_bytes(self) -> bytes:
        """The header as the file has it; the inverse of `parsed_header`."""
        sizes = [getattr(self, field.name) for field in fields(self)[:7]]
        if self.version == 0:
            V = self.vocab_size
            return struct.pack("<7i", *sizes[:5], V if self.tied else -V, self.seq_len)
        packed = struct.pack("<Ii7iB", MAGIC, self.version, *sizes, self.tied)
        if self.group_size is not None:
            packed += struct.pack("<i", self.group_size)
        return packed.ljust(HEADER_BYTES, b"\0")


def parsed_header(first: bytes) -> Header:
    """The header at the beginning of a file, of which the first 256 bytes are enough.

    Raises ValueError that names what was found where this is no such header.
    """
    if len(first) < struct.calcsize("<7i"):
        raise ValueError(f"a header has at least 28 bytes, got {len(first)}")
    if struct.unpack_from("<I", first) != (MAGIC,):
        D, F, L, H, G, V, T = struct.unpack_from("<7i", first)
        return Header(D, F, L, H, G, abs(V), T, tied=V > 0, version=0)
    if len(first) < HEADER_BYTES:
        raise ValueError(f"a header of version 1 or 2 has {HEADER_BYTES} bytes, got {len(first)}")
    version, D, F, L, H, G, V, T, tied, group_size = struct.unpack_from("<i7iBi", first, 4)
    if version not in (1, 2):
        raise ValueError(f"version must be 1 or 2, got {version}")
    if tied not in (0, 1):
        raise ValueError(f"the byte that says whether the head is tied must be 0 or 1, got {tied}")
    groups = group_size if version == 2 else None
    header = Header(D, F, L, H, G, V, T, bool(tied), version, groups)
    if header.to_bytes() != first[:HEADER_BYTES]:
        raise ValueError("the header must be filled up with zeros")
    return header


def halves(rows: Array, heads: int) -> Array:
    """P: in each head the even rows first, so that pairs (2i, 2i+1) stand at (i, i + d/2).

    rows: (heads · d, n)  ->  the same shape
    """
    return rows.reshape(heads, -1, 2, rows.shape[1]).swapaxes(1, 2).reshape(rows.shape)


def pairs(rows: Array, heads: int) -> Array:
    """P⁻¹, the inverse of `halves`."""
    return rows.reshape(heads, 2, -1, rows.shape[1]).swapaxes(1, 2).reshape(rows.shape)
