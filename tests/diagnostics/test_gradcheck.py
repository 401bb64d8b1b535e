"""`gradient_check` passes what is right, sees what is wrong, and says what it left out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import gradstep as gs
from cases import Case
from gradstep.backends import Backend, Evaluation
from gradstep.datasets import load_cifar10
from gradstep.diagnostics import gradcheck
from gradstep.diagnostics.gradcheck import GradientCheck, compare, gradient_check
from gradstep.diagnostics.gradcheck.slopes import Neighbourhood, has_kink, row_losses
from gradstep.errors import InvalidDataError, InvalidParameterError
from gradstep.nn.activations import Activation, LeakyRelu, Relu
from gradstep.nn.losses import Loss, Softmax
from gradstep.nn.optimizers import Optimizer
from gradstep.plan.network import Layers, Objective
from gradstep.plan.rows import TrainingData, prepare
from makers import HERE
from members import ACTIVATIONS, LOSSES, OPTIMIZERS, concept_id

names = pytest.mark.parametrize("name", HERE)
Rows = tuple[npt.NDArray[Any], npt.NDArray[Any]]


@pytest.fixture
def rows() -> Rows:
    """Thirty rows of four inputs and three classes with names."""
    rng = np.random.default_rng(0)
    y = np.arange(30) % 3
    X = 100 + 20 * (rng.normal(size=(30, 4)) + rng.normal(size=(3, 4))[y])
    return X, np.array(["a", "b", "c"])[y]


def estimator(loss: Loss, **parameters: Any) -> Any:
    """Make a Trainer or Regressor, as the loss wants it."""
    made = gs.Regressor if loss.takes == "values" else gs.Trainer
    return made(loss=loss, random_state=0, **parameters)


def targets(loss: Loss, rows: Rows) -> npt.NDArray[Any]:
    """Return what the loss takes for the rows: their labels, or three numbers that follow from them."""
    X, y = rows
    if loss.takes == "labels":
        return y
    if loss.takes == "indicators":
        return (X[:, :3] > 100).astype(int)
    return np.maximum(X[:, :3] - 90, loss.least)


@names
@pytest.mark.parametrize("hidden", [(), (6,), (5, 4, 3)], ids=str)
@pytest.mark.parametrize("l2", [0.0, 0.1])
@pytest.mark.parametrize("init", ["he", "xavier", gs.Normal(0.01)], ids=str)
@pytest.mark.parametrize("loss", LOSSES, ids=concept_id)
def test_every_depth_and_option_passes(
    name: str, hidden: tuple[int, ...], l2: float, init: Any, loss: Loss, rows: Rows
) -> None:
    check = gradient_check(
        estimator(loss, hidden=hidden, l2=l2, init=init), rows[0], targets(loss, rows), backend=name
    )
    assert check.passed(), str(check)
    assert check.backend == name
    assert check.max_relative_error("central") < 1e-7
    assert check.max_relative_error("forward") < 1e-4
    assert check.max_relative_error("central") < check.max_relative_error("forward")
    sizes = Layers((4, *hidden, 3))
    assert sum(row.checked + row.skipped for row in check.rows) == 2 * sizes.parameters


@names
@pytest.mark.parametrize("activation", ACTIVATIONS, ids=concept_id)
@pytest.mark.parametrize("loss", LOSSES, ids=concept_id)
def test_every_activation_passes_under_every_loss(
    name: str, activation: Activation, loss: Loss, rows: Rows
) -> None:
    made = estimator(loss, hidden=(6, 5), activation=activation, l2=0.01, init="xavier")
    weight = np.linspace(0.5, 2, 30)
    check = gradient_check(made, rows[0], targets(loss, rows), sample_weight=weight, backend=name)
    assert check.passed(), str(check)
    if not has_kink(activation):
        assert check["skipped"].sum() == 0


@names
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=concept_id)
def test_what_an_optimizer_has_learned_passes(name: str, optimizer: Optimizer, rows: Rows) -> None:
    made = gs.Trainer(
        hidden=(6,), activation="tanh", optimizer=optimizer, l2=0.01, epochs=3, random_state=0, backend=name
    ).fit(*rows)
    assert gradient_check(made, *rows).passed()


@names
@pytest.mark.parametrize("one_axis", [True, False])
@pytest.mark.parametrize("standardize_targets", [True, False])
def test_a_fitted_regressor_is_checked_in_the_units_it_was_trained_in(
    name: str, one_axis: bool, standardize_targets: bool, rows: Rows
) -> None:
    X = rows[0]
    y = X[:, 0] / 10 if one_axis else X[:, :2] / 10
    regressor = gs.Regressor(
        hidden=(5,),
        standardize_targets=standardize_targets,
        l2=0.01,
        epochs=2,
        learning_rate=1e-3,
        random_state=0,
        backend=name,
    )
    check = gradient_check(regressor.fit(X, y), X, y)
    assert check.passed(), str(check)


def test_the_activations_with_a_kink_are_told_by_their_slopes() -> None:
    with_kink = {type(activation).__name__ for activation in ACTIVATIONS if has_kink(activation)}
    assert with_kink == {"Relu", "LeakyRelu", "Selu"}


@pytest.mark.parametrize("loss", LOSSES, ids=concept_id)
def test_the_loss_of_rows_is_that_of_the_backend(reference: Backend, loss: Loss) -> None:
    case = Case("rows", loss=loss, l2=(0.0,))
    data, block = case.data(), case.parameters("float64")
    losses = row_losses(loss, reference.scores(case.objective, data, block), data.targets)
    assert losses.shape == (1, case.n)
    expected = reference.evaluate(case.objective, data, block).loss
    np.testing.assert_allclose(losses.mean(axis=1), expected, rtol=1e-13)


@names
@pytest.mark.parametrize("standardize", [True, False])
def test_a_fitted_trainer_is_checked_at_what_it_learned(name: str, standardize: bool, rows: Rows) -> None:
    X, y = rows
    trainer = gs.Trainer(
        hidden=(5,),
        l2=0.01,
        standardize=standardize,
        learning_rate=1e-3,
        epochs=3,
        random_state=0,
        backend=name,
    )
    trainer.fit(X, y)
    learned = [part.copy() for part in (*trainer.coefs_, *trainer.intercepts_)]
    check = gradient_check(trainer, X[:7], y[:7], sample_weight=np.arange(7.0))
    assert check.passed(), str(check)
    for part, before in zip((*trainer.coefs_, *trainer.intercepts_), learned, strict=True):
        np.testing.assert_array_equal(part, before)
    fresh = gradient_check(gs.Trainer(hidden=(5,), l2=0.01, random_state=0, backend=name), X[:7], y[:7])
    assert [row.mean for row in fresh.rows] != [row.mean for row in check.rows]


def test_an_unfitted_trainer_is_checked_where_fit_would_begin(
    rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    X, y = rows
    seen: list[tuple[npt.NDArray[Any], TrainingData]] = []
    monkeypatch.setattr(
        gradcheck.check, "compare", lambda around, **options: seen.append((around.parameters, around.data))
    )
    trainer = gs.Trainer(hidden=(5,), precision="float64", random_state=3, backend="numpy")
    weight = np.linspace(0.5, 2, 30)
    gradient_check(trainer, X, y, sample_weight=weight)
    assert not hasattr(trainer, "coefs_")
    assert not hasattr(trainer, "classes_")
    # A step too small to leave the first parameters.
    trainer.set_params(epochs=1, learning_rate=1e-300).fit(X, y, sample_weight=weight)
    parameters, data = seen[0]
    layers = Layers((4, 5, 3))
    for layer in range(2):
        np.testing.assert_array_equal(layers.weights(parameters, layer), trainer.coefs_[layer])
        np.testing.assert_allclose(layers.biases(parameters, layer), trainer.intercepts_[layer], atol=1e-299)
    np.testing.assert_array_equal(data.standardization.mean, trainer.standardization_.mean)
    np.testing.assert_array_equal(data.standardization.scale, trainer.standardization_.scale)
    np.testing.assert_allclose(data.weight, weight / weight.mean())


@dataclass
class Wrong:
    """A backend whose gradient or cost is off in one place, by `factor`."""

    backend: Backend
    place: int | None = None
    factor: float = 1.0
    cost_factor: float = 1.0
    name: str = "wrong"

    def loss_and_gradient(self, *args: Any, **options: Any) -> tuple[Evaluation, npt.NDArray[Any]]:
        evaluation, gradient = self.backend.loss_and_gradient(*args, **options)
        if self.place is not None:
            gradient[0, self.place] *= self.factor
        return evaluation._replace(cost=evaluation.cost * self.cost_factor), gradient

    def scores(self, *args: Any, **options: Any) -> npt.NDArray[Any]:
        return self.backend.scores(*args, **options)


def judge(backend: Any, *, differences: tuple[str, ...] = ("forward", "central")) -> GradientCheck:
    """Check a net of 4-5-3 at generated parameters."""
    rng = np.random.default_rng(1)
    layers = Layers((4, 5, 3))
    data = prepare(rng.normal(size=(20, 4)), np.arange(20) % 3)
    steps = {kind: gradcheck.STEPS[kind] for kind in differences}
    objective = Objective.alike(layers, Softmax(), (Relu(),), np.array([0.05]))
    around = Neighbourhood(objective, data, rng.normal(scale=0.5, size=layers.parameters), backend)
    return compare(around, steps=steps, entries=None, eps=1e-3, random=rng)


@pytest.mark.parametrize("place", range(0, 43, 6))
def test_one_wrong_entry_is_seen_and_its_array_named(reference: Backend, place: int) -> None:
    assert judge(reference).passed()
    check = judge(Wrong(reference, place=place, factor=1 + 1e-5))
    assert not check.passed()
    arrays = np.repeat(["W1", "b1", "W2", "b2"], [20, 5, 15, 3])
    guilty = [row.array for row in check.rows if row.difference == "central" and row.relative > 1e-7]
    assert guilty == [arrays[place]]


def test_a_wrong_cost_is_seen(reference: Backend) -> None:
    check = judge(Wrong(reference, cost_factor=1 + 1e-6))
    assert check.cost_error == pytest.approx(1e-6, rel=1e-3)
    assert check.max_relative_error() < 1e-7
    assert not check.passed()
    assert check.passed(1e-5)


def test_a_gradient_that_is_not_finite_does_not_pass(reference: Backend) -> None:
    check = judge(Wrong(reference, place=3, factor=np.nan))
    assert np.isnan(check.max_relative_error())
    assert not check.passed(np.inf)


def test_the_numbers_are_those_of_the_errors(reference: Backend) -> None:
    plain = judge(reference, differences=("central",)).rows[1]
    check = judge(Wrong(reference, place=22, factor=1.5), differences=("central",))
    row = check.rows[1]
    assert (row.array, row.checked, row.skipped) == ("b1", 5, 0)
    # One of the five entries is off by half its value g; the others by next to nothing.
    half = row.maximum
    assert half > 1e6 * plain.maximum
    assert row.mean == pytest.approx(half / 5, rel=1e-6)
    assert row.std == pytest.approx(half * 0.4, rel=1e-6)
    assert row.relative == pytest.approx(0.5 / 2.5, rel=1e-6)


def look(
    backend: Backend, sizes: tuple[int, ...], parameters: Any, activation: Activation, **steps: float
) -> GradientCheck:
    """Check a net of two rows, x = 1 and another, at parameters chosen by hand."""
    layers = Layers(sizes)
    objective = Objective.alike(layers, Softmax(), (activation,) * (layers.count - 1), np.zeros(1))
    X = np.array([[1.0], [2.0]] if layers.count == 2 else [[1.0], [1.0]])
    around = Neighbourhood(objective, prepare(X, np.array([0, 1])), np.asarray(parameters, float), backend)
    return compare(around, steps=steps, entries=None, eps=1e-3, random=np.random.default_rng(0))


@pytest.mark.parametrize("activation", [Relu(), LeakyRelu(0.3)], ids=concept_id)
def test_kinks_are_skipped_and_counted(reference: Backend, activation: Activation) -> None:
    #  W1 = (1, 1), b1 = (-1 + 2e-6, 0): the first unit is within a step of its kink in row 0.
    parameters = np.array([1, 1, -1 + 2e-6, 0, 1, -1, 0.5, 0.25, 0, 0])
    near = look(reference, (1, 2, 2), parameters, activation, central=1e-5)
    assert [(row.array, row.skipped, row.checked) for row in near.rows] == [
        ("W1", 1, 1),
        ("b1", 1, 1),
        ("W2", 0, 4),
        ("b2", 0, 2),
    ]
    assert near.passed(), str(near)
    closer = look(reference, (1, 2, 2), parameters, activation, central=1e-6)
    assert sum(row.skipped for row in closer.rows) == 0
    on_it = np.where(np.arange(10) == 2, -1, parameters)
    for kind in ("forward", "central"):
        check = look(reference, (1, 2, 2), on_it, activation, **{kind: 1e-6})
        assert [row.skipped for row in check.rows] == [1, 1, 0, 0]


def test_where_there_is_no_kink_nothing_is_skipped(reference: Backend) -> None:
    on_it = [1, 1, -1, 0, 1, -1, 0.5, 0.25, 0, 0]
    for activation in ACTIVATIONS:
        if not has_kink(activation):
            check = look(reference, (1, 2, 2), on_it, activation, central=1e-5)
            assert [row.skipped for row in check.rows] == [0, 0, 0, 0]
            assert check.passed(), str(check)


def test_a_kink_in_a_later_layer_is_seen(reference: Backend) -> None:
    # First unit: 1 * x = 1, far from its kink; second unit: 1 * 1 - 1 = 0, on it.
    check = look(reference, (1, 1, 1, 2), [1.0, 0, 1, -1, 1, -1, 0, 0], Relu(), central=1e-5)
    assert [row.skipped for row in check.rows] == [1, 1, 1, 1, 0, 0]
    assert [row.relative for row in check.rows[:4]] == pytest.approx([np.nan] * 4, nan_ok=True)
    assert check.passed()


def test_nothing_checked_does_not_pass() -> None:
    check = GradientCheck([], "numpy", 1e-3, {"central": 1e-5}, 0.0)
    assert np.isnan(check.max_relative_error())
    assert not check.passed()


def test_without_central_differences_the_forward_ones_judge(rows: Rows) -> None:
    trainer = gs.Trainer(random_state=0, backend="numpy")
    check = gradient_check(trainer, *rows, differences=["forward"])
    assert {row.difference for row in check.rows} == {"forward"}
    assert check.passed(1e-4)
    assert not check.passed(1e-12)
    with pytest.raises(InvalidParameterError, match=r"`difference` must be one of forward, got 'central'"):
        check.max_relative_error("central")


def test_entries_are_drawn_and_repeatable(rows: Rows) -> None:
    trainer = gs.Trainer(hidden=(6,), random_state=0, backend="numpy")
    few = gradient_check(trainer, *rows, entries=5, random_state=1)
    assert [row.checked for row in few.rows[::2]] == [5, 5, 5, 3]
    assert few.rows == gradient_check(trainer, *rows, entries=5, random_state=1).rows
    assert few.rows != gradient_check(trainer, *rows, entries=5, random_state=2).rows


def test_chunks_change_nothing(reference: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = judge(reference)
    # Room for three moved models at a time.
    monkeypatch.setattr(gradcheck.slopes, "_CHUNK_BYTES", 16 * (43 + 20 * 5) * 3)
    assert judge(reference).rows == whole.rows


def test_the_table(rows: Rows) -> None:
    check = gradient_check(gs.Trainer(hidden=(6,), random_state=0, backend="numpy"), *rows)
    lines = str(check).splitlines()
    assert lines[0].split()[:2] == ["array", "kind"]
    assert [line.split()[0] for line in lines[1:9]] == [
        name for name in ("W1", "b1", "W2", "b2") for _ in "12"
    ]
    assert {len(line) for line in lines[:9]} == {len(lines[0])}
    assert max(map(len, lines)) <= 80
    assert "backend numpy, float64; steps: forward 1e-08, central 1e-05" in lines[-1]
    row = check.rows[1]
    assert lines[2].split() == [
        *row[:2],
        *(f"{value:.1e}" for value in (*row[2:6], row.norm_ratio)),
        str(row.checked),
        str(row.skipped),
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trainer": 3}, r"`trainer` of gradient_check must be a Trainer or Regressor, got 3"),
        ({"differences": ()}, r"`differences` of gradient_check must not be empty, got \(\)"),
        ({"differences": ("sideways",)}, r"`differences` of gradient_check must be .*'forward', 'central'"),
        ({"differences": "central"}, r"`differences` of gradient_check must be a tuple or list"),
        ({"step": 0}, r"`step` of gradient_check must be > 0, got 0"),
        ({"step": np.inf}, r"`step` of gradient_check must be .*got inf"),
        ({"entries": 0}, r"`entries` of gradient_check must be >= 1, got 0"),
        ({"entries": 1.5}, r"`entries` of gradient_check must be .*got 1.5"),
        ({"eps": 0.0}, r"`eps` of gradient_check must be > 0, got 0.0"),
        ({"random_state": -1}, r"`random_state` of gradient_check must be >= 0, got -1"),
        ({"backend": "abacus"}, r"must be one of auto, cpp, numba, numpy, got 'abacus'"),
        ({"sample_weight": [1.0]}, r"sample_weight .* must have shape \(30,\)"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_bad_arguments(rows: Rows, options: dict[str, Any], message: str) -> None:
    with pytest.raises((InvalidParameterError, InvalidDataError), match=message):
        gradient_check(**{"trainer": gs.Trainer(), "X": rows[0], "y": rows[1]} | options)


def test_bad_trainer_and_data(rows: Rows) -> None:
    X, y = rows
    with pytest.raises(InvalidParameterError, match=r"`l2` of Trainer must be >= 0, got -0.1"):
        gradient_check(gs.Trainer(l2=-0.1), X, y)
    with pytest.raises(InvalidDataError, match="two classes or more"):
        gradient_check(gs.Trainer(), X, np.zeros(30))
    trainer = gs.Trainer(epochs=1, random_state=0, backend="numpy").fit(X, y)
    with pytest.raises(InvalidDataError, match=r"y of gradient_check must have only labels .*'d'"):
        gradient_check(trainer, X, np.where(y == "a", "d", y))
    with pytest.raises(ValueError, match="4 features"):
        gradient_check(trainer, X[:, :3], y)


@pytest.mark.cifar10
@names
@pytest.mark.parametrize("l2", [0.0, 0.1])
@pytest.mark.parametrize("hidden", [(), (50,)], ids=str)
def test_images(cifar10_folder: Path, name: str, hidden: tuple[int, ...], l2: float) -> None:
    images = load_cifar10(cifar10_folder, train="data_batch_1").train
    trainer = gs.Trainer(hidden=hidden, l2=l2, init=gs.Normal(0.01), random_state=0)
    check = gradient_check(trainer, images.X[:20], images.y[:20], backend=name, entries=60)
    assert check.max_relative_error() < 2e-8, str(check)
    assert check.passed(2e-8)
