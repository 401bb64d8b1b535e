"""What Sweep says to bad input, and what it keeps when a search goes wrong."""

from __future__ import annotations

import re
import signal

import numpy as np
import pytest
import scipy.stats
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GroupKFold

import gradstep as gs
from gradstep.errors import DivergedError, InvalidDataError, InvalidParameterError, NoModelError
from gradstep.nn import schedules
from gradstep.search.sweep import SWEEP
from sweep_cases import HELD_OUT, X, Y, trainer

pytestmark = pytest.mark.usefixtures("python_own_handler")

CYCLIC = schedules.CyclicTriangular(0.01, 0.1, step_size=9)


@pytest.mark.parametrize(
    "space, n_trials, message",
    [
        ({}, None, "`space` of Sweep must be a dict of one parameter of Trainer or more, got {}"),
        ([("l2", [0])], None, "`space` of Sweep must be a dict .*, got "),
        ({"l3": [0.1]}, None, "`space` of Sweep: Trainer has no parameter 'l3'; did you mean l2?"),
        ({"lerning_rate": [0.1]}, None, "no parameter 'lerning_rate'; did you mean learning_rate"),
        (
            {"lerning_rate__high": [0.1]},
            None,
            "no parameter 'lerning_rate__high'; did you mean learning_rate",
        ),
        ({"learning_rate__hgh": [0.1]}, None, "trial 0 of Sweep has learning_rate__hgh=0.1: .* mean high?"),
        (
            {"l2": []},
            None,
            "`l2` in the space of Sweep must be a list of one value or more or a distribution",
        ),
        ({"l2": 0.1}, None, "`l2` in the space of Sweep must be a list .*, got 0.1"),
        ({"loss": "softmax"}, None, "`loss` in the space of Sweep must be a list .*, got 'softmax'"),
        ({"l2": [0.1]}, 0, "`n_trials` of Sweep must be >= 1, got 0"),
        ({"l2": gs.Uniform(0, 1)}, 0, "`n_trials` of Sweep must be >= 1, got 0"),
        ({"l2": gs.Uniform(0, 1)}, 2.5, "`n_trials` of Sweep must be an int or None, got 2.5"),
        ({"l2": [0.1, 0.2]}, 2, "`n_trials` of Sweep must be None where the space has lists alone, .* got 2"),
        ({"l2": gs.Uniform(0, 1)}, None, "must be given where the space has a distribution (l2), got None"),
        ({"l2": [0.1, -0.5]}, None, "trial 1 of Sweep has l2=-0.5: `l2` of Trainer must be >= 0, got -0.5"),
        ({"epochs": [2, 1.5]}, None, "trial 1 of Sweep has epochs=1.5: `epochs` of Trainer must be an int"),
        ({"l2": scipy.stats.uniform(-2, 1)}, 3, "trial 0 of Sweep has l2=-.*: `l2` of Trainer must be >= 0"),
        (
            {"l2": [0], "learning_rate__high": [0.1, 0.001]},
            None,
            "trial 1 of Sweep has l2=0, learning_rate__high=0.001: `high` of CyclicTriangular must be >= low",
        ),
        (
            {"learning_rate": [gs.schedules.ReduceOnPlateau(0.1)]},
            None,
            "trial 0 of Sweep .* monitors validation_loss",
        ),
        (
            {"l2": scipy.stats.loguniform},
            3,
            "`l2` in the space of Sweep must be a distribution with its parameters, such as",
        ),
        ({"l2": gs.Uniform}, 3, "`l2` in the space of Sweep must be a distribution with its parameters"),
        (
            {"l2": [0.0], "augment": [None, gs.augment.HorizontalFlip()]},
            None,
            "trial 1 of Sweep has l2=0.0, augment=.*: `image_shape` of HorizontalFlip is needed",
        ),
        (
            {"augment": [gs.augment.Translate(1, image_shape=(2, 3))]},
            None,
            "trial 0 of Sweep has augment=.* of Translate must be d = 5, got (1, 2, 3)",
        ),
    ],
)
def test_bad_spaces(space, n_trials, message):
    sweep = gs.Sweep(trainer(learning_rate=CYCLIC), space, n_trials, random_state=0)
    sweep.set_params(validation_share=None, metric="train_loss")
    pattern = ".*".join(re.escape(part) for part in message.split(".*"))
    with pytest.raises(InvalidParameterError, match=pattern):
        sweep.fit(X, Y)
    assert not hasattr(sweep, "trials_")


@pytest.mark.parametrize(
    "name, value",
    [
        (name, value)
        for name, of_this in SWEEP.items()
        for constraint in of_this
        for value in constraint.wrong
    ],
)
def test_bad_parameters(name, value):
    constraint = next(constraint for constraint in SWEEP[name] if not constraint.holds(value))
    sweep = gs.Sweep(trainer(), {"l2": [0.0]}).set_params(**{name: value})
    with pytest.raises(
        InvalidParameterError, match=re.escape(f"`{name}` of Sweep must be {constraint.text}, got")
    ):
        sweep.fit(X, Y)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: gs.Uniform(1, 0), "`high` of Uniform must be >= low, got (1, 0)"),
        (lambda: gs.Uniform("0", 1), "`low` of Uniform must be a finite number, got '0'"),
        (lambda: gs.LogUniform(0, 1), "`low` of LogUniform must be > 0, got 0"),
        (lambda: gs.IntUniform(0, 1.5), "`high` of IntUniform must be an int, got 1.5"),
        (lambda: gs.IntUniform(0, 2**63 - 1), "`high` of IntUniform must be <= "),
        (lambda: gs.Choice([]), "`values` of Choice must be a list of one value or more, got []"),
        (lambda: gs.Choice("ab"), "`values` of Choice must be a list of one value or more, got 'ab'"),
    ],
)
def test_bad_distributions(make, message):
    with pytest.raises(InvalidParameterError, match=re.escape(message)):
        make()


@pytest.mark.parametrize(
    "parameters, settings, message",
    [
        (
            {"pruner": gs.SuccessiveHalving(metric="validation_loss")},
            {},
            "`pruner` of Sweep is by validation_loss, which needs validation rows",
        ),
        (
            {"metric": "validation_accuracy"},
            {},
            "`metric` of Sweep is by validation_accuracy, which needs validation rows",
        ),
        (
            {},
            {"evaluate_every": None},
            "`metric` of Sweep is by train_loss, which needs metrics while training",
        ),
        ({}, {"evaluate_every": "running"}, "`metric` of Sweep is by train_loss, which needs the train rows"),
    ],
)
def test_metrics_that_would_be_missing(parameters, settings, message):
    sweep = gs.Sweep(trainer(**settings), {"l2": [0.0]}, validation_share=None, metric="train_loss")
    with pytest.raises(InvalidParameterError, match=message):
        sweep.set_params(**parameters).fit(X, Y)


def test_bad_rows():
    sweep = gs.Sweep(trainer(), {"l2": [0.0]})
    with pytest.raises(InvalidDataError, match="must have one target per row of X: X has 67 rows, y has 66"):
        sweep.fit(X, Y[1:])
    with pytest.raises(
        InvalidDataError,
        match=r"`validation_share` of Sweep, 0.2, must leave one row of each of the 2 classes to train on",
    ):
        sweep.fit(X[:2], [0, 1])
    for weight in (np.ones(66), np.ones(5), np.ones((67, 1))):
        with pytest.raises(InvalidDataError, match=r"sample_weight of Sweep.fit must have shape \(67,\)"):
            sweep.fit(X, Y, weight)
    with pytest.raises(InvalidDataError, match=r"sample_weight of Sweep.fit must be numbers, got 'balanced'"):
        sweep.fit(X, Y, "balanced")
    with pytest.raises(InvalidDataError, match=r"Sweep.fit requires y to be passed, but the target"):
        sweep.fit(X, None)
    for name, rows, labels in (("X", None, Y), ("y", X, "abc"), ("X", "abc", Y)):
        with pytest.raises(InvalidDataError, match=rf"{name} of Sweep.fit must be an array, got"):
            sweep.fit(rows, labels)
    with pytest.raises(InvalidDataError, match=r"X of Sweep.fit must have one row or more, got none"):
        sweep.fit(X[:0], Y[:0])
    with pytest.raises(
        ValueError,
        match=r"y of Sweep.fit must have a label in every row and contain no NaN, got nan in row 0",
    ):
        sweep.fit(X, np.where(Y == 0, np.nan, Y))
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        sweep.fit(X, X[:, 0])
    with pytest.raises(InvalidDataError, match=r"y of Sweep.fit must have two classes or more"):
        sweep.fit(X, np.zeros(67))
    with pytest.raises(ValueError, match="Unknown label type"):
        sweep.fit(X, np.array([1, "a", *Y[2:]], dtype=object))
    for folds in ([], [(np.arange(60), np.arange(60, 68))]):
        with pytest.raises(
            InvalidParameterError, match="`folds` of Sweep must be an int >= 2, a splitter or"
        ):
            gs.Sweep(trainer(), {"l2": [0.0]}, folds=folds).fit(X, Y)
    with pytest.raises(
        InvalidParameterError,
        match=r"`folds` of Sweep must have groups .* without them; give the pairs of row numbers, as list\(",
    ):
        gs.Sweep(trainer(), {"l2": [0.0]}, folds=GroupKFold(3)).fit(X, Y)
    with pytest.raises(
        InvalidParameterError, match=r"`cv` of FusedSearchCV must have groups .*; give fit\(X, y, groups="
    ):
        gs.FusedSearchCV(trainer(), {"l2": [0.0]}, cv=GroupKFold(3)).fit(X, Y)
    with pytest.raises(InvalidDataError, match=r"eval_set of Sweep.fit must be a pair"):
        sweep.fit(X, Y, eval_set=X)
    with pytest.raises(
        InvalidParameterError, match="`folds` of Sweep must be None where an eval_set is given, got 3"
    ):
        sweep.set_params(folds=3).fit(X, Y, eval_set=HELD_OUT)


def test_before_fit_there_is_nothing():
    sweep = gs.Sweep(trainer(), {"l2": [0.0]})
    for name in (
        "results_",
        "best_index_",
        "best_params_",
        "best_score_",
        "best_trainer_",
        "trainers_",
        "histories_",
    ):
        with pytest.raises(NotFittedError):
            getattr(sweep, name)


def test_when_all_models_diverge_the_table_is_there():
    sweep = gs.Sweep(trainer(hidden=(3,)), {"learning_rate": [1e30, 1e300]}).fit(X, Y)
    assert sweep.results_["status"].tolist() == ["diverged"] * 2
    for name in ("best_index_", "best_params_", "best_score_", "best_trainer_"):
        with pytest.raises(
            NoModelError, match=r"no trial .* came to its end .2 diverged.* no longer finite"
        ) as caught:
            getattr(sweep, name)
        assert caught.value.results["status"].tolist() == ["diverged"] * 2
    with pytest.raises(DivergedError):
        trainer(hidden=(3,), learning_rate=1e30).fit(X, Y)


def test_ctrl_c_keeps_the_table_of_what_was_done():
    def press(model, row):
        if model.l2 == 0.1 and model.hidden == (3,) and row["epoch"] == 2:
            signal.raise_signal(signal.SIGINT)

    space = {"hidden": [(), (3,), (4,)], "l2": [0.0, 0.1]}
    sweep = gs.Sweep(trainer(callbacks=(press,)), space, random_state=0)
    with pytest.warns(RuntimeWarning, match="search interrupted after 2 of 6 trials; their table is kept"):
        sweep.fit(X, Y, eval_set=HELD_OUT)
    expected = ["completed"] * 2 + ["interrupted"] * 2 + ["waiting"] * 2
    assert sweep.results_["status"].tolist() == expected
    assert sweep.results_["updates"].tolist() == [36, 36, 18, 18, 0, 0]
    assert sweep.interrupted_
    assert sweep.best_index_ in (0, 1)
    assert sweep.best_trainer_.score(X, Y) > 0.5
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_ctrl_c_raises_and_keeps_the_table():
    def press(model, row):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    sweep = gs.Sweep(trainer(callbacks=(press,)), {"l2": [0.0, 0.1]})
    with pytest.raises(KeyboardInterrupt):
        sweep.fit(X, Y)
    assert sweep.interrupted_
    assert sweep.results_["status"].tolist() == ["interrupted"] * 2
    assert sweep.results_["updates"].tolist()[0] > 0


def test_an_interrupted_search_offers_the_best_there_is():
    def press(model, row):
        if model.l2 == 0 and row["epoch"] == 2:
            signal.raise_signal(signal.SIGINT)

    sweep = gs.Sweep(trainer(callbacks=(press,)), {"l2": [1.0, 0.0]})
    with pytest.warns(RuntimeWarning, match="search interrupted after 0 of 2 trials"):
        sweep.fit(X, Y, eval_set=HELD_OUT)
    assert sweep.best_params_ == {"l2": 0.0}
    assert sweep.best_score_ == pytest.approx(sweep.best_trainer_.evaluate(*HELD_OUT).loss)


def test_a_failing_callback_leaves_what_was_done():
    sweep = gs.Sweep(trainer(), {"l2": [0.0, 0.1]}, callbacks=(lambda sweep: 1 / 0,))
    with pytest.raises(ZeroDivisionError):
        sweep.fit(X, Y)
    assert [len(history) for history in sweep.histories_] == [1, 1]
    assert np.isfinite(sweep.results_["score"]).all()
