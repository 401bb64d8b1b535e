"""Which classes a network takes for which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from matplotlib.axes import Axes

from gradstep.errors import InvalidParameterError
from gradstep.estimators.reading import read_targets
from gradstep.plots.figure import Figure
from gradstep.plots.models import fitted_model
from gradstep.plots.style import GRID, INK, MUTED, add_notes, add_title, readable_on, shorten, size
from gradstep.utils import text
from gradstep.utils.names import known_parameters

if TYPE_CHECKING:
    from gradstep.estimators.trainer import Trainer

# Classes up to which every cell has its number written in it, and every class its name.
_MOST_NUMBERS, _MOST_NAMES = 20, 60
_CMAP = colormaps["Blues"]


@known_parameters
def confusion_matrix(
    trainer: Trainer,
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    class_names: Sequence[str] | None = None,
    title: str | None = None,
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """Draw how many rows of every class the network takes for every class.

    A cell has the number of its rows, up to 20 classes, and is the darker the larger its share of the rows
    of that true class is. Right answers lie on the diagonal.

    Parameters
    ----------
    trainer : fitted Trainer
    X : array-like of shape (n, d)
        Rows to classify.
    y : array-like of shape (n,)
        Their labels.
    class_names : sequence of str of length k, optional
        By default the labels themselves, ``trainer.classes_``.
    title : str, optional
        Stands over the figure.
    figsize : pair of float, optional
        Width and height in inches.

    Returns
    -------
    matplotlib.figure.Figure
        One axes, true classes from top to bottom.

    Raises
    ------
    InvalidParameterError
        `trainer` is not a fitted Trainer of one label a row, or the number of names is not k.
    InvalidDataError
        y has a label that `fit` has not seen; scikit-learn's own checks of X and y raise its ValueError.

    Examples
    --------
    >>> import gradstep as gs
    >>> data = gs.datasets.load_digits()
    >>> trainer = gs.Trainer(random_state=0).fit(data.train.X, data.train.y)
    >>> (axes,) = confusion_matrix(trainer, data.test.X, data.test.y).axes
    >>> sum(int(written.get_text() or 0) for written in axes.texts) == len(data.test.y)
    True
    """
    what = "`trainer` of confusion_matrix"
    fitted = fitted_model(trainer, what, "Trainer of one label a row", takes=("labels",))
    names = [str(name) for name in (trainer.classes_ if class_names is None else class_names)]
    k = len(trainer.classes_)
    if len(names) != k:
        raise InvalidParameterError(
            f"`class_names` of confusion_matrix must have {k} names, one per class, got {len(names)}"
        )
    rows, true = read_targets(trainer, fitted.targets, X, y, "confusion_matrix")
    predicted = fitted.loss.answers(fitted.scores(rows, trainer.backend, trainer.n_threads))
    counts = np.bincount(true * k + predicted, minlength=k * k).reshape(k, k)
    side = float(np.clip(0.46 * k, 2.4, 9.0))
    figure = Figure(figsize=size(figsize, (side + 1.6, side + 1.0), "confusion_matrix"), layout="constrained")
    axes = figure.subplots()
    _draw(axes, counts, [shorten(name, 14) for name in names])
    share = text.percent(float(np.trace(counts) / counts.sum()), 1)
    axes.set_title(f"{share} correct", loc="left", color=INK, fontsize=13, weight="bold")
    add_notes(figure, ["cells: rows; the darker, the larger the share of the rows of that class"])
    add_title(figure, title)
    return figure


def _draw(axes: Axes, counts: npt.NDArray[np.int64], names: list[str]) -> None:
    k = len(names)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    # Where there is no row, what lies below is seen: the paper, or a dark page.
    seen = np.ma.masked_equal(shares, 0)
    axes.imshow(seen, cmap=_CMAP, vmin=0, vmax=1, aspect="equal", interpolation="nearest")
    axes.set_xlabel("predicted class", color=MUTED, fontsize=11)
    axes.set_ylabel("true class", color=MUTED, fontsize=11)
    is_long = max(map(len, names)) > 3
    if k <= _MOST_NAMES:
        axes.set_xticks(range(k), names, parse_math=False, rotation=45 if is_long else 0)
        for name in axes.get_xticklabels():
            name.set(ha="right" if is_long else "center", rotation_mode="anchor" if is_long else "default")
        axes.set_yticks(range(k), names, parse_math=False)
    axes.tick_params(colors=MUTED, labelsize=10 if k <= _MOST_NUMBERS else 7, length=0)
    axes.spines[:].set_color(GRID)
    if k > _MOST_NUMBERS:
        return
    for (row, column), count in np.ndenumerate(counts):
        colour = readable_on(_CMAP(shares[row, column])) if count else MUTED
        axes.text(
            column, row, str(count) if count else "", color=colour, fontsize=9, ha="center", va="center"
        )
