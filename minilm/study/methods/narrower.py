"""Methods that make matrices smaller: neurons, heads and hidden units gone, or two thin factors.

An amount is the percentage that is left out: of the groups of each layer, or of a matrix's numbers.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from minilm.compression import factorize
from minilm.compression.low_rank import in_factors, joined, split_factors
from minilm.compression.parameters import is_table, matrices
from minilm.compression.shrinking import shrink
from minilm.study.language_models import LanguageModelSubject
from minilm.study.methods.bench import Bench, Made
from minilm.study.methods.kinds import LOW_RANK, LOW_RANK_TRAINED, SHRUNK, SHRUNK_TRAINED
from minilm.study.methods.table import Tried
from minilm.study.methods.trained import FURTHER
from minilm.types import Params


def subject_of(bench: Bench, small: Any) -> LanguageModelSubject:
    """The subject of a shrunk model: the same data, and a model of its configuration."""
    before, after = bench.model.config(), small.config()
    changed = {name: value for name, value in after.items() if value != before[name]}
    return bench.subject.sized(**changed) if changed else bench.subject


def shrunk(what: str, scores: str, train: bool = False) -> Tried:
    """Groups of one sort gone; a model that has none of them refuses."""

    def make(bench: Bench, percent: int) -> Made:
        small, params = shrink(bench.model, bench.params, percent / 100, what=what, scores=scores,
                               calibration=bench.seen if scores == "activation" else None)
        if not train:
            return Made(params, small)
        subject = subject_of(bench, small)
        return Made(subject.fit(params, subject.recipe.tuning_steps)[0], small)

    return Tried(SHRUNK_TRAINED if train else SHRUNK, make, (25, 50), refusal=ValueError,
                 control=FURTHER if train else "")  # fmt: skip


def factored(bench: Bench, percent: int, calibrated: bool) -> Params:
    """Every matrix as a Product, but the table of the tokens, whose σ fall slowest."""
    names = [name for name, w in matrices(bench.params).items() if w.ndim == 2]
    share = {name: 1 - percent / 100 for name in names if not is_table(name)}
    products: Params = factorize(
        bench.params, share=share, calibration=bench.seen if calibrated else None
    )
    return products


def svd(calibrated: bool) -> Callable[[Bench, int], Made]:
    return lambda bench, percent: Made(factored(bench, percent, calibrated))


def svd_tuned(calibrated: bool) -> Callable[[Bench, int], Made]:
    def make(bench: Bench, percent: int) -> Made:
        factors = split_factors(factored(bench, percent, calibrated))
        return Made(joined(bench.further(factors, view=in_factors())))

    return make


SHARES = (25, 50, 75)
NARROWER: Mapping[str, Tried] = MappingProxyType({
    # Michel et al. 2019 (heads), Li et al. 2017 (neurons), Wen et al. 2018 (units of LSTMs)
    **{f"{what}, by {scores}": shrunk(what, scores) for what in ("neurons", "heads", "units")
       for scores in ("magnitude", "activation")},
    **{f"{what}, tuned": shrunk(what, "activation", train=True)
       for what in ("neurons", "heads", "units")},
    # Eckart and Young 1936; Wang et al. 2024 (SVD-LLM)
    "SVD": Tried(LOW_RANK, svd(False), SHARES),
    "SVD, activation-aware": Tried(LOW_RANK, svd(True), SHARES),
    "SVD, tuned": Tried(LOW_RANK_TRAINED, svd_tuned(False), (50,), control=FURTHER),
    "SVD, activation-aware, tuned": Tried(LOW_RANK_TRAINED, svd_tuned(True), (50, 75),
                                          control=FURTHER),
})  # fmt: skip
