"""What the faces of scikit-learn's multi-layer perceptrons make of rows, once they are fitted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils.validation import check_is_fitted, validate_data

from gradstep.plan.network import Layers
from gradstep.plan.rows import as_rows
from gradstep.plan.sparse import is_sparse
from gradstep.plan.standardization import Standardization
from gradstep.sklearn.labels import FaceTargets
from gradstep.sklearn.model import FaceModel, joined
from gradstep.sklearn.plain import are_plain_rows
from gradstep.sklearn.settings import MLPSettings

Array = npt.NDArray[Any]


class FacePredictions:
    """Scores of rows, of a class that has these attributes."""

    coefs_: list[Array]
    intercepts_: list[Array]
    n_features_in_: int
    backend: str
    n_threads: int | None
    settings: Callable[[], MLPSettings]
    _targets: FaceTargets
    _known_standardization: Callable[[Layers], Standardization]
    _model: FaceModel | None = None

    def _scores(self, X: Any) -> Array:
        """Return the last layer's output (n, k) for rows."""
        if "coefs_" not in vars(self):
            check_is_fitted(self)
        model = self._model
        if model is None or not model.is_of(self.coefs_, self.intercepts_):
            model = self._made_of_attributes()
        return model.scores(self._rows_to_predict(X), self.backend, self.n_threads)

    def _made_of_attributes(self) -> FaceModel:
        """Return the network that the attributes are, some of which a user may have set."""
        parts = [np.asarray(W) for W in self.coefs_], [np.asarray(b) for b in self.intercepts_]
        layers = Layers((parts[0][0].shape[0], *(W.shape[1] for W in parts[0])))
        scale = self._known_standardization(layers)
        activation = self.settings().activation
        return FaceModel.of_block(joined(*parts), layers, self._targets.loss, activation, scale)

    def _rows_to_predict(self, X: Any) -> Any:
        """Return X as scikit-learn's checks leave it."""
        if self._are_plain(X):
            return X
        checked = validate_data(self, X, accept_sparse=["csr", "csc"], reset=False)
        return as_rows(checked) if is_sparse(checked) else checked

    def _are_plain(self, X: Any) -> bool:
        """Whether rows need no check by scikit-learn."""
        return "feature_names_in_" not in vars(self) and are_plain_rows(X, self.n_features_in_)

    def __getstate__(self) -> dict[str, Any]:
        # The model is made of the attributes again: pickles have every weight once.
        state: Any = super().__getstate__()
        return {name: value for name, value in state.items() if name != "_model"}
