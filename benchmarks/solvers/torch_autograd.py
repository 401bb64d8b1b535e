"""PyTorch the way people write it: nn.Sequential, cross_entropy, torch.optim; eager or by torch.compile."""

from __future__ import annotations

import os
import shutil

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from benchmarks.answers import Trained
from benchmarks.jobs import Job
from benchmarks.solvers import CannotSolve
from benchmarks.task import LayerList, Task

MetricRow = tuple[float, float, float]


def network(layers: LayerList) -> torch.nn.Sequential:
    """Build the network and give it these weights."""
    parts: list[torch.nn.Module] = []
    for W, _ in layers:
        parts += [torch.nn.Linear(*W.shape), torch.nn.ReLU()]
    model = torch.nn.Sequential(*parts[:-1])
    set_layers(model, layers)
    return model


def set_layers(model: torch.nn.Sequential, layers: LayerList) -> None:
    """Copy weights and biases into the network."""
    with torch.no_grad():
        for linear, (W, b) in zip(model[::2], layers, strict=True):
            linear.weight.copy_(torch.from_numpy(W.T.copy()))
            linear.bias.copy_(torch.from_numpy(b.copy()))


def fused_optimizer(job: Job, parameters: list) -> torch.optim.Optimizer:
    """Return the job's optimizer; `fused` is the fastest of its three ways on a CPU."""
    if job.optimizer == "adam":
        return torch.optim.Adam(parameters, lr=job.learning_rate, fused=True)
    momentum = 0.9 if job.optimizer == "momentum" else 0.0
    return torch.optim.SGD(parameters, lr=job.learning_rate, momentum=momentum, fused=True)


def forget(optimizer: torch.optim.Optimizer) -> None:
    """Set to zero what an optimizer keeps of earlier updates."""
    for state in optimizer.state.values():
        for value in state.values():
            if isinstance(value, torch.Tensor):
                value.zero_()


def needs_compiler() -> None:
    """torch.compile writes C++."""
    if shutil.which(os.environ.get("CXX", "g++")) is None:
        raise CannotSolve("torch.compile needs a C++ compiler")


class Train:
    """The usual loop over shuffled batches.

    With `compiled` the network together with its loss is compiled, and so is the optimizer's step; all
    batch lengths are compiled for before the time is taken.
    """

    def __init__(self, task: Task, compiled: bool = False) -> None:
        self.job, self.first = task.job, task.first_layers()
        self.sets = [
            (torch.from_numpy(task.standardised(rows.X)), torch.from_numpy(rows.y))
            for rows in (task.train, task.validation)
        ]
        self.model = network(self.first)
        self.loss = lambda X, y: cross_entropy(self.model(X), y)
        linears = self.model[::2]
        groups = [
            {"params": [linear.weight for linear in linears], "weight_decay": 2 * self.job.l2},
            {"params": [linear.bias for linear in linears], "weight_decay": 0.0},
        ]
        self.optimizer = fused_optimizer(self.job, groups)
        self.step = self.optimizer.step
        if compiled:
            needs_compiler()
            self.loss = torch.compile(self.loss, dynamic=False)
            self.step = torch.compile(self.step)

    def run(self) -> None:
        set_layers(self.model, self.first)
        forget(self.optimizer)
        torch.manual_seed(0)
        X, y = self.sets[0]
        self.curves = []
        for _ in range(self.job.epochs):
            for rows in torch.randperm(len(y)).split(self.job.batch_size):
                loss = self.loss(X.index_select(0, rows), y.index_select(0, rows))
                self.optimizer.zero_grad()
                loss.backward()
                self.step()
            if self.job.evaluation:
                self.curves.append((*self.evaluate(*self.sets[0]), *self.evaluate(*self.sets[1])))

    @torch.inference_mode()
    def evaluate(self, X: torch.Tensor, y: torch.Tensor) -> MetricRow:
        """Return loss, cost and accuracy."""
        s = self.model(X)
        loss = cross_entropy(s, y).item()
        penalty = self.job.l2 * sum(linear.weight.square().sum().item() for linear in self.model[::2])
        return loss, loss + penalty, (s.argmax(1) == y).float().mean().item()

    def answer(self) -> Trained:
        pairs = [(linear.weight.detach(), linear.bias.detach()) for linear in self.model[::2]]
        return Trained([(W.numpy().T.copy(), b.numpy().copy()) for W, b in pairs], self.curves)


class Predict:
    """The class of the highest score."""

    def __init__(self, task: Task, compiled: bool = False) -> None:
        self.X = torch.from_numpy(task.standardised(task.rows_to_predict()))
        model = network(task.trained_layers())
        self.predict = lambda X: model(X).argmax(1)
        if compiled:
            needs_compiler()
            self.predict = torch.compile(self.predict, dynamic=False)

    @torch.inference_mode()
    def run(self) -> None:
        self.classes = self.predict(self.X)

    def answer(self) -> np.ndarray:
        return self.classes.numpy()
