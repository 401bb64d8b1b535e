"""What the terminal shows: the live bar of a training, plain lines without a terminal, tables."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

# A training of more rows than this is told in so many plain lines, evenly spread.
_PLAIN_LINES = 10

# Characters of the widest table.
_WIDEST = 160


def make_console(*, stderr: bool = False, quiet: bool = False) -> Console:
    """Return a console that prints text as it is: nothing is highlighted or, but for wide tables, cut.

    What a terminal would obey, as in the name of a file, is escaped.
    """
    from rich.console import Console

    from gradstep.utils.text import printable

    class PlainConsole(Console):
        def print(self, *objects: Any, **settings: Any) -> None:
            super().print(*(printable(o, "\n") if isinstance(o, str) else o for o in objects), **settings)

    stream = sys.stderr if stderr else sys.stdout
    # A file has no width.
    width = None if stream.isatty() else _WIDEST
    return PlainConsole(file=stream, quiet=quiet, highlight=False, markup=False, soft_wrap=True, width=width)


def training_progress(console: Console, label: str, epochs: int, *, quiet: bool = False) -> Progress:
    """Return a callback for Trainer, to be used in a `with`, that shows how a fit goes on."""
    kind = Progress if quiet else _LiveBar if console.is_terminal else _PlainLines
    return kind(console, label, epochs)


class Progress(AbstractContextManager["Progress"]):
    """A callback of Trainer: called with the trainer and the newest row of its history. Shows nothing."""

    def __init__(self, console: Console, label: str, epochs: int) -> None:
        self.console, self.label, self.epochs = console, label, epochs

    def __call__(self, trainer: Any, row: Mapping[str, float]) -> None:
        """Take in a row."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the terminal tidy."""


class _PlainLines(Progress):
    """One line for a row of the history, about ten in all."""

    def __init__(self, console: Console, label: str, epochs: int) -> None:
        super().__init__(console, label, epochs)
        self.next_epoch = 0.0

    def __call__(self, trainer: Any, row: Mapping[str, float]) -> None:
        from gradstep.utils.text import duration

        if row["epoch"] < min(self.next_epoch, self.epochs):
            return
        self.next_epoch = row["epoch"] + self.epochs / _PLAIN_LINES
        self.console.print(
            f"{self.label}  epoch {row['epoch']:>{len(str(self.epochs))}g}/{self.epochs}"
            f"  {_metrics(trainer, row)}  {duration(row['seconds'])}"
        )


class _LiveBar(Progress):
    """A bar that stays behind as the line that sums the training up."""

    def __enter__(self) -> _LiveBar:
        from rich import progress

        self.bar = progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(20, style="bright_black", complete_style="cyan", finished_style="cyan"),
            progress.TextColumn("{task.fields[epoch]}"),
            progress.TextColumn("{task.fields[metrics]}", style="dim"),
            progress.TimeElapsedColumn(),
            console=self.console,
        )
        self.task = self.bar.add_task(self.label, total=self.epochs, epoch=f"0/{self.epochs}", metrics="")
        self.bar.start()
        return self

    def __call__(self, trainer: Any, row: Mapping[str, float]) -> None:
        epoch = f"{row['epoch']:>{len(str(self.epochs))}.0f}/{self.epochs}"
        self.bar.update(self.task, completed=row["epoch"], epoch=epoch, metrics=_metrics(trainer, row))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.stop()


@contextmanager
def counter(console: Console, label: str, total: int) -> Iterator[Callable[[str, int], None]]:
    """Give a function to be told what is being done and how many of `total` are done since; a live bar.

    The bar goes when all is over, and without a terminal there is none.
    """
    if not console.is_terminal:
        console.print(f"{label} ...")
        yield lambda text, count: None
        return
    from rich import progress

    bar = progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(20, style="bright_black", complete_style="cyan", finished_style="cyan"),
        progress.MofNCompleteColumn(),
        progress.TimeElapsedColumn(),
        progress.TextColumn("{task.fields[text]}", style="dim"),
        console=console,
        transient=True,
    )
    task = bar.add_task(label, total=total, text="")
    with bar:
        yield lambda text, count: bar.update(task, advance=count, text=text)


def _metrics(trainer: Any, row: Mapping[str, float]) -> str:
    """Return loss and first metric of every part that was measured, as ``accuracy train 95.00 %``."""
    from gradstep.nn.metrics import SPLITS, value_text
    from gradstep.training.history import available_splits

    splits = available_splits(row)
    told = []
    for name in ("loss", *(metric.name for metric in trainer.history_.metrics[:1])):
        of_splits = {split: row[f"{split}_{name}"] for split in splits if f"{split}_{name}" in row}
        values = [f"{SPLITS[split]} {value_text(name, value)}" for split, value in of_splits.items()]
        told.append(f"{name.replace('_', ' ')} {', '.join(values)}" if values else "")
    return "  ".join(filter(None, told))


def make_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, fold: bool = False) -> Table:
    """Return a calm table: names in the first column to the left, numbers to the right.

    Where it is wider than the terminal, lines are cut, or with `fold` wrapped within their cells.
    """
    from rich import box
    from rich.table import Table

    from gradstep.utils.text import printable

    table = Table(box=box.SIMPLE_HEAD, header_style="bold", show_edge=False, pad_edge=False)
    for place, name in enumerate(columns):
        table.add_column(name, justify="right" if place else "left", no_wrap=not fold)
    for row in rows:
        table.add_row(*map(printable, row))
    return table
