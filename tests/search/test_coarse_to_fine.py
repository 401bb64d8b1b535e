"""coarse_to_fine: rounds over the same rows, each around the best so far."""

from __future__ import annotations

import signal

import numpy as np
import pytest

import gradstep as gs
from gradstep.errors import InvalidParameterError, NoModelError
from sweep_cases import HELD_OUT, X, Y, alone, assert_same_model, trainer

pytestmark = pytest.mark.usefixtures("python_own_handler")

ROUNDS = [(6, 1.0), (4, 0.25), (3, 0.1)]


def test_every_round_is_around_the_best_so_far():
    space = {"l2": gs.LogUniform(1e-6, 1), "hidden": [(), (3,)]}
    found = gs.coarse_to_fine(trainer(), space, X, Y, eval_set=HELD_OUT, rounds=ROUNDS, random_state=0)
    table = found.results_
    assert table["round"].tolist() == [1] * 6 + [2] * 4 + [3] * 3
    assert table["trial"].tolist() == [*range(6), *range(4), *range(3)]
    for number, share in ((2, 0.25), (3, 0.1)):
        before = table["round"] < number
        best = table["l2"][before][np.nanargmin(table["score"][before])]
        drawn = found.sweeps[number - 1].space["l2"]
        assert drawn.low <= best * 1.000001
        assert best <= drawn.high * 1.000001
        assert np.log(drawn.high / drawn.low) == pytest.approx(share * np.log(1e6))
        assert (table["l2"][table["round"] == number] >= drawn.low).all()
        assert (table["l2"][table["round"] == number] <= drawn.high).all()
    assert found.best_score_ == np.nanmin(table["score"])
    assert_same_model(found.best_trainer_, alone(trainer(), found.best_params_, X, Y, eval_set=HELD_OUT))


def test_all_rounds_have_the_same_rows_and_seed():
    space = {"l2": gs.Uniform(0, 1e-9)}
    found, again = (
        gs.coarse_to_fine(
            trainer(random_state=None), space, X, Y, rounds=[(2, 1.0), (2, 0.5)], random_state=1
        )
        for _ in range(2)
    )
    # So weak a penalty changes no metric by much: all trials are nearly the same model.
    np.testing.assert_allclose(found.results_["score"], found.results_["score"][0], rtol=1e-4)
    np.testing.assert_array_equal(again.results_["score"], found.results_["score"])


def test_options_go_to_every_round():
    space = {"l2": gs.Uniform(0, 1)}
    options = {"folds": 3, "metric": "validation_accuracy", "pruner": gs.SuccessiveHalving(2, 1)}
    found = gs.coarse_to_fine(trainer(), space, X, Y, rounds=[(4, 1.0), (2, 0.5)], random_state=0, **options)
    assert {"pruned", "completed"} <= set(found.results_["status"])
    assert found.best_score_ == np.nanmax(found.results_["score"][found.results_["status"] == "completed"])
    assert found.results_["fold2_score"].shape == (6,)


def test_rounds_say_how_many_trials():
    with pytest.raises(
        InvalidParameterError, match=r"`n_trials` of coarse_to_fine must be left out, .* got 3"
    ):
        gs.coarse_to_fine(trainer(), {"l2": gs.Uniform(0, 1)}, X, Y, rounds=ROUNDS, n_trials=3)


def test_nothing_left_alive_is_an_error_that_keeps_the_table():
    space = {"learning_rate": gs.LogUniform(1e30, 1e35)}
    with pytest.raises(NoModelError, match=r"1 rounds of coarse_to_fine so far .* learning rate") as caught:
        gs.coarse_to_fine(trainer(hidden=(3,)), space, X, Y, rounds=ROUNDS)
    assert caught.value.results["status"].tolist() == ["diverged"] * 6
    assert caught.value.results["round"].tolist() == [1] * 6


def test_ctrl_c_ends_the_rounds():
    def press(model, row):
        signal.raise_signal(signal.SIGINT)

    space = {"l2": gs.Uniform(0, 1)}
    with pytest.warns(RuntimeWarning, match="search interrupted after 0 of 1 trials"):
        found = gs.coarse_to_fine(trainer(callbacks=(press,)), space, X, Y, rounds=[(1, 1.0), (1, 0.5)])
    assert found.results_["status"].tolist() == ["interrupted"]


@pytest.mark.parametrize(
    "values, message",
    [
        (
            {"trainer": None},
            "`trainer` of coarse_to_fine must be a Trainer or Regressor, or an MLPClassifier",
        ),
        ({"space": {"l2": [0, 1]}}, "`space` of coarse_to_fine must be a dict with a Uniform, LogUniform or"),
        ({"rounds": [(0, 1.0)]}, "`rounds` of coarse_to_fine must be a tuple or list, each element a pair"),
        ({"rounds": [(5, 2.0)]}, "each element a pair of an int >= 1 and a share in .0, 1., got"),
        ({"rounds": []}, "`rounds` of coarse_to_fine must be one or more, got"),
        ({"validation_share": 1.5}, "`validation_share` of Sweep must be < 1, got 1.5"),
    ],
)
def test_bad_input(values, message):
    given = {"trainer": trainer(), "space": {"l2": gs.Uniform(0, 1)}, "X": X, "y": Y} | values
    with pytest.raises(InvalidParameterError, match=message):
        gs.coarse_to_fine(**given)
