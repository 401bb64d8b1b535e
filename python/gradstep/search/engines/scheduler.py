"""Which models train where and for how long: a plan that is made anew whenever a worker is done.

A search is cut into loads, models that train together. A load goes to a worker for a slice, some epochs that
take a few seconds, and comes back with its state. So whoever is idle soon gets a part of what others have
left, whoever is lost has lost little, and no number of workers, slices, splits or losses changes a bit: a
slice is a pure function of what it is given.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

from gradstep.errors import ExecutorError, LostWorkersWarning
from gradstep.search.engines.protocol import Call, Engine, TaskOutcome, TaskReport
from gradstep.search.engines.waiting import wait_in_words, waiting_seconds
from gradstep.utils.warn import warn

#: Seconds of a slice: an overhead of some 30 ms is little of it, and a loss of it hurts nobody. Only what
#: comes near the end of all is shorter than a second, so that all workers end at nearly the same time.
SHORTEST, LONGEST = 0.5, 5.0

#: A slice gets a second copy when it takes so many times as long as expected, not before so many seconds.
#: Of the first slice of its kind nothing is expected; it may have code to compile.
SLOW, SLOW_SECONDS, FIRST_SECONDS = 10.0, 30.0, 300.0

#: Deaths of workers in a row, each with the same slice, that make a load suspected of being at fault. Others
#: may have been on the same worker, so suspects train one at a time: who kills again is at fault.
MOST_DEATHS = 2

# Slices that each worker is to have at least, of what is left: nobody begins a long one when others are done.
_SLICES_LEFT = 2

# Seconds of work below which a load is not cut for a worker that is idle.
_WORTH_A_CUT = 0.2

# Seconds between two looks at who is slow and who has pressed Ctrl-C.
_LOOK = 0.1

# Seconds in which lost workers usually come again.
_USUAL = 5.0

# Seconds that slices have to tell what they have done when all is to end.
_GRACE = 0.5


class Load(Protocol):
    """Models that one worker trains together, and how far they are.

    Attributes
    ----------
    deaths : int
        Workers that were lost while they trained these models.
    """

    deaths: int

    @property
    def size(self) -> int:
        """Number of models."""
        ...

    @property
    def done(self) -> float:
        """Epochs that they have done."""
        ...

    @property
    def last(self) -> float:
        """Epochs after which their training is over anyway."""
        ...

    @property
    def kind(self) -> Hashable:
        """Loads of one kind take the same time for a model and an epoch."""
        ...

    def call(self, goal: float, n_threads: int) -> Call:
        """Return the task that trains them up to the end of an epoch."""
        ...

    def take(self, value: Any) -> bool:
        """Take in what a task returned. Returns True while models are left."""
        ...

    def trim(self) -> bool:
        """Let models go that need no more training. Returns True while models are left."""
        ...

    def halves(self) -> tuple[Self, Self]:
        """Return the models in two loads, of two models or more."""
        ...

    def fail(self, error: BaseException) -> None:
        """Handle that the only model cannot be trained: it kills workers, or memory does not hold it."""
        ...


@dataclass(frozen=True)
class SliceRecord:
    """A slice that was done.

    Attributes
    ----------
    worker : str
    began, seconds : float
        Since the scheduler was made, as its engine's clock has it.
    models : int
    epochs : float
        That each of them did.
    """

    worker: str
    began: float
    seconds: float
    models: int
    epochs: float


@dataclass(eq=False)
class _Slice:
    """A slice on its way, of which there may be two copies."""

    load: Load
    goal: float
    n_threads: int
    began: float
    limit: float
    is_suspect: bool = False
    tickets: list[Hashable] = field(default_factory=list)
    is_over: bool = False


class Scheduler:
    """Trains loads on the workers of an engine.

    Parameters
    ----------
    engine : Engine
    on_slice : callable, optional
        Called without arguments after every slice. Returns True to end all.
    patience : float, optional
        Seconds to wait for workers where there are none, by default `waiting_seconds()`.

    Attributes
    ----------
    records : list of SliceRecord
        What was done, in the order of arrival.
    lost : int
        Slices that were lost with their workers, and done again.
    copies : int
        Slices that were begun a second time, for the first took too long.
    is_ended : bool
        Whether `on_slice` has ended all.
    trouble : ExecutorError, or None
        Why nobody works any more.
    """

    lost: int
    copies: int
    is_ended: bool

    def __init__(
        self, engine: Engine, on_slice: Callable[[], bool] | None = None, patience: float | None = None
    ) -> None:
        self.records: list[SliceRecord] = []
        self.lost = 0
        self.copies = 0
        self.is_ended = False
        self.trouble: ExecutorError | None = None
        self._engine = engine
        self._on_slice = on_slice
        self._patience = waiting_seconds() if patience is None else patience
        self._start = engine.now()
        # Seconds of a model and an epoch in one thread, by kind.
        self._costs: dict[Hashable, float] = {}
        self._waiting: deque[Load] = deque()
        self._running: dict[Hashable, _Slice] = {}
        self._arrived: list[Load] = []
        self._goal = 0
        self._alone_since: float | None = None
        self._has_told = False

    def run(self, loads: Iterable[Load], goal: int, should_stop: Callable[[], bool]) -> list[Load]:
        """Train loads up to the end of an epoch, or until `should_stop` says so or there is `trouble`.

        Returns
        -------
        list of Load
            What is left of them.

        Raises
        ------
        Exception
            What a task raised, unless it is a MemoryError: then its load is cut in two.
        """
        self._goal, self._arrived = goal, []
        self._waiting.extend(loads)
        try:
            while (self._waiting or self._has_work) and not self.is_ended and not self.trouble:
                if should_stop():
                    self._collect()
                    break
                self._fill()
                for outcome in self._engine.completed(_LOOK):
                    self._take(outcome)
                self._watch()
        except BaseException:
            self._let_go()
            raise
        self._let_go()
        left = self.loads
        self._waiting.clear()
        self._arrived = []
        return left

    @property
    def loads(self) -> list[Load]:
        """All that is left, each as it was before the slice that it is in."""
        running = {id(one): one.load for one in self._running.values() if not one.is_over}
        return [*self._arrived, *self._waiting, *running.values()]

    def tell_of_losses(self) -> None:
        """Warn where workers were lost."""
        lost = max(self.lost, self._engine.lost)
        if lost:
            what = "worker was lost; what it" if lost == 1 else "workers were lost; what they"
            warn(f"{lost} {what} trained was trained again", LostWorkersWarning)

    @property
    def _has_work(self) -> bool:
        return any(not one.is_over for one in self._running.values())

    def _fill(self) -> None:
        """Give every worker that is idle a slice."""
        free = self._engine.slots - len(self._running)
        if free <= 0 or not self._waiting:
            return
        seconds = self._seconds_left() / (_SLICES_LEFT * self._engine.slots)
        seconds = min(max(seconds, SHORTEST), LONGEST)
        while free > 0 and self._waiting and not self.trouble:
            self._cut_for(free)
            load = self._next()
            if load is None:
                return
            if not load.trim():
                continue
            if self._epochs_of(load) <= 0:
                self._arrived.append(load)
                continue
            groups = len(self._running) + len(self._waiting) + 1
            n_threads = min(max(1, self._engine.slots // groups), self._engine.threads)
            self._begin(load, n_threads, seconds)
            free -= 1

    def _next(self) -> Load | None:
        """Take what is to train next from what waits; None where only suspects wait for one that trains."""
        is_watched = any(one.is_suspect for one in self._running.values())
        for place, load in enumerate(self._waiting):
            if not (is_watched and load.deaths >= MOST_DEATHS):
                del self._waiting[place]
                return load
        return None

    def _cut_for(self, free: int) -> None:
        """Cut what waits in two until there is enough for all who are idle, where it is worth it."""
        while len(self._waiting) < free:
            most = max(self._waiting, key=self._seconds_of)
            if most.size < 2 or self._seconds_of(most) < _WORTH_A_CUT:
                return
            self._waiting.remove(most)
            self._waiting.extend(most.halves())

    def _epochs_of(self, load: Load) -> float:
        """Return the epochs that a load has left."""
        return min(self._goal, load.last) - load.done

    def _seconds_of(self, load: Load) -> float:
        """Return the seconds that a load has left, infinite where nothing of its kind was measured."""
        cost = self._costs.get(load.kind)
        left = load.size * self._epochs_of(load)
        return left * (float("inf") if cost is None else cost) if left > 0 else 0.0

    def _seconds_left(self) -> float:
        """Return the seconds that are left of all that was measured, in one thread."""
        loads = [*self._waiting, *(one.load for one in self._running.values() if not one.is_over)]
        return sum(seconds for load in loads if (seconds := self._seconds_of(load)) < float("inf"))

    def _begin(self, load: Load, n_threads: int, seconds: float) -> None:
        """Begin a slice of about so many seconds; where nobody knows, of one epoch."""
        cost, left = self._costs.get(load.kind), self._epochs_of(load)
        epochs, limit = 1.0, FIRST_SECONDS
        if cost is not None:
            each = cost * load.size / n_threads
            epochs = max(1.0, float(int(min(left, seconds / each))))
            # What would be a very short slice at the end is a part of this one.
            epochs = left if (left - epochs) * each < SHORTEST / 2 else epochs
            limit = max(SLOW * epochs * each, SLOW_SECONDS)
        now = self._engine.now()
        goal, is_suspect = load.done + min(epochs, left), load.deaths >= MOST_DEATHS
        one = _Slice(load, goal, n_threads, now, now + limit, is_suspect)
        try:
            self._submit(one)
        except ExecutorError as error:
            self.trouble = error
            self._waiting.appendleft(load)

    def _submit(self, one: _Slice) -> None:
        ticket = self._engine.submit(one.load.call(one.goal, one.n_threads))
        one.tickets.append(ticket)
        self._running[ticket] = one

    def _take(self, outcome: TaskOutcome) -> None:
        """Take in what became of a slice, or of a copy of it."""
        one = self._running.pop(outcome.ticket, None)
        if one is None:
            return
        one.tickets.remove(outcome.ticket)
        self.lost += outcome.deaths > 0
        if one.is_over:
            return
        if outcome.report is not None:
            self._succeed(one, outcome.report)
        elif outcome.deaths or isinstance(outcome.error, MemoryError):
            one.load.deaths += outcome.deaths
            if not one.tickets:
                self._again(one, outcome.error)
        elif outcome.error is not None:
            raise outcome.error

    def _succeed(self, one: _Slice, report: TaskReport) -> None:
        one.is_over = True
        for ticket in [*one.tickets]:
            self._drop(ticket)
        load, before = one.load, one.load.done
        size, now = load.size, self._engine.now()
        load.deaths = 0
        has_models = load.take(report.value)
        epochs = load.done - before
        if epochs > 0:
            measured = report.seconds * one.n_threads / (size * epochs)
            self._costs[load.kind] = (self._costs.get(load.kind, measured) + measured) / 2
        began = now - report.seconds - self._start
        self.records.append(SliceRecord(report.worker, began, report.seconds, size, epochs))
        if has_models and self._epochs_of(load) > 0:
            # At the front: what is begun ends before more is begun, and memory holds less.
            self._waiting.appendleft(load)
        elif has_models:
            self._arrived.append(load)
        self.is_ended |= bool(self._on_slice and self._on_slice())

    def _again(self, one: _Slice, error: BaseException | None) -> None:
        """Do a slice again from where it began: as a whole, or where it is at fault in halves."""
        one.is_over = True
        load = one.load
        if not (one.is_suspect or isinstance(error, MemoryError)):
            self._waiting.appendleft(load)
        elif load.size > 1:
            for half in load.halves():
                # One of them is at fault, and both may be.
                half.deaths = load.deaths
                self._waiting.appendleft(half)
        else:
            load.fail(error or ExecutorError("its worker was lost"))

    def _watch(self) -> None:
        """Begin a copy of what takes far too long; end all where nobody works any more."""
        now, slots = self._engine.now(), self._engine.slots
        if slots:
            self._alone_since = None
        elif self._alone_since is None:
            self._alone_since = now
        elif not self._has_told and now - self._alone_since >= _USUAL:
            self._has_told = True
            told = f"no worker is left: the search waits {wait_in_words(self._patience)}"
            warn(told, LostWorkersWarning)
        elif now - self._alone_since >= self._patience:
            self.trouble = ExecutorError(f"no worker was there for {self._patience:g} seconds")
            return
        for one in {id(one): one for one in self._running.values()}.values():
            if one.is_over or now < one.limit or len(one.tickets) > 1:
                continue
            if len(self._running) >= slots and not self._drop(one.tickets[0]):
                continue
            self.copies += 1
            # Twice as long, so that what only is slow ends at last.
            one.limit, one.began = now + 2 * (one.limit - one.began), now
            self._submit(one)

    def _drop(self, ticket: Hashable) -> bool:
        """Let a copy go that nobody waits for. Returns True when it takes no slot any more."""
        one = self._running[ticket]
        if not self._engine.cancel(ticket):
            return False
        del self._running[ticket]
        one.tickets.remove(ticket)
        return True

    def _collect(self) -> None:
        """Ask what runs to end, and take in what it has done in half a second."""
        self._engine.halt()
        end = self._engine.now() + _GRACE
        while self._has_work and self._engine.now() < end:
            for outcome in self._engine.completed(end - self._engine.now()):
                self._take(outcome)

    def _let_go(self) -> None:
        """Forget what still runs: copies of what is done, or all of it where all is to end."""
        for ticket, one in list(self._running.items()):
            if self._engine.cancel(ticket):
                self._running.pop(ticket)
            if not one.is_over:
                one.is_over = True
                self._waiting.append(one.load)
