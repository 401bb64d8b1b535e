"""What a study is to try: a space as distributions of Optuna, or a function that asks a trial itself."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from gradstep.errors import InvalidParameterError
from gradstep.search.spaces import Choice, IntUniform, LogUniform, Uniform, check_space
from gradstep.utils.names import raise_unknown_parameter
from gradstep.utils.text import given

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.distributions import BaseDistribution

OWNER = "optuna.search"

# What a storage of Optuna can hold as it is; all else is a choice by what it is written as.
_PLAIN = (bool, int, float, str, type(None))


class StudySpace:
    """Asks a study for settings.

    Parameters
    ----------
    space : dict of str to list or distribution, or callable
    known : collection of str
        Names that parameters may have, before any two underscores.
    owner : str
        Whose parameters they are.

    Raises
    ------
    InvalidParameterError
        The space is empty, has an unknown name or what Optuna has no distribution for.
    """

    def __init__(self, space: Any, known: Collection[str], owner: str) -> None:
        self._known, self._owner = known, owner
        self._asks: Callable[[Trial], Any] | None = None
        self._distributions: dict[str, BaseDistribution] = {}
        self._values: dict[str, dict[Any, Any]] = {}
        if callable(space) and not isinstance(space, type):
            self._asks = space
            return
        if isinstance(space, (list, tuple)):
            raise InvalidParameterError(
                f"`space` of {OWNER} must be one dict, or a function of a trial where it is to have "
                f"conditions, got {given(space)}"
            )
        check_space(space, known, owner, OWNER)
        for name, values in space.items():
            self._distributions[name], self._values[name] = _in_optuna(name, values)

    def check(self, study: Study) -> None:
        """Raise InvalidParameterError where trials of the study have tried other kinds of values."""
        from optuna.distributions import check_distribution_compatibility

        seen: set[tuple[str, str]] = set()
        for trial in study.get_trials(deepcopy=False) if self._distributions else ():
            for name in self._distributions.keys() & trial.distributions.keys():
                before, now = trial.distributions[name], self._distributions[name]
                if (name, repr(before)) in seen:
                    continue
                seen.add((name, repr(before)))
                try:
                    check_distribution_compatibility(before, now)
                except ValueError as error:
                    raise InvalidParameterError(
                        f"`{name}` in the space of {OWNER} must be as in the trials that `study` "
                        f"{study.study_name!r} has, which tried {before}, got {now}; take another study, or "
                        f"the same values"
                    ) from error

    def ask(self, study: Study) -> tuple[Trial, Callable[[], dict[str, Any]]]:
        """Return a new trial, and what returns its setting, or raises what the function of a trial does."""
        trial = study.ask(self._distributions)
        return trial, lambda: self._setting(trial)

    def _setting(self, trial: Trial) -> dict[str, Any]:
        if self._asks is None:
            return {
                name: values[trial.params[name]] if values else trial.params[name]
                for name, values in self._values.items()
            }
        setting = self._asks(trial)
        if not isinstance(setting, Mapping) or not setting:
            raise InvalidParameterError(
                f"`space` of {OWNER} must return a dict of one parameter of {self._owner} or more, "
                f"got {given(setting)}"
            )
        for name in setting:
            if not isinstance(name, str) or name.partition("__")[0] not in self._known:
                raise_unknown_parameter(f"`space` of {OWNER}: {self._owner}", str(name), self._known)
        return dict(setting)


def _in_optuna(name: str, values: Any) -> tuple[BaseDistribution, dict[Any, Any]]:
    """Return a distribution of Optuna, and the values that its choices stand for."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(values, Uniform | LogUniform):
        log = isinstance(values, LogUniform)
        return FloatDistribution(float(values.low), float(values.high), log=log), {}
    if isinstance(values, IntUniform):
        return IntDistribution(int(values.low), int(values.high)), {}
    if hasattr(values, "rvs") and not isinstance(values, Choice):
        raise InvalidParameterError(
            f"`{name}` in the space of {OWNER} must be a list, Uniform, LogUniform, IntUniform or Choice, "
            f"which Optuna has, too, got {given(values)}; a function of a trial may ask for anything"
        )
    choices = values.values if isinstance(values, Choice) else values
    plain = [value.item() if isinstance(value, np.generic) else value for value in choices]
    stands_for = {value if isinstance(value, _PLAIN) else repr(value): value for value in plain}
    if len(stands_for) < len(plain):
        raise InvalidParameterError(
            f"`{name}` in the space of {OWNER} must have choices that can be told apart, got {given(plain)}"
        )
    return CategoricalDistribution(tuple(stands_for)), stands_for
