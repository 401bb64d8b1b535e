"""NumPy as one writes it who knows NumPy: float32, row-major, every array taken once, all in place."""

from __future__ import annotations

import numpy as np

from benchmarks.answers import Trained
from benchmarks.task import LayerList, Task

# Of momentum and Adam, as all libraries have them by default.
MU, BETA1, BETA2, EPSILON = 0.9, 0.9, 0.999, 1e-8

# Rows evaluated at a time: their hidden layers stay in the cache.
_CHUNK = 1000


def forward(layers: LayerList, outputs: list[np.ndarray]) -> np.ndarray:
    """Compute every layer's output from the input, outputs[0], into outputs[1:]; return the scores."""
    for i, (W, b) in enumerate(layers):
        Z = np.matmul(outputs[i], W, out=outputs[i + 1])
        Z += b
        if i + 1 < len(layers):
            np.maximum(Z, 0, out=Z)
    return outputs[-1]


#: Arrays that an optimizer keeps for every parameter.
SLOTS = {"sgd": 0, "momentum": 1, "adam": 2}


def momentum_step(
    W: np.ndarray, dW: np.ndarray, slots: list[np.ndarray], spare: np.ndarray, rate: float, done: int
) -> None:
    """Step by heavy-ball momentum, in place."""
    (v,) = slots
    v *= MU
    v += dW
    W -= np.multiply(v, rate, out=spare)


def adam_step(
    W: np.ndarray, dW: np.ndarray, slots: list[np.ndarray], spare: np.ndarray, rate: float, done: int
) -> None:
    """Step by Adam, update number `done` from 1, in place."""
    m, v = slots
    m *= BETA1
    m += np.multiply(dW, 1 - BETA1, out=spare)
    v *= BETA2
    dW *= dW
    dW *= 1 - BETA2
    v += dW
    root = np.sqrt(v, out=spare)
    root += EPSILON * (1 - BETA2**done) ** 0.5
    np.divide(m, root, out=spare)
    spare *= rate * (1 - BETA2**done) ** 0.5 / (1 - BETA1**done)
    W -= spare


class Train:
    """Mini-batch training; `work` arrays are as long as a batch."""

    def __init__(self, task: Task) -> None:
        self.job, self.first = task.job, task.first_layers()
        self.sets = [
            (task.standardised(rows.X), np.asarray(rows.y)) for rows in (task.train, task.validation)
        ]
        self.layers = [(W.copy(), b.copy()) for W, b in self.first]
        self.outputs = [np.empty((self.job.batch_size, size), np.float32) for size in self.job.sizes]
        self.dinputs = [np.empty_like(Z) for Z in self.outputs[:-1]]
        self.passes = [np.empty(Z.shape, bool) for Z in self.outputs[:-1]]
        self.dW = [np.empty_like(W) for W, _ in self.layers]
        # Slots of weights and biases, layer by layer, and a place for an optimizer's intermediate values.
        arrays = [part for layer in self.layers for part in layer]
        self.slots = [[np.empty_like(part) for part in arrays] for _ in range(SLOTS[self.job.optimizer])]
        self.spare = [np.empty_like(part) for part in arrays]

    def run(self) -> None:
        for (W, b), (first_W, first_b) in zip(self.layers, self.first, strict=True):
            W[...], b[...] = first_W, first_b
        for slot in self.slots:
            for part in slot:
                part[...] = 0
        self.done = 0
        X, y = self.sets[0]
        rng = np.random.default_rng(0)
        self.curves = []
        for _ in range(self.job.epochs):
            order = rng.permutation(len(y))
            for start in range(0, len(y), self.job.batch_size):
                self.update(X, y, order[start : start + self.job.batch_size])
            if self.job.evaluation:
                self.curves.append((*self.evaluate(*self.sets[0]), *self.evaluate(*self.sets[1])))

    def update(self, X: np.ndarray, y: np.ndarray, rows: np.ndarray) -> None:
        """Take one step on the rows."""
        count, rate = len(rows), self.job.learning_rate
        outputs = [Z[:count] for Z in self.outputs]
        # Any mode but "raise" writes straight into `out`.
        np.take(X, rows, axis=0, out=outputs[0], mode="clip")
        d = forward(self.layers, outputs)
        d -= d.max(axis=1, keepdims=True)
        np.exp(d, out=d)
        d /= d.sum(axis=1, keepdims=True)
        d[np.arange(count), y[rows]] -= 1
        d *= (rate if self.job.optimizer == "sgd" else 1) / count
        self.done += 1
        for i in range(len(self.layers) - 1, -1, -1):
            W, b = self.layers[i]
            dW, db = np.matmul(outputs[i].T, d, out=self.dW[i]), d.sum(axis=0)
            if i > 0:
                d = np.matmul(d, W.T, out=self.dinputs[i][:count])
                d *= np.greater(outputs[i], 0, out=self.passes[i][:count])
            if self.job.optimizer == "sgd":
                if self.job.l2:
                    W *= 1 - 2 * rate * self.job.l2
                W -= dW
                b -= db
                continue
            if self.job.l2:
                dW += 2 * self.job.l2 * W
            step = momentum_step if self.job.optimizer == "momentum" else adam_step
            for place, part, dpart in ((2 * i, W, dW), (2 * i + 1, b, db)):
                slots = [slot[place] for slot in self.slots]
                step(part, dpart, slots, self.spare[place], rate, self.done)

    def evaluate(self, X: np.ndarray, y: np.ndarray) -> tuple[float, float, float]:
        """Return loss, cost and accuracy."""
        loss = correct = 0.0
        for start in range(0, len(y), _CHUNK):
            part, labels = X[start : start + _CHUNK], y[start : start + _CHUNK]
            s = part
            for i, (W, b) in enumerate(self.layers):
                s = s @ W
                s += b
                if i + 1 < len(self.layers):
                    np.maximum(s, 0, out=s)
            correct += float((s.argmax(axis=1) == labels).sum())
            s -= s.max(axis=1, keepdims=True)
            of_labels = s[np.arange(len(labels)), labels].sum()
            np.exp(s, out=s)
            loss += float(np.log(s.sum(axis=1)).sum() - of_labels)
        loss /= len(y)
        return loss, loss + self.job.l2 * sum(float(np.vdot(W, W)) for W, _ in self.layers), correct / len(y)

    def answer(self) -> Trained:
        return Trained(self.layers, self.curves)


class Predict:
    """The class of the highest score."""

    def __init__(self, task: Task) -> None:
        X = task.standardised(task.rows_to_predict())
        self.layers = task.trained_layers()
        self.outputs = [X, *(np.empty((len(X), len(b)), np.float32) for _, b in self.layers)]

    def run(self) -> None:
        self.classes = forward(self.layers, self.outputs).argmax(axis=1)

    def answer(self) -> np.ndarray:
        return self.classes
