"""The package's losses, activations, optimizers and averages, from which all tests draw."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any, TypeVar

import oracle
from gradstep.nn.activations import Activation, LeakyRelu
from gradstep.nn.averaging import EMA, Averaging, LastEpochs
from gradstep.nn.losses import Loss, Softmax
from gradstep.nn.optimizers import SGD, Adam, AdamW, Optimizer
from gradstep.utils.concepts import Concept

T = TypeVar("T", bound=Concept)


def own_members(family: type[T]) -> list[type[T]]:
    """Return the members that the package has: files of the tests define more."""
    return [member for member in family.members() if member.__module__.startswith("gradstep.")]


def _objects(family: type[T], judged: dict[str, Any], *more: T) -> tuple[T, ...]:
    """Return an object of every member that the package has, with defaults, and some with other numbers.

    Raises
    ------
    LookupError
        The oracle knows nothing of a member.
    """
    # What finds its steps by itself has no update of a batch that could be told.
    members = [member for member in own_members(family) if not getattr(member, "takes_all_rows", False)]
    unknown = {member.name for member in members} ^ set(judged)
    if unknown:
        raise LookupError(f"tests/oracle.py must have a row for every {family.family}: {sorted(unknown)}")
    return (*(member() for member in members), *more)


# A member that is added to the package is in every list from then on.
LOSSES = _objects(Loss, oracle.LOSSES, Softmax(label_smoothing=0.1))
ACTIVATIONS = _objects(Activation, oracle.ACTIVATIONS, LeakyRelu(negative_slope=0.3))
OPTIMIZERS = _objects(
    Optimizer,
    oracle.OPTIMIZERS,
    SGD(momentum=0.9),
    SGD(momentum=0.5, nesterov=True),
    SGD(momentum=0.9, nesterov=True, rate_in_velocity=True),
    Adam(beta1=0.5, beta2=0.9, epsilon=1e-3),
    Adam(epsilon=1e-3, epsilon_hat=True),
    AdamW(weight_decay=0.5),
)
AVERAGES = _objects(Averaging, oracle.AVERAGES, EMA(decay=0.8), LastEpochs(2))


def concept_id(value: object) -> str:
    """Name a concept in the name of a test."""
    return repr(value)


def with_other_numbers(value: T, model: int) -> T:
    """Return a concept whose numbers are the smaller the later the model."""
    numbers = {field.name: getattr(value, field.name) for field in fields(value)}
    own = {name: number / (1 + 0.1 * model) for name, number in numbers.items() if type(number) is float}
    changed: T = replace(value, **own)
    return changed
