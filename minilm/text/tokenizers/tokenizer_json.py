"""tokenizer.json: a whole tokenizer in one file, as Hugging Face's `tokenizers` writes it.

    added_tokens      [{"id": 0, "content": "[PAD]", "special": true, …}, …]
    normalizer        what is done to a text first             None, or BERT's, or Llama's " " -> ▁
    pre_tokenizer     how it is cut into words                 BERT's, GPT-2's, SentencePiece's
    model             {"type": "BPE" | "WordPiece", "vocab": {…}, "merges": […], …}
    post_processor    tokens around a text                     not read: who calls encode adds them
    decoder           back to text                             not read: each kind has one way

The file can say thousands of combinations. Three of them are tokenizers of ours, which give the
same numbers as the library does; all others are refused with the place where they differ, since a
tokenizer that is only nearly right gives a model words that it never saw. One difference is meant:
in the library, a text that contains the characters [SEP] contains the token; in ours, never.
"""

from pathlib import Path
from typing import Any, TypeAlias

from minilm.text.tokenizers.bpe import BPETokenizer
from minilm.text.tokenizers.json_files import Part, by_number, read_json, shown
from minilm.text.tokenizers.sentencepiece import SPACE, SentencePieceTokenizer
from minilm.text.tokenizers.wordpiece import LONGEST_WORD, UNKNOWN_WORD, WordPieceTokenizer

Read: TypeAlias = BPETokenizer | SentencePieceTokenizer | WordPieceTokenizer

# Llama's text has one ▁ in front, always; or, as files of later years say it, unless there is one.
SPACES = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}
PREPEND = {"type": "Prepend", "prepend": SPACE}
SINGLE_DIGITS = {"type": "Digits", "individual_digits": True}
PREFIXED = {"type": "Sequence", "normalizers": [PREPEND, SPACES]}


def read_tokenizer_json(path: str | Path) -> Read:
    """The tokenizer of a file. ValueError that names the place of what is wrong or not known here.

    Among the specials are the added tokens alone. FileNotFoundError.
    """
    page = Part.of(read_json(Path(path)), repr(str(path)))
    model = page.part("model")
    kind = model.choice("type", (None, "BPE", "WordPiece"))  # not said in files of the first year
    if kind == "WordPiece" or (kind is None and "merges" not in model.fields):
        return word_piece(page, model)
    for key in ("dropout", "continuing_subword_prefix", "end_of_word_suffix"):
        model.choice(key, (None, ""))
    model.choice("ignore_merges", (None, False))
    spells_bytes = model.choice("byte_fallback", (None, False, True))
    return sentence_piece(page, model) if spells_bytes else byte_level(page, model)


def word_piece(page: Part, model: Part) -> WordPieceTokenizer:
    """A WordPiece model whose text is made ready and cut as BERT's is."""
    model.choice("unk_token", (UNKNOWN_WORD,))
    model.choice("continuing_subword_prefix", ("##",))
    model.choice("max_input_chars_per_word", (LONGEST_WORD,))
    normalizer = page.part("normalizer")
    normalizer.choice("type", ("BertNormalizer",))
    normalizer.choice("clean_text", (True,))
    normalizer.choice("handle_chinese_chars", (True,))
    lower_case = normalizer.choice("lowercase", (True, False))
    normalizer.choice("strip_accents", (None, lower_case))
    page.part("pre_tokenizer").choice("type", ("BertPreTokenizer",))
    vocabulary, specials = pieces(page, model)
    return built(model, WordPieceTokenizer, vocabulary, lower_case, specials)


def byte_level(page: Part, model: Part) -> BPETokenizer:
    """A byte-pair model without byte_fallback: GPT-2's, or one that takes digits out first."""
    page.choice("normalizer", (None,))
    cut = page.part("pre_tokenizer")
    digits_alone = cut.choice("type", ("ByteLevel", "Sequence")) == "Sequence"
    if digits_alone:
        steps = cut.parts("pretokenizers")
        if len(steps) != 2 or steps[0].fields != SINGLE_DIGITS:
            raise ValueError(f"{cut.where}, pretokenizers: must be {shown(SINGLE_DIGITS)} and a "
                             f"ByteLevel, got {shown([step.fields for step in steps])}")
        cut = steps[1]
        cut.choice("type", ("ByteLevel",))
    cut.choice("add_prefix_space", (False,))
    cut.choice("use_regex", (None, True))  # not there in files of before there was a choice
    vocabulary, specials = pieces(page, model)
    return built(model, BPETokenizer, vocabulary, tuple(merges(model)), specials, digits_alone)


def sentence_piece(page: Part, model: Part) -> SentencePieceTokenizer:
    """A byte-pair model with byte_fallback: spaces are ▁, and there is one way to put it in front
    in a normalizer, another in a pre_tokenizer.
    """
    if page.choice("normalizer", (PREFIXED, SPACES, None)) is None:
        cut = page.part("pre_tokenizer")
        cut.choice("type", ("Metaspace",))
        cut.choice("replacement", (SPACE,))
        cut.choice("split", (False,))
        scheme = cut.choice("prepend_scheme", ("first", "always", "never"))
        prefix = "never" if scheme == "never" else "unless there"
    else:
        page.choice("pre_tokenizer", (None,))
        prefix = "always" if page.fields["normalizer"] == PREFIXED else "never"
    vocabulary, specials = pieces(page, model)
    scored = tuple((a, b, -float(rank)) for rank, (a, b) in enumerate(merges(model)))
    return built(model, SentencePieceTokenizer, vocabulary, scored, specials, prefix)


def pieces(page: Part, model: Part) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The vocabulary, the added tokens among it, and the names of these."""
    numbers = dict(model.part("vocab").fields)
    specials = []
    for token in page.parts("added_tokens"):
        name, number = token.fields.get("content"), token.fields.get("id")
        if not isinstance(name, str) or not name:
            raise ValueError(f"{token.where}, content: must be a name, got {shown(name)}")
        if token.fields.get("special") is not True:
            raise ValueError(f"{token.where}: {name!r} is a token that texts spell (it is not "
                             "special); tokens added like this are not known here")  # fmt: skip
        if numbers.setdefault(name, number) != number:
            raise ValueError(f"{token.where}: {name!r} has the number {shown(number)} here, and "
                             f"{shown(numbers[name])} in the vocabulary")  # fmt: skip
        specials.append(name)
    vocabulary = by_number(numbers, f"{model.where}, vocab")
    return vocabulary, tuple(sorted(specials, key=numbers.__getitem__))


def merges(model: Part) -> list[tuple[str, str]]:
    """Pairs of pieces, each written as ["a", "b"] or, in earlier years, as "a b"."""
    value = model.fields.get("merges")
    if not isinstance(value, list):
        raise ValueError(f"{model.where}, merges: must be a list, got {shown(value)}")
    pairs = []
    for i, pair in enumerate(value):
        halves = pair.split(" ") if isinstance(pair, str) else pair
        if (not isinstance(halves, list) or len(halves) != 2
                or not all(isinstance(half, str) and half for half in halves)):  # fmt: skip
            raise ValueError(f"{model.where}, merges[{i}]: must be two pieces, got {shown(pair)}")
        pairs.append((halves[0], halves[1]))
    return pairs


def built(model: Part, kind: Any, *fields: Any) -> Any:
    """The tokenizer, or why not, with the file's name before it."""
    try:
        return kind(*fields)
    except ValueError as error:
        raise ValueError(f"{model.where}: {str(error)[:1000]}") from error
