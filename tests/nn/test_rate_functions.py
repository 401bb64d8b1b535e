"""Functions as learning rates: of the update, of the epoch, and what goes wrong in them."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

from gradstep.errors import InvalidParameterError
from gradstep.nn import schedules
from gradstep.nn.schedules import PerEpoch


def test_a_callable_of_the_epoch_gets_the_epoch() -> None:
    def halved(epoch: int) -> float:
        return 0.5**epoch

    wanted = [1, 1, 1, 0.5, 0.5, 0.5, 0.25]
    assert schedules.evaluate(halved, 7, updates_per_epoch=3).tolist() == wanted
    assert schedules.evaluate(functools.partial(pow, 0.5), 3, 3).tolist() == [1, 0.5, 0.25]
    assert schedules.evaluate(PerEpoch(functools.partial(pow, 0.5)), 7, 3).tolist() == wanted
    assert [PerEpoch(halved)(t, 3) for t in range(7)] == wanted


def test_a_function_of_the_epoch_is_called_once_for_every_epoch() -> None:
    epochs: list[int] = []
    schedules.evaluate(PerEpoch(lambda e: epochs.append(e) or 0.1), 25, 10)  # type: ignore[func-returns-value]
    assert epochs == [0, 1, 2]


@pytest.mark.parametrize(
    "function", [lambda: 0.1, lambda epoch, rate: rate, lambda *, t: 0.1], ids=["none", "two", "by name"]
)
def test_a_callable_that_takes_no_one_number_is_refused(function: Any) -> None:
    with pytest.raises(
        InvalidParameterError, match="must be a function of one number, the update, or the epoch"
    ):
        schedules.evaluate(function, 3, 2)


@pytest.mark.parametrize("rate", ["0.1", 10**400, 1j, b"1"], ids=lambda rate: type(rate).__name__)
def test_a_callable_that_gives_no_number_is_refused(rate: Any) -> None:
    with pytest.raises(InvalidParameterError, match="must give one number per update, got <function"):
        schedules.evaluate(lambda t: rate, 3, 2)


@pytest.mark.parametrize(
    "error", [KeyError("no rate"), TimeoutError(), MemoryError(), KeyboardInterrupt()], ids=repr
)
def test_what_falls_into_a_callable_passes_through(error: BaseException) -> None:
    def rate(update: int) -> float:
        raise error

    with pytest.raises(type(error)) as caught:
        schedules.evaluate(rate, 3, 2)
    assert caught.value is error


@pytest.mark.parametrize(
    "rates, count",
    [
        ([1.0] * 10, None),
        ([1.0, 0.1, 0, 0, 0], 2),
        ([1.0, 1e-10, 0.5, 0, 0, 0, 0, 0], 3),
        ([0, 0, 0, 1.0, 0], None),
        ([0.0] * 4, None),
        ([], None),
        ([1.0, 2e-10, 1e-10, 1e-11], 2),
    ],
)
def test_where_rates_fade(rates: list[float], count: int | None) -> None:
    assert schedules.fades_after(np.array(rates, dtype=np.float64)) == count


def test_a_schedule_is_no_function_of_the_epoch() -> None:
    with pytest.raises(InvalidParameterError, match=r"`function` of PerEpoch .*a schedule is given as it is"):
        PerEpoch(schedules.StepDecay(0.1))
