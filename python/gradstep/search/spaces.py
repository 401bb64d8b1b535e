"""What a search tries: lists of values, and distributions that values are drawn from."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Protocol, runtime_checkable

import numpy as np
from sklearn.utils import check_random_state

from gradstep.errors import EqualTrialsWarning, InvalidParameterError
from gradstep.utils.concepts import can_be_key
from gradstep.utils.constraints import NONE, NUMBER, WHOLE, above, at_least, at_most, check, either
from gradstep.utils.names import KnownParameters, raise_unknown_parameter
from gradstep.utils.text import given
from gradstep.utils.warn import warn

#: Most settings that a search tries unless it is told otherwise: all are made before the first is trained.
MOST_TRIALS = 100_000

Seed = int | np.random.RandomState | None


@runtime_checkable
class Distribution(Protocol):
    """What values can be drawn from; the frozen distributions of scipy.stats are such, too."""

    def rvs(self, *, random_state: Seed = None) -> Any:
        """Return a value."""
        ...


@dataclass(frozen=True)
class Uniform(KnownParameters):
    """Numbers between `low` and `high`, all equally likely.

    >>> 2 <= Uniform(2, 3).rvs(random_state=0) <= 3
    True
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        _check_ends(self, NUMBER)
        if not math.isfinite(float(self.high) - float(self.low)):
            raise InvalidParameterError(
                f"`high` of Uniform must be less than 1.8e308 above low, got {(self.low, self.high)!r}"
            )

    def rvs(self, *, random_state: Seed = None) -> float:
        """Return a value."""
        return float(check_random_state(random_state).uniform(self.low, self.high))

    def around(self, value: float, share: float) -> Uniform:
        """Return the part of this range around a value that is so long, relative to the whole."""
        return Uniform(*_window(self.low, self.high, value, share))


@dataclass(frozen=True)
class LogUniform(KnownParameters):
    """Numbers between `low` and `high`, both > 0, whose logarithms are equally likely.

    >>> 1e-5 <= LogUniform(1e-5, 1e-1).rvs(random_state=0) <= 1e-1
    True
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        _check_ends(self, NUMBER, above(0))

    def rvs(self, *, random_state: Seed = None) -> float:
        """Return a value."""
        power = check_random_state(random_state).uniform(math.log(self.low), math.log(self.high))
        return min(max(math.exp(power), float(self.low)), float(self.high))

    def around(self, value: float, share: float) -> LogUniform:
        """Return the part of this range around a value that is so long, relative to the whole (in logs)."""
        ends = _window(math.log(self.low), math.log(self.high), math.log(value), share)
        low, high = (min(max(math.exp(end), float(self.low)), float(self.high)) for end in ends)
        return LogUniform(low, high)


@dataclass(frozen=True)
class IntUniform(KnownParameters):
    """Integers from `low` to `high`, both included, all equally likely.

    >>> IntUniform(1, 3).rvs(random_state=0) in (1, 2, 3)
    True
    """

    low: int
    high: int

    def __post_init__(self) -> None:
        _check_ends(self, WHOLE, at_least(-(2**63)), at_most(2**63 - 2))

    def rvs(self, *, random_state: Seed = None) -> int:
        """Return a value."""
        return int(check_random_state(random_state).randint(self.low, self.high + 1))

    def around(self, value: int, share: float) -> IntUniform:
        """Return the part of this range around a value that is so long, relative to the whole."""
        low, high = _window(self.low, self.high, value, share)
        return IntUniform(math.floor(low), math.ceil(high))


@dataclass(frozen=True)
class Choice(KnownParameters):
    """One of these values, all equally likely.

    >>> Choice(["softmax", "sigmoid"]).rvs(random_state=0) in ("softmax", "sigmoid")
    True
    """

    values: Sequence[Any]

    def __post_init__(self) -> None:
        if not isinstance(self.values, (list, tuple, range)) or not self.values:
            raise InvalidParameterError(
                f"`values` of Choice must be a list of one value or more, got {given(self.values)}"
            )

    def rvs(self, *, random_state: Seed = None) -> Any:
        """Return a value."""
        return self.values[check_random_state(random_state).randint(len(self.values))]


def draw(
    space: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    known: Collection[str],
    n_trials: int | None,
    random_state: Seed,
    owner: str = "Trainer",
    most: int = MOST_TRIALS,
) -> list[dict[str, Any]]:
    """Return the parameters of every trial.

    Without `n_trials` the space has lists alone, and every combination is a trial, the last
    parameter varying fastest. With it, so many values are drawn of every parameter, a list's
    elements being equally likely. Grids of several spaces follow each other.

    Parameters
    ----------
    space : mapping of str to list or distribution, or a sequence of them
    known : collection of str
        Names that parameters may have, before any two underscores.
    n_trials : int, optional
    random_state : int, RandomState or None
    owner : str, default="Trainer"
        Whose parameters they are.
    most : int, default=MOST_TRIALS
        Trials that there may be.

    Raises
    ------
    InvalidParameterError
        The space is empty, has an unknown name or what is neither list nor distribution, does not fit
        `n_trials`, or has too many trials.
    """
    spaces = list(space) if isinstance(space, (list, tuple)) and space else [space]
    for each in spaces:
        check_space(each, known, owner)
    check("Sweep", "n_trials", n_trials, (either(WHOLE, NONE), at_least(1)))
    check_count("Sweep", sum(_count(each, n_trials) for each in spaces), most)
    generator = check_random_state(random_state)
    return [trial for each in spaces for trial in _draw(each, n_trials, generator)]


def _draw(space: Any, n_trials: int | None, generator: np.random.RandomState) -> list[dict[str, Any]]:
    distributions = [name for name, values in space.items() if isinstance(values, Distribution)]
    if distributions and n_trials is None:
        raise InvalidParameterError(
            f"`n_trials` of Sweep must be given where the space has a distribution "
            f"({', '.join(distributions)}), got None"
        )
    if not distributions and n_trials is not None:
        raise InvalidParameterError(
            f"`n_trials` of Sweep must be None where the space has lists alone, each combination of which "
            f"is one trial, got {n_trials}; Choice draws from a list"
        )
    if n_trials is None:
        lists = [[_as_python(value) for value in values] for values in space.values()]
        return [dict(zip(space, values, strict=True)) for values in product(*lists)]
    samplers = {name: v if isinstance(v, Distribution) else Choice(list(v)) for name, v in space.items()}
    return [
        {name: _as_python(sampler.rvs(random_state=generator)) for name, sampler in samplers.items()}
        for _ in range(n_trials)
    ]


def check_count(owner: str, count: int, most: int) -> None:
    """Raise InvalidParameterError where a search has more settings to try than it may."""
    if count > most:
        raise InvalidParameterError(
            f"`max_trials` of {owner} must be at least the {count:,} settings that there are to try, got "
            f"{most:,}: try fewer, or raise it"
        )


def _count(space: Any, n_trials: int | None) -> int:
    """Return how many trials a space has."""
    lists = [values for values in space.values() if not isinstance(values, Distribution)]
    return math.prod(map(len, lists)) if n_trials is None else int(n_trials)


def check_space(space: Any, known: Collection[str], owner: str, whose: str = "Sweep") -> None:
    """Raise InvalidParameterError where `whose` space has unknown names or what values cannot be taken from.

    Parameters as for `draw`.
    """
    if not isinstance(space, Mapping) or not space:
        raise InvalidParameterError(
            f"`space` of {whose} must be a dict of one parameter of {owner} or more, got {given(space)}"
        )
    for name, values in space.items():
        if not isinstance(name, str) or name.partition("__")[0] not in known:
            raise_unknown_parameter(f"`space` of {whose}: {owner}", str(name), known)
        if isinstance(values, Distribution) and (isinstance(values, type) or hasattr(values, "freeze")):
            raise InvalidParameterError(
                f"`{name}` in the space of {whose} must be a distribution with its parameters, such as "
                f"loguniform(1e-5, 1e-1), got {given(values)}"
            )
        is_list = isinstance(values, (list, tuple, range)) or (isinstance(values, np.ndarray) and values.ndim)
        if not isinstance(values, Distribution) and not (is_list and len(values)):
            raise InvalidParameterError(
                f"`{name}` in the space of {whose} must be a list of one value or more or a distribution, "
                f"got {given(values)}"
            )
        if is_list:
            warn_of_equal(whose, name, values)


def warn_of_equal(owner: str, name: str, values: Collection[Any]) -> None:
    """Warn where a list has a value twice, which are trials that differ in nothing."""
    seen: set[Any] = set()
    for value in values:
        # Lists are no keys; what they hold is what they are shown as.
        key = value if can_be_key(value) else repr(value)
        if key not in seen:
            seen.add(key)
            continue
        said = f"`{name}` in the space of {owner} has {given(value)} twice: those trials are equal"
        if isinstance(value, (tuple, list)):
            said += "; a network of several layers is one value, as (50, 50), or 50-50 on the command line"
        warn(said, EqualTrialsWarning)
        return


def _check_ends(range_: Uniform | LogUniform | IntUniform, *constraints: Any) -> None:
    owner = type(range_).__name__
    for name in ("low", "high"):
        check(owner, name, getattr(range_, name), constraints)
    if range_.low > range_.high:
        raise InvalidParameterError(
            f"`high` of {owner} must be >= low, got {given((range_.low, range_.high))}"
        )


def _window(low: float, high: float, centre: float, share: float) -> tuple[float, float]:
    """Return the ends of a window of so long a share of a range, moved inside where it would stick out."""
    length = (high - low) * share
    start = min(max(centre - length / 2, low), high - length)
    return start, start + length


def _as_python(value: Any) -> Any:
    """Return numbers of NumPy, which scipy's distributions give, as Python's own."""
    return value.item() if isinstance(value, np.generic) else value
