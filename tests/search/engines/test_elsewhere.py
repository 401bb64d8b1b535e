"""A search on workers is the same search, to the bit, whatever these do and however often they are lost."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.model_selection import StratifiedKFold

import gradstep as gs
from scattering_engine import ScatteringEngine
from sweep_cases import HELD_OUT, HERE, X, Y, trainer

RATES = {"l2": [0.0, 0.1, 1.0], "learning_rate": [0.05, 0.2, 1e4]}
BATCHES = RATES | {"batch_size": [8, 20]}


def assert_same_search(found: gs.Sweep, expected: gs.Sweep) -> None:
    """Hold two searches to the same bits in all but seconds, and in which models trained together."""
    assert [trial.status for trial in found.trials_] == [trial.status for trial in expected.trials_]
    assert list(found.results_) == list(expected.results_)
    for name in set(expected.results_) - {"seconds"}:
        np.testing.assert_array_equal(found.results_[name], expected.results_[name], err_msg=name)
    for one, other in zip(_flat(found.histories_), _flat(expected.histories_), strict=True):
        assert one.weighted == other.weighted
        for name in set(other.keys()) - {"seconds"}:
            np.testing.assert_array_equal(one[name], other[name], err_msg=name)
    for trial, other in zip(found.trials_, expected.trials_, strict=True):
        assert trial.recorders.keys() == other.recorders.keys()
        for fold, record in other.recorders.items():
            own = trial.recorders[fold]
            assert own.status is record.status
            assert {name: own.row[name] for name in own.row.keys() - {"seconds"}} == pytest.approx(
                {name: record.row[name] for name in record.row.keys() - {"seconds"}},
                rel=0,
                abs=0,
                nan_ok=True,
            )
            assert repr(own.error) == repr(record.error)
    if expected.keep_trainers:
        for one, other in zip(_flat(found.trainers_), _flat(expected.trainers_), strict=True):
            assert hasattr(one, "coefs_") == hasattr(other, "coefs_")
            for name in ("coefs_", "intercepts_") if hasattr(other, "coefs_") else ():
                for block, same in zip(getattr(one, name), getattr(other, name), strict=True):
                    np.testing.assert_array_equal(block, same)
            assert getattr(one, "n_iter_", None) == getattr(other, "n_iter_", None)


def _flat(values: list[Any]) -> list[Any]:
    return [part for value in values for part in (value if isinstance(value, list) else [value])]


def compare(
    base: Any, space: Any, *data: Any, engine: ScatteringEngine, eval_set: Any = None, **options: Any
) -> None:
    options = {"random_state": 0, "keep_trainers": True} | options
    expected = gs.Sweep(base, space, **options).fit(*data, eval_set=eval_set)
    found = gs.Sweep(base, space, executor=engine, **options).fit(*data, eval_set=eval_set)
    assert_same_search(found, expected)
    assert not found.interrupted_


@pytest.mark.parametrize("name, slots", [*((name, 3) for name in HERE), ("numpy", 1), ("numpy", 40)])
def test_models_have_the_bits_that_they_have_here(name: str, slots: int) -> None:
    base = trainer(backend=name, hidden=(5,), epochs=6)
    compare(base, BATCHES, X, Y, eval_set=HELD_OUT, engine=ScatteringEngine(slots, slots))


STOP = gs.EarlyStopping("validation_loss", patience=1, restore_best=True)
PLATEAU = gs.schedules.ReduceOnPlateau(0.5, factor=0.3, patience=1, monitor="running_loss", min_delta=0.05)

SETTINGS: dict[str, dict[str, Any]] = {
    "adam": {"optimizer": "adam", "hidden": (4,), "dropout": 0.3, "evaluate_untrained": True},
    "average": {"average": gs.averaging.EMA(0.8), "clip_norm": 0.5, "evaluate_every": 3},
    "lbfgs": {"optimizer": "lbfgs", "learning_rate": "auto", "batch_size": "auto", "epochs": 12},
    "stopping": {"early_stopping": STOP, "epochs": 12, "precision": "float64"},
    "plateau": {"learning_rate": PLATEAU, "evaluate_every": 25, "epochs": 12},
}
SPACES: dict[str, dict[str, list[Any]]] = {
    "lbfgs": {"l2": [1.0, 0.1, 1e-6]},
    "plateau": {"l2": [0.0, 0.1, 0.5, 1.0]},
}


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("seed", range(2))
def test_settings_of_every_kind(name: str, seed: int) -> None:
    base, space = trainer(**{"epochs": 6} | SETTINGS[name]), SPACES.get(name, RATES)
    compare(base, space, X, Y, eval_set=HELD_OUT, engine=ScatteringEngine(seed))


PRUNERS = {
    "halving": gs.SuccessiveHalving(2, min_epochs=1),
    "median": gs.MedianStopping(min_epochs=2),
}


@pytest.mark.parametrize("pruner", PRUNERS)
@pytest.mark.parametrize("folds", [None, 3])
@pytest.mark.parametrize("seed", range(2))
def test_rungs_are_barriers_and_diverged_folds_end_the_others(pruner: str, folds: Any, seed: int) -> None:
    options = {"pruner": PRUNERS[pruner], "folds": folds}
    base = trainer(epochs=7, early_stopping=gs.EarlyStopping(patience=3, restore_best=True))
    compare(base, BATCHES, X, Y, engine=ScatteringEngine(seed), **options)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("keep", [True, False])
def test_folds_that_have_not_begun_where_another_diverged_never_have(seed: int, keep: bool) -> None:
    """The first fold alone does not train on a row that no step survives."""
    far = X.copy()
    far[next(StratifiedKFold(4).split(X, Y))[1][0]] *= 1e30
    base, space = trainer(epochs=6, learning_rate=1e-3), {"standardize": [True, False], "batch_size": [8, 9]}
    options = {"folds": 4, "keep_trainers": keep}
    found = gs.Sweep(base, space, random_state=0, **options).fit(far, Y)
    begun = {tuple(own.status.value for own in trial.recorders.values()) for trial in found.trials_}
    assert begun == {("completed",) * 4, ("completed", "diverged")}
    compare(base, space, far, Y, engine=ScatteringEngine(seed), **options)


@pytest.mark.parametrize("losses", [0.2, 0.5])
def test_losses_change_nothing(losses: float) -> None:
    base, engine = trainer(hidden=(4,), epochs=6), ScatteringEngine(3, losses=losses)
    # More than once is no accident: a load is cut, but no model of it is the one that kills.
    expected = gs.Sweep(base, RATES, random_state=0, keep_trainers=True).fit(X, Y)
    with pytest.warns(RuntimeWarning, match="workers were lost; what they trained was trained again"):
        found = gs.Sweep(base, RATES, random_state=0, keep_trainers=True, executor=engine).fit(X, Y)
    assert engine.deaths > 0
    assert_same_search(found, expected)
