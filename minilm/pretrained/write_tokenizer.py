"""A tokenizer's files, as other programs look for them beside a model.

    WordPiece       vocab.txt                 a piece a line                tokenizer_config.json
    BPE             vocab.json, merges.txt    pieces, pairs to join         tokenizer_config.json
    BPE, digits     tokenizer.json            the library's own file        tokenizer_config.json
    SentencePiece   tokenizer.json            the same: all in one

BPE, digits: one that takes each digit for a piece of its own.

`read_tokenizer` reads what is written here.
"""

import json
from pathlib import Path
from typing import Any

from minilm.text.tokenizers import (
    BPETokenizer,
    SentencePieceTokenizer,
    Tokenizer,
    WordPieceTokenizer,
)
from minilm.text.tokenizers.sentencepiece import SPACE
from minilm.text.tokenizers.tokenizer_json import PREFIXED, SINGLE_DIGITS, SPACES
from minilm.weights import replacing


def write_tokenizer(folder: Path, tokenizer: Tokenizer) -> None:
    """The files of a tokenizer in a folder that is there.

    Raises TypeError for one of characters or words, which no other program reads.
    """
    if isinstance(tokenizer, WordPieceTokenizer):
        tokenizer.write(folder)
        config = {"tokenizer_class": "BertTokenizer", "do_lower_case": tokenizer.lower_case}
        write_json(folder / "tokenizer_config.json", config)
    elif isinstance(tokenizer, BPETokenizer) and tokenizer.digits_alone:
        write_json(folder / "tokenizer.json", byte_level(tokenizer))
        config = {"tokenizer_class": "PreTrainedTokenizerFast"}  # GPT2Tokenizer would cut its way
        write_json(folder / "tokenizer_config.json", config)
    elif isinstance(tokenizer, BPETokenizer):
        tokenizer.write(folder)
        write_json(folder / "tokenizer_config.json", {"tokenizer_class": "GPT2Tokenizer"})
    elif isinstance(tokenizer, SentencePieceTokenizer):
        write_json(folder / "tokenizer.json", sentence_piece(tokenizer))
    else:
        raise TypeError(
            "tokenizer must be WordPiece, byte-level BPE or SentencePiece for others to read it, "
            f"got {type(tokenizer).__name__}"
        )


def byte_level(tokenizer: BPETokenizer) -> dict[str, Any]:
    """The content of tokenizer.json for GPT-2's cutting after each digit was taken out."""
    cut = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    steps = {"type": "Sequence", "pretokenizers": [SINGLE_DIGITS, cut]}
    model = {"byte_fallback": False, "merges": [list(pair) for pair in tokenizer.merges]}
    return page(tokenizer, model, pre_tokenizer=steps, decoder=cut)


def sentence_piece(tokenizer: SentencePieceTokenizer) -> dict[str, Any]:
    """The content of tokenizer.json: its merges have ranks in the place of scores."""
    forms = {
        "always": (PREFIXED, None),
        "never": (SPACES, None),
        "unless there": (None, {"type": "Metaspace", "replacement": SPACE,
                                "prepend_scheme": "first", "split": False}),
    }  # fmt: skip
    normalizer, pre_tokenizer = forms[tokenizer.prefix]
    space = {"type": "Replace", "pattern": {"String": SPACE}, "content": " "}
    decoders = [space, {"type": "ByteFallback"}, {"type": "Fuse"}]
    if tokenizer.prefix != "never":
        decoders.append({"type": "Strip", "content": " ", "start": 1, "stop": 0})
    best_first = sorted(tokenizer.merges, key=lambda merge: -merge[2])
    model = {
        "byte_fallback": True, "fuse_unk": True,
        "unk_token": "<unk>" if "<unk>" in tokenizer.vocabulary else None,
        "merges": [[left, right] for left, right, _ in best_first],
    }  # fmt: skip
    decoder = {"type": "Sequence", "decoders": decoders}
    return page(
        tokenizer, model, normalizer=normalizer, pre_tokenizer=pre_tokenizer, decoder=decoder
    )


def page(
    tokenizer: BPETokenizer | SentencePieceTokenizer, model: dict[str, Any], **parts: Any
) -> dict[str, Any]:
    """tokenizer.json with these parts, and what all such files have."""
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [
            {"id": number, "content": name, **flags, "special": True}
            for name, number in tokenizer.special_ids.items()
        ],
        "normalizer": None, "pre_tokenizer": None, "post_processor": None, **parts,
        "model": {
            "type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
            "end_of_word_suffix": None, "fuse_unk": False, "ignore_merges": False,
            "vocab": {piece: number for number, piece in enumerate(tokenizer.vocabulary)},
            **model,
        },
    }  # fmt: skip


def write_json(path: Path, value: Any) -> None:
    """One JSON file, whole or not at all."""
    with replacing(path) as file:
        file.write(json.dumps(value, indent=2, ensure_ascii=False).encode())
