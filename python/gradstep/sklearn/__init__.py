"""Faces: estimators of scikit-learn's names, parameters and attributes on this package's engine.

>>> from gradstep.sklearn import MLPClassifier
>>> from sklearn.datasets import load_digits
>>> X, y = load_digits(return_X_y=True)
>>> MLPClassifier(random_state=0, max_iter=30).fit(X / 16, y).score(X / 16, y) > 0.95
True
"""

from gradstep.sklearn.mlp_classifier import MLPClassifier
from gradstep.sklearn.mlp_regressor import MLPRegressor
from gradstep.sklearn.patching import Patch, is_patched, patch, unpatch

__all__ = ["MLPClassifier", "MLPRegressor", "Patch", "is_patched", "patch", "unpatch"]
