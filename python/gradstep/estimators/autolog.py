"""What `mlflow.sklearn.autolog()` sees of a fit.

MLflow watches the classes that `sklearn.utils.all_estimators` lists, which are scikit-learn's own: of other
estimators it sees searches and pipelines around them alone. So a `fit` asks whether it is on, and tells it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from gradstep.estimators.callbacks import LogTo

_IS_QUIET: ContextVar[bool] = ContextVar("gradstep_autolog_quiet", default=False)


@contextmanager
def quiet() -> Iterator[None]:
    """Let fits inside the block be told to nobody: they are no models of the user's."""
    token = _IS_QUIET.set(True)
    try:
        yield
    finally:
        _IS_QUIET.reset(token)


@contextmanager
def autologged(estimator: Any) -> Iterator[LogTo | None]:
    """Give what logs a fit to a run of MLflow, None where nobody asked for that.

    The run is that which is active, or one of its own that ends with the block, as MLflow has it for
    scikit-learn's estimators. A fit within one that MLflow watches itself, as of a search, is a part of that.
    """
    mlflow = sys.modules.get("mlflow")
    if mlflow is None or "mlflow.sklearn" not in sys.modules or _IS_QUIET.get() or not _is_on(mlflow):
        yield None
        return
    tags = {
        "estimator_name": type(estimator).__name__,
        "estimator_class": f"{type(estimator).__module__}.{type(estimator).__name__}",
    }
    if mlflow.active_run() is not None:
        mlflow.set_tags(tags)
        yield LogTo(mlflow)
        return
    with mlflow.start_run(tags=tags):
        yield LogTo(mlflow)


def _is_on(mlflow: Any) -> bool:
    """Return whether autologging of estimators is on, and nobody logs a fit around this one."""
    from mlflow.utils.autologging_utils import autologging_is_disabled, get_autologging_config
    from mlflow.utils.autologging_utils.safety import _AutologgingSessionManager

    if autologging_is_disabled("sklearn") or _AutologgingSessionManager.active_session() is not None:
        return False
    is_exclusive = get_autologging_config("sklearn", "exclusive", False)
    return not (is_exclusive and mlflow.active_run() is not None)
