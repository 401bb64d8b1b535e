"""Vocabularies: what they learn of a y, how they encode and decode, and what they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse

from gradstep.errors import InvalidDataError
from gradstep.nn.losses import Multilabel, Poisson, Sigmoid, Softmax, Squared
from gradstep.plan import targets
from gradstep.plan.targets import Indicators, Labels, Values

NAMES = np.array(["b", "a", "c", "a"])
MATRIX = np.array([[0, 1], [1, 1], [0, 0]])
REALS = np.array([[1.0, 10.0], [2.0, 30.0], [6.0, 20.0]])


@pytest.mark.parametrize("loss", [Softmax(), Sigmoid(), Softmax(0.1)], ids=repr)
def test_labels(loss: Any) -> None:
    vocabulary, encoded = targets.learn(loss, NAMES, "y")
    assert isinstance(vocabulary, Labels)
    assert (vocabulary.kind, vocabulary.k, vocabulary.classes.tolist()) == ("labels", 3, ["a", "b", "c"])
    assert (encoded.tolist(), encoded.dtype) == ([1, 0, 2, 0], np.int32)
    again = vocabulary.encode(["c", "c", "a"], "y")
    assert (again.tolist(), again.dtype) == ([2, 2, 0], np.int32)
    assert vocabulary.decode(np.array([2, 0])).tolist() == ["c", "a"]
    assert vocabulary.in_units(encoded) is encoded


@pytest.mark.parametrize(
    "given",
    [MATRIX, MATRIX.astype(bool), MATRIX.tolist(), MATRIX.astype(np.float32), scipy.sparse.csr_array(MATRIX)],
    ids=["ints", "booleans", "lists", "floats", "sparse"],
)
def test_indicators(given: Any) -> None:
    vocabulary, encoded = targets.learn(Multilabel(), given, "y")
    assert isinstance(vocabulary, Indicators)
    assert (vocabulary.kind, vocabulary.k) == ("indicators", 2)
    assert (encoded.tolist(), encoded.dtype) == (MATRIX.tolist(), np.float64)
    assert vocabulary.encode(given, "y").tolist() == MATRIX.tolist()
    answers = vocabulary.decode(encoded.astype(np.float32))
    assert (answers.tolist(), answers.dtype) == (MATRIX.tolist(), np.int64)


def test_values_are_standardised() -> None:
    vocabulary, encoded = targets.learn(Squared(), REALS, "y")
    assert isinstance(vocabulary, Values)
    assert (vocabulary.kind, vocabulary.k, vocabulary.one_axis) == ("values", 2, False)
    np.testing.assert_allclose(vocabulary.mean, REALS.mean(axis=0))
    np.testing.assert_allclose(vocabulary.scale, REALS.std(axis=0))
    np.testing.assert_allclose(encoded.mean(axis=0), 0, atol=1e-15)
    np.testing.assert_allclose(encoded.std(axis=0), 1)
    np.testing.assert_allclose(vocabulary.decode(encoded), REALS)
    np.testing.assert_allclose(vocabulary.encode(REALS[1:], "y"), encoded[1:])
    assert vocabulary.in_units(encoded.astype(np.float32)).dtype == np.float64


def test_weights_count_in_mean_and_scale() -> None:
    weight = np.array([2.0, 1.0, 1.0])
    repeated = np.repeat(REALS, [2, 1, 1], axis=0)
    vocabulary, _ = targets.learn(Squared(), REALS, "y", weight=weight)
    assert isinstance(vocabulary, Values)
    np.testing.assert_allclose(vocabulary.mean, repeated.mean(axis=0))
    np.testing.assert_allclose(vocabulary.scale, repeated.std(axis=0))


def test_a_loss_that_does_not_centre_has_targets_of_mean_1() -> None:
    vocabulary, encoded = targets.learn(Poisson(), REALS, "y")
    assert isinstance(vocabulary, Values)
    assert vocabulary.mean.tolist() == [0, 0]
    np.testing.assert_allclose(encoded.mean(axis=0), 1)
    np.testing.assert_allclose(vocabulary.decode(encoded), REALS)


def test_one_axis_comes_back() -> None:
    for given in (REALS[:, 0], REALS[:, 0].tolist(), REALS[:, 0].astype(int)):
        vocabulary, encoded = targets.learn(Squared(), given, "y")
        assert encoded.shape == (3, 1)
        assert vocabulary.decode(encoded).shape == (3,)
        np.testing.assert_allclose(vocabulary.decode(encoded), REALS[:, 0])


def test_without_standardisation_values_stay_as_they_are() -> None:
    vocabulary, encoded = targets.learn(Squared(), REALS, "y", standardize=False)
    np.testing.assert_array_equal(encoded, REALS)
    np.testing.assert_array_equal(vocabulary.decode(encoded), REALS)


@pytest.mark.parametrize("value", [0.0, 3.0, 0.1, 1e8 + 0.1])
def test_a_constant_column_is_only_moved(value: float) -> None:
    vocabulary, encoded = targets.learn(Squared(), np.full(7, value), "y")
    assert isinstance(vocabulary, Values)
    assert vocabulary.scale.tolist() == [1]
    np.testing.assert_allclose(vocabulary.decode(encoded), value)
    constant, _ = targets.learn(Poisson(), np.zeros(7), "y")
    assert isinstance(constant, Values)
    assert constant.scale.tolist() == [1]


BAD = [
    (Softmax(), [0.5, 1.5, 2.5], "must be class labels: .*; real values are for Regressor"),
    (Softmax(), [1, 1, 1], "must have two classes or more, got one class: 1"),
    (Softmax(), MATRIX, "must be one label a row, .*loss='multilabel' takes those"),
    (Softmax(), np.array(["a", None, "b"], dtype=object), "contain no NaN, got None in row 1"),
    (Softmax(), np.array(["a", 1, "b"], dtype=object), "must have labels of one type|Unknown label type"),
    (Multilabel(), [0, 1, 1], r"must be an indicator matrix \(n, k\) of 0 and 1, got shape \(3,\); labels"),
    (Multilabel(), [[0, 2]], r"of 0 and 1, got 2.0 in row 0, column 1"),
    (Multilabel(), [[0, 1], [0.5, 1]], r"of 0 and 1, got 0.5 in row 1, column 0"),
    (Multilabel(), [[0, np.nan]], r"of 0 and 1, got nan in row 0, column 1"),
    (Multilabel(), np.zeros((3, 0)), r"of 0 and 1, got shape \(3, 0\)"),
    (Multilabel(), np.zeros((3, 2, 2)), r"of 0 and 1, got shape \(3, 2, 2\)"),
    (Multilabel(), [["a", "b"]], r"of 0 and 1, got \[\['a', 'b'\]\]"),
    (Squared(), [1.0, np.nan], "must be finite and contain no NaN, got nan in row 1"),
    (Squared(), [[1.0, 2.0], [np.inf, 0.0]], "must be finite and contain no NaN, got inf in row 1"),
    (Squared(), ["a", "b"], r"must be real numbers, got \['a', 'b'\]"),
    (Squared(), [1j, 2.0], "must be real numbers, .*values of dtype complex128"),
    (Squared(), ["1", "2"], "must be real numbers, .*values of dtype <U1"),
    (Squared(), np.array([1.0, "2"], dtype=object), "must be real numbers, .*strings among them"),
    (Squared(), np.array(["2001-01-01", "2002-01-01"], "M8[D]"), "must be real numbers, .*datetime64"),
    (Squared(), [[1.0], [1.0, 2.0]], "must be real numbers"),
    (Squared(), np.zeros((2, 2, 2)), r"must have shape \(n,\) or \(n, k\), got \(2, 2, 2\)"),
    (Squared(), np.zeros((2, 0)), r"must have shape \(n,\) or \(n, k\), got \(2, 0\)"),
    (Squared(), 3.0, r"must have shape \(n,\) or \(n, k\), got \(\)"),
    (Poisson(), [1.0, -0.5], "must be >= 0, got -0.5 in row 1"),
    (Poisson(), [[0.0, 1.0], [2.0, -1.0]], "must be >= 0, got -1.0 in row 1"),
]


@pytest.mark.parametrize("unit", [1e-310, 1e-170, 1e-42, 1.0, 1e150, 1e307])
@pytest.mark.parametrize("weight", [None, np.array([1.0, 2, 0, 1])])
def test_values_of_any_unit_are_standardised(unit: float, weight: Any) -> None:
    near = np.array([-8.0, 1, 2, 5])
    vocabulary, encoded = targets.learn(Squared(), near * unit, "y", weight=weight)
    _, expected = targets.learn(Squared(), near, "y", weight=weight)
    np.testing.assert_allclose(encoded, expected, rtol=1e-10)
    np.testing.assert_allclose(vocabulary.decode(encoded), near * unit, rtol=1e-10)
    vocabulary, encoded = targets.learn(Poisson(), near[1:] * unit, "y")
    np.testing.assert_allclose(encoded[:, 0], near[1:] / near[1:].mean(), rtol=1e-10)


def test_values_that_have_too_few_digits_are_refused() -> None:
    message = r"^column 1 of y of me must have a standard deviation of 5e-321 .* values of up to 5e-324:"
    with pytest.raises(InvalidDataError, match=message):
        targets.learn(Squared(), [[1.0, 0], [2.0, 5e-324]], "y of me")


@pytest.mark.parametrize(("loss", "given", "message"), BAD)
def test_what_is_refused(loss: Any, given: Any, message: str) -> None:
    with pytest.raises(InvalidDataError, match=f"^y of me .*{message}"):
        targets.learn(loss, given, "y of me")


@pytest.mark.parametrize(
    ("loss", "given", "other", "message"),
    [
        (Softmax(), NAMES, ["a", "d"], r"must have only labels that Trainer.fit has seen, got \['d'\]"),
        (Multilabel(), MATRIX, np.zeros((2, 3)), "must have 2 columns, as in fit, got 3"),
        (Multilabel(), MATRIX, [[0, 3]], "of 0 and 1, got 3.0"),
        (Squared(), REALS, REALS[:, 0], "must have 2 columns, as in fit, got 1"),
        (Squared(), REALS, [[np.nan, 1.0]], "contain no NaN, got nan in row 0"),
        (Poisson(), REALS, -REALS, "must be >= 0, got -1.0 in row 0"),
    ],
)
def test_what_does_not_fit_what_was_learned(loss: Any, given: Any, other: Any, message: str) -> None:
    vocabulary, _ = targets.learn(loss, given, "y")
    with pytest.raises(InvalidDataError, match=f"^eval_set .*{message}"):
        vocabulary.encode(other, "eval_set")
