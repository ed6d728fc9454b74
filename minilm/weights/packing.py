"""Codes of b bits, written without gaps: eight 3-bit codes take three bytes.

A row of codes is one long string of bits. Code i takes the bits i·b … i·b + b − 1, its lowest bit
first, and bit k of the string is bit k mod 8 of byte k // 8. So at 4 bits the low nibble comes
first. Each row is padded with zeros to whole bytes, so that a row can be read without the others.

    codes   1   2   3        at 4 bits   bytes  0x21 0x03
    codes   1   2   3   4    at 3 bits   bits   100 010 110 001 (0000)   bytes  0xD1 0x08

In two lines, bit by bit:

    row = codes[:, :, None] >> np.arange(bits, dtype=np.uint8) & 1              (rows, n, bits)
    packed = np.packbits(row.reshape(rows, -1), axis=1, bitorder="little")

Below are the same bytes, made of whole codes: several times as fast. Codes of 16 bits are two bytes
each, the low one first.
"""

import functools
from typing import Any

import numpy as np

from minilm.types import Array

# How many codes `unpack` looks up at once: a byte full of them where they fill it, else as many as
# lie within two bytes wherever they start. A table of all such runs has at most 4096 rows.
RUN = {1: 8, 2: 4, 3: 4, 4: 2, 5: 2, 6: 2, 7: 1}
CHUNK = 1 << 20  # codes packed at once: what is made of them stays in the processor's cache


def check_bits(bits: int, wide: bool = False) -> int:
    """`bits` as a Python int, in which 2**bits cannot wrap; ValueError unless one of 1 … 8.

    wide: 16 will do as well.
    """
    whole = isinstance(bits, int | np.integer) and not isinstance(bits, bool)
    if not whole or (not 1 <= bits <= 8 and not (wide and bits == 16)):
        allowed = "from 1 to 8, or 16" if wide else "from 1 to 8"
        raise ValueError(f"bits must be an integer {allowed}, got {bits!r}")
    return int(bits)


def code_type(bits: int) -> type[np.unsignedinteger[Any]]:
    """The type that a code has by itself: a byte, or two where one is too small."""
    return np.uint8 if bits <= 8 else np.uint16


def row_bytes(n: int, bits: int) -> int:
    """Bytes that n codes take: ⌈n·bits / 8⌉."""
    return (n * bits + 7) // 8


def pack(codes: Array, bits: int) -> Array:
    """The bytes of rows of codes.

    codes: (rows, n) uint8 (uint16 at 16 bits), each below 2^bits  ->  (rows, ⌈n·bits/8⌉) uint8
    Raises ValueError for another dtype or shape, a code that is too large, or bits other than 1 … 8
    and 16.
    """
    bits = check_bits(bits, wide=True)
    if codes.ndim != 2 or codes.dtype != code_type(bits):
        raise ValueError(
            f"codes must be {code_type(bits).__name__} (rows, n), got {codes.dtype} {codes.shape}"
        )
    if bits == 16:
        return np.array(codes, "<u2", order="C").view(np.uint8)
    if bits < 8 and codes.size and codes.max() >= 2**bits:
        raise ValueError(f"codes must be below 2^{bits} = {2**bits}, got {codes.max()}")
    rows, n = codes.shape
    if bits == 8 and codes.flags.c_contiguous:
        return codes.copy()
    if n % 8:
        eights = row_bytes(n, 1)  # n / 8, rounded up
        padded = np.zeros_like(codes, shape=(rows, eights * 8))
        padded[:, :n] = codes
        codes = padded
    words = _eights(codes, bits)
    filled = words.view(np.uint8).reshape(rows, words.shape[1], words.itemsize)[:, :, :bits]
    filled = filled.reshape(rows, words.shape[1] * bits)
    return np.ascontiguousarray(filled[:, : row_bytes(n, bits)])


def _eights(codes: Array, bits: int) -> Array:
    """Eight neighbours each as one number, which fills its lowest `bits` bytes exactly.

    Codes whose columns are what is contiguous (a matrix quantized where it lies) are joined there,
    and only the numbers are turned: to turn single bytes costs NumPy ten times as much.
    codes: (rows, 8·m) uint8  ->  (rows, m), the smallest unsigned type of 8·bits bits, contiguous
    """
    eights = codes.reshape(len(codes), codes.shape[1] // 8, 8)
    columns_first = codes.strides[0] < codes.strides[1]
    if columns_first:
        eights = eights.swapaxes(0, 1)
    height, width, _ = eights.shape
    words = np.empty((len(codes), codes.shape[1] // 8), _unsigned(8 * bits))
    filled = words.T if columns_first else words
    step = max(1, CHUNK // max(1, width * 8))
    for i in range(0, height, step):
        filled[i : i + step] = _joined(eights[i : i + step], bits)
    return words


def _joined(eights: Array, bits: int) -> Array:
    """Σ codeᵢ·2^(i·bits): neighbours are joined to twos, these to fours, these to eights.

    eights: (..., 8) uint8  ->  (...) unsigned
    """
    for width in (bits, 2 * bits, 4 * bits):
        low, high = (eights[..., i::2].astype(_unsigned(2 * width)) for i in (0, 1))
        high <<= width
        low |= high
        eights = low
    return eights[..., 0]


def _unsigned(bits: int) -> str:
    """The smallest type that holds so many bits, its lowest byte first."""
    return next(f"<u{size}" for size in (1, 2, 4, 8) if bits <= 8 * size)


def unpack(packed: Array, bits: int, n: int, values: Array | None = None) -> Array:
    """The inverse of `pack`; with `values`, values[code] in the place of each code.

    The bits of a few neighbouring codes (RUN) are read as one number, and a table of all such
    numbers says which codes, or which values, it stands for.
    packed: (rows, ⌈n·bits/8⌉) uint8, values: (2^bits,)  ->  (rows, n), of values' dtype or that of
    `pack`; at 8 and 16 bits without values it is the same memory
    """
    bits = check_bits(bits, wide=True)
    if packed.ndim != 2 or packed.dtype != np.uint8 or packed.shape[1] != row_bytes(n, bits):
        raise ValueError(
            f"packed must be uint8 (rows, {row_bytes(n, bits)}) for {n} codes of {bits} bits, "
            f"got {packed.dtype} {packed.shape}"
        )
    if bits >= 8:  # whole bytes: there is nothing to take apart
        codes = np.ascontiguousarray(packed).view(f"<u{bits // 8}")
        if values is not None:
            return np.take(values, codes)
        return codes.astype(code_type(bits), copy=False)
    run, table = RUN[bits], _runs(bits)
    if values is not None:
        table = values[table]
    runs = _windows(packed, run * bits, count=-(-n // run))
    # np.take copies a whole run of entries at once; table[runs] is ten times slower
    return np.take(table, runs, axis=0).reshape(len(packed), table.shape[1] * runs.shape[1])[:, :n]


@functools.cache
def _runs(bits: int) -> Array:
    """Every run of codes that one window can hold: (2^(run·bits), run) uint8."""
    window = np.arange(2 ** (RUN[bits] * bits))[:, None]
    table = (window >> (bits * np.arange(RUN[bits])) & (2**bits - 1)).astype(np.uint8)
    table.setflags(write=False)
    return table


def _windows(packed: Array, width: int, count: int) -> Array:
    """Cut each row's bits into `count` numbers of `width` bits: (rows, count) unsigned."""
    if width == 8:
        return packed
    start = np.arange(count) * width
    low = packed.astype(np.uint16)
    high = np.zeros_like(low)
    high[:, :-1] = low[:, 1:]
    window = np.take(low | high << np.uint16(8), start >> 3, axis=1)
    window >>= (start & 7).astype(np.uint16)
    window &= np.uint16(2**width - 1)
    return window
