"""Whether a training says that it ended too early."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

import gradstep as gs
from gradstep.training.convergence import fall_of_last_cycle, promised_fall
from gradstep.training.history import History


def _history(losses, updates) -> History:
    """Return a history of these train losses, each after so many updates."""
    names = History().keys()
    columns = {name: np.zeros(len(losses)) for name in names}
    return History(columns=columns | {"train_loss": losses, "update": updates})


def test_what_a_way_that_doubled_has_brought_it_brings_again() -> None:
    # The loss is 1 / way: twice as long a way halves it.
    history = _history([1.0, 1 / 2, 1 / 3, 1 / 4], [10, 20, 30, 40])
    assert promised_fall(history, np.full(40, 0.1), 0.1) == pytest.approx(0.5)
    # Somewhat more than one over its root: a third less.
    root = _history([1.0, 2**-0.6, 3**-0.6, 4**-0.6], [10, 20, 30, 40])
    assert promised_fall(root, np.full(40, 0.1), 0.1) == pytest.approx(1 - 2**-0.6)


def test_the_way_counts_and_not_the_updates() -> None:
    # The last 20 of 40 updates go a fifth of the way, from 0.8 to 1: 1 / way falls by a fifth.
    rates = np.repeat([0.4, 0.1], 20)
    history = _history([1 / 0.8, 1.0], [20, 40])
    assert promised_fall(history, rates, 0.1) == pytest.approx(0.5)


def test_rates_that_go_no_way_are_measured_by_the_usual_one() -> None:
    history = _history([2.3, 2.2999], [10, 20])
    assert promised_fall(history, np.full(20, 1e-6), 1e-6) is None
    # Usual would be 0.1, half of it on average: 50,000 times as far.
    assert promised_fall(history, np.full(20, 1e-6), 0.1) == 1.0


@pytest.mark.parametrize(
    "losses", [[0.5], [0.5, 0.5, 0.5], [0.4, 0.6], [1e-3, 1e-4, 1e-5], [0.5, np.nan], [0.0, 0.0]]
)
def test_what_has_settled_promises_nothing(losses) -> None:
    history = _history(losses, 10 * np.arange(1, len(losses) + 1))
    assert promised_fall(history, np.full(10 * len(losses), 0.1), 0.1) is None


def test_cycles_are_compared_by_their_ends() -> None:
    # Within a cycle the loss falls from 2 to less than 1; from one cycle to the next it hardly does.
    history = _history([2.0, 0.8, 2.0, 0.78], [10, 20, 30, 40])
    assert promised_fall(history, np.full(40, 0.1), 0.1) > 0.8
    assert fall_of_last_cycle(history, [20, 40]) is None
    falls = _history([2.0, 0.8, 2.0, 0.6], [10, 20, 30, 40])
    assert fall_of_last_cycle(falls, [20, 40]) == pytest.approx(0.25)
    # An end that was not evaluated tells nothing.
    assert fall_of_last_cycle(falls, [20, 45]) is None


def test_a_cyclic_fit_tells_of_its_last_cycle_and_promises_nothing() -> None:
    digits = gs.datasets.load_digits()
    rate = gs.schedules.Cosine(0.01, period=1)
    (said,) = _said(digits, learning_rate=rate, epochs=3)
    assert "the last cycle of its rates lowered the loss by " in said
    settled = gs.schedules.CyclicTriangular(1e-3, 0.5, step_size=55)
    assert _said(digits, learning_rate=settled, epochs=30, batch_size=22) == []


def _said(digits, **parameters) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        gs.Trainer(random_state=0, **parameters).fit(digits.train.X, digits.train.y)
    return [str(one.message) for one in caught if one.category is ConvergenceWarning]


@pytest.mark.parametrize("few", [{"epochs": 2}, {"learning_rate": 1e-6}, {"epochs": 5, "hidden": (20,)}])
def test_fit_says_that_it_ended_early(few) -> None:
    (said,) = _said(gs.datasets.load_digits(), **few)
    assert said.startswith(f"Trainer has not converged after {few.get('epochs', 100)} epochs: ")
    assert "`epochs`" in said


@pytest.mark.parametrize(
    "settled", [{}, {"hidden": (50,)}, {"early_stopping": gs.EarlyStopping("train_loss", 1)}]
)
def test_fit_is_silent_where_it_settled_or_a_rule_ended_it(settled) -> None:
    assert _said(gs.datasets.load_digits(), **settled) == []


def test_what_is_promised_comes_true() -> None:
    digits = gs.datasets.load_digits()
    (said,) = _said(digits, epochs=5, hidden=(20,))
    promised = float(said.split("by ")[1].split("%")[0]) / 100
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        losses = [
            gs.Trainer(random_state=0, epochs=epochs, hidden=(20,))
            .fit(digits.train.X, digits.train.y)
            .history_["train_loss"][-1]
            for epochs in (5, 10)
        ]
    assert promised == pytest.approx(1 - losses[1] / losses[0], abs=0.15)
