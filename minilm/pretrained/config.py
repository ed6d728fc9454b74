"""config.json: what a model's shapes cannot tell, every value checked when it is asked for.

    {"model_type": "bert", "num_hidden_layers": 6, "hidden_act": "gelu", …}

    config = read_config(folder)
    layers = config.whole("num_hidden_layers", least=1)
    activation = config.choice("hidden_act", {"gelu": "exact_gelu", "gelu_new": "gelu"})
    eps = config.number("layer_norm_eps", 1e-12, least=0)      # left out, or null: the default

Keys that nobody asks for are fine: such files say much that a reader does not need.
"""

import math
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from minilm.text.tokenizers.json_files import read_json, shown

LARGEST = 10_000_000  # bytes; real ones have some thousand, the index of many shards a million
MOST = 2**31 - 1  # of anything that is counted
REQUIRED: Any = object()  # the default of what has none

D = TypeVar("D")


@dataclass(frozen=True)
class Config:
    """A JSON object whose values are checked when they are asked for.

    where: the file (and the key, inside another object), for errors; values: the object. Each
    method takes a default for what is absent or null; without one that is an error. All raise
    ValueError that names the file, the key, the value found and what is allowed.
    """

    where: str
    values: dict[str, Any]

    def whole(self, key: str, default: D = REQUIRED, *, least: int = 0) -> int | D:
        """A whole number from `least` to MOST; neither 12.0 nor true is one."""
        if self._absent(key, default):
            return default
        value = self.values[key]
        if type(value) is not int or not least <= value <= MOST:
            self._refuse(key, f"a whole number from {least} to {MOST}")
        return value

    def number(self, key: str, default: D = REQUIRED, *, least: float = -math.inf) -> float | D:
        """A finite number, `least` or more, as float."""
        if self._absent(key, default):
            return default
        value = self.values[key]
        try:
            found = float(value) if type(value) in (int, float) else math.nan
        except OverflowError:  # a whole number beyond the largest float
            found = math.nan
        if not (math.isfinite(found) and found >= least):
            bound = "" if least == -math.inf else f", {least} or more"
            self._refuse(key, f"a finite number{bound}")
        return found

    def flag(self, key: str, default: D = REQUIRED) -> bool | D:
        """true or false; neither 1 nor "true" is one."""
        if self._absent(key, default):
            return default
        if type(self.values[key]) is not bool:
            self._refuse(key, "true or false")
        return self.values[key]

    def text(self, key: str, default: D = REQUIRED) -> str | D:
        """A string."""
        if self._absent(key, default):
            return default
        if type(self.values[key]) is not str:
            self._refuse(key, "a string")
        return self.values[key]

    def choice(
        self, key: str, choices: Mapping[str, Any] | Collection[str], default: Any = REQUIRED
    ) -> Any:
        """One of `choices`: what it stands for when they are a dict, else the string itself.

        A default is given as the file would spell it.
        """
        value = self.text(key, default)
        if value is None:  # the default
            return None
        if value not in choices:
            self._refuse(key, f"one of {', '.join(map(repr, choices))}")
        return choices[value] if isinstance(choices, Mapping) else value

    def section(self, key: str, default: D = REQUIRED) -> "Config | D":
        """An object inside this one, to be asked in the same way."""
        if self._absent(key, default):
            return default
        if type(self.values[key]) is not dict:
            self._refuse(key, "an object")
        return Config(f"{self.where}, {key}", self.values[key])

    @property
    def model_type(self) -> str:
        """The architecture's name: "bert", "gpt2", "llama", …"""
        return self.text("model_type")

    def _absent(self, key: str, default: Any) -> bool:
        """Whether the default is to be used; ValueError where there is none."""
        if self.values.get(key) is not None:
            return False
        if default is REQUIRED:
            found = "is null" if key in self.values else "is missing"
            raise ValueError(f"{self.where}: {key} {found}, and has no default")
        return True

    def _refuse(self, key: str, allowed: str) -> None:
        found = shown(self.values.get(key))
        raise ValueError(f"{self.where}: {key} is {found}, expected {allowed}")


def read_config(folder: str | os.PathLike[str]) -> Config:
    """The checked config.json of a model's folder.

    Raises FileNotFoundError where there is none (and says which files there are), ValueError for
    what is no JSON object of a sensible size.
    """
    folder = Path(folder)
    if not (folder / "config.json").exists():
        raise FileNotFoundError(f"no config.json in {os.fspath(folder)!r}{listed(folder)}")
    return Config(str(folder / "config.json"), read_object(folder / "config.json"))


def read_object(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The JSON object in a file of at most LARGEST bytes. ValueError for anything else."""
    values = read_json(Path(path), LARGEST)
    if not isinstance(values, dict):
        raise ValueError(f"{os.fspath(path)!r}: must be a JSON object, got {shown(values)}")
    return values


def listed(folder: Path) -> str:
    """What is in a folder, as the end of an error's sentence."""
    if not folder.is_dir():
        return f": there is {'a file' if folder.exists() else 'nothing'} of that name"
    names = sorted(path.name for path in folder.iterdir())
    some = ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
    return f": it holds {some or 'no files'}"
