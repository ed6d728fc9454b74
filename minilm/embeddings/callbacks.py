"""What may look on while word2vec is trained, under the name it has in gensim."""

from typing import Any

EVENTS = ("on_train_begin", "on_epoch_begin", "on_epoch_end", "on_train_end")


class CallbackAny2Vec:
    """To be inherited from; each method is called with the model, whose `wv` is then usable."""

    def on_train_begin(self, model: Any) -> None:
        """Once, before the text is read."""

    def on_epoch_begin(self, model: Any) -> None:
        """Before each reading of the text."""

    def on_epoch_end(self, model: Any) -> None:
        """After each reading of the text."""

    def on_train_end(self, model: Any) -> None:
        """Once, at the end."""


def check_callbacks(callbacks: Any) -> tuple[Any, ...]:
    """The callbacks as a tuple; TypeError for one that lacks a method."""
    callbacks = tuple(callbacks)
    for callback in callbacks:
        missing = [event for event in EVENTS if not callable(getattr(callback, event, None))]
        if missing:
            raise TypeError(
                "callbacks must have the methods of CallbackAny2Vec, got "
                f"{type(callback).__name__} without {', '.join(missing)}"
            )
    return callbacks
