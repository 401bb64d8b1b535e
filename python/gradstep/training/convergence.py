"""Whether a training ended long before its loss would have settled."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from gradstep.training.history import History

# Of the way that a training went, in the sum of its rates: the last part of it tells how fast the loss fell.
_LAST_PART = 0.2
# What as long a way again must promise before it is worth a word: a share of the loss, and an amount.
_SHARE, _AMOUNT = 0.3, 0.05


def promised_fall(history: History, rates: npt.NDArray[np.float64], usual: float) -> float | None:
    """Return the share of its loss that a model would lose on as long a way again; None where that is little.

    The way of a training is measured by the sum of its rates, for a gradient step lowers the loss in
    proportion to its rate; so schedules that end at 0 do not hide how far a training has come. The loss is
    taken for a power of the way, which it is nearly: it falls by the same share whenever the way doubles.
    Rates that are far below the usual one go hardly any way, on a straight line: what the usual one would
    have gone is taken then.

    Parameters
    ----------
    history : History
        Of the train rows, or without them of the running loss.
    rates : ndarray of shape (T,), float64
        Of every update.
    usual : float
        What ``learning_rate="auto"`` would have begun with.
    """
    done, loss = _losses(history)
    if len(loss) < 2 or not np.isfinite(loss).all() or loss[-1] <= 0:
        return None
    way = np.cumsum(rates)[done - 1]
    before = np.flatnonzero(way <= (1 - _LAST_PART) * way[-1])
    last = before[-1] if before.size else len(loss) - 2
    if way[last] >= way[-1]:
        return None
    usual_way = usual * len(rates) / 2
    if usual_way > 2 * way[-1]:
        pace = (loss[last] - loss[-1]) / (way[-1] - way[last])
        promised = min(float(pace * usual_way / loss[-1]), 1.0)
    else:
        power = np.log(loss[-1] / loss[last]) / np.log(way[-1] / way[last])
        promised = 1 - 2.0 ** float(power)
    return promised if promised > _SHARE and promised * loss[-1] > _AMOUNT else None


def fall_of_last_cycle(history: History, ends: Sequence[int]) -> float | None:
    """Return the share of its loss that a model lost in its last whole cycle; None where that is little.

    Within a cycle the loss rises and falls with the rate, which says nothing of what more updates would do:
    cycles are compared by their ends. It is little where even as much in as many cycles again would be, and
    nothing is known where two ends were not evaluated.

    Parameters
    ----------
    history : History
        Of the train rows, or without them of the running loss.
    ends : sequence of int, two or more
        After how many updates each whole cycle ended.
    """
    done, loss = _losses(history)
    at_ends = loss[np.isin(done, ends)]
    if len(at_ends) < 2 or not np.isfinite(at_ends).all() or at_ends[-1] <= 0:
        return None
    before, last = at_ends[-2:]
    fall = (before - last) * len(ends)
    return float((before - last) / before) if fall > max(_SHARE * last, _AMOUNT) else None


def _losses(history: History) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Return the updates done and the loss after them, of the train rows where these were evaluated."""
    done = history["update"]
    loss = history["train_loss"][done > 0]
    if not np.isfinite(loss).any():
        loss = history["running_loss"][done > 0]
    return done[done > 0], loss
