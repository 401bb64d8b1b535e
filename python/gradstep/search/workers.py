"""Who trained what of a search on the workers of an engine."""

from __future__ import annotations

from collections.abc import Sequence

from gradstep.search.engines.scheduler import SliceRecord
from gradstep.search.runner import SearchRun
from gradstep.utils.table import Table


class Workers(Table):
    """A row for every worker; prints as a table.

    The columns are ``worker``, its host and process; ``slices`` that it did; ``seconds`` that these took; and
    ``models``, those of all its slices, each counted as often as it was trained there.

    Attributes
    ----------
    slices : tuple of SliceRecord
        Each has `worker`, `began` and `seconds`, `models` and `epochs`.
    """

    slices: tuple[SliceRecord, ...]

    def __init__(self, slices: Sequence[SliceRecord]) -> None:
        self.slices = tuple(slices)
        names = sorted({own.worker for own in slices})
        of_workers = [[own for own in slices if own.worker == name] for name in names]
        super().__init__(
            {
                "worker": names,
                "slices": [len(own) for own in of_workers],
                "seconds": [sum(one.seconds for one in own) for own in of_workers],
                "models": [sum(one.models for one in own) for own in of_workers],
            }
        )


class WorkersMixin:
    """A search that tells who trained it."""

    _run: SearchRun

    @property
    def workers_(self) -> Workers:
        """Who trained what: a row for every worker of the `executor`; none without one."""
        run: SearchRun | None = getattr(self, "_run", None)
        return Workers([] if run is None else run.slices)
