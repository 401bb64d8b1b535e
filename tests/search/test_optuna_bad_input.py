"""Bad input of searches that a study of Optuna drives, told in the words of what the user wrote."""

from __future__ import annotations

from typing import Any

import pytest

import gradstep as gs
from gradstep.errors import InvalidParameterError
from sweep_cases import HELD_OUT, X, Y, trainer

optuna = pytest.importorskip("optuna")
optuna.logging.set_verbosity(optuna.logging.ERROR)

COMPLETE, RUNNING = optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.RUNNING
L2 = {"l2": gs.LogUniform(1e-5, 1.0)}


def study(**parameters: Any) -> Any:
    return optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0), **parameters)


def search(driven: Any, space: Any = L2, **parameters: Any) -> Any:
    given = {"n_trials": 4} | parameters
    return gs.optuna.search(driven, trainer(), space, X, Y, eval_set=HELD_OUT, **given)


def states(driven: Any) -> list[Any]:
    return [trial.state for trial in driven.trials]


class Alike:
    def __repr__(self) -> str:
        return "alike"


BAD: list[tuple[dict[str, Any], str]] = [
    ({"study": 3}, "`study` of optuna.search must be a study of Optuna, got 3"),
    ({"trainer": "x"}, "`trainer` of optuna.search must be a Trainer or Regressor"),
    ({"n_trials": 0}, "`n_trials` of optuna.search must be >= 1, got 0"),
    ({"n_trials": 2.0}, "`n_trials` of optuna.search must be an int, got 2.0"),
    ({"batch": 0}, "`batch` of optuna.search must be >= 1, got 0"),
    ({"random_state": "x"}, "`random_state` of optuna.search must be"),
    ({"pruner": optuna.pruners.MedianPruner()}, "`pruner` of optuna.search must be a pruner, as"),
    ({"metric": "loss"}, "`metric` of optuna.search must be a column of the history"),
    ({"checkpoint": None}, "optuna.search has no parameter 'checkpoint'"),
    ({"n_jobs": 2}, "optuna.search has no parameter 'n_jobs'"),
    (
        {"metric": "validation_accuracy"},
        "direction 'maximize' for the metric 'validation_accuracy', .* 'minimize'",
    ),
    ({"space": {}}, "`space` of optuna.search must be a dict of one parameter of Trainer or more, got {}"),
    ({"space": {"l3": [1]}}, "`space` of optuna.search: Trainer has no parameter 'l3'"),
    ({"space": [{"l2": [1]}]}, "`space` of optuna.search must be one dict, or a function of a trial"),
    ({"space": {"l2": 3}}, "`l2` in the space of optuna.search must be a list of one value or more"),
    (
        {"space": {"epochs": [Alike(), Alike()]}},
        "`epochs` in the space of optuna.search must have choices that can be told",
    ),
    ({"space": lambda trial: {}}, "`space` of optuna.search must return a dict of one parameter of Trainer"),
    ({"space": lambda trial: {"l3": 1}}, "`space` of optuna.search: Trainer has no parameter 'l3'"),
]


@pytest.mark.parametrize("parameters, message", BAD)
def test_bad_input(parameters: dict[str, Any], message: str) -> None:
    driven = study()
    given = {"study": driven, "trainer": trainer(), "space": L2, "n_trials": 2} | parameters
    with pytest.raises(InvalidParameterError, match=message):
        gs.optuna.search(X=X, y=Y, eval_set=HELD_OUT, **given)
    assert RUNNING not in states(driven)


def test_distributions_that_optuna_lacks_are_refused() -> None:
    from scipy.stats import loguniform

    with pytest.raises(InvalidParameterError, match=r"`l2` in the space of .* must be a list, Uniform"):
        search(study(), {"l2": loguniform(1e-5, 1e-1)})


def test_a_study_of_two_objectives_is_refused() -> None:
    with pytest.raises(InvalidParameterError, match="must have one objective, `metric`, got 2"):
        search(study(directions=["minimize", "minimize"]))


@pytest.mark.parametrize(
    "first, second",
    [
        ({"hidden": [(), (4,)]}, {"hidden": [(), (5,)]}),
        ({"l2": gs.LogUniform(1e-3, 1.0)}, {"l2": gs.Uniform(1e-3, 1.0)}),
        ({"epochs": gs.IntUniform(1, 2)}, {"epochs": [1, 2]}),
    ],
)
def test_a_study_that_tried_other_values_is_refused(first: Any, second: Any) -> None:
    driven = study()
    search(driven, first, n_trials=2)
    (name,) = first
    with pytest.raises(InvalidParameterError, match=f"`{name}` in the space .* which tried .*Distribution"):
        search(driven, second)
    assert states(driven) == [COMPLETE] * 2
    if name == "l2":
        search(driven, {"l2": gs.LogUniform(1e-2, 10.0)}, n_trials=1)
