"""A search in rounds: wide first, then narrower around the best."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils import check_random_state

from gradstep.errors import InvalidParameterError
from gradstep.estimators.base import BaseTrainer
from gradstep.search import trials
from gradstep.search.engines import opened
from gradstep.search.parameters import SWEEP
from gradstep.search.several_sweeps import SeveralSweeps
from gradstep.search.spaces import IntUniform, LogUniform, Uniform
from gradstep.search.sweep import Sweep
from gradstep.utils import interrupt
from gradstep.utils.constraints import (
    NUMBER,
    WHOLE,
    Constraint,
    above,
    at_least,
    at_most,
    check,
    sequence_of,
)
from gradstep.utils.names import raise_unknown_parameter
from gradstep.utils.retell import FITS, in_words_of

_OWNER = "coarse_to_fine"

#: Distributions that a round makes narrower.
NARROWED = (Uniform, LogUniform, IntUniform)


class Refinement(SeveralSweeps):
    """What `coarse_to_fine` found.

    Attributes
    ----------
    sweeps : list of Sweep
        One for every round; the column `round` of `results_` counts them from 1.
    """

    owner = _OWNER
    part = "round"
    parts = "rounds"


@in_words_of(_OWNER, "Sweep.fit", *FITS)
def coarse_to_fine(
    trainer: BaseTrainer,
    space: Mapping[str, Any],
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    sample_weight: npt.ArrayLike | None = None,
    eval_set: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
    *,
    rounds: Sequence[tuple[int, float]] = ((10, 1.0), (6, 0.25), (9, 0.1)),
    random_state: int | np.random.RandomState | None = None,
    **options: Any,
) -> Refinement:
    """Search a space in rounds, every one in a narrower part of it around the best trial so far.

    All rounds train and validate on the same rows, with the same `random_state` of the trainer.

    Parameters
    ----------
    trainer : Trainer or Regressor
        As for `Sweep`.
    space : dict of str to list or distribution
        As for `Sweep`, with one `Uniform`, `LogUniform` or `IntUniform` or more: those are narrowed,
        all others stay as they are.
    X, y, sample_weight, eval_set
        As for `Sweep.fit`.
    rounds : sequence of pairs (int, float), default=((10, 1.0), (6, 0.25), (9, 0.1))
        Trials of every round, and the length of its ranges relative to the first ones, in (0, 1]; of a
        LogUniform in logarithms.
    random_state : int, RandomState or None, default=None
        As for `Sweep`.
    **options
        Further parameters of `Sweep`, such as `metric`, `pruner`, `folds` and `executor`.

    Returns
    -------
    Refinement
        With `results_`, `best_params_`, `best_score_` and `best_trainer_` of all rounds together. After
        Ctrl-C it has the rounds that were begun.

    Raises
    ------
    InvalidParameterError, InvalidDataError
        As in `Sweep.fit`.
    NoModelError
        No model is left alive, so that there is nothing to search around; the error's `results` is
        the table of what was tried.

    Examples
    --------
    >>> import gradstep as gs
    >>> train = gs.datasets.load_digits().train
    >>> trainer, space = gs.Trainer(epochs=5, random_state=0), {"l2": gs.LogUniform(1e-6, 1)}
    >>> rounds = [(5, 1.0), (3, 0.2)]
    >>> found = coarse_to_fine(trainer, space, train.X, train.y, rounds=rounds, random_state=0)
    >>> found.results_["round"].tolist()
    [1, 1, 1, 1, 1, 2, 2, 2]
    """
    _check(trainer, space, rounds, options)
    generator = check_random_state(random_state)
    seeds = generator.randint(2**31 - 1, size=2)
    first = Sweep(trials.seeded(trainer, int(seeds[0])), space, random_state=generator, **options)
    found = Refinement([])
    with interrupt.deferred() as stop, ExitStack() as stack:
        # The same workers train all rounds.
        engine = None if first.executor is None else stack.enter_context(opened(first.executor))
        for n_trials, share in rounds:
            if found.sweeps and stop():
                break
            parameters = first.get_params(deep=False)
            parameters |= {"space": _around(space, found, share), "n_trials": n_trials, "executor": engine}
            sweep = Sweep(**parameters)._fit((X, y, sample_weight, eval_set), int(seeds[1]))
            found.sweeps.append(sweep.set_params(executor=first.executor))
            if found.sweeps[-1].interrupted_:
                break
            _ = found.best_sweep_
    return found


def _check(trainer: Any, space: Any, rounds: Any, options: Mapping[str, Any]) -> None:
    if "n_trials" in options:
        raise InvalidParameterError(
            f"`n_trials` of {_OWNER} must be left out, since `rounds` says how many, "
            f"got {options['n_trials']!r}"
        )
    if options.get("checkpoint") is not None:
        raise InvalidParameterError(
            f"`checkpoint` of {_OWNER} must be left out, since a folder is for one search and there is one "
            f"for every round, got {options['checkpoint']!r}"
        )
    known = inspect.signature(Sweep).parameters
    for name in options:
        if name not in known:
            raise_unknown_parameter(_OWNER, name, ["rounds", *known])
    check(_OWNER, "trainer", trainer, SWEEP["trainer"])
    if not isinstance(space, Mapping) or not any(isinstance(of, NARROWED) for of in space.values()):
        raise InvalidParameterError(
            f"`space` of {_OWNER} must be a dict with a Uniform, LogUniform or IntUniform, got {space!r}"
        )
    check(_OWNER, "executor", options.get("executor"), SWEEP["executor"])
    check(_OWNER, "rounds", rounds, (sequence_of(_ROUND),))
    if not rounds:
        raise InvalidParameterError(f"`rounds` of {_OWNER} must be one or more, got {rounds!r}")


def _is_round(value: object) -> bool:
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        return False
    count = all(constraint.holds(value[0]) for constraint in (WHOLE, at_least(1)))
    return count and all(constraint.holds(value[1]) for constraint in (NUMBER, above(0), at_most(1)))


_ROUND = Constraint(
    "a pair of an int >= 1 and a share in (0, 1]", _is_round, (5, (0, 1.0), (5, 0.0), (5, 1.5), (5,), "ab")
)


def _around(space: Mapping[str, Any], found: Refinement, share: float) -> dict[str, Any]:
    """Return the space of the next round: around the best so far, if there is one."""
    if not found.sweeps:
        return dict(space)
    best = found.best_params_
    return {
        name: values.around(best[name], float(share)) if isinstance(values, NARROWED) else values
        for name, values in space.items()
    }
