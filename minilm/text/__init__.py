"""Text: where it comes from, how it becomes integers, and how well it can be predicted.

tokenizers/     text <-> ids: characters, words, byte-pair encoding, WordPiece,
                SentencePiece; and folders that others wrote
corpora.py      load_corpus by name or path; split into blocks that never overlap
docstrings.py   the documentation strings of the standard library, as one text
sentences.py    text -> sentences of lower-cased words, for word2vec
grammar.py      a language whose entropy is known exactly
ngrams.py       Witten-Bell n-grams: the baseline that counting alone reaches
tasks/          pairs with exact answers: from sorting letters to translation; a person's own files
batches.py      step -> (inputs, targets), random windows that any step can reproduce
pairs.py        PairTokenizer; step -> (source, target_inputs, targets) of a batch of pairs
labels.py       LabelTokenizer; step -> (tokens, labels) of a batch of labelled texts
rows.py         rows of unequal length as one array, those of like length together
"""

from minilm.text.batches import windows
from minilm.text.corpora import CORPORA, Split, load_corpus, split
from minilm.text.docstrings import library_docstrings
from minilm.text.grammar import GRAMMAR, Grammar
from minilm.text.labels import LabelTokenizer, labelled_batches
from minilm.text.ngrams import witten_bell_losses
from minilm.text.pairs import PairTokenizer, pair_batches
from minilm.text.sentences import sentences
from minilm.text.tasks import TASKS, Example, Task
from minilm.text.tokenizers import (
    BEGIN,
    END,
    PADDING,
    TOKENIZERS,
    UNKNOWN,
    BPETokenizer,
    CharTokenizer,
    SentencePieceTokenizer,
    Tokenizer,
    WordPieceTokenizer,
    WordTokenizer,
    read_tokenizer,
    tokenizer_from_dict,
)

__all__ = [
    "BEGIN",
    "CORPORA",
    "END",
    "GRAMMAR",
    "PADDING",
    "TASKS",
    "TOKENIZERS",
    "UNKNOWN",
    "BPETokenizer",
    "CharTokenizer",
    "Example",
    "Grammar",
    "LabelTokenizer",
    "PairTokenizer",
    "SentencePieceTokenizer",
    "Split",
    "Task",
    "Tokenizer",
    "WordPieceTokenizer",
    "WordTokenizer",
    "labelled_batches",
    "library_docstrings",
    "load_corpus",
    "pair_batches",
    "read_tokenizer",
    "sentences",
    "split",
    "tokenizer_from_dict",
    "windows",
    "witten_bell_losses",
]
