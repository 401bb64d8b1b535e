"""Models without hidden layers as what they are: linear functions of the features."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from gradstep.training.fitted import Fitted


class LinearScores:
    """An estimator whose scores, where there is no hidden layer, have coefficients in the units of X."""

    _model: Callable[[], Fitted]

    @property
    def coef_(self) -> npt.NDArray[np.float64]:
        """What `decision_function` multiplies features as given by: (k, d), of two classes (1, d).

        Raises
        ------
        AttributeError
            There are hidden layers, or there is no model.
        """
        return self._linear()[0]

    @property
    def intercept_(self) -> npt.NDArray[np.float64]:
        """What `decision_function` adds to that: (k,), of two classes (1,).

        Raises
        ------
        AttributeError
            There are hidden layers, or there is no model.
        """
        return self._linear()[1]

    def _linear(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        fitted = self._model()
        if fitted.activations:
            hidden = fitted.layers.sizes[1:-1]
            raise AttributeError(
                f"`coef_` and `intercept_` of {type(self).__name__} need a model without hidden layers, got "
                f"hidden={hidden}; weights and biases of all its layers are in `coefs_` and `intercepts_`"
            )
        return fitted.linear()
