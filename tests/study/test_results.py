import csv

import pytest

from minilm.study import results


def row(**fields):
    return {"model": "LSTM", "method": "float32", "seed": 0, "loss": 2.0, **fields}


def test_each_row_is_compared_with_its_own_float_model():
    rows = results.complete(
        [
            row(loss=2.0),
            row(loss=3.0, seed=1),
            row(loss=1.5, model="Transformer"),
            row(loss=2.5, method="per-tensor absmax"),
            row(loss=2.5, method="per-tensor absmax", seed=1),
            row(loss=2.5, method="per-tensor absmax", model="Transformer"),
            row(loss=1.3, method="order 5", model="n-gram"),
        ],
        entropy=None,
    )
    assert [r["loss_above_float"] for r in rows[:-1]] == pytest.approx([0, 0, 0, 0.5, -0.5, 1.0])
    assert "loss_above_float" not in rows[-1]
    assert "loss_above_entropy" not in rows[0]


def test_distance_to_the_entropy_is_of_models_of_text_only():
    rows = results.complete(
        [row(bits_per_character=2.9), row(model="word2vec")], entropy=1.25
    )
    assert rows[0]["loss_above_entropy"] == 0.75
    assert "loss_above_entropy" not in rows[1]


def test_the_table_is_tidy(tmp_path):
    results.write([row(bits=32), row(method="magnitude pruning", sparsity=0.5)], tmp_path / "r.csv")
    with (tmp_path / "r.csv").open(encoding="utf-8") as file:
        read = list(csv.DictReader(file))
    assert list(read[0]) == list(results.COLUMNS)
    assert (read[0]["bits"], read[0]["sparsity"]) == ("32", "")
    assert (read[1]["bits"], read[1]["sparsity"]) == ("", "0.5")


def test_a_field_without_a_column_is_refused(tmp_path):
    with pytest.raises(ValueError, match="colour"):
        results.write([row(colour="red")], tmp_path / "r.csv")
