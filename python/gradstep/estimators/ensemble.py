"""`VotingEnsemble`: several fitted models that vote."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import _safe_indexing

from gradstep import backends
from gradstep.errors import InvalidParameterError
from gradstep.estimators.reading import check_lengths, check_weight, length
from gradstep.estimators.trainer import Trainer
from gradstep.utils.constraints import NUMBER, Constraint, at_least, check, instance, one_of, sequence_of
from gradstep.utils.names import KnownParameters
from gradstep.utils.pieces import pieces
from gradstep.utils.table import Table

_OWNER = "VotingEnsemble"

# Of a member's and of all.
_BYTES_OF_PROBABILITY = 32

#: Constraints of the parameters of VotingEnsemble; `weights` may be None, too.
ENSEMBLE: dict[str, tuple[Constraint, ...]] = {
    "trainers": (sequence_of(instance(Trainer, "a Trainer")),),
    "voting": (one_of("soft", "hard"),),
    "weights": (sequence_of(NUMBER, at_least(0)),),
}


class VotingEnsemble(KnownParameters, ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A classifier of several fitted Trainers, such as `snapshots_` or those of `Sweep.ensemble`.

    Parameters
    ----------
    trainers : list of Trainer
        Fitted, on the same labels and number of features; one label a row, so neither multilabel
        models nor a Regressor.
    voting : {"soft", "hard"}, default="soft"
        The class of the largest weighted mean of the probabilities, or that with the most votes; the
        first of several in `classes_`.
    weights : list of float, optional
        Of the members, >= 0; equal by default.

    Examples
    --------
    >>> import gradstep as gs
    >>> data = gs.datasets.load_digits()
    >>> trainers = [gs.Trainer(epochs=3, random_state=s).fit(data.train.X, data.train.y) for s in (0, 1)]
    >>> ensemble = VotingEnsemble(trainers)
    >>> ensemble.table(data.test.X, data.test.y)["member"].tolist()
    ['0', '1', 'best single', 'ensemble']
    """

    def __init__(
        self,
        trainers: Sequence[Trainer],
        voting: Literal["soft", "hard"] = "soft",
        weights: Sequence[float] | None = None,
    ) -> None:
        self.trainers = trainers
        self.voting = voting
        self.weights = weights

    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike) -> Self:
        """Check the members, which are trained already; X and y are not looked at."""
        self._members()
        return self

    @property
    def classes_(self) -> npt.NDArray[Any]:
        """The labels, sorted."""
        classes: npt.NDArray[Any] = self._members()[0].classes_
        return classes

    @property
    def n_features_in_(self) -> int:
        """Number of features, d."""
        return int(self._members()[0].n_features_in_)

    def predict_proba(self, X: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return the weighted mean of the members' probabilities, shape (n, k), or of their votes."""
        return self._mean(member.predict_proba(X) for member in self._members())

    def predict(self, X: npt.ArrayLike) -> npt.NDArray[Any]:
        """Return the class of every row, shape (n,); no more probabilities are held than those of a piece."""
        multiple = max(backends.get(member.backend).rows_together for member in self._members())
        parts = list(pieces(length(X) or 0, _BYTES_OF_PROBABILITY * len(self.classes_), multiple))
        rows = [X] if len(parts) <= 1 else [_safe_indexing(X, part) for part in parts]
        labels: npt.NDArray[Any] = np.concatenate(
            [self.classes_[self.predict_proba(some).argmax(axis=1)] for some in rows]
        )
        return labels

    def score(self, X: npt.ArrayLike, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> float:
        """Return the accuracy on the rows of X, y being read as `Trainer.fit` reads it."""
        labels = self._members()[0].result().fitted.targets.read(y, f"y of {_OWNER}.score")
        weight = check_weight(sample_weight, len(labels), f"{_OWNER}.score")
        return float(super().score(X, labels, weight))

    def table(self, X: npt.ArrayLike, y: npt.ArrayLike) -> Table:
        """Return the `accuracy` on these rows of every member, the best single one and the ensemble.

        The best is chosen on these rows, which favours it.
        """
        members, whose = self._members(), f"{_OWNER}.table"
        check_lengths(X, y, whose)
        classes = members[0].result().fitted.targets.encode(y, f"y of {whose}")
        shares: list[float] = []

        def counted(probabilities: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
            check_lengths(probabilities, classes, whose)
            shares.append(float((probabilities.argmax(axis=1) == classes).mean()))
            return probabilities

        counted(self._mean(counted(member.predict_proba(X)) for member in members))
        names = [*map(str, range(len(members))), "best single", "ensemble"]
        shares.insert(len(members), max(shares[:-1]))
        return Table({"member": names, "accuracy": shares})

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_clone__(self) -> VotingEnsemble:
        # Clones of the members would be without their models.
        return VotingEnsemble(self.trainers, self.voting, self.weights)

    def _mean(self, found: Iterable[npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
        """Return the weighted mean of probabilities (n, k) or votes, one member after the other."""
        weights = [1.0] * len(self.trainers) if self.weights is None else self.weights
        total = np.zeros(())
        for weight, probabilities in zip(weights, found, strict=True):
            is_hard = self.voting == "hard"
            votes = np.eye(probabilities.shape[1])[probabilities.argmax(axis=1)] if is_hard else probabilities
            total = total + weight * votes
        return total / sum(weights)

    def _members(self) -> Sequence[Trainer]:
        """Return the members, if they fit together."""
        for name, constraints in ENSEMBLE.items():
            if name != "weights" or self.weights is not None:
                check(_OWNER, name, getattr(self, name), constraints)
        count = len(self.trainers)
        if self.weights is not None and (len(self.weights) != count or not any(self.weights)):
            raise InvalidParameterError(
                f"`weights` of {_OWNER} must be one for each of the {count} trainers, with a sum > 0, "
                f"got {self.weights!r}"
            )
        unfitted = [place for place, member in enumerate(self.trainers) if not hasattr(member, "coefs_")]
        if unfitted or not count:
            what = f"trainer {unfitted[0]} without a model" if unfitted else "none"
            raise InvalidParameterError(f"`trainers` of {_OWNER} must be one or more, all fitted, got {what}")
        first = self.trainers[0]
        for place, member in enumerate(self.trainers):
            kind = member.result().fitted.targets.kind
            if kind != "labels":
                raise InvalidParameterError(
                    f"`trainers` of {_OWNER} must be trained on one label a row, trainer {place} is on {kind}"
                )
            same = np.array_equal(member.classes_, first.classes_)
            if not same or member.n_features_in_ != first.n_features_in_:
                raise InvalidParameterError(
                    f"`trainers` of {_OWNER} must have the same labels and number of features, "
                    f"trainer {place} has not those of trainer 0"
                )
        return self.trainers
