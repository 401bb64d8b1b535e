"""What a search is to try, as words: distributions, lists of values, rules that stop early."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gradstep.cli import spelling
from gradstep.cli.options import Option, estimator_options
from gradstep.errors import InvalidParameterError
from gradstep.utils.names import near, raise_unknown_parameter

if TYPE_CHECKING:
    from gradstep.search.pruners import Pruner

#: Distributions by the word that they begin with, and the type of their ends; LOW and HIGH follow.
DISTRIBUTIONS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "uniform": ("Uniform", float),
    "loguniform": ("LogUniform", float),
    "int": ("IntUniform", int),
}
#: How the values of a parameter are written.
VALUES = ", ".join([*(f"{kind}:LOW:HIGH" for kind in DISTRIBUTIONS), "or values with commas between them"])

#: How pruners are written.
PRUNERS = "halving[:FACTOR], hyperband[:FACTOR] or median"


def parse_param(text: str) -> tuple[str, Any]:
    """Read ``NAME=VALUES`` as a parameter of an estimator, or a part of one, and what to try of it.

    >>> parse_param("l2=loguniform:1e-5:1e-1")
    ('l2', LogUniform(low=1e-05, high=0.1))
    >>> parse_param("hidden=none,50,50-30")
    ('hidden', [(), (50,), (50, 30)])
    >>> parse_param("optimizer__beta1=0.8,0.9")
    ('optimizer__beta1', [0.8, 0.9])
    """
    name, equals, values = text.partition("=")
    name = name.strip().replace("-", "_")
    if not equals or not name or not values:
        raise argparse.ArgumentTypeError(f"must be NAME=VALUES, got {text!r}")
    parameter, _, part = name.partition("__")
    known = estimator_options()
    try:
        if parameter not in known:
            raise_unknown_parameter("Trainer", name, known)
        kind, *ends = values.split(":")
        if kind in DISTRIBUTIONS and known[parameter].several:
            raise argparse.ArgumentTypeError(
                f"{name} takes sizes of layers, as in {name}=20,50,50-30, and no distribution, got {text!r}"
            )
        if kind in DISTRIBUTIONS:
            return name, _distribution(kind, ends, text)
        read = spelling.scalar if part else _reader(known[parameter])
        return name, [_read(read, name, word.strip(), kind) for word in values.split(",")]
    except InvalidParameterError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _distribution(kind: str, ends: list[str], text: str) -> Any:
    import gradstep

    name, end = DISTRIBUTIONS[kind]
    try:
        low, high = map(end, ends)
    except ValueError:
        numbers = "integers" if end is int else "numbers"
        raise argparse.ArgumentTypeError(f"must have {kind}:LOW:HIGH of {numbers}, got {text!r}") from None
    return getattr(gradstep, name)(low, high)


def _read(read: Callable[[str], Any], name: str, word: str, kind: str) -> Any:
    try:
        return read(word)
    except argparse.ArgumentTypeError as error:
        found = near(kind, DISTRIBUTIONS) if ":" in word else []
        hint = f"; did you mean {found[0]}:LOW:HIGH?" if found else ""
        raise argparse.ArgumentTypeError(f"{name} {error}{hint}") from None


def _reader(option: Option) -> Callable[[str], Any]:
    """Return what reads one value of a parameter."""
    if isinstance(option.default, bool):
        return _flag
    if option.several:
        # Layers have dashes between them: a comma is between two values.
        return lambda word: option.value(map(option.read, [] if word == "none" else word.split("-")))
    return option.read


def _flag(word: str) -> bool:
    try:
        return spelling.flag(word)
    except spelling.SpellingError as error:
        raise argparse.ArgumentTypeError(f"must be {error}") from None


def parse_pruner(text: str) -> Pruner:
    """Read ``halving``, ``hyperband``, each with ``:FACTOR`` or without, or ``median``."""
    from gradstep.search.pruners import Hyperband, MedianStopping, SuccessiveHalving

    by_factor: dict[str, Callable[..., Pruner]] = {"halving": SuccessiveHalving, "hyperband": Hyperband}
    kind, *words = text.split(":")
    if kind == "median" and not words:
        return MedianStopping()
    try:
        if kind not in by_factor or len(words) > 1:
            raise ValueError
        return by_factor[kind](*map(float, words))
    except InvalidParameterError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    except ValueError:
        hint = spelling.near(kind, (*by_factor, "median"))
        raise argparse.ArgumentTypeError(f"must be {PRUNERS}, got {text!r}{hint}") from None


def make_space(params: list[tuple[str, Any]], given: dict[str, Any], n_trials: int | None) -> dict[str, Any]:
    """Return the space of a search, checked as far as can be without data.

    Parameters
    ----------
    params : list of pairs
        What ``--param`` said, each time.
    given : dict
        Parameters that have their own options.
    n_trials : int or None
    """
    from gradstep.search.spaces import Distribution

    space: dict[str, Any] = {}
    for name, values in params:
        if name in space:
            raise InvalidParameterError(f"--param must name a parameter once, got {name!r} twice")
        if name in given:
            flag = estimator_options()[name].flag
            raise InvalidParameterError(
                f"{flag} must not be given beside --param {name}=..., which tries values of it"
            )
        space[name] = values
    drawn = [name for name, values in space.items() if isinstance(values, Distribution)]
    if drawn and n_trials is None:
        raise InvalidParameterError(
            f"--trials must be given where --param has a distribution ({', '.join(drawn)}): how many to draw"
        )
    if not drawn and n_trials is not None:
        raise InvalidParameterError(
            f"--trials goes with a distribution in --param; of lists alone every combination is a trial, "
            f"got --trials {n_trials}"
        )
    return space
