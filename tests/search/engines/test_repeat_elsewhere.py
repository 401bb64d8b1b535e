"""Seeds that train on workers: the same rows of the table, and those that fail are told."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gradstep as gs
from gradstep.errors import ExecutorError, InvalidParameterError
from scattering_engine import ScatteringEngine
from sweep_cases import HELD_OUT, X, Y, trainer


def repeated(executor: Any, base: Any = None, **options: Any) -> gs.Repeats:
    base = base or trainer(hidden=(4,), n_threads=2)
    return gs.repeat(base, X, Y, seeds=5, eval_set=HELD_OUT, executor=executor, **options)


@pytest.mark.parametrize("losses", [0.0, 0.3])
def test_seeds_are_the_same(losses: float) -> None:
    engine = ScatteringEngine(1, losses=losses)
    if losses:
        with pytest.warns(RuntimeWarning, match="lost; what"):
            found = repeated(engine)
    else:
        found = repeated(engine)
    expected = repeated(None)
    assert found["seed"].tolist() == list(range(5))
    for name in set(expected) - {"seconds"}:
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)
    for one, other in zip(found.trainers, expected.trainers, strict=True):
        np.testing.assert_array_equal(one.coefs_[0], other.coefs_[0])
        assert one.get_params(deep=False) == other.get_params(deep=False)


def test_one_that_kills_its_workers_fails_alone() -> None:
    engine = ScatteringEngine(2, kills=lambda args: args[-2] == 3)
    with (
        pytest.warns(RuntimeWarning, match="3 workers were lost"),
        pytest.warns(RuntimeWarning, match="1 of the seeds of repeat cannot be trained; the first, 3: "),
    ):
        found = repeated(engine)
    expected = repeated(None)
    assert found["status"].tolist() == ["completed"] * 3 + ["failed", "completed"]
    assert found["validation_loss"].tolist()[:3] == expected["validation_loss"].tolist()[:3]
    assert np.isnan(found["validation_loss"][3])
    with (
        pytest.warns(RuntimeWarning, match="workers were lost"),
        pytest.raises(ExecutorError, match="no seed of repeat can be trained; the first: the worker is gone"),
    ):
        repeated(ScatteringEngine(2, kills=lambda args: True))


def test_bad_executors() -> None:
    with pytest.raises(InvalidParameterError, match="`executor` of repeat must be "):
        repeated("four")
