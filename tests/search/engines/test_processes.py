"""Real processes: they die, hang and are interrupted, and the search is the same."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gradstep as gs
from deadly import Deadly
from gradstep.errors import ExecutorError, InvalidParameterError
from gradstep.search.engines.processes import ProcessEngine
from gradstep.sklearn import MLPClassifier
from sweep_cases import HELD_OUT, X, Y, trainer

SPACE = {"l2": [0.0, 0.1, 1.0], "learning_rate": [0.05, 0.2]}


@pytest.fixture(scope="module")
def processes() -> Iterator[ProcessEngine]:
    engine = ProcessEngine(2)
    yield engine
    engine.close()


def tables(sweep: gs.Sweep) -> dict[str, list[Any]]:
    return {name: sweep.results_[name].tolist() for name in set(sweep.results_) - {"seconds"}}


def expected(base: Any = None, space: Any = None) -> gs.Sweep:
    return gs.Sweep(base or trainer(hidden=(4,)), space or SPACE, random_state=0).fit(X, Y, eval_set=HELD_OUT)


def on(executor: Any, base: Any = None, space: Any = None, **options: Any) -> gs.Sweep:
    base = base or trainer(hidden=(4,))
    sweep = gs.Sweep(base, space or SPACE, random_state=0, executor=executor, **options)
    return sweep.fit(X, Y, eval_set=HELD_OUT)


@pytest.mark.parametrize("kind", ["int", "threads", "processes"])
def test_executors_of_every_kind(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    # Rows of a process that was killed.
    (tmp_path / "gradstep-rows-left").mkdir()
    (tmp_path / "gradstep-rows-left" / "gradstep-0.rows").write_bytes(b"rows")
    if kind == "int":
        found = on(1)
    else:
        made: Executor = ThreadPoolExecutor(3) if kind == "threads" else _pool(1)
        with made:
            found = on(made)
            assert made.submit(abs, -1).result() == 1  # it is its owner's to shut down
    assert tables(found) == tables(expected())
    for one, other in zip(found.best_trainer_.coefs_, expected().best_trainer_.coefs_, strict=True):
        np.testing.assert_array_equal(one, other)
    assert list(tmp_path.iterdir()) == []


def _pool(count: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn"))


def test_a_worker_that_is_killed_is_replaced(processes: ProcessEngine, tmp_path: Path) -> None:
    """It dies while it trains; who asks from outside cannot tell it from a machine that is gone."""
    space = SPACE | {"learning_rate": [0.05, Deadly(str(tmp_path), 1)]}
    with pytest.warns(RuntimeWarning, match="1 worker was lost; what it trained was trained again"):
        found = on(processes, space=space)
    assert space["learning_rate"][1].deaths == 1
    plain = expected(space=SPACE | {"learning_rate": [0.05, 0.1]})
    assert found.results_["score"].tolist() == plain.results_["score"].tolist()
    assert {trial.status for trial in found.trials_} == {"completed"}


@pytest.mark.parametrize("how", ["dies", "memory"])
def test_a_model_that_kills_every_worker_fails_alone(
    how: str, processes: ProcessEngine, tmp_path: Path
) -> None:
    space = [
        {"l2": [0.0, 0.1, 1.0], "learning_rate": [0.05]},
        {"l2": [0.5], "learning_rate": [Deadly(str(tmp_path), 99, how)]},
    ]
    with pytest.warns(RuntimeWarning) as told:
        found = on(processes, space=space)
    said = [str(warning.message) for warning in told]
    reason = "ended by SIGKILL" if how == "dies" else "no more"
    assert any(
        "1 of the search's models cannot be trained; the first, of trial 3: " in text and reason in text
        for text in said
    )
    assert any("workers were lost" in text for text in said) == (how == "dies")
    assert [trial.status.value for trial in found.trials_] == ["completed"] * 3 + ["failed"]
    plain = expected(space={"l2": [0.0, 0.1, 1.0], "learning_rate": [0.05]})
    assert found.results_["score"].tolist()[:3] == plain.results_["score"].tolist()
    assert np.isnan(found.results_["score"][3])
    assert found.best_index_ == plain.best_index_
    assert reason in str(found.trials_[3].failures[0])


def test_a_worker_that_hangs_is_replaced(
    processes: ProcessEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("FIRST_SECONDS", "SLOW_SECONDS"):
        monkeypatch.setattr(f"gradstep.search.engines.scheduler.{name}", 4.0)
    space = SPACE | {"learning_rate": [0.05, Deadly(str(tmp_path), 1, "hangs")]}
    found = on(processes, space=space)
    plain = expected(space=SPACE | {"learning_rate": [0.05, 0.1]})
    assert found.results_["score"].tolist() == plain.results_["score"].tolist()


def test_a_broken_pool_of_the_standard_library_is_replaced(tmp_path: Path) -> None:
    space = SPACE | {"learning_rate": [0.05, Deadly(str(tmp_path), 1)]}
    with (
        _pool(1) as pool,
        pytest.warns(RuntimeWarning, match="1 worker was lost; what it trained was trained again"),
    ):
        found = on(pool, space=space)
    plain = expected(space=SPACE | {"learning_rate": [0.05, 0.1]})
    assert found.results_["score"].tolist() == plain.results_["score"].tolist()


def test_an_executor_that_is_shut_down_is_said_to_be() -> None:
    with ThreadPoolExecutor(1) as pool:
        pass
    with pytest.raises(
        ExecutorError, match="`executor` takes no tasks any more: cannot schedule new futures"
    ):
        on(pool)


@pytest.mark.parametrize("executor", ["four", 0, -1, 2.5, True, Executor, object()])
def test_what_is_no_executor(executor: Any) -> None:
    kinds = "a concurrent.futures.Executor or a Client of dask.distributed"
    with pytest.raises(InvalidParameterError, match="`executor` of Sweep must be ") as raised:
        on(executor)
    assert kinds in str(raised.value) or ">= 1" in str(raised.value)


def test_what_cannot_be_sent_is_named(processes: ProcessEngine) -> None:
    with pytest.raises(
        InvalidParameterError, match=r"`learning_rate` of trial 1 must be what pickle can send"
    ):
        on(processes, space={"learning_rate": [0.1, lambda update: 0.1]})
    with pytest.raises(
        InvalidParameterError,
        match=r"`callbacks` of trial 0 must be none for `executor` of Sweep, got <built-in function max>:",
    ):
        on(processes, base=trainer(callbacks=(max,)))


def test_workers_tell_what_they_did(processes: ProcessEngine) -> None:
    found = on(processes).workers_
    assert list(found) == ["worker", "slices", "seconds", "models"]
    assert 1 <= found.n_rows <= 2
    assert found["slices"].sum() == len(found.slices)
    assert sum(own.models * own.epochs for own in found.slices) == 6 * 4
    assert found["models"].sum() == sum(own.models for own in found.slices)
    assert (found["seconds"] > 0).all()
    assert expected().workers_.n_rows == 0


def test_rounds_of_a_search_have_the_same_workers(processes: ProcessEngine) -> None:
    base, space = trainer(), {"l2": gs.LogUniform(1e-4, 1.0)}
    given: dict[str, Any] = {"eval_set": HELD_OUT, "random_state": 0, "rounds": [(3, 1.0), (2, 0.3)]}
    plain = gs.coarse_to_fine(base, space, X, Y, **given)
    found = gs.coarse_to_fine(base, space, X, Y, executor=processes, **given)
    assert found.results_["score"].tolist() == plain.results_["score"].tolist()
    assert [sweep.executor for sweep in found.sweeps] == [processes] * 2
    assert all(sweep.workers_.n_rows for sweep in found.sweeps)


def test_faces_train_here_alone() -> None:
    with pytest.raises(
        InvalidParameterError, match="`executor` of Sweep must be None for MLPClassifier, got 2"
    ):
        gs.Sweep(MLPClassifier(), {"alpha": [0.1]}, executor=2).fit(X, Y)


_CHILD = """
import signal, threading, time, warnings
import gradstep as gs
from gradstep.search.engines.processes import ProcessEngine
from sweep_cases import X, Y, trainer

if __name__ == "__main__":
    begun, pressed, submit, calls = threading.Event(), [], ProcessEngine.submit, []

    def told(self, call):
        calls.append(call)
        if len(calls) > 3:  # the second slices: long ones
            begun.set()
        return submit(self, call)

    def press():
        begun.wait()
        time.sleep(0.5)
        pressed.append(time.monotonic())
        signal.raise_signal(signal.SIGINT)

    ProcessEngine.submit = told
    threading.Thread(target=press, daemon=True).start()
    base = trainer(backend="auto", epochs=10_000_000, evaluate_every=1000, n_threads=1)
    sweep = gs.Sweep(base, {"l2": [0.0, 0.1]}, executor=2, random_state=0)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        sweep.fit(X, Y)
    print("took", time.monotonic() - pressed[0])
    print(sweep.interrupted_, [trial.status.value for trial in sweep.trials_])
    print([str(warning.message) for warning in told])
    print("rows", min(len(history) for history in sweep.histories_), sweep.best_trainer_.coefs_[0].shape)
"""


def test_ctrl_c_keeps_the_table_and_returns_soon(tmp_path: Path) -> None:
    script = tmp_path / "child.py"
    script.write_text(_CHILD)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([*sys.path])}
    ran = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, env=environment, timeout=120
    )
    assert ran.returncode == 0, ran.stderr
    assert "True ['interrupted', 'interrupted']" in ran.stdout
    assert "search interrupted after 0 of 2 trials; their table is kept" in ran.stdout
    assert "(5, 3)" in ran.stdout
