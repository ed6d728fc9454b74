"""DistilBERT: half of BERT's layers, no token types, and names of its own. Sanh et al. 2019."""

from collections.abc import Mapping

from minilm.models import MaskedLanguageModel, TransformerEncoder
from minilm.pretrained.config import Config
from minilm.pretrained.families.bert import ACTIVATIONS
from minilm.pretrained.families.checks import must_be
from minilm.pretrained.tensors import (
    Table,
    check_layers,
    plain,
    prefix_of,
    read_params,
    turned,
    zeros,
)
from minilm.types import Array, Params

V, D, F, CONTEXT = "vocab_size", "dim", "hidden_dim", "max_position_embeddings"
TYPES = "token types, of which there is one"


def read(
    config: Config, tensors: Mapping[str, Array]
) -> tuple[TransformerEncoder | MaskedLanguageModel, Params]:
    """The model and the parameters of a checkpoint whose model_type is "distilbert".

    A MaskedLanguageModel where the head is there, else a TransformerEncoder. Raises ValueError for
    tensors that do not fit.
    """
    has_head = "vocab_transform.weight" in tensors
    model = (MaskedLanguageModel if has_head else TransformerEncoder)(
        config.whole("vocab_size", least=1),
        width=config.whole("dim", least=1),
        layers=config.whole("n_layers", least=1),
        heads=config.whole("n_heads", least=1),
        context=config.whole("max_position_embeddings", least=1),
        feed_forward=config.whole("hidden_dim", least=1),
        activation=config.choice("activation", ACTIVATIONS, "gelu"),
        token_types=1,
        padding_id=config.whole("pad_token_id", 0),
    )
    prefix = prefix_of(tensors, ("distilbert.", ""), "embeddings.position_embeddings.weight")
    table = f"{prefix}embeddings.word_embeddings.weight"
    check_layers(tensors, prefix + "transformer.layer.{}.ffn.lin2.bias", model.layers)
    names: Table = {
        "token_embedding": plain(table, V, D, also="vocab_projector.weight" if has_head else None),
        "position_embedding": plain(f"{prefix}embeddings.position_embeddings.weight", CONTEXT, D),
        "type_embedding": zeros(TYPES, D),
        **norm("embedding_norm", f"{prefix}embeddings.LayerNorm"),
    }
    for layer in range(model.layers):
        names |= block(f"encoder.{layer}", f"{prefix}transformer.layer.{layer}")
    if has_head:
        must_be(config, tie_word_embeddings=True)
        names |= head()
    sizes = {V: model.vocab_size, D: model.width, F: config.whole("hidden_dim"),
             CONTEXT: model.context, TYPES: model.token_types}  # fmt: skip
    return model, read_params(names, tensors, sizes)


def block(ours: str, theirs: str) -> Table:
    """One block's parameters: the prefix here, and the prefix there."""
    attention, feed_forward = f"{theirs}.attention", f"{theirs}.ffn"
    return {
        f"{ours}.attention.w_qkv": (
            turned(f"{attention}.q_lin.weight", D, D),
            turned(f"{attention}.k_lin.weight", D, D),
            turned(f"{attention}.v_lin.weight", D, D),
        ),
        f"{ours}.attention.b_qkv": (
            plain(f"{attention}.q_lin.bias", D),
            plain(f"{attention}.k_lin.bias", D),
            plain(f"{attention}.v_lin.bias", D),
        ),
        f"{ours}.attention.w_out": turned(f"{attention}.out_lin.weight", D, D),
        f"{ours}.attention.b_out": plain(f"{attention}.out_lin.bias", D),
        **norm(f"{ours}.norm_1", f"{theirs}.sa_layer_norm"),
        f"{ours}.feed_forward.w_up": turned(f"{feed_forward}.lin1.weight", F, D),
        f"{ours}.feed_forward.b_up": plain(f"{feed_forward}.lin1.bias", F),
        f"{ours}.feed_forward.w_down": turned(f"{feed_forward}.lin2.weight", D, F),
        f"{ours}.feed_forward.b_down": plain(f"{feed_forward}.lin2.bias", D),
        **norm(f"{ours}.norm_2", f"{theirs}.output_layer_norm"),
    }


def head() -> Table:
    """The map before the last one, which is the token table."""
    return {
        "prediction.w": turned("vocab_transform.weight", D, D),
        "prediction.b": plain("vocab_transform.bias", D),
        **norm("prediction.norm", "vocab_layer_norm"),
        "prediction.output_bias": plain("vocab_projector.bias", V),
    }


def norm(ours: str, theirs: str) -> Table:
    """A LayerNorm's gain and bias."""
    return {
        f"{ours}.gain": plain(f"{theirs}.weight", D),
        f"{ours}.bias": plain(f"{theirs}.bias", D),
    }
