"""Seeds of a setting, trained on the workers of an executor: each is a task."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from gradstep.diagnostics.seeds import SeedResult, SeedTask
from gradstep.errors import ExecutorError, FailedModelsWarning
from gradstep.search.engines import opened
from gradstep.search.engines.protocol import Call
from gradstep.search.engines.scheduler import Scheduler
from gradstep.search.engines.workforce import Workforce
from gradstep.utils.warn import warn


@dataclass(eq=False)
class SeedLoad:
    """One seed, which is trained as a whole."""

    workforce: Workforce
    task: SeedTask
    seed: int
    tell: Callable[[str, int], None]
    result: SeedResult | None = None
    reason: BaseException | None = None
    done: float = 0.0
    deaths: int = 0
    size: int = field(default=1, init=False)
    last: float = field(default=1.0, init=False)
    kind: str = field(default="seed", init=False)

    def call(self, goal: float, n_threads: int) -> Call:
        """Return the task that trains it."""
        return self.workforce.call(train_seed, self.seed, n_threads)

    def take(self, value: SeedResult) -> bool:
        """Take the result; nothing is left to do."""
        self.result, self.done = value, 1.0
        self.tell(f"seed {self.seed}", 1)
        return False

    def trim(self) -> bool:
        """Return True: it needs its training."""
        return True

    def halves(self) -> tuple[Self, Self]:
        """There are none of one model."""
        raise NotImplementedError

    def fail(self, error: BaseException) -> None:
        """Note that it cannot be trained."""
        self.result, self.reason = self.task.failed(self.seed), error


def train_seed(task: SeedTask, should_stop: Callable[[], bool], seed: int, n_threads: int) -> SeedResult:
    """Train a seed where this is called."""
    return task.train(seed, n_threads)


def repeat_elsewhere(
    task: SeedTask,
    seeds: Sequence[int],
    executor: Any,
    should_stop: Callable[[], bool],
    tell: Callable[[str, int], None],
) -> list[SeedResult]:
    """Train all seeds; after Ctrl-C those that are done count.

    Raises
    ------
    ExecutorError
        The workers are not there, or cannot work together; or every seed kills them.
    KeyboardInterrupt
        No seed was done when it came.
    """
    with opened(executor) as engine, Workforce(engine, task, "`executor` of repeat") as workforce:
        scheduler = Scheduler(engine)
        loads = [SeedLoad(workforce, task, seed, tell) for seed in seeds]
        scheduler.run(loads, 1, should_stop)
        scheduler.tell_of_losses()
    failed = [load for load in loads if load.reason is not None]
    found = [load.result for load in loads if load.result is not None]
    if failed and len(failed) == len(found):
        raise ExecutorError(f"no seed of repeat can be trained; the first: {failed[0].reason}")
    if failed:
        seed, reason = failed[0].seed, failed[0].reason
        told = f"{len(failed)} of the seeds of repeat cannot be trained; the first, {seed}: {reason}"
        warn(told, FailedModelsWarning)
    if not found:
        raise scheduler.trouble or KeyboardInterrupt
    return found
