"""Trainings as the oracle has them: networks, rows, objectives, optimizers, batches and what is dropped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

import oracle
import oracle_dropout
from gradstep.plan.network import Layers, Objective
from gradstep.plan.plan import Plan
from gradstep.plan.rows import TrainingData


def network_of(layers: Layers, block: npt.NDArray[Any]) -> oracle.Network:
    """Return one model's parameters (P,) as the oracle holds them."""
    return [
        (layers.weights(block, layer).tolist(), layers.biases(block, layer).tolist())
        for layer in range(layers.count)
    ]


def block_of(network: oracle.Network) -> npt.NDArray[np.float64]:
    """Return the oracle's network as one flat block (P,)."""
    return np.concatenate([np.ravel(part) for layer in network for part in layer])


def data_of(data: TrainingData, model: int = 0) -> oracle.Data:
    """Return rows, targets and a model's weights as the oracle takes them."""
    mean, scale = data.standardization.mean.tolist(), data.standardization.scale.tolist()
    X = oracle.standardized(data.X.tolist(), mean, scale)
    if data.weight is None:
        weight = [1.0] * data.n
    else:
        weight = (data.weight[model] if data.weight.ndim == 2 else data.weight).tolist()
    return oracle.Data(X, data.targets.tolist(), weight)


def objective_of(objective: Objective, model: int = 0) -> oracle.Objective:
    """Return what a model minimises, as the oracle has it."""
    return oracle.Objective(
        _judge(oracle.LOSSES, objective.losses[model])(),
        [_judge(oracle.ACTIVATIONS, activation)() for activation in objective.activations[model]],
        float(objective.l2[model]),
    )


def optimizer_of(plan: Plan, model: int = 0) -> Callable[[], oracle.Step]:
    """Return what makes the oracle's updates of a model."""
    return _judge(oracle.OPTIMIZERS, plan.optimizers[model])


def _judge(table: dict[str, Callable[..., Any]], value: Any) -> Callable[[], Any]:
    """Return what makes the oracle's object with the same numbers."""
    return partial(table[value.name], **{field.name: getattr(value, field.name) for field in fields(value)})


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


def dropped_of(plan: Plan, model: int) -> Callable[[int, int], oracle.Factors] | None:
    """Return what a model's dropout multiplies the inputs of all layers by, in a row of an update."""
    if plan.dropout is None:
        return None
    shares, sizes = plan.dropout.shares[model].tolist(), plan.objective.layers.sizes[:-1]
    return partial(oracle_dropout.factors, shares, sizes, plan.dropout.seed)


def average_of(plan: Plan, model: int = 0) -> oracle.Average:
    """Return what averages a model's weights."""
    assert plan.averages is not None
    average: oracle.Average = _judge(oracle.AVERAGES, plan.averages[model])()
    return average


def limits_of(plan: Plan, model: int = 0) -> tuple[float, float]:
    """Return the limits of a model's gradients."""
    if plan.limits is None:
        return np.inf, np.inf
    value, norm = plan.limits[:, model].tolist()
    return value, norm
