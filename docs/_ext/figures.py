"""Figures of examples: what `gradstep.plots` returns, unknown to pyplot, is a picture of the gallery."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure
from sphinx_gallery.scrapers import figure_rst


def scraper(block: Any, block_vars: dict[str, Any], gallery_conf: dict[str, Any], **_: Any) -> str:
    """Write the figure that is the value of a block's last line, and return the text that shows it.

    Figures that pyplot knows are left to the scraper of sphinx-gallery.
    """
    names = block_vars["example_globals"]
    value = names.get("___")
    figures = [value] if isinstance(value, Figure) else []
    if isinstance(value, list | tuple):
        figures = [own for own in value if isinstance(own, Figure)]
    names.pop("___", None)
    paths = []
    for figure, path in zip(figures, block_vars["image_path_iterator"], strict=False):
        if getattr(figure, "number", None) is not None:  # pyplot has given it one
            continue
        figure.savefig(path, format="png", dpi=150)
        paths.append(path)
    return figure_rst(paths, gallery_conf["src_dir"]) if paths else ""
