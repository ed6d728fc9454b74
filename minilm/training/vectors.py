"""What is trained, in one piece: the parameters as slices of a few long vectors.

    vectors["float32/matrices"]     lstm.0.w_h | lstm.0.w_x | token_embedding           (1, n)
    vectors["float32/vectors"]      head.b | lstm.0.b                                   (m,)
    arrays["lstm.0.w_h"]            its stretch of the vector, in its own shape: no copy

Gradients get vectors of the same layout. So the norm of all of them is one dot product, their sum
over machines one message, and an update one walk through memory instead of one for each parameter.
What weight decay acts on stands apart from the rest, and so does each dtype. The matrices are
(1, n), so that `decays`, which asks for two axes, is true of them; the slash keeps a vector's name
from being a parameter's.
"""

from collections.abc import Collection

import numpy as np

from minilm.training.checks import check_same_names, check_trained
from minilm.training.optimizers import Optimizer, decays, running
from minilm.training.workers import Workers
from minilm.types import Array, Params


class Vectors:
    """The trained arrays of a run, their gradients, and the optimizer's state that goes with them.

    arrays, state: a run's, changed in place: `arrays` comes to hold the slices.
    An optimizer that is `elementwise` (it treats each number by itself) is handed the vectors, and
    its state lies in vectors too; any other is handed the parameters under their own names.
    """

    def __init__(self, arrays: Params, state: Params, optimizer: Optimizer) -> None:
        self.arrays, self.state, self.optimizer = arrays, state, optimizer
        # Said of the class itself: one derived from AdamW may look at names again.
        self.elementwise = vars(type(optimizer)).get("elementwise", False)
        self.places: dict[str, tuple[str, slice]] = {}  # of each name: its vector, its stretch
        self.vectors: Params = {}
        self.gradient_vectors: Params = {}
        self.gradients: Params = {}  # the slices of `gradient_vectors`, by name

    def take_means(self, total: float, grads: Params, count: int, team: Workers) -> float:
        """Sums become means: gradients = grads / count, returned is total / count.

        All three are first added up over the processes of the team: means over unequal counts could
        not be. At the first step, the names of the gradients are those that are trained.
        """
        total, count, names = team.totals(total, count, grads)
        check_trained(grads, names, self.arrays)
        if not self.gradients:
            self.lay_out(names)
        check_same_names(names, self.gradients)
        count = max(count, 1)  # nothing counted: the sums are zero
        for name, gradient in self.gradients.items():
            np.multiply(grads.get(name, 0), 1 / count, out=gradient)  # 0: another process's name
        team.add_over_ranks(self.gradient_vectors)
        return total / count

    def lay_out(self, names: Collection[str]) -> None:
        """Move the arrays of these names, and the state that a checkpoint had, into vectors."""
        sizes: dict[str, int] = {}
        for name in sorted(names):  # in every process the same, whatever order its dict has
            array = self.arrays[name]
            vector = f"{array.dtype.name}/{'matrices' if decays(name, array) else 'vectors'}"
            start = sizes.get(vector, 0)
            sizes[vector] = start + array.size
            self.places[name] = vector, slice(start, start + array.size)
        self.vectors, self.gradient_vectors = zeros(sizes), zeros(sizes)
        self.gradients = self.parts(self.gradient_vectors)
        for name, part in self.parts(self.vectors).items():
            part[...] = self.arrays[name]
            self.arrays[name] = part
        if self.elementwise:
            self.load_state(dict(self.state))

    def parts(self, vectors: Params) -> Params:
        """The slices of vectors of this layout, under the parameters' names and in their shapes."""
        return {
            name: vectors[vector].reshape(-1)[place].reshape(self.arrays[name].shape)
            for name, (vector, place) in self.places.items()
            if vector in vectors
        }

    def update(self, learning_rate: float, step: int) -> None:
        """One step of the optimizer."""
        if self.elementwise:
            arrays, gradients = self.vectors, self.gradient_vectors
        else:
            arrays, gradients = self.arrays, self.gradients
        self.optimizer.update(arrays, gradients, self.state, learning_rate, step)

    def state_by_name(self) -> dict[str, Array]:
        """The optimizer's state as a checkpoint holds it: `role:name`, in the array's shape."""
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
        """The inverse of `state_by_name`."""
        known = {key.partition(":")[2] for key in by_name} & self.arrays.keys()
        if known:
            check_same_names(self.places, known)
        self.state.clear()
        for key, value in by_name.items():
            role, _, name = key.partition(":")
            if name in known:
                vector, place = self.places[name]
                whole = running(self.state, f"{role}:{vector}", self.vectors[vector])
                whole.reshape(-1)[place] = value.ravel()
            else:
                self.state[key] = value


def zeros(sizes: dict[str, int]) -> Params:
    """Vectors of these names and sizes; one of matrices is a row, because they have two axes."""
    return {
        vector: np.zeros((1, size) if vector.endswith("/matrices") else size, vector.split("/")[0])
        for vector, size in sizes.items()
    }
