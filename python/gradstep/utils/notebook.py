"""Notebooks: whether this process is one's kernel, and how it shows what changes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any


def is_running() -> bool:
    """Return whether this process is the kernel of a notebook."""
    # Who has not imported IPython runs in none.
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return getattr(shell, "kernel", None) is not None


def show(value: Any) -> None:
    """Show a value below the cell that runs."""
    from IPython.display import display

    display(value)


def show_in_place(bundle: dict[str, str]) -> Callable[[dict[str, str]], None]:
    """Show something below the cell that runs, and return what puts something else in its place.

    Parameters
    ----------
    bundle : dict of str to str
        By MIME type, as ``{"text/plain": "half done"}``.
    """
    from IPython.display import display

    handle = display(bundle, raw=True, display_id=True)
    return lambda other: handle.update(other, raw=True)
