"""Workers of Ray: killed, and sent what they cannot read."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gradstep as gs
from deadly import Deadly
from gradstep.errors import ExecutorError
from gradstep.search.engines.parcels import pack
from gradstep.search.engines.ray import RayEngine
from searches_elsewhere import scores, search
from sweep_cases import trainer

ray = pytest.importorskip("ray")

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::FutureWarning")


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """Start two workers, which find the tests' own modules where this process does."""
    paths = os.pathsep.join(
        str(Path(found).parent) for found in (trainer.__code__.co_filename, gs.__path__[0])
    )
    options = {"include_dashboard": False, "log_to_driver": False, "logging_level": "error"}
    ray.init(
        num_cpus=2, object_store_memory=10**8, runtime_env={"env_vars": {"PYTHONPATH": paths}}, **options
    )
    yield
    ray.shutdown()


def test_a_cluster_is_connected_to_first() -> None:
    with pytest.raises(ExecutorError, match=r"needs a cluster: call ray\.init\(\) before the search"):
        search("ray")


@pytest.mark.usefixtures("cluster")
def test_ray_trains_the_same_models_and_stays() -> None:
    found = search("ray", pruner=gs.SuccessiveHalving(2))
    expected = search(None, pruner=gs.SuccessiveHalving(2))
    assert scores(found) == scores(expected)
    for one, other in zip(found.best_trainer_.coefs_, expected.best_trainer_.coefs_, strict=True):
        np.testing.assert_array_equal(one, other)
    assert str(os.getpid()) not in " ".join(found.workers_["worker"])
    assert ray.is_initialized()


@pytest.mark.usefixtures("cluster")
def test_a_worker_that_is_killed_changes_nothing(tmp_path: Path) -> None:
    killed = tmp_path / "killed"

    def space(folder: Path) -> dict[str, Any]:
        return {"l2": [0.0, 0.1], "learning_rate": [0.1, Deadly(str(folder), 1)]}

    killed.mkdir()
    with pytest.warns(RuntimeWarning, match=r"1 worker was lost; what it trained was trained again"):
        found = search("ray", space(killed))
    assert len(list(killed.iterdir())) == 1
    assert scores(found) == scores(search(None, space(killed)))


@pytest.mark.usefixtures("cluster")
def test_a_model_that_kills_every_worker_fails_alone(tmp_path: Path) -> None:
    rates = [0.05, Deadly(str(tmp_path), 99)]
    space = [{"l2": [l2], "learning_rate": [rate]} for l2, rate in zip((0.0, 0.5), rates, strict=True)]
    with pytest.warns(RuntimeWarning) as told:
        found = search("ray", space)
    assert any("1 of the search's models cannot be trained" in str(own.message) for own in told)
    assert [trial.status.value for trial in found.trials_] == ["completed", "failed"]
    assert scores(found)[:1] == scores(search(None, [space[0]]))


@pytest.mark.usefixtures("cluster")
def test_a_worker_is_sent_what_it_cannot_read(tmp_path: Path) -> None:
    rows = np.arange(10_000.0)
    engine, parcel = RayEngine(), pack({"rows": rows}, tmp_path, "`executor` of Sweep")
    engine.share(parcel)
    Path(parcel.path).unlink()
    tickets = [engine.submit((Parcels(parcel), ())) for _ in range(2)]
    found = [engine.completed(60.0) for _ in tickets]
    assert [outcome.report for outcomes in found for outcome in outcomes] == [rows.sum()] * 2
    engine.release()


@pytest.mark.usefixtures("cluster")
def test_what_a_task_raises_is_told_from_a_lost_worker(tmp_path: Path) -> None:
    engine = RayEngine()
    engine.share(pack(None, tmp_path, "`executor` of Sweep"))
    for task, kind, deaths in ((raises, ZeroDivisionError, 0), (dies, ray.exceptions.RayError, 1)):
        ticket = engine.submit((task, ()))
        (outcome,) = engine.completed(60.0)
        assert (outcome.ticket, outcome.deaths) == (ticket, deaths)
        assert isinstance(outcome.error, kind)


@pytest.mark.usefixtures("cluster")
def test_a_task_that_is_let_go_has_no_outcome(tmp_path: Path) -> None:
    engine = RayEngine()
    engine.share(pack(None, tmp_path, "`executor` of Sweep"))
    ticket = engine.submit((waits, ()))
    assert engine.completed(0.2) == []
    assert engine.cancel(ticket)
    assert engine.completed(0.0) == []
    assert engine.slots == 2


class Parcels:
    """A task that adds up the rows of a parcel."""

    def __init__(self, parcel: Any) -> None:
        self.parcel = parcel

    def __call__(self) -> float:
        return float(self.parcel.open()["rows"].sum())


def raises() -> None:
    raise ZeroDivisionError


def dies() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def waits() -> None:
    signal.pause()
