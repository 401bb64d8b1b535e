"""Which process wrote something down, and whether it still runs."""

from __future__ import annotations

import os
import socket
from pathlib import Path

_PROC = Path("/proc")  # of Linux

# What stands for what is not known.
_UNKNOWN = "-"


def this_process() -> str:
    """Return what no other process is called: host, boot, number and beginning, with spaces between them."""
    pid = os.getpid()
    return f"{socket.gethostname()} {_boot()} {pid} {_beginning(pid)}"


def in_words() -> str:
    """Return what people call this process."""
    return f"process {os.getpid()} of {socket.gethostname()}"


def has_ended(name: str) -> bool | None:
    """Return whether a process has ended; None where that cannot be known here, as of other hosts.

    Parameters
    ----------
    name : str
        What `this_process` returned there.
    """
    parts = name.rsplit(" ", 3)
    if len(parts) != 4 or parts[0] != socket.gethostname() or not parts[2].isdecimal():
        return None
    _, boot, pid, began = parts
    if boot != _boot():
        return True
    now = _beginning(int(pid))
    if _UNKNOWN not in (began, now):
        return now != began
    if os.name == "nt":  # where signal 0 is not a question
        return None
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return None
    return None if began != _UNKNOWN else False


def _boot() -> str:
    return _read(_PROC / "sys" / "kernel" / "random" / "boot_id").strip() or _UNKNOWN


def _beginning(pid: int) -> str:
    """Return when a process began, in the words of the system; "ended" where it only waits to be buried."""
    # A program's name stands in parentheses and may have spaces; the state follows, 19 fields on the time.
    fields = _read(_PROC / str(pid) / "stat").rpartition(")")[2].split()
    if len(fields) < 20:
        return _UNKNOWN
    return "ended" if fields[0] in "ZX" else fields[19]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
