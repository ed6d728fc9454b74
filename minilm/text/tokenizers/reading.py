"""Whose tokenizer is this? A folder that somebody wrote, read by the files that are in it.

    tokenizer.json              any of the three below, with all their settings
    vocab.txt                   WordPiece; tokenizer_config.json may say that it keeps capitals
    vocab.json, merges.txt      byte-level byte-pair encoding, GPT-2's
    tokenizer.bin               SentencePiece, from llama2.c

The first that is there counts: tokenizer.json says more than the files that it was made from.
"""

from pathlib import Path
from typing import Any

from minilm.text.tokenizers.bpe import BPETokenizer
from minilm.text.tokenizers.bpe_files import read_vocabulary
from minilm.text.tokenizers.json_files import Part, read_json
from minilm.text.tokenizers.tokenizer_bin import read_tokenizer_bin
from minilm.text.tokenizers.tokenizer_json import Read, read_tokenizer_json
from minilm.text.tokenizers.wordpiece import WordPieceTokenizer

BERTS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
GPT2S = ("<|endoftext|>",)


def read_tokenizer(folder: str | Path) -> Read:
    """The tokenizer of a folder. FileNotFoundError that says what was looked for and what is there;
    ValueError that names the file and the place of what is wrong, or not known here.
    """
    folder = Path(folder)
    if (folder / "tokenizer.json").is_file():
        return read_tokenizer_json(folder / "tokenizer.json")
    if (folder / "vocab.txt").is_file():
        lower_case = says_lower_case(settings(folder))
        plain = WordPieceTokenizer.read(folder, lower_case)
        specials = sorted(set(BERTS) & set(plain.vocabulary), key=plain.vocabulary.index)
        return WordPieceTokenizer(plain.vocabulary, lower_case, tuple(specials))
    if (folder / "vocab.json").is_file() and (folder / "merges.txt").is_file():
        settings(folder).choice("add_prefix_space", (None, False))
        vocabulary = read_vocabulary(folder / "vocab.json")
        return BPETokenizer.read(folder, [name for name in GPT2S if name in vocabulary])
    if (folder / "tokenizer.bin").is_file():
        return read_tokenizer_bin(folder / "tokenizer.bin")
    found = sorted(path.name for path in folder.iterdir())
    raise FileNotFoundError(
        f"{str(folder)!r}: found no tokenizer.json, vocab.txt, vocab.json with merges.txt, or "
        f"tokenizer.bin; there is {', '.join(found[:20]) or 'nothing'}"
    )


def settings(folder: Path) -> Part:
    path = folder / "tokenizer_config.json"
    value: Any = read_json(path) if path.is_file() else {}
    return Part.of(value, repr(str(path)))


def says_lower_case(config: Part) -> bool:
    """Whether the text is lower-cased: do_lower_case, true where it is not set.

    ValueError for other settings that are not as BERT has them.
    """
    lower_case: bool = config.choice("do_lower_case", (None, True, False)) is not False
    config.choice("strip_accents", (None, lower_case))
    config.choice("tokenize_chinese_chars", (None, True))
    return lower_case
