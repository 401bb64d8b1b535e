"""What a search of scikit-learn's kind is scored by, and what decides which setting is the best."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.metrics import check_scoring, get_scorer_names

from gradstep.errors import InvalidParameterError
from gradstep.utils.names import hint

_OWNER = "FusedSearchCV"


@dataclass(frozen=True, eq=False)
class Scorers:
    """One scorer or several.

    Attributes
    ----------
    measure : callable
        Of a model, X and y; returns a score, or a dict of them.
    shown : callable, or dict of str to callable
        What scikit-learn calls `scorer_`.
    """

    measure: Callable[..., Any]
    shown: Any

    @classmethod
    def of(cls, estimator: Any, scoring: Any, raises: bool) -> Scorers:
        """Return the scorers that `scoring` stands for; whether several raise what one of them does.

        Raises
        ------
        InvalidParameterError
            It stands for none.
        """
        _check_names(scoring)
        try:
            measure = check_scoring(estimator, scoring, raise_exc=raises)
            if not isinstance(scoring, (list, tuple, set, dict)):
                return cls(measure, measure)
            by_name = scoring if isinstance(scoring, dict) else {name: name for name in scoring}
            return cls(measure, {name: check_scoring(estimator, own) for name, own in by_name.items()})
        except (TypeError, ValueError) as error:
            raise InvalidParameterError(f"`scoring` of {_OWNER}: {error}") from error

    @property
    def names(self) -> list[str]:
        """Their names, "score" of one alone."""
        return list(self.shown) if self.are_several else ["score"]

    @property
    def are_several(self) -> bool:
        """Whether they have names."""
        return isinstance(self.shown, dict)


def _check_names(scoring: Any) -> None:
    """Raise InvalidParameterError for the name of a scorer that scikit-learn does not have."""
    known = get_scorer_names()
    given = (
        scoring.values() if isinstance(scoring, dict) else [scoring] if isinstance(scoring, str) else scoring
    )
    for name in given if isinstance(given, Iterable) else ():
        if isinstance(name, str) and name not in known:
            said = hint(name, known) or "sklearn.metrics.get_scorer_names() tells them"
            raise InvalidParameterError(
                f"`scoring` of {_OWNER} must be a scorer of scikit-learn or a callable, got {name!r}; {said}"
            )


def check_refit(refit: Any, names: Sequence[str]) -> None:
    """Raise InvalidParameterError unless `refit` can decide among several scorers."""
    known = callable(refit) or (refit in names if isinstance(refit, str) else not refit)
    if not known:
        raise InvalidParameterError(
            f"`refit` of {_OWNER} must be False, a callable or one of the scorers "
            f"({', '.join(map(str, names))}) where there are several, got {refit!r}"
        )


def index_by(refit: Callable[[dict[str, Any]], Any], results: dict[str, Any]) -> int:
    """Return the best setting of a table as a callable says."""
    index, count = refit(results), len(results["params"])
    if not isinstance(index, (int, np.integer)) or not 0 <= index < count:
        raise InvalidParameterError(
            f"`refit` of {_OWNER} must return an int from 0 to {count - 1}, got {index!r}"
        )
    return int(index)
