"""Llama: RMSNorm, SwiGLU, rotary positions, few heads of keys and values. Touvron et al. 2023.

Mistral (Jiang et al. 2023) is the same but for a sliding window, which is refused where it is
shorter than the context; Qwen 2 (Yang et al. 2024) but for biases of queries, keys and values.
"""

from collections.abc import Mapping
from typing import Any

from minilm.models import TransformerLanguageModel
from minilm.pretrained.config import Config
from minilm.pretrained.families.checks import must_be, refuse
from minilm.pretrained.tensors import (
    Sizes,
    Table,
    check_layers,
    plain,
    prefix_of,
    read_params,
    turned,
    zeros,
)
from minilm.types import Array, Params

D, F, V = "hidden_size", "intermediate_size", "vocab_size"
Q, KV = "num_attention_heads * head_dim", "num_key_value_heads * head_dim"


def read(config: Config, tensors: Mapping[str, Array]) -> tuple[TransformerLanguageModel, Params]:
    """The model and the parameters of a checkpoint: model_type "llama", "mistral" or "qwen2".

    Raises ValueError for what this architecture here does not have, or tensors that do not fit.
    """
    model = read_model(config)
    prefix = prefix_of(tensors, ("model.", ""), "norm.weight")
    check_layers(tensors, prefix + "layers.{}.mlp.down_proj.weight", model.layers)
    return model, read_params(table(model, prefix, config.model_type), tensors, sizes(model))


def table(model: TransformerLanguageModel, prefix: str, model_type: str = "llama") -> Table:
    """All our parameters, and theirs behind this prefix."""
    words, head = f"{prefix}embed_tokens.weight", "lm_head.weight"
    names: Table = {"token_embedding": plain(words, V, D, also=head if model.tied else None)}
    for layer in range(model.layers):
        names |= block(f"block.{layer}", f"{prefix}layers.{layer}")
        if model.biases:
            names |= biases(f"block.{layer}", f"{prefix}layers.{layer}", model_type)
    names["norm.gain"] = plain(f"{prefix}norm.weight", D)
    if not model.tied:
        names["head.w"] = turned(head, V, D)
    return names


def sizes(model: Any) -> Sizes:
    """The sizes of a table's shapes."""
    shared = (model.key_value_heads or model.heads) * model.head_dim
    return {V: model.vocab_size, D: model.width, F: model.feed_forward, Q: model.width, KV: shared}


def read_model(config: Config) -> TransformerLanguageModel:
    """The architecture that config.json describes. What it leaves out is as transformers has it."""
    width = config.whole("hidden_size", least=1)
    heads = config.whole("num_attention_heads", least=1)
    context = config.whole("max_position_embeddings", least=1)
    config.choice("hidden_act", ("silu",), "silu")
    must_be(config, mlp_bias=False, is_causal=True)
    if config.whole("head_dim", width // heads) * heads != width:
        refuse(config, "head_dim", f"hidden_size / num_attention_heads = {width} / {heads}")
    check_window(config, context)
    if config.model_type == "llama":
        key_value_heads = config.whole("num_key_value_heads", heads, least=1)
        has_biases = config.flag("attention_bias", False)
    else:
        key_value_heads = config.whole("num_key_value_heads", least=1)
        has_biases = config.model_type == "qwen2"
    return TransformerLanguageModel(
        config.whole("vocab_size", least=1),
        width=width,
        layers=config.whole("num_hidden_layers", least=1),
        heads=heads,
        context=context,
        feed_forward=config.whole("intermediate_size", least=1),
        tied=config.flag("tie_word_embeddings", False),
        positions="rotary",
        normalization="rms",
        activation="swiglu",
        key_value_heads=key_value_heads,
        biases=has_biases,
        rotary_base=rotary_base(config),
        norm_eps=config.number("rms_norm_eps", 1e-6, least=0),
    )


def rotary_base(config: Config) -> float:
    """rope_theta, which newer files keep in "rope_parameters"; the first that is there counts.

    Stretched positions, those of a part of each head, and others for some layers are refused.
    """
    sections = [config.section(key, None) for key in ("rope_scaling", "rope_parameters")]
    inner = [section for section in sections if section is not None]
    for place in inner:
        for key in ("rope_type", "type"):  # the second in older files
            place.choice(key, ("default",), "default")
        for key, value in place.values.items():
            if isinstance(value, dict):
                refuse(place, key, "one rope_theta for all layers")
    for place in (*inner, config):
        if place.number("partial_rotary_factor", 1.0) != 1:
            refuse(place, "partial_rotary_factor", "1")
    bases = (place.number("rope_theta", None) for place in (*inner, config))
    return next((base for base in bases if base is not None), 10000.0)


def check_window(config: Config, context: int) -> None:
    """Every token sees all before it: a sliding window must be no shorter than the context."""
    if config.model_type == "mistral" and "sliding_window" not in config.values:
        window = 4096
    elif config.model_type == "mistral" or config.flag("use_sliding_window", False):
        window = config.whole("sliding_window", context)
    else:
        window = context
    if window < context:
        allowed = f"null or a window of at least max_position_embeddings = {context}"
        refuse(config, "sliding_window", allowed)
    kinds = config.values.get("layer_types")
    if kinds is not None and (type(kinds) is not list or set(map(str, kinds)) - {"full_attention"}):
        refuse(config, "layer_types", "full_attention in every layer")


def block(ours: str, theirs: str) -> Table:
    """One block's weights: the prefix here, and the prefix there."""
    attention, feed_forward = f"{theirs}.self_attn", f"{theirs}.mlp"
    return {
        f"{ours}.norm_1.gain": plain(f"{theirs}.input_layernorm.weight", D),
        f"{ours}.attention.w_qkv": (
            turned(f"{attention}.q_proj.weight", Q, D),
            turned(f"{attention}.k_proj.weight", KV, D),
            turned(f"{attention}.v_proj.weight", KV, D),
        ),
        f"{ours}.attention.w_out": turned(f"{attention}.o_proj.weight", D, Q),
        f"{ours}.norm_2.gain": plain(f"{theirs}.post_attention_layernorm.weight", D),
        f"{ours}.feed_forward.w_gate": turned(f"{feed_forward}.gate_proj.weight", F, D),
        f"{ours}.feed_forward.w_up": turned(f"{feed_forward}.up_proj.weight", F, D),
        f"{ours}.feed_forward.w_down": turned(f"{feed_forward}.down_proj.weight", D, F),
    }


def biases(ours: str, theirs: str, model_type: str) -> Table:
    """The biases of one block's attention; Qwen 2 has none at its end."""
    attention = f"{theirs}.self_attn"
    return {
        f"{ours}.attention.b_qkv": (
            plain(f"{attention}.q_proj.bias", Q),
            plain(f"{attention}.k_proj.bias", KV),
            plain(f"{attention}.v_proj.bias", KV),
        ),
        f"{ours}.attention.b_out": (
            zeros(D) if model_type == "qwen2" else plain(f"{attention}.o_proj.bias", D)
        ),
    }
