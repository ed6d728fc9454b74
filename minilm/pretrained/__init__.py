"""Real pretrained models: folders that others wrote, as our configurations and parameters.

    safetensors.py           the format that weights travel in: open_tensors, SafetensorsFile,
                             write_safetensors
    safetensors_header.py    all that such a file's header may say, checked
    config.py                config.json, every value checked when it is asked for: read_config
    installed.py             models that came as a wheel, by name: find_model, installed_models
"""

from minilm.pretrained.config import Config, read_config
from minilm.pretrained.installed import find_model, installed_models
from minilm.pretrained.safetensors import SafetensorsFile, open_tensors, write_safetensors

__all__ = [
    "Config",
    "SafetensorsFile",
    "find_model",
    "installed_models",
    "open_tensors",
    "read_config",
    "write_safetensors",
]
