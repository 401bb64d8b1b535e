"""Figures of examples: what `gradstep.plots` returns, unknown to pyplot, is a picture of the gallery."""

from __future__ import annotations

from typing import Any
from weakref import WeakSet

from matplotlib.figure import Figure
from sphinx_gallery.scrapers import figure_rst

# Those that are on a page already: a block without a value leaves the one of the block before where it was.
_shown: WeakSet[Figure] = WeakSet()


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
