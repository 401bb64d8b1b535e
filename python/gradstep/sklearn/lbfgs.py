"""The solver "lbfgs" of the faces: L-BFGS over the cost of all rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import OptimizeResult

from gradstep import backends
from gradstep.backends.protocol import FullBatch
from gradstep.nn.lbfgs import Ending, MinimizerLimits
from gradstep.plan.network import Layers, Objective
from gradstep.sklearn.rows import FaceRows
from gradstep.sklearn.settings import MLPSettings
from gradstep.training.line_search import minimize
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

    Attributes
    ----------
    batch : FullBatch
    dtype : dtype
    factor : float
        The cost is so many times that of the batch's objective.
    """

    factor: float
    batch: FullBatch

    def __init__(self, settings: MLPSettings, rows: FaceRows, dtype: np.dtype[Any]) -> None:
        targets = rows.targets
        layers = Layers((rows.train.d, *settings.hidden, targets.outputs))
        self.factor = float(targets.factor)
        l2 = np.array([settings.alpha / 2 / rows.weight_sum / self.factor])
        alike = (settings.activation,) * len(settings.hidden)
        objective = Objective.alike(layers, targets.loss, alike, l2)
        used = threads.choose(settings.n_threads, rows.train.n * layers.parameters)
        backend = backends.choose(settings.backend, objective)
        self.batch = backend.full_batch(objective, rows.train, n_threads=used)
        self.dtype = dtype

    def __call__(self, block: Array) -> tuple[float, Array]:
        """Return the cost and its gradient (P,), float64, at parameters (P,)."""
        found, gradient = self.batch.loss_and_gradient(block.astype(self.dtype)[None])
        return self.factor * float(found.cost[0]), self.factor * gradient[0].astype(np.float64)


# As scipy says why it ended.
_WORDS = {
    Ending.GRADIENT: "CONVERGENCE: NORM OF PROJECTED GRADIENT <= PGTOL",
    Ending.FUNCTION: "CONVERGENCE: RELATIVE REDUCTION OF F <= FACTR*EPSMCH",
    Ending.ITERATIONS: "STOP: TOTAL NO. OF ITERATIONS REACHED LIMIT",
    Ending.EVALUATIONS: "STOP: TOTAL NO. OF F,G EVALUATIONS EXCEEDS LIMIT",
    Ending.STUCK: "ABNORMAL: ",
    Ending.NOT_FINITE: "ABNORMAL: the cost of the initial weights is not finite",
}


def minimise(cost: FullCost, block: Array, settings: MLPSettings) -> OptimizeResult:
    """Return what scipy's L-BFGS-B returns from parameters (P,), with scikit-learn's options.

    The way is that of ``scipy.optimize.minimize``, see `gradstep.nn.lbfgs`. In float32, where the cost is
    known to seven digits, a point that no step improves is as good as the minimum.
    """
    limits = MinimizerLimits(
        float(settings.tol), iterations=int(settings.max_iter), evaluations=int(settings.max_fun)
    )
    (found,) = minimize(cost.batch, block[None].astype(cost.dtype, copy=False), limits, factor=cost.factor)
    is_enough = found.ending.is_converged or (found.ending is Ending.STUCK and cost.dtype == np.float32)
    return OptimizeResult(
        x=found.parameters,
        fun=found.value,
        nit=found.n_iter,
        nfev=found.n_fun,
        status=0 if is_enough else 1 if found.ending.is_limit else 2,
        success=is_enough,
        message=_WORDS[found.ending],
    )
