"""`FusedSearchCV`: scikit-learn's searches over settings and folds, in shared passes over the rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, MetaEstimatorMixin, is_classifier
from sklearn.utils import check_random_state, indexable
from sklearn.utils.validation import check_is_fitted

from gradstep.errors import InterruptedWarning
from gradstep.estimators.base import BaseTrainer
from gradstep.plan.checkpoint import Checkpoint, as_text
from gradstep.search import faces, failures, steps, trials
from gradstep.search.best_estimator import BestEstimatorMixin
from gradstep.search.candidates import candidates
from gradstep.search.cv_results import CVResults
from gradstep.search.data import rows_of
from gradstep.search.elsewhere import check_not_face
from gradstep.search.face_keeping import FaceSearchKeeper, identity_of
from gradstep.search.fold_scores import FoldScores
from gradstep.search.folds import pairs_of
from gradstep.search.group import Group
from gradstep.search.groups import Limits
from gradstep.search.judged import evaluate_least, train_judged
from gradstep.search.keeping import SearchFolder
from gradstep.search.parameters import FUSED_SEARCH
from gradstep.search.payload import Scoring, scored_rows
from gradstep.search.pipelines import read_sources, whole_model
from gradstep.search.progress import of_verbose
from gradstep.search.rehearsal import rehearse
from gradstep.search.runner import SearchRun
from gradstep.search.scored_folds import ScoredFoldsMixin
from gradstep.search.scorers import Scorers, check_refit
from gradstep.search.search_tasks import SearchTasks
from gradstep.search.spaces import MOST_TRIALS
from gradstep.search.trials import Trial
from gradstep.search.workers import WorkersMixin
from gradstep.training.fit_tasks import ending_callbacks
from gradstep.training.history import History
from gradstep.utils import interrupt
from gradstep.utils.busy import alone
from gradstep.utils.constraints import check
from gradstep.utils.names import KnownParameters, known_parameters
from gradstep.utils.retell import FITS, in_words_of
from gradstep.utils.warn import warn

_OWNER = "FusedSearchCV"


class FusedSearchCV(
    KnownParameters,
    ScoredFoldsMixin,
    BestEstimatorMixin,
    WorkersMixin,
    MetaEstimatorMixin,  # type: ignore[misc]
    BaseEstimator,  # type: ignore[misc]
):
    """`GridSearchCV` and `RandomizedSearchCV` for networks and pipelines of them, in shared passes.

    All settings of a fold that can train in one pass over its rows do so, as in `Sweep`; parameters,
    attributes and the columns of `cv_results_` are those of scikit-learn, so that changing the import
    is enough. The same settings are drawn for the same `random_state`.

    Every model is, to the bit, what the same estimator fitted on the rows of its fold alone would be, so that
    scores equal those of `GridSearchCV`, with any splitter and with sample weights. One thing differs: labels
    that a fold holds out altogether are outputs of its models all the same, which never were trained on.

    Parameters
    ----------
    estimator : Trainer, Regressor, MLPClassifier, MLPRegressor, or Pipeline that ends in one
        It is cloned, never changed. Of scikit-learn's networks those of `gradstep.sklearn`: settings train
        together that differ in numbers of the solver and of its rule of stopping (`alpha`,
        `learning_rate_init`, `beta_1`, `max_iter`, `tol`, ...). The transformers of a pipeline are fitted
        on the rows of a fold that are trained on, once for all settings that do not change them; models
        behind equal transformers train together. Its rules (`early_stopping`, `ReduceOnPlateau`) must do
        without validation rows: those of a fold are for its score alone. Without rules, callbacks and
        `verbose`, nothing is evaluated on the way.
    param_grid : dict of str to list or distribution, or list of such dicts
        Of a pipeline as ``net__l2`` and ``pca__n_components``. Lists alone: each combination is tried. With a
        distribution of this package or of scipy.stats, or with `n_iter`, settings are drawn.
    scoring : str, callable, list, tuple, set or dict, optional
        As for scikit-learn; by default accuracy, of a Regressor R2. The model of every fold is scored by it.
    n_jobs : object
        Ignored, as is `pre_dispatch`: one pass trains all models, by `n_threads` of the estimator.
    refit : bool, str or callable, default=True
        Whether `best_estimator_` is trained on all rows; with several scorers the name of that which
        decides, or what makes `best_index_` of `cv_results_`.
    cv : int, splitter or iterable of pairs of row numbers, optional
        5 folds by default; those of an int have equal shares of every class, where y are labels.
    verbose : int, default=0
        1 prints which models train together, and shows how they go on.
    pre_dispatch : object
        Ignored.
    error_score : float or "raise", default=nan
        Score of a model whose training diverged, whose transformers cannot be fitted or whose scorer failed,
        with a warning; "raise" raises DivergedError, or what the transformer or the scorer raised.
    return_train_score : bool, default=False
        Whether `cv_results_` has scores of the rows that were trained on.
    param_distributions : dict or list of dicts, optional
        In place of `param_grid`: settings are drawn, even of lists alone.
    n_iter : int, optional
        How many settings to draw, 10 by default; of lists alone none is drawn twice.
    random_state : int, RandomState or None, default=None
        Determines what is drawn and, where that of `estimator` is None, its `random_state`.
    max_trials, max_memory, executor
        As for `Sweep`. Workers of an executor fit transformers and score models, too, and forget them;
        histories then have running metrics. Of Trainers and Regressors alone.
    checkpoint : Checkpoint, optional
        Folder in which models, their scores and the refit are kept while the search runs: `fit` with
        ``resume=True`` goes on from there. Histories then have running metrics. Of scikit-learn's networks
        scores and the refit are kept: the group that trained begins anew.

    Attributes
    ----------
    cv_results_ : dict of str to ndarray
        As in scikit-learn. A pass has one time for all its models: ``mean_fit_time`` is the time of the
        models that trained together, divided by their number.
    best_estimator_ : Trainer, Regressor or Pipeline
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
        All that is known of every setting; the models themselves are not kept. Of scikit-learn's networks
        there are none.
    groups_ : list of Group
        Which models trained together, and why no others.
    histories_ : list of lists of History
        Those of all models: for every setting one for each fold.
    workers_ : Workers
        Who trained what, of an `executor`.
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
    ((4,), 3)
    >>> bool(search.score(train.X, train.y) > 0.9)
    True
    """

    scorer_: Any
    multimetric_: bool
    cv_results_: CVResults
    trials_: list[Trial]
    groups_: list[Group]
    interrupted_: bool
    n_splits_: int

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
        error_score: float | Literal["raise"] = np.nan,
        return_train_score: bool = False,
        param_distributions: Any = None,
        n_iter: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        max_trials: int = MOST_TRIALS,
        max_memory: int | None = None,
        executor: Any = None,
        checkpoint: Checkpoint | None = None,
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
        self.max_trials = max_trials
        self.max_memory = max_memory
        self.executor = executor
        self.checkpoint = checkpoint

    @known_parameters
    @alone
    @in_words_of("FusedSearchCV.fit", *FITS)
    @ending_callbacks
    def fit(
        self,
        X: npt.ArrayLike,
        y: npt.ArrayLike,
        *,
        groups: npt.ArrayLike | None = None,
        sample_weight: npt.ArrayLike | None = None,
        resume: bool = False,
    ) -> Self:
        """Train every setting on every fold, and the best one on all rows.

        Ctrl-C keeps what was done in `cv_results_`, where models that were not trained to their end, or not
        scored, have NaN; no `best_estimator_` is then there. While models are scored it waits for the scorer
        that runs, and a second one raises KeyboardInterrupt at once. `cv_results_` is there whatever a scorer
        raises.

        Parameters
        ----------
        X, y : array-like or sparse matrix of shape (n, d), and array-like of shape (n,) or (n, k)
            As for the estimator's own `fit`.
        groups : array-like of shape (n,), optional
            For the splitter `cv`.
        sample_weight : array-like of shape (n,), optional
            For the training of models, not of transformers before them; scores count all rows alike, while
            newer versions of scikit-learn weigh them where a scorer can.
        resume : bool, default=False
            Go on with the search that the folder of `checkpoint` holds, if it holds one, to the bit as if it
            had never been interrupted; one that is over is returned at once.

        Returns
        -------
        FusedSearchCV
            This object.

        Raises
        ------
        InvalidParameterError
            A parameter breaks its constraint, a setting has a value that the estimator refuses, or `scoring`
            fails in every fold for a model that is hardly trained, which is tried before the work.
        InvalidDataError
            The rows cannot be used, or those of a fold.
        NoModelError
            Every setting diverged, cannot be fitted or has scores that are no numbers; see `cv_results_`.
        DivergedError
            With ``error_score="raise"``, a model diverged.
        """
        for name, constraints in FUSED_SEARCH.items():
            check(_OWNER, name, getattr(self, name), constraints)
        with SearchFolder.opened(self.checkpoint, resume, self.random_state, f"{_OWNER}.fit") as folder:
            self._fit_in(folder, (X, y, sample_weight), groups)
        return self

    def _fit_in(self, folder: SearchFolder | None, given: tuple[Any, Any, Any], groups: Any) -> None:
        """Train every setting on every fold of the rows (X, y, sample_weight), and the best one on all."""
        X, y, sample_weight = given
        random_state = folder.generator if folder else self.random_state
        self._set_scorers()
        tasks = self._begin_search_tasks(X, y, sample_weight, bool(self.refit))
        space = self.param_grid, self.param_distributions
        tried = candidates(*space, self.n_iter, random_state, int(self.max_trials))
        seed = check_random_state(random_state).randint(2**31 - 1)
        if faces.is_face(self.estimator):
            check_not_face(self.executor, steps.trainer_of(self.estimator), f"`executor` of {_OWNER}")
            kept_by = folder.face_keeper() if folder else None
            self._fit_faces(tried, int(seed), given, groups, tasks, kept_by)
            return
        base = trials.seeded(self.estimator, int(seed))
        made = trials.make_trials(base, tried, has_validation=False, whose=_OWNER)
        X, y = rows_of(X, y, f"{_OWNER}.fit", trials.kinds_of(made))
        whose = f"`cv` of {_OWNER}"
        is_stratified = is_classifier(self.estimator)
        pairs = pairs_of(self.cv, (X, y, groups), whose, is_stratified, by_groups="fit(X, y, groups=...)")
        evaluate_least(made, bool(self.verbose) or folder is not None or self.executor is not None)
        raises = isinstance(self.error_score, str)
        sources = read_sources(base, made, (X, y, sample_weight), pairs, whose, raises)
        for rows in sources:
            trials.check_images(made, rows.d, _OWNER)
        rehearse(self._scorers.measure, steps.configured(base, tried[0], _OWNER), pairs, (X, y))
        self.n_splits_ = len(pairs)
        scored = scored_rows(pairs, self.return_train_score)
        scoring = Scoring(base, self._scorers.measure, (X, y), scored, is_kept=folder is not None)
        progress = of_verbose(self.verbose, None)
        progress.followers.append(tasks.follow)
        tasks.begin(len(made), len(pairs))
        run, judged, keeper = train_judged(
            made,
            sources,
            scoring,
            self.executor,
            lambda: folder.keeper(made, sources, self._asked()) if folder else None,
            limits=Limits.of(self.max_memory),
            on_start=self._on_start,
            progress=progress,
        )
        self.interrupted_ = run.interrupted
        failures.tell(made, self.error_score)
        model_of = partial(whole_model, base, sources)
        self._score(made, model_of, (X, y), scoring.rows, judged, None if self.interrupted_ else keeper)
        tasks.end_models()
        if self._choose(made) and self.refit and not self.interrupted_:
            self._refit(steps.configured(base, self.best_params_, _OWNER), (X, y, sample_weight), tasks)
        tasks.end()

    def _asked(self) -> dict[str, str]:
        """Return what scores are asked for, as text."""
        return {
            name: as_text(getattr(self, name)) for name in ("scoring", "error_score", "return_train_score")
        }

    def _fit_faces(
        self,
        tried: list[dict[str, Any]],
        seed: int,
        rows: tuple[Any, ...],
        groups: Any,
        tasks: SearchTasks,
        keeper: FaceSearchKeeper | None,
    ) -> None:
        """Train and score faces of scikit-learn's networks, fold after fold."""
        X, y = indexable(*rows[:2])
        base = faces.seeded(self.estimator, seed)
        is_stratified, by_groups = is_classifier(self.estimator), "fit(X, y, groups=...)"
        pairs = pairs_of(self.cv, (X, y, groups), f"`cv` of {_OWNER}", is_stratified, by_groups)
        self.n_splits_, self.trials_ = len(pairs), []
        test, train = (FoldScores.nothing_yet((len(tried), len(pairs)), self.error_score) for _ in range(2))
        scores = (test, train if self.return_train_score else None)
        models = faces.configured(base, tried)
        on_group = keeper.write_if_due if keeper else None
        search = faces.FaceSearch(models, tried, self._scorers.measure, *scores, tasks.end_model, on_group)
        if keeper:
            keeper.check(identity_of(base, tried, (X, y, rows[2]), pairs, self._asked()))
            keeper.begin({"test": test, "train": train}, search.fit_seconds, search.errors)
        tasks.begin(len(tried), len(pairs))
        self.groups_ = search.groups
        with interrupt.deferred() as stop:
            try:
                search.run((X, y, rows[2]), pairs, stop)
            finally:
                self.interrupted_ = stop.requested
                self._tabulate(tried, search.fit_seconds, *scores)
            if keeper:
                keeper.write(is_over=not stop.requested)
        failures.tell_errors(search.errors, test.seconds.size, "could not be fitted", self.error_score)
        failures.tell_scores(test.failures + train.failures, self.error_score)
        tasks.end_models()
        if stop.requested:
            warn("search interrupted; `cv_results_` has the scores so far", InterruptedWarning)
        elif self._choose_by_scores() and self.refit:
            self._refit(faces.configured(base, [self.best_params_])[0], (X, y, rows[2]), tasks)
        tasks.end()

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "cv_results_")

    @property
    def histories_(self) -> list[list[History]]:
        """Histories of all models."""
        check_is_fitted(self, "trials_")
        return [trial.histories for trial in self.trials_]

    def _on_start(self, run: SearchRun) -> None:
        self._run, self.trials_, self.groups_, self.interrupted_ = run, run.trials, run.groups, False

    def _set_scorers(self) -> None:
        """Learn what models are scored by, and forget what an earlier fit found."""
        for name in ("cv_results_", "best_estimator_", "best_index_", "best_params_", "best_score_"):
            self.__dict__.pop(name, None)
        self._scorers = Scorers.of(self.estimator, self.scoring, raises=isinstance(self.error_score, str))
        self.scorer_ = self._scorers.shown
        self.multimetric_ = self._scorers.are_several
        if self.multimetric_:
            check_refit(self.refit, self._scorers.names)

    def _choose(self, made: Sequence[Trial]) -> bool:
        """Set what is the best; return whether there is one."""
        if any(trial.status.is_complete for trial in made):
            return self._choose_by_scores()
        if not self.interrupted_:
            failures.check_hopeless(made, _OWNER)
        return False
