"""The network before its first update, as the first row of a history."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import gradstep as gs
from makers import HERE, trainer

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(60, 4)), np.arange(60) % 3


def fitted(**parameters) -> gs.Trainer:
    return trainer(evaluate_untrained=True, **parameters).fit(X, Y, eval_set=(X[:20], Y[:20]))


@pytest.mark.parametrize("backend", HERE)
def test_the_first_row_is_the_initial_network(backend: str) -> None:
    seen = []
    model = fitted(backend=backend, callbacks=(lambda own, row: seen.append(own.coefs_[0].copy()) or False,))
    plain = trainer(backend=backend).fit(X, Y, eval_set=(X[:20], Y[:20]))
    first, *others = model.history_.rows
    assert (first["update"], first["epoch"]) == (0, 0)
    assert first["learning_rate"] == 0
    assert np.isnan(first["running_loss"])
    # The others, and the model, are what they are without it.
    for row, expected in zip(others, plain.history_.rows, strict=True):
        assert {**row, "seconds": 0} == {**expected, "seconds": 0}
    np.testing.assert_array_equal(model.coefs_[0], plain.coefs_[0])
    untrained = trainer(backend=backend, learning_rate=lambda update: 0.0, epochs=1).fit(X, Y)
    np.testing.assert_array_equal(seen[0], untrained.coefs_[0])
    assert first["train_loss"] == untrained.history_["train_loss"][-1]
    assert first["validation_accuracy"] == untrained.evaluate(X[:20], Y[:20]).accuracy


def test_searches_have_it_in_every_history() -> None:
    sweep = gs.Sweep(trainer(evaluate_untrained=True), {"l2": [0.0, 0.1]}, random_state=0).fit(X, Y)
    assert [trial.histories[0]["update"][0] for trial in sweep.trials_] == [0, 0]
    assert len({trial.histories[0]["train_loss"][0] for trial in sweep.trials_}) == 1


def test_nothing_is_told_where_nothing_is_evaluated() -> None:
    assert fitted(evaluate_every=None).history_["update"].min() > 0


def test_a_training_that_never_gets_better_keeps_the_initial_network() -> None:
    stop = gs.EarlyStopping("validation_loss", patience=2)
    model = fitted(early_stopping=stop, learning_rate=100.0, epochs=20)
    assert model.n_iter_ == 0
    assert model.history_["update"][0] == 0
    assert len(model.history_) == 3


def test_files_curves_and_rates_know_it(tmp_path: Path) -> None:
    model = fitted()
    model.save(tmp_path / "model")
    assert (
        gs.Trainer.load(tmp_path / "model").history_["update"].tolist() == model.history_["update"].tolist()
    )
    (line, *_) = gs.plots.curves(model).axes[0].lines
    assert line.get_xdata()[0] == 0
    (line,) = gs.plots.learning_rate(model.history_).axes[0].lines
    assert line.get_xdata()[0] >= 0
    assert np.isfinite(line.get_ydata()).all()
