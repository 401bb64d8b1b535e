"""Which inputs of layers every update of every model leaves out: see `gradstep.nn.dropout`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from gradstep.nn.dropout import mixed, word


@dataclass(frozen=True, eq=False)
class Dropout:
    """What m models of l layers drop of their layers' inputs.

    Attributes
    ----------
    seed : int
    shares : ndarray of shape (m, l), float64
        Of the inputs of every layer, in [0, 1): first those of the rows, which are the same for all models,
        then those of every hidden layer's outputs.
    """

    seed: int
    shares: npt.NDArray[np.float64]

    @cached_property
    def limits(self) -> npt.NDArray[np.int32]:
        """What words must be below, as signed numbers, for a unit to be dropped, ``(m, l)``."""
        return (np.floor(self.shares * 2**32) - 2**31).astype(np.int32)

    @cached_property
    def scales(self) -> npt.NDArray[np.float64]:
        """What units that are kept are multiplied by, ``(m, l)``."""
        return 1 / (1 - self.shares)

    def keys(self, t0: int, t1: int) -> npt.NDArray[np.uint64]:
        """Return a key for each layer in each of the updates ``t0 <= t < t1``, (t1 - t0, l)."""
        layers = mixed(
            mixed(np.array([self.seed], np.uint64)) + np.arange(self.shares.shape[1], dtype=np.uint64)
        )
        keys: npt.NDArray[np.uint64] = mixed(layers + np.arange(t0, t1, dtype=np.uint64)[:, None])
        return keys

    def select(self, models: Sequence[int]) -> Dropout:
        """Return the dropout of some models, in the order given."""
        return replace(self, shares=self.shares[list(models)])


def words(key: np.uint64, rows: int, units: int) -> npt.NDArray[np.int32]:
    """Return what limits are held against: the words of a batch's rows and units, (rows, units)."""
    of_rows = mixed(key + np.arange(rows, dtype=np.uint64))[:, None]
    low, high = of_rows.astype(np.uint32), (of_rows >> np.uint64(32)).astype(np.uint32)
    found: npt.NDArray[np.int32] = word(np.arange(units, dtype=np.uint32), low, high).view(np.int32)
    return found
