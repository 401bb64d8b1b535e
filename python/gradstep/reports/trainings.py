"""The page of one or several trainings."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from gradstep import plots
from gradstep._version import __version__
from gradstep.estimators.validation import ValidationRows
from gradstep.nn.schedules import Geometric, ReduceOnPlateau, StepDecay
from gradstep.plots.images import square_image
from gradstep.reports import pictures, tables
from gradstep.reports.gallery import Gallery
from gradstep.reports.parts import CurvePanels, Drawing, WeightImages
from gradstep.reports.runs import Images, Run


def content(
    runs: Sequence[Run],
    test_rows: ValidationRows | None,
    images: Images,
    gallery: Gallery,
) -> tuple[dict[str, Any], str]:
    """Return what `training.html` shows, and its foot; figures and tables go into the gallery."""
    shown = {
        "cards": tables.cards(runs),
        "results": tables.results(runs),
        "curves": curves(runs, gallery),
        "rates": rates(runs, gallery),
        "answers": answers(runs, test_rows, images.class_names, gallery),
        "weights": weights(runs, images, gallery),
        "training": tables.training(runs),
        "settings": tables.settings(runs),
    }
    gallery.tabulate("results", tables.results_table(runs))
    return shown, tables.build_line(__version__, runs)


def curves(runs: Sequence[Run], gallery: Gallery) -> CurvePanels:
    """Return the curves of all runs."""
    histories = {run.name: run.history for run in runs}
    gallery.keep("curves", partial(plots.curves, histories))
    for run in runs:
        gallery.tabulate(f"history {run.name}" if len(runs) > 1 else "history", run.history)
    return pictures.curves(histories, "curves-")


def rates(runs: Sequence[Run], gallery: Gallery) -> Drawing | None:
    """Return the learning rates over updates of the runs whose rate is not one number."""
    changing = {
        run.name: run.trainer for run in runs if not isinstance(run.trainer.learning_rate, (int, float))
    }
    if not changing:
        return None
    # Steps by powers of ten lie on one another otherwise.
    falls = (StepDecay, Geometric, ReduceOnPlateau)
    log = any(isinstance(trainer.learning_rate, falls) for trainer in changing.values())
    drawn = plots.learning_rate(changing, log=log, figsize=pictures.HALF)
    return gallery.show("learning rate", drawn, "Learning rate over updates")


def answers(
    runs: Sequence[Run], rows: ValidationRows | None, class_names: Sequence[str] | None, gallery: Gallery
) -> list[Drawing]:
    """Return pictures of what the models answer: confusion and probabilities, or predictions."""
    if rows is None:
        return []
    pieces = []
    several = len(runs) > 1
    for run in runs:
        title = run.name if several else None
        of_run = f" {run.name}" * several
        model: Any = run.trainer
        if run.loss.takes == "labels":
            drawn = plots.confusion_matrix(model, rows.X, rows.y, class_names=class_names, title=title)
            label = f"Classes taken for others{of_run and f', {run.name}'}"
            pieces.append(gallery.show(f"confusion{of_run}", drawn, label))
        elif run.loss.takes == "values":
            drawn = plots.predictions(model, rows.X, rows.y, title=title)
            label = f"Predicted over true values{of_run and f', {run.name}'}"
            pieces.append(gallery.show(f"predictions{of_run}", drawn, label))
    for run in runs:
        if run.loss.takes == "labels":
            # A figure each: side by side in one they are too small to be read on a phone.
            named: Any = {run.name: run.trainer} if several else run.trainer
            drawn = plots.probability_histograms(named, rows.X, rows.y, figsize=pictures.HALF)
            of_run = f" {run.name}" * several
            label = f"Probability of the true class{of_run and f', {run.name}'}"
            pieces.append(gallery.show(f"probabilities{of_run}", drawn, label))
    return pieces


def weights(
    runs: Sequence[Run], images: Images, gallery: Gallery, name: str = "weights"
) -> list[WeightImages]:
    """Return the first layer's weights of every run with classes whose rows are images, else nothing."""
    pieces = []
    for run in runs:
        if not run.has_classes or (images.shape is None and square_image(run.sizes[0]) is None):
            continue
        model: Any = run.trainer
        title = run.name if len(runs) > 1 else None
        own = f"{name} {run.name}" if len(runs) > 1 else name
        gallery.keep(own, partial(plots.class_images, model, *images, title=title))
        pieces.append(pictures.weights(run, images, is_alone=len(runs) == 1))
    return pieces
