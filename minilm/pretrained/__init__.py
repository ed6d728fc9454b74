"""Real pretrained models: folders that others wrote, as our configurations and parameters.

    load.py                  a folder, a file or a name -> Pretrained: load_pretrained,
                             save_pretrained
    families/                what BERT, GPT-2 and Llama call their configurations and tensors
    tensors.py               tables of names, ours <- theirs, and what is refused
    safetensors.py           the format that weights travel in: open_tensors, SafetensorsFile,
                             write_safetensors
    safetensors_header.py    all that such a file's header may say, checked
    config.py                config.json, every value checked when it is asked for: read_config
    installed.py             models that came as a wheel, by name: find_model, installed_models
"""

from minilm.pretrained.config import Config, read_config
from minilm.pretrained.installed import find_model, installed_models
from minilm.pretrained.load import Pretrained, load_pretrained, save_pretrained
from minilm.pretrained.safetensors import SafetensorsFile, open_tensors, write_safetensors

__all__ = [
    "Config",
    "Pretrained",
    "SafetensorsFile",
    "find_model",
    "installed_models",
    "load_pretrained",
    "open_tensors",
    "read_config",
    "save_pretrained",
    "write_safetensors",
]
