"""What a regressor answers, beside what is right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from gradstep.nn.metrics import R2, value_text
from gradstep.plots.figure import Figure
from gradstep.plots.models import fitted_model
from gradstep.plots.panels import panel_columns
from gradstep.plots.results import capitalised
from gradstep.plots.style import MUTED, PALETTE, add_notes, add_title, separate_rows, size, style
from gradstep.utils.names import known_parameters

if TYPE_CHECKING:
    from gradstep.estimators.regressor import Regressor

# Outputs that have a panel, and rows from which on dots are small and pale.
_MOST_PANELS, _MANY_ROWS = 4, 1000


@known_parameters
def predictions(
    regressor: Regressor,
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    title: str | None = None,
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """Draw predicted over true values, a dot per row; right answers lie on the diagonal.

    Parameters
    ----------
    regressor : fitted Regressor
    X : array-like of shape (n, d)
        Rows to predict.
    y : array-like of shape (n,) or (n, k)
        Their true values.
    title : str, optional
        Stands over the figure.
    figsize : pair of float, optional
        Width and height in inches.

    Returns
    -------
    matplotlib.figure.Figure
        One axes per output, of which the first four are shown; both its axes have the same range, in the
        units of y, and its title says the R2 of the output.

    Raises
    ------
    InvalidParameterError
        `regressor` is not a fitted Regressor.
    InvalidDataError
        y is not real, or has other columns than in `fit`; scikit-learn's own checks of X and y raise its
        ValueError.

    Examples
    --------
    >>> import gradstep as gs
    >>> from sklearn.datasets import load_diabetes
    >>> X, y = load_diabetes(return_X_y=True)
    >>> regressor = gs.Regressor(backend="numpy", random_state=0).fit(X[:300], y[:300])
    >>> (axes,) = predictions(regressor, X[300:], y[300:]).axes
    >>> axes.get_xlabel(), axes.get_ylabel()
    ('true value', 'predicted value')
    """
    what = "`regressor` of predictions"
    targets = fitted_model(regressor, what, "Regressor", takes=("values",)).targets
    # Checks X and y together, which `predict` cannot.
    regressor.evaluate(X, y)
    outputs, true = targets.k, targets.read(y, "y of predictions")
    predicted = np.asarray(regressor.predict(X), dtype=np.float64).reshape(-1, outputs)
    shown = min(outputs, _MOST_PANELS)
    columns = panel_columns(shown)
    lines = -(-shown // columns)
    width = 5.0 if shown == 1 else 4.2 * columns
    usual = (width, width / columns * lines + 0.2)
    figure = Figure(figsize=size(figsize, usual, "predictions"), layout="constrained")
    grid = figure.subplots(lines, columns, squeeze=False).ravel()
    for output, axes in enumerate(grid):
        r2 = R2().of(predicted[:, [output]], true[:, [output]])
        told = f"{capitalised(R2().title)} {value_text(R2.name, r2)}"
        heading = told if outputs == 1 else f"Output {output}: {told}"
        _draw(axes, true[:, output], predicted[:, output], heading)
    if outputs > shown:
        add_notes(figure, [f"the first {shown} of {outputs} outputs"])
    if lines > 1:
        separate_rows(figure)
    add_title(figure, title)
    return figure


def _draw(
    axes: Axes, true: npt.NDArray[np.float64], predicted: npt.NDArray[np.float64], heading: str
) -> None:
    is_crowded = len(true) > _MANY_ROWS
    size, alpha = (2.5, 0.25) if is_crowded else (4.5, 0.6)
    style(axes, heading, "true value", "predicted value")
    both = np.concatenate([true, predicted])
    low, high = float(both.min()), float(both.max())
    margin = 0.04 * ((high - low) or abs(high) or 1.0)
    ends = (low - margin, high + margin)
    axes.plot(ends, ends, color=MUTED, linewidth=1.2, linestyle=(0, (4, 2)), zorder=1.5)
    axes.plot(true, predicted, "o", color=PALETTE[0], markersize=size, alpha=alpha, markeredgewidth=0)
    axes.set(xlim=ends, ylim=ends, aspect="equal")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
