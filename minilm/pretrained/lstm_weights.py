"""LSTM weights of other programs: the same equations, the gates in another order.

    Keras   kernel (in, 4H), recurrent_kernel (H, 4H), bias (4H,)                    i, f, c, o
    torch   weight_ih_l0 (4H, in), weight_hh_l0 (4H, H), bias_ih_l0 + bias_hh_l0     i, f, g, o
    ONNX    W (1, 4H, in), R (1, 4H, H), B (1, 8H): two biases one after the other   i, o, f, c
    here    w_x (in, 4H), w_h (H, 4H), b (4H,)                                       i, f, g, o

H is the layer's width, in that of what it reads, c is what others call g, the new content. So a
conversion is to transpose, to add the biases, and for ONNX to move three of the four gates. Were
they not moved, nothing would complain: every shape fits, every number is finite, and what comes out
is the work of another network, whose forget gate does the output's work. Only a comparison of
outputs shows it; no shape ever will.

Keras' unit_forget_bias is a matter of its init: the ones are in the bias that is saved. Which
function the gates go through, no file says: here it is the sigmoid, in Keras before 2.3 it was
hard_sigmoid unless said otherwise.
"""

import contextlib
import os
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from minilm.pretrained.safetensors import SafetensorsFile
from minilm.pretrained.tensors import check_finite, some_of
from minilm.types import Array
from minilm.weights.files import DAMAGED, PARSING

Layer = tuple[Array, Array, Array]  # w_x, w_h, b
Source = str | os.PathLike[str] | Mapping[str, Array]


class Naming(NamedTuple):
    """How a program names one layer's arrays, and in which order their gates stand.

    Before a name may stand those of what it is part of, and each is followed by `ending`. A torch
    layer is a number at the end of a name; other programs' layers have it in what goes before:
    lstm, lstm_1, lstm_2.
    """

    program: str
    w_x: str
    w_h: str
    biases: tuple[str, ...]
    order: str
    ending: str = ""


NAMINGS = (
    Naming("torch", "weight_ih_l", "weight_hh_l", ("bias_ih_l", "bias_hh_l"), "ifgo", "[0-9]+"),
    Naming("Keras", "kernel", "recurrent_kernel", ("bias",), "ifgo", "(?::0)?"),
    Naming("ONNX", "W", "R", ("B",), "iofg"),
)
OTHER_CELLS = {3: " (3 gates, a GRU?)", 1: " (1 gate, a plain RNN?)"}
REFUSED = {
    r"_reverse$|\bbackward": "reads both ways; what is read here reads forwards only",
    r"\bweight_hr_l[0-9]+$": "projects its state (proj_size), which ours does not",
    r"(^|[./])P$|peephole": "has peepholes, gates that look at the cell, which ours do not",
}


def read_lstm_layers(source: Source, prefix: str = "", order: str | None = None) -> list[Layer]:
    """The layers of an LSTM, first to last: (w_x, w_h, b) each, float32, as `minilm.nn.lstm` has
    them.

    source: a `.npz` or `.safetensors` file, or arrays by name (torch's state_dict(), too), called
    as one of the three programs calls them. prefix: what the names begin with, where a file holds
    several LSTMs. order: of the gates, such as "ifco", where it is not that of the program. Keras'
    own files are not read: of a model, np.savez("lstm.npz", **{w.path: w.numpy() for w in
    model.weights}) makes a `.npz`.
    Returns w_x: (in, 4H), w_h: (H, 4H), b: (4H,), new arrays. Raises FileNotFoundError, and
    ValueError that says what was found for: names of none of the programs, several LSTMs, shapes
    that are no LSTM's, both directions, peepholes, projections, layers that do not follow one
    another, numbers that are not finite.
    """
    with opened(source) as tensors:
        return layers_of(tensors, prefix, order)


def layers_of(tensors: Mapping[str, Array], prefix: str, order: str | None) -> list[Layer]:
    """`read_lstm_layers` of arrays by name."""
    names = [name for name in tensors if name.startswith(prefix)]
    naming, found = layer_names(names, prefix)
    order = checked_order(naming.order if order is None else order)
    layers: list[Layer] = []
    for x_name, h_name, *bias_names in found:
        biases = [np.asarray(tensors[name]) for name in bias_names if name in tensors]
        if len(biases) not in (0, len(bias_names)):
            raise ValueError(f"of {' and '.join(bias_names)} only one is among the arrays")
        w_x, w_h = np.asarray(tensors[x_name]), np.asarray(tensors[h_name])
        layer = converted(naming, x_name, w_x, w_h, biases, order)
        if layers and len(layer[0]) != len(layers[-1][1]):
            raise ValueError(
                f"{x_name} reads {len(layer[0])} numbers, the layer before it has width "
                f"{len(layers[-1][1])}"
            )
        layers.append(layer)
    return layers


def layer_names(names: list[str], prefix: str) -> tuple[Naming, list[list[str]]]:
    """Who named these arrays, and for each layer the names of w_x, w_h and the biases."""
    for naming in NAMINGS:
        pattern = re.compile(rf"(|.*[./]){naming.w_h}({naming.ending})")
        parts = [match.groups() for name in names if (match := pattern.fullmatch(name))]
        if not parts:
            continue
        stems = sorted({stem for stem, _ in parts})
        check_plain([name for name in names if name.startswith(tuple(stems))])
        alike = stems
        if naming.program != "torch":  # the layers of one LSTM differ in their numbers only
            alike = sorted({re.sub("_?[0-9]+", "", stem) for stem in stems})
        if len(alike) > 1:
            raise ValueError(f"there are several LSTMs, {stems}: choose one by its prefix")
        if naming.program == "torch":
            numbers = sorted(int(number) for _, number in parts)
            if numbers != list(range(len(numbers))):
                raise ValueError(f"layers must be counted from 0, got {numbers}")
        found = [
            [f"{stem}{part}{ending}" for part in (naming.w_x, naming.w_h, *naming.biases)]
            for stem, ending in sorted(parts, key=lambda part: by_number("".join(part)))
        ]
        for x_name, *_ in found:
            if x_name not in names:
                raise ValueError(f"no {x_name!r} among the arrays; {some_of(names)}")
        return naming, found
    needed = ", ".join(f"…{naming.w_h} ({naming.program})" for naming in NAMINGS)
    raise ValueError(f"no array is called {needed}, with prefix {prefix!r}; {some_of(names)}")


def check_plain(names: list[str]) -> None:
    """Refuse by name the kinds of LSTMs that ours are not."""
    for name in names:
        for pattern, reason in REFUSED.items():
            if re.search(pattern, name):
                raise ValueError(f"{name!r}: this LSTM {reason}")


def by_number(name: str) -> list[str | int]:
    """A key by which lstm_2 comes before lstm_10."""
    return [int(part) if i % 2 else part for i, part in enumerate(re.split("([0-9]+)", name))]


def checked_order(order: str) -> str:
    """The gates' order, Keras' c called g; ValueError where it is none."""
    called = order.replace("c", "g")
    if sorted(called) != sorted("ifgo"):
        raise ValueError(f"order must have each of i, f, g (or c) and o once, got {order!r}")
    return called


def converted(
    naming: Naming, name: str, w_x: Array, w_h: Array, biases: list[Array], order: str
) -> Layer:
    """One layer (w_x, w_h, b) of another program's arrays; the biases that there are are added."""
    if naming.program == "ONNX":
        w_x, w_h, *biases = (one_direction(name, array) for array in (w_x, w_h, *biases))
        biases = [half for b in biases for half in np.array_split(b, 2)]
    if naming.program != "Keras":
        w_x, w_h = w_x.T, w_h.T
    H = len(w_h) if w_h.ndim else 0
    shapes = {"w_x": (w_x, (*w_x.shape[:1], 4 * H)), "w_h": (w_h, (H, 4 * H))}
    shapes |= {f"bias {i}": (b, (4 * H,)) for i, b in enumerate(biases, 1)}
    for part, (array, shape) in shapes.items():
        if array.shape != shape or 0 in shape:
            other = OTHER_CELLS.get(w_h.shape[-1] / H if H else 0, "")
            raise ValueError(
                f"the layer of {name!r} is no LSTM's: as (in, out) its {part} must have shape "
                f"{shape}, got {array.shape}{other}"
            )
    w_x, w_h, *biases = (
        float32(f"the {part} of the layer of {name!r}", array)
        for part, (array, _) in shapes.items()
    )
    b = sum(biases, np.zeros(4 * H, np.float32))
    return reordered(w_x, order), reordered(w_h, order), reordered(b, order)


def one_direction(name: str, array: Array) -> Array:
    """An ONNX array without its first axis, which is for the directions."""
    if array.ndim < 2 or len(array) != 1:
        raise ValueError(
            f"the layer of {name!r} must have one direction, (1, …), got shape {array.shape}"
        )
    return array[0]


def float32(name: str, array: Array) -> Array:
    """An array of any floats as float32, a copy; ValueError unless they are floats, and finite."""
    if array.dtype.kind != "f":
        raise ValueError(f"{name} must hold floats, got {array.dtype}")
    with np.errstate(over="ignore"):  # float64 beyond float32 is found below
        copy = np.array(array, np.float32, order="C")
    check_finite(name, copy)
    return copy


def reordered(a: Array, order: str) -> Array:
    """Its four gates, (…, 4H), put into the order i, f, g, o: a new array."""
    gates = np.split(a, 4, axis=-1)
    by_gate = [gates[order.index(gate)] for gate in "ifgo"]
    return np.concatenate(by_gate, axis=-1)


@contextlib.contextmanager
def opened(source: Source) -> Iterator[Mapping[str, Array]]:
    """The arrays of a file by name; what is wrong inside becomes one ValueError naming it."""
    if isinstance(source, Mapping):
        yield source
        return
    try:
        with open(source, "rb") as file:
            kind = Path(source).suffix
            if kind in (".h5", ".hdf5", ".keras"):
                raise ValueError(
                    "Keras' own files are not read, but what is made of a model by "
                    'np.savez("lstm.npz", **{w.path: w.numpy() for w in model.weights})'
                )
            if kind == ".safetensors":
                yield SafetensorsFile(source)
            elif zipfile.is_zipfile(file):
                file.seek(0)
                # each array is parsed when it is asked for: so the lock is held as long
                with PARSING, np.load(file, allow_pickle=False) as archive:
                    yield archive
            else:
                raise ValueError("it is neither a .npz nor a .safetensors file")
    except FileNotFoundError:
        raise
    except DAMAGED as error:
        raise ValueError(f"{os.fspath(source)} cannot be read: {error}") from error
