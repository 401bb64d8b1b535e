"""Loss over learning rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from gradstep.errors import InvalidParameterError
from gradstep.plots.style import INK, PALETTE, style

if TYPE_CHECKING:
    from gradstep.range_test import RangeTest


def range_test(result: RangeTest, *, title: str | None = None) -> Figure:
    """Draw the loss over the learning rate, on a logarithmic axis.

    The axis of the loss ends at twice the first loss: what lies above is a network that is lost.

    Parameters
    ----------
    result : RangeTest
        Of `gradstep.learning_rate_range_test`.
    title : str, optional
        Stands over the figure.

    Returns
    -------
    matplotlib.figure.Figure
        One axes.

    Raises
    ------
    InvalidParameterError
        `result` is of another type, or has no point: the first updates already diverged.

    Examples
    --------
    >>> import gradstep as gs
    >>> train = gs.datasets.load_digits().train
    >>> figure = range_test(gs.learning_rate_range_test(gs.Trainer(random_state=0), train.X, train.y))
    >>> figure.axes[0].get_xlabel(), figure.axes[0].get_xscale()
    ('learning rate', 'log')
    """
    rates, losses = getattr(result, "learning_rate", None), getattr(result, "loss", None)
    if not isinstance(rates, np.ndarray) or not isinstance(losses, np.ndarray):
        raise InvalidParameterError(f"`result` of range_test must be a RangeTest, got {result!r}")
    if not losses.size:
        raise InvalidParameterError(f"`result` of range_test must have at least one point, got {result!r}")
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.subplots()
    marker = "o" if losses.size <= 3 else ""
    axes.plot(rates, losses, color=PALETTE[0], linewidth=1.8, marker=marker, markersize=4.5)
    axes.set_xscale("log")
    style(axes, "Learning rate range test", "learning rate", "running loss (nats)")
    if losses.max() > 2 * losses[0]:
        axes.set_ylim(top=2 * losses[0])
    if title is not None:
        figure.suptitle(title, x=0.01, ha="left", color=INK, fontsize=13, weight="bold", parse_math=False)
    return figure
