"""The drop-in benchmark without a clock: its jobs, what it says of them, and a worker at its work."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse

from benchmarks.dropin import measure, rows
from benchmarks.dropin.jobs import DROPIN_JOBS
from benchmarks.dropin.measure import Measured
from benchmarks.dropin.peers import PEERS, Peer
from benchmarks.dropin.programs import PROGRAMS
from benchmarks.solvers import CannotSolve
from gradstep.sklearn.patching import FACES


def test_jobs_name_what_there_is() -> None:
    for name, job in DROPIN_JOBS.items():
        assert job.name == name
        assert job.kind in PROGRAMS
        assert job.estimator in FACES
        assert callable(getattr(rows, job.data))
        quick = job.quick()
        assert quick.calls <= job.calls
        assert quick.parameters["max_iter"] <= job.parameters.get("max_iter", 200)
        assert all(job.reach_of(precision) >= 1 for precision in job.precisions())
    assert DROPIN_JOBS["grid-search"].precisions() == ["float32"]


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("name", ["digits", "values"])
def test_rows_have_their_type(name: str, precision: str) -> None:
    split = rows.load(name, precision)
    assert split.X.dtype == split.X_test.dtype == precision
    assert len(split.X) == len(split.y)
    assert len(split.X_test) == len(split.y_test)
    assert split.y.dtype == (precision if name == "values" else np.int64)


def test_texts_are_sparse_and_every_class_is_there() -> None:
    split = rows.load("texts", "float32")
    assert scipy.sparse.issparse(split.X)
    assert split.X.shape == (20_000, 30_000)
    assert split.X.nnz < 3e6
    assert len(np.unique(split.y)) == 20


SECONDS = {
    "gradstep": [1.0, 2.0, 9.0],
    "scikit-learn 1": [18.0, 20.0, 22.0],
    "scikit-learn 2": [13.0, 14.0, 30.0],
    "torch": [6.0],
}
SCORES = {"gradstep": [0.9, 0.92], "scikit-learn 1": [0.91, 0.92], "torch": [0.9]}


def measured(**changes: Any) -> Measured:
    found = Measured("digits", "float32", 2, {}, seconds=dict(SECONDS), scores=dict(SCORES))
    return replace(found, **changes)


def test_the_faster_of_theirs_counts() -> None:
    assert measured().theirs() == "scikit-learn 2"
    assert measured().times() == 7.0
    line = measure.table([measured()]).splitlines()[-1]
    assert line == (
        "| digits | float32 | 2.00 s | 14.0 s (2) | 7.00 x | 6 x | reached | 0.9100 | - | "
        "6.00 s, 3.00 x | - | - |"
    )
    slower = {**SECONDS, "gradstep": [2.4]}
    assert "| 5.83 x | 6 x | not reached |" in measure.table([measured(seconds=slower)])


def test_what_is_wrong_or_not_there_has_no_verdict() -> None:
    problems = {"gradstep": "failed: ValueError: no"}
    alone = {"scikit-learn 1": [1.0]}
    line = measure.table([measured(seconds=alone, scores={}, problems=problems)]).splitlines()[-1]
    assert (
        line == "| digits | float32 | - | 1.00 s (1) |  | 6 x | failed: ValueError: no | - | - | - | - | - |"
    )
    assert measured(seconds={}).times() is None


def test_results_are_kept_by_job_and_type(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "dropin.json"
    other, newer = measured(precision="float64"), measured(threads=1)
    measure.write([measured(), other], path)
    measure.write([newer], path)
    assert measure.read(path) == [newer, other]
    assert measure.read(tmp_path / "none.json") == []


class FakeWorker:
    """Says what a library's scores are, and takes as many seconds as its name has letters."""

    scores: dict[str, Any]

    def __init__(self, order: Any, module: str) -> None:
        self.library = order.library
        found = self.scores[order.library]
        self.prepared = {"problem": found} if isinstance(found, str) else {"scores": found}

    def round(self) -> float:
        return float(len(self.library))

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    "ours, problem",
    [
        ([0.9, 0.904], None),
        ([0.9, 0.89], "wrong: the mean score differs by -0.0060"),
        ("failed: no", "failed: no"),
    ],
)
def test_scores_are_compared(ours: Any, problem: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = {"gradstep": ours, "scikit-learn": [0.9, 0.902], **dict.fromkeys(PEERS, "left out: it")}
    monkeypatch.setattr(FakeWorker, "scores", scores, raising=False)
    monkeypatch.setattr(measure, "Worker", FakeWorker)
    monkeypatch.setattr(measure, "PAUSE", 0)
    found = measure.measure("digits", "float32", threads=2, rounds=2, quick=False)
    assert found.problems.get("gradstep") == problem
    assert set(PEERS) <= set(found.problems)
    assert found.seconds["scikit-learn 2"] == [12.0, 12.0]
    assert ("gradstep" in found.seconds) == (not isinstance(ours, str))


@pytest.mark.parametrize("name", ["digits", "regression", "sparse", "partial_fit", "grid-search"])
@pytest.mark.parametrize("library", PEERS)
def test_peers_leave_out_what_they_have_no_solver_for(name: str, library: str) -> None:
    with pytest.raises(CannotSolve):
        Peer(DROPIN_JOBS[name], library, "float32")


def test_a_worker_scores_and_times(monkeypatch: pytest.MonkeyPatch) -> None:
    both = {"gradstep": ("gradstep", 1), "scikit-learn 1": ("scikit-learn", 1)}
    monkeypatch.setattr(measure, "libraries", lambda threads: both)
    found = measure.measure("predict-one", "float64", threads=1, rounds=1, quick=True)
    assert found.problems == {}
    assert [len(seconds) for seconds in found.seconds.values()] == [1, 1]
    # From the same seed, in the same type, by the same rules.
    np.testing.assert_allclose(found.scores["gradstep"], found.scores["scikit-learn 1"], atol=0.01)
