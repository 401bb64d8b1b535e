"""The page of a search: its trials, what they tell of every parameter, and the best of them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from html import escape
from itertools import compress
from typing import TYPE_CHECKING, Any

import numpy as np

from gradstep import plots
from gradstep._version import __version__
from gradstep.errors import InvalidParameterError
from gradstep.estimators.regressor import Regressor
from gradstep.estimators.trainer import Trainer
from gradstep.estimators.validation import ValidationRows
from gradstep.nn.metrics import ALWAYS, SPLITS, Cost, Metrics, is_column, parse_column, value_text
from gradstep.plots import results
from gradstep.plots.heat_maps import MOST_LEVELS, MOST_PANELS
from gradstep.plots.histories import metrics_of
from gradstep.reports import page, pictures, tables, trainings, workers
from gradstep.reports.gallery import Gallery
from gradstep.reports.runs import Images, collect
from gradstep.training.history import History, available_splits
from gradstep.training.status import Status
from gradstep.utils import text

if TYPE_CHECKING:
    from gradstep.search.results import Results
    from gradstep.search.sweep import Sweep

# Rows of the table of trials, and curves in the background.
_MOST_ROWS, _MOST_CURVES = 200, 200
# Splits of a history, the most telling rows first.
_PREFERENCE = sorted(SPLITS, key=lambda split: split != "validation")


def content(
    sweep: Sweep,
    tests: Metrics | Mapping[str, Metrics] | None,
    test_rows: ValidationRows | None,
    images: Images,
    gallery: Gallery,
) -> tuple[list[str], str]:
    """Return the sections of the page, and its foot."""
    found, best = sweep.results_, getattr(sweep, "best_index_", None)
    trainer = getattr(sweep, "best_trainer_", None)
    # Of scikit-learn's networks the page has the search alone.
    runs = (
        collect({_name(best): trainer}, tests, test_rows) if isinstance(trainer, Trainer | Regressor) else []
    )
    for name, given in (("tests", tests), ("test_set", test_rows)):
        if given is not None and not runs:
            raise InvalidParameterError(
                f"`{name}` of report must be None where a search has no Trainer or Regressor, got {given}"
            )
    sections = [
        _cards(sweep, found, best),
        page.section("Trials", _trials(found, sweep.metric, best)),
        page.section("Parameters", _parameters(found, _shown_metric(sweep), gallery)),
        page.section("Curves", _curves(sweep, best, gallery)),
        page.section("Groups", _groups(sweep)),
        page.section("Workers", workers.content(sweep.workers_)),
    ]
    if runs:
        answers = trainings.answers(runs, test_rows, images.class_names, gallery)
        weights = trainings.weights(runs, images, gallery)
        sections += [
            page.section("The best model", tables.results(runs)),
            page.section("Its learning rate", trainings.rates(runs, gallery)),
            page.section("Its answers on the test rows", answers),
            page.section("What its first layer looks at", weights),
            page.section("Its settings", tables.settings(runs)),
        ]
    gallery.tabulate("trials", found)
    return sections, tables.build_line(__version__, runs) if runs else escape(f"gradstep {__version__}")


def _name(trial: object) -> str:
    return f"trial {trial}"


def _cards(sweep: Sweep, found: Results, best: int | None) -> str:
    score = math.nan if best is None else sweep.best_score_
    params = "no trial came to its end" if best is None else _words(sweep.best_params_)
    statuses = Counter(found["status"].tolist())
    models = [len(group.models) for group in sweep.groups_]
    seconds = sum(_seconds(sweep, group.models) for group in sweep.groups_)
    folds = f", {len(sweep.histories_[0])} folds each" if sweep.folds is not None else ""
    return tables.card_list(
        [
            (f"Best {results.words(sweep.metric)}", _cell(sweep.metric, score), params),
            (
                "Trials",
                text.count(found.n_trials),
                ", ".join(f"{n} {_spoken(status)}" for status, n in statuses.items()),
            ),
            (
                "Time to train",
                text.duration(seconds, gap=text.GAP),
                f"{text.count(sum(models))} models{folds}",
            ),
            ("Groups", text.count(len(models)), f"at most {max(models)} models in one pass over the rows"),
        ]
    )


def _seconds(sweep: Sweep, models: Sequence[tuple[int, int]]) -> float:
    """Return the seconds that a group took: those of its model that trained longest."""
    every = _histories(sweep)
    histories = [every[trial][fold] for trial, fold in models]
    return max((float(history["seconds"][-1]) for history in histories if len(history)), default=0.0)


def _histories(sweep: Sweep) -> list[list[History]]:
    """Return the histories of every trial, one for each fold."""
    return [[found] if isinstance(found, History) else list(found) for found in sweep.histories_]


def _spoken(status: str) -> str:
    return status.replace("_", " ")


def _words(params: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {_setting(value)}" for name, value in params.items())


def _setting(value: Any) -> str:
    return text.short(value) if isinstance(value, (int, float)) else text.setting(value)


def _cell(column: str, value: float) -> str:
    """Return a number of a column of results as a reader wants it."""
    if not math.isfinite(value):
        return text.NOTHING
    if column == "seconds":
        return text.duration(value, gap=text.GAP)
    if column == "updates":
        return text.count(round(value))
    return text.epochs(value) if column.endswith("epoch") else value_text(column, value)


def _columns(found: Results, metric: str) -> list[str]:
    """Return the columns of the table after the parameters and the score; costs cannot be compared."""
    measured = [name for name in found if is_column(name) and parse_column(name)[1] is not Cost]
    measured.sort(key=lambda name: _PREFERENCE.index(parse_column(name)[0]))
    names = ["best_epoch", "epoch", *measured, "updates", "seconds"]
    return [name for name in names if name != metric and np.isfinite(found[name]).any()]


def _trials(found: Results, metric: str, best: int | None) -> str:
    """Return the table of trials in the order of their ranking."""
    others = _columns(found, metric)
    rows = list(found.rows())
    scores = ["score", *(["score_std"] if "score_std" in found else [])]
    heads = tables.head_cell(escape(results.words(metric)))
    heads += "".join(map(tables.head_cell, ["deviation"] * (len(scores) - 1)))
    kinds = ["first left", *["left"] * len(found.parameters)]
    names = [*map(results.words, found.parameters), "status"]
    heads += "".join(map(tables.head_cell, map(escape, names), kinds))
    heads += "".join(tables.head_cell(escape(results.words(name))) for name in others)
    body = []
    for place in found.ranking().tolist()[:_MOST_ROWS]:
        row = rows[place]
        # The result first, also where a narrow screen shows no more.
        win = "win" if row["trial"] == best else ""
        cells = [f'<td class="{win}">{_cell(metric, row["score"])}</td>']
        cells += [f"<td>{_cell(metric, row[name])}</td>" for name in scores[1:]]
        params = [escape(_setting(row[name])) for name in found.parameters]
        cells += [
            f'<td class="text{" first" * (place == 0)}">{value}</td>' for place, value in enumerate(params)
        ]
        cells.append(f'<td class="left">{_status(row["status"])}</td>')
        cells += [f"<td>{_cell(name, row[name])}</td>" for name in others]
        body.append(tables.row(_name(row["trial"]), cells))
    hidden = found.n_trials - len(body)
    caption = (
        "Trials trained to their own ends stand first, the best of them at the top and tinted, then the "
        f"others. {results.heading(metric)} is that of the model kept. Of a trial that was pruned, metrics "
        "are those it had then; of one that diverged, updates is the one that failed."
    ) + (f" {hidden} more trials are not shown." if hidden else "")
    head = f'<tr><th class="name" scope="col">Trial</th>{heads}</tr>'
    return f'{tables.table("Trials", head, body, "wide")}<p class="caption">{escape(caption)}</p>'


def _status(status: str) -> str:
    is_unusual = status in (Status.DIVERGED, Status.INTERRUPTED)
    return f'<span class="badge">{_spoken(status)}</span>' if is_unusual else _spoken(status)


def _shown_metric(sweep: Sweep) -> str:
    """Return the column to draw: in place of loss or cost that of the models' first own metric."""
    ranking: str = sweep.metric
    split, ranked_by, _ = parse_column(ranking)
    own = metrics_of(history for of_trial in _histories(sweep) for history in of_trial)[len(ALWAYS) :]
    if ranked_by not in map(type, ALWAYS) or not own:
        return ranking
    column = f"{split}_{own[0].name}"
    return column if column in sweep.results_ else ranking


def _parameters(found: Results, metric: str, gallery: Gallery) -> str:
    """Return a metric over every parameter that was varied, and a picture of all of them together."""
    # Of trials that are equally good, all pictures take the one with the best score for the best.
    order = found.ranking()
    table: dict[str, Any] = {name: found[name][order].tolist() for name in (*found.parameters, "status")}
    table[metric] = np.where(found["status"] == Status.DIVERGED, np.nan, found[metric])[order]
    varied = [name for name in found.parameters if len(_different(table[name])) > 1]
    complete = results.complete(table)
    if not varied or not np.isfinite(table[metric]).any():
        return ""
    pieces = []
    for name in varied:
        # A line would join what other parameters have set apart, unless every value was tried often.
        tried = list(compress(table[name], complete))
        join = len(varied) == 1 or len(_different(tried)) <= len(tried) // 2
        drawn = plots.over_parameter(table, name, metric, join=join, figsize=pictures.HALF)
        label = f"{results.words(metric)} over {results.words(name)}"
        pieces.append(gallery.show(f"over {name}", drawn, label))
    shown = f'<div class="figures">{"".join(pieces)}</div>'
    if len(varied) == 1:
        return shown
    label = f"{results.words(metric)} by all parameters"
    if _is_grid(table, varied, complete):
        # Of three parameters that with the fewest values gets the panels.
        *panels, columns, rows = sorted(varied, key=lambda name: len(_different(table[name])))
        rows, columns = sorted((rows, columns), key=varied.index)
        drawn = plots.heat_map(table, rows, columns, metric, panels=panels[0] if panels else None)
        return shown + gallery.show("heat map", drawn, label)
    return shown + gallery.show(
        "parallel coordinates", plots.parallel_coordinates(table, varied, metric), label
    )


def _different(values: Iterable[Any]) -> set[str]:
    return {text.short(value) for value in values}


def _is_grid(table: Mapping[str, Sequence[Any]], varied: Sequence[str], complete: Iterable[bool]) -> bool:
    """Return whether a heat map would show most combinations of two or three parameters, and not too many.

    It shows those of which a trial was trained to its end.
    """
    if len(varied) not in (2, 3):
        return False
    sides = sorted(len(_different(table[name])) for name in varied)
    found = zip(*([text.short(value) for value in table[name]] for name in varied), strict=True)
    shown = set(compress(found, complete))
    is_small = sides[-1] <= MOST_LEVELS and (len(sides) == 2 or sides[0] <= MOST_PANELS)
    return is_small and 2 * len(shown) > math.prod(sides)


def _curves(sweep: Sweep, best: int | None, gallery: Gallery) -> str:
    """Return the curves of all models, the best trial's in colour."""
    named: dict[str, History] = {}
    coloured = []
    for trial, of_trial in enumerate(_histories(sweep)):
        for fold, history in enumerate(of_trial):
            name = _name(trial) + (f", fold {fold}" if len(of_trial) > 1 else "")
            if trial == best:
                coloured.append(name)
            if available_splits(history) and (trial == best or len(named) < _MOST_CURVES):
                named[name] = history
    if not named:
        return ""
    gallery.keep("curves", partial(plots.curves, named, best=coloured))
    return pictures.curves(named, "curves-", coloured)


def _groups(sweep: Sweep) -> str:
    """Return which models trained in one pass, and why no others with them."""
    body = []
    for number, group in enumerate(sweep.groups_):
        trials = _ranges(sorted({trial for trial, _ in group.models}))
        cells = [
            f"<td>{text.count(len(group.models))}</td>",
            f'<td class="text">{escape(trials)}</td>',
            f'<td class="text">{escape(group.reason)}</td>',
            f"<td>{text.duration(_seconds(sweep, group.models), gap=text.GAP)}</td>",
        ]
        body.append(tables.row(f"group {number}", cells))
    names = {"models": "", "trials": "left", "what they share, and others do not": "left", "time": ""}
    columns = "".join(tables.head_cell(name, kind) for name, kind in names.items())
    head = f'<tr><th class="name" scope="col">Group</th>{columns}</tr>'
    return tables.table("Groups", head, body)


def _ranges(numbers: Sequence[int]) -> str:
    """Return rising numbers in short: 0-3, 7."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs)
