"""`MLPClassifier`: scikit-learn's class on this package's engine."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import sklearn.neural_network
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import _check_partial_fit_first_call, type_of_target, unique_labels

from gradstep.plan.checkpoint import Checkpoint
from gradstep.sklearn.base import BaseFace, is_stochastic
from gradstep.sklearn.labels import ClassTargets
from gradstep.sklearn.settings import FURTHER_CONSTRAINTS
from gradstep.sklearn.weights import times_class_weights
from gradstep.training.fit_tasks import ending_callbacks
from gradstep.utils.busy import alone

Array = npt.NDArray[Any]


class MLPClassifier(BaseFace, sklearn.neural_network.MLPClassifier):  # type: ignore[misc]
    """scikit-learn's `MLPClassifier`, trained by this package: the same parameters, attributes and results.

    The log-loss of a network is minimised by stochastic gradient descent, Adam or L-BFGS. Of two classes
    there is one output with a sigmoid, of more a softmax; y (n, k) are k labels of 0 and 1, each with
    a sigmoid. Where it differs from scikit-learn's class, and why, is told in ``docs/dropin.md``.

    Parameters
    ----------
    hidden_layer_sizes : array-like of int, default=(100,)
        Units of every hidden layer; () is a linear model.
    activation : {"identity", "logistic", "tanh", "relu"}, default="relu"
        Of the hidden layers.
    solver : {"lbfgs", "sgd", "adam"}, default="adam"
        "sgd" and "adam" train in mini-batches, "lbfgs" on all rows at once.
    alpha : float, default=0.0001
        Strength of the penalty: the cost of a batch is its loss plus ``alpha / 2 * sum(W**2) / rows``, rows
        being those of the batch, or the sum of their weights.
    batch_size : int or "auto", default="auto"
        Rows of an update; "auto" is ``min(200, n)``.
    learning_rate : {"constant", "invscaling", "adaptive"}, default="constant"
        Of "sgd": ``learning_rate_init``; that ``/ (rows trained on + 1)**power_t`` after every epoch; or
        divided by 5 where training would stop, until it is 1e-6.
    learning_rate_init : float, default=0.001
        Of "sgd" and "adam".
    power_t : float, default=0.5
        Of "invscaling".
    max_iter : int, default=200
        Most epochs, or iterations of "lbfgs".
    shuffle : bool, default=True
        Whether every epoch has an order of rows of its own.
    random_state : int, RandomState or None, default=None
        Of initial weights, held-out rows and the order of rows: drawn as scikit-learn does, so that the same
        seed gives the same model but for rounding.
    tol : float, default=1e-4
        What an improvement must exceed; the bound of the gradient for "lbfgs".
    verbose : bool or int, default=False
        Whether to print a line for every epoch.
    warm_start : bool, default=False
        Whether `fit` goes on from the weights of the last call.
    momentum : float, default=0.9
        Of "sgd", in [0, 1).
    nesterovs_momentum : bool, default=True
        Whether "sgd" looks ahead along the velocity.
    early_stopping : bool, default=False
        Whether a share of the rows is held out, whose score decides when to stop; the weights of the best
        score are kept. Else the loss of the epochs decides.
    validation_fraction : float, default=0.1
        That share.
    beta_1, beta_2 : float, default=0.9 and 0.999
        How much "adam" keeps of its moments, in [0, 1).
    epsilon : float, default=1e-8
        Added to the root by "adam", >= 1e-30.
    n_iter_no_change : int or inf, default=10
        Epochs in a row without an improvement that are borne.
    max_fun : int, default=15000
        Most evaluations of the cost by "lbfgs".
    class_weight : dict, list of dict, "balanced" or None, default=None
        Weights of the classes by label, times which sample weights are taken; "balanced" are those that give
        all classes the same sum.
    dropout : float or array-like of float, default=0.0
        Share of the units of every hidden layer, or one for each, that "sgd" and "adam" leave out of an
        update, in [0, 1).
    input_dropout : float, default=0.0
        Likewise of the features.
    standardize : bool, default=False
        Whether features are standardised inside, by mean and deviation of the rows that are trained on.
        `coefs_` are then for standardised features.
    precision : {"auto", "float32", "float64"}, default="auto"
        Of the arithmetic; "auto" is float32 for float32 rows and float64 for all others.
    backend : {"auto", "cpp", "numba", "numpy"}, default="auto"
    n_threads : int or None, default=None
        Threads, which change no bit; None takes all cores where the work is large enough.
    callbacks : sequence of callables, default=()
        Called with the estimator and a dict of numbers after every epoch of "sgd" and "adam". One that
        returns True stops the training.
    checkpoint : Checkpoint, optional
        Folder in which a `fit` by "sgd" or "adam" is kept while it runs: that with ``resume=True`` goes on
        from there, to the bit as if it had never been interrupted.

    Attributes
    ----------
    classes_ : ndarray of shape (c,)
        The labels, sorted.
    loss_ : float
        Mean cost of the last epoch's batches, each before its update; of "lbfgs" the cost reached.
    best_loss_ : float or None
        The smallest; None with `early_stopping`.
    loss_curve_ : list of float
        `loss_` of every epoch.
    validation_scores_ : list of float or None
        Accuracy of the held-out rows after every epoch; None without `early_stopping`.
    best_validation_score_ : float or None
    t_ : int
        Rows trained on, epoch after epoch.
    coefs_, intercepts_ : list of ndarray
        Weights (in, out) and biases (out,) of every layer. Others may be put in their place.
    n_iter_ : int
        Epochs, or iterations, of the last call.
    n_layers_, n_outputs_, n_features_in_ : int
    feature_names_in_ : ndarray of shape (d,)
        Where X had string column names.
    out_activation_ : str
        "logistic" or "softmax".

    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> classifier = MLPClassifier((10,), solver="lbfgs", random_state=0).fit(X, y)
    >>> classifier.score(X, y) > 0.95
    True
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **sklearn.neural_network.MLPClassifier._parameter_constraints,
        "class_weight": [dict, list, StrOptions({"balanced"}), None],
        **FURTHER_CONSTRAINTS,
    }
    classes_: Array
    warm_start: bool
    class_weight: Any
    _targets: ClassTargets

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: str = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool | int = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        class_weight: Any = None,
        dropout: Any = 0.0,
        input_dropout: float = 0.0,
        standardize: bool = False,
        precision: str = "auto",
        backend: str = "auto",
        n_threads: int | None = None,
        callbacks: Any = (),
        checkpoint: Checkpoint | None = None,
    ) -> None:
        super().__init__(
            hidden_layer_sizes,
            activation,
            solver=solver,
            alpha=alpha,
            batch_size=batch_size,
            learning_rate=learning_rate,
            learning_rate_init=learning_rate_init,
            power_t=power_t,
            max_iter=max_iter,
            shuffle=shuffle,
            random_state=random_state,
            tol=tol,
            verbose=verbose,
            warm_start=warm_start,
            momentum=momentum,
            nesterovs_momentum=nesterovs_momentum,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            beta_1=beta_1,
            beta_2=beta_2,
            epsilon=epsilon,
            n_iter_no_change=n_iter_no_change,
            max_fun=max_fun,
        )
        self.class_weight = class_weight
        self.dropout = dropout
        self.input_dropout = input_dropout
        self.standardize = standardize
        self.precision = precision
        self.backend = backend
        self.n_threads = n_threads
        self.callbacks = callbacks
        self.checkpoint = checkpoint

    @alone
    @ending_callbacks
    def fit(self, X: Any, y: Any, sample_weight: Any = None, *, resume: bool = False) -> Self:
        """Train on the rows of X.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d)
            float32 rows are trained on in float32, all others in float64; uint8, float32 and float64 rows,
            each in one piece, are read where they lie.
        y : array-like of shape (n,) or (n, k)
            Class labels, or 0 and 1 for every label.
        sample_weight : array-like of shape (n,), optional
            Weights >= 0 of the rows.
        resume : bool, default=False
            Go on with the training that the folder of `checkpoint` holds, if it holds one.

        Returns
        -------
        MLPClassifier
            This object.

        Raises
        ------
        ValueError
            A parameter breaks its constraint, X, y or `sample_weight` cannot be used, or the weights are no
            longer finite at the end.
        CheckpointError
            The folder of `checkpoint` holds another training, or one that is not to be gone on with.
        """
        self._check_parameters()
        return self._fit(X, y, sample_weight, resume=resume)

    @available_if(is_stochastic)  # type: ignore[untyped-decorator]
    @alone
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Self:
        """Train for one epoch, from where the last call ended.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d)
        y : array-like of shape (n,) or (n, k)
        sample_weight : array-like of shape (n,), optional
        classes : array-like of shape (c,), optional
            All labels that there will be; needed in the first call.

        Returns
        -------
        MLPClassifier
            This object.

        Raises
        ------
        ValueError
            As `fit`; or `classes` are missing in the first call, or others than then.
        """
        self._check_parameters(incremental=True)
        if self._is_first_call(classes):
            known = y if type_of_target(y).startswith("multilabel") else classes
            self._targets = ClassTargets.learn(known)
        return self._fit(X, y, sample_weight, incremental=True)

    def predict(self, X: Any) -> Array:
        """Return the label of every row, (n,), or 0 and 1 for every label, (n, k)."""
        scores = self._scores(X)
        return self._targets.decode(scores)

    def predict_proba(self, X: Any) -> Array:
        """Return the probabilities of the classes or labels, (n, c), in the order of `classes_`."""
        scores = self._scores(X)
        return self._targets.probabilities(scores)

    def predict_log_proba(self, X: Any) -> Array:
        """Return their logarithms, finite where a probability is too small for a number."""
        scores = self._scores(X)
        return self._targets.log_probabilities(scores)

    def decision_function(self, X: Any) -> Array:
        """Return the scores before softmax or sigmoid: (n,) of two classes, else (n, c)."""
        scores = self._scores(X)
        return scores[:, 0] if self._targets.kind == "binary" else scores

    @property
    def _label_binarizer(self) -> LabelBinarizer:
        """The labels in the form that scikit-learn's class has them."""
        if "_targets" not in vars(self):
            raise AttributeError("_label_binarizer")
        return self._targets.binarizer

    def _checked(self, X: Any, y: Any, is_new: bool, **more: Any) -> tuple[Any, Any]:
        X, y = super()._checked(X, y, is_new, **more)
        return X, column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y

    def _learn(self, y: Any, incremental: bool) -> ClassTargets:
        """Return what y is encoded by.

        Raises
        ------
        ValueError
            y has other classes than in the last call.
        """
        if "classes_" not in vars(self) or not (self.warm_start or incremental):
            return ClassTargets.learn(y)
        known = self._targets.places(y)
        if known is not None and (
            not self.warm_start or np.bincount(known, minlength=len(self.classes_)).all()
        ):
            return self._targets
        classes = unique_labels(y)
        if self.warm_start:
            if set(classes) != set(self.classes_):
                raise ValueError(
                    "warm_start can only be used where `y` has the same classes as in the previous call to "
                    f"fit. Previously got {self.classes_}, `y` has {classes}"
                )
        elif len(np.setdiff1d(classes, self.classes_, assume_unique=True)):
            raise ValueError(
                f"`y` has classes not in `self.classes_`. `self.classes_` has {self.classes_}. "
                f"'y' has {classes}."
            )
        return self._targets

    def _is_first_call(self, classes: Any) -> bool:
        """Whether `partial_fit` begins anew.

        Raises
        ------
        ValueError
            `classes` are missing in the first call, or others than then.
        """
        has_begun = "classes_" in vars(self) and isinstance(classes, np.ndarray)
        # scikit-learn looks at labels in a dozen ways: a tenth of a call.
        if has_begun and classes.dtype == self.classes_.dtype and np.array_equal(classes, self.classes_):
            return False
        return bool(_check_partial_fit_first_call(self, classes))

    def _weigh(self, weight: Array | None, y: Any) -> Array | None:
        return times_class_weights(weight, self.class_weight, y)

    def _learned_of_targets(self, targets: ClassTargets) -> dict[str, Any]:
        return {"classes_": targets.classes}
