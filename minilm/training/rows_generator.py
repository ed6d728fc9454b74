"""The same dropout for many workers as for one.

What one worker would draw for the whole batch, every worker draws too, and keeps the rows that are
its own:

    RowsGenerator(seeds, range(2, 5), total=8).random((3, n))
        = np.random.default_rng(seeds).random((8, n))[2:5]

So the masks are those of one worker without a word exchanged, for the price of the others' random
numbers.
"""

from typing import Any

import numpy as np


class RowsGenerator(np.random.Generator):
    """Some rows of what one generator would draw for all of them.

    rows, of total: so `random` of a shape (n, …) makes the whole batch's (n · total / own, …)
    numbers and returns those of its own rows. Anything else is refused: every worker would
    draw the same.
    """

    def __init__(self, seeds: list[int], rows: range, total: int) -> None:
        super().__init__(np.random.default_rng(seeds).bit_generator)
        self.rows, self.total = rows, total

    def random(  # type: ignore[override]
        self, size: Any = None, dtype: Any = np.float64, out: None = None
    ) -> Any:
        """As np.random.Generator.random, without `out`. size: its first axis is the batch's.

        (Several entries of that axis to a row are fine: they must stand row by row.)
        """
        shape = (size,) if isinstance(size, int | np.integer) else size
        if out is not None:
            raise ValueError("out must be None: what is drawn is more than it holds")
        if not shape:
            return super().random(size, dtype)
        to_a_row, left = divmod(shape[0], len(self.rows))
        if left:
            raise ValueError(f"the first axis of what is drawn must be the batch's: a multiple of "
                             f"this share's {len(self.rows)} rows, got shape {tuple(shape)}")
        whole = super().random((self.total * to_a_row, *shape[1:]), dtype)
        return whole[self.rows.start * to_a_row : self.rows.stop * to_a_row]

    def __getattribute__(self, name: str) -> Any:
        if name in REFUSED:
            raise NotImplementedError(f"a batch is shared out over workers, whose rng has only "
                                      f"random(shape): {name} would be the same in each of them")
        return super().__getattribute__(name)


PUBLIC = {name for name in dir(np.random.Generator) if not name.startswith("_")}
REFUSED = PUBLIC - {"random", "bit_generator"}
