"""`python -m minilm` is `minilm.cli`."""

import sys

from minilm.cli import main

if __name__ == "__main__":  # not in the workers that the study starts
    sys.exit(main())
