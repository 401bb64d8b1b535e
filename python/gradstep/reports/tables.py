"""The report's numbers: cards, tables, and the line at the foot."""

from __future__ import annotations

import inspect
import math
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from gradstep import backends
from gradstep.nn.metrics import ALWAYS, SPLITS, Cost, MeanLoss, Metric, value_text
from gradstep.plots.histories import metrics_of, splits_of
from gradstep.plots.results import SPLIT_NAMES, capitalised
from gradstep.reports.parts import Card, Cell, ColumnGroup, Label, PageTable, TableRow
from gradstep.reports.runs import Run
from gradstep.utils import text
from gradstep.utils.table import Table

# Splits of a history, the most telling rows first.
_PREFERENCE = ("validation", "train", "running")


class BestValue(NamedTuple):
    """The best value of a metric, and the split, the epoch (NaN of test rows) and the run it is of."""

    split: str
    value: float
    epoch: float
    run: Run


def cards(runs: Sequence[Run]) -> list[Card]:
    """Return the numbers that one looks for first."""
    several = len(runs) > 1
    updates = sum(int(run.last("update")) for run in runs)
    largest = max(runs, key=lambda run: run.parameters)
    seconds = sum(run.last("seconds") for run in runs)
    of_updates = f"{text.count(updates)} updates" + f" in {len(runs)} runs" * several
    of_layers = f"in the largest of {len(runs)} runs" if several else largest.layers
    return [
        *_best_cards(runs),
        Card("Time to train", text.duration(seconds, gap=text.GAP), of_updates),
        Card("Parameters", text.count(largest.parameters), of_layers),
    ]


def _best_cards(runs: Sequence[Run]) -> list[Card]:
    """Return the best of the first metric that the models have beside loss and cost, and the lowest loss.

    Losses that cannot be compared with that of the best are left out.
    """
    own = metrics_of(run.history for run in runs)[len(ALWAYS) :]
    leading = _best_value(runs, own[0], ("test", *_PREFERENCE)) if own else None
    judged_by = (runs[0] if leading is None else leading.run).judged_by
    alike = [run for run in runs if run.judged_by == judged_by]
    lowest = _best_value(alike, MeanLoss(), _PREFERENCE)
    cards = []
    if leading is not None:
        name = f"Best {SPLIT_NAMES[leading.split]} {own[0].title}"
        cards.append(Card(name, value_text(own[0].name, leading.value), leading.run.name))
    if lowest is not None:
        kind = f" ({lowest.run.loss.name})" if len(alike) < len(runs) else ""
        of_run = f"{lowest.run.name}, " if len(runs) > 1 else ""
        name = f"Lowest {SPLIT_NAMES[lowest.split]} loss{kind}"
        remark = f"{of_run}epoch {text.number(lowest.epoch)}"
        cards.append(Card(name, text.decimals(lowest.value), remark))
    return cards


def _best_value(runs: Sequence[Run], metric: Metric, splits: Sequence[str]) -> BestValue | None:
    """Return the best value of a metric in the first of the splits that has one."""
    for split in splits:
        found = []
        for run in runs:
            value, epoch = (run.tested(metric), math.nan) if split == "test" else run.best(split, metric)
            if math.isfinite(value):
                found.append(BestValue(split, value, epoch, run))
        if found:
            direction = 1.0 if metric.better == "higher" else -1.0
            return max(found, key=lambda best: direction * best.value)
    return None


def results(runs: Sequence[Run]) -> PageTable:
    """Return the table of loss, cost and metrics, last and best."""
    # What one looks for first is first, also where a narrow screen shows no more.
    splits = sorted(("test", *splits_of(run.history for run in runs)), key=("test", *_PREFERENCE).index)
    columns = {split: metrics for split in splits if (metrics := _metrics_of(runs, split))}
    groups = [
        ColumnGroup(capitalised(SPLIT_NAMES[split]), len(metrics)) for split, metrics in columns.items()
    ]
    heads = [
        Label(metric.title, "first" * (place == 0))
        for metrics in columns.values()
        for place, metric in enumerate(metrics)
    ]
    cells = [
        _column(runs, split, metric, is_first=place == 0)
        for split, metrics in columns.items()
        for place, metric in enumerate(metrics)
    ]
    body = [TableRow(run.label, of_run) for run, *of_run in zip(runs, *cells, strict=True)]
    return PageTable("Results", "Run", heads, body, "wide", groups, _caption(runs, "running" in columns))


def results_table(runs: Sequence[Run]) -> Table:
    """Return the last metrics of every run, a row each, by the names of their columns."""
    columns: dict[str, list[Any]] = {"run": [run.name for run in runs]}
    for split in (*splits_of(run.history for run in runs), "test"):
        for metric in _metrics_of(runs, split):
            name = f"{split}_{metric.name}"
            columns[name] = [run.tested(metric) if split == "test" else run.last(name) for run in runs]
    return Table(columns)


def _metrics_of(runs: Sequence[Run], split: str) -> list[Metric]:
    """Return what any of the runs tells of a split."""
    known = metrics_of(run.history for run in runs)
    if split == "test":
        return [metric for metric in known if any(metric.name in (run.test or {}) for run in runs)]
    return [metric for metric in known if any(f"{split}_{metric.name}" in run.history for run in runs)]


def _caption(runs: Sequence[Run], has_running: bool) -> str:
    caption = (
        "Last values; in small, the best on the way with its epoch, where that was another. "
        "Cost = loss + L2 term."
    )
    if any(run.trainer.get_params(deep=False).get("standardize_targets") for run in runs):
        caption += " Loss and cost of a regressor are those of its standardised targets."
    if weighted := [split for split in SPLITS if any(split in run.history.weighted for run in runs)]:
        caption += f" Weighted by sample weights: {', '.join(SPLITS[split] for split in weighted)}."
    if has_running:
        caption += " Running: means over batches as they were trained on, before their updates."
    if len(runs) > 1:
        caption += " Tinted: the best run on rows that it was not trained on."
    if any(_kept_epoch(run) for run in runs):
        caption += " Test metrics and images are of the parameters that early stopping kept."
    return caption


def _column(runs: Sequence[Run], split: str, metric: Metric, is_first: bool) -> list[Cell]:
    """Return one cell per run."""
    lasts, smalls = [], []
    for run in runs:
        small: list[str] = []
        if split == "test":
            last = run.tested(metric)
        else:
            last = run.last(f"{split}_{metric.name}")
            best, epoch = run.best(split, metric)
            if math.isfinite(best) and _value(metric, best) != _value(metric, last):
                small = [f"{_value(metric, best)} at{text.GAP}{text.number(epoch)}"]
        lasts.append(last)
        smalls.append(small)
    top = _winning(runs, split, metric, lasts)
    cells = []
    for last, small in zip(lasts, smalls, strict=True):
        kinds = ["first"] * is_first + ["win"] * (last == top)
        cells.append(Cell(_value(metric, last), " ".join(kinds), small))
    return cells


def _winning(runs: Sequence[Run], split: str, metric: Metric, lasts: Sequence[float]) -> float:
    """Return the best of the runs' values, NaN where they cannot be compared.

    Costs of unlike l2 and unlike losses cannot, and the lowest train loss may be the worst overfit.
    """
    measured = [(run, last) for run, last in zip(runs, lasts, strict=True) if math.isfinite(last)]
    is_comparable = len(measured) > 1 and split in ("validation", "test") and metric != Cost()
    if metric == MeanLoss():
        is_comparable &= all(run.judged_by == measured[0][0].judged_by for run, _ in measured)
    if not is_comparable:
        return math.nan
    return (max if metric.better == "higher" else min)(last for _, last in measured)


def _value(metric: Metric, value: float) -> str:
    return value_text(metric.name, value)


def training(runs: Sequence[Run]) -> PageTable:
    """Return the table of what was trained: sizes, rates, epochs, time."""
    body = []
    for run in runs:
        settings = run.trainer
        cells = [
            Cell(run.layers, "left"),
            Cell(text.count(run.parameters)),
            Cell(text.setting(settings.l2)),
            Cell(text.setting(settings.learning_rate), "first text"),
            Cell(text.setting(settings.batch_size_)),
            _epochs(run),
            Cell(text.count(int(run.last("update")))),
            Cell(text.duration(run.last("seconds"), gap=text.GAP)),
        ]
        badge = "" if settings.status_.is_complete else str(settings.status_)
        body.append(TableRow(replace(run.label, badge=badge), cells))
    names = {"layers": "left", "parameters": "", "L2": "", "learning rate": "first left"}
    names |= dict.fromkeys(("batch", "epochs", "updates", "time"), "")
    return PageTable("Training", "Run", [Label(name, kind) for name, kind in names.items()], body)


def settings(runs: Sequence[Run]) -> PageTable:
    """Return every parameter of every run, marked where it is not the default of its estimator."""
    given = [_texts(run.trainer.get_params(deep=False)) for run in runs]
    defaults = [
        _texts({name: parameter.default for name, parameter in inspect.signature(kind).parameters.items()})
        for kind in (type(run.trainer) for run in runs)
    ]
    body = []
    for name in dict.fromkeys(name for own in defaults for name in own):
        cells: list[Cell] = []
        is_changed = False
        for values, own in zip(given, defaults, strict=True):
            is_default = values.get(name) == own.get(name)
            is_changed |= not is_default
            cells.append(Cell(values.get(name, text.NOTHING), "text", look="" if is_default else "mark"))
        shown = dict.fromkeys(own[name] for own in defaults if name in own)
        cells.append(Cell(" or ".join(shown), "text"))
        body.append(TableRow(Label(name), cells, "" if is_changed else "untouched"))
    heads = [replace(label, kind="left") for label in (*(run.label for run in runs), Label("default"))]
    return PageTable("Settings", "Parameter", heads, body, "settings")


def _texts(values: Mapping[str, object]) -> dict[str, str]:
    return {name: text.setting(value) for name, value in values.items()}


def build_line(version: str, runs: Sequence[Run]) -> str:
    """Return what the runs were trained with, in one line."""
    used = {run.trainer.backend_ for run in runs}
    counts = {run.trainer.n_threads_ for run in runs}
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
    return " · ".join(part for part in parts if part)


def _epochs(run: Run) -> Cell:
    done = math.ceil(run.last("epoch"))
    lines = [f"of {text.number(run.trainer.epochs)}"] * (done < run.trainer.epochs)
    if kept := _kept_epoch(run):
        lines.append(f"kept: {kept}")
    return Cell(str(done), small=lines)


def _kept_epoch(run: Run) -> int | None:
    """Return the epoch whose parameters early stopping brought back, None without that."""
    kept = int(run.trainer.n_iter_)
    return kept if kept < math.ceil(run.last("epoch")) else None


def _listed(values: Iterable[object]) -> str:
    return ", ".join(sorted({str(value) for value in values}))
