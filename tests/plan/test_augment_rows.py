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
from cases import Case, relative_error, train
from gradstep.backends import Backend
from gradstep.backends.numpy import _augmented
from gradstep.nn.losses import Sigmoid
from gradstep.nn.optimizers import SGD
from gradstep.plan.network import Layers, Objective
from gradstep.plan.order import Augmentation, RowOrder
from gradstep.plan.plan import Plan, State
from gradstep.plan.rows import TrainingData, prepare
from gradstep.plan.standardization import Standardization
from makers import THREADS
from oracle_forms import batches_of, block_of, data_of, network_of, objective_of, optimizer_of


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
    Pictures(replace(CIFAR, name="cifar-adam", optimizer="adam", loss="squared", k=4), (3, 32, 32), 0.5, 4),
)
small = pytest.mark.parametrize("pictures", SMALL, ids=lambda pictures: pictures.case.name)
large = pytest.mark.parametrize("pictures", LARGE, ids=lambda pictures: pictures.case.name)


def trained(backend: Backend, pictures: Pictures, precision: str, n_threads: int = 1) -> State:
    case = pictures.case
    state, data = case.state(precision), case.data(precision=precision)
    train(backend, pictures.plan(), data, state, 0, case.updates, n_threads=n_threads)
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


@pytest.mark.parametrize(("draws", "edge", "expected"), BY_HAND)
def test_small_images_by_hand(
    backend: Backend, draws: tuple[int, int, int], edge: bool, expected: list[int]
) -> None:
    assert oracle.moved(IMAGE, (1, 2, 3), bool(draws[0]), *draws[1:], edge) == expected
    channels = [*IMAGE, *(7 + x for x in IMAGE)]
    both = oracle.moved(channels, (2, 2, 3), bool(draws[0]), *draws[1:], edge)
    assert both[:6] == expected
    np.testing.assert_array_equal(both, row_seen_by(backend, np.array([channels]), (2, 2, 3), draws, edge))


@dataclass(frozen=True)
class Drawn(Augmentation):
    """An augmentation whose draws are given."""

    draws: tuple[int, int, int] = (0, 0, 0)

    def epoch(self, number: int) -> npt.NDArray[np.int16]:
        return np.array([self.draws], dtype=np.int16)


def row_seen_by(
    backend: Backend,
    X: npt.NDArray[Any],
    shape: tuple[int, int, int],
    draws: tuple[int, int, int],
    edge: bool,
    standardization: Standardization | None = None,
) -> npt.NDArray[np.float64]:
    """Return the one row that a backend trains on, read from the step that it makes.

    With weights of 0 the sigmoids are 1/2: of two classes, the gradient of the second's weights is
    x / 4, in a row of the first. The step of rate 4 is -x.
    """
    layers = Layers((X.shape[1], 2))
    objective, order = Objective.alike(layers, Sigmoid(), (), np.zeros(1)), RowOrder(1, False, 0)
    augmentation = Drawn(1, 0, shape, 0.5, 0, edge, draws)
    plan = Plan(objective, (SGD(),), 1, order, np.full((1, 1), 4.0), augmentation)
    state = State.start(np.zeros((1, layers.parameters)))
    rows = prepare(X, np.zeros(1, dtype=np.int32), None, standardization)
    train(backend, plan, rows, state, 0, 1)
    row: npt.NDArray[np.float64] = -layers.weights(state.parameters, 0)[0, :, 1]
    return row


@settings(max_examples=60)
@given(data=st.data())
@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
def test_any_image_at_any_border(backend: Backend, dtype: str, data: st.DataObject) -> None:
    shape = data.draw(st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 70)), label="shape")
    _, height, width = shape
    # Draws beyond the image are no plan's, and still no reason to read elsewhere.
    shifts = st.tuples(st.integers(-height - 1, height + 1), st.integers(-width - 1, width + 1))
    draws = (data.draw(st.integers(0, 1), label="flip"), *data.draw(shifts, label="dy, dx"))
    edge = data.draw(st.booleans(), label="edge")
    X = np.arange(1, 1 + np.prod(shape)).reshape(1, -1) % 251
    expected = oracle.moved(X[0].tolist(), shape, bool(draws[0]), *draws[1:], edge)
    np.testing.assert_array_equal(row_seen_by(backend, X.astype(dtype), shape, draws, edge), expected)


def test_two_flips_give_the_image_back() -> None:
    X = np.random.default_rng(0).integers(0, 256, size=(9, 3 * 5 * 7)).astype(np.uint8)
    flip = Augmentation(9, 0, (3, 5, 7), 1.0, 0, False)
    draws = flip.epoch(0)
    once = _augmented(X, draws, flip)
    assert not np.array_equal(once, X)
    assert once.dtype == X.dtype
    np.testing.assert_array_equal(_augmented(once, draws, flip), X)


def seen(pictures: Pictures, data: TrainingData, epoch: int) -> list[list[float]]:
    """Return the standardised rows of an epoch in its order, made by the oracle."""
    plan, standardization = pictures.plan(), data.standardization
    draws = plan.augmentation.epoch(epoch).tolist() if plan.augmentation else []
    rows = [
        oracle.moved(data.X[row].tolist(), pictures.shape, bool(drawn[0]), drawn[1], drawn[2], pictures.edge)
        for row, drawn in zip(plan.order.epoch(epoch), draws, strict=True)
    ]
    return oracle.standardized(rows, standardization.mean.tolist(), standardization.scale.tolist())


@small
def test_training_is_that_of_the_oracle(backend: Backend, pictures: Pictures) -> None:
    case, data, plan = pictures.case, pictures.case.data(), pictures.plan()
    state = trained(backend, pictures, "float64")
    for model, parameters in enumerate(case.parameters("float64")):
        network = network_of(case.layers, parameters)
        known = data_of(data, model)
        batches, done = batches_of(plan, model), 0
        per_epoch = plan.updates_per_epoch
        for t, (rows, rate) in enumerate(batches):
            done = 0 if t % per_epoch == 0 else done
            X = seen(pictures, data, t // per_epoch)[done : done + len(rows)]
            done += len(rows)
            # Plain descent remembers nothing, so that every update can be a training of its own.
            network = oracle.train(
                network,
                known.rows(rows)._replace(X=X),
                objective_of(case.objective, model),
                optimizer_of(plan, model),
                [(list(range(len(rows))), rate)],
            )
        expected = block_of(network)[None]
        assert relative_error(case.layers, state.parameters[model : model + 1], expected) < 1e-10


@large
def test_backends_agree(compiled_backend: Backend, reference: Backend, pictures: Pictures) -> None:
    result, expected = (trained(b, pictures, "float64").parameters for b in (compiled_backend, reference))
    assert relative_error(pictures.case.layers, result, expected) < 1e-10
    without = pictures.case.state("float64")
    plan = replace(pictures.plan(), augmentation=None)
    train(reference, plan, pictures.case.data(), without, 0, pictures.case.updates)
    if pictures.shape[-1] > 1:
        assert relative_error(pictures.case.layers, without.parameters, expected) > 1e-3


@large
def test_threads_do_not_change_a_bit(backend: Backend, precision: str, pictures: Pictures) -> None:
    one, *more = (trained(backend, pictures, precision, threads).parameters for threads in (1, *THREADS))
    for some in more:
        np.testing.assert_array_equal(one, some)


@large
def test_a_model_alone_is_the_model_in_a_group(backend: Backend, precision: str, pictures: Pictures) -> None:
    case, together = pictures.case, trained(backend, pictures, precision)
    for model in range(len(case.l2)):
        state, data = case.state(precision).select([model]), case.data(precision=precision)
        train(backend, pictures.plan().select([model]), data, state, 0, case.updates)
        np.testing.assert_array_equal(state.parameters[0], together.parameters[model])


@large
@settings(max_examples=3)
@given(data=st.data())
def test_a_run_can_be_cut_anywhere(backend: Backend, pictures: Pictures, data: st.DataObject) -> None:
    case, plan, rows = pictures.case, pictures.plan(), pictures.case.data(precision="float32")
    cut = data.draw(st.integers(1, case.updates - 1), label="cut")
    state = case.state("float32")
    for t0, t1 in ((0, cut), (cut, case.updates)):
        train(backend, plan, rows, state, t0, t1, n_threads=2)
    np.testing.assert_array_equal(state.parameters, trained(backend, pictures, "float32").parameters)


def test_evaluated_rows_stay_as_they_are(backend: Backend) -> None:
    pictures = LARGE[0]
    data, block = pictures.case.data(), pictures.case.parameters("float64")
    session = backend.session(pictures.plan(), data, [data])
    expected = backend.evaluate(pictures.case.objective, data, block)
    for value, wanted in zip(session.evaluate(block)[0][:3], expected[:3], strict=True):
        np.testing.assert_allclose(value, wanted, rtol=1e-12)


def test_zero_is_the_raw_value(backend: Backend) -> None:
    # Standardised, it lies far from the mean.
    X = np.full((1, 9), 100.0) + np.arange(9)
    standardization = Standardization(np.full(9, 90.0), np.full(9, 10.0))
    row = row_seen_by(backend, X, (1, 3, 3), (0, 1, 0), False, standardization)
    np.testing.assert_allclose(row, [*[-9.0] * 3, *((X[0, :6] - 90) / 10)], rtol=1e-12)
