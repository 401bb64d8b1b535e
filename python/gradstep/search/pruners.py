"""Searches that drop models on the way: at some epochs all models are compared, and some go on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from gradstep.nn.metrics import MONITORS
from gradstep.utils.constraints import NUMBER, WHOLE, above, at_least, check, one_of

Curves = Sequence[npt.NDArray[np.float64]]


class Stopping(Protocol):
    """Says when models are compared, and which of them go on."""

    @property
    def figure(self) -> str:
        """Column of the history by which they are compared."""
        ...

    def pauses(self, epochs: int) -> Iterable[int]:
        """Return the epochs after which models are compared, rising, in a training of so many."""
        ...

    def survivors(self, pause: int, curves: Curves, dropped: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """Say which models go on.

        Parameters
        ----------
        pause : int
            Number of the comparison, from 0.
        curves : sequence of n_trials ndarrays of shape (evaluations so far,), float64
            The figure of every model of the search, turned so that less is better, infinite from
            where it diverged on; of one that has ended, up to there.
        dropped : ndarray of shape (n_trials,), bool
            Which models an earlier comparison has dropped.

        Returns
        -------
        ndarray of shape (n_trials,), bool
        """
        ...


@dataclass(frozen=True)
class SuccessiveHalving:
    """The best of the models go on after `min_epochs` epochs, the best of those `factor` times later, ...

    After ``min_epochs * factor**i`` epochs the ``ceil(n / factor**(i + 1))`` best of n models go on
    from where they are. A model that an earlier comparison has dropped is out, however good its figure was
    then; one that ended by its Trainer's own rules is compared by its last.

    Parameters
    ----------
    factor : float, default=3
        > 1.
    min_epochs : int, default=1
        >= 1.
    figure : str, default="validation_loss"
        A loss, cost or accuracy column of the history; the last evaluation counts.

    References
    ----------
    K. Jamieson, A. Talwalkar, "Non-stochastic best arm identification and hyperparameter
    optimization", AISTATS (2016).

    >>> SuccessiveHalving(factor=2).pauses(10)
    [1, 2, 4, 8]
    """

    factor: float = 3
    min_epochs: int = 1
    figure: str = "validation_loss"

    def __post_init__(self) -> None:
        _check(self, factor=(NUMBER, above(1)))

    def pauses(self, epochs: int) -> list[int]:
        """Return the epochs after which models are compared."""
        found, epoch = [], float(self.min_epochs)
        while round(epoch) < epochs:
            found.append(round(epoch))
            epoch *= self.factor
        return list(dict.fromkeys(found))

    def survivors(self, pause: int, curves: Curves, dropped: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """Say which models go on: those whose last figures are the best."""
        count = math.ceil(len(curves) / self.factor ** (pause + 1))
        order = np.argsort([curve[-1] for curve in curves], kind="stable")
        return np.isin(np.arange(len(curves)), order[~dropped[order]][:count])


@dataclass(frozen=True)
class MedianStopping:
    """After every epoch from `min_epochs` on, models worse than the median of all leave.

    A model goes on while its best figure so far is at least as good as the median, over all models
    of the search, of the means of their figures so far; of a dropped model, up to where it was.

    Parameters
    ----------
    min_epochs : int, default=1
        >= 1.
    figure : str, default="validation_loss"
        A loss, cost or accuracy column of the history.

    References
    ----------
    D. Golovin et al., "Google Vizier: a service for black-box optimization", KDD (2017).

    >>> MedianStopping(min_epochs=2).pauses(5)
    [2, 3, 4]
    """

    min_epochs: int = 1
    figure: str = "validation_loss"

    def __post_init__(self) -> None:
        _check(self)

    def pauses(self, epochs: int) -> list[int]:
        """Return the epochs after which models are compared."""
        return list(range(int(self.min_epochs), epochs))

    def survivors(self, pause: int, curves: Curves, dropped: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """Say which models go on: those that were at least once as good as the median of the means."""
        median = np.median([curve.mean() for curve in curves])
        alive: npt.NDArray[np.bool_] = np.array([curve.min() for curve in curves]) <= median
        return alive


def _check(rule: SuccessiveHalving | MedianStopping, **more: Iterable) -> None:  # type: ignore[type-arg]
    constraints = more | {"min_epochs": (WHOLE, at_least(1)), "figure": (one_of(*MONITORS),)}
    for name, of_this in constraints.items():
        check(type(rule).__name__, name, getattr(rule, name), of_this)
