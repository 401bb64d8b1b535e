"""`Sweep`: many settings side by side, as many as can be in one pass over the rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, clone
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from gradstep.datasets.schema import Cells
from gradstep.errors import InvalidParameterError, NoModelError
from gradstep.estimators.base import BaseTrainer
from gradstep.plan.checkpoint import Checkpoint, as_text
from gradstep.search import spaces, trials
from gradstep.search.data import Given
from gradstep.search.elsewhere import hired
from gradstep.search.group import Group
from gradstep.search.groups import Limits
from gradstep.search.keeping import SearchFolder, refitted
from gradstep.search.parameters import SWEEP
from gradstep.search.preparation import check_watched, hold_out, prepare
from gradstep.search.progress import of_verbose
from gradstep.search.pruners import Pruner, by_metric
from gradstep.search.results import Results
from gradstep.search.runner import SearchRun, run_trials
from gradstep.search.tables import FitsTables, of_cells
from gradstep.search.trials import Trial
from gradstep.search.voting import Voting
from gradstep.search.workers import WorkersMixin
from gradstep.sklearn.base import BaseFace
from gradstep.training.history import History
from gradstep.training.status import Status
from gradstep.utils import interrupt
from gradstep.utils.busy import alone, wants_stop
from gradstep.utils.constraints import check
from gradstep.utils.names import KnownParameters, known_parameters
from gradstep.utils.retell import FITS, in_words_of


class Sweep(Voting, FitsTables, KnownParameters, WorkersMixin, BaseEstimator):  # type: ignore[misc]
    """Train an estimator with many settings, all that can be in one pass over the rows.

    Models that agree in all but ``l2``, ``learning_rate``, ``init``, ``early_stopping``, ``callbacks``,
    ``verbose`` and the numbers in their loss, activations and optimizer (as ``optimizer__beta1``) train
    as one group: every batch is read, converted and standardised once for all of them. Of those that clip
    gradients, limits may differ, and of those that average weights, averages. A model is, to the
    bit, the one that the same estimator alone would have become, beside whatever other models it trains.

    Parameters
    ----------
    trainer : Trainer, Regressor, MLPClassifier or MLPRegressor
        What the trials have in common. It is cloned, never changed. Of scikit-learn's networks those of
        `gradstep.sklearn`, by "adam" or "sgd"; a group shares all but numbers of the solver and of its rule
        of stopping. Their histories have `running_loss`, which is `loss_curve_`, and `validation_loss` and
        the accuracy or R2 of the validation rows, which decide nothing; with `early_stopping` these are
        the rows that each holds out alone.
    space : dict of str to list or distribution, or list of them
        Parameters of the trainer, or parts of them as ``learning_rate__high`` or ``optimizer__beta1``,
        with the values to try: lists, or `Uniform`, `LogUniform`, `IntUniform`, `Choice` or a frozen
        distribution of scipy.stats. Of a list of dicts, which may have different parameters, the trials
        follow each other.
    n_trials : int, optional
        How many settings to draw. None where the space has lists alone: each combination is a trial.
    random_state : int, RandomState or None, default=None
        Determines what is drawn, the rows held out and, where that of `trainer` is None, its
        `random_state`. All trials share the latter, and with it initial weights and the order of rows,
        unless the space names it; ``init__seed`` gives models initial weights of their own.
    metric : str, default="validation_loss"
        Column of the history by which trials are ranked: a split and a metric, as
        "validation_accuracy". Every metric knows which way it improves. An `EarlyStopping` and a pruner go
        by it, too, unless they name a column of their own.
    pruner : SuccessiveHalving, Hyperband, MedianStopping or other Pruner, optional
        Which trials leave on the way; the others go on from where they are. Memory then has to
        hold all models at once.
    folds : int, splitter of scikit-learn or iterable of pairs of row numbers, optional
        Cross-validation in place of an `eval_set`: every trial is trained once for each fold, on the rows
        of the fold alone, as a fit of its own on them would be; the models of a fold share its passes.
        An int makes folds with equal shares of every class, where y are labels. Of the held-out rows
        nothing is seen but which labels there are, so that all models have the same outputs. The best
        setting is then trained once more, on all rows.
    validation_share : float, optional, default=0.2
        Share of the rows that is held out, rounded up, where there are neither folds nor an `eval_set`; of
        labels nearly the same of every class, and of none all. None holds out nothing. Where the trainer
        has a `validation_fraction` every trial validates on the rows that it would hold out alone.
    keep_trainers : bool, default=False
        Whether all models are kept, or only the best.
    max_trials : int, default=100_000
        Settings that the search may have; more are refused before they are made.
    max_memory : int, optional
        Bytes that the models of a group may take; by default half of what is available. More models
        make several groups.
    executor : int, Client, Executor, "ray" or None, default=None
        Who trains: None is this process, an int so many processes of this machine; a Client of
        `dask.distributed` or any `concurrent.futures.Executor` are the workers that they know, and "ray" is
        the cluster that ``ray.init`` has connected to. Models are the same to the bit. See docs/executors.md.
    callbacks : sequence of callables, default=()
        Called as ``callback(sweep)`` after every evaluation of a group, with an `executor` after some epochs
        of one; `trials_`, `groups_` and `results_` are those of that moment. A True ends the search.
    checkpoint : Checkpoint, optional
        Folder in which the search is kept while it runs: `fit` with ``resume=True`` goes on from there.
    verbose : int, default=0
        1 shows how the search goes on, live in terminals and notebooks and else in about ten lines, before
        that the groups and after it the results.

    Attributes
    ----------
    results_ : Results
        A row for every trial: its parameters, `status` and `score`, the `metric` of the model that it
        kept; ``best_epoch`` and ``best_validation_loss``, ... at the evaluation where `metric` was
        best; ``epoch``, ``train_loss``, ``validation_loss``, ... of the model kept, that of the last
        evaluation unless early stopping went back; updates done, the rate of the last one, and the
        seconds since its group began. Of a trial that diverged, `updates` is the one that failed.
        With folds these are means over them, beside ``fold0_score``, ... and ``score_std``.
    best_index_ : int
        The trial with the best score, among those trained to their own ends.
    best_params_ : dict
        Its parameters of the space.
    best_score_ : float
        Its score.
    best_trainer_ : estimator
        Its model, fitted, with its own history.
    trainers_ : list of estimators
        Those of all trials, with `keep_trainers`; with folds a list for every trial.
    histories_ : list of History
        Those of all trials; with folds a list for every trial.
    trials_ : list of Trial
        All that is known of every trial.
    groups_ : list of Group
        Which models trained together, and why no others.
    workers_ : Workers
        Who trained what, of an `executor`.
    interrupted_ : bool
        Whether Ctrl-C or a callback ended the search.

    Examples
    --------
    >>> import gradstep as gs
    >>> train = gs.datasets.load_digits().train
    >>> trainer = gs.Trainer(epochs=5, random_state=0)
    >>> sweep = Sweep(trainer, {"l2": gs.LogUniform(1e-5, 1e-1)}, n_trials=8, random_state=0)
    >>> sweep = sweep.fit(train.X, train.y)
    >>> len(sweep.groups_), sweep.results_["l2"].shape
    (1, (8,))
    >>> bool(sweep.best_trainer_.score(train.X, train.y) > 0.9)
    True
    """

    trials_: list[Trial]
    groups_: list[Group]

    def __init__(
        self,
        trainer: BaseTrainer | BaseFace,
        space: Mapping[str, Any] | Sequence[Mapping[str, Any]],
        n_trials: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        *,
        metric: str = "validation_loss",
        pruner: Pruner | None = None,
        folds: int | Iterable[Any] | None = None,
        validation_share: float | None = 0.2,
        keep_trainers: bool = False,
        max_trials: int = spaces.MOST_TRIALS,
        max_memory: int | None = None,
        executor: Any = None,
        callbacks: Sequence[Callable[[Sweep], bool | None]] = (),
        checkpoint: Checkpoint | None = None,
        verbose: int = 0,
    ) -> None:
        self.trainer = trainer
        self.space = space
        self.n_trials = n_trials
        self.random_state = random_state
        self.metric = metric
        self.pruner = pruner
        self.folds = folds
        self.validation_share = validation_share
        self.keep_trainers = keep_trainers
        self.max_trials = max_trials
        self.max_memory = max_memory
        self.executor = executor
        self.callbacks = callbacks
        self.checkpoint = checkpoint
        self.verbose = verbose

    @known_parameters
    @alone
    @in_words_of("Sweep.fit", *FITS)
    def fit(
        self,
        X: npt.ArrayLike,
        y: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
        eval_set: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
        *,
        resume: bool = False,
    ) -> Self:
        """Train all trials.

        Ctrl-C in the main thread stops at the boundary of an update, keeps the table of what was done,
        and warns; a second one raises KeyboardInterrupt at once.

        Parameters
        ----------
        X, y, sample_weight, eval_set
            As for the trainer's `fit`.
        resume : bool, default=False
            Go on with the search that the folder of `checkpoint` holds, if it holds one, to the bit as if it
            had never been interrupted; one that is over is returned at once.

        Returns
        -------
        Sweep
            This object.

        Raises
        ------
        InvalidParameterError
            A parameter breaks its constraint, or a trial has a value that the trainer refuses.
        InvalidDataError
            The rows cannot be used.
        BackendUnavailableError
            The backend asked for is not there.
        CheckpointError
            The folder of `checkpoint` holds another training, or one that is not to be gone on with.
        MemoryError
            A single model does not fit in memory.
        """
        return self._fit((X, y, sample_weight, eval_set), resume=resume)

    @property
    def results_(self) -> Results:
        """The table of all trials as they are now."""
        check_is_fitted(self, "trials_")
        return trials.tabulate(self.trials_, self.metric)

    @property
    def best_index_(self) -> int:
        """The trial with the best score, among those trained to their own ends."""
        return self._best().number

    @property
    def best_params_(self) -> dict[str, Any]:
        """Parameters of the best trial."""
        return dict(self._best().params)

    @property
    def best_score_(self) -> float:
        """Score of the best trial."""
        return self._best().score(self.metric)

    @property
    def best_trainer_(self) -> BaseTrainer:
        """Model of the best trial."""
        best = self._best()
        if self.folds is None:
            return best.trainer()
        if self._refitted is None:
            raise NoModelError(
                "`best_trainer_` of Sweep is trained on all rows after the folds: they were interrupted, or "
                "its rules watch validation rows, which there are none of then",
                self.results_,
            )
        return self._refitted

    @property
    def trainers_(self) -> list[Any]:
        """Trainers of all trials."""
        check_is_fitted(self, "trials_")
        if not self.keep_trainers:
            raise NoModelError("`trainers_` of Sweep needs keep_trainers=True, got False", self.results_)
        return [
            self._of_folds([trial.trainer(fold) for fold in range(trial.folds)]) for trial in self.trials_
        ]

    @property
    def histories_(self) -> list[History] | list[list[History]]:
        """Histories of all trials."""
        check_is_fitted(self, "trials_")
        return [self._of_folds(trial.histories) for trial in self.trials_]

    @property
    def interrupted_(self) -> bool:
        """Whether Ctrl-C or a callback ended the search."""
        check_is_fitted(self, "trials_")
        return self._run.interrupted

    def _fit(
        self,
        given: Given,
        split_seed: int | None = None,
        cells: Cells | None = None,
        resume: bool = False,
    ) -> Self:
        """Train all trials on (X, y, sample_weight, eval_set), perhaps by another's split or from cells."""
        self._check(given[-1])
        with SearchFolder.opened(self.checkpoint, resume, self.random_state, "Sweep.fit") as folder:
            self._fit_in(folder, given, split_seed, cells)
        return self

    def _fit_in(
        self, folder: SearchFolder | None, given: Given, split_seed: int | None, cells: Cells | None
    ) -> None:
        X, y, sample_weight, eval_set = given
        candidates, base, seed = self._draw(folder.generator if folder else self.random_state)
        is_split = eval_set is not None or self.folds is not None
        has_validation = is_split or self.validation_share is not None
        made, rows = prepare(base, candidates, given, has_validation, self.metric)
        others = "eval_set" if eval_set is not None else "`folds` of Sweep" if self.folds is not None else ""
        share = None if hold_out(base, made, others) or is_split else self.validation_share
        check_watched(made, self.metric, self.pruner, has_validation)
        if self.folds is not None:
            rows = rows.split(self.folds, "`folds` of Sweep")
            if cells is not None:
                rows = rows.through(of_cells(cells, base, made[0].settings, y))
        elif share is not None:
            rows = rows.hold_out(share, seed if split_seed is None else split_seed)
        own = {name: as_text(getattr(self, name)) for name in ("metric", "pruner", "keep_trainers")}
        progress = of_verbose(self.verbose, self.metric, stops_early=self.pruner is not None)
        try:
            with hired(
                self.executor,
                "Sweep",
                made,
                [rows],
                keep=lambda: folder.keeper(made, [rows], own) if folder else None,
                keeps_models=self.keep_trainers,
            ) as runner:
                run_trials(
                    made,
                    [rows],
                    Limits.of(self.max_memory),
                    by_metric(self.pruner, self.metric),
                    on_start=self._on_start,
                    on_evaluation=self._on_evaluation,
                    progress=progress,
                    runner=runner,
                )
        finally:
            self._release(made)
        if self.folds is not None and not self.interrupted_:
            self._refit(X, y, sample_weight)
        if progress.is_shown:
            progress.conclude(self.results_)

    def _of_folds(self, values: list[Any]) -> Any:
        return values[0] if self.folds is None else values

    def _check(self, eval_set: Any) -> None:
        """Raise InvalidParameterError where a parameter breaks its constraint."""
        for name, constraints in SWEEP.items():
            check("Sweep", name, getattr(self, name), constraints)
        if eval_set is not None and self.folds is not None:
            raise InvalidParameterError(
                f"`folds` of Sweep must be None where an eval_set is given, got {self.folds!r}"
            )

    def _draw(self, random_state: Any) -> tuple[list[dict[str, Any]], BaseTrainer, int]:
        """Return the settings of all trials, a trainer with a seed, and that of the rows held out."""
        generator = check_random_state(random_state)
        split_seed, trainer_seed = generator.randint(2**31 - 1, size=2)
        base = trials.seeded(self.trainer, int(trainer_seed))
        known, owner = base.get_params(deep=False), type(base).__name__
        candidates = spaces.draw(self.space, known, self.n_trials, generator, owner, int(self.max_trials))
        return candidates, base, int(split_seed)

    def _on_start(self, run: SearchRun) -> None:
        self._run = run
        self._refitted: BaseTrainer | None = None
        self.trials_ = run.trials
        self.groups_ = run.groups

    def _on_evaluation(self, group: Group) -> bool:
        if group.is_over:
            self._release(self.trials_)
        return wants_stop("Sweep", [callback(self) for callback in self.callbacks])

    def _release(self, made: Sequence[Trial]) -> None:
        """Forget the models that are not the best so far, in folds all, unless all are to be kept."""
        if self.keep_trainers:
            return
        if self.folds is not None:
            for trial in made:
                trial.forget(only_over=True)
            return
        best = trials.best_of(made, self.metric)
        for trial in made:
            if trial is not best and trial.status.is_over and trial.status is not Status.INTERRUPTED:
                trial.forget()

    def _refit(self, X: Any, y: Any, sample_weight: Any) -> None:
        """Train the best setting on all rows, where its rules can do without validation rows."""
        best = trials.best_of(self.trials_, self.metric)
        if best is None:
            return
        try:
            best.settings.check_watched(has_validation=False)
        except InvalidParameterError:
            return
        with interrupt.deferred() as stop:
            model = refitted(clone(best.estimator), (X, y, sample_weight), self.checkpoint)
        self._run.interrupted = stop.requested
        self._refitted = None if stop.requested else model

    def _best(self) -> Trial:
        check_is_fitted(self, "trials_")
        best = trials.best_of(self.trials_, self.metric)
        if best is not None:
            return best
        raise NoModelError(trials.reason_for_none(self.trials_), self.results_)
