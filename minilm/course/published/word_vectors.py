"""Word vectors, as printed and right.

    −log σ(v_w·u_c) − Σ_n log σ(−v_w·u_n)           word2vec: two tables, v and u
    ½ Σ f(X_ij) (v_i·u_j + b_i + c_j − log X_ij)²      GloVe: least squares on counts
"""

import numpy as np

from minilm.course.published.entry import Printed, Value
from minilm.course.published.yardsticks import Rule, raised
from minilm.embeddings import Word2Vec
from minilm.embeddings.cooccurrence import Cooccurrences
from minilm.embeddings.negative_sampling import minus_log_sigmoid
from minilm.embeddings.ppmi import shifted_pmi
from minilm.embeddings.word_bias import biased_skip_gram_loss
from minilm.nn import binary_logistic_loss, binary_logistic_loss_backward, embedding
from minilm.types import Array

K = 5  # drawn words for each pair
SENTENCES = ["the cat sat on the mat", "the dog sat on the log", "a cat and a dog sat"] * 3
TOKENS = [sentence.split() for sentence in SENTENCES]


def by_negative_sampling(counts: Array) -> Array:
    """v·u of least −X_ij log σ(v·u) − k X_i P(j) log σ(−v·u):   log X_ij/(X_i P(j)) − log k"""
    return shifted_pmi(Cooccurrences.from_dense(counts), K).reshape(counts.shape)


def by_least_squares(counts: Array) -> Array:
    """v·u + b + c where f(X) (v·u + b + c − log X)² is least:   log X_ij"""
    return np.log(counts)


def products_and_their_growth(rule: Rule) -> Value:
    """What a pair seen 8 times comes to; the same if the text is ten times as long."""
    counts = np.array([[8.0, 2.0], [2.0, 8.0]])
    return float(rule(counts)[0, 0]), float(rule(10 * counts)[0, 0])


GLOVE_BY_SAMPLING = Printed(
    article="B",
    name="GloVe by negative sampling",
    formula="GloVe is trained by negative sampling",
    verdict="false claim",
    why="GloVe draws no negatives: it is a weighted least-squares fit to log X_ij over the pairs "
    "that occur. The two end at different numbers: one at log counts, which grow with the text, "
    "the other at PMI − log k, which does not.",
    as_printed=by_negative_sampling,
    right=by_least_squares,
    what="score of a pair seen 8 times of 20, and of 80 times of 200",
    measure=products_and_their_growth,
)


def to_integers(ids: Array, table: Array) -> Array:
    """embedding: continuous values ↦ integers"""
    return np.rint(table).astype(np.int64)[ids]


def to_vectors(ids: Array, table: Array) -> Array:
    """embedding: integers ↦ rows of real numbers,   y = E[ids]"""
    return embedding(ids, table)[0]


def rows_told_apart(rule: Rule) -> Value:
    """How many of 50 words still differ, their vectors drawn from N(0, 0.1²)."""
    table = np.random.default_rng(0).normal(0, 0.1, (50, 8)).astype(np.float32)
    return len(np.unique(rule(np.arange(50), table), axis=0))


EMBEDDING_TO_INTEGERS = Printed(
    article="B",
    name="embedding towards integers",
    formula="embedding: continuous values ↦ integers",
    verdict="wrong",
    why="The other way round: a word's number goes in, a row of real numbers comes out. Rounded to "
    "integers without a scale, the vectors are all the same.",
    as_printed=to_integers,
    right=to_vectors,
    what="words told apart, of 50",
    measure=rows_told_apart,
)


def one_table(v: Array, u: Array) -> tuple[Array, Array]:
    """score(w, c) = v_w·v_c"""
    return v, v


def two_tables(v: Array, u: Array) -> tuple[Array, Array]:
    """score(w, c) = v_w·u_c"""
    return v, u


def loss_when_trained(tables: Rule) -> Value:
    """Nats a pair after training on two words that stand beside each other, never by themselves."""
    rng = np.random.default_rng(0)
    v, u = tables(*rng.normal(0, 0.5, (2, 2, 4)))
    labels = np.array([[0.0, 1.0], [1.0, 0.0]])
    for _ in range(300):
        _, cache = binary_logistic_loss(v @ u.T, labels)
        error = binary_logistic_loss_backward(1.0, cache)
        dv, du = error @ u, error.T @ v
        v -= dv
        u -= du                                                     # of one table: the same array
    return round(float(binary_logistic_loss(v @ u.T, labels)[0]), 3)


ONE_TABLE = Printed(
    article="B",
    name="one table of vectors",
    formula="−Σ log σ(v_w·v_c) − Σ log σ(−v_w·v_n): one table for words and contexts",
    verdict="wrong",
    why="v_w·v_w is never negative, so every word is a likely neighbour of itself. \"b stands "
    "beside a, but a does not\" cannot be said: nothing is learned beyond log 2. With a table for "
    "contexts it can.",
    as_printed=one_table,
    right=two_tables,
    what="loss after training on two words that only stand beside each other, nats",
    measure=loss_when_trained,
)


def same_sign(v: Array, b: Array, context: Array, noise: Array) -> float:
    """−Σ log σ(v_w·v_c + b_w) − Σ log σ(−v_w·v_n + b_w)"""
    pair = minus_log_sigmoid(context @ v + b)
    return float(pair.sum() + minus_log_sigmoid(-(noise @ v) + b).sum())


def turned_sign(v: Array, b: Array, context: Array, noise: Array) -> float:
    """−log σ(v_w·u_c + b_w) − Σ log σ(−v_w·u_n − b_w)"""
    return biased_skip_gram_loss(v[None], b, context, noise, np.ones((1, 1, 1)), len(noise))


def best_bias(loss: Rule) -> Value:
    """With vectors of zeros: the bias of least loss in −10 … 10, and that loss in nats."""
    v, noise = np.zeros(4), np.zeros((K, 4))
    biases = np.linspace(-10, 10, 2001)
    losses = [loss(v, np.array([b]), v[None], noise) for b in biases]
    return round(float(biases[np.argmin(losses)]), 2), float(min(losses))


BIAS_OF_THE_SAME_SIGN = Printed(
    article="B",
    name="a bias of the same sign",
    formula="−Σ log σ(v_w·v_c + b_w) − Σ log σ(−v_w·v_n + b_w)",
    verdict="wrong",
    why="The second term asks for the opposite of the first, so its whole argument turns its sign. "
    "As printed a large b answers both questions with yes: the loss falls to 0 with vectors that "
    "know nothing. Right, b comes to log(1/K), the odds of a true pair.",
    as_printed=same_sign,
    right=turned_sign,
    what="best bias in −10 … 10 with vectors of zeros, and its loss in nats",
    measure=best_bias,
)


def words_of_strings(sentences: list[str]) -> list[str]:
    """Word2Vec(["the cat sat", …]): whatever one gets by going through a sentence is a word"""
    return sorted({word for sentence in sentences for word in sentence})


def words_of_lists(sentences: list[str]) -> list[str]:
    """Word2Vec([["the", "cat", "sat"], …])"""
    tokens = [sentence.split() for sentence in sentences]
    return Word2Vec(tokens, vector_size=4, min_count=1, epochs=1).wv.index_to_key


def words_and_the_longest(read: Rule) -> Value:
    """How many words the vocabulary has, and how long the longest is."""
    words = read(SENTENCES)
    return len(words), max(map(len, words))


STRINGS_FOR_LISTS = Printed(
    article="B",
    name="strings for lists of words",
    formula="Word2Vec([\"the cat sat on the mat\", …])",
    verdict="wrong",
    why="Going through a string gives characters: the model learns vectors of letters. gensim "
    "takes it with a warning; minilm refuses it with a TypeError that says so.",
    as_printed=words_of_strings,
    right=words_of_lists,
    what="words in the vocabulary, letters of the longest",
    measure=words_and_the_longest,
)


def train_on_a_nested_list(model: Word2Vec) -> tuple[int, int]:
    """model.train([sentences])"""
    return model.train([TOKENS])  # type: ignore[list-item]


def train_with_totals(model: Word2Vec) -> tuple[int, int]:
    """model.train(sentences, total_examples=model.corpus_count, epochs=model.epochs)"""
    return model.train(TOKENS, total_examples=model.corpus_count, epochs=model.epochs)


def ends_in(train: Rule) -> Value:
    """What is raised by the call."""
    model = Word2Vec(vector_size=4, min_count=1)
    model.build_vocab(TOKENS)
    return raised(lambda: train(model))


TRAIN_WITHOUT_TOTALS = Printed(
    article="B",
    name="train without its totals",
    formula="model.train([sentences])",
    verdict="wrong",
    why="The learning rate falls in a line to the end of training, so train has to be told how "
    "much there is (total_examples) and how often (epochs). And one bracket is too many: the "
    "whole text would be one sentence, whose words are lists.",
    as_printed=train_on_a_nested_list,
    right=train_with_totals,
    what="raised",
    measure=ends_in,
)

ENTRIES = (
    GLOVE_BY_SAMPLING,
    EMBEDDING_TO_INTEGERS,
    ONE_TABLE,
    BIAS_OF_THE_SAME_SIGN,
    STRINGS_FOR_LISTS,
    TRAIN_WITHOUT_TOTALS,
)
