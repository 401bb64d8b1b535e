"""One setting, trained with several seeds: how much of a metric is luck."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from gradstep.diagnostics.seeds import SeedResult, SeedTask
from gradstep.diagnostics.seeds_elsewhere import repeat_elsewhere
from gradstep.errors import InvalidParameterError
from gradstep.estimators.base import BaseTrainer
from gradstep.estimators.validation import ValidationRows
from gradstep.nn.metrics import value_text
from gradstep.plan.settings import TRAINER
from gradstep.search.engines import EXECUTOR
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

    trainers: list[BaseTrainer]

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
    executor: Any = None,
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
    executor : int, Client, Executor, "ray" or None, default=None
        Who trains, as for `Sweep`: each seed is a task. Models are the same to the bit. One that kills its
        workers, or that memory does not hold, has the status "failed".
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
    check(_OWNER, "executor", executor, EXECUTOR)
    chosen = _seeds(seeds)
    sets = {
        "train": ValidationRows(X, y, sample_weight, _OWNER),
        "validation": ValidationRows.of(eval_set, _OWNER),
        "test": ValidationRows.of(test_set, _OWNER, "test_set"),
    }
    task = SeedTask(trainer, (X, y, sample_weight, eval_set), sets)
    with (
        interrupt.deferred() as stop,
        counter(make_console(), _OWNER, len(chosen), quiet=not verbose) as tell,
    ):
        if executor is None:
            found = _here(task, chosen, stop, tell)
        else:
            found = repeat_elsewhere(task, chosen, executor, stop, tell)
    trainers, rows = [one.trainer for one in found], [one.row for one in found]
    errors = [one.error for one in found if one.error is not None]
    if len(errors) == len(rows):
        errors[0].add_note(f"Each of the {len(rows)} seeds of {_OWNER} diverged; this is seed {chosen[0]}.")
        raise errors[0]
    return Repeats(trainers, {name: [row[name] for row in rows] for name in rows[0]})


def _here(
    task: SeedTask, seeds: Sequence[int], stop: interrupt.Interrupt, tell: Callable[[str, int], None]
) -> list[SeedResult]:
    """Train one seed after the other."""
    found: list[SeedResult] = []
    for seed in seeds:
        if found and stop():
            break
        tell(f"seed {seed}", 0)
        try:
            found.append(task.train(seed))
        except KeyboardInterrupt:
            if found and stop.is_in_charge:  # before the first update of this seed
                break
            raise
        if found[-1].row["status"] == Status.INTERRUPTED:
            break
        tell("", 1)
    return found


def _seeds(seeds: int | Sequence[int]) -> list[int]:
    given: Any = list(seeds) if isinstance(seeds, (range, np.ndarray)) else seeds
    limits = TRAINER["random_state"][1:]
    check(_OWNER, "seeds", given, (either(WHOLE, sequence_of(WHOLE, *limits)), at_least(1)))
    chosen = [int(seed) for seed in (given if isinstance(given, (tuple, list)) else range(int(given)))]
    if not chosen or len(set(chosen)) < len(chosen):
        raise InvalidParameterError(f"`seeds` of {_OWNER} must be one or more, all different, got {chosen}")
    return chosen
