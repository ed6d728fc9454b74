"""word2vec as the subject of a study.

Trained from nothing by `Word2Vec`; whatever compression adds to training goes through `fit`, as for
every other model. It is judged on held-out sentences, and by the neighbours that its words keep.
"""

from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from minilm.embeddings import (
    KeyedVectors,
    Pairs,
    SkipGram,
    Vocabulary,
    Word2Vec,
    distilled_negative_sampling_loss,
    negative_sampling_loss,
    neighbour_agreement,
    pair_batches,
    read_corpus,
    validation_loss,
)
from minilm.study.saved import saved_parameters
from minilm.study.settings import Settings, Word2VecRecipe
from minilm.text import Split, sentences, split
from minilm.training import AdamW, Loss, View, fit, warmup_cosine
from minilm.types import Params
from minilm.weights import save

VALIDATION_PAIRS = 20_000
FEWEST_SENTENCES = 10  # so that a tenth of them is one
WORDS_COMPARED = 500  # the most frequent ones, whose neighbours are compared


@dataclass(frozen=True)
class WordVectorSubject:
    """Skip-gram vectors of the words of `text`.

    words: those that saved vectors belong to; None before training.
    """

    settings: Settings
    recipe: Word2VecRecipe
    text: str
    kept: Path
    seed: int
    progress: bool = False
    words: list[str] | None = None

    @cached_property
    def sentences(self) -> Split:
        found = sentences(self.text)
        if len(found) < FEWEST_SENTENCES:
            raise ValueError(
                f"corpus: word2vec needs at least {FEWEST_SENTENCES} sentences (they end at . ! ? "
                f"or an empty line), got {len(found)}"
            )
        return split(found)

    @cached_property
    def vocabulary(self) -> Vocabulary:
        vocabulary, _, _ = read_corpus(self.sentences.train, self.recipe.arguments["min_count"])
        if self.words is not None and vocabulary.words != self.words:
            raise ValueError(
                "corpus: its words are not those that the saved vectors belong to; vectors are "
                "measured on the text that they were trained on"
            )
        return vocabulary

    @cached_property
    def held_out(self) -> Pairs:
        """The same pairs and negatives for every model."""
        encoded = self.vocabulary.encode(self.sentences.validation)
        return self._batches(*encoded, batch_size=VALIDATION_PAIRS, seed=0)(0)

    def check(self) -> None:
        for block in (self.sentences.train, self.sentences.validation):
            try:
                self._batches(*self.vocabulary.encode(block), batch_size=1, seed=0)
            except ValueError as error:
                raise ValueError(f"corpus: too short for word2vec: {error}") from error

    def train(self) -> Params:
        trained = Word2Vec(self.sentences.train, **self.recipe.arguments, seed=self.seed)
        self.keep(trained.params, self.kept)
        return trained.params

    def keep(self, params: Params, path: Path) -> None:
        header = {
            "vocabulary": self.vocabulary.words, "corpus": self.settings.corpus,
            "recipe": asdict(self.recipe), "seed": self.seed,
        }  # fmt: skip
        save(path, params, header=header)

    def trained(self) -> Params:
        return saved_parameters(self.kept, ("input_embedding", "output_embedding"))

    def tune(self, params: Params, view: View) -> Params:
        rate = self.recipe.learning_rate / 5
        return self._fit(params, self.recipe.tuning_steps, rate, view=view)

    def student(self, teacher: Params | None) -> tuple["WordVectorSubject", Params]:
        half = replace(self, recipe=self.recipe.half())
        loss: Loss = negative_sampling_loss
        if teacher is not None:
            loss = distilled_negative_sampling_loss(teacher, alpha=self.settings.alpha)
        fresh = SkipGram(len(self.vocabulary), half.recipe.arguments["vector_size"]).init(self.seed)
        return half, half._fit(fresh, half.recipe.steps, half.recipe.learning_rate, loss=loss)

    def judge(self, params: Params, reference: Params) -> dict[str, Any]:
        words = self.vocabulary.words
        ours, full = (KeyedVectors(words, p["input_embedding"]) for p in (params, reference))
        return {
            "loss": validation_loss(params, self.held_out),
            "neighbour_agreement": neighbour_agreement(ours, full, words=words[:WORDS_COMPARED]),
        }

    def _fit(
        self, params: Params, steps: int, learning_rate: float, *,
        loss: Loss = negative_sampling_loss, **how: Any,
    ) -> Params:  # fmt: skip
        encoded = self.vocabulary.encode(self.sentences.train)
        fitted, _ = fit(
            SkipGram(*params["input_embedding"].shape), params,
            self._batches(*encoded, batch_size=self.recipe.batch_size, seed=self.seed),
            steps=steps, seed=self.seed, loss=loss, optimizer=AdamW(weight_decay=0.0),
            schedule=warmup_cosine(learning_rate, warmup=max(1, steps // 20), steps=steps),
            progress=self.progress, **how,
        )  # fmt: skip
        return fitted

    def _batches(self, ids: Any, sentence_of: Any, *, batch_size: int, seed: int) -> Any:
        arguments = self.recipe.arguments
        return pair_batches(
            self.vocabulary, ids, sentence_of, batch_size=batch_size, seed=seed,
            window=arguments["window"], negative=arguments["negative"],
        )  # fmt: skip
