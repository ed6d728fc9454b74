"""Which entries of which parameters belong together, so that they can go together.

    neuron    a column of w_up (and of w_gate), its bias, a row of w_down
    head      d columns of w_qkv for its query, d for its key, d for its value, d rows of w_out;
              of grouped queries all that share a key and value
    unit      a column of each of the four gates in w_x, w_h and b, its row of w_h, and its row
              of whatever else reads the state (units.py)

A group's columns compute its values (they *write*), and only its rows multiply them (they *read*).
So with its rows at zero what it computes goes nowhere, and then it may as well be gone.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from minilm.nn.multi_head_attention import head_counts
from minilm.types import Array, Params


class Cut(NamedTuple):
    """The part of one parameter that groups own: along this axis group g the indices places[g].

    places: (groups, k)."""

    name: str
    axis: int
    places: Array


@dataclass(frozen=True)
class Groups:
    """The groups of one layer: what each writes with, and what reads it."""

    writers: tuple[Cut, ...]
    readers: tuple[Cut, ...]

    @property
    def count(self) -> int:
        """How many groups there are."""
        return len(self.readers[0].places)

    @property
    def cuts(self) -> tuple[Cut, ...]:
        """All that goes with a group."""
        return self.writers + self.readers


def places(count: int, each: int = 1, first: int = 0) -> Array:
    """`each` neighbouring indices for every group, from `first` on: (count, each)."""
    return first + np.arange(count * each).reshape(count, each)


def present(params: Params, *cuts: Cut) -> tuple[Cut, ...]:
    """Those whose parameter is there: a bias may be missing, or a gate."""
    return tuple(cut for cut in cuts if cut.name in params)


def prefixes(params: Params, end: str) -> list[str]:
    """What stands in front of `end` in the names of the parameters."""
    return [name.removesuffix(end) for name in params if name.endswith(end)]


def neurons(model: Any, params: Params) -> dict[str, Groups]:
    """The hidden values of every feed-forward layer: {"block.0.feed_forward": Groups, …}."""
    found = {}
    for prefix in prefixes(params, ".feed_forward.w_down"):
        name = f"{prefix}.feed_forward"
        each = places(params[f"{name}.w_down"].shape[0])
        writers = present(
            params,
            Cut(f"{name}.w_gate", 1, each),
            Cut(f"{name}.w_up", 1, each),
            Cut(f"{name}.b_up", 0, each),
        )
        found[name] = Groups(writers, (Cut(f"{name}.w_down", 0, each),))
    return found


def heads(model: Any, params: Params) -> dict[str, Groups]:
    """The heads of every attention, by key and value: {"block.0.attention": Groups, …}."""
    found = {}
    for name in prefixes(params, ".w_qkv"):  # columns: H heads of queries, G of keys, G of values
        w_qkv, w_out, d = params[f"{name}.w_qkv"], params[f"{name}.w_out"], model.head_dim
        H, G = head_counts(w_qkv.shape[1], w_out.shape[0], d)
        queries = places(G, H // G * d)
        columns = [queries, places(G, d, H * d), places(G, d, (H + G) * d)]
        found[name] = attention_groups(params, name, {"qkv": np.hstack(columns)}, queries)
    for name in prefixes(params, ".w_kv"):  # cross attention, where w_q is by itself
        d = model.head_dim
        H = params[f"{name}.w_out"].shape[0] // d
        queries = places(H, d)
        columns_of = {"q": queries, "kv": np.hstack([queries, places(H, d, H * d)])}
        found[name] = attention_groups(params, name, columns_of, queries)
    return found


def attention_groups(
    params: Params, name: str, columns: dict[str, Array], rows: Array
) -> Groups:
    """Writers: columns of w_… and b_…, by the end of their names. Reader: rows of w_out."""
    cuts = [
        cut
        for end, owned in columns.items()
        for cut in (Cut(f"{name}.w_{end}", 1, owned), Cut(f"{name}.b_{end}", 0, owned))
    ]
    return Groups(present(params, *cuts), (Cut(f"{name}.w_out", 0, rows),))
