"""The best models of a search as an ensemble."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from gradstep.errors import InvalidParameterError
from gradstep.estimators.ensemble import VotingEnsemble
from gradstep.estimators.trainer import Trainer
from gradstep.utils.constraints import WHOLE, at_least, check


class Voting:
    """Ensembles of a search that has `trainer`, `trainers_`, `trials_` and `results_`."""

    def ensemble(
        self: Any,
        best: int = 5,
        voting: Literal["soft", "hard"] = "soft",
        weights: Sequence[float] | None = None,
    ) -> VotingEnsemble:
        """Return the ensemble of the best trials, best first, of a search with `keep_trainers`.

        Only trials that came to their end count; with folds, the models of all folds of each.

        Parameters
        ----------
        best : int, default=5
            How many trials.
        voting, weights
            As for `VotingEnsemble`.

        Raises
        ------
        NoModelError
            The search has not kept its models.
        InvalidParameterError
            `best` is not in 1 to the number of trials that came to their end, or the models are
            Regressors, which have no votes.
        """
        check("Sweep.ensemble", "best", best, (WHOLE, at_least(1)))
        if not isinstance(self.trainer, Trainer):
            kind = type(self.trainer).__name__
            raise InvalidParameterError(
                f"`trainer` of Sweep must be a Trainer for an ensemble that votes on classes, got a {kind}"
            )
        trainers = self.trainers_
        complete = [
            trial for trial in self.results_.ranking().tolist() if self.trials_[trial].status.is_complete
        ]
        if best > len(complete):
            raise InvalidParameterError(
                f"`best` of Sweep.ensemble must be <= {len(complete)}, the trials that came to their end, "
                f"got {best}"
            )
        chosen = [trainers[trial] for trial in complete[:best]]
        members = [model for models in chosen for model in (models if isinstance(models, list) else [models])]
        return VotingEnsemble(members, voting, weights)
