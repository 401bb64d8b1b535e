"""Settings: what they make of parameters, and which of them models of a group share."""

from __future__ import annotations

from typing import Any

import pytest

import gradstep as gs
from gradstep.errors import InvalidParameterError
from gradstep.nn.activations import LeakyRelu, Relu, Tanh
from gradstep.nn.losses import Poisson, Softmax
from gradstep.nn.metrics import F1, R2, Accuracy, MeanAbsoluteError
from gradstep.nn.optimizers import SGD, Adam, AdamW, RMSprop
from gradstep.plan.settings import Settings
from makers import regressor, trainer


def settings(**parameters: Any) -> Settings:
    return trainer(**parameters).settings()


def test_short_names_become_objects() -> None:
    found = settings(hidden=[3, 2], activation="leaky_relu", optimizer="adamw", init="xavier")
    assert found.hidden == (3, 2)
    assert found.activation == (LeakyRelu(), LeakyRelu())
    assert (found.loss, found.optimizer, found.init) == (Softmax(), AdamW(), gs.Xavier())
    assert found.owner == "Trainer"
    assert regressor(loss="poisson").settings().loss == Poisson()


def test_one_activation_for_each_layer() -> None:
    assert settings(hidden=(3, 2), activation=["tanh", Relu()]).activation == (Tanh(), Relu())
    assert settings(activation="tanh").activation == ()
    assert settings(activation=[]).activation == ()


def test_metrics_are_those_of_the_loss_and_further_ones() -> None:
    assert settings().metrics == (Accuracy(),)
    assert settings(metrics=["f1", Accuracy()]).metrics == (Accuracy(), F1())
    assert regressor(metrics=["r2"]).settings().metrics == (R2(), MeanAbsoluteError())
    with pytest.raises(InvalidParameterError, match="`metrics` of Regressor must be for values"):
        regressor(metrics=["accuracy"]).settings()


@pytest.mark.parametrize(
    "parameters",
    [
        {"l2": 0.5},
        {"learning_rate": 0.5},
        {"init": gs.Normal(0.1)},
        {"early_stopping": gs.EarlyStopping()},
        {"optimizer": Adam(beta1=0.5, epsilon=1e-3)},
        {"optimizer": AdamW()},
        {"optimizer": RMSprop()},
        {"loss": Softmax(0.2)},
        {"activation": LeakyRelu(0.5)},
        {"batch_size": 100},
    ],
    ids=str,
)
def test_models_of_a_group_may_differ_in_numbers(parameters: dict[str, Any]) -> None:
    base = {"hidden": (3,), "activation": "leaky_relu", "optimizer": "adam", "batch_size": 50}
    assert settings(**base).shared(50) == settings(**base | parameters).shared(50)


@pytest.mark.parametrize(
    "parameters",
    [
        {"optimizer": SGD()},
        {"optimizer": SGD(momentum=0.5)},
        {"loss": "sigmoid"},
        {"activation": "relu"},
        {"hidden": (4,)},
        {"batch_size": 7},
        {"random_state": 1},
        {"metrics": ["f1"]},
        {"precision": "float64"},
    ],
    ids=str,
)
def test_models_that_differ_in_more_are_no_group(parameters: dict[str, Any]) -> None:
    base = {"hidden": (3,), "activation": "leaky_relu", "optimizer": "adam", "batch_size": 50}
    assert settings(**base).shared(50) != settings(**base | parameters).shared(50)


def test_a_class_that_is_derived_has_the_constraints_of_its_base() -> None:
    class Mine(gs.Regressor):
        """As a user would derive one."""

    assert Mine().settings().owner == "Regressor"
    with pytest.raises(InvalidParameterError, match="`l2` of Regressor must be >= 0"):
        Mine(l2=-1).settings()
