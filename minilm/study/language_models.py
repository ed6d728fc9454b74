"""A language model as the subject of a study."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from minilm.metrics import bits, bits_per_byte, perplexity
from minilm.models import LanguageModel, build
from minilm.study.fitted import FittedSubject
from minilm.text import TOKENIZERS, CharTokenizer, Split, Tokenizer, split, windows
from minilm.training import evaluate, warmup_cosine
from minilm.types import Batch, Params

RARE = 2  # a piece that comes less often stands for the unknown ones, so that <unk> is learned too
NO_MARKS = ()  # windows of one long text do not say where it begins or ends


def new_tokenizer(kind: str, text: str) -> Tokenizer:
    """A tokenizer of this kind for a model of `text`, learned from its training part alone.

    Of characters, from the whole text: an alphabet has no pieces to be learned, and must know
    every character that will be asked for.
    """
    if kind == "char":
        return CharTokenizer.train(text)
    train = TOKENIZERS[kind].train
    tokenizer: Tokenizer = train(split(text).train, min_count=RARE, specials=NO_MARKS)
    return tokenizer


@dataclass(frozen=True)
class LanguageModelSubject(FittedSubject):
    """A model of `text`: trained on its first nine tenths, judged on its last."""

    text: str

    @cached_property
    def texts(self) -> Split:
        return split(self.text)

    @cached_property
    def tokens(self) -> Split:
        return Split(*map(self.tokenizer.encode, self.texts))

    @cached_property
    def model(self) -> LanguageModel:
        return build({**self.recipe.config, "vocab_size": self.tokenizer.vocab_size})

    def check(self) -> None:
        self.batches()
        if len(self.tokens.validation) < 2:
            raise ValueError("corpus: too short: its last tenth must have two tokens or more")

    def batches(self) -> Callable[[int], Batch]:
        recipe = self.recipe
        return windows(self.tokens.train, recipe.batch_size, recipe.context, seed=self.seed)

    def training(self, steps: int, learning_rate: float) -> dict[str, Any]:
        schedule = warmup_cosine(learning_rate, warmup=max(1, steps // 20), steps=steps)
        return {"steps": steps, "schedule": schedule}

    def validation(self, params: Params) -> float:
        return evaluate(self.model, params, self.tokens.validation)

    def origin(self) -> dict[str, Any]:
        return {"corpus": self.settings.corpus}

    def judge(self, params: Params, reference: Params) -> dict[str, Any]:
        loss = self.validation(params)
        return {"loss": loss, **self._bits(loss), "perplexity": perplexity(loss)}

    def _bits(self, loss: float) -> dict[str, float | None]:
        """What a character and a byte cost: the same question whatever the tokenizer.

        None where the tokens do not give the text back (unknown words, say): a model that need not
        tell two texts apart would seem better than one that does.
        """
        text, tokens = self.texts.validation, self.tokens.validation
        if self.tokenizer.decode(tokens) != text:
            return {"bits_per_character": None, "bits_per_byte": None}
        scored = text[len(self.tokenizer.decode(tokens[:1])) :]  # the first token is only read
        pieces = len(tokens) - 1
        return {
            "bits_per_character": bits(loss) * (pieces / len(scored)),
            "bits_per_byte": bits_per_byte(loss * pieces, scored),
        }
