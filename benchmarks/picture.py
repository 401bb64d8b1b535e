"""The comparison as a picture: how many times our time each solver takes, a row of dots per job."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from benchmarks.results import Result
from benchmarks.solvers import OURS, SOLVERS
from gradstep.plots.style import GRID, INK, MUTED, PALETTE

_COLOURS = (*PALETTE, MUTED, "#8c510a", "#01665e", "#762a83", "#999933", "#e7298a", "#66a61e")
_MARKERS = {"ours": "o", "peer": "s", "by hand": "D", "one by one": "v", "yardstick": "^"}


def draw(results: Sequence[Result], path: Path) -> None:
    """Write the picture; the format is that of the path's suffix."""
    figure = Figure(figsize=(8.5, 1.6 + 0.6 * len(results)), layout="constrained")
    axes = figure.add_subplot()
    others = [name for name in SOLVERS if name != OURS]
    for number, (colour, name) in enumerate(zip(_COLOURS, others, strict=True)):
        timed = [i for i, result in enumerate(results) if _has(result, name)]
        if not timed:
            continue
        ratios = [results[i].times_ours(name) for i in timed]
        # Each solver a little lower than the one before, so that no dot hides another.
        places = [i + 0.6 * (number / (len(others) - 1) - 0.5) for i in timed]
        axes.plot(ratios, places, _MARKERS[SOLVERS[name].group], color=colour, label=name)
    axes.axvline(1, color=INK, linewidth=1)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_yticks(range(len(results)), [result.job.name for result in results])
    axes.invert_yaxis()
    axes.grid(axis="x", color=GRID)
    axes.set_xlabel(f"times the seconds of {OURS} (1 = as fast; further right is slower)")
    figure.legend(loc="outside upper center", ncols=5, frameon=False, fontsize="small")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def _has(result: Result, name: str) -> bool:
    outcome = result.solvers.get(name)
    return bool(outcome and outcome.seconds and result.times_ours(name))
