"""Sweep: every model is the one it would be alone, and what the search tells of them."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import scipy.stats
from sklearn.base import clone

import gradstep as gs
from gradstep.errors import NoModelError
from gradstep.nn import schedules
from gradstep.training import loop
from sweep_cases import HELD_OUT, HERE, X, Y, alone, assert_as_alone, assert_same_model, trainer

EVAL = {"eval_set": HELD_OUT}


def fitted(base, space, n_trials=None, **parameters):
    sweep = gs.Sweep(base, space, n_trials, **{"random_state": 0, "keep_trainers": True} | parameters)
    return sweep.fit(X, Y, **EVAL)


@pytest.mark.parametrize("name", HERE)
@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("hidden, n_threads", [((), 1), ((7,), 2), ((9, 5), 3)])
def test_a_model_of_a_group_is_the_model_alone(name, precision, hidden, n_threads):
    base = trainer(backend=name, precision=precision, hidden=hidden, n_threads=n_threads, epochs=3)
    space = {
        "l2": gs.LogUniform(1e-4, 1),
        "learning_rate": gs.Choice([0.05, schedules.Linear(0.3, 0.0), lambda t: 0.2 / (1 + t)]),
        "init": gs.Choice([gs.Normal(0.1, seed=3), gs.He(seed=4), "xavier", "he"]),
    }
    sweep = fitted(base, space, 13)
    assert len(sweep.groups_) == 1
    assert_as_alone(sweep, X, Y, **EVAL)


@pytest.mark.parametrize("name", HERE)
@pytest.mark.parametrize("n_trials", [1, 2, 37])
def test_any_number_of_models(name, n_trials):
    base = trainer(backend=name, batch_size=13, epochs=2, hidden=(3,))
    sweep = fitted(base, {"l2": gs.LogUniform(1e-5, 1)}, n_trials)
    assert [len(group.models) for group in sweep.groups_] == [n_trials]
    assert_as_alone(sweep, X, Y, **EVAL)


@pytest.mark.parametrize("name", HERE)
def test_place_in_the_group_and_company_do_not_matter(name):
    base, values = trainer(backend=name, hidden=(5,)), np.geomspace(1e-5, 1, 11).tolist()
    first = fitted(base, {"l2": values})
    order = np.random.default_rng(0).permutation(11)[:7]
    second = fitted(base, {"l2": [values[i] for i in order]})
    for place, i in enumerate(order):
        assert_same_model(second.trainers_[place], first.trainers_[i])


@pytest.mark.parametrize("name", HERE)
@pytest.mark.parametrize("evaluate_every", ["epoch", "running", 5])
def test_models_that_diverge_leave_and_others_do_not_notice(name, evaluate_every):
    base = trainer(backend=name, hidden=(4,), evaluate_every=evaluate_every)
    rates = [0.1, 1e30, 0.02, schedules.Geometric(1e-3, 1e35), 1e8, 0.3]
    sweep = fitted(base, {"learning_rate": rates, "l2": [0.0, 0.1]})
    statuses = sweep.results_["status"].tolist()
    assert statuses.count("diverged") >= 4
    assert statuses.count("completed") >= 6
    assert_as_alone(sweep, X, Y, **EVAL)


@pytest.mark.parametrize("name", HERE)
def test_rules_of_a_trainer_work_for_each_model(name):
    stops = [None, gs.EarlyStopping("train_loss", 1, 0.05), gs.EarlyStopping(patience=1, restore_best=False)]
    plateau = schedules.ReduceOnPlateau(0.5, 0.5, 1, "validation_loss")
    base = trainer(backend=name, epochs=12, hidden=(4,))
    sweep = fitted(base, {"early_stopping": stops, "learning_rate": [0.5, 1.0, plateau], "l2": [0.0, 0.05]})
    lengths = [len(history) for history in sweep.histories_]
    assert len(set(lengths)) > 2
    assert max(lengths) == 12
    assert {"completed", "early_stopped"} <= set(sweep.results_["status"])
    assert any(len(set(history["learning_rate"])) > 1 for history in sweep.histories_)
    assert_as_alone(sweep, X, Y, **EVAL)


@pytest.mark.parametrize("name", HERE)
def test_parameters_that_a_pass_shares_make_groups(name):
    space = {"hidden": [(), (6,)], "batch_size": [8, 16], "l2": [0.0, 0.1], "loss": ["softmax", "sigmoid"]}
    sweep = fitted(trainer(backend=name, epochs=2), space)
    assert [len(group.models) for group in sweep.groups_] == [2] * 8
    assert sweep.groups_[0].reason == "batch_size=8, hidden=(), loss='softmax'"
    assert_as_alone(sweep, X, Y, **EVAL)


def test_rows_of_every_kind_and_weights():
    weight = np.linspace(0, 2, len(Y))
    labels = np.array(["ape", "bee", "cat"])
    for rows in (X.astype(np.float32), np.clip(X, 0, 255).astype(np.uint8)):
        sweep = gs.Sweep(trainer(), {"l2": [0.0, 0.1], "standardize": [True, False]}, keep_trainers=True)
        given = {"sample_weight": weight, "eval_set": (HELD_OUT[0], labels[HELD_OUT[1]])}
        assert_as_alone(sweep.fit(rows, labels[Y], **given), rows, labels[Y], **given)
    assert sweep.best_trainer_.predict(rows).dtype == labels.dtype


def test_callbacks_of_a_trainer_see_their_own_model():
    seen = []

    def watch(model, row):
        seen.append((model.l2, row["update"], model.coefs_[0].copy(), len(model.history_)))
        return model.l2 == 0.5 and row["epoch"] == 2

    sweep = fitted(trainer(callbacks=(watch,), epochs=3), {"l2": [0.0, 0.5]})
    assert [(l2, update, rows) for l2, update, _, rows in seen] == [
        (0.0, 9, 1), (0.5, 9, 1), (0.0, 18, 2), (0.5, 18, 2), (0.0, 27, 3),
    ]  # fmt: skip
    assert sweep.results_["status"].tolist() == ["completed", "early_stopped"]
    np.testing.assert_array_equal(seen[3][2], sweep.trainers_[1].coefs_[0])


def test_all_trials_share_what_random_state_gives_unless_the_space_names_it():
    shared = fitted(trainer(random_state=None), {"l2": [0.0, 0.1]})
    assert len({model.random_state for model in shared.trainers_}) == 1
    again = fitted(trainer(random_state=None), {"l2": [0.0, 0.1]})
    assert_same_model(again.trainers_[1], shared.trainers_[1])
    other = fitted(trainer(random_state=None), {"l2": [0.0, 0.1]}, random_state=1)
    assert (other.trainers_[0].coefs_[0] != shared.trainers_[0].coefs_[0]).any()
    apart = fitted(trainer(), {"random_state": [0, 1, 2]})
    assert len(apart.groups_) == 3
    assert_as_alone(apart, X, Y, **EVAL)
    state = np.random.RandomState(5)
    fitted(trainer(random_state=state), {"l2": [0.0]})
    assert state.randint(1000) == np.random.RandomState(5).randint(1000)


def test_seeds_of_weights_within_one_group():
    sweep = fitted(trainer(init=gs.Normal(0.5)), {"init__seed": [1, 2, None]})
    assert len(sweep.groups_) == 1
    assert len({model.coefs_[0].tobytes() for model in sweep.trainers_}) == 3
    assert_as_alone(sweep, X, Y, **EVAL)


def test_the_best_is_that_of_the_metric():
    space = {"l2": [1.0, 0.0, 0.1], "learning_rate": [1e30, 0.1]}
    by_loss = fitted(trainer(), space, keep_trainers=False)
    assert by_loss.best_params_ == {"l2": 0.0, "learning_rate": 0.1}
    assert by_loss.best_index_ == 3
    expected = alone(trainer(), by_loss.best_params_, X, Y, **EVAL)
    assert_same_model(by_loss.best_trainer_, expected)
    assert by_loss.best_score_ == by_loss.best_trainer_.evaluate(*HELD_OUT).loss
    by_accuracy = fitted(trainer(), space, metric="train_accuracy")
    assert by_accuracy.best_score_ == np.nanmax(by_accuracy.results_["score"])
    assert by_accuracy.best_score_ == by_accuracy.best_trainer_.evaluate(X, Y).accuracy


def test_the_score_is_that_of_the_model_kept():
    base = trainer(learning_rate=schedules.Geometric(0.05, 60), epochs=12)
    stops = [gs.EarlyStopping(patience=3), gs.EarlyStopping(patience=3, restore_best=False)]
    sweep = fitted(base, {"early_stopping": stops})
    scores = sweep.results_["score"].tolist()
    assert scores == [model.evaluate(*HELD_OUT).loss for model in sweep.trainers_]
    assert scores[0] < scores[1]
    assert scores[0] == sweep.results_["best_validation_loss"][0]


def test_only_the_best_model_is_kept_unless_asked():
    sweep = fitted(trainer(), {"l2": [1.0, 0.0, 0.1]}, keep_trainers=False)
    assert [hasattr(trial.trainer(), "coefs_") for trial in sweep.trials_] == [False, True, False]
    assert [len(history) for history in sweep.histories_] == [4, 4, 4]
    with pytest.raises(NoModelError, match="needs keep_trainers=True"):
        _ = sweep.trainers_


def test_rows_are_held_out_of_every_class_alike():
    sweep = gs.Sweep(trainer(), {"l2": [0.0, 0.1]}, random_state=3, validation_share=0.3, keep_trainers=True)
    sweep.fit(X, Y)
    again = gs.Sweep(trainer(), {"l2": [0.0, 0.1]}, random_state=3, validation_share=0.3, keep_trainers=True)
    assert_same_model(again.fit(X.tolist(), Y.tolist()).trainers_[1], sweep.trainers_[1])
    assert sweep.trainers_[0].history_["update"][0] == -(-46 // 8)
    assert np.isfinite(sweep.results_["validation_loss"]).all()
    none = gs.Sweep(trainer(), {"l2": [0.0]}, metric="train_loss", validation_share=None, keep_trainers=True)
    assert_as_alone(none.fit(X, Y), X, Y)


def test_memory_cuts_groups_and_says_so(caplog):
    whole = fitted(trainer(), {"l2": gs.Uniform(0, 1)}, 7)
    with caplog.at_level("INFO", "gradstep"):
        cut = fitted(trainer(), {"l2": gs.Uniform(0, 1)}, 7, max_memory=2000)
    assert [len(group.models) for group in cut.groups_] == [3, 2, 2]
    reason = "all models are alike; cut into 3, for 2,000 bytes hold 3 models of 576"
    assert {group.reason for group in cut.groups_} == {reason}
    assert reason in caplog.text
    for model, other in zip(cut.trainers_, whole.trainers_, strict=True):
        assert_same_model(model, other)


def test_a_group_that_memory_does_not_hold_is_halved(monkeypatch, caplog):
    whole = fitted(trainer(), {"l2": gs.Uniform(0, 1)}, 5)
    train = loop.TrainingLoop._train

    def narrow(group, *given):
        if len(group.observers) > 2:
            raise MemoryError("3 pages")
        return train(group, *given)

    monkeypatch.setattr(loop.TrainingLoop, "_train", narrow)
    with caplog.at_level("INFO", "gradstep"):
        cut = fitted(trainer(), {"l2": gs.Uniform(0, 1)}, 5)
    assert [len(group.models) for group in cut.groups_] == [2, 1, 2]
    assert "cut in two, for memory did not hold 5 models: 3 pages" in cut.groups_[2].reason
    assert "cut in two" in caplog.text
    for model, other in zip(cut.trainers_, whole.trainers_, strict=True):
        assert_same_model(model, other)
    monkeypatch.setattr(loop.TrainingLoop, "_train", lambda *_: (_ for _ in ()).throw(MemoryError("full")))
    with pytest.raises(MemoryError, match="full"):
        fitted(trainer(), {"l2": [0.0, 0.1]})


def test_distributions_of_scipy():
    sweep = fitted(trainer(), {"l2": scipy.stats.loguniform(1e-4, 1), "hidden": [(), (3,)]}, 6)
    assert {type(trial.params["l2"]) for trial in sweep.trials_} == {float}
    assert sweep.results_["l2"].dtype == np.float64
    assert ((sweep.results_["l2"] >= 1e-4) & (sweep.results_["l2"] <= 1)).all()
    assert {trial.params["hidden"] for trial in sweep.trials_} == {(), (3,)}


def test_the_table(tmp_path, capsys):
    space = {"l2": [0.0, 0.1], "learning_rate": [schedules.StepDecay(0.1), 1e300], "hidden": [(), (2,)]}
    sweep = fitted(trainer(), space, verbose=1)
    table = sweep.results_
    assert table["trial"].tolist() == list(range(8))
    assert dict(table).keys() == set(table)
    first = sweep.histories_[0].rows
    best = min(first, key=lambda row: row["validation_loss"])
    assert table["best_epoch"][0] == best["epoch"]
    assert table["best_validation_accuracy"][0] == best["validation_accuracy"]
    for name in ("validation_loss", "validation_cost", "validation_accuracy", "train_loss", "running_loss"):
        assert table[name][0] == first[-1][name]
    assert table["seconds"][0] == first[-1]["seconds"]
    assert table["status"].tolist() == ["completed", "completed", "diverged", "diverged"] * 2
    assert np.isnan(table["score"][2])
    assert table["updates"].tolist()[:2] == [36, 36]

    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "group 0: 4 models; hidden=()"
    assert printed[2].startswith("search ")
    shown = printed[printed.index("") + 1 :]
    assert shown == str(table).splitlines()
    assert shown[1].split()[0] == str(sweep.best_index_)
    assert "StepDecay(start=0.1, factor=0.1, every=10)" in shown[1]

    frame = table.to_pandas()
    assert frame["l2"].tolist() == table["l2"].tolist()
    assert frame.shape == (8, len(table))
    table.to_csv(tmp_path / "table.csv")
    with (tmp_path / "table.csv").open(newline="") as file:
        cells = list(csv.DictReader(file))
    assert [float(row["l2"]) for row in cells] == table["l2"].tolist()
    assert cells[2]["score"] == ""
    table.to_json(tmp_path / "table.json")
    rows = json.loads((tmp_path / "table.json").read_text())
    assert rows[2]["score"] is None
    assert rows[0]["learning_rate"] == {"schedule": "StepDecay", "start": 0.1, "factor": 0.1, "every": 10}
    assert rows[1]["hidden"] == [2]
    with pytest.raises(gs.errors.InvalidParameterError, match="Results has no column 'l3'; it has trial, l2"):
        _ = table["l3"]


def test_the_search_can_be_watched_and_ended():
    seen = []

    def watch(sweep):
        seen.append(sweep.results_["status"].tolist())
        return len(seen) == 5

    sweep = fitted(trainer(), {"hidden": [(), (3,)], "l2": [0.0, 0.1]}, callbacks=(watch,))
    assert seen[0] == ["running", "running", "waiting", "waiting"]
    assert seen[4] == ["completed", "completed", "running", "running"]
    assert sweep.interrupted_
    assert sweep.results_["status"].tolist() == ["completed", "completed", "interrupted", "interrupted"]
    assert sweep.best_index_ in (0, 1)
    assert len(sweep.histories_[3]) == 1


def test_stopping_and_pruners_go_by_the_metric_of_the_search_unless_they_are_told():
    rule = gs.EarlyStopping(patience=1, restore_best=True)
    long = trainer(epochs=30, learning_rate=0.5)
    base = clone(long).set_params(early_stopping=rule)
    space, metric = {"l2": [0.0, 0.1]}, "validation_accuracy"
    sweep = fitted(base, space, metric=metric)
    for trial, model in zip(sweep.trials_, sweep.trainers_, strict=True):
        params = trial.params | {"early_stopping": gs.EarlyStopping(metric, patience=1)}
        assert_same_model(model, alone(long, params, X, Y, eval_set=HELD_OUT))
        assert model.history_[metric].max() == sweep.results_["score"][trial.number]
    told = base.set_params(early_stopping=gs.EarlyStopping("validation_loss", patience=1))
    by_loss = fitted(told, space, metric=metric)
    assert by_loss.trainers_[0].early_stopping.monitor == "validation_loss"
    assert {len(model.history_) for model in by_loss.trainers_} != {
        len(model.history_) for model in sweep.trainers_
    }
    quick = trainer(epochs=4)
    rates = {"learning_rate": [1e-3, 0.05, 0.5, 2.0]}
    found = fitted(quick, rates, metric=metric, pruner=gs.SuccessiveHalving(2))
    named = fitted(quick, rates, metric=metric, pruner=gs.SuccessiveHalving(2, metric=metric))
    assert found.results_["status"].tolist() == named.results_["status"].tolist()
    assert found.pruner.metric is None
