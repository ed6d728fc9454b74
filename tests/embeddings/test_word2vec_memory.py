"""Two million words from a disk: the memory that training takes is its tables and little more."""

import json
import subprocess
import sys

import numpy as np
import pytest

WORDS, LINE = 2_000_000, 20
ALLOWED = 200  # MB beyond twice the two tables

# The peak of a process is that of its whole life, hence one of its own. VmHWM and not getrusage's
# ru_maxrss: that one counts what the parent held when it made the process.
TRAIN = """
import json, re, sys
from minilm.embeddings import Word2Vec
from minilm.embeddings.line_sentence import LineSentence

model = Word2Vec(LineSentence(sys.argv[1]), vector_size=100, min_count=1, sg=1, epochs=1)
status = open("/proc/self/status").read()
print(json.dumps({
    "peak": int(re.search(r"VmHWM:\\s+(\\d+) kB", status)[1]) / 1024,
    "tables": sum(table.nbytes for table in model.params.values()) / 2**20,
    "words": model.corpus_total_words,
}))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the peak")
def test_memory_for_two_million_words(tmp_path):
    path, rng = tmp_path / "text.txt", np.random.default_rng(0)
    chance = np.cumsum(1 / np.arange(1, 60_001))  # Zipf's law
    chance /= chance[-1]
    with path.open("w") as file:
        for _ in range(0, WORDS, 10_000 * LINE):
            ids = np.searchsorted(chance, rng.random((10_000, LINE)))
            file.writelines(" ".join(f"word{i}" for i in line) + "\n" for line in ids)
    done = subprocess.run(
        [sys.executable, "-c", TRAIN, path], capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    assert found["words"] == WORDS and found["tables"] > 40
    assert found["peak"] < 2 * found["tables"] + ALLOWED
    # as lists of strings the text alone would be over 120 MB; Python and NumPy are 45
    assert found["peak"] < found["tables"] + 120
