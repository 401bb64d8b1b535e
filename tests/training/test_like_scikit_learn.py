"""A job with scikit-learn's batch cost, stream and optimizers is its MLPClassifier, or its MLPRegressor."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import LabelBinarizer

import gradstep as gs
from cases import case_id
from gradstep.plan.batch_cost import BatchCost
from gradstep.plan.build import Given
from gradstep.plan.order import RowOrder, StreamOrder
from gradstep.plan.rows import prepare
from gradstep.plan.targets import Indicators, Labels, Targets, Values
from gradstep.training.loop import TrainingLoop
from gradstep.training.recorder import FitRecorder
from gradstep.training.setup import JobRows, make_job

EPOCHS, SEED, ALPHA = 5, 11, 0.3

SGD: dict[str, Any] = {"solver": "sgd", "learning_rate_init": 0.05}
ADAM: dict[str, Any] = {"solver": "adam", "learning_rate_init": 0.01, "epsilon": 1e-3}


@dataclass(frozen=True)
class Net:
    """A network of scikit-learn's, and the same of ours."""

    name: str
    theirs: dict[str, Any]
    kind: str = "classes"
    k: int = 3
    hidden: tuple[int, ...] = (7, 5)
    activation: str = "relu"
    batch_size: int = 13
    shuffle: bool = True

    @property
    def loss(self) -> str:
        if self.kind == "classes":
            return "softmax" if self.k > 2 else "multilabel"
        return {"labels": "multilabel", "values": "squared", "counts": "poisson"}[self.kind]

    @property
    def optimizer(self) -> gs.optimizers.Optimizer:
        if self.theirs["solver"] == "adam":
            return gs.optimizers.Adam(epsilon=self.theirs["epsilon"], epsilon_hat=True)
        momentum, nesterov = self.theirs.get("momentum", 0.9), self.theirs.get("nesterovs_momentum", True)
        return gs.optimizers.SGD(momentum, nesterov, rate_in_velocity=True)


NETS = (
    Net("nesterov", SGD),
    Net("heavy ball", SGD | {"nesterovs_momentum": False}, activation="tanh"),
    Net("plain", SGD | {"momentum": 0.0}),
    Net("adam", ADAM),
    Net("linear", SGD, hidden=()),
    Net("two classes", SGD, k=2, activation="logistic"),
    Net("two classes by adam", ADAM, k=2, hidden=(9,)),
    Net("labels", SGD, kind="labels", k=4),
    Net("labels by adam", ADAM, kind="labels", k=4, activation="identity"),
    Net("values", SGD, kind="values", k=1),
    Net("several values", ADAM, kind="values", k=3),
    Net("counts", ADAM, kind="counts", k=1),
    Net("in order", SGD, shuffle=False),
    Net("one row a batch", SGD | {"learning_rate_init": 0.01}, batch_size=1),
)


def rows(net: Net) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return 47 rows and a y in the form that scikit-learn takes."""
    rng = np.random.default_rng(0)
    X, of_class = rng.normal(size=(47, 6)), rng.integers(net.k, size=47)
    if net.kind == "classes":
        return X + of_class[:, None], of_class
    if net.kind == "labels":
        return X, (X @ rng.normal(size=(6, net.k)) > 0).astype(int)
    values = X @ rng.normal(size=(6, net.k))
    if net.kind == "counts":
        values = rng.poisson(np.exp(0.3 * values)).astype(np.float64)
    return X, values[:, 0] if net.k == 1 else values


def by_scikit_learn(net: Net, X: Any, y: Any, weight: Any) -> Any:
    model = MLPClassifier if net.kind in ("classes", "labels") else MLPRegressor
    more = {"loss": "poisson"} if net.kind == "counts" else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model(
            hidden_layer_sizes=net.hidden,
            activation=net.activation,
            alpha=ALPHA,
            batch_size=net.batch_size,
            max_iter=EPOCHS,
            shuffle=net.shuffle,
            random_state=SEED,
            **more,
            **net.theirs,
        ).fit(X, y, sample_weight=weight)


def first_parameters(net: Net, sizes: tuple[int, ...], stream: np.random.RandomState) -> npt.NDArray[Any]:
    """Return what scikit-learn draws first, (1, P)."""
    parts = []
    for inputs, outputs in pairwise(sizes):
        bound = np.sqrt((2 if net.activation == "logistic" else 6) / (inputs + outputs))
        parts += [stream.uniform(-bound, bound, (inputs, outputs)), stream.uniform(-bound, bound, outputs)]
    return np.concatenate(parts, axis=None)[None]


def encoded(net: Net, y: Any) -> tuple[Targets, npt.NDArray[Any]]:
    if net.loss == "softmax":
        return Labels(np.arange(net.k)), y
    if net.loss == "multilabel":
        indicators = LabelBinarizer().fit_transform(y) if net.kind == "classes" else y
        return Indicators(indicators.shape[1]), indicators.astype(np.float64)
    values = y.reshape(len(y), -1)
    return Values(np.zeros(net.k), np.ones(net.k), y.ndim == 1), values


def by_us(net: Net, X: Any, y: Any, weight: Any, backend: str) -> FitRecorder:
    targets, numbers = encoded(net, y)
    mean = 1.0 if weight is None else float(np.mean(weight))
    owner = gs.Trainer if net.kind in ("classes", "labels") else gs.Regressor
    settings = owner(
        hidden=net.hidden,
        activation=net.activation,
        loss=net.loss,
        l2=ALPHA / 2 / mean,
        optimizer=net.optimizer,
        learning_rate=net.theirs["learning_rate_init"],
        batch_size=net.batch_size,
        epochs=EPOCHS,
        evaluate_every="running",
        precision="float64",
        backend=backend,
        n_threads=2,
    ).settings()
    data, stream = prepare(X, numbers, weight), np.random.RandomState(SEED)
    given = Given(
        first_parameters(net, (X.shape[1], *net.hidden, targets.k), stream),
        StreamOrder(len(X), stream) if net.shuffle else RowOrder(len(X), False, 0),
        BatchCost(data.weight, 1.0 if net.loss == "softmax" else targets.k, shares_l2=True, counts_l2=True),
    )
    job, (fitted,) = make_job([settings], JobRows(data, None, targets), given)
    recorder = FitRecorder(settings, job, fitted)
    TrainingLoop(job, fitted.block[None].copy(), [recorder]).advance(job.plan.updates, lambda: False)
    return recorder


@pytest.mark.parametrize("net", NETS, ids=case_id)
@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
@pytest.mark.parametrize("backend", ["cpp", "numba", "numpy"])
def test_the_curve_and_the_weights_are_scikit_learns(net: Net, weighted: bool, backend: str) -> None:
    X, y = rows(net)
    weight = np.random.default_rng(1).uniform(0.1, 3, size=len(X)) if weighted else None
    theirs, ours = by_scikit_learn(net, X, y, weight), by_us(net, X, y, weight, backend)
    assert ours.fitted is not None
    for own, coefs in zip(ours.fitted.coefs, theirs.coefs_, strict=True):
        np.testing.assert_allclose(own, coefs, rtol=1e-9, atol=1e-12)
    for own, intercepts in zip(ours.fitted.intercepts, theirs.intercepts_, strict=True):
        np.testing.assert_allclose(own, intercepts, rtol=1e-9, atol=1e-12)
    # Of several values scikit-learn tells the mean, though its steps make the sum smaller.
    if net.kind != "values" or net.k == 1:
        np.testing.assert_allclose(ours.history["running_loss"], theirs.loss_curve_, rtol=1e-9)


@pytest.mark.parametrize("backend", ["cpp", "numba", "numpy"])
def test_one_class_is_a_class(backend: str) -> None:
    net, (X, _) = Net("one class", ADAM, k=1), rows(Net("one class", ADAM, k=1))
    y = np.ones(len(X), dtype=int)
    theirs, ours = by_scikit_learn(net, X, y, None), by_us(net, X, y, None, backend)
    assert ours.fitted is not None
    for own, coefs in zip(ours.fitted.coefs, theirs.coefs_, strict=True):
        np.testing.assert_allclose(own, coefs, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(ours.history["running_loss"], theirs.loss_curve_, rtol=1e-9)
