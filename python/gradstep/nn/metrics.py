"""What describes a model on rows: metrics, each of which knows its name, its direction and its formula.

A column of a history is a split and a metric, as ``validation_accuracy``. A metric registers by being
defined; what a loss tells of itself is in its `metrics`, and `metrics` of Trainer adds others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from gradstep.errors import InvalidParameterError
from gradstep.nn.r2 import r2
from gradstep.utils import text
from gradstep.utils.concepts import Concept
from gradstep.utils.constraints import Constraint
from gradstep.utils.names import module_getattr
from gradstep.utils.printed_table import PrintedTable
from gradstep.utils.table import Tabular

__all__ = [
    "F1",
    "R2",
    "Accuracy",
    "BestTracker",
    "Cost",
    "MeanAbsoluteError",
    "MeanLoss",
    "Metric",
    "Metrics",
    "SubsetAccuracy",
]

if not TYPE_CHECKING:  # who checks types shall know what is not there
    __getattr__ = module_getattr("gradstep.metrics", __all__)

Array = npt.NDArray[Any]

#: What metrics are of: how columns begin, and what to call them in a line of text.
SPLITS = {"train": "train", "running": "train (running)", "validation": "validation"}


class Metric(Concept):
    """Base of all metrics.

    Attributes
    ----------
    better : {"higher", "lower"}
    is_share : bool
        Whether it is a share of 1, shown in percent.
    takes : tuple of str
        Kinds of targets that it is for.
    from_hits : bool
        Whether it is the share of rows answered right, which kernels count as they go.
    by_scorer : bool
        Whether it is a score of the model itself: see `gradstep.nn.scorers`.
    """

    family = "metric"
    home = "gradstep.metrics"
    better: ClassVar[str] = "lower"
    is_share: ClassVar[bool] = False
    takes: ClassVar[tuple[str, ...]] = ()
    from_hits: ClassVar[bool] = False
    by_scorer: ClassVar[bool] = False

    def of(self, predictions: Array, targets: Array, weight: npt.NDArray[np.float64] | None = None) -> float:
        """Return the metric of one model.

        Parameters
        ----------
        predictions, targets : ndarray of shape (n,) or (n, k)
            What the model answers and what is right, in the same form and units: class indices (n,), real
            values (n, k) in the units of y, or indicators (n, k) of 0 and 1.
        weight : ndarray of shape (n,), float64, optional
            Weights of the rows.
        """
        raise NotImplementedError

    @property
    def from_answers(self) -> bool:
        """Whether `of` makes it of what a model answers."""
        return not (self.from_hits or self.by_scorer)

    @property
    def title(self) -> str:
        """What a heading says."""
        return self.name.replace("_", " ")


@dataclass(frozen=True)
class MeanLoss(Metric):
    """Mean over rows of the data term alone; backends compute it."""

    name = "loss"


@dataclass(frozen=True)
class Cost(Metric):
    """``loss + l2 * sum(W**2)`` over every weight; backends compute it."""

    name = "cost"


#: Of every model, whatever its loss.
ALWAYS: tuple[Metric, ...] = (MeanLoss(), Cost())


@dataclass(frozen=True)
class Accuracy(Metric):
    """Share of rows whose highest score is that of their class, in [0, 1].

    >>> Accuracy().of(np.array([0, 1, 1]), np.array([0, 1, 0]), np.array([1.0, 1.0, 2.0]))
    0.5
    """

    better = "higher"
    is_share = True
    takes: ClassVar[tuple[str, ...]] = ("labels",)
    from_hits = True

    def of(self, predictions: Array, targets: Array, weight: npt.NDArray[np.float64] | None = None) -> float:
        """Return the (weighted) share of right classes."""
        return float(np.average(predictions == targets, weights=weight))


@dataclass(frozen=True)
class SubsetAccuracy(Metric):
    """Share of rows of which every output is right, in [0, 1].

    >>> SubsetAccuracy().of(np.array([[0.0, 1.0], [1.0, 1.0]]), np.array([[0.0, 1.0], [0.0, 1.0]]))
    0.5
    """

    better = "higher"
    is_share = True
    takes: ClassVar[tuple[str, ...]] = ("indicators",)
    from_hits = True

    def of(self, predictions: Array, targets: Array, weight: npt.NDArray[np.float64] | None = None) -> float:
        """Return the (weighted) share of rows that are right in all outputs."""
        return float(np.average((predictions == targets).all(axis=1), weights=weight))


@dataclass(frozen=True)
class F1(Metric):
    """Harmonic mean of precision and recall, the mean over classes or outputs, in [0, 1].

    As `f1_score` of scikit-learn with ``average="macro"``; 0 where an output is never right.

    >>> F1().of(np.array([[1.0], [0.0]]), np.array([[1.0], [1.0]]))
    0.6666666666666666
    """

    better = "higher"
    is_share = True
    takes: ClassVar[tuple[str, ...]] = ("indicators", "labels")

    @property
    def title(self) -> str:
        """What a heading says."""
        return "F1"

    def of(self, predictions: Array, targets: Array, weight: npt.NDArray[np.float64] | None = None) -> float:
        """Return the macro average."""
        from sklearn.metrics import f1_score

        right, given = (np.asarray(values, dtype=np.int64) for values in (targets, predictions))
        if right.ndim == 2 and right.shape[1] == 1:
            return float(f1_score(right[:, 0], given[:, 0], sample_weight=weight, zero_division=0))
        return float(f1_score(right, given, average="macro", sample_weight=weight, zero_division=0))


@dataclass(frozen=True)
class R2(Metric):
    """Share of the variance of the targets that is explained, the mean over outputs; 1 at best.

    As `r2_score` of scikit-learn.

    >>> R2().of(np.array([[1.0], [2.0]]), np.array([[1.0], [3.0]]))
    0.5
    """

    better = "higher"
    takes: ClassVar[tuple[str, ...]] = ("values",)

    @property
    def title(self) -> str:
        """What a heading says."""
        return "R2"

    def of(self, predictions: Array, targets: Array, weight: npt.NDArray[np.float64] | None = None) -> float:
        """Return the mean over outputs; NaN of one row, and of predictions that are not finite."""
        if len(targets) < 2 or not np.isfinite(predictions).all():
            return np.nan
        return r2(predictions, targets, weight)


@dataclass(frozen=True)
class MeanAbsoluteError(Metric):
    """Mean over rows and outputs of ``|prediction - target|``, in the units of y.

    >>> MeanAbsoluteError().of(np.array([[1.0], [2.0]]), np.array([[1.0], [3.0]]))
    0.5
    """

    takes: ClassVar[tuple[str, ...]] = ("values",)

    def of(self, predictions: Array, targets: Array, weight: npt.NDArray[np.float64] | None = None) -> float:
        """Return the (weighted) mean."""
        return float(np.average(np.abs(predictions - targets).mean(axis=1), weights=weight))


class _Score(Metric):
    """Base of scores of scikit-learn's kind: more is better, and each object has a name of its own."""

    name = "score"
    better = "higher"
    by_scorer = True


class Metrics(Mapping[str, float], Tabular):
    """Metrics of one model on one set of rows; ``metrics.loss`` and ``metrics["loss"]`` are the same.

    Parameters
    ----------
    values : mapping of str to float
        By the names of the metrics: `loss` and `cost` first, then those of the loss that was trained.

    >>> Metrics({"loss": 0.5, "cost": 0.7}).cost
    0.7
    """

    def __init__(self, values: Mapping[str, float]) -> None:
        self._values = {name: float(value) for name, value in values.items()}

    def __getitem__(self, name: str) -> float:
        if name not in self._values:
            raise InvalidParameterError(f"these Metrics have no {name!r}; they have {', '.join(self)}")
        return self._values[name]

    def __getattr__(self, name: str) -> float:
        values = self.__dict__.get("_values", {})
        if name not in values:
            raise AttributeError(f"these Metrics have no {name!r}; they have {', '.join(values)}")
        return float(values[name])

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def column(self, name: str) -> list[float]:
        """Return a metric as a column of one row."""
        return [self[name]]

    def shown(self, columns: Sequence[str] | None = None, most: int | None = None) -> PrintedTable:
        """Return some metrics as text, by default all of them."""
        names = list(self) if columns is None else columns
        return PrintedTable(names, [[value_text(name, self[name]) for name in names]])

    def __repr__(self) -> str:
        return f"Metrics({', '.join(f'{name}={text.number(value)}' for name, value in self._values.items())})"

    def __str__(self) -> str:
        return repr(self)


def columns(metrics: Sequence[Metric]) -> tuple[str, ...]:
    """Return the columns of a history that tell of the metrics: those of every split.

    >>> columns((Accuracy(),))[:4]
    ('train_loss', 'train_cost', 'train_accuracy', 'running_loss')
    """
    names = [metric.name for metric in (*ALWAYS, *metrics)]
    running = ["loss", *(metric.name for metric in metrics if metric.from_hits)]
    parts = {"train": names, "running": running, "validation": names}
    return tuple(f"{split}_{name}" for split in SPLITS for name in parts[split])


class Column(NamedTuple):
    """What a column of a history is of."""

    split: str
    metric: type[Metric]
    name: str


#: The first columns of every history. `update` counts mini-batch steps done, `epoch` is a fraction where a
#: row falls inside an epoch, `learning_rate` is that of the last step, `seconds` is the time since `fit`
#: began. Metrics follow, a column for each split: the running ones are means over the batches since the
#: row before, each batch as it was trained on, before its update; a row's sample weight counts relative to
#: the mean weight of all rows. The train and validation columns are NaN where those rows were not evaluated.
TIME = ("update", "epoch", "learning_rate", "seconds")


def parse_column(column: str) -> Column:
    """Return split and metric of a column of a history; a name that no metric has is that of a scorer.

    >>> parse_column("validation_roc_auc").metric.better
    'higher'

    Raises
    ------
    InvalidParameterError
        There is no such column.
    """
    split, _, name = column.partition("_")
    found = {member.name: member for member in Metric.members() if member.name}.get(name)
    if found is None and name.isidentifier() and name not in TIME:
        found = _Score
    if split in SPLITS and found is not None and (split != "running" or name == "loss" or found.from_hits):
        return Column(split, found, name)
    raise InvalidParameterError(f"no column of a history is {column!r}; it is a split and a metric")


def is_column(value: object) -> bool:
    """Whether a history may have such a column."""
    if not isinstance(value, str):
        return False
    try:
        parse_column(value)
    except InvalidParameterError:
        return False
    return True


def sign(column: str) -> float:
    """Return what turns a column so that less is better."""
    return 1.0 if parse_column(column).metric.better == "lower" else -1.0


def metric_of(column: str) -> type[Metric] | None:
    """Return the metric that a column is called after, or ends with the name of; None where there is none.

    >>> metric_of("best_validation_subset_accuracy"), metric_of("l2")
    (<class 'gradstep.nn.metrics.SubsetAccuracy'>, None)
    """
    plain = column.removeprefix("best_")
    if is_column(plain):
        metric = parse_column(plain).metric
        return metric if metric is not _Score or parse_column(plain).name in scorer_names() else None
    found = [
        member
        for member in Metric.members()
        if member.name and (column == member.name or column.endswith(f"_{member.name}"))
    ]
    return max(found, key=lambda member: len(member.name), default=None)


def scorer_names() -> list[str]:
    """Return the names that scikit-learn has scorers for."""
    from sklearn.metrics import get_scorer_names

    return list(get_scorer_names())


def value_text(column: str, value: float) -> str:
    """Return the value of a metric, or of a column that ends with its name, as text.

    >>> value_text("validation_accuracy", 0.5), value_text("loss", 0.25)
    ('50.00%', '0.2500')
    """
    metric = metric_of(column)
    return text.percent(value) if metric and metric.is_share else text.decimals(value)


#: What a rule may watch, and a search be ranked by.
COLUMN = Constraint(
    "a column of the history, train_, validation_ or running_ and a metric, as 'validation_loss'",
    is_column,
    ("nonsense", "loss", "validation_seconds", "test_loss", 3, None),
)


@dataclass
class BestTracker:
    """The best value so far of a column, and how long ago it was.

    Attributes
    ----------
    column : str
        Of the history; its metric knows which way is better.
    min_delta : float
        An improvement is a change by more than this.
    value : float, or None
        With the sign that makes lower better; None before the first.
    since : int
        Evaluations since that one.

    >>> best = BestTracker("train_accuracy")
    >>> [best.improves({"train_accuracy": share}) for share in (0.5, 0.4, 0.6, 0.6)], best.since
    ([True, False, True, False], 1)
    """

    column: str
    min_delta: float = 0.0
    value: float | None = None
    since: int = 0

    def __post_init__(self) -> None:
        self._sign = sign(self.column)

    def improves(self, row: Mapping[str, float]) -> bool:
        """Handle an evaluation. Returns True when it is the best so far; the first number always is."""
        value = self._sign * row[self.column]
        if self.value is None or np.isnan(self.value) or value < self.value - self.min_delta:
            self.value, self.since = value, 0
            return True
        self.since += 1
        return False
