"""What training many models at once is to be worth, beside what was found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from benchmarks import tables
from benchmarks.results import Result
from benchmarks.solvers import OURS

TOGETHER, ONE_BY_ONE, OURS_ONE_BY_ONE = (
    ("torch-by-hand", "jax"),
    ("torch-alone", "jax-alone"),
    ("gradstep-cpp-alone",),
)


class Reach(NamedTuple):
    """The fastest of `rivals` is to take so many times our seconds."""

    job: str
    rivals: tuple[str, ...]
    times: float


REACHES = (
    Reach("sweep24-softmax", TOGETHER, 1.5),
    Reach("sweep24-softmax", ONE_BY_ONE, 8.0),
    Reach("sweep24-softmax", OURS_ONE_BY_ONE, 1.4),
    Reach("sweep24-mlp50", TOGETHER, 1.3),
    Reach("sweep24-mlp50", ONE_BY_ONE, 3.5),
    Reach("sweep24-small", OURS_ONE_BY_ONE, 3.0),
    Reach("searches003", ONE_BY_ONE, 4.5),
    Reach("gridsearch", ("scikit-learn",), 15.0),
)


def table(results: Iterable[Result], reaches: Sequence[Reach] = REACHES) -> str:
    """Return a line for every reach whose job was measured; seconds are of an epoch of all models."""
    by_name: Mapping[str, Result] = {result.job.name: result for result in results}
    header = ("job", OURS, "of peak", "fastest rival", "times ours", "reach", "")
    lines = []
    for reach in reaches:
        result = by_name.get(reach.job)
        timed = [name for name, _ in result.timed()] if result else []
        rival = next((name for name in timed if name in reach.rivals), None)
        if result is None or rival is None or OURS not in timed:
            continue
        ours, theirs = (
            tables.seconds(result.solvers[name].median / result.job.epochs) for name in (OURS, rival)
        )
        found = result.solvers[rival].median / result.solvers[OURS].median
        share = result.share_of_peak(OURS)
        lines.append(
            (
                reach.job,
                ours,
                "not measured" if share is None else f"{share:.0%}",
                f"{rival} {theirs}",
                f"{found:.2f} x",
                f"{reach.times:g} x",
                "reached" if found >= reach.times else "not reached",
            )
        )
    return tables.markdown(header, lines)
