"""`Regressor`: a scikit-learn regressor on the engine of `Trainer`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import RegressorMixin

from gradstep.estimators.base import BaseTrainer
from gradstep.estimators.reading import check_lengths, check_weight
from gradstep.estimators.streaming import StreamingValues
from gradstep.estimators.validation import ValidationRows
from gradstep.nn.metrics import Metrics
from gradstep.nn.r2 import r2
from gradstep.training.fit_tasks import ending_callbacks
from gradstep.utils.busy import alone
from gradstep.utils.names import known_parameters

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gradstep.nn.activations import Activation, ActivationName
    from gradstep.nn.augment import Augment
    from gradstep.nn.averaging import Averaging, AveragingName
    from gradstep.nn.early_stopping import EarlyStopping
    from gradstep.nn.initializers import Initializer, InitializerName
    from gradstep.nn.losses import Loss, ValueLossName
    from gradstep.nn.metrics import Metric
    from gradstep.nn.optimizers import Optimizer, OptimizerName
    from gradstep.nn.schedules import Schedule
    from gradstep.plan.checkpoint import Checkpoint
    from gradstep.plan.settings import BackendName, EvaluateEvery, PrecisionName


class Regressor(RegressorMixin, StreamingValues, BaseTrainer):  # type: ignore[misc]
    """Linear regression or a small neural network, trained by mini-batch gradient descent.

    A scikit-learn regressor of one or several outputs: it works in pipelines, searches, `clone` and
    `pickle`. What a schedule or another rule is made of can be set by two underscores, as
    ``learning_rate__high``.

    Parameters
    ----------
    hidden : tuple of int, default=()
        Units of the hidden layers; none is linear regression.
    activation : str, Activation or sequence of them, default="relu"
        What follows every hidden layer: "relu", "tanh", "logistic", "identity", "leaky_relu", "selu" or an
        object of `gradstep.activations`; a sequence has one for each hidden layer.
    loss : {"squared", "poisson"} or Loss, default="squared"
        "squared" is half the squared error, "poisson" half the Poisson deviance of the exponential of the
        scores, for targets >= 0; both are means over the outputs. See `gradstep.losses`.
    l2 : float, default=0.0
        The lambda of ``cost = loss + l2 * sum(W**2)``; the gradient of the term is ``2 * l2 * W``;
        its strength does not depend on the batch size.
    optimizer : {"sgd", "adam", "adamw", "rmsprop", "adagrad", "lbfgs"} or Optimizer, default="sgd"
        How a step follows from the gradient of the cost; an object of `gradstep.optimizers` has parameters
        of its own, as ``SGD(momentum=0.9)``. Good rates for Adam are about 1e-3. "lbfgs" takes all rows in
        every iteration, of which `epochs` are the most, and finds its steps by itself.
    learning_rate : {"auto"}, float, schedule or callable, default=0.01
        "auto" is a `Cosine` from 0.1, or 1 / d for more than 10 inputs, down to 0; for adaptive optimizers
        from 0.01, or 2 / d for more than 200; of sparse rows d is their mean squared norm. Or a rate > 0, a
        schedule of `gradstep.schedules`, or a pure function of the number of the update, from 0, that returns
        a rate >= 0; of the epoch, from 0, where its parameter is called `epoch` or where it is wrapped in
        `gradstep.schedules.PerEpoch`.
    dropout : float or tuple of float, default=0.0
        Share of every hidden layer's units that an update drops, in [0, 1), others for every row; a tuple has
        one for each hidden layer. What is kept is divided by 1 minus the share, as in PyTorch and Keras, so
        that predictions need nothing (Srivastava et al., 2014). Updates alone drop units: what is evaluated,
        and `gradstep.gradient`, are without dropout, and the running metrics are of what was trained on.
    input_dropout : float, default=0.0
        Likewise the share of the inputs that is dropped, after they were standardised: at 0 lies the mean.
    clip_norm : float, optional
        Largest norm of a gradient, > 0. The gradient of the cost, `l2` included, over all weights and biases
        of a model is shortened to it where it is longer, before the optimizer sees it: `clip_grad_norm_` of
        PyTorch, `global_clipnorm` of Keras.
    clip_value : float, optional
        Largest absolute value of an element of the gradient, > 0. What is beyond becomes this value, before
        `clip_norm` looks at the whole: `clip_grad_value_` of PyTorch, `clipvalue` of Keras.
    average : {"ema", "last_epochs"} or Averaging, optional
        Average of the weights along the training, which is evaluated and fitted in their place. An object of
        `gradstep.averaging` has parameters of its own, as ``EMA(decay=0.99)``. History, early stopping and
        callbacks tell of the average; the running metrics are of the weights that were trained.
    batch_size : int or {"auto"}, default="auto"
        Rows of an update; clipped to the rows of X. The last batch of an epoch may be shorter.
        "auto" is 100, or less where an epoch would have fewer than 50 updates.
    epochs : int, default=40
        Passes over the rows.
    shuffle : bool, default=True
        Whether every epoch takes the rows in a new random order.
    standardize : bool, default=True
        Whether every feature is brought to mean 0 and standard deviation 1, as measured on the
        training rows (weighted, if they are). X itself is neither changed nor copied for it. Sparse
        rows are not centred, which would leave no zeros: every feature is divided by its largest
        absolute value, as scikit-learn's `MaxAbsScaler` does.
    standardize_targets : bool, default=True
        Whether every column of y is brought to mean 0 and standard deviation 1 for the training (for
        "poisson" to mean 1), as measured on the training rows; answers are in the units of y all the same.
        Loss and cost are those of the standardised targets, `r2` and `mean_absolute_error` those of y.
    augment : Augment, optional
        Random changes of the images that rows are, another one in every epoch: see
        `gradstep.augment`. Rows are changed as an update reads them; what is evaluated, and what is
        standardised by, are the rows as they lie. The running metrics are of what was trained on.
    init : {"he", "xavier"}, He, Xavier or Normal, default="he"
        Initial weights: "he" is ``He()``, "xavier" is ``Xavier()``. Biases start at 0. An object may
        have a seed of its own, in place of what `random_state` gives.
    metrics : sequence of str, Metric, scorer or callable, default=()
        What the history tells beside loss, cost and the metrics of the loss (R2 and the mean
        absolute error): what `gradstep.metrics` has, any scorer of scikit-learn by its name, as
        "neg_median_absolute_error", what its `make_scorer` makes, or a function ``(estimator, X, y)`` of
        which more is better: see `Scorer`. By their columns, as "validation_explained_variance", they can
        be watched and ranked by.
    evaluate_every : {"epoch", "running"}, int or None, default="epoch"
        When the history gets a row, and of what. "epoch": after every epoch, all train rows and the
        `eval_set` are evaluated. An int: likewise after so many updates, and at the end. "running":
        after every epoch, the `eval_set` alone is evaluated; of the train rows there are the
        running metrics, means over the batches as they were trained on, which cost nothing.
        None: nothing is ever evaluated; one row at the end has the running metrics of all updates.
    evaluate_untrained : bool, default=False
        Whether what `evaluate_every` asks for is evaluated before the first update, too: the history then
        begins with a row of update 0, and curves with epoch 0.
    validation_fraction : float, optional
        Share of the rows that `fit` holds out to validate on, in (0, 1): of labels the same of every class,
        drawn by `random_state`. They are never trained on, nor part of mean and scale. It needs nothing of
        the steps of a pipeline before, and in a cross-validation it is a share of each fold's training
        rows; where there is an `eval_set` it must be None. None is 0.1 where early stopping watches
        validation rows and there is no `eval_set`, else nothing is held out.
    early_stopping : EarlyStopping, optional
        When to stop before the last epoch.
    callbacks : sequence of callables, default=()
        Called as ``callback(trainer, row)`` with every new row of the history; the learned
        attributes are those of that moment. A True stops training, None or False does not; what else
        counts as true is refused.
    checkpoint : Checkpoint, optional
        Folder in which the training is kept while it runs: `fit` with ``resume=True`` goes on from there.
    precision : {"float32", "float64"}, default="float32"
        Type of the parameters and of all arithmetic on them.
    backend : {"auto", "cpp", "numba", "numpy"}, default="auto"
        What executes the training; "auto" takes the best there is.
    n_threads : int, optional
        Threads of the backend; by default those that this process may use, or 1 where the work
        of an update is small. The results are the same bits for any number.
    random_state : int, RandomState or None, default=None
        Determines the initial weights, the order of rows, the draws of `augment` and what is dropped.
    warm_start : bool, default=False
        Whether `fit` goes on from the weights of the model, if there is one, as scikit-learn's does: with the
        mean and scale of its first rows, a new optimizer, schedule and history. `resume` goes on with those.
    verbose : int, default=0
        1 shows how the training goes on: a bar in terminals and notebooks, elsewhere about ten lines. 2
        prints a line for every row of the history.

    Attributes
    ----------
    coefs_ : list of ndarray of shape (in, out)
        Weights of every layer.
    intercepts_ : list of ndarray of shape (out,)
        Biases of every layer.
    standardization_ : Standardization
        Mean and scale of every feature.
    history_ : History
        What was measured while training.
    n_iter_ : int
        Epochs that the parameters have seen, a begun one included.
    batch_size_ : int
        Rows of an update.
    backend_ : str
        The backend that trained.
    updates_per_epoch_ : int
        Mini-batch steps of an epoch.
    n_threads_ : int
        Threads that were used.
    status_ : Status
        What the training is at: "completed", "converged", "early_stopped", "diverged" or "interrupted".
    interrupted_ : bool
        Whether Ctrl-C ended the training.
    n_features_in_ : int
        Number of features, d.
    feature_names_in_ : ndarray of shape (d,)
        Names of the features, where X had string column names.
    schema_ : Schema
        How tables become rows of X, and the names of classes, where `remember` or the command line kept them.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> X, y = load_diabetes(return_X_y=True)
    >>> regressor = Regressor(hidden=(20,), learning_rate=0.1, backend="numpy", random_state=0).fit(X, y)
    >>> bool(regressor.score(X, y) > 0.5), sorted(regressor.evaluate(X, y))
    (True, ['cost', 'loss', 'mean_absolute_error', 'r2'])
    """

    def __init__(
        self,
        *,
        hidden: Sequence[int] = (),
        activation: ActivationName | Activation | Sequence[ActivationName | Activation] = "relu",
        loss: ValueLossName | Loss = "squared",
        l2: float = 0.0,
        optimizer: OptimizerName | Optimizer = "sgd",
        learning_rate: Literal["auto"] | float | Schedule | Callable[[int], float] = 0.01,
        dropout: float | Sequence[float] = 0.0,
        input_dropout: float = 0.0,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        average: AveragingName | Averaging | None = None,
        batch_size: int | Literal["auto"] = "auto",
        epochs: int = 40,
        shuffle: bool = True,
        standardize: bool = True,
        standardize_targets: bool = True,
        augment: Augment | None = None,
        init: InitializerName | Initializer = "he",
        metrics: Sequence[str | Metric | Callable[..., float]] = (),
        evaluate_every: EvaluateEvery = "epoch",
        evaluate_untrained: bool = False,
        validation_fraction: float | None = None,
        early_stopping: EarlyStopping | None = None,
        callbacks: Sequence[Callable[[Any, dict[str, float]], bool | None]] = (),
        checkpoint: Checkpoint | None = None,
        precision: PrecisionName = "float32",
        backend: BackendName = "auto",
        n_threads: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        warm_start: bool = False,
        verbose: int = 0,
    ) -> None:
        self.hidden = hidden
        self.activation = activation
        self.loss = loss
        self.l2 = l2
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.dropout = dropout
        self.input_dropout = input_dropout
        self.clip_norm = clip_norm
        self.clip_value = clip_value
        self.average = average
        self.batch_size = batch_size
        self.epochs = epochs
        self.shuffle = shuffle
        self.standardize = standardize
        self.standardize_targets = standardize_targets
        self.augment = augment
        self.init = init
        self.metrics = metrics
        self.evaluate_every = evaluate_every
        self.evaluate_untrained = evaluate_untrained
        self.validation_fraction = validation_fraction
        self.early_stopping = early_stopping
        self.callbacks = callbacks
        self.checkpoint = checkpoint
        self.precision = precision
        self.backend = backend
        self.n_threads = n_threads
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose

    @known_parameters
    @alone
    @ending_callbacks
    def fit(
        self,
        X: npt.ArrayLike,
        y: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
        eval_set: Any = None,
        *,
        X_val: npt.ArrayLike | None = None,
        y_val: npt.ArrayLike | None = None,
        sample_weight_val: npt.ArrayLike | None = None,
        resume: bool = False,
    ) -> Self:
        """Train on the rows of X.

        Ctrl-C in the main thread stops at the boundary of an update, keeps the model and the history, and
        warns; before the first update it raises KeyboardInterrupt and leaves the estimator as it was. A
        second one raises at once. Loops over many fits: searches and ensembles of scikit-learn and the like
        end at the first Ctrl-C, since a score of half a training would count as one; any other loop ends at
        the second of two presses within a second.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d)
            Any real dtype; uint8, float32 and float64 rows, each in one piece, are read where they lie,
            memory-mapped too. Of others, and of Fortran order, `fit` makes one copy that kernels read, in
            float32 where that holds all values of the type, else in float64; predictions and evaluations
            copy piece by piece. Sparse rows are never made dense as a whole: CSR is read where it lies,
            other formats are converted to it once.
        y : array-like of shape (n,) or (n, k)
            Real values; of several columns each is an output.
        sample_weight : array-like of shape (n,), optional
            Weights >= 0 of the rows; only their ratios count.
        eval_set : pair (X, y) or triple (X, y, sample_weight), optional
            Validation rows, never trained on; `evaluate_every` says when they are evaluated, by their
            weights if they have some. A list of one such pair and the `Rows` of a data set will do, too.
        X_val, y_val, sample_weight_val : array-like, optional
            The same rows one by one, as scikit-learn's metadata routing takes them:
            ``Pipeline(steps, transform_input=["X_val"])`` passes them through the steps before.
        resume : bool, default=False
            As for `Trainer.fit`.

        Returns
        -------
        Regressor
            This object.

        Raises
        ------
        InvalidParameterError
            A parameter breaks its constraint.
        InvalidDataError
            X, y, `sample_weight` or `eval_set` cannot be used; scikit-learn's own checks of X
            and y raise its ValueError or TypeError.
        BackendUnavailableError
            The backend asked for is not there.
        MemoryError
            A batch and what the layers make of it, or a copy of X, do not fit in memory; the message says how
            many bytes.
        DivergedError
            The loss is no longer finite; the model kept is that of the history's last row.
        """
        whose = f"{self._owner()}.fit"
        given = ValidationRows.named(eval_set, X_val, y_val, sample_weight_val, whose)
        self._fit(X, y, sample_weight, given, resume)
        return self

    def predict(self, X: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return the answer to every row in the units of y, (n,) or (n, k) as y had."""
        return self._predict(X)

    def score(self, X: npt.ArrayLike, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> float:
        """Return the R2, the mean over the outputs, on the rows of X, y being read as `fit` reads it.

        Raises
        ------
        InvalidDataError
            `sample_weight` are not numbers >= 0, one a row.
        """
        whose = f"{self._owner()}.score"
        check_lengths(X, y, whose)
        known = self._read_y(y, "score")
        weight = check_weight(sample_weight, len(known), whose)
        return r2(self.predict(X), known, weight)

    def evaluate(
        self, X: npt.ArrayLike, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None
    ) -> Metrics:
        """Return loss, cost and the metrics of the history on the rows of X, weighted if those are.

        Raises
        ------
        InvalidDataError
            y is not real, or has other columns than in `fit`.
        """
        return self._evaluate(X, y, sample_weight)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.input_tags.sparse = True
        return tags
