"""Workers of Dask: killed, late, and shared by two searches."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gradstep as gs
from deadly import Deadly, cannot_open
from gradstep.errors import ExecutorError, InvalidParameterError
from gradstep.search.engines import parcels
from gradstep.search.engines.dask import DaskEngine
from searches_elsewhere import scores, search

distributed = pytest.importorskip("distributed")
dask = pytest.importorskip("dask")

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")


@contextlib.contextmanager
def client_of_two(folder: Path) -> Iterator[Any]:
    """Begin two workers in a folder of their own: they need not look for what others have left."""
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": ":0", "silence_logs": 60}
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 1}),
        distributed.LocalCluster(**options, local_directory=str(folder)) as cluster,
        distributed.Client(cluster) as made,
    ):
        yield made


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Workers of many tests, so nobody kills them."""
    with client_of_two(tmp_path_factory.mktemp("workers")) as made:
        yield made


@pytest.fixture
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Workers of one test that kills them: now and then Dask gives one up and begins no other."""
    with client_of_two(tmp_path_factory.mktemp("mortal")) as made:
        yield made


def test_a_client_trains_the_same_models_and_stays_open(client: Any) -> None:
    found, expected = (
        search(client, pruner=gs.SuccessiveHalving(2)),
        search(None, pruner=gs.SuccessiveHalving(2)),
    )
    assert scores(found) == scores(expected)
    for one, other in zip(found.best_trainer_.coefs_, expected.best_trainer_.coefs_, strict=True):
        np.testing.assert_array_equal(one, other)
    assert client.submit(abs, -1).result() == 1


def test_a_worker_that_is_killed_changes_nothing(mortal: Any) -> None:
    """SIGKILL of a whole worker while both train, by somebody outside."""
    killed: list[int] = []

    def kill(sweep: gs.Sweep) -> None:
        if not killed:
            killed.append(next(iter(mortal.run(os.getpid).values())))
            os.kill(killed[0], signal.SIGKILL)

    with pytest.warns(RuntimeWarning, match=r"1 worker was lost; what it trained was trained again"):
        found = search(mortal, callbacks=(kill,), pruner=gs.MedianStopping())
    assert len(killed) == 1
    assert scores(found) == scores(search(None, pruner=gs.MedianStopping()))


def test_a_model_that_kills_every_worker_fails_alone(mortal: Any, tmp_path: Path) -> None:
    space = [
        {"l2": [0.0], "learning_rate": [0.05]},
        {"l2": [0.5], "learning_rate": [Deadly(str(tmp_path), 99, after=2.0)]},
    ]
    with pytest.warns(RuntimeWarning) as told:
        found = search(mortal, space)
    assert any(
        "1 of the search's models cannot be trained; the first, of trial 1: " in str(w.message) for w in told
    )
    assert [trial.status.value for trial in found.trials_] == ["completed", "failed"]
    assert scores(found)[:1] == scores(search(None, [space[0]]))


def test_two_searches_on_one_client(client: Any) -> None:
    found: list[gs.Sweep] = []
    threads = [threading.Thread(target=lambda: found.append(search(client))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [scores(sweep) for sweep in found] == [scores(search(None))] * 2


def test_rows_are_sent_to_workers_that_cannot_read_them(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []
    receive = parcels.receive
    monkeypatch.setattr(parcels, "can_open", cannot_open)
    run = client.run

    def watched(function: Any, *args: Any, **options: Any) -> Any:
        if function is receive:
            sent.append(options["workers"])
        return run(function, *args, **options)

    monkeypatch.setattr(client, "run", watched)
    assert scores(search(client)) == scores(search(None))
    assert len(sent) == 1
    assert len(sent[0]) == 2


def test_clients_that_cannot_be_used(client: Any) -> None:
    other = distributed.Client(client.scheduler.address)
    other.close()
    with pytest.raises(ExecutorError, match="`executor` must be a Client that is open, got closed"):
        search(other)


def test_a_cluster_without_workers_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADSTEP_WORKER_WAIT", "0.2")
    options = {"n_workers": 0, "dashboard_address": ":0", "silence_logs": 60}
    with (
        distributed.LocalCluster(**options) as cluster,
        distributed.Client(cluster) as made,
        pytest.warns(
            RuntimeWarning, match=r"tcp://.* has no worker: the search waits for one .*, 0.20 s; the env"
        ),
        pytest.raises(ExecutorError, match=r"no worker has come to tcp://.* in 0.20 s; .*cluster.scale\(4\)"),
    ):
        search(made)


def test_an_asynchronous_client_is_refused(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(client), "asynchronous", property(lambda self: True))
    with pytest.raises(InvalidParameterError, match="must be a Client that waits, got one with async"):
        DaskEngine(client)


def test_rows_that_a_worker_has_no_memory_for_are_not_sent(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parcels, "can_open", cannot_open)
    known = client.scheduler_info()
    small = {worker: own | {"memory_limit": 1000} for worker, own in known["workers"].items()}
    monkeypatch.setattr(client, "scheduler_info", lambda **_: known | {"workers": small})
    with pytest.raises(
        ExecutorError,
        match=r"worker tcp://\S+ cannot read .* [\d,]+ bytes is too much for its memory of 1,000",
    ):
        search(client)
