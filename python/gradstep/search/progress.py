"""How a search goes on, for who watches: a live table, or plain lines."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from gradstep.nn.metrics import sign, value_text
from gradstep.search.trials import Trial
from gradstep.training.status import Status
from gradstep.utils import notebook, text
from gradstep.utils.progress import PLAIN_LINES, Display, is_live, make_console
from gradstep.utils.table import Tabular

if TYPE_CHECKING:
    from rich.console import Console


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


def standing(trials: Sequence[Trial], metric: str | None, rows: int, seconds: float) -> Standing:
    """Return how far a search is that trains on so many rows and began so many seconds ago.

    Nothing is the best where there is no `metric` to judge by.
    """
    statuses: Counter[str] = Counter()
    done = left = 0.0
    best, score = None, math.nan
    for trial in trials:
        for fold in range(trial.folds):
            recorder = trial.recorders.get(fold)
            status = recorder.status if recorder else Status.WAITING
            seen = recorder.history.rows[-1]["epoch"] if recorder and len(recorder.history) else 0.0
            statuses[status] += 1
            done += seen
            left += 0.0 if status.is_over else trial.settings.epochs - seen
        found = math.nan if metric is None or trial.status is Status.PRUNED else trial.score(metric)
        better = 1.0 if metric is None else sign(metric)
        if not math.isnan(found) and not better * found >= better * score:
            best, score = trial, found
    speed = done / seconds if seconds > 0 else 0.0
    return Standing(
        best, score, statuses, done / ((done + left) or 1), rows * speed, left / speed if speed else math.nan
    )


class SearchProgress(AbstractContextManager["SearchProgress"]):
    """Is told of every evaluation, from the beginning to the end of a `with`. Shows nothing.

    Parameters
    ----------
    console : Console
    metric : str, or None
        Column by which trials are ranked.
    stops_early : bool, default=False
        Whether models may leave before their last epoch.
    """

    console: Console
    metric: str | None
    stops_early: bool
    began: float

    def __init__(self, console: Console, metric: str | None, *, stops_early: bool = False) -> None:
        self.console, self.metric, self.stops_early = console, metric, stops_early
        self.began = time.perf_counter()
        self.followers: list[Callable[[Sequence[Trial]], None]] = []

    @property
    def is_shown(self) -> bool:
        """Whether anybody watches."""
        return type(self) is not SearchProgress

    def __enter__(self) -> Self:
        return self

    def say(self, line: str) -> None:
        """Print a line, above what is drawn."""

    def conclude(self, table: Tabular) -> None:
        """Show what came out, in a notebook as the table that it is."""
        if notebook.is_running():
            notebook.show(table)
        else:
            self.say(f"\n{table}")

    def tell(self, trials: Sequence[Trial], rows: int) -> None:
        """Show how far the search is, and tell it the followers."""
        self.show(trials, rows)
        for follow in self.followers:
            follow(trials)

    def show(self, trials: Sequence[Trial], rows: int) -> None:
        """Take in how far the search is, which trains on so many rows."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the terminal tidy."""

    def now(self, trials: Sequence[Trial], rows: int) -> Standing:
        """Return how far the search is."""
        return standing(trials, self.metric, rows, time.perf_counter() - self.began)

    def time_left(self, seconds: float) -> str:
        """Return the time left in words; models that leave early will make it shorter."""
        return f"{'at most ' if self.stops_early else ''}{clock(seconds)}"


def of_verbose(verbose: int, metric: str | None, *, stops_early: bool = False) -> SearchProgress:
    """Return what `verbose` asks for on standard output."""
    return on_console(make_console(), metric, stops_early=stops_early, quiet=not verbose)


def on_console(
    console: Console, metric: str | None, *, stops_early: bool = False, quiet: bool = False
) -> SearchProgress:
    """Return a table where the console can draw one, else about ten lines."""
    kind = SearchProgress if quiet else _LiveTable if is_live(console) else _SearchLines
    return kind(console, metric, stops_early=stops_early)


class _SearchLines(SearchProgress):
    """About ten lines, evenly spread over the work."""

    next_share = 0.0

    def say(self, line: str) -> None:
        """Print a line."""
        self.console.print(line)

    def show(self, trials: Sequence[Trial], rows: int) -> None:
        """Print how far the search is, if it is time."""
        now = self.now(trials, rows)
        if now.share < min(self.next_share, 1.0):
            return
        self.next_share = now.share + 1 / PLAIN_LINES
        best = ""
        if now.best is not None and self.metric is not None:
            best = f"  best {score_words(self.metric, now.score)}, trial {now.best.number}"
        self.console.print(
            f"search  {now.share:>4.0%}  {models_words(now.statuses)}{best}"
            f"  {speed_words(now.rows_per_second)}  {self.time_left(now.seconds_left)} left"
        )


class _LiveTable(SearchProgress):
    """One table that is drawn anew in its place, and goes when all is over."""

    def __enter__(self) -> Self:
        self._now: Standing | None = None
        self._display = Display(self.console, self.table, transient=True)
        self._display.__enter__()
        return self

    def say(self, line: str) -> None:
        """Print a line above the table."""
        self.console.print(line)

    def show(self, trials: Sequence[Trial], rows: int) -> None:
        """Draw how far the search is."""
        self._now = self.now(trials, rows)
        self._display.refresh()

    def table(self) -> Any:
        """Return the table of this moment."""
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        now = self._now
        share = now.share if now else 0.0
        table = Table.grid(padding=(0, 2))
        table.add_column(style="bright_black", no_wrap=True)
        table.add_column()
        table.add_row(
            f"search {share:4.0%}",
            ProgressBar(1.0, share, 40, complete_style="cyan", finished_style="cyan"),
        )
        if now and now.best is not None and self.metric is not None:
            table.add_row("best so far", f"{score_words(self.metric, now.score)}, trial {now.best.number}")
            table.add_row("", params_words(now.best.params))
        if now:
            table.add_row("models", models_words(now.statuses))
            table.add_row("speed", speed_words(now.rows_per_second))
        table.add_row("time", clock(time.perf_counter() - self.began))
        if now:
            table.add_row("time left", self.time_left(now.seconds_left))
        return table

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._display.__exit__(kind, error, trace)


def score_words(column: str, value: float) -> str:
    """Return a metric with its name, as ``validation loss 0.1262``."""
    return f"{column.replace('_', ' ')} {value_text(column, value)}"


def params_words(params: Mapping[str, Any]) -> str:
    """Return parameters in one line."""
    return ", ".join(f"{name}={text.short(value)}" for name, value in params.items())


def models_words(statuses: Mapping[str, int]) -> str:
    """Return how many models are at what, those that run first."""
    order = sorted(Status, key=lambda status: status is not Status.RUNNING)
    told = [f"{statuses[status]} {status.replace('_', ' ')}" for status in order if statuses.get(status)]
    return ", ".join(told)


def speed_words(rows_per_second: float) -> str:
    """Return rows per second in few characters.

    >>> speed_words(1.26e6), speed_words(900)
    ('1.26 M rows/s', '900 rows/s')
    """
    for unit, size in (("M ", 1e6), ("k ", 1e3)):
        if rows_per_second >= size:
            return f"{text.number(rows_per_second / size, 3)} {unit}rows/s"
    return f"{text.number(rows_per_second, 3)} rows/s"


def clock(seconds: float) -> str:
    """Return a time as h:mm:ss; dashes where nobody knows.

    >>> clock(71.6), clock(math.nan)
    ('0:01:12', '-:--:--')
    """
    return str(timedelta(seconds=round(seconds))) if math.isfinite(seconds) else "-:--:--"
