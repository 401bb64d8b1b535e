"""Snapshots at the ends of cycles, and models that vote."""

from __future__ import annotations

import re

import numpy as np
import pytest
from sklearn.base import clone, is_classifier

import gradstep as gs
from gradstep.errors import InvalidDataError, InvalidParameterError, NoModelError
from gradstep.nn import schedules
from sweep_cases import HELD_OUT, HERE, INDICATORS, VALUES, X, Y, assert_same_model, regressor, trainer

# 67 rows in batches of 8 are 9 updates an epoch.
CYCLIC = schedules.CyclicTriangular(0.01, 0.2, step_size=9)


def members():
    return [trainer(random_state=seed, hidden=(3,)).fit(X, Y) for seed in range(3)]


@pytest.mark.parametrize("name", HERE)
def test_snapshots_are_the_models_of_shorter_runs(name):
    long = trainer(backend=name, learning_rate=CYCLIC, epochs=7, callbacks=(gs.Snapshots(),)).fit(X, Y)
    assert [snapshot.n_iter_ for snapshot in long.snapshots_] == [2, 4, 6]
    for snapshot in long.snapshots_:
        short = trainer(backend=name, learning_rate=CYCLIC, epochs=snapshot.n_iter_).fit(X, Y)
        for column in short.history_:
            column["seconds"] = 0.0
        assert_same_model(snapshot, short)
    assert len(clone(long).fit(X, Y).snapshots_) == 3
    assert len(long.fit(X, Y).snapshots_) == 3


def test_ends_of_cycles():
    assert schedules.Cosine(0.1, period=1, factor=2).cycle_ends(9, 72) == [9, 27, 63]
    assert schedules.Cosine(0.1).cycle_ends(9, 72) == [72]
    assert CYCLIC.cycle_ends(9, 53) == [18, 36]


def test_snapshots_in_a_sweep():
    base = trainer(learning_rate=CYCLIC, callbacks=(gs.Snapshots(),))
    sweep = gs.Sweep(base, {"l2": [0.0, 0.1]}, keep_trainers=True).fit(X, Y, eval_set=HELD_OUT)
    for model, l2 in zip(sweep.trainers_, (0.0, 0.1), strict=True):
        alone = clone(base).set_params(l2=l2).fit(X, Y, eval_set=HELD_OUT)
        assert len(model.snapshots_) == len(alone.snapshots_) == 2
        for found, expected in zip(model.snapshots_, alone.snapshots_, strict=True):
            assert_same_model(found, expected)
    forgetful = gs.Sweep(base, {"l2": [0.0, 0.1]}).fit(X, Y, eval_set=HELD_OUT)
    assert [hasattr(trial.trainer(), "snapshots_") for trial in forgetful.trials_].count(True) == 1


@pytest.mark.parametrize(
    "given, message",
    [
        ({"learning_rate": 0.1}, "must be a CyclicTriangular or Cosine, got 0.1"),
        (
            {"learning_rate": schedules.CyclicTriangular(0, 0.1, step_size=4)},
            "`evaluate_every` of Trainer must divide 8 updates, got 'epoch' (an epoch has 9)",
        ),
        ({"learning_rate": CYCLIC, "evaluate_every": None}, "must divide 18 updates, got None"),
    ],
)
def test_snapshots_that_cannot_be(given, message):
    with pytest.raises(InvalidParameterError, match=re.escape(message)):
        trainer(callbacks=(gs.Snapshots(),), **given).fit(X, Y)


def test_soft_and_hard_votes():
    models = members()
    probabilities = np.stack([model.predict_proba(X) for model in models])
    weights = [1.0, 2.0, 0.5]
    soft = gs.VotingEnsemble(models, weights=weights)
    expected = (probabilities * np.array(weights)[:, None, None]).sum(axis=0) / 3.5
    np.testing.assert_allclose(soft.predict_proba(X), expected)
    np.testing.assert_array_equal(soft.predict(X), soft.classes_[expected.argmax(axis=1)])
    hard = gs.VotingEnsemble(models, "hard")
    votes = np.stack([model.predict(X) for model in models])
    counts = np.stack([(votes == label).sum(axis=0) for label in hard.classes_], axis=1)
    np.testing.assert_allclose(hard.predict_proba(X), counts / 3)
    np.testing.assert_array_equal(hard.predict(X), hard.classes_[counts.argmax(axis=1)])
    assert is_classifier(hard)
    assert clone(hard).score(X, Y) == hard.score(X, Y) == np.mean(hard.predict(X) == Y)


def test_table():
    models = members()
    table = gs.VotingEnsemble(models).table(*HELD_OUT)
    scores = [model.score(*HELD_OUT) for model in models]
    ensemble = gs.VotingEnsemble(models).score(*HELD_OUT)
    assert table["member"].tolist() == ["0", "1", "2", "best single", "ensemble"]
    np.testing.assert_allclose(table["accuracy"], [*scores, max(scores), ensemble])
    assert "best single" in str(table)


def test_the_best_of_a_sweep():
    space = {"l2": [2.0, 0.0, 0.1]}
    sweep = gs.Sweep(trainer(), space, keep_trainers=True).fit(X, Y, eval_set=HELD_OUT)
    ensemble = sweep.ensemble(best=2)
    order = sweep.results_.ranking()
    assert ensemble.trainers == [sweep.trainers_[place] for place in order[:2]]
    assert ensemble.trainers[0] is sweep.best_trainer_
    weighted = sweep.ensemble(2, weights=[1.0, 3.0])
    assert (weighted.voting, weighted.weights) == ("soft", [1.0, 3.0])
    folds = gs.Sweep(trainer(), space, folds=3, keep_trainers=True).fit(X, Y)
    assert len(folds.ensemble(best=2, voting="hard").trainers) == 6
    with pytest.raises(InvalidParameterError, match=r"`best` of Sweep.ensemble must be <= 3"):
        sweep.ensemble(best=4)
    with pytest.raises(NoModelError, match="`trainers_` of Sweep needs keep_trainers=True"):
        gs.Sweep(trainer(), space).fit(X, Y).ensemble()


def test_trials_without_a_model_have_no_vote():
    rates = {"learning_rate": [0.1, 1e30, 0.2]}
    sweep = gs.Sweep(trainer(hidden=(3,)), rates, keep_trainers=True).fit(X, Y, eval_set=HELD_OUT)
    assert len(sweep.ensemble(best=2).trainers) == 2
    with pytest.raises(InvalidParameterError, match="must be <= 2, the trials that came to their end"):
        sweep.ensemble(best=3)
    with pytest.raises(InvalidParameterError, match=r"`best` of Sweep.ensemble must be >= 1, got 0"):
        sweep.ensemble(best=0)


def test_real_values_and_indicators_have_no_vote():
    sweep = gs.Sweep(regressor(), {"l2": [0.0, 0.1]}, keep_trainers=True).fit(X, VALUES)
    with pytest.raises(InvalidParameterError, match=r"a Trainer for an ensemble .*, got a Regressor"):
        sweep.ensemble(best=2)
    with pytest.raises(InvalidParameterError, match=r"`trainers` of VotingEnsemble must be .* a Trainer"):
        gs.VotingEnsemble(sweep.trainers_).predict(X)
    several = trainer(loss="multilabel").fit(X, INDICATORS)
    with pytest.raises(InvalidParameterError, match="one label a row, trainer 0 is on indicators"):
        gs.VotingEnsemble([several]).predict(X)


def test_a_snapshot_is_apart_from_what_trains_on():
    long = trainer(learning_rate=CYCLIC, epochs=4, callbacks=(gs.Snapshots(),)).fit(X, Y)
    first, last = long.snapshots_
    assert (len(first.history_), len(last.history_)) == (2, 4)
    assert first.callbacks == ()
    assert not hasattr(first, "snapshots_")
    assert (first.coefs_[0] != last.coefs_[0]).any()
    np.testing.assert_array_equal(last.coefs_[0], long.coefs_[0])
    short = trainer(learning_rate=CYCLIC, epochs=1, callbacks=(gs.Snapshots(),)).fit(X, Y)
    assert short.snapshots_ == []


def test_snapshots_of_a_regressor():
    long = regressor(learning_rate=CYCLIC, epochs=4, callbacks=(gs.Snapshots(),)).fit(X, VALUES)
    assert [snapshot.n_iter_ for snapshot in long.snapshots_] == [2, 4]
    assert long.snapshots_[1].predict(X).tolist() == long.predict(X).tolist()


@pytest.mark.parametrize(
    "given, message",
    [
        ({"trainers": []}, "`trainers` of VotingEnsemble must be one or more, all fitted, got none"),
        ({"trainers": [gs.Trainer()]}, "got trainer 0 without a model"),
        ({"trainers": 3}, "`trainers` of VotingEnsemble must be a tuple or list, each element a Trainer"),
        ({"voting": "loud"}, "`voting` of VotingEnsemble must be one of 'soft', 'hard', got 'loud'"),
        ({"weights": [1.0]}, "`weights` of VotingEnsemble must be one for each of the 3 trainers"),
        ({"weights": [0, 0, 0]}, "with a sum > 0, got [0, 0, 0]"),
        ({"weights": [1, 1, -1]}, "`weights` of VotingEnsemble must be a tuple or list"),
    ],
)
def test_bad_ensembles(given, message):
    ensemble = gs.VotingEnsemble(members()).set_params(**given)
    with pytest.raises(InvalidParameterError, match=re.escape(message)):
        ensemble.predict(X)


def test_members_that_do_not_fit_together():
    other = trainer().fit(X, Y + 1)
    with pytest.raises(InvalidParameterError, match="trainer 1 has not those of trainer 0"):
        gs.VotingEnsemble([trainer().fit(X, Y), other]).predict(X)
    with pytest.raises(InvalidDataError, match="X has 67 rows, y has 66"):
        gs.VotingEnsemble([other]).table(X, Y[:-1])
    with pytest.raises(
        InvalidDataError, match=r"y of VotingEnsemble.table must have only labels .* got \[0\]"
    ):
        gs.VotingEnsemble([other]).table(X, Y)
    with pytest.raises(
        InvalidParameterError, match=r"`trainers` of VotingEnsemble must be one or more, .* got none"
    ):
        _ = gs.VotingEnsemble([]).n_features_in_
