"""One self-contained HTML file that tells what was trained, how, and what came out.

No script, no external request: the curves are inline SVG, the weight images inline PNG. `report`
is the one public name; pages are templates of Jinja, which escape whatever text they are given.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradstep.estimators.validation import ValidationRows
from gradstep.nn.metrics import Metrics
from gradstep.reports import page, searches, trainings
from gradstep.reports.gallery import FigureFormat, Gallery, checked_folder
from gradstep.reports.runs import Images, collect
from gradstep.utils.names import known_parameters

if TYPE_CHECKING:
    from gradstep.estimators.regressor import Regressor
    from gradstep.estimators.trainer import Trainer
    from gradstep.search.sweep import Sweep

__all__ = ["report"]


@known_parameters
def report(
    trainers: Trainer | Regressor | Mapping[str, Trainer | Regressor] | Sweep,
    path: str | os.PathLike[str],
    *,
    title: str | None = None,
    tests: Metrics | Mapping[str, Metrics] | None = None,
    image_shape: tuple[int, ...] | None = None,
    class_names: Sequence[str] | None = None,
    notes: str = "",
    test_set: Any = None,
    figures: str | os.PathLike[str] | None = None,
    figure_format: FigureFormat = "png",
) -> Path:
    """Write one self-contained HTML file about one or several trained networks, or about a search.

    It holds a summary, tables of metrics and settings, the curves, the learning rates where they change, of
    test rows which classes are taken for which and how probable the true one is, or predicted over true
    values, the first layer's weights as images where outputs are classes, and what it was trained with. That
    of a search has the table of all trials,
    a metric over every parameter and over all of them together, the curves of all models with the best in
    colour, which models trained together and why, and then the same about the best alone. It needs no
    network and no JavaScript, and reads well on a phone, in dark mode and on paper. At any moment `path`
    holds its old content or all of the new.

    Parameters
    ----------
    trainers : fitted Trainer or Regressor, mapping of str to these, or fitted Sweep
        The keys are the names of the runs.
    path : str or path
        The file to write, whose name ends in .html, if in anything; its folder must exist, a file of that
        name is replaced.
    title : str, optional
        Heading of the page; by default "Training report", or "Search report".
    tests : Metrics, or mapping of str to Metrics, optional
        What ``trainer.evaluate(X_test, y_test)`` gave: the Metrics of the only run, or those of
        any of the runs by name; of a search those of `best_trainer_`.
    image_shape : tuple of int, optional
        ``(height, width)`` or ``(3, height, width)`` of a row of X, channels first. When None,
        weights are drawn where d makes a square image of at least 8 x 8 pixels, grey or colour.
    class_names : sequence of str of length k, optional
        Names for the class images and confusion matrices; the labels by default.
    notes : str
        Plain text under the title; an empty line begins a new paragraph.
    test_set : pair (X, y), triple (X, y, sample_weight) or Rows, optional
        Test rows whose answers are drawn; `tests` is measured on them where it is not given.
    figures : str or path, optional
        A folder, made if it is not there, to which every figure is written as a file of its own, and every
        table as CSV, Markdown and LaTeX. Files of the same names are replaced.
    figure_format : {"png", "svg", "pdf"}, default="png"
        Of these figures.

    Returns
    -------
    pathlib.Path
        The file written.

    Raises
    ------
    InvalidParameterError
        `trainers` is none of those above, a search has no model for `tests`, `tests` names a run that
        is not there, `image_shape` or `class_names` do not fit, `path` is a folder or lies in one
        that does not exist, or `figures` is a file.
    InvalidDataError
        `test_set` is no such rows.
    OSError
        A file cannot be written; the message names the path and the reason.

    Examples
    --------
    >>> import gradstep as gs
    >>> data = gs.datasets.load_digits()
    >>> trainer = gs.Trainer(epochs=5, random_state=0).fit(data.train.X, data.train.y)
    >>> path = gs.report(trainer, "report.html", title="Digits")  # doctest: +SKIP
    """
    target = page.checked(path, "report")
    folder = checked_folder(figures, figure_format, "report")
    rows = ValidationRows.of(test_set, "report", "test_set")
    gallery = Gallery()
    subject: Any = trainers
    shown = Images(image_shape, class_names)
    # A search is told by what it has learned: its class lies further up.
    is_search = hasattr(subject, "trials_") and hasattr(subject, "results_")
    if is_search:
        shown.check(getattr(subject, "best_trainer_", None))
        content, foot = searches.content(subject, tests, rows, shown, gallery)
    else:
        runs = collect(subject, tests, rows)
        for run in runs:
            shown.check(run.trainer)
        content, foot = trainings.content(runs, rows, shown, gallery)
    if title is None:
        title = "Search report" if is_search else "Training report"
    template = "search.html" if is_search else "training.html"
    page.write(target, template, content, title=title, notes=notes, foot=foot)
    if folder is not None:
        gallery.write(folder, figure_format)
    return target
