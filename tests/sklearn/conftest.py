"""What is held against scikit-learn's own classes needs the version that ours are tested with."""

from __future__ import annotations

import sklearn

from gradstep.sklearn.patching import TESTED


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2])


# An older one warns, prints and draws otherwise, and has faults that were repaired since.
collect_ignore = (
    ["test_faces.py", "test_patching.py", "test_same_as_scikit_learn.py", "test_their_own_tests.py"]
    if _number(sklearn.__version__) < _number(TESTED)
    else []
)
