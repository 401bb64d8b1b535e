"""The report's curves and figures as inline SVG, and its weight images as inline PNG."""

from __future__ import annotations

import base64
import io
import re
import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
from markupsafe import Markup
from matplotlib import colormaps, style
from matplotlib.figure import Figure
from matplotlib.image import imsave

from gradstep.plots.images import weight_pictures
from gradstep.plots.panels import Panel, View, draw_panel, panel_columns, panels
from gradstep.plots.runs import legend_entries
from gradstep.reports.parts import CurvePanels, Drawing, InlineImage, LegendLine, WeightImages
from gradstep.reports.runs import Images, Run, css
from gradstep.training.history import History

#: Inches of a figure that takes half the width of a page, and can be read on a phone.
HALF = (5.4, 3.8)

# How SVG is written is a matter of matplotlib's global settings: one thread at a time changes them.
_SETTINGS_LOCK = threading.Lock()
_SETTINGS = {"svg.fonttype": "none", "svg.hashsalt": "gradstep", "font.sans-serif": ["DejaVu Sans"]}
_NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))


def curves(
    histories: Mapping[str, History], prefix: str = "", best: Collection[str] | None = None
) -> CurvePanels:
    """Return the legend and one SVG for each panel of `plots.curves`.

    Ids within them begin with `prefix`, which must be another for every call on a page.
    """
    entries = legend_entries(histories, best)
    legend = [LegendLine(entry.text, entry.dash, css(entry.colour)) for entry in entries]
    shown = panels(histories)
    drawn = [_panel(panel, histories, prefix, best) for panel in shown]
    return CurvePanels(legend, drawn, are_pairs=panel_columns(len(shown)) == 2)


def weights(run: Run, given: Images, *, is_alone: bool) -> WeightImages:
    """Return the first layer's weights of a run with classes, whose rows are images."""
    images = weight_pictures(run.trainer, *given, whose="report")
    height, width = images.pixels.shape[1:3]
    shown = [
        InlineImage(name, width, height, _png(pixels))
        for name, pixels in zip(images.names, images.pixels, strict=True)
    ]
    return WeightImages(None if is_alone else run.label, images.caption, shown)


def figure(drawn: Figure, label: str, prefix: str) -> Drawing:
    """Return a whole figure of `plots` as SVG; `label` says what it shows, `prefix` is as in `curves`."""
    patches = [drawn.patch, *(axes.patch for axes in drawn.axes)]
    for patch in patches:
        patch.set_visible(False)
    svg = _svg(drawn, label, prefix)
    for patch in patches:
        patch.set_visible(True)
    return svg


def as_file(drawn: Figure, form: str) -> bytes:
    """Return a figure as the content of a file; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(form)
    with _settings():
        drawn.savefig(buffer, format=form, dpi=200, metadata=metadata, facecolor="white")
    return buffer.getvalue()


def _panel(
    panel: Panel, histories: Mapping[str, History], prefix: str, best: Collection[str] | None
) -> Drawing:
    with _settings():
        drawn = Figure(figsize=(4.0, 2.9))
        drawn.patch.set_visible(False)
        # The same frame for every panel, so that they line up.
        axes = drawn.add_axes((0.178, 0.188, 0.805, 0.698), facecolor="none")
        draw_panel(axes, panel, histories, View(best))
        axes.yaxis.set_label_coords(-0.17, 0.5)
    return _svg(drawn, f"{panel.title} over epochs", f"{prefix}{panel.name}-")


@contextmanager
def _settings() -> Iterator[None]:
    with _SETTINGS_LOCK, style.context(["default", _SETTINGS]):
        yield


def _svg(drawn: Figure, label: str, prefix: str) -> Drawing:
    """Return a figure as SVG that takes colours and font from the page; its ids are its own."""
    buffer = io.StringIO()
    with _settings():
        drawn.savefig(buffer, format="svg", metadata=_NO_METADATA)
    svg = buffer.getvalue()
    head = re.search(r'<svg[^>]*?\bwidth="([\d.]+)pt"[^>]*?viewBox="([^"]*)"[^>]*>', svg)
    assert head is not None
    svg = svg[head.end() :]
    svg = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{prefix}", svg)
    svg = re.sub(r"#[0-9a-f]{6}\b", lambda colour: css(colour[0]), svg)
    # In points as matplotlib counts them, 72 to the inch, of which a page shows 96 pixels.
    # matplotlib has escaped the text in it.
    return Drawing(label, f"{float(head[1]) * 96 / 72:.0f}", head[2], Markup(svg))


def _png(pixels: npt.NDArray[np.float64]) -> str:
    """Return one image of `plots.Pictures` as the data URI of a PNG."""
    colour = pixels if pixels.ndim == 3 else colormaps["RdBu_r"](0.5 + 0.5 * pixels)[..., :3]
    buffer = io.BytesIO()
    imsave(buffer, colour, format="png", metadata={"Software": "gradstep"})
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
