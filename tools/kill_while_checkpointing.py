"""Kill searches at random moments, let them go on, and compare what they come to with one whole run.

    python tools/kill_while_checkpointing.py --kills 200
    python tools/kill_while_checkpointing.py --kills 20 --executor 2

Every search runs in a forked child, which is killed by SIGKILL at a moment drawn uniformly over the time that
a whole run takes, and started again with ``resume=True`` until it ends; it writes its folder at every
evaluation, so that many kills fall into that. With --executor so many processes train it, and one search in
three goes on without them. Needs a system with fork. Ends with status 1 where a bit differs.
"""

from __future__ import annotations

import argparse
import os
import pickle
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import gradstep as gs


def make_search(checkpoint: gs.Checkpoint | None, executor: int | None) -> gs.Sweep:
    """Return a search with pruned, stopped and diverging models, in several groups."""
    plateau = gs.schedules.ReduceOnPlateau(
        0.3, factor=0.3, patience=1, monitor="running_loss", min_delta=0.05
    )
    stop = gs.EarlyStopping("validation_loss", patience=2, restore_best=True)
    base = gs.Trainer(
        hidden=(6,),
        optimizer=gs.optimizers.SGD(momentum=0.9),
        dropout=0.2,
        average=gs.averaging.EMA(0.9),
        epochs=9,
        batch_size=20,
        learning_rate=0.2,
        random_state=0,
        n_threads=1,
    )
    space: list[dict[str, Any]] = [
        {"l2": [0.0, 1e-3, 0.1], "learning_rate": [0.2], "early_stopping": [stop], "batch_size": [20]},
        {"l2": [0.0, 1e-2], "learning_rate": [plateau], "early_stopping": [None], "batch_size": [20, 30]},
        {"l2": [0.0], "learning_rate": [1e30], "early_stopping": [None], "batch_size": [20]},
    ]
    return gs.Sweep(
        base,
        space,
        pruner=gs.SuccessiveHalving(2),
        keep_trainers=True,
        random_state=0,
        executor=executor,
        checkpoint=checkpoint,
    )


def outcome(sweep: gs.Sweep) -> Any:
    """Return all that a search came to, but for the seconds that it took."""
    table = {name: column.tolist() for name, column in dict(sweep.results_).items() if name != "seconds"}
    histories = [
        [{**row, "seconds": 0.0} for row in history] for trial in sweep.trials_ for history in trial.histories
    ]
    weights = [[W.tobytes() for W in getattr(model, "coefs_", ())] for model in sweep.trainers_]
    # As text, for NaN is not itself.
    return repr((table, histories)), weights


def rows() -> tuple[Any, Any]:
    """Return rows of three classes."""
    generator = np.random.default_rng(0)
    y = np.arange(300) % 3
    return generator.normal(size=(300, 8)) + y[:, None], y


def in_a_child(work: Callable[[], None], seconds: float | None = None) -> bool:
    """Do work in a forked child, which is killed after so many seconds; return whether it came to its end."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return False
    if os.waitstatus_to_exitcode(status):
        raise RuntimeError("a search has failed; its error is above")
    return True


def search(path: Path, checkpoint: gs.Checkpoint | None, executor: int | None) -> None:
    """Search, and write down the outcome."""
    sweep = make_search(checkpoint, executor).fit(*rows(), resume=checkpoint is not None)
    path.write_bytes(pickle.dumps(outcome(sweep)))


def kill(kills: int, folder: Path, seed: int = 0, executor: int | None = None) -> tuple[int, int]:
    """Kill searches so many times, each on so many processes or in its own.

    Returns
    -------
    whole : int
        Searches that came to their end, each killed now and then before that.
    different : int
        Those that came to anything else than a run that nobody killed.
    """
    moments, expected = random.Random(seed), folder / "expected"
    # Here, so that children spend no time on imports.
    gs.Sweep(gs.Trainer(epochs=1, n_threads=1, checkpoint=None), {"l2": [0.0]}).fit(*rows())
    in_a_child(lambda: search(expected, None, None))
    began = time.monotonic()
    in_a_child(lambda: search(folder / "timed", None, executor))
    usual = time.monotonic() - began
    killed = whole = different = begun = 0
    while killed < kills or not whole:
        found, checkpoint = folder / f"found-{whole}", gs.Checkpoint(folder / f"kept-{whole}", every=1e-9)
        # The last one is let run to its end.
        seconds = moments.uniform(0, usual) if killed < kills else None
        begun += 1
        own = None if begun % 3 == 0 else executor
        if not in_a_child(lambda: search(found, checkpoint, own), seconds):  # noqa: B023 - done before they change
            killed += 1
            continue
        whole += 1
        different += found.read_bytes() != expected.read_bytes()
    return whole, different


def main() -> int:
    """Return the status to exit with."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--executor", type=int)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        whole, different = kill(given.kills, Path(folder), given.seed, given.executor)
    print(f"{given.kills} kills; {whole} searches came to their end, {different} of them to other bits")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
