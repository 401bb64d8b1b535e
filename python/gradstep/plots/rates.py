"""Learning rate over updates, and loss over learning rate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from gradstep.errors import InvalidParameterError
from gradstep.nn import schedules
from gradstep.nn.optimizers import Optimizer
from gradstep.nn.schedules import Cosine, ReduceOnPlateau, Schedule
from gradstep.plan.build import usual_schedule
from gradstep.plots.figure import Figure
from gradstep.plots.histories import line_colours
from gradstep.plots.scales import log_ticks
from gradstep.plots.style import PALETTE, add_legend, add_title, legend_height, size, style
from gradstep.training.history import History
from gradstep.utils import text
from gradstep.utils.constraints import WHOLE, at_least, check
from gradstep.utils.names import known_parameters

if TYPE_CHECKING:
    from gradstep.diagnostics.lr_range import RangeTest
    from gradstep.estimators.base import BaseTrainer

    Rated: TypeAlias = BaseTrainer | History | Schedule | Callable[[int], float] | float

# How far the axis of a range test goes on above the first loss, as a share of how far that falls.
_ABOVE = 1 / 3

Rates = tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]


@known_parameters
def learning_rate(
    runs: Rated | Mapping[str, Rated],
    *,
    updates: int | None = None,
    updates_per_epoch: int | None = None,
    log: bool = False,
    title: str | None = None,
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """Draw the learning rate over the number of the update (from 0).

    Parameters
    ----------
    runs : Trainer, Regressor, History, schedule, callable or float, or mapping of str to these
        A fitted estimator shows the rate of every update it has made, one that is not fitted those it
        would make; a History knows those of its rows alone, joined by straight lines. A mapping
        draws several in one figure, its keys are their names.
    updates : int, optional
        Length of the run, for schedules, callables and numbers, which do not know it.
    updates_per_epoch : int, optional
        Needed by an estimator that is not fitted, and by schedules.
    log : bool, default=False
        Whether the axis of the rate is logarithmic; a rate of 0 is then not drawn.
    title : str, optional
        Stands over the figure.
    figsize : pair of float, optional
        Width and height in inches.

    Returns
    -------
    matplotlib.figure.Figure
        One axes; with several runs, the legend lies below it.

    Raises
    ------
    InvalidParameterError
        A run is none of these, has no row, or the number of its updates is not known; `log` where
        no rate is above 0.

    Examples
    --------
    >>> from gradstep.nn.schedules import CyclicTriangular
    >>> cycle = CyclicTriangular(1e-5, 1e-1, step_size=500)
    >>> (line,) = learning_rate(cycle, updates=2000, updates_per_epoch=100).axes[0].lines
    >>> float(line.get_ydata().max()), int(line.get_ydata().argmax())
    (0.1, 500)
    """
    named = runs if isinstance(runs, Mapping) else {"": runs}
    if not named:
        raise InvalidParameterError("learning_rate needs at least one run, got an empty mapping")
    found = {str(name): _rates(str(name), run, updates, updates_per_epoch) for name, run in named.items()}
    height = 3.6 + (legend_height(list(found), 7) if len(found) > 1 else 0)
    figure = Figure(figsize=size(figsize, (7, height), "learning_rate"), layout="constrained")
    axes = figure.subplots()
    for (numbers, rates), (colour, _) in zip(found.values(), line_colours(len(found)), strict=True):
        marker = "o" if len(rates) <= 3 else ""
        axes.plot(numbers, rates, color=colour, linewidth=1.8, marker=marker, markersize=4.5)
    style(axes, "Learning rate", "update", "learning rate")
    if log:
        if not any((rates > 0).any() for _, rates in found.values()):
            raise InvalidParameterError("`log` of learning_rate needs a rate above 0, got none")
        axes.set_yscale("log")
        axes.yaxis.set_minor_locator(NullLocator())
    else:
        axes.set_ylim(bottom=0)
    add_title(figure, title)
    if len(found) > 1:
        add_legend(figure, axes.lines, list(found))
    return figure


def _rates(name: str, run: Any, updates: int | None, updates_per_epoch: int | None) -> Rates:
    """Return numbers of updates, from 0, and their rates."""
    what = f"run {name!r} of learning_rate" if name else "the run of learning_rate"
    history = run if isinstance(run, History) else getattr(run, "history_", None)
    if isinstance(history, History) and not len(history):
        raise InvalidParameterError(f"{what} must have at least one row, got {history!r}")
    if isinstance(run, History):
        done = run["update"] > 0
        return run["update"][done] - 1, run["learning_rate"][done]
    is_trainer = hasattr(run, "learning_rate") and hasattr(run, "epochs")
    if not (is_trainer or callable(run) or isinstance(run, (int, float))) or isinstance(run, bool):
        raise InvalidParameterError(
            f"{what} must be a Trainer or Regressor, a History, a schedule, a callable or a number, "
            f"got {run!r}"
        )
    if history is not None:
        rates = _rates_made(run, history)
    else:
        per_epoch = _known("updates_per_epoch", updates_per_epoch, what)
        count = run.epochs * per_epoch if is_trainer else _known("updates", updates, what)
        rates = schedules.evaluate(_rule(run, what) if is_trainer else run, count, per_epoch)
    return np.arange(rates.size), rates


def _rates_made(trainer: BaseTrainer, history: History) -> npt.NDArray[np.float64]:
    """Return the rate of every update that a fitted trainer made."""
    done = history["update"]
    if isinstance(trainer.learning_rate, ReduceOnPlateau):
        # It changes at rows of the history and nowhere else.
        return np.repeat(history["learning_rate"], np.diff(done, prepend=0))
    per_epoch = trainer.updates_per_epoch_
    planned = max(trainer.epochs * per_epoch, int(done[-1]))
    return schedules.evaluate(_rule(trainer, "run of learning_rate"), planned, per_epoch)[: done[-1]]


def _rule(trainer: BaseTrainer, what: str) -> Any:
    """Return the rule of a trainer's learning rate; what "auto" is follows from the number of inputs."""
    optimizer = Optimizer.resolve(trainer.optimizer)
    if trainer.learning_rate != "auto" and not optimizer.takes_all_rows:
        return trainer.learning_rate
    if not hasattr(trainer, "n_features_in_"):
        raise InvalidParameterError(
            f"{what} must be fitted where its `learning_rate` is 'auto', got {trainer!r}"
        )
    if optimizer.takes_all_rows:
        return usual_schedule(optimizer, trainer.result().fitted.loss, trainer.n_features_in_)
    return _of_history(trainer)


def _of_history(trainer: BaseTrainer) -> Cosine:
    """Return what "auto" was: half a cosine, of which every row of the history tells the beginning."""
    history, per_epoch = trainer.history_, trainer.updates_per_epoch_
    made = history["update"] > 0
    update, rate = history["update"][made][0], history["learning_rate"][made][0]
    share = Cosine(1.0).whole_run(max(trainer.epochs * per_epoch, int(update)))[update - 1]
    return Cosine(float(rate / share))


def _known(name: str, value: int | None, what: str) -> int:
    if value is None:
        raise InvalidParameterError(f"{what} needs `{name}`, got None")
    check("learning_rate", name, value, (WHOLE, at_least(1)))
    return int(value)


@known_parameters
def range_test(
    result: RangeTest, *, title: str | None = None, figsize: tuple[float, float] | None = None
) -> Figure:
    """Draw the loss over the learning rate, on a logarithmic axis.

    The axis of the loss ends where the loss has risen above the first by a third of its fall, or by a third
    of itself where it has not fallen: what lies above is a network that is lost.

    Parameters
    ----------
    result : RangeTest
        Of `gradstep.learning_rate_range_test`.
    title : str, optional
        Stands over the figure.
    figsize : pair of float, optional
        Width and height in inches.

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
    figure = Figure(figsize=size(figsize, (7, 4.2), "range_test"), layout="constrained")
    axes = figure.subplots()
    marker = "o" if losses.size <= 3 else ""
    axes.plot(rates, losses, color=PALETTE[0], linewidth=1.8, marker=marker, markersize=4.5)
    axes.set_xscale("log")
    ticks = log_ticks(rates.min(), rates.max())
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_major_formatter(FixedFormatter(text.alike(ticks)))
    axes.xaxis.set_minor_locator(NullLocator())
    style(axes, "Learning rate range test", "learning rate", "running loss")
    low, first = losses.min(), losses[0]
    top = first + _ABOVE * ((first - low) or abs(first))
    if losses.max() > top:
        axes.set_ylim(low - 0.04 * (top - low), top)
    add_title(figure, title)
    return figure
