"""Type checkers know the names that may be given: those of the members, no more and no less."""

from __future__ import annotations

import inspect
from typing import Any, get_args, get_overloads

import pytest

import gradstep as gs
from gradstep import backends
from gradstep.datasets.cifar10 import Batch
from gradstep.datasets.cifar10_files import TRAINING_BATCHES
from gradstep.nn import activations, averaging, initializers, losses, optimizers
from gradstep.plan.settings import BackendName
from gradstep.utils.concepts import Concept
from members import own_members


@pytest.mark.parametrize(
    ("family", "known"),
    [
        (losses.Loss, (losses.LabelLossName, losses.ValueLossName)),
        (activations.Activation, (activations.ActivationName,)),
        (optimizers.Optimizer, (optimizers.OptimizerName,)),
        (averaging.Averaging, (averaging.AveragingName,)),
        (initializers.Initializer, (initializers.InitializerName,)),
    ],
)
def test_the_names_of_a_family(family: type[Concept], known: tuple[Any, ...]) -> None:
    own = {member.name for member in own_members(family)}
    assert {name for one in known for name in get_args(one)} == own & set(family.short_names())


def test_losses_are_those_that_an_estimator_takes() -> None:
    takes = {member.name: member.takes for member in own_members(losses.Loss)}
    assert {takes[name] for name in get_args(losses.ValueLossName)} == {"values"}
    assert {takes[name] for name in get_args(losses.LabelLossName)} == {"labels", "indicators"}


def test_the_names_of_backends_and_batches() -> None:
    assert get_args(BackendName) == ("auto", *backends.NAMES)
    assert get_args(Batch) == TRAINING_BATCHES


@pytest.mark.parametrize("load", [gs.datasets.load_digits, gs.datasets.load_cifar10])
def test_loaders_tell_whether_rows_are_held_out(load: Any) -> None:
    loader = inspect.unwrap(load)
    *told, whole = get_overloads(loader)
    assert whole.__annotations__ == loader.__annotations__
    returned = {overload.__annotations__["return"] for overload in told}
    assert {"DataSet[Rows, Rows]", "DataSet[None, Rows]"} <= returned
    names = list(inspect.signature(loader).parameters)
    assert all(list(inspect.signature(overload).parameters) == names for overload in told)
