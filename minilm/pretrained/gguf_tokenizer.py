"""A tokenizer in the metadata of a gguf file, the way llama.cpp keeps it.

    WordPiece       "bert": a piece that begins a word has ▁ before it, one that goes on has nothing
                    (here and in vocab.txt: nothing, and ##)
    BPE             "gpt2": pieces, and merges in their order
    SentencePiece   "llama": pieces, and one score for each

A reader of "bert" lower-cases, whatever the tokenizer did. In "llama" any two pieces that make a
third may be joined, where ours joins the pairs of its merges alone: the same, for vocabularies that
were read from such scores; one that was learned here may spell some words another way.
"""

from typing import Any

from minilm.text.tokenizers import (
    BPETokenizer,
    SentencePieceTokenizer,
    Tokenizer,
    WordPieceTokenizer,
)
from minilm.text.tokenizers.sentencepiece import BYTES, SPACE
from minilm.text.tokenizers.wordpiece import INSIDE

# Whichever of these the specials are, the reader is told so
ROLES = {
    "[CLS]": "bos", "[SEP]": "sep", "[PAD]": "pad", "[MASK]": "mask",
    "<s>": "bos", "</s>": "eos", "<unk>": "unk", "<pad>": "pad",
}  # fmt: skip
BOTH_ENDS = "<|endoftext|>"  # GPT-2's one special begins and ends a text


def add_tokenizer(writer: Any, kinds: Any, tokenizer: Tokenizer, rows: int) -> None:
    """Pieces, their kinds and what joins them.

    kinds: the library's TokenType; rows: of the model's table, which may have more than there are
    pieces: those are called unused. Raises TypeError for a tokenizer of characters or words.
    """
    if not isinstance(tokenizer, WordPieceTokenizer | BPETokenizer | SentencePieceTokenizer):
        raise TypeError(
            "tokenizer must be WordPiece, byte-level BPE or SentencePiece for gguf, "
            f"got {type(tokenizer).__name__}"
        )
    pieces, types = list(tokenizer.vocabulary), [kinds.NORMAL] * tokenizer.vocab_size
    for number in tokenizer.special_ids.values():
        types[number] = kinds.CONTROL
    if isinstance(tokenizer, WordPieceTokenizer):
        types[tokenizer.unknown_id] = kinds.UNKNOWN
        pieces = [
            piece if kind != kinds.NORMAL else phantom(piece)
            for piece, kind in zip(pieces, types, strict=True)
        ]
        add(writer, "bert", "default", pieces, types, rows, kinds)
        writer.add_unk_token_id(tokenizer.unknown_id)
    elif isinstance(tokenizer, BPETokenizer):
        cut = "smollm" if tokenizer.digits_alone else "gpt-2"
        add(writer, "gpt2", cut, pieces, types, rows, kinds)
        writer.add_token_merges([f"{left} {right}" for left, right in tokenizer.merges])
    else:
        for byte in BYTES:
            types[pieces.index(byte)] = kinds.BYTE
        if "<unk>" in tokenizer.specials:
            types[pieces.index("<unk>")] = kinds.UNKNOWN
        add(writer, "llama", "default", pieces, types, rows, kinds)
        writer.add_token_scores(scores(tokenizer) + [0.0] * (rows - len(pieces)))
        writer.add_add_space_prefix(tokenizer.prefix != "never")
        writer.add_add_bos_token("<s>" in tokenizer.specials)
    add_roles(writer, tokenizer)


def add(
    writer: Any, model: str, cut: str, pieces: list[str], types: list[int], rows: int, kinds: Any
) -> None:
    """What all have; a name for every row of the table."""
    unused = range(len(pieces), rows)
    writer.add_tokenizer_model(model)
    writer.add_tokenizer_pre(cut)
    writer.add_token_list(pieces + [f"[unused-{number}]" for number in unused])
    writer.add_token_types(types + [kinds.UNUSED] * len(unused))


def phantom(piece: str) -> str:
    """WordPiece's way of writing pieces turned round: ▁ where a word begins."""
    return piece.removeprefix(INSIDE) if piece.startswith(INSIDE) else SPACE + piece


def scores(tokenizer: SentencePieceTokenizer) -> list[float]:
    """For each piece the best score of the merges that make it; a character, which none makes, is
    below all."""
    best: dict[str, float] = {}
    for left, right, score in tokenizer.merges:
        best[left + right] = max(score, best.get(left + right, score))
    lowest = min(best.values(), default=0.0) - 1
    special = {*tokenizer.specials, *BYTES}
    return [best.get(p, 0.0 if p in special else lowest) for p in tokenizer.vocabulary]


def add_roles(writer: Any, tokenizer: Tokenizer) -> None:
    """Which special begins a text, which ends it, and so on."""
    for name, number in tokenizer.special_ids.items():
        roles = ("bos", "eos") if name == BOTH_ENDS else (ROLES[name],) if name in ROLES else ()
        for role in roles:
            getattr(writer, f"add_{role}_token_id")(number)
