"""The faces within scikit-learn's tools, on tables, on mapped files, and on rows at the borders."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import StackingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score, learning_curve
from sklearn.neural_network import MLPClassifier as TheirClassifier
from sklearn.neural_network import MLPRegressor as TheirRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from gradstep.sklearn import MLPClassifier, MLPRegressor

Array = npt.NDArray[Any]

RNG = np.random.default_rng(3)
X = RNG.normal(size=(60, 4))
Y = (X @ RNG.normal(size=(4, 3))).argmax(axis=1)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def quick(**parameters: Any) -> MLPClassifier:
    given = {"hidden_layer_sizes": (6,), "random_state": 0, "max_iter": 20, "learning_rate_init": 0.02}
    return MLPClassifier(**given | parameters)


def test_searches_set_their_parameters() -> None:
    pipeline = make_pipeline(MinMaxScaler(), quick())
    grid = {"mlpclassifier__alpha": [1e-4, 100.0], "mlpclassifier__standardize": [False, True]}
    search = GridSearchCV(pipeline, grid, cv=3).fit(X, Y)
    assert search.best_params_["mlpclassifier__alpha"] == 1e-4


def test_other_processes_train_them() -> None:
    one, two = (cross_val_score(quick(), X, Y, cv=2, n_jobs=jobs) for jobs in (1, 2))
    np.testing.assert_array_equal(one, two)


def test_learning_curves_go_by_partial_fit() -> None:
    _, _, scores = learning_curve(
        quick(), X, Y, cv=3, exploit_incremental_learning=True, train_sizes=[0.3, 1.0]
    )
    assert np.isfinite(scores).all()


def test_others_stand_on_them() -> None:
    stack = StackingClassifier([("net", quick())], LogisticRegression(), cv=2).fit(X, Y)
    assert stack.score(X, Y) > 0.5
    assert CalibratedClassifierCV(quick(), cv=2).fit(X, Y).predict_proba(X).shape == (60, 3)


def test_stacks_of_several_labels() -> None:
    labels = (X[:, :3] > 0).astype(int)
    stack = StackingClassifier([("net", quick())], quick(), cv=2).fit(X, labels)
    assert stack.predict(X).shape == labels.shape


def test_names_of_columns_are_kept() -> None:
    pd = pytest.importorskip("pandas")
    table = pd.DataFrame(X, columns=list("abcd"))
    model = quick(early_stopping=True).fit(table, Y)
    assert model.feature_names_in_.tolist() == list("abcd")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.predict(table)
    with pytest.raises(ValueError, match="feature names"):
        model.predict(table[list("bacd")])
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        model.predict(X)


def test_a_notebook_shows_them() -> None:
    assert "MLPClassifier" in quick(alpha=0.5)._repr_html_()
    assert repr(quick()) == (
        "MLPClassifier(hidden_layer_sizes=(6,), learning_rate_init=0.02, max_iter=20,\n"
        "              random_state=0)"
    )


@pytest.mark.parametrize("kind", [np.uint8, np.float32, np.float64])
def test_mapped_rows_are_rows(kind: type, tmp_path: Path) -> None:
    rows = (X * 20 + 90).astype(kind)
    np.save(tmp_path / "rows.npy", rows)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    one, two = quick(standardize=True).fit(rows, Y), quick(standardize=True).fit(mapped, Y)
    np.testing.assert_array_equal(one.predict_proba(rows), two.predict_proba(mapped))


def test_bytes_and_strides_change_no_result() -> None:
    pixels = (X * 20 + 90).astype(np.uint8)
    model = quick(standardize=True).fit(pixels.astype(np.float64), Y)
    for rows in (pixels, np.asfortranarray(pixels), np.repeat(pixels, 2, axis=1)[:, ::2], pixels.tolist()):
        again = quick(standardize=True).fit(rows, Y)
        np.testing.assert_allclose(again.loss_curve_, model.loss_curve_, rtol=1e-9)
        np.testing.assert_allclose(again.predict_proba(rows), model.predict_proba(pixels), rtol=1e-6)


@given(
    n=st.integers(1, 14),
    d=st.integers(1, 3),
    k=st.integers(1, 4),
    batch_size=st.integers(1, 16),
    hidden=st.lists(st.integers(1, 4), max_size=2),
    solver=st.sampled_from(["sgd", "adam"]),
    weighted=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_few_rows_and_columns(
    n: int, d: int, k: int, batch_size: int, hidden: list[int], solver: str, weighted: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    rows, weight = rng.normal(size=(n, d)), rng.uniform(0.1, 2, n) if weighted else None
    parameters = {"hidden_layer_sizes": hidden, "batch_size": batch_size, "solver": solver, "max_iter": 3}
    parameters |= {"random_state": seed, "alpha": 0.5, "learning_rate_init": 0.01}
    for ours, theirs, y in (
        (MLPClassifier, TheirClassifier, rng.integers(0, k, n)),
        (MLPRegressor, TheirRegressor, rng.normal(size=(n, k))),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            warnings.simplefilter("ignore", ConvergenceWarning)
            own, known = (
                kind(**parameters).fit(rows, y.ravel() if k == 1 else y, sample_weight=weight)
                for kind in (ours, theirs)
            )
        for W, V in zip(own.coefs_ + own.intercepts_, known.coefs_ + known.intercepts_, strict=True):
            np.testing.assert_allclose(W, V, rtol=1e-6, atol=1e-9)
        assert (own.n_iter_, own.t_) == (known.n_iter_, known.t_)
