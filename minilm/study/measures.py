"""What a study is judged by: a column of its table, how it is said, and what no model can pass.

A loss has a unit and is better the lower it is. A score is better the higher it is: from 0 to 1 a
share of right answers, from 0 to 100 an overlap of words (ROUGE-L). Both are said in per cent.
"""

from dataclasses import dataclass, field

from minilm.study.baselines import exact_entropy
from minilm.study.settings import LANGUAGE, LIKE, Settings
from minilm.study.task_recipes import NOISE
from minilm.text.tasks import bag_of_words_ceiling


@dataclass(frozen=True)
class Measure:
    """column: of results.csv; name: in sentences; unit: of a loss, on axes.

    score: whether higher is better; whole: the score of all right answers, 1 or 100;
    change: the column of its distance to the float model's.
    limits: lines of the figures and their names: the known optimum, what no baseline can pass.
    """

    column: str
    name: str
    unit: str = ""
    score: bool = True
    whole: float = 1.0
    limits: dict[str, float] = field(default_factory=dict)

    @property
    def change(self) -> str:
        return "score_above_float" if self.score else "loss_above_float"

    @property
    def axis(self) -> str:
        """What stands beside an axis."""
        return self.name if self.score else f"validation {self.name} ({self.unit})"

    def shown(self, value: float) -> str:
        return f"{100 * value / self.whole:.1f} %" if self.score else f"{value:.4f}"

    def shown_change(self, change: float, digits: int = 4) -> str:
        if self.score:
            return f"{round(100 * change / self.whole, 2) + 0.0:+.2f} points"  # + 0.0: no "-0.00"
        return f"{round(change, digits) + 0.0:+.{digits}f} nats"

    def damage(self, change: float) -> float:
        """How much worse: a loss that rose, a score that fell."""
        return -change + 0.0 if self.score else change


LOSS = Measure("loss", "loss", "nats per character", score=False)
EXACT_MATCH = Measure("exact_match", "exact match", limits={"known optimum": 1.0})


def measure_of(settings: Settings) -> Measure:
    """What a study of these settings is judged by."""
    task = LIKE.get(settings.task, settings.task)
    if settings.task == "sentiment":
        limits = {
            "Bayes accuracy": 1 - NOISE,
            "bag of words'\nlimit": bag_of_words_ceiling(NOISE),
        }
        return Measure("accuracy", "accuracy", limits=limits)
    if task == "sentiment":
        return Measure("accuracy", "accuracy")
    if settings.task == "summarization":
        return Measure("rouge_l", "ROUGE-L", whole=100.0, limits={"known optimum": 100.0})
    if task != LANGUAGE:
        return EXACT_MATCH
    if settings.tokenizer not in (None, "char"):
        return Measure("loss", "loss", "nats per token", score=False)
    entropy = exact_entropy(settings.corpus)
    limits = {} if entropy is None else {"entropy of\nthe source": entropy}
    return Measure("loss", "loss", "nats per character", score=False, limits=limits)
