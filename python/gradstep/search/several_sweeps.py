"""Searches that are several sweeps after one another: what they found together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from gradstep.errors import NoModelError
from gradstep.estimators.base import BaseTrainer
from gradstep.nn.metrics import sign
from gradstep.search.results import Results, concatenate
from gradstep.search.sweep import Sweep


@dataclass(frozen=True)
class SeveralSweeps:
    """What sweeps found together.

    Attributes
    ----------
    sweeps : list of Sweep
        In the order of their training.
    owner, part, parts : str
        What searches, and what it calls one of the sweeps, and several.
    """

    sweeps: list[Sweep]

    owner: ClassVar[str]
    part: ClassVar[str]
    parts: ClassVar[str]

    @property
    def results_(self) -> Results:
        """The tables of all sweeps, with a column named after the part that counts them from 1."""
        return concatenate([sweep.results_ for sweep in self.sweeps], self.part)

    @property
    def interrupted_(self) -> bool:
        """Whether Ctrl-C or a callback ended the search."""
        return any(sweep.interrupted_ for sweep in self.sweeps)

    @property
    def best_sweep_(self) -> Sweep:
        """The sweep with the best trial.

        Raises
        ------
        NoModelError
            No trial of any sweep came to its end.
        """
        alive: list[tuple[float, int, Sweep]] = []
        error: NoModelError | None = None
        for sweep in self.sweeps:
            try:
                alive.append((sign(sweep.metric) * sweep.best_score_, len(alive), sweep))
            except NoModelError as nothing:
                error = error or nothing
        if alive:
            return min(alive)[-1]
        first = f"; of the first: {error}" if error else ""
        raise NoModelError(
            f"no trial of the {len(self.sweeps)} {self.parts} of {self.owner} so far came to its end{first}",
            self.results_ if self.sweeps else None,
        ) from error

    @property
    def best_params_(self) -> dict[str, Any]:
        """Parameters of the best trial of all sweeps."""
        return self.best_sweep_.best_params_

    @property
    def best_score_(self) -> float:
        """Score of the best trial of all sweeps."""
        return self.best_sweep_.best_score_

    @property
    def best_trainer_(self) -> BaseTrainer:
        """Model of the best trial of all sweeps."""
        return self.best_sweep_.best_trainer_
