"""Special tokens: numbers that no text encodes to, marks for the model and not pieces of text.

What is called "<pad>" here is safe from a text that happens to contain the characters <pad>. Every
tokenizer can reserve some:

    tokenizer = CharTokenizer.train(text, specials=(PADDING, BEGIN, END))
    tokenizer.special_ids                               {'<pad>': 0, '<bos>': 1, '<eos>': 2}
"""

from collections.abc import Collection, Sequence

PADDING = "<pad>"  # fills up a batch of unequal lengths
BEGIN = "<bos>"  # what a decoder is given before its first word
END = "<eos>"  # what it says after its last one
UNKNOWN = "<unk>"  # stands for a word that is not in the vocabulary


def check_specials(specials: Sequence[str], pieces: Collection[str] = ()) -> tuple[str, ...]:
    """The names as a tuple. TypeError for a lone string; ValueError for empty or repeated names,
    and for one of the pieces that a text can encode to.
    """
    if isinstance(specials, str) or not all(isinstance(name, str) for name in specials):
        raise TypeError(f"specials: must be a sequence of names, got {specials!r}")
    if len(set(specials)) != len(specials) or not all(specials):
        raise ValueError(f"specials: must be distinct and not empty, got {tuple(specials)!r}")
    common = set(specials).intersection(pieces)
    if common:
        raise ValueError(f"specials: must be no pieces of text, got {min(common)!r}, which is one")
    return tuple(specials)
