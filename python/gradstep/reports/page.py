"""The frame of every page: one self-contained HTML file, written in one step."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterable
from datetime import datetime
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template

from gradstep._version import __version__
from gradstep.errors import InvalidParameterError
from gradstep.utils.files import PAGES, check_ending, write_atomically
from gradstep.utils.text import printable


def write(target: Path, *, title: str, notes: str, sections: Iterable[str], foot: str) -> None:
    """Write the page; `title` and `notes` are plain text, `sections` and `foot` HTML.

    Raises
    ------
    OSError
        The file cannot be written; the message names the path and the reason.
    """
    now = datetime.now().astimezone()
    text = Template(files(__package__).joinpath("template.html").read_text("utf-8")).substitute(
        version=escape(__version__),
        title=escape(title),
        date=f'<time datetime="{now.isoformat(timespec="seconds")}">{now.day} {now:%B %Y, %H:%M}</time>',
        notes=_paragraphs(notes),
        body="\n".join(section for section in sections if section),
        build=foot,
    )
    try:
        write_atomically(target, printable(text, keep="\n\r\t").encode("utf-8"))
    except OSError as error:
        reason = f"the report cannot be written: {error.strerror}"
        raise type(error)(error.errno or errno.EIO, reason, str(target)) from error


def section(heading: str, content: str, anchor: str = "") -> str:
    """Return content, which is HTML, under a heading; nothing where there is none."""
    name = f' id="{anchor}"' if anchor else ""
    return f"<section{name}>\n<h2>{heading}</h2>\n{content}\n</section>" if content else ""


def checked(path: str | os.PathLike[str], owner: str) -> Path:
    """Return `path` of `owner` as a path that a page can be written to, as far as one can tell."""
    try:
        target = Path(path)
    except TypeError as error:
        raise InvalidParameterError(f"`path` of {owner} must be a path, got {path!r}") from error
    if target.is_dir():
        raise InvalidParameterError(f"`path` of {owner} must be a file, got the folder {target}")
    check_ending(target, PAGES, f"`path` of {owner}")
    if not target.parent.is_dir():
        raise InvalidParameterError(f"`path` of {owner} must lie in a folder that exists, got {target}")
    return target


def _paragraphs(notes: str) -> str:
    texts = [text.strip() for text in re.split(r"\n\s*\n", notes)]
    paragraphs = "".join(f"<p>{escape(text)}</p>" for text in texts if text)
    return f'<div class="notes">{paragraphs}</div>' if paragraphs else ""
