"""Sparse X wherever an estimator takes rows, and what is refused."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pandas
import pytest
import scipy.sparse
from sklearn.compose import make_column_transformer
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, OneHotEncoder, StandardScaler

import gradstep as gs
import makers
from gradstep.errors import InvalidDataError
from gradstep.nn.augment import HorizontalFlip
from gradstep.sklearn import MLPClassifier
from makers import HERE

RNG = np.random.default_rng(0)
Y = np.arange(60) % 3
DENSE = np.round(RNG.normal(size=(60, 20)) + 3 * np.eye(20)[Y], 2) * (RNG.random((60, 20)) < 0.4)
X = scipy.sparse.csr_array(DENSE)
names = pytest.mark.parametrize("name", HERE)


def of_kind(kind, **parameters):
    return makers.trainer(**parameters) if kind == "Trainer" else makers.regressor(**parameters)


@names
@pytest.mark.parametrize("kind", ["Trainer", "Regressor"])
@pytest.mark.parametrize("parameters", [{}, {"hidden": (5,), "optimizer": "adam", "l2": 0.01}])
def test_sparse_rows_are_what_their_dense_ones_are(name, kind, parameters):
    weight = np.linspace(0.5, 2, 60)
    options = {"backend": name, "standardize": False, **parameters}
    one, other = of_kind(kind, **options), of_kind(kind, **options)
    one.fit(X, Y, weight, eval_set=(X[::2], Y[::2]))
    other.fit(DENSE, Y, weight, eval_set=(DENSE[::2], Y[::2]))
    for mine, theirs in zip(one.coefs_, other.coefs_, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    np.testing.assert_array_equal(one.history_["validation_loss"], other.history_["validation_loss"])
    for kind_of_rows in (X, scipy.sparse.csr_matrix(X), X.tocsc(), X.tocoo(), X.tolil(), DENSE):
        np.testing.assert_array_equal(one.predict(kind_of_rows), other.predict(DENSE))
    assert one.evaluate(X, Y, weight) == other.evaluate(DENSE, Y, weight)
    assert one.score(X, Y) == other.score(DENSE, Y)
    for mine, theirs in zip(gs.gradient(one, X, Y), gs.gradient(other, DENSE, Y), strict=True):
        np.testing.assert_array_equal(mine[0], theirs[0])


@names
def test_standardize_divides_by_the_largest_values(name):
    scaled = MaxAbsScaler().fit_transform(DENSE)
    found = makers.trainer(backend=name, precision="float64").fit(X, Y)
    expected = makers.trainer(backend=name, precision="float64", standardize=False).fit(scaled, Y)
    np.testing.assert_array_equal(found.standardization_.mean, np.zeros(20))
    np.testing.assert_array_equal(found.standardization_.scale, abs(DENSE).max(axis=0))
    np.testing.assert_allclose(found.coefs_[0], expected.coefs_[0], rtol=1e-12)
    np.testing.assert_allclose(found.predict_proba(X), found.predict_proba(DENSE), rtol=1e-12)


@names
def test_a_model_of_dense_rows_answers_sparse_ones(name):
    trainer = makers.trainer(backend=name).fit(DENSE, Y)
    assert trainer.standardization_.mean.any()
    np.testing.assert_array_equal(trainer.predict_proba(X), trainer.predict_proba(DENSE))
    assert trainer.evaluate(X, Y) == trainer.evaluate(DENSE, Y)


def test_dense_validation_rows_go_with_sparse_rows():
    found = makers.trainer().fit(X, Y, eval_set=(DENSE, Y))
    expected = makers.trainer().fit(X, Y, eval_set=(X, Y))
    np.testing.assert_array_equal(found.history_["validation_loss"], expected.history_["validation_loss"])


def test_sparse_validation_rows_do_not_go_with_rows_that_are_centred():
    message = (
        r"X of eval_set of Trainer.fit must be dense where X of Trainer.fit is and `standardize` centres"
    )
    with pytest.raises(InvalidDataError, match=message):
        makers.trainer().fit(DENSE, Y, eval_set=(X, Y))
    makers.trainer(standardize=False).fit(DENSE, Y, eval_set=(X, Y))


def test_unsorted_and_repeated_elements_are_read_and_left_as_they_are():
    order = np.concatenate(
        [np.arange(b - 1, a - 1, -1) for a, b in zip(X.indptr[:-1], X.indptr[1:], strict=True)]
    )
    given = scipy.sparse.csr_matrix((X.data[order], X.indices[order], X.indptr.copy()), shape=X.shape)
    before = [array.copy() for array in (given.data, given.indices, given.indptr)]
    found, expected = makers.trainer().fit(given, Y), makers.trainer().fit(X, Y)
    np.testing.assert_array_equal(found.predict_proba(given), expected.predict_proba(X))
    for now, then in zip((given.data, given.indices, given.indptr), before, strict=True):
        np.testing.assert_array_equal(now, then)


@pytest.mark.parametrize("value, words", [(np.nan, "NaN"), (np.inf, "infinity"), (-np.inf, "infinity")])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_elements_that_are_not_finite_are_named(value, words, dtype):
    bad = scipy.sparse.lil_array(DENSE.astype(dtype))
    bad[7, 4] = value
    message = f"X of Trainer.*: Input X contains {words}.*The first is in row 7, column 4"
    for rows in (bad, bad.tocsr(), bad.tocsc()):
        with pytest.raises(InvalidDataError, match=message):
            makers.trainer().fit(rows, Y)
        with pytest.raises(InvalidDataError, match=message):
            makers.trainer().fit(X, Y).predict(rows)


def broken():
    rows = X.copy()
    rows.indices[5] = 99
    return rows


@pytest.mark.parametrize(
    "rows, message",
    [
        (broken(), r"X of Trainer.fit: sparse X of shape \(60, 20\) must have indptr that rises from 0"),
        (X.astype(complex), "Complex data not supported"),
        (X[:, :0], "0 feature"),
        (X[:0], "0 sample"),
        (X[:50], "X has 50 rows, y has 60"),
    ],
)
def test_bad_rows(rows, message):
    with pytest.raises(ValueError, match=message):
        makers.trainer().fit(rows, Y)


def test_another_number_of_columns_is_refused():
    with pytest.raises(ValueError, match="X has 19 features, but Trainer is expecting 20 features"):
        makers.trainer().fit(X, Y).predict(X[:, 1:])


def test_images_are_dense():
    message = r"X of Trainer.fit must be dense for `augment` of Trainer, .* sparse rows of shape \(60, 20\)"
    flips = HorizontalFlip(image_shape=(1, 4, 5))
    with pytest.raises(InvalidDataError, match=message):
        makers.trainer(augment=flips).fit(X, Y)
    with pytest.raises(InvalidDataError, match=message.replace("Trainer.fit", "Sweep.fit")):
        gs.Sweep(makers.trainer(augment=flips), {"l2": [0.0, 0.1]}).fit(X, Y)


def test_sparse_labels_are_refused():
    with pytest.raises(InvalidDataError, match="got a sparse matrix of shape"):
        makers.trainer().fit(X, scipy.sparse.csr_array(np.eye(3)[Y]))
    with pytest.raises(InvalidDataError, match="must be real numbers, got"):
        makers.regressor().fit(X, scipy.sparse.csr_array(DENSE[:, :2]))


@names
def test_ensembles_scorers_checks_and_files(name, tmp_path):
    members = [makers.trainer(backend=name, random_state=seed).fit(X, Y) for seed in (0, 1)]
    ensemble = gs.VotingEnsemble(members)
    np.testing.assert_array_equal(ensemble.predict(X), ensemble.predict(DENSE))
    assert ensemble.score(X, Y) == ensemble.score(DENSE, Y)
    scored = makers.trainer(backend=name, metrics=["balanced_accuracy"]).fit(X, Y)
    assert scored.evaluate(X, Y)["balanced_accuracy"] == scored.evaluate(DENSE, Y)["balanced_accuracy"]
    members[0].save(tmp_path / "model")
    for same in (gs.load_model(tmp_path / "model"), pickle.loads(pickle.dumps(members[0]))):
        np.testing.assert_array_equal(same.predict_proba(X), members[0].predict_proba(X))
    hidden = makers.trainer(backend=name, hidden=(4,)).fit(X, Y)
    np.testing.assert_array_equal(hidden.transform(X), hidden.transform(DENSE))
    check = gs.gradient_check(makers.trainer(backend=name, hidden=(4,), activation="tanh"), X, Y, entries=20)
    assert check.passed(1e-6)


@names
def test_searches(name):
    base = makers.trainer(backend=name, standardize=False, hidden=(4,))
    for search in (
        gs.FusedSearchCV(base, {"l2": [0.0, 0.1]}, cv=3),
        gs.Sweep(base, {"l2": [0.0, 0.1]}, random_state=0),
        gs.Sweep(base, {"l2": [0.0, 0.1]}, folds=3, random_state=0),
    ):
        fused = isinstance(search, gs.FusedSearchCV)
        found, expected = (
            (search.fit(rows, Y).best_estimator_ if fused else search.fit(rows, Y).best_trainer_)
            for rows in (X, DENSE)
        )
        np.testing.assert_array_equal(found.predict_proba(X), expected.predict_proba(DENSE))


def test_encoders_of_a_pipeline_may_stay_sparse():
    table = pandas.DataFrame({"kind": np.array(list("abc"))[Y], "number": DENSE[:, 0]})
    encode = make_column_transformer(
        (OneHotEncoder(), ["kind"]), (StandardScaler(), ["number"]), sparse_threshold=1.0
    )
    assert scipy.sparse.issparse(encode.fit_transform(table))
    pipeline = make_pipeline(encode, makers.trainer(epochs=30)).fit(table, Y)
    assert pipeline.score(table, Y) > 0.9
    search = gs.FusedSearchCV(
        make_pipeline(encode, makers.trainer(epochs=30)), {"trainer__l2": [0.0, 1e-3]}, cv=3
    )
    assert search.fit(table, Y).best_score_ > 0.9


def test_frames_of_sparse_columns_are_read():
    frame = pandas.DataFrame.sparse.from_spmatrix(scipy.sparse.csr_matrix(X))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = makers.trainer().fit(frame, Y)
    np.testing.assert_array_equal(found.predict_proba(X), makers.trainer().fit(X, Y).predict_proba(X))


@names
@pytest.mark.parametrize("parameters", [{}, {"hidden": (5,), "dropout": 0.5, "input_dropout": 0.3}])
def test_trainings_go_on_and_drop_units_as_on_dense_rows(name, parameters):
    options = {"backend": name, "standardize": False, "optimizer": "adam", **parameters}
    found = makers.trainer(epochs=2, **options).fit(X, Y).resume(X, Y, epochs=2)
    expected = makers.trainer(epochs=4, **options).fit(DENSE, Y)
    for mine, theirs in zip(found.coefs_, expected.coefs_, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    found, expected = makers.trainer(**options), makers.trainer(**options)
    for part in (slice(0, 30), slice(30, 60)):
        found.partial_fit(X[part], Y[part], classes=[0, 1, 2])
        expected.partial_fit(DENSE[part], Y[part], classes=[0, 1, 2])
    np.testing.assert_array_equal(found.predict_proba(X), expected.predict_proba(DENSE))


@pytest.mark.parametrize("rows", [X, scipy.sparse.csr_matrix(X), X.tocsc()], ids=["array", "matrix", "csc"])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_faces_of_scikit_learn_take_sparse_rows(rows, solver):
    found, expected = (MLPClassifier((5,), solver=solver, max_iter=5, random_state=0) for _ in range(2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        found.fit(rows, Y)
        expected.fit(DENSE, Y)
    for mine, theirs in zip(found.coefs_, expected.coefs_, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    np.testing.assert_array_equal(found.predict_proba(rows), expected.predict_proba(DENSE))
