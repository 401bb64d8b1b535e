"""Whether a training ended long before its loss would have settled."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gradstep.training.history import History

# Of the way that a training went, in the sum of its rates: the last part of it tells how fast the loss fell.
_LAST_PART = 0.2
# What as long a way again must promise before it is worth a word: a share of the loss, and an amount.
_SHARE, _AMOUNT = 0.4, 0.05


def promised_fall(history: History, rates: npt.NDArray[np.float64], usual: float) -> float | None:
    """Return the share of its loss that a model would lose on as long a way again; None where that is little.

    The way of a training is measured by the sum of its rates, for a gradient step lowers the loss in
    proportion to its rate; so schedules that end at 0 do not hide how far a training has come. Rates that
    are far below the usual one go no way at all: what the usual one would have gone is taken then.

    Parameters
    ----------
    history : History
        Of the train rows, or without them of the running loss.
    rates : ndarray of shape (T,), float64
        Of every update.
    usual : float
        What ``learning_rate="auto"`` would have begun with.
    """
    done = history["update"]
    loss = history["train_loss"][done > 0]
    if not np.isfinite(loss).any():
        loss = history["running_loss"][done > 0]
    if len(loss) < 2 or not np.isfinite(loss).all() or loss[-1] <= 0:
        return None
    way = np.cumsum(rates)[done[done > 0] - 1]
    before = np.flatnonzero(way <= (1 - _LAST_PART) * way[-1])
    last = before[-1] if before.size else len(loss) - 2
    if way[last] >= way[-1]:
        return None
    pace = (loss[last] - loss[-1]) / (way[-1] - way[last])
    fall = pace * max(way[-1], usual * len(rates) / 2)
    promised = min(float(fall / loss[-1]), 1.0)
    return promised if promised > _SHARE and fall > _AMOUNT else None
