"""Another key–value cache, for any model that has one and any way of writing.

    generate(with_cache(model, new_cache), params, prompt, 50)

What a cache rounds or forgets is no matter of how a text is written: so it comes with the model.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from minilm.models import Seq2SeqTransformer, TransformerLanguageModel


@dataclass(frozen=True)
class WithCache:
    """`model` as it is, but that each of its layers remembers in a cache that new_cache made."""

    model: Any
    new_cache: Callable[[int], Any]

    def fresh_state(self) -> Any:
        """A language model's state before the first token."""
        return self.model.fresh_state(self.new_cache)

    @property
    def read(self) -> Callable[..., Any]:
        """An encoder–decoder's way to its state before the first token of the target."""
        return partial(self.model.read, new_cache=self.new_cache)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # copy and pickle ask before there is a model
            raise AttributeError(name)
        return getattr(self.model, name)  # all else is the model's own


def with_cache(model: Any, new_cache: Callable[[int], Any]) -> Any:
    """The model, with `new_cache(context)` for each layer in the place of `KeyValueCache`.

    model: a Transformer: a language model, or the encoder–decoder of a `Conditioned`
    Raises TypeError for a model that keeps no keys and values.
    """
    if not isinstance(model, TransformerLanguageModel | Seq2SeqTransformer):
        raise TypeError(
            "model must be a TransformerLanguageModel or a Seq2SeqTransformer, which a Conditioned "
            f"then takes, got {type(model).__name__}"
        )
    return WithCache(model, new_cache)
