"""The rows of the jobs: made up but for the digits, and always the same."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse
from sklearn.datasets import load_digits, make_classification, make_regression
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.model_selection import train_test_split


class Split(NamedTuple):
    """Rows to train on, and others to score on."""

    X: Any
    y: np.ndarray
    X_test: Any
    y_test: np.ndarray


def digits() -> Split:
    """Return the handwritten digits, 1,437 rows of 64 pixels from 0 to 16."""
    X, y = load_digits(return_X_y=True)
    return _split(X, y, 360)


def small_table() -> Split:
    """Return 20,000 rows of 20 inputs, 3 classes."""
    return _split(*_classes(24_000, 20, 3), 4_000)


def large_table() -> Split:
    """Return 30,000 rows of 100 inputs, 5 classes."""
    return _split(*_classes(34_000, 100, 5), 4_000)


def wide_table() -> Split:
    """Return 10,000 rows of 784 inputs, 10 classes."""
    return _split(*_classes(12_000, 784, 10), 2_000)


def values() -> Split:
    """Return 20,000 rows of 20 inputs with a real value of scale 1."""
    X, y = make_regression(24_000, 20, n_informative=10, noise=10.0, random_state=0)
    return _split(X, (y - y.mean()) / y.std(), 4_000)


def texts() -> Split:
    """Return TF-IDF of 20,000 texts of about a hundred out of 30,000 words, 20 classes."""
    n, words, classes, each = 22_000, 30_000, 20, 100
    rng = np.random.default_rng(0)
    y = rng.integers(classes, size=n)
    # Frequent words are common to all; of one word in twenty a class has its own.
    drawn = np.minimum(rng.pareto(0.7, size=(n, each)) * 20, words - 1).astype(np.int64)
    own = rng.random((n, each)) < 1 / 20
    drawn[own] = (drawn[own] * classes + np.repeat(y, each).reshape(n, each)[own]) % words
    rows = np.repeat(np.arange(n), each)
    counts = scipy.sparse.csr_matrix((np.ones(n * each), (rows, drawn.ravel())), shape=(n, words))
    return _split(TfidfTransformer().fit_transform(counts), y, 2_000)


def load(name: str, precision: str) -> Split:
    """Return rows by the name of their function, in a type."""
    split: Split = globals()[name]()
    y, y_test = split.y, split.y_test
    if y.dtype.kind == "f":
        y, y_test = y.astype(precision), y_test.astype(precision)
    return Split(split.X.astype(precision), y, split.X_test.astype(precision), y_test)


def _classes(n: int, d: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    X, y = make_classification(
        n, d, n_informative=min(d // 2, 40), n_classes=k, class_sep=1.5, random_state=0
    )
    return X, y


def _split(X: Any, y: np.ndarray, n_test: int) -> Split:
    X, X_test, y, y_test = train_test_split(
        X, y, test_size=n_test, random_state=0, stratify=y if y.dtype.kind != "f" else None
    )
    return Split(X, y, X_test, y_test)
