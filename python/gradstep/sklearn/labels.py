"""Targets of the faces: how y becomes what kernels take, and scores become answers, as in scikit-learn.

Of two classes, or one, there is one output with a logistic loss; of more there is one each with a softmax.
Several labels a row are outputs of one logistic loss each, the sum of which counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils.multiclass import type_of_target, unique_labels

from gradstep.nn.losses import Loss
from gradstep.nn.metrics import Metric
from gradstep.plan.targets import Indicators, Labels, Targets, Values

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class ClassTargets:
    """Classes of a classifier, or labels of which a row may have several.

    Attributes
    ----------
    classes : ndarray of shape (c,)
        Sorted; of labels their numbers.
    kind : {"binary", "multiclass", "multilabel-indicator"}
        In scikit-learn's words.
    is_sparse : bool
        Whether y was a sparse matrix, and answers are.
    """

    classes: Array
    kind: str
    is_sparse: bool = False

    @classmethod
    def learn(cls, y: Any) -> ClassTargets:
        """Return the classes in y.

        Raises
        ------
        ValueError
            y are no labels, in scikit-learn's words.
        """
        kind = type_of_target(y, input_name="y")
        if kind not in ("binary", "multiclass"):
            binarizer = LabelBinarizer().fit(y)
            return cls(binarizer.classes_, binarizer.y_type_, scipy.sparse.issparse(y))
        return cls(unique_labels(y), kind)

    @property
    def outputs(self) -> int:
        """Outputs of the network."""
        return 1 if self.kind == "binary" else len(self.classes)

    @cached_property
    def loss(self) -> Loss:
        """What is minimised, a mean over the outputs."""
        return Loss.resolve("softmax" if self.kind == "multiclass" else "multilabel")

    @property
    def factor(self) -> int:
        """What makes the loss the sum over labels that it is in scikit-learn."""
        return self.outputs if self.loss.takes == "indicators" else 1

    @property
    def vocabulary(self) -> Targets:
        """The same in the words of the plan."""
        return Labels(self.classes) if self.kind == "multiclass" else Indicators(self.outputs)

    @property
    def metric(self) -> Metric:
        """Accuracy: of labels the share of rows that are right in all."""
        return self.loss.metrics[0]

    @property
    def out_activation(self) -> str:
        """What scikit-learn calls the way from scores to probabilities."""
        return "softmax" if self.kind == "multiclass" else "logistic"

    @property
    def binarizer(self) -> LabelBinarizer:
        """The same in scikit-learn's words."""
        if self.kind.startswith("multilabel"):
            labels = np.zeros((1, len(self.classes)), dtype=int)
            return LabelBinarizer().fit(scipy.sparse.csr_matrix(labels) if self.is_sparse else labels)
        return LabelBinarizer().fit(self.classes)

    def encode(self, y: Any) -> Array:
        """Return y as kernels take it: class indices (n,), or 0 and 1 (n, k).

        Raises
        ------
        ValueError
            y has labels of another kind, in scikit-learn's words.
        """
        if self.kind.startswith("multilabel") or not (isinstance(y, np.ndarray) and y.ndim == 1):
            return np.asarray(self.binarizer.transform(y), dtype=np.bool_)
        indices = self.places(y)
        if indices is None:
            labels, which = np.unique(y, return_inverse=True)
            known = {label: index for index, label in enumerate(self.classes.tolist())}
            indices = np.array([known[label] for label in labels.tolist()], dtype=np.int32)[which]
        return indices if self.kind == "multiclass" else (indices == 1)[:, None]

    def places(self, y: Any) -> npt.NDArray[np.int32] | None:
        """Return the index of every number (n,) among the classes; None where one is none of them.

        None also where labels are no numbers, or are several a row: those take another way.
        """
        is_simple = isinstance(y, np.ndarray) and y.ndim == 1 and y.dtype.kind in "biuf"
        if not (is_simple and self.classes.dtype.kind in "biuf") or self.kind.startswith("multilabel"):
            return None
        indices = np.minimum(np.searchsorted(self.classes, y), len(self.classes) - 1)
        return indices.astype(np.int32) if (self.classes[indices] == y).all() else None

    def strata(self, encoded: Array) -> Array | None:
        """Return what a split keeps the shares of, (n,): of two classes alone, as scikit-learn does."""
        return np.where(encoded[:, 0], "True", "False") if self.kind == "binary" else None

    def decode(self, scores: Array) -> Array:
        """Return the answers to rows, of their scores (n, k)."""
        if self.kind == "multiclass":
            return np.asarray(self.classes[scores.argmax(axis=1)])
        is_label = scores > 0
        if self.kind == "binary":
            last = len(self.classes) - 1
            return np.asarray(self.classes[np.minimum(is_label[:, 0], last).astype(np.intp)])
        answers = is_label.astype(int)
        return scipy.sparse.csr_matrix(answers) if self.is_sparse else answers

    def probabilities(self, scores: Array) -> Array:
        """Return the probabilities of the classes or labels, (n, c)."""
        found: Array = self.loss.probabilities(scores)
        return np.hstack([1 - found, found]) if self.kind == "binary" else found

    def log_probabilities(self, scores: Array) -> Array:
        """Return their logarithms; finite also where a probability is too small for a number."""
        probabilities = self.probabilities(scores)
        is_small = probabilities < np.finfo(probabilities.dtype).tiny
        with np.errstate(divide="ignore"):
            logarithms: Array = np.log(probabilities)
        if is_small.any():
            # That of the first of two classes is the sigmoid of minus the score.
            of_both = np.hstack([-scores, scores]) if self.kind == "binary" else scores
            logarithms[is_small] = self.loss.log_probabilities(of_both)[is_small]
        return logarithms

    def score_of_nothing(self, y: Array, weight: Array | None) -> float:
        """Return the accuracy on encoded targets of a network that has NaN in all scores."""
        hits = y == 0 if y.ndim == 1 else ~y.any(axis=1)
        return float(np.average(hits, weights=weight))


@dataclass(frozen=True)
class RealTargets:
    """Real values of a regressor.

    Attributes
    ----------
    outputs : int
    loss : Loss
        What is minimised, a mean over the outputs.
    """

    outputs: int
    loss: Loss

    @property
    def factor(self) -> int:
        """What makes the loss the sum over outputs whose gradient scikit-learn takes."""
        return self.outputs

    @property
    def vocabulary(self) -> Targets:
        """The same in the words of the plan."""
        return Values(np.zeros(self.outputs), np.ones(self.outputs), one_axis=self.outputs == 1)

    @property
    def metric(self) -> Metric:
        """R2, the mean over the outputs."""
        return self.loss.metrics[0]

    @property
    def out_activation(self) -> str:
        """What scikit-learn calls the way from scores to answers."""
        return "exp" if self.loss.name == "poisson" else "identity"

    def encode(self, y: Array) -> Array:
        """Return real values (n, k)."""
        return y[:, None] if y.ndim == 1 else y

    def strata(self, encoded: Array) -> None:
        """Return what a split keeps the shares of: nothing."""

    def decode(self, scores: Array) -> Array:
        """Return the answers to rows, (n,) or (n, k), of their scores (n, k)."""
        with np.errstate(over="ignore"):
            answers: Array = self.loss.answers(scores)
        return answers[:, 0] if self.outputs == 1 else answers

    def score_of_nothing(self, y: Array, weight: Array | None) -> float:
        """Return the R2 of a network that has NaN in all scores."""
        return float("nan")


#: Of a classifier or of a regressor.
FaceTargets = ClassTargets | RealTargets
