"""A tokenizer is a numbered list of pieces: text -> the pieces' numbers -> text.

    encode: str -> (n,) int32,    decode: (n,) integers -> str

Is decode(encode(text)) = text? For characters and byte-pair encoding, exactly so. For SentencePiece
too, unless a ▁ is in it, which is its space. For words, unless one of them is <unk>. WordPiece
gives back neither case, accents, white space nor unknown words.

Characters are the smallest pieces: a short vocabulary and long sequences. Words are larger ones: a
long vocabulary, short sequences, and the question of what to do with a word never seen before.
Between them stand pieces that are learned: frequent words whole, rare ones in parts.

The more a piece holds, the more nats it costs: compare tokenizers in nats per character or in
bits per byte (minilm.metrics), never per token.

characters.py      one token a character
words.py           one token a word, with the white space before it
bpe.py             byte-level byte-pair encoding: GPT-2's, any text, nothing unknown
wordpiece.py       WordPiece: BERT's, longest match, vocab.txt
sentencepiece.py   SentencePiece: Llama 2's, spaces are characters, the best-scored pair first

reading.py         read_tokenizer: a folder that somebody wrote
tokenizer_json.py  tokenizer.json, for each of the three above
bpe_files.py       vocab.json and merges.txt
tokenizer_bin.py   tokenizer.bin, of llama2.c
json_files.py      JSON with errors that name the place
text_files.py      UTF-8 files, read and written whole

bert_words.py      BERT's cutting into words, its lower case without accents
unicode_8.py       what is a mark, and what an accent: the same on every Python
pre_tokens.py      GPT-2's cutting into words, and its letters for bytes
memory.py          words that were encoded before
merging.py         learning and applying merges, quickly however long a word is
specials.py        special tokens: padding, begin, end, unknown
checks.py          what is refused
"""

from collections.abc import Mapping
from typing import Any, TypeAlias

from minilm.text.tokenizers.bpe import BPETokenizer
from minilm.text.tokenizers.characters import CharTokenizer
from minilm.text.tokenizers.reading import read_tokenizer
from minilm.text.tokenizers.sentencepiece import SentencePieceTokenizer
from minilm.text.tokenizers.specials import BEGIN, END, PADDING, UNKNOWN
from minilm.text.tokenizers.wordpiece import WordPieceTokenizer
from minilm.text.tokenizers.words import WordTokenizer

Tokenizer: TypeAlias = (
    CharTokenizer | WordTokenizer | BPETokenizer | WordPieceTokenizer | SentencePieceTokenizer
)
TOKENIZERS: dict[str, Any] = {
    "char": CharTokenizer,
    "word": WordTokenizer,
    "bpe": BPETokenizer,
    "wordpiece": WordPieceTokenizer,
    "sentencepiece": SentencePieceTokenizer,
}


def tokenizer_from_dict(fields: Mapping[str, Any]) -> Tokenizer:
    """The tokenizer whose to_dict() this is, as a saved model's header carries it."""
    kind = fields.get("kind")
    if kind not in TOKENIZERS:
        raise ValueError(f"kind of tokenizer: must be one of {sorted(TOKENIZERS)}, got {kind!r}")
    tokenizer: Tokenizer = TOKENIZERS[kind].from_dict(fields)
    return tokenizer


__all__ = [
    "BEGIN",
    "END",
    "PADDING",
    "TOKENIZERS",
    "UNKNOWN",
    "BPETokenizer",
    "CharTokenizer",
    "SentencePieceTokenizer",
    "Tokenizer",
    "WordPieceTokenizer",
    "WordTokenizer",
    "read_tokenizer",
    "tokenizer_from_dict",
]
