"""What a training of a face begins with, and what it comes to."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from gradstep.sklearn.curves import Curves
from gradstep.sklearn.rows import FaceRows
from gradstep.sklearn.settings import MLPSettings
from gradstep.sklearn.training import EpochObserver

Array = npt.NDArray[np.floating]


class Beginning(NamedTuple):
    """What a training begins with.

    Attributes
    ----------
    settings : MLPSettings
    rows : FaceRows
    block : ndarray of shape (P,)
        The parameters before the first update.
    curves : Curves
    """

    settings: MLPSettings
    rows: FaceRows
    block: Array
    curves: Curves


class FaceResult(NamedTuple):
    """What a training among others came to.

    Attributes
    ----------
    observer : EpochObserver
    known : dict
        Attributes that tell of the rows, which another face has read.
    """

    observer: EpochObserver
    known: dict[str, Any]
