"""The solver "lbfgs" of the faces: scipy's L-BFGS-B over the cost of all rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.optimize

from gradstep import backends
from gradstep.plan.network import Layers, Objective
from gradstep.sklearn.rows import FaceRows
from gradstep.sklearn.settings import MLPSettings
from gradstep.utils import threads

Array = npt.NDArray[Any]


class FullCost:
    """Cost of all rows and its gradient, as functions of the parameters.

    ``factor * loss + alpha / 2 * sum(W**2) / weight_sum``, the factor being that of a sum over the outputs.

    Parameters
    ----------
    settings : MLPSettings
    rows : FaceRows
    dtype : dtype
        Of the arithmetic.
    """

    def __init__(self, settings: MLPSettings, rows: FaceRows, dtype: np.dtype[Any]) -> None:
        targets = rows.targets
        layers = Layers((rows.train.d, *settings.hidden, targets.outputs))
        self._factor = float(targets.factor)
        l2 = np.array([settings.alpha / 2 / rows.weight_sum / self._factor])
        alike = (settings.activation,) * len(settings.hidden)
        objective = Objective.alike(layers, targets.loss, alike, l2)
        used = threads.choose(settings.n_threads, rows.train.n * layers.parameters)
        backend = backends.choose(settings.backend, objective)
        self._batch = backend.full_batch(objective, rows.train, n_threads=used)
        self._dtype = dtype

    def __call__(self, block: Array) -> tuple[float, Array]:
        """Return the cost and its gradient (P,), float64, at parameters (P,)."""
        found, gradient = self._batch.loss_and_gradient(block.astype(self._dtype)[None])
        return self._factor * float(found.cost[0]), self._factor * gradient[0].astype(np.float64)


def minimise(cost: FullCost, block: Array, settings: MLPSettings) -> Any:
    """Return scipy's result of L-BFGS-B from parameters (P,), with scikit-learn's options."""
    options = {"maxfun": settings.max_fun, "maxiter": settings.max_iter, "gtol": settings.tol}
    return scipy.optimize.minimize(
        cost, block.astype(np.float64), method="L-BFGS-B", jac=True, options=options
    )
