"""One setting, trained with several seeds: how much of a metric is luck."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import clone

from gradstep.errors import DivergedError, InvalidDataError, InvalidParameterError
from gradstep.estimators.base import BaseTrainer
from gradstep.estimators.reading import read_rows
from gradstep.estimators.validation import ValidationRows
from gradstep.nn.metrics import ALWAYS, Metrics, value_text
from gradstep.plan.settings import TRAINER
from gradstep.training.status import Status
from gradstep.utils import interrupt
from gradstep.utils.constraints import WHOLE, at_least, check, either, instance, sequence_of
from gradstep.utils.names import known_parameters
from gradstep.utils.printed_table import PrintedTable
from gradstep.utils.progress import counter, make_console
from gradstep.utils.retell import FITS, in_words_of
from gradstep.utils.table import Table, cell

_OWNER = "repeat"

# The first columns; metrics follow.
_ABOUT = ("seed", "status", "update", "seconds")


class Repeats(Table):
    """What `repeat` found: a row per seed, by columns; prints as a table.

    The columns are ``seed``; ``status``: "completed", "early_stopped" before the last epoch, "diverged" or
    "interrupted"; ``update``: the updates made, or the number of the one whose loss was not finite;
    ``seconds`` of training; then ``train_loss``, ``train_cost`` and every metric of the model, such as
    ``train_accuracy``, and the same of ``validation`` and ``test`` rows, where there were any. A row that is
    not complete has NaN there.

    Attributes
    ----------
    trainers : list of Trainer or Regressor
        One per row, as `fit` left it.
    """

    def __init__(self, trainers: Sequence[BaseTrainer], columns: Mapping[str, Sequence[Any]]) -> None:
        super().__init__(columns)
        self.trainers = list(trainers)

    @property
    def metrics(self) -> list[str]:
        """Names of the columns that `mean` and `std` have."""
        return [name for name in self if name not in _ABOUT]

    @property
    def complete(self) -> npt.NDArray[np.bool_]:
        """Which rows count: those that were completed or stopped by a rule, shape (seeds,)."""
        return np.array([Status(status).is_complete for status in self["status"].tolist()], dtype=np.bool_)

    @property
    def mean(self) -> dict[str, float]:
        """Mean of every metric over the complete rows; NaN if there is none."""
        rows = self.complete
        return {name: float(self[name][rows].mean()) if rows.any() else np.nan for name in self.metrics}

    @property
    def std(self) -> dict[str, float]:
        """Standard deviation of every metric over n complete rows, divisor n - 1; NaN where n < 2."""
        rows = self.complete
        enough = rows.sum() > 1
        return {name: float(self[name][rows].std(ddof=1)) if enough else np.nan for name in self.metrics}

    def shown(self, columns: Sequence[str] | None = None, most: int | None = None) -> PrintedTable:
        """Return some columns as text, all seeds and then mean and std."""
        names = ["seed", "status", "update", *self.metrics] if columns is None else list(columns)
        rows = [
            [value_text(name, value) if name in self.metrics else cell(value) for name, value in row.items()]
            for row in ({name: row[name] for name in names} for row in self.rows())
        ]
        for title, values in (("mean", self.mean), ("std", self.std)):
            of_columns = [value_text(name, values[name]) if name in values else "" for name in names]
            rows.append([title if names[0] == "seed" else of_columns[0], *of_columns[1:]])
        counted = int(self.complete.sum())
        note = f"mean and std (divisor n - 1) of {counted} of {len(self.trainers)} seeds"
        return PrintedTable(names, rows, [name == "status" for name in names], [note])

    def __repr__(self) -> str:
        return f"Repeats({len(self.trainers)} seeds, {int(self.complete.sum())} complete)"


@known_parameters
@in_words_of("repeat", *FITS)
def repeat(
    trainer: BaseTrainer,
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    seeds: int | Sequence[int] = 5,
    sample_weight: npt.ArrayLike | None = None,
    eval_set: Any = None,
    test_set: Any = None,
    verbose: int = 0,
) -> Repeats:
    """Train one setting with several seeds and return the metrics of every model, with mean and std.

    The models are those that `fit` leaves, after early stopping too; their metrics are weighted where the
    rows are. A seed whose training diverges is a row that counts in no mean. Ctrl-C ends the seed
    that is being trained, and those to come have no row; a seed that was trained to its end counts.

    Parameters
    ----------
    trainer : Trainer or Regressor
        It is cloned, never changed; the seed takes the place of its `random_state`. With a
        `validation_fraction` the seed draws the validation rows, too.
    X, y : array-like of shape (n, d) and (n,) or (n, k)
        Rows to train on, and what to answer, as for `fit`.
    seeds : int or sequence of int, default=5
        So many seeds, from 0 on, or the seeds themselves, all different.
    sample_weight : array-like of shape (n,), optional
        For `fit`.
    eval_set, test_set : pair (X, y) or triple (X, y, sample_weight), optional
        Validation rows, which `fit` evaluates while it trains; test rows, which it never sees. `Rows` of
        a data set will do, too.
    verbose : int, default=0
        1 shows how many seeds are done: a bar in terminals and notebooks, else a line for each. What the
        trainer itself shows is its own `verbose`.

    Returns
    -------
    Repeats

    Raises
    ------
    InvalidParameterError
        A value breaks its constraint.
    InvalidDataError
        Rows or what to answer cannot be used, as in `fit`.
    DivergedError
        Every seed diverged; it is the first one's.

    Examples
    --------
    >>> import gradstep as gs
    >>> data = gs.datasets.load_digits()
    >>> test_set = (data.test.X, data.test.y)
    >>> found = gs.repeat(gs.Trainer(epochs=5), data.train.X, data.train.y, seeds=3, test_set=test_set)
    >>> found["seed"].tolist(), found["status"].tolist()
    ([0, 1, 2], ['completed', 'completed', 'completed'])
    >>> bool(found.mean["test_accuracy"] > 0.85 and found.std["test_accuracy"] < 0.05)
    True
    """
    check(_OWNER, "trainer", trainer, (instance(BaseTrainer, "a Trainer or Regressor"),))
    check(_OWNER, "verbose", verbose, TRAINER["verbose"])
    chosen = _seeds(seeds)
    sets = {
        "train": ValidationRows(X, y, sample_weight, _OWNER),
        "validation": ValidationRows.of(eval_set, _OWNER),
        "test": ValidationRows.of(test_set, _OWNER, "test_set"),
    }
    trainers: list[BaseTrainer] = []
    rows: list[dict[str, Any]] = []
    errors: list[DivergedError] = []
    with (
        interrupt.deferred() as stop,
        counter(make_console(), _OWNER, len(chosen), quiet=not verbose) as tell,
    ):
        for seed in chosen:
            if rows and stop():
                break
            tell(f"seed {seed}", 0)
            own = clone(trainer).set_params(random_state=seed)
            row: dict[str, Any] = {"seed": seed}
            try:
                own.fit(X, y, sample_weight=sample_weight, eval_set=eval_set)
                row |= _ending(own)
            except DivergedError as error:
                errors.append(error)
                row |= {"status": Status.DIVERGED.value, "update": error.update, "seconds": np.nan}
            except KeyboardInterrupt:
                if rows and stop.is_in_charge:  # before the first update of this seed
                    break
                raise
            trainers.append(own)
            rows.append(row | _metrics(own, sets, Status(row["status"]).is_complete))
            if row["status"] == Status.INTERRUPTED:
                break
            tell("", 1)
    if len(errors) == len(rows):
        errors[0].add_note(f"Each of the {len(rows)} seeds of {_OWNER} diverged; this is seed {chosen[0]}.")
        raise errors[0]
    return Repeats(trainers, {name: [row[name] for row in rows] for name in rows[0]})


def _seeds(seeds: int | Sequence[int]) -> list[int]:
    given: Any = list(seeds) if isinstance(seeds, (range, np.ndarray)) else seeds
    limits = TRAINER["random_state"][1:]
    check(_OWNER, "seeds", given, (either(WHOLE, sequence_of(WHOLE, *limits)), at_least(1)))
    chosen = [int(seed) for seed in (given if isinstance(given, (tuple, list)) else range(int(given)))]
    if not chosen or len(set(chosen)) < len(chosen):
        raise InvalidParameterError(f"`seeds` of {_OWNER} must be one or more, all different, got {chosen}")
    return chosen


def _ending(trainer: BaseTrainer) -> dict[str, Any]:
    """Return status, updates and seconds of a training that did not diverge."""
    history = trainer.history_
    last = history.rows[-1] if len(history) else {"update": 0, "seconds": np.nan}
    return {"status": trainer.status_.value, "update": int(last["update"]), "seconds": last["seconds"]}


def _metrics(
    trainer: BaseTrainer, sets: Mapping[str, ValidationRows | None], is_complete: bool
) -> dict[str, float]:
    """Return the metrics of every set of rows; NaN for a model that is not complete."""
    settings = trainer.settings().for_rows(sets["validation"] is not None)
    names = [metric.name for metric in (*ALWAYS, *settings.metrics)]
    splits = [split for split, rows in sets.items() if rows is not None]
    if settings.validation_fraction is not None:
        splits = ["train", "validation", *splits[1:]]
    found: Mapping[str, Mapping[str, float]] = {split: dict.fromkeys(names, np.nan) for split in splits}
    if is_complete:
        found = {split: _evaluate(trainer, sets, split) for split in splits}
    return {f"{split}_{name}": value for split in splits for name, value in found[split].items()}


def _evaluate(trainer: BaseTrainer, sets: Mapping[str, ValidationRows | None], split: str) -> Metrics:
    """Return the metrics of a split, which the trainer itself may have made of the train rows."""
    # Whether they were evaluated in the training is not asked.
    settings = trainer.settings().for_rows(sets["validation"] is not None)
    settings = replace(settings, evaluate_every="epoch")
    try:
        if settings.validation_fraction is None or split == "test":
            chosen: Any = sets[split]
            metrics: Metrics = trainer.evaluate(chosen.X, chosen.y, chosen.sample_weight)
            return metrics
        given: Any = sets["train"]
        rows = read_rows(trainer, settings, given.X, given.y, given.sample_weight)
        parts = rows.job_rows(settings, *rows.parts(settings))
        data: Any = parts.train if split == "train" else parts.held_out
        return trainer.result().fitted.evaluate(data, trainer.backend, trainer.n_threads)
    except (TypeError, ValueError) as error:
        raise InvalidDataError(f"{split} rows of {_OWNER}: {error}") from error
