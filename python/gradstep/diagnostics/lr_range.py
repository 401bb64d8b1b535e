"""Which learning rates a network can be trained with: one short run with a rising rate."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from sklearn.base import clone

from gradstep.backends.protocol import never
from gradstep.errors import DivergedError, InvalidParameterError
from gradstep.estimators.base import BaseTrainer
from gradstep.estimators.reading import read_rows
from gradstep.nn.schedules import Geometric
from gradstep.training.loop import TrainingLoop
from gradstep.training.setup import make_job
from gradstep.training.status import Status
from gradstep.utils import text
from gradstep.utils.constraints import NUMBER, WHOLE, above, at_least, check, instance
from gradstep.utils.names import known_parameters
from gradstep.utils.retell import FITS, in_words_of
from gradstep.utils.table import Table

# At most so many points, and the multiple of the lowest loss so far after which no rate will do.
_POINTS, _TOO_MUCH = 100, 4.0


class RangeTest(Table):
    """What `learning_rate_range_test` measured, a point for every few updates; prints as a table.

    Its columns are its attributes.

    Attributes
    ----------
    learning_rate : ndarray of shape (points,), float64
        Rate of the last of these updates.
    loss : ndarray of shape (points,), float64
        Running loss: the mean over their batches, each as it was before its update.
    """

    def __init__(self, learning_rate: npt.ArrayLike, loss: npt.ArrayLike) -> None:
        rates, losses = (np.asarray(values, dtype=np.float64).tolist() for values in (learning_rate, loss))
        super().__init__({"learning_rate": rates, "loss": losses})

    @property
    def learning_rate(self) -> npt.NDArray[np.float64]:
        """Rate of the last update of every point."""
        return self["learning_rate"]

    @property
    def loss(self) -> npt.NDArray[np.float64]:
        """Running loss of every point."""
        return self["loss"]

    def __repr__(self) -> str:
        if not self.n_rows:
            return "RangeTest(no points)"
        low, high = text.short(self.learning_rate[0]), text.short(self.learning_rate[-1])
        lowest = text.number(self.loss.min())
        return f"RangeTest({self.n_rows} points; rates {low} to {high}, lowest loss {lowest})"


@known_parameters
@in_words_of("learning_rate_range_test", *FITS)
def learning_rate_range_test(
    trainer: BaseTrainer,
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    low: float = 1e-5,
    high: float = 1.0,
    epochs: int = 1,
) -> RangeTest:
    """Train once with a rate that rises geometrically from `low` to `high`.

    Good rates are those where the loss falls: for a cyclic schedule, from where it begins to fall
    to where it becomes rough or rises again. The run ends early once the loss is no longer finite
    or exceeds 4 times the lowest so far.

    Parameters
    ----------
    trainer : Trainer or Regressor
        Its parameters but for `learning_rate`, `epochs`, `evaluate_every`, `early_stopping`,
        `callbacks` and `verbose` are those of the run. It is cloned, never changed.
    X, y : array-like of shape (n, d) and (n,) or (n, k)
        Rows to train on, and what to answer, as for `fit`.
    low, high : float, default=1e-5 and 1.0
        Rate of the first update, and of the one after the last; ``0 < low < high``.
    epochs : int, default=1
        Length of the run, >= 1.

    Returns
    -------
    RangeTest
        Of 100 points or fewer; `gradstep.plots.range_test` draws it.

    Raises
    ------
    InvalidParameterError
        A value breaks its constraint.
    InvalidDataError
        X or y cannot be used, as in `fit`.

    References
    ----------
    L. N. Smith, "Cyclical learning rates for training neural networks", arXiv 1506.01186 (2015).

    Examples
    --------
    >>> import gradstep as gs
    >>> train = gs.datasets.load_digits().train
    >>> found = gs.learning_rate_range_test(gs.Trainer(random_state=0), train.X, train.y, high=100)
    >>> best = found.learning_rate[found.loss.argmin()]
    >>> bool(0.01 < best < 10)
    True
    """
    owner = "learning_rate_range_test"
    check(owner, "trainer", trainer, (instance(BaseTrainer, "a Trainer or Regressor"),))
    for name, rate in (("low", low), ("high", high)):
        check(owner, name, rate, (NUMBER, above(0)))
    if not low < high:
        raise InvalidParameterError(f"`high` of {owner} must be > low, got {(low, high)!r}")
    check(owner, "epochs", epochs, (WHOLE, at_least(1)))
    parameters = trainer.get_params(deep=False) | {"learning_rate": Geometric(low, high), "epochs": epochs}
    parameters |= {"evaluate_every": None, "early_stopping": None, "callbacks": (), "verbose": 0}
    # The copy has a RandomState of its own.
    run = clone(type(trainer)(**parameters))
    settings = run.settings()
    job, (fitted,) = make_job([settings], read_rows(run, settings, X, y).job_rows(settings))
    points = _Points()
    job = replace(job, every=-(-job.plan.updates // _POINTS))
    TrainingLoop(job, fitted.block[None], [points]).advance(job.plan.updates, never)
    rates, losses = np.array(points.seen, dtype=np.float64).reshape(-1, 2).T.copy()
    return RangeTest(rates, losses)


class _Points:
    """Collects rate and loss until the loss says that the rate is too high."""

    evaluations_at_once = 1

    def __init__(self) -> None:
        self.seen: list[tuple[float, float]] = []
        self._lowest = np.inf

    def on_evaluation(
        self, row: dict[str, float], parameters: npt.NDArray[np.floating], to_come: npt.NDArray[np.float64]
    ) -> bool:
        """Handle a point. Returns True when it is the last."""
        loss = row["running_loss"]
        self.seen.append((row["learning_rate"], loss))
        self._lowest = min(self._lowest, loss)
        return loss > _TOO_MUCH * self._lowest

    def on_divergence(self, error: DivergedError) -> None:
        """Handle that there are no more points."""

    def end(self, status: Status) -> None:
        """Handle that there are no more points."""
