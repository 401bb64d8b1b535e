"""Models kept on the way: the weights at the ends of a cyclic schedule's cycles."""

from __future__ import annotations

from dataclasses import dataclass

from gradstep.errors import InvalidParameterError
from gradstep.estimators.base import BaseTrainer
from gradstep.nn.schedules import Cosine, CyclicTriangular
from gradstep.utils.names import KnownParameters


@dataclass(frozen=True)
class Snapshots(KnownParameters):
    """A callback of Trainer and Regressor that keeps the model at the end of every cycle of its schedule.

    The estimator then has `snapshots_`, a list of fitted ones with their histories up to there, each
    with a copy of the parameters; a cycle that the run cuts short has none. The schedule must be
    `CyclicTriangular` or `Cosine`, and `evaluate_every` such that it evaluates at the ends of cycles:
    it divides their lengths. In a `Sweep` every trial has its own.

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

    def __call__(self, trainer: BaseTrainer, row: dict[str, float]) -> None:
        """Handle an evaluation."""
        settings = trainer.settings()
        rate, whose = settings.learning_rate, settings.owner
        if not isinstance(rate, (CyclicTriangular, Cosine)):
            raise InvalidParameterError(
                f"Snapshots need cycles: `learning_rate` of {whose} must be a CyclicTriangular or Cosine, "
                f"got {rate!r}"
            )
        done = int(row["update"])
        per_epoch = trainer.updates_per_epoch_
        ends = rate.cycle_ends(per_epoch, int(settings.epochs) * per_epoch)
        before = int(trainer.history_.rows[-2]["update"]) if len(trainer.history_) > 1 else 0
        missed = [end for end in ends if before < end < done]
        if missed:
            raise InvalidParameterError(
                f"Snapshots need an evaluation at the end of every cycle: `evaluate_every` of {whose} must "
                f"divide {ends[0]} updates, got {settings.evaluate_every!r} (an epoch has {per_epoch})"
            )
        kept = list(getattr(trainer, "snapshots_", ()))
        if done in ends:
            kept.append(trainer.snapshot())
        trainer.publish_snapshots(kept)
