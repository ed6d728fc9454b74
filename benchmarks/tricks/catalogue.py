"""All tricks, in the order of the page."""

from benchmarks.tricks import arrays, loops, operations, words_and_codes
from benchmarks.tricks.trick import Trick

TRICKS: tuple[Trick, ...] = (
    *arrays.TRICKS,
    *operations.TRICKS,
    *loops.TRICKS,
    *words_and_codes.TRICKS,
)
