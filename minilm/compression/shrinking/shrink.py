"""Structured pruning: what is pruned is gone, so the matrices are smaller and the products faster.

    feed-forward  128 → 512 → 128,  half the neurons:   w_up (128, 512) becomes (128, 256),
                                                        w_down (512, 128) becomes (256, 128)

The model that is left gives exactly the outputs of the larger one with zeros in all that reads the
removed groups (`silence`). It is a plain model with narrower layers: it trains, is saved, generates
and is quantized as any other. This is what saves time: a product with single weights at zero takes
NumPy as long as one without.

Michel, Levy and Neubig 2019 (heads); Li et al. 2017 (filters, for neurons); Wen et al. 2018 (units
of LSTMs).
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from minilm.compression.parameters import check_alone, is_table, plain_array
from minilm.compression.shrinking.groups import Groups, heads, neurons
from minilm.compression.shrinking.scores import Scores, scores_of
from minilm.compression.shrinking.units import WIDTHS, units
from minilm.types import Array, Params

SCOPES = ("local", "global")


class Kind(NamedTuple):
    """A row of KINDS. find(model, params) -> {layer: Groups}; follow(model, n) -> the model whose
    configuration says n groups in every layer, or the same model where no field can say it."""

    find: Callable[[Any, Params], dict[str, Groups]]
    follow: Callable[[Any, int], Any]


def follow_units(model: Any, n: int) -> Any:
    """The model with another width, where a width says no more than the units of its LSTMs."""
    return replace(model, width=WIDTHS[type(model)](n)) if type(model) in WIDTHS else model


KINDS = {
    "neurons": Kind(neurons, lambda model, n: replace(model, feed_forward=n)),
    "heads": Kind(heads, lambda model, n: model),  # heads are width / head_dim to a configuration
    "units": Kind(units, follow_units),
}


def shrink(
    model: Any,
    params: Params,
    share: float | None = None,
    *,
    number: int | None = None,
    what: str = "neurons",
    scores: Scores = "magnitude",
    scope: str = "local",
    calibration: Any = None,
) -> tuple[Any, Params]:
    """Remove the neurons, heads or hidden units of the lowest scores: -> a model and its params.

    Give one of share, in [0, 1): exactly round(share · n) of n are removed; and number: so many
    are left in each layer (say, a multiple of the group size of a quantization to come).
    what: "neurons" (of feed-forward layers), "heads" (of every attention; grouped queries go with
        their key and value) or "units" (of LSTMs).
    scores: "magnitude"; "activation", which needs calibration={name: Seen} of `calibrate`; or your
        own, {layer: (n,) numbers}, for the layers that `groups_of` lists.
    scope: "local", each layer by itself; "global", the lowest of all layers together, whatever is
        left of each, one at least.

    Layers may end up with different widths: the forward pass reads them from the shapes. Where all
    are alike and the configuration has a field for it, the model returned has the new number there,
    and its `init` makes such shapes. For heads, and the units of a Seq2SeqLSTM, there is no field,
    and the same model is returned.
    A table of tokens that is the LSTM's head too (tied) keeps its columns, as they read tokens: the
    head gets a head.w_project, which picks the columns of the units, and can be trained.

    ValueError: a model that has none of these, a share or number out of range or that leaves a
    layer with nothing, scores of other layers. TypeError: weights that are compressed already.
    """
    layers = groups_of(model, params, what)
    if scope not in SCOPES:
        raise ValueError(f"scope must be one of {', '.join(SCOPES)}, got {scope!r}")
    made = scores_of(params, layers, scores, calibration)
    kept = (highest if scope == "local" else highest_of_all)(made, share, number)
    return keep(model, params, kept, what)


def groups_of(model: Any, params: Params, what: str = "neurons") -> dict[str, Groups]:
    """{layer: Groups}: all groups of this sort. ValueError and TypeError as `shrink`."""
    if what not in KINDS:
        raise ValueError(f"what must be one of {', '.join(map(repr, KINDS))}, got {what!r}")
    layers = KINDS[what].find(model, params)
    if not layers:
        raise ValueError(f"what={what!r}: a {type(model).__name__} has none")
    names = {cut.name for groups in layers.values() for cut in groups.cuts}
    for name in names:
        plain_array(name, params[name])
    check_alone(params, names, "shrink")
    return layers


def keep(
    model: Any, params: Params, kept: Mapping[str, Any], what: str = "neurons"
) -> tuple[Any, Params]:
    """Only these groups, the others gone. kept: {layer: which groups, counted from 0}; a layer not
    in it stays whole. Errors as `shrink`, and ValueError for a group that a layer has not."""
    layers = groups_of(model, params, what)
    small = changed(params, layers, kept, np.delete)
    sizes = {len(kept[name]) if name in kept else groups.count for name, groups in layers.items()}
    return KINDS[what].follow(model, sizes.pop()) if len(sizes) == 1 else model, small


def silence(
    model: Any, params: Params, kept: Mapping[str, Any], what: str = "neurons"
) -> Params:
    """The same without removing anything: whatever reads the other groups is set to zero.

    For measuring what a group is worth before it goes; `keep` gives the same outputs.
    """
    layers = groups_of(model, params, what)
    readers = {name: replace(groups, writers=()) for name, groups in layers.items()}

    def zeroed(w: Array, places: Array, axis: int) -> Array:
        w = w.copy()
        w[(slice(None),) * axis + (places,)] = 0
        return w

    return changed(params, readers, kept, zeroed)


def changed(
    params: Params,
    layers: dict[str, Groups],
    kept: Mapping[str, Any],
    change: Callable[[Array, Array, int], Array],
) -> Params:
    """change(w, places, axis) wherever groups that are not kept own something."""
    unknown = [name for name in kept if name not in layers]
    if unknown:
        raise ValueError(f"kept must name layers of {', '.join(layers)}, got {', '.join(unknown)}")
    gone: dict[tuple[str, int], list[Array]] = {}  # two layers may share an axis
    for name, groups in layers.items():
        if name in kept:
            removed = others(name, groups.count, kept[name])
            for cut in groups.cuts if removed.size else ():
                gone.setdefault((cut.name, cut.axis), []).append(cut.places[removed].ravel())
    small = dict(params)
    for (name, axis), places in gone.items():
        if is_table(name):  # it reads tokens too: whole it stays, the head picks columns of it
            picks = np.eye(small[name].shape[1], dtype=small[name].dtype)
            small["head.w_project"] = change(picks, np.concatenate(places), 0)
        else:
            small[name] = change(small[name], np.concatenate(places), axis)
    return small


def others(layer: str, count: int, kept: Any) -> Array:
    """The groups that are not kept. ValueError unless those are one or more of the `count`."""
    numbers = np.asarray(kept)
    whole = numbers.ndim == 1 and numbers.dtype.kind in "iu" and numbers.size
    if not whole or not np.isin(numbers, np.arange(count)).all() or (
        len(np.unique(numbers)) < len(numbers)
    ):
        raise ValueError(f"kept of {layer} must be different numbers from 0 to {count - 1}, one at "
                         f"least, got {kept!r:.60}")
    return np.setdiff1d(np.arange(count), numbers)


def highest(
    scores: dict[str, Array], share: float | None, number: int | None
) -> dict[str, Array]:
    """The groups of the highest scores in each layer, of equal ones the first."""
    kept = {}
    for name, values in scores.items():
        left = left_of(name, len(values), share, number)
        kept[name] = np.argsort(-values, kind="stable")[:left]
    return kept


def highest_of_all(
    scores: dict[str, Array], share: float | None, number: int | None
) -> dict[str, Array]:
    """The highest of all layers together, the best of each layer among them."""
    total = sum(len(values) for values in scores.values())
    number = None if number is None else number * len(scores)
    left = left_of("all layers", total, share, number, least=len(scores))
    rank = np.concatenate([
        np.where(np.arange(len(values)) == values.argmax(), np.inf, values)
        for values in scores.values()
    ])
    stays = np.zeros(total, np.bool_)
    stays[np.argsort(-rank, kind="stable")[:left]] = True
    ends = np.cumsum([len(values) for values in scores.values()])
    parts = np.split(stays, ends[:-1])
    return {name: np.flatnonzero(part) for name, part in zip(scores, parts, strict=True)}


def left_of(
    layer: str, count: int, share: float | None, number: int | None, least: int = 1
) -> int:
    """How many of so many groups are left. ValueError unless at least `least` and at most all."""
    if (share is None) == (number is None):
        raise ValueError(f"give one of share and number, got {share!r} and {number!r}")
    if share is not None:
        if not 0 <= share < 1:
            raise ValueError(f"share must lie in [0, 1), got {share!r}")
        left = count - round(share * count)
    else:
        if isinstance(number, bool) or not isinstance(number, int | np.integer):
            raise ValueError(f"number must be an integer, got {number!r}")
        left = int(number)
    if not least <= left <= count:
        given = f"share={share!r}" if share is not None else f"number={number!r}"
        raise ValueError(f"{given} would leave {left} of {count} in {layer}: there must be "
                         f"from {least} to {count}")
    return left
