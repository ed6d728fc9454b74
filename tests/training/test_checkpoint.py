import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from minilm.models import LSTMLanguageModel, TransformerLanguageModel
from minilm.training import SGD, AdamW, constant, fit, warmup_cosine
from minilm.weights import Diagonal, read_header, save

V, STEPS = 5, 6
MODEL = LSTMLanguageModel(V, width=6, dropout=0.2)


class Stopped(Exception):
    """What ends a run from outside."""


def batches(step):
    ids = np.random.default_rng([7, step]).integers(V, size=(2, 9))
    return ids[:, :-1], ids[:, 1:]


def until(last):
    """The same batches, ending in a kill when step `last` asks for its own."""

    def stopping(step):
        if step == last:
            raise Stopped
        return batches(step)

    return stopping


def run(data=batches, params=None, model=MODEL, **changes):
    settings = {
        "steps": STEPS, "optimizer": AdamW(), "schedule": warmup_cosine(0.01, 2, STEPS),
        "evaluate": lambda seen: float(np.sum(seen["head.b"])), "evaluate_every": 2, "seed": 3,
        "checkpoint_every": 1,
    }  # fmt: skip
    settings |= changes
    return fit(model, params or model.init(0), data, **settings)


def assert_same(one, other):
    (params, history), (expected, expected_history) = one, other
    assert list(params) == list(expected)
    assert history == expected_history
    for name in expected:
        assert params[name].dtype == expected[name].dtype
        np.testing.assert_array_equal(params[name], expected[name])


@pytest.mark.parametrize("optimizer", [AdamW(), SGD(momentum=0.9), SGD()])
@pytest.mark.parametrize("every", [1, 2, 4])
@pytest.mark.parametrize("last", range(STEPS))
def test_a_run_stopped_at_any_step_goes_on_bit_for_bit(tmp_path, last, every, optimizer):
    path = tmp_path / "run.npz"
    settings = {"optimizer": optimizer, "checkpoint": path, "checkpoint_every": every}
    whole = run(optimizer=optimizer, checkpoint_every=0)
    with pytest.raises(Stopped):
        run(until(last), **settings)
    assert path.exists() == (last >= every)
    assert_same(run(**settings), whole)


def test_a_finished_run_is_read_and_not_trained_again(tmp_path):
    path = tmp_path / "run.npz"
    whole = run(checkpoint=path, checkpoint_every=0)
    assert_same(run(until(1), checkpoint=path), whole)


def test_leaves_and_companions_are_kept(tmp_path):
    params = {
        **MODEL.init(0),
        "kept:leaf": Diagonal(np.arange(3, dtype=np.float32)),
        "kept:mask": np.array([True, False]),
    }
    path = tmp_path / "run.npz"
    with pytest.raises(Stopped):
        run(until(3), params, checkpoint=path)
    fitted, _ = run(params=params, checkpoint=path)
    assert isinstance(fitted["kept:leaf"], Diagonal)
    np.testing.assert_array_equal(fitted["kept:leaf"].values, params["kept:leaf"].values)
    np.testing.assert_array_equal(fitted["kept:mask"], params["kept:mask"])


def test_settings_that_are_numpy_scalars(tmp_path):
    path = tmp_path / "run.npz"
    scalars = {"seed": np.int64(3), "clip_norm": np.float32(1), "optimizer": AdamW(np.float32(0.5))}
    with pytest.raises(Stopped):
        run(until(3), checkpoint=path, **scalars)
    assert_same(run(checkpoint=path, **scalars), run(checkpoint_every=0, **scalars))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"model": LSTMLanguageModel(V, width=7, dropout=0.2)}, "its model was"),
        ({"model": TransformerLanguageModel(V, width=6, heads=2, layers=1)}, "its model was"),
        ({"model": LSTMLanguageModel(V, width=6)}, "its model was"),
        ({"params": MODEL.init(1)}, "its start was"),
        ({"optimizer": AdamW(beta2=0.999)}, "its optimizer was"),
        ({"optimizer": SGD()}, "its optimizer was"),
        ({"seed": 4}, "its seed was"),
        ({"data": lambda step: batches(step + 1)}, "its first batch was"),
        ({"clip_norm": None}, "its clip_norm was"),
        ({"schedule": constant(0.01)}, "its learning rate at step 1 was"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused(tmp_path, changes, named):
    path = tmp_path / "run.npz"
    with pytest.raises(Stopped):
        run(until(3), checkpoint=path)
    before = path.read_bytes()
    changes = {"evaluate": None, "evaluate_every": 0, **changes}
    with pytest.raises(ValueError, match=rf"run\.npz is a checkpoint of another run: {named}"):
        run(checkpoint=path, **changes)
    assert path.read_bytes() == before


def test_other_files_are_refused_and_left_alone(tmp_path):
    path = tmp_path / "run.npz"
    save(path, MODEL.init(0))
    with pytest.raises(ValueError, match=r"run\.npz is not a checkpoint"):
        run(checkpoint=path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match=r"run\.npz"):
        run(checkpoint=path)
    assert len(path.read_bytes()) == 100


def test_a_checkpoint_of_an_earlier_version_is_refused(tmp_path):
    path = tmp_path / "run.npz"
    run(checkpoint=path)
    save(path, MODEL.init(0), header={**read_header(path), "checkpoint": 1})
    with pytest.raises(ValueError, match=r"run\.npz is not a checkpoint of this version"):
        run(checkpoint=path)


def test_a_checkpoint_holds_the_state_by_the_parameters_names(tmp_path):
    path = tmp_path / "run.npz"
    run(checkpoint=path)
    names = {f"{role}:{name}" for role in ("sum", "sum_of_squares") for name in MODEL.init(0)}
    assert set(read_header(path)["state"]) == names


def part(names):
    """A view that trains these alone."""
    return lambda params, step: (params, lambda grads: {name: grads[name] for name in names})


@pytest.mark.parametrize("workers", [1, 2])
def test_what_is_trained_is_the_same_where_a_run_was_stopped(tmp_path, workers):
    names = ["head.b", "lstm.0.w_h"]
    settings = {"checkpoint": tmp_path / "run.npz", "workers": workers}
    with pytest.raises(Stopped):
        run(until(3), view=part(names), **settings)
    with pytest.raises(ValueError, match=r"is not for lstm\.0\.w_h"):
        run(view=part(names[:1]), **settings)
    whole = run(view=part(names), workers=workers, checkpoint_every=0)
    assert_same(run(view=part(names), **settings), whole)


def test_a_failed_save_leaves_the_checkpoint_before_it(tmp_path, monkeypatch):
    path = tmp_path / "run.npz"
    whole = run(checkpoint_every=0)
    replace = os.replace

    def full_disk(source, target):
        if len(read_header(source)["history"]) == 4:
            raise OSError("no space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", full_disk)
    with pytest.raises(OSError, match="no space"):
        run(checkpoint=path)
    assert os.listdir(tmp_path) == ["run.npz"]
    assert len(read_header(path)["history"]) == 3
    monkeypatch.undo()
    assert_same(run(checkpoint=path), whole)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal here")
def test_a_killed_process_is_continued_bit_for_bit(tmp_path):
    path = tmp_path / "run.npz"
    program = f"""
import os, signal, sys
sys.path.insert(0, {os.path.dirname(__file__)!r})
from test_checkpoint import batches, run

def killing(step):
    if step == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    return batches(step)

run(killing, checkpoint={str(path)!r})
"""
    ended = subprocess.run([sys.executable, "-c", program])
    assert ended.returncode == -signal.SIGKILL
    assert len(read_header(path)["history"]) == 4
    assert_same(run(checkpoint=path), run(checkpoint_every=0))


def test_another_first_batch_in_a_dict_is_another_run(tmp_path):
    def loss(model, seen, batch, rng):
        return 1.0, {"w": batch["x"]}, 1

    def run(value):
        batch = {"x": np.full(2, value, np.float32)}
        return fit(None, {"w": np.ones(2, np.float32)}, [batch], loss=loss,
                   checkpoint=tmp_path / "run.npz")  # fmt: skip

    run(1)
    with pytest.raises(ValueError, match="first batch"):
        run(2)
