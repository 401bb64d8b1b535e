"""`Sweep`: many Trainers side by side, as many as can be in one pass over the rows."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, clone
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from gradstep.errors import InvalidParameterError, NoModelError
from gradstep.estimators.trainer import Trainer
from gradstep.nn.metrics import MONITORS, sign
from gradstep.plan import settings
from gradstep.search import spaces, trials
from gradstep.search.data import Data, hold_out, read
from gradstep.search.groups import share_out
from gradstep.search.pruners import MedianStopping, SuccessiveHalving
from gradstep.search.results import Results
from gradstep.search.runner import Group, Runner
from gradstep.search.trials import Trial
from gradstep.training.history import History
from gradstep.training.recorder import COMPLETE
from gradstep.utils import interrupt, memory
from gradstep.utils.constraints import (
    CALLABLE,
    FLAG,
    NONE,
    NUMBER,
    WHOLE,
    Constraint,
    above,
    at_least,
    below,
    check,
    either,
    instance,
    one_of,
    sequence_of,
)

_log = logging.getLogger(__name__)

#: Constraints of the parameters of Sweep; `spaces` has those of `space` and `n_trials`.
SWEEP: dict[str, tuple[Constraint, ...]] = {
    "trainer": (instance(Trainer, "a Trainer"),),
    "figure": (one_of(*MONITORS),),
    "stopping": (
        either(instance(SuccessiveHalving | MedianStopping, "a SuccessiveHalving or MedianStopping"), NONE),
    ),
    "validation_share": (either(NUMBER, NONE), above(0), below(1)),
    "keep_trainers": (FLAG,),
    "max_memory": (either(WHOLE, NONE), at_least(1)),
    "callbacks": (sequence_of(CALLABLE),),
    "verbose": (either(WHOLE, FLAG), at_least(0)),
}


class Sweep(BaseEstimator):  # type: ignore[misc]
    """Train a Trainer with many settings of its parameters, all that can be in one pass over the rows.

    Models that agree in all but ``l2``, ``learning_rate``, ``init``, ``early_stopping`` and
    ``callbacks`` train as one group: every batch is read, converted and standardised once for all of
    them. A model is, to the bit, the one that the same Trainer alone would have become, beside
    whatever other models it trains.

    Parameters
    ----------
    trainer : Trainer
        What the trials have in common. It is cloned, never changed.
    space : dict of str to list or distribution, or list of them
        Parameters of Trainer, or parts of them as ``learning_rate__high``, with the values to try:
        lists, or `Uniform`, `LogUniform`, `IntUniform`, `Choice` or a frozen distribution of
        scipy.stats. Of a list of dicts with the same parameters the trials follow each other.
    n_trials : int, optional
        How many settings to draw. None where the space has lists alone: each combination is a trial.
    random_state : int, RandomState or None, default=None
        Determines what is drawn, the rows held out and, where that of `trainer` is None, its
        `random_state`. All trials share the latter, and with it first weights and the order of rows,
        unless the space names it; ``init__seed`` gives models first weights of their own.
    figure : str, default="validation_loss"
        Column of the history by which trials are ranked: a loss, cost or accuracy.
    stopping : SuccessiveHalving or MedianStopping, optional
        Which models to drop on the way; the others go on from where they are. Memory then has to
        hold all models at once.
    folds : int, splitter of scikit-learn or iterable of pairs of row numbers, optional
        Cross-validation in place of an `eval_set`: every trial is trained once for each fold, and all
        of them in one pass over all rows, the held-out ones weighing nothing. Mean and scale are those
        of all rows: of the held-out rows the features are seen by the standardisation, the labels by
        nothing. The best setting is then trained once more, on all rows.
    validation_share : float, optional, default=0.2
        Share of the rows that is held out, of every class alike, where there are neither folds nor
        an `eval_set`; None holds out nothing.
    keep_trainers : bool, default=False
        Whether all models are kept, or only the best.
    max_memory : int, optional
        Bytes that the models of a group may take; by default half of what is available. More models
        make several groups.
    callbacks : sequence of callables, default=()
        Called as ``callback(sweep)`` after every evaluation of a group; `trials_`, `groups_` and
        `results_` are those of that moment. A True ends the search.
    verbose : int, default=0
        1 prints the groups, and the results at the end.

    Attributes
    ----------
    results_ : Results
        A row for every trial: its parameters, status and `score`, the `figure` of the model that it
        kept; ``best_epoch`` and ``best_validation_loss``, ... at the evaluation where `figure` was
        best; ``epoch``, ``validation_loss``, ``train_loss``, ... of the model kept, that of the last
        evaluation unless early stopping went back; updates done, the rate of the last one, and the
        seconds since its group began. Of a trial that diverged, `updates` is the one that failed.
        With folds these are means over them, beside ``fold0_score``, ... and ``score_std``.
    best_index_ : int
        The trial with the best score, among those trained to their own ends.
    best_params_ : dict
        Its parameters of the space.
    best_score_ : float
        Its score.
    best_trainer_ : Trainer
        Its model, fitted, with its own history.
    trainers_ : list of Trainer
        Those of all trials, with `keep_trainers`; with folds a list for every trial.
    histories_ : list of History
        Those of all trials; with folds a list for every trial.
    trials_ : list of Trial
        All that is known of every trial.
    groups_ : list of Group
        Which models trained together, and why no others.
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

    def __init__(
        self,
        trainer: Trainer,
        space: Mapping[str, Any] | Sequence[Mapping[str, Any]],
        n_trials: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        *,
        figure: str = "validation_loss",
        stopping: SuccessiveHalving | MedianStopping | None = None,
        folds: int | Iterable[Any] | None = None,
        validation_share: float | None = 0.2,
        keep_trainers: bool = False,
        max_memory: int | None = None,
        callbacks: Sequence[Callable[[Sweep], bool | None]] = (),
        verbose: int = 0,
    ) -> None:
        self.trainer = trainer
        self.space = space
        self.n_trials = n_trials
        self.random_state = random_state
        self.figure = figure
        self.stopping = stopping
        self.folds = folds
        self.validation_share = validation_share
        self.keep_trainers = keep_trainers
        self.max_memory = max_memory
        self.callbacks = callbacks
        self.verbose = verbose

    def fit(
        self,
        X: npt.ArrayLike,
        y: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
        eval_set: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
    ) -> Self:
        """Train all trials.

        Ctrl-C in the main thread stops at the boundary of an update, keeps the table of what was done,
        and warns; a second one raises KeyboardInterrupt at once.

        Parameters
        ----------
        X, y, sample_weight, eval_set
            As for `Trainer.fit`.

        Returns
        -------
        Sweep
            This object.

        Raises
        ------
        InvalidParameterError
            A parameter breaks its constraint, or a trial has a value that Trainer refuses.
        InvalidDataError
            The rows cannot be used.
        BackendUnavailableError
            The backend asked for is not there.
        MemoryError
            A single model does not fit in memory.
        """
        candidates, base, seed = self._draw(eval_set)
        holds_out = eval_set is None and self.folds is None and self.validation_share is not None
        has_rows = holds_out or eval_set is not None or self.folds is not None
        made = trials.make(base, candidates, has_rows)
        self._check_watched(made, has_rows)
        if holds_out and self.validation_share is not None:
            (X, y, sample_weight), eval_set = hold_out(X, y, sample_weight, self.validation_share, seed)
        self._search(base, made, X, y, sample_weight, eval_set)
        if self.folds is not None and not self.interrupted_:
            self._refit(X, y, sample_weight)
        if self.verbose:
            print(self.results_, flush=True)
        return self

    @property
    def results_(self) -> Results:
        """The table of all trials as they are now."""
        check_is_fitted(self, "trials_")
        return trials.tabulate(self.trials_, self.figure)

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
        return self._best().score(self.figure)

    @property
    def best_trainer_(self) -> Trainer:
        """Model of the best trial."""
        best = self._best()
        if self.folds is None:
            return best.trainers[0]
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
        return [self._of_folds(trial.trainers) for trial in self.trials_]

    @property
    def histories_(self) -> list[Any]:
        """Histories of all trials."""
        check_is_fitted(self, "trials_")
        return [
            self._of_folds([getattr(trainer, "history_", History()) for trainer in trial.trainers])
            for trial in self.trials_
        ]

    def _of_folds(self, values: list[Any]) -> Any:
        return values[0] if self.folds is None else values

    def _draw(self, eval_set: Any) -> tuple[list[dict[str, Any]], Trainer, int]:
        """Return the settings of all trials, a Trainer with a seed, and that of the rows held out."""
        for name, constraints in SWEEP.items():
            check("Sweep", name, getattr(self, name), constraints)
        check("Sweep", "random_state", self.random_state, settings.TRAINER["random_state"])
        if eval_set is not None and self.folds is not None:
            raise InvalidParameterError(
                f"`folds` of Sweep must be None where an eval_set is given, got {self.folds!r}"
            )
        generator = check_random_state(self.random_state)
        split_seed, trainer_seed = generator.randint(2**31 - 1, size=2)
        base = trials.seeded(self.trainer, int(trainer_seed))
        candidates = spaces.draw(self.space, base.get_params(deep=False), self.n_trials, generator)
        return candidates, base, int(split_seed)

    def _check_watched(self, made: Sequence[Trial], has_rows: bool) -> None:
        """Raise InvalidParameterError when the columns by which trials are compared would be empty."""
        watched = {"figure": self.figure} | ({"stopping": self.stopping.figure} if self.stopping else {})
        for name, column in watched.items():
            for trial in made:
                every = trial.trainers[0].evaluate_every
                settings.check_monitored(f"`{name}` of Sweep is by", column, every, has_rows)

    def _search(
        self,
        base: Trainer,
        made: list[Trial],
        X: Any,
        y: Any,
        sample_weight: Any,
        eval_set: Any = None,
        whose: str = "Sweep",
    ) -> None:
        """Train all trials on the rows, a model for every fold."""
        standardize = any(trial.trainers[0].standardize for trial in made)
        rows = read(
            clone(base).set_params(standardize=standardize), X, y, sample_weight, eval_set, self.folds
        )
        for trial in made:
            trial.trainers += [clone(trial.trainers[0]) for _ in range(rows.folds - 1)]
        trials.check_images(made, rows.train.d, whose)
        self.trials_, self.groups_, self.interrupted_ = made, self._groups(made, rows), False
        self._refitted: Trainer | None = None
        self._run(rows)

    def _groups(self, made: Sequence[Trial], rows: Data) -> list[Group]:
        models = [(trial.number, fold) for trial in made for fold in range(rows.folds)]
        trainers = [made[trial].trainers[fold] for trial, fold in models]
        limit = self.max_memory
        if limit is None:
            free = memory.available()
            limit = None if free is None else free // 2
        sizes = rows.train.n, rows.train.d, len(rows.learned["classes_"])
        groups = [
            Group(tuple(models[place] for place in share.models), share.reason)
            for share in share_out(trainers, sizes, limit)
        ]
        for number, group in enumerate(groups):
            line = f"group {number}: {len(group.models)} models; {group.reason}"
            _log.info(line)
            if self.verbose:
                print(line, flush=True)
        return groups

    def _run(self, rows: Data) -> None:
        ended: list[bool] = []

        def after(group: Group) -> bool:
            if group.training is None or group.training.is_over:
                self._release()
            wishes = [callback(self) for callback in self.callbacks]
            ended.append(any(wishes))
            return ended[-1]

        with interrupt.deferred() as stop:
            try:
                Runner(self.trials_, self.groups_, rows, after).run(self.stopping, stop)
            finally:
                self.interrupted_ = stop.requested or any(ended)
                self._release()
        if stop.requested:
            done = sum(trial.is_whole for trial in self.trials_)
            warnings.warn(
                f"search interrupted after {done} of {len(self.trials_)} trials; their table is kept",
                RuntimeWarning,
                stacklevel=4,
            )

    def _refit(self, X: Any, y: Any, sample_weight: Any) -> None:
        """Train the best setting on all rows, where its rules can do without validation rows."""
        best = _best_of(self.trials_, self.figure)
        if best is None:
            return
        trainer = clone(best.trainers[0])
        try:
            settings.check_trainer(trainer, has_eval_set=False)
        except InvalidParameterError:
            return
        self._refitted = trainer.fit(X, y, sample_weight)

    def _release(self) -> None:
        """Forget the models that are not the best so far, unless all are to be kept."""
        if self.keep_trainers:
            return
        best = _best_of(self.trials_, self.figure)
        for trial in self.trials_:
            if trial is not best and trial.status not in ("waiting", "running", "interrupted"):
                trial.forget()

    def _best(self) -> Trial:
        check_is_fitted(self, "trials_")
        best = _best_of(self.trials_, self.figure)
        if best is not None:
            return best
        found = [trial.status for trial in self.trials_]
        counts = ", ".join(f"{found.count(status)} {status}" for status in dict.fromkeys(found))
        errors = [course.error for trial in self.trials_ for course in trial.courses.values() if course.error]
        first = f" The first of them: {errors[0]}" if errors else ""
        raise NoModelError(
            f"no trial of the search came to its end ({counts}); `results_` has what was done.{first}",
            self.results_,
        )


def _best_of(of: Sequence[Trial], figure: str) -> Trial | None:
    """Return the best trial trained to its own end; or else the best of those that were interrupted."""
    for statuses in (COMPLETE, ("interrupted",)):
        found = [trial for trial in of if trial.status in statuses and not np.isnan(trial.score(figure))]
        if found:
            return min(found, key=lambda trial: sign(figure) * trial.score(figure))
    return None
