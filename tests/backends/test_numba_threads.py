"""The Numba backend's threads: same bits for any number, in forked children, side by side, after failures."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cases import Case, train, trained
from gradstep.backends import Backend, availability, get
from gradstep.plan.rows import prepare
from members import LOSSES

if availability()["numba"] is not None:
    pytest.skip("numba is not here", allow_module_level=True)

from gradstep.backends.numba.kernels import passes
from gradstep.backends.numba.kernels.threads import GIVEN_UP
from gradstep.backends.numba.team import Team

# More panels than threads and fewer, more rows of a batch than threads and fewer, three models each.
CASES = (
    Case("images", n=230, d=3072, k=10, batch_size=20, epochs=2, dtype="uint8", rate=0.01),
    Case("hidden", n=131, d=601, k=7, hidden=(300, 21), batch_size=30, epochs=2, weighted=True),
    Case("one-panel", n=70, d=11, k=33, batch_size=9),
    Case("one-row-batches", n=9, d=300, k=4, hidden=(5,), batch_size=1),
    Case(
        "adam",
        n=70,
        d=300,
        k=13,
        hidden=(270,),
        batch_size=30,
        optimizer="adam",
        activation="tanh",
        apart=True,
    ),
)
# Every loss, with slots and without.
OF_LOSSES = tuple(
    Case(
        f"{loss!r}-{optimizer}",
        n=53,
        d=20,
        hidden=(6,),
        loss=loss,
        optimizer=optimizer,
        rate=0.02,
        weighted=True,
    )
    for loss in LOSSES
    for optimizer in ("sgd", "adam")
)


@pytest.fixture(scope="module")
def numba() -> Backend:
    return get("numba")


def results(numba: Backend, case: Case, precision: str, n_threads: int) -> list[bytes]:
    """All that a session and the backend give, as bits."""
    plan, data = case.plan(), case.data(precision=precision)
    state = case.state(precision)
    session = numba.session(plan, data, [data, case.data(5, precision)], n_threads=n_threads)
    found: list[Any] = []
    for t0, t1 in ((0, 3), (3, case.updates)):
        found += [session.train(state, t0, t1), state.parameters, state.slots, state.updates]
        for evaluation in session.evaluate(state.parameters, with_scores=True):
            found += [evaluation[:3], evaluation.scores]
    found.append(numba.evaluate(plan.objective, data, state.parameters, n_threads=n_threads)[:3])
    found.append(numba.scores(plan.objective, data, state.parameters, n_threads=n_threads))
    return [np.array(each).tobytes() for each in found]


@pytest.mark.parametrize("case", [*CASES, *OF_LOSSES], ids=lambda case: case.name)
def test_same_bits_for_any_number_of_threads(numba: Backend, case: Case, precision: str) -> None:
    alone = results(numba, case, precision, 1)
    for n_threads in (2, 3, 5, 8):
        assert results(numba, case, precision, n_threads) == alone


@pytest.mark.parametrize("case", [*CASES, *OF_LOSSES], ids=lambda case: case.name)
def test_same_bits_alone_and_in_a_group_and_in_pieces(numba: Backend, case: Case, precision: str) -> None:
    group, data = trained(numba, case, precision), case.data(precision=precision)
    assert group.finite.all()
    for model, n_threads in ((0, 1), (2, 3)):
        state = case.state(precision).select([model])
        plan = case.plan().select([model])
        for t0, t1 in ((0, 1), (1, 5), (5, case.updates)):
            train(numba, plan, data, state, t0, t1, n_threads=n_threads)
        assert state.parameters.tobytes() == group.parameters[model].tobytes()
        assert state.slots.tobytes() == group.slots[model].tobytes()


@pytest.mark.parametrize("n_threads", [2, 5])
@pytest.mark.parametrize("case", [*CASES[:2], CASES[4]], ids=lambda case: case.name)
def test_a_model_diverges_beside_others(numba: Backend, case: Case, n_threads: int) -> None:
    plan = case.plan()
    plan.learning_rate[1, 4] = np.inf
    states = [case.state("float32") for _ in range(2)]
    for state, threads in zip(states, (1, n_threads), strict=True):
        train(numba, plan, case.data(), state, 0, case.updates, n_threads=threads)
    assert states[0].finite.tolist() == [True, False, True]
    for name in ("parameters", "slots", "updates", "finite"):
        assert getattr(states[0], name).tobytes() == getattr(states[1], name).tobytes()


def test_threads_know_what_diverged_before_they_came(numba: Backend) -> None:
    """The first update is the caller's alone; one of its rows is too much for one of the models."""
    case = Case("a-row-of-the-first", n=40, d=300, shuffle=False, l2=(0.0, 0.0, 0.0))
    data, state = case.data(), case.state("float64")
    X = data.X - data.X.mean(axis=0)
    X[:, 0] = 0
    X[7, 0] = 10
    case.layers.weights(state.parameters, 0)[1, 0] = 1e308
    before = state.parameters[1].copy()
    train(numba, case.plan(), prepare(X, data.targets), state, 0, case.updates, n_threads=2)
    assert state.finite.tolist() == [True, False, True]
    assert state.updates.tolist() == [case.updates, 0, case.updates]
    assert state.parameters[1].tobytes() == before.tobytes()


def test_fits_side_by_side(numba: Backend) -> None:
    expected = [trained(numba, case, "float32").parameters for case in CASES]
    found: dict[int, Any] = {}

    def fit(number: int) -> None:
        found[number] = trained(numba, CASES[number], "float32", n_threads=3).parameters

    fits = [threading.Thread(target=fit, args=(number,)) for number in range(len(CASES))]
    for each in fits:
        each.start()
    for each in fits:
        each.join()
    for number, parameters in enumerate(expected):
        assert found[number].tobytes() == parameters.tobytes()


FORK = """
import os, sys
sys.path[:0] = TESTS
from gradstep.backends import get
from test_numba_threads import CASES
import numpy as np
numba, case = get("numba"), CASES[0]
state = case.state("float32")
session = numba.session(case.plan(), case.data(), [case.data()], n_threads=3)
session.train(state, 0, 9)
session.evaluate(state.parameters)
child = os.fork()
session.train(state, 9, case.updates)
evaluations = session.evaluate(state.parameters)
fresh = case.state("float32")
numba.session(case.plan(), case.data(), n_threads=2).train(fresh, 0, case.updates)
assert (fresh.parameters == state.parameters).all()
assert np.isfinite([each[:3] for each in evaluations]).all()
if child == 0:
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
print("both")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_goes_on_and_fits_anew() -> None:
    program = FORK.replace("TESTS", repr([str(folder) for folder in Path(__file__).parents[:2]]))
    # Newer Pythons warn of any fork beside threads.
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert (done.stdout, done.stderr) == ("both\n", "")


@pytest.mark.parametrize("error", [MemoryError, KeyboardInterrupt])
@pytest.mark.parametrize("failing", [0, 2])
def test_a_failure_of_one_thread_ends_the_others_at_a_boundary(
    numba: Backend, monkeypatch: pytest.MonkeyPatch, failing: int, error: type[BaseException]
) -> None:
    case, compiled = CASES[0], passes.train
    state = case.state("float32")
    session = numba.session(case.plan(), case.data(), n_threads=3)

    lock = threading.Lock()

    def fail(*arguments: Any) -> None:
        is_caller = threading.current_thread() is threading.main_thread()
        if arguments[-1].everyone == 3 and is_caller == (failing == 0) and lock.acquire(blocking=False):
            raise error("of one thread")
        compiled(*arguments)

    monkeypatch.setattr(passes, "train", fail)
    with pytest.raises(error, match="of one thread"):
        session.train(state, 0, case.updates)
    monkeypatch.undo()
    assert state.updates.tolist() == [1, 1, 1]  # the caller did the first one alone
    session.train(state, 1, case.updates)
    assert state.parameters.tobytes() == trained(numba, case, "float32").parameters.tobytes()


def test_where_no_thread_can_be_had_the_caller_works_alone(
    numba: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = trained(numba, CASES[1], "float32")

    def start(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    found = trained(numba, CASES[1], "float32", n_threads=4)
    assert found.parameters.tobytes() == expected.parameters.tobytes()


def team_threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "gradstep"}


def test_threads_end_with_the_session(numba: Backend) -> None:
    gc.collect()
    before, case = team_threads(), CASES[0]
    session = numba.session(case.plan(), case.data(), [case.data()], n_threads=4)
    assert team_threads() == before
    state = case.state("float32")
    session.train(state, 0, case.updates)
    session.evaluate(state.parameters)
    started = team_threads() - before
    assert len(started) == 3
    del session
    for thread in started:
        thread.join(timeout=60)
    assert not any(thread.is_alive() for thread in started)


def test_all_threads_of_a_team_are_called_once() -> None:
    team, called = Team(4), []

    def task(thread: int, size: int) -> None:
        called.append((thread, size, threading.current_thread()))

    for most, size in ((9, 4), (3, 3), (1, 1), (4, 4)):
        called.clear()
        team.run(task, most)
        assert sorted(each[:2] for each in called) == [(thread, size) for thread in range(size)]
        assert len({each[2] for each in called}) == size
        assert threading.current_thread() in {each[2] for each in called}


@pytest.mark.parametrize("failing", [{0}, {2}, {0, 1, 2}])
def test_a_team_raises_what_was_raised_and_works_on(failing: set[int]) -> None:
    team, called = Team(3), []

    def task(thread: int, size: int) -> None:
        called.append(thread)
        if thread in failing:
            raise ZeroDivisionError(thread)

    raised = task_of(team, task)
    assert isinstance(raised, ZeroDivisionError)
    assert raised.args[0] in failing
    assert team.gate[GIVEN_UP] == 1
    assert sorted(called) == [0, 1, 2]
    failing.clear()
    assert task_of(team, task) is None
    assert team.gate[GIVEN_UP] == 0


def task_of(team: Team, task: Callable[[int, int], object]) -> BaseException | None:
    """Run a task; return what it raised."""
    try:
        team.run(task, 3)
    except ZeroDivisionError as error:
        return error
    return None
