"""Optuna's trials in batches against one at a time: `python benchmarks/optuna_batches.py [TRIALS [ROUNDS]]`.

The same sampler proposes settings of a small network on the digits to both; a batch trains in shared passes.
Prints the seconds of both, least and median, the two taking turns, and the median of their ratios.
"""

from __future__ import annotations

import statistics
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import optuna

import gradstep as gs

TRAIN = gs.datasets.load_digits().train
SPACE = {"l2": gs.LogUniform(1e-6, 1e-1), "learning_rate": gs.LogUniform(1e-3, 1.0)}
TRAINER = gs.Trainer(hidden=(50,), epochs=20, batch_size=50, random_state=0)
BATCH = 24


def new_study() -> Any:
    """Return a study that proposes by TPE."""
    return optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0))


def in_batches(trials: int) -> None:
    """Train batches of trials."""
    gs.optuna.search(new_study(), TRAINER, SPACE, *TRAIN, n_trials=trials, batch=BATCH, random_state=0)


def one_by_one(trials: int) -> None:
    """Train one trial after the other, as Optuna's own loop does."""
    X, y = TRAIN
    validation, train = slice(0, len(X) // 5), slice(len(X) // 5, None)

    def objective(trial: Any) -> float:
        setting = {name: trial.suggest_float(name, of.low, of.high, log=True) for name, of in SPACE.items()}
        trainer = gs.Trainer(**TRAINER.get_params(deep=False) | setting)
        trainer.fit(X[train], y[train], eval_set=(X[validation], y[validation]))
        return float(trainer.history_["validation_loss"][-1])

    new_study().optimize(objective, n_trials=trials)


def seconds(job: Callable[[int], None], trials: int) -> tuple[float, float]:
    """Return how long a job takes, and how long processors work for it."""
    began, worked = time.perf_counter(), time.process_time()
    job(trials)
    return time.perf_counter() - began, time.process_time() - worked


def main(trials: int = 96, rounds: int = 7) -> None:
    """Measure both in turn, and print a line for each."""
    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    jobs = (in_batches, one_by_one)
    for job in jobs:
        seconds(job, BATCH)
    taken = [[seconds(job, trials) for job in jobs] for _ in range(rounds)]
    for place, kind in enumerate(("seconds", "seconds of processors")):
        own = [[times[place] for times in of_round] for of_round in taken]
        for job, found in zip(jobs, zip(*own, strict=True), strict=True):
            print(f"{job.__name__}: {min(found):.3f} {kind} ({statistics.median(found):.3f})")
        ratio = statistics.median(batched / single for batched, single in own)
        print(f"ratio: {ratio:.2f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
