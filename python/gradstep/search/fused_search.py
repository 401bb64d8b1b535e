"""`FusedSearchCV`: scikit-learn's searches over settings and folds, in shared passes over the rows."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone, is_classifier
from sklearn.exceptions import FitFailedWarning
from sklearn.metrics import check_scoring
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from gradstep.errors import DivergedError, InvalidParameterError, NoModelError
from gradstep.estimators.base import BaseTrainer
from gradstep.nn.schedules import ReduceOnPlateau
from gradstep.plan.settings import RANDOM_STATE, Settings
from gradstep.search import cv_results, fold_scores, trials
from gradstep.search.best_estimator import BestEstimatorMixin
from gradstep.search.candidates import candidates
from gradstep.search.data import pairs_of, read, rows_of
from gradstep.search.groups import Limits
from gradstep.search.runner import Group, SearchRun, run_trials
from gradstep.search.trials import Trial
from gradstep.training.history import History
from gradstep.utils.constraints import (
    CALLABLE,
    FLAG,
    NONE,
    NUMBER,
    WHOLE,
    Constraint,
    at_least,
    check,
    either,
    instance,
    one_of,
)
from gradstep.utils.names import KnownParameters

_OWNER = "FusedSearchCV"


def _is_score(value: object) -> bool:
    return NUMBER.holds(value) or isinstance(value, float)


_NAME = Constraint("the name of a scorer", lambda value: isinstance(value, str), (3,))

#: Constraints of the parameters of FusedSearchCV; scikit-learn checks `scoring` and `cv`.
FUSED_SEARCH: dict[str, tuple[Constraint, ...]] = {
    "estimator": (
        instance(
            BaseTrainer,
            "a Trainer or Regressor (the folds share one set of rows, so transform those before)",
        ),
    ),
    "n_iter": (either(WHOLE, NONE), at_least(1)),
    "refit": (either(FLAG, CALLABLE, _NAME),),
    "error_score": (either(Constraint("a number", _is_score, ("1", None, 10**400)), one_of("raise")),),
    "return_train_score": (FLAG,),
    "max_memory": (either(WHOLE, NONE), at_least(1)),
    "random_state": RANDOM_STATE,
    "verbose": (either(WHOLE, FLAG), at_least(0)),
}


class FusedSearchCV(KnownParameters, BestEstimatorMixin, MetaEstimatorMixin, BaseEstimator):  # type: ignore[misc]
    """`GridSearchCV` and `RandomizedSearchCV` for a `Trainer` or `Regressor`, in shared passes.

    All settings times folds that can train in one pass over the rows do so, as in `Sweep`; parameters,
    attributes and the columns of `cv_results_` are those of scikit-learn, so that changing the import
    is enough. The same settings are drawn for the same `random_state`.

    The models are those of folds as `Sweep` has them, not of rows cut out. Held-out rows stay in the
    batches and weigh nothing, so that a batch of b rows has about ``b * (1 - 1/k)`` that count, and
    an epoch has as many updates as that of `best_estimator_`; cut out, the batches would be full and
    fewer. Mean and scale of ``standardize=True`` are those of all rows: of the held-out ones the
    features are seen, the labels are not. Scores therefore differ a little from those of
    `GridSearchCV`, either way; with ``standardize=False`` (of a Regressor ``standardize_targets=False``,
    too: the mean and deviation of targets are those of all rows) and one batch an epoch they are equal, but
    for rounding.

    Parameters
    ----------
    estimator : Trainer or Regressor
        It is cloned, never changed. Its rules (`early_stopping`, `ReduceOnPlateau`) must do without
        validation rows: those of a fold are for its score alone. Without rules, callbacks and
        `verbose`, nothing is evaluated on the way.
    param_grid : dict of str to list or distribution, or list of such dicts
        Lists alone: each combination is tried. With a distribution of this package or of scipy.stats, or
        with `n_iter`, settings are drawn.
    scoring : str, callable, list, tuple, set or dict, optional
        As for scikit-learn; by default accuracy, of a Regressor R2. The model of every fold is scored by it.
    n_jobs : object
        Ignored, as is `pre_dispatch`: one pass trains all models, and `n_threads` of Trainer says by
        how many threads.
    refit : bool, str or callable, default=True
        Whether `best_estimator_` is trained on all rows; with several scorers the name of that which
        decides, or what makes `best_index_` of `cv_results_`.
    cv : int, splitter or iterable of pairs of row numbers, optional
        5 folds by default; those of an int have equal shares of every class, where y are labels.
    verbose : int, default=0
        1 prints which models train together.
    pre_dispatch : object
        Ignored.
    error_score : float or "raise", default=nan
        Score of a model whose training diverged or whose scorer failed, with a warning; "raise" raises
        DivergedError, or what the scorer raised. Where a fold diverged, the other folds of its setting are
        given up at the next evaluation, if there is one, with the same score.
    return_train_score : bool, default=False
        Whether `cv_results_` has scores of the rows that were trained on.
    param_distributions : dict or list of dicts, optional
        In place of `param_grid`: settings are drawn, even of lists alone.
    n_iter : int, optional
        How many settings to draw, 10 by default; of lists alone none is drawn twice.
    random_state : int, RandomState or None, default=None
        Determines what is drawn and, where that of `estimator` is None, its `random_state`.
    max_memory : int, optional
        As for `Sweep`.

    Attributes
    ----------
    cv_results_ : dict of str to ndarray
        As in scikit-learn. A pass has one time for all its models: ``mean_fit_time`` is the time of the
        models that trained together, divided by their number.
    best_estimator_ : Trainer or Regressor
        The best setting, trained on all rows; with `refit`.
    best_index_, best_params_, best_score_
        Of the best setting: its place, its parameters, its mean score over the folds.
    scorer_ : callable or dict
    multimetric_ : bool
        Whether there are several scorers.
    n_splits_ : int
        Folds.
    refit_time_ : float
        Seconds to train `best_estimator_`.
    classes_ : ndarray of shape (k,)
        Of a Trainer.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (d,)
        Where X was a table with names.
    trials_ : list of Trial
        All that is known of every setting; the models themselves are not kept.
    groups_ : list of Group
        Which models trained together, and why no others.
    histories_ : list of lists of History
        Those of all models: for every setting one for each fold.
    interrupted_ : bool
        Whether Ctrl-C ended the search.

    Examples
    --------
    >>> import gradstep as gs
    >>> train = gs.datasets.load_digits().train
    >>> trainer = gs.Trainer(epochs=5, random_state=0)
    >>> search = FusedSearchCV(trainer, {"l2": [1e-4, 1e-2], "learning_rate": [0.01, 0.1]}, cv=3)
    >>> search = search.fit(train.X, train.y)
    >>> search.cv_results_["mean_test_score"].shape, len(search.groups_)
    ((4,), 1)
    >>> bool(search.score(train.X, train.y) > 0.9)
    True
    """

    trials_: list[Trial]
    groups_: list[Group]
    interrupted_: bool

    def __init__(
        self,
        estimator: BaseTrainer,
        param_grid: Any = None,
        *,
        scoring: Any = None,
        n_jobs: Any = None,
        refit: bool | str | Callable[[dict[str, Any]], int] = True,
        cv: int | Iterable[Any] | None = None,
        verbose: int = 0,
        pre_dispatch: Any = "2*n_jobs",
        error_score: float | str = np.nan,
        return_train_score: bool = False,
        param_distributions: Any = None,
        n_iter: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        max_memory: int | None = None,
    ) -> None:
        self.estimator = estimator
        self.param_grid = param_grid
        self.scoring = scoring
        self.n_jobs = n_jobs
        self.refit = refit
        self.cv = cv
        self.verbose = verbose
        self.pre_dispatch = pre_dispatch
        self.error_score = error_score
        self.return_train_score = return_train_score
        self.param_distributions = param_distributions
        self.n_iter = n_iter
        self.random_state = random_state
        self.max_memory = max_memory

    def fit(
        self,
        X: npt.ArrayLike,
        y: npt.ArrayLike,
        *,
        groups: npt.ArrayLike | None = None,
        sample_weight: npt.ArrayLike | None = None,
    ) -> Self:
        """Train every setting on every fold, and the best one on all rows.

        Ctrl-C keeps what was done in `cv_results_`, where settings that were not trained to their end
        have NaN; nothing is then trained on all rows.

        Parameters
        ----------
        X, y : array-like of shape (n, d), and (n,) or (n, k)
            As for the estimator's own `fit`.
        groups : array-like of shape (n,), optional
            For the splitter `cv`.
        sample_weight : array-like of shape (n,), optional
            For the training; scores count all rows alike, while newer versions of scikit-learn weigh
            them where a scorer can.

        Returns
        -------
        FusedSearchCV
            This object.

        Raises
        ------
        InvalidParameterError
            A parameter breaks its constraint, or a setting has a value that the estimator refuses.
        InvalidDataError
            The rows cannot be used, or those of a fold.
        NoModelError
            Every setting diverged; `cv_results_` is there.
        DivergedError
            With ``error_score="raise"``, a model diverged.
        """
        for name, constraints in FUSED_SEARCH.items():
            check(_OWNER, name, getattr(self, name), constraints)
        self._set_scorer()
        tried = candidates(self.param_grid, self.param_distributions, self.n_iter, self.random_state)
        seed = check_random_state(self.random_state).randint(2**31 - 1)
        base = trials.seeded(self.estimator, int(seed))
        X, y = rows_of(X, y, f"{_OWNER}.fit")
        whose = f"`cv` of {_OWNER}"
        pairs = pairs_of(self.cv, (X, y, groups), whose, is_stratified=is_classifier(self.estimator))
        made = trials.make_trials(base, tried, has_validation=False, whose=_OWNER)
        for trial in made:
            if not _is_watched(trial.settings):
                trial.settings = replace(trial.settings, evaluate_every=None)
        settings = [trial.settings for trial in made]
        rows = read(base, settings, (X, y, sample_weight, None), pairs, whose)
        trials.check_images(made, rows.sizes.d, _OWNER)
        self.n_splits_ = len(pairs)
        run = run_trials(
            made, rows, Limits.of(self.max_memory), on_start=self._on_start, verbose=self.verbose
        )
        self.interrupted_ = run.interrupted
        self._check_diverged(made)
        self._score(made, pairs, X, y)
        if self._choose(made) and self.refit and not self.interrupted_:
            began = time.perf_counter()
            self.best_estimator_ = clone(base).set_params(**self.best_params_)
            self.best_estimator_.fit(X, y, sample_weight=sample_weight)
            self.refit_time_ = time.perf_counter() - began
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "cv_results_")

    @property
    def histories_(self) -> list[list[History]]:
        """Histories of all models."""
        check_is_fitted(self, "trials_")
        return [trial.histories for trial in self.trials_]

    def _on_start(self, run: SearchRun) -> None:
        self.trials_ = run.trials
        self.groups_ = run.groups
        self.interrupted_ = False

    def _raises(self) -> bool:
        return isinstance(self.error_score, str)

    def _set_scorer(self) -> None:
        """Set `scorer_` and `multimetric_`, and forget what an earlier fit found."""
        for name in ("cv_results_", "best_estimator_", "best_index_", "best_params_", "best_score_"):
            self.__dict__.pop(name, None)
        try:
            self._scorer = check_scoring(self.estimator, self.scoring, raise_exc=self._raises())
        except (TypeError, ValueError) as error:
            raise InvalidParameterError(f"`scoring` of {_OWNER}: {error}") from error
        self.multimetric_ = isinstance(self.scoring, (list, tuple, set, dict))
        self.scorer_ = self._scorer
        if self.multimetric_:
            names = self.scoring if isinstance(self.scoring, dict) else {name: name for name in self.scoring}
            self.scorer_ = {name: check_scoring(self.estimator, scorer) for name, scorer in names.items()}
            self._check_refit(list(names))

    def _check_refit(self, names: Sequence[str]) -> None:
        """Raise InvalidParameterError unless `refit` can decide among several scorers."""
        known = callable(self.refit) or (
            self.refit in names if isinstance(self.refit, str) else not self.refit
        )
        if not known:
            raise InvalidParameterError(
                f"`refit` of {_OWNER} must be False, a callable or one of the scorers "
                f"({', '.join(map(str, names))}) where there are several, got {self.refit!r}"
            )

    def _check_diverged(self, made: Sequence[Trial]) -> None:
        errors = _errors(made)
        if errors and self._raises():
            raise errors[0]
        if errors:
            warnings.warn(
                f"{len(errors)} of {len(made) * self.n_splits_} models diverged, the first of them: "
                f"{errors[0]} Their scores are {self.error_score}.",
                FitFailedWarning,
                stacklevel=3,
            )

    def _score(self, made: Sequence[Trial], pairs: Sequence[tuple[Any, Any]], X: Any, y: Any) -> None:
        """Score the models of all folds, forget them, and make the table."""
        train_rows, held_out = zip(*pairs, strict=True)
        failed = np.nan if self._raises() else float(self.error_score)
        score = partial(
            fold_scores.measure, self._scorer, made, X=X, y=y, error_score=failed, raises=self._raises()
        )
        test, seconds, failures = score(rows=held_out)
        train = None
        if self.return_train_score:
            train, _, more = score(rows=train_rows)
            failures += more
        if failures:
            warnings.warn(
                f"scoring failed {len(failures)} times, first with {failures[0]}. "
                f"Those scores are {self.error_score}.",
                UserWarning,
                stacklevel=3,
            )
        for trial in made:
            trial.forget()
        if not test:
            names = self.scorer_ if isinstance(self.scorer_, dict) else ["score"]
            test = {name: np.full(seconds.shape, failed) for name in names}
            train = train if train is None else test
        self.multimetric_ |= "score" not in test
        times = {
            "fit_time": fold_scores.fit_times(made, self.groups_, len(pairs)),
            "score_time": seconds,
        }
        self.cv_results_ = cv_results.tabulate([trial.params for trial in made], times, test, train)

    def _choose(self, made: Sequence[Trial]) -> bool:
        """Set what is the best; return whether there is one."""
        if not any(trial.status.is_complete for trial in made):
            self._check_hopeless(made)
            return False
        if self.multimetric_:
            means = [name for name in self.cv_results_ if name.startswith("mean_test_")]
            self._check_refit([name.removeprefix("mean_test_") for name in means])
            if not self.refit:
                return False
        if callable(self.refit):
            self.best_index_ = self._index_by(self.refit)
        else:
            name = self.refit if self.multimetric_ else "score"
            self.best_index_ = int(self.cv_results_[f"rank_test_{name}"].argmin())
            self.best_score_ = float(self.cv_results_[f"mean_test_{name}"][self.best_index_])
        self.best_params_ = self.cv_results_["params"][self.best_index_]
        return True

    def _index_by(self, choose: Callable[[dict[str, Any]], Any]) -> int:
        index = choose(self.cv_results_)
        count = len(self.cv_results_["params"])
        if not isinstance(index, (int, np.integer)) or not 0 <= index < count:
            raise InvalidParameterError(
                f"`refit` of {_OWNER} must return an int from 0 to {count - 1}, got {index!r}"
            )
        return int(index)

    def _check_hopeless(self, made: Sequence[Trial]) -> None:
        """Raise NoModelError where no setting came to its end, unless Ctrl-C was the reason."""
        errors = _errors(made)
        if errors and not self.interrupted_:
            raise NoModelError(
                f"every one of the {len(made)} settings of {_OWNER} diverged in a fold; "
                f"`cv_results_` has what was done. The first: {errors[0]}",
                trials.tabulate(made, "running_loss"),
            )


def _errors(made: Sequence[Trial]) -> list[DivergedError]:
    """Return what ended the models that diverged."""
    return [recorder.error for trial in made for recorder in trial.recorders.values() if recorder.error]


def _is_watched(settings: Settings) -> bool:
    """Whether anything but its score is asked of a model while it trains."""
    has_rule = settings.early_stopping is not None or isinstance(settings.learning_rate, ReduceOnPlateau)
    return has_rule or len(settings.callbacks) > 0 or bool(settings.verbose)
