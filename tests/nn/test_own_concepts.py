"""What users define themselves trains, is checked, searched and saved like what the package has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

import gradstep as gs
import makers
from cases import Case, relative_error, train, trained
from gradstep import backends
from gradstep.backends import Backend, get
from gradstep.errors import BackendUnavailableError
from gradstep.nn.rules import Rule
from gradstep.plan.network import Objective
from nn.lion import Lion, LionRule
from nn.own_concepts import InverseRoot, LargestError, LogCosh, Shift, ShiftRule, Softsign

OURS = (InverseRoot, LargestError, Lion, LionRule, LogCosh, Shift, ShiftRule, Softsign)


def _forget() -> None:
    for kind in OURS:
        kind._members.pop(kind.__name__, None)


# To define a concept is to register it: here, only while the tests of this file run.
_forget()


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    """Have them in their families."""
    for kind in OURS:
        kind._members[kind.__name__] = kind
    yield
    _forget()


# What can run text that was not there when it was built.
ABLE = pytest.mark.parametrize("name", [name for name in makers.HERE if name != "cpp"])
X = np.random.default_rng(0).normal(size=(90, 4))
Y = X @ [1.0, -2.0, 0.5, 0.0] + 3

OWN = Case(
    "own",
    n=40,
    hidden=(7,),
    loss=LogCosh(),
    activation=Softsign(),
    optimizer=Lion(),
    rate=0.003,
    weighted=True,
)


@ABLE
def test_the_backends_agree(name: str) -> None:
    state, expected = trained(get(name), OWN, "float64"), trained(get("numpy"), OWN, "float64")
    assert relative_error(OWN.layers, state.parameters, expected.parameters) < 1e-10
    assert relative_error(OWN.layers, state.slots[:, 0], expected.slots[:, 0]) < 1e-10


@ABLE
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_no_bit_depends_on_threads_groups_or_cuts(name: str, precision: str) -> None:
    backend, whole = get(name), trained(get(name), OWN, precision)
    data = OWN.data(precision=precision)
    np.testing.assert_array_equal(trained(backend, OWN, precision, n_threads=3).parameters, whole.parameters)
    alone = OWN.state(precision).select([1])
    for t0, t1 in ((0, 3), (3, OWN.updates)):
        alone = alone.copy()
        train(backend, OWN.plan().select([1]), data.select([1]), alone, t0, t1)
    np.testing.assert_array_equal(alone.parameters[0], whole.parameters[1])
    np.testing.assert_array_equal(alone.slots[0], whole.slots[1])


@ABLE
def test_a_rule_may_hand_one_slot_on_to_another(name: str) -> None:
    case = replace(OWN, optimizer=Shift(), loss="squared", activation="relu")
    data, state = case.data(), case.state("float64")
    train(get(name), case.plan(), data, state, 0, 1)
    first = state.slots.copy()
    train(get(name), case.plan(), data, state, 1, 2)
    assert first[:, 0].any()
    assert not first[:, 1].any()
    np.testing.assert_array_equal(state.slots[:, 1], first[:, 0])


def test_lion_is_what_its_paper_says() -> None:
    case = Case("lion", n=20, l2=(0.05,), optimizer=Lion(0.8, 0.95, weight_decay=0.1), rate=0.01)
    data, plan, layers = case.data(), case.plan(), case.layers
    W = case.parameters("float64")[0]
    m = np.zeros_like(W)
    is_weight = np.arange(len(W)) < layers.offsets[0, 1]
    for updates in plan.ranges(0, case.updates):
        for i, rate in enumerate(plan.learning_rate[0, updates.t0 : updates.t1]):
            rows = updates.row_indices[updates.starts[i] : updates.starts[i + 1]]
            batch = type(data)(data.X[rows], data.targets[rows], None, data.standardization)
            _, (g,) = get("numpy").loss_and_gradient(case.objective, batch, W[None])
            c = 0.8 * m + 0.2 * g
            W = W - rate * (np.sign(c) + 0.1 * W * is_weight)
            m = 0.95 * m + 0.05 * g
    np.testing.assert_allclose(trained(get("numpy"), case, "float64").parameters[0], W, rtol=1e-10)


@ABLE
def test_estimators_take_them(name: str, tmp_path: Path) -> None:
    model = makers.regressor(
        hidden=(8,),
        loss=LogCosh(),
        activation=Softsign(),
        optimizer=Lion(),
        learning_rate=InverseRoot(0.02),
        metrics=[LargestError()],
        epochs=30,
        backend=name,
    ).fit(X, Y, eval_set=(X, Y))
    assert model.score(X, Y) > 0.9
    assert list(model.evaluate(X, Y)) == ["loss", "cost", "r2", "largest_error"]
    # The history judges by the targets as they were trained on, rounded to float32.
    largest = np.abs(model.predict(X) - Y).max()
    assert model.history_["validation_largest_error"][-1] == pytest.approx(largest, rel=1e-5)
    assert model.backend_ == name
    assert gs.gradient_check(model, X[:20], Y[:20]).passed()
    model.save(tmp_path / "model")
    copy = gs.Regressor.load(tmp_path / "model")
    np.testing.assert_array_equal(copy.predict(X), model.predict(X))
    assert copy.optimizer == Lion()
    assert clone(model).learning_rate == InverseRoot(0.02)


def test_short_names_and_parts_are_parameters_like_any() -> None:
    model = makers.regressor(optimizer="lion", loss="log_cosh", activation="softsign", hidden=(3,))
    assert model.settings().optimizer == Lion()
    found = GridSearchCV(model, {"optimizer__beta1": [0.5, 0.9]}, cv=2).fit(X, Y)
    assert found.best_params_["optimizer__beta1"] in (0.5, 0.9)
    rule = gs.EarlyStopping("train_largest_error", patience=2)
    stopped = clone(model).set_params(metrics=["largest_error"], early_stopping=rule).fit(X, Y)
    assert np.isfinite(stopped.history_["train_largest_error"]).all()


class Lacking:
    """A backend that was built before a loss, an activation or a rule was there."""

    def __init__(self, inner: Backend, *names: str) -> None:
        self.inner, self.names, self.name = inner, names, "cpp"
        self.sums_of_bytes = inner.sums_of_bytes

    def lacks(self, objective: Objective, rule: type[Rule] | None = None) -> list[str]:
        wanted = [objective.loss.name, *(each.name for each in objective.activations[0])]
        wanted += [] if rule is None else [rule.name]
        return [name for name in dict.fromkeys(wanted) if name in self.names]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


@pytest.fixture
def lacking(monkeypatch: pytest.MonkeyPatch) -> Lacking:
    """Put a backend first that lacks what this file defines; only numpy comes after it."""
    lacking = Lacking(get("numpy"), "log_cosh", "softsign", "lion")
    monkeypatch.delenv("GRADSTEP_BACKEND", raising=False)
    monkeypatch.setattr(backends, "NAMES", ("cpp", "numpy"))
    monkeypatch.setattr(backends, "_loaded", {"cpp": lacking, "numpy": get("numpy")})
    return lacking


@pytest.mark.parametrize(
    ("parameters", "missing"),
    [
        ({"loss": LogCosh()}, "'log_cosh'"),
        ({"activation": Softsign(), "hidden": (3,)}, "'softsign'"),
        ({"optimizer": Lion()}, "'lion'"),
        (
            {"loss": LogCosh(), "activation": (Softsign(), "relu"), "hidden": (3, 2), "optimizer": Lion()},
            "'log_cosh', 'softsign', 'lion'",
        ),
    ],
)
def test_a_backend_that_lacks_them_is_passed_over_or_named(
    lacking: Lacking, parameters: dict[str, Any], missing: str
) -> None:
    model = makers.regressor(backend="auto", **parameters).fit(X, Y)
    assert model.backend_ == "numpy"
    assert makers.regressor(backend="auto").fit(X, Y).backend_ == "cpp"
    with pytest.raises(BackendUnavailableError, match=f"^the backend 'cpp' has no {missing}$"):
        makers.regressor(backend="cpp", **parameters).fit(X, Y)


def test_a_backend_that_was_asked_for_by_the_environment_is_not_passed_over(
    lacking: Lacking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADSTEP_BACKEND", "cpp")
    with pytest.raises(BackendUnavailableError, match="has no 'lion'"):
        makers.regressor(backend="auto", optimizer=Lion()).fit(X, Y)


def test_prediction_needs_no_rule(lacking: Lacking) -> None:
    model = makers.regressor(backend="auto", optimizer=Lion()).fit(X, Y)
    assert model.set_params(backend="cpp").predict(X).shape == Y.shape


@pytest.mark.skipif("cpp" not in makers.HERE, reason="installed without the compiled core")
def test_the_compiled_core_lacks_them() -> None:
    cpp = get("cpp")
    assert cpp.lacks(OWN.objective, LionRule) == ["log_cosh", "softsign", "lion"]
    assert cpp.lacks(Case("known", hidden=(3,)).objective) == []
    with pytest.raises(BackendUnavailableError, match="the backend 'cpp' has no 'lion'"):
        makers.regressor(backend="cpp", optimizer=Lion()).fit(X, Y)
