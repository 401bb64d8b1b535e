"""The plan of who trains what, by a clock that tells no machine's time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gradstep.errors import ExecutorError, InvalidParameterError
from gradstep.search.engines.protocol import TaskOutcome
from gradstep.search.engines.scheduler import FIRST_SECONDS, LONGEST, SLOW_SECONDS, Scheduler
from virtual_engine import VirtualEngine, VirtualLoad

# Seconds of a model and an epoch in one thread, by the models of a group, as recorded on CIFAR-10.
SOFTMAX = {1: 0.0140, 2: 0.0117, 4: 0.0110, 8: 0.0107, 16: 0.0107, 32: 0.0109, 64: 0.0113}
# The same with a hidden layer of 50 and 45,000 rows.
MLP = {1: 0.2318, 2: 0.2124, 4: 0.2075, 8: 0.2210, 16: 0.2295, 32: 0.2295, 64: 0.2295}
OVERHEAD, START = 0.035, 0.03


def never() -> bool:
    return False


def of(costs: dict[int, float]) -> Callable[[int], float]:
    """Return the seconds of an epoch of m models, between those recorded by a straight line."""

    known = {m: m * float(np.interp(m, list(costs), list(costs.values()))) for m in range(1, 65)}
    return known.__getitem__


def loads(models: int, slots: int, cost: Any, most: int = 16, starts: float = START) -> list[VirtualLoad]:
    size = min(most, max(1, models // slots))
    parts = np.array_split(np.arange(models), -(-models // size))
    return [VirtualLoad(part.tolist(), cost, starts=starts) for part in parts]


def speeds(workers: int) -> list[float]:
    return np.exp(0.1 * np.random.default_rng(workers).normal(size=workers)).tolist()


def efficiency(models: int, workers: int, cost: Any, rungs: Sequence[tuple[int, int]]) -> float:
    """Return the share of a linear speed-up, of models that are left after every rung (models, epoch)."""
    own = speeds(workers)
    engine = VirtualEngine(own, OVERHEAD)
    scheduler = Scheduler(engine)
    work, before = 0.0, 0
    found = loads(models, workers, cost)
    for left, epoch in rungs:
        survivors = {model for load in found for model in load.models if model < left}
        found = loads(len(survivors), workers, cost, starts=START)
        for load in found:
            load.done = before
        found = scheduler.run(found, epoch, never)
        assert sum(load.size for load in found) == left
        work += left * (epoch - before) * cost(16) / 16
        before = epoch
    return work / (engine.time * sum(own))


def plain(models: int, epochs: int = 40) -> list[tuple[int, int]]:
    return [(models, epochs)]


def halving(models: int, epochs: int = 40) -> list[tuple[int, int]]:
    """Return who trains up to which rung, of successive halving by 3."""
    rungs, left, epoch = [], models, 1
    while epoch < epochs:
        rungs.append((left, epoch))
        left, epoch = math.ceil(models / 3 ** len(rungs)), epoch * 3
    return [*rungs, (left, epochs)]


@pytest.mark.parametrize("workers", [2, 8, 31])
@pytest.mark.parametrize("costs", [SOFTMAX, MLP], ids=["softmax", "mlp"])
def test_workers_are_busy_while_there_are_32_models_for_each(workers: int, costs: dict[int, float]) -> None:
    assert efficiency(32 * workers, workers, of(costs), plain(32 * workers)) >= 0.95


@pytest.mark.parametrize(
    "models, workers, least",
    [
        *((1000, 2, 0.98), (1000, 8, 0.90), (1000, 32, 0.59), (1000, 128, 0.30)),
        *((5000, 2, 0.98), (5000, 8, 0.97), (5000, 32, 0.90), (5000, 128, 0.65)),
    ],
)
def test_halving_leaves_workers_as_busy_as_can_be(models: int, workers: int, least: float) -> None:
    assert efficiency(models, workers, of(MLP), halving(models)) >= least


@pytest.mark.parametrize("costs, least", [(MLP, 0.86), (SOFTMAX, 0.75)], ids=["mlp", "softmax"])
def test_many_workers_have_something_to_do(costs: dict[int, float], least: float) -> None:
    assert efficiency(1000, 128, of(costs), plain(1000)) >= least


# What may befall workers.

EPOCHS = 12


def run(
    models: int, workers: int, fate: Any = None, cost: float = 0.25, threads: int = 1, size: int = 8
) -> tuple[VirtualEngine, Scheduler, VirtualLoad]:
    """Train models in loads; return the engine, the scheduler and a load, whose lists are those of all."""
    engine = VirtualEngine([1.0] * workers, OVERHEAD, fate, threads)
    whole = VirtualLoad(list(range(models)), lambda m: cost * m)
    parts = [replace(whole, models=whole.models[i : i + size]) for i in range(0, models, size)]
    scheduler = Scheduler(engine)
    scheduler.run(parts, EPOCHS, never)
    return engine, scheduler, whole


def every(models: Iterable[int]) -> list[tuple[int, int]]:
    return [(model, epoch) for model in models for epoch in range(EPOCHS)]


@pytest.mark.parametrize("workers", [1, 2, 5, 40])
def test_every_model_does_every_epoch_once(workers: int) -> None:
    engine, scheduler, whole = run(24, workers)
    assert sorted(whole.taken) == every(range(24))
    assert (whole.failed, scheduler.lost, scheduler.copies) == ([], 0, 0)
    assert sum(record.models * record.epochs for record in scheduler.records) == 24 * EPOCHS
    assert {record.worker for record in scheduler.records} <= {f"worker {n}" for n in range(workers)}
    assert engine.busy == {}


def test_slices_take_some_seconds_and_loads_are_cut_for_who_is_idle() -> None:
    _, scheduler, _ = run(72, 2, cost=0.05, size=24)
    assert max(record.seconds for record in scheduler.records) <= LONGEST
    assert len({record.models for record in scheduler.records}) > 1
    # Of 72 x 12 x 0.05 seconds, few slices are short.
    assert len(scheduler.records) < 30


def test_a_slice_of_a_lost_worker_runs_again_as_a_whole() -> None:
    deaths = iter([None, None, "dies"])
    engine, scheduler, whole = run(24, 2, lambda *_: next(deaths, None))
    assert sorted(whole.taken) == every(range(24))
    assert (whole.failed, scheduler.lost) == ([], 1)
    models, done, *_ = engine.slices[2]
    assert any(again[:2] == (models, done) for again in engine.slices[3:])


@pytest.mark.parametrize("poison", [0, 7, 13])
@pytest.mark.parametrize("kind", ["dies", "memory"])
@pytest.mark.parametrize("since", [0, 5])
def test_a_model_that_kills_fails_and_all_others_end(poison: int, kind: str, since: int) -> None:
    def fate(models: tuple[int, ...], done: int, *_: Any) -> Any:
        is_hit = poison in models and done >= since
        return (MemoryError("no more") if kind == "memory" else kind) if is_hit else None

    _, scheduler, whole = run(24, 3, fate)
    assert whole.failed == [poison]
    others = [model for model in range(24) if model != poison]
    assert sorted(pair for pair in whole.taken if pair[0] != poison) == every(others)
    # Three times as one of eight or less, then in halves of that.
    assert scheduler.lost in ((4, 5, 6) if kind == "dies" else (0,))


def test_what_a_task_raises_ends_all() -> None:
    def fate(models: tuple[int, ...], done: int, *_: Any) -> Any:
        return ValueError("wrong") if done > 3 else None

    with pytest.raises(ValueError, match="wrong"):
        run(24, 2, fate)


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_a_worker_that_hangs_gets_a_second_copy(workers: int) -> None:
    hung: list[tuple[int, ...]] = []

    def fate(models: tuple[int, ...], done: int, *_: Any) -> Any:
        if done < 2 or hung:
            return None
        hung.append(models)
        return "hangs"

    engine, scheduler, whole = run(24, workers, fate)
    assert (len(hung), scheduler.copies, scheduler.lost) == (1, 1, 0)
    assert sorted(whole.taken) == every(range(24))
    alone = run(24, workers)[0].time
    assert engine.time < alone + 2 * max(SLOW_SECONDS, 10 * LONGEST)
    assert engine.busy == {}


def test_nothing_is_expected_of_the_first_slice_of_its_kind() -> None:
    hangs = iter(["hangs"])
    engine, scheduler, whole = run(8, 1, lambda *_: next(hangs, None))
    assert (scheduler.copies, sorted(whole.taken)) == (1, every(range(8)))
    assert engine.time > FIRST_SECONDS


def test_the_first_answer_of_two_wins() -> None:
    """A worker that is a hundred times slower answers in the end, when nobody asks any more."""
    engine = VirtualEngine([0.001, 1.0])
    engine.cancels = False
    whole = VirtualLoad(list(range(8)), lambda m: 0.5 * m)
    scheduler = Scheduler(engine)
    scheduler.run([replace(whole, models=[0, 1, 2, 3]), replace(whole, models=[4, 5, 6, 7])], EPOCHS, never)
    assert sorted(whole.taken) == every(range(8))
    assert scheduler.copies >= 1


def test_threads_are_shared_where_slots_are_left() -> None:
    engine, _, _ = run(2, 8, threads=3, size=1)
    assert {n_threads for *_, n_threads in engine.slices} == {3}
    engine, _, _ = run(64, 8, threads=3)
    assert {n_threads for *_, n_threads in engine.slices[:40]} == {1}


def test_stopping_keeps_what_slices_have_done_and_lets_others_go() -> None:
    engine = VirtualEngine([1.0, 1.0])
    whole = VirtualLoad(list(range(32)), lambda m: 0.5 * m)
    scheduler = Scheduler(engine)
    parts = [replace(whole, models=whole.models[i : i + 8]) for i in range(0, 32, 8)]
    left = scheduler.run(parts, EPOCHS, lambda: engine.time > 20)
    assert engine.halted
    assert engine.time < 21.5
    assert engine.busy == {}
    assert sorted(model for load in left for model in load.models) == list(range(32))
    done = {model: load.done for load in left for model in load.models}
    assert sorted(whole.taken) == sorted((model, epoch) for model in done for epoch in range(done[model]))
    assert sum(done.values()) > 0


def test_a_callback_ends_all() -> None:
    engine = VirtualEngine([1.0])
    answers = iter([False, True])
    scheduler = Scheduler(engine, on_slice=lambda: next(answers))
    whole = VirtualLoad(list(range(8)), lambda m: 0.5 * m)
    left = scheduler.run([whole], EPOCHS, never)
    assert (scheduler.is_ended, len(scheduler.records), len(left)) == (True, 2, 1)


def test_workers_are_waited_for_but_not_for_ever() -> None:
    engine = VirtualEngine([])
    scheduler, load = Scheduler(engine), VirtualLoad([0], float)
    words = r"no worker is left: the search waits for one to come, 5 min 0 s; .* GRADSTEP_WORKER_WAIT says"
    with pytest.warns(RuntimeWarning, match=words) as told:
        assert scheduler.run([load], EPOCHS, never) == [load]
    assert len(told) == 1
    assert isinstance(scheduler.trouble, ExecutorError)
    assert str(scheduler.trouble) == "no worker was there for 300 seconds"
    assert 300 <= engine.time < 301


def test_the_environment_says_how_long_workers_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADSTEP_WORKER_WAIT", "2.5")
    scheduler = Scheduler(VirtualEngine([]))
    scheduler.run([VirtualLoad([0], float)], EPOCHS, never)
    assert str(scheduler.trouble) == "no worker was there for 2.5 seconds"
    for told in ("soon", "-1", "nan"):
        monkeypatch.setenv("GRADSTEP_WORKER_WAIT", told)
        with pytest.raises(InvalidParameterError, match=f"GRADSTEP_WORKER_WAIT must be .* got '{told}'"):
            Scheduler(VirtualEngine([]))


def test_a_worker_that_comes_later_takes_part() -> None:
    engine = VirtualEngine([1.0])

    def come() -> bool:
        if len(engine.speeds) == 1 and engine.time > 3:
            engine.speeds.append(1.0)
        return False

    whole = VirtualLoad(list(range(16)), lambda m: 0.1 * m)
    scheduler = Scheduler(engine)
    scheduler.run([whole], EPOCHS, come)
    assert {record.worker for record in scheduler.records} == {"worker 0", "worker 1"}
    assert sorted(whole.taken) == every(range(16))


@pytest.mark.parametrize("poison", [0, 9])
def test_neighbours_of_a_model_that_kills_do_not_fail(poison: int) -> None:
    """All that is on the worker dies with it, as the threads of a process do, and is blamed as well."""
    engine = VirtualEngine([1.0] * 4, OVERHEAD)

    def together(models: tuple[int, ...], *_: Any) -> Any:
        return "dies" if poison in models else None

    def completed(seconds: float) -> list[TaskOutcome]:
        outcomes = VirtualEngine.completed(engine, seconds)
        if any(outcome.deaths for outcome in outcomes):
            for ticket in list(engine.busy):
                del engine.busy[ticket]
                outcomes.append(TaskOutcome(ticket, error=OSError("gone"), deaths=4))
        return outcomes

    engine.fate = together
    engine.completed = completed  # type: ignore[method-assign]
    whole = VirtualLoad(list(range(24)), lambda m: 0.25 * m)
    scheduler = Scheduler(engine)
    scheduler.run([replace(whole, models=whole.models[i : i + 4]) for i in range(0, 24, 4)], EPOCHS, never)
    assert whole.failed == [poison]
    assert sorted(whole.taken) == every(model for model in range(24) if model != poison)
