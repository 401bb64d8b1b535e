"""`MLPRegressor`: scikit-learn's class on this package's engine."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy.typing as npt
import sklearn.neural_network
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if

from gradstep.nn.losses import Loss
from gradstep.plan.checkpoint import Checkpoint
from gradstep.sklearn.base import BaseFace, is_stochastic
from gradstep.sklearn.labels import RealTargets
from gradstep.sklearn.settings import FURTHER_CONSTRAINTS
from gradstep.training.fit_tasks import ending_callbacks
from gradstep.utils.busy import alone

Array = npt.NDArray[Any]

# Ours, by the names that scikit-learn has for them.
_LOSSES = {"squared_error": "squared", "poisson": "poisson"}


class MLPRegressor(BaseFace, sklearn.neural_network.MLPRegressor):  # type: ignore[misc]
    """scikit-learn's `MLPRegressor`, trained by this package: the same parameters, attributes and results.

    Half the squared error of a network, or half its Poisson deviance, is minimised by stochastic gradient
    descent, Adam or L-BFGS; of several outputs the sum. Where it differs from scikit-learn's class, and why,
    is told in ``docs/dropin.md``.

    Parameters
    ----------
    loss : {"squared_error", "poisson"}, default="squared_error"
        Half the squared error, or half the Poisson deviance of targets >= 0, with ``exp`` of the scores as
        answers.
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
    loss_ : float
        Mean cost of the last epoch's batches, each before its update; of "lbfgs" the cost reached.
    best_loss_ : float or None
        The smallest; None with `early_stopping`.
    loss_curve_ : list of float
        `loss_` of every epoch.
    validation_scores_ : list of float or None
        R2 of the held-out rows after every epoch; None without `early_stopping`.
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
        "identity" or "exp".

    >>> from sklearn.datasets import make_regression
    >>> X, y = make_regression(200, 5, random_state=0)
    >>> regressor = MLPRegressor(hidden_layer_sizes=(20,), solver="lbfgs", random_state=0, max_iter=1000)
    >>> regressor.fit(X, y).score(X, y) > 0.95
    True
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **sklearn.neural_network.MLPRegressor._parameter_constraints,
        "loss": [StrOptions(set(_LOSSES))],
        **FURTHER_CONSTRAINTS,
    }
    loss: str
    _targets: RealTargets

    def __init__(
        self,
        loss: str = "squared_error",
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
        dropout: Any = 0.0,
        input_dropout: float = 0.0,
        standardize: bool = False,
        precision: str = "auto",
        backend: str = "auto",
        n_threads: int | None = None,
        callbacks: Any = (),
        checkpoint: Checkpoint | None = None,
    ) -> None:
        self.loss = loss
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
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
            Real values; with ``loss="poisson"`` >= 0.
        sample_weight : array-like of shape (n,), optional
            Weights >= 0 of the rows.
        resume : bool, default=False
            Go on with the training that the folder of `checkpoint` holds, if it holds one.

        Returns
        -------
        MLPRegressor
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
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train for one epoch, from where the last call ended.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d)
        y : array-like of shape (n,) or (n, k)
        sample_weight : array-like of shape (n,), optional

        Returns
        -------
        MLPRegressor
            This object.

        Raises
        ------
        ValueError
            As `fit`.
        """
        self._check_parameters(incremental=True)
        return self._fit(X, y, sample_weight, incremental=True)

    def predict(self, X: Any) -> Array:
        """Return the answer to every row, (n,) or (n, k) as y had."""
        scores = self._scores(X)
        return self._targets.decode(scores)

    def _checked(self, X: Any, y: Any, is_new: bool, **more: Any) -> tuple[Any, Any]:
        X, y = super()._checked(X, y, is_new, y_numeric=True, **more)
        return X, column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y

    def _learn(self, y: Any, incremental: bool) -> RealTargets:
        return RealTargets(1 if y.ndim == 1 else y.shape[1], Loss.resolve(_LOSSES[self.loss]))
