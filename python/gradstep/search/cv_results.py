"""Scores of settings over folds, in the columns of scikit-learn's searches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from gradstep.utils.printed_table import PrintedTable
from gradstep.utils.table import Tabular, printed_table

Scores = Mapping[str, npt.NDArray[np.float64]]


class CVResults(dict[str, Any], Tabular):
    """What scikit-learn calls `cv_results_`, the same dict; prints as a table, best setting first."""

    def column(self, name: str) -> list[Any]:
        """Return the values of a column; None where a setting does not name a parameter."""
        values = self[name]
        return values if isinstance(values, list) else list(values.tolist())

    def shown(self, columns: Sequence[str] | None = None, most: int | None = None) -> PrintedTable:
        """Return some columns as text, by default the ranks, the parameters and the mean scores."""
        ranks = [name for name in self if name.startswith("rank_test_")]
        if columns is None:
            told = [name for name in self if name.startswith(("mean_test_", "std_test_"))]
            columns = [*ranks, *(name for name in self if name.startswith("param_")), *told, "mean_fit_time"]
        order = np.argsort(self[ranks[0]], kind="stable") if ranks else np.arange(len(self["params"]))
        found = {name: self.column(name) for name in columns}
        return printed_table({name: [values[i] for i in order] for name, values in found.items()}, most)


def tabulate(
    candidates: Sequence[Mapping[str, Any]], times: Scores, test: Scores, train: Scores | None = None
) -> CVResults:
    """Return what scikit-learn calls `cv_results_`.

    Parameters
    ----------
    candidates : sequence of n_candidates dicts
        The settings; one need not name what another does.
    times, test, train : mapping of str to ndarray of shape (n_candidates, folds)
        Seconds as "fit_time", "score_time"; scores by the names of their scorers.

    Returns
    -------
    CVResults, a dict of str to ndarray of shape (n_candidates,)
        ``mean_fit_time``, ...; a masked array ``param_l2`` for every parameter; ``params``, a list;
        ``split0_test_score``, ..., ``mean_test_score``, ``std_test_score`` (divisor n) and
        ``rank_test_score``, 1 for the best; NaN ranks last.

    >>> scores = np.array([[0.5, 0.7], [0.8, 1.0]])
    >>> found = tabulate([{"l2": 0.1}, {"l2": 0.2}], {"fit_time": np.ones((2, 2))}, {"score": scores})
    >>> found["rank_test_score"].tolist(), found["param_l2"].tolist()
    ([2, 1], [0.1, 0.2])
    """
    results = CVResults()
    for name, values in times.items():
        _add(results, name, values)
    for name in dict.fromkeys(name for params in candidates for name in params):
        results[f"param_{name}"] = _parameter(name, candidates)
    results["params"] = [dict(params) for params in candidates]
    for name in test:
        _add_splits(results, f"test_{name}", test[name])
        results[f"rank_test_{name}"] = _ranks(results[f"mean_test_{name}"])
        if train is not None:
            _add_splits(results, f"train_{name}", train[name])
    return results


def _add_splits(results: dict[str, Any], name: str, values: npt.NDArray[np.float64]) -> None:
    results |= {f"split{fold}_{name}": values[:, fold] for fold in range(values.shape[1])}
    _add(results, name, values)


def _add(results: dict[str, Any], name: str, values: npt.NDArray[np.float64]) -> None:
    results[f"mean_{name}"], results[f"std_{name}"] = values.mean(axis=1), values.std(axis=1)


def _ranks(means: npt.NDArray[np.float64]) -> npt.NDArray[np.int32]:
    """Return ranks from 1, those of equal means being equal."""
    ranks: npt.NDArray[np.int32] = rankdata(np.where(np.isnan(means), np.inf, -means), method="min").astype(
        np.int32
    )
    return ranks


def _parameter(name: str, candidates: Sequence[Mapping[str, Any]]) -> np.ma.MaskedArray[Any, Any]:
    """Return a parameter's values, of a number's type where all are numbers, masked where it is not named."""
    values = [params[name] for params in candidates if name in params]
    is_plain = all(isinstance(value, (bool, int, float, np.number, np.bool_)) for value in values)
    column = np.ma.MaskedArray(
        np.empty(len(candidates), dtype=np.array(values).dtype if is_plain else object), mask=True
    )
    for place, params in enumerate(candidates):
        if name in params:
            column[place] = params[name]
    return column
