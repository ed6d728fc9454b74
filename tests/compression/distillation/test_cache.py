"""Logits on disk: the same bits, computed once, whatever happens to the files."""

import numpy as np
import pytest

from minilm.compression.distillation import LogitCache, cache, distil
from minilm.models import LSTMLanguageModel, Seq2SeqTransformer
from minilm.training import fit
from minilm.weights import Product, Sum


class Counting:
    """A teacher that counts how often it is asked."""

    def __init__(self, model, factor=1.0):
        self.model, self.asked, self.factor = model, 0, factor

    def config(self):
        return self.model.config()

    def forward(self, params, *inputs):
        self.asked += 1
        logits, kept = self.model.forward(params, *inputs)
        return logits * np.float32(self.factor), kept


MODEL = LSTMLanguageModel(7, width=4)
PARAMS = MODEL.init(0)


def batch(seed=0):
    tokens = np.random.default_rng(seed).integers(0, 7, (3, 6))
    return tokens[:, :-1], tokens[:, 1:]


def run(teacher, params, kept, batches=(0,), **how):
    loss = distil(teacher, params, alpha=0.5, cache=kept, **how)
    return [loss(MODEL, MODEL.init(1), batch(b), None) for b in batches]


def same(one, other):
    assert (one[0], one[2]) == (other[0], other[2])
    for name, grad in one[1].items():
        np.testing.assert_array_equal(grad, other[1][name])


def test_the_teacher_is_asked_once_and_nothing_changes(tmp_path):
    teacher = Counting(MODEL)
    without = run(teacher, PARAMS, None, (0, 1))
    teacher.asked = 0
    for kept in (LogitCache(tmp_path / "new" / "folder"), LogitCache(tmp_path / "new" / "folder")):
        for one, other in zip(without, run(teacher, PARAMS, kept, (0, 1)), strict=True):
            same(one, other)
    assert teacher.asked == 2  # the second cache, as of another run, reads what is there
    assert len(list((tmp_path / "new" / "folder").iterdir())) == 2


def test_another_batch_or_teacher_is_another_entry(tmp_path):
    teacher, kept = Counting(MODEL), LogitCache(tmp_path)
    run(teacher, PARAMS, kept)
    moved = {**PARAMS, "head.b": PARAMS["head.b"] + np.float32(1e-7)}
    run(teacher, moved, kept)
    run(teacher, PARAMS, kept, (1,))
    run(Counting(LSTMLanguageModel(7, width=4, dropout=0.1)), PARAMS, kept)
    assert teacher.asked == 3
    assert len(list(tmp_path.iterdir())) == 4
    run(teacher, PARAMS, kept)
    assert teacher.asked == 3


def test_arrays_with_the_same_bytes_are_told_apart():
    ids = np.arange(6, dtype=np.int32)
    forms = [ids, ids.reshape(2, 3), ids.reshape(3, 2), ids.view(np.float32), ids.view(np.int64)]
    assert len({cache.described(form) for form in forms}) == len(forms)
    two = ids.reshape(2, 3)
    assert cache.described(two) == cache.described(np.asfortranarray(two))


def test_several_inputs_are_told_apart(tmp_path):
    model = Seq2SeqTransformer(7, width=4, layers=1, heads=1, context=4)
    teacher, params, kept = Counting(model), model.init(0), LogitCache(tmp_path)
    one, two = np.array([[1, 2]]), np.array([[3, 4]])
    loss = distil(teacher, params, alpha=1, cache=kept)
    for source, target in ((one, two), (two, one), (one, two)):
        loss(model, params, (source, target, target), None)
    assert teacher.asked == 2


def damage(data):
    return {
        "truncated": data[: len(data) // 2],
        "empty": b"",
        "one bit": data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1])
        + data[len(data) // 2 + 1 :],
        "no archive": b"not an archive",
    }


@pytest.mark.parametrize("how", ["truncated", "empty", "one bit", "no archive"])
def test_a_damaged_file_is_computed_anew(tmp_path, how):
    teacher, kept = Counting(MODEL), LogitCache(tmp_path)
    (expected,) = run(teacher, PARAMS, kept)
    (file,) = tmp_path.iterdir()
    good = file.read_bytes()
    file.write_bytes(damage(good)[how])
    (again,) = run(teacher, PARAMS, kept)
    same(again, expected)
    assert teacher.asked == 2
    assert file.read_bytes() == good
    assert list(tmp_path.iterdir()) == [file]


def test_a_damaged_file_makes_room_for_its_like(tmp_path):
    run(MODEL, PARAMS, LogitCache(tmp_path))
    (file,) = tmp_path.iterdir()
    good = file.read_bytes()
    file.write_bytes(damage(good)["one bit"])
    kept = LogitCache(tmp_path, max_bytes=3 * 5 * 7 * 4 + cache.OVERHEAD)
    run(MODEL, PARAMS, kept)
    assert file.read_bytes() == good
    assert kept.nbytes == len(good)


def test_a_teachers_names_and_kinds_of_weights_are_its_own():
    a = np.eye(2, dtype=np.float32)
    forms = [{"u": a}, {"v": a}, {"u": Product(a, a)}, {"u": Sum(a, a)}]
    assert len({cache.fingerprint(MODEL, form) for form in forms}) == len(forms)


def test_a_file_of_another_entry_is_not_believed(tmp_path):
    teacher, kept = Counting(MODEL), LogitCache(tmp_path)
    run(teacher, PARAMS, kept)
    (first,) = tmp_path.iterdir()
    (expected,) = run(teacher, PARAMS, kept, (1,))
    (second,) = set(tmp_path.iterdir()) - {first}
    second.write_bytes(first.read_bytes())
    same(run(teacher, PARAMS, kept, (1,))[0], expected)
    assert teacher.asked == 3


def test_no_more_bytes_than_allowed(tmp_path):
    size = 3 * 5 * 7 * 4
    teacher, kept = Counting(MODEL), LogitCache(tmp_path, max_bytes=2 * (size + cache.OVERHEAD))
    run(teacher, PARAMS, kept, range(6))
    files = list(tmp_path.iterdir())
    assert 2 <= len(files) < 6
    total = sum(file.stat().st_size for file in files)
    assert total == kept.nbytes <= kept.max_bytes
    assert LogitCache(tmp_path).nbytes == total
    nothing = LogitCache(tmp_path / "none", max_bytes=0)
    run(teacher, PARAMS, nothing)
    assert not list((tmp_path / "none").iterdir())


def test_what_a_file_takes_beside_its_numbers(tmp_path):
    kept = LogitCache(tmp_path)
    run(MODEL, PARAMS, kept)
    assert 0 < kept.nbytes - 3 * 5 * 7 * 4 < cache.OVERHEAD


def test_half_precision_is_asked_for_and_then_used_from_the_first_time(tmp_path):
    teacher, kept = Counting(MODEL), LogitCache(tmp_path, half=True)
    (first,), (again,) = run(teacher, PARAMS, kept), run(teacher, PARAMS, kept)
    same(first, again)
    assert teacher.asked == 1
    (whole,) = run(teacher, PARAMS, None)
    assert first[0] != whole[0]
    assert first[0] == pytest.approx(whole[0], rel=1e-3)
    assert {g.dtype for g in first[1].values()} == {np.dtype(np.float32)}
    same(run(teacher, PARAMS, LogitCache(tmp_path))[0], whole)  # another entry
    with pytest.raises(ValueError, match="half holds logits up to 65504, got"):
        run(Counting(MODEL, 1e6), PARAMS, kept, (5,))
    with pytest.raises(ValueError, match="half holds logits up to 65504, got nan"):
        run(Counting(MODEL, np.nan), PARAMS, kept, (5,))


def test_a_disk_that_fails_leaves_nothing_behind(tmp_path, monkeypatch):
    def fails(*_):
        raise OSError("the disk is full")

    monkeypatch.setattr("os.replace", fails)
    with pytest.raises(OSError, match="the disk is full"):
        run(MODEL, PARAMS, LogitCache(tmp_path))
    assert not list(tmp_path.iterdir())


def test_students_with_and_without_end_at_the_same_bits(tmp_path):
    ends = []
    for kept in (None, LogitCache(tmp_path), LogitCache(tmp_path)):
        loss = distil(MODEL, PARAMS, alpha=1, cache=kept)
        params, _ = fit(MODEL, MODEL.init(1), [batch(0), batch(1)], steps=4, loss=loss, workers=2)
        ends.append(params)
    for other in ends[1:]:
        for name, w in ends[0].items():
            np.testing.assert_array_equal(w, other[name])


def test_bad_settings(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="folder must not be a file"):
        LogitCache(tmp_path / "file")
    for max_bytes in (-1, float("nan")):
        with pytest.raises(ValueError, match=f"max_bytes .*{max_bytes}"):
            LogitCache(tmp_path, max_bytes=max_bytes)
    with pytest.raises(ValueError, match="cache keeps logits alone"):
        distil(MODEL, PARAMS, alpha=1, hidden=1, cache=LogitCache(tmp_path))
