"""A process with one library on one job in it, which scores its answers and then times round after round.

python -m benchmarks.dropin.worker ORDER
"""

from __future__ import annotations

import json
import resource
import sys
import warnings
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
import scipy.sparse

from benchmarks import environment
from benchmarks.worker import own_channel, time_rounds

# What scikit-learn says of trainings that were told when to stop is no news here.
_SILENCED = ("Stochastic Optimizer", "lbfgs failed to converge", "Training interrupted")


@dataclass(frozen=True)
class DropInOrder:
    """What a worker is to do: `job` is a name, `library` one of `programs.HOMES` or `peers.PEERS`."""

    job: str
    library: str
    precision: str
    threads: int
    quick: bool


def main() -> int:
    """Serve the order on the command line."""
    order = DropInOrder(**json.loads(sys.argv[1]))
    channel = own_channel()
    environment.pin(order.threads)
    for words in _SILENCED:
        warnings.filterwarnings("ignore", message=words)
    _serve(order, channel)
    return 0


def _serve(order: DropInOrder, channel: IO[str]) -> None:
    from benchmarks.dropin.jobs import DROPIN_JOBS
    from benchmarks.dropin.peers import PEERS, Peer
    from benchmarks.dropin.programs import PROGRAMS
    from benchmarks.solvers import CannotSolve

    def say(**message: Any) -> None:
        print(json.dumps(message), file=channel, flush=True)

    job = DROPIN_JOBS[order.job].quick() if order.quick else DROPIN_JOBS[order.job]
    make = Peer if order.library in PEERS else PROGRAMS[job.kind]
    try:
        program: Any = make(job, order.library, order.precision)
        before = _peak_bytes()
        scores = []
        for seed in range(1 if order.library in PEERS else job.seeds):
            program.seed = seed
            program.run()  # compiles and warms up too
            scores.append(program.score())
        program.seed = 0
    except (CannotSolve, ImportError) as error:
        return say(problem=f"left out: {error}")
    except Exception as error:  # whatever a library throws: the others go on
        return say(problem=f"failed: {type(error).__name__}: {str(error)[:200]}")
    grown = _peak_bytes() - before
    dense = _dense_bytes(getattr(getattr(program, "rows", None), "X", None))
    if order.library == "gradstep" and dense and grown >= dense:
        return say(problem=f"wrong: memory grew by {grown:,} bytes, a dense copy of X has {dense:,}")
    say(scores=scores, peak_growth=grown)
    time_rounds(say, program.run, job.calls)


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _dense_bytes(X: Any) -> int:
    """Return the bytes of a dense copy of sparse rows, 0 where rows are not sparse."""
    return int(np.prod(X.shape)) * X.dtype.itemsize if scipy.sparse.issparse(X) else 0


if __name__ == "__main__":
    sys.exit(main())
