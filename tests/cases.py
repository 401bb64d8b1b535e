"""Trainings that the tests of the backends share, from a handful of sizes and a seed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from gradstep.backends import Backend, Running
from gradstep.nn.activations import Activation
from gradstep.nn.averaging import EMA, Averaging
from gradstep.nn.losses import Loss
from gradstep.nn.optimizers import AdamW, Optimizer
from gradstep.plan.dropout import Dropout
from gradstep.plan.network import Layers, Objective
from gradstep.plan.order import RowOrder
from gradstep.plan.plan import Plan, State
from gradstep.plan.rows import TrainingData, prepare
from gradstep.plan.standardization import Standardization
from gradstep.utils.concepts import Concept
from members import ACTIVATIONS, AVERAGES, LOSSES, OPTIMIZERS, T, with_other_numbers


@dataclass(frozen=True)
class Case:
    """A group of models on generated rows.

    ``l2`` has one value per model. ``activation`` is one for all hidden layers or one for each. With
    ``apart`` every number in loss, activations, optimizer and average differs from model to model. With
    ``clips`` the gradients of one model are clipped by value and norm, of the next by norm, then by value.
    """

    name: str
    n: int = 61
    d: int = 7
    k: int = 3
    hidden: tuple[int, ...] = ()
    batch_size: int = 8
    epochs: int = 3
    l2: tuple[float, ...] = (0.0, 0.01, 0.1)
    rate: float = 0.1
    weighted: bool = False
    weighted_apart: bool = False
    dtype: str = "float64"
    row_gap: int = 0
    shuffle: bool = True
    loss: str | Loss = "softmax"
    activation: str | Activation | tuple[str | Activation, ...] = "relu"
    optimizer: str | Optimizer = "sgd"
    apart: bool = False
    dropout: float = 0.0
    input_dropout: float = 0.0
    clips: bool = False
    average: str | Averaging | None = None

    @property
    def m(self) -> int:
        return len(self.l2)

    @property
    def layers(self) -> Layers:
        return Layers((self.d, *self.hidden, self.k))

    @property
    def updates(self) -> int:
        return self.epochs * -(-self.n // self.batch_size)

    @property
    def objective(self) -> Objective:
        loss, given = Loss.resolve(self.loss), self.activation
        of_layers = given if isinstance(given, tuple) else (given,) * len(self.hidden)
        activations = tuple(map(Activation.resolve, of_layers))
        return Objective(
            self.layers,
            tuple(self._own(loss, model) for model in range(self.m)),
            tuple(tuple(self._own(each, model) for each in activations) for model in range(self.m)),
            np.array(self.l2),
        )

    def _own(self, value: T, model: int) -> T:
        return with_other_numbers(value, model) if self.apart else value

    def data(self, seed: int = 0, precision: str = "float64") -> TrainingData:
        """Rows around a centre per class, with offset and scale to be standardised away.

        Real targets are numbers of float32 for any precision, so that both have the same task.
        """
        rng = np.random.default_rng(seed)
        y = rng.integers(self.k, size=self.n)
        X = rng.normal(size=(self.k, self.d))[y] + rng.normal(size=(self.n, self.d))
        if self.dtype == "uint8":
            X = np.clip(128 + 40 * X, 0, 255)
        gapped = np.zeros((self.n, self.d + self.row_gap), dtype=self.dtype)
        gapped[:, : self.d] = X
        weight = rng.uniform(0, 2, size=self.n) if self.weighted else None
        rows = gapped[:, : self.d]
        standardization = Standardization.of(rows, weight)
        if self.weighted_apart:
            # Every model leaves some rows out, each others; the last one counts all the same.
            weight = rng.uniform(0, 2, size=(self.m, self.n))
            weight[:, :-1][rng.uniform(size=(self.m, self.n - 1)) < 0.3] = 0
            weight[-1] = 0.5
        targets = self._targets(y, rng)
        if targets.ndim == 2:
            targets = targets.astype(precision)
        return prepare(rows, targets, weight, standardization)

    def _targets(self, y: npt.NDArray[Any], rng: np.random.Generator) -> npt.NDArray[Any]:
        """Return what the loss takes: the labels, or for each row numbers around those of its class."""
        loss = Loss.resolve(self.loss)
        if loss.takes == "labels":
            return y
        if loss.takes == "indicators":
            return (rng.uniform(size=(self.k, self.k))[y] > rng.uniform(size=(self.n, self.k))) * 1.0
        values = rng.normal(size=(self.k, self.k))[y] + 0.5 * rng.normal(size=(self.n, self.k))
        # Where there is a smallest value some targets are just that.
        return np.maximum(values, loss.least).astype(np.float32)

    def parameters(self, precision: str, seed: int = 1) -> npt.NDArray[Any]:
        """Draw weights of the size He proposes and small biases, shape (m, P)."""
        rng = np.random.default_rng(seed)
        block = np.zeros((self.m, self.layers.parameters))
        for layer in range(self.layers.count):
            W, b = self.layers.weights(block, layer), self.layers.biases(block, layer)
            W[...] = rng.normal(scale=(2 / W.shape[1]) ** 0.5, size=W.shape)
            b[...] = rng.normal(scale=0.1, size=b.shape)
        return block.astype(precision)

    def state(self, precision: str) -> State:
        """Return the state before the first update."""
        return State.start(self.parameters(precision), self.plan().slots)

    def plan(self) -> Plan:
        """Rates that differ between models and fall from update to update."""
        fall = 1 - 0.5 * np.arange(self.updates) / self.updates
        rates = self.rate * (1 + 0.1 * np.arange(self.m))[:, None] * fall
        optimizer = Optimizer.resolve(self.optimizer)
        optimizers = tuple(self._own(optimizer, model) for model in range(self.m))
        order = RowOrder(self.n, self.shuffle, seed=2)
        average = None if self.average is None else Averaging.resolve(self.average)
        # Near to the values and norms of the gradients.
        model = np.arange(self.m)
        limits = np.where([model % 3 == 1, model % 3 == 2], np.inf, [[0.02], [0.1]] * (1 + 0.1 * model))
        return Plan(
            *(self.objective, optimizers, self.batch_size, order, rates),
            dropout=self._dropout(),
            limits=limits if self.clips else None,
            averages=average and tuple(self._own(average, model) for model in range(self.m)),
        )

    def _dropout(self) -> Dropout | None:
        """Return shares that fall from layer to layer and, apart, from model to model."""
        if self.dropout == self.input_dropout == 0:
            return None
        shares = np.full((self.m, self.layers.count), self.input_dropout)
        models, layers = np.arange(self.m)[:, None] * self.apart, np.arange(self.layers.count - 1)
        shares[:, 1:] = self.dropout / (1 + 0.1 * models + 0.2 * layers)
        return Dropout(9, shares)


CASES: tuple[Case, ...] = (
    Case("softmax"),
    Case("one-hidden", hidden=(50,)),
    Case("three-hidden", hidden=(9, 8, 7)),
    Case("two-classes", k=2, hidden=(5,)),
    Case("one-column", d=1),
    Case("one-column-hidden", d=1, hidden=(3,)),
    Case("one-unit", hidden=(1,)),
    Case("batch-above-n", n=11, batch_size=100, epochs=9),
    Case("batch-of-one", n=13, batch_size=1, hidden=(4,)),
    Case("one-row", n=1, hidden=(4,)),
    Case("weighted", weighted=True, hidden=(6,)),
    Case("weighted-apart", weighted_apart=True, hidden=(6,)),
    Case("in-order", shuffle=False),
    Case("uint8", dtype="uint8", d=33, hidden=(17,)),
    Case("uint8-gap", dtype="uint8", d=31, row_gap=5),
    Case("float32", dtype="float32", d=19, row_gap=0, hidden=(16,)),
    Case("float32-gap", dtype="float32", d=19, row_gap=3),
    Case("float64-gap", d=16, row_gap=1, hidden=(8,)),
    Case("many-classes", n=150, k=37, d=40, batch_size=32),
    Case("wide", n=97, d=130, hidden=(67, 33), k=10, batch_size=25, epochs=2),
    Case("many-rows", n=2311, d=5, k=4, batch_size=500, weighted=True),
    Case("images", n=60, d=3072, k=10, batch_size=20, epochs=2, dtype="uint8", rate=0.01),
    Case(
        "images-hidden",
        n=47,
        d=1201,
        k=10,
        hidden=(150, 70),
        batch_size=25,
        epochs=2,
        dtype="uint8",
        row_gap=3,
    ),
    Case("sigmoid", loss="sigmoid"),
    Case("sigmoid-two-classes", k=2, hidden=(5,), loss="sigmoid"),
    Case("sigmoid-weighted", hidden=(9, 8), weighted=True, loss="sigmoid"),
    Case("sigmoid-many-classes", n=150, k=37, d=40, batch_size=32, rate=1.0, loss="sigmoid"),
    Case("sigmoid-images", n=60, d=3072, k=10, batch_size=20, epochs=2, dtype="uint8", loss="sigmoid"),
)


def _rate(value: Concept) -> float:
    """Return a rate with which the trajectory is no matter of luck."""
    return 0.02 if isinstance(value, Optimizer) and value.rule.slots == 2 else 0.05


def _of_loss(loss: Loss) -> list[Case]:
    case = Case(repr(loss), loss=loss, rate=_rate(loss))
    return [
        case,
        replace(case, name=f"{case.name}-two-outputs", k=2, hidden=(5,)),
        replace(case, name=f"{case.name}-one-output", k=1, hidden=(5,)),
        replace(case, name=f"{case.name}-weighted", hidden=(9, 8), weighted=True),
        replace(case, name=f"{case.name}-apart", hidden=(6,), weighted_apart=True, apart=True),
        replace(case, name=f"{case.name}-uint8", dtype="uint8", d=33, row_gap=5, k=17, batch_size=25),
        replace(case, name=f"{case.name}-float32", dtype="float32", d=19, row_gap=3, hidden=(16,)),
    ]


def _of_activation(activation: Activation) -> list[Case]:
    case = Case(repr(activation), activation=activation, hidden=(9, 8, 7), rate=_rate(activation))
    return [
        case,
        replace(case, name=f"{case.name}-weighted", hidden=(19,), weighted=True, loss="squared"),
        replace(case, name=f"{case.name}-apart", hidden=(6, 5), weighted_apart=True, apart=True),
        replace(case, name=f"{case.name}-uint8", dtype="uint8", d=33, hidden=(17, 33)),
    ]


def _of_optimizer(optimizer: Optimizer) -> list[Case]:
    case = Case(repr(optimizer), optimizer=optimizer, rate=_rate(optimizer))
    return [
        case,
        replace(case, name=f"{case.name}-hidden", hidden=(17, 9), weighted=True, activation="tanh"),
        replace(case, name=f"{case.name}-apart", hidden=(6,), weighted_apart=True, apart=True),
        replace(case, name=f"{case.name}-uint8", dtype="uint8", d=200, row_gap=1, hidden=(17,), k=10),
        replace(case, name=f"{case.name}-float32", dtype="float32", d=19, k=2),
    ]


# Units of any activation, and inputs of any kind of rows and of first layers.
DROPPING = (
    *(
        Case(f"{each!r}-dropout", hidden=(9, 8), activation=each, rate=0.03, dropout=0.5, apart=True)
        for each in ACTIVATIONS
    ),
    Case("input-dropout", d=19, input_dropout=0.3, weighted=True),
    Case("dropout-uint8", d=48, row_gap=2, dtype="uint8", hidden=(17,), dropout=0.2, input_dropout=0.4),
    Case("dropout-float32", d=35, dtype="float32", hidden=(48, 3), dropout=0.6, input_dropout=0.1),
    Case(
        "dropout-images",
        n=47,
        d=1216,
        k=10,
        batch_size=25,
        epochs=2,
        dtype="uint8",
        rate=0.01,
        optimizer="adam",
        input_dropout=0.2,
    ),
    Case("dropout-of-one", d=1, hidden=(1,), rate=0.02, dropout=0.5, input_dropout=0.5),
)

# Everything at once: another activation in each layer.
CASES += (
    *DROPPING,
    Case(
        "mixed",
        hidden=tuple(range(9, 9 + len(ACTIVATIONS))),
        activation=ACTIVATIONS,
        loss="squared",
        optimizer=AdamW(weight_decay=0.1),
        rate=0.01,
        clips=True,
        average=EMA(decay=0.9),
        apart=True,
        weighted_apart=True,
    ),
    *(case for loss in LOSSES for case in _of_loss(loss)),
    *(case for activation in ACTIVATIONS for case in _of_activation(activation)),
    *(case for optimizer in OPTIMIZERS for case in _of_optimizer(optimizer)),
    *(
        replace(case, name=f"{case.name}-clipped", clips=True)
        for optimizer in OPTIMIZERS
        for case in _of_optimizer(optimizer)
    ),
    *(
        Case(f"{average!r}-apart", hidden=(9,), optimizer="adam", rate=0.01, average=average, apart=True)
        for average in AVERAGES
    ),
    *(Case(f"{average!r}-uint8", dtype="uint8", d=200, average=average, clips=True) for average in AVERAGES),
)


def train(
    backend: Backend, plan: Plan, data: TrainingData, state: State, t0: int, t1: int, **options: Any
) -> Running:
    """Do updates in a session of their own."""
    n_threads = options.pop("n_threads", 1)
    return backend.session(plan, data, n_threads=n_threads).train(state, t0, t1, **options)


def trained(
    backend: Backend, case: Case, precision: str, *, until: int | None = None, n_threads: int = 1
) -> State:
    """Return the state after the case's updates, or the first `until` of them."""
    state = case.state(precision)
    updates = case.updates if until is None else until
    data = case.data(precision=precision)
    train(backend, case.plan(), data, state, 0, updates, n_threads=n_threads)
    return state


def everything(
    backend: Backend,
    case: Case,
    precision: str,
    n_threads: int,
    data: TrainingData | None = None,
    plan: Plan | None = None,
) -> list[npt.NDArray[Any]]:
    """Return all that a backend can compute of a case, or of other rows and plans, one array per kind."""
    data, plan = data or case.data(precision=precision), plan or case.plan()
    objective, block = case.objective, case.parameters(precision)
    state = case.state(precision)
    session = backend.session(plan, data, [data], n_threads=n_threads)
    running = session.train(state, 0, case.updates)
    (evaluation,) = session.evaluate(state.parameters, with_scores=True)
    assert evaluation.scores is not None
    of_all, gradient = backend.loss_and_gradient(objective, data, block, n_threads=n_threads)
    return [
        state.parameters,
        np.array(backend.evaluate(objective, data, state.parameters, n_threads=n_threads)[:3]),
        backend.scores(objective, data, block, n_threads=n_threads),
        np.array(of_all[:3]),
        gradient,
        state.slots,
        np.array(running),
        np.array(evaluation[:3]),
        evaluation.scores,
    ]


def relative_error(layers: Layers, a: npt.NDArray[Any], b: npt.NDArray[Any]) -> float:
    """Return the largest ``|a - b| / max(|b|, floor)`` over all parameters, or numbers laid out likewise.

    The floor is a thousandth of the largest magnitude in the parameter's own array (W1, b1, ...)
    of its own model: rounding is of the size of what was added up, so a parameter that happens to
    lie next to zero has no relative precision of its own.
    """
    worst = 0.0
    for layer in range(layers.count):
        for part in (layers.weights, layers.biases):
            x, y = (part(block, layer).reshape(len(block), -1).astype(np.float64) for block in (a, b))
            floor = np.maximum(1e-3 * np.abs(y).max(axis=1, keepdims=True), np.finfo(np.float64).tiny)
            worst = max(worst, float((np.abs(x - y) / np.maximum(np.abs(y), floor)).max()))
    return worst


def find(*names: str) -> tuple[Case, ...]:
    """Return cases by their names."""
    by_name = {case.name: case for case in CASES}
    return tuple(by_name[name] for name in names)


def case_id(case: Case) -> str:
    """Name a case in the name of a test."""
    return case.name
