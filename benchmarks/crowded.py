"""Two threads against one, beside busy programs: `python benchmarks/crowded.py [PROGRAMS [ROUNDS]]`.

Prints the seconds of each job, least and median, the two taking turns (docs/adr/0023).
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable

import numpy as np

import gradstep as gs

RNG = np.random.default_rng(0)
TABLE = RNG.normal(size=(1500, 64)).astype(np.float32), RNG.integers(10, size=1500)
IMAGES = RNG.integers(0, 256, size=(10_000, 3072), dtype=np.uint8), RNG.integers(10, size=10_000)


def softmax(n_threads: int) -> None:
    """One softmax regression, whose threads meet at every update."""
    gs.Trainer(epochs=10, evaluate_every=None, learning_rate=1e-3, n_threads=n_threads).fit(*IMAGES)


def network(n_threads: int) -> None:
    """One small network, whose training is over soon."""
    trainer = gs.Trainer(hidden=(100,), epochs=30, batch_size=32, evaluate_every=None, n_threads=n_threads)
    trainer.fit(*TABLE)


def search(n_threads: int) -> None:
    """Sixty small networks, whose threads meet every 20 ms."""
    trainer = gs.Trainer(hidden=(100,), epochs=10, batch_size=32, n_threads=n_threads)
    gs.Sweep(trainer, {"l2": list(np.geomspace(1e-6, 1e-2, 60))}).fit(*TABLE, eval_set=TABLE)


def seconds(job: Callable[[int], None], n_threads: int) -> float:
    """Return how long a job takes."""
    began = time.perf_counter()
    job(n_threads)
    return time.perf_counter() - began


def main(programs: int = 2, rounds: int = 5) -> None:
    """Start the other programs, and print a line a job."""
    warnings.simplefilter("ignore")
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(programs)]
    try:
        for job in (softmax, network, search):
            seconds(job, 1)
            taken = [(seconds(job, 1), seconds(job, 2)) for _ in range(rounds)]
            one, two = zip(*taken, strict=True)
            print(
                f"{job.__name__}: 1 thread {min(one):.3f} ({statistics.median(one):.3f}), "
                f"2 threads {min(two):.3f} ({statistics.median(two):.3f})"
            )
    finally:
        for other in others:
            other.kill()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
