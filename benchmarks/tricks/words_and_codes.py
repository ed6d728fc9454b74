"""Tricks beside the network itself: word vectors and quantization."""

import numpy as np

from benchmarks.tricks.arrays import rows
from benchmarks.tricks.trick import Trick
from minilm.embeddings.negative_sampling import skip_gram_gradients
from minilm.embeddings.windows import distances, window_chance
from minilm.types import Array

WINDOW, BLOCK, BLOCKS, NEGATIVE = 5, 32, 4, 5


def sigma(x):
    return 1 / (1 + np.exp(-x))


def pair_by_pair(v, context, noise, chance):
    dv, dcontext, dnoise = np.zeros_like(v), np.zeros_like(context), np.zeros_like(noise)
    for i in range(len(v)):
        owed = NEGATIVE * chance.sum() / len(noise)
        for n in range(len(noise)):
            error = owed * sigma(v[i] @ noise[n])
            dv[i] += error * noise[n]
            dnoise[n] += error * v[i]
        for j in range(2 * WINDOW + 1):  # the words before and after word i
            error = chance[j] * (sigma(v[i] @ context[i + j]) - 1)
            dv[i] += error * context[i + j]
            dcontext[i + j] += error * v[i]
    return dv, dcontext, dnoise


def block_by_block(v, context, noise, chance):
    band = window_chance(distances(WINDOW, BLOCK), WINDOW)  # (b, b + 2w): 0 outside the windows
    weights = np.broadcast_to(band, (BLOCKS, *band.shape))
    return skip_gram_gradients(v, context, noise, weights, NEGATIVE)


def words() -> tuple[Array, ...]:
    """Rows of the centres, of all in sight of them, and of 64 negatives; a window's weights."""
    centres = BLOCK * BLOCKS
    chance = window_chance(np.abs(np.arange(-WINDOW, WINDOW + 1)), WINDOW)
    tables = (rows(n, 100) / 10 for n in (centres, centres + 2 * WINDOW, 64))
    return *tables, chance


def quantize_whole(w):
    scale = np.abs(w).max(axis=0) / 127
    return np.clip(np.rint(w / scale), -127, 127).astype(np.int8), scale


def quantize_in_chunks(w):
    codes, scratch = np.empty(w.shape, np.int8), np.empty((16, w.shape[1]), w.dtype)
    scale = np.maximum(w.max(axis=0), -w.min(axis=0)) / 127  # no array of |w|
    for start in range(0, len(w), 16):  # 16 rows stay in the cache from x to code
        some = scratch[: len(w[start : start + 16])]
        np.divide(w[start : start + 16], scale, out=some)
        np.rint(some, out=some)
        codes[start : start + 16] = some  # |x| <= max|x|: there is nothing to clip
    return codes, scale


def turn_the_numbers(w):
    rows = np.ascontiguousarray(w.T)  # a channel is a row now
    scale = np.abs(rows).max(axis=1) / 127
    return np.rint(rows / scale[:, None]).astype(np.int8), scale


def leave_them_where_they_are(w):
    scale = np.abs(w).max(axis=0) / 127
    return np.rint(w / scale).astype(np.int8).T, scale  # .T is a view: nothing moves


def pack_bit_by_bit(codes):
    bits = codes[:, :, None] >> np.arange(3, dtype=np.uint8) & 1  # a byte for each bit
    return np.packbits(bits.reshape(len(codes), -1), axis=1, bitorder="little")


def pack_by_joining(codes):
    for bits, joined in ((3, "<u1"), (6, "<u2"), (12, "<u4")):  # into twos, fours, eights
        low, high = (codes[:, i::2].astype(joined) for i in (0, 1))
        high <<= bits
        low |= high
        codes = low
    eights = codes.view(np.uint8).reshape(len(codes), -1, 4)
    return eights[:, :, :3].reshape(len(codes), -1)  # 8 codes of 3 bits: the lowest 3 bytes of 4


def turn_bytes(codes):
    rows = np.ascontiguousarray(codes.T)  # each byte goes to a place far from its neighbours'
    return rows[:, ::2] | rows[:, 1::2] << 4


def turn_words(codes):
    twos = codes[::2] | codes[1::2] << 4  # joined where they lie: whole rows with whole rows
    fours = twos[::2] | twos[1::2].astype("<u2") << 8
    eights = fours[::2] | fours[1::2].astype("<u4") << 16
    return np.ascontiguousarray(eights.T).view(np.uint8)


def codes(count: int, width: int, bits: int) -> Array:
    """Random codes, a byte each."""
    return np.random.default_rng(0).integers(2**bits, size=(count, width), dtype=np.uint8)


TRICKS = (
    Trick(
        name="Word vectors by matrix products",
        where="embeddings/negative_sampling.py",
        why="""Neighbouring centres share their neighbours, and a run of centres can share its
negatives. So the scores of a block of centres are one small product, of which a band counts, in the
place of a dot product for each pair; and so are the gradients.""",
        sizes="128 centres, window 5, 64 shared negatives, vectors of 100",
        make=words, before=pair_by_pair, after=block_by_block,
        shown=(pair_by_pair, skip_gram_gradients), rounds=9, tolerance=1e-4,
    ),
    Trick(
        name="Quantize in chunks",
        where="compression/quantization/on_grid.py",
        why="""From float to code there are several passes over the numbers. Done for a few rows at
a time, all passes but the first find them in the cache, and no large temporary is made.""",
        sizes="4096 × 4096 to int8, a scale for each column",
        make=lambda: (rows(4096, 4096),), before=quantize_whole, after=quantize_in_chunks,
        rounds=9,
    ),
    Trick(
        name="Do not turn a matrix",
        where="compression/quantization/layout.py",
        why="""Scales and codes are kept channel by channel, and a channel of a weight (in, out) is
a column. To copy columns into rows reads memory against its grain, which costs more than all the
arithmetic; largest numbers and quotients of columns can be had where the columns are.""",
        sizes="4096 × 4096 to int8, a scale for each column",
        make=lambda: (rows(4096, 4096),),
        before=turn_the_numbers, after=leave_them_where_they_are, rounds=9,
    ),
    Trick(
        name="If it must be turned, turn words",
        where="weights/packing.py: pack",
        why="""Packed codes are kept channel by channel, so in the end something has to be turned.
Eight codes of 4 bits, joined where they lie, are one number of 32 bits: an eighth of the moves,
each of four bytes.""",
        sizes="4096 × 4096 codes of 4 bits, a channel is a column",
        make=lambda: (codes(4096, 4096, 4),), before=turn_bytes, after=turn_words, rounds=9,
    ),
    Trick(
        name="Pack by joining neighbours",
        where="weights/packing.py: pack",
        why="""To write codes of 3 bits without gaps, the plain way makes a byte of every bit.
Instead two neighbours become one number of 6 bits, two of those one of 12, two of those one of 24,
which is three bytes: three steps for whole arrays, and no bit is touched alone.""",
        sizes="256 × 4096 codes of 3 bits",
        make=lambda: (codes(256, 4096, 3),), before=pack_bit_by_bit, after=pack_by_joining,
    ),
)  # fmt: skip
