"""From the parameters of Trainer to what a backend executes: the plan, and what is evaluated when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from sklearn.utils import check_random_state

from gradstep.errors import GradstepError, InvalidParameterError
from gradstep.nn import augment, initializers, schedules
from gradstep.plan import settings
from gradstep.plan.plan import Layers, Objective, Plan, RowOrder, rows_per_update
from gradstep.plan.rows import Problem
from gradstep.training import loop
from gradstep.utils import threads

if TYPE_CHECKING:
    from gradstep.backends.protocol import Backend
    from gradstep.estimators.trainer import Trainer


def run(
    trainers: Sequence[Trainer], backend: Backend, train: Problem, held_out: Problem | None
) -> tuple[loop.Run, npt.NDArray[np.floating]]:
    """Return the training of a group of m models and their first parameters (m, P); see `make`."""
    first = trainers[0]
    plan, parameters = make(trainers, train, len(first.classes_))
    every, evaluated = evaluations(first.evaluate_every, plan, train, held_out)
    n_threads = threads.choose(first.n_threads, plan.batch_size * parameters.size)
    return loop.Run(backend, plan, train, evaluated, every, n_threads), parameters


def make(trainers: Sequence[Trainer], train: Problem, k: int) -> tuple[Plan, npt.NDArray[np.floating]]:
    """Return the plan for k classes and the first parameters (m, P).

    The trainers may differ in what each model has for itself: `l2`, `learning_rate` and `init`.

    Raises
    ------
    InvalidParameterError
        A learning rate fails, there are too many updates to hold a rate for each, or the images to be
        augmented do not have d values.
    """
    first = trainers[0]
    order_seed, init_seed = check_random_state(first.random_state).randint(2**31 - 1, size=2)
    layers = Layers((train.d, *(int(units) for units in first.hidden), k))
    batch_size = rows_per_update(first.batch_size, train.n)
    l2 = np.array([trainer.l2 for trainer in trainers], dtype=np.float64)
    order = RowOrder(train.n, bool(first.shuffle), int(order_seed))
    rates = np.stack([_rates(trainer, -(-train.n // batch_size)) for trainer in trainers])
    parameters = np.empty((len(trainers), layers.parameters), dtype=first.precision)
    drawn: dict[str | initializers.Init, npt.NDArray[np.floating]] = {}
    for block, rule in zip(parameters, (trainer.init for trainer in trainers), strict=True):
        if rule not in drawn:
            drawn[rule] = initializers.draw(layers, rule, np.random.default_rng(int(init_seed)), block.dtype)
        block[:] = drawn[rule]
    augmentation = None
    if first.augment is not None:
        augmentation = augment.make(first.augment, train.n, train.d, int(order_seed))
    return Plan(Objective(layers, first.loss, l2), batch_size, order, rates, augmentation), parameters


def evaluations(
    evaluate_every: str | int | None, plan: Plan, train: Problem, held_out: Problem | None
) -> tuple[int, dict[str, Problem]]:
    """Return `every` and `evaluated` of a `fitting.Run`."""
    if evaluate_every is None:
        return plan.updates, {}
    evaluated = {} if evaluate_every == "running" else {"train": train}
    evaluated |= {} if held_out is None else {"validation": held_out}
    of_an_epoch = evaluate_every in ("epoch", "running")
    return plan.updates_per_epoch if of_an_epoch else int(evaluate_every), evaluated


def _rates(trainer: Trainer, per_epoch: int) -> npt.NDArray[np.float64]:
    updates = int(trainer.epochs) * per_epoch
    if updates > settings.MOST_UPDATES:
        raise InvalidParameterError(
            f"`epochs` of Trainer must give at most {settings.MOST_UPDATES} updates, "
            f"got {updates} ({trainer.epochs} epochs of {per_epoch})"
        )
    try:
        return schedules.evaluate(trainer.learning_rate, updates, per_epoch)
    except GradstepError:
        raise
    except Exception as error:
        raise InvalidParameterError(
            f"`learning_rate` of Trainer must give a rate for every update, "
            f"got {type(error).__name__}: {error}"
        ) from error
