"""Views one after the other, and what several of them need."""

from minilm.training.openings import Pullback, View, is_float_array
from minilm.types import Array, Params


def compose(*views: View) -> View:
    """The first view looks at the parameters, the second at what the first one sees, and so on."""

    def view(params: Params, step: int) -> tuple[Params, Pullback]:
        pullbacks = []
        for look in views:
            params, pullback = look(params, step)
            pullbacks.append(pullback)

        def pull_all(grads: Params) -> Params:
            for pullback in reversed(pullbacks):
                grads = pullback(grads)
            return grads

        return params, pull_all

    return view


def trainable(params: Params) -> Params:
    """The plain arrays of floats; what is compressed already stays as it is."""
    return {name: w for name, w in params.items() if is_float_array(w)}


def times(masks: dict[str, Array], pullback: Pullback) -> Pullback:
    """A pullback that multiplies gradients by the masks first."""

    def pull(grads: Params) -> Params:
        return pullback(
            {name: g * masks[name] if name in masks else g for name, g in grads.items()}
        )

    return pull
