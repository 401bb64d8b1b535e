"""A face of scikit-learn's networks as a trial of a search: its settings, in the words of searches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.utils.multiclass import type_of_target

from gradstep.errors import InvalidParameterError
from gradstep.nn.metrics import R2, Accuracy, Metric, SubsetAccuracy, parse_column
from gradstep.nn.optimizers import Optimizer
from gradstep.plan.checkpoint import as_text
from gradstep.plan.settings import Settings
from gradstep.search.trials import Trial, named
from gradstep.sklearn.base import BaseFace
from gradstep.sklearn.keeping import NO_BITS, check_not_kept
from gradstep.sklearn.settings import MLPSettings
from gradstep.sklearn.together import OWN

# What is not shared because each model of a group asks for itself, or is asked for otherwise.
_APART = {*OWN, "hidden_layer_sizes", "activation", "dropout", "solver", "batch_size", "verbose", "callbacks"}


@dataclass(frozen=True, eq=False)
class FaceSettings:
    """Settings of a face, whose parameters hold.

    Attributes
    ----------
    face : MLPClassifier or MLPRegressor
        With an int as `random_state`; not fitted.
    metric : Metric
        What its history tells beside the loss.
    precision : str
        Of its arithmetic, on the rows of the search.
    """

    face: BaseFace
    metric: Metric
    precision: str
    verbose: int = 0  # the rule of a face prints by itself
    clips: bool = False

    @cached_property
    def own(self) -> MLPSettings:
        """Its parameters, frozen."""
        return self.face.settings()

    @property
    def backend(self) -> str:
        """What trains it."""
        return str(self.own.backend)

    def identity(self) -> dict[str, str]:
        """Return as text what a training must have as it was, to be the same one; the backend apart."""
        given_names = self.face.get_params(deep=False).items()
        return {name: as_text(value) for name, value in given_names if name not in NO_BITS}

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What its history tells beside the loss."""
        return (self.metric,)

    @property
    def epochs(self) -> int:
        """The most there are."""
        return int(self.own.max_iter)

    @property
    def callbacks(self) -> tuple[Any, ...]:
        """Called after every epoch."""
        return self.own.callbacks

    @property
    def hidden(self) -> tuple[int, ...]:
        """Units of its hidden layers."""
        return self.own.hidden

    @property
    def optimizer(self) -> Optimizer:
        """Its solver."""
        return self.own.optimizer

    @property
    def slots(self) -> int:
        """Numbers per parameter that its solver keeps."""
        return self.own.optimizer.rule.slots

    @property
    def validation_fraction(self) -> float | None:
        """Share of its rows that it holds out to decide when to stop."""
        return float(self.own.validation_fraction) if self.own.early_stopping else None

    def trained_rows(self, n: int) -> int:
        """Return how many of n rows are trained on."""
        return n - int(np.ceil(n * (self.validation_fraction or 0.0)))

    def rows_per_update(self, n: int) -> int:
        """Return the batch size for n rows to be trained on."""
        return self.own.rows_of_batch(n)

    def shared(self, n: int) -> dict[str, Any]:
        """Return what models must have in common to train in one pass over n rows."""
        plain = self.face.get_params(deep=False).items()
        return {name: value for name, value in plain if name not in _APART} | {
            "class": type(self.face).__name__,
            "hidden_layer_sizes": self.own.hidden,
            "activation": (self.own.activation.name,) * len(self.own.hidden),
            "dropout": self.own.dropout,
            "solver": self.own.solver,
            "rule": self.own.optimizer.rule.name,
            "batch_size": self.own.rows_of_batch(self.trained_rows(n)),
        }

    def check_held_out(self, others: str) -> None:
        """Raise InvalidParameterError when rows are held out though there are others to validate on."""
        if self.own.early_stopping:
            raise InvalidParameterError(
                f"`early_stopping` of {self.own.owner}, which holds out rows of its own, must be False where "
                f"{others} gives the validation rows, got True"
            )

    def check_watched(self, has_validation: bool) -> None:
        """Raise nothing: its rule watches what it has."""

    def check_column(self, whose: str, column: str, has_validation: bool) -> None:
        """Raise InvalidParameterError when a column of the history would not be there, or be empty."""
        split = parse_column(column).split
        known = ["running_loss", "validation_loss", f"validation_{self.metric.name}"]
        if self.metric.from_hits:
            known.append(f"running_{self.metric.name}")
        needs = ""
        if column not in known:
            needs = f"one of {', '.join(known)}, which a history of {self.own.owner} has"
        elif split == "validation" and not has_validation and not self.own.early_stopping:
            needs = "validation rows, by `validation_share` of Sweep or an eval_set, got none"
        if needs:
            raise InvalidParameterError(f"{whose} {column}, which needs {needs}")


def make_face_trials(base: BaseFace, candidates: Sequence[Mapping[str, Any]], X: Any, y: Any) -> list[Trial]:
    """Return a trial for every setting, each with a face of its own.

    Raises
    ------
    InvalidParameterError
        A setting breaks a constraint, or has another solver than those that train in epochs; the message
        has the trial and its values.
    """
    metric, seed, trials = _metric(base, y), base.random_state, []
    for number, params in enumerate(candidates):
        with named(number, params, "Sweep"):
            face = clone(base)
            try:
                face.set_params(**{name: clone(value, safe=False) for name, value in params.items()})
                face.check()
            except ValueError as error:
                raise InvalidParameterError(str(error)) from error
            if not isinstance(face.random_state, (int, np.integer)):
                face.set_params(random_state=seed)
            check_not_kept(face.checkpoint, type(face).__name__, "Sweep")
            own = face.settings()
            if not own.is_stochastic:
                raise InvalidParameterError(
                    f"`solver` of {own.owner} must be 'adam' or 'sgd' in Sweep, which compares epochs, got "
                    f"{own.solver!r}; FusedSearchCV takes it"
                )
            is_single = own.precision == "auto" and getattr(X, "dtype", None) == np.float32
            precision = "float32" if is_single or own.precision == "float32" else "float64"
        # It answers all that searches ask Settings.
        settings = cast("Settings", FaceSettings(face, metric, precision))
        trials.append(Trial(number, dict(params), face, settings))
    return trials


def _metric(face: BaseFace, y: Any) -> Metric:
    """Return what a history tells beside the loss: of several labels the share of rows right in all."""
    if not is_classifier(face):
        return R2()
    return SubsetAccuracy() if type_of_target(y).startswith("multilabel") else Accuracy()
