"""What is recorded of a training by a stochastic solver, and when it ends: scikit-learn's rule."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy.typing as npt

from gradstep.sklearn.settings import MLPSettings


@dataclass
class SolverState:
    """What a stochastic solver keeps from one call of `partial_fit` to the next.

    Attributes
    ----------
    solver : str
    learning_rate : float
        Of the next epoch.
    seed : int
        Of what is dropped.
    updates : int
        Updates done.
    slots : ndarray of shape (s, P), or None
        Velocities or moments; None before the first update.
    """

    solver: str
    learning_rate: float
    seed: int = 0
    updates: int = 0
    slots: npt.NDArray[Any] | None = None


@dataclass
class Curves:
    """What a training shows, epoch by epoch.

    Attributes
    ----------
    n_iter : int
        Epochs of this call.
    t : int
        Rows trained on.
    loss : float
        Of the last epoch, the penalty included.
    loss_curve : list of float
    best_loss : float, or None
        None where validation scores are gone by.
    validation_scores : list of float, or None
    best_validation_score : float, or None
    no_improvement_count : int
        Epochs in a row without an improvement by `tol`.
    """

    n_iter: int = 0
    t: int = 0
    loss: float = math.nan
    loss_curve: list[float] = field(default_factory=list)
    best_loss: float | None = math.inf
    validation_scores: list[float] | None = None
    best_validation_score: float | None = None
    no_improvement_count: int = 0

    @classmethod
    def start(cls, early_stopping: bool) -> Self:
        """Begin before the first epoch."""
        if early_stopping:
            return cls(best_loss=None, validation_scores=[], best_validation_score=-math.inf)
        return cls()

    @classmethod
    def of(cls, estimator: Any, early_stopping: bool) -> Self:
        """Go on from the attributes of an estimator, some of which a user may have set."""
        curves = cls.start(early_stopping)
        best = ["validation_scores", "best_validation_score"] if early_stopping else ["best_loss"]
        known: dict[str, Any] = {name: getattr(estimator, f"{name}_", None) for name in best}
        known = {name: value for name, value in known.items() if value is not None}
        curves = replace(curves, t=int(getattr(estimator, "t_", 0)), **known)
        # A user's list stays as it is.
        curves.loss_curve = list(getattr(estimator, "loss_curve_", ()))
        if curves.validation_scores is not None:
            curves.validation_scores = list(curves.validation_scores)
        curves.no_improvement_count = int(getattr(estimator, "_no_improvement_count", 0))
        return curves


class EpochRule:
    """Follows one training: appends to its curves, changes its rate and says when it is over.

    The rule is scikit-learn's: epochs without an improvement by `tol` are counted, the best follows every
    improvement however small, and the training is over, or its rate divided by 5, once the count is above
    `n_iter_no_change`.

    Parameters
    ----------
    settings : MLPSettings
    curves : Curves
    state : SolverState
    n : int
        Rows of an epoch.
    epochs : int
        The most there are.

    Attributes
    ----------
    is_unfinished : bool
        Whether all epochs were done without an end by the rule.
    is_best : bool
        Whether the last epoch has the best validation score so far.
    """

    is_unfinished: bool
    is_best: bool

    def __init__(
        self, settings: MLPSettings, curves: Curves, state: SolverState, n: int, epochs: int
    ) -> None:
        self.settings = settings
        self.curves = curves
        self.state = state
        self.epochs = epochs
        self.is_unfinished = False
        self.is_best = False
        self._n = n

    @property
    def epochs_to_come(self) -> int:
        """Epochs that there may still be."""
        return self.epochs - self.curves.n_iter

    @property
    def epochs_at_once(self) -> int:
        """The fewest epochs after which the rule may end the training, change its rate or say something."""
        settings = self.settings
        if settings.verbose or (settings.solver == "sgd" and settings.learning_rate == "invscaling"):
            return 1
        patience = settings.n_iter_no_change + 1 - self.curves.no_improvement_count
        return int(max(1, min(self.epochs_to_come, patience)))

    def on_epoch(self, loss: float, score: float | None) -> bool:
        """Handle the end of an epoch. Returns True when training should stop.

        Parameters
        ----------
        loss : float
            Mean over the rows of the epoch, the penalty included; may be NaN.
        score : float, or None
            Of the validation rows, if there are some; may be NaN.
        """
        curves, settings = self.curves, self.settings
        curves.n_iter += 1
        curves.t += self._n
        curves.loss = loss
        curves.loss_curve.append(loss)
        if settings.verbose:
            print(f"Iteration {curves.n_iter}, loss = {loss:.8f}")
        self._count(loss, score)
        if settings.solver == "sgd" and settings.learning_rate == "invscaling":
            self.state.learning_rate = settings.rate_of_epoch(curves.t)
        if curves.no_improvement_count > settings.n_iter_no_change:
            if not self._slows_down("Training loss" if score is None else "Validation score"):
                return True
            curves.no_improvement_count = 0
        self.is_unfinished = self.epochs_to_come == 0
        return self.is_unfinished

    def _count(self, loss: float, score: float | None) -> None:
        curves, tol = self.curves, self.settings.tol
        if score is None:
            best = math.inf if curves.best_loss is None else curves.best_loss
            is_short = loss > best - tol
            curves.best_loss = loss if loss < best else best
        else:
            scores = curves.validation_scores = curves.validation_scores or []
            scores.append(score)
            if self.settings.verbose:
                print(f"Validation score: {score:f}")
            highest = curves.best_validation_score
            highest = -math.inf if highest is None else highest
            is_short = score < highest + tol
            self.is_best = score > highest
            curves.best_validation_score = score if score > highest else highest
        curves.no_improvement_count = curves.no_improvement_count + 1 if is_short else 0

    def _slows_down(self, what: str) -> bool:
        """Divide the rate where it is adaptive and large enough. Returns False where training should stop."""
        settings, state = self.settings, self.state
        said = (
            f"{what} did not improve more than tol={settings.tol:f} for "
            f"{settings.n_iter_no_change:d} consecutive epochs."
        )
        is_adaptive = settings.solver == "sgd" and settings.learning_rate == "adaptive"
        goes_on = is_adaptive and state.learning_rate > 1e-6
        if goes_on:
            state.learning_rate /= 5.0
        if settings.verbose and goes_on:
            print(f"{said} Setting learning rate to {state.learning_rate:f}")
        elif settings.verbose:
            print(f"{said} Learning rate too small. Stopping." if is_adaptive else f"{said} Stopping.")
        return goes_on
