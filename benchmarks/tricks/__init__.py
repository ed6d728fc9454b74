"""Why minilm is fast: each trick beside its naive form, timed.   python -m benchmarks tricks [word]

    trick.py            what a trick is; checking that both ways agree, and timing them
    arrays.py           memory, number formats, matrix products
    operations.py       GELU, sums, softmax, cross-entropy, scatter-add
    loops.py            recurrent networks, the optimizer, threads
    words_and_codes.py  word vectors, quantization
    catalogue.py        all of them
    page.py             tricks.csv, and what docs/why-fast.md shows of it
    run.py              the command

To add a trick: two functions, and a row in the TRICKS of the file where they stand.
"""

from benchmarks.tricks.run import main

__all__ = ["main"]
