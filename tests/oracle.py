"""What gradstep computes, in plain float64 Python loops: slow, obvious, and sharing nothing with the package.

A network is a list of layers ``(W, b)``, W as ``in`` lists of ``out`` numbers. Sums are taken by
``math.fsum``, which rounds once, so the oracle is more exact than what it judges.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import exp, fsum, log, log1p

Vector = list[float]
Matrix = list[Vector]
Network = list[tuple[Matrix, Vector]]


def standardized(X: Sequence[Sequence[float]], mean: Sequence[float], scale: Sequence[float]) -> Matrix:
    """Return ``(x - mean) / scale`` of every feature of every row."""
    return [[(x - m) / s for x, m, s in zip(row, mean, scale, strict=True)] for row in X]


def moved(
    row: Sequence[float], shape: tuple[int, int, int], flip: bool, dy: int, dx: int, edge: bool
) -> list[float]:
    """Return the image (channels, height, width) of a raw row, mirrored and then moved down and right."""
    channels, height, width = shape
    result = [0.0] * len(row)
    for channel in range(channels):
        for y in range(height):
            for x in range(width):
                from_y, from_x = y - dy, x - dx
                if edge:
                    from_y, from_x = max(0, min(height - 1, from_y)), max(0, min(width - 1, from_x))
                elif not (0 <= from_y < height and 0 <= from_x < width):
                    continue
                if flip:
                    from_x = width - 1 - from_x
                result[(channel * height + y) * width + x] = row[(channel * height + from_y) * width + from_x]
    return result


def outputs(network: Network, x: Vector) -> list[Vector]:
    """Return the input and every layer's output of one row: ReLU between layers, scores last."""
    values = [x]
    for layer, (W, b) in enumerate(network):
        sums = [fsum([b[j], *(values[-1][i] * W[i][j] for i in range(len(W)))]) for j in range(len(b))]
        is_last = layer == len(network) - 1
        values.append(sums if is_last else [max(s, 0.0) for s in sums])
    return values


def probabilities(scores: Vector, kind: str) -> Vector:
    """Return softmax or sigmoid of the scores."""
    if kind == "sigmoid":
        return [1 / (1 + exp(-s)) if s > 0 else exp(s) / (1 + exp(s)) for s in scores]
    shifted = [exp(s - max(scores)) for s in scores]
    return [e / fsum(shifted) for e in shifted]


def row_loss(scores: Vector, label: int, kind: str) -> float:
    """Return the loss of one row.

    Softmax, cross-entropy: log(sum(exp(s))) - s[label]. Sigmoid, mean of binary cross-entropies:
    -log(p) = log(1 + exp(-s)) of the label and -log(1 - p) = log(1 + exp(s)) of the others.
    """
    if kind == "sigmoid":
        signed = [-s if j == label else s for j, s in enumerate(scores)]
        return fsum(max(t, 0.0) + log1p(exp(-abs(t))) for t in signed) / len(scores)
    return log(fsum(exp(s - max(scores)) for s in scores)) + (max(scores) - scores[label])


def loss(
    network: Network, X: Matrix, y: Sequence[int], weight: Sequence[float], kind: str = "softmax"
) -> float:
    """Return the weighted mean over rows of their losses (the weights have mean 1)."""
    losses = (row_loss(outputs(network, x)[-1], label, kind) for x, label in zip(X, y, strict=True))
    return fsum(w * value for w, value in zip(weight, losses, strict=True)) / len(X)


def cost(
    network: Network,
    X: Matrix,
    y: Sequence[int],
    weight: Sequence[float],
    l2: float,
    kind: str = "softmax",
) -> float:
    """Return the loss plus l2 times the sum of squares of every weight; biases are free."""
    squares = fsum(w * w for W, _ in network for row in W for w in row)
    return loss(network, X, y, weight, kind) + l2 * squares


def accuracy(network: Network, X: Matrix, y: Sequence[int], weight: Sequence[float]) -> float:
    """Return the weighted share of rows whose highest score, the first of equals, is their class."""
    right = []
    for x, label, w in zip(X, y, weight, strict=True):
        scores = outputs(network, x)[-1]
        right.append(w if scores.index(max(scores)) == label else 0.0)
    return fsum(right) / len(X)


def gradient(
    network: Network,
    X: Matrix,
    y: Sequence[int],
    weight: Sequence[float],
    l2: float,
    kind: str = "softmax",
) -> Network:
    """Return the gradient of the cost, laid out as the network."""
    row_gradients = [
        _row_gradient(network, x, label, w / len(X), kind) for x, label, w in zip(X, y, weight, strict=True)
    ]
    total: Network = []
    for layer, (W, b) in enumerate(network):
        dW = [
            [fsum([2 * l2 * W[i][j], *(row[layer][0][i][j] for row in row_gradients)]) for j in range(len(b))]
            for i in range(len(W))
        ]
        total.append((dW, [fsum(row[layer][1][j] for row in row_gradients) for j in range(len(b))]))
    return total


def _row_gradient(network: Network, x: Vector, label: int, share: float, kind: str) -> Network:
    """Return the gradient of `share` times one row's loss, from the scores back."""
    values = outputs(network, x)
    if kind == "sigmoid":
        share /= len(values[-1])
    ds = [share * (p - (j == label)) for j, p in enumerate(probabilities(values[-1], kind))]
    layers: Network = []
    for (W, b), a in zip(reversed(network), reversed(values[:-1]), strict=True):
        layers.append(([[a[i] * ds[j] for j in range(len(b))] for i in range(len(W))], ds))
        # The slope of ReLU is taken as 0 at 0, where its output is not positive.
        ds = [fsum(W[i][j] * ds[j] for j in range(len(b))) if a[i] > 0 else 0.0 for i in range(len(W))]
    return layers[::-1]


def sgd(
    network: Network,
    X: Matrix,
    y: Sequence[int],
    weight: Sequence[float],
    l2: float,
    batches: Iterable[tuple[Sequence[int], float]],
    kind: str = "softmax",
) -> Network:
    """Return the network after one step ``p - rate * gradient`` for every batch ``(rows, rate)``."""
    for rows, rate in batches:
        batch = [X[i] for i in rows], [y[i] for i in rows], [weight[i] for i in rows]
        steps = gradient(network, *batch, l2, kind)
        network = [
            (
                [[w - rate * dw for w, dw in zip(*pair, strict=True)] for pair in zip(W, dW, strict=True)],
                [v - rate * dv for v, dv in zip(b, db, strict=True)],
            )
            for (W, b), (dW, db) in zip(network, steps, strict=True)
        ]
    return network
