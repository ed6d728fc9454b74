"""Write the files of this folder again: python data/make.py [folder]"""

import sys
from pathlib import Path

from minilm.text import GRAMMAR

SENTENCES, SEED = 500, 1  # another seed than the corpus `grammar`, which is 0


def main(folder: Path) -> None:
    files = {
        "grammar.txt": str(GRAMMAR),
        "grammar-sample.txt": GRAMMAR.sample(SENTENCES, seed=SEED),
    }
    for name, text in files.items():
        (folder / name).write_bytes(text.encode("utf-8"))  # bytes: "\n" on every system


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
