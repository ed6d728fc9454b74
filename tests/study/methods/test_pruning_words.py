"""The tables of fewer weights, by hand."""

from minilm.compression import PRUNING
from minilm.study.methods import pruning_words
from minilm.study.methods.ranking import Entry


def entry(model, method, amount, *damage, **values):
    return Entry(model, method, "pruned", amount, damage, values, "", whole=False)


def test_a_combination_by_hand():
    head, *lines = pruning_words.prunings(PRUNING)
    assert [line[0] for line in lines] == list(PRUNING)
    sparse = dict(zip(head, lines[list(PRUNING).index("SparseGPT, 2:4")], strict=True))
    assert sparse == {
        "method": "SparseGPT, 2:4", "score": "obs", "structure": "2:4", "scope": "local",
        "made good": "mask by 4 rows", "needs": "calibration",
        "source": "Frantar and Alistarh 2023",
    }  # fmt: skip
    assert lines[0][4:6] == ["–", "–"]  # of the control


def test_scores_by_scope_by_hand():
    found = [entry("LSTM", "Wanda", 50, 0.2, 0.4), entry("LSTM", "Wanda, global", 50, 0.1),
             entry("LSTM", "Wanda, 2:4", 50, 9.0), entry("LSTM", "Wanda", 60, 9.0)]  # fmt: skip
    head, *lines = pruning_words.by_scope(found, amounts=[50])
    assert head[2:] == ["LSTM: local", "LSTM: output", "LSTM: global"]
    assert next(line for line in lines if line[1] == "Wanda") == [
        "50", "Wanda", "–", "+0.3000 ± 0.1000", "+0.1000 ± 0.0000"]  # fmt: skip
    assert all(line[2:] == ["–"] * 3 for line in lines if line[1] != "Wanda")


def test_every_scope_of_single_weights_has_a_place():
    parts = {pruning_words.part_of(row) for row in pruning_words.ONCE.values()
             if row.structure == "element"}  # fmt: skip
    assert parts == set(pruning_words.SCORED)


def test_bytes_and_time_by_hand():
    every = [
        entry("LSTM", "float32", 0, 0.0, file_bytes=1000.0),
        entry("LSTM", "units, tuned", 50, 0.1,
              density=0.345, file_bytes=350.0, inference_time=0.45),
    ]
    head, *lines = pruning_words.bytes_and_time(every)
    assert head[2:] == ["LSTM: numbers", "LSTM: file", "LSTM: time"]
    assert ["units, tuned", "50", "0.34", "0.35", "0.45"] in lines
    assert ["heads, tuned", "50", "–", "–", "–"] in lines
