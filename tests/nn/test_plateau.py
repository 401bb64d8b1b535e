"""`ReduceOnPlateau`: when the rate falls, by how much, and that training follows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import make_blobs

import gradstep as gs
import makers
from gradstep.errors import DivergedError, InvalidParameterError
from gradstep.nn.metrics import Accuracy, columns
from gradstep.training.observers import PlateauState
from makers import HERE

# All that a softmax regression measures.
MONITORS = columns((Accuracy(),))
X, Y = make_blobs(n_samples=130, centers=4, n_features=3, cluster_std=1.5, random_state=3)
PER_EPOCH = 4


def trainer(**parameters: Any) -> gs.Trainer:
    """Make a Trainer of 4 updates per epoch that is the same every time."""
    return makers.trainer(**{"epochs": 30, "batch_size": 40} | parameters)


def rule(start: float = 40.0, patience: int = 1, monitor: str = "running_loss", **more: float) -> Any:
    return gs.schedules.ReduceOnPlateau(start, 0.5, patience, monitor, **more)


def followed(values: list[float], monitor: str, factor: float, patience: int, least: float) -> list[float]:
    """Return the rate before each value, in plain loops."""
    rate, best, since, rates = 1.0, None, 0, []
    for value in values:
        rates.append(rate)
        better = -value if monitor.endswith("accuracy") else value
        if best is None or better < best:
            best, since = better, 0
        else:
            since += 1
        if since == patience:
            rate, since = max(rate * factor, least), 0
    return rates


@given(
    values=st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4]), max_size=30),
    monitor=st.sampled_from(MONITORS),
    factor=st.sampled_from([0.1, 0.5, 1.0]),
    patience=st.integers(1, 4),
    least=st.sampled_from([0.0, 0.01, 0.3, 1.0]),
)
def test_the_rates_are_those_of_plain_loops(
    values: list[float], monitor: str, factor: float, patience: int, least: float
) -> None:
    plateau = gs.schedules.ReduceOnPlateau(1.0, factor, patience, monitor, min_rate=least)
    rates = np.ones(2 * len(values))
    plateaus = PlateauState(plateau)
    for i, value in enumerate(values):
        plateaus.on_evaluation({monitor: value}, rates[2 * i + 2 :])
    expected = np.repeat(followed(values, monitor, factor, patience, least), 2)
    np.testing.assert_allclose(rates, expected, rtol=1e-12)


def test_min_delta() -> None:
    rates = np.ones(4)
    plateaus = PlateauState(gs.schedules.ReduceOnPlateau(1.0, 0.5, 1, "train_loss", min_delta=0.5))
    for update, loss in enumerate([3.0, 2.4, 2.0]):
        plateaus.on_evaluation({"train_loss": loss}, rates[update + 1 :])
    assert rates.tolist() == [1, 1, 1, 0.5]


@pytest.mark.parametrize("monitor", MONITORS)
def test_the_history_tells_values_and_rates_that_fit(monitor: str) -> None:
    model = trainer(learning_rate=rule(monitor=monitor), evaluate_every=1)
    model.fit(X[:100], Y[:100], eval_set=(X[100:], Y[100:]))
    found = model.history_["learning_rate"]
    expected = 40.0 * np.array(followed(model.history_[monitor].tolist(), monitor, 0.5, 1, 0.0))
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert found[-1] < found[0]


@pytest.mark.parametrize("name", HERE)
def test_training_walks_with_the_rates_of_the_history(name: str) -> None:
    model = trainer(learning_rate=rule(), backend=name, hidden=(5,), evaluate_every=3).fit(X, Y)
    assert len(set(model.history_["learning_rate"])) > 2
    rates = np.repeat(model.history_["learning_rate"], np.diff(model.history_["update"], prepend=0))
    recorded = gs.schedules.Recorded(tuple(rates.tolist()))
    same = trainer(learning_rate=recorded, backend=name, hidden=(5,), evaluate_every=3).fit(X, Y)
    for W, other in zip(model.coefs_, same.coefs_, strict=True):
        np.testing.assert_array_equal(W, other)


def test_min_rate_is_where_it_ends() -> None:
    model = trainer(learning_rate=rule(min_rate=15.0)).fit(X, Y)
    assert sorted(set(model.history_["learning_rate"])) == [15.0, 20.0, 40.0]


def test_a_second_fit_begins_anew() -> None:
    model = trainer(learning_rate=rule())
    first = model.fit(X, Y).coefs_[0]
    np.testing.assert_array_equal(first, model.fit(X, Y).coefs_[0])


def test_early_stopping_may_watch_too() -> None:
    stop = gs.EarlyStopping("running_loss", patience=3)
    model = trainer(learning_rate=rule(), early_stopping=stop).fit(X, Y)
    assert model.history_["learning_rate"][-1] < 40.0


def test_a_fit_that_diverges_names_the_rate_in_force() -> None:
    model = trainer(learning_rate=rule(1e30, monitor="running_accuracy"), hidden=(3,), batch_size=130)
    with pytest.raises(DivergedError) as caught:
        model.set_params(evaluate_every=1).fit(X, Y)
    assert caught.value.learning_rate in 1e30 * 0.5 ** np.arange(30)


@pytest.mark.parametrize(
    ("parameters", "monitor", "message"),
    [
        (
            {},
            "validation_loss",
            "monitors validation_loss, which needs validation rows, by `validation_fraction` of Trainer or",
        ),
        ({"evaluate_every": None}, "train_loss", "needs metrics while training, got evaluate_every=None"),
        ({"evaluate_every": "running"}, "train_cost", "which needs the train rows evaluated"),
    ],
)
def test_a_column_that_stays_empty_is_refused(parameters: dict[str, Any], monitor: str, message: str) -> None:
    with pytest.raises(InvalidParameterError, match=f"`learning_rate` of Trainer .*{message}"):
        trainer(learning_rate=rule(monitor=monitor), **parameters).fit(X, Y)


def test_an_unknown_column_is_refused() -> None:
    with pytest.raises(
        InvalidParameterError, match="`monitor` of ReduceOnPlateau must be a column of the history"
    ):
        rule(monitor="seconds")
