"""Word vectors: learned from a text, asked for their neighbours, trained under compression.

    vocabulary.py            words, counts, what is thinned out and what is drawn as noise
    line_sentence.py         LineSentence: a text on a disk, as often as it is asked for

    word2vec.py              Word2Vec: from sentences to vectors, with gensim's arguments
    word2vec_settings.py     what its settings may be
    word2vec_training.py     reading a text once, in pieces
    word2vec_steps.py        one step: rows read, gradients, rows moved
    windows.py               which words stand near which, for many centres at once
    negative_sampling.py     the gradients of skip-gram and CBOW as matrix products
    hierarchical_softmax.py  Huffman's tree, and the same for its paths
    word_bias.py             a bias for every word, and the sign that an article gets wrong
    callbacks.py             what may look on while it is trained
    skip_gram_model.py       SkipGram: the same model for `fit`, with its losses and batches

    subwords.py              character n-grams, hashed, as rows of one table
    fasttext.py              FastText: word2vec with words that are made of these
    fasttext_vectors.py      FastTextKeyedVectors: words that were never read have vectors, too

    cooccurrence.py          how often two words stand near each other
    glove.py                 GloVe: products that are the logarithms of these counts
    ppmi.py                  PPMI and its truncated SVD: vectors by counting alone
    optimum.py               what skip-gram's products come to, where that is known exactly
    optimum_plot.py          its figure (imports matplotlib)

    keyed_vectors.py         KeyedVectors: look-up, nearest words, the queries known from gensim
    mean_vector.py           one vector for a query of several words
    neighbours.py            which words are nearest to a query
    added_words.py           rows for more words
    saved_vectors.py         words and vectors in minilm's own file
    table_rows.py            rows of an array or a compressed table, a part at a time
    unknown_word.py          the error for a word without a vector
    word_pairs.py            do the vectors rank pairs of words as people do?
    analogies.py             a is to b as c is to what?
    word2vec_format.py       the files that word2vec programs exchange

    agreement.py             do two tables name the same neighbours?
    compressed_quality.py    what is lost when a table is compressed, against bits
    plots.py                 a map, a heatmap, quality against bits (imports matplotlib)
    label_places.py          places for labels that do not overlap
"""

from minilm.embeddings.agreement import neighbour_agreement
from minilm.embeddings.callbacks import CallbackAny2Vec
from minilm.embeddings.compressed_quality import quality_against_bits
from minilm.embeddings.fasttext import FastText
from minilm.embeddings.fasttext_vectors import FastTextKeyedVectors
from minilm.embeddings.glove import GloVe
from minilm.embeddings.keyed_vectors import KeyedVectors
from minilm.embeddings.line_sentence import LineSentence
from minilm.embeddings.optimum import Products, skip_gram_products
from minilm.embeddings.ppmi import PPMI
from minilm.embeddings.skip_gram_model import (
    Pairs,
    SkipGram,
    distilled_negative_sampling_loss,
    negative_sampling_loss,
    pair_batches,
    validation_loss,
)
from minilm.embeddings.unknown_word import UnknownWordError
from minilm.embeddings.vocabulary import Vocabulary, read_corpus
from minilm.embeddings.word2vec import Word2Vec
from minilm.embeddings.word_pairs import Correlation, WordPairScores

__all__ = [
    "PPMI",
    "CallbackAny2Vec",
    "Correlation",
    "FastText",
    "FastTextKeyedVectors",
    "GloVe",
    "KeyedVectors",
    "LineSentence",
    "Pairs",
    "Products",
    "SkipGram",
    "UnknownWordError",
    "Vocabulary",
    "Word2Vec",
    "WordPairScores",
    "distilled_negative_sampling_loss",
    "negative_sampling_loss",
    "neighbour_agreement",
    "pair_batches",
    "quality_against_bits",
    "read_corpus",
    "skip_gram_products",
    "validation_loss",
]
