"""From the parameters of Trainer to what a backend executes: the plan, and what is evaluated when."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from sklearn.utils import check_random_state

from gradstep import init, schedules, validation
from gradstep.errors import GradstepError, InvalidParameterError
from gradstep.plan import Layers, Objective, Plan, RowOrder, rows_per_update
from gradstep.problem import Problem

if TYPE_CHECKING:
    from gradstep.trainer import Trainer


def make(trainer: Trainer, train: Problem, k: int) -> tuple[Plan, npt.NDArray[np.floating]]:
    """Return the plan for k classes and the first parameters (1, P).

    Raises
    ------
    InvalidParameterError
        The learning rate fails, or there are too many updates to hold a rate for each.
    """
    order_seed, init_seed = check_random_state(trainer.random_state).randint(2**31 - 1, size=2)
    layers = Layers((train.d, *(int(units) for units in trainer.hidden), k))
    batch_size = rows_per_update(trainer.batch_size, train.n)
    objective = Objective(layers, trainer.loss, np.array([trainer.l2], dtype=np.float64))
    order = RowOrder(train.n, bool(trainer.shuffle), int(order_seed))
    rates = _rates(trainer, -(-train.n // batch_size))
    generator = np.random.default_rng(int(init_seed))
    parameters = init.draw(layers, trainer.init, generator, trainer.precision)
    return Plan(objective, batch_size, order, rates[None]), parameters[None]


def evaluations(
    evaluate_every: str | int | None, plan: Plan, train: Problem, held_out: Problem | None
) -> tuple[int, dict[str, Problem]]:
    """Return `every` and `evaluated` of a `fitting.Run`."""
    if evaluate_every is None:
        return int(plan.learning_rate.shape[1]), {}
    evaluated = {} if evaluate_every == "running" else {"train": train}
    evaluated |= {} if held_out is None else {"validation": held_out}
    of_an_epoch = evaluate_every in ("epoch", "running")
    return plan.updates_per_epoch if of_an_epoch else int(evaluate_every), evaluated


def _rates(trainer: Trainer, per_epoch: int) -> npt.NDArray[np.float64]:
    updates = int(trainer.epochs) * per_epoch
    if updates > validation.MOST_UPDATES:
        raise InvalidParameterError(
            f"`epochs` of Trainer must give at most {validation.MOST_UPDATES} updates, "
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
