"""What gradstep computes, in plain float64 Python loops: slow, obvious, and sharing nothing with the package.

A network is a list of layers ``(W, b)``, W as ``in`` lists of ``out`` numbers. Sums are taken by
``math.fsum``, which rounds once, so the oracle is more exact than what it judges. The tables of
`oracle_parts` have every loss, activation and optimizer by its short name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from math import fsum, inf, sqrt
from typing import Any, NamedTuple

from oracle_parts import (
    ACTIVATIONS as ACTIVATIONS,
)
from oracle_parts import (
    AVERAGES as AVERAGES,
)
from oracle_parts import (
    LOSSES as LOSSES,
)
from oracle_parts import (
    OPTIMIZERS as OPTIMIZERS,
)
from oracle_parts import (
    Activation as Activation,
)
from oracle_parts import (
    Average as Average,
)
from oracle_parts import (
    Loss as Loss,
)
from oracle_parts import (
    Softmax as Softmax,
)
from oracle_parts import (
    Step as Step,
)
from oracle_parts import (
    Vector as Vector,
)
from oracle_parts import (
    relu as relu,
)
from oracle_parts import (
    sgd as sgd,
)
from oracle_parts import (
    sigmoid as sigmoid,
)

Matrix = list[Vector]
Network = list[tuple[Matrix, Vector]]


class Data(NamedTuple):
    """Standardised rows, their targets (class indices, or a list of k numbers each) and weights of mean 1."""

    X: Matrix
    targets: Sequence[Any]
    weight: Sequence[float]

    def rows(self, which: Sequence[int]) -> Data:
        """Return some of the rows."""
        return Data(
            [self.X[i] for i in which], [self.targets[i] for i in which], [self.weight[i] for i in which]
        )


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


#: What dropout multiplies every input of every layer by, for one row.
Factors = Sequence[Vector]


class Objective(NamedTuple):
    """What a network minimises: a loss, an activation per hidden layer, the strength of the l2 term."""

    loss: Loss
    activations: Sequence[Activation] = ()
    l2: float = 0.0


def outputs(network: Network, x: Vector, activations: Sequence[Activation] = ()) -> list[Vector]:
    """Return the input and every layer's output of one row: activations between layers, scores last."""
    return [x, *_forward(network, x, activations)[1]]


def _forward(
    network: Network, x: Vector, activations: Sequence[Activation], factors: Factors | None = None
) -> tuple[list[Vector], list[Vector]]:
    """Return what enters the units of every layer, and what leaves them."""
    entering: list[Vector] = []
    leaving: list[Vector] = [x]
    for layer, (W, b) in enumerate(network):
        a = _times(leaving[-1], factors, layer)
        sums = [fsum([b[j], *(a[i] * W[i][j] for i in range(len(W)))]) for j in range(len(b))]
        is_last = layer == len(network) - 1
        entering.append(sums)
        leaving.append(sums if is_last else [activations[layer].of(z) for z in sums])
    return entering, leaving[1:]


def _times(a: Vector, factors: Factors | None, layer: int) -> Vector:
    """Return a layer's inputs, each times its factor."""
    return a if factors is None else [v * f for v, f in zip(a, factors[layer], strict=True)]


def loss(network: Network, data: Data, objective: Objective) -> float:
    """Return the weighted mean over rows of their losses (the weights have mean 1)."""
    terms = (
        w * objective.loss.loss(outputs(network, x, objective.activations)[-1], target)
        for x, target, w in zip(*data, strict=True)
    )
    return fsum(terms) / len(data.X)


def cost(network: Network, data: Data, objective: Objective) -> float:
    """Return the loss plus l2 times the sum of squares of every weight; biases are free."""
    squares = fsum(w * w for W, _ in network for row in W for w in row)
    return loss(network, data, objective) + objective.l2 * squares


def hits(network: Network, data: Data, objective: Objective) -> float:
    """Return the weighted share of rows that are answered right."""
    right = (
        w * objective.loss.hit(outputs(network, x, objective.activations)[-1], target)
        for x, target, w in zip(*data, strict=True)
    )
    return fsum(right) / len(data.X)


def gradient(
    network: Network, data: Data, objective: Objective, dropped: Sequence[Factors] | None = None
) -> Network:
    """Return the gradient of the cost, laid out as the network; `dropped` has the factors of every row."""
    of_rows = [
        _row_gradient(network, x, target, w / len(data.X), objective, dropped[row] if dropped else None)
        for row, (x, target, w) in enumerate(zip(*data, strict=True))
    ]
    total: Network = []
    for layer, (W, b) in enumerate(network):
        dW = [
            [
                fsum([2 * objective.l2 * W[i][j], *(row[layer][0][i][j] for row in of_rows)])
                for j in range(len(b))
            ]
            for i in range(len(W))
        ]
        total.append((dW, [fsum(row[layer][1][j] for row in of_rows) for j in range(len(b))]))
    return total


def _row_gradient(
    network: Network, x: Vector, target: Any, share: float, objective: Objective, factors: Factors | None
) -> Network:
    """Return the gradient of `share` times one row's loss, from the scores back."""
    entering, leaving = _forward(network, x, objective.activations, factors)
    ds = [share * slope for slope in objective.loss.gradient(leaving[-1], target)]
    layers: Network = []
    for layer in reversed(range(len(network))):
        W, b = network[layer]
        a = _times(leaving[layer - 1] if layer else x, factors, layer)
        layers.append(([[a[i] * ds[j] for j in range(len(b))] for i in range(len(W))], ds))
        if layer:
            slopes = [objective.activations[layer - 1].slope(z) for z in entering[layer - 1]]
            da = [fsum(W[i][j] * ds[j] for j in range(len(b))) for i in range(len(W))]
            ds = [v * slope for v, slope in zip(_times(da, factors, layer), slopes, strict=True)]
    return layers[::-1]


def clipped(slopes: Network, value: float, norm: float) -> Network:
    """Return a gradient no element of which is larger than `value`, and which is no longer than `norm`."""

    def each(change: Callable[[float], float], of: Network) -> Network:
        return [([[change(g) for g in row] for row in dW], [change(g) for g in db]) for dW, db in of]

    slopes = each(lambda g: max(-value, min(value, g)), slopes)
    squares: list[float] = []
    each(lambda g: squares.append(g * g) or g, slopes)
    length = sqrt(fsum(squares))
    return each(lambda g: g * norm / length, slopes) if length > norm else slopes


def trajectory(
    network: Network,
    data: Data,
    objective: Objective,
    optimizer: Callable[[], Step],
    batches: Iterable[tuple[Sequence[int], float]],
    dropped: Callable[[int, int], Factors] | None = None,
    limits: tuple[float, float] = (inf, inf),
) -> Iterator[Network]:
    """Yield the network before the first and after every batch ``(rows, rate)``.

    `optimizer` makes a Step; `dropped` returns the factors of an update and of a row's place in its batch;
    `limits` are those of a gradient's elements and of its norm.
    """
    steps = [([[optimizer() for _ in row] for row in W], [optimizer() for _ in b]) for W, b in network]
    yield network
    for update, (rows, rate) in enumerate(batches):
        factors = [dropped(update, row) for row in range(len(rows))] if dropped else None
        slopes = clipped(gradient(network, data.rows(rows), objective, factors), *limits)
        network = [
            (
                [
                    [step(w, dw, rate, True) for step, w, dw in zip(*of_row, strict=True)]
                    for of_row in zip(step_W, W, dW, strict=True)
                ],
                [step(v, dv, rate, False) for step, v, dv in zip(step_b, b, db, strict=True)],
            )
            for (step_W, step_b), (W, b), (dW, db) in zip(steps, network, slopes, strict=True)
        ]
        yield network


def train(
    network: Network,
    data: Data,
    objective: Objective,
    optimizer: Callable[[], Step],
    batches: Iterable[tuple[Sequence[int], float]],
    dropped: Callable[[int, int], Factors] | None = None,
) -> Network:
    """Return the network after an update for every batch."""
    *_, last = trajectory(network, data, objective, optimizer, batches, dropped)
    return last
