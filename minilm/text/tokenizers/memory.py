"""What a tokenizer worked out once: most words of a text have come before."""

from collections.abc import Callable

LONGEST = 64  # characters: few of the longer ones come again
MOST = 100_000  # words; then all are forgotten, and those that still come are soon there again


class Memory(dict[str, tuple[int, ...]]):
    """memory[word] = work_out(word), which is asked only if the word is not remembered."""

    def __init__(self, work_out: Callable[[str], tuple[int, ...]]) -> None:
        super().__init__()
        self.work_out = work_out

    def __missing__(self, word: str) -> tuple[int, ...]:
        ids = self.work_out(word)
        if len(word) <= LONGEST:
            if len(self) >= MOST:
                self.clear()
            self[word] = ids
        return ids
