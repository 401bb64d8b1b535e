"""`Trainer`: a scikit-learn classifier around a plan and a backend. It owns no mathematics."""

from __future__ import annotations

import time
import warnings
from os import PathLike
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from gradstep import backends
from gradstep.errors import InvalidDataError
from gradstep.plan import build, settings
from gradstep.plan.plan import Layers, Objective
from gradstep.plan.rows import Problem, Standardization, as_rows, prepare
from gradstep.training import loop
from gradstep.training.history import Metrics
from gradstep.training.recorder import Course
from gradstep.utils import interrupt, threads
from gradstep.utils.nested_params import NestedParameters

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gradstep.nn.augment import Augment
    from gradstep.nn.initializers import Init
    from gradstep.nn.schedules import Schedule
    from gradstep.training.observers import EarlyStopping


class Trainer(NestedParameters, ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Softmax regression or a small ReLU network, trained by mini-batch gradient descent.

    A scikit-learn classifier: it works in pipelines, searches, `clone` and `pickle`. What a schedule
    or another rule is made of can be set by two underscores, as ``learning_rate__high``.

    Parameters
    ----------
    hidden : tuple of int, default=()
        Units of the hidden ReLU layers; none is softmax regression.
    loss : {"softmax", "sigmoid"}, default="softmax"
        Of a row with scores s (k,) whose class has y = 1 and the others y = 0, natural logarithm:
        "softmax" is cross-entropy, ``-log(p)`` of its class with ``p = softmax(s)``; "sigmoid" is
        multiple binary cross-entropy, ``mean(-(y * log(p) + (1 - y) * log(1 - p)))`` over the k
        classes with ``p = sigmoid(s)``. Its gradient, ``(p - y) / k``, is a k-th of what it would be
        as a sum: it bears larger learning rates.
    l2 : float, default=0.0
        The lambda of ``cost = loss + l2 * sum(W**2)``; the gradient of the term is ``2 * l2 * W``;
        its strength does not depend on the batch size.
    optimizer : {"sgd"}, default="sgd"
        Mini-batch stochastic gradient descent.
    learning_rate : float, schedule or callable, default=0.01
        A rate > 0, a schedule of `gradstep.schedules`, or a pure function of the update number
        (from 0) that returns a rate >= 0.
    batch_size : int or {"auto"}, default="auto"
        Rows of an update; clipped to the rows of X. The last batch of an epoch may be shorter.
        "auto" is 100, or less where an epoch would have fewer than 50 updates.
    epochs : int, default=40
        Passes over the rows.
    shuffle : bool, default=True
        Whether every epoch takes the rows in a new random order.
    standardize : bool, default=True
        Whether every feature is brought to mean 0 and standard deviation 1, as measured on the
        training rows (weighted, if they are). X itself is neither changed nor copied for it.
    augment : Augment, optional
        Random changes of the images that rows are, another one in every epoch: see
        `gradstep.augment`. Rows are changed as an update reads them; what is evaluated, and what is
        standardised by, are the rows as they lie. The running figures are of what was trained on.
    init : {"he", "xavier"}, He, Xavier or Normal, default="he"
        First weights: "he" is ``He()``, "xavier" is ``Xavier()``. Biases start at 0. An object may
        have a seed of its own, in place of what `random_state` gives.
    evaluate_every : {"epoch", "running"}, int or None, default="epoch"
        When the history gets a row, and of what. "epoch": after every epoch, all train rows and the
        `eval_set` are evaluated. An int: likewise after so many updates, and at the end. "running":
        after every epoch, the `eval_set` alone is evaluated; of the train rows there are the
        running figures, means over the batches as they were trained on, which cost nothing.
        None: nothing is ever evaluated; one row at the end has the running figures of all updates.
    early_stopping : EarlyStopping, optional
        When to stop before the last epoch.
    callbacks : sequence of callables, default=()
        Called as ``callback(trainer, row)`` with every new row of the history; the learned
        attributes are those of that moment. A True stops training.
    precision : {"float32", "float64"}, default="float32"
        Type of the parameters and of all arithmetic on them.
    backend : {"auto", "cpp", "numba", "numpy"}, default="auto"
        What executes the training; "auto" takes the best there is.
    n_threads : int, optional
        Threads of the backend; by default those that this process may use, or 1 where the work
        of an update is small. The results are the same bits for any number.
    random_state : int, RandomState or None, default=None
        Determines the first weights, the order of rows and the coins of `augment`.
    verbose : int, default=0
        1 prints a line for every row of the history.

    Attributes
    ----------
    classes_ : ndarray of shape (k,)
        The labels, sorted.
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
    interrupted_ : bool
        Whether Ctrl-C ended the training.
    n_features_in_ : int
        Number of features, d.
    feature_names_in_ : ndarray of shape (d,)
        Names of the features, where X had string column names.

    Examples
    --------
    >>> from gradstep.datasets import load_digits
    >>> data = load_digits()
    >>> trainer = Trainer(hidden=(50,), learning_rate=0.1, backend="numpy", random_state=0)
    >>> trainer = trainer.fit(
    ...     data.train.X, data.train.y, eval_set=(data.validation.X, data.validation.y)
    ... )
    >>> bool(trainer.score(data.test.X, data.test.y) > 0.95)
    True
    >>> len(trainer.history_["validation_loss"])
    40
    """

    def __init__(
        self,
        *,
        hidden: Sequence[int] = (),
        loss: str = "softmax",
        l2: float = 0.0,
        optimizer: str = "sgd",
        learning_rate: float | Schedule | Callable[[int], float] = 0.01,
        batch_size: int | str = "auto",
        epochs: int = 40,
        shuffle: bool = True,
        standardize: bool = True,
        augment: Augment | None = None,
        init: str | Init = "he",
        evaluate_every: str | int | None = "epoch",
        early_stopping: EarlyStopping | None = None,
        callbacks: Sequence[Callable[[Trainer, dict[str, float]], bool | None]] = (),
        precision: str = "float32",
        backend: str = "auto",
        n_threads: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.hidden = hidden
        self.loss = loss
        self.l2 = l2
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.epochs = epochs
        self.shuffle = shuffle
        self.standardize = standardize
        self.augment = augment
        self.init = init
        self.evaluate_every = evaluate_every
        self.early_stopping = early_stopping
        self.callbacks = callbacks
        self.precision = precision
        self.backend = backend
        self.n_threads = n_threads
        self.random_state = random_state
        self.verbose = verbose

    def fit(
        self,
        X: npt.ArrayLike,
        y: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
        eval_set: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
    ) -> Self:
        """Train on the rows of X.

        Ctrl-C in the main thread stops at the boundary of an update, keeps the model and the
        history, and warns; a second one raises KeyboardInterrupt at once. As with scikit-learn's
        own networks, a search over many fits goes on with the next one.

        Parameters
        ----------
        X : array-like of shape (n, d)
            Any real dtype; uint8, float32 and float64 are read where they lie, memory-mapped too.
        y : array-like of shape (n,)
            Labels: integers, strings or booleans, two classes or more.
        sample_weight : array-like of shape (n,), optional
            Weights >= 0 of the rows; only their ratios count.
        eval_set : pair (X, y), optional
            Validation rows, never trained on; `evaluate_every` says when they are evaluated.

        Returns
        -------
        Trainer
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
            A batch and what the layers make of it do not fit in memory; the message says how many bytes.
        DivergedError
            The loss is no longer finite; the model kept is that of the history's last row.
        """
        began = time.perf_counter()
        run, parameters = self._prepare(X, y, sample_weight, eval_set)
        self._train(run, parameters, began)
        return self

    def predict(self, X: npt.ArrayLike) -> npt.NDArray[Any]:
        """Return the class of the highest score of every row, shape (n,)."""
        indices = self._scores(X).argmax(axis=1)
        labels: npt.NDArray[Any] = self.classes_[indices]
        return labels

    def predict_proba(self, X: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return the softmax or the sigmoid of the scores, shape (n, k), in the order of `classes_`.

        Sigmoids do not sum to 1: each is the probability of its class against all others.
        """
        scores = self._scores(X)
        if self.loss == "sigmoid":
            e = np.exp(-np.abs(scores))
            sigmoids: npt.NDArray[np.float64] = np.where(scores > 0, 1, e) / (1 + e)
            return sigmoids
        exponentials: npt.NDArray[np.float64] = np.exp(scores - scores.max(axis=1, keepdims=True))
        exponentials /= exponentials.sum(axis=1, keepdims=True)
        return exponentials

    def decision_function(self, X: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return the scores, shape (n, k); of two classes the second's minus the first's, (n,)."""
        scores = self._scores(X)
        return scores[:, 1] - scores[:, 0] if scores.shape[1] == 2 else scores

    def evaluate(self, X: npt.ArrayLike, y: npt.ArrayLike) -> Metrics:
        """Return loss, cost and accuracy on the rows of X.

        Raises
        ------
        InvalidDataError
            y has a label that `fit` has not seen.
        """
        settings.check_fitted(self)
        checked, labels = validate_data(self, X, y, reset=False)
        indices = settings.encode_as(self.classes_, labels, "y of Trainer.evaluate")
        problem = prepare(checked, indices, standardization=self.standardization_)
        objective, parameters = self._model()
        n_threads = threads.choose(self.n_threads, problem.n * objective.layers.parameters)
        figures = backends.get(self.backend).evaluate(objective, problem, parameters, n_threads=n_threads)
        return loop.metrics(figures)

    def save(self, path: str | PathLike[str]) -> None:
        """Write the model to a file, in one step: an older file stays whole until the new one is.

        The file holds parameters, history and all that prediction needs; a function as
        `learning_rate` as the rates it gave, and no callbacks. See `gradstep.storage.model_file`.

        Raises
        ------
        OSError
            The file cannot be written; an older one is untouched.
        """
        from gradstep.storage import model_file

        check_is_fitted(self)
        model_file.save(self, path)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Self:
        """Read a model that `save` wrote. Nothing in the file is ever run.

        Raises
        ------
        CorruptFileError
            The file is damaged, truncated, altered, or not a gradstep model.
        FileNotFoundError
            There is no such file.
        """
        from gradstep.storage import model_file

        trainer = cls()
        model_file.load(trainer, path)
        return trainer

    def _prepare(
        self, X: Any, y: Any, sample_weight: Any = None, eval_set: Any = None
    ) -> tuple[loop.Run, npt.NDArray[np.floating]]:
        """Return the training and its first parameters (1, P); everything is checked here."""
        settings.check_trainer(self, eval_set is not None)
        backend = backends.get(self.backend)
        train = self._train_problem(X, y, sample_weight)
        held_out = None if eval_set is None else self._eval_problem(eval_set)
        return build.run([self], backend, train, held_out)

    def _train_problem(self, X: Any, y: Any, sample_weight: Any) -> Problem:
        """Return the rows to train on; what is learned of them alone is set here."""
        settings.check_lengths(X, y, "Trainer.fit")
        checked, labels = validate_data(self, X, y)
        self.classes_, indices = settings.encode(labels)
        weight = settings.check_weight(sample_weight, indices)
        rows = as_rows(checked)
        self.standardization_ = (
            Standardization.of(
                rows,
                weight,
                n_threads=threads.choose(self.n_threads, rows.size),
                sums=backends.get(self.backend).sums_of_bytes,
            )
            if self.standardize
            else Standardization.identity(rows.shape[1])
        )
        return prepare(rows, indices, weight, self.standardization_)

    def _eval_problem(self, eval_set: Any) -> Problem:
        X, y = settings.check_pair(eval_set)
        try:
            X, y = validate_data(self, X, y, reset=False)
        except (TypeError, ValueError) as error:
            raise InvalidDataError(f"eval_set of Trainer.fit: {error}") from error
        indices = settings.encode_as(self.classes_, y, "eval_set of Trainer.fit")
        return prepare(X, indices, standardization=self.standardization_)

    def _train(self, run: loop.Run, parameters: npt.NDArray[np.floating], began: float) -> None:
        """Train a group of one."""
        course = Course(self, run, parameters[0])
        group = loop.Group(run, parameters, [course], time.perf_counter() - began)
        with interrupt.deferred() as stop:
            group.advance(run.plan.updates, stop)
            self.interrupted_ = stop.requested and not course.error
        if course.status == "running":
            course.end("interrupted")
        if course.error:
            raise course.error
        if self.interrupted_:
            last = self.history_["update"][-1:].tolist() or [0]
            warnings.warn(f"training interrupted at update {last[0]}", RuntimeWarning, stacklevel=3)

    def _model(self) -> tuple[Objective, npt.NDArray[np.floating]]:
        """Return the learned model as backends take it: objective and parameters (1, P)."""
        sizes = (self.coefs_[0].shape[0], *(W.shape[1] for W in self.coefs_))
        objective = Objective(Layers(sizes), self.loss, np.array([self.l2], dtype=np.float64))
        pairs = zip(self.coefs_, self.intercepts_, strict=True)
        return objective, np.concatenate([part for pair in pairs for part in pair], axis=None)[None]

    def _scores(self, X: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return the last layer's output, shape (n, k)."""
        settings.check_fitted(self)
        checked = settings.rows_to_predict(self, X)
        problem = prepare(checked, None, standardization=self.standardization_)
        objective, parameters = self._model()
        n_threads = threads.choose(self.n_threads, problem.n * objective.layers.parameters)
        backend = backends.get(self.backend)
        scores: npt.NDArray[np.floating] = backend.scores(
            objective, problem, parameters, n_threads=n_threads
        )[0]
        finite = np.isfinite(scores)
        if not finite.all():
            row = int(np.flatnonzero(~finite.all(axis=1))[0])
            raise InvalidDataError(f"row {row} of X is too large for this model: its scores are not finite")
        return np.asarray(scores, dtype=np.float64)
