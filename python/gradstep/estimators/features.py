"""Hidden layers as features: what makes an estimator a transformer, too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.metaestimators import available_if

from gradstep.errors import InvalidParameterError
from gradstep.training.fitted import Fitted
from gradstep.utils.constraints import WHOLE, check


class HiddenFeatures(ClassNamePrefixFeaturesOutMixin, TransformerMixin):  # type: ignore[misc]
    """A network whose hidden layers can be had as features; without any it is no transformer."""

    hidden: Any
    backend: str
    n_threads: int | None
    _model: Callable[[], Fitted]
    _rows: Callable[[Any], npt.NDArray[Any]]
    _owner: Callable[[], str]

    def transform(self, X: npt.ArrayLike, layer: int = -1) -> npt.NDArray[Any]:
        """Return what a hidden layer makes of the rows of X, its activation included.

        It is there where `hidden` has a layer. As a step of a pipeline the network is trained on y first;
        what follows gets the outputs of its last hidden layer.

        Parameters
        ----------
        X : array-like of shape (n, d)
            Read piece by piece; beside the answer no memory grows with n.
        layer : int, default=-1
            Number of the hidden layer: 0 is the first, -1 the last.

        Returns
        -------
        ndarray of shape (n, h)
            Of the precision of the network.

        Raises
        ------
        InvalidParameterError
            There is no such layer.
        InvalidDataError
            X cannot be used, or an output is not finite.
        NotFittedError
            There is no model.
        """
        fitted = self._model()
        count = len(fitted.activations)
        check(f"{self._owner()}.transform", "layer", layer, (WHOLE,))
        if not -count <= layer < count:
            has = f"{count} hidden layer{'s' * (count != 1)}"
            raise InvalidParameterError(
                f"`layer` of {self._owner()}.transform must be one of a network of {has}, got {layer}"
            )
        return fitted.hidden(self._rows(X), layer % count, self.backend, self.n_threads)

    def fit_transform(self, X: npt.ArrayLike, y: npt.ArrayLike, **fit_params: Any) -> npt.NDArray[Any]:
        """Return what `transform` gives of the rows that `fit` was given, all of its parameters included."""
        features: npt.NDArray[Any] = self.fit(X, y, **fit_params).transform(X)
        return features

    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[np.object_]:
        """Return a name for every unit of the last hidden layer: "trainer0", "trainer1", ..."""
        names: npt.NDArray[np.object_] = super().get_feature_names_out(input_features)
        return names

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        if not _has_layers(self.hidden):
            tags.transformer_tags = None
        else:
            # What comes out has the precision of the network.
            tags.transformer_tags.preserves_dtype = []
        return tags

    @property
    def _n_features_out(self) -> int:
        """Number of features that `get_feature_names_out` names."""
        return int(self._model().layers.sizes[-2])


def _has_layers(hidden: Any) -> bool:
    return isinstance(hidden, (tuple, list)) and len(hidden) > 0


def _is_transformer(estimator: HiddenFeatures) -> bool:
    if not _has_layers(estimator.hidden):
        name, hidden = type(estimator).__name__, estimator.hidden
        raise AttributeError(f"{name} needs a hidden layer to be a transformer, got hidden={hidden!r}")
    return True


# Only now: what scikit-learn's `set_output` wraps are plain functions of the class.
_where_hidden = available_if(_is_transformer)
HiddenFeatures.transform = _where_hidden(HiddenFeatures.transform)  # type: ignore[method-assign]
HiddenFeatures.fit_transform = _where_hidden(HiddenFeatures.fit_transform)  # type: ignore[method-assign]
HiddenFeatures.get_feature_names_out = _where_hidden(  # type: ignore[method-assign]
    HiddenFeatures.get_feature_names_out
)
