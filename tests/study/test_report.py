"""The sentences of the report say what the rows say, whichever way they fell."""

from minilm.study.report import above_entropy, distillation, eight_bits, findings, recovery
from minilm.study.settings import ALONE, DISTILLED, FLOAT, TRAINED, TRAINED_SCHEME


def rows(method, bits, *above):
    return [
        {"model": "LSTM", "method": method, "bits": bits, "seed": seed, "loss": 2 + each,
         "loss_above_float": each}
        for seed, each in enumerate(above)
    ]  # fmt: skip


def test_share_of_the_damage_that_training_undoes():
    damaged = rows(TRAINED_SCHEME, 2, 0.5, 0.7) + rows(TRAINED_SCHEME, 3, 9.0)
    assert recovery(damaged + rows(TRAINED, 2, 0.1, 0.2), "LSTM", 2) == (
        "2 bits per group cost +0.600 nats after training, "
        "+0.150 with quantization-aware training: 75% of the damage is undone."
    )
    worse = recovery(damaged + rows(TRAINED, 2, 0.8), "LSTM", 2)
    assert worse.endswith("+0.800 with quantization-aware training.")


def test_a_student_that_learned_less_from_its_teacher_is_reported_so():
    alone = rows(ALONE, 32, 0.2, 0.4)
    better = distillation(alone + rows(DISTILLED, 32, 0.1, 0.3), "LSTM")
    assert "ends at 2.2000, 0.1000 nats better than" in better
    assert "mean of 2 seeds" in better
    worse = distillation(alone + rows(DISTILLED, 32, 0.5), "LSTM")
    assert "0.2000 nats worse than" in worse


def test_eight_bits_are_of_the_channel():
    both = rows("per-channel absmax", 8, -0.001) + rows("per-tensor absmax", 8, 0.5)
    assert "by -0.0010 nats" in eight_bits(both, "LSTM")


def test_no_rows_no_findings():
    assert findings([]) == {}


def test_distance_to_the_entropy_where_it_is_known():
    assert above_entropy(rows(FLOAT, 32, 0.0), "LSTM") == []
    known = [{**row, "loss_above_entropy": 0.03} for row in rows(FLOAT, 32, 0.0, 0.0)]
    assert "0.0300 nats per character above the entropy" in above_entropy(known, "LSTM")[0]
