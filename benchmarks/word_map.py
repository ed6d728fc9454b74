"""A map and a heatmap of some words' vectors, for docs/word-vectors.md (see `word_vectors`).

Skip-gram with 25 epochs on the text that comes with gensim. Words of five groups, as that text has
them (stems); word_map.csv keeps their vectors, a row a word, and the figures are drawn from it.
"""

import numpy as np
from matplotlib import rc_context

from benchmarks.figure import write as write_figure
from benchmarks.records import HERE, Row, read
from minilm.embeddings import KeyedVectors, Word2Vec
from minilm.embeddings.plots import RC, projection_figure, similarity_figure

ROWS, DOCS = HERE / "word_map.csv", HERE.parent / "docs"
MAP, HEATMAP = DOCS / "word-map.svg", DOCS / "word-similarity.svg"
SETTINGS = {"vector_size": 100, "sg": 1, "epochs": 25, "seed": 1}
GROUPS = {
    "months": "januari februari april june august octob decemb",
    "sports": "footbal basebal hockei tenni basketbal rugbi team",
    "chemistry": "acid metal carbon isotop alkali zinc alloi",
    "arts": "music song album danc melodi film actor",
    "war": "armi war battl militari cavalri regiment soldier",
}
SHOWN = 3  # words of each group in the heatmap


def measured() -> list[Row]:
    """Train, and keep the vectors of these words."""
    from benchmarks.word2vec import sentences  # here: --draw needs no gensim

    wv = Word2Vec(sentences(), **SETTINGS).wv
    return [
        {"group": group, "word": word, "vector": " ".join(f"{x:.3f}" for x in wv[word])}
        for group, words in GROUPS.items()
        for word in words.split()
    ]


def as_vectors(rows: list[Row]) -> KeyedVectors:
    """The table of these words alone."""
    vectors = np.array([row["vector"].split() for row in rows], np.float32)
    return KeyedVectors([row["word"] for row in rows], vectors)


def draw() -> None:
    """Both figures from the csv file."""
    wv = as_vectors(read(ROWS))
    groups = {name: words.split() for name, words in GROUPS.items()}
    shown = [word for group in groups.values() for word in group[:SHOWN]]
    with rc_context(RC):  # words as text, the same bytes every time
        write_figure(projection_figure(wv, groups), MAP)
        write_figure(similarity_figure(wv, shown), HEATMAP)


def report(rows: list[Row]) -> str:
    """The figures, and what their numbers come to."""
    wv, group = as_vectors(rows), np.array([row["group"] for row in rows])
    unit = wv.get_normed_vectors()
    cosines, alike = unit @ unit.T, group[:, None] == group
    within, across = cosines[alike & ~np.eye(len(group), dtype=bool)], cosines[~alike]
    own = [wv.most_similar(row["word"], topn=1)[0][0] for row in rows]
    same = sum(group[wv.get_index(word)] == name for word, name in zip(own, group, strict=True))
    return (
        f"![A map of {len(rows)} words of {len(GROUPS)} groups: {', '.join(GROUPS)}]({MAP.name})"
        f"\n\n![The cosines of {SHOWN * len(GROUPS)} of them: high within a group, low elsewhere]"
        f"({HEATMAP.name})\n\n"
        f"The mean cosine of two words of one group is {within.mean():.2f}, of two groups "
        f"{across.mean():.2f}; {same} of {len(rows)} words have their nearest neighbour, among "
        "these, in their own group. The cosine of *metal* is "
        f"{wv.similarity('metal', 'carbon'):.2f} with *carbon* and "
        f"{wv.similarity('metal', 'album'):.2f} with *album*: it is a kind of music, too, and a "
        "word has one vector for all that it means.\n"
    )
