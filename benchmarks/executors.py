"""What processes cost: the same search by the threads of one process and by as many processes.

    python -m benchmarks.executors            # both, on this machine's cores
    python -m benchmarks.executors --models 1000 --epochs 10

Both kinds take turns, and ratios are of medians; start of processes is no part of them. Then a large search
by processes and by a LocalCluster of Dask: the share of the time in which workers train.
"""

from __future__ import annotations

import argparse
import statistics
import time

import distributed
import numpy as np

import gradstep as gs
from gradstep.search.engines.processes import ProcessEngine


def rows(n: int, d: int = 3072, k: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """Return rows like those of CIFAR-10: bytes, of classes that differ a little."""
    generator = np.random.default_rng(0)
    y = generator.integers(0, k, size=n)
    means = generator.integers(100, 156, size=(k, d))
    return (means[y] + generator.integers(-99, 99, size=(n, d))).clip(0, 255).astype(np.uint8), y


def search(
    models: int, epochs: int, hidden: tuple[int, ...], executor: object, n_threads: int | None
) -> gs.Sweep:
    trainer = gs.Trainer(
        hidden=hidden, epochs=epochs, learning_rate=0.001, n_threads=n_threads, random_state=0
    )
    space = {"l2": gs.LogUniform(1e-6, 1e-1), "learning_rate": gs.LogUniform(1e-4, 1e-2)}
    return gs.Sweep(trainer, space, n_trials=models, random_state=0, executor=executor)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--models", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--pairs", type=int, default=5)
    given = parser.parse_args()
    X, y = rows(10_000)
    engine = ProcessEngine(given.workers)
    search(2 * given.workers, 1, (), engine, None).fit(X, y)  # everything is imported there
    for name, hidden in (("softmax", ()), ("50 hidden", (50,))):
        times: dict[str, list[float]] = {"threads": [], "processes": []}
        for _ in range(given.pairs):
            for kind, executor in (("threads", None), ("processes", engine)):
                sweep = search(32, 10, hidden, executor, given.workers if executor is None else None)
                began = time.perf_counter()
                sweep.fit(X, y)
                times[kind].append(time.perf_counter() - began)
        medians = {kind: statistics.median(found) for kind, found in times.items()}
        ratio = medians["threads"] / medians["processes"]
        told = ", ".join(f"{kind} {seconds:.2f} s" for kind, seconds in medians.items())
        print(f"{name}: {told}, ratio {ratio:.2f}", flush=True)
    options = {"n_workers": given.workers, "threads_per_worker": 1, "dashboard_address": ":0"}
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster) as client:
        search(2 * given.workers, 1, (), client, None).fit(X, y)
        for kind, executor in (("processes", engine), ("a LocalCluster", client)):
            sweep = search(given.models, given.epochs, (), executor, None)
            began = time.perf_counter()
            sweep.fit(X, y)
            wall = time.perf_counter() - began
            busy = sum(own.seconds for own in sweep.workers_.slices) / (given.workers * wall)
            told = f"{wall:.1f} s, workers busy {busy:.1%}"
            print(f"{given.models} softmax models, {given.epochs} epochs, {kind}: {told}", flush=True)
    engine.close()


if __name__ == "__main__":
    main()
