"""What the terminal shows of a search: a live table, or plain lines without a terminal."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from gradstep import Sweep
    from gradstep.search.trials import Trial

# Plain lines of a search in all, evenly spread, and seconds between two states of the live table.
_PLAIN_LINES, _REFRESH = 10, 0.1


@dataclass(frozen=True)
class Standing:
    """How far a search is.

    Attributes
    ----------
    best : Trial or None
        The best so far of those that run or came to their end.
    score : float
        Its metric; NaN without one.
    statuses : Counter of str
        Models, by what they are at.
    share : float
        Of the epochs to train in all that is done, in [0, 1].
    rows_per_second : float
        Rows trained on, of every model its own.
    seconds_left : float
        At the speed so far, if no more models leave early; NaN before the first evaluation.
    """

    best: Trial | None
    score: float
    statuses: Counter[str]
    share: float
    rows_per_second: float
    seconds_left: float


def standing(sweep: Sweep, rows: int, seconds: float) -> Standing:
    """Return how far a search is that trains on so many rows and began so many seconds ago."""
    from gradstep.nn.metrics import sign
    from gradstep.training.status import Status

    statuses: Counter[str] = Counter()
    done = left = 0.0
    best, score = None, math.nan
    better = sign(sweep.metric)
    for trial in sweep.trials_:
        for fold in range(trial.folds):
            recorder = trial.recorders.get(fold)
            status = recorder.status if recorder else Status.WAITING
            seen = recorder.history.rows[-1]["epoch"] if recorder and len(recorder.history) else 0.0
            statuses[status] += 1
            done += seen
            left += 0.0 if status.is_over else trial.settings.epochs - seen
        found = math.nan if trial.status is Status.PRUNED else trial.score(sweep.metric)
        if not math.isnan(found) and not better * found >= better * score:
            best, score = trial, found
    speed = done / seconds if seconds > 0 else 0.0
    return Standing(
        best, score, statuses, done / ((done + left) or 1), rows * speed, left / speed if speed else math.nan
    )


def search_progress(
    console: Console, rows: int, *, stops_early: bool = False, quiet: bool = False
) -> SearchProgress:
    """Return a callback for Sweep, to be used in a `with`, that shows how a search goes on."""
    kind = SearchProgress if quiet else _LiveTable if console.is_terminal else _SearchLines
    return kind(console, rows, stops_early)


class SearchProgress(AbstractContextManager["SearchProgress"]):
    """A callback of Sweep: called with it after every evaluation. Shows nothing."""

    def __init__(self, console: Console, rows: int, stops_early: bool) -> None:
        self.console, self.rows, self.stops_early = console, rows, stops_early
        self.began = time.perf_counter()

    def __call__(self, sweep: Sweep) -> None:
        """Take in how far the search is."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the terminal tidy."""

    def now(self, sweep: Sweep) -> Standing:
        """Return how far the search is."""
        return standing(sweep, self.rows, time.perf_counter() - self.began)

    def time_left(self, seconds: float) -> str:
        """Return the time left in words; models that leave early will make it shorter."""
        return f"{'at most ' if self.stops_early else ''}{clock(seconds)}"


class _SearchLines(SearchProgress):
    """About ten lines, evenly spread over the work."""

    next_share = 0.0

    def __call__(self, sweep: Sweep) -> None:
        now = self.now(sweep)
        if now.share < min(self.next_share, 1.0):
            return
        self.next_share = now.share + 1 / _PLAIN_LINES
        best = (
            ""
            if now.best is None
            else f"  best {score_words(sweep.metric, now.score)}, trial {now.best.number}"
        )
        self.console.print(
            f"search  {now.share:>4.0%}  {models_words(now.statuses)}{best}"
            f"  {speed_words(now.rows_per_second)}  {self.time_left(now.seconds_left)} left"
        )


class _LiveTable(SearchProgress):
    """One table that is drawn anew in its place, and goes when all is over."""

    def __enter__(self) -> _LiveTable:
        from rich.live import Live

        self.shown = 0.0
        self.live = Live(console=self.console, auto_refresh=False, transient=True)
        self.live.start()
        return self

    def __call__(self, sweep: Sweep) -> None:
        moment = time.perf_counter()
        if moment - self.shown >= _REFRESH:
            self.shown = moment
            self.live.update(self.table(sweep), refresh=True)

    def table(self, sweep: Sweep) -> Any:
        """Return the table of this moment."""
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        now = self.now(sweep)
        table = Table.grid(padding=(0, 2))
        table.add_column(style="bright_black", no_wrap=True)
        table.add_column()
        table.add_row(
            f"search {now.share:4.0%}",
            ProgressBar(1.0, now.share, 40, complete_style="cyan", finished_style="cyan"),
        )
        if now.best is not None:
            table.add_row("best so far", f"{score_words(sweep.metric, now.score)}, trial {now.best.number}")
            table.add_row("", params_words(now.best.params))
        table.add_row("models", models_words(now.statuses))
        table.add_row("speed", speed_words(now.rows_per_second))
        table.add_row("time left", self.time_left(now.seconds_left))
        return table

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.live.stop()


def score_words(column: str, value: float) -> str:
    """Return a metric with its name, as ``validation loss 0.1262``."""
    from gradstep.nn.metrics import value_text

    return f"{column.replace('_', ' ')} {value_text(column, value)}"


def params_words(params: Mapping[str, Any]) -> str:
    """Return parameters in one line."""
    from gradstep.utils.text import short

    return ", ".join(f"{name}={short(value)}" for name, value in params.items())


def models_words(statuses: Mapping[str, int]) -> str:
    """Return how many models are at what, those that run first."""
    from gradstep.training.status import Status

    order = sorted(Status, key=lambda status: status is not Status.RUNNING)
    told = [f"{statuses[status]} {status.replace('_', ' ')}" for status in order if statuses.get(status)]
    return ", ".join(told)


def speed_words(rows_per_second: float) -> str:
    """Return rows per second in few characters.

    >>> speed_words(1.26e6), speed_words(900)
    ('1.26 M rows/s', '900 rows/s')
    """
    from gradstep.utils.text import number

    for unit, size in (("M ", 1e6), ("k ", 1e3)):
        if rows_per_second >= size:
            return f"{number(rows_per_second / size, 3)} {unit}rows/s"
    return f"{number(rows_per_second, 3)} rows/s"


def clock(seconds: float) -> str:
    """Return a time as h:mm:ss; dashes where nobody knows.

    >>> clock(71.6), clock(math.nan)
    ('0:01:12', '-:--:--')
    """
    return str(timedelta(seconds=round(seconds))) if math.isfinite(seconds) else "-:--:--"
