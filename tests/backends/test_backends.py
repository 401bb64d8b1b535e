"""The backends against each other, and each against what it promises about its own bits."""

from __future__ import annotations

import inspect
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cases import CASES, Case, only, relative_error, seen_by, train, trained
from gradstep.backends import Backend
from gradstep.datasets import load_cifar10
from gradstep.nn.initializers import Normal, draw
from gradstep.plan.plan import LOSSES, Layers, Objective, Plan, RowOrder, State
from gradstep.plan.rows import Problem, Standardization, prepare

cases = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
# A few that between them have every kind of layer, tail and data, and more inputs and rows than any block.
NAMES = {
    "three-hidden",
    "weighted",
    "weighted-apart",
    "uint8-gap",
    "wide",
    "many-rows",
    "images",
    "images-hidden",
}
NAMES |= {"sigmoid-weighted", "sigmoid-many-classes"}
FEW = tuple(case for case in CASES if case.name in NAMES)
few = pytest.mark.parametrize("case", FEW, ids=lambda case: case.name)

METHODS = ("session", "evaluate", "loss_and_gradient", "scores")


def everything(backend: Backend, case: Case, precision: str, n_threads: int) -> list[npt.NDArray[Any]]:
    """Return all that a backend can compute of a case, one array per kind."""
    problem, objective, block = case.problem(), case.plan().objective, case.parameters(precision)
    state = trained(backend, case, precision, n_threads=n_threads)
    figures, gradient = backend.loss_and_gradient(objective, problem, block, n_threads=n_threads)
    return [
        state.parameters,
        np.array(backend.evaluate(objective, problem, state.parameters, n_threads=n_threads)),
        backend.scores(objective, problem, block, n_threads=n_threads),
        np.array(figures),
        gradient,
    ]


@pytest.mark.parametrize("method", METHODS)
def test_every_backend_has_the_signatures_of_the_protocol(backend: Backend, method: str) -> None:
    def shape(function: Any) -> list[tuple[str, Any, Any]]:
        parameters = inspect.signature(function).parameters.values()
        return [(p.name, p.kind, p.default) for p in parameters]

    assert shape(getattr(type(backend), method)) == shape(getattr(Backend, method))


@cases
def test_float64_trajectories_agree(compiled_backend: Backend, reference: Backend, case: Case) -> None:
    state = trained(compiled_backend, case, "float64")
    expected = trained(reference, case, "float64")
    assert relative_error(case.layers, state.parameters, expected.parameters) < 1e-10
    assert state.updates.tolist() == expected.updates.tolist() == [case.updates] * len(case.l2)
    assert state.finite.all()


@cases
def test_float32_stays_near_the_float64_trajectory(backend: Backend, reference: Backend, case: Case) -> None:
    case = replace(case, epochs=1)
    for until in sorted({1, (case.updates + 1) // 2, case.updates}):
        state = trained(backend, case, "float32", until=until)
        expected = trained(reference, case, "float64", until=until)
        assert state.parameters.dtype == np.float32
        # Four roundings of the largest value of an array, whose thousandth is the floor of the measure.
        assert relative_error(case.layers, state.parameters, expected.parameters) < 4e3 * 2.0**-24


@settings(max_examples=25)
@given(data=st.data())
def test_any_shape_agrees_and_keeps_its_bits(
    compiled_backend: Backend, reference: Backend, data: st.DataObject
) -> None:
    sizes = st.integers(1, 70)
    case = Case(
        "any",
        n=data.draw(st.integers(1, 60), label="n"),
        d=data.draw(sizes | st.integers(380, 390), label="d"),
        k=data.draw(st.integers(2, 40), label="k"),
        hidden=tuple(data.draw(st.lists(sizes, max_size=3), label="hidden")),
        batch_size=data.draw(st.integers(1, 40), label="batch_size"),
        epochs=1,
        l2=(0.01,) * data.draw(st.integers(1, 4), label="m"),
        weighted=data.draw(st.booleans(), label="weighted"),
        weighted_apart=data.draw(st.booleans(), label="weighted_apart"),
        dtype=data.draw(st.sampled_from(["uint8", "float32", "float64"]), label="dtype"),
        row_gap=data.draw(st.integers(0, 3), label="row_gap"),
        loss=data.draw(st.sampled_from(LOSSES), label="loss"),
    )
    n_threads = data.draw(st.integers(2, 9), label="n_threads")
    results = everything(compiled_backend, case, "float64", 1)
    threaded = everything(compiled_backend, case, "float64", n_threads)
    for result, wanted in zip(threaded, results, strict=True):
        np.testing.assert_array_equal(result, wanted)
    expected = everything(reference, case, "float64", 1)
    # Many small updates may multiply a rounding: by how much, the reference tells from roundings beside.
    # Where it is beyond all measure, as in weights of 1e13, there is no trajectory to agree on.
    rng, drift = np.random.default_rng(0), 0.0
    for _ in range(4):
        signs = rng.choice([-1.0, 1.0], size=expected[0].shape)
        beside = State.start(case.parameters("float64") * (1 + 2.0**-52 * signs))
        train(reference, case.plan(), case.problem(), beside, 0, case.updates)
        drift = max(drift, relative_error(case.layers, beside.parameters, expected[0]))
    assume(np.abs(expected[0]).max() < 1e6)
    assert relative_error(case.layers, results[0], expected[0]) < max(1e-10, 10 * drift)
    for result, wanted in zip(results[1:], expected[1:], strict=True):
        np.testing.assert_allclose(result, wanted, rtol=1e-9, atol=1e-11)


@few
def test_figures_and_gradients_agree(compiled_backend: Backend, reference: Backend, case: Case) -> None:
    results = everything(compiled_backend, case, "float64", 1)
    expected = everything(reference, case, "float64", 1)
    for result, wanted in zip(results, expected, strict=True):
        assert result.dtype == wanted.dtype
        np.testing.assert_allclose(result, wanted, rtol=1e-10, atol=1e-13)


@few
def test_the_number_of_threads_changes_no_bit(
    backend: Backend, case: Case, precision: str, n_threads: int
) -> None:
    alone = everything(backend, case, precision, 1)
    together = everything(backend, case, precision, n_threads)
    for one, many in zip(alone, together, strict=True):
        np.testing.assert_array_equal(many, one)


@few
@pytest.mark.parametrize(
    "group", [[0], [1, 0], [2, 0, 1], [1, 2, 0, 1, 2]], ids=lambda group: f"m{len(group)}"
)
def test_a_model_has_the_same_bits_in_any_group(
    backend: Backend, case: Case, precision: str, group: list[int]
) -> None:
    problem, everyone, some = case.problem(), case.plan(), only(case.plan(), group)
    seen = seen_by(problem, group)
    block = case.parameters(precision)
    state = State.start(block[group])
    train(backend, some, seen, state, 0, case.updates, n_threads=2)
    np.testing.assert_array_equal(state.parameters, trained(backend, case, precision).parameters[group])

    figures, gradient = backend.loss_and_gradient(some.objective, seen, block[group], n_threads=2)
    of_all, gradient_of_all = backend.loss_and_gradient(everyone.objective, problem, block)
    np.testing.assert_array_equal(np.array(figures), np.array(of_all)[:, group])
    np.testing.assert_array_equal(gradient, gradient_of_all[group])
    figures = backend.evaluate(some.objective, seen, block[group], n_threads=2)
    of_all = backend.evaluate(everyone.objective, problem, block)
    np.testing.assert_array_equal(np.array(figures), np.array(of_all)[:, group])
    scores = backend.scores(some.objective, seen, block[group], n_threads=2)
    np.testing.assert_array_equal(scores, backend.scores(everyone.objective, problem, block)[group])


@few
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_diverging_model_stops_alone(backend: Backend, precision: str, case: Case, place: int) -> None:
    # With l2 > 0 too large a rate is sure to blow the weights up.
    case = replace(case, l2=(0.01, 0.02, 0.1))
    plan = case.plan()
    rates = plan.learning_rate.copy()
    rates[place, 2:] = 1e300 if precision == "float64" else 1e30
    state = State.start(case.parameters(precision))
    train(backend, replace(plan, learning_rate=rates), case.problem(), state, 0, case.updates)
    others = [model for model in range(3) if model != place]
    assert state.finite.tolist() == [model != place for model in range(3)]
    assert state.updates[others].tolist() == [case.updates] * 2
    # The step of update 2 is the first of that rate: the loss of one of the next updates breaks.
    assert 3 <= state.updates[place] <= 5
    untouched = trained(backend, case, precision).parameters
    np.testing.assert_array_equal(state.parameters[others], untouched[others])


def test_a_model_stops_before_the_update_whose_loss_is_not_finite(backend: Backend, precision: str) -> None:
    case = FEW[0]
    state = State.start(case.parameters(precision))
    state.parameters[1, 0] = np.nan
    before = state.parameters.copy()
    train(backend, case.plan(), case.problem(), state, 0, case.updates)
    assert state.updates.tolist() == [case.updates, 0, case.updates]
    assert state.finite.tolist() == [True, False, True]
    np.testing.assert_array_equal(state.parameters[1], before[1])
    figures = backend.evaluate(case.plan().objective, case.problem(), before)
    assert np.isfinite(figures.loss).tolist() == np.isfinite(figures.cost).tolist() == [True, False, True]


@pytest.mark.parametrize("loss", LOSSES)
def test_overflow_is_quiet_and_leaves_numpys_settings_as_they_were(
    backend: Backend, precision: str, loss: str
) -> None:
    case = Case("overflow", hidden=(4,), l2=(0.1,), loss=loss)
    objective, problem = case.plan().objective, case.problem()
    parameters = case.parameters(precision) * np.array(np.finfo(precision).max / 10, dtype=precision)
    state = State.start(parameters.copy())
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        before = np.geterr()
        figures, _ = backend.loss_and_gradient(objective, problem, parameters)
        scores = backend.scores(objective, problem, parameters)
        train(backend, case.plan(), problem, state, 0, case.updates)
        assert np.geterr() == before
    assert not np.isfinite(figures.cost[0])
    assert not np.isfinite(scores).all()
    assert not state.finite[0]


def test_a_group_of_stopped_models_is_left_as_it_is(backend: Backend) -> None:
    case = FEW[0]
    state = State.start(case.parameters("float64"))
    state.finite[:] = False
    before = state.copy()
    train(backend, case.plan(), case.problem(), state, 0, case.updates)
    np.testing.assert_array_equal(state.parameters, before.parameters)
    assert state.updates.tolist() == [0, 0, 0]


@few
@settings(max_examples=6)
@given(data=st.data())
def test_a_run_can_be_cut_anywhere(backend: Backend, precision: str, case: Case, data: st.DataObject) -> None:
    plan, problem, updates = case.plan(), case.problem(), case.updates
    cuts = sorted(data.draw(st.lists(st.integers(0, updates), min_size=1, max_size=3), label="cuts"))
    threads = data.draw(st.sampled_from([1, 2]), label="threads")
    state = State.start(case.parameters(precision))
    for t0, t1 in zip([0, *cuts], [*cuts, updates], strict=True):
        train(backend, plan, problem, state, t0, t1, n_threads=threads)
        assert state.updates.tolist() == [t1] * 3
    np.testing.assert_array_equal(state.parameters, trained(backend, case, precision).parameters)


@few
def test_a_stopped_run_ends_at_an_update_and_can_go_on(backend: Backend, case: Case) -> None:
    asked = []

    def should_stop() -> bool:
        asked.append(None)
        return len(asked) > 2

    plan, problem = case.plan(), case.problem()
    state = State.start(case.parameters("float32"))
    train(backend, plan, problem, state, 0, case.updates, should_stop=should_stop)
    done = int(state.updates[0])
    assert state.updates.tolist() == [done] * 3
    assert state.finite.all()
    expected = trained(backend, case, "float32", until=done)
    np.testing.assert_array_equal(state.parameters, expected.parameters)
    train(backend, plan, problem, state, done, case.updates)
    np.testing.assert_array_equal(state.parameters, trained(backend, case, "float32").parameters)


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
@pytest.mark.parametrize("rows", [slice(None, None, 2), slice(3, None), slice(None)])
def test_rows_may_lie_apart(backend: Backend, precision: str, dtype: str, rows: slice) -> None:
    case = Case("apart", n=90, d=21, hidden=(6,), dtype=dtype)
    problem = case.problem()
    wide = np.zeros((case.n, case.d + 4), dtype=dtype)
    wide[:, 2:-2] = problem.X
    y, standardization = problem.y[rows], problem.standardization
    apart = prepare(wide[rows, 2:-2], y, None, standardization)
    packed = prepare(np.ascontiguousarray(problem.X[rows]), y, None, standardization)
    assert np.shares_memory(apart.X, wide)
    assert apart.X.strides != packed.X.strides
    case = replace(case, n=len(y))
    results = []
    for variant in (apart, packed):
        state = State.start(case.parameters(precision))
        train(backend, case.plan(), variant, state, 0, case.updates)
        results.append((state.parameters, backend.scores(case.plan().objective, variant, state.parameters)))
    np.testing.assert_array_equal(results[0][0], results[1][0])
    np.testing.assert_array_equal(results[0][1], results[1][1])


def test_read_only_rows_are_read(backend: Backend) -> None:
    case = FEW[0]
    problem = case.problem()
    for array in (problem.X, problem.y, problem.standardization.mean, problem.standardization.scale):
        array.flags.writeable = False
    state = State.start(case.parameters("float64"))
    train(backend, case.plan(), problem, state, 0, case.updates)
    np.testing.assert_array_equal(state.parameters, trained(backend, case, "float64").parameters)


@few
def test_inputs_are_left_as_they_are(backend: Backend, precision: str, case: Case) -> None:
    problem, plan, block = case.problem(), case.plan(), case.parameters(precision)
    standardization = problem.standardization
    arrays = [problem.X, problem.y, standardization.mean, standardization.scale, plan.learning_rate, block]
    before = [array.copy() for array in arrays]
    backend.loss_and_gradient(plan.objective, problem, block)
    backend.evaluate(plan.objective, problem, block)
    backend.scores(plan.objective, problem, block)
    train(backend, plan, problem, State.start(block.copy()), 0, case.updates)
    for array, copy in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_a_large_offset_is_taken_away_before_rounding_to_float32(
    backend: Backend, reference: Backend
) -> None:
    case = Case("offset", n=80, d=6)
    near = case.problem()
    far = prepare(near.X + 1e6, near.y, None, Standardization.of(near.X + 1e6))
    block = case.parameters("float32")
    objective = case.plan().objective
    scores = backend.scores(objective, far, block)
    expected = reference.scores(objective, near, block.astype(np.float64))
    np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-5)


def _cifar(folder: Path) -> tuple[Problem, Plan, npt.NDArray[np.float64]]:
    """One epoch over 2,000 images, two models with one hidden layer of 50."""
    rows = load_cifar10(folder, train="data_batch_1").train
    X = rows.X[:2000]
    problem = prepare(X, rows.y[:2000], None, Standardization.of(X))
    layers = Layers((3072, 50, 10))
    rates = np.full((2, 20), 0.01)
    plan = Plan(Objective(layers, "softmax", np.array([0.0, 0.1])), 100, RowOrder(2000, True, 0), rates)
    generator = np.random.default_rng(0)
    parameters = np.stack([draw(layers, init, generator, "float64") for init in (Normal(0.01), "he")])
    return problem, plan, parameters


@pytest.fixture(scope="module")
def cifar(cifar10_folder: Path) -> tuple[Problem, Plan, npt.NDArray[np.float64]]:
    return _cifar(cifar10_folder)


@pytest.fixture(scope="module")
def cifar_reference(
    cifar: tuple[Problem, Plan, npt.NDArray[np.float64]], reference: Backend
) -> npt.NDArray[np.float64]:
    problem, plan, parameters = cifar
    state = State.start(parameters.copy())
    train(reference, plan, problem, state, 0, 20)
    return state.parameters


@pytest.mark.cifar10
def test_an_epoch_on_images_agrees_and_keeps_its_bits(
    compiled_backend: Backend,
    cifar: tuple[Problem, Plan, npt.NDArray[np.float64]],
    cifar_reference: npt.NDArray[np.float64],
) -> None:
    problem, plan, parameters = cifar
    results = []
    for n_threads in (1, 2, 3, 7):
        state = State.start(parameters.copy())
        train(compiled_backend, plan, problem, state, 0, 20, n_threads=n_threads)
        results.append(state.parameters)
    assert relative_error(plan.objective.layers, results[0], cifar_reference) < 1e-10
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])
