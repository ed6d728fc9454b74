"""A pretrained encoder, rounded by every method: how far its sentences' vectors drift.

    sentences     sentences with topics: which calibrate, and which are scored
    encoding      embeddings and hidden states, without padding
    ranking       neighbours, ranks, topics: what similarities are used for
    drift         the numbers of one row
    bench         the encoder with both halves of sentences; `rounded` by a row of METHODS
    methods       what is tried on the weights
    limit         the least noise that weights of so many bits can have
    sensitivity   one part rounded, all else float
    activations   outliers, and what rounding activations costs
    measure       all of it: the rows of docs/pretrained.csv
    words, plots  the tables and the figures of docs/pretrained.md

    sentences = read_sentences("data/sentences.txt")
    bench = Bench(load_pretrained("all-MiniLM-L6-v2"), *halves(sentences))
    bench.measured(bench.rounded(4, "GPTQ, least squares"))["cosine"]
"""

from minilm.study.pretrained.bench import Bench
from minilm.study.pretrained.drift import measure_drift
from minilm.study.pretrained.sentences import Sentence, halves, read_sentences

__all__ = ["Bench", "Sentence", "halves", "measure_drift", "read_sentences"]
