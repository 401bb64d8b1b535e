"""PyTorch as a library of products: gradients written by hand, every tensor taken once, all in place."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from benchmarks.answers import Trained
from benchmarks.solvers import CannotSolve
from benchmarks.solvers.torch_autograd import forget, fused_optimizer
from benchmarks.solvers.torch_fused import TrainMany
from benchmarks.task import LayerList, Task

__all__ = ["Predict", "Train", "TrainMany"]

# Of momentum and Adam, as torch.optim has them by default.
MU, BETA1, BETA2, EPSILON = 0.9, 0.9, 0.999, 1e-8


def tensors(layers: LayerList) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Copy weights, as (out, in) as nn.Linear has them, and biases.

    With k = 10 the products are up to five times faster so than with (in, out).
    """
    return [(torch.from_numpy(W.T.copy()), torch.from_numpy(b.copy())) for W, b in layers]


class Train:
    """Mini-batch training. A step of plain descent is part of the product: W = keep * W - rate * dZ^T X.

    Momentum and Adam take the gradient and step by hand, or with `fused` by the optimizer of torch.optim.
    """

    def __init__(self, task: Task, fused: bool = False) -> None:
        if fused and task.job.optimizer == "sgd":
            raise CannotSolve("plain descent is part of the product")
        if task.job.step_size and task.job.optimizer != "sgd":
            raise CannotSolve("its rate is constant")
        self.job, self.first = task.job, tensors(task.first_layers())
        self.rates = task.rates().tolist()
        self.sets = [
            (torch.from_numpy(task.standardised(rows.X)), torch.from_numpy(rows.y))
            for rows in (task.train, task.validation)
        ]
        self.layers = tensors(task.first_layers())
        self.outputs = [torch.empty(self.job.batch_size, size) for size in self.job.sizes]
        self.dinputs = [torch.empty_like(Z) for Z in self.outputs]
        flat = [part for layer in self.layers for part in layer]
        self.gradients = [torch.empty_like(part) for part in flat]
        self.slots = [[torch.zeros_like(part) for part in flat] for _ in range(2)]
        self.spare = [torch.empty_like(part) for part in flat]
        self.optimizer = None
        if fused:
            for part, gradient in zip(flat, self.gradients, strict=True):
                part.grad = gradient
            self.optimizer = fused_optimizer(self.job, flat)
        self.minus_one = torch.full((self.job.batch_size, 1), -1.0)

    @torch.inference_mode()
    def run(self) -> None:
        for (W, b), (first_W, first_b) in zip(self.layers, self.first, strict=True):
            W.copy_(first_W)
            b.copy_(first_b)
        for slot in self.slots:
            torch._foreach_zero_(slot)
        if self.optimizer:
            forget(self.optimizer)
        self.done = 0
        torch.manual_seed(0)
        X, y = self.sets[0]
        self.curves = []
        for rates in self.rates:
            batches = torch.randperm(len(y)).split(self.job.batch_size)
            for rows, rate in zip(batches, rates, strict=True):
                self.update(X, y, rows, rate)
            if self.job.evaluation:
                self.curves.append((*self.evaluate(*self.sets[0]), *self.evaluate(*self.sets[1])))

    def update(self, X: torch.Tensor, y: torch.Tensor, rows: torch.Tensor, rate: float) -> None:
        """Take one step on the rows."""
        count, last = len(rows), len(self.layers) - 1
        outputs = [Z[:count] for Z in self.outputs]
        torch.index_select(X, 0, rows, out=outputs[0])
        for i, (W, b) in enumerate(self.layers):
            torch.addmm(b, outputs[i], W.t(), out=outputs[i + 1])
            if i < last:
                outputs[i + 1].relu_()
        d = torch.softmax(outputs[-1], 1, out=self.dinputs[-1][:count])
        d.scatter_add_(1, y.index_select(0, rows).unsqueeze(1), self.minus_one[:count])
        for i in range(last, -1, -1):
            W, b = self.layers[i]
            below = d
            if i > 0:
                below = torch.mm(d, W, out=self.dinputs[i][:count])
                below.mul_(outputs[i] > 0)
            if self.job.optimizer == "sgd":
                W.addmm_(d.t(), outputs[i], beta=1 - 2 * rate * self.job.l2, alpha=-rate / count)
                b.add_(d.sum(0), alpha=-rate / count)
            else:
                dW, db = self.gradients[2 * i : 2 * i + 2]
                torch.addmm(W, d.t(), outputs[i], beta=2 * self.job.l2, alpha=1 / count, out=dW)
                torch.sum(d, 0, out=db).mul_(1 / count)
            d = below
        if self.job.optimizer != "sgd":
            self.done += 1
            self.optimizer.step() if self.optimizer else self.step(rate)

    def step(self, rate: float) -> None:
        """Take a step of momentum or Adam from the gradients, by operations in place."""
        flat = [part for layer in self.layers for part in layer]
        first, second = self.slots
        for part, gradient, m, v, spare in zip(flat, self.gradients, first, second, self.spare, strict=True):
            if self.job.optimizer == "momentum":
                m.mul_(MU).add_(gradient)
                part.add_(m, alpha=-rate)
                continue
            correction = (1 - BETA2**self.done) ** 0.5
            m.lerp_(gradient, 1 - BETA1)
            v.mul_(BETA2).addcmul_(gradient, gradient, value=1 - BETA2)
            torch.sqrt(v, out=spare).add_(EPSILON * correction)
            part.addcdiv_(m, spare, value=-rate * correction / (1 - BETA1**self.done))

    def evaluate(self, X: torch.Tensor, y: torch.Tensor) -> tuple[float, float, float]:
        """Return loss, cost and accuracy."""
        s = scores(self.layers, X)
        loss = cross_entropy(s, y).item()
        penalty = self.job.l2 * sum(torch.dot(W.view(-1), W.view(-1)).item() for W, _ in self.layers)
        return loss, loss + penalty, (s.argmax(1) == y).float().mean().item()

    def answer(self) -> Trained:
        return Trained([(W.numpy().T, b.numpy()) for W, b in self.layers], self.curves)


def scores(layers: list[tuple[torch.Tensor, torch.Tensor]], X: torch.Tensor) -> torch.Tensor:
    """Return the last layer's output."""
    for W, b in layers[:-1]:
        X = torch.addmm(b, X, W.t()).relu_()
    W, b = layers[-1]
    return torch.addmm(b, X, W.t())


class Predict:
    """The class of the highest score."""

    def __init__(self, task: Task) -> None:
        self.X = torch.from_numpy(task.standardised(task.rows_to_predict()))
        self.layers = tensors(task.trained_layers())

    @torch.inference_mode()
    def run(self) -> None:
        self.classes = scores(self.layers, self.X).argmax(1)

    def answer(self) -> np.ndarray:
        return self.classes.numpy()
