"""Every bad parameter and every bad array has an error that says what, whose, which and what was given."""

import contextlib
import math
import re
from functools import partial

import numpy as np
import pandas
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st
from sklearn.exceptions import NotFittedError

import gradstep as gs
from gradstep import backends
from gradstep.errors import DivergedError, InvalidDataError, InvalidParameterError
from gradstep.plan.settings import MOST_UPDATES, TRAINER
from gradstep.training.observers import EARLY_STOPPING
from gradstep.utils.constraints import NUMBER, at_least

X = np.random.default_rng(0).normal(size=(12, 3))
Y = np.arange(12) % 3


def trainer(**parameters):
    return gs.Trainer(**{"backend": "numpy", "epochs": 2, "random_state": 0} | parameters)


def wrong_values(table):
    """Give (name, constraint, value) of a table for every value that a constraint says breaks it."""
    return [
        pytest.param(name, constraint, value, id=f"{name}={value!r}"[:60])
        for name, constraints in table.items()
        for constraint in constraints
        for value in constraint.wrong
    ]


def expected(owner, name, constraints, value):
    """Return the message that names the first constraint broken."""
    text = next(constraint.text for constraint in constraints if not constraint.holds(value))
    return re.escape(f"`{name}` of {owner} must be {text}, got ")


def test_the_table_has_exactly_the_parameters():
    assert set(TRAINER) == set(gs.Trainer().get_params())


@pytest.mark.parametrize("name, constraint, value", wrong_values(TRAINER))
def test_bad_parameters(name, constraint, value):
    assert not constraint.holds(value)
    with pytest.raises(InvalidParameterError, match=expected("Trainer", name, TRAINER[name], value)):
        trainer(**{name: value}).fit(X, Y)


@pytest.mark.parametrize("name, constraint, value", wrong_values(EARLY_STOPPING))
def test_bad_early_stopping(name, constraint, value):
    with pytest.raises(
        InvalidParameterError, match=expected("EarlyStopping", name, EARLY_STOPPING[name], value)
    ):
        gs.EarlyStopping(**{name: value})


@pytest.mark.parametrize("value", [*NUMBER.wrong, *at_least(0).wrong])
def test_bad_normal(value):
    with pytest.raises(InvalidParameterError, match="`std` of Normal must be "):
        gs.Normal(value)


@pytest.mark.parametrize("kind", [gs.He, gs.Xavier, partial(gs.Normal, 0.1)])
@pytest.mark.parametrize("value", [-1, 0.5, "1", True])
def test_bad_seeds_of_weights(kind, value):
    with pytest.raises(InvalidParameterError, match=r"`seed` of (He|Xavier|Normal) must be "):
        kind(seed=value)


@pytest.mark.parametrize(
    "parameters, message",
    [
        ({"l2": -0.1}, "`l2` of Trainer must be >= 0, got -0.1"),
        ({"l2": math.nan}, "`l2` of Trainer must be a finite number, got nan"),
        ({"learning_rate": 0}, "`learning_rate` of Trainer must be > 0, got 0"),
        ({"batch_size": 0}, "`batch_size` of Trainer must be >= 1, got 0"),
        ({"epochs": 1.5}, "`epochs` of Trainer must be an int, got 1.5"),
        ({"n_threads": 0}, "`n_threads` of Trainer must be >= 1, got 0"),
        ({"loss": "hinge"}, "`loss` of Trainer must be one of 'softmax', 'sigmoid', got 'hinge'"),
        ({"precision": "half"}, "`precision` of Trainer must be one of 'float32', 'float64', got 'half'"),
        (
            {"backend": "cuda"},
            "`backend` of Trainer must be one of 'auto', 'cpp', 'numba', 'numpy', got 'cuda'",
        ),
        (
            {"hidden": (5, 0)},
            "`hidden` of Trainer must be a tuple or list, each element an int >= 1, got (5, 0)",
        ),
        (
            {"init": "zeros"},
            "`init` of Trainer must be one of 'he', 'xavier' or a He, Xavier or Normal, got 'zeros'",
        ),
        (
            {"random_state": 2**32},
            "`random_state` of Trainer must be <= 4294967295, got 4294967296",
        ),
    ],
)
def test_messages_in_full(parameters, message):
    with pytest.raises(InvalidParameterError) as caught:
        trainer(**parameters).fit(X, Y)
    assert str(caught.value) == message


def test_a_bad_parameter_is_found_at_prediction_too():
    model = trainer().fit(X, Y).set_params(n_threads=-3)
    for method in (model.predict, lambda X: model.evaluate(X, Y)):
        with pytest.raises(InvalidParameterError, match="`n_threads` of Trainer must be >= 1, got -3"):
            method(X)


@pytest.mark.parametrize("kind", [np.int32, np.int64, np.uint8])
def test_numbers_of_numpy_are_numbers(kind):
    model = trainer(batch_size=kind(5), epochs=kind(3), hidden=(kind(4),), l2=np.float32(0.1), verbose=True)
    assert len(model.fit(X, Y, eval_set=(X, Y)).history_) == 3


def test_more_updates_than_memory_holds():
    with pytest.raises(InvalidParameterError, match=f"at most {MOST_UPDATES} updates, got 12000000000000"):
        trainer(epochs=10**12, batch_size=1).fit(X, Y)


def _raises(update):
    raise KeyError("no rate")


@pytest.mark.parametrize(
    "function, message",
    [
        (_raises, "must give a rate for every update, got KeyError: 'no rate'"),
        (lambda: 0.1, "must give a rate for every update, got TypeError"),
        (lambda t: math.nan, "must give finite rates >= 0, got nan at update 0"),
        (lambda t: 0.1 - t, "must give finite rates >= 0, got -0.9 at update 1"),
        (lambda t: "fast", "must give one number per update"),
        (lambda t: [0.1, 0.2], "must give one number per update"),
        (gs.schedules.Recorded((0.1,)), "Recorded holds 1 updates, got 1"),
        (gs.schedules.Constant(math.inf), "must give finite rates >= 0, got inf at update 0"),
    ],
)
def test_bad_learning_rate_functions(function, message):
    with pytest.raises(InvalidParameterError, match=re.escape(message)):
        trainer(learning_rate=function).fit(X, Y)


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
    (scipy.sparse.csr_array(X), TypeError, "Sparse data was passed for X, but dense data is required"),
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
    with pytest.raises(InvalidDataError, match=f"eval_set of Trainer.fit: .*{message}"):
        trainer().fit(X, Y, eval_set=(rows, Y))


BAD_Y = [
    (Y[:-1], InvalidDataError, "y of Trainer.fit must have one label per row of X: X has 12 rows, y has 11"),
    (Y + 0.5, ValueError, "Unknown label type: continuous"),
    (np.where(Y, 1.0, np.nan), ValueError, "Input y contains NaN"),
    (np.ones(12), InvalidDataError, "y of Trainer.fit must have two classes or more, got one class: 1.0"),
    (np.full(12, "a"), InvalidDataError, "got one class: 'a'"),
    (np.eye(3)[Y], ValueError, "y should be a 1d array"),
    (None, ValueError, "requires y to be passed"),
    (Y * 1j, ValueError, "Complex data not supported"),
    (np.array([0, "a", 1] * 4, dtype=object), ValueError, "Unknown label type: unknown"),
    (
        np.array(["a", None] * 6, dtype=object),
        InvalidDataError,
        "y of Trainer.fit must have labels of one type",
    ),
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
        (np.zeros(12), "must have a finite sum > 0, weights that are all zero do not, got 0.0"),
        (np.full(12, 1e308), "must have a finite sum > 0"),
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
        ((X, Y[:5]), ": Found input variables with inconsistent numbers of samples: [12, 5]"),
        ((X[:0], Y[:0]), ": Found array with 0 sample(s)"),
        (X, " must be a pair (X, y), got array"),
        ((X, Y, Y), " must be a pair (X, y), got (array"),
    ],
)
def test_bad_eval_set(eval_set, message):
    with pytest.raises(InvalidDataError, match=re.escape("eval_set of Trainer.fit" + message)):
        trainer().fit(X, Y, eval_set=eval_set)


def test_early_stopping_on_validation_needs_an_eval_set():
    model = trainer(early_stopping=gs.EarlyStopping())
    with pytest.raises(
        InvalidParameterError,
        match="monitors validation_loss, which needs an eval_set of validation rows",
    ):
        model.fit(X, Y)
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


def test_values_too_large_to_standardize():
    with pytest.raises(InvalidDataError, match="column 1 of X has values too large to standardize"):
        trainer().fit(put(1e308), Y)


@pytest.mark.filterwarnings("ignore:overflow encountered in cast:RuntimeWarning")
def test_values_too_large_for_the_scores():
    model = trainer().fit(X, Y)
    with pytest.raises(InvalidDataError, match="row 7 of X is too large for this model"):
        model.predict_proba(put(1e300))


NUMBERS = st.one_of(
    st.integers(-3, 3), st.floats(allow_subnormal=True), st.none(), st.booleans(), st.text(max_size=2)
)


@given(
    name=st.sampled_from(["l2", "learning_rate", "batch_size", "epochs", "n_threads", "verbose"]),
    value=NUMBERS,
)
def test_any_value_is_either_taken_or_refused_by_name(name, value):
    model = trainer(**{"epochs": 1, name: value})
    if all(constraint.holds(value) for constraint in TRAINER[name]):
        with contextlib.suppress(DivergedError):
            model.fit(X, Y)
    else:
        with pytest.raises(InvalidParameterError, match=f"`{name}` of Trainer must be "):
            model.fit(X, Y)


def test_dates_are_no_numbers():
    with pytest.raises(
        InvalidDataError, match=re.escape("X must hold real numbers, got dtype datetime64[s]")
    ):
        trainer().fit(np.arange(36).reshape(12, 3).astype("M8[s]"), Y)


def test_more_threads_than_anybody_has_are_refused():
    with pytest.raises(InvalidParameterError, match=re.escape("`n_threads` of Trainer must be <= 1024, got")):
        trainer(n_threads=10**12).fit(X, Y)


@pytest.mark.skipif(backends.availability()["cpp"] is not None, reason="no compiled core here")
def test_an_instruction_set_that_is_not_there_is_refused_and_not_passed_over(monkeypatch):
    monkeypatch.setenv("GRADSTEP_ISA", "nonsense")
    monkeypatch.setattr(backends, "_loaded", {})
    with pytest.raises(
        InvalidParameterError, match=r"GRADSTEP_ISA must be an instruction set .* got 'nonsense'"
    ):
        backends.get("auto")
    assert "nonsense" in backends.availability()["cpp"]
