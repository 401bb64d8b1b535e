"""Every backend's augmented rows against the oracle's loops, and against what is promised about bits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import oracle
from cases import Case, batches_of, block_of, data_of, network_of, only, relative_error, train
from gradstep.backends import Backend
from gradstep.backends.numpy import _augmented
from gradstep.plan.plan import Augmentation, Layers, Objective, Plan, RowOrder, State
from gradstep.plan.rows import Problem, Standardization, prepare


@dataclass(frozen=True)
class Pictures:
    """A case whose rows are images, and what is done to them."""

    case: Case
    shape: tuple[int, int, int]
    flip: float = 0.5
    pixels: int = 0
    edge: bool = False

    def plan(self) -> Plan:
        augmentation = Augmentation(self.case.n, 9, self.shape, self.flip, self.pixels, self.edge)
        return replace(self.case.plan(), augmentation=augmentation)


SMALL = (
    Pictures(Case("flip", n=6, d=12, k=3, batch_size=4, epochs=3), (2, 2, 3)),
    Pictures(
        Case("zero", n=7, d=20, k=3, batch_size=3, epochs=2, dtype="uint8", row_gap=3), (1, 4, 5), 0.0, 3
    ),
    Pictures(Case("edge", n=7, d=18, k=2, hidden=(4,), batch_size=3, epochs=2), (3, 3, 2), 0.5, 1, True),
    Pictures(Case("single", n=5, d=35, k=3, batch_size=2, epochs=2, dtype="float32"), (1, 5, 7), 1.0, 4),
    Pictures(
        Case("weighted", n=6, d=16, k=3, batch_size=4, epochs=2, weighted=True), (1, 4, 4), 0.5, 2, True
    ),
)
CIFAR = Case("cifar", n=60, d=3072, k=10, batch_size=20, dtype="uint8", rate=0.01)
LARGE = (
    Pictures(CIFAR, (3, 32, 32), 0.5, 4),
    Pictures(replace(CIFAR, name="cifar-hidden", hidden=(70,), l2=(0.1,)), (3, 32, 32), 0.5, 4, True),
    Pictures(replace(CIFAR, name="cifar-alone", l2=(0.1,)), (3, 32, 32)),
    Pictures(Case("mnist", n=40, d=784, k=10, batch_size=16, dtype="uint8", row_gap=5), (1, 28, 28), 0.5, 3),
    Pictures(Case("odd", n=40, d=715, k=4, hidden=(9,), dtype="float32"), (5, 13, 11), 0.5, 10, True),
    Pictures(Case("wide", n=40, d=786, k=4, row_gap=2), (2, 3, 131), 0.5, 2),
    Pictures(Case("tall", n=40, d=700, k=4, dtype="float32"), (1, 700, 1), 0.5, 0),
)
small = pytest.mark.parametrize("pictures", SMALL, ids=lambda pictures: pictures.case.name)
large = pytest.mark.parametrize("pictures", LARGE, ids=lambda pictures: pictures.case.name)


def trained(backend: Backend, pictures: Pictures, precision: str, n_threads: int = 1) -> State:
    state = State.start(pictures.case.parameters(precision))
    case = pictures.case
    train(backend, pictures.plan(), case.problem(), state, 0, case.updates, n_threads=n_threads)
    return state


IMAGE = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]  # 2 x 3: 1 2 3 over 4 5 6
BY_HAND = [
    ((0, 0, 0), False, [1, 2, 3, 4, 5, 6]),
    ((1, 0, 0), False, [3, 2, 1, 6, 5, 4]),
    ((0, 1, 0), False, [0, 0, 0, 1, 2, 3]),
    ((0, 1, 0), True, [1, 2, 3, 1, 2, 3]),
    ((0, -1, 0), True, [4, 5, 6, 4, 5, 6]),
    ((0, 0, 1), False, [0, 1, 2, 0, 4, 5]),
    ((0, 0, -2), True, [3, 3, 3, 6, 6, 6]),
    ((1, 0, 1), False, [0, 3, 2, 0, 6, 5]),
    ((1, -1, -1), False, [5, 4, 0, 0, 0, 0]),
    ((1, 1, 2), True, [3, 3, 3, 3, 3, 3]),
]


@pytest.mark.parametrize(("coins", "edge", "expected"), BY_HAND)
def test_small_images_by_hand(
    backend: Backend, coins: tuple[int, int, int], edge: bool, expected: list[int]
) -> None:
    assert oracle.moved(IMAGE, (1, 2, 3), bool(coins[0]), *coins[1:], edge) == expected
    channels = [*IMAGE, *(7 + x for x in IMAGE)]
    both = oracle.moved(channels, (2, 2, 3), bool(coins[0]), *coins[1:], edge)
    assert both[:6] == expected
    np.testing.assert_array_equal(both, row_seen_by(backend, np.array([channels]), (2, 2, 3), coins, edge))


@dataclass(frozen=True)
class Thrown(Augmentation):
    """An augmentation whose coins are given."""

    coins: tuple[int, int, int] = (0, 0, 0)

    def epoch(self, number: int) -> npt.NDArray[np.int16]:
        return np.array([self.coins], dtype=np.int16)


def row_seen_by(
    backend: Backend,
    X: npt.NDArray[Any],
    shape: tuple[int, int, int],
    coins: tuple[int, int, int],
    edge: bool,
    standardization: Standardization | None = None,
) -> npt.NDArray[np.float64]:
    """Return the one row that a backend trains on, read from the step that it makes.

    With weights of 0 the sigmoids are 1/2: of two classes, the gradient of the second's weights is
    x / 4, in a row of the first. The step of rate 4 is -x.
    """
    layers = Layers((X.shape[1], 2))
    objective, order = Objective(layers, "sigmoid", np.zeros(1)), RowOrder(1, False, 0)
    augmentation = Thrown(1, 0, shape, 0.5, 0, edge, coins)
    plan = Plan(objective, 1, order, np.full((1, 1), 4.0), augmentation)
    state = State.start(np.zeros((1, layers.parameters)))
    problem = prepare(X, np.zeros(1, dtype=np.int32), None, standardization)
    train(backend, plan, problem, state, 0, 1)
    row: npt.NDArray[np.float64] = -layers.weights(state.parameters, 0)[0, :, 1]
    return row


@settings(max_examples=60)
@given(data=st.data())
@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
def test_any_image_at_any_border(backend: Backend, dtype: str, data: st.DataObject) -> None:
    shape = data.draw(st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 70)), label="shape")
    _, height, width = shape
    # Coins beyond the image are no plan's, and still no reason to read elsewhere.
    shifts = st.tuples(st.integers(-height - 1, height + 1), st.integers(-width - 1, width + 1))
    coins = (data.draw(st.integers(0, 1), label="flip"), *data.draw(shifts, label="dy, dx"))
    edge = data.draw(st.booleans(), label="edge")
    X = np.arange(1, 1 + np.prod(shape)).reshape(1, -1) % 251
    expected = oracle.moved(X[0].tolist(), shape, bool(coins[0]), *coins[1:], edge)
    np.testing.assert_array_equal(row_seen_by(backend, X.astype(dtype), shape, coins, edge), expected)


def test_two_flips_give_the_image_back() -> None:
    X = np.random.default_rng(0).integers(0, 256, size=(9, 3 * 5 * 7)).astype(np.uint8)
    flip = Augmentation(9, 0, (3, 5, 7), 1.0, 0, False)
    coins = flip.epoch(0)
    once = _augmented(X, coins, flip)
    assert not np.array_equal(once, X)
    assert once.dtype == X.dtype
    np.testing.assert_array_equal(_augmented(once, coins, flip), X)


def seen(pictures: Pictures, problem: Problem, epoch: int) -> list[list[float]]:
    """Return the standardised rows of an epoch in its order, made by the oracle."""
    plan, standardization = pictures.plan(), problem.standardization
    coins = plan.augmentation.epoch(epoch).tolist() if plan.augmentation else []
    rows = [
        oracle.moved(problem.X[row].tolist(), pictures.shape, bool(coin[0]), coin[1], coin[2], pictures.edge)
        for row, coin in zip(plan.order.epoch(epoch), coins, strict=True)
    ]
    return oracle.standardized(rows, standardization.mean.tolist(), standardization.scale.tolist())


@small
def test_training_is_that_of_the_oracle(backend: Backend, pictures: Pictures) -> None:
    case, problem, plan = pictures.case, pictures.case.problem(), pictures.plan()
    state = trained(backend, pictures, "float64")
    for model, parameters in enumerate(case.parameters("float64")):
        network = network_of(case.layers, parameters)
        _, y, weight = data_of(problem, model)
        batches, done = batches_of(plan, model), 0
        per_epoch = plan.updates_per_epoch
        for t, (rows, rate) in enumerate(batches):
            done = 0 if t % per_epoch == 0 else done
            X = seen(pictures, problem, t // per_epoch)[done : done + len(rows)]
            done += len(rows)
            labels, weights = [y[row] for row in rows], [weight[row] for row in rows]
            own = [(list(range(len(rows))), rate)]
            network = oracle.sgd(network, X, labels, weights, case.l2[model], own, case.loss)
        expected = block_of(network)[None]
        assert relative_error(case.layers, state.parameters[model : model + 1], expected) < 1e-10


@large
def test_backends_agree(compiled_backend: Backend, reference: Backend, pictures: Pictures) -> None:
    result, expected = (trained(b, pictures, "float64").parameters for b in (compiled_backend, reference))
    assert relative_error(pictures.case.layers, result, expected) < 1e-10
    without = State.start(pictures.case.parameters("float64"))
    plan = replace(pictures.plan(), augmentation=None)
    train(reference, plan, pictures.case.problem(), without, 0, pictures.case.updates)
    if pictures.shape[-1] > 1:
        assert relative_error(pictures.case.layers, without.parameters, expected) > 1e-3


@large
def test_threads_do_not_change_a_bit(
    backend: Backend, precision: str, n_threads: int, pictures: Pictures
) -> None:
    one, some = (trained(backend, pictures, precision, threads).parameters for threads in (1, n_threads))
    np.testing.assert_array_equal(one, some)


@large
def test_a_model_alone_is_the_model_in_a_group(backend: Backend, precision: str, pictures: Pictures) -> None:
    case, together = pictures.case, trained(backend, pictures, precision)
    for model in range(len(case.l2)):
        state = State.start(case.parameters(precision)[model : model + 1])
        train(backend, only(pictures.plan(), [model]), case.problem(), state, 0, case.updates)
        np.testing.assert_array_equal(state.parameters[0], together.parameters[model])


@large
@settings(max_examples=3)
@given(data=st.data())
def test_a_run_can_be_cut_anywhere(backend: Backend, pictures: Pictures, data: st.DataObject) -> None:
    case, plan, problem = pictures.case, pictures.plan(), pictures.case.problem()
    cut = data.draw(st.integers(1, case.updates - 1), label="cut")
    state = State.start(case.parameters("float32"))
    for t0, t1 in ((0, cut), (cut, case.updates)):
        train(backend, plan, problem, state, t0, t1, n_threads=2)
    np.testing.assert_array_equal(state.parameters, trained(backend, pictures, "float32").parameters)


def test_evaluated_rows_stay_as_they_are(backend: Backend) -> None:
    pictures = LARGE[0]
    problem, block = pictures.case.problem(), pictures.case.parameters("float64")
    session = backend.session(pictures.plan(), problem, [problem])
    expected = backend.evaluate(pictures.plan().objective, problem, block)
    for figure, wanted in zip(session.evaluate(block)[0], expected, strict=True):
        np.testing.assert_allclose(figure, wanted, rtol=1e-12)


def test_zero_is_the_raw_value(backend: Backend) -> None:
    # Standardised, it lies far from the mean.
    X = np.full((1, 9), 100.0) + np.arange(9)
    standardization = Standardization(np.full(9, 90.0), np.full(9, 10.0))
    row = row_seen_by(backend, X, (1, 3, 3), (0, 1, 0), False, standardization)
    np.testing.assert_allclose(row, [*[-9.0] * 3, *((X[0, :6] - 90) / 10)], rtol=1e-12)
