"""What a model has to beat, and what no model can: n-grams, and the entropy of the source."""

import time
from typing import Any

from minilm.metrics import bits, perplexity
from minilm.text import GRAMMAR, CharTokenizer, split, witten_bell_losses


def ngram_rows(text: str, max_order: int) -> list[dict[str, Any]]:
    """Witten–Bell n-grams of every order up to `max_order`, on the same split as the models."""
    started = time.perf_counter()
    tokenizer = CharTokenizer.train(text)
    tokens = split(tokenizer.encode(text))
    losses = witten_bell_losses(
        tokens.train, tokens.validation, tokenizer.vocab_size, max_order=max_order
    )
    seconds = round(time.perf_counter() - started, 2)
    return [
        {
            "model": "n-gram", "method": f"order {order}", "loss": loss,
            "bits_per_character": bits(loss), "perplexity": perplexity(loss),
            "seed": 0, "seconds": seconds,
        }
        for order, loss in enumerate(losses, start=1)
    ]


def exact_entropy(corpus: str) -> float | None:
    """Nats per character of the source where it is known: of the grammar corpus, else None."""
    return GRAMMAR.entropy_rate() if corpus == "grammar" else None
