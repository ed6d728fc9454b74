"""tokenizer.bin: the pieces of a SentencePiece model with their scores, as llama2.c keeps them.

    int32                     bytes of the longest piece
    for each piece, in the order of the numbers:
        float32, int32        its score; how many bytes it has
        bytes                 UTF-8, with " " for ▁

Number 0 is <unk>, 1 and 2 are "\\n<s>\\n" and "\\n</s>\\n"; <0x00> … <0xFF> stand for bytes. All
numbers are little-endian. How many pieces there are is not said: the file is over when they are.
Karpathy 2023, llama2.c, tokenizer.py.
"""

import struct
from pathlib import Path

from minilm.text.tokenizers.sentencepiece import SPACE, SPECIALS, SentencePieceTokenizer
from minilm.text.tokenizers.text_files import read_bytes

LARGEST = 2**23  # bytes: twenty times Llama 2's file
MOST_BYTES = 256  # of a piece: real ones have some dozens, and a text is cut in all ways into two
NAMES = {"\n<s>\n": "<s>", "\n</s>\n": "</s>"}


def read_tokenizer_bin(path: str | Path) -> SentencePieceTokenizer:
    """ValueError that names the file and the byte of what cannot be meant; FileNotFoundError."""
    data, name = read_bytes(Path(path), LARGEST), repr(str(path))
    if len(data) < 4:
        raise ValueError(f"{name}: must begin with the length of the longest piece, "
                         f"has {len(data)} bytes")  # fmt: skip
    (longest,), place = struct.unpack_from("<i", data), 4
    pieces: list[str] = []
    scores: list[float] = []
    while place < len(data):
        where = f"{name}, byte {place}"
        if place + 8 > len(data):
            raise ValueError(f"{where}: the file ends inside piece {len(pieces)}")
        score, length = struct.unpack_from("<fi", data, place)
        place += 8
        most = min(longest, MOST_BYTES)
        if not 0 < length <= most:
            raise ValueError(f"{where}: piece {len(pieces)} must have 1..{most} bytes (the longest "
                             f"is said to have {longest}), got {length}")  # fmt: skip
        if place + length > len(data):
            raise ValueError(f"{where}: the file ends inside piece {len(pieces)}")
        try:
            piece = data[place : place + length].decode()
        except UnicodeDecodeError as error:
            raise ValueError(f"{where}: piece {len(pieces)} is not UTF-8") from error
        pieces.append(NAMES.get(piece, piece.replace(" ", SPACE)))
        scores.append(score)
        place += length
    if tuple(pieces[:3]) != SPECIALS:
        raise ValueError(f"{name}: must begin with the pieces {SPECIALS}, got {pieces[:3]}")
    try:
        return SentencePieceTokenizer.from_scores(pieces, scores)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
