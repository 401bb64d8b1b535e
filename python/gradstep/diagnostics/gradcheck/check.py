"""The check of a Trainer or Regressor: which model, which rows, which entries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import clone

from gradstep import backends
from gradstep.diagnostics.gradcheck.result import GradientCheck, GradientCheckRow
from gradstep.diagnostics.gradcheck.slopes import Array, Neighbourhood
from gradstep.errors import InvalidDataError, InvalidParameterError
from gradstep.estimators.base import BaseTrainer
from gradstep.estimators.reading import check_weight, read_rows, read_targets
from gradstep.plan import targets
from gradstep.plan.build import make_plan
from gradstep.plan.network import Layers, Objective
from gradstep.plan.rows import TrainingData
from gradstep.plan.settings import Settings
from gradstep.training.rows import ReadRows
from gradstep.utils import constraints, threads
from gradstep.utils.names import known_parameters
from gradstep.utils.retell import FITS, in_words_of
from gradstep.utils.text import given

_OWNER = "gradient_check"

#: Step of each kind of difference: where truncation and rounding are about equal.
STEPS = {"forward": 1e-8, "central": 1e-5}


@known_parameters
@in_words_of("gradient_check", *FITS)
def gradient_check(
    trainer: BaseTrainer,
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    sample_weight: npt.ArrayLike | None = None,
    classes: npt.ArrayLike | None = None,
    backend: str | None = None,
    differences: Sequence[str] = ("forward", "central"),
    step: float | None = None,
    entries: int | None = 500,
    eps: float = 1e-3,
    random_state: int = 0,
) -> GradientCheck:
    """Compare the analytic gradient of an estimator's cost with differences of the cost, in float64.

    Parameters
    ----------
    trainer : Trainer or Regressor
        Fitted: the check is made at what it has learned, with its classes and its standardization. Not
        fitted: at the first parameters that `fit` would draw for these rows, with their mean and scale, and
        an output for each of their classes or of `classes`. The trainer itself is not changed.
    X : array-like or sparse matrix of shape (n, d)
        The cost is that of all these rows as one batch, none of them augmented and nothing dropped; a few
        dozen rows will do.
    y : array-like of shape (n,) or (n, k)
        What `fit` takes: labels, indicators or real values.
    sample_weight : array-like of shape (n,), optional
        Weights of the rows; only their ratios count.
    classes : array-like of shape (k,), optional
        Of a Trainer that is not fitted: all labels that there are, where these rows have not all of them.
    backend : str, optional
        Another backend than the trainer's.
    differences : sequence of {"forward", "central"}
        Kinds of difference.
    step : float, optional
        How far a parameter is moved; 1e-8 for forward and 1e-5 for central differences by default.
        Weights of large inputs are moved less; see `GradientCheckRow.size`.
    entries : int or None, default=500
        Number of entries to draw from every parameter array; None takes all of them. Each takes two to three
        forward passes.
    eps : float, default=1e-3
        Floor of the denominator in ``|a - n| / max(eps, |a| + |n|)``: smaller entries are judged by
        their absolute error, at ``tolerance * eps``. A central difference cannot tell a slope better
        than to about 1e-11, since a cost near 1 is rounded to 1e-16 and divided by the step: against
        a tolerance of 1e-7, entries below 1e-4 would be judged by that rounding and not by the
        gradient. The default leaves a factor of 10 for costs of other sizes.
    random_state : int, default=0
        Draws the entries.

    Returns
    -------
    GradientCheck
        Prints as a table; ``passed()`` judges it, its columns say more, and `sizes` says of which network.

    Raises
    ------
    InvalidParameterError
        A parameter of this function or of the trainer breaks its constraint.
    InvalidDataError
        X, y or `sample_weight` cannot be used; scikit-learn's own checks raise its ValueError.
    BackendUnavailableError
        The backend is not there, or lacks the loss or an activation.

    Examples
    --------
    >>> import gradstep as gs
    >>> train = gs.datasets.load_digits().train
    >>> trainer = gs.Trainer(hidden=(5,), init=gs.Normal(0.1), random_state=0)
    >>> check = gs.gradient_check(trainer, train.X[:20], train.y[:20], entries=30)
    >>> check.passed(), check.almost_equal(decimal=6)
    (True, True)
    >>> check.by("central")["array"].tolist()
    ['W1', 'b1', 'W2', 'b2']
    >>> bool((check.by("central")["norm_ratio"] < 1e-7).all())
    True
    """
    _check_parameters(
        trainer=trainer,
        differences=differences,
        step=step,
        entries=entries,
        eps=eps,
        random_state=random_state,
    )
    objective, data, parameters = _model(trainer, X, y, sample_weight, classes)
    executes = backends.choose(trainer.backend if backend is None else backend, objective)
    n_threads = threads.choose(trainer.n_threads, data.n * parameters.size)
    return compare(
        Neighbourhood(objective, data, parameters, executes, n_threads),
        steps={kind: STEPS[kind] if step is None else float(step) for kind in differences},
        entries=entries,
        eps=float(eps),
        random=np.random.default_rng(random_state),
    )


def _check_parameters(**parameters: object) -> None:
    wanted = {
        "trainer": (constraints.instance(BaseTrainer, "a Trainer or Regressor"),),
        "differences": (constraints.sequence_of(constraints.one_of(*STEPS)),),
        "step": (constraints.either(constraints.NUMBER, constraints.NONE), constraints.above(0)),
        "entries": (constraints.either(constraints.WHOLE, constraints.NONE), constraints.at_least(1)),
        "eps": (constraints.NUMBER, constraints.above(0)),
        "random_state": (constraints.WHOLE, constraints.at_least(0)),
    }
    for name, value in parameters.items():
        constraints.check(_OWNER, name, value, wanted[name])
    if not parameters["differences"]:
        raise InvalidParameterError(f"`differences` of {_OWNER} must not be empty, got ()")


def _model(
    trainer: BaseTrainer,
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    sample_weight: npt.ArrayLike | None,
    classes: npt.ArrayLike | None,
) -> tuple[Objective, TrainingData, Array]:
    """Return objective, rows and parameters (P,) of a fitted estimator, or of one about to be fitted."""
    if hasattr(trainer, "coefs_"):
        if classes is not None:
            raise InvalidParameterError(
                f"`classes` of {_OWNER} must be None for a fitted trainer, which has its own, "
                f"got {given(classes)}"
            )
        learned = trainer.result().fitted
        fitted = learned.with_block(learned.block.astype(np.float64))
        rows, encoded = read_targets(trainer, fitted.targets, X, y, _OWNER)
        weight = check_weight(sample_weight, rows.shape[0], _OWNER)
        return fitted.objective, fitted.data(rows, encoded, weight), fitted.block
    # The copy has a RandomState of its own. One epoch: what is looked at are the parameters before it.
    fresh = clone(trainer)
    first = replace(fresh.settings(), precision="float64", learning_rate=1.0, epochs=1)
    if classes is None:
        data = read_rows(fresh, first, X, y, sample_weight).job_rows(first)
    else:
        data = _rows_of_classes(fresh, first, (X, y, sample_weight), classes).job_rows(first)
    plan, parameters = make_plan([first], data.train.n, data.train.d, data.targets.k)
    return plan.objective, data.train, parameters[0].astype(np.float64)


def _rows_of_classes(
    trainer: BaseTrainer, settings: Settings, rows: tuple[Any, Any, Any], classes: npt.ArrayLike
) -> ReadRows:
    """Return rows whose labels are some of these classes."""
    X, y, sample_weight = rows
    if settings.loss.takes != "labels":
        raise InvalidParameterError(
            f"`classes` of {_OWNER} must be None where y is {settings.loss.takes}, got {given(classes)}"
        )
    vocabulary, _ = targets.learn(settings.loss, np.asarray(classes), f"classes of {_OWNER}")
    given_labels = vocabulary.read(y, f"y of {_OWNER}")
    strangers = np.setdiff1d(given_labels, np.asarray(classes)).tolist()
    if strangers:
        raise InvalidDataError(
            f"y of {_OWNER} must have only labels of `classes`, got {given(strangers)}; `classes` are "
            f"{given(np.unique(np.asarray(classes)).tolist())}"
        )
    checked, encoded = read_targets(trainer, vocabulary, X, y, _OWNER)
    weight = check_weight(sample_weight, checked.shape[0], _OWNER)
    return ReadRows(checked, encoded, vocabulary, weight, held_out=None)


def compare(
    around: Neighbourhood,
    *,
    steps: Mapping[str, float],
    entries: int | None,
    eps: float,
    random: np.random.Generator,
) -> GradientCheck:
    """Compare the gradient of one model, at its parameters, with slopes; see `gradient_check`."""
    backend, parameters = around.backend, around.parameters
    evaluation, gradient = backend.loss_and_gradient(
        around.objective, around.data, parameters[None], n_threads=around.n_threads
    )
    rows = []
    for layer, name, first, count in _arrays(around.objective.layers):
        places = first + np.arange(count)
        if entries is not None and entries < count:
            places = first + np.sort(random.choice(count, entries, replace=False))
        size = around.input_size(layer) if name.startswith("W") else 1.0
        for kind, step in steps.items():
            slopes, smooth = around.slopes(layer, places, kind, step / size)
            a, n = gradient[0, places][smooth], slopes[smooth]
            skipped = places.size - a.size
            rows.append(GradientCheckRow.of(name, kind, a, n, skipped=skipped, eps=eps, size=size))
    cost = around.cost()
    cost_error = abs(float(evaluation.cost[0]) - cost) / max(abs(cost), np.finfo(np.float64).tiny)
    return GradientCheck(rows, backend.name, eps, dict(steps), cost_error, around.objective.layers.sizes)


def _arrays(layers: Layers) -> Iterator[tuple[int, str, int, int]]:
    """Yield layer, name, place in a block and size of every parameter array."""
    for layer, (W, b) in enumerate(layers.offsets.tolist()):
        yield layer, f"W{layer + 1}", W, b - W
        yield layer, f"b{layer + 1}", b, layers.sizes[layer + 1]
