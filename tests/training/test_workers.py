import os
import shutil
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from threadpoolctl import threadpool_info, threadpool_limits

from minilm.compression.distillation import distil
from minilm.compression.views import compose, masked, straight_through
from minilm.embeddings.skip_gram_model import Pairs, SkipGram, negative_sampling_loss
from minilm.models import LSTMLanguageModel, TransformerLanguageModel
from minilm.training import SGD, constant, cross_entropy_loss, fit
from minilm.training.workers import SWITCH_INTERVAL, Workers, cut

V, ROWS = 7, 5
LSTM = LSTMLanguageModel(V, width=6, layers=2, dropout=0.3)
TRANSFORMER = TransformerLanguageModel(V, width=8, layers=2, heads=2, context=9, dropout=0.3)
SKIP_GRAM = SkipGram(V, 4)


def text_batch(step, rows=ROWS):
    """Sequences whose loss has unequal numbers of terms: none in row 0, all in the last one."""
    ids = np.random.default_rng([3, step]).integers(V, size=(rows, 10))
    targets = ids[:, 1:].copy()
    for row in range(rows - 1):
        targets[row, 3 * row :] = -100
    return ids[:, :-1], targets


def pair_batch(step):
    rng = np.random.default_rng([3, step])
    return Pairs(rng.integers(V, size=ROWS), rng.integers(V, size=(ROWS, 3)))


def trained(model, batch, dtype=np.float64, **settings):
    """Three steps of a rule in which equal gradients give equal parameters."""
    params = {name: p.astype(dtype) for name, p in model.init(0).items()}
    if model is SKIP_GRAM:
        params["output_embedding"] += np.linspace(-1, 1, 4, dtype=dtype)
    settings = {
        "steps": 3, "optimizer": SGD(0.9), "schedule": constant(0.1), "clip_norm": 0.5, "seed": 4,
    } | settings  # fmt: skip
    return fit(model, params, batch, **settings)


def assert_close(one, other, tolerance):
    (params, history), (expected, expected_history) = one, other
    assert list(params) == list(expected)
    for name in expected:
        assert params[name].dtype == expected[name].dtype
        np.testing.assert_allclose(params[name], expected[name], rtol=0, atol=tolerance)
    for entry, expected_entry in zip(history, expected_history, strict=True):
        assert entry == pytest.approx(expected_entry, rel=tolerance)


TEACHER = TransformerLanguageModel(V, width=4, layers=1, heads=1, context=9)
QUARTER_MASKED = {"lstm.0.w_h": np.arange(6 * 24).reshape(6, 24) % 4 > 0}
CASES = {
    "lstm": (LSTM, text_batch, {}),
    "transformer": (TRANSFORMER, text_batch, {}),
    "skip-gram": (SKIP_GRAM, pair_batch, {"loss": negative_sampling_loss}),
    "distillation": (
        TRANSFORMER, text_batch,
        {"loss": distil(TEACHER, TEACHER.init(1), temperature=2.0, alpha=0.5)},
    ),
    "straight-through": (
        LSTM, text_batch, {"view": compose(masked(QUARTER_MASKED), straight_through(4))},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("workers", [2, 3, 8])  # unequal shares; more workers than rows
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 1e-5)])
def test_many_workers_do_what_one_does(case, workers, dtype, tolerance):
    model, batch, settings = CASES[case]
    alone = trained(model, batch, dtype, **settings)
    together = trained(model, batch, dtype, workers=workers, **settings)
    assert_close(together, alone, tolerance)


def test_one_row_is_enough():
    batch = partial(text_batch, rows=1)
    assert_close(trained(LSTM, batch, workers=2), trained(LSTM, batch), 1e-12)


def test_a_batch_that_counts_nothing_has_no_loss_and_no_gradient():
    inputs, targets = text_batch(0)
    batch = inputs, np.full_like(targets, -100)
    _, (entry,) = trained(LSTM, [batch], steps=1, workers=2)
    assert entry["loss"] == entry["gradient_norm"] == 0


def test_the_same_seed_and_workers_give_the_same_bits():
    first, second = (trained(LSTM, text_batch, np.float32, workers=3) for _ in range(2))
    assert_close(first, second, 0)


def test_a_gradient_that_one_share_lacks_is_zero_there():
    def loss(model, seen, batch, rng):
        names = {"a", "b"} if batch[0] == 0 else {"a"}
        return 1.0, {name: np.full(2, batch.sum()) for name in names}, len(batch)

    params = {"a": np.zeros(2), "b": np.zeros(2)}
    batch = np.array([0.0, 1.0, 2.0, 3.0])
    fitted, _ = fit(
        None, params, [batch], loss=loss, optimizer=SGD(), schedule=constant(1.0),
        clip_norm=None, workers=2,
    )  # fmt: skip
    np.testing.assert_allclose(fitted["a"], -6 / 4)
    np.testing.assert_allclose(fitted["b"], -1 / 4)


def test_workers_are_threads_with_one_blas_thread_each_and_end_with_the_run():
    def blas_threads():
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    seen = []

    def loss(model, seen_params, batch, rng):
        seen.append((threading.get_ident(), *blas_threads()))
        assert sys.getswitchinterval() < interval / 10
        return cross_entropy_loss(model, seen_params, batch, rng)

    running, interval = threading.active_count(), sys.getswitchinterval()
    with threadpool_limits(2, user_api="blas"):
        trained(LSTM, text_batch, loss=loss, workers=2)
        assert set(blas_threads()) == {2}
    assert {number for _, *numbers in seen for number in numbers} == {1}
    assert threading.get_ident() not in {ident for ident, *_ in seen}
    assert threading.active_count() == running
    assert sys.getswitchinterval() == interval


def test_an_error_in_one_worker_comes_out_as_it_is():
    class Trouble(Exception):
        pass

    trouble = Trouble("in the second share")

    def loss(model, seen, batch, rng):
        if len(batch[0]) == 3:
            raise trouble
        return cross_entropy_loss(model, seen, batch, rng)

    with pytest.raises(Trouble) as caught:
        trained(LSTM, text_batch, loss=loss, workers=2)
    assert caught.value is trouble


def test_a_run_that_diverges_ends_in_a_floating_point_error_and_no_warning():
    with pytest.raises(FloatingPointError, match="learning rate 1e"):
        trained(TRANSFORMER, text_batch, np.float32, steps=50, optimizer=SGD(), clip_norm=None,
                schedule=constant(1e30), workers=2)  # fmt: skip


@pytest.mark.parametrize("workers", [0, -1, 1.5, "2", True, None])
def test_a_number_of_workers_below_one_is_refused(workers):
    with pytest.raises(ValueError, match="workers must be an integer of at least 1"):
        trained(LSTM, text_batch, workers=workers)


@pytest.mark.parametrize(
    ("batch", "error", "named"),
    [
        ("text", TypeError, "str"),
        ((np.zeros(2), 3.0), TypeError, "tuple"),
        (np.float64(1), TypeError, "float64"),
        ((), TypeError, "tuple"),
        (np.zeros(()), TypeError, "ndarray"),
        ((np.zeros(2), np.zeros(3)), ValueError, r"\[\(2,\), \(3,\)\]"),
        (np.zeros((0, 2)), ValueError, "at least one"),
    ],
)
def test_a_batch_that_has_no_common_first_axis_is_refused(batch, error, named):
    with pytest.raises(error, match=named):
        trained(LSTM, lambda step: batch, workers=2)


# ---- the parts


def test_a_cut_by_hand():
    assert cut(range(5), 2) == [range(0, 2), range(2, 5)]


@given(rows=st.integers(0, 50), number=st.integers(1, 9), start=st.integers(0, 9))
def test_a_cut_covers_all_rows_once_in_order_and_evenly(rows, number, start):
    parts = cut(range(start, start + rows), number)
    assert [row for part in parts for row in part] == list(range(start, start + rows))
    assert len(parts) == number
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


# ---- several processes


class Meeting:
    """What mpi4py's communicators do, between threads instead of processes."""

    def __init__(self, size):
        self.size, self.barrier, self.slots = size, threading.Barrier(size), [None] * size

    def of(self, rank):
        return Communicator(self, rank)


class Communicator:
    def __init__(self, meeting, rank):
        self.meeting, self.rank = meeting, rank

    def Get_rank(self):
        return self.rank

    def Get_size(self):
        return self.meeting.size

    def Barrier(self):
        self.meeting.barrier.wait(timeout=20)

    def allgather(self, value):
        self.meeting.slots[self.rank] = value
        self.Barrier()
        values = list(self.meeting.slots)
        self.Barrier()
        return values

    def Allreduce(self, sent, received):
        assert sent.flags.c_contiguous and received.flags.c_contiguous
        received[...] = sum(self.allgather(sent.copy()))  # the sender may change its own


def on_ranks(size, run):
    """What run(communicator) returns on each rank; errors as they are."""
    meeting, results = Meeting(size), [None] * size

    def go(rank):
        try:
            results[rank] = run(meeting.of(rank))
        except Exception as error:
            results[rank] = error

    threads = [threading.Thread(target=go, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("ranks", "workers"), [(2, 1), (3, 2), (8, 1)])
def test_many_processes_do_what_one_does(case, ranks, workers):
    model, batch, settings = CASES[case]
    alone = trained(model, batch, **settings)
    for result in on_ranks(
        ranks, lambda c: trained(model, batch, communicator=c, workers=workers, **settings)
    ):
        assert_close(result, alone, 1e-12)


def test_only_the_first_process_writes_and_shows_and_all_read(tmp_path, capsys, monkeypatch):
    from minilm.training import checkpoint as checkpoints

    written_by, write = [], checkpoints.write
    monkeypatch.setattr(
        checkpoints, "write",
        lambda *args: written_by.append(threading.current_thread()) or write(*args),
    )  # fmt: skip
    path, whole = tmp_path / "run.npz", trained(LSTM, text_batch, steps=4)

    class Stopped(Exception):
        pass

    def stopping(step):
        if step == 2:
            raise Stopped
        return text_batch(step)

    settings = {"schedule": constant(0.1), "steps": 4, "checkpoint": path, "checkpoint_every": 1}
    stopped = on_ranks(2, lambda c: trained(LSTM, stopping, communicator=c, **settings))
    assert [type(error) for error in stopped] == [Stopped, Stopped]
    assert len(written_by) == 2
    results = on_ranks(
        2, lambda c: trained(LSTM, text_batch, communicator=c, progress=True, **settings)
    )
    for result in results:
        assert_close(result, whole, 1e-12)
    assert len(set(written_by)) == 2  # one thread in each run
    shown = capsys.readouterr().err
    assert shown.count("4/4") == 1


def test_when_a_process_is_done_the_checkpoint_is_written(tmp_path, monkeypatch):
    from minilm.training import checkpoint as checkpoints

    path, write = tmp_path / "run.npz", checkpoints.write
    monkeypatch.setattr(checkpoints, "write", lambda *args: time.sleep(0.1) or write(*args))

    def run(communicator):
        trained(LSTM, text_batch, communicator=communicator, checkpoint=path)
        return path.exists()

    assert on_ranks(2, run) == [True, True]


def test_a_process_without_rows_asks_nothing_of_the_view():
    def head_only(params, step):
        return params, lambda grads: {"head.b": grads["head.b"]}

    batch = partial(text_batch, rows=1)
    alone = trained(LSTM, batch, view=head_only)
    for result in on_ranks(2, lambda c: trained(LSTM, batch, view=head_only, communicator=c)):
        assert_close(result, alone, 1e-12)


def test_processes_that_start_from_different_places_are_refused():
    def run(communicator):
        params = LSTM.init(communicator.Get_rank())
        return fit(LSTM, params, text_batch, steps=1, communicator=communicator)

    for error in on_ranks(2, run):
        assert isinstance(error, ValueError)
        assert "must start alike in every process" in str(error)


def test_what_is_no_communicator_is_refused():
    with pytest.raises(TypeError, match=r"communicator must be one of mpi4py.*Allreduce"):
        trained(LSTM, text_batch, communicator="MPI.COMM_WORLD")


def test_alone_nothing_is_exchanged():
    assert Workers().totals(2.0, 3, ["a"]) == (2.0, 3, {"a"})


@pytest.mark.oracle
def test_two_processes_of_mpi_do_what_one_does(tmp_path):
    program = f"""
import sys
sys.path.insert(0, {os.path.dirname(__file__)!r})
import numpy as np
from mpi4py import MPI
from test_workers import CASES, LSTM, text_batch, trained

rank = MPI.COMM_WORLD.Get_rank()
assert MPI.COMM_WORLD.Get_size() == 2
settings = dict(communicator=MPI.COMM_WORLD, workers=2)
for case, (model, batch, more) in CASES.items():
    params, history = trained(model, batch, **settings, **more)
    np.savez(f"{tmp_path}/{{case}}-{{rank}}.npz", losses=[e["loss"] for e in history], **params)
path = {str(tmp_path / "run.npz")!r}
short = trained(LSTM, text_batch, steps=2, checkpoint=path, **settings)
trained(LSTM, text_batch, steps=3, checkpoint=path, **settings)
"""
    launcher = shutil.which("mpiexec", path=str(Path(sys.executable).parent))
    launcher = launcher or shutil.which("mpiexec")
    assert launcher, "mpiexec comes with the extra `cluster`"
    subprocess.run(
        [launcher, "-n", "2", sys.executable, "-m", "mpi4py", "-c", program], check=True, timeout=60
    )
    for case, (model, batch, settings) in CASES.items():
        params, history = trained(model, batch, **settings)
        for rank in range(2):
            with np.load(tmp_path / f"{case}-{rank}.npz") as saved:
                losses = [entry["loss"] for entry in history]
                np.testing.assert_allclose(saved["losses"], losses, rtol=1e-12)
                for name, expected in params.items():
                    np.testing.assert_allclose(saved[name], expected, rtol=0, atol=1e-12)


def test_ranks_may_hold_the_parameters_in_another_order():
    def loss(model, seen, batch, rng):
        return 0.0, {"a": np.full(1, len(batch)), "b": np.full(1, 100.0 * len(batch))}, len(batch)

    def run(communicator):
        names = ("a", "b") if communicator.Get_rank() else ("b", "a")
        params = {name: np.zeros(1) for name in names}
        batch = np.zeros((4, 1))
        return fit(None, params, [batch], loss=loss, optimizer=SGD(), clip_norm=None,
                   schedule=lambda step: 1.0, communicator=communicator)[0]  # fmt: skip

    for params in on_ranks(2, run):
        assert params == {"a": -1, "b": -100}


def test_ranks_with_other_settings_are_refused():
    def run(communicator):
        optimizer = SGD(0.5 if communicator.Get_rank() else 0.0)
        return fit(None, {"a": np.zeros(1)}, [np.zeros((4, 1))], optimizer=optimizer,
                   communicator=communicator)  # fmt: skip

    for refused in on_ranks(2, run):
        assert isinstance(refused, ValueError)
        assert "alike" in str(refused) and "momentum=0.5" in str(refused)


def test_a_count_of_half_a_term_is_refused():
    def loss(model, seen, batch, rng):
        return 1.0, {"a": np.ones(1)}, 0.5

    with pytest.raises(ValueError, match="whole terms"):
        fit(None, {"a": np.zeros(1)}, [np.zeros((4, 1))], loss=loss, workers=2)


def test_the_last_of_two_teams_restores_the_switch_interval():
    before = sys.getswitchinterval()
    one, other = Workers(2), Workers(2)
    one.__enter__()
    other.__enter__()
    one.__exit__()
    assert sys.getswitchinterval() == pytest.approx(SWITCH_INTERVAL)
    other.__exit__()
    assert sys.getswitchinterval() == pytest.approx(before)
