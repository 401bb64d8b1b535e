"""How a training goes on, for who watches: a live bar, or plain lines."""

from __future__ import annotations

from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from gradstep.nn.metrics import SPLITS, value_text
from gradstep.training.history import History, available_splits
from gradstep.utils import text
from gradstep.utils.progress import PLAIN_LINES, Display, is_live, make_bar, make_console

if TYPE_CHECKING:
    from rich.console import Console


class FitProgress(AbstractContextManager["FitProgress"]):
    """Is told of every new row of a history, from the beginning to the end of a `with`. Shows nothing."""

    def __enter__(self) -> Self:
        return self

    def on_row(self, history: History) -> None:
        """Take in the last row."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the terminal tidy."""


def of_verbose(verbose: int, epochs: int) -> FitProgress:
    """Return what `verbose` asks for: 1 is a bar or about ten lines, 2 a line for every row."""
    if not verbose:
        return FitProgress()
    console = make_console()
    return FitLines(console, "", epochs, all_rows=True) if verbose > 1 else on_console(console, "", epochs)


def on_console(console: Console, label: str, epochs: int) -> FitProgress:
    """Return a bar where the console can draw one, else about ten lines."""
    return _FitBar(console, label, epochs) if is_live(console) else FitLines(console, label, epochs)


class FitLines(FitProgress):
    """A line for a row of the history: about ten in all, evenly spread, or one for every row.

    Parameters
    ----------
    console : Console
    label : str
        Stands before every line.
    epochs : int
        Of the training.
    all_rows : bool, default=False
    """

    def __init__(self, console: Console, label: str, epochs: int, *, all_rows: bool = False) -> None:
        self._console, self._label, self._epochs = console, label, epochs
        self._step = 0.0 if all_rows else epochs / PLAIN_LINES
        self._next = 0.0

    def on_row(self, history: History) -> None:
        """Print the last row, if it is its turn."""
        row = history.rows[-1]
        if row["epoch"] < min(self._next, self._epochs):
            return
        self._next = row["epoch"] + self._step
        label = f"{self._label}  " if self._label else ""
        self._console.print(
            f"{label}epoch {row['epoch']:>{len(str(self._epochs))}g}/{self._epochs}"
            f"  {metric_words(history)}  {text.duration(row['seconds'])}"
        )


class _FitBar(FitProgress):
    """A bar that stays behind as the line that sums the training up."""

    def __init__(self, console: Console, label: str, epochs: int) -> None:
        from rich import progress

        self._epochs = epochs
        columns: list[Any] = [
            progress.TextColumn("{task.fields[epoch]}"),
            progress.TextColumn("{task.fields[metrics]}", style="dim"),
        ]
        self._bar = make_bar(*columns)
        self._task = self._bar.add_task(label or "fit", total=epochs, epoch=f"0/{epochs}", metrics="")
        self._display = Display(console, self._bar.get_renderable)

    def __enter__(self) -> Self:
        self._display.__enter__()
        return self

    def on_row(self, history: History) -> None:
        """Draw the bar as long as the last row says."""
        done = history.rows[-1]["epoch"]
        epoch = f"{done:>{len(str(self._epochs))}.0f}/{self._epochs}"
        self._bar.update(self._task, completed=done, epoch=epoch, metrics=metric_words(history))
        self._display.refresh()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop_task(self._task)
        self._display.__exit__(kind, error, trace)


def metric_words(history: History) -> str:
    """Return loss and first metric of every split in the last row, as ``accuracy train 95.00%``."""
    row = history.rows[-1]
    splits = available_splits(row)
    told = []
    for name in ("loss", *(metric.name for metric in history.metrics[:1])):
        of_splits = {split: row[f"{split}_{name}"] for split in splits if f"{split}_{name}" in row}
        values = [f"{SPLITS[split]} {value_text(name, value)}" for split, value in of_splits.items()]
        told.append(f"{name.replace('_', ' ')} {', '.join(values)}" if values else "")
    return "  ".join(filter(None, told))
