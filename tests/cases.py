"""Training problems that the tests of the backends share, from a handful of sizes and a seed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

import oracle
from gradstep.backends import Backend, Running
from gradstep.plan.plan import Layers, Objective, Plan, RowOrder, State
from gradstep.plan.rows import Problem, Standardization, prepare


@dataclass(frozen=True)
class Case:
    """A group of models on generated rows; ``l2`` has one value per model."""

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
    loss: str = "softmax"

    @property
    def layers(self) -> Layers:
        return Layers((self.d, *self.hidden, self.k))

    @property
    def updates(self) -> int:
        return self.epochs * -(-self.n // self.batch_size)

    def problem(self, seed: int = 0) -> Problem:
        """Rows around a centre per class, with offset and scale to be standardised away."""
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
            weight = rng.uniform(0, 2, size=(len(self.l2), self.n))
            weight[:, :-1][rng.uniform(size=(len(self.l2), self.n - 1)) < 0.3] = 0
            weight[-1] = 0.5
        return prepare(rows, y, weight, standardization)

    def parameters(self, precision: str, seed: int = 1) -> npt.NDArray[Any]:
        """Draw weights of the size He proposes and small biases, shape (m, P)."""
        rng = np.random.default_rng(seed)
        block = np.zeros((len(self.l2), self.layers.parameters))
        for layer in range(self.layers.count):
            W, b = self.layers.weights(block, layer), self.layers.biases(block, layer)
            W[...] = rng.normal(scale=(2 / W.shape[1]) ** 0.5, size=W.shape)
            b[...] = rng.normal(scale=0.1, size=b.shape)
        return block.astype(precision)

    def plan(self) -> Plan:
        """Rates that differ between models and fall from update to update."""
        fall = 1 - 0.5 * np.arange(self.updates) / self.updates
        rates = self.rate * (1 + 0.1 * np.arange(len(self.l2)))[:, None] * fall
        order = RowOrder(self.n, self.shuffle, seed=2)
        return Plan(Objective(self.layers, self.loss, np.array(self.l2)), self.batch_size, order, rates)


CASES = (
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


def train(
    backend: Backend, plan: Plan, problem: Problem, state: State, t0: int, t1: int, **options: Any
) -> Running:
    """Do updates in a session of their own."""
    n_threads = options.pop("n_threads", 1)
    return backend.session(plan, problem, n_threads=n_threads).train(state, t0, t1, **options)


def trained(
    backend: Backend, case: Case, precision: str, *, until: int | None = None, n_threads: int = 1
) -> State:
    """Return the state after the case's updates, or the first `until` of them."""
    state = State.start(case.parameters(precision))
    updates = case.updates if until is None else until
    train(backend, case.plan(), case.problem(), state, 0, updates, n_threads=n_threads)
    return state


def only(plan: Plan, models: list[int]) -> Plan:
    """Return the plan of some models of a group, in the order given."""
    objective = replace(plan.objective, l2=plan.objective.l2[models])
    return replace(plan, objective=objective, learning_rate=plan.learning_rate[models])


def seen_by(problem: Problem, models: list[int]) -> Problem:
    """Return the problem as some models of a group see it, in the order given."""
    if problem.weight is None or problem.weight.ndim == 1:
        return problem
    return replace(problem, weight=problem.weight[models[0] if len(models) == 1 else models])


def relative_error(layers: Layers, a: npt.NDArray[Any], b: npt.NDArray[Any]) -> float:
    """Return the largest ``|a - b| / max(|b|, floor)`` over all parameters.

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


def network_of(layers: Layers, block: npt.NDArray[Any]) -> oracle.Network:
    """Return one model's parameters (P,) as the oracle holds them."""
    return [
        (layers.weights(block, layer).tolist(), layers.biases(block, layer).tolist())
        for layer in range(layers.count)
    ]


def block_of(network: oracle.Network) -> npt.NDArray[np.float64]:
    """Return the oracle's network as one flat block (P,)."""
    return np.concatenate([np.ravel(part) for layer in network for part in layer])


def data_of(problem: Problem, model: int) -> tuple[oracle.Matrix, list[int], list[float]]:
    """Return rows, labels and a model's weights as the oracle takes them."""
    problem = seen_by(problem, [model])
    mean, scale = problem.standardization.mean.tolist(), problem.standardization.scale.tolist()
    weight = [1.0] * problem.n if problem.weight is None else problem.weight.tolist()
    return oracle.standardized(problem.X.tolist(), mean, scale), problem.y.tolist(), weight


def batches_of(plan: Plan, model: int) -> list[tuple[list[int], float]]:
    """Return rows and rate of every update, cut from the order of each epoch by plain slicing."""
    batches: list[tuple[list[int], float]] = []
    epoch, b = 0, plan.batch_size
    rates = plan.learning_rate[model].tolist()
    while len(batches) < len(rates):
        order = plan.order.epoch(epoch).tolist()
        parts = [order[start : start + b] for start in range(0, len(order), b)]
        batches += [(part, rates[len(batches) + i]) for i, part in enumerate(parts)]
        epoch += 1
    return batches
