"""Programs written for scikit-learn train on this package without an edit: its names stand for the faces.

`patch` puts the faces where programs import scikit-learn's networks from, `unpatch` puts those back;
``python -m gradstep.sklearn script.py`` runs a program with the names patched.
"""

from __future__ import annotations

import sys
from typing import Any, Self

import sklearn
from sklearn import neural_network

from gradstep.errors import LatePatchWarning, VersionMismatchWarning
from gradstep.sklearn.mlp_classifier import MLPClassifier
from gradstep.sklearn.mlp_regressor import MLPRegressor
from gradstep.utils.warn import warn

#: The version of scikit-learn that the faces are tested against.
TESTED = "1.9"

#: What stands for what, by the name in scikit-learn.
FACES: dict[str, type] = {"MLPClassifier": MLPClassifier, "MLPRegressor": MLPRegressor}

# Scikit-learn's own, of which the faces are.
_OWN: dict[str, type] = {name: getattr(neural_network, name) for name in FACES}


class Patch:
    """What `patch` did: as a context manager it ends with the block, unless the names were patched before.

    Attributes
    ----------
    did : bool
        Whether it changed anything.
    """

    def __init__(self, did: bool) -> None:
        self.did = did

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        if self.did:
            unpatch()


def patch(*, verbose: bool = True) -> Patch:
    """Put `MLPClassifier` and `MLPRegressor` of this package where scikit-learn's are imported from.

    ``from sklearn.neural_network import MLPClassifier`` gives this package's class from then on, in all
    modules of this process that are imported afterwards. Names that were imported before keep scikit-learn's
    class; a warning tells which. Models are pickled under this package's names, so they load without a
    patch. Scikit-learn's private module, where pickles of its own models find their class, is left as it is:
    these load, predict and are pickled as ever. Processes that are started and import the names themselves
    are not patched; models that are sent to them stay what they are.

    Parameters
    ----------
    verbose : bool, default=True
        Whether a line on standard error says what was done.

    Returns
    -------
    Patch
        A context manager, for ``with patch():``. A second call changes nothing.

    Warns
    -----
    LatePatchWarning
        Modules have imported the names already.
    VersionMismatchWarning
        scikit-learn is of another version than was tested.

    Examples
    --------
    >>> with patch(verbose=False):
    ...     from sklearn.neural_network import MLPClassifier
    >>> MLPClassifier.__module__
    'gradstep.sklearn.mlp_classifier'
    """
    if is_patched():
        return Patch(did=False)
    if sklearn.__version__.split(".")[:2] != TESTED.split("."):
        told = f"gradstep.sklearn.patch is tested with scikit-learn {TESTED}, got {sklearn.__version__}"
        warn(told, VersionMismatchWarning)
    for module, name in _imported_before():
        warn(
            f"{module} imported {name} before gradstep.sklearn.patch() and keeps that of scikit-learn; "
            f"patch before it is imported",
            LatePatchWarning,
        )
    vars(neural_network).update(FACES)
    if verbose:
        names = " and ".join(FACES)
        print(f"gradstep: {names} of sklearn.neural_network are gradstep's", file=sys.stderr)
    return Patch(did=True)


def unpatch() -> None:
    """Put scikit-learn's own classes back; names that were imported meanwhile keep this package's."""
    vars(neural_network).update(_OWN)


def is_patched() -> bool:
    """Whether the names of scikit-learn stand for this package's classes."""
    return all(getattr(neural_network, name) is face for name, face in FACES.items())


def _imported_before() -> list[tuple[str, str]]:
    """Return module and name wherever a program has scikit-learn's own classes already."""
    found = []
    for module in list(sys.modules.values()):
        name = str(getattr(module, "__name__", ""))
        if name.partition(".")[0] in ("sklearn", "gradstep"):
            continue
        known: dict[str, Any] = getattr(module, "__dict__", {})  # programs put other things there, too
        found += [(name, own) for own, cls in _OWN.items() if known.get(own) is cls]
    return sorted(found)
