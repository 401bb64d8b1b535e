"""The report's numbers: cards, tables, and the line at the foot."""

from __future__ import annotations

import inspect
import math
import platform
from collections.abc import Iterable, Sequence
from html import escape

import numpy as np

from gradstep import backends, plots
from gradstep.reports import text
from gradstep.reports.runs import Run
from gradstep.training.history import COLUMNS, Metrics
from gradstep.utils import threads

_SETS = {**plots.PART_NAMES, "test": "test"}
# The most telling rows first.
_PREFERENCE = ("validation", "train", "running")


def cards(runs: Sequence[Run]) -> str:
    """Return the four figures that one looks for first."""
    several = len(runs) > 1
    which, accuracy, winner = _best_accuracy(runs)
    # Unlike losses cannot be compared.
    alike = [run for run in runs if run.trainer.loss == winner.trainer.loss]
    kind = f" ({winner.trainer.loss})" if len(alike) < len(runs) else ""
    rows, loss, epoch, lowest = _lowest_loss(alike)
    updates = sum(int(run.last("update")) for run in runs)
    largest = max(runs, key=lambda run: run.parameters)
    figures = [
        (f"Best {_SETS[which]} accuracy", text.percent(accuracy), winner.name),
        (
            f"Lowest {_SETS[rows]} loss{kind}",
            text.number(loss),
            f"{lowest.name}, epoch {epoch:g}" if several else f"epoch {epoch:g}",
        ),
        (
            "Time to train",
            text.duration(sum(run.last("seconds") for run in runs)),
            f"{updates:,} updates in {len(runs)} runs" if several else f"{updates:,} updates",
        ),
        (
            "Parameters",
            f"{largest.parameters:,}",
            f"in the largest of {len(runs)} runs" if several else text.layers(largest.sizes),
        ),
    ]
    return card_list(figures)


def card_list(figures: Sequence[tuple[str, str, str]]) -> str:
    """Return figures, each with its name before and a remark after it, as cards."""
    items = [f"<li><span>{a}</span><b>{b}</b><span>{escape(c)}</span></li>" for a, b, c in figures]
    return f'<ul class="cards">{"".join(items)}</ul>'


def results(runs: Sequence[Run]) -> str:
    """Return the table of loss, cost and accuracy, last and best."""
    sets = plots.parts_of(run.history for run in runs)
    sets += ["test"] * any(run.test is not None for run in runs)
    figures = {s: [f for f in Metrics._fields if s != "running" or f"running_{f}" in COLUMNS] for s in sets}
    groups = "".join(
        f'<th class="first" colspan="{len(figures[s])}" scope="colgroup">{_SETS[s].capitalize()}</th>'
        for s in sets
    )
    heads = "".join(head_cell(figure, "first" * (figure == "loss")) for s in sets for figure in figures[s])
    columns = [_column(runs, s, figure) for s in sets for figure in figures[s]]
    body = [row(run.label, cells) for run, *cells in zip(runs, *columns, strict=True)]
    caption = (
        "Last figures; in small, the best on the way with its epoch, where that was "
        "another. Loss in nats; cost = loss + L2 term."
    )
    if "running" in sets:
        caption += " Running: means over batches as they were trained on, before their updates."
    if len(runs) > 1:
        caption += " Tinted: the best run on rows that it was not trained on."
    if any(_kept_epoch(run) for run in runs):
        caption += " Test figures and images are of the parameters that early stopping kept."
    head = f'<tr><th class="name" rowspan="2" scope="col">Run</th>{groups}</tr><tr>{heads}</tr>'
    return f'{table("Results", head, body)}<p class="caption">{caption}</p>'


def training(runs: Sequence[Run]) -> str:
    """Return the table of what was trained: sizes, rates, epochs, time."""
    body = []
    for run in runs:
        settings = run.trainer
        cells = [
            f'<td class="left">{text.layers(run.sizes)}</td>',
            f"<td>{run.parameters:,}</td>",
            f"<td>{escape(text.setting(settings.l2))}</td>",
            f'<td class="first text">{escape(text.setting(settings.learning_rate))}</td>',
            f"<td>{escape(text.setting(settings.batch_size_))}</td>",
            f"<td>{_epochs(run)}</td>",
            f"<td>{int(run.last('update')):,}</td>",
            f"<td>{text.duration(run.last('seconds'))}</td>",
        ]
        mark = '<span class="badge">interrupted</span>' if settings.interrupted_ else ""
        body.append(row(run.label + mark, cells))
    names = {"layers": "left", "parameters": "", "L2": "", "learning rate": "first left"}
    names |= dict.fromkeys(("batch", "epochs", "updates", "time"), "")
    columns = "".join(head_cell(name, kind) for name, kind in names.items())
    return table("Training", f'<tr><th class="name" scope="col">Run</th>{columns}</tr>', body)


def settings(runs: Sequence[Run]) -> str:
    """Return every parameter of every run, marked where it is not the default."""
    given = [run.trainer.get_params(deep=False) for run in runs]
    body = []
    for name, parameter in inspect.signature(type(runs[0].trainer)).parameters.items():
        default = text.setting(parameter.default)
        values = [text.setting(values[name]) for values in given]
        marked = [escape(v) if v == default else f"<mark>{escape(v)}</mark>" for v in values]
        cells = [f'<td class="text">{html}</td>' for html in (*marked, escape(default))]
        untouched = all(value == default for value in values)
        body.append(row(escape(name), cells, "untouched" * untouched))
    columns = "".join(head_cell(label, "left") for label in (*(run.label for run in runs), "default"))
    head = f'<tr><th class="name" scope="col">Parameter</th>{columns}</tr>'
    shown = table("Settings", head, body, "settings")
    return f'{shown}<p class="caption"><mark>Marked</mark> settings are not the default.</p>'


def build_line(version: str, runs: Sequence[Run]) -> str:
    """Return what the runs were trained with, in one line."""
    used = {run.trainer.backend_ for run in runs}
    counts = {threads.choose(run.trainer.n_threads, run.trainer.batch_size_ * run.parameters) for run in runs}
    parts = [
        f"gradstep {version}",
        f"backend {_listed(used)}",
        f"{_listed(run.trainer.precision for run in runs)}",
        f"{_listed(counts)} thread{'s' * (counts != {1})}",
        f"Python {platform.python_version()}",
        f"NumPy {np.__version__}",
        f"{platform.system()} {platform.machine()}",
    ]
    if used == {"cpp"}:
        parts.insert(2, str(getattr(backends.get("cpp"), "isa", "")))
    return escape(" · ".join(part for part in parts if part))


def _best_accuracy(runs: Sequence[Run]) -> tuple[str, float, Run]:
    """Return the best accuracy on the most telling rows there are: those rows, its value, its run."""
    tested = [("test", run.test.accuracy, run) for run in runs if run.test is not None]
    for rows in _PREFERENCE:
        measured = [(rows, run.best(f"{rows}_accuracy")[0], run) for run in runs]
        tested = tested or [entry for entry in measured if math.isfinite(entry[1])]
    return max(tested, key=lambda entry: entry[1])


def _lowest_loss(runs: Sequence[Run]) -> tuple[str, float, float, Run]:
    """Return the lowest loss on the most telling rows there are: those rows, its value, epoch, run."""
    for rows in _PREFERENCE:
        found = [(rows, *run.best(f"{rows}_loss"), run) for run in runs]
        if finite := [entry for entry in found if math.isfinite(entry[1])]:
            break
    return min(finite, key=lambda entry: entry[1])


def _column(runs: Sequence[Run], rows: str, figure: str) -> list[str]:
    """Return one cell per run."""
    show = text.percent if figure == "accuracy" else text.number
    lasts, smalls = [], []
    for run in runs:
        small = ""
        if rows == "test":
            last = math.nan if run.test is None else float(getattr(run.test, figure))
        else:
            last = run.last(f"{rows}_{figure}")
            best, epoch = run.best(f"{rows}_{figure}")
            if math.isfinite(best) and best != last:
                small = f"<small>{show(best)} at {epoch:g}</small>"
        lasts.append(last)
        smalls.append(small)
    # Costs of unlike l2 and unlike losses cannot be compared, and the lowest training loss may be the worst
    # overfit.
    comparable = len(runs) > 1 and rows in ("validation", "test") and figure != "cost"
    comparable &= figure == "accuracy" or len({run.trainer.loss for run in runs}) == 1
    finite = [value for value in lasts if math.isfinite(value)]
    top = (max if figure == "accuracy" else min)(finite, default=math.nan)
    cells = []
    for last, small in zip(lasts, smalls, strict=True):
        kinds = ["first"] * (figure == "loss") + ["win"] * (comparable and last == top)
        cells.append(f'<td class="{" ".join(kinds)}">{show(last)}{small}</td>')
    return cells


def _epochs(run: Run) -> str:
    done = math.ceil(run.last("epoch"))
    lines = [f"of {run.trainer.epochs:g}"] * (done < run.trainer.epochs)
    if kept := _kept_epoch(run):
        lines.append(f"kept: {kept}")
    return str(done) + "".join(f"<small>{line}</small>" for line in lines)


def _kept_epoch(run: Run) -> int | None:
    """Return the epoch whose parameters early stopping brought back, None without that."""
    kept = int(run.trainer.n_iter_)
    return kept if kept < math.ceil(run.last("epoch")) else None


def _listed(values: Iterable[object]) -> str:
    return ", ".join(sorted({str(value) for value in values}))


def table(label: str, head: str, body: Sequence[str], kind: str = "") -> str:
    """Return a table, wrapped so that it scrolls where it is too wide; `head` and `body` are rows."""
    # What scrolls must be reachable by keyboard and have a name.
    return (
        f'<div class="scroll" role="region" aria-label="{label}" tabindex="0"><table class="{kind}">'
        f"<thead>{head}</thead>\n<tbody>{''.join(body)}</tbody></table></div>"
    )


def row(name: str, cells: Sequence[str], kind: str = "") -> str:
    """Return a row of a body: its name and its cells, all HTML."""
    return f'<tr class="{kind}"><th class="name" scope="row">{name}</th>{"".join(cells)}</tr>\n'


def head_cell(name: str, kind: str = "") -> str:
    """Return a cell of a head."""
    return f'<th class="{kind}" scope="col">{name}</th>'
