"""What is trained, in one piece: the parameters as slices of a few long vectors.

    vectors["float32/matrices"]     token_embedding | lstm.0.w_x | lstm.0.w_h | …       (1, n)
    vectors["float32/vectors"]      lstm.0.b | head.b | …                               (m,)
    arrays["lstm.0.w_h"]            its stretch of the vector, in its own shape: no copy

Gradients get vectors of the same layout. So the norm of all of them is one dot product, their sum
over machines one message, and an update one walk through memory instead of one for each parameter.
What weight decay acts on (see `AdamW`) stands apart from the rest, and so does each dtype; the
slash keeps a vector's name from being a parameter's.
"""

from collections.abc import Collection

import numpy as np

from minilm.training.optimizers import Optimizer, decays
from minilm.types import Array, Params


class Flat:
    """The trained arrays of a run, their gradients, and the optimizer's state that goes with them.

    arrays, state: a run's, changed in place: `arrays` comes to hold the slices.
    An optimizer that is `elementwise` (it treats each number by itself) is handed the vectors, and
    its state lies in vectors too; any other is handed the parameters under their own names.
    """

    def __init__(self, arrays: Params, state: Params, optimizer: Optimizer) -> None:
        self.arrays, self.state, self.optimizer = arrays, state, optimizer
        self.elementwise = getattr(optimizer, "elementwise", False)
        self.places: dict[str, tuple[str, slice]] = {}  # of each name: its vector, its stretch
        self.vectors: Params = {}
        self.gradients: Params = {}
        self.grads: Params = {}  # the slices of `gradients`, by name

    def lay_out(self, names: Collection[str]) -> None:
        """Let these be the arrays that are trained: nothing to do, unless a view's choice changed.

        The state of an array follows it. That of one that is no longer trained is kept under the
        array's own name, for when it is trained again.
        """
        if self.places.keys() == set(names):
            return
        state = self.state_by_name()
        sizes: dict[str, int] = {}
        self.places = {}
        for name, array in self.arrays.items():
            if name in names:
                vector = f"{array.dtype.name}/{'matrices' if decays(name, array) else 'vectors'}"
                start = sizes.get(vector, 0)
                sizes[vector] = start + array.size
                self.places[name] = vector, slice(start, start + array.size)
        self.vectors = {vector: zeros(vector, size) for vector, size in sizes.items()}
        self.gradients = {vector: np.zeros_like(array) for vector, array in self.vectors.items()}
        self.grads = self.parts(self.gradients)
        for name, part in self.parts(self.vectors).items():
            part[...] = self.arrays[name]
            self.arrays[name] = part
        self.state.clear()
        self.load_state(state)

    def parts(self, vectors: Params) -> Params:
        """The slices of vectors of this layout, under the parameters' names and in their shapes."""
        return {
            name: vectors[vector].reshape(-1)[place].reshape(self.arrays[name].shape)
            for name, (vector, place) in self.places.items()
            if vector in vectors
        }

    def gather(self, grads: Params, scale: float) -> None:
        """gradients = scale · grads, and 0 where there is none, in one pass."""
        for name, part in self.grads.items():
            np.multiply(grads.get(name, 0), scale, out=part)

    def update(self, learning_rate: float, step: int) -> None:
        """One step of the optimizer."""
        if self.elementwise:
            arrays, grads = self.vectors, self.gradients
        else:
            arrays, grads = self.arrays, self.grads
        self.optimizer.update(arrays, grads, self.state, learning_rate, step)

    def state_by_name(self) -> dict[str, Array]:
        """The optimizer's state as it would be without vectors: `role:name`, in the array's shape.

        That is how a checkpoint holds it.
        """
        by_name: dict[str, Array] = {}
        for key, value in self.state.items():
            role, _, vector = key.partition(":")
            if vector in self.vectors:
                parts = self.parts({vector: value})
                by_name |= {f"{role}:{name}": part for name, part in parts.items()}
            else:
                by_name[key] = value
        return by_name

    def load_state(self, by_name: dict[str, Array]) -> None:
        """The inverse of `state_by_name`; an array that has none yet gets zeros."""
        for key, value in by_name.items():
            role, _, name = key.partition(":")
            if self.elementwise and name in self.places:
                vector, place = self.places[name]
                zero = np.zeros_like(self.vectors[vector])
                self.state.setdefault(f"{role}:{vector}", zero).reshape(-1)[place] = value.ravel()
            else:
                self.state[key] = value


def zeros(vector: str, size: int) -> Array:
    """A vector of this name, empty so far; of matrices as one row, so that its ndim is theirs."""
    dtype, _, kind = vector.partition("/")
    return np.zeros((1, size) if kind == "matrices" else (size,), dtype)
