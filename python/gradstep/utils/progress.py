"""Work that goes on for a while, shown as it goes on: in place where that can be, else in plain lines."""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from gradstep.utils import notebook
from gradstep.utils.text import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

# Characters of the widest table, and of what a notebook shows; pictures a second on a terminal.
_WIDEST, _NOTEBOOK_WIDTH, _PER_SECOND = 160, 110, 8

#: Work of more steps than this is told in so many plain lines, evenly spread.
PLAIN_LINES = 10


def make_console(*, stderr: bool = False, quiet: bool = False) -> Console:
    """Return a console that prints text as it is: nothing is highlighted or, but for wide tables, cut.

    What a terminal would obey, as in the name of a file, is escaped.
    """
    from rich.console import Console

    class PlainConsole(Console):
        def print(self, *objects: Any, **settings: Any) -> None:
            super().print(*(printable(o, "\n") if isinstance(o, str) else o for o in objects), **settings)

    stream = sys.stderr if stderr else sys.stdout
    # Python has None for a stream that was closed before it began; a file has no width. What a notebook has
    # calls itself a terminal, but does not obey what moves the cursor of one.
    is_closed, is_notebook = stream is None, notebook.is_running()
    width = None if not is_closed and stream.isatty() and not is_notebook else _WIDEST
    return PlainConsole(
        file=io.StringIO() if is_closed else stream,
        quiet=quiet or is_closed,
        highlight=False,
        markup=False,
        soft_wrap=True,
        width=width,
        force_terminal=False if is_notebook else None,
        force_jupyter=False,
    )


def is_live(console: Console) -> bool:
    """Return whether what a console shows can be drawn anew in its place."""
    return (console.is_terminal and not console.is_dumb_terminal) or notebook.is_running()


class Display(AbstractContextManager["Display"]):
    """Draws something anew in its place, in a terminal or below the cell of a notebook.

    On a terminal it is drawn several times a second, so that clocks go on between the updates.

    Parameters
    ----------
    console : Console
    render : callable
        Returns what to draw, at any moment and in any thread.
    transient : bool, default=False
        Whether it goes from a terminal when the work is over. A notebook keeps it.
    """

    def __init__(self, console: Console, render: Callable[[], Any], transient: bool = False) -> None:
        self._render = render
        self._console, self._transient = console, transient
        self._live: Any = None
        self._show: Callable[[dict[str, str]], None] | None = None

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            from rich.live import Live

            # Who draws in another thread must not put things in the place of standard output.
            is_main = threading.current_thread() is threading.main_thread()
            self._live = Live(
                console=self._console,
                get_renderable=self._render,
                refresh_per_second=_PER_SECOND,
                transient=self._transient,
                redirect_stdout=is_main,
                redirect_stderr=is_main,
            )
            self._live.start(refresh=True)
        else:
            self._show = notebook.show_in_place(self._bundle())
        return self

    def refresh(self) -> None:
        """Draw what has changed; a terminal does that by itself."""
        if self._show:
            self._show(self._bundle())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()
        self.refresh()

    def _bundle(self) -> dict[str, str]:
        """Return what is drawn as text alone."""
        from rich.console import Console

        page = Console(file=io.StringIO(), width=_NOTEBOOK_WIDTH, force_jupyter=False, color_system=None)
        with page.capture() as captured:
            page.print(self._render())
        return {"text/plain": captured.get().rstrip()}


def make_bar(*after: Any) -> Progress:
    """Return a bar behind its description, with these columns after it and the time that has passed."""
    from rich import progress

    return progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(20, style="bright_black", complete_style="cyan", finished_style="cyan"),
        *after,
        progress.TimeElapsedColumn(),
        auto_refresh=False,
    )


@contextmanager
def counter(
    console: Console, label: str, total: int, *, quiet: bool = False
) -> Iterator[Callable[[str, int], None]]:
    """Give a function to be told what is being done and how many of `total` are done since the last call.

    A live bar that goes when all is over, or a line for everything that is begun.
    """
    if quiet:
        yield lambda text, count: None
    elif is_live(console):
        from rich import progress

        bar = make_bar(progress.MofNCompleteColumn(), progress.TextColumn("{task.fields[text]}", style="dim"))
        task = bar.add_task(label, total=total, text="")
        with Display(console, bar.get_renderable, transient=True) as display:

            def tell(text: str, count: int) -> None:
                bar.update(task, advance=count, text=text)
                display.refresh()

            yield tell
    else:
        console.print(f"{label} ...")
        yield _CountedLines(console, label, total)


class _CountedLines:
    """A line for everything that is begun."""

    def __init__(self, console: Console, label: str, total: int) -> None:
        self._console, self._label, self._total = console, label, total
        self._done, self._said = 0, ""

    def __call__(self, text: str, count: int) -> None:
        self._done += count
        if text and text != self._said:
            self._said = text
            width = len(str(self._total))
            self._console.print(f"{self._label}  {self._done:>{width}}/{self._total}  {text}")
