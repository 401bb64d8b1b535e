"""What scikit-learn's callbacks are told of a search: the models of its settings and folds, and the refit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from gradstep.search.trials import Trial
from gradstep.training import fit_tasks
from gradstep.training.fit_tasks import TakesCallbacks


class SearchTasks:
    """The tasks of one search, named as scikit-learn's searches name theirs; without callbacks none.

    Models of a group train in one pass, so that none has parts of its own: of the refit alone callbacks are
    told every epoch.

    Parameters
    ----------
    search : FusedSearchCV
    root : CallbackContext of scikit-learn, or None
        Of the whole search.
    given : dict
        X, y and metadata, as callbacks are shown them.
    """

    def __init__(self, search: Any, root: Any, given: dict[str, Any]) -> None:
        self._search, self._root, self._given = search, root, given
        self._models: Any = None
        self._open: dict[int, Any] = {}
        self._folds = 1
        if root is not None:
            root.call_on_fit_task_begin(estimator=search, **given)

    def begin(self, settings: int, folds: int) -> None:
        """Handle that it is known how many models there will be."""
        self._folds = folds
        if self._root is not None:
            self._models = self._root.subcontext("search", None, settings * folds, False)
            self._models.call_on_fit_task_begin(estimator=self._search)
            made = [
                self._models.subcontext("candidate-split-evaluation", place)
                for place in range(settings * folds)
            ]
            self._open = dict(enumerate(made))

    def follow(self, made: Sequence[Trial]) -> None:
        """Handle an evaluation: models whose trainings are over have ended."""
        for trial in made if self._open else ():
            for fold, recorder in trial.recorders.items():
                if recorder.status.is_over:
                    self.end_model(trial.number, fold)

    def end_model(self, setting: int, fold: int) -> None:
        """Handle that the model of a setting and a fold has ended, whatever came of it."""
        task = self._open.pop(setting * self._folds + fold, None)
        if task is not None:
            task.call_on_fit_task_begin(estimator=self._search)
            task.call_on_fit_task_end(estimator=self._search)

    def end_models(self) -> None:
        """Handle that all models are scored; those of folds that could not be fitted have ended, too."""
        for place in tuple(self._open):
            self.end_model(*divmod(place, self._folds))
        if self._models is not None:
            self._models.call_on_fit_task_end(estimator=self._search)

    @contextmanager
    def refitting(self, best: Any) -> Iterator[None]:
        """Let callbacks follow the training of the best setting on all rows."""
        if self._root is None:
            yield
            return
        task = self._root.subcontext("refit-with-best-params")
        with task.propagate_callback_context(best):
            task.call_on_fit_task_begin(estimator=self._search, **self._given)
            yield
        task.call_on_fit_task_end(estimator=self._search, **self._given)

    def end(self) -> None:
        """Handle the end of the search."""
        if self._root is not None:
            self._root.call_on_fit_task_end(estimator=self._search, **self._given)


class SearchTakesCallbacks(TakesCallbacks):
    """A search that scikit-learn's callbacks may be set on."""

    def _begin_search_tasks(self, X: Any, y: Any, sample_weight: Any, refits: bool) -> SearchTasks:
        root = self._init_callback_context(max_subtasks=1 + refits) if fit_tasks.are_set(self) else None
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        return SearchTasks(self, root, {"X": X, "y": y, "metadata": metadata})
