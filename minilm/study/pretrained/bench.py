"""What every method is tried on: a pretrained encoder, and two halves of sentences.

Calibration reads one half; whatever is measured is measured on the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from minilm.compression import calibrate
from minilm.compression.parameters import is_table, matrices
from minilm.compression.quantization import METHODS, Method, quantize
from minilm.pretrained.sentences import encoder_of
from minilm.study.pretrained.drift import measure_drift
from minilm.study.pretrained.encoding import Encoded, batches_of, encode
from minilm.study.pretrained.sentences import Sentence, draw
from minilm.types import Array, Params

FROM_DATA = {"transform": ("awq", "smooth"), "rounding": ("gptq", "adaround")}  # need calibration
KEPT = 16  # tables: of 4 bits each takes 6 MB


@dataclass(frozen=True)
class Bench:
    """An encoder, ready to be compressed and judged.

    pretrained: what `load_pretrained` gives. calibrating, scored: see sentences.py. kept: rounded
    tables, of the last few methods; choices: for mixed precision, once they were tried.
    """

    pretrained: Any
    calibrating: Sequence[Sentence]
    scored: Sequence[Sentence]
    kept: dict[Any, Params] = field(default_factory=dict, compare=False, repr=False)
    choices: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def model(self) -> Any:
        return encoder_of(self.pretrained)

    @property
    def params(self) -> Params:
        params: Params = self.pretrained.params
        return params

    @property
    def tables(self) -> list[str]:
        """The names of the embedding tables, whose rows are looked up and never multiplied."""
        return [name for name in matrices(self.params) if is_table(name)]

    @cached_property
    def batches(self) -> list[Array]:
        """Ids of the calibrating sentences, those of one length side by side."""
        texts = [s.text for s in self.calibrating]
        return [tokens for _, tokens in batches_of(self.pretrained, texts)]

    @cached_property
    def seen(self) -> dict[str, Any]:
        """A Seen for each weight: what multiplies it in the float model, whatever else is rounded.
        """
        return calibrate(self.model, self.params, self.batches, histograms=True)

    @cached_property
    def to_score(self) -> list[tuple[Array, Array]]:
        return batches_of(self.pretrained, [s.text for s in self.scored])

    @cached_property
    def floats(self) -> Encoded:
        """What the float model makes of the scored sentences."""
        return encode(self.pretrained, self.params, self.to_score)

    def measured(self, params: Params, **how: Any) -> dict[str, float]:
        """The drift of other parameters on the scored sentences; how: see `encode`."""
        after = encode(self.pretrained, params, self.to_score, **how)
        return measure_drift(self.floats, after, [s.topic for s in self.scored])

    def drawn(self, seed: int) -> "Bench":
        """The same with a draw of the sentences that calibrate."""
        return replace(self, calibrating=draw(self.calibrating, seed), choices={})

    def rounded(self, bits: int | dict[str, int], method: str | Method) -> Params:
        """The parameters by a row of METHODS, or another like them.

        bits: for all, or by name; what is not named stays float. A table is not multiplied by
        anything: it has the method's grid and scales, rounded without calibration, and is kept for
        the next method that has the same.
        """
        row = METHODS[method] if isinstance(method, str) else method
        by_name = bits if isinstance(bits, dict) else dict.fromkeys(matrices(self.params), bits)
        how = row.arguments
        plain = {**how, **{part: "none" if part == "transform" else "nearest"
                           for part, values in FROM_DATA.items() if how[part] in values}}
        key = str(sorted(plain.items())), str({n: by_name.get(n) for n in self.tables})
        if key not in self.kept:
            if len(self.kept) >= KEPT:
                self.kept.clear()
            own = {name: by_name[name] for name in self.tables if name in by_name}
            self.kept[key] = quantize({n: self.params[n] for n in self.tables}, own, **plain)
        others = {name: w for name, w in self.params.items() if name not in self.tables}
        calibration = self.seen if row.needs else None
        own = {name: b for name, b in by_name.items() if name in others}
        return {**self.params, **self.kept[key],
                **quantize(others, own, calibration=calibration, **how)}
