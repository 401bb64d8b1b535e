"""From settings to what a backend executes: the plan and the initial parameters."""

from __future__ import annotations

import math
import sys
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils import check_random_state

from gradstep.errors import InvalidParameterError, LearningRateWarning
from gradstep.nn import augment, schedules
from gradstep.nn.augment import Augment, HorizontalFlip, Translate
from gradstep.nn.averaging import Averaging
from gradstep.nn.initializers import Initializer
from gradstep.nn.losses import Loss
from gradstep.nn.optimizers import Optimizer
from gradstep.plan.batch_cost import MEAN, BatchCost
from gradstep.plan.dropout import Dropout
from gradstep.plan.network import Layers, Objective
from gradstep.plan.order import Augmentation, Order, RowOrder
from gradstep.plan.plan import Plan
from gradstep.plan.settings import MOST_UPDATES, Settings
from gradstep.utils import memory, text
from gradstep.utils.concepts import can_be_key
from gradstep.utils.warn import warn

Array = npt.NDArray[np.floating]

# Bytes that are there without asking.
_LITTLE = 2**27


@dataclass(frozen=True, eq=False)
class Given:
    """What a plan takes as it is, in place of what its settings would make.

    Attributes
    ----------
    parameters : ndarray of shape (m, P), or None
        Initial parameters of m models; copied, in the precision of the settings.
    order : Order, or None
    batch_cost : BatchCost
    rates : ndarray of shape (m, t), float64, or None
        Of every update to come.
    first_update, first_epoch : int
        What was done before the first of them.
    goes_on : bool
        Whether it is a training that was begun before, and warned of then.
    """

    parameters: Array | None = None
    order: Order | None = None
    batch_cost: BatchCost = MEAN
    rates: npt.NDArray[np.float64] | None = None
    first_update: int = 0
    first_epoch: int = 0
    goes_on: bool = False


def make_plan(
    settings: Sequence[Settings],
    n: int,
    d: int,
    k: int,
    given: Given | None = None,
    squared_norm: float | None = None,
) -> tuple[Plan, Array]:
    """Return the plan of m models on n rows of d inputs for k outputs, and their initial parameters (m, P).

    The settings may differ in what each model has for itself; see `Settings.shared`. The usual learning rate
    goes by the mean squared norm of the rows, by default d.

    Raises
    ------
    InvalidParameterError
        A learning rate is none, there are too many updates to hold a rate for each, or the images to be
        augmented do not have d values.
    MemoryError
        The parameters do not fit in memory.
    """
    first, given = settings[0], given or Given()
    order_seed, init_seed = check_random_state(first.random_state).randint(2**31 - 1, size=2)
    layers = Layers((d, *first.hidden, k))
    _check_memory(layers, len(settings), np.dtype(first.precision).itemsize, first.owner)
    batch_size = first.rows_per_update(n)
    objective = Objective(
        layers,
        tuple(own.loss for own in settings),
        tuple(own.activation for own in settings),
        np.array([own.l2 for own in settings], dtype=np.float64),
    )
    per_epoch = -(-n // batch_size)
    if given.rates is None:
        rates = _rates_of_models(settings, per_epoch, d if squared_norm is None else squared_norm)
        if not given.goes_on:
            _warn_of_fading(settings, rates, per_epoch)
    else:
        rates = given.rates
    plan = Plan(
        objective,
        tuple(own.optimizer for own in settings),
        batch_size,
        given.order or RowOrder(n, bool(first.shuffle), int(order_seed)),
        rates,
        None if first.augment is None else make_augmentation(first.augment, n, d, int(order_seed)),
        given.batch_cost,
        _make_dropout(settings, int(order_seed)),
        given.first_update,
        given.first_epoch,
        _limits(settings),
        _averages(settings),
    )
    if given.parameters is None:
        return plan, _initial_parameters(settings, layers, int(init_seed))
    return plan, _copied(given.parameters, (len(settings), layers.parameters), first.precision)


def _copied(parameters: Array, shape: tuple[int, int], precision: str) -> Array:
    """Return initial parameters that training may change."""
    if parameters.shape != shape:
        raise InvalidParameterError(f"initial parameters must have shape {shape}, got {parameters.shape}")
    return np.array(parameters, dtype=precision, order="C")


def _limits(settings: Sequence[Settings]) -> npt.NDArray[np.float64] | None:
    """Return how large gradients may be, by value and by norm (2, m), or None where nobody says."""
    if not any(own.clips for own in settings):
        return None
    given = [(own.clip_value for own in settings), (own.clip_norm for own in settings)]
    return np.array([[math.inf if most is None else float(most) for most in kind] for kind in given])


def _averages(settings: Sequence[Settings]) -> tuple[Averaging, ...] | None:
    averages = tuple(own.average for own in settings if own.average is not None)
    return averages or None


def _check_memory(layers: Layers, m: int, itemsize: int, owner: str) -> None:
    """Raise MemoryError where m models have more parameters than there is memory for.

    Asked first: what is larger than any array has an error of NumPy's own, and what a system grants beyond
    its memory ends the process when it is written to.
    """
    # They are drawn in float64, one model after the other.
    needed = layers.parameters * (m * itemsize + 8)
    if needed < _LITTLE:
        return
    available = memory.available()
    if needed > (sys.maxsize if available is None else available):
        models = "" if m == 1 else f"{m} times "
        has = "" if available is None else f", of which there are {text.count(available)}"
        raise MemoryError(
            f"`hidden` of {owner} makes {models}{text.count(layers.parameters)} parameters (layers "
            f"{text.given(layers.sizes)}), which take {text.count(needed)} bytes{has}"
        )


def _make_dropout(settings: Sequence[Settings], seed: int) -> Dropout | None:
    """Return what a plan holds of dropout, None where no model drops anything."""
    shares = np.array([(own.input_dropout, *own.dropout) for own in settings], dtype=np.float64)
    return Dropout(seed, shares) if shares.any() else None


def make_augmentation(rule: Augment, n: int, d: int, seed: int) -> Augmentation:
    """Return what a plan holds of an augmentation, for n rows of d inputs.

    Raises
    ------
    InvalidParameterError
        There is no image shape, or it does not fit d inputs or a translation.
    """
    name, shape = type(rule).__name__, augment.image_shape(rule)
    if shape is None:
        raise InvalidParameterError(
            f"`image_shape` of {name} is needed to train: it is never guessed, got None"
        )
    if math.prod(shape) != d:
        raise InvalidParameterError(
            f"the product of `image_shape` of {name} must be d = {d}, got {shape}, "
            f"whose product is {math.prod(shape)}"
        )
    flip, pixels, edge = 0.0, 0, False
    for step in augment.flatten([rule]):
        if isinstance(step, HorizontalFlip):
            # Of two flips only one alone is seen.
            flip = flip * (1 - step.p) + (1 - flip) * step.p
        elif isinstance(step, Translate):
            step.check_fits(shape)
            pixels, edge = int(step.pixels), step.fill == "edge"
    return Augmentation(n, seed, shape, float(flip), pixels, edge)


def draw(layers: Layers, init: Initializer, generator: np.random.Generator, dtype: npt.DTypeLike) -> Array:
    """Return the initial parameters of one model, shape (P,), by its own seed where it has one.

    Drawn in float64 layer by layer and then rounded to `dtype`, so that both precisions start alike.
    """
    own = generator if init.seed is None else np.random.default_rng(int(init.seed))
    parameters = np.zeros(layers.parameters)
    for layer, std in enumerate(init.deviations(layers.sizes)):
        W = layers.weights(parameters, layer)
        W[...] = own.normal(0.0, std, W.shape)
    return parameters.astype(dtype)


def _initial_parameters(settings: Sequence[Settings], layers: Layers, seed: int) -> Array:
    parameters: Array = np.empty((len(settings), layers.parameters), dtype=settings[0].precision)
    drawn: dict[Initializer, Array] = {}
    for block, own in zip(parameters, settings, strict=True):
        if own.init not in drawn:
            drawn[own.init] = draw(layers, own.init, np.random.default_rng(seed), block.dtype)
        block[:] = drawn[own.init]
    return parameters


def usual_schedule(optimizer: Optimizer, loss: Loss, squared_norm: float) -> schedules.Cosine:
    """Return what ``learning_rate="auto"`` stands for, for rows of a mean squared norm."""
    # Rows of less than one element, as it were, are no reason for larger steps.
    rate = optimizer.usual_rate(max(squared_norm, 1.0), is_bounded=loss.takes != "values")
    # A line search begins with the same step in every iteration.
    return schedules.Cosine(rate, rate) if optimizer.takes_all_rows else schedules.Cosine(rate)


def _rates_of_models(
    settings: Sequence[Settings], per_epoch: int, squared_norm: float
) -> npt.NDArray[np.float64]:
    """Return the rates of all updates of every model; equal schedules are asked once."""
    found: dict[Hashable, npt.NDArray[np.float64]] = {}
    keys: list[Hashable] = []
    for place, own in enumerate(settings):
        rule = _rule(own, squared_norm)
        key = (rule, own.epochs) if isinstance(rule, schedules.Schedule) and can_be_key(rule) else place
        if key not in found:
            found[key] = _rates(own, rule, per_epoch)
        keys.append(key)
    return np.stack([found[key] for key in keys])


def _rule(settings: Settings, squared_norm: float) -> Any:
    """Return what `learning_rate` says, or stands for."""
    rule = settings.learning_rate
    if isinstance(rule, str) or settings.optimizer.takes_all_rows:
        return usual_schedule(settings.optimizer, settings.loss, squared_norm)
    return rule


def _rates(settings: Settings, rule: Any, per_epoch: int) -> npt.NDArray[np.float64]:
    updates, owner = int(settings.epochs) * per_epoch, settings.owner
    if updates > MOST_UPDATES:
        raise InvalidParameterError(
            f"`epochs` of {owner} must give at most {MOST_UPDATES} updates, "
            f"got {text.given(updates)} ({settings.epochs} epochs of {per_epoch})"
        )
    if isinstance(settings.learning_rate, str) or settings.optimizer.takes_all_rows:
        # Of a small table with many epochs, to ask a schedule for each would take longer than training.
        rates: npt.NDArray[np.float64] = rule.whole_run(updates)
        return rates
    return schedules.evaluate(rule, updates, per_epoch, owner)


def _warn_of_fading(
    settings: Sequence[Settings], rates: npt.NDArray[np.float64], updates_per_epoch: int
) -> None:
    """Warn once where the rates of a model fall to nothing long before its training ends."""
    for own, of_model in zip(settings, rates, strict=True):
        count = schedules.fades_after(of_model)
        if count is None:
            continue
        said = (
            f"`learning_rate` of {own.owner} is 1e-10 of its largest or less after update {count} of "
            f"{len(of_model)}, in epoch {count // updates_per_epoch + 1}: nothing is learned from there on"
        )
        if not isinstance(own.learning_rate, schedules.Schedule):
            said += (
                "; a function is called with the number of the update, or with that of the epoch where its "
                "parameter is called `epoch` (schedules.PerEpoch makes any function one of the epoch)"
            )
        warn(said, LearningRateWarning)
        return
