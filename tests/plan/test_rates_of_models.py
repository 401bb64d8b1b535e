"""Rates of the models of a group: equal schedules are asked once, and each model has its own rates."""

from __future__ import annotations

import numpy as np
import pytest

import gradstep as gs
import makers
from gradstep.nn import schedules

X = np.random.default_rng(0).normal(size=(30, 3))
Y = np.arange(30) % 3


def test_equal_schedules_of_a_group_are_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    answer = schedules.Cosine.__call__

    def counted(self: schedules.Cosine, update: int, per_epoch: int, updates: int | None = None) -> float:
        asked.append(update)
        return answer(self, update, per_epoch, updates)

    monkeypatch.setattr(schedules.Cosine, "__call__", counted)
    base = makers.trainer(learning_rate=schedules.Cosine(0.1), epochs=4, batch_size=10)
    gs.Sweep(base, {"l2": [0.0, 0.1, 0.2]}, validation_share=None, metric="train_loss").fit(X, Y)
    assert asked == list(range(12))


def test_every_model_of_a_group_has_the_rates_that_it_has_alone() -> None:
    recorded = schedules.Recorded([0.1] * 12)
    assert recorded == schedules.Recorded((0.1,) * 12)
    rates = [0.1, 0.2, schedules.Cosine(0.1), schedules.Cosine(0.2), recorded]
    base = makers.trainer(epochs=4, batch_size=10)
    sweep = gs.Sweep(
        base, {"learning_rate": rates}, validation_share=None, metric="train_loss", keep_trainers=True
    ).fit(X, Y)
    for trial, rate in zip(sweep.trials_, rates, strict=True):
        alone = makers.trainer(epochs=4, batch_size=10, learning_rate=rate).fit(X, Y)
        np.testing.assert_array_equal(trial.trainer().coefs_[0], alone.coefs_[0])
