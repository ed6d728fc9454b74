"""The tables of a finished run: both README.md between their markers, made of the csv files.

No number there is typed by hand; a test makes the tables again.
"""

from collections.abc import Iterable
from statistics import mean, stdev

from benchmarks.records import HERE, RESULTS, SCORES, Row, read, replace_between

README = HERE / "README.md"
BEGIN, END = "<!-- measured -->\n", "<!-- end of what was measured -->\n"
HOME = HERE.parent / "README.md"
HOME_BEGIN, HOME_END = "<!-- speed -->\n", "<!-- end of speed -->\n"

RATIOS = ("work", "threads", "minilm", "peer's time", "peer", "ratio", "quartiles",
          "aim: at most", "met")  # fmt: skip
QUALITY = ("work", "score", "rounds", "minilm", "peer", "as good")
LIMITS = ("work", "threads", "operations of a call", "the machine's limit", "minilm", "peer")
MEDIAN = "The ratio is the median of each round's ratio, not the quotient of the two medians.\n"
COUNTED = (
    "The operations are those of the plain network. minilm's LSTM needs fewer where its vocabulary "
    "is smaller than the text of a step: it multiplies the table's rows, not each token's "
    "(docs/why-fast.md); its share of the limit is still that of the plain network's operations.\n"
)


def report(rows: list[Row], scores: list[Row]) -> str:
    """Ratios, sizes, which aims are met, quality, and distance from the machine's limit."""
    counted = [row for row in rows if row["flops"]]
    ratios = markdown(RATIOS, (ratio_cells(row, scores) for row in rows))
    parts = [ratios, MEDIAN, sizes(rows), verdict(rows, scores)]
    if scores:
        parts.append(markdown(QUALITY, map(quality_cells, grouped(scores))))
    if counted:
        parts += [markdown(LIMITS, map(limit_cells, counted)), COUNTED]
    return "\n".join(parts)


def in_short(rows: list[Row]) -> str:
    """For the first README: the ratios with one thread."""
    header = ("work", "peer", "minilm's time / peer's", "quartiles")
    one = (ratio_cells(row, []) for row in rows if row["threads"] == "1")
    return markdown(header, ((cells[0], *cells[4:7]) for cells in one))


def markdown(header: tuple[str, ...], lines: Iterable[tuple[str, ...]]) -> str:
    """A table in Markdown."""
    rows = [header, ("---",) * len(header), *lines]
    return "".join("| " + " | ".join(cells) + " |\n" for cells in rows)


def sizes(rows: list[Row]) -> str:
    """A list: what each work's sizes are."""
    by_work = {row["work"]: row["sizes"] for row in rows}
    return "".join(f"- {work}: {text}\n" for work, text in by_work.items())


def ratio_cells(row: Row, scores: list[Row]) -> tuple[str, ...]:
    """One comparison with one number of threads."""
    ours, theirs = float(row["minilm_seconds"]), float(row["peer_seconds"])
    rate = float(row["amount"]) / ours
    return (
        row["work"],
        row["threads"],
        f"{1e3 * ours:,.0f} ms ({rate:,.0f} {row['unit']}/s)",
        f"{1e3 * theirs:,.0f} ms",
        row["peer"],
        f"**{float(row['ratio']):.2f}**",
        f"{float(row['first_quartile']):.2f} – {float(row['third_quartile']):.2f}",
        f"{float(row['at_most']):.2f}" if row["at_most"] else "none",
        ("yes" if is_met(row, scores) else "no") if row["at_most"] else "",
    )


def is_met(row: Row, scores: list[Row]) -> bool:
    """Whether the median ratio is within the aim and, where scores are taken, all are as good."""
    own = [group for group in grouped(scores) if key(group[0]) == key(row)]
    return float(row["ratio"]) <= float(row["at_most"]) and all(map(is_as_good, own))


def is_as_good(group: list[Row]) -> bool:
    """mean of minilm's >= mean of the peer's − standard deviation of the peer's, over seeds."""
    ours, theirs = both(group)
    return mean(ours) >= mean(theirs) - stdev(theirs)


def quality_cells(group: list[Row]) -> tuple[str, ...]:
    """One score of one comparison: mean ± standard deviation over the rounds."""
    ours, theirs = (f"{mean(values):.3f} ± {stdev(values):.3f}" for values in both(group))
    return (group[0]["work"], group[0]["score"], str(len(group)), ours, theirs,
            "yes" if is_as_good(group) else "no")  # fmt: skip


def limit_cells(row: Row) -> tuple[str, ...]:
    """Operations a second, counted over the median time, and their share of the limit."""
    flops, limit = float(row["flops"]), float(row["product_limit"])
    rates = [flops / float(row[column]) for column in ("minilm_seconds", "peer_seconds")]
    return (
        row["work"],
        row["threads"],
        f"{flops / 1e9:.1f} GFLOP",
        f"{limit / 1e9:.0f} GFLOP/s",
        *(f"{rate / 1e9:.0f} GFLOP/s ({rate / limit:.0%})" for rate in rates),
    )


def verdict(rows: list[Row], scores: list[Row]) -> str:
    """What was run where, and which aims are met."""
    first, aims = rows[0], [row for row in rows if row["at_most"]]
    missed = [f"{label(row)} ({reason(row)})" for row in aims if not is_met(row, scores)]
    rounds = {int(row["rounds"]) for row in rows}
    shown = " to ".join(map(str, sorted({min(rounds), max(rounds)})))
    versions = ", ".join(f"{name} {first[name.lower()]}" for name in ("NumPy", "torch", "gensim"))
    return (
        f"Measured on a machine of {first['cores']} cores, with Python {first['python']}, "
        f"{versions}; {shown} rounds. "
        f"{len(aims) - len(missed)} of {len(aims)} aims are met."
        + (f" Not met: {'; '.join(missed)}." if missed else "")
        + "\n"
    )


def reason(row: Row) -> str:
    """Why an aim is not met."""
    ratio, aim = float(row["ratio"]), float(row["at_most"])
    if ratio <= aim:
        return f"{ratio:.2f}, but what it makes is not as good"
    return f"{ratio:.2f} where {aim:.2f} is the aim"


def label(row: Row) -> str:
    """A comparison's name, with its threads where there are several."""
    return row["work"] + (f", {row['threads']} threads" if row["threads"] != "1" else "")


def key(row: Row) -> tuple[str, str]:
    """What a row of results and its scores have in common."""
    return row["work"], row["threads"]


def grouped(scores: list[Row]) -> list[list[Row]]:
    """The rounds of each score of each comparison."""
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in scores:
        groups.setdefault((*key(row), row["score"]), []).append(row)
    return list(groups.values())


def both(group: list[Row]) -> tuple[list[float], list[float]]:
    """minilm's and the peer's."""
    return [float(row["minilm"]) for row in group], [float(row["peer"]) for row in group]


def save() -> None:
    """Write the tables of both READMEs from the files."""
    replace_between(README, BEGIN, END, report(read(RESULTS), read(SCORES)))
    replace_between(HOME, HOME_BEGIN, HOME_END, in_short(read(RESULTS)))
