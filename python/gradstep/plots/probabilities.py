"""How sure a network is of the right class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
from matplotlib.patches import Patch

from gradstep.errors import InvalidParameterError
from gradstep.estimators.reading import read_targets
from gradstep.plots.figure import Figure
from gradstep.plots.models import fitted_model
from gradstep.plots.panels import panel_columns
from gradstep.plots.style import INK, PALETTE, add_legend, add_title, legend_height, shorten, size, style
from gradstep.utils import text
from gradstep.utils.constraints import WHOLE, at_least, check
from gradstep.utils.names import known_parameters

if TYPE_CHECKING:
    from gradstep.estimators.trainer import Trainer

# How the two kinds of rows are drawn: the second is hatched, so that grey prints tell them apart, above its
# face, for SVG and PDF have no hatching within a face that one can see through.
_NAMES = ("classified correctly", "classified wrongly")
_LOOKS: tuple[tuple[dict[str, Any], ...], ...] = (
    ({"edgecolor": PALETTE[0], "facecolor": PALETTE[0] + "60"},),
    (
        {"edgecolor": "none", "facecolor": PALETTE[1] + "40"},
        {"edgecolor": PALETTE[1], "facecolor": "none", "hatch": "////"},
    ),
)


class _Rows(NamedTuple):
    """Of n rows: the probability given to the true class, and whether it is the one predicted."""

    probability: npt.NDArray[np.float64]
    correct: npt.NDArray[np.bool_]


@known_parameters
def probability_histograms(
    trainers: Trainer | Mapping[str, Trainer],
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    bins: int = 25,
    title: str | None = None,
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """Draw the probability of the true class as histograms, of rows classified correctly and wrongly apart.

    Softmax makes the probabilities of a row sum to 1, so a correct one is at least 1 / k. With
    ``loss="sigmoid"`` they are the sigmoids as they are trained, not those of `predict_proba`, which are
    divided by their sum: a correct one may be small.

    Parameters
    ----------
    trainers : fitted Trainer, or mapping of str to these
        A mapping draws one panel each, with the same axes; its keys are their names.
    X : array-like of shape (n, d)
        Rows to classify.
    y : array-like of shape (n,)
        Their labels.
    bins : int, default=25
        Bins of [0, 1], all of one width.
    title : str, optional
        Stands over the figure.
    figsize : pair of float, optional
        Width and height in inches.

    Returns
    -------
    matplotlib.figure.Figure
        One axes per trainer, which say the share of rows classified correctly; the legend lies below.

    Raises
    ------
    InvalidParameterError
        A trainer is not fitted, or not one of class labels, one a row; `bins` is < 1.
    InvalidDataError
        y has a label that `fit` has not seen; scikit-learn's own checks of X and y raise its ValueError.

    Examples
    --------
    >>> import gradstep as gs
    >>> data = gs.datasets.load_digits()
    >>> losses = {name: gs.Trainer(loss=name, random_state=0) for name in ("softmax", "sigmoid")}
    >>> losses = {name: t.fit(data.train.X, data.train.y) for name, t in losses.items()}
    >>> figure = probability_histograms(losses, data.test.X, data.test.y)
    >>> [axes.get_xlabel() for axes in figure.axes]
    ['probability of the true class', 'probability of the true class']
    """
    check("probability_histograms", "bins", bins, (WHOLE, at_least(1)))
    named = trainers if isinstance(trainers, Mapping) else {"": trainers}
    if not named:
        raise InvalidParameterError("probability_histograms needs at least one trainer, got an empty mapping")
    found = {str(name): _classified(str(name), trainer, X, y) for name, trainer in named.items()}
    columns = panel_columns(len(found))
    lines = -(-len(found) // columns)
    width = 7.0 if columns == 1 else 4.6 * columns
    usual = (width, 3.3 * lines + 0.3 + legend_height(_NAMES, width))
    figure = Figure(figsize=size(figsize, usual, "probability_histograms"), layout="constrained")
    grid = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True).ravel()
    edges = np.linspace(0, 1, bins + 1)
    for axes, (name, rows) in zip(grid, found.items(), strict=False):
        for chosen, looks in zip((rows.correct, ~rows.correct), _LOOKS, strict=True):
            for look in looks:
                axes.hist(rows.probability[chosen], edges, histtype="stepfilled", linewidth=1.4, **look)
        share = f"{text.percent(float(rows.correct.mean()), 1)} correct"
        style(axes, "", "probability of the true class", "rows")
        axes.set_title(
            f"{shorten(name, 24)}: {share}" if name else share,
            loc="left",
            color=INK,
            fontsize=13,
            weight="bold",
            parse_math=False,
        )
        axes.set_xlim(0, 1)
        axes.tick_params(labelbottom=True)
    for axes in grid[len(found) :]:
        axes.remove()
    add_title(figure, title)
    add_legend(
        figure,
        [tuple(Patch(linewidth=1.4, **look) for look in looks) for looks in _LOOKS],
        _NAMES,
    )
    return figure


def _classified(name: str, trainer: Trainer, X: npt.ArrayLike, y: npt.ArrayLike) -> _Rows:
    what = f"trainer {name!r}" if name else "the trainer"
    fitted = fitted_model(
        trainer, f"{what} of probability_histograms", "Trainer of one label a row", takes=("labels",)
    )
    rows, classes = read_targets(trainer, fitted.targets, X, y, "probability_histograms")
    scores = fitted.scores(rows, trainer.backend, trainer.n_threads)
    output = fitted.loss.output(scores)
    return _Rows(output[np.arange(len(classes)), classes], fitted.loss.answers(scores) == classes)
