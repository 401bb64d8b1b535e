"""Pruners: at some epochs all trials of a search are compared, and some go on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from gradstep.nn.metrics import COLUMN
from gradstep.utils.constraints import NONE, NUMBER, WHOLE, Constraint, above, at_least, check, either
from gradstep.utils.names import KnownParameters

Curves = Sequence[npt.NDArray[np.float64]]
Mask = npt.NDArray[np.bool_]


@runtime_checkable
class Pruner(Protocol):
    """Says when trials are compared, and which of them go on."""

    @property
    def metric(self) -> str | None:
        """Column of the history by which they are compared; None is that by which they are ranked."""
        ...

    def rungs(self, epochs: int) -> Iterable[int]:
        """Return the epochs after which trials are compared, rising, in a training of so many."""
        ...

    def survivors(self, rung: int, epochs: int, curves: Curves, pruned: Mask) -> Mask:
        """Return which trials go on.

        Parameters
        ----------
        rung : int
            Number of the comparison, from 0.
        epochs : int
            Of a whole training, as for `rungs`.
        curves : sequence of n_trials ndarrays of shape (evaluations so far,), float64
            The metric of every trial of the search, turned so that less is better, infinite from
            where it diverged on; of one that has ended, up to there.
        pruned : ndarray of shape (n_trials,), bool
            Which trials an earlier comparison has pruned.

        Returns
        -------
        ndarray of shape (n_trials,), bool
        """
        ...


@dataclass(frozen=True)
class SuccessiveHalving(KnownParameters):
    """The best of the trials go on after `min_epochs` epochs, the best of those `factor` times later, ...

    After ``min_epochs * factor**i`` epochs the ``ceil(n / factor**(i + 1))`` best of n trials go on
    from where they are. A trial that an earlier comparison has pruned is out, however good its metric was
    then; one that ended by its own rules is compared by its last.

    Parameters
    ----------
    factor : float, default=3
        >= 1.01: by less nothing would be compared in most epochs.
    min_epochs : int, default=1
        >= 1.
    metric : str, optional
        A column of the history, as "validation_loss", of which the last evaluation counts; by default the
        `metric` of the Sweep.

    References
    ----------
    K. Jamieson, A. Talwalkar, "Non-stochastic best arm identification and hyperparameter
    optimization", AISTATS (2016).

    >>> SuccessiveHalving(factor=2).rungs(10)
    [1, 2, 4, 8]
    """

    factor: float = 3
    min_epochs: int = 1
    metric: str | None = None

    def __post_init__(self) -> None:
        _check(self, factor=(NUMBER, above(1), at_least(1.01)))

    def rungs(self, epochs: int) -> list[int]:
        """Return the epochs after which trials are compared."""
        found, epoch = [], float(self.min_epochs)
        while round(epoch) < epochs:
            found.append(round(epoch))
            epoch *= self.factor
        return list(dict.fromkeys(found))

    def survivors(self, rung: int, epochs: int, curves: Curves, pruned: Mask) -> Mask:
        """Return which trials go on: those whose last values are the best."""
        return _best_of(np.arange(len(curves)), self.factor ** (rung + 1), curves, pruned)


@dataclass(frozen=True)
class Hyperband(KnownParameters):
    """Successive halving from several beginnings side by side: some trials early, others late or never.

    Halving must guess from which epoch on curves tell who will be good. Here trials are dealt to brackets:
    those of the first are compared after all `rungs`, those of the next after all but the first rung, and
    those of the last never, so that a setting that learns slowly has its chance. After a rung the best
    ``ceil(n / factor**(i + 1))`` of the n trials of a bracket go on, where that rung is its i-th from 0.
    Rungs are ``epochs / factor**s`` epochs, as many as are at least `min_epochs`; a bracket with s
    rungs has a share of the trials in proportion to ``factor**s / (s + 1)``, so that about as many epochs
    are trained in each. Which trials it has is drawn, always in the same way for as many trials.

    Parameters
    ----------
    factor : float, default=3
        >= 1.01.
    min_epochs : int, default=1
        >= 1: before so many epochs nothing is compared.
    metric : str, optional
        A column of the history, as "validation_loss", of which the last evaluation counts; by default the
        `metric` of the Sweep.

    References
    ----------
    L. Li, K. Jamieson, G. DeSalvo, A. Rostamizadeh, A. Talwalkar, "Hyperband: a novel bandit-based
    approach to hyperparameter optimization", Journal of Machine Learning Research 18(185), 2018.

    >>> Hyperband().rungs(81)
    [1, 3, 9, 27]
    >>> np.bincount(Hyperband().brackets(143, 81)).tolist()
    [81, 34, 15, 8, 5]
    """

    factor: float = 3
    min_epochs: int = 1
    metric: str | None = None

    def __post_init__(self) -> None:
        _check(self, factor=(NUMBER, above(1), at_least(1.01)))

    def rungs(self, epochs: int) -> list[int]:
        """Return the epochs after which trials are compared."""
        found, epoch = [], epochs / self.factor
        while round(epoch) >= self.min_epochs:
            found.append(round(epoch))
            epoch /= self.factor
        return [rung for rung in dict.fromkeys(reversed(found)) if rung < epochs]

    def brackets(self, n_trials: int, epochs: int) -> npt.NDArray[np.intp]:
        """Return the bracket of every trial: the number of the rung that it is compared after first."""
        rungs_of_bracket = np.arange(len(self.rungs(epochs)), -1, -1)
        # Relative to the first bracket's: a power of many rungs would be too large.
        weights = self.factor ** (rungs_of_bracket - rungs_of_bracket[0] * 1.0) / (rungs_of_bracket + 1)
        shares = n_trials * weights / weights.sum()
        counts = np.floor(shares).astype(np.intp)
        most = np.argsort(counts - shares, kind="stable")[: n_trials - counts.sum()]
        counts[most] += 1
        dealt = np.repeat(np.arange(len(counts)), counts)
        found: npt.NDArray[np.intp] = np.random.RandomState(0).permutation(dealt)
        return found

    def survivors(self, rung: int, epochs: int, curves: Curves, pruned: Mask) -> Mask:
        """Return which trials go on: the best of every bracket, and those of which none is compared yet."""
        bracket, alive = self.brackets(len(curves), epochs), ~pruned
        for own in range(rung + 1):
            members = np.flatnonzero(bracket == own)
            alive &= (bracket != own) | _best_of(members, self.factor ** (rung - own + 1), curves, pruned)
        return alive


@dataclass(frozen=True)
class MedianStopping(KnownParameters):
    """After every epoch from `min_epochs` on, trials worse than the median of all leave.

    A trial goes on while its best value so far is at least as good as the median, over all trials
    of the search, of the means of their values so far; of a pruned trial, up to where it was.

    Parameters
    ----------
    min_epochs : int, default=1
        >= 1.
    metric : str, optional
        A column of the history, as "validation_loss"; by default the `metric` of the Sweep.

    References
    ----------
    D. Golovin et al., "Google Vizier: a service for black-box optimization", KDD (2017).

    >>> MedianStopping(min_epochs=2).rungs(5)
    [2, 3, 4]
    """

    min_epochs: int = 1
    metric: str | None = None

    def __post_init__(self) -> None:
        _check(self)

    def rungs(self, epochs: int) -> list[int]:
        """Return the epochs after which trials are compared."""
        return list(range(int(self.min_epochs), epochs))

    def survivors(self, rung: int, epochs: int, curves: Curves, pruned: Mask) -> Mask:
        """Return which trials go on: those that were at least once as good as the median of the means."""
        median = np.median([curve.mean() for curve in curves])
        alive: Mask = np.array([curve.min() for curve in curves]) <= median
        return alive


def by_metric(pruner: Pruner | None, metric: str) -> Pruner | None:
    """Return a pruner, by a search's metric where it names none."""
    if isinstance(pruner, SuccessiveHalving | Hyperband | MedianStopping) and pruner.metric is None:
        return replace(pruner, metric=metric)
    return pruner


def _best_of(members: npt.NDArray[np.intp], divisor: float, curves: Curves, pruned: Mask) -> Mask:
    """Return which trials are among the best of some, by their last values: one of `divisor` of them."""
    count = math.ceil(len(members) / divisor)
    order = members[np.argsort([curves[trial][-1] for trial in members], kind="stable")]
    return np.isin(np.arange(len(curves)), order[~pruned[order]][:count])


def _check(rule: SuccessiveHalving | Hyperband | MedianStopping, **more: tuple[Constraint, ...]) -> None:
    constraints = more | {"min_epochs": (WHOLE, at_least(1)), "metric": (either(COLUMN, NONE),)}
    for name, of_this in constraints.items():
        check(type(rule).__name__, name, getattr(rule, name), of_this)
