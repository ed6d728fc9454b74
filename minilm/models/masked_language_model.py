"""The masked language model: what stood where a token is hidden?

    hidden = TransformerEncoder(tokens)         (B, T, D)
    h = norm(gelu(hidden W + b))                one more map, at each position by itself
    logits = h Eᵀ + output_bias                 E is the token table, once more

    p(token_t | all the others) = softmax(logits_t)

Some tokens of a text are replaced by one that says [MASK], and the model is to tell what they were:
so BERT was taught (Devlin et al. 2018). Unlike a language model it sees what comes after the gap,
and so it cannot write a text from left to right.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from minilm.models.block import (
    ACTIVATIONS,
    NORM,
    named,
    new_norm,
    normalize,
    normalize_backward,
    parts,
)
from minilm.models.key_value_cache import Attend
from minilm.models.language_model import normal
from minilm.models.transformer_encoder import TransformerEncoder
from minilm.nn import attention, linear, linear_backward
from minilm.types import Array, Cache, Params

PREDICTION = ("w", "b")


@dataclass(frozen=True)
class MaskedLanguageModel:
    """A TransformerEncoder, which see for the fields, and a head that fills gaps.

    Parameters: the encoder's; prediction.w (D, D), prediction.b (D,), prediction.norm.gain and
    .bias (D,), prediction.output_bias (V,). The head's last map is token_embedding transposed.
    Raises ValueError as TransformerEncoder does.
    """

    vocab_size: int
    width: int = 128
    layers: int = 2
    heads: int = 4
    context: int = 64
    feed_forward: int | None = None
    activation: str = "exact_gelu"
    token_types: int = 2
    norm_eps: float = 1e-12
    dropout: float = 0.0
    padding_id: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "feed_forward", self.encoder.feed_forward)

    @property
    def encoder(self) -> TransformerEncoder:
        """What reads the text; its parameters are this model's but for those of the head."""
        return TransformerEncoder(**asdict(self))

    @property
    def head_dim(self) -> int:
        """d: the width of one head, which the shapes cannot tell."""
        return self.encoder.head_dim

    def config(self) -> dict[str, Any]:
        """Plain data from which `build` makes this model again."""
        return {"model": type(self).__name__, **asdict(self)}

    def init(self, seed: int) -> Params:
        """Fresh float32 parameters: the encoder's of this seed, and the head's."""
        params, width = self.encoder.init(seed), self.width
        w = normal(np.random.default_rng([seed, 1]), (width, width), 1 / math.sqrt(width))
        params |= named("prediction", PREDICTION, (w, np.zeros(width, np.float32)))
        params |= new_norm("prediction.norm", width)
        return params | {"prediction.output_bias": np.zeros(self.vocab_size, np.float32)}

    def forward(
        self,
        params: Params,
        tokens: Array,
        *,
        token_types: Array | None = None,
        rng: np.random.Generator | None = None,
        attend: Attend = attention,
        for_backward: bool = True,
    ) -> tuple[Array, Cache]:
        """The logits of what stands, or stood, at each place.

        tokens, token_types, attend, for_backward, and what is refused: as in
        TransformerEncoder.forward  ->  logits: (B, T, V), cache
        cache["hidden"]: (B, T, D), what the head reads; cache["hidden_states"]: the encoder's.
        """
        hidden, encoder_cache = self.encoder.forward(
            params, tokens, token_types=token_types, rng=rng, attend=attend,
            for_backward=for_backward,
        )  # fmt: skip
        activate, activate_backward = ACTIVATIONS[self.activation]
        h, map_cache = linear(hidden, *parts(params, "prediction", PREDICTION))
        h, active_cache = activate(h)
        h, norm_cache = normalize(h, *parts(params, "prediction.norm", NORM), eps=self.norm_eps)
        table, output_bias = params["token_embedding"], params["prediction.output_bias"]
        logits, head_cache = linear(h, table.T, output_bias)
        head = map_cache, (activate_backward, active_cache), norm_cache, head_cache
        return logits, {
            "hidden": hidden,
            "hidden_states": encoder_cache["hidden_states"],
            "for_backward": (encoder_cache, head) if for_backward else None,
        }

    def backward(self, dlogits: Array, cache: Cache, dhidden: Array | None = None) -> Params:
        """Gradients of every parameter, by name.

        dlogits: (B, T, V); dhidden: (B, T, D) or None, a gradient that reaches cache["hidden"]
        by another way (a teacher's hidden states) and is added there.
        Raises ValueError as TransformerEncoder.backward does.
        """
        if cache["for_backward"] is None:
            raise ValueError("backward needs a forward pass with for_backward=True")
        encoder_cache, head = cache["for_backward"]
        map_cache, (activate_backward, active_cache), norm_cache, head_cache = head
        dh, dhead, doutput_bias = linear_backward(dlogits, head_cache)
        dh, *dnorm = normalize_backward(dh, norm_cache)
        dx, *dmap = linear_backward(activate_backward(dh, active_cache), map_cache)
        if dhidden is not None:
            dx = dx + dhidden
        grads = self.encoder.backward(dx, encoder_cache)
        grads["token_embedding"] += dhead.T  # the table was used twice
        grads |= named("prediction", PREDICTION, tuple(dmap))
        grads |= named("prediction.norm", NORM, tuple(dnorm))
        return grads | {"prediction.output_bias": doutput_bias}
