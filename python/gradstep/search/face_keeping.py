"""The checkpoint of a search over faces of scikit-learn's networks: scores of the models that are done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator

from gradstep.errors import InvalidDataError, InvalidParameterError
from gradstep.plan.checkpoint import as_text
from gradstep.plan.sparse import is_sparse
from gradstep.search import steps
from gradstep.search.fold_scores import FoldScores
from gradstep.sklearn.keeping import NO_BITS
from gradstep.storage.checkpoint_folder import CheckpointFolder
from gradstep.storage.held_generator import HeldGenerator
from gradstep.storage.saved import SavedIndex
from gradstep.training.checkpoint import digest_of
from gradstep.training.identity import of_machine
from gradstep.utils.text import given

# Parameters that no bit depends on; each step of a pipeline stands for itself.
_APART = {*NO_BITS, "memory", "steps"}


class FaceSearchKeeper:
    """Keeps scores, seconds and errors of a search whose groups train one after the other.

    A group that is not done begins anew, for its models leave no state but to each other.

    Parameters
    ----------
    folder : CheckpointFolder
    held : HeldGenerator
        Of the search.
    """

    def __init__(self, folder: CheckpointFolder, held: HeldGenerator) -> None:
        self._folder, self._held = folder, held
        self._identity: Mapping[str, str] = {}
        self._scores: Mapping[str, FoldScores] = {}
        self._seconds: npt.NDArray[np.float64] = np.empty(0)
        self._errors: list[Exception] = []

    def check(self, identity: Mapping[str, str]) -> None:
        """Raise CheckpointError where the folder holds another search than the one with this identity."""
        self._folder.check(identity)
        self._identity = identity

    def begin(
        self,
        scores: Mapping[str, FoldScores],
        seconds: npt.NDArray[np.float64],
        errors: list[Exception],
    ) -> None:
        """Bring what a search has found to where it was, and keep it from now on.

        Raises
        ------
        OSError
            The folder cannot be written.
        """
        self._scores, self._seconds, self._errors = scores, seconds, errors
        begun = self._folder.begun
        if begun is None:
            self.write(must=True)
            return
        for name, own in scores.items():
            own.restore(begun.more["scores"][name])
        seconds[:] = begun.more["seconds"]
        errors += [InvalidDataError(told) for told in begun.more["errors"]]

    def write_if_due(self) -> None:
        """Write what is found, where that is due again."""
        if self._folder.is_due:
            self.write()

    def write(self, is_over: bool = False, must: bool = False) -> None:
        """Write what is found."""
        more = {
            "scores": {name: own.saved() for name, own in self._scores.items()},
            "seconds": self._seconds.tolist(),
            "errors": [str(error) for error in self._errors],
        }
        index = SavedIndex(
            self._identity, is_over=is_over, more=self._held.more | more, arrays=self._held.arrays
        )
        self._folder.write(index, [], must=must)


def identity_of(
    base: Any,
    candidates: Sequence[Mapping[str, Any]],
    rows: Sequence[Any],
    pairs: Sequence[tuple[Any, Any]],
    own: Mapping[str, str],
) -> dict[str, str]:
    """Return all that must be as it was for a search over faces to be the same one, as text.

    Parameters
    ----------
    base : estimator
        A face, or a pipeline that ends in one, with an int as `random_state`.
    candidates : sequence of dict
        The settings.
    rows : sequence of array-like or None
        X, y and sample weights.
    pairs : sequence of pairs of arrays
        Row numbers of every fold.
    own : mapping of str to str
        Parameters of the search.

    Raises
    ------
    InvalidParameterError
        The face draws from a generator, which every model leaves elsewhere.
    """
    face = steps.trainer_of(base)
    if not isinstance(face.random_state, (int, np.integer)):
        raise InvalidParameterError(
            f"`random_state` of {type(face).__name__} must be an int or None in a search with a checkpoint, "
            f"got {given(face.random_state)}"
        )
    parameters = {
        name: type(value).__name__ if isinstance(value, BaseEstimator) else as_text(value)
        for name, value in base.get_params(deep=True).items()
        if name.rpartition("__")[2] not in _APART
    }
    given_arrays = [
        array
        for part in (*rows, *(numbers for pair in pairs for numbers in pair))
        for array in arrays_of(part)
    ]
    return {
        **of_machine([face.backend]),
        **parameters,
        **own,
        "trials": as_text(list(candidates)),
        "the digest of the rows": digest_of(given_arrays),
    }


def arrays_of(given_rows: Any) -> list[npt.NDArray[Any] | None]:
    """Return rows, or what comes with them, as arrays of numbers or texts."""
    if given_rows is None:
        return [None]
    if is_sparse(given_rows):
        rows = given_rows.tocsr()
        return [np.array(rows.shape), rows.indptr, rows.indices, rows.data]
    array = np.asarray(given_rows)
    return [array.astype(str) if array.dtype.hasobject else array]
