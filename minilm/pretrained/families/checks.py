"""What an architecture here does not have is refused by its key in config.json."""

import reprlib
from typing import NoReturn

from minilm.pretrained.config import Config


def refuse(config: Config, key: str, allowed: str) -> NoReturn:
    """ValueError that names the file, the key, the value found and what is allowed."""
    raise ValueError(
        f"{config.where}: {key} is {reprlib.repr(config.values.get(key))}, but only {allowed} "
        f"can be computed here"
    )


def must_be(config: Config, **flags: bool) -> None:
    """Refuse every flag that is there and is not this one."""
    for key, value in flags.items():
        if config.flag(key, value) is not value:
            refuse(config, key, str(value).lower())
