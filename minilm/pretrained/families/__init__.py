"""Families of architectures: what each calls its configuration and its tensors.

    bert.py        model_type "bert"                         -> TransformerEncoder, or with its head
    distilbert.py  model_type "distilbert"                      a MaskedLanguageModel
    gpt2.py        model_type "gpt2"                         -> TransformerLanguageModel
    llama.py       model_type "llama", "mistral", "qwen2"    -> TransformerLanguageModel
    checks.py      what an architecture here does not have

FAMILIES[model_type](config, tensors) -> model, params

The names of bert, gpt2 and llama are table(model, prefix): their_tensors.py writes by the same.
"""

from collections.abc import Callable, Mapping
from typing import Any

from minilm.pretrained.config import Config
from minilm.pretrained.families import bert, distilbert, gpt2, llama
from minilm.types import Array, Params

Read = Callable[[Config, Mapping[str, Array]], tuple[Any, Params]]

FAMILIES: dict[str, Read] = {
    "bert": bert.read,
    "distilbert": distilbert.read,
    "gpt2": gpt2.read,
    "llama": llama.read,
    "mistral": llama.read,
    "qwen2": llama.read,
}
