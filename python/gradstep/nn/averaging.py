"""Averages of weights along a training, which generalise better than the weights of its last update.

While the weights go their way, an average of them is kept; what is evaluated, watched and fitted is the
average. It takes a share of the weights after every update, ``average = average + share(t) * (W - average)``,
and of biases likewise; what an averaging adds are these shares.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from gradstep.utils.concepts import Concept
from gradstep.utils.constraints import NUMBER, WHOLE, Constraint, at_least, below
from gradstep.utils.names import module_getattr

__all__ = ["EMA", "Averaging", "LastEpochs"]

if not TYPE_CHECKING:  # who checks types shall know what is not there
    __getattr__ = module_getattr("gradstep.averaging", __all__)

#: Short names, as type checkers know them.
AveragingName = Literal["ema", "last_epochs"]

Array = npt.NDArray[np.float64]


class Averaging(Concept):
    """Base of all averages of weights."""

    family = "average"
    home = "gradstep.averaging"

    def shares(self, updates: npt.NDArray[np.int64], planned: int, updates_per_epoch: int) -> Array:
        """Return what share of the weights the average takes after some updates.

        Parameters
        ----------
        updates : ndarray of shape (T,), int64
            Update numbers, from 0.
        planned : int
            Updates of the whole training.
        updates_per_epoch : int

        Returns
        -------
        ndarray of shape (T,), float64
            In [0, 1]: 0 leaves the average as it is, 1 makes it the weights.
        """
        raise NotImplementedError

    def begins_after(self, planned: int, updates_per_epoch: int) -> int:
        """Return after how many updates there is an average; before, the weights stand for it."""
        raise NotImplementedError


@dataclass(frozen=True)
class EMA(Averaging):
    """Exponential moving average: ``average = decay * average + (1 - decay) * W`` after every update [1]_.

    It begins with the weights after the first update, as AveragedModel of PyTorch and `use_ema` of Keras do,
    and remembers about 1 / (1 - decay) updates: that should be some epochs, and far less than the training.

    Parameters
    ----------
    decay : float, default=0.999
        How much of the average is kept, in [0, 1).

    References
    ----------
    .. [1] B. Polyak, A. Juditsky, "Acceleration of stochastic approximation by averaging", SIAM J. Control
       Optim. 30 (1992), with the weights of torch.optim.swa_utils.get_ema_multi_avg_fn.

    >>> EMA(decay=0.99).shares(np.arange(3), planned=3, updates_per_epoch=1).round(2).tolist()
    [1.0, 0.01, 0.01]
    """

    decay: float = 0.999
    constraints: ClassVar[Mapping[str, tuple[Constraint, ...]]] = {"decay": (NUMBER, at_least(0), below(1))}

    def shares(self, updates: npt.NDArray[np.int64], planned: int, updates_per_epoch: int) -> Array:
        """Return what share of the weights the average takes after some updates."""
        return np.where(updates == 0, 1.0, 1.0 - float(self.decay))

    def begins_after(self, planned: int, updates_per_epoch: int) -> int:
        """Return after how many updates there is an average."""
        return 1


@dataclass(frozen=True)
class LastEpochs(Averaging):
    """Mean of the weights at the ends of the last epochs that are planned: stochastic weight averaging [1]_.

    Before the first of these ends, the weights themselves are evaluated and fitted. The learning rate should
    not be near 0 meanwhile: of weights that hardly move the mean is no other.

    Parameters
    ----------
    epochs : int, default=10
        How many, >= 1; of a shorter training all.

    References
    ----------
    .. [1] P. Izmailov et al., "Averaging weights leads to wider optima and better generalization", UAI
       (2018); the mean is that of torch.optim.swa_utils.get_swa_avg_fn.

    >>> LastEpochs(2).shares(np.arange(6), planned=6, updates_per_epoch=2).tolist()
    [0.0, 0.0, 0.0, 1.0, 0.0, 0.5]
    """

    epochs: int = 10
    constraints: ClassVar[Mapping[str, tuple[Constraint, ...]]] = {"epochs": (WHOLE, at_least(1))}

    def shares(self, updates: npt.NDArray[np.int64], planned: int, updates_per_epoch: int) -> Array:
        """Return what share of the weights the average takes after some updates."""
        # Epochs are counted from their end: those before may have had other rows.
        epochs_left, rest = np.divmod(planned - 1 - updates, updates_per_epoch)
        number = self._count(planned, updates_per_epoch) - epochs_left
        return np.where((rest == 0) & (number >= 1), 1.0 / np.maximum(number, 1), 0.0)

    def begins_after(self, planned: int, updates_per_epoch: int) -> int:
        """Return after how many updates there is an average."""
        return planned - (self._count(planned, updates_per_epoch) - 1) * updates_per_epoch

    def _count(self, planned: int, updates_per_epoch: int) -> int:
        """Return how many epochs have a part in the mean."""
        return min(int(self.epochs), planned // updates_per_epoch)
