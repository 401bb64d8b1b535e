"""Slices of a group: pure functions of values, and the same bits however a training is cut."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.base import clone

import gradstep as gs
from gradstep.errors import InvalidParameterError
from gradstep.search.data import read
from gradstep.search.groups import Limits
from gradstep.search.runner import run_trials
from gradstep.search.slices import OpenGroup, advance, require_picklable
from gradstep.search.trials import make_trials
from gradstep.training.group_state import GroupState
from gradstep.utils.interrupt import Interrupt
from sweep_cases import HELD_OUT, HELD_OUT_VALUES, HERE, VALUES, X, Y, trainer
from sweep_cases import regressor as make_regressor

STOP = gs.EarlyStopping("validation_loss", patience=1, restore_best=True)
PLATEAU = gs.schedules.ReduceOnPlateau(0.5, factor=0.3, patience=1, monitor="running_loss", min_delta=0.05)
ADAM = gs.optimizers.Adam()

# A base, and the settings of a group; all that changes from update to update is in one of them.
CASES = {
    "momentum": (
        trainer(hidden=(4,), optimizer=gs.optimizers.SGD(momentum=0.9), dropout=0.3, epochs=7),
        [{"l2": 0.0}, {"learning_rate": gs.schedules.Cosine(0.3)}, {"learning_rate": 1e30}, {"epochs": 7}],
    ),
    "rules": (
        trainer(optimizer=ADAM, learning_rate=0.4, epochs=9, evaluate_untrained=True),
        [{"early_stopping": STOP}, {"learning_rate": PLATEAU}, {"l2": 0.3, "early_stopping": STOP}, {}],
    ),
    "averages": (
        trainer(average=gs.averaging.EMA(0.8), clip_norm=0.5, evaluate_every=3, epochs=5),
        [{"average": gs.averaging.LastEpochs(2)}, {"early_stopping": STOP}, {"learning_rate": PLATEAU}],
    ),
    "running": (
        trainer(evaluate_every="running", metrics=["f1_macro"], epochs=6, hidden=(3,)),
        [{"init__seed": 3}, {"l2": 0.2, "learning_rate": PLATEAU}],
    ),
    "lbfgs": (
        trainer(optimizer="lbfgs", learning_rate="auto", batch_size="auto", epochs=12),
        [{"l2": 1.0}, {"l2": 1e-6, "early_stopping": STOP}, {"l2": 1e-3}],
    ),
    "values": (make_regressor(hidden=(4,), optimizer=ADAM, epochs=5), [{}, {"l2": 0.1}]),
}


def never():
    return False


def made_of(name, backend):
    """Return the rows and the settings of the one group of a case."""
    base, candidates = CASES[name]
    base = clone(base).set_params(backend=backend)
    given = (X, VALUES, None, HELD_OUT_VALUES) if name == "values" else (X, Y, None, HELD_OUT)
    trials = make_trials(base, candidates, has_validation=True)
    rows = read(base, [trial.settings for trial in trials], given)
    return trials, rows


def whole(trials, rows):
    """Train all at once; return what every model came to."""
    run = run_trials(trials, [rows], Limits())
    assert len(run.groups) == 1
    return [trial.recorders[0] for trial in trials]


def sliced(rows, settings, goals, change=lambda kept, left: (kept, left)):
    """Train slice by slice, everything being pickled between; return the rows, and the last news, of all."""
    left, kept = list(range(len(settings))), None
    history, last = [[] for _ in settings], [None] * len(settings)
    for goal in goals:
        given = pickle.loads(pickle.dumps((rows, tuple(settings[model] for model in left), kept)))
        kept, news = pickle.loads(pickle.dumps(advance(*given, goal, 1 + goal % 2, never)))
        for model, own in zip(left, news.models, strict=True):
            history[model] += own.rows
            last[model] = own
        left = [model for model in left if not last[model].status.is_over]
        assert len(left) == len(kept.models)
        if not left:
            break
        kept, left = change(kept, left)
    return history, last


def assert_same(found, expected):
    for rows, news, recorder in zip(*found, expected, strict=True):
        np.testing.assert_equal(
            [row | {"seconds": 0} for row in rows], [row | {"seconds": 0} for row in recorder.history.rows]
        )
        assert news.status is recorder.status
        assert repr(news.error) == repr(recorder.error)
        np.testing.assert_equal(news.row | {"seconds": 0}, recorder.row | {"seconds": 0})
        np.testing.assert_array_equal(news.block, recorder.fitted.block)


@pytest.mark.parametrize("backend", HERE)
@pytest.mark.parametrize("name", CASES)
def test_slices_come_to_the_bits_of_one_run(name, backend):
    trials, rows = made_of(name, backend)
    expected = whole(trials, rows)
    settings = [trial.settings for trial in trials]
    assert_same(sliced(rows.job_rows(settings[0]), settings, range(1, 20)), expected)


def test_the_cases_have_every_way_to_end():
    ends = {name: [own.status for own in whole(*made_of(name, "numpy"))] for name in CASES}
    assert "diverged" in ends["momentum"]
    assert ends["rules"].count("early_stopped") == 2
    assert "converged" in ends["lbfgs"]
    found = whole(*made_of("rules", "numpy"))[1].history["learning_rate"]
    assert len(set(found[1:])) > 2  # the plateau has lowered it more than once


@pytest.mark.parametrize("name", ["rules", "lbfgs", "averages"])
def test_groups_are_cut_and_joined_between_slices(name):
    trials, rows = made_of(name, "cpp" if "cpp" in HERE else "numpy")
    expected = whole(trials, rows)
    settings = [trial.settings for trial in trials]

    def turned(kept, left):
        """Bring the models in another order, by cutting and joining."""
        places = range(len(left))
        parts = [kept.select([place]) for place in reversed(places)]
        return GroupState.join(parts), left[::-1]

    assert_same(sliced(rows.job_rows(settings[0]), settings, range(1, 20), turned), expected)


def test_groups_that_are_not_at_one_update_are_not_joined():
    trials, rows = made_of("values", "numpy")
    settings = tuple(trial.settings for trial in trials)
    own = rows.job_rows(settings[0])
    first, _ = advance(own, settings, None, 1, None, never)
    second, _ = advance(own, settings, first, 2, None, never)
    with pytest.raises(ValueError, match=r"must have done the same updates, got \[\d+, \d+\]"):
        GroupState.join([first, second])


def test_a_slice_changes_nothing_that_it_is_given():
    trials, rows = made_of("averages", "numpy")
    settings = tuple(trial.settings for trial in trials)
    own = rows.job_rows(settings[0])
    kept, news = advance(own, settings, None, 1, None, never)
    assert news.outsets is not None
    before = pickle.dumps(kept)
    first, _ = advance(own, settings, kept, 2, None, never)
    again, more = advance(own, settings, kept, 2, None, never)
    assert pickle.dumps(kept) == before
    np.testing.assert_array_equal(first.parameters, again.parameters)
    assert more.outsets is None
    assert [len(model.rows) for model in more.models] == [3] * 3


def test_a_slice_that_is_at_its_goal_does_nothing():
    trials, rows = made_of("values", "numpy")
    settings = tuple(trial.settings for trial in trials)
    kept, _ = advance(rows.job_rows(settings[0]), settings, None, 2, None, never)
    same, news = advance(rows.job_rows(settings[0]), settings, kept, 2, None, never)
    np.testing.assert_array_equal(same.parameters, kept.parameters)
    assert [(len(model.rows), model.status) for model in news.models] == [(0, "running")] * 2


def test_a_slice_can_be_stopped():
    trials, rows = made_of("values", "numpy")
    settings = tuple(trial.settings for trial in trials)
    stop = Interrupt()
    stop.requested = True
    kept, news = advance(rows.job_rows(settings[0]), settings, None, 2, None, stop)
    assert (kept.done, news.done, len(news.models[0].rows)) == (0, 0, 0)


def test_what_is_kept_has_no_parameters_twice():
    """Beside parameters and slots a model takes less than 10 kB, whatever the size of the network."""
    base = trainer(hidden=(2000,), optimizer=ADAM, epochs=3, early_stopping=STOP, learning_rate=1e-3)
    trials = make_trials(base, [{"l2": 0.0}, {"l2": 0.1}], has_validation=True)
    rows = read(base, [trial.settings for trial in trials], (X, Y, None, HELD_OUT))
    settings = tuple(trial.settings for trial in trials)
    kept, news = advance(rows.job_rows(settings[0]), settings, None, 1, None, never)
    assert kept.parameters.nbytes > 100_000
    assert len(pickle.dumps((kept, news))) - kept.parameters.nbytes - kept.slots.nbytes < 2 * 10_000


def test_models_are_judged_where_they_are_and_forgotten():
    trials, rows = made_of("momentum", "numpy")
    settings = tuple(trial.settings for trial in trials)

    def judge(place, result):
        return (place, float(result.fitted.block.sum())), False

    kept, news = advance(rows.job_rows(settings[0]), settings, None, 99, None, never, judge)
    _, plain = advance(rows.job_rows(settings[0]), settings, None, 99, None, never)
    assert kept.models == ()
    for place, (own, other) in enumerate(zip(news.models, plain.models, strict=True)):
        if own.status == "diverged":
            assert own.score is None
            np.testing.assert_array_equal(own.block, other.block)
        else:
            assert own.score == (place, float(other.block.sum()))
            assert own.block is None


def test_a_group_that_is_open_gives_the_state_that_a_slice_does():
    trials, rows = made_of("averages", "numpy")
    settings = tuple(trial.settings for trial in trials)
    own = rows.job_rows(settings[0])
    group = OpenGroup(own, settings)
    group.advance(group.update_of(2), never)
    kept, _ = advance(own, settings, None, 2, None, never)
    found = group.kept()
    for name in ("parameters", "slots", "updates", "finite"):
        np.testing.assert_array_equal(getattr(found, name), getattr(kept, name))
    group.advance(group.update_of(3), never)
    np.testing.assert_array_equal(found.parameters, kept.parameters)  # a copy
    assert group.update_of(0.5) * 2 >= group.update_of(1)


def test_what_pickle_cannot_send_is_told_before_anything_trains():
    candidates = [{"l2": 0.0}, {"learning_rate": lambda update: 0.1}]
    made = make_trials(trainer(), candidates, has_validation=True)
    require_picklable(made[:1])
    with pytest.raises(
        InvalidParameterError, match=r"`learning_rate` of trial 1 .*`executor` of Sweep.*lambda"
    ):
        require_picklable(made)
    made = make_trials(trainer(callbacks=(lambda *_: None,)), [{}], has_validation=True)
    with pytest.raises(
        InvalidParameterError, match=r"`callbacks` of trial 0 .* for `executor` of FusedSearchCV"
    ):
        require_picklable(made, "`executor` of FusedSearchCV")
