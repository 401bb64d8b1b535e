"""Models kept on the way: the weights at the ends of a cyclic schedule's cycles."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gradstep.errors import InvalidParameterError
from gradstep.nn.schedules import Cosine, CyclicTriangular
from gradstep.training.history import History

if TYPE_CHECKING:
    from gradstep.estimators.trainer import Trainer


@dataclass(frozen=True)
class Snapshots:
    """A callback of Trainer that keeps the model at the end of every cycle of its schedule.

    The Trainer then has `snapshots_`, a list of fitted Trainers with their histories up to there, each
    with a copy of the parameters; a cycle that the run cuts short has none. The schedule must be
    `CyclicTriangular` or `Cosine`, and `evaluate_every` of Trainer such that it evaluates at the ends
    of cycles: it divides their lengths. In a `Sweep` every Trainer has its own.

    References
    ----------
    G. Huang et al., "Snapshot ensembles: train 1, get M for free", ICLR (2017).

    Examples
    --------
    >>> import gradstep as gs
    >>> train = gs.datasets.load_digits().train
    >>> rate = gs.schedules.Cosine(0.1, period=2)
    >>> trainer = gs.Trainer(learning_rate=rate, epochs=6, callbacks=(Snapshots(),), random_state=0)
    >>> [snapshot.n_iter_ for snapshot in trainer.fit(train.X, train.y).snapshots_]
    [2, 4, 6]
    """

    def __call__(self, trainer: Trainer, row: dict[str, float]) -> None:
        """Take in an evaluation."""
        rate = trainer.learning_rate
        if not isinstance(rate, (CyclicTriangular, Cosine)):
            raise InvalidParameterError(
                f"Snapshots need cycles: `learning_rate` of Trainer must be a CyclicTriangular or Cosine, "
                f"got {rate!r}"
            )
        done = int(row["update"])
        per_epoch = round(done / row["epoch"])
        ends = rate.cycle_ends(per_epoch, int(trainer.epochs) * per_epoch)
        before = int(trainer.history_.rows[-2]["update"]) if len(trainer.history_) > 1 else 0
        missed = [end for end in ends if before < end < done]
        if missed:
            raise InvalidParameterError(
                f"Snapshots need an evaluation at the end of every cycle: `evaluate_every` of Trainer must "
                f"divide {ends[0]} updates, got {trainer.evaluate_every!r} (an epoch has {per_epoch})"
            )
        kept = trainer.__dict__.setdefault("snapshots_", [])
        if done in ends:
            kept.append(_frozen(trainer))


def _frozen(trainer: Trainer) -> Trainer:
    """Return a Trainer with the model of this moment; later evaluations make new arrays."""
    snapshot = copy.copy(trainer)
    del snapshot.__dict__["snapshots_"]
    snapshot.callbacks, snapshot.history_ = (), History()
    snapshot.history_.rows = list(trainer.history_.rows)
    return snapshot
