"""What a callback returns: True stops, False or None goes on, and nothing else is taken for either."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gradstep as gs
import makers
from gradstep.errors import InvalidParameterError

X = np.random.default_rng(0).normal(size=(30, 3))
Y = np.arange(30) % 3


@pytest.mark.parametrize(
    ("answer", "rows"), [(None, 4), (False, 4), (np.False_, 4), (0, 4), (True, 1), (np.True_, 1)]
)
def test_true_stops(answer: Any, rows: int) -> None:
    model = makers.trainer(epochs=4, callbacks=(lambda trainer, row: answer,)).fit(X, Y)
    assert len(model.history_) == rows


@pytest.mark.parametrize("answer", [17, "go on", 0.3])
def test_an_answer_that_may_have_been_meant_for_nobody_is_refused(answer: Any) -> None:
    with pytest.raises(
        InvalidParameterError, match=f"`callbacks` of Trainer must return True.* got .?{answer}"
    ):
        makers.trainer(epochs=4, callbacks=(lambda trainer, row: answer,)).fit(X, Y)
    sweep = gs.Sweep(makers.trainer(), {"l2": [0.0, 0.1]}, callbacks=(lambda sweep: answer,))
    with pytest.raises(InvalidParameterError, match="`callbacks` of Sweep must return True, which stops"):
        sweep.fit(X, Y)
