"""Pruners: which trials go on, and that nothing else changes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gradstep as gs
from gradstep.errors import InvalidParameterError
from gradstep.nn import schedules
from gradstep.nn.metrics import columns, sign
from sweep_cases import HELD_OUT, HERE, X, Y, alone, assert_same_model, trainer

EVAL = {"eval_set": HELD_OUT}
CURVES = st.lists(
    st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.5, math.inf]), min_size=1, max_size=5), min_size=1, max_size=12
)


def fitted(base, space, pruner, **parameters):
    return gs.Sweep(base, space, pruner=pruner, keep_trainers=True, **parameters).fit(X, Y, **EVAL)


def expected_survivors(histories, epochs, metric, count):
    """Return the `count` best of the models that came so far, in plain Python."""
    turn = -1 if metric.endswith("accuracy") else 1
    came = [number for number, history in enumerate(histories) if history["epoch"].max(initial=0) >= epochs]
    row = {number: histories[number][metric][histories[number]["epoch"] <= epochs][-1] for number in came}
    return set(sorted(came, key=lambda number: (turn * row[number], number))[:count])


@pytest.mark.parametrize("name", HERE)
@pytest.mark.parametrize("metric", ["validation_loss", "train_accuracy"])
def test_the_best_go_on_and_are_those_of_a_run_without_the_others(name, metric):
    base = trainer(backend=name, epochs=10, learning_rate=schedules.Cosine(0.2))
    space = {
        "l2": np.geomspace(1e-4, 1, 5).tolist(),
        "hidden": [(), (5,)],
        "learning_rate__high": [0.01, 0.2],
    }
    sweep = fitted(base, space, gs.SuccessiveHalving(2, 2, metric))
    assert len(sweep.groups_) == 2
    done = np.array([history["epoch"][-1] for history in sweep.histories_])
    assert sorted(done.tolist()) == [2] * 10 + [4] * 5 + [8] * 2 + [10] * 3
    whole = [alone(base, trial.params, X, Y, **EVAL).history_ for trial in sweep.trials_]
    alive = set(range(20))
    for epoch, count in ((2, 10), (4, 5), (8, 3)):
        alive = expected_survivors(
            [whole[i] if i in alive else gs.History() for i in range(20)], epoch, metric, count
        )
        assert set(np.flatnonzero(done > epoch)) == alive
    for trial, model in zip(sweep.trials_, sweep.trainers_, strict=True):
        if trial.status == "completed":
            assert_same_model(model, alone(base, trial.params, X, Y, **EVAL))
        else:
            assert trial.status == "pruned"
            rows = whole[trial.number].rows[: len(model.history_)]
            assert [row["train_loss"] for row in rows] == model.history_["train_loss"].tolist()
    assert sweep.results_["status"][sweep.best_index_] == "completed"


@pytest.mark.parametrize("name", HERE)
def test_the_worse_than_the_median_leave_and_others_do_not_notice(name):
    base = trainer(backend=name, epochs=6, hidden=(4,))
    sweep = fitted(base, {"learning_rate": [1e-4, 1e-3, 0.01, 0.05, 0.1, 0.2, 1e30]}, gs.MedianStopping(2))
    statuses = sweep.results_["status"].tolist()
    assert statuses[-1] == "diverged"
    assert "pruned" in statuses
    assert "completed" in statuses
    assert min(len(history) for history in sweep.histories_[:-1]) == 2
    for trial, model in zip(sweep.trials_, sweep.trainers_, strict=True):
        if trial.status == "completed":
            assert_same_model(model, alone(base, trial.params, X, Y, **EVAL))


def test_models_with_rules_of_their_own_are_compared_too():
    stops = [None, gs.EarlyStopping("train_loss", 1, 10.0)]
    base = trainer(epochs=9)
    sweep = fitted(base, {"early_stopping": stops, "l2": [0.0, 0.01, 0.1, 1.0]}, gs.SuccessiveHalving(2, 3))
    statuses = sweep.results_["status"].tolist()
    assert statuses[4:] == ["early_stopped"] * 4
    assert "pruned" in statuses[:4]


def test_evaluations_within_an_epoch_are_not_disturbed():
    # 9 updates an epoch, evaluated after every 5: models are compared at updates 10 and 30.
    base = trainer(epochs=6, evaluate_every=5)
    sweep = fitted(base, {"l2": [0.0, 0.01, 0.1, 1.0]}, gs.SuccessiveHalving(2, 1))
    lengths = sorted(history["update"][-1] for history in sweep.histories_)
    assert lengths == [10, 10, 20, 54]
    best = sweep.best_index_
    assert_same_model(sweep.trainers_[best], alone(base, sweep.best_params_, X, Y, **EVAL))


@given(curves=CURVES, factor=st.sampled_from([1.5, 2, 3, 4]), rung=st.integers(0, 3), data=st.data())
def test_halving_keeps_the_best_last_values_of_those_not_pruned(curves, factor, rung, data):
    arrays, m = [np.array(curve) for curve in curves], len(curves)
    pruned = np.array(data.draw(st.lists(st.booleans(), min_size=m, max_size=m)))
    alive = gs.SuccessiveHalving(factor).survivors(rung, 100, arrays, pruned)
    assert alive.sum() == min(math.ceil(m / factor ** (rung + 1)), (~pruned).sum())
    assert not (alive & pruned).any()
    lasts = np.array([curve[-1] for curve in curves])
    assert max(lasts[alive], default=0) <= min(lasts[~alive & ~pruned], default=math.inf)


@pytest.mark.parametrize(
    "pruner", [gs.SuccessiveHalving(2), gs.SuccessiveHalving(3), gs.Hyperband(), gs.MedianStopping()]
)
def test_where_metrics_become_worse_somebody_goes_on_to_the_end(pruner):
    # Noise is learned by heart: the validation loss of every model rises, that of the pruned ones stays.
    random = np.random.default_rng(0)
    rows, labels = random.normal(size=(120, 40)), random.integers(3, size=120)
    sweep = gs.Sweep(
        trainer(epochs=30), {"l2": np.geomspace(1e-6, 1e-2, 12).tolist()}, pruner=pruner, random_state=0
    ).fit(rows, labels)
    loss = sweep.best_trainer_.history_["validation_loss"]
    assert loss[-1] > 1.3 * loss[0]
    assert sweep.results_["status"][sweep.best_index_] == "completed"
    assert len(sweep.best_trainer_.history_) == 30


def test_brackets_are_those_of_the_paper():
    # Table 1 of Li et al. (2018): 81 epochs, factor 3.
    pruner, table = gs.Hyperband(), [[81, 27, 9, 3], [34, 12, 4], [15, 5], [8], [5]]
    bracket = pruner.brackets(143, 81)
    assert pruner.rungs(81) == [1, 3, 9, 27]
    assert np.bincount(bracket).tolist() == [counts[0] for counts in table]
    curves = [np.array([value]) for value in np.random.default_rng(0).permutation(143)]
    pruned = np.zeros(143, dtype=bool)
    for rung in range(4):
        alive = pruner.survivors(rung, 81, curves, pruned)
        for own, counts in enumerate(table):
            members = sorted(np.flatnonzero(bracket == own), key=lambda trial: curves[trial][-1])
            # At the last rung of a bracket a third of what is left goes on.
            left = [*counts, math.ceil(counts[0] / 3 ** len(counts))][max(0, rung + 1 - own)]
            left = counts[0] if own == 4 else left
            assert np.flatnonzero(alive & (bracket == own)).tolist() == sorted(members[:left])
        pruned = ~alive


@given(n=st.integers(1, 200), epochs=st.integers(1, 300), factor=st.sampled_from([1.01, 1.5, 2, 3, 10]))
def test_every_trial_is_in_a_bracket_and_early_ones_have_the_most(n, epochs, factor):
    pruner = gs.Hyperband(factor)
    bracket, rungs = pruner.brackets(n, epochs), pruner.rungs(epochs)
    assert rungs == sorted(set(rungs))
    assert all(1 <= rung < epochs for rung in rungs)
    counts = np.bincount(bracket, minlength=len(rungs) + 1)
    assert counts.sum() == n
    assert len(counts) == len(rungs) + 1
    if factor >= 2:
        assert (np.diff(counts) <= 0).all()
    assert bracket.tolist() == pruner.brackets(n, epochs).tolist()


def test_hyperband_compares_each_bracket_from_its_own_rung_on():
    base, space = trainer(epochs=9), {"l2": np.geomspace(1e-4, 1, 17).tolist()}
    sweep = fitted(base, space, gs.Hyperband())
    bracket = gs.Hyperband().brackets(17, 9)
    assert np.bincount(bracket).tolist() == [9, 5, 3]
    done = np.array([history["epoch"][-1] for history in sweep.histories_])
    assert sorted(done[bracket == 0]) == [1] * 6 + [3] * 2 + [9]
    assert sorted(done[bracket == 1]) == [3] * 3 + [9] * 2
    assert done[bracket == 2].tolist() == [9] * 3
    for trial, model in zip(sweep.trials_, sweep.trainers_, strict=True):
        if trial.status == "completed":
            assert_same_model(model, alone(base, trial.params, X, Y, **EVAL))
    again = fitted(base, space, gs.Hyperband())
    assert again.results_["status"].tolist() == sweep.results_["status"].tolist()


@given(curves=CURVES)
def test_the_median_lets_at_least_half_go_on(curves):
    arrays = [np.array(curve) for curve in curves]
    alive = gs.MedianStopping().survivors(0, 10, arrays, np.zeros(len(arrays), dtype=bool))
    assert 2 * alive.sum() >= len(curves)
    means = sorted(sum(curve) / len(curve) for curve in curves)
    middle = (means[(len(means) - 1) // 2] + means[len(means) // 2]) / 2
    for curve, lives in zip(curves, alive, strict=True):
        if abs(min(curve) - middle) > 1e-9 or math.isinf(middle):
            assert lives == (min(curve) <= middle)


def test_rungs():
    assert gs.SuccessiveHalving(3, 2).rungs(40) == [2, 6, 18]
    assert gs.SuccessiveHalving(1.5).rungs(6) == [1, 2, 3, 5]
    assert gs.SuccessiveHalving(2, 5).rungs(5) == []
    assert gs.MedianStopping(3).rungs(6) == [3, 4, 5]
    assert gs.Hyperband(2, 3).rungs(100) == [3, 6, 12, 25, 50]
    assert gs.Hyperband().rungs(1) == []
    assert gs.Hyperband().rungs(100) == [1, 4, 11, 33]
    assert gs.SuccessiveHalving(1.01).rungs(10**6)[-1] < 10**6
    with pytest.raises(
        InvalidParameterError, match=r"`factor` of SuccessiveHalving must be >= 1.01, got 1.0"
    ):
        gs.SuccessiveHalving(1 + 1e-9)


@pytest.mark.parametrize("kind", [gs.SuccessiveHalving, gs.Hyperband, gs.MedianStopping])
@pytest.mark.parametrize(
    "values, message",
    [
        ({"min_epochs": 0}, "`min_epochs` of {} must be >= 1, got 0"),
        ({"min_epochs": 1.5}, "`min_epochs` of {} must be an int, got 1.5"),
        ({"metric": "seconds"}, "`metric` of {} must be a column of the history, .* got 'seconds'"),
    ],
)
def test_bad_rules(kind, values, message):
    with pytest.raises(InvalidParameterError, match=message.format(kind.__name__)):
        kind(**values)


@pytest.mark.parametrize("factor", [1, 0.5, "2", math.nan])
@pytest.mark.parametrize("kind", [gs.SuccessiveHalving, gs.Hyperband])
def test_bad_factors(kind, factor):
    with pytest.raises(InvalidParameterError, match=f"`factor` of {kind.__name__} must be "):
        kind(factor)


@pytest.mark.parametrize("metric", columns(gs.losses.Softmax.metrics))
def test_every_metric_can_be_compared(metric):
    sweep = fitted(trainer(), {"l2": [0.0, 0.1]}, gs.SuccessiveHalving(2, 2, metric))
    statuses = sweep.results_["status"].tolist()
    assert sorted(statuses) == ["completed", "pruned"]
    kept, lost = statuses.index("completed"), statuses.index("pruned")
    at_two = [sign(metric) * history[metric][1] for history in sweep.histories_]
    assert at_two[kept] <= at_two[lost]
