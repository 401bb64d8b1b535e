"""What a batch comes to: how the losses of its rows make one number, and how the penalty joins it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class BatchCost:
    """What every step makes smaller: ``factor * sum(weight * loss) / size + l2 / share * sum(W**2)``.

    `size` of a batch is its number of rows, `share` is 1. With `divisor` and `shares_l2` they are what
    scikit-learn's neural networks have [1]_. Evaluations over whole data sets do not know of it.

    Attributes
    ----------
    divisor : ndarray of shape (n,) or (m, n), float64, or None
        Weights of the rows of the data set: `size` is their sum over the batch, in place of its number of
        rows. A batch that weighs 0 is passed over: no step, no loss, though it takes an update's number.
    factor : float
        Of the data term alone. The losses of `gradstep.nn.losses` are means over k outputs; with k they are
        sums.
    shares_l2 : bool
        Whether `share` is `size`, so that the rows of a short batch are penalised more.
    counts_l2 : bool
        Whether the running loss is a running cost: it includes the penalty of every batch, by the weights
        before its update.

    References
    ----------
    .. [1] scikit-learn 1.9, ``sklearn.neural_network.MLPClassifier``: with `alpha` the penalty of a batch is
       ``alpha / 2 * sum(W**2)`` divided by its rows, or by the sum of their weights.

    >>> BatchCost().is_plain, BatchCost(factor=3.0).is_plain
    (True, False)
    """

    divisor: Array | None = None
    factor: float = 1.0
    shares_l2: bool = False
    counts_l2: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether it is the mean over the rows, and the penalty as it is."""
        return self.divisor is None and self.factor == 1 and not self.shares_l2 and not self.counts_l2

    def select(self, models: Sequence[int]) -> BatchCost:
        """Return that of some models of the group, in the order given."""
        if self.divisor is None or self.divisor.ndim == 1:
            return self
        return replace(self, divisor=self.divisor[list(models)])

    def sizes(self, row_indices: npt.NDArray[np.int32], starts: npt.NDArray[np.int64]) -> Array:
        """Return `size` of every batch, (1, T), or (m, T) where the models' weights differ."""
        if self.divisor is None:
            return np.diff(starts).astype(np.float64)[None]
        weights = np.atleast_2d(self.divisor)
        # Model by model: each has the bits that it has alone.
        return np.stack([np.add.reduceat(own[row_indices], starts[:-1]) for own in weights])

    def divisors(self, sizes: Array, m: int) -> Array:
        """Return what the sums over the rows of every batch are divided by, (m, T); 0 of one to pass over."""
        return np.ascontiguousarray(np.broadcast_to(sizes / self.factor, (m, sizes.shape[1])))

    def l2(self, l2: Array, sizes: Array) -> Array:
        """Return the l2 of every update, (m, T), from that of m models, (m,)."""
        of_all = np.repeat(l2[:, None], sizes.shape[1], axis=1)
        return (
            np.divide(of_all, sizes, out=np.zeros_like(of_all), where=sizes > 0) if self.shares_l2 else of_all
        )


#: The mean over the rows of a batch, and the penalty as it is.
MEAN = BatchCost()
