"""The page of a search: its trials, what they tell of every parameter, and the best of them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import compress
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

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
from gradstep.reports import pictures, tables, trainings, workers
from gradstep.reports.gallery import Gallery
from gradstep.reports.parts import Card, Cell, CurvePanels, Drawing, Label, PageTable, TableRow
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
) -> tuple[dict[str, Any], str]:
    """Return what `search.html` shows, and its foot; figures and tables go into the gallery."""
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
    shown: dict[str, Any] = {
        "cards": _cards(sweep, found, best),
        "trials": _trials(found, sweep.metric, best),
        **_parameters(found, _shown_metric(sweep), gallery),
        "curves": _curves(sweep, best, gallery),
        "groups": _groups(sweep),
        "workers": workers.content(sweep.workers_),
        "best": None,
    }
    if runs:
        answers = trainings.answers(runs, test_rows, images.class_names, gallery)
        shown["best"] = {
            "results": tables.results(runs),
            "rates": trainings.rates(runs, gallery),
            "answers": answers,
            "weights": trainings.weights(runs, images, gallery),
            "settings": tables.settings(runs),
        }
    gallery.tabulate("trials", found)
    return shown, tables.build_line(__version__, runs) if runs else f"gradstep {__version__}"


def _name(trial: object) -> str:
    return f"trial {trial}"


def _cards(sweep: Sweep, found: Results, best: int | None) -> list[Card]:
    score = math.nan if best is None else sweep.best_score_
    params = "no trial came to its end" if best is None else _words(sweep.best_params_)
    statuses = Counter(found["status"].tolist())
    models = [len(group.models) for group in sweep.groups_]
    seconds = sum(_seconds(sweep, group.models) for group in sweep.groups_)
    folds = f", {len(sweep.histories_[0])} folds each" if sweep.folds is not None else ""
    of_statuses = ", ".join(f"{n} {_spoken(status)}" for status, n in statuses.items())
    of_models = f"{text.count(sum(models))} models{folds}"
    most = f"at most {max(models)} models in one pass over the rows"
    return [
        Card(f"Best {results.words(sweep.metric)}", _cell(sweep.metric, score), params),
        Card("Trials", text.count(found.n_trials), of_statuses),
        Card("Time to train", text.duration(seconds, gap=text.GAP), of_models),
        Card("Groups", text.count(len(models)), most),
    ]


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


def _trials(found: Results, metric: str, best: int | None) -> PageTable:
    """Return the table of trials in the order of their ranking."""
    others = _columns(found, metric)
    rows = list(found.rows())
    scores = ["score", *(["score_std"] if "score_std" in found else [])]
    heads = [Label(results.words(metric)), *[Label("deviation")] * (len(scores) - 1)]
    kinds = ["first left", *["left"] * len(found.parameters)]
    heads += map(Label, [*map(results.words, found.parameters), "status"], kinds)
    heads += [Label(results.words(name)) for name in others]
    body = []
    for place in found.ranking().tolist()[:_MOST_ROWS]:
        row = rows[place]
        # The result first, also where a narrow screen shows no more.
        cells = [Cell(_cell(metric, row["score"]), "win" if row["trial"] == best else "")]
        cells += [Cell(_cell(metric, row[name])) for name in scores[1:]]
        params = [_setting(row[name]) for name in found.parameters]
        cells += [Cell(value, f"text{' first' * (place == 0)}") for place, value in enumerate(params)]
        is_unusual = row["status"] in (Status.DIVERGED, Status.INTERRUPTED)
        cells.append(Cell(_spoken(row["status"]), "left", look="badge" if is_unusual else ""))
        cells += [Cell(_cell(name, row[name])) for name in others]
        body.append(TableRow(Label(_name(row["trial"])), cells))
    hidden = found.n_trials - len(body)
    caption = (
        "Trials trained to their own ends stand first, the best of them at the top and tinted, then the "
        f"others. {results.heading(metric)} is that of the model kept. Of a trial that was pruned, metrics "
        "are those it had then; of one that diverged, updates is the one that failed."
    ) + (f" {hidden} more trials are not shown." if hidden else "")
    return PageTable("Trials", "Trial", heads, body, "wide", caption=caption)


def _shown_metric(sweep: Sweep) -> str:
    """Return the column to draw: in place of loss or cost that of the models' first own metric."""
    ranking: str = sweep.metric
    split, ranked_by, _ = parse_column(ranking)
    own = metrics_of(history for of_trial in _histories(sweep) for history in of_trial)[len(ALWAYS) :]
    if ranked_by not in map(type, ALWAYS) or not own:
        return ranking
    column = f"{split}_{own[0].name}"
    return column if column in sweep.results_ else ranking


def _parameters(found: Results, metric: str, gallery: Gallery) -> dict[str, Any]:
    """Return a metric over every parameter that was varied, and a picture of all of them together."""
    over: list[Drawing] = []
    # Of trials that are equally good, all pictures take the one with the best score for the best.
    order = found.ranking()
    table: dict[str, Any] = {name: found[name][order].tolist() for name in (*found.parameters, "status")}
    table[metric] = np.where(found["status"] == Status.DIVERGED, np.nan, found[metric])[order]
    varied = [name for name in found.parameters if len(_different(table[name])) > 1]
    complete = results.complete(table)
    if not varied or not np.isfinite(table[metric]).any():
        return {"over_parameters": over, "together": None}
    for name in varied:
        # A line would join what other parameters have set apart, unless every value was tried often.
        tried = list(compress(table[name], complete))
        join = len(varied) == 1 or len(_different(tried)) <= len(tried) // 2
        drawn = plots.over_parameter(table, name, metric, join=join, figsize=pictures.HALF)
        label = f"{results.words(metric)} over {results.words(name)}"
        over.append(gallery.show(f"over {name}", drawn, label))
    together = _together(table, varied, metric, complete, gallery) if len(varied) > 1 else None
    return {"over_parameters": over, "together": together}


def _together(
    table: Mapping[str, Sequence[Any]],
    varied: Sequence[str],
    metric: str,
    complete: npt.NDArray[np.bool_],
    gallery: Gallery,
) -> Drawing:
    """Return a picture of a metric by several parameters at once."""
    label = f"{results.words(metric)} by all parameters"
    if _is_grid(table, varied, complete):
        # Of three parameters that with the fewest values gets the panels.
        *panels, columns, rows = sorted(varied, key=lambda name: len(_different(table[name])))
        rows, columns = sorted((rows, columns), key=varied.index)
        drawn = plots.heat_map(table, rows, columns, metric, panels=panels[0] if panels else None)
        return gallery.show("heat map", drawn, label)
    return gallery.show("parallel coordinates", plots.parallel_coordinates(table, varied, metric), label)


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


def _curves(sweep: Sweep, best: int | None, gallery: Gallery) -> CurvePanels | None:
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
        return None
    gallery.keep("curves", partial(plots.curves, named, best=coloured))
    return pictures.curves(named, "curves-", coloured)


def _groups(sweep: Sweep) -> PageTable:
    """Return which models trained in one pass, and why no others with them."""
    body = []
    for number, group in enumerate(sweep.groups_):
        trials = _ranges(sorted({trial for trial, _ in group.models}))
        cells = [
            Cell(text.count(len(group.models))),
            Cell(trials, "text"),
            Cell(group.reason, "text"),
            Cell(text.duration(_seconds(sweep, group.models), gap=text.GAP)),
        ]
        body.append(TableRow(Label(f"group {number}"), cells))
    names = {"models": "", "trials": "left", "what they share, and others do not": "left", "time": ""}
    return PageTable("Groups", "Group", [Label(name, kind) for name, kind in names.items()], body)


def _ranges(numbers: Sequence[int]) -> str:
    """Return rising numbers in short: 0-3, 7."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs)
