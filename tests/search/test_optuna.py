"""Searches that a study of Optuna drives: what is trained, and what the study is told."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import textwrap
import warnings
from typing import Any

import numpy as np
import pytest

import gradstep as gs
from gradstep.errors import InvalidDataError, InvalidParameterError
from gradstep.search.study_space import StudySpace
from gradstep.sklearn import MLPClassifier
from gradstep.utils.processes import this_process
from sweep_cases import HELD_OUT, X, Y, alone, trainer

optuna = pytest.importorskip("optuna")
optuna.logging.set_verbosity(optuna.logging.ERROR)

COMPLETE, PRUNED, FAIL, RUNNING = (
    getattr(optuna.trial.TrialState, name) for name in ("COMPLETE", "PRUNED", "FAIL", "RUNNING")
)
L2 = {"l2": gs.LogUniform(1e-5, 1.0)}


def study(**parameters: Any) -> Any:
    return optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0), **parameters)


def search(driven: Any, space: Any = L2, base: Any = None, **parameters: Any) -> Any:
    base = trainer() if base is None else base
    return gs.optuna.search(driven, base, space, X, Y, eval_set=HELD_OUT, **({"n_trials": 4} | parameters))


def states(driven: Any) -> list[Any]:
    return [trial.state for trial in driven.trials]


def test_a_study_is_told_what_each_setting_is_worth_alone() -> None:
    driven = study()
    space = L2 | {"hidden": [(), (5,)], "batch_size": [8, 16], "optimizer__momentum": gs.Uniform(0, 0.9)}
    base = trainer(optimizer=gs.optimizers.SGD(momentum=0.5))
    found = search(driven, space, base, n_trials=10, batch=4)
    assert [len(sweep.trials_) for sweep in found.sweeps] == [4, 4, 2]
    assert states(driven) == [COMPLETE] * 10
    own = [trial for sweep in found.sweeps for trial in sweep.trials_]
    for trial, ours in zip(driven.trials, own, strict=True):
        assert ours.params == trial.params | {"hidden": {"()": (), "(5,)": (5,)}[trial.params["hidden"]]}
        expected = alone(base, ours.params, X, Y, eval_set=HELD_OUT).history_["validation_loss"][-1]
        assert trial.value == expected
        assert trial.user_attrs["status"] == "completed"
        assert trial.user_attrs["n_iter"] == base.epochs
    assert found.best_score_ == driven.best_value
    assert found.results_["trial"].tolist() == list(range(10))
    assert found.results_["batch"].tolist() == [1] * 4 + [2] * 4 + [3] * 2
    assert found.best_trainer_.evaluate(*HELD_OUT).loss == pytest.approx(driven.best_value, rel=1e-6)


def test_a_batch_trains_in_one_pass_and_is_seeded() -> None:
    first, second = study(), study()
    found = search(first, n_trials=12, batch=6)
    assert [len(sweep.groups_) for sweep in found.sweeps] == [1, 1]
    search(second, n_trials=12, batch=6)
    assert [trial.params for trial in first.trials] == [trial.params for trial in second.trials]
    assert [trial.value for trial in first.trials] == [trial.value for trial in second.trials]


@pytest.mark.parametrize("folds", [None, 3])
def test_rungs_are_reported_and_who_leaves_is_pruned(folds: int | None) -> None:
    driven = study(direction="maximize")
    options = {"folds": folds, "metric": "validation_accuracy", "pruner": gs.SuccessiveHalving(2)}
    space, base = {"learning_rate": [1e-4, 1e-2, 0.1, 1e307]}, trainer(epochs=5)
    driven.sampler = optuna.samplers.GridSampler({"learning_rate": [1e-4, 1e-2, 0.1, 1e307]}, seed=0)
    found = gs.optuna.search(
        driven, base, space, X, Y, eval_set=None if folds else HELD_OUT, n_trials=4, **options
    )
    assert sorted(state.name for state in states(driven)) == ["COMPLETE", "FAIL", "PRUNED", "PRUNED"]
    for trial, own in zip(driven.trials, found.sweeps[0].trials_, strict=True):
        histories, reported = own.histories, trial.intermediate_values
        if trial.state == FAIL:
            assert trial.user_attrs["status"] == "diverged"
            assert "no longer finite" in trial.user_attrs["error"]
            assert trial.params["learning_rate"] == 1e307
            continue
        assert list(reported) == [epoch for epoch in (1, 2, 4, 5) if epoch <= trial.user_attrs["n_iter"]]
        for epoch, value in reported.items():
            assert value == np.mean([history["validation_accuracy"][epoch - 1] for history in histories])
        assert trial.value == own.score("validation_accuracy")
        assert trial.user_attrs["status"] == ("completed" if trial.state == COMPLETE else "pruned")


def test_what_is_over_is_told_while_others_train() -> None:
    driven, seen = study(), []

    def watch(sweep: gs.Sweep) -> None:
        seen.append([trial.state for trial in driven.trials])

    search(driven, {"epochs": [1, 3]}, n_trials=6, callbacks=(watch,))
    assert [RUNNING in now and COMPLETE in now for now in seen[:-1]] != [False] * (len(seen) - 1)
    assert states(driven) == [COMPLETE] * 6


def test_a_model_that_ends_early_is_worth_its_best() -> None:
    driven = study()
    base = trainer(epochs=30, learning_rate=0.5, early_stopping=gs.EarlyStopping(patience=2))
    found = search(driven, base=base, pruner=gs.SuccessiveHalving(2, 8))
    for trial, own in zip(driven.trials, found.sweeps[0].trials_, strict=True):
        history = own.histories[0]
        assert own.status == "early_stopped"
        assert trial.value == history["validation_loss"].min()
        assert trial.user_attrs["n_iter"] == len(history) == max(trial.intermediate_values)


def test_distributions_are_those_of_optuna() -> None:
    of = optuna.distributions
    adam, cosine = gs.optimizers.Adam(beta1=0.8), gs.schedules.Cosine(0.1)
    space = {
        "l2": gs.LogUniform(1e-5, 1e-1),
        "dropout": gs.Uniform(0, 0.5),
        "batch_size": gs.IntUniform(8, 32),
        "loss": gs.Choice(["softmax", "sigmoid"]),
        "standardize": [True, False],
        "hidden": [(), (5, 4)],
        "optimizer": ["sgd", adam],
        "learning_rate": [0.1, cosine],
        "epochs": np.array([1, 2]),
    }
    driven = study()
    trial, setting = StudySpace(space, space, "Trainer").ask(driven)
    assert trial.distributions == {
        "l2": of.FloatDistribution(1e-5, 1e-1, log=True),
        "dropout": of.FloatDistribution(0.0, 0.5),
        "batch_size": of.IntDistribution(8, 32),
        "loss": of.CategoricalDistribution(("softmax", "sigmoid")),
        "standardize": of.CategoricalDistribution((True, False)),
        "hidden": of.CategoricalDistribution(("()", "(5, 4)")),
        "optimizer": of.CategoricalDistribution(("sgd", repr(adam))),
        "learning_rate": of.CategoricalDistribution((0.1, repr(cosine))),
        "epochs": of.CategoricalDistribution((1, 2)),
    }
    driven.enqueue_trial(trial.params | {"hidden": "(5, 4)", "optimizer": repr(adam), "epochs": 2})
    trial, setting = StudySpace(space, space, "Trainer").ask(driven)
    found = setting()
    assert (found["hidden"], found["optimizer"], found["epochs"]) == ((5, 4), adam, 2)
    assert found["l2"] == trial.params["l2"]


def test_a_function_may_have_conditions_and_leave_trials_out() -> None:
    def space(trial: Any) -> dict[str, Any]:
        depth = trial.suggest_int("depth", 0, 2)
        if trial.number in (1, 6, 7):
            raise optuna.TrialPruned
        setting = {"hidden": (4,) * depth, "l2": trial.suggest_float("l2", 1e-5, 1e-1, log=True)}
        return setting | ({"dropout": trial.suggest_float("share", 0, 0.5)} if depth else {})

    driven = study()
    found = search(driven, space, n_trials=8, batch=3)
    assert [number for number, state in enumerate(states(driven)) if state == PRUNED] == [1, 6, 7]
    assert found.results_["trial"].tolist() == [0, 2, 3, 4, 5]
    for trial, own in zip(
        [driven.trials[number] for number in found.numbers],
        [own for sweep in found.sweeps for own in sweep.trials_],
        strict=True,
    ):
        assert len(own.params["hidden"]) == trial.params["depth"]
        assert own.params.get("dropout") == trial.params.get("share")
        assert own.params["l2"] == trial.params["l2"]


def test_a_batch_that_is_left_out_altogether() -> None:
    def space(trial: Any) -> dict[str, Any]:
        raise optuna.TrialPruned

    driven = study()
    found = search(driven, space, n_trials=3, batch=2)
    assert states(driven) == [PRUNED] * 3
    with pytest.raises(gs.errors.NoModelError, match=r"no trial of the 0 batches of optuna\.search"):
        _ = found.best_trainer_


def test_rows_held_out_are_those_of_the_study() -> None:
    driven = study()
    for _ in range(2):
        gs.optuna.search(driven, trainer(), {"l2": [0.01]}, X, Y, n_trials=2, batch=1)
    assert len({trial.value for trial in driven.trials}) == 1
    other = study()
    gs.optuna.search(other, trainer(), {"l2": [0.01]}, X, Y, n_trials=1, random_state=7)
    again = study()
    gs.optuna.search(again, trainer(), {"l2": [0.01]}, X, Y, n_trials=1, random_state=7)
    assert other.best_value == again.best_value != driven.best_value


def test_workers_come_to_the_same() -> None:
    told = []
    for executor in (None, 2):
        driven = study()
        space = L2 | {"learning_rate": [1e-3, 0.1, 1e307]}
        search(driven, space, n_trials=6, pruner=gs.SuccessiveHalving(2), executor=executor)
        told.append([(trial.state, trial.values, trial.intermediate_values) for trial in driven.trials])
        assert {COMPLETE, PRUNED} <= set(states(driven))
    assert told[0] == told[1]


def test_scikit_learns_networks_are_driven_too() -> None:
    driven = study(direction="maximize")
    base = MLPClassifier((4,), max_iter=4, random_state=0)
    found = search(
        driven, {"alpha": gs.LogUniform(1e-5, 1)}, base, metric="validation_accuracy", pruner=gs.Hyperband(2)
    )
    assert found.best_score_ == found.best_trainer_.score(*HELD_OUT) == driven.best_value


def test_a_sampler_that_has_tried_all_ends_the_search() -> None:
    driven = optuna.create_study(sampler=optuna.samplers.GridSampler({"l2": [0.0, 0.1, 1.0]}, seed=0))
    search(driven, {"l2": [0.0, 0.1, 1.0]}, n_trials=9, batch=3)
    assert sorted(trial.params["l2"] for trial in driven.trials) == [0.0, 0.1, 1.0]
    assert states(driven) == [COMPLETE] * 3


KILLED = """
import os, optuna, gradstep as gs
sampler = optuna.samplers.RandomSampler(seed=0)  # by some seeds all would be told before the end
study = optuna.create_study(storage={storage!r}, study_name="s", sampler=sampler)
study.ask()  # of somebody else
digits = gs.datasets.load_digits().train
gs.optuna.search(study, gs.Trainer(epochs=3, random_state=0), {{"hidden": [(), (4,)], "epochs": [1, 3]}},
                 digits.X[:100], digits.y[:100], n_trials=4, batch=2,
                 callbacks=(lambda sweep: len(study.trials) > 3 and os.kill(os.getpid(), 9),))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="which process runs is read in /proc")
def test_a_killed_search_goes_on(tmp_path: Any) -> None:
    storage = f"sqlite:///{tmp_path}/study.db"
    code = textwrap.dedent(KILLED.format(storage=storage))
    killed = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    driven = optuna.load_study(study_name="s", storage=storage)
    assert states(driven).count(RUNNING) >= 2
    dead = [
        trial.number
        for trial in driven.trials
        if trial.state == RUNNING and "gradstep_run" in trial.user_attrs
    ]
    assert dead
    digits = gs.datasets.load_digits().train
    space = {"hidden": [(), (4,)], "epochs": [1, 3]}
    gs.optuna.search(driven, trainer(), space, digits.X[:100], digits.y[:100], n_trials=3)
    now = states(driven)
    assert now[0] == RUNNING
    assert [now[number] for number in dead] == [FAIL] * len(dead)
    assert now[-3:] == [COMPLETE] * 3


def test_runs_that_are_alive_or_elsewhere_stay() -> None:
    driven = study()
    ours, theirs, others = (driven.ask() for _ in range(3))
    ours.set_user_attr("gradstep_run", this_process())
    theirs.set_user_attr("gradstep_run", "far-away - 17 12345")
    with pytest.warns(UserWarning, match=r"trials 1 of study .* run on another machine"):
        search(driven, n_trials=1)
    assert states(driven) == [RUNNING] * 3 + [COMPLETE]
    assert others.number == 2


def test_an_interrupted_search_leaves_nothing_running() -> None:
    driven = study()

    def press(sweep: gs.Sweep) -> None:
        if len(driven.trials) > 4:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.warns(RuntimeWarning, match="search interrupted after 0 of 4 trials"):
        found = search(driven, n_trials=12, batch=4, callbacks=(press,))
    assert found.interrupted_
    assert states(driven) == [COMPLETE] * 4 + [FAIL] * 4
    assert driven.trials[5].user_attrs["status"] == "interrupted"
    assert found.best_score_ == driven.best_value


def test_an_error_leaves_nothing_running() -> None:
    def fail(sweep: gs.Sweep) -> None:
        raise LookupError("mine")

    driven = study()
    with pytest.raises(LookupError, match="mine"):
        search(driven, callbacks=(fail,))
    assert states(driven) == [FAIL] * 4
    driven = study()
    with pytest.raises(
        InvalidParameterError, match=r"^trial \d of the study has batch_size=0: `batch_size` of"
    ):
        search(driven, {"batch_size": gs.IntUniform(0, 1)}, n_trials=8)
    assert set(states(driven)) == {FAIL}
    driven = study()
    with pytest.raises(ZeroDivisionError):
        search(driven, lambda trial: {"l2": 1 / trial.number})
    assert states(driven) == [FAIL]
    with pytest.raises(InvalidDataError, match=r"of optuna\.search"):
        gs.optuna.search(driven, trainer(), L2, X, Y[:5], n_trials=2)


def test_a_score_that_is_no_number_has_failed() -> None:
    driven = study()
    base = trainer(metrics=[gs.Scorer(lambda model, X, y: math.nan, name="nothing")])
    driven_up = study(direction="maximize")
    search(driven_up, base=base, metric="validation_nothing", n_trials=2)
    assert states(driven_up) == [FAIL] * 2
    assert driven.trials == []


def test_gradstep_imports_no_optuna_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import sys, gradstep; gradstep.optuna.search; print('optuna' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"
    )
    driven = study()
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(
        ImportError, match=r"gradstep\.optuna\.search needs Optuna: pip install 'gradstep\[optuna\]'"
    ):
        search(driven)


def test_studies_may_be_driven_by_warnings_as_errors() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        search(study(), {"hidden": [(), (4, 3)], "optimizer": ["sgd", gs.optimizers.Adam()]}, n_trials=2)
