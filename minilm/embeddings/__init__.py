"""Word vectors: learned from a text, asked for their neighbours, trained under compression.

    vocabulary.py         words, counts, what is thinned out and what is drawn as noise
    negative_sampling.py  the gradients of skip-gram and CBOW as matrix products
    word2vec.py           Word2Vec: from sentences to vectors
    skip_gram_model.py    SkipGram: the same model for `fit`, with its losses and batches
    keyed_vectors.py      KeyedVectors: nearest words, analogies, agreement with people
"""

from minilm.embeddings.keyed_vectors import KeyedVectors, WordPairScores, neighbour_agreement
from minilm.embeddings.skip_gram_model import (
    Pairs,
    SkipGram,
    distilled_negative_sampling_loss,
    negative_sampling_loss,
    pair_batches,
    validation_loss,
)
from minilm.embeddings.vocabulary import Vocabulary, read_corpus
from minilm.embeddings.word2vec import Word2Vec

__all__ = [
    "KeyedVectors",
    "Pairs",
    "SkipGram",
    "Vocabulary",
    "Word2Vec",
    "WordPairScores",
    "distilled_negative_sampling_loss",
    "negative_sampling_loss",
    "neighbour_agreement",
    "pair_batches",
    "read_corpus",
    "validation_loss",
]
