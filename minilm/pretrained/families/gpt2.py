"""GPT-2: learned positions, LayerNorm before each step, a tied head. Radford et al. 2019.

Its maps are kept as (in, out) already, queries, keys and values side by side: every parameter of a
float32 file is a view of it, but for an untied head.
"""

from collections.abc import Mapping
from typing import Any

from minilm.models import TransformerLanguageModel
from minilm.pretrained.config import Config
from minilm.pretrained.families.checks import must_be
from minilm.pretrained.tensors import (
    Sizes,
    Table,
    check_layers,
    plain,
    prefix_of,
    read_params,
    turned,
)
from minilm.types import Array, Params

ACTIVATIONS = {
    "gelu_new": "gelu",
    "gelu_pytorch_tanh": "gelu",
    "gelu": "exact_gelu",
    "relu": "relu",
}
D, F, V = "n_embd", "n_inner", "vocab_size"
QKV, CONTEXT = "3 * n_embd", "n_positions"


def read(config: Config, tensors: Mapping[str, Array]) -> tuple[TransformerLanguageModel, Params]:
    """The model and the parameters of a checkpoint whose model_type is "gpt2".

    Raises ValueError for what this architecture here does not have, or tensors that do not fit.
    """
    width = config.whole("n_embd", least=1)
    must_be(config, scale_attn_weights=True, scale_attn_by_inverse_layer_idx=False,
            add_cross_attention=False, is_causal=True)  # fmt: skip
    model = TransformerLanguageModel(
        config.whole("vocab_size", least=1),
        width=width,
        layers=config.whole("n_layer", least=1),
        heads=config.whole("n_head", least=1),
        context=config.whole("n_positions", least=1),
        feed_forward=config.whole("n_inner", 4 * width, least=1),
        tied=config.flag("tie_word_embeddings", True),
        positions="learned",
        activation=config.choice("activation_function", ACTIVATIONS, "gelu_new"),
        norm_eps=config.number("layer_norm_epsilon", 1e-5, least=0),
    )
    prefix = prefix_of(tensors, ("transformer.", ""), "wpe.weight")
    check_layers(tensors, prefix + "h.{}.mlp.c_proj.bias", model.layers)
    return model, read_params(table(model, prefix), tensors, sizes(model))


def table(model: TransformerLanguageModel, prefix: str) -> Table:
    """All our parameters, and theirs behind this prefix."""
    words, head = f"{prefix}wte.weight", "lm_head.weight"
    names: Table = {"token_embedding": plain(words, V, D, also=head if model.tied else None)}
    for layer in range(model.layers):
        names |= block(f"block.{layer}", f"{prefix}h.{layer}")
    names |= norm("norm", f"{prefix}ln_f")
    if not model.tied:
        names["head.w"] = turned(head, V, D)
    return names | {"position_embedding": plain(f"{prefix}wpe.weight", CONTEXT, D)}


def sizes(model: Any) -> Sizes:
    """The sizes of a table's shapes."""
    return {V: model.vocab_size, D: model.width, F: model.feed_forward, QKV: 3 * model.width,
            CONTEXT: model.context}  # fmt: skip


def block(ours: str, theirs: str) -> Table:
    """One block's parameters: the prefix here, and the prefix there."""
    return {
        **norm(f"{ours}.norm_1", f"{theirs}.ln_1"),
        f"{ours}.attention.w_qkv": plain(f"{theirs}.attn.c_attn.weight", D, QKV),
        f"{ours}.attention.b_qkv": plain(f"{theirs}.attn.c_attn.bias", QKV),
        f"{ours}.attention.w_out": plain(f"{theirs}.attn.c_proj.weight", D, D),
        f"{ours}.attention.b_out": plain(f"{theirs}.attn.c_proj.bias", D),
        **norm(f"{ours}.norm_2", f"{theirs}.ln_2"),
        f"{ours}.feed_forward.w_up": plain(f"{theirs}.mlp.c_fc.weight", D, F),
        f"{ours}.feed_forward.b_up": plain(f"{theirs}.mlp.c_fc.bias", F),
        f"{ours}.feed_forward.w_down": plain(f"{theirs}.mlp.c_proj.weight", F, D),
        f"{ours}.feed_forward.b_down": plain(f"{theirs}.mlp.c_proj.bias", D),
    }


def norm(ours: str, theirs: str) -> Table:
    """A LayerNorm's gain and bias."""
    return {
        f"{ours}.gain": plain(f"{theirs}.weight", D),
        f"{ours}.bias": plain(f"{theirs}.bias", D),
    }
