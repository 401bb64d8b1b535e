"""Figures that notebooks show without being asked, and scripts where they can."""

from __future__ import annotations

import io
from os import PathLike
from typing import IO, TYPE_CHECKING, Any

import matplotlib.figure
from matplotlib.text import Text

from gradstep.errors import NoDisplayWarning
from gradstep.utils import notebook
from gradstep.utils.text import printable
from gradstep.utils.warn import warn as tell

# Pixels per inch of what a notebook gets, of which it shows so many as one.
_DPI, _DENSITY = 160, 2


class Figure(matplotlib.figure.Figure):
    """A figure of matplotlib's that pyplot does not know: drawn in any thread, shown by nothing but itself.

    A notebook shows it where it is the last value of a cell, without any magic.
    """

    if TYPE_CHECKING:  # what matplotlib has, with a type for everything

        def savefig(self, fname: str | PathLike[str] | IO[bytes], **settings: Any) -> None:
            """Write the figure to a file."""

    def draw(self, renderer: Any) -> None:
        """Draw, with escapes in place of letters that no font has."""
        for written in self.findobj(Text):
            written.set_text(printable(written.get_text(), keep="\n"))
        super().draw(renderer)

    def _repr_png_(self) -> tuple[bytes, dict[str, Any]]:
        """Return the picture that notebooks show, sharp on screens of twice the density."""
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=_DPI)
        width, height = (round(_DPI / _DENSITY * side) for side in self.get_size_inches())
        return buffer.getvalue(), {"width": width, "height": height}

    def show(self, warn: bool = True) -> None:
        """Show the figure: below the cell of a notebook, in a script in a window until that is closed.

        Parameters
        ----------
        warn : bool, default=True
            Whether to say what to do where there is neither, as on a server.
        """
        if notebook.is_running():
            notebook.show(self)
        elif not self._show_window() and warn:
            tell(
                'there is no window to show a figure in; write it to a file, as by savefig("figure.png")',
                NoDisplayWarning,
            )

    def _show_window(self) -> bool:
        """Show the figure in a window of pyplot's; return whether there are windows."""
        from matplotlib import pyplot

        stand_in = pyplot.figure(figsize=self.get_size_inches())
        canvas = stand_in.canvas
        if canvas.required_interactive_framework is None:
            pyplot.close(stand_in)
            return False
        canvas.figure = self
        self.set_canvas(canvas)
        pyplot.show()
        return True
