"""Small random models in folders as others write them, by the names that others use.

The names are written out here once more, the other way round than the tables that are tested.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minilm.models import MaskedLanguageModel, TransformerEncoder, TransformerLanguageModel
from minilm.pretrained.safetensors import write_safetensors
from minilm.text import BPETokenizer, WordPieceTokenizer

SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
PROSE = (
    "The cat sat on the old mat and slept. A dog ran home under the big tree. "
    "The bird sang until the sun went down! Was the door of the house open all night?"
)


@dataclass
class Folder:
    """A folder, and the model that it holds: change the config or the tensors and write again."""

    path: Path
    model: Any
    params: dict[str, np.ndarray]
    config: dict[str, Any]
    tensors: dict[str, np.ndarray]
    tokenizer: Any = None

    def write(self) -> "Folder":
        self.path.mkdir(exist_ok=True)
        (self.path / "config.json").write_text(json.dumps(self.config), encoding="utf-8")
        write_safetensors(self.path / "model.safetensors", self.tensors, {"format": "pt"})
        if self.tokenizer is not None:
            self.tokenizer.write(self.path)
        return self


def noisy(model: Any, seed: int = 0) -> dict[str, np.ndarray]:
    """Parameters of which no two are alike, gains and biases included."""
    rng = np.random.default_rng(seed)
    return {
        name: value + rng.normal(scale=0.3, size=value.shape).astype(np.float32)
        for name, value in model.init(seed).items()
    }


def thirds(w: np.ndarray, widths: list[int]) -> list[np.ndarray]:
    """[w_q | w_k | w_v] taken apart."""
    return np.split(w, np.cumsum(widths)[:-1], axis=-1)


def bert_tensors(params: dict[str, np.ndarray], layers: int, prefix: str) -> dict[str, np.ndarray]:
    names = {
        "embeddings.word_embeddings.weight": params["token_embedding"],
        "embeddings.position_embeddings.weight": params["position_embedding"],
        "embeddings.token_type_embeddings.weight": params["type_embedding"],
        "embeddings.LayerNorm.weight": params["embedding_norm.gain"],
        "embeddings.LayerNorm.bias": params["embedding_norm.bias"],
    }
    for i in range(layers):
        ours, theirs = f"encoder.{i}", f"encoder.layer.{i}"
        width = len(params["embedding_norm.gain"])
        w_qkv = thirds(params[f"{ours}.attention.w_qkv"], [width] * 3)
        b_qkv = thirds(params[f"{ours}.attention.b_qkv"], [width] * 3)
        for part, w, b in zip(("query", "key", "value"), w_qkv, b_qkv, strict=True):
            names[f"{theirs}.attention.self.{part}.weight"] = w.T
            names[f"{theirs}.attention.self.{part}.bias"] = b
        for map_, norm, w, b, n in (
            ("attention.output.dense", "attention.output.LayerNorm", "attention.w_out",
             "attention.b_out", "norm_1"),
            ("output.dense", "output.LayerNorm", "feed_forward.w_down", "feed_forward.b_down",
             "norm_2"),
        ):  # fmt: skip
            names[f"{theirs}.{map_}.weight"] = params[f"{ours}.{w}"].T
            names[f"{theirs}.{map_}.bias"] = params[f"{ours}.{b}"]
            names[f"{theirs}.{norm}.weight"] = params[f"{ours}.{n}.gain"]
            names[f"{theirs}.{norm}.bias"] = params[f"{ours}.{n}.bias"]
        names[f"{theirs}.intermediate.dense.weight"] = params[f"{ours}.feed_forward.w_up"].T
        names[f"{theirs}.intermediate.dense.bias"] = params[f"{ours}.feed_forward.b_up"]
    tensors = {prefix + name: array for name, array in names.items()}
    if "prediction.w" in params:
        tensors |= {
            "cls.predictions.transform.dense.weight": params["prediction.w"].T,
            "cls.predictions.transform.dense.bias": params["prediction.b"],
            "cls.predictions.transform.LayerNorm.weight": params["prediction.norm.gain"],
            "cls.predictions.transform.LayerNorm.bias": params["prediction.norm.bias"],
            "cls.predictions.bias": params["prediction.output_bias"],
        }
    return tensors


def gpt2_tensors(params: dict[str, np.ndarray], layers: int, prefix: str) -> dict[str, np.ndarray]:
    names = {
        "wte.weight": params["token_embedding"],
        "wpe.weight": params["position_embedding"],
        "ln_f.weight": params["norm.gain"],
        "ln_f.bias": params["norm.bias"],
    }
    for i in range(layers):
        for theirs, ours in (
            ("ln_1.weight", "norm_1.gain"),
            ("ln_1.bias", "norm_1.bias"),
            ("attn.c_attn.weight", "attention.w_qkv"),
            ("attn.c_attn.bias", "attention.b_qkv"),
            ("attn.c_proj.weight", "attention.w_out"),
            ("attn.c_proj.bias", "attention.b_out"),
            ("ln_2.weight", "norm_2.gain"),
            ("ln_2.bias", "norm_2.bias"),
            ("mlp.c_fc.weight", "feed_forward.w_up"),
            ("mlp.c_fc.bias", "feed_forward.b_up"),
            ("mlp.c_proj.weight", "feed_forward.w_down"),
            ("mlp.c_proj.bias", "feed_forward.b_down"),
        ):
            names[f"h.{i}.{theirs}"] = params[f"block.{i}.{ours}"]
    tensors = {prefix + name: array for name, array in names.items()}
    if "head.w" in params:
        tensors["lm_head.weight"] = params["head.w"].T
    return tensors


def llama_tensors(
    params: dict[str, np.ndarray], model: TransformerLanguageModel, prefix: str
) -> dict[str, np.ndarray]:
    names = {
        "embed_tokens.weight": params["token_embedding"],
        "norm.weight": params["norm.gain"],
    }
    shared = (model.key_value_heads or model.heads) * model.head_dim
    for i in range(model.layers):
        ours, theirs = f"block.{i}", f"layers.{i}"
        widths = [model.width, shared, shared]
        w_qkv = thirds(params[f"{ours}.attention.w_qkv"], widths)
        for part, w in zip("qkv", w_qkv, strict=True):
            names[f"{theirs}.self_attn.{part}_proj.weight"] = w.T
        names[f"{theirs}.self_attn.o_proj.weight"] = params[f"{ours}.attention.w_out"].T
        if model.biases:
            b_qkv = thirds(params[f"{ours}.attention.b_qkv"], widths)
            for part, b in zip("qkv", b_qkv, strict=True):
                names[f"{theirs}.self_attn.{part}_proj.bias"] = b
            names[f"{theirs}.self_attn.o_proj.bias"] = params[f"{ours}.attention.b_out"]
        for part in ("gate", "up", "down"):
            names[f"{theirs}.mlp.{part}_proj.weight"] = params[f"{ours}.feed_forward.w_{part}"].T
        names[f"{theirs}.input_layernorm.weight"] = params[f"{ours}.norm_1.gain"]
        names[f"{theirs}.post_attention_layernorm.weight"] = params[f"{ours}.norm_2.gain"]
    tensors = {prefix + name: array for name, array in names.items()}
    if "head.w" in params:
        tensors["lm_head.weight"] = params["head.w"].T
    return tensors


@pytest.fixture
def bert_folder(tmp_path):
    """bert_folder(head=True, prefix="bert.", **fields of the model) -> Folder, with vocab.txt."""

    def make(head: bool = True, prefix: str = "bert.", **fields: Any) -> Folder:
        pieces = WordPieceTokenizer.train(PROSE, 80, specials=SPECIALS)
        fields = {"width": 16, "layers": 2, "heads": 2, "context": 24, "feed_forward": 24} | fields
        cls = MaskedLanguageModel if head else TransformerEncoder
        model = cls(pieces.vocab_size, **fields)
        params = noisy(model)
        config = {
            "model_type": "bert",
            "architectures": ["BertForMaskedLM" if head else "BertModel"],
            "vocab_size": model.vocab_size,
            "hidden_size": model.width,
            "num_hidden_layers": model.layers,
            "num_attention_heads": model.heads,
            "intermediate_size": model.feed_forward,
            "max_position_embeddings": model.context,
            "type_vocab_size": model.token_types,
            "hidden_act": {"exact_gelu": "gelu", "gelu": "gelu_new"}.get(model.activation, "relu"),
            "layer_norm_eps": model.norm_eps,
            "pad_token_id": 0,
        }
        tensors = bert_tensors(params, model.layers, prefix)
        return Folder(tmp_path / "bert", model, params, config, tensors, pieces).write()

    return make


@pytest.fixture
def gpt2_folder(tmp_path):
    """gpt2_folder(prefix="transformer.", **fields) -> Folder, with vocab.json and merges.txt."""

    def make(prefix: str = "transformer.", **fields: Any) -> Folder:
        letters = BPETokenizer.train(PROSE, 280, specials=("<|endoftext|>",))
        fields = {"width": 16, "layers": 2, "heads": 2, "context": 24} | fields
        model = TransformerLanguageModel(letters.vocab_size, positions="learned", **fields)
        params = noisy(model)
        config = {
            "model_type": "gpt2",
            "architectures": ["GPT2LMHeadModel"],
            "vocab_size": model.vocab_size,
            "n_embd": model.width,
            "n_layer": model.layers,
            "n_head": model.heads,
            "n_inner": model.feed_forward,
            "n_positions": model.context,
            "activation_function": {"exact_gelu": "gelu", "gelu": "gelu_new"}.get(
                model.activation, "relu"
            ),
            "layer_norm_epsilon": model.norm_eps,
            "tie_word_embeddings": model.tied,
        }
        tensors = gpt2_tensors(params, model.layers, prefix)
        return Folder(tmp_path / "gpt2", model, params, config, tensors, letters).write()

    return make


@pytest.fixture
def llama_folder(tmp_path):
    """llama_folder(prefix="model.", **fields) -> Folder, without a tokenizer."""

    def make(prefix: str = "model.", **fields: Any) -> Folder:
        fields = {
            "width": 16, "layers": 2, "heads": 4, "key_value_heads": 2, "context": 24,
            "feed_forward": 20, "tied": False, "biases": False, "norm_eps": 1e-6,
        } | fields  # fmt: skip
        model = TransformerLanguageModel(
            61, positions="rotary", normalization="rms", activation="swiglu", **fields
        )
        params = noisy(model)
        config = {
            "model_type": "llama",
            "architectures": ["LlamaForCausalLM"],
            "vocab_size": model.vocab_size,
            "hidden_size": model.width,
            "num_hidden_layers": model.layers,
            "num_attention_heads": model.heads,
            "num_key_value_heads": model.key_value_heads,
            "intermediate_size": model.feed_forward,
            "max_position_embeddings": model.context,
            "hidden_act": "silu",
            "rms_norm_eps": model.norm_eps,
            "rope_theta": model.rotary_base,
            "attention_bias": model.biases,
            "tie_word_embeddings": model.tied,
        }
        tensors = llama_tensors(params, model, prefix)
        return Folder(tmp_path / "llama", model, params, config, tensors).write()

    return make
