"""The page of a search: its trials, what they tell of every parameter, and the best of them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from itertools import compress
from typing import TYPE_CHECKING, Any

import numpy as np

from gradstep import plots
from gradstep._version import __version__
from gradstep.errors import InvalidParameterError
from gradstep.plots import results
from gradstep.reports import page, pictures, tables, text
from gradstep.reports.runs import collect
from gradstep.training.history import History, Metrics, measured

if TYPE_CHECKING:
    from gradstep.search.results import Results
    from gradstep.search.sweep import Sweep

# Rows of the table of trials, and curves in the background.
_MOST_ROWS, _MOST_CURVES = 200, 200
# Columns of the table after the parameters and the score; those that say nothing are left out.
_FIGURES = (
    *("best_epoch", "epoch", "validation_loss", "validation_accuracy", "train_loss", "train_accuracy"),
    *("running_loss", "running_accuracy", "updates", "seconds"),
)


def content(
    sweep: Sweep,
    tests: Metrics | Mapping[str, Metrics] | None,
    image_shape: tuple[int, ...] | None,
    class_names: Sequence[str] | None,
) -> tuple[list[str], str]:
    """Return the sections of the page, and its foot."""
    found, best = sweep.results_, getattr(sweep, "best_index_", None)
    trainer = getattr(sweep, "best_trainer_", None)
    runs = [] if trainer is None else collect({_name(best): trainer}, tests)
    if tests is not None and not runs:
        raise InvalidParameterError(
            f"`tests` of report must be None where a search has no model, got {tests}"
        )
    sections = [
        _cards(sweep, found, best),
        page.section("Trials", _trials(found, sweep.figure, best)),
        page.section("Parameters", _parameters(found, sweep.figure)),
        page.section("Curves", _curves(sweep, best)),
        page.section("Groups", _groups(sweep)),
    ]
    if runs:
        weights = pictures.weights(runs, image_shape, class_names)
        sections += [
            page.section("The best model", tables.results(runs)),
            page.section("What its first layer looks at", weights),
            page.section("Its settings", tables.settings(runs)),
        ]
    return sections, tables.build_line(__version__, runs) if runs else escape(f"gradstep {__version__}")


def _name(trial: object) -> str:
    return f"trial {trial}"


def _cards(sweep: Sweep, found: Results, best: int | None) -> str:
    score = math.nan if best is None else sweep.best_score_
    params = "no trial came to its end" if best is None else _words(sweep.best_params_)
    statuses = Counter(found["status"].tolist())
    models = [len(group.models) for group in sweep.groups_]
    seconds = sum(_seconds(sweep, group.models) for group in sweep.groups_)
    folds = f", {len(sweep.trials_[0].trainers)} folds each" if sweep.folds is not None else ""
    return tables.card_list(
        [
            (f"Best {results.words(sweep.figure)}", _cell(sweep.figure, score), params),
            ("Trials", f"{found.n_trials:,}", ", ".join(f"{n} {status}" for status, n in statuses.items())),
            ("Time to train", text.duration(seconds), f"{sum(models):,} models{folds}"),
            ("Groups", f"{len(models):,}", f"at most {max(models)} models in one pass over the rows"),
        ]
    )


def _seconds(sweep: Sweep, models: Sequence[tuple[int, int]]) -> float:
    """Return the seconds that a group took: those of its model that trained longest."""
    trainers = [sweep.trials_[trial].trainers[fold] for trial, fold in models]
    histories: list[History] = [getattr(trainer, "history_", History()) for trainer in trainers]
    return max((float(history["seconds"][-1]) for history in histories if len(history)), default=0.0)


def _words(params: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {_setting(value)}" for name, value in params.items())


def _setting(value: Any) -> str:
    return results.text(value) if isinstance(value, (int, float)) else text.setting(value)


def _cell(column: str, value: float) -> str:
    """Return a figure as a reader wants it, by the last word of its column."""
    quantity = column.rpartition("_")[2]
    if quantity == "accuracy":
        return text.percent(value)
    if quantity == "seconds":
        return text.duration(value) if math.isfinite(value) else text.number(value)
    return f"{value:,.6g}" if quantity in ("updates", "epoch") and value == value else text.number(value)


def _trials(found: Results, figure: str, best: int | None) -> str:
    """Return the table of trials in the order of their ranking."""
    figures = [name for name in _FIGURES if name != figure and np.isfinite(found[name]).any()]
    rows = list(found.rows())
    scores = ["score", *(["score_std"] if "score_std" in found else [])]
    heads = "".join(tables.head_cell(escape(results.words(name)), "left") for name in found.parameters)
    heads += tables.head_cell("status", "left")
    heads += tables.head_cell(escape(results.words(figure)), "first")
    heads += "".join(map(tables.head_cell, ["deviation"] * (len(scores) - 1)))
    heads += "".join(tables.head_cell(escape(results.words(name))) for name in figures)
    body = []
    for place in found.ranking().tolist()[:_MOST_ROWS]:
        row = rows[place]
        cells = [f'<td class="text">{escape(_setting(row[name]))}</td>' for name in found.parameters]
        cells.append(f'<td class="left">{_status(row["status"])}</td>')
        for name in (*scores, *figures):
            kind = "" if name != "score" else "first win" if row["trial"] == best else "first"
            shown = figure if name in scores else name
            cells.append(f'<td class="{kind}">{_cell(shown, row[name])}</td>')
        body.append(tables.row(_name(row["trial"]), cells))
    hidden = found.n_trials - len(body)
    caption = (
        "Trials trained to their own ends stand first, the best of them at the top and tinted, then the "
        f"others. {results.heading(figure)} is that of the model kept. Of a trial that was dropped, figures "
        "are those it had then; of one that diverged, updates is the one that failed."
    ) + (f" {hidden} more trials are not shown." if hidden else "")
    head = f'<tr><th class="name" scope="col">Trial</th>{heads}</tr>'
    return f'{tables.table("Trials", head, body)}<p class="caption">{escape(caption)}</p>'


def _status(status: str) -> str:
    unusual = status in ("diverged", "interrupted")
    return f'<span class="badge">{status}</span>' if unusual else escape(status)


def _parameters(found: Results, figure: str) -> str:
    """Return accuracy over every parameter that was varied, and a picture of all of them together."""
    accuracy = f"{figure.partition('_')[0]}_accuracy"
    # Of trials that are equally accurate, all pictures take the one with the best score for the best.
    order = found.ranking()
    table: dict[str, Any] = {name: found[name][order].tolist() for name in (*found.parameters, "status")}
    table[accuracy] = np.where(found["status"] == "diverged", np.nan, found[accuracy])[order]
    varied = [name for name in found.parameters if len(_different(table[name])) > 1]
    whole = results.whole(table)
    if not varied or not np.isfinite(table[accuracy]).any():
        return ""
    pieces = []
    for place, name in enumerate(varied):
        # A line would join what other parameters have set apart, unless every value was tried often.
        tried = list(compress(table[name], whole))
        join = len(varied) == 1 or len(_different(tried)) <= len(tried) // 2
        drawn = plots.over_parameter(table, name, accuracy, join=join)
        label = f"{results.words(accuracy)} over {results.words(name)}"
        pieces.append(pictures.figure(drawn, label, f"parameter-{place}-"))
    shown = f'<div class="figures">{"".join(pieces)}</div>'
    if len(varied) == 1:
        return shown
    if _is_grid(table, varied, whole):
        drawn = plots.heat_map(table, varied[0], varied[1], accuracy)
    else:
        drawn = plots.parallel_coordinates(table, varied, accuracy)
    return shown + pictures.figure(drawn, f"{results.words(accuracy)} by all parameters", "parameters-")


def _different(values: Iterable[Any]) -> set[str]:
    return {results.text(value) for value in values}


def _is_grid(table: Mapping[str, Sequence[Any]], varied: Sequence[str], whole: Iterable[bool]) -> bool:
    """Tell whether a heat map would show most pairs of the values of two parameters, and not too many.

    It shows those of which a trial was trained to its end.
    """
    if len(varied) != 2:
        return False
    sides = [len(_different(table[name])) for name in varied]
    pairs = zip(*([results.text(value) for value in table[name]] for name in varied), strict=True)
    shown = set(compress(pairs, whole))
    return max(sides) <= plots.MOST_LEVELS and 2 * len(shown) > math.prod(sides)


def _curves(sweep: Sweep, best: int | None) -> str:
    """Return the curves of all models, the best trial's in colour."""
    named: dict[str, History] = {}
    coloured = []
    for trial in sweep.trials_:
        for fold, trainer in enumerate(trial.trainers):
            name = _name(trial.number) + (f", fold {fold}" if len(trial.trainers) > 1 else "")
            history = getattr(trainer, "history_", History())
            if trial.number == best:
                coloured.append(name)
            if measured(history) and (trial.number == best or len(named) < _MOST_CURVES):
                named[name] = history
    return pictures.curves(named, "curves-", coloured) if named else ""


def _groups(sweep: Sweep) -> str:
    """Return which models trained in one pass, and why no others with them."""
    body = []
    for number, group in enumerate(sweep.groups_):
        trials = _ranges(sorted({trial for trial, _ in group.models}))
        cells = [
            f"<td>{len(group.models):,}</td>",
            f'<td class="text">{escape(trials)}</td>',
            f'<td class="text">{escape(group.reason)}</td>',
            f"<td>{text.duration(_seconds(sweep, group.models))}</td>",
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
