"""Sentences of words, the food of word2vec: what stands near what, case and marks put aside."""

import re

# A sentence ends at . ! or ? before white space, or at an empty line (headings, list items, code).
SENTENCE_END = re.compile(r"[.!?]+\s+|\n\s*\n")
# A word begins with a letter or an underscore: names such as __init__ are words of our corpora.
WORD = re.compile(r"[^\W\d]\w*")


def sentences(text: str) -> list[list[str]]:
    """The lower-cased words of every sentence that has any.

    >>> sentences("Call f(x). It returns x1!\\n\\nSee __len__ and 3.14")
    [['call', 'f', 'x'], ['it', 'returns', 'x1'], ['see', '__len__', 'and']]
    """
    if not isinstance(text, str):
        raise TypeError(f"text: must be a str, got {type(text).__name__}")
    found = (WORD.findall(part.lower()) for part in SENTENCE_END.split(text))
    return [words for words in found if words]
