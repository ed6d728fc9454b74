"""The tables that only fewer weights have, as rows of strings like those of words.py."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from minilm.compression.pruning import PruningMethod
from minilm.study.methods.pruned import ONCE
from minilm.study.methods.ranking import Entry, models_of
from minilm.study.methods.words import Cells, damage
from minilm.study.settings import FLOAT

SCOPES = ("local", "output", "global")
SCORED = MappingProxyType({  # score, compensation, blocks -> what a line is called
    ("random", False, False): "random",
    ("magnitude", False, False): "magnitude",
    ("wanda", False, False): "Wanda",
    ("taylor", False, False): "Taylor",
    ("obd", False, False): "OBD",
    ("obs", True, False): "OBS",
    ("obs", True, True): "SparseGPT",
    ("obd", True, False): "OBD, made good",
})  # fmt: skip
WEIGHED = (  # methods whose bytes and time are put beside each other
    ("magnitude, global", 50),
    ("magnitude, global", 90),
    ("magnitude, 2:4", 50),
    ("SVD, activation-aware, tuned", 50),
    ("SVD, activation-aware, tuned", 75),
    ("neurons, tuned", 50),
    ("heads, tuned", 50),
    ("units, tuned", 50),
    ("student, soft targets", 50),
)


def prunings(rows: Mapping[str, PruningMethod] = ONCE) -> Cells:
    """Which combination each name of PRUNING is, and those that complete a scope."""
    head = ["method", "score", "structure", "scope", "made good", "needs", "source"]
    return [head] + [
        [name, row.score, row.structure, row.scope, made_good(row), ", ".join(row.needs) or "–",
         row.source]
        for name, row in rows.items()
    ]  # fmt: skip


def made_good(row: PruningMethod) -> str:
    """When the mask is chosen, where the weights that stay make up for the others."""
    if not row.compensate:
        return "–"
    return "after the mask" if row.block is None else f"mask by {row.block} rows"


def by_scope(found: Sequence[Entry], amounts: Sequence[int] = (50, 70)) -> Cells:
    """One score a line, its damage in each scope: of single weights, pruned once."""
    models = models_of(found)
    names = {(SCORED.get(part_of(row)), row.scope): name for name, row in ONCE.items()
             if row.structure == "element"}  # fmt: skip
    own = {(e.model, e.method, e.amount): e for e in found}
    cells = [["left out (%)", "score", *(f"{m}: {scope}" for m in models for scope in SCOPES)]]
    for amount in amounts:
        for score in SCORED.values():
            entries = [own.get((model, names.get((score, scope), ""), amount))
                       for model in models for scope in SCOPES]  # fmt: skip
            cells.append([str(amount), score, *(damage(e) if e else "–" for e in entries)])
    return cells


def part_of(row: PruningMethod) -> tuple[str, bool, bool]:
    return row.score, row.compensate, row.block is not None


def bytes_and_time(every: Sequence[Entry]) -> Cells:
    """Numbers kept, file and time of inference, each over those of the float model."""
    floats = {e.model: e.values["file_bytes"] for e in every if e.method == FLOAT}
    own = {(e.model, e.method, e.amount): e for e in every}
    cells = [["method", "left out (%)",
              *(f"{model}: {what}" for model in floats
                for what in ("numbers", "file", "time"))]]  # fmt: skip
    for method, amount in WEIGHED:
        line = []
        for model, whole in floats.items():
            entry = own.get((model, method, amount))
            line += ["–"] * 3 if entry is None else [
                f"{entry.values['density']:.2f}", f"{entry.values['file_bytes'] / whole:.2f}",
                f"{entry.values['inference_time']:.2f}"]  # fmt: skip
        cells.append([method, str(amount), *line])
    return cells
