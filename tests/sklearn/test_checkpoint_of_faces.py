"""Fits of the faces that are kept in a folder: killed, they go on to the same bits."""

from __future__ import annotations

import signal
import warnings
from typing import Any

import numpy as np
import pytest
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

import gradstep as gs
from gradstep.errors import CheckpointError, InvalidParameterError
from gradstep.sklearn import MLPClassifier, MLPRegressor, keeping
from gradstep.sklearn.curves import EpochRule
from killed import OFTEN, KilledError, dies_after

pytestmark = [
    pytest.mark.usefixtures("python_own_handler"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4))
THREE = (X @ RNG.normal(size=(4, 3))).argmax(axis=1)
TWO = np.where(X[:, 0] > 0, "b", "a")
LABELS = (X[:, :3] > 0.2).astype(int)
VALUES = np.stack([X[:, 0] * X[:, 1], X[:, 2]], axis=1)

CASES: dict[str, Any] = {
    "adam": (MLPClassifier, THREE, {"dropout": 0.2}),
    "scores": (MLPClassifier, TWO, {"early_stopping": True, "n_iter_no_change": 2, "max_iter": 30}),
    "adaptive": (
        MLPClassifier,
        LABELS,
        {"solver": "sgd", "learning_rate": "adaptive", "learning_rate_init": 0.5, "n_iter_no_change": 1},
    ),
    "invscaling": (MLPRegressor, VALUES, {"solver": "sgd", "learning_rate": "invscaling", "momentum": 0.5}),
    "plain sgd": (MLPRegressor, VALUES, {"solver": "sgd", "momentum": 0.0, "precision": "float32"}),
    "no seed": (MLPClassifier, THREE, {"random_state": None, "early_stopping": True}),
}
LEARNED = ("n_iter_", "t_", "loss_", "loss_curve_", "best_loss_", "validation_scores_")


def face_of(case: str, folder: Any = None, every: float = OFTEN, **more: Any) -> Any:
    kind, _, parameters = CASES[case]
    given = {"hidden_layer_sizes": (5,), "random_state": 0, "max_iter": 12, "batch_size": 20}
    checkpoint = None if folder is None else gs.Checkpoint(folder, every)
    return kind(**given | parameters | more, checkpoint=checkpoint)


def assert_same(found: Any, expected: Any) -> None:
    for name in ("coefs_", "intercepts_"):
        for own, other in zip(getattr(found, name), getattr(expected, name), strict=True):
            assert own.dtype == other.dtype
            np.testing.assert_array_equal(own, other)
    for name in LEARNED:
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=name)


def killed(face: Any, y: Any, epochs: int, rows: Any = X) -> bool:
    with pytest.MonkeyPatch.context() as patched:
        dies_after(patched, EpochRule, "on_epoch", epochs)
        try:
            face.fit(rows, y, resume=True)
        except KilledError:
            return True
    return False


@pytest.mark.parametrize("case", CASES)
def test_a_fit_that_was_killed_again_and_again_comes_to_the_same_bits(case: str, tmp_path: Any) -> None:
    y = CASES[case][1]
    seed = np.random.RandomState(3) if case == "no seed" else 0
    expected = face_of(case, random_state=seed).fit(X, y)
    seed = np.random.RandomState(3) if case == "no seed" else 0
    kills = sum(killed(face_of(case, tmp_path, random_state=seed), y, epochs) for epochs in (0, 2, 3, 1))
    assert kills >= 2
    # Of a generator that has gone on since, the folder knows where it was.
    found = face_of(case, tmp_path, random_state=seed).fit(X, y, resume=True)
    assert_same(found, expected)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(EpochRule, "on_epoch", None)  # what is over is returned at once
        again = face_of(case, tmp_path, random_state=seed).fit(X, y, resume=True)
    assert_same(again, expected)
    # What the solver keeps is there, too: all go on alike.
    for face in (found, again, expected):
        face.set_params(random_state=5, early_stopping=False).partial_fit(X, y)
    assert_same(found, expected)
    assert_same(again, expected)


def test_sparse_rows_and_a_seed_that_was_drawn(tmp_path: Any) -> None:
    rows = sparse.csr_matrix(np.where(X > 0.5, X, 0.0))
    assert killed(face_of("adam", tmp_path, random_state=None), THREE, 3, rows)
    first = face_of("adam", tmp_path, random_state=None).fit(rows, THREE, resume=True)
    assert_same(face_of("adam", tmp_path, random_state=None).fit(rows, THREE, resume=True), first)


def test_warnings_and_callbacks_are_those_of_one_run(tmp_path: Any) -> None:
    seen: list[int] = []
    face = face_of("adam", tmp_path, callbacks=[lambda model, row: seen.append(row["epoch"])])
    assert killed(face, THREE, 4)
    with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(12\) reached"):
        face.fit(X, THREE, resume=True)
    assert seen == [1, 2, 3, 4, *range(5, 13)]
    with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(12\) reached"):
        face.fit(X, THREE, resume=True)


def test_ctrl_c_keeps_the_end_of_an_epoch(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = face_of("scores").fit(X, TWO)

    def press(model: Any, row: Any) -> None:
        if row["epoch"] == 3:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(keeping, "_NOTES", 0.0)
    with pytest.warns(UserWarning, match="Training interrupted by user"):
        face_of("scores", tmp_path, 3600, callbacks=[press]).fit(X, TWO)
    seen: list[int] = []
    again = face_of("scores", tmp_path, callbacks=[lambda model, row: seen.append(row["epoch"])])
    assert_same(again.fit(X, TWO, resume=True), expected)
    assert seen[0] == 4


def test_what_must_be_as_it_was(tmp_path: Any) -> None:
    face_of("adam", tmp_path).fit(X, THREE)
    with pytest.raises(
        CheckpointError, match=r"`checkpoint` of MLPClassifier holds a training already: MLPClassifier\.fit\("
    ):
        face_of("adam", tmp_path).fit(X, THREE)
    for name, value, said in [
        ("alpha", 0.5, r"`alpha` was 0.0001, got 0.5"),
        ("max_iter", 20, r"`max_iter` was 12, got 20"),
        ("random_state", 1, r"`random_state` was 0, got 1"),
    ]:
        with pytest.raises(CheckpointError, match=said):
            face_of("adam", tmp_path, **{name: value}).fit(X, THREE, resume=True)
    with pytest.raises(CheckpointError, match=r"the digest of the rows was"):
        face_of("adam", tmp_path).fit(X[::-1], THREE, resume=True)
    face_of("scores", tmp_path / "two").fit(X, TWO)
    with pytest.raises(CheckpointError, match=r"`classes` was \['a', 'b'\], got \['b', 'c'\]"):
        face_of("scores", tmp_path / "two").fit(X, np.where(TWO == "a", "c", "b"), resume=True)
    with pytest.raises(
        CheckpointError, match=r"holds a training that MLPClassifier\.fit began, which MLPRegr"
    ):
        face_of("invscaling", tmp_path).fit(X, VALUES, resume=True)


def test_what_cannot_be_kept_is_told(tmp_path: Any) -> None:
    with pytest.raises(
        InvalidParameterError, match="`checkpoint` of MLPClassifier must be None with solver='lbfgs'"
    ):
        face_of("adam", tmp_path, solver="lbfgs", dropout=0.0).fit(X, THREE)
    with pytest.raises(
        InvalidParameterError, match="`warm_start` of MLPClassifier must be False with a `che"
    ):
        face_of("adam", tmp_path, warm_start=True).fit(X, THREE)
    with pytest.raises(
        InvalidParameterError, match=r"`resume` of MLPClassifier\.fit needs `checkpoint` of MLP"
    ):
        face_of("adam").fit(X, THREE, resume=True)
    face = face_of("adam", tmp_path)
    with pytest.raises(InvalidParameterError, match="`checkpoint` of MLPClassifier must be None in Sweep"):
        gs.Sweep(face, {"alpha": [0.1]}).fit(X, THREE)
    with pytest.raises(
        InvalidParameterError, match="`checkpoint` of MLPClassifier must be None in FusedSearchCV"
    ):
        gs.FusedSearchCV(face, {"alpha": [0.1]}).fit(X, THREE)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        assert face.partial_fit(X, THREE, classes=[0, 1, 2]).n_iter_ == 1
    assert list(tmp_path.iterdir()) == []
