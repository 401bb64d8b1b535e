"""What a user asked for: the parameters of an estimator, checked once and frozen."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, Self, get_args

import numpy as np
from sklearn.utils import check_random_state

from gradstep.errors import InvalidParameterError
from gradstep.nn.activations import Activation
from gradstep.nn.augment import Augment
from gradstep.nn.averaging import Averaging
from gradstep.nn.early_stopping import EarlyStopping
from gradstep.nn.initializers import Initializer
from gradstep.nn.losses import Loss
from gradstep.nn.metrics import ALWAYS, Metric, parse_column
from gradstep.nn.optimizers import Optimizer
from gradstep.nn.schedules import ReduceOnPlateau, Schedule
from gradstep.nn.scorers import METRIC, Scorer, metric_for
from gradstep.plan.checkpoint import Checkpoint, as_text
from gradstep.plan.class_weights import CLASS_WEIGHT, ClassWeights, frozen
from gradstep.plan.order import rows_per_update
from gradstep.utils import names
from gradstep.utils.concepts import Concept, plain
from gradstep.utils.constraints import (
    CALLABLE,
    FLAG,
    NONE,
    NUMBER,
    PLAIN,
    WHOLE,
    Constraint,
    above,
    at_least,
    at_most,
    below,
    check,
    either,
    instance,
    one_of,
    sequence_of,
    share_below,
)
from gradstep.utils.hold_out import held_out_count

#: Most threads that may be asked for; a backend starts no more than help.
MOST_THREADS = 1024

#: Most updates of one training; the learning rate of each is held in memory.
MOST_UPDATES = 2**28

#: Share of the rows that is held out where early stopping watches validation rows and none are given.
USUAL_FRACTION = 0.1

#: Values of `backend`, `precision` and `evaluate_every`, as type checkers know them.
BackendName = Literal["auto", "cpp", "numba", "numpy"]
PrecisionName = Literal["float32", "float64"]
EvaluateEvery = Literal["epoch", "running"] | int | None

#: The learning rate that is not given.
USUAL_RATES: dict[str, str | float] = {"Trainer": "auto", "Regressor": 0.01}

#: Families of which a parameter may be a short name.
FAMILIES: dict[str, type[Concept]] = {
    "activation": Activation,
    "average": Averaging,
    "init": Initializer,
    "loss": Loss,
    "optimizer": Optimizer,
}

_ACTIVATION = Activation.constraint()

CHECKPOINT = (either(instance(Checkpoint, "a Checkpoint"), NONE),)

RANDOM_STATE = (
    either(WHOLE, NONE, instance(np.random.RandomState, "a numpy RandomState")),
    at_least(0),
    at_most(2**32 - 1),
)

_SHARED: dict[str, tuple[Constraint, ...]] = {
    "hidden": (sequence_of(WHOLE, at_least(1)),),
    "activation": (either(_ACTIVATION, sequence_of(_ACTIVATION)),),
    "loss": (Loss.constraint(),),
    "l2": (NUMBER, at_least(0)),
    "optimizer": (Optimizer.constraint(),),
    "learning_rate": (either(one_of("auto"), NUMBER, CALLABLE), above(0)),
    "dropout": (either(NUMBER, sequence_of(NUMBER, share_below(1))), share_below(1)),
    "input_dropout": (NUMBER, share_below(1)),
    "clip_norm": (either(NUMBER, NONE), above(0)),
    "clip_value": (either(NUMBER, NONE), above(0)),
    "average": (either(Averaging.constraint(), NONE),),
    "batch_size": (either(one_of("auto"), WHOLE), at_least(1)),
    "epochs": (WHOLE, at_least(1)),
    "shuffle": (FLAG,),
    "standardize": (FLAG,),
    "augment": (either(instance(Augment, "an augmentation of gradstep.augment"), NONE),),
    "init": (Initializer.constraint(),),
    "metrics": (sequence_of(METRIC),),
    "evaluate_every": (either(one_of("epoch", "running"), WHOLE, NONE), at_least(1)),
    "evaluate_untrained": (FLAG,),
    "validation_fraction": (either(NUMBER, NONE), above(0), below(1)),
    "early_stopping": (either(instance(EarlyStopping, "an EarlyStopping"), NONE),),
    "callbacks": (sequence_of(CALLABLE),),
    "checkpoint": CHECKPOINT,
    "precision": (one_of(*get_args(PrecisionName)),),
    "backend": (one_of(*get_args(BackendName)),),
    "n_threads": (either(WHOLE, NONE), at_least(1), at_most(MOST_THREADS)),
    "random_state": RANDOM_STATE,
    "warm_start": (FLAG,),
    "verbose": (either(WHOLE, FLAG), at_least(0)),
}


def _with(after: str, name: str, *constraints: Constraint) -> dict[str, tuple[Constraint, ...]]:
    """Return the constraints of all with those of one more parameter, which stands after another."""
    place = list(_SHARED).index(after) + 1
    items = list(_SHARED.items())
    return dict([*items[:place], (name, constraints), *items[place:]])


#: Constraints of every parameter of Trainer, in the order in which they are checked.
TRAINER = _with("loss", "class_weight", CLASS_WEIGHT)

#: Likewise of Regressor.
REGRESSOR = _with("standardize", "standardize_targets", FLAG)

#: Constraints and the targets that losses may take, by the class that has the parameters.
OWNERS: dict[str, tuple[dict[str, tuple[Constraint, ...]], tuple[str, ...]]] = {
    "Trainer": (TRAINER, ("labels", "indicators")),
    "Regressor": (REGRESSOR, ("values",)),
}

#: Parameters that every model of a group has for itself; of concepts, the numbers in them.
OWN = (
    *("l2", "learning_rate", "dropout", "clip_norm", "clip_value", "average"),
    *("init", "early_stopping", "callbacks", "verbose"),
)


#: Parameters that a training may go on with others of; what else there is its trajectory follows from.
_FREE = (
    *("owner", "learning_rate", "epochs", "init", "evaluate_every", "evaluate_untrained", "early_stopping"),
    *("callbacks", "checkpoint", "backend", "n_threads", "random_state", "warm_start", "verbose"),
)

#: Parameters of which no bit of a training depends.
_NO_BITS = ("callbacks", "checkpoint", "backend", "n_threads", "warm_start", "verbose")


@dataclass(frozen=True)
class Settings:
    """The parameters of one training: short names resolved, everything checked.

    Attributes are the parameters of `Trainer` and `Regressor`, but for `activation` and `dropout`, tuples
    with one for every hidden layer, `metrics`, those of the loss and the further ones, and `class_weight`,
    tuples in place of dicts.
    """

    owner: str
    hidden: tuple[int, ...]
    activation: tuple[Activation, ...]
    loss: Loss
    l2: float
    optimizer: Optimizer
    learning_rate: str | float | Schedule | Callable[[int], float]
    dropout: tuple[float, ...]
    input_dropout: float
    clip_norm: float | None
    clip_value: float | None
    average: Averaging | None
    batch_size: int | str
    epochs: int
    shuffle: bool
    standardize: bool
    augment: Augment | None
    init: Initializer
    metrics: tuple[Metric, ...]
    evaluate_every: str | int | None
    evaluate_untrained: bool
    validation_fraction: float | None
    early_stopping: EarlyStopping | None
    callbacks: tuple[Callable[..., Any], ...]
    checkpoint: Checkpoint | None
    precision: str
    backend: str
    n_threads: int | None
    random_state: int | np.random.RandomState | None
    warm_start: bool
    verbose: int
    standardize_targets: bool = True
    class_weight: ClassWeights = None

    @classmethod
    def of(cls, owner: str, parameters: Mapping[str, Any], checked: Mapping[str, Any] | None = None) -> Self:
        """Check the parameters of an estimator, but for plain values that it shares with those `checked`.

        Raises
        ------
        InvalidParameterError
            The first of them that breaks a constraint, or that does not fit the others.
        """
        constraints, takes = OWNERS[owner]
        for name in constraints:
            value = parameters[name]
            if checked is None or type(value) not in PLAIN or value is not checked[name]:
                check(owner, name, value, constraints[name])
        loss = Loss.resolve(parameters["loss"])
        if loss.takes not in takes:
            other = next(name for name, (_, kinds) in OWNERS.items() if loss.takes in kinds)
            raise InvalidParameterError(
                f"`loss` of {owner} must take {' or '.join(takes)}, got {parameters['loss']!r}, "
                f"which takes {loss.takes}: it is for {other}"
            )
        values = {name: parameters[name] for name in constraints} | {
            "owner": owner,
            "hidden": tuple(int(units) for units in parameters["hidden"]),
            "activation": _activations(owner, parameters["activation"], len(parameters["hidden"])),
            "loss": loss,
            "optimizer": Optimizer.resolve(parameters["optimizer"]),
            "dropout": _dropout(owner, parameters["dropout"], len(parameters["hidden"])),
            "average": Averaging.resolve(parameters["average"]),
            "init": Initializer.resolve(parameters["init"]),
            "metrics": _metrics(owner, loss, parameters["metrics"], parameters["early_stopping"]),
            "callbacks": tuple(parameters["callbacks"]),
            "class_weight": frozen(parameters.get("class_weight")),
        }
        settings = cls(**values)
        settings.check_optimizer()
        return settings

    def check_optimizer(self) -> None:
        """Raise InvalidParameterError when parameters are given that the optimizer has no use for."""
        if not self.optimizer.takes_all_rows:
            return
        needs = {
            "learning_rate": (USUAL_RATES[self.owner], "whose line search finds the steps"),
            "batch_size": ("auto", "which takes all rows at once"),
            "augment": (None, "which needs the same rows in every iteration"),
            "dropout": (0.0, "which needs the same network in every iteration"),
            "input_dropout": (0.0, "which needs the same rows in every iteration"),
            "clip_norm": (None, "whose line search needs the whole gradient"),
            "clip_value": (None, "whose line search needs the whole gradient"),
            "average": (None, "whose iterations go down all the way"),
        }
        for name, (only, why) in needs.items():
            value = getattr(self, name)
            is_set = any(value) if name == "dropout" else bool(value) and value != only
            if is_set:
                raise InvalidParameterError(
                    f"`{name}` of {self.owner} must be {only!r} for {type(self.optimizer).__name__}, {why}, "
                    f"got {value!r}"
                )

    @property
    def clips(self) -> bool:
        """Whether gradients are clipped."""
        return self.clip_norm is not None or self.clip_value is not None

    @property
    def slots(self) -> int:
        """Numbers that are kept of every parameter: those of the rule, and the average."""
        return self.optimizer.rule.slots + (self.average is not None)

    def for_rows(self, has_validation: bool) -> Self:
        """Return the settings for rows with or without validation rows beside them.

        Without, early stopping that watches validation rows has a share of the training's own held out, as
        scikit-learn's does.
        """
        if has_validation or self.validation_fraction is not None:
            return self
        if not self.early_stopping or self._has_own_rows(self.early_stopping.column):
            return self
        if parse_column(self.early_stopping.column)[0] != "validation":
            return self
        return replace(self, validation_fraction=USUAL_FRACTION)

    def seeded(self) -> Self:
        """Return the settings with an int as `random_state`, drawn where it is none."""
        state = self.random_state
        if isinstance(state, (int, np.integer)):
            return self
        return replace(self, random_state=int(check_random_state(state).randint(2**31 - 1)))

    def agreed(self) -> dict[str, str]:
        """Return as text what a training that goes on must have as it was."""
        own = {name.name: getattr(self, name.name) for name in fields(self) if name.name not in _FREE}
        own["metrics"] = [metric.name for metric in self.metrics]
        return {name: json.dumps(plain(value), sort_keys=True) for name, value in own.items()}

    def identity(self) -> dict[str, str]:
        """Return as text what a training must have as it was, to be the same one; the backend apart."""
        own = {name.name: getattr(self, name.name) for name in fields(self) if name.name not in _NO_BITS}
        own["metrics"] = [metric.name for metric in self.metrics]
        return {name: as_text(value) for name, value in own.items()}

    def check_watched(self, has_validation: bool) -> None:
        """Raise InvalidParameterError when a rule watches a column that would be empty, or come too late."""
        columns = {}
        if self.early_stopping:
            columns["early_stopping"] = self.early_stopping.column
        if isinstance(self.learning_rate, ReduceOnPlateau):
            columns["learning_rate"] = self.learning_rate.monitor
        for name, column in columns.items():
            self.check_column(f"`{name}` of {self.owner} monitors", column, has_validation)

    def check_held_out(self, others: str) -> None:
        """Raise InvalidParameterError when rows are held out though there are others to validate on."""
        if self.validation_fraction is not None:
            raise InvalidParameterError(
                f"`validation_fraction` of {self.owner} must be None where {others} gives the "
                f"validation rows, got {self.validation_fraction}"
            )

    def check_column(self, whose: str, column: str, has_validation: bool) -> None:
        """Raise InvalidParameterError when a column of the history would not be there, or be empty."""
        split, _, name = parse_column(column)
        known = ["loss", "cost", *(own.name for own in self.metrics)]
        needs = ""
        if name not in known:
            said = names.hint(name, known, {own: f"{split}_{own}" for own in known})
            needs = f"a loss or `metrics` that have it, got {', '.join(known)}" + (
                f"; {said}" if said else ""
            )
        elif self.evaluate_every is None:
            needs = "metrics while training, got evaluate_every=None"
        elif split == "train" and self.evaluate_every == "running":
            needs = "the train rows evaluated, got evaluate_every='running'"
        elif self._has_own_rows(f"validation_{name}"):
            if split != "validation":
                needs = f"rows that the metric is told of, got one with rows of its own: validation_{name}"
        elif split == "validation" and not has_validation and self.validation_fraction is None:
            needs = f"validation rows, by `validation_fraction` of {self.owner} or an eval_set, got none"
        if needs:
            raise InvalidParameterError(f"{whose} {column}, which needs {needs}")

    def _has_own_rows(self, column: str) -> bool:
        """Whether a column is what a function of the estimator alone says."""
        own = [metric for metric in self.metrics if isinstance(metric, Scorer) and metric.has_own_rows]
        return column in {f"validation_{metric.name}" for metric in own}

    def rows_per_update(self, n: int) -> int:
        """Return the batch size for n rows to be trained on."""
        return n if self.optimizer.takes_all_rows else rows_per_update(self.batch_size, n)

    def trained_rows(self, n: int) -> int:
        """Return how many of n rows are trained on."""
        share = self.validation_fraction
        return n if share is None else n - held_out_count(n, share)

    def shared(self, n: int) -> dict[str, Any]:
        """Return what models must have in common to train in one pass over n rows."""
        return {name: getattr(self, name) for name in _IN_COMMON} | {
            "loss": self.loss.name,
            "activation": tuple(activation.name for activation in self.activation),
            "optimizer": self.optimizer.name if self.optimizer.takes_all_rows else self.optimizer.rule.name,
            # A step whose gradient is clipped is rounded otherwise.
            "clips": self.clips,
            "averages": self.average is not None,
            # Copies of a scorer are not equal to it.
            "metrics": tuple(metric.name for metric in self.metrics),
            "batch_size": self.rows_per_update(self.trained_rows(n)),
        }


_IN_COMMON = tuple(field.name for field in fields(Settings) if field.name not in OWN)


def _activations(owner: str, given: Any, layers: int) -> tuple[Activation, ...]:
    """Return one activation for every hidden layer."""
    if not isinstance(given, (tuple, list)):
        return (Activation.resolve(given),) * layers
    if len(given) != layers:
        raise InvalidParameterError(
            f"`activation` of {owner} must be one, or one for each of the {layers} hidden layers, "
            f"got {len(given)}: {given!r}"
        )
    return tuple(Activation.resolve(activation) for activation in given)


def _dropout(owner: str, given: Any, layers: int) -> tuple[float, ...]:
    """Return the share that is dropped of every hidden layer."""
    if not isinstance(given, (tuple, list)):
        return (float(given),) * layers
    if len(given) != layers:
        raise InvalidParameterError(
            f"`dropout` of {owner} must be one share, or one for each of the {layers} hidden layers, "
            f"got {len(given)}: {given!r}; that of the inputs is `input_dropout`"
        )
    return tuple(map(float, given))


def _metrics(owner: str, loss: Loss, given: Any, stopping: EarlyStopping | None) -> tuple[Metric, ...]:
    """Return the metrics of the loss, then the further ones, then what early stopping alone watches."""
    # Loss and cost are told of every model, first.
    further = [metric for metric in map(metric_for, given) if metric not in ALWAYS]
    watched = stopping and stopping.metric
    if watched and watched not in ALWAYS:
        further.append(watched)
    for metric in further:
        if metric.takes and loss.takes not in metric.takes:
            whose = "`monitor` of EarlyStopping" if metric is watched else f"`metrics` of {owner}"
            raise InvalidParameterError(
                f"{whose} must be for {loss.takes}, which {loss.name} takes, got "
                f"{metric.name!r}, which is for {' and '.join(metric.takes)}"
            )
    found: dict[str, Metric] = {}
    for metric in (*loss.metrics, *further):
        if metric.by_scorer and found.setdefault(metric.name, metric) != metric:
            raise InvalidParameterError(
                f"`metrics` of {owner} must have different names, got {metric.name!r} twice: "
                f"Scorer(..., name=...) has one of its own"
            )
        found[metric.name] = metric
    return tuple(found.values())
