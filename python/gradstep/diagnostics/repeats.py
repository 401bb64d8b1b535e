"""One setting, trained with several seeds: how much of a figure is luck."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from sklearn.base import clone

from gradstep.errors import DivergedError, InvalidDataError, InvalidParameterError
from gradstep.estimators.trainer import Trainer
from gradstep.plan.settings import TRAINER
from gradstep.training.history import Metrics
from gradstep.training.recorder import COMPLETE
from gradstep.utils.constraints import WHOLE, at_least, check, either, instance, sequence_of

if TYPE_CHECKING:
    import pandas

_OWNER = "repeat"


@dataclass(frozen=True, repr=False)
class Repeats(Mapping[str, npt.NDArray[Any]]):
    """What `repeat` found: a row per seed, by columns; prints as a table.

    The columns are ``seed``; ``status``: "finished", "stopped" before the last epoch, "diverged" or
    "interrupted"; ``update``: the updates made, or the number of the one whose loss was not finite;
    ``seconds`` of training; then ``train_loss``, ``train_cost``, ``train_accuracy`` and the same of
    ``validation`` and ``test`` rows, where there were any. A row that is not complete has NaN there.

    Attributes
    ----------
    trainers : list of Trainer
        One per row, as `Trainer.fit` left it.
    columns : dict of str to ndarray of shape (seeds,)
    """

    trainers: list[Trainer]
    columns: dict[str, npt.NDArray[Any]]

    @property
    def figures(self) -> list[str]:
        """Names of the columns that `mean` and `std` have."""
        return [name for name in self if name.rpartition("_")[2] in Metrics._fields]

    @property
    def complete(self) -> npt.NDArray[np.bool_]:
        """Which rows count: those that finished or were stopped by a rule, shape (seeds,)."""
        return np.isin(self["status"], COMPLETE)

    @property
    def mean(self) -> dict[str, float]:
        """Mean of every figure over the complete rows; NaN if there is none."""
        rows = self.complete
        return {name: float(self[name][rows].mean()) if rows.any() else np.nan for name in self.figures}

    @property
    def std(self) -> dict[str, float]:
        """Standard deviation of every figure over n complete rows, divisor n - 1; NaN where n < 2."""
        rows = self.complete
        enough = rows.sum() > 1
        return {name: float(self[name][rows].std(ddof=1)) if enough else np.nan for name in self.figures}

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        if name not in self.columns:
            raise InvalidParameterError(f"Repeats have no column {name!r}; they have {', '.join(self)}")
        return self.columns[name]

    def __contains__(self, name: object) -> bool:
        return name in self.columns

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def __len__(self) -> int:
        return len(self.columns)

    def to_pandas(self) -> pandas.DataFrame:
        """Return the table as a pandas DataFrame."""
        import pandas

        return pandas.DataFrame(self.columns)

    def __str__(self) -> str:
        head = ["seed", "status", "update", *self.figures]
        lines = [head]
        for row in range(len(self.trainers)):
            figures = [_cell(name, self[name][row]) for name in self.figures]
            lines.append([*(str(self[name][row]) for name in head[:3]), *figures])
        for name, values in (("mean", self.mean), ("std", self.std)):
            lines.append([name, "", "", *(_cell(figure, value) for figure, value in values.items())])
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        text = ["  ".join(map(str.rjust, line, widths)) for line in lines]
        counted = f"mean and std (divisor n - 1) of {int(self.complete.sum())} of {len(self.trainers)} seeds"
        return "\n".join([*text, f"{counted}; accuracies in %"])

    def __repr__(self) -> str:
        return f"Repeats({len(self.trainers)} seeds, {int(self.complete.sum())} complete; {', '.join(self)})"


def repeat(
    trainer: Trainer,
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    seeds: int | Sequence[int] = 5,
    sample_weight: npt.ArrayLike | None = None,
    eval_set: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
    test_set: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
) -> Repeats:
    """Train one setting with several seeds and return the figures of every model, with mean and std.

    The models are those that `fit` leaves, after early stopping too; all rows count alike in their
    figures. A seed whose training diverges is a row that counts in no mean. Ctrl-C ends the seed
    that is being trained, and those to come have no row.

    Parameters
    ----------
    trainer : Trainer
        It is cloned, never changed; the seed takes the place of its `random_state`.
    X, y : array-like of shape (n, d) and (n,)
        Rows to train on, and their labels.
    seeds : int or sequence of int, default=5
        So many seeds, from 0 on, or the seeds themselves, all different.
    sample_weight : array-like of shape (n,), optional
        For `Trainer.fit`.
    eval_set, test_set : pair (X, y), optional
        Validation rows, which `Trainer.fit` evaluates while it trains; test rows, which it never sees.

    Returns
    -------
    Repeats

    Raises
    ------
    InvalidParameterError
        A value breaks its constraint.
    InvalidDataError
        Rows or labels cannot be used, as in `Trainer.fit`.
    DivergedError
        Every seed diverged; it is the first one's.

    Examples
    --------
    >>> import gradstep as gs
    >>> data = gs.datasets.load_digits()
    >>> test_set = (data.test.X, data.test.y)
    >>> found = gs.repeat(gs.Trainer(epochs=5), data.train.X, data.train.y, seeds=3, test_set=test_set)
    >>> found["seed"].tolist(), found["status"].tolist()
    ([0, 1, 2], ['finished', 'finished', 'finished'])
    >>> bool(found.mean["test_accuracy"] > 0.85 and found.std["test_accuracy"] < 0.05)
    True
    """
    check(_OWNER, "trainer", trainer, (instance(Trainer, "a Trainer"),))
    chosen = _seeds(seeds)
    sets: dict[str, Any] = {"train": (X, y), "validation": eval_set, "test": test_set}
    if not (sets["test"] is None or (isinstance(sets["test"], (tuple, list)) and len(sets["test"]) == 2)):
        raise InvalidDataError(f"test_set of {_OWNER} must be a pair (X, y), got {type(test_set).__name__}")
    trainers: list[Trainer] = []
    rows: list[dict[str, Any]] = []
    errors: list[DivergedError] = []
    for seed in chosen:
        trainers.append(clone(trainer).set_params(random_state=seed))
        row: dict[str, Any] = {"seed": seed}
        try:
            trainers[-1].fit(X, y, sample_weight=sample_weight, eval_set=eval_set)
            row |= _ending(trainers[-1])
        except DivergedError as error:
            errors.append(error)
            row |= {"status": "diverged", "update": error.update, "seconds": np.nan}
        rows.append(row | _figures(trainers[-1], sets, row["status"] in COMPLETE))
        if row["status"] == "interrupted":
            break
    if len(errors) == len(rows):
        errors[0].add_note(f"Each of the {len(rows)} seeds of {_OWNER} diverged; this is seed {chosen[0]}.")
        raise errors[0]
    return Repeats(trainers, {name: np.array([row[name] for row in rows]) for name in rows[0]})


def _seeds(seeds: int | Sequence[int]) -> list[int]:
    given: Any = list(seeds) if isinstance(seeds, (range, np.ndarray)) else seeds
    limits = TRAINER["random_state"][1:]
    check(_OWNER, "seeds", given, (either(WHOLE, sequence_of(WHOLE, *limits)), at_least(1)))
    chosen = [int(seed) for seed in (given if isinstance(given, (tuple, list)) else range(int(given)))]
    if not chosen or len(set(chosen)) < len(chosen):
        raise InvalidParameterError(f"`seeds` of {_OWNER} must be one or more, all different, got {chosen}")
    return chosen


def _ending(trainer: Trainer) -> dict[str, Any]:
    """Return status, updates and seconds of a training that did not diverge."""
    history = trainer.history_
    if trainer.interrupted_:
        status = "interrupted"
    else:
        status = "finished" if history["epoch"][-1] >= trainer.epochs else "stopped"
    last = history.rows[-1] if len(history) else {"update": 0, "seconds": np.nan}
    return {"status": status, "update": int(last["update"]), "seconds": last["seconds"]}


def _figures(trainer: Trainer, sets: Mapping[str, Any], is_complete: bool) -> dict[str, float]:
    """Return the figures of every set of rows; NaN for a model that is not complete."""
    row: dict[str, float] = {}
    for name, pair in sets.items():
        if pair is None:
            continue
        figures = Metrics(np.nan, np.nan, np.nan)
        if is_complete:
            try:
                figures = trainer.evaluate(*pair)
            except (TypeError, ValueError) as error:
                raise InvalidDataError(f"{name} rows of {_OWNER}: {error}") from error
        row |= {f"{name}_{figure}": value for figure, value in figures._asdict().items()}
    return row


def _cell(name: str, value: float) -> str:
    return f"{100 * value:.2f}" if name.endswith("accuracy") else f"{value:.4g}"
