"""Optuna as the driver of a search: a study proposes settings, batches of them train in shared passes.

Optuna itself is imported when `search` is called, and not before: ``pip install 'gradstep[optuna]'``.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from sklearn.utils import check_random_state

from gradstep.errors import InterruptedWarning, InvalidParameterError
from gradstep.estimators.base import BaseTrainer
from gradstep.nn.metrics import sign
from gradstep.plan.settings import RANDOM_STATE
from gradstep.search import trials
from gradstep.search.parameters import SWEEP
from gradstep.search.results import Results
from gradstep.search.several_sweeps import SeveralSweeps
from gradstep.search.study_batch import StudyBatch, end_what_is_dead
from gradstep.search.study_space import OWNER, StudySpace
from gradstep.search.sweep import Sweep
from gradstep.sklearn.base import BaseFace
from gradstep.utils import interrupt
from gradstep.utils.constraints import WHOLE, at_least, check
from gradstep.utils.names import module_getattr, raise_unknown_parameter
from gradstep.utils.retell import FITS, in_words_of
from gradstep.utils.text import given
from gradstep.utils.warn import warn

if TYPE_CHECKING:
    from optuna import Study

__all__ = ["StudySearch", "search"]

if not TYPE_CHECKING:  # who checks types shall know what is not there
    __getattr__ = module_getattr("gradstep.optuna", __all__)

# Attribute of a study: seeds of the trainer and of the rows held out, by which a later run goes on.
_SEEDS = "gradstep_seeds"

# Parameters of Sweep that the study or `search` itself decides; what was done is kept by the study alone.
_DECIDED = {"trainer", "space", "n_trials", "random_state", "checkpoint"}


@dataclass(frozen=True)
class StudySearch(SeveralSweeps):
    """What a call of `search` trained; the study has that, and all that it had before.

    Attributes
    ----------
    sweeps : list of Sweep
        One for every batch.
    numbers : list of int
        Of all their trials, in the study.
    results_ : Results
        The tables of all batches: `batch` counts them from 1, `trial` is the number in the study.
    best_params_, best_score_, best_trainer_
        Of the best trial of these batches.
    interrupted_ : bool
        Whether Ctrl-C or a callback ended the search.
    """

    numbers: list[int]

    owner = OWNER
    part = "batch"
    parts = "batches"

    @property
    def results_(self) -> Results:
        """The tables of all batches."""
        table = super().results_
        columns = {name: table[name].tolist() for name in table} | {"trial": self.numbers}
        return Results(columns, table.parameters, table.larger_is_better)


@in_words_of(OWNER, "Sweep.fit", *FITS)
def search(
    study: Study,
    trainer: BaseTrainer | BaseFace,
    space: Mapping[str, Any] | Callable[[Any], Mapping[str, Any]],
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    sample_weight: npt.ArrayLike | None = None,
    eval_set: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
    *,
    n_trials: int,
    batch: int = 24,
    random_state: int | np.random.RandomState | None = None,
    **options: Any,
) -> StudySearch:
    """Let a study of Optuna propose settings, and train them in batches, each as a `Sweep` does.

    Settings of a batch train together as far as one pass over the rows can train them; those that share
    less, as other layers or batch sizes, make several groups. The study is told all: parameters, the metric
    at every rung of the pruner and at the end, values, states, and as attributes of a trial `status` and
    `n_iter`, its epochs. Its dashboard shows them while they train.

    Who leaves on the way is the `pruner`'s to say, which compares the trials of a batch with each other:
    those of Optuna judge one trial after the other, and the order would decide. That of the study is not
    asked. Trials that leave are "pruned" there, too; one that diverges has "failed".

    A search that is killed can be called again. Trials that it has left running in the study are then
    told to have failed; trials of others that run stay.

    Parameters
    ----------
    study : optuna.Study
        Of one objective, whose direction is that of `metric`.
    trainer : Trainer, Regressor, MLPClassifier or MLPRegressor
        What the trials have in common. It is cloned, never changed.
    space : dict of str to list or distribution, or callable
        Parameters as for `Sweep`. `Uniform`, `LogUniform`, `IntUniform`, and lists or `Choice` become
        Optuna's distributions; choices that are no plain values stand there as what they are written as. Or
        a function that asks a trial, and returns parameters and their values, others in every trial if
        need be; it may raise `optuna.TrialPruned` to leave one out.
    X, y, sample_weight, eval_set
        As for `Sweep.fit`.
    n_trials : int
        Trials to train now, >= 1.
    batch : int, default=24
        Trials to ask for before any is trained, >= 1: more train faster, fewer learn sooner from others.
    random_state : int, RandomState or None, default=None
        Determines the rows held out and, where that of `trainer` is None, its `random_state`. They are the
        same in every batch, and with None in every later search of the same study. What is tried is
        the sampler's.
    **options
        Further parameters of `Sweep`: `metric`, `pruner`, `folds`, `executor`, `keep_trainers`, ... All but
        `checkpoint`: what is done is in the study.

    Returns
    -------
    StudySearch
        With `sweeps`, `results_` and `best_trainer_`.

    Raises
    ------
    ImportError
        Optuna is not installed.
    InvalidParameterError, InvalidDataError
        As in `Sweep.fit`; or the study has several objectives, another direction than `metric`, or trials
        with other kinds of values of the same name. Trials of the batch have then failed.

    Notes
    -----
    ::

        study = optuna.create_study(storage="sqlite:///study.db", study_name="digits", load_if_exists=True)
        space = {"l2": gs.LogUniform(1e-6, 1e-1), "hidden": [(50,), (100,)]}
        found = gs.optuna.search(study, trainer, space, X, y, n_trials=96, pruner=gs.SuccessiveHalving())
        study.best_params, found.best_trainer_
    """
    metric, pruner = options.get("metric", "validation_loss"), options.get("pruner")
    _check(study, trainer, {"n_trials": n_trials, "batch": batch, "random_state": random_state}, options)
    _check_direction(study, metric)
    asking = StudySpace(space, trainer.get_params(deep=False), type(trainer).__name__)
    asking.check(study)
    end_what_is_dead(study)
    seeds = _seeds(study, random_state)
    base, callbacks = trials.seeded(trainer, seeds[0]), tuple(options.get("callbacks", ()))
    found, left = StudySearch([], []), n_trials
    with interrupt.deferred() as stop:
        while left and not stop():
            with StudyBatch(study, metric, pruner) as asked:
                asked.ask(asking, min(int(batch), left), stop)
                left -= min(int(batch), left)
                if stop() or not asked.settings:
                    continue
                one_point = [{name: [value] for name, value in own.items()} for own in asked.settings]
                own_options = options | {"callbacks": (asked.on_evaluation, *callbacks)}
                sweep = Sweep(base, one_point, **own_options)
                with _by_number(asked.numbers):
                    sweep._fit((X, y, sample_weight, eval_set), seeds[1])
                asked.on_evaluation(sweep)
            sweep.set_params(callbacks=callbacks)
            found.sweeps.append(sweep)
            found.numbers.extend(asked.numbers)
            if sweep.interrupted_ or asked.is_exhausted:
                break
    if stop.requested and not found.interrupted_:
        told = f"search interrupted after {len(found.numbers)} of {n_trials} trials; the study has them"
        warn(told, InterruptedWarning)
    return found


def _check(study: Any, trainer: Any, own: Mapping[str, Any], options: Mapping[str, Any]) -> None:
    """Raise where Optuna is missing, or a parameter breaks its constraint."""
    try:
        from optuna import Study
    except ImportError as error:
        raise ImportError(f"gradstep.{OWNER} needs Optuna: pip install 'gradstep[optuna]'") from error
    if not isinstance(study, Study):
        raise InvalidParameterError(f"`study` of {OWNER} must be a study of Optuna, got {given(study)}")
    check(OWNER, "trainer", trainer, SWEEP["trainer"])
    for name, value in own.items():
        check(OWNER, name, value, RANDOM_STATE if name == "random_state" else (WHOLE, at_least(1)))
    known = [name for name in inspect.signature(Sweep).parameters if name not in _DECIDED]
    for name, value in options.items():
        if name not in known:
            raise_unknown_parameter(OWNER, name, ["n_trials", "batch", "random_state", *known])
        check(OWNER, name, value, SWEEP.get(name, ()))


def _check_direction(study: Study, metric: str) -> None:
    """Raise InvalidParameterError where the study does not seek what is better."""
    if len(study.directions) > 1:
        raise InvalidParameterError(
            f"`study` of {OWNER} must have one objective, `metric`, got {len(study.directions)}"
        )
    wanted, found = "minimize" if sign(metric) > 0 else "maximize", study.direction.name.lower()
    if found != wanted:
        raise InvalidParameterError(
            f"`study` of {OWNER} must have the direction {wanted!r} for the metric {metric!r}, as "
            f"optuna.create_study(direction={wanted!r}) makes it, got {found!r}"
        )


def _seeds(study: Study, random_state: Any) -> list[int]:
    """Return the seeds of the trainer and of the rows held out: without a `random_state` those before."""
    known = study.user_attrs.get(_SEEDS)
    if random_state is None and known is not None:
        return [int(seed) for seed in known]
    seeds: list[int] = check_random_state(random_state).randint(2**31 - 1, size=2).tolist()
    study.set_user_attr(_SEEDS, seeds)
    return seeds


@contextmanager
def _by_number(numbers: Sequence[int]) -> Iterator[None]:
    """Let errors call a trial of a batch by its number in the study."""
    try:
        yield
    except InvalidParameterError as error:
        found = re.match(r"trial (\d+) of Sweep", str(error))
        if found is None:
            raise
        said = f"trial {numbers[int(found[1])]} of the study{str(error)[found.end() :]}"
        raise InvalidParameterError(said) from error
