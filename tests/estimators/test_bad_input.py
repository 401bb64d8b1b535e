"""Every bad array has an error that says what, whose, which and what was given."""

import re

import numpy as np
import pandas
import pytest
import scipy.sparse
from sklearn.exceptions import NotFittedError

import gradstep as gs
import makers
from gradstep.errors import InvalidDataError

X = np.random.default_rng(0).normal(size=(12, 3))
Y = np.arange(12) % 3


def trainer(**parameters):
    return makers.trainer(**{"epochs": 2, "learning_rate": 0.01, "batch_size": "auto"} | parameters)


def regressor(**parameters):
    return makers.regressor(**{"epochs": 2, "learning_rate": 0.01, "batch_size": "auto"} | parameters)


def put(value, dtype=np.float64):
    rows = X.astype(dtype)
    rows[7, 1] = value
    return rows


BAD_X = [
    (put(np.nan), ValueError, "Input X contains NaN"),
    (put(np.inf), ValueError, "Input X contains infinity"),
    (put(-np.inf, np.float32), ValueError, "Input X contains infinity"),
    (X[:, 0], ValueError, "Expected 2D array, got 1D array"),
    (X[None], ValueError, "Found array with dim 3"),
    (X.astype(complex), ValueError, "Complex data not supported"),
    (X.astype("U8"), ValueError, "dtype='numeric' is not compatible with arrays of bytes/strings"),
    (put({"a": 1}, object), TypeError, "argument must be a string or a.* number"),
    (np.empty((0, 3)), ValueError, "0 sample"),
    (np.empty((12, 0)), ValueError, "0 feature"),
    (None, ValueError, "Expected 2D array"),
]


@pytest.mark.parametrize("rows, kind, message", BAD_X)
def test_bad_x(rows, kind, message):
    with pytest.raises(kind, match=message):
        trainer().fit(rows, Y)
    with pytest.raises(kind, match=message):
        trainer().fit(X, Y).predict(rows)
    with pytest.raises(InvalidDataError, match=f"eval_set of Trainer.fit.*{message}"):
        trainer().fit(X, Y, eval_set=(rows, Y))


BAD_Y = [
    (Y[:-1], InvalidDataError, "y of Trainer.fit must have one target per row of X: X has 12 rows, y has 11"),
    (Y + 0.5, ValueError, "Unknown label type: continuous.*; real values are for Regressor"),
    (np.where(Y, 1.0, np.nan), InvalidDataError, "a label in every row and contain no NaN, got nan in row 0"),
    (np.ones(12), InvalidDataError, "y of Trainer.fit must have two classes or more, got one class: 1.0"),
    (np.full(12, "a"), InvalidDataError, "got one class: 'a'"),
    (
        np.eye(3)[Y],
        InvalidDataError,
        r"y of Trainer.fit must be one label a row, got an indicator matrix of shape \(12, 3\): "
        r"y.argmax\(axis=1\) is its labels, and loss='multilabel' takes those",
    ),
    (1 - np.eye(3)[Y], InvalidDataError, r"an indicator matrix of shape \(12, 3\): loss='multilabel' takes"),
    (np.eye(3)[Y] + 0.5, InvalidDataError, r"must be one label a row, got an array of shape \(12, 3\)$"),
    (scipy.sparse.csr_array(np.eye(3)[Y]), InvalidDataError, "got a sparse matrix of shape"),
    (np.zeros((12, 3, 2)), ValueError, "."),
    (None, ValueError, "requires y to be passed"),
    (Y * 1j, ValueError, "Complex data not supported"),
    (np.array([0, "a", 1] * 4, dtype=object), ValueError, "Unknown label type: unknown"),
    (
        np.array(["a", None] * 6, dtype=object),
        InvalidDataError,
        "y of Trainer.fit must have a label in every row and contain no NaN, got None in row 1",
    ),
    (np.array(["a", 1] * 6, dtype=object), InvalidDataError, "y of Trainer.fit must have labels of one type"),
    (pandas.array([1, None] * 6, dtype="Int64"), InvalidDataError, "contain no NaN, got .* in row 1"),
]


@pytest.mark.parametrize("labels, kind, message", BAD_Y)
def test_bad_y(labels, kind, message):
    with pytest.raises(kind, match=message):
        trainer().fit(X, labels)


@pytest.mark.parametrize(
    "weight, message",
    [
        (np.full(12, -1.0), "must be finite and >= 0, got -1.0 in row 0"),
        ([1] * 11 + [np.nan], "must be finite and >= 0, got nan in row 11"),
        ([np.inf] * 12, "must be finite and >= 0, got inf in row 0"),
        (np.ones(11), "must have shape (12,), that of y, got (11,)"),
        (np.ones((12, 1)), "must have shape (12,), that of y, got (12, 1)"),
        (np.zeros(12), "must have a finite sum > 0, but they are all zero"),
        (np.full(12, 1e308), "must have a finite sum > 0, but their sum is beyond 1.8e308"),
        (["heavy"] * 12, "must be numbers, got ['heavy'"),
        (Y == 1, "must be > 0 in rows of two classes or more"),
        (2.0, "must have shape (12,), that of y, got ()"),
    ],
)
def test_bad_sample_weight(weight, message):
    with pytest.raises(
        InvalidDataError, match=re.escape(f"sample_weight of Trainer.fit {message}")
    ) as caught:
        trainer().fit(X, Y, sample_weight=weight)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    "eval_set, message",
    [
        ((X, Y + 1), " must have only labels that Trainer.fit has seen, got [3]; seen: [0, 1, 2]"),
        (
            (X, np.array(["a", "b", "c"])[Y]),
            " must have only labels that Trainer.fit has seen, got ['a', 'b'",
        ),
        ((X[:, :2], Y), ": X has 2 features, but Trainer is expecting 3 features as input"),
        ((X, Y[:5]), " must have one target per row of X: X has 12 rows, y has 5"),
        ((X[:0], Y[:0]), ": Found array with 0 sample(s)"),
        (X, " must be a pair (X, y) or a triple (X, y, sample_weight), got array of shape (12, 3)"),
        ((X,), " must be a pair (X, y) or a triple (X, y, sample_weight), got tuple of 1: (array"),
        ((X, Y, Y, Y), " must be a pair (X, y) or a triple (X, y, sample_weight), got tuple of 4"),
        ([(X, Y), (X, Y)], " must be a pair (X, y) or a triple (X, y, sample_weight), got 2 sets"),
        ((X, None), " requires y to be passed, but the target y is None"),
    ],
)
def test_bad_eval_set(eval_set, message):
    with pytest.raises(InvalidDataError, match=re.escape("eval_set of Trainer.fit" + message)):
        trainer().fit(X, Y, eval_set=eval_set)


def test_early_stopping_on_train_rows_needs_no_eval_set():
    assert trainer(early_stopping=gs.EarlyStopping(monitor="train_cost")).fit(X, Y).n_iter_ == 2


@pytest.mark.parametrize("method", ["predict", "predict_proba", "decision_function"])
def test_prediction_with_another_number_of_features(method):
    with pytest.raises(ValueError, match="X has 2 features, but Trainer is expecting 3 features as input"):
        getattr(trainer().fit(X, Y), method)(X[:, :2])


def test_prediction_with_other_column_names():
    model = trainer().fit(pandas.DataFrame(X, columns=["a", "b", "c"]), Y)
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(pandas.DataFrame(X, columns=["a", "c", "b"]))


def test_evaluation_of_unseen_labels():
    with pytest.raises(InvalidDataError, match=r"y of Trainer.evaluate must have only labels .* got \[9\]"):
        trainer().fit(X, Y).evaluate(X, np.where(Y == 1, 9, Y))


@pytest.mark.parametrize("method", ["predict", "predict_proba", "decision_function"])
def test_not_fitted(method, tmp_path):
    with pytest.raises(NotFittedError, match="not fitted"):
        getattr(gs.Trainer(), method)(X)
    with pytest.raises(NotFittedError, match="not fitted"):
        gs.Trainer().evaluate(X, Y)
    with pytest.raises(NotFittedError, match="not fitted"):
        gs.Trainer().save(tmp_path / "model")


def test_values_that_have_too_few_digits():
    rows = X.astype(np.float64)
    rows[:, 1] = np.arange(len(X)) % 2 * 5e-324
    with pytest.raises(InvalidDataError, match="column 1 of X must have a standard deviation of 5e-321 or"):
        trainer().fit(rows, Y)


def test_images_of_units_that_pixels_cannot_be_moved_between():
    rows = X.astype(np.float64)[:, :2] * [1, 1e-310]
    flip = gs.augment.HorizontalFlip(image_shape=(1, 2))
    with pytest.raises(InvalidDataError, match="column 1 of X must be nearer to 1 for images"):
        trainer(augment=flip).fit(rows, Y)


@pytest.mark.filterwarnings("ignore:overflow encountered in cast:RuntimeWarning")
def test_values_too_large_for_the_scores():
    model = trainer().fit(X, Y)
    with pytest.raises(InvalidDataError, match="row 7 of X is too large for this model"):
        model.predict_proba(put(1e300))


def test_dates_are_no_numbers():
    with pytest.raises(
        InvalidDataError, match=re.escape("X must hold real numbers, got dtype datetime64[s]")
    ):
        trainer().fit(np.arange(36).reshape(12, 3).astype("M8[s]"), Y)
