"""The frame of every page: one self-contained HTML file, written in one step."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from gradstep._version import __version__
from gradstep.errors import InvalidParameterError
from gradstep.utils.files import PAGES, check_ending, write_atomically
from gradstep.utils.text import printable


def write(
    target: Path,
    template: str,
    content: Mapping[str, Any],
    *,
    title: str,
    notes: str,
    foot: str,
    package: str = __package__,
) -> None:
    """Write the page that a template of a package makes of its content; all text is plain, and is escaped.

    Raises
    ------
    OSError
        The file cannot be written; the message names the path and the reason.
    """
    page = _templates(package).get_template(template)
    paragraphs = [text.strip() for text in re.split(r"\n\s*\n", notes)]
    frame = {
        "version": __version__,
        "title": title,
        "now": datetime.now().astimezone(),
        "notes": [text for text in paragraphs if text],
        "foot": foot,
    }
    text = page.render({**frame, **content})
    try:
        write_atomically(target, printable(text, keep="\n\r\t").encode("utf-8"))
    except OSError as error:
        reason = f"the report cannot be written: {error.strerror}"
        raise type(error)(error.errno or errno.EIO, reason, str(target)) from error


@cache
def _templates(package: str) -> Environment:
    """Return the templates of a package, which may build on those of this one."""
    loader = ChoiceLoader([PackageLoader(name) for name in dict.fromkeys((package, __package__))])
    return Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )


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
