"""Callbacks that come with the package: MLflow, TensorBoard or Weights & Biases are told the history."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from gradstep.errors import InvalidParameterError
from gradstep.utils import text
from gradstep.utils.names import KnownParameters, module_getattr

__all__ = ["LogTo"]

if not TYPE_CHECKING:  # who checks types shall know what is not there
    __getattr__ = module_getattr("gradstep.callbacks", __all__)


@dataclass(frozen=True, eq=False)
class LogTo(KnownParameters):
    """A callback that logs every row of the history to a run of another program, and the parameters once.

    It is for Trainer, Regressor and the networks of `gradstep.sklearn`. Metrics have the names of the
    columns of the history, and as their step the number of the update, of `gradstep.sklearn` that of the
    epoch; what was not measured is left out. Parameters are logged before the first metrics of a training,
    where the run takes some, as texts where they are not numbers.

    Parameters
    ----------
    run : object
        The module `mlflow`, or what has its ``log_metrics(metrics, step=)``; a SummaryWriter of TensorBoard,
        or what has its ``add_scalar(name, value, step)``; or a run of Weights & Biases, or what has its
        ``log(metrics, step=)``.
    prefix : str, default=""
        Stands before every name, as "first/".

    Raises
    ------
    InvalidParameterError
        `run` has none of these methods.

    Notes
    -----
    Copies of an estimator log to the same run. In a pickle there is no run, and the callback does nothing.

    Examples
    --------
    >>> import gradstep as gs
    >>> class Run:
    ...     def log_metrics(self, metrics, step):
    ...         print(step, sorted(metrics)[:2])
    >>> train = gs.datasets.load_digits().train
    >>> trainer = gs.Trainer(epochs=2, callbacks=[LogTo(Run())], random_state=0)
    >>> trainer = trainer.fit(train.X, train.y)
    51 ['epoch', 'learning_rate']
    102 ['epoch', 'learning_rate']
    """

    run: Any
    prefix: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.prefix, str):
            raise InvalidParameterError(f"`prefix` of LogTo must be a string, got {text.given(self.prefix)}")
        if not any(callable(getattr(self.run, method, None)) for method in _WAYS):
            raise InvalidParameterError(
                f"`run` of LogTo must have a method {', '.join(list(_WAYS)[:-1])} or {list(_WAYS)[-1]}, as "
                f"mlflow, a SummaryWriter and a run of wandb have, got {text.given(self.run)}"
            )

    def __call__(self, trainer: Any, row: Mapping[str, float]) -> None:
        """Handle a new row of a history."""
        if self.run is None:
            return
        if _is_first(trainer):
            self.log_parameters(trainer)
        self.log_row(row)

    def log_parameters(self, trainer: Any) -> None:
        """Log the parameters of an estimator, where the run takes some."""
        _log_parameters(self.run, trainer, self.prefix)

    def log_row(self, row: Mapping[str, float]) -> None:
        """Log what was measured in a row of a history."""
        step = int(row["update" if "update" in row else "epoch"])
        values = {
            f"{self.prefix}{name}": float(value)
            for name, value in row.items()
            if name != "update" and math.isfinite(value)
        }
        way = next(way for method, way in _WAYS.items() if callable(getattr(self.run, method, None)))
        way(self.run, values, step)

    def __deepcopy__(self, memo: object) -> Self:
        return self  # a run is a place, of which there is one

    def __reduce__(self) -> tuple[Any, ...]:
        return _without_run, (self.prefix,)


def _without_run(prefix: str) -> LogTo:
    """Return a callback that does nothing."""
    made = object.__new__(LogTo)
    object.__setattr__(made, "run", None)
    object.__setattr__(made, "prefix", prefix)
    return made


def _is_first(trainer: Any) -> bool:
    """Whether an estimator has come to the first row of its training."""
    return len(trainer.history_) == 1 if hasattr(trainer, "history_") else trainer.n_iter_ == 1


def _log_parameters(run: Any, trainer: Any, prefix: str) -> None:
    """Log the parameters, where a run takes some."""
    own = trainer.get_params(deep=False)
    values = {
        f"{prefix}{name}": value if isinstance(value, (bool, int, float)) else text.setting(value)
        for name, value in own.items()
        if name != "callbacks"
    }
    config: Any = getattr(run, "config", None)
    if callable(getattr(run, "log_params", None)):
        run.log_params(values)
    elif callable(getattr(run, "add_text", None)):
        told = "\n".join(f"    {name}: {value}" for name, value in values.items())
        run.add_text(f"{prefix}parameters", told)
    elif callable(getattr(config, "update", None)):
        config.update(values, allow_val_change=True)


def _log_metrics(run: Any, values: dict[str, float], step: int) -> None:
    run.log_metrics(values, step=step)


def _add_scalars(run: Any, values: dict[str, float], step: int) -> None:
    for name, value in values.items():
        # TensorBoard puts what has the same beginning up to a slash on one card.
        run.add_scalar(name, value, step)


def _log(run: Any, values: dict[str, float], step: int) -> None:
    run.log(values, step=step)


# By the method that a run has, the first of them.
_WAYS: dict[str, Callable[[Any, dict[str, float], int], None]] = {
    "log_metrics": _log_metrics,
    "add_scalar": _add_scalars,
    "log": _log,
}
