"""A `Sweep` over scikit-learn's networks in a folder: each goes on to what it is alone, to the bit."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import make_classification, make_regression

import gradstep as gs
from gradstep.errors import CheckpointError
from gradstep.sklearn import MLPClassifier, MLPRegressor
from gradstep.sklearn.training import FaceTraining
from gradstep.storage import keeper
from gradstep.training.loop import TrainingLoop
from killed import OFTEN, KilledError, dies_after

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.usefixtures("python_own_handler"),
]

POINTS, LABELS = make_classification(160, 8, n_informative=5, n_classes=3, random_state=0)
X, Y, HELD_OUT = POINTS[:120], LABELS[:120], (POINTS[120:], LABELS[120:])
VALUES = make_regression(120, 8, n_targets=2, random_state=0)[1] / 100
SHAPE = {"hidden_layer_sizes": (6,), "max_iter": 9, "random_state": 0, "batch_size": 40}
RATES = {"learning_rate_init": [0.01, 0.1], "alpha": [1e-4, 1.0]}

#: What is searched: network, space, rows, options of the Sweep and arguments of fit.
CASES: dict[str, tuple[Any, Any, Any, dict[str, Any], dict[str, Any]]] = {
    "adam": (MLPClassifier(**SHAPE), RATES, Y, {}, {"eval_set": HELD_OUT}),
    "sgd": (
        MLPClassifier(**SHAPE, solver="sgd", learning_rate="adaptive", tol=0.5, n_iter_no_change=1),
        RATES | {"momentum": [0.5, 0.9], "learning_rate": ["adaptive", "invscaling"]},
        Y,
        {"keep_trainers": True},
        {"eval_set": HELD_OUT},
    ),
    "its own stop": (
        MLPClassifier(**SHAPE, early_stopping=True, n_iter_no_change=2, validation_fraction=0.3),
        RATES | {"max_iter": [3, 9], "dropout": [0.0, 0.3]},
        Y,
        {"keep_trainers": True, "metric": "validation_accuracy"},
        {},
    ),
    "halving": (
        MLPClassifier(**SHAPE),
        RATES | {"beta_1": [0.5, 0.9]},
        Y,
        {"pruner": gs.SuccessiveHalving(2)},
        {"eval_set": HELD_OUT},
    ),
    "folds": (MLPClassifier(**SHAPE), RATES, Y, {"folds": 3}, {}),
    "diverges": (
        MLPRegressor(**SHAPE, solver="sgd"),
        {"learning_rate_init": [1e-3, 1e200], "alpha": [1e-4, 1.0]},
        VALUES,
        {"keep_trainers": True, "validation_share": 0.2},
        {},
    ),
}


def sweep_of(case: str, folder: Path | None = None, every: float = OFTEN, **more: Any) -> gs.Sweep:
    face, space, _, options, _ = CASES[case]
    checkpoint = None if folder is None else gs.Checkpoint(folder, every)
    return gs.Sweep(face, space, random_state=0, checkpoint=checkpoint, **options | more)


def fit(case: str, sweep: gs.Sweep, **more: Any) -> gs.Sweep:
    _, _, targets, _, rows = CASES[case]
    return sweep.fit(X, targets, **rows, **more)


def assert_same_face(found: Any, expected: Any) -> None:
    assert vars(found).keys() == vars(expected).keys()
    if not hasattr(expected, "coefs_"):
        return
    for name in ("coefs_", "intercepts_"):
        for own, other in zip(getattr(found, name), getattr(expected, name), strict=True):
            np.testing.assert_array_equal(own, other)
    for name in ("loss_curve_", "validation_scores_", "n_iter_", "t_", "best_loss_", "_no_improvement_count"):
        np.testing.assert_equal(getattr(found, name), getattr(expected, name), err_msg=name)
    np.testing.assert_array_equal(found._optimizer.slots, expected._optimizer.slots)
    assert found._optimizer.updates == expected._optimizer.updates
    assert found._optimizer.learning_rate == expected._optimizer.learning_rate


def assert_same_search(found: gs.Sweep, expected: gs.Sweep) -> None:
    assert [trial.status for trial in found.trials_] == [trial.status for trial in expected.trials_]
    for one, other in zip(found.trials_, expected.trials_, strict=True):
        for own, history in zip(one.histories, other.histories, strict=True):
            for name in set(own.keys()) - {"seconds"}:
                np.testing.assert_array_equal(own[name], history[name], err_msg=name)
    assert found.best_params_ == expected.best_params_
    if found.folds is None:
        assert_same_face(found.best_trainer_, expected.best_trainer_)
    if found.keep_trainers:
        for one, other in zip(found.trainers_, expected.trainers_, strict=True):
            assert_same_face(one, other)


@pytest.mark.parametrize("case", CASES)
def test_a_search_that_was_killed_again_and_again_comes_to_the_same_bits(case: str, tmp_path: Path) -> None:
    expected = fit(case, sweep_of(case))
    kills = 0
    for epochs in (0, 1, 2, 3, 2, 5, 1, 4):
        with pytest.MonkeyPatch.context() as patched:
            dies_after(patched, FaceTraining, "advance", epochs)
            try:
                fit(case, sweep_of(case, tmp_path), resume=True)
            except KilledError:
                kills += 1
    assert kills >= 4
    assert_same_search(fit(case, sweep_of(case, tmp_path), resume=True), expected)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(TrainingLoop, "advance", None)  # what is over is returned at once
        assert_same_search(fit(case, sweep_of(case, tmp_path), resume=True), expected)


def test_long_trainings_go_on_behind_each_of_their_plans(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = fit("sgd", sweep_of("sgd"))
    # 3 updates an epoch: plans of 2 epochs.
    monkeypatch.setattr("gradstep.sklearn.training._UPDATES_OF_PLAN", 6)
    for _ in range(4):
        with monkeypatch.context() as patched:
            dies_after(patched, FaceTraining, "advance", 2)
            with pytest.raises(KilledError):
                fit("sgd", sweep_of("sgd", tmp_path), resume=True)
    found = fit("sgd", sweep_of("sgd", tmp_path), resume=True)
    assert_same_search(found, expected)
    for history in found.histories_:
        assert (np.diff(history["seconds"]) > 0).all()


def test_what_the_best_one_goes_on_with_is_the_same(tmp_path: Path) -> None:
    """Its generator is where it would be, too: a further call of `partial_fit` draws the same order."""
    expected = fit("sgd", sweep_of("sgd")).best_trainer_
    with pytest.MonkeyPatch.context() as patched:
        dies_after(patched, FaceTraining, "advance", 5)
        with pytest.raises(KilledError):
            fit("sgd", sweep_of("sgd", tmp_path))
    fit("sgd", sweep_of("sgd", tmp_path), resume=True)
    found = fit("sgd", sweep_of("sgd", tmp_path), resume=True).best_trainer_
    for one in (found, expected):
        one.partial_fit(X, Y)
    assert_same_face(found, expected)


def test_ctrl_c_within_an_epoch_keeps_what_was_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = fit("adam", sweep_of("adam"))
    train, calls = TrainingLoop._train, []

    def press(loop: Any, cuts: Any, should_stop: Any) -> Any:
        calls.append(None)
        if len(calls) == 4:
            signal.raise_signal(signal.SIGINT)
        return train(loop, cuts, should_stop)

    monkeypatch.setattr(TrainingLoop, "_train", press)
    monkeypatch.setattr(keeper, "_NOTES", 0.0)
    with pytest.warns(RuntimeWarning, match=r"search interrupted"):
        assert fit("adam", sweep_of("adam", tmp_path, every=3600)).interrupted_
    monkeypatch.undo()
    before: list[int] = []

    def note(sweep: gs.Sweep) -> None:
        before.append(len(sweep.histories_[0]))

    found = fit("adam", sweep_of("adam", tmp_path, callbacks=(note,)), resume=True)
    assert_same_search(found, expected)
    assert before[0] == 4


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"space": {"alpha": [1e-4]}}, "`trials` was 4, got 1"),
        ({"trainer": MLPClassifier(**SHAPE | {"max_iter": 8})}, "`max_iter` was 9, got 8"),
        ({"trainer": MLPClassifier(**SHAPE | {"random_state": 1})}, "`random_state` was 0, got 1"),
    ],
)
def test_another_search_is_refused(change: dict[str, Any], told: str, tmp_path: Path) -> None:
    fit("adam", sweep_of("adam", tmp_path))
    with pytest.raises(CheckpointError, match=told):
        fit("adam", sweep_of("adam", tmp_path).set_params(**change), resume=True)


def test_other_rows_are_refused(tmp_path: Path) -> None:
    fit("adam", sweep_of("adam", tmp_path))
    for rows in ((X + 1, Y, HELD_OUT), (X, Y[::-1], HELD_OUT), (X, Y, (HELD_OUT[0] + 1, HELD_OUT[1]))):
        with pytest.raises(CheckpointError, match="the digest of the rows was"):
            sweep_of("adam", tmp_path).fit(*rows[:2], eval_set=rows[2], resume=True)
