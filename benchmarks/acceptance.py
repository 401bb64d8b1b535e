"""Measure gradstep against the numbers it promises on CIFAR-10, and print them as Markdown tables.

    GRADSTEP_CIFAR10=FOLDER python benchmarks/acceptance.py accuracy|time|memory|trajectories|all

Train on data_batch_1, validate on data_batch_2, test on test_batch; k = 10, b = 100, 40 epochs,
initial weights of standard deviation 0.01, standardised by the training rows. Run `time` on a machine
that does nothing else. The exit status is 1 when a number is not reached.
"""

from __future__ import annotations

import argparse
import functools
import json
import resource
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it runs as a file, too

import gradstep as gs
from benchmarks import tables
from benchmarks.compare import compare
from benchmarks.jobs import JOBS, Job
from benchmarks.solvers import OURS

EPOCHS, BATCH_SIZE, STD = 40, 100, 0.01


@dataclass(frozen=True)
class Setting:
    """A row of the accuracy table; `low` and `high` bound the mean test accuracy over the seeds."""

    l2: float
    learning_rate: float
    reports_say: str
    reach: str
    low: float
    high: float


SETTINGS = (
    Setting(0.0, 0.1, "0.24 to 0.28, unstable", "unstable, below 0.32", 0.0, 0.32),
    Setting(0.0, 0.001, "0.391, 0.392", "0.391 ± 0.006", 0.385, 0.397),
    Setting(0.1, 0.001, "0.3915, 0.392", "0.392 ± 0.006", 0.386, 0.398),
    Setting(1.0, 0.001, "0.372", "0.373 ± 0.006", 0.367, 0.379),
)
TIMED = SETTINGS[1]  # the job "softmax" is the same
COURSE = "numpy-course"
FACTORS = {OURS: 15.0, "gradstep-numba": 5.0}
MEMORY_MB = 64
AGREEMENT = 1e-10
THREADS = (1, 2, 3, 7)


def main() -> int:
    """Measure what was asked for; 0 when everything is within its bounds."""
    measures = {
        "accuracy": accuracy,
        "time": time_to_train,
        "memory": memory,
        "trajectories": trajectories,
    }
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("measure", choices=[*measures, "all", "memory-child"])
    parser.add_argument("--seeds", type=int, default=5, help="runs per row of the accuracy table")
    parser.add_argument("--rounds", type=int, default=5, help="runs of every solver in the time table")
    parser.add_argument("--of", choices=MEMORY, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure == "memory-child":
        print(json.dumps(_memory_of(MEMORY[arguments.of]())))
        return 0
    names = list(measures) if arguments.measure == "all" else [arguments.measure]
    within = [measures[name](arguments) for name in names]
    return 0 if all(within) else 1


def accuracy(arguments: argparse.Namespace) -> bool:
    """Mean and deviation over seeds of the accuracies after 40 epochs."""
    data = _cifar10()
    lines, all_within = [], True
    for setting in SETTINGS:
        metrics = np.array([_accuracies(data, setting, seed) for seed in range(arguments.seeds)])
        train, validation, test = (_mean_and_std(column) for column in metrics.T)
        within = setting.low <= metrics[:, 2].mean() <= setting.high
        all_within &= within
        measured = (test, validation, train)
        lines.append(
            (setting.l2, setting.learning_rate, setting.reports_say, setting.reach, *measured, _yes(within))
        )
    header = ("l2", "learning rate", "reports say (test)", "reach", "test", "validation", "train", "within?")
    _print_table(f"Accuracy, mean ± standard deviation of {arguments.seeds} seeds", header, lines)
    return all_within


def _accuracies(data: gs.datasets.DataSet, setting: Setting, seed: int) -> list[float]:
    trainer = _trainer(setting, backend="cpp", random_state=seed)
    trainer.set_params(evaluate_every=None).fit(data.train.X, data.train.y)
    return [trainer.evaluate(rows.X, rows.y).accuracy for rows in (data.train, data.validation, data.test)]


def time_to_train(arguments: argparse.Namespace) -> bool:
    """Seconds of the timed setting with all metrics of both sets after every epoch."""
    names = (COURSE, OURS, "gradstep-numba", "gradstep-numpy")
    rounds = arguments.rounds
    result = compare(JOBS["softmax"], names, rounds=rounds, threads=2, peak=None)
    alone = compare(JOBS["softmax"], [OURS], rounds=rounds, threads=1, peak=None)
    course = result.solvers[COURSE].median
    lines, all_within = [], True
    for outcomes, threads in ((result.solvers, 2), (alone.solvers, 1)):
        for name, outcome in outcomes.items():
            if outcome.problem:
                raise SystemExit(f"{name}: {outcome.problem}")
            median, runs = outcome.median, outcome.seconds
            factor = FACTORS.get(name, 0.0) if threads == 2 else 0.0
            within = course / median >= factor
            all_within &= within
            spread = f"{min(runs):.2f} to {max(runs):.2f}"
            wanted = f"{factor:g} x" if factor else ""
            faster = f"{course / median:.1f} x"
            lines.append((name, threads, f"{median:.3f}", spread, faster, wanted, _yes(within)))
    header = (
        "solver",
        "threads",
        "seconds (median)",
        "range",
        "faster than the course program",
        "reach",
        "within?",
    )
    _print_table(
        f"Time of {EPOCHS} epochs with loss, cost and accuracy of train and validation rows after each, "
        f"{rounds} interleaved rounds; {result.machine['cores']} cores, "
        f"load before {result.machine['load_before']}",
        header,
        lines,
    )
    return all_within


def memory(arguments: argparse.Namespace) -> bool:
    """Growth of fresh processes while they train on images that lie in memory."""
    lines, all_within = [], True
    for what in MEMORY:
        child = [sys.executable, __file__, "memory-child", "--of", what]
        found = json.loads(subprocess.run(child, check=True, capture_output=True, text=True).stdout)
        within = found["growth"] <= found["most"]
        all_within &= within
        numbers = (f"{found[name]:.1f}" for name in ("before", "peak", "growth", "most"))
        lines.append((what, *numbers, _yes(within)))
    header = ("work", "resident before (MB)", "peak (MB)", "growth (MB)", "at most (MB)", "within?")
    _print_table("Memory of training on uint8 images with cpp", header, lines)
    return all_within


def _fit_all() -> Callable[[], int]:
    """Return a fit on all 50,000 images, which says how many bytes beside `MEMORY_MB` it may take."""
    data = gs.datasets.load_cifar10(train="all", validation=None, download=False)
    trainer = _trainer(TIMED, backend="cpp", random_state=0).set_params(epochs=2, n_threads=2)

    def fit() -> int:
        trainer.fit(data.train.X, data.train.y, eval_set=(data.test.X, data.test.y))
        return 0

    return fit


def _search(job: Job) -> Callable[[], int]:
    """Return the search of a job: its models may take their parameters once more."""
    data = _cifar10()
    trainer = _trainer(TIMED, backend="cpp", random_state=0)
    trainer.set_params(hidden=job.hidden, epochs=2, n_threads=2)
    l2s = list(job.searches[0])
    sweep = gs.Sweep(trainer, {"l2": l2s}, validation_share=None)

    def fit() -> int:
        sweep.fit(data.train.X, data.train.y, eval_set=(data.validation.X, data.validation.y))
        best = sweep.best_trainer_
        return len(l2s) * sum(part.nbytes for part in (*best.coefs_, *best.intercepts_))

    return fit


MEMORY = {
    "one softmax layer, 50,000 rows": _fit_all,
    "24 softmax layers, 10,000 rows": functools.partial(_search, JOBS["sweep24-softmax"]),
    "24 networks with 50 hidden units, 10,000 rows": functools.partial(_search, JOBS["sweep24-mlp50"]),
}


def _memory_of(fit: Callable[[], int]) -> dict[str, float]:
    """Return megabytes resident before a fit and at its peak; for a process of its own."""
    # Loading has left a peak behind; "5" resets it, so that the next one is that of the fit.
    Path("/proc/self/clear_refs").write_text("5")
    before = _status_mb("VmRSS")
    most = MEMORY_MB + fit() / 2**20
    peak = max(_status_mb("VmHWM"), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    return {"before": before, "peak": peak, "growth": peak - before, "most": most}


def _status_mb(name: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"/proc/self/status has no {name}")


def trajectories(arguments: argparse.Namespace) -> bool:
    """Do backends agree after an epoch, and threads to the bit?"""
    data = _cifar10()
    X, y = data.train.X[:2000], data.train.y[:2000]

    def parameters(backend: str, precision: str = "float64", n_threads: int = 1) -> np.ndarray:
        trainer = gs.Trainer(
            hidden=(50,),
            l2=1e-3,
            learning_rate=0.05,
            epochs=1,
            backend=backend,
            precision=precision,
            n_threads=n_threads,
            random_state=0,
        ).fit(X, y)
        return np.concatenate([array.ravel() for array in (*trainer.coefs_, *trainer.intercepts_)])

    reference = parameters("numpy")
    lines, all_within = [], True
    for backend in ("cpp", "numba"):
        difference = float(np.max(np.abs(parameters(backend) - reference) / np.abs(reference)))
        within = difference <= AGREEMENT
        all_within &= within
        lines.append((f"{backend} against numpy, float64", f"{difference:.1e}", AGREEMENT, _yes(within)))
    for backend in ("cpp", "numba"):
        for precision in ("float32", "float64"):
            runs = [parameters(backend, precision, n_threads) for n_threads in THREADS]
            same = all(run.tobytes() == runs[0].tobytes() for run in runs)
            all_within &= same
            threads = ", ".join(map(str, THREADS))
            lines.append((f"{backend}, {precision}, threads {threads}", "", "same bits", _yes(same)))
    header = ("one epoch, 2,000 rows, 3072-50-10", "largest relative difference", "reach", "within?")
    _print_table("Trajectories", header, lines)
    return all_within


@functools.cache
def _cifar10() -> gs.datasets.DataSet:
    return gs.datasets.load_cifar10(download=False)


def _trainer(setting: Setting, *, backend: str, random_state: int) -> gs.Trainer:
    return gs.Trainer(
        l2=setting.l2,
        learning_rate=setting.learning_rate,
        batch_size=BATCH_SIZE,
        epochs=EPOCHS,
        init=gs.Normal(STD),
        backend=backend,
        random_state=random_state,
    )


def _mean_and_std(values: np.ndarray) -> str:
    return f"{values.mean():.4f} ± {values.std():.4f}"


def _yes(within: bool) -> str:
    return "yes" if within else "NO"


def _print_table(title: str, header: Sequence[str], lines: Iterable[Sequence[object]]) -> None:
    print(f"\n{title}:\n\n{tables.markdown(header, lines)}")


if __name__ == "__main__":
    sys.exit(main())
