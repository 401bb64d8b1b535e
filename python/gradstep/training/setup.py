"""From settings and rows to a training that can begin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from gradstep import backends
from gradstep.backends.protocol import Backend, Session
from gradstep.errors import InvalidDataError
from gradstep.nn.metrics import Metric
from gradstep.plan.build import Given, make_plan
from gradstep.plan.plan import Plan
from gradstep.plan.rows import TrainingData
from gradstep.plan.settings import Settings
from gradstep.plan.sparse import is_sparse
from gradstep.plan.standardization import Standardization
from gradstep.plan.targets import Targets
from gradstep.training.fitted import Fitted
from gradstep.training.line_search import LineSearchSession
from gradstep.utils import threads


@dataclass(frozen=True)
class JobRows:
    """All that models are trained and evaluated on.

    Attributes
    ----------
    train : TrainingData
    held_out : TrainingData, or None
        Rows for validation.
    targets : Targets
        What y was encoded by.
    feature_names : ndarray of shape (d,), or None
        Where X had string column names.
    """

    train: TrainingData
    held_out: TrainingData | None
    targets: Targets
    feature_names: npt.NDArray[np.object_] | None = None


@dataclass(frozen=True)
class TrainingJob:
    """The training of a group of m models as a whole.

    Attributes
    ----------
    backend : Backend
    plan : Plan
    train : TrainingData
    evaluated : mapping of str to TrainingData
        What is evaluated, every time in full: "train", "validation", both or nothing.
    every : int
        Updates between evaluations; the last update is always followed by one.
    metrics : tuple of Metric
        What is told of every evaluation beside loss and cost.
    targets : Targets
        What targets and answers mean.
    n_threads : int
    evaluates_untrained : bool
        Whether there is an evaluation before the first update, too.
    """

    backend: Backend
    plan: Plan
    train: TrainingData
    evaluated: Mapping[str, TrainingData]
    every: int
    metrics: tuple[Metric, ...]
    targets: Targets
    n_threads: int
    evaluates_untrained: bool = False

    @cached_property
    def weighted(self) -> tuple[str, ...]:
        """Splits of the history whose rows have weights."""
        parts = {"train": self.train, "running": self.train} | dict(self.evaluated)
        return tuple(
            split for split, data in parts.items() if data.weight is not None and data.weight.ndim == 1
        )

    @property
    def evaluations(self) -> int:
        """How many there are after updates, if no model leaves early."""
        return -(-(self.plan.updates - self.plan.first_update) // self.every)

    def session(self) -> Session:
        """Begin to execute the plan."""
        evaluated = list(self.evaluated.values())
        if self.plan.takes_all_rows:
            return LineSearchSession(self.backend, self.plan, self.train, evaluated, self.n_threads)
        return self.backend.session(self.plan, self.train, evaluated, n_threads=self.n_threads)

    def select(self, models: Sequence[int]) -> TrainingJob:
        """Return the training of some models of the group, in the order given."""
        evaluated = {name: data.select(models) for name, data in self.evaluated.items()}
        return replace(
            self, plan=self.plan.select(models), train=self.train.select(models), evaluated=evaluated
        )


def make_job(
    settings: Sequence[Settings], rows: JobRows, given: Given | None = None
) -> tuple[TrainingJob, list[Fitted]]:
    """Return the training of a group of m models, and every model before its first update.

    The settings may differ in what each model has for itself; see `Settings.shared`. What is given stands in
    place of what they would make.

    Raises
    ------
    InvalidParameterError
        As `make_plan` does.
    BackendUnavailableError
        The backend asked for is not there, or lacks what the settings name.
    InvalidDataError
        Images are to be augmented that are sparse, or whose pixels are of units that nothing can be moved
        between.
    """
    first = settings[0]
    # What is asked of the rows takes a walk through those that are sparse.
    is_usual = any(own.learning_rate == "auto" for own in settings)
    norm = rows.train.squared_norm if is_usual else None
    plan, parameters = make_plan(settings, rows.train.n, rows.train.d, rows.targets.k, given, norm)
    if plan.augmentation is not None:
        if is_sparse(rows.train.X):
            raise InvalidDataError(
                f"X of {first.owner}.fit must be dense for `augment` of {first.owner}, which changes images, "
                f"got sparse rows of shape {rows.train.X.shape}"
            )
        _check_units(rows.train.standardization)
    backend = backends.choose(first.backend, plan.objective, plan.rule)
    every, evaluated = _evaluations(first.evaluate_every, plan, rows)
    n_threads = threads.choose(first.n_threads, plan.batch_size * parameters.size)
    job = TrainingJob(
        backend,
        plan,
        rows.train,
        evaluated,
        every,
        first.metrics,
        rows.targets,
        n_threads,
        evaluates_untrained=first.evaluate_untrained and bool(evaluated),
    )
    fitted = [
        Fitted(
            plan.objective.layers,
            block,
            own.loss,
            own.activation,
            float(own.l2),
            own.metrics,
            rows.train.standardization,
            rows.targets,
            rows.feature_names,
        )
        for own, block in zip(settings, parameters, strict=True)
    ]
    return job, fitted


def _check_units(standardization: Standardization) -> None:
    """Raise InvalidDataError where columns would be multiplied, each by another number, to be read."""
    far = np.flatnonzero(standardization.exponents())
    if far.size:
        mean, scale = standardization.mean[far[0]], standardization.scale[far[0]]
        raise InvalidDataError(
            f"column {far[0]} of X must be nearer to 1 for images that are augmented, got a mean of "
            f"{mean:.3g} and a standard deviation of {scale:.3g}"
        )


def _evaluations(
    evaluate_every: str | int | None, plan: Plan, rows: JobRows
) -> tuple[int, dict[str, TrainingData]]:
    """Return the updates between evaluations, and what is evaluated."""
    if evaluate_every is None:
        return plan.updates, {}
    evaluated = {} if evaluate_every == "running" else {"train": rows.train}
    evaluated |= {} if rows.held_out is None else {"validation": rows.held_out}
    of_an_epoch = evaluate_every in ("epoch", "running")
    return plan.updates_per_epoch if of_an_epoch else int(evaluate_every), evaluated
