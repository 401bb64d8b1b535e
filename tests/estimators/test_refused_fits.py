"""A fit that is refused or broken off leaves the model as it was, or a new one, never parts of both."""

from __future__ import annotations

import sys
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pandas
import pytest
from sklearn.exceptions import NotFittedError

import gradstep as gs
import makers
from gradstep.errors import DivergedError

RNG = np.random.default_rng(0)
X = pandas.DataFrame(RNG.normal(size=(30, 3)), columns=["a", "b", "c"])
Y = np.array(["cat", "dog", "owl"])[RNG.integers(3, size=30)]
OTHER_X, OTHER_Y = 100 + 7 * RNG.normal(size=(20, 5)), np.arange(20) % 4
PACKAGE = str(Path(gs.__file__).parent)

LEARNED = (
    "n_features_in_",
    "feature_names_in_",
    "history_",
    "standardization_",
    "n_iter_",
    "status_",
    "batch_size_",
)


def state(model: Any, rows: Any) -> dict[str, Any]:
    """Return all that can be seen of a fitted model."""
    seen = {name: getattr(model, name, None) for name in (*LEARNED, "classes_")}
    columns = {name: model.history_[name] for name in model.history_.keys() if name != "seconds"}  # noqa: SIM118
    seen |= {"history_": columns, "standardization_": vars(model.standardization_)}
    seen |= {"predictions": model.predict(rows), "weights": model.coefs_, "biases": model.intercepts_}
    return seen


def assert_same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    np.testing.assert_equal(found, expected)


REFUSED: list[dict[str, Any]] = [
    {"sample_weight": -np.ones(20)},
    {"sample_weight": np.ones(3)},
    {"eval_set": (OTHER_X, OTHER_Y + 1)},
    {"eval_set": (OTHER_X[:, :2], OTHER_Y)},
    {"eval_set": 3},
    {"eval_set": (OTHER_X, OTHER_Y, -np.ones(20))},
    {"X_val": OTHER_X},
    {"y": np.ones(20)},
    {"y": np.full(20, np.nan)},
    {"y": np.eye(4)[OTHER_Y]},
    {"X": np.full((20, 5), np.nan)},
    {"X": OTHER_X[:, 0]},
    {"X": OTHER_X[:7]},
]


@pytest.mark.parametrize("wrong", REFUSED, ids=lambda wrong: next(iter(wrong)))
def test_what_is_refused_changes_nothing(wrong: dict[str, Any]) -> None:
    model = makers.trainer().fit(X, Y)
    before, attributes = state(model, X), set(vars(model))
    with pytest.raises(ValueError, match=r"."):
        model.fit(**{"X": OTHER_X, "y": OTHER_Y} | wrong)
    assert_same(state(model, X), before)
    assert set(vars(model)) == attributes


@pytest.mark.parametrize("wrong", REFUSED, ids=lambda wrong: next(iter(wrong)))
def test_a_first_fit_that_is_refused_leaves_no_model(wrong: dict[str, Any]) -> None:
    model = makers.trainer()
    attributes = set(vars(model))
    with pytest.raises(ValueError, match=r"."):
        model.fit(**{"X": OTHER_X, "y": OTHER_Y} | wrong)
    assert set(vars(model)) == attributes
    with pytest.raises(NotFittedError):
        model.predict(OTHER_X)


@pytest.mark.parametrize(
    "parameters", [{"epochs": 10**9}, {"learning_rate": lambda t: -1.0}, {"backend": "numpy", "l2": -1.0}]
)
def test_parameters_that_are_refused_change_nothing(parameters: dict[str, Any]) -> None:
    model = makers.trainer().fit(X, Y)
    before = state(model, X)
    with pytest.raises(gs.errors.InvalidParameterError):
        model.set_params(**parameters).fit(OTHER_X, OTHER_Y)
    assert_same(state(model.set_params(**makers.trainer().get_params()), X), before)


def test_memory_that_is_not_there_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    model = makers.trainer().fit(X, Y)
    before = state(model, X)

    def fail(*given: Any, **more: Any) -> None:
        raise MemoryError("no room")

    monkeypatch.setattr("gradstep.backends.numpy.NumpySession.train", fail)
    with pytest.raises(MemoryError, match="no room"):
        model.fit(OTHER_X, OTHER_Y)
    assert_same(state(model, X), before)


def test_names_of_columns_go_with_their_model() -> None:
    model = makers.trainer().fit(X, Y).fit(OTHER_X, OTHER_Y)
    assert not hasattr(model, "feature_names_in_")
    assert model.n_features_in_ == 5
    assert model.predict(OTHER_X).dtype == OTHER_Y.dtype


def test_divergence_leaves_the_new_model_whole() -> None:
    model = makers.trainer(hidden=(4,)).fit(X, Y)
    with pytest.raises(DivergedError):
        model.set_params(learning_rate=1e30).fit(OTHER_X, OTHER_Y)
    assert (model.n_features_in_, len(model.classes_), len(model.history_)) == (5, 4, 0)
    assert set(model.predict(OTHER_X)) <= {0, 1, 2, 3}


class Injected(Exception):
    """What a signal handler may raise at any line."""


class _At:
    """Raises at the k-th line of the package that is run."""

    def __init__(self, k: int) -> None:
        self.left = k

    def __call__(self, frame: FrameType, event: str, argument: Any) -> Any:
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        if event == "line":
            self.left -= 1
            if self.left == 0:
                raise Injected
        return self


def _run_until(k: int, model: Any, rows: Any, labels: Any) -> bool:
    """Fit, with an exception at the k-th line; return whether it came."""
    before = sys.gettrace()
    sys.settrace(_At(k))
    try:
        model.fit(rows, labels, eval_set=(rows, labels))
    except Exception as error:
        # What asks others for an answer may wrap what came in its place.
        if "Injected" not in repr(error):
            raise
        return True
    finally:
        sys.settrace(before)
    return False


@pytest.mark.parametrize(
    ("callbacks", "first"), [((), 1), ((lambda model, row: None,), 2)], ids=["alone", "watched"]
)
def test_an_exception_at_any_line_leaves_no_mix(callbacks: tuple[Any, ...], first: int) -> None:
    """The old model, or the one that the last row of the new history describes; of every third line."""
    rule = gs.EarlyStopping("train_loss", patience=1, restore_best=False)
    model = makers.trainer(epochs=2, early_stopping=rule, callbacks=callbacks, batch_size=20).fit(X, Y)
    old = state(model, X)
    line, kept, new = first, 0, 0
    while _run_until(line, model, OTHER_X, OTHER_Y):
        line += 3
        if model.n_features_in_ == 3:
            assert_same(state(model, X), old)
            kept += 1
        else:
            metrics, row = model.evaluate(OTHER_X, OTHER_Y), model.history_.rows[-1]
            assert metrics.loss == row["validation_loss"], line
            assert (len(model.classes_), model.standardization_.mean.shape) == (4, (5,))
            assert not hasattr(model, "feature_names_in_")
            new += 1
            model.fit(X, Y)
    assert kept > 100
    assert new > 20
