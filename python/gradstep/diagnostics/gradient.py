"""The gradient of a fitted model's cost, as arrays."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from gradstep import backends
from gradstep.estimators.base import BaseTrainer
from gradstep.estimators.reading import check_weight, read_targets
from gradstep.utils import threads
from gradstep.utils.constraints import check, instance
from gradstep.utils.names import known_parameters

_OWNER = "gradient"


@known_parameters
def gradient(
    trainer: BaseTrainer, X: npt.ArrayLike, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None
) -> list[tuple[npt.NDArray[Any], npt.NDArray[Any]]]:
    """Return the gradient of an estimator's cost by its weights and biases, where they are now.

    Parameters
    ----------
    trainer : Trainer or Regressor
        Fitted. Standardization, classes, ``l2`` and backend are its own; arrays put in place of `coefs_` and
        `intercepts_` count.
    X : array-like or sparse matrix of shape (n, d)
        The cost is that of all these rows as one batch, none of them augmented and nothing dropped.
    y : array-like of shape (n,) or (n, k)
        What `fit` takes; classes may be missing.
    sample_weight : array-like of shape (n,), optional
        Weights of the rows; only their ratios count.

    Returns
    -------
    list of pairs of ndarray
        For every layer the gradient by its weights, shape (in, out) as in `coefs_`, and by its biases, (out,)
        as in `intercepts_`; of the trainer's precision. The term ``2 * l2 * W`` is part of the former.

    Raises
    ------
    NotFittedError
        There is no model.
    InvalidParameterError
        `trainer` is none.
    InvalidDataError
        X, y or `sample_weight` cannot be used.
    BackendUnavailableError
        The backend is not there, or lacks the loss or an activation.

    Examples
    --------
    One step of plain gradient descent on all rows goes down the gradient:

    >>> import numpy as np
    >>> import gradstep as gs
    >>> train = gs.datasets.load_digits().train
    >>> settings = {"batch_size": len(train.y), "precision": "float64", "random_state": 0}
    >>> first, second = (
    ...     gs.Trainer(epochs=count, learning_rate=0.1, **settings).fit(train.X, train.y) for count in (1, 2)
    ... )
    >>> [(dW, db)] = gs.gradient(first, train.X, train.y)
    >>> np.allclose(second.coefs_[0], first.coefs_[0] - 0.1 * dW)
    True
    >>> np.allclose(second.intercepts_[0], first.intercepts_[0] - 0.1 * db)
    True
    """
    check(_OWNER, "trainer", trainer, (instance(BaseTrainer, "a Trainer or Regressor"),))
    fitted = trainer.result().fitted
    rows, targets = read_targets(trainer, fitted.targets, X, y, _OWNER)
    data = fitted.data(rows, targets, check_weight(sample_weight, rows.shape[0], _OWNER))
    backend = backends.choose(trainer.backend, fitted.objective)
    n_threads = threads.choose(trainer.n_threads, data.n * fitted.layers.parameters)
    _, found = backend.loss_and_gradient(fitted.objective, data, fitted.block[None], n_threads=n_threads)
    # Arrays of the caller's own, which share no memory.
    return [
        (fitted.layers.weights(found[0], layer).copy(), fitted.layers.biases(found[0], layer).copy())
        for layer in range(fitted.layers.count)
    ]
