"""What scikit-learn's callbacks are told of a fit: the fit itself as a task, and every epoch as a part of it.

`set_callbacks` is there from scikit-learn 1.9 on; before it no estimator takes callbacks of this kind.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar

if TYPE_CHECKING:

    class CallbackSupportMixin:
        """What scikit-learn has, which tells no types."""

        def set_callbacks(self, *callbacks: Any) -> Self:
            """Set callbacks."""

        def _init_callback_context(self, *, max_subtasks: int | None) -> Any: ...

    with_callbacks: Callable[..., Any] | None
else:
    try:
        from sklearn.callback import CallbackSupportMixin, with_callbacks
    except ImportError:  # scikit-learn before 1.9
        CallbackSupportMixin, with_callbacks = object, None

P = ParamSpec("P")
R = TypeVar("R")


def are_set(estimator: object) -> bool:
    """Return whether an estimator has callbacks of scikit-learn's kind, its own or those of what holds it."""
    return bool(vars(estimator).get("_skl_callbacks"))


def without_callbacks(estimator: Any) -> Any:
    """Return an estimator whose own callbacks have been taken from it."""
    if are_set(estimator):
        estimator.set_callbacks()
    return estimator


def ending_callbacks(method: Callable[P, R]) -> Callable[P, R]:
    """Make a `fit` end what callbacks have set up for it, however it ends."""
    ended: Callable[P, R] = method if with_callbacks is None else with_callbacks(method)
    return ended


class FitTasks:
    """The tasks of one fit. Without callbacks nobody is told anything.

    Parameters
    ----------
    estimator : estimator
    root : CallbackContext of scikit-learn, or None
        Of the whole fit.
    count : int
        The most parts that it may have.
    given : dict
        X, y and metadata, as callbacks are shown them.
    """

    def __init__(self, estimator: Any, root: Any, count: int, given: dict[str, Any]) -> None:
        self._estimator, self._root, self._given = estimator, root, given
        self._left = count
        self._part: Any = None
        if root is not None:
            root.call_on_fit_task_begin(estimator=estimator, **given)
            self._begin_part()

    @property
    def are_told(self) -> bool:
        """Whether there is anybody to tell."""
        return self._root is not None

    def _begin_part(self) -> None:
        if self._left > 0:
            self._left -= 1
            self._part = self._root.subcontext(task_name="epoch")
            self._part.call_on_fit_task_begin(estimator=self._estimator, **self._given)

    def end_part(self, learned: Callable[[], dict[str, Any]]) -> bool:
        """Handle the end of a part; `learned` gives the attributes of the model of this moment.

        Returns
        -------
        bool
            Whether a callback asks for the end of the training.
        """
        part, self._part = self._part, None
        if part is None:
            return False
        wants_stop = bool(
            part.call_on_fit_task_end(
                estimator=self._estimator, **self._given, reconstruction_attributes=learned
            )
        )
        if not wants_stop:
            self._begin_part()
        return wants_stop

    def end(self) -> None:
        """Handle the end of the fit; a part that has begun and was not trained ends as nothing."""
        if self._part is not None:
            self._part.call_on_fit_task_end(estimator=self._estimator)
        if self._root is not None:
            self._root.call_on_fit_task_end(
                estimator=self._estimator, **self._given, reconstruction_attributes=dict
            )


class TakesCallbacks(CallbackSupportMixin):
    """An estimator that scikit-learn's callbacks may be set on."""

    def _begin_tasks(self, count: int, X: Any, y: Any, sample_weight: Any = None) -> FitTasks:
        """Return the tasks of a fit that has at most so many parts."""
        root = self._init_callback_context(max_subtasks=count) if are_set(self) else None
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        return FitTasks(self, root, count, {"X": X, "y": y, "metadata": metadata})
