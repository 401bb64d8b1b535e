"""Scores of scikit-learn's kind as metrics: what it has names for, and functions of one's own."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from gradstep.errors import InvalidParameterError
from gradstep.nn.metrics import Metric, _Score, scorer_names
from gradstep.utils import names
from gradstep.utils.constraints import Constraint, either, instance
from gradstep.utils.text import given


def _is_function(value: object) -> bool:
    return callable(value) and not isinstance(value, (type, Metric))


_NAMED = Constraint(
    "the name of a scorer of scikit-learn",
    lambda value: isinstance(value, str) and value in scorer_names(),
    ("nonsense", 3),
    hint=lambda value: _hint(value, scorer_names()),
)
_FUNCTION = Constraint("a callable (estimator, X, y) or (estimator)", _is_function, (3, dict))


def _hint(value: object, known: list[str]) -> str:
    return names.hint(value, known, {own: repr(own) for own in known}) if isinstance(value, str) else ""


def _name_of(scorer: Any) -> str:
    """Return the name of a function, or of what scikit-learn made of one; "" where it has none."""
    if isinstance(scorer, str):
        return scorer
    made_of = getattr(scorer, "_score_func", None)
    sign = "neg_" if getattr(scorer, "_sign", 1) < 0 else ""
    return sign + getattr(made_of or scorer, "__name__", "")


def _refuses(function: Any, count: int) -> str:
    """Return why a function cannot be called with so many values, "" where it can or nobody knows."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # of a builtin, which has none
        return ""
    try:
        signature.bind(*[None] * count)
    except TypeError as error:
        return str(error)
    return ""


@dataclass(frozen=True)
class Scorer(_Score):
    """A score of a model on rows, of which more is better.

    It is computed from the fitted model at every evaluation, by sample weights where the rows have some.

    Parameters
    ----------
    scorer : str, scorer of scikit-learn or callable
        A name of `sklearn.metrics.get_scorer_names`, as "roc_auc"; what `sklearn.metrics.make_scorer` makes;
        or a function ``(estimator, X, y)`` that returns a number; if it takes `sample_weight`, too, rows may
        have weights. A function ``(estimator)`` looks at rows of its own: its column is that of the
        validation rows, whether there are some or not. None stands for one that a model file did not keep.
    name : str, optional
        What columns are called after; by default the name itself, or that of the function.

    Examples
    --------
    >>> from sklearn.metrics import fbeta_score, make_scorer
    >>> Scorer("roc_auc").name, Scorer(make_scorer(fbeta_score, beta=2), name="f2").name
    ('roc_auc', 'f2')
    """

    scorer: str | Callable[..., Any] | None
    name: str = ""  # type: ignore[misc]
    constraints: ClassVar[Mapping[str, tuple[Constraint, ...]]] = {
        "scorer": (either(_NAMED, _FUNCTION, Constraint("None", lambda value: value is None, (3,))),),
        "name": (instance(str, "a string"),),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_parameters()
        name = self.name or _name_of(self.scorer)
        taken = [member.name for member in Metric.members()]
        if not name.isidentifier() or (name in taken and name != self.scorer):
            raise InvalidParameterError(
                f"`name` of Scorer must be an identifier that no metric of gradstep.metrics has, "
                f"got {name!r} for {given(self.scorer)}; Scorer(function, name=...) has one of its own"
            )
        object.__setattr__(self, "name", name)

    def _check_parameters(self) -> None:
        """Raise InvalidParameterError for a function that cannot be called with (estimator, X, y)."""
        if not _is_function(self.scorer) or self.looks_at_answers_alone or self.has_own_rows:
            return
        error = _refuses(self.scorer, 3)
        if error:
            parameters = inspect.signature(self.scorer)  # type: ignore[arg-type]
            raise InvalidParameterError(
                f"`scorer` of Scorer must be {_FUNCTION.text}, got {given(self.scorer)} with the "
                f"parameters {parameters}: {error}; sklearn.metrics.make_scorer makes one of a function "
                f"(y_true, y_pred)"
            )

    @property
    def looks_at_answers_alone(self) -> bool:
        """Whether it is scikit-learn's, and so takes any object for rows that the estimator knows."""
        from sklearn.metrics import get_scorer

        return isinstance(self._callable(), type(get_scorer("accuracy")))

    @property
    def has_own_rows(self) -> bool:
        """Whether it is a function of the estimator alone, which is told no rows."""
        return (
            _is_function(self.scorer)
            and not self.looks_at_answers_alone
            and bool(_refuses(self.scorer, 3))
            and not _refuses(self.scorer, 1)
        )

    @property
    def takes_weight(self) -> bool:
        """Whether rows may have weights."""
        scorer = self._callable()
        if self.looks_at_answers_alone:
            return "sample_weight" in scorer.get_metadata_routing().score.requests
        return "sample_weight" in inspect.signature(scorer).parameters

    def __call__(self, estimator: Any, X: Any = None, y: Any = None, weight: Any = None) -> Any:
        """Return the score of an estimator on rows, weighted if they are; or on rows of its own."""
        scorer = self._callable()
        if self.has_own_rows:
            return scorer(estimator)
        if weight is None:
            return scorer(estimator, X, y)
        if not self.takes_weight:
            raise ValueError("the rows have weights, and it takes no sample_weight")
        return scorer(estimator, X, y, sample_weight=weight)

    def _callable(self) -> Any:
        if isinstance(self.scorer, str):
            from sklearn.metrics import get_scorer

            return get_scorer(self.scorer)
        return self.scorer

    def to_dict(self) -> dict[str, Any]:
        """Return this value as plain data; of a function its name alone."""
        scorer = self.scorer if isinstance(self.scorer, str) else None
        return {self.family: type(self).__name__, "scorer": scorer, "name": self.name}


#: What `metrics` of an estimator may have.
METRIC = either(Metric.constraint(), _NAMED, _FUNCTION)


def metric_for(value: Any) -> Metric:
    """Return the metric that a name or a function stands for: gradstep's own, or else a Scorer."""
    if isinstance(value, Metric) or (isinstance(value, str) and value in Metric.short_names()):
        return Metric.resolve(value)
    return Scorer(value)


def monitor_for(value: Any) -> Metric:
    """Return what a rule watches that names no column; a function without a name is called "monitored"."""
    if _is_function(value) and not _name_of(value).isidentifier():
        return Scorer(value, name="monitored")
    return metric_for(value)


def can_be_kept(value: Any) -> bool:
    """Whether a model file can have a metric: any but a function."""
    metric = metric_for(value)
    return not isinstance(metric, Scorer) or isinstance(metric.scorer, str)
