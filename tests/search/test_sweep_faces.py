"""Sweeps over scikit-learn's networks: each model is what it is alone, to the bit."""

from __future__ import annotations

import os
import signal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import make_classification, make_multilabel_classification, make_regression
from sklearn.metrics import log_loss
from sklearn.model_selection import KFold
from sklearn.utils import check_random_state

import gradstep as gs
from gradstep.errors import InvalidDataError, InvalidParameterError, NoModelError
from gradstep.sklearn import MLPClassifier, MLPRegressor
from gradstep.utils.hold_out import hold_out_rows

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.usefixtures("python_own_handler"),
]

POINTS, LABELS = make_classification(160, 8, n_informative=5, n_classes=3, random_state=0)
X, Y, HELD_OUT = POINTS[:120], LABELS[:120], (POINTS[120:], LABELS[120:])
SPACE = [
    {"alpha": [1e-4, 1.0], "learning_rate_init": [0.01]},
    {"beta_1": [0.5], "max_iter": [3]},
    {"tol": [0.5], "n_iter_no_change": [2]},
]


def face(**parameters: Any) -> MLPClassifier:
    return MLPClassifier(**{"hidden_layer_sizes": (6,), "max_iter": 9, "random_state": 0} | parameters)


def alone(base: Any, params: dict[str, Any], *rows: Any, **more: Any) -> Any:
    return clone(base).set_params(**params).fit(*rows, **more)


def assert_same(found: Any, expected: Any) -> None:
    """Hold two faces to the same attributes, all of them, to the bit."""
    assert vars(found).keys() == vars(expected).keys()
    for name in ("coefs_", "intercepts_"):
        for own, other in zip(getattr(found, name), getattr(expected, name), strict=True):
            assert own.dtype == other.dtype
            np.testing.assert_array_equal(own, other)
    plain = ("loss_curve_", "validation_scores_", "n_iter_", "t_", "loss_", "best_loss_", "out_activation_")
    for name in (*plain, "best_validation_score_", "n_features_in_", "n_layers_", "_no_improvement_count"):
        assert getattr(found, name) == getattr(expected, name), name
    np.testing.assert_array_equal(found._optimizer.slots, expected._optimizer.slots)
    assert found._optimizer.updates == expected._optimizer.updates
    assert found._optimizer.learning_rate == expected._optimizer.learning_rate


@pytest.mark.parametrize("backend", ["cpp", "numba", "numpy"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_models_are_those_of_fits_alone(backend: str, dtype: str) -> None:
    base, rows = face(backend=backend), X.astype(dtype)
    sweep = gs.Sweep(base, SPACE, keep_trainers=True).fit(rows, Y, eval_set=HELD_OUT)
    assert [len(group.models) for group in sweep.groups_] == [4]
    statuses = ["completed", "completed", "completed", "early_stopped"]
    assert sweep.results_["status"].tolist() == statuses
    for trial, model in zip(sweep.trials_, sweep.trainers_, strict=True):
        assert_same(model, alone(base, trial.params, rows, Y))
    best = sweep.best_trainer_
    assert_same(best, alone(base, sweep.best_params_, rows, Y))
    assert sweep.best_score_ == min(sweep.results_["score"])
    assert best.get_params() == clone(base).set_params(**sweep.best_params_).get_params()


def test_histories_are_curves() -> None:
    sweep = gs.Sweep(face(), SPACE, metric="validation_accuracy", keep_trainers=True)
    sweep.fit(X, Y, eval_set=HELD_OUT)
    for model, history in zip(sweep.trainers_, sweep.histories_, strict=True):
        assert history["running_loss"].tolist() == model.loss_curve_
        assert history["epoch"].tolist() == list(range(1, model.n_iter_ + 1))
        assert history["validation_accuracy"][-1] == model.score(*HELD_OUT)
        expected = log_loss(HELD_OUT[1], model.predict_proba(HELD_OUT[0]))
        assert history["validation_loss"][-1] == pytest.approx(expected, rel=1e-6)
        assert np.isnan(history["validation_cost"]).all()
        assert np.isnan(history["train_loss"]).all()
    scores = [model.score(*HELD_OUT) for model in sweep.trainers_]
    assert sweep.results_["score"].tolist() == scores
    assert sweep.best_score_ == max(scores)


@pytest.mark.parametrize(
    "solver",
    [{"solver": "sgd"}, {"solver": "sgd", "learning_rate": "adaptive", "tol": 0.1}, {"dropout": 0.3}],
)
def test_other_solvers(solver: dict[str, Any]) -> None:
    base = face(n_iter_no_change=2, max_iter=20, **solver)
    space = {"learning_rate_init": [0.1, 0.01], "alpha": [0.0, 0.1]}
    sweep = gs.Sweep(base, space, keep_trainers=True).fit(X, Y, eval_set=HELD_OUT)
    assert len(sweep.groups_) == 1
    for trial, model in zip(sweep.trials_, sweep.trainers_, strict=True):
        assert_same(model, alone(base, trial.params, X, Y))


def test_what_a_pass_cannot_share_makes_groups() -> None:
    space = {"hidden_layer_sizes": [(4,), (5, 3)], "solver": ["sgd", "adam"], "alpha": [0.1, 0.2]}
    sweep = gs.Sweep(face(), space, keep_trainers=True).fit(X, Y, eval_set=HELD_OUT)
    assert [len(group.models) for group in sweep.groups_] == [2] * 4
    assert "hidden_layer_sizes=(5, 3)" in sweep.groups_[-1].reason
    for trial, model in zip(sweep.trials_, sweep.trainers_, strict=True):
        assert_same(model, alone(face(), trial.params, X, Y))


def test_rows_held_out_by_the_sweep() -> None:
    sweep = gs.Sweep(face(), {"alpha": [0.1, 1.0]}, random_state=5, keep_trainers=True).fit(X, Y)
    seed = check_random_state(5).randint(2**31 - 1, size=2)[0]
    own, held_out = hold_out_rows(len(X), Y, 0.2, int(seed), "")
    for trial, model in zip(sweep.trials_, sweep.trainers_, strict=True):
        assert_same(model, alone(face(), trial.params, X[own], Y[own]))
        assert trial.histories[0]["validation_accuracy"][-1] == model.score(X[held_out], Y[held_out])


def test_rows_held_out_by_the_faces() -> None:
    base, space = face(early_stopping=True, max_iter=15, n_iter_no_change=3), {"alpha": [0.1, 1.0]}
    sweep = gs.Sweep(base, space, metric="validation_accuracy", keep_trainers=True).fit(X, Y)
    for trial, model in zip(sweep.trials_, sweep.trainers_, strict=True):
        assert_same(model, alone(base, trial.params, X, Y))
        assert trial.histories[0]["validation_accuracy"].tolist() == model.validation_scores_
        assert trial.score("validation_accuracy") == model.best_validation_score_


def test_folds() -> None:
    splitter = KFold(3, shuffle=True, random_state=0)
    sweep = gs.Sweep(face(), {"alpha": [0.1, 1.0]}, folds=splitter, keep_trainers=True).fit(X, Y)
    assert len(sweep.groups_) == 3
    for trial, models in zip(sweep.trials_, sweep.trainers_, strict=True):
        for fold, (own, held_out) in enumerate(splitter.split(X)):
            assert_same(models[fold], alone(face(), trial.params, X[own], Y[own]))
            found = trial.histories[fold]["validation_accuracy"][-1]
            assert found == models[fold].score(X[held_out], Y[held_out])
    assert_same(sweep.best_trainer_, alone(face(), sweep.best_params_, X, Y))


@pytest.mark.parametrize("pruner", [gs.SuccessiveHalving(2), gs.Hyperband(2), gs.MedianStopping(2)])
def test_pruners_compare_epochs(pruner: Any) -> None:
    space = {"alpha": [1e-4, 1.0], "learning_rate_init": [1e-4, 1e-3, 0.01]}
    sweep = gs.Sweep(face(), space, pruner=pruner, keep_trainers=True).fit(X, Y, eval_set=HELD_OUT)
    statuses = sweep.results_["status"].tolist()
    assert {"pruned", "completed"} == set(statuses)
    for trial, model in zip(sweep.trials_, sweep.trainers_, strict=True):
        whole = alone(face(), trial.params, X, Y)
        if trial.status == "completed":
            assert_same(model, whole)
        else:
            assert model.loss_curve_ == whole.loss_curve_[: model.n_iter_]
            assert model.n_iter_ < 9
            # It can be trained on from where it was left.
            in_steps = alone(face(max_iter=model.n_iter_), trial.params, X, Y).set_params(max_iter=9)
            assert_same(model.partial_fit(X, Y), in_steps.partial_fit(X, Y))


def test_regressors_and_several_outputs() -> None:
    rows, values = make_regression(90, 5, n_targets=2, random_state=0)
    base = MLPRegressor(hidden_layer_sizes=(5,), max_iter=6, random_state=1)
    sweep = gs.Sweep(base, {"alpha": [0.1, 10.0]}, metric="validation_r2", keep_trainers=True)
    sweep.fit(rows[:60], values[:60], eval_set=(rows[60:], values[60:]))
    for trial, model in zip(sweep.trials_, sweep.trainers_, strict=True):
        assert_same(model, alone(base, trial.params, rows[:60], values[:60]))
        assert trial.score("validation_r2") == pytest.approx(model.score(rows[60:], values[60:]), rel=1e-9)
        errors = (model.predict(rows[60:]) - values[60:]) ** 2 / 2
        found = trial.histories[0]["validation_loss"][-1]
        assert found == pytest.approx(errors.sum(axis=1).mean(), rel=1e-6)


def test_several_labels_and_two_classes() -> None:
    rows, labels = make_multilabel_classification(80, 6, n_classes=3, random_state=0)
    for y, column in ((labels, "validation_subset_accuracy"), (labels[:, 0], "validation_accuracy")):
        sweep = gs.Sweep(face(), {"alpha": [0.1, 1.0]}, metric=column, keep_trainers=True)
        sweep.fit(rows[:60], y[:60], eval_set=(rows[60:], y[60:]))
        for trial, model in zip(sweep.trials_, sweep.trainers_, strict=True):
            assert_same(model, alone(face(), trial.params, rows[:60], y[:60]))
            assert trial.score(column) == model.score(rows[60:], y[60:])


def test_weights_and_tables() -> None:
    weight = np.random.default_rng(0).uniform(0.5, 2, len(Y))
    held_out_weight = np.random.default_rng(1).uniform(0.5, 2, len(HELD_OUT[1]))
    names = [f"x{number}" for number in range(8)]
    table, others = pd.DataFrame(X, columns=names), pd.DataFrame(HELD_OUT[0], columns=names)
    y = np.array(["a", "b", "c"])[Y]
    words = np.array(["a", "b", "c"])[HELD_OUT[1]]
    sweep = gs.Sweep(face(), {"alpha": [0.1, 1.0]}, metric="validation_accuracy", keep_trainers=True)
    sweep.fit(table, y, sample_weight=weight, eval_set=(others, words, held_out_weight))
    for trial, model in zip(sweep.trials_, sweep.trainers_, strict=True):
        assert_same(model, alone(face(), trial.params, table, y, sample_weight=weight))
        assert model.feature_names_in_.tolist() == names
        found = trial.score("validation_accuracy")
        assert found == pytest.approx(model.score(others, words, held_out_weight), rel=1e-9)
        assert trial.histories[0].weighted == ("validation",)


def test_seeds() -> None:
    base, given = face(random_state=None), {"eval_set": HELD_OUT}
    one, other = (
        gs.Sweep(base, {"alpha": [0.1, 1.0]}, random_state=3, keep_trainers=True).fit(X, Y, **given)
        for _ in range(2)
    )
    seeds = {model.random_state for model in (*one.trainers_, *other.trainers_)}
    assert len(seeds) == 1
    assert base.random_state is None
    np.testing.assert_array_equal(one.results_["score"], other.results_["score"])
    generator = np.random.RandomState(0)
    sweep = gs.Sweep(face(random_state=generator), {"alpha": [0.1]}, keep_trainers=True).fit(X, Y, **given)
    assert isinstance(sweep.trainers_[0].random_state, int)
    assert generator.randint(1000) == np.random.RandomState(0).randint(1000)
    own = gs.Sweep(base, {"random_state": [1, 2]}, keep_trainers=True).fit(X, Y, **given)
    assert_same(own.trainers_[1], face(random_state=2).fit(X, Y))


def test_callbacks_of_faces_and_of_the_sweep() -> None:
    seen: list[tuple[float, int]] = []

    def watch(model: MLPClassifier, row: dict[str, float]) -> bool:
        seen.append((model.alpha, model.n_iter_))
        assert model.loss_ == row["loss"]
        return model.alpha == 0.1 and row["epoch"] == 2

    sweep = gs.Sweep(face(callbacks=(watch,)), {"alpha": [0.1, 1.0]}, keep_trainers=True)
    sweep.fit(X, Y, eval_set=HELD_OUT)
    assert seen[:4] == [(0.1, 1), (1.0, 1), (0.1, 2), (1.0, 2)]
    assert sweep.results_["status"].tolist() == ["early_stopped", "completed"]
    assert [model.n_iter_ for model in sweep.trainers_] == [2, 9]
    ended = gs.Sweep(face(), {"alpha": [0.1, 1.0]}, callbacks=(lambda sweep: True,))
    ended.fit(X, Y, eval_set=HELD_OUT)
    assert ended.interrupted_
    assert ended.results_["status"].tolist() == ["interrupted"] * 2
    assert ended.best_trainer_.n_iter_ == 1


def test_ctrl_c_keeps_the_table() -> None:
    def press(sweep: gs.Sweep) -> None:
        if len(sweep.histories_[0]) == 3:
            os.kill(os.getpid(), signal.SIGINT)

    sweep = gs.Sweep(face(), {"alpha": [0.1, 1.0]}, callbacks=(press,), keep_trainers=True)
    with pytest.warns(RuntimeWarning, match="search interrupted after 0 of 2 trials"):
        sweep.fit(X, Y, eval_set=HELD_OUT)
    for trial, model in zip(sweep.trials_, sweep.trainers_, strict=True):
        assert trial.status == "interrupted"
        assert model.loss_curve_ == alone(face(max_iter=3), trial.params, X, Y).loss_curve_


def test_what_diverges_has_no_score() -> None:
    space = {"learning_rate_init": [0.01, 1e300]}
    sweep = gs.Sweep(face(solver="sgd"), space).fit(X, Y, eval_set=HELD_OUT)
    assert sweep.results_["status"].tolist() == ["completed", "diverged"]
    assert np.isnan(sweep.results_["score"][1])
    assert sweep.best_index_ == 0
    with pytest.raises(NoModelError, match=r"no trial .* \(1 diverged\)"):
        _ = gs.Sweep(face(solver="sgd"), {"learning_rate_init": [1e300]}).fit(X, Y).best_trainer_


def test_other_searches_and_reports(tmp_path: Any) -> None:
    found = gs.coarse_to_fine(
        face(max_iter=3), {"alpha": gs.LogUniform(1e-4, 1)}, X, Y, rounds=[(3, 1.0), (2, 0.5)], random_state=0
    )
    assert found.results_["round"].tolist() == [1, 1, 1, 2, 2]
    assert isinstance(found.best_trainer_, MLPClassifier)
    gs.report(found.best_sweep_, tmp_path / "page.html")
    assert "alpha" in (tmp_path / "page.html").read_text(encoding="utf-8")
    with pytest.raises(InvalidParameterError, match="`test_set` of report must be None where"):
        gs.report(found.best_sweep_, tmp_path / "page.html", test_set=HELD_OUT)


BAD: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({}, {"alpha": [0.1, -1.0]}, r"^trial 1 of Sweep has alpha=-1\.0: .*'alpha' .*-1\.0"),
    ({}, {"l2": [0.1]}, r"`space` of Sweep: MLPClassifier has no parameter 'l2'; it has activation, alpha"),
    (
        {},
        {"solver": ["adam", "lbfgs"]},
        "trial 1 .*`solver` of MLPClassifier must be 'adam' or",
    ),
    (
        {"early_stopping": True},
        {"alpha": [0.1]},
        "`early_stopping` of MLP.* must be False where eval_set",
    ),
    ({}, {"early_stopping": [True, False]}, "must be False where eval_set"),
]


@pytest.mark.parametrize("parameters, space, message", BAD)
def test_bad_settings(parameters: dict[str, Any], space: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidParameterError, match=message):
        gs.Sweep(face(**parameters), space).fit(X, Y, eval_set=HELD_OUT)


def test_folds_of_a_table_are_read_for_trainers_alone(tmp_path: Any) -> None:
    table = pd.DataFrame(np.where(X > 2, np.nan, X), columns=list("abcdefgh")).assign(label=Y)
    table.to_csv(tmp_path / "table.csv", index=False)
    data = gs.datasets.load_csv(tmp_path / "table.csv", target="label", validation=None, test=None)
    assert gs.Sweep(face(), {"alpha": [0.1]}).fit_table(data).best_trainer_.n_features_in_ == 8
    with pytest.raises(InvalidParameterError, match="must be a Trainer or Regressor where a table is read"):
        gs.Sweep(face(), {"alpha": [0.1]}, folds=3).fit_table(data)


def test_bad_searches() -> None:
    space = {"alpha": [0.1]}
    with pytest.raises(InvalidParameterError, match=r"train_loss, which needs one of running_loss"):
        gs.Sweep(face(), space, metric="train_loss").fit(X, Y)
    with pytest.raises(InvalidParameterError, match=r"needs validation rows, by `validation_share` of Sweep"):
        gs.Sweep(face(), space, validation_share=None).fit(X, Y)
    gs.Sweep(face(), space, validation_share=None, metric="running_loss").fit(X, Y)
    with pytest.raises(InvalidParameterError, match=r"must be False where `folds` of Sweep gives"):
        gs.Sweep(face(early_stopping=True), space, folds=3).fit(X, Y)
    with pytest.raises(InvalidParameterError, match=r"`early_stopping` must be set in every .* in 1 of 2"):
        gs.Sweep(face(), {"early_stopping": [True, False]}).fit(X, Y)
    with pytest.raises(InvalidParameterError, match="must be a Trainer for an ensemble"):
        gs.Sweep(face(), space, keep_trainers=True).fit(X, Y).ensemble()
    with pytest.raises(InvalidParameterError, match="`executor` of Sweep must be None for MLPClassifier"):
        gs.Sweep(face(), space, executor=2).fit(X, Y)
    with pytest.raises(InvalidDataError, match="labels of the rows to train on alone, got 7"):
        gs.Sweep(face(), space).fit(X, Y, eval_set=(HELD_OUT[0], np.full(40, 7)))
    with pytest.raises(InvalidDataError, match=r"validation rows of Sweep cannot be read: .*features"):
        gs.Sweep(face(), space).fit(X, Y, eval_set=(HELD_OUT[0][:, :3], HELD_OUT[1]))
    with pytest.raises(InvalidDataError, match=r"Sweep\.fit"):
        gs.Sweep(face(), space).fit(X, Y[:5])
    with pytest.raises(ValueError, match="NaN"):
        gs.Sweep(face(), space).fit(np.where(X > 2, np.nan, X), Y)
