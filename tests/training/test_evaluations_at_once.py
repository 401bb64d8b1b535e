"""Epochs after which nobody asks for anything train in one call, and show what they do one by one."""

from __future__ import annotations

import itertools
import signal
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from gradstep import backends
from gradstep.backends.protocol import Running
from gradstep.plan.order import StreamOrder
from gradstep.sklearn import MLPClassifier, MLPRegressor
from gradstep.sklearn.training import FaceTraining
from makers import HERE

RNG = np.random.default_rng(3)
X = RNG.normal(size=(60, 5))
Y = (X[:, 0] + 0.3 * RNG.normal(size=60) > 0).astype(int)
VALUES = X @ RNG.normal(size=5)


class Cutting:
    """A backend that notes the cuts of its trainings, and may be told to stop once now and then."""

    def __init__(self, name: str, stops_at: int = 0) -> None:
        self.inner, self.name = backends.get(name), name
        self.lacks = self.inner.lacks
        self.cuts: list[list[int]] = []
        self._stops_at = stops_at
        self._asked = itertools.count(1)

    def session(self, *arguments: Any, **options: Any) -> Any:
        session = self.inner.session(*arguments, **options)
        train_parts = session.train_parts

        def noted(state: Any, cuts: Sequence[int], *, should_stop: Callable[[], bool]) -> Running:
            self.cuts.append(list(cuts))
            return train_parts(state, cuts, should_stop=lambda: should_stop() or self._stops())

        session.train_parts = noted
        return session

    def _stops(self) -> bool:
        return bool(self._stops_at) and next(self._asked) % self._stops_at == 0


class Interrupting(Cutting):
    """A backend in which Ctrl-C is pressed after so many epochs, when others are drawn already."""

    def __init__(self, name: str, epochs: int) -> None:
        super().__init__(name)
        self._epochs = epochs

    def session(self, plan: Any, *rows: Any, **options: Any) -> Any:
        session = self.inner.session(plan, *rows, **options)
        train_parts = session.train_parts

        def pressed(state: Any, cuts: Sequence[int], *, should_stop: Callable[[], bool]) -> Running:
            done = train_parts(state, cuts[: self._epochs + 1], should_stop=should_stop)
            plan.order.rows(range(self._epochs, self._epochs + 9))
            signal.raise_signal(signal.SIGINT)
            missing = np.full((len(cuts) - 1 - self._epochs, len(state.finite)), np.nan)
            return Running(*(np.concatenate([means, missing]) for means in done))

        session.train_parts = pressed
        return session


def fit(monkeypatch: pytest.MonkeyPatch, spy: Cutting, model: Any, y: Any, **more: Any) -> Any:
    """Fit with the spy as backend, whatever it warns of."""
    monkeypatch.setattr(backends, "get", lambda name: spy)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.set_params(backend=spy.name).fit(X, y, **more)


def one_by_one(model: Any) -> Any:
    """Make somebody ask after every epoch."""
    return model.set_params(callbacks=[lambda model, row: False])


def assert_same(found: Any, expected: Any) -> None:
    for W, same in zip(found.coefs_ + found.intercepts_, expected.coefs_ + expected.intercepts_, strict=True):
        np.testing.assert_array_equal(W, same)
    assert found.loss_curve_ == expected.loss_curve_
    assert (found.n_iter_, found.t_, found.best_loss_) == (expected.n_iter_, expected.t_, expected.best_loss_)


@pytest.mark.parametrize("name", HERE)
@pytest.mark.parametrize(
    "parameters",
    [
        {"n_iter_no_change": 3, "tol": 1e-2},
        {"max_iter": 7, "tol": 0.0},
        {"solver": "sgd", "learning_rate": "adaptive", "n_iter_no_change": 2, "tol": 1e-2},
        {"solver": "sgd", "n_iter_no_change": np.inf, "max_iter": 9},
    ],
)
def test_training_ends_where_it_does_epoch_by_epoch(
    name: str, parameters: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = {"hidden_layer_sizes": (4,), "batch_size": 16, "max_iter": 40, "random_state": 0} | parameters
    # NumPy asks before every update, of which an epoch has 4; a stop amid an epoch is a user's alone.
    together, alone, halting = Cutting(name), Cutting(name), Cutting(name, 9 if name == "numpy" else 3)
    expected = fit(monkeypatch, alone, one_by_one(MLPClassifier(**made)), Y)
    assert [len(cuts) for cuts in alone.cuts] == [2] * expected.n_iter_
    assert_same(fit(monkeypatch, together, MLPClassifier(**made), Y), expected)
    assert len(together.cuts) < expected.n_iter_
    assert together.cuts[-1][-1] == alone.cuts[-1][-1] == 4 * expected.n_iter_
    # A call that ends early, for somebody else wants the machine, is taken up again.
    assert_same(fit(monkeypatch, halting, MLPClassifier(**made), Y), expected)
    # The core asks once, for it is back within milliseconds.
    assert len(halting.cuts) > len(together.cuts) or name == "cpp"


@pytest.mark.parametrize("parameters", [{"verbose": True}, {"solver": "sgd", "learning_rate": "invscaling"}])
def test_who_speaks_or_changes_the_rate_is_asked_after_every_epoch(
    parameters: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    spy = Cutting("numpy")
    model = fit(monkeypatch, spy, MLPClassifier((4,), max_iter=5, random_state=0, **parameters), Y)
    assert [len(cuts) for cuts in spy.cuts] == [2] * model.n_iter_


@pytest.mark.parametrize("name", HERE)
def test_what_diverges_amid_a_call_has_the_curve_of_its_epochs(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = {"hidden_layer_sizes": (), "solver": "sgd", "momentum": 0.0, "learning_rate_init": 30.0}
    made |= {"max_iter": 80, "batch_size": 16, "random_state": 0, "n_iter_no_change": 1000}
    models = []
    for changed in (one_by_one, lambda model: model):
        models.append(changed(MLPRegressor(**made)))
        with pytest.raises(ValueError, match="non-finite"):
            fit(monkeypatch, Cutting(name), models[-1], VALUES)
    alone, together = models
    finite = np.isfinite(alone.loss_curve_)
    assert 5 < finite.sum() < 80
    np.testing.assert_array_equal(together.loss_curve_, alone.loss_curve_)
    assert (together.n_iter_, together.t_) == (alone.n_iter_, alone.t_) == (80, 80 * 60)


@pytest.mark.parametrize("name", HERE)
def test_a_stream_is_left_where_training_was_stopped(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = {"hidden_layer_sizes": (4,), "batch_size": 16, "max_iter": 40, "n_iter_no_change": 20}
    generators = [np.random.RandomState(5) for _ in range(2)]
    asking = MLPClassifier(
        **made, random_state=generators[0], callbacks=[lambda model, row: row["epoch"] == 6]
    )
    expected = fit(monkeypatch, Cutting(name), asking, Y)
    pressed = MLPClassifier(**made, random_state=generators[1])
    with pytest.warns(UserWarning, match="interrupted by user"):
        model = fit(monkeypatch, Interrupting(name, epochs=6), pressed, Y)
    assert_same(model, expected)
    assert expected.n_iter_ == 6
    first, second = (generator.randint(2**31 - 1, size=4).tolist() for generator in generators)
    assert first == second


def test_a_stream_goes_back_among_epochs_that_were_drawn_together() -> None:
    ahead, alone = (StreamOrder(9, np.random.RandomState(1)) for _ in range(2))
    epochs = [alone.epoch(number) for number in range(5)]
    np.testing.assert_array_equal(ahead.epoch(0), epochs[0])
    np.testing.assert_array_equal(ahead.rows(range(1, 5)), np.concatenate(epochs[1:]))
    for number in (2, 1, 4, 3, 0):
        np.testing.assert_array_equal(ahead.epoch(number), epochs[number])
    np.testing.assert_array_equal(ahead.rows(range(1, 3)), np.concatenate(epochs[1:3]))
    ahead.rows(range(3, 5))
    with pytest.raises(ValueError, match="epoch 1 of a stream is gone"):
        ahead.epoch(1)


@pytest.mark.parametrize("name", HERE)
def test_nobody_trains_beyond_a_goal(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[FaceTraining] = []

    def train(observers: Any, order: Any, should_stop: Any) -> None:
        training = FaceTraining(observers, order)
        for goal in (9, 12, 13, 99):
            training.advance(goal, should_stop)
        begun.append(training)

    monkeypatch.setattr("gradstep.sklearn.base.train_in_batches", train)
    spy = Cutting(name)
    fit(monkeypatch, spy, MLPClassifier((4,), batch_size=16, max_iter=9, n_iter_no_change=9), Y)
    assert spy.cuts == [[0, 4, 8, 12], [12, 16], [16, 20, 24, 28, 32, 36]]
    assert begun[0].is_over
