"""PyTorch as a library of products, for many models: one wide first matrix, batched products above it.

No autograd; every step is taken in place.
"""

from __future__ import annotations

import torch

from benchmarks.answers import Trained
from benchmarks.task import Task

_CHUNK = 1000


class TrainMany:
    """Searches one after the other."""

    def __init__(self, task: Task) -> None:
        sets = [
            (torch.from_numpy(task.standardised(rows.X)), torch.from_numpy(rows.y))
            for rows in (task.train, task.validation)
        ]
        self.groups = [Group(task, l2s, sets) for l2s in task.job.searches]

    def run(self) -> None:
        for group in self.groups:
            group.run()

    def answer(self) -> list[Trained]:
        return [model for group in self.groups for model in group.answer()]


class Group:
    """The models of a search: the first layer's weights as (m * h, d), those above as (m, in, out)."""

    def __init__(self, task: Task, l2s: tuple[float, ...], sets: list) -> None:
        self.job, self.sets, self.m = task.job, sets, len(l2s)
        self.rates = task.rates().tolist()
        self.l2 = torch.tensor(l2s).view(-1, 1, 1)
        (W, b), *upper = [(torch.from_numpy(W), torch.from_numpy(b)) for W, b in task.first_layers()]
        self.first = [(W.t().repeat(self.m, 1), b.repeat(self.m))]
        self.first += [(W.repeat(self.m, 1, 1), b.repeat(self.m, 1, 1)) for W, b in upper]
        self.layers = [(W.clone(), b.clone()) for W, b in self.first]
        self.wide = self.layers[0][0].view(self.m, -1, self.job.sizes[0])
        self.X = torch.empty(self.job.batch_size, self.job.sizes[0])
        self.Z = torch.empty(self.job.batch_size, len(self.layers[0][1]))

    @torch.inference_mode()
    def run(self) -> None:
        for (W, b), (first_W, first_b) in zip(self.layers, self.first, strict=True):
            W.copy_(first_W)
            b.copy_(first_b)
        torch.manual_seed(0)
        X, y = self.sets[0]
        self.curves = []
        for rates in self.rates:
            batches = torch.randperm(len(y)).split(self.job.batch_size)
            for rows, rate in zip(batches, rates, strict=True):
                self.update(torch.index_select(X, 0, rows, out=self.X[: len(rows)]), y[rows], rate)
            if self.job.evaluation:
                self.curves.append(torch.cat([self.evaluate(*rows) for rows in self.sets]))

    def outputs(self, X: torch.Tensor, Z: torch.Tensor | None = None) -> list[torch.Tensor]:
        """Return the outputs of all layers, each (m, b, h)."""
        (W, b), *upper = self.layers
        Z = torch.addmm(b, X, W.t(), out=Z)
        if upper:
            Z.relu_()
        found = [Z.view(len(X), self.m, -1).transpose(0, 1)]
        for i, (W, b) in enumerate(upper, 1):
            found.append(torch.baddbmm(b, found[-1], W))
            if i < len(upper):
                found[-1].relu_()
        return found

    def update(self, X: torch.Tensor, y: torch.Tensor, rate: float) -> None:
        """Take one step of all models on the rows."""
        count, keep = len(y), 1 - 2 * rate * self.l2
        outputs = self.outputs(X, self.Z[:count])
        d = torch.softmax(outputs[-1], 2)
        d[:, torch.arange(count), y] -= 1
        for i in range(len(self.layers) - 1, 0, -1):
            W, b = self.layers[i]
            below = torch.bmm(d, W.transpose(1, 2)).mul_(outputs[i - 1] > 0)
            W.mul_(keep).baddbmm_(outputs[i - 1].transpose(1, 2), d, alpha=-rate / count)
            b.add_(d.sum(1, keepdim=True), alpha=-rate / count)
            d = below
        W, b = self.layers[0]
        d = d.transpose(0, 1).reshape(count, -1)
        self.wide.mul_(keep)
        W.addmm_(d.t(), X, alpha=-rate / count)
        b.add_(d.sum(0), alpha=-rate / count)

    def evaluate(self, X: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Return loss, cost and accuracy of every model (3, m)."""
        sums = torch.zeros(2, self.m)
        for X_part, y_part in zip(X.split(_CHUNK), y.split(_CHUNK), strict=True):
            s = self.outputs(X_part)[-1]
            of_class = s[:, torch.arange(len(y_part)), y_part]
            sums[0] += (s.logsumexp(2) - of_class).sum(1)
            sums[1] += (s.argmax(2) == y_part).sum(1)
        loss, accuracy = sums / len(y)
        squares = [self.wide.square().sum((1, 2)), *(W.square().sum((1, 2)) for W, _ in self.layers[1:])]
        return torch.stack([loss, loss + self.l2.view(-1) * sum(squares), accuracy])

    def answer(self) -> list[Trained]:
        (_, b), *upper = self.layers
        firsts = zip(self.wide, b.view(self.m, -1), strict=True)
        models = [[(W.t().numpy(), b.numpy())] for W, b in firsts]
        for W, b in upper:
            for model, W_of_one, b_of_one in zip(models, W, b, strict=True):
                model.append((W_of_one.numpy(), b_of_one[0].numpy()))
        curves = [[tuple(row[:, i].tolist()) for row in self.curves] for i in range(self.m)]
        return [Trained(layers, curve) for layers, curve in zip(models, curves, strict=True)]
