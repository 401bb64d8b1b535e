"""The backends on real images: an epoch over some of CIFAR-10."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from cases import relative_error, train
from gradstep.backends import Backend
from gradstep.datasets import load_cifar10
from gradstep.nn.activations import Relu
from gradstep.nn.initializers import He, Normal
from gradstep.nn.losses import Softmax
from gradstep.nn.optimizers import SGD
from gradstep.plan.build import draw
from gradstep.plan.network import Layers, Objective
from gradstep.plan.order import RowOrder
from gradstep.plan.plan import Plan, State
from gradstep.plan.rows import TrainingData, prepare
from gradstep.plan.standardization import Standardization


def _cifar(folder: Path) -> tuple[TrainingData, Plan, npt.NDArray[np.float64]]:
    """One epoch over 2,000 images, two models with one hidden layer of 50."""
    rows = load_cifar10(folder, train="data_batch_1").train
    X = rows.X[:2000]
    data = prepare(X, rows.y[:2000], None, Standardization.of(X))
    layers = Layers((3072, 50, 10))
    rates = np.full((2, 20), 0.01)
    objective = Objective.alike(layers, Softmax(), (Relu(),), np.array([0.0, 0.1]))
    plan = Plan(objective, (SGD(), SGD()), 100, RowOrder(2000, True, 0), rates)
    generator = np.random.default_rng(0)
    parameters = np.stack([draw(layers, init, generator, "float64") for init in (Normal(0.01), He())])
    return data, plan, parameters


@pytest.fixture(scope="module")
def cifar(cifar10_folder: Path) -> tuple[TrainingData, Plan, npt.NDArray[np.float64]]:
    return _cifar(cifar10_folder)


@pytest.fixture(scope="module")
def cifar_reference(
    cifar: tuple[TrainingData, Plan, npt.NDArray[np.float64]], reference: Backend
) -> npt.NDArray[np.float64]:
    data, plan, parameters = cifar
    state = State.start(parameters.copy())
    train(reference, plan, data, state, 0, 20)
    return state.parameters


@pytest.mark.cifar10
def test_an_epoch_on_images_agrees_and_keeps_its_bits(
    compiled_backend: Backend,
    cifar: tuple[TrainingData, Plan, npt.NDArray[np.float64]],
    cifar_reference: npt.NDArray[np.float64],
) -> None:
    data, plan, parameters = cifar
    results = []
    for n_threads in (1, 2, 3, 7):
        state = State.start(parameters.copy())
        train(compiled_backend, plan, data, state, 0, 20, n_threads=n_threads)
        results.append(state.parameters)
    assert relative_error(plan.objective.layers, results[0], cifar_reference) < 1e-10
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])
