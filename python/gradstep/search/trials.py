"""What is known of every trial of a search, while it trains and afterwards."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import clone

from gradstep.errors import InvalidParameterError
from gradstep.estimators.trainer import Trainer
from gradstep.nn import augment
from gradstep.nn.metrics import sign
from gradstep.plan import settings
from gradstep.search.results import Results
from gradstep.training.history import COLUMNS
from gradstep.training.recorder import COMPLETE, Course

_FIGURES = ("loss", "cost", "accuracy")


@dataclass
class Trial:
    """One setting of the parameters.

    Attributes
    ----------
    number : int
        From 0.
    params : dict
        Of the space.
    trainers : list of Trainer
        One; with folds, one for each. They have a history, and a model as long as it is kept.
    courses : dict of int to Course
        What the trainings of their models came to, by the fold; those that have begun.
    """

    number: int
    params: dict[str, Any]
    trainers: list[Trainer]
    courses: dict[int, Course] = field(default_factory=dict, repr=False)

    @property
    def status(self) -> str:
        """What a trial is at, one of these.

        "waiting"; "running"; "finished", all epochs are done; "stopped", by its Trainer's own rules;
        "dropped", by the search's; "diverged"; "interrupted", by Ctrl-C or a callback. With folds,
        what is true of one of them, "diverged" before anything else.
        """
        found = {course.status for course in self.courses.values()}
        order = ("diverged", "running", "interrupted", "dropped", "stopped", "finished")
        return next((status for status in order if status in found), "waiting")

    @property
    def is_whole(self) -> bool:
        """Whether it was trained to its own end."""
        return self.status in COMPLETE

    def score(self, figure: str) -> float:
        """Return the figure of the model that is kept, the mean over folds; NaN where there is none."""
        return float(np.mean(self.scores(figure)))

    def scores(self, figure: str) -> list[float]:
        """Return the figure of the model kept of every fold."""
        if self.status == "diverged":
            return [math.nan] * len(self.trainers)
        courses = [self.courses.get(fold) for fold in range(len(self.trainers))]
        return [course.row.get(figure, math.nan) if course else math.nan for course in courses]

    def curve(self, figure: str) -> npt.NDArray[np.float64]:
        """Return a column of the history turned so that less is better, the mean over folds.

        Infinite where a figure is not a number, and at the end where a fold has diverged; where a
        fold has ended before others, its last figure stays.
        """
        columns = [sign(figure) * trainer.history_[figure] for trainer in self.trainers]
        if self.status == "diverged":
            columns = [np.append(column, np.inf) for column in columns]
        longest = max(len(column) for column in columns)
        padded = [np.pad(column, (0, longest - len(column)), mode="edge") for column in columns]
        curve: npt.NDArray[np.float64] = np.mean(padded, axis=0)
        return np.where(np.isnan(curve), np.inf, curve)

    def end(self, status: str) -> list[Course]:
        """End what still runs, and return it."""
        running = [course for course in self.courses.values() if course.status == "running"]
        for course in running:
            course.end(status)
        return running

    def forget(self) -> None:
        """Forget the models; their histories stay."""
        for trainer in self.trainers:
            if hasattr(trainer, "coefs_"):
                del trainer.coefs_, trainer.intercepts_
            trainer.__dict__.pop("snapshots_", None)


def seeded(trainer: Trainer, seed: int) -> Trainer:
    """Return a copy with an int as `random_state`: its own, one drawn from it, or else this one."""
    copy: Trainer = clone(trainer)
    if copy.random_state is None:
        copy.random_state = seed
    elif isinstance(copy.random_state, np.random.RandomState):
        copy.random_state = int(copy.random_state.randint(2**31 - 1))
    return copy


def make(
    trainer: Trainer, candidates: Sequence[dict[str, Any]], has_eval_set: bool, whose: str = "Sweep"
) -> list[Trial]:
    """Return a trial for every setting, each with a Trainer of its own.

    Raises
    ------
    InvalidParameterError
        A setting breaks a constraint of Trainer; the message has the trial and its values.
    """
    trials = []
    for number, params in enumerate(candidates):
        with _named(number, params, whose):
            own = clone(trainer).set_params(**params)
            settings.check_trainer(own, has_eval_set)
        trials.append(Trial(number, params, [own]))
    return trials


def check_images(trials: Sequence[Trial], d: int, whose: str = "Sweep") -> None:
    """Raise InvalidParameterError where a trial augments images that rows of d inputs are not."""
    for trial in trials:
        augmentation = trial.trainers[0].augment
        if augmentation is not None:
            with _named(trial.number, trial.params, whose):
                augment.make(augmentation, 1, d, 0)


@contextmanager
def _named(number: int, params: Mapping[str, Any], whose: str) -> Iterator[None]:
    """Say which trial has what is refused."""
    try:
        yield
    except InvalidParameterError as error:
        raise InvalidParameterError(f"trial {number} of {whose} has {_words(params)}: {error}") from error


def tabulate(trials: Sequence[Trial], figure: str) -> Results:
    """Return the table of all trials."""
    names = list(dict.fromkeys(name for trial in trials for name in trial.params))
    columns = {"trial": [trial.number for trial in trials]}
    columns |= {name: [trial.params.get(name, math.nan) for trial in trials] for name in names}
    columns["status"] = [trial.status for trial in trials]  # type: ignore[misc]
    scores = np.array([trial.scores(figure) for trial in trials])
    columns["score"] = scores.mean(axis=1).tolist()
    if scores.shape[1] > 1:
        columns["score_std"] = scores.std(axis=1).tolist()
        columns |= {f"fold{fold}_score": scores[:, fold].tolist() for fold in range(scores.shape[1])}
    summaries = [[_summary(trial, fold, figure) for fold in range(len(trial.trainers))] for trial in trials]
    for name in summaries[0][0]:
        of_trials = [[summary[name] for summary in of_folds] for of_folds in summaries]
        columns[name] = [float(np.mean(values)) for values in of_trials]  # type: ignore[misc]
    columns["updates"] = [int(values) for values in columns["updates"]]
    return Results(columns, names, larger_is_better=sign(figure) < 0)


def _summary(trial: Trial, fold: int, figure: str) -> dict[str, float]:
    """Return a fold's figures at its best evaluation and of the model kept, and where it ended."""
    nothing = dict.fromkeys(COLUMNS, math.nan)
    course = trial.courses.get(fold)
    rows = trial.trainers[fold].history_.rows if course else []
    last = rows[-1] if rows else nothing
    measured = [row for row in rows if not math.isnan(row[figure])]
    best = min(measured, key=lambda row: sign(figure) * row[figure], default=nothing)
    kept = nothing | (course.row if course else {})
    summary = {"best_epoch": best["epoch"]}
    summary |= {f"best_validation_{name}": best[f"validation_{name}"] for name in _FIGURES}
    parts = [f"{part}_{name}" for part in ("validation", "train") for name in _FIGURES]
    summary |= {name: kept[name] for name in ("epoch", *parts, "running_loss", "running_accuracy")}
    error = course.error if course else None
    summary["updates"] = error.update if error else last["update"] if rows else 0
    summary["last_rate"] = error.learning_rate if error else last["learning_rate"]
    return summary | {"seconds": last["seconds"]}


def _words(params: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in params.items())
