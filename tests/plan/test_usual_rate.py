"""What ``learning_rate="auto"`` comes to."""

from __future__ import annotations

import pytest

import gradstep as gs
from gradstep.plan.build import make_plan


@pytest.mark.parametrize(
    ("optimizer", "loss", "d", "high"),
    [
        ("sgd", "softmax", 10, 0.1),
        ("sgd", "softmax", 3000, 0.01),
        (gs.optimizers.SGD(momentum=0.9), "softmax", 10, 0.01),
        ("adam", "softmax", 10, 0.01),
        ("rmsprop", "softmax", 1000, 0.002),
        ("sgd", "squared", 100, 0.01),
    ],
)
def test_the_usual_rate_depends_on_optimizer_loss_and_inputs(optimizer, loss, d, high) -> None:
    estimator = gs.Regressor if loss == "squared" else gs.Trainer
    made = estimator(optimizer=optimizer, loss=loss, learning_rate="auto", epochs=3, batch_size=10)
    plan, _ = make_plan([made.settings()], 50, d, 2)
    cosine = gs.schedules.Cosine(high)
    assert plan.learning_rate[0].tolist() == pytest.approx([cosine(t, 5, 15) for t in range(15)])
