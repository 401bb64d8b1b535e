"""What the Numba backend promises beyond what every backend is tested for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pytest

from cases import CASES, Case, relative_error, train, trained
from gradstep.backends import Backend, availability, get
from gradstep.nn.activations import Activation
from gradstep.nn.losses import Loss
from gradstep.nn.optimizers import SGD, Optimizer
from gradstep.nn.rules import Rule
from gradstep.plan.plan import State
from gradstep.plan.rows import TrainingData, prepare
from gradstep.plan.standardization import Standardization

if availability()["numba"] is not None:
    pytest.skip("numba is not here", allow_module_level=True)

from gradstep.backends.numba.backend import Pace
from gradstep.backends.numba.kernels import passes

WEIGHTED = Case("weighted-uint8", n=53, d=300, hidden=(7,), weighted=True, dtype="uint8", row_gap=3)
SEVERAL_PANELS = Case("several-panels", d=600, hidden=(9,))
# Sizes around a panel's 256 inputs and a vector's 16, odd and even, in every place of a network.
BORDERS = (
    Case("one-panel", d=256, k=2, batch_size=7),
    Case("panel-and-one", d=257, k=5, hidden=(6, 5), batch_size=7),
    Case("two-panels-and-vector", d=528, k=9, batch_size=2),
    Case("hidden-panel-and-one", d=3, k=10, n=23, hidden=(257,), epochs=2),
    Case("hidden-between", d=17, k=7, n=23, hidden=(15, 300), batch_size=23, epochs=2),
)


@pytest.fixture(scope="module")
def numba() -> Backend:
    return get("numba")


@pytest.mark.parametrize("case", [*BORDERS, WEIGHTED], ids=lambda case: case.name)
def test_same_trajectory_as_the_reference(numba: Backend, reference: Backend, case: Case) -> None:
    ours, theirs = trained(numba, case, "float64"), trained(reference, case, "float64")
    assert relative_error(case.layers, ours.parameters, theirs.parameters) < 1e-10
    assert (ours.updates == case.updates).all()
    assert ours.finite.all()


@pytest.mark.parametrize("case", [*BORDERS, WEIGHTED], ids=lambda case: case.name)
def test_first_epoch_in_float32_is_within_rounding_of_float64(
    numba: Backend, reference: Backend, case: Case
) -> None:
    until = case.updates // case.epochs
    exact = State.start(case.parameters("float32").astype("float64"))
    train(reference, case.plan(), case.data(), exact, 0, until)
    ours = trained(numba, case, "float32", until=until)
    assert ours.parameters.dtype == np.float32
    np.testing.assert_allclose(ours.parameters, exact.parameters, rtol=0, atol=2e-5)


@pytest.mark.parametrize("case", [*BORDERS, WEIGHTED], ids=lambda case: case.name)
def test_same_metrics_gradient_and_scores_as_the_reference(
    numba: Backend, reference: Backend, case: Case
) -> None:
    data, parameters = case.data(), case.parameters("float64")
    objective = case.plan().objective
    (ours, dW), (theirs, dV) = (
        each.loss_and_gradient(objective, data, parameters) for each in (numba, reference)
    )
    np.testing.assert_allclose(ours[:3], theirs[:3], rtol=1e-12)
    assert relative_error(case.layers, dW, dV) < 1e-10
    scores = [each.scores(objective, data, parameters) for each in (numba, reference)]
    np.testing.assert_allclose(*scores, rtol=1e-10, atol=1e-12)


def test_scores_do_not_depend_on_a_rows_place(numba: Backend, precision: str) -> None:
    case = Case("places", n=67, d=300, k=7, hidden=(5,))
    data, objective, parameters = case.data(), case.plan().objective, case.parameters(precision)
    scores = numba.scores(objective, data, parameters)
    for rows in (np.arange(66, -1, -1), np.arange(1, 67), np.array([40])):
        there = numba.scores(objective, taken(data, rows), parameters)
        assert there.tobytes() == np.ascontiguousarray(scores[:, rows]).tobytes()


def taken(data: TrainingData, rows: npt.NDArray[Any]) -> TrainingData:
    return prepare(data.X[rows], data.targets[rows], None, data.standardization)


@pytest.mark.parametrize("until", [1, 4, 11, 20])
def test_training_in_pieces_walks_the_same_way(numba: Backend, precision: str, until: int) -> None:
    case = WEIGHTED
    whole, pieces = trained(numba, case, precision), trained(numba, case, precision, until=until)
    assert (pieces.updates == until).all()
    train(numba, case.plan(), case.data(), pieces, until, case.updates)
    assert pieces.parameters.tobytes() == whole.parameters.tobytes()


@pytest.mark.parametrize("model", [0, 1, 2])
@pytest.mark.parametrize("hidden", [(), (9, 4)])
def test_a_model_that_diverges_stops_alone(
    numba: Backend, reference: Backend, hidden: tuple[int, ...], model: int
) -> None:
    # The sixth batch has 5 rows, not 8: what a diverged model left in the scratch lies behind them.
    case = Case("diverging", n=45, hidden=hidden)
    plan, state = case.plan(), State.start(case.parameters("float64"))
    plan.learning_rate[model, 3] = np.inf
    others = [other for other in range(3) if other != model]
    train(numba, plan, case.data(), state, 0, case.updates)
    expected = State.start(case.parameters("float64"))
    train(reference, plan, case.data(), expected, 0, case.updates)
    assert not state.finite[model]
    assert state.finite[others].all()
    assert state.updates.tolist() == expected.updates.tolist()
    assert state.updates[model] < case.updates
    alone = State.start(case.parameters("float64")[others])
    train(numba, plan.select(others), case.data(), alone, 0, case.updates)
    assert alone.parameters.tobytes() == state.parameters[others].tobytes()
    left = state.parameters.copy()
    train(numba, plan, case.data(), state, 0, case.updates)
    assert state.parameters[model].tobytes() == left[model].tobytes()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_metrics_of_parameters_that_are_not_finite_are_those_of_the_reference(
    numba: Backend, reference: Backend, precision: str, bad: float
) -> None:
    case = Case("bad", hidden=(4,))
    objective, data, parameters = case.plan().objective, case.data(), case.parameters(precision)
    parameters[0, 0], parameters[1, -1] = bad, bad  # a weight of the first layer, a bias of the last
    ours = numba.evaluate(objective, data, parameters)
    theirs = reference.evaluate(objective, data, parameters)
    np.testing.assert_allclose(ours.loss, theirs.loss, rtol=1e-5)
    np.testing.assert_allclose(ours.cost, theirs.cost, rtol=1e-5)
    np.testing.assert_array_equal(ours.hits, theirs.hits)


@pytest.fixture
def one_update_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask before every update, however fast the machine is."""
    monkeypatch.setattr("gradstep.backends.numba.backend._SECONDS", 0.0)


@pytest.mark.usefixtures("one_update_at_a_time")
@pytest.mark.parametrize("n_threads", [1, 3])
def test_should_stop_leaves_all_models_at_the_same_boundary(numba: Backend, n_threads: int) -> None:
    case = SEVERAL_PANELS
    answers = iter([False, False, True])
    state = State.start(case.parameters("float64"))
    options: dict[str, Any] = {"should_stop": lambda: next(answers), "n_threads": n_threads}
    train(numba, case.plan(), case.data(), state, 0, case.updates, **options)
    assert state.updates.tolist() == [2, 2, 2]
    assert state.parameters.tobytes() == trained(numba, case, "float64", until=2).parameters.tobytes()


@pytest.mark.usefixtures("one_update_at_a_time")
@pytest.mark.parametrize("n_threads", [1, 3])
def test_an_interrupt_leaves_the_state_at_a_boundary(numba: Backend, n_threads: int) -> None:
    case = SEVERAL_PANELS
    state, asked = State.start(case.parameters("float64")), []

    def interrupt() -> bool:
        asked.append(1)
        if len(asked) == 3:
            raise KeyboardInterrupt
        return False

    options: dict[str, Any] = {"should_stop": interrupt, "n_threads": n_threads}
    with pytest.raises(KeyboardInterrupt):
        train(numba, case.plan(), case.data(), state, 0, case.updates, **options)
    assert state.updates.tolist() == [2, 2, 2]
    assert state.parameters.tobytes() == trained(numba, case, "float64", until=2).parameters.tobytes()


@pytest.mark.parametrize(
    ("seconds", "sizes", "later"),
    [
        # Of an update, against a portion's 0.03: eight times the size at most, and 1 at least.
        (1e-9, [1, 8, 64, 512, 415], 8 * 415),
        (0.007, [1, 4, 4, 4, 4, 3], 4),
        (1.0, [1] * 5, 1),
    ],
)
def test_portions_take_about_the_same_time(
    seconds: float, sizes: list[int], later: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr("time.perf_counter", lambda: now)
    ends, total = [0], sum(sizes)
    pace = Pace()
    for first, last in pace.portions(total):
        assert first == ends[-1]
        ends.append(last)
        now += seconds * (last - first)
    assert np.diff(ends).tolist() == sizes
    assert next(pace.portions(total * 1000)) == (0, later)


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
def test_rows_are_read_where_they_lie(numba: Backend, precision: str, dtype: str) -> None:
    case = Case("dense", d=9, dtype=dtype)
    dense = case.data()
    expected = numba.scores(case.plan().objective, dense, case.parameters(precision))
    gapped = replace(case, row_gap=2).data()
    assert not gapped.X.flags.c_contiguous
    frozen = prepare(dense.X.copy(), dense.targets, None, dense.standardization)
    frozen.X.flags.writeable = False
    for data in (gapped, frozen):
        scores = numba.scores(case.plan().objective, data, case.parameters(precision))
        assert scores.tobytes() == expected.tobytes()


def test_float64_rows_are_standardised_in_float64(numba: Backend) -> None:
    case = Case("far", n=4, d=1, k=2, l2=(0.0,))
    X = 1e9 + np.arange(4.0)[:, None]  # one float32 for all four
    data = prepare(X, np.array([0, 1, 0, 1]), None, Standardization.of(X))
    scores = numba.scores(case.plan().objective, data, np.array([[1, 0, 0, 0]], dtype=np.float32))
    np.testing.assert_allclose(scores[0, :, 0], (np.arange(4) - 1.5) / 1.25**0.5, rtol=1e-6)


def test_there_is_one_compiled_form_for_each_precision(numba: Backend, precision: str) -> None:
    kernels: list[Any] = [passes.train, passes.evaluate]
    before = [set(kernel.signatures) for kernel in kernels]
    for case in CASES[:2] + CASES[12:16]:
        data = case.data()
        data.targets.flags.writeable = False
        state = State.start(case.parameters(precision))
        train(numba, case.plan(), data, state, 0, 1)
        numba.loss_and_gradient(case.plan().objective, data, state.parameters)
        numba.scores(case.plan().objective, data, state.parameters)
    for kernel, known in zip(kernels, before, strict=True):
        assert len(set(kernel.signatures) - known) <= 1


@dataclass(frozen=True)
class _Pinball(Loss):
    """A loss of somebody else's: the absolute error, with more weight above."""

    name = "pinball"
    takes = "values"

    @staticmethod
    def parts(s: Any, y: Any, top: Any) -> tuple[Any, Any]:
        return np.maximum(2 * (s - y), y - s), 0 * s

    @staticmethod
    def slope(s: Any, y: Any, top: Any, a: Any, k: Any) -> Any:
        return (0.5 + 1.5 * np.sign(s - y)) / k

    @staticmethod
    def answers(scores: Any) -> Any:
        return scores


@dataclass(frozen=True)
class _Softsign(Activation):
    name = "softsign"

    @staticmethod
    def of(z: Any, number: Any) -> Any:
        return z / (1 + np.abs(z))

    @staticmethod
    def slope(a: Any, number: Any) -> Any:
        return (1 - np.abs(a)) ** 2


@dataclass(frozen=True)
class _ThreeSlots(Rule):
    name = "three slots"
    slots = 3
    numbers = ("rate",)
    for_biases: ClassVar[Mapping[str, float]] = {}

    @staticmethod
    def step(w: Any, dw: Any, slots: Any, numbers: Any) -> tuple[Any, Any]:
        (rate,), (a, b, c) = numbers, slots
        return w - rate * (dw + 0.5 * b + 0.25 * c), (dw, 0.5 * a, 0.5 * b)


@dataclass(frozen=True)
class _Late(Optimizer):
    @property
    def rule(self) -> type[Rule]:
        return _ThreeSlots

    def numbers(self, updates: Any, rates: Any, l2: Any) -> dict[str, Any]:
        return {"rate": rates}


OWN = Case(
    "own",
    n=45,
    d=20,
    hidden=(6, 5),
    loss=_Pinball(),
    activation=(_Softsign(), "relu"),
    optimizer=_Late(),
    rate=0.02,
)


def test_what_users_define_is_compiled(numba: Backend, reference: Backend) -> None:
    plan, data = OWN.plan(), OWN.data()
    assert numba.lacks(plan.objective, plan.rule) == []
    ours, theirs = trained(numba, OWN, "float64"), trained(reference, OWN, "float64")
    np.testing.assert_allclose(ours.parameters, theirs.parameters, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(ours.slots, theirs.slots, rtol=1e-10, atol=1e-12)
    (loss, dW), (expected, dV) = (
        each.loss_and_gradient(plan.objective, data, ours.parameters) for each in (numba, reference)
    )
    np.testing.assert_allclose(loss[:3], expected[:3], rtol=1e-12)
    np.testing.assert_allclose(dW, dV, rtol=1e-10, atol=1e-12)


def test_what_numba_cannot_compile_is_named(numba: Backend) -> None:
    @dataclass(frozen=True)
    class _Branch(Activation):
        name = "branch"

        @staticmethod
        def of(z: Any, number: Any) -> Any:
            return np.where(z > 0, z, 0)  # an array to numba, also where z is a number

    objective = replace(OWN, activation=(_Branch(), _Branch())).objective
    assert numba.lacks(objective, SGD().rule) == ["branch"]
