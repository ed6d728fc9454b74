"""The way back: a model of ours as a config.json and tensors that others know.

    config   the keys that read_config reads, with the model's sizes and choices
    tensors  the tables of families/ from right to left: ours turned round, and cut where several of
             theirs stand side by side in one of ours

A TransformerLanguageModel is a Llama or a GPT-2 if it has all that makes one, else neither.
"""

from typing import Any, NamedTuple

import numpy as np

from minilm.models import MaskedLanguageModel, TransformerEncoder, TransformerLanguageModel
from minilm.pretrained.families import bert, gpt2, llama
from minilm.pretrained.tensors import Theirs
from minilm.types import Array, Params

LLAMA = {"norm": "pre", "positions": "rotary", "normalization": "rms", "activation": "swiglu"}
GPT2 = {"norm": "pre", "positions": "learned", "normalization": "layer", "biases": True}
# Each family's tables, and the prefix of the names in a model with a head
TABLES = {"bert": (bert, "bert."), "gpt2": (gpt2, "transformer."), "llama": (llama, "model.")}
WORDS = {"exact_gelu": "gelu", "gelu": "gelu_new", "relu": "relu"}  # ours -> theirs


def family_of(model: Any) -> str:
    """"bert", "gpt2" or "llama". Raises TypeError for a model that is none of these."""
    if isinstance(model, TransformerEncoder | MaskedLanguageModel):
        return "bert"
    if isinstance(model, TransformerLanguageModel):
        if all(getattr(model, field) == value for field, value in LLAMA.items()):
            return "llama"
        alike = all(getattr(model, field) == value for field, value in GPT2.items())
        if alike and model.activation in WORDS and model.key_value_heads in (None, model.heads):
            return "gpt2"
        raise TypeError(
            f"model must be as a Llama is ({LLAMA}) or as a GPT-2 ({GPT2}, as many key_value_heads "
            f"as heads) for others to know it, got {model}"
        )
    raise TypeError(
        "model must be a TransformerEncoder, a MaskedLanguageModel or a TransformerLanguageModel, "
        f"got {type(model).__name__}"
    )


def their_config(model: Any) -> dict[str, Any]:
    """The content of config.json. Raises as family_of."""
    family = family_of(model)
    common = {"model_type": family, "vocab_size": model.vocab_size}
    if family == "bert":
        is_masked = isinstance(model, MaskedLanguageModel)
        return common | {
            "architectures": ["BertForMaskedLM" if is_masked else "BertModel"],
            "hidden_size": model.width, "num_hidden_layers": model.layers,
            "num_attention_heads": model.heads, "intermediate_size": model.feed_forward,
            "hidden_act": WORDS[model.activation], "max_position_embeddings": model.context,
            "type_vocab_size": model.token_types, "layer_norm_eps": model.norm_eps,
            "pad_token_id": model.padding_id, "position_embedding_type": "absolute",
            "hidden_dropout_prob": model.dropout, "attention_probs_dropout_prob": 0.0,
        }  # fmt: skip
    if family == "gpt2":
        return common | {
            "architectures": ["GPT2LMHeadModel"],
            "n_embd": model.width, "n_layer": model.layers, "n_head": model.heads,
            "n_positions": model.context, "n_inner": model.feed_forward,
            "activation_function": WORDS[model.activation], "layer_norm_epsilon": model.norm_eps,
            "tie_word_embeddings": model.tied, "embd_pdrop": model.dropout,
            "resid_pdrop": model.dropout, "attn_pdrop": 0.0,
            "bos_token_id": None, "eos_token_id": None,
        }  # fmt: skip
    return common | {
        "architectures": ["LlamaForCausalLM"],
        "hidden_size": model.width, "num_hidden_layers": model.layers,
        "num_attention_heads": model.heads, "num_key_value_heads": shared_heads(model),
        "intermediate_size": model.feed_forward, "max_position_embeddings": model.context,
        "hidden_act": "silu", "rms_norm_eps": model.norm_eps, "rope_theta": model.rotary_base,
        "tie_word_embeddings": model.tied, "attention_bias": model.biases, "mlp_bias": False,
        "bos_token_id": None, "eos_token_id": None,
    }  # fmt: skip


class Place(NamedTuple):
    """A tensor of a checkpoint: its name, its shape, and whether it is turned round."""

    name: str
    shape: tuple[int, ...]
    is_turned: bool


def places(model: Any, params: Params) -> dict[str, list[Place]]:
    """Where each parameter goes: one tensor, or several that stand side by side in it.

    Raises as family_of; ValueError for a parameter that is missing.
    """
    family, prefix = TABLES[family_of(model)]
    if isinstance(model, TransformerEncoder):
        prefix = ""
    sizes, found = family.sizes(model), {}
    for ours, theirs in family.table(model, prefix).items():
        if ours not in params:
            raise ValueError(f"params must hold {ours}")
        found[ours] = [
            Place(part.names[0], tuple(sizes[size] for size in part.shape), part.is_turned)
            for part in ((theirs,) if isinstance(theirs, Theirs) else theirs)
        ]
    return found


def cut(ours: str, array: Array, parts: list[Place]) -> dict[str, Array]:
    """The tensors that a parameter is made of, by name: views of it.

    Raises ValueError for an array of another shape than the configuration says (heads or channels
    that were cut off have no place in config.json).
    """
    widths = [part.shape[0 if part.is_turned else -1] for part in parts]
    tensors = {}
    for part, piece in zip(parts, np.split(array, np.cumsum(widths)[:-1], axis=-1), strict=True):
        tensor = piece.T if part.is_turned else piece
        if tensor.shape != part.shape:
            raise ValueError(
                f"{ours} must be as large as the model's configuration says, for {part.name} to be "
                f"{part.shape}, got {array.shape}"
            )
        tensors[part.name] = tensor
    return tensors


def their_tensors(model: Any, params: Params) -> dict[str, Array]:
    """A checkpoint's tensors by name, of parameters that are arrays of any dtype: views of them.

    Raises as places and cut.
    """
    return {
        name: array
        for ours, parts in places(model, params).items()
        for name, array in cut(ours, params[ours], parts).items()
    }


def shared_heads(model: Any) -> int:
    """G, the heads of keys and values."""
    heads: int = getattr(model, "key_value_heads", None) or model.heads
    return heads
