"""Figures of examples: what `gradstep.plots` returns, unknown to pyplot, is a picture of the gallery.

And what is asked of every example: two of them, no warning and no file that stays.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any
from weakref import WeakSet

from matplotlib.figure import Figure
from sphinx_gallery.scrapers import figure_rst

# Those that are on a page already: a block without a value leaves the one of the block before where it was.
_shown: WeakSet[Figure] = WeakSet()
# Of the example that runs: what a warning does but in it, and the files beside it when it began.
_filters: list[warnings.catch_warnings[None]] = []
_files: list[set[Path]] = []


def scraper(block: Any, block_vars: dict[str, Any], gallery_conf: dict[str, Any], **_: Any) -> str:
    """Write the figure that is the value of a block's last line, and return the text that shows it.

    Figures that pyplot knows are left to the scraper of sphinx-gallery.
    """
    names = block_vars["example_globals"]
    value = names.get("___")
    figures = [value] if isinstance(value, Figure) else []
    if isinstance(value, list | tuple):
        figures = [own for own in value if isinstance(own, Figure)]
    # Those with a number are pyplot's. Every path that is asked for must become a picture.
    new = [own for own in figures if own not in _shown and getattr(own, "number", None) is None]
    paths = []
    for figure, path in zip(new, block_vars["image_path_iterator"], strict=False):
        _shown.add(figure)
        figure.savefig(path, format="png", dpi=150)
        paths.append(path)
    return figure_rst(paths, gallery_conf["src_dir"]) if paths else ""


def demand(gallery_conf: dict[str, Any], name: str, when: str) -> None:
    """Make an error of a warning of an example, of fewer than two figures and of a file that it leaves.

    Raises
    ------
    RuntimeError
        The file of that name has run, and shows one figure or none or leaves a file beside it.
    """
    if when == "before":
        _files.append(_beside_examples(gallery_conf))
        _filters.append(warnings.catch_warnings(action="error"))
        _filters[-1].__enter__()
        return
    _filters.pop().__exit__(None, None, None)
    if left := _beside_examples(gallery_conf) - _files.pop():
        raise RuntimeError(f"{name} must leave no file, and leaves {', '.join(map(str, sorted(left)))}")
    pictures = Path(gallery_conf["src_dir"]).glob(f"gallery/*/images/sphx_glr_{Path(name).stem}_*")
    if (shown := len(list(pictures))) < 2:
        raise RuntimeError(f"{name} must show two figures at least, and shows {shown}")


def _beside_examples(gallery_conf: dict[str, Any]) -> set[Path]:
    """Return the files in the folders that examples run in."""
    return {path for folder in gallery_conf["examples_dirs"] for path in Path(folder).rglob("*")}
