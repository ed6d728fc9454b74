"""BERT: an encoder of post-norm blocks, with or without a head that fills gaps. Devlin et al. 2018.

What a file holds besides (a pooler, a classifier's head) is not read.
"""

from collections.abc import Mapping
from typing import Any

from minilm.models import MaskedLanguageModel, TransformerEncoder
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
    "gelu": "exact_gelu",
    "gelu_new": "gelu",
    "gelu_pytorch_tanh": "gelu",
    "relu": "relu",
}
V, D, F = "vocab_size", "hidden_size", "intermediate_size"
CONTEXT, TYPES = "max_position_embeddings", "type_vocab_size"
HEAD = "cls.predictions"


def read(
    config: Config, tensors: Mapping[str, Array]
) -> tuple[TransformerEncoder | MaskedLanguageModel, Params]:
    """The model and the parameters of a checkpoint whose model_type is "bert".

    A MaskedLanguageModel where the head is there, else a TransformerEncoder. Raises ValueError for
    what this architecture here does not have, or tensors that do not fit.
    """
    must_be(config, is_decoder=False, add_cross_attention=False)
    config.choice("position_embedding_type", ("absolute",), "absolute")
    has_head = f"{HEAD}.transform.dense.weight" in tensors
    model = (MaskedLanguageModel if has_head else TransformerEncoder)(
        config.whole("vocab_size", least=1),
        width=config.whole("hidden_size", least=1),
        layers=config.whole("num_hidden_layers", least=1),
        heads=config.whole("num_attention_heads", least=1),
        context=config.whole("max_position_embeddings", least=1),
        feed_forward=config.whole("intermediate_size", least=1),
        activation=config.choice("hidden_act", ACTIVATIONS, "gelu"),
        token_types=config.whole("type_vocab_size", 2, least=1),
        norm_eps=config.number("layer_norm_eps", 1e-12, least=0),
        padding_id=config.whole("pad_token_id", 0),
    )
    prefix = prefix_of(tensors, ("bert.", ""), "embeddings.position_embeddings.weight")
    check_layers(tensors, prefix + "encoder.layer.{}.output.dense.bias", model.layers)
    if has_head:
        must_be(config, tie_word_embeddings=True)
    return model, read_params(table(model, prefix), tensors, sizes(model))


def table(model: TransformerEncoder | MaskedLanguageModel, prefix: str) -> Table:
    """All our parameters, and theirs behind this prefix."""
    names = embeddings(f"{prefix}embeddings")
    for layer in range(model.layers):
        names |= block(f"encoder.{layer}", f"{prefix}encoder.layer.{layer}")
    if isinstance(model, MaskedLanguageModel):
        words = f"{prefix}embeddings.word_embeddings.weight"
        names |= head() | {"token_embedding": plain(words, V, D, also=f"{HEAD}.decoder.weight")}
    return names


def sizes(model: Any) -> Sizes:
    """The sizes of a table's shapes."""
    return {V: model.vocab_size, D: model.width, F: model.feed_forward, CONTEXT: model.context,
            TYPES: model.token_types}  # fmt: skip


def embeddings(theirs: str) -> Table:
    """What a token is, where it stands, and in which of two texts."""
    return {
        "token_embedding": plain(f"{theirs}.word_embeddings.weight", V, D),
        "position_embedding": plain(f"{theirs}.position_embeddings.weight", CONTEXT, D),
        "type_embedding": plain(f"{theirs}.token_type_embeddings.weight", TYPES, D),
        **norm("embedding_norm", f"{theirs}.LayerNorm"),
    }


def block(ours: str, theirs: str) -> Table:
    """One block's parameters: the prefix here, and the prefix there."""
    attention = f"{theirs}.attention.self"
    return {
        f"{ours}.attention.w_qkv": (
            turned(f"{attention}.query.weight", D, D),
            turned(f"{attention}.key.weight", D, D),
            turned(f"{attention}.value.weight", D, D),
        ),
        f"{ours}.attention.b_qkv": (
            plain(f"{attention}.query.bias", D),
            plain(f"{attention}.key.bias", D),
            plain(f"{attention}.value.bias", D),
        ),
        f"{ours}.attention.w_out": turned(f"{theirs}.attention.output.dense.weight", D, D),
        f"{ours}.attention.b_out": plain(f"{theirs}.attention.output.dense.bias", D),
        **norm(f"{ours}.norm_1", f"{theirs}.attention.output.LayerNorm"),
        f"{ours}.feed_forward.w_up": turned(f"{theirs}.intermediate.dense.weight", F, D),
        f"{ours}.feed_forward.b_up": plain(f"{theirs}.intermediate.dense.bias", F),
        f"{ours}.feed_forward.w_down": turned(f"{theirs}.output.dense.weight", D, F),
        f"{ours}.feed_forward.b_down": plain(f"{theirs}.output.dense.bias", D),
        **norm(f"{ours}.norm_2", f"{theirs}.output.LayerNorm"),
    }


def head() -> Table:
    """The map before the last one, which is the token table."""
    return {
        "prediction.w": turned(f"{HEAD}.transform.dense.weight", D, D),
        "prediction.b": plain(f"{HEAD}.transform.dense.bias", D),
        **norm("prediction.norm", f"{HEAD}.transform.LayerNorm"),
        "prediction.output_bias": plain(f"{HEAD}.bias", V, also=f"{HEAD}.decoder.bias"),
    }


def norm(ours: str, theirs: str) -> Table:
    """A LayerNorm's gain and bias, which the first checkpoints call gamma and beta."""
    return {
        f"{ours}.gain": plain(f"{theirs}.weight", D, also=f"{theirs}.gamma"),
        f"{ours}.bias": plain(f"{theirs}.bias", D, also=f"{theirs}.beta"),
    }
